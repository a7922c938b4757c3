/* SPDX-License-Identifier: MIT */
/* A load table for simulations, over the module's own policy.c. */
#ifndef _SIM_TABLE_H
#define _SIM_TABLE_H

#include "choose.h"

struct sim_table;

/* What differs between two hosts that look at the same table. */
struct sim_change {
	u32 peer;
	s32 live;	/* our live flows to it */
	s32 reported;	/* these, when its last report came */
};

/* A host that decides. */
struct sim_host {
	u32 self;	/* its own place in the table */
	u32 estimate;	/* enum dpr_estimate */
	bool ordered;	/* the policy compares all peers */
	u32 changes;
	int64_t since;	/* sum of all its changes, if none are given */
};

/* How hosts of a group are chosen; see struct dpr_choose. */
struct sim_group {
	u32 policy;	/* enum dpr_rules_policy */
	u32 spill;	/* percent */
	u64 hash;	/* of the client, or of what it asks for */
};

/* A table of n hosts, NULL if there is no memory. Peer i has address i + 1. */
struct sim_table *sim_table_new(u32 n, const u32 *weight);
void sim_table_free(struct sim_table *table);

/* A report of a peer came. */
void sim_table_hear(struct sim_table *table, u32 peer, u64 load, u32 now,
		    u32 tie);
/* The peer a host redirects to, or its own place if it serves. */
u32 sim_table_decide(struct sim_table *table, const struct sim_host *host,
		     const struct sim_change *change,
		     const struct dpr_policy_args *args);
/* Does the host refuse what a peer offers. */
bool sim_table_refuses(struct sim_table *table, const struct sim_host *host,
		       const struct sim_change *change,
		       const struct dpr_policy_args *args);
/*
 * The host that a host of the group gives a connection to by a policy of rules
 * (enum dpr_rules_policy), when the group is all hosts.
 */
u32 sim_table_choose(struct sim_table *table, const struct sim_host *host,
		     const struct sim_change *change,
		     const struct dpr_policy_args *args,
		     const struct sim_group *group);

#endif
