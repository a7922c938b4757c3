/* SPDX-License-Identifier: GPL-2.0 */
/* The socket of a connection that is let go: may it end, what is known of it, its end. */
#ifndef _DPR_MIGRATE_SOCKET_H
#define _DPR_MIGRATE_SOCKET_H

#include "dpr.h"
#include "handover_msg.h"

struct dpr_segment;
struct sock;

enum dpr_stat dpr_migrate_socket_stays(const struct sock *sk,
				       const struct dpr_segment *seg);
u32 dpr_migrate_socket_options(const struct sock *sk, const struct dpr_segment *seg,
			       struct dpr_handover_options *options);
bool dpr_migrate_socket_takes(const struct sock *sk, const struct dpr_segment *seg);
bool dpr_migrate_socket_end(struct sock *sk);

#endif /* _DPR_MIGRATE_SOCKET_H */
