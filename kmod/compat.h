/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Differences between the supported kernels, newest first. The code is written for
 * the newest kernel; only this file, and Kbuild for it, test the version.
 */
#ifndef _DPR_COMPAT_H
#define _DPR_COMPAT_H

#include <linux/version.h>
#include <net/genetlink.h>
#include <net/inet6_hashtables.h>
#include <net/inet_hashtables.h>
#include <net/inet_sock.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/l3mdev.h>
#include <net/route.h>
#include <net/tcp.h>

/* Before 6.6, and in older point releases of 6.1. */
#ifndef __counted_by
#define __counted_by(member)
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
#include <net/gso.h>
#else
#include <linux/netdevice.h>
#endif

/*
 * Drops a namespace's packets that wait for programs (NFQUEUE), as netfilter does when a hook
 * goes. Exported by all kernels for modules that go, but declared in none of their headers.
 */
void nf_queue_nf_hook_drop(struct net *net);

/*
 * snmp_fold_field(), which 7.3 no longer exports: the sum over all CPUs of a
 * counter of struct net's mib.
 */
static inline unsigned long dpr_compat_snmp_fold(void __percpu *mib, int item)
{
	unsigned long sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += snmp_get_cpu_field(mib, cpu, item);
	return sum;
}

/* Has a namespace policies of IPsec about what it sends? */
static inline bool dpr_compat_protects(const struct net *net)
{
#ifdef CONFIG_XFRM
	return READ_ONCE(net->xfrm.policy_count[XFRM_POLICY_OUT]);
#else
	return false;
#endif
}

/* 6.13: the type of service became a dscp_t. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
#include <net/inet_dscp.h>
#define dpr_compat_dscp(iph)	ip4h_dscp(iph)
#else
#define dpr_compat_dscp(iph)	((iph)->tos)
#endif

/*
 * May the routes of a socket's packets have any source? Of two flags that say
 * so IP_TRANSPARENT also lets the socket's owner bind to any address and
 * connect from there: that is not ours to give. IP_HDRINCL does nothing else to
 * a TCP socket; its owner can neither set nor use it. A child inherits both.
 */
static inline bool dpr_compat_anysrc(const struct sock *sk)
{
	return inet_sk_flowi_flags(sk) & FLOWI_FLAG_ANYSRC;
}

/*
 * 6.6: the flags became atomic bits. Before, they are bit-fields that only
 * the socket's owner may write.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
#define DPR_COMPAT_ANYSRC_ATOMIC 1
static inline bool dpr_compat_transparent(const struct sock *sk)
{
	return inet_test_bit(TRANSPARENT, sk);
}

static inline void dpr_compat_set_anysrc(struct sock *sk)
{
	inet_set_bit(HDRINCL, sk);
}

/* Of a socket without owner: its RSTs may come from anywhere. */
static inline void dpr_compat_set_orphan(struct sock *sk)
{
	inet_set_bit(TRANSPARENT, sk);
}
#else
#define DPR_COMPAT_ANYSRC_ATOMIC 0
static inline bool dpr_compat_transparent(const struct sock *sk)
{
	return inet_sk(sk)->transparent;
}

/* The caller owns the socket, or has locked it (bh_lock_sock()) while nobody owns it. */
static inline void dpr_compat_set_anysrc(struct sock *sk)
{
	inet_sk(sk)->hdrincl = 1;
}

static inline void dpr_compat_set_orphan(struct sock *sk)
{
	/* Busy: the next packet will do. */
	if (!spin_trylock(&sk->sk_lock.slock))
		return;
	if (!sock_owned_by_user(sk))
		inet_sk(sk)->transparent = 1;
	spin_unlock(&sk->sk_lock.slock);
}
#endif

/* Who made the socket. */
/* The queues whose work runs on the CPU that queued it, and on any. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 17, 0)
#define dpr_compat_percpu_wq	system_percpu_wq
#define dpr_compat_any_wq	system_dfl_wq
#else
#define dpr_compat_percpu_wq	system_wq
#define dpr_compat_any_wq	system_unbound_wq
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 17, 0)
#define dpr_compat_uid(sk)	sk_uid(sk)
#else
#define dpr_compat_uid(sk)	READ_ONCE((sk)->sk_uid)
#endif

/* 6.18: the lookups find the hash table by themselves. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 18, 0)
#define dpr_compat_lookup_established(net, ...) \
	__inet_lookup_established(net, __VA_ARGS__)
#define dpr_compat_lookup_listener(net, ...) \
	__inet_lookup_listener(net, __VA_ARGS__)
#define dpr_compat_lookup_established6(net, ...) \
	__inet6_lookup_established(net, __VA_ARGS__)
#define dpr_compat_lookup_listener6(net, ...) \
	inet6_lookup_listener(net, __VA_ARGS__)
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 1, 0)
#define dpr_compat_lookup_established(net, ...) \
	__inet_lookup_established(net, (net)->ipv4.tcp_death_row.hashinfo, \
				  __VA_ARGS__)
#define dpr_compat_lookup_listener(net, ...) \
	__inet_lookup_listener(net, (net)->ipv4.tcp_death_row.hashinfo, \
			       __VA_ARGS__)
#define dpr_compat_lookup_established6(net, ...) \
	__inet6_lookup_established(net, (net)->ipv4.tcp_death_row.hashinfo, \
				   __VA_ARGS__)
#define dpr_compat_lookup_listener6(net, ...) \
	inet6_lookup_listener(net, (net)->ipv4.tcp_death_row.hashinfo, \
			      __VA_ARGS__)
#else
#error "dpr needs Linux 6.1 or later"
#endif

/*
 * 6.8: the cookie is no longer passed beside its segment. Is the segment's
 * acknowledgment a SYN cookie that this host sent within its life?
 */
