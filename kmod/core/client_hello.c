// SPDX-License-Identifier: GPL-2.0
#include "client_hello.h"

#define DPR_CLIENT_HELLO_HEADER		5	/* of a record */
#define DPR_CLIENT_HELLO_RECORD_MAX	16384	/* bytes in a record */
#define DPR_CLIENT_HELLO_TYPE		1	/* HandshakeType: client_hello */
#define DPR_CLIENT_HELLO_RANDOM		32
#define DPR_CLIENT_HELLO_SESSION	32	/* the longest session's name */
#define DPR_CLIENT_HELLO_MESSAGE	4	/* header of a message */

/* ExtensionType */
#define DPR_CLIENT_HELLO_SNI		0
#define DPR_CLIENT_HELLO_ALPN		16

/* NameType */
#define DPR_CLIENT_HELLO_HOST_NAME	0

/*
 * Reads the header of the next record. A client must not send an empty one; what does
 * not fit is refused as soon as it is there.
 */
static enum dpr_step dpr_client_hello_record(const u8 *buf, u32 len,
					     struct dpr_client_hello *hello)
{
	const u32 at = hello->at;
	u32 size;

	if ((at < len && buf[at] != DPR_CLIENT_HELLO_RECORD) ||
	    (at + 1 < len && buf[at + 1] != 3))
		return DPR_STEP_BAD;
	if (len - at < DPR_CLIENT_HELLO_HEADER)
		return DPR_STEP_MORE;
	size = buf[at + 3] << 8 | buf[at + 4];
	if (!size || size > DPR_CLIENT_HELLO_RECORD_MAX)
		return DPR_STEP_BAD;
	hello->at = at + DPR_CLIENT_HELLO_HEADER;
	hello->left = size;
	return DPR_STEP_FACT;
}

/*
 * Skips bytes of the message, through as many records as it takes, and sets @last to the
 * last of them.
 */
static enum dpr_step dpr_client_hello_skip(const u8 *buf, u32 len,
					   struct dpr_client_hello *hello, u32 n,
					   u8 *last)
{
	enum dpr_step step;
	u32 part;

	if (n > hello->message)
		return DPR_STEP_BAD;
	hello->message -= n;
	while (n) {
		if (!hello->left) {
			step = dpr_client_hello_record(buf, len, hello);
			if (step != DPR_STEP_FACT)
				return step;
		}
		part = n < hello->left ? n : hello->left;
		if (part > len - hello->at)
			return DPR_STEP_MORE;
		hello->at += part;
		hello->left -= part;
		n -= part;
		*last = buf[hello->at - 1];
	}
	return DPR_STEP_FACT;
}

/* Reads a number of @n bytes, at most three. */
static enum dpr_step dpr_client_hello_number(const u8 *buf, u32 len,
					     struct dpr_client_hello *hello,
					     u32 n, u32 *number)
{
	enum dpr_step step = DPR_STEP_FACT;
	u8 byte = 0;

	*number = 0;
	for (; n && step == DPR_STEP_FACT; n--) {
		step = dpr_client_hello_skip(buf, len, hello, 1, &byte);
		*number = *number << 8 | byte;
	}
	return step;
}

/* Skips what has its length in @n bytes in front; it has @least to @most bytes. */
static enum dpr_step dpr_client_hello_vector(const u8 *buf, u32 len,
					     struct dpr_client_hello *hello,
					     u32 n, u32 least, u32 most)
{
	enum dpr_step step;
	u32 size;
	u8 last;

	step = dpr_client_hello_number(buf, len, hello, n, &size);
	if (step != DPR_STEP_FACT)
		return step;
	if (size < least || size > most)
		return DPR_STEP_BAD;
	return dpr_client_hello_skip(buf, len, hello, size, &last);
}

/* Reads as far as the extensions. */
static enum dpr_step dpr_client_hello_begin(const u8 *buf, u32 len,
					    struct dpr_client_hello *hello)
{
	enum dpr_step step;
	u32 number;
	u8 last;

	hello->message = DPR_CLIENT_HELLO_MESSAGE;
	step = dpr_client_hello_number(buf, len, hello, 1, &number);
	if (step != DPR_STEP_FACT)
		return step;
	if (number != DPR_CLIENT_HELLO_TYPE)
		return DPR_STEP_BAD;
	step = dpr_client_hello_number(buf, len, hello, 3, &number);
	if (step != DPR_STEP_FACT)
		return step;
	hello->message = number;
	/* legacy_version: of all that there are the first byte is 3. */
	step = dpr_client_hello_number(buf, len, hello, 1, &number);
	if (step == DPR_STEP_FACT && number != 3)
		return DPR_STEP_BAD;
	if (step == DPR_STEP_FACT)
		step = dpr_client_hello_skip(buf, len, hello,
					     1 + DPR_CLIENT_HELLO_RANDOM, &last);
	if (step == DPR_STEP_FACT)
		step = dpr_client_hello_vector(buf, len, hello, 1, 0,
					       DPR_CLIENT_HELLO_SESSION);
	/* The ciphers, and the compressions. */
	if (step == DPR_STEP_FACT)
		step = dpr_client_hello_vector(buf, len, hello, 2, 2, 65534);
	if (step == DPR_STEP_FACT)
		step = dpr_client_hello_vector(buf, len, hello, 1, 1, 255);
	if (step != DPR_STEP_FACT)
		return step;
	hello->extensions = true;
	if (!hello->message)
		return DPR_STEP_FACT;
	step = dpr_client_hello_number(buf, len, hello, 2, &number);
	if (step == DPR_STEP_FACT && number != hello->message)
		return DPR_STEP_BAD;
	return step;
}

