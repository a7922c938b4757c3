// SPDX-License-Identifier: GPL-2.0
#include "http_frame.h"
#include "http_head.h"

/* Lengths beyond are none. */
#define DPR_HTTP_FRAME_MAX	(1ULL << 60)

enum dpr_http_frame_field {
	DPR_HTTP_FRAME_FIELD_ANY,	/* not looked at */
	DPR_HTTP_FRAME_FIELD_LENGTH,
	DPR_HTTP_FRAME_FIELD_CODING,
	DPR_HTTP_FRAME_FIELD_LOGIN,
	DPR_HTTP_FRAME_FIELD_SPACED = 128, /* likewise; a space came in the value */
};

static void dpr_http_frame_lose(struct dpr_http_frame *frame)
{
	frame->state = DPR_HTTP_FRAME_LOST;
}

static void dpr_http_frame_enter(struct dpr_http_frame *frame,
				 enum dpr_http_frame_state state)
{
	frame->state = state;
	frame->n = 0;
	frame->left = 0;
}

static void dpr_http_frame_add(struct dpr_http_frame *frame, u8 c)
{
	if (frame->n < DPR_HTTP_FRAME_TEXT)
		frame->text[frame->n] = c;
	if (frame->n < 255)
		frame->n++;
}

/* Is the word the text? */
static bool dpr_http_frame_is(const struct dpr_http_frame *frame, const char *text)
{
	const u32 n = strlen(text);

	return frame->n == n && !memcmp(frame->text, text, n);
}

static bool dpr_http_frame_begins(const struct dpr_http_frame *frame,
				  const char *text)
{
	const u32 n = strlen(text);

	return frame->n >= n && !memcmp(frame->text, text, n);
}

static void dpr_http_frame_method(struct dpr_http_frame *frame)
{
	if (dpr_http_frame_is(frame, "HEAD"))
		frame->flags |= DPR_HTTP_FRAME_HEAD | DPR_HTTP_FRAME_SAFE;
	else if (dpr_http_frame_is(frame, "GET") ||
		 dpr_http_frame_is(frame, "OPTIONS"))
		frame->flags |= DPR_HTTP_FRAME_SAFE;
	else if (!dpr_http_frame_is(frame, "POST") &&
		 !dpr_http_frame_is(frame, "PUT") &&
		 !dpr_http_frame_is(frame, "PATCH") &&
		 !dpr_http_frame_is(frame, "DELETE"))
		dpr_http_frame_lose(frame);
}

/* The first word of a message, a method or a version, up to a space. */
static void dpr_http_frame_first(struct dpr_http_frame *frame, u8 c)
{
	if (c != ' ') {
		if (!dpr_http_head_token(c) && c != '/')
			dpr_http_frame_lose(frame);
		dpr_http_frame_add(frame, c);
		return;
	}
	dpr_http_frame_enter(frame, DPR_HTTP_FRAME_LINE);
}

/* @left has the last eight bytes of the line. */
static void dpr_http_frame_version(struct dpr_http_frame *frame, u64 version)
{
	const u64 newest = 0x485454502f312e31, older = 0x485454502f312e30;

	if (version == newest)
		frame->flags |= DPR_HTTP_FRAME_NEWEST;
	else if (version != older)
		dpr_http_frame_lose(frame);
}

/* The rest of the first line: a target and a version; or a status, and a reason. */
static void dpr_http_frame_line(struct dpr_http_frame *frame, u8 c)
{
	if (c == '\n') {
		if (!(frame->flags & DPR_HTTP_FRAME_ANSWER))
			dpr_http_frame_version(frame, frame->left);
		else if (frame->status < 100 || frame->status > 599 ||
			 frame->status == 101)
			dpr_http_frame_lose(frame);
		if (frame->state != DPR_HTTP_FRAME_LOST)
			dpr_http_frame_enter(frame, DPR_HTTP_FRAME_NAME);
		return;
	}
	frame->left = frame->left << 8 | c;
	if (frame->flags & DPR_HTTP_FRAME_ANSWER && frame->n < 3) {
		if (c < '0' || c > '9')
			dpr_http_frame_lose(frame);
		frame->status = frame->status * 10 + c - '0';
	} else if (frame->flags & DPR_HTTP_FRAME_ANSWER && frame->n == 3 &&
		   c != ' ') {
		dpr_http_frame_lose(frame);
	}
	if (frame->n < 255)
		frame->n++;
}

