// SPDX-License-Identifier: GPL-2.0
#include <net/netns/generic.h>
#include "netns.h"

/* Where every namespace keeps its state; assigned when main.c registers it. */
unsigned int dpr_netns_id __read_mostly;

/**
 * dpr_netns - the state of a namespace
 * @net: the namespace
 *
 * Return: the state; never NULL while the module is loaded.
 */
struct dpr_net *dpr_netns(struct net *net)
{
	return net_generic(net, dpr_netns_id);
}
