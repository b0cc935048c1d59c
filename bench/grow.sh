#!/bin/bash
# How the cost of a network grows: images per second and memory against the batch, the threads, and the width, the size of the images and the depth of a plain
# network of 3x3 convolutions (which this script writes). Prints tables (markdown), each for training and inference.
#
#   bench/grow.sh [--seconds 2] [--threads N] [TABLE...]       tables: batch threads width size depth (default: all)
#
# Beside each rate stands what may bound it: the share of the machine's measured multiply-add peak, and the traffic between layers if each wrote its output
# to memory and the next read it (training: and the gradients back). The first near 100 % (above it with Winograd's algorithm): bound by arithmetic; low, and the
# second near the machine's bandwidth: bound by memory; both low: bound by what surrounds the arithmetic. Values that stay in a cache, or layers that are computed
# as one, can push the second beyond the bandwidth. The program is $CNN (default: build/cnn).
set -u -o pipefail

here=$(cd "$(dirname "$0")" && pwd)
CNN=$(realpath -m "${CNN:-$here/../build/cnn}")
export LC_ALL=C

seconds=2
threads=$(nproc)
tables=()

fail() {
    printf 'grow.sh: %s\n' "$1" >&2
    exit "${2:-1}"
}

while [ $# -gt 0 ]; do
    case $1 in
    --seconds | --threads)
        [ $# -ge 2 ] || fail "$1 needs a value" 2
        if [ "$1" = --seconds ]; then seconds=$2; else threads=$2; fi
        shift
        ;;
    -h | --help)
        sed -n '2,/^set /s/^# \{0,1\}//p' "$0"
        exit 0
        ;;
    batch | threads | width | size | depth) tables+=("$1") ;;
    *) fail "no table or option $1" 2 ;;
    esac
    shift
done
[ ${#tables[@]} -gt 0 ] || tables=(batch threads width size depth)
[ -x "$CNN" ] || fail "$CNN is not there: run make first, or set CNN"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# A network of three stages, each with half the rows and columns and twice the filters of the one before: WIDTH filters in the first, DEPTH convolutions in each.
network() { # WIDTH DEPTH SIZE
    local stage layer
    printf 'name: grow\ninput: [3, %d, %d]\nlayers:\n' "$3" "$3"
    for ((stage = 0; stage < 3; stage++)); do
        for ((layer = 0; layer < $2; layer++)); do
            printf '  - [{type: conv, filters: %d, kernel_size: 3, padding: 1, bias: false}, {type: batch_norm}, {type: relu}]\n' $(($1 << stage))
        done
        printf '  - {type: pool, pool_type: max, kernel_size: 2}\n'
    done
    printf '  - {type: global_pool, pool_type: avg}\n  - {type: flatten}\n  - {type: dense, units: 10}\n'
    printf 'train: {optimizer: {type: sgd, lr: 0.01, momentum: 0.9}}\n'
}

# The value of key $1 in the JSON on standard input.
field() {
    sed -n 's/.*"'"$1"'": *\([^,}]*\).*/\1/p'
}

# The sizes of all layers' outputs, added up.
values() { # MODEL
    "$CNN" summary "$1" --json | grep -o '"output": \[[^]]*\]' | tr -dc '0-9,\n' | awk -F, '{ p = 1; for (i = 1; i <= NF; i++) p *= $i; sum += p } END { print sum }'
}

# Two rows, training and inference: what is varied, then the measurements.
measure() { # LABEL MODEL BATCH THREADS
    local what result floats
    floats=$(values "$2")
    for what in train infer; do
        local command=("$CNN" bench "$2" --json --batch "$3" --threads "$4" --seconds "$seconds")
        [ $what = train ] || command+=(--infer)
        result=$("${command[@]}") || return
        awk -v label="$1" -v what=$what -v ms="$(field ms <<<"$result")" -v rate="$(field images_per_s <<<"$result")" \
            -v memory="$(field memory_bytes <<<"$result")" -v process="$(field process_bytes <<<"$result")" \
            -v floats="$floats" -v gflops="$(whole gflops "$result")" -v share="$(whole peak_share "$result")" 'BEGIN {
            printf "| %s | %s | %.1f | %.2f | %.1f | %.1f | %.1f | %.0f %% | %.1f |\n", label, what, rate, ms, memory / 1048576, process / 1048576, gflops,
                100 * share, (what == "train" ? 4 : 2) * 4 * floats * rate / 1e9
        }'
    done
}

# A key that layers have too: the whole's comes before theirs.
whole() { # KEY JSON
    field "$1" <<<"${2%%\"layers\"*}"
}

heading() { # VARIED REST
    printf '\n%s\n\n' "$2"
    printf '| %s | | images/s | ms | plan MiB | process MiB | GFLOP/s | of peak | between layers GB/s |\n|---|---|---|---|---|---|---|---|---|\n' "$1"
}

grow_batch() {
    local batch
    heading batch "Batch: width 32, 2 convolutions a stage, 32 x 32 pixels, $threads threads."
    network 32 2 32 >"$scratch/batch.yaml"
    for batch in 1 2 4 8 16 32 64 128 256 512; do
        measure "$batch" "$scratch/batch.yaml" "$batch" "$threads"
    done
}

grow_threads() {
    local count
    heading threads "Threads: width 32, 2 convolutions a stage, 32 x 32 pixels, batch 128."
    network 32 2 32 >"$scratch/threads.yaml"
    for ((count = 1; count <= threads; count *= 2)); do
        measure "$count" "$scratch/threads.yaml" 128 "$count"
    done
}

grow_width() {
    local width
    heading width "Width (filters of the first stage): 2 convolutions a stage, 32 x 32 pixels, batch 128, $threads threads."
    for width in 16 32 64 128; do
        network $width 2 32 >"$scratch/width.yaml"
        measure "$width" "$scratch/width.yaml" 128 "$threads"
    done
}

grow_size() {
    local size
    heading size "Size of the images: width 32, 2 convolutions a stage, batch 4, $threads threads."
    for size in 32 64 128 256 512; do
        network 32 2 $size >"$scratch/size.yaml"
        measure "$size x $size" "$scratch/size.yaml" 4 "$threads"
    done
}

grow_depth() {
    local depth
    heading depth "Depth (convolutions in each of three stages): width 32, 32 x 32 pixels, batch 128, $threads threads."
    for depth in 1 2 4 8; do
        network 32 $depth 32 >"$scratch/depth.yaml"
        measure "$depth" "$scratch/depth.yaml" 128 "$threads"
    done
}

printf '%s, %s, %d threads, %s.\n' "$(date -u +%F)" "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" "$threads" "$("$CNN" version | head -n 1)"
for table in "${tables[@]}"; do
    "grow_$table"
done
