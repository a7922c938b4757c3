// SPDX-License-Identifier: GPL-2.0
/* The family's PEER_ASK. */
#include <net/genetlink.h>
#include "dpr.h"
#include "genl.h"
#include "genl_msg.h"
#include "netns.h"
#include "peer.h"
#include "source.h"

static const char *dpr_genl_peer_ask_why(int err)
{
	switch (err) {
	case -EDESTADDRREQ:
		return "this host has no address";
	case -EAFNOSUPPORT:
		return "the peer's address is of another family than this host's";
	case -EOPNOTSUPP:
		return "the peer does not know the question";
	case -EBUSY:
		return "the peer was asked less than a second ago";
	default:
		return "no memory";
	}
}

/**
 * dpr_genl_peer_ask - DPR_CMD_PEER_ASK
 * @skb: the request
 * @info: the request, parsed
 */
int dpr_genl_peer_ask(struct sk_buff *skb, struct genl_info *info)
{
	struct dpr_net *dn = dpr_netns(genl_info_net(info));
	struct dpr_addr address;
	struct dpr_peer *peer;
	int err;

	err = dpr_genl_peer_only(info, BIT(DPR_PEER_A_ADDRESS));
	if (!err)
		err = dpr_genl_peer_address(info, &address);
	if (err)
		return err;
	mutex_lock(&dn->lock);
	peer = dpr_peer_find(dn, &address);
	err = peer ? dpr_source_ask(dn, peer) : -ENOENT;
	mutex_unlock(&dn->lock);
	if (err == -ENOENT)
		return dpr_genl_peer_unknown(info);
	return err ? dpr_genl_msg_refuse(info, DPR_PEER_A_ADDRESS,
					 dpr_genl_peer_ask_why(err), err) : 0;
}
