/* Lifetimes and places. Blocks are placed largest first, each at the lowest offset where no block
 * that lives at the same time lies: the greedy by size of Pisarchyk and Lee, "Efficient Memory
 * Management for Deep Neural Net Inference", 2020, with gradients and saved arrays in the same
 * timeline. */
#include "graph/layout.h"
#include "graph/bytes.h"
#include "graph/halves.h"
#include "util/allocate.h"

#include <stdlib.h>
#include <string.h>

/* Plans of up to so many floats (512 MiB) keep all values that backward reads: making them again
 * takes 1 to 4 % of a step. Larger ones make those again that are read by layers with so many
 * multiply-adds for each number. */
#define KEEP_FLOATS        ((size_t)1 << 27)
#define MACS_TO_MAKE_AGAIN ((size_t)96)

static const struct cnn_life no_life = {.first = 1};

struct maker {
    const struct cnn_graph *graph;
    const struct cnn_kernels *kernels;
    size_t whole; /* images of a batch of all processes */
    size_t batch;
    const struct cnn_ranks *ranks;
    enum cnn_plan_mode mode;
    bool input_gradient;
    enum cnn_gradients gradients;
    bool makes_again;
    /* of each value: edges that read it, and the last node that does (count where none) */
    size_t *readers, *last_reader;
    struct cnn_life *needs; /* of each value: the steps of backward that read it */
    bool *remade;           /* value is made again for the backward that needs it */
    bool *leads;            /* value has part in the output */
    /* value depends on something trained, or its gradient is asked for */
    bool *wants_gradient;
    struct cnn_layout *layout;
    size_t capacity;
    bool overflow;
};

static size_t forward_step(size_t node)
{
    return node;
}

static size_t backward_step(const struct maker *m, size_t node)
{
    return 2 * m->graph->count - node;
}

static size_t end_step(const struct maker *m)
{
    return 2 * m->graph->count + 1;
}

static size_t add_block(struct maker *m, size_t floats, size_t first, size_t last)
{
    if (floats == 0)
        return CNN_NO_BLOCK;
    if (m->layout->block_count == m->capacity) { /* capacity covers every block a graph can need */
        m->overflow = true;
        return CNN_NO_BLOCK;
    }
    m->layout->blocks[m->layout->block_count] =
        (struct cnn_block){.floats = cnn_round_floats(floats), .lives = {{first, last}, no_life}};
    return m->layout->block_count++;
}

static bool is_life(struct cnn_life life)
{
    return life.first <= life.last;
}

static void extend_life(struct cnn_life *life, size_t first, size_t last)
{
    const bool new = !is_life(*life);
    life->first = new || first < life->first ? first : life->first;
    life->last = new || last > life->last ? last : life->last;
}

static void extend_block(struct maker *m, size_t block, size_t first, size_t last)
{
    if (block != CNN_NO_BLOCK)
        extend_life(&m->layout->blocks[block].lives[0], first, last);
}

static size_t batch_floats(struct maker *m, size_t images, size_t per_image, size_t fixed)
{
    size_t floats;
    if (cnn_size_mul(images, per_image, &floats) && cnn_size_add(floats, fixed, &floats) &&
        floats < SIZE_MAX / 64)
        return floats;
    m->overflow = true;
    return 0;
}

static size_t value_floats(struct maker *m, size_t v)
{
    const struct cnn_stages *stages = &m->layout->stages;
    return batch_floats(m, stages->whole[v] ? m->batch : cnn_stage_of(stages, v - 1)->slice,
                        cnn_graph_value_floats(m->graph, v), 0);
}

static void analyse(struct maker *m)
{
    const struct cnn_graph *g = m->graph;
    m->wants_gradient[0] = m->input_gradient;
    for (size_t v = 0; v <= g->count; v++)
        m->last_reader[v] = g->count;
    for (size_t i = 0; i < g->count; i++) {
        const struct cnn_node *node = &g->nodes[i];
        bool wants = cnn_node_trained(node) > 0;
        for (size_t k = 0; k < node->input_count; k++) {
            m->readers[node->inputs[k]]++;
            m->last_reader[node->inputs[k]] = i;
            wants = wants || m->wants_gradient[node->inputs[k]];
        }
        m->wants_gradient[i + 1] = wants;
    }
    m->leads[g->count] = true;
    for (size_t i = g->count; i-- > 0;)
        for (size_t k = 0; m->leads[i + 1] && k < g->nodes[i].input_count; k++)
            m->leads[g->nodes[i].inputs[k]] = true;
}

