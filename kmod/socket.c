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
