/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What the pure files (policy, parse) need of the kernel, in user space: they
 * are compiled there for tests and simulations.
 */
#ifndef _DPR_USER_H
#define _DPR_USER_H

#include <arpa/inet.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef uint64_t u64;
typedef uint32_t u32;
typedef uint16_t u16;
typedef uint8_t u8;
typedef int32_t s32;

#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))

#define __force

/* <linux/hash.h> */
#define GOLDEN_RATIO_64	0x61C8864680B583EBull

/* <net/ip.h> */
#define IP_MF		0x2000
#define IP_OFFSET	0x1fff

/* <net/tcp.h> */
#define TCPOPT_EOL	0
#define TCPOPT_NOP	1
#define TCPOPT_MSS	2
#define TCPOLEN_MSS	4

/* The Internet checksum of a header of @ihl words, 0 if it holds a right one. */
static inline u16 ip_fast_csum(const void *iph, unsigned int ihl)
{
	const u8 *byte = iph;
	u32 sum = 0, i;

	for (i = 0; i < ihl * 4; i += 2)
		sum += byte[i] << 8 | byte[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons(~sum & 0xffff);
}

#endif /* _DPR_USER_H */
