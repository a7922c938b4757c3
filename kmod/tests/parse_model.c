// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>
#include "parse_model.h"

#define MIN(a, b) ((a) < (b) ? (a) : (b))

static u32 be16(const u8 *p)
{
	return p[0] * 256u + p[1];
}

static u32 be32(const u8 *p)
{
	return be16(p) * 65536u + be16(p + 2);
}

/* A copy whose end the sanitizer watches; alignment as in the module. */
static void *copy(const u8 *bytes, size_t len)
{
	void *new = malloc(len);

	if (len && !new)
		abort();
	return len ? memcpy(new, bytes, len) : new;
}

void model_set_checksum(u8 *header)
{
	u32 sum = 0, i;

	header[10] = 0;
	header[11] = 0;
	for (i = 0; i < (header[0] & 15) * 4u; i += 2)
		sum += be16(header + i);
	sum = sum % 65535;
	header[10] = (65535 - sum) / 256;
	header[11] = (65535 - sum) % 256;
}

/* RFC 791: the words of a right header, its checksum among them, sum up to -0. */
static bool model_checksum(const u8 *p, u32 hlen)
{
	u32 sum = 0, i;

	for (i = 0; i < hlen; i += 2)
		sum += be16(p + i);
	return sum && sum % 65535 == 0;
}

static u32 model_hlen(const u8 *p)
{
	return p[0] >= 0x45 && p[0] <= 0x4f ? (p[0] - 0x40) * 4 : 0;
}

static bool model_whole(const u8 *p, u32 hlen, size_t room)
{
	return model_checksum(p, hlen) && be16(p + 2) >= hlen &&
	       be16(p + 2) <= room;
}

static bool segment_agrees(const u8 *p, u32 hlen, size_t len)
{
	const u8 *th = p + hlen;
	u8 flags = th[13];
	u32 doff = (th[12] >> 4) * 4, end;
	struct dpr_segment seg;

	end = be32(th + 4);
	end += !!(flags & 2);
	end += flags & 1;
	if (len > hlen + doff)
		end += len - hlen - doff;
	dpr_parse_segment((const void *)p, len, 0, &seg);
	return ntohl(seg.key.client.word[3]) == be32(p + 12) &&
	       ntohl(seg.key.address.word[3]) == be32(p + 16) &&
	       ntohs(seg.key.client_port) == be16(th) &&
	       ntohs(seg.key.port) == be16(th + 2) &&
	       seg.seq == be32(th + 4) && seg.end == end &&
	       seg.ack == be32(th + 8) && seg.has_ack == !!(flags & 16) &&
	       seg.syn == ((flags & 18) == 2) && seg.fin == (flags & 1) &&
	       seg.rst == !!(flags & 4);
}

/*
 * Marks where options begin, from @from to @to: RFC 791 and RFC 9293 have the
 * same form. What is after the end of the list or a broken option has no mark.
 */
static void model_options(const u8 *p, u32 from, u32 to, u8 *length)
{
	memset(length, 0, to);
	while (from < to && p[from] != 0) {
		u32 l = 1;

		if (p[from] != 1) {
			if (from + 1 == to || p[from + 1] < 2 ||
			    from + p[from + 1] > to)
				return;
			l = p[from + 1];
		}
		length[from] = l;
		from += l;
	}
}

static bool mss_agrees(const u8 *th)
{
	u32 doff = (th[12] >> 4) * 4, want = 0, i;
	u8 length[60];

	model_options(th, 20, doff, length);
	for (i = 20; i < doff; i++)
		if (length[i] && th[i] == 2) {
			want = length[i] == 4 ? i + 2 : 0;
			break;
		}
	return dpr_parse_mss((const void *)th) == want;
}

static bool strip_agrees(const u8 *p, u32 hlen)
{
	u8 *got = copy(p, hlen), *want = copy(p, hlen), length[60];
	u32 i, j;
	bool agree;

	model_options(p, 20, hlen, length);
	for (i = 20; i < hlen; i++)
		for (j = 0; p[i] < 128 && j < length[i]; j++)
			want[i + j] = 1;
	dpr_parse_strip_options((void *)got);
	agree = !memcmp(got, want, hlen);
	free(want);
	free(got);
	return agree;
}

static bool model_icmp(const u8 *p, u32 hlen, size_t len, u8 protocol,
		       u32 want[4])
{
	const u8 *quoted = p + hlen + 8;
	u32 qlen;

	if (be16(p + 6) & 0x3fff || len < hlen + 8 + 20)
		return false;
	if (p[hlen] != 3 && p[hlen] != 11 && p[hlen] != 12)
		return false;
	qlen = model_hlen(quoted);
	if (!qlen || quoted[9] != protocol || be16(quoted + 6) & 0x1fff)
		return false;
	want[0] = be32(quoted + 16);
	want[1] = be32(quoted + 12);
	want[2] = 0;
	want[3] = 0;
	if (protocol != 6)
		return true;
	if (len < hlen + 8 + qlen + 8)
		return false;
	want[2] = be16(quoted + qlen + 2);
	want[3] = be16(quoted + qlen);
	return true;
}

