// SPDX-License-Identifier: GPL-2.0
/* Services, by netlink. */
#include <linux/inetdevice.h>
#include <net/genetlink.h>
#include "config.h"
#include "core/affinity.h"
#include "dpr.h"
#include "event.h"
#include "genl.h"
#include "genl_msg.h"
#include "local.h"
#include "netns.h"
#include "open.h"
#include "service.h"

const struct nla_policy dpr_genl_service_policy[DPR_SERVICE_A_MAX + 1] = {
	[DPR_SERVICE_A_PORT] = { .type = NLA_U16 },
	[DPR_SERVICE_A_ADDRESS] = DPR_GENL_MSG_ADDR,
	[DPR_SERVICE_A_STATE] = { .type = NLA_REJECT },
	[DPR_SERVICE_A_CONNECTIONS] = { .type = NLA_REJECT },
	[DPR_SERVICE_A_POLICY] = { .type = NLA_U32 },
	[DPR_SERVICE_A_HASH] = { .type = NLA_U32 },
	[DPR_SERVICE_A_MAX_LOAD] = { .type = NLA_U64 },
	[DPR_SERVICE_A_AFFINITY] = { .type = NLA_U32 },
	[DPR_SERVICE_A_AFFINITY_TIME] = { .type = NLA_U32 },
	[DPR_SERVICE_A_AFFINITY6] = { .type = NLA_U32 },
	[DPR_SERVICE_A_LOAD] = { .type = NLA_U32 },
	[DPR_SERVICE_A_FORWARDING] = { .type = NLA_U32 },
	[DPR_SERVICE_A_DISPATCH] = { .type = NLA_U8 },
};

const struct nla_policy
dpr_genl_service_del_policy[DPR_SERVICE_A_ADDRESS + 1] = {
	[DPR_SERVICE_A_PORT] = { .type = NLA_U16 },
	[DPR_SERVICE_A_ADDRESS] = DPR_GENL_MSG_ADDR,
};

/**
 * dpr_genl_service_key - read what tells a service from others
 * @info: the request
 * @service: set to that, and nothing else
 *
 * Return: 0 or -EINVAL.
 */
int dpr_genl_service_key(struct genl_info *info, struct dpr_service *service)
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
	err = dpr_genl_msg_addr(info, DPR_SERVICE_A_ADDRESS, &service->address);
	if (err)
		return err;
	if (dpr_addr_is4(&service->address) && !service->address.word[3])
		service->address = (struct dpr_addr){};
	else if (info->attrs[DPR_SERVICE_A_ADDRESS] &&
		 !dpr_local_unicast(&service->address))
		return dpr_genl_msg_refuse(info, DPR_SERVICE_A_ADDRESS,
					   "service address must be unicast",
					   -EINVAL);
	return 0;
}

/* A u32 rule, if it is given. */
static int dpr_genl_service_rule(struct genl_info *info, int attr, u32 max,
				 const char *why, enum dpr_rule rule,
				 struct dpr_rules *rules, u32 *value)
{
	if (!info->attrs[attr])
		return 0;
	*value = nla_get_u32(info->attrs[attr]);
	if (*value > max)
		return dpr_genl_msg_refuse(info, attr, why, -EINVAL);
	rules->own |= rule;
	return 0;
}

static int dpr_genl_service_dispatch(struct genl_info *info,
				     struct dpr_rules *rules)
{
	const struct nlattr *attr = info->attrs[DPR_SERVICE_A_DISPATCH];

	if (!attr)
		return 0;
	rules->dispatch = nla_get_u8(attr);
	if (rules->dispatch > DPR_DISPATCH_MAX)
		return dpr_genl_msg_refuse(info, DPR_SERVICE_A_DISPATCH,
					   "unknown dispatch", -EINVAL);
	rules->own |= DPR_RULE_DISPATCH;
	return 0;
}

static int dpr_genl_service_parse(struct genl_info *info,
				  struct dpr_service *service)
{
	const struct nlattr *max_load = info->attrs[DPR_SERVICE_A_MAX_LOAD];
	struct dpr_rules *rules = &service->rules;
	int err = dpr_genl_service_key(info, service);

