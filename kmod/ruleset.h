/* SPDX-License-Identifier: GPL-2.0 */
/* A service's rules by what is asked for, as they are kept (core/rule.h). */
#ifndef _DPR_RULESET_H
#define _DPR_RULESET_H

#include <linux/types.h>
#include "core/rule.h"

/**
 * struct dpr_ruleset - the rules of a service; never changed
 * @rcu: frees it
 * @set: @records, and where things are among them
 * @records: enum dpr_rules_record
 */
struct dpr_ruleset {
	struct rcu_head rcu;
	struct dpr_rule_set set;
	u8 records[];
};

struct dpr_ruleset *dpr_ruleset_new(const u8 *records, u32 len, const char **why,
				    u32 *at);
void dpr_ruleset_free(struct dpr_ruleset *ruleset);

#endif /* _DPR_RULESET_H */
