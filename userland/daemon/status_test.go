// SPDX-License-Identifier: MIT

package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// said is a status of one word.
type said struct{ Word string }

func say(word string) func(io.Writer) error {
	return func(w io.Writer) error { return json.NewEncoder(w).Encode(said{word}) }
}

// A status is served to the owner of the socket, as often as somebody asks, and the socket goes
// with the process. One that was left by a process that was killed is replaced.
func TestStatus(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.sock")
	var got said
	if err := ReadStatus(t.Context(), "x", path, 100, &got); !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(err.Error(), "asking x: ") {
		t.Errorf("without a socket: %v", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	if err := ReadStatus(t.Context(), "x", path, 100, &got); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("with the socket of a dead process: %v", err)
	}
	stop, err := ServeStatus(path, say("hello"))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := ReadStatus(t.Context(), "x", path, 100, &got); err != nil || got.Word != "hello" {
			t.Errorf("%+v, %v", got, err)
		}
		got = said{}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	stop()
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket stays: %v", err)
	}
}

// Who asks and does not listen does not keep others from their answer for long.
func TestStatusHasADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &listener{conns: make(chan net.Conn, 2), closed: make(chan bool)}
		done := make(chan bool)
		go func() { defer close(done); answer(l, say("hello")) }()
		deaf, first := net.Pipe()
		next, second := net.Pipe()
		l.conns <- first
		l.conns <- second
		time.Sleep(100 * time.Millisecond) // after an error of Accept
		synctest.Wait()
		begin := time.Now()
		var got said
		if err := json.NewDecoder(next).Decode(&got); err != nil || got.Word != "hello" || time.Since(begin) != statusTimeout {
			t.Errorf("the next hears %+v, %v after %v", got, err, time.Since(begin))
		}
		if n, err := deaf.Read(make([]byte, 10)); n != 0 || err != io.EOF {
			t.Errorf("after the deadline: %d bytes, %v", n, err)
		}
		close(l.closed)
		<-done
	})
}

// listener hands out connections; one that fails is asked again.
type listener struct {
	net.Listener
	conns  chan net.Conn
	closed chan bool
	failed bool
}

func (l *listener) Accept() (net.Conn, error) {
	if !l.failed {
		l.failed = true
		return nil, errors.New("too many open files")
	}
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// A process that does not answer, or answers nonsense, is an error.
func TestReadStatusFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	answers := make(chan string, 1)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if text := <-answers; text != "" {
				c.Write([]byte(text))
				c.Close()
			}
		}
	}()
	var got said
	answers <- "nonsense"
	if err := ReadStatus(t.Context(), "x", path, 1<<16, &got); err == nil || !strings.Contains(err.Error(), "asking x at "+path) {
		t.Errorf("error %v", err)
	}
	large, err := json.Marshal(map[string]string{"x": strings.Repeat("x", 1<<16)})
	if err != nil {
		t.Fatal(err)
	}
	answers <- string(large)
	if err := ReadStatus(t.Context(), "x", path, 1<<16, &got); err == nil {
		t.Error("an answer without end was read")
	}
	answers <- ""
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	begin := time.Now()
	if err := ReadStatus(ctx, "x", path, 1<<16, &got); err == nil || time.Since(begin) > time.Minute {
		t.Errorf("%v after %v", err, time.Since(begin))
	}
}

// A socket that cannot be created is an error.
func TestServeStatusFails(t *testing.T) {
	dir := t.TempDir()
	full := filepath.Join(dir, "full")
	if err := os.MkdirAll(filepath.Join(full, "x"), 0o755); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{full: "replacing the status socket", filepath.Join(dir, "none", "x"): "opening the status socket"} {
		stop, err := ServeStatus(path, say("hello"))
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
		stop()
	}
}
