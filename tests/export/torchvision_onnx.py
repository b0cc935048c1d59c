"""A network of torchvision with random weights and running statistics that matter, as ONNX:

  torchvision_onnx.py NAME OPSET FILE.onnx INPUT.npy

INPUT has eight images. Prints the number of parameters.
"""
import sys
import warnings

import numpy
import torch
import torchvision
from torch import nn

warnings.filterwarnings("ignore")
name, opset, path, images = sys.argv[1:5]
settings = {"googlenet": {"init_weights": False, "aux_logits": False}, "inception_v3": {"init_weights": False, "aux_logits": False}}
torch.manual_seed(7)
model = getattr(torchvision.models, name)(weights=None, **settings.get(name, {}))
size = 299 if name == "inception_v3" else 224


def spread(tensor, low, high):
    tensor.copy_(torch.rand(tensor.shape) * (high - low) + low)


with torch.no_grad():
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm2d, nn.LayerNorm)):
            spread(module.weight, 0.5, 1.5)
            spread(module.bias, -0.5, 0.5)
        elif getattr(module, "bias", None) is not None:
            spread(module.bias, -0.1, 0.1)
        if hasattr(module, "layer_scale"):
            spread(module.layer_scale, 0.1, 0.5)
    # Running statistics near those of a batch, or numbers would grow without end.
    model.eval()
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for module in norms:
        module.train()
        module.momentum = 1.0
    if norms:
        model(torch.randn(4, 3, size, size))
    for module in norms:
        module.eval()
        deviation = module.running_var.sqrt()
        module.running_mean += deviation * (torch.rand(deviation.shape) * 0.6 - 0.3)
        module.running_var *= torch.rand(deviation.shape) + 0.6
model.eval()
torch.onnx.export(
    model, torch.zeros(1, 3, size, size), path, opset_version=int(opset), input_names=["input"], output_names=["output"],
    dynamic_axes={"input": {0: "batch"}, "output": {0: "batch"}}, do_constant_folding=True,
    # Else batch_norms are folded into convolutions: both forms come.
    training=torch.onnx.TrainingMode.PRESERVE if opset == "17" else torch.onnx.TrainingMode.EVAL,
)
numpy.save(images, torch.randn(8, 3, size, size).numpy())
print(sum(parameter.numel() for parameter in model.parameters()))
