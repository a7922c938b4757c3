/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Does the path to a peer work, on which connections go?
 *
 * Reports take another way. So a client that repeats its SYN raises a doubt: this
 * host then sends the peer a probe through the tunnel, which the peer answers
 * through its own. Where nobody doubts nothing is probed. A peer that does not
 * answer is lost: it gets no new connections, and is probed until it answers.
 */
#ifndef _DPR_PROBE_H
#define _DPR_PROBE_H

#include <linux/types.h>

struct dpr_config;
struct dpr_net;
struct dpr_peer;
struct net_device;

void dpr_probe_resume(struct dpr_net *dn);
void dpr_probe_setup(struct dpr_net *dn);
void dpr_probe_teardown(struct dpr_net *dn);
void dpr_probe_doubt(struct dpr_net *dn, const struct dpr_config *cfg,
		     struct net_device *dev, struct dpr_peer *peer);
void dpr_probe_sample(struct dpr_net *dn, const struct dpr_config *cfg,
		      struct net_device *dev, struct dpr_peer *peer, u32 hash);
bool dpr_probe_answered(struct dpr_net *dn, struct dpr_peer *peer, u32 nonce);

#endif /* _DPR_PROBE_H */
