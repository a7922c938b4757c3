// SPDX-License-Identifier: MIT

package dprnl

import (
	"errors"
	"net/netip"
	"syscall"
	"testing"

	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/genetlink/genltest"
	"github.com/mdlayher/netlink"
	"github.com/mdlayher/netlink/nltest"
)

// A batcher is a kernel that takes updates of peers, but for one.
type batcher struct {
	refused byte // last byte of that peer's address; 0: none
	batches [][]netlink.Message
	single  []byte // last bytes of the peers that came by themselves
	dials   int
	dialErr error
}

// host is the last byte of the address in an update, its first attribute.
func host(data []byte) byte { return data[4+3] }

func (b *batcher) dial() (*netlink.Conn, error) {
	b.dials++
	if b.dialErr != nil {
		return nil, b.dialErr
	}
	return nltest.Dial(func(req []netlink.Message) ([]netlink.Message, error) {
		if len(req) == 0 {
			return nil, nil
		}
		b.batches = append(b.batches, req)
		for _, m := range req {
			if b.refused != 0 && host(m.Data[4:]) == b.refused {
				return nltest.Error(int(syscall.ENOSPC), []netlink.Message{m})
			}
		}
		return nltest.Error(0, req[len(req)-1:])
	}), nil
}

func (b *batcher) client(t *testing.T) *Client {
	t.Helper()
	c, err := initClient(genltest.Dial(genltest.ServeFamily(family(familyID), once(
		func(req genetlink.Message, _ netlink.Message) ([]genetlink.Message, error) {
			b.single = append(b.single, host(req.Data))
			if host(req.Data) == b.refused {
				return nil, genltest.Error(int(syscall.ENOSPC))
			}
			return nil, nil
		}))), b.dial)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func updates(hosts ...byte) []PeerUpdate {
	var list []PeerUpdate
	for _, h := range hosts {
		list = append(list, PeerUpdate{Address: netip.AddrFrom4([4]byte{192, 0, 2, h}), Metrics: &Metrics{Connections: uint32(h)}})
	}
	return list
}

func TestSetPeers(t *testing.T) {
	b := &batcher{}
	c := b.client(t)
	for range 2 {
		if errs := c.SetPeers(t.Context(), updates(2, 3, 4)); errs != nil {
			t.Fatal(errs)
		}
	}
	if errs := c.SetPeers(t.Context(), nil); errs != nil {
		t.Error(errs)
	}
	if len(b.batches) != 2 || len(b.single) != 0 || b.dials != 1 {
		t.Fatalf("%d batches, %v by themselves, %d dials", len(b.batches), b.single, b.dials)
	}
	for i, m := range b.batches[1] {
		flags := netlink.Request
		if i == 2 {
			flags |= netlink.Acknowledge
		}
		if m.Header.Type != familyID || m.Header.Flags != flags || m.Data[0] != cmdPeerSet || m.Data[1] != GenlVersion || host(m.Data[4:]) != byte(2+i) {
			t.Errorf("message %d: %+v", i, m)
		}
	}
}

// One that is refused is named; the others are taken.
func TestSetPeersRefused(t *testing.T) {
	b := &batcher{refused: 3}
	c := b.client(t)
	errs := c.SetPeers(t.Context(), updates(2, 3, 4))
	if len(errs) != 3 || errs[0] != nil || !errors.Is(errs[1], syscall.ENOSPC) || errs[2] != nil {
		t.Errorf("errors %v", errs)
	}
	if string(b.single) != "\x02\x03\x04" {
		t.Errorf("by themselves came %v", b.single)
	}
	if errs := c.SetPeers(t.Context(), updates(2, 4)); errs != nil || b.dials != 2 {
		t.Errorf("after it: %v, %d dials", errs, b.dials)
	}
	b.dialErr = syscall.EMFILE
	b.refused = 2
	c.SetPeers(t.Context(), updates(2))
	if errs := c.SetPeers(t.Context(), updates(4)); errs != nil {
		t.Errorf("without a connection for batches: %v", errs)
	}
	if errs := c.SetPeers(t.Context(), []PeerUpdate{{}}); len(errs) != 1 || errs[0] == nil {
		t.Errorf("an update without an address: %v", errs)
	}
}
