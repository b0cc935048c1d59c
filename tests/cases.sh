# shellcheck shell=bash
# What test scripts do alike; they source it. CNN becomes the path of the program (default: build/cnn), root that of the source tree, and directory a fresh
# folder, which goes when the script ends. The last line of a script is `summary`.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CNN=$(realpath "${CNN:-$root/build/cnn}")
BUILD=$(realpath "${BUILD:-$(dirname "$CNN")}")
export CNN BUILD LC_ALL=C TERM=dumb
unset NO_COLOR CNN_CPU

passed=0
failed=0
skipped=0
directory=$(mktemp -d)
trap 'rm -rf "$directory" "$directory.log"' EXIT

pass() {
    passed=$((passed + 1))
}

# fail NAME [FILE]: FILE tells more.
fail() {
    failed=$((failed + 1))
    printf 'failed: %s\n' "$1"
    [ $# -lt 2 ] || sed 's/^/    /' "$2"
}

# skip NAME [CASES]
skip() {
    skipped=$((skipped + ${2:-1}))
    printf 'skipped: %s\n' "$1"
}

# check NAME COMMAND...: the case passes where the command succeeds.
check() {
    local name=$1
    shift
    if "$@" >"$directory.log" 2>&1; then
        pass
    else
        fail "$name" "$directory.log"
    fi
}

# picture WIDTHxHEIGHT BRIGHTNESS FILE...: noisy pictures (tests/tools/picture.c).
picture() {
    ${EMULATOR:-} "$BUILD/tests/tools/picture" "$@"
}

# pictures FOLDER CLASS:BRIGHTNESS:COUNT...: 16 x 16 pictures FOLDER/CLASS/CLASS-000.png and so on.
pictures() {
    local folder=$1 spec class brightness count i files
    shift
    for spec in "$@"; do
        IFS=: read -r class brightness count <<<"$spec"
        files=()
        for ((i = 0; i < count; i++)); do
            printf -v 'files[i]' '%s/%s/%s-%03d.png' "$folder" "$class" "$class" "$i"
        done
        mkdir -p "$folder/$class"
        [ "$count" -eq 0 ] || picture 16x16 "$brightness" "${files[@]}"
    done
}

# net_with_state LIMIT BATCH EPOCHS: the description of a small network, for standard output. Everything random and every kind of state of a run is in it.
net_with_state() {
    cat <<YAML
name: net
input: [3, 16, 16]
layers:
  - {type: conv, filters: 8, kernel_size: 3, padding: same, bias: false}
  - {type: batch_norm, activation: relu}
  - {type: conv, filters: 16, kernel_size: 3, padding: same, activation: relu}
  - {type: pool, pool_type: max, kernel_size: 4}
  - {type: dropout, rate: 0.25}
  - {type: flatten}
  - {type: dense, units: 10}
loss: {type: cross_entropy, label_smoothing: 0.1}
data:
  dataset: shapes
  limit: $1
  val_split: 0.2
  normalize: auto
  augment: [{type: flip, mode: alternating}, {type: crop, padding: 2}, {type: mixup, alpha: 0.2}]
train:
  epochs: $3
  batch_size: $2
  clip_norm: 1
  ema: {decay: 0.9}
  optimizer: {type: adamw, lr: 0.005}
  schedule: {type: plateau, patience: 0, gamma: 0.5, warmup_epochs: 0.5}
  log_every: 1
YAML
}

# as_pattern TEXT: in REPLY, a pattern that matches that text alone.
as_pattern() {
    local special
    REPLY=$1
    for special in \\ '[' ']' '*' '?' '(' ')'; do
        REPLY=${REPLY//"$special"/\\"$special"}
    done
}

# The status is that of the script.
summary() {
    printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
    [ "$failed" -eq 0 ]
}
