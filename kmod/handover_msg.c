// SPDX-License-Identifier: GPL-2.0
#include <linux/netdevice.h>
#include <linux/siphash.h>
#include <linux/skbuff.h>
#include <linux/timekeeping.h>
#include "config.h"
#include "handover_msg.h"
#include "inner.h"
#include "local.h"
#include "owner_msg.h"

#define DPR_HANDOVER_MSG_MAGIC	0x44505268 /* "DPRh" */

#define DPR_HANDOVER_MSG_TIMESTAMPS	BIT(0)
#define DPR_HANDOVER_MSG_SACK		BIT(1)
#define DPR_HANDOVER_MSG_SCALES		BIT(2)
#define DPR_HANDOVER_MSG_ECN		BIT(3)
#define DPR_HANDOVER_MSG_MUST		BIT(4)
#define DPR_HANDOVER_MSG_FAILED		BIT(5)

/**
 * struct dpr_handover_msg_wire - what every message begins with
 * @magic: DPR_HANDOVER_MSG_MAGIC
 * @kind: enum dpr_handover_msg_kind
 * @flags: DPR_HANDOVER_MSG_*
 * @attempt: which handover
 * @scales: the client's scale, times 16, and this end's
 * @stamp: when it was made: seconds since 1970 UTC
 * @key_id: whose key made @mac
 * @client_isn: as in struct dpr_handover_options, and so what follows
 * @isn: likewise
 * @ts_recent: likewise
 * @ts_now: likewise
 * @mss: likewise
 * @zero: 0
 * @mac: SipHash-2-4 of struct dpr_handover_msg_signed
 */
struct dpr_handover_msg_wire {
	__be32 magic;
	u8 kind;
	u8 flags;
	u8 attempt;
	u8 scales;
	__be32 stamp;
	__be32 key_id;
	__be32 client_isn;
	__be32 isn;
	__be32 ts_recent;
	__be32 ts_now;
	__be16 mss;
	__be16 zero[3];
	__le64 mac;
} __packed;

/**
 * struct dpr_handover_msg_tuple - which connection
 * @client: the client's address; an IPv4 one as an IPv6 one (::ffff:0:0/96)
 * @address: likewise the one that it talks to
 * @client_port: the client's port
 * @port: the service's
 */
struct dpr_handover_msg_tuple {
	__be32 client[4];
	__be32 address[4];
	__be16 client_port;
	__be16 port;
} __packed;

/**
 * struct dpr_handover_msg_signed - what is authenticated
 * @wire: the message, without its mac
 * @tuple: the connection
 * @from: the host that it is from, as in @tuple
 * @to: the host that it is for
 */
struct dpr_handover_msg_signed {
	u8 wire[offsetof(struct dpr_handover_msg_wire, mac)];
	struct dpr_handover_msg_tuple tuple;
	__be32 from[4];
	__be32 to[4];
} __packed;

static void dpr_handover_msg_put_tuple(struct dpr_handover_msg_tuple *tuple,
				       const struct dpr_flow_key *key)
{
	memcpy(tuple->client, &key->client, sizeof(tuple->client));
	memcpy(tuple->address, &key->address, sizeof(tuple->address));
	tuple->client_port = key->client_port;
	tuple->port = key->port;
}

static bool dpr_handover_msg_get_tuple(const struct dpr_handover_msg_tuple *tuple,
				       struct dpr_flow_key *key)
{
	key->client = dpr_addr_of6(tuple->client);
	key->address = dpr_addr_of6(tuple->address);
	key->client_port = tuple->client_port;
	key->port = tuple->port;
	key->wide = !dpr_addr_is4(&key->client);
	return dpr_addr_is4(&key->address) == !key->wide;
}

static u64 dpr_handover_msg_mac(const struct dpr_handover_msg_wire *wire,
				const struct dpr_flow_key *key,
				const struct dpr_addr *from,
				const struct dpr_addr *to,
				const siphash_key_t *secret)
{
	struct dpr_handover_msg_signed text __aligned(8);

	memcpy(text.wire, wire, sizeof(text.wire));
	dpr_handover_msg_put_tuple(&text.tuple, key);
	memcpy(text.from, from, sizeof(text.from));
	memcpy(text.to, to, sizeof(text.to));
	return siphash(&text, sizeof(text), secret);
}

