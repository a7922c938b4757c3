// SPDX-License-Identifier: GPL-2.0
/* The family's PEER_GET: one peer, or all. */
#include <linux/mm.h>
#include <linux/sort.h>
#include <net/genetlink.h>
#include "compat.h"
#include "config.h"
#include "core/policy.h"
#include "dpr.h"
#include "genl.h"
#include "genl_msg.h"
#include "load_table.h"
#include "netns.h"
#include "peer.h"
#include "route.h"
#include "service.h"
#include "tally.h"

/**
 * struct dpr_genl_peer_load - as in DPR_PEER_A_SERVICE_LOADS
 * @port: the port
 * @estimate: connections that a policy would take the peer to have, U32_MAX: unknown
 * @live: counted flows to it in state SYN or established
 */
struct dpr_genl_peer_load {
	u32 port;
	u32 estimate;
	u32 live;
};

/**
 * struct dpr_genl_peer - a peer, as user space sees it
 * @address: its address
 * @metric: the last report's metrics
 * @state: enum dpr_state
 * @weight: relative capacity
 * @flows: flows to it
 * @live: of these, in state SYN or established
 * @redirects: connections redirected to it
 * @load: reported load
 * @estimate: load a policy would take now
 * @age: ms since the last report
 * @barred: enum dpr_barred
 * @down: bits of the services that it cannot serve now
 * @listed: in the load table
 * @reported: a report came
 * @usable: can be chosen now
 * @forwarding: DPR_FORWARDING_IPIP or DPR_FORWARDING_DIRECT
 * @asked: it was asked for answers
 * @answers: which came: bits of DPR_ANSWER_*
 * @loads: how many of @load_of there are
 * @load_of: loads of services
 */
struct dpr_genl_peer {
	struct dpr_addr address;
	u32 metric[DPR_METRICS];
	u32 state;
	u32 weight;
	u32 flows;
	u32 live;
	u64 redirects;
	u64 load;
	u64 estimate;
	u32 age;
	u32 barred;
	u64 down;
	bool listed;
	bool reported;
	bool usable;
	u32 forwarding;
	bool asked;
	u32 answers;
	u32 loads;
	struct dpr_genl_peer_load load_of[DPR_MAX_SERVICE_LOADS];
};

/*
 * The peers of a dump, as they were when it began; or an error, which the first
 * message reports: before 6.7 the start of a dump cannot set an extended ack.
 */
struct dpr_genl_peers {
	u32 n;
	u32 next;
	int refused;
	struct dpr_genl_peer peer[] __counted_by(n);
};

/* What it cannot serve to clients of any family that it knows. */
static u64 dpr_genl_peer_get_down(const struct dpr_peer *peer)
{
	u64 down = 0;
	int wide;

	for (wide = 0; wide < 2; wide++)
		if (READ_ONCE(peer->down[wide]) != DPR_SERVICE_ALL)
			down |= READ_ONCE(peer->down[wide]);
	return down;
}

static u32 dpr_genl_peer_barred(const struct dpr_peer *peer,
				const struct dpr_config *cfg)
{
	if (READ_ONCE(peer->lost))
		return DPR_BARRED_LOST;
	return !peer->barred && dpr_peer_foreign(peer, cfg) ?
	       DPR_BARRED_FAMILY : peer->barred;
}

/* Of services that have one now. Under dpr_net.lock. */
static void dpr_genl_peer_read_loads(struct dpr_net *dn,
				     const struct dpr_peer *peer,
				     const struct dpr_table *table,
				     struct dpr_genl_peer *row)
{
	const struct dpr_view *view;
	u32 i;

	for (i = 0; i < table->tallies; i++) {
		view = &table->tally[i].view[peer->slot];
		if (!peer->tally || !dn->tallies->tally[i].on)
			continue;
		row->load_of[row->loads++] = (struct dpr_genl_peer_load){
			.port = dn->tallies->tally[i].port,
			.estimate = READ_ONCE(view->cold) == DPR_POLICY_UNKNOWN ?
				    U32_MAX :
				    min_t(u64, READ_ONCE(view->estimate),
					  U32_MAX - 1),
			.live = max(atomic_read(&peer->tally->live[i]), 0),
		};
	}
}

/* How packets go to it where forwarding is left to the link. */
static u32 dpr_genl_peer_forwarding(struct dpr_net *dn,
				    const struct dpr_config *cfg,
				    const struct dpr_peer *peer)
{
	struct dst_entry *dst;
	bool direct;

	/* Where nothing goes direct no route is looked up for each peer. */
	if (!READ_ONCE(dn->direct) ||
	    READ_ONCE(peer->protocol) < DPR_PEER_PROTOCOL6)
		return DPR_FORWARDING_IPIP;
	local_bh_disable();
	rcu_read_lock();
	dst = dpr_route_lookup(dn, cfg, &peer->address, IPPROTO_IPIP);
	direct = dst && dpr_route_on_link(dst, &peer->address);
	dst_release(dst);
	rcu_read_unlock();
	local_bh_enable();
	return direct ? DPR_FORWARDING_DIRECT : DPR_FORWARDING_IPIP;
}

