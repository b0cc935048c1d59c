#!/bin/bash
# The installed tree: the program finds its version and its models, a program compiles with pkg-config and predicts, C++ takes the header, and
# uninstall leaves nothing behind. Run by `make test`, which sets BUILD, PREFIX, CC and SANITIZE.
set -u

# shellcheck source=tests/cases.sh
. "$(dirname "$0")/cases.sh"

cd "$root" || exit 1
installed=$directory$PREFIX

make_here() {
    MAKEFLAGS='' make -s "$@" BUILD="$BUILD" PREFIX="$PREFIX" DESTDIR="$directory" CC="$CC" SANITIZE="$SANITIZE"
}

version_matches() {
    [ "$("$installed/bin/cnn" version)" = "cnn $(package --modversion cnn)" ]
}

# The package as it is found in the new root.
package() {
    PKG_CONFIG_PATH=$installed/lib/pkgconfig pkg-config --define-variable=prefix="$installed" "$@"
}

compile_example() {
    # shellcheck disable=SC2086
    $CC $SANITIZE -o "$directory/predict" examples/predict.c $(package --cflags --libs --static cnn)
}

# A BMP of 2 x 2 pixels, 24 bits each, rows padded to four bytes.
write_image() {
    {
        printf 'BM\106\0\0\0\0\0\0\0\066\0\0\0\050\0\0\0\002\0\0\0\002\0\0\0\001\0\030\0\0\0\0\0\020\0\0\0'
        printf '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0'
        printf '\377\0\0\0\377\0\0\0\0\0\377\377\377\377\0\0'
    } >"$1"
}

predict_twice() {
    "$directory/predict" "$1" "$2" >"$directory/example" && [ -s "$directory/example" ] && "$installed/bin/cnn" predict "$2" | grep -q %
}

man_pages_complete() {
    for page in cnn.1 cnn-train.1 cnn-eval.1 cnn-predict.1 cnn-summary.1 cnn-bench.1 cnn-help.1 cnn-visualize.1 cnn-featmaps.1 cnn-explain.1 \
        cnn-report.1 cnn-quantize.1 cnn-verify.1 cnn-data.1 cnn-compare.1 cnn-init.1 cnn-model.5 cnn-checkpoint.5 cnn-lessons.7; do
        [ -s "$installed/share/man/man${page##*.}/$page" ] || return 1
    done
    ! grep -q '^@' "$installed/share/man/man5/cnn-model.5"
}

nothing_left() {
    make_here uninstall && [ -z "$(find "$directory$PREFIX" -type f)" ]
}

check 'make install' make_here install
check 'version' version_matches
check 'man pages' man_pages_complete
check 'the example compiles with pkg-config' compile_example
if [ -f models/cifar10_94.safetensors ]; then
    write_image "$directory/image.bmp"
    check 'the example and the installed program predict' predict_twice models/cifar10_94.safetensors "$directory/image.bmp"
else
    skip 'prediction with the model that ships: models/cifar10_94.safetensors is not in this tree'
fi
if command -v g++ >/dev/null; then
    check 'C++ takes cnn.h' g++ -std=c++11 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -x c++ src/include/cnn.h
else
    skip 'C++ takes cnn.h: no g++'
fi
check 'make uninstall' nothing_left

summary
