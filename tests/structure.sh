#!/bin/bash
# The structure that src/README.md describes: folders include only what their row names, lines are at
# most 100 columns long, functions are short and files that need each other are known. With --print
# (make metrics) it prints the figures.
#
# BUILD is where libcnn.a stands (default: build).
set -u

# shellcheck source=tests/cases.sh
. "$(dirname "$0")/cases.sh"
cd "$root" || exit 1

WIDTH=100     # columns of code and comments
LONGEST=50    # lines of a function's body
PARAMETERS=6 # of a function: what belongs together is a struct

# Groups of files that need each other, one a line: there are none.
cat >"$directory/known" <<'KNOWN'
KNOWN

sources() {
    find src cnn-cli -name '*.[ch]' | sort
}

# Lines that are too long, of all C files.
find src cnn-cli tests examples -name '*.[ch]' -exec awk -v width=$WIDTH \
    'length > width { print FILENAME ":" FNR }' {} + >"$directory/wide"

# And of prose: code, tables and Korean, whose letters are two columns wide, are left alone.
find ./*.md docs configs models src examples tests -name '*.md' ! -name '*.ko.md' ! -path '*/ko/*' -exec awk -v width=$WIDTH '
    FNR == 1 { fenced = 0 }
    /^```/ { fenced = !fenced }
    !fenced && !/^(```| *\||    )/ && length > width { print FILENAME ":" FNR }' {} + >>"$directory/wide"

# FUNCTION-LINES PARAMETERS FILE:LINE NAME. The sources are formatted: a function begins and ends with
# a brace in the first column. Attributes, and macros around a name, are left out.
find src cnn-cli tests examples -name '*.[ch]' | sort | xargs awk '
        FNR == 1 { inside = 0; signature = "" }
        !inside && /^[a-zA-Z]/ && !/[;={]$/ && signature !~ /always_inline.. [a-z]*$/ {
            signature = $0
            start = FNR
            next
        }
        /^\{$/ && signature != "" { inside = 1; first = FNR; next }
        /^\}$/ && inside {
            gsub(/__attribute__\(\([a-z_]*\)\)/, "", signature)
            if (sub(/CNN_[A-Z0-9]*_NAME\(/, "", signature))
                sub(/\)\(/, "(", signature)
            list = name = signature
            sub(/^[^(]*\(/, "", list)
            while (gsub(/\([^()]*\)/, "", list)) { }
            count = list ~ /^void\)/ ? 0 : gsub(/,/, ",", list) + 1
            sub(/\(.*/, "", name)
            sub(/.*[ *]/, "", name)
            print FNR - first - 1, count, FILENAME ":" start, name
            inside = 0
            signature = ""
            next
        }
        !inside && signature != "" { signature = /^[ a-z]/ ? signature " " $0 : "" }
    ' >"$directory/functions"

# Includes of folders that a folder may not use.
awk -F'|' '/^\| `[a-z]+` \|/ { gsub(/[` ]/, "", $2); print $2, $4 }' src/README.md >"$directory/allowed"
for folder in src/*/; do
    folder=$(basename "$folder")
    [ "$folder" = include ] && continue
    allowed=" $folder $(sed -n "s/^$folder //p" "$directory/allowed") "
    grep -rhoE '^#include "[a-z]+/' "src/$folder" | sed 's/.*"\(.*\)\//\1/' | sort -u | while read -r used; do
        [[ $allowed == *" $used "* ]] || printf '%s uses %s\n' "$folder" "$used"
    done
    grep -q "^$folder" "$directory/allowed" || printf '%s has no row\n' "$folder"
done >"$directory/forbidden"

# Files that take memory past util/allocate, or give it back so.
find "$BUILD/obj/src" -name '*.o' ! -path '*/util/allocate.o' -print0 2>/dev/null | xargs -r0 nm -A -P -u |
    awk -v prefix="$BUILD/obj/" \
        '$2 ~ /^(malloc|calloc|realloc|reallocarray|free|strdup|strndup|aligned_alloc|posix_memalign|memalign|asprintf|vasprintf|getline|getdelim|open_memstream|scandir)$/ {
            print substr($1, length(prefix) + 1), $2
        }' | while read -r object name; do
    [ ! -f "${object%%.*}.c" ] || printf '%s %s\n' "$object" "$name" # else of a file that is no more
done >"$directory/past"

