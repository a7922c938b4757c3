// SPDX-License-Identifier: GPL-2.0
/* libFuzzer target of the packet parsing: no input is read beyond its end. */
#include <stdio.h>
#include <stdlib.h>
#include "parse_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *what = model_disagrees(data, size);

	if (what) {
		fprintf(stderr, "the model disagrees about %s\n", what);
		abort();
	}
	return 0;
}
