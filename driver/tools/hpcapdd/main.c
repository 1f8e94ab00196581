// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "capture.h"
#include "options.h"
#include "version.h"

static struct capture_signals signals;

static void on_signal(int number)
{
	if (number == SIGHUP)
		signals.flush = 1;
	else
		signals.stop = 1;
}

static void catch_signals(void)
{
	static const int numbers[] = { SIGHUP, SIGINT, SIGTERM };
	struct sigaction action = { .sa_handler = on_signal };
	unsigned int i;

	/* no SA_RESTART: a signal ends the wait for frames */
	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaction(numbers[i], &action, NULL);
	/* a file size limit shall be an error of write, not the end */
	action.sa_handler = SIG_IGN;
	sigaction(SIGXFSZ, &action, NULL);
	sigaction(SIGPIPE, &action, NULL);
}

static int stay_on_cpu(int cpu)
{
	cpu_set_t set;

	if (cpu >= CPU_SETSIZE)
		return -EINVAL;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) ? -errno : 0;
}

static int check_directory(const char *path)
{
	struct stat status;

	if (stat(path, &status))
		return -errno;
	return S_ISDIR(status.st_mode) ? 0 : -ENOTDIR;
}

static const char *reason_not_opened(int error)
{
	switch (error) {
	case -EBUSY:
		return "all places for listeners are taken";
	case -EPROTO:
		return "the module speaks another version of the interface: install matching module and tools";
	case -ENOENT:
		return "no such device: is hpcapvf loaded and bound to the virtual function?";
	default:
		return strerror(-error);
	}
}

/* Everything before the first frame. CAPTURE_OK, or the exit code with the reason printed. */
static enum capture_exit prepare(const struct options *options, struct capture *capture)
{
	struct hpcapvf_info info;
	struct raw_writer_config config = {
		.directory = options->directory,
		.limit_bytes = options->file_bytes,
		.block_bytes = options->block_bytes,
		.file_seconds = options->file_seconds,
	};
	int error = options->directory ? check_directory(options->directory) : 0;

	if (error) {
		fprintf(stderr, "hpcapdd: %s: %s\n", options->directory, strerror(-error));
		return CAPTURE_STORAGE;
	}
	if (options->cpu >= 0 && (error = stay_on_cpu(options->cpu))) {
		fprintf(stderr, "hpcapdd: --cpu %d: %s\n", options->cpu, strerror(-error));
		return CAPTURE_USAGE;
	}
	error = status_open(&capture->status, options->status_path);
	if (error) {
		fprintf(stderr, "hpcapdd: --status %s: %s\n", options->status_path, strerror(-error));
		return CAPTURE_USAGE;
	}
	error = hpcapvf_open(options->device, &capture->device);
	if (!error)
		error = hpcapvf_info(capture->device, &info);
	if (error) {
		fprintf(stderr, "hpcapdd: %s: %s\n", options->device, reason_not_opened(error));
		return CAPTURE_NO_DEVICE;
	}
	snprintf(capture->label, sizeof(capture->label), "%s", options->label ? options->label : info.interface);
	config.label = capture->label;
	config.queue = info.queue;
	capture->guard = (struct guard){ .high_percent = options->directory ? options->guard_high : 0,
					 .low_percent = options->guard_low, .directory = options->directory,
					 .label = capture->label, .queue = info.queue,
					 .removed = capture_file_removed, .context = capture };
	capture->block_bytes = options->block_bytes < info.ring_bytes / 4 ? options->block_bytes : info.ring_bytes / 4;
	error = raw_writer_init(&capture->writer, &config, capture_file_closed, capture);
	if (error) {
		fprintf(stderr, "hpcapdd: %s\n", strerror(-error));
		return CAPTURE_STORAGE;
	}
	status_started(&capture->status, options->device, &info, config.label);
	return CAPTURE_OK;
}

static void report(const struct options *options, struct capture *capture, enum capture_exit result)
{
	struct hpcapvf_stats stats;
	bool known = hpcapvf_stats(capture->device, &stats) == 0;
	char json[1024];

	status_stopped(&capture->status, &capture->totals, result, capture->message);
	if (capture->message[0])
		fprintf(stderr, "hpcapdd: %s\n", capture->message);
	if (capture->totals.unsaved_frames)
		fprintf(stderr, "hpcapdd: %llu frames could not be saved\n",
			(unsigned long long)capture->totals.unsaved_frames);
	if (capture->status.error)
		fprintf(stderr, "hpcapdd: --status %s: events are missing: %s\n", options->status_path,
			strerror(-capture->status.error));
	if (options->json) {
		status_format_totals(json, sizeof(json), &capture->totals, known ? &stats : NULL, result);
		printf("%s\n", json);
		return;
	}
	printf("%llu frames, %llu bytes in %llu files\n", (unsigned long long)capture->totals.frames,
	       (unsigned long long)capture->totals.bytes, (unsigned long long)capture->totals.files);
	if (known)
		printf("device: %llu received, %llu duplicates, %llu dropped (ring full), %llu dropped (no listener), %llu errors\n",
		       (unsigned long long)stats.received, (unsigned long long)stats.duplicates,
		       (unsigned long long)stats.ring_full_drops,
		       (unsigned long long)stats.no_listener_drops, (unsigned long long)stats.errors);
}

int main(int argc, char **argv)
{
	static struct capture capture = { .status = { .fd = -1 } };
	struct options options;
	enum capture_exit result;
	char message[256];

	if (options_parse(argc, argv, &options, message, sizeof(message))) {
		fprintf(stderr, "hpcapdd: %s\n%s", message, options_usage);
		return CAPTURE_USAGE;
	}
	if (options.help || options.version) {
		printf("%s", options.help ? options_usage : "hpcapdd " HPCAPVF_RELEASE "\n");
		return CAPTURE_OK;
	}
	catch_signals();
	result = prepare(&options, &capture);
	if (result == CAPTURE_OK) {
		result = capture_run(&capture, &signals);
		report(&options, &capture, result);
		if (fflush(stdout))
			fprintf(stderr, "hpcapdd: cannot write the totals: %s\n", strerror(errno));
	}
	raw_writer_free(&capture.writer);
	hpcapvf_close(capture.device);
	status_close(&capture.status);
	return result;
}
