// SPDX-License-Identifier: GPL-2.0
#include "http_head.h"

static bool dpr_http_head_digit(u8 c)
{
	return c >= '0' && c <= '9';
}

/* Sets of the characters of ASCII, a bit each: as attackers choose what is looked at. */
static const u32 dpr_http_head_tokens[4] = {
	/* Letters, digits, !#$%&'*+-.^_`|~ (RFC 9110, section 5.6.2). */
	0x00000000, 0x03ff6cfa, 0xc7fffffe, 0x57ffffff,
};

static const u32 dpr_http_head_names[4] = {
	/* Letters, digits, -._~%!$&'()*+,;= (RFC 3986, section 3.2.2). */
	0x00000000, 0x2bff7ff2, 0x87fffffe, 0x47fffffe,
};

static bool dpr_http_head_in(u8 c, const u32 set[4])
{
	return c < 128 && set[c >> 5] >> (c & 31) & 1;
}

/**
 * dpr_http_head_token - may a method, a field's name, a cookie's name have this byte
 * @c: the byte
 */
bool dpr_http_head_token(u8 c)
{
	return dpr_http_head_in(c, dpr_http_head_tokens);
}

/* May a target have it: visible, or beyond ASCII, which servers take as it is. */
static bool dpr_http_head_target(u8 c)
{
	return c > ' ' && c != 0x7f && c != '#';
}

/* RFC 3986, section 3.2.2: a literal is an IPv6 address; others are not in use. */
static bool dpr_http_head_literal(u8 c)
{
	u8 low = dpr_request_lower(c);

	return dpr_http_head_digit(c) || (low >= 'a' && low <= 'f') ||
	       c == ':' || c == '.';
}

/**
 * dpr_http_head_host - where a host ends
 * @buf: the buffer
 * @from: offset of the host
 * @to: offset behind what may be the host
 * @end: set to the offset behind the host
 *
 * Return: false if it is none. An empty one is one.
 */
bool dpr_http_head_host(const u8 *buf, u32 from, u32 to, u32 *end)
{
	u32 at = from;

	if (at < to && buf[at] == '[') {
		for (at++; at < to && dpr_http_head_literal(buf[at]); at++)
			;
		if (at == from + 1 || at == to || buf[at] != ']')
			return false;
		*end = at + 1;
		return true;
	}
	while (at < to && dpr_http_head_in(buf[at], dpr_http_head_names))
		at++;
	*end = at;
	return true;
}

/*
 * Reads a host with or without a port; @port: it must have one. The request has the
 * host if it is not empty.
 */
static bool dpr_http_head_authority(const u8 *buf, u32 from, u32 to, bool port,
				    struct dpr_request *req)
{
	bool set = !(req->known & DPR_FACT_HOST);
	u32 end, at;

	if (!dpr_http_head_host(buf, from, to, &end))
		return false;
	at = end;
	if (at < to && buf[at] == ':')
		for (at++; at < to && dpr_http_head_digit(buf[at]); at++)
			;
	if (at != to || (port && at < end + 2))
		return false;
	if (end > from + 1 && buf[end - 1] == '.')
		end--;
	if (!set)
		return true;
	req->known |= DPR_FACT_HOST;
	if (end > from) {
		req->has |= DPR_FACT_HOST;
		req->host = dpr_slice_of(from, end);
	}
	return true;
}

static void dpr_http_head_path(const u8 *buf, u32 from, u32 to,
			       struct dpr_request *req)
{
	u32 at = from;

	while (at < to && buf[at] != '?')
		at++;
	req->has |= DPR_FACT_PATH;
	req->path = dpr_slice_of(from, at);
}

/* Is it the text, which has no capital letters, but for the case of letters? */
static bool dpr_http_head_is(const u8 *buf, u32 from, u32 to, const char *text)
{
	while (from < to && *text && dpr_request_lower(buf[from]) == (u8)*text) {
		from++;
		text++;
	}
	return from == to && !*text;
}

static bool dpr_http_head_scheme(const u8 *buf, u32 from, u32 to, u32 *authority)
{
	u32 at = from;

	while (at < to && buf[at] != ':')
		at++;
	if (!dpr_http_head_is(buf, from, at, "http") &&
	    !dpr_http_head_is(buf, from, at, "https"))
		return false;
	*authority = at + 3;
	return to - at > 3 && buf[at + 1] == '/' && buf[at + 2] == '/';
}

