/* SPDX-License-Identifier: GPL-2.0 */
/* What clients' packets become on their way to a server, so that it can answer them. */
#ifndef _DPR_INJECT_ANSWER_H
#define _DPR_INJECT_ANSWER_H

#include <linux/in6.h>
#include <linux/netdevice.h>
#include <linux/types.h>

/**
 * struct inject_addr - an address of either family
 * @family: AF_INET or AF_INET6; 0 if there is none
 * @ip: if of IPv4
 * @ip6: if of IPv6
 */
struct inject_addr {
	u8 family;
	union {
		__be32 ip;
		struct in6_addr ip6;
	};
};

/**
 * struct inject_asked - a segment as it left this host for a server
 * @times: how many segments left it; with one, the rest is set
 * @from: its source
 * @to: its destination
 * @source: source port
 * @dest: destination port
 * @end: the sequence number after its last byte
 * @ack: its acknowledgment number, 0 without one
 * @before: bytes of the server's that go before the answer, after @ack
 */
struct inject_asked {
	u32 times;
	struct inject_addr from;
	struct inject_addr to;
	__be16 source;
	__be16 dest;
	u32 end;
	u32 ack;
	u32 before;
};

void inject_answer_start(struct net_device *out);
void inject_answer_stop(void);
void inject_answer_note(struct inject_asked *asked);

#endif
