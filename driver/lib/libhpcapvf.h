/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libhpcapvf: read what the hpcapvf module captures.
 *
 * Every function that can fail returns 0 (or what it documents) or a negative errno value. The library never
 * prints, never exits and keeps no global state. A handle is one listener; use it from one thread at a time.
 *
 *	struct hpcapvf *capture;
 *	if (hpcapvf_open("/dev/hpcap_p7s0_0", &capture) == 0) {
 *		while (hpcapvf_wait(capture, 1, 1000) == 0) {
 *			uint64_t bytes;
 *			const void *records = hpcapvf_unread(capture, &bytes);
 *			... walk with hpcapvf_next ...
 *			hpcapvf_release(capture, bytes);
 *		}
 *		hpcapvf_close(capture);
 *	}
 */
#ifndef LIBHPCAPVF_H
#define LIBHPCAPVF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hpcapvf.h"

#ifdef __cplusplus
extern "C" {
#endif

struct hpcapvf;

/* One record, in host byte order. data points into the ring: it stays until it is released. */
struct hpcapvf_frame {
	const unsigned char *data;
	uint32_t seconds;	/* 0: not a frame, see HPCAPVF_SPECIAL_* */
	uint32_t nanoseconds;
	uint16_t caplen;
	uint16_t len;
};

/*
 * Opens a device and maps its ring. -EPROTO: the module speaks another ABI major version. -EBUSY: all
 * HPCAPVF_LISTENERS_MAX places are taken. Else what open(2) or mmap(2) say. *out is set on success only.
 */
int hpcapvf_open(const char *device, struct hpcapvf **out);

/* Frees the listener's place. NULL is allowed. */
void hpcapvf_close(struct hpcapvf *capture);

/* For poll(2) and epoll: readable when bytes are unread, POLLHUP when the device is gone. */
int hpcapvf_fd(const struct hpcapvf *capture);

int hpcapvf_info(const struct hpcapvf *capture, struct hpcapvf_info *out);
int hpcapvf_stats(const struct hpcapvf *capture, struct hpcapvf_stats *out);

/*
 * The counters of a device without opening it: from sysfs, so that looking takes no listener's place and is no
 * listener. path: the device, or a folder that has them, such as /sys/class/net/<interface>/hpcapvf. They are read one
 * after the other while frames come; write_offset stays 0. -ENOENT: no such device, or it is not hpcapvf's. -ENODEV: it
 * went away. -EPROTO: what is there is no number.
 */
int hpcapvf_counters(const char *path, struct hpcapvf_stats *out);

/*
 * Waits until min_bytes bytes are unread. timeout_ms: 0 looks and returns, HPCAPVF_WAIT_FOREVER has no limit.
 * 0, -ETIMEDOUT, -EINTR (a signal), -ENODEV (the device is gone; what is unread can still be used).
 */
int hpcapvf_wait(struct hpcapvf *capture, uint64_t min_bytes, int timeout_ms);

/*
 * Whether this listener may be overtaken instead of holding the ring (it holds it after open). Then what
 * hpcapvf_unread shows may be overwritten while it is looked at: copy it, and use the copy once hpcapvf_release
 * returned 0. Back to false, it goes on at the write offset. -EBUSY: a record is partly released.
 */
int hpcapvf_set_lossy(struct hpcapvf *capture, bool lossy);

/*
 * From now on the ring is this memory of the caller's, a writable mapping of hugetlbfs: HPCAPVF_IOC_RING_MEMORY in
 * hpcapvf.h says what is refused and when it ends. What was unread is lost; records shown before may not be used
 * any more. After -errno from mapping the new ring the handle can only be closed.
 */
int hpcapvf_lend_memory(struct hpcapvf *capture, void *memory, uint64_t bytes);

/* What was offered to this listener, and how much of it was read, lost, and not read yet. */
int hpcapvf_listener_stats(const struct hpcapvf *capture, struct hpcapvf_listener_stats *out);

/* The unread records, contiguous and whole; *bytes of them, perhaps 0. */
const void *hpcapvf_unread(const struct hpcapvf *capture, uint64_t *bytes);

/* The offset of the first unread byte, and that after the last captured one. */
uint64_t hpcapvf_read_offset(const struct hpcapvf *capture);
uint64_t hpcapvf_write_offset(const struct hpcapvf *capture);

/*
 * Gives the first bytes of the unread ones back to the module. -EINVAL if there are not as many. -ESTALE: a lossy
 * listener was overtaken: throw away what was copied since the last release; the loss is counted.
 */
int hpcapvf_release(struct hpcapvf *capture, uint64_t bytes);

/*
 * Takes the record at *position of records, which are bytes long, and moves *position behind it. 1: out is
 * set. 0: the end. -EBADMSG: a record that does not fit into what is left, or a position behind the end.
 */
int hpcapvf_next(const void *records, uint64_t bytes, uint64_t *position, struct hpcapvf_frame *out);

/*
 * Gives every frame in order to each(), whose frame is valid during the call only, and frees its place. 0: count frames
 * were given (count 0: no limit). What each() returned if that is not 0: the next loop goes on behind that frame; take
 * values above 0. -ETIMEDOUT: nothing came for timeout_ms. -EINTR, -ENODEV (everything was given): as hpcapvf_wait.
 * -EBADMSG: as hpcapvf_next. For a lossy listener each frame is copied and freed before each() sees it; how many were
 * lost says hpcapvf_listener_stats.
 */
int hpcapvf_loop(struct hpcapvf *capture, uint64_t count, int timeout_ms,
		 int (*each)(void *context, const struct hpcapvf_frame *frame), void *context);

#ifdef __cplusplus
}
#endif

#endif /* LIBHPCAPVF_H */
