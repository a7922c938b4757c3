// SPDX-License-Identifier: MIT

package layer7

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"dpr/userland/dprnl"
)

// A kernel is the module's own code, which kmod/tests/rule_eval.c runs in user space.
type kernel struct {
	in  io.WriteCloser
	out *bufio.Reader
}

// start builds and starts it once in a process. Fuzzing workers are processes.
var start = sync.OnceValues(func() (*kernel, error) {
	dir, err := os.MkdirTemp("", "layer7")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	// What a test has read, go test knows: it does not repeat an old verdict on other code.
	sources, err := filepath.Glob("../../kmod/*/*.[ch]")
	if err != nil || len(sources) == 0 {
		return nil, fmt.Errorf("no sources of the module: %w", err)
	}
	for _, path := range sources {
		if _, err := os.ReadFile(path); err != nil {
			return nil, err
		}
	}
	program := filepath.Join(dir, "rule_eval")
	if out, err := exec.Command("make", "-s", "-C", "../../kmod/tests", "OUT="+dir, program).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	cmd := exec.Command(program)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &kernel{in, bufio.NewReader(out)}, cmd.Start()
})

func startKernel(t testing.TB) *kernel {
	t.Helper()
	k, err := start()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// A question is what the kernel's code is asked.
type question struct {
	records, data []byte
	final         bool
}

// ask returns what the kernel's code says to each question, in the words of rule_eval.c. Its
// answers are short: it does not wait for them to be read.
func (k *kernel) ask(t testing.TB, questions ...question) []string {
	t.Helper()
	var all []byte
	for _, q := range questions {
		last := uint32(0)
		if q.final {
			last = 1
		}
		for _, n := range []uint32{uint32(len(q.records)), uint32(len(q.data)), last} {
			all = binary.NativeEndian.AppendUint32(all, n)
		}
		all = append(append(all, q.records...), q.data...)
	}
	if _, err := k.in.Write(all); err != nil {
		t.Fatal(err)
	}
	answers := make([]string, len(questions))
	for i := range answers {
		line, err := k.out.ReadString('\n')
		if err != nil {
			t.Fatalf("the module's code ended: %v", err)
		}
		answers[i] = strings.TrimSpace(line)
	}
	return answers
}

// words is a decision in the words of rule_eval.c.
func words(rules dprnl.Ruleset, d Decision) string {
	rule, group, hash := d.Rule, dprnl.RulesNone, "none"
	if rule < 0 {
		rule = dprnl.RulesNone
	}
	for i, g := range rules.Groups {
		if g.Name == d.Group {
			group = i
		}
	}
	if d.Hashed {
		hash = fmt.Sprint(d.Hash)
	}
	return fmt.Sprintf("%d %d %d %s", uint32(d.Outcome), rule, group, hash)
}

// compare has both decide for all beginnings of the bytes, or some if they are many.
func compare(t testing.TB, k *kernel, rules dprnl.Ruleset, data []byte) {
	t.Helper()
	records, err := rules.Records()
	if err != nil {
		t.Fatal(err)
	}
	var questions []question
	step := len(data)/40 + 1
	for n := len(data) % step; n <= len(data); n += step {
		questions = append(questions, question{records, data[:n], false}, question{records, data[:n], true})
	}
	more := fmt.Sprint(uint32(dprnl.RulesMore)) + " "
	for i, want := range k.ask(t, questions...) {
		q := questions[i]
		got := words(rules, Decide(rules, q.data, q.final))
		if strings.HasPrefix(want, more) && strings.HasPrefix(got, more) {
			continue
		}
		if got != want {
			t.Fatalf("%q, final %v, by %+v: %s, the module says %s", q.data, q.final, rules, got, want)
		}
	}
}

// rulesets are tried with everything.
func rulesets() []dprnl.Ruleset {
	groups := []dprnl.Group{{Name: "a"}, {Name: "url", Policy: dprnl.GroupLocality, Locality: dprnl.LocalityUrl}, {Name: "host", Policy: dprnl.GroupLocality}}
	return []dprnl.Ruleset{
		{Groups: groups, Matches: []dprnl.Match{
			{Group: "a", Host: "a.example"}, {Group: "url", Host: "*.example"}, {Group: "host", Host: "[2001:db8::1]"},
			{Group: "a", SNI: "a.example", ALPN: "h2"}, {Group: "url", SNI: "*.example"}, {Group: "host", ALPN: "http/1.1"},
		}, Default: "host"},
		{Groups: groups, Matches: []dprnl.Match{
			{Group: "url", Path: "/img"}, {Group: "a", Path: "/api/", Method: "POST"}, {Group: "host", Cookie: "a=b"}, {Group: "a", Cookie: "c=", Path: "/x"}, {Group: "url", Method: "GET", Cookie: "k=v=w"},
		}},
		{Groups: groups, Matches: []dprnl.Match{{Group: "a", Host: "a", Path: "/", Method: "GET", Cookie: "a=b"}, {Group: "url", Host: "b"}}, Default: "url"},
		{Groups: groups, Default: "url"},
	}
}

// seeds are requests and ClientHellos.
func seeds() [][]byte {
	var list [][]byte
	for _, s := range []string{
		"GET / HTTP/1.1\r\nHost: a.example\r\nCookie: a=b; c=\r\n\r\n",
		"GET /img/a.png?x HTTP/1.1\r\nAccept: */*\r\nHost: B.Example.:80\r\n\r\n",
		"POST /api/x HTTP/1.0\r\nCookie: k=v=w\r\nCookie: c=;a=b\r\n\r\n",
		"GET http://a.example?q HTTP/1.1\r\nHost: b\r\n\r\n",
		"GET HTTPS://[2001:DB8::1]:443/img HTTP/1.1\nHost: [::1]\n\n",
		"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS http://a HTTP/1.1\r\n\r\n",
		"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\r\n\r\nGET /x HTTP/1.1\r\nhost:a\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
		"\n\n\n\n\n\n\n\n\rGET", "SSH-2.0-x\r\n", "GET /\x00 HTTP/1.1\r\n\r\n", "G\xc3\xa4T / HTTP/1.1\r\n\r\n", "GET /\xff\xc3 HTTP/1.1\r\nHost: \xff\r\n\r\n",
		"CONNECT :443 HTTP/1.1\r\n\r\n", "CONNECT a HTTP/1.1\r\n\r\n", "GET http:///x HTTP/1.1\r\n\r\n", "GET http://:80/ HTTP/1.1\r\n\r\n", "GET ftp://a/ HTTP/1.1\r\n\r\n",
		"GET * HTTP/1.1\r\n\r\n", "OPTIONS http://a?b HTTP/1.1\r\n\r\n", "PRI / HTTP/2.0\r\n", "GET * HTTP/2.0\r\n",
		"GET / HTTP/1.1\r\nCookie:  a=b ;; =x; y; c =d;c=d\te \r\n\r\n",
	} {
		list = append(list, []byte(s))
	}
	list = append(list, oddHellos()...)
	for _, size := range []int{1, 2, 7, 50, 16384} {
		list = append(list, cut(ClientHello("A.example.", []string{"h2", "http/1.1"}), size), cut(ClientHello("b.example", nil), size), cut(ClientHello("", []string{"http/1.1"}), size))
	}
	return list
}

// oddHellos are ClientHellos that are right, and wrong in one way each.
func oddHellos() (list [][]byte) {
	extension := func(typ byte, b string) []byte { return append([]byte{0, typ}, sized(2, []byte(b))...) }
	hello := func(session int, ciphers, rest string, extensions ...[]byte) {
		body := append(append([]byte{3, 3}, make([]byte, 32)...), sized(1, make([]byte, session))...)
		body = append(append(body, sized(2, []byte(ciphers))...), rest...)
		if extensions != nil {
			body = append(body, sized(2, slices.Concat(extensions...))...)
		}
		message := append([]byte{messageClientHello}, sized(3, body)...)
		whole := append([]byte{recordHandshake, 3, 1}, sized(2, message)...)
		list = append(list, whole, cut(whole, 11))
	}
	const name, none, one = "\x00\x0c\x00\x00\x09a.example", "\x01\x00", "\x13\x01"
	alpn := extension(extensionALPN, "\x00\x03\x02h2")
	for _, sni := range []string{name, "", "\x00", "\x00\x00", "\x00\x03\x00\x00\x00", "\x00\x04\x00\x00\x01.", "\x00\x04\x00\x00\x02a", "\x00\x02\x00\x00", "\x00\x05\x00\x00\x01ab",
		"\x00\x08\x07\x00\x01?\x00\x00\x01e", "\x00\x08\x00\x00\x01e\x00\x00\x01f", "\x00\x08\x00\x00\x01e\x07\x00\x01?", "\x00\x04\x07\x00\x01?", "\x00\x06\x00\x00\x01e\x07\x00"} {
		hello(0, one, none, extension(extensionSNI, sni), alpn)
	}
	for _, protocols := range []string{"", "\x00\x00", "\x00\x01\x00", "\x00\x02\x01h", "\x00\x03\x03h2", "\x00\x04\x02h2", "\x00\x05\x02h2\x01", "\x00\x04\x02h2\x00",
		"\x04\x00" + strings.Repeat("\x03abc", 256), "\x04\x01" + strings.Repeat("\x03abc", 255) + "\x04abcd", "\x00\x06\x02h2\x02h2"} {
		hello(32, one, none, extension(extensionALPN, protocols), extension(extensionSNI, name))
	}
	hello(33, one, none, alpn)
	hello(0, "", none, alpn)
	hello(0, "\x13", none, alpn)
	hello(0, one, "\x00", alpn)
	hello(0, one, none)
	hello(0, one, none, []byte{})
	hello(0, one, none, alpn[:3])
	hello(0, one, none, alpn, alpn)
	hello(0, one, none, extension(extensionSNI, name), extension(51, "x"), extension(51, "x"), extension(extensionSNI, name))
	hello(0, one, none+"\x00\x01", alpn)
	hello(0, one, none+"\x00")
	return list
}

// cut cuts a message of one record into records of some bytes each.
func cut(hello []byte, size int) []byte {
	var out []byte
	for m := hello[5:]; len(m) > 0; {
		n := min(size, len(m))
		out = append(append(out, recordHandshake, 3, 1), sized(2, m[:n])...)
		m = m[n:]
	}
	return out
}

// mutate changes some bytes.
func mutate(r *rand.Rand, data []byte) []byte {
	const letters = "aAbBcCeghiklmnopstxyzGETPOS /.:;=?#*@[]%\r\n\t\x00\x01\x02\x03\x16\xff"
	out := append([]byte(nil), data...)
	for range 1 + r.IntN(4) {
		at := r.IntN(len(out) + 1)
		switch c := letters[r.IntN(len(letters))]; {
		case r.IntN(3) == 0 || at == len(out):
			out = append(out[:at:at], append([]byte{c}, out[at:]...)...)
		case r.IntN(2) == 0 && len(out) > 1:
			out = append(out[:at], out[at+1:]...)
		default:
			out[at] = c
		}
	}
	return out
}

// The module's code and this package decide in the same way.
func TestSameAsTheModule(t *testing.T) {
	k := startKernel(t)
	r := rand.New(rand.NewPCG(1, 2))
	for _, rules := range rulesets() {
		for _, s := range seeds() {
			compare(t, k, rules, s)
			for range 2 {
				compare(t, k, rules, mutate(r, s))
			}
		}
	}
	long := []byte("GET /" + strings.Repeat("a", limit) + " HTTP/1.1\r\nHost: a\r\n\r\n")
	many := []byte("GET / HTTP/1.1\r\nCookie: " + strings.Repeat("x=y;", maxCookies) + "a=b\r\nHost: a\r\n\r\n")
	wide := []byte("GET / HTTP/1.1\r\nHost: " + strings.Repeat("a.", 200) + "example\r\n\r\n")
	for n := limit - 1; n <= limit+1; n++ {
		whole := "GET / HTTP/1.1\r\nA: " + strings.Repeat("a", n-60)
		whole += strings.Repeat("b", n-len(whole)-len("\r\nHost: a.example\r\n")) + "\r\nHost: a.example\r\n"
		compare(t, k, rulesets()[0], []byte(whole))
		compare(t, k, rulesets()[0], []byte(whole+"x"))
	}
	for _, data := range [][]byte{long, many, wide} {
		compare(t, k, rulesets()[1], data)
		compare(t, k, rulesets()[0], data)
	}
}

// What is right for the one is right for the other.
func TestSameChecks(t *testing.T) {
	k := startKernel(t)
	r := rand.New(rand.NewPCG(3, 4))
	good := map[string][]string{
		"host": {"a.example", "*.example", "[2001:db8::1]", "a-b_c"}, "sni": {"a.example", "*.b.c"}, "path": {"/", "/a/b", "/%41"},
		"method": {"GET", "M-SEARCH"}, "cookie": {"a=b", "a="}, "alpn": {"h2", "http/1.1"},
	}
	refused := 0
	for name, values := range good {
		for i := range 400 {
			value := values[i%len(values)]
			if i >= len(values) {
				value = string(mutate(r, []byte(value)))
			}
			if value == "" || strings.HasPrefix(value, "*.") && name == "alpn" {
				continue
			}
			m := dprnl.Match{Group: "g"}
			*map[string]*string{"host": &m.Host, "sni": &m.SNI, "path": &m.Path, "method": &m.Method, "cookie": &m.Cookie, "alpn": &m.ALPN}[name] = value
			rules := dprnl.Ruleset{Groups: []dprnl.Group{{Name: "g"}}, Matches: []dprnl.Match{m}}
			ours := len(rules.Check()) > 0
			theirs := strings.HasPrefix(k.ask(t, question{records: dprnl.UncheckedRecords(rules)})[0], "wrong")
			if ours != theirs {
				t.Errorf("%s = %q: we say wrong: %v, the module: %v", name, value, ours, theirs)
			}
			if ours {
				refused++
			}
		}
	}
	if refused < 100 {
		t.Errorf("only %d values were wrong", refused)
	}
}

// FuzzSameAsTheModule compares what they decide for any bytes.
func FuzzSameAsTheModule(f *testing.F) {
	for i, s := range seeds() {
		f.Add(uint8(i), s)
	}
	k := startKernel(f) // not within the time of the first input
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		if len(data) > 2*limit {
			return
		}
		all := rulesets()
		compare(t, k, all[int(which)%len(all)], data)
	})
}
