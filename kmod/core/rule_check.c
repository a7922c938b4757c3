// SPDX-License-Identifier: GPL-2.0
/* Whether records are rules: see rule.h. */
#include "http_head.h"
#include "rule.h"

/**
 * struct dpr_rule_check - what has been read of the records
 * @index: what is known of it
 * @rules: rules have begun
 * @kinds: kinds of conditions that the last rule has: bits of the types of records
 * @members: hosts that the last group has
 */
struct dpr_rule_check {
	struct dpr_rule_index *index;
	bool rules;
	u32 kinds;
	u32 members;
};

static bool dpr_rule_check_name(const u8 *value, u32 size)
{
	u32 i;

	for (i = 0; i < size; i++) {
		u8 c = dpr_request_lower(value[i]);

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		      c == '-' || c == '_' || c == '.'))
			return false;
	}
	return size >= 1 && size <= DPR_MAX_RULES_NAME;
}

static const char *dpr_rule_check_group(struct dpr_rule_check *check,
					const u8 *records, u32 at)
{
	const u8 *value = records + at + 2;
	const u32 size = records[at + 1];
	u16 spill;

	if (check->rules)
		return "groups come before rules";
	if (check->index->groups == DPR_MAX_RULES_GROUPS)
		return "no more than 32 groups";
	if (size < DPR_RULE_GROUP || value[0] > DPR_RULES_POLICY_MAX ||
	    value[1] > DPR_RULES_LOCALITY_MAX)
		return "unknown policy or locality of a group";
	memcpy(&spill, value + 2, sizeof(spill));
	if (spill > DPR_MAX_RULES_SPILL)
		return "spill must be 0 to 1000";
	if (!dpr_rule_check_name(value + DPR_RULE_GROUP, size - DPR_RULE_GROUP))
		return "a group's name is 1 to 32 letters, digits, - _ .";
	check->members = 0;
	check->index->group[check->index->groups++] = at;
	return NULL;
}

static const char *dpr_rule_check_member(struct dpr_rule_check *check, u32 size)
{
	if (check->rules || !check->index->groups)
		return "hosts follow their group";
	if (size != 4 && size != 16)
		return "a host's address has 4 or 16 bytes";
	if (check->members++ == DPR_MAX_RULES_MEMBERS)
		return "no more than 64 hosts in a group";
	return NULL;
}

static const char *dpr_rule_check_rule(struct dpr_rule_check *check,
				       const u8 *records, u32 at)
{
	if (check->index->otherwise != DPR_RULES_NONE)
		return "the group of what no rule matches comes last";
	if (check->index->rules && !check->kinds)
		return "a rule needs a condition";
	if (check->index->rules == DPR_MAX_RULES)
		return "no more than 64 rules";
	if (records[at + 1] != 1 || records[at + 2] >= check->index->groups)
		return "a rule needs one of the groups";
	if (!check->rules)
		check->index->first = at;
	check->rules = true;
	check->kinds = 0;
	check->index->rules++;
	return NULL;
}

static const char *dpr_rule_check_otherwise(struct dpr_rule_check *check,
					    const u8 *records, u32 at)
{
	if (check->index->otherwise != DPR_RULES_NONE)
		return "only one group of what no rule matches";
	if (records[at + 1] != 1 || records[at + 2] >= check->index->groups)
		return "the group of what no rule matches must be there";
	if (!check->rules)
		check->index->first = at;
	check->rules = true;
	check->index->otherwise = records[at + 2];
	return NULL;
}

/* A host as a request's parser would give it: without capital letters, port, dot. */
static bool dpr_rule_check_host(const u8 *value, u32 size)
{
	u32 end, i;

	for (i = 0; i < size; i++)
		if (value[i] != dpr_request_lower(value[i]))
			return false;
	return size && dpr_http_head_host(value, 0, size, &end) && end == size &&
	       value[size - 1] != '.';
}

static bool dpr_rule_check_path(const u8 *value, u32 size)
{
	u32 i;

	for (i = 0; i < size; i++)
		if (value[i] <= ' ' || value[i] == 0x7f || value[i] == '#' ||
		    value[i] == '?')
			return false;
	return size && value[0] == '/';
}

