// SPDX-License-Identifier: GPL-2.0
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/netfilter.h>
#include <linux/percpu.h>
#include <linux/tcp.h>
#include <net/dst.h>
#include <net/icmp.h>
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/l3mdev.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/route.h>
#include "config.h"
#include "core/parse.h"
#include "dpr.h"
#include "flow.h"
#include "fwd.h"
#include "handover_table.h"
#include "inner.h"
#include "local.h"
#include "mss.h"
#include "netns.h"
#include "peer.h"
#include "service.h"
#include "socket.h"
#include "splice_table.h"
#include "stats.h"
#include "through.h"

/**
 * struct dpr_through_seen - whose an address is that is no peer's own
 * @address: the address
 * @peer: the peer's own
 * @at: jiffies when it was found
 */
struct dpr_through_seen {
	struct dpr_addr address;
	struct dpr_addr peer;
	u32 at;
};

#define DPR_THROUGH_SEEN	16	/* a power of two */

static DEFINE_PER_CPU(struct dpr_through_seen, dpr_through_seen[DPR_THROUGH_SEEN]);

/*
 * Does what was found still hold? What a peer said that has left the load table does not
 * change any more, though another host may have its address by now: it holds for a second.
 */
static bool dpr_through_holds(const struct dpr_through_seen *seen,
			      const struct dpr_peer *peer)
{
	return dpr_peer_has(peer, &seen->address) &&
	       (likely(READ_ONCE(peer->listed)) || (u32)jiffies - seen->at < HZ);
}

/*
 * The peer that has an address. Answers ask that for each packet, and to look at all peers
 * costs too much: so a CPU keeps what it has found, and asks only that peer whether it
 * still holds, in whichever namespace.
 */
static struct dpr_peer *dpr_through_by_address(struct dpr_net *dn,
					       const struct dpr_addr *address)
{
	const u32 slot = ntohl(address->word[3]) % DPR_THROUGH_SEEN;
	struct dpr_through_seen *seen = this_cpu_ptr(&dpr_through_seen[slot]);
	struct dpr_peer *peer = dpr_peer_find(dn, address);

	if (likely(peer))
		return peer;
	if (likely(dpr_addr_equal(&seen->address, address))) {
		peer = dpr_peer_find(dn, &seen->peer);
		if (peer && dpr_through_holds(seen, peer))
			return peer;
	}
	peer = dpr_peer_by_any(dn, address);
	if (peer)
		*seen = (struct dpr_through_seen){
			.address = *address, .peer = peer->address,
			.at = jiffies,
		};
	return peer;
}

/*
 * The first host that answers from an address go to; NULL if they go straight to the
 * client: this host has the address, too, or nobody else has, or the first host would drop
 * them. Called under RCU with bottom halves off.
 */
static struct dpr_peer *dpr_through_first(struct dpr_net *dn,
					  const struct dpr_config *cfg,
					  const struct net_device *dev,
					  const struct dpr_addr *address)
{
	struct dpr_peer *peer;

	if (dpr_addr_equal(address, &cfg->address) ||
	    dpr_local_has(dn->net, dev, address))
		return NULL;
	peer = dpr_through_by_address(dn, address);
	if (!peer || READ_ONCE(peer->protocol) < DPR_PEER_THROUGH)
		return NULL;
	return peer;
}

/*
 * An answer does not fit the tunnel: the route to the client gets the MTU that does. The
 * socket sees that when it sends again. An ICMP error would go to the first host, whose
 * address the answer bears.
 */
static void dpr_through_too_big(struct dpr_net *dn, struct sk_buff *skb,
				unsigned int mtu)
{
	struct dst_entry *dst = skb_dst(skb);

	if (dpr_local_wide(skb))
		mtu = max_t(unsigned int, mtu, IPV6_MIN_MTU);
	/* It has none yet, and the route is looked for by it. */
	skb->dev = dst->dev;
	skb_dst_update_pmtu_no_confirm(skb, mtu);
	dpr_stats_inc(dn, DPR_STAT_TX_ANSWER_TOO_BIG);
	kfree_skb(skb);
}

