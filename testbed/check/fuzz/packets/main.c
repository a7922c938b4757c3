// SPDX-License-Identifier: GPL-2.0
/*
 * Generates packets, good and bad ones, and hands them to netif_receive_skb() as
 * if a device had: natively millions a minute. All follows from the parameter
 * seed. Each number written to the parameter run sends so many packets; state
 * says what became of them. A panic shows the last packet.
 */
#include <linux/module.h>
#include <linux/nsproxy.h>
#include <linux/panic_notifier.h>
#include <linux/sched/signal.h>
#include "fuzz.h"

#define BATCH	32	/* packets between two looks at the scheduler */

static char *dev = "in0";
module_param(dev, charp, 0);
MODULE_PARM_DESC(dev, "device that the packets seem to come from");
static ulong seed = 1;
module_param(seed, ulong, 0);
MODULE_PARM_DESC(seed, "what all random numbers follow from");

static struct net_device *fuzz_dev;
static struct fuzz_packet fuzz_packet;
static u64 fuzz_state, fuzz_sent, fuzz_wide;

/* Steele, Lea and Flood's SplitMix: a counter, well mixed. */
u64 fuzz_random(void)
{
	u64 z = fuzz_state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

/**
 * fuzz_send - send a packet
 * @p: the packet
 *
 * As a device hands on frames whose protocol and length it knows.
 */
void fuzz_send(struct fuzz_packet *p)
{
	struct sk_buff *skb, *copy = NULL;

	fuzz_fragment_name(p);
	skb = fuzz_shape(p, fuzz_dev);
	fuzz_sent++;
	fuzz_wide += p->wide;
	if (!skb)
		return;
	/* Somebody else may look at the packet too: it must not be written to. */
	if (fuzz_one_in(4))
		copy = skb_clone(skb, GFP_ATOMIC | __GFP_NOWARN);
	if (copy)
		fuzz_guard(copy);
	netif_receive_skb(skb);
	fuzz_count_end();
	if (copy)
		fuzz_unguard(copy);
	kfree_skb(copy);
}

static void fuzz_one(void)
{
	struct fuzz_packet *p = &fuzz_packet;

	if (!fuzz_one_in(8) || !fuzz_tap_reflect(p))
		fuzz_packet_make(p);
	if (fuzz_one_in(3))
		fuzz_mutate(p);
	if (!fuzz_one_in(16) || !fuzz_send_fragments(p))
		fuzz_send(p);
}

static int fuzz_run(const char *text, const struct kernel_param *kp)
{
	u64 n, until;
	int err = kstrtou64(text, 0, &n);

	if (err)
		return err;
	for (until = fuzz_sent + n; fuzz_sent < until; cond_resched()) {
		u32 i;

		local_bh_disable();
		for (i = 0; i < BATCH && fuzz_sent < until; i++)
			fuzz_one();
		local_bh_enable();
		if (fatal_signal_pending(current))
			return -EINTR;
	}
	return 0;
}

static const struct kernel_param_ops fuzz_run_ops = { .set = fuzz_run };
module_param_cb(run, &fuzz_run_ops, NULL, 0200);
MODULE_PARM_DESC(run, "send so many packets");

static int fuzz_state_get(char *text, const struct kernel_param *kp)
{
	const struct fuzz_counts *c = &fuzz_counts;

	return sysfs_emit(text, "%llu %llu %llu %llu %llu %llu %llu %llu\n",
			  fuzz_sent, fuzz_wide, c->before, c->after,
			  c->tunnelled[0][0], c->tunnelled[0][1],
			  c->tunnelled[1][0], c->tunnelled[1][1]);
}

static const struct kernel_param_ops fuzz_state_get_ops = { .get = fuzz_state_get };
module_param_cb(state, &fuzz_state_get_ops, NULL, 0400);
MODULE_PARM_DESC(state, "packets sent, of IPv6; of tunnels before and after dpr; sent as 4in4, 6in4, 4in6, 6in6");

static int fuzz_panic(struct notifier_block *nb, unsigned long event, void *msg)
{
	pr_emerg("dprfuzz: seed %lu, packet %llu:\n", seed, fuzz_sent);
	print_hex_dump(KERN_EMERG, "dprfuzz: ", DUMP_PREFIX_OFFSET, 16, 1,
		       fuzz_start(&fuzz_packet),
		       min_t(u32, fuzz_packet.len, 256), false);
	return NOTIFY_DONE;
}

static struct notifier_block fuzz_panic_block = { .notifier_call = fuzz_panic };

static int __init fuzz_init(void)
{
	struct net *net = current->nsproxy->net_ns;
	int err;

	fuzz_state = seed;
	fuzz_dev = dev_get_by_name(net, dev);
	if (!fuzz_dev)
		return -ENODEV;
	err = fuzz_tap_open(net);
	if (err) {
		dev_put(fuzz_dev);
		return err;
	}
	atomic_notifier_chain_register(&panic_notifier_list, &fuzz_panic_block);
	return 0;
}

static void __exit fuzz_exit(void)
{
	atomic_notifier_chain_unregister(&panic_notifier_list,
					 &fuzz_panic_block);
	fuzz_tap_close();
	dev_put(fuzz_dev);
}

module_init(fuzz_init);
module_exit(fuzz_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Generated packets for dpr.ko");
