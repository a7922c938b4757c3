// SPDX-License-Identifier: GPL-2.0
/* The family's commands that change peers. */
#include <linux/inetdevice.h>
#include <net/genetlink.h>
#include <net/route.h>
#include "core/policy.h"
#include "dpr.h"
#include "event.h"
#include "genl.h"
#include "genl_msg.h"
#include "local.h"
#include "members.h"
#include "netns.h"
#include "peer.h"
#include "probe.h"
#include "service.h"
#include "tally.h"

const struct nla_policy dpr_genl_peer_policy[DPR_PEER_A_MAX + 1] = {
	[DPR_PEER_A_ADDRESS] = DPR_GENL_MSG_ADDR,
	[DPR_PEER_A_CONNECTIONS] = { .type = NLA_U32 },
	[DPR_PEER_A_CPU] = { .type = NLA_U32 },
	[DPR_PEER_A_REDIRECTED] = { .type = NLA_U32 },
	[DPR_PEER_A_SOCKETS] = { .type = NLA_U32 },
	[DPR_PEER_A_STATE] = { .type = NLA_U32 },
	[DPR_PEER_A_WEIGHT] = { .type = NLA_U32 },
	[DPR_PEER_A_DEAD] = { .type = NLA_FLAG },
	[DPR_PEER_A_LOAD] = { .type = NLA_REJECT },
	[DPR_PEER_A_ESTIMATE] = { .type = NLA_REJECT },
	[DPR_PEER_A_AGE] = { .type = NLA_REJECT },
	[DPR_PEER_A_USABLE] = { .type = NLA_REJECT },
	[DPR_PEER_A_LISTED] = { .type = NLA_REJECT },
	[DPR_PEER_A_FLOWS] = { .type = NLA_REJECT },
	[DPR_PEER_A_LIVE] = { .type = NLA_REJECT },
	[DPR_PEER_A_REDIRECTS] = { .type = NLA_REJECT },
	[DPR_PEER_A_PAD] = { .type = NLA_REJECT },
	[DPR_PEER_A_BARRED] = { .type = NLA_U32 },
	[DPR_PEER_A_PROTOCOL] = { .type = NLA_U32 },
	[DPR_PEER_A_ADDRESSES] = { .type = NLA_BINARY,
				   .len = DPR_MAX_ADDRESSES * sizeof(__be32) },
	[DPR_PEER_A_ADDRESSES6] = { .type = NLA_BINARY,
				    .len = DPR_MAX_ADDRESSES *
					   sizeof(struct in6_addr) },
	[DPR_PEER_A_DOWN] = { .type = NLA_BINARY,
			      .len = DPR_MAX_SERVICES * sizeof(u16) },
	[DPR_PEER_A_SERVICE_CONNECTIONS] = {
		.type = NLA_BINARY,
		.len = DPR_MAX_SERVICES * sizeof(struct dpr_tally_count),
	},
	[DPR_PEER_A_SERVICE_LOADS] = { .type = NLA_REJECT },
	[DPR_PEER_A_FORWARDING] = { .type = NLA_REJECT },
	[DPR_PEER_A_ANSWERS] = { .type = NLA_REJECT },
};

/* The attribute of each metric. */
const int dpr_genl_peer_metric[DPR_METRICS] = {
	[DPR_METRIC_CONNECTIONS] = DPR_PEER_A_CONNECTIONS,
	[DPR_METRIC_CPU] = DPR_PEER_A_CPU,
	[DPR_METRIC_REDIRECTED] = DPR_PEER_A_REDIRECTED,
	[DPR_METRIC_SOCKETS] = DPR_PEER_A_SOCKETS,
};

/**
 * dpr_genl_peer_address - read the address of the peer that a request is about
 * @info: the request
 * @address: set
 *
 * Return: 0 or -EINVAL: there is none.
 */
int dpr_genl_peer_address(struct genl_info *info, struct dpr_addr *address)
{
	int err = dpr_genl_msg_need(info, DPR_PEER_A_ADDRESS,
				    "a peer needs an address");

	return err ?: dpr_genl_msg_addr(info, DPR_PEER_A_ADDRESS, address);
}

/**
 * dpr_genl_peer_only - refuse attributes that a command does not take
 * @info: the request
 * @allowed: bit per enum dpr_peer_attr that it takes
 *
 * Return: 0 or -EINVAL.
 */
