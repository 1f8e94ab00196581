// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * raw2pcap and checkraw beside cp of the same file, on a memory file system: simple IMIX, 7:4:1 frames of 64, 594 and
 * 1518 bytes (with CRC, which is not stored). Best of several rounds, taken in turns: the machine may be shared. Outputs
 * are removed before each run. Prints JSON with the wall time and the CPU time of the best rounds.
 *
 * usage: tools FOLDER-OF-PROGRAMS [MEMORY-FILE-SYSTEM]
 */
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/raw.h"
#include "tests/check.h"

#define FILE_BYTES (256u << 20)
#define ROUNDS 9
#define TMPFS_MAGIC 0x01021994
#define CRC_BYTES 4u
#define PATH_BYTES (PATH_MAX + 32)

static const uint32_t imix[] = { 64, 594, 64, 64, 1518, 64, 594, 64, 594, 64, 64, 594 };

struct best {
	double wall;
	double cpu;
};

static uint64_t write_file(const char *path)
{
	static uint8_t data[2048], record[4096];
	uint64_t frames = 0, size = 0, ns = 0;
	__u8 header[HPCAPVF_RECORD_BYTES];
	FILE *file = fopen(path, "wb");
	uint32_t i;

	CHECK(file);
	for (i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 2654435761u >> 24);
	for (; size < FILE_BYTES - sizeof(record); frames++) {
		struct hpcap_frame frame = { .data = data + frames % 500, .length = imix[frames % 12] - CRC_BYTES,
					     .seconds = 1700000000 + (__u32)(ns / 1000000000),
					     .nanoseconds = (__u32)(ns % 1000000000) };

		hpcap_record_build(record, &frame, frame.length);
		CHECK_EQUAL(fwrite(record, 1, HPCAPVF_RECORD_BYTES + frame.length, file), HPCAPVF_RECORD_BYTES + frame.length);
		size += HPCAPVF_RECORD_BYTES + frame.length;
		ns += (imix[frames % 12] + 20) * 8 / 10;	/* at 10 Gb/s */
	}
	CHECK_EQUAL(hpcap_raw_padding(header, HPCAPVF_RECORD_BYTES), 0);
	CHECK_EQUAL(fwrite(header, 1, sizeof(header), file), sizeof(header));
	CHECK_EQUAL(fclose(file), 0);
	return frames;
}

static double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double seconds_of(struct timeval time)
{
	return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static void measure(struct best *best, const char *const *arguments)
{
	const double start = seconds_now();
	struct rusage usage;
	double wall, cpu;
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY);

		dup2(null, STDERR_FILENO);
		execvp(arguments[0], (char *const *)(uintptr_t)arguments);
		_exit(127);
	}
	CHECK_EQUAL(wait4(pid, &status, 0, &usage), pid);
	wall = seconds_now() - start;
	cpu = seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	best->wall = wall < best->wall ? wall : best->wall;
	best->cpu = cpu < best->cpu ? cpu : best->cpu;
}

int main(int argc, char **argv)
{
	char folder[PATH_MAX], in[PATH_BYTES], out[PATH_BYTES], raw2pcap[PATH_BYTES], checkraw[PATH_BYTES];
	struct best cp = { 1e9, 1e9 }, convert = { 1e9, 1e9 }, check = { 1e9, 1e9 };
	struct statfs status;
	uint64_t frames;
	int round;

	CHECK(argc >= 2);
	CHECK(snprintf(folder, sizeof(folder), "%s/hpcapvf-bench-XXXXXX", argc > 2 ? argv[2] : "/dev/shm") < PATH_MAX);
	CHECK(mkdtemp(folder));
	CHECK(statfs(folder, &status) == 0);
	snprintf(in, sizeof(in), "%s/in.raw", folder);
	snprintf(out, sizeof(out), "%s/out", folder);
	snprintf(raw2pcap, sizeof(raw2pcap), "%s/raw2pcap", argv[1]);
	snprintf(checkraw, sizeof(checkraw), "%s/checkraw", argv[1]);
	frames = write_file(in);
	for (round = 0; round < ROUNDS; round++) {
		measure(&cp, (const char *const[]){ "cp", in, out, NULL });
		CHECK_EQUAL(unlink(out), 0);
		measure(&convert, (const char *const[]){ raw2pcap, in, "-o", out, NULL });
		CHECK_EQUAL(unlink(out), 0);
		measure(&check, (const char *const[]){ checkraw, "-q", in, NULL });
	}
	CHECK(unlink(in) == 0 && rmdir(folder) == 0);
	printf("{\"file_bytes\":%u,\"frames\":%llu,\"rounds\":%d,\"memory_file_system\":%s,\"cp_s\":%.4f,"
	       "\"raw2pcap_s\":%.4f,\"checkraw_s\":%.4f,\"cp_cpu_s\":%.4f,\"raw2pcap_cpu_s\":%.4f,\"checkraw_cpu_s\":%.4f,"
	       "\"raw2pcap_of_cp\":%.2f,\"checkraw_of_cp\":%.2f}\n",
	       FILE_BYTES, (unsigned long long)frames, ROUNDS, status.f_type == TMPFS_MAGIC ? "true" : "false", cp.wall,
	       convert.wall, check.wall, cp.cpu, convert.cpu, check.cpu, cp.wall / convert.wall, cp.wall / check.wall);
	return 0;
}
