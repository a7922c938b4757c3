/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where the messages of an HTTP/1 connection end (RFC 9112, section 6), in one direction.
 * Pure, as policy.h.
 *
 * Bytes are read in any pieces, and nothing of them is kept. What is not understood, or
 * what makes the connection another one than HTTP/1, is lost for good: CONNECT, a change of
 * protocol, an unknown method or version, a folded line, a CR without LF, NUL, a length
 * given twice or both by a length and in chunks, another coding than chunked, an answer
 * without length. So is authentication of a connection instead of a request (NTLM,
 * Negotiate).
 */
#ifndef _DPR_HTTP_FRAME_H
#define _DPR_HTTP_FRAME_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include "user.h"
#endif

/* Characters that are kept of a word: more than the longest that is looked for. */
#define DPR_HTTP_FRAME_TEXT	20

enum dpr_http_frame_state {
	DPR_HTTP_FRAME_BETWEEN,	/* between two messages */
	DPR_HTTP_FRAME_FIRST,	/* in the first word of a message */
	DPR_HTTP_FRAME_LINE,	/* in the rest of its first line */
	DPR_HTTP_FRAME_NAME,	/* in a field's name, or before it */
	DPR_HTTP_FRAME_VALUE,	/* in a field's value, or before it */
	DPR_HTTP_FRAME_BODY,	/* in a body of known length */
	DPR_HTTP_FRAME_SIZE,	/* in the line before a chunk */
	DPR_HTTP_FRAME_CHUNK,	/* in a chunk, or the line's end after it */
	DPR_HTTP_FRAME_LOST,	/* it is not known where messages end */
};

enum dpr_http_frame_flag {
	DPR_HTTP_FRAME_ANSWER = 1,	/* the message is an answer */
	DPR_HTTP_FRAME_NEWEST = 2,	/* it is of HTTP/1.1 */
	DPR_HTTP_FRAME_HEAD = 4,	/* a request for a head alone */
	DPR_HTTP_FRAME_SAFE = 8,	/* a request of a method that needs no body */
	DPR_HTTP_FRAME_LENGTH = 16,	/* its length is given */
	DPR_HTTP_FRAME_CHUNKED = 32,	/* it comes in chunks */
	DPR_HTTP_FRAME_OTHER = 64,	/* a request that has Upgrade or Expect */
	DPR_HTTP_FRAME_TRAILER = 128,	/* fields after the last chunk */
};

/**
 * struct dpr_http_frame - how far one direction of a connection is read
 * @left: bytes left of a body or a chunk; what was read of a length; the last bytes of a
 *	first line
 * @status: an answer's
 * @state: enum dpr_http_frame_state
 * @flags: enum dpr_http_frame_flag; of the last message while there is no next one
 * @field: which field a value is of
 * @n: characters of the word so far, 255 if there are more
 * @cr: the last byte was a CR
 * @text: the first of them, letters as small ones unless it is a method
 *
 * All zero at first.
 */
struct dpr_http_frame {
	u64 left;
	u16 status;
	u8 state;
	u8 flags;
	u8 field;
	u8 n;
	bool cr;
	char text[DPR_HTTP_FRAME_TEXT];
};

u32 dpr_http_frame_feed(struct dpr_http_frame *frame, bool answer, bool head,
			const u8 *buf, u32 len);

/**
 * dpr_http_frame_pass - leave bytes out that need not be looked at
 * @frame: how far it is read; changed
 * @len: bytes that are there
 *
 * Return: how many of them are left out. The message has ended if the state is
 * DPR_HTTP_FRAME_BETWEEN then.
 */
static inline u32 dpr_http_frame_pass(struct dpr_http_frame *frame, u32 len)
{
	u32 n = frame->left < len ? frame->left : len;

	if (frame->state != DPR_HTTP_FRAME_BODY &&
	    frame->state != DPR_HTTP_FRAME_CHUNK)
		return 0;
	frame->left -= n;
	if (frame->left)
		return n;
	frame->n = 0;
	frame->state = frame->state == DPR_HTTP_FRAME_BODY ?
		       DPR_HTTP_FRAME_BETWEEN : DPR_HTTP_FRAME_SIZE;
	return n;
}

#endif /* _DPR_HTTP_FRAME_H */
