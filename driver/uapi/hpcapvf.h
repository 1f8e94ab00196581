/* SPDX-License-Identifier: GPL-2.0-or-later WITH Linux-syscall-note */
/*
 * hpcapvf: the interface between the capture module and programs.
 *
 *        NIC ring                    record ring (bytes, 64-bit offsets)
 *   +--+--+--+--+--+  polling   +---------------------------------------+
 *   |  |  |  |  |  | ---------> |  ...  [hdr|frame][hdr|frame] ...      |
 *   +--+--+--+--+--+  thread    +---------------------------------------+
 *                                  ^ read_offset (one each    ^ write_offset
 *                                    per open file)             (control page)
 *
 * Offsets count bytes since the module took the device; they never wrap and never go back. The byte at
 * offset o lies at ring[o % ring_bytes]. The ring is mapped twice, back to back, so any span of up to
 * ring_bytes bytes is contiguous for a reader whatever its start.
 *
 * The ring holds whole RAW records only and no padding: whoever writes a file pads it.
 *
 * Every open file is a listener of its own, from the write offset at open() on. A lossless listener (the default)
 * holds the ring: when it is full, frames are dropped and counted (ring_full_drops). A lossy one never does; it is
 * overtaken instead, and told how many frames it lost.
 */
#ifndef HPCAPVF_UAPI_H
#define HPCAPVF_UAPI_H

#include <linux/ioctl.h>
#include <linux/types.h>

#if defined(__cplusplus)
#define HPCAPVF_ASSERT_SIZE(type, bytes) static_assert(sizeof(type) == (bytes), "size of " #type)
#else
#define HPCAPVF_ASSERT_SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), "size of " #type)
#endif

/*
 * ABI version, major in the upper half. A program works with a module of the same major version and of the
 * same or a higher minor version: within a major version, reserved fields get a meaning, nothing moves.
 */
#define HPCAPVF_ABI_MAJOR 1u
#define HPCAPVF_ABI_MINOR 4u
#define HPCAPVF_ABI_VERSION ((HPCAPVF_ABI_MAJOR << 16) | HPCAPVF_ABI_MINOR)

#define HPCAPVF_LISTENERS_MAX 8u
#define HPCAPVF_INTERFACE_BYTES 32u
#define HPCAPVF_VERSION_BYTES 16u

/*
 * RAW record: this header, then caplen bytes of the frame from its destination address on, without CRC.
 * Little-endian. There is no alignment between records.
 */
struct hpcapvf_record {
	__le32 seconds;		/* since 1970-01-01, of the clock that the module was loaded with */
	__le32 nanoseconds;	/* below 1000000000 */
	__le16 caplen;		/* bytes that follow */
	__le16 len;		/* bytes of the frame on the wire, at least caplen */
} __attribute__((packed));
HPCAPVF_ASSERT_SIZE(struct hpcapvf_record, 12);

#define HPCAPVF_RECORD_BYTES 12u
#define HPCAPVF_CAPLEN_MAX 65535u

/*
 * seconds == 0 marks a record that is no frame; nanoseconds then says what it is. Padding occurs in files
 * only. A loss record occurs only in what read() gives a lossy listener, where the lost frames would have been. A
 * program skips caplen bytes of any kind it does not know. They never belong into a file.
 */
#define HPCAPVF_SPECIAL_PADDING 0u
#define HPCAPVF_SPECIAL_LOSS 1u

struct hpcapvf_loss {	/* payload of a loss record; caplen == len == 32 */
	__le64 frames;
	__le64 bytes;
	__le32 seconds;	/* of the last frame lost */
	__le32 nanoseconds;
	__le64 reserved;
};
HPCAPVF_ASSERT_SIZE(struct hpcapvf_loss, 32);

/*
 * Counters since the module took the device. Frames and bytes are those of the wire (without CRC), before
 * caplen. In every snapshot, at any time:
 *
 *	received       = published       + duplicates      + ring_full_drops + no_listener_drops + errors
 *	received_bytes = published_bytes + duplicate_bytes + ring_full_bytes + no_listener_bytes + error_bytes
 *
 * "received" is what the polling thread took from the NIC's ring. Frames that the NIC itself dropped for want
 * of descriptors never reach a virtual function and are in none of these: ask the host's physical function.
 */
