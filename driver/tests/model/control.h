/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines of text on a unix socket switch the model's behaviours, and are answered by one line of JSON each:
 * {"ok": true} or {"error": "why"}.
 *
 *	set NAME VALUE		a behaviour; names and what they mean: the table in control.c
 *	defaults		all behaviours as at the start
 *	mac XX:XX:XX:XX:XX:XX	the address that the PF assigns
 *	refuse NUMBER 0|1	message NUMBER is refused
 *	pf-reset MS		the PF is reset now and is back after MS milliseconds
 *	send PATH RATE [wait]	the frames of a capture file; wait: hold each until there is a descriptor for it
 *	status			everything that is counted and set
 *	quit
 */
#ifndef MODEL_CONTROL_H
#define MODEL_CONTROL_H

#include <stdbool.h>

#include "tests/model/feed.h"
#include "tests/model/vf.h"

#define CONTROL_LINE_BYTES 512u
#define CONTROL_ANSWER_BYTES 4096u

struct control {
	struct vf *vf;
	struct feed *feed;
	bool quit;
};

/* line without its end is taken apart; answer gets one line with its end. */
void control_line(struct control *control, char *line, char answer[CONTROL_ANSWER_BYTES]);

#endif /* MODEL_CONTROL_H */
