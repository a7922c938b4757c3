// SPDX-License-Identifier: GPL-2.0
/* Tests of requests' heads (../core/http_head.c): TAP on standard output. */
#include "http_head.h"
#include "tap.h"

static char said[4096];

static void say(const u8 *buf, const char *what, struct dpr_slice slice)
{
	char *end = said + strlen(said);

	end += sprintf(end, " %s=", what);
	while (slice.len)
		*end++ = dpr_slice_next(buf, &slice);
	*end = '\0';
}

/* What is understood of the bytes, in words. */
static const char *read_head(const void *text, size_t len)
{
	struct dpr_http_head head = {};
	u8 *buf = malloc(len);
	struct dpr_request req;
	enum dpr_step step;
	u32 i;

	if (len && !buf)
		abort();
	memcpy(buf, text, len);
	said[0] = '\0';
	dpr_request_begin(&req);
	do {
		step = dpr_http_head_step(buf, len, &head, &req);
	} while (step == DPR_STEP_FACT);
	if (step != DPR_STEP_END) {
		free(buf);
		return step == DPR_STEP_BAD ? "bad" : "more";
	}
	if (req.has & DPR_FACT_METHOD)
		say(buf, "method", req.method);
	if (req.has & DPR_FACT_HOST)
		say(buf, "host", req.host);
	if (req.has & DPR_FACT_PATH)
		say(buf, "path", req.path);
	for (i = 0; i < req.cookies; i++)
		say(buf, "cookie", dpr_slice_of(req.cookie[i].at,
						req.cookie[i].at +
						req.cookie[i].name + 1 +
						req.cookie[i].value));
	free(buf);
	if (req.known != (DPR_FACT_HTTP | DPR_FACT_TLS))
		return "not all is known";
	return said[0] ? said + 1 : "nothing";
}

