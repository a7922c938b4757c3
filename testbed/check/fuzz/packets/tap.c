// SPDX-License-Identifier: GPL-2.0
/*
 * What the host sends is seen here: it makes the best beginnings for new
 * packets, since answers to it are expected. And what passes dpr.ko's hook is
 * counted just before it and just after.
 */
#include <linux/if_packet.h>
#include <linux/netfilter_ipv4.h>
#include <linux/tcp.h>
#include <net/ip.h>
#include <net/tcp.h>
#include "fuzz.h"

#define TAP_PACKETS	64
#define TAP_BYTES	1536

struct fuzz_taped {
	u32 len;
	u8 data[TAP_BYTES];
};

static struct fuzz_taped fuzz_taped[TAP_PACKETS];
static u32 fuzz_taped_n;
static u32 fuzz_expected[FUZZ_N_CLIENTS * FUZZ_N_PORTS];
static u64 fuzz_before, fuzz_after, fuzz_tunnelled;
static struct net *fuzz_net;
static struct net_device *fuzz_out, *fuzz_cl;

u64 fuzz_tap_before(void) { return fuzz_before; }
u64 fuzz_tap_after(void) { return fuzz_after; }
u64 fuzz_tap_tunnelled(void) { return fuzz_tunnelled; }

/**
 * fuzz_tap_expects - the sequence number that a connection's server uses next
 * @connection: its number
 */
u32 fuzz_tap_expects(u32 connection)
{
	return fuzz_expected[connection];
}

static void fuzz_tap_segment(const struct iphdr *iph, u32 len)
{
	const struct tcphdr *th = (const void *)iph + iph->ihl * 4;
	u32 client = ntohl(iph->daddr) - FUZZ_CLIENTS, port;

	if (iph->protocol != IPPROTO_TCP || client >= FUZZ_N_CLIENTS ||
	    len < iph->ihl * 4 + sizeof(*th) || th->rst)
		return;
	port = ntohs(th->dest) - FUZZ_CLIENT_PORT;
	if (port < FUZZ_N_PORTS)
		fuzz_expected[port * FUZZ_N_CLIENTS + client] =
			ntohl(th->seq) + th->syn + th->fin +
			ntohs(iph->tot_len) - iph->ihl * 4 - th->doff * 4;
}

static int fuzz_tap_sent(struct sk_buff *skb, struct net_device *dev,
			 struct packet_type *pt, struct net_device *orig)
{
	struct fuzz_taped *t = &fuzz_taped[fuzz_taped_n % TAP_PACKETS];
	u32 len;

	if (skb->pkt_type != PACKET_OUTGOING ||
	    skb->protocol != htons(ETH_P_IP))
		goto out;
	len = skb->len - skb_network_offset(skb);
	if (len < sizeof(struct iphdr))
		goto out;
	if (ip_hdr(skb)->protocol == IPPROTO_IPIP)
		fuzz_tunnelled++;
	t->len = min_t(u32, len, TAP_BYTES);
	if (skb_copy_bits(skb, skb_network_offset(skb), t->data, t->len))
		goto out;
	fuzz_tap_segment((const struct iphdr *)t->data, t->len);
	fuzz_taped_n++;
out:
	kfree_skb(skb);
	return 0;
}

static struct packet_type fuzz_tap_out = {
	.type = htons(ETH_P_ALL), .func = fuzz_tap_sent,
};

static struct packet_type fuzz_tap_cl = {
	.type = htons(ETH_P_ALL), .func = fuzz_tap_sent,
};

static void fuzz_swap(struct iphdr *iph)
{
	swap(iph->saddr, iph->daddr);
	ip_send_check(iph);
}

/* The answer that a client gives to a segment: it has it all. */
static void fuzz_tap_answer(struct fuzz_packet *p)
{
	struct iphdr *iph = (void *)fuzz_start(p);
	struct tcphdr *th = (void *)iph + iph->ihl * 4;
	u32 next;

	if (p->len < iph->ihl * 4 + sizeof(*th))
		return;
	next = ntohl(th->seq) + th->syn + th->fin + p->len - iph->ihl * 4 -
	       th->doff * 4;
	swap(th->source, th->dest);
	th->seq = th->ack_seq;
	th->ack_seq = htonl(next);
	((u8 *)th)[13] = TCPHDR_ACK | (fuzz_one_in(8) ? TCPHDR_FIN : 0);
	th->doff = 5;
	p->len = iph->ihl * 4 + sizeof(*th);
	iph->tot_len = htons(p->len);
	th->check = 0;
	th->check = tcp_v4_check(sizeof(*th), iph->daddr, iph->saddr,
				 csum_partial(th, sizeof(*th), 0));
	p->tcp = iph->ihl * 4;
	p->intact = true;
}

