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

/*
 * A message of several questions has their number where others have a zero, and for each
 * one what others have from the nonce on.
 */
#define DPR_OWNER_MSG_FRAME	offsetof(struct dpr_owner_msg_wire, nonce)

/* How long a message of several questions is. */
static unsigned int dpr_owner_msg_len_many(u32 n, bool wide)
{
	const unsigned int one = wide ? DPR_OWNER_MSG_LEN6 : DPR_OWNER_MSG_LEN;

	return DPR_OWNER_MSG_FRAME + n * (one - DPR_OWNER_MSG_FRAME);
}

static void dpr_owner_msg_put_key(__be32 *address, const struct dpr_flow_key *key)
{
	__be16 *ports = (__be16 *)(address + (key->wide ? 8 : 2));

	if (key->wide) {
		memcpy(address, &key->client, sizeof(key->client));
		memcpy(address + 4, &key->address, sizeof(key->address));
	} else {
		address[0] = key->client.word[3];
		address[1] = key->address.word[3];
	}
	ports[0] = key->client_port;
	ports[1] = key->port;
}

static void dpr_owner_msg_get_key(const __be32 *address, bool wide,
				  struct dpr_flow_key *key)
{
	const __be16 *ports = (const __be16 *)(address + (wide ? 8 : 2));

	if (unlikely(wide)) {
		memcpy(&key->client, address, sizeof(key->client));
		memcpy(&key->address, address + 4, sizeof(key->address));
	} else {
		dpr_addr_set4(&key->client, address[0]);
		dpr_addr_set4(&key->address, address[1]);
	}
	key->client_port = ports[0];
	key->port = ports[1];
	key->wide = wide;
}

/* Reads a connection; false if an address is of the other family, in disguise. */
static bool dpr_owner_msg_take_key(const __be32 *address, bool wide,
				   struct dpr_flow_key *key)
{
	dpr_owner_msg_get_key(address, wide, key);
	return !wide || (!dpr_addr_is4(&key->client) &&
			 !dpr_addr_is4(&key->address));
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
	dpr_owner_msg_put_key(wire->address, &msg->key);
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
	return dpr_owner_msg_take_key(wire->address, wide, &msg->key);
}

/**
 * dpr_owner_msg_encode_many - make the packet of several questions
 * @question: the questions, all about connections of one family
 * @n: how many, 1 to DPR_OWNER_MSG_MOST
 * @from: this host's address
 * @to: the peer's, of the same family
 *
 * As dpr_owner_msg_encode().
 *
 * Return: the packet, NULL if there is no memory.
 */
struct sk_buff *
dpr_owner_msg_encode_many(const struct dpr_owner_question *question, u32 n,
			  const struct dpr_addr *from, const struct dpr_addr *to)
{
	const bool wide = question->key.wide;
	const unsigned int len = dpr_owner_msg_len_many(n, wide);
	struct dpr_owner_msg_wire *wire;
	struct sk_buff *skb;
	__be32 *at;
	u32 i;

	skb = dpr_owner_msg_alloc(len, from, to);
	if (!skb)
		return NULL;
	wire = skb_put_zero(skb, len);
	wire->magic = htonl(wide ? DPR_OWNER_MSG_MAGIC6 : DPR_OWNER_MSG_MAGIC);
	wire->kind = DPR_OWNER_MSG_MANY;
	wire->zero = n;
	at = &wire->nonce;
	for (i = 0; i < n; i++) {
		*at++ = htonl(question[i].nonce);
		dpr_owner_msg_put_key(at, &question[i].key);
		at += wide ? 9 : 3;
	}
	wire->check = ip_compute_csum(wire, len);
	return skb;
}

/**
 * dpr_owner_msg_copy - make the packet of the same message to another host
 * @skb: the packet, as it was made
 * @to: the host's address, of the same family
 *
 * Called in softirq.
 *
 * Return: the packet, NULL if there is no memory.
 */
struct sk_buff *dpr_owner_msg_copy(const struct sk_buff *skb,
				   const struct dpr_addr *to)
{
	struct sk_buff *copy = skb_copy(skb, GFP_ATOMIC | __GFP_NOWARN);

	if (!copy)
		return NULL;
	if (!dpr_addr_is4(to)) {
		ipv6_hdr(copy)->daddr = *dpr_local_in6(to);
		return copy;
	}
	ip_hdr(copy)->daddr = to->word[3];
	ip_send_check(ip_hdr(copy));
	return copy;
}

/**
 * dpr_owner_msg_decode_many - read the frame of a message of several questions
 * @skb: the packet
 * @offset: of the message from skb->data
 * @len: bytes from there to the end of the packet that carries it; not more than
 *	there are
 * @many: set to the frame
 *
 * Return: false if it is none.
 */
bool dpr_owner_msg_decode_many(const struct sk_buff *skb, unsigned int offset,
			       unsigned int len, struct dpr_owner_many *many)
{
	struct dpr_owner_msg_wire _wire __uninitialized;
	const struct dpr_owner_msg_wire *wire;
	unsigned int need;

	if (len < DPR_OWNER_MSG_FRAME)
		return false;
	wire = skb_header_pointer(skb, offset, DPR_OWNER_MSG_FRAME, &_wire);
	if (!wire || wire->kind != DPR_OWNER_MSG_MANY || !wire->zero)
		return false;
	many->wide = wire->magic == htonl(DPR_OWNER_MSG_MAGIC6);
	if (!many->wide && wire->magic != htonl(DPR_OWNER_MSG_MAGIC))
		return false;
	many->n = wire->zero;
	many->offset = offset + DPR_OWNER_MSG_FRAME;
	need = dpr_owner_msg_len_many(many->n, many->wide);
	return many->n <= DPR_OWNER_MSG_MOST && len >= need &&
	       !csum_fold(skb_checksum(skb, offset, need, 0));
}

/**
 * dpr_owner_msg_question - read one of several questions
 * @skb: the packet
 * @many: its frame
 * @i: which question, from 0 on, less than @many->n
 * @msg: set to the question, as a message of its own
 *
 * Return: false if it is none.
 */
bool dpr_owner_msg_question(const struct sk_buff *skb,
			    const struct dpr_owner_many *many, u32 i,
			    struct dpr_owner_msg *msg)
{
	const unsigned int size = dpr_owner_msg_len_many(1, many->wide) -
				  DPR_OWNER_MSG_FRAME;
	__be32 _wire[10] __uninitialized;
	const __be32 *wire;

	wire = skb_header_pointer(skb, many->offset + i * size, size, _wire);
	if (!wire)
		return false;
	msg->kind = DPR_OWNER_MSG_WHO;
	msg->nonce = ntohl(wire[0]);
	return dpr_owner_msg_take_key(wire + 1, many->wide, &msg->key);
}