int dpr_genl_peer_only(struct genl_info *info, unsigned long allowed)
{
	int attr;

	BUILD_BUG_ON(DPR_PEER_A_MAX >= BITS_PER_LONG);
	for (attr = 1; attr <= DPR_PEER_A_MAX; attr++)
		if (info->attrs[attr] && !(allowed & BIT(attr)))
			return dpr_genl_msg_refuse(info, attr,
						   "attribute not of this command",
						   -EINVAL);
	return 0;
}

static int dpr_genl_peer_parse_metrics(struct genl_info *info,
				       struct dpr_peer_update *update)
{
	int i, given = 0;

	for (i = 0; i < DPR_METRICS; i++) {
		struct nlattr *attr = info->attrs[dpr_genl_peer_metric[i]];

		if (!attr)
			continue;
		update->metric[i] = nla_get_u32(attr);
		given++;
	}
	if (given && given < DPR_METRICS)
		return dpr_genl_msg_refuse(info, 0,
					   "give all four metrics or none",
					   -EINVAL);
	if (update->metric[DPR_METRIC_CPU] > DPR_MAX_CPU)
		return dpr_genl_msg_refuse(info, DPR_PEER_A_CPU,
					   "CPU must be 0 to 1000 thousandths",
					   -EINVAL);
	update->has_metric = given;
	return 0;
}

/* Its other addresses, of both families. */
static int dpr_genl_peer_parse_others(struct genl_info *info,
				      struct dpr_peer_update *update)
{
	const struct nlattr *v4 = info->attrs[DPR_PEER_A_ADDRESSES];
	const struct nlattr *v6 = info->attrs[DPR_PEER_A_ADDRESSES6];
	const struct in6_addr *wide = v6 ? nla_data(v6) : NULL;
	const __be32 *narrow = v4 ? nla_data(v4) : NULL;
	const int n4 = v4 ? nla_len(v4) : 0, n6 = v6 ? nla_len(v6) : 0;
	u32 i;

	if (n4 % sizeof(*narrow))
		return dpr_genl_msg_refuse(info, DPR_PEER_A_ADDRESSES,
					   "addresses have four bytes each",
					   -EINVAL);
	if (n6 % sizeof(*wide))
		return dpr_genl_msg_refuse(info, DPR_PEER_A_ADDRESSES6,
					   "addresses have 16 bytes each",
					   -EINVAL);
	for (i = 0; i < n4 / sizeof(*narrow); i++)
		update->others[update->n_others++] = dpr_addr_of4(narrow[i]);
	for (i = 0; i < n6 / sizeof(*wide); i++)
		update->others[update->n_others++] = dpr_addr_of6(&wide[i]);
	return 0;
}

/* Its connections of services: each port once, by port. */
static int dpr_genl_peer_parse_counts(struct genl_info *info,
				      struct dpr_peer_update *update)
{
	const struct nlattr *attr = info->attrs[DPR_PEER_A_SERVICE_CONNECTIONS];
	u32 i, last = 0;

	if (!attr)
		return 0;
	if (!update->has_metric)
		return dpr_genl_msg_refuse(info, DPR_PEER_A_SERVICE_CONNECTIONS,
					   "this belongs to a report", -EINVAL);
	if (nla_len(attr) % sizeof(*update->count))
		return dpr_genl_msg_refuse(info, DPR_PEER_A_SERVICE_CONNECTIONS,
					   "a port and its connections have eight bytes",
					   -EINVAL);
	update->count = nla_data(attr);
	update->n_counts = nla_len(attr) / sizeof(*update->count);
	for (i = 0; i < update->n_counts; i++) {
		const u32 port = update->count[i].port;

		if (!port || port > U16_MAX)
			return dpr_genl_msg_refuse(info,
						   DPR_PEER_A_SERVICE_CONNECTIONS,
						   "port must be 1 to 65535",
						   -EINVAL);
		if (port <= last)
			return dpr_genl_msg_refuse(info,
						   DPR_PEER_A_SERVICE_CONNECTIONS,
						   "ports must be in order, each once",
						   -EINVAL);
		last = port;
	}
	return 0;
}

