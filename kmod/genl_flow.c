// SPDX-License-Identifier: GPL-2.0
/* The family's FLOW commands and EXPIRE. */
#include <linux/jiffies.h>
#include <linux/slab.h>
#include <net/genetlink.h>
#include "compat.h"
#include "config.h"
#include "core/parse.h"
#include "dpr.h"
#include "event.h"
#include "expire.h"
#include "flow.h"
#include "genl.h"
#include "genl_msg.h"
#include "load_table.h"
#include "members.h"
#include "netns.h"
#include "peer.h"
#include "stats.h"

#define DPR_GENL_BUDGET	4096
/* Flows that a dump looks at before others may run. */
#define DPR_GENL_BREATH	4096

const struct nla_policy dpr_genl_flow_policy[DPR_FLOW_A_MAX + 1] = {
	[DPR_FLOW_A_CLIENT] = DPR_GENL_MSG_ADDR,
	[DPR_FLOW_A_CLIENT_PORT] = { .type = NLA_U16 },
	[DPR_FLOW_A_ADDRESS] = DPR_GENL_MSG_ADDR,
	[DPR_FLOW_A_PORT] = { .type = NLA_U16 },
	[DPR_FLOW_A_PEER] = DPR_GENL_MSG_ADDR,
	[DPR_FLOW_A_STATE] = NLA_POLICY_MAX(NLA_U32, DPR_FLOW_MAX),
	[DPR_FLOW_A_IDLE] = { .type = NLA_REJECT },
	[DPR_FLOW_A_EXPIRES] = { .type = NLA_REJECT },
};

const struct nla_policy dpr_genl_expire_policy[DPR_EXPIRE_A_MAX + 1] = {
	[DPR_EXPIRE_A_BUDGET] = { .type = NLA_U32 },
	[DPR_EXPIRE_A_SCANNED] = { .type = NLA_REJECT },
	[DPR_EXPIRE_A_EXPIRED] = { .type = NLA_REJECT },
	[DPR_EXPIRE_A_RESET] = { .type = NLA_REJECT },
	[DPR_EXPIRE_A_FLOWS] = { .type = NLA_REJECT },
	[DPR_EXPIRE_A_DONE] = { .type = NLA_REJECT },
};

/**
 * struct dpr_genl_flows - a dump of flows
 * @iter: where it is
 * @given: bit per enum dpr_flow_attr that flows must match
 * @key: the 4-tuple's values to match
 * @peer: the peer to match
 * @state: the state to match
 * @refused: why the request is refused, which the first message says: before 6.7 the
 *	start of a dump cannot set an extended ack; NULL if it is not
 */
struct dpr_genl_flows {
	struct rhashtable_iter iter;
	unsigned long given;
	struct dpr_flow_key key;
	struct dpr_addr peer;
	u32 state;
	const char *refused;
};

/* Returns what is wrong, NULL if nothing is. */
static const char *dpr_genl_flow_addr(struct nlattr **attrs, int attr,
				      struct dpr_addr *addr)
{
	return attrs[attr] ? dpr_genl_msg_get_addr(attrs[attr], addr) : NULL;
}

/* Reads the values that are given; returns what is wrong, NULL if nothing is. */
static const char *dpr_genl_flow_key(struct nlattr **attrs,
				     struct dpr_flow_key *key)
{
	const char *why = dpr_genl_flow_addr(attrs, DPR_FLOW_A_CLIENT,
					     &key->client);

	if (!why)
		why = dpr_genl_flow_addr(attrs, DPR_FLOW_A_ADDRESS,
					 &key->address);
	key->wide = !dpr_addr_is4(&key->address);
	if (attrs[DPR_FLOW_A_CLIENT_PORT])
		key->client_port =
			htons(nla_get_u16(attrs[DPR_FLOW_A_CLIENT_PORT]));
	if (attrs[DPR_FLOW_A_PORT])
		key->port = htons(nla_get_u16(attrs[DPR_FLOW_A_PORT]));
	return why;
}

/**
 * dpr_genl_flow_start - DPR_CMD_FLOW_GET: begin
 * @cb: the dump
 *
 * Return: 0 or -ENOMEM.
 */
