// SPDX-License-Identifier: GPL-2.0
/*
 * An ideal network card: it makes up what it receives, and forgets what it sends. It has
 * pages for its frames and a NAPI poll, and runs programs of XDP in its driver, as cards
 * do. It has no rings, no DMA and no interrupts: what a packet costs is what the kernel
 * and the program do with it.
 *
 * Whatever is written to the parameter run starts a measurement. The other parameters
 * say before it which packets come, and after it what one took and what became of them.
 * What building a frame takes is measured by itself and subtracted, with what the poll
 * takes. With keep set, /dev/dprnic has the first frames that were sent.
 */
#include <linux/bpf.h>
#include <linux/etherdevice.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/hash.h>
#include <linux/inet.h>
#include <linux/ip.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <linux/sched.h>
#include <linux/tcp.h>
#include <net/ip.h>
#include <net/page_pool/helpers.h>
#include <net/xdp.h>
#include "../inject/profile.h"

static char *to = "10.0.0.1";
module_param(to, charp, 0);
MODULE_PARM_DESC(to, "destination address of the packets");
static char *from = "10.128.0.0";
module_param(from, charp, 0);
MODULE_PARM_DESC(from, "first client address");
static ushort port = 80;
module_param(port, ushort, 0600);
MODULE_PARM_DESC(port, "destination port");
static bool syn;
module_param(syn, bool, 0600);
MODULE_PARM_DESC(syn, "SYNs come, else ACKs");
static uint flows = 1000;
module_param(flows, uint, 0600);
MODULE_PARM_DESC(flows, "clients' connections, all gone through in turn");
static uint first;
module_param(first, uint, 0600);
MODULE_PARM_DESC(first, "number of the first connection");
static uint stride = 1;
module_param(stride, uint, 0600);
MODULE_PARM_DESC(stride, "steps between the connections of two packets");
static uint packets = 10000;
module_param(packets, uint, 0600);
MODULE_PARM_DESC(packets, "packets that come");
static uint payload = 100;
module_param(payload, uint, 0600);
MODULE_PARM_DESC(payload, "bytes of data in a segment, up to 1000");
static bool quiet;
module_param(quiet, bool, 0600);
MODULE_PARM_DESC(quiet, "measure nothing");
static bool keep;
module_param(keep, bool, 0600);
MODULE_PARM_DESC(keep, "keep the first frames that are sent");
static bool profile;
module_param(profile, bool, 0600);
MODULE_PARM_DESC(profile, "print where the time goes, by function");

static long cost;
module_param(cost, long, 0400);
MODULE_PARM_DESC(cost, "result: thousandths of a nanosecond a packet");
static long base;
module_param(base, long, 0400);
MODULE_PARM_DESC(base, "result: what building a frame and the poll took, not in cost");
static ulong tx;
module_param(tx, ulong, 0400);
MODULE_PARM_DESC(tx, "result: frames that the stack sent");
static ulong xdp_tx;
module_param(xdp_tx, ulong, 0400);
MODULE_PARM_DESC(xdp_tx, "result: frames that the program of XDP sent back");
static ulong pass;
module_param(pass, ulong, 0400);
MODULE_PARM_DESC(pass, "result: frames that the program of XDP left to the stack");
static ulong drop;
module_param(drop, ulong, 0400);
MODULE_PARM_DESC(drop, "result: frames that the driver dropped");

#define NIC_PORTS	32768	/* client ports of one client address */
#define NIC_BATCH	NAPI_POLL_WEIGHT
#define NIC_PAYLOAD	1000	/* most bytes of data in a segment */
#define NIC_PAGES	1024	/* that the pool keeps */
#define NIC_KEPT	64	/* frames */

/**
 * struct nic_frame - a frame that was sent, as /dev/dprnic has it
 * @len: its length
 * @data: its first bytes
 */
struct nic_frame {
	u32 len;
	u8 data[252];
};

static const u8 nic_address[ETH_ALEN] = { 2, 0, 0, 0, 0, 1 };
static const u8 nic_router[ETH_ALEN] = { 2, 0, 0, 0, 0xff, 0xff };

static struct net_device *nic;
static struct napi_struct nic_napi;
static struct page_pool *nic_pool;
static struct xdp_rxq_info nic_rxq;
static struct bpf_prog __rcu *nic_prog;

static __be32 nic_to;
static u32 nic_from;
static u32 nic_waiting;		/* frames that have come and were not polled */
static u32 nic_next;		/* connection of the next one, after the first */
static bool nic_receives;	/* else they are only built and freed */
static struct nic_frame nic_frames[NIC_KEPT];
static u32 nic_kept;

/* Keeps a frame that is sent, if that is asked for. */
static void nic_sent(const void *data, u32 len)
{
	struct nic_frame *frame;

	if (likely(!keep) || nic_kept == NIC_KEPT)
		return;
	frame = &nic_frames[nic_kept++];
	frame->len = len;
	memcpy(frame->data, data, min_t(u32, len, sizeof(frame->data)));
}

