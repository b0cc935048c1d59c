/* What a layer is: the descriptor that each file of layers/ fills in, the node that one use of it
 * in a network becomes, and the call with which it is executed. Allocation, checkpoints,
 * optimisers, counting, gradient checks and freeing loop over what `infer` declared. */
#ifndef CNN_GRAPH_LAYER_H
#define CNN_GRAPH_LAYER_H

#include "cnn.h"
#include "config/keys.h"
#include "graph/operation.h"
#include "kernels/kernels.h"
#include "util/random.h"

#define CNN_WHITENING_NUMBERS 512 /* in a patch at most: its covariance is decomposed */

#define CNN_MAX_TENSORS 12 /* slots a layer may declare */

enum cnn_role {
    CNN_ROLE_NONE,   /* slot not in use: its pointers are NULL */
    CNN_ROLE_WEIGHT, /* trained; stored in checkpoints */
    CNN_ROLE_BIAS,   /* likewise */
    /* stored, not trained: changed by forward in training, or found by quantization */
    CNN_ROLE_STATISTIC,
    CNN_ROLE_SAVED,      /* written by forward for backward; only in plans that train */
    CNN_ROLE_PACKED,     /* made of the weights by `prepare`, for forward */
    CNN_ROLE_PACKED_BACK /* for backward; only in plans that train */
};

struct cnn_node;

struct cnn_tensor {
    enum cnn_role role;
    const char *suffix;   /* weight, bias, ...: the stored name is <layer>.<suffix> */
    size_t rank, dims[4]; /* stored roles */
    size_t count;         /* floats; SAVED: those that do not grow with the batch */
    size_t per_image;     /* SAVED: numbers per image of the batch */
    bool as_output;       /* SAVED: they are stored as the output is; else as floats */
    size_t offset;        /* stored roles: in the parameter slab, set by the graph */
    bool frozen;          /* weights and biases: training leaves it as it is */
    bool matrix;          /* of all inputs for each output: rows [dims[0]] of numbers */
    bool passing;         /* in inference `prepare` alone reads it */
    /* stored roles: checkpoints hold bytes, which times the number in this slot for each of dims[0]
     * are the values; 0: float32 */
    size_t scale_slot;
    /* stored roles: first values, written over zeros; NULL: they stay zeros */
    void (*init)(const struct cnn_node *node, const struct cnn_tensor *tensor, struct cnn_rng *rng,
                 float *values);
    /* stored roles: what is wrong with values that a file gives; NULL: nothing. NULL: any will
     * do. */
    const char *(*check)(const struct cnn_tensor *tensor, const float *values);
};

/* Whether checkpoints hold tensors of this role, and whether training changes them (unless they are
 * frozen). */
static inline bool cnn_role_stored(enum cnn_role role)
{
    return role == CNN_ROLE_WEIGHT || role == CNN_ROLE_BIAS || role == CNN_ROLE_STATISTIC;
}

static inline bool cnn_role_trained(enum cnn_role role)
{
    return role == CNN_ROLE_WEIGHT || role == CNN_ROLE_BIAS;
}

static inline bool cnn_tensor_trained(const struct cnn_tensor *tensor)
{
    return cnn_role_trained(tensor->role) && !tensor->frozen;
}

/* Which of a layer's parameters training changes (description key `trainable`). */
enum cnn_trainable { CNN_TRAINABLE, CNN_TRAINABLE_NOT, CNN_TRAINABLE_BIAS };

/* Window of a layer over its input, for receptive fields; all 1 where a value sees just its own
 * position. pad_before: rows above and columns to the left that padding adds, which hold what
 * border says. */
struct cnn_window {
    size_t kernel[2], stride[2], dilation[2], pad_before[2];
    enum cnn_padding_mode border;
};

/* The numbers that products are made of (description key `precision`). */
enum cnn_precision {
    CNN_PRECISION_FP32,
    /* weights and inputs of conv and dense rounded to bfloat16 where that is faster; sums, and all
       that is stored, stay float32 */
    CNN_PRECISION_BF16,
    /* a quantized network: 8-bit integers in inference; elsewhere float32 with the rounded weights
     */
    CNN_PRECISION_INT8
};

