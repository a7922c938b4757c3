// SPDX-License-Identifier: GPL-2.0
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <net/icmp.h>
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/route.h>
#include "core/parse.h"
#include "dpr.h"
#include "fwd.h"
#include "icmp.h"
#include "icmp_about.h"
#include "netns.h"
#include "peer.h"
#include "route.h"
#include "splice_icmp.h"
#include "splice_table.h"
#include "stats.h"
#include "steer.h"
#include "through.h"

/*
 * The smallest path MTU between hosts that is accepted: all connections share the
 * route, and an ICMP message is easily forged.
 */
#define DPR_ICMP_MIN_MTU	1280

/* Which connection is the inner packet of that an error quotes? */
static bool dpr_icmp_inner(const struct sk_buff *skb, unsigned int offset,
			   struct dpr_flow_key *key)
{
	struct {
		struct iphdr ip;
		__be16 ports[2];
	} _inner, *inner;

	inner = skb_header_pointer(skb, offset, sizeof(_inner), &_inner);
	/* Clients' packets rarely have options; such errors are ignored. */
	if (!inner || inner->ip.ihl != 5 || inner->ip.protocol != IPPROTO_TCP)
		return false;
	*key = dpr_parse_key4(inner->ip.saddr, inner->ports[0], inner->ip.daddr,
			      inner->ports[1]);
	return true;
}

/* The same of a packet of IPv6. */
static bool dpr_icmp_inner6(const struct sk_buff *skb, unsigned int offset,
			    struct dpr_flow_key *key)
{
	struct {
		struct ipv6hdr ip;
		__be16 ports[2];
	} _inner, *inner;

	inner = skb_header_pointer(skb, offset, sizeof(_inner), &_inner);
	if (!inner || inner->ip.nexthdr != IPPROTO_TCP)
		return false;
	*key = dpr_parse_key6(&inner->ip.saddr, inner->ports[0],
			      &inner->ip.daddr, inner->ports[1]);
	return true;
}

/*
 * Does an error about an outer packet quote one that this host can have sent, of a
 * connection that goes to that peer, or whose answers go there? An attacker who cannot see
 * such packets has to guess a connection. Routers quote enough of a packet for this test
 * (RFC 1812, section 4.3.2.3). @tunnel is from the outer header, whose @protocol the inner
 * packet has; @offset is the inner packet's.
 */
static bool dpr_icmp_plausible(struct dpr_net *dn, const struct dpr_config *cfg,
			       struct sk_buff *skb,
			       const struct dpr_flow_key *tunnel, u8 protocol,
			       unsigned int offset)
{
	const struct dpr_peer *peer;
	struct dpr_flow_key key;

	if (!dpr_addr_equal(&tunnel->address, &cfg->address))
		return false;
	if (protocol == IPPROTO_IPV6 ? !dpr_icmp_inner6(skb, offset, &key) :
				       !dpr_icmp_inner(skb, offset, &key))
		return false;
	peer = dpr_steer_peer(dn, cfg, skb, &key);
	if (!peer)
		peer = dpr_through_peer(dn, cfg, skb, &key);
	return peer && dpr_addr_equal(&peer->address, &tunnel->client);
}

/* The path to a peer has got a smaller MTU: updates the route. */
static void dpr_icmp_pmtu(struct dpr_net *dn, const struct dpr_config *cfg,
			  struct sk_buff *skb,
			  const struct dpr_flow_key *tunnel, u8 protocol)
{
	unsigned int offset = ip_hdrlen(skb), quoted;
	const struct iphdr *outer;
	struct icmphdr *icmph;
	u32 mtu;

	if (nf_ip_checksum(skb, NF_INET_PRE_ROUTING, offset, IPPROTO_ICMP) ||
	    !pskb_may_pull(skb, offset + sizeof(*icmph) +
				sizeof(struct iphdr)))
		return;
	icmph = (struct icmphdr *)(skb->data + offset);
	if (icmph->type != ICMP_DEST_UNREACH ||
	    icmph->code != ICMP_FRAG_NEEDED)
		return;
	mtu = max_t(u32, ntohs(icmph->un.frag.mtu), DPR_ICMP_MIN_MTU);
	quoted = offset + sizeof(*icmph);
	outer = (struct iphdr *)(skb->data + quoted);
	if (ntohs(outer->tot_len) <= mtu)
		return;
	if (!dpr_icmp_plausible(dn, cfg, skb, tunnel, protocol,
				quoted + outer->ihl * 4))
		return;
	/* The stack reads the quoted header at skb->data. */
	__skb_pull(skb, quoted);
	ipv4_update_pmtu(skb, dn->net, mtu, dpr_route_vrf(dn, &cfg->address),
			 protocol);
	__skb_push(skb, quoted);
}

