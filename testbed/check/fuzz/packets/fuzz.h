/* SPDX-License-Identifier: GPL-2.0 */
/* Packets generated for the fuzzing of dpr.ko, and where they go. */
#ifndef _DPR_FUZZ_H
#define _DPR_FUZZ_H

#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <linux/types.h>

/*
 * The guest's network, as testbed/check/fuzz/guest/network.go makes it. Few values,
 * so that packets meet: each client talks about the same few connections.
 */
#define FUZZ_OWN	0x0a000001	/* 10.0.0.1, this host's address */
#define FUZZ_OTHER	0x0a000009	/* 10.0.0.9, another address of it */
#define FUZZ_CLIENTS	0x0a800000	/* 10.128.0.0 and on: clients */
#define FUZZ_PEERS	0x0a090002	/* 10.9.0.2 and on: peers */
#define FUZZ_N_CLIENTS	8
#define FUZZ_N_PORTS	64
#define FUZZ_N_PEERS	6		/* the last two are unknown as a rule */
#define FUZZ_CLIENT_PORT 1024

#define FUZZ_MARK	0x8000		/* the reserved bit */
#define FUZZ_ASK	253		/* protocol of questions between hosts */

#define FUZZ_ROOM	512		/* before a packet: headers to come */
#define FUZZ_SIZE	8192		/* of a packet, headers and all */

/**
 * struct fuzz_packet - a packet while it is made, from its end to its beginning
 * @data: its bytes, from @at on
 * @at: where it begins
 * @len: how long it is
 * @tcp: offset from @at of the TCP header that the headers lead to, 0 if none
 * @intact: all of it is as the standards have it
 */
struct fuzz_packet {
	u8 data[FUZZ_ROOM + FUZZ_SIZE];
	u32 at;
	u32 len;
	u32 tcp;
	bool intact;
};

static inline u8 *fuzz_start(struct fuzz_packet *p)
{
	return p->data + p->at;
}

/* The next random number; all of them follow from the seed. */
u64 fuzz_random(void);

static inline u32 fuzz_below(u32 n)
{
	return (u32)((fuzz_random() >> 32) * n >> 32);
}

static inline bool fuzz_one_in(u32 n)
{
	return !fuzz_below(n);
}

void fuzz_packet_make(struct fuzz_packet *p);
void fuzz_packet_fix(struct fuzz_packet *p);
void fuzz_mutate(struct fuzz_packet *p);
struct sk_buff *fuzz_shape(const struct fuzz_packet *p, struct net_device *dev);

int fuzz_tap_open(struct net *net);
void fuzz_tap_close(void);
bool fuzz_tap_reflect(struct fuzz_packet *p);
u64 fuzz_tap_before(void);
u64 fuzz_tap_after(void);
u64 fuzz_tap_tunnelled(void);
u32 fuzz_tap_expects(u32 connection);

#endif
