#!/bin/bash
# Fine-tuning on real pictures: a backbone learns the first five classes of CIFAR-10, is exported and imported, and learns the other five from FEW images of
# each; beside it the same network learns the same images from the beginning. Prints accuracies on the 5,000 test images and seconds.
#
#   bench/finetune.sh [WORK]     the folder for images and runs (default: a new one, which is removed)
#
# CNN is the program (default: build/cnn), CNN_DATA the folder that holds cifar-10-batches-bin, FEW the images of each class (default: 50), SEEDS seeds of the
# second part (default: 1 2 3), EPOCHS its epochs (default: 40, those that init proposes). `tuned` is what init proposes, `head` the new layer alone, without
# augmentation, `scratch` the same network and images from first weights, at the rate that init proposes for such.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
CNN=$(realpath "${CNN:-$here/../build/cnn}")
work=${1:-$(mktemp -d)}
[ $# -gt 0 ] || trap 'rm -rf "$work"' EXIT
mkdir -p "$work"
cd "$work"
source=${CNN_DATA:?names no folder with cifar-10-batches-bin}/cifar-10-batches-bin
few=${FEW:-50}

[ -d base ] || python3 "$here/cifar_folder.py" "$source" base 0-4
[ -d few ] || python3 "$here/cifar_folder.py" "$source" few 5-9 --train "$few"

cat >backbone.yaml <<'YAML'
input: [3, 32, 32]
layers:
  - {type: conv, filters: 32, kernel_size: 3, padding: same, bias: false}
  - &norm {type: batch_norm, activation: relu}
  - {type: conv, filters: 32, kernel_size: 3, padding: same, bias: false}
  - *norm
  - &pool {type: pool, pool_type: max, kernel_size: 2}
  - {type: conv, filters: 64, kernel_size: 3, padding: same, bias: false}
  - *norm
  - {type: conv, filters: 64, kernel_size: 3, padding: same, bias: false}
  - *norm
  - *pool
  - {type: conv, filters: 128, kernel_size: 3, padding: same, bias: false}
  - *norm
  - {type: conv, filters: 128, kernel_size: 3, padding: same, bias: false}
  - *norm
  - {type: global_pool, pool_type: avg}
  - {type: flatten}
  - {type: dense, units: 5}
loss: {type: cross_entropy, label_smoothing: 0.1}
data:
  dataset: folder
  path: base
  normalize: {mean: [0.4914, 0.4822, 0.4465], std: [0.247, 0.2435, 0.2616]}
  augment: [{type: flip}, {type: crop, padding: 4, padding_mode: reflect}]
  val_split: 0.04
train:
  epochs: 8
  batch_size: 64
  optimizer: {type: adamw, lr: 0.004, weight_decay: 0.05}
  schedule: {type: one_cycle}
YAML

accuracy() {
    "$CNN" eval "$@" --json | grep -o '"accuracy": [0-9.]*' | head -n 1 | grep -o '[0-9.]*$'
}
timed() { # NAME COMMAND...: seconds into NAME.seconds
    local name=$1 begun=$EPOCHREALTIME
    shift
    "$@" >"$name.log" 2>&1 || { cat "$name.log"; exit 1; }
    awk -v a="$begun" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f\n", b - a }' >"$name.seconds"
}

if [ ! -d backbone ]; then
    timed backbone "$CNN" train backbone.yaml -o backbone
fi
printf 'backbone: 5 classes, 24,000 images: %s of 5,000 test images right, %s s\n' "$(accuracy backbone --split test)" "$(cat backbone.seconds)"

# Through an ONNX file, as if somebody else had trained it.
rm -f backbone.onnx imported.safetensors
"$CNN" export backbone -o backbone.onnx
"$CNN" import backbone.onnx -o imported.safetensors --normalize 0.4914,0.4822,0.4465/0.247,0.2435,0.2616

rm -rf tuned
"$CNN" init tuned few --from imported.safetensors
epochs=${EPOCHS:-40}
for seed in ${SEEDS:-1 2 3}; do
    rm -rf "tuned-$seed" "head-$seed" "scratch-$seed"
    timed "tuned-$seed" "$CNN" train tuned -o "tuned-$seed" --seed "$seed" --epochs "$epochs"
    timed "head-$seed" "$CNN" train tuned -o "head-$seed" --seed "$seed" --epochs "$epochs" --set train.freeze_epochs=0 --set 'data.augment=[]'
    timed "scratch-$seed" "$CNN" train tuned -o "scratch-$seed" --seed "$seed" --epochs "$epochs" --set train.from=null --set train.freeze=null --set train.freeze_epochs=0 \
        --set train.layer_decay=1 --set train.optimizer.lr=0.002 --set train.optimizer.groups=null
    for what in tuned head scratch; do
        printf 'seed %s, %-7s %s of the test images right, %s s\n' "$seed" "$what" "$(accuracy "$what-$seed" --split test)" "$(cat "$what-$seed.seconds")"
    done
done
