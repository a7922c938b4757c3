// SPDX-License-Identifier: MIT

package layer7

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"dpr/userland/dprnl"
)

// decideText decides by one rule, in words.
func decideText(t *testing.T, m dprnl.Match, data string) string {
	t.Helper()
	m.Group = "g"
	rules := dprnl.Ruleset{Groups: []dprnl.Group{{Name: "g"}}, Matches: []dprnl.Match{m}}
	if wrong := rules.Check(); len(wrong) > 0 {
		t.Fatal(wrong)
	}
	return Decide(rules, []byte(data), false).Outcome.String()
}

// The examples of the documentation.
func TestDecide(t *testing.T) {
	get := func(target, host string) string {
		return fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, host)
	}
	for _, tt := range []struct {
		m    dprnl.Match
		data string
		want string
	}{
		{dprnl.Match{Host: "*.example.org"}, get("/", "a.b.example.org"), "match"},
		{dprnl.Match{Host: "*.example.org"}, get("/", "example.org"), "no-match"},
		{dprnl.Match{Host: "A"}, get("/", "a.:80"), "match"},
		{dprnl.Match{Host: "a"}, get("http://a/", "b"), "match"},
		{dprnl.Match{Host: "[2001:db8::1]"}, get("/", "[2001:DB8::1]:80"), "match"},
		{dprnl.Match{Path: "/api"}, get("/api/users", "a"), "match"},
		{dprnl.Match{Path: "/api"}, get("/apis", "a"), "no-match"},
		{dprnl.Match{Path: "/api/"}, get("/api", "a"), "no-match"},
		{dprnl.Match{Path: "/api"}, get("/%61pi", "a"), "no-match"},
		{dprnl.Match{Path: "/x"}, get("/x/../api", "a"), "match"},
		{dprnl.Match{Method: "get"}, get("/", "a"), "no-match"},
		{dprnl.Match{Cookie: "a=b"}, "GET / HTTP/1.1\r\nCookie: a=b\r\n", "match"},
		{dprnl.Match{Cookie: "a=b"}, "GET / HTTP/1.1\r\nCookie: c=d\r\n", "more"},
		{dprnl.Match{Path: "/"}, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "no-match"},
		{dprnl.Match{Host: "a"}, "GET / HTTP/1.1\r\nA: b\r\n c\r\n", "bad"},
		{dprnl.Match{ALPN: "h2"}, string(ClientHello("", []string{"x", "h2"})), "match"},
		{dprnl.Match{SNI: "a"}, string(ClientHello("b", nil)), "no-match"},
	} {
		if got := decideText(t, tt.m, tt.data); got != tt.want {
			t.Errorf("%+v, %q: %s, want %s", tt.m, tt.data, got, tt.want)
		}
	}
}

// What net/http takes for a request, and what not, as far as both look at it.
func TestAsNetHTTP(t *testing.T) {
	for _, s := range seeds() {
		if s[0] == recordHandshake || bytes.HasPrefix(s, []byte("PRI")) || bytes.Contains(s, []byte("c =d")) {
			continue
		}
		s = bytes.TrimLeft(s, "\r\n") // it takes no empty lines in front
		var got request
		r, end := read(s, func(r *request) bool { return true })
		got = *r
		req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(s)))
		if end != complete || err != nil {
			// It is more tolerant: it unfolds lines, and leaves it to others to look at
			// hosts and methods.
			if end == complete {
				t.Errorf("%q is understood, but net/http says %v", s, err)
			}
			continue
		}
		host, _, err := net.SplitHostPort(req.Host)
		if err != nil {
			host = req.Host
		}
		if want := strings.TrimSuffix(strings.Trim(host, "[]"), "."); strings.Trim(got.host.value, "[]") != want || got.method.value != req.Method {
			t.Errorf("%q: host %q, method %q; net/http has %q, %q", s, got.host.value, got.method.value, want, req.Method)
		}
		for _, c := range got.cookies {
			if theirs, err := req.Cookie(c.name); err == nil && got.first(c.name) != theirs.Value {
				t.Errorf("%q: cookie %s is %q; net/http has %q", s, c.name, got.first(c.name), theirs.Value)
			}
		}
	}
}

