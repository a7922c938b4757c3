// SPDX-License-Identifier: MIT

package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"dpr/testbed/check/accounting"
	"dpr/testbed/lab"
	"dpr/testbed/lab/guest"
)

// partTimeout bounds the time until nothing needs a draining host: more than a
// client's longest connection.
const partTimeout = 3 * time.Minute

// act does an event and undoes it. Undoing is not given up when ctx ends.
func (c *cluster) act(ctx context.Context, e Event) error {
	var err error
	switch e.Kind {
	case Kill, KillAll:
		err = c.kill(ctx, e)
	case Cut:
		err = c.cut(ctx, e)
	case Isolate:
		err = c.during(Isolated, e.Host, func() error { return c.gone(ctx, e.Host, func() error { return c.cut(ctx, e) }) })
	case CutOut:
		err = c.shape(ctx, e, "loss", "100%")
	case Loss, Delay, Reorder, Duplicate:
		err = c.shape(ctx, e, e.Args...)
	case CutIn:
		err = c.filter(ctx, e, `iifname "eth0" drop`)
	case Deaf:
		err = c.deaf(ctx, e)
	case Clock:
		err = c.clock(ctx, e)
	case Reload:
		err = c.away(ctx, e.Host, func() error { return c.reload(ctx, e) })
	case Policy:
		err = c.change(ctx, e)
	case Service:
		err = c.away(ctx, e.Host, func() error { return c.service(ctx, e) })
	case Drain:
		err = c.away(ctx, e.Host, func() error { return c.drain(ctx, e) })
	case Power:
		err = c.gone(ctx, e.Host, func() error { return c.power(ctx, e) })
	case Spare:
		err = c.away(ctx, e.Host, func() error { return c.replace(ctx, e) })
	case Reroute:
		err = c.away(ctx, e.Host, func() error { c.wait(ctx, e); return nil })
	case Rehash:
		err = c.roads.rehash(ctx, e.Args)
	default:
		err = errors.New("no such event")
	}
	if err != nil {
		return fmt.Errorf("event %v: %w", e, err)
	}
	return nil
}

// away does something to a host while no route leads to it, as operators do and as dprctl
// ready has routers do for a host that drains or has no service.
func (c *cluster) away(ctx context.Context, host string, do func() error) error {
	if c.roads == nil {
		return do()
	}
	announce, err := c.roads.withdraw(ctx, host)
	if err != nil {
		return err
	}
	err = do()
	return errors.Join(err, announce(context.WithoutCancel(ctx)))
}

// gone does something by which a host goes without a word: routers notice later.
func (c *cluster) gone(ctx context.Context, host string, do func() error) error {
	if c.roads == nil {
		return do()
	}
	noticed := make(chan error, 1)
	var announce func(context.Context) error
	go func() {
		var err error
		announce, err = c.roads.lose(ctx, host)
		noticed <- err
	}()
	err := do()
	if lost := <-noticed; lost != nil {
		return errors.Join(err, lost)
	}
	return errors.Join(err, announce(context.WithoutCancel(ctx)))
}

// wait lasts as long as an event.
func (c *cluster) wait(ctx context.Context, e Event) { rest(ctx, e.Lasts) }

// undo runs a command that undoes an event, whether ctx has ended or not.
func (c *cluster) undo(ctx context.Context, host string, args ...string) error {
	_, err := c.run(context.WithoutCancel(ctx), host, args...)
	return err
}

// kill kills processes; the guest starts them again.
func (c *cluster) kill(ctx context.Context, e Event) error {
	// One that is being started again just now is dead already.
	script := "for name; do pid=$(svc pid $name) && kill -9 $pid && echo $name; done; true"
	out, err := c.run(ctx, e.Host, append([]string{"sh", "-c", script, "kill"}, e.Args...)...)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range lines(out) {
		c.killed[e.Host+" "+name]++
	}
	return err
}

func (c *cluster) cut(ctx context.Context, e Event) error {
	if err := c.lab.SetLink(ctx, e.Host, false); err != nil {
		return err
	}
	c.wait(ctx, e)
	return c.lab.SetLink(context.WithoutCancel(ctx), e.Host, true)
}

// shape has netem change what a host sends.
func (c *cluster) shape(ctx context.Context, e Event, netem ...string) error {
	if _, err := c.run(ctx, e.Host, append([]string{"tc", "qdisc", "add", "dev", "eth0", "root", "netem"}, netem...)...); err != nil {
		return err
	}
	c.wait(ctx, e)
	return c.undo(ctx, e.Host, "tc", "qdisc", "del", "dev", "eth0", "root")
}

