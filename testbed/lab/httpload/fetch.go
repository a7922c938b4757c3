// SPDX-License-Identifier: MIT

package httpload

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// newClient is an HTTP client that opens a connection for each request and
// does nothing on its own: no proxy, no redirect, no compression, no HTTP/2, no look at
// certificates.
func newClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext:        (&net.Dialer{KeepAlive: -1}).DialContext,
			DisableKeepAlives:  true,
			DisableCompression: true,
			// Who serves in a lab has made its certificate itself.
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// fetch requests a document and checks the answer. It returns the number of
// body bytes read and, if anything is wrong, a *failure.
func fetch(ctx context.Context, client *http.Client, target string, doc Document, timeout time.Duration) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target+doc.Path, nil)
	if err != nil {
		return 0, classify(fmt.Errorf("make request: %w", err))
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, classify(err)
	}
	n, err := Check(resp, doc)
	if closeErr := resp.Body.Close(); err == nil && closeErr != nil {
		err = classify(fmt.Errorf("GET %s: close: %w", doc.Path, closeErr))
	}
	return n, err
}

// Check reads an answer and compares it with the document. It returns the number
// of body bytes read.
func Check(resp *http.Response, doc Document) (int64, error) {
	if resp.StatusCode != http.StatusOK {
		return 0, &failure{ClassStatus, fmt.Errorf("GET %s: %s", doc.Path, resp.Status)}
	}
	sum := sha256.New()
	// One byte more than expected shows an answer that is too long without
	// reading all of it.
	n, err := io.Copy(sum, io.LimitReader(resp.Body, doc.Size+1))
	if err != nil {
		return n, classify(fmt.Errorf("GET %s: after %d of %d bytes: %w", doc.Path, n, doc.Size, err))
	}
	if n != doc.Size {
		return n, &failure{ClassLength, fmt.Errorf("GET %s: %d bytes, want %d", doc.Path, n, doc.Size)}
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != doc.SHA256 {
		return n, &failure{ClassChecksum, fmt.Errorf("GET %s: SHA-256 %s, want %s", doc.Path, got, doc.SHA256)}
	}
	return n, nil
}
