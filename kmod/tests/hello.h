/* SPDX-License-Identifier: GPL-2.0 */
/* Makes ClientHellos for tests. */
#ifndef _DPR_HELLO_H
#define _DPR_HELLO_H

#include <string.h>
#include "tap.h"

/**
 * struct hello - bytes that are written one after the other
 * @len: how many
 * @byte: the bytes
 */
struct hello {
	size_t len;
	uint8_t byte[20000];
};

static inline void put(struct hello *h, const void *bytes, size_t n)
{
	memcpy(h->byte + h->len, bytes, n);
	h->len += n;
}

static inline void put_number(struct hello *h, size_t bytes, size_t number)
{
	while (bytes--)
		h->byte[h->len++] = number >> 8 * bytes;
}

/* An extension of type @type. */
static inline void put_extension(struct hello *h, size_t type, const void *bytes,
				 size_t n)
{
	put_number(h, 2, type);
	put_number(h, 2, n);
	put(h, bytes, n);
}

static inline void put_sni(struct hello *h, const char *name)
{
	struct hello sni = { .len = 0 };

	put_number(&sni, 2, strlen(name) + 3);
	put_number(&sni, 1, 0);
	put_number(&sni, 2, strlen(name));
	put(&sni, name, strlen(name));
	put_extension(h, 0, sni.byte, sni.len);
}

/* @list: with the lengths of the protocols. */
static inline void put_alpn(struct hello *h, const char *list)
{
	struct hello alpn = { .len = 0 };

	put_number(&alpn, 2, strlen(list));
	put(&alpn, list, strlen(list));
	put_extension(h, 16, alpn.byte, alpn.len);
}

/* The message with these extensions; NULL: it ends before them. */
static inline void put_hello(struct hello *h, const struct hello *extensions)
{
	struct hello body = { .len = 0 };

	put_number(&body, 2, 0x0303);
	body.len += 32;
	put(&body, "\x20", 1);
	body.len += 32;
	put(&body, "\0\2\x13\1\1\0", 6);
	if (extensions) {
		put_number(&body, 2, extensions->len);
		put(&body, extensions->byte, extensions->len);
	}
	put_number(h, 1, 1);
	put_number(h, 3, body.len);
	put(h, body.byte, body.len);
}

/* The message in records of @size bytes. */
static inline void put_records(struct hello *h, const struct hello *message,
			       size_t size)
{
	size_t at, n;

	for (at = 0; at < message->len; at += n) {
		n = message->len - at < size ? message->len - at : size;
		put(h, "\x16\3\1", 3);
		put_number(h, 2, n);
		put(h, message->byte + at, n);
	}
}

#endif /* _DPR_HELLO_H */
