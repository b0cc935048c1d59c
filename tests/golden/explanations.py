#!/usr/bin/python3
"""Makes PyTorch's numbers for tests/test_attribution.c, in float64: explanations/NAME.safetensors, from the networks named below.

Run by hand in this folder, with Debian's python3-torch, python3-numpy and python3-yaml; CNN_TORCH_REF names the Python file that turns our descriptions
into PyTorch modules (its Net, load_safetensors, save_safetensors and randomise). For each tensor it prints how far float32 is from float64, as a share of the
largest magnitude: where an activation lies just at a kink the two disagree, and another seed must be chosen."""
import importlib.util
import math
import os

import numpy as np
import torch
import torch.nn.functional as F
import yaml

location = importlib.util.spec_from_file_location("torch_ref", os.environ["CNN_TORCH_REF"])
ref = importlib.util.module_from_spec(location)
location.loader.exec_module(ref)

# Name: (description, weights, layers for Grad-CAM, (layer, channel) pairs for excite, seed of the picture)
NETWORKS = {
    "lenet": ("traces/trace_lenet_momentum.yaml", "traces/trace_lenet_momentum.final.safetensors", ["conv1", "conv2"],
              [("conv2", 5), ("dense3", 7)], 1),
    "vgg_small": ("traces/trace_vgg_small_nesterov.yaml", "traces/trace_vgg_small_nesterov.final.safetensors", ["batch_norm3", "relu8"],
                  [("conv3", 11)], 2),
    "residual": ("traces/trace_residual_adamw.yaml", "traces/trace_residual_adamw.final.safetensors", ["in", "add1"],
                 [("add1", 4), ("dense1", 4)], 3),
    "softmax": ("explanations/softmax.yaml", "explanations/softmax.weights.safetensors", ["conv1", "conv2"], [("conv2", 1), ("dense1", 0)], 4),
    "depthwise": ("explanations/depthwise.yaml", "explanations/depthwise.weights.safetensors", ["depthwise_conv1", "relu2"],
                  [("relu2", 3), ("global_pool1", 4)], 5),
}
SMOOTHGRAD, EXCITE = 8, 9  # streams of random numbers
M = (1 << 64) - 1


def mix(x):
    """SplitMix64's finaliser."""
    x = (x + 0x9E3779B97F4A7C15) & M
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & M
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & M
    return x ^ (x >> 31)


class Rng:
    """util/random.c: PCG32 that begins at (seed, stream, index)."""

    def __init__(self, seed, stream, index):
        self.state = mix(mix(mix(seed) ^ stream) ^ index)
        self.increment = mix(self.state) | 1

    def u32(self):
        old = self.state
        self.state = (old * 6364136223846793005 + self.increment) & M
        shifted, turn = (((old >> 18) ^ old) >> 27) & 0xFFFFFFFF, old >> 59
        return ((shifted >> turn) | (shifted << (-turn & 31))) & 0xFFFFFFFF

    def below(self, bound):
        lowest, r = (1 << 32) % bound, self.u32()
        while r < lowest:
            r = self.u32()
        return r % bound

    def normals(self, shape):
        """float32 numbers in NHWC order, as an image [1][c][h][w]."""
        c, h, w = shape
        values = np.empty(c * h * w, np.float32)
        for i in range(values.size):
            radius = math.sqrt(-2 * math.log((self.u32() + 1) * 2.0**-32))
            values[i] = radius * math.cos(6.283185307179586 * self.u32() * 2.0**-32)
        return np.ascontiguousarray(values.reshape(h, w, c).transpose(2, 0, 1))[None]


