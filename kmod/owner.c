// SPDX-License-Identifier: GPL-2.0
#include <linux/inetdevice.h>
#include <linux/mm.h>
#include <linux/netfilter.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/tcp.h>
#include <net/inet_hashtables.h>
#include <net/ip.h>
#include <net/tcp.h>
#include "compat.h"
#include "owner.h"
#include "peer.h"
#include "service.h"
#include "tunnel.h"

#define DPR_OWNER_BUCKETS	1024	/* a power of two */
#define DPR_OWNER_WAYS		4	/* open questions of a bucket */
#define DPR_OWNER_TRIES		3	/* times that a question is put */
#define DPR_OWNER_PEERS		256	/* peers that are asked at a time */
#define DPR_OWNER_RATE		20000	/* messages a second, and at once */
#define DPR_OWNER_AGAIN		(HZ / 10) /* least time between two tries */
#define DPR_OWNER_MEMORY	(5 * HZ) /* how long an answer of nobody holds */

#define DPR_OWNER_MAGIC		0x4450526f /* "DPRo" */

enum dpr_owner_kind {
	DPR_OWNER_ASK = 1,	/* who has this connection's socket? */
	DPR_OWNER_CLAIM = 2,	/* I have */
};

/**
 * struct dpr_owner_message - what an inner packet of DPR_OWNER_PROTOCOL holds
 * @magic: DPR_OWNER_MAGIC
 * @kind: enum dpr_owner_kind
 * @zero: 0
 * @check: Internet checksum of the message
 * @nonce: drawn with the question, repeated by the claim
 * @key: the connection
 */
struct dpr_owner_message {
	__be32 magic;
	u8 kind;
	u8 zero;
	__sum16 check;
	u32 nonce;
	struct dpr_flow_key key;
};

/**
 * struct dpr_owner_ask - a question to the peers
 * @seg: the segment that raised it; its flow is made from that
 * @nonce: proves that who claims has seen the question
 * @last: jiffies of the last try
 * @tries: how often it was put; 0 if this is no question
 */
struct dpr_owner_ask {
	struct dpr_segment seg;
	u32 nonce;
	u32 last;
	u32 tries;
};

/**
 * struct dpr_owner_table - the open questions of a namespace
 * @lock: protects all of it; taken in softirq
 * @seed: of the hash
 * @tokens: messages that may be sent at once
 * @filled: jiffies when @tokens were last added to
 * @ask: the questions
 *
 * Its size is fixed: a flood of segments that belong to nothing finds no room,
 * and gets no more memory.
 */
struct dpr_owner_table {
	spinlock_t lock;	/* of all that follows */
	u32 seed;
	u32 tokens;
	u32 filled;
	struct dpr_owner_ask ask[DPR_OWNER_BUCKETS][DPR_OWNER_WAYS];
};

/**
 * dpr_owner_alloc - make a namespace's table of questions
 *
 * Return: the table, NULL if there is no memory.
 */
struct dpr_owner_table *dpr_owner_alloc(void)
{
	struct dpr_owner_table *table = kvzalloc(sizeof(*table), GFP_KERNEL);

	BUILD_BUG_ON(sizeof(struct dpr_owner_message) != 24);
	if (!table)
		return NULL;
	spin_lock_init(&table->lock);
	table->seed = get_random_u32();
	table->tokens = DPR_OWNER_RATE;
	table->filled = jiffies;
	return table;
}

/**
 * dpr_owner_teardown - forget all questions
 * @dn: the namespace; no hook runs in it any more
 */
void dpr_owner_teardown(struct dpr_net *dn)
{
	kvfree(rcu_dereference_protected(dn->owners, true));
}

static __sum16 dpr_owner_check(const struct dpr_owner_message *msg)
{
	return ip_compute_csum(msg, sizeof(*msg));
}

