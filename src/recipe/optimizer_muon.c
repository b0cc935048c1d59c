/* Muon: momentum, orthogonalised (Jordan et al., "Muon: An optimizer for hidden layers in neural
 * networks", 2024). The iteration X <- aX + (bA + cA^2)X with A = X X^T takes the singular values
 * of a matrix of norm 1 towards 1; it is run on the side with fewer rows. Its products are those of
 * dense layers: a matrix with rows as images, and the other's as units. */
#include <math.h>
#include <stdint.h>

#include "recipe/optimizer_type.h"
#include "util/arena.h"
#include "util/number.h"

struct settings {
    struct cnn_optimizer_base base;
    double momentum;
    bool nesterov;
    size_t iterations;
    bool normalize; /* weights are kept at one norm */
};

#define FIELD(member) offsetof(struct settings, member)
static const struct cnn_key keys[] = {
    {.name = "lr",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(base.lr),
     .otherwise = "0.02",
     .max = 1000,
     .open_min = true,
     .help = "learning rate"},
    {.name = "momentum",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(momentum),
     .otherwise = "0.95",
     .max = 1,
     .open_max = true,
     .help = "share of the last update that is kept"},
    {.name = "nesterov",
     .kind = CNN_KEY_BOOL,
     .at = FIELD(nesterov),
     .otherwise = "true",
     .help = "look ahead along the momentum"},
    {.name = "weight_decay",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(base.weight_decay),
     .otherwise = "0",
     .max = 1000,
     .help = "this times lr is the share by which a weight shrinks in each step"},
    {.name = "iterations",
     .kind = CNN_KEY_SIZE,
     .at = FIELD(iterations),
     .otherwise = "5",
     .min = 1,
     .max = 100,
     .help = "number of Newton-Schulz iterations, which make the update orthogonal"},
    {.name = "normalize",
     .kind = CNN_KEY_BOOL,
     .at = FIELD(normalize),
     .otherwise = "false",
     .help = "scale each weight matrix to the norm sqrt(filters) before every update"},
    {.name = "others",
     .kind = CNN_KEY_NODE,
     .at = FIELD(base.others),
     .otherwise = "adamw",
     .help = "optimizer of the other tensors: biases, batch_norm, depthwise kernels, and the last "
             "layer"},
    {.kind = CNN_KEY_TABLE, .at = FIELD(base), .table = cnn_groups_keys},
    CNN_KEY_END,
};

/* Weights of several inputs for each of several outputs: kernels of all channels, and dense layers;
 * not those of the last layer, whose rows are classes. */
static bool takes(const struct cnn_graph *graph, size_t node, const struct cnn_tensor *tensor)
{
    size_t last = graph->count;
    while (last > 0 && cnn_node_trained(&graph->nodes[last - 1]) == 0)
        last--;
    return tensor->matrix && node + 1 != last;
}

#define A_FACTOR 3.4445f
#define B_FACTOR (-4.7750f)
#define C_FACTOR 2.0315f
#define EPS      1e-7

struct work {
    const struct cnn_kernels *kernels;
    size_t rows, columns;         /* of X: rows <= columns */
    struct cnn_conv wide, square; /* dense layers with the weights X, and A */
    float *x, *next, *a, *b;      /* X, the next X, A, and bA + cA^2 */
    float *scratch;
};

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Sizes of the pieces of scratch; places them when memory is given. SIZE_MAX where they
 * overflow. */
static size_t lay_out(struct work *work, const struct cnn_kernels *kernels, size_t rows,
                      size_t columns, float *memory)
{
    size_t less = rows < columns ? rows : columns, more = rows < columns ? columns : rows, wide,
           square, total, part;
    *work = (struct work){.kernels = kernels,
                          .rows = less,
                          .columns = more,
                          .wide = cnn_conv_dense(more, less, false),
                          .square = cnn_conv_dense(less, less, false)};
    if (!cnn_size_mul(less, more, &wide) || !cnn_size_mul(less, less, &square) ||
        wide > SIZE_MAX / 64 || square > SIZE_MAX / 64)
        return SIZE_MAX;
    size_t scratch = larger(kernels->dense_scratch_floats(&work->wide, less),
                            kernels->dense_scratch_floats(&work->square, less));
    wide = cnn_round_floats(wide);
    square = cnn_round_floats(square);
    if (!cnn_size_add(2 * wide, 2 * square, &part) || !cnn_size_add(part, scratch, &total) ||
        total > SIZE_MAX / 64)
        return SIZE_MAX;
    if (memory) {
        work->x = memory;
        work->next = work->x + wide;
        work->a = work->next + wide;
        work->b = work->a + square;
        work->scratch = work->b + square;
    }
    return total;
}