class Network:
    def __init__(self, description, weights, dtype):
        self.spec = yaml.safe_load(open(description))
        self.net = ref.Net(self.spec)
        self.net.load_state_dict({k: torch.from_numpy(v) for k, v in ref.load_safetensors(weights).items()}, strict=False)
        self.net.to(dtype).eval()
        last = ref.splice(self.spec["layers"])[-1]["type"]
        self.logits = self.net.steps[-2 if last == "softmax" else -1][0]
        self.dtype = dtype

    def image(self, x):
        return torch.from_numpy(x).to(self.dtype, copy=True)

    def values(self, x):
        keep = {}
        self.net(x, keep)
        return keep

    def logit(self, x, k):
        return self.values(x)[self.logits].flatten(1)[:, k]

    def gradcam(self, x, k, layer):
        keep = self.values(self.image(x).requires_grad_())
        a = keep[layer]
        g, = torch.autograd.grad(keep[self.logits].flatten(1)[0, k], a)
        return F.relu((g.mean((2, 3), keepdim=True) * a).sum(1))[0]

    def saliency(self, x, k):
        x = self.image(x).requires_grad_()
        g, = torch.autograd.grad(self.logit(x, k).sum(), x)
        return g

    def smoothgrad(self, x, k, samples, noise, seed):
        deviation = np.float32(noise) * (x.max() - x.min())
        noisy = np.concatenate([x + deviation * Rng(seed, SMOOTHGRAD, s).normals(x.shape[1:]) for s in range(samples)])
        return self.saliency(noisy, k).mean(0)

    def probability(self, x, k):
        return F.softmax(self.values(x)[self.logits].flatten(1), 1)[0, k]

    def occlusion(self, x, k, size, step, fill):
        whole, h, w = self.probability(self.image(x), k), x.shape[2], x.shape[3]
        drop = torch.zeros((h - 1) // step + 1, (w - 1) // step + 1, dtype=self.dtype)
        for i in range(drop.shape[0]):
            for j in range(drop.shape[1]):
                hidden = self.image(x)
                hidden[0, :, i * step:i * step + size, j * step:j * step + size] = self.image(fill)[:, None, None]
                drop[i, j] = whole - self.probability(hidden, k)
        return drop

    def excite(self, layer, k, steps, jitter, blur_every, rate, blur, seed):
        """The algorithm that src/viz/excite.c describes; the gradient never vanishes here."""
        strength = lambda x: self.values(x)[layer][0, k].mean()
        rng = Rng(seed, EXCITE, 0)
        low, high = self.pixels()
        unit, middle = (high - low) / 4, torch.where((low < 0) & (high > 0), 0 * low, (low + high) / 2)
        clip = lambda x: torch.minimum(torch.maximum(x, low), high)
        start = x = clip(middle + 0.1 * unit * self.image(rng.normals(self.net.in_shape)))
        for s in range(1, steps + 1):
            shift = (rng.below(2 * jitter + 1) - jitter, rng.below(2 * jitter + 1) - jitter)
            turned = torch.roll(x, shift, (2, 3)).requires_grad_()
            g, = torch.autograd.grad(strength(turned), turned)
            g = torch.roll(g, (-shift[0], -shift[1]), (2, 3))
            x = x + rate * unit * min(1, s / 16) * g / g.pow(2).mean().sqrt()
            if s % blur_every == 0:
                x = self.blur(x, blur)
            x = clip(x)
        return x[0], torch.stack([strength(start), strength(x)])

    def blur(self, x, deviation):
        radius, c = math.ceil(3 * deviation), x.shape[1]
        weights = torch.exp(-torch.arange(-radius, radius + 1, dtype=self.dtype)**2 / (2 * deviation**2))
        weights = (weights / weights.sum()).expand(c, 1, -1)
        x = F.conv2d(F.pad(x, (radius, radius, 0, 0), mode="replicate"), weights[:, :, None, :], groups=c)
        return F.conv2d(F.pad(x, (0, 0, radius, radius), mode="replicate"), weights[:, :, :, None], groups=c)

    def pixels(self):
        """What a channel's pixels can be, [1][c][1][1]; as they are in files where the description does not normalise."""
        c = self.net.in_shape[0]
        n = self.spec.get("data", {}).get("normalize", {"mean": [0] * c, "std": [1] * c})
        mean, std = (torch.tensor(n[k], dtype=self.dtype)[None, :, None, None] for k in ("mean", "std"))
        return (0 - mean) / std, (1 - mean) / std


def explain(network, x, fill, k, layers, excited):
    out = {"saliency": network.saliency(x, k)[0], "smoothgrad": network.smoothgrad(x, k, 5, 0.15, 11), "occlusion": network.occlusion(x, k, 6, 5, fill)}
    for layer in layers:
        out["gradcam." + layer] = network.gradcam(x, k, layer)
    for layer, channel in excited:
        out[f"excite.{layer}.{channel}"], out[f"strength.{layer}.{channel}"] = network.excite(layer, channel, 20, 2, 3, 0.2, 0.7, 5)
    return out


for name, (description, weights, layers, excited, seed) in NETWORKS.items():
    if name + ".weights" in weights:
        net = ref.Net(yaml.safe_load(open(description)))
        ref.randomise(net, torch.Generator().manual_seed(seed))
        ref.save_safetensors(weights, net.state())
    wide, narrow = Network(description, weights, torch.float64), Network(description, weights, torch.float32)
    g = torch.Generator().manual_seed(seed)
    c, h, w = wide.net.in_shape
    x = (F.interpolate(2 * torch.randn((1, c, 5, 5), generator=g), (h, w), mode="bicubic") + 0.3 * torch.randn((1, c, h, w), generator=g)).numpy()
    fill = torch.randn(c, generator=g).numpy()
    k = int(wide.values(wide.image(x))[wide.logits].flatten(1).argmax())
    exact, rounded = explain(wide, x, fill, k, layers, excited), explain(narrow, x, fill, k, layers, excited)
    for what, t in exact.items():
        largest = t.abs().max().item()
        print(f"{name:10} {what:28} largest {largest:.3g}, float32 apart {(t - rounded[what]).abs().max().item() / largest:.1e}")
    out = {what: t.detach().float() for what, t in exact.items()}
    ref.save_safetensors(f"explanations/{name}.safetensors", {"x": x[0], "fill": fill, "class": np.array([k], np.int64), **out})
