// SPDX-License-Identifier: MIT

package service

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"text/tabwriter"
)

// Socket is where a guest's Manager takes commands.
const Socket = "/run/svc.sock"

// Usage is the help of Command.
const Usage = "usage: svc list | svc status|start|stop|restart|pid NAME\n"

type request struct {
	Verb string `json:"verb"`
	Name string `json:"name"`
}

type response struct {
	Services []Status `json:"services,omitempty"`
	Error    string   `json:"error,omitempty"`
}

// Listen serves the commands of svc on a unix socket until ln is closed.
func (m *Manager) Listen(ln net.Listener) {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			var r request
			if json.NewDecoder(conn).Decode(&r) == nil {
				_ = json.NewEncoder(conn).Encode(m.do(r))
			}
		}()
	}
}

func (m *Manager) do(r request) response {
	var err error
	switch r.Verb {
	case "list":
		return response{Services: m.List()}
	case "status", "pid":
	case "start":
		err = m.Start(r.Name)
	case "stop":
		err = m.Stop(r.Name)
	case "restart":
		if err = m.Stop(r.Name); err == nil {
			err = m.Start(r.Name)
		}
	default:
		err = fmt.Errorf("unknown verb %q", r.Verb)
	}
	if err != nil {
		return response{Error: err.Error()}
	}
	s, err := m.Get(r.Name)
	if err != nil {
		return response{Error: err.Error()}
	}
	return response{Services: []Status{s}}
}

// Command is the program svc: it hands its arguments to the Manager that listens
// on socket and prints the answer.
func Command(socket string, args []string, w io.Writer) error {
	if len(args) == 0 || (args[0] == "list") != (len(args) == 1) || len(args) > 2 {
		return fmt.Errorf("svc: bad arguments %q\n%s", args, strings.TrimSpace(Usage))
	}
	r := request{Verb: args[0]}
	if len(args) == 2 {
		r.Name = args[1]
	}
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return fmt.Errorf("svc: %w", err)
	}
	defer conn.Close()
	var resp response
	if err := errors.Join(json.NewEncoder(conn).Encode(r), json.NewDecoder(conn).Decode(&resp)); err != nil {
		return fmt.Errorf("svc: %w", err)
	}
	if resp.Error != "" {
		return fmt.Errorf("svc: %s", resp.Error)
	}
	return show(w, r.Verb, resp.Services)
}

func show(w io.Writer, verb string, services []Status) error {
	switch verb {
	case "pid":
		if services[0].PID == 0 {
			return fmt.Errorf("svc: %s is %s", services[0].Name, services[0].State)
		}
		_, err := fmt.Fprintln(w, services[0].PID)
		return err
	case "list", "status":
		t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
		for _, s := range services {
			fmt.Fprintf(t, "%s\t%s\tpid %d\trestarts %d\n", s.Name, s.State, s.PID, s.Restarts)
		}
		return t.Flush()
	}
	return nil
}
