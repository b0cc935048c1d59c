/* Layers of Caffe without blobs: windows, several maps, other dimensions. */
#include <stdio.h>
#include <string.h>

#include "formats/caffe.h"

static const char *integers(struct cnn_caffe *c, const struct cnn_caffe_layer *layer,
                            const char *suffix, const int64_t *values, size_t count)
{
    return cnn_onnx_draft_integers(&c->draft, layer->name, suffix, values, count);
}

/* ---- What does nothing ---- */

static void translate_nothing(struct cnn_caffe *c, const struct cnn_caffe_layer *layer,
                              const struct cnn_prototxt_field *p)
{
    const struct cnn_caffe_value x = *cnn_caffe_bottom(c, layer, 0);
    (void)p;
    c->dropped++;
    for (size_t i = 0; i < layer->top_count; i++)
        cnn_caffe_give(c, layer, i, x.value, x.rank);
}

/* ---- Windows and normalisation ---- */

static const char *const pool_words[] = {"MAX", "AVE", "STOCHASTIC", NULL};
static const char *const round_words[] = {"CEIL", "FLOOR", NULL};

struct pooling {
    size_t method, round;
    bool global;
    int64_t kernel[2], pad[2], stride[2];
};

static bool read_pooling(struct cnn_caffe *c, const struct cnn_prototxt_field *p,
                         struct pooling *out)
{
    static const char *const names[3][3] = {{"kernel_size", "kernel_h", "kernel_w"},
                                            {"pad", "pad_h", "pad_w"},
                                            {"stride", "stride_h", "stride_w"}};
    *out = (struct pooling){.stride = {1, 1}};
    int64_t *const pairs[] = {out->kernel, out->pad, out->stride};
    if (!cnn_caffe_choice(c, p, "pool", pool_words, &out->method) ||
        !cnn_caffe_choice(c, p, "round_mode", round_words, &out->round) ||
        !cnn_caffe_flag(c, p, "global_pooling", &out->global))
        return false;
    for (size_t i = 0; i < 3; i++) {
        int64_t least = i == 1 ? 0 : 1, *pair = pairs[i];
        if (!cnn_caffe_integer(c, p, names[i][0], least, &pair[0]))
            return false;
        pair[1] = pair[0];
        if (!cnn_caffe_integer(c, p, names[i][1], least, &pair[0]) ||
            !cnn_caffe_integer(c, p, names[i][2], least, &pair[1]))
            return false;
    }
    return true;
}

/* Sizes are rounded up, and a last window that would begin behind the maps and their padding goes:
 * with padding Caffe says so, and without it such a window would be empty. An average is over the
 * window's part of the padded maps. Both are what ceil_mode and count_include_pad mean. */
static void translate_pooling(struct cnn_caffe *c, const struct cnn_caffe_layer *layer,
                              const struct cnn_prototxt_field *p)
{
    const char *x = cnn_caffe_bottom(c, layer, 0)->value;
    struct pooling v;
    if (!read_pooling(c, p, &v))
        return;
    const bool max = v.method == 0;
    if (v.method > 1) {
        cnn_caffe_refuse(c, layer, "only MAX and AVE pool here");
        return;
    }
    if (v.global) {
        if (v.pad[0] != 0 || v.pad[1] != 0 || v.stride[0] != 1 || v.stride[1] != 1)
            cnn_caffe_refuse(c, layer, "with global_pooling it has no pad, and stride 1");
        else
            cnn_caffe_give_unary(c, layer, max ? "GlobalMaxPool" : "GlobalAveragePool");
        return;
    }
    if (v.kernel[0] < 1 || v.kernel[1] < 1) {
        cnn_caffe_refuse(c, layer, "it needs kernel_size");
        return;
    }
    cnn_onnx_draft_node(&c->draft, max ? "MaxPool" : "AveragePool", layer->name);
    cnn_onnx_draft_input(&c->draft, x);
    cnn_onnx_draft_ints(&c->draft, "kernel_shape", v.kernel, 2);
    cnn_onnx_draft_ints(&c->draft, "strides", v.stride, 2);
    cnn_onnx_draft_ints(&c->draft, "pads",
                        (const int64_t[]){v.pad[0], v.pad[1], v.pad[0], v.pad[1]}, 4);
    cnn_onnx_draft_int(&c->draft, "ceil_mode", v.round == 0);
    if (!max)
        cnn_onnx_draft_int(&c->draft, "count_include_pad", 1);
    cnn_caffe_give(c, layer, 0, cnn_onnx_draft_output(&c->draft), 4);
}

