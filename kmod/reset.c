// SPDX-License-Identifier: GPL-2.0
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <linux/tcp.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/l3mdev.h>
#include <net/route.h>
#include <net/tcp.h>
#include "config.h"
#include "core/parse.h"
#include "dpr.h"
#include "flow.h"
#include "local.h"
#include "netns.h"
#include "reset.h"
#include "route.h"
#include "stats.h"

/**
 * struct dpr_reset - a RST to send
 * @key: the connection it ends
 * @vrf: index of the VRF that its client is reached in, 0 if it is in none
 * @seq: sequence number
 * @ack: acknowledgment number, if @has_ack
 * @has_ack: set ACK
 */
struct dpr_reset {
	struct dpr_flow_key key;
	int vrf;
	u32 seq;
	u32 ack;
	bool has_ack;
};

/* The TCP header; returns its sum, for the checksum. */
static __wsum dpr_reset_fill_tcp(struct sk_buff *skb, const struct dpr_reset *rst)
{
	struct tcphdr *th = skb_put_zero(skb, sizeof(*th));

	th->source = rst->key.port;
	th->dest = rst->key.client_port;
	th->doff = sizeof(*th) >> 2;
	th->rst = 1;
	th->seq = htonl(rst->seq);
	th->ack = rst->has_ack;
	th->ack_seq = rst->has_ack ? htonl(rst->ack) : 0;
	return csum_partial(th, sizeof(*th), 0);
}

static void dpr_reset_fill(struct sk_buff *skb, const struct dpr_reset *rst,
			   int ttl)
{
	struct iphdr *iph;
	__wsum sum;

	skb_reset_network_header(skb);
	iph = skb_put_zero(skb, sizeof(*iph));
	iph->version = 4;
	iph->ihl = sizeof(*iph) >> 2;
	iph->frag_off = htons(IP_DF);
	iph->ttl = ttl;
	iph->protocol = IPPROTO_TCP;
	iph->saddr = rst->key.address.word[3];
	iph->daddr = rst->key.client.word[3];
	skb_set_transport_header(skb, sizeof(*iph));
	sum = dpr_reset_fill_tcp(skb, rst);
	tcp_hdr(skb)->check = tcp_v4_check(sizeof(struct tcphdr), iph->saddr,
					   iph->daddr, sum);
	skb->protocol = htons(ETH_P_IP);
}

static void dpr_reset_fill6(struct sk_buff *skb, const struct dpr_reset *rst,
			    int hop_limit)
{
	struct ipv6hdr *ip6h;
	__wsum sum;

	skb_reset_network_header(skb);
	ip6h = skb_put_zero(skb, sizeof(*ip6h));
	ip6h->version = 6;
	ip6h->payload_len = htons(sizeof(struct tcphdr));
	ip6h->nexthdr = IPPROTO_TCP;
	ip6h->hop_limit = hop_limit;
	ip6h->saddr = *dpr_local_in6(&rst->key.address);
	ip6h->daddr = *dpr_local_in6(&rst->key.client);
	skb_set_transport_header(skb, sizeof(*ip6h));
	sum = dpr_reset_fill_tcp(skb, rst);
	tcp_hdr(skb)->check = csum_ipv6_magic(&ip6h->saddr, &ip6h->daddr,
					      sizeof(struct tcphdr),
					      IPPROTO_TCP, sum);
	skb->protocol = htons(ETH_P_IPV6);
}

/*
 * The source may be another host's address, as it is in every reply to a
 * redirected packet.
 */
static struct dst_entry *dpr_reset_route4(struct dpr_net *dn,
					  const struct dpr_flow_key *key,
					  int vrf)
{
	struct flowi4 fl4 = {
		.daddr = key->client.word[3],
		.saddr = key->address.word[3],
		.flowi4_proto = IPPROTO_TCP,
		.flowi4_oif = vrf,
		.flowi4_flags = FLOWI_FLAG_ANYSRC,
	};
	struct rtable *rt = ip_route_output_key(dn->net, &fl4);

	return IS_ERR(rt) ? NULL : &rt->dst;
}

static noinline struct dst_entry *dpr_reset_route6(struct dpr_net *dn,
						   const struct dpr_flow_key *key,
						   int vrf)
{
	struct flowi6 fl6 = {
		.daddr = *dpr_local_in6(&key->client),
		.saddr = *dpr_local_in6(&key->address),
		.flowi6_proto = IPPROTO_TCP,
		.flowi6_oif = vrf,
	};
	struct dst_entry *dst = ip6_dst_lookup_flow(dn->net, NULL, &fl6, NULL);

	return IS_ERR(dst) ? NULL : dst;
}

/**
 * dpr_reset_route - the way to a client, with the address that it talks to as source
 * @dn: the namespace
 * @key: its connection
 * @vrf: index of the VRF that it is reached in, 0 if it is in none
 *
 * Called under RCU with bottom halves off.
 *
 * Return: the route, a reference taken; NULL if there is none.
 */
