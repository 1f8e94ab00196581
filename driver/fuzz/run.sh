#!/bin/sh
# Run each fuzz target for some seconds and write what came of it as JSON. A finding ends the run with exit status 1;
# the input that caused it stays in the build folder.
# usage: run.sh BINARIES SECONDS TARGET...
set -u
binaries=$1
seconds=$2
shift 2
result="$binaries/fuzz.json"
failed=0
rows=""
# of what is fuzzed, not of what is there hours later
commit=$(git rev-parse HEAD)
changed=$(git diff --quiet HEAD -- . && echo false || echo true)

number() { # the value of a statistic that libFuzzer printed
	sed -n "s/^stat::$2: *//p" "$1"
}

for target in "$@"; do
	log="$binaries/$target.log"
	corpus="fuzz/corpus/$target"
	mkdir -p "$corpus" "$binaries/new-$target"
	echo "fuzzing $target for $seconds s"
	"$binaries/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=65536 -print_final_stats=1 \
		-artifact_prefix="$binaries/finding-$target-" "$binaries/new-$target" "$corpus" >"$log" 2>&1
	status=$?
	[ "$status" -eq 0 ] || {
		failed=1
		tail -n 20 "$log" >&2
	}
	# keep what reaches something new, not every input that was ever tried
	"$binaries/$target" -merge=1 "$corpus" "$binaries/new-$target" >>"$log" 2>&1 || failed=1
	rows="$rows${rows:+,}
  {\"target\": \"$target\", \"seconds\": $seconds, \"exit_status\": $status, \"findings\": $((status != 0)),
   \"runs\": $(number "$log" number_of_executed_units | head -n 1), \"corpus_files\": $(find "$corpus" -type f | wc -l)}"
done
{
	printf '{"date": "%s", "commit": "%s", "changed_since": %s,\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$commit" "$changed"
	printf ' "machine": {"kernel": "%s", "cpu": "%s", "cpus": %s},\n "targets": [%s]}\n' "$(uname -sr)" \
		"$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" "$(nproc)" "$rows"
} >"$result"
cat "$result"
exit $failed
