#!/bin/bash
# The binary interface of libcnn.so: src/libcnn.abi lists every function, enumerator and struct of
# cnn.h, with sizes and offsets. A change of the header must change the list too, in the same
# commit, so nobody changes the interface without seeing it:
#
#   tests/abi.sh --print >src/libcnn.abi
set -u -o pipefail

# shellcheck source=tests/cases.sh
. "$(dirname "$0")/cases.sh"
cd "$root" || exit 1

# The header in one line, without comments and macros.
declarations() {
    sed '/^#include/d; /^#pragma/d' "$1" | ${CC:-cc} -E -P -xc - | tr -s ' \n\t' ' '
}

# A program in C that prints the list. Declarations end with a semicolon outside of braces; members
# are split likewise.
describe() {
    awk '
        function trim(text) { gsub(/^ +| +$/, "", text); return text }
        # The name in a declarator: "*const *names", "loss[2]", "(*event)(void *context)".
        function name_of(text) {
            if (match(text, /\(\*[a-z_0-9]+\)/))
                return substr(text, RSTART + 2, RLENGTH - 3)
            sub(/\[.*/, "", text)
            match(text, /[a-z_A-Z0-9]+ *$/)
            return trim(substr(text, RSTART, RLENGTH))
        }
        function member(type, text,    i, count, list, name) {
            count = text ~ /\(\*/ ? 1 : split(text, list, ",")
            for (i = 1; i <= count; i++) {
                name = name_of(count == 1 ? text : list[i])
                printf "    printf(\"    %%zu %%zu %s\\n\", offsetof(%s, %s), sizeof ((%s *)0)->%s);\n",
                    count == 1 ? text : i == 1 ? list[1] : trim(list[i]), type, name, type, name
            }
        }
        function declaration(text,    name, body, list, count, i) {
            text = trim(text)
            if (text !~ /\{/) {
                if (text != "")
                    printf "    puts(\"%s\");\n", text
                return
            }
            name = trim(substr(text, index(text, "}") + 1))
            body = substr(text, index(text, "{") + 1)
            body = substr(body, 1, index(body, "}") - 1)
            if (text ~ /^typedef enum/) {
                printf "    puts(\"enum %s\");\n", name
                count = split(body, list, ",")
                for (i = 1; i <= count; i++)
                    if (trim(list[i]) != "") {
                        sub(/=.*/, "", list[i])
                        printf "    printf(\"    %%d %s\\n\", %s);\n", trim(list[i]), trim(list[i])
                    }
                return
            }
            printf "    printf(\"struct %s, %%zu bytes\\n\", sizeof(%s));\n", name, name
            count = split(body, list, ";")
            for (i = 1; i <= count; i++)
                if (trim(list[i]) != "")
                    member(name, trim(list[i]))
        }
        BEGIN { print "#include <stdio.h>\n#include <cnn.h>\nint main(void)\n{" }
        {
            for (i = 1; i <= length($0); i++) {
                c = substr($0, i, 1)
                depth += (c == "{") - (c == "}")
                if (c == ";" && depth == 0) {
                    declaration(text)
                    text = ""
                } else {
                    text = text c
                }
            }
        }
        END { print "    return 0;\n}" }'
}

# abi HEADER
abi() {
    declarations "$1" | describe >"$directory/abi.c" &&
        ${CC:-cc} -std=c11 -I"$(dirname "$1")" -o "$directory/abi" "$directory/abi.c" &&
        ${EMULATOR:-} "$directory/abi"
}

if [ "${1-}" = --print ]; then
    abi src/include/cnn.h
    exit
fi

check 'cnn.h is described' eval 'abi src/include/cnn.h >"$directory/now"'
check 'src/libcnn.abi is what cnn.h declares' diff src/libcnn.abi "$directory/now"
sed -n 's/^    \(cnn_[a-z0-9_]*\);$/\1/p' src/libcnn.map >"$directory/functions"
sed -n 's/^[^ ].*[ *]\(cnn_[a-z0-9_]*\)(.*/\1/p' src/libcnn.abi | grep -v '^cnn_progress_function$' |
    sort >"$directory/declared"
check 'it has the functions of src/libcnn.map' diff "$directory/functions" "$directory/declared"

# A member that becomes wider is seen, and one that is put before others.
mkdir "$directory/changed"
sed 's/^    uint64_t macs; .*/    uint32_t macs, more;/' src/include/cnn.h >"$directory/changed/cnn.h"
abi "$directory/changed/cnn.h" >"$directory/changed/abi"
check 'a member that changes is seen' \
    eval '! cmp -s src/include/cnn.h "$directory/changed/cnn.h" && ! cmp -s src/libcnn.abi "$directory/changed/abi"'
summary
