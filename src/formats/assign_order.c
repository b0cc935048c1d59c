/* Peers by order. The file lists its modules in the order in which its network was written down;
 * the description gives more: which layer reads which. A layer must come after those that it
 * depends on, so the file's order must be one of the orders in which the layers can be executed,
 * with the same kinds and shapes. Such an assignment is looked for by going through the file's
 * modules and trying the layers that can come next, back again from where none can. If another
 * choice also leads to the end, the file does not say which layer is which. The description's own
 * order is tried first: where it is the file's, too, that is what decides.
 *
 * Where the whole has no such order (a program may define all convolutions before all batch_norms),
 * batch_norms and the rest are taken each by themselves. */
#include <stdlib.h>
#include <string.h>

#include "formats/assign_internal.h"
#include "util/allocate.h"

#define BUDGET ((size_t)1 << 20) /* layers tried in one search, at most */

struct order {
    const struct cnn_order_request *request;
    struct cnn_unit **ours, **theirs; /* to be matched: as many of each */
    size_t count, words;
    uint64_t *before; /* by layer: set of those that it depends on; words each */
    uint64_t *open;   /* set of layers without a peer */
    size_t *chosen;   /* by module: the layer */
    size_t tried;
};

static bool has(const uint64_t *set, size_t i)
{
    return set[i / 64] >> i % 64 & 1;
}

static void flip(uint64_t *set, size_t i)
{
    set[i / 64] ^= (uint64_t)1 << i % 64;
}

/* Whether the layer has no peer yet, and all that it depends on have. */
static bool is_next(const struct order *o, size_t layer)
{
    const uint64_t *before = o->before + layer * o->words;
    if (!has(o->open, layer))
        return false;
    for (size_t i = 0; i < o->words; i++)
        if (before[i] & o->open[i])
            return false;
    return true;
}

/* Whether the layer can come next as this module. Those that names have settled stay so. */
static bool may_be(const struct order *o, size_t module, size_t layer)
{
    const struct cnn_unit *theirs = o->theirs[module], *ours = o->ours[layer];
    bool open = theirs->how == CNN_HOW_NOT && ours->how == CNN_HOW_NOT,
         settled = theirs->how != CNN_HOW_NOT && ours->how != CNN_HOW_NOT,
         fits = open ? theirs->label == ours->label
                     : settled && ours == &o->request->ours->items[theirs->peer];
    return fits && is_next(o, layer);
}

/* The first layer from `from` on that module can be; count: none. */
static size_t next_choice(struct order *o, size_t module, size_t from)
{
    for (size_t i = from; i < o->count; i++)
        if (may_be(o, module, i)) {
            o->tried++;
            return i;
        }
    return o->count;
}

/* Goes on from module `first`, whose layer is at least `from`, to the end; false where that cannot
 * be, or takes too long. Choices before `first` stay. */
static bool search(struct order *o, size_t first, size_t from)
{
    size_t module = first;
    o->tried = 0;
    while (module < o->count) {
        size_t layer = o->tried < BUDGET ? next_choice(o, module, from) : o->count;
        if (layer < o->count) {
            o->chosen[module++] = layer;
            flip(o->open, layer);
            from = 0;
            continue;
        }
        if (module == first)
            return false;
        layer = o->chosen[--module];
        flip(o->open, layer);
        from = layer + 1;
    }
    return true;
}

/* Takes back the choices from module `first` on. */
static void take_back(struct order *o, size_t first)
{
    for (size_t i = first; i < o->count; i++)
        flip(o->open, o->chosen[i]);
}

static void tell_choice(const struct order *o, size_t module, const size_t *others, size_t count)
{
    struct cnn_text *out = o->request->ambiguous;
    char shape[160];
    cnn_text_printf(out, "'%s' (%s) may be '%s'", o->theirs[module]->shown,
                    cnn_unit_shape(o->theirs[module], shape, sizeof shape),
                    o->ours[o->chosen[module]]->name);
    for (size_t i = 0; i < count; i++)
        cnn_text_printf(out, " or '%s'", o->ours[others[i]]->name);
    cnn_text_printf(out, "\n");
    cnn_text_free(o->request->example); /* what comes last is the file's first */
    cnn_text_printf(o->request->example, "%s %s", o->theirs[module]->shown,
                    o->ours[o->chosen[module]]->name);
}

/* For each module, the other layers with which the rest can be assigned, too. What could not be
 * tried to the end counts as one of them. */
static cnn_status find_ambiguous(struct order *o, cnn_diag *diag)
{
    size_t *first = cnn_malloc((2 * o->count + 1) * sizeof *first), *others = first + o->count;
    if (!first)
        return cnn_fail_memory(diag, 2 * o->count * sizeof *first, "a list of layers");
    memcpy(first, o->chosen, o->count * sizeof *first);
    for (size_t module = o->count; module-- > 0;) {
        size_t count = 0;
        flip(o->open, first[module]);
        for (size_t i = 0; i < o->count; i++) {
            if (i == first[module] || !may_be(o, module, i))
                continue;
            flip(o->open, i);
            bool found = search(o, module + 1, 0), doubt = o->tried >= BUDGET;
            if (found)
                take_back(o, module + 1);
            flip(o->open, i);
            if (found || doubt)
                others[count++] = i;
        }
        memcpy(o->chosen, first, o->count * sizeof *first);
        if (count > 0)
            tell_choice(o, module, others, count);
    }
    cnn_free(first);
    return CNN_OK;
}

