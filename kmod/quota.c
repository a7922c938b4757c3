// SPDX-License-Identifier: GPL-2.0
#include <linux/memcontrol.h>
#include <linux/sched/mm.h>
#include <linux/user_namespace.h>
#include "config.h"
#include "netns.h"
#include "quota.h"

/* Flows of all namespaces that the quota is for. */
static atomic_t dpr_quota_flows;

/**
 * dpr_quota_setup - find out whether the quota is for a namespace
 * @dn: the namespace
 */
void dpr_quota_setup(struct dpr_net *dn)
{
	dn->guest = dn->net->user_ns != &init_user_ns;
}

/**
 * dpr_quota_teardown - end of a namespace
 * @dn: the namespace; its flows are gone
 */
void dpr_quota_teardown(struct dpr_net *dn)
{
#ifdef CONFIG_MEMCG
	if (dn->memcg)
		mem_cgroup_put(dn->memcg);
#endif
}

/**
 * dpr_quota_adopt - let the calling process's control group pay from now on
 * @dn: the namespace; its lock is held
 *
 * The first that configures the namespace pays for good.
 */
void dpr_quota_adopt(struct dpr_net *dn)
{
#ifdef CONFIG_MEMCG
	if (dn->guest && !dn->memcg)
		WRITE_ONCE(dn->memcg, get_mem_cgroup_from_mm(current->mm));
#endif
}

static const struct dpr_config *dpr_quota_limits(void)
{
	return rcu_dereference(dpr_netns(&init_net)->config);
}

/**
 * dpr_quota_refuses - does a configuration want more than it may
 * @dn: the namespace
 * @cfg: the configuration
 *
 * Return: why it is refused, NULL if it is not.
 */
const char *dpr_quota_refuses(const struct dpr_net *dn,
			      const struct dpr_config *cfg)
{
	const struct dpr_config *limits;
	const char *why = NULL;
	u32 i;

	if (!dn->guest)
		return NULL;
	rcu_read_lock();
	limits = dpr_quota_limits();
	if (cfg->max_flows > limits->max_flows)
		why = "max flows are limited to the initial namespace's";
	for (i = 0; i < ARRAY_SIZE(cfg->timeout); i++)
		if (cfg->timeout[i] > limits->timeout[i])
			why = "timeouts are limited to the initial namespace's";
	rcu_read_unlock();
	return why;
}

bool __dpr_quota_take(void)
{
	u32 n = atomic_inc_return(&dpr_quota_flows);

	if (n <= dpr_quota_limits()->max_flows)
		return true;
	atomic_dec(&dpr_quota_flows);
	return false;
}

void __dpr_quota_give(void)
{
	atomic_dec(&dpr_quota_flows);
}

void *__dpr_quota_alloc(struct dpr_net *dn, struct kmem_cache *cache)
{
	struct mem_cgroup *old __maybe_unused;
	void *object;

#ifdef CONFIG_MEMCG
	old = set_active_memcg(READ_ONCE(dn->memcg));
#endif
	object = kmem_cache_alloc(cache, GFP_ATOMIC | __GFP_NOWARN |
					 __GFP_ACCOUNT);
#ifdef CONFIG_MEMCG
	set_active_memcg(old);
#endif
	return object;
}
