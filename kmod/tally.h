/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is known of the loads of services (DPR_SERVICE_LOAD_SERVICE): which ports have
 * one, and for each peer how many connections of them it has.
 *
 * Each such port has a place, which is also the place of its order of the peers
 * (struct dpr_table) and of its counts in each peer. A flow that was counted
 * (DPR_FLOW_TALLIED) is found by its port again when it ends, so a place gets another
 * port only when no such flow is left. Nothing of this exists in a namespace until a
 * service has such a load.
 */
#ifndef _DPR_TALLY_H
#define _DPR_TALLY_H

#include "compat.h"
#include "core/policy.h"
#include "dpr.h"
#include "netns.h"

struct dpr_config;

/**
 * struct dpr_tally - a port whose services have a load of their own, or had one
 * @port: host byte order
 * @on: there is such a service: new flows are counted
 * @live: counted flows in state SYN or established
 */
struct dpr_tally {
	u16 port;
	bool on;
	atomic_t live;
};

/**
 * struct dpr_tallies - the ports of a namespace; changed under dpr_net.lock, read under RCU
 * @n: how many places are in use
 * @tally: the places
 */
struct dpr_tallies {
	u32 n;
	struct dpr_tally tally[DPR_MAX_SERVICE_LOADS];
};

/**
 * struct dpr_tally_peer - a peer's connections of these ports, by their places
 * @known: bits: its last report said how many; under dpr_net.lock, as what follows
 * @reported: how many
 * @live_reported: @live when that report came
 * @live: counted flows to it in state SYN or established
 */
struct dpr_tally_peer {
	u32 known;
	u32 reported[DPR_MAX_SERVICE_LOADS];
	s32 live_reported[DPR_MAX_SERVICE_LOADS];
	atomic_t live[DPR_MAX_SERVICE_LOADS];
};

/**
 * struct dpr_tally_count - what a report says of a port, as in
 *	DPR_PEER_A_SERVICE_CONNECTIONS
 * @port: the port
 * @connections: open connections of its services
 */
struct dpr_tally_count {
	u32 port;
	u32 connections;
};

int dpr_tally_assign(struct dpr_net *dn, u16 port);
void dpr_tally_report(const struct dpr_net *dn, struct dpr_tally_peer *peer,
		      const struct dpr_tally_count *count, u32 n);
void dpr_tally_fill(const struct dpr_tally_peer *peer, u32 place,
		    const struct dpr_config *cfg, const struct dpr_view *host,
		    struct dpr_view *view);
void dpr_tally_teardown(struct dpr_net *dn);

/**
 * dpr_tally_places - how many places are in use
 * @dn: the namespace
 */
static inline u32 dpr_tally_places(const struct dpr_net *dn)
{
	/* Zeroed; pairs with dpr_tally_begin(). */
	const struct dpr_tallies *tallies = smp_load_acquire(&dn->tallies);

	if (!tallies)
		return 0;
	/* With what is in the places; pairs with dpr_tally_assign(). */
	return smp_load_acquire(&tallies->n);
}

/**
 * dpr_tally_find - the place of a port
 * @dn: the namespace
 * @port: host byte order
 *
 * Called under RCU, or with dpr_net.lock held.
 *
 * Return: the place, negative if the port has none.
 */
static inline int dpr_tally_find(const struct dpr_net *dn, u16 port)
{
	const u32 n = dpr_tally_places(dn);
	u32 i;

	for (i = 0; i < n; i++)
		if (READ_ONCE(dn->tallies->tally[i].port) == port)
			return i;
	return -1;
}

/**
 * dpr_tally_counts - are new flows of a port counted
 * @dn: the namespace
 * @port: host byte order
 *
 * Called under RCU. Before the RCU section ends the port's place stays its own.
 */
static inline bool dpr_tally_counts(const struct dpr_net *dn, u16 port)
{
	int place = dpr_tally_find(dn, port);

	return place >= 0 && READ_ONCE(dn->tallies->tally[place].on);
}

#endif /* _DPR_TALLY_H */
