// SPDX-License-Identifier: GPL-2.0
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <net/route.h>
#include "dpr.h"
#include "fwd.h"
#include "fwd_ipip.h"
#include "group.h"
#include "netns.h"
#include "owner_msg.h"
#include "peer.h"
#include "route.h"
#include "stats.h"

/**
 * dpr_group_link - the link that a peer shares with this host
 * @dn: the namespace
 * @cfg: the configuration
 * @peer: the peer
 *
 * Called under RCU in softirq.
 *
 * Return: the link; NULL if there is none, tunnels are of IPv6, or IPsec protects what goes
 * to the peer: a question to all would go without.
 */
const struct net_device *dpr_group_link(struct dpr_net *dn,
					const struct dpr_config *cfg,
					const struct dpr_peer *peer)
{
	const struct dpr_route *route;

	if (dpr_peer_foreign(peer, cfg))
		return NULL;
	route = dpr_fwd_route_of(dn, cfg, peer, false);
	return route && !route->wide && route->on_link ? route->dst->dev : NULL;
}

/*
 * The way to the group on a link, a reference taken; NULL if there is none, or this host has
 * not joined the group there: reports may take another link than redirected packets.
 */
static struct rtable *dpr_group_route(struct dpr_net *dn,
				      const struct dpr_config *cfg,
				      const struct net_device *link)
{
	struct flowi4 fl4 = {
		.daddr = cfg->group,
		.saddr = cfg->address.word[3],
		.flowi4_proto = IPPROTO_IPIP,
		.flowi4_oif = link->ifindex,
	};
	struct rtable *rt = ip_route_output_key(dn->net, &fl4);

	if (IS_ERR(rt))
		return NULL;
	if (rt->rt_type == RTN_MULTICAST && rt->rt_flags & RTCF_LOCAL)
		return rt;
	ip_rt_put(rt);
	return NULL;
}

/**
 * dpr_group_reaches - does a question to the group reach a peer
 * @dn: the namespace
 * @cfg: the configuration
 * @peer: the peer
 * @way: the way of the question; found if there is none yet
 *
 * It does if the peer is on that link, and takes such questions; whether it has joined the
 * group is not known. Called under RCU in softirq.
 */
bool dpr_group_reaches(struct dpr_net *dn, const struct dpr_config *cfg,
		       const struct dpr_peer *peer, struct dpr_group_way *way)
{
	const struct net_device *link;

	if (!cfg->group || READ_ONCE(peer->protocol) < DPR_PEER_PROTOCOL_GROUP)
		return false;
	link = dpr_group_link(dn, cfg, peer);
	if (!link || link == way->other)
		return false;
	if (!way->rt) {
		way->rt = dpr_group_route(dn, cfg, link);
		if (way->rt)
			way->link = link;
		else
			way->other = link;
	}
	return link == way->link;
}

/**
 * dpr_group_send - send a message to all hosts of a link
 * @dn: the namespace
 * @cfg: the configuration
 * @dev: a device of the namespace; the packet's until it is routed
 * @way: the way, by dpr_group_reaches(); consumed
 * @skb: the message, to the group; consumed. NULL if there is none
 *
 * Called under RCU in softirq.
 */
void dpr_group_send(struct dpr_net *dn, const struct dpr_config *cfg,
		    struct net_device *dev, struct dpr_group_way *way,
		    struct sk_buff *skb)
{
	const struct dpr_addr group = dpr_addr_of4(cfg->group);
	struct dpr_route route = { .dst = &way->rt->dst };

	if (skb) {
		skb->dev = dev;
		dpr_stats_inc(dn, DPR_STAT_TX_OWNER_MESSAGES);
		dpr_fwd_ipip_prepare(&route, cfg, &group, IPPROTO_IPIP);
		dpr_fwd_send_by(dn, skb, &route, 0);
	}
	ip_rt_put(way->rt);
}

/**
 * dpr_group_ask - ask all hosts of a link who has a connection
 * @dn: the namespace
 * @cfg: the configuration
 * @dev: the device that its segment came by
 * @way: the way, by dpr_group_reaches(); consumed
 * @nonce: number of the question
 * @key: the connection
 *
 * Called under RCU in softirq.
 */
void dpr_group_ask(struct dpr_net *dn, const struct dpr_config *cfg,
		   struct net_device *dev, struct dpr_group_way *way, u32 nonce,
		   const struct dpr_flow_key *key)
{
	const struct dpr_owner_msg msg = {
		.kind = DPR_OWNER_MSG_WHO,
		.nonce = nonce,
		.key = *key,
	};
	const struct dpr_addr group = dpr_addr_of4(cfg->group);

	dpr_group_send(dn, cfg, dev, way,
		       dpr_owner_msg_encode(&msg, &cfg->address, &group));
}