static void translate_lrn(struct cnn_caffe *c, const struct cnn_caffe_layer *layer,
                          const struct cnn_prototxt_field *p)
{
    static const char *const regions[] = {"ACROSS_CHANNELS", "WITHIN_CHANNEL", NULL};
    const char *x = cnn_caffe_bottom(c, layer, 0)->value;
    int64_t size = 5;
    double alpha = 1, beta = 0.75, k = 1;
    size_t region = 0;
    if (!cnn_caffe_integer(c, p, "local_size", 1, &size) ||
        !cnn_caffe_real(c, p, "alpha", &alpha) || !cnn_caffe_real(c, p, "beta", &beta) ||
        !cnn_caffe_real(c, p, "k", &k) || !cnn_caffe_choice(c, p, "norm_region", regions, &region))
        return;
    if (region > 0) {
        cnn_caffe_refuse(c, layer,
                         "it normalises within each channel (WITHIN_CHANNEL), which no "
                         "layer does: only ACROSS_CHANNELS is read");
        return;
    }
    cnn_onnx_draft_node(&c->draft, "LRN", layer->name);
    cnn_onnx_draft_input(&c->draft, x);
    cnn_onnx_draft_int(&c->draft, "size", size);
    cnn_onnx_draft_float(&c->draft, "alpha", alpha);
    cnn_onnx_draft_float(&c->draft, "beta", beta);
    cnn_onnx_draft_float(&c->draft, "bias", k);
    cnn_caffe_give(c, layer, 0, cnn_onnx_draft_output(&c->draft), 4);
}

static void translate_softmax(struct cnn_caffe *c, const struct cnn_caffe_layer *layer,
                              const struct cnn_prototxt_field *p)
{
    const struct cnn_caffe_value x = *cnn_caffe_bottom(c, layer, 0);
    int64_t axis = 1;
    if (!cnn_caffe_integer(c, p, "axis", -8, &axis))
        return;
    cnn_onnx_draft_node(&c->draft, "Softmax", layer->name);
    cnn_onnx_draft_input(&c->draft, x.value);
    cnn_onnx_draft_int(&c->draft, "axis", axis);
    cnn_caffe_give(c, layer, 0, cnn_onnx_draft_output(&c->draft), x.rank);
}

/* ---- Several maps ---- */

static void give_sum(struct cnn_caffe *c, const struct cnn_caffe_layer *layer,
                     const double *factors)
{
    const size_t rank = cnn_caffe_bottom(c, layer, 0)->rank;
    const char *values[CNN_CAFFE_BLOBS];
    for (size_t i = 0; i < layer->bottom_count; i++) {
        char suffix[32];
        snprintf(suffix, sizeof suffix, "coeff%zu", i);
        values[i] = cnn_caffe_bottom(c, layer, i)->value;
        if (factors[i] < 1 || factors[i] > 1)
            values[i] = cnn_onnx_draft_binary(&c->draft, "Mul", layer->name, values[i],
                                              cnn_caffe_constant(c, layer, suffix, factors[i]));
    }
    cnn_onnx_draft_node(&c->draft, "Sum", layer->name);
    for (size_t i = 0; i < layer->bottom_count; i++)
        cnn_onnx_draft_input(&c->draft, values[i]);
    cnn_caffe_give(c, layer, 0, cnn_onnx_draft_output(&c->draft), rank);
}

