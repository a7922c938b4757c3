// SPDX-License-Identifier: MIT

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// What Katran, a load balancer in XDP, does for a packet of IPv4 to a TCP service, in the
// kinds of maps that it uses: it finds the service by address and port in a hash table, the
// connection in an LRU hash table, and the server in an array. A connection that is new gets
// a server from the service's ring. The packet is counted and gets an outer header of IPv4.
// Keys and values have the layout of Katran's, with room for addresses of IPv6. What Katran does
// beyond that (a table of connections for each processor, counters of servers, the router's
// address in a map, limits on new connections) is left out: this is cheaper.

// Offsets in a frame.
const (
	etherSize = 14
	atType    = 12
	atIP      = etherSize
	atTOS     = atIP + 1
	atLength  = atIP + 2
	atFrag    = atIP + 6
	atProto   = atIP + 9
	atSource  = atIP + 12
	atDest    = atIP + 16
	ipSize    = 20
	atPorts   = atIP + ipSize
	atFlags   = atPorts + 13
	tcpSize   = 20
	leastSize = atPorts + tcpSize
)

// Sizes of keys and values, and what is where in them.
const (
	vipKeySize  = 20 // address (16), port (2), protocol
	vipKeyPort  = 16
	vipKeyProto = 18
	vipSize     = 8 // flags (4), number (4)
	vipNumber   = 4

	flowKeySize   = 40 // source (16), destination (16), ports (4), protocol
	flowKeyDest   = 16
	flowKeyPorts  = 32
	flowKeyProto  = 36
	flowValueSize = 16 // server (4), time

	serverSize = 28 // address (16), flags (4), hardware address (6)
	serverMAC  = 20
	countsSize = 16 // packets, bytes
	indexSize  = 4
)

// Where they are on the program's stack.
const (
	stackFlow  = -flowKeySize
	stackVIP   = stackFlow - 24
	stackValue = stackVIP - flowValueSize
	stackIndex = stackValue - 8
)

const (
	ringBits   = 12
	vipRoom    = 512
	serverRoom = 4096
	golden     = -0x61c88647 // 2^32 by the golden ratio
)

// katranMaps are the file descriptors of the program's maps.
type katranMaps struct {
	vips, flows, ring, servers, counts int
}

// lookup looks a key up that is on the stack.
func lookup(fd int, key int32) asm.Instructions {
	return asm.Instructions{
		asm.LoadMapPtr(asm.R1, fd),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, key),
		asm.FnMapLookupElem.Call(),
	}
}

// lookupIndex is lookup for the number that is in a register.
func lookupIndex(fd int, number asm.Register) asm.Instructions {
	return append(asm.Instructions{asm.StoreMem(asm.RFP, stackIndex, number, asm.Word)}, lookup(fd, stackIndex)...)
}

// zero clears bytes of the stack, in steps of eight.
func zero(from, size int16) asm.Instructions {
	list := asm.Instructions{asm.Mov.Imm(asm.R1, 0)}
	for at := from; at < from+size; at += 8 {
		list = append(list, asm.StoreMem(asm.RFP, at, asm.R1, asm.DWord))
	}
	return list
}

// The registers that calls keep.
const (
	ctxReg    = asm.R6
	frameReg  = asm.R7 // its beginning; later the TOS
	vipReg    = asm.R8 // what is known of the service; later the packet's length
	serverReg = asm.R9 // its number; later what is known of it
)

// katran returns the program.
func katran(m katranMaps) asm.Instructions {
	return slices.Concat(
		katranParse(),
		lookup(m.vips, stackVIP),
		asm.Instructions{
			asm.JEq.Imm(asm.R0, 0, "pass"),
			asm.Mov.Reg(vipReg, asm.R0),
		},
		katranConnection(m),
		katranCount(m),
		katranEncapsulate(),
		asm.Instructions{
			asm.Mov.Imm(asm.R0, xdpTx),
			asm.Return(),
			asm.Mov.Imm(asm.R0, xdpPass).WithSymbol("pass"),
			asm.Return(),
			asm.Mov.Imm(asm.R0, xdpDrop).WithSymbol("drop"),
			asm.Return(),
		},
	)
}

