// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"dpr/userland/dprnl"
)

// roleSender is a child that sends messages to the module.
const roleSender = "sender"

// Who sends messages.
const (
	asRoot     = "root"     // in network namespaces of its own
	asUser     = "user"     // root of a user namespace, in network namespaces of its own
	asStranger = "stranger" // without rights, in the first network namespace
)

// sent is what a sender tells when it ends.
type sent struct {
	Messages   int
	Accepted   int
	Refused    map[string]int
	Compared   int
	Namespaces int
	Failures   []string
}

// maxFailures is how many broken promises a sender tells of before it gives up.
const maxFailures = 20

// renew is after how many messages a sender goes to a new namespace.
const renew = 10_000

// batch is how many messages are sent at a time, at the most.
const batch = 16

// messenger sends messages and looks at the answers.
type messenger struct {
	sent
	who    string
	until  time.Time
	m      *maker
	s      *socket
	c      *dprnl.Client
	doing  []message // sent, the last of them with number m.sent
	done   [batch]bool
	broken bool // one of them hides the rest from the kernel
	last   unix.Errno
}

// sender is the child: who sends, from which seed, how many messages, to which
// family, for how many seconds at the most.
func sender(args []string) error {
	if len(args) != 5 {
		return fmt.Errorf("a sender takes who, seed, messages, family and seconds, not %q", args)
	}
	seed, err := strconv.ParseUint(args[1], 10, 64)
	if err != nil {
		return err
	}
	messages, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	number, err := strconv.ParseUint(args[3], 10, 16)
	if err != nil {
		return err
	}
	seconds, err := strconv.Atoi(args[4])
	if err != nil {
		return err
	}
	runtime.LockOSThread() // namespaces go by the thread
	m := &messenger{who: args[0], m: &maker{Rand: rand.New(rand.NewPCG(seed, crc(args[0]))), family: uint16(number)}}
	m.Refused, m.until = map[string]int{}, time.Now().Add(time.Duration(seconds)*time.Second)
	for m.Messages < messages && m.goesOn() {
		if err := m.inNamespace(context.Background(), min(messages, m.Messages+renew)); err != nil {
			return err
		}
	}
	return json.NewEncoder(os.Stdout).Encode(m.sent)
}

func (m *messenger) goesOn() bool { return len(m.Failures) < maxFailures && time.Now().Before(m.until) }

// crc is a number that a word stands for.
func crc(word string) uint64 { return uint64(crc32.ChecksumIEEE([]byte(word))) }

func (m *messenger) fail(format string, args ...any) {
	m.Failures = append(m.Failures, fmt.Sprintf("%s, message %d: ", m.who, m.Messages)+fmt.Sprintf(format, args...))
}

