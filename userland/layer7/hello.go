// SPDX-License-Identifier: MIT

package layer7

import "strings"

// Numbers of TLS.
const (
	recordHandshake    = 22
	maxRecord          = 1 << 14
	messageClientHello = 1
	extensionSNI       = 0
	extensionALPN      = 16
	nameHost           = 0
	maxProtocols       = 1024 // bytes of their list
)

// ClientHello returns a ClientHello that asks for a server's name and offers protocols, each
// if it is given: what a client sends first, in one record.
func ClientHello(sni string, protocols []string) []byte {
	var list []byte
	for _, p := range protocols {
		list = append(append(list, byte(len(p))), p...)
	}
	var extensions []byte
	if sni != "" {
		name := sized(2, append([]byte{nameHost}, sized(2, []byte(sni))...))
		extensions = append(append(extensions, 0, extensionSNI), sized(2, name)...)
	}
	if len(list) > 0 {
		extensions = append(append(extensions, 0, extensionALPN), sized(2, sized(2, list))...)
	}
	body := append([]byte{3, 3}, make([]byte, 32)...)
	body = append(body, 0, 0, 2, 0x13, 1, 1, 0) // no session, one cipher, no compression
	body = append(body, sized(2, extensions)...)
	message := append([]byte{messageClientHello}, sized(3, body)...)
	return append([]byte{recordHandshake, 3, 1}, sized(2, message)...)
}

// sized puts the length of bytes in front of them, in n bytes.
func sized(n int, b []byte) []byte {
	var out []byte
	for ; n > 0; n-- {
		out = append(out, byte(len(b)>>(8*(n-1))))
	}
	return append(out, b...)
}

// fragments joins what records of the handshake hold, and says how the bytes end.
func fragments(data []byte) (message []byte, end ending) {
	for {
		if len(data) > 0 && data[0] != recordHandshake || len(data) > 1 && data[1] != 3 {
			return message, notUnderstood
		}
		if len(data) < 5 {
			return message, needsMore
		}
		n := int(data[3])<<8 | int(data[4])
		if n == 0 || n > maxRecord {
			return message, notUnderstood
		}
		data = data[5:]
		if len(data) < n {
			return append(message, data...), needsMore
		}
		message, data = append(message, data[:n]...), data[n:]
	}
}

// A scanner takes bytes of a message. It stops at the first that is not there, or not
// understood.
type scanner struct {
	rest []byte // of the message, as far as it has come
	left int    // bytes of the message, come or not
	end  ending // why there are no more than rest
	stop bool   // for the reason end
}

func (s *scanner) bad() {
	if !s.stop {
		s.stop, s.end = true, notUnderstood
	}
}

// take takes bytes.
func (s *scanner) take(n int) []byte {
	switch {
	case s.stop:
		return nil
	case n > s.left:
		s.bad()
		return nil
	case n > len(s.rest):
		s.stop = true
		return nil
	}
	b := s.rest[:n]
	s.rest, s.left = s.rest[n:], s.left-n
	return b
}

// number takes a number of n bytes.
func (s *scanner) number(n int) (v int) {
	for range n {
		b := s.take(1)
		if b == nil {
			return 0
		}
		v = v<<8 | int(b[0])
	}
	return v
}

// vector takes what has its length, from least to most, in n bytes in front of it.
func (s *scanner) vector(n, least, most int) {
	size := s.number(n)
	if !s.stop && (size < least || size > most) {
		s.bad()
	}
	s.take(size)
}

// readHello reads a ClientHello.
func readHello(data []byte, r *request, learned func(*request) bool) ending {
	message, end := fragments(data)
	s := &scanner{rest: message, left: 4, end: end}
	if s.number(1) != messageClientHello {
		s.bad()
	}
	size := s.number(3)
	if s.stop {
		return s.end
	}
	s.left = size
	if s.number(1) != 3 { // the first byte of all versions
		s.bad()
	}
	s.take(1 + 32)
	s.vector(1, 0, 32)      // the session
	s.vector(2, 2, 1<<16-2) // ciphers
	s.vector(1, 1, 255)     // compressions
	if !s.stop && s.left > 0 {
		if size := s.number(2); size != s.left {
			s.bad()
		}
	}
	if s.stop {
		return s.end
	}
	if !learned(r) {
		return needsMore
	}
	for seen := make(map[int]bool); s.left > 0; {
		news := s.extension(r, seen)
		if s.stop {
			return s.end
		}
		if news && !learned(r) {
			return needsMore
		}
	}
	r.sni.absent()
	r.alpn.absent()
	learned(r)
	return complete
}

// extension reads an extension, and says whether rules may depend on it.
func (s *scanner) extension(r *request, seen map[int]bool) bool {
	typ, size := s.number(2), s.number(2)
	if s.stop {
		return false
	}
	if size > s.left {
		s.bad()
		return false
	}
	if typ != extensionSNI && typ != extensionALPN {
		s.take(size)
		return false
	}
	if seen[typ] || size < 2 {
		s.bad()
	}
	seen[typ] = true
	// Neither may be empty, and nothing comes behind its list.
	if list := s.number(2); list == 0 || list != size-2 {
		s.bad()
	}
	if typ == extensionSNI {
		s.names(r, size-2)
	} else {
		s.protocols(r, size-2)
	}
	return !s.stop
}

// names reads a list of servers' names, of each type at most one.
func (s *scanner) names(r *request, left int) {
	var host string
	for left > 0 && !s.stop {
		if left < 3 {
			s.bad()
		}
		typ, size := s.number(1), s.number(2)
		if size == 0 || size > left-3 || typ == nameHost && host != "" {
			s.bad()
		}
		name := s.take(size)
		if typ == nameHost {
			host = string(name)
		}
		left -= 3 + size
	}
	if s.stop {
		return
	}
	r.sni.known = true
	if host != "" {
		r.sni.is(bare(host))
	}
}

// protocols reads a list of protocols.
func (s *scanner) protocols(r *request, left int) {
	if left < 2 || left > maxProtocols {
		s.bad()
	}
	var list []string
	for left > 0 && !s.stop {
		size := s.number(1)
		if size == 0 || size > left-1 {
			s.bad()
		}
		list = append(list, string(s.take(size)))
		left -= 1 + size
	}
	if !s.stop {
		r.protocols = list
		r.alpn.is(strings.Join(list, " "))
	}
}
