#!/bin/bash
# Each command with one allocation that fails, or one file that cannot be opened because too many
# are: the first ones, and some at random (SEED, which is printed where a case fails; ALL=1: every
# one). A command then either says so and ends with status 1, or does without and gives what it
# always gives, byte for byte; and no checkpoint is damaged in either case. ONLY=TEXT: the commands
# whose names have it.
set -u

# shellcheck source=tests/cases.sh
. "$(dirname "$0")/cases.sh"

inject=$BUILD/tests/preload/inject.so
FIRST=${FIRST:-20} RANDOM_ONES=${RANDOM_ONES:-20} ALL=${ALL:-0}
seed=${SEED:-$RANDOM}
RANDOM=$seed

# The sanitizers have allocators of their own, and an emulator its own loader.
if [ ! -e "$inject" ] || [ -n "${SANITIZE:-}" ] || [ -n "${EMULATOR:-}" ]; then
    skip 'failing allocations: not with a sanitizer or an emulator'
    summary
    exit
fi

cd "$directory" || exit 1
picture 16x16 180 dog.png
cat >net.yaml <<'YAML'
name: net
input: [3, 16, 16]
layers:
  - {type: conv, filters: 4, kernel_size: 3, padding: same, bias: false}
  - {type: batch_norm, activation: relu}
  - {type: pool, pool_type: max, kernel_size: 4}
  - {type: flatten}
  - {type: dense, units: 10}
loss: {type: cross_entropy, class_weights: balanced}
data: {dataset: shapes, limit: 40, normalize: auto, val_split: 0.25, augment: [{type: flip}]}
train: {epochs: 1, batch_size: 10, optimizer: {type: sgd, lr: 0.05, momentum: 0.9}, ema: {decay: 0.9}}
YAML
# Of two sizes: the median of one picture fewer is another.
pictures photos/train cat:60:6
pictures photos/test cat:60:2 dog:180:2
mkdir photos/train/dog
picture 32x32 180 photos/train/dog/{1,2,3,4,5,6}.png
head -c 200 dog.png >photos/train/dog/cut.png
sed -e 's/units: 10/units: 2/' -e 's/dataset: shapes, limit: 40/dataset: folder, path: photos/' \
    net.yaml >photos.yaml
"$CNN" train net.yaml -o run --threads 1 >/dev/null 2>&1 || fail 'a run to look at'

# The numbers of the calls that are to fail, of $1.
chosen() {
    local i
    if [ "$ALL" = 1 ]; then
        seq 1 "$1"
        return
    fi
    for ((i = 1; i <= FIRST && i <= $1; i++)); do echo "$i"; done
    for ((i = 0; i < RANDOM_ONES; i++)); do echo $((RANDOM * 32768 % $1 + RANDOM % $1 + 1)); done | awk -v most="$1" '{ print ($1 - 1) % most + 1 }'
}

# The same, each once.
numbers() {
    [ "$1" -eq 0 ] || chosen "$1" | sort -nu
}

# What a command has said, but for what differs from run to run: how long it takes, and what memory is free.
same() {
    cmp -s "$1" "$2" || cmp -s <(sed -e '/^[a-z]* *time  /d' -e '/^[a-z]* *memory  /d' "$1") <(sed -e '/^[a-z]* *time  /d' -e '/^[a-z]* *memory  /d' "$2")
}

# What a command has written but for times, which reports and tables hold.
written() {
    [ ! -d made ] || find made -type f ! -name '*.html' ! -name '*.csv' ! -name lock -exec cksum {} + | sort -k 3
}

# Whether that is what the file `files` lists. Most commands write nothing, and over a thousand calls fail, so no process is started for nothing.
as_written() {
    if [ -d made ]; then written | cmp -s - files; else [ ! -s files ]; fi
}

# Nothing is there that an earlier call has made.
start_afresh() {
    [ ! -e made ] && [ ! -e made.out ] || rm -rf made made.out
}

