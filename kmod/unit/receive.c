// SPDX-License-Identifier: GPL-2.0
/* What peers redirect to this host, compiled together (Kbuild). */
#include "../listener.c"
#include "../inner.c"
#include "../protected.c"
#include "../deliver.c"
#include "../through.c"
#include "../receive.c"
