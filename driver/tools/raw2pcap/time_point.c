// SPDX-License-Identifier: GPL-2.0-or-later
#include "time_point.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NANOSECONDS_PER_SECOND 1000000000ull

/* ".25" to 250000000; moves *text behind it. */
static uint64_t parse_fraction(const char **text)
{
	uint64_t unit = NANOSECONDS_PER_SECOND, ns = 0;

	if (**text != '.')
		return 0;
	for (++*text; **text >= '0' && **text <= '9'; ++*text) {
		unit /= 10;
		ns += unit * (uint64_t)(**text - '0');
	}
	return ns;
}

int time_point_parse(const char *text, uint64_t *ns)
{
	struct tm calendar = { 0 };
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &calendar);
	long long seconds;
	char *end;

	if (rest) {
		const int day = calendar.tm_mday;

		seconds = timegm(&calendar);
		if (calendar.tm_mday != day)	/* the 30th of February, or a second 60 at midnight */
			return -1;
	} else {
		if (*text < '0' || *text > '9')
			return -1;
		seconds = strtoll(text, &end, 10);
		rest = end;
	}
	if (seconds < 0 || seconds > UINT32_MAX)	/* RAW has 32 bits */
		return -1;
	*ns = (uint64_t)seconds * NANOSECONDS_PER_SECOND + parse_fraction(&rest);
	if (*rest == 'Z')
		rest++;
	return *rest ? -1 : 0;
}