int dpr_genl_flow_start(struct netlink_callback *cb)
{
	struct dpr_net *dn = dpr_netns(sock_net(cb->skb->sk));
	struct nlattr **attrs = dpr_compat_dump_attrs(cb);
	struct dpr_genl_flows *dump;
	int attr;

	dump = kzalloc(sizeof(*dump), GFP_KERNEL);
	if (!dump)
		return -ENOMEM;
	for (attr = 1; attr <= DPR_FLOW_A_MAX; attr++)
		if (attrs[attr])
			dump->given |= BIT(attr);
	dump->refused = dpr_genl_flow_key(attrs, &dump->key);
	if (!dump->refused)
		dump->refused = dpr_genl_flow_addr(attrs, DPR_FLOW_A_PEER,
						   &dump->peer);
	if (attrs[DPR_FLOW_A_STATE])
		dump->state = nla_get_u32(attrs[DPR_FLOW_A_STATE]);
	rhashtable_walk_enter(&dn->flows, &dump->iter);
	cb->args[0] = (long)dump;
	return 0;
}

static bool dpr_genl_flow_match(const struct dpr_genl_flows *dump,
				const struct dpr_flow *flow, u8 state)
{
	const struct dpr_flow_key *want = &dump->key, key = dpr_flow_key(flow);
	unsigned long given = dump->given;

	if (state > DPR_FLOW_MAX)
		return false;
	if (!given)
		return true;
	return (!(given & BIT(DPR_FLOW_A_CLIENT)) ||
		dpr_addr_equal(&key.client, &want->client)) &&
	       (!(given & BIT(DPR_FLOW_A_CLIENT_PORT)) ||
		key.client_port == want->client_port) &&
	       (!(given & BIT(DPR_FLOW_A_ADDRESS)) ||
		dpr_addr_equal(&key.address, &want->address)) &&
	       (!(given & BIT(DPR_FLOW_A_PORT)) ||
		key.port == want->port) &&
	       (!(given & BIT(DPR_FLOW_A_PEER)) ||
		dpr_addr_equal(&flow->peer->address, &dump->peer)) &&
	       (!(given & BIT(DPR_FLOW_A_STATE)) || state == dump->state);
}

static int dpr_genl_flow_put(struct sk_buff *skb, struct netlink_callback *cb,
			     const struct dpr_config *cfg,
			     const struct dpr_flow *flow, u8 state)
{
	u32 idle = dpr_flow_idle(flow), timeout = cfg->timeout_jiffies[state];
	const struct dpr_flow_key key = dpr_flow_key(flow);
	void *header;

	header = genlmsg_put(skb, NETLINK_CB(cb->skb).portid,
			     cb->nlh->nlmsg_seq, &dpr_genl_family,
			     NLM_F_MULTI, DPR_CMD_FLOW_GET);
	if (!header)
		return -EMSGSIZE;
	if (dpr_genl_msg_put_addr(skb, DPR_FLOW_A_CLIENT, &key.client) ||
	    nla_put_u16(skb, DPR_FLOW_A_CLIENT_PORT, ntohs(key.client_port)) ||
	    dpr_genl_msg_put_addr(skb, DPR_FLOW_A_ADDRESS, &key.address) ||
	    nla_put_u16(skb, DPR_FLOW_A_PORT, ntohs(key.port)) ||
	    dpr_genl_msg_put_addr(skb, DPR_FLOW_A_PEER, &flow->peer->address) ||
	    nla_put_u32(skb, DPR_FLOW_A_STATE, state) ||
	    nla_put_u32(skb, DPR_FLOW_A_IDLE, jiffies_to_msecs(idle)) ||
	    nla_put_u32(skb, DPR_FLOW_A_EXPIRES,
			idle < timeout ? jiffies_to_msecs(timeout - idle) :
					 0)) {
		genlmsg_cancel(skb, header);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, header);
	return 0;
}

/**
 * dpr_genl_flow_dump - DPR_CMD_FLOW_GET: fill a message
 * @skb: the message
 * @cb: the dump
 *
 * Return: bytes filled, 0 at the end, -EINVAL if an address is none.
 */
int dpr_genl_flow_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct dpr_net *dn = dpr_netns(sock_net(cb->skb->sk));
	struct dpr_genl_flows *dump = (void *)cb->args[0];
	const struct dpr_config *cfg;
	struct dpr_flow *flow;
	u32 looked = 0;

	if (dump->refused) {
		if (cb->extack)
			cb->extack->_msg = dump->refused;
		return -EINVAL;
	}
	rhashtable_walk_start(&dump->iter);
	cfg = rcu_dereference(dn->config);
	/* A flow that did not fit is looked at again by the next message. */
	for (flow = rhashtable_walk_peek(&dump->iter); flow;
	     flow = rhashtable_walk_next(&dump->iter)) {
		u8 state;

		if (IS_ERR(flow))	/* resized: may send a flow twice */
			continue;
		state = READ_ONCE(flow->state);
		if (dpr_genl_flow_match(dump, flow, state) &&
		    dpr_genl_flow_put(skb, cb, cfg, flow, state))
			break;
		/* One that matches few may look at all there are. */
		if (++looked % DPR_GENL_BREATH == 0) {
			rhashtable_walk_stop(&dump->iter);
			cond_resched();
			rhashtable_walk_start(&dump->iter);
			cfg = rcu_dereference(dn->config);
		}
	}
	rhashtable_walk_stop(&dump->iter);
	return skb->len;
}

