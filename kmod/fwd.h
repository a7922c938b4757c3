/* SPDX-License-Identifier: GPL-2.0 */
/* The way out: how a client's packet gets to the peer that serves it. */
#ifndef _DPR_FWD_H
#define _DPR_FWD_H

#include <linux/percpu.h>
#include "fwd_ip6.h"
#include "fwd_ipip.h"
#include "local.h"
#include "peer.h"
#include "route.h"

struct dpr_config;
struct dpr_net;
struct sk_buff;

struct dpr_route *dpr_fwd_find_route(struct dpr_net *dn,
				     const struct dpr_config *cfg,
				     struct dpr_route *route,
				     const struct dpr_addr *peer, u8 protocol);
void dpr_fwd_send(struct dpr_net *dn, const struct dpr_config *cfg,
		  struct sk_buff *skb, struct dpr_peer *peer);
void dpr_fwd_send_bulk(struct dpr_net *dn, const struct dpr_config *cfg,
		       struct sk_buff *skb, struct dpr_peer *peer);
void dpr_fwd_send_by(struct dpr_net *dn, struct sk_buff *skb,
		     const struct dpr_route *route, u32 number);

unsigned int dpr_fwd_mtu(const struct dpr_route *route);
unsigned int dpr_fwd_excess(const struct sk_buff *skb,
			    const struct dpr_route *route);
bool dpr_fwd_refuse_large(struct dpr_net *dn, struct sk_buff *skb,
			  unsigned int mtu);

/**
 * dpr_fwd_overhead - bytes that forwarding adds to a packet
 * @wide: the outer header is one of IPv6
 *
 * The peer's path MTU is as much smaller, and so is the MSS that this host offers for a
 * peer.
 */
static inline unsigned int dpr_fwd_overhead(bool wide)
{
	return unlikely(wide) ? DPR_FWD_IP6_OVERHEAD : DPR_FWD_IPIP_OVERHEAD;
}

/**
 * dpr_fwd_bulk - what marks bulk data on their way to a peer as such
 * @peer: the peer
 *
 * Return: DPR_FWD_BULK, 0 if the peer does not take that.
 */
static inline u32 dpr_fwd_bulk(const struct dpr_peer *peer)
{
	return READ_ONCE(peer->protocol) >= DPR_PEER_PROTOCOL_BULK ?
	       DPR_FWD_BULK : 0;
}

/**
 * dpr_fwd_route - this CPU's way to a peer
 * @dn: the namespace
 * @cfg: the configuration
 * @peer: the peer
 * @wide: packets of IPv6 are to go there
 *
 * Called in softirq; the route is good until that ends.
 *
 * Return: the way, NULL if there is none.
 */
static inline struct dpr_route *dpr_fwd_route_of(struct dpr_net *dn,
						 const struct dpr_config *cfg,
						 const struct dpr_peer *peer,
						 bool wide)
{
	struct dpr_route *route = this_cpu_ptr(peer->routes)->of;

	if (unlikely(wide))
		route++;

	if (likely(dpr_route_valid(dn, cfg, route)))
		return route;
	return dpr_fwd_find_route(dn, cfg, route, &peer->address,
				  wide ? IPPROTO_IPV6 : IPPROTO_IPIP);
}

/** dpr_fwd_route - likewise, for a packet */
static inline struct dpr_route *dpr_fwd_route(struct dpr_net *dn,
					      const struct dpr_config *cfg,
					      const struct dpr_peer *peer,
					      const struct sk_buff *skb)
{
	return dpr_fwd_route_of(dn, cfg, peer, dpr_local_wide(skb));
}

#endif /* _DPR_FWD_H */
