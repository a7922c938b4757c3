/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The routing table: redirected connections, by their 4-tuple.
 *
 * Lookup is under RCU. There is no timer per flow: an expired flow is removed
 * when a packet finds it or a clean-up step comes by. A flow is removed once, by
 * whoever moves its state to DPR_FLOW_GONE.
 *
 * This host sees one half of a connection, and anybody can forge that half. So
 * no packet from a client ends a flow or shortens its life: a FIN, a RST, or a
 * handshake without data only makes clean-up ask the peer sooner whether it still
 * has the socket (liveness.h).
 */
#ifndef _DPR_FLOW_H
#define _DPR_FLOW_H

#include <linux/tcp.h>
#include "config.h"
#include "core/parse.h"
#include "dpr.h"
#include "netns.h"
#include "peer.h"

#define DPR_FLOW_GONE	0xff	/* removed; on its way to be freed */
#define DPR_FLOW_RETURNED 0xff	/* of offer: the peer refused it; it is placed anew */
#define DPR_FLOW_OFFER	0x80	/* of offer: the peer may refuse it as too loaded */
#define DPR_FLOW_COPY	0x7c	/* of offer: which copy of the SYN was sent last */
#define DPR_FLOW_COPIES	0x78	/* of offer: the last copy that has a number */
#define DPR_FLOW_NEXT	0x04	/* of offer: from one copy to the next */
#define DPR_FLOW_ASKED	0x03	/* of offer: how many peers were asked, 3 or more */
#define DPR_FLOW_WIDE	0x80	/* of shard: it is of IPv6 */
#define DPR_FLOW_TALLIED 0x40	/* of shard: counted by its port, too (tally.h) */
#define DPR_FLOW_DIRECT	0x20	/* of shard: its packets go direct if they can (fwd_direct.h) */
#define DPR_FLOW_MARKED	0x10	/* of shard: they bear the mark then */
#define DPR_FLOW_CONFIRMED 0x80	/* of queries: the peer says that it serves it */
#define DPR_FLOW_REUSED	0x40	/* of queries: a SYN of another number has passed */
#define DPR_FLOW_QUERIES 0x3f	/* of queries: how many */

/**
 * struct dpr_flow - one redirected connection; one cache line, and half a one more if
 *	it is of IPv6
 * @node: in dpr_net.flows
 * @client: the client's address; of an IPv6 one the last four bytes
 * @address: likewise this host's address that it talks to
 * @client_port: the client's port
 * @port: the service's port
 * @isn: sequence number of its SYN
 * @peer: the host that serves it; the flow holds a reference
 * @ack: the client's latest acknowledgment
 * @asked: jiffies of the last question to the peer, at first of the SYN
 * @last: jiffies of the client's last packet
 * @state: enum dpr_flow_state or DPR_FLOW_GONE. It leaves DPR_FLOW_SYN under
 *	the lock of its list of half-open flows, once it is off that list
 * @shard: which of dpr_net.half_open it was put on; DPR_FLOW_WIDE: it has @wide;
 *	DPR_FLOW_TALLIED, DPR_FLOW_DIRECT, DPR_FLOW_MARKED
 * @offer: the number of the SYN that the peer may refuse: DPR_FLOW_ASKED,
 *	DPR_FLOW_COPY, DPR_FLOW_OFFER; or DPR_FLOW_RETURNED; 0: it must take it
 * @queries: questions put to the peer since the client's last packet, with
 *	DPR_FLOW_CONFIRMED and DPR_FLOW_REUSED; written by clean-up, by the
 *	peer's answers, by a SYN (liveness.c)
 * @half_open: on dpr_net.half_open while @state is DPR_FLOW_SYN
 * @rcu: frees it
 * @wide: what comes before @client in an IPv6 address, and before @address
 */
