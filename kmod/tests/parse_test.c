// SPDX-License-Identifier: GPL-2.0
/* Tests of the packet parsing (../parse.h): TAP on standard output. */
#include "parse_model.h"
#include "tap.h"

#define MOST	256

struct packet {
	u8 byte[MOST] __attribute__((aligned(4)));
	u32 len;
};

static void put(struct packet *p, const void *bytes, u32 n)
{
	memcpy(p->byte + p->len, bytes, n);
	p->len += n;
}

/* An IPv4 header: 192.0.2.7 > 10.0.0.1, with @optlen bytes of options. */
static u8 *ip(struct packet *p, u8 protocol, const void *options, u32 optlen)
{
	u8 header[20] = { 0x40, 0, 0, 0, 0, 1, 0, 0, 64, protocol, 0, 0,
			  192, 0, 2, 7, 10, 0, 0, 1 };
	u8 *start = p->byte + p->len;

	header[0] += 5 + optlen / 4;
	put(p, header, sizeof(header));
	put(p, options, optlen);
	return start;
}

/* A TCP header from port 4660 to 80: sequence number 0x01020304, ACK 0x05060708. */
static u8 *tcp(struct packet *p, u8 flags, const void *options, u32 optlen)
{
	u8 header[20] = { 0x12, 0x34, 0, 80, 1, 2, 3, 4, 5, 6, 7, 8,
			  0, flags, 0xff, 0xff };
	u8 *start = p->byte + p->len;

	header[12] = (5 + optlen / 4) << 4;
	put(p, header, sizeof(header));
	put(p, options, optlen);
	return start;
}

/* The packet is complete: the lengths and checksum of its header are set. */
static void finish(struct packet *p, u8 *header)
{
	u32 len = p->byte + p->len - header;

	header[2] = len / 256;
	header[3] = len % 256;
	model_set_checksum(header);
}

static void test_segment(void)
{
	struct packet p = { .len = 0 };
	struct dpr_segment seg;
	u8 *iph = ip(&p, IPPROTO_TCP, "\1\1\1\0", 4), *th = tcp(&p, 2, "", 0);

	finish(&p, iph);
	dpr_parse_segment((void *)iph, p.len, 0, &seg);
	check(seg.key.client.word[3] == htonl(0xc0000207) &&
	      seg.key.address.word[3] == htonl(0x0a000001) &&
	      seg.key.client_port == htons(4660) &&
	      seg.key.port == htons(80), "a segment's 4-tuple, behind IP options");
	check(seg.syn && !seg.fin && !seg.rst && !seg.has_ack &&
	      seg.seq == 0x01020304 && seg.end == 0x01020305,
	      "a SYN counts one");
	th[13] = 0x12;
	dpr_parse_segment((void *)iph, p.len, 0, &seg);
	check(!seg.syn && seg.has_ack && seg.ack == 0x05060708,
	      "a SYN-ACK begins no connection");
	th[13] = 0x11;
	put(&p, "data", 4);
	dpr_parse_segment((void *)iph, p.len, 0, &seg);
	check(seg.fin && seg.end == 0x01020304 + 5,
	      "data and FIN count");
	th[12] = 0xf0;
	dpr_parse_segment((void *)iph, p.len, 0, &seg);
	check(seg.end == 0x01020304 + 1, "an offset beyond the end means no data");
}

