/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _DPR_SERVICE_H
#define _DPR_SERVICE_H

#include "compat.h"
#include "config.h"
#include "dpr.h"
#include "netns.h"

struct dpr_flow_key;
struct sk_buff;

/* Services of this many ports have a bit of their own. */
#define DPR_SERVICE_BITS	63

/**
 * struct dpr_service - a TCP port that the cluster serves
 * @address: the one local address it is on; 0 for all
 * @port: host byte order
 * @state: enum dpr_service_state at @checked
 * @checked: jiffies when @state was last determined; at first one ago
 * @bit: what says that a peer does not serve this port; 0: nothing does
 * @config: the namespace's configuration with @rules; NULL if it has no rules of its
 *	own
 * @rules: its own rules
 */
struct dpr_service {
	__be32 address;
	u16 port;
	u8 state;
	u32 checked;
	u64 bit;
	const struct dpr_config *config;
	struct dpr_rules rules;
};

/**
 * struct dpr_services - the services of a namespace; never changed, but for
 *	their state
 * @rcu: frees it
 * @n: how many
 * @service: ordered by port, then address
 */
struct dpr_services {
	struct rcu_head rcu;
	u32 n;
	struct dpr_service service[] __counted_by(n);
};

struct dpr_services *dpr_service_with(struct dpr_net *dn,
				      const struct dpr_service *service);
struct dpr_services *dpr_service_without(struct dpr_net *dn,
					 const struct dpr_service *service);
struct dpr_services *dpr_service_changed(struct dpr_net *dn,
					 const struct dpr_service *service);
struct dpr_services *dpr_service_configured(struct dpr_net *dn,
					    const struct dpr_config *cfg);
void dpr_service_publish(struct dpr_net *dn, struct dpr_services *new);
struct dpr_service *dpr_service_match(struct dpr_net *dn, __be32 address,
				      u16 port);
u64 dpr_service_ports_bits(struct dpr_net *dn, const u16 *ports, u32 n);
enum dpr_service_state dpr_service_look(struct dpr_net *dn,
					const struct dpr_service *service);
enum dpr_service_state __dpr_service_state(struct dpr_net *dn,
					   struct sk_buff *skb,
					   struct dpr_service *service,
					   const struct dpr_flow_key *key);
bool __dpr_service_translated(struct dpr_net *dn, struct sk_buff *skb,
			      const struct dpr_flow_key *key);
void dpr_service_teardown(struct dpr_net *dn);

/**
 * dpr_service_config - what a service is configured to do
 * @service: the service, under RCU
 * @cfg: the namespace's configuration
 */
static inline const struct dpr_config *
dpr_service_config(const struct dpr_service *service,
		   const struct dpr_config *cfg)
{
	return service->config ?: cfg;
}

/**
 * dpr_service_ours - may a packet to this port concern us
 * @dn: the namespace, hooked
 * @port: host byte order
 *
 * One bit test: what most packets cost that are none of ours.
 */
static inline bool dpr_service_ours(const struct dpr_net *dn, u16 port)
{
	return test_bit(port, dn->ports);
}

/**
 * dpr_service_state - can this host take a new connection of a service
 * @dn: the namespace
 * @skb: a segment to the service, its TCP header in the linear part; pointers
 *	into it are stale afterwards
 * @service: the service
 * @key: the segment's connection
 *
 * Looks for the listener at most once a jiffy. Called under RCU in softirq.
 *
 * Return: as it was in this jiffy.
 */
static inline enum dpr_service_state
dpr_service_state(struct dpr_net *dn, struct sk_buff *skb,
		  struct dpr_service *service, const struct dpr_flow_key *key)
{
	if (likely(READ_ONCE(service->checked) == (u32)jiffies))
		return READ_ONCE(service->state);
	return __dpr_service_state(dn, skb, service, key);
}

/**
 * dpr_service_translated - does this host hand a connection on by DNAT
 * @dn: the namespace
 * @skb: a segment of the connection, its TCP header in the linear part; pointers
 *	into it are stale afterwards
 * @service: the service
 * @key: the connection
 *
 * Such a connection has no socket here that would show that this host serves it,
 * but connection tracking knows it. Called under RCU in softirq.
 */
static inline bool dpr_service_translated(struct dpr_net *dn,
					  struct sk_buff *skb,
					  struct dpr_service *service,
					  const struct dpr_flow_key *key)
{
	return unlikely(dpr_service_state(dn, skb, service, key) ==
			DPR_SERVICE_NO_LISTENER) &&
	       __dpr_service_translated(dn, skb, key);
}

#endif /* _DPR_SERVICE_H */
