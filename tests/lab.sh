#!/bin/bash
# The page of `cnn lab`, driven in headless Chromium from file:// (tests/lab/lab.mjs). Its numbers are those of the terminal. Skipped where there is no
# chromium, node, or page (`make lab`).
set -u

# shellcheck source=tests/cases.sh
. "$(dirname "$0")/cases.sh"

cd "$directory" || exit 1
export HOME=$directory

for tool in chromium node; do
    if ! command -v "$tool" >/dev/null; then
        skip "tests/lab.sh: no $tool"
        summary
        exit
    fi
done
if [ ! -f "$BUILD/lab.html" ] || [ -n "${SANITIZE:-}" ]; then
    skip 'tests/lab.sh: no lab.html beside the program (make lab), or under sanitizers'
    summary
    exit
fi

timeout 1500 node "$root/tests/lab/lab.mjs" "$CNN" "$root" >results 2>errors
while IFS= read -r line; do
    case $line in
    'ok '*) pass ;;
    'not ok '*) fail "lab: ${line#not ok }" ;;
    *) printf '%s\n' "$line" ;;
    esac
done <results
[ "$passed" -gt 0 ] || fail 'lab: nothing ran' errors

# Beside the model and the sample of digits, the page has at most 1.5 MB.
size=$(wc -c <"$BUILD/lab.html")
check "the page has $size bytes, at most 1500000" test "$size" -le 1500000
summary
