// SPDX-License-Identifier: GPL-2.0
#include <linux/sched.h>
#include <linux/workqueue.h>
#include "compat.h"
#include "expire.h"
#include "netns.h"
#include "sweep.h"

/* Cleans up if nobody else has for so long; checks as often. */
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
	queue_delayed_work(dpr_compat_any_wq, &dn->sweep, DPR_SWEEP_PERIOD);
}

/**
 * dpr_sweep_setup - prepare the work
 * @dn: the namespace
 */
void dpr_sweep_setup(struct dpr_net *dn)
{
	INIT_DELAYED_WORK(&dn->sweep, dpr_sweep_work);
}

/**
 * dpr_sweep_start - begin to clean up whenever nobody else does
 * @dn: the namespace, just hooked; its lock is held
 */
void dpr_sweep_start(struct dpr_net *dn)
{
	dn->expired_at = jiffies;
	queue_delayed_work(dpr_compat_any_wq, &dn->sweep, DPR_SWEEP_PERIOD);
}

/**
 * dpr_sweep_teardown - stop cleaning up
 * @dn: the namespace
 */
void dpr_sweep_teardown(struct dpr_net *dn)
{
	cancel_delayed_work_sync(&dn->sweep);
}
