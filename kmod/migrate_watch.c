// SPDX-License-Identifier: GPL-2.0
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/random.h>
#include <linux/siphash.h>
#include <linux/spinlock.h>
#include <linux/tcp.h>
#include <net/tcp.h>
#include "config.h"
#include "migrate_watch.h"
#include "netns.h"
#include "service.h"

#define DPR_MIGRATE_WATCH_WAYS	8
#define DPR_MIGRATE_WATCH_SETS	4096	/* a power of two */
#define DPR_MIGRATE_WATCH_LOCKS	64	/* likewise */

DEFINE_STATIC_KEY_FALSE(dpr_migrate_used);

enum dpr_migrate_watch_as {
	DPR_MIGRATE_WATCH_FREE,
	DPR_MIGRATE_WATCH_HERE,	/* this host serves it */
	DPR_MIGRATE_WATCH_LEFT,	/* it was let go */
};

/**
 * struct dpr_migrate_watch_one - a connection
 * @tag: which
 * @at: jiffies when it was last in use; of one that was let go, when that was
 * @as: enum dpr_migrate_watch_as
 * @lost: it is not known where messages end
 * @open: a request has no answer yet
 * @head: that is for a head alone
 * @next: the client's next sequence number
 * @answer_next: the server's
 * @request: how far the client's bytes are read
 * @answer: the server's
 * @options: as they are handed over, of one that was let go
 * @ts_off: from this host's clock to the timestamps that its client has got
 */
struct dpr_migrate_watch_one {
	u64 tag;
	u32 at;
	u8 as;
	bool lost;
	bool open;
	bool head;
	union {
		struct {
			u32 next;
			u32 answer_next;
			struct dpr_http_frame request;
			struct dpr_http_frame answer;
		};
		struct {
			struct dpr_handover_options options;
			u32 ts_off;
		};
	};
};

/**
 * struct dpr_migrate_watch - the connections of a namespace
 * @secret: nobody else can compute which share a set
 * @lock: of sets; taken with bottom halves off
 * @set: they, by tag
 */
struct dpr_migrate_watch {
	siphash_key_t secret;
	spinlock_t lock[DPR_MIGRATE_WATCH_LOCKS];	/* of sets */
	struct dpr_migrate_watch_one set[DPR_MIGRATE_WATCH_SETS][DPR_MIGRATE_WATCH_WAYS];
};

/**
 * dpr_migrate_watch_setup - be ready to watch a namespace's connections
 * @dn: the namespace; its lock is held
 *
 * Return: 0 or -ENOMEM.
 */
int dpr_migrate_watch_setup(struct dpr_net *dn)
{
	struct dpr_migrate_watch *all;
	u32 i;

	if (rcu_access_pointer(dn->watch))
		return 0;
	all = kvzalloc(sizeof(*all), GFP_KERNEL_ACCOUNT);
	if (!all)
		return -ENOMEM;
	get_random_bytes(&all->secret, sizeof(all->secret));
	for (i = 0; i < DPR_MIGRATE_WATCH_LOCKS; i++)
		spin_lock_init(&all->lock[i]);
	rcu_assign_pointer(dn->watch, all);
	static_branch_inc(&dpr_migrate_used);
	return 0;
}

/**
 * dpr_migrate_watch_teardown - forget all connections
 * @dn: the namespace; no hook runs in it any more
 */
void dpr_migrate_watch_teardown(struct dpr_net *dn)
{
	struct dpr_migrate_watch *all = rcu_dereference_protected(dn->watch, true);

	if (!all)
		return;
	static_branch_dec(&dpr_migrate_used);
	kvfree(all);
}

static u64 dpr_migrate_watch_tag(const struct dpr_migrate_watch *all,
				 const struct dpr_flow_key *key)
{
	struct {
		struct dpr_addr client;
		struct dpr_addr address;
		__be16 client_port;
		__be16 port;
		u32 zero;
	} text __aligned(8) = {
		.client = key->client,
		.address = key->address,
		.client_port = key->client_port,
		.port = key->port,
	};

	BUILD_BUG_ON(sizeof(text) != 40);
	return siphash(&text, sizeof(text), &all->secret);
}

static spinlock_t *dpr_migrate_watch_lock(struct dpr_migrate_watch *all, u64 tag)
{
	return &all->lock[tag % DPR_MIGRATE_WATCH_LOCKS];
}

/* Under the set's lock. */
static struct dpr_migrate_watch_one *
dpr_migrate_watch_find(struct dpr_migrate_watch *all, u64 tag)
{
	struct dpr_migrate_watch_one *set = all->set[tag % DPR_MIGRATE_WATCH_SETS];
	u32 i;

	for (i = 0; i < DPR_MIGRATE_WATCH_WAYS; i++)
		if (set[i].as != DPR_MIGRATE_WATCH_FREE && set[i].tag == tag)
			return &set[i];
	return NULL;
}

