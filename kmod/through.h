/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Answers that go through the first host (DPR_ANSWERS_THROUGH): the serving host sends them
 * back in a tunnel, and the first host sends them on to the client as its own.
 *
 * The serving host knows the first host by the answer's source, which is an address of that
 * peer and none of its own. The first host knows an answer by the same: its source is this
 * host's own address and a service's port, and it comes in a tunnel from a peer. What it
 * has sent on is a packet of this host, and so never goes to another peer.
 *
 * ICMP errors with the first host's address as source do not exist: the stack finds no
 * route for those of IPv4, and sends those of IPv6 from its own address.
 */
#ifndef _DPR_THROUGH_H
#define _DPR_THROUGH_H

#include <linux/netfilter.h>
#include "inner.h"
#include "service.h"

struct dpr_config;
struct dpr_flow_key;
struct dpr_net;
struct dpr_peer;
struct sk_buff;

unsigned int dpr_through_hook(void *priv, struct sk_buff *skb,
			      const struct nf_hook_state *state);
unsigned int dpr_through_hook6(void *priv, struct sk_buff *skb,
			       const struct nf_hook_state *state);
unsigned int dpr_through_mss(struct dpr_net *dn, const struct dpr_config *cfg,
			     const struct sk_buff *skb, const struct dpr_inner *in);
void dpr_through_syn(struct dpr_net *dn, const struct dpr_config *cfg,
		     struct sk_buff *skb, const struct dpr_inner *in);
const struct dpr_peer *dpr_through_peer(struct dpr_net *dn,
					const struct dpr_config *cfg,
					const struct sk_buff *skb,
					const struct dpr_flow_key *key);
unsigned int dpr_through_receive(struct dpr_net *dn, const struct dpr_config *cfg,
				 struct sk_buff *skb, struct dpr_inner *in);

/**
 * dpr_through_astray - is a segment an answer, rather than a client's
 * @dn: the namespace
 * @in: the segment, for which this host has no socket. It does not have its source, either
 *
 * The peer takes the address for this host's, which it was until lately. A RST would end
 * the connection.
 */
static inline bool dpr_through_astray(const struct dpr_net *dn,
				      const struct dpr_inner *in)
{
	return dpr_service_ours(dn, ntohs(in->seg.key.client_port)) &&
	       !dpr_service_ours(dn, ntohs(in->seg.key.port));
}

#endif /* _DPR_THROUGH_H */
