/* A plan: memory for one batch size and one purpose, and the execution of a graph in it. Every
 * array has a lifetime in steps (forward, loss, backward); arrays whose lifetimes do not meet share
 * memory. Nothing is allocated once a plan exists. */
#ifndef CNN_GRAPH_PLAN_H
#define CNN_GRAPH_PLAN_H

#include "graph/passing.h"

enum cnn_plan_mode {
    CNN_PLAN_INFER, /* forward only; only the output survives; layers are fused (graph/fuse.h) */
    CNN_PLAN_KEEP,  /* forward only; every value survives, to be looked at */
    CNN_PLAN_TRAIN, /* forward and backward; layers are fused */
    /* forward and backward, every layer on its own: its value and its gradient can be observed */
    CNN_PLAN_WATCH
};

/* Whether plans of this mode have a backward. */
static inline bool cnn_plan_goes_back(enum cnn_plan_mode mode)
{
    return mode == CNN_PLAN_TRAIN || mode == CNN_PLAN_WATCH;
}

/* What a plan is for. batch: the largest n of a call, at least 1. In plans that go back, n are the
 * images of a batch that the processes of `ranks` (NULL: this one alone) share: the plan's arrays
 * hold the images of this process, from its first one on (cnn_parts_of), and its calls are made by
 * all processes together. input_gradient: backward also
 * gives the gradient at the network's input. */
struct cnn_plan_options {
    size_t batch;
    enum cnn_plan_mode mode;
    bool input_gradient;
    enum cnn_gradients gradients;
    const struct cnn_ranks *ranks; /* outlives the plan */
    /* of mode INFER: layers that read several values stay apart (for who writes what is executed
     * as another program) */
    bool chains;
    /* of mode TRAIN: floats above which values that can be made again for backward are not kept; 0:
     * 512 MiB */
    size_t keep;
    /* NULL: the parameters are in memory. Else weights go from there into packed ones, some rows at
     * a time, and the plan keeps of the parameters only the others. */
    const struct cnn_parameter_source *source;
};

struct cnn_plan;

/* parameters (NULL where options have a source) is the slab that cnn_graph_init fills; it stays the
 * caller's and is read (statistics: written) in place. The plan serves the number of threads that
 * is set when it is made. */
cnn_status cnn_plan_new(const struct cnn_graph *graph, float *parameters,
                        const struct cnn_plan_options *options, struct cnn_plan **out,
                        cnn_diag *diag);
void cnn_plan_free(struct cnn_plan *plan);

/* Bytes that a plan takes (with parameter gradients, without parameters), without making it. */
cnn_status cnn_plan_measure(const struct cnn_graph *graph, const struct cnn_plan_options *options,
                            size_t *bytes, cnn_diag *diag);

/* To be called when the parameters have changed: packed weights are made anew at the next forward.
 * (A plan of mode INFER packs them when it is made, one of mode TRAIN in every step.) */
void cnn_plan_parameters_changed(struct cnn_plan *plan);

/* Where the next batch goes: n images NHWC. */
float *cnn_plan_input(struct cnn_plan *plan);

/* training: batch statistics (where batch_norm is not frozen) and dropout; seed: of the step, for
 * dropout. */
void cnn_plan_forward(struct cnn_plan *plan, size_t n, bool training, uint64_t seed);

/* Value v (0: input, i + 1: output of node i) of the last forward: NHWC. In plans of modes INFER
 * and TRAIN only the output and the logits: what holds others serves other arrays, too. */
const float *cnn_plan_value(const struct cnn_plan *plan, size_t value);

/* Backward from value `from` (the output, or graph->logits; not the input), whose gradient the
 * caller has written to cnn_plan_gradient(plan, from). Layers that act otherwise in training
 * (batch_norm, dropout) give the gradients of what the last forward did. Fills the parameter
 * gradients. To go back from a value in the middle, plan a graph that ends there:
 * cnn_graph_until. */
float *cnn_plan_gradient(struct cnn_plan *plan, size_t value);
void cnn_plan_backward(struct cnn_plan *plan, size_t n, size_t from);

/* Parameter gradients, laid out as the parameter slab, where they are kept. */
float *cnn_plan_parameter_gradients(struct cnn_plan *plan);

/* Who is given the gradients of each layer that is trained when backward is done with it, whether
 * they are kept or not; take NULL: nobody. With ranks they are this process's, of its first subtree
 * of parts. It may change the layer's parameters. */
void cnn_plan_take(struct cnn_plan *plan, struct cnn_taker taker);

/* With ranks these are the sums of the subtrees of parts that this process has had in the last
 * batch: the r-th begin r * cnn_plan_root_floats behind the first. The caller adds up those of all
 * processes. _shared: the node's gradients are those of the whole batch already, in the first. */
size_t cnn_plan_root_floats(const struct cnn_plan *plan);
bool cnn_plan_shared(const struct cnn_plan *plan, size_t node);

/* The node that does the work of `node`: itself, or the layer before it with which it is fused. */
size_t cnn_plan_lead(const struct cnn_plan *plan, size_t node);

/* What node `node` (or the node that does its work) was last called with: its arrays, for layers'
 * explain. In plans of modes INFER and TRAIN values between layers, and their gradients, may be
 * stored as bfloat16 (x_halves and y_halves of the node) or bytes. */
const struct cnn_call *cnn_plan_call(const struct cnn_plan *plan, size_t node);

/* Called around every node's forward and backward, for benchmarks and inspection; NULL: none. A
 * plan of mode INFER may run some nodes on slices of the batch, one after another: the call's n and
 * values are then the slice's. At the end of its forward a node's value is whole, and at the
 * beginning of its backward the gradient of its value, whatever shares their memory later. Where
 * layers are fused, the first one's time is that of all, the others begin and end at once, and the
 * value and the gradient are those of the last. */
typedef void cnn_plan_observer(void *context, size_t node, bool backward, bool begin);
void cnn_plan_observe(struct cnn_plan *plan, cnn_plan_observer *observer, void *context);

/* What is executed, with the layers that are fused as one: its nodes and values have numbers of
 * their own. The call of its node i. */
const struct cnn_graph *cnn_plan_graph(const struct cnn_plan *plan);
const struct cnn_call *cnn_plan_step(const struct cnn_plan *plan, size_t i);

/* The most images that its node i runs on at once. */
size_t cnn_plan_slice(const struct cnn_plan *plan, size_t i);

size_t cnn_plan_bytes(const struct cnn_plan *plan);

#endif