static bool dpr_rule_check_token(const u8 *value, u32 size)
{
	u32 i;

	for (i = 0; i < size; i++)
		if (!dpr_http_head_token(value[i]))
			return false;
	return size;
}

static bool dpr_rule_check_cookie(const u8 *value, u32 size)
{
	const u8 *is = memchr(value, '=', size);
	u32 i;

	if (!is || !dpr_rule_check_token(value, is - value))
		return false;
	for (i = is - value + 1; i < size; i++)
		if (value[i] <= ' ' || value[i] == 0x7f || value[i] == ';')
			return false;
	return true;
}

static const char *dpr_rule_check_value(u8 type, const u8 *value, u32 size)
{
	switch (type) {
	case DPR_RULES_HOST:
	case DPR_RULES_SNI:
		return dpr_rule_check_host(value, size) ? NULL :
		       "a host has small letters, no port, and no dot at its end";
	case DPR_RULES_HOST_SUFFIX:
	case DPR_RULES_SNI_SUFFIX:
		return size > 1 && value[0] == '.' && value[1] != '[' &&
		       dpr_rule_check_host(value + 1, size - 1) ? NULL :
		       "a suffix is a dot and a host";
	case DPR_RULES_PATH:
		return dpr_rule_check_path(value, size) ? NULL :
		       "a path begins with /, and has no space, ? or #";
	case DPR_RULES_METHOD:
		return dpr_rule_check_token(value, size) &&
		       size <= DPR_HTTP_HEAD_METHOD ? NULL :
		       "a method is a token of 1 to 32 characters";
	case DPR_RULES_COOKIE:
		return dpr_rule_check_cookie(value, size) ? NULL :
		       "a cookie is name=value";
	default:
		return size ? NULL : "a protocol has a name";
	}
}

static const char *dpr_rule_check_condition(struct dpr_rule_check *check,
					    const u8 *records, u32 at)
{
	const u8 type = records[at];
	u32 kind = type;

	if (!check->index->rules ||
	    check->index->otherwise != DPR_RULES_NONE)
		return "conditions follow their rule";
	if (type == DPR_RULES_HOST_SUFFIX)
		kind = DPR_RULES_HOST;
	if (type == DPR_RULES_SNI_SUFFIX)
		kind = DPR_RULES_SNI;
	if (check->kinds & 1U << kind)
		return "one condition of each kind";
	check->kinds |= 1U << kind;
	return dpr_rule_check_value(type, records + at + 2, records[at + 1]);
}

static const char *dpr_rule_check_record(struct dpr_rule_check *check,
					 const u8 *records, u32 at)
{
	switch (records[at]) {
	case DPR_RULES_GROUP:
		return dpr_rule_check_group(check, records, at);
	case DPR_RULES_MEMBER:
		return dpr_rule_check_member(check, records[at + 1]);
	case DPR_RULES_RULE:
		return dpr_rule_check_rule(check, records, at);
	case DPR_RULES_DEFAULT:
		return dpr_rule_check_otherwise(check, records, at);
	case DPR_RULES_UNSPEC:
		return "unknown record";
	default:
		return records[at] > DPR_RULES_MAX ? "unknown record" :
		       dpr_rule_check_condition(check, records, at);
	}
}

/**
 * dpr_rule_check - are records the rules of a service
 * @records: enum dpr_rules_record
 * @len: their length
 * @index: set to where things are among them
 * @at: set to the offset of the record that is wrong
 *
 * Return: NULL, or what is wrong.
 */
const char *dpr_rule_check(const u8 *records, u32 len,
			   struct dpr_rule_index *index, u32 *at)
{
	struct dpr_rule_check check = { .index = index };
	const char *wrong;

	memset(index, 0, sizeof(*index));
	index->otherwise = DPR_RULES_NONE;
	*at = 0;
	if (len > DPR_MAX_RULES_BYTES)
		return "no more than 32768 bytes of rules";
	while (*at < len) {
		if (len - *at < 2 || len - *at - 2 < records[*at + 1])
			return "a record is cut off";
		wrong = dpr_rule_check_record(&check, records, *at);
		if (wrong)
			return wrong;
		*at += 2 + records[*at + 1];
	}
	if (!index->rules && index->otherwise == DPR_RULES_NONE)
		return "there is no rule";
	if (index->rules && !check.kinds)
		return "a rule needs a condition";
	return NULL;
}