// katranParse leaves what is no whole packet of TCP, and makes the keys of the others.
func katranParse() asm.Instructions {
	return slices.Concat(
		asm.Instructions{
			asm.Mov.Reg(ctxReg, asm.R1),
			asm.LoadMem(frameReg, ctxReg, 0, asm.Word),
			asm.LoadMem(asm.R2, ctxReg, 4, asm.Word),
			asm.Mov.Reg(asm.R1, frameReg),
			asm.Add.Imm(asm.R1, leastSize),
			asm.JGT.Reg(asm.R1, asm.R2, "pass"),
			asm.LoadMem(asm.R1, frameReg, atType, asm.Half),
			asm.JNE.Imm(asm.R1, int32(network16(0x0800)), "pass"),
			asm.LoadMem(asm.R1, frameReg, atIP, asm.Byte),
			asm.JNE.Imm(asm.R1, 0x45, "pass"),
			asm.LoadMem(asm.R1, frameReg, atProto, asm.Byte),
			asm.JNE.Imm(asm.R1, 6, "pass"),
			asm.LoadMem(asm.R1, frameReg, atFrag, asm.Half),
			asm.JSet.Imm(asm.R1, int32(network16(0x3fff)), "pass"),
		},
		zero(stackVIP, stackFlow-stackVIP+flowKeySize),
		asm.Instructions{
			asm.LoadMem(asm.R1, frameReg, atSource, asm.Word),
			asm.StoreMem(asm.RFP, stackFlow, asm.R1, asm.Word),
			asm.LoadMem(asm.R1, frameReg, atDest, asm.Word),
			asm.StoreMem(asm.RFP, stackFlow+flowKeyDest, asm.R1, asm.Word),
			asm.StoreMem(asm.RFP, stackVIP, asm.R1, asm.Word),
			asm.LoadMem(asm.R1, frameReg, atPorts, asm.Word),
			asm.StoreMem(asm.RFP, stackFlow+flowKeyPorts, asm.R1, asm.Word),
			asm.LoadMem(asm.R1, frameReg, atPorts+2, asm.Half),
			asm.StoreMem(asm.RFP, stackVIP+vipKeyPort, asm.R1, asm.Half),
			asm.StoreImm(asm.RFP, stackVIP+vipKeyProto, 6, asm.Byte),
			asm.StoreImm(asm.RFP, stackFlow+flowKeyProto, 6, asm.Byte),
		},
	)
}

// katranConnection finds the connection's server, or gives it one of the ring.
func katranConnection(m katranMaps) asm.Instructions {
	return slices.Concat(
		asm.Instructions{
			asm.LoadMem(asm.R1, frameReg, atFlags, asm.Byte),
			asm.JSet.Imm(asm.R1, 2, "new"), // SYN
		},
		lookup(m.flows, stackFlow),
		asm.Instructions{
			asm.JEq.Imm(asm.R0, 0, "new"),
			asm.LoadMem(serverReg, asm.R0, 0, asm.Word),
			asm.Ja.Label("known"),
			asm.LoadMem(asm.R1, asm.RFP, stackFlow, asm.Word).WithSymbol("new"),
			asm.LoadMem(asm.R2, asm.RFP, stackFlow+flowKeyPorts, asm.Word),
			asm.Xor.Reg32(asm.R1, asm.R2),
			asm.Mul.Imm32(asm.R1, golden),
			asm.RSh.Imm32(asm.R1, 32-ringBits),
		},
		lookupIndex(m.ring, asm.R1),
		asm.Instructions{
			asm.JEq.Imm(asm.R0, 0, "drop"),
			asm.LoadMem(serverReg, asm.R0, 0, asm.Word),
		},
		zero(stackValue, flowValueSize),
		asm.Instructions{
			asm.StoreMem(asm.RFP, stackValue, serverReg, asm.Word),
			asm.LoadMapPtr(asm.R1, m.flows),
			asm.Mov.Reg(asm.R2, asm.RFP),
			asm.Add.Imm(asm.R2, stackFlow),
			asm.Mov.Reg(asm.R3, asm.RFP),
			asm.Add.Imm(asm.R3, stackValue),
			asm.Mov.Imm(asm.R4, 0),
			asm.FnMapUpdateElem.Call(),
			asm.StoreMem(asm.RFP, stackIndex, serverReg, asm.Word).WithSymbol("known"),
		},
		lookup(m.servers, stackIndex),
		asm.Instructions{
			asm.JEq.Imm(asm.R0, 0, "drop"),
			asm.Mov.Reg(serverReg, asm.R0),
		},
	)
}

