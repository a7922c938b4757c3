// SPDX-License-Identifier: GPL-2.0
#include <linux/jiffies.h>
#include <linux/slab.h>
#include "config.h"
#include "core/policy.h"
#include "dpr.h"
#include "handover.h"
#include "hook.h"
#include "load.h"
#include "load_table.h"
#include "local.h"
#include "members.h"
#include "migrate_watch.h"
#include "netns.h"
#include "open.h"
#include "owner_table.h"
#include "peer.h"
#include "service.h"

static const struct dpr_config dpr_config_defaults = {
	.metric_weight[DPR_METRIC_CONNECTIONS] = 1,
	.weight = 1,
	.affinity6 = 64,
	.max_flows = 1 << 20,
	.splice_first = 61000,
	.splice_last = U16_MAX,
	.max_splices = 1 << 16,
	.report_max_age = 3 * MSEC_PER_SEC,
	.timeout = {
		[DPR_FLOW_SYN] = 60 * MSEC_PER_SEC,
		/* RFC 5382, REQ-5: at least 2 hours and 4 minutes. */
		[DPR_FLOW_ESTABLISHED] = 7440 * MSEC_PER_SEC,
		[DPR_FLOW_FIN] = 120 * MSEC_PER_SEC,
		[DPR_FLOW_RST] = 10 * MSEC_PER_SEC,
	},
};

/* Computes the members that follow from the others. */
static void dpr_config_finish(struct dpr_config *cfg)
{
	u32 i;

	cfg->report_max_age_jiffies = msecs_to_jiffies(cfg->report_max_age);
	cfg->slow_start_jiffies = msecs_to_jiffies(cfg->slow_start);
	for (i = 0; i <= DPR_FLOW_RST; i++)
		cfg->timeout_jiffies[i] = msecs_to_jiffies(cfg->timeout[i]);
	cfg->timeout_jiffies[DPR_FLOW_ENDED] =
		cfg->timeout_jiffies[DPR_FLOW_RST];
	for (i = 0; i <= DPR_FLOW_MAX; i++)
		cfg->life_jiffies[i] = cfg->timeout_jiffies[i];
	/* A FIN or RST may be forged: it must not shorten the flow's life. */
	cfg->life_jiffies[DPR_FLOW_FIN] =
		max(cfg->timeout_jiffies[DPR_FLOW_FIN],
		    cfg->timeout_jiffies[DPR_FLOW_ESTABLISHED]);
	cfg->life_jiffies[DPR_FLOW_RST] =
		max(cfg->timeout_jiffies[DPR_FLOW_RST],
		    cfg->timeout_jiffies[DPR_FLOW_ESTABLISHED]);
}

/**
 * dpr_config_setup - give a namespace the default configuration
 * @dn: the namespace
 *
 * Return: 0 or -ENOMEM.
 */
int dpr_config_setup(struct dpr_net *dn)
{
	struct dpr_config *cfg = kmemdup(&dpr_config_defaults, sizeof(*cfg),
					 GFP_KERNEL);

	if (!cfg)
		return -ENOMEM;
	dpr_config_finish(cfg);
	RCU_INIT_POINTER(dn->config, cfg);
	return 0;
}

/**
 * dpr_config_teardown - free the configuration
 * @dn: the namespace; nothing runs in it any more
 */
void dpr_config_teardown(struct dpr_net *dn)
{
	kfree(rcu_dereference_protected(dn->config, true));
}

/**
 * dpr_config_copy - copy the current configuration, to change the copy
 * @dn: the namespace; its lock is held
 *
 * Return: the copy, for dpr_config_apply() or kfree(); NULL if there is no
 * memory.
 */
struct dpr_config *dpr_config_copy(struct dpr_net *dn)
{
	const struct dpr_config *cfg =
		rcu_dereference_protected(dn->config,
					  lockdep_is_held(&dn->lock));

	return kmemdup(cfg, sizeof(*cfg), GFP_KERNEL_ACCOUNT);
}

/* Does this host have the address, in a VRF or not? */
static bool dpr_config_local(struct dpr_net *dn, const struct dpr_addr *address)
{
	bool local;

	rcu_read_lock();
	local = dpr_addr_is4(address) ?
		__ip_dev_find(dn->net, address->word[3], false) :
		dpr_local_dev6(dn->net, address);
	rcu_read_unlock();
	return local;
}

/**
 * dpr_config_check_address - can an address become this host's
 * @dn: the namespace; its lock is held
 * @address: the address
 *
 * Return: 0, -EADDRNOTAVAIL if this host does not have it, -EEXIST if it is a
 * peer's.
 */
int dpr_config_check_address(struct dpr_net *dn,
			     const struct dpr_addr *address)
{
	if (!dpr_local_unicast(address) || !dpr_config_local(dn, address))
		return -EADDRNOTAVAIL;
	return dpr_peer_find(dn, address) ? -EEXIST : 0;
}

/*
 * The questions to peers need a table, from the first time they may be put: about
 * orphans, and about connections that follow a hash while the hosts change.
 */
static int dpr_config_owners(struct dpr_net *dn, const struct dpr_config *cfg,
			     const struct dpr_services *services)
{
	bool may = cfg->orphans == DPR_ORPHANS_ASK ||
		   cfg->policy == DPR_POLICY_STATELESS;
	struct dpr_owner_table *table;
	u32 i;

	for (i = 0; services && i < services->n; i++)
		may |= dpr_service_config(&services->service[i], cfg)->policy ==
		       DPR_POLICY_STATELESS;
	if (!may || rcu_access_pointer(dn->owners))
		return 0;
	table = dpr_owner_alloc(dn);
	if (!table)
		return -ENOMEM;
	rcu_assign_pointer(dn->owners, table);
	return 0;
}