/**
 * dpr_genl_flow_done - DPR_CMD_FLOW_GET: end
 * @cb: the dump
 *
 * Return: 0.
 */
int dpr_genl_flow_done(struct netlink_callback *cb)
{
	struct dpr_genl_flows *dump = (void *)cb->args[0];

	rhashtable_walk_exit(&dump->iter);
	kfree(dump);
	return 0;
}

/**
 * dpr_genl_flow_del - DPR_CMD_FLOW_DEL
 * @skb: the request
 * @info: the request, parsed
 */
int dpr_genl_flow_del(struct sk_buff *skb, struct genl_info *info)
{
	struct dpr_net *dn = dpr_netns(genl_info_net(info));
	struct dpr_flow_key key = {};
	struct dpr_flow *flow;
	const char *why;
	bool killed;
	int attr;

	for (attr = DPR_FLOW_A_CLIENT; attr <= DPR_FLOW_A_PORT; attr++)
		if (!info->attrs[attr])
			return dpr_genl_msg_refuse(info, 0,
						   "a flow is named by client, client port, address and port",
						   -EINVAL);
	for (; attr <= DPR_FLOW_A_MAX; attr++)
		if (info->attrs[attr])
			return dpr_genl_msg_refuse(info, attr,
						   "attribute not of this command",
						   -EINVAL);
	why = dpr_genl_flow_key(info->attrs, &key);
	if (why)
		return dpr_genl_msg_refuse(info, 0, why, -EINVAL);
	local_bh_disable();
	rcu_read_lock();
	flow = dpr_flow_find(dn, &key);
	killed = flow && dpr_flow_kill(dn, flow);
	rcu_read_unlock();
	local_bh_enable();
	if (!killed)
		return dpr_genl_msg_refuse(info, 0, "no such flow", -ENOENT);
	dpr_stats_inc(dn, DPR_STAT_FLOWS_DELETED);
	return 0;
}

/**
 * dpr_genl_expire - DPR_CMD_EXPIRE
 * @skb: the request
 * @info: the request, parsed
 */
int dpr_genl_expire(struct sk_buff *skb, struct genl_info *info)
{
	struct dpr_net *dn = dpr_netns(genl_info_net(info));
	struct nlattr *attr = info->attrs[DPR_EXPIRE_A_BUDGET];
	u32 budget = attr ? nla_get_u32(attr) : DPR_GENL_BUDGET;
	const struct dpr_peer *peer;
	struct dpr_expired result;
	struct sk_buff *msg;
	void *header;
	u32 at = 0;

	if (!budget || budget > DPR_MAX_EXPIRE_BUDGET)
		return dpr_genl_msg_refuse(info, DPR_EXPIRE_A_BUDGET,
					   "budget must be 1 to 65536", -EINVAL);
	msg = dpr_genl_msg_reply(info, &header);
	if (!msg)
		return -ENOMEM;
	dpr_expire_step(dn, budget, &result);
	mutex_lock(&dn->lock);
	while ((peer = dpr_table_next_stale(dn, &at)))
		dpr_event_notify_peer(dn, DPR_EVENT_PEER_STALE,
				      &peer->address, 0);
	dpr_members_age(dn);
	mutex_unlock(&dn->lock);
	if (nla_put_u32(msg, DPR_EXPIRE_A_SCANNED, result.scanned) ||
	    nla_put_u32(msg, DPR_EXPIRE_A_EXPIRED, result.expired) ||
	    nla_put_u32(msg, DPR_EXPIRE_A_RESET, result.reset) ||
	    nla_put_u32(msg, DPR_EXPIRE_A_FLOWS,
			max(atomic_read(&dn->flow_count), 0)) ||
	    (result.done && nla_put_flag(msg, DPR_EXPIRE_A_DONE))) {
		nlmsg_free(msg);
		return -EMSGSIZE;
	}
	genlmsg_end(msg, header);
	return genlmsg_reply(msg, info);
}
