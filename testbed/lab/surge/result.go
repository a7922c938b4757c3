// SPDX-License-Identifier: MIT

package surge

import (
	"fmt"
	"slices"
	"time"
)

// Record is one file that arrived.
type Record struct {
	// Due is when the user wanted it, after the plan's Start: before connect.
	Due time.Duration
	// Delay is from then to the end of the file.
	Delay time.Duration
	// Lag is the part of Delay that this machine, not the server, is to blame
	// for: from Due to the call of connect.
	Lag time.Duration
	// Size is the file's, in bytes.
	Size int64
	// Host is the index of the host that served it in Result.Hosts.
	Host int
}

// Result is what one process, or several together, saw.
type Result struct {
	// Hosts are the names of the hosts that served.
	Hosts []string `json:"hosts"`
	// Records are the files that arrived, in no order. On the wire they are
	// rows of numbers, times in µs.
	Records Records `json:"records"`
	// Unfinished counts requests that were cut off at the end.
	Unfinished int `json:"unfinished"`
	// Failed counts requests with a wrong answer or none; Examples describes
	// the first.
	Failed   int      `json:"failed"`
	Examples []string `json:"examples,omitempty"`
}

// maxExamples is how many failures are described.
const maxExamples = 5

// host returns the index of a host's name.
func (r *Result) host(name string) int {
	i := slices.Index(r.Hosts, name)
	if i < 0 {
		r.Hosts = append(r.Hosts, name)
		i = len(r.Hosts) - 1
	}
	return i
}

func (r *Result) failed(err error) {
	r.Failed++
	if len(r.Examples) < maxExamples {
		r.Examples = append(r.Examples, err.Error())
	}
}

// Merge adds what another process saw.
func (r *Result) Merge(o *Result) error {
	for _, rec := range o.Records {
		if rec.Host < 0 || rec.Host >= len(o.Hosts) {
			return fmt.Errorf("surge: a record of host %d of %d", rec.Host, len(o.Hosts))
		}
		rec.Host = r.host(o.Hosts[rec.Host])
		r.Records = append(r.Records, rec)
	}
	r.Unfinished += o.Unfinished
	r.Failed += o.Failed
	for _, example := range o.Examples {
		if len(r.Examples) < maxExamples {
			r.Examples = append(r.Examples, example)
		}
	}
	return nil
}