/* Writes the client's half of the n-th connection. Returns the frame's length. */
static u32 nic_build(void *frame, u32 n)
{
	struct ethhdr *eth = frame;
	struct iphdr *iph = (void *)(eth + 1);
	struct tcphdr *th = (void *)(iph + 1);
	const u16 len = sizeof(*iph) + sizeof(*th) + payload;

	ether_addr_copy(eth->h_dest, nic_address);
	ether_addr_copy(eth->h_source, nic_router);
	eth->h_proto = htons(ETH_P_IP);
	*iph = (struct iphdr){
		.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP,
		.tot_len = htons(len), .frag_off = htons(IP_DF),
		.saddr = htonl(nic_from + n / NIC_PORTS), .daddr = nic_to,
	};
	ip_send_check(iph);
	memset(th, 0, sizeof(*th) + payload);
	th->source = htons(1024 + n % NIC_PORTS);
	th->dest = htons(port);
	th->seq = htonl(syn ? 1 : 2);
	th->ack_seq = htonl(syn ? 0 : 1);
	tcp_flag_word(th) = syn ? TCP_FLAG_SYN : TCP_FLAG_ACK;
	th->doff = sizeof(*th) / 4;
	th->window = htons(65535);
	return ETH_HLEN + len;
}

static void nic_drop(struct page *page)
{
	drop++;
	page_pool_recycle_direct(nic_pool, page);
}

/* Gives a frame to the stack. The hash is one that cards compute. */
static void nic_up(const struct xdp_buff *xdp, struct page *page, u32 hash)
{
	struct sk_buff *skb = napi_build_skb(xdp->data_hard_start, PAGE_SIZE);

	if (unlikely(!skb)) {
		nic_drop(page);
		return;
	}
	skb_reserve(skb, xdp->data - xdp->data_hard_start);
	skb_put(skb, xdp->data_end - xdp->data);
	skb_mark_for_recycle(skb);
	skb->ip_summed = CHECKSUM_UNNECESSARY;
	skb_record_rx_queue(skb, 0);
	skb_set_hash(skb, hash, PKT_HASH_TYPE_L4);
	skb->protocol = eth_type_trans(skb, nic);
	napi_gro_receive(&nic_napi, skb);
}

/* Does with a frame what a program of XDP says. */
static void nic_run_prog(struct bpf_prog *prog, struct xdp_buff *xdp,
			 struct page *page, u32 hash)
{
	const u32 action = bpf_prog_run_xdp(prog, xdp);
	struct xdp_frame *frame;

	if (action == XDP_PASS) {
		pass++;
		nic_up(xdp, page, hash);
		return;
	}
	frame = action == XDP_TX ? xdp_convert_buff_to_frame(xdp) : NULL;
	if (!frame) {
		nic_drop(page);
		return;
	}
	xdp_tx++;
	nic_sent(frame->data, frame->len);
	xdp_return_frame_rx_napi(frame);
}

/* Receives the next frame. Returns false if there is no memory. */
static bool nic_receive(struct bpf_prog *prog)
{
	struct page *page = page_pool_dev_alloc_pages(nic_pool);
	const u32 n = first + nic_next;
	struct xdp_buff xdp;
	void *start;
	u32 len;

	if (unlikely(!page))
		return false;
	start = page_address(page);
	len = nic_build(start + XDP_PACKET_HEADROOM, n);
	nic_next += stride;
	if (nic_next >= flows)
		nic_next -= flows;
	if (!nic_receives) {
		page_pool_recycle_direct(nic_pool, page);
		return true;
	}
	xdp_init_buff(&xdp, PAGE_SIZE, &nic_rxq);
	xdp_prepare_buff(&xdp, start, XDP_PACKET_HEADROOM, len, false);
	if (prog)
		nic_run_prog(prog, &xdp, page, hash_32(n, 32));
	else
		nic_up(&xdp, page, hash_32(n, 32));
	return true;
}

static int nic_poll(struct napi_struct *napi, int budget)
{
	struct bpf_prog *prog = rcu_dereference_bh(nic_prog);
	int done;

	for (done = 0; done < budget && nic_waiting; done++, nic_waiting--)
		if (!nic_receive(prog))
			break;
	if (done == budget && nic_waiting)
		return budget;
	/* A poll that took the last frame is the last one. */
	napi_complete_done(napi, done);
	return min(done, budget - 1);
}

static netdev_tx_t nic_xmit(struct sk_buff *skb, struct net_device *dev)
{
	tx++;
	nic_sent(skb->data, skb_headlen(skb));
	napi_consume_skb(skb, 1);
	return NETDEV_TX_OK;
}

static int nic_open(struct net_device *dev)
{
	napi_enable(&nic_napi);
	netif_start_queue(dev);
	return 0;
}

static int nic_stop(struct net_device *dev)
{
	netif_stop_queue(dev);
	napi_disable(&nic_napi);
	return 0;
}

