#!/bin/bash
# Runs whose disk fails them, and that are killed: one to three times a system call on a file fails, writes less than was asked, or is where SIGKILL hits, and SIGKILL
# comes at a random moment; the next process goes on. Whatever happens, the program ends well, with a message, or killed; every checkpoint is whole; and in the end
# the run is, byte for byte, the one without a fault.
#
# CNN is the program (default: build/cnn); CASES says how many runs (default: 10), SEED which (default: 1).
set -u

# shellcheck source=tests/cases.sh
. "$(dirname "$0")/cases.sh"

cd "$directory" || exit 1
RANDOM=${SEED:-1}
cases=${CASES:-10}

# with_faults RULES ARGUMENTS...: the program with its calls trapped. AddressSanitizer takes such a library for a mistake, and its look for leaks traces the process.
with_faults() {
    LD_PRELOAD=$BUILD/tests/preload/faults.so ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0 FAULTS=$1 "$CNN" "${@:2}"
}

if ! with_faults '' version >/dev/null 2>&1; then
    skip 'system calls cannot be trapped here (seccomp)' $((cases + 10))
    summary
    exit
fi

# Everything random and every kind of state is in it: 4 steps an epoch, 12 in all, a save after each.
cat >net.yaml <<'YAML'
name: net
input: [3, 16, 16]
layers:
  - {type: conv, filters: 8, kernel_size: 3, bias: false}
  - {type: batch_norm, activation: relu}
  - {type: pool, pool_type: max, kernel_size: 4}
  - {type: dropout, rate: 0.25}
  - {type: flatten}
  - {type: dense, units: 10}
data: {dataset: shapes, limit: 80, val_split: 0.2, normalize: auto, augment: [{type: flip}, {type: mixup}]}
train:
  epochs: 3
  batch_size: 16
  optimizer: {type: adamw, lr: 0.005}
  schedule: {type: plateau, patience: 0, gamma: 0.5}
  ema: {decay: 0.9}
  log_every: 1
  save_every: 0
YAML

# attempt RULES ARGUMENTS...: trains with these faults; `time:MILLISECONDS` before them is a SIGKILL
# at that moment. The status.
attempt() {
    local rules=$1 moment
    shift
    if [[ $rules == time:* ]]; then
        moment=${rules%%,*}
        rules=${rules#"$moment"}
        LD_PRELOAD=$BUILD/tests/preload/faults.so ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0 \
            FAULTS=${rules#,} "$CNN" train "$@" --threads 1 >out 2>messages &
        sleep "$(printf '0.%03d' "${moment#time:}")"
        kill -KILL $! 2>/dev/null
        wait $! 2>/dev/null
    else
        with_faults "$rules" train "$@" --threads 1 >out 2>messages
    fi
}

# A fault at random, each kind of call as likely; two in five times a moment in time as well, of
# which half stand alone.
draw() {
    local effects=(EIO ENOSPC EINTR kill killed short) kinds=(write fsync rename close link unlink) kind
    kind=${kinds[RANDOM % ${#kinds[@]}]}
    if [ "$kind" = write ]; then
        rules=write:$((RANDOM % calls[write] + 1)):${effects[RANDOM % 6]}
    else
        rules=$kind:$((RANDOM % calls[$kind] + 1)):${effects[RANDOM % 5]}
    fi
    case $((RANDOM % 5)) in
    0) rules=time:$((RANDOM % (milliseconds < 999 ? milliseconds : 999) + 1)) ;;
    1) rules=time:$((RANDOM % (milliseconds < 999 ? milliseconds : 999) + 1)),$rules ;;
    esac
}

# What to train: the run, where it has begun.
goal() {
    if has_checkpoint; then
        arguments=(--resume run)
    else
        arguments=(net.yaml -o run)
    fi
}

has_checkpoint() {
    [ -e run/last.safetensors ] || [ -e run/last.previous.safetensors ]
}

# Checkpoints of the run that can be read; the others are said.
whole_checkpoints() {
    ! has_checkpoint || "$CNN" verify run >messages 2>&1
}

same_runs() {
    cmp "$1/best.safetensors" "$2/best.safetensors" && cmp "$1/last.safetensors" "$2/last.safetensors" && cmp "$1/config.yaml" "$2/config.yaml" &&
        cmp "$1/film.safetensors" "$2/film.safetensors" &&
        diff "$1/health.csv" "$2/health.csv" && diff <(cut -d, -f1-6 "$1/epochs.csv") <(cut -d, -f1-6 "$2/epochs.csv") &&
        diff <(cut -d, -f1-4 "$1/steps.csv") <(cut -d, -f1-4 "$2/steps.csv") && diff <(ls "$1") <(ls "$2")
}

# try: breaks a run one to three times, goes on with it, and compares.
try() {
    local broken= story= breaks=$((RANDOM % 3 + 1)) status
    rm -rf run
    while [ "$breaks" -gt 0 ] && [ -z "$broken" ]; do
        breaks=$((breaks - 1))
        draw
        goal
        attempt "$rules" "${arguments[@]}" 2>/dev/null
        status=$?
        story+=" $rules=$status"
        case $status in
        0) ;;
        1) grep -q 'error: ' messages || broken='no message' ;;
        137) kills=$((kills + 1)) ;;
        *) broken="status $status" ;;
        esac
        errors=$((errors + (status == 1)))
        [ -n "$broken" ] || whole_checkpoints || broken='a checkpoint is damaged'
    done
    goal
    [ -n "$broken" ] || "$CNN" train "${arguments[@]}" --threads 2 >out 2>messages || broken='it does not go on'
    [ -n "$broken" ] || whole_checkpoints || broken='a checkpoint is damaged at the end'
    [ -n "$broken" ] || same_runs whole run >messages 2>&1 || broken='another result'
    if [ -z "$broken" ]; then
        pass
    else
        fail "faults$story: $broken" messages
    fi
}

# A run with these faults from beginning to end ends with this status, and a text among its messages; what it has saved is whole.
always() {
    rm -rf run
    attempt "$1" net.yaml -o run
    [ $? -eq "$2" ] && grep -q -e "$3" messages && whole_checkpoints
}

declare -A calls
started=$(date +%s%N)
FAULTS_COUNT=counts with_faults '' train net.yaml -o whole --threads 1 >out 2>messages || fail 'a run without faults' messages
milliseconds=$((($(date +%s%N) - started) / 1000000))
while read -r kind count; do
    calls[$kind]=$count
done <counts

# What cannot be written ends the run, what is only good to have does not; and a write may take any number of calls.
check 'a disk that is full' always write:20+:ENOSPC 1 'no space left on the disk'
check 'a disk that cannot flush' always fsync:1+:EIO 1 'cannot write run/last.safetensors: Input/output error'
check 'a disk that cannot flush, later' always fsync:12+:EIO 1 'cannot write run/.*: Input/output error'
check 'files that do not close' always close:1+:EIO 1 'cannot write run/last.safetensors: Input/output error'
check 'names that do not change' always rename:5+:EIO 1 'cannot write run/.*: Input/output error'
check 'writes of half of their bytes' always write:%2:short 0 'done' && check 'the same run' same_runs whole run
check 'a disk without links' always link:1+:EPERM 0 'done' && check 'the same weights' cmp whole/last.safetensors run/last.safetensors

kills=0
errors=0
for ((i = 0; i < cases; i++)); do
    try
done
printf '%d calls on files in a run; %d times killed, %d times ended with an error\n' "${calls[any]}" "$kills" "$errors"
[ "$cases" -lt 10 ] || check 'runs are killed and fail' test $((kills > 0 && errors > 0)) -eq 1

summary