# Groups of files that need each other's functions: strongly connected components, Tarjan 1972.
find "$BUILD/obj/src" -name '*.o' 2>/dev/null | grep -v '\.avx[0-9a-z]*\.o$' | xargs -r nm -A -P -g |
    awk -v prefix="$BUILD/obj/src/" '
    {
        file = substr($1, length(prefix) + 1)
        sub(/(\.[a-z0-9]+)?\.o:$/, "", file)
        print file, $2, $3
    }' | awk '
    function visit(v, i, n, list, w, group, size) {
        number[v] = low[v] = ++counter
        stack[++top] = v
        on[v] = 1
        n = split(uses[v], list, " ")
        for (i = 1; i <= n; i++) {
            w = list[i]
            if (!(w in number)) {
                visit(w)
                if (low[w] < low[v]) low[v] = low[w]
            } else if (on[w] && number[w] < low[v])
                low[v] = number[w]
        }
        if (low[v] != number[v])
            return
        do {
            w = stack[top--]
            on[w] = 0
            group = group (group == "" ? "" : "\n") w
            size++
        } while (w != v)
        if (size > 1) {
            print group | "sort | paste -sd\" \""
            close("sort | paste -sd\" \"")
        }
    }
    $3 != "U" { owner[$2] = $1 }
    { file[NR] = $1; symbol[NR] = $2; undefined[NR] = $3 == "U"; seen[$1] = 1 }
    END {
        for (i = 1; i <= NR; i++)
            if (undefined[i] && symbol[i] in owner && owner[symbol[i]] != file[i] &&
                !((file[i], owner[symbol[i]]) in have)) {
                have[file[i], owner[symbol[i]]] = 1
                uses[file[i]] = uses[file[i]] " " owner[symbol[i]]
            }
        for (f in seen)
            if (!(f in number))
                visit(f)
    }' | sort >"$directory/circles"

figures() {
    printf 'lines over %d columns: %d of %d\n' $WIDTH "$(wc -l <"$directory/wide")" \
        "$(find src cnn-cli tests examples -name '*.[ch]' -exec cat {} + | wc -l)"
    grep -E ' (src|cnn-cli)/' "$directory/functions" | sort -n | awk '{ lines[NR] = $1 } $2 > most { most = $2 } $2 > 6 { many++ } END {
        printf "functions: %d, median %d lines, 90 %% at most %d, the longest %d\n", NR, lines[int((NR + 1) / 2)],
            lines[int(NR * 0.9)], lines[NR]
        printf "parameters: at most %d; more than 6 in %d functions\n", most, many
    }'
    printf 'files: %d, the longest %s\n' "$(sources | wc -l)" \
        "$(sources | xargs wc -l | sed '$d' | sort -rn | awk 'NR == 1 { print $1, $2 }')"
    printf 'includes that src/README.md does not allow: %d\n' "$(wc -l <"$directory/forbidden")"
    printf 'circles between files: %d\n' "$(wc -l <"$directory/circles")"
    sed 's/^/    /' "$directory/circles"
}

if [ "${1-}" = --print ]; then
    figures
    exit
fi

check 'every line is at most 100 columns long' cmp /dev/null "$directory/wide"
check 'folders use what src/README.md allows' cmp /dev/null "$directory/forbidden"
grep -rlE '#include "kernels/(plain|ref|vector/[a-z_0-9]*)\.h"' src cnn-cli |
    grep -v '^src/kernels/' >"$directory/private"
check 'only kernels/ includes the functions behind the tables' cmp /dev/null "$directory/private"
awk -v lines=$LONGEST '$1 > lines && $3 ~ /^(src|cnn-cli)/' "$directory/functions" >"$directory/long"
# mandoc fills lines of .Dl: longer ones break, and cannot be copied.
awk '/^\.Dl/ && length($0) > 70 {print FILENAME ":" FNR}' man/* >"$directory/filled"
check 'example lines of manual pages fit into a line' cmp /dev/null "$directory/filled"
check "functions have at most $LONGEST lines" cmp /dev/null "$directory/long"
awk -v count=$PARAMETERS '$2 > count' "$directory/functions" >"$directory/many"
check "functions have at most $PARAMETERS parameters" cmp /dev/null "$directory/many"
check 'memory is taken and given back by util/allocate alone' cmp /dev/null "$directory/past"
# Functions that no example in C names, and those that none in C++ does.
sed -n 's/^    \(cnn_[a-z0-9_]*\);$/\1/p' src/libcnn.map | sort >"$directory/public"
unnamed() { # LANGUAGE FILE...
    grep -ohwE 'cnn_[a-z0-9_]+' "${@:2}" | sort -u | comm -23 "$directory/public" - | sed "s/$/, in $1/"
}
{
    unnamed C examples/*.c
    unnamed C++ examples/*.cc examples/*.h
} >"$directory/unnamed"
check 'every function of cnn.h stands in an example in C and in one in C++' cmp /dev/null "$directory/unnamed"
# `p != NULL` is for what wants a truth value, and behind an assignment.
grep -rnE --include='*.[ch]' '== NULL|!= NULL ([&|?]|$)|(if|while) \(.* != NULL\)( \{)?$' src cnn-cli tests examples |
    grep -v ' = .*) != NULL' >"$directory/compared"
check 'pointers are tested by ! and by themselves' cmp /dev/null "$directory/compared"
if [ -n "$(find "$BUILD/obj/src" -name '*.o' -print -quit 2>/dev/null)" ]; then
    check 'no other files need each other' diff <(sort "$directory/known") "$directory/circles"
else
    skip 'circles between files: nothing is built'
fi
summary
