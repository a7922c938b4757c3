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
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/types.h>
#include <net/ip.h>
#else
#include "user.h"
#endif
#include "addr.h"

/**
 * struct dpr_flow_key - a redirected connection's 4-tuple
 * @client: the client's address
 * @address: this host's address that it talks to
 * @client_port: the client's port
 * @port: the service's port
 * @wide: the addresses are IPv6 ones
 */
struct dpr_flow_key {
	struct dpr_addr client;
	struct dpr_addr address;
	__be16 client_port;
	__be16 port;
	bool wide;
};

/** dpr_parse_key4 - the key of a connection of IPv4 */
static inline struct dpr_flow_key
dpr_parse_key4(__be32 client, __be16 client_port, __be32 address, __be16 port)
{
	return (struct dpr_flow_key){
		.client = dpr_addr_of4(client),
		.address = dpr_addr_of4(address),
		.client_port = client_port,
		.port = port,
	};
}

/** dpr_parse_key6 - the key of a connection of IPv6 */
static inline struct dpr_flow_key
dpr_parse_key6(const void *client, __be16 client_port, const void *address,
	       __be16 port)
{
	return (struct dpr_flow_key){
		.client = dpr_addr_of6(client),
		.address = dpr_addr_of6(address),
		.client_port = client_port,
		.port = port,
		.wide = true,
	};
}

/** dpr_parse_key_equal - are two keys one connection's */
static inline bool dpr_parse_key_equal(const struct dpr_flow_key *a,
				       const struct dpr_flow_key *b)
{
	return a->client_port == b->client_port && a->port == b->port &&
	       dpr_addr_equal(&a->client, &b->client) &&
	       dpr_addr_equal(&a->address, &b->address);
}

static inline u64 dpr_parse_hash_secret(__be32 address, u32 seed)
{
	return (seed ^ (__force u32)address) * GOLDEN_RATIO_64 | 1;
}

static inline u64 dpr_parse_hash_ports(__be32 client, __be16 client_port,
				       __be16 port)
{
	return (u64)(__force u32)client << 32 | (u32)(__force u16)port << 16 |
	       (__force u16)client_port;
}

static inline u32 dpr_parse_hash_mix(u64 x, u64 secret)
{
	x = (x ^ secret) * secret;
	return (x ^ x >> 32) * GOLDEN_RATIO_64 >> 32;
}

/* What the hash has of an IPv6 connection's addresses. */
static inline u64 dpr_parse_hash_wide(const struct dpr_addr *client,
				      const struct dpr_addr *address,
				      u64 secret)
{
	u64 x = (client->half[1] ^ secret) * secret;

	x = (x ^ x >> 32 ^ client->half[0]) * secret;
	x = (x ^ x >> 32 ^ address->half[0]) * secret;
	return x ^ x >> 32 ^ address->half[1];
}

/**
 * dpr_parse_hash - where a connection is in a hash table
 * @key: the connection
 * @seed: a secret of the table, so that no client knows what collides
 *
 * For IPv4 two multiplications, the first by the secret: half the instructions of
 * jhash.
 *
 * Return: a number whose bits are all as good.
 */
static inline u32 dpr_parse_hash(const struct dpr_flow_key *key, u32 seed)
{
	const u64 secret = dpr_parse_hash_secret(key->address.word[3], seed);
	u64 x = dpr_parse_hash_ports(key->client.word[3], key->client_port,
				     key->port);

	if (key->wide)
		x ^= dpr_parse_hash_wide(&key->client, &key->address, secret);
	return dpr_parse_hash_mix(x, secret);
}

/**
 * dpr_parse_hash4 - the same of a connection of IPv4
 * @client: the client's address
 * @client_port: the client's port
 * @address: the address that it talks to
 * @port: the service's port
 * @seed: the secret
 */
static inline u32 dpr_parse_hash4(__be32 client, __be16 client_port,
				  __be32 address, __be16 port, u32 seed)
{
	return dpr_parse_hash_mix(dpr_parse_hash_ports(client, client_port, port),
				  dpr_parse_hash_secret(address, seed));
}

/**
 * struct dpr_segment - what the routing table wants to know of a TCP segment
 * @key: its 4-tuple
 * @offset: of its TCP header, from where the packet's data begin
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
	u32 offset;
	u32 seq;
	u32 end;
	u32 ack;
	bool has_ack;
	bool syn;
	bool fin;
	bool rst;
};

/**
 * dpr_parse_ports - what says which connection a segment is of, but for its addresses
 * @th: its TCP header's first 20 bytes
 * @offset: of @th, from where the packet's data begin
 * @wide: it is one of IPv6
 * @seg: the key's ports, the offset and @syn are set
 *
 * Each field in its place, here and below: every packet would pay for a copy.
 */
