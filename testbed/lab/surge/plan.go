// SPDX-License-Identifier: MIT

package surge

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"
)

// The bounds of a [Plan].
const (
	MaxUsers     = 10_000
	MaxProcesses = 1000
	MaxDuration  = time.Hour
)

// Plan is what one process of users does. It is sent to the process as JSON;
// durations are in nanoseconds there.
type Plan struct {
	// Target is the server, as "address:port", or "[address]:port" of IPv6.
	Target string `json:"target"`
	// Files are what the servers have.
	Files FileSpec `json:"files"`
	// Variant is the set of parameters.
	Variant Variant `json:"variant"`
	// Users is the number of user equivalents, 1 to MaxUsers.
	Users int `json:"users"`
	// Process is which of Processes this one is, from 0. Together their
	// requests have the files' popularity.
	Process   int `json:"process"`
	Processes int `json:"processes"`
	// Start is when the clock starts, for all processes the same.
	Start time.Time `json:"start"`
	// Duration is how long the users go on. What is under way then is cut off.
	Duration time.Duration `json:"duration_ns"`
	// Seed determines, with Process, all that the users draw.
	Seed uint64 `json:"seed"`
}

// Validate says what is wrong with the plan, or nil.
func (p *Plan) Validate() error {
	var errs []error
	u, err := url.Parse("http://" + p.Target)
	if _, _, split := net.SplitHostPort(p.Target); split != nil || err != nil || u.Host != p.Target || u.Port() == "" {
		errs = append(errs, fmt.Errorf("target %q: want address:port or [address]:port", p.Target))
	}
	errs = append(errs, p.Files.Validate(), p.Variant.validate())
	if p.Users < 1 || p.Users > MaxUsers {
		errs = append(errs, fmt.Errorf("%d users: want 1 to %d", p.Users, MaxUsers))
	}
	if p.Processes < 1 || p.Processes > MaxProcesses || p.Process < 0 || p.Process >= p.Processes {
		errs = append(errs, fmt.Errorf("process %d of %d: want 0 to one less, of 1 to %d", p.Process, p.Processes, MaxProcesses))
	}
	if p.Duration <= 0 || p.Duration > MaxDuration {
		errs = append(errs, fmt.Errorf("duration %v: want more than 0, at most %v", p.Duration, MaxDuration))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("surge: plan: %w", err)
	}
	return nil
}

// length is that of the process's list of requests: as many as its users could
// make without any delay. If they come to its end they begin another.
func (p *Plan) length() int {
	return max(1, int(float64(p.Users)*p.Duration.Seconds()/p.Variant.OffPerTransfer()))
}
