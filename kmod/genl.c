// SPDX-License-Identifier: GPL-2.0
/* The family: its operations, services, load and counters. */
#include <linux/inetdevice.h>
#include <net/genetlink.h>
#include "config.h"
#include "core/policy.h"
#include "dpr.h"
#include "event.h"
#include "genl.h"
#include "genl_msg.h"
#include "load.h"
#include "netns.h"
#include "open.h"
#include "service.h"
#include "stats.h"

static int dpr_genl_service(struct genl_info *info,
			    struct dpr_service *service)
{
	int err = dpr_genl_msg_need(info, DPR_SERVICE_A_PORT,
				    "a service needs a port");

	if (err)
		return err;
	*service = (struct dpr_service){
		.port = nla_get_u16(info->attrs[DPR_SERVICE_A_PORT]),
	};
	if (!service->port)
		return dpr_genl_msg_refuse(info, DPR_SERVICE_A_PORT,
					   "port must be 1 to 65535", -EINVAL);
	if (info->attrs[DPR_SERVICE_A_ADDRESS])
		service->address =
			nla_get_in_addr(info->attrs[DPR_SERVICE_A_ADDRESS]);
	if (service->address &&
	    (ipv4_is_multicast(service->address) ||
	     ipv4_is_lbcast(service->address) ||
	     ipv4_is_loopback(service->address) ||
	     ipv4_is_zeronet(service->address)))
		return dpr_genl_msg_refuse(info, DPR_SERVICE_A_ADDRESS,
					   "service address must be unicast",
					   -EINVAL);
	return 0;
}

static int dpr_genl_service_add(struct sk_buff *skb, struct genl_info *info)
{
	struct dpr_net *dn = dpr_netns(genl_info_net(info));
	struct dpr_service service;
	const struct dpr_config *cfg;
	int err = dpr_genl_service(info, &service);

	if (err)
		return err;
	mutex_lock(&dn->lock);
	cfg = rcu_dereference_protected(dn->config, lockdep_is_held(&dn->lock));
	err = cfg->address ? dpr_config_add_service(dn, &service) : -EDESTADDRREQ;
	mutex_unlock(&dn->lock);
	switch (err) {
	case 0:
		dpr_event_notify(dn, DPR_EVENT_CONFIG);
		return 0;
	case -EDESTADDRREQ:
		return dpr_genl_msg_refuse(info, 0,
					   "set this host's address first", err);
	case -EEXIST:
		return dpr_genl_msg_refuse(info, DPR_SERVICE_A_PORT,
					   "the service is there already", err);
	case -ENOSPC:
		return dpr_genl_msg_refuse(info, 0, "no more than 256 services",
					   err);
	default:
		return err;
	}
}

static int dpr_genl_service_del(struct sk_buff *skb, struct genl_info *info)
{
	struct dpr_net *dn = dpr_netns(genl_info_net(info));
	struct dpr_service service;
	int err = dpr_genl_service(info, &service);

	if (err)
		return err;
	mutex_lock(&dn->lock);
	err = dpr_config_del_service(dn, &service);
	mutex_unlock(&dn->lock);
	if (err == -ENOENT)
		return dpr_genl_msg_refuse(info, DPR_SERVICE_A_PORT,
					   "no such service", err);
	if (!err)
		dpr_event_notify(dn, DPR_EVENT_CONFIG);
	return err;
}

/* Under RCU. */
static int dpr_genl_service_row(struct dpr_net *dn, struct sk_buff *skb,
				struct netlink_callback *cb,
				const struct dpr_service *service)
{
	void *header = genlmsg_put(skb, NETLINK_CB(cb->skb).portid,
				   cb->nlh->nlmsg_seq, &dpr_genl_family,
				   NLM_F_MULTI, DPR_CMD_SERVICE_GET);
	u32 open;

	if (!header)
		return -EMSGSIZE;
	if (nla_put_u16(skb, DPR_SERVICE_A_PORT, service->port) ||
	    nla_put_in_addr(skb, DPR_SERVICE_A_ADDRESS, service->address) ||
	    nla_put_u32(skb, DPR_SERVICE_A_STATE,
			dpr_service_look(dn, service)) ||
	    (dpr_open_service(dn, service, &open) &&
	     nla_put_u32(skb, DPR_SERVICE_A_CONNECTIONS, open))) {
		genlmsg_cancel(skb, header);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, header);
	return 0;
}

/* Continues after the last service sent, whatever was added or removed since. */
static int dpr_genl_service_dump(struct sk_buff *skb,
				 struct netlink_callback *cb)
{
	struct dpr_net *dn = dpr_netns(sock_net(skb->sk));
	const struct dpr_services *services;
	u64 next = ((u64)cb->args[0] << 32) | (u32)cb->args[1];
	u32 i;

	rcu_read_lock();
	services = rcu_dereference(dn->services);
	for (i = 0; services && i < services->n; i++) {
		const struct dpr_service *service = &services->service[i];
		u64 at = ((u64)service->port << 32) | ntohl(service->address);

		if (at < next)
			continue;
		if (dpr_genl_service_row(dn, skb, cb, service))
			break;
		cb->args[0] = (at + 1) >> 32;
		cb->args[1] = (u32)(at + 1);
	}
	rcu_read_unlock();
	return skb->len;
}

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

static const struct nla_policy
dpr_genl_service_policy[DPR_SERVICE_A_MAX + 1] = {
	[DPR_SERVICE_A_PORT] = { .type = NLA_U16 },
	[DPR_SERVICE_A_ADDRESS] = { .type = NLA_U32 },
	[DPR_SERVICE_A_STATE] = { .type = NLA_REJECT },
};

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
		DPR_GENL_OP(SERVICE_DEL, dpr_genl_service_policy),
		.doit = dpr_genl_service_del,
	}, {
		DPR_GENL_OP(SERVICE_GET, dpr_genl_no_policy),
		.dumpit = dpr_genl_service_dump,
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
