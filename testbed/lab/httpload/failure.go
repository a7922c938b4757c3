// SPDX-License-Identifier: MIT

package httpload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
)

// Class says how a request failed.
type Class string

// The classes. A request that failed counts under exactly one.
const (
	// ClassRefused: the server answered the SYN with a RST.
	ClassRefused Class = "refused"
	// ClassUnreachable: no route, or an ICMP error said so.
	ClassUnreachable Class = "unreachable"
	// ClassReset: a RST on the established connection.
	ClassReset Class = "reset"
	// ClassTimeout: the plan's Timeout passed, at any point.
	ClassTimeout Class = "timeout"
	// ClassStatus: an answer other than 200.
	ClassStatus Class = "status"
	// ClassTruncated: the connection ended before the answer did.
	ClassTruncated Class = "truncated"
	// ClassLength: a complete answer of another length than the document's.
	ClassLength Class = "length"
	// ClassChecksum: the right length, other bytes.
	ClassChecksum Class = "checksum"
	// ClassOther: anything else, such as an answer that is not HTTP.
	ClassOther Class = "other"
)

// failure is a request's error with its class.
type failure struct {
	class Class
	err   error
}

func (f *failure) Error() string { return fmt.Sprintf("%s: %v", f.class, f.err) }
func (f *failure) Unwrap() error { return f.err }

// Classify names the class of an error that the network, the HTTP client or
// [Check] returned.
func Classify(err error) Class { return classify(err).class }

// classify names the class of an error that the network or the HTTP client
// returned.
func classify(err error) *failure {
	var f *failure
	var netErr net.Error
	class := ClassOther
	switch {
	case errors.As(err, &f):
		return f
	// The order matters: a refused connection is also an OpError, and a
	// timeout may come as either of two error values.
	case errors.Is(err, syscall.ECONNREFUSED):
		class = ClassRefused
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		class = ClassUnreachable
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded),
		errors.Is(err, syscall.ETIMEDOUT), errors.As(err, &netErr) && netErr.Timeout():
		class = ClassTimeout
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		class = ClassReset
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		class = ClassTruncated
	}
	return &failure{class, err}
}
