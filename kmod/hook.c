// SPDX-License-Identifier: GPL-2.0
#include <linux/etherdevice.h>
#include <linux/inetdevice.h>
#include <linux/netfilter_bridge.h>
#include <linux/netfilter_ipv4.h>
#include <linux/slab.h>
#include <linux/tcp.h>
#include <net/ip.h>
#include "dpr.h"
#include "hook.h"
#include "icmp.h"
#include "mss.h"
#include "netns.h"
#include "receive.h"
#include "service.h"
#include "stats.h"
#include "steer.h"
#include "sweep.h"

/* Keeps our half-gathered packets apart from everybody else's ("dpr"). */
#define DPR_HOOK_DEFRAG_USER	0x64707200

/*
 * Only a whole packet can be classified. Reassembles TCP fragments for this host;
 * the stack would do so a little later anyway.
 */
static int dpr_hook_gather(struct dpr_net *dn, struct sk_buff *skb)
{
	if (!__ip_dev_find(dn->net, ip_hdr(skb)->daddr, false))
		return NF_ACCEPT;
	if (ip_defrag(dn->net, skb, DPR_HOOK_DEFRAG_USER))
		return NF_STOLEN;
	ip_send_check(ip_hdr(skb));
	skb->ignore_df = 1;
	dpr_stats_inc(dn, DPR_STAT_FRAGMENTS_GATHERED);
	return -1;
}

/* A fragment, or a packet whose headers are not in its linear part. */
static noinline unsigned int dpr_hook_partial(struct dpr_net *dn,
					      struct sk_buff *skb)
{
	unsigned int hlen;
	int verdict;

	if (unlikely(skb->dev->flags & IFF_LOOPBACK))
		return NF_ACCEPT;
	if (ip_is_fragment(ip_hdr(skb))) {
		verdict = dpr_hook_gather(dn, skb);
		if (verdict >= 0)
			return verdict;
	}
	hlen = ip_hdrlen(skb);
	if (!pskb_may_pull(skb, hlen + sizeof(struct tcphdr)))
		return NF_ACCEPT;
	if (!dpr_service_ours(dn, ntohs(((struct tcphdr *)
					 (skb->data + hlen))->dest)))
		return NF_ACCEPT;
	return dpr_steer_tcp(dn, skb);
}

typedef unsigned int (*dpr_hook_fn)(struct dpr_net *dn, struct sk_buff *skb);

static unsigned int dpr_hook_ipip(struct dpr_net *dn, struct sk_buff *skb)
{
	return dpr_receive(dn, rcu_dereference(dn->config), skb);
}

static unsigned int dpr_hook_icmp(struct dpr_net *dn, struct sk_buff *skb)
{
	return dpr_icmp(dn, rcu_dereference(dn->config), skb);
}

#if IS_ENABLED(CONFIG_BRIDGE_NETFILTER)
#define DPR_HOOK_BRIDGED	BIT(SKB_EXT_BRIDGE_NF)

/*
 * Handles a packet that br_netfilter passes through IP's hooks while the bridge
 * has it. The bridge takes a changed destination for DNAT and would send the
 * packet to the wrong place. So a packet for this host leaves the bridge's path
 * here and enters again by the bridge's own device, as without br_netfilter.
 */
static unsigned int dpr_hook_bridged(struct dpr_net *dn, struct sk_buff *skb,
				     const struct nf_bridge_info *bridge)
{
	if (bridge->orig_proto != BRNF_PROTO_UNCHANGED ||
	    (skb->pkt_type != PACKET_HOST &&
	     skb->pkt_type != PACKET_OTHERHOST) ||
	    (bridge->pkt_otherhost &&
	     !ether_addr_equal(eth_hdr(skb)->h_dest, skb->dev->dev_addr)) ||
	    !__ip_dev_find(dn->net, ip_hdr(skb)->daddr, false))
		return NF_ACCEPT;
	skb_ext_del(skb, SKB_EXT_BRIDGE_NF);
	skb->pkt_type = PACKET_HOST;
	netif_rx(skb);
	return NF_STOLEN;
}

/* Returns true if a bridge has the packet; @verdict is set then. */
static bool dpr_hook_bridge(struct dpr_net *dn, struct sk_buff *skb,
			    unsigned int *verdict)
{
	const struct nf_bridge_info *bridge = nf_bridge_info_get(skb);

	if (!bridge)
		return false;
	if (bridge->in_prerouting) {
		*verdict = dpr_hook_bridged(dn, skb, bridge);
		return true;
	}
	/* The bridge is done with it. */
	skb_ext_del(skb, SKB_EXT_BRIDGE_NF);
	return false;
}
#else
#define DPR_HOOK_BRIDGED	0

static bool dpr_hook_bridge(struct dpr_net *dn, struct sk_buff *skb,
			    unsigned int *verdict)
{
	return false;
}
#endif

/* Did a packet arrive in an unusual way? */
static bool dpr_hook_unusual(const struct sk_buff *skb)
{
	return unlikely(skb->pkt_type != PACKET_HOST || !softirq_count() ||
			skb->active_extensions & DPR_HOOK_BRIDGED ||
			IPCB(skb)->flags & IPSKB_L3SLAVE);
}

