#!/bin/bash
# Runs test programs (cmocka) and test scripts from the top of the source tree, as many at a time as
# there are cores (JOBS). Each is silent where it is good; all are counted in one last line. A program
# that ends badly without naming a failed test (a crash, a leak) counts as one failure.
#
#   tests/run.sh PROGRAM...
#
# EMULATOR, if set, is the command that runs programs that were built for another machine.
set -u
cd "$(dirname "$0")/.." || exit 1

results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
bad_ones=()
passed=0
failed=0
skipped=0

# Runs a program; its output and a line of status and seconds are kept under its number.
run() {
    local start=$SECONDS
    case $2 in
    *.sh) "$2" ;;
    *) ${EMULATOR:-} "$2" ;;
    esac >"$results/$1" 2>&1 </dev/null
    echo "$? $((SECONDS - start))" >"$results/$1.status"
}

# The numbers after (cmocka) or before (scripts) a word, added up.
count() {
    sed -nE -e "s/^\[ *$1 *\] ([0-9]+) test\(s\).*/\1/ip" -e "\$s/^(.*, )?([0-9]+) $1(,.*)?$/\2/ip" "$2" |
        awk '{ n += $1 } END { print n + 0 }'
}

# Tells how a program ended, and adds what it counted.
tell() {
    local program=$2 output=$results/$1 status=1 seconds=0
    read -r status seconds <"$output.status"
    local good bad left
    good=$(count passed "$output")
    bad=$(count failed "$output")
    left=$(count skipped "$output")
    [ "$status" -eq 0 ] || [ "$bad" -gt 0 ] || bad=1
    [ $((good + bad + left)) -gt 0 ] || bad=1
    if [ "$bad" -gt 0 ]; then
        bad_ones+=("$program")
        cat "$output"
    else
        grep -i '^skipped' "$output"
    fi
    printf '%-32s %4d passed, %d failed, %d skipped (exit status %d, %d s)\n' \
        "$(basename "$(dirname "$program")")/$(basename "$program")" "$good" "$bad" "$left" "$status" "$seconds"
    passed=$((passed + good))
    failed=$((failed + bad))
    skipped=$((skipped + left))
}

# Scripts come first: the longest are among them. What has ended is told in the order of the start.
scripts=()
programs=()
for program in "$@"; do
    case $program in
    *.sh) scripts+=("$program") ;;
    *) programs+=("$program") ;;
    esac
done
all=(${scripts[@]+"${scripts[@]}"} ${programs[@]+"${programs[@]}"})
told=0
running=0
for i in "${!all[@]}"; do
    if [ "$running" -ge "${JOBS:-$(nproc)}" ]; then
        wait -n
        running=$((running - 1))
    fi
    run "$i" "${all[i]}" &
    running=$((running + 1))
    while [ -s "$results/$told.status" ]; do
        tell "$told" "${all[told]}"
        told=$((told + 1))
    done
done
wait
for ((; told < ${#all[@]}; told++)); do
    tell "$told" "${all[told]}"
done

# Once more at the end, where they are seen.
[ "$failed" -eq 0 ] || printf 'failed: %s\n' "${bad_ones[@]}"
printf '%d passed, %d failed' "$passed" "$failed"
[ "$skipped" -eq 0 ] || printf ', %d skipped' "$skipped"
printf '\n'
[ "$failed" -eq 0 ]
