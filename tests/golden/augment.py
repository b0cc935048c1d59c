#!/usr/bin/python3
"""Makes PyTorch's numbers for tests/test_augment_pixels.c: augment.inc, what the operations of augmentation make of two small images.

Run by hand in this folder, with Debian's python3-torch and python3-numpy. Colours follow torchvision's definitions for tensors of bytes, in float32;
what moves pixels is grid_sample or interpolate, in float64. Images are rows of pixels of channels."""
import colorsys

import numpy as np
import torch
import torch.nn.functional as F

HEIGHT, WIDTH = 6, 8
BLANK = (100, 50, 200)


def picture():
    """Colours of every hue, two greys, black, white and a pure red."""
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (HEIGHT, WIDTH, 3))
    pixels[0, 0], pixels[0, 1], pixels[2, 3], pixels[4, 5], pixels[5, 7] = 0, 255, 77, 200, (255, 0, 0)
    pixels[3, 2], pixels[3, 3] = (10, 90, 90), (90, 10, 90)
    return torch.tensor(pixels, dtype=torch.uint8).permute(2, 0, 1)


def whole(image):
    """Floats to bytes, cut off."""
    return image.clamp(0, 255).to(torch.uint8)


def grey(image):
    red, green, blue = image.to(torch.float32)
    return (0.2989 * red + 0.587 * green + 0.114 * blue).to(torch.uint8)


def blend(image, other, factor):
    return whole(torch.tensor(factor, dtype=torch.float32) * image + torch.tensor(1 - factor, dtype=torch.float32) * other)


def contrast(image, factor):
    level = grey(image) if image.shape[0] == 3 else image
    return blend(image, level.to(torch.float32).mean(), factor)


def hue(image, turn):
    """By way of hue, saturation and value, each in [0, 1]."""
    out = torch.empty_like(image)
    for y in range(image.shape[1]):
        for x in range(image.shape[2]):
            h, s, v = colorsys.rgb_to_hsv(*(image[:, y, x].double() / 255).tolist())
            out[:, y, x] = torch.tensor([int(c * 255.999) for c in colorsys.hsv_to_rgb((h + turn) % 1, s, v)], dtype=torch.uint8)
    return out


def sharpness(image, factor):
    """The edge stays; torchvision blends it with itself, which cuts a level off some of its values."""
    kernel = torch.ones(1, 1, 3, 3, dtype=torch.float64)
    kernel[0, 0, 1, 1] = 5
    out = image.clone()
    smooth = torch.round(F.conv2d(image.double()[:, None], kernel / 13)[:, 0]).to(torch.uint8)
    out[:, 1:-1, 1:-1] = blend(image[:, 1:-1, 1:-1], smooth, factor)
    return out


def autocontrast(image):
    least, most = image.amin((1, 2), keepdim=True).float(), image.amax((1, 2), keepdim=True).float()
    return whole((image - least) * (255 / (most - least)))


def equalize(image):
    counts = torch.bincount(image.flatten().long(), minlength=256)
    step = int(counts[counts > 0][:-1].sum()) // 255
    table = (torch.cumsum(counts, 0) + step // 2) // step
    table = torch.cat([torch.zeros(1, dtype=table.dtype), table[:-1]]).clamp(0, 255)
    return table[image.long()].to(torch.uint8)


def warp(image, matrix, blank=BLANK):
    """matrix maps places of the result to places of the image, both counted in pixels from the centre."""
    height, width = image.shape[1:]
    y, x = torch.meshgrid(torch.arange(height).double() - (height - 1) / 2, torch.arange(width).double() - (width - 1) / 2, indexing="ij")
    m = torch.tensor(matrix, dtype=torch.float64)
    grid = torch.stack([(m[0, 0] * x + m[0, 1] * y + m[0, 2]) / (width / 2), (m[1, 0] * x + m[1, 1] * y + m[1, 2]) / (height / 2)], dim=-1)[None]
    inside = F.grid_sample(torch.ones(1, 1, height, width).double(), grid, align_corners=False)[0]
    colours = F.grid_sample(image.double()[None], grid, align_corners=False)[0]
    return torch.round(colours + (1 - inside) * torch.tensor(blank).double()[:, None, None]).to(torch.uint8)


def rotate(image, degrees):
    """Counter-clockwise; y points down, so that at 90 degrees the right side shows what was below."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return warp(image, [[c, -s, 0], [s, c, 0]])


def enlarge(image, top, left, height, width):
    window = image[:, top:top + height, left:left + width].double()[None]
    return torch.round(F.interpolate(window, size=image.shape[1:], mode="bilinear", align_corners=False)[0]).to(torch.uint8)


image = picture()
faint = torch.tensor(np.random.default_rng(2).normal(90, 20, (1, 20, 32)).clip(30, 180), dtype=torch.uint8)
results = {
    "image": image,
    "faint": faint,
    "brighter": blend(image, torch.zeros_like(image), 1.7),
    "darker": blend(image, torch.zeros_like(image), 0.6),
    "contrast_more": contrast(image, 1.8),
    "contrast_less": contrast(image, 0.3),
    "contrast_faint": contrast(faint, 2.5),
    "saturation_more": blend(image, grey(image), 1.6),
    "saturation_less": blend(image, grey(image), 0.25),
    "hue_on": hue(image, 0.2),
    "hue_back": hue(image, -0.4),
    "sharper": sharpness(image, 1.9),
    "smoother": sharpness(image, 0.1),
    "posterize": image & 0b11100000,
    "solarize": torch.where(image >= 128.5, 255 - image, image),
    "autocontrast_faint": autocontrast(faint),
    "equalize_faint": equalize(faint),
    "rotate_30": rotate(image, 30),
    "rotate_back": rotate(image, -77.5),
    "larger": warp(image, [[1 / 1.53, 0, 0], [0, 1 / 1.53, 0]]),
    "smaller": warp(image, [[1 / 0.61, 0, 0], [0, 1 / 0.61, 0]]),
    "sheared": warp(image, [[1, 0.313, 0.51], [-0.207, 1, -1.25]]),
    "enlarged": enlarge(image, 1, 2, 5, 3),
}
with open("augment.inc", "w") as out:
    out.write("/* Made by augment.py. */\n")
    for name, tensor in results.items():
        values = tensor.permute(1, 2, 0).flatten().tolist()
        lines = [", ".join(str(v) for v in values[i:i + 24]) for i in range(0, len(values), 24)]
        out.write("static const uint8_t golden_%s[%d] = {\n    %s};\n" % (name, len(values), ",\n    ".join(lines)))
