// SPDX-License-Identifier: GPL-2.0
/* The many shapes in which a device may hand on the same bytes. */
#include <linux/etherdevice.h>
#include <linux/tcp.h>
#include <net/checksum.h>
#include <net/ip6_checksum.h>
#include <net/tcp.h>
#include "fuzz.h"

/* A frame whose first bytes are linear, the rest in pages. */
static struct sk_buff *fuzz_shape_bytes(const struct fuzz_packet *p,
					struct net_device *dev, u32 linear)
{
	u32 headroom = fuzz_one_in(4) ? NET_IP_ALIGN : NET_SKB_PAD;
	u32 done = linear, n, i;
	struct sk_buff *skb;
	struct ethhdr *eth;

	skb = alloc_skb(headroom + ETH_HLEN + linear, GFP_ATOMIC | __GFP_NOWARN);
	if (!skb)
		return NULL;
	skb_reserve(skb, headroom);
	eth = skb_put(skb, ETH_HLEN);
	ether_addr_copy(eth->h_dest, dev->dev_addr);
	eth_zero_addr(eth->h_source);
	eth->h_proto = htons(p->wide ? ETH_P_IPV6 : ETH_P_IP);
	skb_put_data(skb, p->data + p->at, linear);
	for (i = 0; done < p->len; i++, done += n) {
		struct page *page = alloc_page(GFP_ATOMIC | __GFP_NOWARN);
		u32 off = fuzz_below(64);

		if (!page) {
			kfree_skb(skb);
			return NULL;
		}
		n = p->len - done;
		if (i < 3 && fuzz_one_in(2))
			n = 1 + fuzz_below(n);
		n = min_t(u32, n, PAGE_SIZE - off);
		memcpy(page_address(page) + off, p->data + p->at + done, n);
		skb_add_rx_frag(skb, i, page, off, n, PAGE_SIZE);
	}
	skb->dev = dev;
	skb->protocol = eth_type_trans(skb, dev);
	skb_reset_network_header(skb);
	return skb;
}

/* The checksum of the addresses alone, which a device completes. */
static __sum16 fuzz_shape_check(const struct fuzz_packet *p, bool wide)
{
	const void *ip = p->data + p->at + p->ip;
	const struct ipv6hdr *ip6h = ip;
	const struct iphdr *iph = ip;
	const u32 len = p->len - p->tcp;

	return wide ? ~tcp_v6_check(len, &ip6h->saddr, &ip6h->daddr, 0) :
		      ~tcp_v4_check(len, iph->saddr, iph->daddr, 0);
}

/* The headers of a client's packet in a tunnel, as GRO leaves them. */
static int fuzz_shape_tunnel(const struct fuzz_packet *p, struct sk_buff *skb,
			     bool wide)
{
	if (!p->ip)
		return 0;
	skb->encapsulation = 1;
	skb_set_inner_network_header(skb, p->ip);
	skb_set_inner_transport_header(skb, p->tcp);
	skb_set_inner_ipproto(skb, wide ? IPPROTO_IPV6 : IPPROTO_IPIP);
	return p->wide ? SKB_GSO_IPXIP6 : SKB_GSO_IPXIP4;
}

/* What GRO makes of several segments, or a guest sends: super-packets. */
static void fuzz_shape_super(const struct fuzz_packet *p, struct sk_buff *skb)
{
	const bool wide = p->data[p->at + p->ip] >> 4 == 6;
	u32 mss = 100 + fuzz_below(1400), hlen = p->tcp;
	u32 doff, payload;
	struct tcphdr *th;
	int tunnel;

	if (!pskb_may_pull(skb, hlen + sizeof(*th)))
		return;
	th = (void *)skb->data + hlen;
	doff = th->doff * 4;
	if (doff < sizeof(*th) || p->len < hlen + doff ||
	    !pskb_may_pull(skb, hlen + doff))
		return;
	th = (void *)skb->data + hlen;
	payload = p->len - hlen - doff;
	th->check = fuzz_shape_check(p, wide);
	skb->ip_summed = CHECKSUM_PARTIAL;
	skb->csum_start = skb_headroom(skb) + hlen;
	skb->csum_offset = offsetof(struct tcphdr, check);
	skb_set_transport_header(skb, hlen);
	tunnel = fuzz_shape_tunnel(p, skb, wide);
	if (payload <= mss || th->syn || th->rst)
		return;
	skb_shinfo(skb)->gso_size = mss;
	skb_shinfo(skb)->gso_segs = DIV_ROUND_UP(payload, mss);
	skb_shinfo(skb)->gso_type = tunnel |
				    (wide ? SKB_GSO_TCPV6 : SKB_GSO_TCPV4);
	if (!tunnel && fuzz_one_in(2))
		skb_shinfo(skb)->gso_type |= SKB_GSO_DODGY;
}

/**
 * fuzz_shape - make a frame of a packet
 * @p: the packet
 * @dev: the device that it seems to come from
 *
 * Return: the frame, NULL if there is no memory.
 */
struct sk_buff *fuzz_shape(const struct fuzz_packet *p, struct net_device *dev)
{
	u32 linear = p->len;
	struct sk_buff *skb;

	if (fuzz_one_in(3))
		linear = fuzz_below(min(p->len, 128U) + 1);
	skb = fuzz_shape_bytes(p, dev, linear);
	if (!skb)
		return NULL;
	/* Only what is in order can have been looked at by a device before. */
	switch (fuzz_below(4)) {
	case 0:
		skb->ip_summed = CHECKSUM_NONE;
		break;
	case 1:
		skb->ip_summed = CHECKSUM_UNNECESSARY;
		break;
	case 2:
		skb->csum = skb_checksum(skb, 0, skb->len, 0);
		skb->ip_summed = CHECKSUM_COMPLETE;
		break;
	case 3:
		if (p->tcp && p->intact)
			fuzz_shape_super(p, skb);
		break;
	}
	return skb;
}
