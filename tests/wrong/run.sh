#!/bin/bash
# Runs `cnn summary` on every wrong description of this folder and compares its exit status and its standard error with NAME.expected, byte by byte.
#
#   tests/wrong/run.sh [NAME.yaml...]             default: all of this folder; the program is $CNN or build/cnn
#   tests/wrong/run.sh --update [NAME.yaml...]    rewrites the expectations; read what `git diff` then shows
set -u

here=$(cd "$(dirname "$0")" && pwd)
CNN=$(realpath "${CNN:-$here/../../build/cnn}")
export LC_ALL=C TERM=dumb
unset NO_COLOR CNN_CPU CNN_DATA

# A description of a few bytes must neither hang the program nor take the machine's memory; sanitizers want more address space than there is.
seconds=20
kilobytes=$((4 << 20))
if nm "$CNN" 2>/dev/null | grep -q __asan_init; then
    kilobytes=unlimited
fi

update=no
if [ "${1:-}" = --update ]; then
    update=yes
    shift
fi
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
cp "$here"/*.yaml "$directory"
cd "$directory" || exit 1
# Too large to be kept: the same ten million bytes every time.
yes 'x: [}{ 0123456789' | head -c 10000000 >garbage.yaml

# The exit status and the messages of `cnn summary $1`.
try() {
    (ulimit -v "$kilobytes" && exec timeout "$seconds" "$CNN" summary "$1") 2>messages >/dev/null
    printf 'status %d\n' $?
    cat messages
}

passed=0
failed=0
[ $# -gt 0 ] || set -- *.yaml
for file in "$@"; do
    file=${file##*/}
    expected=$here/${file%.yaml}.expected
    try "$file" >actual
    [ "$update" = no ] || cp actual "$expected"
    if diff -u --label expected --label actual "$expected" actual >difference 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf '%s\n' "$file"
        sed 's/^/    /' difference
    fi
done
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
