// SPDX-License-Identifier: GPL-2.0
/*
 * Samples the interrupted instruction at a steady pace and prints how many
 * samples fell into which function. The pace is prime, so that it does not
 * beat with the packets.
 */
#include <linux/hrtimer.h>
#include <linux/kallsyms.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/sort.h>
#include <linux/version.h>
#include <asm/irq_regs.h>
#include "profile.h"

#define PACE_NS		4973
#define SAMPLES		(1 << 17)
#define TOP		45

static struct hrtimer inject_timer;
static unsigned long *inject_ip;
static u32 inject_samples;
static bool inject_paused;

static enum hrtimer_restart inject_sample(struct hrtimer *timer)
{
	struct pt_regs *regs = get_irq_regs();

	if (regs && !inject_paused && inject_samples < SAMPLES)
		inject_ip[inject_samples++] = instruction_pointer(regs);
	hrtimer_forward_now(timer, ns_to_ktime(PACE_NS));
	return HRTIMER_RESTART;
}

static void inject_timer_init(void)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 15, 0)
	hrtimer_setup(&inject_timer, inject_sample, CLOCK_MONOTONIC,
		      HRTIMER_MODE_REL_HARD);
#else
	hrtimer_init(&inject_timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_HARD);
	inject_timer.function = inject_sample;
#endif
}

int inject_profile_start(void)
{
	inject_ip = kvcalloc(SAMPLES, sizeof(*inject_ip), GFP_KERNEL);
	if (!inject_ip)
		return -ENOMEM;
	inject_samples = 0;
	inject_timer_init();
	hrtimer_start(&inject_timer, ns_to_ktime(PACE_NS),
		      HRTIMER_MODE_REL_HARD);
	return 0;
}

static int inject_compare(const void *a, const void *b)
{
	unsigned long x = *(const unsigned long *)a;
	unsigned long y = *(const unsigned long *)b;

	return x < y ? -1 : x > y;
}

/* A function and how often it was interrupted. */
struct inject_function {
	char name[KSYM_SYMBOL_LEN];
	u32 samples;
};

static int inject_compare_function(const void *a, const void *b)
{
	const struct inject_function *x = a, *y = b;

	return y->samples - x->samples;
}

/* Counts the samples by function, and prints the functions seen most. */
static void inject_profile_print(void)
{
	struct inject_function *f;
	char name[KSYM_SYMBOL_LEN];
	u32 i, n = 0, most = 4096;

	f = kvcalloc(most, sizeof(*f), GFP_KERNEL);
	if (!f)
		return;
	sort(inject_ip, inject_samples, sizeof(*inject_ip), inject_compare,
	     NULL);
	for (i = 0; i < inject_samples; i++) {
		sprint_symbol_no_offset(name, inject_ip[i]);
		if (!n || strcmp(f[n - 1].name, name)) {
			if (n == most)
				break;
			strscpy(f[n++].name, name, sizeof(name));
		}
		f[n - 1].samples++;
	}
	sort(f, n, sizeof(*f), inject_compare_function, NULL);
	pr_info("dprinject-profile: %u all\n", inject_samples);
	for (i = 0; i < min_t(u32, n, TOP); i++)
		pr_info("dprinject-profile: %u %s\n", f[i].samples, f[i].name);
	kvfree(f);
}

/* What runs meanwhile is not measured. */
void inject_profile_pause(bool paused)
{
	inject_paused = paused;
}

void inject_profile_stop(void)
{
	hrtimer_cancel(&inject_timer);
	if (inject_samples)
		inject_profile_print();
	kvfree(inject_ip);
}
