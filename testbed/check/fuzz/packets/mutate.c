// SPDX-License-Identifier: GPL-2.0
/* Damage to packets. */
#include "fuzz.h"

static void fuzz_mutate_once(struct fuzz_packet *p)
{
	static const u8 odd[] = { 0, 1, 0x7f, 0x80, 0xff };
	u8 *data = fuzz_start(p);
	u32 at, n, to;

	/* Mostly in the headers. */
	at = fuzz_below(fuzz_one_in(4) ? p->len : min(p->len, 96U));
	switch (fuzz_below(8)) {
	case 0:
	case 1:
		data[at] ^= 1 << fuzz_below(8);
		break;
	case 2:
		data[at] = fuzz_random();
		break;
	case 3:
		data[at] = odd[fuzz_below(ARRAY_SIZE(odd))];
		break;
	case 4:
		data[at] += fuzz_one_in(2) ? 1 : -1;
		break;
	case 5:
		n = min(1 + fuzz_below(20), p->len - at);
		to = fuzz_below(p->len - n + 1);
		memmove(data + to, data + at, n);
		break;
	case 6:	/* what is promised is not there */
		if (at)
			p->len = at;
		break;
	case 7:	/* more than is promised */
		n = 1 + fuzz_below(64);
		if (p->at + p->len + n <= sizeof(p->data)) {
			memset(data + p->len, fuzz_random(), n);
			p->len += n;
		}
		break;
	}
}

/**
 * fuzz_mutate - damage a packet in some places
 * @p: the packet
 *
 * Its first header is mostly made right again, else the stack lets nothing
 * see the rest.
 */
void fuzz_mutate(struct fuzz_packet *p)
{
	u32 n = 1 + fuzz_below(3);

	p->intact = false;
	p->tcp = 0;
	for (; n; n--)
		fuzz_mutate_once(p);
	if (!fuzz_one_in(16))
		fuzz_packet_fix(p);
}
