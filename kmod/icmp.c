// SPDX-License-Identifier: GPL-2.0
#include <linux/icmp.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <net/icmp.h>
#include <net/ip.h>
#include <net/route.h>
#include "hook.h"
#include "icmp.h"
#include "peer.h"
#include "stats.h"
#include "tunnel.h"

/* What an ICMP error must quote of the packet that it is about (RFC 792). */
#define DPR_ICMP_QUOTED	8

/**
 * dpr_icmp_about - which connection is an ICMP error about
 * @skb: the packet
 * @offset: of the ICMP message's IP header from skb->data; that header has
 *	been checked
 * @protocol: protocol that the quoted packet must have
 * @key: set to the connection: the quoted packet went from @key->address to
 *	@key->client. For a protocol without ports those are 0
 *
 * Changes nothing; trusts no length.
 *
 * ICMP redirects are no errors: they concern this host alone.
 *
 * Return: false if it is no such error, or its quote is too short.
 */
bool dpr_icmp_about(struct sk_buff *skb, unsigned int offset, u8 protocol,
		    struct dpr_flow_key *key)
{
	struct iphdr _iph, *iph;
	struct icmphdr _icmph, *icmph;
	__be16 _ports[2], *ports;

	iph = skb_header_pointer(skb, offset, sizeof(_iph), &_iph);
	if (!iph || ip_is_fragment(iph))
		return false;
	offset += iph->ihl * 4;
	icmph = skb_header_pointer(skb, offset, sizeof(_icmph), &_icmph);
	if (!icmph || (icmph->type != ICMP_DEST_UNREACH &&
		       icmph->type != ICMP_TIME_EXCEEDED &&
		       icmph->type != ICMP_PARAMETERPROB))
		return false;
	offset += sizeof(_icmph);
	iph = skb_header_pointer(skb, offset, sizeof(_iph), &_iph);
	if (!iph || iph->version != 4 || iph->ihl < 5 ||
	    iph->protocol != protocol || iph->frag_off & htons(IP_OFFSET))
		return false;
	*key = (struct dpr_flow_key){
		.client = iph->daddr,
		.address = iph->saddr,
	};
	if (protocol != IPPROTO_TCP)
		return true;
	offset += iph->ihl * 4;
	if (offset + DPR_ICMP_QUOTED > skb->len)
		return false;
	ports = skb_header_pointer(skb, offset, sizeof(_ports), _ports);
	if (!ports)
		return false;
	key->port = ports[0];
	key->client_port = ports[1];
	return true;
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