/* Likewise; a place for another one. What was let go keeps its own for its time. */
static struct dpr_migrate_watch_one *
dpr_migrate_watch_room(struct dpr_migrate_watch *all, u64 tag)
{
	struct dpr_migrate_watch_one *set = all->set[tag % DPR_MIGRATE_WATCH_SETS];
	struct dpr_migrate_watch_one *oldest = NULL;
	const u32 now = jiffies;
	u32 i;

	for (i = 0; i < DPR_MIGRATE_WATCH_WAYS; i++) {
		if (set[i].as == DPR_MIGRATE_WATCH_FREE)
			return &set[i];
		if (set[i].as == DPR_MIGRATE_WATCH_LEFT &&
		    now - set[i].at <= DPR_MIGRATE_WATCH_LIFE)
			continue;
		if (!oldest || now - set[i].at > now - oldest->at)
			oldest = &set[i];
	}
	return oldest;
}

static bool dpr_migrate_watch_wanted(struct dpr_net *dn,
				     const struct dpr_flow_key *key)
{
	const struct dpr_service *service = dpr_service_served(dn, key);

	return service && dpr_service_config(service, rcu_dereference(dn->config))->dispatch ==
			  DPR_DISPATCH_REQUEST;
}

/**
 * dpr_migrate_watch_begin - watch a connection, if its service says so
 * @dn: the namespace
 * @key: the connection, which gets a socket here; that it was let go is forgotten
 * @options: where its ends are
 *
 * Called under RCU with bottom halves off, before the first segment is delivered.
 */
void dpr_migrate_watch_begin(struct dpr_net *dn, const struct dpr_flow_key *key,
			     const struct dpr_handover_options *options)
{
	struct dpr_migrate_watch *all = rcu_dereference(dn->watch);
	const bool wanted = dpr_migrate_watch_wanted(dn, key);
	struct dpr_migrate_watch_one *one;
	spinlock_t *lock = NULL;
	u64 tag;

	if (!all)
		return;
	tag = dpr_migrate_watch_tag(all, key);
	lock = dpr_migrate_watch_lock(all, tag);
	spin_lock(lock);
	one = dpr_migrate_watch_find(all, tag);
	if (!one && wanted)
		one = dpr_migrate_watch_room(all, tag);
	if (one)
		*one = (struct dpr_migrate_watch_one){
			.tag = tag,
			.at = jiffies,
			.as = wanted ? DPR_MIGRATE_WATCH_HERE :
				       DPR_MIGRATE_WATCH_FREE,
			.next = options->client_isn + 1,
			.answer_next = options->isn + 1,
		};
	spin_unlock(lock);
}

/**
 * dpr_migrate_watch_forget - watch a connection no more
 * @dn: the namespace
 * @key: the connection
 *
 * Called under RCU with bottom halves off.
 */
void dpr_migrate_watch_forget(struct dpr_net *dn, const struct dpr_flow_key *key)
{
	struct dpr_migrate_watch *all = rcu_dereference(dn->watch);
	struct dpr_migrate_watch_one *one;
	spinlock_t *lock = NULL;
	u64 tag;

	if (!all)
		return;
	tag = dpr_migrate_watch_tag(all, key);
	lock = dpr_migrate_watch_lock(all, tag);
	spin_lock(lock);
	one = dpr_migrate_watch_find(all, tag);
	if (one)
		one->as = DPR_MIGRATE_WATCH_FREE;
	spin_unlock(lock);
}

/*
 * Reads on in a packet's @len bytes from @at on, up to the end of a message. Returns how
 * many were read.
 */
static u32 dpr_migrate_watch_read(struct dpr_http_frame *frame, bool answer,
				  bool head, const struct sk_buff *skb, u32 at,
				  u32 len)
{
	u8 copy[128];
	const u8 *buf;
	u32 done = 0;
	u32 n;

	while (done < len) {
		n = dpr_http_frame_pass(frame, len - done);
		if (!n) {
			n = min_t(u32, len - done, sizeof(copy));
			buf = skb_header_pointer(skb, at + done, n, copy);
			if (!buf) {
				frame->state = DPR_HTTP_FRAME_LOST;
				return len;
			}
			n = dpr_http_frame_feed(frame, answer, head, buf, n);
		}
		done += n;
		if (frame->state == DPR_HTTP_FRAME_BETWEEN ||
		    frame->state == DPR_HTTP_FRAME_LOST)
			break;
	}
	return done;
}

/*
 * Brings a segment to what is expected next: leaves out what was read before. What is missing
 * may be missing in a body, which is not looked at. Returns false if it is elsewhere; nothing
 * changed.
 */
