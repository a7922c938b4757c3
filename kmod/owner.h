/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Finding the host that serves an orphan: a connection to a service that has
 * neither a flow nor a socket here, because its routing table was lost with the
 * host whose address moved here, or when this module was reloaded. This host asks
 * its peers; the one that has the socket claims the connection, which then gets a
 * flow.
 */
#ifndef _DPR_OWNER_H
#define _DPR_OWNER_H

#include <linux/types.h>

struct dpr_config;
struct dpr_flow_key;
struct dpr_net;
struct dpr_peer;
struct dpr_segment;
struct net_device;
struct sk_buff;

unsigned int dpr_owner_seek(struct dpr_net *dn, const struct dpr_config *cfg,
			    struct sk_buff *skb,
			    const struct dpr_segment *seg,
			    struct dpr_peer **likely);
bool dpr_owner_cookie(const struct sk_buff *skb, const struct dpr_segment *seg);
void dpr_owner_adopt(struct dpr_net *dn, const struct dpr_config *cfg,
		     struct net_device *dev, const struct dpr_segment *seg,
		     struct dpr_peer *peer);
bool dpr_owner_raise(struct dpr_net *dn, const struct dpr_flow_key *key,
		     const struct dpr_peer *request, bool anew);
void dpr_owner_forget(struct dpr_net *dn, const struct dpr_flow_key *key,
		      const struct dpr_peer *peer);
bool dpr_owner_raised(struct dpr_net *dn, const struct dpr_flow_key *key);
bool dpr_owner_denied(struct dpr_net *dn, const struct dpr_peer *peer, u32 nonce,
		      const struct dpr_flow_key *key);
bool dpr_owner_claimed(struct dpr_net *dn, const struct dpr_config *cfg,
		       const struct sk_buff *claim, struct dpr_peer *peer,
		       u32 nonce, const struct dpr_flow_key *key);

#endif /* _DPR_OWNER_H */
