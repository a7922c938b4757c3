/* SPDX-License-Identifier: GPL-2.0 */
/* What a network namespace is configured to do, and how that changes. */
#ifndef _DPR_CONFIG_H
#define _DPR_CONFIG_H

#include <linux/bits.h>
#include <linux/siphash.h>
#include <linux/types.h>
#include "core/addr.h"
#include "core/policy.h"
#include "dpr.h"

struct dpr_net;
struct dpr_ruleset;
struct dpr_service;

/**
 * enum dpr_rule - the rules that a service may have of its own: bits
 * @DPR_RULE_POLICY: dpr_rules.policy
 * @DPR_RULE_HASH: dpr_rules.hash
 * @DPR_RULE_MAX_LOAD: dpr_rules.max_load
 * @DPR_RULE_AFFINITY: dpr_rules.affinity
 * @DPR_RULE_AFFINITY_TIME: dpr_rules.affinity_time
 * @DPR_RULE_AFFINITY6: dpr_rules.affinity6
 * @DPR_RULE_LOAD: dpr_rules.load
 * @DPR_RULE_FORWARDING: dpr_rules.forwarding
 * @DPR_RULE_DISPATCH: dpr_rules.dispatch
 */
enum dpr_rule {
	DPR_RULE_POLICY = BIT(0),
	DPR_RULE_HASH = BIT(1),
	DPR_RULE_MAX_LOAD = BIT(2),
	DPR_RULE_AFFINITY = BIT(3),
	DPR_RULE_AFFINITY_TIME = BIT(4),
	DPR_RULE_AFFINITY6 = BIT(5),
	DPR_RULE_LOAD = BIT(6),
	DPR_RULE_FORWARDING = BIT(7),
	DPR_RULE_DISPATCH = BIT(8),
};

/**
 * struct dpr_rules - a service's own rules, in place of the configuration's
 * @own: bits of enum dpr_rule: which it has
 * @policy: enum dpr_policy
 * @hash: enum dpr_hash
 * @affinity: bits of a client's address that decide its host; 0: its load does
 * @affinity6: the same of an IPv6 address, if @affinity is not 0
 * @affinity_time: for how many ms; 0: for ever
 * @load: enum dpr_service_load
 * @forwarding: enum dpr_forwarding
 * @dispatch: enum dpr_dispatch
 * @max_load: MaxLoad
 */
struct dpr_rules {
	u32 own;
	u32 policy;
	u32 hash;
	u32 affinity;
	u32 affinity6;
	u32 affinity_time;
	u32 load;
	u32 forwarding;
	u32 dispatch;
	u64 max_load;
};

/**
 * struct dpr_config_key - a key of handovers
 * @id: names it; not 0
 * @key: it
 */
struct dpr_config_key {
	u32 id;
	siphash_key_t key;
};

/**
 * struct dpr_config - what the namespace is configured to do
 * @address: this host's address
 * @policy: enum dpr_policy
 * @hash: enum dpr_hash
 * @load: enum dpr_service_load; host, unless it is a service's
 * @forwarding: enum dpr_forwarding
 * @dispatch: enum dpr_dispatch; syn, unless it is a service's
 * @estimate: enum dpr_estimate
 * @marker: enum dpr_marker
 * @state: enum dpr_state
 * @affinity: bits of a client's address that decide its host; 0: its load does
 * @affinity6: the same of an IPv6 address, if @affinity is not 0
 * @affinity_time: for how many ms; 0: for ever
 * @max_load: MaxLoad
 * @metric_weight: weight of each metric
 * @weight: this host's relative capacity
 * @max_flows: bound of the routing table
 * @report_max_age: age in ms beyond which a report no longer counts
 * @timeout: idle time in ms after which a flow expires, by its state
 * @orphans: enum dpr_orphans
 * @answers: enum dpr_answers
 * @key: keys of handovers; the first makes what this host sends
 * @keys: how many
 * @group: IPv4 multicast group of the hosts that share a link with this one; 0: none
 * @splice_first: first port of this host's address from which connections go to backends
 * @splice_last: the last one
 * @max_splices: how many connections to backends there can be
 * @slow_start: time in ms in which a peer that comes back gets its share; 0: at once
 * @slow_start_jiffies: the same in jiffies
 * @report_max_age_jiffies: the same in jiffies
 * @timeout_jiffies: the same in jiffies
 * @life_jiffies: idle time in jiffies after which a flow expires without a
 *	question to its peer
 * @rcu: frees it
 *
 * Never changed once published: a change publishes a new one.
 */
