// SPDX-License-Identifier: GPL-2.0
#include "compat.h"

#if DPR_COMPAT_XDP
#include <linux/bpf.h>
#include <linux/btf.h>
#include <linux/etherdevice.h>
#include <linux/if_arp.h>
#include <linux/netdevice.h>
#include <net/arp.h>
#include <net/dsfield.h>
#include <net/ip6_checksum.h>
#include <net/neighbour.h>
#include <net/sch_generic.h>
#include <net/xdp.h>
#include "config.h"
#include "core/parse.h"
#include "dpr.h"
#include "flow.h"
#include "fwd.h"
#include "fwd_direct.h"
#include "fwd_ip6.h"
#include "fwd_ipip.h"
#include "hook.h"
#include "local.h"
#include "netns.h"
#include "peer.h"
#include "route.h"
#include "service.h"
#include "splice_table.h"
#include "stats.h"
#include "xdp.h"

/* The first byte of a header of IPv4 without options. */
#define DPR_XDP_IP_PLAIN	0x45

/* The shortest frame that can be taken. */
#define DPR_XDP_SHORTEST	(ETH_HLEN + sizeof(struct iphdr) + \
				 sizeof(struct tcphdr))

/**
 * struct dpr_xdp_packet - a packet on the fast path
 * @xdp: its buffer
 * @dev: the device it came by
 * @dn: that device's namespace
 * @forced: the hooks of others do not count, but for those of another device on the way out
 * @len: bytes, without the link layer's header
 * @th: its TCP header
 * @now: jiffies
 *
 * All who get a pointer to it are inlined, so that what is in it stays in registers.
 */
struct dpr_xdp_packet {
	struct xdp_buff *xdp;
	struct net_device *dev;
	struct dpr_net *dn;
	bool forced;
	u32 len;
	const struct tcphdr *th;
	u32 now;
};

/* Leaves a packet to the netfilter path. */
static __always_inline int dpr_xdp_pass(const struct dpr_xdp_packet *p,
					enum dpr_stat why)
{
	dpr_stats_inc(p->dn, why);
	return XDP_PASS;
}

/* Would anybody but this module see what comes in by a device, before its hooks do? */
static __always_inline bool dpr_xdp_watched_in(const struct net_device *dev)
{
#ifdef CONFIG_NETFILTER_INGRESS
	if (unlikely(rcu_access_pointer(dev->nf_hooks_ingress)))
		return true;
#endif
#ifdef CONFIG_NET_XGRESS
	if (unlikely(rcu_access_pointer(dev->tcx_ingress)))
		return true;
#endif
	return false;
}

/* The same of what goes out. A queueing discipline that nobody chose has no handle. */
static __always_inline bool dpr_xdp_watched_out(const struct net_device *dev)
{
#ifdef CONFIG_NETFILTER_EGRESS
	if (unlikely(rcu_access_pointer(dev->nf_hooks_egress)))
		return true;
#endif
#ifdef CONFIG_NET_XGRESS
	if (unlikely(rcu_access_pointer(dev->tcx_egress)))
		return true;
#endif
	return rcu_dereference(dev->qdisc)->handle;
}

/*
 * Does a device's driver send now what programs of XDP want sent? A veth says that it does
 * not, and drops it, while the other end has neither a program nor GRO. Drivers that cannot
 * send for other devices say nothing.
 */
static __always_inline bool dpr_xdp_ready(const struct net_device *dev)
{
	return likely(READ_ONCE(dev->xdp_features) &
		      NETDEV_XDP_ACT_NDO_XMIT) ||
	       !dev->netdev_ops->ndo_xdp_xmit;
}

/*
 * Can a device that is ready send what came by another one? Only if a program is attached to
 * it, too, as where the fast path is on: drivers make what they need for that only then.
 */
static noinline bool dpr_xdp_sends(struct net_device *dev)
{
	return dev->netdev_ops->ndo_xdp_xmit && dev_xdp_prog_count(dev);
}

/*
 * The neighbour that a packet goes to, if its link-layer header is known. One that is stale
 * is probed meanwhile, as the stack does, and can be used.
 */
