#!/bin/bash
# Runs test programs (cmocka) and test scripts, one after another, from the top of the source tree. Each is silent where it is good; all are
# counted in one last line. A program that ends badly without naming a failed test (a crash, a leak) counts as one failure.
#
#   tests/run.sh PROGRAM...
#
# EMULATOR, if set, is the command that runs programs that were built for another machine.
set -u
cd "$(dirname "$0")/.." || exit 1

output=$(mktemp)
trap 'rm -f "$output"' EXIT
passed=0
failed=0
skipped=0

# The numbers after (cmocka) or before (scripts) a word, added up.
count() {
    sed -nE -e "s/^\[ *$1 *\] ([0-9]+) test\(s\).*/\1/ip" -e "\$s/^(.*, )?([0-9]+) $1(,.*)?$/\2/ip" "$output" | awk '{ n += $1 } END { print n + 0 }'
}

for program in "$@"; do
    start=$SECONDS
    case $program in
    *.sh) "$program" ;;
    *) ${EMULATOR:-} "$program" ;;
    esac >"$output" 2>&1 </dev/null
    status=$?
    good=$(count passed)
    bad=$(count failed)
    left=$(count skipped)
    [ "$status" -eq 0 ] || [ "$bad" -gt 0 ] || bad=1
    [ $((good + bad + left)) -gt 0 ] || bad=1
    if [ "$bad" -gt 0 ]; then
        cat "$output"
    else
        grep -i '^skipped' "$output"
    fi
    printf '%-32s %4d passed, %d failed, %d skipped (exit status %d, %d s)\n' "$(basename "$(dirname "$program")")/$(basename "$program")" \
        "$good" "$bad" "$left" "$status" $((SECONDS - start))
    passed=$((passed + good))
    failed=$((failed + bad))
    skipped=$((skipped + left))
done

printf '%d passed, %d failed' "$passed" "$failed"
[ "$skipped" -eq 0 ] || printf ', %d skipped' "$skipped"
printf '\n'
[ "$failed" -eq 0 ]