// katranCount counts the packet for its service.
func katranCount(m katranMaps) asm.Instructions {
	return slices.Concat(
		asm.Instructions{asm.LoadMem(asm.R1, vipReg, vipNumber, asm.Word)},
		lookupIndex(m.counts, asm.R1),
		asm.Instructions{
			asm.JEq.Imm(asm.R0, 0, "drop"),
			asm.LoadMem(vipReg, frameReg, atLength, asm.Half),
			asm.HostTo(asm.BE, vipReg, asm.Half),
			asm.LoadMem(asm.R1, asm.R0, 0, asm.DWord),
			asm.Add.Imm(asm.R1, 1),
			asm.StoreMem(asm.R0, 0, asm.R1, asm.DWord),
			asm.LoadMem(asm.R1, asm.R0, 8, asm.DWord),
			asm.Add.Reg(asm.R1, vipReg),
			asm.StoreMem(asm.R0, 8, asm.R1, asm.DWord),
		},
	)
}

// katranEncapsulate puts the outer header before the packet. Its source tells the client's
// port, so that receivers spread packets over their queues.
func katranEncapsulate() asm.Instructions {
	const out, sum = asm.R2, asm.R3
	list := asm.Instructions{
		asm.LoadMem(frameReg, frameReg, atTOS, asm.Byte),
		asm.Mov.Reg(asm.R1, ctxReg),
		asm.Mov.Imm(asm.R2, -ipSize),
		asm.FnXdpAdjustHead.Call(),
		asm.JNE.Imm(asm.R0, 0, "drop"),
		asm.LoadMem(out, ctxReg, 0, asm.Word),
		asm.LoadMem(asm.R3, ctxReg, 4, asm.Word),
		asm.Mov.Reg(asm.R1, out),
		asm.Add.Imm(asm.R1, ipSize+leastSize),
		asm.JGT.Reg(asm.R1, asm.R3, "drop"),
		// From this host, whose address the frame was for.
		asm.LoadMem(asm.R1, out, ipSize, asm.Word),
		asm.StoreMem(out, 6, asm.R1, asm.Word),
		asm.LoadMem(asm.R1, out, ipSize+4, asm.Half),
		asm.StoreMem(out, 10, asm.R1, asm.Half),
		asm.LoadMem(asm.R1, serverReg, serverMAC, asm.Word),
		asm.StoreMem(out, 0, asm.R1, asm.Word),
		asm.LoadMem(asm.R1, serverReg, serverMAC+4, asm.Half),
		asm.StoreMem(out, 4, asm.R1, asm.Half),
		asm.StoreImm(out, atType, network16(0x0800), asm.Half),

		asm.StoreImm(out, atIP, 0x45, asm.Byte),
		asm.StoreMem(out, atTOS, frameReg, asm.Byte),
		asm.Add.Imm(vipReg, ipSize),
		asm.HostTo(asm.BE, vipReg, asm.Half),
		asm.StoreMem(out, atLength, vipReg, asm.Half),
		asm.StoreImm(out, atIP+4, network32(0x4000), asm.Word),       // no number, DF
		asm.StoreImm(out, atIP+8, network32(64<<24|4<<16), asm.Word), // hops, IP in IP, no checksum yet
		asm.LoadMem(asm.R1, asm.RFP, stackFlow+flowKeyPorts, asm.Half),
		asm.LSh.Imm32(asm.R1, 16),
		asm.LoadMem(asm.R4, asm.RFP, stackFlow, asm.Word),
		asm.Xor.Reg32(asm.R1, asm.R4),
		asm.And.Imm32(asm.R1, int32(network32(0x0000ffff))),
		asm.Or.Imm32(asm.R1, int32(network32(172<<24|16<<16))),
		asm.StoreMem(out, atSource, asm.R1, asm.Word),
		asm.LoadMem(asm.R1, serverReg, 0, asm.Word),
		asm.StoreMem(out, atDest, asm.R1, asm.Word),

		asm.Mov.Imm(sum, 0),
	}
	for at := int16(atIP); at < atPorts; at += 2 {
		list = append(list, asm.LoadMem(asm.R1, out, at, asm.Half), asm.Add.Reg(sum, asm.R1))
	}
	for range 2 {
		list = append(list,
			asm.Mov.Reg(asm.R1, sum), asm.RSh.Imm(asm.R1, 16),
			asm.And.Imm(sum, 0xffff), asm.Add.Reg(sum, asm.R1))
	}
	return append(list, asm.Xor.Imm(sum, 0xffff), asm.StoreMem(out, atIP+10, sum, asm.Half))
}

