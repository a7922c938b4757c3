/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The connections that this host serves, of services with DPR_DISPATCH_REQUEST: is one
 * between two requests? And those that it served until it let them go.
 *
 * A connection is watched from its first byte on, in both directions, if it was placed by
 * its data. There is a fixed number of places; the one that was not in use for longest is
 * given to another connection. One that is not watched is not moved, so nothing is lost
 * but that.
 *
 * What was let go is remembered for a minute: the first host may not have learned of it, and
 * some of the client's packets may be on their way.
 */
#ifndef _DPR_MIGRATE_WATCH_H
#define _DPR_MIGRATE_WATCH_H

#include <linux/jump_label.h>
#include "core/http_frame.h"
#include "core/parse.h"
#include "dpr.h"
#include "handover_msg.h"

struct dpr_net;
struct sk_buff;
struct tcp_sock;

#define DPR_MIGRATE_WATCH_LIFE	(60 * HZ) /* that a connection let go is remembered */

/**
 * struct dpr_migrate_request - what a client's segment is
 * @begins: it begins a request, and all earlier ones have been answered
 * @whole: it ends it, too
 * @early: it was not read: something in front of it is missing
 * @flags: of the request so far, enum dpr_http_frame_flag
 * @stays: the connection cannot be moved from now on, and why; else DPR_STAT_UNSPEC
 */
struct dpr_migrate_request {
	bool begins;
	bool whole;
	bool early;
	u8 flags;
	enum dpr_stat stays;
};

/* Some namespace has a service of DPR_DISPATCH_REQUEST, or had one. */
DECLARE_STATIC_KEY_FALSE(dpr_migrate_used);

/** dpr_migrate_on - may connections move at all: costs nothing if not */
static __always_inline bool dpr_migrate_on(void)
{
	return static_branch_unlikely(&dpr_migrate_used);
}

int dpr_migrate_watch_setup(struct dpr_net *dn);
void dpr_migrate_watch_teardown(struct dpr_net *dn);
void dpr_migrate_watch_begin(struct dpr_net *dn, const struct dpr_flow_key *key,
			     const struct dpr_handover_options *options);
void dpr_migrate_watch_forget(struct dpr_net *dn, const struct dpr_flow_key *key);
struct dpr_migrate_request
dpr_migrate_watch_request(struct dpr_net *dn, const struct dpr_flow_key *key,
			  const struct sk_buff *skb, u32 at, u32 len, u32 seq,
			  const struct tcp_sock *tp);
void dpr_migrate_watch_answer(struct dpr_net *dn, const struct dpr_flow_key *key,
			      const struct sk_buff *skb, u32 at, u32 len, u32 seq);
bool dpr_migrate_watch_leave(struct dpr_net *dn, const struct dpr_flow_key *key,
			     const struct dpr_handover_options *options, u32 ts_off);
bool dpr_migrate_watch_left(struct dpr_net *dn, const struct dpr_flow_key *key,
			    u32 age, struct dpr_handover_options *options);
void dpr_migrate_watch_kept(struct dpr_net *dn, const struct dpr_flow_key *key,
			    const struct sk_buff *skb);

#endif /* _DPR_MIGRATE_WATCH_H */
