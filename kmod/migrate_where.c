// SPDX-License-Identifier: GPL-2.0
#include <linux/slab.h>
#include <linux/tcp.h>
#include "config.h"
#include "core/parse.h"
#include "core/policy.h"
#include "core/rule.h"
#include "decide.h"
#include "dpr.h"
#include "fwd.h"
#include "handover_msg.h"
#include "load_table.h"
#include "migrate_socket.h"
#include "migrate_watch.h"
#include "migrate_where.h"
#include "netns.h"
#include "peer.h"
#include "rules.h"
#include "service.h"
#include "socket.h"
#include "stats.h"

/* May a peer be handed a connection? */
static bool dpr_migrate_where_takes(const struct dpr_config *cfg,
				    const struct dpr_peer *peer)
{
	return READ_ONCE(peer->protocol) >= DPR_PEER_HANDOVER &&
	       !READ_ONCE(peer->dead) && !dpr_peer_foreign(peer, cfg);
}

/* The peer that the service's policy chooses for a host that cannot serve; NULL: none. */
static struct dpr_peer *dpr_migrate_where_any(struct dpr_net *dn,
					      const struct dpr_config *cfg,
					      const struct dpr_service *service,
					      const struct dpr_flow_key *key,
					      bool able)
{
	const struct dpr_table *table = rcu_dereference(dn->table);
	const u32 policy = cfg->policy == DPR_POLICY_STATELESS ?
			   DPR_POLICY_LOWEST : cfg->policy;
	const struct dpr_order *order;
	struct dpr_policy_args args;
	struct dpr_decision decision;

	if (!table)
		return NULL;
	order = dpr_decide_args(dn, cfg, table, policy, &key->client, key, service,
				able, &args);
	decision = dpr_policy_decide(&args, order);
	return decision.outcome == DPR_STAT_REDIRECTED ?
	       table->peer[decision.peer] : NULL;
}

/*
 * The peer that should serve a request; NULL if this host may go on. It may unless it drains
 * or has no server any more, or the rules choose others.
 */
static const struct dpr_peer *
dpr_migrate_where_else(struct dpr_net *dn, const struct dpr_config *cfg,
		       const struct dpr_service *service,
		       const struct dpr_flow_key *key, const u8 *data, u32 len)
{
	const bool able = dpr_service_look(dn, service) == DPR_SERVICE_UP;
	const bool drains = cfg->state != DPR_STATE_ACTIVE || !able;
	struct dpr_rules_result result;
	struct dpr_peer *peer = NULL;

	if (dpr_rules_there(service)) {
		if (dpr_rules_decide(service, data, len, drains, &result) ==
		    DPR_RULES_MORE)
			return NULL;
		if (!drains && dpr_rules_keeps(cfg, service, &result))
			return NULL;
		if (dpr_rules_host(dn, cfg, service, key, &result, able, 0, &peer,
				   NULL))
			return peer;
	}
	return drains ? dpr_migrate_where_any(dn, cfg, service, key, able) : NULL;
}

/* Does the request fit the tunnel to the first host, or, from there, to the next one? */
static bool dpr_migrate_where_fits(struct dpr_net *dn, const struct dpr_config *cfg,
				   const struct sk_buff *skb, u32 len,
				   const struct dpr_peer *peer)
{
	const bool wide = !dpr_addr_is4(&cfg->address);
	const struct dpr_route *route = dpr_fwd_route_of(dn, cfg, peer, wide);

	return route && !skb_is_gso(skb) &&
	       len + dpr_handover_msg_overhead(wide) <= dpr_fwd_mtu(route);
}

/* Why a request that another host should serve stays here; DPR_STAT_UNSPEC: nothing. */
static enum dpr_stat dpr_migrate_where_stays(struct dpr_net *dn,
					     const struct dpr_config *cfg,
					     const struct sk_buff *skb, u32 len,
					     const struct dpr_migrate_request *what,
					     const struct dpr_peer *first,
					     const struct dpr_peer *peer)
{
	const u8 wants = DPR_HTTP_FRAME_SAFE | DPR_HTTP_FRAME_NEWEST;
	const u8 not = DPR_HTTP_FRAME_LENGTH | DPR_HTTP_FRAME_CHUNKED |
		       DPR_HTTP_FRAME_OTHER;

	if ((what->flags & wants) != wants || what->flags & not)
		return DPR_STAT_MIGRATE_STAYED_BODY;
	if (first && READ_ONCE(first->protocol) < DPR_PEER_MIGRATE)
		return DPR_STAT_MIGRATE_STAYED_FIRST;
	if (!dpr_migrate_where_fits(dn, cfg, skb, len, first ?: peer))
		return DPR_STAT_MIGRATE_STAYED_LARGE;
	return DPR_STAT_UNSPEC;
}