/* Sends one message, in an IP packet as if from this host to the peer. */
static bool dpr_owner_send(struct dpr_net *dn, const struct dpr_config *cfg,
			   struct net_device *dev, struct dpr_peer *peer,
			   enum dpr_owner_kind kind, u32 nonce,
			   const struct dpr_flow_key *key)
{
	const unsigned int room = LL_MAX_HEADER + sizeof(struct iphdr);
	struct dpr_owner_message *msg;
	struct sk_buff *skb;
	struct iphdr *iph;

	skb = alloc_skb(room + sizeof(*iph) + sizeof(*msg),
			GFP_ATOMIC | __GFP_NOWARN);
	if (!skb)
		return false;
	skb_reserve(skb, room);
	skb_reset_network_header(skb);
	iph = skb_put_zero(skb, sizeof(*iph));
	iph->version = 4;
	iph->ihl = sizeof(*iph) >> 2;
	iph->tot_len = htons(sizeof(*iph) + sizeof(*msg));
	iph->frag_off = htons(IP_DF);
	iph->ttl = 1;
	iph->protocol = DPR_OWNER_PROTOCOL;
	iph->saddr = cfg->address;
	iph->daddr = peer->address;
	ip_send_check(iph);
	msg = skb_put_zero(skb, sizeof(*msg));
	msg->magic = htonl(DPR_OWNER_MAGIC);
	msg->kind = kind;
	msg->nonce = nonce;
	msg->key = *key;
	msg->check = dpr_owner_check(msg);
	skb->protocol = htons(ETH_P_IP);
	skb->dev = dev;
	dpr_tunnel_send(dn, cfg, skb, peer);
	return true;
}

/*
 * Puts a question to the peers of the load table: to all of them, or, try by
 * try, to so many of a large cluster.
 */
static void dpr_owner_put(struct dpr_net *dn, const struct dpr_config *cfg,
			  struct net_device *dev,
			  const struct dpr_owner_ask *ask)
{
	const struct dpr_table *table = rcu_dereference(dn->table);
	u32 i, n = table ? table->order.n : 0;
	u32 at = (ask->tries - 1) * DPR_OWNER_PEERS;

	for (i = 0; i < min_t(u32, n, DPR_OWNER_PEERS); i++) {
		struct dpr_peer *peer = table->peer[(at + i) % n];

		/* Whose address it was cannot answer any more. */
		if (peer->address != ask->seg.key.address &&
		    !dpr_owner_send(dn, cfg, dev, peer, DPR_OWNER_ASK,
				    ask->nonce, &ask->seg.key))
			return;
	}
}

static u32 dpr_owner_cost(const struct dpr_net *dn)
{
	const struct dpr_table *table = rcu_dereference(dn->table);

	return table ? clamp(table->order.n, 1U, DPR_OWNER_PEERS) : 1;
}

/* Takes the tokens for one try, if there are as many. */
static bool dpr_owner_pay(struct dpr_owner_table *table, u32 cost)
{
	u32 now = jiffies, passed = min_t(u32, now - table->filled, HZ);

	table->tokens = min_t(u32, DPR_OWNER_RATE,
			      table->tokens + passed * (DPR_OWNER_RATE / HZ));
	table->filled = now;
	if (table->tokens < cost)
		return false;
	table->tokens -= cost;
	return true;
}

static struct dpr_owner_ask *dpr_owner_bucket(struct dpr_owner_table *table,
					      const struct dpr_flow_key *key)
{
	u32 hash = dpr_flow_hash(key, sizeof(*key), table->seed);

	return table->ask[hash % DPR_OWNER_BUCKETS];
}

static struct dpr_owner_ask *dpr_owner_find(struct dpr_owner_ask *bucket,
					    const struct dpr_flow_key *key)
{
	u32 i;

	for (i = 0; i < DPR_OWNER_WAYS; i++)
		if (bucket[i].tries &&
		    !memcmp(&bucket[i].seg.key, key, sizeof(*key)))
			return &bucket[i];
	return NULL;
}

/* A place for a new question; NULL if all are open. */
static struct dpr_owner_ask *dpr_owner_room(struct dpr_owner_ask *bucket)
{
	u32 i;

	for (i = 0; i < DPR_OWNER_WAYS; i++)
		if (!bucket[i].tries ||
		    (u32)jiffies - bucket[i].last > DPR_OWNER_MEMORY)
			return &bucket[i];
	return NULL;
}

