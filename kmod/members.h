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
#include "core/parse.h"
#include "core/policy.h"

struct dpr_net;
struct dpr_peer;

/**
 * struct dpr_members_service - a service whose policy is stateless, or one that has another
 *	policy for an address of a port whose other addresses have that
 * @address: its address, none: all
 * @port: network byte order
 * @hash: enum dpr_hash
 * @other: it has another policy
 */
struct dpr_members_service {
	struct dpr_addr address;
	__be16 port;
	u16 hash;
	u32 other;
};

/**
 * struct dpr_members - a set of hosts, and the services that it is for; what
 *	@services, @service, @n and @host say never changes
 * @rcu: frees it
 * @refs: dpr_net.members and dpr_net.base
 * @used: it redirected a connection that has no flow
 * @frozen: about to be replaced: new connections get a flow
 * @services: how many services, at least 1
 * @service: in the order of struct dpr_services
 * @n: how many hosts, at least 1
 * @host: by address; NULL is this host; a reference is held on the others
 */
struct dpr_members {
	struct rcu_head rcu;
	refcount_t refs;
	bool used;
	bool frozen;
	u32 services;
	struct dpr_members_service *service;
	u32 n;
	struct dpr_peer *host[] __counted_by(n);
};

void dpr_members_update(struct dpr_net *dn);
void dpr_members_age(struct dpr_net *dn);
void dpr_members_unhash(struct dpr_net *dn, const struct dpr_flow_key *key);
void dpr_members_teardown(struct dpr_net *dn);

/**
 * dpr_members_pick - the host that the stateless policy picks
 * @members: the set
 * @key: the connection
 *
 * Return: the peer; NULL for this host, or if the set is not for this service.
 */
static inline struct dpr_peer *
dpr_members_pick(const struct dpr_members *members,
		 const struct dpr_flow_key *key)
{
	u32 i;

	for (i = 0; i < members->services; i++) {
		const struct dpr_members_service *service = &members->service[i];

		if (service->port != key->port ||
		    (!dpr_addr_none(&service->address) &&
		     !dpr_addr_equal(&service->address, &key->address)))
			continue;
		if (unlikely(service->other))
			return NULL;
		return members->host[dpr_policy_hash(service->hash,
						     dpr_addr_id(&key->client),
						     ntohs(key->client_port),
						     members->n)];
	}
	return NULL;
}

#endif /* _DPR_MEMBERS_H */
