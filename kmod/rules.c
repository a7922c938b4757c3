// SPDX-License-Identifier: GPL-2.0
#include <linux/hash.h>
#include "config.h"
#include "core/affinity.h"
#include "core/choose.h"
#include "core/parse.h"
#include "core/policy.h"
#include "core/rule.h"
#include "decide.h"
#include "dpr.h"
#include "load_table.h"
#include "netns.h"
#include "peer.h"
#include "rules.h"
#include "ruleset.h"
#include "service.h"

/**
 * dpr_rules_decide - the group that a connection goes to
 * @service: its service, under RCU
 * @buf: what the client has sent so far, from its first byte on, in one piece
 * @len: its length; what is beyond DPR_REQUEST_MAX is not looked at
 * @final: no more will come in time
 * @result: set
 *
 * It begins anew with the first byte each time, so the caller bounds how often it asks
 * for one connection. Called under RCU in any context.
 *
 * Return: dpr_rules_result.outcome. If it is not DPR_RULES_MORE, dpr_rules_host() finds
 * the host, also if no rule matches.
 */
enum dpr_rules_outcome dpr_rules_decide(const struct dpr_service *service,
					const u8 *buf, size_t len, bool final,
					struct dpr_rules_result *result)
{
	const struct dpr_ruleset *ruleset = service->ruleset;

	if (ruleset) {
		dpr_rule_decide(&ruleset->set, buf,
				min_t(size_t, len, DPR_REQUEST_MAX), final,
				result);
		return result->outcome;
	}
	*result = (struct dpr_rules_result){
		.outcome = DPR_RULES_NO_MATCH,
		.rule = DPR_RULES_NONE,
		.group = DPR_RULES_NONE,
	};
	return DPR_RULES_NO_MATCH;
}

/* The address of a member of a group, whose record is at @at; @at is behind it then. */
static struct dpr_addr dpr_rules_member(const struct dpr_rule_set *set, u32 *at)
{
	const u8 *value = set->records + *at + 2;
	const u8 len = set->records[*at + 1];
	struct dpr_addr address;
	__be32 ip;

	*at += 2 + len;
	if (len == sizeof(address)) {
		memcpy(&address, value, sizeof(address));
		return address;
	}
	memcpy(&ip, value, sizeof(ip));
	return dpr_addr_of4(ip);
}

/* Where the peer of an address is among those that can be chosen; -1: nowhere. */
static int dpr_rules_slot(struct dpr_net *dn, const struct dpr_table *table,
			  const struct dpr_addr *address)
{
	const struct dpr_peer *peer = dpr_peer_find(dn, address);
	u32 slot;

	if (!peer || !table)
		return -1;
	slot = READ_ONCE(peer->slot);
	return slot < table->order.n && table->peer[slot] == peer ? slot : -1;
}

/* The group's hosts; @peer has room for DPR_MAX_RULES_MEMBERS. */
static void dpr_rules_members(struct dpr_net *dn, const struct dpr_config *cfg,
			      const struct dpr_table *table,
			      const struct dpr_rule_set *set,
			      const struct dpr_rule_group *group, u32 *peer,
			      struct dpr_choose *choose)
{
	u32 at = group->members, i;

	choose->n = 0;
	choose->own = false;
	choose->peer = peer;
	for (i = 0; i < group->hosts; i++) {
		const struct dpr_addr address = dpr_rules_member(set, &at);
		int slot;

		if (dpr_addr_equal(&address, &cfg->address)) {
			choose->own = true;
			continue;
		}
		slot = dpr_rules_slot(dn, table, &address);
		if (slot >= 0)
			peer[choose->n++] = slot;
	}
}

/**
 * dpr_rules_keeps - is this host as good as any for the next request of a connection
 * @cfg: the service's configuration
 * @service: the service, under RCU
 * @result: as dpr_rules_decide() set it for the request; its outcome is not DPR_RULES_MORE
 *
 * So it is if it is one of the group's, and the group chooses by load alone.
 */
bool dpr_rules_keeps(const struct dpr_config *cfg,
		     const struct dpr_service *service,
		     const struct dpr_rules_result *result)
{
	const struct dpr_ruleset *ruleset = service->ruleset;
	struct dpr_rule_group group;
	u32 at, i;

	if (!ruleset || result->group >= ruleset->set.index.groups)
		return true;
	group = dpr_rule_group(&ruleset->set, result->group);
	if (group.policy == DPR_RULES_POLICY_STATELESS ||
	    (group.policy == DPR_RULES_POLICY_LOCALITY && result->hashed))
		return false;
	at = group.members;
	for (i = 0; i < group.hosts; i++) {
		const struct dpr_addr member = dpr_rules_member(&ruleset->set, &at);

		if (dpr_addr_equal(&member, &cfg->address))
			return true;
	}
	return !group.hosts;
}

