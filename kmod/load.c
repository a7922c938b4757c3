// SPDX-License-Identifier: GPL-2.0
/* This host's metrics. */
#include <linux/jiffies.h>
#include <linux/kernel_stat.h>
#include <linux/tick.h>
#include <linux/workqueue.h>
#include <net/ip.h>
#include <net/snmp.h>
#include <net/sock.h>
#include "compat.h"
#include "config.h"
#include "core/policy.h"
#include "dpr.h"
#include "load.h"
#include "load_table.h"
#include "netns.h"
#include "open.h"
#include "peer.h"
#include "tally.h"

#define DPR_LOAD_PERIOD	HZ

/* CPU utilisation is the machine's, not the namespace's: sampled once. */
static struct {
	struct delayed_work work;
	u64 idle;	/* us over all CPUs, at the last sample */
	u64 time;	/* us, of the last sample */
	int cpus;	/* that were online then */
	u32 busy;	/* thousandths between the last two samples */
} dpr_load_cpu;

static u64 dpr_load_idle(int cpu)
{
	u64 idle = get_cpu_idle_time_us(cpu, NULL);
	u64 iowait = get_cpu_iowait_time_us(cpu, NULL);

	if (idle != -1ULL && iowait != -1ULL)
		return idle + iowait;
	/* The tick never stops here: the accounting is exact by itself. */
	return div_u64(kcpustat_cpu(cpu).cpustat[CPUTIME_IDLE] +
		       kcpustat_cpu(cpu).cpustat[CPUTIME_IOWAIT],
		       NSEC_PER_USEC);
}

static void dpr_load_sample(void)
{
	u64 idle = 0, now = ktime_to_us(ktime_get()), wall;
	int cpu, cpus = 0;

	for_each_online_cpu(cpu) {
		idle += dpr_load_idle(cpu);
		cpus++;
	}
	wall = (now - dpr_load_cpu.time) * cpus;
	/* A CPU that came or went spoils one sample: keep the old value. */
	if (wall && cpus == dpr_load_cpu.cpus && idle >= dpr_load_cpu.idle)
		WRITE_ONCE(dpr_load_cpu.busy,
			   DPR_MAX_CPU -
			   min_t(u64, DPR_MAX_CPU,
				 div64_u64((idle - dpr_load_cpu.idle) *
					   DPR_MAX_CPU, wall)));
	dpr_load_cpu.idle = idle;
	dpr_load_cpu.time = now;
	dpr_load_cpu.cpus = cpus;
}

static void dpr_load_work(struct work_struct *work)
{
	dpr_load_sample();
	schedule_delayed_work(&dpr_load_cpu.work, DPR_LOAD_PERIOD);
}

/** dpr_load_init - start sampling the CPUs */
void __init dpr_load_init(void)
{
	INIT_DEFERRABLE_WORK(&dpr_load_cpu.work, dpr_load_work);
	dpr_load_sample();
	schedule_delayed_work(&dpr_load_cpu.work, DPR_LOAD_PERIOD);
}

/** dpr_load_exit - stop sampling */
void dpr_load_exit(void)
{
	cancel_delayed_work_sync(&dpr_load_cpu.work);
}

/*
 * All of the namespace's in ESTABLISHED and CLOSE-WAIT while the services' are not
 * counted: there is no service, or no memory.
 */
static u32 dpr_load_connections(const struct dpr_net *dn)
{
	u32 open;

	if (likely(dpr_open_all(dn, &open)))
		return open;
	return max(dpr_compat_snmp_fold((void __percpu *)
					dn->net->mib.tcp_statistics,
					TCP_MIB_CURRESTAB), 0L);
}

/* Called under RCU. */
static u32 dpr_load_metric(const struct dpr_net *dn, enum dpr_metric metric)
{
	long value;

	switch (metric) {
	case DPR_METRIC_CONNECTIONS:
		return dpr_load_connections(dn);
	case DPR_METRIC_CPU:
		value = READ_ONCE(dpr_load_cpu.busy);
		break;
	case DPR_METRIC_REDIRECTED:
		value = atomic_read(&dn->live);
		break;
	default:
		value = sock_inuse_get(dn->net);
		break;
	}
	/* Per-CPU sums may be seen half way between two CPUs. */
	return max(value, 0L);
}

/**
 * dpr_load_metrics - the paper's four metrics, now (section 3.1)
 * @dn: the namespace
 * @metric: the four metrics
 */
void dpr_load_metrics(const struct dpr_net *dn, u32 metric[DPR_METRICS])
{
	int i;

	rcu_read_lock();
	for (i = 0; i < DPR_METRICS; i++)
		metric[i] = dpr_load_metric(dn, i);
	rcu_read_unlock();
}

/**
 * dpr_load_order - compare hosts by their connections of one port
 * @dn: the namespace
 * @table: the load table, NULL if there is none
 * @port: host byte order
 * @args: of what depends on that, set to it
 *
 * Called under RCU.
 *
 * Return: the peers of @table by their connections; NULL, and @args is as it was, if there
 * is no peer, or this host does not count its own, or it cannot serve and nothing is known
 * of the peers' connections.
 */
const struct dpr_order *dpr_load_order(const struct dpr_net *dn,
				       const struct dpr_table *table, u16 port,
				       struct dpr_policy_args *args)
{
	const int place = dpr_tally_find(dn, port);
	u32 open;

	if (!table || place < 0 || place >= table->tallies ||
	    !dpr_open_port(dn, port, &open))
		return NULL;
	/* Nothing tells the peers apart, and one of them must take it. */
	if (args->draining && !READ_ONCE(table->tally[place].weight))
		return NULL;
	args->own_load = open;
	args->connection_load = 1;
	return &table->tally[place];
}

/* See dpr_load_own(). Reads only metrics whose weight is not 0. */
u64 __dpr_load_own(struct dpr_net *dn, const struct dpr_config *cfg,
		   unsigned long now)
{
	u64 load = 0;
	int i;

	for (i = 0; i < DPR_METRICS; i++)
		if (cfg->metric_weight[i])
			load += (u64)dpr_load_metric(dn, i) *
				cfg->metric_weight[i];
	load = min(load, DPR_LOAD_MAX);
	WRITE_ONCE(dn->load, load);
	WRITE_ONCE(dn->load_at, now);
	return load;
}
