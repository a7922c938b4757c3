// SPDX-License-Identifier: MIT

package report

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"dpr/userland/dprnl"
)

func addresses(list ...string) (all []netip.Addr) {
	for _, a := range list {
		all = append(all, netip.MustParseAddr(a))
	}
	return all
}

// detailed returns a report of version 2 that has every field.
func detailed(t testing.TB) Report {
	t.Helper()
	r := testReport(t)
	r.Details = &Details{
		Addresses: addresses("198.51.100.7", "2001:db8::7"),
		Services:  []Service{{80, dprnl.ServiceUp}, {443, dprnl.ServiceNoListener}}, ServicesSaid: true,
		Peers:    3,
		Heard:    []PeerID{0x01020304, 0xfffefdfc},
		Settings: Digest{1, 2, 3, 4, 5, 6, 7, 8},
		Software: "0.3.0",
		Protocol: 3,
		Counts:   []dprnl.PortCount{{Port: 80, Connections: 7}, {Port: 443, Connections: 1 << 31}},
	}
	return r
}

// The bytes are written out: what the documentation says must not change by accident.
func TestWireFormat2(t *testing.T) {
	want := "44505272" + "02" + "01" + "00ef" + // magic, version, HMAC, length
		"077c5621" + "00000000000000000000ffffc0000207" + strings.ReplaceAll(boot, "-", "") +
		"0102030405060708" + "00060a24181e4001" +
		"0001" + "0004" + "000005dc" + // period
		"0002" + "0004" + "00000003" + // weight
		"0003" + "0010" + "0000000a" + "000003e7" + "00000014" + "0000001e" + // metrics
		"0004" + "0001" + "01" + // state
		"0005" + "000c" + "00000003" + "01020304" + "fffefdfc" + // heard
		"0006" + "0020" + "00000000000000000000ffffc6336407" + "20010db8000000000000000000000007" + // addresses
		"0007" + "0008" + "00500000" + "01bb0100" + // services
		"0008" + "0008" + "0102030405060708" + // settings
		"0009" + "0005" + hex.EncodeToString([]byte("0.3.0")) +
		"000a" + "0001" + "03" + // protocol
		"000b" + "000c" + "0050" + "00000007" + "01bb" + "80000000" // connections
	got := mustAppend(t, detailed(t), testKey(7))
	if body := hex.EncodeToString(got[:len(got)-macLen]); body != want {
		t.Errorf("got  %s\nwant %s", body, want)
	}
	v, _ := verifier(testKey(7))
	r, err := v.Verify(got, host)
	if err != nil || !reflect.DeepEqual(r, detailed(t)) {
		t.Errorf("%+v %+v, %v", r, r.Details, err)
	}
	// What is not known is not sent.
	bare := testReport(t)
	bare.Details = new(Details)
	got = mustAppend(t, bare, nil)
	if r, err = v.Verify(got, host); !errors.Is(err, ErrUnauthenticated) {
		t.Errorf("%+v, %v", r, err)
	}
	v, _ = verifier()
	if r, err = v.Verify(got, host); err != nil || !reflect.DeepEqual(r, bare) || len(got) != headLen2+8+8+20+5+8 {
		t.Errorf("%+v, %v, %d bytes", r, err, len(got))
	}
	// That there are no services is known.
	bare.Sequence++
	bare.Details.ServicesSaid = true
	got = mustAppend(t, bare, nil)
	if r, err = v.Verify(got, host); err != nil || !reflect.DeepEqual(r, bare) || len(got) != headLen2+8+8+20+5+8+4 {
		t.Errorf("%+v, %v, %d bytes", r, err, len(got))
	}
}

// The longest report fits what a link carries.
func TestLongestReport(t *testing.T) {
	r := detailed(t)
	d := r.Details
	*d = Details{ServicesSaid: true, Peers: dprnl.MaxPeers, Settings: d.Settings, Software: strings.Repeat("x", MaxSoftware), Protocol: 255}
	for i := range MaxAddresses {
		d.Addresses = append(d.Addresses, netip.AddrFrom16([16]byte{0x20, 1, 15: byte(i)}))
	}
	for i := range MaxServices {
		d.Services = append(d.Services, Service{uint16(i + 1), dprnl.ServiceFull})
	}
	for i := range MaxCounts {
		d.Counts = append(d.Counts, dprnl.PortCount{Port: uint16(i + 1), Connections: 1 << 31})
	}
	for i := range MaxHeard {
		d.Heard = append(d.Heard, PeerID(i))
	}
	b := mustAppend(t, r, testKey(7))
	if len(b) > MaxLen {
		t.Errorf("%d bytes, at most %d", len(b), MaxLen)
	}
	v, _ := verifier(testKey(7))
	if got, err := v.Verify(b, host); err != nil || !reflect.DeepEqual(got, r) {
		t.Errorf("%+v, %v", got.Details, err)
	}
}