/* After the head. @head: the answer is to a request for a head alone. */
static void dpr_http_frame_body(struct dpr_http_frame *frame, bool head)
{
	const u8 both = DPR_HTTP_FRAME_LENGTH | DPR_HTTP_FRAME_CHUNKED;
	const bool answer = frame->flags & DPR_HTTP_FRAME_ANSWER;
	const u64 length = frame->left;

	if ((frame->flags & both) == both)
		dpr_http_frame_lose(frame);
	else if (answer && (head || frame->status < 200 || frame->status == 204 ||
			    frame->status == 304))
		dpr_http_frame_enter(frame, DPR_HTTP_FRAME_BETWEEN);
	else if (frame->flags & DPR_HTTP_FRAME_CHUNKED)
		dpr_http_frame_enter(frame, DPR_HTTP_FRAME_SIZE);
	else if (answer && !(frame->flags & DPR_HTTP_FRAME_LENGTH))
		dpr_http_frame_lose(frame);
	else
		frame->state = length ? DPR_HTTP_FRAME_BODY :
					DPR_HTTP_FRAME_BETWEEN;
}

static void dpr_http_frame_named(struct dpr_http_frame *frame)
{
	const bool answer = frame->flags & DPR_HTTP_FRAME_ANSWER;

	frame->field = DPR_HTTP_FRAME_FIELD_ANY;
	if (frame->flags & DPR_HTTP_FRAME_TRAILER)
		return;
	if (dpr_http_frame_is(frame, "content-length")) {
		frame->field = DPR_HTTP_FRAME_FIELD_LENGTH;
		if (frame->flags & DPR_HTTP_FRAME_LENGTH)
			dpr_http_frame_lose(frame);
		frame->flags |= DPR_HTTP_FRAME_LENGTH;
	} else if (dpr_http_frame_is(frame, "transfer-encoding")) {
		frame->field = DPR_HTTP_FRAME_FIELD_CODING;
		if (frame->flags & DPR_HTTP_FRAME_CHUNKED)
			dpr_http_frame_lose(frame);
		frame->flags |= DPR_HTTP_FRAME_CHUNKED;
	} else if (dpr_http_frame_is(frame, answer ? "www-authenticate" :
						     "authorization")) {
		frame->field = DPR_HTTP_FRAME_FIELD_LOGIN;
	} else if (!answer && (dpr_http_frame_is(frame, "upgrade") ||
			       dpr_http_frame_is(frame, "expect"))) {
		frame->flags |= DPR_HTTP_FRAME_OTHER;
	}
}

static void dpr_http_frame_name(struct dpr_http_frame *frame, bool head, u8 c)
{
	if (c == '\n' && !frame->n) {
		if (frame->flags & DPR_HTTP_FRAME_TRAILER)
			dpr_http_frame_enter(frame, DPR_HTTP_FRAME_BETWEEN);
		else
			dpr_http_frame_body(frame, head);
		return;
	}
	if (c == ':' && frame->n) {
		dpr_http_frame_named(frame);
		if (frame->state != DPR_HTTP_FRAME_LOST)
			frame->state = DPR_HTTP_FRAME_VALUE;
		frame->n = 0;
		return;
	}
	if (!dpr_http_head_token(c))
		dpr_http_frame_lose(frame);
	dpr_http_frame_add(frame, dpr_request_lower(c));
}

static void dpr_http_frame_digit(struct dpr_http_frame *frame, u8 c, u32 base)
{
	const u8 low = dpr_request_lower(c);
	u32 digit = 16;

	if (c >= '0' && c <= '9')
		digit = c - '0';
	else if (low >= 'a' && low <= 'f')
		digit = low - 'a' + 10;
	if (digit >= base || frame->left > DPR_HTTP_FRAME_MAX / 16)
		dpr_http_frame_lose(frame);
	else
		frame->left = frame->left * base + digit;
}

/* A value is over. The spaces after it are not part of it. */
static void dpr_http_frame_valued(struct dpr_http_frame *frame)
{
	bool lost = false;

	switch (frame->field & ~DPR_HTTP_FRAME_FIELD_SPACED) {
	case DPR_HTTP_FRAME_FIELD_LENGTH:
		lost = !frame->n;
		break;
	case DPR_HTTP_FRAME_FIELD_CODING:
		lost = !dpr_http_frame_is(frame, "chunked");
		break;
	case DPR_HTTP_FRAME_FIELD_LOGIN:
		lost = dpr_http_frame_begins(frame, "ntlm") ||
		       dpr_http_frame_begins(frame, "negotiate");
		break;
	}
	frame->state = lost ? DPR_HTTP_FRAME_LOST : DPR_HTTP_FRAME_NAME;
	frame->n = 0;
}

