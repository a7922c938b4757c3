// SPDX-License-Identifier: GPL-2.0
/*
 * A connection is open until its data is out: a server that writes a short answer and
 * closes is done long before its link is. TCP_MIB_CURRESTAB ends with the close, and
 * knows no services. So each change of a socket's state is noted, by the kernel's
 * tracepoint of them.
 */
#include <linux/bsearch.h>
#include <linux/hash.h>
#include <linux/inetdevice.h>
#include <linux/mm.h>
#include <linux/netdevice.h>
#include <linux/notifier.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/tracepoint.h>
#include <linux/workqueue.h>
#include <net/addrconf.h>
#include <net/if_inet6.h>
#include <net/inet_hashtables.h>
#include <net/sock.h>
#include <net/tcp.h>
#include "compat.h"
#include "local.h"
#include "netns.h"
#include "open.h"
#include "service.h"

#define DPR_OPEN_STATES	(TCPF_ESTABLISHED | TCPF_CLOSE_WAIT | \
			 TCPF_FIN_WAIT1 | TCPF_CLOSING | TCPF_LAST_ACK)

/* Places of the smallest and of the largest table of known sockets. */
#define DPR_OPEN_KNOWN_LEAST	(1U << 12)
#define DPR_OPEN_KNOWN_MOST	(1U << 24)
/* Places of it that may be a socket's. */
#define DPR_OPEN_KNOWN_TRIES	64

/* An address rarely comes or goes alone: all is counted anew so long after the first one. */
#define DPR_OPEN_SETTLE		HZ

/**
 * struct dpr_open_known - the sockets that have been counted so far
 * @rcu: frees it
 * @mask: places less one; places are a power of two
 * @full: a socket found no place
 * @place: addresses of sockets, each in one of DPR_OPEN_KNOWN_TRIES places from its
 *	hash on; NULL: free, and so are those after it that follow the same hash
 */
struct dpr_open_known {
	struct rcu_head rcu;
	u32 mask;
	bool full;
	const struct sock *place[];
};

/**
 * struct dpr_open_service - the open connections of a service
 * @address: its address, none: all
 * @port: its port, host byte order
 * @n: how many, if &dpr_open.ready; before that, what has been found so far
 * @apart: keeps two services' @n out of one cache line
 */
struct dpr_open_service {
	struct dpr_addr address;
	u16 port;
	atomic_t n;
	u8 apart[SMP_CACHE_BYTES - 24];
};

/**
 * struct dpr_open - the open connections of all services
 * @rcu: frees it
 * @known: those that have been counted, while the first count lasts; under RCU
 * @ready: the first count is over
 * @locals: how many addresses that others can reach this host had when the count began; 0
 *	if no service is on one of them only
 * @local: these addresses, sorted
 * @services: how many services
 * @service: in the order of struct dpr_services
 */
struct dpr_open {
	struct rcu_head rcu;
	struct dpr_open_known __rcu *known;
	bool ready;
	u32 locals;
	struct dpr_addr *local;
	u32 services;
	struct dpr_open_service service[];
};

static struct tracepoint *dpr_open_tracepoint;

static bool dpr_open_state(int state)
{
	return (1 << state) & DPR_OPEN_STATES;
}

static struct dpr_addr dpr_open_address(const struct sock *sk)
{
	if (sk->sk_family == AF_INET6)
		return dpr_addr_of6(&sk->sk_v6_rcv_saddr);
	return dpr_addr_of4(inet_sk(sk)->inet_rcv_saddr);
}

static int dpr_open_compare(const void *a, const void *b)
{
	return dpr_addr_compare(a, b);
}

/*
 * Is an address none of this host's, so that a connection to it is one that another host
 * redirected here? What began is judged alike when it ends, whatever addresses come and go
 * meanwhile: by those that the host had when the count began. Later ones begin another count.
 */
static bool dpr_open_foreign(const struct dpr_open *open,
			     const struct dpr_addr *address)
{
	return dpr_local_unicast(address) &&
	       !bsearch(address, open->local, open->locals, sizeof(*address),
			dpr_open_compare);
}