static int dpr_genl_peer_parse_health(struct genl_info *info,
				      struct dpr_peer_update *update)
{
	const struct nlattr *down = info->attrs[DPR_PEER_A_DOWN];
	const struct nlattr *barred = info->attrs[DPR_PEER_A_BARRED];
	const struct nlattr *protocol = info->attrs[DPR_PEER_A_PROTOCOL];
	const struct nlattr *others = info->attrs[DPR_PEER_A_ADDRESSES];
	const struct nlattr *others6 = info->attrs[DPR_PEER_A_ADDRESSES6];
	int err;

	if ((down || barred || protocol || others || others6) &&
	    !update->has_metric)
		return dpr_genl_msg_refuse(info, down ? DPR_PEER_A_DOWN :
					   barred ? DPR_PEER_A_BARRED :
					   protocol ? DPR_PEER_A_PROTOCOL :
					   others ? DPR_PEER_A_ADDRESSES :
						    DPR_PEER_A_ADDRESSES6,
					   "this belongs to a report", -EINVAL);
	err = dpr_genl_peer_parse_others(info, update);
	if (err)
		return err;
	update->protocol = protocol ? nla_get_u32(protocol) : 1;
	if (!update->protocol || update->protocol > U8_MAX)
		return dpr_genl_msg_refuse(info, DPR_PEER_A_PROTOCOL,
					   "protocol must be 1 to 255", -EINVAL);
	if (down && nla_len(down) % sizeof(u16))
		return dpr_genl_msg_refuse(info, DPR_PEER_A_DOWN,
					   "ports have two bytes each", -EINVAL);
	if (!barred)
		return 0;
	update->barred = nla_get_u32(barred);
	if (update->barred >= DPR_BARRED_LOST)
		return dpr_genl_msg_refuse(info, DPR_PEER_A_BARRED,
					   "unknown reason", -EINVAL);
	return 0;
}

/* The services that a report says are down. Under dpr_net.lock. */
static u64 dpr_genl_peer_down(struct dpr_net *dn, const struct genl_info *info)
{
	const struct nlattr *attr = info->attrs[DPR_PEER_A_DOWN];

	return attr ? dpr_service_ports_bits(dn, nla_data(attr),
					     nla_len(attr) / sizeof(u16)) : 0;
}

static int dpr_genl_peer_parse(struct genl_info *info,
			       struct dpr_peer_update *update)
{
	struct nlattr **attrs = info->attrs;
	int err;

	err = dpr_genl_peer_only(info, BIT(DPR_PEER_A_ADDRESS) |
				       BIT(DPR_PEER_A_CONNECTIONS) |
				       BIT(DPR_PEER_A_CPU) |
				       BIT(DPR_PEER_A_REDIRECTED) |
				       BIT(DPR_PEER_A_SOCKETS) |
				       BIT(DPR_PEER_A_STATE) |
				       BIT(DPR_PEER_A_WEIGHT) |
				       BIT(DPR_PEER_A_DOWN) |
				       BIT(DPR_PEER_A_BARRED) |
				       BIT(DPR_PEER_A_PROTOCOL) |
				       BIT(DPR_PEER_A_ADDRESSES) |
				       BIT(DPR_PEER_A_ADDRESSES6) |
				       BIT(DPR_PEER_A_SERVICE_CONNECTIONS));
	if (!err)
		err = dpr_genl_peer_address(info, &update->address);
	if (!err)
		err = dpr_genl_peer_parse_metrics(info, update);
	if (!err)
		err = dpr_genl_peer_parse_health(info, update);
	if (!err)
		err = dpr_genl_peer_parse_counts(info, update);
	if (err)
		return err;
	if (attrs[DPR_PEER_A_STATE]) {
		update->has_state = true;
		update->state = nla_get_u32(attrs[DPR_PEER_A_STATE]);
		if (update->state > DPR_STATE_MAX)
			return dpr_genl_msg_refuse(info, DPR_PEER_A_STATE,
						   "unknown state", -EINVAL);
	}
	if (attrs[DPR_PEER_A_WEIGHT]) {
		update->has_weight = true;
		update->weight = nla_get_u32(attrs[DPR_PEER_A_WEIGHT]);
		if (!update->weight || update->weight > DPR_MAX_WEIGHT)
			return dpr_genl_msg_refuse(info, DPR_PEER_A_WEIGHT,
						   "weight must be 1 to 65535",
						   -EINVAL);
	}
	return 0;
}

