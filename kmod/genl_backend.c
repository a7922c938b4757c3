// SPDX-License-Identifier: GPL-2.0
/* Backends, by netlink. */
#include <linux/ctype.h>
#include <net/genetlink.h>
#include <net/ip.h>
#include "backend.h"
#include "config.h"
#include "dpr.h"
#include "event.h"
#include "genl.h"
#include "genl_msg.h"
#include "local.h"
#include "netns.h"
#include "peer.h"
#include "splice_table.h"

const struct nla_policy dpr_genl_backend_policy[DPR_BACKEND_A_PROXY + 1] = {
	[DPR_BACKEND_A_NAME] = {
		.type = NLA_NUL_STRING, .len = DPR_MAX_BACKEND_NAME,
	},
	[DPR_BACKEND_A_ADDRESS] = DPR_GENL_MSG_ADDR,
	[DPR_BACKEND_A_PORT] = { .type = NLA_U16 },
	[DPR_BACKEND_A_WEIGHT] = { .type = NLA_U32 },
	[DPR_BACKEND_A_LIMIT] = { .type = NLA_U32 },
	[DPR_BACKEND_A_DOWN] = { .type = NLA_U8 },
	[DPR_BACKEND_A_SERVICES] = {
		.type = NLA_BINARY,
		.len = DPR_MAX_BACKEND_SERVICES * sizeof(u16),
	},
	[DPR_BACKEND_A_PROXY] = { .type = NLA_U8 },
};

const struct nla_policy dpr_genl_backend_del_policy[DPR_BACKEND_A_NAME + 1] = {
	[DPR_BACKEND_A_NAME] = {
		.type = NLA_NUL_STRING, .len = DPR_MAX_BACKEND_NAME,
	},
};

static int dpr_genl_backend_name(struct genl_info *info, char *name)
{
	const struct nlattr *attr = info->attrs[DPR_BACKEND_A_NAME];
	int err = dpr_genl_msg_need(info, DPR_BACKEND_A_NAME,
				    "a backend needs a name");
	const char *at;

	if (err)
		return err;
	nla_strscpy(name, attr, DPR_MAX_BACKEND_NAME + 1);
	for (at = name; *at; at++)
		if (!isascii(*at) || !(isalnum(*at) || strchr("-_.", *at)))
			break;
	if (*at || at == name)
		return dpr_genl_msg_refuse(info, DPR_BACKEND_A_NAME,
					   "a backend's name has letters, digits, - _ and .",
					   -EINVAL);
	return 0;
}

static int dpr_genl_backend_services(struct genl_info *info,
				     struct dpr_backend_set *set)
{
	const struct nlattr *attr = info->attrs[DPR_BACKEND_A_SERVICES];
	u32 i, k;

	if (!attr || !nla_len(attr) || nla_len(attr) % sizeof(u16))
		return dpr_genl_msg_refuse(info, DPR_BACKEND_A_SERVICES,
					   "a backend needs the ports of its services",
					   -EINVAL);
	set->services = nla_len(attr) / sizeof(u16);
	memcpy(set->service, nla_data(attr), nla_len(attr));
	for (i = 0; i < set->services; i++) {
		for (k = 0; k < i; k++)
			if (set->service[k] == set->service[i])
				break;
		if (!set->service[i] || k < i)
			return dpr_genl_msg_refuse(info, DPR_BACKEND_A_SERVICES,
						   "ports of services must be 1 to 65535, each once",
						   -EINVAL);
	}
	return 0;
}

static u32 dpr_genl_backend_u32(struct genl_info *info, int attr, u32 otherwise)
{
	return info->attrs[attr] ? nla_get_u32(info->attrs[attr]) : otherwise;
}

static int dpr_genl_backend_down(struct genl_info *info, bool *down)
{
	const struct nlattr *attr = info->attrs[DPR_BACKEND_A_DOWN];

	if (attr && nla_get_u8(attr) > 1)
		return dpr_genl_msg_refuse(info, DPR_BACKEND_A_DOWN,
					   "down must be 0 or 1", -EINVAL);
	*down = attr && nla_get_u8(attr);
	return 0;
}

static int dpr_genl_backend_parse(struct genl_info *info,
				  struct dpr_backend_set *set)
{
	const struct nlattr *port = info->attrs[DPR_BACKEND_A_PORT];
	const struct nlattr *proxy = info->attrs[DPR_BACKEND_A_PROXY];
	int err;

