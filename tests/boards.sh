#!/bin/bash
# Networks that were exported as C, on microcontrollers that QEMU emulates: their outputs are those of
# `cnn predict`, in int8 to the bit, in float32 within 1e-5. IMAGES is how many images each board sees
# (default 2; they are CIFAR-10's test images if CNN_DATA has them, else random ones). Needs
# arm-none-eabi-gcc with newlib, qemu-system-arm, and for RISC-V riscv64-linux-gnu-gcc and
# qemu-riscv64; `make deps-boards` installs them. What is missing is skipped.
#
# The lines that begin with `figures:` count instructions and bytes; docs/boards.md has them.
set -u

# shellcheck source=tests/cases.sh
. "$(dirname "$0")/cases.sh"
images=${IMAGES:-2}
here=$root/tests/boards
warnings=(-std=c99 -Wall -Wextra -Wpedantic -Wconversion -Werror)

# name, machine, processor, where code and variables stand, clock
boards() {
    cat <<'END'
M3  mps2-an385 -mcpu=cortex-m3 0 4M 0x20000000 4M 25000000
M4  mps2-an386 -mcpu=cortex-m4,-mfloat-abi=hard,-mfpu=fpv4-sp-d16 0 4M 0x20000000 4M 25000000
M7  mps2-an500 -mcpu=cortex-m7,-mfloat-abi=hard,-mfpu=fpv5-d16 0 4M 0x20000000 4M 25000000
M33 mps2-an505 -mcpu=cortex-m33,-mfloat-abi=hard,-mfpu=fpv5-sp-d16 0x10000000 4M 0x38000000 4M 20000000
M55 mps3-an547 -mcpu=cortex-m55,-mfloat-abi=hard 0 512K 0x20000000 512K 32000000
END
}

# arm BOARD PROGRAM SOURCE FLAG...: compiles the network in the current folder with the program SOURCE.
arm() {
    local cpu rom rom_size ram ram_size hertz board=$1 program=$2 source=$3
    shift 3
    read -r _ _ cpu rom rom_size ram ram_size hertz <<<"$(boards | grep "^$board ")"
    IFS=, read -ra cpu <<<"$cpu"
    arm-none-eabi-gcc "${warnings[@]}" "${cpu[@]}" -mthumb "$@" -DBOARD_HERTZ="$hertz" -I"$here" -I. -nostartfiles \
        -Wl,--defsym=ROM="$rom",--defsym=ROM_SIZE="$rom_size",--defsym=RAM="$ram",--defsym=RAM_SIZE="$ram_size" -T "$here/board.ld" \
        -o "$program" "$here/start.c" "$here/semihosting.c" "$source" net_weights.c -lm
}

# emulate BOARD PROGRAM OPTION...
emulate() {
    local machine program=$2
    read -r _ machine _ <<<"$(boards | grep "^$1 ")"
    shift 2
    timeout 3000 qemu-system-arm -machine "$machine" -display none -monitor none -serial none \
        -semihosting-config enable=on,target=native -kernel "$program" "$@" </dev/null 2>&1
}

# identical, close: outputs.bin is what predict.npy holds.
identical() {
    [ -s outputs.bin ] && cmp outputs.bin <(tail -c "$(stat -c %s outputs.bin)" predict.npy)
}
close() {
    paste -d ' ' <(od -An -v -w4 -tf4 outputs.bin) <(tail -c "$(stat -c %s outputs.bin)" predict.npy | od -An -v -w4 -tf4) |
        awk '{ d = $1 - $2; if (!(d <= 1e-5 && d >= -1e-5)) { print NR ": " $0; bad = 1 } } END { exit bad || NR == 0 }'
}

# Whether as many images came back as went out.
all_images() {
    [ "$(stat -c %s outputs.bin)" -eq $(($(stat -c %s predict.npy) - 128)) ]
}

