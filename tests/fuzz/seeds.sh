#!/bin/bash
# Writes what fuzzing begins with into FOLDER/<target>/, and dictionaries of words, FOLDER/<target>.dict. Nothing is random.
#
#   tests/fuzz/seeds.sh FOLDER
#
# CNN is the program (default: build/cnn), BUILD the folder of tests/tools/picture.
set -eu

# shellcheck source=tests/cases.sh
. "$(dirname "$0")/../cases.sh"

folder=$(realpath -m "$1")
rm -rf "$folder"
for target in "$root"/tests/fuzz/*.c; do
    mkdir -p "$folder/$(basename "$target" .c)"
done
cd "$directory"
separator=$'\xff'

# A run of two epochs in a moment: its tables and checkpoints.
cat >net.yaml <<'YAML'
name: net
input: [3, 16, 16]
layers:
  - {type: conv, filters: 2, kernel_size: 3, activation: relu}
  - {type: batch_norm}
  - {type: pool, pool_type: max, kernel_size: 2}
  - {type: flatten}
  - {type: dense, units: 10}
data: {dataset: shapes, limit: 40, val_split: 0.2, normalize: auto}
train: {epochs: 2, batch_size: 16, log_every: 1, optimizer: {type: sgd, lr: 0.01}}
YAML
"$CNN" train net.yaml -o run --threads 1 >log 2>&1 || { cat log; exit 1; }
"$CNN" train net.yaml -o other --threads 1 --set train.steps=2 --set train.epochs=null --set train.ema.decay=0.9 --set train.optimizer.type=adam >log 2>&1 ||
    { cat log; exit 1; }
"$CNN" quantize run -o int8.safetensors >log 2>&1 || { cat log; exit 1; }

# A changed file is to be read on: without its checksum.
for file in run/*.safetensors other/*.safetensors int8.safetensors; do
    sed 's/"checksum":/"Checksum":/' "$file" >unchecked && mv unchecked "$file"
done
cp run/{best,last,last.previous}.safetensors int8.safetensors "$folder/model/"
cp run/best.safetensors int8.safetensors "$root"/tests/golden/layers/dense*.weights.safetensors "$folder/safetensors/"
for name in run other; do
    {
        for table in epochs steps health; do
            cat $name/$table.csv
            printf %s "$separator"
        done
        cat $name/last.previous.safetensors # there is more to do
    } >"$folder/resume/$name"
    {
        cat $name/config.yaml
        for table in epochs steps health; do
            printf %s "$separator"
            cat $name/$table.csv
        done
        printf %s "$separator"
        cat $name/film.safetensors
    } >"$folder/tables/$name"
done

cp "$root"/configs/*.yaml "$root"/tests/wrong/*.yaml "$folder/yaml/"
for file in "$root"/configs/zoo/*.yaml; do
    cp "$file" "$folder/yaml/zoo-${file##*/}"
