// SPDX-License-Identifier: GPL-2.0
#include <linux/netfilter.h>
#include <linux/percpu.h>
#include <net/ip.h>
#include "compat.h"
#include "config.h"
#include "core/parse.h"
#include "dpr.h"
#include "flow.h"
#include "fwd.h"
#include "fwd_direct.h"
#include "fwd_ipip.h"
#include "handover.h"
#include "local.h"
#include "members.h"
#include "migrate.h"
#include "netns.h"
#include "owner.h"
#include "peer.h"
#include "receive.h"
#include "service.h"
#include "socket.h"
#include "splice.h"
#include "stats.h"
#include "steer.h"
#include "syn.h"

/* As long as a SYN cookie is valid, and until dpr_members_unhash() notes the next one. */
#define DPR_STEER_COOKIE	(121 * HZ)

/*
 * May the segment answer a SYN cookie of this host, although the hash leaves its connection
 * to a peer? It may if this host has lately served one that the hash leaves to that peer.
 */
static bool dpr_steer_cookie(const struct dpr_net *dn, const struct sk_buff *skb,
			     const struct dpr_segment *seg,
			     const struct dpr_peer *peer)
{
	if (likely((u32)jiffies - READ_ONCE(peer->unhashed) > DPR_STEER_COOKIE) ||
	    !READ_ONCE(dn->net->ipv4.sysctl_tcp_syncookies))
		return false;
	return dpr_owner_cookie(skb, seg);
}

/*
 * The peer that serves a connection without a flow, by the stateless policy;
 * NULL if this host does. A connection with a socket here stays here, whatever
 * the hash says: it began under another policy or while that peer was silent. @seg
 * is the segment, if it is about one, of which a request may be no reason
 * (dpr_socket_keeps()).
 */
static struct dpr_peer *dpr_steer_stateless(struct dpr_net *dn,
					    struct sk_buff *skb,
					    const struct dpr_flow_key *key,
					    const struct dpr_segment *seg)
{
	const struct dpr_members *base = rcu_dereference(dn->base);
	struct dpr_peer *peer;

	if (likely(!base))
		return NULL;
	peer = dpr_members_pick(base, key);
	if (!peer || READ_ONCE(peer->dead) ||
	    dpr_addr_equal(&peer->address, &key->client))
		return NULL;
	if (!dpr_local_has(dn->net, skb->dev, &key->address))
		return NULL;
	if (seg ? dpr_socket_keeps(dn, skb, seg) :
		  dpr_socket_exists(dn, skb, key))
		return NULL;
	/* As dpr_syn() serves them. */
	if (unlikely(key->wide) && (dpr_local_on_link(&key->client) ||
				    dpr_local_on_link(&key->address)))
		return NULL;
	if (seg && dpr_steer_cookie(dn, skb, seg, peer))
		return NULL;
	return peer;
}

/**
 * dpr_steer_peer - find the peer that serves a connection
 * @dn: the namespace
 * @cfg: the configuration
 * @skb: a packet about it
 * @key: the connection
 *
 * Called under RCU in softirq.
 *
 * Return: the peer, NULL if no peer does.
 */
struct dpr_peer *dpr_steer_peer(struct dpr_net *dn,
				const struct dpr_config *cfg,
				struct sk_buff *skb,
				const struct dpr_flow_key *key)
{
	struct dpr_flow *flow = dpr_flow_find(dn, key);

	if (!flow)
		return dpr_steer_stateless(dn, skb, key, NULL);
	return dpr_flow_over(flow, cfg) ? NULL : flow->peer;
}

/* An address that is not this host's, since the routes have been as they are. */
struct dpr_steer_seen {
	const struct dpr_net *dn;
	__be32 address;
	int genid;
};

#define DPR_STEER_SEEN	16	/* a power of two */

static DEFINE_PER_CPU(struct dpr_steer_seen, dpr_steer_seen[DPR_STEER_SEEN]);

/*
 * Is an address not this host's? What comes direct asks that for each packet, and the
 * kernel answers quickly only if it is (__ip_dev_find()), so what it says is kept.
 */
static bool dpr_steer_foreign(struct dpr_net *dn, const struct sk_buff *skb,
			      const struct dpr_addr *address)
{
	const int genid = rt_genid_ipv4(dn->net); /* as it was before the question */
	const __be32 v4 = address->word[3];
	struct dpr_steer_seen *seen;

	if (!dpr_addr_is4(address))
		return !dpr_local_has(dn->net, skb->dev, address);
	seen = this_cpu_ptr(&dpr_steer_seen[ntohl(v4) % DPR_STEER_SEEN]);
	if (likely(seen->address == v4 && seen->dn == dn &&
		   seen->genid == genid))
		return true;
	if (dpr_local_has(dn->net, skb->dev, address))
		return false;
	*seen = (struct dpr_steer_seen){
		.dn = dn, .address = v4, .genid = genid,
	};
	return true;
}

