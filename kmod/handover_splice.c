// SPDX-License-Identifier: GPL-2.0
#include <linux/netdevice.h>
#include <net/l3mdev.h>
#include "backend.h"
#include "config.h"
#include "dpr.h"
#include "handover_splice.h"
#include "handover_table.h"
#include "netns.h"
#include "splice_open.h"
#include "splice_table.h"
#include "stats.h"

/* SYNs to a backend, a second apart, before it counts as one that refuses. */
#define DPR_HANDOVER_SPLICE_TRIES	3

/* Can the client's packets be passed on at all? */
static bool dpr_handover_splice_may(struct dpr_net *dn, const struct dpr_handover *one)
{
	const struct net_device *dev = dev_get_by_index_rcu(dn->net, one->iif);

	return dev && !netif_is_l3_slave(dev) && !one->moved && !one->odd &&
	       one->refusals < DPR_MAX_OFFERS;
}

/**
 * dpr_handover_splice - give a connection to a backend, if one can take it
 * @dn: the namespace
 * @cfg: the service's configuration
 * @all: the table
 * @one: the connection, busy by the caller, who may not touch it afterwards if one can
 * @service: its service, under RCU
 * @group: the group of the service's rules that the backend must be of; none such: any
 * @below: load per capacity that the backend's must be below
 *
 * The backend has the client's data when it has answered. Called under RCU with bottom
 * halves off, without a lock.
 *
 * Return: false if none can.
 */
bool dpr_handover_splice(struct dpr_net *dn, const struct dpr_config *cfg,
			 struct dpr_handovers *all, struct dpr_handover *one,
			 const struct dpr_service *service, u32 group, u64 below)
{
	const struct dpr_backend_among among = {
		.service = service,
		.group = group,
		.not = one->backend,
	};
	struct dpr_handover_shard *shard = dpr_handover_table_shard(all, &one->key);
	const struct dpr_handover_options options = one->options;
	struct dpr_backend_choice choice;
	struct dpr_splice *splice;

	if (!below || !dpr_splice_on() || !dpr_handover_splice_may(dn, one))
		return false;
	choice = dpr_backend_choose(dn, &one->key, dpr_config_connection_load(cfg),
				    below, &among);
	if (!choice.backend) {
		if (choice.loop)
			dpr_stats_inc(dn, DPR_STAT_SPLICE_LOOP);
		else if (choice.limited)
			dpr_stats_inc(dn, DPR_STAT_SPLICE_LIMITED);
		return false;
	}
	splice = dpr_splice_open(dn, cfg, &one->key, &options, choice.backend);
	if (!splice)
		return false;
	/* Before the SYN goes out: the answer may be faster. */
	spin_lock(&shard->lock);
	one->state = DPR_HANDOVER_ASKED;
	one->backend = choice.backend;
	one->tries = 1;
	one->due = jiffies + HZ;
	one->busy = false;
	spin_unlock(&shard->lock);
	dpr_splice_open_syn(dn, splice, &options);
	return true;
}

/**
 * dpr_handover_splice_again - ask a backend again that has not answered
 * @dn: the namespace
 * @one: the connection, busy by the caller
 *
 * Unlike a host it has nothing of the client's before it answers, so another one can be
 * chosen. Called under RCU with bottom halves off, without a lock.
 *
 * Return: false if it is to be: it was asked often enough, or its splice is gone.
 */
bool dpr_handover_splice_again(struct dpr_net *dn, struct dpr_handover *one)
{
	struct dpr_splice_end *end = dpr_splice_table_find(dn, &one->key);
	struct dpr_splice *splice = end ? dpr_splice_of(end) : NULL;

	if (splice && splice->flags & DPR_SPLICE_FLAG_OPENING &&
	    one->tries < DPR_HANDOVER_SPLICE_TRIES) {
		dpr_splice_open_syn(dn, splice, &one->options);
		return true;
	}
	if (splice)
		dpr_splice_table_kill(dn, splice);
	one->refusals++;
	dpr_stats_inc(dn, DPR_STAT_SPLICE_UNANSWERED);
	return false;
}
