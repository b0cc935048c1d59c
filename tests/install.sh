#!/bin/bash
# The installed tree: the program finds its version and its models, a program compiles with pkg-config and predicts, C++ takes the header, and
# uninstall leaves nothing behind. Run by `make test`, which sets BUILD, PREFIX, CC and SANITIZE.
set -u

# shellcheck source=tests/cases.sh
. "$(dirname "$0")/cases.sh"

cd "$root" || exit 1
PREFIX=${PREFIX:-/usr/local} CC=${CC:-cc} CXX=${CXX:-g++} SANITIZE=${SANITIZE:-}
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

# The example with the static library, and, by plain pkg-config, with the shared one.
compile_example() {
    # shellcheck disable=SC2086
    $CC $SANITIZE -o "$directory/predict" examples/predict.c $(package --cflags cnn) "$installed/lib/libcnn.a" \
        $(package --libs --static cnn | sed 's/-lcnn//')
}

compile_shared() {
    # shellcheck disable=SC2086
    $CC $SANITIZE -o "$directory/shared" examples/predict.c $(package --cflags --libs cnn) -Wl,-rpath,"$installed/lib" &&
        readelf -d "$directory/shared" | grep -q 'NEEDED.*libcnn\.so\.[0-9]'
}

# Every example, in C and in C++, by pkg-config with the shared library, watched by the sanitizer that
# watches the library.
compile_examples() {
    mkdir -p "$directory/c" "$directory/cc"
    for file in examples/*.c; do
        # shellcheck disable=SC2046,SC2086
        $CC $SANITIZE -std=c11 -D_POSIX_C_SOURCE=200809L -Wall -Wextra -Wpedantic -Werror -o "$directory/c/$(basename "$file" .c)" "$file" \
            $(package --cflags --libs cnn) -lm -Wl,-rpath,"$installed/lib" || return 1
    done
}

compile_examples_cc() {
    for file in examples/*.cc; do
        # shellcheck disable=SC2046,SC2086
        $CXX $SANITIZE -std=c++11 -Wall -Wextra -Wpedantic -Werror -o "$directory/cc/$(basename "$file" .cc)" "$file" \
            $(package --cflags --libs cnn) -pthread -Wl,-rpath,"$installed/lib" || return 1
    done
}

# A network's life in C leaves pictures, from which another begins in C++. All memory comes back.
run_examples() {
    "$directory/c/words" pad | grep -q '^pad is called padding here$' &&
        "$directory/c/train" "$directory/life" >"$directory/life.txt" &&
        grep -q '^0 blocks of memory are left$' "$directory/life.txt" &&
        "$directory/c/look" "$directory/life/run" "$directory/life/pictures/bar/0.bmp" "$directory/life/look" |
        grep -q '^1 + 2 + 3 + 4 = 10$'
}

run_examples_cc() {
    "$directory/cc/words" pad | grep -q '^pad (3 columns) is padding$' &&
        "$directory/cc/train" "$directory/life/pictures" "$directory/second" >"$directory/second.txt" &&
        grep -q '^saved after step' "$directory/second.txt" && grep -q '^0 blocks of memory are left$' "$directory/second.txt" &&
        "$directory/cc/look" "$directory/second/run" "$directory/life/pictures/bar/0.bmp" "$directory/second/look" |
        grep -q '^1 + 2 + 3 + 4 = 10$'
}

# Both cameras see four frames, each in a thread of its own.
run_camera() {
    "$directory/cc/camera" models/cifar10_94.safetensors >"$directory/seen" && [ "$(grep -c '^camera [01], frame' "$directory/seen")" -eq 8 ]
}

# A program that has stb functions of its own, linked with libcnn.a.
own_stb() {
    cat >"$directory/own.c" <<'C'
#define STB_IMAGE_IMPLEMENTATION
#include <stb/stb_image.h>
#include <cnn.h>
int main(void)
{
    cnn_diag *diag = cnn_diag_new();
    int failed = stbi_failure_reason() != NULL || !diag;
    cnn_diag_free(diag);
    return failed;
}
C
    # shellcheck disable=SC2086
    $CC $SANITIZE -o "$directory/own" "$directory/own.c" $(package --cflags cnn) "$installed/lib/libcnn.a" \
        $(package --libs --static cnn | sed 's/-lcnn//') && "$directory/own"
}

# The functions that cnn.h declares, those that the library promises and those that it has are the same.
same_functions() {
    sed -n 's/^    \(cnn_[a-z0-9_]*\);$/\1/p' src/libcnn.map >"$directory/promised"
    $CC -E -P "$installed/include/cnn.h" | tr -d '\n' | sed 's/{[^{}]*}//g; s/;/;\n/g' | grep -v typedef |
        grep -oE 'cnn_[a-z0-9_]+\(' | tr -d '(' | sort -u >"$directory/declared"
    nm -D --defined-only "$installed/lib/libcnn.so" | sed -n 's/.* T \(cnn_[a-z0-9_]*\).*/\1/p' | sort >"$directory/offered"
    nm -g --defined-only "$installed/lib/libcnn.a" | awk 'NF == 3 && $2 ~ /[TDBRVW]/ && $3 !~ /^(__|_?asan|_?ubsan)/ { print $3 }' | sort >"$directory/archived"
    diff "$directory/promised" "$directory/declared" && diff "$directory/promised" "$directory/offered" &&
        diff "$directory/promised" "$directory/archived"
}

