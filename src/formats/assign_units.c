/* Both sides of an assignment as lists of units: layers of the model, modules of the file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/assign_internal.h"
#include "util/allocate.h"

const char *const cnn_leaf_names[CNN_LEAVES] = {"weight", "bias", "running_mean", "running_var"};

static enum cnn_leaf find_leaf(const char *name)
{
    enum cnn_leaf leaf = CNN_LEAF_WEIGHT;
    while (leaf < CNN_LEAVES && strcmp(cnn_leaf_names[leaf], name) != 0)
        leaf++;
    return leaf;
}

static struct cnn_unit new_unit(void)
{
    struct cnn_unit unit = {.peer = SIZE_MAX};
    for (size_t i = 0; i < CNN_LEAVES; i++)
        unit.tensors[i] = SIZE_MAX;
    return unit;
}

/* 1 x 1 convolutions and dense layers hold the same numbers in the same order. */
static void set_shape(struct cnn_unit *unit, size_t rank, const size_t *dims)
{
    while (rank > 0 && dims[rank - 1] == 1)
        rank--;
    unit->rank = rank;
    memcpy(unit->dims, dims, rank * sizeof *dims);
}

static char *make_plain(struct cnn_arena *arena, const char *name)
{
    char *plain = cnn_arena_strdup(arena, name);
    for (char *c = plain; c && *c; c++)
        if (strchr("./-", *c))
            *c = '_';
    return plain;
}

/* ---- The model ---- */

/* int8 networks have tensors of their own, which no other program writes. */
static cnn_status fail_tensor(const cnn_model *model, size_t i, cnn_diag *diag)
{
    return cnn_fail(
        diag, CNN_INVALID, NULL,
        "%s: weights of other programs have no tensor like '%s'; a network is quantized "
        "after its import",
        model->source, model->tensors[i].name);
}

cnn_status cnn_units_of_model(const cnn_model *model, struct cnn_arena *arena,
                              struct cnn_units *out, cnn_diag *diag)
{
    out->count = 0;
    out->items = cnn_arena_array(arena, model->tensor_count + 1, sizeof *out->items);
    if (!out->items)
        return cnn_fail_memory(diag, model->tensor_count * sizeof *out->items, model->source);
    for (size_t i = 0; i < model->tensor_count; i++) {
        const struct cnn_tensor_place *place = &model->tensors[i];
        enum cnn_leaf leaf = find_leaf(place->tensor->suffix);
        if (leaf == CNN_LEAVES || place->tensor->scale_slot)
            return fail_tensor(model, i, diag);
        if (i == 0 || model->tensors[i - 1].node != place->node) {
            struct cnn_unit *unit = &out->items[out->count++];
            *unit = new_unit();
            unit->node = place->node;
            unit->name = unit->shown = model->graph.nodes[place->node].name;
            if (!(unit->plain = make_plain(arena, unit->name)))
                return cnn_fail_memory(diag, 0, model->source);
        }
        struct cnn_unit *unit = &out->items[out->count - 1];
        unit->tensors[leaf] = i;
        if (leaf == CNN_LEAF_WEIGHT || leaf == CNN_LEAF_MEAN)
            set_shape(unit, place->tensor->rank, place->tensor->dims);
    }
    return CNN_OK;
}

/* ---- The file ---- */

struct part {           /* a tensor of the file */
    const char *module; /* its name without the leaf */
    const char *shown;
    size_t index, line, group; /* group: the first index of its module */
    enum cnn_leaf leaf;
    bool own; /* a parameter that its module has beside its layers */
};

static int compare_modules(const void *a, const void *b)
{
    const struct part *p = a, *q = b;
    int order = strcmp(p->module, q->module);
    return order ? order : (p->index > q->index) - (p->index < q->index);
}

