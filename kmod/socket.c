// SPDX-License-Identifier: GPL-2.0
#include <linux/tcp.h>
#include <net/request_sock.h>
#include "socket.h"

/**
 * dpr_socket_exists - does this host have a socket of a connection
 * @dn: the namespace
 * @skb: a packet of it, or about it
 * @key: the connection
 *
 * Called under RCU in softirq.
 *
 * Return: true if there is a socket of it, past LISTEN.
 */
bool dpr_socket_exists(struct dpr_net *dn, const struct sk_buff *skb,
		       const struct dpr_flow_key *key)
{
	struct sock *sk = dpr_socket_find(dn, key, dpr_compat_dif(skb),
					  dpr_compat_sdif(skb));

	if (!sk)
		return false;
	sock_gen_put(sk);
	return true;
}

/**
 * dpr_socket_open - does this host have a socket of a connection that is no mere request
 * @dn: the namespace
 * @skb: as in dpr_socket_exists()
 * @key: the connection
 *
 * Called under RCU in softirq.
 */
bool dpr_socket_open(struct dpr_net *dn, const struct sk_buff *skb,
		     const struct dpr_flow_key *key)
{
	struct sock *sk = dpr_socket_find(dn, key, dpr_compat_dif(skb),
					  dpr_compat_sdif(skb));
	bool open;

	if (!sk)
		return false;
	open = sk->sk_state != TCP_NEW_SYN_RECV;
	sock_gen_put(sk);
	return open;
}

/**
 * dpr_socket_takes - is a segment one of a connection that this host has a socket of
 * @dn: the namespace
 * @skb: the packet
 * @seg: the segment, no SYN
 *
 * The segment that ends a handshake says whose answer the client has taken, if more hosts
 * than one have answered its SYN. Called under RCU in softirq.
 *
 * Return: true if the connection is open here, or the segment opens it.
 */
bool dpr_socket_takes(struct dpr_net *dn, const struct sk_buff *skb,
		      const struct dpr_segment *seg)
{
	struct sock *sk = dpr_socket_find(dn, &seg->key, dpr_compat_dif(skb),
					  dpr_compat_sdif(skb));
	bool takes;

	if (!sk)
		return false;
	switch (sk->sk_state) {
	case TCP_NEW_SYN_RECV:
		takes = seg->has_ack &&
			seg->ack == tcp_rsk(inet_reqsk(sk))->snt_isn + 1;
		break;
	case TCP_SYN_RECV: /* by TCP Fast Open */
	case TCP_TIME_WAIT:
		takes = false;
		break;
	default:
		takes = true;
	}
	sock_gen_put(sk);
	return takes;
}

/**
 * dpr_socket_keeps - may a segment be of a connection that this host has a socket of
 * @dn: the namespace
 * @skb: as in dpr_socket_exists()
 * @seg: the segment, no SYN
 *
 * While there is only a request for a connection, another host may have answered
 * another copy of the client's SYN, and its answer may have been the first there.
 * What acknowledges that one is for that host; here it would raise a RST. What is older than
 * the request's SYN is of a connection before it. Called under RCU in softirq.
 *
 * Return: true if there is a socket of the connection, past LISTEN, unless it is
 * a request whose answer the segment, which is later than its SYN, does not acknowledge.
 */
bool dpr_socket_keeps(struct dpr_net *dn, const struct sk_buff *skb,
		      const struct dpr_segment *seg)
{
	struct sock *sk = dpr_socket_find(dn, &seg->key, dpr_compat_dif(skb),
					  dpr_compat_sdif(skb));
	bool keeps;

	if (!sk)
		return false;
	keeps = sk->sk_state != TCP_NEW_SYN_RECV || !seg->has_ack ||
		seg->ack == tcp_rsk(inet_reqsk(sk))->snt_isn + 1 ||
		!after(seg->seq, tcp_rsk(inet_reqsk(sk))->rcv_isn);
	sock_gen_put(sk);
	return keeps;
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
