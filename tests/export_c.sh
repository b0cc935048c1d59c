#!/bin/bash
# Exported C: networks with random parameters that have all kinds of layers (tests/export_c/*.yaml) and a small one of configs/, compiled by every compiler that
# is here, and run against what cnn predict gives (tests/export_c/harness.c). ZOO=all takes all of configs/, configs/lessons and configs/zoo as well, in float32
# and in int8, if they fit into 16 MiB of flash; ZOO='FILE...' takes those files. That is hours for all.
set -u

# shellcheck source=tests/cases.sh
. "$(dirname "$0")/cases.sh"

# What is exported is watched by sanitizers below; the exporter itself is by the tests of programs and tests/cli.
if [ -n "${SANITIZE:-}" ]; then
    skip 'exported C: the program that writes it is under sanitizers'
    summary
    exit
fi

HOST=${CC:-gcc}
HOST_MAKE=$(command -v make)
STRICT='-Wall -Wextra -Wpedantic -Wconversion -Werror'
c=$directory/c

# model DESCRIPTION PRECISION: a network with random parameters. Those of bytes*.yaml are trained and quantized; others become int8 with ranges from pictures.
model() {
    local pictures=$directory/pictures
    "$BUILD/tests/tools/random" "$1" "$directory/net.safetensors" "$directory/input.npy" precision=fp32 || return 1
    if [[ $1 = */bytes* ]]; then
        rm -rf "$directory/run" "$directory/net.safetensors" && "$CNN" train "$1" -o "$directory/run" &&
            "$CNN" quantize "$directory/run" -o "$directory/net.safetensors" --no-eval --images 40
    elif [ "$2" = int8 ]; then
        mv "$directory/net.safetensors" "$directory/float.safetensors" && { [ -d "$pictures" ] || pictures "$pictures" a:40:8 b:200:8; } &&
            "$CNN" quantize "$directory/float.safetensors" -o "$directory/net.safetensors" --no-eval --images 8 --data "$pictures" --set data.dataset=folder \
                --set data.normalize=none --set 'data.augment=[]'
    fi
}

# make DESCRIPTION [PRECISION [OPTION...]]: its C, and what cnn predict gives of it.
make() {
    rm -rf "$c" "$directory"/{weights,harness}.o "$directory"/net-*.{o,ci} "$directory"/read.* && model "$1" "${2:-float32}" &&
        "$CNN" export "$directory/net.safetensors" --format c --name net -o "$c" --images 500 "${@:3}" &&
        "$CNN" predict "$directory/net.safetensors" "$directory/input.npy" --save-output "$directory/own.npy" >/dev/null
}

# gcc also writes a file .ci beside an object, which says what its functions call and how much stack they take. Other compilers cannot.
GRAPH='-fstack-usage -fcallgraph-info=su'
# shellcheck disable=SC2086
$HOST $GRAPH -x c -c /dev/null -o "$directory/none.o" 2>/dev/null || GRAPH=

# build LEVEL [FLAG...]: the harness around it, without a warning. The network's object stays, as net-O2.o and so on, for `alone` and `stack`. The weights are the
# same at any level, and the harness, which is no part of what is exported, sees a header of constants and declarations: both are compiled only once.
build() {
    local weights=$c/net_weights.c harness=$root/tests/export_c/harness.c net=$directory/net$1.o
    if [[ $* != *-fsanitize* ]]; then
        # shellcheck disable=SC2086
        [ -e "$directory/weights.o" ] || { $HOST -std=c99 $STRICT -c "$weights" -o "$directory/weights.o" &&
            $HOST -std=c99 $STRICT -O1 -I"$c" -c "$harness" -o "$directory/harness.o"; } || return 1
        weights=$directory/weights.o harness=$directory/harness.o
    fi
    # shellcheck disable=SC2086
    $HOST -std=c99 $STRICT "$@" $GRAPH -c "$c/net.c" -o "$net" &&
        $HOST -std=c99 $STRICT "$@" -I"$c" -o "$directory/harness" "$net" "$weights" "$harness" -lm
}

# near TOLERANCE: the largest difference as a share of the largest number.
near() {
    "$directory/harness" compare "$directory/input.npy" "$directory/own.npy" >"$directory/far" && cat "$directory/far" &&
        awk -v most="$1" '{ exit !($1 <= most && $3 == 3) }' "$directory/far"
}

# Bytes are the same to the last bit.
same() {
    near 0 && awk '{ exit $2 != 1 }' "$directory/far"
}

# agrees PRECISION: with what cnn predict gave.
agrees() {
    case $1 in
    int8) same ;;
    *) near 1e-5 ;;
    esac
}

# optimized LEVEL PRECISION: compilers have left out what they should not have.
optimized() {
    build "$1" && agrees "$2"
}

# Where the disk is full behind so many KiB of a file, nothing of an export is there, and what was there stays.
full() {
    local kib=$1
    rm -rf "$directory/new" && "$HOST_MAKE" -C "$c" clean && cp -r "$c" "$directory/old" || return 1
    # shellcheck disable=SC2016
    for to in new/below/net old; do
        ! (trap '' XFSZ && ulimit -f "$kib" && cd "$directory" && "$CNN" export net.safetensors --format c --name net -o "$to" --no-eval) || return 1
    done
    ! [ -e "$directory/new" ] && diff -r "$c" "$directory/old" && rm -r "$directory/old"
}

