// SPDX-License-Identifier: GPL-2.0
/*
 * KASAN knows where a packet's memory ends, not where its data do: behind them is
 * room for more, which nobody has written. Here that room is made forbidden, of
 * packets that are shared: whoever wants room then takes new memory. So it shows
 * when headers are read that have not been pulled into the linear part.
 */
#include <linux/kasan.h>
#include <linux/skbuff.h>
#include "fuzz.h"

#ifdef CONFIG_KASAN_GENERIC
#define GUARD_GRANULE	8	/* bytes that a byte of the shadow is about */
#define GUARD_FORBIDDEN	0xfc	/* as behind an object */

/* Writes the shadow of what is behind a packet's data. */
static void fuzz_guard_shadow(const struct sk_buff *skb, u8 first, u8 rest)
{
	const u8 *tail = skb_tail_pointer(skb), *end = skb_end_pointer(skb);
	u8 *shadow = kasan_mem_to_shadow(tail);
	u8 *until = kasan_mem_to_shadow(end);

	if (shadow >= until)
		return;
	if ((unsigned long)tail % GUARD_GRANULE)
		*shadow++ = first;
	memset(shadow, rest, until - shadow);
}

/**
 * fuzz_guard - forbid to read behind the data of a shared packet
 * @skb: one of those that share it, which nobody changes
 */
void fuzz_guard(const struct sk_buff *skb)
{
	fuzz_guard_shadow(skb,
			  (unsigned long)skb_tail_pointer(skb) % GUARD_GRANULE,
			  GUARD_FORBIDDEN);
}

/**
 * fuzz_unguard - allow it again
 * @skb: the same, before it is freed
 */
void fuzz_unguard(const struct sk_buff *skb)
{
	fuzz_guard_shadow(skb, 0, 0);
}
#else
void fuzz_guard(const struct sk_buff *skb) { }
void fuzz_unguard(const struct sk_buff *skb) { }
#endif
