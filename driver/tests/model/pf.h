/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The physical function as a virtual one sees it: the mailbox, and what its driver grants. Two drivers are modelled,
 * from what is public of them: Linux' ixgbe (ixgbe_sriov.c) and DPDK's net_ixgbe (ixgbe_pf.c).
 */
#ifndef MODEL_PF_H
#define MODEL_PF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/model/vf_registers.h"

enum pf_message {
	PF_RESET = 0x01,
	PF_SET_MAC = 0x02,
	PF_SET_MULTICAST = 0x03,
	PF_SET_VLAN = 0x04,
	PF_SET_LPE = 0x05,
	PF_SET_MACVLAN = 0x06,
	PF_API_NEGOTIATE = 0x08,
	PF_GET_QUEUES = 0x09,
	PF_GET_RETA = 0x0a,
	PF_GET_RSS_KEY = 0x0b,
	PF_UPDATE_XCAST = 0x0c,
	PF_MESSAGES = 0x20,
};

enum pf_xcast {
	PF_XCAST_NONE,
	PF_XCAST_MULTI,
	PF_XCAST_ALLMULTI,
	PF_XCAST_PROMISC,
};

/* Numbers of API versions in the order in which they were given out. */
enum pf_api {
	PF_API_10,
	PF_API_20,
	PF_API_11,
	PF_API_12,
	PF_API_13,
};

/* How this PF is disposed; may be changed at any time. */
struct pf_manner {
	bool is_dpdk;			/* else Linux */
	bool is_82599;			/* the card has no unicast promiscuous mode, and cannot mix frame lengths */
	bool silent;			/* never answers */
	bool deaf;			/* says it read the message, and never answers */
	bool trusts;			/* `ip link set PF vf N trust on` */
	bool promiscuous;		/* the PF itself is */
	bool assigns_mac;
	bool mirrors;			/* every frame on the wire reaches the pool: the host programmed a mirror */
	uint8_t mac[6];
	bool shares_out;		/* RSS for the pools of an 82599 or X540 */
	unsigned int queues;		/* that each function may receive in */
	unsigned int mtu;
	unsigned int api_highest;	/* enum pf_api */
	uint32_t refused;		/* bit n: message n is refused */
	unsigned int answer_us;
};

struct pf {
	struct pf_manner manner;
	/* what it knows of this VF */
	bool clear_to_send;
	bool receive_on;
	unsigned int api;
	enum pf_xcast xcast;
	unsigned int frame_bytes;	/* with CRC */
	uint8_t vf_mac[6];
	uint32_t vlans[4096 / 32];
	uint32_t multicast[4096 / 32];
	/* mailbox */
	uint32_t words[MAILBOX_WORDS];
	bool vf_owns;
	uint32_t latched;		/* PFSTS, PFACK and RSTD until the VF reads them */
	bool in_reset;
	uint64_t reset_until_ns;	/* 0: no end set yet */
	unsigned int reset_ms;
	bool has_request;
	uint64_t answer_at_ns;		/* 0: not seen yet */
	bool ping;			/* wants to tell the VF to look */
	bool reads_unknown;		/* the VF read a message, but the PF does not know it */
	uint64_t asked[PF_MESSAGES];	/* messages received */
	uint64_t nacked[PF_MESSAGES];
};

struct pf_manner pf_default_manner(bool is_82599);

/* The VF was reset, or a reset of the PF begins and lasts ms. */
void pf_forget_vf(struct pf *pf);
void pf_reset(struct pf *pf, unsigned int ms);

uint32_t pf_mailbox_read(struct pf *pf);
void pf_mailbox_write(struct pf *pf, uint32_t value);

/* Does what is due. true: the VF is to be interrupted. *next_ns: when to come again, 0: nothing is planned. */
bool pf_tick(struct pf *pf, uint64_t now_ns, uint64_t *next_ns);

/* Does the pool take this frame, its tag included? */
bool pf_takes(const struct pf *pf, const uint8_t *frame, size_t bytes);

/* pf_answers.c: the request in words becomes the answer. Public facts of the two drivers are named there. */
void pf_answer(struct pf *pf);

#endif /* MODEL_PF_H */
