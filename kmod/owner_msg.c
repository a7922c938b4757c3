// SPDX-License-Identifier: GPL-2.0
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <net/ip.h>
#include "core/parse.h"
#include "owner_msg.h"

#define DPR_OWNER_MSG_MAGIC	0x4450526f /* "DPRo" */

/**
 * struct dpr_owner_msg_wire - what an inner packet of DPR_OWNER_MSG_PROTOCOL holds
 * @magic: DPR_OWNER_MSG_MAGIC
 * @kind: enum dpr_owner_msg_kind
 * @zero: 0
 * @check: Internet checksum of the message
 * @nonce: as in struct dpr_owner_msg
 * @key: the connection
 */
struct dpr_owner_msg_wire {
	__be32 magic;
	u8 kind;
	u8 zero;
	__sum16 check;
	__be32 nonce;
	struct dpr_flow_key key;
};

/**
 * dpr_owner_msg_encode - make the packet of a message
 * @msg: the message
 * @from: this host's address
 * @to: the peer's
 *
 * It is an IP packet as if from this host to the peer, with room for an outer
 * header. Its device is the caller's to set. Called in softirq.
 *
 * Return: the packet, NULL if there is no memory.
 */
struct sk_buff *dpr_owner_msg_encode(const struct dpr_owner_msg *msg,
				     __be32 from, __be32 to)
{
	const unsigned int room = LL_MAX_HEADER + sizeof(struct iphdr);
	struct dpr_owner_msg_wire *wire;
	struct sk_buff *skb;
	struct iphdr *iph;

	BUILD_BUG_ON(sizeof(*wire) != 24);
	skb = alloc_skb(room + sizeof(*iph) + sizeof(*wire),
			GFP_ATOMIC | __GFP_NOWARN);
	if (!skb)
		return NULL;
	skb_reserve(skb, room);
	skb_reset_network_header(skb);
	iph = skb_put_zero(skb, sizeof(*iph));
	iph->version = 4;
	iph->ihl = sizeof(*iph) >> 2;
	iph->tot_len = htons(sizeof(*iph) + sizeof(*wire));
	iph->frag_off = htons(IP_DF);
	iph->ttl = 1;
	iph->protocol = DPR_OWNER_MSG_PROTOCOL;
	iph->saddr = from;
	iph->daddr = to;
	ip_send_check(iph);
	wire = skb_put_zero(skb, sizeof(*wire));
	wire->magic = htonl(DPR_OWNER_MSG_MAGIC);
	wire->kind = msg->kind;
	wire->nonce = htonl(msg->nonce);
	wire->key = msg->key;
	wire->check = ip_compute_csum(wire, sizeof(*wire));
	skb->protocol = htons(ETH_P_IP);
	return skb;
}

/**
 * dpr_owner_msg_decode - read a message
 * @skb: the packet
 * @offset: of the IP header that carries the message, from skb->data; that
 *	header is in the linear part, and checked
 * @msg: set to the message
 *
 * Return: false if it is none.
 */
bool dpr_owner_msg_decode(const struct sk_buff *skb, unsigned int offset,
			  struct dpr_owner_msg *msg)
{
	const struct iphdr *iph = (const void *)skb->data + offset;
	const struct dpr_owner_msg_wire *wire;
	struct dpr_owner_msg_wire _wire;

	if (ntohs(iph->tot_len) < iph->ihl * 4 + sizeof(*wire))
		return false;
	wire = skb_header_pointer(skb, offset + iph->ihl * 4, sizeof(_wire),
				  &_wire);
	if (!wire || wire->magic != htonl(DPR_OWNER_MSG_MAGIC) || wire->zero ||
	    ip_compute_csum(wire, sizeof(*wire)))
		return false;
	*msg = (struct dpr_owner_msg){
		.kind = wire->kind,
		.nonce = ntohl(wire->nonce),
		.key = wire->key,
	};
	return true;
}
