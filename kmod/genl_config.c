// SPDX-License-Identifier: GPL-2.0
/* The family's CONFIG commands. */
#include <linux/in.h>
#include <linux/slab.h>
#include <net/genetlink.h>
#include "config.h"
#include "core/affinity.h"
#include "core/policy.h"
#include "dpr.h"
#include "event.h"
#include "genl.h"
#include "genl_msg.h"
#include "netns.h"
#include "quota.h"

/* A key of DPR_CONFIG_A_HANDOVER_KEYS. */
struct dpr_genl_key {
	__be32 id;
	u8 key[DPR_HANDOVER_KEY_LEN];
};

const struct nla_policy dpr_genl_config_policy[DPR_CONFIG_A_MAX + 1] = {
	[DPR_CONFIG_A_ADDRESS] = DPR_GENL_MSG_ADDR,
	[DPR_CONFIG_A_POLICY] = { .type = NLA_U32 },
	[DPR_CONFIG_A_HASH] = { .type = NLA_U32 },
	[DPR_CONFIG_A_ESTIMATE] = { .type = NLA_U32 },
	[DPR_CONFIG_A_MARKER] = { .type = NLA_U32 },
	[DPR_CONFIG_A_STATE] = { .type = NLA_U32 },
	[DPR_CONFIG_A_MAX_LOAD] = { .type = NLA_U64 },
	[DPR_CONFIG_A_WEIGHT_CONNECTIONS] = { .type = NLA_U32 },
	[DPR_CONFIG_A_WEIGHT_CPU] = { .type = NLA_U32 },
	[DPR_CONFIG_A_WEIGHT_REDIRECTED] = { .type = NLA_U32 },
	[DPR_CONFIG_A_WEIGHT_SOCKETS] = { .type = NLA_U32 },
	[DPR_CONFIG_A_MAX_FLOWS] = { .type = NLA_U32 },
	[DPR_CONFIG_A_REPORT_MAX_AGE] = { .type = NLA_U32 },
	[DPR_CONFIG_A_TIMEOUT_SYN] = { .type = NLA_U32 },
	[DPR_CONFIG_A_TIMEOUT_ESTABLISHED] = { .type = NLA_U32 },
	[DPR_CONFIG_A_TIMEOUT_FIN] = { .type = NLA_U32 },
	[DPR_CONFIG_A_TIMEOUT_RST] = { .type = NLA_U32 },
	[DPR_CONFIG_A_WEIGHT] = { .type = NLA_U32 },
	[DPR_CONFIG_A_ORPHANS] = { .type = NLA_U32 },
	[DPR_CONFIG_A_SLOW_START] = { .type = NLA_U32 },
	[DPR_CONFIG_A_AFFINITY] = { .type = NLA_U32 },
	[DPR_CONFIG_A_AFFINITY_TIME] = { .type = NLA_U32 },
	[DPR_CONFIG_A_AFFINITY6] = { .type = NLA_U32 },
	[DPR_CONFIG_A_FORWARDING] = { .type = NLA_U32 },
	[DPR_CONFIG_A_ANSWERS] = { .type = NLA_U32 },
	[DPR_CONFIG_A_GROUP] = NLA_POLICY_EXACT_LEN(sizeof(__be32)),
	[DPR_CONFIG_A_HANDOVER_KEYS] = {
		.type = NLA_BINARY,
		.len = DPR_MAX_HANDOVER_KEYS * sizeof(struct dpr_genl_key),
	},
	[DPR_CONFIG_A_HANDOVER_KEY_IDS] = { .type = NLA_REJECT },
	[DPR_CONFIG_A_SPLICE_FIRST_PORT] = { .type = NLA_U32 },
	[DPR_CONFIG_A_SPLICE_LAST_PORT] = { .type = NLA_U32 },
	[DPR_CONFIG_A_MAX_SPLICES] = { .type = NLA_U32 },
};

/* A u32 of the configuration: where it is, what it may be, what to say. */
struct dpr_genl_field {
	int attr;
	size_t offset;
	u32 min;
	u32 max;
	const char *why;
};

#define DPR_GENL_FIELD(_attr, _member, _min, _max, _why)	\
	{ DPR_CONFIG_A_##_attr, offsetof(struct dpr_config, _member),	\
	  _min, _max, _why }

