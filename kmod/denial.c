// SPDX-License-Identifier: GPL-2.0
#include <linux/jiffies.h>
#include "ask.h"
#include "config.h"
#include "denial.h"
#include "load_table.h"
#include "netns.h"
#include "owner_msg.h"
#include "peer.h"

/*
 * How long the load table must have been as it is: hosts report each second, so that those
 * that this host does not know yet, or no longer, are in it by then.
 */
#define DPR_DENIAL_SETTLE	(2 * HZ)
/* A host that has just started and knows no peer at all waits so long for a first report. */
#define DPR_DENIAL_ALONE	(10 * HZ)

/**
 * dpr_denial_possible - may a peer serve a connection
 * @peer: the peer
 * @key: the connection
 *
 * Return: false for the host that had the address, which cannot answer any more, and for
 * one that does not know connections of IPv6.
 */
bool dpr_denial_possible(const struct dpr_peer *peer,
			 const struct dpr_flow_key *key)
{
	return !dpr_addr_equal(&peer->address, &key->address) &&
	       (!key->wide ||
		READ_ONCE(peer->protocol) >= DPR_PEER_PROTOCOL6);
}

/* Does the peer answer if it does not serve the connection? */
static bool dpr_denial_comes(const struct dpr_peer *peer,
			     const struct dpr_config *cfg)
{
	return READ_ONCE(peer->protocol) >= DPR_PEER_PROTOCOL_DENIES &&
	       !dpr_peer_foreign(peer, cfg);
}

/**
 * dpr_denials_settled - are all hosts known
 * @dn: the namespace
 *
 * After a start, and when peers come and go, it may lack some. Called under RCU.
 */
bool dpr_denials_settled(const struct dpr_net *dn)
{
	const struct dpr_table *table = rcu_dereference(dn->table);

	if (table && (u32)jiffies - table->changed < DPR_DENIAL_SETTLE)
		return false;
	return time_after(jiffies, dn->started + (table && table->known ?
						  DPR_DENIAL_SETTLE :
						  DPR_DENIAL_ALONE));
}

static bool dpr_denials_have(const struct dpr_denials *denials,
			     const struct dpr_table *table, u32 place)
{
	return denials->version == table->version && place < DPR_DENIAL_PEERS &&
	       test_bit(place, denials->by);
}

/**
 * dpr_denials_note - note that a peer does not serve the connection
 * @dn: the namespace
 * @denials: those until now
 * @peer: the peer
 *
 * Called under RCU, and under the lock of @denials.
 */
void dpr_denials_note(const struct dpr_net *dn, struct dpr_denials *denials,
		      const struct dpr_peer *peer)
{
	const struct dpr_table *table = rcu_dereference(dn->table);
	u32 i;

	if (!table)
		return;
	if (denials->version != table->version) {
		bitmap_zero(denials->by, DPR_DENIAL_PEERS);
		denials->version = table->version;
	}
	for (i = 0; i < min_t(u32, table->known, DPR_DENIAL_PEERS); i++)
		if (table->peer[i] == peer)
			__set_bit(i, denials->by);
}

/**
 * dpr_denials_retract - note that a peer no longer says that it does not serve the connection
 * @dn: the namespace
 * @denials: those until now
 * @peer: the peer
 *
 * Called under RCU, and under the lock of @denials.
 *
 * Return: true if it has said so.
 */
bool dpr_denials_retract(const struct dpr_net *dn, struct dpr_denials *denials,
			 const struct dpr_peer *peer)
{
	const struct dpr_table *table = rcu_dereference(dn->table);
	u32 i;

	for (i = 0; table && i < min_t(u32, table->known, DPR_DENIAL_PEERS); i++)
		if (table->peer[i] == peer && dpr_denials_have(denials, table, i)) {
			__clear_bit(i, denials->by);
			return true;
		}
	return false;
}

/**
 * dpr_denials_count - the peers that have not denied a connection
 * @dn: the namespace
 * @cfg: the configuration
 * @denials: those until now
 * @key: the connection
 *
 * Called under RCU, and under the lock of @denials.
 */
struct dpr_denials_left dpr_denials_count(const struct dpr_net *dn,
					  const struct dpr_config *cfg,
					  const struct dpr_denials *denials,
					  const struct dpr_flow_key *key)
{
	const struct dpr_table *table = rcu_dereference(dn->table);
	struct dpr_denials_left left = {};
	u32 i;

	for (i = 0; table && i < table->known; i++) {
		if (!dpr_denial_possible(table->peer[i], key) ||
		    dpr_denials_have(denials, table, i))
			continue;
		left.ask += left.ask < DPR_DENIAL_AT_ONCE;
		left.await |= i < DPR_DENIAL_PEERS &&
			      dpr_denial_comes(table->peer[i], cfg);
	}
	return left;
}

/**
 * dpr_denials_ask - ask each peer that has not denied a connection whether it serves it
 * @dn: the namespace
 * @cfg: the configuration
 * @dev: a device of the namespace
 * @denials: those until now
 * @from: place in the load table to begin at: those of older versions never deny, and are
 *	asked again and again
 * @nonce: number of the question
 * @key: the connection
 * @again: they have been asked before
 *
 * Each answers in any case, but for those of older versions, and one that has but a request
 * of the connection. It says nothing of that if it is asked whether it still has it, so it is
 * asked who has it, too, if it did not hear the questions before this: its answer to the client
 * may have come long ago. Called under RCU in softirq.
 */
void dpr_denials_ask(struct dpr_net *dn, const struct dpr_config *cfg,
		     struct net_device *dev, const struct dpr_denials *denials,
		     u32 from, u32 nonce, const struct dpr_flow_key *key,
		     bool again)
{
	const struct dpr_table *table = rcu_dereference(dn->table);
	u32 i, asked = 0;

	for (i = 0; table && i < table->known; i++) {
		const u32 place = (from + i) % table->known;
		struct dpr_peer *peer = table->peer[place];
		const bool still = dpr_denial_comes(peer, cfg);

		if (!dpr_denial_possible(peer, key) ||
		    dpr_denials_have(denials, table, place))
			continue;
		if ((still && !dpr_ask_send(dn, cfg, dev, peer,
					    DPR_OWNER_MSG_STILL, nonce, key)) ||
		    ((again || !still) &&
		     !dpr_ask_send(dn, cfg, dev, peer, DPR_OWNER_MSG_WHO, nonce,
				   key)) ||
		    ++asked == DPR_DENIAL_AT_ONCE)
			return;
	}
}
