// SPDX-License-Identifier: GPL-2.0
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include "core/parse.h"
#include "local.h"
#include "owner_msg.h"

#define DPR_OWNER_MSG_MAGIC	0x4450526f /* "DPRo" */
#define DPR_OWNER_MSG_MAGIC6	0x44505236 /* "DPR6" */

/**
 * struct dpr_owner_msg_wire - what an inner packet of DPR_OWNER_MSG_PROTOCOL holds
 * @magic: DPR_OWNER_MSG_MAGIC, or of a connection of IPv6 DPR_OWNER_MSG_MAGIC6
 * @kind: enum dpr_owner_msg_kind
 * @zero: 0
 * @check: Internet checksum of the message
 * @nonce: as in struct dpr_owner_msg
 * @address: the client's, and the one that it talks to: four bytes each, of IPv6 16;
 *	then the client's port and the service's
 * @more: room for the ports behind IPv6 addresses
 */
struct dpr_owner_msg_wire {
	__be32 magic;
	u8 kind;
	u8 zero;
	__sum16 check;
	__be32 nonce;
	__be32 address[2 * 4];
	__be16 more[2];
};

#define DPR_OWNER_MSG_LEN	24
#define DPR_OWNER_MSG_LEN6	48

/* Where the ports are, behind the addresses. */
static __be16 *dpr_owner_msg_ports(struct dpr_owner_msg_wire *wire, bool wide)
{
	return (__be16 *)&wire->address[wide ? 8 : 2];
}

static void dpr_owner_msg_put_key(struct dpr_owner_msg_wire *wire,
				  const struct dpr_flow_key *key)
{
	__be16 *ports = dpr_owner_msg_ports(wire, key->wide);

	if (key->wide) {
		memcpy(wire->address, &key->client, sizeof(key->client));
		memcpy(wire->address + 4, &key->address, sizeof(key->address));
	} else {
		wire->address[0] = key->client.word[3];
		wire->address[1] = key->address.word[3];
	}
	ports[0] = key->client_port;
	ports[1] = key->port;
}

static void dpr_owner_msg_get_key(const struct dpr_owner_msg_wire *wire, bool wide,
				  struct dpr_flow_key *key)
{
	const __be16 *ports = (const __be16 *)&wire->address[wide ? 8 : 2];

	if (unlikely(wide)) {
		memcpy(&key->client, wire->address, sizeof(key->client));
		memcpy(&key->address, wire->address + 4,
		       sizeof(key->address));
	} else {
		dpr_addr_set4(&key->client, wire->address[0]);
		dpr_addr_set4(&key->address, wire->address[1]);
	}
	key->client_port = ports[0];
	key->port = ports[1];
	key->wide = wide;
}

/* The header of a packet that says it is from one host to the other. */
static void dpr_owner_msg_put_header(struct sk_buff *skb, unsigned int len,
				     const struct dpr_addr *from,
				     const struct dpr_addr *to)
{
	struct ipv6hdr *ip6h;
	struct iphdr *iph;

	skb_reset_network_header(skb);
	if (!dpr_addr_is4(from)) {
		ip6h = skb_put_zero(skb, sizeof(*ip6h));
		ip6h->version = 6;
		ip6h->payload_len = htons(len);
		ip6h->nexthdr = DPR_OWNER_MSG_PROTOCOL;
		ip6h->hop_limit = 1;
		ip6h->saddr = *dpr_local_in6(from);
		ip6h->daddr = *dpr_local_in6(to);
		skb->protocol = htons(ETH_P_IPV6);
		return;
	}
	iph = skb_put_zero(skb, sizeof(*iph));
	iph->version = 4;
	iph->ihl = sizeof(*iph) >> 2;
	iph->tot_len = htons(sizeof(*iph) + len);
	iph->frag_off = htons(IP_DF);
	iph->ttl = 1;
	iph->protocol = DPR_OWNER_MSG_PROTOCOL;
	iph->saddr = from->word[3];
	iph->daddr = to->word[3];
	ip_send_check(iph);
	skb->protocol = htons(ETH_P_IP);
}

