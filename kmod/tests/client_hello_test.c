// SPDX-License-Identifier: GPL-2.0
/* Tests of ClientHellos (../core/client_hello.c): TAP on standard output. */
#include "client_hello.h"
#include "hello.h"

static char said[4096];

static void say(const u8 *buf, const char *what, struct dpr_slice slice)
{
	char *end = said + strlen(said);

	end += sprintf(end, " %s=", what);
	while (slice.len) {
		u8 byte = dpr_slice_next(buf, &slice);

		*end++ = byte < ' ' ? '|' : byte;
	}
	*end = '\0';
}

static const char *read_bytes(const u8 *bytes, size_t len)
{
	struct dpr_client_hello hello = {};
	u8 *buf = malloc(len);
	struct dpr_request req;
	enum dpr_step step;

	if (len && !buf)
		abort();
	memcpy(buf, bytes, len);
	said[0] = '\0';
	dpr_request_begin(&req);
	do {
		step = dpr_client_hello_step(buf, len, &hello, &req);
	} while (step == DPR_STEP_FACT);
	if (step == DPR_STEP_END && req.has & DPR_FACT_SNI)
		say(buf, "sni", req.sni);
	if (step == DPR_STEP_END && req.has & DPR_FACT_ALPN)
		say(buf, "alpn", req.alpn);
	free(buf);
	if (step != DPR_STEP_END)
		return step == DPR_STEP_BAD ? "bad" : "more";
	if (req.known != (DPR_FACT_HTTP | DPR_FACT_TLS))
		return "not all is known";
	return said[0] ? said + 1 : "nothing";
}

static bool is(const struct hello *message, size_t record, const char *want)
{
	static struct hello bytes;
	const char *got;

	bytes.len = 0;
	put_records(&bytes, message, record);
	got = read_bytes(bytes.byte, bytes.len);
	if (!strcmp(got, want))
		return true;
	printf("# got %s, want %s\n", got, want);
	return false;
}

static struct hello with(const struct hello *extensions)
{
	struct hello h = { .len = 0 };

	put_hello(&h, extensions);
	return h;
}

static void test_plain(void)
{
	struct hello e = { .len = 0 }, none = { .len = 0 }, h;

	put_extension(&e, 0x0a0a, "", 0);
	put_sni(&e, "www.Example.org");
	put_extension(&e, 51, "key share", 9);
	put_alpn(&e, "\2h2\10http/1.1");
	h = with(&e);
	check(is(&h, 16384, "sni=www.Example.org alpn=|h2|http/1.1"),
	      "name and protocols");
	h = with(NULL);
	check(is(&h, 16384, "nothing"), "no extensions");
	h = with(&none);
	check(is(&h, 16384, "nothing"), "an empty list of extensions");
	none = (struct hello){ .len = 0 };
	put_sni(&none, "x.");
	h = with(&none);
	check(is(&h, 16384, "sni=x"), "a dot at the end");
	none.len = 0;
	put_sni(&none, ".");
	put_alpn(&none, "\1x");
	h = with(&none);
	check(is(&h, 16384, "sni=. alpn=|x"), "a dot alone, the shortest protocol");
	check(!strcmp(read_bytes((const u8 *)"\x16\3\1\x40\0\1", 6), "more"),
	      "the longest record");
}

static void test_records(void)
{
	struct hello e = { .len = 0 }, h, bytes = { .len = 0 };
	static const char share[500];
	bool right = true, more = true;
	size_t n;

	put_sni(&e, "a.example");
	put_alpn(&e, "\2h2");
	put_extension(&e, 51, share, sizeof(share));
	h = with(&e);
	for (n = 1; n < 700; n++)
		right &= is(&h, n, "sni=a.example alpn=|h2");
	check(right, "records of any size");
	put_records(&bytes, &h, 100);
	for (n = 0; n < bytes.len; n++)
		more &= !strcmp(read_bytes(bytes.byte, n), "more");
	check(more, "segments of any size");
	bytes.byte[105] = 23;
	check(!strcmp(read_bytes(bytes.byte, bytes.len), "bad") &&
	      !strcmp(read_bytes(bytes.byte, 106), "bad"),
	      "a record of another type");
	bytes.byte[105] = 22;
	bytes.byte[106] = 2;
	check(!strcmp(read_bytes(bytes.byte, bytes.len), "bad"),
	      "a record of another version");
	bytes.byte[106] = 3;
	bytes.byte[108] = 0;
	bytes.byte[109] = 0;
	check(!strcmp(read_bytes(bytes.byte, bytes.len), "bad"),
	      "an empty record");
	bytes.byte[108] = 0x40;
	bytes.byte[109] = 1;
	check(!strcmp(read_bytes(bytes.byte, bytes.len), "bad"),
	      "a record that is too long");
}

