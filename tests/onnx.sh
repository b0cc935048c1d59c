#!/bin/bash
# Networks of torchvision, exported by PyTorch and imported: what they give for a batch of one and of eight is what ONNX Runtime makes of the file, and they
# have as many parameters. Python's torch and torchvision and node's onnxruntime-node (NODE_PATH) are wanted; ZOO=all tries the whole family in three opsets,
# which takes half an hour, ZOO='NAME...' some of it.
set -u

# shellcheck source=tests/cases.sh
. "$(dirname "$0")/cases.sh"

PYTHON=
for python in python3 /usr/bin/python3; do
    [ -n "$PYTHON" ] || ! "$python" -c 'import torchvision' 2>/dev/null || PYTHON=$python
done
if [ -z "$PYTHON" ]; then
    skip 'networks of torchvision: python3 has no torchvision'
    summary
    exit
fi
if ! node -e 'require("onnxruntime-node")' 2>/dev/null; then
    skip 'networks of torchvision in ONNX Runtime: node has no onnxruntime-node'
    summary
    exit
fi

# $1 images of the eight.
first() {
    "$PYTHON" -c 'import numpy, sys; numpy.save(sys.argv[2], numpy.load(sys.argv[1])[:int(sys.argv[3])])' "$directory/all.npy" "$directory/input.npy" "$1"
}

agrees() {
    first "$1" && node "$root/tests/export/onnxruntime.js" "$directory/net.onnx" "$directory/input.npy" "$directory/ort.npy" &&
        "$CNN" predict "$directory/net.safetensors" "$directory/input.npy" --save-output "$directory/own.npy" >/dev/null &&
        "$PYTHON" "$root/tests/export/near.py" "$directory/own.npy" "$directory/ort.npy" 1e-4
}

imported() {
    "$CNN" import "$directory/net.onnx" -o "$directory/net.safetensors"
}

counted() {
    "$CNN" summary "$directory/net.safetensors" --json | grep -o '"params": [0-9]*, "trainable_params"' | grep -x "\"params\": $1, \"trainable_params\""
}

# The network that came in, written anew, in ONNX Runtime.
again() {
    "$CNN" export "$directory/net.safetensors" -o "$directory/again.onnx" &&
        node "$root/tests/export/onnxruntime.js" "$directory/again.onnx" "$directory/input.npy" "$directory/again.npy" &&
        "$PYTHON" "$root/tests/export/near.py" "$directory/again.npy" "$directory/own.npy" 1e-4
}

try() {
    local count
    rm -f "$directory/net.onnx" "$directory/net.safetensors" "$directory/again.onnx"
    count=$("$PYTHON" "$root/tests/export/torchvision_onnx.py" "$1" "$2" "$directory/net.onnx" "$directory/all.npy" 2>"$directory/log" | tail -n 1)
    if [ ! -s "$directory/net.onnx" ]; then
        skip "$1, opset $2: PyTorch does not export it: $(tail -n 1 "$directory/log")"
        return
    fi
    check "$1, opset $2: cnn import" imported
    [ -s "$directory/net.safetensors" ] || return
    check "$1, opset $2: batch 1" agrees 1
    check "$1, opset $2: batch 8" agrees 8
    [ "$2" != 17 ] || check "$1: exported again" again
    # In the other files batch_norms are folded into convolutions.
    [ "$2" != 17 ] || check "$1: parameters" counted "$count"
}

small='squeezenet1_1'
family='alexnet vgg16 vgg16_bn resnet18 resnet34 resnet50 resnext50_32x4d wide_resnet50_2 densenet121 googlenet inception_v3 squeezenet1_1 shufflenet_v2_x1_0
    mobilenet_v2 mobilenet_v3_large mnasnet1_0 efficientnet_b0 regnet_y_400mf convnext_tiny'
case ${ZOO:-} in
'') names=$small opsets=${OPSETS:-17} ;;
all) names=$family opsets=${OPSETS:-9 13 17} ;;
*) names=$ZOO opsets=${OPSETS:-9 13 17} ;;
esac
for name in $names; do
    for opset in $opsets; do
        try "$name" "$opset"
    done
done

summary
