/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * An address of either family. Pure, as policy.h.
 *
 * An IPv4 address is kept as an IPv6 one (::ffff:a.b.c.d, RFC 4291, section 2.5.5.2).
 * Packets of IPv6 with such an address are not accepted, so it always means IPv4.
 */
#ifndef _DPR_ADDR_H
#define _DPR_ADDR_H

#ifdef __KERNEL__
#include <asm/byteorder.h>
#include <linux/string.h>
#include <linux/types.h>
#else
#include "user.h"
#endif

/**
 * struct dpr_addr - an IPv4 or IPv6 address, network byte order
 * @half: the same in two parts, to compare it
 * @word: in four parts; the last is an IPv4 address
 * @byte: the bytes
 *
 * All zero, it is none.
 */
struct dpr_addr {
	union {
		u64 half[2];
		__be32 word[4];
		u8 byte[16];
	};
};

/**
 * dpr_addr_of4 - an IPv4 address
 * @address: network byte order
 */
static inline struct dpr_addr dpr_addr_of4(__be32 address)
{
	return (struct dpr_addr){
		.word = { 0, 0, htonl(0xffff), address },
	};
}

/**
 * dpr_addr_set4 - make it an IPv4 address: what packets pay for, without a copy
 * @addr: the address
 * @address: network byte order
 */
static __always_inline void dpr_addr_set4(struct dpr_addr *addr, __be32 address)
{
	addr->half[0] = 0;
	addr->word[2] = htonl(0xffff);
	addr->word[3] = address;
}

/**
 * dpr_addr_of6 - an IPv6 address
 * @address: its 16 bytes, at a multiple of four
 */
static inline struct dpr_addr dpr_addr_of6(const void *address)
{
	struct dpr_addr addr;

	memcpy(&addr, address, sizeof(addr));
	return addr;
}

static inline bool dpr_addr_is4(const struct dpr_addr *addr)
{
	return !addr->half[0] && addr->word[2] == htonl(0xffff);
}

/** dpr_addr_none - is it no address */
static inline bool dpr_addr_none(const struct dpr_addr *addr)
{
	return !(addr->half[0] | addr->half[1]);
}

static inline bool dpr_addr_equal(const struct dpr_addr *a,
				  const struct dpr_addr *b)
{
	return !((a->half[0] ^ b->half[0]) | (a->half[1] ^ b->half[1]));
}

/** dpr_addr_compare - below 0, 0, above 0: the order that all hosts agree on */
static inline int dpr_addr_compare(const struct dpr_addr *a,
				   const struct dpr_addr *b)
{
	return memcmp(a, b, sizeof(*a));
}

/**
 * dpr_addr_id - a number for a host, the same on all hosts of one byte order
 * @addr: its address
 *
 * Return: the address itself if it is an IPv4 one, else a hash of it. Not 0.
 */
static inline u32 dpr_addr_id(const struct dpr_addr *addr)
{
	u64 x;

	if (dpr_addr_is4(addr))
		return (__force u32)addr->word[3];
	x = addr->half[0] * 0xff51afd7ed558ccdULL ^ addr->half[1];
	x ^= x >> 33;
	x *= 0xc4ceb9fe1a85ec53ULL;
	return x >> 32 ?: 1;
}

#endif /* _DPR_ADDR_H */
