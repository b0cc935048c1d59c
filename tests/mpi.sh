#!/bin/bash
# Training by several processes, started by mpirun of each MPI that is there: the same bits for any number of processes and threads, broken off and gone on
# with by another number; ranks that differ, fail, die or stop are named, and what was saved is whole.
#
# CNN is the program (default: build/cnn); CASES is how many ranks are killed, and stopped, at random moments (default: 1); SEED chooses them.
set -u

# shellcheck source=tests/cases.sh
. "$(dirname "$0")/cases.sh"

cases=${CASES:-1}
RANDOM=${SEED:-1}
cd "$directory" || exit 1
# As many processes as are wanted on any machine, as whoever runs the tests; a core is left to others while a process waits.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_mpi_yield_when_idle=1 \
    OMPI_MCA_hwloc_base_binding_policy=none

# The libraries of MPI leak, and change how memory is mapped; test_cluster has the same code without them.
if [ -n "${SANITIZE:-}" ]; then
    skip 'processes of MPI under sanitizers' 60
    summary
    exit
fi
declare -A mpirun=([openmpi]=$(command -v mpirun.openmpi || command -v mpirun) [mpich]=$(command -v mpirun.mpich || command -v mpiexec.hydra))
families=()
for family in openmpi mpich; do
    if [ -e "$(dirname "$CNN")/cnn-mpi-$family.so" ] && [ -n "${mpirun[$family]}" ]; then
        families+=("$family")
    else
        skip "no $family: make deps-mpi installs it" 30
    fi
