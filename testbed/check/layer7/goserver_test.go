// SPDX-License-Identifier: MIT

//go:build lab

package layer7

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path"
	"strings"
)

// serveGo is the Go server, in a guest.
func serveGo(context.Context) error {
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	failed := make(chan error, 3)
	plain := &http.Server{Addr: ":8007", Handler: handler(host), Protocols: &protocols}
	go func() { failed <- plain.ListenAndServe() }()
	secret := &http.Server{Addr: ":8444", Handler: handler(host), Protocols: &protocols}
	go func() { failed <- secret.ListenAndServeTLS(dir+"/cert.pem", dir+"/cert.pem") }()
	go func() { failed <- speak(host) }()
	return <-failed
}

// handler serves files, and what the other servers cannot do: it says what a body was,
// upgrades, and tunnels.
func handler(host string) http.Handler {
	files := http.FileServer(http.Dir(root))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodConnect || r.Header.Get("Upgrade") == "echo":
			echo(w, r, host)
		case r.Method == http.MethodPost:
			h := sha256.New()
			if _, err := io.Copy(h, r.Body); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			fmt.Fprintf(w, "%s %s\n", host, hex.EncodeToString(h.Sum(nil)))
		case r.Method == http.MethodPut:
			if err := save(path.Join(root, path.Clean("/"+r.URL.Path)), r.Body); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			w.WriteHeader(http.StatusCreated)
		default:
			files.ServeHTTP(w, r)
		}
	})
}

func save(file string, body io.Reader) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, body)
	return errors.Join(err, f.Close())
}

// echo leaves HTTP: it sends back what comes, behind a line with the host's name.
func echo(w http.ResponseWriter, r *http.Request, host string) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer conn.Close()
	status := "101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade"
	if r.Method == http.MethodConnect {
		status = "200 OK"
	}
	fmt.Fprintf(conn, "HTTP/1.1 %s\r\n\r\n%s\n", status, host)
	_, _ = io.Copy(conn, rw)
}

// speak greets who connects, and then sends back lines.
func speak(host string) error {
	l, err := net.Listen("tcp", fmt.Sprintf(":%d", speakerPort))
	if err != nil {
		return err
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			fmt.Fprintf(conn, "220 %s\n", host)
			in := bufio.NewReader(conn)
			for {
				line, err := in.ReadString('\n')
				if err != nil {
					return
				}
				fmt.Fprintf(conn, "%s %s\n", host, strings.TrimSpace(line))
			}
		}()
	}
}
