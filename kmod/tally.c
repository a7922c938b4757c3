// SPDX-License-Identifier: GPL-2.0
#include <linux/slab.h>
#include "config.h"
#include "core/policy.h"
#include "dpr.h"
#include "netns.h"
#include "tally.h"

static int dpr_tally_begin(struct dpr_net *dn)
{
	struct dpr_tallies *tallies;

	if (dn->tallies)
		return 0;
	tallies = kzalloc(sizeof(*tallies), GFP_KERNEL_ACCOUNT);
	if (!tallies)
		return -ENOMEM;
	/* Pairs with dpr_tally_places(). */
	smp_store_release(&dn->tallies, tallies);
	return 0;
}

/*
 * A place whose port has no load of its own any more, and no counted flow; negative if
 * there is none. Who has seen the port when it still had one may be counting a flow.
 */
static int dpr_tally_unused(const struct dpr_tallies *tallies)
{
	u32 i;

	synchronize_net();
	for (i = 0; i < tallies->n; i++)
		if (!tallies->tally[i].on &&
		    !atomic_read(&tallies->tally[i].live))
			return i;
	return -E2BIG;
}

/**
 * dpr_tally_assign - give a port a place
 * @dn: the namespace; its lock is held
 * @port: host byte order
 *
 * It keeps the one that it has. New flows are not counted until @on is set. If the place
 * was another port's, what peers reported of that is the caller's to forget.
 *
 * Return: the place, -ENOMEM, or -E2BIG: all DPR_MAX_SERVICE_LOADS are in use.
 */
int dpr_tally_assign(struct dpr_net *dn, u16 port)
{
	struct dpr_tallies *tallies;
	int place = dpr_tally_find(dn, port);
	int err;

	if (place >= 0)
		return place;
	err = dpr_tally_begin(dn);
	if (err)
		return err;
	tallies = dn->tallies;
	if (tallies->n == DPR_MAX_SERVICE_LOADS) {
		place = dpr_tally_unused(tallies);
		if (place < 0)
			return place;
		WRITE_ONCE(tallies->tally[place].port, port);
		/* Nobody who takes it for the old port's sees it switched on. */
		synchronize_net();
		return place;
	}
	place = tallies->n;
	WRITE_ONCE(tallies->tally[place].port, port);
	/* Pairs with dpr_tally_places(). */
	smp_store_release(&tallies->n, place + 1);
	return place;
}

/* What a report says of a port; NULL if it does not name it. */
static const struct dpr_tally_count *
dpr_tally_search(const struct dpr_tally_count *count, u32 n, u16 port)
{
	u32 i;

	for (i = 0; i < n && count[i].port <= port; i++)
		if (count[i].port == port)
			return &count[i];
	return NULL;
}

/**
 * dpr_tally_report - note what a peer reports of its connections
 * @dn: the namespace; its lock is held
 * @peer: the peer's counts
 * @count: what it reports, by port
 * @n: of how many ports
 */
void dpr_tally_report(const struct dpr_net *dn, struct dpr_tally_peer *peer,
		      const struct dpr_tally_count *count, u32 n)
{
	const u32 places = dpr_tally_places(dn);
	u32 i;

	for (i = 0; i < places; i++) {
		const struct dpr_tally_count *of =
			dpr_tally_search(count, n, dn->tallies->tally[i].port);

		peer->known &= ~BIT(i);
		if (!of)
			continue;
		peer->known |= BIT(i);
		peer->reported[i] = of->connections;
		peer->live_reported[i] = atomic_read(&peer->live[i]);
	}
}

/**
 * dpr_tally_fill - fill what a policy sees of a peer by its connections of a port
 * @peer: the peer's counts; NULL if it has none yet
 * @place: the port's
 * @cfg: the namespace's configuration
 * @host: what a policy sees of it by its host's load
 * @view: filled, but for what the order counts
 *
 * Under dpr_net.lock and dpr_net.order_lock.
 */
void dpr_tally_fill(const struct dpr_tally_peer *peer, u32 place,
		    const struct dpr_config *cfg, const struct dpr_view *host,
		    struct dpr_view *view)
{
	const bool known = peer && peer->known & BIT(place);
	u64 estimate = 0;

	view->load = known ? peer->reported[place] : 0;
	view->live_reported = known ? peer->live_reported[place] : 0;
	view->weight = host->weight;
	view->address = host->address;
	view->tie = host->tie;
	if (known)
		estimate = dpr_policy_estimate(view,
					       atomic_read(&peer->live[place]),
					       cfg->estimate, 1);
	WRITE_ONCE(view->down[0], host->down[0]);
	WRITE_ONCE(view->down[1], host->down[1]);
	WRITE_ONCE(view->estimate, estimate);
	WRITE_ONCE(view->reported, host->reported);
	WRITE_ONCE(view->cold, known ? host->cold : DPR_POLICY_UNKNOWN);
	WRITE_ONCE(view->open, host->open);
}

/**
 * dpr_tally_teardown - free the places
 * @dn: the namespace; nothing runs in it any more
 */
void dpr_tally_teardown(struct dpr_net *dn)
{
	kfree(dn->tallies);
}
