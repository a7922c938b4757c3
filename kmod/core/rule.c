// SPDX-License-Identifier: GPL-2.0
#include "client_hello.h"
#include "http_head.h"
#include "rule.h"

/* Whether a condition holds. */
enum dpr_rule_truth {
	DPR_RULE_NO,
	DPR_RULE_YES,
	DPR_RULE_UNKNOWN,
};

static enum dpr_rule_truth dpr_rule_truth(bool yes)
{
	return yes ? DPR_RULE_YES : DPR_RULE_NO;
}

/* The case of letters does not matter; @value has no capital ones. */
static bool dpr_rule_ends(const u8 *buf, struct dpr_slice slice, const u8 *value,
			  u32 size)
{
	while (slice.len > size)
		dpr_slice_next(buf, &slice);
	if (slice.len < size)
		return false;
	while (size--)
		if (dpr_request_lower(dpr_slice_next(buf, &slice)) != *value++)
			return false;
	return true;
}

static bool dpr_rule_name(const u8 *buf, struct dpr_slice name, const u8 *value,
			  u32 size, bool suffix)
{
	/* Longer ones are no hosts, and cost nothing. */
	return (suffix ? name.len > size && name.len <= DPR_RULE_VALUE :
			 name.len == size) &&
	       dpr_rule_ends(buf, name, value, size);
}

/* Does the path begin with the value, and a part of it end there? */
static bool dpr_rule_path(const u8 *buf, struct dpr_slice path, const u8 *value,
			  u32 size)
{
	if (!path.len)
		return size == 1;
	return path.len >= size && !memcmp(buf + path.at, value, size) &&
	       (path.len == size || value[size - 1] == '/' ||
		buf[path.at + size] == '/');
}

/* Of cookies of one name the first counts. */
static enum dpr_rule_truth dpr_rule_cookie(const u8 *buf,
					   const struct dpr_request *req,
					   const u8 *value, u32 size)
{
	const u32 name = (const u8 *)memchr(value, '=', size) - value;
	u32 i;

	for (i = 0; i < req->cookies; i++) {
		const struct dpr_cookie *cookie = &req->cookie[i];

		if (cookie->name != name ||
		    memcmp(buf + cookie->at, value, name))
			continue;
		size -= name + 1;
		return dpr_rule_truth(cookie->value == size &&
				      !memcmp(buf + cookie->at + name + 1,
					      value + name + 1, size));
	}
	return req->known & DPR_FACT_COOKIES ? DPR_RULE_NO : DPR_RULE_UNKNOWN;
}

/* Is the protocol one of those offered? */
static bool dpr_rule_alpn(const u8 *buf, struct dpr_slice list, const u8 *value,
			  u32 size)
{
	while (list.len) {
		u32 len = dpr_slice_next(buf, &list), i;
		bool same = len == size;

		for (i = 0; i < len; i++)
			same &= dpr_slice_next(buf, &list) == value[same ? i : 0];
		if (same)
			return true;
	}
	return false;
}

static enum dpr_rule_truth dpr_rule_holds(const u8 *record, const u8 *buf,
					  const struct dpr_request *req)
{
	static const u8 facts[] = {
		[DPR_RULES_HOST] = DPR_FACT_HOST,
		[DPR_RULES_HOST_SUFFIX] = DPR_FACT_HOST,
		[DPR_RULES_PATH] = DPR_FACT_PATH,
		[DPR_RULES_METHOD] = DPR_FACT_METHOD,
		[DPR_RULES_SNI] = DPR_FACT_SNI,
		[DPR_RULES_SNI_SUFFIX] = DPR_FACT_SNI,
		[DPR_RULES_ALPN] = DPR_FACT_ALPN,
	};
	const u8 type = record[0], *value = record + 2;
	const u32 size = record[1];

	if (type == DPR_RULES_COOKIE)
		return dpr_rule_cookie(buf, req, value, size);
	if (!(req->known & facts[type]))
		return DPR_RULE_UNKNOWN;
	if (!(req->has & facts[type]))
		return DPR_RULE_NO;
	switch (type) {
	case DPR_RULES_HOST:
	case DPR_RULES_HOST_SUFFIX:
		return dpr_rule_truth(dpr_rule_name(buf, req->host, value, size,
						    type == DPR_RULES_HOST_SUFFIX));
	case DPR_RULES_PATH:
		return dpr_rule_truth(dpr_rule_path(buf, req->path, value, size));
	case DPR_RULES_METHOD:
		return dpr_rule_truth(req->method.len == size &&
				      !memcmp(buf + req->method.at, value, size));
	case DPR_RULES_ALPN:
		return dpr_rule_truth(dpr_rule_alpn(buf, req->alpn, value, size));
	default:
		return dpr_rule_truth(dpr_rule_name(buf, req->sni, value, size,
						    type == DPR_RULES_SNI_SUFFIX));
	}
}

