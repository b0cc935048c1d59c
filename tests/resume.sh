#!/bin/bash
# Runs that are broken off and gone on with: their checkpoints and tables must be, byte for byte, those of a run without a break. Twenty runs are broken off at
# random steps, half by SIGINT, half by SIGKILL, of which some hit while a checkpoint is written; SIGUSR1 saves in between. Then what becomes of two processes
# in one directory, of a second SIGINT, and of runs that are prolonged.
#
# CNN is the program (default: build/cnn); SEED chooses the steps (default: 1).
set -u

# shellcheck source=tests/cases.sh
. "$(dirname "$0")/cases.sh"

pid=
trap '[ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null; rm -rf "$directory" "$directory.log"' EXIT
cd "$directory" || exit 1
RANDOM=${SEED:-1}

# report NAME STATUS: counts a case; one that failed is named.
report() {
    if [ "$2" -eq 0 ]; then
        pass
    else
        fail "$1"
    fi
}

# 8 steps an epoch, 32 in all.
steps=32
net_with_state 640 64 4 >net.yaml
# A save after each step is a save that SIGKILL may hit.
sed 's/log_every: 1/&\n  save_every: 0/' net.yaml >saving.yaml

# start ARGUMENTS...: the program in the background; its messages go to the file messages.
start() {
    "$CNN" train "$@" --threads 1 >/dev/null 2>messages &
    pid=$!
}

# Waits for the program; its exit status.
finish() {
    local status
    wait "$pid" 2>/dev/null
    status=$?
    pid=
    return $status
}

# wait_for COMMAND...: until it succeeds; false where the program ends before. The commands start no processes, so that little time passes between two tries.
wait_for() {
    until "$@"; do
        kill -0 "$pid" 2>/dev/null || return 1
        read -r -t 0.0005 -u "$nap" # a pause
    done
    return 0
}
exec {nap}<> <(:)

# has_step DIRECTORY STEP: steps.csv has its row.
has_step() {
    local rows
    [ -e "$1/steps.csv" ] && mapfile -t rows <"$1/steps.csv" && [ ${#rows[@]} -gt "$2" ]
}

# says TEXT: it is among the messages.
says() {
    local lines
    mapfile -t lines <messages
    [[ ${lines[*]} == *"$1"* ]]
}

# has_file PATTERN
has_file() {
    compgen -G "$1" >/dev/null
}

# The same run in both directories: bytes of the checkpoints, tables without the columns that tell time; and nothing left of what was broken off.
same_runs() {
    cmp "$1/best.safetensors" "$2/best.safetensors" && cmp "$1/last.safetensors" "$2/last.safetensors" &&
        cmp "$1/health.csv" "$2/health.csv" && cmp "$1/film.safetensors" "$2/film.safetensors" &&
        cmp <(cut -d, -f1-6 "$1/epochs.csv") <(cut -d, -f1-6 "$2/epochs.csv") &&
        cmp <(cut -d, -f1-4 "$1/steps.csv") <(cut -d, -f1-4 "$2/steps.csv") &&
        cmp <(ls "$1") <(ls "$2")
}

# break_off KIND STEP ARGUMENTS...: starts a run in the directory `run` and breaks it off; false where it was over before.
break_off() {
    local kind=$1 step=$2 status
    shift 2
    start "$@"
    case $kind in
    INT | HUP | KILL) wait_for has_step run "$step" && kill -"$kind" "$pid" ;;
    USR1) wait_for has_step run "$step" && kill -USR1 "$pid" && wait_for says 'saved run/last.safetensors after step' && kill -KILL "$pid" ;;
    SAVING) wait_for has_step run "$step" && wait_for has_file 'run/*.tmp-*' && kill -KILL "$pid" ;;
    esac
    finish
    status=$?
    [ "$status" -ne 0 ] || return 1
    if [ "$kind" = INT ] || [ "$kind" = HUP ]; then
        [ "$status" -eq 130 ] && grep -q 'go on with: .* train --resume run' messages
    else
        [ "$status" -eq 137 ]
    fi || broken="$kind ended with $status"
    return 0
}

