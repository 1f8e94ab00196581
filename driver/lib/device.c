// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "libhpcapvf.h"

struct hpcapvf {
	int fd;
	uint64_t read_offset;	/* what the module has for this file, kept here to save calls */
	bool lossy;
	const struct hpcapvf_control *control;
	const unsigned char *ring;
	struct hpcapvf_info info;
};

static int control_request(int fd, unsigned long request, void *argument)
{
	return ioctl(fd, request, argument) < 0 ? -errno : 0;
}

static int map_readable(int fd, uint64_t offset, uint64_t bytes, const void **out)
{
	void *address = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, (off_t)offset);

	if (address == MAP_FAILED)
		return -errno;
	*out = address;
	return 0;
}

static int check_version(int fd)
{
	uint32_t version;
	int error = control_request(fd, HPCAPVF_IOC_VERSION, &version);

	if (error)
		return error == -ENOTTY ? -EPROTO : error;
	if (version >> 16 != HPCAPVF_ABI_MAJOR || version < HPCAPVF_ABI_VERSION)
		return -EPROTO;
	return 0;
}

static int learn_read_offset(struct hpcapvf *capture)
{
	struct hpcapvf_wait wait = { .min_bytes = 1, .timeout_ms = 0 };
	int error = control_request(capture->fd, HPCAPVF_IOC_WAIT, &wait);

	if (error && error != -ETIMEDOUT)
		return error;
	capture->read_offset = wait.read_offset;
	return 0;
}

static int map_all(struct hpcapvf *capture)
{
	const struct hpcapvf_info *info = &capture->info;
	const void *control = NULL, *ring = NULL;
	int error;

	error = map_readable(capture->fd, info->control_offset, info->control_bytes, &control);
	if (error)
		return error;
	capture->control = control;
	error = map_readable(capture->fd, info->data_offset, 2 * info->ring_bytes, &ring);
	if (error)
		return error;
	capture->ring = ring;
	return 0;
}

static void unmap_all(struct hpcapvf *capture)
{
	if (capture->ring)
		munmap((void *)(uintptr_t)capture->ring, 2 * capture->info.ring_bytes);
	if (capture->control)
		munmap((void *)(uintptr_t)capture->control, capture->info.control_bytes);
	capture->ring = NULL;
	capture->control = NULL;
}

int hpcapvf_lend_memory(struct hpcapvf *capture, void *memory, uint64_t bytes)
{
	struct hpcapvf_ring_memory wish = { .address = (uintptr_t)memory, .bytes = bytes };
	int error = control_request(capture->fd, HPCAPVF_IOC_RING_MEMORY, &wish);

	if (error)
		return error;
	unmap_all(capture);
	error = control_request(capture->fd, HPCAPVF_IOC_INFO, &capture->info);
	if (!error)
		error = map_all(capture);
	return error ? error : learn_read_offset(capture);
}

int hpcapvf_open(const char *device, struct hpcapvf **out)
{
	struct hpcapvf *capture = calloc(1, sizeof(*capture));
	int error;

	if (!capture)
		return -ENOMEM;
	capture->fd = open(device, O_RDONLY | O_CLOEXEC);
	if (capture->fd < 0) {
		error = -errno;
		free(capture);
		return error;
	}
	error = check_version(capture->fd);
	if (!error)
		error = control_request(capture->fd, HPCAPVF_IOC_INFO, &capture->info);
	if (!error)
		error = map_all(capture);
	if (!error)
		error = learn_read_offset(capture);
	if (error) {
		hpcapvf_close(capture);
		return error;
	}
	*out = capture;
	return 0;
}

void hpcapvf_close(struct hpcapvf *capture)
{
	if (!capture)
		return;
	unmap_all(capture);
	close(capture->fd);
	free(capture);
}

int hpcapvf_fd(const struct hpcapvf *capture)
{
	return capture->fd;
}

int hpcapvf_info(const struct hpcapvf *capture, struct hpcapvf_info *out)
{
	return control_request(capture->fd, HPCAPVF_IOC_INFO, out);
}

int hpcapvf_stats(const struct hpcapvf *capture, struct hpcapvf_stats *out)
{
	return control_request(capture->fd, HPCAPVF_IOC_STATS, out);
}

uint64_t hpcapvf_read_offset(const struct hpcapvf *capture)
{
	return capture->read_offset;
}

uint64_t hpcapvf_write_offset(const struct hpcapvf *capture)
{
	return __atomic_load_n(&capture->control->write_offset, __ATOMIC_ACQUIRE);
}

int hpcapvf_listener_stats(const struct hpcapvf *capture, struct hpcapvf_listener_stats *out)
{
	return control_request(capture->fd, HPCAPVF_IOC_LISTENER_STATS, out);
}

int hpcapvf_set_lossy(struct hpcapvf *capture, bool lossy)
{
	struct hpcapvf_policy policy = { .policy = lossy ? HPCAPVF_POLICY_LOSSY : HPCAPVF_POLICY_LOSSLESS };
	int error = control_request(capture->fd, HPCAPVF_IOC_POLICY, &policy);

	if (error)
		return error;
	capture->lossy = lossy;
	return learn_read_offset(capture);
}

static bool overtaken(const struct hpcapvf *capture)
{
	uint64_t claim;

	if (!capture->lossy)
		return false;
	claim = __atomic_load_n(&capture->control->claim_offset, __ATOMIC_ACQUIRE);
	return claim > capture->read_offset + capture->info.ring_bytes;
}

int hpcapvf_wait(struct hpcapvf *capture, uint64_t min_bytes, int timeout_ms)
{
	struct hpcapvf_wait wait = { .min_bytes = min_bytes, .timeout_ms = timeout_ms };

	int error;

	if (min_bytes && !overtaken(capture) && hpcapvf_write_offset(capture) - capture->read_offset >= min_bytes)
		return 0;
	error = control_request(capture->fd, HPCAPVF_IOC_WAIT, &wait);
	if (!error || error == -ETIMEDOUT || error == -ENODEV)
		capture->read_offset = wait.read_offset;
	return error;
}

const void *hpcapvf_unread(const struct hpcapvf *capture, uint64_t *bytes)
{
	*bytes = overtaken(capture) ? 0 : hpcapvf_write_offset(capture) - capture->read_offset;
	return capture->ring + capture->read_offset % capture->info.ring_bytes;
}

int hpcapvf_release(struct hpcapvf *capture, uint64_t bytes)
{
	struct hpcapvf_advance advance = { .read_offset = capture->read_offset + bytes };
	int error = control_request(capture->fd, HPCAPVF_IOC_ADVANCE, &advance);

	if (!error)
		capture->read_offset += bytes;
	else if (error == -ESTALE)
		(void)learn_read_offset(capture);
	return error;
}
