// SPDX-License-Identifier: GPL-2.0
#include "flow.h"
#include "half_open.h"
#include "netns.h"

/**
 * dpr_half_open_setup - make the lists, with no flow on them
 * @dn: the namespace
 * @oldest: jiffies: none that comes will be older
 */
void dpr_half_open_setup(struct dpr_net *dn, u32 oldest)
{
	int i;

	for (i = 0; i < DPR_HALF_OPEN_SHARDS; i++) {
		spin_lock_init(&dn->half_open[i].lock);
		INIT_LIST_HEAD(&dn->half_open[i].list);
		dn->half_open[i].oldest = oldest;
	}
}

/*
 * May a list have a flow that is older than @grace? Checked without the lock,
 * which all CPUs would contend for in a flood: the oldest flow has been checked
 * already, and those behind it are younger.
 */
static bool dpr_half_open_may_evict(const struct dpr_half_open *list, u32 grace)
{
	return !list_empty(&list->list) &&
	       (!grace ||
		(u32)jiffies - READ_ONCE(list->oldest) >= grace);
}

/* Takes the oldest flow off a list if its last SYN is older than @grace. */
static struct dpr_flow *dpr_half_open_evict_from(struct dpr_half_open *list,
						 u32 grace)
{
	struct dpr_flow *flow;

	if (!dpr_half_open_may_evict(list, grace))
		return NULL;
	spin_lock(&list->lock);
	flow = list_first_entry_or_null(&list->list, struct dpr_flow,
					half_open);
	if (flow && (u32)jiffies - READ_ONCE(flow->last) < grace) {
		WRITE_ONCE(list->oldest, READ_ONCE(flow->last));
		flow = NULL;
	}
	if (flow) {
		list_del(&flow->half_open);
		/* As in dpr_half_open_leave(). */
		smp_store_release(&flow->state, DPR_FLOW_GONE);
	}
	spin_unlock(&list->lock);
	return flow;
}

/**
 * dpr_half_open_evict - take the oldest flow off a list, to make room
 * @dn: the namespace
 * @shard: which list to try first
 * @grace: jiffies that its client must have been silent
 *
 * Called under RCU in softirq.
 *
 * Return: the flow, in state DPR_FLOW_GONE: the caller removes it. NULL if there
 * is none.
 */
struct dpr_flow *dpr_half_open_evict(struct dpr_net *dn, u32 shard, u32 grace)
{
	struct dpr_flow *flow = NULL;
	u32 i;

	for (i = 0; !flow && i < DPR_HALF_OPEN_SHARDS; i++)
		flow = dpr_half_open_evict_from(&dn->half_open[(shard + i) %
							       DPR_HALF_OPEN_SHARDS],
						grace);
	return flow;
}