/*
 * Its service at another host may be on an address of that host: here it is the first of
 * the port. Called under RCU.
 */
static struct dpr_open_service *dpr_open_match(struct dpr_open *open,
					       const struct sock *sk)
{
	/* A socket that closes has given sk_num back. */
	const u16 port = ntohs(inet_sk(sk)->inet_sport);
	const struct dpr_addr address = dpr_open_address(sk);
	struct dpr_open_service *first = NULL;
	u32 i;

	for (i = 0; i < open->services; i++) {
		struct dpr_open_service *service = &open->service[i];

		if (service->port != port)
			continue;
		if (dpr_addr_none(&service->address) ||
		    dpr_addr_equal(&service->address, &address))
			return service;
		first = first ?: service;
	}
	return first && dpr_open_foreign(open, &address) ? first : NULL;
}

/* Is the socket seen for the first time? */
static bool dpr_open_first(struct dpr_open_known *known, const struct sock *sk)
{
	u32 at = hash_ptr(sk, 32), i;

	for (i = 0; i < DPR_OPEN_KNOWN_TRIES; i++) {
		const struct sock **place = &known->place[(at + i) & known->mask];
		const struct sock *old = READ_ONCE(*place);

		if (!old) {
			old = cmpxchg(place, NULL, sk);
			if (!old)
				return true;
		}
		if (old == sk)
			return false;
	}
	WRITE_ONCE(known->full, true);
	return false;
}

/*
 * While the first count lasts the state that a socket had when it began is counted by
 * whoever comes first: the walk over all sockets, or a change of that state, which is
 * told before it is made. An address that another socket has taken over is known
 * already, and that socket was not open when the count began.
 */
static void dpr_open_begun(struct dpr_open *open, struct dpr_open_service *service,
			   const struct sock *sk, bool was)
{
	struct dpr_open_known *known = rcu_dereference(open->known);

	if (unlikely(known) && dpr_open_first(known, sk) && was)
		atomic_inc(&service->n);
}

/* The tracepoint's: @sk goes from one state to another. In any context. */
static void dpr_open_changed(void *unused, const struct sock *sk, const int from,
			     const int to)
{
	const bool was = dpr_open_state(from);
	struct dpr_open_service *service;
	struct dpr_open *open;

	if (was == dpr_open_state(to) || sk->sk_protocol != IPPROTO_TCP)
		return;
	rcu_read_lock();
	open = rcu_dereference(dpr_netns(sock_net(sk))->open);
	service = open ? dpr_open_match(open, sk) : NULL;
	if (service) {
		dpr_open_begun(open, service, sk, was);
		atomic_add(was ? -1 : 1, &service->n);
	}
	rcu_read_unlock();
}

static void dpr_open_find(struct tracepoint *tp, void *unused)
{
	if (!strcmp(tp->name, "inet_sock_set_state"))
		dpr_open_tracepoint = tp;
}

/* Adds an address to @into, if there is room for it there, and others can reach it. */
static void dpr_open_add_local(struct dpr_addr *into, u32 most, u32 *n,
			       struct dpr_addr address)
{
	if (!dpr_local_unicast(&address))
		return;
	if (*n < most)
		into[*n] = address;
	(*n)++;
}

/* This host's addresses; returns how many there are, of which @most are put into @into. */
static u32 dpr_open_locals(struct net *net, struct dpr_addr *into, u32 most)
{
	const struct inet6_ifaddr *ifa6;
	const struct in_device *in_dev;
	const struct in_ifaddr *ifa;
	struct net_device *dev;
	struct inet6_dev *in6;
	u32 n = 0;

	rcu_read_lock();
	for_each_netdev_rcu(net, dev) {
		in_dev = __in_dev_get_rcu(dev);
		if (in_dev)
			in_dev_for_each_ifa_rcu(ifa, in_dev)
				dpr_open_add_local(into, most, &n,
						   dpr_addr_of4(ifa->ifa_local));
		in6 = __in6_dev_get(dev);
		if (!in6)
			continue;
		read_lock_bh(&in6->lock);
		list_for_each_entry(ifa6, &in6->addr_list, if_list)
			dpr_open_add_local(into, most, &n,
					   dpr_addr_of6(&ifa6->addr));
		read_unlock_bh(&in6->lock);
	}
	rcu_read_unlock();
	return n;
}

