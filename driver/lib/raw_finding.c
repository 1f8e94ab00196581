// SPDX-License-Identifier: GPL-2.0-or-later
#include "lib/raw_reader.h"

static const struct {
	const char *name;
	const char *text;
} findings[RAW_FINDINGS] = {
	[RAW_EMPTY] = { "empty", "the file is empty" },
	[RAW_PADDING_AT_START] = { "padding-at-start", "the file begins with padding" },
	[RAW_NO_RECORD_AT_START] = { "no-record-at-start", "the file does not begin with a record" },
	[RAW_NO_RECORD] = { "no-record", "no record where one should be" },
	[RAW_DOUBTFUL_FRAME] = { "doubtful-frame", "no record behind a frame that was shortened: its own length may be what is damaged" },
	[RAW_BAD_LENGTH] = { "bad-length", "a frame whose length goes beyond the file" },
	[RAW_BAD_PADDING] = { "bad-padding", "padding that contradicts itself or goes beyond the file" },
	[RAW_ZEROS] = { "zeros", "zeros that no padding announces" },
	[RAW_FRAMES_AFTER_PADDING] = { "frames-after-padding", "frames after padding in the middle of the file" },
	[RAW_CUT_FRAME] = { "cut-frame", "the last frame is cut" },
	[RAW_CUT_HEADER] = { "cut-header", "fewer bytes are left than a record begins with" },
	[RAW_NO_PADDING] = { "no-padding", "no padding at the end: the file was not closed, or it is cut between frames" },
	[RAW_CLOCK_JUMP] = { "clock-jump", "the clock was set" },
};

const char *raw_finding_name(enum raw_finding finding)
{
	return findings[finding].name;
}

const char *raw_finding_text(enum raw_finding finding)
{
	return findings[finding].text;
}

bool raw_finding_is_fault(enum raw_finding finding)
{
	return finding != RAW_CLOCK_JUMP;
}
