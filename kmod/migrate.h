/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Moving connections between two requests (DPR_DISPATCH_REQUEST): the host that serves a
 * connection finds that another one should serve its next request, and lets it go.
 *
 * The request is held for a moment: in process context all packets that came before it have
 * reached the socket, unless a program is using that. If the connection stays after all,
 * the socket gets the request then. Else the socket ends silently, and the request goes
 * back to the first host (handover_back.h), which alone chooses who is next.
 */
#ifndef _DPR_MIGRATE_H
#define _DPR_MIGRATE_H

#include <linux/netfilter.h>
#include "migrate_watch.h"

struct dpr_config;
struct dpr_inner;
struct dpr_net;
struct dpr_segment;
struct sk_buff;

void dpr_migrate_setup(struct dpr_net *dn);
void dpr_migrate_teardown(struct dpr_net *dn);
bool dpr_migrate_redirected(struct dpr_net *dn, struct sk_buff *skb,
			    struct dpr_inner *in, unsigned int *verdict);
bool dpr_migrate_own(struct dpr_net *dn, const struct dpr_config *cfg,
		     struct sk_buff *skb, const struct dpr_segment *seg);
unsigned int dpr_migrate_hook(void *priv, struct sk_buff *skb,
			      const struct nf_hook_state *state);
unsigned int dpr_migrate_hook6(void *priv, struct sk_buff *skb,
			       const struct nf_hook_state *state);

#endif /* _DPR_MIGRATE_H */
