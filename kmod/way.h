/* SPDX-License-Identifier: GPL-2.0 */
/* Can a peer serve a client of this host? */
#ifndef _DPR_WAY_H
#define _DPR_WAY_H

#include "fwd.h"
#include "fwd_direct.h"
#include "peer.h"
#include "stats.h"

struct dpr_config;
struct dpr_net;
struct net_device;

bool dpr_way_behind(struct dpr_net *dn, const struct net_device *dev,
		    const struct dpr_peer *peer, const struct dpr_addr *client);

/**
 * dpr_way_why - the way to a peer that can serve a client, or why there is none
 * @dn: the namespace
 * @cfg: the configuration
 * @dev: the device that the client came by
 * @wide: the client is one of IPv6
 * @peer: the peer
 * @client: the client's address
 * @why: what to count if this host serves it therefore; set if there is none
 *
 * Called under RCU in softirq.
 *
 * Return: the way; NULL if the peer cannot serve the client: there is no way to the peer, or
 * none from the peer to the client.
 */
static __always_inline const struct dpr_route *
dpr_way_why(struct dpr_net *dn, const struct dpr_config *cfg,
	    const struct net_device *dev, bool wide, const struct dpr_peer *peer,
	    const struct dpr_addr *client, enum dpr_stat *why)
{
	const struct dpr_route *route = dpr_fwd_route_of(dn, cfg, peer, wide);

	if (unlikely(!route)) {
		*why = DPR_STAT_SERVED_NO_ROUTE;
		return NULL;
	}
	if (unlikely(route->dst->dev != dev) &&
	    dpr_way_behind(dn, dev, peer, client)) {
		*why = DPR_STAT_SERVED_BEHIND;
		return NULL;
	}
	if (dpr_fwd_direct_off_link(cfg, route)) {
		*why = DPR_STAT_SERVED_OFF_LINK;
		return NULL;
	}
	return route;
}

/** dpr_way - likewise; why there is none is counted */
static __always_inline const struct dpr_route *
dpr_way(struct dpr_net *dn, const struct dpr_config *cfg,
	const struct net_device *dev, bool wide, const struct dpr_peer *peer,
	const struct dpr_addr *client)
{
	enum dpr_stat why = DPR_STAT_UNSPEC;
	const struct dpr_route *route;

	route = dpr_way_why(dn, cfg, dev, wide, peer, client, &why);
	if (unlikely(!route))
		dpr_stats_inc(dn, why);
	return route;
}

#endif /* _DPR_WAY_H */
