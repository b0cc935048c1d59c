#!/bin/bash
# A split or a class that cannot be read stops the command by name: nothing takes its place. CNN is
# the program (default: build/cnn).
set -u

# shellcheck source=tests/cases.sh
. "$(dirname "$0")/cases.sh"

cd "$directory" || exit 1
chmod 755 .
for split in train val test; do
    pictures "d/$split" cat:60:5 dog:180:5
done
cat >net.yaml <<'END'
input: [3, 8, 8]
layers: [{type: flatten}, {type: dense, units: 2}]
data: {dataset: folder, path: d}
train: {epochs: 1, batch_size: 4, optimizer: {type: sgd, lr: 0.1}}
END
mkdir out
chmod 777 out

# As somebody who may not read what has no permission.
unprivileged() {
    if [ "$(id -u)" != 0 ]; then
        "$@"
    else
        setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
    fi
}

# fails NAME MESSAGE COMMAND...: status 1, and MESSAGE is all that is said.
fails() {
    local name=$1 message=$2 status
    shift 2
    "$@" >log 2>&1
    status=$?
    if [ "$status" = 1 ] && [ "$(cat log)" = "cnn: error: $message" ]; then
        pass
    else
        fail "$name (status $status)" log
    fi
}

commands() {
    local name=$1 message=$2
    shift 2
    fails "train, $name" "$message" "$@" "$CNN" train net.yaml -o "out/$RANDOM"
    fails "init, $name" "$message" "$@" "$CNN" init "out/$RANDOM" --data d
    fails "data, $name" "$message" "$@" "$CNN" data net.yaml -o out/d.png
}

if unprivileged "$CNN" version >log 2>&1; then
    for folder in d/val d/train/dog d; do
        chmod 000 $folder
        commands "$folder may not be read" "cannot read the folder $folder: Permission denied" \
            unprivileged
        chmod 755 $folder
    done
    # What may not be read is not taken for something that is not there.
    mkdir -p lock photos/lock
    picture 16x16 90 photos/a.png
    chmod 000 lock photos/lock
    mine=(unprivileged "$CNN")
    # A model of its own: the one that ships may stand where somebody else cannot go.
    "$CNN" train net.yaml -o out/model >/dev/null 2>&1 && cp out/model/best.safetensors model.safetensors
    while read -r message command; do
        IFS=' ' read -ra words <<<"$command"
        "${mine[@]}" "${words[@]}" >log 2>&1
        if [ $? = 1 ] && tail -n 1 log |
            grep -qxF "cnn: error: ${message//_/ }: Permission denied"; then
            pass
        else
            fail "$command, where a folder may not be read" log
        fi
    done <<'END'
photos/lock predict model.safetensors photos
lock predict model.safetensors lock
cannot_read_lock/config.yaml train lock
cannot_read_lock/config.yaml data lock -o out/lock.png
cannot_read_lock/best.safetensors eval lock
cannot_read_lock/film.safetensors verify lock
cannot_read_lock/config.yaml report lock photos -o out/lock.html
END
    chmod 755 lock photos/lock
else
    skip 'folders without permission: setpriv cannot change the user' 16
fi

# The folder is read, and then some of it cannot be: every single call that reads one, as init makes
# them for all splits.
if "$CNN" init out/whole --data d >log 2>&1; then pass; else fail 'init' log; fi
listing='opendir readdir'
if [ -n "${SANITIZE:-}" ] || [ -n "${EMULATOR:-}" ]; then
    skip 'folders whose reading fails: not with a sanitizer or an emulator' 75
    listing=
fi
for call in $listing; do
    INJECT_COUNT=$directory/count LD_PRELOAD=$BUILD/tests/preload/inject.so \
        "$CNN" init "out/counted-$call" --data d >log 2>&1
    calls=$(sed -n "s/^$call //p" count)
    [ "${calls:-0}" -gt 0 ] || fail "$call is never called" count
    step=1
    [ "$call" = opendir ] || step=7
    for ((i = 1; i <= ${calls:-0}; i += step)); do
        INJECT=$call:$i LD_PRELOAD=$BUILD/tests/preload/inject.so \
            "$CNN" init "out/$call-$i" --data d >log 2>&1
        status=$?
        if [ "$status" = 1 ] && [ ! -e "out/$call-$i" ] &&
            grep -q '^cnn: error: cannot read the folder d.*: Input/output error$' log; then
            pass
        else
            fail "$call number $i fails (status $status)" log
        fi
    done
done

summary
