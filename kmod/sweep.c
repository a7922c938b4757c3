// SPDX-License-Identifier: GPL-2.0
#include <linux/sched.h>
#include <linux/workqueue.h>
#include "expire.h"
#include "netns.h"
#include "sweep.h"

/* How long nobody has to have cleaned up, and how often that is looked at. */
#define DPR_SWEEP_PERIOD	(30 * HZ)
/* Flows of one step. */
#define DPR_SWEEP_BUDGET	4096

static void dpr_sweep_work(struct work_struct *work)
{
	struct dpr_net *dn = container_of(to_delayed_work(work),
					  struct dpr_net, sweep);
	struct dpr_expired result = {};

	if (time_after_eq(jiffies, READ_ONCE(dn->expired_at) +
				   DPR_SWEEP_PERIOD)) {
		do {
			dpr_expire_step(dn, DPR_SWEEP_BUDGET, &result);
			cond_resched();
		} while (!result.done && !result.asked);
	}
	queue_delayed_work(system_unbound_wq, &dn->sweep, DPR_SWEEP_PERIOD);
}

/**
 * dpr_sweep_setup - get ready
 * @dn: the namespace
 */
void dpr_sweep_setup(struct dpr_net *dn)
{
	INIT_DELAYED_WORK(&dn->sweep, dpr_sweep_work);
}

/**
 * dpr_sweep_start - clean up from now on if nobody else does
 * @dn: the namespace, just hooked; its lock is held
 */
void dpr_sweep_start(struct dpr_net *dn)
{
	dn->expired_at = jiffies;
	queue_delayed_work(system_unbound_wq, &dn->sweep, DPR_SWEEP_PERIOD);
}

/**
 * dpr_sweep_teardown - clean up no more
 * @dn: the namespace
 */
void dpr_sweep_teardown(struct dpr_net *dn)
{
	cancel_delayed_work_sync(&dn->sweep);
}
