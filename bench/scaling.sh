#!/bin/bash
# What the cost model of docs/scaling.md predicts: the efficiency of 2 to 256 machines over three links, for some networks. Prints a table in Markdown.
#
# CNN is the program (default: build/cnn). GFLOPS is how fast a machine trains networks whose speed was not measured (default: 180).
set -eu
cd "$(dirname "$0")/.."

CNN=${CNN:-build/cnn}
GFLOPS=${GFLOPS:-180}

# network ... [images/s]: configuration, batch of all machines, images/s of one machine where measured (docs/performance.md)
networks='bench/lenet5.yaml 128 51942
bench/mobile_small.yaml 1024 1490
bench/vgg_small_bn.yaml 1024 1520
bench/resnet_small.yaml 1024 307
configs/resnet18.yaml 512
configs/resnet18.yaml 4096
configs/alexnet.yaml 1024
configs/vgg16_224.yaml 1024'

printf '| network | batch | MB | a step alone | link |'
machines='2 4 8 16 32 64 128 256'
for p in $machines; do printf ' %s |' "$p"; done
printf '\n|---|---|---|---|---|'
for p in $machines; do printf -- '---|'; done
printf '\n'
while read -r config batch speed; do
    "$CNN" summary "$config" --json | tr ',{' '\n\n' | awk -v batch="$batch" -v speed="${speed:-0}" -v gflops="$GFLOPS" -v machines="$machines" '
        # The part that a machine has at most, of parts that the batch, 32 or more, fixes (src/util/parts.h).
        function largest(p,    parts, r, most, images) {
            for (parts = 8; parts < 256 && batch / (2 * parts) >= 16; parts *= 2) { }
            if (p > parts)
                return 0
            for (r = 0; r < p; r++) {
                images = int(batch * int(parts * (r + 1) / p) / parts) - int(batch * int(parts * r / p) / parts)
                if (images > most)
                    most = images
            }
            return most / batch
        }
        # Seconds of a step until the last byte is there: a bucket of layers, from the last one on, travels when backward has completed it
        # (src/train/cost.c). bandwidth: bytes in a second.
        function travelled(p, compute, bandwidth,    i, at, ready, floats, before, full) {
            full = params / 128 > 16384 ? params / 128 : 16384
            before = macs
            for (i = layers; i >= 1; i--) {
                before -= products[i]
                floats += weights[i]
                if (floats == 0 || (floats < full && i > first))
                    continue
                ready = compute * (1 - 2 * before / (3 * macs))
                at = (ready > at ? ready : at) + 2 * (p - 1) / p * 4 * floats / bandwidth
                floats = 0
            }
            return at
        }
        /^ *"name":/ && name == "" { split($0, word, "\""); name = word[4] }
        /^ *"type": *"batch_norm"/ { norms++ }
        /^ *"params":/ { split($0, word, ":"); weights[++layers] = params = word[2] + 0 }
        /^ *"params":/ && params > 0 && first == 0 { first = layers }
        /^ *"macs":/ { split($0, word, ":"); products[layers] = macs = word[2] + 0 }
        END {
            layers-- # the last one was the sum
            alone = speed > 0 ? batch / speed : batch * 6 * macs / (gflops * 1e9)
            split("1 10 100", links, " ")
            split("50e-6 25e-6 5e-6", latencies, " ")
            count = split(machines, numbers, " ")
            for (l = 1; l <= 3; l++) {
                printf "| %s | %d | %.3g | %.3g s | %d Gbit/s |", name, batch, 4e-6 * params, alone, links[l]
                for (i = 1; i <= count; i++) {
                    p = numbers[i]
                    share = largest(p)
                    for (rounds = 0; 2 ^ rounds < p; rounds++) { }
                    seconds = travelled(p, alone * share, links[l] * 1.25e8) + latencies[l] * rounds * (4 + 2 * norms)
                    if (share > 0)
                        printf " %.0f %% |", 100 * alone / p / seconds
                    else
                        printf "  |"
                }
                printf "\n"
            }
        }'
done <<<"$networks"
