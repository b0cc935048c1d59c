#!/bin/bash
# A read that a signal interrupts, or that gives less than was asked, goes on; one that fails is told.
#
# CNN is the program (default: build/cnn).
set -u

# shellcheck source=tests/cases.sh
. "$(dirname "$0")/cases.sh"
if [ -n "${SANITIZE:-}" ] || [ -n "${EMULATOR:-}" ]; then
    skip 'interrupted reads: not with a sanitizer or an emulator' 4
    summary
    exit
fi
cd "$directory" || exit 1

cat >a.yaml <<'YAML'
name: tiny
input: [3, 16, 16]
layers: [{type: flatten}, {type: dense, units: 10}]
data: {dataset: shapes, limit: 60, val_split: 0.5}
train: {epochs: 1, batch_size: 10}
YAML

verify() {
    INJECT=$1 LD_PRELOAD=$BUILD/tests/preload/inject.so "$CNN" verify run/best.safetensors >out 2>err
}

check 'a run' "$CNN" train a.yaml -o run
check 'interrupted' verify read:%2:EINTR
check 'short' verify read:1+:short
verify read:%2:EIO
[ $? -eq 1 ] && grep -qxF 'cnn: error: cannot read run/best.safetensors: Input/output error' err
check 'a read that fails' test $? -eq 0
summary
