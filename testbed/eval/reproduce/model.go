// SPDX-License-Identifier: MIT

package reproduce

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"dpr/testbed/lab"
	"dpr/testbed/lab/family"
	"dpr/testbed/lab/surge"
)

// model is the experiment at one scale.
type model struct {
	usersPerProcess int
	scale           float64 // exact: usersPerProcess of paperUsers
	files           *surge.FileSet
	wire            float64 // mean bytes of an answer on the wire; of all families alike
	link            int64   // bit/s of each server
}

// newModel works the experiment out. The scale is rounded to whole users.
func newModel(scale float64, spec surge.FileSpec, mix family.Mix) (*model, error) {
	users := int(math.Round(paperUsers * scale))
	if users < 1 || users > paperUsers {
		return nil, fmt.Errorf("scale %g: want %g to 1", scale, 1.0/paperUsers)
	}
	files, err := spec.Generate()
	if err != nil {
		return nil, err
	}
	m := &model{usersPerProcess: users, scale: float64(users) / paperUsers, files: files}
	for _, f := range mix.Families() {
		for i, size := range files.Sizes {
			m.wire += files.Popularity[i] * float64(wireBytes(size, f)) / float64(len(mix.Families()))
		}
	}
	m.link = int64(math.Round(8 * m.wire * m.capacity()))
	return m, nil
}

// capacity of a server, in requests per second.
func (m *model) capacity() float64 { return Capacity * m.scale }

// users is how many there are in all.
func (m *model) users() int { return m.usersPerProcess * paperProcesses * len(split) }

// What an answer is made of on the wire, as tbf counts it.
const (
	answerHeader = 270  // bytes of the HTTP header
	ethernet     = 14   // bytes of a frame's header
	tcpHeader    = 32   // with timestamps
	mtu          = 1500 // IP and what is in it
	bareFrames   = 3    // SYN-ACK, the request's ACK, the ACK of the client's FIN
)

// wireBytes is what a server sends for a file to a client of a family.
func wireBytes(size int64, f family.Family) int64 {
	header := int64(f.Header() + tcpHeader)
	payload, segment := size+answerHeader, mtu-header
	return payload + (ethernet+header)*((payload+segment-1)/segment+bareFrames)
}

// tbfBurst is in bytes: what a slow guest's timer lets pass at once, and what an
// idle link lends the next answer.
const tbfBurst = 16_000

// limits are the commands that make a server one of the model.
func (m *model) limits() [][]string {
	return [][]string{
		{"tc", "qdisc", "replace", "dev", "eth0", "root", "handle", "1:", "tbf",
			"rate", strconv.FormatInt(m.link, 10) + "bit", "burst", strconv.Itoa(tbfBurst), "limit", "32mb"},
		// Fair, and never dropping: its target is longer than any run.
		{"tc", "qdisc", "replace", "dev", "eth0", "parent", "1:1", "handle", "10:", "fq_codel", "flows", "4096",
			"limit", "20000", "memory_limit", "64mb", "target", "600s", "interval", "1200s", "noecn"},
		{"sysctl", "-qw", "net.ipv4.tcp_wmem=4096 8192 8192"},
	}
}

// startIn is how long the clients' processes have to come up.
const startIn = 3 * time.Second

// plans returns each client's processes.
func (m *model) plans(o *Options, hosts []lab.Host, seed uint64, duration time.Duration, start time.Time) [][]surge.Plan {
	all := make([][]surge.Plan, len(split))
	for client, server := range split {
		for p := range paperProcesses {
			all[client] = append(all[client], surge.Plan{
				Target: hosts[server].Endpoint(o.Family.Of(client), 80), Files: o.Files, Variant: o.Variant,
				Users: m.usersPerProcess, Process: client*paperProcesses + p, Processes: len(split) * paperProcesses,
				Start: start, Duration: duration, Seed: seed,
			})
		}
	}
	return all
}
