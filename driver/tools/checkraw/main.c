// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/input_file.h"
#include "lib/json_text.h"
#include "lib/raw_reader.h"
#include "version.h"

static const char usage[] =
	"usage: checkraw [--json] FILE...\n"
	"Says whether RAW capture files are sound, and where they are not. - is standard input.\n"
	"\n"
	"  -j, --json     one JSON object a line and file\n"
	"  -q, --quiet    no output, the exit code only\n"
	"  -h, --help\n"
	"  -V, --version\n"
	"\n"
	"For example:\n"
	"  checkraw --json capture/*.raw\n"
	"Exit code: 0 all sound; 1 faults; 2 a file is unusable or cannot be read, or wrong usage.\n";

enum verdict { SOUND = 0, FAULTS = 1, UNUSABLE = 2 };
enum style { TEXT, JSON, QUIET };

struct check {
	const char *name;
	enum style style;
	uint64_t first_ns;
	uint64_t last_ns;
	uint64_t findings;
	int error;		/* negative errno of opening or reading */
};

static const char *const verdict_words[] = { "sound", "faults", "unusable" };

static void show_finding(struct check *check, const struct raw_event *event)
{
	const char *text = raw_finding_text(event->finding);

	check->findings++;
	if (check->style == JSON) {
		printf("%s{\"offset\":%llu,\"kind\":\"%s\",\"fault\":%s,\"text\":\"%s\",\"skipped\":%llu}",
		       check->findings > 1 ? "," : "", (unsigned long long)event->offset,
		       raw_finding_name(event->finding), raw_finding_is_fault(event->finding) ? "true" : "false", text,
		       (unsigned long long)event->skipped);
	} else if (check->style == TEXT) {
		printf("%s: byte %llu: %s", input_file_label(check->name), (unsigned long long)event->offset, text);
		if (event->skipped)
			printf(" (%llu bytes skipped)", (unsigned long long)event->skipped);
		putchar('\n');
	}
}

static void show_begin(const struct check *check)
{
	char name[JSON_TEXT_BYTES];

	if (check->style == JSON)
		printf("{\"file\":\"%s\",\"findings\":[", json_text(name, check->name));
}

static void show_end(const struct check *check, const struct raw_totals *totals, enum verdict verdict)
{
	const char *error = check->error ? strerror(-check->error) : "";

	if (check->style == JSON) {
		printf("],\"verdict\":\"%s\",\"error\":\"%s\",\"frames\":%llu,\"frame_bytes\":%llu,"
		       "\"padding_bytes\":%llu,\"skipped_bytes\":%llu,\"file_bytes\":%llu,\"first_ns\":%llu,"
		       "\"last_ns\":%llu}\n",
		       verdict_words[verdict], error, (unsigned long long)totals->frames,
		       (unsigned long long)totals->frame_bytes, (unsigned long long)totals->padding_bytes,
		       (unsigned long long)totals->skipped_bytes, (unsigned long long)totals->file_bytes,
		       (unsigned long long)check->first_ns, (unsigned long long)check->last_ns);
	} else if (check->style == TEXT) {
		printf("%s: %s%s%s: %llu frames, %llu bytes of frames, %llu of padding, %llu skipped\n",
		       input_file_label(check->name), verdict_words[verdict], check->error ? ": " : "", error,
		       (unsigned long long)totals->frames, (unsigned long long)totals->frame_bytes,
		       (unsigned long long)totals->padding_bytes, (unsigned long long)totals->skipped_bytes);
	}
}

static void read_all(struct check *check, struct raw_reader *reader)
{
	struct raw_event event;
	int got;

	while ((got = raw_reader_next(reader, &event)) == 1) {
		if (event.is_frame) {
			check->last_ns = event.seconds * 1000000000ull + event.nanoseconds;
			if (reader->totals.frames == 1)
				check->first_ns = check->last_ns;
		} else {
			show_finding(check, &event);
		}
	}
	check->error = got;
}

static enum verdict check_one(const char *name, enum style style)
{
	struct check check = { .name = name, .style = style };
	struct raw_reader reader = { 0 };
	enum verdict verdict = UNUSABLE;
	int fd = input_file_open(name);

	show_begin(&check);
	if (fd < 0)
		check.error = fd;
	else
		check.error = raw_reader_open(&reader, fd);
	if (!check.error) {
		read_all(&check, &reader);
		if (!check.error && !raw_reader_is_unusable(&reader))
			verdict = reader.totals.faults ? FAULTS : SOUND;
		raw_reader_close(&reader);
	}
	show_end(&check, &reader.totals, verdict);
	if (fd >= 0)
		close(fd);
	return verdict;
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	enum verdict worst = SOUND;
	enum style style = TEXT;
	int option;

	while ((option = getopt_long(argc, argv, "jqhV", long_options, NULL)) != -1) {
		if (option == 'h' || option == 'V') {
			printf("%s", option == 'h' ? usage : "checkraw " HPCAPVF_RELEASE "\n");
			return SOUND;
		}
		if (option == '?') {
			fprintf(stderr, "%s", usage);
			return UNUSABLE;
		}
		style = option == 'j' ? JSON : QUIET;
	}
	if (optind == argc) {
		fprintf(stderr, "%s", usage);
		return UNUSABLE;
	}
	for (; optind < argc; optind++) {
		enum verdict verdict = check_one(argv[optind], style);

		worst = verdict > worst ? verdict : worst;
	}
	if (fflush(stdout)) {
		fprintf(stderr, "checkraw: cannot write: %s\n", strerror(errno));
		return UNUSABLE;
	}
	return worst;
}
