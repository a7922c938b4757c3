// SPDX-License-Identifier: GPL-2.0
/* Rules of services by what is asked for, by netlink. */
#include <net/genetlink.h>
#include "backend.h"
#include "config.h"
#include "core/parse.h"
#include "dpr.h"
#include "event.h"
#include "genl.h"
#include "genl_msg.h"
#include "local.h"
#include "netns.h"
#include "peer.h"
#include "rules.h"
#include "ruleset.h"
#include "service.h"
#include "splice_table.h"

const struct nla_policy dpr_genl_rules_policy[DPR_RULES_A_RECORDS + 1] = {
	[DPR_RULES_A_PORT] = { .type = NLA_U16 },
	[DPR_RULES_A_ADDRESS] = DPR_GENL_MSG_ADDR,
	[DPR_RULES_A_RECORDS] = { .type = NLA_BINARY, .len = DPR_MAX_RULES_BYTES },
};

const struct nla_policy dpr_genl_rules_get_policy[DPR_RULES_A_ADDRESS + 1] = {
	[DPR_RULES_A_PORT] = { .type = NLA_U16 },
	[DPR_RULES_A_ADDRESS] = DPR_GENL_MSG_ADDR,
};

const struct nla_policy dpr_genl_rules_test_policy[DPR_RULES_A_CLIENT_PORT + 1] = {
	[DPR_RULES_A_PORT] = { .type = NLA_U16 },
	[DPR_RULES_A_ADDRESS] = DPR_GENL_MSG_ADDR,
	[DPR_RULES_A_RECORDS] = { .type = NLA_REJECT },
	[DPR_RULES_A_BYTES] = { .type = NLA_BINARY, .len = DPR_REQUEST_MAX },
	[DPR_RULES_A_FINAL] = { .type = NLA_FLAG },
	[DPR_RULES_A_CLIENT] = DPR_GENL_MSG_ADDR,
	[DPR_RULES_A_CLIENT_PORT] = { .type = NLA_U16 },
};

/* The service of a request, as those that manage services name it. */
static int dpr_genl_rules_key(struct genl_info *info, struct dpr_service *key)
{
	BUILD_BUG_ON((int)DPR_RULES_A_PORT != DPR_SERVICE_A_PORT ||
		     (int)DPR_RULES_A_ADDRESS != DPR_SERVICE_A_ADDRESS);
	return dpr_genl_service_key(info, key);
}

static int dpr_genl_rules_unknown(struct genl_info *info)
{
	return dpr_genl_msg_refuse(info, DPR_RULES_A_PORT, "no such service",
				   -ENOENT);
}

/* The rules that a request has; NULL: none. */
static struct dpr_ruleset *dpr_genl_rules_parse(struct genl_info *info)
{
	const struct nlattr *attr = info->attrs[DPR_RULES_A_RECORDS];
	struct dpr_ruleset *ruleset;
	const char *why;
	u32 at;

	if (!attr)
		return NULL;
	ruleset = dpr_ruleset_new(nla_data(attr), nla_len(attr), &why, &at);
	if (PTR_ERR_OR_ZERO(ruleset) != -EINVAL)
		return ruleset;
	dpr_genl_msg_refuse(info, DPR_RULES_A_RECORDS, why, -EINVAL);
	/* The record itself, unless there should be one more. */
	if (info->extack && at < nla_len(attr))
		info->extack->bad_attr = nla_data(attr) + at;
	return ruleset;
}

/**
 * dpr_genl_rules_set - DPR_CMD_RULES_SET
 * @skb: the request
 * @info: the request, parsed
 */
int dpr_genl_rules_set(struct sk_buff *skb, struct genl_info *info)
{
	struct dpr_net *dn = dpr_netns(genl_info_net(info));
	struct dpr_ruleset *ruleset;
	struct dpr_service key;
	int err = dpr_genl_rules_key(info, &key);

	if (err)
		return err;
	ruleset = dpr_genl_rules_parse(info);
	if (IS_ERR(ruleset))
		return PTR_ERR(ruleset);
	mutex_lock(&dn->lock);
	err = dpr_config_set_ruleset(dn, &key, ruleset);
	mutex_unlock(&dn->lock);
	if (!err) {
		dpr_event_notify(dn, DPR_EVENT_CONFIG);
		return 0;
	}
	dpr_ruleset_free(ruleset);
	return err == -ENOENT ? dpr_genl_rules_unknown(info) : err;
}

/* Writes the answer; @ruleset: NULL if the service has no rules. */
static struct sk_buff *dpr_genl_rules_answer(struct genl_info *info,
					     const struct dpr_ruleset *ruleset)
{
	const u32 len = ruleset ? ruleset->set.len : 0;
	struct sk_buff *msg = genlmsg_new(nla_total_size(len), GFP_KERNEL);
	void *header;

	if (!msg)
		return ERR_PTR(-ENOMEM);
	header = genlmsg_put_reply(msg, info, &dpr_genl_family, 0,
				   info->genlhdr->cmd);
	if (!header ||
	    (ruleset &&
	     nla_put(msg, DPR_RULES_A_RECORDS, len, ruleset->records))) {
		nlmsg_free(msg);
		return ERR_PTR(-EMSGSIZE);
	}
	genlmsg_end(msg, header);
	return msg;
}

/**
 * dpr_genl_rules_get - DPR_CMD_RULES_GET
 * @skb: the request
 * @info: the request, parsed
 */
