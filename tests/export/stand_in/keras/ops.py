import torch
import torch.nn.functional as F

from .tensor import apply

relu = lambda x: apply(torch.relu, x)
relu6 = lambda x: apply(F.relu6, x)
elu = lambda x: apply(F.elu, x)
sigmoid = lambda x: apply(torch.sigmoid, x)
tanh = lambda x: apply(torch.tanh, x)
silu = lambda x: apply(F.silu, x)
hard_sigmoid = lambda x: apply(lambda x: F.relu6(x + 3) / 6, x)
hard_silu = lambda x: apply(lambda x: x * F.relu6(x + 3) / 6, x)
softmax = lambda x: apply(lambda x: torch.softmax(x, -1), x)
leaky_relu = lambda x, negative_slope=0.2: apply(lambda x: F.leaky_relu(x, negative_slope), x)
clip = lambda x, x_min, x_max: apply(lambda x: torch.clamp(x, x_min, x_max), x)
ones_like = lambda x: apply(torch.ones_like, x)
mean = lambda x, axis, keepdims: apply(lambda x: x.mean(axis, keepdim=keepdims), x)
max = lambda x, axis, keepdims: apply(lambda x: x.amax(axis, keepdim=keepdims), x)


def gelu(x, approximate=True):
    return apply(lambda x: F.gelu(x, approximate="tanh" if approximate else "none"), x)


def pad(x, pad_width, mode="constant", constant_values=0):
    assert pad_width[0] == [0, 0]

    def run(x):
        if mode == "constant":
            flat = [n for pair in reversed(pad_width) for n in pair]
            return F.pad(x, flat, value=constant_values)
        top, left = pad_width[1], pad_width[2]
        y = F.pad(x.permute(0, 3, 1, 2), (*left, *top), mode={"edge": "replicate"}.get(mode, mode))
        return y.permute(0, 2, 3, 1)

    return apply(run, x)
