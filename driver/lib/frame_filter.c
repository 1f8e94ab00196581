// SPDX-License-Identifier: GPL-2.0-or-later
#include "lib/frame_filter.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>

#define LINK_ETHERNET 1
#define SNAPLEN 65535
#define NETMASK_UNKNOWN UINT32_MAX

/* The part of libpcap's binary interface that is used; it has been the same since version 0.8. */
struct program {
	unsigned int count;
	void *instructions;
};

struct packet_header {
	struct timeval time;
	uint32_t caplen;
	uint32_t len;
};

struct filter {
	void *library;
	void *handle;
	struct program program;
	void *(*open_dead)(int link, int snaplen);
	int (*compile)(void *handle, struct program *program, const char *expression, int optimize, uint32_t netmask);
	char *(*error_text)(void *handle);
	int (*passes)(const struct program *program, const struct packet_header *header, const unsigned char *data);
	void (*free_code)(struct program *program);
	void (*close)(void *handle);
};

static void *open_library(void)
{
	static const char *const names[] = { "libpcap.so.0.8", "libpcap.so.1", "libpcap.so" };
	void *library = NULL;
	unsigned int i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]) && !library; i++)
		library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
	return library;
}

static bool find(void *library, const char *name, void *function)
{
	/* the one way to a function pointer that POSIX knows */
	*(void **)function = dlsym(library, name);
	return *(void **)function != NULL;
}

static bool find_all(struct filter *filter)
{
	return find(filter->library, "pcap_open_dead", &filter->open_dead) &&
	       find(filter->library, "pcap_compile", &filter->compile) &&
	       find(filter->library, "pcap_geterr", &filter->error_text) &&
	       find(filter->library, "pcap_offline_filter", &filter->passes) &&
	       find(filter->library, "pcap_freecode", &filter->free_code) &&
	       find(filter->library, "pcap_close", &filter->close);
}

static int prepare(struct filter *filter, const char *expression, char *message, size_t size)
{
	filter->library = open_library();
	if (!filter->library || !find_all(filter)) {
		snprintf(message, size, "a filter needs libpcap (Debian: apt install libpcap0.8)");
		return -1;
	}
	filter->handle = filter->open_dead(LINK_ETHERNET, SNAPLEN);
	if (!filter->handle) {
		snprintf(message, size, "no memory");
		return -1;
	}
	if (filter->compile(filter->handle, &filter->program, expression, 1, NETMASK_UNKNOWN)) {
		snprintf(message, size, "filter \"%s\": %s", expression, filter->error_text(filter->handle));
		return -1;
	}
	return 0;
}

int filter_compile(const char *expression, struct filter **out, char *message, size_t size)
{
	struct filter *filter = calloc(1, sizeof(*filter));

	if (!filter) {
		snprintf(message, size, "no memory");
		return -1;
	}
	if (prepare(filter, expression, message, size)) {
		filter_free(filter);
		return -1;
	}
	*out = filter;
	return 0;
}

bool filter_passes(const struct filter *filter, const void *data, uint32_t caplen, uint32_t len)
{
	const struct packet_header header = { .caplen = caplen, .len = len };

	return !filter || filter->passes(&filter->program, &header, data) != 0;
}

void filter_free(struct filter *filter)
{
	if (!filter)
		return;
	if (filter->program.instructions)
		filter->free_code(&filter->program);
	if (filter->handle)
		filter->close(filter->handle);
	if (filter->library)
		dlclose(filter->library);
	free(filter);
}
