/* The first values of conv, depthwise_conv and dense: drawn, found in the images, or literal. After
 * He et al., "Delving Deep into Rectifiers", 2015 (he), Glorot and Bengio, "Understanding the
 * difficulty of training deep feedforward neural networks", 2010 (glorot), LeCun et al., "Efficient
 * BackProp", 1998 (lecun), Zagoruyko and Komodakis, "DiracNets", 2017 (dirac); whitening:
 * train/whiten.c. */
#include <math.h>
#include <string.h>

#include "layers/weighted.h"

enum init_kind {
    INIT_HE_NORMAL,
    INIT_HE_UNIFORM,
    INIT_GLOROT_NORMAL,
    INIT_GLOROT_UNIFORM,
    INIT_LECUN_NORMAL,
    INIT_ZEROS,
    INIT_DIRAC,
    INIT_WHITENING
};

static const char *const init_choices[] = {"he_normal",      "he_uniform",   "glorot_normal",
                                           "glorot_uniform", "lecun_normal", "zeros",
                                           "dirac",          "whitening",    NULL};

#define FIELD(member) offsetof(struct cnn_weighted_settings, member)
/* The key `init`, of which the types of layers have defaults of their own. */
#define INIT_KEY(default_word)                                                                     \
    {                                                                                              \
        .name = "init", .kind = CNN_KEY_CHOICE, .at = FIELD(init), .otherwise = (default_word),    \
        .choices = init_choices,                                                                   \
        .help = "how the initial weights are drawn; biases start at 0. dirac: the first filters "  \
                "copy the input's channels; whitening: filters that make patches of the "          \
                "training images uncorrelated (only for the first layer)"                          \
    }

const struct cnn_key cnn_init_keys[] = {INIT_KEY("he_normal"), CNN_KEY_END};
const struct cnn_key cnn_init_keys_dense[] = {INIT_KEY("glorot_uniform"), CNN_KEY_END};
#undef FIELD

/* Depth of a list's nesting along its first items: 0 for a scalar. */
static size_t list_depth(const struct cnn_yaml *node)
{
    size_t depth = 0;
    while (node->kind == CNN_YAML_SEQUENCE && node->count > 0) {
        depth++;
        node = node->items[0];
    }
    return depth;
}

/* Reads nested lists of exactly dims into *next, which moves on. */
static cnn_status read_nested(const struct cnn_yaml *node, size_t rank, const size_t *dims,
                              float **next, cnn_diag *diag)
{
    double number;
    if (rank == 0) {
        if (node->kind != CNN_YAML_SCALAR || !cnn_yaml_as_number(node, &number) ||
            !isfinite(number))
            return cnn_fail(diag, CNN_INVALID, &node->where,
                            "literal weights are numbers in nested lists");
        *(*next)++ = (float)number;
        return CNN_OK;
    }
    if (node->kind != CNN_YAML_SEQUENCE || node->count != dims[0])
        return cnn_fail(diag, CNN_INVALID, &node->where,
                        "this list of literal weights has %zu items; the layer needs %zu here",
                        node->kind == CNN_YAML_SEQUENCE ? node->count : 0, dims[0]);
    for (size_t i = 0; i < node->count; i++) {
        cnn_status status = read_nested(node->items[i], rank - 1, dims + 1, next, diag);
        if (status != CNN_OK)
            return status;
    }
    return CNN_OK;
}

/* Literal values in lists of dims, from which dimensions of 1 in front (filters, channels) may be
 * left out. */
