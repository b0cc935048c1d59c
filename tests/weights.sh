#!/bin/bash
# Weights as PyTorch itself writes them, in both layouts and whatever lies in them, onto a description; the outputs must be those of PyTorch. Skips where
# python3 has no torch. CNN is the program (default: build/cnn), PYTHON the interpreter (default: /usr/bin/python3, the system's).
set -u

# shellcheck source=tests/cases.sh
. "$(dirname "$0")/cases.sh"

python=${PYTHON:-/usr/bin/python3}
if ! "$python" -c 'import torch' 2>/dev/null; then
    skip "weights of PyTorch: $python has no torch"
    summary
    exit
fi
cd "$directory" || exit 1

cat >net.yaml <<'YAML'
input: [3, 16, 16]
layers:
  - {type: conv, filters: 8, kernel_size: 3, padding: 1, bias: false}
  - {type: batch_norm, activation: relu}
  - {type: depthwise_conv, kernel_size: 3, padding: 1}
  - {type: prelu}
  - {type: conv, name: main, filters: 12, kernel_size: 3, stride: 2, padding: 1, groups: 2}
  - {type: batch_norm, name: main_norm}
  - {type: conv, from: prelu1, filters: 12, kernel_size: 1, stride: 2, bias: false}
  - {type: batch_norm, name: side_norm}
  - {type: add, from: [main_norm, side_norm], activation: relu}
  - {type: conv_transpose, filters: 6, kernel_size: 2, stride: 2}
  - {type: layer_norm, eps: 0.000001}
  - {type: global_pool, pool_type: avg}
  - {type: flatten}
  - {type: dense, units: 5}
YAML

cat >make.py <<'PYTHON'
import io, os, sys
import numpy as np
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.dw, self.act = nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.PReLU(8)
        self.conv, self.bn = nn.Conv2d(8, 12, 3, 2, 1, groups=2), nn.BatchNorm2d(12)
        self.downsample = nn.Sequential(nn.Conv2d(8, 12, 1, 2, bias=False), nn.BatchNorm2d(12))
        self.up = nn.ConvTranspose2d(12, 6, 2, 2)
        self.norm = nn.LayerNorm(6, eps=1e-6)
        self.fc = nn.Linear(6, 5)

    def forward(self, x):
        x = self.act(self.dw(self.stem(x)))
        x = torch.relu(self.bn(self.conv(x)) + self.downsample(x))
        x = self.norm(self.up(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return self.fc(x.mean((2, 3)))

torch.manual_seed(3)
net = Net().eval()
with torch.no_grad():
    for name, p in list(net.named_parameters()) + list(net.named_buffers()):
        if p.dtype == torch.float32:
            p.copy_(torch.rand_like(p) + 0.3 if "var" in name else torch.randn_like(p) * 0.4 + (1 if p.dim() == 1 else 0))
x = torch.randn(4, 3, 16, 16)
np.save("x.npy", x.numpy())

def save(name, state, wrap=lambda s: s, old=False, like=None):
    torch.save(wrap(state), name + ".pth", _use_new_zipfile_serialization=not old)
    net2 = Net().eval()
    net2.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in (like or state).items()})
    with torch.no_grad():
        np.save(name + ".npy", net2(x).numpy())

state = net.state_dict()
save("plain", state)
save("old", state, old=True)
optimizer = torch.optim.Adam(net.parameters())
net(x).sum().backward()
optimizer.step()
state = {k: v.clone() for k, v in net.state_dict().items()}
for old in (False, True):
    tag = "_old" if old else ""
    save("wrapped" + tag, state, lambda s: {"epoch": 3, "best": 71.25, "state_dict": {"module." + k: v for k, v in s.items()}, "optimizer": optimizer.state_dict()}, old, state)
    save("half" + tag, {k: v.half() if v.is_floating_point() else v for k, v in state.items()}, old=old)
    save("bfloat16" + tag, {k: v.bfloat16() if v.is_floating_point() else v for k, v in state.items()}, old=old)
    save("double" + tag, {k: v.double() if v.is_floating_point() else v for k, v in state.items()}, old=old)
    save("strided" + tag, {k: v.to(memory_format=torch.channels_last) if v.dim() == 4 else v.flip(0).clone().flip(0) for k, v in state.items()}, old=old)
    flat = torch.cat([v.reshape(-1).float() for v in state.values()])
    views, at = {}, 0
    for k, v in state.items():
        views[k] = flat[at:at + v.numel()].view(v.shape) if v.is_floating_point() else v
        at += v.numel()
    save("shared" + tag, views, old=old)
    save("parameters" + tag, {**state, **dict(net.named_parameters())}, old=old)
    torch.save(net, "whole%s.pth" % tag, _use_new_zipfile_serialization=not old)

torch.jit.save(torch.jit.script(nn.Sequential(nn.Conv2d(3, 4, 1))), "script.pt")

class Evil:
    def __init__(self, call, *arguments):
        self.call, self.arguments = call, arguments
    def __reduce__(self):
        return self.call, self.arguments

