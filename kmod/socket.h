/* SPDX-License-Identifier: GPL-2.0 */
/* What this host's own sockets have to do with a connection. */
#ifndef _DPR_SOCKET_H
#define _DPR_SOCKET_H

#include <net/sock.h>
#include <net/tcp_states.h>
#include "compat.h"
#include "core/parse.h"
#include "local.h"
#include "netns.h"

/* The socket of a connection. */
enum dpr_socket_state {
	DPR_SOCKET_NONE,	/* there is none */
	DPR_SOCKET_TIME_WAIT,	/* one of the same 4-tuple is in TIME_WAIT */
	DPR_SOCKET_OPEN,	/* this host serves it */
};

/**
 * dpr_socket_find - a connection's socket
 * @dn: the namespace
 * @key: the connection
 * @dif: device that its packets come by, or the VRF that this is part of
 * @sdif: that device if @dif is a VRF, else 0
 *
 * Called under RCU.
 *
 * Return: the socket, past LISTEN, a reference taken, for sock_gen_put(); NULL
 * if there is none.
 */
static __always_inline struct sock *
dpr_socket_find(struct dpr_net *dn, const struct dpr_flow_key *key, int dif,
		int sdif)
{
	if (unlikely(key->wide))
		return dpr_compat_lookup_established6(dn->net,
						      dpr_local_in6(&key->client),
						      key->client_port,
						      dpr_local_in6(&key->address),
						      ntohs(key->port), dif, sdif);
	return dpr_compat_lookup_established(dn->net, key->client.word[3],
					     key->client_port,
					     key->address.word[3],
					     ntohs(key->port), dif, sdif);
}

/**
 * dpr_socket_state - does this host serve the connection of a packet
 * @dn: the namespace
 * @skb: the packet
 * @key: the connection
 *
 * Called under RCU in softirq.
 *
 * Return: what there is of a socket.
 */
static __always_inline enum dpr_socket_state
dpr_socket_state(struct dpr_net *dn, const struct sk_buff *skb,
		 const struct dpr_flow_key *key)
{
	enum dpr_socket_state state;
	struct sock *sk;

	sk = dpr_socket_find(dn, key, dpr_compat_dif(skb),
			     dpr_compat_sdif(skb));
	if (!sk)
		return DPR_SOCKET_NONE;
	state = sk->sk_state == TCP_TIME_WAIT ? DPR_SOCKET_TIME_WAIT :
						DPR_SOCKET_OPEN;
	sock_gen_put(sk);
	return state;
}

struct sock *dpr_socket_listener(struct net *net, struct sk_buff *skb, int doff,
				 const struct dpr_flow_key *key,
				 const struct dpr_addr *address, int dif,
				 int sdif);
bool dpr_socket_open(struct dpr_net *dn, const struct sk_buff *skb,
		     const struct dpr_flow_key *key);
bool dpr_socket_takes(struct dpr_net *dn, const struct sk_buff *skb,
		      const struct dpr_segment *seg);
bool dpr_socket_exists(struct dpr_net *dn, const struct sk_buff *skb,
		       const struct dpr_flow_key *key);
bool dpr_socket_keeps(struct dpr_net *dn, const struct sk_buff *skb,
		      const struct dpr_segment *seg);

#endif /* _DPR_SOCKET_H */
