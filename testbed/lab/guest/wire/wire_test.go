// SPDX-License-Identifier: MIT

package wire

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
)

func TestRoundTrip(t *testing.T) {
	var buf bytes.Buffer
	c := NewConn(&buf)
	want := Request{Op: OpExec, Args: []string{"echo", "a b", ""}, Env: []string{"K=V"}, Dir: "/"}
	if err := c.SendRequest(want); err != nil {
		t.Fatal(err)
	}
	big := bytes.Repeat([]byte("0123456789"), 20000) // more than three frames
	if n, err := c.Writer(Stdout).Write(big); n != len(big) || err != nil {
		t.Fatalf("Write = %d, %v", n, err)
	}
	if err := c.SendExit(-1); err != nil {
		t.Fatal(err)
	}

	got, err := c.RecvRequest()
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("RecvRequest = %+v, %v; want %+v", got, err, want)
	}
	var out []byte
	for {
		typ, p, err := c.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if typ == Exit {
			if status, err := ExitStatus(p); status != -1 || err != nil {
				t.Fatalf("ExitStatus = %d, %v; want -1", status, err)
			}
			break
		}
		if typ != Stdout {
			t.Fatalf("frame of type %d, want %d", typ, Stdout)
		}
		out = append(out, p...)
	}
	if !bytes.Equal(out, big) {
		t.Fatalf("%d bytes came back of %d, or others", len(out), len(big))
	}
	if _, _, err := c.Recv(); !errors.Is(err, io.EOF) {
		t.Fatalf("at the end Recv returns %v, want io.EOF", err)
	}
}

func TestRecvRefuses(t *testing.T) {
	tests := []struct {
		name, in string
		want     string
	}{
		{"short head", "\x02\x00", "unexpected EOF"},
		{"short payload", "\x02\x00\x00\x00\x05abc", "unexpected EOF"},
		{"no payload", "\x02\x00\x00\x00\x05", "unexpected EOF"},
		{"huge", "\x02\xff\xff\xff\xff", "limit"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := NewConn(bytes.NewBufferString(tt.in)).Recv()
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %v, want one with %q", err, tt.want)
			}
		})
	}
	if err := NewConn(&bytes.Buffer{}).Send(Stdin, make([]byte, MaxPayload+1)); err == nil {
		t.Error("a payload above the limit was sent")
	}
	if _, err := ExitStatus([]byte{1}); err == nil {
		t.Error("an exit status of one byte was taken")
	}
	var b bytes.Buffer
	c := NewConn(&b)
	if err := errors.Join(c.Send(Stdin, []byte("{}")), c.Send(Begin, []byte("{"))); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if r, err := c.RecvRequest(); err == nil {
			t.Errorf("RecvRequest took %+v", r)
		}
	}
}
