#!/bin/bash
# Runs the command-line cases: tests/cli/*.test, or those that are named as arguments. CNN is the program (default: build/cnn).
#
# A case is a text file of steps, run one after another in one fresh, empty directory. The first character of a line says what it is:
#
#   # a comment (so are empty lines)
#   $ cnn eval --threads 0     a step: a shell command, in which `cnn` is the program, `picture` writes
#                              noisy pictures (tests/tools/picture.c) and $TESTS is the folder tests/;
#   |                          the lines behind `|` continue it, e.g. the text of a here-document
#   > text                     a line that it must write to standard output (no such line: nothing must be written)
#   ! text                     the same for standard error
#   ? 2                        its exit status (no such line: 0)
#
# In an expected line, `...` stands for any text, and a line of `...` alone for any number of lines.
set -u

# shellcheck source=tests/cases.sh
. "$(dirname "$0")/../cases.sh"

TESTS=$root/tests
export TESTS
unset CNN_DATA
unset MAKEFLAGS # a case's make has no part in the jobs of the one that runs the tests

# `cnn` is found as an installed program is, so that it calls itself so in the commands that it suggests.
mkdir "$directory/bin"
ln -s "$CNN" "$directory/bin/cnn"
PATH=$directory/bin:$PATH

# Whether file $1 holds the text $2 (expected lines, each ended); if not, shows the difference under the title $3.
matches() {
    local pattern= actual line
    IFS= read -r -d '' actual <"$1"
    while IFS= read -r line; do
        if [ "$line" = ... ]; then
            pattern+='*'
        else
            as_pattern "$line"
            pattern+=${REPLY//.../*}$'\n'
        fi
    done <<<"${2%$'\n'}"
    [ -n "$2" ] || pattern=
    [[ $actual == $pattern ]] && return 0
    printf '%s\n' "$3"
    diff -u --label expected --label actual <(printf '%s' "$2") "$1" | sed 's/^/    /'
    return 1
}

# Runs the step that has been read; false and a report where its results are not those expected.
check_step() {
    local good=0 actual
    (cd "$directory/work" && eval "$command") >"$directory/out" 2>"$directory/err" </dev/null
    actual=$?
    if [ "$actual" != "$status" ]; then
        printf '%s: exit status %s, expected %s\n' "$place" "$actual" "$status"
        good=1
    fi
    matches "$directory/out" "$out" "$place: standard output" || good=1
    matches "$directory/err" "$err" "$place: standard error" || good=1
    return $good
}

run_case() {
    local line number=0 command= out= err= status=0 place= good=0
    while IFS= read -r line || [ -n "$line" ]; do
        number=$((number + 1))
        case $line in
        '$ '*)
            [ -z "$command" ] || check_step || good=1
            command=${line#??} out= err= status=0 place=${1##*/}:$number
            ;;
        '|'*)
            line=${line#|}
            command+=$'\n'${line# }
            ;;
        '>'*) line=${line#>} out+=${line# }$'\n' ;;
        '!'*) line=${line#!} err+=${line# }$'\n' ;;
        '? '*) status=${line#??} ;;
        '' | '#'*) ;;
        *)
            printf '%s:%s: not a line of a case: %s\n' "$1" "$number" "$line"
            return 1
            ;;
        esac
    done <"$1"
    check_step || good=1
    return $good
}

[ $# -gt 0 ] || set -- "$TESTS"/cli/*.test
for case in "$@"; do
    mkdir "$directory/work"
    if run_case "$case"; then
        pass
    else
        failed=$((failed + 1))
    fi
    rm -rf "$directory/work"
done
summary
