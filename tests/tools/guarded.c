/* Random networks, for a look at the memory that kernels touch:
 *
 *   guarded FIRST COUNT
 *   guarded beyond
 *
 * makes the networks FIRST, FIRST + 1, ... (the same ones on every machine), and runs each of their
 * layers - alone, and fused as plans for inference and for training fuse them - forward and
 * backward with every array in a block of its own, just as large as the layer asked for. Then each
 * network is run as a whole, and trained for a step. With tests/preload/guard.c an access outside a
 * block is a fault; the description of the network is then printed. Prints how many were run. With
 * GUARDED_SHOW in the environment every description is. `beyond` reads a number behind a block, to
 * see whether that is caught. */
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../geometry.h"
#include "graph/bytes.h"
#include "graph/fuse.h"
#include "graph/halves.h"
#include "train/step.h"
#include "util/parallel.h"

#define PICK(state, ...)                                                                           \
    ((const char *const[]){                                                                        \
        __VA_ARGS__})[pick(state, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))]

/* What runs, for the fault's message. */
static char text[4096];
static const char *layer = "none";

static void report(int signal)
{
    static const char separator[] = ": the layer at fault in\n";
    ssize_t ignored = write(2, layer, strlen(layer));
    ignored += write(2, separator, sizeof separator - 1);
    ignored += write(2, text, strlen(text));
    (void)ignored;
    _exit(128 + signal);
}

/* ---- Descriptions ---- */

static void add(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void add(const char *format, ...)
{
    size_t length = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + length, sizeof text - length, format, arguments);
    va_end(arguments);
}

static unsigned some_channels(unsigned *state)
{
    switch (pick(state, 4)) {
    case 0:
        return 1 + pick(state, 5);
    case 1:
        return 8 * (1 + pick(state, 8));
    case 2:
        return 64 + pick(state, 70);
    default:
        return 1 + pick(state, 40);
    }
}

/* Window settings that conv, depthwise_conv and pool have alike. */
static void add_window(unsigned *state)
{
    if (pick(state, 3) > 0)
        add(", kernel_size: %u", 1 + pick(state, 5));
    else
        add(", kernel_size: [%u, %u]", 1 + pick(state, 7), 1 + pick(state, 5));
    if (pick(state, 2) == 0)
        add(", stride: [%u, %u]", 1 + pick(state, 4), 1 + pick(state, 3));
}

static void add_convolution(unsigned *state)
{
    add_window(state);
    if (pick(state, 3) == 0)
        add(", padding: same");
    else
        add(", padding: %u", pick(state, 3));
    if (pick(state, 4) == 0)
        add(", dilation: %u", 1 + pick(state, 3));
    if (pick(state, 5) == 0)
        add(", padding_mode: %s", PICK(state, "reflect", "replicate"));
    if (pick(state, 3) == 0)
        add(", bias: false");
    if (pick(state, 3) == 0)
        add(", activation: %s", PICK(state, "relu", "relu6", "gelu", "elu", "softmax", "sigmoid",
                                     "mish", "hard_sigmoid"));
}

