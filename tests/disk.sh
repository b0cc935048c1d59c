#!/bin/bash
# Disks that are too small, full or read-only: training says so, ends with status 1, and what was saved before is whole. Needs small disks of its own, which it
# mounts in a namespace that nobody else sees; where that is not allowed, all is skipped.
#
# CNN is the program (default: build/cnn).
set -u

# shellcheck source=tests/cases.sh
. "$(dirname "$0")/cases.sh"

cd "$directory" && mkdir disk || exit 1
if [ $# -eq 0 ]; then
    if unshare --user --map-root-user --mount mount -t tmpfs none disk 2>/dev/null; then
        unshare --user --map-root-user --mount "$root/tests/disk.sh" inside
        exit
    fi
    skip 'small disks cannot be mounted here (unshare, mount -t tmpfs)' 5
    summary
    exit
fi

# report NAME: the case failed where the command before did.
report() {
    if [ $? -eq 0 ]; then
        pass
    else
        fail "$1" messages
    fi
}

# ends_with STATUS TEXT ARGUMENTS...: training ends so, with that in its messages.
ends_with() {
    local status=$1 text=$2
    shift 2
    "$CNN" train "$@" --threads 1 >out 2>messages
    [ $? -eq "$status" ] && grep -q -e "$text" messages
}

cat >net.yaml <<'YAML'
name: net
input: [3, 16, 16]
layers: [{type: flatten}, {type: dense, units: 64, activation: relu}, {type: dense, units: 10}]
data: {dataset: shapes, limit: 200, val_split: 0.2}
train: {epochs: 20, batch_size: 16, optimizer: adam, log_every: 1}
YAML

# A checkpoint takes 200 KB, with its state 600 KB.
mount -t tmpfs -o size=2m none disk
ends_with 1 'the disk of disk/new/run has 2.0 MiB left; checkpoints and their temporary copies take about 2..[0-9]* MiB' net.yaml -o disk/new/run &&
    [ -z "$(ls disk)" ]
report 'a disk that is too small'

mount -o remount,ro,size=16m disk
ends_with 1 'cannot write in disk: Read-only file system' net.yaml -o disk && ends_with 1 'cannot make the directory disk/run: Read-only file system' \
    net.yaml -o disk/run
report 'a read-only disk'

# The disk fills up while the run goes on: the first file that does not fit ends it.
mount -o remount,rw disk
"$CNN" train net.yaml -o disk/whole --threads 1 >out 2>&1
"$CNN" train net.yaml -o disk/run --threads 1 >out 2>messages &
pid=$!
rows=()
until [ ${#rows[@]} -gt 20 ] || ! kill -0 "$pid" 2>/dev/null; do
    [ ! -e disk/run/steps.csv ] || mapfile -t rows <disk/run/steps.csv
done
kill -STOP "$pid"
head -c 100m /dev/zero >disk/filler 2>/dev/null
kill -CONT "$pid"
wait "$pid"
[ $? -eq 1 ] && grep -q -i 'cannot write disk/run/.*: no space left' messages && "$CNN" verify disk/run >out 2>&1 && [ -z "$(ls disk/run/*.tmp-* 2>/dev/null)" ]
report 'a disk that fills up'

ends_with 1 'the disk of disk/run has .* left' --resume disk/run && "$CNN" verify disk/run >out 2>&1
report 'a full disk at the start of a resumed run'

rm disk/filler
ends_with 0 '' --resume disk/run && cmp disk/whole/last.safetensors disk/run/last.safetensors && cmp disk/whole/best.safetensors disk/run/best.safetensors &&
    cmp <(cut -d, -f1-4 disk/whole/steps.csv) <(cut -d, -f1-4 disk/run/steps.csv)
report 'the run goes on where there is room again'

# Nothing is left of an export that does not fit.
head -c 100m /dev/zero >disk/filler 2>/dev/null
"$CNN" export disk/whole -o disk/net.onnx >out 2>messages
[ $? -eq 1 ] && grep -q 'cannot write disk/net.onnx: no space left' messages && [ -z "$(ls disk/net.onnx* 2>/dev/null)" ]
report 'an export to a full disk'

umount disk

summary
