// SPDX-License-Identifier: GPL-2.0
#include <linux/inetdevice.h>
#include <linux/ip.h>
#include <linux/netdevice.h>
#include <linux/tcp.h>
#include <net/inet_hashtables.h>
#include <net/sock.h>
#include <net/tcp.h>
#include "compat.h"
#include "listener.h"
#include "local.h"
#include "netns.h"
#include "socket.h"

/* SYNs held at a time; the client sends one again if there is no room. */
#define DPR_LISTENER_DEFERRED	256
/* How long they wait for a program that is using the listener. */
#define DPR_LISTENER_PATIENCE	(HZ / 10)

/**
 * dpr_listener_address - the address that a listener is bound to
 * @sk: the listener
 *
 * Return: none if it listens on all.
 */
struct dpr_addr dpr_listener_address(const struct sock *sk)
{
	struct dpr_addr any = {};

	if (sk->sk_family == AF_INET6)
		return dpr_addr_of6(&sk->sk_v6_rcv_saddr);
	return inet_sk(sk)->inet_rcv_saddr ?
	       dpr_addr_of4(inet_sk(sk)->inet_rcv_saddr) : any;
}

/* Did listening there take privileges? */
static bool dpr_listener_trusted(struct net *net, const struct net_device *dev,
				 const struct sock *sk)
{
	const struct dpr_addr address = dpr_listener_address(sk);

	return likely(dpr_addr_none(&address)) || dpr_compat_transparent(sk) ||
	       inet_port_requires_bind_service(net, inet_sk(sk)->inet_num) ||
	       dpr_local_has(net, dev, &address) ||
	       uid_eq(dpr_compat_uid(sk), make_kuid(net->user_ns, 0));
}

/**
 * dpr_listener_find - the listener for a redirected packet
 * @net: the namespace
 * @skb: the packet, inner IP and TCP header in the linear part; may be moved
 * @seg: the client's segment
 * @address: this host's address that the outer header names
 *
 * A listener on the address that the client talks to or on all addresses,
 * else one on this host's own: a server bound to its host's address serves
 * the cluster's connections too. Called under RCU.
 *
 * Return: the listener, no reference taken; NULL if there is none.
 */
struct sock *dpr_listener_find(struct net *net, struct sk_buff *skb,
			       const struct dpr_segment *seg,
			       const struct dpr_addr *address)
{
	const struct tcphdr *th = (void *)skb->data + seg->offset;
	const int doff = seg->offset + th->doff * 4;
	const int dif = dpr_compat_dif(skb), sdif = dpr_compat_sdif(skb);
	struct dpr_addr host;
	struct sock *sk, *own;

	sk = dpr_socket_listener(net, skb, doff, &seg->key, &seg->key.address,
				 dif, sdif);
	if (sk && likely(dpr_listener_trusted(net, skb->dev, sk)))
		return sk;
	host = *address;
	/* The tunnel's is one of the other family: nobody is bound to it. */
	if (unlikely(dpr_addr_is4(address) == seg->key.wide) &&
	    !dpr_local_address(net, skb->dev, seg->key.wide, &host))
		return sk;
	own = dpr_socket_listener(net, skb, doff, &seg->key, &host, dif, sdif);
	/*
	 * Anybody can bind to an address that this host does not have
	 * (IP_FREEBIND), but must not take another user's connections so.
	 */
	if (own && (!sk || !uid_eq(dpr_compat_uid(sk), dpr_compat_uid(own))))
		return own;
	return sk;
}

/**
 * dpr_listener_ready - can the listener answer from other hosts' addresses
 * @sk: the listener
 * @wide: to a client of IPv6, whose routes may have any source
 *
 * Makes it so where that needs no lock.
 *
 * Return: false if the SYN must be deferred.
 */
bool dpr_listener_ready(struct sock *sk, bool wide)
{
	if (likely(dpr_compat_anysrc(sk)) || wide)
		return true;
	if (!DPR_COMPAT_ANYSRC_ATOMIC)
		return false;
	dpr_compat_set_anysrc(sk);
	return true;
}

/**
 * struct dpr_listener_held - what is known of a packet that is held: its control block
 * @olen: of what comes before the client's packet
 * @since: jiffies when it came
 */
struct dpr_listener_held {
	unsigned int olen;
	u32 since;
};

static struct dpr_listener_held *dpr_listener_held(struct sk_buff *skb)
{
	return (struct dpr_listener_held *)skb->cb;
}

