// SPDX-License-Identifier: GPL-2.0
#ifdef __KERNEL__
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/string.h>
#include <net/tcp.h>
#endif
#include "parse.h"

/* What an ICMP error must quote of the packet that it is about (RFC 792). */
#define DPR_PARSE_QUOTED	8

/*
 * Options of IP and of TCP alike: two of one byte, which end the list and pad
 * it; the others say their length. Returns that of the first, 0 if the list
 * ends here or is broken.
 */
static unsigned int dpr_parse_option(const u8 *opt, const u8 *end)
{
	if (opt >= end || *opt == TCPOPT_EOL)
		return 0;
	if (*opt == TCPOPT_NOP)
		return 1;
	if (end - opt < 2 || opt[1] < 2 || opt[1] > end - opt)
		return 0;
	return opt[1];
}

/**
 * dpr_parse_mss - where is a segment's MSS
 * @th: the TCP header, as long as it says
 *
 * Return: offset of the option's value, two bytes, from @th; 0 if there is none.
 */
unsigned int dpr_parse_mss(const struct tcphdr *th)
{
	const u8 *start = (const u8 *)th, *end = start + th->doff * 4;
	const u8 *opt = start + sizeof(*th);
	unsigned int len;

	for (; (len = dpr_parse_option(opt, end)); opt += len)
		if (*opt == TCPOPT_MSS)
			return len == TCPOLEN_MSS ? opt + 2 - start : 0;
	return 0;
}

/**
 * dpr_parse_strip_options - leave of the options what later fragments carry
 * @iph: the header, as long as it says; the checksum is left to the caller
 *
 * That is those with the copied bit (RFC 791). The others are padded over.
 */
void dpr_parse_strip_options(struct iphdr *iph)
{
	u8 *opt = (u8 *)(iph + 1), *end = (u8 *)iph + iph->ihl * 4;
	unsigned int len;

	for (; (len = dpr_parse_option(opt, end)); opt += len)
		if (!(*opt & 0x80))
			memset(opt, TCPOPT_NOP, len);
}

/**
 * dpr_parse_icmp - which connection is an ICMP error about
 * @packet: the message from its IP header on, which has been checked
 * @len: bytes of it; more than DPR_PARSE_ICMP_MAX make no difference
 * @protocol: protocol that the quoted packet must have
 * @key: set to the connection: the quoted packet went from @key->address to
 *	@key->client. For a protocol without ports those are 0
 *
 * ICMP redirects are no errors: they concern this host alone.
 *
 * Return: false if it is no such error, or its quote is too short.
 */
bool dpr_parse_icmp(const void *packet, unsigned int len, u8 protocol,
		    struct dpr_flow_key *key)
{
	const struct iphdr *iph = packet, *quoted;
	unsigned int offset = iph->ihl * 4;
	const struct icmphdr *icmph = packet + offset;
	const __be16 *ports;

	offset += sizeof(*icmph) + sizeof(*quoted);
	if (iph->frag_off & htons(IP_MF | IP_OFFSET) || len < offset)
		return false;
	if (icmph->type != ICMP_DEST_UNREACH &&
	    icmph->type != ICMP_TIME_EXCEEDED &&
	    icmph->type != ICMP_PARAMETERPROB)
		return false;
	quoted = (const void *)(icmph + 1);
	if (!dpr_parse_ip_hlen(quoted) || quoted->protocol != protocol ||
	    quoted->frag_off & htons(IP_OFFSET))
		return false;
	*key = dpr_parse_key4(quoted->daddr, 0, quoted->saddr, 0);
	if (protocol != IPPROTO_TCP)
		return true;
	ports = (const void *)quoted + quoted->ihl * 4;
	if (len < (const u8 *)ports - (const u8 *)packet + DPR_PARSE_QUOTED)
		return false;
	key->port = ports[0];
	key->client_port = ports[1];
	return true;
}

/**
 * dpr_parse_icmp6 - which connection is an ICMPv6 error about (RFC 4443)
 * @message: from its ICMPv6 header on, at least 8 bytes
 * @len: bytes of it; more than DPR_PARSE_ICMP6_MAX make no difference
 * @protocol: what must follow the quoted packet's IPv6 header: errors about packets
 *	with extension headers are ignored
 * @key: as dpr_parse_icmp() sets it
 *
 * Return: false if it is no such error, or its quote is too short.
 */
bool dpr_parse_icmp6(const void *message, unsigned int len, u8 protocol,
		     struct dpr_flow_key *key)
{
	const struct icmp6hdr *icmph = message;
	const struct ipv6hdr *quoted = (const void *)(icmph + 1);
	const __be16 *ports = (const void *)(quoted + 1);

	if (len < sizeof(*icmph) + sizeof(*quoted))
		return false;
	/* Unreachable, too big, time exceeded, parameter problem. */
	if (!icmph->icmp6_type || icmph->icmp6_type > ICMPV6_PARAMPROB)
		return false;
	if (quoted->version != 6 || quoted->nexthdr != protocol)
		return false;
	*key = dpr_parse_key6(&quoted->daddr, 0, &quoted->saddr, 0);
	if (protocol != IPPROTO_TCP)
		return true;
	if (len < DPR_PARSE_ICMP6_MAX)
		return false;
	key->port = ports[0];
	key->client_port = ports[1];
	return true;
}
