// SPDX-License-Identifier: MIT

package report

import "errors"

// Reasons for refusing a report. Each error of Verify wraps exactly one of these.
var (
	ErrTruncated       = errors.New("truncated")
	ErrMagic           = errors.New("not a report")
	ErrVersion         = errors.New("unknown version")
	ErrLength          = errors.New("wrong length")
	ErrAuthentication  = errors.New("unknown kind of authentication")
	ErrUnauthenticated = errors.New("not authenticated")
	ErrUnknownKey      = errors.New("unknown key")
	ErrBadHMAC         = errors.New("wrong HMAC")
	ErrRange           = errors.New("value out of range")
	ErrSender          = errors.New("sent from an address other than the host's")
	ErrClock           = errors.New("time of sending is outside the clock window")
	ErrEarly           = errors.New("sent before this receiver started, by a host it does not remember")
	ErrReplayed        = errors.New("replayed or reordered")
	ErrTooManyHosts    = errors.New("too many hosts")
)

// A reason names a refusal for counters and logs.
type reason struct {
	err  error
	name string
}

func reasons() []reason {
	return []reason{
		{ErrTruncated, "truncated"},
		{ErrMagic, "magic"},
		{ErrVersion, "version"},
		{ErrLength, "length"},
		{ErrAuthentication, "authentication"},
		{ErrUnauthenticated, "unauthenticated"},
		{ErrUnknownKey, "unknown_key"},
		{ErrBadHMAC, "bad_hmac"},
		{ErrRange, "range"},
		{ErrSender, "sender"},
		{ErrClock, "clock"},
		{ErrEarly, "early"},
		{ErrReplayed, "replayed"},
		{ErrTooManyHosts, "too_many_hosts"},
	}
}

// Reason returns the name of the refusal that err wraps, such as "bad_hmac",
// or "other".
func Reason(err error) string {
	for _, r := range reasons() {
		if errors.Is(err, r.err) {
			return r.name
		}
	}
	return "other"
}

// Reasons returns all names that Reason can return for a refusal by Verify.
func Reasons() []string {
	var names []string
	for _, r := range reasons() {
		names = append(names, r.name)
	}
	return names
}

// Explain returns the meaning of a name of Reasons, "" for any other.
func Explain(name string) string {
	for _, r := range reasons() {
		if r.name == name {
			return r.err.Error()
		}
	}
	return ""
}
