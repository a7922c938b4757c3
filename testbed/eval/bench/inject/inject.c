// SPDX-License-Identifier: GPL-2.0
/*
 * Measures what a received packet costs: builds frames, hands them to
 * netif_receive_skb() as if a device had, and tells the mean time. What building
 * and freeing a frame takes is measured by itself and subtracted. What the
 * packets leave to the softirq, for instance a tunnel device's, is counted.
 *
 * Answers of servers are built from what the clients' packets have become, which are
 * sent before each batch of them and not measured.
 *
 * The measurement runs while the module is inserted; remove it and insert it
 * again for the next. The result is in its parameter cost.
 *
 * Addresses are of IPv4 or IPv6, those of a header's source and destination of the
 * same family; an outer header may be of the other one.
 */
#include <linux/etherdevice.h>
#include <linux/if_ether.h>
#include <linux/inet.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/nsproxy.h>
#include <linux/sched.h>
#include <linux/sort.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/tcp.h>
#include "answer.h"
#include "profile.h"

static char *dev = "in0";
module_param(dev, charp, 0);
MODULE_PARM_DESC(dev, "device that the frames seem to come from");
static char *out = "out0";
module_param(out, charp, 0);
MODULE_PARM_DESC(out, "device by which clients' packets leave for servers that answer");
static char *to = "10.0.0.1";
module_param(to, charp, 0);
MODULE_PARM_DESC(to, "destination address of the packet");
static char *from = "10.128.0.0";
module_param(from, charp, 0);
MODULE_PARM_DESC(from, "first client address");
static char *tunnel_to = "", *tunnel_from = "";
module_param(tunnel_to, charp, 0);
MODULE_PARM_DESC(tunnel_to, "destination of an outer header; none if not set");
module_param(tunnel_from, charp, 0);
MODULE_PARM_DESC(tunnel_from, "source of the outer header");
static bool marked;
module_param(marked, bool, 0);
MODULE_PARM_DESC(marked, "set the reserved bit of the outer header, if it is of IPv4");
static ushort port = 80;
module_param(port, ushort, 0);
MODULE_PARM_DESC(port, "destination port");
static char *op = "established";
module_param(op, charp, 0);
MODULE_PARM_DESC(op, "syn, established, fin, rst, udp or ended: what clients send; synack or answer: what servers answer");
static uint flows = 1000;
module_param(flows, uint, 0);
MODULE_PARM_DESC(flows, "clients' connections, all gone through in turn");
static uint first;
module_param(first, uint, 0);
MODULE_PARM_DESC(first, "number of the first connection");
static uint stride = 1;
module_param(stride, uint, 0);
MODULE_PARM_DESC(stride, "steps between the connections of two packets");
static uint packets = 10000;
module_param(packets, uint, 0);
MODULE_PARM_DESC(packets, "packets to send");
static uint payload = 100;
module_param(payload, uint, 0);
MODULE_PARM_DESC(payload, "bytes of data in a segment");
static uint sent;
module_param(sent, uint, 0);
MODULE_PARM_DESC(sent, "bytes that the sender has sent on each connection before");
static bool follow;
module_param(follow, bool, 0);
MODULE_PARM_DESC(follow, "each segment of a connection begins where the last one ended");
static bool quiet;
module_param(quiet, bool, 0);
MODULE_PARM_DESC(quiet, "only send, measure nothing");
static bool median;
module_param(median, bool, 0);
MODULE_PARM_DESC(median, "median of batches instead of the mean: leaves out interruptions");
static bool profile;
module_param(profile, bool, 0);
MODULE_PARM_DESC(profile, "print where the time goes, by function");

static long cost;
module_param(cost, long, 0444);
MODULE_PARM_DESC(cost, "result: thousandths of a nanosecond a packet");
static long base;
module_param(base, long, 0444);
MODULE_PARM_DESC(base, "result: what building and freeing took, not in cost");

#define PORTS	32768	/* client ports of one client address */
#define MESSAGE	253	/* protocol of the messages between hosts */
#define BATCH	64	/* packets between two looks at the scheduler */

