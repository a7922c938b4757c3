// SPDX-License-Identifier: MIT

package health

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"dpr/userland/config"
	"dpr/userland/daemon"
	"dpr/userland/dprnl"
	"dpr/userland/testlog"
)

// A kernel has backends, and writes down what is set.
type kernel struct {
	mu   sync.Mutex
	list []dprnl.BackendStatus
	log  []string
	errs []error // of the next commands
	gone bool    // it is closed

	vanish bool // somebody removes the backends once they were listed
}

func (k *kernel) fail() error {
	if len(k.errs) == 0 {
		return nil
	}
	err := k.errs[0]
	k.errs = k.errs[1:]
	return err
}

func (k *kernel) Backends(context.Context) ([]dprnl.BackendStatus, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	list := slices.Clone(k.list)
	if k.vanish {
		k.list = nil
	}
	return list, k.fail()
}

func (k *kernel) SetBackendDown(_ context.Context, name string, down bool) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.log = append(k.log, fmt.Sprintf("%s %v", name, down))
	for i := range k.list {
		if k.list[i].Name == name {
			k.list[i].Down = down
			return k.fail()
		}
	}
	return errors.Join(k.fail(), fs.ErrNotExist)
}

func (k *kernel) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.gone = true
	return nil
}

func check(name string) config.Check {
	return config.Check{Backend: name, Target: netip.MustParseAddrPort("192.0.2.50:80"), Kind: config.CheckTCP, Path: "/", Interval: time.Millisecond}
}

func setup(names ...string) (*Checker, *kernel) {
	c, k, _ := logged(names...)
	return c, k
}

// logged is setup with what the checker logs.
func logged(names ...string) (*Checker, *kernel, *testlog.Buffer) {
	k, text := &kernel{}, &testlog.Buffer{}
	c := &config.Config{}
	for _, name := range names {
		k.list = append(k.list, dprnl.BackendStatus{Backend: dprnl.Backend{Name: name, Weight: 7}})
		c.Checks = append(c.Checks, check(name))
	}
	return New(Options{Config: c, Dial: func() (Kernel, error) { return k, nil }, Log: slog.New(slog.NewTextHandler(text, nil)),
		Ask: func(context.Context, config.Check) error { return nil }}), k, text
}

// answers gives a checker answers of a backend: "+" is right, "-" is not.
func (c *Checker) answers(t *testing.T, name, list string) {
	t.Helper()
	for _, a := range list {
		var err error
		if a == '-' {
			err = errors.New("no answer")
		}
		c.known[name].asking = true
		c.note(t.Context(), result{c.known[name].check, err})
		if c.known[name].asking {
			t.Error("it is still being asked")
		}
	}
}

// A backend goes down after three failures in a row and up after two answers, once each;
// what is set of it besides stays.
func TestDamping(t *testing.T) {
	for list, want := range map[string]string{
		"":                 "",
		"++++":             "",
		"--":               "",
		"---":              "a true",
		"------":           "a true",
		"--+--+--+--":      "",
		"---+-+-+-":        "a true",
		"---++":            "a true, a false",
		"---++++--+---":    "a true, a false, a true",
		"---++---++-+-+--": "a true, a false, a true, a false",
	} {
		c, k, text := logged("other", "a")
		c.look(t.Context(), time.Now())
		c.answers(t, "a", list)
		if n := strings.Count(text.String(), "the backend does not answer"); n != strings.Count(want, "true") || n > 0 && !strings.Contains(text.String(), "no answer") {
			t.Errorf("%s: the log has %d failures:\n%s", list, n, text)
		}
		if n, most := strings.Count(text.String(), "the backend answers"), strings.Count(want, "false"); n < most || n > most+1 {
			t.Errorf("%s: the log has %d answers:\n%s", list, n, text)
		}
		if got := strings.Join(k.log, ", "); got != want {
			t.Errorf("%s: %q, want %q", list, got, want)
		}
		if k.list[1].Weight != 7 || k.list[0].Down {
			t.Errorf("%s: %+v", list, k.list)
		}
	}
}

// Who starts anew corrects what the kernel has; who goes on does not touch what an operator
// has set.
func TestOperator(t *testing.T) {
	c, k := setup("a")
	k.list[0].Down = true
	c.look(t.Context(), time.Now())
	c.answers(t, "a", "++")
	if got := strings.Join(k.log, ", "); got != "a false" {
		t.Errorf("%q", got)
	}
	k.list[0].Down = true
	c.answers(t, "a", "+++++--++")
	if len(k.log) != 1 || !k.list[0].Down {
		t.Errorf("%q, down %v", k.log, k.list[0].Down)
	}
	c.answers(t, "a", "---++")
	if k.list[0].Down {
		t.Error("it came back, and is down")
	}
}

