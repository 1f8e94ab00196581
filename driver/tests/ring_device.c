// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/ring_device.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "libhpcapvf.h"
#include "tests/check.h"
#include "tests/ring_memory.h"

#define RING_BYTES (1024u * 1024)
#define BURST 16u
#define TICK_NS 200000
#define TICKS_PER_MS 5

struct hpcapvf {
	struct test_ring *ring;
	pthread_t producer;
	unsigned int listener;
	int gone;
	int closing;
	int control;
};

static int tick(void)
{
	const struct timespec pause = { .tv_nsec = TICK_NS };

	return nanosleep(&pause, NULL) ? -errno : 0;
}

static void append(struct hpcapvf *device, const struct ring_device_request *request)
{
	uint64_t number = request->first;

	while (number < request->first + request->count && !__atomic_load_n(&device->closing, __ATOMIC_ACQUIRE)) {
		if (test_ring_append(device->ring, number) == HPCAP_RING_FULL) {
			hpcap_ring_publish(&device->ring->ring);
			tick();
			continue;
		}
		if (++number % BURST == 0)
			hpcap_ring_publish(&device->ring->ring);
	}
	hpcap_ring_publish(&device->ring->ring);
}

/* Only the header's seconds make it special; the ring does not build such records by itself. */
static void append_special(struct hpcapvf *device)
{
	struct hpcap_ring *ring = &device->ring->ring;
	uint8_t *record = ring->data + ring->write_position;

	CHECK_EQUAL(test_ring_append(device->ring, 0), HPCAP_PUBLISHED);
	memset(record, 0, 4);
	record[4] = HPCAPVF_SPECIAL_LOSS;
	hpcap_ring_publish(ring);
}

static void *produce(void *argument)
{
	struct hpcapvf *device = argument;
	struct ring_device_request request;

	while (read(device->control, &request, sizeof(request)) == sizeof(request)) {
		if (request.operation == RING_DEVICE_APPEND)
			append(device, &request);
		else if (request.operation == RING_DEVICE_SPECIAL)
			append_special(device);
		else
			__atomic_store_n(&device->gone, 1, __ATOMIC_RELEASE);
		if (send(device->control, "", 1, MSG_NOSIGNAL) != 1)
			break;
	}
	return NULL;
}

int hpcapvf_open(const char *path, struct hpcapvf **out)
{
	const char *control = getenv(RING_DEVICE_VARIABLE);
	struct hpcapvf *device;
	sigset_t all, before;

	if (strcmp(path, RING_DEVICE_MISSING) == 0)
		return -ENOENT;
	CHECK(control);
	device = calloc(1, sizeof(*device));
	CHECK(device);
	device->control = atoi(control);
	device->ring = test_ring_create(RING_BYTES, 0, (1ull << 32) - 100000);
	device->listener = (unsigned int)hpcap_ring_attach(&device->ring->ring);
	/* signals are for the program's own thread */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	CHECK_EQUAL(pthread_create(&device->producer, NULL, produce, device), 0);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	*out = device;
	return 0;
}

void hpcapvf_close(struct hpcapvf *device)
{
	if (!device)
		return;
	__atomic_store_n(&device->closing, 1, __ATOMIC_RELEASE);
	shutdown(device->control, SHUT_RDWR);
	pthread_join(device->producer, NULL);
	test_ring_free(device->ring);
	free(device);
}

int hpcapvf_info(const struct hpcapvf *device, struct hpcapvf_info *out)
{
	*out = (struct hpcapvf_info){ .abi_version = HPCAPVF_ABI_VERSION, .queue = RING_DEVICE_QUEUE,
				      .ring_bytes = device->ring->bytes, .interface = RING_DEVICE_INTERFACE };
	return 0;
}

int hpcapvf_stats(const struct hpcapvf *device, struct hpcapvf_stats *out)
{
	hpcap_ring_stats(&device->ring->ring, out);
	return 0;
}

int hpcapvf_set_lossy(struct hpcapvf *device, bool lossy)
{
	return hpcap_ring_set_policy(&device->ring->ring, device->listener, lossy);
}

int hpcapvf_listener_stats(const struct hpcapvf *device, struct hpcapvf_listener_stats *out)
{
	hpcap_ring_catch_up(&device->ring->ring, device->listener);
	hpcap_ring_listener_stats(&device->ring->ring, device->listener, out);
	return 0;
}

int hpcapvf_wait(struct hpcapvf *device, uint64_t min_bytes, int timeout_ms)
{
	long ticks = timeout_ms * (long)TICKS_PER_MS;

	while (hpcap_ring_available(&device->ring->ring, device->listener) < (min_bytes ? min_bytes : 1)) {
		if (__atomic_load_n(&device->gone, __ATOMIC_ACQUIRE))
			return -ENODEV;
		if (ticks-- == 0)
			return -ETIMEDOUT;
		if (tick())
			return -EINTR;
	}
	return 0;
}

const void *hpcapvf_unread(const struct hpcapvf *device, uint64_t *bytes)
{
	return hpcap_ring_view(&device->ring->ring, device->listener, (__u64 *)bytes);
}

uint64_t hpcapvf_read_offset(const struct hpcapvf *device)
{
	return hpcap_ring_read_offset(&device->ring->ring, device->listener);
}

uint64_t hpcapvf_write_offset(const struct hpcapvf *device)
{
	return hpcap_ring_published_offset(&device->ring->ring);
}

int hpcapvf_release(struct hpcapvf *device, uint64_t bytes)
{
	return hpcap_ring_advance(&device->ring->ring, device->listener, hpcapvf_read_offset(device) + bytes);
}
