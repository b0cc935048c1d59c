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
from torchvision.models.shufflenetv2 import channel_shuffle

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


class Affine(nn.Module):
    def __init__(self, channels, bias):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, 1, 1))
        self.bias = nn.Parameter(torch.empty(channels, 1, 1)) if bias else None


def last(module, x):
    return module(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def places_apart(x, r):
    # ONNX DepthToSpace, mode DCR
    n, c, h, w = x.shape
    x = x.reshape(n, r, r, c // r**2, h, w)
    return x.permute(0, 3, 4, 1, 5, 2).reshape(n, c // r**2, h * r, w * r)


def places_together(x, r):
    # ONNX SpaceToDepth
    n, c, h, w = x.shape
    x = x.reshape(n, c, h // r, r, w // r, r)
    return x.permute(0, 3, 5, 1, 2, 4).reshape(n, c * r**2, h // r, w // r)


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
    'mul_gate': ((6, 5, 4), lambda: Net(
        lambda net, x: x * F.hardsigmoid(net.conv2(F.relu(net.conv1(x.mean((2, 3), keepdim=True))))),
        conv1=nn.Conv2d(6, 3, 1), conv2=nn.Conv2d(3, 6, 1)),
                 ['{type: global_pool, pool_type: avg, from: input}',
                  '{type: conv, filters: 3, kernel_size: 1, activation: relu}',
                  '{type: conv, filters: 6, kernel_size: 1, activation: hard_sigmoid, name: conv2}',
                  '{type: mul, from: [input, conv2]}']),
    'mul_same': ((19, 3, 4), lambda: Net(
        lambda net, x: F.silu(net.conv1(x) * net.conv2(x)), conv1=nn.Conv2d(19, 5, 1),
        conv2=nn.Conv2d(19, 5, 1)),
                 ['{type: conv, filters: 5, kernel_size: 1}',
                  '{type: conv, filters: 5, kernel_size: 1, from: input}',
                  '{type: mul, from: [conv1, conv2], activation: silu}']),
    'scale': ((21, 5, 4), lambda: Net(lambda net, x: x * net.scale1.weight, scale1=Affine(21, False)),
              ['{type: scale}']),
    'scale_bias_relu': ((6, 30, 31), lambda: Net(
        lambda net, x: F.relu(x * net.scale1.weight + net.scale1.bias), scale1=Affine(6, True)),
                        ['{type: scale, bias: true, activation: relu}']),
    'layer_norm': ((35, 4, 5), lambda: Net(lambda net, x: last(net.layer_norm1, x),
                                           layer_norm1=nn.LayerNorm(35, 1e-6)),
                   ['{type: layer_norm, eps: 1e-6}']),
    'layer_norm_flat': ((40, 1, 1), lambda: Net(
        lambda net, x: net.dense1(F.layer_norm(torch.flatten(x, 1), (40,))),
        dense1=nn.Linear(40, 3)),
                        ['{type: flatten}', '{type: layer_norm, affine: false}',
                         '{type: dense, units: 3}']),
    'group_norm': ((12, 7, 5), lambda: Net(lambda net, x: net.group_norm1(x),
                                           group_norm1=nn.GroupNorm(4, 12)),
                   ['{type: group_norm, groups: 4}']),
    'group_norm_wide': ((38, 9, 9), lambda: Net(lambda net, x: net.group_norm1(x),
                                                group_norm1=nn.GroupNorm(2, 38, 1e-3)),
                        ['{type: group_norm, groups: 2, eps: 1e-3}']),
    'instance_norm': ((5, 6, 6), each(F.instance_norm),
                      ['{type: group_norm, groups: 5, affine: false}']),
    'slice_shuffle': ((12, 4, 5), lambda: Net(
        lambda net, x: channel_shuffle(
            torch.cat([x[:, :5], net.conv1(x[:, 5:]), x[:, 2:9]], 1), 3), conv1=nn.Conv2d(7, 3, 1)),
                      ['{type: slice, end: 5, name: left}',
                       '{type: slice, start: 2, end: 9, name: middle, from: input}',
                       '{type: slice, start: 5, from: input}',
                       '{type: conv, filters: 3, kernel_size: 1}',
                       '{type: concat, from: [left, conv1, middle]}', '{type: shuffle, groups: 3}']),
    'transpose_k3': ((5, 4, 6), lambda: Net(lambda net, x: net.conv_transpose1(x),
                                            conv_transpose1=nn.ConvTranspose2d(5, 7, 3)),
                     ['{type: conv_transpose, filters: 7, kernel_size: 3}']),
    'transpose_unet': ((32, 5, 5), lambda: Net(lambda net, x: F.relu(net.conv_transpose1(x)),
                                               conv_transpose1=nn.ConvTranspose2d(32, 16, 2, 2)),
                       ['{type: conv_transpose, filters: 16, kernel_size: 2, stride: 2, '
                        'activation: relu}']),
    'transpose_s2_op1': ((16, 4, 5), lambda: Net(
        lambda net, x: F.silu(net.conv_transpose1(x)),
        conv_transpose1=nn.ConvTranspose2d(16, 8, 3, 2, 1, 1)),
                         ['{type: conv_transpose, filters: 8, kernel_size: 3, stride: 2, padding: 1, '
                          'output_padding: 1, activation: silu}']),
    'transpose_groups': ((12, 5, 4), lambda: Net(
        lambda net, x: net.conv_transpose1(x),
        conv_transpose1=nn.ConvTranspose2d(12, 6, (3, 2), (3, 2), (1, 0), (2, 1), 3, False, (1, 2))),
                         ['{type: conv_transpose, filters: 6, kernel_size: [3, 2], stride: [3, 2], '
                          'padding: [1, 0], output_padding: [2, 1], groups: 3, bias: false, '
                          'dilation: [1, 2]}']),
    'transpose_depthwise': ((9, 6, 6), lambda: Net(
        lambda net, x: net.conv_transpose1(x),
        conv_transpose1=nn.ConvTranspose2d(9, 9, 4, 2, 1, groups=9)),
                            ['{type: conv_transpose, filters: 9, kernel_size: 4, stride: 2, '
                             'padding: 1, groups: 9}']),
    'prelu': ((18, 4, 5), lambda: Net(lambda net, x: net.prelu1(x), prelu1=nn.PReLU(18)),
              ['{type: prelu}']),
    'prelu_shared': ((5, 4, 5), lambda: Net(lambda net, x: net.prelu1(x), prelu1=nn.PReLU()),
                     ['{type: prelu, shared: true}']),
    'pad_zeros': ((5, 4, 6), each(lambda x: F.pad(x, (3, 0, 1, 2))),
                  ['{type: pad, padding: [1, 2, 3, 0]}']),
    'pad_reflect': ((5, 4, 6), each(lambda x: F.pad(x, (3, 4, 2, 1), 'reflect')),
                    ['{type: pad, padding: [2, 1, 3, 4], padding_mode: reflect}']),
    'pad_replicate': ((3, 4, 6), each(lambda x: F.pad(x, (0, 7, 5, 1), 'replicate')),
                      ['{type: pad, padding: [5, 1, 0, 7], padding_mode: replicate}']),
    'upsample_nearest': ((5, 4, 3), each(lambda x: F.interpolate(x, scale_factor=(2, 3))),
                         ['{type: upsample, scale: [2, 3]}']),
    'upsample_nearest_size': ((5, 4, 7), each(lambda x: F.interpolate(x, (9, 5))),
                              ['{type: upsample, size: [9, 5]}']),
    'upsample_bilinear': ((5, 4, 3), each(
        lambda x: F.interpolate(x, scale_factor=2, mode='bilinear', align_corners=False)),
                          ['{type: upsample, scale: 2, mode: bilinear}']),
    'upsample_bilinear_size': ((3, 5, 8), each(
        lambda x: F.interpolate(x, (11, 6), mode='bilinear', align_corners=False)),
                               ['{type: upsample, size: [11, 6], mode: bilinear}']),
    'upsample_corners': ((5, 4, 3), each(
        lambda x: F.interpolate(x, (7, 9), mode='bilinear', align_corners=True)),
                         ['{type: upsample, size: [7, 9], mode: bilinear, align_corners: true}']),
    'upsample_corners_one': ((2, 4, 3), each(
        lambda x: F.interpolate(x, (1, 6), mode='bilinear', align_corners=True)),
                             ['{type: upsample, size: [1, 6], mode: bilinear, align_corners: '
                              'true}']),
    'depth_to_space': ((18, 3, 4), each(lambda x: F.pixel_shuffle(x, 3)),
                       ['{type: depth_to_space, block: 3}']),
    'depth_to_space_place': ((12, 3, 4), each(lambda x: places_apart(x, 2)),
                             ['{type: depth_to_space, block: 2, order: place}']),
    'space_to_depth': ((3, 4, 6), each(lambda x: F.pixel_unshuffle(x, 2)),
                       ['{type: space_to_depth, block: 2}']),
    'space_to_depth_place': ((3, 4, 6), each(lambda x: places_together(x, 2)),
                             ['{type: space_to_depth, block: 2, order: place}']),
}


def ours(parameter):
    return (-1,) if parameter.dim() == 3 else parameter.shape


def write(name):
    shape, make, layers = CASES[name]
    torch.manual_seed(sum(map(ord, name)))
    net = make()
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.dim() != 2 and (parameter.dim() < 4 or parameter.shape[1:].numel() == 1):
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
    results.update({f'grad.{n}': p.grad.reshape(ours(p)) for n, p in weights.items()})
    tensors = {n: t.numpy() for n, t in results.items()}
    types = [re.search(r'type: (\w+)', line).group(1) for line in layers]
    tensors[f'shape.{types[-1]}{types.count(types[-1])}'] = np.array(y.shape[1:], np.int64)
    save(f'{FOLDER}/{name}.io.safetensors', tensors)
    save(f'{FOLDER}/{name}.weights.safetensors', {n: p.detach().reshape(ours(p)).numpy() for n, p in weights.items()})
    with open(f'{FOLDER}/{name}.yaml', 'w') as f:
        f.write(f'name: {name}\ninput: [{shape[0]}, {shape[1]}, {shape[2]}]\nlayers:\n')
        f.writelines(f'  - {line}\n' for line in layers)


for wanted in sys.argv[1:] or CASES:
    write(wanted)
