#!/bin/bash
# The page of `cnn lab`, driven in headless Chromium and Firefox from file:// (tests/lab/lab.mjs). Its numbers are those of the terminal. Skipped where there is
# no browser, node, or page (`make lab`).
set -u

# shellcheck source=tests/cases.sh
. "$(dirname "$0")/cases.sh"

cd "$directory" || exit 1
export HOME=$directory

if ! command -v node >/dev/null || [ ! -f "$BUILD/lab.html" ] || [ -n "${SANITIZE:-}" ]; then
    skip 'tests/lab.sh: no node, no lab.html beside the program (make deps-lab lab), or under sanitizers'
    summary
    exit
fi

drive() {
    if ! command -v "$2" >/dev/null; then
        skip "tests/lab.sh: no $2"
        return
    fi
    while IFS= read -r line; do
        case $line in
        'ok '*) pass ;;
        'not ok '*) fail "lab, $1: ${line#not ok }" && continue ;;
        esac
        printf '%s: %s\n' "$1" "$line"
    done < <(timeout 2400 node "$root/tests/lab/lab.mjs" "$1" "$CNN" "$root" 2>errors || echo 'not ok it stopped')
    [ ! -s errors ] || fail "lab, $1: it complained" errors
}

drive chromium chromium
drive firefox firefox-esr

# Beside the model and the sample of digits, the page has at most 1.5 MB.
size=$(wc -c <"$BUILD/lab.html")
check "the page has $size bytes, at most 1500000" test "$size" -le 1500000
summary
