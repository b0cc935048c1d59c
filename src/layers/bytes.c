/* Layers that compute with bytes (bytes.h): their integers are made by graph/integers.h, what they
 * do with them is the kernels'. */
#include "layers/bytes.h"

#include "graph/bytes.h"
#include "graph/integers.h"
#include "layers/pooling.h"
#include "layers/scaling.h"

static struct cnn_activation activation_of(const struct cnn_node *node)
{
    return node->type->operation(node).activation;
}

static bool fits_activation(const struct cnn_node *node)
{
    return activation_of(node).kind != CNN_ACT_SOFTMAX;
}

static void declare(struct cnn_node *node)
{
    cnn_node_declare_ranges(node, CNN_SLOT_RANGES);
}

static struct cnn_integers_room place(const struct cnn_call *call, size_t count)
{
    const struct cnn_node *node = call->node;
    const struct cnn_integers_room room =
        cnn_integers_place(call->value[CNN_SLOT_INTEGERS],
                           (struct cnn_integers_size){.inputs = node->input_count, .count = count});
    for (size_t k = 0; k < node->input_count; k++)
        room.x[k] = cnn_codes_of(call->x_range[k]);
    return room;
}

static const unsigned char *bytes_of(const struct cnn_call *call, size_t k)
{
    return (const unsigned char *)call->x[k];
}

static size_t value_bytes(const struct cnn_call *call)
{
    const cnn_shape s = call->node->out;
    return call->n * s.h * s.w * cnn_code_channels(s.c);
}

/* One multiplier for each input. */
static size_t packed_inputs(const struct cnn_node *node, const struct cnn_kernels *kernels,
                            bool backward)
{
    (void)kernels, (void)backward;
    return cnn_integers_floats((struct cnn_integers_size){node->input_count, node->input_count, 0});
}

/* ---- add ---- */

#define ADD_INPUTS 256 /* so that multipliers have enough bits */

static bool fits_add(const struct cnn_node *node)
{
    return fits_activation(node) && node->input_count <= ADD_INPUTS;
}

static void prepare_add(const struct cnn_call *call)
{
    const struct cnn_integers_room room = place(call, call->node->input_count);
    cnn_integers_add(&room, cnn_integers_activate(&room, activation_of(call->node),
                                                  cnn_codes_of(call->y_range)));
}

static void add(const struct cnn_call *call)
{
    call->kernels->add_bytes(value_bytes(call), (const unsigned char *const *)(const void *)call->x,
                             cnn_call_integers(call), (unsigned char *)call->y);
}

const struct cnn_quantization cnn_bytes_add = {
    .fits = fits_add,
    .declare = declare,
    .execution = {.packed = packed_inputs, .prepare = prepare_add, .forward = add},
};

/* ---- mul ---- */

static void prepare_multiply(const struct cnn_call *call)
{
    const struct cnn_integers_room room = place(call, 1);
    room.scale[0] = room.x[0].scale * room.x[1].scale;
    const float step =
        cnn_integers_activate(&room, activation_of(call->node), cnn_codes_of(call->y_range));
    cnn_integers_multiply(&room, step, 255 * 255);
}

static void multiply(const struct cnn_call *call)
{
    const cnn_shape s = call->node->out, by = call->node->in[1];
    const bool gates = by.h * by.w == 1;
    const struct cnn_scale c = {.images = gates ? call->n : call->n * s.h * s.w,
                                .pixels = gates ? s.h * s.w : 1,
                                .channels = s.c};
    call->kernels->multiply_bytes(&c, (const unsigned char *const *)(const void *)call->x,
                                  cnn_call_integers(call), (unsigned char *)call->y);
}

const struct cnn_quantization cnn_bytes_multiply = {
    .fits = fits_activation,
    .declare = declare,
    .execution = {.packed = packed_inputs, .prepare = prepare_multiply, .forward = multiply},
};

/* ---- batch_norm ---- */

static struct cnn_integers_size size_of_norm(const struct cnn_node *node)
{
    return (struct cnn_integers_size){.inputs = 1, .count = node->out.c, .filters = true};
}

static size_t packed_norm(const struct cnn_node *node, const struct cnn_kernels *kernels,
                          bool backward)
{
    (void)kernels, (void)backward;
    return cnn_integers_floats(size_of_norm(node));
}

