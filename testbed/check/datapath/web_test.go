// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dpr/testbed/check/datapath/vnet"
)

// A web is a server program on a host. Its protocol is lines, so that a
// connection can be asked at any time of its life who serves it:
//
//	who        NAME
//	peer       the client's address as the server sees it
//	told       the addresses of client and service that the PROXY protocol says
//	recv N     reads N bytes of pattern and answers "ok"
//	send N     N bytes of pattern
//	eofsend N  reads to the end, then sends N bytes of pattern and closes
//	wake N     sends its name after N milliseconds
//	shut       closes its half, and reads to the end
//	close      closes
//	reset      closes with a RST
type web struct {
	name string
	lns  []net.Listener
	// multipath has it listen for MPTCP.
	multipath bool
	// proxied has it expect the PROXY protocol; then it may greet the client.
	proxied, greets bool

	mu    sync.Mutex
	conns map[net.Conn]bool
}

// serve starts a web on all addresses of a host, with a listener for each family.
func serve(t *testing.T, h *vnet.Host, name string, port uint16) *web {
	t.Helper()
	w := &web{name: name, conns: map[net.Conn]bool{}}
	w.listen(t, h, "tcp4", fmt.Sprintf("0.0.0.0:%d", port), nil)
	w.listen(t, h, "tcp6", fmt.Sprintf("[::]:%d", port), nil)
	return w
}

// serveMultipath is serve for MPTCP.
func serveMultipath(t *testing.T, h *vnet.Host, name string, port uint16) *web {
	t.Helper()
	w := &web{name: name, conns: map[net.Conn]bool{}, multipath: true}
	w.listen(t, h, "tcp4", fmt.Sprintf("0.0.0.0:%d", port), nil)
	w.listen(t, h, "tcp6", fmt.Sprintf("[::]:%d", port), nil)
	return w
}

// serveProxied is serve for connections that begin with the PROXY protocol.
func serveProxied(t *testing.T, h *vnet.Host, name string, port uint16) *web {
	t.Helper()
	w := &web{name: name, conns: map[net.Conn]bool{}, proxied: true}
	w.listen(t, h, "tcp4", fmt.Sprintf("0.0.0.0:%d", port), nil)
	w.listen(t, h, "tcp6", fmt.Sprintf("[::]:%d", port), nil)
	return w
}

// readProxy reads the header of the PROXY protocol, version 2.
func readProxy(r io.Reader) (client, service netip.AddrPort, err error) {
	b := make([]byte, 16)
	if _, err := io.ReadFull(r, b); err != nil {
		return client, service, err
	}
	n := map[byte]int{0x11: 4, 0x21: 16}[b[13]]
	if string(b[:13]) != "\r\n\r\n\x00\r\nQUIT\n\x21" || n == 0 || int(b[14])<<8|int(b[15]) != 2*n+4 {
		return client, service, fmt.Errorf("% x is no header of the PROXY protocol", b)
	}
	b = make([]byte, 2*n+4)
	if _, err := io.ReadFull(r, b); err != nil {
		return client, service, err
	}
	from, _ := netip.AddrFromSlice(b[:n])
	to, _ := netip.AddrFromSlice(b[n : 2*n])
	ports := b[2*n:]
	return netip.AddrPortFrom(from, uint16(ports[0])<<8|uint16(ports[1])), netip.AddrPortFrom(to, uint16(ports[2])<<8|uint16(ports[3])), nil
}

// serveOn starts a web on an address: on [::], for both families. control may set options
// of the socket.
func serveOn(t *testing.T, h *vnet.Host, name, address string, control func(fd int) error) *web {
	t.Helper()
	w := &web{name: name, conns: map[net.Conn]bool{}}
	w.listen(t, h, networkOf(address), address, control)
	return w
}

// networkOf is the network of a listener on an address. For Go, 0.0.0.0 is all addresses of
// both families in "tcp".
func networkOf(address string) string {
	if strings.HasPrefix(address, "[") {
		return "tcp"
	}
	return "tcp4"
}

// serveFor is serveOn the unspecified address of a way's clients, for nobody else.
func (s *server) serveFor(t *testing.T, control func(fd int) error) *web {
	t.Helper()
	w := &web{name: s.Name, conns: map[net.Conn]bool{}}
	w.listen(t, s.Host, s.way.tcp(), netip.AddrPortFrom(s.way.any(), port).String(), control)
	return w
}

