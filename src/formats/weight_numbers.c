/* The numbers of weights: their types, and the order in which they lie. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "formats/weights.h"
#include "util/small_float.h"

static const struct {
    const char *name, *stored; /* in messages, in safetensors files */
    size_t bytes;
} types[] = {
    [CNN_WEIGHT_F32] = {"float32", "F32", 4},     [CNN_WEIGHT_F64] = {"float64", "F64", 8},
    [CNN_WEIGHT_F16] = {"float16", "F16", 2},     [CNN_WEIGHT_BF16] = {"bfloat16", "BF16", 2},
    [CNN_WEIGHT_I64] = {"int64", "I64", 8},       [CNN_WEIGHT_I32] = {"int32", "I32", 4},
    [CNN_WEIGHT_I16] = {"int16", "I16", 2},       [CNN_WEIGHT_I8] = {"int8", "I8", 1},
    [CNN_WEIGHT_U8] = {"uint8", "U8", 1},         [CNN_WEIGHT_BOOL] = {"bool", "BOOL", 1},
    [CNN_WEIGHT_OTHER] = {"another type", "", 0},
};

const char *cnn_weight_type_name(enum cnn_weight_type type)
{
    return types[type].name;
}

enum cnn_weight_type cnn_weight_type_find(const char *stored)
{
    size_t i = 0;
    while (i < CNN_WEIGHT_OTHER && strcmp(types[i].stored, stored) != 0)
        i++;
    return (enum cnn_weight_type)i;
}

size_t cnn_weight_type_bytes(enum cnn_weight_type type)
{
    return types[type].bytes;
}

const char *cnn_weight_shape(const struct cnn_weight *weight, char *buffer, size_t size)
{
    size_t used = 0;
    snprintf(buffer, size, "1");
    for (size_t i = 0; i < weight->rank && used < size; i++)
        used += (size_t)snprintf(buffer + used, size - used, "%s%zu", i > 0 ? " x " : "",
                                 weight->dims[i]);
    return buffer;
}

static uint64_t bits_at(const unsigned char *bytes, size_t size)
{
    uint64_t value = 0;
    for (size_t i = size; i-- > 0;)
        value = value << 8 | bytes[i];
    return value;
}

static double decode(enum cnn_weight_type type, const unsigned char *bytes)
{
    uint64_t bits = bits_at(bytes, types[type].bytes);
    uint32_t low = (uint32_t)bits;
    float single;
    double real;
    switch (type) {
    case CNN_WEIGHT_F32:
        memcpy(&single, &low, sizeof single);
        return (double)single;
    case CNN_WEIGHT_F64:
        memcpy(&real, &bits, sizeof real);
        return real;
    case CNN_WEIGHT_F16:
        return cnn_small_float(low, 5, 10);
    case CNN_WEIGHT_BF16:
        return cnn_small_float(low, 8, 7);
    case CNN_WEIGHT_I64:
        return (double)(int64_t)bits;
    case CNN_WEIGHT_I32:
        return (int32_t)low;
    case CNN_WEIGHT_I16:
        return (int16_t)(uint16_t)low;
    case CNN_WEIGHT_I8:
        return (int8_t)(uint8_t)low;
    case CNN_WEIGHT_BOOL:
        return low != 0;
    default:
        return low;
    }
}

static bool is_contiguous(const struct cnn_weight *weight)
{
    size_t stride = 1;
    for (size_t i = weight->rank; i-- > 0;) {
        if (weight->dims[i] > 1 && weight->strides[i] != stride)
            return false;
        stride *= weight->dims[i];
    }
    return true;
}

/* Only float64 holds numbers that are too large; they become infinite. */
size_t cnn_weight_read(const struct cnn_weight *weight, float *out)
{
    const size_t bytes = types[weight->type].bytes;
    size_t index[CNN_WEIGHT_MAX_RANK] = {0}, at = 0, large = SIZE_MAX;
    if (weight->count > 0 && weight->type == CNN_WEIGHT_F32 && is_contiguous(weight)) {
        memcpy(out, weight->data, weight->count * sizeof *out);
        return SIZE_MAX;
    }
    for (size_t i = 0; i < weight->count; i++) {
        double value = decode(weight->type, weight->data + at * bytes);
        if (isfinite(value) && fabs(value) > (double)FLT_MAX) {
            large = large == SIZE_MAX ? i : large;
            value = copysign(INFINITY, value);
        }
        out[i] = (float)value;
        for (size_t d = weight->rank; d-- > 0;) {
            at += weight->strides[d];
            if (++index[d] < weight->dims[d])
                break;
            at -= weight->strides[d] * weight->dims[d];
            index[d] = 0;
        }
    }
    return large;
}
