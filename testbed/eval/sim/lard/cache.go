// SPDX-License-Identifier: MIT

package lard

import "container/list"

// A cache holds documents of some bytes together, those that were asked for last.
type cache struct {
	room  int64 // left
	all   int64
	order *list.List // of documents; the last one asked for is in front
	at    map[int]*list.Element
	size  []int64 // of all documents
}

func newCache(bytes int64, size []int64) *cache {
	return &cache{room: bytes, all: bytes, order: list.New(), at: make(map[int]*list.Element), size: size}
}

// has says whether a document is there; it is then the last one asked for.
func (c *cache) has(document int) bool {
	e, ok := c.at[document]
	if ok {
		c.order.MoveToFront(e)
	}
	return ok
}

// add puts a document in that is not there, and discards what it has no room
// for. One that is larger than the cache does not get in.
func (c *cache) add(document int) {
	size := c.size[document]
	if size > c.all {
		return
	}
	for c.room < size {
		e := c.order.Back()
		old := c.order.Remove(e).(int)
		delete(c.at, old)
		c.room += c.size[old]
	}
	c.at[document] = c.order.PushFront(document)
	c.room -= size
}
