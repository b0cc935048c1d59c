/* Steps of exported C that slide no windows, in float32. */
#include <math.h>

#include "formats/c_export.h"

static size_t pixels_of(cnn_shape s)
{
    return s.h * s.w;
}

static void write_inputs(struct cnn_c_net *net, const struct cnn_c_step *step)
{
    const struct cnn_node *node = step->node;
    for (size_t k = 0; k < node->input_count; k++)
        cnn_c_write_pointer(net, "const float",
                            node->input_count == 1 ? "x" : cnn_c_text(net, "x%zu", k),
                            net->values[node->inputs[k]].array);
    cnn_c_write_pointer(net, "float", "y", net->values[step->y].array);
}

/* Numbers of each channel that are all the same. */
static const char *write_constant(struct cnn_c_net *net, const struct cnn_c_step *step,
                                  const char *suffix, float value)
{
    const size_t channels = step->lead->out.c;
    float *values = cnn_arena_array(net->e->arena, channels, sizeof *values);
    net->failed = net->failed || !values;
    for (size_t c = 0; values && c < channels; c++)
        values[c] = value;
    return values ? cnn_c_floats(net, step, suffix, values, channels) : "";
}

/* A tensor of one number for each channel; where the layer has none, `otherwise`. */
static const char *write_channels(struct cnn_c_net *net, const struct cnn_c_step *step,
                                  const char *suffix, float otherwise)
{
    const struct cnn_tensor *tensor = cnn_node_tensor(step->lead, suffix);
    if (!tensor)
        return write_constant(net, step, suffix, otherwise);
    const float *values = net->e->model->parameters + tensor->offset;
    return tensor->count == step->lead->out.c
               ? cnn_c_floats(net, step, suffix, values, tensor->count)
               : write_constant(net, step, suffix, *values);
}

/* ---- Channels times numbers ---- */

/* With a pooling behind: two rows at a time. */
static void write_pooled_scale(struct cnn_c_net *net, const struct cnn_c_step *step,
                               const char *const names[2])
{
    const cnn_shape in = step->node->in[0];
    const size_t row = in.w * in.c;
    const char *piece = step->pool.average ? "average_pool_f32" : "max_pool_f32";
    cnn_c_need(net, piece);
    cnn_c_write_pool_window(net, "p", &step->pool, 2);
    cnn_c_write_pointer(net, "float", "sums", step->scratch);
    cnn_c_line(net, "const float *pooled[2] = {sums, sums + %zu};", row);
    cnn_c_line(net, "for (int32_t i = 0; i < %zu; i++) {", step->pool.out_h);
    cnn_c_line(net, "    scale_f32(x + i * %zu, %s, %s, %zu, %zu, sums);", 2 * row, names[0],
               names[1], 2 * in.w, in.c);
    if (step->activation.kind != CNN_ACT_NONE)
        cnn_text_printf(&net->code, "    ");
    cnn_c_write_activation(net, step, "sums", 2 * in.w, in.c);
    cnn_c_line(net,
               step->pool.average ? "    %s(&p, pooled, i, 0, y + i * %zu);"
                                  : "    %s(&p, pooled, y + i * %zu);",
               piece, step->pool.out_w * in.c);
    cnn_c_line(net, "}");
}

static void write_scale(struct cnn_c_net *net, const struct cnn_c_step *step)
{
    const cnn_shape out = step->lead->out;
    const char *names[2] = {"", ""};
    float *scale, *bias;
    cnn_c_need(net, "scale_f32");
    if (step->operation.kind == CNN_OPERATION_SCALE) {
        names[0] = write_channels(net, step, "weight", 1);
        names[1] = write_channels(net, step, "bias", 0);
    } else if (cnn_c_fold(net, step, out.c, &scale, &bias)) {
        names[0] = cnn_c_floats(net, step, "weight", scale, out.c);
        names[1] = cnn_c_floats(net, step, "bias", bias, out.c);
    }
    write_inputs(net, step);
    if (step->pools) {
        write_pooled_scale(net, step, names);
        return;
    }
    cnn_c_line(net, "scale_f32(x, %s, %s, %zu, %zu, y);", names[0], names[1], pixels_of(out),
               out.c);
    cnn_c_write_activation(net, step, "y", pixels_of(out), out.c);
}

static void write_prelu(struct cnn_c_net *net, const struct cnn_c_step *step)
{
    const cnn_shape out = step->lead->out;
    const char *slope = write_channels(net, step, "weight", 0);
    cnn_c_need(net, "prelu_f32");
    write_inputs(net, step);
    cnn_c_line(net, "prelu_f32(x, %s, %zu, %zu, y);", slope, pixels_of(out), out.c);
    cnn_c_write_activation(net, step, "y", pixels_of(out), out.c);
}

/* ---- Normalisations ---- */

