/* SPDX-License-Identifier: GPL-2.0 */
/* What every message of the generic netlink family needs (include/dpr.h). */
#ifndef _DPR_GENL_MSG_H
#define _DPR_GENL_MSG_H

#include <net/genetlink.h>

struct sk_buff *dpr_genl_msg_reply(struct genl_info *info, void **header);
int dpr_genl_msg_refuse(struct genl_info *info, int attr, const char *why,
			int err);
int dpr_genl_msg_need(struct genl_info *info, int attr, const char *why);

extern struct genl_family dpr_genl_family;

#endif /* _DPR_GENL_MSG_H */
