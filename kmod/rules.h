/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A service's rules by what is asked for: where does a connection go whose client has
 * sent these bytes? For connections whose handshake this host has answered.
 */
#ifndef _DPR_RULES_H
#define _DPR_RULES_H

#include "core/rule.h"
#include "dpr.h"
#include "ruleset.h"
#include "service.h"

struct dpr_config;
struct dpr_flow_key;
struct dpr_net;
struct dpr_peer;

/**
 * dpr_rules_there - does a service have rules
 * @service: the service, under RCU
 */
static inline bool dpr_rules_there(const struct dpr_service *service)
{
	return service->ruleset;
}

enum dpr_rules_outcome dpr_rules_decide(const struct dpr_service *service,
					const u8 *buf, size_t len, bool final,
					struct dpr_rules_result *result);
bool dpr_rules_keeps(const struct dpr_config *cfg,
		     const struct dpr_service *service,
		     const struct dpr_rules_result *result);
bool dpr_rules_host(struct dpr_net *dn, const struct dpr_config *cfg,
		    const struct dpr_service *service,
		    const struct dpr_flow_key *key,
		    const struct dpr_rules_result *result, bool able, u32 avoid,
		    struct dpr_peer **peer, u64 *below);
bool dpr_rules_has(const struct dpr_service *service, u32 group,
		   const struct dpr_addr *address);

#endif /* _DPR_RULES_H */
