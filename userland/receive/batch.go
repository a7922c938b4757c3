// SPDX-License-Identifier: MIT

package receive

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"time"

	"dpr/userland/dprnl"
	"dpr/userland/report"
)

// step handles the next batch of datagrams, and maintenance when it is due.
func (r *Receiver) step(ctx context.Context) error {
	if now := time.Now(); !now.Before(r.due) {
		r.due = now.Add(maintainEvery)
		if err := r.maintain(ctx); err != nil {
			return err
		}
	}
	batch, full, err := r.source.Read(r.due)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	if err != nil {
		r.log.Log(slog.LevelWarn, "read", "receiving failed", "error", err)
		// The socket may fail immediately every time; the pause limits the load.
		sleep(ctx, 100*time.Millisecond)
		return nil
	}
	err = r.handle(ctx, batch)
	if !full {
		sleep(ctx, gather)
	}
	return err
}

// handle verifies datagrams and passes the reports to the kernel.
func (r *Receiver) handle(ctx context.Context, batch []Datagram) error {
	var list []report.Report
	for _, d := range batch {
		if rep, ok := r.judge(d.Data, d.Sender); ok {
			list = append(list, rep)
		}
	}
	list = r.newest(list)
	if len(list) == 0 {
		return nil
	}
	if r.o.Memory != nil && r.o.Memory.Err() != nil {
		r.log.Log(slog.LevelWarn, "memory", "cannot store accepted reports", "error", r.o.Memory.Err())
	}
	return r.notify(ctx, list)
}

// newest leaves out reports of version 1 whose host has one of version 2 in the same batch:
// a host sends both at once.
func (r *Receiver) newest(list []report.Report) []report.Report {
	second := make(map[netip.Addr]bool)
	for i := range list {
		if list[i].Details != nil {
			second[list[i].Host] = true
		}
	}
	return slices.DeleteFunc(list, func(rep report.Report) bool {
		old := rep.Details == nil && second[rep.Host]
		if old {
			r.counts.add(Superseded)
		}
		return old
	})
}

// judge returns the report in a datagram if it is valid and a peer's. It counts
// and logs all others.
func (r *Receiver) judge(datagram []byte, sender netip.Addr) (report.Report, bool) {
	if sender == r.host {
		r.own(datagram, sender)
		return report.Report{}, false
	}
	rep, err := r.verifier.Verify(datagram, sender)
	if err != nil {
		reason := report.Reason(err)
		r.counts.add(reason)
		r.hosts.refused(sender.Unmap(), reason, r.o.Now())
		r.log.Log(slog.LevelWarn, reason, "report refused", "sender", sender, "reason", reason, "error", err)
		return report.Report{}, false
	}
	if r.superseded(&rep) {
		r.counts.add(Superseded)
		return report.Report{}, false
	}
	return rep, true
}

// notify passes reports to the kernel in order.
func (r *Receiver) notify(ctx context.Context, list []report.Report) error {
	var worst error
	note := func(host netip.Addr, err error) {
		if err == nil {
			r.counts.add(Accepted)
			return
		}
		r.counts.add(reasonKernel)
		if ctx.Err() == nil {
			r.log.Log(slog.LevelWarn, "kernel", "cannot pass a report to the kernel", "peer", host, "error", err)
		}
		if worst == nil || errors.Is(err, dprnl.ErrNoRight) {
			worst = err
		}
	}
	leaving := func(rep report.Report) bool { return rep.State == dprnl.StateLeaving }
	for len(list) > 0 {
		n := slices.IndexFunc(list, leaving)
		if n < 0 {
			n = len(list)
		}
		for i, err := range r.update(ctx, list[:n]) {
			note(list[i].Host, err)
		}
		if n < len(list) {
			note(list[n].Host, r.leave(ctx, &list[n]))
			n++
		}
		list = list[n:]
	}
	return worst
}

// update passes reports of hosts that are not leaving to the kernel, and returns
// one error for each.
func (r *Receiver) update(ctx context.Context, list []report.Report) []error {
	errs := make([]error, len(list))
	if len(list) == 0 {
		return errs
	}
	k, err := r.link.Get()
	if err != nil {
		for i := range errs {
			errs[i] = err
		}
		return errs
	}
	updates := make([]dprnl.PeerUpdate, len(list))
	for i := range list {
		updates[i] = r.peerUpdate(&list[i])
		delete(r.left, list[i].Host)
	}
	if refused := k.SetPeers(ctx, updates); refused != nil {
		copy(errs, refused)
		_ = r.link.Note(errors.Join(refused...))
	}
	return errs
}

func (r *Receiver) peerUpdate(rep *report.Report) dprnl.PeerUpdate {
	barred, down := r.health(rep)
	r.hosts.accepted(rep, r.verifier.Key(rep.Host), barred, down, r.o.Now())
	u := dprnl.PeerUpdate{Address: rep.Host, Metrics: &rep.Metrics, State: &rep.State, Weight: &rep.Weight, Protocol: rep.Protocol()}
	if d := rep.Details; d != nil {
		u.Down, u.Barred, u.Others, u.Counts = down, barred, d.Addresses, d.Counts
	}
	return u
}

// leave removes a leaving host from the load table at its first report that says
// so. The host stays known, so that flows in both directions continue. Its later
// leaving reports change nothing: the kernel sees it as silent, and dpr-cleanup
// finds out when it is gone.
func (r *Receiver) leave(ctx context.Context, rep *report.Report) error {
	if r.left[rep.Host] {
		return nil
	}
	k, err := r.link.Get()
	if err != nil {
		return err
	}
	if err := k.SetPeer(ctx, r.peerUpdate(rep)); err != nil {
		return r.link.Note(err)
	}
	if err := k.DeletePeer(ctx, rep.Host, false); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return r.link.Note(err)
	}
	if len(r.left) >= dprnl.MaxPeers {
		clear(r.left) // their next reports remove them again
	}
	r.left[rep.Host] = true
	r.o.Log.Info("peer is leaving; it gets no new connections", "peer", rep.Host)
	return nil
}
