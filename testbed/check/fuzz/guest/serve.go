// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"net"
	"strconv"
	"sync/atomic"
	"time"
)

// server takes connections, says something, and ends them, one way or the other.
type server struct {
	listeners []net.Listener
	accepted  atomic.Int64
}

func serve(ports []uint16) (*server, error) {
	s := &server{}
	for i, p := range ports {
		// One listener for all addresses, or one for each of this host's own.
		addresses := []string{""}
		if i%2 == 1 {
			addresses = []string{address.String(), address6.String()}
		}
		for _, a := range addresses {
			l, err := net.Listen("tcp", net.JoinHostPort(a, strconv.Itoa(int(p))))
			if err != nil {
				return nil, errors.Join(err, s.close())
			}
			s.listeners = append(s.listeners, l)
			go s.accept(l)
		}
	}
	return s, nil
}

func (s *server) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(time.Millisecond)
			continue
		}
		n := s.accepted.Add(1)
		_, _ = c.Write([]byte("hello\n")) // the client may be gone, or never have been
		if n%2 == 0 {
			_ = c.(*net.TCPConn).SetLinger(0)
		}
		c.Close()
	}
}

func (s *server) close() error {
	var err error
	for _, l := range s.listeners {
		err = errors.Join(err, l.Close())
	}
	return err
}
