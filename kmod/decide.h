/* SPDX-License-Identifier: GPL-2.0 */
/* What the policy (core/policy.h) decides by, put together for it. */
#ifndef _DPR_DECIDE_H
#define _DPR_DECIDE_H

#include <linux/timekeeping.h>
#include "config.h"
#include "core/affinity.h"
#include "core/policy.h"
#include "dpr.h"
#include "load.h"
#include "load_table.h"
#include "netns.h"
#include "peer.h"
#include "service.h"
#include "stats.h"

/**
 * dpr_decide_order - the peers that a policy chooses from
 * @table: the load table; NULL in a namespace that has had no peer yet
 */
static inline const struct dpr_order *
dpr_decide_order(const struct dpr_table *table)
{
	static const struct dpr_order nobody;

	return table ? &table->order : &nobody;
}

/**
 * dpr_decide_args - put the situation together that a policy decides in
 * @dn: the namespace
 * @cfg: the configuration
 * @table: the load table; NULL in a namespace that has had no peer yet
 * @policy: enum dpr_policy
 * @client: the client's address
 * @key: the connection
 * @service: the connection's, NULL if there is none any more
 * @able: this host can serve it; if it cannot it redirects what it can
 * @args: set to the situation
 *
 * Closes peers whose reports are stale. Called under RCU in softirq.
 *
 * Return: the peers of @table, by the load that the configuration says.
 */
static __always_inline const struct dpr_order *
dpr_decide_args(struct dpr_net *dn, const struct dpr_config *cfg,
		const struct dpr_table *table, u32 policy,
		const struct dpr_addr *client, const struct dpr_flow_key *key,
		const struct dpr_service *service, bool able,
		struct dpr_policy_args *args)
{
	const struct dpr_order *order = dpr_decide_order(table);

	/* Each by itself: zeroing the whole first would cost as much again. */
	args->policy = policy;
	args->draining = cfg->state != DPR_STATE_ACTIVE ||
			 (!able && policy != DPR_POLICY_OFF);
	args->own_load = 0;
	args->own_weight = cfg->weight;
	args->connection_load = dpr_config_connection_load(cfg);
	args->max_load = cfg->max_load;
	args->now = jiffies;
	args->max_age = cfg->report_max_age_jiffies;
	args->random = 0;
	args->client = dpr_addr_id(client);
	args->avoid = 0;
	args->wide = key->wide;
	args->service = dpr_service_needs(service);
	if (policy != DPR_POLICY_OFF && !args->draining)
		args->own_load = dpr_load_own(dn, cfg);
	if (policy >= DPR_POLICY_INVERSE)
		args->random = dpr_stats_random(dn->stats);
	if (unlikely(cfg->load == DPR_SERVICE_LOAD_SERVICE))
		order = dpr_load_order(dn, table, ntohs(key->port), args) ?:
			order;
	if (table && unlikely(dpr_policy_stale(args, order)))
		dpr_table_close_stale(dn, args);
	return order;
}

/**
 * dpr_decide_affine - the peer that a client belongs to
 * @cfg: the service's configuration, which has an affinity
 * @args: the situation
 * @order: the peers
 * @client: the client's address
 *
 * Return: its index; the number of peers: this host, or there is no other.
 */
static inline u32 dpr_decide_affine(const struct dpr_config *cfg,
				    const struct dpr_policy_args *args,
				    const struct dpr_order *order,
				    const struct dpr_addr *client)
{
	u64 of = dpr_affinity_client(client, dpr_addr_is4(client) ?
					     cfg->affinity : cfg->affinity6,
				     cfg->affinity_time,
				     cfg->affinity_time ?
				     ktime_to_ms(ktime_get_real()) : 0);

	return dpr_affinity_host(args, order, dpr_addr_id(&cfg->address), of);
}

/**
 * dpr_decide_below_host - what a backend's load per capacity must be below to get a
 *	connection in place of a host
 * @args: the situation
 * @order: the peers
 * @host: the host's index; the number of peers: this host
 */
static inline u64 dpr_decide_below_host(const struct dpr_policy_args *args,
					const struct dpr_order *order, u32 host)
{
	const struct dpr_view *view;

	if (host >= order->n)
		return args->draining ? ~0ULL :
					dpr_policy_key(args->own_load,
						       args->own_weight);
	view = &order->view[host];
	if (READ_ONCE(view->cold) == DPR_POLICY_UNKNOWN)
		return ~0ULL;
	return dpr_policy_key(READ_ONCE(view->estimate), view->weight);
}

/**
 * dpr_decide_below - the same, in place of what the policy has decided
 * @args: the situation
 * @order: the peers
 * @decision: the decision
 *
 * Return: 0: this host serves it whatever others can.
 */
static inline u64 dpr_decide_below(const struct dpr_policy_args *args,
				   const struct dpr_order *order,
				   const struct dpr_decision *decision)
{
	if (decision->outcome == DPR_STAT_SERVED_OFF ||
	    decision->outcome == DPR_STAT_SERVED_BELOW_MAX_LOAD)
		return 0;
	return dpr_decide_below_host(args, order,
				     decision->outcome == DPR_STAT_REDIRECTED ?
				     decision->peer : order->n);
}

#endif /* _DPR_DECIDE_H */