/* Is a service on one address only? */
static bool dpr_open_any_address(const struct dpr_services *services)
{
	u32 i;

	for (i = 0; i < services->n; i++)
		if (!dpr_addr_none(&services->service[i].address))
			return true;
	return false;
}

static struct dpr_open *dpr_open_alloc(struct net *net,
				       const struct dpr_services *services)
{
	u32 i, most = 0;
	struct dpr_open *open;

	if (dpr_open_any_address(services))
		most = dpr_open_locals(net, NULL, 0);
	open = kvzalloc(size_add(struct_size(open, service, services->n),
				 size_mul(most, sizeof(*open->local))),
			GFP_KERNEL_ACCOUNT);
	if (!open)
		return NULL;
	open->local = (void *)(open->service + services->n);
	/* Some may have come or gone since. */
	if (most)
		open->locals = min(dpr_open_locals(net, open->local, most), most);
	sort(open->local, open->locals, sizeof(*open->local), dpr_open_compare,
	     NULL);
	open->services = services->n;
	for (i = 0; i < services->n; i++) {
		open->service[i].address = services->service[i].address;
		open->service[i].port = services->service[i].port;
	}
	return open;
}

static struct dpr_open_known *dpr_open_known_alloc(u32 places)
{
	struct dpr_open_known *known;

	known = kvzalloc(struct_size(known, place, places), GFP_KERNEL_ACCOUNT);
	if (known)
		known->mask = places - 1;
	return known;
}

static void dpr_open_replace(struct dpr_net *dn, struct dpr_open *new)
{
	struct dpr_open *old = rcu_replace_pointer(dn->open, new,
						   lockdep_is_held(&dn->lock));

	if (old)
		kvfree_rcu(old, rcu);
}

/* Counts the sockets of a chain that are not known. Its lock keeps them there. */
static void dpr_open_chain(struct net *net, struct dpr_open *open,
			   struct inet_hashinfo *table, u32 chain)
{
	spinlock_t *lock = inet_ehash_lockp(table, chain);
	const struct hlist_nulls_node *node;
	struct dpr_open_service *service;
	struct sock *sk;

	rcu_read_lock();
	spin_lock_bh(lock);
	sk_nulls_for_each(sk, node, &table->ehash[chain].chain) {
		if (!net_eq(sock_net(sk), net) ||
		    !dpr_open_state(inet_sk_state_load(sk)))
			continue;
		service = dpr_open_match(open, sk);
		if (service)
			dpr_open_begun(open, service, sk, true);
	}
	spin_unlock_bh(lock);
	rcu_read_unlock();
}

static void dpr_open_walk(struct net *net, struct dpr_open *open)
{
	struct inet_hashinfo *table = net->ipv4.tcp_death_row.hashinfo;
	u32 i;

	for (i = 0; i <= table->ehash_mask; i++) {
		if (!hlist_nulls_empty(&table->ehash[i].chain))
			dpr_open_chain(net, open, table, i);
		cond_resched();
	}
}

/* Another user namespace may not interrupt all CPUs. */
static void dpr_open_synchronize(const struct dpr_net *dn)
{
	if (dn->guest)
		synchronize_rcu();
	else
		synchronize_rcu_expedited();
}

/* Counts with a table of so many places: 0, -ENOMEM, or -EAGAIN: it was too small. */
static int dpr_open_try(struct dpr_net *dn, const struct dpr_services *services,
			u32 places)
{
	struct dpr_open_known *known = dpr_open_known_alloc(places);
	struct dpr_open *open = dpr_open_alloc(dn->net, services);
	bool full;

	if (!known || !open) {
		kvfree(known);
		kvfree(open);
		return -ENOMEM;
	}
	RCU_INIT_POINTER(open->known, known);
	dpr_open_replace(dn, open);
	/* From here on every change is noted. */
	dpr_open_synchronize(dn);
	dpr_open_walk(dn->net, open);
	/* A socket that closes leaves its chain a moment before that is noted. */
	dpr_open_synchronize(dn);
	full = READ_ONCE(known->full);
	RCU_INIT_POINTER(open->known, NULL);
	kvfree_rcu(known, rcu);
	if (full)
		return -EAGAIN;
	/* With all that was counted; pairs with dpr_open_ready(). */
	smp_store_release(&open->ready, true);
	return 0;
}

