#!/usr/bin/env python3
"""Whether a description of configs/zoo computes what torchvision's network of that name computes.

    agree.py CNN CONFIG...

Weights and statistics are random. They go from PyTorch's modules, in the order in which these are
executed, to the layers of the description, in the order of the file: kinds and shapes must fit. A
line says for each network how far off the output is, as a share of its largest number: PyTorch's is
computed in double. The exit status is 1 where it is more than 1e-4, 77 where PyTorch or torchvision
is missing.
"""
import json
import os
import struct
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import torch
    import torchvision.models as models
    from torch import nn
    from torch.nn import functional as F
except ImportError:
    sys.exit(77)

MOST = 1e-4
BATCH = 3


class Same(nn.Conv2d):
    """A convolution with TensorFlow's padding, which has an odd row at the bottom and right."""

    def forward(self, x):
        pads = []
        for n, k, s in zip(reversed(x.shape[2:]), reversed(self.kernel_size), reversed(self.stride)):
            total = max((-(-n // s) - 1) * s + k - n, 0)
            pads += [total // 2, total - total // 2]
        return super().forward(F.pad(x, pads))


def norm(channels):
    return nn.BatchNorm2d(channels, eps=1e-3)


class Basic(nn.Module):
    def __init__(self, before, width, stride):
        super().__init__()
        self.main = nn.Sequential(Same(before, width, 3, stride), norm(width), nn.ReLU(),
                                  Same(width, width, 3), norm(width))
        self.shortcut = Same(before, width, 1, stride) if stride > 1 else nn.Identity()

    def forward(self, x):
        return torch.relu(self.main(x) + self.shortcut(x))


def end(channels, classes):
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes), nn.Softmax(1)]


def mlperf_resnet8():
    return nn.Sequential(Same(3, 16, 3), norm(16), nn.ReLU(), Basic(16, 16, 1), Basic(16, 32, 2),
                         Basic(32, 64, 2), *end(64, 10))


def mobilenet_v1_025():
    layers, before = [Same(3, 8, 3, 2), norm(8), nn.ReLU()], 8
    for width, stride in [(16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2)] + \
            [(128, 1)] * 5 + [(256, 2), (256, 1)]:
        layers += [Same(before, before, 3, stride, groups=before), norm(before), nn.ReLU(),
                   nn.Conv2d(before, width, 1), norm(width), nn.ReLU()]
        before = width
    return nn.Sequential(*layers, *end(256, 2))


def ds_cnn():
    layers = [Same(1, 64, (10, 4), 2), norm(64), nn.ReLU()]
    for _ in range(4):
        layers += [Same(64, 64, 3, groups=64), norm(64), nn.ReLU(),
                   nn.Conv2d(64, 64, 1), norm(64), nn.ReLU()]
    return nn.Sequential(*layers, *end(64, 12))


def build(name):
    """The network; its weights are random, its statistics those of random images, moved."""
    torch.manual_seed(1)
    if name in globals():
        net = globals()[name]()
    else:
        other = {"init_weights": False, "aux_logits": False}
        more = other if name in ("googlenet", "inception_v3") else {}
        net = getattr(models, name)(weights=None, **more)
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    with torch.no_grad():
        for p in net.parameters():
            if p.dim() == 1 or p.shape[1:] == (1, 1):
                p.copy_(torch.rand(p.shape) + 0.5 if p.mean() > 0.5 or p.dim() == 3
                        else torch.randn(p.shape) * 0.1)
        for m in norms:
            m.momentum = None
        for m in net.modules():
            if isinstance(m, nn.Dropout):
                m.p = 0
        net.train()(torch.randn(4, *sides(name)))
        for m in norms:
            m.running_mean += 0.05 * m.running_var.sqrt() * torch.randn(m.running_mean.shape)
            m.running_var *= 0.4 * torch.rand(m.running_var.shape) + 0.8
    return net.eval()


def sides(name):
    if name == "ds_cnn":
        return 1, 49, 10
    side = {"inception_v3": 299, "mlperf_resnet8": 32, "mobilenet_v1_025": 96}.get(name, 224)
    return 3, side, side


def stored(net, x):
    """(kind, its tensors by name) of each module that has some, as they are executed."""
    out = []

    def hook(module, _, __):
        own = dict(module.named_parameters(recurse=False))
        own.update(module.named_buffers(recurse=False))
        own.pop("num_batches_tracked", None)
        if "layer_scale" in own:
            own = {"weight": own["layer_scale"].flatten()}
        if own:
            out.append((type(module).__name__, own))

    hooks = [m.register_forward_hook(hook) for m in net.modules()]
    y = net(x)
    for h in hooks:
        h.remove()
    return out, y


KINDS = {
    "conv": ("Conv2d", "Same", "Linear"),
    "depthwise_conv": ("Conv2d", "Same"),
    "dense": ("Linear",),
    "batch_norm": ("BatchNorm2d",),
    "layer_norm": ("LayerNorm", "LayerNorm2d"),
    "scale": ("CNBlock",),
}


def assign(layers, modules):
    """The tensors under the names of the description."""
    own = [layer for layer in layers if layer["params"] > 0]
    if len(own) != len(modules):
        raise ValueError(f"{len(own)} layers with parameters, {len(modules)} modules")
    tensors = {}
    for layer, (kind, values) in zip(own, modules):
        if kind not in KINDS[layer["type"]]:
            raise ValueError(f"layer {layer['name']} is a {layer['type']}, the module a {kind}")
        for name, value in values.items():
            if layer["type"] == "conv" and kind == "Linear" and name == "weight":
                value = value[:, :, None, None]
            tensors[f"{layer['name']}.{name}"] = value.detach().numpy()
    return tensors


def write_safetensors(path, tensors):
    header, at = {}, 0
    for name, value in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(value.shape),
                        "data_offsets": [at, at + value.nbytes]}
        at += value.nbytes
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for value in tensors.values():
            file.write(np.ascontiguousarray(value, dtype="<f4").tobytes())


def compare(cnn, config, folder):
    name = os.path.basename(config)[:-len(".yaml")]
    net = build(name)
    layers = json.loads(subprocess.check_output([cnn, "summary", config, "--json"]))["layers"]
    weights, worst = os.path.join(folder, "w.safetensors"), 0
    x_file, y_file = os.path.join(folder, "x.npy"), os.path.join(folder, "y.npy")
    for batch in (1, BATCH):
        x = torch.randn(batch, *sides(name))
        with torch.no_grad():
            modules, _ = stored(net.float(), x)
            if batch == 1:
                write_safetensors(weights, assign(layers, modules))
            y = net.double()(x.double())
        np.save(x_file, x.numpy())
        subprocess.run([cnn, "predict", config, x_file, "--weights", weights, "--save-output",
                        y_file], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        ours = np.load(y_file).reshape(batch, -1)
        difference = np.abs(ours - y.numpy()).max() / np.abs(y.numpy()).max()
        worst = max(worst, float(difference))
    print(f"{name:20} {worst:.1e}", flush=True)
    return worst <= MOST  # and so not where it is no number


def main():
    right = True
    with tempfile.TemporaryDirectory() as folder:
        for config in sys.argv[2:]:
            right = compare(sys.argv[1], config, folder) and right
    sys.exit(0 if right else 1)


if __name__ == "__main__":
    main()