/**
 * dpr_steer_teardown - forget what is kept of a namespace
 * @dn: the namespace; no hook runs in it any more
 */
void dpr_steer_teardown(const struct dpr_net *dn)
{
	struct dpr_steer_seen *seen;
	int cpu, i;

	for_each_possible_cpu(cpu) {
		for (i = 0; i < DPR_STEER_SEEN; i++) {
			seen = per_cpu_ptr(&dpr_steer_seen[i], cpu);
			/* Another one of this address would take it for its own. */
			if (READ_ONCE(seen->dn) == dn)
				cmpxchg(&seen->dn, dn, NULL);
		}
	}
}

/* Sends a segment that follows the hash as it is, if its service's forwarding says so. */
static bool dpr_steer_direct(struct dpr_net *dn, const struct dpr_config *cfg,
			     struct sk_buff *skb, const struct dpr_segment *seg,
			     const struct dpr_peer *peer)
{
	const struct dpr_service *service = dpr_service_match(dn, &seg->key);
	u8 how;

	if (!service)
		return false;
	cfg = dpr_service_config(service, cfg);
	how = dpr_fwd_direct_how_later(cfg, peer, &seg->key,
				       dpr_fwd_route(dn, cfg, peer, skb));
	return how && dpr_fwd_direct_send(dn, cfg, skb, peer, how);
}

/*
 * Steers a segment without a flow that is no SYN: of a connection that this host
 * serves, one that follows the hash, or an orphan. While the sets of hosts differ
 * the hash may not hold for this connection: asks who has it, first the host that
 * the hash names. If too many questions are open it follows the hash, which is
 * mostly right.
 *
 * The base set is dropped once the connections that follow it are idle
 * (members.h), so a connection that is not idle needs a flow. It gets one when its
 * host says that it has the socket, since anybody can make up segments.
 *
 * One that is not for this host may be a redirected one that came direct.
 */
static noinline unsigned int
dpr_steer_flowless(struct dpr_net *dn, const struct dpr_config *cfg,
		   struct sk_buff *skb, const struct dpr_segment *seg)
{
	const bool changing = rcu_access_pointer(dn->members) !=
			      rcu_access_pointer(dn->base);
	struct dpr_peer *peer;
	unsigned int waits;

	if (dpr_handover_segment(dn, cfg, skb, seg, &waits))
		return waits;
	if (unlikely(READ_ONCE(dn->direct)) &&
	    !dpr_addr_equal(&seg->key.address, &cfg->address) &&
	    dpr_steer_foreign(dn, skb, &seg->key.address))
		return dpr_receive_direct(dn, cfg, skb, seg, false);
	peer = dpr_steer_stateless(dn, skb, &seg->key, seg);
	if ((cfg->orphans == DPR_ORPHANS_ASK && (!peer || changing)) ||
	    (peer && dpr_owner_raised(dn, &seg->key))) {
		unsigned int verdict = dpr_owner_seek(dn, cfg, skb, seg, &peer);

		if (verdict != NF_ACCEPT)
			return verdict;
	} else if (peer && changing) {
		dpr_owner_adopt(dn, cfg, skb->dev, seg, peer);
	}
	if (!peer && dpr_migrate_on() && dpr_migrate_own(dn, cfg, skb, seg))
		return NF_STOLEN;
	if (!peer)
		return NF_ACCEPT;
	if (unlikely(READ_ONCE(dn->direct)) &&
	    dpr_steer_direct(dn, cfg, skb, seg, peer))
		return NF_STOLEN;
	dpr_fwd_send(dn, cfg, skb, peer);
	return NF_STOLEN;
}

/*
 * Has a connection become one of this host, although its SYN made a flow? That SYN
 * reached another host too, which redirected it here, and the client has taken this
 * host's answer: a router that spreads packets anew does that. Removes the flow.
 */
static noinline bool dpr_steer_own(struct dpr_net *dn, struct sk_buff *skb,
				   const struct dpr_segment *seg,
				   struct dpr_flow *flow)
{
	if (likely(!dpr_socket_takes(dn, skb, seg)))
		return false;
	if (dpr_flow_kill(dn, flow))
		dpr_stats_inc(dn, DPR_STAT_FLOWS_OWN);
	return true;
}

