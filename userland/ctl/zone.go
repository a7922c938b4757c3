// SPDX-License-Identifier: MIT

package ctl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"dpr/userland/zone"
)

// A choiceValue is the value of a flag that takes one of a few words.
type choiceValue struct {
	value string
	words []string
}

func (v *choiceValue) Set(s string) error {
	if !slices.Contains(v.words, s) {
		return fmt.Errorf("%q is not one of %s", s, strings.Join(v.words, ", "))
	}
	v.value = s
	return nil
}

func (v *choiceValue) String() string {
	if v == nil {
		return ""
	}
	return v.value
}

// reloadLimit bounds one command of zone with --every: while it runs, the file does not follow
// the load table.
const reloadLimit = time.Minute

// zoneFlags are the flags of the command zone.
type zoneFlags struct {
	ttl   durationValue
	order choiceValue
	every durationValue
}

func (p *program) zoneCommand() *cli.Command {
	f := &zoneFlags{
		ttl:   durationValue{value: 5 * time.Second, max: 7 * 24 * time.Hour},
		order: choiceValue{string(zone.OrderAddress), []string{string(zone.OrderAddress), string(zone.OrderRotate)}},
		every: durationValue{max: time.Hour},
	}
	return &cli.Command{
		Name: "zone", Usage: "write a DNS zone with the addresses of the live hosts", ArgsUsage: "NAME",
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "host", Usage: "publish the addresses under this `NAME` in the zone; may be repeated (default: the zone's own name)"},
			&cli.GenericFlag{Name: "ttl", Usage: "let resolvers cache answers for `TIME` (default: 5s)", Value: &f.ttl},
			&cli.StringSliceFlag{Name: "ns", Usage: "name server `SERVER[=ADDRESS]` of the zone; may be repeated (default: ns with this host's address)"},
			&cli.StringFlag{Name: "hostmaster", Usage: "hostmaster's mail address, written as a DNS `NAME`", Value: "hostmaster"},
			&cli.GenericFlag{Name: "order", Usage: "order of the addresses: `address|rotate`; rotate starts with another address each time (default: address)", Value: &f.order},
			&cli.StringFlag{Name: "output", Usage: "write to `FILE`, atomically and only if the zone changed"},
			&cli.StringFlag{Name: "reload-command", Usage: "run `COMMAND` with sh after the file changes"},
			&cli.GenericFlag{Name: "every", Usage: "repeat every `TIME`, until interrupted", Value: &f.every},
			jsonFlag(),
		},
		Action: func(c *cli.Context) error {
			args, err := positional(c, "NAME")
			if err != nil {
				return err
			}
			if c.String("output") == "" && (c.String("reload-command") != "" || f.every.set) {
				return usagef("%s--reload-command and --every need --output", where(c))
			}
			w := &zoneWriter{program: p, c: c, path: c.String("output"), command: c.String("reload-command")}
			if w.zone, err = f.zone(c, args[0]); err != nil {
				return usagef("%s%w", where(c), err)
			}
			if !f.every.set {
				return p.kernel(c, w.once)
			}
			// The process before this one may have ended between the file and the command.
			w.limit, w.pending = reloadLimit, true
			return w.loop(c.Context, f.every.value)
		},
	}
}

// zone builds the zone that the flags describe. Its servers have no addresses
// yet.
func (f *zoneFlags) zone(c *cli.Context, name string) (*zone.Zone, error) {
	origin, err := zone.Qualify(name, "")
	if err != nil {
		return nil, fmt.Errorf("NAME %w", err)
	}
	if f.ttl.value%time.Second != 0 {
		return nil, fmt.Errorf("--ttl %v is not a whole number of seconds", f.ttl.value)
	}
	z := &zone.Zone{Name: origin, TTL: f.ttl.value, Order: zone.Order(f.order.value)}
	if z.Hostmaster, err = zone.Qualify(c.String("hostmaster"), origin); err != nil {
		return nil, fmt.Errorf("--hostmaster %w", err)
	}
	for _, h := range c.StringSlice("host") {
		owner, err := zone.Qualify(h, origin)
		if err == nil && owner != origin && !strings.HasSuffix(owner, "."+origin) {
			err = fmt.Errorf("%q is not in the zone %s", h, origin)
		}
		if err != nil {
			return nil, fmt.Errorf("--host %w", err)
		}
		z.Owners = append(z.Owners, owner)
	}
	if len(z.Owners) == 0 {
		z.Owners = []string{origin}
	}
	for _, s := range c.StringSlice("ns") {
		server, err := nameServer(s, origin)
		if err != nil {
			return nil, fmt.Errorf("--ns %w", err)
		}
		z.Servers = append(z.Servers, server)
	}
	return z, nil
}

