/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a client's first bytes say: a request's head (http_head.h) or a ClientHello
 * (client_hello.h). Pure, as policy.h.
 *
 * A parser is asked step by step, and learns one fact or more in each. Rules (rule.h)
 * are looked at after each step, so that no more bytes are waited for than they need,
 * and what they decide does not depend on how the bytes were cut into segments.
 */
#ifndef _DPR_REQUEST_H
#define _DPR_REQUEST_H

#ifdef __KERNEL__
#include <linux/string.h>
#include <linux/types.h>
#else
#include "user.h"
#endif

/* No more of a client's bytes are looked at. */
#define DPR_REQUEST_MAX		16384
/* Cookies beyond these are not looked at. */
#define DPR_REQUEST_COOKIES	64

/**
 * enum dpr_fact - what can be known of a request: bits
 * @DPR_FACT_METHOD: its method
 * @DPR_FACT_PATH: the path of its target
 * @DPR_FACT_HOST: the host that it is for
 * @DPR_FACT_COOKIES: its cookies
 * @DPR_FACT_SNI: the server's name in a ClientHello
 * @DPR_FACT_ALPN: the protocols that a ClientHello offers
 * @DPR_FACT_HTTP: those of a request's head
 * @DPR_FACT_TLS: those of a ClientHello
 */
enum dpr_fact {
	DPR_FACT_METHOD = 1,
	DPR_FACT_PATH = 2,
	DPR_FACT_HOST = 4,
	DPR_FACT_COOKIES = 8,
	DPR_FACT_SNI = 16,
	DPR_FACT_ALPN = 32,
	DPR_FACT_HTTP = 15,
	DPR_FACT_TLS = 48,
};

/**
 * enum dpr_step - what a step of a parser came to
 * @DPR_STEP_MORE: it needs more bytes
 * @DPR_STEP_FACT: it has learned something; there may be more to learn
 * @DPR_STEP_END: everything is known
 * @DPR_STEP_BAD: this is not understood, whatever follows
 */
enum dpr_step {
	DPR_STEP_MORE,
	DPR_STEP_FACT,
	DPR_STEP_END,
	DPR_STEP_BAD,
};

/**
 * struct dpr_slice - where some of the client's bytes are
 * @at: offset of the first in the buffer
 * @len: how many
 * @left: how many come before the header of the next TLS record, which is none of
 *	them; @len or more if they are in one piece
 */
struct dpr_slice {
	u16 at;
	u16 len;
	u16 left;
};

/**
 * struct dpr_cookie - a cookie of a request
 * @at: offset of its name; its value comes after the name and a "="
 * @name: the name's length
 * @value: the value's length
 */
struct dpr_cookie {
	u16 at;
	u16 name;
	u16 value;
};

/**
 * struct dpr_request - what is known of a request
 * @known: bits of enum dpr_fact: these are final
 * @has: bits of enum dpr_fact: the request has that; of @known ones
 * @method: its method
 * @path: the path of its target, without a query; empty: "/"
 * @host: the host it is for, without port and trailing dot; an IPv6 literal has its
 *	brackets
 * @sni: the server's name
 * @alpn: the protocols, each after a byte with its length
 * @cookies: how many of @cookie there are, also before they are known to be all
 * @cookie: the cookies, in the client's order
 */
struct dpr_request {
	u8 known;
	u8 has;
	struct dpr_slice method;
	struct dpr_slice path;
	struct dpr_slice host;
	struct dpr_slice sni;
	struct dpr_slice alpn;
	u32 cookies;
	struct dpr_cookie cookie[DPR_REQUEST_COOKIES];
};

/**
 * dpr_request_begin - nothing is known yet
 * @req: the request
 *
 * Leaves the slices alone: nobody looks at those that the request does not have.
 */
static inline void dpr_request_begin(struct dpr_request *req)
{
	req->known = 0;
	req->has = 0;
	req->cookies = 0;
}

/**
 * dpr_slice_of - bytes in one piece
 * @from: offset of the first
 * @to: offset behind the last
 */
static inline struct dpr_slice dpr_slice_of(u32 from, u32 to)
{
	return (struct dpr_slice){ .at = from, .len = to - from,
				   .left = to - from };
}

/**
 * dpr_slice_next - take the first byte
 * @buf: the buffer
 * @slice: has bytes
 */
static inline u8 dpr_slice_next(const u8 *buf, struct dpr_slice *slice)
{
	if (!slice->left) {
		slice->left = buf[slice->at + 3] << 8 | buf[slice->at + 4];
		slice->at += 5;
	}
	slice->left--;
	slice->len--;
	return buf[slice->at++];
}

/**
 * dpr_request_lower - a letter of ASCII as a small one
 * @c: any byte
 */
static inline u8 dpr_request_lower(u8 c)
{
	return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

#endif /* _DPR_REQUEST_H */