/* One layer; returns the channels behind it. */
static unsigned add_layer(unsigned *state, unsigned channels)
{
    static const unsigned groups[] = {1, 1, 1, 2, 3, 4, 8, 16};
    unsigned count = groups[pick(state, 8)], filters = some_channels(state);
    switch (pick(state, 11)) {
    case 0:
    case 1:
    case 2:
        count = channels % count == 0 ? count : 1;
        if (pick(state, 2) == 0)
            filters = 4u << pick(state, 3); /* a vector's, of which each group has a part */
        filters = (filters + count - 1) / count * count;
        add("  - {type: conv, filters: %u, groups: %u", filters, count);
        add_convolution(state);
        break;
    case 3:
    case 4:
        filters = channels * (1 + (pick(state, 3) == 0 ? pick(state, 3) : 0));
        add("  - {type: depthwise_conv, multiplier: %u", filters / channels);
        add_convolution(state);
        break;
    case 5:
        filters = channels;
        add("  - {type: pool, pool_type: %s", PICK(state, "max", "avg"));
        add_window(state);
        add(", padding: %u, ceil_mode: %s, count_include_pad: %s", pick(state, 2),
            PICK(state, "true", "false"), PICK(state, "true", "false"));
        break;
    case 6:
        filters = channels;
        add("  - {type: batch_norm, activation: %s", PICK(state, "none", "relu", "silu", "tanh"));
        break;
    case 7:
        filters = channels;
        add("  - {type: %s",
            PICK(state, "relu", "hardswish", "lrn", "dropout", "leaky_relu", "mish",
                 "clip, min: -0.5, max: 0.25", "prelu", "scale, bias: true, activation: silu",
                 "scale", "layer_norm", "group_norm, groups: 1", "drop_path, rate: 0.5",
                 "pad, padding: [1, 0, 2, 1]", "upsample, scale: [1, 2]",
                 "upsample, scale: 2, mode: bilinear, align_corners: true", "shuffle, groups: 1"));
        break;
    case 9:
        count = channels % count == 0 ? count : 1;
        filters = (filters + count - 1) / count * count;
        add("  - {type: conv_transpose, filters: %u, groups: %u", filters, count);
        add_window(state);
        add(", padding: %u, activation: %s", pick(state, 2), PICK(state, "none", "relu", "gelu"));
        break;
    case 8: /* other channels */
        if (channels % 4 == 0 && pick(state, 2) == 0) {
            filters = channels / 4;
            add("  - {type: depth_to_space, block: 2");
        } else {
            filters = channels - channels / 3;
            add("  - {type: slice, start: %u", channels / 3);
        }
        break;
    default: /* what follows a convolution and may be fused with it */
        filters = channels;
        if (pick(state, 2) == 0)
            add("  - {type: batch_norm}\n");
        add("  - {type: relu}\n  - {type: pool, pool_type: %s, kernel_size: 2",
            PICK(state, "max", "avg"));
        break;
    }
    add("}\n");
    return filters;
}

static void describe(unsigned *state)
{
    unsigned channels = some_channels(state), layers = 1 + pick(state, 5),
             most = pick(state, 4) == 0 ? 40 : 14;
    text[0] = '\0';
    add("input: [%u, %u, %u]\nprecision: %s\nlayers:\n", channels, 1 + pick(state, most),
        1 + pick(state, most), PICK(state, "fp32", "fp32", "bf16", "int8"));
    for (unsigned i = 0; i < layers; i++)
        channels = add_layer(state, channels);
    if (pick(state, 3) == 0)
        add("  - {type: tanh, name: a}\n  - {type: depthwise_conv, kernel_size: 3, padding: 1, "
            "name: b}\n  - {type: %s, from: [a, b, a]}\n",
            PICK(state, "add", "concat"));
    if (pick(state, 3) == 0)
        add("  - {type: sigmoid, name: c}\n  - {type: global_pool, pool_type: avg, name: d}\n  - "
            "{type: mul, from: [c, d], activation: %s}\n",
            PICK(state, "none", "relu", "gelu"));
    if (pick(state, 3) == 0)
        add("  - {type: tanh, name: e}\n  - {type: batch_norm, name: f}\n  - {type: mul, from: [f, "
            "e]}\n");
    if (pick(state, 2) == 0)
        add("  - {type: global_pool, pool_type: %s}\n", PICK(state, "max", "avg"));
    add("  - {type: flatten}\n  - {type: dense, units: %u}\n", 1 + pick(state, 40));
    add("train: {optimizer: {type: %s}}\n", PICK(state, "sgd", "adam", "rmsprop", "lion", "muon"));
}

/* ---- Layers on their own ---- */

#define MOST_BLOCKS 128

static struct {
    void *blocks[MOST_BLOCKS];
    size_t count;
    uint64_t random;
} memory;