// filter drops packets that come to a host, before anything there sees them. What IPv6
// has in place of ARP passes, as ARP does.
func (c *cluster) filter(ctx context.Context, e Event, rule string) error {
	rules := "table inet chaos {\nchain in {\ntype filter hook prerouting priority -1000\n" +
		"icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept\n" + rule + "\n}\n}"
	if _, err := c.run(ctx, e.Host, "nft", rules); err != nil {
		return err
	}
	c.wait(ctx, e)
	return c.undo(ctx, e.Host, "nft", "delete table inet chaos")
}

func (c *cluster) deaf(ctx context.Context, e Event) error {
	peer, err := c.lab.Host(e.Args[0])
	if err != nil {
		return err
	}
	return c.filter(ctx, e, "ip saddr "+peer.Address+" drop")
}

// clock sets a host's clock forward or back, and then right, to a second.
func (c *cluster) clock(ctx context.Context, e Event) error {
	script := "date -s @$(($(date +%s) + $1)) >/dev/null"
	if _, err := c.run(ctx, e.Host, "sh", "-ec", script, "clock", e.Args[0]); err != nil {
		return err
	}
	c.wait(ctx, e)
	return c.undo(ctx, e.Host, "date", "-s", fmt.Sprintf("@%d", time.Now().Round(time.Second).Unix()))
}

// reload takes the module out and puts it in again. Its counters begin anew.
func (c *cluster) reload(ctx context.Context, e Event) error {
	defer c.operate(e.Host)()
	ctx = context.WithoutCancel(ctx)
	// A command that asks the module just then keeps it in use for a moment.
	script := "n=0; until rmmod dpr 2>/dev/null; do n=$((n + 1)); [ $n -lt 20 ] || rmmod dpr; sleep 0.1; done; nft -f -; insmod " +
		guest.ModulePath
	if e.Args[0] == "dprctl apply" {
		script += "; dprctl apply"
	}
	running, cancel := context.WithTimeout(ctx, stepsTimeout)
	defer cancel()
	err := c.during(Reloaded, e.Host, func() error {
		var said strings.Builder
		status, err := c.lab.Exec(running, e.Host, lab.Cmd{Args: []string{"sh", "-ec", script}, Stdin: strings.NewReader(accounting.Rules), Stderr: &said})
		if err == nil && status != 0 {
			err = fmt.Errorf("exit status %d: %s", status, said.String())
		}
		return err
	})
	if err != nil {
		return err
	}
	c.open(e.Host, accounting.Opened())
	if err := c.configured(running, e.Host); err != nil {
		return err
	}
	if err := c.asInFile(running, e.Host); err != nil {
		return err
	}
	return c.again(ctx, e.Host)
}

// asInFile checks that a host's module has what the host's file says, not what a
// module has that nobody configured.
func (c *cluster) asInFile(ctx context.Context, host string) error {
	out, err := c.run(ctx, host, "dprctl", "config", "show", "--json")
	if err != nil {
		return err
	}
	var has struct {
		Policy string `json:"policy"`
	}
	if err := json.Unmarshal([]byte(out), &has); err != nil {
		return fmt.Errorf("dprctl config show --json: %w", err)
	}
	if has.Policy != filePolicy {
		return fmt.Errorf("the new module has policy %q, the file %q", has.Policy, filePolicy)
	}
	return nil
}

// change sets the policy of all hosts that have power, or of one.
func (c *cluster) change(ctx context.Context, e Event) error {
	hosts := c.hosts.Hosts()
	if e.Args[0] == "one" {
		hosts = []string{e.Host}
	}
	for _, host := range hosts {
		if err := c.setPolicy(ctx, host, e.Args[1:]); err != nil {
			return err
		}
	}
	return nil
}

// part drains a host and waits until no peer would choose it.
func (c *cluster) part(ctx context.Context, host string) error {
	if _, err := c.run(ctx, host, "dprctl", "drain"); err != nil {
		return err
	}
	h, err := c.lab.Host(host)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, stepsTimeout)
	defer cancel()
	for _, other := range c.hosts.Hosts() {
		for other != host && !c.isOff(other) {
			usable, err := c.usable(ctx, other, h.Address)
			if err == nil && !usable {
				break
			}
			if !rest(ctx, 200*time.Millisecond) {
				return fmt.Errorf("%s would still choose %s, which drains: %w", other, host, errors.Join(err, ctx.Err()))
			}
		}
	}
	return nil
}