// A kernel that has lost that a backend is down hears it again: the module was loaded anew, and
// the file adds the backend as up. It may be absent for a while. So an operator sets up none
// that does not answer.
func TestKernelForgets(t *testing.T) {
	c, k := setup("a")
	c.look(t.Context(), time.Now())
	c.answers(t, "a", "---")
	fresh := dprnl.BackendStatus{Backend: dprnl.Backend{Name: "a", Weight: 7}}
	for _, list := range []string{"-", "+-"} {
		k.list = nil
		c.answers(t, "a", "-")
		k.list = []dprnl.BackendStatus{fresh}
		c.answers(t, "a", list)
		if !k.list[0].Down {
			t.Errorf("%s: a backend that does not answer is up", list)
		}
		k.list = []dprnl.BackendStatus{fresh} // unseen
		c.answers(t, "a", list)
		if !k.list[0].Down {
			t.Errorf("%s: a backend that does not answer is up", list)
		}
	}
	c.answers(t, "a", "++")
	if k.list[0].Down {
		t.Error("it came back, and is down")
	}
	// It was down before it was in the kernel.
	c, k = setup("a")
	k.list = nil
	c.look(t.Context(), time.Now())
	c.answers(t, "a", "---")
	k.list = []dprnl.BackendStatus{fresh}
	c.answers(t, "a", "-")
	if !k.list[0].Down {
		t.Error("a backend that was added late is up")
	}
}

// A backend that is checked no more is up again: nobody else would say so.
func TestCheckIsRemoved(t *testing.T) {
	c, k := setup("a", "b")
	c.look(t.Context(), time.Now())
	c.answers(t, "a", "---")
	c.Reload(file("b"))
	k.errs = []error{errors.New("refused")}
	c.look(t.Context(), time.Now())
	if !k.list[0].Down {
		t.Fatal("it is up, though the kernel refused that")
	}
	c.look(t.Context(), time.Now())
	c.look(t.Context(), time.Now())
	if got := strings.Join(k.log, ", "); k.list[0].Down || got != "a true, a false" {
		t.Errorf("down %v; the kernel was told %s", k.list[0].Down, got)
	}
}

// file is a configuration with the backends a and b, of which some are checked.
func file(checked ...string) *config.Config {
	c := &config.Config{Backends: []dprnl.Backend{{Name: "a"}, {Name: "b"}}}
	for _, name := range checked {
		c.Checks = append(c.Checks, check(name))
	}
	return c
}

// So is one whose check changed before, and was not judged since. It is down until it answers,
// or is checked no more.
func TestChangedCheckIsRemoved(t *testing.T) {
	for answers, want := range map[string]string{"": "a true, a false", "-+-": "a true, a false", "++": "a true, a false", "++---": "a true, a false, a true, a false"} {
		c, k := setup("a")
		c.look(t.Context(), time.Now())
		c.answers(t, "a", "---")
		changed := file("a")
		changed.Checks[0].Interval = time.Hour
		c.Reload(changed)
		c.look(t.Context(), time.Now())
		if !k.list[0].Down {
			t.Errorf("%s: it is up before it answers", answers)
		}
		c.answers(t, "a", answers)
		c.Reload(file())
		c.look(t.Context(), time.Now())
		c.look(t.Context(), time.Now())
		if got := strings.Join(k.log, ", "); k.list[0].Down || got != want {
			t.Errorf("%s: down %v; the kernel was told %s, want %s", answers, k.list[0].Down, got, want)
		}
	}
}

// A backend that the file has no more, but the kernel has, gets no connections if it does not
// answer.
func TestBackendLeavesTheFile(t *testing.T) {
	c, k := setup("a", "b")
	c.look(t.Context(), time.Now())
	c.answers(t, "a", "---")
	left := file("b")
	left.Backends = left.Backends[1:]
	c.Reload(left)
	c.look(t.Context(), time.Now())
	if got := strings.Join(k.log, ", "); !k.list[0].Down || got != "a true" || len(c.known) != 1 {
		t.Errorf("down %v; the kernel was told %s; %d are known", k.list[0].Down, got, len(c.known))
	}
	// It is back in the file.
	c.Reload(file("a", "b"))
	c.look(t.Context(), time.Now())
	if c.answers(t, "a", "++"); k.list[0].Down {
		t.Error("it answers, and is down")
	}
}