static bool dpr_http_head_absolute(const u8 *buf, u32 from, u32 to, bool options,
				   struct dpr_request *req)
{
	u32 at, end;

	if (!dpr_http_head_scheme(buf, from, to, &at))
		return false;
	end = at;
	while (end < to && buf[end] != '/' && buf[end] != '?')
		end++;
	if (!dpr_http_head_authority(buf, at, end, false, req) ||
	    !(req->has & DPR_FACT_HOST))
		return false;
	/* RFC 9112, section 3.2.4: without a path it is what "*" is. */
	if (!options || end < to)
		dpr_http_head_path(buf, end, to, req);
	return true;
}

/* The four forms of RFC 9112, section 3.2. */
static bool dpr_http_head_form(const u8 *buf, u32 from, u32 to,
			       struct dpr_request *req)
{
	const u32 method = req->method.at;
	const u32 method_end = method + req->method.len;
	const bool options = req->method.len == 7 &&
			     !memcmp(buf + method, "OPTIONS", 7);

	req->known |= DPR_FACT_METHOD | DPR_FACT_PATH;
	req->has |= DPR_FACT_METHOD;
	if (method_end - method == 7 && !memcmp(buf + method, "CONNECT", 7))
		return dpr_http_head_authority(buf, from, to, true, req) &&
		       req->has & DPR_FACT_HOST;
	if (buf[from] == '/') {
		dpr_http_head_path(buf, from, to, req);
		return true;
	}
	if (to - from == 1 && buf[from] == '*')
		return options;
	return dpr_http_head_absolute(buf, from, to, options, req);
}

/* What follows a target, which is "HTTP/1.x" and the line's end. */
static enum dpr_step dpr_http_head_version(const u8 *buf, u32 len, u32 at,
					   const char *text, u32 *end)
{
	for (; *text; text++, at++) {
		if (at == len)
			return DPR_STEP_MORE;
		if (*text == '?' ? !dpr_http_head_digit(buf[at]) :
				   buf[at] != (u8)*text)
			return DPR_STEP_BAD;
	}
	if (at < len && buf[at] == '\r')
		at++;
	if (at == len)
		return DPR_STEP_MORE;
	*end = at + 1;
	return buf[at] == '\n' ? DPR_STEP_FACT : DPR_STEP_BAD;
}

static enum dpr_step dpr_http_head_empty(const u8 *buf, u32 len, u32 *at)
{
	u32 lines = 0;

	while (*at < len && (buf[*at] == '\r' || buf[*at] == '\n')) {
		if (lines++ == DPR_HTTP_HEAD_EMPTY_LINES)
			return DPR_STEP_BAD;
		if (buf[*at] == '\r' && ++*at == len)
			return DPR_STEP_MORE;
		if (buf[*at] != '\n')
			return DPR_STEP_BAD;
		++*at;
	}
	return *at == len ? DPR_STEP_MORE : DPR_STEP_FACT;
}

static enum dpr_step dpr_http_head_request(const u8 *buf, u32 len,
					   struct dpr_http_head *head,
					   struct dpr_request *req)
{
	u32 at = head->at, target;
	enum dpr_step step;
	bool preface;

	step = dpr_http_head_empty(buf, len, &at);
	if (step != DPR_STEP_FACT)
		return step;
	target = at;
	while (at < len && dpr_http_head_token(buf[at]) &&
	       at - target <= DPR_HTTP_HEAD_METHOD)
		at++;
	if (at - target > DPR_HTTP_HEAD_METHOD)
		return DPR_STEP_BAD;
	if (at == len)
		return DPR_STEP_MORE;
	if (at == target || buf[at] != ' ')
		return DPR_STEP_BAD;
	req->method = dpr_slice_of(target, at);
	target = ++at;
	while (at < len && dpr_http_head_target(buf[at]))
		at++;
	if (at == len)
		return DPR_STEP_MORE;
	if (at == target || buf[at] != ' ')
		return DPR_STEP_BAD;
	preface = at - target == 1 && buf[target] == '*' &&
		  req->method.len == 3 && !memcmp(buf + req->method.at, "PRI", 3);
	step = dpr_http_head_version(buf, len, at + 1,
				     preface ? "HTTP/2.0" : "HTTP/1.?",
				     &head->at);
	if (step != DPR_STEP_FACT)
		return step;
	head->fields = true;
	if (preface) {
		req->known |= DPR_FACT_HTTP;
		return DPR_STEP_END;
	}
	return dpr_http_head_form(buf, target, at, req) ? DPR_STEP_FACT :
							  DPR_STEP_BAD;
}

