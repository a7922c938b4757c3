// SPDX-License-Identifier: MIT

package daemon

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"
)

// A notifier reports the process's state to the service manager. Without a
// service manager it does nothing.
type notifier struct {
	log   *slog.Logger
	start time.Time
	beat  atomic.Int64 // time of the last heartbeat, since start: setting the clock does not change it
}

// newNotifier returns a notifier with a first heartbeat.
func newNotifier(log *slog.Logger) *notifier { return &notifier{log: log, start: time.Now()} }

func (n *notifier) send(state string) {
	if _, err := sd.SdNotify(false, state); err != nil {
		n.log.Warn("cannot notify the service manager", "state", state, "error", err)
	}
}

func (n *notifier) ready()    { n.send(sd.SdNotifyReady) }
func (n *notifier) stopping() { n.send(sd.SdNotifyStopping) }
func (n *notifier) reloading() {
	n.send(sd.SdNotifyReloading + "\n" + sd.SdNotifyMonotonicUsec())
}

// alive is the heartbeat of the process's main loop.
func (n *notifier) alive() { n.beat.Store(int64(time.Since(n.start))) }

// watchdog pings the service manager at half its interval while the heartbeat is
// recent; otherwise it lets the service manager end the process.
func (n *notifier) watchdog(ctx context.Context) {
	interval, err := sd.SdWatchdogEnabled(false)
	if err != nil {
		n.log.Warn("cannot read the service manager's watchdog interval", "error", err)
		return
	}
	if interval <= 0 {
		return
	}
	t := time.NewTicker(interval / 2)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if since := time.Since(n.start) - time.Duration(n.beat.Load()); since > interval {
			n.log.Error("main loop is stuck", "since", since)
			continue
		}
		n.send(sd.SdNotifyWatchdog)
	}
}