/* Is it an address of this host, or of all of a network's? */
static unsigned int dpr_genl_peer_type(struct dpr_net *dn,
				       const struct dpr_addr *address)
{
	bool local;

	if (dpr_addr_is4(address))
		return inet_addr_type(dn->net, address->word[3]);
	rcu_read_lock();
	local = dpr_local_dev6(dn->net, address);
	rcu_read_unlock();
	return local ? RTN_LOCAL : RTN_UNICAST;
}

/* An address that redirected packets can be sent to. */
static int dpr_genl_peer_check(struct dpr_net *dn, struct genl_info *info,
			       const struct dpr_addr *address)
{
	const unsigned int type = dpr_genl_peer_type(dn, address);

	if (type == RTN_LOCAL)
		return dpr_genl_msg_refuse(info, DPR_PEER_A_ADDRESS,
					   "the address is this host's own",
					   -EINVAL);
	if (type == RTN_BROADCAST || type == RTN_MULTICAST ||
	    !dpr_local_unicast(address))
		return dpr_genl_msg_refuse(info, DPR_PEER_A_ADDRESS,
					   "the address is not unicast", -EINVAL);
	return 0;
}

/*
 * Announces what changed, of enum dpr_peer_change; the sets of hosts follow.
 * Under dpr_net.lock.
 */
static void dpr_genl_peer_changed(struct dpr_net *dn, int changed,
				  const struct dpr_addr *address,
				  enum dpr_state state)
{
	if (changed & DPR_PEER_NEW_STATE)
		dpr_event_notify_peer(dn, DPR_EVENT_PEER_STATE, address, state);
	if (changed & DPR_PEER_LISTED) {
		dpr_event_notify_peer(dn, DPR_EVENT_PEER_ADDED, address, 0);
		dpr_probe_resume(dn);
	}
	if (changed & DPR_PEER_UNLISTED)
		dpr_event_notify_peer(dn, DPR_EVENT_PEER_GONE, address, 0);
	if (changed & (DPR_PEER_LISTED | DPR_PEER_UNLISTED))
		dpr_members_update(dn);
	if (changed & DPR_PEER_DEAD)
		dpr_event_notify_peer(dn, DPR_EVENT_PEER_DEAD, address, 0);
}

/**
 * dpr_genl_peer_set - DPR_CMD_PEER_SET
 * @skb: the request
 * @info: the request, parsed
 */
int dpr_genl_peer_set(struct sk_buff *skb, struct genl_info *info)
{
	struct dpr_net *dn = dpr_netns(genl_info_net(info));
	struct dpr_peer_update update = {};
	int err;

	err = dpr_genl_peer_parse(info, &update);
	if (err)
		return err;
	mutex_lock(&dn->lock);
	err = dpr_genl_peer_check(dn, info, &update.address);
	update.down = dpr_genl_peer_down(dn, info);
	if (!err)
		err = dpr_peer_set(dn, &update);
	if (err > 0)
		dpr_genl_peer_changed(dn, err, &update.address, update.state);
	mutex_unlock(&dn->lock);
	if (err == -ENOSPC)
		return dpr_genl_msg_refuse(info, 0, "no more than 16384 peers",
					   err);
	return min(err, 0);
}

/**
 * dpr_genl_peer_unknown - refuse a request about an unknown peer
 * @info: the request
 *
 * Return: -ENOENT.
 */
int dpr_genl_peer_unknown(struct genl_info *info)
{
	return dpr_genl_msg_refuse(info, DPR_PEER_A_ADDRESS, "no such peer",
				   -ENOENT);
}

/**
 * dpr_genl_peer_del - DPR_CMD_PEER_DEL
 * @skb: the request
 * @info: the request, parsed
 */
int dpr_genl_peer_del(struct sk_buff *skb, struct genl_info *info)
{
	struct dpr_net *dn = dpr_netns(genl_info_net(info));
	struct dpr_addr address;
	int err;

	err = dpr_genl_peer_only(info, BIT(DPR_PEER_A_ADDRESS) |
				       BIT(DPR_PEER_A_DEAD));
	if (!err)
		err = dpr_genl_peer_address(info, &address);
	if (err)
		return err;
	mutex_lock(&dn->lock);
	err = dpr_peer_del(dn, &address, info->attrs[DPR_PEER_A_DEAD]);
	if (err > 0)
		dpr_genl_peer_changed(dn, err, &address, 0);
	mutex_unlock(&dn->lock);
	return err == -ENOENT ? dpr_genl_peer_unknown(info) : min(err, 0);
}
