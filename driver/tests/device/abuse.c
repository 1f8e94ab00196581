// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Wrong use of a real device: each call must be refused with the right error, and a listener beside it must not
 * notice. Run on a machine with the module loaded: abuse /dev/hpcap_<interface>_<queue>
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "libhpcapvf.h"
#include "tests/check.h"

/* volatile: the compiler would warn, rightly */
static void *volatile unmapped = (void *)8;
#define UNMAPPED ((void *)unmapped)

static const char *device;
static struct hpcapvf_info info;

static int open_device(int flags)
{
	int fd = open(device, flags);

	CHECK(fd >= 0);
	return fd;
}

static int failed_with(long result)
{
	return result == -1 ? errno : 0;
}

static void only_reading_is_allowed(void)
{
	CHECK_EQUAL(failed_with(open(device, O_RDWR)), EACCES);
	CHECK_EQUAL(failed_with(open(device, O_WRONLY)), EACCES);
}

static void places_end_with_busy_and_come_back(void)
{
	int fds[HPCAPVF_LISTENERS_MAX];
	unsigned int i;
	pid_t child;
	int status;

	for (i = 0; i < HPCAPVF_LISTENERS_MAX; i++)
		fds[i] = open_device(O_RDONLY);
	CHECK_EQUAL(failed_with(open(device, O_RDONLY)), EBUSY);
	for (i = 0; i < HPCAPVF_LISTENERS_MAX; i++)
		close(fds[i]);
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		for (i = 0; i < HPCAPVF_LISTENERS_MAX; i++)
			open_device(O_RDONLY);
		raise(SIGKILL);
	}
	CHECK_EQUAL(waitpid(child, &status, 0), child);
	CHECK(WIFSIGNALED(status));
	close(open_device(O_RDONLY));
}

static void wrong_requests_are_refused(void)
{
	int fd = open_device(O_RDONLY);
	struct hpcapvf_wait wait = { .min_bytes = 1, .padding = 1 };
	struct hpcapvf_advance advance = { .read_offset = UINT64_MAX };
	struct hpcapvf_policy policy = { .policy = 2 };
	struct hpcapvf_ring_memory memory = { .bytes = 0 };

	CHECK_EQUAL(failed_with(ioctl(fd, 0x1234, 0)), ENOTTY);
	CHECK_EQUAL(failed_with(ioctl(fd, _IO(HPCAPVF_IOC_MAGIC, 99), 0)), ENOTTY);
	CHECK_EQUAL(failed_with(ioctl(fd, HPCAPVF_IOC_VERSION, UNMAPPED)), EFAULT);
	CHECK_EQUAL(failed_with(ioctl(fd, HPCAPVF_IOC_INFO, UNMAPPED)), EFAULT);
	CHECK_EQUAL(failed_with(ioctl(fd, HPCAPVF_IOC_STATS, UNMAPPED)), EFAULT);
	CHECK_EQUAL(failed_with(ioctl(fd, HPCAPVF_IOC_WAIT, UNMAPPED)), EFAULT);
	CHECK_EQUAL(failed_with(ioctl(fd, HPCAPVF_IOC_ADVANCE, UNMAPPED)), EFAULT);
	CHECK_EQUAL(failed_with(ioctl(fd, HPCAPVF_IOC_POLICY, UNMAPPED)), EFAULT);
	CHECK_EQUAL(failed_with(ioctl(fd, HPCAPVF_IOC_LISTENER_STATS, UNMAPPED)), EFAULT);
	CHECK_EQUAL(failed_with(ioctl(fd, HPCAPVF_IOC_POLICY, &policy)), EINVAL);
	policy = (struct hpcapvf_policy){ .policy = HPCAPVF_POLICY_LOSSY, .reserved = 1 };
	CHECK_EQUAL(failed_with(ioctl(fd, HPCAPVF_IOC_POLICY, &policy)), EINVAL);
	CHECK_EQUAL(failed_with(ioctl(fd, HPCAPVF_IOC_WAIT, &wait)), EINVAL);
	wait.padding = 0;
	wait.timeout_ms = -2;
	CHECK_EQUAL(failed_with(ioctl(fd, HPCAPVF_IOC_WAIT, &wait)), EINVAL);
	CHECK_EQUAL(failed_with(ioctl(fd, HPCAPVF_IOC_ADVANCE, &advance)), EINVAL);
	advance.read_offset = 0;
	advance.reserved = 1;
	CHECK_EQUAL(failed_with(ioctl(fd, HPCAPVF_IOC_ADVANCE, &advance)), EINVAL);
	CHECK_EQUAL(failed_with(ioctl(fd, HPCAPVF_IOC_RING_MEMORY, &memory)), geteuid() ? EPERM : EINVAL);
	close(fd);
}

