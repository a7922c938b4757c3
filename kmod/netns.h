/* SPDX-License-Identifier: GPL-2.0 */
/* The state of one network namespace. */
#ifndef _DPR_NETNS_H
#define _DPR_NETNS_H

#include <linux/mutex.h>
#include <linux/netfilter.h>
#include <linux/rhashtable.h>
#include <linux/skbuff.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <net/net_namespace.h>

struct dpr_backends;
struct dpr_closing_queue;
struct dpr_config;
struct dpr_handovers;
struct dpr_members;
struct dpr_open;
struct dpr_owner_table;
struct dpr_services;
struct dpr_splices;
struct dpr_stats;
struct dpr_table;
struct dpr_tallies;
struct mem_cgroup;

#define DPR_HALF_OPEN_SHARDS	16

/**
 * struct dpr_half_open - half-open flows, oldest first (half_open.h)
 * @lock: protects the list; taken with bottom halves off
 * @list: struct dpr_flow by their half_open member
 * @oldest: jiffies of the last SYN of the flow that was the oldest when it was
 *	last checked, and too young to be evicted; none on the list is older
 */
struct dpr_half_open {
	spinlock_t lock;	/* of the list */
	struct list_head list;
	u32 oldest;
} ____cacheline_aligned_in_smp;

/**
 * struct dpr_closing - the connections whose sockets are watched (closing.h)
 * @work: checks them
 * @lock: protects what follows; taken with bottom halves off
 * @waking: @work is scheduled
 * @wake: for that jiffy
 * @queue: one for each delay; NULL before the first redirected connection
 */
struct dpr_closing {
	struct delayed_work work;
	spinlock_t lock;	/* of all that follows */
	bool waking;
	u32 wake;
	struct dpr_closing_queue *queue;
};

#define DPR_MISS_SENDERS	64

/**
 * struct dpr_miss_sender - a link-layer address that packets came from
 * @place: of a peer in the load table that may have it
 * @at: the jiffy in which no peer had @mac on the link @iif
 * @iif: index of that link
 * @mac: the address
 */
struct dpr_miss_sender {
	u32 place;
	u32 at;
	int iif;
	u64 mac;
};

/**
 * struct dpr_miss_senders - who has sent packets without a tunnel (miss.c)
 * @lock: protects all of it but @of.place; taken in softirq
 * @at: jiffies when a sender was last looked for among all peers
 * @searches: how often in that jiffy
 * @of: by the hash of their addresses
 */
struct dpr_miss_senders {
	spinlock_t lock;	/* of all that follows, but for hints */
	u32 at;
	u32 searches;
	struct dpr_miss_sender of[DPR_MISS_SENDERS];
};