static const struct {
	const char *what;
	const char *head;
	const char *want;
} heads[] = {
	{ "a request", "GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n",
	  "method=GET host=x path=/a" },
	{ "HTTP/1.0 without a host", "GET / HTTP/1.0\r\n\r\n", "method=GET path=/" },
	{ "an empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", "method=GET path=/" },
	{ "a host of blanks", "GET / HTTP/1.1\r\nHost: \t \r\n\r\n",
	  "method=GET path=/" },
	{ "a port", "GET / HTTP/1.1\r\nHOST:x:80\r\n\r\n",
	  "method=GET host=x path=/" },
	{ "an empty port", "GET / HTTP/1.1\r\nHost: x:\r\n\r\n",
	  "method=GET host=x path=/" },
	{ "a port that is none", "GET / HTTP/1.1\r\nHost: x:a\r\n\r\n", "bad" },
	{ "a dot at the end", "GET / HTTP/1.1\r\nHost: x.y.:1 \t\r\n\r\n",
	  "method=GET host=x.y path=/" },
	{ "a dot alone", "GET / HTTP/1.1\r\nHost: .\r\n\r\n",
	  "method=GET host=. path=/" },
	{ "an IPv6 literal", "GET / HTTP/1.1\r\nHost: [2001:DB8::1]:80\r\n\r\n",
	  "method=GET host=[2001:DB8::1] path=/" },
	{ "all letters of a literal", "GET / HTTP/1.1\r\nHost: [afAF:09.]\r\n\r\n",
	  "method=GET host=[afAF:09.] path=/" },
	{ "another letter", "GET / HTTP/1.1\r\nHost: [g::]\r\n\r\n", "bad" },
	{ "a host beyond ASCII", "GET / HTTP/1.1\r\nHost: \x80\r\n\r\n", "bad" },
	{ "a method beyond ASCII", "\x80 / HTTP/1.1\r\n\r\n", "bad" },
	{ "an IPv6 literal without end", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n",
	  "bad" },
	{ "an empty IPv6 literal", "GET / HTTP/1.1\r\nHost: []\r\n\r\n", "bad" },
	{ "text behind a literal", "GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n", "bad" },
	{ "userinfo in a host", "GET / HTTP/1.1\r\nHost: a@x\r\n\r\n", "bad" },
	{ "a space in a host", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "bad" },
	{ "a slash in a host", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "bad" },
	{ "two hosts", "GET / HTTP/1.1\r\nHost: x\r\nhost: x\r\n\r\n", "bad" },
	{ "the target's host", "GET http://x/p HTTP/1.1\r\nHost: y\r\n\r\n",
	  "method=GET host=x path=/p" },
	{ "the target's host, no field", "GET HTTPS://x:1?q HTTP/1.1\r\n\r\n",
	  "method=GET host=x path=" },
	{ "the target's host, a field that is none",
	  "GET http://x/ HTTP/1.1\r\nHost: a b\r\n\r\n", "bad" },
	{ "the target's host, two fields",
	  "GET http://x/ HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", "bad" },
	{ "a target without host", "GET http:///p HTTP/1.1\r\n\r\n", "bad" },
	{ "another scheme", "GET ftp://x/p HTTP/1.1\r\n\r\n", "bad" },
	{ "no slashes", "GET http:x/p HTTP/1.1\r\n\r\n", "bad" },
	{ "userinfo in a target", "GET http://u@x/ HTTP/1.1\r\n\r\n", "bad" },
	{ "a fragment", "GET /a#b HTTP/1.1\r\n\r\n", "bad" },
	{ "a target of UTF-8", "GET /\xc3\xa4 HTTP/1.1\r\n\r\n",
	  "method=GET path=/\xc3\xa4" },
	{ "CONNECT", "CONNECT x:443 HTTP/1.1\r\nHost: y\r\n\r\n",
	  "method=CONNECT host=x" },
	{ "CONNECT without port", "CONNECT x HTTP/1.1\r\n\r\n", "bad" },
	{ "CONNECT with an empty port", "CONNECT x: HTTP/1.1\r\n\r\n", "bad" },
	{ "CONNECT without host", "CONNECT :1 HTTP/1.1\r\n\r\n", "bad" },
	{ "GET of an authority", "GET x:443 HTTP/1.1\r\n\r\n", "bad" },
	{ "OPTIONS", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
	  "method=OPTIONS host=x" },
	{ "OPTIONS of a host", "OPTIONS http://x HTTP/1.1\r\n\r\n",
	  "method=OPTIONS host=x" },
	{ "OPTIONS of a path", "OPTIONS http://x/ HTTP/1.1\r\n\r\n",
	  "method=OPTIONS host=x path=/" },
	{ "GET of *", "GET * HTTP/1.1\r\n\r\n", "bad" },
	{ "OPTIONS of *a", "OPTIONS *a HTTP/1.1\r\n\r\n", "bad" },
	{ "OPTIONS of a", "OPTIONS a HTTP/1.1\r\n\r\n", "bad" },
	{ "a small method", "get / HTTP/1.1\r\n\r\n", "method=get path=/" },
	{ "a method of 32 characters",
	  "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345 / HTTP/1.1\r\n\r\n",
	  "method=ABCDEFGHIJKLMNOPQRSTUVWXYZ012345 path=/" },
	{ "one of 33", "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456", "bad" },
	{ "no method", " / HTTP/1.1\r\n\r\n", "bad" },
	{ "two spaces", "GET  / HTTP/1.1\r\n\r\n", "bad" },
	{ "a tab", "GET\t/ HTTP/1.1\r\n\r\n", "bad" },
	{ "a space behind the version", "GET / HTTP/1.1 \r\n\r\n", "bad" },
	{ "HTTP/0.9", "GET /\r\n", "bad" },
	{ "HTTP/1.9", "GET / HTTP/1.9\r\n\r\n", "method=GET path=/" },
	{ "HTTP/2.0", "GET / HTTP/2.0\r\n\r\n", "bad" },
	{ "http/1.1", "GET / http/1.1\r\n\r\n", "bad" },
	{ "the preface of HTTP/2", "PRI * HTTP/2.0\r\n", "nothing" },
	{ "GET of * of HTTP/2", "GET * HTTP/2.0\r\n", "bad" },
	{ "a tab behind the target", "GET /\tHTTP/1.1\r\n\r\n", "bad" },
	{ "PRI of HTTP/1.1", "PRI * HTTP/1.1\r\n", "bad" },
	{ "LF alone", "GET / HTTP/1.1\nHost: x\n\n", "method=GET host=x path=/" },
	{ "CR alone", "GET / HTTP/1.1\r\nHost: x\ry\r\n\r\n", "bad" },
	{ "CR CR LF", "GET / HTTP/1.1\r\nHost: x\r\r\n\r\n", "bad" },
	{ "empty lines in front", "\r\n\nGET / HTTP/1.1\r\n\r\n",
	  "method=GET path=/" },
	{ "eight of them", "\n\n\n\n\n\n\n\nGET / HTTP/1.1\r\n\r\n",
	  "method=GET path=/" },
	{ "nine", "\n\n\n\n\n\n\n\n\n", "bad" },
	{ "CR without LF in front", "\rGET / HTTP/1.1\r\n\r\n", "bad" },
	{ "a folded line", "GET / HTTP/1.1\r\nHost: x\r\n y\r\n\r\n", "bad" },
	{ "a folded request line", "GET / HTTP/1.1\r\n\tHost: x\r\n\r\n", "bad" },
	{ "a space before the colon", "GET / HTTP/1.1\r\nHost : x\r\n\r\n", "bad" },
	{ "no colon", "GET / HTTP/1.1\r\nHost\r\n\r\n", "bad" },
	{ "no name", "GET / HTTP/1.1\r\n: x\r\n\r\n", "bad" },
	{ "cookies", "GET / HTTP/1.1\r\nCookie: a=b; c=d=e;; f ; =g;h= i \r\n\r\n",
	  "method=GET path=/ cookie=a=b cookie=c=d=e cookie=h= i" },
	{ "two fields of cookies", "GET / HTTP/1.1\r\nCookie: a=b\r\ncookie:c=\r\n\r\n",
	  "method=GET path=/ cookie=a=b cookie=c=" },
	{ "quotes belong to the value", "GET / HTTP/1.1\r\nCookie: a=\"b\"\r\n\r\n",
	  "method=GET path=/ cookie=a=\"b\"" },
	{ "another field", "GET / HTTP/1.1\r\nHosts: x\r\nHos: y\r\n\r\n",
	  "method=GET path=/" },
	{ "a body is not looked at", "GET / HTTP/1.1\r\n\r\nHost: x\r\n\r\n",
	  "method=GET path=/" },
	{ "a head without end", "GET / HTTP/1.1\r\nHost: x\r\n", "more" },
	{ "nothing", "", "more" },
	{ "another protocol", "SSH-2.0-OpenSSH\r\n", "bad" },
};

