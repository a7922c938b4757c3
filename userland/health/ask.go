// SPDX-License-Identifier: MIT

package health

import (
	"context"
	"fmt"
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
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", check.Target.String())
	if err != nil {
		return err
	}
	return conn.Close()
}

func get(ctx context.Context, check config.Check) error {
	transport := &http.Transport{DisableKeepAlives: true}
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
