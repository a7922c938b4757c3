/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Forwarding on one link: a client's own packet, to the peer's link-layer address.
 *
 * The peer knows that such a packet was redirected because its destination is not an
 * address of the peer. If it is, too (one address on all hosts), the packet bears the
 * mark in its own header, and the peer takes it off. Packets without mark may be merged
 * where they come in, and bear no trace of dpr.
 *
 * Only packets of the family of the hosts' own addresses go direct: for the other one no
 * neighbour of the peer is known. SYNs still go in a tunnel: they may come back, and their
 * outer header says who sent them and which copy they are. It also says that what follows
 * comes direct (DPR_OFFER_DIRECT). Before the first such SYN a peer gets nothing direct without
 * the mark.
 */
#ifndef _DPR_FWD_DIRECT_H
#define _DPR_FWD_DIRECT_H

#include <net/checksum.h>
#include <net/ip.h>
#include "config.h"
#include "core/parse.h"
#include "flow.h"
#include "fwd_ipip.h"
#include "peer.h"
#include "route.h"

struct dpr_net;
struct sk_buff;

u8 __dpr_fwd_direct_how(const struct dpr_config *cfg,
			const struct dpr_peer *peer,
			const struct dpr_flow_key *key);
bool dpr_fwd_direct_send(struct dpr_net *dn, const struct dpr_config *cfg,
			 struct sk_buff *skb, const struct dpr_peer *peer,
			 u8 how);
bool dpr_fwd_direct_from(struct dpr_net *dn, const struct sk_buff *skb,
			 const struct dpr_peer *peer);

/**
 * dpr_fwd_direct_how - how a connection's packets get to its peer, after the SYN
 * @cfg: the service's configuration
 * @peer: the peer
 * @key: the connection
 * @route: the way to the peer; NULL if there is none
 *
 * Called under RCU.
 *
 * Return: DPR_FLOW_DIRECT, with DPR_FLOW_MARKED or without; 0: in a tunnel.
 */
static inline u8 dpr_fwd_direct_how(const struct dpr_config *cfg,
				    const struct dpr_peer *peer,
				    const struct dpr_flow_key *key,
				    const struct dpr_route *route)
{
	if (likely(cfg->forwarding == DPR_FORWARDING_IPIP) || !route ||
	    !route->on_link || key->wide != route->wide)
		return 0;
	return __dpr_fwd_direct_how(cfg, peer, key);
}

/*
 * May packets go to a peer as they are before a SYN has announced that to it? Those that bear the
 * mark may, if the peer says that it has the address that they are for: its own stack takes them.
 */
static inline bool dpr_fwd_direct_unannounced(const struct dpr_peer *peer, u8 how,
					      const struct dpr_addr *address)
{
	return how & DPR_FLOW_MARKED && dpr_peer_has(peer, address);
}

/**
 * dpr_fwd_direct_flow - does a flow's packet go to its peer as it is, if it can
 * @flow: the flow
 *
 * One that a claim has made is older than the first SYN that announces such packets, and
 * gets them from that on. Its own SYN may have announced them, too, by another host: then the MSS
 * of its connection is that of the link, and full segments fit no tunnel. Called under RCU.
 */
static inline bool dpr_fwd_direct_flow(const struct dpr_flow *flow)
{
	struct dpr_addr address;

	if (!(flow->shard & DPR_FLOW_DIRECT))
		return false;
	if (likely(READ_ONCE(flow->peer->knows_direct)))
		return true;
	/* What is marked is of IPv4. */
	address = dpr_addr_of4((__force __be32)flow->address);
	return dpr_fwd_direct_unannounced(flow->peer, flow->shard, &address);
}

/**
 * dpr_fwd_direct_how_later - as dpr_fwd_direct_how(), of a connection without a flow, whose SYN
 *	may not have gone to the peer from here
 * @cfg: the service's configuration
 * @peer: the peer
 * @key: the connection
 * @route: the way to the peer; NULL if there is none
 *
 * A peer that does not send direct itself accepts packets that are not marked only once they were
 * announced. Called under RCU.
 *
 * Return: likewise.
 */
static inline u8 dpr_fwd_direct_how_later(const struct dpr_config *cfg,
					  const struct dpr_peer *peer,
					  const struct dpr_flow_key *key,
					  const struct dpr_route *route)
{
	const u8 how = dpr_fwd_direct_how(cfg, peer, key, route);

	if (likely(READ_ONCE(peer->knows_direct)))
		return how;
	return dpr_fwd_direct_unannounced(peer, how, &key->address) ? how : 0;
}

/**
 * dpr_fwd_direct_off_link - is the peer one that gets nothing, as it is not on a link
 * @cfg: the service's configuration
 * @route: the way to the peer
 */
static inline bool dpr_fwd_direct_off_link(const struct dpr_config *cfg,
					   const struct dpr_route *route)
{
	return unlikely(cfg->forwarding == DPR_FORWARDING_DIRECT) &&
	       !route->on_link;
}

/**
 * dpr_fwd_direct_mtu - the largest packet that can go to a peer as it is
 * @route: the way to the peer
 */
static inline unsigned int dpr_fwd_direct_mtu(const struct dpr_route *route)
{
	return unlikely(route->wide) ? dst_mtu(route->dst) :
				       dpr_route_mtu4(route);
}

/**
 * dpr_fwd_direct_header - change the header of a packet of IPv4 that goes to a peer as it is
 * @iph: the header, writable; the packet has at least two hops to live
 * @marked: it bears the mark
 *
 * One hop less to live, so that a packet that hosts hand round in a circle by a mistake of
 * theirs ends.
 */
static __always_inline void dpr_fwd_direct_header(struct iphdr *iph, bool marked)
{
	__be16 old;

	ip_decrease_ttl(iph);
	if (unlikely(marked)) {
		old = iph->frag_off;
		iph->frag_off |= htons(DPR_FWD_IPIP_MARK);
		csum_replace2(&iph->check, old, iph->frag_off);
	}
}

#endif /* _DPR_FWD_DIRECT_H */
