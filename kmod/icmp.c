// SPDX-License-Identifier: GPL-2.0
#include <linux/icmp.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <net/icmp.h>
#include <net/ip.h>
#include <net/route.h>
#include "hook.h"
#include "icmp.h"
#include "parse.h"
#include "peer.h"
#include "stats.h"
#include "tunnel.h"

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

/* The way to a peer has become narrower: the route to it must know. */
static void dpr_icmp_pmtu(struct dpr_net *dn, struct sk_buff *skb)
{
	unsigned int offset = ip_hdrlen(skb);
	struct icmphdr _icmph, *icmph;

	icmph = skb_header_pointer(skb, offset, sizeof(_icmph), &_icmph);
	if (!icmph || icmph->type != ICMP_DEST_UNREACH ||
	    icmph->code != ICMP_FRAG_NEEDED)
		return;
	if (nf_ip_checksum(skb, NF_INET_PRE_ROUTING, offset, IPPROTO_ICMP) ||
	    !pskb_may_pull(skb, offset + sizeof(*icmph) +
				sizeof(struct iphdr)))
		return;
	icmph = (struct icmphdr *)(skb->data + offset);
	/* The stack reads the quoted header at skb->data. */
	__skb_pull(skb, offset + sizeof(*icmph));
	ipv4_update_pmtu(skb, dn->net, ntohs(icmph->un.frag.mtu), 0,
			 IPPROTO_IPIP);
	__skb_push(skb, offset + sizeof(*icmph));
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
		if (key.address == cfg->address && dpr_peer_find(dn, key.client))
			dpr_icmp_pmtu(dn, skb);
		return NF_ACCEPT;
	}
	if (!dpr_icmp_about(skb, 0, IPPROTO_TCP, &key))
		return NF_ACCEPT;
	peer = dpr_hook_peer(dn, cfg, skb, &key);
	if (!peer)
		return NF_ACCEPT;
	dpr_stats_inc(dn, DPR_STAT_TX_ICMP);
	dpr_tunnel_send(dn, cfg, skb, peer);
	return NF_STOLEN;
}