static inline bool dpr_compat_cookie_valid(const struct iphdr *iph,
					   const struct tcphdr *th)
{
#ifndef CONFIG_SYN_COOKIES
	return false;
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
	return __cookie_v4_check(iph, th) > 0;
#else
	return __cookie_v4_check(iph, th, ntohl(th->ack_seq) - 1) > 0;
#endif
}

static inline bool dpr_compat_cookie_valid6(const struct ipv6hdr *ip6h,
					    const struct tcphdr *th)
{
#if !defined(CONFIG_SYN_COOKIES) || !IS_BUILTIN(CONFIG_IPV6)
	return false;
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
	return __cookie_v6_check(ip6h, th) > 0;
#else
	return __cookie_v6_check(ip6h, th, ntohl(th->ack_seq) - 1) > 0;
#endif
}

/*
 * 6.9: a packet can bring the request for a connection to its listener, which the stack
 * completes as if it had sent a SYN cookie. Before, the socket is made by hand.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0)
#define DPR_COMPAT_REQUEST_BY_PACKET 1
#else
#define DPR_COMPAT_REQUEST_BY_PACKET 0
#endif

/* Are a listener's segments signed: by MD5, or TCP-AO (6.7)? */
static inline bool dpr_compat_signed(const struct sock *sk)
{
#ifdef CONFIG_TCP_MD5SIG
	if (rcu_access_pointer(tcp_sk(sk)->md5sig_info))
		return true;
#endif
#ifdef CONFIG_TCP_AO
	if (rcu_access_pointer(tcp_sk(sk)->ao_info))
		return true;
#endif
	return false;
}

/* 6.7: a route can say that timestamps count microseconds. */
static inline bool dpr_compat_usec_ts(const struct tcp_sock *tp)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
	return tp->tcp_usec_ts;
#else
	return false;
#endif
}

/* Do the ends agree on ECN (RFC 3168), or on accurate ECN (6.18)? */
#ifdef TCP_ECN_MODE_RFC3168
#define dpr_compat_ecn(tp)	tcp_ecn_mode_rfc3168(tp)
#define dpr_compat_accecn(tp)	tcp_ecn_mode_accecn(tp)
#else
#define dpr_compat_ecn(tp)	((tp)->ecn_flags & TCP_ECN_OK)
#define dpr_compat_accecn(tp)	false
#endif

/*
 * Which devices a socket may be bound to that a packet is for: the one it came
 * by, or the VRF that this is part of, which the stack asks about later.
 */
static inline int dpr_compat_dif(const struct sk_buff *skb)
{
	if (unlikely(netif_is_l3_slave(skb->dev)))
		return l3mdev_master_ifindex_rcu(skb->dev);
	if (unlikely(skb->protocol == htons(ETH_P_IPV6)))
		return skb->skb_iif;
	return inet_iif(skb);
}

static inline int dpr_compat_sdif(const struct sk_buff *skb)
{
	return unlikely(netif_is_l3_slave(skb->dev)) ? skb->dev->ifindex : 0;
}

/*
 * What keeps a packet's route from being taken for that of the next packet with
 * the same destination (6.6, and point releases of 6.1).
 */
#ifdef IPSKB_MULTIPATH
#define DPR_COMPAT_NO_HINT	IPSKB_MULTIPATH
#else
#define DPR_COMPAT_NO_HINT	0
#endif
#ifdef IP6SKB_MULTIPATH
#define DPR_COMPAT_NO_HINT6	IP6SKB_MULTIPATH
#else
#define DPR_COMPAT_NO_HINT6	0
#endif

/* The lookup of an IPv6 route that makes no copy of it. */
#ifdef DPR_COMPAT_IPV6_STUB
#include <net/ipv6_stubs.h>
#define dpr_compat_fib6_lookup(...)	ipv6_stub->fib6_lookup(__VA_ARGS__)
#else
#define dpr_compat_fib6_lookup(...)	fib6_lookup(__VA_ARGS__)
#endif

#if !IS_ENABLED(CONFIG_IPV6)
#error "dpr needs a kernel with CONFIG_IPV6"
#endif

/*
 * 6.11: a module can bring type information that was made without its kernel's
 * (xdp_btf.c), so that programs of BPF can call it.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0) && \
	defined(CONFIG_DEBUG_INFO_BTF_MODULES) && defined(CONFIG_BPF_SYSCALL)
#define DPR_COMPAT_XDP 1
#else
#define DPR_COMPAT_XDP 0
#endif

/* 6.7: a dump's request became a struct genl_info. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
#define dpr_compat_dump_attrs(cb)	(genl_info_dump(cb)->attrs)
#else
#define dpr_compat_dump_attrs(cb)	(genl_dumpit_info(cb)->attrs)
#endif

/*
 * Tests of races build with DPR_RACES=1: now and then, in a place where another
 * CPU could come between two steps, time passes.
 */
#ifdef DPR_RACES
#include <linux/delay.h>
#include <linux/timex.h>
#define DPR_RACE_WINDOW()						\
	do {								\
		u32 dpr_mix = (u32)get_cycles() * 2654435761U;		\
									\
		if (!(dpr_mix >> 29))					\
			udelay(dpr_mix >> 20 & 0xff);			\
	} while (0)
#else
#define DPR_RACE_WINDOW()	do { } while (0)
#endif

#ifndef CONFIG_TRACEPOINTS
#error "dpr needs a kernel with CONFIG_TRACEPOINTS: it counts open connections by one"
#endif

#ifndef CONFIG_64BIT
#error "dpr needs a 64-bit kernel: its counters are single 64-bit words"
#endif

#endif /* _DPR_COMPAT_H */