int dpr_genl_rules_get(struct sk_buff *skb, struct genl_info *info)
{
	struct dpr_net *dn = dpr_netns(genl_info_net(info));
	const struct dpr_service *service;
	struct sk_buff *msg = NULL;
	struct dpr_service key;
	int err = dpr_genl_rules_key(info, &key);

	if (err)
		return err;
	mutex_lock(&dn->lock);
	service = dpr_service_find(dn, &key);
	if (service)
		msg = dpr_genl_rules_answer(info, service->ruleset);
	mutex_unlock(&dn->lock);
	if (!service)
		return dpr_genl_rules_unknown(info);
	return IS_ERR(msg) ? PTR_ERR(msg) : genlmsg_reply(msg, info);
}

/* Who asks, as the rules see it; @client: none if it is not given. */
static int dpr_genl_rules_client(struct genl_info *info, struct dpr_flow_key *key)
{
	const struct nlattr *port = info->attrs[DPR_RULES_A_CLIENT_PORT];
	int err = dpr_genl_msg_addr(info, DPR_RULES_A_CLIENT, &key->client);

	if (!err && info->attrs[DPR_RULES_A_CLIENT] &&
	    !dpr_local_unicast(&key->client))
		err = dpr_genl_msg_refuse(info, DPR_RULES_A_CLIENT,
					  "client must be unicast", -EINVAL);
	key->client_port = port ? htons(nla_get_u16(port)) : 0;
	key->wide = !dpr_addr_is4(&key->client);
	return err;
}

/**
 * struct dpr_genl_rules_tested - what a test came to
 * @result: what the rules say
 * @host: the host, none if the service's policy decides
 */
struct dpr_genl_rules_tested {
	struct dpr_rules_result result;
	struct dpr_addr host;
};

/* Decides as packets would have it; the namespace's lock is held. */
static void dpr_genl_rules_decide(struct dpr_net *dn, struct genl_info *info,
				  const struct dpr_service *service,
				  struct dpr_flow_key *key,
				  struct dpr_genl_rules_tested *tested)
{
	const struct nlattr *bytes = info->attrs[DPR_RULES_A_BYTES];
	struct dpr_backend_choice choice = {};
	struct dpr_backend_among among;
	const struct dpr_config *cfg;
	struct dpr_peer *peer;
	u64 below = 0;

	tested->host = (struct dpr_addr){};
	key->port = htons(service->port);
	local_bh_disable();
	rcu_read_lock();
	cfg = dpr_service_config(service, rcu_dereference(dn->config));
	key->address = dpr_addr_none(&service->address) ? cfg->address :
							   service->address;
	if (dpr_rules_decide(service, nla_data(bytes), nla_len(bytes),
			     nla_get_flag(info->attrs[DPR_RULES_A_FINAL]),
			     &tested->result) != DPR_RULES_MORE &&
	    !dpr_addr_none(&key->client)) {
		if (dpr_rules_host(dn, cfg, service, key, &tested->result,
				   dpr_service_look(dn, service) == DPR_SERVICE_UP,
				   0, &peer, &below))
			tested->host = peer ? peer->address : cfg->address;
		among = (struct dpr_backend_among){
			.service = service,
			.group = tested->result.group,
		};
		if (below && dpr_splice_on())
			choice = dpr_backend_choose(dn, key,
						    dpr_config_connection_load(cfg),
						    below, &among);
		if (choice.backend)
			tested->host = choice.backend->address;
	}
	rcu_read_unlock();
	local_bh_enable();
}

static int dpr_genl_rules_result(struct genl_info *info,
				 const struct dpr_genl_rules_tested *tested)
{
	const struct dpr_rules_result *result = &tested->result;
	struct sk_buff *msg;
	void *header;

	msg = dpr_genl_msg_reply(info, &header);
	if (!msg)
		return -ENOMEM;
	if (nla_put_u32(msg, DPR_RULES_A_OUTCOME, result->outcome) ||
	    nla_put_u32(msg, DPR_RULES_A_RULE, result->rule) ||
	    nla_put_u32(msg, DPR_RULES_A_GROUP, result->group) ||
	    (result->hashed &&
	     nla_put_u64_64bit(msg, DPR_RULES_A_HASH, result->hash,
			       DPR_RULES_A_PAD)) ||
	    (!dpr_addr_none(&tested->host) &&
	     dpr_genl_msg_put_addr(msg, DPR_RULES_A_HOST, &tested->host))) {
		nlmsg_free(msg);
		return -EMSGSIZE;
	}
	genlmsg_end(msg, header);
	return genlmsg_reply(msg, info);
}

/**
 * dpr_genl_rules_test - DPR_CMD_RULES_TEST
 * @skb: the request
 * @info: the request, parsed
 */
int dpr_genl_rules_test(struct sk_buff *skb, struct genl_info *info)
{
	struct dpr_net *dn = dpr_netns(genl_info_net(info));
	struct dpr_genl_rules_tested tested;
	struct dpr_flow_key connection = {};
	const struct dpr_service *service;
	struct dpr_service key;
	int err = dpr_genl_rules_key(info, &key);

	if (!err)
		err = dpr_genl_msg_need(info, DPR_RULES_A_BYTES,
					"a test needs a client's bytes");
	if (!err)
		err = dpr_genl_rules_client(info, &connection);
	if (err)
		return err;
	mutex_lock(&dn->lock);
	service = dpr_service_find(dn, &key);
	if (service)
		dpr_genl_rules_decide(dn, info, service, &connection, &tested);
	mutex_unlock(&dn->lock);
	return service ? dpr_genl_rules_result(info, &tested) :
			 dpr_genl_rules_unknown(info);
}
