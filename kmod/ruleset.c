// SPDX-License-Identifier: GPL-2.0
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include "core/rule.h"
#include "ruleset.h"

/**
 * dpr_ruleset_new - make rules of records
 * @records: the records, copied
 * @len: their length
 * @why: set to what is wrong
 * @at: set to the offset of the record that is wrong
 *
 * May sleep.
 *
 * Return: the rules, for dpr_config_set_ruleset() or dpr_ruleset_free();
 * ERR_PTR(-EINVAL), ERR_PTR(-ENOMEM).
 */
struct dpr_ruleset *dpr_ruleset_new(const u8 *records, u32 len, const char **why,
				    u32 *at)
{
	struct dpr_ruleset *ruleset;

	if (len > DPR_MAX_RULES_BYTES)
		len = DPR_MAX_RULES_BYTES + 1;
	ruleset = kvmalloc(struct_size(ruleset, records, len),
			   GFP_KERNEL_ACCOUNT);
	if (!ruleset)
		return ERR_PTR(-ENOMEM);
	/* What is checked is the copy. */
	memcpy(ruleset->records, records, len);
	ruleset->set.records = ruleset->records;
	ruleset->set.len = len;
	*why = dpr_rule_check(ruleset->records, len, &ruleset->set.index, at);
	if (!*why)
		return ruleset;
	kvfree(ruleset);
	return ERR_PTR(-EINVAL);
}

/**
 * dpr_ruleset_free - free rules when nobody looks at them any more
 * @ruleset: the rules, which nobody finds any more; NULL: none
 */
void dpr_ruleset_free(struct dpr_ruleset *ruleset)
{
	if (ruleset)
		kvfree_rcu(ruleset, rcu);
}
