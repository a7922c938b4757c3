// SPDX-License-Identifier: GPL-2.0
/* Distributed Packet Rewriting: the module and its namespaces. */
#include <linux/module.h>
#include <linux/random.h>
#include "backend.h"
#include "closing.h"
#include "config.h"
#include "conntrack.h"
#include "expire.h"
#include "flow.h"
#include "genl.h"
#include "handover_table.h"
#include "hook.h"
#include "listener.h"
#include "load.h"
#include "members.h"
#include "migrate.h"
#include "migrate_watch.h"
#include "miss.h"
#include "netns.h"
#include "open.h"
#include "owner_table.h"
#include "peer.h"
#include "probe.h"
#include "quota.h"
#include "service.h"
#include "splice_table.h"
#include "stats.h"
#include "steer.h"
#include "sweep.h"
#include "xdp_btf.h"

static int __net_init dpr_main_net_init(struct net *net)
{
	struct dpr_net *dn = dpr_netns(net);
	int err;

	dn->net = net;
	dn->secret = get_random_u32();
	mutex_init(&dn->lock);
	dpr_quota_setup(dn);
	dpr_miss_setup(dn);
	dpr_open_setup(dn);
	dpr_sweep_setup(dn);
	dpr_probe_setup(dn);
	dpr_closing_setup(dn);
	dpr_listener_setup(dn);
	dpr_migrate_setup(dn);
	err = dpr_config_setup(dn);
	if (err)
		return err;
	dn->stats = dpr_stats_alloc();
	if (!dn->stats) {
		err = -ENOMEM;
		goto err_config;
	}
	err = dpr_peer_setup(dn);
	if (err)
		goto err_stats;
	err = dpr_flow_setup(dn);
	if (err)
		goto err_peer;
	dpr_expire_setup(dn);
	return 0;

err_peer:
	dpr_peer_teardown(dn);
err_stats:
	free_percpu(dn->stats);
err_config:
	dpr_config_teardown(dn);
	return err;
}

/* The core waits for an RCU grace period between this and the next. */
static void __net_exit dpr_main_net_pre_exit(struct net *net)
{
	struct dpr_net *dn = dpr_netns(net);

	if (dn->hooked)
		dpr_hook_unregister_in(dn);
}

static void __net_exit dpr_main_net_exit(struct net *net)
{
	struct dpr_net *dn = dpr_netns(net);

	if (dn->hooked)
		dpr_hook_unregister_out(dn);
	dpr_steer_teardown(dn);
	dpr_sweep_teardown(dn);
	dpr_probe_teardown(dn);
	dpr_listener_teardown(dn);
	dpr_migrate_teardown(dn);
	dpr_closing_teardown(dn);
	dpr_owner_teardown(dn);
	dpr_handover_table_teardown(dn);
	dpr_migrate_watch_teardown(dn);
	dpr_splice_table_teardown(dn);
	dpr_backend_teardown(dn);
	/* From here on nothing is sent. */
	if (dn->hooked)
		dpr_hook_drop(dn);
	dpr_expire_teardown(dn);
	dpr_flow_teardown(dn);
	dpr_members_teardown(dn);
	dpr_peer_teardown(dn);
	dpr_open_teardown(dn);
	dpr_service_teardown(dn);
	dpr_quota_teardown(dn);
	free_percpu(dn->stats);
	dpr_config_teardown(dn);
}

static struct pernet_operations dpr_main_net_ops = {
	.init = dpr_main_net_init,
	.pre_exit = dpr_main_net_pre_exit,
	.exit = dpr_main_net_exit,
	.id = &dpr_netns_id,
	.size = sizeof(struct dpr_net),
};

static int __init dpr_main_init(void)
{
	int err;

	err = dpr_conntrack_init();
	if (err)
		return err;
	err = dpr_flow_init();
	if (err)
		goto err_conntrack;
	err = dpr_handover_table_init();
	if (err)
		goto err_flow;
	err = dpr_splice_table_init();
	if (err)
		goto err_handover;
	err = register_pernet_subsys(&dpr_main_net_ops);
	if (err)
		goto err_splice;
	err = dpr_open_init();
	if (err)
		goto err_net;
	dpr_load_init();
	err = dpr_genl_init();
	if (err)
		goto err_load;
	dpr_xdp_btf_init();
	return 0;

err_load:
	dpr_load_exit();
	dpr_open_exit();
err_net:
	unregister_pernet_subsys(&dpr_main_net_ops);
err_splice:
	dpr_splice_table_exit();
err_handover:
	dpr_handover_table_exit();
err_flow:
	dpr_flow_exit();
err_conntrack:
	dpr_conntrack_exit();
	return err;
}

static void __exit dpr_main_exit(void)
{
	dpr_genl_exit();
	dpr_load_exit();
	dpr_open_exit();
	unregister_pernet_subsys(&dpr_main_net_ops);
	dpr_splice_table_exit();
	dpr_handover_table_exit();
	dpr_flow_exit();
	dpr_conntrack_exit();
}

module_init(dpr_main_init);
module_exit(dpr_main_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Distributed Packet Rewriting");
MODULE_VERSION(DPR_VERSION);
