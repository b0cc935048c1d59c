/* The nodes of each operation, as opset 17 has them, or as 10 where that is enough. Where an
 * operator of ONNX differs from what the layers do (rounding up in pooling, even sizes of local
 * response normalisation), it is not used: the numbers are those of the layer. */
#include <inttypes.h>
#include <string.h>

#include "formats/onnx_export.h"

typedef void write_function(struct cnn_onnx_writer *w);

static int64_t whole(size_t size)
{
    return (int64_t)size;
}

/* Integers as a constant of the layer. */
static const char *integers(struct cnn_onnx_writer *w, const char *suffix, size_t count,
                            const int64_t *values)
{
    return cnn_onnx_draft_integers(&w->draft, w->node->name, suffix, values, count);
}

static const char *reshape(struct cnn_onnx_writer *w, const char *x, const char *suffix,
                           size_t count, const int64_t *sizes)
{
    return cnn_onnx_emit2(w, "Reshape", x, integers(w, suffix, count, sizes));
}

static const char *transpose(struct cnn_onnx_writer *w, const char *x, size_t rank,
                             const int64_t *order)
{
    const char *y = cnn_onnx_emit1(w, "Transpose", x);
    cnn_onnx_draft_ints(&w->draft, "perm", order, rank);
    return y;
}

/* x as the layer's output is shaped. */
static const char *reshape_out(struct cnn_onnx_writer *w, const char *x)
{
    const cnn_shape s = w->node->out;
    const int64_t sizes[4] = {0, whole(s.c), whole(s.h), whole(s.w)};
    return reshape(w, x, "shape", (size_t)s.rank + 1, sizes);
}

/* ---- Windows and products ---- */

static bool any(const size_t pads[4])
{
    return pads[0] + pads[1] + pads[2] + pads[3] > 0;
}

/* Rows and columns around maps. */
static const char *pad(struct cnn_onnx_writer *w, const char *x, const size_t pads[4],
                       enum cnn_padding_mode mode)
{
    static const char *const modes[] = {
        [CNN_PAD_ZEROS] = "constant", [CNN_PAD_REFLECT] = "reflect", [CNN_PAD_REPLICATE] = "edge"};
    const int64_t all[8] = {0, 0, whole(pads[0]), whole(pads[1]),
                            0, 0, whole(pads[2]), whole(pads[3])};
    const char *y = cnn_onnx_emit2(w, "Pad", x, integers(w, "pads", 8, all));
    cnn_onnx_draft_word(&w->draft, "mode", modes[mode]);
    return y;
}

static void set_pads(struct cnn_onnx_writer *w, const size_t pads[4])
{
    const int64_t values[4] = {whole(pads[0]), whole(pads[1]), whole(pads[2]), whole(pads[3])};
    cnn_onnx_draft_ints(&w->draft, "pads", values, 4);
}

static void set_pair(struct cnn_onnx_writer *w, const char *name, size_t rows, size_t columns)
{
    const int64_t values[2] = {whole(rows), whole(columns)};
    cnn_onnx_draft_ints(&w->draft, name, values, 2);
}

static void conv_attributes(struct cnn_onnx_writer *w, const struct cnn_conv *c,
                            const size_t pads[4])
{
    set_pair(w, "dilations", c->dilation_h, c->dilation_w);
    cnn_onnx_draft_int(&w->draft, "group", whole(c->groups));
    set_pair(w, "kernel_shape", c->kernel_h, c->kernel_w);
    set_pads(w, pads);
    set_pair(w, "strides", c->stride_h, c->stride_w);
}

/* Input, weights and bias (NULL: none) of what has them. */
static void get_inputs(struct cnn_onnx_writer *w, const char *inputs[3])
{
    if (w->node->quantization && w->node->quantization->codes) {
        cnn_onnx_coded_inputs(w, inputs);
        return;
    }
    inputs[0] = cnn_onnx_input(w, 0);
    inputs[1] = cnn_onnx_parameter(w, "weight");
    inputs[2] = cnn_onnx_parameter(w, "bias");
}