/* Asks back: a question becomes the claim that answers it. */
static void fuzz_tap_claim(struct fuzz_packet *p)
{
	struct iphdr *iph = (void *)fuzz_start(p);
	struct iphdr *inner = (void *)iph + iph->ihl * 4;
	u8 *msg = (u8 *)inner + sizeof(*inner);
	__sum16 check;

	if (p->len < 2 * sizeof(*iph) + 24 || inner->protocol != FUZZ_ASK)
		return;
	fuzz_swap(inner);
	if (fuzz_one_in(8))
		return;
	msg[4] = 2;
	memset(msg + 6, 0, 2);
	check = ip_compute_csum(msg, 24);
	memcpy(msg + 6, &check, 2);
}

/*
 * What was offered comes back as it was, in a header of its own; what was
 * redirected comes back as if the other host had redirected it.
 */
static void fuzz_tap_return(struct fuzz_packet *p)
{
	struct iphdr *iph = (void *)fuzz_start(p), *outer;
	__be32 own = iph->saddr, peer = iph->daddr;

	if (fuzz_one_in(2)) {
		fuzz_tap_claim(p);
		fuzz_swap(iph);
		return;
	}
	p->at -= sizeof(*outer);
	p->len += sizeof(*outer);
	outer = (void *)fuzz_start(p);
	*outer = (struct iphdr){
		.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_IPIP,
		.frag_off = htons(FUZZ_MARK | IP_DF), .saddr = peer,
		.daddr = own,
	};
	fuzz_packet_fix(p);
}

/**
 * fuzz_tap_reflect - make up a packet that answers what the host has sent
 * @p: the packet, overwritten
 *
 * Return: false if it has sent nothing yet.
 */
bool fuzz_tap_reflect(struct fuzz_packet *p)
{
	const struct fuzz_taped *t;
	struct iphdr *iph;

	if (!fuzz_taped_n)
		return false;
	t = &fuzz_taped[fuzz_below(min_t(u32, fuzz_taped_n, TAP_PACKETS))];
	p->at = FUZZ_ROOM;
	p->len = t->len;
	p->tcp = 0;
	p->intact = false;
	memcpy(fuzz_start(p), t->data, t->len);
	iph = (void *)fuzz_start(p);
	if (iph->ihl < 5 || iph->ihl * 4 > p->len)
		return false;
	switch (iph->protocol) {
	case IPPROTO_TCP:
		fuzz_swap(iph);
		fuzz_tap_answer(p);
		fuzz_packet_fix(p);
		return true;
	case IPPROTO_IPIP:
		fuzz_tap_return(p);
		return true;
	default:
		fuzz_swap(iph);
		fuzz_packet_fix(p);
		return true;
	}
}

static unsigned int fuzz_tap_hook(void *priv, struct sk_buff *skb,
				  const struct nf_hook_state *state)
{
	u64 *count = priv;

	if (ip_hdr(skb)->protocol == IPPROTO_IPIP)
		(*count)++;
	return NF_ACCEPT;
}

static const struct nf_hook_ops fuzz_tap_hooks[] = {
	{
		.hook = fuzz_tap_hook,
		.priv = &fuzz_before,
		.pf = NFPROTO_IPV4,
		.hooknum = NF_INET_PRE_ROUTING,
		.priority = NF_IP_PRI_RAW_BEFORE_DEFRAG - 1,
	}, {
		.hook = fuzz_tap_hook,
		.priv = &fuzz_after,
		.pf = NFPROTO_IPV4,
		.hooknum = NF_INET_PRE_ROUTING,
		.priority = NF_IP_PRI_RAW_BEFORE_DEFRAG + 1,
	},
};

/**
 * fuzz_tap_open - begin to look at what a namespace sends and receives
 * @net: the namespace, with devices out0 and cl0
 *
 * Return: 0 or a negative errno.
 */
int fuzz_tap_open(struct net *net)
{
	int err = -ENODEV;

	fuzz_net = net;
	fuzz_out = dev_get_by_name(net, "out0");
	fuzz_cl = dev_get_by_name(net, "cl0");
	if (fuzz_out && fuzz_cl)
		err = nf_register_net_hooks(net, fuzz_tap_hooks,
					    ARRAY_SIZE(fuzz_tap_hooks));
	if (err) {
		dev_put(fuzz_out);
		dev_put(fuzz_cl);
		return err;
	}
	fuzz_tap_out.dev = fuzz_out;
	fuzz_tap_cl.dev = fuzz_cl;
	dev_add_pack(&fuzz_tap_out);
	dev_add_pack(&fuzz_tap_cl);
	return 0;
}

/** fuzz_tap_close - end that */
void fuzz_tap_close(void)
{
	dev_remove_pack(&fuzz_tap_out);
	dev_remove_pack(&fuzz_tap_cl);
	nf_unregister_net_hooks(fuzz_net, fuzz_tap_hooks,
				ARRAY_SIZE(fuzz_tap_hooks));
	dev_put(fuzz_out);
	dev_put(fuzz_cl);
}