/* Sends a packet with a service's port as source to the first host, if it is an answer. */
static unsigned int dpr_through_send(struct dpr_net *dn, struct sk_buff *skb,
				     const struct dpr_addr *address)
{
	const struct dpr_config *cfg = rcu_dereference(dn->config);
	const struct net_device *dev = skb_dst(skb)->dev;
	const struct dpr_route *route;
	struct dpr_peer *first;
	unsigned int mtu;

	if (dev->flags & IFF_LOOPBACK)
		return NF_ACCEPT;
	first = dpr_through_first(dn, cfg, dev, address);
	if (!first)
		return NF_ACCEPT;
	route = dpr_fwd_route(dn, cfg, first, skb);
	if (!route)
		return NF_ACCEPT;
	mtu = dpr_fwd_excess(skb, route);
	if (unlikely(mtu)) {
		dpr_through_too_big(dn, skb, mtu);
		return NF_STOLEN;
	}
	/* It has none yet, and IPsec asks the device what to do with a super-packet. */
	skb->dev = route->dst->dev;
	/* Connection tracking has seen the answer; the outer packet is another one. */
	nf_reset_ct(skb);
	dpr_stats_inc(dn, DPR_STAT_TX_ANSWERS);
	dpr_fwd_send(dn, cfg, skb, first);
	return NF_STOLEN;
}

/* With bottom halves off, as the way out needs it: a socket may send in process context. */
static unsigned int dpr_through_output(struct dpr_net *dn, struct sk_buff *skb,
				       const struct dpr_addr *address)
{
	unsigned int verdict;

	local_bh_disable();
	verdict = dpr_through_send(dn, skb, address);
	local_bh_enable();
	return verdict;
}

/**
 * dpr_through_hook - netfilter LOCAL_OUT: send answers to the first host
 * @priv: the namespace's struct dpr_net
 * @skb: a packet from the local stack
 * @state: the hook's state
 *
 * What a socket sends, or the stack in its name: SYN-ACKs, RSTs, and what it sends in
 * TIME_WAIT.
 */
unsigned int dpr_through_hook(void *priv, struct sk_buff *skb,
			      const struct nf_hook_state *state)
{
	const struct iphdr *iph = ip_hdr(skb);
	const struct tcphdr *th = (const void *)iph + iph->ihl * 4;
	struct dpr_addr address;

	if (iph->protocol != IPPROTO_TCP || ip_is_fragment(iph) ||
	    skb_headlen(skb) < iph->ihl * 4 + sizeof(*th) ||
	    !dpr_service_ours(priv, ntohs(th->source)))
		return NF_ACCEPT;
	address = dpr_addr_of4(iph->saddr);
	return dpr_through_output(priv, skb, &address);
}

/** dpr_through_hook6 - the same for IPv6, without extension headers before TCP's */
unsigned int dpr_through_hook6(void *priv, struct sk_buff *skb,
			       const struct nf_hook_state *state)
{
	const struct ipv6hdr *ip6h = ipv6_hdr(skb);
	const struct tcphdr *th = (const void *)(ip6h + 1);
	struct dpr_addr address;

	if (ip6h->nexthdr != IPPROTO_TCP ||
	    skb_headlen(skb) < sizeof(*ip6h) + sizeof(*th) ||
	    !dpr_service_ours(priv, ntohs(th->source)))
		return NF_ACCEPT;
	address = dpr_addr_of6(&ip6h->saddr);
	return dpr_through_output(priv, skb, &address);
}

/**
 * dpr_through_mss - the largest segments that fit the tunnel by which answers go
 * @dn: the namespace
 * @cfg: the configuration
 * @skb: a client's packet that was redirected
 * @in: what is known of it: its addresses are plausible
 *
 * Called under RCU in softirq.
 *
 * Return: bytes; 0 if answers do not go by a tunnel.
 */