// nameServer reads "NAME" or "NAME=ADDRESS".
func nameServer(s, origin string) (zone.NameServer, error) {
	name, address, given := strings.Cut(s, "=")
	var server zone.NameServer
	var err error
	if server.Name, err = zone.Qualify(name, origin); err != nil {
		return server, err
	}
	inside := strings.HasSuffix(server.Name, "."+origin) || server.Name == origin
	if inside != given {
		return server, fmt.Errorf("%q: a server inside the zone needs an address (NAME=ADDRESS); one outside must not have one", s)
	}
	if given {
		server.Address, err = parseAddress(address)
	}
	return server, err
}

// A zoneWriter writes a zone whenever it changes.
type zoneWriter struct {
	*program
	c       *cli.Context
	zone    *zone.Zone
	path    string // empty: write to Out
	command string
	limit   time.Duration // of the command; 0: none
	pending bool          // the command has not succeeded since the file changed, or may not have
}

type zoneView struct {
	Zone      string       `json:"zone"`
	Serial    uint32       `json:"serial"`
	Addresses []netip.Addr `json:"addresses"`
}

// once writes the current zone.
func (w *zoneWriter) once(ctx context.Context, k Kernel) error {
	config, err := k.Config(ctx)
	if err != nil {
		return err
	}
	peers, err := k.Peers(ctx)
	if err != nil {
		return err
	}
	hosts, err := zone.Hosts(config, peers)
	if err != nil {
		return err
	}
	z := *w.zone
	if len(z.Servers) == 0 {
		server, err := zone.Qualify("ns", z.Name)
		if err != nil {
			return err
		}
		z.Servers = []zone.NameServer{{Name: server, Address: config.Address}}
	}
	slices.SortFunc(hosts, netip.Addr.Compare)
	if w.path == "" {
		return w.show(&z, hosts)
	}
	serial, changed, err := z.Write(w.path, hosts, w.Now())
	if err != nil {
		return err
	}
	w.pending = w.pending || changed
	var unsaid error
	if changed {
		unsaid = w.notify(zoneView{z.Name, serial, hosts})
	}
	return errors.Join(unsaid, w.reload(ctx))
}

// notify writes a line about a file that changed.
func (w *zoneWriter) notify(v zoneView) error {
	var err error
	if w.c.Bool("json") {
		err = json.NewEncoder(w.Out).Encode(v)
	} else {
		_, err = fmt.Fprintf(w.Out, "%s  serial %d: %v\n", v.Zone, v.Serial, v.Addresses)
	}
	if err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	return nil
}

// show writes the zone itself, or its JSON summary, to Out.
func (w *zoneWriter) show(z *zone.Zone, hosts []netip.Addr) error {
	serial := uint32(w.Now().Unix())
	v := zoneView{z.Name, serial, hosts}
	return w.print(w.c, v, func(out io.Writer) { _, _ = out.Write(z.Format(serial, hosts)) })
}

// reload runs the command if it is pending.
func (w *zoneWriter) reload(ctx context.Context) error {
	if w.command == "" || !w.pending {
		return nil
	}
	if w.limit > 0 {
		var cancel func()
		ctx, cancel = context.WithTimeout(ctx, w.limit)
		defer cancel()
	}
	if err := shell(ctx, w.command, w.Err, w.Err); err != nil {
		return err
	}
	w.pending = false
	return nil
}

// loop writes the zone again and again. An error leaves the last zone in place
// and is reported once, until a different one occurs.
func (w *zoneWriter) loop(ctx context.Context, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	reported := ""
	for {
		err := w.kernel(w.c, w.once)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			reported = ""
		case err.Error() != reported:
			reported = err.Error()
			fmt.Fprintf(w.Err, "dprctl: zone: %v\n", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