	if (!err)
		err = dpr_genl_service_rule(info, DPR_SERVICE_A_POLICY,
					    DPR_POLICY_MAX, "unknown policy",
					    DPR_RULE_POLICY, rules,
					    &rules->policy);
	if (!err)
		err = dpr_genl_service_rule(info, DPR_SERVICE_A_HASH,
					    DPR_HASH_MAX, "unknown hash",
					    DPR_RULE_HASH, rules, &rules->hash);
	if (!err)
		err = dpr_genl_service_rule(info, DPR_SERVICE_A_AFFINITY,
					    DPR_AFFINITY_BITS,
					    "affinity must be 0 to 32",
					    DPR_RULE_AFFINITY, rules,
					    &rules->affinity);
	if (!err)
		err = dpr_genl_service_rule(info, DPR_SERVICE_A_AFFINITY_TIME,
					    DPR_MAX_TIMEOUT,
					    "affinity time must be 0 to one week",
					    DPR_RULE_AFFINITY_TIME, rules,
					    &rules->affinity_time);
	if (!err)
		err = dpr_genl_service_rule(info, DPR_SERVICE_A_AFFINITY6,
					    DPR_AFFINITY_BITS6,
					    "affinity6 must be 1 to 128",
					    DPR_RULE_AFFINITY6, rules,
					    &rules->affinity6);
	if (!err && rules->own & DPR_RULE_AFFINITY6 && !rules->affinity6)
		err = dpr_genl_msg_refuse(info, DPR_SERVICE_A_AFFINITY6,
					  "affinity6 must be 1 to 128", -EINVAL);
	if (!err)
		err = dpr_genl_service_rule(info, DPR_SERVICE_A_LOAD,
					    DPR_SERVICE_LOAD_MAX, "unknown load",
					    DPR_RULE_LOAD, rules, &rules->load);
	if (!err)
		err = dpr_genl_service_rule(info, DPR_SERVICE_A_FORWARDING,
					    DPR_FORWARDING_MAX,
					    "unknown forwarding",
					    DPR_RULE_FORWARDING, rules,
					    &rules->forwarding);
	if (!err)
		err = dpr_genl_service_dispatch(info, rules);
	if (!err && max_load) {
		rules->own |= DPR_RULE_MAX_LOAD;
		rules->max_load = nla_get_u64(max_load);
	}
	return err;
}

static int dpr_genl_service_failed(struct genl_info *info, int err)
{
	if (err == -E2BIG)
		return dpr_genl_msg_refuse(info, DPR_SERVICE_A_LOAD,
					   "no more than 16 ports with loads of their own",
					   err);
	return err;
}

/**
 * dpr_genl_service_add - DPR_CMD_SERVICE_ADD
 * @skb: the request
 * @info: the request, parsed
 */
int dpr_genl_service_add(struct sk_buff *skb, struct genl_info *info)
{
	struct dpr_net *dn = dpr_netns(genl_info_net(info));
	struct dpr_service service;
	const struct dpr_config *cfg;
	int err = dpr_genl_service_parse(info, &service);

	if (err)
		return err;
	mutex_lock(&dn->lock);
	cfg = rcu_dereference_protected(dn->config, lockdep_is_held(&dn->lock));
	err = dpr_addr_none(&cfg->address) ? -EDESTADDRREQ :
					     dpr_config_add_service(dn, &service);
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
		return dpr_genl_service_failed(info, err);
	}
}

/* Changes a service that is there. */
static int dpr_genl_service_change(struct genl_info *info,
				   const struct dpr_service *service,
				   int (*change)(struct dpr_net *,
						 const struct dpr_service *))
{
	struct dpr_net *dn = dpr_netns(genl_info_net(info));
	int err;

	mutex_lock(&dn->lock);
	err = change(dn, service);
	mutex_unlock(&dn->lock);
	if (err == -ENOENT)
		return dpr_genl_msg_refuse(info, DPR_SERVICE_A_PORT,
					   "no such service", err);
	if (!err)
		dpr_event_notify(dn, DPR_EVENT_CONFIG);
	return dpr_genl_service_failed(info, err);
}

/**
 * dpr_genl_service_set - DPR_CMD_SERVICE_SET
 * @skb: the request
 * @info: the request, parsed
 */