/* What becomes of a segment that belongs to nothing here. */
enum dpr_owner_verdict {
	DPR_OWNER_PUT,		/* ask the peers; it is dropped */
	DPR_OWNER_WAIT,		/* asked just now; it is dropped */
	DPR_OWNER_NOBODY,	/* no peer claims it: the stack answers */
	DPR_OWNER_LIMIT,	/* too many questions; it is dropped */
};

/* Under the table's lock. @copy is set to the question if it is to be put. */
static enum dpr_owner_verdict
dpr_owner_note(struct dpr_owner_table *table, u32 cost,
	       const struct dpr_segment *seg, struct dpr_owner_ask *copy)
{
	struct dpr_owner_ask *bucket = dpr_owner_bucket(table, &seg->key);
	struct dpr_owner_ask *ask = dpr_owner_find(bucket, &seg->key);

	if (ask && (u32)jiffies - ask->last > DPR_OWNER_MEMORY)
		ask->tries = 0;
	if (ask && ask->tries) {
		if ((u32)jiffies - ask->last < DPR_OWNER_AGAIN)
			return DPR_OWNER_WAIT;
		if (ask->tries >= DPR_OWNER_TRIES)
			return DPR_OWNER_NOBODY;
	}
	if (!ask)
		ask = dpr_owner_room(bucket);
	if (!ask || !dpr_owner_pay(table, cost))
		return DPR_OWNER_LIMIT;
	if (!ask->tries)
		ask->nonce = get_random_u32();
	ask->seg = *seg;
	ask->last = jiffies;
	ask->tries++;
	*copy = *ask;
	return DPR_OWNER_PUT;
}

/*
 * Does the segment mean something to this host's own stack: a socket of its
 * connection, or a SYN cookie that it answers?
 */
static bool dpr_owner_here(struct dpr_net *dn, struct sk_buff *skb,
			   const struct dpr_flow_key *key)
{
	const struct iphdr *iph = ip_hdr(skb);
	const struct tcphdr *th = (void *)iph + iph->ihl * 4;
	struct sock *sk;

	sk = dpr_compat_lookup_established(dn->net, key->client,
					   key->client_port, key->address,
					   ntohs(key->port), skb->skb_iif, 0);
	if (sk) {
		sock_gen_put(sk);
		return true;
	}
	return th->ack && !th->fin && dpr_compat_cookie_valid(iph, th);
}

/**
 * dpr_owner_seek - find the host that serves a connection without flow
 * @dn: the namespace
 * @cfg: the configuration; its orphans are asked for
 * @skb: a segment of the connection, no SYN, its TCP header in the linear part
 * @seg: the same, parsed
 *
 * The client sends it again; until then a peer may have claimed the
 * connection. Called under RCU in softirq.
 *
 * Return: NF_ACCEPT if it is the stack's, else NF_DROP.
 */
unsigned int dpr_owner_seek(struct dpr_net *dn, const struct dpr_config *cfg,
			    struct sk_buff *skb,
			    const struct dpr_segment *seg)
{
	struct dpr_owner_table *table = rcu_dereference(dn->owners);
	struct dpr_owner_ask copy;

	if (!table || seg->rst ||
	    !dpr_service_match(dn, seg->key.address, ntohs(seg->key.port)) ||
	    !__ip_dev_find(dn->net, seg->key.address, false) ||
	    dpr_owner_here(dn, skb, &seg->key))
		return NF_ACCEPT;
	spin_lock(&table->lock);
	switch (dpr_owner_note(table, dpr_owner_cost(dn), seg, &copy)) {
	case DPR_OWNER_PUT:
		spin_unlock(&table->lock);
		dpr_stats_inc(dn, DPR_STAT_OWNER_ASKED);
		dpr_owner_put(dn, cfg, skb->dev, &copy);
		return NF_DROP;
	case DPR_OWNER_WAIT:
		spin_unlock(&table->lock);
		dpr_stats_inc(dn, DPR_STAT_OWNER_WAITED);
		return NF_DROP;
	case DPR_OWNER_LIMIT:
		spin_unlock(&table->lock);
		dpr_stats_inc(dn, DPR_STAT_OWNER_LIMITED);
		return NF_DROP;
	default:
		spin_unlock(&table->lock);
		dpr_stats_inc(dn, DPR_STAT_OWNER_UNKNOWN);
		return NF_ACCEPT;
	}
}