static void convolve(struct cnn_onnx_writer *w)
{
    const struct cnn_conv *c = &w->operation.conv;
    size_t pads[4];
    const char *inputs[3];
    get_inputs(w, inputs);
    cnn_export_conv_pads(c, pads);
    if (c->padding_mode != CNN_PAD_ZEROS && any(pads)) {
        inputs[0] = pad(w, inputs[0], pads, c->padding_mode);
        memset(pads, 0, sizeof pads);
    }
    const char *y = cnn_onnx_emit(w, "Conv", inputs[2] ? 3 : 2, inputs);
    conv_attributes(w, c, pads);
    cnn_onnx_activate(w, y);
}

static void deconvolve(struct cnn_onnx_writer *w)
{
    size_t pads[4], extra[2];
    const char *inputs[3];
    get_inputs(w, inputs);
    const char *y = cnn_onnx_emit(w, "ConvTranspose", inputs[2] ? 3 : 2, inputs);
    cnn_export_deconv_pads(&w->operation.conv, pads, extra);
    conv_attributes(w, &w->operation.conv, pads);
    if (extra[0] + extra[1] > 0)
        set_pair(w, "output_padding", extra[0], extra[1]);
    cnn_onnx_activate(w, y);
}

static void dense(struct cnn_onnx_writer *w)
{
    const char *inputs[3];
    get_inputs(w, inputs);
    const char *y = cnn_onnx_emit(w, "Gemm", inputs[2] ? 3 : 2, inputs);
    cnn_onnx_draft_int(&w->draft, "transB", 1);
    cnn_onnx_activate(w, y);
}

/* Without ceil_mode, whose windows and divisors differ from one version of the operators to the
 * next: what windows reach beyond the padding is padding that does not count. And without
 * count_include_pad, which OpenCV passes over: zeros that count are padded before. */
static void pool(struct cnn_onnx_writer *w)
{
    const struct cnn_pool *p = &w->operation.pool;
    const char *x = cnn_onnx_computed_input(w, 0);
    size_t pads[4], over[2];
    cnn_export_pool_pads(p, pads, over);
    if (p->average && p->count_include_pad && any(pads)) {
        x = pad(w, x, pads, CNN_PAD_ZEROS);
        memset(pads, 0, sizeof pads);
    }
    pads[2] += over[0];
    pads[3] += over[1];
    cnn_onnx_emit1(w, p->average ? "AveragePool" : "MaxPool", x);
    set_pair(w, "kernel_shape", p->kernel_h, p->kernel_w);
    set_pads(w, pads);
    set_pair(w, "strides", p->stride_h, p->stride_w);
}

static void global_pool(struct cnn_onnx_writer *w)
{
    cnn_onnx_emit1(w, w->operation.pool.average ? "GlobalAveragePool" : "GlobalMaxPool",
                   cnn_onnx_computed_input(w, 0));
}

/* ---- Normalisations ---- */

static void batch_norm(struct cnn_onnx_writer *w)
{
    if (w->folded) {
        cnn_onnx_activate(w, cnn_onnx_input(w, 0));
        return;
    }
    const char *inputs[5] = {cnn_onnx_computed_input(w, 0), cnn_onnx_parameter(w, "weight"),
                             cnn_onnx_parameter(w, "bias"), cnn_onnx_parameter(w, "running_mean"),
                             cnn_onnx_parameter(w, "running_var")};
    const char *y = cnn_onnx_emit(w, "BatchNormalization", 5, inputs);
    cnn_onnx_draft_float(&w->draft, "epsilon", w->operation.eps);
    cnn_onnx_activate(w, y);
}

/* So many times the same number. */
static const char *repeated(struct cnn_onnx_writer *w, const char *suffix, size_t count,
                            float value)
{
    float *values = cnn_arena_array(w->draft.arena, count + 1, sizeof *values);
    w->draft.failed = w->draft.failed || !values;
    for (size_t i = 0; values && i < count; i++)
        values[i] = value;
    return values ? cnn_onnx_draft_floats(&w->draft, w->node->name, suffix,
                                          (struct cnn_onnx_dims){1, {whole(count)}}, values)
                  : NULL;
}