	*set = (struct dpr_backend_set){};
	err = dpr_genl_backend_name(info, set->name);
	if (!err)
		err = dpr_genl_msg_need(info, DPR_BACKEND_A_ADDRESS,
					"a backend needs an address");
	if (!err)
		err = dpr_genl_msg_addr(info, DPR_BACKEND_A_ADDRESS,
					&set->address);
	if (!err && !dpr_local_unicast(&set->address))
		err = dpr_genl_msg_refuse(info, DPR_BACKEND_A_ADDRESS,
					  "a backend's address must be unicast",
					  -EINVAL);
	if (!err)
		err = dpr_genl_backend_services(info, set);
	if (!err)
		err = dpr_genl_backend_down(info, &set->down);
	if (err)
		return err;
	set->port = port ? nla_get_u16(port) : 0;
	set->limit = dpr_genl_backend_u32(info, DPR_BACKEND_A_LIMIT, 0);
	set->weight = dpr_genl_backend_u32(info, DPR_BACKEND_A_WEIGHT, 1);
	if (!set->weight || set->weight > DPR_MAX_WEIGHT)
		return dpr_genl_msg_refuse(info, DPR_BACKEND_A_WEIGHT,
					   "weight must be 1 to 65535", -EINVAL);
	if (proxy && nla_get_u8(proxy) && nla_get_u8(proxy) != DPR_BACKEND_PROXY)
		return dpr_genl_msg_refuse(info, DPR_BACKEND_A_PROXY,
					   "the version of the PROXY protocol must be 0 or 2",
					   -EINVAL);
	set->proxy = proxy && nla_get_u8(proxy);
	return 0;
}

/**
 * dpr_genl_backend_ports - are a configuration's ports of splices this host's own, too
 * @dn: the namespace
 * @cfg: the configuration
 *
 * Return: true if a socket of this host could get one of them by itself.
 */
bool dpr_genl_backend_ports(struct dpr_net *dn, const struct dpr_config *cfg)
{
	int low, high;
	u32 port;

	inet_get_local_port_range(dn->net, &low, &high);
	for (port = max_t(u32, cfg->splice_first, low);
	     port <= min_t(u32, cfg->splice_last, high); port++)
		if (!inet_is_local_reserved_port(dn->net, port))
			return true;
	return false;
}

/* What of a backend the configuration and the cluster do not allow. */
static int dpr_genl_backend_allowed(struct dpr_net *dn, struct genl_info *info,
				    const struct dpr_backend_set *set)
{
	const struct dpr_config *cfg =
		rcu_dereference_protected(dn->config,
					  lockdep_is_held(&dn->lock));
	bool own, peer;

	if (dpr_addr_none(&cfg->address))
		return dpr_genl_msg_refuse(info, 0,
					   "set this host's address first",
					   -EDESTADDRREQ);
	rcu_read_lock();
	own = dpr_addr_is4(&set->address) ?
	      __ip_dev_find(dn->net, set->address.word[3], false) :
	      dpr_local_dev6(dn->net, &set->address);
	peer = dpr_peer_by_any(dn, &set->address);
	rcu_read_unlock();
	if (own)
		return dpr_genl_msg_refuse(info, DPR_BACKEND_A_ADDRESS,
					   "a backend cannot be this host",
					   -EINVAL);
	if (peer)
		return dpr_genl_msg_refuse(info, DPR_BACKEND_A_ADDRESS,
					   "a peer cannot be a backend", -EINVAL);
	/* One that is there has its ports, and must be able to change. */
	if (!dpr_backend_stays(dn, set) && dpr_genl_backend_ports(dn, cfg))
		return dpr_genl_msg_refuse(info, 0,
					   "the ports of splices are in net.ipv4.ip_local_port_range and not reserved",
					   -EADDRINUSE);
	return 0;
}

static int dpr_genl_backend_none(struct genl_info *info)
{
	return dpr_genl_msg_refuse(info, DPR_BACKEND_A_NAME, "no such backend",
				   -ENOENT);
}

/* Does a request say nothing of a backend but whether it is down? */
static bool dpr_genl_backend_only_down(const struct genl_info *info)
{
	int attr;

	for (attr = DPR_BACKEND_A_NAME + 1; attr <= DPR_BACKEND_A_PROXY; attr++)
		if (attr != DPR_BACKEND_A_DOWN && info->attrs[attr])
			return false;
	return info->attrs[DPR_BACKEND_A_DOWN];
}

/* Whoever checks backends does not know what else somebody may be changing. */
static int dpr_genl_backend_set_down(struct dpr_net *dn, struct genl_info *info)
{
	char name[DPR_MAX_BACKEND_NAME + 1];
	int err = dpr_genl_backend_name(info, name);
	bool down;

	if (!err)
		err = dpr_genl_backend_down(info, &down);
	if (err)
		return err;
	mutex_lock(&dn->lock);
	err = dpr_backend_set_down(dn, name, down);
	mutex_unlock(&dn->lock);
	if (err == -ENOENT)
		return dpr_genl_backend_none(info);
	if (!err)
		dpr_event_notify(dn, DPR_EVENT_CONFIG);
	return err;
}

/**
 * dpr_genl_backend_set - DPR_CMD_BACKEND_SET
 * @skb: the request
 * @info: the request, parsed
 */
