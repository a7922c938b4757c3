/* SPDX-License-Identifier: GPL-2.0 */
/* A question to all hosts of a link at once, by multicast. */
#ifndef _DPR_GROUP_H
#define _DPR_GROUP_H

#include <linux/types.h>
#include "config.h"
#include "core/addr.h"

struct dpr_flow_key;
struct dpr_net;
struct dpr_peer;
struct net_device;
struct rtable;
struct sk_buff;

/**
 * struct dpr_group_way - how a question gets to the group
 * @rt: the route to it, a reference taken; NULL if there is none yet
 * @link: the link that it leads to
 * @other: a link on which this host is not in the group, so that others are not either
 */
struct dpr_group_way {
	struct rtable *rt;
	const struct net_device *link;
	const struct net_device *other;
};

/**
 * dpr_group_is - is an address that of the group
 * @cfg: the configuration
 * @address: the address
 */
static inline bool dpr_group_is(const struct dpr_config *cfg,
				const struct dpr_addr *address)
{
	return cfg->group && dpr_addr_is4(address) &&
	       address->word[3] == cfg->group;
}

const struct net_device *dpr_group_link(struct dpr_net *dn,
					const struct dpr_config *cfg,
					const struct dpr_peer *peer);
bool dpr_group_reaches(struct dpr_net *dn, const struct dpr_config *cfg,
		       const struct dpr_peer *peer, struct dpr_group_way *way);
void dpr_group_ask(struct dpr_net *dn, const struct dpr_config *cfg,
		   struct net_device *dev, struct dpr_group_way *way, u32 nonce,
		   const struct dpr_flow_key *key);
void dpr_group_send(struct dpr_net *dn, const struct dpr_config *cfg,
		    struct net_device *dev, struct dpr_group_way *way,
		    struct sk_buff *skb);

#endif /* _DPR_GROUP_H */
