// SPDX-License-Identifier: MIT

package layer7

// limit is how many of a client's bytes are looked at.
const limit = 16384

// maxCookies is how many cookies are looked at.
const maxCookies = 64

// A fact is something that a request has or has not, as far as it is known.
type fact struct {
	known bool
	has   bool
	value string
}

func (f *fact) is(value string) { *f = fact{true, true, value} }

// absent notes that the request does not have it, if nothing else is known.
func (f *fact) absent() { f.known = true }

// A cookie is a cookie of a request.
type cookie struct{ name, value string }

// A request is what is known of a request, or of a ClientHello.
type request struct {
	method, path, host, sni fact

	protocols  []string // that a ClientHello offers
	alpn       fact     // its value is not used
	cookies    []cookie
	allCookies bool // no more will come
}

// An ending is how reading ended.
type ending int

const (
	needsMore ending = iota
	complete
	notUnderstood
)

// read reads a client's first bytes, and calls learned whenever something new is known
// that rules may depend on, until that returns false.
func read(data []byte, learned func(*request) bool) (*request, ending) {
	r := new(request)
	if len(data) == 0 {
		return r, needsMore
	}
	if data[0] == recordHandshake {
		r.method.absent()
		r.path.absent()
		r.host.absent()
		r.allCookies = true
		return r, readHello(data, r, learned)
	}
	r.sni.absent()
	r.alpn.absent()
	return r, readHead(data, r, learned)
}
