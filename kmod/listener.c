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
#include "netns.h"

/* SYNs held at a time; the client sends one again if there is no room. */
#define DPR_LISTENER_DEFERRED	256

/* Did listening there take privileges? */
static bool dpr_listener_trusted(struct net *net, const struct sock *sk)
{
	const struct inet_sock *inet = inet_sk(sk);

	return likely(!inet->inet_rcv_saddr) || dpr_compat_transparent(sk) ||
	       inet_port_requires_bind_service(net, inet->inet_num) ||
	       __ip_dev_find(net, inet->inet_rcv_saddr, false) ||
	       uid_eq(dpr_compat_uid(sk), make_kuid(net->user_ns, 0));
}

/**
 * dpr_listener_find - the listener for a redirected packet
 * @net: the namespace
 * @skb: the packet, inner IP and TCP header in the linear part
 * @offset: of the inner IP header from skb->data
 * @address: this host's address that the outer header names
 *
 * A listener on the address that the client talks to or on all addresses,
 * else one on this host's own: a server bound to its host's address serves
 * the cluster's connections too. Called under RCU.
 *
 * Return: the listener, no reference taken; NULL if there is none.
 */
struct sock *dpr_listener_find(struct net *net, struct sk_buff *skb,
			       int offset, __be32 address)
{
	const struct iphdr *iph = (void *)skb->data + offset;
	const struct tcphdr *th = (void *)iph + iph->ihl * 4;
	int doff = offset + iph->ihl * 4 + th->doff * 4;
	struct sock *sk, *own;

	/*
	 * A listener's program (SO_ATTACH_REUSEPORT_CBPF) may move the packet's
	 * data: pointers into it are stale afterwards.
	 */
	sk = dpr_compat_lookup_listener(net, skb, doff, iph->saddr, th->source,
					iph->daddr, ntohs(th->dest),
					dpr_compat_dif(skb),
					dpr_compat_sdif(skb));
	if (sk && likely(dpr_listener_trusted(net, sk)))
		return sk;
	iph = (void *)skb->data + offset;
	th = (void *)iph + iph->ihl * 4;
	own = dpr_compat_lookup_listener(net, skb, doff, iph->saddr,
					 th->source, address, ntohs(th->dest),
					 dpr_compat_dif(skb),
					 dpr_compat_sdif(skb));
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
 *
 * Makes it so where that needs no lock.
 *
 * Return: false if the SYN must be deferred.
 */
bool dpr_listener_ready(struct sock *sk)
{
	if (likely(dpr_compat_anysrc(sk)))
		return true;
	if (!DPR_COMPAT_ANYSRC_ATOMIC)
		return false;
	dpr_compat_set_anysrc(sk);
	return true;
}

/**
 * dpr_listener_defer - hold a SYN until its listener is prepared
 * @dn: the namespace
 * @skb: the marked packet, untouched; taken over
 *
 * Return: false if too many are held already; the packet is the caller's.
 */
bool dpr_listener_defer(struct dpr_net *dn, struct sk_buff *skb)
{
	if (skb_queue_len_lockless(&dn->deferred) >= DPR_LISTENER_DEFERRED)
		return false;
	skb_dst_drop(skb);
	/* Outside RCU only a reference keeps the device. */
	dev_hold(skb->dev);
	skb_queue_tail(&dn->deferred, skb);
	schedule_work(&dn->prepare);
	return true;
}

/* Prepares the listener of a held SYN, whose headers are still linear. */
static void dpr_listener_prepare(struct net *net, struct sk_buff *skb)
{
	const struct iphdr *outer = ip_hdr(skb);
	struct sock *sk;

	rcu_read_lock();
	sk = dpr_listener_find(net, skb, outer->ihl * 4, outer->daddr);
	if (sk && !refcount_inc_not_zero(&sk->sk_refcnt))
		sk = NULL;
	rcu_read_unlock();
	if (!sk)
		return;
	lock_sock(sk);
	dpr_compat_set_anysrc(sk);
	release_sock(sk);
	sock_put(sk);
}

static void dpr_listener_work(struct work_struct *work)
{
	struct dpr_net *dn = container_of(work, struct dpr_net, prepare);
	struct net_device *dev;
	struct sk_buff *skb;

	while ((skb = skb_dequeue(&dn->deferred))) {
		dev = skb->dev;
		dpr_listener_prepare(dn->net, skb);
		/* Enters again, as if it had just arrived. */
		netif_rx(skb);
		dev_put(dev);
	}
}

/**
 * dpr_listener_setup - get ready to hold SYNs
 * @dn: the namespace
 */
void dpr_listener_setup(struct dpr_net *dn)
{
	skb_queue_head_init(&dn->deferred);
	INIT_WORK(&dn->prepare, dpr_listener_work);
}

/**
 * dpr_listener_teardown - drop what is held
 * @dn: the namespace; no hook runs in it any more
 */
void dpr_listener_teardown(struct dpr_net *dn)
{
	struct sk_buff *skb;

	cancel_work_sync(&dn->prepare);
	while ((skb = skb_dequeue(&dn->deferred))) {
		dev_put(skb->dev);
		kfree_skb(skb);
	}
}
