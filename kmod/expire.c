// SPDX-License-Identifier: GPL-2.0
#include "dpr.h"
#include "expire.h"
#include "flow.h"
#include "liveness.h"
#include "netns.h"
#include "reset.h"

/* Questions of one step: what one burst may cost the network and the peers. */
#define DPR_EXPIRE_MAX_ASKED	1024

static void dpr_expire_one(struct dpr_net *dn, const struct dpr_config *cfg,
			   struct dpr_flow *flow, struct dpr_expired *result)
{
	u8 state = READ_ONCE(flow->state);

	if (!dpr_flow_over(flow, cfg) &&
	    !(dpr_liveness_doubtful(flow, cfg, state) &&
	      dpr_liveness_query(dn, cfg, flow, state, &result->asked)))
		return;
	switch (dpr_flow_reap(dn, flow)) {
	case DPR_STAT_FLOWS_RESET:
		dpr_reset_client(dn, flow);
		result->reset++;
		break;
	case DPR_STAT_FLOWS_EXPIRED:
		result->expired++;
		break;
	default:
		break;
	}
}

/**
 * dpr_expire_step - do one bounded step of clean-up
 * @dn: the namespace
 * @budget: flows to look at, at the most
 * @result: what was done
 *
 * Continues where the last step stopped. Ends early after asking peers about
 * DPR_EXPIRE_MAX_ASKED flows. Called in process context.
 */
void dpr_expire_step(struct dpr_net *dn, u32 budget,
		     struct dpr_expired *result)
{
	struct dpr_flow *flow;

	*result = (struct dpr_expired){};
	mutex_lock(&dn->expire_lock);
	dn->expired_at = jiffies;
	rhashtable_walk_start(&dn->expire);
	while (result->scanned < budget &&
	       result->asked < DPR_EXPIRE_MAX_ASKED) {
		flow = rhashtable_walk_next(&dn->expire);
		if (!flow) {
			result->done = true;
			break;
		}
		if (IS_ERR(flow))	/* resized: the walk starts over */
			continue;
		result->scanned++;
		local_bh_disable();
		dpr_expire_one(dn, rcu_dereference(dn->config), flow, result);
		local_bh_enable();
	}
	rhashtable_walk_stop(&dn->expire);
	if (result->done) {
		rhashtable_walk_exit(&dn->expire);
		rhashtable_walk_enter(&dn->flows, &dn->expire);
	}
	mutex_unlock(&dn->expire_lock);
}

/**
 * dpr_expire_setup - get ready to clean up
 * @dn: the namespace; its routing table is made
 */
void dpr_expire_setup(struct dpr_net *dn)
{
	mutex_init(&dn->expire_lock);
	rhashtable_walk_enter(&dn->flows, &dn->expire);
}

/**
 * dpr_expire_teardown - clean up no more
 * @dn: the namespace; no netlink operation runs in it any more, and its routing
 *	table is still there
 */
void dpr_expire_teardown(struct dpr_net *dn)
{
	rhashtable_walk_exit(&dn->expire);
}
