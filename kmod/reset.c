// SPDX-License-Identifier: GPL-2.0
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter_ipv4.h>
#include <linux/tcp.h>
#include <net/ip.h>
#include <net/route.h>
#include <net/tcp.h>
#include "core/parse.h"
#include "dpr.h"
#include "flow.h"
#include "netns.h"
#include "reset.h"
#include "stats.h"

/**
 * struct dpr_reset - a RST to send
 * @key: the connection it ends
 * @seq: sequence number
 * @ack: acknowledgment number, if @has_ack
 * @has_ack: set ACK
 */
struct dpr_reset {
	struct dpr_flow_key key;
	u32 seq;
	u32 ack;
	bool has_ack;
};

static void dpr_reset_fill(struct sk_buff *skb, const struct dpr_reset *rst,
			   int ttl)
{
	struct tcphdr *th;
	struct iphdr *iph;

	skb_reset_network_header(skb);
	iph = skb_put_zero(skb, sizeof(*iph));
	iph->version = 4;
	iph->ihl = sizeof(*iph) >> 2;
	iph->frag_off = htons(IP_DF);
	iph->ttl = ttl;
	iph->protocol = IPPROTO_TCP;
	iph->saddr = rst->key.address;
	iph->daddr = rst->key.client;

	skb_set_transport_header(skb, sizeof(*iph));
	th = skb_put_zero(skb, sizeof(*th));
	th->source = rst->key.port;
	th->dest = rst->key.client_port;
	th->doff = sizeof(*th) >> 2;
	th->rst = 1;
	th->seq = htonl(rst->seq);
	th->ack = rst->has_ack;
	th->ack_seq = rst->has_ack ? htonl(rst->ack) : 0;
	th->check = tcp_v4_check(sizeof(*th), iph->saddr, iph->daddr,
				 csum_partial(th, sizeof(*th), 0));
	skb->protocol = htons(ETH_P_IP);
}

/*
 * The source may be another host's address, as it is in every reply to a
 * redirected packet.
 */
static bool dpr_reset_send(struct dpr_net *dn, const struct dpr_reset *rst)
{
	struct flowi4 fl4 = {
		.daddr = rst->key.client,
		.saddr = rst->key.address,
		.flowi4_proto = IPPROTO_TCP,
		.flowi4_flags = FLOWI_FLAG_ANYSRC,
	};
	struct sk_buff *skb;
	struct rtable *rt;

	rt = ip_route_output_key(dn->net, &fl4);
	if (IS_ERR(rt))
		return false;
	skb = alloc_skb(LL_RESERVED_SPACE(rt->dst.dev) +
			sizeof(struct iphdr) + sizeof(struct tcphdr),
			GFP_ATOMIC | __GFP_NOWARN);
	if (!skb) {
		ip_rt_put(rt);
		return false;
	}
	skb_reserve(skb, LL_RESERVED_SPACE(rt->dst.dev));
	dpr_reset_fill(skb, rst, ip4_dst_hoplimit(&rt->dst));
	__ip_select_ident(dn->net, ip_hdr(skb), 1);
	skb_dst_set(skb, &rt->dst);
	/*
	 * Connection tracking has not seen the connection, or only the packet
	 * that this answers, and would consider the RST invalid.
	 */
	skb_set_nfct(skb, IP_CT_UNTRACKED);
	ip_local_out(dn->net, NULL, skb);
	return true;
}

/**
 * dpr_reset_reply - answer a client's segment that no socket here wants
 * @dn: the namespace
 * @skb: the client's packet, decapsulated, its TCP header in the linear part
 *
 * As RFC 9293 section 3.5.2 has it. Counts what became of it.
 */
void dpr_reset_reply(struct dpr_net *dn, struct sk_buff *skb)
{
	const struct iphdr *iph = ip_hdr(skb);
	const struct tcphdr *th = tcp_hdr(skb);
	struct dpr_reset rst = {
		.key.client = iph->saddr,
		.key.address = iph->daddr,
		.key.client_port = th->source,
		.key.port = th->dest,
	};

	if (th->rst) {
		dpr_stats_inc(dn, DPR_STAT_RX_NOT_SERVED);
		return;
	}
	if (nf_ip_checksum(skb, NF_INET_PRE_ROUTING, ip_hdrlen(skb),
			   IPPROTO_TCP)) {
		dpr_stats_inc(dn, DPR_STAT_RX_CHECKSUM);
		return;
	}
	if (th->ack) {
		rst.seq = ntohl(th->ack_seq);
	} else {
		rst.has_ack = true;
		rst.ack = ntohl(th->seq) + th->syn + th->fin + skb->len -
			  ip_hdrlen(skb) - th->doff * 4;
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
		.key = flow->key,
		.seq = READ_ONCE(flow->ack),
		/* A client in SYN-SENT believes only the ACK of its SYN. */
		.has_ack = !READ_ONCE(flow->ack),
		.ack = READ_ONCE(flow->isn) + 1,
	};

	dpr_reset_send(dn, &rst);
}
