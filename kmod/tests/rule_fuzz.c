// SPDX-License-Identifier: GPL-2.0
/*
 * libFuzzer target of rules by what is asked for, and of the parsers that they look at:
 * nothing is read beyond its end, and what some bytes decided, no further ones change.
 *
 * The input is the length of the records (two bytes), the records, and the client's
 * bytes. Records that are no rules are replaced by some that are.
 */
#include <stdio.h>
#include <stdlib.h>
#include "rule.h"

/* Only so many ends of the input are tried, so that long ones do not take for ever. */
#define ENDS	300

static const u8 fixed[] =
	"\1\5\3\1\x19\0g"
	"\2\4\1\2\3\4"
	"\1\5\0\0\0\0h"
	"\3\1\0" "\4\1a" "\6\2/a"
	"\3\1\0" "\5\2.b" "\7\3GET"
	"\3\1\1" "\x8\3c=d"
	"\3\1\0" "\x9\1e" "\xb\2h2"
	"\3\1\0" "\xa\2.f"
	"\xc\1\0";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy whose end the sanitizer watches. */
static u8 *copy(const u8 *bytes, size_t len)
{
	u8 *new = malloc(len);

	if (len && !new)
		abort();
	return len ? memcpy(new, bytes, len) : new;
}

static struct dpr_rules_result decide(const struct dpr_rule_set *set,
				      const u8 *bytes, size_t len, bool final)
{
	u8 *buf = copy(bytes, len);
	struct dpr_rules_result result;

	dpr_rule_decide(set, buf, len, final, &result);
	free(buf);
	return result;
}

static bool same(const struct dpr_rules_result *a,
		 const struct dpr_rules_result *b)
{
	return a->outcome == b->outcome && a->rule == b->rule &&
	       a->group == b->group && a->hashed == b->hashed &&
	       a->hash == b->hash;
}

static void check(const struct dpr_rule_set *set, const u8 *bytes, size_t len)
{
	const struct dpr_rules_result all = decide(set, bytes, len, false);
	const struct dpr_rules_result last = decide(set, bytes, len, true);
	const size_t step = len / ENDS + 1;
	size_t n;

	if (last.outcome == DPR_RULES_MORE ||
	    (all.outcome != DPR_RULES_MORE && !same(&all, &last)) ||
	    (last.group != DPR_RULES_NONE && last.group >= set->index.groups) ||
	    (last.outcome == DPR_RULES_MATCH ? last.rule >= set->index.rules :
					       last.rule != DPR_RULES_NONE))
		abort();
	for (n = len % step; n < len; n += step) {
		const struct dpr_rules_result some =
			decide(set, bytes, n, false);

		if (some.outcome != DPR_RULES_MORE && !same(&some, &all)) {
			fprintf(stderr, "%zu of %zu bytes decide otherwise\n", n,
				len);
			abort();
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dpr_rule_set set;
	size_t records;
	u8 *buf;
	u32 at;

	if (size < 2)
		return 0;
	records = data[0] << 8 | data[1];
	data += 2;
	size -= 2;
	if (records > size)
		records = size;
	buf = copy(data, records);
	set.records = buf;
	set.len = records;
	if (dpr_rule_check(buf, records, &set.index, &at)) {
		set.records = fixed;
		set.len = sizeof(fixed) - 1;
		if (dpr_rule_check(fixed, set.len, &set.index, &at))
			abort();
	}
	check(&set, data + records, size - records);
	for (at = 0; at < set.index.groups; at++)
		if (dpr_rule_group(&set, at).policy > DPR_RULES_POLICY_MAX)
			abort();
	free(buf);
	return 0;
}