static const struct dpr_genl_field dpr_genl_fields[] = {
	DPR_GENL_FIELD(POLICY, policy, 0, DPR_POLICY_MAX,
		       "unknown policy"),
	DPR_GENL_FIELD(HASH, hash, 0, DPR_HASH_MAX,
		       "unknown hash"),
	DPR_GENL_FIELD(ESTIMATE, estimate, 0, DPR_ESTIMATE_MAX,
		       "unknown estimate"),
	DPR_GENL_FIELD(MARKER, marker, 0, DPR_MARKER_MAX,
		       "unknown marker"),
	DPR_GENL_FIELD(STATE, state, 0, DPR_STATE_MAX,
		       "unknown state"),
	DPR_GENL_FIELD(WEIGHT_CONNECTIONS,
		       metric_weight[DPR_METRIC_CONNECTIONS], 0,
		       DPR_MAX_WEIGHT,
		       "weight of connections must be 0 to 65535"),
	DPR_GENL_FIELD(WEIGHT_CPU, metric_weight[DPR_METRIC_CPU], 0,
		       DPR_MAX_WEIGHT, "weight of CPU must be 0 to 65535"),
	DPR_GENL_FIELD(WEIGHT_REDIRECTED,
		       metric_weight[DPR_METRIC_REDIRECTED], 0,
		       DPR_MAX_WEIGHT,
		       "weight of redirected must be 0 to 65535"),
	DPR_GENL_FIELD(WEIGHT_SOCKETS, metric_weight[DPR_METRIC_SOCKETS], 0,
		       DPR_MAX_WEIGHT, "weight of sockets must be 0 to 65535"),
	DPR_GENL_FIELD(WEIGHT, weight, 1, DPR_MAX_WEIGHT,
		       "weight must be 1 to 65535"),
	DPR_GENL_FIELD(MAX_FLOWS, max_flows, 1, DPR_MAX_FLOWS,
		       "max flows must be 1 to 16777216"),
	DPR_GENL_FIELD(REPORT_MAX_AGE, report_max_age, 1, DPR_MAX_TIMEOUT,
		       "report max age must be 1 ms to one week"),
	DPR_GENL_FIELD(TIMEOUT_SYN, timeout[DPR_FLOW_SYN], 1, DPR_MAX_TIMEOUT,
		       "timeout syn must be 1 ms to one week"),
	DPR_GENL_FIELD(TIMEOUT_ESTABLISHED, timeout[DPR_FLOW_ESTABLISHED], 1,
		       DPR_MAX_TIMEOUT,
		       "timeout established must be 1 ms to one week"),
	DPR_GENL_FIELD(TIMEOUT_FIN, timeout[DPR_FLOW_FIN], 1, DPR_MAX_TIMEOUT,
		       "timeout fin must be 1 ms to one week"),
	DPR_GENL_FIELD(TIMEOUT_RST, timeout[DPR_FLOW_RST], 1, DPR_MAX_TIMEOUT,
		       "timeout rst must be 1 ms to one week"),
	DPR_GENL_FIELD(ORPHANS, orphans, 0, DPR_ORPHANS_MAX,
		       "unknown treatment of orphans"),
	DPR_GENL_FIELD(SLOW_START, slow_start, 0, DPR_MAX_TIMEOUT,
		       "slow start must be 0 to one week"),
	DPR_GENL_FIELD(AFFINITY, affinity, 0, DPR_AFFINITY_BITS,
		       "affinity must be 0 to 32"),
	DPR_GENL_FIELD(AFFINITY_TIME, affinity_time, 0, DPR_MAX_TIMEOUT,
		       "affinity time must be 0 to one week"),
	DPR_GENL_FIELD(AFFINITY6, affinity6, 1, DPR_AFFINITY_BITS6,
		       "affinity6 must be 1 to 128"),
	DPR_GENL_FIELD(FORWARDING, forwarding, 0, DPR_FORWARDING_MAX,
		       "unknown forwarding"),
	DPR_GENL_FIELD(ANSWERS, answers, 0, DPR_ANSWERS_MAX,
		       "unknown way of answers"),
	DPR_GENL_FIELD(SPLICE_FIRST_PORT, splice_first, 1024, U16_MAX,
		       "ports of splices must be 1024 to 65535"),
	DPR_GENL_FIELD(SPLICE_LAST_PORT, splice_last, 1024, U16_MAX,
		       "ports of splices must be 1024 to 65535"),
	DPR_GENL_FIELD(MAX_SPLICES, max_splices, 1, DPR_MAX_SPLICES,
		       "max splices must be 1 to 4194304"),
};