struct hpcapvf_stats {
	__u64 received;
	__u64 received_bytes;
	__u64 published;		/* put into the ring for the listeners */
	__u64 published_bytes;
	__u64 ring_full_drops;		/* the slowest listener had not made room */
	__u64 ring_full_bytes;
	__u64 no_listener_drops;	/* nobody had the device open */
	__u64 no_listener_bytes;
	__u64 errors;			/* flagged by the NIC, or longer than one receive buffer */
	__u64 error_bytes;
	__u64 vlan_reinserted;		/* published frames whose tag the NIC had stripped; not a category of its own */
	__u64 resets;			/* the device was set up again after its physical function reset */
	__u64 write_offset;
	/* since 1.2; the times of a queue never go back, they run on ahead of the clock until it catches up */
	__u64 clock_steps_back;		/* the clock was set back, or its counter went back */
	__u64 clock_stepped_back_ns;	/* by how much in sum */
	__u64 duplicates;		/* since 1.3: frames that were seen a moment before */
	__u64 duplicate_bytes;
	/* since 1.4, not received: network devices only, the polling thread had not made room in their queue */
	__u64 queue_full_drops;
	__u64 queue_full_bytes;
	__u64 reserved[13];		/* 0 */
};
HPCAPVF_ASSERT_SIZE(struct hpcapvf_stats, 256);

/* How frames get their times, since 1.2. */
#define HPCAPVF_TIMESTAMP_FRAME 0u	/* each when it is taken from the NIC's ring */
#define HPCAPVF_TIMESTAMP_UDTS 1u	/* once a burst, shared out evenly */
#define HPCAPVF_TIMESTAMP_WDTS 2u	/* once a burst, shared out by the frames' lengths */
#define HPCAPVF_TIMESTAMP_AUTO 3u	/* frame, but wdts while the NIC's ring is saturated */

#define HPCAPVF_CLOCK_REALTIME 0u
#define HPCAPVF_CLOCK_TAI 1u

struct hpcapvf_info {
	__u32 abi_version;
	__u32 queue;
	__u64 ring_bytes;
	__u64 control_offset;	/* mmap: where the control page is, control_bytes long */
	__u64 control_bytes;
	__u64 data_offset;	/* mmap: where the ring is, up to 2 * ring_bytes long */
	__u32 caplen;		/* frames are cut to this many bytes; 0: not cut */
	__u32 frame_bytes_max;	/* longest frame the device takes */
	__s32 cpu;		/* of the polling thread */
	__s32 numa_node;	/* of the device, -1: none */
	__u32 listener;		/* this file's place, 0..HPCAPVF_LISTENERS_MAX - 1 */
	__u32 link;		/* 1: up */
	__u8 mac[6];
	__u8 padding[2];
	char interface[HPCAPVF_INTERFACE_BYTES];	/* terminated by 0 */
	char driver_version[HPCAPVF_VERSION_BYTES];	/* terminated by 0 */
	__u32 timestamp;	/* HPCAPVF_TIMESTAMP_*, since 1.2 */
	__u32 clock;		/* HPCAPVF_CLOCK_*, since 1.2 */
	__u64 reserved[16];	/* 0 */
};
HPCAPVF_ASSERT_SIZE(struct hpcapvf_info, 256);

/* Read-only page shared with every reader. Load write_offset with acquire semantics before reading records. */
struct hpcapvf_control {
	__u32 abi_version;
	__u32 padding;
	__u64 ring_bytes;
	__u64 reserved[6];
	__u64 write_offset;	/* a cache line of its own: the polling thread writes it */
	/* since 1.1: bytes below claim_offset - ring_bytes may be overwritten by now (if nobody lossless holds them) */
	__u64 claim_offset;
	__u64 reserved_hot[6];
};
HPCAPVF_ASSERT_SIZE(struct hpcapvf_control, 128);

#define HPCAPVF_WAIT_FOREVER (-1)

/*
 * Wait until min_bytes bytes are unread. 0 ms looks and returns at once. Results: 0; -ETIMEDOUT; -EINTR;
 * -ENODEV once the device is gone (what is unread can still be read). min_bytes is cut to half the ring.
 * The offsets are set in every one of these cases but -EINTR.
 */
struct hpcapvf_wait {
	__u64 min_bytes;	/* in; 0 counts as 1 */
	__s32 timeout_ms;	/* in */
	__u32 padding;		/* in: 0 */
	__u64 read_offset;	/* out */
	__u64 write_offset;	/* out */
	__u64 reserved;		/* in: 0 */
};
HPCAPVF_ASSERT_SIZE(struct hpcapvf_wait, 40);