static bool dpr_migrate_watch_align(struct dpr_http_frame *frame, u32 next,
				    u32 seq, u32 *skip)
{
	const struct dpr_http_frame was = *frame;
	const u32 gap = seq - next;

	*skip = 0;
	if (!after(seq, next)) {
		*skip = next - seq;
		return true;
	}
	if (dpr_http_frame_pass(frame, gap) == gap)
		return true;
	*frame = was;
	return false;
}

/*
 * A client's bytes, @seq the first. Returns why the connection stays now.
 *
 * Anybody can send what is somewhere behind the last segment, so it counts only if TCP takes
 * it. What cannot be read, as something in front of it is missing, is left out: it may come
 * again, behind that. If TCP has what is missing, that will not.
 */
static enum dpr_stat dpr_migrate_watch_asked(struct dpr_migrate_watch_one *one,
					     const struct sk_buff *skb, u32 at,
					     u32 len, u32 seq,
					     const struct tcp_sock *tp,
					     struct dpr_migrate_request *what)
{
	const u32 end = seq + len;
	u32 skip;
	u32 n;

	if (!after(end, one->next))
		return DPR_STAT_UNSPEC;
	if (after(seq, one->next) && !tp) {
		what->early = true;
		return DPR_STAT_UNSPEC;
	}
	if (!dpr_migrate_watch_align(&one->request, one->next, seq, &skip))
		return after(READ_ONCE(tp->rcv_nxt), one->next) ?
		       DPR_STAT_MIGRATE_STAYED_UNKNOWN : DPR_STAT_UNSPEC;
	at += skip;
	len -= skip;
	one->next = end;
	while (len) {
		if (one->request.state == DPR_HTTP_FRAME_BETWEEN) {
			if (one->open)
				return DPR_STAT_MIGRATE_STAYED_PIPELINED;
			what->begins = !skip && seq + len == end &&
				       one->answer.state == DPR_HTTP_FRAME_BETWEEN;
			one->open = true;
		}
		n = dpr_migrate_watch_read(&one->request, false, false, skb, at,
					   len);
		if (one->request.state == DPR_HTTP_FRAME_LOST)
			return DPR_STAT_MIGRATE_STAYED_UNKNOWN;
		at += n;
		len -= n;
	}
	what->whole = one->request.state == DPR_HTTP_FRAME_BETWEEN;
	what->flags = one->request.flags;
	one->head = what->flags & DPR_HTTP_FRAME_HEAD;
	return DPR_STAT_UNSPEC;
}

/**
 * dpr_migrate_watch_request - read a client's segment
 * @dn: the namespace
 * @key: the connection
 * @skb: the packet
 * @at: where its data begin, from skb->data
 * @len: how many bytes
 * @seq: sequence number of the first
 * @tp: the connection's socket, if it takes the segment; NULL: not known
 *
 * Called under RCU with bottom halves off, before the segment is delivered.
 *
 * Return: what it is.
 */
struct dpr_migrate_request
dpr_migrate_watch_request(struct dpr_net *dn, const struct dpr_flow_key *key,
			  const struct sk_buff *skb, u32 at, u32 len, u32 seq,
			  const struct tcp_sock *tp)
{
	struct dpr_migrate_watch *all = rcu_dereference(dn->watch);
	struct dpr_migrate_request what = {};
	struct dpr_migrate_watch_one *one;
	spinlock_t *lock = NULL;
	u64 tag;

	if (!all || !len)
		return what;
	tag = dpr_migrate_watch_tag(all, key);
	lock = dpr_migrate_watch_lock(all, tag);
	spin_lock(lock);
	one = dpr_migrate_watch_find(all, tag);
	if (one && one->as == DPR_MIGRATE_WATCH_HERE) {
		one->at = jiffies;
		if (!one->lost)
			what.stays = dpr_migrate_watch_asked(one, skb, at, len,
							     seq, tp, &what);
		if (what.stays)
			one->lost = true;
	}
	spin_unlock(lock);
	return what;
}

/* A server's bytes, @seq the first. Returns false if it is not known what they are. */
static bool dpr_migrate_watch_answered(struct dpr_migrate_watch_one *one,
				       const struct sk_buff *skb, u32 at, u32 len,
				       u32 seq)
{
	const u32 end = seq + len;
	u32 skip;
	u32 n;

	if (!dpr_migrate_watch_align(&one->answer, one->answer_next, seq, &skip))
		return false;
	if (skip >= len)
		return true;
	at += skip;
	len -= skip;
	one->answer_next = end;
	while (len) {
		/* What nobody has asked for. */
		if (one->answer.state == DPR_HTTP_FRAME_BETWEEN && !one->open)
			return false;
		n = dpr_migrate_watch_read(&one->answer, true, one->head, skb, at,
					   len);
		at += n;
		len -= n;
		if (one->answer.state == DPR_HTTP_FRAME_LOST)
			return false;
		if (one->answer.state == DPR_HTTP_FRAME_BETWEEN &&
		    one->answer.status >= 200)
			one->open = false;
	}
	return true;
}