/* Decides who gets a segment that has been read. */
static __always_inline unsigned int
dpr_steer_segment(struct dpr_net *dn, struct sk_buff *skb,
		  const struct dpr_segment *seg)
{
	const struct dpr_config *cfg = rcu_dereference(dn->config);
	struct dpr_flow *flow;
	unsigned int waits;

	if (dpr_splice_on() && dpr_splice_segment(dn, cfg, skb, seg, &waits))
		return waits;
	flow = dpr_flow_find(dn, &seg->key);
	if (seg->syn)
		return dpr_syn(dn, cfg, skb, seg, flow);
	if (!flow)
		return dpr_steer_flowless(dn, cfg, skb, seg);
	if (unlikely(dpr_flow_over(flow, cfg))) {
		if (dpr_handover_segment(dn, cfg, skb, seg, &waits))
			return waits;
		/*
		 * Without a flow the stack answers with a RST, unless peers are asked, as they
		 * would be after the clean-up.
		 */
		dpr_flow_reap(dn, flow);
		if (cfg->orphans == DPR_ORPHANS_ASK && !READ_ONCE(flow->peer->dead))
			return dpr_steer_flowless(dn, cfg, skb, seg);
		return NF_ACCEPT;
	}
	if (unlikely(READ_ONCE(flow->state) == DPR_FLOW_SYN)) {
		if (dpr_handover_segment(dn, cfg, skb, seg, &waits))
			return waits;
		if (dpr_steer_own(dn, skb, seg, flow))
			return NF_ACCEPT;
	}
	dpr_flow_track(dn, flow, seg);
	if (unlikely(dpr_fwd_direct_flow(flow)) &&
	    dpr_fwd_direct_send(dn, cfg, skb, flow->peer, flow->shard))
		return NF_STOLEN;
	if (dpr_flow_bulk(flow, seg))
		dpr_fwd_send_bulk(dn, cfg, skb, flow->peer);
	else
		dpr_fwd_send(dn, cfg, skb, flow->peer);
	return NF_STOLEN;
}

/**
 * dpr_steer_tcp - decide who gets a client's segment
 * @dn: the namespace
 * @skb: a whole segment to a port of ours, its headers in the linear part
 *
 * Called under RCU in softirq.
 *
 * Return: the netfilter verdict.
 */
__flatten unsigned int dpr_steer_tcp(struct dpr_net *dn, struct sk_buff *skb)
{
	struct dpr_segment seg __uninitialized; /* all of it is set */

	if (unlikely(skb->dev->flags & IFF_LOOPBACK))
		return NF_ACCEPT;
	dpr_parse_segment(ip_hdr(skb), skb->len, 0, &seg);
	return dpr_steer_segment(dn, skb, &seg);
}

/* Takes the mark off. */
static bool dpr_steer_unmark(struct sk_buff *skb)
{
	struct iphdr *iph;
	__be16 old;

	if (skb_ensure_writable(skb, sizeof(*iph)))
		return false;
	iph = ip_hdr(skb);
	old = iph->frag_off;
	iph->frag_off &= ~htons(DPR_FWD_IPIP_MARK);
	csum_replace2(&iph->check, old, iph->frag_off);
	return true;
}

/**
 * dpr_steer_marked - likewise, for a segment of IPv4 that has the mark
 * @dn: the namespace
 * @skb: as for dpr_steer_tcp()
 *
 * One that a peer has sent here direct goes no further. Where nobody does that the mark
 * means nothing; nor does it in a SYN.
 *
 * Return: the netfilter verdict.
 */
unsigned int dpr_steer_marked(struct dpr_net *dn, struct sk_buff *skb)
{
	struct dpr_segment seg __uninitialized; /* all of it is set */

	if (!READ_ONCE(dn->direct) || unlikely(skb->dev->flags & IFF_LOOPBACK))
		return dpr_steer_tcp(dn, skb);
	dpr_parse_segment(ip_hdr(skb), skb->len, 0, &seg);
	if (seg.syn || !dpr_local_has(dn->net, skb->dev, &seg.key.address))
		return dpr_steer_tcp(dn, skb);
	if (!dpr_steer_unmark(skb)) {
		dpr_stats_inc(dn, DPR_STAT_RX_NO_MEMORY);
		return NF_DROP;
	}
	return dpr_receive_direct(dn, rcu_dereference(dn->config), skb, &seg,
				  true);
}

/**
 * dpr_steer_tcp6 - likewise, for a segment of IPv6
 * @dn: the namespace
 * @skb: a whole segment to a port of ours, its headers in the linear part
 * @offset: of its TCP header from skb->data
 *
 * Called under RCU in softirq.
 *
 * Return: the netfilter verdict.
 */
__flatten unsigned int dpr_steer_tcp6(struct dpr_net *dn, struct sk_buff *skb,
				      unsigned int offset)
{
	struct dpr_segment seg __uninitialized; /* all of it is set */

	if (unlikely(skb->dev->flags & IFF_LOOPBACK))
		return NF_ACCEPT;
	dpr_parse_segment6(ipv6_hdr(skb), (void *)skb->data + offset,
			   skb->len - offset, offset, &seg);
	return dpr_steer_segment(dn, skb, &seg);
}
