/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Limits for network namespaces that belong to a user namespace other than the
 * initial one. Anybody can create such a namespace and be root in it, so all of
 * them together get no more flows than the initial network namespace may have,
 * and the memory of their flows is charged to the control group whose process
 * configured the namespace. Packets that wait for a host, which no group pays for, have a
 * limit of their own (handover_table.h). For other namespaces this costs one test.
 */
#ifndef _DPR_QUOTA_H
#define _DPR_QUOTA_H

#include <linux/slab.h>
#include "netns.h"

struct dpr_config;

void dpr_quota_setup(struct dpr_net *dn);
void dpr_quota_teardown(struct dpr_net *dn);
void dpr_quota_adopt(struct dpr_net *dn);
const char *dpr_quota_refuses(const struct dpr_net *dn,
			      const struct dpr_config *cfg);
bool __dpr_quota_take(void);
void __dpr_quota_give(void);
void *__dpr_quota_alloc(struct dpr_net *dn, struct kmem_cache *cache);

/**
 * dpr_quota_take - take a flow's place in the quota
 * @dn: the namespace
 *
 * Called under RCU.
 *
 * Return: false if there is none left.
 */
static inline bool dpr_quota_take(const struct dpr_net *dn)
{
	return likely(!dn->guest) || __dpr_quota_take();
}

/**
 * dpr_quota_give - give a flow's place in the quota back
 * @dn: the namespace
 */
static inline void dpr_quota_give(const struct dpr_net *dn)
{
	if (unlikely(dn->guest))
		__dpr_quota_give();
}

/**
 * dpr_quota_alloc - allocate an object of the namespace in softirq
 * @dn: the namespace
 * @cache: of what
 *
 * Return: the object, NULL if there is no memory.
 */
static inline void *dpr_quota_alloc(struct dpr_net *dn,
				    struct kmem_cache *cache)
{
	if (unlikely(dn->guest))
		return __dpr_quota_alloc(dn, cache);
	return kmem_cache_alloc(cache, GFP_ATOMIC | __GFP_NOWARN);
}

#endif /* _DPR_QUOTA_H */