static bool dpr_http_head_blank(u8 c)
{
	return c == ' ' || c == '\t';
}

/* RFC 6265, section 4.2.1; a part without "=" is no cookie. */
static void dpr_http_head_cookies(const u8 *buf, u32 from, u32 to,
				  struct dpr_request *req)
{
	u32 at = from, end, name;

	while (at < to && req->cookies < DPR_REQUEST_COOKIES) {
		while (at < to && (dpr_http_head_blank(buf[at]) || buf[at] == ';'))
			at++;
		name = at;
		while (name < to && buf[name] != '=' && buf[name] != ';')
			name++;
		end = name;
		while (end < to && buf[end] != ';')
			end++;
		if (name < to && buf[name] == '=' && name > at) {
			u32 value = end;

			while (value > name + 1 &&
			       dpr_http_head_blank(buf[value - 1]))
				value--;
			req->cookie[req->cookies++] = (struct dpr_cookie){
				.at = at,
				.name = name - at,
				.value = value - name - 1,
			};
		}
		at = end;
	}
}

/* A field's line; @to is behind its last byte but the line's end. */
static enum dpr_step dpr_http_head_field(const u8 *buf, u32 from, u32 to,
					 struct dpr_http_head *head,
					 struct dpr_request *req)
{
	const bool had = req->known & DPR_FACT_HOST;
	u32 name = from;
	bool first;

	while (name < to && dpr_http_head_token(buf[name]))
		name++;
	if (name == from || name == to || buf[name] != ':' ||
	    memchr(buf + from, '\0', to - from) ||
	    memchr(buf + from, '\r', to - from))
		return DPR_STEP_BAD;
	if (dpr_http_head_is(buf, from, name, "host")) {
		for (from = name + 1; from < to && dpr_http_head_blank(buf[from]);)
			from++;
		while (to > from && dpr_http_head_blank(buf[to - 1]))
			to--;
		if (head->host ||
		    !dpr_http_head_authority(buf, from, to, false, req))
			return DPR_STEP_BAD;
		head->host = true;
		return had ? DPR_STEP_MORE : DPR_STEP_FACT;
	}
	if (!dpr_http_head_is(buf, from, name, "cookie"))
		return DPR_STEP_MORE;
	first = !head->cookie;
	head->cookie = true;
	dpr_http_head_cookies(buf, name + 1, to, req);
	return first ? DPR_STEP_FACT : DPR_STEP_MORE;
}

static enum dpr_step dpr_http_head_line(const u8 *buf, u32 len,
					struct dpr_http_head *head,
					struct dpr_request *req)
{
	const u32 from = head->at;
	const u8 *lf;
	u32 to;

	if (from == len)
		return DPR_STEP_MORE;
	if (dpr_http_head_blank(buf[from]))
		return DPR_STEP_BAD;
	lf = memchr(buf + from, '\n', len - from);
	if (!lf)
		return DPR_STEP_MORE;
	to = lf - buf;
	head->at = to + 1;
	if (to > from && buf[to - 1] == '\r')
		to--;
	if (to > from)
		return dpr_http_head_field(buf, from, to, head, req);
	req->known |= DPR_FACT_HTTP;
	if (req->cookies)
		req->has |= DPR_FACT_COOKIES;
	return DPR_STEP_END;
}

/**
 * dpr_http_head_step - read on until there is something new
 * @buf: what the client sent
 * @len: its length, at most DPR_REQUEST_MAX
 * @head: how far it is read; all zero at first
 * @req: what is known; changed. dpr_request_begin() at first
 *
 * After DPR_STEP_MORE one begins again, with more bytes. There are at most four
 * DPR_STEP_FACT: for the request line, the host, the first Cookie field.
 */
enum dpr_step dpr_http_head_step(const u8 *buf, u32 len,
				 struct dpr_http_head *head,
				 struct dpr_request *req)
{
	enum dpr_step step;
	u32 before;

	/* It has nothing of a ClientHello. */
	req->known |= DPR_FACT_TLS;
	if (!head->fields)
		return dpr_http_head_request(buf, len, head, req);
	do {
		before = head->at;
		step = dpr_http_head_line(buf, len, head, req);
	} while (step == DPR_STEP_MORE && head->at != before);
	return step;
}
