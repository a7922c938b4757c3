// SPDX-License-Identifier: GPL-2.0
/*
 * What the host sends is seen here: it makes the best beginnings for new
 * packets, since answers to it are expected.
 */
#include <linux/if_packet.h>
#include <linux/tcp.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/ipv6.h>
#include <net/tcp.h>
#include "fuzz.h"

#define TAP_PACKETS	64
#define TAP_BYTES	1536

struct fuzz_taped {
	bool wide;
	u32 len;
	u8 data[TAP_BYTES];
};

static struct fuzz_taped fuzz_taped[TAP_PACKETS];
static u32 fuzz_taped_n;
static u32 fuzz_expected[2][FUZZ_N_CONNECTIONS];
static struct net *fuzz_net;
static struct net_device *fuzz_out, *fuzz_cl;

/**
 * fuzz_tap_expects - the sequence number that a connection's server uses next
 * @connection: its number
 * @wide: it is one of IPv6
 */
u32 fuzz_tap_expects(u32 connection, bool wide)
{
	return fuzz_expected[wide][connection];
}

/* The last 32 bits of whom a packet goes to. */
static u32 fuzz_tap_to(const void *ip, bool wide)
{
	const struct ipv6hdr *ip6h = ip;
	const struct iphdr *iph = ip;

	return ntohl(wide ? ip6h->daddr.s6_addr32[3] : iph->daddr);
}

static void fuzz_tap_segment(const void *ip, u32 len, const struct fuzz_view *v)
{
	const struct tcphdr *th = ip + v->hlen;
	u32 client, port;

	if (v->protocol != IPPROTO_TCP || len < v->hlen + sizeof(*th) || th->rst)
		return;
	client = fuzz_tap_to(ip, v->wide) -
		 (v->wide ? FUZZ_CLIENTS & 0xffff : FUZZ_CLIENTS);
	port = ntohs(th->dest) - FUZZ_CLIENT_PORT;
	if (client < FUZZ_N_CLIENTS && port < FUZZ_N_PORTS)
		fuzz_expected[v->wide][port * FUZZ_N_CLIENTS + client] =
			ntohl(th->seq) + th->syn + th->fin + len - v->hlen -
			th->doff * 4;
}

static int fuzz_tap_sent(struct sk_buff *skb, struct net_device *dev,
			 struct packet_type *pt, struct net_device *orig)
{
	struct fuzz_taped *t = &fuzz_taped[fuzz_taped_n % TAP_PACKETS];
	struct fuzz_view v;
	u32 len;

