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
#include "conntrack.h"
#include "core/parse.h"
#include "dpr.h"
#include "local.h"
#include "netns.h"
#include "peer.h"
#include "ruleset.h"
#include "service.h"
#include "socket.h"
#include "tally.h"

/**
 * dpr_service_compare - which of two services comes first
 * @port: port of the one, host byte order
 * @address: its address, none: all
 * @service: the other one
 *
 * Of a port's services the one of all addresses comes last: who looks for a connection's
 * takes the first that there is.
 *
 * Return: below 0 if the one does, above 0 if the other one does, 0 if they are the same.
 */
int dpr_service_compare(u16 port, const struct dpr_addr *address,
			const struct dpr_service *service)
{
	const bool all = dpr_addr_none(address);

	if (port != service->port)
		return port < service->port ? -1 : 1;
	if (all != dpr_addr_none(&service->address))
		return all ? 1 : -1;
	return dpr_addr_compare(address, &service->address);
}

/* All services' bits; ~0, which no peer has refused, if one has none. */
static u64 dpr_service_bits(const struct dpr_services *services)
{
	u64 bits = 0;
	u32 i;

	for (i = 0; services && i < services->n; i++)
		bits |= services->service[i].bit ?: DPR_SERVICE_ALL;
	return bits;
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

static struct dpr_services *dpr_service_now(struct dpr_net *dn)
{
	return rcu_dereference_protected(dn->services,
					 lockdep_is_held(&dn->lock));
}

/* With room for a configuration of each service's own. */
static struct dpr_services *dpr_service_alloc(u32 n)
{
	struct dpr_services *new;
	const size_t configs = size_mul(n, sizeof(struct dpr_config));

	new = kvzalloc(size_add(struct_size(new, service, n), configs),
		       GFP_KERNEL_ACCOUNT);
	if (new)
		new->n = n;
	return new;
}

/* The services as they are; NULL if there is no memory, or no service. */
static struct dpr_services *dpr_service_copy(struct dpr_net *dn)
{
	const struct dpr_services *old = dpr_service_now(dn);
	struct dpr_services *new = old ? dpr_service_alloc(old->n) : NULL;

	if (new)
		memcpy(new->service, old->service,
		       old->n * sizeof(*old->service));
	return new;
}

/* Gives those that have rules of their own a configuration of their own. */
static struct dpr_services *dpr_service_derive(struct dpr_services *services,
					       const struct dpr_config *cfg)
{
	struct dpr_config *config = (void *)(services->service + services->n);
	u32 i;

	for (i = 0; i < services->n; i++) {
		struct dpr_service *service = &services->service[i];

		service->config = NULL;
		if (!service->rules.own)
			continue;
		*config = *cfg;
		dpr_config_apply_rules(config, &service->rules);
		service->config = config++;
	}
	return services;
}

static const struct dpr_config *dpr_service_defaults(struct dpr_net *dn)
{
	return rcu_dereference_protected(dn->config,
					 lockdep_is_held(&dn->lock));
}

/* Where a service is among others, or would be. */
static u32 dpr_service_place(const struct dpr_services *services,
			     const struct dpr_service *service, bool *there)
{
	u32 i = 0;

	while (services && i < services->n &&
	       dpr_service_compare(service->port, &service->address,
				   &services->service[i]) > 0)
		i++;
	*there = services && i < services->n &&
		 !dpr_service_compare(service->port, &service->address,
				      &services->service[i]);
	return i;
}

/**
 * dpr_service_with - make the services with a further one
 * @dn: the namespace; its lock is held
 * @service: the service, with its rules; its port is not 0
 *
 * Nobody sees them yet. From now on the hooks may be registered.
 *
 * Return: the services, for dpr_service_publish() or kvfree(); ERR_PTR(-EEXIST),
 * ERR_PTR(-ENOSPC) beyond DPR_MAX_SERVICES, ERR_PTR(-ENOMEM).
 */
struct dpr_services *dpr_service_with(struct dpr_net *dn,
				      const struct dpr_service *service)
{
	const struct dpr_services *old = dpr_service_now(dn);
	const u32 n = old ? old->n : 0;
	struct dpr_services *new;
	bool there;
	u32 at = dpr_service_place(old, service, &there);

	if (there)
		return ERR_PTR(-EEXIST);
	if (n >= DPR_MAX_SERVICES)
		return ERR_PTR(-ENOSPC);
	new = dpr_service_alloc(n + 1);
	if (!new)
		return ERR_PTR(-ENOMEM);
	if (old) {
		memcpy(new->service, old->service, at * sizeof(*service));
		memcpy(new->service + at + 1, old->service + at,
		       (n - at) * sizeof(*service));
	}
	new->service[at] = *service;
	new->service[at].seen[0] = (u64)(jiffies - 1) << 32 << DPR_SERVICE_STATE_BITS;
	new->service[at].seen[1] = new->service[at].seen[0];
	new->service[at].bit = dpr_service_bit(old, service->port);
	if (!dn->ports)
		dn->ports = kvcalloc(BITS_TO_LONGS(U16_MAX + 1),
				     sizeof(long), GFP_KERNEL_ACCOUNT);
	if (!dn->ports) {
		kvfree(new);
		return ERR_PTR(-ENOMEM);
	}
	return dpr_service_derive(new, dpr_service_defaults(dn));
}

/**
 * dpr_service_without - make the services without one of them
 * @dn: the namespace; its lock is held
 * @service: which
 *
 * Return: as dpr_service_with(), NULL if none is left; ERR_PTR(-ENOENT).
 */
struct dpr_services *dpr_service_without(struct dpr_net *dn,
					 const struct dpr_service *service)
{
	const struct dpr_services *old = dpr_service_now(dn);
	struct dpr_services *new;
	bool there;
	u32 at = dpr_service_place(old, service, &there);

	if (!there)
		return ERR_PTR(-ENOENT);
	if (old->n == 1)
		return NULL;
	new = dpr_service_alloc(old->n - 1);
	if (!new)
		return ERR_PTR(-ENOMEM);
	memcpy(new->service, old->service, at * sizeof(*service));
	memcpy(new->service + at, old->service + at + 1,
	       (old->n - at - 1) * sizeof(*service));
	return dpr_service_derive(new, dpr_service_defaults(dn));
}

/**
 * dpr_service_changed - make the services with other rules of one of them
 * @dn: the namespace; its lock is held
 * @service: the service, with its rules
 *
 * Return: as dpr_service_with(); ERR_PTR(-ENOENT).
 */
struct dpr_services *dpr_service_changed(struct dpr_net *dn,
					 const struct dpr_service *service)
{
	struct dpr_services *new;
	bool there;
	u32 at = dpr_service_place(dpr_service_now(dn), service, &there);

	if (!there)
		return ERR_PTR(-ENOENT);
	new = dpr_service_copy(dn);
	if (!new)
		return ERR_PTR(-ENOMEM);
	new->service[at].rules = service->rules;
	return dpr_service_derive(new, dpr_service_defaults(dn));
}

/**
 * dpr_service_ruled - make the services with other rules by what is asked for of one
 * @dn: the namespace; its lock is held
 * @service: the service
 * @ruleset: its rules, NULL: none; whoever publishes the services gives it away
 *
 * Return: as dpr_service_with(); ERR_PTR(-ENOENT).
 */
struct dpr_services *dpr_service_ruled(struct dpr_net *dn,
				       const struct dpr_service *service,
				       struct dpr_ruleset *ruleset)
{
	struct dpr_services *new;
	bool there;
	u32 at = dpr_service_place(dpr_service_now(dn), service, &there);

	if (!there)
		return ERR_PTR(-ENOENT);
	new = dpr_service_copy(dn);
	if (!new)
		return ERR_PTR(-ENOMEM);
	new->service[at].ruleset = ruleset;
	return dpr_service_derive(new, dpr_service_defaults(dn));
}

/**
 * dpr_service_find - a service of a port and an address
 * @dn: the namespace; its lock is held
 * @service: which
 *
 * Return: the service, as long as the lock is held; NULL if it is not there.
 */
const struct dpr_service *dpr_service_find(struct dpr_net *dn,
					   const struct dpr_service *service)
{
	const struct dpr_services *services = dpr_service_now(dn);
	bool there;
	u32 at = dpr_service_place(services, service, &there);

	return there ? &services->service[at] : NULL;
}

/**
 * dpr_service_configured - make the services for another configuration
 * @dn: the namespace; its lock is held
 * @cfg: the configuration
 *
 * Return: as dpr_service_with(), NULL if there are none.
 */
struct dpr_services *dpr_service_configured(struct dpr_net *dn,
					    const struct dpr_config *cfg)
{
	struct dpr_services *new;

	if (!dpr_service_now(dn))
		return NULL;
	new = dpr_service_copy(dn);
	return new ? dpr_service_derive(new, cfg) : ERR_PTR(-ENOMEM);
}

static bool dpr_service_has_load(const struct dpr_service *service)
{
	return service->rules.own & DPR_RULE_LOAD &&
	       service->rules.load == DPR_SERVICE_LOAD_SERVICE;
}

/**
 * dpr_service_tallies - prepare for the loads of services
 * @dn: the namespace; its lock is held
 * @services: the services, before they are published; NULL: none
 *
 * Return: 0, -ENOMEM or -E2BIG as dpr_peer_tally_port().
 */
int dpr_service_tallies(struct dpr_net *dn, const struct dpr_services *services)
{
	int err = 0;
	u32 i;

	for (i = 0; !err && services && i < services->n; i++)
		if (dpr_service_has_load(&services->service[i]))
			err = dpr_peer_tally_port(dn, services->service[i].port);
	return err;
}

/* Has the flows counted of the ports that have loads of services now. */
static void dpr_service_tally(struct dpr_net *dn,
			      const struct dpr_services *services)
{
	const u32 n = dpr_tally_places(dn);
	u32 i, place;

	for (place = 0; place < n; place++) {
		struct dpr_tally *tally = &dn->tallies->tally[place];
		bool on = false;

		for (i = 0; services && i < services->n; i++)
			on |= services->service[i].port == tally->port &&
			      dpr_service_has_load(&services->service[i]);
		WRITE_ONCE(tally->on, on);
	}
}

/* Frees the rulesets that none of the services has any more. */
static void dpr_service_drop_rulesets(const struct dpr_services *old,
				      const struct dpr_services *new)
{
	bool there;
	u32 i, at;

	for (i = 0; old && i < old->n; i++) {
		const struct dpr_service *service = &old->service[i];

		if (!service->ruleset)
			continue;
		at = dpr_service_place(new, service, &there);
		if (!there || new->service[at].ruleset != service->ruleset)
			dpr_ruleset_free(service->ruleset);
	}
}

/**
 * dpr_service_publish - have others see the services
 * @dn: the namespace, hooked; its lock is held
 * @new: the services; NULL: none
 *
 * The hooks still look at packets to the ports of services that are gone: flows live
 * on.
 */
void dpr_service_publish(struct dpr_net *dn, struct dpr_services *new)
{
	const u64 bits = dpr_service_bits(new);
	struct dpr_services *old;
	u32 i;

	for (i = 0; new && i < new->n; i++)
		set_bit(new->service[i].port, dn->ports);
	old = rcu_replace_pointer(dn->services, new,
				  lockdep_is_held(&dn->lock));
	dpr_service_tally(dn, new);
	dpr_peer_services(dn, bits, bits & ~dpr_service_bits(old));
	dpr_service_drop_rulesets(old, new);
	if (old)
		kvfree_rcu(old, rcu);
}

/**
 * dpr_service_match - the service of a connection
 * @dn: the namespace
 * @key: the connection
 *
 * That of its address, or of all. Called under RCU.
 *
 * Return: the service, NULL if there is none.
 */
struct dpr_service *dpr_service_match(struct dpr_net *dn,
				      const struct dpr_flow_key *key)
{
	struct dpr_services *services = rcu_dereference(dn->services);
	const u16 port = ntohs(key->port);
	u32 i;

	for (i = 0; services && i < services->n; i++) {
		struct dpr_service *service = &services->service[i];

		if (service->port == port &&
		    (dpr_addr_none(&service->address) ||
		     dpr_addr_equal(&service->address, &key->address)))
			return service;
	}
	return NULL;
}

/**
 * dpr_service_served - the service of a connection that another host may have redirected here
 * @dn: the namespace
 * @key: the connection
 *
 * There its service may be on an address of that host. Here it is the first of the port,
 * unless the client talks to an address of this host. Called under RCU.
 *
 * Return: the service, NULL if there is none.
 */
struct dpr_service *dpr_service_served(struct dpr_net *dn,
				       const struct dpr_flow_key *key)
{
	struct dpr_services *services = rcu_dereference(dn->services);
	struct dpr_service *service = dpr_service_match(dn, key);
	const u16 port = ntohs(key->port);
	u32 i;

	if (service || dpr_local_has(dn->net, NULL, &key->address))
		return service;
	for (i = 0; services && i < services->n; i++)
		if (services->service[i].port == port)
			return &services->service[i];
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

static struct sock *dpr_service_listener(struct dpr_net *dn,
					 const struct dpr_addr *address,
					 u16 port, int dif)
{
	const struct dpr_flow_key key = {
		.port = htons(port),
		.wide = !dpr_addr_is4(address),
	};

	return dpr_socket_listener(dn->net, NULL, 0, &key, address, dif, 0);
}

static enum dpr_service_state
dpr_service_look_at(struct dpr_net *dn, const struct dpr_addr *address, u16 port)
{
	const struct net_device *dev;
	const struct sock *sk;

	sk = dpr_service_listener(dn, address, port, 0);
	if (!sk) {
		for_each_netdev_rcu(dn->net, dev) {
			sk = dpr_service_listener(dn, address, port,
						  dev->ifindex);
			if (sk)
				break;
		}
	}
	return dpr_service_of(sk);
}

/* The same on each device's own address of the family that tunnels do not have. */
static enum dpr_service_state
dpr_service_look_across(struct dpr_net *dn, const struct dpr_config *cfg, u16 port)
{
	const struct net_device *dev;
	struct sock *sk = NULL;
	struct dpr_addr address;

	for_each_netdev_rcu(dn->net, dev) {
		if (dev->flags & IFF_LOOPBACK ||
		    !dpr_local_address(dn->net, dev, dpr_addr_is4(&cfg->address),
				       &address))
			continue;
		sk = dpr_service_listener(dn, &address, port, 0);
		if (!sk)
			sk = dpr_service_listener(dn, &address, port,
						  dev->ifindex);
		if (sk)
			break;
	}
	return dpr_service_of(sk);
}

/**
 * dpr_service_look - can this host take a new connection of a service now
 * @dn: the namespace
 * @service: the service
 *
 * For any client of either family, by any device: a listener that is bound to a device
 * or a VRF is found, too. Called under RCU.
 *
 * Return: its state.
 */
enum dpr_service_state dpr_service_look(struct dpr_net *dn,
					const struct dpr_service *service)
{
	const struct dpr_config *cfg = rcu_dereference(dn->config);
	enum dpr_service_state state;

	if (!dpr_addr_none(&service->address))
		return dpr_service_look_at(dn, &service->address, service->port);
	state = dpr_service_look_at(dn, &cfg->address, service->port);
	if (state == DPR_SERVICE_NO_LISTENER)
		state = dpr_service_look_across(dn, cfg, service->port);
	return state;
}

/* See dpr_service_state(). */
enum dpr_service_state __dpr_service_state(struct dpr_net *dn,
					   struct sk_buff *skb,
					   struct dpr_service *service,
					   const struct dpr_segment *seg)
{
	const struct tcphdr *th = (void *)skb->data + seg->offset;
	const u64 when = dpr_service_when(skb, seg);
	enum dpr_service_state state;
	const struct sock *sk;

	BUILD_BUG_ON(DPR_SERVICE_MAX >> DPR_SERVICE_STATE_BITS);

	sk = dpr_socket_listener(dn->net, skb, seg->offset + th->doff * 4,
				 &seg->key, &seg->key.address,
				 dpr_compat_dif(skb), dpr_compat_sdif(skb));
	state = dpr_service_of(sk);
	WRITE_ONCE(service->seen[seg->key.wide], when | state);
	return state;
}

/* See dpr_service_translated(). */
bool __dpr_service_translated(struct dpr_net *dn, struct sk_buff *skb,
			      const struct dpr_flow_key *key)
{
	const struct nf_hook_entries *hooks;
	struct nf_conntrack_tuple reply;

	if (unlikely(key->wide))
		hooks = rcu_dereference(dn->net->nf.hooks_ipv6[NF_INET_PRE_ROUTING]);
	else
		hooks = rcu_dereference(dn->net->nf.hooks_ipv4[NF_INET_PRE_ROUTING]);
	if (!hooks || hooks->num_hook_entries <= 1)
		return false;
	if (unlikely(key->wide))
		return dpr_conntrack_translated6(dn->net, key);
	return nf_ct_get_tuple_skb(&reply, skb) &&
	       (reply.src.u3.ip != key->address.word[3] ||
		reply.src.u.tcp.port != key->port);
}

/**
 * dpr_service_teardown - free the services
 * @dn: the namespace; no hook runs in it any more
 */
void dpr_service_teardown(struct dpr_net *dn)
{
	struct dpr_services *services =
		rcu_dereference_protected(dn->services, true);

	dpr_service_drop_rulesets(services, NULL);
	kvfree(services);
	kvfree(dn->ports);
}
