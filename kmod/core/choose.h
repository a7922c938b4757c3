/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Which host of a group gets a connection (enum dpr_rules_policy of dpr.h). Pure, as
 * policy.h, whose terms and situation it shares: a group is a part of its peers, with or
 * without this host.
 */
#ifndef _DPR_CHOOSE_H
#define _DPR_CHOOSE_H

#include "policy.h"
#include "dpr.h"

/* No host of the group can get the connection. */
#define DPR_CHOOSE_NOBODY	(~0U)

/**
 * struct dpr_choose - a group, and what it goes by
 * @policy: enum dpr_rules_policy
 * @spill: percent above the group's mean load at which DPR_RULES_POLICY_LOCALITY passes
 *	by a host
 * @own: this host is in it
 * @id: this host's address, as peers know it
 * @hash: of the client, or of what it asks for: of DPR_RULES_POLICY_STATELESS and
 *	DPR_RULES_POLICY_LOCALITY
 * @n: how many peers are in it
 * @peer: their indices; NULL: the first @n
 */
struct dpr_choose {
	u32 policy;
	u32 spill;
	bool own;
	u32 id;
	u64 hash;
	u32 n;
	const u32 *peer;
};

u32 dpr_choose_host(const struct dpr_policy_args *args,
		    const struct dpr_order *order,
		    const struct dpr_choose *choose);

#endif /* _DPR_CHOOSE_H */
