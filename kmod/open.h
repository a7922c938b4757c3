/* SPDX-License-Identifier: GPL-2.0 */
/* The open connections of the services: the paper's first metric (section 3.1). */
#ifndef _DPR_OPEN_H
#define _DPR_OPEN_H

#include <linux/types.h>

struct dpr_net;
struct dpr_service;

int dpr_open_init(void);
void dpr_open_exit(void);
void dpr_open_setup(struct dpr_net *dn);
void dpr_open_count(struct dpr_net *dn);
bool dpr_open_all(const struct dpr_net *dn, u32 *connections);
bool dpr_open_service(const struct dpr_net *dn,
		      const struct dpr_service *service, u32 *connections);
bool dpr_open_port(const struct dpr_net *dn, u16 port, u32 *connections);
void dpr_open_teardown(struct dpr_net *dn);

#endif /* _DPR_OPEN_H */
