"""A stand-in for the part of Keras 3 that scripts of `cnn export --format keras` use, where Keras is not installed: the same names, arguments and meaning, as
Keras's manual has them, computed by torch. It proves shapes, orders of weights and of numbers; whether Keras agrees with its manual only Keras can tell."""
import numpy
import torch

from . import layers, ops
from .tensor import Symbol

__version__ = "3 (stand-in)"


class activations:
    @staticmethod
    def mish(x):
        return ops.apply(torch.nn.functional.mish, x)


def Input(shape):
    return Symbol(None, (), torch.zeros(1, *shape))


class Model:
    def __init__(self, inputs, outputs, name=None):
        self.inputs, self.outputs, self.name = inputs, outputs, name
        self.layers = [layer for layer in layers.made]

    def predict(self, x, verbose=0):
        with torch.no_grad():
            return self.outputs.compute({id(self.inputs): torch.from_numpy(numpy.ascontiguousarray(x))}).numpy()