int dpr_genl_backend_set(struct sk_buff *skb, struct genl_info *info)
{
	struct dpr_net *dn = dpr_netns(genl_info_net(info));
	struct dpr_backend_set set;
	int err;

	if (dpr_genl_backend_only_down(info))
		return dpr_genl_backend_set_down(dn, info);
	err = dpr_genl_backend_parse(info, &set);
	if (err)
		return err;
	mutex_lock(&dn->lock);
	/* Whoever checks backends may have changed it since the sender asked. */
	if (!info->attrs[DPR_BACKEND_A_DOWN])
		set.down = dpr_backend_is_down(dn, set.name);
	err = dpr_genl_backend_allowed(dn, info, &set);
	if (!err)
		err = dpr_splice_table_setup(dn);
	if (!err)
		err = dpr_backend_set(dn, &set);
	mutex_unlock(&dn->lock);
	if (err == -ENOSPC)
		return dpr_genl_msg_refuse(info, 0, "no more than 64 backends",
					   err);
	if (!err)
		dpr_event_notify(dn, DPR_EVENT_CONFIG);
	return err;
}

/**
 * dpr_genl_backend_del - DPR_CMD_BACKEND_DEL
 * @skb: the request
 * @info: the request, parsed
 */
int dpr_genl_backend_del(struct sk_buff *skb, struct genl_info *info)
{
	struct dpr_net *dn = dpr_netns(genl_info_net(info));
	char name[DPR_MAX_BACKEND_NAME + 1];
	int err = dpr_genl_backend_name(info, name);

	if (err)
		return err;
	mutex_lock(&dn->lock);
	err = dpr_backend_del(dn, name);
	mutex_unlock(&dn->lock);
	if (err == -ENOENT)
		return dpr_genl_backend_none(info);
	if (!err)
		dpr_event_notify(dn, DPR_EVENT_CONFIG);
	return err;
}

/* Under RCU. */
static int dpr_genl_backend_row(struct sk_buff *skb, struct netlink_callback *cb,
				const struct dpr_backend_set *set)
{
	const struct dpr_backend *backend = set->backend;
	void *header = genlmsg_put(skb, NETLINK_CB(cb->skb).portid,
				   cb->nlh->nlmsg_seq, &dpr_genl_family,
				   NLM_F_MULTI, DPR_CMD_BACKEND_GET);

	if (!header)
		return -EMSGSIZE;
	if (nla_put_string(skb, DPR_BACKEND_A_NAME, set->name) ||
	    dpr_genl_msg_put_addr(skb, DPR_BACKEND_A_ADDRESS, &set->address) ||
	    nla_put_u16(skb, DPR_BACKEND_A_PORT, set->port) ||
	    nla_put_u32(skb, DPR_BACKEND_A_WEIGHT, set->weight) ||
	    nla_put_u32(skb, DPR_BACKEND_A_LIMIT, set->limit) ||
	    nla_put_u8(skb, DPR_BACKEND_A_DOWN, set->down) ||
	    nla_put_u8(skb, DPR_BACKEND_A_PROXY,
		       set->proxy ? DPR_BACKEND_PROXY : 0) ||
	    nla_put(skb, DPR_BACKEND_A_SERVICES,
		    set->services * sizeof(*set->service), set->service) ||
	    nla_put_u32(skb, DPR_BACKEND_A_CONNECTIONS,
			max(atomic_read(&backend->live), 0)) ||
	    nla_put_u64_64bit(skb, DPR_BACKEND_A_SPLICED,
			      atomic64_read(&backend->spliced),
			      DPR_BACKEND_A_PAD)) {
		genlmsg_cancel(skb, header);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, header);
	return 0;
}

/* The name of the last backend sent, in the dump's arguments: it goes on behind that. */
struct dpr_genl_backend_place {
	char name[DPR_MAX_BACKEND_NAME + 1];
};

/**
 * dpr_genl_backend_dump - DPR_CMD_BACKEND_GET
 * @skb: the answer
 * @cb: the request
 */
int dpr_genl_backend_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct dpr_genl_backend_place *last = (void *)cb->args;
	struct dpr_net *dn = dpr_netns(sock_net(skb->sk));
	const struct dpr_backends *backends;
	u32 i;

	BUILD_BUG_ON(sizeof(*last) > sizeof(cb->args));
	rcu_read_lock();
	backends = rcu_dereference(dn->backends);
	for (i = 0; backends && i < backends->n; i++) {
		const struct dpr_backend_set *set = &backends->set[i];

		if (strcmp(set->name, last->name) <= 0)
			continue;
		if (dpr_genl_backend_row(skb, cb, set))
			break;
		strscpy(last->name, set->name, sizeof(last->name));
	}
	rcu_read_unlock();
	return skb->len;
}