/* GroupNormalization is not in opset 17: groups are the channels of an InstanceNormalization. */
static void group_norm(struct cnn_onnx_writer *w)
{
    const struct cnn_group_norm *g = &w->operation.group_norm;
    const int64_t groups[3] = {0, whole(g->groups), -1};
    const char *inputs[3] = {reshape(w, cnn_onnx_input(w, 0), "groups", 3, groups),
                             repeated(w, "ones", g->groups, 1), repeated(w, "zeros", g->groups, 0)};
    const char *y = cnn_onnx_emit(w, "InstanceNormalization", 3, inputs),
               *weight = cnn_onnx_channels(w, "weight"), *bias = cnn_onnx_channels(w, "bias");
    cnn_onnx_draft_float(&w->draft, "epsilon", g->eps);
    y = reshape_out(w, y);
    if (weight)
        y = cnn_onnx_emit2(w, "Mul", y, weight);
    if (bias)
        cnn_onnx_emit2(w, "Add", y, bias);
}

static void layer_norm(struct cnn_onnx_writer *w)
{
    static const int64_t last[] = {0, 2, 3, 1}, first[] = {0, 3, 1, 2};
    const bool maps = w->node->out.rank == 3;
    const char *x = cnn_onnx_input(w, 0), *weight = cnn_onnx_parameter(w, "weight"),
               *bias = cnn_onnx_parameter(w, "bias");
    const char *inputs[3] = {maps ? transpose(w, x, 4, last) : x,
                             weight ? weight : repeated(w, "ones", w->node->out.c, 1), bias};
    const char *y = cnn_onnx_emit(w, "LayerNormalization", bias ? 3 : 2, inputs);
    cnn_onnx_draft_int(&w->draft, "axis", -1);
    cnn_onnx_draft_float(&w->draft, "epsilon", w->operation.eps);
    if (maps)
        transpose(w, y, 4, first);
}

/* A mean over channels, as an average over rows of what has channels for its rows. */
static const char *mean_of_neighbours(struct cnn_onnx_writer *w, const char *x)
{
    const struct cnn_lrn *l = &w->operation.lrn;
    const int64_t flat[4] = {0, 1, whole(l->channels), -1};
    const size_t pads[4] = {l->size / 2, 0, (l->size - 1) / 2, 0};
    x = pad(w, reshape(w, x, "rows", 4, flat), pads, CNN_PAD_ZEROS);
    const char *y = cnn_onnx_emit1(w, "AveragePool", x);
    set_pair(w, "kernel_shape", l->size, 1);
    set_pair(w, "strides", 1, 1);
    return reshape_out(w, y);
}

/* LRN takes one more channel behind than before where the size is even; the layer does otherwise.
 */
static void lrn(struct cnn_onnx_writer *w)
{
    const struct cnn_lrn *l = &w->operation.lrn;
    const char *x = cnn_onnx_input(w, 0);
    if (l->size % 2 == 1) {
        cnn_onnx_emit1(w, "LRN", x);
        cnn_onnx_draft_float(&w->draft, "alpha", l->alpha);
        cnn_onnx_draft_float(&w->draft, "beta", l->beta);
        cnn_onnx_draft_float(&w->draft, "bias", l->k);
        cnn_onnx_draft_int(&w->draft, "size", whole(l->size));
        return;
    }
    const char *mean = mean_of_neighbours(w, cnn_onnx_emit2(w, "Mul", x, x));
    const char *scaled = cnn_onnx_emit2(w, "Mul", mean, cnn_onnx_number(w, "alpha", l->alpha));
    const char *sum = cnn_onnx_emit2(w, "Add", scaled, cnn_onnx_number(w, "k", l->k));
    cnn_onnx_emit2(w, "Div", x, cnn_onnx_emit2(w, "Pow", sum, cnn_onnx_number(w, "beta", l->beta)));
}

/* ---- Channels times numbers ---- */

static void scale(struct cnn_onnx_writer *w)
{
    const char *y = cnn_onnx_emit2(w, "Mul", cnn_onnx_input(w, 0), cnn_onnx_channels(w, "weight"));
    const char *bias = cnn_onnx_channels(w, "bias");
    if (bias)
        y = cnn_onnx_emit2(w, "Add", y, bias);
    cnn_onnx_activate(w, y);
}

static void prelu(struct cnn_onnx_writer *w)
{
    cnn_onnx_emit2(w, "PRelu", cnn_onnx_input(w, 0), cnn_onnx_channels(w, "weight"));
}

static void activate(struct cnn_onnx_writer *w)
{
    cnn_onnx_activate(w, cnn_onnx_computed_input(w, 0));
}

