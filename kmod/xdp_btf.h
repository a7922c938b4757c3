/* SPDX-License-Identifier: GPL-2.0 */
/* What lets programs of XDP call dpr_xdp(). */
#ifndef _DPR_XDP_BTF_H
#define _DPR_XDP_BTF_H

#include "compat.h"

#if DPR_COMPAT_XDP
void dpr_xdp_btf_init(void);
#else
static inline void dpr_xdp_btf_init(void)
{
}
#endif

#endif /* _DPR_XDP_BTF_H */