/* Random numbers in [-1, 1), or a copy. Sizes are rounded up as plans do. */
static float *block(size_t floats, const float *from)
{
    void *out = NULL;
    size_t rounded = cnn_round_floats(floats);
    if (floats == 0)
        return NULL;
    if (memory.count == MOST_BLOCKS || posix_memalign(&out, 64, rounded * sizeof(float)) != 0)
        abort();
    memory.blocks[memory.count++] = out;
    for (size_t i = 0; i < rounded; i++) {
        memory.random = memory.random * 6364136223846793005u + 1442695040888963407u;
        ((float *)out)[i] = (float)(int32_t)(memory.random >> 32) / 2147483648.0f;
    }
    if (from)
        memcpy(out, from, floats * sizeof(float));
    return out;
}

static void blocks_free(void)
{
    while (memory.count > 0)
        free(memory.blocks[--memory.count]);
}

static void run_alone(const struct cnn_graph *graph, size_t i, const float *parameters, size_t n,
                      bool backward)
{
    const struct cnn_node *node = &graph->nodes[i];
    const struct cnn_kernels *kernels = node->y_halves ? cnn_kernels()->halves : cnn_kernels();
    const size_t floats = cnn_graph_value_floats(graph, i + 1) * n;
    const float *x[8] = {NULL}, *x_range[8] = {NULL};
    float *dx[8] = {NULL}, *value[CNN_MAX_TENSORS] = {NULL}, *grad[CNN_MAX_TENSORS] = {NULL};
    struct cnn_call call = {.node = node,
                            .kernels = kernels,
                            .n = n,
                            .training = backward && !cnn_node_frozen(node),
                            .x = x,
                            .dx = dx,
                            .value = value,
                            .grad = grad};
    layer = node->name;
    for (size_t k = 0; k < node->input_count; k++) {
        const size_t in = cnn_graph_value_floats(graph, node->inputs[k]) * n;
        x[k] = block(in, NULL);
        x_range[k] = node->x_range ? block(2, parameters + node->x_range[k]) : NULL;
        if (backward && (node->inputs[k] > 0 || !node->y_halves)) /* as plans that train */
            dx[k] = block(in, NULL);
    }
    call.x_range = x_range;
    call.y_range = node->y_bytes ? block(2, parameters + node->y_range) : NULL;
    call.y = block(floats, NULL);
    for (size_t slot = 0; cnn_slot_find(node, &slot); slot++) {
        const struct cnn_tensor *t = &node->tensors[slot];
        if (cnn_role_stored(t->role))
            value[slot] = block(t->count, parameters + t->offset);
        else if (t->role == CNN_ROLE_SAVED && backward)
            value[slot] = block(n * cnn_node_saved_floats(node, slot) + t->count, NULL);
        else if (t->role == CNN_ROLE_PACKED)
            value[slot] = block(node->execution->packed(node, kernels, false), NULL);
        else if (t->role == CNN_ROLE_PACKED_BACK && backward)
            value[slot] = block(node->execution->packed(node, kernels, true), NULL);
        if (cnn_role_trained(t->role) && backward)
            grad[slot] = block(t->count, NULL);
    }
    call.scratch =
        node->execution->scratch ? block(node->execution->scratch(node, kernels, n), NULL) : NULL;
    if (node->execution->prepare)
        node->execution->prepare(&call);
    node->execution->forward(&call);
    if (backward) {
        call.dy = block(floats, NULL);
        call.backward = true;
        if (node->execution->prepare)
            node->execution->prepare(&call);
        node->execution->backward(&call);
    }
    blocks_free();
}