/*
 * The list of names: of each type at most one. Those of other types, which nobody has
 * defined, begin with their length, too.
 */
static enum dpr_step dpr_client_hello_sni(const u8 *buf, u32 len,
					  struct dpr_client_hello *hello,
					  u32 size, struct dpr_request *req)
{
	enum dpr_step step;
	u32 left, type, name;
	u8 last = 0;

	step = dpr_client_hello_number(buf, len, hello, 2, &left);
	if (step != DPR_STEP_FACT)
		return step;
	if (!left || left != size - 2)
		return DPR_STEP_BAD;
	while (left) {
		struct dpr_slice slice;

		if (left < 3)
			return DPR_STEP_BAD;
		step = dpr_client_hello_number(buf, len, hello, 1, &type);
		if (step == DPR_STEP_FACT)
			step = dpr_client_hello_number(buf, len, hello, 2, &name);
		if (step != DPR_STEP_FACT)
			return step;
		if (!name || name > left - 3 ||
		    (type == DPR_CLIENT_HELLO_HOST_NAME &&
		     req->has & DPR_FACT_SNI))
			return DPR_STEP_BAD;
		left -= 3 + name;
		slice = (struct dpr_slice){ .at = hello->at, .len = name,
					    .left = hello->left };
		step = dpr_client_hello_skip(buf, len, hello, name, &last);
		if (step != DPR_STEP_FACT)
			return step;
		if (type != DPR_CLIENT_HELLO_HOST_NAME)
			continue;
		req->has |= DPR_FACT_SNI;
		req->sni = slice;
		if (name > 1 && last == '.')
			req->sni.len--;
	}
	req->known |= DPR_FACT_SNI;
	return DPR_STEP_FACT;
}

static enum dpr_step dpr_client_hello_alpn(const u8 *buf, u32 len,
					   struct dpr_client_hello *hello,
					   u32 size, struct dpr_request *req)
{
	enum dpr_step step;
	u32 left, name;
	u8 last;

	step = dpr_client_hello_number(buf, len, hello, 2, &left);
	if (step != DPR_STEP_FACT)
		return step;
	if (left < 2 || left > DPR_CLIENT_HELLO_ALPN_MAX || left != size - 2)
		return DPR_STEP_BAD;
	req->alpn = (struct dpr_slice){ .at = hello->at, .len = left,
					.left = hello->left };
	while (left) {
		step = dpr_client_hello_number(buf, len, hello, 1, &name);
		if (step == DPR_STEP_FACT && (!name || name > left - 1))
			return DPR_STEP_BAD;
		if (step == DPR_STEP_FACT)
			step = dpr_client_hello_skip(buf, len, hello, name,
						     &last);
		if (step != DPR_STEP_FACT)
			return step;
		left -= 1 + name;
	}
	req->known |= DPR_FACT_ALPN;
	req->has |= DPR_FACT_ALPN;
	return DPR_STEP_FACT;
}

/* An extension; @fact is set to what it says, 0 if nothing that is of use. */
static enum dpr_step dpr_client_hello_extension(const u8 *buf, u32 len,
						struct dpr_client_hello *hello,
						struct dpr_request *req, u8 *fact)
{
	enum dpr_step step;
	u32 type, size;
	u8 last;

	step = dpr_client_hello_number(buf, len, hello, 2, &type);
	if (step == DPR_STEP_FACT)
		step = dpr_client_hello_number(buf, len, hello, 2, &size);
	if (step != DPR_STEP_FACT)
		return step;
	if (size > hello->message)
		return DPR_STEP_BAD;
	*fact = 0;
	if (type == DPR_CLIENT_HELLO_SNI)
		*fact = DPR_FACT_SNI;
	else if (type == DPR_CLIENT_HELLO_ALPN)
		*fact = DPR_FACT_ALPN;
	if (!*fact)
		return dpr_client_hello_skip(buf, len, hello, size, &last);
	/* RFC 8446, section 4.2: of each type at most one. */
	if (size < 2 || hello->seen & *fact)
		return DPR_STEP_BAD;
	hello->seen |= *fact;
	return *fact == DPR_FACT_SNI ?
	       dpr_client_hello_sni(buf, len, hello, size, req) :
	       dpr_client_hello_alpn(buf, len, hello, size, req);
}

/**
 * dpr_client_hello_step - read on until there is something new
 * @buf: what the client sent
 * @len: its length, at most DPR_REQUEST_MAX
 * @hello: how far it is read; all zero at first
 * @req: what is known; changed. dpr_request_begin() at first
 *
 * After DPR_STEP_MORE one begins again, with more bytes. There are at most three
 * DPR_STEP_FACT: at the beginning, for the name, and for the protocols.
 */
enum dpr_step dpr_client_hello_step(const u8 *buf, u32 len,
				    struct dpr_client_hello *hello,
				    struct dpr_request *req)
{
	enum dpr_step step;
	u8 fact;

	if (!hello->extensions) {
		/* It has nothing of a request's head. */
		req->known |= DPR_FACT_HTTP;
		return dpr_client_hello_begin(buf, len, hello);
	}
	while (hello->message) {
		step = dpr_client_hello_extension(buf, len, hello, req, &fact);
		if (step != DPR_STEP_FACT || fact)
			return step;
	}
	req->known |= DPR_FACT_TLS;
	return DPR_STEP_END;
}
