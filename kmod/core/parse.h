/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a packet's headers say. Pure: no kernel state, no packet buffers, only
 * bytes that the caller has made readable, so that the same code runs in the
 * module and in user-space tests.
 */
#ifndef _DPR_PARSE_H
#define _DPR_PARSE_H

#ifdef __KERNEL__
#include <linux/hash.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/types.h>
#include <net/ip.h>
#else
#include "user.h"
#endif

/**
 * struct dpr_flow_key - a redirected connection's 4-tuple
 * @client: the client's address
 * @address: this host's address that it talks to
 * @client_port: the client's port
 * @port: the service's port
 */
struct dpr_flow_key {
	__be32 client;
	__be32 address;
	__be16 client_port;
	__be16 port;
};

/**
 * dpr_parse_hash - where a connection is in a hash table
 * @key: the connection
 * @seed: a secret of the table, so that no client knows what collides
 *
 * Two multiplications, the first by the secret: half the instructions of jhash.
 *
 * Return: a number whose bits are all as good.
 */
static inline u32 dpr_parse_hash(const struct dpr_flow_key *key, u32 seed)
{
	u64 secret = (seed ^ (__force u32)key->address) * GOLDEN_RATIO_64 | 1;
	u64 x = (u64)(__force u32)key->client << 32 |
		(u32)(__force u16)key->port << 16 |
		(__force u16)key->client_port;

	x = (x ^ secret) * secret;
	return (x ^ x >> 32) * GOLDEN_RATIO_64 >> 32;
}

/**
 * struct dpr_segment - what the routing table wants to know of a TCP segment
 * @key: its 4-tuple
 * @seq: sequence number
 * @end: sequence number after it
 * @ack: acknowledgment number, if @has_ack
 * @has_ack: ACK is set
 * @syn: SYN is set and ACK is not: a new connection
 * @fin: FIN is set
 * @rst: RST is set
 */
struct dpr_segment {
	struct dpr_flow_key key;
	u32 seq;
	u32 end;
	u32 ack;
	bool has_ack;
	bool syn;
	bool fin;
	bool rst;
};

/**
 * dpr_parse_segment - read a client's TCP segment
 * @iph: its IP header, and the TCP header's first 20 bytes after it
 * @len: bytes from @iph to the packet's end
 * @seg: set
 *
 * If the data offset is a lie, @seg->end is that of a segment without data.
 */
static inline void dpr_parse_segment(const struct iphdr *iph, unsigned int len,
				     struct dpr_segment *seg)
{
	unsigned int hlen = iph->ihl * 4;
	const struct tcphdr *th = (const void *)iph + hlen;
	int data = len - hlen - th->doff * 4;

	*seg = (struct dpr_segment){
		.key.client = iph->saddr,
		.key.address = iph->daddr,
		.key.client_port = th->source,
		.key.port = th->dest,
		.seq = ntohl(th->seq),
		.end = ntohl(th->seq) + th->syn + th->fin +
		       (data > 0 ? data : 0),
		.ack = ntohl(th->ack_seq),
		.has_ack = th->ack,
		.syn = th->syn && !th->ack,
		.fin = th->fin,
		.rst = th->rst,
	};
}

/**
 * dpr_parse_ip_hlen - length of an IPv4 header (RFC 791)
 * @iph: its first 20 bytes
 *
 * Return: bytes, 0 if it is no IPv4 header.
 */
static inline unsigned int dpr_parse_ip_hlen(const struct iphdr *iph)
{
	unsigned int hlen = iph->ihl * 4;

	return iph->version == 4 && hlen >= sizeof(*iph) ? hlen : 0;
}

/**
 * dpr_parse_ip_whole - is a header right, and all there that it promises
 * @iph: the header, of the length that dpr_parse_ip_hlen() returned
 * @room: bytes from @iph to the end of what holds the packet
 */
static inline bool dpr_parse_ip_whole(const struct iphdr *iph,
				      unsigned int room)
{
	unsigned int len = ntohs(iph->tot_len);

	return !ip_fast_csum(iph, iph->ihl) && len >= iph->ihl * 4 &&
	       len <= room;
}

/**
 * dpr_parse_tcp_whole - is a TCP header inside its packet
 * @iph: a header that dpr_parse_ip_whole() found right
 * @th: the TCP header's first 20 bytes
 */
static inline bool dpr_parse_tcp_whole(const struct iphdr *iph,
				       const struct tcphdr *th)
{
	return th->doff * 4 >= sizeof(*th) &&
	       ntohs(iph->tot_len) >= iph->ihl * 4 + th->doff * 4;
}

/* What dpr_parse_icmp() looks at: two IP headers, an ICMP one, two ports. */
#define DPR_PARSE_ICMP_MAX	(60 + 8 + 60 + 8)

unsigned int dpr_parse_mss(const struct tcphdr *th);
void dpr_parse_strip_options(struct iphdr *iph);
bool dpr_parse_icmp(const void *packet, unsigned int len, u8 protocol,
		    struct dpr_flow_key *key);

#endif /* _DPR_PARSE_H */
