// SPDX-License-Identifier: GPL-2.0
/* Tests of rules by what is asked for (../core/rule.c): TAP on standard output. */
#include "hello.h"
#include "rule.h"

/* Records that are being written. */
static u8 records[DPR_MAX_RULES_BYTES + 1024];
static u32 records_len;
static struct dpr_rule_set set;

static void record(u8 type, const void *value, u8 size)
{
	records[records_len++] = type;
	records[records_len++] = size;
	memcpy(records + records_len, value, size);
	records_len += size;
}

static void text(u8 type, const char *value)
{
	record(type, value, strlen(value));
}

static void group(u8 policy, u8 locality, u16 spill, const char *name)
{
	u8 value[64] = { policy, locality };

	memcpy(value + 2, &spill, sizeof(spill));
	memcpy(value + 4, name, strlen(name));
	record(DPR_RULES_GROUP, value, 4 + strlen(name));
}

static void rule(u8 to)
{
	record(DPR_RULES_RULE, &to, 1);
}

static void otherwise(u8 to)
{
	record(DPR_RULES_DEFAULT, &to, 1);
}

/* What is wrong with the records; NULL: nothing. Empties them. */
static const char *wrong(void)
{
	u8 *copy = malloc(records_len);
	const char *what;
	u32 at;

	if (records_len && !copy)
		abort();
	memcpy(copy, records, records_len);
	what = dpr_rule_check(copy, records_len, &set.index, &at);
	free(copy);
	if (what && at > records_len)
		what = "behind the records";
	set.records = records;
	set.len = records_len;
	records_len = 0;
	return what;
}

static bool is_wrong(const char *part)
{
	const char *what = wrong();

	if (what && strstr(what, part))
		return true;
	printf("# %s, not %s\n", what ? what : "nothing is wrong", part);
	return false;
}

static struct dpr_rules_result decide(const void *bytes, size_t len, bool final)
{
	struct dpr_rules_result result;
	u8 *copy = malloc(len);

	if (len && !copy)
		abort();
	memcpy(copy, bytes, len);
	dpr_rule_decide(&set, copy, len, final, &result);
	free(copy);
	return result;
}

static bool same(const struct dpr_rules_result *a,
		 const struct dpr_rules_result *b)
{
	return a->outcome == b->outcome && a->rule == b->rule &&
	       a->group == b->group && a->hashed == b->hashed &&
	       a->hash == b->hash;
}

/* The rule that matches, whatever follows the bytes that decided. */
static int matches_bytes(const void *bytes, size_t len)
{
	struct dpr_rules_result all = decide(bytes, len, false), some;
	size_t n;

	for (n = 0; n < len; n++) {
		some = decide(bytes, n, false);
		if (some.outcome != DPR_RULES_MORE && !same(&some, &all))
			return -2;
	}
	return all.outcome == DPR_RULES_MATCH ? all.rule :
	       all.outcome == DPR_RULES_NO_MATCH ? -1 : -10 - all.outcome;
}

static int matches(const char *head)
{
	return matches_bytes(head, strlen(head));
}

/* How many bytes it takes. */
static size_t takes(const char *head)
{
	size_t n = 0;

	while (n < strlen(head) &&
	       decide(head, n, false).outcome == DPR_RULES_MORE)
		n++;
	return n;
}

#define BAD	(-10 - DPR_RULES_BAD)
#define MORE	(-10 - DPR_RULES_MORE)

