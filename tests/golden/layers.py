#!/usr/bin/env python3
"""Writes those of layers/* that stand in CASES, as PyTorch 1.13 computes them: the arguments are
their names, none: all. Every parameter is random."""
import json
import os
import re
import struct
import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'layers')


def save(path, tensors):
    header, data = {}, b''
    for name, t in tensors.items():
        a = np.ascontiguousarray(t)
        header[name] = {'dtype': 'F32' if a.dtype == np.float32 else 'I64', 'shape': a.shape,
                        'data_offsets': [len(data), len(data) + a.nbytes]}
        data += a.tobytes()
    text = json.dumps(header, separators=(',', ':')).encode()
    text += b' ' * (-len(text) % 8)
    with open(path, 'wb') as f:
        f.write(struct.pack('<Q', len(text)) + text + data)


class Net(nn.Module):
    """Modules by the names of our layers, and the function that uses them."""

    def __init__(self, function, **modules):
        super().__init__()
        self.function = function
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, x):
        return self.function(self, x)


def each(function):
    return lambda: Net(lambda net, x: function(x))


# name: input shape, network, our layers
CASES = {
    'act_hard_sigmoid': ((4, 5, 5), each(lambda x: F.hardsigmoid(3 * x)),
                         ['{type: add, from: [input, input, input]}', '{type: hard_sigmoid}']),
    'act_mish': ((4, 5, 5), each(F.mish), ['{type: mish}']),
    'act_clip': ((4, 5, 5), each(lambda x: F.hardtanh(x, -0.5, 0.75)),
                 ['{type: clip, min: -0.5, max: 0.75}']),
    'conv_hard_sigmoid': (
        (3, 6, 7), lambda: Net(lambda net, x: F.hardsigmoid(net.conv1(x)), conv1=nn.Conv2d(3, 5, 3)),
        ['{type: conv, filters: 5, kernel_size: 3, activation: hard_sigmoid}']),
    'conv_mish': (
        (3, 6, 7), lambda: Net(lambda net, x: F.mish(net.conv1(x)), conv1=nn.Conv2d(3, 5, 3)),
        ['{type: conv, filters: 5, kernel_size: 3, activation: mish}']),
}


def write(name):
    shape, make, layers = CASES[name]
    torch.manual_seed(sum(map(ord, name)))
    net = make()
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.dim() == 1:
                parameter.uniform_(-1, 1)
    x = torch.randn(3, *shape, requires_grad=True)
    net.eval()
    evaluated = net(x).detach()
    net.train()
    y = net(x)
    dy = torch.randn(y.shape)
    y.backward(dy)
    results = {'x': x.detach(), 'y_eval': evaluated, 'y_train': y.detach(), 'dy': dy, 'dx': x.grad}
    weights = {n: p for n, p in net.named_parameters()}
    results.update({f'grad.{n}': p.grad for n, p in weights.items()})
    tensors = {n: t.numpy() for n, t in results.items()}
    types = [re.search(r'type: (\w+)', line).group(1) for line in layers]
    tensors[f'shape.{types[-1]}{types.count(types[-1])}'] = np.array(y.shape[1:], np.int64)
    save(f'{FOLDER}/{name}.io.safetensors', tensors)
    save(f'{FOLDER}/{name}.weights.safetensors', {n: p.detach().numpy() for n, p in weights.items()})
    with open(f'{FOLDER}/{name}.yaml', 'w') as f:
        f.write(f'name: {name}\ninput: [{shape[0]}, {shape[1]}, {shape[2]}]\nlayers:\n')
        f.writelines(f'  - {line}\n' for line in layers)


for wanted in sys.argv[1:] or CASES:
    write(wanted)
