// SPDX-License-Identifier: GPL-2.0
/* Packets that could be: what dpr.ko expects, and what it does not. */
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/tcp.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/ipv6.h>
#include "fuzz.h"

/* A client's packet of a connection to one of this host's or a peer's addresses. */
static void fuzz_of_client(struct fuzz_packet *p, const struct in6_addr *to)
{
	const bool wide = !ipv6_addr_v4mapped(to);
	u32 connection = fuzz_below(FUZZ_N_CONNECTIONS);
	struct in6_addr from = fuzz_client(connection, wide);
	u32 len;

	if (fuzz_one_in(32))
		from = fuzz_address(wide);
	fuzz_tcp(p, connection, wide);
	fuzz_tcp_check(p, &from, to);
	len = p->len;
	fuzz_ip(p, IPPROTO_TCP, &from, to, fuzz_one_in(4) ? 0 : IP_DF);
	p->ip = 0;
	p->tcp = p->len - len;
}

/* An outer header, as a peer or a stranger would make it. */
static void fuzz_outer(struct fuzz_packet *p, struct in6_addr from,
		       const struct in6_addr *to)
{
	u8 protocol = p->wide ? IPPROTO_IPV6 : IPPROTO_IPIP;
	u16 frag = fuzz_one_in(3) ? 0 : IP_DF;

	if (fuzz_one_in(32))
		from = fuzz_address(!ipv6_addr_v4mapped(to));
	if (!fuzz_one_in(8))
		frag |= FUZZ_MARK;
	fuzz_ip(p, protocol, &from, to, frag);
}

/* In a tunnel of either family. */
static void fuzz_redirected(struct fuzz_packet *p)
{
	const bool wide = fuzz_one_in(2), outer = fuzz_one_in(2);
	struct in6_addr peer = fuzz_peer(outer), own = fuzz_own(outer);
	struct in6_addr to = fuzz_one_in(32) ? fuzz_address(wide) :
			     fuzz_one_in(8) ? fuzz_own(wide) : fuzz_peer(wide);

	fuzz_of_client(p, &to);
	fuzz_outer(p, peer, &own);
}

/* An offer of this host's that comes back. */
static void fuzz_returned(struct fuzz_packet *p)
{
	const bool wide = fuzz_one_in(2), outer = fuzz_one_in(2);
	struct in6_addr peer = fuzz_peer(outer), own = fuzz_own(outer);
	struct in6_addr to = fuzz_one_in(8) ? fuzz_peer(wide) : fuzz_own(wide);

	fuzz_of_client(p, &to);
	p->tcp = 0;
	fuzz_ip(p, p->wide ? IPPROTO_IPV6 : IPPROTO_IPIP, &own, &peer, FUZZ_MARK);
	fuzz_outer(p, peer, &own);
}

/* A connection that a message is about, after a number. */
static void fuzz_ask_about(u8 *at, bool wide)
{
	u32 connection = fuzz_below(FUZZ_N_CONNECTIONS), isn = htonl(1000 * connection);
	struct in6_addr client = fuzz_client(connection, wide);
	struct in6_addr address = fuzz_one_in(2) ? fuzz_own(wide) :
						   fuzz_peer(wide);
	__be16 ports[] = { fuzz_client_port(connection), fuzz_service() };

	if (fuzz_one_in(2))
		fuzz_fill(at, 4);
	else if (fuzz_one_in(2))
		memcpy(at, &isn, 4);
	if (wide) {
		memcpy(at + 4, &client, 16);
		memcpy(at + 20, &address, 16);
	} else {
		memcpy(at + 4, &client.s6_addr32[3], 4);
		memcpy(at + 8, &address.s6_addr32[3], 4);
	}
	memcpy(at + (wide ? 36 : 12), ports, 4);
}

/*
 * What hosts tell each other: see struct dpr_owner_msg_wire. One kind is about several
 * connections.
 */
static void fuzz_ask(struct fuzz_packet *p)
{
	const bool wide = fuzz_one_in(2), outer = fuzz_one_in(2);
	const u32 each = wide ? 40 : 16;
	const u8 kind = 1 + fuzz_below(12);
	u32 n = kind == FUZZ_ASK_MANY ? 1 + fuzz_below(28) : 1, len = 8 + n * each, i;
	struct in6_addr peer = fuzz_peer(outer), own = fuzz_own(outer), from;
	u8 *msg = fuzz_push(p, len);
	__sum16 check;

	memcpy(msg, wide ? "DPR6" : "DPRo", 4);
	msg[4] = kind;
	if (kind == FUZZ_ASK_MANY)
		msg[5] = fuzz_one_in(8) ? (u8)fuzz_random() : n;
	for (i = 0; i < n; i++)
		fuzz_ask_about(msg + 8 + i * each, wide);
	check = ip_compute_csum(msg, len);
	memcpy(msg + 6, &check, 2);
	from = fuzz_one_in(16) ? fuzz_address(outer) : peer;
	fuzz_ip(p, FUZZ_ASK, &from, &own, IP_DF);
	fuzz_outer(p, peer, &own);
}

/*
 * A packet that this host or a peer could have sent: an answer to a client, or
 * in a tunnel what a client has sent. Returns who got it.
 */
