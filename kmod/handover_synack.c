// SPDX-License-Identifier: GPL-2.0
#include <linux/log2.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/tcp.h>
#include <net/dst.h>
#include <net/inet_ecn.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/route.h>
#include <net/tcp.h>
#include "config.h"
#include "fwd.h"
#include "handover_synack.h"
#include "handover_table.h"
#include "local.h"
#include "netns.h"
#include "reset.h"

/* All options that a SYN-ACK of ours can have. */
#define DPR_HANDOVER_SYNACK_OPTIONS	(TCPOLEN_MSS_ALIGNED + \
					 TCPOLEN_TSTAMP_ALIGNED + \
					 TCPOLEN_SACKPERM_ALIGNED + \
					 TCPOLEN_WSCALE_ALIGNED)

/* The scale of the windows of this host's sockets, and so, it is taken, of the others'. */
static u8 dpr_handover_synack_scale(struct dpr_net *dn)
{
	const u32 most = READ_ONCE(dn->net->ipv4.sysctl_tcp_rmem[2]);

	return most <= U16_MAX ? 0 :
	       min_t(int, ilog2(most) - 15, TCP_MAX_WSCALE);
}

/* Does the client want ECN, and may it have it (RFC 3168, 6.1.1)? */
static bool dpr_handover_synack_ecn(struct dpr_net *dn, const struct sk_buff *skb,
				    const struct tcphdr *th)
{
	const u8 tos = dpr_local_wide(skb) ? ipv6_get_dsfield(ipv6_hdr(skb)) :
					     ip_hdr(skb)->tos;

	return th->ece && th->cwr && INET_ECN_is_not_ect(tos) &&
	       READ_ONCE(dn->net->ipv4.sysctl_tcp_ecn);
}

/**
 * dpr_handover_synack_agree - what of a SYN's options this host agrees to
 * @dn: the namespace
 * @skb: the SYN; pointers into it are stale afterwards
 * @seg: the same, parsed
 * @options: set, but for this end's sequence number and timestamp
 *
 * TCP Fast Open, MPTCP and accurate ECN are not offered: clients do without.
 *
 * Return: false if it is not whole.
 */
bool dpr_handover_synack_agree(struct dpr_net *dn, struct sk_buff *skb,
			       const struct dpr_segment *seg,
			       struct dpr_handover_options *options)
{
	struct tcp_options_received got = {};
	const struct tcphdr *th = (void *)skb->data + seg->offset;
	const unsigned int doff = th->doff * 4;

	if (doff < sizeof(*th) || skb->len < seg->offset + doff ||
	    !pskb_may_pull(skb, seg->offset + doff))
		return false;
	skb_set_transport_header(skb, seg->offset);
	th = tcp_hdr(skb);
	tcp_clear_options(&got);
	got.mss_clamp = dpr_local_wide(skb) ? IPV6_MIN_MTU - 60 : TCP_MSS_DEFAULT;
	got.user_mss = 0;
	tcp_parse_options(dn->net, skb, &got, 0, NULL);
	*options = (struct dpr_handover_options){
		.client_isn = seg->seq,
		.ts_recent = got.rcv_tsval,
		.mss = max_t(u16, got.mss_clamp, TCP_MIN_MSS),
		.client_scale = got.wscale_ok ? got.snd_wscale : 0,
		.scale = got.wscale_ok ? dpr_handover_synack_scale(dn) : 0,
		.scales = got.wscale_ok,
		.timestamps = got.saw_tstamp,
		.sack = got.sack_ok,
		.ecn = dpr_handover_synack_ecn(dn, skb, th),
	};
	return true;
}

/*
 * What a segment can hold so that it fits the tunnel with the handover before it. The way
 * to a peer may be narrower than that to the client: then the client gets an ICMP error.
 */
static u16 dpr_handover_synack_mss(const struct dpr_config *cfg,
				   const struct dst_entry *dst)
{
	const bool wide = !dpr_addr_is4(&cfg->address);
	const u32 most = dst_metric_advmss(dst);
	const u32 less = dpr_fwd_overhead(wide) + dpr_handover_msg_overhead(wide);

	return most < TCP_MSS_DEFAULT + less ? TCP_MSS_DEFAULT : most - less;
}

static __be32 *dpr_handover_synack_put(__be32 *at, const struct dpr_handover_options *options,
				       u16 mss)
{
	*at++ = htonl(TCPOPT_MSS << 24 | TCPOLEN_MSS << 16 | mss);
	if (options->sack)
		*at++ = htonl(TCPOPT_NOP << 24 | TCPOPT_NOP << 16 |
			      TCPOPT_SACK_PERM << 8 | TCPOLEN_SACK_PERM);
	if (options->timestamps) {
		*at++ = htonl(TCPOPT_NOP << 24 | TCPOPT_NOP << 16 |
			      TCPOPT_TIMESTAMP << 8 | TCPOLEN_TIMESTAMP);
		*at++ = htonl(options->ts_now);
		*at++ = htonl(options->ts_recent);
	}
	if (options->scales)
		*at++ = htonl(TCPOPT_NOP << 24 | TCPOPT_WINDOW << 16 |
			      TCPOLEN_WINDOW << 8 | options->scale);
	return at;
}