func TestDetailsRefused(t *testing.T) {
	for name, change := range map[string]func(*Details){
		"too many addresses": func(d *Details) { d.Addresses = slices.Repeat(addresses("10.0.0.1"), MaxAddresses+1) },
		"own address":        func(d *Details) { d.Addresses = addresses(host.String()) },
		"multicast":          func(d *Details) { d.Addresses = addresses("ff02::1") },
		"loopback":           func(d *Details) { d.Addresses = addresses("127.0.0.1") },
		"link":               func(d *Details) { d.Addresses = addresses("fe80::1") },
		"zone":               func(d *Details) { d.Addresses = addresses("fe80::1%eth0") },
		"no address":         func(d *Details) { d.Addresses = []netip.Addr{{}} },
		"too many services":  func(d *Details) { d.Services = make([]Service, MaxServices+1) },
		"port 0":             func(d *Details) { d.Services = []Service{{0, 0}} },
		"port twice":         func(d *Details) { d.Services = []Service{{80, 0}, {80, 1}} },
		"out of order":       func(d *Details) { d.Services = []Service{{81, 0}, {80, 1}} },
		"too many counts":    func(d *Details) { d.Counts = make([]dprnl.PortCount, MaxCounts+1) },
		"count of port 0":    func(d *Details) { d.Counts = []dprnl.PortCount{{Port: 0}} },
		"count twice":        func(d *Details) { d.Counts = []dprnl.PortCount{{Port: 80}, {Port: 80, Connections: 1}} },
		"counts in disorder": func(d *Details) { d.Counts = []dprnl.PortCount{{Port: 81}, {Port: 80}} },
		"no peers":           func(d *Details) { d.Peers = 1 },
		"less than none":     func(d *Details) { d.Peers, d.Heard = -1, nil },
		"too many peers":     func(d *Details) { d.Peers = dprnl.MaxPeers + 1 },
		"too many heard":     func(d *Details) { d.Peers, d.Heard = 1000, make([]PeerID, MaxHeard+1) },
		"long software":      func(d *Details) { d.Software = strings.Repeat("x", MaxSoftware+1) },
		"protocol 1":         func(d *Details) { d.Protocol = 1 },
		"newline":            func(d *Details) { d.Software = "1\n" },
		"not ASCII":          func(d *Details) { d.Software = "1\x7f" },
	} {
		r := detailed(t)
		change(r.Details)
		if b, err := r.Append(nil, nil); !errors.Is(err, ErrRange) || len(b) != 0 {
			t.Errorf("%s: %x, %v", name, b, err)
		}
		// Nor is it believed when another program sends it.
		if strings.HasPrefix(name, "too many heard") || name == "zone" || name == "no address" || name == "less than none" {
			continue
		}
		b := r.appendVersion2(nil)
		binary.BigEndian.PutUint16(b[offLength:], uint16(len(b)))
		v, _ := verifier()
		if _, err := v.Verify(b, host); !errors.Is(err, ErrRange) && !errors.Is(err, ErrLength) {
			t.Errorf("%s: received: %v", name, err)
		}
	}
}