/**
 * struct inject_frame - what all frames of a measurement have in common
 * @daddr: the packet's destination
 * @base: the first client's address
 * @outer_to: the outer header's destination; none without one
 * @outer_from: the outer header's source
 * @protocol: TCP, UDP or MESSAGE
 * @flags: the TCP header's flags, as tcp_flag_word() has them
 * @answer: a server sends them
 * @payload: bytes of data in a segment
 * @before: bytes of the sender's before the first of them
 */
struct inject_frame {
	struct inject_addr daddr;
	struct inject_addr base;
	struct inject_addr outer_to;
	struct inject_addr outer_from;
	u8 protocol;
	__be32 flags;
	bool answer;
	u32 payload;
	u32 before;
};

/* How often all connections were gone through. */
static u32 inject_turn;

/* What the answers of a batch are answers to. */
static struct inject_asked inject_asked[BATCH];

static const struct {
	const char *op;
	u8 protocol;
	__be32 flags;
	bool answer;
} inject_ops[] = {
	{ "syn", IPPROTO_TCP, TCP_FLAG_SYN },
	{ "established", IPPROTO_TCP, TCP_FLAG_ACK },
	{ "fin", IPPROTO_TCP, TCP_FLAG_ACK | TCP_FLAG_FIN },
	{ "rst", IPPROTO_TCP, TCP_FLAG_ACK | TCP_FLAG_RST },
	{ "udp", IPPROTO_UDP, 0 },
	{ "ended", MESSAGE, 0 },
	{ "synack", IPPROTO_TCP, TCP_FLAG_SYN | TCP_FLAG_ACK, true },
	{ "answer", IPPROTO_TCP, TCP_FLAG_ACK, true },
};

/**
 * struct inject_message - a peer says that a connection has ended, as in
 * docs/protocol.md
 */
struct inject_message {
	__be32 magic;
	u8 kind;
	u8 zero;
	__sum16 check;
	__be32 isn;
	__be32 client;
	__be32 address;
	__be16 client_port;
	__be16 port;
};

/* The same of a connection of IPv6. */
struct inject_message6 {
	__be32 magic;
	u8 kind;
	u8 zero;
	__sum16 check;
	__be32 isn;
	struct in6_addr client;
	struct in6_addr address;
	__be16 client_port;
	__be16 port;
};

/* An empty text is no address. */
static int inject_addr_parse(struct inject_addr *a, const char *text)
{
	memset(a, 0, sizeof(*a));
	if (!*text)
		return 0;
	if (in4_pton(text, -1, (u8 *)&a->ip, -1, NULL)) {
		a->family = AF_INET;
		return 0;
	}
	if (in6_pton(text, -1, a->ip6.s6_addr, -1, NULL)) {
		a->family = AF_INET6;
		return 0;
	}
	return -EINVAL;
}

/* The address that is so many after another one. */
static struct inject_addr inject_addr_after(const struct inject_addr *base,
					    u32 n)
{
	struct inject_addr a = *base;

	if (a.family == AF_INET)
		a.ip = htonl(ntohl(a.ip) + n);
	else
		a.ip6.s6_addr32[3] = htonl(ntohl(a.ip6.s6_addr32[3]) + n);
	return a;
}

static int inject_frame_init(struct inject_frame *f)
{
	int i;

	if (inject_addr_parse(&f->daddr, to) ||
	    inject_addr_parse(&f->base, from) ||
	    inject_addr_parse(&f->outer_to, tunnel_to) ||
	    inject_addr_parse(&f->outer_from, tunnel_from))
		return -EINVAL;
	if (!f->daddr.family || f->base.family != f->daddr.family ||
	    f->outer_from.family != f->outer_to.family)
		return -EINVAL;
	for (i = 0; i < ARRAY_SIZE(inject_ops); i++) {
		if (strcmp(op, inject_ops[i].op))
			continue;
		f->protocol = inject_ops[i].protocol;
		f->flags = inject_ops[i].flags;
		f->answer = inject_ops[i].answer;
		f->payload = payload;
		f->before = sent;
		return 0;
	}
	return -EINVAL;
}

static void inject_ip(struct iphdr *iph, __be32 saddr, __be32 daddr, u8 proto,
		      u16 len, __be16 frag)
{
	*iph = (struct iphdr){
		.version = 4, .ihl = 5, .ttl = 64, .protocol = proto,
		.tot_len = htons(len), .frag_off = frag,
		.saddr = saddr, .daddr = daddr,
	};
	ip_send_check(iph);
}

