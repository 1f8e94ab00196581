// SPDX-License-Identifier: GPL-2.0-or-later
#include "status.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/json_text.h"

#define LINE_BYTES 16384	/* a path of PATH_MAX bytes, each of them escaped in two */
#define FILE_MODE 0644

int status_open(struct status *status, const char *path)
{
	status->error = 0;
	status->fd = -1;
	if (!path)
		return 0;
	status->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, FILE_MODE);
	return status->fd < 0 ? -errno : 0;
}

void status_close(struct status *status)
{
	if (status->fd >= 0)
		close(status->fd);
	status->fd = -1;
}

__attribute__((format(printf, 2, 3))) static void emit(struct status *status, const char *format, ...)
{
	char line[LINE_BYTES];
	va_list arguments;
	ssize_t written;
	int length;

	if (status->fd < 0)
		return;
	va_start(arguments, format);
	length = vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	if (length < 0 || (size_t)length >= sizeof(line)) {
		status->error = -EMSGSIZE;
		return;
	}
	do {
		written = write(status->fd, line, (size_t)length);
	} while (written < 0 && errno == EINTR);
	if (written != length && !status->error)
		status->error = written < 0 ? -errno : -ENOSPC;
}

void status_started(struct status *status, const char *device, const struct hpcapvf_info *info, const char *label)
{
	char device_text[JSON_TEXT_BYTES], label_text[JSON_TEXT_BYTES];

	emit(status,
	     "{\"event\":\"started\",\"device\":\"%s\",\"interface\":\"%s\",\"queue\":%u,\"pid\":%ld,"
	     "\"ring_bytes\":%llu}\n",
	     json_text(device_text, device), json_text(label_text, label), info->queue, (long)getpid(),
	     (unsigned long long)info->ring_bytes);
}

void status_file_closed(struct status *status, const struct raw_file_report *report)
{
	char path_text[JSON_TEXT_BYTES];

	emit(status,
	     "{\"event\":\"closed\",\"file\":\"%s\",\"reason\":\"%s\",\"frames\":%llu,\"bytes\":%llu,"
	     "\"file_bytes\":%llu,\"first_ns\":%llu,\"last_ns\":%llu,\"unsaved_frames\":%llu,\"synced\":%s}\n",
	     json_text(path_text, report->path), report->reason, (unsigned long long)report->stored.frames,
	     (unsigned long long)report->stored.frame_bytes, (unsigned long long)report->file_bytes,
	     (unsigned long long)report->first_ns, (unsigned long long)report->stored.last_ns,
	     (unsigned long long)report->unsaved_frames, report->synced ? "true" : "false");
}

void status_file_removed(struct status *status, const char *path, uint64_t bytes)
{
	char path_text[JSON_TEXT_BYTES];

	emit(status, "{\"event\":\"removed\",\"file\":\"%s\",\"bytes\":%llu}\n", json_text(path_text, path),
	     (unsigned long long)bytes);
}

void status_flushed(struct status *status, const struct capture_totals *totals)
{
	emit(status, "{\"event\":\"flushed\",\"seq\":%llu,\"frames_total\":%llu,\"files_total\":%llu}\n",
	     (unsigned long long)totals->flushes, (unsigned long long)totals->frames,
	     (unsigned long long)totals->files);
}

void status_stopped(struct status *status, const struct capture_totals *totals, int exit_code, const char *message)
{
	char message_text[JSON_TEXT_BYTES];

	emit(status,
	     "{\"event\":\"stopped\",\"exit_code\":%d,\"message\":\"%s\",\"frames_total\":%llu,\"files_total\":%llu,"
	     "\"unsaved_frames\":%llu}\n",
	     exit_code, json_text(message_text, message), (unsigned long long)totals->frames,
	     (unsigned long long)totals->files, (unsigned long long)totals->unsaved_frames);
}

int status_format_totals(char *out, size_t size, const struct capture_totals *totals,
			 const struct hpcapvf_stats *stats, int exit_code)
{
	char driver[320] = "null";

	if (stats)
		snprintf(driver, sizeof(driver),
			 "{\"received\":%llu,\"published\":%llu,\"duplicates\":%llu,\"ring_full_drops\":%llu,"
			 "\"no_listener_drops\":%llu,\"errors\":%llu}",
			 (unsigned long long)stats->received, (unsigned long long)stats->published,
			 (unsigned long long)stats->duplicates, (unsigned long long)stats->ring_full_drops, (unsigned long long)stats->no_listener_drops,
			 (unsigned long long)stats->errors);
	return snprintf(out, size,
			"{\"frames\":%llu,\"bytes\":%llu,\"files\":%llu,\"file_bytes\":%llu,"
			"\"unsaved_frames\":%llu,\"flushes\":%llu,\"removed_files\":%llu,\"driver\":%s,\"exit_code\":%d}",
			(unsigned long long)totals->frames, (unsigned long long)totals->bytes,
			(unsigned long long)totals->files, (unsigned long long)totals->file_bytes,
			(unsigned long long)totals->unsaved_frames, (unsigned long long)totals->flushes,
			(unsigned long long)totals->removed_files, driver,
			exit_code);
}