/* Under dpr_net.lock. */
static void dpr_genl_peer_read(struct dpr_net *dn, const struct dpr_peer *peer,
			       struct dpr_genl_peer *row)
{
	const struct dpr_config *cfg =
		rcu_dereference_protected(dn->config,
					  lockdep_is_held(&dn->lock));
	const struct dpr_table *table =
		rcu_dereference_protected(dn->table,
					  lockdep_is_held(&dn->lock));
	const struct dpr_view *view;

	*row = (struct dpr_genl_peer){
		.address = peer->address,
		.state = peer->state,
		.weight = peer->weight,
		.flows = max(atomic_read(&peer->flows), 0),
		.live = max(atomic_read(&peer->live), 0),
		.redirects = atomic64_read(&peer->redirects),
		.listed = peer->listed,
		.reported = peer->reported,
		.age = min_t(unsigned long, U32_MAX,
			     jiffies_delta_to_msecs(jiffies -
						    peer->reported_at)),
		.load = dpr_policy_load(peer->metric, cfg->metric_weight),
		.asked = READ_ONCE(peer->source.asked),
		.answers = READ_ONCE(peer->source.came),
	};
	memcpy(row->metric, peer->metric, sizeof(row->metric));
	row->down = dpr_genl_peer_get_down(peer);
	row->barred = dpr_genl_peer_barred(peer, cfg);
	if (!peer->listed)
		return;
	view = &table->order.view[peer->slot];
	row->estimate = READ_ONCE(view->estimate);
	row->usable = dpr_policy_usable(view, jiffies,
					cfg->report_max_age_jiffies);
	row->forwarding = dpr_genl_peer_forwarding(dn, cfg, peer);
	dpr_genl_peer_read_loads(dn, peer, table, row);
}

static int dpr_genl_peer_put_down(struct dpr_net *dn, struct sk_buff *msg,
				  u64 down)
{
	const struct dpr_services *services = rcu_dereference(dn->services);
	u16 ports[DPR_SERVICE_BITS], n = 0;
	u32 i;

	for (i = 0; services && i < services->n; i++) {
		if (!(services->service[i].bit & down))
			continue;
		down &= ~services->service[i].bit;
		ports[n++] = services->service[i].port;
	}
	return n ? nla_put(msg, DPR_PEER_A_DOWN, n * sizeof(*ports), ports) : 0;
}

static int dpr_genl_peer_put(struct dpr_net *dn, struct sk_buff *msg,
			     const struct dpr_genl_peer *row)
{
	int i, err;

	if (dpr_genl_msg_put_addr(msg, DPR_PEER_A_ADDRESS, &row->address) ||
	    nla_put_u32(msg, DPR_PEER_A_STATE, row->state) ||
	    nla_put_u32(msg, DPR_PEER_A_WEIGHT, row->weight) ||
	    nla_put_u32(msg, DPR_PEER_A_FLOWS, row->flows) ||
	    nla_put_u32(msg, DPR_PEER_A_LIVE, row->live) ||
	    nla_put_u64_64bit(msg, DPR_PEER_A_REDIRECTS, row->redirects,
			      DPR_PEER_A_PAD) ||
	    (row->listed && nla_put_flag(msg, DPR_PEER_A_LISTED)) ||
	    (row->usable && nla_put_flag(msg, DPR_PEER_A_USABLE)) ||
	    (row->listed && nla_put_u32(msg, DPR_PEER_A_FORWARDING,
					row->forwarding)) ||
	    (row->asked && nla_put_u32(msg, DPR_PEER_A_ANSWERS,
				       row->answers)) ||
	    (row->loads && nla_put(msg, DPR_PEER_A_SERVICE_LOADS,
				   row->loads * sizeof(*row->load_of),
				   row->load_of)))
		return -EMSGSIZE;
	if (!row->reported)
		return 0;
	for (i = 0; i < DPR_METRICS; i++)
		if (nla_put_u32(msg, dpr_genl_peer_metric[i], row->metric[i]))
			return -EMSGSIZE;
	if (nla_put_u64_64bit(msg, DPR_PEER_A_LOAD, row->load,
			      DPR_PEER_A_PAD) ||
	    nla_put_u64_64bit(msg, DPR_PEER_A_ESTIMATE, row->estimate,
			      DPR_PEER_A_PAD) ||
	    nla_put_u32(msg, DPR_PEER_A_AGE, row->age) ||
	    nla_put_u32(msg, DPR_PEER_A_BARRED, row->barred))
		return -EMSGSIZE;
	rcu_read_lock();
	err = dpr_genl_peer_put_down(dn, msg, row->down);
	rcu_read_unlock();
	return err;
}

