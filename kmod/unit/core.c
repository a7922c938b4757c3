// SPDX-License-Identifier: GPL-2.0
/* The pure code that decides by what is asked for, compiled together (Kbuild). */
#include "../core/http_head.c"
#include "../core/http_frame.c"
#include "../core/client_hello.c"
#include "../core/rule.c"
#include "../core/rule_check.c"
#include "../core/affinity.c"
