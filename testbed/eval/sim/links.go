// SPDX-License-Identifier: MIT

package sim

// A link is what a host knows by itself of one peer: its live flows to it, and
// how many these were when the peer's last report came. There is one only
// while either is above 0.
type link struct {
	from, to       int32
	live, reported int32
	fromPos, toPos int32 // where in links.from and links.to
}

// links are all links of a cluster.
type links struct {
	slot  []link
	free  []int32
	index map[uint64]int32 // by from and to
	from  [][]int32        // a host's links to its peers
	to    [][]int32        // the links that lead to a host
	since []int64          // what a host's live flows changed since the reports, over all its links
}

func newLinks(hosts int) *links {
	return &links{index: make(map[uint64]int32), from: make([][]int32, hosts), to: make([][]int32, hosts),
		since: make([]int64, hosts)}
}

func linkKey(from, to int) uint64 { return uint64(from)<<32 | uint64(to) }

// change counts a flow that began (by 1) or ended (by -1).
func (l *links) change(from, to int, by int32) {
	key := linkKey(from, to)
	i, ok := l.index[key]
	if !ok {
		i = l.add(from, to)
		l.index[key] = i
	}
	l.slot[i].live += by
	l.since[from] += int64(by)
	if now := l.slot[i]; now.live == 0 && now.reported == 0 {
		l.remove(i)
	}
}

func (l *links) add(from, to int) int32 {
	if len(l.free) == 0 {
		l.slot = append(l.slot, link{})
		l.free = append(l.free, int32(len(l.slot)-1))
	}
	i := l.free[len(l.free)-1]
	l.free = l.free[:len(l.free)-1]
	l.slot[i] = link{from: int32(from), to: int32(to), fromPos: int32(len(l.from[from])), toPos: int32(len(l.to[to]))}
	l.from[from] = append(l.from[from], i)
	l.to[to] = append(l.to[to], i)
	return i
}

func (l *links) remove(i int32) {
	x := l.slot[i]
	delete(l.index, linkKey(int(x.from), int(x.to)))
	list := l.from[x.from]
	last := list[len(list)-1]
	list[x.fromPos], l.slot[last].fromPos = last, x.fromPos
	l.from[x.from] = list[:len(list)-1]
	list = l.to[x.to]
	last = list[len(list)-1]
	list[x.toPos], l.slot[last].toPos = last, x.toPos
	l.to[x.to] = list[:len(list)-1]
	l.free = append(l.free, i)
}

// heard notes that all have heard a report of the host.
func (l *links) heard(host int) {
	list := l.to[host]
	for k := len(list) - 1; k >= 0; k-- {
		i := list[k]
		x := l.slot[i]
		l.since[x.from] -= int64(x.live - x.reported)
		if l.slot[i].live == 0 {
			l.remove(i)
		} else {
			l.slot[i].reported = l.slot[i].live
		}
	}
}
