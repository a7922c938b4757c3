// SPDX-License-Identifier: GPL-2.0
#include "socket.h"

/**
 * dpr_socket_exists - does this host have a socket of a connection
 * @dn: the namespace
 * @key: the connection
 * @iif: the device that its packets, or what is said of it, come by
 *
 * Called under RCU in softirq.
 *
 * Return: true if there is a socket of it, past LISTEN.
 */
bool dpr_socket_exists(struct dpr_net *dn, const struct dpr_flow_key *key,
		       int iif)
{
	struct sock *sk = dpr_socket_find(dn, key, iif, 0);

	if (!sk)
		return false;
	sock_gen_put(sk);
	return true;
}

/**
 * dpr_socket_listener - a listener for a connection
 * @net: the namespace
 * @skb: its SYN, whose data may have been moved afterwards; NULL for any
 * @doff: where the SYN's data begin
 * @key: the connection, of which the address does not matter
 * @address: the address that is listened on, of the connection's family
 * @dif: as in dpr_socket_find()
 * @sdif: as in dpr_socket_find()
 *
 * A listener's program (SO_ATTACH_REUSEPORT_CBPF) may move the packet's data. Called
 * under RCU.
 *
 * Return: the listener, no reference taken; NULL if there is none.
 */
struct sock *dpr_socket_listener(struct net *net, struct sk_buff *skb, int doff,
				 const struct dpr_flow_key *key,
				 const struct dpr_addr *address, int dif,
				 int sdif)
{
	const u16 port = ntohs(key->port);

	if (unlikely(key->wide))
		return dpr_compat_lookup_listener6(net, skb, doff,
						   dpr_local_in6(&key->client),
						   key->client_port,
						   dpr_local_in6(address), port,
						   dif, sdif);
	return dpr_compat_lookup_listener(net, skb, doff, key->client.word[3],
					  key->client_port, address->word[3],
					  port, dif, sdif);
}