/**
 * dpr_migrate_watch_answer - read a server's segment
 * @dn: the namespace
 * @key: the connection
 * @skb: the packet
 * @at: where its data begin, from skb->data
 * @len: how many bytes
 * @seq: sequence number of the first
 *
 * Called under RCU with bottom halves off, before the segment leaves.
 */
void dpr_migrate_watch_answer(struct dpr_net *dn, const struct dpr_flow_key *key,
			      const struct sk_buff *skb, u32 at, u32 len, u32 seq)
{
	struct dpr_migrate_watch *all = rcu_dereference(dn->watch);
	struct dpr_migrate_watch_one *one;
	spinlock_t *lock = NULL;
	u64 tag;

	if (!all || !len)
		return;
	tag = dpr_migrate_watch_tag(all, key);
	lock = dpr_migrate_watch_lock(all, tag);
	spin_lock(lock);
	one = dpr_migrate_watch_find(all, tag);
	if (one && one->as == DPR_MIGRATE_WATCH_HERE && !one->lost)
		one->lost = !dpr_migrate_watch_answered(one, skb, at, len, seq);
	spin_unlock(lock);
}

/**
 * dpr_migrate_watch_leave - remember that a connection is let go
 * @dn: the namespace
 * @key: the connection
 * @options: where its ends are: the client's next byte, and the server's
 * @ts_off: from this host's clock to the timestamps that the client has got
 *
 * Called under RCU with bottom halves off.
 *
 * Return: false if it may not be: it is not watched, or the last answer is not whole.
 */
bool dpr_migrate_watch_leave(struct dpr_net *dn, const struct dpr_flow_key *key,
			     const struct dpr_handover_options *options, u32 ts_off)
{
	struct dpr_migrate_watch *all = rcu_dereference(dn->watch);
	struct dpr_migrate_watch_one *one;
	bool leaves = false;
	spinlock_t *lock = NULL;
	u64 tag;

	if (!all)
		return false;
	tag = dpr_migrate_watch_tag(all, key);
	lock = dpr_migrate_watch_lock(all, tag);
	spin_lock(lock);
	one = dpr_migrate_watch_find(all, tag);
	if (one && one->as == DPR_MIGRATE_WATCH_HERE && !one->lost &&
	    one->answer.state == DPR_HTTP_FRAME_BETWEEN &&
	    one->answer_next == options->isn + 1) {
		leaves = true;
		one->as = DPR_MIGRATE_WATCH_LEFT;
		one->at = jiffies;
		one->options = *options;
		one->ts_off = ts_off;
	}
	spin_unlock(lock);
	return leaves;
}

/**
 * dpr_migrate_watch_left - has this host let a connection go
 * @dn: the namespace
 * @key: the connection
 * @age: at most so many jiffies ago
 * @options: set, if so, to where its ends were then, and to what the timestamps of this end
 *	are now
 *
 * Called under RCU with bottom halves off.
 */
bool dpr_migrate_watch_left(struct dpr_net *dn, const struct dpr_flow_key *key,
			    u32 age, struct dpr_handover_options *options)
{
	struct dpr_migrate_watch *all = rcu_dereference(dn->watch);
	struct dpr_migrate_watch_one *one;
	bool left = false;
	spinlock_t *lock = NULL;
	u64 tag;

	if (!all)
		return false;
	tag = dpr_migrate_watch_tag(all, key);
	lock = dpr_migrate_watch_lock(all, tag);
	spin_lock(lock);
	one = dpr_migrate_watch_find(all, tag);
	if (one && one->as == DPR_MIGRATE_WATCH_LEFT &&
	    (u32)jiffies - one->at <= age) {
		left = true;
		*options = one->options;
		options->ts_now = (u32)div_u64(ktime_get_ns(), NSEC_PER_MSEC) +
				  one->ts_off;
	}
	spin_unlock(lock);
	return left;
}

/**
 * dpr_migrate_watch_kept - read a segment that was kept, and is delivered now
 * @dn: the namespace
 * @key: the connection
 * @skb: the packet, its transport header set, its TCP header linear
 *
 * Called under RCU with bottom halves off.
 */
void dpr_migrate_watch_kept(struct dpr_net *dn, const struct dpr_flow_key *key,
			    const struct sk_buff *skb)
{
	const u32 at = skb_transport_offset(skb) + tcp_hdrlen(skb);

	if (skb->len > at)
		dpr_migrate_watch_request(dn, key, skb, at, skb->len - at,
					  ntohl(tcp_hdr(skb)->seq), NULL);
}
