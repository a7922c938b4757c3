/* SPDX-License-Identifier: GPL-2.0 */
/* Packets generated for the fuzzing of dpr.ko, and where they go. */
#ifndef _DPR_FUZZ_H
#define _DPR_FUZZ_H

#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <linux/types.h>

/*
 * The guest's network, as testbed/check/fuzz/guest/network.go makes it. Few values,
 * so that packets meet: each client talks about the same few connections. The
 * addresses of IPv6 end in the same number.
 */
#define FUZZ_OWN	0x0a000001	/* 10.0.0.1, fd00::1, this host's address */
#define FUZZ_OTHER	0x0a000009	/* 10.0.0.9, fd00::9, another address of it */
#define FUZZ_CLIENTS	0x0a800000	/* 10.128.0.0, fd80:: and on: clients */
#define FUZZ_PEERS	0x0a090002	/* 10.9.0.2, fd09::2 and on: peers */
#define FUZZ_NET6(v4)	(0xfd000000 | ((v4) & 0xff0000)) /* first 32 bits of IPv6 */
#define FUZZ_N_CLIENTS	8
#define FUZZ_N_PORTS	64
#define FUZZ_N_CONNECTIONS (FUZZ_N_CLIENTS * FUZZ_N_PORTS)
#define FUZZ_N_PEERS	6		/* the last two are unknown as a rule */
#define FUZZ_CLIENT_PORT 1024

#define FUZZ_MARK	0x8000		/* the reserved bit */
#define FUZZ_OFFER	0x10000		/* in a flow label */
#define FUZZ_ASK	253		/* protocol of questions between hosts */
#define FUZZ_ASK_MANY	10		/* that kind of them has several questions */

#define FUZZ_ROOM	1024		/* before a packet: headers to come */
#define FUZZ_SIZE	16384		/* of a packet, headers and all */

/**
 * struct fuzz_packet - a packet while it is made, from its end to its beginning
 * @data: its bytes, from @at on
 * @at: where it begins
 * @len: how long it is
 * @ip: offset from @at of the IP header before @tcp
 * @tcp: offset from @at of the TCP header that the headers lead to, 0 if none
 * @wide: it begins with a header of IPv6
 * @intact: all of it is as the standards have it
 */
struct fuzz_packet {
	u8 data[FUZZ_ROOM + FUZZ_SIZE];
	u32 at;
	u32 len;
	u32 ip;
	u32 tcp;
	bool wide;
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

static inline void fuzz_fill(u8 *data, u32 n)
{
	for (; n; n--)
		*data++ = fuzz_random();
}

/* Puts so many bytes before what there is. */
static inline void *fuzz_push(struct fuzz_packet *p, u32 n)
{
	p->at -= n;
	p->len += n;
	if (p->tcp) {
		p->ip += n;
		p->tcp += n;
	}
	return memset(fuzz_start(p), 0, n);
}

/**
 * struct fuzz_view - what a packet begins with
 * @wide: a header of IPv6
 * @hlen: its length
 * @protocol: what it says comes next
 */
struct fuzz_view {
	bool wide;
	u32 hlen;
	u8 protocol;
};

/* Returns false if the packet has no whole header of its family. */
static inline bool fuzz_look(const void *data, u32 len, bool wide,
			     struct fuzz_view *v)
{
	const struct ipv6hdr *ip6h = data;
	const struct iphdr *iph = data;

	v->wide = wide;
	if (len < (wide ? sizeof(*ip6h) : sizeof(*iph)))
		return false;
	v->hlen = wide ? sizeof(*ip6h) : iph->ihl * 4;
	v->protocol = wide ? ip6h->nexthdr : iph->protocol;
	return v->hlen >= sizeof(*iph) && v->hlen <= len;
}

/* Is it the protocol of a tunnel? */
static inline bool fuzz_tunnel(u8 protocol)
{
	return protocol == IPPROTO_IPIP || protocol == IPPROTO_IPV6;
}

/* Addresses of both families; those of IPv4 are mapped. */
struct in6_addr fuzz_client(u32 connection, bool wide);
struct in6_addr fuzz_peer(bool wide);
struct in6_addr fuzz_own(bool wide);
struct in6_addr fuzz_address(bool wide);

void fuzz_ip(struct fuzz_packet *p, u8 protocol, const struct in6_addr *from,
	     const struct in6_addr *to, u16 frag);
void fuzz_packet_fix(struct fuzz_packet *p);

__be16 fuzz_client_port(u32 connection);
__be16 fuzz_service(void);
void fuzz_tcp(struct fuzz_packet *p, u32 connection, bool wide);
void fuzz_tcp_check(struct fuzz_packet *p, const struct in6_addr *from,
		    const struct in6_addr *to);

void fuzz_packet_make(struct fuzz_packet *p);
void fuzz_mutate(struct fuzz_packet *p);
void fuzz_send(struct fuzz_packet *p);
void fuzz_fragment_name(struct fuzz_packet *p);
bool fuzz_send_fragments(const struct fuzz_packet *p);
struct sk_buff *fuzz_shape(const struct fuzz_packet *p, struct net_device *dev);

void fuzz_guard(const struct sk_buff *skb);
void fuzz_unguard(const struct sk_buff *skb);

int fuzz_tap_open(struct net *net);
void fuzz_tap_close(void);
bool fuzz_tap_reflect(struct fuzz_packet *p);
u32 fuzz_tap_expects(u32 connection, bool wide);

/**
 * struct fuzz_counts - what passed
 * @before: packets of the protocols of tunnels that came to dpr's hook
 * @after: of these, those that it let pass
 * @tunnelled: packets that went out in tunnels, by whether the outer header is
 *	one of IPv6, and the inner
 */
struct fuzz_counts {
	u64 before;
	u64 after;
	u64 tunnelled[2][2];
};

extern struct fuzz_counts fuzz_counts;

int fuzz_count_open(struct net *net);
void fuzz_count_close(struct net *net);
void fuzz_count_sent(const struct sk_buff *skb);
void fuzz_count_end(void);

#endif
