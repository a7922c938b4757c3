/* SPDX-License-Identifier: GPL-2.0 */
/* Clean-up: removes flows that are over, and asks peers about doubtful ones. */
#ifndef _DPR_EXPIRE_H
#define _DPR_EXPIRE_H

#include <linux/types.h>

struct dpr_net;

/**
 * struct dpr_expired - what a clean-up step did
 * @scanned: flows looked at
 * @expired: flows removed because they expired
 * @reset: flows of dead peers removed
 * @asked: flows whose peer was asked
 * @done: reached the end of the table
 */
struct dpr_expired {
	u32 scanned;
	u32 expired;
	u32 reset;
	u32 asked;
	bool done;
};

void dpr_expire_setup(struct dpr_net *dn);
void dpr_expire_teardown(struct dpr_net *dn);
void dpr_expire_step(struct dpr_net *dn, u32 budget,
		     struct dpr_expired *result);

#endif /* _DPR_EXPIRE_H */
