/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The PROXY protocol, version 2: the first bytes that a backend gets say who the client is.
 *
 * The client knows nothing of them. Its SYN goes to the backend with a sequence number that
 * is smaller by the length of the header, which has the place between that and the client's
 * first byte. So everything but the SYN keeps its numbers, and only acknowledgments of less
 * than the header are not for the client.
 *
 * Nothing is kept of a header but whether it was sent and acknowledged: it can be made anew
 * at any time. There is no timer either. An acknowledgment of the client without data is
 * replaced by the header, which acknowledges the same. So if the header gets lost, either the
 * backend's handshake is not over, and it repeats its SYN, which the client answers; or the
 * client has sent data, which it repeats until they are acknowledged; or it is the backend
 * that shows by its acknowledgments that it misses something. Each of these has the header
 * sent again.
 */
#ifndef _DPR_SPLICE_PROXY_H
#define _DPR_SPLICE_PROXY_H

#include "core/parse.h"
#include "splice_table.h"

struct dst_entry;
struct sk_buff;

bool dpr_splice_proxy_syn(struct sk_buff *skb, const struct dpr_segment *seg,
			  const struct dpr_splice *splice);
bool dpr_splice_proxy_client(struct dpr_net *dn, struct sk_buff *skb,
			     const struct dpr_segment *seg,
			     struct dpr_splice *splice, bool credible,
			     struct dst_entry *dst, unsigned int *verdict);
bool dpr_splice_proxy_backend(struct dpr_net *dn, struct sk_buff *skb,
			      const struct dpr_segment *seg,
			      struct dpr_splice *splice, bool credible);

#endif /* _DPR_SPLICE_PROXY_H */
