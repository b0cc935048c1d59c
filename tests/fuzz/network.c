/* Generated networks: bytes are read as a small network, which infers and takes a training step
 * with the kernels that the first byte chooses. What is computed must be what the reference kernels
 * compute, layer by layer, to rounding. Whoever links this wraps cnn_kernels and
 * cnn_winograd_wanted (ld --wrap). */
#include <math.h>

#include "fuzz.h"
#include "kernels/kernels.h"
#include "model/model.h"
#include "train/step.h"

#define MOST_LAYERS 12
#define MOST_BATCH  5
#define MOST_MACS   200000
#define MOST_BYTES  ((size_t)1 << 25)

const struct cnn_kernels *__wrap_cnn_kernels(void);
bool __wrap_cnn_winograd_wanted(void);

static const struct cnn_kernels *kernels;
static bool winograd;

const struct cnn_kernels *__wrap_cnn_kernels(void)
{
    return kernels;
}

bool __wrap_cnn_winograd_wanted(void)
{
    return winograd;
}

struct writer {
    struct fuzz_input input;
    struct cnn_text text;
    size_t channels[MOST_LAYERS + 1]; /* by layer from 1; 0: of the input */
    size_t count;
};

static size_t pick(struct writer *w, size_t from, size_t to)
{
    return from + fuzz_byte(&w->input) % (to - from + 1);
}

#define WORD(w, words) ((words)[pick(w, 0, sizeof(words) / sizeof *(words)-1)])

static const char *const activations[] = {
    "none", "relu", "relu6", "leaky_relu", "elu",  "sigmoid",     "softmax",
    "tanh", "gelu", "silu",  "hardswish",  "mish", "hard_sigmoid"};
/* and layers that are nothing else */
static const char *const activation_layers[] = {"relu",
                                                "relu6",
                                                "leaky_relu",
                                                "elu",
                                                "sigmoid",
                                                "tanh",
                                                "softmax",
                                                "gelu",
                                                "silu",
                                                "mish",
                                                "hardswish",
                                                "hard_sigmoid",
                                                "clip, min: -0.5, max: 1.5"};
static const char *const booleans[] = {"true", "false"};
static const char *const resampled[] = {"nearest", "bilinear", "bilinear, align_corners: true"};
static const char *const kinds[] = {"max", "avg"};

static void write_window(struct writer *w)
{
    cnn_text_printf(&w->text, ", kernel_size: [%zu, %zu]", pick(w, 1, 5), pick(w, 1, 5));
    if (pick(w, 0, 2) == 0)
        cnn_text_printf(&w->text, ", stride: [%zu, %zu]", pick(w, 1, 3), pick(w, 1, 3));
    switch (pick(w, 0, 4)) {
    case 0:
        break;
    case 1:
        cnn_text_printf(&w->text, ", padding: %zu", pick(w, 0, 2));
        break;
    case 2:
        cnn_text_printf(&w->text, ", padding: [%zu, %zu, %zu, %zu]", pick(w, 0, 3), pick(w, 0, 3),
                        pick(w, 0, 3), pick(w, 0, 3));
        break;
    default:
        cnn_text_printf(&w->text, ", padding: same");
    }
}

static void write_weights(struct writer *w)
{
    static const char *const modes[] = {"zeros", "reflect", "replicate"};

    if (pick(w, 0, 3) == 0)
        cnn_text_printf(&w->text, ", dilation: [%zu, %zu]", pick(w, 1, 3), pick(w, 1, 3));
    if (pick(w, 0, 3) == 0)
        cnn_text_printf(&w->text, ", padding_mode: %s", WORD(w, modes));
    cnn_text_printf(&w->text, ", bias: %s, activation: %s", WORD(w, booleans),
                    WORD(w, activations));
}

static void write_conv(struct writer *w, size_t channels)
{
    size_t groups = pick(w, 1, 8), filters = pick(w, 1, 40);

    while (channels % groups != 0)
        groups--;
    filters = (filters + groups - 1) / groups * groups;
    w->channels[w->count] = filters;
    cnn_text_printf(&w->text, "conv, filters: %zu, groups: %zu", filters, groups);
    write_window(w);
    write_weights(w);
}

