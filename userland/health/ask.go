// SPDX-License-Identifier: MIT

package health

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"

	"dpr/userland/config"
)

// Ask connects to a backend, and asks for a page if the check is one by HTTP: any answer but
// an error (status 400 and above) is right.
func Ask(ctx context.Context, check config.Check) error {
	if check.Kind == config.CheckHTTP {
		return get(ctx, check)
	}
	conn, err := dial(ctx, check)
	if err != nil {
		return err
	}
	return conn.Close()
}

// local is the header of the PROXY protocol, version 2, that says that there is no client
// but who sends it.
const local = "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"

// dial connects to a backend, which first gets the header if it expects one.
func dial(ctx context.Context, check config.Check) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", check.Target.String())
	if err != nil || !check.Proxy {
		return conn, err
	}
	if _, err := io.WriteString(conn, local); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

func get(ctx context.Context, check config.Check) error {
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, check) },
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{
		Transport: transport,
		// Where it leads to is none of the backend's health.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+check.Target.String()+check.Path, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("status %s", resp.Status)
	}
	return nil
}
