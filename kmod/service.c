// SPDX-License-Identifier: GPL-2.0
#include <linux/mm.h>
#include <linux/netdevice.h>
#include <linux/netfilter.h>
#include <linux/slab.h>
#include <linux/tcp.h>
#include <net/inet_hashtables.h>
#include <net/ip.h>
#include <net/netfilter/nf_conntrack_tuple.h>
#include "compat.h"
#include "config.h"
#include "core/parse.h"
#include "dpr.h"
#include "netns.h"
#include "peer.h"
#include "service.h"

static int dpr_service_compare(const struct dpr_service *a,
			       const struct dpr_service *b)
{
	if (a->port != b->port)
		return a->port < b->port ? -1 : 1;
	if (a->address != b->address)
		return ntohl(a->address) < ntohl(b->address) ? -1 : 1;
	return 0;
}

/* All services' bits; ~0, which no peer has refused, if one has none. */
static u64 dpr_service_bits(const struct dpr_services *services)
{
	u64 bits = 0;
	u32 i;

	for (i = 0; services && i < services->n; i++)
		bits |= services->service[i].bit ?: ~0ULL;
	return bits;
}

static void dpr_service_publish(struct dpr_net *dn, struct dpr_services *new)
{
	const u64 bits = dpr_service_bits(new);
	struct dpr_services *old;

	old = rcu_replace_pointer(dn->services, new,
				  lockdep_is_held(&dn->lock));
	dpr_peer_services(dn, bits, bits & ~dpr_service_bits(old));
	if (old)
		kfree_rcu(old, rcu);
}

/* The bit of a port's services: that of another one, or one that is free. */
static u64 dpr_service_bit(const struct dpr_services *services, u16 port)
{
	u64 used = 0;
	u32 i;

	for (i = 0; services && i < services->n; i++) {
		if (services->service[i].port == port)
			return services->service[i].bit;
		used |= services->service[i].bit;
	}
	i = ffz(used);
	return i < DPR_SERVICE_BITS ? BIT_ULL(i) : 0;
}

/**
 * dpr_service_prepare - make the services with a further one
 * @dn: the namespace; its lock is held
 * @service: the service; its port is not 0
 *
 * Nobody sees them yet. From now on the hooks may be registered.
 *
 * Return: the services, for dpr_service_commit() or kfree(); ERR_PTR(-EEXIST),
 * ERR_PTR(-ENOSPC) beyond DPR_MAX_SERVICES, ERR_PTR(-ENOMEM).
 */
struct dpr_services *dpr_service_prepare(struct dpr_net *dn,
					 const struct dpr_service *service)
{
	struct dpr_services *old, *new;
	u32 n, i, at = 0;

	old = rcu_dereference_protected(dn->services,
					lockdep_is_held(&dn->lock));
	n = old ? old->n : 0;
	for (i = 0; i < n; i++) {
		int order = dpr_service_compare(&old->service[i], service);

		if (!order)
			return ERR_PTR(-EEXIST);
		if (order < 0)
			at = i + 1;
	}
	if (n >= DPR_MAX_SERVICES)
		return ERR_PTR(-ENOSPC);
	new = kzalloc(struct_size(new, service, n + 1),
		      GFP_KERNEL_ACCOUNT);
	if (!new)
		return ERR_PTR(-ENOMEM);
	new->n = n + 1;
	if (old) {
		memcpy(new->service, old->service, at * sizeof(*service));
		memcpy(new->service + at + 1, old->service + at,
		       (n - at) * sizeof(*service));
	}
	new->service[at] = *service;
	new->service[at].checked = (u32)jiffies - 1;
	new->service[at].bit = dpr_service_bit(old, service->port);
	if (!dn->ports)
		dn->ports = kvcalloc(BITS_TO_LONGS(U16_MAX + 1),
				     sizeof(long), GFP_KERNEL_ACCOUNT);
	if (!dn->ports) {
		kfree(new);
		return ERR_PTR(-ENOMEM);
	}
	return new;
}

/**
 * dpr_service_commit - publish the services with a further one
 * @dn: the namespace, hooked; its lock is held
 * @new: the services with it
 * @port: its port, host byte order
 */
void dpr_service_commit(struct dpr_net *dn, struct dpr_services *new, u16 port)
{
	set_bit(port, dn->ports);
	dpr_service_publish(dn, new);
}

/**
 * dpr_service_del - remove a service
 * @dn: the namespace; its lock is held
 * @service: the service
 *
 * The hooks still look at its packets, for its flows live on.
 *
 * Return: 0, -ENOENT or -ENOMEM.
 */
