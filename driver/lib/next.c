// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <string.h>

#include "core/port.h"
#include "libhpcapvf.h"

int hpcapvf_next(const void *records, uint64_t bytes, uint64_t *position, struct hpcapvf_frame *out)
{
	const unsigned char *at = (const unsigned char *)records + *position;
	struct hpcapvf_record header;
	uint64_t left = bytes - *position;

	if (left == 0)
		return 0;
	if (*position > bytes || left < sizeof(header))
		return -EBADMSG;
	memcpy(&header, at, sizeof(header));
	out->data = at + sizeof(header);
	out->seconds = core_le32(header.seconds);
	out->nanoseconds = core_le32(header.nanoseconds);
	out->caplen = core_le16(header.caplen);
	out->len = core_le16(header.len);
	if (out->caplen > out->len || out->caplen > left - sizeof(header))
		return -EBADMSG;
	*position += sizeof(header) + out->caplen;
	return 1;
}