# on_arm BOARD LIKE FLAG...: whether the network's outputs are LIKE (identical, close) those of predict.
on_arm() {
    local board=$1 like=$2
    shift 2
    rm -f outputs.bin
    arm "$board" run.elf "$here/run.c" net.c "$@" && emulate "$board" run.elf && all_images && "$like"
}
on_riscv() {
    rm -f outputs.bin
    riscv64-linux-gnu-gcc "${warnings[@]}" -O2 -static -I"$here" -I. -o run.riscv "$here/hosted.c" "$here/run.c" net.c net_weights.c -lm &&
        qemu-riscv64 run.riscv && all_images && "$1"
}
on_host() {
    rm -f outputs.bin
    ${CC:-cc} "${warnings[@]}" -O2 -fsanitize=undefined -fno-sanitize-recover=all -I"$here" -I. -o run.host "$here/hosted.c" "$here/run.c" net.c \
        net_weights.c -lm && ./run.host && all_images && "$1"
}

# network NAME MODEL CHANNELS HEIGHT WIDTH IMAGES: the current folder becomes a fresh one with the network as C, images, and what predict says of them.
network() {
    local batch=${CNN_DATA:-/nowhere}/cifar-10-batches-bin/test_batch.bin given=()
    mkdir -p "$directory/$1" && cd "$directory/$1" || exit 1
    [ "$3,$4,$5" != 3,32,32 ] || [ ! -r "$batch" ] || given=("$batch" 0.501961 0.25)
    "$BUILD/tests/tools/images" images "$6" "$3" "$4" "$5" ${given[@]+"${given[@]}"} &&
        "$CNN" export "$2" --format c --name net --no-eval -o exported && "$CNN" predict "$2" images.npy --save-output predict.npy && cp exported/net* .
}

# untrained NAME DESCRIPTION: NAME.safetensors becomes a network that has seen a few pictures, NAME_int8.safetensors the same in int8.
untrained() {
    local data=$directory/pictures
    [ -d "$data" ] || pictures "$data" a:40:8 b:200:8
    "$CNN" train "$root/$2" --data "$data" -o "$directory/$1.run" --set train.epochs=1 --set train.batch_size=8 --set data.dataset=folder \
        --set 'data.augment=[]' --set data.val_split=0.25 --set layers.dense1.units=2 --set data.normalize=auto &&
        cp "$directory/$1.run/last.safetensors" "$directory/$1.safetensors" && "$CNN" quantize "$directory/$1.run" -o "$directory/$1_int8.safetensors"
}

# figures NAME BOARD FLAG...: instructions, altogether and by layer, the stack of a run, and code without weights.
figures() {
    local name=$1 board=$2 macs whole
    shift 2
    macs=$(sed -n 's/^ \* multiply-adds *\([0-9,]*\).*/\1/p' net.h | tr -d ,)
    arm "$board" count.elf "$here/count.c" "$@" && emulate "$board" count.elf -icount shift=0 >counted || return 1
    whole=$(awk '/^whole/ { print $2 }' counted)
    echo "figures: $name on Cortex-$board ($*): $whole instructions, $(ratio "$whole" "$macs") a multiply-add;" \
        "arena $(sed -n 's/.*_ARENA_BYTES //p' net.h | head -1), stack $(awk '/^stack/ { print $2 }' counted)," \
        "code $(text_of "$board" -Os net.c) (-Os) or $(text_of "$board" "$1" net.c) ($1), constants $(text_of "$board" -Os net_weights.c)"
    paste -d ' ' <(sed -n '/ layers\[.*{$/,/^};/s/^    \(.*\),$/\1/p' net.c) <(grep '^layer' counted) | awk '{ print "figures:   " $1 " " $3 }'
}
# The same for loops as one would first write them.
naive() {
    local whole
    arm M4 naive.elf "$here/naive.c" -O2 && emulate M4 naive.elf -icount shift=0 >counted || return 1
    whole=$(awk '/^whole/ { print $2 }' counted)
    echo "figures: resnet8 int8 in plain loops on Cortex-M4 (-O2): $whole instructions, $(ratio "$whole" 12500992) a multiply-add"
}
ratio() {
    awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'
}
# text_of BOARD FLAG SOURCE: bytes of code and constants.
text_of() {
    local cpu
    read -r _ _ cpu _ <<<"$(boards | grep "^$1 ")"
    IFS=, read -ra cpu <<<"$cpu"
    arm-none-eabi-gcc -std=c99 "${cpu[@]}" -mthumb "$2" -c -o size.o "$3" && arm-none-eabi-size size.o | awk 'NR == 2 { print $1 + $2 }'
}
within() {
    echo "$1, at most $2"
    awk -v a="$1" -v b="$2" 'BEGIN { exit !(a <= b) }'
}