static bool read_factors(struct cnn_caffe *c, const struct cnn_caffe_layer *layer,
                         const struct cnn_prototxt_field *p, double *factors)
{
    const struct cnn_prototxt_field *field = cnn_prototxt_find(p, "coeff");
    size_t count = 0;
    for (size_t i = 0; i < layer->bottom_count; i++)
        factors[i] = 1;
    for (; field && count < layer->bottom_count; field = cnn_prototxt_next(field))
        if (cnn_prototxt_real(field, &factors[count++], c->diag) != CNN_OK) {
            c->wrong = true;
            return false;
        }
    if (field || (count > 0 && count < layer->bottom_count))
        cnn_caffe_refuse(c, layer, "it does not have one coeff for each bottom");
    return !field && (count == 0 || count == layer->bottom_count);
}

static void translate_eltwise(struct cnn_caffe *c, const struct cnn_caffe_layer *layer,
                              const struct cnn_prototxt_field *p)
{
    static const char *const operations[] = {"PROD", "SUM", "MAX", NULL};
    const struct cnn_caffe_value x = *cnn_caffe_bottom(c, layer, 0);
    double factors[CNN_CAFFE_BLOBS];
    size_t operation = 1;
    if (!cnn_caffe_choice(c, p, "operation", operations, &operation) ||
        !read_factors(c, layer, p, factors))
        return;
    if (operation == 1) {
        give_sum(c, layer, factors);
    } else if (operation == 0) {
        const char *value = x.value;
        for (size_t i = 1; i < layer->bottom_count; i++)
            value = cnn_onnx_draft_binary(&c->draft, "Mul", layer->name, value,
                                          cnn_caffe_bottom(c, layer, i)->value);
        cnn_caffe_give(c, layer, 0, value, x.rank);
    } else {
        cnn_caffe_refuse(c, layer, "no layer takes the largest of several maps' numbers");
    }
}

/* a * x + y, with a gate a for each channel, as squeeze-and-excitation networks have it */
static void translate_axpy(struct cnn_caffe *c, const struct cnn_caffe_layer *layer,
                           const struct cnn_prototxt_field *p)
{
    const char *product =
        cnn_onnx_draft_binary(&c->draft, "Mul", layer->name, cnn_caffe_bottom(c, layer, 1)->value,
                              cnn_caffe_bottom(c, layer, 0)->value);
    (void)p;
    cnn_caffe_give(c, layer, 0,
                   cnn_onnx_draft_binary(&c->draft, "Add", layer->name, product,
                                         cnn_caffe_bottom(c, layer, 2)->value),
                   4);
}

static void translate_concat(struct cnn_caffe *c, const struct cnn_caffe_layer *layer,
                             const struct cnn_prototxt_field *p)
{
    const size_t rank = cnn_caffe_bottom(c, layer, 0)->rank;
    int64_t axis = 1;
    if (!cnn_caffe_integer(c, p, "concat_dim", 0, &axis) ||
        !cnn_caffe_integer(c, p, "axis", -8, &axis))
        return;
    cnn_onnx_draft_node(&c->draft, "Concat", layer->name);
    for (size_t i = 0; i < layer->bottom_count; i++)
        cnn_onnx_draft_input(&c->draft, cnn_caffe_bottom(c, layer, i)->value);
    cnn_onnx_draft_int(&c->draft, "axis", axis);
    cnn_caffe_give(c, layer, 0, cnn_onnx_draft_output(&c->draft), rank);
}

/* Top i becomes [begin, end) along the axis. */
static void give_part(struct cnn_caffe *c, const struct cnn_caffe_layer *layer, size_t i,
                      int64_t axis, const int64_t *ends)
{
    const struct cnn_caffe_value x = *cnn_caffe_bottom(c, layer, 0);
    const int64_t limits[3] = {i > 0 ? ends[i - 1] : 0,
                               i + 1 < layer->top_count ? ends[i] : INT32_MAX, axis};
    static const char *const names[] = {"start", "end", "axis"};
    const char *values[3];
    for (size_t k = 0; k < 3; k++) {
        char suffix[32];
        snprintf(suffix, sizeof suffix, "%s%zu", names[k], i);
        values[k] = cnn_onnx_draft_integers(&c->draft, layer->name, suffix, &limits[k], 1);
    }
    cnn_onnx_draft_node(&c->draft, "Slice", layer->name);
    cnn_onnx_draft_input(&c->draft, x.value);
    for (size_t k = 0; k < 3; k++)
        cnn_onnx_draft_input(&c->draft, values[k]);
    cnn_caffe_give(c, layer, i, cnn_onnx_draft_output(&c->draft), x.rank);
}