/**
 * struct dpr_rule_place - how far the rules are decided
 * @at: offset of the record of the first that is not
 * @rule: its number
 */
struct dpr_rule_place {
	u32 at;
	u8 rule;
};

static u32 dpr_rule_next(const u8 *records, u32 at)
{
	return at + 2 + records[at + 1];
}

/* Does the rule match? @end is set to the offset of the record after it. */
static enum dpr_rule_truth dpr_rule_one(const struct dpr_rule_set *set, u32 at,
					const u8 *buf,
					const struct dpr_request *req, u32 *end)
{
	enum dpr_rule_truth all = DPR_RULE_YES, one;

	for (at = dpr_rule_next(set->records, at); at < set->len;
	     at = dpr_rule_next(set->records, at)) {
		const u8 *record = set->records + at;

		if (record[0] == DPR_RULES_RULE || record[0] == DPR_RULES_DEFAULT)
			break;
		/* Goes on behind one that does not hold, to find the end. */
		if (all == DPR_RULE_NO)
			continue;
		one = dpr_rule_holds(record, buf, req);
		if (one != DPR_RULE_YES)
			all = one;
	}
	*end = at;
	return all;
}

/* Goes on with the rules until one matches or must wait. False: it must. */
static bool dpr_rule_look(const struct dpr_rule_set *set, const u8 *buf,
			  const struct dpr_request *req,
			  struct dpr_rule_place *place,
			  struct dpr_rules_result *result)
{
	u32 end;

	while (place->rule < set->index.rules) {
		switch (dpr_rule_one(set, place->at, buf, req, &end)) {
		case DPR_RULE_UNKNOWN:
			return false;
		case DPR_RULE_YES:
			result->outcome = DPR_RULES_MATCH;
			result->rule = place->rule;
			result->group = set->records[place->at + 2];
			return true;
		case DPR_RULE_NO:
			place->at = end;
			place->rule++;
		}
	}
	result->outcome = DPR_RULES_NO_MATCH;
	return true;
}

/* FNV-1a, of which all hosts compute the same. */
static u64 dpr_rule_hash_byte(u64 hash, u8 byte)
{
	return (hash ^ byte) * 0x100000001b3ULL;
}

static u64 dpr_rule_hash_slice(u64 hash, const u8 *buf, struct dpr_slice slice,
			       bool fold)
{
	while (slice.len) {
		u8 byte = dpr_slice_next(buf, &slice);

		hash = dpr_rule_hash_byte(hash, fold ? dpr_request_lower(byte) :
						       byte);
	}
	return hash;
}

/*
 * The hash that the group goes by, if it goes by one. False: more must be known for it;
 * @final: nothing more will be.
 */
static bool dpr_rule_hash(const struct dpr_rule_set *set, const u8 *buf,
			  const struct dpr_request *req, bool final,
			  struct dpr_rules_result *result)
{
	const u8 need = DPR_FACT_HOST | DPR_FACT_PATH | DPR_FACT_SNI;
	u64 hash = 0xcbf29ce484222325ULL;
	struct dpr_rule_group group;
	u8 has;