static int compare_groups(const void *a, const void *b)
{
    const struct part *p = a, *q = b;
    if (p->group != q->group)
        return p->group < q->group ? -1 : 1;
    return (p->index > q->index) - (p->index < q->index);
}

/* A parameter that is named otherwise (layer_scale) is a module by itself, and its weight. */
static bool split_name(struct cnn_arena *arena, const char *name, const char *shown,
                       struct part *out)
{
    const char *dot = strrchr(name, '.'), *shown_dot = strrchr(shown, '.');
    out->leaf = find_leaf(dot ? dot + 1 : name);
    if (out->leaf == CNN_LEAVES) {
        out->leaf = CNN_LEAF_WEIGHT;
        out->own = true;
        out->module = cnn_arena_strdup(arena, name);
        out->shown = shown;
    } else {
        out->module = cnn_arena_strndup(arena, name, dot ? (size_t)(dot - name) : 0);
        out->shown = cnn_arena_strndup(arena, shown, shown_dot ? (size_t)(shown_dot - shown) : 0);
    }
    return out->module && out->shown;
}

static cnn_status list_parts(const struct cnn_weights *w, struct cnn_renaming *renaming,
                             struct cnn_arena *arena, struct part *parts, size_t *count)
{
    *count = 0;
    for (size_t i = 0; i < w->count; i++) {
        size_t line = 0;
        const char *shown = w->items[i].name,
                   *name = renaming ? cnn_renaming_apply(renaming, arena, shown, &line) : shown;
        struct part *part = &parts[*count];
        if (!name && line > 0)
            continue;
        *part = (struct part){.index = i, .line = line};
        if (!name || !split_name(arena, name, shown, part))
            return CNN_FAILED;
        ++*count;
    }
    qsort(parts, *count, sizeof *parts, compare_modules);
    for (size_t i = 0; i < *count; i++)
        parts[i].group = i > 0 && strcmp(parts[i].module, parts[i - 1].module) == 0
                             ? parts[i - 1].group
                             : parts[i].index;
    qsort(parts, *count, sizeof *parts, compare_groups);
    return CNN_OK;
}

static cnn_status make_units(const struct cnn_weights *w, const struct part *parts, size_t count,
                             struct cnn_arena *arena, struct cnn_units *out, cnn_diag *diag)
{
    for (size_t i = 0; i < count; i++) {
        const struct part *part = &parts[i];
        if (i == 0 || part->group != parts[i - 1].group) {
            struct cnn_unit *unit = &out->items[out->count++];
            *unit = new_unit();
            unit->name = part->module;
            unit->shown = part->shown;
            unit->own = part->own;
            if (!(unit->plain = make_plain(arena, unit->name)))
                return cnn_fail_memory(diag, 0, w->path);
        }
        struct cnn_unit *unit = &out->items[out->count - 1];
        if (unit->tensors[part->leaf] != SIZE_MAX)
            return cnn_fail(diag, CNN_INVALID, NULL, "%s: '%s' and '%s' both become '%s.%s'",
                            w->path, w->items[unit->tensors[part->leaf]].name,
                            w->items[part->index].name, unit->name, cnn_leaf_names[part->leaf]);
        unit->tensors[part->leaf] = part->index;
        unit->line = part->line ? part->line : unit->line;
        if (part->leaf == CNN_LEAF_WEIGHT || part->leaf == CNN_LEAF_MEAN)
            set_shape(unit, w->items[part->index].rank, w->items[part->index].dims);
    }
    return CNN_OK;
}

/* Length of what stands before the last part of a name, with the dot. */
static size_t parent_length(const struct cnn_unit *unit)
{
    const char *dot = strrchr(unit->name, '.');
    return dot ? (size_t)(dot - unit->name) + 1 : 0;
}

static bool has_parent(const struct cnn_unit *unit, const char *parent, size_t length)
{
    return strncmp(unit->name, parent, length) == 0;
}

