// SPDX-License-Identifier: GPL-2.0
/* The family: its operations, load and counters. */
#include <net/genetlink.h>
#include "config.h"
#include "core/policy.h"
#include "dpr.h"
#include "genl.h"
#include "genl_msg.h"
#include "load.h"
#include "netns.h"
#include "splice_table.h"
#include "stats.h"

static int dpr_genl_load_get(struct sk_buff *skb, struct genl_info *info)
{
	struct dpr_net *dn = dpr_netns(genl_info_net(info));
	u32 metric[DPR_METRICS];
	struct sk_buff *msg;
	void *header;
	u64 load;

	dpr_load_metrics(dn, metric);
	rcu_read_lock();
	load = dpr_policy_load(metric,
			       rcu_dereference(dn->config)->metric_weight);
	rcu_read_unlock();
	msg = dpr_genl_msg_reply(info, &header);
	if (!msg)
		return -ENOMEM;
	if (nla_put_u32(msg, DPR_LOAD_A_CONNECTIONS,
			metric[DPR_METRIC_CONNECTIONS]) ||
	    nla_put_u32(msg, DPR_LOAD_A_CPU, metric[DPR_METRIC_CPU]) ||
	    nla_put_u32(msg, DPR_LOAD_A_REDIRECTED,
			metric[DPR_METRIC_REDIRECTED]) ||
	    nla_put_u32(msg, DPR_LOAD_A_SOCKETS, metric[DPR_METRIC_SOCKETS]) ||
	    nla_put_u64_64bit(msg, DPR_LOAD_A_LOAD, load, DPR_LOAD_A_PAD)) {
		nlmsg_free(msg);
		return -EMSGSIZE;
	}
	genlmsg_end(msg, header);
	return genlmsg_reply(msg, info);
}

static u64 dpr_genl_stat(struct dpr_net *dn, enum dpr_stat stat)
{
	switch (stat) {
	case DPR_STAT_FLOWS:
		return max(atomic_read(&dn->flow_count), 0);
	case DPR_STAT_FLOWS_LIVE:
		return max(atomic_read(&dn->live), 0);
	case DPR_STAT_SPLICES:
		return dpr_splice_table_count(dn);
	default:
		return dpr_stats_sum(dn->stats, stat);
	}
}

static int dpr_genl_stats_get(struct sk_buff *skb, struct genl_info *info)
{
	struct dpr_net *dn = dpr_netns(genl_info_net(info));
	struct sk_buff *msg;
	void *header;
	u32 stat;

	msg = dpr_genl_msg_reply(info, &header);
	if (!msg)
		return -ENOMEM;
	for (stat = DPR_STAT_UNSPEC + 1; stat < DPR_STAT_PAD; stat++) {
		if (nla_put_u64_64bit(msg, stat, dpr_genl_stat(dn, stat),
				      DPR_STAT_PAD)) {
			nlmsg_free(msg);
			return -EMSGSIZE;
		}
	}
	genlmsg_end(msg, header);
	return genlmsg_reply(msg, info);
}

/* Of commands that take no attributes: refuses all there are. */
static const struct nla_policy dpr_genl_no_policy[] = {
	[1] = { .type = NLA_REJECT },
};

#define DPR_GENL_OP(_cmd, _policy)			\
	.cmd = DPR_CMD_##_cmd,				\
	.flags = GENL_UNS_ADMIN_PERM,			\
	.policy = _policy,				\
	.maxattr = ARRAY_SIZE(_policy) - 1

static const struct genl_ops dpr_genl_ops[] = {
	{
		DPR_GENL_OP(CONFIG_GET, dpr_genl_no_policy),
		.doit = dpr_genl_config_get,
	}, {
		DPR_GENL_OP(CONFIG_SET, dpr_genl_config_policy),
		.doit = dpr_genl_config_set,
	}, {
		DPR_GENL_OP(SERVICE_ADD, dpr_genl_service_policy),
		.doit = dpr_genl_service_add,
	}, {
		DPR_GENL_OP(SERVICE_SET, dpr_genl_service_policy),
		.doit = dpr_genl_service_set,
	}, {
		DPR_GENL_OP(SERVICE_DEL, dpr_genl_service_del_policy),
		.doit = dpr_genl_service_del,
	}, {
		DPR_GENL_OP(SERVICE_GET, dpr_genl_no_policy),
		.dumpit = dpr_genl_service_dump,
	}, {
		DPR_GENL_OP(RULES_SET, dpr_genl_rules_policy),
		.doit = dpr_genl_rules_set,
	}, {
		DPR_GENL_OP(RULES_GET, dpr_genl_rules_get_policy),
		.doit = dpr_genl_rules_get,
	}, {
		DPR_GENL_OP(RULES_TEST, dpr_genl_rules_test_policy),
		.doit = dpr_genl_rules_test,
	}, {
		DPR_GENL_OP(BACKEND_SET, dpr_genl_backend_policy),
		.doit = dpr_genl_backend_set,
	}, {
		DPR_GENL_OP(BACKEND_DEL, dpr_genl_backend_del_policy),
		.doit = dpr_genl_backend_del,
	}, {
		DPR_GENL_OP(BACKEND_GET, dpr_genl_no_policy),
		.dumpit = dpr_genl_backend_dump,
	}, {
		DPR_GENL_OP(PEER_SET, dpr_genl_peer_policy),
		.doit = dpr_genl_peer_set,
	}, {
		DPR_GENL_OP(PEER_DEL, dpr_genl_peer_policy),
		.doit = dpr_genl_peer_del,
	}, {
		DPR_GENL_OP(PEER_GET, dpr_genl_peer_policy),
		.doit = dpr_genl_peer_get,
		.start = dpr_genl_peer_start,
		.dumpit = dpr_genl_peer_dump,
		.done = dpr_genl_peer_done,
	}, {
		DPR_GENL_OP(PEER_ASK, dpr_genl_peer_policy),
		.doit = dpr_genl_peer_ask,
	}, {
		DPR_GENL_OP(FLOW_GET, dpr_genl_flow_policy),
		.start = dpr_genl_flow_start,
		.dumpit = dpr_genl_flow_dump,
		.done = dpr_genl_flow_done,
	}, {
		DPR_GENL_OP(FLOW_DEL, dpr_genl_flow_policy),
		.doit = dpr_genl_flow_del,
	}, {
		DPR_GENL_OP(EXPIRE, dpr_genl_expire_policy),
		.doit = dpr_genl_expire,
	}, {
		DPR_GENL_OP(LOAD_GET, dpr_genl_no_policy),
		.doit = dpr_genl_load_get,
	}, {
		DPR_GENL_OP(STATS_GET, dpr_genl_no_policy),
		.doit = dpr_genl_stats_get,
	},
};

/**
 * dpr_genl_init - offer the family
 *
 * Return: 0 or a negative errno.
 */
int __init dpr_genl_init(void)
{
	dpr_genl_family.ops = dpr_genl_ops;
	dpr_genl_family.n_ops = ARRAY_SIZE(dpr_genl_ops);
	return genl_register_family(&dpr_genl_family);
}

/** dpr_genl_exit - take the family away; no operation runs afterwards */
void dpr_genl_exit(void)
{
	genl_unregister_family(&dpr_genl_family);
}
