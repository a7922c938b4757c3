// SPDX-License-Identifier: MIT

package surge

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"dpr/testbed/lab/guest/data"
)

// HostHeader is the header by which an answer tells the host that it is from.
const HostHeader = "X-Served-By"

// fetcher requests files over connections of their own.
type fetcher struct {
	target  string
	content []byte // what every file is the beginning of
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
}

// newFetcher returns a fetcher of files of at most so many bytes.
func newFetcher(target string, most int64) (*fetcher, error) {
	content, err := io.ReadAll(data.Reader(most))
	if err != nil {
		return nil, fmt.Errorf("making the files' content: %w", err)
	}
	return &fetcher{target: target, content: content, dial: (&net.Dialer{KeepAlive: -1}).DialContext}, nil
}

// fetch requests a file and reads until the server closes, as HTTP/1.0 has it.
// It returns the host that answered; an error if the answer is not the file.
func (f *fetcher) fetch(ctx context.Context, size int64) (host string, err error) {
	conn, err := f.dial(ctx, "tcp", f.target)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	// Whatever the connection waits for ends with ctx.
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.0\r\nHost: %s\r\nUser-Agent: surge\r\n\r\n", Path(size), f.target); err != nil {
		return "", err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return "", err
	}
	host = resp.Header.Get(HostHeader)
	if resp.StatusCode != http.StatusOK {
		return host, fmt.Errorf("status %s", resp.Status)
	}
	if host == "" {
		return "", errors.New("no header " + HostHeader)
	}
	if resp.ContentLength != size {
		return host, fmt.Errorf("content length %d, want %d", resp.ContentLength, size)
	}
	return host, f.check(resp.Body, size, conn)
}

// check reads a file and then the end of the connection.
func (f *fetcher) check(body io.Reader, size int64, conn io.Reader) error {
	n, buf := int64(0), make([]byte, 16<<10)
	for {
		k, err := body.Read(buf)
		if n+int64(k) > size || !bytes.Equal(buf[:k], f.content[n:n+int64(k)]) {
			return fmt.Errorf("wrong content after %d of %d bytes", n, size)
		}
		n += int64(k)
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("after %d of %d bytes: %w", n, size, err)
		}
	}
	if n != size {
		return fmt.Errorf("%d bytes, want %d", n, size)
	}
	k, err := conn.Read(buf)
	if k > 0 {
		return errors.New("more bytes than the file has")
	}
	if err != io.EOF {
		return fmt.Errorf("waiting for the connection's end: %w", err)
	}
	return nil
}
