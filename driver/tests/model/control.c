// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/model/control.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLAG(name, field) { name, offsetof(struct pf_manner, field), true }
#define NUMBER(name, field) { name, offsetof(struct pf_manner, field), false }

static const struct behaviour {
	const char *name;
	size_t offset;
	bool is_flag;		/* bool, else unsigned int */
} behaviours[] = {
	FLAG("dpdk", is_dpdk),			/* the PF's driver is DPDK's, not Linux' */
	FLAG("silent", silent),			/* the PF does not read its mailbox */
	FLAG("deaf", deaf),			/* the PF reads, and does not answer */
	FLAG("trusts", trusts),
	FLAG("promiscuous", promiscuous),	/* the PF itself */
	FLAG("shares-out", shares_out),
	NUMBER("queues", queues),
	FLAG("assigns-mac", assigns_mac),
	FLAG("mirrors", mirrors),		/* every frame reaches this function */
	NUMBER("mtu", mtu),			/* of the PF */
	NUMBER("api-highest", api_highest),	/* 0, 2, 3, 4: versions 1.0 to 1.3 */
	NUMBER("answer-us", answer_us),
};

static const char *set_behaviour(struct vf *vf, const char *name, const char *value)
{
	unsigned long number;
	char *end;
	size_t i;

	if (!name || !value)
		return "set NAME VALUE";
	number = strtoul(value, &end, 10);
	if (!*value || *end || number > 10000000)
		return "VALUE is a number";
	if (!strcmp(name, "link"))
		vf_set_link(vf, number);
	else if (!strcmp(name, "glitch"))	/* while the link is down, each VALUE-th read says it is up */
		vf->glitch_every = (unsigned int)number;
	else if (!strcmp(name, "cut"))		/* of VALUE long frames only the first piece arrives */
		vf->cut_next = (unsigned int)number;
	else if (!strcmp(name, "gone"))		/* every register reads as all ones, and no frame gets in */
		vf->gone = number;
	else {
		for (i = 0; i < sizeof(behaviours) / sizeof(*behaviours); i++)
			if (!strcmp(name, behaviours[i].name))
				break;
		if (i == sizeof(behaviours) / sizeof(*behaviours))
			return "no such behaviour";
		if (behaviours[i].is_flag)
			*(bool *)((char *)&vf->pf.manner + behaviours[i].offset) = number;
		else
			*(unsigned int *)((char *)&vf->pf.manner + behaviours[i].offset) = (unsigned int)number;
	}
	return NULL;
}

static const char *set_mac(struct vf *vf, const char *text)
{
	unsigned int bytes[6];
	unsigned int i;

	if (!text || sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x", &bytes[0], &bytes[1], &bytes[2], &bytes[3], &bytes[4],
			    &bytes[5]) != 6)
		return "mac XX:XX:XX:XX:XX:XX";
	for (i = 0; i < 6; i++)
		vf->pf.manner.mac[i] = (uint8_t)bytes[i];
	return NULL;
}

static const char *refuse(struct vf *vf, const char *number, const char *value)
{
	const unsigned long message = number ? strtoul(number, NULL, 0) : 0;

	if (!message || message >= PF_MESSAGES || !value)
		return "refuse NUMBER 0|1";
	if (*value == '1')
		vf->pf.manner.refused |= 1u << message;
	else
		vf->pf.manner.refused &= ~(1u << message);
	return NULL;
}

static const char *send_file(struct control *control, const char *path, const char *rate, const char *how)
{
	int error;

	if (!path || !rate || (how && strcmp(how, "wait")))
		return "send PATH RATE [wait]";
	error = feed_start(control->feed, path, strtoul(rate, NULL, 10), how);
	return error ? strerror(-error) : NULL;
}

static void status(const struct control *control, char answer[CONTROL_ANSWER_BYTES])
{
	const struct vf *vf = control->vf;
	const struct vf_counts *counts = &vf->counts;
	unsigned int i;
	int length;

	length = snprintf(answer, CONTROL_ANSWER_BYTES,
			  "{\"ok\": true, \"offered\": %" PRIu64 ", \"delivered\": %" PRIu64 ", \"filtered\": %" PRIu64
			  ", \"link_down\": %" PRIu64 ", \"receive_off\": %" PRIu64 ", \"too_long\": %" PRIu64
			  ", \"no_descriptors\": %" PRIu64 ", \"bad_addresses\": %" PRIu64 ", \"transmitted\": %" PRIu64
			  ", \"cut\": %" PRIu64 ", \"resets\": %" PRIu64 ", \"interrupts\": %" PRIu64 ", \"unknown_writes\": %" PRIu64
			  ", \"sending\": %s, \"api\": %u, \"xcast\": %u, \"frame_bytes\": %u, \"receive_on\": %s"
			  ", \"clear_to_send\": %s, \"asked\": {",
			  counts->offered, counts->delivered, counts->filtered, counts->link_down, counts->receive_off,
			  counts->too_long, counts->no_descriptors, counts->bad_addresses, counts->transmitted,
			  counts->cut, counts->resets, counts->interrupts, counts->unknown_writes,
			  control->feed->fd >= 0 ? "true" : "false", vf->pf.api, vf->pf.xcast, vf->pf.frame_bytes,
			  vf->pf.receive_on ? "true" : "false", vf->pf.clear_to_send ? "true" : "false");
	for (i = 0; i < PF_MESSAGES; i++)
		length += snprintf(answer + length, CONTROL_ANSWER_BYTES - (size_t)length,
				   "%s\"%u\": [%" PRIu64 ", %" PRIu64 "]", i ? ", " : "", i, vf->pf.asked[i],
				   vf->pf.nacked[i]);
	snprintf(answer + length, CONTROL_ANSWER_BYTES - (size_t)length, "}}\n");
}

void control_line(struct control *control, char *line, char answer[CONTROL_ANSWER_BYTES])
{
	char *rest;
	const char *command = strtok_r(line, " ", &rest);
	const char *first = strtok_r(NULL, " ", &rest);
	const char *second = first ? strtok_r(NULL, " ", &rest) : NULL;
	const char *third = second ? strtok_r(NULL, " ", &rest) : NULL;
	const char *error = NULL;

	if (!command)
		error = "no command";
	else if (!strcmp(command, "set"))
		error = set_behaviour(control->vf, first, second);
	else if (!strcmp(command, "mac"))
		error = set_mac(control->vf, first);
	else if (!strcmp(command, "refuse"))
		error = refuse(control->vf, first, second);
	else if (!strcmp(command, "defaults"))
		vf_defaults(control->vf);
	else if (!strcmp(command, "pf-reset"))
		vf_pf_reset(control->vf, first ? (unsigned int)strtoul(first, NULL, 10) : 0);
	else if (!strcmp(command, "send"))
		error = send_file(control, first, second, third);
	else if (!strcmp(command, "quit"))
		control->quit = true;
	else if (strcmp(command, "status"))
		error = "no such command";
	if (error)
		snprintf(answer, CONTROL_ANSWER_BYTES, "{\"error\": \"%s\"}\n", error);
	else if (!strcmp(command, "status"))
		status(control, answer);
	else
		snprintf(answer, CONTROL_ANSWER_BYTES, "{\"ok\": true}\n");
}
