// SPDX-License-Identifier: GPL-2.0
#include <linux/skbuff.h>
#include "core/parse.h"
#include "icmp_about.h"

/**
 * dpr_icmp_about - which connection is an ICMP error about
 * @skb: the packet
 * @offset: of the ICMP message's IP header from skb->data; that header has
 *	been checked
 * @protocol: protocol that the quoted packet must have
 * @key: set to the connection, see dpr_parse_icmp()
 *
 * Changes nothing; trusts no length.
 *
 * Return: false if it is no such error, or its quote is too short.
 */
bool dpr_icmp_about(const struct sk_buff *skb, unsigned int offset, u8 protocol,
		    struct dpr_flow_key *key)
{
	u8 buf[DPR_PARSE_ICMP_MAX] __aligned(4);
	unsigned int len = min_t(unsigned int, skb->len - offset, sizeof(buf));
	const void *packet = skb_header_pointer(skb, offset, len, buf);

	return packet && dpr_parse_icmp(packet, len, protocol, key);
}

/**
 * dpr_icmp_about6 - which connection is an ICMPv6 error about
 * @skb: the packet
 * @offset: of the ICMPv6 header from skb->data
 * @protocol: protocol that the quoted packet must have
 * @key: set to the connection, see dpr_parse_icmp6()
 *
 * Changes nothing; trusts no length.
 *
 * Return: false if it is no such error, or its quote is too short.
 */
bool dpr_icmp_about6(const struct sk_buff *skb, unsigned int offset, u8 protocol,
		     struct dpr_flow_key *key)
{
	u8 buf[DPR_PARSE_ICMP6_MAX] __aligned(4);
	const void *message;
	unsigned int len;

	if (skb->len < offset)
		return false;
	len = min_t(unsigned int, skb->len - offset, sizeof(buf));
	message = skb_header_pointer(skb, offset, len, buf);
	return message && dpr_parse_icmp6(message, len, protocol, key);
}