// fieldsOf returns a report whose fields are the given bytes, in hexadecimal.
func fieldsOf(t *testing.T, fields string) []byte {
	t.Helper()
	b := mustAppend(t, detailed(t), nil)[:headLen2]
	extra, err := hex.DecodeString(strings.ReplaceAll(fields, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	b = append(b, extra...)
	binary.BigEndian.PutUint16(b[offLength:], uint16(len(b)))
	return b
}

const (
	leastFields  = "0001 0004 000005dc 0002 0004 00000003 0003 0010 0000000a 000003e7 00000014 0000001e 0004 0001 01 0005 0004 00000000"
	laterMetrics = "0001 0004 000005dc 0002 0004 00000003 0003 0014 0000000a 000003e7 00000014 0000001e 00000001 0004 0001 01 0005 0004 00000000"
)

// A later version may add fields, which this one skips, and metrics; it may also mark
// fields without which the report would be misunderstood.
func TestLaterFields(t *testing.T) {
	for name, tt := range map[string]struct {
		fields string
		want   error
		text   string
	}{
		"least":             {leastFields, nil, ""},
		"more metrics":      {laterMetrics, nil, ""},
		"unknown":           {"7fff 0003 010203" + leastFields + "000c 0000", nil, ""},
		"must be known":     {leastFields + "8001 0000", ErrVersion, "field 32769 at offset 109"},
		"cut header":        {leastFields + "0009 00", ErrTruncated, "3 bytes at offset 109 are no field"},
		"cut value":         {leastFields + "0009 0003 3031", ErrTruncated, "field 9 at offset 109 has 2 of 3 bytes"},
		"twice":             {leastFields + "0004 0001 00", ErrRange, "field 4 at offset 109 comes again"},
		"no period":         {leastFields[19:], ErrTruncated, "no field 1"},
		"long period":       {strings.Replace(leastFields, "0004 000005dc", "0005 000005dc00", 1), ErrRange, "field 1 at offset 60: value out of range: 5 bytes"},
		"short weight":      {strings.Replace(leastFields, "0004 00000003", "0003 000003", 1), ErrRange, "field 2"},
		"three metrics":     {strings.Replace(leastFields, "0010 0000000a", "000c", 1), ErrRange, "field 3"},
		"half a metric":     {strings.Replace(laterMetrics, "0014 0000000a", "0012 000a", 1), ErrRange, "field 3"},
		"no state":          {strings.Replace(leastFields, "0001 01", "0000", 1), ErrRange, "field 4"},
		"state 3":           {strings.Replace(leastFields, "0001 01", "0001 03", 1), ErrRange, "state 3"},
		"half a peer":       {strings.Replace(leastFields, "0005 0004 00000000", "0005 0006 00000001 0102", 1), ErrRange, "field 5"},
		"too many peers":    {strings.Replace(leastFields, "0005 0004 00000000", "0005 0004 00004001", 1), ErrRange, "16385 peers"},
		"half an address":   {leastFields + "0006 0004 0a000001", ErrRange, "field 6"},
		"half a service":    {leastFields + "0007 0002 0050", ErrRange, "field 7"},
		"a later state":     {leastFields + "0007 0004 00500901", nil, ""},
		"short digest":      {leastFields + "0008 0007 01020304050607", ErrRange, "field 8"},
		"protocol 2":        {leastFields + "000a 0001 02", nil, ""},
		"a later protocol":  {leastFields + "000a 0001 ff", nil, ""},
		"protocol 0":        {leastFields + "000a 0001 00", ErrRange, "protocol 0, at least 2"},
		"no protocol":       {leastFields + "000a 0000", ErrRange, "field 10"},
		"long protocol":     {leastFields + "000a 0002 0300", ErrRange, "field 10"},
		"no connections":    {leastFields + "000b 0000", nil, ""},
		"half connections":  {leastFields + "000b 0004 00500001", ErrRange, "field 11"},
		"port 0":            {leastFields + "000b 0006 0000 00000001", ErrRange, "port 0"},
		"ports in disorder": {leastFields + "000b 000c 01bb 00000001 0050 00000001", ErrRange, "port 80, number 1"},
		"a port twice":      {leastFields + "000b 000c 0050 00000001 0050 00000001", ErrRange, "port 80, number 1"},
		"terminal software": {leastFields + "0009 0002 1b5b", ErrRange, "0x1b"},
	} {
		v, _ := verifier()
		_, err := v.Verify(fieldsOf(t, tt.fields), host)
		if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) || err != nil && !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: %v, want %v with %q", name, err, tt.want, tt.text)
		}
	}
	b := fieldsOf(t, leastFields)
	for n := range b {
		v, _ := verifier()
		cut := slices.Clone(b[:n])
		if _, err := v.Verify(cut, host); err == nil {
			t.Errorf("%d bytes are a report", n)
		}
		if n > offLength+1 {
			binary.BigEndian.PutUint16(cut[offLength:], uint16(n))
			if _, err := v.Verify(cut, host); err == nil {
				t.Errorf("%d bytes, which say so, are a report", n)
			}
		}
	}
	binary.BigEndian.PutUint64(b[offTime2:], 1<<63)
	v, _ := verifier()
	if _, err := v.Verify(b, host); !errors.Is(err, ErrRange) {
		t.Errorf("time: %v", err)
	}
}

// The ids come from another implementation (Python's hashlib).
func TestPeerID(t *testing.T) {
	for a, want := range map[string]PeerID{"192.0.2.7": idOfHost, "2001:db8::7": idOfV6} {
		if got := IDOf(netip.MustParseAddr(a)); got != want {
			t.Errorf("%s: %#08x, want %#08x", a, got, want)
		}
	}
}

const (
	idOfHost PeerID = 0xc58af386
	idOfV6   PeerID = 0x8cf350ed
)
