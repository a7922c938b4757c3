// SPDX-License-Identifier: GPL-2.0
/* How packets get to peers, compiled together (Kbuild). */
#include "../fwd_ipip.c"
#include "../fwd_ip6.c"
#include "../fwd.c"
#include "../fwd_direct.c"
#include "../mss.c"
