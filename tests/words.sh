#!/bin/bash
# Every text that pages show has its translation, no translation is left of a text that is gone, and in pages of every kind no text
# stands past the table. CNN is the program (default: build/cnn).
set -u

# shellcheck source=tests/cases.sh
. "$(dirname "$0")/cases.sh"
cd "$root" || exit 1

find src -name '*.[ch]' -o -name '*.html' -o -name '*.svg' | sort | xargs perl tests/words.pl | sort >"$directory/texts"
perl tests/words.pl src/util/korean.def | sort >"$directory/korean"
check 'pages have texts' test "$(wc -l <"$directory/texts")" -gt 300
check 'each text has its translation' diff "$directory/texts" "$directory/korean"

cd "$directory" || exit 1
export HOME=$directory

# What a page shows in Latin letters but names from elsewhere (of files, classes, layers, keys, methods), a word a line.
latin() {
    perl -0777 -ne '
        s{<style>.*?</style>|<pre>.*?</pre>|<code>.*?</code>|src="[^"]*"}{}gs;
        my $text = join " ", /(?:alt|title|aria-label)="([^"]*)"/g;
        s/<[^>]*>/ /g;
        $_ .= " $text";
        s/&[a-z#0-9]+;/ /g;
        s/\d[.\d]*e[-+]?\d+/ /g;
        print "$_\n" for grep { !/^(?:Grad-CAM|SmoothGrad|F1|x|small|net|own|run|again|test|train|conv|batch_norm|pool|flatten|dense|lrn|relu|leaky_relu|sigmoid|tanh|add
            |circle|ring|square|triangle|star|cross|crescent|heart|arrow|hourglass
            |conv1|batch_norm1|pool1|lrn1|flatten1|dense1|input|saliency|occlusion|receptive|maps|filters|gradcam|heatmap|argmax|excite
            |config\.yaml|best\.safetensors|data\.val_split|png|bmp|own\.bmp|class-\d+-excite|[a-z0-9_]+-(?:true|maps|filters|gradcam|gradcam-true|heatmap|argmax|excite|patches)
            )$/x } /[A-Za-z][A-Za-z_0-9.-]*[A-Za-z0-9]/g;' "$1"
}

korean() {
    latin "$1" >words
    check "$1: every text is in Korean" diff /dev/null words
    check "$1: the page says so" grep -q '<html lang="ko">' "$1"
}

# Of a network whose layers are told in many ways.
cat >small.yaml <<'END'
name: small net
input: [3, 32, 32]
layers:
  - {type: conv, filters: 6, kernel_size: 3, padding: same, bias: false}
  - {type: batch_norm, activation: relu}
  - {type: pool, pool_type: max, kernel_size: 4}
  - {type: lrn}
  - {type: flatten}
  - {type: dense, units: 10}
data: {dataset: shapes, limit: 200, augment: [{type: flip}]}
train: {epochs: 2, batch_size: 32, optimizer: {type: sgd, lr: 0.5, momentum: 0.9}, seed: 1}
END
picture 40x32 0.5 own.bmp
"$CNN" train small.yaml -o run --lang ko >/dev/null 2>terminal || fail 'cnn train --lang ko' terminal
check 'the terminal stays English' perl -ne 'exit 1 if /[^\x00-\x7F]/ && !/\xC2\xB1/' terminal
check 'the run has a hint on the terminal' grep -q 'one step changes the weights' terminal
korean run/report.html
check 'the run has a hint on the page' grep -q '<li>.*학습률' run/report.html
LC_ALL='' LC_MESSAGES='' LANG=ko_KR.UTF-8 "$CNN" train small.yaml -o again --set train.seed=2 >/dev/null 2>&1
korean again/report.html
LC_ALL=C LANG=ko_KR.UTF-8 "$CNN" report run -o english.html >/dev/null
check 'LC_ALL is stronger than LANG' grep -q '<html lang="en">' english.html
"$CNN" report run again -o compare.html --lang ko >/dev/null && korean compare.html
"$CNN" eval run --report eval.html --gallery gallery --lang ko >/dev/null && korean eval.html && korean gallery/index.html
"$CNN" eval run --json --lang ko >korean.json && "$CNN" eval run --json >english.json
check 'JSON is the same in every language' diff <(grep -v seconds english.json) <(grep -v seconds korean.json)
"$CNN" visualize run own.bmp -o all --kind all --lang ko >/dev/null && korean all/index.html
"$CNN" visualize run own.bmp -o right --label cross --lang ko >/dev/null && korean right/index.html
"$CNN" visualize run own.bmp -o channels --kind patches --kind excite --top 2 --layer conv1 --lang ko >/dev/null && korean channels/index.html
"$CNN" featmaps own.bmp run -o maps --one-scale --lang ko >/dev/null && korean maps/index.html
"$CNN" similar run own.bmp -o similar.html --lang ko >/dev/null && korean similar.html

# Pictures alone cannot show Hangul: their pixels stay English.
"$CNN" visualize run own.bmp -o english >/dev/null
"$CNN" visualize run own.bmp -o hangul --lang ko >/dev/null
check 'a caption is English in the picture' cmp english/input.png hangul/input.png
check 'and Korean on the page' grep -q '<text [^>]*>원래 그림</text>' hangul/index.html
summary