static bool icmp_agrees(const u8 *p, u32 hlen, size_t len, u8 protocol)
{
	struct dpr_flow_key key;
	size_t shown = MIN(len, (size_t)DPR_PARSE_ICMP_MAX);
	void *packet = copy(p, shown);
	bool is = dpr_parse_icmp(packet, shown, protocol, &key);
	u32 want[4];

	free(packet);
	if (is != model_icmp(p, hlen, len, protocol, want))
		return false;
	return !is || (ntohl(key.client.word[3]) == want[0] &&
		       ntohl(key.address.word[3]) == want[1] &&
		       ntohs(key.client_port) == want[2] &&
		       ntohs(key.port) == want[3]);
}

static bool key6_agrees(const struct dpr_flow_key *key, const u8 *client,
			u32 client_port, const u8 *address, u32 port)
{
	return key->wide && !memcmp(&key->client, client, 16) &&
	       !memcmp(&key->address, address, 16) &&
	       ntohs(key->client_port) == client_port &&
	       ntohs(key->port) == port;
}

/* @p: a header of IPv6, whatever it says comes next, and 20 bytes of TCP's. */
static bool segment6_agrees(const u8 *p, size_t len)
{
	const u8 *th = p + 40;
	u32 doff = (th[12] >> 4) * 4, end;
	struct dpr_segment seg;

	end = be32(th + 4);
	end += !!(th[13] & 2);
	end += th[13] & 1;
	if (len > 40 + doff)
		end += len - 40 - doff;
	dpr_parse_segment6((const void *)p, (const void *)th, len - 40, 40,
			   &seg);
	return key6_agrees(&seg.key, p + 8, be16(th), p + 24, be16(th + 2)) &&
	       seg.offset == 40 && seg.seq == be32(th + 4) && seg.end == end;
}

/* RFC 4443: types 1 to 4 are errors, whose quote follows eight bytes. */
static bool icmp6_agrees(const u8 *p, size_t len, u8 protocol)
{
	const size_t shown = MIN(len, (size_t)DPR_PARSE_ICMP6_MAX);
	const bool tcp = protocol == IPPROTO_TCP;
	const u8 *quoted = p + 8;
	void *message = copy(p, shown);
	struct dpr_flow_key key;
	bool is, want;

	is = dpr_parse_icmp6(message, shown, protocol, &key);
	free(message);
	want = len >= (tcp ? 56 : 48) && p[0] >= 1 && p[0] <= 4 &&
	       quoted[0] >> 4 == 6 && quoted[6] == protocol;
	if (is != want)
		return false;
	return !is || key6_agrees(&key, quoted + 24,
				  tcp ? be16(quoted + 42) : 0, quoted + 8,
				  tcp ? be16(quoted + 40) : 0);
}

static const char *disagree6(const u8 *p, size_t len)
{
	if (!icmp6_agrees(p, len, IPPROTO_TCP) ||
	    !icmp6_agrees(p, len, IPPROTO_IPIP) ||
	    !icmp6_agrees(p, len, IPPROTO_IPV6))
		return "icmp6";
	return len >= 60 && !segment6_agrees(p, len) ? "segment6" : NULL;
}

static const char *disagree(const u8 *p, size_t len)
{
	u32 hlen;
	bool whole;

	if (len < 20)
		return NULL;
	hlen = model_hlen(p);
	if (dpr_parse_ip_hlen((const void *)p) != hlen)
		return "hlen";
	if (!hlen || len < hlen)
		return NULL;
	whole = model_whole(p, hlen, len);
	if (dpr_parse_ip_whole((const void *)p, len) != whole)
		return "whole";
	if (!strip_agrees(p, hlen))
		return "strip_options";
	if (!icmp_agrees(p, hlen, len, IPPROTO_TCP) ||
	    !icmp_agrees(p, hlen, len, IPPROTO_IPIP) ||
	    !icmp_agrees(p, hlen, len, IPPROTO_IPV6))
		return "icmp";
	if (len < hlen + 20)
		return NULL;
	if (!segment_agrees(p, hlen, len))
		return "segment";
	if (!whole)
		return NULL;
	whole = p[hlen + 12] >> 4 >= 5 &&
		hlen + (p[hlen + 12] >> 4) * 4u <= be16(p + 2);
	if (dpr_parse_tcp_whole((const void *)p,
				(const void *)(p + hlen)) != whole)
		return "tcp_whole";
	return whole && !mss_agrees(p + hlen) ? "mss" : NULL;
}

const char *model_disagrees(const u8 *packet, size_t len)
{
	u8 *p = copy(packet, len);
	const char *what = disagree6(p, len);

	if (!what)
		what = disagree(p, len);
	/* Chance seldom makes a right checksum. */
	if (!what && len >= 20 && model_hlen(p) && len >= model_hlen(p)) {
		model_set_checksum(p);
		what = disagree(p, len);
	}
	free(p);
	return what;
}
