// SPDX-License-Identifier: GPL-2.0
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_conntrack_core.h>
#include <net/netfilter/nf_conntrack_zones.h>
#include "conntrack.h"
#include "core/parse.h"
#include "local.h"

/*
 * nf_conntrack_find_get(), NULL while there is no connection tracking. What the kernel
 * offers instead (nf_ct_get_tuple_skb()) reads packets of IPv4 only. Once found, it stays:
 * this module then holds the one that it is from.
 */
static struct nf_conntrack_tuple_hash *
(*dpr_conntrack_find)(struct net *net, const struct nf_conntrack_zone *zone,
		      const struct nf_conntrack_tuple *tuple);
static DEFINE_MUTEX(dpr_conntrack_lock);

static void dpr_conntrack_look(void)
{
	mutex_lock(&dpr_conntrack_lock);
	if (!dpr_conntrack_find)
		WRITE_ONCE(dpr_conntrack_find,
			   symbol_get(nf_conntrack_find_get));
	mutex_unlock(&dpr_conntrack_lock);
}

static int dpr_conntrack_loaded(struct notifier_block *nb, unsigned long event,
				void *module)
{
	if (event == MODULE_STATE_LIVE)
		dpr_conntrack_look();
	return NOTIFY_OK;
}

static struct notifier_block dpr_conntrack_block = {
	.notifier_call = dpr_conntrack_loaded,
};

static bool dpr_conntrack_other(const struct nf_conn *ct, enum ip_conntrack_dir dir,
				const struct dpr_flow_key *key)
{
	const struct nf_conntrack_tuple *reply = &ct->tuplehash[!dir].tuple;

	return reply->src.u.tcp.port != key->port ||
	       !ipv6_addr_equal(&reply->src.u3.in6, dpr_local_in6(&key->address));
}

/**
 * dpr_conntrack_translated6 - does this host hand a connection on by DNAT
 * @net: the namespace
 * @key: the connection, of IPv6
 *
 * In the default zone. Called under RCU in softirq.
 */
bool dpr_conntrack_translated6(struct net *net, const struct dpr_flow_key *key)
{
	typeof(dpr_conntrack_find) find = READ_ONCE(dpr_conntrack_find);
	struct nf_conntrack_tuple tuple = {
		.src.l3num = NFPROTO_IPV6,
		.src.u3.in6 = *dpr_local_in6(&key->client),
		.src.u.tcp.port = key->client_port,
		.dst.u3.in6 = *dpr_local_in6(&key->address),
		.dst.u.tcp.port = key->port,
		.dst.protonum = IPPROTO_TCP,
	};
	struct nf_conntrack_tuple_hash *hash;
	struct nf_conn *ct;
	bool other;

	hash = find ? find(net, &nf_ct_zone_dflt, &tuple) : NULL;
	if (!hash)
		return false;
	ct = nf_ct_tuplehash_to_ctrack(hash);
	other = dpr_conntrack_other(ct, NF_CT_DIRECTION(hash), key);
	nf_conntrack_put(&ct->ct_general);
	return other;
}

/**
 * dpr_conntrack_init - find connection tracking, now or when it is loaded
 *
 * Return: 0 or a negative errno.
 */
int dpr_conntrack_init(void)
{
	int err = register_module_notifier(&dpr_conntrack_block);

	if (!err)
		dpr_conntrack_look();
	return err;
}

/** dpr_conntrack_exit - let it go; no hook runs any more */
void dpr_conntrack_exit(void)
{
	unregister_module_notifier(&dpr_conntrack_block);
	if (dpr_conntrack_find)
		symbol_put(nf_conntrack_find_get);
}