static void translate_slice(struct cnn_caffe *c, const struct cnn_caffe_layer *layer,
                            const struct cnn_prototxt_field *p)
{
    const struct cnn_caffe_value x = *cnn_caffe_bottom(c, layer, 0);
    int64_t axis = 1, ends[CNN_CAFFE_BLOBS];
    struct cnn_caffe_list list = {1, ends, CNN_CAFFE_BLOBS, 0};
    if (!cnn_caffe_integer(c, p, "slice_dim", 0, &axis) ||
        !cnn_caffe_integer(c, p, "axis", -8, &axis) ||
        !cnn_caffe_integers(c, p, "slice_point", &list))
        return;
    for (size_t i = 0; i < layer->top_count; i++)
        for (size_t k = 0; k < layer->bottom_count; k++)
            if (strcmp(layer->tops[i], layer->bottoms[k]) == 0) {
                cnn_caffe_refuse(c, layer, "it is not possible in place");
                return;
            }
    if (list.count > 0 && list.count + 1 != layer->top_count) {
        cnn_caffe_refuse(c, layer, "%zu slice_points for %zu tops", list.count, layer->top_count);
        return;
    }
    if (list.count > 0) {
        for (size_t i = 0; i < layer->top_count; i++)
            give_part(c, layer, i, axis, ends);
        return;
    }
    cnn_onnx_draft_node(&c->draft, "Split", layer->name);
    cnn_onnx_draft_input(&c->draft, x.value);
    cnn_onnx_draft_int(&c->draft, "axis", axis);
    for (size_t i = 0; i < layer->top_count; i++)
        cnn_caffe_give(c, layer, i, cnn_onnx_draft_output(&c->draft), x.rank);
}

/* ---- Other dimensions ---- */

static void translate_flatten(struct cnn_caffe *c, const struct cnn_caffe_layer *layer,
                              const struct cnn_prototxt_field *p)
{
    const struct cnn_caffe_value x = *cnn_caffe_bottom(c, layer, 0);
    int64_t axis = 1, last = -1;
    if (!cnn_caffe_integer(c, p, "axis", -8, &axis) ||
        !cnn_caffe_integer(c, p, "end_axis", -8, &last))
        return;
    if (axis != 1 || (last != -1 && last + 1 != (int64_t)x.rank))
        cnn_caffe_refuse(c, layer, "it can only flatten all but the batch");
    else
        cnn_caffe_give(c, layer, 0,
                       cnn_onnx_draft_unary(&c->draft, "Flatten", layer->name, x.value), 2);
}

static void translate_reshape(struct cnn_caffe *c, const struct cnn_caffe_layer *layer,
                              const struct cnn_prototxt_field *p)
{
    const char *x = cnn_caffe_bottom(c, layer, 0)->value;
    int64_t axis = 0, axes = -1, dims[4];
    struct cnn_caffe_list list = {-1, dims, 4, 0};
    if (!cnn_caffe_integer(c, p, "axis", -8, &axis) ||
        !cnn_caffe_integer(c, p, "num_axes", -1, &axes) ||
        !cnn_caffe_integers(c, cnn_prototxt_find(p, "shape"), "dim", &list))
        return;
    if (list.count == 0 || axis != 0 || axes != -1) {
        cnn_caffe_refuse(c, layer, "it needs its whole shape, of at most 4 dimensions");
        return;
    }
    if (dims[0] != -1) /* a batch of another size than the file's is one, too */
        dims[0] = 0;
    const char *sizes = integers(c, layer, "shape", dims, list.count);
    cnn_caffe_give(c, layer, 0, cnn_onnx_draft_binary(&c->draft, "Reshape", layer->name, x, sizes),
                   list.count);
}