static void test_hosts(void)
{
	char head[400];

	group(0, 0, 0, "g");
	rule(0);
	text(DPR_RULES_HOST, "www.example.org");
	rule(0);
	text(DPR_RULES_HOST_SUFFIX, ".example.org");
	rule(0);
	text(DPR_RULES_HOST, "[2001:db8::1]");
	check(!wrong(), "rules of hosts");
	check(matches("GET / HTTP/1.1\r\nHost: www.example.org\r\n\r\n") == 0 &&
	      matches("GET / HTTP/1.1\r\nHost: WWW.EXAMPLE.ORG.:80\r\n\r\n") == 0,
	      "a host, whatever the case, port and dot");
	check(matches("GET / HTTP/1.1\r\nHost: a.www.example.org\r\n\r\n") == 1 &&
	      matches("GET / HTTP/1.1\r\nHost: A.Example.ORG\r\n\r\n") == 1,
	      "the first rule that matches, and a suffix");
	check(matches("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n") == -1 &&
	      matches("GET / HTTP/1.1\r\nHost: .example.org\r\n\r\n") == -1 &&
	      matches("GET / HTTP/1.1\r\nHost: aexample.org\r\n\r\n") == -1,
	      "a suffix is not the name itself");
	check(matches("GET / HTTP/1.1\r\nHost: [2001:DB8::1]:8080\r\n\r\n") == 2,
	      "an IPv6 literal");
	memcpy(head + sprintf(head, "GET / HTTP/1.1\r\nHost: %0*d", 255 - 12, 0),
	       ".example.org\r\n", 15);
	check(matches(head) == 1, "a host of 255 bytes");
	memcpy(head + sprintf(head, "GET / HTTP/1.1\r\nHost: %0*d", 256 - 12, 0),
	       ".example.org\r\n", 15);
	check(matches(head) == -1, "one of 256 is no host");
	check(matches("GET / HTTP/1.0\r\n\r\n") == -1, "no host");
	check(matches("GET http://a.example.org/ HTTP/1.1\r\nHost: "
		      "www.example.org\r\n\r\n") == 1,
	      "the target's host is the right one");
	check(matches("GET / HTTP/1.1\r\nA: b\r\n") == MORE, "no host yet");
	check(matches("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") == -1, "HTTP/2");
	check(matches("GET / HTTP/1.1\r\nA : b\r\n") == BAD, "no head");
	check(matches("GET / HTTP/1.1\r\nHost: www.example.org\r\n"
		      "Host: www.example.org\r\n\r\n") == 0,
	      "what follows does not count");
	check(takes("GET / HTTP/1.1\r\nHost: www.example.org\r\nA: b\r\n\r\n") ==
	      strlen("GET / HTTP/1.1\r\nHost: www.example.org\r\n"),
	      "no more is waited for than the host");
}

static void test_paths(void)
{
	group(0, 0, 0, "g");
	rule(0);
	text(DPR_RULES_PATH, "/api");
	rule(0);
	text(DPR_RULES_PATH, "/img/");
	rule(0);
	text(DPR_RULES_METHOD, "POST");
	text(DPR_RULES_PATH, "/");
	check(!wrong(), "rules of paths");
	check(matches("GET /api HTTP/1.1\r\n") == 0 &&
	      matches("GET /api/ HTTP/1.1\r\n") == 0 &&
	      matches("GET /api/x HTTP/1.1\r\n") == 0 &&
	      matches("GET /api?x HTTP/1.1\r\n") == 0 &&
	      matches("GET http://a/api HTTP/1.1\r\n") == 0,
	      "a path and what is below it");
	check(matches("GET /apis HTTP/1.1\r\n") == -1 &&
	      matches("GET /ap HTTP/1.1\r\n") == -1 &&
	      matches("GET /API HTTP/1.1\r\n") == -1 &&
	      matches("GET /%61pi HTTP/1.1\r\n") == -1 &&
	      matches("GET //api HTTP/1.1\r\n") == -1 &&
	      matches("GET /x/../api HTTP/1.1\r\n") == -1,
	      "and no other one, as it was sent");
	check(matches("GET /img HTTP/1.1\r\n") == -1 &&
	      matches("GET /img/ HTTP/1.1\r\n") == 1 &&
	      matches("GET /img/a HTTP/1.1\r\n") == 1,
	      "only what is below it");
	check(matches("POST /x HTTP/1.1\r\n") == 2 &&
	      matches("POST http://a HTTP/1.1\r\n") == 2 &&
	      matches("post /x HTTP/1.1\r\n") == -1 &&
	      matches("GET /x HTTP/1.1\r\n") == -1, "a method and all paths");
	check(matches("GET * HTTP/1.1\r\n") == BAD, "no target");
	check(matches("OPTIONS * HTTP/1.1\r\n") == -1 &&
	      matches("CONNECT a:1 HTTP/1.1\r\n") == -1, "no path");
}

