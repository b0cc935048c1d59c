#!/bin/bash
# What `cnn init` writes trains as it stands, whatever the folder looks like; the folders are drawn
# by chance from SEED (default: 7), FOLDERS of them. CNN is the program (default: build/cnn).
set -u

# shellcheck source=tests/cases.sh
. "$(dirname "$0")/cases.sh"

cd "$directory" || exit 1
RANDOM=${SEED:-7}

# class FOLDER IMAGES: pictures of some size and kind, and other things that lie in folders.
class() {
    local folder=$1 images=$2 i files=() sizes=(16x16 1x1 40x7 5x90 64x48) kinds=(png bmp)
    mkdir -p "$folder"
    for ((i = 0; i < images; i++)); do
        files+=("$folder/$i.${kinds[RANDOM % 2]}")
    done
    [ "$images" = 0 ] || picture "${sizes[RANDOM % 5]}" $((40 + RANDOM % 170)) "${files[@]}"
    case $((RANDOM % 8)) in
        0) printf 'no picture' >"$folder/broken.png" ;;
        1) printf 'x' >"$folder/notes.txt" ;;
        2) mkdir -p "$folder/deeper" && picture 9x9 100 "$folder/deeper/1.png" ;;
        3) mkdir -p "$folder/.cache" && picture 9x9 100 "$folder/.cache/1.png" ;;
        4) head -c 80 "${files[0]:-/dev/null}" >"$folder/cut.png" ;;
    esac
}

# A folder of some classes, each with some images: many have one or two, or none.
draw() {
    local root=$1 split class classes=$((2 + RANDOM % 5)) counts=(0 1 1 2 3 12 25)
    local splits=('' '' train 'train val' 'Train Valid Test' 'training testing')
    # shellcheck disable=SC2086
    set -- ${splits[RANDOM % 6]}
    class "$root/${1:-.}/first" $((8 + RANDOM % 20))
    class "$root/${1:-.}/second" $((2 + RANDOM % 6))
    for split in "${@:-.}"; do
        for ((class = 0; class < classes; class++)); do
            [ "$split" = "${1:-.}" ] || [ -d "$root/${1:-.}/c$class" ] || continue
            class "$root/$split/c$class" "${counts[RANDOM % 7]}"
        done
        class "$root/$split/first" $((2 + RANDOM % 3))
        mkdir -p "$root/$split/__MACOSX"
    done
    # a class is what holds training images
    find "$root/${1:-.}" -maxdepth 1 -name 'c*' | while read -r class; do
        [ -n "$(find "$class" -not -path '*/.cache/*' \( -name '*.png' -o -name '*.bmp' \))" ] ||
            for split in "${@:2}"; do rm -rf "${root:?}/$split/${class##*/}"; done
    done
}

for ((n = 0; n < ${FOLDERS:-12}; n++)); do
    draw "d$n"
    if ! "$CNN" init "p$n" --data "d$n" >log 2>&1; then
        find "d$n" | sort >>log
        fail "init of folder $n" log
    elif ! "$CNN" train "p$n/config.yaml" -o "r$n" --set train.epochs=1 >log 2>&1; then
        find "d$n" | sort >>log
        fail "training folder $n" log
    else
        pass
    fi
    sed -n 's/^cnn: warning: //p' log | sort | uniq -d >twice
    if [ -s twice ]; then fail "warnings of folder $n that come twice" twice; else pass; fi
    "$CNN" train "p$n/config.yaml" --check 2>&1 | grep -e ^wrong -e 'hint: .*config' >log
    if [ -s log ]; then fail "--check of folder $n" log; else pass; fi
done

# Of eleven images of eleven classes none can be held back, which is said at once.
for i in {1..11}; do class "single/$i" 1; rm -rf single/"$i"/{deeper,broken.png,cut.png}; done
if "$CNN" init p --data single >log 2>&1; then
    fail 'init of classes of one image' log
elif grep -q 'no class in single has more than one image' log && [ ! -e p ]; then
    pass
else
    fail 'init of classes of one image' log
fi

summary