static struct in6_addr fuzz_quoted(struct fuzz_packet *p, bool wide)
{
	u32 connection = fuzz_below(FUZZ_N_CONNECTIONS);
	const bool tunnel = fuzz_one_in(3);
	const bool inner = tunnel ? fuzz_one_in(2) : wide;
	struct in6_addr from, to, own = fuzz_own(wide), peer = fuzz_peer(wide);
	struct tcphdr *th;

	/* Some were too big. */
	fuzz_push(p, fuzz_one_in(2) ? fuzz_below(64) : 1460);
	th = fuzz_push(p, sizeof(*th));
	th->seq = htonl(fuzz_tap_expects(connection, inner));
	th->doff = 5;
	th->source = fuzz_service();
	th->dest = fuzz_client_port(connection);
	from = fuzz_one_in(4) ? fuzz_peer(inner) : fuzz_own(inner);
	to = fuzz_client(connection, inner);
	if (tunnel) {
		swap(th->source, th->dest);
		swap(from, to);
	}
	fuzz_ip(p, IPPROTO_TCP, &from, &to, IP_DF);
	if (!tunnel)
		return to;
	fuzz_ip(p, inner ? IPPROTO_IPV6 : IPPROTO_IPIP, &own, &peer,
		IP_DF | FUZZ_MARK);
	return peer;
}

static void fuzz_icmp4(struct fuzz_packet *p)
{
	struct icmphdr *icmp = fuzz_push(p, sizeof(*icmp));

	icmp->type = fuzz_one_in(8) ? fuzz_below(20) : ICMP_DEST_UNREACH;
	icmp->code = fuzz_one_in(4) ? fuzz_below(16) : ICMP_FRAG_NEEDED;
	icmp->un.frag.mtu = htons(fuzz_one_in(4) ? fuzz_random() :
						   500 + fuzz_below(1000));
	if (!fuzz_one_in(16))
		icmp->checksum = ip_compute_csum(icmp, p->len);
}

static void fuzz_icmp6(struct fuzz_packet *p, const struct in6_addr *from,
		       const struct in6_addr *to)
{
	struct icmp6hdr *icmp = fuzz_push(p, sizeof(*icmp));

	icmp->icmp6_type = fuzz_one_in(8) ? fuzz_below(6) :
			   fuzz_one_in(2) ? ICMPV6_PKT_TOOBIG :
					    1 + fuzz_below(4);
	icmp->icmp6_code = fuzz_one_in(4) ? fuzz_below(8) : 0;
	icmp->icmp6_mtu = htonl(fuzz_one_in(4) ? (u32)fuzz_random() :
						 1200 + fuzz_below(300));
	if (!fuzz_one_in(16))
		icmp->icmp6_cksum =
			csum_ipv6_magic(from, to, p->len, IPPROTO_ICMPV6,
					csum_partial(icmp, p->len, 0));
}

/* An ICMP error, mostly from who was to get the packet that it quotes. */
static void fuzz_icmp(struct fuzz_packet *p)
{
	const bool wide = fuzz_one_in(2), outer = fuzz_one_in(2);
	struct in6_addr from = fuzz_quoted(p, wide), to = fuzz_own(wide);
	struct in6_addr own = fuzz_own(outer);
	u32 least = wide ? 48 : 28;

	p->len = min(p->len, fuzz_one_in(4) ? fuzz_below(least + 32) :
					      least + fuzz_below(96));
	if (wide)
		fuzz_icmp6(p, &from, &to);
	else
		fuzz_icmp4(p);
	fuzz_ip(p, wide ? IPPROTO_ICMPV6 : IPPROTO_ICMP, &from, &to, 0);
	if (fuzz_one_in(3))
		fuzz_outer(p, fuzz_peer(outer), &own);
	p->intact = false;
}

/* Of other protocols, for instance the outer header of another tunnel. */
static void fuzz_other(struct fuzz_packet *p)
{
	static const u8 protocols[] = {
		IPPROTO_UDP, IPPROTO_IPV6, IPPROTO_GRE, IPPROTO_IPIP,
		IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_SCTP, FUZZ_ASK, 255,
	};
	const bool wide = fuzz_one_in(2), outer = fuzz_one_in(2);
	struct in6_addr from = fuzz_one_in(2) ? fuzz_peer(wide) :
						fuzz_address(wide);
	struct in6_addr to = fuzz_own(wide), own = fuzz_own(outer);

	fuzz_fill(fuzz_push(p, 64), 64);
	fuzz_ip(p, protocols[fuzz_below(ARRAY_SIZE(protocols))], &from, &to, 0);
	if (fuzz_one_in(2))
		fuzz_outer(p, fuzz_peer(outer), &own);
	p->intact = false;
}

/**
 * fuzz_packet_make - make up a packet
 * @p: the packet, overwritten
 */
void fuzz_packet_make(struct fuzz_packet *p)
{
	const bool wide = fuzz_one_in(2);
	struct in6_addr to = fuzz_one_in(32) ? fuzz_address(wide) :
					       fuzz_own(wide);
	u32 kind = fuzz_below(100);

	p->at = FUZZ_ROOM + FUZZ_SIZE - 512;
	p->len = 0;
	p->tcp = 0;
	p->intact = true;
	if (kind < 40)
		fuzz_of_client(p, &to);
	else if (kind < 72)
		fuzz_redirected(p);
	else if (kind < 80)
		fuzz_returned(p);
	else if (kind < 86)
		fuzz_ask(p);
	else if (kind < 96)
		fuzz_icmp(p);
	else
		fuzz_other(p);
}