// inNamespace sends until so many messages were sent, in a namespace of its own
// unless it may not.
func (m *messenger) inNamespace(ctx context.Context, until int) (err error) {
	var n *smallNetwork
	if m.who != asStranger {
		if n, err = m.enter(ctx); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, m.c.Close(), n.close()) }()
	}
	if m.s, err = openSocket(); err != nil {
		return err
	}
	defer m.s.close()
	for i := 0; m.Messages < until && m.goesOn(); i++ {
		if m.who == asStranger || !m.m.oneIn(20) {
			err = m.several()
		} else {
			err = m.compare(ctx)
		}
		if err == nil && n != nil && i%64 == 0 {
			err = n.syn(uint16(m.m.IntN(1000)), m.m.Uint32())
		}
		if err == nil && n != nil && i%200 == 0 {
			err = m.look(ctx)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// enter goes to a new namespace, in which connections are redirected.
func (m *messenger) enter(ctx context.Context) (*smallNetwork, error) {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return nil, fmt.Errorf("making a namespace: %w", err)
	}
	m.Namespaces++
	n, err := newSmallNetwork()
	if err != nil {
		return nil, err
	}
	if m.c, err = dprnl.New(); err != nil {
		return nil, err
	}
	if err := redirecting(ctx, m.c); err != nil {
		return nil, err
	}
	return n, nil
}

// several sends some messages at once.
func (m *messenger) several() error {
	n := 1 + m.m.IntN(batch)
	m.doing, m.broken = m.doing[:0], false
	var b []byte
	for range n {
		o := m.m.one()
		if m.m.oneIn(400) {
			o = m.m.cut(o)
			m.broken = true
		}
		m.doing = append(m.doing, o)
		b = append(align(b), o.data...)
	}
	return m.exchange(b)
}

// exchange sends the messages of m.doing, which b holds, and takes the answers.
func (m *messenger) exchange(b []byte) error {
	m.Messages += len(m.doing)
	clear(m.done[:])
	if err := m.s.send(b); err != nil {
		return err
	}
	return m.s.answers(func(b []byte) error { return parseAnswers(b, m.answered) })
}

// answered looks at an answer.
func (m *messenger) answered(a answer) error {
	i := len(m.doing) - 1 - int(m.m.sent-a.number)
	if i < 0 || i >= len(m.doing) {
		// The rest of a dump that was begun before, or of a damaged message.
		if a.kind == unix.NLMSG_ERROR && !m.broken {
			m.fail("an answer to nothing: number %d, %v", a.number, a.errno)
		}
		return nil
	}
	o := m.doing[i]
	switch {
	case a.errno != 0:
		m.refused(o, a)
	default:
		// A dump has many answers.
		if !m.done[i] {
			m.Accepted++
			m.done[i] = true
		}
		if m.who == asStranger && o.ours && !m.broken {
			m.fail("command %d was done for a user without rights: % x", o.command, o.data)
		}
	}
	return nil
}

// wordy are the errors that the module has to explain.
var wordy = map[unix.Errno]bool{
	unix.EINVAL: true, unix.ERANGE: true, unix.EEXIST: true, unix.ENOENT: true, unix.ENOSPC: true,
	unix.EDESTADDRREQ: true, unix.EADDRNOTAVAIL: true, unix.EDQUOT: true, unix.E2BIG: true,
	unix.EAFNOSUPPORT: true, unix.EADDRINUSE: true,
}

func (m *messenger) refused(o message, a answer) {
	m.last = a.errno
	m.Refused[unix.ErrnoName(a.errno)]++
	known := a.errno == unix.EOPNOTSUPP || a.errno == unix.EBUSY || wordy[a.errno]
	if m.who == asStranger {
		known = a.errno == unix.EPERM || !o.framed
	}
	switch {
	case !known:
		m.fail("command %d, % x: %v", o.command, o.data, a.errno)
	case m.who != asStranger && o.framed && o.ours && wordy[a.errno] && !a.words:
		m.fail("command %d, % x: %v without a word", o.command, o.data, a.errno)
	}
}

// compare sends one message; if it is refused nothing may be different.
func (m *messenger) compare(ctx context.Context) error {
	o := m.m.one()
	for !o.changes || !o.framed {
		o = m.m.one()
	}
	before, err := readState(ctx, m.c)
	if err != nil {
		return err
	}
	m.last, m.broken = 0, false
	m.doing = append(m.doing[:0], o)
	if err := m.exchange(o.data); err != nil || m.last == 0 {
		return err
	}
	after, err := readState(ctx, m.c)
	if err != nil {
		return err
	}
	m.Compared++
	if !before.equal(after) {
		m.fail("command %d, % x: refused (%v), and yet it changed %+v to %+v", o.command, o.data, m.last, before, after)
	}
	return nil
}

// look reads all that there is, and checks it.
func (m *messenger) look(ctx context.Context) error {
	s, err := readState(ctx, m.c)
	if err != nil {
		return err
	}
	if err := s.check(ownAddresses()); err != nil {
		m.fail("%v", err)
	}
	var flows uint64
	for f, err := range m.c.Flows(ctx, dprnl.FlowFilter{}) {
		if err != nil {
			return err
		}
		if flows++; f.Client.Port() == 0 || f.State > dprnl.FlowEnded || !f.Peer.IsValid() {
			m.fail("it has the flow %+v", f)
		}
	}
	// Nothing comes or goes by itself here.
	if flows != s.flows {
		m.fail("it counts %d flows, and shows %d", s.flows, flows)
	}
	return nil
}