static void policy_is_each_files_own(void)
{
	struct hpcapvf_listener_stats stats;
	struct hpcapvf *lossy, *lossless;

	CHECK_EQUAL(hpcapvf_open(device, &lossy), 0);
	CHECK_EQUAL(hpcapvf_open(device, &lossless), 0);
	CHECK_EQUAL(hpcapvf_set_lossy(lossy, true), 0);
	CHECK_EQUAL(hpcapvf_listener_stats(lossy, &stats), 0);
	CHECK_EQUAL(stats.policy, HPCAPVF_POLICY_LOSSY);
	CHECK_EQUAL(stats.offered, stats.read + stats.lost + stats.unread);
	CHECK_EQUAL(hpcapvf_listener_stats(lossless, &stats), 0);
	CHECK_EQUAL(stats.policy, HPCAPVF_POLICY_LOSSLESS);
	CHECK_EQUAL(stats.lost, 0);
	CHECK_EQUAL(hpcapvf_set_lossy(lossy, false), 0);
	hpcapvf_close(lossy);
	hpcapvf_close(lossless);
}

static void *map(int fd, uint64_t bytes, int protection, int flags, uint64_t offset)
{
	return mmap(NULL, bytes, protection, flags, fd, (off_t)offset);
}

static void mapping_is_bounded_and_read_only(void)
{
	const uint64_t page = 4096, twice = 2 * info.ring_bytes;
	int fd = open_device(O_RDONLY);
	volatile const uint8_t *data;
	void *control;

	CHECK(map(fd, page, PROT_READ | PROT_WRITE, MAP_SHARED, info.control_offset) == MAP_FAILED);
	CHECK_EQUAL(errno, EACCES);
	CHECK(map(fd, page, PROT_READ | PROT_WRITE, MAP_PRIVATE, info.data_offset) == MAP_FAILED);
	CHECK_EQUAL(errno, EACCES);
	CHECK(map(fd, 2 * page, PROT_READ, MAP_SHARED, info.control_offset) == MAP_FAILED);
	CHECK_EQUAL(errno, EINVAL);
	CHECK(map(fd, page, PROT_READ, MAP_SHARED, page) == MAP_FAILED);
	CHECK(map(fd, twice + page, PROT_READ, MAP_SHARED, info.data_offset) == MAP_FAILED);
	CHECK(map(fd, page, PROT_READ, MAP_SHARED, info.data_offset + twice) == MAP_FAILED);
	CHECK(map(fd, page, PROT_READ, MAP_SHARED, 1ull << 50) == MAP_FAILED);
	control = map(fd, page, PROT_READ, MAP_SHARED, info.control_offset);
	CHECK(control != MAP_FAILED);
	CHECK_EQUAL(failed_with(mprotect(control, page, PROT_READ | PROT_WRITE)), EACCES);
	CHECK(mremap(control, page, 2 * page, MREMAP_MAYMOVE) == MAP_FAILED);
	CHECK_EQUAL(((struct hpcapvf_control *)control)->ring_bytes, info.ring_bytes);
	data = map(fd, page, PROT_READ, MAP_SHARED, info.data_offset + twice - page);
	CHECK(data != MAP_FAILED);
	close(fd);
	(void)data[page - 1];	/* the mapping holds what it shows */
	munmap(control, page);
	munmap((void *)(uintptr_t)data, page);
}

static double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* On a quiet wire: more than half the ring is never asked for in earnest. */
static void waiting_ends_in_time(void)
{
	int fd = open_device(O_RDONLY | O_NONBLOCK);
	struct hpcapvf_wait wait = { .min_bytes = UINT64_MAX, .timeout_ms = 300 };
	double start = seconds_now();

	CHECK_EQUAL(failed_with(ioctl(fd, HPCAPVF_IOC_WAIT, &wait)), ETIMEDOUT);
	CHECK(seconds_now() - start >= 0.29);
	CHECK(wait.write_offset >= wait.read_offset);
	wait.timeout_ms = 0;
	start = seconds_now();
	CHECK_EQUAL(failed_with(ioctl(fd, HPCAPVF_IOC_WAIT, &wait)), ETIMEDOUT);
	CHECK(seconds_now() - start < 0.25);
	close(fd);
}

