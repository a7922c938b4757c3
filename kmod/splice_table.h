/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The table of splices: connections of clients to backends, translated by this host.
 *
 * A splice is in the table twice: as the client's segments name it, and as the backend's
 * do. Lookup is under RCU. A splice is removed once, by whoever moves its state to
 * DPR_SPLICE_GONE.
 */
#ifndef _DPR_SPLICE_TABLE_H
#define _DPR_SPLICE_TABLE_H

#include <linux/jump_label.h>
#include <linux/list.h>
#include <linux/rhashtable.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include "config.h"
#include "core/parse.h"
#include "netns.h"

struct dpr_backend;
struct dpr_backend_way;

/**
 * enum dpr_splice_state - a connection's state, as both ends have shown it
 * @DPR_SPLICE_SYN: the client has not yet acknowledged the backend's SYN
 * @DPR_SPLICE_ESTABLISHED: it has; one of them may have sent its FIN
 * @DPR_SPLICE_CLOSED: both have sent theirs
 * @DPR_SPLICE_RESET: one of them has sent a RST, and nothing came since
 * @DPR_SPLICE_GONE: removed; on its way to be freed
 */
enum dpr_splice_state {
	DPR_SPLICE_SYN,
	DPR_SPLICE_ESTABLISHED,
	DPR_SPLICE_CLOSED,
	DPR_SPLICE_RESET,
	DPR_SPLICE_GONE = 0xff,
};

/**
 * enum dpr_splice_proxy - what a backend has of the PROXY header
 * @DPR_SPLICE_PROXY_DUE: nothing was sent
 * @DPR_SPLICE_PROXY_SENT: it was sent
 * @DPR_SPLICE_PROXY_ACKED: the backend has acknowledged it
 * @DPR_SPLICE_PROXY_PAST: and so much more that nothing is said of it any more
 */
enum dpr_splice_proxy {
	DPR_SPLICE_PROXY_DUE,
	DPR_SPLICE_PROXY_SENT,
	DPR_SPLICE_PROXY_ACKED,
	DPR_SPLICE_PROXY_PAST,
};

/* Bits of dpr_splice.flags. */
#define DPR_SPLICE_FLAG_SCALE	0x0f	/* shift of the window that the client was told */
#define DPR_SPLICE_FLAG_PLACED	0x10	/* its client had its handshake before (handover.h) */
#define DPR_SPLICE_FLAG_OPENING	0x20	/* and the backend not yet */

#define DPR_SPLICE_PROXY_LEN4	28	/* bytes of a header with addresses of IPv4 */
#define DPR_SPLICE_PROXY_LEN6	52	/* of IPv6 */

/* The two ends of a connection: who sends. */
enum dpr_splice_from {
	DPR_SPLICE_CLIENT,
	DPR_SPLICE_BACKEND,
	DPR_SPLICE_ENDS
};

/**
 * struct dpr_splice_end - a place in the table, and who sends what is looked for there
 * @node: in dpr_splices.table
 * @client: source of the packets that are looked for; of IPv6 ones see dpr_splice.wide
 * @address: their destination, an address of this host; likewise
 * @cookie: of the route to a client of IPv6
 * @client_port: their source port
 * @port: their destination port
 * @wide: they are of IPv6
 * @from: enum dpr_splice_from
 * @fin: has it sent a FIN or RST (splice_track.h)
 * @scale: shift of its window, and what was seen of its handshake (splice_track.h)
 */
struct dpr_splice_end {
	struct rhash_head node;
	union {
		struct {
			__be32 client;
			__be32 address;
		};
		u32 cookie;
	};
	__be16 client_port;
	__be16 port;
	u8 wide;
	u8 from;
	u8 fin;
	u8 scale;
};

/**
 * struct dpr_splice_addresses - addresses of IPv6 of a place in the table
 * @client: as dpr_splice_end.client
 * @address: as dpr_splice_end.address
 */
struct dpr_splice_addresses {
	struct dpr_addr client;
	struct dpr_addr address;
};

/**
 * struct dpr_splice_seen - what an end has sent so far, in the client's sequence numbers
 * @end: sequence number after the last
 * @ack: highest acknowledgment
 * @edge: highest sequence number that it allows the other end to send
 */
struct dpr_splice_seen {
	u32 end;
	u32 ack;
	u32 edge;
};