static void inject_ip6(struct ipv6hdr *ip6h, const struct in6_addr *saddr,
		       const struct in6_addr *daddr, u8 proto, u16 len)
{
	*ip6h = (struct ipv6hdr){
		.version = 6, .hop_limit = 64, .nexthdr = proto,
		.payload_len = htons(len), .saddr = *saddr, .daddr = *daddr,
	};
}

static u16 inject_header_length(u8 family)
{
	return family == AF_INET6 ? sizeof(struct ipv6hdr) :
				    sizeof(struct iphdr);
}

/* A header of the addresses' family, before @len bytes. */
static void inject_header(struct sk_buff *skb, const struct inject_addr *saddr,
			  const struct inject_addr *daddr, u8 proto, u16 len,
			  __be16 frag)
{
	const u16 header = inject_header_length(daddr->family);
	void *h = skb_put(skb, header);

	if (daddr->family == AF_INET6)
		inject_ip6(h, &saddr->ip6, &daddr->ip6, proto, len);
	else
		inject_ip(h, saddr->ip, daddr->ip, proto, header + len, frag);
}

/* Bytes of a connection before the next segment. */
static u32 inject_before(const struct inject_frame *f)
{
	return f->before + (follow ? inject_turn * f->payload : 0);
}

static void inject_segment(struct tcphdr *th, const struct inject_frame *f,
			   u32 seq, u32 ack)
{
	memset(th, 0, sizeof(*th) + f->payload);
	tcp_flag_word(th) = f->flags;
	th->seq = htonl(seq);
	th->ack_seq = htonl(ack);
	th->doff = sizeof(*th) / 4;
	th->window = htons(65535);
}

/* The client's half of a connection: its SYN is number 1. */
static void inject_tcp(struct tcphdr *th, const struct inject_frame *f, u32 n)
{
	bool syn = f->flags & TCP_FLAG_SYN;

	inject_segment(th, f, syn ? 1 : 2 + inject_before(f), syn ? 0 : 1);
	th->source = htons(1024 + n % PORTS);
	th->dest = htons(port);
}

/* In IPv6 there is always a checksum; that of the frame is not looked at. */
static void inject_udp(struct udphdr *uh, const struct inject_frame *f,
		       bool wide, u32 n)
{
	memset(uh, 0, sizeof(*uh) + f->payload);
	uh->check = wide ? CSUM_MANGLED_0 : 0;
	uh->source = htons(1024 + n % PORTS);
	uh->dest = htons(port);
	uh->len = htons(sizeof(*uh) + f->payload);
}

static void inject_message(struct inject_message *msg,
			   const struct inject_frame *f, u32 n)
{
	*msg = (struct inject_message){
		.magic = htonl(0x4450526f), .kind = 4, .isn = htonl(1),
		.client = inject_addr_after(&f->base, n / PORTS).ip,
		.address = f->daddr.ip,
		.client_port = htons(1024 + n % PORTS), .port = htons(port),
	};
	msg->check = ip_compute_csum(msg, sizeof(*msg));
}

static void inject_message6(struct inject_message6 *msg,
			    const struct inject_frame *f, u32 n)
{
	*msg = (struct inject_message6){
		.magic = htonl(0x44505236), .kind = 4, .isn = htonl(1),
		.client = inject_addr_after(&f->base, n / PORTS).ip6,
		.address = f->daddr.ip6,
		.client_port = htons(1024 + n % PORTS), .port = htons(port),
	};
	msg->check = ip_compute_csum(msg, sizeof(*msg));
}

static u16 inject_length(const struct inject_frame *f)
{
	switch (f->protocol) {
	case IPPROTO_TCP:
		return sizeof(struct tcphdr) + f->payload;
	case IPPROTO_UDP:
		return sizeof(struct udphdr) + f->payload;
	default:
		return f->daddr.family == AF_INET6 ?
			       sizeof(struct inject_message6) :
			       sizeof(struct inject_message);
	}
}

