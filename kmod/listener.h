/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Listeners that answer from other hosts' addresses.
 *
 * A redirected connection's local address is not this host's. Its listener is
 * made transparent, as by setsockopt(IP_TRANSPARENT); request sockets,
 * connections and TIME_WAIT inherit that.
 */
#ifndef _DPR_LISTENER_H
#define _DPR_LISTENER_H

struct dpr_net;
struct net;
struct sk_buff;
struct sock;

void dpr_listener_setup(struct dpr_net *dn);
void dpr_listener_teardown(struct dpr_net *dn);
struct sock *dpr_listener_find(struct net *net, struct sk_buff *skb,
			       int offset, __be32 address);
bool dpr_listener_ready(struct sock *sk);
bool dpr_listener_defer(struct dpr_net *dn, struct sk_buff *skb);

#endif /* _DPR_LISTENER_H */