selftest() {
    "$HOST_MAKE" -C "$c" selftest CC="$HOST" && sed 's/net_layer2_bias\[.*= {/&99999 + /' "$c/net_weights.c" >"$directory/weights" &&
        ! cmp -s "$directory/weights" "$c/net_weights.c" && cp "$directory/weights" "$c/net_weights.c" && ! "$HOST_MAKE" -C "$c" selftest CC="$HOST" &&
        "$c/net-selftest" | grep -qx 'layer 2 differs'
}

# The accuracy in the header is that of cnn eval, image for image.
accuracy() {
    local said
    said=$("$CNN" export "$directory/net.safetensors" --format c --name net -o "$c" --json | grep -o '"right": [0-9]*') &&
        "$CNN" eval "$directory/net.safetensors" --json >"$directory/eval" &&
        awk -v said="${said#*: }" 'match($0, /"accuracy": [0-9.]*/) { split(substr($0, RSTART, RLENGTH), a, " "); right = a[2] * 4000; exit }
            END { print said, right; exit !(said > 0 && right - said < 0.5 && said - right < 0.5) }' "$directory/eval"
}

# Whole pictures and rows give the same.
rows() {
    head -c $((3 * $(sed -n 's/#define net_INPUTS //p' "$c/net.h"))) "$CNN" >"$directory/pixels"
    "$directory/harness" pixels <"$directory/pixels" >"$directory/whole" && "$directory/harness" rows <"$directory/pixels" >"$directory/rows" &&
        [ -s "$directory/whole" ] && cmp "$directory/whole" "$directory/rows"
}

# strict COMPILER FLAGS...: without a warning. Of large networks, reading the weights is most of the time, so each compiler reads them once. The host's compiler
# has compiled both in build, and another that `stack` has asked has compiled net.c with all warnings and the same flags.
strict() {
    local compiler=$1 file
    shift
    for file in net.c main.c; do
        [ "$file $compiler" != "net.c $HOST" ] || continue
        [ "$file $*" != "net.c -std=c99 -O2" ] || ! [ -e "$directory/net-$compiler-O2.ci" ] || continue
        # shellcheck disable=SC2086
        $compiler "$@" $STRICT -I"$c" -c "$c/$file" -o "$directory/strict.o" || return 1
    done
    # shellcheck disable=SC2086
    [ "$compiler" = "$HOST" ] || [ -e "$directory/read.$compiler" ] ||
        { $compiler "$@" $STRICT -fsyntax-only "$c/net_weights.c" && touch "$directory/read.$compiler"; }
}

# What the object files want of a C library.
alone() {
    nm -u "$directory/net-O2.o" | awk '{ print $NF }' |
        grep -vE '^(mem(cpy|set|move)|(exp|expm1|tanh|erf|log1p|pow|sqrt)f|_GLOBAL_OFFSET_TABLE_|__stack_chk_fail|net_layer.*)$' >"$directory/wanted"
    ! [ -s "$directory/wanted" ] && [ -z "$(size -A "$directory/net-O2.o" | awk '($1 == ".data" || $1 == ".bss") && $2 > 0')" ]
}

# stack LEVEL: the deepest chain of calls takes no more than the header says, as gcc counts. Of its machines RISC-V takes most.
stack() {
    local compiler graph took said
    said=$(sed -n 's/^ \* stack  *at most \([0-9,]*\) bytes.*/\1/p' "$c/net.h" | tr -d ,)
    # shellcheck disable=SC2086
    for compiler in gcc riscv64-linux-gnu-gcc arm-none-eabi-gcc; do
        command -v $compiler >/dev/null || continue
        graph=$directory/net$1.ci
        [ $compiler = gcc ] && [ -n "$GRAPH" ] ||
            { graph=$directory/net-$compiler$1.ci && $compiler -std=c99 "$1" $STRICT -fstack-usage -fcallgraph-info=su -c "$c/net.c" -o "${graph%.ci}.o"; } || return 1
        took=$(awk -f "$root/tests/export_c/depth.awk" "$graph") && echo "$compiler: $took of $said" &&
            [ "$took" -gt 0 ] && [ "$took" -le "$said" ] || return 1
    done
}

COMPILERS=("$HOST:-std=c99 -O2" 'g++:-x c++ -O2' 'clang-14:-std=c99 -O2' 'arm-none-eabi-gcc:-std=c99 -mcpu=cortex-m4 -mthumb -Os' \
    'arm-none-eabi-gcc:-std=c99 -mcpu=cortex-m55 -mthumb -mfloat-abi=hard -O3' 'riscv64-linux-gnu-gcc:-std=c99 -O2')

