/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which peers have said that they do not serve a connection. A host that is silent may have
 * its socket: its module is being reloaded, or a cable is out for a moment. So nobody says
 * that a connection is no host's before each peer has said so for itself.
 */
#ifndef _DPR_DENIAL_H
#define _DPR_DENIAL_H

#include <linux/bitmap.h>
#include <linux/types.h>

struct dpr_config;
struct dpr_flow_key;
struct dpr_net;
struct dpr_peer;
struct net_device;

#define DPR_DENIAL_PEERS	512	/* of more peers, the others are not waited for */
#define DPR_DENIAL_AT_ONCE	256	/* peers that are asked at a time */

/**
 * struct dpr_denials - which peers have denied a connection; all zero: none
 * @version: of the load table in which @by are the peers' places
 * @by: the peers
 */
struct dpr_denials {
	u32 version;
	DECLARE_BITMAP(by, DPR_DENIAL_PEERS);
};

/**
 * struct dpr_denials_left - peers that have not denied a connection
 * @ask: how many there are to ask, DPR_DENIAL_AT_ONCE at most
 * @await: one of them, at least, is to be waited for
 */
struct dpr_denials_left {
	u32 ask;
	bool await;
};

bool dpr_denial_possible(const struct dpr_peer *peer,
			 const struct dpr_flow_key *key);
bool dpr_denials_settled(const struct dpr_net *dn);
void dpr_denials_note(const struct dpr_net *dn, struct dpr_denials *denials,
		      const struct dpr_peer *peer);
bool dpr_denials_retract(const struct dpr_net *dn, struct dpr_denials *denials,
			 const struct dpr_peer *peer);
struct dpr_denials_left dpr_denials_count(const struct dpr_net *dn,
					  const struct dpr_config *cfg,
					  const struct dpr_denials *denials,
					  const struct dpr_flow_key *key);
void dpr_denials_ask(struct dpr_net *dn, const struct dpr_config *cfg,
		     struct net_device *dev, const struct dpr_denials *denials,
		     u32 from, u32 nonce, const struct dpr_flow_key *key,
		     bool again);

#endif /* _DPR_DENIAL_H */