/* What is in the packet of the n-th connection, behind its IP header. */
static void inject_content(struct sk_buff *skb, const struct inject_frame *f,
			   u16 len, u32 n)
{
	const bool wide = f->daddr.family == AF_INET6;
	void *content = skb_put(skb, len);

	if (f->protocol == IPPROTO_TCP)
		inject_tcp(content, f, n);
	else if (f->protocol == IPPROTO_UDP)
		inject_udp(content, f, wide, n);
	else if (wide)
		inject_message6(content, f, n);
	else
		inject_message(content, f, n);
}

/* A frame of a family without its packet, for which there is room. */
static struct sk_buff *inject_frame_alloc(struct net_device *d, u8 family,
					  u16 len)
{
	struct sk_buff *skb = netdev_alloc_skb_ip_align(d, ETH_HLEN + len);
	struct ethhdr *eth;

	if (!skb)
		return NULL;
	eth = skb_put(skb, ETH_HLEN);
	ether_addr_copy(eth->h_dest, d->dev_addr);
	eth_zero_addr(eth->h_source);
	eth->h_proto = htons(family == AF_INET6 ? ETH_P_IPV6 : ETH_P_IP);
	return skb;
}

/* As a driver hands it on. */
static struct sk_buff *inject_frame_done(struct net_device *d,
					 struct sk_buff *skb)
{
	skb->protocol = eth_type_trans(skb, d);
	skb->ip_summed = CHECKSUM_UNNECESSARY;
	return skb;
}

/* What a server answers to a client's segment. */
static struct sk_buff *inject_build_answer(struct net_device *d,
					   const struct inject_frame *f,
					   const struct inject_asked *asked)
{
	const u8 family = f->daddr.family;
	const u16 content = inject_length(f);
	struct sk_buff *skb;
	struct tcphdr *th;

	skb = inject_frame_alloc(d, family,
				 inject_header_length(family) + content);
	if (!skb)
		return NULL;
	inject_header(skb, &asked->to, &asked->from, IPPROTO_TCP, content,
		      htons(IP_DF));
	th = skb_put(skb, content);
	inject_segment(th, f, asked->ack + asked->before, asked->end);
	th->source = asked->dest;
	th->dest = asked->source;
	return inject_frame_done(d, skb);
}

static struct sk_buff *inject_build(struct net_device *d,
				    const struct inject_frame *f, u32 n)
{
	/* A message is between hosts, of the family of their addresses. */
	const bool message = f->protocol == MESSAGE;
	const struct inject_addr *daddr = message ? &f->outer_to : &f->daddr;
	const struct inject_addr client = inject_addr_after(&f->base,
							    n / PORTS);
	const u8 outer = f->outer_to.family ? : daddr->family;
	const u16 content = inject_length(f);
	const u16 len = inject_header_length(daddr->family) + content;
	struct sk_buff *skb;

	skb = inject_frame_alloc(d, outer, len + inject_header_length(outer));
	if (!skb)
		return NULL;
	if (f->outer_to.family)
		inject_header(skb, &f->outer_from, &f->outer_to,
			      daddr->family == AF_INET6 ? IPPROTO_IPV6 :
							  IPPROTO_IPIP,
			      len, htons(IP_DF | (marked ? 0x8000 : 0)));
	inject_header(skb, message ? &f->outer_from : &client, daddr,
		      f->protocol, content, htons(IP_DF));
	inject_content(skb, f, content, n);
	return inject_frame_done(d, skb);
}

/* The next packet is of another connection. */
static void inject_next(u32 *n)
{
	*n += stride;
	if (*n < flows)
		return;
	*n -= flows;
	inject_turn++;
}

/*
 * Sends the clients' packets that a batch of answers is for, the SYN or a bare ACK. Each
 * must leave once.
 */
static bool inject_ask(struct net_device *d, const struct inject_frame *f,
		       u32 size, u32 *n)
{
	struct inject_frame ask = *f;
	struct sk_buff *skb;
	u32 i;

	ask.flags = f->flags & TCP_FLAG_SYN ? TCP_FLAG_SYN : TCP_FLAG_ACK;
	ask.payload = 0;
	ask.before = 0;
	local_bh_disable();
	for (i = 0; i < size; i++) {
		inject_asked[i] = (struct inject_asked){
			.before = inject_before(f),
		};
		skb = inject_build(d, &ask, first + *n);
		if (!skb)
			break;
		inject_answer_note(&inject_asked[i]);
		netif_receive_skb(skb);
		inject_answer_note(NULL);
		if (inject_asked[i].times != 1) {
			pr_err("dprinject: a packet of connection %u left %u times for a server\n",
			       first + *n, inject_asked[i].times);
			break;
		}
		inject_next(n);
	}
	local_bh_enable();
	return i == size;
}