/* A packet's bytes in one piece; @copy is to be freed. NULL: no memory. */
static const u8 *dpr_migrate_where_bytes(const struct sk_buff *skb, u32 at, u32 *len,
					 u8 **copy)
{
	*copy = NULL;
	*len = min_t(u32, *len, DPR_REQUEST_MAX);
	if (skb_headlen(skb) >= at + *len)
		return skb->data + at;
	*copy = kmalloc(*len, GFP_ATOMIC | __GFP_NOWARN);
	if (*copy && skb_copy_bits(skb, at, *copy, *len)) {
		kfree(*copy);
		*copy = NULL;
	}
	return *copy;
}

/*
 * What a segment is, @len bytes from @at on. If something in front of it is missing, that depends
 * on its socket.
 */
static struct dpr_migrate_request
dpr_migrate_where_request(struct dpr_net *dn, const struct sk_buff *skb,
			  const struct dpr_segment *seg, u32 at, u32 len,
			  const struct sock *sk)
{
	struct dpr_migrate_request what;
	struct sock *own = NULL;

	what = dpr_migrate_watch_request(dn, &seg->key, skb, at, len, seg->seq,
					 NULL);
	if (likely(!what.early))
		return what;
	if (!sk) {
		own = dpr_socket_find(dn, &seg->key, dpr_compat_dif(skb),
				      dpr_compat_sdif(skb));
		sk = own;
	}
	if (sk && sk_fullsock(sk) && dpr_migrate_socket_takes(sk, seg))
		what = dpr_migrate_watch_request(dn, &seg->key, skb, at, len,
						 seg->seq, tcp_sk(sk));
	if (own)
		sock_gen_put(own);
	return what;
}

/**
 * dpr_migrate_where - is another host to serve a connection from a segment on
 * @dn: the namespace
 * @skb: the packet of the segment, its TCP header linear
 * @seg: the segment, of a connection that this host serves; its offset is from skb->data
 * @end: where the client's packet ends, from skb->data
 * @first: the first host; NULL if that is this one
 * @sk: the connection's socket, no request; NULL: it was not looked for
 *
 * Sees all of the client's segments, and counts what stays although it should not.
 * Called under RCU with bottom halves off.
 */
bool dpr_migrate_where(struct dpr_net *dn, const struct sk_buff *skb,
		       const struct dpr_segment *seg, u32 end,
		       const struct dpr_peer *first, const struct sock *sk)
{
	const struct tcphdr *th = (void *)skb->data + seg->offset;
	const struct dpr_config *cfg = rcu_dereference(dn->config);
	const u32 at = seg->offset + th->doff * 4;
	const struct dpr_service *service;
	struct dpr_migrate_request what;
	const struct dpr_peer *peer;
	enum dpr_stat why;
	const u8 *data;
	u8 *copy;
	u32 len;

	if (seg->rst || end <= at || th->doff * 4 < sizeof(*th))
		return false;
	what = dpr_migrate_where_request(dn, skb, seg, at, end - at, sk);
	if (what.stays)
		dpr_stats_inc(dn, what.stays);
	if (!what.begins || what.stays)
		return false;
	service = dpr_service_served(dn, &seg->key);
	if (!service)
		return false;
	cfg = dpr_service_config(service, cfg);
	if (cfg->dispatch != DPR_DISPATCH_REQUEST || !cfg->keys ||
	    cfg->policy == DPR_POLICY_OFF)
		return false;
	len = end - at;
	data = dpr_migrate_where_bytes(skb, at, &len, &copy);
	if (!data)
		return false;
	peer = dpr_migrate_where_else(dn, cfg, service, &seg->key, data, len);
	kfree(copy);
	if (!peer || !dpr_migrate_where_takes(cfg, peer))
		return false;
	why = dpr_migrate_where_stays(dn, cfg, skb, end, &what, first, peer);
	if (why)
		dpr_stats_inc(dn, why);
	return !why;
}
