// SPDX-License-Identifier: GPL-2.0
/*
 * Measures what a received packet costs: builds frames, hands them to
 * netif_receive_skb() as if a device had, and tells the mean time. What building
 * and freeing a frame takes is measured by itself and subtracted. What the
 * packets leave to the softirq, for instance a tunnel device's, is counted.
 *
 * The measurement runs while the module is inserted; remove it and insert it
 * again for the next. The result is in its parameter cost.
 */
#include <linux/etherdevice.h>
#include <linux/if_ether.h>
#include <linux/inet.h>
#include <linux/ip.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/nsproxy.h>
#include <linux/sched.h>
#include <linux/sort.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/ip.h>
#include <net/tcp.h>
#include "profile.h"

static char *dev = "in0";
module_param(dev, charp, 0);
MODULE_PARM_DESC(dev, "device that the frames seem to come from");
static char *to = "10.0.0.1";
module_param(to, charp, 0);
MODULE_PARM_DESC(to, "destination address of the packet");
static char *from = "10.128.0.0";
module_param(from, charp, 0);
MODULE_PARM_DESC(from, "first client address");
static char *tunnel_to = "0.0.0.0", *tunnel_from = "0.0.0.0";
module_param(tunnel_to, charp, 0);
MODULE_PARM_DESC(tunnel_to, "destination of an outer header; none if not set");
module_param(tunnel_from, charp, 0);
MODULE_PARM_DESC(tunnel_from, "source of the outer header");
static bool marked;
module_param(marked, bool, 0);
MODULE_PARM_DESC(marked, "set the reserved bit of the outer header");
static ushort port = 80;
module_param(port, ushort, 0);
MODULE_PARM_DESC(port, "destination port");
static char *op = "established";
module_param(op, charp, 0);
MODULE_PARM_DESC(op, "syn, established, fin, rst, udp or ended: what is sent");
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
 * @base: the first client's address, host byte order
 * @outer_to: the outer header's destination, 0 without one
 * @outer_from: the outer header's source
 * @protocol: TCP, UDP or MESSAGE
 * @flags: the TCP header's flags, as tcp_flag_word() has them
 */
struct inject_frame {
	__be32 daddr;
	u32 base;
	__be32 outer_to;
	__be32 outer_from;
	u8 protocol;
	__be32 flags;
};

static const struct {
	const char *op;
	u8 protocol;
	__be32 flags;
} inject_ops[] = {
	{ "syn", IPPROTO_TCP, TCP_FLAG_SYN },
	{ "established", IPPROTO_TCP, TCP_FLAG_ACK },
	{ "fin", IPPROTO_TCP, TCP_FLAG_ACK | TCP_FLAG_FIN },
	{ "rst", IPPROTO_TCP, TCP_FLAG_ACK | TCP_FLAG_RST },
	{ "udp", IPPROTO_UDP, 0 },
	{ "ended", MESSAGE, 0 },
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

static int inject_frame_init(struct inject_frame *f)
{
	int i;

	f->daddr = in_aton(to);
	f->base = ntohl(in_aton(from));
	f->outer_to = in_aton(tunnel_to);
	f->outer_from = in_aton(tunnel_from);
	for (i = 0; i < ARRAY_SIZE(inject_ops); i++) {
		if (strcmp(op, inject_ops[i].op))
			continue;
		f->protocol = inject_ops[i].protocol;
		f->flags = inject_ops[i].flags;
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

/* The client's half of a connection: its SYN is number 1. */
static void inject_tcp(struct tcphdr *th, const struct inject_frame *f, u32 n)
{
	bool syn = f->flags & TCP_FLAG_SYN;

	memset(th, 0, sizeof(*th) + payload);
	th->source = htons(1024 + n % PORTS);
	th->dest = htons(port);
	th->seq = htonl(syn ? 1 : 2);
	th->ack_seq = htonl(syn ? 0 : 1);
	tcp_flag_word(th) = f->flags;
	th->doff = sizeof(*th) / 4;
	th->window = htons(65535);
}

static void inject_udp(struct udphdr *uh, u32 n)
{
	memset(uh, 0, sizeof(*uh) + payload);
	uh->source = htons(1024 + n % PORTS);
	uh->dest = htons(port);
	uh->len = htons(sizeof(*uh) + payload);
}

static void inject_message(struct inject_message *msg,
			   const struct inject_frame *f, u32 n)
{
	*msg = (struct inject_message){
		.magic = htonl(0x4450526f), .kind = 4, .isn = htonl(1),
		.client = htonl(f->base + n / PORTS), .address = f->daddr,
		.client_port = htons(1024 + n % PORTS), .port = htons(port),
	};
	msg->check = ip_compute_csum(msg, sizeof(*msg));
}

static u16 inject_length(const struct inject_frame *f)
{
	switch (f->protocol) {
	case IPPROTO_TCP:
		return sizeof(struct tcphdr) + payload;
	case IPPROTO_UDP:
		return sizeof(struct udphdr) + payload;
	default:
		return sizeof(struct inject_message);
	}
}

static struct sk_buff *inject_build(struct net_device *d,
				    const struct inject_frame *f, u32 n)
{
	const bool message = f->protocol == MESSAGE;
	u16 inner = inject_length(f);
	u16 len = sizeof(struct iphdr) + inner;
	struct sk_buff *skb;
	struct ethhdr *eth;

	skb = netdev_alloc_skb_ip_align(d, ETH_HLEN + sizeof(struct iphdr) +
					   len);
	if (!skb)
		return NULL;
	eth = skb_put(skb, ETH_HLEN);
	ether_addr_copy(eth->h_dest, d->dev_addr);
	eth_zero_addr(eth->h_source);
	eth->h_proto = htons(ETH_P_IP);
	if (f->outer_to)
		inject_ip(skb_put(skb, sizeof(struct iphdr)), f->outer_from,
			  f->outer_to, IPPROTO_IPIP,
			  len + sizeof(struct iphdr),
			  htons(IP_DF | (marked ? 0x8000 : 0)));
	inject_ip(skb_put(skb, sizeof(struct iphdr)),
		  message ? f->outer_from : htonl(f->base + n / PORTS),
		  message ? f->outer_to : f->daddr, f->protocol, len,
		  htons(IP_DF));
	if (message)
		inject_message(skb_put(skb, inner), f, n);
	else if (f->protocol == IPPROTO_TCP)
		inject_tcp(skb_put(skb, inner), f, n);
	else
		inject_udp(skb_put(skb, inner), n);
	skb->protocol = eth_type_trans(skb, d);
	skb->ip_summed = CHECKSUM_UNNECESSARY;
	return skb;
}

/* One batch of packets, from the n-th connection on. Returns ns, 0 on failure. */
static u64 inject_batch(struct net_device *d, const struct inject_frame *f,
			bool send, u32 size, u32 *n)
{
	u64 start = ktime_get_ns();
	struct sk_buff *skb;

	local_bh_disable();
	for (; size; size--) {
		skb = inject_build(d, f, first + *n);
		if (!skb)
			break;
		if (send)
			netif_receive_skb(skb);
		else
			kfree_skb(skb);
		*n += stride;
		if (*n >= flows)
			*n -= flows;
	}
	local_bh_enable();
	return size ? 0 : ktime_get_ns() - start;
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

static int __init inject_init(void)
{
	struct inject_frame f;
	struct net_device *d;
	int err;

	if (!flows || !packets || stride > flows || inject_frame_init(&f))
		return -EINVAL;
	d = dev_get_by_name(current->nsproxy->net_ns, dev);
	if (!d)
		return -ENODEV;
	err = inject_measure(d, &f);
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