static void write_transpose(struct writer *w, size_t channels)
{
    size_t groups = pick(w, 1, 4), filters = pick(w, 1, 24);

    while (channels % groups != 0)
        groups--;
    filters = (filters + groups - 1) / groups * groups;
    w->channels[w->count] = filters;
    cnn_text_printf(&w->text,
                    "conv_transpose, filters: %zu, groups: %zu, kernel_size: [%zu, %zu], stride: "
                    "[%zu, %zu], padding: %zu, dilation: %zu, bias: %s, activation: %s",
                    filters, groups, pick(w, 1, 4), pick(w, 1, 4), pick(w, 1, 3), pick(w, 1, 3),
                    pick(w, 0, 2), pick(w, 1, 2), WORD(w, booleans), WORD(w, activations));
}

static void write_depthwise(struct writer *w, size_t channels)
{
    size_t multiplier = pick(w, 1, 3);

    w->channels[w->count] = channels * multiplier;
    cnn_text_printf(&w->text, "depthwise_conv, multiplier: %zu", multiplier);
    write_window(w);
    write_weights(w);
}

static void write_pool(struct writer *w)
{
    const char *kind = WORD(w, kinds);

    cnn_text_printf(&w->text, "pool, pool_type: %s, ceil_mode: %s", kind, WORD(w, booleans));
    if (kind == kinds[1])
        cnn_text_printf(&w->text, ", count_include_pad: %s", WORD(w, booleans));
    write_window(w);
}

static void write_joint(struct writer *w, bool add)
{
    size_t a = pick(w, 1, w->count - 1), b = pick(w, 1, w->count - 1);

    cnn_text_printf(&w->text, "%s, from: [l%zu, l%zu]", add ? "add" : "concat", a, b);
    w->channels[w->count] = add ? w->channels[a] : w->channels[a] + w->channels[b];
}

static void write_dense(struct writer *w)
{
    size_t units = pick(w, 1, 40);

    w->channels[w->count] = units;
    cnn_text_printf(&w->text, "dense, units: %zu, bias: %s, activation: %s", units,
                    WORD(w, booleans), WORD(w, activations));
}

static const char *const normalising[] = {"layer_norm",
                                          "layer_norm, affine: false",
                                          "group_norm, groups: 1",
                                          "group_norm, groups: 2",
                                          "scale, bias: true, activation: relu",
                                          "scale, activation: silu",
                                          "prelu",
                                          "prelu, shared: true",
                                          "drop_path, rate: 0.3"};

/* A gate where the second has one pixel, or one that is refused. */
static void write_product(struct writer *w)
{
    size_t a = pick(w, 1, w->count - 1), b = pick(w, 1, w->count - 1);

    cnn_text_printf(&w->text, "mul, from: [l%zu, l%zu], activation: %s", a, b,
                    WORD(w, activations));
    w->channels[w->count] = w->channels[a];
}

/* Numbers that go elsewhere. */
static void write_moved(struct writer *w, size_t channels)
{
    static const char *const orders[] = {"channel", "place"}, *const modes[] = {"zeros", "reflect",
                                                                                "replicate"};
    size_t first = pick(w, 0, channels - 1), end = pick(w, first + 1, channels);

    switch (pick(w, 0, 5)) {
    case 0:
        cnn_text_printf(&w->text, "slice, start: %zu, end: %zu", first, end);
        w->channels[w->count] = end - first;
        break;
    case 1:
        cnn_text_printf(&w->text, "shuffle, groups: %zu", pick(w, 1, 4));
        break;
    case 2:
        cnn_text_printf(&w->text, "pad, padding: [%zu, %zu, %zu, %zu], padding_mode: %s",
                        pick(w, 0, 3), pick(w, 0, 3), pick(w, 0, 3), pick(w, 0, 3), WORD(w, modes));
        break;
    case 3:
        cnn_text_printf(&w->text, "upsample, size: [%zu, %zu], mode: %s", pick(w, 1, 9),
                        pick(w, 1, 9), WORD(w, resampled));
        break;
    case 4:
        cnn_text_printf(&w->text, "depth_to_space, block: 2, order: %s", WORD(w, orders));
        w->channels[w->count] = (channels + 3) / 4;
        break;
    default:
        cnn_text_printf(&w->text, "space_to_depth, block: 2, order: %s", WORD(w, orders));
        w->channels[w->count] = channels * 4;
    }
}

