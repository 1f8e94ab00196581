/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Registers of the 82599, X540 and X550 virtual function, BAR 0. Offsets and bits as the Linux driver ixgbevf (regs.h,
 * defines.h, mbx.h) and DPDK's base/ixgbe_vf.h name them, and the X550 datasheet (333369) describes them.
 *
 * This table is not shared with the driver on purpose: a mistake in one would otherwise be invisible in the other.
 */
#ifndef MODEL_VF_REGISTERS_H
#define MODEL_VF_REGISTERS_H

#define VFCTRL 0x0000u
#define VFCTRL_RST (1u << 26)
#define VFSTATUS 0x0008u
#define VFLINKS 0x0010u
#define VFLINKS_UP (1u << 30)
#define VFLINKS_10G (3u << 28)
#define VFFRTIMER 0x0048u
#define VTEICR 0x0100u
#define VTEICS 0x0104u
#define VTEIMS 0x0108u
#define VTEIMC 0x010Cu
#define VTEIAC 0x0110u
#define VTEIAM 0x0114u
#define VTIVAR 0x0120u		/* queues 0 and 1: a byte each for receive and transmit */
#define VTIVAR_MISC 0x0140u
#define VTIVAR_VALID 0x80u
#define VTRSCINT 0x0180u
#define VFMBMEM 0x0200u
#define VFMAILBOX 0x02FCu
#define VFPSRTYPE 0x0300u
#define VFPSRTYPE_QUEUES_SHIFT 29
#define VTEITR 0x0820u
#define VFRX 0x1000u
#define VFTX 0x2000u
#define VFMRQC 0x3000u		/* X550 and later, like the key and the table */
#define VFMRQC_ENABLE (1u << 0)
#define VFMRQC_TCP_IPV4 (1u << 16)
#define VFMRQC_IPV4 (1u << 17)
#define VFMRQC_IPV6 (1u << 20)
#define VFMRQC_TCP_IPV6 (1u << 21)
#define VFRSSRK 0x3100u
#define VFRXMEMWRAP 0x3190u
#define VFRETA 0x3200u
#define VF_BAR_BYTES 0x4000u

/* Of a queue, from its beginning; the same for receive and transmit where both have it. */
#define QUEUE_STRIDE 0x40u
#define QUEUE_BAL 0x00u
#define QUEUE_BAH 0x04u
#define QUEUE_LEN 0x08u
#define QUEUE_DCA 0x0Cu
#define QUEUE_HEAD 0x10u
#define QUEUE_SRRCTL 0x14u
#define QUEUE_TAIL 0x18u
#define QUEUE_XDCTL 0x28u
#define QUEUE_RSCCTL 0x2Cu
#define QUEUE_WBAL 0x38u	/* transmit */
#define QUEUE_WBAH 0x3Cu

#define XDCTL_ENABLE (1u << 25)
#define RXDCTL_VME (1u << 30)
#define RXDCTL_RLPML_ENABLE (1u << 15)	/* X540 and later */
#define RXDCTL_RLPML 0x3FFFu
#define SRRCTL_PACKET_KIB 0x1Fu

/* Counters lie between queue 0's registers. */
#define VFGPRC 0x101Cu
#define VFGORC_LOW 0x1020u
#define VFGORC_HIGH 0x1024u
#define VFMPRC 0x1034u
#define VFGPTC 0x201Cu
#define VFGOTC_LOW 0x2020u
#define VFGOTC_HIGH 0x2024u

#define MAILBOX_REQ (1u << 0)
#define MAILBOX_ACK (1u << 1)
#define MAILBOX_VFU (1u << 2)
#define MAILBOX_PFU (1u << 3)
#define MAILBOX_PFSTS (1u << 4)
#define MAILBOX_PFACK (1u << 5)
#define MAILBOX_RSTI (1u << 6)
#define MAILBOX_RSTD (1u << 7)
#define MAILBOX_WORDS 16u

/* Descriptors: read format two addresses, write-back in 32-bit words 0 to 3. */
#define DESCRIPTOR_BYTES 16u
#define RX_DD (1u << 0)
#define RX_EOP (1u << 1)
#define RX_VP (1u << 3)
#define TX_REPORT (1u << 27)	/* word 2, RS */
#define TX_END (1u << 24)	/* word 2, EOP */
#define TX_TYPE (0xFu << 20)	/* word 2, DTYP */
#define TX_TYPE_CONTEXT (2u << 20)
#define TX_DD (1u << 0)		/* word 3 */

#endif /* MODEL_VF_REGISTERS_H */
