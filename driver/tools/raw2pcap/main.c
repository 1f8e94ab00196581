// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "convert.h"
#include "pcap_writer.h"
#include "version.h"

#define OUTPUT_BUFFER_BYTES (1u << 20)

static const char usage[] =
	"usage: raw2pcap FILE... [-o OUT|-]\n"
	"Converts RAW capture files to one pcap file with nanoseconds, in the order given.\n"
	"\n"
	"  -o, --output OUT   write to OUT; - or nothing: standard output, unless it is a terminal\n"
	"  -h, --help\n"
	"  -V, --version\n"
	"\n"
	"Exit code: 0 converted; 1 converted, with faults; 2 a file is unusable, or wrong usage; 3 cannot write.\n";

struct input {
	const char *name;
	const uint8_t *data;
	uint64_t size;
	bool usable;
};

/* Maps the file; an empty one is data NULL. 0 or negative errno. */
static int input_open(struct input *input, const char *name)
{
	struct stat status;
	void *data = NULL;
	int error = 0;
	int fd = open(name, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (fstat(fd, &status))
		error = -errno;
	else if (!S_ISREG(status.st_mode))
		error = -ESPIPE;
	else if (status.st_size)
		data = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		error = -errno;
	close(fd);
	input->name = name;
	input->data = error ? NULL : data;
	input->size = error ? 0 : (uint64_t)status.st_size;
	if (input->data)
		(void)madvise(data, input->size, MADV_SEQUENTIAL);
	return error;
}

static void input_close(struct input *input)
{
	if (input->data)
		munmap((void *)(uintptr_t)input->data, input->size);
}

/* Is there at least one file to convert? Says what is wrong with the others. */
static bool check_inputs(char **names, int count, enum convert_result *result)
{
	bool any = false;
	int i;

	for (i = 0; i < count; i++) {
		struct convert_report report = { 0 };
		struct input input = { 0 };
		int error = input_open(&input, names[i]);

		if (error)
			fprintf(stderr, "raw2pcap: %s: %s\n", names[i],
				error == -ESPIPE ? "not a regular file" : strerror(-error));
		else if (convert_check_start(input.data, input.size, &report))
			fprintf(stderr, "raw2pcap: %s: unusable: %s\n", names[i], report.fault);
		else
			input.usable = true;
		input_close(&input);
		any |= input.usable;
		if (!input.usable) {
			*result = CONVERT_UNUSABLE;
			names[i] = NULL;
		}
	}
	return any;
}

static enum convert_result convert_one(const char *name, FILE *out)
{
	struct convert_report report = { 0 };
	enum convert_result result;
	struct input input;

	if (input_open(&input, name) || convert_check_start(input.data, input.size, &report)) {
		fprintf(stderr, "raw2pcap: %s: changed while it was read\n", name);
		input_close(&input);
		return CONVERT_UNUSABLE;
	}
	result = convert_frames(input.data, input.size, out, &report);
	if (report.fault[0])
		fprintf(stderr, "raw2pcap: %s: fault: %s\n", name, report.fault);
	if (report.note[0])
		fprintf(stderr, "raw2pcap: %s: note: %s\n", name, report.note);
	fprintf(stderr, "raw2pcap: %s: %llu frames, %llu bytes\n", name, (unsigned long long)report.frames,
		(unsigned long long)report.bytes);
	input_close(&input);
	return result;
}

static enum convert_result worse(enum convert_result a, enum convert_result b)
{
	return a > b ? a : b;
}

static enum convert_result convert_all(char **names, int count, FILE *out)
{
	enum convert_result result = pcap_write_header(out) ? CONVERT_OUTPUT : CONVERT_OK;
	int i;

	for (i = 0; i < count && result != CONVERT_OUTPUT; i++)
		if (names[i])
			result = worse(result, convert_one(names[i], out));
	if (fflush(out))
		result = CONVERT_OUTPUT;
	return result;
}

static int parse(int argc, char **argv, const char **output)
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
			printf("%s", option == 'h' ? usage : "raw2pcap " HPCAPVF_RELEASE "\n");
			return 1;
		}
		if (option != 'o')
			return -1;
		*output = optarg;
	}
	if (optind == argc)
		return -1;
	return 0;
}

int main(int argc, char **argv)
{
	static char buffer[OUTPUT_BUFFER_BYTES];
	const char *output = "-";
	enum convert_result result = CONVERT_OK;
	int parsed = parse(argc, argv, &output);
	bool to_stdout = strcmp(output, "-") == 0;
	FILE *out;

	if (parsed > 0)
		return CONVERT_OK;
	if (parsed < 0 || (to_stdout && isatty(STDOUT_FILENO))) {
		fprintf(stderr, "%s", usage);
		return CONVERT_UNUSABLE;
	}
	if (!check_inputs(argv + optind, argc - optind, &result))
		return CONVERT_UNUSABLE;
	out = to_stdout ? stdout : fopen(output, "wbe");
	if (!out) {
		fprintf(stderr, "raw2pcap: %s: %s\n", output, strerror(errno));
		return CONVERT_OUTPUT;
	}
	setvbuf(out, buffer, _IOFBF, sizeof(buffer));
	result = worse(result, convert_all(argv + optind, argc - optind, out));
	if (fclose(out))
		result = CONVERT_OUTPUT;
	if (result == CONVERT_OUTPUT)
		fprintf(stderr, "raw2pcap: cannot write %s\n", output);
	return result;
}
