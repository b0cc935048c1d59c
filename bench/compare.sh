#!/bin/bash
# Times cnn beside PyTorch and ONNX Runtime on this machine and prints a table (markdown): training and inference of the descriptions in this folder.
#
#   bench/compare.sh [--rounds 3] [--seconds 3] [--threads N] [-o FILE] [MODEL...]
#
# A MODEL is a name of this folder (default: all but alexnet, which takes minutes a round) or a .yaml file. All engines take turns, one process after
# another, and the table holds medians over the rounds; every single result goes to compare.jsonl beside the program, one JSON object a line. With -o it is
# added to FILE instead, and the table is made of all that FILE holds: so several sittings come into one table.
# Nothing else should run meanwhile. The program is $CNN (default: build/cnn).
#
# Peers are used where they are found:
#   PyTorch        $PYTHON, else /usr/bin/python3 or python3, with torch and yaml       (Debian: apt-get install python3-torch python3-yaml libopenblas0)
#   ONNX Runtime   node, with onnxruntime-node in $PEERS (default: ~/.cache/cnn-peers)  (npm install --ignore-scripts --prefix DIR onnxruntime-node)
# ONNX Runtime's models are exported by PyTorch, so it needs that too.
set -u -o pipefail

here=$(cd "$(dirname "$0")" && pwd)
CNN=$(realpath -m "${CNN:-$here/../build/cnn}")
PEERS=$(realpath -m "${PEERS:-${XDG_CACHE_HOME:-$HOME/.cache}/cnn-peers}")
export LC_ALL=C NODE_PATH=$PEERS/node_modules

rounds=3
seconds=3
threads=$(nproc)
raw=

fail() {
    printf 'compare.sh: %s\n' "$1" >&2
    exit "${2:-1}"
}

models=()
while [ $# -gt 0 ]; do
    case $1 in
    --rounds | --seconds | --threads | -o)
        [ $# -ge 2 ] || fail "$1 needs a value" 2
        case $1 in
        --rounds) rounds=$2 ;;
        --seconds) seconds=$2 ;;
        --threads) threads=$2 ;;
        -o) raw=$2 ;;
        esac
        shift
        ;;
    -h | --help)
        sed -n '2,/^set /s/^# \{0,1\}//p' "$0"
        exit 0
        ;;
    -*) fail "no option $1" 2 ;;
    *.yaml) models+=("$1") ;;
    *) models+=("$here/$1.yaml") ;;
    esac
    shift
