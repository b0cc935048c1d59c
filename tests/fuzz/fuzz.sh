#!/bin/bash
# Runs fuzz targets, two at a time, each for some seconds, and tells what each did. What one finds is kept beside the targets, with its log.
#
#   tests/fuzz/fuzz.sh SECONDS TARGET...    a target is a program that tests/fuzz/NAME.c became
#
# BUILD is the folder of their build: seeds are taken from BUILD/seeds, and what is found worth keeping goes to BUILD/corpus.
set -u

duration=$1
shift
TMPDIR=$(mktemp -d)
export BUILD TMPDIR duration
trap 'rm -rf "$TMPDIR"' EXIT
# A description may ask for more memory than there is; that is refused, not a fault.
export ASAN_OPTIONS=allocator_may_return_null=1:max_allocation_size_mb=1024

run_target() {
    local name dictionary=()
    name=$(basename "$1")
    [ ! -e "$BUILD/seeds/$name.dict" ] || dictionary=(-dict="$BUILD/seeds/$name.dict")
    mkdir -p "$BUILD/corpus/$name"
    if "$1" -max_total_time="$duration" -max_len=65536 -timeout=60 -rss_limit_mb=2048 -malloc_limit_mb=1024 -print_final_stats=1 "${dictionary[@]}" \
        -artifact_prefix="$BUILD/$name-" "$BUILD/corpus/$name" "$BUILD/seeds/$name" >"$BUILD/$name.log" 2>&1; then
        printf '%-12s %9d inputs in %s s, %d features\n' "$name" "$(sed -n 's/^stat::number_of_executed_units: *//p' "$BUILD/$name.log")" "$duration" \
            "$(sed -nE 's/.* ft: ([0-9]+).*/\1/p' "$BUILD/$name.log" | tail -n 1)"
    else
        tail -n 60 "$BUILD/$name.log"
        printf '%-12s failed; see %s\n' "$name" "$BUILD/$name.log"
        return 1
    fi
}
export -f run_target

printf '%s\n' "$@" | xargs -P 2 -I '{}' bash -c 'run_target "$1"' _ '{}'
