// SPDX-License-Identifier: GPL-2.0
/*
 * Type information (BTF) about dpr_xdp(), for the verifier of BPF.
 *
 * A build makes it by pahole, out of debug information and of the kernel's own: if both are
 * there, which is not so on each host that builds the module. Here it is written down: it is
 * one function.
 * From 6.11 on a module may bring with it the few types of the kernel that its own ones
 * build on (.BTF.base, Documentation/bpf/btf.rst): the kernel looks them up by their names
 * when it loads the module, and numbers anew what builds on them.
 */
#include "xdp_btf.h"

#if DPR_COMPAT_XDP
#include <linux/bpf.h>
#include <linux/btf.h>
#include <linux/btf_ids.h>
#include <linux/module.h>

/* The kernel's types, numbered from 1 as they are in dpr_xdp_btf_base. */
enum {
	DPR_XDP_BTF_INT = 1,
	DPR_XDP_BTF_XDP_MD,
	DPR_XDP_BTF_BASE_END
};

/* Our own go on from there, as they are in dpr_xdp_btf. */
enum {
	DPR_XDP_BTF_CTX = DPR_XDP_BTF_BASE_END,
	DPR_XDP_BTF_PROTO,
	DPR_XDP_BTF_FUNC
};

/* Names are found by their offsets; the first is none. */
struct dpr_xdp_btf_base_names {
	char none[1];
	char of_int[sizeof("int")];
	char of_xdp_md[sizeof("xdp_md")];
};

struct dpr_xdp_btf_names {
	char none[1];
	char of_ctx[sizeof("ctx")];
	char of_flags[sizeof("flags")];
	char of_func[sizeof("dpr_xdp")];
};

#define DPR_XDP_BTF_BASE_NAME(name)	\
	offsetof(struct dpr_xdp_btf_base_names, of_##name)
/* Those of the base come first. */
#define DPR_XDP_BTF_NAME(name)		\
	(sizeof(struct dpr_xdp_btf_base_names) + \
	 offsetof(struct dpr_xdp_btf_names, of_##name))

#define DPR_XDP_BTF_INFO(kind, n)	((kind) << 24 | (n))

struct dpr_xdp_btf_base_types {
	struct btf_type of_int;
	u32 encoding;
	struct btf_type of_xdp_md;
};

struct dpr_xdp_btf_types {
	struct btf_type ctx;
	struct btf_type proto;
	struct btf_param params[2];
	struct btf_type func;
};

/* Nothing may follow the names. */
struct dpr_xdp_btf_base {
	struct btf_header header;
	struct dpr_xdp_btf_base_types types;
	struct dpr_xdp_btf_base_names names;
} __packed;

struct dpr_xdp_btf {
	struct btf_header header;
	struct dpr_xdp_btf_types types;
	struct dpr_xdp_btf_names names;
} __packed;

#define DPR_XDP_BTF_HEADER(of) {				\
	.magic = BTF_MAGIC,					\
	.version = BTF_VERSION,					\
	.hdr_len = sizeof(struct btf_header),			\
	.type_len = sizeof(struct of##_types),			\
	.str_off = sizeof(struct of##_types),			\
	.str_len = sizeof(struct of##_names),			\
}

static const struct dpr_xdp_btf_base dpr_xdp_btf_base
__used __section(".BTF.base") = {
	.header = DPR_XDP_BTF_HEADER(dpr_xdp_btf_base),
	.types = {
		.of_int = {
			.name_off = DPR_XDP_BTF_BASE_NAME(int),
			.info = DPR_XDP_BTF_INFO(BTF_KIND_INT, 0),
			.size = sizeof(int),
		},
		.encoding = BTF_INT_SIGNED << 24 | 8 * sizeof(int),
		.of_xdp_md = {
			.name_off = DPR_XDP_BTF_BASE_NAME(xdp_md),
			.info = DPR_XDP_BTF_INFO(BTF_KIND_STRUCT, 0),
			.size = sizeof(struct xdp_md),
		},
	},
	.names = {
		.of_int = "int",
		.of_xdp_md = "xdp_md",
	},
};

static const struct dpr_xdp_btf dpr_xdp_btf __used __section(".BTF") = {
	.header = DPR_XDP_BTF_HEADER(dpr_xdp_btf),
	.types = {
		.ctx = {
			.info = DPR_XDP_BTF_INFO(BTF_KIND_PTR, 0),
			.type = DPR_XDP_BTF_XDP_MD,
		},
		.proto = {
			.info = DPR_XDP_BTF_INFO(BTF_KIND_FUNC_PROTO, 2),
			.type = DPR_XDP_BTF_INT,
		},
		.params = {
			{ DPR_XDP_BTF_NAME(ctx), DPR_XDP_BTF_CTX },
			{ DPR_XDP_BTF_NAME(flags), DPR_XDP_BTF_INT },
		},
		.func = {
			.name_off = DPR_XDP_BTF_NAME(func),
			.info = DPR_XDP_BTF_INFO(BTF_KIND_FUNC, BTF_FUNC_STATIC),
			.type = DPR_XDP_BTF_PROTO,
		},
	},
	.names = {
		.of_ctx = "ctx",
		.of_flags = "flags",
		.of_func = "dpr_xdp",
	},
};

/* What BTF_KFUNCS_START() and its like make, but with the number that they wait for. */
static struct btf_id_set8 dpr_xdp_btf_set = {
	.cnt = 1,
	.flags = BTF_SET8_KFUNCS,
	.pairs = { { .id = DPR_XDP_BTF_FUNC } },
};

static const struct btf_kfunc_id_set dpr_xdp_btf_kfuncs = {
	.owner = THIS_MODULE,
	.set = &dpr_xdp_btf_set,
};

/**
 * dpr_xdp_btf_init - let programs of XDP call dpr_xdp()
 *
 * Without it all works but the fast path, whose loader says that there is no such function.
 */
void __init dpr_xdp_btf_init(void)
{
	int err = register_btf_kfunc_id_set(BPF_PROG_TYPE_XDP,
					    &dpr_xdp_btf_kfuncs);

	if (err)
		pr_info("dpr: no fast path on this kernel: %d\n", err);
}
#endif /* DPR_COMPAT_XDP */