done
if [ ${#families[@]} -eq 0 ]; then
    summary
    exit
fi

net_with_state 250 32 3 >net.yaml # the last batch of an epoch is smaller

# ranks N ARGUMENTS...: by N processes of the family in `family`.
ranks() {
    local count=$1 attempt status
    shift
    # On a busy machine MPICH's mpirun is itself ended by SIGPIPE in about one of 100 runs whose processes end at once, and says nothing.
    for attempt in 1 2 3; do
        timeout 600 "${mpirun[$family]}" -n "$count" "$CNN" "$@" >out 2>messages
        status=$?
        [ $status -eq 141 ] && [ "$attempt" -lt 3 ] && ! [ -s out ] && ! [ -s messages ] || return $status
    done
}

same_run() {
    cmp "$1/last.safetensors" "$2/last.safetensors" && cmp "$1/best.safetensors" "$2/best.safetensors" &&
        cmp <(cut -d, -f1-6 "$1/epochs.csv") <(cut -d, -f1-6 "$2/epochs.csv") && cmp "$1/health.csv" "$2/health.csv" &&
        cmp "$1/film.safetensors" "$2/film.safetensors"
}

# trains_alike NAME RANKS THREADS SETTING...: as one process does.
trains_alike() {
    local name=$1 count=$2 threads=$3
    shift 3
    [ -e "$name" ] || "$CNN" train net.yaml -o "$name" --threads 1 "$@" >out 2>&1 || { cat out; return 1; }
    rm -rf shared
    ranks "$count" train net.yaml -o shared --threads "$threads" "$@" || { cat messages; return 1; }
    [ "$(cat out)" = shared ] && grep -q "$count processes of $threads thread" messages && same_run "$name" shared
}

# resumes N: a run that is broken off by a signal, gone on with by N processes, is the whole one.
resumes() {
    "$CNN" verify broken >/dev/null && rm -rf again && cp -r broken again && ranks "$1" train --resume again --threads 1 || { cat messages; return 1; }
    same_run long again
}

# process_of RUN RANK: its number, once the run has begun.
process_of() {
    local id
    for id in $(pgrep -f -- "^$CNN train .*$1( |$)"); do
        [ "/proc/$id/cwd" -ef . ] || continue # another run of these tests
        tr '\0' '\n' <"/proc/$id/environ" 2>/dev/null | grep -q -x -E "(OMPI_COMM_WORLD_RANK|PMI_RANK)=$2" && echo "$id" && return
    done
}

# breaks_off: four processes are asked to stop, and save.
breaks_off() {
    rm -rf broken
    timeout 600 "${mpirun[$family]}" -n 4 "$CNN" train net.yaml -o broken --threads 1 "${long[@]}" >out 2>messages &
    local pid=$!
    until [ "$(wc -l 2>/dev/null <broken/steps.csv)" -gt 4 ] 2>/dev/null; do
        kill -0 $pid 2>/dev/null || break
        sleep 0.02
    done
    kill -INT "$(process_of broken 2)"
    wait $pid
    local status=$?
    [ $status -eq 130 ] && grep -q 'interrupted after step' messages && [ "$(grep -c 'interrupted after step' messages)" -eq 1 ] || {
        echo "status $status"
        cat messages
        return 1
    }
}

# struck SIGNAL RANK MILLISECONDS PATTERN: a rank of four gets the signal so long after the run has begun. The others end soon, with a message that
# matches. The checkpoint is whole, and two processes make of it what an undisturbed run is.
struck() {
    local patience=5 # seconds
    rm -rf struck
    CNN_RANK_TIMEOUT=$patience timeout 600 "${mpirun[$family]}" -n 4 "$CNN" train net.yaml -o struck --threads 1 "${long[@]}" >out 2>messages &
    local mpi=$! status begun
    until [ -e struck/health.csv ]; do
        kill -0 $mpi 2>/dev/null || break
        sleep 0.02
    done
    sleep "$(printf '0.%03d' "$3")"
    kill "-$1" "$(process_of struck "$2")"
    begun=$SECONDS
    wait $mpi
    status=$?
    [ $status -ne 0 ] && [ $((SECONDS - begun)) -le $((patience + 10)) ] && cat out messages | grep -q -E "$4" || {
        echo "status $status after $((SECONDS - begun)) s"
        cat out messages
        return 1
    }
    "$CNN" verify struck/last.safetensors && ranks 2 train --resume struck --threads 1 && same_run long struck
}

# checks: what --check says of three processes; it writes nothing.
checks() {
    rm -rf runs
    ranks 3 train net.yaml --check || { cat out messages; return 1; }
    grep -q -E '^ok +link +[0-9]+ us and [0-9.e+]+ MB/s between rank 0 and rank [12] \(' out && [ "$(grep -c '^ok  *labels' out)" -eq 1 ] && [ ! -e runs ] &&
        grep -q -E '^(ok|remark) +ranks +a step by 3 processes computes for .* ms and exchanges 0.0322 MB for' out || { cat out messages; return 1; }
}

# alone COMMAND...: three processes do and print what one does, whatever the command.
alone() {
    local status
    "$CNN" "$@" >expected 2>&1
    status=$?
    ranks 3 "$@"
    [ $? -eq $status ] && cat messages out | grep -v -E '^(cnn: )?warning: mpirun of .* has started 3 processes, but only .train., .eval. and .predict. are shared' | cmp - expected ||
        { cat messages out; return 1; }
}

# evaluates COUNT: by so many processes, as by one, page and mistakes included; a rank with other images is named.
evaluates() {
    rm -rf page-*.html mistakes-*
    "$CNN" eval plain --threads 1 --tta flip --report page.html --gallery mistakes >expected 2>/dev/null
    mv page.html page-1.html && mv mistakes mistakes-1
    ranks "$1" eval plain --threads 1 --tta flip --report page.html --gallery mistakes && cmp out expected || { cat messages out; return 1; }
    cmp page.html page-1.html && diff -r mistakes mistakes-1
}

# predicts COUNT: pictures, by so many processes as by one.
predicts() {
    local inputs=(folder/val/a/a-00?.png folder/val/b folder/train)
    "$CNN" predict one --threads 1 "${inputs[@]}" --save-output expected.npy >expected 2>/dev/null || return 1
    ranks "$1" predict one --threads 1 "${inputs[@]}" --save-output out.npy && cmp out expected && cmp out.npy expected.npy || { cat messages; return 1; }
}

# names_damage: a picture that another rank cannot read is named once, and the others are answered for. (MPICH's mpirun adds lines to the output, not always behind it.)
names_damage() {
    local inputs=(folder/val/a/a-00?.png folder/val/b damaged.png)
    head -c 100 folder/val/a/a-000.png >damaged.png
    ! "$CNN" predict one --threads 1 "${inputs[@]}" >expected 2>/dev/null || return 1
    ! ranks 3 predict one --threads 1 "${inputs[@]}" && [ "$(grep -c 'error: cannot read damaged.png' messages)" -eq 1 ] &&
        grep -v -x -e '=.*' -e 'YOUR APPLICATION .*' -e 'This typically .*' -e 'Please see .*' -e '' out | cmp - expected || { cat messages out; return 1; }
}

# says_once: all of three processes fail at once, before they know each other or after; the first one says it.
says_once() {
    ! ranks 3 train nowhere.yaml && [ "$(grep -c 'error: .*cannot read nowhere.yaml' messages)" -eq 1 ] || { cat messages; return 1; }
}

# fills_up MPIRUN SETTING...: the disk of the run, a small one, fills up while three processes train. Runs in a shell and a namespace of its own.
fills_up() {
    local mpirun=$1
    shift
    mkdir -p small
    mount -t tmpfs -o size=2m none small || return 1
    timeout 600 "$mpirun" -n 3 "$CNN" train net.yaml -o small/run --threads 1 "$@" >out 2>messages &
    local mpi=$!
    until [ -e small/run/health.csv ]; do
        kill -0 $mpi 2>/dev/null || break
        sleep 0.02
    done
    head -c 2m /dev/zero >small/filler 2>/dev/null
    wait $mpi
    local status=$?
    # MPICH's mpirun gives the statuses of all ranks, or'ed: also 1 | 9, where it has killed one that was still waiting.
    { [ $status -eq 1 ] || { [ $status -eq 9 ] && [[ $mpirun = *mpich* ]]; }; } &&
        [ "$(grep -c 'error: .*cannot write small/run/.*: no space left on the disk' messages)" -eq 1 ] &&
        "$CNN" verify small/run/last.safetensors >out || { echo "status $status"; cat messages; ls small/run; return 1; }
}

# differs NAME PATTERN FIRST SECOND: rank 0 runs FIRST, rank 1 SECOND (words of a shell); the run ends with a message that matches.
differs() {
    rm -rf different
    timeout 600 "${mpirun[$family]}" -n 1 sh -c "exec $2" : -n 1 sh -c "exec $3" >out 2>messages
    local status=$?
    [ $status -ne 0 ] && grep -q -E -e "$1" messages && [ ! -e different ] || { echo "status $status"; cat messages; return 1; }
}

# by_another_name: the images are the same, though each rank calls their folder otherwise.
by_another_name() {
    rm -rf named
    timeout 600 "${mpirun[$family]}" -n 1 "$CNN" train folder.yaml -o named --threads 1 : -n 1 "$CNN" train folder.yaml -o named --data "$PWD/other/../folder/" --threads 1 \
        >out 2>messages || { cat messages; return 1; }
    cmp named/last.safetensors folder.safetensors
}

# What another rank may differ in: a program, a description, an image.
mkdir other
cp "$CNN" other/cnn
for plugin in "$(dirname "$CNN")"/cnn-mpi-*.so; do
    ln -s "$plugin" other/
done
echo >>other/cnn
sed 's/lr: 0.005/lr: 0.006/' net.yaml >other/net.yaml
pictures folder/train a:60:12 b:200:12
pictures folder/val a:60:4 b:200:4
cp -r folder lacking
rm lacking/train/b/b-003.png
sed -e 's/dataset: shapes/dataset: folder\n  path: folder/' -e '/limit:/d' -e '/val_split:/d' -e 's/units: 10/units: 2/' net.yaml >folder.yaml
"$CNN" train folder.yaml -o one --threads 1 >out 2>&1 || fail 'one process trains with a folder' out
cp one/last.safetensors folder.safetensors
"$CNN" train folder.yaml -o trained-on --weights one/last.safetensors --threads 1 >out 2>&1 || fail 'one process trains on' out
"$CNN" train net.yaml -o plain --threads 1 >out 2>&1 || fail 'one process trains' out

long=(--set train.epochs=60 --set train.save_every=0.002)
"$CNN" train net.yaml -o long --threads 1 "${long[@]}" >out 2>&1 || fail 'one process trains for long' out

for family in "${families[@]}"; do
    for count in 2 3 4 8; do
        check "$family: $count processes compute what one does" trains_alike plain "$count" $((count % 2 + 1))
    done
    check "$family: nine processes are too many for eight parts" \
        bash -c "! timeout 600 ${mpirun[$family]} -n 9 $CNN train net.yaml -o nine >out 2>&1 && grep -q '9 processes cannot share a batch of 32 images' out"
    check "$family: an interrupt of one rank stops and saves the run" breaks_off
    check "$family: two processes go on" resumes 2
    check "$family: one process goes on" resumes 1
    name='rank 1 \([^)]*, process [0-9]+\): it does not have what rank 0 has: '
    check "$family: another program" differs "${name}'program: " "$CNN train net.yaml -o different" "other/cnn train net.yaml -o different"
    check "$family: another description" differs "$name'.*lr: 0.006.*, but rank 0 has '.*lr: 0.005" "$CNN train net.yaml -o different" \
        "$CNN train other/net.yaml -o different"
    check "$family: other kernels" differs "$name'kernels \(CNN_CPU\): ref', but" "$CNN train net.yaml -o different" \
        "env CNN_CPU=ref $CNN train net.yaml -o different"
    for wrong in "env CNN_CPU=nothing $CNN train net.yaml" "$CNN train net.yaml --wrong"; do
        check "$family: a rank that ends before the run (${wrong/$CNN/cnn})" differs 'rank 1 \([^)]*, process [0-9]+\): it has ended with an error before the run began' \
            "$CNN train net.yaml -o different" "$wrong -o different"
    done
    check "$family: an error of all processes is said once" says_once
    check "$family: an image is missing" differs "$name'training images: 23, .*, but rank 0 has 'training images: 24" \
        "$CNN train folder.yaml -o different" "$CNN train folder.yaml -o different --data lacking --set data.path=folder"
    check "$family: a rank without images" differs 'rank 1 \([^)]*\): .*cannot read .*nowhere|rank 1 \([^)]*\): .*nowhere' \
        "$CNN train folder.yaml -o different" "$CNN train folder.yaml -o different --data nowhere"
    check "$family: a folder by another name" by_another_name
    check "$family: --check measures the link" checks
    for count in 3 8; do
        check "$family: $count processes evaluate as one does" evaluates "$count"
        check "$family: $count processes predict as one does" predicts "$count"
    done
    check "$family: a damaged picture" names_damage
    check "$family: a rank with other inputs" differs "${name}'folder/val/b/b-000.png', but" "$CNN predict one folder/val/a/a-000.png" \
        "$CNN predict one folder/val/b/b-000.png"
    check "$family: a rank with other weights" differs "${name}'parameters: checksum " "$CNN predict one folder/val/a/a-000.png" \
        "$CNN predict trained-on folder/val/a/a-000.png"
    check "$family: summary prints once" alone summary net.yaml
    check "$family: version prints once" alone version
    if unshare --user --map-root-user --mount mount -t tmpfs none folder 2>/dev/null; then
        check "$family: a full disk" unshare --user --map-root-user --mount bash -c "$(declare -f fills_up); fills_up \"\$@\"" bash "${mpirun[$family]}" "${long[@]}"
    else
        skip "$family: a full disk (unshare, mount -t tmpfs)"
    fi
    for ((i = 0; i < cases; i++)); do
        rank=$((RANDOM % 4))
        # MPICH's mpirun ends all at once, and does not say which was the first
        check "$family: rank $rank is killed" struck KILL $rank $((RANDOM % 500)) "rank ${rank}[ (]|BAD TERMINATION"
        rank=$((RANDOM % 4))
        check "$family: rank $rank is stopped" struck STOP $rank $((RANDOM % 500)) "rank $rank \\([^)]*\\): it has not answered for 5 s"
    done
done
summary