/**
 * dpr_genl_peer_get - DPR_CMD_PEER_GET of one peer
 * @skb: the request
 * @info: the request, parsed
 */
int dpr_genl_peer_get(struct sk_buff *skb, struct genl_info *info)
{
	struct dpr_net *dn = dpr_netns(genl_info_net(info));
	struct dpr_genl_peer row;
	struct dpr_peer *peer;
	struct sk_buff *msg;
	struct dpr_addr address;
	void *header;
	int err;

	err = dpr_genl_peer_only(info, BIT(DPR_PEER_A_ADDRESS));
	if (!err)
		err = dpr_genl_peer_address(info, &address);
	if (err)
		return err;
	mutex_lock(&dn->lock);
	peer = dpr_peer_find(dn, &address);
	if (peer)
		dpr_genl_peer_read(dn, peer, &row);
	mutex_unlock(&dn->lock);
	if (!peer)
		return dpr_genl_peer_unknown(info);
	msg = dpr_genl_msg_reply(info, &header);
	if (!msg)
		return -ENOMEM;
	err = dpr_genl_peer_put(dn, msg, &row);
	if (err) {
		nlmsg_free(msg);
		return err;
	}
	genlmsg_end(msg, header);
	return genlmsg_reply(msg, info);
}

/* Usable peers first, by estimated load; then by address. */
static int dpr_genl_peer_compare(const void *pa, const void *pb)
{
	const struct dpr_genl_peer *a = pa, *b = pb;

	if (a->usable != b->usable)
		return a->usable ? -1 : 1;
	if (a->usable && a->estimate != b->estimate)
		return a->estimate < b->estimate ? -1 : 1;
	return dpr_addr_compare(&a->address, &b->address);
}

/**
 * dpr_genl_peer_start - DPR_CMD_PEER_GET of all: begin
 * @cb: the dump
 *
 * Return: 0 or -ENOMEM.
 */
int dpr_genl_peer_start(struct netlink_callback *cb)
{
	struct dpr_net *dn = dpr_netns(sock_net(cb->skb->sk));
	struct nlattr **attrs = dpr_compat_dump_attrs(cb);
	struct dpr_genl_peers *peers;
	struct dpr_peer *peer;
	u32 i;

	mutex_lock(&dn->lock);
	peers = kvzalloc(struct_size(peers, peer, dn->peer_count), GFP_KERNEL);
	if (!peers) {
		mutex_unlock(&dn->lock);
		return -ENOMEM;
	}
	peers->n = dn->peer_count;
	for (i = 0; i < DPR_PEER_BUCKETS; i++)
		hlist_for_each_entry(peer, &dn->peers[i], node)
			dpr_genl_peer_read(dn, peer,
					   &peers->peer[peers->next++]);
	mutex_unlock(&dn->lock);
	peers->next = 0;
	for (i = 1; i <= DPR_PEER_A_MAX; i++)
		if (attrs[i])
			peers->refused = -EINVAL;
	sort(peers->peer, peers->n, sizeof(peers->peer[0]),
	     dpr_genl_peer_compare, NULL);
	cb->args[0] = (long)peers;
	return 0;
}

/**
 * dpr_genl_peer_dump - DPR_CMD_PEER_GET of all: fill a message
 * @skb: the message
 * @cb: the dump
 *
 * Return: bytes filled, 0 at the end, -EINVAL if attributes were given.
 */
int dpr_genl_peer_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct dpr_net *dn = dpr_netns(sock_net(skb->sk));
	struct dpr_genl_peers *peers = (void *)cb->args[0];
	void *header;

	if (peers->refused) {
		NL_SET_ERR_MSG(cb->extack, "a dump of peers has no filter");
		return peers->refused;
	}
	for (; peers->next < peers->n; peers->next++) {
		header = genlmsg_put(skb, NETLINK_CB(cb->skb).portid,
				     cb->nlh->nlmsg_seq, &dpr_genl_family,
				     NLM_F_MULTI, DPR_CMD_PEER_GET);
		if (!header)
			break;
		if (dpr_genl_peer_put(dn, skb, &peers->peer[peers->next])) {
			genlmsg_cancel(skb, header);
			break;
		}
		genlmsg_end(skb, header);
	}
	return skb->len;
}

/**
 * dpr_genl_peer_done - DPR_CMD_PEER_GET of all: end
 * @cb: the dump
 *
 * Return: 0.
 */
int dpr_genl_peer_done(struct netlink_callback *cb)
{
	kvfree((void *)cb->args[0]);
	return 0;
}