struct dpr_flow {
	struct rhash_head node;
	u32 client;
	u32 address;
	__be16 client_port;
	__be16 port;
	u32 isn;
	struct dpr_peer *peer;
	u32 ack;
	u32 asked;
	u32 last;
	u8 state;
	u8 shard;
	u8 offer;
	u8 queries;
	union {
		struct list_head half_open;
		struct rcu_head rcu;
	};
	__be32 wide[];
};

/*
 * How far a flow that a claim makes begins before the segment that was asked about, which may be
 * a keep-alive probe: whoever has the connection has it from before that (handover_back.c).
 */
#define DPR_FLOW_CLAIMED	2

/* More than a client sends before it hears of the server's socket: its window unscaled. */
#define DPR_FLOW_BULK	U16_MAX

/**
 * dpr_flow_bulk - is a segment bulk data, of a connection whose server must have a socket
 * @flow: the connection's flow, established
 * @seg: the segment, no SYN
 *
 * A server that answers SYNs by cookies has none before the client's first segment arrives.
 * After a SYN of another number nothing says where the connection began.
 */
static inline bool dpr_flow_bulk(const struct dpr_flow *flow,
				 const struct dpr_segment *seg)
{
	return seg->seq - flow->isn > DPR_FLOW_BULK && !seg->fin && !seg->rst &&
	       !(READ_ONCE(flow->queries) & DPR_FLOW_REUSED);
}

/**
 * dpr_flow_bulk_at - the same of a segment that is known to be neither FIN nor RST
 * @flow: the connection's flow, established
 * @seq: the segment's sequence number
 */
static inline bool dpr_flow_bulk_at(const struct dpr_flow *flow, u32 seq)
{
	return seq - flow->isn > DPR_FLOW_BULK &&
	       !(READ_ONCE(flow->queries) & DPR_FLOW_REUSED);
}

int dpr_flow_init(void);
void dpr_flow_exit(void);
int dpr_flow_setup(struct dpr_net *dn);
void dpr_flow_teardown(struct dpr_net *dn);

struct dpr_flow *dpr_flow_insert(struct dpr_net *dn,
				 const struct dpr_config *cfg,
				 const struct dpr_segment *seg,
				 struct dpr_peer *peer, u8 offer, u8 direct);
void dpr_flow_track(struct dpr_net *dn, struct dpr_flow *flow,
		    const struct dpr_segment *seg);
bool dpr_flow_kill(struct dpr_net *dn, struct dpr_flow *flow);
enum dpr_stat dpr_flow_reap(struct dpr_net *dn, struct dpr_flow *flow);
void dpr_flow_close(struct dpr_net *dn, struct dpr_flow *flow);

#define DPR_FLOW_WORDS	3	/* of an IPv6 address, without the last */

static inline struct dpr_addr dpr_flow_addr(const __be32 *words, u32 last)
{
	return (struct dpr_addr){
		.word = { words[0], words[1], words[2], (__force __be32)last },
	};
}

/**
 * dpr_flow_key - the 4-tuple of a flow
 * @flow: the flow
 */
static inline struct dpr_flow_key dpr_flow_key(const struct dpr_flow *flow)
{
	struct dpr_addr client, address;

	if (flow->shard & DPR_FLOW_WIDE) {
		client = dpr_flow_addr(flow->wide, flow->client);
		address = dpr_flow_addr(flow->wide + DPR_FLOW_WORDS,
					flow->address);
		return dpr_parse_key6(&client, flow->client_port, &address,
				      flow->port);
	}
	return dpr_parse_key4((__force __be32)flow->client, flow->client_port,
			      (__force __be32)flow->address, flow->port);
}

static inline u32 dpr_flow_hash(const void *data, u32 len, u32 seed)
{
	return dpr_parse_hash(data, seed);
}

u32 dpr_flow_hash_wide(const struct dpr_flow *flow, u32 seed);

/* The same of a flow that is there. */
static inline u32 dpr_flow_hash_again(const void *data, u32 len, u32 seed)
{
	const struct dpr_flow *flow = data;

	if (likely(!(flow->shard & DPR_FLOW_WIDE)))
		return dpr_parse_hash4((__force __be32)flow->client,
				       flow->client_port,
				       (__force __be32)flow->address,
				       flow->port, seed);
	return dpr_flow_hash_wide(flow, seed);
}

