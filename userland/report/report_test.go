// SPDX-License-Identifier: MIT

package report

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dpr/userland/dprnl"
)

var (
	host  = netip.MustParseAddr("192.0.2.7")
	start = time.UnixMicro(1_700_000_000_000_001)
)

const boot = "01234567-89ab-cdef-0123-456789abcdef"

func testKey(b byte) *Key {
	var secret [KeyLen]byte
	for i := range secret {
		secret[i] = b
	}
	return NewKey(secret)
}

func testReport(t testing.TB) Report {
	t.Helper()
	id, err := ParseBootID(boot)
	if err != nil {
		t.Fatal(err)
	}
	return Report{
		Host: host, Boot: id, Sequence: 0x0102030405060708, Time: start,
		Period: 1500 * time.Millisecond, State: dprnl.StateDraining, Weight: 3,
		Metrics: dprnl.Metrics{Connections: 10, CPU: 999, Redirected: 20, Sockets: 30},
	}
}

func mustAppend(t testing.TB, r Report, k *Key) []byte {
	t.Helper()
	b, err := r.Append(nil, k)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The bytes are written out: what the documentation says must not change by
// accident.
func TestWireFormat(t *testing.T) {
	want := "44505272" + "01" + "01" + "006c" + // magic, version, HMAC, length
		"%KEYID%" + "c0000207" + strings.ReplaceAll(boot, "-", "") +
		"0102030405060708" + "00060a24181e4001" + "000005dc" + "00000003" +
		"0000000a" + "000003e7" + "00000014" + "0000001e" + "01" + "000000"
	key := testKey(7)
	var id [4]byte
	binary.BigEndian.PutUint32(id[:], key.ID())
	want = strings.Replace(want, "%KEYID%", hex.EncodeToString(id[:]), 1)
	got := mustAppend(t, testReport(t), key)
	if hex.EncodeToString(got[:bodyLen]) != want {
		t.Errorf("got  %x\nwant %s", got[:bodyLen], want)
	}
	if len(got) != bodyLen+macLen {
		t.Errorf("length %d", len(got))
	}
	plain := mustAppend(t, testReport(t), nil)
	if len(plain) != bodyLen || plain[offAuth] != 0 || !bytes.Equal(plain[offKeyID:offHost], make([]byte, 4)) {
		t.Errorf("without authentication: %x", plain)
	}
}

// The key id and the HMAC come from another implementation (Python's hmac).
func TestKnownHMAC(t *testing.T) {
	key := testKey(7)
	if got, want := key.ID(), uint32(0x077c5621); got != want {
		t.Errorf("key id %08x, want %08x", got, want)
	}
	got := mustAppend(t, testReport(t), key)
	const want = "91946fcaf7066e05c06a14a4bf5a9c2cfc32f8d50d695c7e6c99daabb1ddd49f"
	if hex.EncodeToString(got[bodyLen:]) != want {
		t.Errorf("HMAC %x", got[bodyLen:])
	}
}

// verifier makes one that has been running for an hour at start.
func verifier(keys ...*Key) (*Verifier, *time.Time) {
	now := start.Add(-time.Hour)
	v := NewVerifier(Policy{Keys: keys, Window: 10 * time.Second}, func() time.Time { return now }, nil)
	now = start
	return v, &now
}

func TestVerifyAccepts(t *testing.T) {
	for name, keys := range map[string][]*Key{
		"first key":         {testKey(7), testKey(8)},
		"second key":        {testKey(8), testKey(7)},
		"no authentication": nil,
	} {
		v, _ := verifier(keys...)
		r := testReport(t)
		got, err := v.Verify(mustAppend(t, r, testKey(7)), host)
		if err != nil || got != r {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		want := fmt.Sprintf("%08x", testKey(7).ID())
		if keys == nil {
			want = ""
		}
		if got := v.Key(r.Host); got != want {
			t.Errorf("%s: key %q, want %q", name, got, want)
		}
		if got := v.Key(netip.MustParseAddr("192.0.2.99")); got != "" {
			t.Errorf("%s: a host that never reported has key %q", name, got)
		}
	}
	v, _ := verifier()
	if _, err := v.Verify(mustAppend(t, testReport(t), nil), netip.MustParseAddr("::ffff:192.0.2.7")); err != nil {
		t.Errorf("mapped sender: %v", err)
	}
}

// patch changes bytes of a report and, with a key, makes its HMAC right again.
func patch(b []byte, k *Key, at int, with ...byte) []byte {
	b = bytes.Clone(b)
	copy(b[at:], with)
	if k != nil {
		b = k.appendMAC(b[:bodyLen], b[:bodyLen])
	}
	return b
}

func TestVerifyRefuses(t *testing.T) {
	key := testKey(7)
	good := mustAppend(t, testReport(t), key)
	for name, tt := range map[string]struct {
		datagram []byte
		sender   netip.Addr
		want     error
	}{
		"empty":           {nil, host, ErrTruncated},
		"head cut":        {good[:headLen2-1], host, ErrTruncated},
		"body cut":        {good[:bodyLen-1], host, ErrTruncated},
		"mac cut":         {good[:bodyLen+macLen-1], host, ErrTruncated},
		"no mac":          {good[:bodyLen], host, ErrTruncated},
		"magic":           {patch(good, key, 0, 'X'), host, ErrMagic},
		"version 0":       {patch(good, key, offVersion, 0), host, ErrVersion},
		"version 3":       {patch(good, key, offVersion, 3), host, ErrVersion},
		"authentication":  {patch(good, key, offAuth, 2), host, ErrAuthentication},
		"length less":     {patch(good, key, offLength, 0, bodyLen), host, ErrLength},
		"length more":     {patch(good, key, offLength, 1, 0), host, ErrLength},
		"bytes after":     {append(bytes.Clone(good), 0), host, ErrLength},
		"unauthenticated": {mustAppend(t, testReport(t), nil), host, ErrUnauthenticated},
		"other key":       {mustAppend(t, testReport(t), testKey(9)), host, ErrUnknownKey},
		"forged key id":   {patch(mustAppend(t, testReport(t), testKey(9)), nil, offKeyID, good[offKeyID:offHost]...), host, ErrBadHMAC},
		"body changed":    {patch(good, nil, offConnections, 1), host, ErrBadHMAC},
		"mac changed":     {patch(good, nil, bodyLen, good[bodyLen]^1), host, ErrBadHMAC},
		"sender":          {good, netip.MustParseAddr("192.0.2.8"), ErrSender},
		"host 0.0.0.0":    {patch(good, key, offHost, 0, 0, 0, 0), host, ErrRange},
		"host loopback":   {patch(good, key, offHost, 127, 0, 0, 1), host, ErrRange},
		"host multicast":  {patch(good, key, offHost, 239, 0, 0, 1), host, ErrRange},
		"host broadcast":  {patch(good, key, offHost, 255, 255, 255, 255), host, ErrRange},
		"time":            {patch(good, key, offTime, 0x80), host, ErrRange},
		"period 0":        {patch(good, key, offPeriod, 0, 0, 0, 0), host, ErrRange},
		"period long":     {patch(good, key, offPeriod, 0xff), host, ErrRange},
		"weight 0":        {patch(good, key, offWeight, 0, 0, 0, 0), host, ErrRange},
		"weight 65536":    {patch(good, key, offWeight, 0, 1, 0, 0), host, ErrRange},
		"cpu 1001":        {patch(good, key, offCPU, 0, 0, 0x03, 0xe9), host, ErrRange},
		"state 3":         {patch(good, key, offState, 3), host, ErrRange},
		"padding":         {patch(good, key, offZero+2, 1), host, ErrRange},
	} {
		t.Run(name, func(t *testing.T) {
			v, _ := verifier(key)
			_, err := v.Verify(tt.datagram, tt.sender)
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if Reason(err) == "other" {
				t.Errorf("%v has no reason", err)
			}
			if v.Hosts() != 0 {
				t.Error("a refused report is remembered")
			}
		})
	}
}

// Every error wraps one reason only, so that a refusal is counted once.
func TestReasons(t *testing.T) {
	seen := make(map[string]bool)
	for _, r := range reasons() {
		if seen[r.name] || Reason(r.err) != r.name {
			t.Errorf("reason %q", r.name)
		}
		seen[r.name] = true
	}
	if Reason(errors.New("x")) != "other" {
		t.Error("an unknown error has a reason")
	}
	if len(Reasons()) != len(reasons()) {
		t.Error("Reasons is incomplete")
	}
}

func TestAppendRefuses(t *testing.T) {
	for name, change := range map[string]func(*Report){
		"host":   func(r *Report) { r.Host = netip.MustParseAddr("::1") },
		"nohost": func(r *Report) { r.Host = netip.Addr{} },
		"period": func(r *Report) { r.Period = 0 },
		"weight": func(r *Report) { r.Weight = 0 },
		"cpu":    func(r *Report) { r.Metrics.CPU = 1001 },
		"state":  func(r *Report) { r.State = 3 },
		"time":   func(r *Report) { r.Time = time.Unix(-1, 0) },
	} {
		r := testReport(t)
		change(&r)
		if b, err := r.Append(nil, nil); !errors.Is(err, ErrRange) || len(b) != 0 {
			t.Errorf("%s: %x, %v", name, b, err)
		}
	}
}

func TestBootID(t *testing.T) {
	id, err := ParseBootID(boot)
	if err != nil || id.String() != boot {
		t.Errorf("%v, %v", id, err)
	}
	for _, s := range []string{"", boot[1:], boot + "0", strings.Replace(boot, "-", "0", 1), strings.Replace(boot, "a", "x", 1)} {
		if _, err := ParseBootID(s); err == nil {
			t.Errorf("%q is a boot id", s)
		}
	}
}

func TestReadKey(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	digits := strings.Repeat("0f", KeyLen)
	k, err := ReadKey(file("good", "\n "+digits+"\n", 0o600))
	if err != nil {
		t.Fatal(err)
	}
	if k.ID() != testKey(0x0f).ID() {
		t.Error("another key was read")
	}
	for _, path := range []string{
		file("group", digits, 0o640), file("other", digits, 0o604), file("writable", digits, 0o620),
		file("empty", "", 0o600), file("short", digits[1:], 0o600), file("long", digits+"0", 0o600),
		file("longer", strings.Repeat(digits, 10), 0o600), file("letters", strings.Replace(digits, "0f", "0g", 1), 0o600),
		dir, filepath.Join(dir, "none"),
	} {
		_, err := ReadKey(path)
		if err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v", path, err)
		}
		if err != nil && strings.Contains(err.Error(), "0f0f") {
			t.Errorf("the error gives the key away: %v", err)
		}
	}
}