// A backend that is removed while its check is noted stays removed.
func TestBackendIsRemovedMeanwhile(t *testing.T) {
	c, k := setup("a")
	c.look(t.Context(), time.Now())
	k.vanish = true
	c.answers(t, "a", "---")
	if len(k.list) != 0 {
		t.Errorf("the kernel has %v", k.list)
	}
}

// What the kernel did not take is said again with the next answer.
func TestKernelFails(t *testing.T) {
	refused := errors.New("refused")
	for _, errs := range [][]error{{refused}, {nil, refused}, {refused, nil, refused}} {
		c, k, text := logged("a")
		c.look(t.Context(), time.Now())
		k.errs = errs
		c.answers(t, "a", "---")
		if !strings.Contains(text.String(), "cannot change the backend") || !strings.Contains(text.String(), "refused") {
			t.Errorf("the log has\n%s", text)
		}
		c.answers(t, "a", "---")
		if !k.list[0].Down || !strings.HasSuffix(strings.Join(k.log, ", "), "a true") {
			t.Errorf("%q, down %v", k.log, k.list[0].Down)
		}
		n := len(k.log)
		c.answers(t, "a", "---")
		if len(k.log) != n {
			t.Errorf("it is said again: %q", k.log)
		}
	}
	c, _, text := logged("a")
	c.link = daemon.NewLink(func() (Kernel, error) { return nil, errors.New("no module") })
	ctx, cancel := context.WithCancel(t.Context())
	c.tell(ctx, "a", true)
	if !strings.Contains(text.String(), "no module") {
		t.Errorf("the log has\n%s", text)
	}
	// Who ends says nothing.
	c, _, text = logged("a")
	c.link = daemon.NewLink(func() (Kernel, error) { return nil, errors.New("no module") })
	cancel()
	if c.tell(ctx, "a", true) || text.String() != "" {
		t.Errorf("the log has\n%s", text)
	}
}

// Another configuration: what is no longer checked is forgotten, what is checked otherwise
// begins anew, and late answers about it do not count.
func TestReload(t *testing.T) {
	c, k := setup("a", "b")
	c.look(t.Context(), time.Now())
	c.answers(t, "a", "--")
	old := c.known["a"].check
	for _, change := range []func(*config.Check){
		func(k *config.Check) { k.Target = netip.MustParseAddrPort("192.0.2.51:80") },
		func(k *config.Check) { k.Kind = config.CheckHTTP },
		func(k *config.Check) { k.Path = "/x" },
		func(k *config.Check) { k.Interval = time.Hour },
		func(k *config.Check) { k.Proxy = true },
	} {
		other := check("a")
		change(&other)
		c.Reload(&config.Config{Checks: []config.Check{other}})
		c.look(t.Context(), time.Now())
		if len(c.known) != 1 || c.known["a"].check != other || c.known["a"].streak != 0 {
			t.Errorf("%+v", c.known)
		}
		c.note(t.Context(), result{old, errors.New("late")})
		c.note(t.Context(), result{check("b"), errors.New("gone")})
		if c.known["a"].streak != 0 || len(k.log) != 0 {
			t.Errorf("late answers count: %+v, %q", c.known["a"], k.log)
		}
		old = other
	}
}

// Each backend is asked once at a time, and again after about its interval.
func TestIntervals(t *testing.T) {
	c, _ := setup("a")
	var mu sync.Mutex
	asked := 0
	hold := make(chan bool)
	c.o.Ask = func(ctx context.Context, _ config.Check) error {
		mu.Lock()
		asked++
		mu.Unlock()
		if _, ok := ctx.Deadline(); !ok {
			t.Error("it may take for ever")
		}
		<-hold
		return nil
	}
	now := time.Now()
	long := check("a")
	long.Interval = time.Minute
	c.Reload(&config.Config{Checks: []config.Check{long}})
	for i := range 10 {
		c.look(t.Context(), now.Add(time.Duration(i)*time.Minute))
	}
	hold <- true
	c.note(t.Context(), <-c.results)
	mu.Lock()
	if asked != 1 {
		t.Errorf("asked %d times at once", asked)
	}
	mu.Unlock()
	next := c.known["a"].next
	if d := next.Sub(now); d < 45*time.Second || d > 75*time.Second {
		t.Errorf("the next is after %v", d)
	}
	c.look(t.Context(), next.Add(-time.Nanosecond))
	if c.known["a"].asking {
		t.Error("it is asked too early")
	}
	c.look(t.Context(), next)
	if !c.known["a"].asking {
		t.Error("it is not asked")
	}
	hold <- true
	seen := map[time.Duration]bool{}
	for range 100 {
		d := spread(time.Second)
		seen[d] = true
		if d < 750*time.Millisecond || d > 1250*time.Millisecond {
			t.Errorf("an interval of %v", d)
		}
	}
	if len(seen) < 50 {
		t.Errorf("%d different intervals of 100", len(seen))
	}
}

