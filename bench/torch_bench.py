"""Times a description's training step, or inference, in PyTorch on random images; prints one JSON object. Run by compare.sh.

  torch_bench.py MODEL.yaml [--infer] [--batch N] [--bf16] [--layout nhwc|nchw] [--threads N] [--seconds S]
  torch_bench.py MODEL.yaml --onnx FILE      writes the network for ONNX Runtime instead
  torch_bench.py --version                   prints PyTorch's version

Needs torch and yaml. Knows the layers and settings that the descriptions in this folder use, and refuses others.
"""
import argparse
import json
import resource
import time

import torch
import yaml
from torch import nn

WARM_RUNS = 3
MIN_RUNS = 5


class Sum(nn.Module):
    def forward(self, *values):
        return sum(values[1:], values[0])


def conv(layer, channels, depthwise=False):
    kernel = layer.pop("kernel_size")
    padding = layer.pop("padding", 0)
    if padding == "same":  # as a number, because PyTorch does not export the word
        if kernel % 2 == 0 or layer.get("stride", 1) != 1:
            raise SystemExit("torch_bench: padding same with an even kernel or a stride")
        padding = kernel // 2
    return nn.Conv2d(channels, channels if depthwise else layer.pop("filters"), kernel, layer.pop("stride", 1), padding,
                     groups=channels if depthwise else layer.pop("groups", 1), bias=layer.pop("bias", True))


def pool(layer):
    if layer.pop("pool_type") != "max":
        raise SystemExit("torch_bench: a pool that is not max")
    kernel = layer.pop("kernel_size")
    return nn.MaxPool2d(kernel, layer.pop("stride", kernel))


def global_pool(layer):
    if layer.pop("pool_type") != "avg":
        raise SystemExit("torch_bench: a global_pool that is not avg")
    return nn.AdaptiveAvgPool2d(1)


MAKERS = {  # layer type: module, from its settings (each is taken out of them) and the channels that come in
    "conv": conv,
    "depthwise_conv": lambda layer, channels: conv(layer, channels, depthwise=True),
    "dense": lambda layer, channels: nn.Linear(channels, layer.pop("units"), layer.pop("bias", True)),
    "batch_norm": lambda layer, channels: nn.BatchNorm2d(channels),
    "relu": lambda layer, channels: nn.ReLU(),
    "pool": lambda layer, channels: pool(layer),
    "global_pool": lambda layer, channels: global_pool(layer),
    "flatten": lambda layer, channels: nn.Flatten(),
    "dropout": lambda layer, channels: nn.Dropout(layer.pop("rate", 0.5)),
    "lrn": lambda layer, channels: nn.LocalResponseNorm(layer.pop("size", 5), layer.pop("alpha", 1e-4), layer.pop("beta", 0.75), layer.pop("k", 1.0)),
    "add": lambda layer, channels: Sum(),
}


def spliced(layers):
    for layer in layers:
        if isinstance(layer, list):
            yield from spliced(layer)
        else:
            yield dict(layer)


class Network(nn.Module):
    def __init__(self, description):
        super().__init__()
        self.input_shape = description["input"]
        self.sources = []  # of each layer: indices of the values it reads; 0 is the input, i + 1 the output of layer i
        self.layers = nn.ModuleList()
        named, values = {}, [torch.zeros(1, *self.input_shape)]
        self.eval()
        for layer in spliced(description["layers"]):
            self.append(layer, named, values)
        self.classes = values[-1].shape[1]

    @torch.no_grad()
    def append(self, layer, named, values):
        kind, name, source, activation = layer.pop("type"), layer.pop("name", None), layer.pop("from", None), layer.pop("activation", None)
        names = source if isinstance(source, list) else [source]
        sources = [len(values) - 1] if source is None else [named[n] for n in names]
        if kind not in MAKERS or activation not in (None, "relu"):
            raise SystemExit(f"torch_bench: no layer {kind} with activation {activation}")
        module = MAKERS[kind](layer, values[sources[0]].shape[1])
        if layer:
            raise SystemExit(f"torch_bench: {kind}: no setting {', '.join(layer)}")
        module = (nn.Sequential(module, nn.ReLU()) if activation and kind != "add" else module).eval()
        self.layers.append(module)
        self.sources.append(sources)
        values.append(module(*[values[s] for s in sources]))
        if activation and kind == "add":  # a sum has several inputs, which Sequential does not pass on
            self.append({"type": "relu"}, named, values)
        if name:
            named[name] = len(values) - 1

    def forward(self, x):
        values = [x]
        for layer, sources in zip(self.layers, self.sources):
            values.append(layer(*[values[s] for s in sources]))
        return values[-1]


def training_step(network, description, images, bf16):
    if description.get("loss", "cross_entropy") != "cross_entropy" or description["train"]["optimizer"]["type"] != "sgd":
        raise SystemExit("torch_bench: not cross_entropy with sgd")
    settings = description["train"]["optimizer"]
    optimizer = torch.optim.SGD(network.parameters(), settings["lr"], settings.get("momentum", 0), weight_decay=settings.get("weight_decay", 0))
    labels = torch.randint(0, network.classes, (len(images),))

    def step():
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            loss = nn.functional.cross_entropy(network(images), labels)
        loss.backward()
        optimizer.step()

    return step


def inference(network, images, bf16):
    def step():
        with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            network(images)

    return step


def measure(step, seconds):
    for _ in range(WARM_RUNS):
        step()
    times, end = [], time.perf_counter() + seconds
    while len(times) < MIN_RUNS or time.perf_counter() < end:
        begun = time.perf_counter()
        step()
        times.append(time.perf_counter() - begun)
    return sorted(times)


def bench(options, description):
    if options.threads:
        torch.set_num_threads(options.threads)
    memory_format = torch.channels_last if options.layout == "nhwc" else torch.contiguous_format
    network = Network(description).train(not options.infer).to(memory_format=memory_format)
    batch = options.batch or (1 if options.infer else description["train"]["batch_size"])
    images = torch.randn(batch, *network.input_shape).to(memory_format=memory_format)
    step = inference(network, images, options.bf16) if options.infer else training_step(network, description, images, options.bf16)
    times = measure(step, options.seconds)
    seconds = times[len(times) // 2]
    print(json.dumps({"what": "infer" if options.infer else "train", "batch": batch, "threads": torch.get_num_threads(), "layout": options.layout,
                      "ms": seconds * 1e3, "images_per_s": batch / seconds, "runs": len(times),
                      "process_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--infer", action="store_true")
    parser.add_argument("--batch", type=int)
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--layout", choices=["nhwc", "nchw"], default="nhwc")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--onnx", metavar="FILE")
    parser.add_argument("--version", action="version", version=torch.__version__)
    options = parser.parse_args()
    with open(options.model, encoding="utf-8") as file:
        description = yaml.safe_load(file)
    if options.onnx:
        network = Network(description)
        torch.onnx.export(network, torch.zeros(1, *network.input_shape), options.onnx, opset_version=13, input_names=["x"], output_names=["y"],
                          dynamic_axes={"x": {0: "n"}, "y": {0: "n"}})
    else:
        bench(options, description)


if __name__ == "__main__":
    main()
