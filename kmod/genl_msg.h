/* SPDX-License-Identifier: GPL-2.0 */
/* What every message of the generic netlink family needs (include/dpr.h). */
#ifndef _DPR_GENL_MSG_H
#define _DPR_GENL_MSG_H

#include <net/genetlink.h>
#include "core/addr.h"

/* Policy of an attribute that is an address; which lengths it may have is read later. */
#define DPR_GENL_MSG_ADDR	\
	{ .type = NLA_BINARY, .len = sizeof(struct dpr_addr) }

const char *dpr_genl_msg_get_addr(const struct nlattr *attr,
				  struct dpr_addr *addr);
int dpr_genl_msg_addr(struct genl_info *info, int attr, struct dpr_addr *addr);
int dpr_genl_msg_put_addr(struct sk_buff *msg, int attr,
			  const struct dpr_addr *addr);
struct sk_buff *dpr_genl_msg_reply(struct genl_info *info, void **header);
int dpr_genl_msg_refuse(struct genl_info *info, int attr, const char *why,
			int err);
int dpr_genl_msg_need(struct genl_info *info, int attr, const char *why);

extern struct genl_family dpr_genl_family;

#endif /* _DPR_GENL_MSG_H */
