// SPDX-License-Identifier: GPL-2.0
/* What all else needs, compiled together (Kbuild). */
#include "../core/parse.c"
#include "../core/policy.c"
#include "../core/choose.c"
#include "../stats.c"
#include "../netns.c"
#include "../route.c"
#include "../socket.c"
#include "../open.c"