static void test_cookies(void)
{
	group(0, 0, 0, "g");
	rule(0);
	text(DPR_RULES_COOKIE, "a=b");
	rule(0);
	text(DPR_RULES_COOKIE, "Beta=");
	text(DPR_RULES_PATH, "/x");
	check(!wrong(), "rules of cookies");
	check(matches("GET / HTTP/1.1\r\nCookie: c=d; a=b\r\n") == 0,
	      "a cookie");
	check(matches("GET / HTTP/1.1\r\nCookie: c=d\r\nCookie: a=b\r\n\r\n") == 0,
	      "in the second field");
	check(matches("GET / HTTP/1.1\r\nCookie: a=c; a=b\r\n\r\n") == -1,
	      "the first of a name counts");
	check(matches("GET / HTTP/1.1\r\nCookie: A=b; aa=b; a=bb\r\n\r\n") == -1,
	      "letter by letter");
	check(matches("GET /x HTTP/1.1\r\nCookie: Beta=; a=c\r\n\r\n") == 1,
	      "an empty value, and a path");
	check(matches("GET /y HTTP/1.1\r\nCookie: Beta=; a=c\r\n\r\n") == -1,
	      "both must hold");
	check(matches("GET /x HTTP/1.1\r\nCookie: c=d\r\n") == MORE,
	      "a second field may come");
}

static int matches_hello(const char *sni, const char *alpn, size_t record_size)
{
	struct hello e = { .len = 0 }, h = { .len = 0 }, bytes = { .len = 0 };

	if (sni)
		put_sni(&e, sni);
	if (alpn)
		put_alpn(&e, alpn);
	put_hello(&h, &e);
	put_records(&bytes, &h, record_size);
	return matches_bytes(bytes.byte, bytes.len);
}

static void test_hellos(void)
{
	bool right = true;
	size_t n;

	group(0, 0, 0, "g");
	rule(0);
	text(DPR_RULES_SNI, "a.example");
	text(DPR_RULES_ALPN, "h2");
	rule(0);
	text(DPR_RULES_SNI_SUFFIX, ".example");
	rule(0);
	text(DPR_RULES_ALPN, "acme-tls/1");
	rule(0);
	text(DPR_RULES_HOST, "a.example");
	check(!wrong(), "rules of ClientHellos");
	for (n = 1; n < 200; n++) {
		right &= matches_hello("A.Example", "\10http/1.1\2h2", n) == 0;
		right &= matches_hello("a.example", "\10http/1.1\1h", n) == 1;
		right &= matches_hello("b.a.example.", NULL, n) == 1;
		right &= matches_hello("example", "\12acme-tls/1", n) == 2;
		right &= matches_hello(NULL, "\12acme-tls/2", n) == -1;
		right &= matches_hello(NULL, NULL, n) == -1;
	}
	check(right, "a name, its suffix, a protocol, in records of any size");
	check(matches("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n") == 3,
	      "a request has none of them, nor they its host");
	check(matches_bytes("\x16\3\1\0\1\2", 6) == BAD, "no ClientHello");
}

static u64 hash_of(const char *head)
{
	struct dpr_rules_result result = decide(head, strlen(head), false);

	return result.outcome != DPR_RULES_MORE && result.hashed ?
	       result.hash : 0;
}

