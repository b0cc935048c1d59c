#!/usr/bin/python3
"""Writes networks of Caffe and Darknet as their authors describe them, with random parameters, and what OpenCV computes with them.

    networks.py FOLDER NAME...

Into FOLDER/NAME: net.prototxt and net.caffemodel, or net.cfg and net.weights; input and output, float32: two images of normally distributed numbers, red
first, and the network's last numbers for them. Without names: lists them. Needs Debian's python3-opencv and python3-numpy.
"""
import math
import os
import struct
import sys

import numpy

random = numpy.random.default_rng(7)


def weights(*dims):
    """Normal numbers that keep the size of what goes through: dims[0] filters."""
    fan = int(numpy.prod(dims[1:]))
    return random.standard_normal(dims, dtype="f4") * numpy.float32(math.sqrt(2 / fan))


def around(value, count):
    return (value + random.uniform(-0.5, 0.5, count)).astype("<f4")


# ---- Protocol buffers ----


def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def field(number, *parts):
    """In parts, of which the numbers of a layer are one: joining them would copy hundreds of megabytes once for each message around them."""
    return [varint(number << 3 | 2) + varint(sum(len(part) for part in parts)), *parts]


class Caffe:
    """A .prototxt and a .caffemodel, in the newer form or the older one (old)."""

    def __init__(self, name, shape, old=False):
        self.old, self.shapes, self.blobs, self.last = old, {"data": shape}, [], "data"
        self.text = [f'name: "{name}"', 'input: "data"']
        self.text += [f"input_dim: {size}" for size in (1,) + shape]

    TYPES = {"Convolution": ("CONVOLUTION", 4), "InnerProduct": ("INNER_PRODUCT", 14), "ReLU": ("RELU", 18), "Pooling": ("POOLING", 17),
             "LRN": ("LRN", 15), "Dropout": ("DROPOUT", 6), "Softmax": ("SOFTMAX", 20), "Concat": ("CONCAT", 3), "Eltwise": ("ELTWISE", 25)}

    def layer(self, kind, name, bottoms, top, settings, blobs=()):
        word = self.TYPES[kind][0] if self.old else f'"{kind}"'
        lines = [f'  name: "{name}"', f"  type: {word}"] + [f'  bottom: "{b}"' for b in bottoms] + [f'  top: "{top}"'] + settings
        self.text.append("\n".join(["layers {" if self.old else "layer {"] + lines + ["}"]))
        if blobs:
            self.blobs.append((kind, name, blobs))
        self.last = top
        return top

    def message(self, name, **settings):
        return [f"  {name} {{"] + [f"    {key}: {value}" for key, value in settings.items() if value is not None] + ["  }"]

    def conv(self, name, filters, size, bottom=None, stride=1, pad=0, group=1, bias=True, relu=True):
        bottom = bottom or self.last
        c, h, w = self.shapes[bottom]
        blobs = [weights(filters, c // group, size, size)] + ([around(0, filters)] if bias else [])
        settings = self.message("convolution_param", num_output=filters, kernel_size=size, pad=pad or None, stride=stride if stride > 1 else None,
                                group=group if group > 1 else None, bias_term=None if bias else "false")
        self.layer("Convolution", name, [bottom], name, settings, blobs)
        self.shapes[name] = (filters, (h + 2 * pad - size) // stride + 1, (w + 2 * pad - size) // stride + 1)
        return self.relu(name) if relu else name

    def relu(self, top):
        return self.layer("ReLU", f"{top}/relu", [top], top, [])

    def norm(self, name, bottom, gain=1):
        """BatchNorm and Scale, both in place."""
        channels, factor = self.shapes[bottom][0], numpy.float32(0.75)
        self.layer("BatchNorm", f"bn_{name}", [bottom], bottom, self.message("batch_norm_param", use_global_stats="true"),
                   [around(0, channels) * factor, around(1, channels) * factor, numpy.array([factor], "<f4")])
        return self.layer("Scale", f"scale_{name}", [bottom], bottom, self.message("scale_param", bias_term="true"),
                          [gain * around(1, channels), gain * around(0, channels)])

    def pool(self, name, size, stride=1, pad=0, bottom=None, method="MAX"):
        bottom = bottom or self.last
        c, h, w = self.shapes[bottom]
        self.layer("Pooling", name, [bottom], name,
                   self.message("pooling_param", pool=method, kernel_size=size, stride=stride if stride > 1 else None, pad=pad or None))
        sizes = [math.ceil((side + 2 * pad - size) / stride) + 1 for side in (h, w)]
        if pad:
            sizes = [out - ((out - 1) * stride >= side + pad) for out, side in zip(sizes, (h, w))]
        self.shapes[name] = (c, *sizes)
        return name

    def lrn(self, name):
        bottom = self.last
        self.shapes[name] = self.shapes[bottom]
        return self.layer("LRN", name, [bottom], name, self.message("lrn_param", local_size=5, alpha=0.0001, beta=0.75))

    def dense(self, name, units, gain=1):
        bottom = self.last
        inputs = int(numpy.prod(self.shapes[bottom]))
        self.shapes[name] = (units, 1, 1)
        return self.layer("InnerProduct", name, [bottom], name, self.message("inner_product_param", num_output=units),
                          [gain * weights(units, inputs), around(0, units)])

    def dropout(self, rate):
        return self.layer("Dropout", f"{self.last}/drop", [self.last], self.last, self.message("dropout_param", dropout_ratio=rate))

    def softmax(self):
        return self.layer("Softmax", "prob", [self.last], "prob", [])

    def concat(self, name, bottoms):
        shapes = [self.shapes[b] for b in bottoms]
        self.shapes[name] = (sum(s[0] for s in shapes), *shapes[0][1:])
        return self.layer("Concat", name, bottoms, name, [])

    def add(self, name, bottoms):
        self.shapes[name] = self.shapes[bottoms[0]]
        return self.layer("Eltwise", name, bottoms, name, [])

    def encode(self, kind, name, blobs):
        encoded = []
        for blob in blobs:
            if self.old:
                dims = (1,) * (4 - blob.ndim) + blob.shape
                body = [varint(i + 1 << 3) + varint(d) for i, d in enumerate(dims)]
            else:
                body = field(7, *field(1, *[varint(d) for d in blob.shape]))
            encoded += field(6 if self.old else 7, *body, *field(5, blob.astype("<f4", copy=False).tobytes()))
        if self.old:
            return field(2, *field(4, name.encode()), varint(5 << 3) + varint(self.TYPES[kind][1]), *encoded)
        return field(100, *field(1, name.encode()), *field(2, kind.encode()), *encoded)

    def write(self, folder):
        with open(f"{folder}/net.prototxt", "w") as file:
            file.write("\n".join(self.text) + "\n")
        with open(f"{folder}/net.caffemodel", "wb") as file:
            for blob in self.blobs:
                file.writelines(self.encode(*blob))
        return self.shapes["data"]


def alexnet(old=False):
    """Krizhevsky et al. 2012, as Caffe's own bvlc_alexnet has it."""
    n = Caffe("AlexNet", (3, 227, 227), old)
    n.conv("conv1", 96, 11, stride=4)
    n.lrn("norm1")
    n.pool("pool1", 3, 2)
    n.conv("conv2", 256, 5, pad=2, group=2)
    n.lrn("norm2")
    n.pool("pool2", 3, 2)
    n.conv("conv3", 384, 3, pad=1)
    n.conv("conv4", 384, 3, pad=1, group=2)
    n.conv("conv5", 256, 3, pad=1, group=2)
    n.pool("pool5", 3, 2)
    for name in "fc6", "fc7":
        n.relu(n.dense(name, 4096))
        n.dropout(0.5)
    n.dense("fc8", 1000)
    n.softmax()
    return n


def googlenet():
    """Szegedy et al. 2014, as Caffe's own bvlc_googlenet has it."""
    n = Caffe("GoogleNet", (3, 224, 224))
    n.conv("conv1/7x7_s2", 64, 7, stride=2, pad=3)
    n.pool("pool1/3x3_s2", 3, 2)
    n.lrn("pool1/norm1")
    n.conv("conv2/3x3_reduce", 64, 1)
    n.conv("conv2/3x3", 192, 3, pad=1)
    n.lrn("conv2/norm2")
    n.pool("pool2/3x3_s2", 3, 2)
    blocks = {"3a": (64, 96, 128, 16, 32, 32), "3b": (128, 128, 192, 32, 96, 64), "4a": (192, 96, 208, 16, 48, 64), "4b": (160, 112, 224, 24, 64, 64),
              "4c": (128, 128, 256, 24, 64, 64), "4d": (112, 144, 288, 32, 64, 64), "4e": (256, 160, 320, 32, 128, 128),
              "5a": (256, 160, 320, 32, 128, 128), "5b": (384, 192, 384, 48, 128, 128)}
    for block, (one, reduce3, three, reduce5, five, project) in blocks.items():
        if block in ("4a", "5a"):
            n.pool(f"pool{int(block[0]) - 1}/3x3_s2", 3, 2)
        source, name = n.last, f"inception_{block}"
        parts = [n.conv(f"{name}/1x1", one, 1, source)]
        n.conv(f"{name}/3x3_reduce", reduce3, 1, source)
        parts.append(n.conv(f"{name}/3x3", three, 3, pad=1))
        n.conv(f"{name}/5x5_reduce", reduce5, 1, source)
        parts.append(n.conv(f"{name}/5x5", five, 5, pad=2))
        n.pool(f"{name}/pool", 3, 1, 1, source)
        parts.append(n.conv(f"{name}/pool_proj", project, 1))
        n.concat(f"{name}/output", parts)
    n.pool("pool5/7x7_s1", 7, method="AVE")
    n.dropout(0.4)
    n.dense("loss3/classifier", 1000, 0.5)
    n.softmax()
    return n


def resnet50():
    """He et al. 2015, as its authors' own .prototxt has it: the stride stands in the first convolution of a block."""
    n = Caffe("ResNet-50", (3, 224, 224))
    n.norm("conv1", n.conv("conv1", 64, 7, stride=2, pad=3, relu=False))
    n.relu("conv1")
    n.pool("pool1", 3, 2)
    for stage, (blocks, width) in enumerate([(3, 64), (4, 128), (6, 256), (3, 512)], 2):
        for block in "abcdef"[:blocks]:
            name, source = f"{stage}{block}", n.last
            stride = 2 if stage > 2 and block == "a" else 1
            shortcut = source
            if block == "a":
                shortcut = n.norm(f"{name}_1", n.conv(f"res{name}_branch1", 4 * width, 1, source, stride, bias=False, relu=False))
            branch = source
            for part, (filters, size, step) in zip("abc", [(width, 1, stride), (width, 3, 1), (4 * width, 1, 1)]):
                branch = n.conv(f"res{name}_branch2{part}", filters, size, branch, step, size // 2, bias=False, relu=False)
                branch = n.norm(f"{name}_2{part}", branch, 0.2 if part == "c" else 1)
                if part != "c":
                    n.relu(branch)
            n.relu(n.add(f"res{name}", [shortcut, branch]))
    n.pool("pool5", 7, method="AVE")
    n.dense("fc1000", 1000, 0.2)
    n.softmax()
    return n


def caffe_layers():
    """One of each other layer."""
    n = Caffe("layers", (3, 33, 29))
    n.conv("conv1", 16, 3, pad=1, relu=False)
    n.layer("PReLU", "prelu", ["conv1"], "prelu", [], [around(0.2, 16)])
    n.layer("Power", "power", ["prelu"], "power", n.message("power_param", scale=0.5, shift=0.1))
    n.text.append('layer { name: "slice" type: "Slice" bottom: "power" top: "a" top: "b" slice_param { slice_point: 6 } }')
    n.shapes.update(power=(16, 33, 29), a=(6, 33, 29), b=(10, 33, 29))
    n.layer("Convolution", "dilated", ["a"], "dilated", n.message("convolution_param", num_output=10, kernel_size=3, pad=2, dilation=2),
            [weights(10, 6, 3, 3), around(0, 10)])
    n.layer("ELU", "elu", ["dilated"], "elu", [])
    n.text.append('layer { name: "sum" type: "Eltwise" bottom: "elu" bottom: "b" top: "sum" eltwise_param { operation: SUM coeff: 0.5 coeff: -1.5 } }')
    n.layer("TanH", "tanh", ["sum"], "tanh", [])
    n.shapes.update(sum=(10, 33, 29), tanh=(10, 33, 29))
    n.concat("joined", ["tanh", "power"])
    n.pool("average", 3, 2, 1, method="AVE")
    c, h, w = n.shapes["average"]
    n.layer("Deconvolution", "up", ["average"], "up", n.message("convolution_param", num_output=8, kernel_size=4, stride=2, pad=1, bias_term="false"),
            [weights(c, 8, 4, 4)])
    n.layer("Sigmoid", "gate", ["up"], "gate", [])
    n.layer("Eltwise", "product", ["up", "gate"], "product", n.message("eltwise_param", operation="PROD"))
    n.layer("ReLU", "leaky", ["product"], "leaky", n.message("relu_param", negative_slope=0.3))
    n.layer("BatchNorm", "bare", ["leaky"], "bare", [], [around(0, 8), around(1, 8), numpy.array([1], "<f4")])
    n.layer("Scale", "scale", ["leaky"], "scale", [], [around(1, 8)])
    n.shapes.update(bare=(8, 2 * h, 2 * w), scale=(8, 2 * h, 2 * w))
    n.concat("both", ["bare", "scale"])
    n.pool("reduced", 3, 2)
    n.layer("Flatten", "flat", ["reduced"], "flat", [])
    n.shapes["flat"] = n.shapes["reduced"]
    n.dense("fc", 20)
    return n


class Darknet:
    """A .cfg and a .weights file."""

    def __init__(self, side):
        self.side, self.channels, self.at = side, [], 3
        self.text = ["[net]", "batch=1", f"height={side}", f"width = {side}", "channels=3", "momentum=0.9", ""]
        self.numbers = [struct.pack("<iiiQ", 0, 2, 0, 32013312)]

    def section(self, name, channels, *lines):
        self.text += [f"[{name}]", *lines, ""]
        self.channels.append(channels)
        self.at = channels

    def conv(self, filters, size, stride=1, activation="leaky", norm=True, gain=1):
        self.numbers.append(around(0, filters).tobytes())
        if norm:
            # OpenCV adds 1e-6 to variances, AlexeyAB's Darknet 1e-5: beside large ones both are little.
            self.numbers += [array.astype("<f4").tobytes() for array in (3 * around(1, filters), around(0, filters), 9 * around(1, filters))]
        self.numbers.append((gain * weights(filters, self.at, size, size)).astype("<f4").tobytes())
        self.section("convolutional", filters, *(["batch_normalize=1"] if norm else []), f"filters={filters}", f"size={size}", f"stride={stride}",
                     "pad=1", f"activation={activation}")

    def maxpool(self, size=2, stride=2):
        self.section("maxpool", self.at, f"size={size}", f"stride={stride}")

    def route(self, *layers, half=False):
        channels = sum(self.channels[i] for i in layers) // (2 if half else 1)
        self.section("route", channels, "layers = " + ", ".join(map(str, layers)), *(["groups=2", "group_id=1"] if half else []))

    def upsample(self):
        self.section("upsample", self.at, "stride=2")

    def yolo(self, mask):
        self.section("yolo", self.at, "mask = " + mask, "anchors = 10,14,  23,27,  37,58,  81,82,  135,169,  344,319", "classes=80", "num=6",
                     "jitter=.3", "ignore_thresh = .7", "truth_thresh = 1", "random=1")

    def write(self, folder):
        with open(f"{folder}/net.cfg", "w") as file:
            file.write("\n".join(self.text))
        with open(f"{folder}/net.weights", "wb") as file:
            file.write(b"".join(self.numbers))
        return 3, self.side, self.side


def darknet19():
    """Redmon and Farhadi 2016."""
    n = Darknet(224)
    for filters, count in (32, 1), (64, 1), (128, 3), (256, 3), (512, 5), (1024, 5):
        if filters > 32:
            n.maxpool()
        for i in range(count):
            n.conv(filters >> i % 2, 3 if i % 2 == 0 else 1)
    n.conv(1000, 1, activation="linear", norm=False, gain=0.3)
    n.section("avgpool", 1000)
    n.section("softmax", 1000, "groups=1")
    return n


def yolov3_tiny(heads=True):
    """Redmon and Farhadi 2018. Without heads its last numbers are those of the finer maps."""
    n = Darknet(416)
    for filters in 16, 32, 64, 128, 256:
        n.conv(filters, 3)
        n.maxpool()
    n.conv(512, 3)
    n.maxpool(2, 1)
    n.conv(1024, 3)
    n.conv(256, 1)
    n.conv(512, 3)
    n.conv(255, 1, activation="linear", norm=False)
    if heads:
        n.yolo("3,4,5")
    n.route(-4 if heads else -3)
    n.conv(128, 1)
    n.upsample()
    n.route(-1, 8)
    n.conv(256, 3)
    n.conv(255, 1, activation="linear", norm=False)
    if heads:
        n.yolo("0,1,2")
    return n


def yolov4_tiny(heads=True):
    """Without heads its last numbers are those of the finer maps. Bochkovskiy et al. 2020: three blocks that send half of their channels round (CSP)."""
    n = Darknet(416)
    n.conv(32, 3, 2)
    n.conv(64, 3, 2)
    for filters in 64, 128, 256:
        n.conv(filters, 3)
        n.route(-1, half=True)
        n.conv(filters // 2, 3)
        n.conv(filters // 2, 3)
        n.route(-1, -2)
        n.conv(filters, 1)
        n.route(-6, -1)
        n.maxpool()
    n.conv(512, 3)
    n.conv(256, 1)
    n.conv(512, 3)
    n.conv(255, 1, activation="linear", norm=False)
    if heads:
        n.yolo("3,4,5")
    n.route(-4 if heads else -3)
    n.conv(128, 1)
    n.upsample()
    n.route(-1, 23)
    n.conv(256, 3)
    n.conv(255, 1, activation="linear", norm=False)
    if heads:
        n.yolo("1,2,3")
    return n


def darknet_layers():
    """One of each other layer."""
    n = Darknet(39)
    n.conv(16, 5, activation="mish")
    n.conv(32, 3, 2, activation="swish")
    n.conv(16, 1, activation="logistic")
    n.conv(32, 3, activation="linear")
    n.section("shortcut", 32, "from=-3", "activation=leaky")
    for size in 5, 9:
        n.maxpool(size, 1)
    n.route(-1, -2, 4)
    n.conv(24, 1, activation="leaky", norm=False)
    n.maxpool(3, 2)
    n.section("dropout", 24, "probability=.5")
    n.section("avgpool", 24)
    return n


NETWORKS = {"alexnet": alexnet, "alexnet_v1": lambda: alexnet(True), "googlenet": googlenet, "resnet50": resnet50, "darknet19": darknet19,
            "yolov3_tiny": yolov3_tiny, "yolov4_tiny": yolov4_tiny, "yolov3_tiny_fine": lambda: yolov3_tiny(False),
            "yolov4_tiny_fine": lambda: yolov4_tiny(False), "caffe_layers": caffe_layers, "darknet_layers": darknet_layers}


def compute(network, folder, shape):
    import cv2

    images = random.standard_normal((2, *shape)).astype("<f4")
    caffe = isinstance(network, Caffe)
    read, ends = (cv2.dnn.readNetFromCaffe, ("prototxt", "caffemodel")) if caffe else (cv2.dnn.readNetFromDarknet, ("cfg", "weights"))
    net = read(*[f"{folder}/net.{end}" for end in ends])
    outputs = []
    for image in images:
        net.setInput(numpy.ascontiguousarray(image[None, ::-1] if caffe else image[None]))  # Caffe's networks read blue first
        outputs.append(net.forward(*head(network)))
    outputs = numpy.concatenate(outputs)
    images.tofile(f"{folder}/input")
    outputs.astype("<f4").tofile(f"{folder}/output")
    # Of probabilities that are 0 and 1 nothing could be learned.
    assert numpy.sort(numpy.abs(outputs.reshape(2, -1)))[:, -2].min() > 0.01 * numpy.abs(outputs).max(), "one number is larger than all others"


def head(network):
    """OpenCV's name of the convolution before the first [yolo], in a list; empty where there is none."""
    sections = [line for line in network.text if line.startswith("[")][1:]
    return [f"conv_{sections.index('[yolo]') - 1}"] if "[yolo]" in sections else []


def main():
    if len(sys.argv) < 3:
        print("\n".join(NETWORKS))
        return
    for name in sys.argv[2:]:
        folder = os.path.join(sys.argv[1], name)
        os.makedirs(folder, exist_ok=True)
        network = NETWORKS[name]()
        compute(network, folder, network.write(folder))


main()