static inline int dpr_flow_compare(struct rhashtable_compare_arg *arg,
				   const void *obj)
{
	const struct dpr_flow_key *key = arg->key;
	const struct dpr_flow *flow = obj;

	if (flow->client != (__force u32)key->client.word[3] ||
	    flow->client_port != key->client_port ||
	    flow->address != (__force u32)key->address.word[3] ||
	    flow->port != key->port)
		return 1;
	if (likely(!key->wide))
		return flow->shard & DPR_FLOW_WIDE;
	return !(flow->shard & DPR_FLOW_WIDE) ||
	       memcmp(flow->wide, &key->client,
		      DPR_FLOW_WORDS * sizeof(*flow->wide)) ||
	       memcmp(flow->wide + DPR_FLOW_WORDS, &key->address,
		      DPR_FLOW_WORDS * sizeof(*flow->wide));
}

/*
 * In the header, so that the compiler inlines lookups wherever they are; __flatten has it
 * do so where every packet passes.
 */
static const struct rhashtable_params dpr_flow_params = {
	.key_len = sizeof(struct dpr_flow_key),
	.head_offset = offsetof(struct dpr_flow, node),
	.hashfn = dpr_flow_hash,
	.obj_hashfn = dpr_flow_hash_again,
	.obj_cmpfn = dpr_flow_compare,
	.automatic_shrinking = true,
};

/**
 * dpr_flow_find - a connection's flow
 * @dn: the namespace
 * @key: its 4-tuple
 *
 * Called under RCU. The flow may be expired; see dpr_flow_expired().
 *
 * Return: the flow, NULL if there is none.
 */
static inline struct dpr_flow *dpr_flow_find(struct dpr_net *dn,
					     const struct dpr_flow_key *key)
{
	return rhashtable_lookup(&dn->flows, key, dpr_flow_params);
}

/**
 * dpr_flow_find4 - likewise, of a connection of IPv4, without a key
 * @dn: the namespace
 * @iph: the IP header of a client's packet
 * @th: its TCP header
 *
 * What rhashtable_lookup() does, with what it would ask its parameters for. For where all is
 * inlined and each packet passes.
 *
 * Return: the flow, NULL if there is none.
 */
static __always_inline struct dpr_flow *
dpr_flow_find4(struct dpr_net *dn, const struct iphdr *iph,
	       const struct tcphdr *th)
{
	const __be32 client = iph->saddr, address = iph->daddr;
	const __be16 client_port = th->source, port = th->dest;
	struct rhash_lock_head __rcu *const *bucket;
	struct bucket_table *table;
	struct dpr_flow *flow;
	struct rhash_head *at;
	u32 hash;

	table = rht_dereference_rcu(dn->flows.tbl, &dn->flows);
	do {
		hash = rht_bucket_index(table,
					dpr_parse_hash4(client, client_port,
							address, port,
							table->hash_rnd));
		bucket = rht_bucket(table, hash);
		do {
			rht_for_each_rcu_from(at, rht_ptr_rcu(bucket), table,
					      hash) {
				flow = container_of(at, struct dpr_flow, node);
				if (likely(flow->client == (__force u32)client &&
					   flow->address == (__force u32)address &&
					   flow->client_port == client_port &&
					   flow->port == port &&
					   !(flow->shard & DPR_FLOW_WIDE)))
					return flow;
			}
			/* If it was moved to another chain meanwhile, anew. */
		} while (at != RHT_NULLS_MARKER(bucket));
		/* Sees a table that is new. */
		smp_rmb();
		table = rht_dereference_rcu(table->future_tbl, &dn->flows);
	} while (unlikely(table));
	return NULL;
}

/**
 * dpr_flow_idle - time since the client's last packet
 * @flow: the flow
 *
 * Return: jiffies; 0 for a packet that comes in just now.
 */