static u32 *dpr_genl_field_of(struct dpr_config *cfg,
			      const struct dpr_genl_field *field)
{
	return (void *)cfg + field->offset;
}

static int dpr_genl_config_parse(struct genl_info *info,
				 struct dpr_config *cfg)
{
	u32 i, any = 0;

	for (i = 0; i < ARRAY_SIZE(dpr_genl_fields); i++) {
		const struct dpr_genl_field *field = &dpr_genl_fields[i];
		struct nlattr *attr = info->attrs[field->attr];
		u32 value;

		if (!attr)
			continue;
		value = nla_get_u32(attr);
		if (value < field->min || value > field->max)
			return dpr_genl_msg_refuse(info, field->attr, field->why,
						   -EINVAL);
		*dpr_genl_field_of(cfg, field) = value;
	}
	for (i = 0; i < DPR_METRICS; i++)
		any |= cfg->metric_weight[i];
	if (!any)
		return dpr_genl_msg_refuse(info, 0,
					   "one metric's weight must be above 0",
					   -EINVAL);
	if (info->attrs[DPR_CONFIG_A_MAX_LOAD])
		cfg->max_load = nla_get_u64(info->attrs[DPR_CONFIG_A_MAX_LOAD]);
	return dpr_genl_msg_addr(info, DPR_CONFIG_A_ADDRESS, &cfg->address);
}

static int dpr_genl_config_group(struct genl_info *info, struct dpr_config *cfg)
{
	const struct nlattr *attr = info->attrs[DPR_CONFIG_A_GROUP];

	if (!attr)
		return 0;
	cfg->group = nla_get_be32(attr);
	if (!cfg->group || ipv4_is_multicast(cfg->group))
		return 0;
	return dpr_genl_msg_refuse(info, DPR_CONFIG_A_GROUP,
				   "not a multicast address", -EINVAL);
}

static int dpr_genl_config_keys(struct genl_info *info, struct dpr_config *cfg)
{
	const struct nlattr *attr = info->attrs[DPR_CONFIG_A_HANDOVER_KEYS];
	const struct dpr_genl_key *key;
	__le64 half[2];
	u32 i;

	BUILD_BUG_ON(sizeof(cfg->key[0].key) != sizeof(key->key));
	if (!attr)
		return 0;
	if (nla_len(attr) % sizeof(*key))
		return dpr_genl_msg_refuse(info, DPR_CONFIG_A_HANDOVER_KEYS,
					   "a key has an id of 4 bytes and 16 more",
					   -EINVAL);
	memset(cfg->key, 0, sizeof(cfg->key));
	cfg->keys = nla_len(attr) / sizeof(*key);
	key = nla_data(attr);
	for (i = 0; i < cfg->keys; i++) {
		cfg->key[i].id = be32_to_cpu(key[i].id);
		if (!cfg->key[i].id ||
		    (i && cfg->key[i].id == cfg->key[0].id))
			return dpr_genl_msg_refuse(info,
						   DPR_CONFIG_A_HANDOVER_KEYS,
						   "ids of keys must differ, and not be 0",
						   -EINVAL);
		memcpy(half, key[i].key, sizeof(half));
		cfg->key[i].key.key[0] = le64_to_cpu(half[0]);
		cfg->key[i].key.key[1] = le64_to_cpu(half[1]);
	}
	return 0;
}

static int dpr_genl_config_splices(struct dpr_net *dn, struct genl_info *info,
				   const struct dpr_config *cfg)
{
	if (cfg->splice_first > cfg->splice_last)
		return dpr_genl_msg_refuse(info, DPR_CONFIG_A_SPLICE_LAST_PORT,
					   "the last port of splices is below the first",
					   -EINVAL);
	if ((info->attrs[DPR_CONFIG_A_SPLICE_FIRST_PORT] ||
	     info->attrs[DPR_CONFIG_A_SPLICE_LAST_PORT]) &&
	    rcu_access_pointer(dn->backends) && dpr_genl_backend_ports(dn, cfg))
		return dpr_genl_msg_refuse(info, DPR_CONFIG_A_SPLICE_FIRST_PORT,
					   "the ports of splices are in net.ipv4.ip_local_port_range and not reserved",
					   -EADDRINUSE);
	return 0;
}

