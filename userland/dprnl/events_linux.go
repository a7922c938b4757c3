// SPDX-License-Identifier: MIT

package dprnl

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"syscall"

	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Events receives the events of one network namespace on a separate connection.
// It must be used by one goroutine only.
type Events struct {
	conn *genetlink.Conn
}

// NewEvents subscribes to events that happen after it returns. The errors are
// those of New, and ErrNoRight.
func NewEvents() (*Events, error) {
	conn, err := genetlink.Dial(&netlink.Config{Strict: true})
	if err != nil {
		return nil, wrap("opening a netlink connection", err)
	}
	if err := subscribe(conn); err != nil {
		conn.Close()
		return nil, wrap("subscribing to events", err)
	}
	return initEvents(conn), nil
}

func initEvents(conn *genetlink.Conn) *Events { return &Events{conn: conn} }

// subscribe joins the module's group, and the one that announces the module's
// removal, which would otherwise go unnoticed.
func subscribe(conn *genetlink.Conn) error {
	family, err := findFamily(conn)
	if err != nil {
		return err
	}
	control, err := conn.GetFamily("nlctrl")
	if err != nil {
		return err
	}
	for _, want := range []struct {
		family genetlink.Family
		group  string
	}{{family, GenlGroupEvents}, {control, "notify"}} {
		id, err := group(want.family, want.group)
		if err != nil {
			return err
		}
		if err := conn.JoinGroup(id); err != nil {
			return err
		}
	}
	return nil
}

func group(family genetlink.Family, name string) (uint32, error) {
	for _, g := range family.Groups {
		if g.Name == name {
			return g.ID, nil
		}
	}
	return 0, fmt.Errorf("netlink family %s has no multicast group %s", family.Name, name)
}

// Close ends the subscription and any All that is waiting.
func (e *Events) Close() error { return e.conn.Close() }

// All iterates over events until ctx is done, which closes the connection and is
// not an error. After ErrEventsLost the iteration continues; every other error
// ends it. When the module is removed, the error is ErrNotLoaded.
func (e *Events) All(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		stop := context.AfterFunc(ctx, func() { e.conn.Close() })
		defer stop()
		for {
			events, err := e.receive()
			if ctx.Err() != nil {
				return
			}
			for _, ev := range events {
				if !yield(ev, nil) {
					return
				}
			}
			if err != nil && (!yield(Event{}, err) || !errors.Is(err, ErrEventsLost)) {
				return
			}
		}
	}
}

// receive waits for messages. It returns the events received before an error
// together with the error.
func (e *Events) receive() ([]Event, error) {
	const op = "receiving events"
	gms, nms, err := e.conn.Receive()
	if errors.Is(err, syscall.ENOBUFS) {
		return nil, ErrEventsLost
	}
	if err != nil {
		return nil, wrap(op, err)
	}
	var events []Event
	for i, m := range gms {
		if nms[i].Header.Type == unix.GENL_ID_CTRL {
			if removed(m) {
				return events, wrap(op, ErrNotLoaded)
			}
			continue
		}
		if m.Header.Command != cmdEvent {
			continue
		}
		ev, err := decodeEvent(m.Data)
		if err != nil {
			return events, &opError{op, err}
		}
		events = append(events, ev)
	}
	return events, nil
}

// removed reports whether a message of the controller announces the removal of
// the module's family.
func removed(m genetlink.Message) bool {
	if m.Header.Command != unix.CTRL_CMD_DELFAMILY {
		return false
	}
	var name string
	_, err := decode(m.Data, fields{unix.CTRL_ATTR_FAMILY_NAME: &name})
	return err == nil && name == GenlName
}
