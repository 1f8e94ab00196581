// SPDX-License-Identifier: GPL-2.0-or-later
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/input_file.h"
#include "lib/output_file.h"
#include "to_raw.h"
#include "version.h"

static const char usage[] =
	"usage: pcap2raw FILE... -o OUT\n"
	"Converts pcap and pcapng files of Ethernet to one RAW file, in the order given. - is standard input or output.\n"
	"\n"
	"  -o, --output OUT   write to OUT\n"
	"  -h, --help\n"
	"  -V, --version\n"
	"\n"
	"For example:\n"
	"  pcap2raw -o trace.raw trace.pcap\n"
	"Exit code: 0 converted; 1 converted, with faults; 2 a file is unusable, or wrong usage; 3 cannot write.\n";

/* Messages about single packets; after these, only how many more. */
#define MESSAGES_MAX 20u

enum result { OK = 0, FAULTS = 1, UNUSABLE = 2, NO_OUTPUT = 3 };

struct job {
	const char *output_name;
	struct byte_output output;
	bool opened;
	const char *input_name;
	uint64_t frames;	/* of this input */
	uint64_t left_out;
};

static void leave_out(struct job *job, const struct pcap_reader *reader, const char *why)
{
	if (++job->left_out <= MESSAGES_MAX)
		fprintf(stderr, "pcap2raw: %s: byte %llu: left out: %s\n", input_file_label(job->input_name),
			(unsigned long long)reader->at, why);
}

static void take(struct job *job, const struct pcap_reader *reader, const struct pcap_frame *frame)
{
	const char *objection = to_raw_objection(frame);

	if (objection) {
		leave_out(job, reader, objection);
		return;
	}
	to_raw_write(&job->output, frame);
	job->frames++;
}

static enum result convert(struct job *job, struct pcap_reader *reader)
{
	enum pcap_got got = pcap_reader_start(reader);
	struct pcap_frame frame;

	if (got == PCAP_FRAME && !job->opened) {
		output_file_open(&job->output, job->output_name);
		job->opened = true;
	}
	while (got != PCAP_BROKEN && got != PCAP_END && !job->output.error) {
		got = pcap_reader_next(reader, &frame);
		if (got == PCAP_FRAME)
			take(job, reader, &frame);
		else if (got == PCAP_LEFT_OUT)
			leave_out(job, reader, reader->fault);
	}
	if (job->output.error)
		return NO_OUTPUT;
	if (reader->input.error) {
		fprintf(stderr, "pcap2raw: %s: %s\n", input_file_label(job->input_name),
			strerror(-reader->input.error));
		return UNUSABLE;
	}
	if (got == PCAP_BROKEN)
		fprintf(stderr, "pcap2raw: %s: byte %llu: %s\n", input_file_label(job->input_name),
			(unsigned long long)reader->at, reader->fault);
	if (got == PCAP_BROKEN && job->frames == 0)
		return UNUSABLE;
	return got == PCAP_BROKEN || job->left_out ? FAULTS : OK;
}

static enum result convert_file(struct job *job, const char *name)
{
	struct pcap_reader reader;
	enum result result = UNUSABLE;
	int fd = input_file_open(name);
	int error = fd < 0 ? fd : pcap_reader_open(&reader, fd);

	job->input_name = name;
	job->frames = 0;
	job->left_out = 0;
	if (error) {
		fprintf(stderr, "pcap2raw: %s: %s\n", input_file_label(name), strerror(-error));
	} else {
		result = convert(job, &reader);
		pcap_reader_close(&reader);
		if (job->left_out > MESSAGES_MAX)
			fprintf(stderr, "pcap2raw: %s: %llu more packets left out\n", input_file_label(name),
				(unsigned long long)(job->left_out - MESSAGES_MAX));
		fprintf(stderr, "pcap2raw: %s: %llu frames, %llu left out\n", input_file_label(name),
			(unsigned long long)job->frames, (unsigned long long)job->left_out);
	}
	if (fd >= 0)
		close(fd);
	return result;
}

/* 0; 1 if all is done; -1 for wrong usage. */
static int parse(int argc, char **argv, const char **output_name)
{
	static const struct option long_options[] = {
		{ "output", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "o:hV", long_options, NULL)) != -1) {
		if (option == 'h' || option == 'V') {
			printf("%s", option == 'h' ? usage : "pcap2raw " HPCAPVF_RELEASE "\n");
			return 1;
		}
		if (option != 'o')
			return -1;
		*output_name = optarg;
	}
	if (optind == argc || !*output_name)
		return -1;
	return output_file_is_stdout(*output_name) && isatty(STDOUT_FILENO) ? -1 : 0;
}

int main(int argc, char **argv)
{
	struct job job = { .output_name = NULL };
	enum result worst = OK;
	int parsed = parse(argc, argv, &job.output_name);

	if (parsed > 0)
		return OK;
	if (parsed < 0) {
		fprintf(stderr, "%s", usage);
		return UNUSABLE;
	}
	if (output_file_is_input(job.output_name, argv + optind, argc - optind)) {
		fprintf(stderr, "pcap2raw: %s is a file to read: write to another one\n", job.output_name);
		return UNUSABLE;
	}
	/* who reads less than all is told apart from success */
	signal(SIGPIPE, SIG_IGN);
	for (; optind < argc && !job.output.error; optind++) {
		enum result result = convert_file(&job, argv[optind]);

		worst = result > worst ? result : worst;
	}
	if (job.opened) {
		if (!job.output.error)
			to_raw_end(&job.output);
		if (output_file_close(&job.output))
			worst = NO_OUTPUT;
	}
	if (worst == NO_OUTPUT)
		fprintf(stderr, "pcap2raw: cannot write %s: %s\n", job.output_name, strerror(-job.output.error));
	return worst;
}