/*
 * Peers that are configured as this host may send clients' packets as they are from now
 * on. They may go on with that when this host no longer does.
 */
static void dpr_config_direct(struct dpr_net *dn, const struct dpr_config *cfg,
			      const struct dpr_services *services)
{
	bool may = cfg->forwarding != DPR_FORWARDING_IPIP;
	u32 i;

	for (i = 0; services && i < services->n; i++)
		may |= dpr_service_config(&services->service[i], cfg)->forwarding !=
		       DPR_FORWARDING_IPIP;
	if (may)
		WRITE_ONCE(dn->direct, true);
}

/* The first service that is placed by its data needs a table, too. */
static int dpr_config_handovers(struct dpr_net *dn, const struct dpr_config *cfg,
				const struct dpr_services *services)
{
	u32 most = DPR_DISPATCH_SYN;
	int err = 0;
	u32 i;

	for (i = 0; services && i < services->n; i++)
		most = max(most, dpr_service_config(&services->service[i],
						    cfg)->dispatch);
	if (most >= DPR_DISPATCH_CONNECTION)
		err = dpr_handover_setup(dn);
	if (!err && most >= DPR_DISPATCH_REQUEST)
		err = dpr_migrate_watch_setup(dn);
	return err;
}

/**
 * dpr_config_apply - publish a changed configuration
 * @dn: the namespace; its lock is held
 * @cfg: a changed copy of the current one, valid; taken over on success
 *
 * Return: 0, -ENOMEM, or what registering a hook returned. On error nothing changed.
 */
int dpr_config_apply(struct dpr_net *dn, struct dpr_config *cfg)
{
	struct dpr_services *services;
	struct dpr_config *old;
	int err;

	dpr_config_finish(cfg);
	services = dpr_service_configured(dn, cfg);
	if (IS_ERR(services))
		return PTR_ERR(services);
	err = dpr_config_owners(dn, cfg, services);
	if (err) {
		kvfree(services);
		return err;
	}
	if (cfg->answers == DPR_ANSWERS_THROUGH && dn->hooked)
		err = dpr_hook_through(dn);
	if (err) {
		kvfree(services);
		return err;
	}
	old = rcu_replace_pointer(dn->config, cfg, lockdep_is_held(&dn->lock));
	kfree_rcu(old, rcu);
	if (cfg->answers != DPR_ANSWERS_THROUGH)
		dpr_hook_not_through(dn);
	dpr_config_direct(dn, cfg, services);
	if (services)
		dpr_service_publish(dn, services);
	dpr_load_changed(dn);
	dpr_table_reweigh(dn);
	dpr_members_update(dn);
	return 0;
}

/* Publishes services that were made, if the hooks run and there is memory. */
static int dpr_config_services(struct dpr_net *dn, struct dpr_services *new)
{
	const struct dpr_config *cfg =
		rcu_dereference_protected(dn->config,
					  lockdep_is_held(&dn->lock));
	int err;

	if (IS_ERR(new))
		return PTR_ERR(new);
	err = dpr_config_owners(dn, cfg, new);
	if (!err)
		err = dpr_config_handovers(dn, cfg, new);
	if (!err)
		err = dpr_service_tallies(dn, new);
	if (!err && new)
		err = dpr_hook_start(dn);
	if (!err && rcu_access_pointer(dn->watch))
		err = dpr_hook_watch(dn);
	if (err) {
		kvfree(new);
		return err;
	}
	dpr_config_direct(dn, cfg, new);
	dpr_service_publish(dn, new);
	dpr_members_update(dn);
	return 0;
}

/**
 * dpr_config_add_service - add a service and start looking at its packets
 * @dn: the namespace; its lock is held
 * @service: the service, with its rules; its port is not 0
 *
 * Return: 0, -EEXIST, -ENOSPC beyond DPR_MAX_SERVICES, -E2BIG beyond
 * DPR_MAX_SERVICE_LOADS, -ENOMEM, or what registering the hooks returned. On error
 * nothing changed.
 */
int dpr_config_add_service(struct dpr_net *dn,
			   const struct dpr_service *service)
{
	int err = dpr_config_services(dn, dpr_service_with(dn, service));

	if (!err)
		dpr_open_count(dn);
	return err;
}

/**
 * dpr_config_set_service - give a service other rules
 * @dn: the namespace; its lock is held
 * @service: the service, with its rules
 *
 * Return: 0, -ENOENT, -E2BIG beyond DPR_MAX_SERVICE_LOADS, or -ENOMEM. On error nothing changed.
 */
int dpr_config_set_service(struct dpr_net *dn,
			   const struct dpr_service *service)
{
	return dpr_config_services(dn, dpr_service_changed(dn, service));
}

/**
 * dpr_config_set_ruleset - give a service other rules by what is asked for
 * @dn: the namespace; its lock is held
 * @service: the service
 * @ruleset: the rules, taken over on success; NULL: none
 *
 * Return: 0, -ENOENT or -ENOMEM. On error nothing changed.
 */
int dpr_config_set_ruleset(struct dpr_net *dn, const struct dpr_service *service,
			   struct dpr_ruleset *ruleset)
{
	return dpr_config_services(dn, dpr_service_ruled(dn, service, ruleset));
}

/**
 * dpr_config_del_service - remove a service
 * @dn: the namespace; its lock is held
 * @service: the service
 *
 * Return: 0, -ENOENT or -ENOMEM. On error nothing changed.
 */
int dpr_config_del_service(struct dpr_net *dn,
			   const struct dpr_service *service)
{
	int err = dpr_config_services(dn, dpr_service_without(dn, service));

	if (!err)
		dpr_open_count(dn);
	return err;
}