/* All that the layer reads; NULL where memory is wanting. */
static const char **all_inputs(struct cnn_onnx_writer *w)
{
    const char **inputs = cnn_arena_array(w->draft.arena, w->node->input_count + 1, sizeof *inputs);
    w->draft.failed = w->draft.failed || !inputs;
    for (size_t i = 0; inputs && i < w->node->input_count; i++)
        inputs[i] = cnn_onnx_computed_input(w, i);
    return inputs;
}

static void add(struct cnn_onnx_writer *w)
{
    const size_t count = w->node->input_count;
    const char **inputs = all_inputs(w);
    if (inputs)
        cnn_onnx_activate(w, cnn_onnx_emit(w, count == 2 ? "Add" : "Sum", count, inputs));
}

static void multiply(struct cnn_onnx_writer *w)
{
    const char *gate = cnn_onnx_computed_input(w, 1);
    const int64_t sizes[4] = {0, whole(w->node->out.c), 1, 1};
    if (w->node->in[1].rank < w->node->in[0].rank)
        gate = reshape(w, gate, "gate", 4, sizes);
    /* OpenCV 4.6 takes maps * HardSigmoid(gate) for a HardSwish, but not the other order */
    cnn_onnx_activate(w, cnn_onnx_emit2(w, "Mul", gate, cnn_onnx_computed_input(w, 0)));
}

/* ---- What moves numbers ---- */

static void pass(struct cnn_onnx_writer *w)
{
    (void)w;
}

static void flatten(struct cnn_onnx_writer *w)
{
    cnn_onnx_emit1(w, "Flatten", cnn_onnx_input(w, 0));
    cnn_onnx_draft_int(&w->draft, "axis", 1);
}

static void write_pad(struct cnn_onnx_writer *w)
{
    const struct cnn_border *b = &w->operation.border;
    const size_t pads[4] = {b->top, b->left, b->out_h - b->in_h - b->top,
                            b->out_w - b->in_w - b->left};
    pad(w, cnn_onnx_input(w, 0), pads, b->mode);
}

/* Rows and columns that the output has, behind the images and channels of x. */
static const char *sizes_like(struct cnn_onnx_writer *w, const char *x)
{
    static const int64_t begin[] = {0}, end[] = {2};
    const int64_t size[2] = {whole(w->node->out.h), whole(w->node->out.w)};
    const char *inputs[3] = {cnn_onnx_emit1(w, "Shape", x), integers(w, "from", 1, begin),
                             integers(w, "to", 1, end)};
    const char *images = cnn_onnx_emit(w, "Slice", 3, inputs);
    const char *y = cnn_onnx_emit2(w, "Concat", images, integers(w, "size", 2, size));
    cnn_onnx_draft_int(&w->draft, "axis", 0);
    return y;
}

/* By whole factors, or else to a size. */
static void resample(struct cnn_onnx_writer *w)
{
    const struct cnn_resample *r = &w->operation.resample;
    const char *x = cnn_onnx_input(w, 0);
    const char *inputs[4] = {x, NULL, NULL, NULL};
    const bool factors = r->out_h % r->in_h == 0 && r->out_w % r->in_w == 0;
    const float scales[4] = {1, 1, (float)(r->out_h / r->in_h), (float)(r->out_w / r->in_w)};
    if (factors)
        inputs[2] = cnn_onnx_draft_floats(&w->draft, w->node->name, "scales",
                                          (struct cnn_onnx_dims){1, {4}}, scales);
    else
        inputs[3] = sizes_like(w, x);
    cnn_onnx_emit(w, "Resize", factors ? 3 : 4, inputs);
    cnn_onnx_draft_word(&w->draft, "mode", r->bilinear ? "linear" : "nearest");
    cnn_onnx_draft_word(&w->draft, "coordinate_transformation_mode",
                        r->align_corners ? "align_corners"
                        : r->bilinear    ? "half_pixel"
                                         : "asymmetric");
    if (!r->bilinear)
        cnn_onnx_draft_word(&w->draft, "nearest_mode", "floor");
}

