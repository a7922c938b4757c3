/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The peers.
 *
 * A peer is known, and its marked packets are accepted, from its first report
 * until it is declared dead. It is listed (in the load table, load_table.h) while its
 * reports come. After its death it exists as long as a flow refers to it.
 */
#ifndef _DPR_PEER_H
#define _DPR_PEER_H

#include "compat.h"
#include "config.h"
#include "core/addr.h"
#include "core/policy.h"
#include "service.h"

struct dpr_net;
struct dpr_route;
struct dpr_tally_count;
struct dpr_tally_peer;

#define DPR_PEER_BUCKETS	1024
#define DPR_PEER_SAMPLES	16	/* a power of two */
#define DPR_PEER_PROTOCOL6	3	/* from which on it knows connections of IPv6 */
#define DPR_PEER_PROTOCOL_GROUP	4	/* from which on it takes questions to its group */
#define DPR_PEER_PROTOCOL_MANY	4	/* from which on it takes many questions in a message */
#define DPR_PEER_THROUGH	4	/* from which on it sends answers on to clients */
#define DPR_PEER_HANDOVER	5	/* from which on it takes connections over */
#define DPR_PEER_PROTOCOL_DENIES 5	/* from which on it says that a connection is not its */
#define DPR_PEER_PROTOCOL_BULK	5	/* from which on it takes bulk data without the mark */
#define DPR_PEER_MIGRATE	6	/* from which on it takes connections back */

/**
 * struct dpr_peer_addresses - a peer's other addresses
 * @rcu: frees it
 * @n: how many
 * @address: they
 */
struct dpr_peer_addresses {
	struct rcu_head rcu;
	u32 n;
	struct dpr_addr address[] __counted_by(n);
};

/**
 * struct dpr_peer_sample - a SYN without a flow that was sent lately (probe.c)
 * @hash: of its 4-tuple and number
 * @at: jiffies
 */
struct dpr_peer_sample {
	u32 hash;
	u32 at;
};

/**
 * struct dpr_peer_source - do packets arrive that the peer sends with this host's address
 *	as source? (source.c); under dpr_net.order_lock
 * @asked: the peer was asked
 * @came: which answers came: bits of DPR_ANSWER_*
 * @nonce: what they must repeat
 * @at: jiffies of the question
 * @answered: jiffies when this host last answered such a question of the peer
 */
struct dpr_peer_source {
	bool asked;
	u8 came;
	u32 nonce;
	unsigned long at;
	unsigned long answered;
};

/**
 * struct dpr_peer - another host
 * @node: in dpr_net.peers
 * @address: its address
 * @refs: held by dpr_net.peers, by each flow to it, by member sets
 * @flows: flows to it
 * @live: of these, in state SYN or established
 * @unhashed: jiffies when this host last served a connection that the stateless policy's
 *	hash leaves to it; no lock
 * @redirects: connections redirected to it
 * @dead: declared dead: its flows end
 * @slot: where in the load table; under dpr_net.order_lock
 * @down: services that it has refused since its last report, or reported as down, for
 *	clients of IPv4 and of IPv6: bits of struct dpr_service; under
 *	dpr_net.order_lock
 * @protocol: between hosts, that it knows
 * @sends_direct: after its last SYN it sends direct
 * @knows_direct: a SYN has announced to it that this host does, since it came to the load table
 *	if it does not send direct itself
 * @open: it could get new connections when its view was last filled; under
 *	dpr_net.order_lock, as what follows
 * @cold: it gets its share step by step
 * @opened: jiffies when that began
 * @lost: packets that are redirected to it do not arrive
 * @probing: how many probes were sent since the last answer, 0 if there is none to
 *	answer; no more than it takes to see that the peer is lost
 * @probed: jiffies of the last one
 * @nonce: what the answer must repeat
 * @sample: some of the SYNs without a flow that went to it; no lock
 * @listed: in the load table; changes under dpr_net.lock, as what follows
 * @stale_seen: dpr_table_next_stale() has found that its report is too old
 * @reported: a report came
 * @reported_at: jiffies when the last one came
 * @live_reported: @live then
 * @metric: its metrics
 * @state: enum dpr_state
 * @weight: relative capacity
 * @barred: enum dpr_barred
 * @others: its other addresses, under RCU; NULL if it has none, or said nothing of them
 * @tally: its connections of services with loads of their own; NULL before the first
 *	such service. Then it stays
 * @routes: each CPU's ways to it
 * @source: do its answers to clients of this host arrive?
 * @rcu: frees it
 * @failed: connections in a row that were handed to it, and that it could not make, of clients of
 *	IPv4 and of IPv6, by the place of their service's bit; no lock
 */