/**
 * dpr_rules_has - is an address one of a group's
 * @service: the service, under RCU
 * @group: the group's number; if there is none such, it has all
 * @address: the address
 */
bool dpr_rules_has(const struct dpr_service *service, u32 group,
		   const struct dpr_addr *address)
{
	const struct dpr_ruleset *ruleset = service->ruleset;
	struct dpr_rule_group of;
	u32 at, i;

	if (!ruleset || group >= ruleset->set.index.groups)
		return true;
	of = dpr_rule_group(&ruleset->set, group);
	at = of.members;
	for (i = 0; i < of.hosts; i++) {
		const struct dpr_addr member = dpr_rules_member(&ruleset->set, &at);

		if (dpr_addr_equal(&member, address))
			return true;
	}
	return !of.hosts;
}

/*
 * What a backend of the group must be below: it competes with hosts that are chosen by their
 * load, and has what nobody else can.
 */
static u64 dpr_rules_below(const struct dpr_policy_args *args,
			   const struct dpr_order *order,
			   const struct dpr_choose *choose, u32 host)
{
	if (host == DPR_CHOOSE_NOBODY)
		return ~0ULL;
	if (choose->policy == DPR_RULES_POLICY_STATELESS ||
	    choose->policy == DPR_RULES_POLICY_LOCALITY ||
	    (host == order->n && args->max_load != DPR_MAX_LOAD_AUTO &&
	     args->own_load < args->max_load))
		return 0;
	return dpr_decide_below_host(args, order, host);
}

/* What the stateless policy goes by: it is the same on all hosts. */
static u64 dpr_rules_client(const struct dpr_config *cfg,
			    const struct dpr_flow_key *key)
{
	u64 client = 0;

	if (cfg->hash != DPR_HASH_PORT)
		client = dpr_affinity_client(&key->client,
					     dpr_addr_is4(&key->client) ?
					     DPR_AFFINITY_BITS :
					     DPR_AFFINITY_BITS6, 0, 0);
	return client ^ ntohs(key->client_port) * GOLDEN_RATIO_64;
}

/**
 * dpr_rules_host - the host that gets a connection, by its group
 * @dn: the namespace
 * @cfg: the service's configuration
 * @service: the service, under RCU
 * @key: the connection
 * @result: as dpr_rules_decide() set it; its outcome is not DPR_RULES_MORE
 * @able: this host can serve it
 * @avoid: dpr_addr_id() of the peer that has just refused it; 0: none
 * @peer: set to the peer; NULL: this host
 * @below: if there is a group, set to the load per capacity that a backend of it must be below
 *	to get the connection instead; 0: none can. May be NULL
 *
 * If the rules have changed since they were asked, another of their groups may be chosen.
 * Called under RCU in softirq, or with bottom halves off.
 *
 * Return: false if there is no group, or none of its hosts can get the connection: then
 * the service's policy decides, as it does where it is DPR_POLICY_OFF.
 */
bool dpr_rules_host(struct dpr_net *dn, const struct dpr_config *cfg,
		    const struct dpr_service *service,
		    const struct dpr_flow_key *key,
		    const struct dpr_rules_result *result, bool able, u32 avoid,
		    struct dpr_peer **peer, u64 *below)
{
	const struct dpr_table *table = rcu_dereference(dn->table);
	const struct dpr_ruleset *ruleset = service->ruleset;
	struct dpr_choose choose = { .own = true };
	u32 members[DPR_MAX_RULES_MEMBERS], host;
	const struct dpr_order *order;
	struct dpr_policy_args args;
	struct dpr_rule_group group;

	if (!ruleset || cfg->policy == DPR_POLICY_OFF ||
	    result->group >= ruleset->set.index.groups)
		return false;
	group = dpr_rule_group(&ruleset->set, result->group);
	/* With this policy there is a random number for those of the groups. */
	order = dpr_decide_args(dn, cfg, table, DPR_POLICY_OFFER, &key->client,
				key, service, able, &args);
	args.avoid = avoid;
	choose.n = order->n;
	choose.policy = group.policy;
	choose.spill = group.spill;
	choose.id = dpr_addr_id(&cfg->address);
	choose.hash = result->hash;
	if (group.policy == DPR_RULES_POLICY_LOCALITY && !result->hashed)
		choose.policy = DPR_RULES_POLICY_LOWEST;
	if (group.policy == DPR_RULES_POLICY_STATELESS)
		choose.hash = dpr_rules_client(cfg, key);
	if (group.hosts)
		dpr_rules_members(dn, cfg, table, &ruleset->set, &group, members,
				  &choose);
	host = dpr_choose_host(&args, order, &choose);
	if (below)
		*below = dpr_rules_below(&args, order, &choose, host);
	if (host == DPR_CHOOSE_NOBODY)
		return false;
	*peer = host < order->n ? table->peer[host] : NULL;
	return true;
}