/*
 * Free all bytes below read_offset for this file. -EINVAL if that goes back or beyond the write offset.
 *
 * A lossy listener that reads the mapping learns here whether what it took since its last advance was whole: 0 says
 * so. -ESTALE: it was overtaken, so it must throw that away; all that is gone is counted as lost, and
 * HPCAPVF_IOC_WAIT tells where it goes on. Hence it copies first and uses the copy after the advance.
 */
struct hpcapvf_advance {
	__u64 read_offset;	/* in */
	__u64 reserved;		/* in: 0 */
};
HPCAPVF_ASSERT_SIZE(struct hpcapvf_advance, 16);

/* Since 1.1. */
#define HPCAPVF_POLICY_LOSSLESS 0u
#define HPCAPVF_POLICY_LOSSY 1u

/*
 * Set this file's policy. From lossy to lossless the file begins anew at the write offset: what was unread counts as
 * lost. A lossy file's read() gives whole records only: -EMSGSIZE if the buffer is too small for the next one.
 */
struct hpcapvf_policy {
	__u32 policy;	/* in */
	__u32 reserved;	/* in: 0 */
};
HPCAPVF_ASSERT_SIZE(struct hpcapvf_policy, 8);

/*
 * Counters of this file since open(). Bytes are those of the wire. In every snapshot:
 *
 *	offered       = read       + lost       + unread
 *	offered_bytes = read_bytes + lost_bytes + unread_bytes
 *
 * A frame is read when its last byte was, or was advanced over. Frames that a lossy listener was overtaken by move
 * from unread to lost when it next asks for anything.
 */
struct hpcapvf_listener_stats {
	__u64 offered;		/* published while this file was open */
	__u64 offered_bytes;
	__u64 read;
	__u64 read_bytes;
	__u64 lost;
	__u64 lost_bytes;
	__u64 unread;
	__u64 unread_bytes;
	__u64 overtaken;	/* how often */
	__u64 read_offset;
	__u32 policy;
	__u32 listener;
	__u64 reserved[5];	/* 0 */
};
HPCAPVF_ASSERT_SIZE(struct hpcapvf_listener_stats, 128);

/*
 * Since 1.4: from now on the ring is this memory, a mapping of hugetlbfs that the caller can write; CAP_NET_ADMIN. Both
 * are multiples of 2 MiB, bytes is 64 GiB at most. The pages are pinned. This file begins anew at the write offset, and
 * its earlier mappings show the earlier ring: map again. -EBUSY while anybody else has the device open, or while
 * the ring is somebody's memory already; -EINVAL: not of hugetlbfs; -ENOMEM: more than RLIMIT_MEMLOCK allows to pin,
 * without CAP_IPC_LOCK. When the last file is closed, the ring is kernel memory again, and the pages are let go once
 * nobody maps them.
 */
struct hpcapvf_ring_memory {
	__u64 address;	/* in */
	__u64 bytes;	/* in */
	__u64 reserved[2];	/* in: 0 */
};
HPCAPVF_ASSERT_SIZE(struct hpcapvf_ring_memory, 32);

#define HPCAPVF_IOC_MAGIC 0xCA
#define HPCAPVF_IOC_VERSION _IOR(HPCAPVF_IOC_MAGIC, 0, __u32)
#define HPCAPVF_IOC_INFO _IOR(HPCAPVF_IOC_MAGIC, 1, struct hpcapvf_info)
#define HPCAPVF_IOC_WAIT _IOWR(HPCAPVF_IOC_MAGIC, 2, struct hpcapvf_wait)
#define HPCAPVF_IOC_ADVANCE _IOW(HPCAPVF_IOC_MAGIC, 3, struct hpcapvf_advance)
#define HPCAPVF_IOC_STATS _IOR(HPCAPVF_IOC_MAGIC, 4, struct hpcapvf_stats)
#define HPCAPVF_IOC_POLICY _IOW(HPCAPVF_IOC_MAGIC, 5, struct hpcapvf_policy)
#define HPCAPVF_IOC_LISTENER_STATS _IOR(HPCAPVF_IOC_MAGIC, 6, struct hpcapvf_listener_stats)
#define HPCAPVF_IOC_RING_MEMORY _IOW(HPCAPVF_IOC_MAGIC, 7, struct hpcapvf_ring_memory)

#endif /* HPCAPVF_UAPI_H */
