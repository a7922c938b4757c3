/* SPDX-License-Identifier: GPL-2.0 */
/* A second, naive reading of packets, byte by byte, to hold ../parse.h against. */
#ifndef _DPR_PARSE_MODEL_H
#define _DPR_PARSE_MODEL_H

#include <stddef.h>
#include "parse.h"

/*
 * Reads a packet as the module does, from memory that ends where the packet
 * does, and by the model; returns what they disagree about, NULL if nothing.
 */
const char *model_disagrees(const u8 *packet, size_t len);

/* Writes a right checksum into an IP header that is all there. */
void model_set_checksum(u8 *header);

#endif /* _DPR_PARSE_MODEL_H */