# on_boards NAME LIKE BOARD...: the network of the current folder.
on_boards() {
    local name=$1 like=$2 board
    shift 2
    check "$name: on this machine" on_host "$like"
    [ -z "${SANITIZE:-}" ] || return 0
    for board in "$@"; do
        if [ "$arm" = no ]; then
            skip "$name on Cortex-$board needs arm-none-eabi-gcc and qemu-system-arm"
        else
            check "$name: on Cortex-$board" on_arm "$board" "$like" -O2
        fi
    done
    if [ "$riscv" = no ]; then
        skip "$name on RISC-V needs riscv64-linux-gnu-gcc and qemu-riscv64"
    else
        check "$name: on RISC-V" on_riscv "$like"
    fi
}

# What sanitizers watch is the program that trains, quantizes, exports and predicts. Compilers and emulators of boards are not: they are asked without.
arm=no
riscv=no
if [ -n "${SANITIZE:-}" ]; then
    skip 'boards under sanitizers: exported C runs on this machine alone'
else
    [ "$(command -v arm-none-eabi-gcc qemu-system-arm | wc -l)" -lt 2 ] || arm=yes
    [ "$(command -v riscv64-linux-gnu-gcc qemu-riscv64 | wc -l)" -lt 2 ] || riscv=yes
fi

# The model that ships, in float32 and int8.
check 'resnet8: exported' network resnet8 "$root/models/mlperf_resnet8.safetensors" 3 32 32 "$images"
on_boards resnet8 close M4 M7 M55
[ "$arm" = no ] || figures resnet8 M4 -O3 || fail 'resnet8: figures'
check 'resnet8 int8: exported' network resnet8_int8 "$root/models/mlperf_resnet8_int8.safetensors" 3 32 32 "$images"
on_boards 'resnet8 int8' identical M3 M4 M7 M33 M55
if [ "$arm" = yes ]; then
    check 'resnet8 int8: on Cortex-M4, without its DSP extension' on_arm M4 identical -O2 -DCNN_PLAIN
    check 'resnet8 int8: on Cortex-M4, small' on_arm M4 identical -Os
    figures 'resnet8 int8' M4 -O2 >figures || fail 'resnet8 int8: figures'
    cat figures
    check 'resnet8 int8: instructions a multiply-add' within "$(sed -n 's/.* \([0-9.]*\) a multiply-add.*/\1/p' figures)" 2.2
    check 'resnet8 int8: bytes of code' within "$(text_of M4 -Os net.c)" 12288
    figures 'resnet8 int8, no DSP' M4 -O2 -DCNN_PLAIN | head -1 && figures 'resnet8 int8' M3 -O2 | head -1 && figures 'resnet8 int8' M55 -O2 | head -1
    naive || fail 'resnet8 int8: in plain loops'
fi

# Networks that nobody trained compute as well: depthwise convolutions, batch_norms by themselves, other shapes.
while IFS=, read -r name description shape boards; do
    check "$name: made" untrained "$name" "$description"
    # shellcheck disable=SC2086
    check "$name int8: exported" network "${name}_int8" "$directory/${name}_int8.safetensors" $shape "$images"
    # shellcheck disable=SC2086
    on_boards "$name int8" identical $boards
    [ "$arm" = no ] || figures "$name int8" M4 -O2 || fail "$name int8: figures"
done <<END
ds_cnn,configs/zoo/ds_cnn.yaml,1 49 10,M3 M4 M55
mobilenet_v1_025,configs/zoo/mobilenet_v1_025.yaml,3 96 96,M3 M4 M55
bytes_norms,tests/export_c/bytes_norms.yaml,3 16 16,M3 M4 M7 M33 M55
END

summary