/* PyTorch lists the parameters that a module has itself before those of its layers, which says
 * nothing of when they are used. Most (layer_scale) are used last: they are put behind the layers.
 */
static void move_own_parameters(struct cnn_units *units)
{
    for (size_t i = units->count; i-- > 0;) {
        const struct cnn_unit unit = units->items[i];
        const size_t length = parent_length(&unit);
        size_t last = i;
        while (unit.own && length > 0 && last + 1 < units->count) {
            const struct cnn_unit *next = &units->items[last + 1];
            if (!has_parent(next, unit.name, length) ||
                (next->own && parent_length(next) == length))
                break;
            last++;
        }
        memmove(units->items + i, units->items + i + 1, (last - i) * sizeof unit);
        units->items[last] = unit;
    }
}

cnn_status cnn_units_of_weights(const struct cnn_weights *weights, struct cnn_renaming *renaming,
                                struct cnn_arena *arena, struct cnn_units *out, cnn_diag *diag)
{
    struct part *parts = cnn_arena_array(arena, weights->count + 1, sizeof *parts);
    size_t count;
    out->count = 0;
    out->items = cnn_arena_array(arena, weights->count + 1, sizeof *out->items);
    if (!parts || !out->items || list_parts(weights, renaming, arena, parts, &count) != CNN_OK)
        return cnn_fail_memory(diag, weights->count * sizeof *parts, weights->path);
    cnn_status status = make_units(weights, parts, count, arena, out, diag);
    if (status == CNN_OK)
        move_own_parameters(out);
    return status;
}

/* ---- Labels ---- */

bool cnn_unit_is_norm(const struct cnn_unit *unit)
{
    return unit->tensors[CNN_LEAF_MEAN] != SIZE_MAX;
}

/* One number a channel, without a bias: a scale, or slopes. */
static bool is_bare(const struct cnn_unit *unit)
{
    return unit->rank <= 1 && unit->tensors[CNN_LEAF_BIAS] == SIZE_MAX && !cnn_unit_is_norm(unit);
}

static int compare_labels(const void *a, const void *b)
{
    const struct cnn_unit *s = *(const struct cnn_unit *const *)a,
                          *t = *(const struct cnn_unit *const *)b;
    if (cnn_unit_is_norm(s) != cnn_unit_is_norm(t))
        return cnn_unit_is_norm(s) ? -1 : 1;
    if (s->rank != t->rank)
        return s->rank < t->rank ? -1 : 1;
    for (size_t i = 0; i < s->rank; i++)
        if (s->dims[i] != t->dims[i])
            return s->dims[i] < t->dims[i] ? -1 : 1;
    return (int)is_bare(t) - (int)is_bare(s);
}

cnn_status cnn_units_label(struct cnn_units *ours, struct cnn_units *theirs, cnn_diag *diag)
{
    size_t count = ours->count + theirs->count;
    struct cnn_unit **all = cnn_malloc((count + 1) * sizeof *all);
    if (!all)
        return cnn_fail_memory(diag, count * sizeof *all, "a list of layers");
    for (size_t i = 0; i < ours->count; i++)
        all[i] = &ours->items[i];
    for (size_t i = 0; i < theirs->count; i++)
        all[ours->count + i] = &theirs->items[i];
    qsort(all, count, sizeof *all, compare_labels);
    for (size_t i = 0; i < count; i++)
        all[i]->label =
            i == 0 ? 0 : all[i - 1]->label + (compare_labels(&all[i - 1], &all[i]) != 0);
    cnn_free(all);
    return CNN_OK;
}

const char *cnn_unit_shape(const struct cnn_unit *unit, char *buffer, size_t size)
{
    size_t used = 0;
    snprintf(buffer, size, "1");
    for (size_t i = 0; i < unit->rank && used < size; i++)
        used += (size_t)snprintf(buffer + used, size - used, "%s%zu", i > 0 ? " x " : "",
                                 unit->dims[i]);
    return buffer;
}