/* By node: the set of layers that its value depends on, itself included. */
static void spread(const struct order *o, uint64_t *values, const size_t *layer_of)
{
    const struct cnn_graph *graph = &o->request->model->graph;
    for (size_t node = 0; node < graph->count; node++) {
        uint64_t *own = values + (node + 1) * o->words;
        for (size_t k = 0; k < graph->nodes[node].input_count; k++) {
            const uint64_t *read = values + graph->nodes[node].inputs[k] * o->words;
            for (size_t i = 0; i < o->words; i++)
                own[i] |= read[i];
        }
        if (layer_of[node] == SIZE_MAX)
            continue;
        memcpy(o->before + layer_of[node] * o->words, own, o->words * sizeof *own);
        flip(own, layer_of[node]);
    }
}

static cnn_status find_dependencies(struct order *o, cnn_diag *diag)
{
    const struct cnn_graph *graph = &o->request->model->graph;
    size_t size = (graph->count + 1) * o->words;
    uint64_t *values = cnn_calloc(size, sizeof *values);
    size_t *layer_of = cnn_malloc((graph->count + 1) * sizeof *layer_of);
    cnn_status status = CNN_OK;
    if (values && layer_of) {
        for (size_t i = 0; i < graph->count; i++)
            layer_of[i] = SIZE_MAX;
        for (size_t i = 0; i < o->count; i++)
            layer_of[o->ours[i]->node] = i;
        spread(o, values, layer_of);
    } else {
        status = cnn_fail_memory(diag, size * sizeof *values, "a list of layers");
    }
    cnn_free(values);
    cnn_free(layer_of);
    return status;
}

static void settle(const struct order *o)
{
    for (size_t i = 0; i < o->count; i++) {
        struct cnn_unit *theirs = o->theirs[i], *ours = o->ours[o->chosen[i]];
        if (theirs->how != CNN_HOW_NOT)
            continue;
        theirs->peer = (size_t)(ours - o->request->ours->items);
        ours->peer = (size_t)(theirs - o->request->theirs->items);
        theirs->how = ours->how = CNN_HOW_ORDER;
    }
}

static bool is_same(const struct order *o)
{
    for (size_t i = 0; i < o->count; i++)
        if (o->chosen[i] != i)
            return false;
    return true;
}

static cnn_status solve(struct order *o, bool *found, cnn_diag *diag)
{
    cnn_status status = find_dependencies(o, diag);
    for (size_t i = 0; i < o->count; i++)
        flip(o->open, i);
    *found = status == CNN_OK && search(o, 0, 0);
    if (status == CNN_OK && *found)
        status = find_ambiguous(o, diag);
    if (status == CNN_OK && *found) {
        *o->request->same = *o->request->same && is_same(o);
        settle(o);
    }
    return status;
}

enum kinds { ALL, NORMS, OTHERS };

struct choice {
    enum kinds kinds;
    bool renamed; /* those that the rename file settles keep to the order, too */
};

static bool is_of(const struct cnn_unit *unit, struct choice choice)
{
    if (unit->how == CNN_HOW_RENAMED && !choice.renamed)
        return false;
    return choice.kinds == ALL || cnn_unit_is_norm(unit) == (choice.kinds == NORMS);
}

static size_t list(struct cnn_units *units, struct choice choice, struct cnn_unit **out)
{
    size_t count = 0;
    for (size_t i = 0; i < units->count; i++)
        if (units->items[i].label != SIZE_MAX && is_of(&units->items[i], choice))
            out[count++] = &units->items[i];
    return count;
}

static cnn_status assign_some(const struct cnn_order_request *request, struct choice choice,
                              bool *found, cnn_diag *diag)
{
    struct order o = {.request = request};
    size_t most = request->ours->count + request->theirs->count + 1;
    cnn_status status = CNN_OK;
    *found = false;
    o.ours = cnn_malloc(most * sizeof *o.ours);
    o.theirs = cnn_malloc(most * sizeof *o.theirs);
    o.count = o.ours ? list(request->ours, choice, o.ours) : 0;
    o.words = o.count / 64 + 1;
    o.before = cnn_calloc(o.count * o.words + 1, sizeof *o.before);
    o.open = cnn_calloc(o.words, sizeof *o.open);
    o.chosen = cnn_calloc(o.count + 1, sizeof *o.chosen);
    if (!o.ours || !o.theirs || !o.before || !o.open || !o.chosen)
        status = cnn_fail_memory(diag, o.count * o.words * sizeof *o.before, "a list of layers");
    else if (list(request->theirs, choice, o.theirs) == o.count)
        status = solve(&o, found, diag);
    cnn_free(o.ours);
    cnn_free(o.theirs);
    cnn_free(o.before);
    cnn_free(o.open);
    cnn_free(o.chosen);
    return status;
}

static void undo(struct cnn_units *units)
{
    for (size_t i = 0; i < units->count; i++)
        if (units->items[i].how == CNN_HOW_ORDER) {
            units->items[i].how = CNN_HOW_NOT;
            units->items[i].peer = SIZE_MAX;
        }
}

cnn_status cnn_assign_by_order(const struct cnn_order_request *request, bool *found, cnn_diag *diag)
{
    cnn_status status = CNN_OK;
    *found = false;
    for (int pass = 0; pass < 4 && status == CNN_OK && !*found; pass++) {
        const bool renamed = pass < 2, whole = pass % 2 == 0;
        cnn_text_free(request->ambiguous);
        *request->same = true;
        undo(request->ours);
        undo(request->theirs);
        status = assign_some(request, (struct choice){whole ? ALL : OTHERS, renamed}, found, diag);
        if (status == CNN_OK && !whole && *found)
            status = assign_some(request, (struct choice){NORMS, renamed}, found, diag);
    }
    return status;
}
