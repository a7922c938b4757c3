/* SPDX-License-Identifier: GPL-2.0 */
/* The way into the module: netfilter's hooks. */
#ifndef _DPR_HOOK_H
#define _DPR_HOOK_H

#include <linux/netfilter.h>
#include <linux/types.h>
#include <net/net_namespace.h>

struct dpr_net;

unsigned int dpr_hook_in(void *priv, struct sk_buff *skb,
			 const struct nf_hook_state *state);
unsigned int dpr_hook_in6(void *priv, struct sk_buff *skb,
			  const struct nf_hook_state *state);
struct dpr_net *dpr_hook_find(struct net *net, bool wide);
int dpr_hook_start(struct dpr_net *dn);
int dpr_hook_watch(struct dpr_net *dn);
int dpr_hook_through(struct dpr_net *dn);
void dpr_hook_not_through(struct dpr_net *dn);
void dpr_hook_unregister_in(struct dpr_net *dn);
void dpr_hook_unregister_out(struct dpr_net *dn);
void dpr_hook_drop(struct dpr_net *dn);

/**
 * dpr_hook_first - whose packets pass the module's hook in PRE_ROUTING, before all others
 * @net: a namespace
 * @wide: packets of IPv6
 *
 * Called under RCU. A list of hooks that is there has at least one.
 *
 * Return: the state of the namespace; NULL if its packets do not pass, or pass another
 * hook first.
 */
static __always_inline struct dpr_net *dpr_hook_first(struct net *net, bool wide)
{
	const struct nf_hook_entries *all;

	all = wide ? rcu_dereference(net->nf.hooks_ipv6[NF_INET_PRE_ROUTING]) :
		     rcu_dereference(net->nf.hooks_ipv4[NF_INET_PRE_ROUTING]);
	if (unlikely(!all) ||
	    unlikely(all->hooks[0].hook != (wide ? dpr_hook_in6 : dpr_hook_in)))
		return NULL;
	return all->hooks[0].priv;
}

#endif /* _DPR_HOOK_H */