int dpr_genl_service_set(struct sk_buff *skb, struct genl_info *info)
{
	struct dpr_service service;
	int err = dpr_genl_service_parse(info, &service);

	return err ?: dpr_genl_service_change(info, &service,
					      dpr_config_set_service);
}

/**
 * dpr_genl_service_del - DPR_CMD_SERVICE_DEL
 * @skb: the request
 * @info: the request, parsed
 */
int dpr_genl_service_del(struct sk_buff *skb, struct genl_info *info)
{
	struct dpr_service service;
	int err = dpr_genl_service_key(info, &service);

	return err ?: dpr_genl_service_change(info, &service,
					      dpr_config_del_service);
}

static int dpr_genl_service_put_rules(struct sk_buff *skb,
				      const struct dpr_rules *rules)
{
	if ((rules->own & DPR_RULE_POLICY &&
	     nla_put_u32(skb, DPR_SERVICE_A_POLICY, rules->policy)) ||
	    (rules->own & DPR_RULE_HASH &&
	     nla_put_u32(skb, DPR_SERVICE_A_HASH, rules->hash)) ||
	    (rules->own & DPR_RULE_MAX_LOAD &&
	     nla_put_u64_64bit(skb, DPR_SERVICE_A_MAX_LOAD, rules->max_load,
			       DPR_SERVICE_A_PAD)) ||
	    (rules->own & DPR_RULE_AFFINITY &&
	     nla_put_u32(skb, DPR_SERVICE_A_AFFINITY, rules->affinity)) ||
	    (rules->own & DPR_RULE_AFFINITY_TIME &&
	     nla_put_u32(skb, DPR_SERVICE_A_AFFINITY_TIME,
			 rules->affinity_time)) ||
	    (rules->own & DPR_RULE_AFFINITY6 &&
	     nla_put_u32(skb, DPR_SERVICE_A_AFFINITY6, rules->affinity6)) ||
	    (rules->own & DPR_RULE_LOAD &&
	     nla_put_u32(skb, DPR_SERVICE_A_LOAD, rules->load)) ||
	    (rules->own & DPR_RULE_FORWARDING &&
	     nla_put_u32(skb, DPR_SERVICE_A_FORWARDING, rules->forwarding)) ||
	    (rules->own & DPR_RULE_DISPATCH &&
	     nla_put_u8(skb, DPR_SERVICE_A_DISPATCH, rules->dispatch)))
		return -EMSGSIZE;
	return 0;
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
	    dpr_genl_msg_put_addr(skb, DPR_SERVICE_A_ADDRESS, &service->address) ||
	    nla_put_u32(skb, DPR_SERVICE_A_STATE,
			dpr_service_look(dn, service)) ||
	    (dpr_open_service(dn, service, &open) &&
	     nla_put_u32(skb, DPR_SERVICE_A_CONNECTIONS, open)) ||
	    dpr_genl_service_put_rules(skb, &service->rules)) {
		genlmsg_cancel(skb, header);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, header);
	return 0;
}

/*
 * Where a dump goes on: at the first service that does not come before this one, whatever
 * was added or removed since. It is kept in the dump's arguments.
 */
struct dpr_genl_service_place {
	struct dpr_addr address;
	u32 port;
	bool sent;
};

/* Has the service been sent already? */
static bool dpr_genl_service_sent(const struct dpr_genl_service_place *last,
				  const struct dpr_service *service)
{
	return last->sent &&
	       dpr_service_compare(last->port, &last->address, service) >= 0;
}

/**
 * dpr_genl_service_dump - DPR_CMD_SERVICE_GET
 * @skb: the answer
 * @cb: the request
 */
int dpr_genl_service_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct dpr_genl_service_place *last = (void *)cb->args;
	struct dpr_net *dn = dpr_netns(sock_net(skb->sk));
	const struct dpr_services *services;
	u32 i;

	BUILD_BUG_ON(sizeof(*last) > sizeof(cb->args));
	rcu_read_lock();
	services = rcu_dereference(dn->services);
	for (i = 0; services && i < services->n; i++) {
		const struct dpr_service *service = &services->service[i];

		if (dpr_genl_service_sent(last, service))
			continue;
		if (dpr_genl_service_row(dn, skb, cb, service))
			break;
		last->address = service->address;
		last->port = service->port;
		last->sent = true;
	}
	rcu_read_unlock();
	return skb->len;
}