/* What a layer does to each value, told to the layer before it, which may do it on the way
 * (`fuse` of cnn_layer_type). */
enum cnn_effect_kind {
    CNN_EFFECT_OTHER,
    CNN_EFFECT_NONE, /* in inference: dropout */
    /* batch_norm: tensors are weight, bias, mean, variance in slots 0 to 3; then the activation */
    CNN_EFFECT_NORMALIZE,
    CNN_EFFECT_ACTIVATE,
    CNN_EFFECT_ADD, /* of two values: the sum, then the activation */
    CNN_EFFECT_POOL
};

struct cnn_effect {
    enum cnn_effect_kind kind;
    struct cnn_activation activation;
    float eps;
    struct cnn_pool pool;
};

/* What a plan wants fused (graph/fuse.h). CHAINS: as in inference, but only layers that read one
 * value. */
enum cnn_fusion { CNN_FUSE_NOTHING, CNN_FUSE_CHAINS, CNN_FUSE_INFERENCE, CNN_FUSE_TRAINING };

/* One layer of one network. The graph fills in the first block, the layer's infer the rest. */
struct cnn_node {
    const struct cnn_layer_type *type;
    const char *name;
    struct cnn_where where; /* of the layer in the YAML */
    const void *settings;
    size_t input_count;
    const size_t *inputs; /* values read: 0 is the network's input, i + 1 the output of node i */
    const cnn_shape *in;  /* their shapes */
    enum cnn_precision precision;
    bool direct;       /* no convolution by Winograd's algorithm */
    bool forward_only; /* set by a plan for inference (graph/fuse.h) */
    enum cnn_trainable trainable;

    cnn_shape out;
    void *state; /* the layer's own, e.g. its geometry; from the graph's arena */
    struct cnn_tensor tensors[CNN_MAX_TENSORS];
    uint64_t macs;
    struct cnn_window window;
    bool reads_x, reads_y; /* backward reads the input values, the output values */
    bool gives_again;      /* in backward y can be had again (`again` of cnn_execution) */
    bool y_over_x;         /* forward may write y over x[0] */
    bool dx_over_dy;       /* backward may write one dx over dy */
    bool renames;  /* where y lies over x[0], and nothing is drawn, there is nothing to do */
    size_t unread; /* numbers of an image's input that forward does not read */
    /* of a layer with windows: how its output's height and width come about; else NULL */
    const char *sizes[2];

    struct cnn_effect effect;

    /* Set by the graph: the type's, and NULL for layers that are not quantized. */
    const struct cnn_execution *execution;
    const struct cnn_quantization *quantization;
    /* Of a layer that is quantized: the slot of the ranges of its inputs, [lowest, highest] each;
     * 0: it has none. */
    size_t input_range;
    /* Set by graph/bytes.h, in plans: whether the inputs and the output are bytes that stand for
     * numbers, and where in the parameter slab the ranges of their codes are. */
    bool x_bytes, y_bytes;
    const size_t *x_range; /* of each input; NULL: the layer computes with floats */
    size_t y_range;

    /* Set by graph/halves.h, in plans whose values are not read as floats: whether the inputs and
     * their gradients, and the output and its gradient, are stored as bfloat16. */
    bool x_halves, y_halves;

    bool whitens;   /* its first weights are to be found in the training images (train/whiten.h) */
    bool literal;   /* the description gives the values of its parameters */
    bool needs_two; /* it cannot train on a batch of one image, unless it is frozen */
    bool sees_all;  /* every output value depends on the whole input */
    bool random;    /* in training it draws from the step's seed */
    /* what its outputs have gone through last; none: CNN_ACT_NONE */
    struct cnn_activation activation;

