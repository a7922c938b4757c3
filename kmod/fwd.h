/* SPDX-License-Identifier: GPL-2.0 */
/* The way out: how a client's packet gets to the peer that serves it. */
#ifndef _DPR_FWD_H
#define _DPR_FWD_H

#include <linux/percpu.h>
#include "fwd_ipip.h"
#include "peer.h"
#include "route.h"

struct dpr_config;
struct dpr_net;
struct sk_buff;

/* The ways of forwarding. */
enum dpr_fwd {
	DPR_FWD_IPIP,
};

/**
 * struct dpr_fwd_ops - what a way of forwarding offers
 * @overhead: bytes that it adds to a packet: the peer's path MTU is as much
 *	smaller, and so is the MSS that this host offers for a peer
 * @prepare: make what all packets to a peer have in front, once its route is
 *	found; see dpr_fwd_ipip_prepare()
 * @output: send a packet that fits; see dpr_fwd_ipip_output()
 */
struct dpr_fwd_ops {
	unsigned int overhead;
	void (*prepare)(struct dpr_route *route, const struct dpr_config *cfg,
			__be32 peer);
	void (*output)(struct dpr_net *dn, struct sk_buff *skb,
		       const struct dpr_route *route, u32 number);
};

struct dpr_route *dpr_fwd_find_route(struct dpr_net *dn,
				     const struct dpr_config *cfg,
				     struct dpr_route *route, __be32 peer);
void dpr_fwd_send(struct dpr_net *dn, const struct dpr_config *cfg,
		  struct sk_buff *skb, struct dpr_peer *peer);
void dpr_fwd_send_by(struct dpr_net *dn, struct sk_buff *skb,
		     const struct dpr_route *route, u32 number);

/**
 * dpr_fwd_route - this CPU's way to a peer
 * @dn: the namespace
 * @cfg: the configuration
 * @peer: the peer
 *
 * Called in softirq; the route is good until that ends.
 *
 * Return: the way, NULL if there is none.
 */
static inline struct dpr_route *dpr_fwd_route(struct dpr_net *dn,
					      const struct dpr_config *cfg,
					      const struct dpr_peer *peer)
{
	struct dpr_route *route = this_cpu_ptr(peer->routes);

	if (likely(dpr_route_valid(dn, cfg, route)))
		return route;
	return dpr_fwd_find_route(dn, cfg, route, peer->address);
}

#endif /* _DPR_FWD_H */
