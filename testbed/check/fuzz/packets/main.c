// SPDX-License-Identifier: GPL-2.0
/*
 * Generates packets, good and bad ones, and hands them to netif_receive_skb() as
 * if a device had: natively millions a minute. All follows from the parameter
 * seed. Each number written to the parameter run sends so many packets; state
 * says what became of them. A panic shows the last packet.
 */
#include <linux/etherdevice.h>
#include <linux/module.h>
#include <linux/nsproxy.h>
#include <linux/panic_notifier.h>
#include <linux/sched/signal.h>
#include <net/ip.h>
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
static u64 fuzz_state, fuzz_sent;

/* Steele, Lea and Flood's SplitMix: a counter, well mixed. */
u64 fuzz_random(void)
{
	u64 z = fuzz_state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

/* A device hands on frames whose protocol and length it knows. */
static void fuzz_send(const struct fuzz_packet *p)
{
	struct sk_buff *skb = fuzz_shape(p, fuzz_dev), *copy = NULL;

	fuzz_sent++;
	if (!skb)
		return;
	/* Somebody else may look at the packet too: it must not be written to. */
	if (fuzz_one_in(8))
		copy = skb_clone(skb, GFP_ATOMIC | __GFP_NOWARN);
	netif_receive_skb(skb);
	kfree_skb(copy);
}

/* Cuts a packet into fragments: in any order, some missing, some overlapping. */
static void fuzz_send_fragments(const struct fuzz_packet *p)
{
	static struct fuzz_packet fragment;
	const struct iphdr *whole = (const void *)(p->data + p->at);
	u32 hlen = whole->ihl * 4, data = p->len - hlen, n, i;
	u16 off = (ntohs(whole->frag_off) & IP_OFFSET) * 8;

	for (n = 2 + fuzz_below(3), i = 0; i < n; i++) {
		u32 k = fuzz_one_in(4) ? fuzz_below(n) : i;
		u32 from = (data * k / n) & ~7;
		u32 to = k == n - 1 ? data : (data * (k + 1) / n) & ~7;
		struct iphdr *iph;

		if (fuzz_one_in(8))
			from = from >= 8 ? from - 8 : 0;
		if (fuzz_one_in(16))
			continue;
		fragment.at = p->at;
		fragment.len = hlen + to - from;
		fragment.tcp = 0;
		fragment.intact = false;
		memcpy(fuzz_start(&fragment), p->data + p->at, hlen);
		memcpy(fuzz_start(&fragment) + hlen,
		       p->data + p->at + hlen + from, to - from);
		iph = (void *)fuzz_start(&fragment);
		iph->frag_off = htons(((off + from) >> 3) |
				      (k == n - 1 ? 0 : IP_MF) |
				      (ntohs(whole->frag_off) & FUZZ_MARK));
		fuzz_packet_fix(&fragment);
		fuzz_send(&fragment);
	}
}

static void fuzz_one(void)
{
	struct fuzz_packet *p = &fuzz_packet;
	const struct iphdr *iph;

	if (!fuzz_one_in(8) || !fuzz_tap_reflect(p))
		fuzz_packet_make(p);
	if (fuzz_one_in(3))
		fuzz_mutate(p);
	iph = (void *)fuzz_start(p);
	if (fuzz_one_in(16) && p->len > 28 && iph->ihl >= 5 &&
	    iph->ihl * 4 + 8 < p->len)
		fuzz_send_fragments(p);
	else
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
	return sysfs_emit(text, "%llu %llu %llu %llu\n", fuzz_sent,
			  fuzz_tap_before(), fuzz_tap_after(),
			  fuzz_tap_tunnelled());
}

static const struct kernel_param_ops fuzz_state_get_ops = { .get = fuzz_state_get };
module_param_cb(state, &fuzz_state_get_ops, NULL, 0400);
MODULE_PARM_DESC(state, "packets sent; of protocol 4 before and after dpr; tunnelled");

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