unsigned int dpr_through_mss(struct dpr_net *dn, const struct dpr_config *cfg,
			     const struct sk_buff *skb, const struct dpr_inner *in)
{
	const unsigned int headers = sizeof(struct tcphdr) +
				     (in->wide ? sizeof(struct ipv6hdr) :
						 sizeof(struct iphdr));
	const struct dpr_route *route;
	struct dpr_peer *first;
	unsigned int mtu;

	first = dpr_through_first(dn, cfg, skb->dev, &in->seg.key.address);
	if (!first)
		return 0;
	route = dpr_fwd_route_of(dn, cfg, first, in->wide);
	if (!route)
		return 0;
	mtu = dpr_fwd_mtu(route);
	return mtu > headers ? mtu - headers : 0;
}

/**
 * dpr_through_syn - lower a redirected SYN's MSS, so that answers fit the tunnel
 * @dn: the namespace
 * @cfg: the configuration
 * @skb: the packet; pointers into it are stale afterwards
 * @in: what is known of it: its addresses are plausible
 *
 * Called under RCU in softirq.
 */
void dpr_through_syn(struct dpr_net *dn, const struct dpr_config *cfg,
		     struct sk_buff *skb, const struct dpr_inner *in)
{
	const unsigned int most = dpr_through_mss(dn, cfg, skb, in);

	if (most)
		dpr_mss_limit(dn, skb, in->offset, most);
}

/* The connection whose answer a segment is, as the client's segments have it. */
static struct dpr_flow_key dpr_through_key(const struct dpr_flow_key *answer)
{
	return (struct dpr_flow_key){
		.client = answer->address,
		.client_port = answer->port,
		.address = answer->client,
		.port = answer->client_port,
		.wide = answer->wide,
	};
}

/**
 * dpr_through_peer - the peer that an answer of this host goes to
 * @dn: the namespace
 * @cfg: the configuration
 * @skb: a packet that came in and quotes the answer
 * @key: which quote: an answer's source is @key->client
 *
 * Called under RCU in softirq.
 *
 * Return: the peer; NULL if this host sends no such answers.
 */
const struct dpr_peer *dpr_through_peer(struct dpr_net *dn,
					const struct dpr_config *cfg,
					const struct sk_buff *skb,
					const struct dpr_flow_key *key)
{
	const struct dpr_flow_key connection = dpr_through_key(key);

	if (cfg->answers != DPR_ANSWERS_THROUGH ||
	    !dpr_service_ours(dn, ntohs(connection.port)) ||
	    dpr_socket_state(dn, skb, &connection) == DPR_SOCKET_NONE)
		return NULL;
	return dpr_through_first(dn, cfg, skb->dev, &connection.address);
}

/* Does this host see to a connection itself that has neither a flow nor a socket? */
static bool dpr_through_held(struct dpr_net *dn, const struct dpr_flow_key *key,
			     const struct dpr_addr *host)
{
	return (dpr_splice_on() && dpr_splice_table_find(dn, key)) ||
	       (dpr_handover_on() && dpr_handover_table_bars(dn, key, host));
}

/*
 * Why a peer's answer is not sent on, DPR_STAT_UNSPEC if it is. Without a flow here the peer
 * may have the connection all the same: the policy keeps none, the table was lost, or the
 * address came here while the connection lives. But with what this host or another peer serves,
 * a backend has, or waits for its host, no peer can meddle.
 */
