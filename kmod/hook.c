// SPDX-License-Identifier: GPL-2.0
#include <linux/etherdevice.h>
#include <linux/inetdevice.h>
#include <linux/netfilter_bridge.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <linux/slab.h>
#include <linux/tcp.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include "compat.h"
#include "config.h"
#include "deliver.h"
#include "dpr.h"
#include "fwd_ipip.h"
#include "hook.h"
#include "icmp.h"
#include "inner.h"
#include "local.h"
#include "migrate.h"
#include "mss.h"
#include "netns.h"
#include "owner_msg.h"
#include "receive.h"
#include "service.h"
#include "source.h"
#include "splice.h"
#include "stats.h"
#include "steer.h"
#include "sweep.h"
#include "through.h"

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

/* May the packet be a backend's answer? Its port is none of a service. */
static __always_inline bool dpr_hook_spliced(const struct dpr_net *dn,
					     const struct tcphdr *th)
{
	return dpr_splice_on() && dpr_splice_port(dn, ntohs(th->dest));
}

/* A fragment, one with the mark, or a packet whose headers are not in its linear part. */
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
		return dpr_hook_spliced(dn, (void *)skb->data + hlen) ?
		       dpr_splice_answer(dn, skb) : NF_ACCEPT;
	if (ip_hdr(skb)->frag_off & htons(DPR_FWD_IPIP_MARK))
		return dpr_steer_marked(dn, skb);
	return dpr_steer_tcp(dn, skb);
}

/* The same of a fragment of IPv6, whose fragment header is the first. */
static int dpr_hook_gather6(struct dpr_net *dn, struct sk_buff *skb)
{
	if (!dpr_inner_route6(skb))
		return NF_ACCEPT;
	if (!dpr_inner_gather6(skb))
		return NF_STOLEN;
	skb_dst_drop(skb);
	skb->ignore_df = 1;
	dpr_stats_inc(dn, DPR_STAT_FRAGMENTS_GATHERED);
	return -1;
}

/* Is it a fragment of what may be ours? One that is whole (RFC 6946) is none. */
static bool dpr_hook_fragment6(const struct sk_buff *skb)
{
	const struct frag_hdr *header;
	struct frag_hdr _header;

	if (ipv6_hdr(skb)->nexthdr != NEXTHDR_FRAGMENT)
		return false;
	header = skb_header_pointer(skb, sizeof(struct ipv6hdr), sizeof(_header),
				    &_header);
	return header && header->frag_off & htons(IP6_OFFSET | IP6_MF) &&
	       (header->nexthdr == IPPROTO_TCP ||
		header->nexthdr == IPPROTO_IPV6 ||
		header->nexthdr == IPPROTO_IPIP);
}

/* Likewise for a packet of IPv6, or one with extension headers. */
static noinline unsigned int dpr_hook_partial6(struct dpr_net *dn,
					       struct sk_buff *skb)
{
	const struct tcphdr *th;
	__be16 fragment;
	int offset;
	int verdict;
	u8 next;