static __always_inline struct neighbour *
dpr_xdp_neighbour(const struct dpr_route *route, const bool wide)
{
	struct net_device *dev = route->dst->dev;
	struct neighbour *neigh;

	if (wide) {
		neigh = ip_neigh_gw6(dev, rt6_nexthop((struct rt6_info *)route->dst,
						      &route->ip6.daddr));
		if (IS_ERR(neigh))
			return NULL;
	} else {
		const struct rtable *rt = (const struct rtable *)route->dst;

		if (unlikely(rt->rt_gw_family == AF_INET6))
			return NULL;
		neigh = __ipv4_neigh_lookup_noref(dev, (__force u32)
						  (rt->rt_gw_family ?
						   rt->rt_gw4 : route->ip.daddr));
		if (unlikely(!neigh))
			return NULL;
	}
	if (unlikely(READ_ONCE(neigh->hh.hh_len) != ETH_HLEN))
		return NULL;
	if (unlikely(!(READ_ONCE(neigh->nud_state) & NUD_CONNECTED)) &&
	    neigh_event_send(neigh, NULL))
		return NULL;
	return neigh;
}

static __always_inline void dpr_xdp_link_header(void *data,
						const struct neighbour *neigh)
{
	const struct hh_cache *hh = &neigh->hh;
	unsigned int seq;

	do {
		seq = read_seqbegin(&hh->hh_lock);
		memcpy(data, (const u8 *)hh->hh_data + HH_DATA_OFF(ETH_HLEN),
		       ETH_HLEN);
	} while (read_seqretry(&hh->hh_lock, seq));
}

static __always_inline u32 dpr_xdp_len4(const struct iphdr *iph)
{
	return ntohs(iph->tot_len);
}

static __always_inline u32 dpr_xdp_len6(const struct ipv6hdr *ip6h)
{
	return sizeof(*ip6h) + ntohs(ip6h->payload_len);
}

/* Puts the outer header before the packet, which stays where it is, at @inner. */
static __always_inline void dpr_xdp_encapsulate(const struct dpr_xdp_packet *p,
						void *inner,
						const struct dpr_route *route,
						const bool wide,
						const bool outer_wide,
						u32 number)
{
	const u8 tos = wide ? ipv6_get_dsfield(inner) :
			      ((const struct iphdr *)inner)->tos;

	if (outer_wide)
		dpr_fwd_ip6_header(inner - DPR_FWD_IP6_OVERHEAD, route, tos,
				   wide ? ip6_flowlabel(inner) : 0, p->len);
	else
		dpr_fwd_ipip_header(inner - DPR_FWD_IPIP_OVERHEAD, route, tos,
				    p->len + DPR_FWD_IPIP_OVERHEAD, number);
}

/* Is there room in the driver's buffer to put @overhead bytes before the packet? */
static __always_inline bool dpr_xdp_room(const struct xdp_buff *xdp,
					 unsigned int overhead)
{
	/* The driver keeps what it must know of a packet that it sends there. */
	return xdp->data - xdp->data_hard_start >=
	       sizeof(struct xdp_frame) + overhead;
}

/* The largest packet that fits the way. */
static __always_inline unsigned int dpr_xdp_mtu(const struct dpr_route *route,
						const bool outer_wide,
						unsigned int overhead)
{
	return (outer_wide ? dst_mtu(route->dst) : dpr_route_mtu4(route)) -
	       overhead;
}

/*
 * Sends a segment of an established flow to its peer by a way. For the usual kind of packet,
 * peer and way, which the caller knows, the compiler makes code without what others need.
 */