/* A peer asks. Only who has the socket answers. */
static void dpr_owner_asked(struct dpr_net *dn, const struct dpr_config *cfg,
			    struct sk_buff *skb, struct dpr_peer *peer,
			    const struct dpr_owner_message *msg)
{
	struct sock *sk;

	dpr_stats_inc(dn, DPR_STAT_RX_OWNER_ASKED);
	sk = dpr_compat_lookup_established(dn->net, msg->key.client,
					   msg->key.client_port,
					   msg->key.address,
					   ntohs(msg->key.port), skb->skb_iif,
					   0);
	if (!sk)
		return;
	sock_gen_put(sk);
	if (dpr_owner_send(dn, cfg, skb->dev, peer, DPR_OWNER_CLAIM,
			   msg->nonce, &msg->key))
		dpr_stats_inc(dn, DPR_STAT_OWNER_CLAIMED);
}

/* A peer claims a connection: it gets a flow if this host asked. */
static bool dpr_owner_claimed(struct dpr_net *dn, const struct dpr_config *cfg,
			      struct dpr_peer *peer,
			      const struct dpr_owner_message *msg)
{
	struct dpr_owner_table *table = rcu_dereference(dn->owners);
	struct dpr_owner_ask *ask;
	struct dpr_segment seg;
	struct dpr_flow *flow;

	if (!table)
		return false;
	spin_lock(&table->lock);
	ask = dpr_owner_find(dpr_owner_bucket(table, &msg->key), &msg->key);
	if (!ask || ask->nonce != msg->nonce) {
		spin_unlock(&table->lock);
		return false;
	}
	seg = ask->seg;
	ask->tries = 0;
	spin_unlock(&table->lock);
	flow = dpr_flow_insert(dn, cfg, &seg, peer, 0);
	if (IS_ERR(flow))
		return false;
	dpr_flow_track(dn, flow, &seg);
	return true;
}

/**
 * dpr_owner_receive - take in a message of a peer
 * @dn: the namespace
 * @cfg: the configuration
 * @skb: the packet, its outer header checked and from a known peer to this
 *	host; its inner IP header in the linear part, checked
 * @olen: length of the outer header
 *
 * Called under RCU in softirq.
 *
 * Return: what to count: DPR_STAT_UNSPEC if it was counted here. The packet is
 * to be dropped in any case.
 */
enum dpr_stat dpr_owner_receive(struct dpr_net *dn,
				const struct dpr_config *cfg,
				struct sk_buff *skb, unsigned int olen)
{
	struct dpr_owner_message _msg, *msg;
	struct dpr_peer *peer;
	struct iphdr *iph;
	unsigned int at;

	iph = (struct iphdr *)(skb->data + olen);
	peer = dpr_peer_find(dn, iph->saddr);
	if (!peer || ip_is_fragment(iph) || iph->saddr != ip_hdr(skb)->saddr)
		return DPR_STAT_RX_BAD_ADDRESS;
	at = olen + iph->ihl * 4;
	if (ntohs(iph->tot_len) < iph->ihl * 4 + sizeof(*msg))
		return DPR_STAT_RX_MALFORMED;
	msg = skb_header_pointer(skb, at, sizeof(_msg), &_msg);
	if (!msg || msg->magic != htonl(DPR_OWNER_MAGIC) || msg->zero ||
	    dpr_owner_check(msg))
		return DPR_STAT_RX_MALFORMED;
	switch (msg->kind) {
	case DPR_OWNER_ASK:
		dpr_owner_asked(dn, cfg, skb, peer, msg);
		return DPR_STAT_UNSPEC;
	case DPR_OWNER_CLAIM:
		dpr_stats_inc(dn, dpr_owner_claimed(dn, cfg, peer, msg) ?
				  DPR_STAT_OWNER_FOUND :
				  DPR_STAT_RX_OWNER_REFUSED);
		return DPR_STAT_UNSPEC;
	default:
		return DPR_STAT_RX_MALFORMED;
	}
}
