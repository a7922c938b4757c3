// SPDX-License-Identifier: MIT

// Package wire is the protocol between the lab and whatever runs commands for
// it: the agent in a guest, over one stream of the guest's serial port, and the
// lab's broker for the clients. One connection carries one request.
//
// A frame is a type (1 byte), the payload's length (4 bytes, big endian) and the
// payload. The first frame is a Request in JSON. For an OpExec the caller then
// sends Stdin, StdinClose and Signal frames, at most StdinWindow Stdin frames
// ahead of the StdinAck frames that answer them, so that whoever runs the
// command never stops reading and sees at once that the caller is gone. It sends
// Stdout, Stderr and at last one Exit frame. An Error frame ends any request
// that could not be done.
package wire

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"sync"
)

// MaxPayload is the largest payload of a frame, in bytes.
const MaxPayload = 64 << 10

// StdinWindow is how many Stdin frames may be unacknowledged.
const StdinWindow = 4

// Type is the type of a frame.
type Type byte

// The frame types. The direction is the caller's view.
const (
	Begin      Type = iota + 1 // sent: Request, JSON
	Stdin                      // sent: input of the command
	StdinClose                 // sent: end of the input
	Signal                     // sent: 1 byte, a signal for the command's process group
	StdinAck                   // received: one Stdin frame was written to the command
	Stdout                     // received: output
	Stderr                     // received: error output
	Exit                       // received: 4 bytes, exit status (128 + signal if one ended it)
	Error                      // received: why the request could not be done, text
)

// The operations of a Request.
const (
	OpExec  = "exec"  // run a command
	OpReady = "ready" // answer with Exit 0 when the host has booted, or Error
)

// Request says what is wanted of a host.
type Request struct {
	Op   string   `json:"op"`
	Args []string `json:"args,omitempty"` // OpExec: the command and its arguments
	Env  []string `json:"env,omitempty"`  // OpExec: KEY=VALUE, added to the host's environment
	Dir  string   `json:"dir,omitempty"`  // OpExec: working directory; "" = the host's own
}

// Conn frames a byte stream. Send may be called by several goroutines at once,
// Recv by one.
type Conn struct {
	r  *bufio.Reader
	w  io.Writer
	mu sync.Mutex
}

// NewConn returns a Conn over rw.
func NewConn(rw io.ReadWriter) *Conn {
	return &Conn{r: bufio.NewReaderSize(rw, MaxPayload), w: rw}
}

// Send writes one frame. It fails for a payload above MaxPayload.
func (c *Conn) Send(t Type, payload []byte) error {
	if len(payload) > MaxPayload {
		return fmt.Errorf("frame of %d bytes: the limit is %d", len(payload), MaxPayload)
	}
	b := make([]byte, 5+len(payload))
	b[0] = byte(t)
	binary.BigEndian.PutUint32(b[1:], uint32(len(payload)))
	copy(b[5:], payload)
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := c.w.Write(b)
	return err
}

// SendRequest writes the Begin frame.
func (c *Conn) SendRequest(r Request) error {
	b, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encoding a request: %w", err)
	}
	return c.Send(Begin, b)
}

// SendExit writes an Exit frame.
func (c *Conn) SendExit(status int) error {
	return c.Send(Exit, binary.BigEndian.AppendUint32(nil, uint32(int32(status))))
}

// Recv reads one frame. The payload is the caller's to keep. At the end of the
// stream the error is io.EOF, within a frame io.ErrUnexpectedEOF.
func (c *Conn) Recv() (Type, []byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(c.r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > MaxPayload {
		return 0, nil, fmt.Errorf("frame of %d bytes: the limit is %d", n, MaxPayload)
	}
	payload := make([]byte, n)
	if _, err := io.ReadFull(c.r, payload); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return 0, nil, err
	}
	return Type(head[0]), payload, nil
}

// RecvRequest reads the Begin frame.
func (c *Conn) RecvRequest() (Request, error) {
	var r Request
	t, payload, err := c.Recv()
	if err != nil {
		return r, err
	}
	if t != Begin {
		return r, fmt.Errorf("frame of type %d where a request must be", t)
	}
	if err := json.Unmarshal(payload, &r); err != nil {
		return r, fmt.Errorf("decoding a request: %w", err)
	}
	return r, nil
}

// ExitStatus decodes the payload of an Exit frame.
func ExitStatus(payload []byte) (int, error) {
	if len(payload) != 4 {
		return 0, fmt.Errorf("exit frame of %d bytes, want 4", len(payload))
	}
	return int(int32(binary.BigEndian.Uint32(payload))), nil
}

// Writer returns an io.Writer that sends what it is given in frames of type t.
func (c *Conn) Writer(t Type) io.Writer { return frameWriter{c, t} }

type frameWriter struct {
	c *Conn
	t Type
}

func (w frameWriter) Write(p []byte) (int, error) {
	done := 0
	for done < len(p) {
		n := min(len(p)-done, MaxPayload)
		if err := w.c.Send(w.t, p[done:done+n]); err != nil {
			return done, err
		}
		done += n
	}
	return done, nil
}
