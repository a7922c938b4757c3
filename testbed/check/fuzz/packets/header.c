// SPDX-License-Identifier: GPL-2.0
/* IP headers of both families, with options and extension headers. */
#include <net/ip.h>
#include <net/ipv6.h>
#include "fuzz.h"

static u8 fuzz_tos(void)
{
	return fuzz_one_in(4) ? fuzz_random() : fuzz_below(4);
}

static u8 fuzz_ttl(void)
{
	return fuzz_one_in(16) ? fuzz_below(3) : 64;
}

/* IP options in front of what there is; returns their bytes. */
static u32 fuzz_ip_options(struct fuzz_packet *p)
{
	static const u8 kinds[] = {
		IPOPT_NOOP, IPOPT_END, IPOPT_RR, IPOPT_TIMESTAMP, IPOPT_LSRR,
		IPOPT_SSRR, IPOPT_SID, IPOPT_RA, IPOPT_CIPSO,
	};
	u32 n = 4 * (1 + fuzz_below(10)), i;
	u8 *opt;

	if (!fuzz_one_in(12))
		return 0;
	opt = fuzz_push(p, n);
	for (i = 0; i < n; i++)
		opt[i] = IPOPT_NOOP;
	if (fuzz_one_in(3))
		return n;
	opt[0] = kinds[fuzz_below(ARRAY_SIZE(kinds))];
	if (n > 4) {
		opt[1] = fuzz_one_in(4) ? fuzz_random() : n - 1;
		opt[2] = fuzz_one_in(4) ? fuzz_random() : 4;
		fuzz_fill(opt + 3, n - 4);
	} else if (opt[0] == IPOPT_RA) {
		opt[1] = 4;
		opt[2] = 0;
		opt[3] = 0;
	}
	p->intact = false;
	return n;
}

static void fuzz_ip4(struct fuzz_packet *p, u8 protocol, __be32 from, __be32 to,
		     u16 frag)
{
	u32 options = fuzz_ip_options(p);
	struct iphdr *iph = fuzz_push(p, sizeof(*iph));

	iph->version = 4;
	iph->ihl = (sizeof(*iph) + options) / 4;
	iph->tos = fuzz_tos();
	iph->id = htons(fuzz_below(4));
	iph->ttl = fuzz_ttl();
	iph->protocol = protocol;
	iph->saddr = from;
	iph->daddr = to;
	iph->frag_off = htons(frag);
	if (fuzz_one_in(32)) {
		iph->frag_off ^= htons(1 << fuzz_below(16));
		p->intact = false;
	}
}

/* What hop-by-hop and destination options hold: @n bytes at @opt. */
static void fuzz_ext_options(u8 *opt, u32 n)
{
	/* Jumbo payload, router alert, tunnel limit, home address, unknown. */
	static const u8 kinds[] = { 0xc2, 0x05, 0x04, 0xc9, 0x1e, 0x5e, 0x9e };
	u32 at = 0, len;

	if (fuzz_one_in(3)) {
		at = min(n, 6U);
		opt[0] = kinds[fuzz_below(ARRAY_SIZE(kinds))];
		opt[1] = fuzz_one_in(4) ? fuzz_random() : at - 2;
		fuzz_fill(opt + 2, at - 2);
	}
	/* The stack takes little padding, and skips some that it does not know. */
	for (; at + 1 < n; at += 2 + len) {
		len = min(n - at - 2, 255U);
		opt[at] = n - at <= 7 ? IPV6_TLV_PADN : 0x1e;
		opt[at + 1] = fuzz_one_in(32) ? fuzz_random() : len;
	}
}