	if (unlikely(skb->dev->flags & IFF_LOOPBACK) ||
	    dpr_local_routed6(skb, 0))
		return NF_ACCEPT;
	if (dpr_hook_fragment6(skb)) {
		verdict = dpr_hook_gather6(dn, skb);
		if (verdict >= 0)
			return verdict;
	}
	next = ipv6_hdr(skb)->nexthdr;
	if (next == IPPROTO_IPV6 || next == IPPROTO_IPIP)
		return dpr_receive6(dn, rcu_dereference(dn->config), skb);
	offset = ipv6_skip_exthdr(skb, sizeof(struct ipv6hdr), &next, &fragment);
	if (offset < 0 || next != IPPROTO_TCP ||
	    fragment & htons(IP6_OFFSET | IP6_MF) ||
	    !pskb_may_pull(skb, offset + sizeof(*th)))
		return NF_ACCEPT;
	th = (void *)skb->data + offset;
	if (!dpr_service_ours(dn, ntohs(th->dest)))
		return dpr_hook_spliced(dn, th) ?
		       dpr_splice_answer6_at(dn, skb, offset) : NF_ACCEPT;
	return dpr_steer_tcp6(dn, skb, offset);
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

static unsigned int dpr_hook_source(struct dpr_net *dn, struct sk_buff *skb)
{
	return dpr_source_receive(dn, rcu_dereference(dn->config), skb);
}

static unsigned int dpr_hook_source6(struct dpr_net *dn, struct sk_buff *skb)
{
	return dpr_source_receive6(dn, rcu_dereference(dn->config), skb);
}

static unsigned int dpr_hook_tcp6(struct dpr_net *dn, struct sk_buff *skb)
{
	return dpr_steer_tcp6(dn, skb, sizeof(struct ipv6hdr));
}

static unsigned int dpr_hook_tunnel6(struct dpr_net *dn, struct sk_buff *skb)
{
	return dpr_receive6(dn, rcu_dereference(dn->config), skb);
}

static unsigned int dpr_hook_icmp6(struct dpr_net *dn, struct sk_buff *skb)
{
	return dpr_icmp6(dn, rcu_dereference(dn->config), skb);
}

#if IS_ENABLED(CONFIG_BRIDGE_NETFILTER)
/* Does or did a bridge have the packet? */
static __always_inline bool dpr_hook_of_bridge(const struct sk_buff *skb)
{
	return skb->active_extensions & BIT(SKB_EXT_BRIDGE_NF);
}

static bool dpr_hook_local(struct dpr_net *dn, const struct sk_buff *skb)
{
	const struct dpr_addr addr =
		dpr_local_wide(skb) ? dpr_addr_of6(&ipv6_hdr(skb)->daddr) :
				      dpr_addr_of4(ip_hdr(skb)->daddr);

	return dpr_local_has(dn->net, skb->dev, &addr);
}

/* May a peer have sent it here as it is? Then it is for the bridge's own address. */
static bool dpr_hook_direct(const struct dpr_net *dn, const struct sk_buff *skb)
{
	return READ_ONCE(dn->direct) &&
	       ether_addr_equal(eth_hdr(skb)->h_dest, skb->dev->dev_addr);
}

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
	    (!dpr_hook_local(dn, skb) && !dpr_hook_direct(dn, skb)))
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
static __always_inline bool dpr_hook_of_bridge(const struct sk_buff *skb)
{
	return false;
}

static bool dpr_hook_bridge(struct dpr_net *dn, struct sk_buff *skb,
			    unsigned int *verdict)
{
	return false;
}
#endif

/* The packet came by a device of a VRF, or out of a tunnel (deliver.h). */
static __always_inline bool dpr_hook_again(const struct sk_buff *skb, bool wide)
{
	if (wide)
		return IP6CB(skb)->flags & (IP6SKB_L3SLAVE | DPR_DELIVER_FLAG);
	return IPCB(skb)->flags & (IPSKB_L3SLAVE | DPR_DELIVER_FLAG);
}

/* Did a packet arrive in an unusual way? */
static __always_inline bool dpr_hook_unusual(const struct sk_buff *skb, bool wide)
{
	return unlikely(skb->pkt_type != PACKET_HOST || !softirq_count() ||
			dpr_hook_of_bridge(skb) || dpr_hook_again(skb, wide));
}

/* Is it a tunnel's packet for the hosts' group, as the link layer says, too? */
static bool dpr_hook_group(struct dpr_net *dn, const struct sk_buff *skb,
			   dpr_hook_fn fn)
{
	const struct dpr_config *cfg = rcu_dereference(dn->config);

	return fn == dpr_hook_ipip && skb->pkt_type == PACKET_MULTICAST &&
	       cfg->group && ip_hdr(skb)->daddr == cfg->group;
}

