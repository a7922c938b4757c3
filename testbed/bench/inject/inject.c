// SPDX-License-Identifier: GPL-2.0
/*
 * Measures what a received packet costs: builds TCP frames, hands them to
 * netif_receive_skb() as if a device had, and prints the mean time. What
 * building and freeing a frame costs is measured by itself and subtracted.
 *
 * The measurement runs while the module is inserted; remove it and insert it
 * again for the next.
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
#include <linux/tcp.h>
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
static char *tunnel_to, *tunnel_from;
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
MODULE_PARM_DESC(op, "syn, established, fin or rst: the segments' flags");
static uint flows = 1000;
module_param(flows, uint, 0);
MODULE_PARM_DESC(flows, "clients' connections, gone through in turn");
static uint first;
module_param(first, uint, 0);
MODULE_PARM_DESC(first, "number of the first connection");
static uint packets = 10000;
module_param(packets, uint, 0);
MODULE_PARM_DESC(packets, "packets to send");
static uint payload = 100;
module_param(payload, uint, 0);
MODULE_PARM_DESC(payload, "bytes of data in a segment");
static bool quiet;
module_param(quiet, bool, 0);
MODULE_PARM_DESC(quiet, "only send");

static bool profile;
module_param(profile, bool, 0);
MODULE_PARM_DESC(profile, "print where the time goes, by function");

#define PORTS	32768	/* client ports of one client address */
#define BATCH	64	/* packets between two looks at the scheduler */

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

static void inject_tcp(struct tcphdr *th, u32 n, bool syn)
{
	memset(th, 0, sizeof(*th) + payload);
	th->source = htons(1024 + n % PORTS);
	th->dest = htons(port);
	th->seq = htonl(syn ? 1 : 2);
	th->doff = sizeof(*th) / 4;
	th->window = htons(65535);
	th->syn = syn;
	th->ack = !syn;
	th->ack_seq = htonl(!syn);
	th->fin = !strcmp(op, "fin");
	th->rst = !strcmp(op, "rst");
}

static struct sk_buff *inject_build(struct net_device *d, u32 flow, bool syn)
{
	static __be32 t_to, t_from, daddr, base;
	u16 len = sizeof(struct iphdr) + sizeof(struct tcphdr) + payload;
	u32 n = first + flow;
	struct sk_buff *skb;
	struct ethhdr *eth;

	if (!daddr) {
		daddr = in_aton(to);
		base = in_aton(from);
		t_to = tunnel_to ? in_aton(tunnel_to) : 0;
		t_from = tunnel_from ? in_aton(tunnel_from) : 0;
	}
	skb = netdev_alloc_skb_ip_align(d, ETH_HLEN + sizeof(struct iphdr) +
					   len);
	if (!skb)
		return NULL;
	eth = skb_put(skb, ETH_HLEN);
	ether_addr_copy(eth->h_dest, d->dev_addr);
	eth_zero_addr(eth->h_source);
	eth->h_proto = htons(ETH_P_IP);
	if (t_to)
		inject_ip(skb_put(skb, sizeof(struct iphdr)), t_from, t_to,
			  IPPROTO_IPIP, len + sizeof(struct iphdr),
			  htons(IP_DF | (marked ? 0x8000 : 0)));
	inject_ip(skb_put(skb, sizeof(struct iphdr)),
		  htonl(ntohl(base) + n / PORTS), daddr, IPPROTO_TCP, len,
		  htons(IP_DF));
	inject_tcp(skb_put(skb, sizeof(struct tcphdr) + payload), n, syn);
	skb->protocol = eth_type_trans(skb, d);
	skb->ip_summed = CHECKSUM_UNNECESSARY;
	return skb;
}

/* Sends all packets, or builds and frees them. Returns ns, 0 on failure. */
static u64 inject_run(struct net_device *d, bool send)
{
	bool syn = !strcmp(op, "syn");
	struct sk_buff *skb;
	u64 ns = 0, start;
	u32 i = 0, stop;

	while (i < packets) {
		stop = min(i + BATCH, packets);
		local_bh_disable();
		start = ktime_get_ns();
		for (; i < stop; i++) {
			skb = inject_build(d, i % flows, syn);
			if (!skb) {
				local_bh_enable();
				return 0;
			}
			if (send)
				netif_receive_skb(skb);
			else
				kfree_skb(skb);
		}
		ns += ktime_get_ns() - start;
		local_bh_enable();
		cond_resched();
	}
	return ns;
}

static int __init inject_init(void)
{
	struct net_device *d;
	u64 with, without;

	if (!flows || !packets)
		return -EINVAL;
	d = dev_get_by_name(current->nsproxy->net_ns, dev);
	if (!d)
		return -ENODEV;
	without = inject_run(d, false);
	if (profile && inject_profile_start()) {
		dev_put(d);
		return -ENOMEM;
	}
	with = inject_run(d, true);
	if (profile)
		inject_profile_stop();
	dev_put(d);
	if (!with || !without)
		return -ENOMEM;
	if (!quiet)
		pr_info("dprinject: op=%s flows=%u packets=%u cost_milli=%lld\n",
			op, flows, packets,
			div_s64(1000 * (s64)(with - without), packets));
	return 0;
}

static void __exit inject_exit(void)
{
}

module_init(inject_init);
module_exit(inject_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Cost of a received packet");
