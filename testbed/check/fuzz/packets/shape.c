// SPDX-License-Identifier: GPL-2.0
/* The many shapes in which a device may hand on the same bytes. */
#include <linux/etherdevice.h>
#include <linux/tcp.h>
#include <net/checksum.h>
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
	eth->h_proto = htons(ETH_P_IP);
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

/* What GRO makes of several segments, or a guest sends: super-packets. */
static void fuzz_shape_super(const struct fuzz_packet *p, struct sk_buff *skb)
{
	const struct iphdr *iph = (const void *)(p->data + p->at);
	u32 mss = 100 + fuzz_below(1400), hlen = iph->ihl * 4;
	u32 doff, payload;
	struct tcphdr *th;

	if (!pskb_may_pull(skb, hlen + sizeof(*th)))
		return;
	th = (void *)skb->data + hlen;
	doff = th->doff * 4;
	if (doff < sizeof(*th) || p->len < hlen + doff ||
	    !pskb_may_pull(skb, hlen + doff))
		return;
	th = (void *)skb->data + hlen;
	payload = p->len - hlen - doff;
	th->check = ~tcp_v4_check(p->len - hlen, iph->saddr, iph->daddr, 0);
	skb->ip_summed = CHECKSUM_PARTIAL;
	skb->csum_start = skb_headroom(skb) + hlen;
	skb->csum_offset = offsetof(struct tcphdr, check);
	skb_set_transport_header(skb, hlen);
	if (payload <= mss || th->syn || th->rst)
		return;
	skb_shinfo(skb)->gso_size = mss;
	skb_shinfo(skb)->gso_segs = DIV_ROUND_UP(payload, mss);
	skb_shinfo(skb)->gso_type = SKB_GSO_TCPV4;
	if (fuzz_one_in(2))
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
		if (p->tcp && p->intact &&
		    p->tcp == ((const struct iphdr *)(p->data + p->at))->ihl * 4)
			fuzz_shape_super(p, skb);
		break;
	}
	return skb;
}