// The whole, with a server that goes and comes back.
func TestRun(t *testing.T) {
	c, k := setup("a")
	var mu sync.Mutex
	var fails error
	c.o.Ask = func(context.Context, config.Check) error {
		mu.Lock()
		defer mu.Unlock()
		return fails
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan bool)
	go func() { c.Run(ctx); ended <- true }()
	for _, down := range []bool{true, false} {
		mu.Lock()
		fails = map[bool]error{true: errors.New("no answer")}[down]
		mu.Unlock()
		for limit := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			list, _ := k.Backends(ctx)
			if list[0].Down == down {
				break
			}
			if time.Now().After(limit) {
				t.Fatalf("after 20 s down is still %v", !down)
			}
		}
	}
	cancel()
	<-ended
	if k.mu.Lock(); !k.gone {
		t.Error("the kernel's connection is open")
	}
	k.mu.Unlock()
}

func TestAsk(t *testing.T) {
	status := map[string]int{"/": 200, "/moved": 302, "/bad": 400, "/gone": 404, "/broken": 503}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "/broken")
		w.WriteHeader(status[r.URL.Path])
	}))
	target := netip.MustParseAddrPort(s.Listener.Addr().String())
	for path, good := range map[string]bool{"/": true, "/moved": true, "/bad": false, "/gone": false, "/broken": false} {
		err := Ask(t.Context(), config.Check{Target: target, Kind: config.CheckHTTP, Path: path})
		if (err == nil) != good {
			t.Errorf("%s: %v", path, err)
		}
	}
	tcp := config.Check{Target: target, Kind: config.CheckTCP}
	if err := Ask(t.Context(), tcp); err != nil {
		t.Error(err)
	}
	s.Close()
	if err := Ask(t.Context(), tcp); err == nil {
		t.Error("a closed port is right")
	}
	if err := Ask(t.Context(), config.Check{Target: target, Kind: config.CheckHTTP, Path: "/"}); err == nil {
		t.Error("a closed port answers requests")
	}
	// One that accepts and says nothing.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := Ask(t.Context(), config.Check{Target: netip.MustParseAddrPort(l.Addr().String()), Kind: config.CheckTCP}); err != nil {
		t.Errorf("%v", err)
	}
	if err := Ask(t.Context(), config.Check{Target: netip.MustParseAddrPort(l.Addr().String()), Kind: config.CheckHTTP, Path: "/%"}); err == nil {
		t.Error("what is no path is asked for")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := Ask(ctx, config.Check{Target: netip.MustParseAddrPort(l.Addr().String()), Kind: config.CheckHTTP, Path: "/"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

// A backend that expects the PROXY protocol gets a header that names no client, before all
// else; another one gets none.
func TestAskWithProxy(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	first := make(chan string)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b := make([]byte, 16)
			n, _ := io.ReadFull(c, b)
			first <- string(b[:n])
			// A client takes no answer that comes before its request.
			for r := bufio.NewReader(c); err == nil; {
				var line string
				if line, err = r.ReadString('\n'); line == "\r\n" {
					_, err = io.WriteString(c, "HTTP/1.0 200 OK\r\n\r\n")
					break
				}
			}
			c.Close()
		}
	}()
	const header = "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"
	for _, tt := range []struct {
		kind  config.CheckKind
		proxy bool
		want  string
	}{
		{config.CheckTCP, true, header}, {config.CheckHTTP, true, header}, {config.CheckTCP, false, ""}, {config.CheckHTTP, false, "GET / HTTP/1.1\r\n"},
	} {
		done := make(chan error, 1)
		go func() {
			done <- Ask(t.Context(), config.Check{Target: netip.MustParseAddrPort(l.Addr().String()), Kind: tt.kind, Path: "/", Proxy: tt.proxy})
		}()
		if got := <-first; got != tt.want {
			t.Errorf("%s: it begins with %q, want %q", tt.kind, got, tt.want)
		}
		if err := <-done; err != nil {
			t.Errorf("%s: %v", tt.kind, err)
		}
	}
}
