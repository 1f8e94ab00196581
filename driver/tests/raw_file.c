// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/raw_file.h"

#include <string.h>

#include "core/raw.h"
#include "tests/check.h"
#include "tests/frames.h"

uint8_t raw_file[RAW_FILE_BYTES_MAX];
size_t raw_file_size;

void raw_file_begin(void)
{
	raw_file_size = 0;
}

void raw_file_add(uint64_t number, uint32_t second, uint32_t caplen)
{
	uint8_t data[FRAME_BYTES_MAX];
	struct hpcap_frame frame = { .data = data, .length = frame_length(number), .seconds = second,
				     .nanoseconds = (__u32)number };
	uint32_t kept = hpcap_frame_kept_bytes(&frame, caplen);

	CHECK(raw_file_size + HPCAPVF_RECORD_BYTES + kept <= RAW_FILE_BYTES_MAX);
	frame_fill(data, number);
	hpcap_record_build(raw_file + raw_file_size, &frame, kept);
	raw_file_size += HPCAPVF_RECORD_BYTES + kept;
}

void raw_file_add_frames(uint64_t first, uint64_t count)
{
	for (; count; count--)
		raw_file_add(first++, RAW_FILE_SECOND, 0);
}

void raw_file_add_padding(uint64_t gap)
{
	while (gap) {
		__u8 header[HPCAPVF_RECORD_BYTES];
		__u32 zeros = hpcap_raw_padding(header, gap);

		raw_file_add_bytes(header, sizeof(header));
		raw_file_add_fill(0, zeros);
		gap -= HPCAPVF_RECORD_BYTES + zeros;
	}
}

void raw_file_add_bytes(const void *data, size_t size)
{
	CHECK(raw_file_size + size <= RAW_FILE_BYTES_MAX);
	memcpy(raw_file + raw_file_size, data, size);
	raw_file_size += size;
}

void raw_file_add_fill(uint8_t byte, size_t count)
{
	CHECK(raw_file_size + count <= RAW_FILE_BYTES_MAX);
	memset(raw_file + raw_file_size, byte, count);
	raw_file_size += count;
}

void raw_file_behead(size_t bytes)
{
	CHECK(bytes <= raw_file_size);
	memmove(raw_file, raw_file + bytes, raw_file_size - bytes);
	raw_file_size -= bytes;
}