static enum dpr_stat dpr_through_refuses(struct dpr_net *dn,
					 const struct dpr_config *cfg,
					 const struct sk_buff *skb,
					 const struct dpr_inner *in)
{
	const struct dpr_flow_key key = dpr_through_key(&in->seg.key);
	const struct dpr_flow *flow;

	if (!dpr_service_ours(dn, ntohs(key.port)))
		return DPR_STAT_RX_BAD_ADDRESS;
	if (key.wide && !dpr_local_unicast6(dpr_local_in6(&key.client)))
		return DPR_STAT_RX_BAD_ADDRESS;
	flow = dpr_flow_find(dn, &key);
	if (flow && !dpr_flow_over(flow, cfg))
		return dpr_addr_equal(&flow->peer->address, &in->first) ?
		       DPR_STAT_UNSPEC : DPR_STAT_RX_ANSWER_REFUSED;
	return dpr_socket_state(dn, skb, &key) == DPR_SOCKET_OPEN ||
	       dpr_through_held(dn, &key, &in->first) ?
	       DPR_STAT_RX_ANSWER_REFUSED : DPR_STAT_UNSPEC;
}

/* The VRF that the peer's packet came by, 0 if there is none: the client is there, too. */
static int dpr_through_vrf(const struct sk_buff *skb)
{
	return netif_is_l3_slave(skb->dev) ?
	       l3mdev_master_ifindex_rcu(skb->dev) : 0;
}

static struct dst_entry *dpr_through_route4(struct dpr_net *dn,
					    const struct sk_buff *skb,
					    const struct dpr_flow_key *answer)
{
	struct flowi4 fl4 = {
		.flowi4_oif = dpr_through_vrf(skb),
		.flowi4_mark = skb->mark,
		.flowi4_proto = IPPROTO_TCP,
		.saddr = answer->client.word[3],
		.daddr = answer->address.word[3],
		.fl4_sport = answer->client_port,
		.fl4_dport = answer->port,
	};
	struct rtable *rt = ip_route_output_flow(dn->net, &fl4, NULL);

	if (IS_ERR(rt))
		return NULL;
	if (rt->rt_type == RTN_UNICAST)
		return &rt->dst;
	ip_rt_put(rt);
	return NULL;
}

static struct dst_entry *dpr_through_route6(struct dpr_net *dn,
					    const struct sk_buff *skb,
					    const struct dpr_flow_key *answer)
{
	struct flowi6 fl6 = {
		.flowi6_oif = dpr_through_vrf(skb),
		.flowi6_mark = skb->mark,
		.flowi6_proto = IPPROTO_TCP,
		.saddr = *dpr_local_in6(&answer->client),
		.daddr = *dpr_local_in6(&answer->address),
		.fl6_sport = answer->client_port,
		.fl6_dport = answer->port,
	};
	struct dst_entry *dst = ip6_dst_lookup_flow(dn->net, NULL, &fl6, NULL);

	if (IS_ERR(dst))
		return NULL;
	if (!(((struct rt6_info *)dst)->rt6i_flags & (RTF_LOCAL | RTF_ANYCAST)))
		return dst;
	dst_release(dst);
	return NULL;
}

/* Gives the answer the route of a packet of this host to the client. */
static bool dpr_through_route(struct dpr_net *dn, struct sk_buff *skb,
			      const struct dpr_flow_key *answer)
{
	struct dst_entry *dst = answer->wide ?
				dpr_through_route6(dn, skb, answer) :
				dpr_through_route4(dn, skb, answer);

	if (!dst)
		return false;
	skb_dst_drop(skb);
	skb_dst_set(skb, dst);
	if (!(dst->dev->flags & IFF_LOOPBACK))
		return true;
	skb_dst_drop(skb);
	return false;
}

/* One hop less to live, so that what hosts hand round in a circle ends. */
static enum dpr_stat dpr_through_hop(struct sk_buff *skb)
{
	const bool wide = dpr_local_wide(skb);

	if (wide ? ipv6_hdr(skb)->hop_limit <= 1 : ip_hdr(skb)->ttl <= 1)
		return DPR_STAT_RX_ANSWER_HOPS;
	if (skb_ensure_writable(skb, wide ? sizeof(struct ipv6hdr) :
					    sizeof(struct iphdr)))
		return DPR_STAT_RX_NO_MEMORY;
	if (wide)
		ipv6_hdr(skb)->hop_limit--;
	else
		ip_decrease_ttl(ip_hdr(skb));
	return DPR_STAT_UNSPEC;
}