done
cp "$root"/configs/lessons/*.txt "$folder/matrix/"
printf '1 2\t3,4\n-1e3 nan inf 0x1p3\n\n# no\n' >"$folder/matrix/mixed"

printf '{"a":[1,-2.5e3,true,false,null,"x\\u00e9\\n\\ud83d\\ude00"],"b":{"c":{}},"d":18446744073709551615}' >"$folder/json/kinds"
printf '[[],{},"\\"",0.0,1E+2]' >"$folder/json/list"
head -c 2000 run/last.safetensors | tail -c +9 >"$folder/json/header"

printf '\000layers.0.filters=8\ntrain.epochs=3\ntrain.optimizer={type: adamw, lr: 1e-3}\n' >"$folder/overrides/keys"
printf '\000train.schedule=cosine\ntrain.schedule.warmup_epochs=1\ndata.augment.0.mode=random\nlayers.answer.units=3\n' >"$folder/overrides/names"
printf '\001train.optimizer.lr=0.1\ndata.dataset=mnist\nloss.class_weights=[1, 2]\nlayers.1={type: dense}\n' >"$folder/overrides/made"
printf '\002train.epochs=1\ndata.path="a b"\nlayers.0=null\nname=~\n' >"$folder/overrides/wrong"

printf '\003layers.stage.width=5\nlayers.residual2_conv1.filters=4\nblocks.residual.parameters.stride=1\n' >"$folder/overrides/blocks"

npy="{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 2), }"
printf '\x93NUMPY\x01\x00\x76\x00%-117s\n%s' "$npy" 0123456789abcdef >"$folder/npy/one"

{ printf '\x00\x00\x08\x01\x00\x00\x00\x20' && printf '\x01\x02%.0s' {1..16}; } >labels
{ printf '\x00\x00\x08\x03\x00\x00\x00\x20\x00\x00\x00\x04\x00\x00\x00\x04' && printf '%.0s0123456789abcdef' {1..32}; } >images
cat labels images >"$folder/idx/plain"
gzip -nc labels >labels.gz
{ head -c 40 labels.gz && gzip -nc images; } >"$folder/idx/packed"

{ printf '\x01' && head -c 6148 /dev/zero; } >"$folder/cifar/hundred"
{ printf '\x00' && head -c 6146 /dev/zero; } >"$folder/cifar/ten"
{ printf '\x02' && head -c 15365 /dev/zero; } >"$folder/cifar/train"
{ printf '\x04' && printf 'class%d\n' {0..9} && printf '\xff\x07' && head -c 3072 /dev/zero; } >"$folder/cifar/names"

picture 8x8 120 8.png 8.bmp
picture 3x2 40,90,200 3.png
cp ./*.png ./*.bmp "$folder/image/"
cp "$root"/tests/fuzz/seeds/* "$folder/image/"

printf 'icat/1.bmp\nicat/2.bmp\nidog/1.bmp\nidog/b.bmp\n' >"$folder/folder/plain"
printf 'itrain/a/1.bmp\nitrain/b/1.bmp\nival/a/1.bmp\nival/b/2.bmp\nitest/a/1.png\nitest/b/1.bmp\n' >"$folder/folder/split"
printf 'ia/1.bmp\nib/1.bmp\nla/2.bmp\nub/c\npa/3.bmp\nea/4.bmp\nta/5.bmp\ndc\nia/.hidden.bmp\nireadme.txt\n' >"$folder/folder/odd"
printf 'iTrain/a/1.JPG\niTrain/b/1.bmp\nivalid/a/1.bmp\ni__MACOSX/x/._1.bmp\nia/b/1.webp\nia\xff/1.bmp\n' >"$folder/folder/names"

printf '\001net.yaml\n-o\nrun\n--set\ntrain.epochs=3\n--set=a=b\n--threads\n2\n' >"$folder/options/train"
printf '\003run\n--split\nval\n--json\n--tta=flip\n--\n-x\n' >"$folder/options/eval"
printf '\007a.png\n--kind\ngradcam,heatmap\n--class=cat\n--at\n4,4\n-orun\n' >"$folder/options/visualize"

for name in zip legacy evil; do
    "$BUILD/tests/tools/torch" $name "$folder/weights/$name.pth"
done
printf 'right b\nleft a\n%s' "$separator" | cat - "$folder/weights/zip.pth" >"$folder/weights/named"
for name in best last; do
    cp run/$name.safetensors "$folder/weights/"
done
for name in $("$BUILD/tests/tools/onnx"); do
    "$BUILD/tests/tools/onnx" "$name" "$folder/onnx/$name"
done

# The size of the text in two bytes, the text, the weights; those of Darknet without their header.
pair() {
    local size
    "$BUILD/tests/tools/legacy" "$2" text numbers
    size=$(stat -c %s text)
    # shellcheck disable=SC2059
    { printf "\\x$(printf %02x $((size >> 8)))\\x$(printf %02x $((size & 255)))" && cat text && tail -c "+$3" numbers; } >"$folder/$1/$2"
}
pair caffe small 1
pair caffe old 1
pair darknet tiny 21

# Bytes that follow from each other, as well mixed as any.
value=1
for length in 24 48 96 192 384; do
    for ((i = 0; i < length; i++)); do
        value=$((value * 1103515245 + 12345 & 0x7fffffff))
        # shellcheck disable=SC2059
        printf "\\x$(printf %02x $((value >> 16 & 255)))"
    done >"$folder/network/$length"
done

# Every key, type and choice of a description; every option.
"$CNN" help --man-keys | sed -nE 's/^\.(It Ic|Ss) ([^ ]+).*/\2/p; s/^\.It Ic [^ ]+ No "([a-z0-9_| ]+);.*/\1/p' | tr -s '| ' '\n' |
    sort -u | sed -E '/^$/d; s/.*/"&"/' >words
cat words >"$folder/yaml.dict"
for prefix in train. data. loss. layers.0. train.optimizer. train.schedule.; do
    printf '"%s"\n' $prefix
done | cat - words >"$folder/overrides.dict"
for target in json safetensors weights; do
    cp "$root/tests/fuzz/safetensors.dict" "$folder/$target.dict"
done
for target in model resume; do
    cat "$root/tests/fuzz/safetensors.dict" words >"$folder/$target.dict"
done
cp words "$folder/tables.dict"
cp "$root/tests/fuzz/image.dict" "$folder/"
for command in $("$CNN" help | sed -nE 's/^  ([a-z]+) .*/\1/p'); do
    "$CNN" help "$command" | sed -nE 's/^  .*--([a-z-]+).*/"--\1"/p'
done 2>/dev/null | sort -u >"$folder/options.dict"
printf '"%s"\n' train val test valid validation Train Test testing __MACOSX .jpg .jpeg .png .bmp .webp .JPG .jfif .heic .gif .tiff >"$folder/folder.dict"
