// SPDX-License-Identifier: MIT

package moved

// The kinds of events.
const (
	copyCame   = iota // a client's segment comes to its host
	packetCame        // a packet comes to a host
	packetDone        // a processor has taken in its first packet
	holdEnded         // a host looks for segments that have waited for too long
	stepEnded         // nobody has answered the question put last
	gathered          // a message of many questions goes
)

// An event is something that happens at a time.
type event struct {
	at     float64
	order  uint64 // of events of one time
	kind   uint8
	host   int32 // or processor
	number int32 // copyCame: which copy; stepEnded: which question it was
	packet packet
}

// The kinds of packets.
const (
	segment   = iota // from a client
	forwarded        // from a client, by way of another host
	question
	claim
)

// A packet is what a host receives.
type packet struct {
	kind uint8
	conn int32
	from int32   // host that sent it
	more []int32 // of a question: about these connections, not conn
}

// An agenda is a heap of events, the first one on top.
type agenda struct {
	heap []event
	n    uint64
}

func (a *agenda) before(i, j int) bool {
	x, y := &a.heap[i], &a.heap[j]
	return x.at < y.at || x.at == y.at && x.order < y.order
}

func (a *agenda) add(e event) {
	a.n++
	e.order = a.n
	a.heap = append(a.heap, e)
	for i := len(a.heap) - 1; i > 0; {
		parent := (i - 1) / 4
		if !a.before(i, parent) {
			return
		}
		a.heap[i], a.heap[parent] = a.heap[parent], a.heap[i]
		i = parent
	}
}

// next takes the first event out; ok is false if there is none.
func (a *agenda) next() (e event, ok bool) {
	last := len(a.heap) - 1
	if last < 0 {
		return e, false
	}
	e = a.heap[0]
	a.heap[0] = a.heap[last]
	a.heap[last] = event{} // so that its packet can be freed
	a.heap = a.heap[:last]
	for i := 0; ; {
		least := i
		for child := 4*i + 1; child < min(4*i+5, last); child++ {
			if a.before(child, least) {
				least = child
			}
		}
		if least == i {
			return e, true
		}
		a.heap[i], a.heap[least] = a.heap[least], a.heap[i]
		i = least
	}
}