torch.save({"a": Evil(os.system, "touch owned")}, "evil.pth")
torch.save({"a": Evil(eval, "open('owned', 'w')")}, "evil_eval.pth")
torch.save({"a": Evil(getattr, "x", "upper")}, "evil_getattr.pth")
torch.save([Evil(exec, "open('owned', 'w')")], "evil_old.pth", _use_new_zipfile_serialization=False)
PYTHON

cat >same.py <<'PYTHON'
import sys
import numpy as np
a, b = (np.load(name) for name in sys.argv[1:])
error = float(np.abs(a.reshape(b.shape) - b).max() / np.abs(b).max())
print(error)
sys.exit(not error < 1e-4)
PYTHON

if ! "$python" make.py >made 2>&1; then
    cat made
    check 'PyTorch writes what is to be read' false
    summary
    exit
fi

# Whether the state dict $1 goes onto the description, and gives PyTorch's outputs.
agrees() {
    "$CNN" import "$1.pth" --as net.yaml -o "$1.safetensors" && "$CNN" predict "$1.safetensors" x.npy --save-output "$1.ours.npy" >/dev/null &&
        "$python" same.py "$1.ours.npy" "$1.npy"
}
for name in plain old {wrapped,half,bfloat16,double,strided,shared,parameters}{,_old}; do
    check "$name: the outputs are PyTorch's" agrees "$name"
done

# Networks of torchvision, with random weights and statistics, onto the descriptions of the zoo. Many of them have layers of one
# kind and shape in branches of one block: the order of both decides. GoogLeNet's file has heads that only training uses.
if nm "$CNN" 2>/dev/null | grep -q __asan_init; then
    skip 'weights of torchvision: not by a program with sanitizers'
elif "$python" -c 'import torchvision' 2>/dev/null; then
    cat >zoo.py <<'PYTHON'
import numpy as np
import torch, torchvision
from torch import nn

for seed, name in enumerate(("resnet18", "resnet50", "mobilenet_v2", "densenet121",
                          "shufflenet_v2_x1_0", "regnet_y_400mf", "googlenet", "convnext_tiny")):
    torch.manual_seed(seed)
    net = getattr(torchvision.models, name)(**({"init_weights": False} if name == "googlenet" else {}))
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    x = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        for m in norms:
            m.weight.uniform_(0.5, 1.5)
            m.bias.uniform_(-0.5, 0.5)
            m.momentum = 1
        for key, parameter in net.named_parameters():
            if key.endswith("layer_scale"):
                parameter.uniform_(0.1, 0.5)
        net.train()
        net(x)  # statistics that the values have
        for m in norms:
            m.running_mean.add_(m.running_var.sqrt() * (torch.rand_like(m.running_mean) - 0.5))
            m.running_var.mul_(0.6 + torch.rand_like(m.running_var))
        np.save(name + ".x.npy", x.numpy())
        np.save(name + ".npy", net.eval()(x).numpy())
    torch.save({"module." + k: v for k, v in net.state_dict().items()}, name + ".pth", _use_new_zipfile_serialization=seed % 2 == 0)
PYTHON
    "$python" zoo.py >made 2>&1 || cat made
    printf 'aux1 -\naux2 -\n' >googlenet.names
    : >no.names
    of_the_zoo() {
        local names=no.names
        [ ! -e "$1.names" ] || names=$1.names
        "$CNN" import "$1.pth" --as "$root/configs/zoo/$1.yaml" --rename "$names" -o "$1.safetensors" >"$1.said" &&
            "$CNN" predict "$1.safetensors" "$1.x.npy" --save-output "$1.ours.npy" >/dev/null && "$python" same.py "$1.ours.npy" "$1.npy"
    }
    for name in resnet18 resnet50 mobilenet_v2 densenet121 shufflenet_v2_x1_0 regnet_y_400mf googlenet convnext_tiny; do
        check "$name: the outputs are torchvision's" of_the_zoo "$name"
    done
    ambiguous() {
        [ "$(grep -c 'guessed: .* may be' resnet50.said)" -eq 1 ] && ! grep -q 'may be' resnet18.said
    }
    check 'resnet50: a guess by order is said' ambiguous
else
    skip "weights of torchvision: $python has no torchvision"
fi

# Whether the file $1 is refused with the text $2, and leaves nothing behind.
refused() {
    "$CNN" import "$1" --as net.yaml -o never.safetensors >out 2>&1
    [ $? -eq 1 ] && cat out && grep -q "$2" out && [ ! -e never.safetensors ] && [ ! -e owned ]
}
check 'a pickled module is refused' refused whole.pth 'byte [0-9]*: the pickle calls or names __main__.Net, which'
check 'a pickled module in the old layout is refused' refused whole_old.pth 'byte [0-9]*: the pickle calls or names __main__.Net, which'
check 'TorchScript is refused' refused script.pt 'holds a program of TorchScript'
check 'os.system is refused' refused evil.pth 'byte [0-9]*: the pickle calls or names posix.system, which'
check 'eval is refused' refused evil_eval.pth 'byte [0-9]*: the pickle calls or names __builtin__.eval, which'
check 'getattr is refused' refused evil_getattr.pth 'byte [0-9]*: the pickle calls or names __builtin__.getattr, which'
check 'exec in the old layout is refused' refused evil_old.pth 'byte [0-9]*: the pickle calls or names __builtin__.exec, which'

summary