/* One extension header in front of what there is. */
static void fuzz_ext(struct fuzz_packet *p, u8 kind, u8 next)
{
	/* A long one while there is room for it. */
	u32 most = fuzz_one_in(16) && p->at > FUZZ_SIZE / 2 ? 256 : 4;
	u32 n = kind == NEXTHDR_FRAGMENT ? 8 : 8 * (1 + fuzz_below(most));
	u8 *ext = fuzz_push(p, n);

	ext[0] = next;
	ext[1] = fuzz_one_in(32) ? fuzz_random() : n / 8 - 1;
	switch (kind) {
	case NEXTHDR_HOP:
	case NEXTHDR_DEST:
		fuzz_ext_options(ext + 2, n - 2);
		break;
	case NEXTHDR_ROUTING:
		ext[2] = fuzz_below(5);
		ext[3] = fuzz_one_in(2) ? 0 : fuzz_below(3);
		fuzz_fill(ext + 4, n - 4);
		break;
	case NEXTHDR_FRAGMENT:
		ext[1] = 0;
		/* Mostly one that is whole. */
		if (fuzz_one_in(4))
			fuzz_fill(ext + 2, 2);
		ext[7] = fuzz_below(4);
		break;
	case NEXTHDR_AUTH:
		ext[1] = fuzz_one_in(32) ? fuzz_random() :
			 min(n / 4 - 2, 255U);
		fallthrough;
	default:
		fuzz_fill(ext + 2, n - 2);
	}
}

/* A chain of them, mostly none; returns what the IPv6 header says comes next. */
static u8 fuzz_exts(struct fuzz_packet *p, u8 protocol)
{
	static const u8 kinds[] = {
		NEXTHDR_DEST, NEXTHDR_DEST, NEXTHDR_ROUTING, NEXTHDR_ROUTING,
		NEXTHDR_FRAGMENT, NEXTHDR_FRAGMENT, NEXTHDR_AUTH, NEXTHDR_ESP,
		NEXTHDR_NONE, NEXTHDR_MOBILITY,
	};
	u32 n = 1 + (fuzz_one_in(2) ? 0 : fuzz_below(3));

	if (!fuzz_one_in(8))
		return protocol;
	p->intact = false;
	for (; n; n--) {
		u8 kind = kinds[fuzz_below(ARRAY_SIZE(kinds))];

		if (n == 1 ? fuzz_one_in(3) : fuzz_one_in(32))
			kind = NEXTHDR_HOP;
		fuzz_ext(p, kind, protocol);
		protocol = kind;
	}
	return protocol;
}

/* The flow label says what IPv4's identification does, and what DF does. */
static void fuzz_ip6(struct fuzz_packet *p, u8 protocol,
		     const struct in6_addr *from, const struct in6_addr *to,
		     u16 frag)
{
	u32 label = fuzz_below(4) | (frag & IP_DF ? 0 : FUZZ_OFFER);
	u8 next = fuzz_exts(p, protocol);
	struct ipv6hdr *ip6h = fuzz_push(p, sizeof(*ip6h));

	if (fuzz_one_in(16))
		label = fuzz_random() & 0xfffff;
	ip6_flow_hdr(ip6h, fuzz_tos(), htonl(label));
	ip6h->nexthdr = next;
	ip6h->hop_limit = fuzz_ttl();
	ip6h->saddr = *from;
	ip6h->daddr = *to;
}

/**
 * fuzz_ip - put an IP header in front of what there is
 * @p: the packet
 * @protocol: what it says comes next
 * @from: its source
 * @to: its destination; decides which family it is of
 * @frag: flags of IPv4's field; with IPv6 IP_DF decides whether it is an offer
 */
void fuzz_ip(struct fuzz_packet *p, u8 protocol, const struct in6_addr *from,
	     const struct in6_addr *to, u16 frag)
{
	p->wide = !ipv6_addr_v4mapped(to) || !ipv6_addr_v4mapped(from);
	if (p->wide)
		fuzz_ip6(p, protocol, from, to, frag);
	else
		fuzz_ip4(p, protocol, from->s6_addr32[3], to->s6_addr32[3],
			 frag);
	fuzz_packet_fix(p);
}

/**
 * fuzz_packet_fix - make the first header's length and checksum right
 * @p: the packet
 */
void fuzz_packet_fix(struct fuzz_packet *p)
{
	struct ipv6hdr *ip6h = (void *)fuzz_start(p);
	struct iphdr *iph = (void *)fuzz_start(p);

	if (p->len < (p->wide ? sizeof(*ip6h) : sizeof(*iph)))
		return;
	if (p->wide) {
		ip6h->version = 6;
		ip6h->payload_len = htons(p->len - sizeof(*ip6h));
		return;
	}
	iph->tot_len = htons(p->len);
	if (iph->ihl >= 5 && iph->ihl * 4 <= p->len)
		ip_send_check(iph);
}