# try WHAT PRECISION: the network that is in its place.
try() {
    local what=$1 level compiler name
    check "$what: built with sanitizers" build -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all
    check "$what: the same numbers" agrees "$2"
    for level in -O0 -O1 -O2 -O3 -Os; do
        check "$what: the same with $level" optimized "$level" "$2"
    done
    check "$what: rows" rows
    check "$what: needs nothing" alone
    for level in -O0 -O2 -O3; do
        check "$what: stack with $level" stack "$level"
    done
    for compiler in "${COMPILERS[@]}"; do
        name=${compiler%%:*}
        if command -v ${name##* } >/dev/null; then
            # shellcheck disable=SC2086
            check "$what: $name" strict "$name" ${compiler#*:}
        else
            skip "$what: $name is not here"
        fi
    done
}

# What is refused for a reason that the manual gives is skipped.
try_large() {
    local what=$1 why
    if make "$2" "$3" --no-eval --max-flash 16M >"$directory/made" 2>&1; then
        try "$what" "$3"
    elif why=$(grep -m1 -oE 'has no form in bytes|works on floats|about [0-9,]* bytes of flash|has no layer that can be computed in int8|files give 1, 3 or 4 channels|images have 1, 3 or 4 channels' "$directory/made"); then
        skip "$what: $why"
    else
        fail "$what: exported" "$directory/made"
    fi
}

for description in "$root"/tests/export_c/*.yaml "$root"/configs/lenet5.yaml; do
    what=$(basename "$description" .yaml)
    precision=float32
    [[ $what != bytes* ]] || precision=int8
    check "$what: exported" make "$description"
    try "$what" "$precision"
done

case ${ZOO:-} in
all) descriptions=$(ls "$root"/configs/*.yaml "$root"/configs/lessons/*.yaml "$root"/configs/zoo/*.yaml) ;;
*) descriptions=${ZOO:-} ;;
esac
for description in $descriptions; do
    for precision in float32 int8; do
        try_large "${description#"$root"/} $precision" "$description" "$precision"
    done
done

# small PRECISION INPUT LAYERS: compilers see how long each loop is, and gcc warned of what such loops would never do, or of functions that nothing calls.
small() {
    local compiler
    rm -rf "$c" "$directory/net.safetensors"
    printf 'input: [%s]\nlayers: [%s]\n' "$2" "$3" >"$directory/small.yaml" &&
        "$BUILD/tests/tools/random" "$directory/small.yaml" "$directory/net.safetensors" "$directory/input.npy" precision="$1" &&
        "$CNN" export "$directory/net.safetensors" --format c --name net -o "$c" --no-eval || return 1
    for compiler in "$HOST" 'arm-none-eabi-gcc -mcpu=cortex-m55 -mthumb -mfloat-abi=hard'; do
        # shellcheck disable=SC2086
        ! command -v ${compiler%% *} >/dev/null || $compiler -std=c99 -O3 $STRICT -c "$c/net.c" -o "$directory/small.o" || return 1
    done
}

while IFS=: read -r precision input layers; do
    check "small: $layers" small "$precision" "$input" "$layers"
done <<'END'
fp32:3, 2, 3:{type: conv, filters: 1, kernel_size: 1}
fp32:3, 4, 1:{type: conv_transpose, filters: 5, kernel_size: 3}
fp32:3, 7, 6:{type: batch_norm}, {type: pool, pool_type: max, kernel_size: 2}
int8:2, 4, 2:{type: depthwise_conv, kernel_size: 1, padding: 1, activation: relu}, {type: pool, pool_type: avg, kernel_size: 2}
int8:3, 1, 8:{type: upsample, scale: 2}, {type: conv, filters: 3, kernel_size: 2, stride: 2, activation: relu6}, {type: flatten}, {type: dense, units: 7}
int8:8, 3, 9:{type: conv, name: a, filters: 3, kernel_size: 1}, {type: conv, name: b, filters: 3, kernel_size: 1}, {type: add, from: [a, b]}, {type: conv, filters: 16, kernel_size: 1, stride: 2}
END

for what in bytes branches; do
    check "$what: made" make "$root/tests/export_c/$what.yaml"
    check "$what: self-test" selftest
done
# C computes with floats, whatever `precision: bf16` rounds.
rounded() {
    rm -rf "$c" "$directory/net.safetensors" && "$BUILD/tests/tools/random" "$1" "$directory/net.safetensors" "$directory/input.npy" precision=bf16 &&
        "$CNN" export "$directory/net.safetensors" --format c --name net -o "$c" --no-eval && "$HOST_MAKE" -C "$c" selftest CC="$HOST"
}
for what in branches maps; do
    check "$what, in bf16: self-test" rounded "$root/tests/export_c/$what.yaml"
done
for kib in 0 2 8 16; do
    check "an export of which a file may have $kib KiB leaves nothing" full "$kib"
done
for what in bytes_flat bytes_moved; do
    check "$what: made" make "$root/tests/export_c/$what.yaml"
    check "$what: self-test" "$HOST_MAKE" -C "$c" selftest CC="$HOST"
done
check 'bytes: made again' make "$root/tests/export_c/bytes.yaml"
check 'the accuracy is that of cnn eval' accuracy

summary