static __always_inline int dpr_xdp_send_by(const struct dpr_xdp_packet *p,
					   struct dpr_flow *flow,
					   const struct dpr_route *route,
					   const bool wide,
					   const bool outer_wide,
					   const bool direct)
{
	const unsigned int overhead = direct ? 0 : outer_wide ?
				      DPR_FWD_IP6_OVERHEAD :
				      DPR_FWD_IPIP_OVERHEAD;
	struct dpr_stats __percpu *stats = p->dn->stats;
	struct xdp_buff *xdp = p->xdp;
	void *inner = xdp->data + ETH_HLEN, *data = xdp->data - overhead;
	struct neighbour *neigh;
	struct net_device *out;

	if (unlikely(dst_xfrm(route->dst)) || unlikely(route->dst->lwtstate))
		return dpr_xdp_pass(p, DPR_STAT_FAST_PASS_WAY);
	if (direct && unlikely(!route->on_link || wide != outer_wide))
		return dpr_xdp_pass(p, DPR_STAT_FAST_PASS_WAY);
	out = route->dst->dev;
	/* What is to be passed by was said of this device, and of no other. */
	if ((likely(!p->forced) || unlikely(out != p->dev)) &&
	    unlikely(dpr_xdp_watched_out(out)))
		return dpr_xdp_pass(p, DPR_STAT_FAST_PASS_HOOKS);
	if (unlikely(!dpr_xdp_ready(out)) ||
	    (unlikely(out != p->dev) && !dpr_xdp_sends(out)))
		return dpr_xdp_pass(p, DPR_STAT_FAST_PASS_DEVICE);
	if (unlikely(!dpr_xdp_room(xdp, overhead)) ||
	    unlikely(p->len > dpr_xdp_mtu(route, outer_wide, overhead)))
		return dpr_xdp_pass(p, DPR_STAT_FAST_PASS_SIZE);
	/* One that has no hop left goes in a tunnel, by the netfilter path. */
	if (direct && unlikely((wide ? ((struct ipv6hdr *)inner)->hop_limit :
				       ((struct iphdr *)inner)->ttl) <= 1))
		return dpr_xdp_pass(p, DPR_STAT_FAST_PASS_SHAPE);
	neigh = dpr_xdp_neighbour(route, outer_wide);
	if (unlikely(!neigh))
		return dpr_xdp_pass(p, DPR_STAT_FAST_PASS_WAY);

	dpr_flow_note(flow, p->th, p->now);
	if (!direct)
		dpr_xdp_encapsulate(p, inner, route, wide, outer_wide,
				    dpr_flow_bulk_at(flow, ntohl(p->th->seq)) ?
				    dpr_fwd_bulk(flow->peer) : 0);
	else if (wide)
		((struct ipv6hdr *)inner)->hop_limit--;
	else
		dpr_fwd_direct_header(inner, flow->shard & DPR_FLOW_MARKED);
	dpr_xdp_link_header(data, neigh);
	/* Without what the driver has said of it, if it says anything. */
	xdp->data_meta = data;
	xdp->data = data;
	/* And without what made a short frame longer. */
	xdp->data_end = inner + p->len;

	if (direct)
		dpr_stats_add_to(stats, DPR_STAT_TX_DIRECT, 1);
	dpr_stats_add_to(stats, DPR_STAT_TX_PACKETS, 1);
	dpr_stats_add_to(stats, DPR_STAT_TX_BYTES, p->len);
	if (likely(out == p->dev)) {
		dpr_stats_add_to(stats, DPR_STAT_FAST_TX, 1);
		return XDP_TX;
	}
	dpr_stats_add_to(stats, DPR_STAT_FAST_REDIRECT, 1);
	return XDP_REDIRECT + out->ifindex;
}

/*
 * The same, of any kind: direct, or to a peer that is known by an IPv6 address. @len was
 * checked; the packet may say something else by now, if others can write its buffer.
 */
static noinline __flatten int dpr_xdp_send_any(struct xdp_buff *xdp,
					       struct dpr_net *dn, bool forced,
					       struct dpr_flow *flow,
					       const struct dpr_route *route,
					       u32 len)
{
	const bool wide = flow->shard & DPR_FLOW_WIDE;
	const void *inner = xdp->data + ETH_HLEN;
	const struct dpr_xdp_packet p = {
		.xdp = xdp,
		.dev = xdp->rxq->dev,
		.dn = dn,
		.forced = forced,
		.len = len,
		.th = inner + (wide ? sizeof(struct ipv6hdr) :
				      sizeof(struct iphdr)),
		.now = jiffies,
	};

	return dpr_xdp_send_by(&p, flow, route, wide, route->wide,
			       dpr_fwd_direct_flow(flow));
}

