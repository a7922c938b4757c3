/* SPDX-License-Identifier: GPL-2.0 */
/* Events, sent to who listens to the family's multicast group. */
#ifndef _DPR_EVENT_H
#define _DPR_EVENT_H

#include "dpr.h"

struct dpr_addr;
struct dpr_net;

void dpr_event_notify(struct dpr_net *dn, enum dpr_event event);
void dpr_event_notify_peer(struct dpr_net *dn, enum dpr_event event,
			   const struct dpr_addr *address, enum dpr_state state);
void dpr_event_notify_full(struct dpr_net *dn);

#endif /* _DPR_EVENT_H */