/*
 * Ignores link-layer broadcasts and multicasts, which the stack discards (RFC 1122,
 * 3.2.1.3 and 3.3.6) if they are not for a group, and the second pass of a packet that
 * came by a device of a VRF: the first was by that device, this one is by the VRF. A
 * packet that a program has accepted (NFQUEUE) comes in process context.
 */
static noinline unsigned int dpr_hook_odd(struct dpr_net *dn,
					  struct sk_buff *skb, bool wide,
					  dpr_hook_fn fn)
{
	unsigned int verdict;

	if (dpr_hook_bridge(dn, skb, &verdict))
		return verdict;
	if (dpr_hook_again(skb, wide) ||
	    (skb->pkt_type != PACKET_HOST && !dpr_hook_group(dn, skb, fn)))
		return NF_ACCEPT;
	local_bh_disable();
	verdict = fn(dn, skb);
	local_bh_enable();
	return verdict;
}

/* Calls one of the functions above, with bottom halves off. */
static __always_inline unsigned int dpr_hook_call(struct dpr_net *dn,
						  struct sk_buff *skb,
						  const bool wide,
						  const dpr_hook_fn fn)
{
	return dpr_hook_unusual(skb, wide) ? dpr_hook_odd(dn, skb, wide, fn) :
					     fn(dn, skb);
}

/**
 * dpr_hook_in - netfilter PRE_ROUTING, before connection tracking and defragmentation
 * @priv: the state of the namespace
 * @skb: a packet of IPv4
 * @state: not used
 *
 * Every packet passes here, so packets that are not ours must cost no more than a
 * few loads, and no call.
 *
 * Return: the verdict.
 */
unsigned int dpr_hook_in(void *priv, struct sk_buff *skb,
			 const struct nf_hook_state *state)
{
	const struct iphdr *iph = ip_hdr(skb);
	struct dpr_net *dn = priv;
	const struct tcphdr *th;

	if (iph->protocol == IPPROTO_TCP) {
		th = (void *)iph + iph->ihl * 4;
		if (unlikely(iph->frag_off & ~htons(IP_DF) ||
			     (u8 *)(th + 1) > skb->data + skb_headlen(skb)))
			return dpr_hook_call(dn, skb, false, dpr_hook_partial);
		if (!dpr_service_ours(dn, ntohs(th->dest)))
			return dpr_hook_spliced(dn, th) ?
			       dpr_hook_call(dn, skb, false, dpr_splice_answer) :
			       NF_ACCEPT;
		return dpr_hook_call(dn, skb, false, dpr_steer_tcp);
	}
	if (iph->protocol == IPPROTO_IPIP || iph->protocol == IPPROTO_IPV6)
		return dpr_hook_call(dn, skb, false, dpr_hook_ipip);
	if (iph->protocol == IPPROTO_ICMP)
		return dpr_hook_call(dn, skb, false, dpr_hook_icmp);
	if (unlikely(iph->protocol == DPR_OWNER_MSG_PROTOCOL))
		return dpr_hook_call(dn, skb, false, dpr_hook_source);
	return NF_ACCEPT;
}

/**
 * dpr_hook_in6 - the same for IPv6
 * @priv: the state of the namespace
 * @skb: a packet of IPv6
 * @state: not used
 *
 * Return: the verdict.
 */