/* Sends a segment of an established flow to its peer. */
static __always_inline int dpr_xdp_send(const struct dpr_xdp_packet *p,
					const struct dpr_config *cfg,
					struct dpr_flow *flow, const bool wide)
{
	const struct dpr_route *route;

	route = dpr_fwd_route_of(p->dn, cfg, flow->peer, wide);
	if (unlikely(!route))
		return dpr_xdp_pass(p, DPR_STAT_FAST_PASS_WAY);
	if (unlikely(route->wide) || unlikely(flow->shard & DPR_FLOW_DIRECT))
		return dpr_xdp_send_any(p->xdp, p->dn, p->forced, flow, route,
					p->len);
	return dpr_xdp_send_by(p, flow, route, wide, false, false);
}

/* Is it a connection to a backend? Out of line: most hosts have none. */
static noinline bool dpr_xdp_spliced4(struct dpr_net *dn,
				      const struct iphdr *iph,
				      const struct tcphdr *th)
{
	const struct dpr_flow_key key = dpr_parse_key4(iph->saddr, th->source,
						       iph->daddr, th->dest);

	return dpr_splice_table_find(dn, &key);
}

/* Sends a segment if its flow is one about which there is nothing to decide. */
static __always_inline int dpr_xdp_steer(struct dpr_xdp_packet *p,
					 struct dpr_flow *flow, const bool wide)
{
	const struct dpr_config *cfg = rcu_dereference(p->dn->config);

	p->now = jiffies;
	if (unlikely(!flow) || unlikely(!dpr_flow_steady(flow, cfg, p->now)))
		return dpr_xdp_pass(p, DPR_STAT_FAST_PASS_FLOW);
	return dpr_xdp_send(p, cfg, flow, wide);
}

/* Decides about a segment of IPv4 that is whole and of the usual shape. */
static __always_inline int dpr_xdp_steer4(struct dpr_xdp_packet *p,
					  const struct iphdr *iph)
{
	if (dpr_splice_on() && dpr_xdp_spliced4(p->dn, iph, p->th))
		return dpr_xdp_pass(p, DPR_STAT_FAST_PASS_FLOW);
	return dpr_xdp_steer(p, dpr_flow_find4(p->dn, iph, p->th), false);
}

/* Likewise, of IPv6. */
static __always_inline int dpr_xdp_steer6(struct dpr_xdp_packet *p,
					  const struct ipv6hdr *ip6h)
{
	const struct dpr_flow_key key = dpr_parse_key6(&ip6h->saddr,
						       p->th->source,
						       &ip6h->daddr,
						       p->th->dest);

	if (dpr_splice_on() && dpr_splice_table_find(p->dn, &key))
		return dpr_xdp_pass(p, DPR_STAT_FAST_PASS_FLOW);
	return dpr_xdp_steer(p, dpr_flow_find(p->dn, &key), true);
}

/*
 * Finds whose the segment is. False: nobody's here, or it is not for this host. That the
 * stack says anew, so nothing is counted.
 */
static __always_inline bool dpr_xdp_ours(struct dpr_xdp_packet *p,
					 const struct tcphdr *th,
					 const bool wide, bool *first)
{
	const struct ethhdr *eth = p->xdp->data;
	struct net *net = dev_net(p->dev);

	p->dn = dpr_hook_first(net, wide);
	*first = p->dn;
	if (unlikely(!p->dn))
		p->dn = dpr_hook_find(net, wide);
	return likely(p->dn) &&
	       likely(dpr_service_ours(p->dn, ntohs(th->dest))) &&
	       likely(p->dev->type == ARPHRD_ETHER) &&
	       likely(!(p->dev->flags & IFF_LOOPBACK)) &&
	       /* As eth_type_trans() does: both have two bytes more. */
	       likely(ether_addr_equal_64bits(eth->h_dest,
					      p->dev->dev_addr));
}

