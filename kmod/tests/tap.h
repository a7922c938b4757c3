/* SPDX-License-Identifier: GPL-2.0 */
/* What the unit tests have in common: TAP on standard output. */
#ifndef _DPR_TAP_H
#define _DPR_TAP_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static int tests, failures;

static void check(bool ok, const char *what)
{
	tests++;
	if (!ok)
		failures++;
	printf("%sok %d - %s\n", ok ? "" : "not ", tests, what);
}

/* xorshift64: the same numbers in every run. */
static inline uint64_t number(void)
{
	static uint64_t x = 88172645463325252ULL;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

/* The plan, and main()'s status. */
static int verdict(void)
{
	printf("1..%d\n", tests);
	if (failures)
		fprintf(stderr, "%d of %d tests failed\n", failures, tests);
	return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif /* _DPR_TAP_H */