# A CMake project finds the package.
find_package() {
    mkdir -p "$directory/cmake" && cat >"$directory/cmake/CMakeLists.txt" <<'CMAKE' &&
cmake_minimum_required(VERSION 3.13)
project(user C CXX)
set(CMAKE_CXX_STANDARD 11)
find_package(Threads REQUIRED)
find_package(cnn 0.1 REQUIRED)
add_executable(shared predict.c)
target_link_libraries(shared cnn::cnn)
add_executable(camera camera.cc)
target_link_libraries(camera cnn::cnn Threads::Threads)
add_executable(static predict.c)
target_link_libraries(static cnn::static)
CMAKE
        cp examples/predict.c examples/camera.cc "$directory/cmake" &&
        CC=$CC CXX=$CXX CFLAGS=$SANITIZE CXXFLAGS=$SANITIZE cmake -S "$directory/cmake" \
            -B "$directory/cmake/build" -DCMAKE_PREFIX_PATH="$installed" &&
        cmake --build "$directory/cmake/build"
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
    local page
    for page in man/*.[157] man/*.in; do
        page=$(basename "$page" .in)
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
check 'the functions of the header, the map and the libraries' same_functions
check 'plain pkg-config links the shared library' compile_shared
check 'the examples compile with pkg-config' compile_examples
check 'the examples run' run_examples
if command -v "$CXX" >/dev/null; then
    check 'the C++ examples compile with pkg-config' compile_examples_cc
    check 'the C++ examples run' run_examples_cc
    if [ -f models/cifar10_94.safetensors ]; then
        check 'the C++ example with two cameras runs' run_camera
    fi
fi
check 'own stb functions do not collide' own_stb
if command -v cmake >/dev/null; then
    check 'CMake finds the package' find_package
else
    skip 'CMake finds the package: no cmake'
fi
if [ -f models/cifar10_94.safetensors ]; then
    write_image "$directory/image.bmp"
    check 'the example and the installed program predict' predict_twice models/cifar10_94.safetensors "$directory/image.bmp"
else
    skip 'prediction with the model that ships: models/cifar10_94.safetensors is not in this tree'
fi
if command -v "$CXX" >/dev/null; then
    check 'C++ takes cnn.h' "$CXX" -std=c++11 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -x c++ src/include/cnn.h
else
    skip 'C++ takes cnn.h: no C++ compiler'
fi
check 'make uninstall' nothing_left

summary
