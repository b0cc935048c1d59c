"""Values of a functional model: what computes them, and their shape for one image."""
import torch


class Symbol:
    def __init__(self, function, parents, probe):
        self.function, self.parents, self.probe = function, parents, probe
        self.shape = (None, *probe.shape[1:])
        self.ndim = probe.dim()

    def compute(self, known):
        if id(self) not in known:
            known[id(self)] = self.function(*(parent.compute(known) for parent in self.parents))
        return known[id(self)]

    def __add__(self, other):
        return apply(torch.add, self, other)

    def __radd__(self, other):
        return apply(torch.add, self, other)

    def __mul__(self, other):
        return apply(torch.mul, self, other)

    def __rmul__(self, other):
        return apply(torch.mul, self, other)

    def __truediv__(self, other):
        return apply(torch.div, self, other)

    def __pow__(self, power):
        return apply(lambda x: x**power, self)

    def __getitem__(self, key):
        return apply(lambda x: x[key], self)


def apply(function, *arguments):
    """function of values, some of which may be plain numbers or tensors."""
    symbols = [argument for argument in arguments if isinstance(argument, Symbol)]

    def run(*values):
        rest = iter(values)
        return function(*(next(rest) if isinstance(argument, Symbol) else argument for argument in arguments))

    with torch.no_grad():
        return Symbol(run, symbols, run(*(symbol.probe for symbol in symbols)))