// listen has the web listen on an address of a network: tcp4, tcp6, or tcp for both.
func (w *web) listen(t *testing.T, h *vnet.Host, network, address string, control func(fd int) error) {
	t.Helper()
	lc := net.ListenConfig{KeepAlive: -1}
	lc.SetMultipathTCP(w.multipath)
	if control != nil {
		lc.Control = func(_, _ string, rc syscall.RawConn) error {
			var err error
			return errors.Join(rc.Control(func(fd uintptr) { err = control(int(fd)) }), err)
		}
	}
	check(t, h.Do(func() error {
		ln, err := lc.Listen(t.Context(), network, address)
		if err == nil {
			w.lns = append(w.lns, ln)
			go w.run(ln)
		}
		return err
	}))
	t.Cleanup(w.stop)
}

// deaf closes the listeners alone.
func (w *web) deaf() {
	for _, ln := range w.lns {
		ln.Close()
	}
}

// stop closes the listeners and all connections.
func (w *web) stop() {
	w.deaf()
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.conns {
		c.Close()
	}
}

// abort is stop that leaves nothing of the connections to the kernel.
func (w *web) abort() {
	w.mu.Lock()
	for c := range w.conns {
		_ = c.(*net.TCPConn).SetLinger(0)
	}
	w.mu.Unlock()
	w.stop()
}

// reset ends the connection of one client with a RST.
func (w *web) reset(t *testing.T, client netip.AddrPort) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.conns {
		if c.RemoteAddr().String() == client.String() {
			check(t, c.(*net.TCPConn).SetLinger(0))
			check(t, c.Close())
			return
		}
	}
	t.Fatalf("%s has no connection of %v", w.name, client)
}

func (w *web) run(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		w.mu.Lock()
		w.conns[c] = true
		w.mu.Unlock()
		go func() {
			defer func() {
				c.Close()
				w.mu.Lock()
				delete(w.conns, c)
				w.mu.Unlock()
			}()
			// An error is seen by the client.
			_ = w.talk(c.(*net.TCPConn))
		}()
	}
}