struct dpr_peer {
	struct hlist_node node;
	struct dpr_addr address;
	refcount_t refs;
	atomic_t flows;
	atomic_t live;
	u32 unhashed;
	atomic64_t redirects;
	bool dead;
	u8 protocol;
	bool sends_direct;
	bool knows_direct;
	bool open;
	bool cold;
	u32 opened;
	bool lost;
	u8 probing;
	u32 probed;
	u32 nonce;
	struct dpr_peer_sample sample[DPR_PEER_SAMPLES];
	bool listed;
	bool stale_seen;
	bool reported;
	unsigned long reported_at;
	s32 live_reported;
	u32 slot;
	u64 down[2];
	u32 metric[DPR_METRICS];
	u32 state;
	u32 weight;
	u32 barred;
	struct dpr_peer_addresses __rcu *others;
	struct dpr_tally_peer *tally;
	struct dpr_routes __percpu *routes;
	struct dpr_peer_source source;
	struct rcu_head rcu;
	u8 failed[2][DPR_SERVICE_BITS];
};

/**
 * struct dpr_peer_update - a change of a peer
 * @address: which
 * @has_metric: @metric is given: a report
 * @has_state: @state is given
 * @has_weight: @weight is given
 * @metric: the four metrics
 * @state: enum dpr_state
 * @weight: relative capacity
 * @down: bits of the services that it cannot serve, if @has_metric
 * @barred: enum dpr_barred, if @has_metric
 * @protocol: that it knows, if @has_metric
 * @others: its other addresses, if @has_metric
 * @n_others: how many
 * @count: its connections of services, by port, if @has_metric
 * @n_counts: of how many ports
 */
struct dpr_peer_update {
	struct dpr_addr address;
	bool has_metric;
	bool has_state;
	bool has_weight;
	u32 metric[DPR_METRICS];
	u32 state;
	u32 weight;
	u64 down;
	u32 barred;
	u32 protocol;
	struct dpr_addr others[2 * DPR_MAX_ADDRESSES];
	u32 n_others;
	const struct dpr_tally_count *count;
	u32 n_counts;
};

/**
 * enum dpr_peer_change - what a change of a peer amounts to: bits
 * @DPR_PEER_LISTED: it became known, or came back to the load table
 * @DPR_PEER_UNLISTED: it left the load table
 * @DPR_PEER_NEW_STATE: its state is another one
 * @DPR_PEER_DEAD: it was declared dead, and is forgotten
 *
 * After the first two the sets of hosts must follow: dpr_members_update().
 */
enum dpr_peer_change {
	DPR_PEER_LISTED = BIT(0),
	DPR_PEER_UNLISTED = BIT(1),
	DPR_PEER_NEW_STATE = BIT(2),
	DPR_PEER_DEAD = BIT(3),
};

int dpr_peer_setup(struct dpr_net *dn);
void dpr_peer_teardown(struct dpr_net *dn);
struct dpr_peer *dpr_peer_find(struct dpr_net *dn,
			       const struct dpr_addr *address);
struct dpr_peer *dpr_peer_by_id6(struct dpr_net *dn, u32 id);
struct dpr_peer *dpr_peer_by_any(struct dpr_net *dn,
				 const struct dpr_addr *address);
bool dpr_peer_has(const struct dpr_peer *peer, const struct dpr_addr *address);
bool dpr_peer_may_have(const struct dpr_peer *peer,
		       const struct dpr_addr *address);
int dpr_peer_set(struct dpr_net *dn, const struct dpr_peer_update *update);
int dpr_peer_del(struct dpr_net *dn, const struct dpr_addr *address, bool dead);
void dpr_peer_services(struct dpr_net *dn, u64 bits, u64 new);
int dpr_peer_tally_port(struct dpr_net *dn, u16 port);
void dpr_peer_put(struct dpr_peer *peer);

/**
 * dpr_peer_get - take a reference
 * @peer: the peer, under RCU or with a reference held
 *
 * Return: false if it is being freed.
 */
static inline bool dpr_peer_get(struct dpr_peer *peer)
{
	return refcount_inc_not_zero(&peer->refs);
}

/**
 * dpr_peer_foreign - is there no tunnel to a peer
 * @peer: the peer
 * @cfg: the configuration
 *
 * Return: true if its address is of another family than this host's.
 */
static inline bool dpr_peer_foreign(const struct dpr_peer *peer,
				    const struct dpr_config *cfg)
{
	return dpr_addr_is4(&peer->address) != dpr_addr_is4(&cfg->address);
}

#endif /* _DPR_PEER_H */
