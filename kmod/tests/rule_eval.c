// SPDX-License-Identifier: GPL-2.0
/*
 * Says what rules by what is asked for decide, for another implementation to be compared
 * with (userland/layer7). On standard input: the length of the records, that of the
 * client's bytes, whether they are all (four bytes each, host byte order), the records,
 * the bytes. On standard output, a line for each: the outcome, the rule, the group, and
 * the hash, or "none"; or "wrong" and where.
 */
#include <stdio.h>
#include <stdlib.h>
#include "rule.h"

static u8 *read_bytes(size_t len)
{
	u8 *bytes = malloc(len);

	if ((len && !bytes) || fread(bytes, 1, len, stdin) != len)
		exit(EXIT_FAILURE);
	return bytes;
}

static void say(const struct dpr_rules_result *result)
{
	printf("%u %u %u ", result->outcome, result->rule, result->group);
	if (result->hashed)
		printf("%llu\n", (unsigned long long)result->hash);
	else
		puts("none");
}

int main(void)
{
	struct dpr_rules_result result;
	struct dpr_rule_set set;
	u32 head[3], at;

	while (fread(head, sizeof(head), 1, stdin) == 1) {
		u8 *records = read_bytes(head[0]);
		u8 *bytes = read_bytes(head[1]);

		set.records = records;
		set.len = head[0];
		if (dpr_rule_check(records, head[0], &set.index, &at)) {
			printf("wrong %u\n", at);
		} else {
			dpr_rule_decide(&set, bytes, head[1], head[2], &result);
			say(&result);
		}
		fflush(stdout);
		free(records);
		free(bytes);
	}
	return EXIT_SUCCESS;
}