static bool is_sliced(const struct maker *m, size_t node)
{
    return cnn_stage_of(&m->layout->stages, node)->slice < m->batch;
}

/* Whether both values, and their gradients, are floats, or both bfloat16. */
static bool stored_alike(const struct maker *m, size_t a, size_t b)
{
    return cnn_graph_halves(m->graph, a) == cnn_graph_halves(m->graph, b);
}

/* Whether node i may write its output over its input: nobody else reads that input, now or in
 * backward. */
static bool writes_over(const struct maker *m, size_t i)
{
    const struct cnn_node *node = &m->graph->nodes[i];
    size_t x = node->inputs[0];
    if (!node->y_over_x || m->mode == CNN_PLAN_KEEP || x == 0 || m->readers[x] != 1 ||
        x == m->graph->logits || !stored_alike(m, x, i + 1))
        return false;
    if (is_sliced(m, i) && m->layout->stages.whole[x] != m->layout->stages.whole[i + 1])
        return false;
    return !cnn_plan_goes_back(m->mode) || (!m->graph->nodes[x - 1].reads_y && !node->reads_x);
}

/* Values of the whole batch live as long as slices run through the stage that writes them, and
 * through the last one that reads them. */
static void cover_stages(const struct maker *m, size_t v, size_t *first, size_t *last)
{
    const struct cnn_stages *stages = &m->layout->stages;
    const size_t writer = v - 1,
                 reader = m->last_reader[v] < m->graph->count ? m->last_reader[v] : writer;
    if (v > 0 && is_sliced(m, writer))
        *first = cnn_stage_of(stages, writer)->first;
    if ((v > 0 || m->readers[0] > 0) && is_sliced(m, reader))
        *last = cnn_stage_of(stages, reader)->end - 1;
}

static void place_values(struct maker *m)
{
    const struct cnn_graph *g = m->graph;
    for (size_t v = 0; v <= g->count; v++) {
        size_t first = v == 0 ? 0 : forward_step(v - 1);
        size_t last = m->last_reader[v] < g->count ? forward_step(m->last_reader[v]) : first;
        if (m->layout->stages.whole[v])
            cover_stages(m, v, &first, &last);
        if (m->mode == CNN_PLAN_KEEP || v == g->count || v == g->logits)
            last = end_step(m);
        if (v > 0 && writes_over(m, v - 1)) {
            m->layout->value[v] = m->layout->value[g->nodes[v - 1].inputs[0]];
            extend_block(m, m->layout->value[v], first, last);
        } else {
            m->layout->value[v] = add_block(m, value_floats(m, v), first, last);
        }
    }
}

/* Multiply-adds of the layers whose backward reads value v, for each of its numbers. */
static size_t macs_a_number(const struct maker *m, size_t v)
{
    const struct cnn_graph *g = m->graph;
    size_t macs = 0;
    for (size_t i = v; i <= m->last_reader[v] && i < g->count; i++)
        for (size_t k = 0; g->nodes[i].reads_x && k < g->nodes[i].input_count; k++)
            macs += g->nodes[i].inputs[k] == v ? g->nodes[i].macs : 0;
    return macs / cnn_shape_count(cnn_graph_shape(g, v));
}

static bool can_be_made_again(const struct maker *m, size_t v)
{
    const struct cnn_graph *g = m->graph;
    return m->makes_again && v > 0 && v != g->count && v != g->logits &&
           g->nodes[v - 1].gives_again && !writes_over(m, v - 1);
}

/* Whether value v can be made again from what is kept anyway: the backward of its own layer, which
 * comes later, reads the same inputs. */
static bool has_what_makes(const struct maker *m, size_t v)
{
    return can_be_made_again(m, v) && m->graph->nodes[v - 1].reads_x;
}

/* The same of a layer whose backward does not read its inputs: each must be kept for another layer,
 * or have what makes it. Sums that are made again do not count, so that along a chain of residual
 * blocks every second sum is kept. */
static bool has_inputs(const struct maker *m, const struct cnn_node *node)
{
    for (size_t k = 0; k < node->input_count; k++) {
        const size_t v = node->inputs[k];
        if (!has_what_makes(m, v) && (m->remade[v] || !is_life(m->needs[v])))
            return false;
    }
    return true;
}