struct dst_entry *dpr_reset_route(struct dpr_net *dn,
				  const struct dpr_flow_key *key, int vrf)
{
	return unlikely(key->wide) ? dpr_reset_route6(dn, key, vrf) :
				     dpr_reset_route4(dn, key, vrf);
}

/* The VRF of who has no packet to answer: that of this host's address. */
static int dpr_reset_vrf(struct dpr_net *dn)
{
	return dpr_route_vrf(dn, &rcu_dereference(dn->config)->address);
}

static bool dpr_reset_send(struct dpr_net *dn, const struct dpr_reset *rst)
{
	struct dst_entry *dst = dpr_reset_route(dn, &rst->key, rst->vrf);
	struct sk_buff *skb;

	if (!dst)
		return false;
	skb = alloc_skb(LL_RESERVED_SPACE(dst->dev) + sizeof(struct ipv6hdr) +
			sizeof(struct tcphdr), GFP_ATOMIC | __GFP_NOWARN);
	if (!skb) {
		dst_release(dst);
		return false;
	}
	skb_reserve(skb, LL_RESERVED_SPACE(dst->dev));
	skb_dst_set(skb, dst);
	/*
	 * Connection tracking has not seen the connection, or only the packet
	 * that this answers, and would consider the RST invalid.
	 */
	skb_set_nfct(skb, IP_CT_UNTRACKED);
	if (rst->key.wide) {
		dpr_reset_fill6(skb, rst, ip6_dst_hoplimit(dst));
		ip6_local_out(dn->net, NULL, skb);
		return true;
	}
	dpr_reset_fill(skb, rst, ip4_dst_hoplimit(dst));
	__ip_select_ident(dn->net, ip_hdr(skb), 1);
	ip_local_out(dn->net, NULL, skb);
	return true;
}

/**
 * dpr_reset_reply - answer a client's segment that no socket here wants
 * @dn: the namespace
 * @skb: the client's packet, decapsulated, its TCP header in the linear part
 * @seg: the same, parsed
 * @offset: of its TCP header, from where the packet begins
 *
 * As RFC 9293 section 3.5.2 has it. Counts what became of it.
 */
void dpr_reset_reply(struct dpr_net *dn, struct sk_buff *skb,
		     const struct dpr_segment *seg, unsigned int offset)
{
	struct dpr_reset rst = {
		.key = seg->key,
		.vrf = l3mdev_master_ifindex_rcu(skb->dev),
	};
	__sum16 wrong;

	if (seg->rst) {
		dpr_stats_inc(dn, DPR_STAT_RX_NOT_SERVED);
		return;
	}
	wrong = seg->key.wide ?
		nf_ip6_checksum(skb, NF_INET_PRE_ROUTING, offset, IPPROTO_TCP) :
		nf_ip_checksum(skb, NF_INET_PRE_ROUTING, offset, IPPROTO_TCP);
	if (wrong) {
		dpr_stats_inc(dn, DPR_STAT_RX_CHECKSUM);
		return;
	}
	if (seg->has_ack) {
		rst.seq = seg->ack;
	} else {
		rst.has_ack = true;
		rst.ack = seg->end;
	}
	dpr_stats_inc(dn, dpr_reset_send(dn, &rst) ? DPR_STAT_RX_RESET :
						     DPR_STAT_RX_NO_MEMORY);
}

/**
 * dpr_reset_client - end a flow's connection at its client
 * @dn: the namespace
 * @flow: the flow, under RCU
 *
 * With the sequence number that the client last asked for. If more was on
 * its way to the client, it answers with a challenge ACK (RFC 5961), which
 * finds no flow and gets a RST from the stack.
 */
void dpr_reset_client(struct dpr_net *dn, const struct dpr_flow *flow)
{
	const struct dpr_reset rst = {
		.key = dpr_flow_key(flow),
		.vrf = dpr_reset_vrf(dn),
		.seq = READ_ONCE(flow->ack),
		/* A client in SYN-SENT believes only the ACK of its SYN. */
		.has_ack = !READ_ONCE(flow->ack),
		.ack = READ_ONCE(flow->isn) + 1,
	};

	dpr_reset_send(dn, &rst);
}

/**
 * dpr_reset_connection - end a connection that no host has, at its client
 * @dn: the namespace
 * @key: the connection
 * @seq: sequence number that the client expects next
 *
 * Called under RCU with bottom halves off.
 */
void dpr_reset_connection(struct dpr_net *dn, const struct dpr_flow_key *key, u32 seq)
{
	const struct dpr_reset rst = {
		.key = *key,
		.vrf = dpr_reset_vrf(dn),
		.seq = seq,
	};

	dpr_reset_send(dn, &rst);
}
