// SPDX-License-Identifier: GPL-2.0
#include <linux/netfilter.h>
#include <net/ip.h>
#include "compat.h"
#include "config.h"
#include "core/parse.h"
#include "dpr.h"
#include "flow.h"
#include "fwd.h"
#include "local.h"
#include "members.h"
#include "netns.h"
#include "owner.h"
#include "peer.h"
#include "socket.h"
#include "steer.h"
#include "syn.h"

/*
 * The peer that serves a connection without a flow, by the stateless policy;
 * NULL if this host does. A connection with a socket here stays here, whatever
 * the hash says: it began under another policy or while that peer was silent.
 */
static struct dpr_peer *dpr_steer_stateless(struct dpr_net *dn,
					    struct sk_buff *skb,
					    const struct dpr_flow_key *key)
{
	const struct dpr_members *base = rcu_dereference(dn->base);
	struct dpr_peer *peer;

	if (likely(!base))
		return NULL;
	peer = dpr_members_pick(base, key);
	if (!peer || READ_ONCE(peer->dead) ||
	    dpr_addr_equal(&peer->address, &key->client))
		return NULL;
	if (!dpr_local_has(dn->net, skb->dev, &key->address))
		return NULL;
	return dpr_socket_exists(dn, key, dpr_compat_dif(skb)) ? NULL : peer;
}

/**
 * dpr_steer_peer - find the peer that serves a connection
 * @dn: the namespace
 * @cfg: the configuration
 * @skb: a packet about it
 * @key: the connection
 *
 * Called under RCU in softirq.
 *
 * Return: the peer, NULL if no peer does.
 */
struct dpr_peer *dpr_steer_peer(struct dpr_net *dn,
				const struct dpr_config *cfg,
				struct sk_buff *skb,
				const struct dpr_flow_key *key)
{
	struct dpr_flow *flow = dpr_flow_find(dn, key);

	if (!flow)
		return dpr_steer_stateless(dn, skb, key);
	return dpr_flow_over(flow, cfg) ? NULL : flow->peer;
}

/*
 * Steers a segment without a flow that is no SYN: of a connection that this host
 * serves, one that follows the hash, or an orphan. While the sets of hosts differ
 * the hash may not hold for this connection: asks who has it, first the host that
 * the hash names. If too many questions are open it follows the hash, which is
 * mostly right.
 *
 * The base set is dropped once the connections that follow it are idle
 * (members.h), so a connection that is not idle needs a flow. It gets one when its
 * host says that it has the socket, since anybody can make up segments.
 */
static noinline unsigned int
dpr_steer_flowless(struct dpr_net *dn, const struct dpr_config *cfg,
		   struct sk_buff *skb, const struct dpr_segment *seg)
{
	const bool changing = rcu_access_pointer(dn->members) !=
			      rcu_access_pointer(dn->base);
	struct dpr_peer *peer = dpr_steer_stateless(dn, skb, &seg->key);

	if ((!peer || changing) && cfg->orphans == DPR_ORPHANS_ASK) {
		if (dpr_owner_seek(dn, cfg, skb, seg, peer) == NF_DROP)
			return NF_DROP;
	} else if (peer && changing) {
		dpr_owner_adopt(dn, cfg, skb->dev, seg, peer);
	}
	if (!peer)
		return NF_ACCEPT;
	dpr_fwd_send(dn, cfg, skb, peer);
	return NF_STOLEN;
}

/* Decides who gets a segment that has been read. */
static __always_inline unsigned int
dpr_steer_segment(struct dpr_net *dn, struct sk_buff *skb,
		  const struct dpr_segment *seg)
{
	const struct dpr_config *cfg = rcu_dereference(dn->config);
	struct dpr_flow *flow = dpr_flow_find(dn, &seg->key);

	if (seg->syn)
		return dpr_syn(dn, cfg, skb, seg, flow);
	if (!flow)
		return dpr_steer_flowless(dn, cfg, skb, seg);
	if (unlikely(dpr_flow_over(flow, cfg))) {
		/* Without a flow the stack answers with a RST. */
		dpr_flow_reap(dn, flow);
		return NF_ACCEPT;
	}
	dpr_flow_track(dn, flow, seg);
	dpr_fwd_send(dn, cfg, skb, flow->peer);
	return NF_STOLEN;
}

/**
 * dpr_steer_tcp - decide who gets a client's segment
 * @dn: the namespace
 * @skb: a whole segment to a port of ours, its headers in the linear part
 *
 * Called under RCU in softirq.
 *
 * Return: the netfilter verdict.
 */
__flatten unsigned int dpr_steer_tcp(struct dpr_net *dn, struct sk_buff *skb)
{
	struct dpr_segment seg __uninitialized; /* all of it is set */

	if (unlikely(skb->dev->flags & IFF_LOOPBACK))
		return NF_ACCEPT;
	dpr_parse_segment(ip_hdr(skb), skb->len, 0, &seg);
	return dpr_steer_segment(dn, skb, &seg);
}

/**
 * dpr_steer_tcp6 - likewise, for a segment of IPv6
 * @dn: the namespace
 * @skb: a whole segment to a port of ours, its headers in the linear part
 * @offset: of its TCP header from skb->data
 *
 * Called under RCU in softirq.
 *
 * Return: the netfilter verdict.
 */
__flatten unsigned int dpr_steer_tcp6(struct dpr_net *dn, struct sk_buff *skb,
				      unsigned int offset)
{
	struct dpr_segment seg __uninitialized; /* all of it is set */

	if (unlikely(skb->dev->flags & IFF_LOOPBACK))
		return NF_ACCEPT;
	dpr_parse_segment6(ipv6_hdr(skb), (void *)skb->data + offset,
			   skb->len - offset, offset, &seg);
	return dpr_steer_segment(dn, skb, &seg);
}
