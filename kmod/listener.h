/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Listeners that answer from other hosts' addresses.
 *
 * A redirected connection's local address is not this host's. Its listener gets
 * the flag of IP_HDRINCL (compat.h), with which routing accepts any source and
 * which grants its program nothing; request sockets and connections inherit it.
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