static void test_ip(void)
{
	struct packet p = { .len = 0 };
	u8 *iph = ip(&p, IPPROTO_TCP, "\1\1\1\1\1\1\1\1", 8);
	const struct iphdr *h = (void *)iph;
	int i, wrong = 0;

	tcp(&p, 0x10, "", 0);
	finish(&p, iph);
	check(dpr_parse_ip_hlen(h) == 28 && dpr_parse_ip_whole(h, p.len) &&
	      dpr_parse_ip_whole(h, p.len + 1),
	      "a whole packet, and one with a trailer");
	check(!dpr_parse_ip_whole(h, p.len - 1), "one byte is missing");
	for (i = 0; i < 28 * 8; i++) {
		iph[i / 8] ^= 1 << i % 8;
		wrong += dpr_parse_ip_hlen(h) == 28 &&
			 dpr_parse_ip_whole(h, p.len);
		iph[i / 8] ^= 1 << i % 8;
	}
	check(!wrong, "each flipped bit of a header is seen");
	iph[0] = 0x44;
	check(!dpr_parse_ip_hlen(h), "a header of 16 bytes is none");
	iph[0] = 0x65;
	check(!dpr_parse_ip_hlen(h), "version 6 is not 4");
	iph[0] = 0x47;
	iph[2] = 0;
	iph[3] = 27;
	model_set_checksum(iph);
	check(!dpr_parse_ip_whole(h, p.len), "a packet shorter than its header");
}

static void test_tcp_whole(void)
{
	struct packet p = { .len = 0 };
	u8 *iph = ip(&p, IPPROTO_TCP, "", 0), *th = tcp(&p, 2, "\2\4\5\xb4", 4);

	finish(&p, iph);
	check(dpr_parse_tcp_whole((void *)iph, (void *)th),
	      "a TCP header that fills its packet");
	th[12] = 0x70;
	check(!dpr_parse_tcp_whole((void *)iph, (void *)th),
	      "a TCP header that is longer than its packet");
	th[12] = 0x40;
	check(!dpr_parse_tcp_whole((void *)iph, (void *)th),
	      "a TCP header of 16 bytes");
}

static u32 mss(const char *options, u32 optlen)
{
	struct packet p = { .len = 0 };

	return dpr_parse_mss((void *)tcp(&p, 0x12, options, optlen));
}

static void test_mss(void)
{
	check(mss("\2\4\5\xb4", 4) == 22, "an MSS first");
	check(mss("\1\1\10\12abcdefgh\2\4\5\xb4", 16) == 34,
	      "an MSS after a timestamp");
	check(mss("\1\2\4\5\xb4\1\1\1", 8) == 23, "an MSS at an odd place");
	check(mss("", 0) == 0 && mss("\1\1\1\1", 4) == 0, "no MSS");
	check(mss("\0\2\4\5\xb4\0\0\0", 8) == 0, "nothing after the list's end");
	check(mss("\2\3\5\1", 4) == 0, "an MSS of a wrong length");
	check(mss("\3\0\2\4\5\xb4\0\0", 8) == 0, "an option of length 0");
	check(mss("\3\1\2\4\5\xb4\0\0", 8) == 0, "an option of length 1");
	check(mss("\1\1\2\4", 4) == 0, "an MSS that is cut short");
	check(mss("\1\1\1\2", 4) == 0, "an option without length");
}

static bool strip(const char *options, const char *want, u32 optlen)
{
	struct packet p = { .len = 0 };
	u8 *iph = ip(&p, IPPROTO_TCP, options, optlen);

	dpr_parse_strip_options((void *)iph);
	return !memcmp(iph + 20, want, optlen);
}

static void test_strip(void)
{
	check(strip("", "", 0), "no options, nothing to strip");
	check(strip("\7\7\4abcd\0", "\1\1\1\1\1\1\1\0", 8),
	      "a recorded route is not copied");
	check(strip("\x94\4\0\0", "\x94\4\0\0", 4), "a router alert is");
	check(strip("\1\x83\7\4abcd\7\3\4\0", "\1\x83\7\4abcd\1\1\1\0", 12),
	      "a loose source route is, what follows it is not");
	check(strip("\7\11\4abcd\0", "\7\11\4abcd\0", 8),
	      "an option that is too long is left");
	check(strip("\0\7\3\4", "\0\7\3\4", 4), "nothing after the list's end");
}

