// SPDX-License-Identifier: GPL-2.0
#include <linux/jiffies.h>
#include <net/genetlink.h>
#include "dpr.h"
#include "event.h"
#include "genl_msg.h"
#include "netns.h"

/* @peer is NULL if the event is about none. */
static void dpr_event_send(struct dpr_net *dn, enum dpr_event event,
			   const struct dpr_addr *peer, enum dpr_state state)
{
	struct sk_buff *msg;
	void *header;

	if (!genl_has_listeners(&dpr_genl_family, dn->net, 0))
		return;
	msg = genlmsg_new(NLMSG_GOODSIZE, GFP_ATOMIC);
	if (!msg)
		return;
	header = genlmsg_put(msg, 0, 0, &dpr_genl_family, 0, DPR_CMD_EVENT);
	if (!header || nla_put_u32(msg, DPR_EVENT_A_EVENT, event) ||
	    (peer && dpr_genl_msg_put_addr(msg, DPR_EVENT_A_PEER, peer)) ||
	    (event == DPR_EVENT_PEER_STATE &&
	     nla_put_u32(msg, DPR_EVENT_A_STATE, state))) {
		nlmsg_free(msg);
		return;
	}
	genlmsg_end(msg, header);
	genlmsg_multicast_netns(&dpr_genl_family, dn->net, msg, 0, 0,
				GFP_ATOMIC);
}

/**
 * dpr_event_notify - send an event that is about no peer
 * @dn: the namespace
 * @event: the event
 *
 * Called in any context but hard interrupts.
 */
void dpr_event_notify(struct dpr_net *dn, enum dpr_event event)
{
	dpr_event_send(dn, event, NULL, 0);
}

/**
 * dpr_event_notify_peer - send an event about a peer
 * @dn: the namespace
 * @event: the event
 * @address: the peer's address
 * @state: its state, for DPR_EVENT_PEER_STATE
 */
void dpr_event_notify_peer(struct dpr_net *dn, enum dpr_event event,
			   const struct dpr_addr *address, enum dpr_state state)
{
	dpr_event_send(dn, event, address, state);
}

/**
 * dpr_event_notify_full - send the event that the routing table is full
 * @dn: the namespace
 *
 * Limits the event to one a second: a full table may last, and SYNs are many.
 */
void dpr_event_notify_full(struct dpr_net *dn)
{
	unsigned long last = READ_ONCE(dn->full_notified);

	if (last && time_before(jiffies, last + HZ))
		return;
	if (cmpxchg(&dn->full_notified, last, jiffies | 1) == last)
		dpr_event_notify(dn, DPR_EVENT_TABLE_FULL);
}
