// SPDX-License-Identifier: GPL-2.0
/* Distributed Packet Rewriting: the module and its namespaces. */
#include <linux/module.h>
#include <linux/slab.h>
#include <net/netns/generic.h>
#include "ended.h"
#include "flow.h"
#include "genl.h"
#include "hook.h"
#include "listener.h"
#include "load.h"
#include "main.h"
#include "members.h"
#include "owner.h"
#include "peer.h"
#include "quota.h"
#include "sweep.h"
#include "service.h"

static unsigned int dpr_main_id __read_mostly;

static const struct dpr_config dpr_main_defaults = {
	.metric_weight[DPR_METRIC_CONNECTIONS] = 1,
	.weight = 1,
	.max_flows = 1 << 20,
	.report_max_age = 3 * MSEC_PER_SEC,
	.timeout = {
		[DPR_FLOW_SYN] = 60 * MSEC_PER_SEC,
		/* RFC 5382, REQ-5: at least 2 hours and 4 minutes. */
		[DPR_FLOW_ESTABLISHED] = 7440 * MSEC_PER_SEC,
		[DPR_FLOW_FIN] = 120 * MSEC_PER_SEC,
		[DPR_FLOW_RST] = 10 * MSEC_PER_SEC,
	},
};

/**
 * dpr_main_net - the state of a namespace
 * @net: the namespace
 */
struct dpr_net *dpr_main_net(struct net *net)
{
	return net_generic(net, dpr_main_id);
}

/**
 * dpr_main_hook - start looking at a namespace's packets, if not begun yet
 * @dn: the namespace; its lock is held
 *
 * Return: 0 or a negative errno.
 */
int dpr_main_hook(struct dpr_net *dn)
{
	int err;

	if (dn->hooked)
		return 0;
	err = dpr_hook_register(dn);
	dn->hooked = !err;
	if (!err)
		dpr_sweep_start(dn);
	return err;
}

static int __net_init dpr_main_net_init(struct net *net)
{
	struct dpr_net *dn = dpr_main_net(net);
	struct dpr_config *cfg;
	int err = -ENOMEM;

	dn->net = net;
	mutex_init(&dn->lock);
	dpr_quota_setup(dn);
	dpr_sweep_setup(dn);
	dpr_ended_setup(dn);
	dpr_listener_setup(dn);
	cfg = kmemdup(&dpr_main_defaults, sizeof(*cfg), GFP_KERNEL);
	if (!cfg)
		return -ENOMEM;
	dpr_genl_config_finish(cfg);
	RCU_INIT_POINTER(dn->config, cfg);
	dn->stats = dpr_stats_alloc();
	if (!dn->stats)
		goto err_config;
	err = dpr_peer_setup(dn);
	if (err)
		goto err_stats;
	err = dpr_flow_setup(dn);
	if (err)
		goto err_peer;
	return 0;

err_peer:
	dpr_peer_teardown(dn);
err_stats:
	free_percpu(dn->stats);
err_config:
	kfree(cfg);
	return err;
}

/* The core waits for an RCU grace period between this and the next. */
static void __net_exit dpr_main_net_pre_exit(struct net *net)
{
	struct dpr_net *dn = dpr_main_net(net);

	if (dn->hooked)
		dpr_hook_unregister_in(dn);
}

static void __net_exit dpr_main_net_exit(struct net *net)
{
	struct dpr_net *dn = dpr_main_net(net);

	if (dn->hooked)
		dpr_hook_unregister_out(dn);
	dpr_sweep_teardown(dn);
	dpr_listener_teardown(dn);
	dpr_ended_teardown(dn);
	dpr_owner_teardown(dn);
	dpr_flow_teardown(dn);
	dpr_members_teardown(dn);
	dpr_peer_teardown(dn);
	dpr_service_teardown(dn);
	dpr_quota_teardown(dn);
	free_percpu(dn->stats);
	kfree(rcu_dereference_protected(dn->config, true));
}

static struct pernet_operations dpr_main_net_ops = {
	.init = dpr_main_net_init,
	.pre_exit = dpr_main_net_pre_exit,
	.exit = dpr_main_net_exit,
	.id = &dpr_main_id,
	.size = sizeof(struct dpr_net),
};

static int __init dpr_main_init(void)
{
	int err;

	err = dpr_flow_init();
	if (err)
		return err;
	err = register_pernet_subsys(&dpr_main_net_ops);
	if (err)
		goto err_flow;
	dpr_load_init();
	err = dpr_genl_init();
	if (err)
		goto err_load;
	return 0;

err_load:
	dpr_load_exit();
	unregister_pernet_subsys(&dpr_main_net_ops);
err_flow:
	dpr_flow_exit();
	return err;
}

static void __exit dpr_main_exit(void)
{
	dpr_genl_exit();
	dpr_load_exit();
	unregister_pernet_subsys(&dpr_main_net_ops);
	dpr_flow_exit();
}

module_init(dpr_main_init);
module_exit(dpr_main_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Distributed Packet Rewriting");
MODULE_VERSION(DPR_VERSION);
