/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A service's rules by what is asked for (enum dpr_rules_record of dpr.h): which of its
 * groups of hosts a request goes to. Pure, as policy.h.
 *
 * A decision looks at each byte of the request at most twice, and at each rule at most
 * four times: when a parser learned something while the rule was the first that is not
 * decided. It looks at each condition's value at most as often; a rule with a cookie
 * compares it with up to DPR_REQUEST_COOKIES cookies.
 */
#ifndef _DPR_RULE_H
#define _DPR_RULE_H

#include "request.h"
#include "dpr.h"

/* The most bytes in a record's value. */
#define DPR_RULE_VALUE	255
/* Bytes of a group's record before its name. */
#define DPR_RULE_GROUP	4

/**
 * struct dpr_rule_index - where things are among records, which dpr_rule_check() has
 *	found to be right
 * @groups: how many groups there are
 * @rules: how many rules
 * @otherwise: the group of what no rule matches; DPR_RULES_NONE: none
 * @first: offset of the first rule's record
 * @group: offsets of the groups' records
 */
struct dpr_rule_index {
	u8 groups;
	u8 rules;
	u8 otherwise;
	u16 first;
	u16 group[DPR_MAX_RULES_GROUPS];
};

/**
 * struct dpr_rule_set - records, and where things are among them
 * @index: says where
 * @records: enum dpr_rules_record
 * @len: their length
 */
struct dpr_rule_set {
	struct dpr_rule_index index;
	const u8 *records;
	u32 len;
};

/**
 * struct dpr_rule_group - a group
 * @policy: enum dpr_rules_policy
 * @locality: enum dpr_rules_locality
 * @spill: percent above the mean load
 * @members: offset of its hosts' records
 * @hosts: how many; 0: all hosts are in it
 */
struct dpr_rule_group {
	u8 policy;
	u8 locality;
	u16 spill;
	u32 members;
	u32 hosts;
};

/**
 * struct dpr_rules_result - what rules say of a connection
 * @outcome: enum dpr_rules_outcome
 * @rule: the rule that matches; DPR_RULES_NONE: none
 * @group: the group; DPR_RULES_NONE: none, the service's policy decides
 * @hashed: there is a @hash: the group goes by it, and the client said enough
 * @hash: of what was asked for, the same on all hosts
 */
struct dpr_rules_result {
	u8 outcome;
	u8 rule;
	u8 group;
	bool hashed;
	u64 hash;
};

const char *dpr_rule_check(const u8 *records, u32 len,
			   struct dpr_rule_index *index, u32 *at);
struct dpr_rule_group dpr_rule_group(const struct dpr_rule_set *set, u32 group);
void dpr_rule_decide(const struct dpr_rule_set *set, const u8 *buf, u32 len,
		     bool final, struct dpr_rules_result *result);

#endif /* _DPR_RULE_H */