static __always_inline void dpr_parse_ports(const struct tcphdr *th, u32 offset,
					    bool wide, struct dpr_segment *seg)
{
	seg->key.client_port = th->source;
	seg->key.port = th->dest;
	seg->key.wide = wide;
	seg->offset = offset;
	seg->syn = th->syn && !th->ack;
}

/**
 * dpr_parse_numbers - the rest of what is to be known of a segment
 * @th: its TCP header's first 20 bytes
 * @len: bytes from @th to the packet's end
 * @seg: set
 */
static __always_inline void dpr_parse_numbers(const struct tcphdr *th,
					      unsigned int len,
					      struct dpr_segment *seg)
{
	int data = len - th->doff * 4;

	seg->seq = ntohl(th->seq);
	seg->end = ntohl(th->seq) + th->syn + th->fin + (data > 0 ? data : 0);
	seg->ack = ntohl(th->ack_seq);
	seg->has_ack = th->ack;
	seg->fin = th->fin;
	seg->rst = th->rst;
}

/**
 * dpr_parse_addresses - the addresses of a connection of IPv4
 * @iph: the IP header of a client's packet
 * @key: they are set
 */
static __always_inline void dpr_parse_addresses(const struct iphdr *iph,
						struct dpr_flow_key *key)
{
	dpr_addr_set4(&key->client, iph->saddr);
	dpr_addr_set4(&key->address, iph->daddr);
}

/**
 * dpr_parse_addresses6 - likewise, of IPv6
 * @ip6h: the IP header of a client's packet
 * @key: they are set
 */
static __always_inline void dpr_parse_addresses6(const struct ipv6hdr *ip6h,
						 struct dpr_flow_key *key)
{
	memcpy(&key->client, &ip6h->saddr, sizeof(key->client));
	memcpy(&key->address, &ip6h->daddr, sizeof(key->address));
}

/**
 * dpr_parse_segment - read a client's TCP segment
 * @iph: its IP header, and the TCP header's first 20 bytes after it
 * @len: bytes from @iph to the packet's end
 * @start: of @iph, from where the packet's data begin
 * @seg: set
 *
 * If the data offset is a lie, @seg->end is that of a segment without data.
 */
static inline void dpr_parse_segment(const struct iphdr *iph, unsigned int len,
				     u32 start, struct dpr_segment *seg)
{
	const unsigned int hlen = iph->ihl * 4;
	const struct tcphdr *th = (const void *)iph + hlen;

	dpr_parse_addresses(iph, &seg->key);
	dpr_parse_ports(th, start + hlen, false, seg);
	dpr_parse_numbers(th, len - hlen, seg);
}

/**
 * dpr_parse_segment6 - likewise, of IPv6
 * @ip6h: its IP header
 * @th: its TCP header's first 20 bytes
 * @len: bytes from @th to the packet's end
 * @offset: of @th, from where the packet's data begin
 * @seg: set
 */
static inline void dpr_parse_segment6(const struct ipv6hdr *ip6h,
				      const struct tcphdr *th, unsigned int len,
				      u32 offset, struct dpr_segment *seg)
{
	dpr_parse_addresses6(ip6h, &seg->key);
	dpr_parse_ports(th, offset, true, seg);
	dpr_parse_numbers(th, len, seg);
}

/**
 * dpr_parse_bare - is a segment without IP options and extension headers
 * @seg: the segment; its packet's data begin with the IP header
 */
static inline bool dpr_parse_bare(const struct dpr_segment *seg)
{
	return seg->offset == (seg->key.wide ? sizeof(struct ipv6hdr) :
					       sizeof(struct iphdr));
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
/* What dpr_parse_icmp6() looks at: an ICMPv6 header, an IPv6 one, two ports. */
#define DPR_PARSE_ICMP6_MAX	(8 + 40 + 8)

unsigned int dpr_parse_mss(const struct tcphdr *th);
void dpr_parse_strip_options(struct iphdr *iph);
bool dpr_parse_icmp(const void *packet, unsigned int len, u8 protocol,
		    struct dpr_flow_key *key);
bool dpr_parse_icmp6(const void *message, unsigned int len, u8 protocol,
		     struct dpr_flow_key *key);

#endif /* _DPR_PARSE_H */
