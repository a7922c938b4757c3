// SPDX-License-Identifier: GPL-2.0
/*
 * The MSS that we offer to a client whose packets come through a tunnel:
 * smaller by the outer header, so that its full-sized segments fit.
 */
#include <linux/inetdevice.h>
#include <linux/tcp.h>
#include <net/checksum.h>
#include <net/ip.h>
#include <net/tcp.h>
#include "main.h"
#include "mss.h"
#include "parse.h"
#include "service.h"

/* RFC 9293, section 3.7.1: no MSS means 536, and none need be smaller. */
#define DPR_MSS_MIN	536

static void dpr_mss_lower(struct dpr_net *dn, struct sk_buff *skb)
{
	struct tcphdr *th = tcp_hdr(skb);
	unsigned int offset = dpr_parse_mss(th);
	u8 *opt = (u8 *)th + offset;
	u16 old, new;

	if (!offset)
		return;
	old = get_unaligned_be16(opt);
	if (old < DPR_MSS_MIN + sizeof(struct iphdr))
		return;
	new = old - sizeof(struct iphdr);
	/* An option at an odd offset has its bytes swapped in the checksum. */
	if (offset & 1)
		inet_proto_csum_replace2(&th->check, skb, htons(swab16(old)),
					 htons(swab16(new)), false);
	else
		inet_proto_csum_replace2(&th->check, skb, htons(old),
					 htons(new), false);
	put_unaligned_be16(new, opt);
	dpr_stats_inc(dn, DPR_STAT_MSS_LOWERED);
}

/**
 * dpr_mss_hook - netfilter LOCAL_OUT: lower the MSS of redirected SYN-ACKs
 * @priv: the namespace's struct dpr_net
 * @skb: a packet from the local stack
 * @state: the hook's state
 *
 * A SYN-ACK answers a redirected SYN if it goes out from another host's
 * address.
 */
unsigned int dpr_mss_hook(void *priv, struct sk_buff *skb,
			  const struct nf_hook_state *state)
{
	const struct iphdr *iph = ip_hdr(skb);
	struct dpr_net *dn = priv;
	const struct tcphdr *th;

	if (iph->protocol != IPPROTO_TCP || ip_is_fragment(iph))
		return NF_ACCEPT;
	if (skb_headlen(skb) < ip_hdrlen(skb) + sizeof(*th))
		return NF_ACCEPT;
	th = tcp_hdr(skb);
	if (!th->syn || !th->ack || !dpr_service_ours(dn, ntohs(th->source)))
		return NF_ACCEPT;
	if (__ip_dev_find(dn->net, iph->saddr, false))
		return NF_ACCEPT;
	if (skb_headlen(skb) < ip_hdrlen(skb) + th->doff * 4 ||
	    skb_ensure_writable(skb, ip_hdrlen(skb) + th->doff * 4))
		return NF_ACCEPT;
	dpr_mss_lower(dn, skb);
	return NF_ACCEPT;
}