    /* Set by the graph: what one output value sees of the network's input, and how the output's
     * values lie on it: positions and the distance in pixels between neighbours (a flat value keeps
     * those of the map it came from). */
    size_t receptive_field[2], positions[2], jump[2];
    const char *warning; /* e.g. pixels never seen; NULL */
    /* row and column of the input, from 0, over which value (0, 0) lies: the middle of what it
     * sees, padding included */
    double centre[2];
};

/* Floats of the parameter slab, [begin, end). */
struct cnn_stretch {
    size_t begin, end;
};

/* Takes the gradients of the floats `what`, which are gone when it returns. */
struct cnn_taker {
    void (*take)(void *context, struct cnn_stretch what, const float *gradients);
    void *context;
};

/* One execution. Arrays are NHWC, of n images. */
struct cnn_call {
    const struct cnn_node *node;
    const struct cnn_kernels *kernels;
    size_t n;
    bool training; /* batch statistics, dropout */
    bool backward; /* prepare: for backward, not for forward */
    /* prepare: value has just so many rows (of dims[0]) of a passing tensor, from row `first` on;
     * rows 0: all of them */
    size_t first, rows;
    uint64_t seed;         /* of this layer in this step: dropout */
    const float *const *x; /* input_count inputs */
    float *y;
    float *dy; /* backward; the layer may overwrite it, it is dead afterwards */
    /* backward: overwritten, never added to; an entry is NULL where that gradient is not wanted */
    float *const *dx;
    float *const *value; /* by slot; SAVED slots are NULL in plans that only infer */
    float *const *grad;  /* by slot; backward overwrites those of weights and biases */
    /* NULL; or backward gives the gradients of the weights to it, a piece at a time
     * (cnn_execution.piece), for which it has memory in `grad`. It may change the weights. */
    const struct cnn_taker *taker;
    float *scratch;
    /* of a layer that computes with bytes: the ranges of its inputs, and of its output, where that
     * is bytes */
    const float *const *x_range;
    const float *y_range;
    /* In plans that train: which parts of the batch the n images are, and with ranks memory for
     * 2 * channels numbers of each part of the batch. */
    const struct cnn_parts *parts;
    const struct cnn_ranks *ranks;
    double *room;
};

/* The first of the images, of the whole batch. */
static inline size_t cnn_call_first(const struct cnn_call *call)
{
    return call->parts ? cnn_parts_image(call->parts, call->parts->first) : 0;
}

/* The output's pixels, as rows of their channels. */
static inline struct cnn_rows cnn_call_rows(const struct cnn_call *call)
{
    const cnn_shape out = call->node->out;
    return (struct cnn_rows){.count = call->n * out.h * out.w, .channels = out.c};
}

/* What is to be explained: one number of a layer's output. */
struct cnn_question {
    size_t channel, row, column;
    /* the input channel whose products are to be shown; CNN_NO_INDEX: the layer chooses */
    size_t input;
    const struct cnn_node *nodes; /* all of the graph, for the names of what is read */
};

/* What a number of a layer's output may depend on: a number of one of its inputs, or a parameter.
 */
struct cnn_operand {
    bool parameter;
    size_t input, channel, row, column; /* of a flat input: row and column 0 */
    size_t slot, index;                 /* of a parameter: its tensor, and its place in that */
    /* what a layer computes once for all numbers that depend on the operand; zeros before */
    bool known;
    double kept[2];
};

/* Who adds up the gradients of a layer's weights over the parts of a batch (util/parts.h). */
enum cnn_sums {
    /* the plan: backward is called for each part, and adds up its images in an order that their
     * number alone fixes */
    CNN_SUMS_BY_PLAN,
    CNN_SUMS_BY_LAYER, /* backward is called for a complete subtree of parts, and adds them up */
    /* backward is called for all images that this process has, and adds up those of all
     * processes */
    CNN_SUMS_SHARED
};

/* How a node is executed. */
struct cnn_execution {
    /* Floats of the PACKED slot, or of PACKED_BACK; NULL for layers without them. */
    size_t (*packed)(const struct cnn_node *node, const struct cnn_kernels *kernels, bool backward);

