/* SPDX-License-Identifier: GPL-2.0 */
/* The way into the module: netfilter's hooks. */
#ifndef _DPR_HOOK_H
#define _DPR_HOOK_H

#include <linux/types.h>

struct dpr_net;
struct net;

struct dpr_net *dpr_hook_find(struct net *net, bool wide, bool *first);
int dpr_hook_start(struct dpr_net *dn);
int dpr_hook_watch(struct dpr_net *dn);
int dpr_hook_through(struct dpr_net *dn);
void dpr_hook_not_through(struct dpr_net *dn);
void dpr_hook_unregister_in(struct dpr_net *dn);
void dpr_hook_unregister_out(struct dpr_net *dn);
void dpr_hook_drop(struct dpr_net *dn);

#endif /* _DPR_HOOK_H */
