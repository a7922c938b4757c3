// SPDX-License-Identifier: MIT

//go:build lab

package cluster

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A flood of reports whose HMAC is wrong, from a peer's address, costs no
// connection, takes no memory, and does not keep the true reports from being heard.
func TestReportFlood(t *testing.T) {
	const (
		volley = 50 // datagrams, every volleyEvery
		// 1,000 a second: what an emulated host takes besides its work.
		volleyEvery = 50 * time.Millisecond
		duration    = 12 * time.Second
		roomKB      = 8192 // a Go heap grows by 4 MB before it is collected first, and then to twice what is in use
	)
	l := start(t)
	policyEverywhere(t, l, "lowest")
	file := capture(t, l, "s1", "udp and dst port "+reportPort(t, "s1")+" and src host "+address(t, "s2"))
	time.Sleep(2 * period)
	captured := payloads(t, file())
	if len(captured) == 0 {
		t.Fatal("no report was captured")
	}
	forged := make([][]byte, volley)
	for i := range forged {
		forged[i] = append([]byte(nil), captured[0]...)
		forged[i][len(forged[i])-1-i%32] ^= 1 // the HMAC is the last 32 bytes
	}
	before, memory := refusals(t, "s1"), resident(t, "s1", "dpr-receive")
	send := replayer(t, l, "c3", "s2", "s1")
	sent, looks, unusable := 0, 0, 0
	saw, hosts := underLoad(t, duration, uneven, func(ctx context.Context) {
		flooded := make(chan struct{})
		go func() {
			defer close(flooded)
			for pause(ctx, volleyEvery) {
				for _, d := range forged {
					if err := send(d); err != nil {
						t.Error(err)
						return
					}
					sent++
				}
			}
		}()
		for pause(ctx, time.Second) {
			looks++
			if !usable(t, "s1", address(t, "s2")) {
				unusable++
			}
		}
		<-flooded
	})
	after := refusals(t, "s1")
	refused := after["bad_hmac"] - before["bad_hmac"]
	grown := resident(t, "s1", "dpr-receive") - memory
	t.Logf("%d forged reports in %v, %d refused; %d requests meanwhile; s2 usable at %d of %d looks; dpr-receive grew by %d kB",
		sent, duration, refused, saw.Requests, looks-unusable, looks, grown)
	if refused < uint64(sent)/2 {
		t.Errorf("%d of %d forged reports were refused as bad_hmac: %v", refused, sent, after)
	}
	if hosts[0].Redirected == 0 {
		t.Error("s1 redirected nothing")
	}
	if looks == 0 || unusable > 0 {
		t.Errorf("s2, whose reports come as ever, was unusable at %d of %d looks", unusable, looks)
	}
	if grown > roomKB {
		t.Errorf("dpr-receive grew by %d kB", grown)
	}
}

// resident is the resident memory of a service's process in kB.
func resident(t *testing.T, host, service string) int {
	t.Helper()
	pid := strings.TrimSpace(run(t, host, "svc", "pid", service))
	fields := strings.Fields(run(t, host, "grep", "VmRSS:", "/proc/"+pid+"/status"))
	if len(fields) < 2 {
		t.Fatalf("%s: no resident memory of %s: %q", host, service, fields)
	}
	kB, err := strconv.Atoi(fields[1])
	if err != nil {
		t.Fatal(err)
	}
	return kB
}