/* An ICMP error about a segment 10.0.0.1:80 > 192.0.2.7:4660. */
static void icmp(struct packet *p, u8 type, const void *options, u32 optlen)
{
	u8 message[8] = { type, 4, 0, 0, 0, 0, 5, 120 };
	u8 *outer = ip(p, IPPROTO_ICMP, options, optlen), *quoted;

	put(p, message, sizeof(message));
	quoted = ip(p, IPPROTO_TCP, options, optlen);
	memcpy(quoted + 12, "\12\0\0\1\300\0\2\7", 8);
	put(p, "\0\120\x12\x34\1\2\3\4", 8);
	finish(p, outer);
}

static bool about(const struct packet *p, u32 len)
{
	struct dpr_flow_key key;

	return dpr_parse_icmp(p->byte, len, IPPROTO_TCP, &key) &&
	       key.client.word[3] == htonl(0xc0000207) && key.client_port == htons(4660) &&
	       key.address.word[3] == htonl(0x0a000001) && key.port == htons(80);
}

static void test_icmp(void)
{
	struct packet p = { .len = 0 }, longest = { .len = 0 };
	struct dpr_flow_key key;
	u32 i, wrong = 0;

	icmp(&p, ICMP_DEST_UNREACH, "", 0);
	check(about(&p, p.len), "an error's connection");
	for (i = 20; i < p.len; i++)
		wrong += dpr_parse_icmp(p.byte, i, IPPROTO_TCP, &key);
	check(!wrong, "an error that is cut short, at each byte");
	for (i = 0; i < 256; i++) {
		p.byte[20] = i;
		wrong += about(&p, p.len) != (i == 3 || i == 11 || i == 12);
	}
	check(!wrong, "unreachable, time exceeded, parameter problem; no other");
	p.byte[20] = ICMP_DEST_UNREACH;
	check(!dpr_parse_icmp(p.byte, p.len, IPPROTO_IPIP, &key),
	      "about another protocol");
	p.byte[28 + 6] = 0x20;
	check(about(&p, p.len), "about a first fragment");
	p.byte[28 + 7] = 1;
	check(!about(&p, p.len), "about a later fragment: it has no ports");
	p.byte[28 + 6] = 0;
	p.byte[28 + 7] = 0;
	p.byte[6] = 0x20;
	check(!about(&p, p.len), "a fragment of an error");
	icmp(&longest, ICMP_TIME_EXCEEDED, "\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1"
	     "\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1", 40);
	check(longest.len == DPR_PARSE_ICMP_MAX && about(&longest, longest.len),
	      "both headers have all the options that they can");
}

/* A packet of some kind, whole. */
static void sample(struct packet *p)
{
	static const u8 nops[40] = "\7\7\4abcd\x94\4\0\0\1\2\4\5\xb4";
	u8 *iph;

	p->len = 0;
	if (number() % 2) {
		icmp(p, number() % 2 ? 3 : number() % 16, nops,
		     number() % 11 * 4);
		return;
	}
	iph = ip(p, IPPROTO_TCP, nops, number() % 11 * 4);
	tcp(p, number(), nops + number() % 16, number() % 7 * 4);
	put(p, nops, number() % 40);
	finish(p, iph);
}

static void test_against_model(void)
{
	const char *what = NULL;
	int round, flips;
	struct packet p;

	for (round = 0; round < 200000 && !what; round++) {
		sample(&p);
		for (flips = number() % 4; flips; flips--)
			p.byte[number() % p.len] = number();
		if (number() % 4 == 0)
			p.len = number() % (p.len + 1);
		what = model_disagrees(p.byte, p.len);
	}
	if (what)
		printf("# about %s\n", what);
	check(!what, "200,000 packets, broken at random, read as by the model");
}

#define BUCKETS	65536
#define FLOWS	(BUCKETS / 4 * 3)

/* Connections as clients make them, by pattern, the i-th. */
static struct dpr_flow_key connection(int pattern, u32 i)
{
	u32 client = i, port = 40000;

