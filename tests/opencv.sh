#!/bin/bash
# Networks of Caffe and Darknet with random parameters: OpenCV reads the same files, and what the imported models give agrees with it to 1e-4 of the largest
# number. Needs python3-opencv. With names of networks it tries these.
set -u

# shellcheck source=tests/cases.sh
. "$(dirname "$0")/cases.sh"

python=$(for candidate in ${PYTHON:-/usr/bin/python3 python3}; do
    "$candidate" -c 'import cv2, numpy' 2>/dev/null && echo "$candidate" && break
done)
script=$root/tests/opencv/networks.py

# Networks are large: each goes before the next one comes.
agrees() {
    local files=("$directory/$1"/net.*) status
    "$CNN" import "${files[@]}" -o "$directory/net.safetensors" &&
        "$BUILD/tests/tools/agree" "$directory/net.safetensors" "$directory/$1/input" "$directory/$1/output" 1e-4
    status=$?
    rm -rf "${directory:?}/$1"
    return $status
}

if [ -z "$python" ]; then
    skip 'networks of Caffe and Darknet: no python3 with cv2 (apt-get install python3-opencv)'
elif nm "$CNN" 2>/dev/null | grep -q __asan_init; then
    skip 'a program with sanitizers is not compared with OpenCV'
else
    [ $# -gt 0 ] || mapfile -t names < <("$python" "$script")
    for name in "${@:-${names[@]}}"; do
        check "$name: OpenCV's files" "$python" "$script" "$directory" "$name"
        check "$name: agrees with OpenCV" agrees "$name"
    done
fi

summary
