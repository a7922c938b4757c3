/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Listeners that answer from other hosts' addresses.
 *
 * A redirected connection's local address is not this host's. Its listener gets
 * the flag of IP_HDRINCL (compat.h), with which routing accepts any source and
 * which grants its program nothing; request sockets and connections inherit it. Routing
 * of IPv6 accepts any source anyway.
 */
#ifndef _DPR_LISTENER_H
#define _DPR_LISTENER_H

#include "core/addr.h"

struct dpr_net;
struct dpr_segment;
struct net;
struct sk_buff;
struct sock;

void dpr_listener_setup(struct dpr_net *dn);
void dpr_listener_teardown(struct dpr_net *dn);
struct dpr_addr dpr_listener_address(const struct sock *sk);
struct sock *dpr_listener_find(struct net *net, struct sk_buff *skb,
			       const struct dpr_segment *seg,
			       const struct dpr_addr *address);
bool dpr_listener_ready(struct sock *sk, bool wide);
bool dpr_listener_defer(struct dpr_net *dn, struct sk_buff *skb, unsigned int olen);

#endif /* _DPR_LISTENER_H */