static void test_hashes(void)
{
	const char *late = "GET /img/a HTTP/1.1\r\nA: b\r\n";
	struct dpr_rules_result result;
	u64 hash;

	group(DPR_RULES_POLICY_LOCALITY, DPR_RULES_LOCALITY_URL, 25, "url");
	group(DPR_RULES_POLICY_LOCALITY, DPR_RULES_LOCALITY_HOST, 25, "host");
	group(DPR_RULES_POLICY_LOWEST, 0, 0, "lowest");
	rule(0);
	text(DPR_RULES_PATH, "/img");
	rule(2);
	text(DPR_RULES_PATH, "/low");
	otherwise(1);
	check(!wrong(), "rules with locality");
	hash = hash_of("GET /img/a HTTP/1.1\r\nHost: a\r\n");
	check(hash && hash == hash_of("GET /img/a?b HTTP/1.1\r\nhost: A.:8\r\n") &&
	      hash == hash_of("GET http://a/img/a HTTP/1.1\r\n"),
	      "one URL has one hash");
	check(hash != hash_of("GET /img/b HTTP/1.1\r\nHost: a\r\n") &&
	      hash != hash_of("GET /img/a HTTP/1.1\r\nHost: b\r\n") &&
	      hash != hash_of("GET /img/a HTTP/1.1\r\n\r\n"),
	      "another one another");
	check(decide(late, strlen(late), false).outcome == DPR_RULES_MORE,
	      "the host is waited for, though the rule is known");
	result = decide(late, strlen(late), true);
	check(result.outcome == DPR_RULES_MATCH && result.hashed &&
	      result.hash == hash_of("GET /img/a HTTP/1.1\r\n\r\n"),
	      "but not for ever");
	hash = hash_of("GET /x HTTP/1.1\r\nHost: a\r\n");
	check(hash && hash == hash_of("GET /y HTTP/1.1\r\nHost: a\r\n") &&
	      hash != hash_of("GET /y HTTP/1.1\r\nHost: b\r\n"),
	      "a group that goes by the host alone");
	result = decide("GET /x HTTP/1.0\r\n\r\n", 19, false);
	check(result.outcome == DPR_RULES_NO_MATCH && result.group == 1 &&
	      !result.hashed && !result.hash, "nothing to go by");
	check(!hash_of("GET /low HTTP/1.1\r\n") &&
	      decide("GET /low HTTP/1.1\r\n", 19, false).group == 2,
	      "a group that does not go by it");
	result = decide("\x01", 1, false);
	check(result.outcome == DPR_RULES_BAD && result.group == 1 &&
	      !result.hashed && result.rule == DPR_RULES_NONE,
	      "what is not understood goes to the default group");
}

static void test_limits(void)
{
	static u8 bytes[DPR_REQUEST_MAX + 1];
	struct dpr_rules_result result;

	group(0, 0, 0, "g");
	rule(0);
	text(DPR_RULES_HOST, "a");
	check(!wrong(), "a rule");
	result = decide("GET / HT", 8, true);
	check(result.outcome == DPR_RULES_LATE && result.group == DPR_RULES_NONE,
	      "too late");
	check(decide("", 0, false).outcome == DPR_RULES_MORE &&
	      decide("", 0, true).outcome == DPR_RULES_LATE, "no byte");
	memset(bytes, 'a', sizeof(bytes));
	memcpy(bytes, "GET /", 5);
	check(decide(bytes, DPR_REQUEST_MAX - 1, false).outcome ==
	      DPR_RULES_MORE &&
	      decide(bytes, DPR_REQUEST_MAX, false).outcome == DPR_RULES_LATE &&
	      decide(bytes, DPR_REQUEST_MAX + 1, false).outcome ==
	      DPR_RULES_LATE, "too long");
	memcpy(bytes + DPR_REQUEST_MAX - 24, " HTTP/1.1\r\nHost: a     \r\n", 25);
	check(decide(bytes, DPR_REQUEST_MAX + 1, false).outcome ==
	      DPR_RULES_LATE, "what is beyond is not looked at");
	memcpy(bytes + DPR_REQUEST_MAX - 24, " HTTP/1.1\r\nHost: a    \r\n", 24);
	check(decide(bytes, DPR_REQUEST_MAX, false).outcome == DPR_RULES_MATCH,
	      "the last byte is");
}

