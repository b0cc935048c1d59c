#!/usr/bin/env python3
"""Writes layers/pool_*_wide*: pooling whose window is larger than its input, with ceil_mode, as
PyTorch 1.13 computes it."""
import json
import os
import struct

import numpy as np
import torch
import torch.nn.functional as F

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'layers')
# name: channels, height, width, kind, kernel, stride, padding, count_include_pad
CASES = {
    'pool_max_wide_rows': (3, 2, 8, 'max', (3, 3), (3, 3), (0, 0), True),
    'pool_max_wide_columns': (17, 4, 2, 'max', (2, 3), (2, 2), (0, 0), True),
    'pool_max_wide_pad': (5, 1, 6, 'max', (5, 3), (3, 1), (1, 0), True),
    'pool_avg_wide_rows': (3, 1, 5, 'avg', (3, 3), (3, 3), (0, 0), True),
    'pool_avg_wide_both': (33, 2, 2, 'avg', (3, 3), (2, 2), (0, 0), True),
    'pool_avg_wide_pad': (4, 2, 3, 'avg', (5, 4), (3, 2), (1, 1), True),
    'pool_avg_wide_exclude': (4, 2, 3, 'avg', (5, 4), (3, 2), (1, 1), False),
}


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


for name, (c, h, w, kind, kernel, stride, padding, include) in CASES.items():
    torch.manual_seed(len(name) + c)
    x = torch.randn(3, c, h, w, requires_grad=True)
    if kind == 'max':
        y = F.max_pool2d(x, kernel, stride, padding, ceil_mode=True)
    else:
        y = F.avg_pool2d(x, kernel, stride, padding, ceil_mode=True, count_include_pad=include)
    dy = torch.randn(y.shape)
    y.backward(dy)
    out = y.detach().numpy()
    save(f'{FOLDER}/{name}.io.safetensors',
         {'x': x.detach().numpy(), 'y_eval': out, 'y_train': out, 'dy': dy.numpy(),
          'dx': x.grad.numpy(), 'shape.pool1': np.array(y.shape[1:], np.int64)})
    save(f'{FOLDER}/{name}.weights.safetensors', {})
    with open(f'{FOLDER}/{name}.yaml', 'w') as f:
        exclude = '' if include else ', count_include_pad: false'
        f.write(f'name: {name}\ninput: [{c}, {h}, {w}]\nlayers:\n'
                f'  - {{type: pool, pool_type: {kind}, kernel_size: {list(kernel)}, '
                f'stride: {list(stride)}, padding: {list(padding)}, ceil_mode: true{exclude}}}\n')
