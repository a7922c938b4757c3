/* SPDX-License-Identifier: GPL-2.0 */
/* What the policy (core/policy.h) decides by, put together for it. */
#ifndef _DPR_DECIDE_H
#define _DPR_DECIDE_H

#include "config.h"
#include "core/policy.h"
#include "dpr.h"
#include "load.h"
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
 * dpr_decide_args - the situation that a policy decides in
 * @dn: the namespace
 * @cfg: the configuration
 * @policy: enum dpr_policy
 * @client: the client's address
 * @service: the connection's, NULL if there is none any more
 *
 * Closes peers whose reports are stale. Called under RCU in softirq.
 *
 * Return: the situation.
 */
static __always_inline struct dpr_policy_args
dpr_decide_args(struct dpr_net *dn, const struct dpr_config *cfg, u32 policy,
		__be32 client, const struct dpr_service *service)
{
	const struct dpr_table *table = rcu_dereference(dn->table);
	struct dpr_policy_args args = {
		.policy = policy,
		.draining = cfg->state != DPR_STATE_ACTIVE,
		.own_load = 0,
		.own_weight = cfg->weight,
		.connection_load = dpr_config_connection_load(cfg),
		.max_load = cfg->max_load,
		.now = jiffies,
		.max_age = cfg->report_max_age_jiffies,
		.random = 0,
		.client = (__force u32)client,
		.avoid = 0,
		.service = service ? service->bit : 0,
	};

	if (args.policy != DPR_POLICY_OFF && !args.draining)
		args.own_load = dpr_load_own(dn, cfg);
	if (args.policy >= DPR_POLICY_INVERSE)
		args.random = dpr_stats_random(dn->stats);
	if (table && unlikely(dpr_policy_stale(&args, &table->order)))
		dpr_peer_close_stale(dn, &args);
	return args;
}

#endif /* _DPR_DECIDE_H */