/* One batch of packets, from the n-th connection on. Returns ns, 0 on failure. */
static u64 inject_batch(struct net_device *d, const struct inject_frame *f,
			bool send, u32 size, u32 *n)
{
	struct sk_buff *skb;
	u64 start;
	bool asked;
	u32 i;

	if (f->answer) {
		inject_profile_pause(true);
		asked = inject_ask(d, f, size, n);
		inject_profile_pause(false);
		if (!asked)
			return 0;
	}
	start = ktime_get_ns();
	local_bh_disable();
	for (i = 0; i < size; i++) {
		skb = f->answer ? inject_build_answer(d, f, &inject_asked[i]) :
				  inject_build(d, f, first + *n);
		if (!skb)
			break;
		if (send)
			netif_receive_skb(skb);
		else
			kfree_skb(skb);
		if (!f->answer)
			inject_next(n);
	}
	local_bh_enable();
	return i < size ? 0 : ktime_get_ns() - start;
}

static int inject_compare(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

/* Thousandths of a ns that a packet took, of the batches' times. */
static u64 inject_mean(u64 *ns, u32 batches)
{
	u64 sum = 0;
	u32 i;

	if (median && packets >= BATCH) {
		/* The last batch may be a smaller one. */
		batches = packets / BATCH;
		sort(ns, batches, sizeof(*ns), inject_compare, NULL);
		return div_u64(1000 * ns[batches / 2], BATCH);
	}
	for (i = 0; i < batches; i++)
		sum += ns[i];
	return div_u64(1000 * sum, packets);
}

/*
 * Sends all packets, or builds and frees them. Returns what one took, in
 * thousandths of a ns, 0 on failure.
 */
static u64 inject_run(struct net_device *d, const struct inject_frame *f,
		      bool send)
{
	u32 batches = DIV_ROUND_UP(packets, BATCH), i, n = 0;
	u64 *ns, milli = 0;

	ns = kvcalloc(batches, sizeof(*ns), GFP_KERNEL);
	if (!ns)
		return 0;
	inject_turn = 0;
	for (i = 0; i < batches; i++) {
		ns[i] = inject_batch(d, f, send, min_t(u32, BATCH,
					packets - i * BATCH), &n);
		if (!ns[i])
			goto out;
		cond_resched();
	}
	milli = inject_mean(ns, batches);
out:
	kvfree(ns);
	return milli;
}

static int inject_measure(struct net_device *d, const struct inject_frame *f)
{
	u64 with, without;

	if (quiet)
		return inject_run(d, f, true) ? 0 : -ENOMEM;
	without = inject_run(d, f, false);
	if (profile && inject_profile_start())
		return -ENOMEM;
	with = inject_run(d, f, true);
	if (profile)
		inject_profile_stop();
	if (!with || !without)
		return -ENOMEM;
	cost = with - without;
	base = without;
	return 0;
}

/* Likewise for answers, with a look at what leaves for servers. */
static int inject_measure_answers(struct net_device *d,
				  const struct inject_frame *f)
{
	struct net_device *to_servers;
	int err;

	to_servers = dev_get_by_name(current->nsproxy->net_ns, out);
	if (!to_servers)
		return -ENODEV;
	inject_answer_start(to_servers);
	err = inject_measure(d, f);
	inject_answer_stop();
	dev_put(to_servers);
	return err;
}

static int __init inject_init(void)
{
	struct inject_frame f;
	struct net_device *d;
	int err;

	if (!flows || !packets || stride > flows || inject_frame_init(&f))
		return -EINVAL;
	if (f.protocol == MESSAGE && !f.outer_to.family)
		return -EINVAL;
	d = dev_get_by_name(current->nsproxy->net_ns, dev);
	if (!d)
		return -ENODEV;
	err = f.answer ? inject_measure_answers(d, &f) : inject_measure(d, &f);
	dev_put(d);
	return err;
}

static void __exit inject_exit(void)
{
}

module_init(inject_init);
module_exit(inject_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Cost of a received packet");
