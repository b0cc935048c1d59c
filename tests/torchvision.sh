#!/bin/bash
# The descriptions of configs/zoo compute what torchvision's networks do, with random weights and
# statistics, on one image and on several. CNN is the program (default: build/cnn). ZOO=all tries
# every network, which takes four minutes, ZOO='NAME...' some of them.
set -u

# shellcheck source=tests/cases.sh
. "$(dirname "$0")/cases.sh"

python=${PYTHON:-/usr/bin/python3}
names=${ZOO:-resnet18 shufflenet_v2_x1_0 mobilenet_v3_small googlenet}
networks=()
for name in $names; do
    networks+=("$root/configs/zoo/$name.yaml")
done
[ "$names" != all ] || networks=("$root"/configs/zoo/*.yaml "$root/configs/mlperf_resnet8.yaml")
if ! "$python" -c 'import numpy, torch, torchvision' 2>/dev/null; then
    skip 'the networks of configs/zoo beside torchvision: needs python3-torchvision' "${#networks[@]}"
elif nm "$CNN" 2>/dev/null | grep -q __asan_init; then
    skip 'a program with sanitizers is not compared with torchvision' "${#networks[@]}"
else
    for network in "${networks[@]}"; do
        check "$(basename "$network"): agrees with torchvision" \
            "$python" "$root/tests/torchvision/agree.py" "$CNN" "$network"
    done
fi

summary
