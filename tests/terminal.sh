#!/bin/bash
# Names and paths full of what terminals act on, through every command: nothing of it may reach stdout or stderr. Control characters (C0 but line feed, DEL,
# C1), characters that turn the direction of text, and bytes that are not UTF-8 have no business there, whatever the name they come from.
set -u

# shellcheck source=tests/cases.sh
. "$(dirname "$0")/cases.sh"

cd "$directory" || exit 1

# A colour, a cursor that goes back, DEL, CSI and OSC of C1, an override and an isolate of the direction.
evil=$(printf 'e\033[31m\b\177\302\2332J\302\235\342\200\256\342\201\247l')
mild=$(printf "m\302\2332J\177\342\200\256")
broken=$(printf 'b\377\300\033]0;b')
data=data$evil net=net$evil.yaml run=run$evil

# shown NAME STATUS COMMAND...: what the command says is harmless, and its exit status is STATUS.
shown() {
    local name=$1 status=$2
    shift 2
    "$@" >said 2>&1 </dev/null
    [ $? -eq "$status" ] || { fail "$name: not status $status" said; return; }
    harmless "$name"
}

harmless() {
    if LC_ALL=C grep -a -q -e $'[\001-\010\013-\037\177]' -e $'\302[\200-\237]' -e $'\342\200[\252-\256]' -e $'\342\201[\246-\251]' said; then
        cat -v said >seen
        fail "$1: a terminal would act on it" seen
    elif ! iconv -f UTF-8 -t UTF-8 said >/dev/null 2>&1; then
        cat -v said >seen
        fail "$1: not UTF-8" seen
    elif [ ! -s said ]; then
        fail "$1: silent"
    else
        pass
    fi
}

pictures "$data" "cat$evil:60:110" dog:180:110
cp "$data/dog/dog-000.png" "$evil.png"
printf 'no picture' >"$data/dog/bad$evil.png"
printf 'no picture' >"$data/dog/bad$broken.png"
cat >"$net" <<YAML
name: "\x7f\u009b2J\u202e"
input: [3, 16, 16]
layers: [{type: conv, filters: 4, kernel_size: 3}, {type: flatten}, {type: dense, units: 2}]
data: {dataset: folder, path: "datae\e[31m\b\x7f\u009b2J\u009d\u202e\u2067l", normalize: auto, val_split: 0.5}
train: {epochs: 2, batch_size: 6, optimizer: {type: sgd, lr: 0.01}}
YAML

shown 'init' 0 "$CNN" init "made$mild" --data "$data"
shown 'train --check' 0 "$CNN" train "$net" --check
shown 'train' 0 "$CNN" train "$net" -o "$run"
shown 'train, warnings' 0 "$CNN" train "$net" -o "other$broken"
shown 'train, there already' 2 "$CNN" train "$net" -o "$run"
shown 'train --resume' 0 "$CNN" train --resume "$run" --set train.epochs=3
for command in 'summary --explain' 'summary --json' 'eval' 'eval --json' 'eval --split train' 'verify' 'verify --json' 'report' 'bench --seconds 0.01' \
    'data' 'data --json'; do
    read -r -a words <<<"$command"
    model=$run
    [ "${words[0]}" != data ] || model=$net
    shown "$command" 0 "$CNN" "${words[0]}" "$model" "${words[@]:1}"
done
shown 'summary of a description' 0 "$CNN" summary "$net"
shown 'eval, pages' 0 "$CNN" eval "$run" --report "page$evil.html" --gallery "gallery$evil"
shown 'compare' 0 "$CNN" compare "$run" "other$broken"
shown 'compare --json' 0 "$CNN" compare "$run" "other$broken" --json
shown 'quantize' 0 "$CNN" quantize "$run" -o "small$evil.safetensors"
shown 'quantize --json' 0 "$CNN" quantize "$run" -o "small$evil.safetensors" --json
shown 'report of two' 0 "$CNN" report "$run" "other$broken" -o "both$evil.html"
shown 'predict' 0 "$CNN" predict "$run" "$evil.png"
shown 'predict --json' 0 "$CNN" predict "$run" "$evil.png" --json
shown 'predict, a folder' 1 "$CNN" predict "$run" "$data"
shown 'visualize' 0 "$CNN" visualize "$run" "$evil.png" -o "pages$evil"
shown 'featmaps' 0 "$CNN" featmaps "$run" "$evil.png" -o "maps$evil"
shown 'featmaps --text' 0 "$CNN" featmaps "$run" "$evil.png" --text
shown 'explain' 0 "$CNN" explain "$run" "$evil.png" --at dense1:0
shown 'explain, no such place' 2 "$CNN" explain "$run" "$evil.png" --at "$evil"
for command in summary eval verify report; do
    shown "$command, nothing there" 1 "$CNN" "$command" "none$evil"
    shown "$command, not UTF-8" 1 "$CNN" "$command" "none$broken"
done
shown 'unknown command' 2 "$CNN" "$evil"
shown 'unknown option' 2 "$CNN" eval "--$evil"
shown 'unknown topic' 2 "$CNN" help "$broken"
shown 'one too many' 2 "$CNN" eval a "$evil"
shown 'override' 2 "$CNN" summary "$net" --set "$evil=1"
shown 'class that is none' 2 "$CNN" visualize "$run" "$evil.png" --class "$evil" -o pages
shown 'override that is not UTF-8' 2 "$CNN" data "$net" --set "data.path=none$broken"

# In JSON the name is whole: escaped, it is read back as it was.
"$CNN" predict "$run" "$evil.png" --json >said
check 'JSON keeps a name' grep -q -F '"input": "e\u001B[31m\b\u007F\u009B2J\u009D\u202E\u2067l.png"' said

summary