/* Does somebody else get the packet first? Why it is passed then, else DPR_STAT_UNSPEC. */
static __always_inline enum dpr_stat
dpr_xdp_others(const struct dpr_xdp_packet *p, bool first)
{
	/* It may be for a container, or its device a bridge's port: nobody can force that. */
	if (unlikely(rcu_access_pointer(p->dev->rx_handler)))
		return DPR_STAT_FAST_PASS_DEVICE;
	if (likely(!p->forced) &&
	    (unlikely(!first) || unlikely(dpr_xdp_watched_in(p->dev))))
		return DPR_STAT_FAST_PASS_HOOKS;
	return DPR_STAT_UNSPEC;
}

/* What has to be done by a whole handshake, or by the end of a connection. */
static __always_inline bool dpr_xdp_flagged(const struct tcphdr *th)
{
	return tcp_flag_word(th) & (TCP_FLAG_SYN | TCP_FLAG_FIN | TCP_FLAG_RST);
}

/*
 * Has the sender left the checksum to a device? A guest's, or one at the other end of a veth,
 * may: then the sum of the pseudo-header is in its place (CHECKSUM_PARTIAL). No XDP buffer
 * says so, and no driver completes it after XDP; the netfilter path does. Of other segments
 * one in 65,536 looks like that, and is only passed.
 */
static __always_inline bool dpr_xdp_unsummed4(const struct iphdr *iph,
					      const struct tcphdr *th, u32 len)
{
	const __sum16 pseudo = ~tcp_v4_check(len - sizeof(*iph), iph->saddr,
					     iph->daddr, 0);

	return th->check == pseudo;
}

static __always_inline bool dpr_xdp_unsummed6(const struct ipv6hdr *ip6h,
					      const struct tcphdr *th, u32 len)
{
	const __sum16 pseudo = ~csum_ipv6_magic(&ip6h->saddr, &ip6h->daddr,
						len - sizeof(*ip6h),
						IPPROTO_TCP, 0);

	return th->check == pseudo;
}

/* A segment with options of IP, or a fragment: it is passed. Only whose it is remains. */
static noinline int dpr_xdp_odd4(struct xdp_buff *xdp, bool forced)
{
	const struct iphdr *iph = xdp->data + ETH_HLEN;
	const unsigned int hlen = dpr_parse_ip_hlen(iph);
	const struct tcphdr *th = (const void *)iph + hlen;
	struct dpr_xdp_packet p = {
		.xdp = xdp,
		.dev = xdp->rxq->dev,
		.forced = forced,
	};
	enum dpr_stat why;
	bool first;

	if (!hlen || iph->frag_off & htons(IP_OFFSET) ||
	    (const void *)(th + 1) > xdp->data_end ||
	    !dpr_xdp_ours(&p, th, false, &first))
		return XDP_PASS;
	why = dpr_xdp_others(&p, first);
	return dpr_xdp_pass(&p, why ? why : DPR_STAT_FAST_PASS_SHAPE);
}

/* A frame of IPv4, not too short for a segment. */
static __always_inline int dpr_xdp_frame4(struct dpr_xdp_packet *p)
{
	const struct iphdr *iph = p->xdp->data + ETH_HLEN;
	const struct tcphdr *th = (const void *)(iph + 1);
	const void *end = p->xdp->data_end;
	enum dpr_stat why;
	bool first;

	if (unlikely(iph->protocol != IPPROTO_TCP))
		return XDP_PASS;
	if (unlikely(*(const u8 *)iph != DPR_XDP_IP_PLAIN) ||
	    unlikely(iph->frag_off & ~htons(IP_DF)))
		return dpr_xdp_odd4(p->xdp, p->forced);
	if (unlikely(!dpr_xdp_ours(p, th, false, &first)))
		return XDP_PASS;
	why = dpr_xdp_others(p, first);
	if (unlikely(why))
		return dpr_xdp_pass(p, why);
	p->th = th;
	p->len = dpr_xdp_len4(iph);
	if (unlikely(p->len < sizeof(*iph) + sizeof(*th)) ||
	    unlikely(p->len > end - (const void *)iph) ||
	    unlikely(ip_fast_csum(iph, sizeof(*iph) / 4)) ||
	    unlikely(xdp_buff_has_frags(p->xdp)) ||
	    unlikely(dpr_xdp_flagged(th)) ||
	    unlikely(dpr_xdp_unsummed4(iph, th, p->len)))
		return dpr_xdp_pass(p, DPR_STAT_FAST_PASS_SHAPE);
	return dpr_xdp_steer4(p, iph);
}