/* From the first value on: what a sum is made from comes before it. What normalisation gives to
 * such a sum is then made again, too, whoever else reads it. */
static void choose_remade(struct maker *m)
{
    const struct cnn_graph *g = m->graph;
    for (size_t v = 1; v <= g->count; v++) {
        const struct cnn_node *node = &g->nodes[v - 1];
        if (!can_be_made_again(m, v) || macs_a_number(m, v) < MACS_TO_MAKE_AGAIN)
            continue;
        m->remade[v] = node->reads_x || has_inputs(m, node);
        for (size_t k = 0; m->remade[v] && !node->reads_x && k < node->input_count; k++)
            if (has_what_makes(m, node->inputs[k]))
                m->remade[node->inputs[k]] = true;
    }
}

/* Lets the values that backward reads live until then, or makes them again. From the last one back:
 * a value that is made again is a need of those that it is made from. */
static void keep_values(struct maker *m)
{
    const struct cnn_graph *g = m->graph;
    struct cnn_layout *l = m->layout;
    for (size_t i = 0; i < g->count; i++) {
        const struct cnn_node *node = &g->nodes[i];
        const size_t step = backward_step(m, i);
        l->again[i] = CNN_NO_VALUE;
        for (size_t k = 0; node->reads_x && k < node->input_count; k++)
            extend_life(&m->needs[node->inputs[k]], step, step);
        if (node->reads_y)
            extend_life(&m->needs[i + 1], step, step);
    }
    choose_remade(m);
    for (size_t v = g->count + 1; v-- > 0;) {
        const struct cnn_life needs = m->needs[v];
        if (!is_life(needs))
            continue;
        if (!m->remade[v]) {
            extend_block(m, l->value[v], needs.first, needs.last);
            continue;
        }
        l->blocks[l->value[v]].lives[1] = needs;
        size_t *first = &l->again[2 * g->count - needs.first]; /* the node of that step */
        l->again_next[v] = *first;
        *first = v;
        for (size_t k = 0; k < g->nodes[v - 1].input_count; k++)
            extend_life(&m->needs[g->nodes[v - 1].inputs[k]], needs.first, needs.first);
    }
}

/* Floats of the gradients of a node that the plan adds up. */
static size_t summed_floats(const struct cnn_node *node)
{
    size_t floats = 0;
    for (size_t slot = 0; cnn_slot_find(node, &slot); slot++)
        if (node->execution->sums == CNN_SUMS_BY_PLAN && cnn_role_trained(node->tensors[slot].role))
            floats += cnn_round_floats(node->tensors[slot].count);
    return floats;
}

/* Gradients of parameters, and what is needed to add them up. */
static void place_sums(struct maker *m)
{
    struct cnn_layout *l = m->layout;
    size_t channels = 0, parts = cnn_parts_count(m->whole);
    for (size_t i = 0; i < m->graph->count; i++) {
        const struct cnn_node *node = &m->graph->nodes[i];
        size_t floats = summed_floats(node), c = node->in[0].c;
        l->waiting_floats = floats > l->waiting_floats ? floats : l->waiting_floats;
        if (node->execution->sums == CNN_SUMS_SHARED && c > channels)
            channels = c;
    }
    l->root_floats = cnn_round_floats(m->graph->parameter_floats);
    if (m->gradients == CNN_GRADIENTS_KEPT)
        l->parameters = add_block(m, batch_floats(m, l->roots, l->root_floats, 0), 0, end_step(m));
    size_t levels = 0;
    while (parts >> levels > 1)
        levels++;
    l->waiting = add_block(m, batch_floats(m, levels, l->waiting_floats, 0), 0, end_step(m));
    if (m->ranks)
        l->room = add_block(m, batch_floats(m, parts, 4 * channels, 0), 0, end_step(m));
}

/* Scratch of a step without packed weights; 0: it has them. */
static size_t unpacked_floats(const struct maker *m, const struct cnn_node *node, size_t n)
{
    const bool may = m->mode == CNN_PLAN_TRAIN && node->execution->unpacked;
    return may ? node->execution->unpacked(node, m->kernels, n) : 0;
}

/* Packed weights of node i, which are used in one step. A step of training packs them then, for it
 * changes the weights; they last where the weights do. */
