/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The ClientHello of a TLS connection (RFC 8446, section 4.1.2; RFC 6066, section 3; RFC
 * 7301), in any number of records. Pure, as policy.h.
 *
 * With ECH the name is the outer one, as nothing else can be read. Not understood are
 * DTLS, SSL 2's form, records that are empty or not of the handshake, an extension of
 * these two that comes twice, two names of a host, and more than a KiB of protocols.
 */
#ifndef _DPR_CLIENT_HELLO_H
#define _DPR_CLIENT_HELLO_H

#include "request.h"

#define DPR_CLIENT_HELLO_RECORD		22	/* ContentType: handshake */
#define DPR_CLIENT_HELLO_ALPN_MAX	1024	/* bytes of all protocols offered */

/**
 * struct dpr_client_hello - how far a ClientHello is read
 * @at: offset of the next byte, or of the next record's header
 * @left: bytes of the record
 * @message: bytes of the message
 * @extensions: it is read as far as its extensions
 * @seen: bits of enum dpr_fact: of these extensions there was one
 */
struct dpr_client_hello {
	u32 at;
	u32 left;
	u32 message;
	bool extensions;
	u8 seen;
};

enum dpr_step dpr_client_hello_step(const u8 *buf, u32 len,
				    struct dpr_client_hello *hello,
				    struct dpr_request *req);

#endif /* _DPR_CLIENT_HELLO_H */