func (w *web) talk(c *net.TCPConn) error {
	r := bufio.NewReaderSize(c, 64<<10)
	var client, service netip.AddrPort
	if w.proxied {
		var err error
		if client, service, err = readProxy(r); err != nil {
			return err
		}
	}
	if w.greets {
		if _, err := fmt.Fprintln(c, "hello", client); err != nil {
			return err
		}
	}
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return err
		}
		word, arg, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, _ := strconv.Atoi(arg)
		switch word {
		case "who":
			_, err = fmt.Fprintln(c, w.name)
		case "peer":
			_, err = fmt.Fprintln(c, c.RemoteAddr())
		case "told":
			_, err = fmt.Fprintln(c, client, service)
		case "wake":
			time.Sleep(time.Duration(n) * time.Millisecond)
			_, err = fmt.Fprintln(c, w.name)
		case "recv":
			if err = readPattern(r, n); err == nil {
				_, err = fmt.Fprintln(c, "ok")
			}
		case "send":
			err = writePattern(c, n)
		case "eofsend":
			if err = readAll(r); err == nil {
				return writePattern(c, n)
			}
		case "shut":
			return errors.Join(c.CloseWrite(), readAll(r))
		case "reset":
			return errors.Join(c.SetLinger(0), c.Close())
		default:
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func readAll(r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}

// A conn is a client's connection.
type conn struct {
	*net.TCPConn
	r *bufio.Reader
}

// dial connects a client's host to a service.
func dial(h *vnet.Host, to netip.AddrPort) (*conn, error) {
	return dialWith(h, to, nil)
}

// dialFor is dial that gives up sooner.
func dialFor(h *vnet.Host, to netip.AddrPort, timeout time.Duration) (*conn, error) {
	return dialBy(h, to, net.Dialer{Timeout: timeout, KeepAlive: -1})
}

// dialAs is dial by a user of the host.
func dialAs(h *vnet.Host, uid int, to netip.AddrPort) (nc net.Conn, err error) {
	err = h.Do(func() (err error) {
		// That of this thread alone, which ends with Do.
		if err := unix.Setfsuid(uid); err != nil {
			return err
		}
		nc, err = (&net.Dialer{Timeout: step, KeepAlive: -1}).Dial("tcp", to.String())
		return err
	})
	return nc, err
}

// dialWith connects with options set on the socket.
func dialWith(h *vnet.Host, to netip.AddrPort, control func(fd int) error) (*conn, error) {
	d := net.Dialer{Timeout: step, KeepAlive: -1}
	if control != nil {
		d.Control = func(_, _ string, rc syscall.RawConn) error {
			var err error
			return errors.Join(rc.Control(func(fd uintptr) { err = control(int(fd)) }), err)
		}
	}
	return dialBy(h, to, d)
}

func dialBy(h *vnet.Host, to netip.AddrPort, d net.Dialer) (*conn, error) {
	var nc net.Conn
	err := h.Do(func() (err error) {
		nc, err = d.Dial("tcp", to.String())
		return err
	})
	if err != nil {
		return nil, err
	}
	return &conn{nc.(*net.TCPConn), bufio.NewReaderSize(nc, 64<<10)}, nil
}

// connect is dial that must succeed; the connection ends with the test.
func connect(t *testing.T, h *vnet.Host, to netip.AddrPort) *conn {
	t.Helper()
	c, err := dial(h, to)
	check(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// ask sends a line and returns the line that answers it.
func (c *conn) ask(format string, args ...any) (string, error) {
	return c.askFor(step, format, args...)
}

// askFor is ask that gives up sooner.
func (c *conn) askFor(timeout time.Duration, format string, args ...any) (string, error) {
	if err := c.SetDeadline(time.Now().Add(timeout)); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintf(c, format+"\n", args...); err != nil {
		return "", err
	}
	line, err := c.r.ReadString('\n')
	return strings.TrimSpace(line), err
}

// wantServed fails the test unless the named web serves the connection.
func (c *conn) wantServed(t *testing.T, by string) {
	t.Helper()
	got, err := c.ask("who")
	if err != nil || got != by {
		t.Errorf("served by %q (%v), want %q", got, err, by)
	}
}

// wantReset fails the test unless the connection ends by a RST, and soon.
func (c *conn) wantReset(t *testing.T) {
	t.Helper()
	_, err := c.ask("who")
	if err == nil {
		// A RST that was under way when the request was written.
		_, err = c.ask("who")
	}
	if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
		t.Errorf("the connection ended with %v, want a reset", err)
	}
}

// upload sends n bytes that must arrive.
func (c *conn) upload(n int) error { return c.uploadFor(2*step, n) }

// uploadFor is upload that gives up sooner.
func (c *conn) uploadFor(timeout time.Duration, n int) error {
	if err := c.SetDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(c, "recv %d\n", n); err != nil {
		return err
	}
	if err := writePattern(c, n); err != nil {
		return fmt.Errorf("upload %d bytes: %w", n, err)
	}
	line, err := c.r.ReadString('\n')
	if err != nil || line != "ok\n" {
		return fmt.Errorf("upload %d bytes: answer %q: %w", n, line, err)
	}
	return nil
}

// download receives n bytes.
func (c *conn) download(n int) error {
	if err := c.SetDeadline(time.Now().Add(2 * step)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(c, "send %d\n", n); err != nil {
		return err
	}
	return readPattern(c.r, n)
}

// pattern is what transfers carry: every place in it is told from its
// neighbours, and its length has no factor in common with packet sizes.
var pattern = func() []byte {
	b := make([]byte, 65521)
	x := uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}()

func writePattern(w io.Writer, n int) error {
	for n > 0 {
		k, err := w.Write(pattern[:min(n, len(pattern))])
		if err != nil {
			return err
		}
		n -= k
	}
	return nil
}

func readPattern(r io.Reader, n int) error {
	buf := make([]byte, len(pattern))
	for at := 0; at < n; {
		part := buf[:min(n-at, len(buf))]
		if k, err := io.ReadFull(r, part); err != nil {
			return fmt.Errorf("after %d of %d bytes: %w", at+k, n, err)
		}
		if string(part) != string(pattern[:len(part)]) {
			return fmt.Errorf("wrong bytes between %d and %d", at, at+len(part))
		}
		at += len(part)
	}
	return nil
}

// accepted returns the addresses of the clients whose connections are open.
func (w *web) accepted() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for c := range w.conns {
		out = append(out, c.RemoteAddr().String())
	}
	return out
}

// refused says whether connecting failed by a RST.
func refused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }
