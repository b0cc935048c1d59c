#!/bin/bash
# Memory is what it should be: what a description or a file only promises takes none, many classes take little, and limits are seen before they are met.
set -u

# shellcheck source=tests/cases.sh
. "$(dirname "$0")/cases.sh"

if [ -n "${SANITIZE:-}" ] || [ -n "${EMULATOR:-}" ]; then
    skip 'memory: a sanitizer and an emulator take their own'
    summary
    exit
fi

cd "$directory" || exit 1

# least NAME STATUS MEBIBYTES COMMAND...: the command ends with that status, and holds no more memory.
least() {
    local name=$1 status=$2 mebibytes=$3
    shift 3
    "$BUILD/tests/tools/peak" "$mebibytes" "$@" >out 2>err </dev/null
    if [ $? -eq "$status" ]; then pass; else fail "$name" err; fi
}

# A network of a few weights and an input of a megapixel, whose file then promises a hundred times as much.
cat >pixels.yaml <<'YAML'
input: [1, 1000, 1000]
layers: [{type: relu}, {type: global_pool, pool_type: avg}, {type: flatten}, {type: dense, units: 2}]
data: {dataset: folder, path: pictures, val_split: 0.5, normalize: none}
train: {steps: 1, batch_size: 1, optimizer: {type: adam, lr: 0.01}}
YAML
pictures pictures a:60:2 b:180:2
"$CNN" train pixels.yaml -o run --threads 1 >/dev/null 2>err || fail 'a run to look at' err
for file in best last; do LC_ALL=C sed 's/\[1, 1000, 1000\]/[1, 9999, 9999]/' run/$file.safetensors >$file.safetensors; done
least 'verify of a large input' 0 24 "$CNN" verify best.safetensors
least 'verify of a large input, with state' 0 24 "$CNN" verify last.safetensors
grep -q 'can be resumed' out || fail 'verify looks at the state' out
least 'summary of a large input' 0 24 "$CNN" summary best.safetensors

# Weights that nothing holds.
cat >wide.yaml <<'YAML'
input: [1, 1, 1]
layers: [{type: flatten}, {type: dense, units: 30000}, {type: dense, units: 30000}]
YAML
least 'summary of many weights' 0 24 "$CNN" summary wide.yaml
least 'summary --json of many weights' 0 24 "$CNN" summary wide.yaml --json
least 'train without its sections' 2 24 "$CNN" train wide.yaml
sed -i 's/global_pool, pool_type: avg/global_pool, pool_type: max/; s/units: 2/units: 30000/' pixels.yaml
least 'data of many weights' 0 24 "$CNN" data pixels.yaml --set input=[1,8,8] --set layers.3.units=30000 --output sheet.png
LC_ALL=C sed 's/units: 2,/units: 9,/' run/best.safetensors >other.safetensors
least 'verify of weights that are not there' 1 24 "$CNN" verify other.safetensors

# Weights of 92 MiB, which predict and its like read into the order in which they are needed, and never hold twice.
cat >dense.yaml <<'YAML'
input: [1, 8, 8]
layers: [{type: flatten}, {type: dense, units: 1000}, {type: dense, units: 12000}, {type: dense, units: 1000}, {type: dense, units: 2}]
data: {dataset: folder, path: pictures, val_split: 0.5, normalize: none}
train: {steps: 1, batch_size: 1, optimizer: {type: sgd, lr: 0.01}}
YAML
"$CNN" train dense.yaml -o dense --threads 1 >/dev/null 2>err || fail 'a run with large weights' err
least 'predict with large weights' 0 115 "$CNN" predict dense pictures/a/a-000.png --threads 1
least 'eval with large weights' 0 207 "$CNN" eval dense --threads 1

# Many classes: nothing grows with their square.
classes=1200
for split in train test; do
    eval "mkdir -p many/$split/c{1..$classes}"
    for ((i = 1; i <= classes; i++)); do echo "many/$split/c$i/p.png"; done | xargs "$BUILD/tests/tools/picture" 4x4 100
done
cat >many.yaml <<YAML
input: [3, 4, 4]
layers: [{type: global_pool, pool_type: avg}, {type: flatten}, {type: dense, units: $classes}]
data: {dataset: folder, path: many}
train: {steps: 1, batch_size: 64, optimizer: {type: sgd, lr: 0.01}}
YAML
least 'training with many classes' 0 32 "$CNN" train many.yaml -o classes --threads 1
least 'eval --json with many classes' 0 28 "$CNN" eval classes --json --threads 1
# Each row and the whole are there: as many numbers as cells, which add up to the images.
check 'the matrix is whole' test "$(sed 's/.*"confusion": \[\[\(.*\)\]\], "per_class.*/\1/; s/[], []\+/\n/g' out |
    awk '{ n++; sum += $1 } END { print n, sum }')" = "$((classes * classes)) $classes"
least 'eval with many classes' 0 28 "$CNN" eval classes --report page.html --threads 1

# A picture that init cannot decode for want of memory is no picture without colour.
mkdir -p wide/a wide/b
{
    printf 'BM\066\050\364\0\0\0\0\0\066\004\0\0\050\0\0\0\240\017\0\0\240\017\0\0\001\0\010\0'
    head -c $((24 + 256 * 4 + 4000 * 4000)) /dev/zero
} >wide/a/1.bmp
cp wide/a/1.bmp wide/a/2.bmp && cp wide/a/1.bmp wide/b/1.bmp
(ulimit -v 90000 && "$CNN" init project --data wide) >out 2>err
check 'init under a limit' test $? -eq 1 -a ! -e project
check 'init under a limit says so' grep -q '^cnn: error: out of memory (wanted for a sample of images)$' err

# A limit of the address space: told before memory is taken, with a batch that would do.
cat >large.yaml <<'YAML'
input: [3, 16, 16]
layers: [{type: conv, filters: 256, kernel_size: 3, padding: same}, {type: conv, filters: 256, kernel_size: 3, padding: same}, {type: flatten}, {type: dense, units: 10}]
data: {dataset: shapes, limit: 600, val_split: 0.02}
train: {steps: 1, batch_size: 256, optimizer: {type: sgd, lr: 0.01}}
YAML
(ulimit -v 150000 && "$CNN" train large.yaml --check --threads 1) >out 2>err
check '--check under a limit' test $? -eq 1
check '--check names the limit' grep -q '^wrong    memory     0[.][0-9]* GB needed; ulimit -v allows 0.15 GB, of which 0[.][0-9]* GB are left$' out
batch=$(sed -n 's/.*a smaller train.batch_size takes less: \([0-9]*\) in place of 256 would need 0.[0-9]* GB$/\1/p' out)
check '--check names a batch' test "${batch:-0}" -gt 0 -a "${batch:-0}" -lt 256
(ulimit -v 150000 && "$CNN" train large.yaml -o over --threads 1) >out 2>err
check 'a run under a limit' test $? -eq 1 -a ! -e over
check 'a run under a limit says so' grep -q 'the training needs 0[.][0-9]* GB of memory; ulimit -v allows 0.15 GB, of which 0[.][0-9]* GB are left$' err
(ulimit -v 150000 && "$CNN" train large.yaml -o over --threads 1 --set "train.batch_size=$batch") >out 2>err
check 'the batch that was named will do' test $? -eq 0
(ulimit -v 500000 && "$CNN" train large.yaml -o big --threads 1 --batch-size 60000) >out 2>err
check 'a batch far too large' grep -q 'hint: .*batch_size' err

summary
