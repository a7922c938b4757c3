// SPDX-License-Identifier: GPL-2.0
/* Packets that could be: what dpr.ko expects, and what it does not. */
#include <linux/icmp.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/ip.h>
#include <net/tcp.h>
#include "fuzz.h"

/* Puts so many bytes before what there is. */
static void *fuzz_push(struct fuzz_packet *p, u32 n)
{
	p->at -= n;
	p->len += n;
	if (p->tcp)
		p->tcp += n;
	return memset(fuzz_start(p), 0, n);
}

static void fuzz_fill(u8 *data, u32 n)
{
	for (; n; n--)
		*data++ = fuzz_random();
}

static __be32 fuzz_client(u32 connection)
{
	return htonl(FUZZ_CLIENTS + connection % FUZZ_N_CLIENTS);
}

static __be16 fuzz_client_port(u32 connection)
{
	return htons(FUZZ_CLIENT_PORT +
		     connection / FUZZ_N_CLIENTS % FUZZ_N_PORTS);
}

static __be32 fuzz_peer(void)
{
	return htonl(FUZZ_PEERS + fuzz_below(FUZZ_N_PEERS));
}

static __be32 fuzz_own(void)
{
	return htonl(fuzz_one_in(8) ? FUZZ_OTHER : FUZZ_OWN);
}

/* Any address at all, the strange ones more often. */
static __be32 fuzz_address(void)
{
	static const u32 strange[] = {
		0, 0x7f000001, 0xe0000001, 0xffffffff, 0x0a09ffff, 0xa9fe0101,
		0xf0000001, 0x0a0000ff, FUZZ_OWN, FUZZ_OTHER, FUZZ_PEERS,
	};

	return htonl(fuzz_one_in(4) ? (u32)fuzz_random() :
		     strange[fuzz_below(ARRAY_SIZE(strange))]);
}

static __be16 fuzz_service(void)
{
	static const u16 port[] = { 80, 80, 80, 80, 81, 82, 8081 };

	return htons(fuzz_one_in(64) ? (u16)fuzz_random() :
		     port[fuzz_below(ARRAY_SIZE(port))]);
}

static u8 fuzz_tos(void)
{
	return fuzz_one_in(4) ? fuzz_random() : fuzz_below(4);
}

/* Bytes of TCP options, a multiple of 4, at @opt, which has room for 40. */
static u32 fuzz_tcp_options(u8 *opt, bool syn)
{
	u32 n = 0;

	if (fuzz_one_in(3))
		return 0;
	if (syn && !fuzz_one_in(8)) {
		opt[n++] = TCPOPT_MSS;
		opt[n++] = 4;
		opt[n++] = fuzz_below(8);
		opt[n++] = fuzz_random();
	}
	while (n < 32 && !fuzz_one_in(3)) {
		u32 len = 2 + fuzz_below(9);

		if (fuzz_one_in(3)) {
			opt[n++] = TCPOPT_NOP;
			continue;
		}
		if (n + len > 40)
			break;
		opt[n] = fuzz_below(35);
		opt[n + 1] = fuzz_one_in(16) ? fuzz_random() : len;
		fuzz_fill(opt + n + 2, len - 2);
		n += len;
	}
	return round_up(n, 4);
}

/*
 * A segment of a connection, mostly one with a plausible number: the client's
 * begin at 1000 times its number. Sets no checksum.
 */
static void fuzz_tcp(struct fuzz_packet *p, u32 connection)
{
	static const u16 sizes[] = { 0, 0, 0, 1, 8, 100, 536, 1400, 1460, 3000 };
	static const u8 flags[] = {
		TCPHDR_SYN, TCPHDR_SYN, TCPHDR_SYN, TCPHDR_ACK, TCPHDR_ACK,
		TCPHDR_ACK | TCPHDR_PSH, TCPHDR_FIN | TCPHDR_ACK, TCPHDR_RST,
		TCPHDR_RST | TCPHDR_ACK, TCPHDR_SYN | TCPHDR_ACK, 0,
	};
	u8 flag = fuzz_one_in(32) ? fuzz_random() :
		  flags[fuzz_below(ARRAY_SIZE(flags))];
	u32 size = sizes[fuzz_below(ARRAY_SIZE(sizes))], options;
	u32 seq = 1000 * connection;
	struct tcphdr *th;
	u8 opt[40] = {};

	if (flag & TCPHDR_SYN && !fuzz_one_in(8))
		size = 0;
	fuzz_push(p, size);
	options = fuzz_tcp_options(opt, flag & TCPHDR_SYN);
	memcpy(fuzz_push(p, options), opt, options);
	th = fuzz_push(p, sizeof(*th));
	p->tcp = 0;
	th->source = fuzz_client_port(connection);
	th->dest = fuzz_service();
	if (!(flag & TCPHDR_SYN))
		seq += 1 + fuzz_below(3) * 100;
	else if (fuzz_one_in(8))
		seq += 1 << fuzz_below(32);
	th->seq = htonl(fuzz_one_in(16) ? (u32)fuzz_random() : seq);
	if (flag & TCPHDR_ACK)
		th->ack_seq = htonl(fuzz_one_in(8) ? (u32)fuzz_random() :
				    fuzz_tap_expects(connection));
	((u8 *)th)[13] = flag;
	th->doff = (sizeof(*th) + options) / 4;
	th->window = htons(fuzz_random());
}

