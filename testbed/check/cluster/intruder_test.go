// SPDX-License-Identifier: MIT

//go:build lab

package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"dpr/userland/dprnl"
)

// An intruder runs in a guest as a user without any right, and tries what it should
// not be able to do.

// nobody is its user and group.
const nobody = 65534

// attempt is something that the intruder tried.
type attempt struct {
	What  string
	Error string // "" if it worked
	Errno syscall.Errno
}

// intrusion is what an intruder is told.
type intrusion struct {
	Files []string // that it tries to read and to change
	Pids  []int    // processes that it tries to end
	Port  int      // of reports
}

// intruder tells of what it tried as JSON. It is started by root, and first
// becomes nobody; "where" says whether it then enters a user namespace, and a
// network namespace of that.
func intruder(ctx context.Context, w io.Writer) error {
	if len(os.Args) < 4 {
		return errors.New("intruder: not told where and what")
	}
	where := os.Args[2]
	child := func(next string, attr *syscall.SysProcAttr) error {
		cmd := exec.CommandContext(ctx, "/proc/self/exe", "intruder", next, os.Args[3])
		cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = "/", w, os.Stderr, attr
		return cmd.Run()
	}
	mapping := []syscall.SysProcIDMap{{ContainerID: 0, HostID: nobody, Size: 1}}
	switch where {
	case "plain", "userns", "netns":
		return child("nobody-"+where, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}})
	case "nobody-userns":
		return child("nobody-plain", &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, UidMappings: mapping, GidMappings: mapping})
	case "nobody-netns":
		return child("nobody-own", &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET, UidMappings: mapping, GidMappings: mapping})
	}
	var told intrusion
	if err := json.Unmarshal([]byte(os.Args[3]), &told); err != nil {
		return err
	}
	var all []attempt
	try := func(what string, err error) {
		a := attempt{What: what}
		if err != nil {
			a.Error = err.Error()
			errors.As(err, &a.Errno)
		}
		all = append(all, a)
	}
	if where == "nobody-own" {
		if err := ownNamespace(ctx, try); err != nil {
			return err
		}
	} else {
		if err := tryNetlink(try); err != nil {
			return err
		}
		tryFiles(told, try)
		tryOthers(told, try)
	}
	return json.NewEncoder(w).Encode(all)
}

// tryNetlink tries every command of the family, and its events.
func tryNetlink(try func(string, error)) error {
	conn, err := genetlink.Dial(nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	family, err := conn.GetFamily(dprnl.GenlName)
	if err != nil {
		return err
	}
	for command := uint8(1); command <= last; command++ {
		for what, flags := range map[string]netlink.HeaderFlags{"do": netlink.Request | netlink.Acknowledge, "dump": netlink.Request | netlink.Dump} {
			_, err := conn.Execute(genetlink.Message{Header: genetlink.Header{Command: command, Version: 1}}, family.ID, flags)
			try(fmt.Sprintf("command %d, %s", command, what), err)
		}
	}
	for _, group := range family.Groups {
		try("events "+group.Name, conn.JoinGroup(group.ID))
	}
	return nil
}

// tryFiles tries to read and to change what it was told, and whatever the module
// shows in /sys and /proc.
func tryFiles(told intrusion, try func(string, error)) {
	for _, f := range told.Files {
		_, err := os.ReadFile(f)
		try("read "+f, err)
		file, err := os.OpenFile(f, os.O_WRONLY, 0)
		try("write "+f, err)
		if err == nil {
			file.Close()
		}
		try("delete "+f, os.Remove(f))
	}
	// What the module shows is the same for all modules; nothing may be written.
	for _, dir := range []string{"/sys/module/dpr", "/proc/net", "/proc/sys/net"} {
		_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return nil
			}
			if dir != "/sys/module/dpr" && !strings.Contains(path, "dpr") {
				return nil
			}
			if file, err := os.OpenFile(path, os.O_WRONLY, 0); err == nil {
				file.Close()
				try("write "+path, nil)
			}
			if dir == "/sys/module/dpr" && strings.Contains(path, "/sections/") {
				_, err := os.ReadFile(path)
				try("read "+path, err)
			}
			if dir != "/sys/module/dpr" {
				try("see "+path, nil)
			}
			return nil
		})
	}
}

// tryOthers tries what else would be of use.
func tryOthers(told intrusion, try func(string, error)) {
	for _, pid := range told.Pids {
		try(fmt.Sprintf("kill process %d", pid), syscall.Kill(pid, syscall.SIGKILL))
		_, err := os.ReadFile(fmt.Sprintf("/proc/%d/mem", pid))
		try(fmt.Sprintf("read the memory of process %d", pid), err)
		_, err = os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
		try(fmt.Sprintf("see the files of process %d", pid), err)
	}
	try("remove the module", unix.DeleteModule("dpr", 0))
	raw, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_RAW, syscall.IPPROTO_IPIP)
	try("send packets of protocol 4", err)
	if err == nil {
		syscall.Close(raw)
	}
	s, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err == nil {
		try("bind to foreign addresses", syscall.SetsockoptInt(s, syscall.SOL_IP, unix.IP_TRANSPARENT, 1))
		syscall.Close(s)
	}
	for name, option := range map[string]int{"SO_REUSEADDR": unix.SO_REUSEADDR, "SO_REUSEPORT": unix.SO_REUSEPORT} {
		lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
			return errors.Join(c.Control(func(fd uintptr) {
				err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, option, 1)
			}), err)
		}}
		conn, err := lc.ListenPacket(context.Background(), "udp4", fmt.Sprintf(":%d", told.Port))
		try("take the port of reports with "+name, err)
		if err == nil {
			conn.Close()
		}
	}
}

// ownNamespace does in a network namespace of the intruder's own what it likes: it
// has all rights there.
func ownNamespace(ctx context.Context, try func(string, error)) error {
	c, err := dprnl.New()
	if err != nil {
		return err
	}
	defer c.Close()
	cfg, err := c.Config(ctx)
	if err != nil {
		return err
	}
	if cfg.Address.IsValid() && !cfg.Address.IsUnspecified() {
		try("see another namespace's configuration", nil)
	}
	peers, err := c.Peers(ctx)
	if err != nil {
		return err
	}
	if len(peers) > 0 {
		try("see another namespace's peers", nil)
	}
	policy := dprnl.PolicyStateless
	return c.SetConfig(ctx, dprnl.ConfigUpdate{Policy: &policy})
}
