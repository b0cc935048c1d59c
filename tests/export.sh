#!/bin/bash
# Exported networks in other programs: the descriptions in configs/ with random parameters, written as ONNX and computed by ONNX Runtime and OpenCV, and as a
# script for PyTorch, against what cnn predict gives. Those that are not there are skipped: ONNX Runtime is node's package onnxruntime-node, which NODE_PATH
# leads to; OpenCV and PyTorch are python3's. Large networks are for ZOO=all; ZOO='FILE...' tries descriptions of one's own.
set -u

# shellcheck source=tests/cases.sh
. "$(dirname "$0")/cases.sh"

# The python that has a module: that of the path, or the system's.
python_with() {
    local python
    for python in python3 /usr/bin/python3; do
        if "$python" -c "import numpy, $1" 2>/dev/null; then
            echo "$python"
            return
        fi
    done
}

has_node=no
node -e 'require("onnxruntime-node")' 2>/dev/null && has_node=yes
NUMPY=$(python_with numpy) CV2=$(python_with cv2) TORCH=$(python_with torch)
KERAS=${KERAS_PYTHON:-python3} keras=Keras
if ! "$KERAS" -c 'import keras, sys; sys.exit(not keras.__version__.startswith("3"))' 2>/dev/null; then
    KERAS=$TORCH keras='stand-in for Keras'
    export PYTHONPATH="$root/tests/export/stand_in"
fi

# $1: file; compares what the program wrote there with the answer, to the share $2.
near() {
    "$NUMPY" "$root/tests/export/near.py" "$1" "$directory/own.npy" "$2"
}

onnxruntime() {
    node "$root/tests/export/onnxruntime.js" "$directory/net.onnx" "$directory/input.npy" "$directory/ort.npy" && near "$directory/ort.npy" "$1"
}

# Operators that OpenCV 4.6 does not have are said.
opencv() {
    "$CV2" "$root/tests/export/opencv.py" "$directory/net.onnx" "$directory/input.npy" "$directory/cv2.npy" && near "$directory/cv2.npy" "$1"
}

script() {
    "$CNN" export "$directory/net.safetensors" --format "$1" -o "$directory/net_$1.py" &&
        "$2" "$directory/net_$1.py" "$directory/net.safetensors" "$directory/input.npy" "$directory/script.npy" && near "$directory/script.npy" 1e-5
}

# predict NAME NPY: sums in double, so that what other programs differ by is their rounding alone. That of Winograd's algorithm here is 3e-5 in a random vgg16.
predict() {
    CNN_CPU=ref "$CNN" predict "$directory/$1.safetensors" "$directory/input.npy" --save-output "$directory/$2.npy" >/dev/null
}

answer() {
    predict net own
}

# The vector kernels, Winograd's algorithm included, beside the sums in double.
vectors() {
    "$CNN" predict "$directory/net.safetensors" "$directory/input.npy" --save-output "$directory/vectors.npy" >/dev/null && near "$directory/vectors.npy" 1e-4
}

# make STEPS DESCRIPTION: after so many steps of training. Networks that round to bfloat16 here are computed in float32 elsewhere.
make() {
    "$BUILD/tests/tools/random" --steps "$1" "$2" "$directory/net.safetensors" "$directory/input.npy" precision=fp32 && answer &&
        rm -f "$directory/net.onnx" && "$CNN" export "$directory/net.safetensors" -o "$directory/net.onnx"
}

# back TOLERANCE: an exported network is the same once it comes back.
back() {
    rm -f "$directory/back.safetensors"
    "$CNN" import "$directory/net.onnx" -o "$directory/back.safetensors" &&
        predict back back && near "$directory/back.npy" "$1"
}

try() {
    local name
    name=$(basename "$1" .yaml)
    check "$name: cnn export" make 0 "$1"
    [ -f "$directory/net.onnx" ] || return
    check "$name: vector kernels" vectors
    check "$name: cnn import" back 1e-5
    [ $has_node = no ] || check "$name: ONNX Runtime" onnxruntime 1e-5
    if grep -q 'type: layer_norm' "$1"; then
        skip "$name: OpenCV 4.6 has no layer_norm"
    elif [ -n "$CV2" ]; then
        check "$name: OpenCV" opencv 1e-4
    fi
    [ -z "$TORCH" ] || check "$name: PyTorch" script pytorch "$TORCH"
    [ -z "$KERAS" ] || check "$name: $keras" script keras "$KERAS"
    check "$name, trained: cnn export" make 3 "$1"
    [ $has_node = no ] || check "$name, trained: ONNX Runtime" onnxruntime 1e-5
}

if [ -z "$NUMPY" ]; then
    skip 'exported networks in other programs: python3 has no numpy'
    summary
    exit
fi
[ $has_node = yes ] || skip 'exported networks in ONNX Runtime: node has no onnxruntime-node'
[ -n "$CV2" ] || skip 'exported networks in OpenCV: python3 has no cv2'
[ -n "$TORCH" ] || skip 'exported networks in PyTorch: python3 has no torch'
[ "$keras" = Keras ] || skip 'exported networks in Keras: python3 has no keras 3 (KERAS_PYTHON names another); what stands in for it shows shapes and orders'

case ${ZOO:-} in
'') descriptions=$(printf "$root/configs/%s.yaml " lenet5 vgg_small resnet20) coded=vgg_small ;;
all) descriptions=$(ls "$root"/configs/*.yaml "$root"/configs/zoo/*.yaml) coded='vgg_small resnet20 mobilenet inception' ;;
*) descriptions=$ZOO coded= ;;
esac
for description in $descriptions; do
    try "$description"
done

# Networks of bytes, after some steps of training: within one code of the largest number.
bytes() {
    rm -rf "$directory/net.safetensors" "$directory/net.onnx" "$directory/run"
    "$CNN" train "$root/configs/$1.yaml" -o "$directory/run" --set data.dataset=shapes --set data.limit=200 --set data.val_split=0.2 \
        --set data.normalize=auto --set 'data.augment=[]' --set train.epochs=2 --set train.schedule=constant "${@:2}" >/dev/null 2>&1 &&
        "$CNN" quantize "$directory/run" -o "$directory/net.safetensors" --no-eval >/dev/null 2>&1 &&
        "$BUILD/tests/tools/random" "$root/configs/$1.yaml" "$directory/other.safetensors" "$directory/input.npy" "${@:2}" && answer &&
        "$CNN" export "$directory/net.safetensors" -o "$directory/net.onnx"
}
for name in $coded; do
    check "int8 $name: cnn export" bytes "$name"
    check "int8 $name: cnn import" back 0.0079
    [ $has_node = no ] || check "int8 $name: ONNX Runtime" onnxruntime 0.0079
done

summary
