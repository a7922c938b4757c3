// SPDX-License-Identifier: GPL-2.0
#include <linux/tcp.h>
#include <net/dsfield.h>
#include <net/dst.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/route.h>
#include <net/tcp.h>
#include "local.h"
#include "netns.h"
#include "splice_make.h"
#include "splice_out.h"
#include "splice_table.h"

static void dpr_splice_make_ip4(struct dpr_net *dn, struct sk_buff *skb,
				const struct dpr_splice_end *to,
				const struct dst_entry *dst,
				const struct sk_buff *like, unsigned int len)
{
	struct iphdr *iph = skb_put_zero(skb, sizeof(*iph));

	iph->version = 4;
	iph->ihl = sizeof(*iph) >> 2;
	iph->tos = like ? ip_hdr(like)->tos & ~INET_ECN_MASK : 0;
	iph->tot_len = htons(sizeof(*iph) + len);
	iph->frag_off = htons(IP_DF);
	iph->ttl = ip4_dst_hoplimit(dst);
	iph->protocol = IPPROTO_TCP;
	iph->saddr = to->address;
	iph->daddr = to->client;
	__ip_select_ident(dn->net, iph, 1);
	ip_send_check(iph);
	skb->protocol = htons(ETH_P_IP);
}

static void dpr_splice_make_ip6(struct sk_buff *skb,
				const struct dpr_splice_addresses *to,
				struct dst_entry *dst,
				const struct sk_buff *like, unsigned int len)
{
	struct ipv6hdr *ip6h = skb_put_zero(skb, sizeof(*ip6h));

	/* The label of the client's packets, so that all of them go the same way. */
	if (like)
		ip6_flow_hdr(ip6h, ipv6_get_dsfield(ipv6_hdr(like)) & ~INET_ECN_MASK,
			     ip6_flowlabel(ipv6_hdr(like)));
	else
		ip6_flow_hdr(ip6h, 0, 0);
	ip6h->payload_len = htons(len);
	ip6h->nexthdr = IPPROTO_TCP;
	ip6h->hop_limit = ip6_dst_hoplimit(dst);
	ip6h->saddr = *dpr_local_in6(&to->address);
	ip6h->daddr = *dpr_local_in6(&to->client);
	skb->protocol = htons(ETH_P_IPV6);
}

/**
 * dpr_splice_make - make a segment to a backend
 * @dn: the namespace
 * @splice: the splice
 * @dst: the way to the backend
 * @what: the segment
 * @len: bytes of data, for which there is room
 *
 * Called under RCU in softirq.
 *
 * Return: its packet, the data and the checksum of TCP still missing; NULL without memory.
 */
struct sk_buff *dpr_splice_make(struct dpr_net *dn, const struct dpr_splice *splice,
				struct dst_entry *dst,
				const struct dpr_splice_make *what,
				unsigned int len)
{
	const struct dpr_splice_end *to = &splice->end[DPR_SPLICE_BACKEND];
	const unsigned int head = what->th.doff * 4;
	struct sk_buff *skb;
	struct tcphdr *th;

	skb = alloc_skb(LL_RESERVED_SPACE(dst->dev) + sizeof(struct ipv6hdr) +
			head + len, GFP_ATOMIC | __GFP_NOWARN);
	if (!skb)
		return NULL;
	skb_reserve(skb, LL_RESERVED_SPACE(dst->dev));
	skb_reset_network_header(skb);
	if (to->wide)
		dpr_splice_make_ip6(skb, &splice->wide[DPR_SPLICE_BACKEND], dst,
				    what->like, head + len);
	else
		dpr_splice_make_ip4(dn, skb, to, dst, what->like, head + len);
	skb_set_transport_header(skb, skb->len);
	th = skb_put(skb, head);
	memcpy(th, &what->th, sizeof(*th));
	memcpy(th + 1, what->options, head - sizeof(*th));
	th->source = to->port;
	th->dest = to->client_port;
	th->check = 0;
	if (what->like) {
		/* What goes behind it is to stay behind it. */
		skb_copy_hash(skb, what->like);
		skb_copy_queue_mapping(skb, what->like);
		skb->priority = what->like->priority;
		skb->mark = what->like->mark;
	}
	return skb;
}

/**
 * dpr_splice_make_send - send a segment that was made
 * @dn: the namespace
 * @splice: the splice
 * @dst: the way to the backend
 * @skb: its packet, with its data; consumed
 */
void dpr_splice_make_send(struct dpr_net *dn, const struct dpr_splice *splice,
			  struct dst_entry *dst, struct sk_buff *skb)
{
	const struct dpr_splice_end *to = &splice->end[DPR_SPLICE_BACKEND];
	const struct dpr_splice_addresses *wide = &splice->wide[DPR_SPLICE_BACKEND];
	const unsigned int len = skb->len - skb_transport_offset(skb);
	struct tcphdr *th = tcp_hdr(skb);
	const __wsum sum = csum_partial(th, len, 0);

	th->check = to->wide ?
		    csum_ipv6_magic(dpr_local_in6(&wide->address),
				    dpr_local_in6(&wide->client), len,
				    IPPROTO_TCP, sum) :
		    tcp_v4_check(len, to->address, to->client, sum);
	dpr_splice_output(dn, skb, dst, skb->len <= dst_mtu(dst));
}
