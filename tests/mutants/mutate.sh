#!/bin/bash
# Breaks the sources on purpose, one mutation of tests/mutants/list at a time, and sees whether a
# test notices. Works on a copy of the tracked files in $BUILD-mutants.
#
#   tests/mutants/mutate.sh [--check] [PART...]
#
# PART is a number of the list, or a part of the name of a file (src/recipe); without one, all are
# tried. --check only looks whether each mutation still applies. CC is the compiler, BUILD the
# build's folder, WIDER what runs where the tests that a mutation names pass.
#
# A record of the list, up to an empty line:
#
#   file src/recipe/stopping.c     a source
#   from a < b - c                 its code, which stands there once; white space does not matter
#   to a < b + c                   what takes its place
#   tests test_recipe cli/recipe   run first: a program or a script (resume.sh) of tests/, or a case
#                                  of tests/cli/
set -u
LONGEST=600 # seconds that a test may take
cd "$(dirname "$0")/../.." || exit 1

list=$PWD/tests/mutants/list
scratch=$(realpath -m "${BUILD:-build}-mutants")
wider=$(printf '%s\n' ${WIDER:-} | sed -e 's|.*/\(test_[a-z0-9_]*\)$|\1|' -e 's|^tests/||')
check=
[ "${1:-}" != --check ] || { check=1; shift; }
parts=("$@")

# Whether the mutation of this number, in this file, is to be tried.
wanted() {
    local part
    [ ${#parts[@]} -gt 0 ] || return 0
    for part in "${parts[@]}"; do
        [ "$part" = "$1" ] && return 0
        [[ $part = *[!0-9]* && $2 = *"$part"* ]] && return 0
    done
    return 1
}

# Prints file $1 with $3 in the place of $2; fails unless $2 stands there once.
replace() {
    perl -0777 -e '
        my ($file, $from, $to) = @ARGV;
        open my $in, "<", $file or die "$file: $!\n";
        my $text = <$in>;
        my $pattern = join "\\s*", map { quotemeta } $from =~ /\w+|[^\w\s]/g;
        $pattern = "\\b$pattern" if $from =~ /^\w/;
        $pattern = "$pattern\\b" if $from =~ /\w$/;
        my $count = () = $text =~ /$pattern/g;
        die "$file holds it $count times: $from\n" if $count != 1;
        $text =~ s/$pattern/$to/;
        print $text' "$@"
}

build() {
    nice -n 19 make -s BUILD=build CC="${CC:-cc}" "$@" >"$scratch/make.log" 2>&1
}

# Builds and runs one test; 3 where it cannot be built. A mutation may never end, or ask for all
# memory.
run_test() {
    local target=build/cnn test=tests/$1 runner=tests/run.sh
    case $1 in
    test_*) target=build/tests/$1 test=$target ;;
    cli/*.sh) ;;
    cli/*) test+=.test runner=tests/cli/run.sh ;;
    esac
    build "$target" || return 3
    (
        [ "$1" = test_api ] || ulimit -v 16000000 # AddressSanitizer maps far more than it uses
        export CNN=build/cnn BUILD=build PREFIX=/usr/local CC=${CC:-cc} SANITIZE=
        timeout "$LONGEST" nice -n 19 "$runner" "$test"
    ) >"$scratch/test.log" 2>&1
}

# The name of the first test that failed, or the case and its line.
reason() {
    sed -n -E -e 's/^\[ *FAILED *\] ([a-zA-Z0-9_]+)$/\1/p;tq' \
        -e '/^[a-z-]+\.(test|sh|yaml):/{s/:? .*//p;q}' -e b -e ':q' -e q "$scratch/test.log"
}

# Tries the mutation that stands in the copy, with its tests; prints what became of it.
try() {
    local name status
    for name in $1 $wider; do
        run_test "$name"
        status=$?
        if [ $status -eq 3 ]; then
            printf 'DID NOT BUILD: %s\n' "$(grep -m1 -E 'error|undefined' "$scratch/make.log")"
            return 1
        elif [ $status -eq 124 ]; then # on a machine that is very busy this may say nothing
            printf 'caught by %s: not ended after %s s\n' "$name" "$LONGEST"
            return 0
        elif [ $status -ne 0 ]; then
            printf 'caught by %s %s\n' "$name" "$(reason)"
            return 0
        fi
    done
    printf 'SURVIVED\n'
    return 1
}

declare -A sane

# Tests that fail of themselves would catch everything.
check_sane() {
    local name
    for name in $1; do
        [ -z "${sane[$name]:-}" ] || continue
        run_test "$name" || {
            printf '%s fails without any mutation\n' "$name"
            cat "$scratch/make.log" "$scratch/test.log"
            exit 1
        }
        sane[$name]=1
    done
}

# Applies the mutation of the record, tries it and takes it back; prints what became of it.
mutate() {
    local what
    if ! what=$(replace "$file" "$from" "$to" 2>&1 >"$scratch/mutated"); then
        printf 'DOES NOT APPLY: %s\n' "$what"
        return 1
    fi
    if [ -n "$check" ]; then
        printf 'applies\n'
        return 0
    fi
    cp "$file" "$scratch/original"
    cp "$scratch/mutated" "$file"
    try "$tests"
    what=$?
    cp "$scratch/original" "$file"
    return $what
}

number=0 passed=0 failed=0 file='' from='' to='' tests=''

end_record() {
    local what
    [ -n "$file" ] || return 0
    number=$((number + 1))
    if wanted $number "$file"; then
        [ -n "$check" ] || check_sane "$tests"
        what=$(mutate) && passed=$((passed + 1)) || failed=$((failed + 1))
        printf '%3d %s: %s: %s\n' $number "$file" "$to" "$what"
    fi
    file='' from='' to='' tests=''
}

# What is left of an earlier call may be broken: the copy is made anew.
rm -rf "$scratch"
mkdir -p "$scratch/tree"
trap 'rm -f "$scratch/mutated" "$scratch/original" "$scratch"/*.log' EXIT
git ls-files -z | xargs -0 cp --parents -t "$scratch/tree"
cd "$scratch/tree" || exit 1
if [ -z "$check" ]; then
    # test scripts use all of them
    build all $(ls tests/tools/*.c tests/preload/*.c | sed -e 's|^|build/|' \
        -e 's|\(/tools/.*\)\.c$|\1|' -e 's|\(/preload/.*\)\.c$|\1.so|') ||
        { cat "$scratch/make.log"; exit 1; }
fi

while IFS= read -r line || [ -n "$line" ]; do
    case $line in
    'file '*) file=${line#file } ;;
    'from '*) from=${line#from } ;;
    'to '*) to=${line#to } ;;
    'tests '*) tests=${line#tests } ;;
    '#'*) ;;
    '') end_record ;;
    *) printf '%s: not a line of a record: %s\n' "$list" "$line"; exit 1 ;;
    esac
done < <(cat "$list"; printf '\n')

printf '%d passed, %d failed\n' $passed $failed
[ $failed -eq 0 ]
