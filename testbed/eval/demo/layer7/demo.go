// SPDX-License-Identifier: MIT

package layer7

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"dpr/testbed/lab"
	"dpr/testbed/lab/drive"
	"dpr/testbed/lab/family"
	"dpr/testbed/lab/flags"
	"dpr/testbed/lab/guest/data"
	"dpr/testbed/lab/httpload"
)

// The model.
const (
	linkRate     = "8mbit" // of each server
	documentSize = 15_000  // bytes
	users        = 6       // of each client; there is one client for each server
	offMean      = 500 * time.Millisecond
	timeout      = 20 * time.Second
	startIn      = time.Second     // the clients' processes have this long to come up
	settle       = 3 * time.Second // some reports
)

// paths are what clients ask for, and which server must serve it, by its index.
var paths = []struct {
	path   string
	server int
}{{"/15k", 0}, {"/images/15k", 1}, {"/api/15k", 2}}

// rules are those of all servers; S1 and so on are addresses.
const rules = `default_group = "web"
[[group]]
name = "web"
hosts = ["S1"]
[[group]]
name = "images"
hosts = ["S2"]
[[group]]
name = "api"
hosts = ["S3"]
[[rule]]
group = "images"
path = "/images"
[[rule]]
group = "api"
path = "/api"
`

// Options says how the demo runs.
type Options struct {
	// Lab is the name of the lab that the demo brings up. One that has the
	// name already is taken down: a demo that was killed may have left it.
	Lab string
	// Duration of the load; more than 0.
	Duration time.Duration
	// Seed determines what the users do.
	Seed uint64
	// Dir is where demo-l7.json and demo-l7.svg go.
	Dir string
	// LoadCommand is the program, with its arguments, that calls [httpload.Serve].
	LoadCommand []string
	// Stdout takes the model, the table and the verdicts.
	Stdout io.Writer
	// Progress takes a line a step.
	Progress io.Writer
}

// The files that the demo writes.
const (
	jsonFile = "demo-l7.json"
	picture  = "demo-l7.svg"
)

// Defaults returns the options of "make demo-l7".
func Defaults() Options {
	return Options{Lab: "demo7", Duration: 30 * time.Second, Seed: 1, Dir: "out", Stdout: io.Discard, Progress: io.Discard}
}

// Flags describes the fields that a command line sets.
func (o *Options) Flags() flags.Set {
	return flags.Set{
		flags.Duration(&o.Duration, "duration", flags.Above[time.Duration](0), "how long clients ask (`TIME`)"),
		flags.Number(&o.Seed, "seed", flags.Range[uint64]{}, "`SEED` of what the users do"),
		flags.String(&o.Dir, "out", "`DIRECTORY` of "+jsonFile+" and "+picture),
	}
}

// Validate says what is wrong with the options, or nil.
func (o *Options) Validate() error { return o.Flags().Check() }

// Run brings the demo's lab up, lets clients ask, writes demo-l7.json and demo-l7.svg, prints
// the table and takes the lab down. An error means that something could not be done, a
// kernel complained, or a check failed.
func Run(ctx context.Context, o Options) error {
	if err := o.Validate(); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	fmt.Fprintf(o.Stdout, `Model: 3 servers (nginx), each behind a link of %s; 3 clients of %d users each: c1 knows only s1,
c2 only s2, c3 only s3. A user requests one of %d documents of %d bytes on a new connection, then is
idle for %v on average, and so on. All servers have the same rules: /images is s2's, /api s3's,
all else s1's. Connections are placed by what they ask for (dispatch = "connection", experimental).
`, linkRate, users, len(paths), documentSize, offMean)
	c := lab.Config{Name: o.Lab, Servers: len(paths), Clients: len(paths), Link: linkRate, WebFiles: map[string]int64{}, Progress: o.Progress}
	for _, p := range paths[1:] {
		c.WebFiles[p.path] = documentSize
	}
	var report *Report
	err := drive.With(ctx, c, func(l drive.Cluster) (err error) {
		report, err = show(ctx, l, &o)
		// A splat explains whatever else went wrong.
		return errors.Join(l.Check(), err)
	})
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	if err := errors.Join(report.write(o.Dir), report.draw(o.Dir, picture), report.print(o.Stdout)); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	fmt.Fprintf(o.Stdout, "\nThe same in %s and, as a picture, in %s.\n", filepath.Join(o.Dir, jsonFile), filepath.Join(o.Dir, picture))
	return report.err()
}

// show gives the servers their rules, and measures who serves what.
func show(ctx context.Context, l drive.Cluster, o *Options) (*Report, error) {
	if err := SetRules(ctx, l, rules); err != nil {
		return nil, err
	}
	if err := l.AwaitPeers(ctx); err != nil {
		return nil, err
	}
	select {
	case <-time.After(settle):
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	before, err := asked(ctx, l)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(o.Progress, "load for %v\n", o.Duration)
	all, err := clients(l, o)
	if err != nil {
		return nil, err
	}
	result, err := l.Load(ctx, o.LoadCommand, all)
	if err != nil {
		return nil, err
	}
	for _, example := range result.Examples {
		fmt.Fprintf(o.Progress, "a request failed: %s\n", example)
	}
	after, err := asked(ctx, l)
	if err != nil {
		return nil, err
	}
	return newReport(l.Kernel().Release, l.Servers(), before, after, result), nil
}

// SetRules gives the service on port 80 of all servers rules by what is asked for, in which
// S1 and so on stand for the servers' addresses.
func SetRules(ctx context.Context, l drive.Cluster, text string) error {
	var addresses []string
	for i, s := range l.Servers() {
		addresses = append(addresses, fmt.Sprintf("S%d", i+1), s.Address)
	}
	text = strings.NewReplacer(addresses...).Replace(text)
	for _, s := range l.Servers() {
		command := "dprctl service set 80 --policy lowest --dispatch connection && cat >/run/rules && dprctl rules set 80 /run/rules"
		exit, err := l.Exec(ctx, s.Name, lab.Cmd{Args: []string{"sh", "-c", command}, Stdin: strings.NewReader(text)})
		if err == nil && exit != 0 {
			err = fmt.Errorf("exit status %d", exit)
		}
		if err != nil {
			return fmt.Errorf("rules of %s: %w", s.Name, err)
		}
	}
	return nil
}

// asked returns what each server has served.
func asked(ctx context.Context, l drive.Cluster) ([]map[lab.Asked]int64, error) {
	var all []map[lab.Asked]int64
	for _, s := range l.Servers() {
		served, err := l.ServedAsked(ctx, s.Name)
		if err != nil {
			return nil, err
		}
		all = append(all, served)
	}
	return all, nil
}

// clients are those of the demo, each of which knows one server.
func clients(l drive.Cluster, o *Options) ([]drive.Client, error) {
	sum, err := data.Sum(documentSize)
	if err != nil {
		return nil, err
	}
	var documents []httpload.Document
	for _, p := range paths {
		documents = append(documents, httpload.Document{Path: p.path, Size: documentSize, SHA256: sum})
	}
	start := time.Now().Add(startIn)
	var all []drive.Client
	for i, c := range l.Clients() {
		all = append(all, drive.Client{Host: c.Name, Plan: httpload.Plan{
			Target: l.Servers()[i].URL(family.V4), Documents: documents, Users: users, OffMean: offMean,
			Start: start, Duration: o.Duration, Timeout: timeout, Seed: o.Seed + uint64(i),
		}})
	}
	return all, nil
}
