// SPDX-License-Identifier: MIT

package report_test

import (
	"fmt"
	"net/netip"
	"time"

	"dpr/userland/dprnl"
	"dpr/userland/report"
)

// A host sends a report, and another judges what came.
func Example() {
	key := report.NewKey([report.KeyLen]byte{1, 2, 3}) // of a file: report.ReadKey
	host := netip.MustParseAddr("192.0.2.1")
	start := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)

	r := report.Report{
		Host: host, Sequence: 1, Time: start.Add(time.Second), Period: time.Second, Weight: 1,
		Metrics: dprnl.Metrics{Connections: 120, CPU: 350, Sockets: 200},
	}
	datagram, err := r.Append(nil, key)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(datagram), "bytes")

	clock := func() time.Time { return start }
	v := report.NewVerifier(report.Policy{Keys: []*report.Key{key}, Window: 10 * time.Second}, clock, nil)
	got, err := v.Verify(datagram, host)
	fmt.Println(got.Host, got.Metrics.Connections, err)

	_, err = v.Verify(datagram, host)
	fmt.Println("again:", err)
	fmt.Println("counted as", report.Reason(err))
	// Output:
	// 108 bytes
	// 192.0.2.1 120 <nil>
	// again: replayed or reordered: sequence 1, last was 1
	// counted as replayed
}

// A receiver that has keys refuses a report without authentication.
func ExampleVerifier_Verify() {
	now := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	host := netip.MustParseAddr("192.0.2.1")
	r := report.Report{Host: host, Sequence: 1, Time: now, Period: time.Second, Weight: 1}
	datagram, err := r.Append(nil, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	keys := []*report.Key{report.NewKey([report.KeyLen]byte{1, 2, 3})}
	v := report.NewVerifier(report.Policy{Keys: keys, Window: 10 * time.Second}, func() time.Time { return now }, nil)
	_, err = v.Verify(datagram, host)
	fmt.Println(err)
	// Output: not authenticated
}

// What cannot be said in a report is an error of the sender.
func ExampleReport_Append() {
	r := report.Report{Host: netip.MustParseAddr("192.0.2.1"), Period: 2 * time.Hour, Weight: 1}
	_, err := r.Append(nil, nil)
	fmt.Println(err)
	// Output: value out of range: period 2h0m0s is not from 1ms to 1h0m0s
}

func ExampleParseBootID() {
	id, err := report.ParseBootID("0f7c7d3a-5b0e-4c39-9a3c-0d6c1f6a2b11")
	fmt.Println(id, err)
	// Output: 0f7c7d3a-5b0e-4c39-9a3c-0d6c1f6a2b11 <nil>
}