/* One line. A network that cannot be is refused later: its shapes are the program's to infer. */
static void write_layer(struct writer *w)
{
    size_t kind = pick(w, 0, 18), channels = w->channels[w->count];

    w->channels[++w->count] = channels;
    cnn_text_printf(&w->text, "  - {name: l%zu, type: ", w->count);
    if (kind < 4)
        write_conv(w, channels);
    else if (kind == 4)
        write_depthwise(w, channels);
    else if (kind == 5)
        write_pool(w);
    else if (kind == 6)
        cnn_text_printf(&w->text, "batch_norm, activation: %s", WORD(w, activations));
    else if (kind == 7)
        cnn_text_printf(&w->text, "%s", WORD(w, activation_layers));
    else if (kind == 8)
        cnn_text_printf(&w->text, "lrn, size: %zu, alpha: 0.1", pick(w, 1, 7));
    else if (kind == 9)
        cnn_text_printf(&w->text, "dropout, rate: 0.25");
    else if (kind == 10)
        cnn_text_printf(&w->text, "global_pool, pool_type: %s", WORD(w, kinds));
    else if (kind == 11 || (kind < 14 && w->count < 3))
        cnn_text_printf(&w->text, "batch_norm");
    else if (kind < 14)
        write_joint(w, kind == 12);
    else if (kind == 14 && w->count > 2)
        write_product(w);
    else if (kind == 18)
        write_transpose(w, channels);
    else if (kind == 15)
        write_moved(w, channels);
    else
        cnn_text_printf(&w->text, "%s", WORD(w, normalising));
    if (kind < 8 && w->count > 2 && pick(w, 0, 7) == 0)
        cnn_text_printf(&w->text, ", trainable: false");
    cnn_text_printf(&w->text, "}\n");
}

static void write_recipe(struct writer *w)
{
    static const char *const optimizers[] = {"sgd, momentum: 0.9",
                                             "adam",
                                             "adamw",
                                             "rmsprop, momentum: 0.5",
                                             "muon",
                                             "sgd",
                                             "lion",
                                             "muon, others: {type: sgd}"};
    static const char *const losses[] = {"cross_entropy", "mse",
                                         "cross_entropy, label_smoothing: 0.1"};

    cnn_text_printf(&w->text,
                    "loss: {type: %s}\ndata: {dataset: shapes}\ntrain: {epochs: 1, clip_norm: %zu, "
                    "optimizer: {type: %s}%s}\n",
                    WORD(w, losses), pick(w, 0, 1), WORD(w, optimizers),
                    pick(w, 0, 3) == 0 ? ", ema: {decay: 0.9}" : "");
}

/* The description that the bytes stand for. */
static void write_description(struct writer *w)
{
    static const char *const precisions[] = {"fp32", "fp32", "fp32", "bf16", "int8"};

    w->channels[0] = pick(w, 1, 40);
    cnn_text_printf(&w->text, "precision: %s\ninput: [%zu, %zu, %zu]\n", WORD(w, precisions),
                    w->channels[0], pick(w, 1, 14), pick(w, 1, 14));
    write_recipe(w);
    cnn_text_printf(&w->text, "layers:\n");
    for (size_t layers = pick(w, 1, MOST_LAYERS - 2); layers > 0 && w->input.size > 0; layers--)
        write_layer(w);
    cnn_text_printf(&w->text, "  - {type: flatten}\n  - {name: l0, type: ");
    w->count++;
    write_dense(w);
    cnn_text_printf(&w->text, "}\n");
}

static void fill(float *values, size_t count, uint32_t seed)
{
    for (size_t i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        values[i] = (float)(seed >> 8) / 16777216.0f * 4 - 2;
    }
}

/* Whether values are those that are right, as far as these are numbers. */
static void expect_near(const float *values, const float *right, size_t count, const char *what,
                        const char *text)
{
    double largest = 0;

    for (size_t i = 0; i < count; i++) {
        if (!isfinite(right[i]) || fabsf(right[i]) > 1e6f)
            return;
        largest = fmax(largest, fabs((double)right[i]));
    }
    for (size_t i = 0; i < count; i++)
        if (!(fabs((double)values[i] - (double)right[i]) <= 1e-4 + 1e-2 * largest)) {
            fprintf(stderr, "%s %zu of %zu is %g with %s%s, %g with ref\n%s", what, i, count,
                    (double)values[i], kernels->name, winograd ? " (winograd)" : "",
                    (double)right[i], text);
            abort();
        }
}

