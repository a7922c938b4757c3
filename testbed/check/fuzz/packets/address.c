// SPDX-License-Identifier: GPL-2.0
/* The addresses that packets have. */
#include <net/ipv6.h>
#include "fuzz.h"

static struct in6_addr fuzz_address_of(u32 v4, bool wide)
{
	struct in6_addr address = {};

	if (wide) {
		address.s6_addr32[0] = htonl(FUZZ_NET6(v4));
		address.s6_addr32[3] = htonl(v4 & 0xffff);
	} else {
		ipv6_addr_set_v4mapped(htonl(v4), &address);
	}
	return address;
}

/** fuzz_client - the client of a connection */
struct in6_addr fuzz_client(u32 connection, bool wide)
{
	return fuzz_address_of(FUZZ_CLIENTS + connection % FUZZ_N_CLIENTS, wide);
}

/** fuzz_peer - any of the peers */
struct in6_addr fuzz_peer(bool wide)
{
	return fuzz_address_of(FUZZ_PEERS + fuzz_below(FUZZ_N_PEERS), wide);
}

/** fuzz_own - an address of this host, mostly the same */
struct in6_addr fuzz_own(bool wide)
{
	return fuzz_address_of(fuzz_one_in(8) ? FUZZ_OTHER : FUZZ_OWN, wide);
}

static struct in6_addr fuzz_address6(void)
{
	static const u32 strange[][4] = {
		{}, { 0, 0, 0, 1 }, { 0xff020000, 0, 0, 1 }, { 0xff0e0000, 0, 0, 1 },
		{ 0xfe800000, 0, 0, 2 }, { 0, 0, 0xffff, 0x0a800000 },
		{ 0xfec00000, 0, 0, 1 }, { 0, 0, 0, 0x0a800000 },
		{ 0x20020a80, 0, 0, 1 }, { 0xfd000000, 0, 0, 1 },
		{ 0xfd090000, 0, 0, 2 }, { 0xfd090000, 0, 0, 0 },
	};
	const u32 *from = strange[fuzz_below(ARRAY_SIZE(strange))];
	const bool any = fuzz_one_in(4);
	struct in6_addr address;
	u32 i;

	for (i = 0; i < 4; i++)
		address.s6_addr32[i] = htonl(any ? (u32)fuzz_random() : from[i]);
	return address;
}

/** fuzz_address - any address at all, the strange ones more often */
struct in6_addr fuzz_address(bool wide)
{
	static const u32 strange[] = {
		0, 0x7f000001, 0xe0000001, 0xffffffff, 0x0a09ffff, 0xa9fe0101,
		0xf0000001, 0x0a0000ff, FUZZ_OWN, FUZZ_OTHER, FUZZ_PEERS,
	};

	if (wide)
		return fuzz_address6();
	return fuzz_address_of(fuzz_one_in(4) ? (u32)fuzz_random() :
			       strange[fuzz_below(ARRAY_SIZE(strange))], false);
}
