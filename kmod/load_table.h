/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The load table: those of the peers that new connections may be redirected to, in the
 * orders that the policies want.
 *
 * Who changes it holds dpr_net.lock to publish another one, and dpr_net.order_lock to change
 * views and orders in place.
 */
#ifndef _DPR_LOAD_TABLE_H
#define _DPR_LOAD_TABLE_H

#include "core/policy.h"
#include "netns.h"
#include "peer.h"

/**
 * struct dpr_table - the load table
 * @rcu: frees it
 * @version: another one for each table of a namespace, not 0
 * @changed: jiffies when it was published
 * @order: what policies see of the listed peers; changed in place by reports
 *	and by flows
 * @known: how many peers there are, listed or not
 * @peer: the peers: those that are listed as in @order.view, then the others, which are
 *	asked for orphans and get nothing
 * @tallies: how many other orders there are
 * @tally: orders by the connections of services with loads of their own (tally.h), of the
 *	same peers; changed likewise
 *
 * Listing or delisting a peer, or its death, publishes a new one.
 */
struct dpr_table {
	struct rcu_head rcu;
	u32 version;
	u32 changed;
	struct dpr_order order;
	u32 known;
	struct dpr_peer **peer;
	u32 tallies;
	struct dpr_order *tally;
};

/**
 * dpr_table_locked - the load table, for who holds dpr_net.lock
 * @dn: the namespace
 */
static inline struct dpr_table *dpr_table_locked(struct dpr_net *dn)
{
	return rcu_dereference_protected(dn->table, lockdep_is_held(&dn->lock));
}

bool dpr_table_fresh(const struct dpr_config *cfg, const struct dpr_peer *peer);
int dpr_table_list(struct dpr_net *dn, struct dpr_peer *peer, bool new);
int dpr_table_unlist(struct dpr_net *dn, struct dpr_peer *peer, bool dead);
void dpr_table_refresh(struct dpr_net *dn, struct dpr_peer *peer);
void dpr_table_reweigh(struct dpr_net *dn);
int dpr_table_tally_place(struct dpr_net *dn, u32 place);
void dpr_table_refused(struct dpr_net *dn, struct dpr_peer *peer, bool wide,
		       u64 service);
void dpr_table_set_lost(struct dpr_net *dn, struct dpr_peer *peer, bool lost);
void dpr_table_recount(struct dpr_net *dn, const struct dpr_config *cfg,
		       struct dpr_peer *peer);
void dpr_table_tally(struct dpr_net *dn, const struct dpr_config *cfg,
		     struct dpr_peer *peer, u16 port, int n);
void dpr_table_close_stale(struct dpr_net *dn,
			   const struct dpr_policy_args *args);
const struct dpr_peer *dpr_table_next_stale(struct dpr_net *dn, u32 *at);

#endif /* _DPR_LOAD_TABLE_H */