/**
 * struct dpr_splice - one connection; two cache lines, and one more if it is of IPv6. Who
 *	looks for another one passes the first line, so that it is seldom written
 * @end: its places, by enum dpr_splice_from
 * @backend: where it goes; a reference is held
 * @dst: the route to the client, under RCU; a reference is held. NULL at first
 * @seen: by enum dpr_splice_from
 * @isn: sequence number of the client's SYN, as the client has sent it
 * @last: jiffies of the last packet of either
 * @shift: from the backend's sequence numbers to those that its client knows
 * @ts_shift: likewise of timestamps
 * @other: of one that is not shifted: the client's SYN had this number, after the backend has
 *	answered another. Under the lock of the lists, as the flag that says so
 * @sum: what other addresses add to a checksum of the client's packets
 * @proxy_sent: jiffies when the PROXY header was sent last, the lower half
 * @state: enum dpr_splice_state. It changes under the lock of the lists
 * @proxy_len: bytes of the PROXY header that are between the client's SYN and its data at the
 *	backend; 0 if it gets none
 * @proxy: enum dpr_splice_proxy
 * @flags: DPR_SPLICE_FLAG_*; written before it is no longer being opened, by whoever opened it
 * @listed: on a list of its backend's that @state has, if it has one
 * @rcu: frees it
 * @wide: of an IPv6 one, by enum dpr_splice_from
 */
struct dpr_splice {
	struct dpr_splice_end end[DPR_SPLICE_ENDS];
	struct dpr_backend *backend;
	struct dst_entry __rcu *dst;
	struct dpr_splice_seen seen[DPR_SPLICE_ENDS];
	u32 isn;
	u32 last;
	u32 shift;
	union {
		u32 ts_shift;
		u32 other;
	};
	__sum16 sum;
	u16 proxy_sent;
	u8 state;
	u8 proxy_len;
	u8 proxy;
	u8 flags;
	union {
		struct list_head listed;
		struct rcu_head rcu;
	};
	struct dpr_splice_addresses wide[];
};

/**
 * struct dpr_splices - the splices of a namespace
 * @dn: the namespace
 * @table: they, twice each
 * @count: how many
 * @lock: protects @waiting, the backends' lists, and states; taken with bottom halves off
 * @waiting: the backends that have connections which can give way: half-open, or ended
 * @sweep: forgets those that are over
 */
struct dpr_splices {
	struct dpr_net *dn;
	struct rhashtable table;
	atomic_t count;
	spinlock_t lock;	/* of waiting, lists and states */
	struct list_head waiting;
	struct delayed_work sweep;
};

/* Some namespace has a backend, or had one. */
DECLARE_STATIC_KEY_FALSE(dpr_splice_used);

/** dpr_splice_on - may there be splices at all: costs nothing if not */
static __always_inline bool dpr_splice_on(void)
{
	return static_branch_unlikely(&dpr_splice_used);
}

int dpr_splice_table_init(void);
void dpr_splice_table_exit(void);
int dpr_splice_table_setup(struct dpr_net *dn);
void dpr_splice_table_teardown(struct dpr_net *dn);
struct dpr_splice *dpr_splice_table_insert(struct dpr_net *dn,
					   const struct dpr_config *cfg,
					   const struct dpr_segment *seg,
					   struct dpr_backend *backend,
					   const struct dpr_backend_way *way,
					   u8 flags);
bool dpr_splice_table_move(struct dpr_net *dn, struct dpr_splice *splice,
			   u8 state, u8 next);
bool dpr_splice_table_kill(struct dpr_net *dn, struct dpr_splice *splice);
u32 dpr_splice_table_count(struct dpr_net *dn);
struct dpr_splice_end *dpr_splice_table_find(struct dpr_net *dn,
					     const struct dpr_flow_key *key);

/** dpr_splice_of - the splice of a place in the table */
static inline struct dpr_splice *dpr_splice_of(struct dpr_splice_end *end)
{
	return container_of(end, struct dpr_splice, end[end->from]);
}

/** dpr_splice_wide - the addresses of a place of IPv6 */
static inline const struct dpr_splice_addresses *
dpr_splice_wide(const struct dpr_splice_end *end)
{
	return &container_of(end, const struct dpr_splice,
			     end[end->from])->wide[end->from];
}

/** dpr_splice_key - a connection as an end's segments name it */
static inline struct dpr_flow_key dpr_splice_key(const struct dpr_splice_end *end)
{
	const struct dpr_splice_addresses *wide;

	if (!end->wide)
		return dpr_parse_key4(end->client, end->client_port, end->address,
				      end->port);
	wide = dpr_splice_wide(end);
	return dpr_parse_key6(&wide->client, end->client_port, &wide->address,
			      end->port);
}

/**
 * dpr_splice_expired - is a splice over
 * @splice: the splice
 * @cfg: the configuration
 */
static inline bool dpr_splice_expired(const struct dpr_splice *splice,
				      const struct dpr_config *cfg)
{
	static const u8 of[] = {
		[DPR_SPLICE_SYN] = DPR_FLOW_SYN,
		[DPR_SPLICE_ESTABLISHED] = DPR_FLOW_ESTABLISHED,
		[DPR_SPLICE_CLOSED] = DPR_FLOW_FIN,
		[DPR_SPLICE_RESET] = DPR_FLOW_RST,
	};
	const u8 state = READ_ONCE(splice->state);
	const s32 idle = (u32)jiffies - READ_ONCE(splice->last);

	return state > DPR_SPLICE_RESET ||
	       (idle > 0 && (u32)idle > cfg->timeout_jiffies[of[state]]);
}

#endif /* _DPR_SPLICE_TABLE_H */