    /* Floats of scratch for n images; NULL: none. */
    size_t (*scratch)(const struct cnn_node *node, const struct cnn_kernels *kernels, size_t n);

    /* The same of a step of training, which does without the packed weights. NULL, or 0: it does
     * not. */
    size_t (*unpacked)(const struct cnn_node *node, const struct cnn_kernels *kernels, size_t n);

    /* Packs weights into the PACKED slot, or into PACKED_BACK; called before forward, and before a
     * backward that gives dx, whenever the parameters have changed. NULL: nothing to do. */
    void (*prepare)(const struct cnn_call *call);

    /* How many rows of its passing tensor `prepare` may be called with at a time, or a multiple of
     * that; NULL, or 0: with all. */
    size_t (*apart)(const struct cnn_node *node);

    void (*forward)(const struct cnn_call *call);
    void (*backward)(const struct cnn_call *call); /* NULL in one that only infers */

    /* Gives y again, bit by bit, before the backward of the layers that read it: from x and from
     * what forward saved. Of nodes that say so (gives_again). */
    void (*again)(const struct cnn_call *call);

    enum cnn_sums sums;

    /* Whether forward, backward and `again` can have values as x_halves and y_halves of the node
     * say. With y_halves the call's kernels are the table for such values (cnn_kernels.halves).
     * NULL: they cannot. */
    bool (*halves)(const struct cnn_node *node, const struct cnn_kernels *kernels);
    bool first_alone; /* of the inputs the first one alone can; the others are floats */

    /* What a pass multiplies for each image, passes being named as those of a conv: forward, and
     * both of backward. NULL: nothing. */
    struct cnn_work (*work)(const struct cnn_node *node, const struct cnn_kernels *kernels,
                            enum cnn_conv_pass pass);

    /* Floats of a piece of the weights whose gradients backward can give at a time; NULL, or 0: all
     * of them together. */
    size_t (*piece)(const struct cnn_node *node);
};

/* How layers of a type are stored in a quantized network, and computed with bytes in inference. */
struct cnn_quantization {
    /* Whether this one can be, whose infer is done. */
    bool (*fits)(const struct cnn_node *node);
    /* Whether every file of such a network has its tensors; NULL: some were written before layers
     * of this type computed with bytes, and this one computes with floats then. */
    bool (*always)(const struct cnn_node *node);
    /* Adds the tensors, and sets input_range. NULL: there are none. */
    void (*declare)(struct cnn_node *node);
    /* Whether the layer gives codes that it reads, so that inputs and output have one range. NULL:
     * it does not. */
    bool (*passes)(const struct cnn_node *node);
    /* Whether its output can be bytes, with all that is fused. NULL: it can. */
    bool (*writes_bytes)(const struct cnn_node *node);
    /* whether an input may be floats, which it rounds to codes by itself; the output */
    bool reads_floats, writes_floats;
    /* The codes of its weight, as the file's, with what batch_norm makes of them. NULL: it has
     * none. */
    void (*codes)(const struct cnn_call *call, signed char *codes);
    struct cnn_execution execution;
};

struct cnn_layer_type {
    struct cnn_variant variant;          /* name, help, keys, size of the settings */
    size_t min_inputs, max_inputs;       /* number of `from` names; max 0: any number */
    enum cnn_activation_kind activation; /* of the types that layers/activation.c describes */

    /* From settings and in: everything in the second block of the node. The node comes zeroed but
     * for window's kernel, stride and dilation: ones. */
    cnn_status (*infer)(struct cnn_node *node, struct cnn_arena *arena, cnn_diag *diag);

    /* Makes node, a copy with a state of its own, do the work of next as well, which alone reads
     * its output; false where it cannot, and nothing has changed then. The caller sets the output's
     * shape, and where next reads a second value, that as another input of node. NULL: never. */
    size_t state_size;
    bool (*fuse)(struct cnn_node *node, const struct cnn_node *next, enum cnn_fusion fusion);