static const char *transpose(struct cnn_caffe *c, const struct cnn_caffe_layer *layer,
                             const char *value, const int64_t *order, size_t rank)
{
    cnn_onnx_draft_node(&c->draft, "Transpose", layer->name);
    cnn_onnx_draft_input(&c->draft, value);
    cnn_onnx_draft_ints(&c->draft, "perm", order, rank);
    return cnn_onnx_draft_output(&c->draft);
}

static void translate_permute(struct cnn_caffe *c, const struct cnn_caffe_layer *layer,
                              const struct cnn_prototxt_field *p)
{
    const struct cnn_caffe_value x = *cnn_caffe_bottom(c, layer, 0);
    int64_t order[8];
    struct cnn_caffe_list list = {0, order, 8, 0};
    if (!cnn_caffe_integers(c, p, "order", &list))
        return;
    if (list.count != x.rank)
        cnn_caffe_refuse(c, layer, "its order has %zu numbers for %zu dimensions", list.count,
                         x.rank);
    else
        cnn_caffe_give(c, layer, 0, transpose(c, layer, x.value, order, list.count), x.rank);
}

/* Channels [groups][channels / groups] become [channels / groups][groups]. Rows and columns are
 * taken from the shape of what it reads. */
static void translate_shuffle(struct cnn_caffe *c, const struct cnn_caffe_layer *layer,
                              const struct cnn_prototxt_field *p)
{
    static const int64_t order[] = {0, 2, 1, 3, 4}, two = 2, four = 4;
    const char *x = cnn_caffe_bottom(c, layer, 0)->value, *shape, *map, *value;
    int64_t front[3] = {0, 1, -1};
    if (!cnn_caffe_integer(c, p, "group", 1, &front[1]))
        return;
    shape = cnn_onnx_draft_unary(&c->draft, "Shape", layer->name, x);
    cnn_onnx_draft_node(&c->draft, "Slice", layer->name);
    cnn_onnx_draft_input(&c->draft, shape);
    cnn_onnx_draft_input(&c->draft, integers(c, layer, "start", &two, 1));
    cnn_onnx_draft_input(&c->draft, integers(c, layer, "end", &four, 1));
    map = cnn_onnx_draft_output(&c->draft);
    cnn_onnx_draft_node(&c->draft, "Concat", layer->name);
    cnn_onnx_draft_input(&c->draft, integers(c, layer, "groups", front, 3));
    cnn_onnx_draft_input(&c->draft, map);
    cnn_onnx_draft_int(&c->draft, "axis", 0);
    value = cnn_onnx_draft_output(&c->draft);
    value = cnn_onnx_draft_binary(&c->draft, "Reshape", layer->name, x, value);
    value = transpose(c, layer, value, order, 5);
    cnn_caffe_give(c, layer, 0,
                   cnn_onnx_draft_binary(&c->draft, "Reshape", layer->name, value, shape), 4);
}

const struct cnn_caffe_rule cnn_caffe_map_rules[] = {
    {"Dropout", "dropout_param", 1, 1, translate_nothing},
    {"Split", NULL, 1, 1, translate_nothing},
    {"Pooling", "pooling_param", 1, 1, translate_pooling},
    {"LRN", "lrn_param", 1, 1, translate_lrn},
    {"Softmax", "softmax_param", 1, 1, translate_softmax},
    {"Eltwise", "eltwise_param", 1, CNN_CAFFE_BLOBS, translate_eltwise},
    {"Axpy", NULL, 3, 3, translate_axpy},
    {"Concat", "concat_param", 1, CNN_CAFFE_BLOBS, translate_concat},
    {"Slice", "slice_param", 1, 1, translate_slice},
    {"Flatten", "flatten_param", 1, 1, translate_flatten},
    {"Reshape", "reshape_param", 1, 1, translate_reshape},
    {"Permute", "permute_param", 1, 1, translate_permute},
    {"ShuffleChannel", "shuffle_channel_param", 1, 1, translate_shuffle},
    {NULL, NULL, 0, 0, NULL}};
