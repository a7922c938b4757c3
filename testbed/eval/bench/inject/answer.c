// SPDX-License-Identifier: GPL-2.0
/*
 * Looks at what leaves for servers. Addresses and ports may have been translated, and the
 * port may be a random one, so that nothing else says what a server would answer.
 *
 * Only the device behind which the servers are is looked at: what comes in by another one,
 * and leaves for clients, costs what it does without this.
 */
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <linux/tcp.h>
#include "answer.h"

/* Where the next segment is noted. It leaves on the CPU that has set this, or not at all. */
static struct inject_asked *inject_answer_at;

/* Of both families: where the segment begins. Returns 0 if it is none of TCP. */
static unsigned int inject_answer_ip(struct inject_asked *asked,
				     const struct sk_buff *skb,
				     unsigned int *len)
{
	const unsigned int at = skb_network_offset(skb);
	const struct ipv6hdr *ip6h;
	const struct iphdr *iph;
	struct ipv6hdr _ip6h;
	struct iphdr _iph;

	if (skb->protocol == htons(ETH_P_IPV6)) {
		ip6h = skb_header_pointer(skb, at, sizeof(_ip6h), &_ip6h);
		if (!ip6h || ip6h->nexthdr != IPPROTO_TCP)
			return 0;
		asked->from.family = AF_INET6;
		asked->from.ip6 = ip6h->saddr;
		asked->to.family = AF_INET6;
		asked->to.ip6 = ip6h->daddr;
		*len = ntohs(ip6h->payload_len);
		return at + sizeof(*ip6h);
	}
	iph = skb_header_pointer(skb, at, sizeof(_iph), &_iph);
	if (skb->protocol != htons(ETH_P_IP) || !iph ||
	    iph->protocol != IPPROTO_TCP || iph->ihl * 4 != sizeof(*iph))
		return 0;
	asked->from.family = AF_INET;
	asked->from.ip = iph->saddr;
	asked->to.family = AF_INET;
	asked->to.ip = iph->daddr;
	*len = ntohs(iph->tot_len) - sizeof(*iph);
	return at + sizeof(*iph);
}

static void inject_answer_tcp(struct inject_asked *asked,
			      const struct sk_buff *skb)
{
	const struct tcphdr *th;
	struct tcphdr _th;
	unsigned int len, at = inject_answer_ip(asked, skb, &len);

	if (!at)
		return;
	th = skb_header_pointer(skb, at, sizeof(_th), &_th);
	if (!th || len < th->doff * 4)
		return;
	asked->source = th->source;
	asked->dest = th->dest;
	asked->end = ntohl(th->seq) + th->syn + th->fin + len - th->doff * 4;
	asked->ack = th->ack ? ntohl(th->ack_seq) : 0;
	asked->times++;
}

static int inject_answer_see(struct sk_buff *skb, struct net_device *dev,
			     struct packet_type *type, struct net_device *orig)
{
	if (inject_answer_at)
		inject_answer_tcp(inject_answer_at, skb);
	consume_skb(skb);
	return NET_RX_SUCCESS;
}

static struct packet_type inject_answer_type = {
	.type = htons(ETH_P_ALL),
	.func = inject_answer_see,
};

/**
 * inject_answer_start - look at what leaves by a device
 * @out: the device
 */
void inject_answer_start(struct net_device *out)
{
	inject_answer_type.dev = out;
	dev_add_pack(&inject_answer_type);
}

/**
 * inject_answer_stop - no longer look
 */
void inject_answer_stop(void)
{
	dev_remove_pack(&inject_answer_type);
}

/**
 * inject_answer_note - note what leaves from now on
 * @asked: where, all zero but for @before; NULL: nowhere
 */
void inject_answer_note(struct inject_asked *asked)
{
	inject_answer_at = asked;
}