    const struct cnn_execution *execution;
    const struct cnn_quantization *quantization; /* NULL: none, its numbers stay floats */

    /* Of every type: what it computes in inference (graph/operation.h). */
    struct cnn_operation (*operation)(const struct cnn_node *node);

    /* The arithmetic of `summary --explain`, lines with the numbers filled in. NULL: nothing to
     * say. */
    void (*describe)(const struct cnn_node *node, struct cnn_text *out);

    /* Of every type: the arithmetic behind one number of the last forward in evaluation mode, of
     * the first image. Writes it out in full, lines of text that end with the value they come to,
     * and returns that value (computed from the terms written, in double). */
    double (*explain)(const struct cnn_call *call, const struct cnn_question *question,
                      struct cnn_text *out);

    /* Of every type: the derivative of the question's number with respect to the operand, in
     * evaluation mode, in double. 0 where the number does not depend on it. Writes the factors that
     * it is the product of, "0.25 (weight) x 1 (slope of relu)", or nothing for 1; out NULL:
     * nowhere. */
    double (*slope)(const struct cnn_call *call, const struct cnn_question *question,
                    struct cnn_operand *operand, struct cnn_text *out);
};

/* of a layer of any type (builder.c, which reads them) */
extern const struct cnn_key cnn_layer_keys[];

static inline size_t cnn_shape_count(cnn_shape s)
{
    return s.c * s.h * s.w;
}

/* Numbers of weights and biases, and those of them that training changes. 0 for a layer without
 * any. */
size_t cnn_node_parameters(const struct cnn_node *node);
size_t cnn_node_trained(const struct cnn_node *node);

/* From the first of its weights and biases to the last; empty where it has none. */
struct cnn_stretch cnn_node_stretch(const struct cnn_node *node);

/* Whether the layer has parameters, and training changes none: it then computes in training as it
 * does in inference (batch_norm by its running statistics). */
static inline bool cnn_node_frozen(const struct cnn_node *node)
{
    return node->trainable == CNN_TRAINABLE_NOT && cnn_node_parameters(node) > 0;
}

/* "3 x 32 x 32" or "10": for messages. Returned in buffer. */
const char *cnn_shape_format(cnn_shape shape, char *buffer, size_t size);

/* The loop over a node's tensors: for (size_t slot = 0; cnn_slot_find(node, &slot); slot++). Moves
 * slot on to the next one in use; false: there is none. */
static inline bool cnn_slot_find(const struct cnn_node *node, size_t *slot)
{
    while (*slot < CNN_MAX_TENSORS && node->tensors[*slot].role == CNN_ROLE_NONE)
        ++*slot;
    return *slot < CNN_MAX_TENSORS;
}

/* Declares a stored tensor, or a SAVED, PACKED or PACKED_BACK one, in slot. The stored one is
 * returned: it may be given first values and a check. */
struct cnn_tensor *cnn_node_declare(struct cnn_node *node, size_t slot, enum cnn_role role,
                                    const char *suffix, size_t rank, const size_t *dims);
/* init of a tensor whose first values are all 1 */
void cnn_tensor_ones(const struct cnn_node *node, const struct cnn_tensor *tensor,
                     struct cnn_rng *rng, float *values);
void cnn_node_declare_saved(struct cnn_node *node, size_t slot, size_t per_image, size_t fixed);
/* what the activation of the output, whose shape is set, is applied to, stored as the output is */
void cnn_node_declare_linear(struct cnn_node *node, size_t slot);
/* their sizes are what `packed` says */
void cnn_node_declare_packed(struct cnn_node *node, size_t slot);
void cnn_node_declare_packed_back(struct cnn_node *node, size_t slot);

/* Floats that a tensor's memory has for each image; 0: it does not grow with them. */
size_t cnn_node_saved_floats(const struct cnn_node *node, size_t slot);

/* The stored tensor with this suffix; NULL: the node has none. */
const struct cnn_tensor *cnn_node_tensor(const struct cnn_node *node, const char *suffix);

#endif
