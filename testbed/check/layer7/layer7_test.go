// SPDX-License-Identifier: MIT

//go:build lab

package layer7

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// Each rule sends curl to its host, whichever host it reached, by both families.
func TestRules(t *testing.T) {
	start(t)
	for _, s := range servers {
		t.Run(s.name, func(t *testing.T) {
			for _, e := range entries() {
				for host, command := range curlCases(s, e) {
					for _, args := range command {
						judge(t, s, "curl", wantWho(t, host, curlCommand(s, args...)))
					}
				}
			}
		})
	}
	// Connections were handed over, and those for the first host were not.
	for i, s := range shared.Servers() {
		for _, counter := range []string{"rx_handover_taken", "handover_local"} {
			if i == 0 && counter == "rx_handover_taken" {
				continue // that is not for s1 alone
			}
			var all map[string]uint64
			if err := json.Unmarshal([]byte(sh(t, s.Name, "dprctl stats --json")), &all); err != nil {
				t.Fatal(err)
			}
			if all[counter] == 0 {
				t.Errorf("%s: %s: %d", s.Name, counter, all[counter])
			}
		}
	}
}

// curlCases are arguments of curl by the host that they must lead to.
func curlCases(s server, e entry) map[string][][]string {
	switch {
	case s.tls:
		h2 := []string{"--http2"}
		return map[string][][]string{
			"s1": {e.named(s, "one.test", "/images/who")},
			"s2": {e.named(s, "two.test", "/who"), append(h2, e.named(s, "two.test", "/api/who")...)},
			"s3": {e.named(s, "a.three.test", "/who"), append(h2, e.named(s, "one.test", "/who")...)},
		}
	case s.only:
		// No rule sees what HTTP/2 asks for.
		return map[string][][]string{"s1": {{e.url(s, "/who")}, {e.url(s, "/images/who")}}}
	}
	return map[string][][]string{
		"s1": {{e.url(s, "/who")}, {"-H", "Host: two.test", e.url(s, "/who")}, {"-b", "beta=no", e.url(s, "/who")}},
		"s2": {{e.url(s, "/images/who")}, {"-H", "Host: a.two.test", e.url(s, "/who")}, {"-H", "Connection: close", e.url(s, "/images/who?x=/api")}},
		"s3": {{e.url(s, "/api/who")}, {"-b", "alpha=no; beta=yes", e.url(s, "/images/who")}, {"-H", "X-Long: " + strings.Repeat("x", 7000), e.url(s, "/api/who")}},
	}
}

// One connection of several requests stays where its first one led, one of a request each
// does not.
func TestKeepAlive(t *testing.T) {
	start(t)
	for _, s := range servers {
		if s.only || s.tls || s.name == "mini_httpd" {
			continue // mini_httpd ends each connection
		}
		for _, e := range entries() {
			out, err := ask(t, curlCommand(s, "-w", "%{num_connects}\n", e.url(s, "/images/who"), e.url(s, "/images/who"), e.url(s, "/api/who"))...)
			if err == nil && out != "s2\n1\ns2\n0\ns2\n0\n" {
				err = fmt.Errorf("three requests of one connection: %q", out)
			}
			judge(t, s, "curl keep-alive", err)
		}
	}
}

// Every byte is right, of small and of large answers, and of uploads.
func TestContents(t *testing.T) {
	start(t)
	for _, s := range servers {
		for i, e := range entries() {
			for _, name := range sizes {
				path := []string{"/", "/images/", "/api/"}[i%3]
				judge(t, s, "curl files", download(t, name, append(curlCommand(s, e.url(s, path+name)), "-o")...))
				i++
			}
			if !s.only {
				judge(t, s, "wget", download(t, "1m", "wget", "-q", "--no-config", "--no-check-certificate", "--tries=1", "--timeout=60", e.url(s, "/images/1m"), "-O"))
			}
			if s.puts {
				judge(t, s, "curl upload", upload(t, s, e, "1m"))
			}
		}
	}
}

// Many connections at once.
func TestH2load(t *testing.T) {
	start(t)
	for _, s := range servers {
		for _, e := range few() {
			if !s.only {
				judge(t, s, "h2load http/1.1", h2load(t, 60, 6, "--h1", e.url(s, "/images/15k")))
			}
			if s.h2 || s.tls {
				judge(t, s, "h2load h2", h2load(t, 100, 4, "-m", "5", e.url(s, "/images/15k")))
			}
		}
	}
}

// A browser.
func TestBrowser(t *testing.T) {
	start(t)
	const browser = "chromium-headless-shell"
	if _, err := exec.LookPath(browser); err != nil {
		t.Fatal(err)
	}
	show := func(args ...string) (string, error) {
		return ask(t, append([]string{browser, "--no-sandbox", "--disable-gpu", "--user-data-dir=" + t.TempDir(), "--ignore-certificate-errors", "--timeout=60000"}, args...)...)
	}
	for _, s := range servers {
		if s.only {
			continue
		}
		for _, e := range few() {
			host, args := "s2", []string{"--dump-dom", e.url(s, "/images/page.html")}
			if s.tls {
				args = []string{"--dump-dom", "--host-resolver-rules=MAP two.test " + e.at, fmt.Sprintf("https://two.test:%d/page.html", s.port)}
			}
			out, err := show(args...)
			if err == nil && !strings.Contains(out, "served by "+host) {
				err = fmt.Errorf("%s: %q, want %s", strings.Join(args, " "), out, host)
			}
			judge(t, s, "browser", err)
		}
	}
}
