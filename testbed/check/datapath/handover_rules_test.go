// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"dpr/userland/dprnl"
	"dpr/userland/layer7"
)

// Who serves a connection depends on what its client asks for, however that is cut into
// segments; what is not understood, or does not come, goes to the default group.
func TestHandoverByRules(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		h := newHanding(t, w)
		h.a.fresh(t, h.d, 0)
		of := map[string]*server{"A": h.a, "B": h.b, "D": h.d}
		rules := dprnl.Ruleset{Default: "D"}
		var sni, hosts []dprnl.Match
		for _, name := range []string{"A", "B", "D"} {
			rules.Groups = append(rules.Groups, dprnl.Group{Name: name, Hosts: []netip.Addr{of[name].addr}})
			rules.Matches = append(rules.Matches, dprnl.Match{Group: name, Path: "/" + name})
			sni, hosts = append(sni, dprnl.Match{Group: name, SNI: name + ".example"}), append(hosts, dprnl.Match{Group: name, Host: name})
		}
		rules.Matches = append(append(rules.Matches, sni...), hosts...)
		check(t, h.a.dpr.SetRuleset(t.Context(), dprnl.Service{Port: port}, rules))
		long := "X: " + strings.Repeat("x", 8000) + "\r\n"
		// To the server a request is its command who.
		for i, tt := range []struct {
			want  string
			parts []string
		}{
			{"B", []string{"who /B HTTP/1.1\r\n"}},
			{"A", []string{"who /A/x HTTP/1.1\r\nHost: D\r\n\r\n"}},
			{"B", []string{"who / HT", "TP/1.1\r\nHos", "t: B\r\n"}},
			{"D", []string{"who /C HTTP/1.1\r\nHost: c\r\n\r\n"}},
			{"B", []string{"who / HTTP/1.1\r\n" + long, "Host: B\r\n\r\n"}},
			{"D", []string{"\x01\x02\x03"}},
			{"D", []string{"who /B"}},
			{"D", nil},
			{"B", []string{string(layer7.ClientHello("b.example", nil))}},
			{"A", []string{string(layer7.ClientHello("A.example", []string{"h2"})[:60]), string(layer7.ClientHello("A.example", []string{"h2"})[60:])}},
		} {
			k := connect(t, h.c, h.a.service())
			check(t, k.SetNoDelay(true))
			for n, part := range tt.parts {
				if n > 0 {
					time.Sleep(50 * time.Millisecond)
				}
				_, err := k.Write([]byte(part))
				check(t, err)
			}
			if len(tt.parts) > 0 && strings.Contains(tt.parts[len(tt.parts)-1], "\n") {
				check(t, k.SetReadDeadline(time.Now().Add(step)))
				if by, err := k.r.ReadString('\n'); err != nil || strings.TrimSpace(by) != tt.want {
					t.Errorf("%d: %q was served by %q (%v), want %s", i, tt.parts, by, err, tt.want)
				}
			}
			eventually(t, func() error { return h.accepts(of, tt.want, k) })
			k.Close()
		}
	})
}

// accepts is an error if another server than one has a connection, or that one has not, unless
// it has closed it since.
func (h *handing) accepts(of map[string]*server, want string, k *conn) error {
	one := make([]byte, 1)
	if err := k.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		return err
	}
	_, err := k.Read(one)
	closed := err != nil && !os.IsTimeout(err)
	for name, s := range of {
		if has := slices.Contains(s.web.accepted(), k.LocalAddr().String()); has != (name == want) && !(closed && !has) {
			return fmt.Errorf("%s has the connection: %v, want %s", name, has, want)
		}
	}
	return nil
}

// What a waiting request costs that is long and not yet decided does not depend on its length,
// for packets that bring nothing new.
func TestHandoverRulesOnce(t *testing.T) {
	eachWay(t, []way{fragbit4}, func(t *testing.T, w way) {
		const strays, tries = 1000, 4
		h := newHanding(t, w)
		check(t, h.a.dpr.SetRuleset(t.Context(), dprnl.Service{Port: port}, dprnl.Ruleset{
			Default: "B", Groups: []dprnl.Group{{Name: "B", Hosts: []netip.Addr{h.b.addr}}},
			Matches: []dprnl.Match{{Group: "B", Host: "b"}},
		}))
		r := h.raw(t, addrR)
		next := uint16(4000)
		cost := func(bytes int) time.Duration {
			least := time.Hour
			for range tries {
				k := r.talk(h.a, next)
				next++
				k.open(t)
				text := ("GET / HTTP/1.1\r\n" + strings.Repeat("a: b\r\n", bytes/6))[:bytes]
				first := k.segment("A", "")
				stray := first
				stray.Ack -= 100
				a := h.a.meter(t)
				for at := 0; at < len(text); at += 1000 {
					s := first
					s.Seq, s.Payload = first.Seq+uint32(at), []byte(text[at:min(at+1000, len(text))])
					r.send(t, h.a, s.Bytes())
				}
				begun := time.Now()
				for range strays {
					r.send(t, h.a, stray.Bytes())
				}
				eventually(t, func() error { return atLeast(a.changes(t), dprnl.StatHandoverStray, strays) })
				least = min(least, time.Since(begun))
			}
			return least
		}
		short, long := cost(20), cost(15_000)
		t.Logf("%d packets took %v while 20 bytes waited, %v while 15,000 did", strays, short, long)
		if long > 5*short {
			t.Errorf("%v, with a short request %v", long, short)
		}
	})
}
