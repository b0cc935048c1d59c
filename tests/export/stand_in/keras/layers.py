import torch
import torch.nn.functional as F

from .tensor import apply

made = []


def pair(value):
    return value if isinstance(value, tuple) else (value, value)


def first(x):
    return x.permute(0, 3, 1, 2)


def last(x):
    return x.permute(0, 2, 3, 1)


class Layer:
    def __init__(self, name=None):
        self.name = name or type(self).__name__
        self.weights = []
        made.append(self)

    def add_weight(self, shape, initializer="zeros"):
        self.weights.append(torch.zeros(tuple(shape)) if initializer == "zeros" else torch.ones(tuple(shape)))
        return self.weights[-1]

    def set_weights(self, values):
        assert len(values) == len(self.weights), f"{self.name}: {len(values)} weights for {len(self.weights)}"
        for weight, value in zip(self.weights, values):
            assert tuple(weight.shape) == tuple(value.shape), f"{self.name}: {tuple(value.shape)} for {tuple(weight.shape)}"
            weight.copy_(torch.from_numpy(value.copy()))

    def build(self, shape):
        pass

    def __call__(self, x):
        self.build([value.shape for value in x] if isinstance(x, list) else x.shape)
        if isinstance(x, list):
            return apply(lambda *values: self.call(list(values)), *x)
        return apply(self.call, x)


class Conv2D(Layer):
    def __init__(self, filters, kernel_size, strides=1, dilation_rate=1, groups=1, use_bias=True, name=None):
        super().__init__(name)
        self.filters, self.kernel, self.strides, self.dilation = filters, pair(kernel_size), pair(strides), pair(dilation_rate)
        self.groups, self.use_bias = groups, use_bias

    def build(self, shape):
        self.kernel_weight = self.add_weight((*self.kernel, shape[-1] // self.groups, self.filters))
        self.bias = self.add_weight((self.filters,)) if self.use_bias else None

    def call(self, x):
        return last(F.conv2d(first(x), self.kernel_weight.permute(3, 2, 0, 1), self.bias, self.strides, 0, self.dilation, self.groups))


class DepthwiseConv2D(Layer):
    def __init__(self, kernel_size, strides=1, dilation_rate=1, depth_multiplier=1, use_bias=True, name=None):
        super().__init__(name)
        self.kernel, self.strides, self.dilation = pair(kernel_size), pair(strides), pair(dilation_rate)
        self.depth_multiplier, self.use_bias = depth_multiplier, use_bias

    def build(self, shape):
        self.channels = shape[-1]
        self.kernel_weight = self.add_weight((*self.kernel, self.channels, self.depth_multiplier))
        self.bias = self.add_weight((self.channels * self.depth_multiplier,)) if self.use_bias else None

    def call(self, x):
        weight = self.kernel_weight.permute(2, 3, 0, 1).reshape(-1, 1, *self.kernel)
        return last(F.conv2d(first(x), weight, self.bias, self.strides, 0, self.dilation, self.channels))


class Conv2DTranspose(Layer):
    def __init__(self, filters, kernel_size, strides=1, use_bias=True, name=None):
        super().__init__(name)
        self.filters, self.kernel, self.strides, self.use_bias = filters, pair(kernel_size), pair(strides), use_bias

    def build(self, shape):
        self.kernel_weight = self.add_weight((*self.kernel, self.filters, shape[-1]))
        self.bias = self.add_weight((self.filters,)) if self.use_bias else None

    def call(self, x):
        return last(F.conv_transpose2d(first(x), self.kernel_weight.permute(3, 2, 0, 1), self.bias, self.strides))


class Dense(Layer):
    def __init__(self, units, use_bias=True, name=None):
        super().__init__(name)
        self.units, self.use_bias = units, use_bias

    def build(self, shape):
        self.kernel = self.add_weight((shape[-1], self.units))
        self.bias = self.add_weight((self.units,)) if self.use_bias else None

    def call(self, x):
        return x @ self.kernel + (self.bias if self.use_bias else 0)


class BatchNormalization(Layer):
    def __init__(self, epsilon=1e-3, name=None):
        super().__init__(name)
        self.epsilon = epsilon

    def build(self, shape):
        self.gamma, self.beta = self.add_weight((shape[-1],), "ones"), self.add_weight((shape[-1],))
        self.mean, self.variance = self.add_weight((shape[-1],)), self.add_weight((shape[-1],), "ones")

    def call(self, x):
        return (x - self.mean) / torch.sqrt(self.variance + self.epsilon) * self.gamma + self.beta


class Affine(Layer):
    def __init__(self, epsilon, center, scale, name):
        super().__init__(name)
        self.epsilon, self.center, self.scale = epsilon, center, scale

    def build(self, shape):
        self.gamma = self.add_weight((shape[-1],), "ones") if self.scale else torch.ones(shape[-1])
        self.beta = self.add_weight((shape[-1],)) if self.center else torch.zeros(shape[-1])


class LayerNormalization(Affine):
    def __init__(self, epsilon=1e-3, center=True, scale=True, name=None):
        super().__init__(epsilon, center, scale, name)

    def call(self, x):
        return F.layer_norm(x, x.shape[-1:], self.gamma, self.beta, self.epsilon)


class GroupNormalization(Affine):
    def __init__(self, groups=32, epsilon=1e-3, center=True, scale=True, name=None):
        super().__init__(epsilon, center, scale, name)
        self.groups = groups

    def call(self, x):
        y = F.group_norm(x.movedim(-1, 1), self.groups, self.gamma, self.beta, self.epsilon)
        return y.movedim(1, -1)


class PReLU(Layer):
    def __init__(self, shared_axes=(), name=None):
        super().__init__(name)
        self.shared_axes = shared_axes

    def build(self, shape):
        self.alpha = self.add_weight([1 if i + 1 in self.shared_axes else n for i, n in enumerate(shape[1:])])

    def call(self, x):
        return torch.relu(x) - self.alpha * torch.relu(-x)


class MaxPooling2D(Layer):
    def __init__(self, pool_size, strides=None, name=None):
        super().__init__(name)
        self.size, self.strides = pair(pool_size), pair(strides or pool_size)

    def call(self, x):
        return last(F.max_pool2d(first(x), self.size, self.strides))


class AveragePooling2D(MaxPooling2D):
    def call(self, x):
        return last(F.avg_pool2d(first(x), self.size, self.strides))


class Permute(Layer):
    def __init__(self, dims, name=None):
        super().__init__(name)
        self.dims = dims

    def call(self, x):
        return x.permute(0, *self.dims)


class Flatten(Layer):
    def call(self, x):
        return x.flatten(1)


class Reshape(Layer):
    def __init__(self, target_shape, name=None):
        super().__init__(name)
        self.target = target_shape

    def call(self, x):
        return x.reshape(x.shape[0], *self.target)


class UpSampling2D(Layer):
    def __init__(self, size, interpolation="nearest", name=None):
        super().__init__(name)
        self.size, self.mode = size, interpolation

    def call(self, x):
        return last(F.interpolate(first(x), scale_factor=tuple(map(float, self.size)), mode=self.mode))


class Concatenate(Layer):
    def call(self, x):
        return torch.cat(x, -1)