struct dpr_config {
	struct dpr_addr address;
	u32 policy;
	u32 hash;
	u32 load;
	u32 forwarding;
	u32 dispatch;
	u32 estimate;
	u32 marker;
	u32 state;
	u32 affinity;
	u32 affinity6;
	u32 affinity_time;
	u64 max_load;
	u32 metric_weight[DPR_METRICS];
	u32 weight;
	u32 max_flows;
	u32 report_max_age;
	u32 timeout[DPR_FLOW_RST + 1];
	u32 orphans;
	u32 answers;
	struct dpr_config_key key[DPR_MAX_HANDOVER_KEYS];
	u32 keys;
	__be32 group;
	u32 splice_first;
	u32 splice_last;
	u32 max_splices;
	u32 slow_start;
	u32 slow_start_jiffies;
	u32 report_max_age_jiffies;
	u32 timeout_jiffies[DPR_FLOW_MAX + 1];
	u32 life_jiffies[DPR_FLOW_MAX + 1];
	struct rcu_head rcu;
};

/**
 * dpr_config_apply_rules - replace what a service has rules of its own for
 * @cfg: a copy of the configuration
 * @rules: the service's rules
 */
static inline void dpr_config_apply_rules(struct dpr_config *cfg,
					  const struct dpr_rules *rules)
{
	if (rules->own & DPR_RULE_POLICY)
		cfg->policy = rules->policy;
	if (rules->own & DPR_RULE_HASH)
		cfg->hash = rules->hash;
	if (rules->own & DPR_RULE_MAX_LOAD)
		cfg->max_load = rules->max_load;
	if (rules->own & DPR_RULE_AFFINITY)
		cfg->affinity = rules->affinity;
	if (rules->own & DPR_RULE_AFFINITY_TIME)
		cfg->affinity_time = rules->affinity_time;
	if (rules->own & DPR_RULE_AFFINITY6)
		cfg->affinity6 = rules->affinity6;
	if (rules->own & DPR_RULE_LOAD)
		cfg->load = rules->load;
	if (rules->own & DPR_RULE_FORWARDING)
		cfg->forwarding = rules->forwarding;
	if (rules->own & DPR_RULE_DISPATCH)
		cfg->dispatch = rules->dispatch;
}

/**
 * dpr_config_connection_load - load that one connection adds to its host
 * @cfg: the configuration
 *
 * It is one in ESTABLISHED, and one socket.
 */
static inline u64 dpr_config_connection_load(const struct dpr_config *cfg)
{
	return (u64)cfg->metric_weight[DPR_METRIC_CONNECTIONS] +
	       cfg->metric_weight[DPR_METRIC_SOCKETS];
}

int dpr_config_setup(struct dpr_net *dn);
void dpr_config_teardown(struct dpr_net *dn);
struct dpr_config *dpr_config_copy(struct dpr_net *dn);
int dpr_config_check_address(struct dpr_net *dn, const struct dpr_addr *address);
int dpr_config_apply(struct dpr_net *dn, struct dpr_config *cfg);
int dpr_config_add_service(struct dpr_net *dn,
			   const struct dpr_service *service);
int dpr_config_set_service(struct dpr_net *dn,
			   const struct dpr_service *service);
int dpr_config_set_ruleset(struct dpr_net *dn, const struct dpr_service *service,
			   struct dpr_ruleset *ruleset);
int dpr_config_del_service(struct dpr_net *dn,
			   const struct dpr_service *service);

#endif /* _DPR_CONFIG_H */