	if (skb->pkt_type != PACKET_OUTGOING ||
	    (skb->protocol != htons(ETH_P_IP) &&
	     skb->protocol != htons(ETH_P_IPV6)))
		goto out;
	len = skb->len - skb_network_offset(skb);
	t->wide = skb->protocol == htons(ETH_P_IPV6);
	t->len = min_t(u32, len, TAP_BYTES);
	if (skb_copy_bits(skb, skb_network_offset(skb), t->data, t->len) ||
	    !fuzz_look(t->data, t->len, t->wide, &v))
		goto out;
	fuzz_count_sent(skb);
	fuzz_tap_segment(t->data, len, &v);
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

/* Source and destination change places, which leaves all checksums right. */
static void fuzz_swap(void *ip, bool wide)
{
	struct ipv6hdr *ip6h = ip;
	struct iphdr *iph = ip;

	if (wide)
		swap(ip6h->saddr, ip6h->daddr);
	else
		swap(iph->saddr, iph->daddr);
}

/* The answer that a client gives to a segment: it has it all; or a server to a SYN. */
static void fuzz_tap_answer(struct fuzz_packet *p, u32 hlen)
{
	struct ipv6hdr *ip6h = (void *)fuzz_start(p);
	struct iphdr *iph = (void *)fuzz_start(p);
	struct tcphdr *th = (void *)iph + hlen;
	__wsum sum;
	bool opens;
	u32 next;

	if (p->len < hlen + sizeof(*th))
		return;
	next = ntohl(th->seq) + th->syn + th->fin + p->len - hlen - th->doff * 4;
	swap(th->source, th->dest);
	opens = th->syn && !th->ack;
	th->seq = opens ? htonl(fuzz_random()) : th->ack_seq;
	th->ack_seq = htonl(next);
	((u8 *)th)[13] = TCPHDR_ACK | (opens ? TCPHDR_SYN :
				       fuzz_one_in(8) ? TCPHDR_FIN : 0);
	th->doff = 5;
	p->len = hlen + sizeof(*th);
	th->check = 0;
	sum = csum_partial(th, sizeof(*th), 0);
	th->check = p->wide ? tcp_v6_check(sizeof(*th), &ip6h->daddr,
					   &ip6h->saddr, sum) :
			      tcp_v4_check(sizeof(*th), iph->daddr, iph->saddr,
					   sum);
	p->ip = 0;
	p->tcp = hlen;
	p->intact = true;
}

/* What may answer a message of a kind (enum dpr_owner_msg_kind). */
static u8 fuzz_tap_reply(u8 kind)
{
	static const u8 states[] = { 2, 4, 5 };

	switch (kind) {
	case 1:
		return fuzz_one_in(4) ? 4 : 2;
	case 3:
		return states[fuzz_below(ARRAY_SIZE(states))];
	case 6:
		return 7;
	default:
		return kind;
	}
}

/* Answers what was asked, in the tunnel whose header is @hlen long. */
static void fuzz_tap_claim(struct fuzz_packet *p, const struct fuzz_view *outer)
{
	void *inner = fuzz_start(p) + outer->hlen;
	u32 room = p->len - outer->hlen, len;
	struct fuzz_view v;
	__sum16 check;
	u8 *msg;

	if (!fuzz_look(inner, room, outer->protocol == IPPROTO_IPV6, &v) ||
	    v.protocol != FUZZ_ASK)
		return;
	msg = inner + v.hlen;
	len = room - v.hlen;
	if (len != 24 && len != 48)
		return;
	fuzz_swap(inner, v.wide);
	if (fuzz_one_in(8))
		return;
	msg[4] = fuzz_tap_reply(msg[4]);
	memset(msg + 6, 0, 2);
	check = ip_compute_csum(msg, len);
	memcpy(msg + 6, &check, 2);
}

/*
 * What was offered comes back as it was, in a header of its own; what was
 * redirected comes back as if the other host had redirected it.
 */
static void fuzz_tap_return(struct fuzz_packet *p, const struct fuzz_view *v)
{
	const void *whole = fuzz_start(p);
	void *outer;

	if (fuzz_one_in(2)) {
		fuzz_tap_claim(p, v);
		fuzz_swap(fuzz_start(p), v->wide);
		return;
	}
	outer = memcpy(fuzz_push(p, v->hlen), whole, v->hlen);
	fuzz_swap(outer, v->wide);
	/* The reason is in the identification, or the flow label. */
	if (v->wide) {
		((struct ipv6hdr *)outer)->nexthdr = IPPROTO_IPV6;
		ip6_flow_hdr(outer, 0, htonl(fuzz_below(3)));
	} else {
		((struct iphdr *)outer)->protocol = IPPROTO_IPIP;
		((struct iphdr *)outer)->id = htons(fuzz_below(3));
	}
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
	struct fuzz_view v;

	if (!fuzz_taped_n)
		return false;
	t = &fuzz_taped[fuzz_below(min_t(u32, fuzz_taped_n, TAP_PACKETS))];
	p->at = FUZZ_ROOM;
	p->len = t->len;
	p->tcp = 0;
	p->wide = t->wide;
	p->intact = false;
	memcpy(fuzz_start(p), t->data, t->len);
	if (!fuzz_look(fuzz_start(p), p->len, p->wide, &v))
		return false;
	if (fuzz_tunnel(v.protocol)) {
		fuzz_tap_return(p, &v);
	} else {
		fuzz_swap(fuzz_start(p), v.wide);
		if (v.protocol == IPPROTO_TCP)
			fuzz_tap_answer(p, v.hlen);
	}
	fuzz_packet_fix(p);
	return true;
}

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
		err = fuzz_count_open(net);
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
	fuzz_count_close(fuzz_net);
	dev_put(fuzz_out);
	dev_put(fuzz_cl);
}
