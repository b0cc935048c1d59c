#!/bin/sh
# The page of `cnn lab` without a model, to standard output: web/page.html with its style, its modules
# and the program. Modules are joined in the order in which they need each other: `import` lines go,
# and so does the word `export`. The program is WebAssembly, gzip, base64.
#
#   web/assemble.sh PROGRAM.wasm
set -eu
cd "$(dirname "$0")"
program=$OLDPWD/$1
case $1 in /*) program=$1 ;; esac

modules() {
    for name in "$@"; do
        sed -e '/^import /d' -e 's/^export //' "$name.js"
    done
}

# Files of the MNIST sample: a name and base64 a line.
mnist() {
    for file in mnist/*.gz; do
        printf '%s %s\n' "$(basename "$file")" "$(base64 -w 0 "$file")"
    done
}

while IFS= read -r line; do
    case $line in
    @STYLE@) cat page.css ;;
    @PROGRAM@) gzip -9 -n -c "$program" | base64 -w 0 && echo ;;
    @MNIST@) mnist ;;
    @WORKER@) modules files engine worker ;;
    @MAIN@) modules words dom colour client state picture camera network map change why chart film live learn step main ;;
    *) printf '%s\n' "$line" ;;
    esac
done <page.html
