/* SPDX-License-Identifier: GPL-2.0 */
/* Where the time of a measurement goes, by function. */
#ifndef _DPR_INJECT_PROFILE_H
#define _DPR_INJECT_PROFILE_H

#include <linux/types.h>

int inject_profile_start(void);
void inject_profile_pause(bool paused);
void inject_profile_stop(void);

#endif
