#!/bin/bash
# The descriptions in configs/: each can be read, has as many parameters as its comment or its paper says, and learns. What it learns here is a few pictures by
# heart, of `shapes` in place of its own data set, smaller where its own are large. And `cnn init` on a real folder of images, where there is one. CNN is the
# program (default: build/cnn); CNN_DATA is the folder that holds cifar10-folder/.
set -u

# shellcheck source=tests/cases.sh
. "$(dirname "$0")/cases.sh"

# Under sanitizers the same code is tested by shorter runs; these would take a quarter of an hour.
train=yes
if nm "$CNN" 2>/dev/null | grep -q __asan_init; then
    train=no
fi

# Whether the description $1 has $2 trainable parameters.
counts() {
    "$CNN" summary "$1" --json | grep -o '"params": [0-9]*, "trainable_params"' | grep -x "\"params\": $2, \"trainable_params\""
}

# Whether training, with the changes that follow $1, makes the loss of the last three of its steps less than 0.7 of the first one's.
learns() {
    local run=$directory/run config=$1
    shift
    rm -rf "$run"
    "$CNN" train "$config" -o "$run" --set data.dataset=shapes --set data.limit=24 --set data.val_split=0.34 --set data.normalize=auto \
        --set 'data.augment=[]' \
        --set train.batch_size=16 --set train.schedule=constant --set train.log_every=1 --set train.seed=3 "$@" || return 1
    cat "$run/steps.csv"
    awk -F, 'NR == 2 { first = $3 } NR > 1 { last = before + beyond + $3; beyond = before; before = $3 } END { exit !(last / 3 < 0.7 * first) }' "$run/steps.csv"
}

# The networks for MNIST see `shapes` in colour, AlexNet sees them small and has narrow dense layers. Where the recipe's own rate is none for so few pictures,
# Adam learns.
while read -r name parameters epochs changes; do
    set --
    for change in $changes; do
        set -- "$@" --set "$change"
    done
    check "$name: parameters" counts "$root/configs/$name.yaml" "$parameters"
    [ "$epochs" -eq 0 ] || [ "$train" = no ] || check "$name: learns" learns "$root/configs/$name.yaml" --set "train.epochs=$epochs" "$@"
done <<'END'
lenet5           61706  10 input=[3,28,28]
seed_mnist      126090   8 input=[3,28,28]
keras_mnist     104202  10 input=[3,28,28]
neocognitron     15370  12 input=[3,28,28] train.optimizer.lr=0.01
mnist_996       138506   8 input=[3,28,28] train.optimizer.lr=0.05
vgg_small       307946   8
cifar10_seed    492010  12 train.optimizer=adam
cifar10_94     1972792   8 train.optimizer=adam
alexnet_cifar  2151290  20 train.optimizer={"type":"adam","lr":0.0003}
resnet20        272474   8 train.optimizer.lr=0.05
mlperf_resnet8   78186  10 train.optimizer=adam
resnet18      11173962   6 input=[3,16,16]
mobilenet      3217226  12 train.optimizer=adam
inception       412618   8 train.optimizer.lr=0.05 input=[3,16,16]
vgg11          9228362   8
vgg16         14724042   8
alexnet       62378344  12 train.optimizer=adam input=[3,67,67] layers.11.units=256 layers.12.rate=0 layers.13.units=256 layers.14.rate=0 layers.15.units=10
vgg16_224    138357544   0
END

# The published networks, by hand in blocks: parameters as torchvision's documentation has them
# (`num_params`; inception_v3 without its auxiliary classifier of 3,326,696), multiply-adds of
# convolutions and dense layers counted in torchvision 0.14's modules, which round to the gigaflops of
# that documentation. For MLPerf Tiny, the 24,908 and 221,794 parameters that Keras counts, without
# the 1,152 and 5,472 statistics of batch_norm; 78,666 without 480 for mlperf_resnet8.
counts_all() {
    "$CNN" summary "$1" --json | grep -o '"params": [0-9]*, "trainable_params": [0-9]*, "macs": [0-9]*' |
        grep -x "\"params\": $2, \"trainable_params\": $2, \"macs\": $3"
}
# In short, it is the same network.
same_in_short() {
    "$CNN" summary "$1" --blocks >"$directory/short.yaml" && "$CNN" summary "$1" --yaml >"$directory/long.yaml" &&
        "$CNN" summary "$directory/short.yaml" --yaml | cmp - "$directory/long.yaml" && grep '^blocks:' "$directory/short.yaml"
}
while read -r name parameters macs lines; do
    [ "$name" = alexnet ] || check "zoo/$name: in blocks that are found" same_in_short "$root/configs/zoo/$name.yaml"
    check "zoo/$name: parameters and multiply-adds" counts_all "$root/configs/zoo/$name.yaml" "$parameters" "$macs"
    [ -z "$lines" ] || check "zoo/$name: at most $lines lines" test "$(wc -l <"$root/configs/zoo/$name.yaml")" -le "$lines"
done <<'END'
alexnet             61100840   714188480
convnext_tiny       28589128  4455531264
densenet121          7978856  2834161664
ds_cnn                 23756     2656768
efficientnet_b0      5288548   385814752
googlenet            6624904  1498376192
inception_v3        23834568  5713216096
mnasnet1_0           4383312   314415872
mobilenet_v1_025      216322     7489664
mobilenet_v2         3504872   300774272
mobilenet_v3_large   5483032   216589760  60
mobilenet_v3_small   2542856    56510400  60
regnet_y_400mf       4344144   401842848
resnet18            11689512  1814073344
resnet34            21797672  3663761408
resnet50            25557032  4089184256  40
resnext50_32x4d     25028904  4230479872
shufflenet_v2_x1_0   2278604   144907992
squeezenet1_0        1248424   818924576
squeezenet1_1        1235496   349151936
vgg16_bn           138365992 15470264320
wide_resnet50_2     68883240 11398021120
END

# AlexNet as it was divided between two processors.
check 'alexnet: parameters in two groups' counts <(sed -E 's/(filters: (256|384), kernel_size: [35],)( padding: [12], activation: relu\})/\1 groups: 2,\3/' \
    "$root/configs/alexnet.yaml" | awk '/filters: 384/ && !seen { seen = 1; sub(/ groups: 2,/, "") } { print }') 60965224

# What `cnn init` proposes for a folder of photographs trains on it.
begins() {
    "$CNN" init "$directory/begun" --data "$CNN_DATA/cifar10-folder" && "$CNN" train "$directory/begun/config.yaml" -o "$directory/begun/run" --set train.epochs=4 &&
        "$CNN" eval "$directory/begun/run" --json | grep '"images": 100,' &&
        awk -F, 'NR == 2 { first = $2 } { last = $2 } END { exit !(last < first) }' "$directory/begun/run/epochs.csv"
}
if [ "$train" = no ]; then
    skip 'the zoo is not trained by a program with sanitizers'
elif [ -d "${CNN_DATA:-/nowhere}/cifar10-folder" ]; then
    check 'cnn init: what it writes trains on a folder of photographs' begins
else
    skip 'cnn init on a folder of photographs needs cifar10-folder in CNN_DATA'
fi

summary