	if (result->group == DPR_RULES_NONE)
		return true;
	group = dpr_rule_group(set, result->group);
	if (group.policy != DPR_RULES_POLICY_LOCALITY)
		return true;
	if ((req->known & need) != need && !final)
		return false;
	has = req->has & req->known & need;
	if (group.locality == DPR_RULES_LOCALITY_HOST)
		has &= ~DPR_FACT_PATH;
	result->hashed = has;
	if (has & DPR_FACT_HOST)
		hash = dpr_rule_hash_slice(hash, buf, req->host, true);
	if (has & DPR_FACT_SNI)
		hash = dpr_rule_hash_slice(hash, buf, req->sni, true);
	if (has & DPR_FACT_PATH) {
		/* So that no host and path make another one. */
		hash = dpr_rule_hash_byte(hash, ' ');
		hash = req->path.len ?
		       dpr_rule_hash_slice(hash, buf, req->path, false) :
		       dpr_rule_hash_byte(hash, '/');
	}
	result->hash = result->hashed ? hash : 0;
	return true;
}

/**
 * dpr_rule_decide - the group that a request goes to
 * @set: the service's rules
 * @buf: what the client has sent so far, from its first byte on
 * @len: its length; what is beyond DPR_REQUEST_MAX is not looked at
 * @final: no more will come in time
 * @result: set; while its outcome is DPR_RULES_MORE, nothing else in it counts
 *
 * What was decided for some bytes is decided, in the same way, for them and any that
 * follow.
 */
void dpr_rule_decide(const struct dpr_rule_set *set, const u8 *buf, u32 len,
		     bool final, struct dpr_rules_result *result)
{
	struct dpr_rule_place place = { .at = set->index.first };
	struct dpr_client_hello hello = {};
	struct dpr_http_head head = {};
	enum dpr_step step = DPR_STEP_FACT;
	struct dpr_request req;
	bool decided = false;

	*result = (struct dpr_rules_result){
		.outcome = DPR_RULES_MORE,
		.rule = DPR_RULES_NONE,
		.group = set->index.otherwise,
	};
	if (len >= DPR_REQUEST_MAX) {
		len = DPR_REQUEST_MAX;
		final = true;
	}
	dpr_request_begin(&req);
	while (len && step == DPR_STEP_FACT) {
		step = buf[0] == DPR_CLIENT_HELLO_RECORD ?
		       dpr_client_hello_step(buf, len, &hello, &req) :
		       dpr_http_head_step(buf, len, &head, &req);
		if (step == DPR_STEP_MORE || step == DPR_STEP_BAD)
			break;
		if (!decided)
			decided = dpr_rule_look(set, buf, &req, &place, result);
		if (decided && dpr_rule_hash(set, buf, &req,
					     step == DPR_STEP_END, result))
			return;
	}
	/* It was decided, but for the hash, of which there is what was known. */
	if (!decided && step == DPR_STEP_BAD)
		result->outcome = DPR_RULES_BAD;
	else if (!decided && final)
		result->outcome = DPR_RULES_LATE;
	else if (!final && step != DPR_STEP_BAD)
		*result = (struct dpr_rules_result){ .outcome = DPR_RULES_MORE };
	if (result->outcome != DPR_RULES_MORE)
		dpr_rule_hash(set, buf, &req, true, result);
}

/**
 * dpr_rule_group - what a group is
 * @set: the service's rules
 * @group: its number, below dpr_rule_index.groups
 */
struct dpr_rule_group dpr_rule_group(const struct dpr_rule_set *set, u32 group)
{
	u32 at = set->index.group[group];
	const u8 *value = set->records + at + 2;
	struct dpr_rule_group is = {
		.policy = value[0],
		.locality = value[1],
		.members = dpr_rule_next(set->records, at),
	};

	memcpy(&is.spill, value + 2, sizeof(is.spill));
	for (at = is.members;
	     at < set->len && set->records[at] == DPR_RULES_MEMBER;
	     at = dpr_rule_next(set->records, at))
		is.hosts++;
	return is;
}