int dpr_service_del(struct dpr_net *dn, const struct dpr_service *service)
{
	struct dpr_services *old, *new = NULL;
	u32 i;

	old = rcu_dereference_protected(dn->services,
					lockdep_is_held(&dn->lock));
	for (i = 0; old && i < old->n; i++)
		if (!dpr_service_compare(&old->service[i], service))
			break;
	if (!old || i == old->n)
		return -ENOENT;
	if (old->n > 1) {
		new = kzalloc(struct_size(new, service, old->n - 1),
			      GFP_KERNEL_ACCOUNT);
		if (!new)
			return -ENOMEM;
		new->n = old->n - 1;
		memcpy(new->service, old->service, i * sizeof(*service));
		memcpy(new->service + i, old->service + i + 1,
		       (old->n - i - 1) * sizeof(*service));
	}
	dpr_service_publish(dn, new);
	return 0;
}

/**
 * dpr_service_match - the service on an address and port
 * @dn: the namespace
 * @address: a local address
 * @port: host byte order
 *
 * Called under RCU.
 *
 * Return: the service, NULL if there is none.
 */
struct dpr_service *dpr_service_match(struct dpr_net *dn, __be32 address,
				      u16 port)
{
	struct dpr_services *services = rcu_dereference(dn->services);
	u32 i;

	for (i = 0; services && i < services->n; i++) {
		struct dpr_service *service = &services->service[i];

		if (service->port == port &&
		    (!service->address || service->address == address))
			return service;
	}
	return NULL;
}

/**
 * dpr_service_ports_bits - the bits of the services on some ports
 * @dn: the namespace; its lock is held
 * @ports: in host byte order
 * @n: how many
 */
u64 dpr_service_ports_bits(struct dpr_net *dn, const u16 *ports, u32 n)
{
	const struct dpr_services *services =
		rcu_dereference_protected(dn->services,
					  lockdep_is_held(&dn->lock));
	u64 bits = 0;
	u32 i, k;

	for (i = 0; services && i < services->n; i++)
		for (k = 0; k < n; k++)
			if (services->service[i].port == ports[k])
				bits |= services->service[i].bit;
	return bits;
}

static enum dpr_service_state dpr_service_of(const struct sock *listener)
{
	if (!listener)
		return DPR_SERVICE_NO_LISTENER;
	return sk_acceptq_is_full(listener) ? DPR_SERVICE_FULL : DPR_SERVICE_UP;
}

static struct sock *dpr_service_listener(struct dpr_net *dn, __be32 address,
					 u16 port, int dif)
{
	return dpr_compat_lookup_listener(dn->net, NULL, 0, 0, 0, address, port,
					  dif, 0);
}

/**
 * dpr_service_look - can this host take a new connection of a service now
 * @dn: the namespace
 * @service: the service
 *
 * For any client, by any device: a listener that is bound to a device or a VRF is
 * found, too. Called under RCU.
 *
 * Return: its state.
 */
enum dpr_service_state dpr_service_look(struct dpr_net *dn,
					const struct dpr_service *service)
{
	const struct dpr_config *cfg = rcu_dereference(dn->config);
	const __be32 address = service->address ?: cfg->address;
	const struct net_device *dev;
	const struct sock *sk;

	sk = dpr_service_listener(dn, address, service->port, 0);
	if (!sk) {
		for_each_netdev_rcu(dn->net, dev) {
			sk = dpr_service_listener(dn, address, service->port,
						  dev->ifindex);
			if (sk)
				break;
		}
	}
	return dpr_service_of(sk);
}

/* See dpr_service_state(). */
enum dpr_service_state __dpr_service_state(struct dpr_net *dn,
					   struct sk_buff *skb,
					   struct dpr_service *service,
					   const struct dpr_flow_key *key)
{
	const struct tcphdr *th = (void *)skb->data + ip_hdrlen(skb);
	enum dpr_service_state state;
	const struct sock *sk;

	sk = dpr_compat_lookup_listener(dn->net, skb,
					ip_hdrlen(skb) + th->doff * 4,
					key->client, key->client_port,
					key->address, ntohs(key->port),
					dpr_compat_dif(skb),
					dpr_compat_sdif(skb));
	state = dpr_service_of(sk);
	WRITE_ONCE(service->state, state);
	WRITE_ONCE(service->checked, (u32)jiffies);
	return state;
}

/* See dpr_service_translated(). */
bool __dpr_service_translated(struct dpr_net *dn, struct sk_buff *skb,
			      const struct dpr_flow_key *key)
{
	const struct nf_hook_entries *hooks;
	struct nf_conntrack_tuple reply;

	hooks = rcu_dereference(dn->net->nf.hooks_ipv4[NF_INET_PRE_ROUTING]);
	if (!hooks || hooks->num_hook_entries <= 1 ||
	    !nf_ct_get_tuple_skb(&reply, skb))
		return false;
	return reply.src.u3.ip != key->address ||
	       reply.src.u.tcp.port != key->port;
}

/**
 * dpr_service_teardown - free the services
 * @dn: the namespace; no hook runs in it any more
 */
void dpr_service_teardown(struct dpr_net *dn)
{
	kfree(rcu_dereference_protected(dn->services, true));
	kvfree(dn->ports);
}
