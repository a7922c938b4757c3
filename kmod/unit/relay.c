// SPDX-License-Identifier: GPL-2.0
/* Packets of connections to backends, compiled together (Kbuild). */
#include "../splice_track.c"
#include "../splice_shift.c"
#include "../splice_out.c"
#include "../splice_send.c"
#include "../splice.c"
