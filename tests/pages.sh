#!/bin/bash
# Every HTML page that the program writes, opened in headless Chromium: it renders, all its pictures load, the console stays silent, nothing is fetched
# from elsewhere, and nothing is wider than the window. CNN is the program (default: build/cnn). Skipped where there is no chromium.
set -u

# shellcheck source=tests/cases.sh
. "$(dirname "$0")/cases.sh"

cd "$directory" || exit 1
export HOME=$directory

if ! command -v chromium >/dev/null; then
    skip 'tests/pages.sh: no chromium'
    summary
    exit
fi
# What the browser does with a page is the same, and other tests write the same pages.
if [ -n "${SANITIZE:-}" ]; then
    skip 'tests/pages.sh: not under sanitizers'
    summary
    exit
fi

# picture WIDTH HEIGHT: a BMP with a slope of colours and a bright disc, to standard output.
picture() {
    perl -e 'my ($w, $h) = @ARGV; my $row = ($w * 3 + 3) & ~3; binmode STDOUT;
             print pack("A2VvvV VVVvvVVVVVV", "BM", 54 + $row * $h, 0, 0, 54, 40, $w, $h, 1, 24, 0, $row * $h, 2835, 2835, 0, 0);
             for my $y (0 .. $h - 1) {
                 my $line = "";
                 for my $x (0 .. $w - 1) {
                     my $in = ($x / $w - 0.5) ** 2 + ($y / $h - 0.5) ** 2 < 0.06;
                     $line .= pack("CCC", $in ? 250 : 255 * $x / $w, $in ? 220 : 255 * $y / $h, $in ? 40 : 90);
                 }
                 print $line, "\0" x ($row - 3 * $w);
             }' "$1" "$2"
}

# make NAME COMMAND...: runs the program, which must succeed.
make() {
    local name=$1
    shift
    "$CNN" "$@" >"$name.out" 2>"$name.err" || fail "$name: cnn $*: exit status $?: $(cat "$name.err")"
}

# What the page finds of itself once it has loaded, told to the page around it. Only this copy has a script; the program's pages have none.
probe='<script>addEventListener("load", () => {
    const images = [...document.images], broken = images.filter(image => !image.complete || image.naturalWidth === 0);
    const fetched = performance.getEntriesByType("resource").map(entry => entry.name).filter(name => !/^(file|data):/.test(name));
    const wide = document.documentElement.scrollWidth > innerWidth ? document.documentElement.scrollWidth - innerWidth : 0;
    parent.postMessage({width: innerWidth, images: images.length, broken: broken.map(image => image.src.slice(0, 80)), fetched,
        headings: document.querySelectorAll("h1").length, unnamed: images.filter(image => !image.alt).length, wide, high: document.documentElement.scrollHeight}, "*");
});</script>'

# The page around it shows it in frames of two widths. What each frame has found, it adds to itself, where --dump-dom shows it.
frames='<!doctype html>
<iframe src="probe.html" width="1200" height="900"></iframe>
<iframe src="probe.html" width="500" height="900"></iframe>
<script>addEventListener("message", message => document.body.append(`\nfound ${JSON.stringify(message.data)}\n`));</script>'

# check_height PAGE MOST: how high the page was that was opened last, in the wide frame.
check_height() {
    local height
    height=$(sed -n 's/^found {"width":1200,.*"high":\([0-9]*\).*/\1/p' dom)
    if [ "${height:-99999}" -le "$2" ]; then
        pass
    else
        fail "$1: ${height:-no} pixels high, and not at most $2"
    fi
}

# check_width PAGE WIDTH LEAST: checks what the frame of that width has found.
check_width() {
    local found images
    found=$(grep "^found {\"width\":$2," dom)
    images=$(printf '%s' "$found" | sed -n 's/.*"images":\([0-9]*\).*/\1/p')
    if [ -z "$found" ]; then
        fail "$1 at $2 pixels: Chromium did not load it: $(tail -n 2 messages)"
    elif ! printf '%s' "$found" | grep -q '"broken":\[\],"fetched":\[\],"headings":1,"unnamed":0,"wide":0,'; then
        fail "$1 at $2 pixels: $found"
    elif grep -q CONSOLE messages; then
        fail "$1: $(grep CONSOLE messages | head -n 3)"
    elif [ "$images" -lt "$3" ]; then
        fail "$1: $images pictures, expected at least $3"
    else
        pass
    fi
}

# check_page PAGE LEAST: opens it in both frames, by one start of the browser; it must show at least LEAST pictures.
check_page() {
    local page=$1 folder
    if [ ! -s "$page" ]; then
        fail "$page: the page is missing"
        return
    fi
    folder=$(dirname "$page")
    { sed '/http-equiv="refresh"/d' "$page"; printf '%s\n' "$probe"; } >"$folder/probe.html"
    printf '%s\n' "$frames" >"$folder/frames.html"
    timeout 120 chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --enable-logging=stderr --user-data-dir="$directory/profile" \
        --window-size=1800,900 --virtual-time-budget=5000 --dump-dom "file://$directory/$folder/frames.html" >dom 2>messages
    rm "$folder/probe.html" "$folder/frames.html"
    check_width "$page" 1200 "$2"
    check_width "$page" 500 "$2"
}

picture 32 32 >own.bmp
picture 301 200 >other.bmp
cat >small.yaml <<'END'
name: small <&> "net"
input: [3, 32, 32]
layers:
  - {type: conv, filters: 6, kernel_size: 3, padding: same, bias: false}
  - {type: batch_norm, activation: relu}
  - {type: pool, pool_type: max, kernel_size: 4}
  - {type: flatten}
  - {type: dense, units: 10}
loss: cross_entropy
data: {dataset: shapes, limit: 400, augment: [{type: flip}]}
train: {epochs: 2, batch_size: 32, optimizer: {type: sgd, lr: 0.02, momentum: 0.9}, seed: 1}
END

make own visualize own.bmp -o own
check_page own/index.html 10
check_height own/index.html 9000
make wide visualize "$root/models/cifar10_94.safetensors" own.bmp -o wide
check_page wide/index.html 10
check_height wide/index.html 9000
make other visualize other.bmp -o other --label cat
check_page other/index.html 10
make all visualize other.bmp -o all --kind all
check_page all/index.html 15
make maps featmaps other.bmp -o maps
check_page maps/index.html 5
make run train small.yaml -o run
check_page run/report.html 12
make again train small.yaml -o again --set train.seed=2 --set train.optimizer.lr=0.01
make compare report run again -o compare.html
check_page compare.html 0
make alone report run -o alone.html
check_page alone.html 8
make eval eval run --report eval.html --gallery gallery
check_page eval.html 5
check_page gallery/index.html 3
make trained visualize run own.bmp -o trained
check_page trained/index.html 5
make korean visualize other.bmp -o korean --kind all --lang ko
check_page korean/index.html 15
make korean_eval eval run --report korean.html --gallery korean_gallery --lang ko
check_page korean.html 5
check_page korean_gallery/index.html 3
make korean_report report run again -o korean_compare.html --lang ko
check_page korean_compare.html 0

summary
