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

// step handles the datagrams that have come, or the second without any.
func (r *Receiver) step(ctx context.Context) error {
	if now := time.Now(); !now.Before(r.due) {
		r.due = now.Add(maintainEvery)
		if err := r.maintain(ctx); err != nil {
			return err
		}
	}
	batch, err := r.source.Read(r.due)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	if err != nil {
		r.log.Log(slog.LevelWarn, "read", "receiving failed", "error", err)
		// The socket may fail at once and for ever; the pause bounds the work.
		sleep(ctx, 100*time.Millisecond)
		return nil
	}
	err = r.handle(ctx, batch)
	if len(batch) < MaxBatch {
		sleep(ctx, gather)
	}
	return err
}

// handle judges datagrams and tells the kernel of them.
func (r *Receiver) handle(ctx context.Context, batch []Datagram) error {
	var list []report.Report
	for _, d := range batch {
		if rep, ok := r.judge(d.Data, d.Sender); ok {
			list = append(list, rep)
		}
	}
	if len(list) == 0 {
		return nil
	}
	if r.o.Memory != nil && r.o.Memory.Err() != nil {
		r.log.Log(slog.LevelWarn, "memory", "reports are not remembered", "error", r.o.Memory.Err())
	}
	return r.tell(ctx, list)
}

// judge returns the report that a datagram holds, if it is one of a peer, and
// counts and logs the others.
func (r *Receiver) judge(datagram []byte, sender netip.Addr) (report.Report, bool) {
	if sender == r.host {
		r.own(datagram, sender)
		return report.Report{}, false
	}
	rep, err := r.verifier.Verify(datagram, sender)
	if err != nil {
		reason := report.Reason(err)
		r.counts.add(reason)
		r.log.Log(slog.LevelWarn, reason, "report refused", "sender", sender, "reason", reason, "error", err)
		return report.Report{}, false
	}
	return rep, true
}

// tell gives reports to the kernel, in their order.
func (r *Receiver) tell(ctx context.Context, list []report.Report) error {
	var worst error
	note := func(host netip.Addr, err error) {
		if err == nil {
			r.counts.add(Accepted)
			return
		}
		r.counts.add(reasonKernel)
		if ctx.Err() == nil {
			r.log.Log(slog.LevelWarn, "kernel", "the kernel did not take a report", "peer", host, "error", err)
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

// update gives the kernel reports of hosts that stay, and returns an error for
// each.
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
		updates[i] = update(&list[i])
		delete(r.left, list[i].Host)
	}
	if refused := k.SetPeers(ctx, updates); refused != nil {
		copy(errs, refused)
		r.link.Note(errors.Join(refused...))
	}
	return errs
}

func update(rep *report.Report) dprnl.PeerUpdate {
	return dprnl.PeerUpdate{Address: rep.Host, Metrics: &rep.Metrics, State: &rep.State, Weight: &rep.Weight}
}

// leave takes a host that is leaving out of the load table at its first word.
// It stays known, so that its flows and ours to it go on, and what else it
// says while it leaves changes nothing: from then on its silence counts, and
// dpr-cleanup finds out when it is gone.
func (r *Receiver) leave(ctx context.Context, rep *report.Report) error {
	if r.left[rep.Host] {
		return nil
	}
	k, err := r.link.Get()
	if err != nil {
		return err
	}
	if err := k.SetPeer(ctx, update(rep)); err != nil {
		return r.link.Note(err)
	}
	if err := k.DeletePeer(ctx, rep.Host, false); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return r.link.Note(err)
	}
	if len(r.left) >= dprnl.MaxPeers {
		clear(r.left) // they are taken out once more
	}
	r.left[rep.Host] = true
	r.o.Log.Info("a peer is leaving and gets no new connections", "peer", rep.Host)
	return nil
}