static uint64_t read_offset_of(int fd)
{
	struct hpcapvf_wait wait = { .timeout_ms = 0 };

	if (ioctl(fd, HPCAPVF_IOC_WAIT, &wait))
		CHECK_EQUAL(errno, ETIMEDOUT);
	return wait.read_offset;
}

/* read() of any size gives the bytes of the ring; a bad buffer loses none. Needs frames on the wire. */
static void reading_in_pieces_is_the_stream(void)
{
	uint8_t pieces[1024];
	struct pollfd ready = { .events = POLLIN };
	struct hpcapvf *mapped;
	uint64_t bytes, before, got = 0;
	const uint8_t *records;

	CHECK_EQUAL(hpcapvf_open(device, &mapped), 0);
	ready.fd = open_device(O_RDONLY | O_NONBLOCK);
	before = read_offset_of(ready.fd) - hpcapvf_read_offset(mapped);
	CHECK_EQUAL(failed_with(read(ready.fd, pieces, 0)), 0);
	CHECK_EQUAL(poll(&ready, 1, 10000), 1);
	CHECK_EQUAL(failed_with(read(ready.fd, UNMAPPED, 100)), EFAULT);
	while (got < sizeof(pieces) - 8) {
		ssize_t n = read(ready.fd, pieces + got, 1 + got % 7);

		if (n < 0 && errno == EAGAIN)
			CHECK_EQUAL(poll(&ready, 1, 10000), 1);
		else
			CHECK(n > 0);
		got += n > 0 ? (uint64_t)n : 0;
	}
	records = hpcapvf_unread(mapped, &bytes);
	CHECK(bytes >= before + got);
	CHECK(memcmp(records + before, pieces, got) == 0);
	CHECK_EQUAL(read_offset_of(ready.fd), hpcapvf_read_offset(mapped) + before + got);
	hpcapvf_close(mapped);
	close(ready.fd);
}

/* A count beyond the memory that is there, up to the largest: at most what fits is read, and nothing else is lost. */
static void reading_beyond_the_buffer_loses_nothing(void)
{
	static const size_t counts[] = { 2 * 4096, INT_MAX, INT_MAX + 1ul, SSIZE_MAX, SIZE_MAX };
	const size_t page = 4096;
	uint8_t *room = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = open_device(O_RDONLY | O_NONBLOCK);
	struct hpcapvf_wait wait = { .min_bytes = 2 * page, .timeout_ms = 30000 };
	uint64_t expected;
	size_t i;

	CHECK(room != MAP_FAILED);
	CHECK_EQUAL(mprotect(room + page, page, PROT_NONE), 0);
	expected = read_offset_of(fd);
	for (i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		ssize_t n;

		CHECK_EQUAL(failed_with(ioctl(fd, HPCAPVF_IOC_WAIT, &wait)), 0);
		n = read(fd, room, counts[i]);
		CHECK(n > 0 ? (size_t)n <= page : errno == EFAULT || errno == EINVAL);
		expected += n > 0 ? (uint64_t)n : 0;
		CHECK_EQUAL(read_offset_of(fd), expected);
	}
	munmap(room, 2 * page);
	close(fd);
}

int main(int argc, char **argv)
{
	struct hpcapvf *listener;
	uint64_t read_offset;

	CHECK_EQUAL(argc, 2);
	device = argv[1];
	CHECK_EQUAL(hpcapvf_open(device, &listener), 0);
	CHECK_EQUAL(hpcapvf_info(listener, &info), 0);
	hpcapvf_close(listener);
	RUN(only_reading_is_allowed);
	RUN(places_end_with_busy_and_come_back);
	CHECK_EQUAL(hpcapvf_open(device, &listener), 0);
	read_offset = hpcapvf_read_offset(listener);
	RUN(wrong_requests_are_refused);
	RUN(policy_is_each_files_own);
	RUN(mapping_is_bounded_and_read_only);
	RUN(waiting_ends_in_time);
	RUN(reading_in_pieces_is_the_stream);
	RUN(reading_beyond_the_buffer_loses_nothing);
	CHECK_EQUAL(read_offset_of(hpcapvf_fd(listener)), read_offset);
	hpcapvf_close(listener);
	printf("abuse: passed\n");
	return 0;
}
