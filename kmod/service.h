/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _DPR_SERVICE_H
#define _DPR_SERVICE_H

#include <linux/hash.h>
#include <linux/skbuff.h>
#include "compat.h"
#include "config.h"
#include "core/parse.h"
#include "dpr.h"
#include "netns.h"

struct dpr_ruleset;

/* Services of this many ports have a bit of their own; another one is all services'. */
#define DPR_SERVICE_BITS	63
#define DPR_SERVICE_ANY		BIT_ULL(63)
/* What a peer cannot do that has no address of a connection's family. */
#define DPR_SERVICE_ALL		(~0ULL)

/* Of the word that keeps a state (dpr_service_when()): those of the state itself. */
#define DPR_SERVICE_STATE_BITS	2

/**
 * struct dpr_service - a TCP port that the cluster serves
 * @address: the one local address it is on; none: all
 * @port: host byte order
 * @seen: whether this host can serve it, as last seen by connections of IPv4 and of
 *	IPv6: dpr_service_when() with enum dpr_service_state; at first of a jiffy ago
 * @bit: what says that a peer does not serve this port; 0: nothing does
 * @config: the namespace's configuration with @rules; NULL if it has no rules of its
 *	own
 * @rules: its own rules
 * @ruleset: its rules by what is asked for, NULL if there are none; goes when it, or the
 *	service, is no longer among the services published
 */
struct dpr_service {
	struct dpr_addr address;
	u16 port;
	u64 seen[2];
	u64 bit;
	const struct dpr_config *config;
	struct dpr_rules rules;
	struct dpr_ruleset *ruleset;
};

/**
 * struct dpr_services - the services of a namespace; never changed, but for
 *	their state
 * @rcu: frees it
 * @n: how many
 * @service: in the order of dpr_service_compare()
 */
struct dpr_services {
	struct rcu_head rcu;
	u32 n;
	struct dpr_service service[] __counted_by(n);
};

int dpr_service_compare(u16 port, const struct dpr_addr *address,
			const struct dpr_service *service);
struct dpr_services *dpr_service_with(struct dpr_net *dn,
				      const struct dpr_service *service);
struct dpr_services *dpr_service_without(struct dpr_net *dn,
					 const struct dpr_service *service);
struct dpr_services *dpr_service_changed(struct dpr_net *dn,
					 const struct dpr_service *service);
struct dpr_services *dpr_service_ruled(struct dpr_net *dn,
				       const struct dpr_service *service,
				       struct dpr_ruleset *ruleset);
const struct dpr_service *dpr_service_find(struct dpr_net *dn,
					   const struct dpr_service *service);
struct dpr_services *dpr_service_configured(struct dpr_net *dn,
					    const struct dpr_config *cfg);
int dpr_service_tallies(struct dpr_net *dn, const struct dpr_services *services);
void dpr_service_publish(struct dpr_net *dn, struct dpr_services *new);
struct dpr_service *dpr_service_match(struct dpr_net *dn,
				      const struct dpr_flow_key *key);
struct dpr_service *dpr_service_served(struct dpr_net *dn,
				       const struct dpr_flow_key *key);
u64 dpr_service_ports_bits(struct dpr_net *dn, const u16 *ports, u32 n);
enum dpr_service_state dpr_service_look(struct dpr_net *dn,
					const struct dpr_service *service);
enum dpr_service_state __dpr_service_state(struct dpr_net *dn,
					   struct sk_buff *skb,
					   struct dpr_service *service,
					   const struct dpr_segment *seg);
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
 * dpr_service_needs - what a peer must be able to do to serve a connection
 * @service: its service, NULL if there is none any more
 *
 * Return: bits, as of what peers cannot.
 */
static inline u64 dpr_service_needs(const struct dpr_service *service)
{
	return (service ? service->bit : 0) | DPR_SERVICE_ANY;
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
 * dpr_service_when - when, where and by which device the state of a service is looked at
 * @skb: a segment to the service
 * @seg: the same, parsed
 *
 * A listener may be bound to one of this host's addresses, or to a device: what is true
 * of one connection says nothing of one to another address.
 *
 * Return: the jiffy, and a number for the address and the device; the lowest
 * DPR_SERVICE_STATE_BITS bits are 0.
 */
static inline u64 dpr_service_when(const struct sk_buff *skb,
				   const struct dpr_segment *seg)
{
	const u64 now = jiffies;
	const u32 where = dpr_addr_id(&seg->key.address) ^
			  (u32)skb->dev->ifindex * GOLDEN_RATIO_32;

	return (now << 32 | where) << DPR_SERVICE_STATE_BITS;
}

/**
 * dpr_service_state - can this host take a new connection of a service
 * @dn: the namespace
 * @skb: a segment to the service, its TCP header in the linear part; pointers
 *	into it are stale afterwards
 * @service: the service
 * @seg: the segment, parsed
 *
 * Looks for the listener once a jiffy, unless connections to several addresses, or by
 * several devices, take turns. Called under RCU in softirq.
 *
 * Return: as it was in this jiffy.
 */
static inline enum dpr_service_state
dpr_service_state(struct dpr_net *dn, struct sk_buff *skb,
		  struct dpr_service *service, const struct dpr_segment *seg)
{
	const u64 state = READ_ONCE(service->seen[seg->key.wide]) ^
			  dpr_service_when(skb, seg);

	/* Of another time or place bits are left that no state has. */
	if (likely(state < BIT_ULL(DPR_SERVICE_STATE_BITS)))
		return state;
	return __dpr_service_state(dn, skb, service, seg);
}

/**
 * dpr_service_translated - does this host hand a connection on by DNAT
 * @dn: the namespace
 * @skb: a segment of the connection, its TCP header in the linear part; pointers
 *	into it are stale afterwards
 * @service: the service
 * @seg: the segment, parsed
 *
 * Such a connection has no socket here that would show that this host serves it,
 * but connection tracking knows it. Called under RCU in softirq.
 */
static inline bool dpr_service_translated(struct dpr_net *dn,
					  struct sk_buff *skb,
					  struct dpr_service *service,
					  const struct dpr_segment *seg)
{
	return unlikely(dpr_service_state(dn, skb, service, seg) ==
			DPR_SERVICE_NO_LISTENER) &&
	       __dpr_service_translated(dn, skb, &seg->key);
}

#endif /* _DPR_SERVICE_H */