static bool bad(const struct hello *extensions)
{
	struct hello h = with(extensions);

	return is(&h, 16384, "bad") && is(&h, 7, "bad");
}

/* An extension whose bytes are given. */
static bool bad_extension(size_t type, const char *bytes, size_t n)
{
	struct hello e = { .len = 0 };

	put_extension(&e, type, bytes, n);
	return bad(&e);
}

static void test_extensions(void)
{
	struct hello e = { .len = 0 }, bytes = { .len = 0 };
	char list[1200];

	put_sni(&e, "x");
	put_sni(&e, "x");
	check(bad(&e), "two extensions of names");
	e.len = 0;
	put_alpn(&e, "\1x");
	put_alpn(&e, "\1x");
	check(bad(&e), "two extensions of protocols");
	check(bad_extension(0, "", 0), "no list of names");
	check(bad_extension(0, "\0\0", 2), "an empty list of names");
	check(bad_extension(0, "\0\4\0\0\1x?", 7), "bytes behind the names");
	check(bad_extension(0, "\0\3\0\0\0", 5), "an empty name");
	check(bad_extension(0, "\0\4\0\0\2x", 6), "a name cut off");
	check(bad_extension(0, "\0\2\0\0", 4), "a name's length cut off");
	check(bad_extension(0, "\0\10\0\0\1x\0\0\1y", 10), "two names");
	check(bad_extension(16, "\0\0", 2), "no protocol");
	check(bad_extension(16, "\0\2\0\0", 4), "an empty protocol");
	check(bad_extension(16, "\0\3\3ab", 5), "a protocol cut off");
	check(bad_extension(16, "\0\2\1ab", 5), "bytes behind the protocols");
	memset(list, 1, sizeof(list));
	list[0] = 4;
	list[1] = 2;
	check(bad_extension(16, list, 1028), "more than a KiB of protocols");
	e.len = 0;
	list[1] = 0;
	put_extension(&e, 16, list, 1026);
	e = with(&e);
	put_records(&bytes, &e, 16384);
	check(!strncmp(read_bytes(bytes.byte, bytes.len), "alpn=", 5),
	      "a KiB of them");
	e.len = 0;
	put_extension(&e, 0, "\0\10\7\0\1?\0\0\1y", 10);
	e = with(&e);
	check(is(&e, 16384, "sni=y"), "a name of another type");
	e.len = 0;
	put_extension(&e, 16, "\0\3\3ab", 5);
	put_extension(&e, 51, "\0\0\0", 3);
	check(bad(&e), "a protocol that is longer than the list");
	e.len = 0;
	put_extension(&e, 51, "abc", 3);
	e.byte[3]++;
	check(bad(&e), "an extension cut off");
}

/* Changes one byte of a message that is right. */
static bool bad_byte(size_t at, u8 byte)
{
	struct hello e = { .len = 0 }, h;

	put_sni(&e, "x");
	h = with(&e);
	h.byte[at] = byte;
	return is(&h, 16384, "bad");
}

/* What is before the extensions, of which there are none. */
static bool bad_body(const char *bytes, size_t n)
{
	struct hello h = { .len = 0 };

	put_number(&h, 1, 1);
	put_number(&h, 3, 34 + n);
	put_number(&h, 2, 0x0303);
	h.len += 32;
	put(&h, bytes, n);
	return is(&h, 16384, "bad");
}

static void test_body(void)
{
	char session[40] = { 33 };

	memcpy(session + 34, "\0\2\x13\1\1\0", 6);
	check(bad_body(session, 40), "a session of 33 bytes");
	check(bad_body("\0\0\0\1\0", 5), "no cipher");
	check(bad_body("\0\0\1\x13\1\0", 6), "half a cipher");
	check(bad_body("\0\0\2\x13\1\0", 6), "no compression");
	check(!bad_body("\0\0\2\x13\1\1\0", 7), "and one that is right");
}

static void test_message(void)
{
	check(bad_byte(0, 2), "another message");
	check(bad_byte(3, 100), "a message that is too short");
	check(bad_byte(4, 2), "another version");
	check(bad_byte(38, 33), "a session's name that is too long");
	check(bad_byte(72, 0), "no ciphers");
	check(bad_byte(75, 0), "no compressions");
	check(bad_byte(78, 1), "bytes behind the extensions");
}

int main(void)
{
	test_plain();
	test_records();
	test_extensions();
	test_body();
	test_message();
	return verdict();
}