unsigned int dpr_hook_in6(void *priv, struct sk_buff *skb,
			  const struct nf_hook_state *state)
{
	const struct ipv6hdr *ip6h = ipv6_hdr(skb);
	struct dpr_net *dn = priv;
	const struct tcphdr *th;

	switch (ip6h->nexthdr) {
	case IPPROTO_TCP:
		th = (void *)(ip6h + 1);
		if (unlikely((u8 *)(th + 1) > skb->data + skb_headlen(skb)))
			return dpr_hook_call(dn, skb, true, dpr_hook_partial6);
		if (!dpr_service_ours(dn, ntohs(th->dest)))
			return dpr_hook_spliced(dn, th) ?
			       dpr_hook_call(dn, skb, true, dpr_splice_answer6) :
			       NF_ACCEPT;
		return dpr_hook_call(dn, skb, true, dpr_hook_tcp6);
	case IPPROTO_IPV6:
	case IPPROTO_IPIP:
		return dpr_hook_call(dn, skb, true, dpr_hook_tunnel6);
	case IPPROTO_ICMPV6:
		return dpr_hook_call(dn, skb, true, dpr_hook_icmp6);
	case NEXTHDR_HOP:
	case NEXTHDR_ROUTING:
	case NEXTHDR_FRAGMENT:
	case NEXTHDR_AUTH:
	case NEXTHDR_DEST:
		return dpr_hook_call(dn, skb, true, dpr_hook_partial6);
	default:
		/* Read anew: as one case more, it would cost TCP a comparison. */
		if (unlikely(READ_ONCE(ip6h->nexthdr) == DPR_OWNER_MSG_PROTOCOL))
			return dpr_hook_call(dn, skb, true, dpr_hook_source6);
		return NF_ACCEPT;
	}
}

/**
 * dpr_hook_find - whose packets pass the hooks above
 * @net: a namespace
 * @wide: packets of IPv6
 *
 * Called under RCU. See dpr_hook_first(), which is quicker.
 *
 * Return: the state of the namespace, NULL if its packets do not pass.
 */
struct dpr_net *dpr_hook_find(struct net *net, bool wide)
{
	nf_hookfn *hook = wide ? dpr_hook_in6 : dpr_hook_in;
	const struct nf_hook_entries *all;
	u16 i;

	all = wide ? rcu_dereference(net->nf.hooks_ipv6[NF_INET_PRE_ROUTING]) :
		     rcu_dereference(net->nf.hooks_ipv4[NF_INET_PRE_ROUTING]);
	if (unlikely(!all))
		return NULL;
	for (i = 0; i < all->num_hook_entries; i++)
		if (all->hooks[i].hook == hook)
			return all->hooks[i].priv;
	return NULL;
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
	}, {
		.hook = dpr_hook_in6,
		.pf = NFPROTO_IPV6,
		.hooknum = NF_INET_PRE_ROUTING,
		.priority = NF_IP6_PRI_RAW_BEFORE_DEFRAG,
	}, {
		.hook = dpr_mss_hook6,
		.pf = NFPROTO_IPV6,
		.hooknum = NF_INET_LOCAL_OUT,
		.priority = NF_IP6_PRI_MANGLE,
	},
};

/*
 * Only while answers go to the first host, so that they cost nothing elsewhere. Last: what
 * the firewall has to say of an answer it says of the answer itself.
 */
static const struct nf_hook_ops dpr_hook_through_ops[] = {
	{
		.hook = dpr_through_hook,
		.pf = NFPROTO_IPV4,
		.hooknum = NF_INET_LOCAL_OUT,
		.priority = NF_IP_PRI_LAST,
	}, {
		.hook = dpr_through_hook6,
		.pf = NFPROTO_IPV6,
		.hooknum = NF_INET_LOCAL_OUT,
		.priority = NF_IP6_PRI_LAST,
	},
};

/* Before the firewall and address translation, as the program has written it. */
static const struct nf_hook_ops dpr_hook_watch_ops[] = {
	{
		.hook = dpr_migrate_hook,
		.pf = NFPROTO_IPV4,
		.hooknum = NF_INET_LOCAL_OUT,
		.priority = NF_IP_PRI_RAW,
	}, {
		.hook = dpr_migrate_hook6,
		.pf = NFPROTO_IPV6,
		.hooknum = NF_INET_LOCAL_OUT,
		.priority = NF_IP6_PRI_RAW,
	},
};

/**
 * dpr_hook_watch - look at answers of connections that may move, unless that is so
 * @dn: the namespace, hooked; its lock is held
 *
 * Return: 0 or a negative errno.
 */