/* Sends an error to the host that serves the connection, if that is not this one. */
static unsigned int dpr_icmp_forward(struct dpr_net *dn,
				     const struct dpr_config *cfg,
				     struct sk_buff *skb,
				     const struct dpr_flow_key *key)
{
	struct dpr_peer *peer;
	unsigned int verdict;

	if (dpr_splice_on() && dpr_splice_icmp(dn, skb, key, &verdict))
		return verdict;
	peer = dpr_steer_peer(dn, cfg, skb, key);
	if (!peer)
		return NF_ACCEPT;
	dpr_stats_inc(dn, DPR_STAT_TX_ICMP);
	dpr_fwd_send(dn, cfg, skb, peer);
	return NF_STOLEN;
}

/**
 * dpr_icmp - handle an ICMP message that came in
 * @dn: the namespace
 * @cfg: the configuration
 * @skb: the message, as it came to PRE_ROUTING
 *
 * An error about a redirected connection reaches this host, whose address the
 * replies bear; the host that serves the connection needs it. Called under
 * RCU in softirq.
 *
 * Return: the netfilter verdict.
 */
unsigned int dpr_icmp(struct dpr_net *dn, const struct dpr_config *cfg,
		      struct sk_buff *skb)
{
	struct dpr_flow_key key;

	if (dpr_icmp_about(skb, 0, IPPROTO_IPIP, &key)) {
		dpr_icmp_pmtu(dn, cfg, skb, &key, IPPROTO_IPIP);
		return NF_ACCEPT;
	}
	if (dpr_icmp_about(skb, 0, IPPROTO_IPV6, &key)) {
		dpr_icmp_pmtu(dn, cfg, skb, &key, IPPROTO_IPV6);
		return NF_ACCEPT;
	}
	if (!dpr_icmp_about(skb, 0, IPPROTO_TCP, &key))
		return NF_ACCEPT;
	return dpr_icmp_forward(dn, cfg, skb, &key);
}

/* The path to a peer has got a smaller MTU: updates the route. */
static void dpr_icmp_pmtu6(struct dpr_net *dn, const struct dpr_config *cfg,
			   struct sk_buff *skb,
			   const struct dpr_flow_key *tunnel, u8 protocol)
{
	const unsigned int offset = sizeof(struct ipv6hdr);
	const unsigned int quoted = offset + sizeof(struct icmp6hdr);
	const unsigned int inner = quoted + sizeof(struct ipv6hdr);
	const struct icmp6hdr *icmph;
	const struct ipv6hdr *outer;
	u32 mtu;

	if (nf_ip6_checksum(skb, NF_INET_PRE_ROUTING, offset, IPPROTO_ICMPV6) ||
	    !pskb_may_pull(skb, inner))
		return;
	icmph = (void *)skb->data + offset;
	if (icmph->icmp6_type != ICMPV6_PKT_TOOBIG)
		return;
	mtu = max_t(u32, ntohl(icmph->icmp6_mtu), DPR_ICMP_MIN_MTU);
	outer = (void *)skb->data + quoted;
	if (ntohs(outer->payload_len) + sizeof(*outer) <= mtu)
		return;
	if (!dpr_icmp_plausible(dn, cfg, skb, tunnel, protocol, inner))
		return;
	/* The stack reads the quoted header at skb->data. */
	__skb_pull(skb, quoted);
	ip6_update_pmtu(skb, dn->net, htonl(mtu),
			dpr_route_vrf(dn, &cfg->address), skb->mark,
			sock_net_uid(dn->net, NULL));
	__skb_push(skb, quoted);
}

/**
 * dpr_icmp6 - handle an ICMPv6 message that came in
 * @dn: the namespace
 * @cfg: the configuration
 * @skb: the message, as it came to PRE_ROUTING, without extension headers
 *
 * As dpr_icmp(). What is no error, such as the discovery of neighbours, passes. Called
 * under RCU in softirq.
 *
 * Return: the netfilter verdict.
 */
unsigned int dpr_icmp6(struct dpr_net *dn, const struct dpr_config *cfg,
		       struct sk_buff *skb)
{
	const unsigned int offset = sizeof(struct ipv6hdr);
	static const u8 tunnels[] = { IPPROTO_IPV6, IPPROTO_IPIP };
	u8 _type;
	const u8 *type = skb_header_pointer(skb, offset, sizeof(_type), &_type);
	struct dpr_flow_key key;
	u32 i;

	if (!type || *type > ICMPV6_PARAMPROB)
		return NF_ACCEPT;
	for (i = 0; i < ARRAY_SIZE(tunnels); i++) {
		if (!dpr_icmp_about6(skb, offset, tunnels[i], &key))
			continue;
		dpr_icmp_pmtu6(dn, cfg, skb, &key, tunnels[i]);
		return NF_ACCEPT;
	}
	if (!dpr_icmp_about6(skb, offset, IPPROTO_TCP, &key))
		return NF_ACCEPT;
	return dpr_icmp_forward(dn, cfg, skb, &key);
}