static void depth_to_space(struct cnn_onnx_writer *w)
{
    const struct cnn_depth *d = &w->operation.depth;
    cnn_onnx_emit1(w, "DepthToSpace", cnn_onnx_input(w, 0));
    cnn_onnx_draft_int(&w->draft, "blocksize", whole(d->block));
    cnn_onnx_draft_word(&w->draft, "mode", d->places_first ? "DCR" : "CRD");
}

/* Channels as a matrix of groups, transposed. */
static void deal(struct cnn_onnx_writer *w, const char *x, size_t groups)
{
    static const int64_t maps[] = {0, 2, 1, 3, 4}, flat[] = {0, 2, 1};
    const cnn_shape s = w->node->out;
    const size_t rank = s.rank == 3 ? 5 : 3;
    const int64_t sizes[5] = {0, whole(groups), whole(s.c / groups), whole(s.h), whole(s.w)};
    x = reshape(w, x, "groups", rank, sizes);
    reshape_out(w, transpose(w, x, rank, rank == 5 ? maps : flat));
}

static void shuffle(struct cnn_onnx_writer *w)
{
    deal(w, cnn_onnx_input(w, 0), w->operation.groups);
}

/* SpaceToDepth has the numbers of one place together. */
static void space_to_depth(struct cnn_onnx_writer *w)
{
    const struct cnn_depth *d = &w->operation.depth;
    const char *x = cnn_onnx_emit1(w, "SpaceToDepth", cnn_onnx_input(w, 0));
    cnn_onnx_draft_int(&w->draft, "blocksize", whole(d->block));
    if (!d->places_first && d->block > 1 && d->channels > 1)
        deal(w, x, d->block * d->block);
}

static void concatenate(struct cnn_onnx_writer *w)
{
    const char **inputs = all_inputs(w);
    if (!inputs)
        return;
    cnn_onnx_emit(w, "Concat", w->node->input_count, inputs);
    cnn_onnx_draft_int(&w->draft, "axis", 1);
}

static void slice(struct cnn_onnx_writer *w)
{
    static const int64_t axis[] = {1};
    const struct cnn_channel_range *r = &w->operation.range;
    const int64_t begin[1] = {whole(r->first)}, end[1] = {whole(r->first + r->count)};
    const char *inputs[4] = {cnn_onnx_input(w, 0), integers(w, "starts", 1, begin),
                             integers(w, "ends", 1, end), integers(w, "axes", 1, axis)};
    cnn_onnx_emit(w, "Slice", 4, inputs);
}

static write_function *const writers[CNN_OPERATION_KINDS] = {
    [CNN_OPERATION_PASS] = pass,
    [CNN_OPERATION_CONVOLVE] = convolve,
    [CNN_OPERATION_DECONVOLVE] = deconvolve,
    [CNN_OPERATION_DENSE] = dense,
    [CNN_OPERATION_POOL] = pool,
    [CNN_OPERATION_GLOBAL_POOL] = global_pool,
    [CNN_OPERATION_BATCH_NORM] = batch_norm,
    [CNN_OPERATION_GROUP_NORM] = group_norm,
    [CNN_OPERATION_LAYER_NORM] = layer_norm,
    [CNN_OPERATION_SCALE] = scale,
    [CNN_OPERATION_ACTIVATE] = activate,
    [CNN_OPERATION_PRELU] = prelu,
    [CNN_OPERATION_LRN] = lrn,
    [CNN_OPERATION_FLATTEN] = flatten,
    [CNN_OPERATION_PAD] = write_pad,
    [CNN_OPERATION_RESAMPLE] = resample,
    [CNN_OPERATION_DEPTH_TO_SPACE] = depth_to_space,
    [CNN_OPERATION_SPACE_TO_DEPTH] = space_to_depth,
    [CNN_OPERATION_ADD] = add,
    [CNN_OPERATION_MULTIPLY] = multiply,
    [CNN_OPERATION_CONCATENATE] = concatenate,
    [CNN_OPERATION_SLICE] = slice,
    [CNN_OPERATION_SHUFFLE] = shuffle,
};

bool cnn_onnx_writes(enum cnn_operation_kind kind)
{
    return (unsigned)kind < CNN_OPERATION_KINDS && writers[kind];
}

bool cnn_onnx_write_operation(struct cnn_onnx_writer *w)
{
    if (!cnn_onnx_writes(w->operation.kind))
        return false;
    writers[w->operation.kind](w);
    return true;
}