done
[ ${#models[@]} -gt 0 ] || models=("$here/vgg_small_bn.yaml" "$here/resnet_small.yaml" "$here/mobile_small.yaml" "$here/lenet5.yaml")
for model in "${models[@]}"; do
    [ -r "$model" ] || fail "$model: cannot be read"
done
[ -x "$CNN" ] || fail "$CNN is not there: run make first, or set CNN"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
if [ -z "$raw" ]; then
    raw=$(dirname "$CNN")/compare.jsonl
    : >"$raw" || exit 1
fi

# The peers, and their versions; a missing one is said.
python=
torch=none
for candidate in ${PYTHON:-/usr/bin/python3 python3}; do
    if torch=$("$candidate" -W ignore "$here/torch_bench.py" --version 2>/dev/null); then
        python=$candidate
        break
    fi
    torch=none
done
# Debian's PyTorch computes dense layers by whatever BLAS is installed. The reference BLAS is many
# times slower than OpenBLAS: a comparison with it says nothing.
if [ -n "$python" ]; then
    blas=$("$python" -W ignore -c 'import re, torch
print("\n".join(sorted(set(re.findall(r"/\S*blas\S*", open("/proc/self/maps").read())))))')
    case $blas in
    *openblas*) torch="$torch, OpenBLAS" ;;
    */blas/libblas*) fail "PyTorch uses the reference BLAS ($blas): apt-get install libopenblas0" ;;
    esac
fi
[ -n "$python" ] || printf 'compare.sh: PyTorch is left out: no python3 with torch and yaml (apt-get install python3-torch python3-yaml, or set PYTHON)\n' >&2
onnx=none
if [ -z "$python" ]; then
    printf "compare.sh: ONNX Runtime is left out: PyTorch, which exports its models, is missing\n" >&2
elif ! onnx=$(node "$here/ort_bench.js" 2>/dev/null); then
    onnx=none
    printf 'compare.sh: ONNX Runtime is left out: npm install --ignore-scripts --prefix %s onnxruntime-node\n' "$PEERS" >&2
fi

# The value of key $1 in the JSON on standard input, if it has one.
field() {
    sed -n 's/.*"'"$1"'": *"\{0,1\}\([^,"}]*\).*/\1/p'
}

name_of() {
    basename "$1" .yaml
}

# Runs the command behind the five names and keeps its result; where it fails, says so, and the column stays empty.
record() { # ENGINE VARIANT WHAT BATCH MODEL COMMAND...
    local engine=$1 variant=$2 what=$3 batch=$4 model=$5 result
    shift 5
    if ! result=$("$@" 2>"$scratch/error"); then
        printf 'compare.sh: %s %s failed on %s: %s\n' "$engine" "$variant" "$(name_of "$model")" \
            "$(grep -m 1 -i error "$scratch/error" || tail -n 1 "$scratch/error")" >&2
        return
    fi
    printf '{"round": %d, "model": "%s", "engine": "%s", "variant": "%s", "what": "%s", "batch": %d, "ms": %s, "images_per_s": %s, "process_bytes": %s}\n' \
        "$round" "$(name_of "$model")" "$engine" "$variant" "$what" "$batch" "$(field ms <<<"$result")" "$(field images_per_s <<<"$result")" \
        "$(field process_bytes <<<"$result")" >>"$raw"
    printf 'round %d/%d  %-14s %-5s batch %-4d %-12s %-10s %10.1f images/s\n' "$round" "$rounds" "$(name_of "$model")" "$what" "$batch" "$engine" \
        "$variant" "$(field images_per_s <<<"$result")" >&2
}

run_cnn() { # VARIANT WHAT BATCH MODEL
    local command=("$CNN" bench "$4" --json --batch "$3" --threads "$threads" --seconds "$seconds")
    [ "$2" = train ] || command+=(--infer)
    [ "$1" = fp32 ] || command+=(--set "precision=$1")
    record cnn "$1" "$2" "$3" "$4" "${command[@]}"
}

run_torch() { # VARIANT WHAT BATCH MODEL
    [ -n "$python" ] || return
    local command=("$python" -W ignore "$here/torch_bench.py" "$4" --batch "$3" --threads "$threads" --seconds "$seconds")
    [ "$2" = train ] || command+=(--infer)
    case $1 in
    bf16) command+=(--bf16) ;;
    fp32-nchw) command+=(--layout nchw) ;;
    esac
    record PyTorch "$1" "$2" "$3" "$4" "${command[@]}"
}

run_onnx() { # BATCH MODEL
    local file c h w
    file=$scratch/$(name_of "$2").onnx
    [ "$onnx" != none ] || return
    if [ ! -s "$file" ] && ! "$python" -W ignore "$here/torch_bench.py" "$2" --onnx "$file" >/dev/null 2>"$scratch/error"; then
        printf 'compare.sh: PyTorch cannot export %s: %s\n' "$(name_of "$2")" "$(tail -n 1 "$scratch/error")" >&2
        return
    fi
    read -r c h w < <(input_of "$2")
    record "ONNX Runtime" fp32 infer "$1" "$2" node "$here/ort_bench.js" "$file" "$c" "$h" "$w" "$1" "$threads" "$seconds"
}

input_of() {
    sed -n 's/^input: \[\([0-9]*\), *\([0-9]*\), *\([0-9]*\)\].*/\1 \2 \3/p' "$1"
}

batch_of() {
    sed -n 's/.*batch_size: *\([0-9]*\).*/\1/p' "$1"
}

batches_of() { # for inference
    printf '%s\n' 1 "$(batch_of "$1")" | sort -nu
}

run_model() {
    local variant batch
    batch=$(batch_of "$1")
    run_cnn fp32 train "$batch" "$1"
    run_torch fp32-nhwc train "$batch" "$1"
    run_torch fp32-nchw train "$batch" "$1"
    run_cnn bf16 train "$batch" "$1"
    run_torch bf16 train "$batch" "$1"
    for batch in $(batches_of "$1"); do
        run_cnn fp32 infer "$batch" "$1"
        run_onnx "$batch" "$1"
        if [ "$onnx" = none ]; then # which is always the faster one
            run_torch fp32-nhwc infer "$batch" "$1"
            run_torch fp32-nchw infer "$batch" "$1"
        fi
        for variant in bf16 int8; do
            run_cnn $variant infer "$batch" "$1"
        done
    done
}