static void write_norm(struct cnn_c_net *net, const struct cnn_c_step *step)
{
    const cnn_shape out = step->lead->out;
    const struct cnn_group_norm *g = &step->operation.group_norm;
    const bool group = step->operation.kind == CNN_OPERATION_GROUP_NORM;
    const char *gamma = write_channels(net, step, "weight", 1),
               *beta = write_channels(net, step, "bias", 0);
    cnn_c_need(net, "group_norm_f32");
    net->math = true;
    cnn_c_line(net, "static const struct group_norm k = {%zu, %zu, %zu, %s};",
               group ? pixels_of(out) : 1, out.c, group ? g->groups : 1,
               cnn_c_number(group ? g->eps : step->operation.eps).text);
    write_inputs(net, step);
    if (group) {
        cnn_c_line(net, "group_norm_f32(&k, x, %s, %s, y);", gamma, beta);
    } else {
        cnn_c_line(net, "for (int32_t i = 0; i < %zu; i++)", pixels_of(out));
        cnn_c_line(net, "    group_norm_f32(&k, x + i * %zu, %s, %s, y + i * %zu);", out.c, gamma,
                   beta, out.c);
    }
    cnn_c_write_activation(net, step, "y", pixels_of(out), out.c);
}

static void write_lrn(struct cnn_c_net *net, const struct cnn_c_step *step)
{
    const cnn_shape out = step->lead->out;
    const struct cnn_lrn *l = &step->operation.lrn;
    cnn_c_need(net, "lrn_f32");
    net->math = true;
    cnn_c_line(net, "static const struct lrn k = {%zu, %zu, %zu, %s, %s, %s};", pixels_of(out),
               out.c, l->size, cnn_c_number(l->alpha).text, cnn_c_number(l->beta).text,
               cnn_c_number(l->k).text);
    write_inputs(net, step);
    cnn_c_line(net, "lrn_f32(&k, x, y);");
    cnn_c_write_activation(net, step, "y", pixels_of(out), out.c);
}

/* ---- Several inputs ---- */

static void write_add(struct cnn_c_net *net, const struct cnn_c_step *step)
{
    const cnn_shape out = step->lead->out;
    const size_t count = cnn_shape_count(out);
    cnn_c_need(net, step->node->input_count > 1 ? "add_f32" : "copy_channels");
    write_inputs(net, step);
    if (step->node->input_count == 1)
        cnn_c_line(net, "memmove(y, x, %zu * sizeof *y);", count);
    else
        cnn_c_line(net, "add_f32(x0, x1, %zu, y);", count);
    for (size_t k = 2; k < step->node->input_count; k++)
        cnn_c_line(net, "add_f32(y, x%zu, %zu, y);", k, count);
    cnn_c_write_activation(net, step, "y", pixels_of(out), out.c);
}

static void write_multiply(struct cnn_c_net *net, const struct cnn_c_step *step)
{
    const cnn_shape out = step->lead->out;
    const bool gate = cnn_shape_count(step->node->in[1]) != cnn_shape_count(out);
    cnn_c_need(net, gate ? "gate_f32" : "multiply_f32");
    write_inputs(net, step);
    if (gate)
        cnn_c_line(net, "gate_f32(x0, x1, %zu, %zu, y);", pixels_of(out), out.c);
    else
        cnn_c_line(net, "multiply_f32(x0, x1, %zu, y);", cnn_shape_count(out));
    cnn_c_write_activation(net, step, "y", pixels_of(out), out.c);
}

static void write_concatenate(struct cnn_c_net *net, const struct cnn_c_step *step)
{
    const struct cnn_node *node = step->node;
    const cnn_shape out = step->lead->out;
    const size_t element = net->values[step->y].element;
    size_t first = 0;
    cnn_c_need(net, "copy_channels");
    write_inputs(net, step);
    for (size_t k = 0; k < node->input_count; k++) {
        const char *x = node->input_count == 1 ? "x" : cnn_c_text(net, "x%zu", k);
        const size_t channels = node->in[k].c;
        cnn_c_line(net, "copy_channels(%s, %zu, y + %zu, %zu, %zu, %zu);", x, channels * element,
                   first, out.c * element, channels * element, pixels_of(out));
        first += channels;
    }
}

/* ---- What moves numbers ---- */

static void write_slice(struct cnn_c_net *net, const struct cnn_c_step *step)
{
    const struct cnn_channel_range *r = &step->operation.range;
    const size_t element = net->values[step->y].element;
    cnn_c_need(net, "copy_channels");
    write_inputs(net, step);
    cnn_c_line(net, "copy_channels(x + %zu, %zu, y, %zu, %zu, %zu);", r->first,
               r->channels * element, r->count * element, r->count * element,
               pixels_of(step->lead->out));
}

