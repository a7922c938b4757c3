/* SPDX-License-Identifier: GPL-2.0 */
/* The way out: IP-in-IP to a peer (RFC 2003). */
#ifndef _DPR_TUNNEL_H
#define _DPR_TUNNEL_H

#include <linux/ip.h>

struct dpr_config;
struct dpr_net;
struct dpr_peer;
struct dpr_route;
struct sk_buff;

/* The reserved bit of the fragment field: the marker. */
#define DPR_TUNNEL_MARK	0x8000

void dpr_tunnel_send(struct dpr_net *dn, const struct dpr_config *cfg,
		     struct sk_buff *skb, struct dpr_peer *peer);
void dpr_tunnel_output(struct dpr_net *dn, struct sk_buff *skb,
		       const struct dpr_route *route);

#endif /* _DPR_TUNNEL_H */
