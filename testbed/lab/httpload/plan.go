// SPDX-License-Identifier: MIT

package httpload

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Limits of a [Plan]. They keep a mistaken plan from exhausting the machine.
const (
	MaxUsers    = 10000
	MaxDuration = 24 * time.Hour
	MaxTimeout  = 10 * time.Minute
)

// Plan is what one client does. It is sent as JSON to the client's process;
// durations are in nanoseconds there.
type Plan struct {
	// Target is the server, as "http://address[:port]", with an address of IPv6 in
	// brackets; or with https, and any certificate.
	Target string `json:"target"`
	// Documents are what users request, each with the same probability.
	Documents []Document `json:"documents"`
	// Users is the population, 1 to MaxUsers.
	Users int `json:"users"`
	// OffMean is the mean of the OFF time, exponentially distributed and cut
	// at ten times the mean. 0 means that users never idle. Each user starts
	// with an OFF time, so that they do not all ask at once.
	OffMean time.Duration `json:"off_mean_ns"`
	// Start is when the clock starts; several clients given the same Start
	// run together. Zero means at once.
	Start time.Time `json:"start"`
	// Duration is how long users go on to send requests. A request that was
	// sent is waited for, so a run ends at most Timeout after Duration.
	Duration time.Duration `json:"duration_ns"`
	// Timeout bounds one request, from connect to the last byte.
	Timeout time.Duration `json:"timeout_ns"`
	// Seed determines every OFF time and choice of document. Clients of one
	// load need different seeds.
	Seed uint64 `json:"seed"`
}

// Validate says what is wrong with the plan, or nil.
func (p *Plan) Validate() error {
	var errs []error
	target, err := url.Parse(p.Target)
	switch {
	case err != nil:
		errs = append(errs, fmt.Errorf("target: %w", err))
	case target.Scheme != "http" && target.Scheme != "https" || target.Host == "" || target.Path != "" || target.RawQuery != "":
		errs = append(errs, fmt.Errorf("target %q: want http[s]://address[:port]", p.Target))
	case strings.Contains(target.Hostname(), ":") && !strings.HasPrefix(target.Host, "["):
		errs = append(errs, fmt.Errorf("target %q: want brackets around an address of IPv6", p.Target))
	}
	if len(p.Documents) == 0 {
		errs = append(errs, errors.New("documents: none given"))
	}
	for _, d := range p.Documents {
		errs = append(errs, d.validate())
	}
	if p.Users < 1 || p.Users > MaxUsers {
		errs = append(errs, fmt.Errorf("users %d: want 1 to %d", p.Users, MaxUsers))
	}
	if p.OffMean < 0 || p.OffMean > MaxDuration {
		errs = append(errs, fmt.Errorf("mean OFF time %v: want 0 to %v", p.OffMean, MaxDuration))
	}
	if p.Duration <= 0 || p.Duration > MaxDuration {
		errs = append(errs, fmt.Errorf("duration %v: want more than 0, at most %v", p.Duration, MaxDuration))
	}
	if p.Timeout <= 0 || p.Timeout > MaxTimeout {
		errs = append(errs, fmt.Errorf("timeout %v: want more than 0, at most %v", p.Timeout, MaxTimeout))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("load plan: %w", err)
	}
	return nil
}
