/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The few things the core needs from where it is compiled: integer types, memcpy, errno values, and ordered
 * loads and stores. Everything else in core/ is the same in the module and in user space.
 */
#ifndef HPCAP_CORE_PORT_H
#define HPCAP_CORE_PORT_H

#ifdef __KERNEL__

#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/processor.h>
#include <linux/prefetch.h>
#include <linux/string.h>
#include <linux/timex.h>
#include <linux/types.h>
#include <asm/barrier.h>
#include <asm/byteorder.h>

#define core_load(p) READ_ONCE(*(p))
#define core_store(p, v) WRITE_ONCE(*(p), (v))
#define core_load_acquire(p) smp_load_acquire(p)
#define core_store_release(p, v) smp_store_release((p), (v))
#define core_full_barrier() smp_mb()
#define core_read_barrier() smp_rmb()
#define core_write_barrier() smp_wmb()
#define core_relax() cpu_relax()
#define core_unwatched __no_sanitize_thread
#define core_prefetch(p) prefetch(p)
#define core_always_inline __always_inline
#define core_unlikely(condition) unlikely(condition)
#define core_mul_shift(a, b, shift) mul_u64_u32_shr((a), (b), (shift))
#define core_div64(a, b) div64_u64((a), (b))
#define core_div_s64(a, b) div64_s64((a), (b))

/* Whether the processor's counter runs steadily; else a clock of the kernel takes its place. */
extern bool core_counter_is_steady;

static inline __u64 core_ticks(void)
{
	return likely(core_counter_is_steady) ? get_cycles() : ktime_get_mono_fast_ns();
}
#define core_le16(v) le16_to_cpu(v)
#define core_le32(v) le32_to_cpu(v)
#define core_to_le16(v) cpu_to_le16(v)
#define core_to_le32(v) cpu_to_le32(v)
#define core_to_le64(v) cpu_to_le64(v)

#else

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <time.h>
#include <linux/types.h>

#define core_load(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define core_store(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define core_load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define core_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)

#if defined(__SANITIZE_THREAD__)
/* ThreadSanitizer does not model fences; an atomic read-modify-write orders at least as much. */
static int core_fence_word __attribute__((unused));
#define core_full_barrier() ((void)__atomic_fetch_add(&core_fence_word, 0, __ATOMIC_SEQ_CST))
#define core_read_barrier() core_full_barrier()
#define core_write_barrier() core_full_barrier()
#else
#define core_full_barrier() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define core_read_barrier() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define core_write_barrier() __atomic_thread_fence(__ATOMIC_RELEASE)
#endif

/* A function that reads what may be overwritten meanwhile, and whose caller finds out afterwards. */
#define core_unwatched __attribute__((no_sanitize_thread))

#define core_prefetch(p) __builtin_prefetch(p)
#define core_always_inline inline __attribute__((always_inline))
#define core_unlikely(condition) __builtin_expect(!!(condition), 0)
#define core_mul_shift(a, b, shift) ((__u64)((unsigned __int128)(a) * (b) >> (shift)))
#define core_div64(a, b) ((a) / (b))
#define core_div_s64(a, b) ((a) / (b))

#if defined(__x86_64__)
#define core_relax() __builtin_ia32_pause()
#else
#define core_relax() ((void)0)
#endif

static inline __u64 core_ticks(void)
{
#if defined(__x86_64__)
	__u32 low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (__u64)high << 32 | low;
#else
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (__u64)now.tv_sec * 1000000000u + (__u64)now.tv_nsec;
#endif
}

/* The casts to the __le types are what sparse checks in the kernel build; here they are plain integers. */
#ifdef __CHECKER__
#ifndef __force
#define __force __attribute__((force))
#endif
#define core_le16(v) le16toh((__force __u16)(v))
#define core_le32(v) le32toh((__force __u32)(v))
#define core_to_le16(v) ((__force __le16)htole16(v))
#define core_to_le32(v) ((__force __le32)htole32(v))
#define core_to_le64(v) ((__force __le64)htole64(v))
#else
#define core_le16(v) le16toh(v)
#define core_le32(v) le32toh(v)
#define core_to_le16(v) htole16(v)
#define core_to_le32(v) htole32(v)
#define core_to_le64(v) htole64(v)
#endif

#endif /* __KERNEL__ */

#define CORE_CACHE_LINE 64

#endif /* HPCAP_CORE_PORT_H */
