// SPDX-License-Identifier: MIT

package broker

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/yamux"
	"golang.org/x/sys/unix"

	"dpr/testbed/lab/guest/boot"
)

// The states of a guest.
const (
	Off     = "off"     // never started, or powered off
	Running = "running" // its QEMU runs
	Dead    = "dead"    // its QEMU ended by itself
)

// GuestStatus is what the broker knows of a guest.
type GuestStatus struct {
	Name  string    `json:"name"`
	State string    `json:"state"`
	PID   int       `json:"pid,omitempty"` // of QEMU, when running
	Since time.Time `json:"since"`         // begin of the state; zero if it never ran
	Why   string    `json:"why,omitempty"` // how it died
}

// guest is one guest, running or not.
type guest struct {
	conf Guest
	log  *slog.Logger

	mu  sync.Mutex
	now GuestStatus
	run *run // the one that runs, nil if none does
}

// run is one run of a guest's QEMU.
type run struct {
	cmd     *exec.Cmd
	session *yamux.Session
	meant   bool          // its end was asked for; guarded by guest.mu
	done    chan struct{} // closed when QEMU has ended and the status says so
}

// boot starts the guest's QEMU. The console of a former run is kept beside the
// new one, as FILE.old.
func (g *guest) boot() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.run != nil {
		return fmt.Errorf("%s is running", g.conf.Name)
	}
	if err := os.Rename(g.conf.Console, g.conf.Console+".old"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("booting %s: %w", g.conf.Name, err)
	}
	r, err := g.start()
	if err != nil {
		return fmt.Errorf("booting %s: %w", g.conf.Name, err)
	}
	g.run = r
	g.now = GuestStatus{State: Running, PID: r.cmd.Process.Pid, Since: time.Now()}
	return nil
}

// start starts QEMU with one end of a socket pair as its agent's port.
func (g *guest) start() (*run, error) {
	out, err := os.OpenFile(g.conf.Output, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	cmd := exec.Command(g.conf.Args[0], g.conf.Args[1:]...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.ExtraFiles = []*os.File{theirs} // becomes AgentFD
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	r := &run{cmd: cmd, done: make(chan struct{})}
	if r.session, err = yamux.Client(ours, boot.SessionConfig(logWriter{g.log})); err != nil {
		ours.Close()
		return nil, err
	}
	started := make(chan error, 1)
	go func() {
		// QEMU dies with the thread that started it: that one must live on.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			g.ended(r, cmd.Wait())
		}
	}()
	if err := <-started; err != nil {
		r.session.Close()
		return nil, err
	}
	return r, nil
}

// ended notes the end of a run.
func (g *guest) ended(r *run, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	r.session.Close()
	g.run = nil
	g.now = GuestStatus{State: Off, Since: time.Now()}
	if !r.meant {
		g.now.State = Dead
		g.now.Why = "its kernel ended"
		if err != nil {
			g.now.Why = "QEMU: " + err.Error()
		}
		g.log.Warn("guest died", "why", g.now.Why)
	}
	close(r.done)
}

// poweroff ends the guest at once and waits for it.
func (g *guest) poweroff() error {
	g.mu.Lock()
	r := g.run
	if r == nil {
		// It may be dead: from now on that is as it should be.
		g.now.State, g.now.Why = Off, ""
		g.mu.Unlock()
		return nil
	}
	r.meant = true
	err := r.cmd.Process.Kill()
	g.mu.Unlock()
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("powering %s off: %w", g.conf.Name, err)
	}
	<-r.done
	return nil
}

// open opens a stream to the guest's agent.
func (g *guest) open() (net.Conn, error) {
	g.mu.Lock()
	r, st := g.run, g.now
	g.mu.Unlock()
	if r == nil {
		return nil, st.err(g.conf.Name)
	}
	stream, err := r.session.Open()
	if err != nil {
		return nil, fmt.Errorf("reaching the agent of %s: %w", g.conf.Name, err)
	}
	return stream, nil
}

// err tells why a guest that does not run cannot be reached.
func (st GuestStatus) err(name string) error {
	if st.State == Dead {
		return fmt.Errorf("%s died at %s: %s", name, st.Since.Format(time.TimeOnly), st.Why)
	}
	return fmt.Errorf("%s is off", name)
}

func (g *guest) status() GuestStatus {
	g.mu.Lock()
	defer g.mu.Unlock()
	st := g.now
	st.Name = g.conf.Name
	if st.State == "" {
		st.State = Off
	}
	return st
}

// socketPair returns two connected sockets: one for Go, one to be inherited.
func socketPair() (net.Conn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("making a socket pair: %w", err)
	}
	mine := os.NewFile(uintptr(fds[0]), "agent")
	defer mine.Close()
	theirs := os.NewFile(uintptr(fds[1]), "agent of QEMU")
	c, err := net.FileConn(mine)
	if err != nil {
		theirs.Close()
		return nil, nil, fmt.Errorf("making a socket pair: %w", err)
	}
	return c, theirs, nil
}

// logWriter makes yamux's messages records.
type logWriter struct{ log *slog.Logger }

func (w logWriter) Write(p []byte) (int, error) {
	w.log.Debug("yamux", "message", string(p))
	return len(p), nil
}