static float *infer(const cnn_model *model, size_t n, enum cnn_plan_mode mode)
{
    size_t outputs = n * cnn_shape_count(cnn_model_output(model));
    struct cnn_plan *plan = NULL;
    float *output = NULL;

    if (cnn_plan_new(&model->graph, model->parameters,
                     &(struct cnn_plan_options){.batch = n, .mode = mode}, &plan, NULL) != CNN_OK)
        return NULL;
    fill(cnn_plan_input(plan), n * cnn_shape_count(cnn_model_input(model)), 7);
    cnn_plan_forward(plan, n, false, 0);
    output = malloc(outputs * sizeof *output);
    memcpy(output, cnn_plan_value(plan, cnn_graph_output(&model->graph)), outputs * sizeof *output);
    cnn_plan_free(plan);
    return output;
}

/* The mean loss of a step from the same parameters, and what they become: in parameters. */
static bool train(const cnn_model *model, size_t n, float *parameters, float *loss)
{
    struct cnn_step step;
    size_t labels[MOST_BATCH], classes = cnn_model_outputs(model);

    memcpy(parameters, model->parameters, model->graph.parameter_floats * sizeof(float));
    if (cnn_step_open(model, parameters, n, &step, NULL) != CNN_OK)
        return false;
    for (size_t i = 0; i < n; i++)
        labels[i] = i % classes;
    fill(cnn_plan_input(step.plan), n * cnn_shape_count(cnn_model_input(model)), 9);
    struct cnn_loss_result result =
        cnn_step_run(&step, n, &(struct cnn_targets){.labels = labels}, 0.01);
    *loss = (float)(result.loss / result.weight);
    cnn_step_close(&step);
    return true;
}

static void run(const cnn_model *model, size_t n, const struct cnn_kernels *chosen, bool fast,
                const char *text)
{
    size_t floats = model->graph.parameter_floats;
    float *parameters = malloc((floats + 1) * sizeof *parameters), loss = 0, right = 0;
    bool exact = model->graph.nodes[0].precision == CNN_PRECISION_FP32;

    kernels = cnn_kernels_at(0);
    winograd = false;
    float *reference = infer(model, n, CNN_PLAN_KEEP);
    bool trains = train(model, n, parameters, &right);
    kernels = chosen;
    winograd = fast;
    float *output = infer(model, n, CNN_PLAN_INFER);
    if (exact && reference && output)
        expect_near(output, reference, n * cnn_model_outputs(model), "output", text);
    if (trains && train(model, n, parameters, &loss) && exact)
        expect_near(&loss, &right, 1, "loss", text);
    free(parameters);
    free(reference);
    free(output);
}

static bool is_small(const cnn_model *model, size_t n)
{
    const struct cnn_plan_options options = {.batch = n, .mode = CNN_PLAN_WATCH};
    size_t bytes = 0;
    uint64_t macs = 0;

    for (size_t i = 0; i < model->graph.count; i++)
        macs += model->graph.nodes[i].macs;
    return macs <= MOST_MACS && cnn_plan_measure(&model->graph, &options, &bytes, NULL) == CNN_OK &&
           bytes <= MOST_BYTES;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct writer w = {.input = {data, size}};
    cnn_model *model = NULL;
    size_t tables = 0;

    while (cnn_kernels_at(tables))
        tables++;
    kernels = cnn_kernels_at(0);
    cnn_set_threads(1);
    const struct cnn_kernels *chosen = cnn_kernels_at(pick(&w, 0, tables - 1));
    bool fast = pick(&w, 0, 1) == 1;
    size_t n = pick(&w, 1, MOST_BATCH);
    write_description(&w);
    if (w.text.failed ||
        cnn_model_from_text("fuzz.yaml", w.text.data, w.text.size, NULL, &model, NULL) != CNN_OK) {
        cnn_text_free(&w.text);
        return -1;
    }
    if (is_small(model, n) && cnn_model_allocate(model, NULL) == CNN_OK) {
        cnn_graph_init(&model->graph, model->recipe.seed, model->parameters);
        run(model, n, chosen, fast, w.text.data);
    }
    cnn_model_free(model);
    cnn_text_free(&w.text);
    return 0;
}