# Median over the rounds of FIELD; nothing where there is no result.
median() { # MODEL WHAT BATCH ENGINE VARIANT FIELD
    grep -F "\"model\": \"$(name_of "$1")\", \"engine\": \"$4\", \"variant\": \"$5\", \"what\": \"$2\", \"batch\": $3," "$raw" | field "$6" | sort -g |
        awk '{ v[NR] = $1 } END { if (NR) print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

# PyTorch's faster layout: its median and name.
best_torch() { # MODEL WHAT BATCH
    local layout value
    for layout in nhwc nchw; do
        value=$(median "$1" "$2" "$3" PyTorch fp32-$layout images_per_s)
        [ -z "$value" ] || printf '%s %s\n' "$value" $layout
    done | sort -gr | head -n 1
}

# A row: UNIT is images/s (more is better) or MiB (less is); the ratio says how many times better the first of cnn's numbers is, or, with BEST, the best of
# those in float32 and bf16.
row() { # MODEL WHAT UNIT CNN BF16 INT8 PEER PEER-NAME [BEST]
    awk -v model="$(name_of "$1")" -v what="$2" -v unit="$3" -v own="$4" -v bf16="$5" -v int8="$6" -v peer="$7" -v name="$8" -v best="${9:-}" '
        function show(v) {
            if (v == "") return ""
            if (unit == "MiB") return sprintf("%.0f MiB", v / 1048576)
            return sprintf(v >= 100 ? "%.0f" : "%.1f", v)
        }
        BEGIN {
            first = best != "" && bf16 + 0 > own + 0 ? bf16 : own
            ratio = first != "" && peer != "" ? sprintf("%.2f", unit == "MiB" ? peer / first : first / peer) : ""
            printf "| %s | %s | %s | %s | %s | %s | %s | %s |\n", model, what, show(own), show(bf16), show(int8), name, show(peer), ratio
        }'
}

print_training() {
    local batch value layout own bf16
    batch=$(batch_of "$1")
    read -r value layout < <(best_torch "$1" train "$batch")
    own=$(median "$1" train "$batch" cnn fp32 images_per_s)
    bf16=$(median "$1" train "$batch" cnn bf16 images_per_s)
    row "$1" "training, batch $batch" images/s "$own" "$bf16" "" "${value:-}" "PyTorch${layout:+ ($layout)}"
    row "$1" "the same" images/s "$own" "$bf16" "" "$(median "$1" train "$batch" PyTorch bf16 images_per_s)" "PyTorch bf16" best
    row "$1" "its peak memory" MiB "$(median "$1" train "$batch" cnn fp32 process_bytes)" "$(median "$1" train "$batch" cnn bf16 process_bytes)" "" \
        "$(median "$1" train "$batch" PyTorch "fp32-${layout:-nhwc}" process_bytes)" PyTorch
}

print_inference() {
    local batch peer name layout
    for batch in $(batches_of "$1"); do
        peer=$(median "$1" infer "$batch" "ONNX Runtime" fp32 images_per_s)
        name='ONNX Runtime'
        if [ "$onnx" = none ]; then
            read -r peer layout < <(best_torch "$1" infer "$batch")
            name="PyTorch${layout:+ ($layout)}"
        fi
        row "$1" "inference, batch $batch" images/s "$(median "$1" infer "$batch" cnn fp32 images_per_s)" "$(median "$1" infer "$batch" cnn bf16 images_per_s)" \
            "$(median "$1" infer "$batch" cnn int8 images_per_s)" "$peer" "$name"
    done
}

processor() {
    sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1
}

for ((round = 1; round <= rounds; round++)); do
    for model in "${models[@]}"; do
        run_model "$model"
    done
done

kernels=$("$CNN" bench "${models[0]}" --infer --seconds 0.01 --json | field kernels)
printf '%s, %s, %d threads; %s (%s kernels), %s; PyTorch %s; ONNX Runtime %s; medians of %d rounds.\n\n' "$(date -u +%F)" "$(processor)" \
    "$threads" "$("$CNN" version | head -n 1)" "$kernels" "$(${CC:-cc} --version 2>/dev/null | head -n 1)" "$torch" "$onnx" \
    "$(grep -cF "\"model\": \"$(name_of "${models[0]}")\", \"engine\": \"cnn\", \"variant\": \"fp32\", \"what\": \"train\"" "$raw")"
printf '| network | what | cnn | cnn bf16 | cnn int8 | peer | | ratio |\n|---|---|---|---|---|---|---|---|\n'
for model in "${models[@]}"; do
    print_training "$model"
    print_inference "$model"
done
printf '\nImages a second. Ratio: how many times faster cnn is in float32 (beside PyTorch in bf16: the faster of float32 and bf16), or how many times less memory it takes.\n'
