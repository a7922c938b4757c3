// SPDX-License-Identifier: GPL-2.0
#include <linux/netdevice.h>
#include <linux/random.h>
#include <linux/workqueue.h>
#include "ask.h"
#include "compat.h"
#include "config.h"
#include "core/parse.h"
#include "dpr.h"
#include "event.h"
#include "load_table.h"
#include "netns.h"
#include "owner_msg.h"
#include "peer.h"
#include "probe.h"
#include "stats.h"

#define DPR_PROBE_WAIT	(HZ / 2)	/* for an answer */
#define DPR_PROBE_TRIES	2		/* without an answer, and the peer is lost */
#define DPR_PROBE_AGAIN	HZ		/* least time from one doubt to the next */

/* A client repeats its SYN no sooner than this, and mostly after twice as long. */
#define DPR_PROBE_REPEAT	(HZ / 2)
/* A sample that was not repeated by then makes room for another. */
#define DPR_PROBE_FORGET	(3 * HZ / 2)

/* A peer of an older version does not know probes. */
#define DPR_PROBE_PROTOCOL	2

static void dpr_probe_send(struct dpr_net *dn, const struct dpr_config *cfg,
			   struct net_device *dev, struct dpr_peer *peer,
			   u32 nonce)
{
	static const struct dpr_flow_key none;

	dpr_ask_send(dn, cfg, dev, peer, DPR_OWNER_MSG_PROBE, nonce, &none);
}

/* Is a probe to be sent now? Under dpr_net.order_lock. */
static bool dpr_probe_begin(struct dpr_peer *peer)
{
	if (peer->probing || (u32)jiffies - peer->probed < DPR_PROBE_AGAIN)
		return false;
	WRITE_ONCE(peer->probing, 1);
	WRITE_ONCE(peer->probed, jiffies);
	peer->nonce = get_random_u32();
	return true;
}

/**
 * dpr_probe_doubt - a connection to a peer does not come about
 * @dn: the namespace
 * @cfg: the configuration
 * @dev: a device of the namespace
 * @peer: the peer
 *
 * Sends a probe, unless there was one a moment ago. Called under RCU in softirq.
 */
void dpr_probe_doubt(struct dpr_net *dn, const struct dpr_config *cfg,
		     struct net_device *dev, struct dpr_peer *peer)
{
	bool begin;

	if (READ_ONCE(peer->protocol) < DPR_PROBE_PROTOCOL ||
	    READ_ONCE(peer->probing) ||
	    (u32)jiffies - READ_ONCE(peer->probed) < DPR_PROBE_AGAIN)
		return;
	spin_lock(&dn->order_lock);
	begin = dpr_probe_begin(peer);
	spin_unlock(&dn->order_lock);
	if (!begin)
		return;
	dpr_probe_send(dn, cfg, dev, peer, peer->nonce);
	queue_delayed_work(dpr_compat_percpu_wq, &dn->probe, DPR_PROBE_WAIT);
}

/**
 * dpr_probe_sample - a SYN without a flow goes to a peer
 * @dn: the namespace
 * @cfg: the configuration
 * @dev: a device of the namespace
 * @peer: the peer
 * @hash: of the SYN's 4-tuple and number
 *
 * Nothing is kept of it, so that a copy is not known as one. Of a few SYNs to each peer
 * the hash is kept for a while. If two CPUs spoil a sample that costs one, or a probe.
 * Called under RCU in softirq.
 */
void dpr_probe_sample(struct dpr_net *dn, const struct dpr_config *cfg,
		      struct net_device *dev, struct dpr_peer *peer, u32 hash)
{
	struct dpr_peer_sample *sample = &peer->sample[hash % DPR_PEER_SAMPLES];
	const u32 age = (u32)jiffies - READ_ONCE(sample->at);

	if (age > DPR_PROBE_FORGET) {
		WRITE_ONCE(sample->hash, hash);
		WRITE_ONCE(sample->at, (u32)jiffies);
	} else if (READ_ONCE(sample->hash) == hash && age >= DPR_PROBE_REPEAT) {
		dpr_probe_doubt(dn, cfg, dev, peer);
	}
}