/**
 * struct dpr_net - the state of one network namespace
 * @net: the namespace
 * @guest: it belongs to another user namespace than the initial one
 * @memcg: control group that pays for its flows if @guest; NULL before the first
 *	configuration
 * @lock: serialises changes of configuration, services and peers
 * @config: the current configuration, under RCU
 * @own_dev: index of the device that had this host's address of IPv6 when it was last looked
 *	for; a hint
 * @stats: counters
 * @hooked: the hooks are registered; under @lock
 * @hook_ops: the hooks
 * @through: those of @through_ops are; under @lock
 * @through_ops: hooks that send answers to first hosts
 * @watching: those of @watch_ops are; under @lock
 * @watch_ops: hooks that look at answers of connections that may move
 * @started: jiffies when @hook_ops were registered
 * @ports: bitmap of the ports whose packets the hooks look at: of services, and
 *	of former services, which may still have flows. NULL before the first
 *	service
 * @services: the services, under RCU
 * @service_bits: their bits (struct dpr_service), ~0 if one has none
 * @open: their open connections, under RCU; NULL if they are not counted
 * @recount: counts them anew when this host's addresses have changed
 * @peers: known peers by address, under RCU; writers hold @lock
 * @peer_count: how many; under @lock
 * @table: the load table, under RCU
 * @order_lock: protects the load table's order and the peers' places in it;
 *	taken with bottom halves off
 * @load_at: jiffies when @load was computed; 0 before the first time
 * @load: this host's load then
 * @tallies: the ports whose services have loads of their own; NULL before the first.
 *	Then it stays
 * @members: hosts that the stateless policy picks from now, under RCU
 * @base: hosts that packets without flow follow, under RCU; NULL if none
 * @direct: peers may send clients' packets as they are
 * @base_time: jiffies when @members began to differ from @base
 * @flows: the routing table
 * @flow_count: flows in it
 * @live: flows in state SYN or established
 * @half_open: half-open flows
 * @expire: where the next clean-up step continues; under @expire_lock
 * @expire_lock: serialises clean-up steps
 * @expired_at: jiffies of the last clean-up step
 * @sweep: cleans up if nobody asks for it
 * @closing: connections whose sockets may have closed
 * @owners: open questions to peers, under RCU; NULL before the first
 *	configuration that asks them, then it stays
 * @handovers: connections that wait to be handed over, and those taken, under RCU; NULL
 *	before the first service of DPR_DISPATCH_CONNECTION or DPR_DISPATCH_REQUEST. Then
 *	it stays
 * @watch: connections that may move, and those that did, under RCU; NULL before the first
 *	service of DPR_DISPATCH_REQUEST. Then it stays
 * @missed: jiffies when a peer was last told that bulk data have no socket
 * @senders: who has sent packets without a tunnel
 * @backends: the backends, under RCU; NULL if there are none
 * @splices: connections to backends, under RCU; NULL before the first backend. Then it
 *	stays
 * @full_notified: jiffies of the last event of a full table
 * @probe: repeats probes of peers
 * @secret: random; nobody else can compute what is derived from it
 * @deferred: SYNs held until their listener is prepared
 * @prepare: prepares listeners
 * @leaving: requests whose connections are about to be let go
 * @leave: lets them go
 */
struct dpr_net {
	struct net *net;
	bool guest;
	struct mem_cgroup *memcg;
	struct mutex lock;	/* of configuration, services, peers */
	struct dpr_config __rcu *config;
	int own_dev;
	struct dpr_stats __percpu *stats;
	bool hooked;
	struct nf_hook_ops hook_ops[4];
	bool through;
	struct nf_hook_ops through_ops[2];
	bool watching;
	struct nf_hook_ops watch_ops[2];
	unsigned long started;

	unsigned long *ports;
	struct dpr_services __rcu *services;
	u64 service_bits;
	struct dpr_open __rcu *open;
	struct delayed_work recount;

	struct hlist_head *peers;
	u32 peer_count;
	struct dpr_table __rcu *table;
	spinlock_t order_lock;	/* of the load table's order */
	unsigned long load_at;
	u64 load;
	struct dpr_tallies *tallies;
	struct dpr_members __rcu *members;
	struct dpr_members __rcu *base;
	bool direct;
	unsigned long base_time;

	struct rhashtable flows;
	atomic_t flow_count;
	atomic_t live;
	struct dpr_half_open half_open[DPR_HALF_OPEN_SHARDS];
	struct rhashtable_iter expire;
	struct mutex expire_lock;	/* of clean-up steps */
	unsigned long expired_at;
	struct delayed_work sweep;
	struct dpr_closing closing;
	struct dpr_owner_table __rcu *owners;
	struct dpr_handovers __rcu *handovers;
	struct dpr_migrate_watch __rcu *watch;
	u32 missed;
	struct dpr_miss_senders senders;
	struct dpr_backends __rcu *backends;
	struct dpr_splices __rcu *splices;
	unsigned long full_notified;
	struct delayed_work probe;
	u32 secret;

	struct sk_buff_head deferred;
	struct delayed_work prepare;
	struct sk_buff_head leaving;
	struct delayed_work leave;
};

extern unsigned int dpr_netns_id;

struct dpr_net *dpr_netns(struct net *net);

#endif /* _DPR_NETNS_H */