/**
 * dpr_listener_defer - hold a SYN, or a handover, until its listener is prepared
 * @dn: the namespace
 * @skb: the marked packet, untouched; taken over
 * @olen: bytes before the client's packet in it, which is one of IPv4
 *
 * Return: false if too many are held already; the packet is the caller's.
 */
bool dpr_listener_defer(struct dpr_net *dn, struct sk_buff *skb, unsigned int olen)
{
	if (skb_queue_len_lockless(&dn->deferred) >= DPR_LISTENER_DEFERRED)
		return false;
	skb_dst_drop(skb);
	/* Outside RCU only a reference keeps the device. */
	dev_hold(skb->dev);
	*dpr_listener_held(skb) = (struct dpr_listener_held){
		.olen = olen,
		.since = jiffies,
	};
	skb_queue_tail(&dn->deferred, skb);
	mod_delayed_work(dpr_compat_percpu_wq, &dn->prepare, 0);
	return true;
}

/* Reads what is held, which was read before: of IPv4, in a tunnel of either family. */
static void dpr_listener_read(struct sk_buff *skb, struct dpr_addr *address,
			      struct dpr_segment *seg)
{
	const unsigned int olen = dpr_listener_held(skb)->olen;
	const struct iphdr *iph;

	if (dpr_local_wide(skb))
		*address = dpr_addr_of6(&ipv6_hdr(skb)->daddr);
	else
		*address = dpr_addr_of4(ip_hdr(skb)->daddr);
	iph = (const void *)skb->data + olen;
	dpr_parse_segment(iph, ntohs(iph->tot_len), olen, seg);
}

/*
 * Prepares the listener of a held SYN, whose headers are still linear, unless a program is
 * using it: false. A program can do so for as long as it likes, in a page fault for instance.
 */
static bool dpr_listener_prepare(struct net *net, struct sk_buff *skb)
{
	struct dpr_addr address;
	struct dpr_segment seg;
	bool owned = false;
	struct sock *sk;

	local_bh_disable();
	rcu_read_lock();
	dpr_listener_read(skb, &address, &seg);
	sk = dpr_listener_find(net, skb, &seg, &address);
	if (sk) {
		bh_lock_sock(sk);
		owned = sock_owned_by_user(sk);
		if (!owned)
			dpr_compat_set_anysrc(sk);
		bh_unlock_sock(sk);
	}
	rcu_read_unlock();
	local_bh_enable();
	return !owned;
}

static void dpr_listener_work(struct work_struct *work)
{
	struct dpr_net *dn = container_of(to_delayed_work(work), struct dpr_net,
					  prepare);
	struct net_device *dev;
	struct sk_buff_head busy;
	struct sk_buff *skb;

	__skb_queue_head_init(&busy);
	while ((skb = skb_dequeue(&dn->deferred))) {
		dev = skb->dev;
		if (dpr_listener_prepare(dn->net, skb)) {
			/* Enters again, as if it had just arrived. */
			netif_rx(skb);
			dev_put(dev);
		} else if ((u32)jiffies - dpr_listener_held(skb)->since <
			   DPR_LISTENER_PATIENCE) {
			__skb_queue_tail(&busy, skb);
		} else {
			/* The client sends it again. */
			kfree_skb(skb);
			dev_put(dev);
		}
	}
	if (skb_queue_empty(&busy))
		return;
	spin_lock_irq(&dn->deferred.lock);
	skb_queue_splice(&busy, &dn->deferred);
	spin_unlock_irq(&dn->deferred.lock);
	queue_delayed_work(dpr_compat_percpu_wq, &dn->prepare, 1);
}

/**
 * dpr_listener_setup - get ready to hold SYNs
 * @dn: the namespace
 */
void dpr_listener_setup(struct dpr_net *dn)
{
	skb_queue_head_init(&dn->deferred);
	INIT_DELAYED_WORK(&dn->prepare, dpr_listener_work);
}

/**
 * dpr_listener_teardown - drop what is held
 * @dn: the namespace; no hook runs in it any more
 */
void dpr_listener_teardown(struct dpr_net *dn)
{
	struct sk_buff *skb;

	cancel_delayed_work_sync(&dn->prepare);
	while ((skb = skb_dequeue(&dn->deferred))) {
		dev_put(skb->dev);
		kfree_skb(skb);
	}
}
