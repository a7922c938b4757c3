// SPDX-License-Identifier: GPL-2.0
/* Packets cut into fragments: in any order, some missing, some overlapping. */
#include <net/ip.h>
#include <net/ipv6.h>
#include "fuzz.h"

/* A part of a packet: from where to where behind its header. */
struct fuzz_part {
	u32 from;
	u32 to;
	bool last;
};

static void fuzz_fragment4(struct fuzz_packet *f, const struct fuzz_part *part)
{
	struct iphdr *iph = (void *)fuzz_start(f);
	const u16 whole = ntohs(iph->frag_off);
	const u32 from = (whole & IP_OFFSET) * 8 + part->from;

	iph->frag_off = htons(from >> 3 | (part->last ? 0 : IP_MF) |
			      (whole & FUZZ_MARK));
}

/* The fragment header comes first, where dpr.ko looks for it. */
static void fuzz_fragment6(struct fuzz_packet *f, const struct fuzz_part *part,
			   u32 id)
{
	struct ipv6hdr *ip6h;
	struct frag_hdr *header;

	f->at -= sizeof(*header);
	f->len += sizeof(*header);
	ip6h = (void *)fuzz_start(f);
	memmove(ip6h, (u8 *)ip6h + sizeof(*header), sizeof(*ip6h));
	header = (void *)(ip6h + 1);
	*header = (struct frag_hdr){
		.nexthdr = ip6h->nexthdr,
		.frag_off = htons(part->from | (part->last ? 0 : IP6_MF)),
		.identification = htonl(id),
	};
	ip6h->nexthdr = NEXTHDR_FRAGMENT;
}

static void fuzz_send_part(const struct fuzz_packet *p, u32 hlen,
			   const struct fuzz_part *part, u32 id)
{
	static struct fuzz_packet f;
	const u8 *start = p->data + p->at;

	f.at = p->at;
	f.len = hlen + part->to - part->from;
	f.tcp = 0;
	f.wide = p->wide;
	f.intact = false;
	memcpy(fuzz_start(&f), start, hlen);
	memcpy(fuzz_start(&f) + hlen, start + hlen + part->from,
	       part->to - part->from);
	if (f.wide)
		fuzz_fragment6(&f, part, id);
	else
		fuzz_fragment4(&f, part);
	fuzz_packet_fix(&f);
	fuzz_send(&f);
}

/**
 * fuzz_fragment_name - make a fragment's number say of what protocol the packet is
 * @p: a packet
 *
 * So all fragments of a packet of IPv6 agree on that, whatever became of them, and
 * count.c knows what they are put together to.
 */
void fuzz_fragment_name(struct fuzz_packet *p)
{
	const struct ipv6hdr *ip6h = (const void *)fuzz_start(p);
	struct frag_hdr *header = (void *)(fuzz_start(p) + sizeof(*ip6h));

	if (!p->wide || p->len < sizeof(*ip6h) + sizeof(*header) ||
	    ip6h->nexthdr != NEXTHDR_FRAGMENT)
		return;
	header->identification &= htonl(~0xff);
	header->identification |= htonl(header->nexthdr);
}

/**
 * fuzz_send_fragments - send a packet in fragments
 * @p: the packet
 *
 * Return: false if it is too short for that.
 */
bool fuzz_send_fragments(const struct fuzz_packet *p)
{
	u32 id = fuzz_one_in(4) ? fuzz_below(4) : (u32)fuzz_random();
	struct fuzz_view v;
	u32 data, n, i;

	if (!fuzz_look(p->data + p->at, p->len, p->wide, &v) ||
	    v.hlen + 8 >= p->len)
		return false;
	data = p->len - v.hlen;
	for (n = 2 + fuzz_below(3), i = 0; i < n; i++) {
		u32 k = fuzz_one_in(8) ? fuzz_below(n) : i;
		struct fuzz_part part = {
			.from = (data * k / n) & ~7,
			.to = k == n - 1 ? data : (data * (k + 1) / n) & ~7,
			.last = k == n - 1,
		};

		if (fuzz_one_in(16) && part.from)
			part.from -= 8;
		if (!fuzz_one_in(16))
			fuzz_send_part(p, v.hlen, &part, id);
	}
	return true;
}