int dpr_hook_watch(struct dpr_net *dn)
{
	u32 i;
	int err;

	BUILD_BUG_ON(ARRAY_SIZE(dpr_hook_watch_ops) != ARRAY_SIZE(dn->watch_ops));
	if (dn->watching)
		return 0;
	for (i = 0; i < ARRAY_SIZE(dpr_hook_watch_ops); i++) {
		dn->watch_ops[i] = dpr_hook_watch_ops[i];
		dn->watch_ops[i].priv = dn;
	}
	err = nf_register_net_hooks(dn->net, dn->watch_ops,
				    ARRAY_SIZE(dn->watch_ops));
	dn->watching = !err;
	return err;
}

/**
 * dpr_hook_through - see answers before they go out, unless that is so
 * @dn: the namespace, with at least one service; its lock is held
 *
 * Return: 0 or a negative errno.
 */
int dpr_hook_through(struct dpr_net *dn)
{
	u32 i;
	int err;

	BUILD_BUG_ON(ARRAY_SIZE(dpr_hook_through_ops) !=
		     ARRAY_SIZE(dn->through_ops));
	if (dn->through)
		return 0;
	for (i = 0; i < ARRAY_SIZE(dn->through_ops); i++) {
		dn->through_ops[i] = dpr_hook_through_ops[i];
		dn->through_ops[i].priv = dn;
	}
	err = nf_register_net_hooks(dn->net, dn->through_ops,
				    ARRAY_SIZE(dn->through_ops));
	dn->through = !err;
	return err;
}

/**
 * dpr_hook_not_through - undo dpr_hook_through()
 * @dn: the namespace; its lock is held, or it is going
 *
 * Answers may still be in the hooks until the RCU grace period ends.
 */
void dpr_hook_not_through(struct dpr_net *dn)
{
	if (dn->through)
		nf_unregister_net_hooks(dn->net, dn->through_ops,
					ARRAY_SIZE(dn->through_ops));
	dn->through = false;
}

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
	const struct dpr_config *cfg =
		rcu_dereference_protected(dn->config,
					  lockdep_is_held(&dn->lock));
	int err = 0;

	if (dn->hooked)
		return 0;
	if (cfg->answers == DPR_ANSWERS_THROUGH)
		err = dpr_hook_through(dn);
	if (!err)
		err = dpr_hook_register(dn);
	dn->hooked = !err;
	if (err) {
		dpr_hook_not_through(dn);
		return err;
	}
	dn->started = jiffies;
	dpr_sweep_start(dn);
	return 0;
}

/**
 * dpr_hook_unregister_in - stop seeing packets that come in, and answers
 * @dn: the namespace, hooked
 *
 * Packets may still be in the hooks until the RCU grace period ends.
 */
void dpr_hook_unregister_in(struct dpr_net *dn)
{
	dpr_hook_not_through(dn);
	if (dn->watching)
		nf_unregister_net_hooks(dn->net, dn->watch_ops,
					ARRAY_SIZE(dn->watch_ops));
	dn->watching = false;
	nf_unregister_net_hook(dn->net, &dn->hook_ops[0]);
	nf_unregister_net_hook(dn->net, &dn->hook_ops[2]);
}

/**
 * dpr_hook_unregister_out - stop seeing packets that go out
 * @dn: the namespace; since the above an RCU grace period has ended
 *
 * What this module's own work sends may still wait for a program: dpr_hook_drop().
 */
void dpr_hook_unregister_out(struct dpr_net *dn)
{
	nf_unregister_net_hook(dn->net, &dn->hook_ops[1]);
	nf_unregister_net_hook(dn->net, &dn->hook_ops[3]);
	synchronize_net();
}

/**
 * dpr_hook_drop - drop what this module has sent and what waits for a program
 * @dn: the namespace, no longer hooked; nothing is sent in it any more
 *
 * A program may have such packets for as long as it likes (NFQUEUE in POST_ROUTING or
 * PRE_ROUTING). They would continue in this module's code, which is about to go. One that a
 * program lets pass just now is through when this returns.
 */
void dpr_hook_drop(struct dpr_net *dn)
{
	nf_queue_nf_hook_drop(dn->net);
	synchronize_net();
}