static void test_heads(void)
{
	size_t i;

	for (i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		const char *got = read_head(heads[i].head, strlen(heads[i].head));
		bool same = !strcmp(got, heads[i].want);

		check(same, heads[i].what);
		if (!same)
			printf("# got %s, want %s\n", got, heads[i].want);
	}
}

/* However much is there: it is never more than bad, and bad for ever. */
static void test_pieces(void)
{
	bool whole = true, bad;
	size_t i, len;

	for (i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		const bool want = !strcmp(heads[i].want, "bad");
		bool never = true;

		bad = false;
		for (len = 0; len <= strlen(heads[i].head); len++) {
			bool now = !strcmp(read_head(heads[i].head, len), "bad");

			never &= now >= bad;
			bad = now;
		}
		whole &= never && bad == want;
	}
	check(whole, "a head in pieces is what it is in one");
}

static void test_nul(void)
{
	static const char head[] = "GET / HTTP/1.1\r\nA: \0\r\n\r\n";
	static const char target[] = "GET /\0 HTTP/1.1\r\n\r\n";

	check(!strcmp(read_head(head, sizeof(head) - 1), "bad"),
	      "NUL in a field");
	check(!strcmp(read_head(target, sizeof(target) - 1), "bad"),
	      "NUL in a target");
	check(!strcmp(read_head("\0", 1), "bad"), "NUL in front");
}

static void test_many_cookies(void)
{
	char head[1024] = "GET / HTTP/1.1\r\nCookie: ";
	const char *got;
	int i;

	for (i = 0; i < DPR_REQUEST_COOKIES; i++)
		strcat(head, "a=b;");
	strcat(head, "last=c\r\n\r\n");
	got = read_head(head, strlen(head));
	check(!strstr(got, "last") && strlen(got) > 64 * 8,
	      "cookies beyond the 64th are not looked at");
}

int main(void)
{
	test_heads();
	test_pieces();
	test_nul();
	test_many_cookies();
	return verdict();
}