// service takes a host's service away as an operator would: when nobody hands it
// connections any more.
func (c *cluster) service(ctx context.Context, e Event) error {
	err := c.part(ctx, e.Host)
	if err == nil {
		if _, err = c.run(ctx, e.Host, "dprctl", "service", "del", "80"); err == nil {
			c.wait(ctx, e)
			err = c.undo(ctx, e.Host, "dprctl", "service", "add", "80")
		}
	}
	return errors.Join(err, c.undo(ctx, e.Host, "dprctl", "undrain"))
}

func (c *cluster) drain(ctx context.Context, e Event) error {
	if _, err := c.run(ctx, e.Host, "dprctl", "drain"); err != nil {
		return err
	}
	c.wait(ctx, e)
	return c.undo(ctx, e.Host, "dprctl", "undrain")
}

// power pulls a host's plug and puts it in again.
func (c *cluster) power(ctx context.Context, e Event) error {
	defer c.operate(e.Host)()
	return c.offAndOn(ctx, e, c.begin(Off, e.Host))
}

// replace takes a host out of the cluster when nothing needs it any more, and
// brings it back as a new one. No connection has a reason to fail.
func (c *cluster) replace(ctx context.Context, e Event) error {
	if err := c.part(ctx, e.Host); err != nil {
		return errors.Join(err, c.undo(ctx, e.Host, "dprctl", "undrain"))
	}
	if err := c.empty(ctx, e.Host); err != nil {
		return errors.Join(err, c.undo(ctx, e.Host, "dprctl", "undrain"))
	}
	defer c.operate(e.Host)()
	return c.offAndOn(ctx, e, func() {})
}

// empty waits until no client needs a host any more. dprctl drain --wait is stricter:
// it waits, for minutes, for the sockets of clients that are gone, which the web
// server and the kernel still hope for.
func (c *cluster) empty(ctx context.Context, host string) error {
	ctx, cancel := context.WithTimeout(ctx, partTimeout)
	defer cancel()
	for {
		// The server's first: what it shows and clients do not is over.
		served, err := c.run(ctx, host, "ss", "-Htan", "sport = :80")
		var held strings.Builder
		for _, client := range c.lab.Clients() {
			out, clientErr := c.run(ctx, client.Name, "ss", "-Htan", "dport = :80")
			held.WriteString(out)
			err = errors.Join(err, clientErr)
		}
		if err == nil && !needed(served, held.String()) {
			return nil
		}
		if !rest(ctx, 300*time.Millisecond) {
			return fmt.Errorf("%s is still needed: %w\n%s", host, errors.Join(err, ctx.Err()), served)
		}
	}
}

// needed says whether of a server's sockets one has a client that still has its
// end. Both lists are of ss -Htan.
func needed(served, held string) bool {
	clients := make(map[string]bool)
	for _, line := range lines(held) {
		if f := strings.Fields(line); len(f) >= 5 && f[0] != "TIME-WAIT" {
			clients[f[3]] = true
		}
	}
	for _, line := range lines(served) {
		f := strings.Fields(line)
		if len(f) < 5 || f[0] != "LISTEN" && f[0] != "TIME-WAIT" && clients[f[4]] {
			return true
		}
	}
	return false
}

// offAndOn calls serves when the host serves again.
func (c *cluster) offAndOn(ctx context.Context, e Event, serves func()) error {
	c.mu.Lock()
	c.close(e.Host)
	c.mu.Unlock()
	// What its kernel said until now goes with its console.
	if err := c.lab.Check(); err != nil {
		return err
	}
	if err := c.lab.Poweroff(ctx, e.Host); err != nil {
		return err
	}
	c.wait(ctx, e)
	ctx = context.WithoutCancel(ctx)
	if err := c.lab.Boot(ctx, e.Host); err != nil {
		return err
	}
	if c.roads != nil {
		if err := c.roads.address(ctx, e.Host); err != nil {
			return err
		}
	}
	serves()
	if err := accounting.Install(ctx, c.lab, e.Host); err != nil {
		return err
	}
	c.open(e.Host, accounting.Ledger{})
	return c.again(ctx, e.Host)
}