static inline u32 dpr_flow_idle(const struct dpr_flow *flow)
{
	s32 idle = (u32)jiffies - READ_ONCE(flow->last);

	return idle > 0 ? idle : 0;
}

/**
 * dpr_flow_expired - has the flow been idle for longer than it may be
 * @flow: the flow
 * @cfg: the configuration
 *
 * A FIN or RST from the client does not count here: see dpr_liveness_doubtful().
 */
static inline bool dpr_flow_expired(const struct dpr_flow *flow,
				    const struct dpr_config *cfg)
{
	u8 state = READ_ONCE(flow->state);

	return state > DPR_FLOW_MAX ||
	       dpr_flow_idle(flow) > cfg->life_jiffies[state];
}

/**
 * dpr_flow_over - is a flow of no more use
 * @flow: the flow, under RCU
 * @cfg: the configuration
 *
 * Whoever finds such a flow may remove it by dpr_flow_reap().
 *
 * Return: true if the flow is expired or its peer is dead.
 */
static inline bool dpr_flow_over(const struct dpr_flow *flow,
				 const struct dpr_config *cfg)
{
	return dpr_flow_expired(flow, cfg) || READ_ONCE(flow->peer->dead);
}

/**
 * dpr_flow_steady - is a flow established, and not over: dpr_flow_over() of such a one
 * @flow: the flow, under RCU
 * @cfg: the configuration
 * @now: jiffies
 */
static __always_inline bool dpr_flow_steady(const struct dpr_flow *flow,
					    const struct dpr_config *cfg,
					    u32 now)
{
	const s32 idle = now - READ_ONCE(flow->last);

	return likely(READ_ONCE(flow->state) == DPR_FLOW_ESTABLISHED) &&
	       likely(idle <= 0 ||
		      (u32)idle <= cfg->life_jiffies[DPR_FLOW_ESTABLISHED]) &&
	       likely(!READ_ONCE(flow->peer->dead));
}

/**
 * dpr_flow_note - note a segment with neither SYN, FIN nor RST
 * @flow: its flow, steady
 * @th: its TCP header
 * @now: jiffies
 *
 * All that dpr_flow_track() does with such a segment: it changes no state of an established
 * flow. If another CPU has changed that meanwhile, this segment came before that. Called
 * under RCU in softirq.
 */
static __always_inline void dpr_flow_note(struct dpr_flow *flow,
					  const struct tcphdr *th, u32 now)
{
	if (READ_ONCE(flow->last) != now)
		WRITE_ONCE(flow->last, now);
	if (likely(th->ack))
		WRITE_ONCE(flow->ack, ntohl(th->ack_seq));
}

/**
 * dpr_flow_withdraw - let the peer no longer refuse the connection
 * @flow: the flow
 *
 * Does nothing if the peer has refused it already.
 */
static inline void dpr_flow_withdraw(struct dpr_flow *flow)
{
	u8 offer = READ_ONCE(flow->offer);

	if (offer && offer != DPR_FLOW_RETURNED)
		cmpxchg(&flow->offer, offer, 0);
}

/**
 * dpr_flow_repeat - give a further copy of the SYN a number of its own
 * @flow: the flow
 *
 * From now on the peer can refuse this copy alone, and not as too loaded: what it
 * says of an earlier one comes too late. Does nothing if the peer has refused the
 * connection already, or must take it.
 */
static inline void dpr_flow_repeat(struct dpr_flow *flow)
{
	u8 offer = READ_ONCE(flow->offer), next;

	if (!offer || offer == DPR_FLOW_RETURNED)
		return;
	next = (offer & DPR_FLOW_COPY) < DPR_FLOW_COPIES ?
	       (offer & ~DPR_FLOW_OFFER) + DPR_FLOW_NEXT : 0;
	cmpxchg(&flow->offer, offer, next);
}

#endif /* _DPR_FLOW_H */