static void dpr_handover_msg_fill(struct dpr_handover_msg_wire *wire,
				  const struct dpr_config *cfg,
				  const struct dpr_handover_msg *msg,
				  const struct dpr_addr *to)
{
	const struct dpr_handover_options *options = &msg->options;

	*wire = (struct dpr_handover_msg_wire){
		.magic = htonl(DPR_HANDOVER_MSG_MAGIC),
		.kind = msg->kind,
		.flags = (options->timestamps ? DPR_HANDOVER_MSG_TIMESTAMPS : 0) |
			 (options->sack ? DPR_HANDOVER_MSG_SACK : 0) |
			 (options->scales ? DPR_HANDOVER_MSG_SCALES : 0) |
			 (options->ecn ? DPR_HANDOVER_MSG_ECN : 0) |
			 (msg->must ? DPR_HANDOVER_MSG_MUST : 0) |
			 (msg->failed ? DPR_HANDOVER_MSG_FAILED : 0),
		.attempt = msg->attempt,
		.scales = options->client_scale << 4 | options->scale,
		.stamp = htonl((u32)ktime_get_real_seconds()),
		.key_id = htonl(cfg->key[0].id),
		.client_isn = htonl(options->client_isn),
		.isn = htonl(options->isn),
		.ts_recent = htonl(options->ts_recent),
		.ts_now = htonl(options->ts_now),
		.mss = htons(options->mss),
	};
	wire->mac = cpu_to_le64(dpr_handover_msg_mac(wire, &msg->key,
						     &cfg->address, to,
						     &cfg->key[0].key));
}

/**
 * dpr_handover_msg_overhead - bytes that a handover adds to a client's packet
 * @wide: the hosts' addresses are IPv6 ones
 *
 * Without the tunnel's own header.
 */
