// SPDX-License-Identifier: GPL-2.0
#include <linux/module.h>
#include <net/genetlink.h>
#include "dpr.h"
#include "genl_msg.h"
#include "local.h"

static const struct genl_multicast_group dpr_genl_msg_groups[] = {
	{
		.name = DPR_GENL_GROUP_EVENTS,
		.flags = GENL_MCAST_CAP_NET_ADMIN,
	},
};

/* The family. Its operations are added when it is registered (genl.c). */
struct genl_family dpr_genl_family __ro_after_init = {
	.name = DPR_GENL_NAME,
	.version = DPR_GENL_VERSION,
	.netnsok = true,
	.module = THIS_MODULE,
	.resv_start_op = __DPR_CMD_MAX,
	.mcgrps = dpr_genl_msg_groups,
	.n_mcgrps = ARRAY_SIZE(dpr_genl_msg_groups),
};

/**
 * dpr_genl_msg_refuse - refuse a request, saying why
 * @info: the request
 * @attr: the attribute at fault, 0 if none is
 * @why: what is wrong; a string that lasts
 * @err: negative errno
 *
 * Return: @err.
 */
int dpr_genl_msg_refuse(struct genl_info *info, int attr, const char *why, int err)
{
	if (info->extack) {
		info->extack->_msg = why;
		if (attr && info->attrs[attr])
			NL_SET_BAD_ATTR(info->extack, info->attrs[attr]);
	}
	return err;
}

/**
 * dpr_genl_msg_need - refuse a request that lacks an attribute
 * @info: the request
 * @attr: the attribute
 * @why: what is missing
 *
 * Return: 0 or -EINVAL.
 */
int dpr_genl_msg_need(struct genl_info *info, int attr, const char *why)
{
	return info->attrs[attr] ? 0 : dpr_genl_msg_refuse(info, 0, why, -EINVAL);
}

/**
 * dpr_genl_msg_reply - begin an answer
 * @info: the request
 * @header: set to the message's header, for genlmsg_end()
 *
 * Return: the message, NULL if there is no memory.
 */
struct sk_buff *dpr_genl_msg_reply(struct genl_info *info, void **header)
{
	struct sk_buff *msg = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);

	if (!msg)
		return NULL;
	*header = genlmsg_put_reply(msg, info, &dpr_genl_family, 0,
				    info->genlhdr->cmd);
	if (*header)
		return msg;
	nlmsg_free(msg);
	return NULL;
}

/**
 * dpr_genl_msg_get_addr - read an address
 * @attr: the attribute
 * @addr: set to the address
 *
 * Return: why it is refused, NULL if it is not.
 */
const char *dpr_genl_msg_get_addr(const struct nlattr *attr,
				  struct dpr_addr *addr)
{
	switch (nla_len(attr)) {
	case sizeof(__be32):
		*addr = dpr_addr_of4(nla_get_in_addr(attr));
		return NULL;
	case sizeof(*addr):
		*addr = dpr_addr_of6(nla_data(attr));
		return dpr_addr_is4(addr) ?
		       "an IPv4 address has four bytes" : NULL;
	default:
		return "an address has four bytes, or 16 if it is an IPv6 one";
	}
}

/**
 * dpr_genl_msg_addr - read an address of a request, if it is given
 * @info: the request
 * @attr: the attribute
 * @addr: set to the address
 *
 * Return: 0 or -EINVAL.
 */
int dpr_genl_msg_addr(struct genl_info *info, int attr, struct dpr_addr *addr)
{
	const char *why;

	if (!info->attrs[attr])
		return 0;
	why = dpr_genl_msg_get_addr(info->attrs[attr], addr);
	return why ? dpr_genl_msg_refuse(info, attr, why, -EINVAL) : 0;
}

/**
 * dpr_genl_msg_put_addr - write an address
 * @msg: the message
 * @attr: the attribute
 * @addr: the address; none is 0.0.0.0
 *
 * Return: 0 or -EMSGSIZE.
 */
int dpr_genl_msg_put_addr(struct sk_buff *msg, int attr,
			  const struct dpr_addr *addr)
{
	if (dpr_addr_is4(addr) || dpr_addr_none(addr))
		return nla_put_in_addr(msg, attr, addr->word[3]);
	return nla_put_in6_addr(msg, attr, dpr_local_in6(addr));
}
