// SPDX-License-Identifier: GPL-2.0-or-later
#include "pcap_writer.h"

#include <endian.h>
#include <errno.h>

#define PCAP_MAGIC_NANOSECONDS 0xa1b23c4du
#define PCAP_VERSION_MAJOR 2
#define PCAP_VERSION_MINOR 4
#define PCAP_SNAPLEN 65535u
#define PCAP_LINK_ETHERNET 1u

static int put(FILE *out, const void *data, size_t bytes)
{
	errno = 0;
	if (fwrite(data, 1, bytes, out) == bytes)
		return 0;
	return errno ? -errno : -EIO;
}

int pcap_write_header(FILE *out)
{
	const uint32_t header[6] = {
		htole32(PCAP_MAGIC_NANOSECONDS),
		htole32(PCAP_VERSION_MAJOR | PCAP_VERSION_MINOR << 16),
		0,	/* time zone */
		0,	/* accuracy */
		htole32(PCAP_SNAPLEN),
		htole32(PCAP_LINK_ETHERNET),
	};

	return put(out, header, sizeof(header));
}

int pcap_write_frame(FILE *out, uint32_t seconds, uint32_t nanoseconds, const void *data, uint32_t caplen,
		     uint32_t len)
{
	const uint32_t header[4] = { htole32(seconds), htole32(nanoseconds), htole32(caplen), htole32(len) };
	int error = put(out, header, sizeof(header));

	return error ? error : put(out, data, caplen);
}