static void test_order(void)
{
	int i;

	check(is_wrong("no rule"), "no records");
	group(0, 0, 0, "g");
	check(is_wrong("no rule"), "groups alone");
	group(0, 0, 0, "g");
	otherwise(0);
	check(!wrong() && set.index.otherwise == 0 && !set.index.rules,
	      "a default group alone");
	rule(0);
	check(is_wrong("one of the groups"), "a rule without group");
	group(0, 0, 0, "g");
	rule(0);
	check(is_wrong("needs a condition"), "a rule without condition");
	group(0, 0, 0, "g");
	rule(0);
	rule(0);
	check(is_wrong("needs a condition"), "another one");
	group(0, 0, 0, "g");
	rule(0);
	text(DPR_RULES_HOST, "a");
	group(0, 0, 0, "g");
	check(is_wrong("before rules"), "a group behind rules");
	group(0, 0, 0, "g");
	otherwise(0);
	rule(0);
	check(is_wrong("comes last"), "a rule behind the default");
	group(0, 0, 0, "g");
	otherwise(0);
	text(DPR_RULES_HOST, "a");
	check(is_wrong("follow their rule"), "a condition behind the default");
	group(0, 0, 0, "g");
	otherwise(0);
	otherwise(0);
	check(is_wrong("only one"), "two defaults");
	group(0, 0, 0, "g");
	otherwise(1);
	check(is_wrong("must be there"), "a default that is not there");
	text(DPR_RULES_HOST, "a");
	check(is_wrong("follow their rule"), "a condition without rule");
	text(DPR_RULES_MEMBER, "1234");
	check(is_wrong("follow their group"), "a host without group");
	group(0, 0, 0, "g");
	rule(0);
	text(DPR_RULES_MEMBER, "1234");
	check(is_wrong("follow their group"), "a host in a rule");
	group(0, 0, 0, "g");
	rule(0);
	text(DPR_RULES_HOST, "a");
	text(DPR_RULES_HOST_SUFFIX, ".a");
	check(is_wrong("each kind"), "two hosts in a rule");
	group(0, 0, 0, "g");
	rule(0);
	text(DPR_RULES_SNI_SUFFIX, ".a");
	text(DPR_RULES_SNI, "a");
	check(is_wrong("each kind"), "two names in a rule");
	record(0, "", 0);
	check(is_wrong("unknown record"), "type 0");
	record(DPR_RULES_MAX + 1, "", 0);
	check(is_wrong("unknown record"), "a type of the future");
	for (i = 0; i <= DPR_MAX_RULES_GROUPS; i++)
		group(0, 0, 0, "g");
	check(is_wrong("32 groups"), "33 groups");
	group(0, 0, 0, "g");
	for (i = 0; i <= DPR_MAX_RULES_MEMBERS; i++)
		text(DPR_RULES_MEMBER, "1234");
	check(is_wrong("64 hosts"), "65 hosts");
	group(0, 0, 0, "g");
	for (i = 0; i <= DPR_MAX_RULES; i++) {
		rule(0);
		text(DPR_RULES_HOST, "a");
	}
	check(is_wrong("64 rules"), "65 rules");
	records_len = DPR_MAX_RULES_BYTES + 1;
	check(is_wrong("32768"), "too many bytes");
}

static bool bad_value(u8 type, const char *value)
{
	group(0, 0, 0, "g");
	rule(0);
	text(type, value);
	return wrong();
}