static void iterate(struct work *w)
{
    const struct cnn_kernels *k = w->kernels;
    const struct cnn_epilogue none = {0};
    size_t square = w->rows * w->rows, wide = w->rows * w->columns;
    k->conv_forward(&w->wide, &(struct cnn_conv_forward){.n = w->rows, /* A = X X^T */
                                                         .x = w->x,
                                                         .w = w->x,
                                                         .epilogue = &none,
                                                         .y = w->a,
                                                         .scratch = w->scratch});
    /* A^2, for A is symmetric */
    k->conv_forward(&w->square, &(struct cnn_conv_forward){.n = w->rows,
                                                           .x = w->a,
                                                           .w = w->a,
                                                           .epilogue = &none,
                                                           .y = w->b,
                                                           .scratch = w->scratch});
    k->combine(square, B_FACTOR, w->a, C_FACTOR, w->b);
    /* (bA + cA^2) X */
    k->conv_backward_data(
        &w->wide, &(struct cnn_conv_backward_data){
                      .n = w->rows, .dy = w->b, .w = w->x, .dx = w->next, .scratch = w->scratch});
    k->combine(wide, 1, w->next, A_FACTOR, w->x);
}

static size_t columns_of(const struct cnn_tensor *tensor)
{
    return tensor->count / tensor->dims[0];
}

static size_t scratch_floats(const struct cnn_kernels *kernels, const struct cnn_tensor *tensor)
{
    struct work work;
    return lay_out(&work, kernels, tensor->dims[0], columns_of(tensor), NULL);
}

/* m = momentum * m + grad, of which (nesterov: of grad + momentum * m) the iteration makes what is
 * near to the closest orthogonal matrix. Returns it, in scratch. */
static float *make_orthogonal(const struct cnn_update *u)
{
    const struct settings *s = u->settings;
    const struct cnn_kernels *k = u->kernels;
    size_t rows = u->tensor->dims[0], columns = columns_of(u->tensor), count = u->tensor->count;
    float momentum = (float)s->momentum, *m = u->state[0];
    bool turned = rows > columns;
    struct work work;
    lay_out(&work, k, rows, columns, u->scratch);
    float *made = turned ? work.next : work.x;
    k->combine(count, 1, u->grad, momentum, m);
    k->copy(1, count, m, count, made, count);
    if (s->nesterov)
        k->combine(count, 1, u->grad, momentum, made);
    if (turned)
        k->transpose(1, rows, columns, made, work.x);
    float factor = (float)(1 / (sqrt(k->squares(count, work.x, NULL)) + EPS));
    k->combine(count, 0, NULL, factor, work.x);
    for (size_t i = 0; i < s->iterations; i++)
        iterate(&work);
    if (!turned)
        return work.x;
    k->transpose(1, columns, rows, work.x, work.next);
    return work.next;
}

/* w -= lr * O, where O is that matrix, after weight decay. normalize: weights are first scaled to
 * the norm sqrt(rows), and O is taken as it is; else O is scaled by sqrt(max(1, rows / columns)).
 */
static void update(const struct cnn_update *u)
{
    size_t rows = u->tensor->dims[0], columns = columns_of(u->tensor), count = u->tensor->count;
    float lr = (float)u->lr, shrink = (float)(1 - u->lr * u->weight_decay), *w = u->w;
    const float *made = make_orthogonal(u);
    if (((const struct settings *)u->settings)->normalize) {
        double length = sqrt(u->kernels->squares(count, w, NULL));
        shrink *= length > 0 ? (float)(sqrt((double)rows) / length) : 1;
    } else if (rows > columns) {
        lr *= sqrtf((float)rows / (float)columns);
    }
    u->kernels->combine(count, -lr, made, shrink, w);
}

static double explain(const struct cnn_update *u, size_t i, struct cnn_text *out)
{
    (void)i;
    cnn_text_printf(out,
                    ", lr %s\n  the gradients of all %zu x %zu weights of the layer are made an "
                    "orthogonal matrix first (Newton-Schulz), so the step of one follows from "
                    "all\n",
                    cnn_explain_number(u->lr).text, u->tensor->dims[0], columns_of(u->tensor));
    return NAN;
}

const struct cnn_optimizer_type cnn_optimizer_muon = {
    .variant = {.name = "muon",
                .help = "moves weight matrices by their orthogonalised momentum; another optimizer "
                        "trains all other tensors",
                .keys = keys,
                .settings_size = sizeof(struct settings)},
    .slabs = {"momentum"},
    .takes = takes,
    .scratch = scratch_floats,
    .whole = true,
    .update = update,
    .explain = explain,
    .long_steps = true,
};