/**
 * dpr_open_count - count the open connections of the services from now on
 * @dn: the namespace; its lock is held
 *
 * Called when the services or, if one is on one address only, this host's addresses have
 * changed. May take milliseconds: it looks at all sockets.
 * Without memory nothing is counted: a load can still be told without.
 */
void dpr_open_count(struct dpr_net *dn)
{
	const struct dpr_services *services =
		rcu_dereference_protected(dn->services,
					  lockdep_is_held(&dn->lock));
	u32 places = DPR_OPEN_KNOWN_LEAST;
	int err;

	if (!services) {
		dpr_open_replace(dn, NULL);
		return;
	}
	do {
		err = dpr_open_try(dn, services, places);
		places *= 4;
	} while (err == -EAGAIN && places <= DPR_OPEN_KNOWN_MOST);
	if (!err)
		return;
	dpr_open_replace(dn, NULL);
	pr_warn_ratelimited("dpr: no memory to count the services' open connections\n");
}

/* Has this host other addresses than when the count began? The namespace's lock is held. */
static bool dpr_open_outdated(struct dpr_net *dn)
{
	const struct dpr_services *services =
		rcu_dereference_protected(dn->services,
					  lockdep_is_held(&dn->lock));
	const struct dpr_open *open =
		rcu_dereference_protected(dn->open, lockdep_is_held(&dn->lock));
	struct dpr_open *now;
	bool other;

	if (!open || !services || !dpr_open_any_address(services))
		return false;
	now = dpr_open_alloc(dn->net, services);
	other = now && (now->locals != open->locals ||
			memcmp(now->local, open->local,
			       now->locals * sizeof(*now->local)));
	kvfree(now);
	return other;
}

static void dpr_open_recount(struct work_struct *work)
{
	struct dpr_net *dn = container_of(to_delayed_work(work), struct dpr_net,
					  recount);
	struct mem_cgroup *old __maybe_unused;

#ifdef CONFIG_MEMCG
	old = set_active_memcg(READ_ONCE(dn->memcg));
#endif
	mutex_lock(&dn->lock);
	if (dpr_open_outdated(dn))
		dpr_open_count(dn);
	mutex_unlock(&dn->lock);
#ifdef CONFIG_MEMCG
	set_active_memcg(old);
#endif
}

/* An address has come or gone. In any context. */
static void dpr_open_address_changed(struct net *net)
{
	struct dpr_net *dn = dpr_netns(net);

	if (rcu_access_pointer(dn->services))
		queue_delayed_work(dpr_compat_any_wq, &dn->recount,
				   DPR_OPEN_SETTLE);
}

static int dpr_open_changed4(struct notifier_block *nb, unsigned long event,
			     void *data)
{
	const struct in_ifaddr *ifa = data;

	dpr_open_address_changed(dev_net(ifa->ifa_dev->dev));
	return NOTIFY_DONE;
}

static int dpr_open_changed6(struct notifier_block *nb, unsigned long event,
			     void *data)
{
	const struct inet6_ifaddr *ifa = data;

	dpr_open_address_changed(dev_net(ifa->idev->dev));
	return NOTIFY_DONE;
}

static struct notifier_block dpr_open_addresses4 = {
	.notifier_call = dpr_open_changed4,
};

static struct notifier_block dpr_open_addresses6 = {
	.notifier_call = dpr_open_changed6,
};

/**
 * dpr_open_init - begin to note what sockets do, and which addresses come and go
 *
 * After the namespaces have been registered.
 *
 * Return: 0, -EOPNOTSUPP: this kernel has no such tracepoint; -ENOMEM.
 */