/* Likewise, of IPv6: apart, so that each has the registers for itself. */
static noinline __flatten int dpr_xdp_frame6(struct xdp_buff *xdp, bool forced)
{
	const struct ipv6hdr *ip6h = xdp->data + ETH_HLEN;
	const struct tcphdr *th = (const void *)(ip6h + 1);
	const void *end = xdp->data_end;
	struct dpr_xdp_packet p = {
		.xdp = xdp,
		.dev = xdp->rxq->dev,
		.forced = forced,
		.th = th,
	};
	const struct inet6_dev *idev;
	enum dpr_stat why;
	bool first;

	if (unlikely((const void *)(th + 1) > end) ||
	    unlikely(ip6h->nexthdr != IPPROTO_TCP) ||
	    unlikely(!dpr_xdp_ours(&p, th, true, &first)))
		return XDP_PASS;
	why = dpr_xdp_others(&p, first);
	if (unlikely(why))
		return dpr_xdp_pass(&p, why);
	p.len = dpr_xdp_len6(ip6h);
	/* The stack drops all of IPv6 where that is off. */
	idev = __in6_dev_get(p.dev);
	if (unlikely(ip6h->version != 6 ||
		     p.len < sizeof(*ip6h) + sizeof(*th) ||
		     p.len > end - (const void *)ip6h ||
		     !idev || READ_ONCE(idev->cnf.disable_ipv6) ||
		     xdp_buff_has_frags(p.xdp) || dpr_xdp_flagged(th) ||
		     dpr_xdp_unsummed6(ip6h, th, p.len)))
		return dpr_xdp_pass(&p, DPR_STAT_FAST_PASS_SHAPE);
	return dpr_xdp_steer6(&p, ip6h);
}

static __always_inline int dpr_xdp_frame(struct xdp_buff *xdp, bool forced)
{
	const struct ethhdr *eth = xdp->data;
	struct dpr_xdp_packet p = {
		.xdp = xdp,
		.dev = xdp->rxq->dev,
		.forced = forced,
	};

	if (unlikely(xdp->data + DPR_XDP_SHORTEST > xdp->data_end))
		return XDP_PASS;
	if (likely(eth->h_proto == htons(ETH_P_IP)))
		return dpr_xdp_frame4(&p);
	if (eth->h_proto == htons(ETH_P_IPV6))
		return dpr_xdp_frame6(xdp, forced);
	return XDP_PASS;
}

/*
 * With bottom halves off nothing goes that RCU protects, as in the program that calls this:
 * grace periods wait for that, too, and on PREEMPT_RT it is a section of RCU. To say so
 * anew is for kernels that check that it was said.
 */
static __always_inline void dpr_xdp_lock(void)
{
	if (IS_ENABLED(CONFIG_PROVE_RCU))
		rcu_read_lock();
}

static __always_inline void dpr_xdp_unlock(void)
{
	if (IS_ENABLED(CONFIG_PROVE_RCU))
		rcu_read_unlock();
}

__bpf_kfunc_start_defs();

/**
 * dpr_xdp - send a packet to the peer that serves its connection, if nothing else is to do
 * @ctx: the packet, as a program of XDP has it; not changed unless it is to be sent
 * @flags: DPR_XDP_FORCED
 *
 * Called by a program of XDP, with bottom halves off, on which routes of this CPU rely. So is
 * a test run of the program (BPF_PROG_TEST_RUN), root's: its packet counts as if it had
 * come, and keeps its flow alive.
 *
 * Return: XDP_PASS, XDP_TX, or XDP_REDIRECT and the number of the device added to it.
 */
__bpf_kfunc __flatten int dpr_xdp(struct xdp_md *ctx, int flags)
{
	int action;

	dpr_xdp_lock();
	action = dpr_xdp_frame((struct xdp_buff *)ctx, flags & DPR_XDP_FORCED);
	dpr_xdp_unlock();
	return action;
}

__bpf_kfunc_end_defs();
#endif /* DPR_COMPAT_XDP */
