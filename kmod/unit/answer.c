// SPDX-License-Identifier: GPL-2.0
/* What else is answered, compiled together (Kbuild). */
#include "../rules.c"
#include "../offer.c"
#include "../refuse.c"
#include "../way.c"
#include "../reset.c"
#include "../answer.c"
#include "../icmp_about.c"
#include "../icmp.c"