/**
 * dpr_probe_answered - a peer answers a probe
 * @dn: the namespace
 * @peer: the peer
 * @nonce: what it repeats of the probe
 *
 * Called under RCU in softirq.
 *
 * Return: false if this host did not send that probe.
 */
bool dpr_probe_answered(struct dpr_net *dn, struct dpr_peer *peer, u32 nonce)
{
	bool ours, found = false;

	spin_lock(&dn->order_lock);
	ours = peer->probing && peer->nonce == nonce;
	if (ours) {
		WRITE_ONCE(peer->probing, 0);
		found = peer->lost;
		dpr_table_set_lost(dn, peer, false);
	}
	spin_unlock(&dn->order_lock);
	if (found)
		dpr_event_notify_peer(dn, DPR_EVENT_PEER_FOUND, &peer->address,
				      0);
	return ours;
}

/* What is to be done about a peer that is probed. */
enum dpr_probe_step {
	DPR_PROBE_NOTHING,
	DPR_PROBE_REPEATED,	/* it is probed again */
	DPR_PROBE_LOST,		/* likewise, and it is lost from now on */
};

/* Under dpr_net.order_lock. */
static enum dpr_probe_step dpr_probe_step(struct dpr_net *dn,
					  struct dpr_peer *peer)
{
	bool lost;

	if (!peer->probing ||
	    (u32)jiffies - peer->probed < (peer->lost ? DPR_PROBE_AGAIN :
							DPR_PROBE_WAIT))
		return DPR_PROBE_NOTHING;
	WRITE_ONCE(peer->probed, jiffies);
	lost = !peer->lost && peer->probing >= DPR_PROBE_TRIES;
	if (lost)
		dpr_table_set_lost(dn, peer, true);
	else if (!peer->lost)
		WRITE_ONCE(peer->probing, peer->probing + 1);
	return lost ? DPR_PROBE_LOST : DPR_PROBE_REPEATED;
}

/* Returns whether the peer is probed. */
static bool dpr_probe_check(struct dpr_net *dn, const struct dpr_config *cfg,
			    struct dpr_peer *peer)
{
	enum dpr_probe_step step;
	u32 nonce;

	if (!READ_ONCE(peer->probing) || READ_ONCE(peer->dead))
		return false;
	spin_lock(&dn->order_lock);
	step = dpr_probe_step(dn, peer);
	nonce = peer->nonce;
	spin_unlock(&dn->order_lock);
	if (step == DPR_PROBE_LOST) {
		dpr_stats_inc(dn, DPR_STAT_PEERS_LOST);
		dpr_event_notify_peer(dn, DPR_EVENT_PEER_LOST, &peer->address,
				      0);
	}
	if (step != DPR_PROBE_NOTHING)
		dpr_probe_send(dn, cfg, dn->net->loopback_dev, peer, nonce);
	return true;
}

static void dpr_probe_work(struct work_struct *work)
{
	struct dpr_net *dn = container_of(to_delayed_work(work), struct dpr_net,
					  probe);
	const struct dpr_table *table;
	bool again = false;
	u32 i;

	local_bh_disable();
	rcu_read_lock();
	table = rcu_dereference(dn->table);
	for (i = 0; table && i < table->order.n; i++)
		again |= dpr_probe_check(dn, rcu_dereference(dn->config),
					 table->peer[i]);
	rcu_read_unlock();
	local_bh_enable();
	if (again)
		queue_delayed_work(dpr_compat_percpu_wq, &dn->probe, DPR_PROBE_WAIT);
}

/**
 * dpr_probe_resume - go on with what was left out while peers were not listed
 * @dn: the namespace
 *
 * A peer that left the load table while it was probed is not found anew otherwise: it is
 * in doubt already.
 */
void dpr_probe_resume(struct dpr_net *dn)
{
	queue_delayed_work(dpr_compat_percpu_wq, &dn->probe, 0);
}

/**
 * dpr_probe_setup - prepare the work
 * @dn: the namespace
 */
void dpr_probe_setup(struct dpr_net *dn)
{
	INIT_DELAYED_WORK(&dn->probe, dpr_probe_work);
}

/**
 * dpr_probe_teardown - stop probing
 * @dn: the namespace; no hook runs in it any more, its peers are still there
 */
void dpr_probe_teardown(struct dpr_net *dn)
{
	cancel_delayed_work_sync(&dn->probe);
}