static cnn_status read_literal(const struct cnn_yaml *node, size_t rank, const size_t *dims,
                               struct cnn_arena *arena, float **out, cnn_diag *diag)
{
    size_t kept[4], kept_rank = 0, count = 1,
                    surplus = rank - (list_depth(node) < rank ? list_depth(node) : rank);
    for (size_t i = 0; i < rank; i++) {
        count *= dims[i];
        if (surplus > 0 && dims[i] == 1 && i < 2)
            surplus--;
        else
            kept[kept_rank++] = dims[i];
    }
    if (surplus > 0)
        return cnn_fail(diag, CNN_INVALID, &node->where,
                        "literal weights of this layer are lists nested %zu deep; found %zu", rank,
                        list_depth(node));
    float *values = cnn_arena_array(arena, count, sizeof *values), *next = values;
    if (!values)
        return cnn_fail_memory(diag, count * sizeof *values, "literal weights");
    cnn_status status = read_nested(node, kept_rank, kept, &next, diag);
    if (status == CNN_OK)
        *out = values;
    return status;
}

struct literal_settings {
    const struct cnn_yaml *kernel, *bias;
};

static const struct cnn_key literal_keys[] = {
    {.name = "kernel",
     .kind = CNN_KEY_NODE,
     .at = offsetof(struct literal_settings, kernel),
     .help = "nested lists: filters, channels, rows, columns"},
    {.name = "bias",
     .kind = CNN_KEY_NODE,
     .at = offsetof(struct literal_settings, bias),
     .otherwise = "",
     .help = "one number for all, or a list of one per filter"},
    CNN_KEY_END};

static cnn_status read_literals(const struct cnn_node *node, struct cnn_weighted *w,
                                struct cnn_arena *arena, cnn_diag *diag)
{
    const struct cnn_yaml *weights = w->settings->weights;
    struct literal_settings literal = {0};
    cnn_status status =
        cnn_keys_read(arena, &(struct cnn_keys){.table = literal_keys, .what = "weights"}, weights,
                      &node->where, &literal, diag);
    const struct cnn_tensor *kernel = &node->tensors[CNN_SLOT_WEIGHT];
    if (status == CNN_OK)
        status = read_literal(literal.kernel, kernel->rank, kernel->dims, arena, &w->literal_kernel,
                              diag);
    if (status != CNN_OK || !literal.bias)
        return status;
    if (!w->settings->bias)
        return cnn_fail(diag, CNN_INVALID, &literal.bias->where,
                        "literal bias for a layer with `bias: false`");
    size_t filters = w->conv.out_c;
    if (literal.bias->kind != CNN_YAML_SCALAR)
        return read_literal(literal.bias, 1, &filters, arena, &w->literal_bias, diag);
    float one, *next = &one;
    status = read_nested(literal.bias, 0, NULL, &next, diag);
    if (status != CNN_OK)
        return status;
    w->literal_bias = cnn_arena_array(arena, filters, sizeof(float));
    if (!w->literal_bias)
        return cnn_fail_memory(diag, filters * sizeof(float), "literal weights");
    for (size_t i = 0; i < filters; i++)
        w->literal_bias[i] = one;
    return CNN_OK;
}

/* `init: whitening` finds its filters in patches of the training images, and there are two for each
 * of a patch's numbers. */
static cnn_status check_whitening(struct cnn_node *node, const struct cnn_weighted *w,
                                  cnn_diag *diag)
{
    const struct cnn_conv *c = &w->conv;
    size_t most = 2 * c->in_c * c->kernel_h * c->kernel_w;
    if (w->settings->init != INIT_WHITENING)
        return CNN_OK;
    if (node->inputs[0] != 0 || c->groups != 1)
        return cnn_fail(diag, CNN_INVALID, &node->where,
                        "layer '%s': `init: whitening` is for a convolution of the network's "
                        "input, in one group",
                        node->name);
    if (most / 2 > CNN_WHITENING_NUMBERS)
        return cnn_fail(diag, CNN_INVALID, &node->where,
                        "layer '%s': `init: whitening` takes patches of at most %d numbers; %zu * "
                        "%zu * %zu = %zu",
                        node->name, CNN_WHITENING_NUMBERS, c->in_c, c->kernel_h, c->kernel_w,
                        most / 2);
    if (c->out_c > most) {
        cnn_fail(diag, CNN_INVALID, &node->where,
                 "layer '%s': `init: whitening` finds at most 2 * %zu * %zu * %zu = %zu filters, "
                 "not %zu",
                 node->name, c->in_c, c->kernel_h, c->kernel_w, most, c->out_c);
        cnn_hint(diag, "filters: %zu", most);
        return CNN_INVALID;
    }
    node->whitens = true;
    return CNN_OK;
}

