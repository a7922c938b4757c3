/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The sets of hosts that the stateless policy picks from.
 *
 * Packets of a connection without a flow follow the hash over the base set, so
 * the base set stays while such connections may live. While the current set
 * differs from it (a peer came or went), a new connection that the two sets send
 * to different hosts gets a flow, and so does a connection without one at its next
 * packet; so no connection moves.
 */
#ifndef _DPR_MEMBERS_H
#define _DPR_MEMBERS_H

#include "compat.h"
#include "core/policy.h"

struct dpr_net;
struct dpr_peer;

/**
 * struct dpr_members - a set of hosts; @hash and @host never change
 * @rcu: frees it
 * @refs: dpr_net.members and dpr_net.base
 * @used: it redirected a connection that has no flow
 * @frozen: about to be replaced: new connections get a flow
 * @hash: enum dpr_hash
 * @n: how many hosts, at least 1
 * @host: by address; NULL is this host; a reference is held on the others
 */
struct dpr_members {
	struct rcu_head rcu;
	refcount_t refs;
	bool used;
	bool frozen;
	u32 hash;
	u32 n;
	struct dpr_peer *host[] __counted_by(n);
};

void dpr_members_update(struct dpr_net *dn);
void dpr_members_age(struct dpr_net *dn);
void dpr_members_teardown(struct dpr_net *dn);

/**
 * dpr_members_pick - the host that the stateless policy picks
 * @members: the set
 * @client: the client's address
 * @port: the client's port
 *
 * Return: the peer, NULL for this host.
 */
static inline struct dpr_peer *
dpr_members_pick(const struct dpr_members *members, __be32 client,
		 __be16 port)
{
	return members->host[dpr_policy_hash(members->hash,
					     (__force u32)client,
					     ntohs(port), members->n)];
}

#endif /* _DPR_MEMBERS_H */