static int nic_bpf(struct net_device *dev, struct netdev_bpf *bpf)
{
	struct bpf_prog *old;

	if (bpf->command != XDP_SETUP_PROG)
		return -EINVAL;
	old = rtnl_dereference(nic_prog);
	rcu_assign_pointer(nic_prog, bpf->prog);
	if (old)
		bpf_prog_put(old);
	return 0;
}

static const struct net_device_ops nic_ops = {
	.ndo_open = nic_open,
	.ndo_stop = nic_stop,
	.ndo_start_xmit = nic_xmit,
	.ndo_bpf = nic_bpf,
};

/* Has a batch of frames come. Returns the ns until all is done with them, 0 on failure. */
static u64 nic_batch(u32 size)
{
	u64 start = ktime_get_ns();

	local_bh_disable();
	nic_waiting = size;
	napi_schedule(&nic_napi);
	local_bh_enable();
	return nic_waiting ? 0 : ktime_get_ns() - start;
}

/* Has all packets come. Returns what one took in thousandths of a ns, 0 on failure. */
static u64 nic_all(bool receives)
{
	u64 ns, sum = 0;
	u32 left, size;

	nic_receives = receives;
	nic_next = 0;
	for (left = packets; left; left -= size) {
		size = min_t(u32, NIC_BATCH, left);
		ns = nic_batch(size);
		if (!ns)
			return 0;
		sum += ns;
		cond_resched();
	}
	return div_u64(1000 * sum, packets);
}

static int nic_measure(const char *value, const struct kernel_param *param)
{
	u64 with, without = 0;

	if (!nic)
		return -ENODEV;
	if (!packets || !stride || stride > flows || payload > NIC_PAYLOAD)
		return -EINVAL;
	if (!quiet) {
		without = nic_all(false);
		if (!without)
			return -EIO;
	}
	tx = 0;
	xdp_tx = 0;
	pass = 0;
	drop = 0;
	nic_kept = 0;
	if (profile && inject_profile_start())
		return -ENOMEM;
	with = nic_all(true);
	if (profile)
		inject_profile_stop();
	if (!with)
		return -EIO;
	cost = with - without;
	base = without;
	return 0;
}

static const struct kernel_param_ops nic_run_ops = { .set = nic_measure };
module_param_cb(run, &nic_run_ops, NULL, 0200);
MODULE_PARM_DESC(run, "measure");

static ssize_t nic_read(struct file *file, char __user *buf, size_t count,
			loff_t *pos)
{
	return simple_read_from_buffer(buf, count, pos, nic_frames,
				       nic_kept * sizeof(*nic_frames));
}

static const struct file_operations nic_fops = {
	.owner = THIS_MODULE,
	.read = nic_read,
	.llseek = default_llseek,
};

static struct miscdevice nic_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = KBUILD_MODNAME,
	.mode = 0400,
	.fops = &nic_fops,
};

/* Makes the pages of frames. The card's NAPI takes them back at once. */
static int nic_pool_setup(void)
{
	const struct page_pool_params params = {
		.pool_size = NIC_PAGES, .nid = NUMA_NO_NODE, .napi = &nic_napi,
	};
	int err;

	nic_pool = page_pool_create(&params);
	if (IS_ERR(nic_pool))
		return PTR_ERR(nic_pool);
	err = xdp_rxq_info_reg(&nic_rxq, nic, 0, 0);
	if (err)
		goto pool;
	err = xdp_rxq_info_reg_mem_model(&nic_rxq, MEM_TYPE_PAGE_POOL, nic_pool);
	if (err)
		goto rxq;
	return 0;
rxq:
	xdp_rxq_info_unreg(&nic_rxq);
pool:
	page_pool_destroy(nic_pool);
	return err;
}

static void nic_pool_teardown(void)
{
	xdp_rxq_info_unreg(&nic_rxq);
	page_pool_destroy(nic_pool);
}

static int __init nic_init(void)
{
	int err;

	nic_to = in_aton(to);
	nic_from = ntohl(in_aton(from));
	nic = alloc_netdev(0, "nic%d", NET_NAME_ENUM, ether_setup);
	if (!nic)
		return -ENOMEM;
	nic->netdev_ops = &nic_ops;
	nic->priv_flags |= IFF_NO_QUEUE;
	nic->xdp_features = NETDEV_XDP_ACT_BASIC;
	eth_hw_addr_set(nic, nic_address);
	netif_napi_add(nic, &nic_napi, nic_poll);
	err = nic_pool_setup();
	if (err)
		goto device;
	err = misc_register(&nic_misc);
	if (err)
		goto pool;
	err = register_netdev(nic);
	if (err)
		goto misc;
	return 0;
misc:
	misc_deregister(&nic_misc);
pool:
	nic_pool_teardown();
device:
	free_netdev(nic);
	return err;
}

static void __exit nic_exit(void)
{
	unregister_netdev(nic);
	misc_deregister(&nic_misc);
	nic_pool_teardown();
	free_netdev(nic);
}

module_init(nic_init);
module_exit(nic_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Ideal network card");
