/* SPDX-License-Identifier: GPL-2.0 */
/* The generic netlink family (include/dpr.h). */
#ifndef _DPR_GENL_H
#define _DPR_GENL_H

#include <net/genetlink.h>
#include "core/addr.h"
#include "core/policy.h"
#include "dpr.h"

struct dpr_config;
struct dpr_net;
struct dpr_service;

int dpr_genl_init(void);
void dpr_genl_exit(void);

int dpr_genl_config_get(struct sk_buff *skb, struct genl_info *info);
int dpr_genl_config_set(struct sk_buff *skb, struct genl_info *info);

int dpr_genl_service_add(struct sk_buff *skb, struct genl_info *info);
int dpr_genl_service_set(struct sk_buff *skb, struct genl_info *info);
int dpr_genl_service_del(struct sk_buff *skb, struct genl_info *info);
int dpr_genl_service_dump(struct sk_buff *skb, struct netlink_callback *cb);
int dpr_genl_service_key(struct genl_info *info, struct dpr_service *service);

int dpr_genl_rules_set(struct sk_buff *skb, struct genl_info *info);
int dpr_genl_rules_get(struct sk_buff *skb, struct genl_info *info);
int dpr_genl_rules_test(struct sk_buff *skb, struct genl_info *info);

int dpr_genl_backend_set(struct sk_buff *skb, struct genl_info *info);
int dpr_genl_backend_del(struct sk_buff *skb, struct genl_info *info);
int dpr_genl_backend_dump(struct sk_buff *skb, struct netlink_callback *cb);
bool dpr_genl_backend_ports(struct dpr_net *dn, const struct dpr_config *cfg);

int dpr_genl_peer_set(struct sk_buff *skb, struct genl_info *info);
int dpr_genl_peer_del(struct sk_buff *skb, struct genl_info *info);
int dpr_genl_peer_address(struct genl_info *info, struct dpr_addr *address);
int dpr_genl_peer_only(struct genl_info *info, unsigned long allowed);
int dpr_genl_peer_unknown(struct genl_info *info);
int dpr_genl_peer_get(struct sk_buff *skb, struct genl_info *info);
int dpr_genl_peer_ask(struct sk_buff *skb, struct genl_info *info);
int dpr_genl_peer_start(struct netlink_callback *cb);
int dpr_genl_peer_dump(struct sk_buff *skb, struct netlink_callback *cb);
int dpr_genl_peer_done(struct netlink_callback *cb);

int dpr_genl_flow_start(struct netlink_callback *cb);
int dpr_genl_flow_dump(struct sk_buff *skb, struct netlink_callback *cb);
int dpr_genl_flow_done(struct netlink_callback *cb);
int dpr_genl_flow_del(struct sk_buff *skb, struct genl_info *info);
int dpr_genl_expire(struct sk_buff *skb, struct genl_info *info);

extern const int dpr_genl_peer_metric[DPR_METRICS];
extern const struct nla_policy dpr_genl_config_policy[DPR_CONFIG_A_MAX + 1];
extern const struct nla_policy dpr_genl_service_policy[DPR_SERVICE_A_MAX + 1];
extern const struct nla_policy
	dpr_genl_service_del_policy[DPR_SERVICE_A_ADDRESS + 1];
extern const struct nla_policy dpr_genl_rules_policy[DPR_RULES_A_RECORDS + 1];
extern const struct nla_policy
	dpr_genl_rules_get_policy[DPR_RULES_A_ADDRESS + 1];
extern const struct nla_policy
	dpr_genl_rules_test_policy[DPR_RULES_A_CLIENT_PORT + 1];
extern const struct nla_policy
	dpr_genl_backend_policy[DPR_BACKEND_A_PROXY + 1];
extern const struct nla_policy
	dpr_genl_backend_del_policy[DPR_BACKEND_A_NAME + 1];
extern const struct nla_policy dpr_genl_peer_policy[DPR_PEER_A_MAX + 1];
extern const struct nla_policy dpr_genl_flow_policy[DPR_FLOW_A_MAX + 1];
extern const struct nla_policy dpr_genl_expire_policy[DPR_EXPIRE_A_MAX + 1];

#endif /* _DPR_GENL_H */
