// SPDX-License-Identifier: MIT

package layer7

import (
	"bytes"
	"regexp"
	"strings"
)

// The parts of an HTTP/1 head, from RFC 9110, 9112 and 3986. The beginning patterns match
// what may become a request line: they are tried while there is no whole one.
const (
	tokenChar  = "[!#$%&'*+.^_`|~0-9A-Za-z-]"
	targetChar = `[^\x00-\x20\x7f#]`
	regName    = `[A-Za-z0-9._~%!$&'()*+,;=-]*`
	literal    = `\[[0-9A-Fa-f:.]+\]`
)

var (
	emptyLines  = regexp.MustCompile(`^(?:\r?\n){0,8}`)
	requestLine = regexp.MustCompile(`^(` + tokenChar + `{1,32}) (` + targetChar + `+) (HTTP/(?:1\.[0-9]|2\.0))\r?\n`)
	authority   = regexp.MustCompile(`^(` + literal + `|` + regName + `)(:[0-9]*)?$`)
	absolute    = regexp.MustCompile(`^(?i:https?)://([^/?]*)([^?]*)(\?.*)?$`)
	method      = regexp.MustCompile(`^` + tokenChar + `{1,32}$`)
	methodBegun = regexp.MustCompile(`^` + tokenChar + `{0,32}$`)
	targetBegun = regexp.MustCompile(`^` + targetChar + `*$`)
	fieldLine   = regexp.MustCompile(`^(` + tokenChar + `+):([^\x00\r]*)$`)
)

// mayBecomeRequest says whether a request line may begin so. It holds no whole one.
func mayBecomeRequest(text string) bool {
	word, rest, ok := strings.Cut(text, " ")
	if !ok {
		return methodBegun.MatchString(word)
	}
	if !method.MatchString(word) {
		return false
	}
	target, version, ok := strings.Cut(rest, " ")
	if !targetBegun.MatchString(target) {
		return false
	}
	if !ok {
		return true
	}
	if target == "" {
		return false
	}
	if word == "PRI" && target == "*" {
		return strings.HasPrefix("HTTP/2.0\r", version)
	}
	for digit := '0'; digit <= '9'; digit++ {
		if strings.HasPrefix("HTTP/1."+string(digit)+"\r", version) {
			return true
		}
	}
	return false
}

// readHead reads the head of a request.
func readHead(data []byte, r *request, learned func(*request) bool) ending {
	empty := emptyLines.Find(data)
	data = data[len(empty):]
	// A ninth empty line is one too many, even if only its CR is there.
	if len(data) == 0 || string(data) == "\r" && bytes.Count(empty, []byte("\n")) < 8 {
		return needsMore
	}
	m := requestLine.FindSubmatch(data)
	if m == nil {
		if mayBecomeRequest(string(data)) {
			return needsMore
		}
		return notUnderstood
	}
	method, target, version := string(m[1]), string(m[2]), string(m[3])
	if preface := method == "PRI" && target == "*"; preface != (version == "HTTP/2.0") {
		return notUnderstood
	} else if preface {
		return headEnds(r, learned)
	}
	if !r.target(method, target) {
		return notUnderstood
	}
	if !learned(r) {
		return needsMore
	}
	return readFields(data[len(m[0]):], r, learned)
}

// headEnds notes that the head has ended.
func headEnds(r *request, learned func(*request) bool) ending {
	r.method.absent()
	r.path.absent()
	r.host.absent()
	r.allCookies = true
	learned(r)
	return complete
}

// target reads a target of one of the four forms, and says whether it is one.
func (r *request) target(method, target string) bool {
	path := ""
	switch {
	case method == "CONNECT":
		m := authority.FindStringSubmatch(target)
		if m == nil || m[1] == "" || len(m[2]) < 2 {
			return false
		}
		r.host.is(bare(m[1]))
	case strings.HasPrefix(target, "/"):
		path, _, _ = strings.Cut(target, "?")
	case target == "*":
		if method != "OPTIONS" {
			return false
		}
	default:
		m := absolute.FindStringSubmatch(target)
		if m == nil {
			return false
		}
		a := authority.FindStringSubmatch(m[1])
		if a == nil || a[1] == "" {
			return false
		}
		r.host.is(bare(a[1]))
		path = m[2]
		if path == "" && (method != "OPTIONS" || m[3] != "") {
			path = "/"
		}
	}
	r.method.is(method)
	r.path.absent()
	if path != "" {
		r.path.is(path)
	}
	return true
}

// bare returns a host's name without the dot that makes it absolute.
func bare(host string) string {
	if len(host) > 1 {
		return strings.TrimSuffix(host, ".")
	}
	return host
}

// readFields reads the lines after the request line.
func readFields(data []byte, r *request, learned func(*request) bool) ending {
	hosts, cookies := 0, 0
	for {
		if len(data) > 0 && (data[0] == ' ' || data[0] == '\t') {
			return notUnderstood // a folded line
		}
		raw, rest, ok := bytes.Cut(data, []byte("\n"))
		if !ok {
			return needsMore
		}
		data = rest
		line := strings.TrimSuffix(string(raw), "\r")
		if line == "" {
			return headEnds(r, learned)
		}
		m := fieldLine.FindStringSubmatch(line)
		if m == nil {
			return notUnderstood
		}
		news := false
		switch strings.ToLower(m[1]) {
		case "host":
			a := authority.FindStringSubmatch(strings.Trim(m[2], " \t"))
			if hosts++; hosts > 1 || a == nil {
				return notUnderstood
			}
			if news = !r.host.known; news {
				r.host.absent()
				if a[1] != "" {
					r.host.is(bare(a[1]))
				}
			}
		case "cookie":
			r.addCookies(m[2])
			cookies++
			news = cookies == 1
		}
		if news && !learned(r) {
			return needsMore
		}
	}
}

// addCookies adds the cookies of a field.
func (r *request) addCookies(field string) {
	for part := range strings.SplitSeq(field, ";") {
		name, value, ok := strings.Cut(strings.TrimLeft(part, " \t"), "=")
		if ok && name != "" && len(r.cookies) < maxCookies {
			r.cookies = append(r.cookies, cookie{name, strings.TrimRight(value, " \t")})
		}
	}
}
