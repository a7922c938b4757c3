// SPDX-License-Identifier: GPL-2.0
#include <linux/slab.h>
#include <linux/tcp.h>
#include <net/tcp.h>
#include "core/rule.h"
#include "handover_rules.h"
#include "handover_send.h"
#include "handover_table.h"
#include "rules.h"
#include "service.h"

/**
 * struct dpr_handover_bytes - what a client has sent so far, in one piece
 * @data: the bytes
 * @copy: what is to be freed; NULL: they are a packet's own
 * @len: how many, at most DPR_REQUEST_MAX
 * @ended: a FIN comes after them
 */
struct dpr_handover_bytes {
	const u8 *data;
	u8 *copy;
	u32 len;
	bool ended;
};

/* Where a segment's data begin in its packet, which was read when it was kept. */
static u32 dpr_handover_rules_offset(const struct sk_buff *skb)
{
	return skb_transport_offset(skb) + tcp_hdrlen(skb);
}

/* Copies what of the client's data is there from the first byte on, without a gap. */
static void dpr_handover_rules_copy(const struct dpr_handover *one,
				    struct dpr_handover_bytes *bytes)
{
	u32 next = dpr_handover_next(one), skip, from, n;
	struct sk_buff *skb;

	skb_queue_walk(&one->kept, skb) {
		const struct dpr_handover_part *part = dpr_handover_part(skb);

		if (after(part->seq, next))
			return;
		bytes->ended |= tcp_hdr(skb)->fin;
		skip = next - part->seq;
		from = dpr_handover_rules_offset(skb);
		if (!after(part->end, next) || skb->len - from <= skip)
			continue;
		n = min(skb->len - from - skip, DPR_REQUEST_MAX - bytes->len);
		if (skb_copy_bits(skb, from + skip, bytes->copy + bytes->len, n))
			return;
		bytes->len += n;
		next = part->end;
	}
}

/*
 * The client's data; false if there is no memory. Mostly they are one packet, whose own
 * bytes are looked at.
 */
static bool dpr_handover_rules_bytes(const struct dpr_handover *one,
				     struct dpr_handover_bytes *bytes)
{
	struct sk_buff *skb = skb_peek(&one->kept);
	u32 from;

	*bytes = (struct dpr_handover_bytes){};
	if (!skb || dpr_handover_part(skb)->seq != dpr_handover_next(one))
		return true;
	from = dpr_handover_rules_offset(skb);
	if (skb_queue_len(&one->kept) == 1 && skb_headlen(skb) == skb->len) {
		bytes->data = skb->data + from;
		bytes->len = min(skb->len - from, (u32)DPR_REQUEST_MAX);
		bytes->ended = tcp_hdr(skb)->fin;
		return true;
	}
	bytes->copy = kmalloc(DPR_REQUEST_MAX, GFP_ATOMIC | __GFP_NOWARN);
	bytes->data = bytes->copy;
	if (bytes->copy)
		dpr_handover_rules_copy(one, bytes);
	return bytes->copy;
}

/**
 * dpr_handover_rules_wait - do a service's rules need more of the client's data
 * @service: the service, under RCU
 * @one: the connection, under its shard's lock
 * @there: how many bytes are there; noted if the rules need more
 */
bool dpr_handover_rules_wait(const struct dpr_service *service,
			     struct dpr_handover *one, u32 there)
{
	struct dpr_handover_bytes bytes;
	struct dpr_rules_result result;
	enum dpr_rules_outcome outcome;

	if (!dpr_rules_there(service))
		return false;
	/* Without memory: the client sends again. */
	if (!dpr_handover_rules_bytes(one, &bytes))
		return true;
	outcome = dpr_rules_decide(service, bytes.data, bytes.len, bytes.ended,
				   &result);
	kfree(bytes.copy);
	if (outcome == DPR_RULES_MORE)
		one->looked = there;
	return outcome == DPR_RULES_MORE;
}

/**
 * dpr_handover_rules_host - the host of a connection, by the service's rules
 * @dn: the namespace
 * @cfg: the service's configuration
 * @service: the service, under RCU
 * @all: the table
 * @one: the connection, busy by the caller, who does not hold its shard's lock
 * @able: this host can serve it
 * @avoid: dpr_addr_id() of the peer that has just refused it; 0: none
 * @peer: set to the peer; NULL: this host
 * @group: set to the number of the group; DPR_RULES_NONE: none
 * @below: set to the load per capacity that a backend of the group must be below to get the
 *	connection instead; 0: none can
 *
 * By what is there: no more is waited for. Called under RCU with bottom halves off.
 *
 * Return: false if the service's policy decides.
 */
bool dpr_handover_rules_host(struct dpr_net *dn, const struct dpr_config *cfg,
			     const struct dpr_service *service,
			     struct dpr_handovers *all,
			     const struct dpr_handover *one, bool able, u32 avoid,
			     struct dpr_peer **peer, u32 *group, u64 *below)
{
	struct dpr_handover_shard *shard = dpr_handover_table_shard(all, &one->key);
	struct dpr_handover_bytes bytes;
	struct dpr_rules_result result;

	*group = DPR_RULES_NONE;
	*below = 0;
	if (!dpr_rules_there(service))
		return false;
	spin_lock(&shard->lock);
	/* Without memory nothing was sent. */
	dpr_handover_rules_bytes(one, &bytes);
	dpr_rules_decide(service, bytes.data, bytes.len, true, &result);
	spin_unlock(&shard->lock);
	kfree(bytes.copy);
	*group = result.group;
	return dpr_rules_host(dn, cfg, service, &one->key, &result, able, avoid,
			      peer, below);
}