/* The first filters pass the input's channels on, as they are. The rest are drawn as PyTorch draws
 * them. */
static void pass_channels(const struct cnn_conv *c, struct cnn_rng *rng, float *values)
{
    size_t depth = c->in_c / c->groups, taps = c->kernel_h * c->kernel_w, filter = depth * taps,
           same = c->in_c < c->out_c ? c->in_c : c->out_c;
    float bound = 1 / sqrtf((float)filter);
    for (size_t i = 0; i < same * filter; i++)
        values[i] = 0;
    for (size_t f = 0; f < same; f++)
        values[f * filter + f % depth * taps + c->kernel_h / 2 * c->kernel_w + c->kernel_w / 2] = 1;
    for (size_t i = same * filter; i < c->out_c * filter; i++)
        values[i] = bound * (2 * cnn_rng_uniform(rng) - 1);
}

static void draw_weights(enum init_kind kind, double fan_in, double fan_out, size_t count,
                         struct cnn_rng *rng, float *values)
{
    double variance = 0;
    switch (kind) {
    case INIT_HE_NORMAL:
    case INIT_HE_UNIFORM:
        variance = 2 / fan_in;
        break;
    case INIT_GLOROT_NORMAL:
    case INIT_GLOROT_UNIFORM:
        variance = 2 / (fan_in + fan_out);
        break;
    case INIT_LECUN_NORMAL:
    case INIT_WHITENING: /* until there are images */
        variance = 1 / fan_in;
        break;
    case INIT_DIRAC:
    case INIT_ZEROS:
        break;
    }
    bool uniform = kind == INIT_HE_UNIFORM || kind == INIT_GLOROT_UNIFORM;
    /* U(-b, b) has variance b^2 / 3 */
    float deviation = (float)sqrt(variance), bound = (float)sqrt(3 * variance);
    for (size_t i = 0; i < count; i++)
        values[i] =
            uniform ? bound * (2 * cnn_rng_uniform(rng) - 1) : deviation * cnn_rng_normal(rng);
}

static void init_weight(const struct cnn_node *node, const struct cnn_tensor *tensor,
                        struct cnn_rng *rng, float *values)
{
    const struct cnn_weighted *w = node->state;
    if (w->literal_kernel) {
        memcpy(values, w->literal_kernel, tensor->count * sizeof *values);
        return;
    }
    if (w->settings->init == INIT_DIRAC) {
        pass_channels(&w->conv, rng, values);
        return;
    }
    double taps = (double)w->conv.kernel_h * (double)w->conv.kernel_w,
           groups = (double)w->conv.groups;
    draw_weights((enum init_kind)w->settings->init, taps * (double)w->conv.in_c / groups,
                 taps * (double)w->conv.out_c / groups, tensor->count, rng, values);
}

static void init_bias(const struct cnn_node *node, const struct cnn_tensor *tensor,
                      struct cnn_rng *rng, float *values)
{
    const struct cnn_weighted *w = node->state;
    (void)rng;
    if (w->literal_bias)
        memcpy(values, w->literal_bias, tensor->count * sizeof *values);
}

cnn_status cnn_weighted_init(struct cnn_node *node, struct cnn_arena *arena, cnn_diag *diag)
{
    struct cnn_weighted *w = node->state;
    node->tensors[CNN_SLOT_WEIGHT].init = init_weight;
    if (w->settings->bias)
        node->tensors[CNN_SLOT_BIAS].init = init_bias;
    node->literal = w->settings->weights != NULL;
    return node->literal ? read_literals(node, w, arena, diag) : check_whitening(node, w, diag);
}