// first is the first cookie of a name.
func (r *request) first(name string) string {
	for _, c := range r.cookies {
		if c.name == name {
			return c.value
		}
	}
	return ""
}

// hello is what crypto/tls sends first.
func hello(t *testing.T, config *tls.Config) []byte {
	t.Helper()
	a, b := net.Pipe()
	defer a.Close()
	go func() {
		_ = tls.Client(b, config).Handshake()
		b.Close()
	}()
	buf := make([]byte, 20000)
	if err := a.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	n, err := a.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return buf[:n]
}

// The ClientHellos of crypto/tls, in which post-quantum keys take more than a segment, and
// those made here, which crypto/tls understands.
func TestAsCryptoTLS(t *testing.T) {
	protocols := []string{"h2", "http/1.1"}
	data := hello(t, &tls.Config{ServerName: "www.example.org", NextProtos: protocols})
	for _, size := range []int{1, 100, 16384} {
		r, end := read(cut(data, size), func(*request) bool { return true })
		if end != complete || r.sni.value != "www.example.org" || strings.Join(r.protocols, " ") != "h2 http/1.1" || r.host.has || !r.allCookies {
			t.Errorf("%d: %v, %+v", size, end, r)
		}
	}
	k := startKernel(t)
	compare(t, k, rulesets()[0], data)
	for _, name := range []string{"", "a.example"} {
		for _, list := range [][]string{nil, {"h2"}, protocols} {
			a, b := net.Pipe()
			go func() {
				b.Write(ClientHello(name, list))
				b.Close()
			}()
			var seen *tls.ClientHelloInfo
			err := tls.Server(a, &tls.Config{GetConfigForClient: func(i *tls.ClientHelloInfo) (*tls.Config, error) {
				seen = i
				return nil, fmt.Errorf("enough")
			}}).Handshake()
			if seen == nil || seen.ServerName != name || strings.Join(seen.SupportedProtos, " ") != strings.Join(list, " ") {
				t.Errorf("%q, %q: crypto/tls sees %+v (%v)", name, list, seen, err)
			}
			a.Close()
		}
	}
}

// What is said of the rules that were tried.
func TestWhy(t *testing.T) {
	d := Decide(rulesets()[1], []byte("GET /x HTTP/1.1\r\nCookie: a=c; c=; k=v\r\n\r\n"), false)
	want := `rule 1 does not hold: path is "/x", not "/img"
rule 2 does not hold: path is "/x", not "/api/"
rule 3 does not hold: cookie is "a=c", not "a=b"
rule 4 holds: path is "/x", cookie is "c="`
	if got := strings.Join(d.Why, "\n"); got != want || d.Rule != 3 || d.Group != "a" {
		t.Errorf("%s\nwant %s", got, want)
	}
	d = Decide(rulesets()[0], ClientHello("x", []string{"h3"}), false)
	want = `rule 1 does not hold: host is not there, not "a.example"
rule 2 does not hold: host is not there, not "*.example"
rule 3 does not hold: host is not there, not "[2001:db8::1]"
rule 4 does not hold: sni is "x", not "a.example"
rule 5 does not hold: sni is "x", not "*.example"
rule 6 does not hold: alpn is "h3", not "http/1.1"`
	if got := strings.Join(d.Why, "\n"); got != want || d.Rule != -1 || d.Group != "host" || !d.Hashed {
		t.Errorf("%s\nwant %s", got, want)
	}
	d = Decide(rulesets()[0], ClientHello("", nil), false)
	if got := d.Why[3]; got != `rule 4 does not hold: sni is not there, not "a.example"` || d.Hashed {
		t.Errorf("%q", d.Why)
	}
}