/* The checksum of the TCP segment that the packet begins with, for addresses. */
static void fuzz_tcp_check(struct fuzz_packet *p, __be32 saddr, __be32 daddr)
{
	struct tcphdr *th = (void *)fuzz_start(p);

	th->check = 0;
	th->check = tcp_v4_check(p->len, saddr, daddr,
				 csum_partial(th, p->len, 0));
	if (fuzz_one_in(16)) {
		th->check = (__force __sum16)fuzz_random();
		p->intact = false;
	}
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

static struct iphdr *fuzz_ip(struct fuzz_packet *p, u8 protocol, __be32 saddr,
			     __be32 daddr, u16 frag)
{
	u32 options = fuzz_ip_options(p);
	struct iphdr *iph = fuzz_push(p, sizeof(*iph));

	iph->version = 4;
	iph->ihl = (sizeof(*iph) + options) / 4;
	iph->tos = fuzz_tos();
	iph->id = htons(fuzz_below(4));
	iph->ttl = fuzz_one_in(16) ? fuzz_below(3) : 64;
	iph->protocol = protocol;
	iph->saddr = saddr;
	iph->daddr = daddr;
	iph->frag_off = htons(frag);
	if (fuzz_one_in(32)) {
		iph->frag_off ^= htons(1 << fuzz_below(16));
		p->intact = false;
	}
	iph->tot_len = htons(p->len);
	ip_send_check(iph);
	return iph;
}

/* A client's packet of a connection to one of this host's or a peer's addresses. */
static void fuzz_of_client(struct fuzz_packet *p, __be32 to)
{
	u32 connection = fuzz_below(FUZZ_N_CLIENTS * FUZZ_N_PORTS);
	__be32 from = fuzz_client(connection);
	struct iphdr *iph;

	if (fuzz_one_in(32))
		from = fuzz_address();
	fuzz_tcp(p, connection);
	fuzz_tcp_check(p, from, to);
	iph = fuzz_ip(p, IPPROTO_TCP, from, to, fuzz_one_in(4) ? 0 : IP_DF);
	p->tcp = iph->ihl * 4;
}

/* An outer header, as a peer or a stranger would make it. */
static void fuzz_outer(struct fuzz_packet *p, __be32 from, __be32 to)
{
	u16 frag = fuzz_one_in(3) ? 0 : IP_DF;

	if (fuzz_one_in(32))
		from = fuzz_address();
	if (!fuzz_one_in(8))
		frag |= FUZZ_MARK;
	fuzz_ip(p, IPPROTO_IPIP, from, to, frag);
}

static void fuzz_redirected(struct fuzz_packet *p)
{
	__be32 peer = fuzz_peer();
	__be32 to = fuzz_one_in(32) ? fuzz_address() :
		    fuzz_one_in(8) ? fuzz_own() : peer;

	fuzz_of_client(p, to);
	fuzz_outer(p, peer, fuzz_own());
}

/* An offer of this host's that comes back. */
static void fuzz_returned(struct fuzz_packet *p)
{
	__be32 peer = fuzz_peer(), own = fuzz_own();

	fuzz_of_client(p, fuzz_one_in(8) ? peer : own);
	fuzz_ip(p, IPPROTO_IPIP, own, peer, FUZZ_MARK);
	p->tcp = 0;
	fuzz_outer(p, peer, own);
}

/* What hosts ask each other: see struct dpr_ask_message. */
static void fuzz_ask(struct fuzz_packet *p)
{
	u32 connection = fuzz_below(FUZZ_N_CLIENTS * FUZZ_N_PORTS);
	__be32 peer = fuzz_peer(), own = fuzz_own();
	u8 *msg = fuzz_push(p, 24);
	__be32 address = fuzz_one_in(2) ? own : peer;
	__be16 port = fuzz_service(), client_port = fuzz_client_port(connection);
	__be32 client = fuzz_client(connection);
	__sum16 check;

	memcpy(msg, "DPRo", 4);
	msg[4] = 1 + fuzz_below(3);
	fuzz_fill(msg + 8, 4);
	memcpy(msg + 12, &client, 4);
	memcpy(msg + 16, &address, 4);
	memcpy(msg + 20, &client_port, 2);
	memcpy(msg + 22, &port, 2);
	check = ip_compute_csum(msg, 24);
	memcpy(msg + 6, &check, 2);
	fuzz_ip(p, FUZZ_ASK, fuzz_one_in(16) ? fuzz_address() : peer, own,
		IP_DF);
	fuzz_outer(p, peer, own);
}

/* An ICMP error, quoting what this host or a peer could have sent. */
static void fuzz_icmp(struct fuzz_packet *p)
{
	u32 connection = fuzz_below(FUZZ_N_CLIENTS * FUZZ_N_PORTS);
	__be32 peer = fuzz_peer(), own = fuzz_own(), from;
	u32 quoted = fuzz_one_in(4) ? fuzz_below(60) : 28 + fuzz_below(64);
	struct icmphdr *icmp;
	struct tcphdr *th;

	fuzz_push(p, fuzz_below(64));
	th = fuzz_push(p, sizeof(*th));
	th->source = fuzz_service();
	th->dest = fuzz_client_port(connection);
	th->seq = htonl(fuzz_tap_expects(connection));
	th->doff = 5;
	from = fuzz_client(connection);
	fuzz_ip(p, IPPROTO_TCP, fuzz_one_in(4) ? peer : own, from, IP_DF);
	if (fuzz_one_in(3)) {
		fuzz_ip(p, IPPROTO_IPIP, own, peer, IP_DF | FUZZ_MARK);
		from = peer;
	}
	p->len = min(p->len, quoted);
	icmp = fuzz_push(p, sizeof(*icmp));
	icmp->type = fuzz_one_in(8) ? fuzz_below(20) : ICMP_DEST_UNREACH;
	icmp->code = fuzz_one_in(4) ? fuzz_below(16) : ICMP_FRAG_NEEDED;
	icmp->un.frag.mtu = htons(fuzz_one_in(4) ? fuzz_random() :
						   500 + fuzz_below(1000));
	if (!fuzz_one_in(16))
		icmp->checksum = ip_compute_csum(icmp, p->len);
	fuzz_ip(p, IPPROTO_ICMP, from, own, 0);
	if (fuzz_one_in(3))
		fuzz_outer(p, peer, own);
	p->tcp = 0;
	p->intact = false;
}

/* Of other protocols, for instance the outer header of another tunnel. */
static void fuzz_other(struct fuzz_packet *p)
{
	static const u8 protocols[] = { IPPROTO_UDP, IPPROTO_IPV6, IPPROTO_GRE,
					IPPROTO_IPIP, IPPROTO_ICMP, 253, 255 };

	fuzz_fill(fuzz_push(p, 64), 64);
	fuzz_ip(p, protocols[fuzz_below(ARRAY_SIZE(protocols))],
		fuzz_one_in(2) ? fuzz_peer() : fuzz_address(), fuzz_own(), 0);
	if (fuzz_one_in(2))
		fuzz_outer(p, fuzz_peer(), fuzz_own());
	p->intact = false;
}

/**
 * fuzz_packet_make - make up a packet
 * @p: the packet, overwritten
 */
void fuzz_packet_make(struct fuzz_packet *p)
{
	u32 kind = fuzz_below(100);

	p->at = FUZZ_ROOM + FUZZ_SIZE - 512;
	p->len = 0;
	p->tcp = 0;
	p->intact = true;
	if (kind < 40)
		fuzz_of_client(p, fuzz_one_in(32) ? fuzz_address() :
						    fuzz_own());
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

/**
 * fuzz_packet_fix - make the first header's length and checksum right
 * @p: the packet
 */
void fuzz_packet_fix(struct fuzz_packet *p)
{
	struct iphdr *iph = (void *)fuzz_start(p);

	if (p->len < sizeof(*iph))
		return;
	iph->tot_len = htons(p->len);
	if (iph->ihl >= 5 && iph->ihl * 4 <= p->len)
		ip_send_check(iph);
}