# complain TEXT [FILE]: what is wrong with the command called $name under $rule.
complain() {
    bad=1
    printf 'failed: %s, %s (SEED=%d): %s\n' "$name" "$rule" "$seed" "$1"
    [ $# -lt 2 ] || sed 's/^/    /' "$2"
}

# try COMMAND...: with the call that $rule names failing, in a fresh folder made.
try() {
    local status file
    start_afresh
    INJECT=$rule INJECT_SECONDS=60 LD_PRELOAD=$inject "$CNN" "$@" >actual 2>said </dev/null
    status=$?
    if [ "$status" -ne 0 ] && [ "$status" -ne 1 ]; then
        complain "status $status" said
    elif [ "$status" -eq 1 ] && [ ! -s said ]; then
        complain 'status 1 without a message'
    elif [ "$status" -eq 1 ] && [ -e made.out ]; then
        complain 'a file is left'
    elif [ "$status" -eq 0 ] && ! { same expected actual && as_written; }; then
        diff -a expected actual | head -5 >>said
        complain 'other output' said
    fi
    for file in made/*.safetensors; do
        [ -e "$file" ] || continue
        "$CNN" verify "$file" >damage 2>&1 || complain 'damaged' damage
    done
}

# each NAME COMMAND...: with each of the chosen calls failing.
each() {
    local name=$1 rule count n bad=0
    shift
    [[ $name = *"${ONLY:-}"* ]] || return 0
    start_afresh
    INJECT_COUNT=calls LD_PRELOAD=$inject "$CNN" "$@" >expected 2>said </dev/null
    if [ $? -ne 0 ]; then
        fail "$name" said
        return
    fi
    written >files
    cp calls counted
    for rule in alloc open fopen; do
        count=$(awk -v name="$rule" '$1 == name { print $2 }' counted)
        for n in $(numbers "$count"); do
            rule=${rule%%:*}:$n
            [ "${rule%%:*}" = alloc ] || rule+=:EMFILE
            try "$@"
            runs=$((runs + 1))
        done
    done
    if [ "$bad" -eq 0 ]; then pass; else failed=$((failed + 1)); fi
}

"$BUILD/tests/tools/legacy" small net.prototxt net.caffemodel
"$BUILD/tests/tools/legacy" tiny tiny.cfg tiny.weights
"$BUILD/tests/tools/onnx" residual residual.onnx

runs=0
each 'summary' summary net.yaml --explain
each 'summary of a network in blocks' summary "$root/configs/mlperf_resnet8.yaml" --set layers.basic2.width=20 --set layers.dense1.units=2
each 'summary --blocks' summary "$root/configs/mlperf_resnet8.yaml" --blocks
each 'summary of a run' summary run --json
each 'verify' verify run
each 'verify --json' verify run --json
each 'predict' predict run dog.png --top 2
each 'predict --json' predict run dog.png --json
each 'eval' eval run --threads 1
each 'eval --json' eval run --threads 1 --json
each 'eval, pages' eval run --threads 1 --report made.html --gallery made
each 'explain' explain run dog.png --at dense1:0
each 'featmaps' featmaps dog.png run --text
each 'data' data net.yaml --output made.png
each 'data --json' data net.yaml --output made.png --json
each 'data of a folder' data photos.yaml --output made.png --threads 1
each 'init' init made --data photos
each 'report' report run -o made.html
each 'quantize' quantize run --threads 1 -o made.safetensors --json
each 'import of ONNX' import residual.onnx --threads 1 -o made.safetensors
each 'import of Caffe' import net.prototxt net.caffemodel --threads 1 -o made.safetensors
each 'import of Darknet' import tiny.cfg tiny.weights --threads 1 -o made.safetensors
for format in onnx pytorch keras; do
    each "export, $format" export run --threads 1 --format $format -o made --json
done
each 'export, c' export run --threads 1 --format c --no-eval -o made --json
each 'visualize' visualize dog.png run -o made
each 'train --check' train net.yaml --check --threads 1
each 'train' train net.yaml -o made --threads 1
each 'train on a folder' train photos.yaml -o made --threads 1
[ "${SHOW:-0}" = 0 ] || printf '%d failing calls\n' "$runs"

summary