unsigned int dpr_handover_msg_overhead(bool wide)
{
	return sizeof(struct dpr_handover_msg_wire) +
	       (wide ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
}

/**
 * dpr_handover_msg_encode - make the packet of a message
 * @cfg: the configuration, with at least one key
 * @msg: the message
 * @packet: the client's packet, its IP header at skb->data; NULL for an answer
 * @to: the peer's address, of the family of this host's own
 *
 * As dpr_owner_msg_encode().
 *
 * Return: the packet, NULL if there is no memory.
 */
struct sk_buff *dpr_handover_msg_encode(const struct dpr_config *cfg,
					const struct dpr_handover_msg *msg,
					const struct sk_buff *packet,
					const struct dpr_addr *to)
{
	const unsigned int more = packet ? packet->len :
					   sizeof(struct dpr_handover_msg_tuple);
	struct dpr_handover_msg_wire *wire;
	struct sk_buff *skb;

	skb = dpr_owner_msg_alloc(sizeof(*wire) + more, &cfg->address, to);
	if (!skb)
		return NULL;
	wire = skb_put(skb, sizeof(*wire));
	dpr_handover_msg_fill(wire, cfg, msg, to);
	if (!packet)
		dpr_handover_msg_put_tuple(skb_put(skb, more), &msg->key);
	else
		skb_copy_bits(packet, 0, skb_put(skb, more), more);
	return skb;
}

static const siphash_key_t *dpr_handover_msg_key(const struct dpr_config *cfg,
						 __be32 id)
{
	u32 i;

	for (i = 0; i < cfg->keys; i++)
		if (cfg->key[i].id == ntohl(id))
			return &cfg->key[i].key;
	return NULL;
}

/**
 * dpr_handover_msg_is - does a message have the magic of handovers
 * @skb: the packet
 * @in: what is known of it; its protocol is DPR_OWNER_MSG_PROTOCOL
 */
bool dpr_handover_msg_is(struct sk_buff *skb, const struct dpr_inner *in)
{
	const __be32 *magic;
	__be32 _magic;

	if (in->fragment ||
	    in->olen + in->len < in->offset + sizeof(struct dpr_handover_msg_wire))
		return false;
	magic = skb_header_pointer(skb, in->offset, sizeof(_magic), &_magic);
	return magic && *magic == htonl(DPR_HANDOVER_MSG_MAGIC);
}

/* Makes @in that of the client's packet, which begins where the message ends. */
static bool dpr_handover_msg_packet(struct sk_buff *skb, struct dpr_inner *in)
{
	const unsigned int end = in->olen + in->len;
	const u8 *version;
	u8 _version;

	in->olen = in->offset + sizeof(struct dpr_handover_msg_wire);
	version = in->olen < end ?
		  skb_header_pointer(skb, in->olen, 1, &_version) : NULL;
	if (!version)
		return false;
	in->wide = *version >> 4 == 6;
	if ((in->wide && !dpr_local_ip6()) || !dpr_inner_valid(skb, in) ||
	    in->olen + in->len > end || in->protocol != IPPROTO_TCP ||
	    in->fragment || !dpr_inner_connection(skb, in))
		return false;
	dpr_inner_numbers(skb, in);
	return true;
}

static bool dpr_handover_msg_read_key(struct sk_buff *skb, struct dpr_inner *in,
				      struct dpr_handover_msg *msg)
{
	struct dpr_handover_msg_tuple tuple;
	const unsigned int at = in->offset + sizeof(struct dpr_handover_msg_wire);

	if (msg->kind == DPR_HANDOVER_MSG_TAKE ||
	    msg->kind == DPR_HANDOVER_MSG_BACK) {
		if (!dpr_handover_msg_packet(skb, in))
			return false;
		msg->key = in->seg.key;
		return true;
	}
	if (in->olen + in->len < at + sizeof(tuple) ||
	    skb_copy_bits(skb, at, &tuple, sizeof(tuple)))
		return false;
	return dpr_handover_msg_get_tuple(&tuple, &msg->key);
}

static void dpr_handover_msg_read(const struct dpr_handover_msg_wire *wire,
				  struct dpr_handover_msg *msg)
{
	msg->kind = wire->kind;
	msg->attempt = wire->attempt;
	msg->must = wire->flags & DPR_HANDOVER_MSG_MUST;
	msg->failed = wire->flags & DPR_HANDOVER_MSG_FAILED;
	msg->options = (struct dpr_handover_options){
		.client_isn = ntohl(wire->client_isn),
		.isn = ntohl(wire->isn),
		.ts_recent = ntohl(wire->ts_recent),
		.ts_now = ntohl(wire->ts_now),
		.mss = ntohs(wire->mss),
		.client_scale = wire->scales >> 4,
		.scale = wire->scales & 15,
		.scales = wire->flags & DPR_HANDOVER_MSG_SCALES,
		.timestamps = wire->flags & DPR_HANDOVER_MSG_TIMESTAMPS,
		.sack = wire->flags & DPR_HANDOVER_MSG_SACK,
		.ecn = wire->flags & DPR_HANDOVER_MSG_ECN,
	};
}

/**
 * dpr_handover_msg_decode - read a message
 * @cfg: the configuration
 * @skb: the packet, from a known peer to this host; pointers into it are stale afterwards
 * @in: what is known of it, as dpr_handover_msg_is() asked; if it has a client's packet, it
 *	is what is known of that now, its segment included
 * @msg: set to the message
 *
 * Return: DPR_STAT_UNSPEC if it is one; else why it is refused.
 */
enum dpr_stat dpr_handover_msg_decode(const struct dpr_config *cfg,
				      struct sk_buff *skb, struct dpr_inner *in,
				      struct dpr_handover_msg *msg)
{
	const u32 now = (u32)ktime_get_real_seconds();
	struct dpr_handover_msg_wire wire;
	const siphash_key_t *secret;

	BUILD_BUG_ON(sizeof(wire) != 48);
	BUILD_BUG_ON(sizeof(struct dpr_handover_msg_tuple) != 36);
	if (skb_copy_bits(skb, in->offset, &wire, sizeof(wire)))
		return DPR_STAT_RX_MALFORMED;
	dpr_handover_msg_read(&wire, msg);
	if (msg->kind < DPR_HANDOVER_MSG_TAKE ||
	    msg->kind > DPR_HANDOVER_MSG_BACK ||
	    !dpr_handover_msg_read_key(skb, in, msg))
		return DPR_STAT_RX_MALFORMED;
	secret = dpr_handover_msg_key(cfg, wire.key_id);
	if (!secret ||
	    le64_to_cpu(wire.mac) != dpr_handover_msg_mac(&wire, &msg->key,
							  &in->first, &in->local,
							  secret))
		return DPR_STAT_RX_HANDOVER_FORGED;
	if (now - ntohl(wire.stamp) + DPR_HANDOVER_MSG_AGE >
	    2 * DPR_HANDOVER_MSG_AGE)
		return DPR_STAT_RX_HANDOVER_STALE;
	return DPR_STAT_UNSPEC;
}
