// SPDX-License-Identifier: GPL-2.0
#include <linux/icmp.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <net/icmp.h>
#include <net/ip.h>
#include <net/route.h>
#include "core/parse.h"
#include "dpr.h"
#include "fwd.h"
#include "icmp.h"
#include "netns.h"
#include "peer.h"
#include "stats.h"
#include "steer.h"

/**
 * dpr_icmp_about - which connection is an ICMP error about
 * @skb: the packet
 * @offset: of the ICMP message's IP header from skb->data; that header has
 *	been checked
 * @protocol: protocol that the quoted packet must have
 * @key: set to the connection, see dpr_parse_icmp()
 *
 * Changes nothing; trusts no length.
 *
 * Return: false if it is no such error, or its quote is too short.
 */
bool dpr_icmp_about(const struct sk_buff *skb, unsigned int offset, u8 protocol,
		    struct dpr_flow_key *key)
{
	u8 buf[DPR_PARSE_ICMP_MAX] __aligned(4);
	unsigned int len = min_t(unsigned int, skb->len - offset, sizeof(buf));
	const void *packet = skb_header_pointer(skb, offset, len, buf);

	return packet && dpr_parse_icmp(packet, len, protocol, key);
}

/*
 * The smallest path MTU between hosts that is accepted: all connections share the
 * route, and an ICMP message is easily forged.
 */
#define DPR_ICMP_MIN_MTU	1280

/*
 * Does an error about an outer packet quote a packet of a connection that goes to
 * that peer? An attacker who cannot see such packets has to guess a connection.
 * Routers quote enough of a packet for this test (RFC 1812, section 4.3.2.3).
 */
static bool dpr_icmp_plausible(struct dpr_net *dn, const struct dpr_config *cfg,
			       struct sk_buff *skb, __be32 to,
			       unsigned int offset)
{
	struct {
		struct iphdr ip;
		__be16 ports[2];
	} _inner, *inner;
	const struct dpr_peer *peer;
	struct dpr_flow_key key;

	inner = skb_header_pointer(skb, offset, sizeof(_inner), &_inner);
	/* Clients' packets rarely have options; such errors are ignored. */
	if (!inner || inner->ip.ihl != 5 || inner->ip.protocol != IPPROTO_TCP)
		return false;
	key = (struct dpr_flow_key){
		.client = inner->ip.saddr,
		.address = inner->ip.daddr,
		.client_port = inner->ports[0],
		.port = inner->ports[1],
	};
	peer = dpr_steer_peer(dn, cfg, skb, &key);
	return peer && peer->address == to;
}

/* The path to a peer has got a smaller MTU: updates the route. */
static void dpr_icmp_pmtu(struct dpr_net *dn, const struct dpr_config *cfg,
			  struct sk_buff *skb, __be32 to)
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
	if (ntohs(outer->tot_len) <= mtu ||
	    !dpr_icmp_plausible(dn, cfg, skb, to, quoted + outer->ihl * 4))
		return;
	/* The stack reads the quoted header at skb->data. */
	__skb_pull(skb, quoted);
	ipv4_update_pmtu(skb, dn->net, mtu, 0, IPPROTO_IPIP);
	__skb_push(skb, quoted);
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
	struct dpr_peer *peer;

	if (dpr_icmp_about(skb, 0, IPPROTO_IPIP, &key)) {
		dpr_icmp_pmtu(dn, cfg, skb, key.client);
		return NF_ACCEPT;
	}
	if (!dpr_icmp_about(skb, 0, IPPROTO_TCP, &key))
		return NF_ACCEPT;
	peer = dpr_steer_peer(dn, cfg, skb, &key);
	if (!peer)
		return NF_ACCEPT;
	dpr_stats_inc(dn, DPR_STAT_TX_ICMP);
	dpr_fwd_send(dn, cfg, skb, peer);
	return NF_STOLEN;
}
