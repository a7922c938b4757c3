// SPDX-License-Identifier: MIT

//go:build lab

package layer7

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"dpr/testbed/lab/drive"
)

// defaultHost is the host of the default group.
const defaultHost = "s1"

// rulesText are the rules of all services: each group is one host.
const rulesText = `default_group = "g1"
[[group]]
name = "g1"
hosts = ["S1"]
[[group]]
name = "g2"
hosts = ["S2"]
[[group]]
name = "g3"
hosts = ["S3"]
[[rule]]
group = "g3"
cookie = "beta=yes"
[[rule]]
group = "g3"
method = "PUT"
[[rule]]
group = "g2"
path = "/images"
[[rule]]
group = "g3"
path = "/api"
[[rule]]
group = "g2"
host = "*.two.test"
[[rule]]
group = "g2"
sni = "two.test"
[[rule]]
group = "g3"
sni = "*.three.test"
[[rule]]
group = "g3"
alpn = "h2"
`

var once sync.Once

// setup starts all servers on all hosts, and gives each service its rules.
func setup(t *testing.T) {
	t.Helper()
	once.Do(func() {
		cert := certificate(t)
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		var addresses []string
		for i, s := range shared.Servers() {
			addresses = append(addresses, fmt.Sprintf("S%d", i+1), s.Address)
		}
		rules := strings.NewReplacer(addresses...).Replace(rulesText)
		for _, s := range shared.Servers() {
			sh(t, s.Name, filesCommand)
			push(t, s.Name, dir+"/cert.pem", cert)
			push(t, s.Name, dir+"/rules", rules)
			for path, text := range serverFiles() {
				push(t, s.Name, path, text)
			}
			if err := shared.Push(t.Context(), s.Name, self, dir+"/layer7.test"); err != nil {
				t.Fatal(err)
			}
			for _, command := range serverCommands {
				sh(t, s.Name, "cd "+dir+" && "+command)
			}
			for _, port := range ports() {
				sh(t, s.Name, fmt.Sprintf("dprctl service add %d --policy lowest --dispatch connection && dprctl rules set %[1]d %s/rules", port, dir))
			}
		}
		if err := drive.Of(shared).AwaitPeers(t.Context()); err != nil {
			t.Fatal(err)
		}
		await(t)
	})
	if t.Failed() {
		t.FailNow()
	}
}

// await waits until every server listens, and the hosts have heard that of each other.
func await(t *testing.T) {
	t.Helper()
	for _, s := range shared.Servers() {
		sh(t, s.Name, "i=0; while dprctl service list | grep -q no-listener; do i=$((i+1)); [ $i -lt 60 ] || { dprctl service list; exit 1; }; sleep 1; done")
	}
	time.Sleep(3 * time.Second) // three reports
}

// certificate makes a certificate with its key.
func certificate(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour), NotBefore: time.Now().Add(-24 * time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})) + string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
}
