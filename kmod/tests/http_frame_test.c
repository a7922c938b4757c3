// SPDX-License-Identifier: GPL-2.0
/* Tests of where HTTP/1 messages end (../core/http_frame.c): TAP on standard output. */
#include "http_frame.h"
#include "tap.h"

/*
 * Reads bytes in pieces of up to @step; returns the ends of messages, and how it ends:
 * "5 9 .", "5 lost" or "5 more". @heads: answers to HEAD requests, a bit each.
 */
static const char *read_all(bool answer, u32 heads, const char *text, size_t len,
			    size_t step)
{
	struct dpr_http_frame frame = {};
	static char said[512];
	char *end = said;
	size_t at = 0;
	u32 messages = 0;

	said[0] = '\0';
	while (at < len && frame.state != DPR_HTTP_FRAME_LOST) {
		size_t n = len - at < step ? len - at : step, was = at;
		u8 *buf = malloc(n);

		if (!buf)
			abort();
		memcpy(buf, text + at, n);
		at += dpr_http_frame_pass(&frame, n);
		if (at == was)
			at += dpr_http_frame_feed(&frame, answer,
						  heads >> messages & 1, buf, n);
		free(buf);
		if (at == was)
			abort();
		if (frame.state != DPR_HTTP_FRAME_BETWEEN)
			continue;
		/* An interim answer has another one after it. */
		if (!answer || frame.status >= 200)
			messages++;
		end += sprintf(end, "%zu ", at);
	}
	strcpy(end, frame.state == DPR_HTTP_FRAME_LOST ? "lost" :
		    frame.state == DPR_HTTP_FRAME_BETWEEN ? "." : "more");
	return said;
}

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n" /* 27 bytes */