/*
 * Ignores link-layer broadcasts and multicasts, which the stack discards (RFC 1122,
 * 3.2.1.3 and 3.3.6), and the second pass of a packet that came by a device of a
 * VRF: the first was by that device, this one is by the VRF. A packet that a
 * program has accepted (NFQUEUE) comes in process context.
 */
static noinline unsigned int dpr_hook_odd(struct dpr_net *dn,
					  struct sk_buff *skb, dpr_hook_fn fn)
{
	unsigned int verdict;

	if (dpr_hook_bridge(dn, skb, &verdict))
		return verdict;
	if (skb->pkt_type != PACKET_HOST || IPCB(skb)->flags & IPSKB_L3SLAVE)
		return NF_ACCEPT;
	local_bh_disable();
	verdict = fn(dn, skb);
	local_bh_enable();
	return verdict;
}

/* Calls one of the functions above, with bottom halves off. */
static __always_inline unsigned int dpr_hook_call(struct dpr_net *dn,
						  struct sk_buff *skb,
						  const dpr_hook_fn fn)
{
	return dpr_hook_unusual(skb) ? dpr_hook_odd(dn, skb, fn) :
				       fn(dn, skb);
}

/*
 * netfilter PRE_ROUTING, before connection tracking and defragmentation.
 *
 * Every packet passes here, so packets that are not ours must cost no more than a
 * few loads, and no call.
 */
static unsigned int dpr_hook_in(void *priv, struct sk_buff *skb,
				const struct nf_hook_state *state)
{
	const struct iphdr *iph = ip_hdr(skb);
	struct dpr_net *dn = priv;
	const struct tcphdr *th;

	if (iph->protocol == IPPROTO_TCP) {
		th = (void *)iph + iph->ihl * 4;
		if (unlikely(ip_is_fragment(iph) ||
			     (u8 *)(th + 1) > skb->data + skb_headlen(skb)))
			return dpr_hook_call(dn, skb, dpr_hook_partial);
		if (!dpr_service_ours(dn, ntohs(th->dest)))
			return NF_ACCEPT;
		return dpr_hook_call(dn, skb, dpr_steer_tcp);
	}
	if (iph->protocol == IPPROTO_IPIP)
		return dpr_hook_call(dn, skb, dpr_hook_ipip);
	if (iph->protocol == IPPROTO_ICMP)
		return dpr_hook_call(dn, skb, dpr_hook_icmp);
	return NF_ACCEPT;
}

static const struct nf_hook_ops dpr_hook_ops[] = {
	{
		.hook = dpr_hook_in,
		.pf = NFPROTO_IPV4,
		.hooknum = NF_INET_PRE_ROUTING,
		.priority = NF_IP_PRI_RAW_BEFORE_DEFRAG,
	}, {
		.hook = dpr_mss_hook,
		.pf = NFPROTO_IPV4,
		.hooknum = NF_INET_LOCAL_OUT,
		.priority = NF_IP_PRI_MANGLE,
	},
};

static int dpr_hook_register(struct dpr_net *dn)
{
	u32 i;

	BUILD_BUG_ON(ARRAY_SIZE(dpr_hook_ops) != ARRAY_SIZE(dn->hook_ops));
	for (i = 0; i < ARRAY_SIZE(dpr_hook_ops); i++) {
		dn->hook_ops[i] = dpr_hook_ops[i];
		dn->hook_ops[i].priv = dn;
	}
	return nf_register_net_hooks(dn->net, dn->hook_ops,
				     ARRAY_SIZE(dn->hook_ops));
}

/**
 * dpr_hook_start - register a namespace's hooks, unless they are
 * @dn: the namespace; its lock is held
 *
 * Return: 0 or a negative errno.
 */
int dpr_hook_start(struct dpr_net *dn)
{
	int err;

	if (dn->hooked)
		return 0;
	err = dpr_hook_register(dn);
	dn->hooked = !err;
	if (err)
		return err;
	dn->started = jiffies;
	dpr_sweep_start(dn);
	return 0;
}

/**
 * dpr_hook_unregister_in - stop seeing packets that come in
 * @dn: the namespace, hooked
 *
 * Packets may still be in the hooks until the RCU grace period ends.
 */
void dpr_hook_unregister_in(struct dpr_net *dn)
{
	nf_unregister_net_hook(dn->net, &dn->hook_ops[0]);
}

/**
 * dpr_hook_unregister_out - stop seeing packets that go out
 * @dn: the namespace; since the above an RCU grace period has ended
 *
 * This also drops packets that this module has sent and that wait for a program
 * (NFQUEUE in POST_ROUTING), as netfilter does when a hook goes: they would
 * continue in this module's code. None is added after the grace period.
 */
void dpr_hook_unregister_out(struct dpr_net *dn)
{
	nf_unregister_net_hook(dn->net, &dn->hook_ops[1]);
	synchronize_net();
}