int __init dpr_open_init(void)
{
	int err;

	for_each_kernel_tracepoint(dpr_open_find, NULL);
	if (!dpr_open_tracepoint) {
		pr_err("dpr: the kernel lacks the tracepoint inet_sock_set_state\n");
		return -EOPNOTSUPP;
	}
	err = register_inetaddr_notifier(&dpr_open_addresses4);
	if (err)
		return err;
	err = register_inet6addr_notifier(&dpr_open_addresses6);
	if (err)
		goto err_addresses4;
	err = tracepoint_probe_register(dpr_open_tracepoint, dpr_open_changed,
					NULL);
	if (err)
		goto err_addresses6;
	return 0;

err_addresses6:
	unregister_inet6addr_notifier(&dpr_open_addresses6);
err_addresses4:
	unregister_inetaddr_notifier(&dpr_open_addresses4);
	return err;
}

/** dpr_open_exit - note nothing any more */
void dpr_open_exit(void)
{
	tracepoint_probe_unregister(dpr_open_tracepoint, dpr_open_changed, NULL);
	tracepoint_synchronize_unregister();
	unregister_inet6addr_notifier(&dpr_open_addresses6);
	unregister_inetaddr_notifier(&dpr_open_addresses4);
}

/**
 * dpr_open_setup - prepare to count
 * @dn: the namespace
 */
void dpr_open_setup(struct dpr_net *dn)
{
	INIT_DELAYED_WORK(&dn->recount, dpr_open_recount);
}

static u32 dpr_open_read(const struct dpr_open_service *service)
{
	return max(atomic_read(&service->n), 0);
}

/* Called under RCU. NULL: nothing is counted, or not yet. */
static const struct dpr_open *dpr_open_ready(const struct dpr_net *dn)
{
	const struct dpr_open *open = rcu_dereference(dn->open);

	/* Pairs with dpr_open_try(). */
	return open && smp_load_acquire(&open->ready) ? open : NULL;
}

/**
 * dpr_open_all - the open connections of all services
 * @dn: the namespace
 * @connections: set to them
 *
 * Called under RCU.
 *
 * Return: false if nothing is counted, or not yet.
 */
bool dpr_open_all(const struct dpr_net *dn, u32 *connections)
{
	const struct dpr_open *open = dpr_open_ready(dn);
	u32 i;

	if (!open)
		return false;
	*connections = 0;
	for (i = 0; i < open->services; i++)
		*connections += dpr_open_read(&open->service[i]);
	return true;
}

/**
 * dpr_open_service - the open connections of a service
 * @dn: the namespace
 * @service: the service
 * @connections: set to them
 *
 * Called under RCU.
 *
 * Return: false if nothing is counted, or not yet.
 */
bool dpr_open_service(const struct dpr_net *dn,
		      const struct dpr_service *service, u32 *connections)
{
	const struct dpr_open *open = dpr_open_ready(dn);
	u32 i;

	for (i = 0; open && i < open->services; i++) {
		const struct dpr_open_service *of = &open->service[i];

		if (of->port == service->port &&
		    dpr_addr_equal(&of->address, &service->address)) {
			*connections = dpr_open_read(of);
			return true;
		}
	}
	return false;
}

/**
 * dpr_open_port - the open connections of all services on a port
 * @dn: the namespace
 * @port: host byte order
 * @connections: set to them
 *
 * Called under RCU.
 *
 * Return: false if they are not counted, or not yet.
 */
bool dpr_open_port(const struct dpr_net *dn, u16 port, u32 *connections)
{
	const struct dpr_open *open = dpr_open_ready(dn);
	bool counted = false;
	u32 i;

	*connections = 0;
	for (i = 0; open && i < open->services; i++) {
		if (open->service[i].port != port)
			continue;
		counted = true;
		*connections += dpr_open_read(&open->service[i]);
	}
	return counted;
}

/**
 * dpr_open_teardown - free what was counted
 * @dn: the namespace; it has no sockets any more, or nothing is noted any more
 */
void dpr_open_teardown(struct dpr_net *dn)
{
	cancel_delayed_work_sync(&dn->recount);
	kvfree(rcu_dereference_protected(dn->open, true));
}