static const struct {
	const char *what;
	bool answer;
	u32 heads;
	const char *text;
	const char *want;
} streams[] = {
	{ "a request", false, 0, GET, "27 ." },
	{ "two", false, 0, GET GET, "27 54 ." },
	{ "half a one", false, 0, GET "GET / HT", "27 more" },
	{ "LF alone", false, 0, "GET / HTTP/1.1\nHost: a\n\n", "24 ." },
	{ "HTTP/1.0", false, 0, "GET / HTTP/1.0\r\n\r\n", "18 ." },
	{ "HTTP/2", false, 0, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "lost" },
	{ "another version", false, 0, "GET / HTTP/1.2\r\n\r\n", "lost" },
	{ "CONNECT", false, 0, "CONNECT a:1 HTTP/1.1\r\n\r\n", "lost" },
	{ "a method in small letters", false, 0, "get / HTTP/1.1\r\n\r\n", "lost" },
	{ "TLS", false, 0, "\x16\x03\x01", "lost" },
	{ "an empty line in front", false, 0, "\r\n" GET, "lost" },
	{ "a body", false, 0,
	  "POST / HTTP/1.1\r\nContent-Length: 5 \r\n\r\nGET /" GET, "44 71 ." },
	{ "no body", false, 0, "POST / HTTP/1.1\r\ncontent-length:0\r\n\r\n" GET,
	  "37 64 ." },
	{ "two lengths", false, 0,
	  "POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
	  "lost" },
	{ "a length with a sign", false, 0,
	  "POST / HTTP/1.1\r\nContent-Length: +5\r\n\r\n", "lost" },
	{ "an empty length", false, 0,
	  "POST / HTTP/1.1\r\nContent-Length:\r\n\r\n", "lost" },
	{ "two numbers", false, 0,
	  "POST / HTTP/1.1\r\nContent-Length: 5 5\r\n\r\n", "lost" },
	{ "a length of 2^64 + 1", false, 0,
	  "POST / HTTP/1.1\r\nContent-Length: 18446744073709551617\r\n\r\n", "lost" },
	{ "chunks", false, 0,
	  "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
	  "A;x=\"y\"\r\n0\r\n\r\nGET /\r\n1\r\nx\r\n0\r\n\r\n" GET, "79 106 ." },
	{ "a trailer", false, 0,
	  "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n"
	  "0\r\nContent-Length: 9\r\n\r\n" GET, "71 98 ." },
	{ "another coding", false, 0,
	  "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "lost" },
	{ "a coding and a length", false, 0,
	  "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
	  "lost" },
	{ "a chunk without size", false, 0,
	  "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n;a\r\n", "lost" },
	{ "a space before a colon", false, 0,
	  "POST / HTTP/1.1\r\nContent-Length : 5\r\n\r\n", "lost" },
	{ "a folded line", false, 0, "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", "lost" },
	{ "a CR", false, 0, "GET / HTTP/1.1\r\nA: b\rContent-Length: 1\r\n\r\n",
	  "lost" },
	{ "NTLM", false, 0, "GET / HTTP/1.1\r\nAuthorization: NTLM TlR\r\n\r\n",
	  "lost" },
	{ "Negotiate", false, 0,
	  "GET / HTTP/1.1\r\nAuthorization: Negotiate a\r\n\r\n", "lost" },
	{ "Basic", false, 0, "GET / HTTP/1.1\r\nAuthorization: Basic a\r\n\r\n",
	  "42 ." },
	{ "a long name", false, 0,
	  "GET / HTTP/1.1\r\nContent-Lengthhhhhhhhhhhhh: 5\r\n\r\n", "49 ." },
	{ "an answer", true, 0, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
	  "41 ." },
	{ "without a reason", true, 0,
	  "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "35 ." },
	{ "three kinds without a body", true, 4,
	  "HTTP/1.1 204 No\r\n\r\nHTTP/1.1 304 No\r\nContent-Length: 9\r\n\r\n"
	  "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", "19 57 95 ." },
	{ "in chunks", true, 0,
	  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	  "3\r\nabc\r\n0\r\n\r\n", "60 ." },
	{ "up to the end", true, 0, "HTTP/1.1 200 OK\r\n\r\nabc", "lost" },
	{ "interim", true, 0,
	  "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
	  "25 63 ." },
	{ "another protocol", true, 0,
	  "HTTP/1.1 101 Switching\r\nContent-Length: 0\r\n\r\n", "lost" },
	{ "HTTP/1.0", true, 0, "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
	  "38 ." },
	{ "HTTP/0.9", true, 0, "<html>", "lost" },
	{ "a status of four digits", true, 0,
	  "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n", "lost" },
	{ "a status of two", true, 0, "HTTP/1.1 20 OK\r\n\r\n", "lost" },
	{ "NTLM", true, 0,
	  "HTTP/1.1 401 No\r\nWWW-Authenticate: NTLM\r\nContent-Length: 0\r\n\r\n",
	  "lost" },
};

static void test_streams(void)
{
	size_t i, step;

	for (i = 0; i < sizeof(streams) / sizeof(streams[0]); i++) {
		const size_t len = strlen(streams[i].text);
		bool right = true;

		for (step = 1; step <= len; step++) {
			const char *got = read_all(streams[i].answer,
						   streams[i].heads,
						   streams[i].text, len, step);

			if (!strcmp(got, streams[i].want))
				continue;
			fprintf(stderr, "%s, in steps of %zu: \"%s\", want \"%s\"\n",
				streams[i].what, step, got, streams[i].want);
			right = false;
			break;
		}
		check(right, streams[i].what);
	}
}

static void test_nul(void)
{
	static const char nul[] = "GET / HTTP/1.1\r\nA: \0\r\n\r\n";

	check(!strcmp(read_all(false, 0, nul, sizeof(nul) - 1, 4), "lost"), "NUL");
}

static void test_flags(void)
{
	static const struct {
		const char *head;
		u8 flags;
	} heads[] = {
		{ GET, DPR_HTTP_FRAME_NEWEST | DPR_HTTP_FRAME_SAFE },
		{ "HEAD / HTTP/1.1\r\n\r\n", DPR_HTTP_FRAME_NEWEST |
		  DPR_HTTP_FRAME_SAFE | DPR_HTTP_FRAME_HEAD },
		{ "OPTIONS * HTTP/1.0\r\n\r\n", DPR_HTTP_FRAME_SAFE },
		{ "PUT / HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
		  DPR_HTTP_FRAME_NEWEST | DPR_HTTP_FRAME_LENGTH },
		{ "GET / HTTP/1.1\r\nUpgrade: h2c\r\n\r\n", DPR_HTTP_FRAME_NEWEST |
		  DPR_HTTP_FRAME_SAFE | DPR_HTTP_FRAME_OTHER },
		{ "GET / HTTP/1.1\r\nexpect: 100-continue\r\n\r\n",
		  DPR_HTTP_FRAME_NEWEST | DPR_HTTP_FRAME_SAFE |
		  DPR_HTTP_FRAME_OTHER },
	};
	bool right = true;
	size_t i;

	for (i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		struct dpr_http_frame frame = {};

		dpr_http_frame_feed(&frame, false, false, (const u8 *)heads[i].head,
				    strlen(heads[i].head));
		right &= frame.state == DPR_HTTP_FRAME_BETWEEN &&
			 frame.flags == heads[i].flags;
	}
	check(right, "what a request is");
}

/* Whatever comes, it ends, and no more is read than there is. */
static void test_noise(void)
{
	static const char some[] = "GETHAD /1.0\r\n:;content-length\t chunked5";
	char text[256];
	int round;
	size_t i;

	for (round = 0; round < 20000; round++) {
		strcpy(text, round & 1 ? "HTTP/1.1 200 OK\r\n" : "GET / HTTP/1.1\r\n");
		for (i = strlen(text); i < sizeof(text); i++)
			text[i] = some[number() % (sizeof(some) - 1)];
		read_all(round & 1, 0, text, sizeof(text), 1 + number() % 40);
	}
	check(true, "noise");
}

int main(void)
{
	test_streams();
	test_nul();
	test_flags();
	test_noise();
	return verdict();
}
