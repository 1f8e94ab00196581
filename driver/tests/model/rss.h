/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which receive queue a frame goes to, and the hash that its descriptor shows. Toeplitz hash, key and redirection table
 * as the X550 datasheet (333369) describes them; functions of the 82599 and X540 have those of their PF.
 */
#ifndef MODEL_RSS_H
#define MODEL_RSS_H

#include "tests/model/vf.h"

struct rss_choice {
	unsigned int queue;
	uint32_t hash;
	uint32_t type;	/* as in the descriptor; 0: no hash, queue 0 */
};

/* frame: as on the wire, its tag included. */
struct rss_choice rss_choose(const struct vf *vf, const uint8_t *frame, size_t bytes);

#endif /* MODEL_RSS_H */