static void run_layers(const cnn_model *model, enum cnn_fusion fusion, size_t n)
{
    struct cnn_arena *arena = cnn_arena_new();
    struct cnn_fused fused;
    if (cnn_graph_fuse(arena, &model->graph, fusion, &fused, NULL) == CNN_OK) {
        if (fusion == CNN_FUSE_INFERENCE)
            cnn_graph_use_bytes(arena, &fused.graph, NULL);
        if (fusion != CNN_FUSE_NOTHING)
            cnn_graph_use_halves(arena, &fused.graph, cnn_kernels(), NULL);
        for (size_t i = 0; i < fused.graph.count; i++) {
            run_alone(&fused.graph, i, model->parameters, n, fusion == CNN_FUSE_TRAINING);
            if (fusion == CNN_FUSE_NOTHING)
                run_alone(&fused.graph, i, model->parameters, n, true);
        }
    }
    cnn_arena_free(arena);
}

/* ---- Networks ---- */

static void run_whole(cnn_model *model, size_t n)
{
    struct cnn_step step;
    struct cnn_plan *plan;
    const size_t labels[64] = {0};
    layer = "inference";
    if (cnn_plan_new(&model->graph, model->parameters,
                     &(struct cnn_plan_options){.batch = n, .mode = CNN_PLAN_INFER}, &plan,
                     NULL) == CNN_OK) {
        cnn_plan_forward(plan, n, false, 0);
        cnn_plan_free(plan);
    }
    layer = "training";
    if (cnn_step_open(model, model->parameters, n, &step, NULL) == CNN_OK) {
        for (size_t i = 0; i < 2; i++)
            cnn_step_run(&step, i == 0 ? n : 1, &(struct cnn_targets){.labels = labels}, 0.01);
        cnn_step_close(&step);
    }
}

/* Multiply-adds of a forward, above which a network is passed over: it would take too long. */
#define MOST_MACS 3000000u

static bool is_quick(const cnn_model *model, size_t n)
{
    uint64_t macs = 0;
    for (size_t i = 0; i < model->graph.count; i++)
        macs += n * model->graph.nodes[i].macs;
    return macs <= MOST_MACS;
}

/* Whether there is such a network. */
static bool run(unsigned seed)
{
    unsigned state = seed * 2654435761u + 1;
    size_t n = 1 + pick(&state, pick(&state, 8) == 0 ? 20 : 4);
    cnn_model *model = NULL;
    memory.random = seed;
    describe(&state);
    cnn_diag *diag = cnn_diag_new();
    cnn_status status = cnn_model_from_text("random.yaml", text, strlen(text), NULL, &model, diag);
    if (getenv("GUARDED_SHOW"))
        printf("# %u: %s\n%s", seed, status == CNN_OK ? "good" : cnn_diag_get(diag, 0)->text, text);
    cnn_diag_free(diag);
    if (status != CNN_OK)
        return false;
    if (!is_quick(model, n)) {
        cnn_model_free(model);
        return false;
    }
    cnn_parallel_set_threads(1 + (int)pick(&state, 3));
    if (cnn_model_allocate(model, NULL) != CNN_OK)
        return false;
    cnn_graph_init(&model->graph, seed, model->parameters);
    run_layers(model, CNN_FUSE_NOTHING, n);
    run_layers(model, CNN_FUSE_INFERENCE, n);
    run_layers(model, CNN_FUSE_TRAINING, n);
    run_whole(model, n);
    cnn_model_free(model);
    return true;
}

int main(int argc, char **argv)
{
    unsigned count = 0, wanted;
    if (!cnn_kernels()) {
        fprintf(stderr, "%s\n", cnn_kernels_error());
        return 1;
    }
    signal(SIGSEGV, report);
    signal(SIGBUS, report);
    if (argc == 2 && strcmp(argv[1], "beyond") == 0) {
        volatile float *numbers = block(16, NULL);
        printf("%g\n", (double)numbers[16]);
        return 0;
    }
    if (argc != 3 || (wanted = (unsigned)atoi(argv[2])) == 0) {
        fprintf(stderr, "usage: guarded FIRST COUNT\n");
        return 2;
    }
    for (unsigned seed = (unsigned)atoi(argv[1]); count < wanted; seed++)
        count += run(seed);
    printf("%u networks\n", count);
    return 0;
}
