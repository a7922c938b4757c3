/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Lists of the half-open flows, those of which only SYNs were seen, oldest first:
 * when the routing table is full, one of them is evicted.
 */
#ifndef _DPR_HALF_OPEN_H
#define _DPR_HALF_OPEN_H

#include "compat.h"
#include "dpr.h"
#include "flow.h"
#include "netns.h"

void dpr_half_open_setup(struct dpr_net *dn, u32 oldest);
struct dpr_flow *dpr_half_open_evict(struct dpr_net *dn, u32 shard, u32 grace);

/** dpr_half_open_list - the list that a flow is on, or was */
static inline struct dpr_half_open *
dpr_half_open_list(struct dpr_net *dn, const struct dpr_flow *flow)
{
	return &dn->half_open[flow->shard % DPR_HALF_OPEN_SHARDS];
}

/**
 * dpr_half_open_leave - move a flow from DPR_FLOW_SYN to another state
 * @dn: the namespace
 * @flow: the flow
 * @next: the state
 *
 * State and list change together: whoever sees another state may be sure that
 * the flow is off its list, and may free it, which overwrites the list's links.
 * Called with bottom halves off.
 *
 * Return: false if the flow was no longer in DPR_FLOW_SYN.
 */
static inline bool dpr_half_open_leave(struct dpr_net *dn,
				       struct dpr_flow *flow, u8 next)
{
	struct dpr_half_open *list = dpr_half_open_list(dn, flow);
	bool left;

	spin_lock(&list->lock);
	left = READ_ONCE(flow->state) == DPR_FLOW_SYN;
	if (left) {
		list_del(&flow->half_open);
		DPR_RACE_WINDOW();
		/* Off the list for whoever sees the state and frees the flow. */
		smp_store_release(&flow->state, next);
	}
	spin_unlock(&list->lock);
	return left;
}

/**
 * dpr_half_open_refresh - move a flow to its list's end: its SYN came again
 * @dn: the namespace
 * @flow: the flow
 *
 * Called in softirq.
 */
static inline void dpr_half_open_refresh(struct dpr_net *dn,
					 struct dpr_flow *flow)
{
	struct dpr_half_open *list = dpr_half_open_list(dn, flow);

	spin_lock(&list->lock);
	if (READ_ONCE(flow->state) == DPR_FLOW_SYN)
		list_move_tail(&flow->half_open, &list->list);
	spin_unlock(&list->lock);
}

#endif /* _DPR_HALF_OPEN_H */
