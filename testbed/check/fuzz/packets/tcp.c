// SPDX-License-Identifier: GPL-2.0
/* Segments of connections. */
#include <linux/tcp.h>
#include <net/ip6_checksum.h>
#include <net/tcp.h>
#include "fuzz.h"

/** fuzz_client_port - the client's port of a connection */
__be16 fuzz_client_port(u32 connection)
{
	return htons(FUZZ_CLIENT_PORT +
		     connection / FUZZ_N_CLIENTS % FUZZ_N_PORTS);
}

/** fuzz_service - the port of a service, rarely any other */
__be16 fuzz_service(void)
{
	static const u16 port[] = { 80, 80, 80, 80, 81, 82, 8081 };

	return htons(fuzz_one_in(64) ? (u16)fuzz_random() :
		     port[fuzz_below(ARRAY_SIZE(port))]);
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

/**
 * fuzz_tcp - put a segment of a connection in front of what there is
 * @p: the packet
 * @connection: its number
 * @wide: it is one of IPv6
 *
 * Mostly one with a plausible number: the client's begin at 1000 times the
 * connection's. Sets no checksum.
 */
void fuzz_tcp(struct fuzz_packet *p, u32 connection, bool wide)
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
	th->source = fuzz_client_port(connection);
	th->dest = fuzz_service();
	if (!(flag & TCPHDR_SYN))
		seq += 1 + fuzz_below(3) * 100;
	else if (fuzz_one_in(8))
		seq += 1 << fuzz_below(32);
	th->seq = htonl(fuzz_one_in(16) ? (u32)fuzz_random() : seq);
	if (flag & TCPHDR_ACK)
		th->ack_seq = htonl(fuzz_one_in(8) ? (u32)fuzz_random() :
				    fuzz_tap_expects(connection, wide));
	((u8 *)th)[13] = flag;
	th->doff = (sizeof(*th) + options) / 4;
	th->window = htons(fuzz_random());
}

/**
 * fuzz_tcp_check - set the checksum of a segment, mostly the right one
 * @p: the packet, which begins with the segment
 * @from: its source
 * @to: its destination
 */
void fuzz_tcp_check(struct fuzz_packet *p, const struct in6_addr *from,
		    const struct in6_addr *to)
{
	struct tcphdr *th = (void *)fuzz_start(p);
	__wsum sum;

	th->check = 0;
	sum = csum_partial(th, p->len, 0);
	if (ipv6_addr_v4mapped(to))
		th->check = tcp_v4_check(p->len, from->s6_addr32[3],
					 to->s6_addr32[3], sum);
	else
		th->check = tcp_v6_check(p->len, from, to, sum);
	if (fuzz_one_in(16)) {
		th->check = (__force __sum16)fuzz_random();
		p->intact = false;
	}
}
