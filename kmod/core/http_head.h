/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The head of an HTTP/1 request (RFC 9112, RFC 9110). Pure, as policy.h.
 *
 * What servers differ in is read as strictly as RFC 9112 allows, with one exception: a
 * line may end in LF alone, which common servers accept. Not understood is: a method of
 * more than 32 characters, more than eight empty lines in front, another version than
 * HTTP/1.x, userinfo or a fragment in the target, another scheme than http and https, a
 * folded line, a space around a field's name, a CR without LF, NUL, a host that is none,
 * a second Host field. The preface of HTTP/2 is understood: such a request has nothing.
 */
#ifndef _DPR_HTTP_HEAD_H
#define _DPR_HTTP_HEAD_H

#include "request.h"

#define DPR_HTTP_HEAD_METHOD		32	/* characters of a method */
#define DPR_HTTP_HEAD_EMPTY_LINES	8	/* before a request */

/**
 * struct dpr_http_head - how far a request's head is read
 * @at: offset of the next line
 * @fields: the request line is read
 * @host: a Host field was seen
 * @cookie: a Cookie field was seen
 */
struct dpr_http_head {
	u32 at;
	bool fields;
	bool host;
	bool cookie;
};

bool dpr_http_head_token(u8 c);
bool dpr_http_head_host(const u8 *buf, u32 from, u32 to, u32 *end);
enum dpr_step dpr_http_head_step(const u8 *buf, u32 len,
				 struct dpr_http_head *head,
				 struct dpr_request *req);

#endif /* _DPR_HTTP_HEAD_H */