/**
 * dpr_owner_msg_alloc - make a packet between hosts, without what it says
 * @len: bytes that it will say
 * @from: this host's address, or another one that it is to come from
 * @to: the peer's, of the same family
 *
 * It is an IP packet as if from this host to the peer, with room for an outer header, and
 * not to be routed: its TTL is 1. Its device is the caller's to set. Called in softirq.
 *
 * Return: the packet, to which @len bytes can be put; NULL if there is no memory.
 */
struct sk_buff *dpr_owner_msg_alloc(unsigned int len, const struct dpr_addr *from,
				    const struct dpr_addr *to)
{
	const unsigned int room = LL_MAX_HEADER + sizeof(struct ipv6hdr);
	struct sk_buff *skb;

	skb = alloc_skb(room + sizeof(struct ipv6hdr) + len,
			GFP_ATOMIC | __GFP_NOWARN);
	if (!skb)
		return NULL;
	skb_reserve(skb, room);
	dpr_owner_msg_put_header(skb, len, from, to);
	return skb;
}

/**
 * dpr_owner_msg_encode - make the packet of a message
 * @msg: the message
 * @from: this host's address, or another one that it is to come from
 * @to: the peer's, of the same family
 *
 * As dpr_owner_msg_alloc().
 *
 * Return: the packet, NULL if there is no memory.
 */
struct sk_buff *dpr_owner_msg_encode(const struct dpr_owner_msg *msg,
				     const struct dpr_addr *from,
				     const struct dpr_addr *to)
{
	const bool wide = msg->key.wide;
	const unsigned int len = wide ? DPR_OWNER_MSG_LEN6 : DPR_OWNER_MSG_LEN;
	struct dpr_owner_msg_wire *wire;
	struct sk_buff *skb;

	BUILD_BUG_ON(sizeof(*wire) != DPR_OWNER_MSG_LEN6);
	skb = dpr_owner_msg_alloc(len, from, to);
	if (!skb)
		return NULL;
	wire = skb_put_zero(skb, len);
	wire->magic = htonl(wide ? DPR_OWNER_MSG_MAGIC6 : DPR_OWNER_MSG_MAGIC);
	wire->kind = msg->kind;
	wire->nonce = htonl(msg->nonce);
	dpr_owner_msg_put_key(wire, &msg->key);
	wire->check = ip_compute_csum(wire, len);
	return skb;
}

/**
 * dpr_owner_msg_decode - read a message
 * @skb: the packet
 * @offset: of the message from skb->data
 * @len: bytes from there to the end of the packet that carries it; not more than
 *	there are
 * @msg: set to the message
 *
 * Return: false if it is none.
 */
bool dpr_owner_msg_decode(const struct sk_buff *skb, unsigned int offset,
			  unsigned int len, struct dpr_owner_msg *msg)
{
	struct dpr_owner_msg_wire _wire __uninitialized;
	const struct dpr_owner_msg_wire *wire;
	unsigned int need = DPR_OWNER_MSG_LEN;
	bool wide;

	wire = len < need ? NULL : skb_header_pointer(skb, offset, need, &_wire);
	if (!wire)
		return false;
	wide = wire->magic == htonl(DPR_OWNER_MSG_MAGIC6);
	if (unlikely(wide)) {
		need = DPR_OWNER_MSG_LEN6;
		wire = len < need ? NULL :
		       skb_header_pointer(skb, offset, need, &_wire);
	} else if (wire->magic != htonl(DPR_OWNER_MSG_MAGIC)) {
		return false;
	}
	if (!wire || wire->zero || ip_compute_csum(wire, need))
		return false;
	msg->kind = wire->kind;
	msg->nonce = ntohl(wire->nonce);
	dpr_owner_msg_get_key(wire, wide, &msg->key);
	/* An address of the other family, in disguise. */
	return !wide || (!dpr_addr_is4(&msg->key.client) &&
			 !dpr_addr_is4(&msg->key.address));
}
