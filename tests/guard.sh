#!/bin/bash
# No kernel reads or writes outside its arrays: random networks (tests/tools/guarded.c) run on every instruction set of this machine, with and without Winograd's
# algorithm, behind a library that puts a page that cannot be touched behind every block, or before it. In a build with AddressSanitizer that one watches instead.
#
# CNN is the program (default: build/cnn).
set -u

# shellcheck source=tests/cases.sh
. "$(dirname "$0")/cases.sh"

guarded=$BUILD/tests/tools/guarded
preload=$BUILD/tests/preload/guard.so
[ -z "${SANITIZE:-}" ] || preload=

# run ARGUMENT...
run() {
    LD_PRELOAD=$preload "$guarded" "$@"
}

beyond_is_caught() {
    ! run beyond
}

check 'a number behind a block is out of reach' beyond_is_caught
if [ -n "$preload" ]; then
    export GUARD_FRONT=1
    check 'but not where the page is in front' run beyond
    unset GUARD_FRONT
fi

first=1
for kernels in $(CNN_CPU=none "$guarded" 1 1 2>&1 | sed -n 's/.*it has //p' | tr -d ,); do
    export CNN_CPU=$kernels
    check "$kernels" run $first 60
    CNN_WINOGRAD=0 check "$kernels without Winograd" run $((first + 1000)) 30
    [ -z "$preload" ] || GUARD_FRONT=1 check "$kernels, pages in front" run $((first + 2000)) 30
    first=$((first + 100))
done
summary