static int dpr_genl_config_quota(struct dpr_net *dn, struct genl_info *info,
				 const struct dpr_config *cfg)
{
	const char *why = dpr_quota_refuses(dn, cfg);

	return why ? dpr_genl_msg_refuse(info, 0, why, -EDQUOT) : 0;
}

static int dpr_genl_config_address(struct dpr_net *dn, struct genl_info *info,
				   const struct dpr_config *cfg)
{
	if (!info->attrs[DPR_CONFIG_A_ADDRESS])
		return 0;
	switch (dpr_config_check_address(dn, &cfg->address)) {
	case 0:
		return 0;
	case -EADDRNOTAVAIL:
		return dpr_genl_msg_refuse(info, DPR_CONFIG_A_ADDRESS,
					   "not an address of this host",
					   -EADDRNOTAVAIL);
	default:
		return dpr_genl_msg_refuse(info, DPR_CONFIG_A_ADDRESS,
					   "the address is a peer's", -EINVAL);
	}
}

/**
 * dpr_genl_config_set - DPR_CMD_CONFIG_SET
 * @skb: the request
 * @info: the request, parsed
 */
int dpr_genl_config_set(struct sk_buff *skb, struct genl_info *info)
{
	struct dpr_net *dn = dpr_netns(genl_info_net(info));
	struct dpr_config *new;
	int err;

	mutex_lock(&dn->lock);
	new = dpr_config_copy(dn);
	if (!new) {
		err = -ENOMEM;
		goto out;
	}
	dpr_quota_adopt(dn);
	err = dpr_genl_config_parse(info, new);
	if (!err)
		err = dpr_genl_config_group(info, new);
	if (!err)
		err = dpr_genl_config_keys(info, new);
	if (!err)
		err = dpr_genl_config_splices(dn, info, new);
	if (!err)
		err = dpr_genl_config_quota(dn, info, new);
	if (!err)
		err = dpr_genl_config_address(dn, info, new);
	if (!err)
		err = dpr_config_apply(dn, new);
	if (err)
		kfree(new);
out:
	mutex_unlock(&dn->lock);
	if (!err)
		dpr_event_notify(dn, DPR_EVENT_CONFIG);
	return err;
}

static int dpr_genl_config_put_key_ids(struct sk_buff *msg,
				       const struct dpr_config *cfg)
{
	__be32 id[DPR_MAX_HANDOVER_KEYS];
	u32 i;

	for (i = 0; i < cfg->keys; i++)
		id[i] = cpu_to_be32(cfg->key[i].id);
	return nla_put(msg, DPR_CONFIG_A_HANDOVER_KEY_IDS,
		       cfg->keys * sizeof(*id), id);
}

static int dpr_genl_config_put(struct sk_buff *msg, struct dpr_config *cfg)
{
	u32 i;

	if (dpr_genl_msg_put_addr(msg, DPR_CONFIG_A_ADDRESS, &cfg->address) ||
	    nla_put_u64_64bit(msg, DPR_CONFIG_A_MAX_LOAD, cfg->max_load,
			      DPR_CONFIG_A_PAD) ||
	    nla_put_be32(msg, DPR_CONFIG_A_GROUP, cfg->group) ||
	    dpr_genl_config_put_key_ids(msg, cfg))
		return -EMSGSIZE;
	for (i = 0; i < ARRAY_SIZE(dpr_genl_fields); i++)
		if (nla_put_u32(msg, dpr_genl_fields[i].attr,
				*dpr_genl_field_of(cfg, &dpr_genl_fields[i])))
			return -EMSGSIZE;
	return 0;
}

/**
 * dpr_genl_config_get - DPR_CMD_CONFIG_GET
 * @skb: the request
 * @info: the request, parsed
 */
int dpr_genl_config_get(struct sk_buff *skb, struct genl_info *info)
{
	struct dpr_net *dn = dpr_netns(genl_info_net(info));
	struct sk_buff *msg;
	void *header;
	int err;

	msg = dpr_genl_msg_reply(info, &header);
	if (!msg)
		return -ENOMEM;
	rcu_read_lock();
	err = dpr_genl_config_put(msg, rcu_dereference(dn->config));
	rcu_read_unlock();
	if (err) {
		nlmsg_free(msg);
		return err;
	}
	genlmsg_end(msg, header);
	return genlmsg_reply(msg, info);
}
