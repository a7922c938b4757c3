// SPDX-License-Identifier: MIT

package metrics

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// certificate writes a certificate for 127.0.0.1 and its key, and returns the pool that
// trusts it.
func certificate(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	pool.AppendCertsFromPEM(certPEM)
	for name, text := range map[string][]byte{"cert": certPEM, "key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return pool
}

// With a web configuration the exporter answers by TLS, and only who knows a password.
func TestWebConfig(t *testing.T) {
	dir := t.TempDir()
	pool := certificate(t, dir)
	hash, err := bcrypt.GenerateFromPassword([]byte("open sesame"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "web.yml")
	text := "tls_server_config: {cert_file: cert, key_file: key}\nbasic_auth_users: {prometheus: " + string(hash) + "}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := NewServer("127.0.0.1:0", file, options(&kernel{}))
	if err != nil {
		t.Fatal(err)
	}
	at := make(chan net.Addr, 1)
	s.started = func(a net.Addr) { at <- a }
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, func() {}, func() {}) }()
	address := (<-at).String()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	ask := func(url, password string) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if password != "" {
			r.SetBasicAuth("prometheus", password)
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	if status, body := ask("https://"+address+"/metrics", "open sesame"); status != http.StatusOK || !strings.Contains(body, "\ndpr_up 1\n") {
		t.Errorf("with the password: %d, %.200s", status, body)
	}
	for _, password := range []string{"", "wrong"} {
		if status, body := ask("https://"+address+"/metrics", password); status != http.StatusUnauthorized || strings.Contains(body, "dpr_up") {
			t.Errorf("with the password %q: %d, %.200s", password, status, body)
		}
	}
	if status, body := ask("http://"+address+"/metrics", "open sesame"); status != http.StatusBadRequest || strings.Contains(body, "dpr_up") {
		t.Errorf("without TLS: %d, %.200s", status, body)
	}
	client.CloseIdleConnections()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// A web configuration with a mistake is refused at once.
func TestWrongWebConfig(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"unknown key": "tls: {}\n", "no certificate": "tls_server_config: {cert_file: none, key_file: none}\n", "no hash": "basic_auth_users: {a: b}\n"} {
		file := filepath.Join(dir, "web.yml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if s, err := NewServer("127.0.0.1:0", file, options(&kernel{})); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v, %v", name, s, err)
		}
	}
	if _, err := NewServer("127.0.0.1:0", filepath.Join(dir, "none"), options(&kernel{})); err == nil {
		t.Error("a file that is not there is taken")
	}
}