/*
 * Does the answer not fit the way to the client? Then the server is told by an ICMP error:
 * it goes to this host, whose address the answer bears, and from there to the peer, as
 * those of routers do (icmp.c).
 */
static bool dpr_through_large(struct sk_buff *skb)
{
	const bool wide = dpr_local_wide(skb);
	const unsigned int mtu = dst_mtu(skb_dst(skb));

	if (skb_is_gso(skb) ? skb_gso_validate_network_len(skb, mtu) :
			      skb->len <= mtu)
		return false;
	if (!wide && !(ip_hdr(skb)->frag_off & htons(IP_DF)))
		return false;
	if (wide)
		icmpv6_send(skb, ICMPV6_PKT_TOOBIG, 0, mtu);
	else
		icmp_send(skb, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, htonl(mtu));
	return true;
}

/* Makes a packet without outer header one that can go out; says why it cannot. */
static enum dpr_stat dpr_through_prepare(struct dpr_net *dn, struct sk_buff *skb,
					 const struct dpr_flow_key *answer)
{
	enum dpr_stat why;
	struct dst_entry *dst;

	if (!dpr_through_route(dn, skb, answer))
		return DPR_STAT_RX_ANSWER_NO_ROUTE;
	dst = skb_dst(skb);
	skb->dev = dst->dev;
	if (answer->wide)
		memset(IP6CB(skb), 0, sizeof(*IP6CB(skb)));
	else
		memset(IPCB(skb), 0, sizeof(*IPCB(skb)));
	why = dpr_through_hop(skb);
	if (why)
		return why;
	if (dpr_through_large(skb))
		return DPR_STAT_RX_ANSWER_TOO_BIG;
	if (skb_cow(skb, LL_RESERVED_SPACE(dst->dev) + dst->header_len))
		return DPR_STAT_RX_NO_MEMORY;
	skb->ignore_df = 0;
	skb_orphan(skb);
	skb_forward_csum(skb);
	skb_clear_tstamp(skb);
	/* Connection tracking has not seen the client's packets, and would object. */
	skb_set_nfct(skb, IP_CT_UNTRACKED);
	return DPR_STAT_UNSPEC;
}

/**
 * dpr_through_receive - send a peer's answer on to the client
 * @dn: the namespace
 * @cfg: the configuration
 * @skb: the packet, with its outer header, which is for this host, or without if it came
 *	in fragments
 * @in: what is known of it: a segment, no SYN, from an address of this host
 *
 * Called under RCU in softirq.
 *
 * Return: the netfilter verdict.
 */
unsigned int dpr_through_receive(struct dpr_net *dn, const struct dpr_config *cfg,
				 struct sk_buff *skb, struct dpr_inner *in)
{
	enum dpr_stat why = dpr_through_refuses(dn, cfg, skb, in);
	unsigned int len;
	int err;

	if (why)
		return dpr_inner_refuse(dn, skb, in, why);
	why = dpr_inner_unwrap(skb, in) ?
	      dpr_through_prepare(dn, skb, &in->seg.key) : DPR_STAT_RX_NO_MEMORY;
	if (why) {
		dpr_stats_inc(dn, why);
		return NF_DROP;
	}
	len = skb->len;
	err = in->wide ? ip6_local_out(dn->net, NULL, skb) :
			 ip_local_out(dn->net, NULL, skb);
	if (unlikely(net_xmit_eval(err))) {
		dpr_stats_inc(dn, DPR_STAT_TX_ERROR);
		return NF_STOLEN;
	}
	dpr_stats_inc(dn, DPR_STAT_RX_ANSWERS);
	dpr_stats_inc(dn, DPR_STAT_RX_PACKETS);
	dpr_stats_add(dn, DPR_STAT_RX_BYTES, len);
	return NF_STOLEN;
}