static size_t add_packed(struct maker *m, size_t i, size_t step, bool backward)
{
    const struct cnn_node *node = &m->graph->nodes[i];
    const bool lasts = m->mode != CNN_PLAN_TRAIN;
    if (!lasts && unpacked_floats(m, node, 1) > 0)
        return CNN_NO_BLOCK;
    return add_block(m, node->execution->packed(node, m->kernels, backward), lasts ? 0 : step,
                     lasts ? end_step(m) : step);
}

static void place_tensors(struct maker *m)
{
    const struct cnn_graph *g = m->graph;
    bool training = cnn_plan_goes_back(m->mode);
    size_t scratch = 0;
    for (size_t i = 0; i < g->count; i++) {
        const struct cnn_node *node = &g->nodes[i];
        for (size_t slot = 0; cnn_slot_find(node, &slot); slot++) {
            const struct cnn_tensor *t = &node->tensors[slot];
            size_t *block = &m->layout->tensor[i * CNN_MAX_TENSORS + slot];
            *block = CNN_NO_BLOCK;
            if (t->role == CNN_ROLE_SAVED && training)
                *block = add_block(
                    m, batch_floats(m, m->batch, cnn_node_saved_floats(node, slot), t->count),
                    forward_step(i), backward_step(m, i));
            if (t->role == CNN_ROLE_PACKED)
                *block = add_packed(m, i, forward_step(i), false);
            if (t->role == CNN_ROLE_PACKED_BACK && training && m->leads[i + 1] &&
                m->wants_gradient[node->inputs[0]])
                *block = add_packed(m, i, backward_step(m, i), true);
        }
        const size_t slice = cnn_stage_of(&m->layout->stages, i)->slice;
        /* work is cut up by n: fewer images may need more */
        for (size_t n = 1; node->execution->scratch && n <= slice; n++) {
            const size_t wanted = node->execution->scratch(node, m->kernels, n),
                         unpacked = unpacked_floats(m, node, n);
            scratch = wanted > scratch ? wanted : scratch;
            scratch = unpacked > scratch ? unpacked : scratch;
        }
    }
    m->layout->scratch = add_block(m, scratch, 0, end_step(m));
    m->layout->parameters = m->layout->waiting = m->layout->room = CNN_NO_BLOCK;
    if (training)
        place_sums(m);
}

/* Gradients, from the last node back. The first node that gives one writes it in place; the others
 * into a temporary that is then added. */
static void place_gradients(struct maker *m)
{
    const struct cnn_graph *g = m->graph;
    struct cnn_layout *l = m->layout;
    for (size_t v = 0; v <= g->count; v++)
        l->gradient[v] = CNN_NO_BLOCK;
    const size_t ends[2] = {g->count, g->logits};
    for (size_t e = 0; e < 2; e++)
        if (l->gradient[ends[e]] == CNN_NO_BLOCK)
            l->gradient[ends[e]] =
                add_block(m, batch_floats(m, m->batch, cnn_graph_value_floats(g, ends[e]), 0),
                          g->count, backward_step(m, ends[e] - 1));
    for (size_t i = g->count; i-- > 0;) {
        const struct cnn_node *node = &g->nodes[i];
        bool over_dy = node->dx_over_dy && l->gradient[i + 1] != CNN_NO_BLOCK;
        for (size_t k = 0; k < node->input_count; k++) {
            size_t v = node->inputs[k], edge = l->edge[i] + k, step = backward_step(m, i);
            l->temporary[edge] = CNN_NO_BLOCK;
            if (!m->leads[i + 1] || !m->wants_gradient[v])
                continue;
            size_t floats = batch_floats(m, m->batch, cnn_graph_value_floats(g, v), 0);
            size_t last = v == 0 ? end_step(m) : backward_step(m, v - 1);
            if (l->gradient[v] != CNN_NO_BLOCK && v != g->logits) {
                l->temporary[edge] = add_block(m, floats, step, step);
            } else if (v == g->logits) {
                continue;
            } else if (over_dy && m->readers[v] == 1 && stored_alike(m, v, i + 1)) {
                over_dy = false;
                l->gradient[v] = l->gradient[i + 1];
                extend_block(m, l->gradient[v], step, last);
            } else {
                l->gradient[v] = add_block(m, floats, step, last);
            }
        }
    }
}

