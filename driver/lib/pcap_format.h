/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers of the two file formats, as the IETF drafts "pcap" and "pcapng" define them. */
#ifndef LIB_PCAP_FORMAT_H
#define LIB_PCAP_FORMAT_H

#define PCAP_MAGIC_MICROSECONDS 0xa1b2c3d4u
#define PCAP_MAGIC_NANOSECONDS 0xa1b23c4du
#define PCAP_VERSION_MAJOR 2u
#define PCAP_VERSION_MINOR 4u
#define PCAP_HEADER_BYTES 24u
#define PCAP_RECORD_BYTES 16u
#define PCAP_LINK_ETHERNET 1u
#define PCAP_SNAPLEN 65535u

#define PCAPNG_SECTION 0x0a0d0d0au
#define PCAPNG_BYTE_ORDER 0x1a2b3c4du
#define PCAPNG_INTERFACE 1u
#define PCAPNG_OBSOLETE_PACKET 2u
#define PCAPNG_SIMPLE_PACKET 3u
#define PCAPNG_ENHANCED_PACKET 6u
#define PCAPNG_OPTION_TIME_UNIT 9u
#define PCAPNG_OPTION_TIME_OFFSET 14u

#endif /* LIB_PCAP_FORMAT_H */