static void prepare_norm(const struct cnn_call *call)
{
    const struct cnn_node *node = call->node;
    float *const *norm = call->value; /* the order of CNN_EFFECT_NORMALIZE */
    const struct cnn_batch_norm_arrays arrays = {
        .gamma = norm[0], .beta = norm[1], .mean = norm[2], .var = norm[3]};
    const struct cnn_integers_room room =
        cnn_integers_place(call->value[CNN_SLOT_INTEGERS], size_of_norm(node));
    float *constant = room.factor;
    call->kernels->batch_norm_fold(node->out.c, &arrays, node->effect.eps, NULL, room.scale,
                                   constant);
    room.x[0] = cnn_codes_of(call->x_range[0]);
    cnn_integers_scale(
        &room, constant,
        cnn_integers_activate(&room, activation_of(node), cnn_codes_of(call->y_range)));
}

static void normalize(const struct cnn_call *call)
{
    call->kernels->scale_bytes(cnn_call_rows(call), bytes_of(call, 0), cnn_call_integers(call),
                               (unsigned char *)call->y);
}

const struct cnn_quantization cnn_bytes_normalize = {
    .fits = fits_activation,
    .declare = declare,
    .execution = {.packed = packed_norm, .prepare = prepare_norm, .forward = normalize},
};

/* ---- Activations ---- */

static void prepare_table(const struct cnn_call *call)
{
    const struct cnn_integers_room room = place(call, 1);
    room.integers->y = cnn_codes_of(call->y_range);
    cnn_integers_table(activation_of(call->node), room.x[0], room.integers->y, room.table);
    room.integers->table = room.table;
}

static void look_up(const struct cnn_call *call)
{
    call->kernels->translate(value_bytes(call), cnn_call_integers(call)->table, bytes_of(call, 0),
                             (unsigned char *)call->y);
}

const struct cnn_quantization cnn_bytes_activate = {
    .fits = fits_activation,
    .declare = declare,
    .execution = {.packed = packed_inputs, .prepare = prepare_table, .forward = look_up},
};

/* ---- Pooling ---- */

static const struct cnn_pool *pool_of(const struct cnn_node *node)
{
    return &((const struct cnn_pooling *)node->state)->pool;
}

static bool is_max(const struct cnn_node *node)
{
    return !pool_of(node)->average;
}

/* Sums within 32 bits; not too many divisors. */
static bool fits_pool(const struct cnn_node *node)
{
    const struct cnn_pool *p = pool_of(node);
    size_t only;
    return is_max(node) ||
           (p->kernel_h * p->kernel_w <= INT32_MAX / 255 && cnn_pool_divisors(p, &only) <= 4096);
}

static void declare_pool(struct cnn_node *node)
{
    if (!is_max(node))
        declare(node);
}

static size_t packed_pool(const struct cnn_node *node, const struct cnn_kernels *kernels,
                          bool backward)
{
    (void)kernels, (void)backward;
    size_t only;
    return is_max(node) ? 0
                        : cnn_integers_floats((struct cnn_integers_size){
                              1, cnn_pool_divisors(pool_of(node), &only), false});
}

static void prepare_pool(const struct cnn_call *call)
{
    const struct cnn_pool *p = pool_of(call->node);
    if (!p->average)
        return;
    size_t only;
    const struct cnn_integers_room room = place(call, cnn_pool_divisors(p, &only));
    const size_t count = room.integers->count;
    for (size_t i = 0; i < count; i++)
        room.scale[i] = room.x[0].scale / (float)(count == 1 ? only : i + 1);
    if (!call->y_range)
        return;
    const struct cnn_activation none = {.kind = CNN_ACT_NONE};
    cnn_integers_multiply(&room, cnn_integers_activate(&room, none, cnn_codes_of(call->y_range)),
                          255 * (int64_t)(p->kernel_h * p->kernel_w));
}

static void pool(const struct cnn_call *call)
{
    call->kernels->pool_bytes(pool_of(call->node), call->n, bytes_of(call, 0),
                              cnn_call_integers(call), call->y);
}

/* Means may be floats; a layer that passes codes has floats on both sides or on none. */
const struct cnn_quantization cnn_bytes_pool = {
    .fits = fits_pool,
    .declare = declare_pool,
    .passes = is_max,
    .writes_floats = true,
    .execution = {.packed = packed_pool, .prepare = prepare_pool, .forward = pool},
};