/* Gradients of parameters that are taken in the step in which they are made. */
static void place_node_parameters(struct maker *m)
{
    struct cnn_layout *l = m->layout;
    for (size_t i = 0; i < m->graph->count; i++) {
        const struct cnn_node *node = &m->graph->nodes[i];
        const struct cnn_stretch all = cnn_node_stretch(node);
        size_t floats = all.end - all.begin;
        if (l->gradient[i + 1] == CNN_NO_BLOCK)
            continue;
        if (m->gradients == CNN_GRADIENTS_BY_PIECE && node->execution->piece)
            l->piece[i] = node->execution->piece(node);
        if (l->piece[i] > 0)
            floats = cnn_round_floats(l->piece[i]) + node->out.c;
        l->node_parameters[i] = add_block(m, floats, backward_step(m, i), backward_step(m, i));
    }
}

static int larger_first(const void *a, const void *b)
{
    const struct cnn_block *x = *(const struct cnn_block *const *)a,
                           *y = *(const struct cnn_block *const *)b;
    if (x->floats != y->floats)
        return x->floats > y->floats ? -1 : 1;
    return x < y ? -1 : x > y;
}

/* Whether two blocks live at the same time. */
static bool blocks_meet(const struct cnn_block *a, const struct cnn_block *b)
{
    for (size_t i = 0; i < 4; i++) {
        const struct cnn_life one = a->lives[i / 2], other = b->lives[i % 2];
        if (is_life(one) && is_life(other) && one.first <= other.last && other.first <= one.last)
            return true;
    }
    return false;
}

static cnn_status place_blocks(struct cnn_layout *layout, cnn_diag *diag)
{
    size_t count = layout->block_count, placed = 0;
    struct cnn_block **order = cnn_malloc((2 * count + 1) * sizeof *order),
                     **by_offset = order ? order + count : NULL;
    if (!order)
        return cnn_fail_memory(diag, count * sizeof *order, "the memory plan");
    for (size_t i = 0; i < count; i++)
        order[i] = &layout->blocks[i];
    qsort(order, count, sizeof *order, larger_first);
    for (size_t i = 0; i < count; i++) {
        struct cnn_block *b = order[i];
        size_t offset = 0, at = 0;
        for (size_t k = 0; k < placed; k++) {
            const struct cnn_block *p = by_offset[k];
            if (!blocks_meet(p, b))
                continue;
            if (p->offset >= offset + b->floats)
                break;
            if (p->offset + p->floats > offset)
                offset = p->offset + p->floats;
        }
        b->offset = offset;
        while (at < placed && by_offset[at]->offset <= offset)
            at++;
        memmove(by_offset + at + 1, by_offset + at, (placed - at) * sizeof *by_offset);
        by_offset[at] = b;
        placed++;
        if (offset + b->floats > layout->floats)
            layout->floats = offset + b->floats;
    }
    cnn_free(order);
    return CNN_OK;
}

/* What this process has of any batch. */
static void share_batch(const struct cnn_plan_options *options, struct cnn_layout *layout)
{
    layout->batch = options->batch;
    layout->roots = 1;
    if (!options->ranks)
        return;
    layout->batch =
        cnn_parts_most_images(options->batch, options->ranks->rank, options->ranks->count);
    for (size_t n = 1; n <= options->batch; n++) {
        const struct cnn_parts run = cnn_parts_of(n, options->ranks->rank, options->ranks->count);
        const size_t roots = cnn_parts_roots(&run);
        layout->roots = roots > layout->roots ? roots : layout->roots;
    }
}