// A destination is a server, as the program's map has it.
type destination struct {
	address netip.Addr
	mac     [6]byte
}

func (d destination) bytes() []byte {
	b := make([]byte, serverSize)
	copy(b, d.address.AsSlice())
	copy(b[serverMAC:], d.mac[:])
	return b
}

// vipKey is a service, as the program's map has it.
func vipKey(a netip.AddrPort) []byte {
	b := make([]byte, vipKeySize)
	copy(b, a.Addr().AsSlice())
	binary.BigEndian.PutUint16(b[vipKeyPort:], a.Port())
	b[vipKeyProto] = 6
	return b
}

// attachKatran has the program balance a service over servers, with room for twice as many
// connections. The caller closes it.
func attachKatran(service netip.AddrPort, list []destination, connections int) (_ *program, err error) {
	p := &program{}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	made := map[string]*ebpf.Map{}
	for _, spec := range []ebpf.MapSpec{
		{Name: "vips", Type: ebpf.Hash, KeySize: vipKeySize, ValueSize: vipSize, MaxEntries: vipRoom},
		{Name: "flows", Type: ebpf.LRUHash, KeySize: flowKeySize, ValueSize: flowValueSize, MaxEntries: uint32(2 * connections)},
		{Name: "ring", Type: ebpf.Array, KeySize: indexSize, ValueSize: indexSize, MaxEntries: 1 << ringBits},
		{Name: "servers", Type: ebpf.Array, KeySize: indexSize, ValueSize: serverSize, MaxEntries: serverRoom},
		{Name: "counts", Type: ebpf.PerCPUArray, KeySize: indexSize, ValueSize: countsSize, MaxEntries: vipRoom},
	} {
		if made[spec.Name], err = p.newMap(spec); err != nil {
			return nil, err
		}
	}
	if err := made["vips"].Put(vipKey(service), make([]byte, vipSize)); err != nil {
		return nil, fmt.Errorf("adding the service: %w", err)
	}
	for i, d := range list {
		if err := made["servers"].Put(uint32(i), d.bytes()); err != nil {
			return nil, fmt.Errorf("adding a server: %w", err)
		}
	}
	for i := range 1 << ringBits {
		if err := made["ring"].Put(uint32(i), uint32(i%len(list))); err != nil {
			return nil, fmt.Errorf("filling the ring: %w", err)
		}
	}
	m := katranMaps{made["vips"].FD(), made["flows"].FD(), made["ring"].FD(), made["servers"].FD(), made["counts"].FD()}
	return p, p.attach("katran_like", katran(m))
}