/* The TCP segment, its checksum still to be made; returns its length. */
static unsigned int dpr_handover_synack_tcp(struct sk_buff *skb,
					    const struct dpr_flow_key *key,
					    const struct dpr_handover_options *options,
					    u16 mss)
{
	__be32 option[DPR_HANDOVER_SYNACK_OPTIONS / 4];
	const unsigned int more =
		(void *)dpr_handover_synack_put(option, options, mss) -
		(void *)option;
	struct tcphdr *th = skb_put_zero(skb, sizeof(*th));

	th->source = key->port;
	th->dest = key->client_port;
	th->doff = (sizeof(*th) + more) / 4;
	th->syn = 1;
	th->ack = 1;
	th->ece = options->ecn;
	th->seq = htonl(options->isn);
	th->ack_seq = htonl(options->client_isn + 1);
	th->window = htons(DPR_HANDOVER_WINDOW);
	skb_put_data(skb, option, more);
	return sizeof(*th) + more;
}

static void dpr_handover_synack_ip4(struct sk_buff *skb, const struct dpr_flow_key *key,
				    int ttl)
{
	struct iphdr *iph = skb_put_zero(skb, sizeof(*iph));

	iph->version = 4;
	iph->ihl = sizeof(*iph) >> 2;
	iph->frag_off = htons(IP_DF);
	iph->ttl = ttl;
	iph->protocol = IPPROTO_TCP;
	iph->saddr = key->address.word[3];
	iph->daddr = key->client.word[3];
	skb->protocol = htons(ETH_P_IP);
}

static void dpr_handover_synack_ip6(struct sk_buff *skb, const struct dpr_flow_key *key,
				    int hop_limit)
{
	struct ipv6hdr *ip6h = skb_put_zero(skb, sizeof(*ip6h));

	ip6h->version = 6;
	ip6h->nexthdr = IPPROTO_TCP;
	ip6h->hop_limit = hop_limit;
	ip6h->saddr = *dpr_local_in6(&key->address);
	ip6h->daddr = *dpr_local_in6(&key->client);
	skb->protocol = htons(ETH_P_IPV6);
}

static void dpr_handover_synack_out6(struct dpr_net *dn, struct sk_buff *skb,
				     unsigned int len)
{
	struct ipv6hdr *ip6h = ipv6_hdr(skb);

	ip6h->payload_len = htons(len);
	tcp_hdr(skb)->check = csum_ipv6_magic(&ip6h->saddr, &ip6h->daddr, len,
					      IPPROTO_TCP,
					      csum_partial(tcp_hdr(skb), len, 0));
	ip6_local_out(dn->net, NULL, skb);
}

static void dpr_handover_synack_out4(struct dpr_net *dn, struct sk_buff *skb,
				     unsigned int len)
{
	const struct iphdr *iph = ip_hdr(skb);

	tcp_hdr(skb)->check = tcp_v4_check(len, iph->saddr, iph->daddr,
					   csum_partial(tcp_hdr(skb), len, 0));
	__ip_select_ident(dn->net, ip_hdr(skb), 1);
	ip_local_out(dn->net, NULL, skb);
}

/**
 * dpr_handover_synack_send - send a SYN-ACK
 * @dn: the namespace
 * @cfg: the configuration
 * @key: the connection
 * @options: what was agreed on
 *
 * The same for each copy of the SYN, but for the timestamp. If it cannot be sent the
 * client's next SYN has another chance. Called under RCU with bottom halves off.
 */
void dpr_handover_synack_send(struct dpr_net *dn, const struct dpr_config *cfg,
			      const struct dpr_flow_key *key,
			      const struct dpr_handover_options *options)
{
	struct dst_entry *dst = dpr_reset_route(dn, key, 0);
	struct sk_buff *skb;
	unsigned int len;
	u16 mss;

	if (!dst)
		return;
	skb = alloc_skb(LL_RESERVED_SPACE(dst->dev) + sizeof(struct ipv6hdr) +
			sizeof(struct tcphdr) + DPR_HANDOVER_SYNACK_OPTIONS,
			GFP_ATOMIC | __GFP_NOWARN);
	if (!skb) {
		dst_release(dst);
		return;
	}
	mss = dpr_handover_synack_mss(cfg, dst);
	skb_reserve(skb, LL_RESERVED_SPACE(dst->dev));
	skb_dst_set(skb, dst);
	/* Connection tracking has not seen the SYN. */
	skb_set_nfct(skb, IP_CT_UNTRACKED);
	skb_reset_network_header(skb);
	if (key->wide)
		dpr_handover_synack_ip6(skb, key, ip6_dst_hoplimit(dst));
	else
		dpr_handover_synack_ip4(skb, key, ip4_dst_hoplimit(dst));
	skb_set_transport_header(skb, skb->len);
	len = dpr_handover_synack_tcp(skb, key, options, mss);
	if (key->wide)
		dpr_handover_synack_out6(dn, skb, len);
	else
		dpr_handover_synack_out4(dn, skb, len);
}