static bool make_arrays(struct maker *m, struct cnn_arena *arena, size_t n, size_t edges)
{
    struct cnn_layout *l = m->layout;
    l->blocks = cnn_arena_array(arena, m->capacity, sizeof *l->blocks);
    l->value = cnn_arena_array(arena, n + 1, sizeof *l->value);
    l->gradient = cnn_arena_array(arena, n + 1, sizeof *l->gradient);
    l->tensor = cnn_arena_array(arena, n * CNN_MAX_TENSORS, sizeof *l->tensor);
    l->node_parameters = cnn_arena_array(arena, n, sizeof *l->node_parameters);
    l->piece = cnn_arena_array(arena, n, sizeof *l->piece);
    for (size_t i = 0; l->node_parameters && i < n; i++)
        l->node_parameters[i] = CNN_NO_BLOCK;
    l->temporary = cnn_arena_array(arena, edges + 1, sizeof *l->temporary);
    m->readers = cnn_arena_array(arena, n + 1, sizeof *m->readers);
    m->last_reader = cnn_arena_array(arena, n + 1, sizeof *m->last_reader);
    m->needs = cnn_arena_array(arena, n + 1, sizeof *m->needs);
    m->remade = cnn_arena_array(arena, n + 1, sizeof *m->remade);
    l->again = cnn_arena_array(arena, n, sizeof *l->again);
    l->again_next = cnn_arena_array(arena, n + 1, sizeof *l->again_next);
    m->leads = cnn_arena_array(arena, n + 1, sizeof *m->leads);
    m->wants_gradient = cnn_arena_array(arena, n + 1, sizeof *m->wants_gradient);
    return l->edge && l->blocks && l->value && l->gradient && l->tensor && l->temporary &&
           l->node_parameters && l->piece && l->again && l->again_next && m->needs && m->remade &&
           m->readers && m->last_reader && m->leads && m->wants_gradient;
}

static cnn_status lay_out(struct maker *m, struct cnn_arena *arena, struct cnn_layout *out,
                          cnn_diag *diag)
{
    const struct cnn_graph *g = m->graph;
    size_t edges = 0, floats = 0;
    out->edge = cnn_arena_array(arena, g->count + 1, sizeof *out->edge);
    for (size_t i = 0; out->edge && i < g->count; i++) {
        out->edge[i] = edges;
        edges += g->nodes[i].input_count;
    }
    m->layout = out;
    m->capacity = g->count * (CNN_MAX_TENSORS + 3) + edges + 8;
    if (!make_arrays(m, arena, g->count, edges) ||
        !cnn_stages_make(g, m->kernels, m->batch, m->mode == CNN_PLAN_INFER, arena, &out->stages))
        return cnn_fail_memory(diag, m->capacity * sizeof *out->blocks, "the memory plan");
    for (size_t v = 0; v <= g->count; v++)
        m->needs[v] = no_life;
    analyse(m);
    place_values(m);
    if (cnn_plan_goes_back(m->mode))
        keep_values(m);
    place_tensors(m);
    if (cnn_plan_goes_back(m->mode))
        place_gradients(m);
    if (cnn_plan_goes_back(m->mode) && m->gradients != CNN_GRADIENTS_KEPT)
        place_node_parameters(m);
    /* of all blocks, were none to share memory: bounds every offset */
    for (size_t i = 0; i < out->block_count; i++)
        m->overflow = m->overflow || !cnn_size_add(floats, out->blocks[i].floats, &floats) ||
                      floats > SIZE_MAX / 64;
    if (m->overflow)
        return cnn_fail(diag, CNN_INVALID, NULL,
                        "a batch of %zu images of this network is more than memory can address",
                        m->batch);
    return place_blocks(out, diag);
}

cnn_status cnn_layout_make(const struct cnn_graph *graph, const struct cnn_kernels *kernels,
                           const struct cnn_plan_options *options, struct cnn_arena *arena,
                           struct cnn_layout *out, cnn_diag *diag)
{
    const size_t keep = options->keep ? options->keep : KEEP_FLOATS,
                 passed = options->gradients == CNN_GRADIENTS_KEPT ? 0 : graph->parameter_floats;
    struct cnn_layout layout = {0};
    if (options->batch == 0 || options->batch > CNN_MAX_BATCH)
        return cnn_fail(diag, CNN_INVALID, NULL, "a batch has 1 to %d images, not %zu",
                        CNN_MAX_BATCH, options->batch);
    share_batch(options, &layout);
    const struct maker begin = {.graph = graph,
                                .kernels = kernels,
                                .whole = options->batch,
                                .batch = layout.batch,
                                .ranks = options->ranks,
                                .mode = options->mode,
                                .input_gradient = options->input_gradient,
                                .gradients = options->gradients};
    struct maker m = begin;
    *out = layout;
    cnn_status status = lay_out(&m, arena, out, diag);
    if (status == CNN_OK && options->mode == CNN_PLAN_TRAIN && out->floats + passed > keep) {
        m = begin;
        m.makes_again = true;
        *out = layout;
        status = lay_out(&m, arena, out, diag);
    }
    return status;
}
