/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What connection tracking knows of connections of IPv6. This module does not depend on
 * it: without it there is no DNAT.
 */
#ifndef _DPR_CONNTRACK_H
#define _DPR_CONNTRACK_H

#include <linux/types.h>

struct dpr_flow_key;
struct net;

bool dpr_conntrack_translated6(struct net *net, const struct dpr_flow_key *key);
int dpr_conntrack_init(void);
void dpr_conntrack_exit(void);

#endif /* _DPR_CONNTRACK_H */