# try KIND CONFIG WHOLE: breaks a run off, goes on with it, and compares.
try() {
    local kind=$1 step tries broken=
    for tries in 1 2 3 4 5; do
        rm -rf run
        step=$((RANDOM % (steps - 6) + 1))
        break_off "$kind" "$step" "$2" -o run && break
        [ "$tries" -lt 5 ] || broken="was over too soon, five times"
    done
    [ "$kind" != SAVING ] || ! has_file 'run/*.tmp-*' || hits=$((hits + 1))
    [ -n "$broken" ] || "$CNN" verify run >messages || broken='a checkpoint is damaged'
    [ -n "$broken" ] || "$CNN" train --resume run --threads 2 >/dev/null 2>messages || broken='it does not go on'
    [ -n "$broken" ] || same_runs "$3" run || broken='another result'
    printf '%s at step %d: %s\n' "$kind" "$step" "${broken:-good}"
    [ -z "$broken" ] || cat messages
    [ -z "$broken" ]
    report "a run broken off at step $step by $kind" $?
}

printf 'seed %s\n' "${SEED:-1}"
"$CNN" train net.yaml -o whole --threads 1 >/dev/null 2>&1 && "$CNN" train saving.yaml -o whole-saving --threads 1 >/dev/null 2>&1
report 'runs without a break' $?
hits=0
for i in 1 2 3 4 5; do
    try INT net.yaml whole
    try KILL net.yaml whole
    try INT saving.yaml whole-saving
    if [ "$i" -le 2 ]; then try USR1 net.yaml whole; else try SAVING saving.yaml whole-saving; fi
done
# Under nohup a hangup is ignored, here as in the program.
if (kill -HUP "$BASHPID") 2>/dev/null; then
    skip 'a run broken off by HUP: hangups are ignored here'
else
    try HUP net.yaml whole
fi
printf '%d of 3 were killed while they saved\n' "$hits"
[ "$hits" -gt 0 ]
report 'a run killed while it saves' $?

# Saves change nothing but the moment that a run can go on from.
sed '/save_every/d' whole-saving/config.yaml | cmp - <(sed '/save_every/d' whole/config.yaml) &&
    cmp <(cut -d, -f1-4 whole/steps.csv) <(cut -d, -f1-4 whole-saving/steps.csv)
report 'saves change no result' $?

# One process at a time; a crash sets the directory free.
rm -rf run
start net.yaml -o run --set train.epochs=1000
wait_for has_step run 1
"$CNN" train --resume run >/dev/null 2>second
[ $? -eq 1 ] && grep -q "run is in use: process $pid is at work in it" second
report 'a second process in a directory' $?
kill -KILL "$pid"
finish
"$CNN" train --resume run --set train.epochs=1 >/dev/null 2>second || grep -q 'is at step' second
report 'the directory of a crashed process' $?

# A step of minutes: the first signal waits for its end, the second does not.
rm -rf run
start net.yaml -o run --set train.batch_size=512 --set layers.0.filters=128 --set layers.2.filters=128 --set layers.2.kernel_size=15
wait_for has_file run/last.safetensors && kill -INT "$pid"
wait_for says 'once more to stop at once' && kill -INT "$pid"
finish
[ $? -eq 130 ] && ! says 'everything is saved'
report 'a second SIGINT' $?

# Prolonged in the middle of an epoch, broken off again, and prolonged once more: each epoch has one row.
rm -rf run
sed 's/epochs: 4/steps: 15/' net.yaml >short.yaml
"$CNN" train short.yaml -o run >/dev/null 2>&1
start --resume run --set train.steps=40
wait_for has_step run 16
kill -KILL "$pid"
finish
"$CNN" train --resume run >/dev/null 2>&1 && "$CNN" train --resume run --set train.steps=50 >/dev/null 2>&1
[ "$(cut -d, -f1 run/epochs.csv | tr '\n' ' ')" = 'epoch 1 2 3 4 5 6 7 ' ] && [ "$(tail -n +2 run/steps.csv | cut -d, -f1 | tr '\n' ' ')" = "$(seq -s ' ' 50) " ]
report 'rows of a run that was prolonged' $?

summary
