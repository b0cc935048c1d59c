#!/bin/bash
# Runs docs/lessons.md as a reader would: every `$ ` line of its console blocks, in their order, in a fresh directory that holds configs/ and models/. What a command writes
# to standard output must be what the page shows below it; a line of `...` alone stands for any lines. CNN is the program (default: build/cnn). The Korean lessons
# must hold the same blocks. The commands in the tables of README.ko.md must succeed.
# The memory that a summary gives in total is not compared: it depends on how the processor's kernels pack weights.
#
# A comment right above a block changes how it is treated:
#
#   <!-- needs NAME -->      skipped where $CNN_DATA has no NAME
#   <!-- numbers vary -->    what training computes differs in its last digits from processor to processor: every number may be another one
set -u

# shellcheck source=tests/cases.sh
. "$(dirname "$0")/cases.sh"

# The lessons train for ten minutes under sanitizers; their commands are those of tests/cli, which are watched.
if [ -n "${SANITIZE:-}" ]; then
    skip 'lessons under sanitizers'
    summary
    exit
fi

tree= page=

cnn() {
    "$CNN" "$@"
}

# A text (standard input) as it is compared: where numbers vary, without them and the columns that their widths make.
comparable() {
    if [ -n "$vary" ]; then
        sed -E -e 's/[0-9]+([.,][0-9]+)*| \./ N/g' -e 's/[-+]+/-/g' -e 's/ +/ /g' -e 's/ $//'
    else
        sed -E '/^memory /s/[0-9.]+ [KMG]?i?B/SIZE/g'
    fi
}

# Whether the file $1 holds the text $2.
matches() {
    local pattern= actual line
    actual=$(cat "$1"; printf x)
    while IFS= read -r line; do
        if [ "$line" = ... ]; then
            pattern+='*'
        else
            as_pattern "$line"
            pattern+=$REPLY$'\n'
        fi
    done < <(printf '%s' "$2")
    [[ ${actual%x} == $pattern ]]
}

# Runs the command that has been read, if any.
check_step() {
    local status expected
    [ -n "$command" ] || return
    if [ -n "$needs" ] && [ ! -e "${CNN_DATA:-/nowhere}/$needs" ]; then
        skip "$page:$place needs $needs in CNN_DATA: $command"
        return
    fi
    (cd "$tree" && eval "$command") >"$directory/out" 2>"$directory/err" </dev/null
    status=$?
    comparable <"$directory/out" >"$directory/actual"
    expected=$(printf '%s' "$out" | comparable; printf x)
    expected=${expected%x}
    if [ "$status" -eq 0 ] && matches "$directory/actual" "$expected"; then
        pass
        return
    fi
    fail "$page:$place: $command: exit status $status" "$directory/err"
    diff -u --label expected --label actual <(printf '%s' "$expected") "$directory/actual" | sed 's/^/    /'
}

# Runs the page docs/$1.
check_page() {
    local line number=0 within=
    page=$1 tree=$directory/${1%.md}
    mkdir -p "$tree"
    ln -s "$root/configs" "$root/models" "$tree"
    command= out= needs= vary=
    while IFS= read -r line; do
        number=$((number + 1))
        case $within$line in
        '```console') within='|' ;;
        '|```')
            check_step
            within= command= needs= vary=
            ;;
        '|$ '*)
            check_step
            command=${line#??} out= place=$number
            ;;
        '|'*) out+=$line$'\n' ;;
        '<!-- needs '*' -->') needs=${line#'<!-- needs '} needs=${needs%' -->'} ;;
        '<!-- numbers vary -->') vary=1 ;;
        esac
    done <"$root/docs/$page"
}

# What the commands of a README name: a run, photos, a folder with a folder for each class.
make_world() {
    mkdir -p "$1/flowers"
    ln -s "$root/configs" "$root/models" "$1"
    cp "$root/configs/lessons/15-gull.png" "$1/photo.jpg"
    cp "$root"/configs/lessons/15-*.png "$1/flowers"
    pictures "$1/FOLDER" cat:60:20 dog:180:20
    (cd "$1" && cnn train configs/lessons/14-shapes.yaml --set data.limit=200 --set train.epochs=1 -o runs/NAME-1) >/dev/null 2>&1
}

# Runs each `cnn ...` in the tables of the page $1, in their order: it must succeed.
check_commands() {
    local command
    page=$1 tree=$directory/world
    make_world "$tree"
    while IFS= read -r command; do
        case $command in
        *cifar10:* | *patches*) needs=${CNN_DATA:-/nowhere}/cifar-10-batches-bin ;;
        *' lab '*) needs=$BUILD/lab.html ;;
        *) needs= ;;
        esac
        if [ -n "$needs" ] && [ ! -e "$needs" ]; then
            skip "$page needs $needs: $command"
        elif (cd "$tree" && eval "$command") >"$directory/out" 2>&1 </dev/null; then
            pass
        else
            fail "$page: $command" "$directory/out"
        fi
    done < <(grep '^|' "$root/$page" | grep -o '`cnn [^`]*`' | tr -d '`')
}

# The console blocks of a page, and the comments that say how to run them.
console_blocks() {
    awk '/^<!-- (needs |numbers vary)/; /^```console$/ { inside = 1 } inside; /^```$/ { inside = 0 }' "$root/docs/$1"
}

# The Korean lessons have the lessons and the blocks of the English ones, so they need not run again; words that they explain in English are in the glossary.
check_korean() {
    local word
    check 'the same blocks in English and Korean' diff -u <(console_blocks lessons.md) <(console_blocks ko/lessons.md)
    check 'the same headings' diff -u <(grep -oE '^#+ ([0-9]+\.)?' "$root/docs/lessons.md") <(grep -oE '^#+ ([0-9]+\.)?' "$root/docs/ko/lessons.md")
    while IFS= read -r word; do
        check "docs/ko/glossary.md has '$word'" grep -qi "^| [^|]*$word" "$root/docs/ko/glossary.md"
    done < <(tr '\n' ' ' <"$root/docs/ko/lessons.md" | grep -oP '[\x80-\xff]\(\K[a-z][a-z -]+(?=\))' | sort -u)
}

check_page lessons.md
check_korean
check_commands README.ko.md

summary