static void dpr_http_frame_value(struct dpr_http_frame *frame, u8 c)
{
	if (c == '\n') {
		dpr_http_frame_valued(frame);
		return;
	}
	if (frame->field == DPR_HTTP_FRAME_FIELD_ANY ||
	    ((c == ' ' || c == '\t') && !frame->n))
		return;
	if (c == ' ' || c == '\t') {
		frame->field |= DPR_HTTP_FRAME_FIELD_SPACED;
		return;
	}
	if (frame->field & DPR_HTTP_FRAME_FIELD_SPACED) {
		/* A length and a coding are one word. */
		if (frame->field != (DPR_HTTP_FRAME_FIELD_LOGIN |
				     DPR_HTTP_FRAME_FIELD_SPACED))
			dpr_http_frame_lose(frame);
		return;
	}
	if (frame->field == DPR_HTTP_FRAME_FIELD_LENGTH)
		dpr_http_frame_digit(frame, c, 10);
	dpr_http_frame_add(frame, dpr_request_lower(c));
}

/* @n is 255 in an extension of the size. */
static void dpr_http_frame_size(struct dpr_http_frame *frame, u8 c)
{
	if (c == '\n') {
		if (!frame->n) {
			dpr_http_frame_lose(frame);
		} else if (frame->left) {
			frame->state = DPR_HTTP_FRAME_CHUNK;
			frame->left += 2;
		} else {
			frame->flags |= DPR_HTTP_FRAME_TRAILER;
			dpr_http_frame_enter(frame, DPR_HTTP_FRAME_NAME);
		}
		return;
	}
	if (frame->n == 255)
		return;
	if (frame->n && (c == ';' || c == ' ' || c == '\t')) {
		frame->n = 255;
		return;
	}
	dpr_http_frame_digit(frame, c, 16);
	frame->n = 1;
}

/* A byte that has to be looked at. */
static void dpr_http_frame_byte(struct dpr_http_frame *frame, bool head, u8 c)
{
	if (!c || (frame->cr && c != '\n')) {
		dpr_http_frame_lose(frame);
		return;
	}
	frame->cr = c == '\r';
	if (frame->cr)
		return;
	switch (frame->state) {
	case DPR_HTTP_FRAME_FIRST:
		if (c == ' ' && frame->flags & DPR_HTTP_FRAME_ANSWER) {
			if (!dpr_http_frame_is(frame, "HTTP/1.1") &&
			    !dpr_http_frame_is(frame, "HTTP/1.0"))
				dpr_http_frame_lose(frame);
		} else if (c == ' ') {
			dpr_http_frame_method(frame);
		}
		if (frame->state != DPR_HTTP_FRAME_LOST)
			dpr_http_frame_first(frame, c);
		break;
	case DPR_HTTP_FRAME_LINE:
		dpr_http_frame_line(frame, c);
		break;
	case DPR_HTTP_FRAME_NAME:
		dpr_http_frame_name(frame, head, c);
		break;
	case DPR_HTTP_FRAME_VALUE:
		dpr_http_frame_value(frame, c);
		break;
	case DPR_HTTP_FRAME_SIZE:
		dpr_http_frame_size(frame, c);
		break;
	}
}

/**
 * dpr_http_frame_feed - read on, up to the end of a message
 * @frame: how far it is read; changed
 * @answer: the messages are answers
 * @head: if so, the next one is to a request for a head alone
 * @buf: bytes
 * @len: how many
 *
 * Return: how many of them were read; the state says where that ends. Less than @len only if
 * a message has ended, or dpr_http_frame_pass() can go on.
 */
u32 dpr_http_frame_feed(struct dpr_http_frame *frame, bool answer, bool head,
			const u8 *buf, u32 len)
{
	u32 at = 0;

	if (frame->state == DPR_HTTP_FRAME_BETWEEN && len)
		*frame = (struct dpr_http_frame){
			.state = DPR_HTTP_FRAME_FIRST,
			.flags = answer ? DPR_HTTP_FRAME_ANSWER : 0,
		};
	while (at < len) {
		switch (frame->state) {
		case DPR_HTTP_FRAME_LOST:
			return len;
		case DPR_HTTP_FRAME_BETWEEN:
		case DPR_HTTP_FRAME_BODY:
		case DPR_HTTP_FRAME_CHUNK:
			return at;
		default:
			dpr_http_frame_byte(frame, head, buf[at++]);
		}
	}
	return at;
}
