// SPDX-License-Identifier: GPL-2.0
/* Peers, services and loads, compiled together (Kbuild). */
#include "../conntrack.c"
#include "../ruleset.c"
#include "../tally.c"
#include "../load_table.c"
#include "../peer.c"
#include "../service.c"
#include "../load.c"
#include "../members.c"
#include "../half_open.c"