static void write_pad(struct cnn_c_net *net, const struct cnn_c_step *step)
{
    const struct cnn_border *b = &step->operation.border;
    const size_t element = net->values[step->y].element;
    cnn_c_need(net, "pad");
    cnn_c_line(net, "static const struct pad k = {%zu, %zu, %zu, %zu, %zu, %zu, %d, 0};", b->in_h,
               b->in_w, b->out_h, b->out_w, b->top, b->left, (int)b->mode);
    write_inputs(net, step);
    cnn_c_line(net, "pad(&k, x, y, %zu);", b->channels * element);
}

static void write_resample(struct cnn_c_net *net, const struct cnn_c_step *step)
{
    const struct cnn_resample *r = &step->operation.resample;
    const char *piece = r->bilinear ? "bilinear_f32" : "nearest_f32";
    cnn_c_need(net, piece);
    cnn_c_line(net, "static const struct resize k = {%zu, %zu, %zu, %zu, %zu, %d};", r->in_h,
               r->in_w, r->out_h, r->out_w, r->channels, r->align_corners);
    write_inputs(net, step);
    cnn_c_line(net, "%s(&k, x, y);", piece);
}

static void write_depth(struct cnn_c_net *net, const struct cnn_c_step *step)
{
    const struct cnn_depth *d = &step->operation.depth;
    const char *piece = step->operation.kind == CNN_OPERATION_DEPTH_TO_SPACE ? "depth_to_space_f32"
                                                                             : "space_to_depth_f32";
    cnn_c_need(net, piece);
    cnn_c_line(net, "static const struct depth k = {%zu, %zu, %zu, %zu, %d};", d->h, d->w,
               d->channels, d->block, d->places_first);
    write_inputs(net, step);
    cnn_c_line(net, "%s(&k, x, y);", piece);
}

static void write_shuffle(struct cnn_c_net *net, const struct cnn_c_step *step)
{
    const cnn_shape out = step->lead->out;
    cnn_c_need(net, "shuffle_f32");
    write_inputs(net, step);
    cnn_c_line(net, "shuffle_f32(x, %zu, %zu, %zu, y);", pixels_of(out), out.c,
               step->operation.groups);
}

static void write_flatten(struct cnn_c_net *net, const struct cnn_c_step *step)
{
    const cnn_shape in = step->node->in[0];
    cnn_c_need(net, "transpose_f32");
    write_inputs(net, step);
    cnn_c_line(net, "transpose_f32(x, %zu, %zu, y);", pixels_of(in), in.c);
}

static void write_global_pool(struct cnn_c_net *net, const struct cnn_c_step *step)
{
    const cnn_shape in = step->node->in[0];
    const char *piece = step->operation.pool.average ? "global_average_f32" : "global_max_f32";
    cnn_c_need(net, piece);
    write_inputs(net, step);
    cnn_c_line(net, "%s(x, %zu, %zu, y);", piece, pixels_of(in), in.c);
    cnn_c_write_activation(net, step, "y", 1, in.c);
}

static void write_activate(struct cnn_c_net *net, const struct cnn_c_step *step)
{
    const cnn_shape out = step->lead->out;
    const bool over = net->values[step->node->inputs[0]].array == net->values[step->y].array;
    if (over) {
        cnn_c_write_pointer(net, "float", "y", net->values[step->y].array);
    } else {
        write_inputs(net, step);
        cnn_c_line(net, "memcpy(y, x, %zu * sizeof *y);", cnn_shape_count(out));
    }
    cnn_c_write_activation(net, step, "y", pixels_of(out), out.c);
}

typedef void writer(struct cnn_c_net *net, const struct cnn_c_step *step);

void cnn_c_write_other(struct cnn_c_net *net, const struct cnn_c_step *step)
{
    static writer *const writers[CNN_OPERATION_KINDS] = {
        [CNN_OPERATION_PASS] = write_activate,
        [CNN_OPERATION_ACTIVATE] = write_activate,
        [CNN_OPERATION_GLOBAL_POOL] = write_global_pool,
        [CNN_OPERATION_BATCH_NORM] = write_scale,
        [CNN_OPERATION_SCALE] = write_scale,
        [CNN_OPERATION_GROUP_NORM] = write_norm,
        [CNN_OPERATION_LAYER_NORM] = write_norm,
        [CNN_OPERATION_PRELU] = write_prelu,
        [CNN_OPERATION_LRN] = write_lrn,
        [CNN_OPERATION_FLATTEN] = write_flatten,
        [CNN_OPERATION_PAD] = write_pad,
        [CNN_OPERATION_RESAMPLE] = write_resample,
        [CNN_OPERATION_DEPTH_TO_SPACE] = write_depth,
        [CNN_OPERATION_SPACE_TO_DEPTH] = write_depth,
        [CNN_OPERATION_ADD] = write_add,
        [CNN_OPERATION_MULTIPLY] = write_multiply,
        [CNN_OPERATION_CONCATENATE] = write_concatenate,
        [CNN_OPERATION_SLICE] = write_slice,
        [CNN_OPERATION_SHUFFLE] = write_shuffle,
    };
    writers[step->operation.kind](net, step);
}
