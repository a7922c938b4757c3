// SPDX-License-Identifier: GPL-2.0
/* Connections to backends, but for their packets, compiled together (Kbuild). */
#include "../backend.c"
#include "../splice_table.c"
#include "../splice_make.c"
#include "../splice_proxy.c"
#include "../splice_open.c"
#include "../splice_icmp.c"