static void test_values(void)
{
	group(DPR_RULES_POLICY_MAX + 1, 0, 0, "g");
	check(is_wrong("unknown policy"), "an unknown policy");
	group(0, DPR_RULES_LOCALITY_MAX + 1, 0, "g");
	check(is_wrong("unknown policy or locality"), "an unknown locality");
	group(0, 0, DPR_MAX_RULES_SPILL + 1, "g");
	check(is_wrong("spill"), "a spill out of range");
	group(0, 0, 0, "");
	check(is_wrong("name"), "a group without name");
	group(0, 0, 0, "a b");
	check(is_wrong("name"), "a name with a space");
	group(0, 0, 0, "abcdefghijklmnopqrstuvwxyz0123456");
	check(is_wrong("name"), "a name of 33 characters");
	group(DPR_RULES_POLICY_MAX, DPR_RULES_LOCALITY_MAX, DPR_MAX_RULES_SPILL,
	      "az09AZ-_.tuvwxyz0123456789012345");
	otherwise(0);
	check(!wrong(), "the greatest values of a group");
	check(!bad_value(DPR_RULES_METHOD, "abcdefghijklmnopqrstuvwxyz012345"),
	      "the longest method");
	record(DPR_RULES_GROUP, "\0\0", 2);
	check(is_wrong("unknown policy"), "a group that is cut off");
	group(0, 0, 0, "g");
	text(DPR_RULES_MEMBER, "12345");
	check(is_wrong("4 or 16"), "an address of five bytes");
	check(bad_value(DPR_RULES_HOST, "") && bad_value(DPR_RULES_HOST, "A") &&
	      bad_value(DPR_RULES_HOST, "aA") &&
	      bad_value(DPR_RULES_HOST, "a.") && bad_value(DPR_RULES_HOST, "a:1") &&
	      bad_value(DPR_RULES_HOST, "[::1") && bad_value(DPR_RULES_SNI, "a b"),
	      "hosts");
	check(bad_value(DPR_RULES_HOST_SUFFIX, "a") &&
	      bad_value(DPR_RULES_HOST_SUFFIX, ".") &&
	      bad_value(DPR_RULES_SNI_SUFFIX, ".[::1]") &&
	      bad_value(DPR_RULES_SNI_SUFFIX, ".a."), "suffixes");
	check(bad_value(DPR_RULES_PATH, "") && bad_value(DPR_RULES_PATH, "a") &&
	      bad_value(DPR_RULES_PATH, "/?") && bad_value(DPR_RULES_PATH, "/#") &&
	      bad_value(DPR_RULES_PATH, "/ ") && bad_value(DPR_RULES_PATH, "/\x7f"),
	      "paths");
	check(bad_value(DPR_RULES_METHOD, "") && bad_value(DPR_RULES_METHOD, "a b") &&
	      bad_value(DPR_RULES_METHOD, "abcdefghijklmnopqrstuvwxyz0123456"),
	      "methods");
	check(bad_value(DPR_RULES_COOKIE, "") && bad_value(DPR_RULES_COOKIE, "a") &&
	      bad_value(DPR_RULES_COOKIE, "=a") &&
	      bad_value(DPR_RULES_COOKIE, "a=b;") &&
	      bad_value(DPR_RULES_COOKIE, "a =b") &&
	      bad_value(DPR_RULES_COOKIE, "a= b"), "cookies");
	check(bad_value(DPR_RULES_ALPN, "") && !bad_value(DPR_RULES_ALPN, "h2"),
	      "protocols");
	check(!bad_value(DPR_RULES_HOST, "_a-1.b") &&
	      !bad_value(DPR_RULES_PATH, "/\xc3\xa4%") &&
	      !bad_value(DPR_RULES_COOKIE, "a=b=c\xff"), "and those that are right");
	group(0, 0, 0, "g");
	otherwise(0);
	records[records_len++] = DPR_RULES_DEFAULT;
	check(is_wrong("cut off"), "a record without length");
	group(0, 0, 0, "g");
	text(DPR_RULES_MEMBER, "1234");
	records_len--;
	check(is_wrong("cut off"), "a record that is cut off");
}

static void test_groups(void)
{
	struct dpr_rule_group is;

	group(DPR_RULES_POLICY_OFFER, 0, 0, "one");
	text(DPR_RULES_MEMBER, "1234");
	text(DPR_RULES_MEMBER, "1234567890123456");
	group(DPR_RULES_POLICY_LOCALITY, DPR_RULES_LOCALITY_URL, 999, "two");
	otherwise(1);
	check(!wrong(), "groups");
	is = dpr_rule_group(&set, 0);
	check(is.policy == DPR_RULES_POLICY_OFFER && is.hosts == 2 &&
	      records[is.members] == DPR_RULES_MEMBER &&
	      !memcmp(records + is.members + 2, "1234", 4), "a group with hosts");
	is = dpr_rule_group(&set, 1);
	check(is.policy == DPR_RULES_POLICY_LOCALITY &&
	      is.locality == DPR_RULES_LOCALITY_URL && is.spill == 999 &&
	      !is.hosts, "one without");
}

int main(void)
{
	test_hosts();
	test_paths();
	test_cookies();
	test_hellos();
	test_hashes();
	test_limits();
	test_order();
	test_values();
	test_groups();
	return verdict();
}