	switch (pattern) {
	case 0:		/* one client after the other, all ports of each */
		client = i / 32768;
		port = 1024 + i % 32768;
		break;
	case 1:		/* 256 clients in turn, rising ports */
		client = i % 256;
		port = 1024 + i / 256;
		break;
	case 2:		/* clients of many networks, ports in steps of two */
		client = i % 1000 << 8;
		port = 32768 + i / 1000 * 2;
		break;
	}
	return dpr_parse_key4(htonl(0x0a800000 + client), htons(port),
			      htonl(0x0a000001), htons(80));
}

/* The same of IPv6. */
static struct dpr_flow_key connection6(int pattern, u32 i)
{
	const u32 own[4] = { htonl(0x20010db8), 0, 0, htonl(1) };
	u32 client[4] = { htonl(0x20010db8), 0, 0, htonl(2) };
	u32 port = 1024 + i / 32768;

	switch (pattern) {
	case 4:		/* clients of one link */
		client[3] = htonl(i % 32768);
		break;
	case 5:		/* a client of each of many networks */
		client[1] = htonl(i % 32768);
		break;
	case 6:		/* what is added to one half is taken from the other */
		client[1] = htonl(i % 32768);
		client[3] = htonl(i % 32768);
		break;
	default:	/* all ports of each */
		client[2] = htonl(i / 32768);
		port = 1024 + i % 32768;
		break;
	}
	return dpr_parse_key6(client, htons(port), own, htons(80));
}

/*
 * The keys that a look-up compares, over what it would be if all buckets were
 * drawn; @longest is set to the longest chain.
 */
static double probes(int pattern, u32 seed, u32 *longest)
{
	static u32 bucket[BUCKETS];
	double sum = 0;
	u32 i;

	memset(bucket, 0, sizeof(bucket));
	*longest = 0;
	for (i = 0; i < FLOWS; i++) {
		struct dpr_flow_key key = pattern < 4 ?
					  connection(pattern, i) :
					  connection6(pattern, i);
		u32 *n = &bucket[dpr_parse_hash(&key, seed) % BUCKETS];

		sum += ++*n;
		if (*n > *longest)
			*longest = *n;
	}
	return sum / (FLOWS + (double)FLOWS * FLOWS / BUCKETS / 2);
}

static void test_hash(void)
{
	u32 longest, chain = 0, round;
	double ratio, most = 0;
	int pattern;

	for (pattern = 0; pattern < 8; pattern++) {
		for (round = 0; round < 50; round++) {
			ratio = probes(pattern, number(), &longest);
			most = ratio > most ? ratio : most;
			chain = longest > chain ? longest : chain;
		}
	}
	printf("# hash: at most %.2f of the probes of chance, chains of %u\n",
	       most, chain);
	check(most < 1.5, "clients' connections spread over the table");
	/* A chain of 16 makes the kernel's table rehash. */
	check(chain < 16, "no chain is long");
}

static void test_hash_seed(void)
{
	u32 i, both = 0, either = 0;

	/* Do connections that collide under one seed do so under another? */
	for (i = 0; i < 2000000; i++) {
		struct dpr_flow_key a = connection(3, number() % 5000);
		struct dpr_flow_key b = connection(0, number() % 5000);
		u32 one = dpr_parse_hash(&a, 1) ^ dpr_parse_hash(&b, 1);
		u32 two = dpr_parse_hash(&a, 2) ^ dpr_parse_hash(&b, 2);

		either += one % 1024 == 0;
		both += one % 1024 == 0 && two % 1024 == 0;
	}
	check(either > 1000 && both < 30, "what collides depends on the seed");
}

int main(void)
{
	test_hash();
	test_hash_seed();
	test_segment();
	test_ip();
	test_tcp_whole();
	test_mss();
	test_strip();
	test_icmp();
	test_against_model();
	return verdict();
}
