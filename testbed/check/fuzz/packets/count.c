// SPDX-License-Identifier: GPL-2.0
/* Counts what passes dpr.ko's hooks, just before them and just after. */
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/snmp.h>
#include "fuzz.h"

struct fuzz_counts fuzz_counts;

/*
 * A fragment of IPv6 is in dpr.ko's hook, which may put the packet together and take
 * it: a packet of a tunnel that never came by itself. Its number says which protocol it
 * has: fuzz_fragment_name().
 */
static bool fuzz_gathering;
static u8 fuzz_gathered_protocol;
static u64 fuzz_gathered;
static struct net *fuzz_net;

static u64 fuzz_count_gathered(struct net *net)
{
	return snmp_fold_field64(net->mib.ipv6_statistics,
				 IPSTATS_MIB_REASMOKS,
				 offsetof(struct ipstats_mib, syncp));
}

/* Is it a fragment? */
static bool fuzz_count_fragment(const struct sk_buff *skb,
				struct frag_hdr *header)
{
	const u32 offset = skb_network_offset(skb) + sizeof(struct ipv6hdr);

	return ipv6_hdr(skb)->nexthdr == NEXTHDR_FRAGMENT &&
	       !skb_copy_bits(skb, offset, header, sizeof(*header));
}

static void fuzz_count_gather(const struct frag_hdr *header)
{
	fuzz_gathering = true;
	fuzz_gathered_protocol = ntohl(header->identification) & 0xff;
	fuzz_gathered = fuzz_count_gathered(fuzz_net);
}

static bool fuzz_count_is(const struct sk_buff *skb, u8 family)
{
	return fuzz_tunnel(family == NFPROTO_IPV6 ? ipv6_hdr(skb)->nexthdr :
						    ip_hdr(skb)->protocol);
}

static unsigned int fuzz_count_before(void *priv, struct sk_buff *skb,
				      const struct nf_hook_state *state)
{
	struct frag_hdr header;

	if (fuzz_count_is(skb, state->pf))
		fuzz_counts.before++;
	else if (state->pf == NFPROTO_IPV6 && fuzz_count_fragment(skb, &header))
		fuzz_count_gather(&header);
	return NF_ACCEPT;
}

/** fuzz_count_end - a packet has left dpr.ko's hook */
void fuzz_count_end(void)
{
	if (fuzz_gathering && fuzz_tunnel(fuzz_gathered_protocol) &&
	    fuzz_count_gathered(fuzz_net) != fuzz_gathered)
		fuzz_counts.before++;
	fuzz_gathering = false;
}

static unsigned int fuzz_count_after(void *priv, struct sk_buff *skb,
				     const struct nf_hook_state *state)
{
	if (state->pf == NFPROTO_IPV6)
		fuzz_count_end();
	fuzz_counts.after += fuzz_count_is(skb, state->pf);
	return NF_ACCEPT;
}

static const struct nf_hook_ops fuzz_count_hooks[] = {
	{
		.hook = fuzz_count_before,
		.pf = NFPROTO_IPV4,
		.hooknum = NF_INET_PRE_ROUTING,
		.priority = NF_IP_PRI_RAW_BEFORE_DEFRAG - 1,
	}, {
		.hook = fuzz_count_after,
		.pf = NFPROTO_IPV4,
		.hooknum = NF_INET_PRE_ROUTING,
		.priority = NF_IP_PRI_RAW_BEFORE_DEFRAG + 1,
	}, {
		.hook = fuzz_count_before,
		.pf = NFPROTO_IPV6,
		.hooknum = NF_INET_PRE_ROUTING,
		.priority = NF_IP6_PRI_RAW_BEFORE_DEFRAG - 1,
	}, {
		.hook = fuzz_count_after,
		.pf = NFPROTO_IPV6,
		.hooknum = NF_INET_PRE_ROUTING,
		.priority = NF_IP6_PRI_RAW_BEFORE_DEFRAG + 1,
	},
};

/**
 * fuzz_count_sent - count a packet that goes out, if it does so in a tunnel
 * @skb: the packet
 *
 * Of one that goes in fragments, the first counts.
 */
void fuzz_count_sent(const struct sk_buff *skb)
{
	const bool wide = skb->protocol == htons(ETH_P_IPV6);
	struct frag_hdr header = {};
	u8 protocol;

	if (!wide)
		protocol = ip_hdr(skb)->protocol;
	else if (fuzz_count_fragment(skb, &header))
		protocol = header.nexthdr;
	else
		protocol = ipv6_hdr(skb)->nexthdr;
	if (fuzz_tunnel(protocol) && !(header.frag_off & htons(IP6_OFFSET)))
		fuzz_counts.tunnelled[wide][protocol == IPPROTO_IPV6]++;
}

/**
 * fuzz_count_open - begin to count what a namespace receives
 * @net: the namespace
 *
 * Return: 0 or a negative errno.
 */
int fuzz_count_open(struct net *net)
{
	fuzz_net = net;
	return nf_register_net_hooks(net, fuzz_count_hooks,
				     ARRAY_SIZE(fuzz_count_hooks));
}

/** fuzz_count_close - end that */
void fuzz_count_close(struct net *net)
{
	nf_unregister_net_hooks(net, fuzz_count_hooks,
				ARRAY_SIZE(fuzz_count_hooks));
}
