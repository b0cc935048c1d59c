/* Weights into a description: names first, then order; then the numbers. */
#include "formats/assign.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/assign_internal.h"
#include "util/allocate.h"

struct assignment {
    cnn_model *model;
    const struct cnn_weights *weights;
    const struct cnn_assign_options *options;
    struct cnn_arena *arena; /* of what is needed until it is done */
    struct cnn_renaming *renaming;
    struct cnn_units ours, theirs;
    struct cnn_assignment *out;
    cnn_diag *diag;
};

/* ---- By name ---- */

struct named {
    const char *plain;
    size_t index;
};

static int compare_named(const void *a, const void *b)
{
    return strcmp(((const struct named *)a)->plain, ((const struct named *)b)->plain);
}

/* The one unit of this name; NULL where there is none, or more than one. */
static struct cnn_unit *find_named(const struct cnn_units *units, const struct named *names,
                                   const char *plain)
{
    const struct named key = {plain, 0};
    const struct named *found = bsearch(&key, names, units->count, sizeof key, compare_named);
    if (!found || (found > names && compare_named(found - 1, found) == 0) ||
        (found + 1 < names + units->count && compare_named(found, found + 1) == 0))
        return NULL;
    return &units->items[found->index];
}

static cnn_status fail_renamed(const struct assignment *a, const struct cnn_unit *theirs,
                               const struct cnn_unit *ours)
{
    char shapes[2][160];
    const char *path = cnn_renaming_path(a->renaming);
    if (!ours)
        return cnn_fail(a->diag, CNN_INVALID, NULL,
                        "%s: line %zu: %s has no layer with weights named '%s'", path, theirs->line,
                        a->model->source, theirs->name);
    return cnn_fail(a->diag, CNN_INVALID, NULL, "%s: line %zu: '%s' is %s, but layer '%s' is %s",
                    path, theirs->line, theirs->shown,
                    cnn_unit_shape(theirs, shapes[0], sizeof shapes[0]), ours->name,
                    cnn_unit_shape(ours, shapes[1], sizeof shapes[1]));
}

static void pair(struct assignment *a, struct cnn_unit *theirs, struct cnn_unit *ours,
                 enum cnn_how how)
{
    theirs->peer = (size_t)(ours - a->ours.items);
    ours->peer = (size_t)(theirs - a->theirs.items);
    theirs->how = ours->how = how;
}

static cnn_status match_names(struct assignment *a)
{
    cnn_status status = CNN_OK;
    struct named *names = cnn_arena_array(a->arena, a->ours.count + 1, sizeof *names);
    if (!names)
        return cnn_fail_memory(a->diag, a->ours.count * sizeof *names, "a list of layers");
    for (size_t i = 0; i < a->ours.count; i++)
        names[i] = (struct named){a->ours.items[i].plain, i};
    qsort(names, a->ours.count, sizeof *names, compare_named);
    for (int renamed = 1; renamed >= 0; renamed--) /* those of the rename file come first */
        for (size_t i = 0; i < a->theirs.count; i++) {
            struct cnn_unit *theirs = &a->theirs.items[i];
            if ((theirs->line > 0) != renamed)
                continue;
            struct cnn_unit *ours = find_named(&a->ours, names, theirs->plain);
            bool fits = ours && ours->how == CNN_HOW_NOT && ours->label == theirs->label;
            if (fits)
                pair(a, theirs, ours, renamed ? CNN_HOW_RENAMED : CNN_HOW_NAME);
            else if (renamed)
                status = fail_renamed(a, theirs, ours);
        }
    return status;
}

/* ---- By order ---- */

enum { LISTED = 6 }; /* in a message; the others are counted */

struct tally { /* of the units without a peer that bear one label */
    size_t ours, theirs;
};

static cnn_status count_labels(const struct assignment *a, struct tally **out)
{
    size_t count = a->ours.count + a->theirs.count;
    struct tally *tallies = cnn_arena_array(a->arena, count + 1, sizeof *tallies);
    if (!tallies)
        return cnn_fail_memory(a->diag, count * sizeof *tallies, "a list of layers");
    for (size_t i = 0; i < a->ours.count; i++)
        tallies[a->ours.items[i].label].ours += a->ours.items[i].how == CNN_HOW_NOT;
    for (size_t i = 0; i < a->theirs.count; i++)
        tallies[a->theirs.items[i].label].theirs += a->theirs.items[i].how == CNN_HOW_NOT;
    *out = tallies;
    return CNN_OK;
}

/* How many units stand on the two sides in different numbers. shapes: for an error, which lists the
 * first of them, with their shapes; else all are listed. */
static size_t list_units(const struct cnn_units *units, const struct tally *tallies, bool shapes,
                         struct cnn_text *out)
{
    char shape[160];
    size_t count = 0;
    for (size_t i = 0; i < units->count; i++) {
        const struct cnn_unit *unit = &units->items[i];
        const struct tally *t = unit->label != SIZE_MAX ? &tallies[unit->label] : NULL;
        if (unit->how != CNN_HOW_NOT || (t && t->ours == t->theirs))
            continue;
        if (shapes && count++ >= LISTED)
            continue;
        cnn_text_printf(out, "%s%s", out->size > 0 ? ", " : "", unit->shown);
        if (shapes)
            cnn_text_printf(out, " (%s%s)", cnn_unit_is_norm(unit) ? "batch_norm " : "",
                            cnn_unit_shape(unit, shape, sizeof shape));
    }
    if (count > LISTED)
        cnn_text_printf(out, " and %zu more", count - LISTED);
    return count;
}

/* Units whose kind and shape stand on the two sides in different numbers. */
static cnn_status check_tallies(struct assignment *a, const struct tally *tallies)
{
    struct cnn_text left = {0}, missing = {0};
    const size_t theirs = list_units(&a->theirs, tallies, true, &left),
                 ours = list_units(&a->ours, tallies, true, &missing);
    cnn_status status = CNN_OK;
    if (left.failed || missing.failed)
        status = cnn_fail_memory(a->diag, left.size + missing.size, "a message");
    if (status == CNN_OK && left.size > 0) {
        status = cnn_fail(
            a->diag, CNN_INVALID, NULL,
            "%s: left over, because %s does not have so many layers of their kind and shape: "
            "%s",
            a->weights->path, a->model->source, left.data);
        cnn_hint(a->diag, "a line \"NAME -\" in a file for --rename leaves one out");
    }
    if (status != CNN_FAILED && missing.size > 0)
        status = cnn_fail(a->diag, CNN_INVALID, NULL,
                          "%s: layers of %s have no weights of their kind and shape in it: %s",
                          a->weights->path, a->model->source, missing.data);
    if (status != CNN_FAILED && theirs > LISTED && ours > LISTED)
        cnn_hint(a->diag, "%zu of %zu layers fit: is this the network of these weights?",
                 a->ours.count - ours, a->ours.count);
    cnn_text_free(&left);
    cnn_text_free(&missing);
    return status;
}

/* Where one side alone has layers of a kind and shape, or has more of them, they stay out. */
static cnn_status set_aside(struct assignment *a, const struct tally *tallies)
{
    list_units(&a->theirs, tallies, false, &a->out->left);
    list_units(&a->ours, tallies, false, &a->out->missing);
    struct cnn_units *const sides[] = {&a->ours, &a->theirs};
    for (size_t s = 0; s < 2; s++)
        for (size_t i = 0; i < sides[s]->count; i++) {
            struct cnn_unit *unit = &sides[s]->items[i];
            if (unit->how == CNN_HOW_NOT &&
                tallies[unit->label].ours != tallies[unit->label].theirs)
                unit->label = SIZE_MAX;
        }
    return a->out->left.failed || a->out->missing.failed ? cnn_fail_memory(a->diag, 0, "a message")
                                                         : CNN_OK;
}

static cnn_status fail_order(const struct assignment *a)
{
    cnn_fail(
        a->diag, CNN_INVALID, NULL,
        "%s has the layers of %s by kind and shape, but not in an order in which they could be "
        "computed",
        a->weights->path, a->model->source);
    cnn_hint(a->diag, "give --rename a file that says which is which: \"their-name our-name\" in "
                      "each line");
    return CNN_INVALID;
}

static cnn_status fail_ambiguous(const struct assignment *a, const struct cnn_text *lines,
                                 const struct cnn_text *example)
{
    if (lines->failed || example->failed)
        return cnn_fail_memory(a->diag, lines->size, "a message");
    for (char *line = lines->data, *end; line && *line; line = end + 1) {
        end = strchr(line, '\n');
        cnn_fail(a->diag, CNN_INVALID, NULL, "%s: %.*s", a->weights->path, (int)(end - line), line);
    }
    cnn_hint(a->diag,
             "%s: name the layers alike, or say it in a file for --rename, in lines like \"%s\"",
             a->weights->sorted ? "the file is sorted by name, so its order says nothing"
                                : "kind, shape and order fit more than once",
             example->data);
    return CNN_INVALID;
}

static cnn_status match_order(struct assignment *a)
{
    struct cnn_text ambiguous = {0}, example = {0};
    struct tally *tallies = NULL;
    bool found = false, same = false;
    cnn_status status = count_labels(a, &tallies);
    if (status == CNN_OK)
        status = a->options->partial ? set_aside(a, tallies) : check_tallies(a, tallies);
    const struct cnn_order_request request = {a->model,   &a->ours, &a->theirs,
                                              &ambiguous, &example, &same};
    if (status == CNN_OK && a->weights->sorted)
        cnn_assign_sorted(&request);
    else if (status == CNN_OK)
        status = cnn_assign_by_order(&request, &found, a->diag);
    if (status == CNN_OK && !found && !a->weights->sorted)
        status = fail_order(a);
    if (status == CNN_OK && same && !a->options->partial && !ambiguous.failed) {
        a->out->guesses = ambiguous;
        ambiguous = (struct cnn_text){0};
    }
    if (status == CNN_OK && (ambiguous.size > 0 || ambiguous.failed))
        status = fail_ambiguous(a, &ambiguous, &example);
    cnn_text_free(&ambiguous);
    cnn_text_free(&example);
    return status;
}

static bool all_named(const struct assignment *a)
{
    const struct cnn_units *const sides[] = {&a->ours, &a->theirs};
    for (size_t s = 0; s < 2; s++)
        for (size_t i = 0; i < sides[s]->count; i++)
            if (sides[s]->items[i].how == CNN_HOW_NOT)
                return false;
    return true;
}

/* ---- Tensors ---- */

static bool same_shape(const struct cnn_weight *theirs, const struct cnn_tensor *ours)
{
    size_t ranks[2] = {theirs->rank, ours->rank};
    while (ranks[0] > 0 && theirs->dims[ranks[0] - 1] == 1)
        ranks[0]--;
    while (ranks[1] > 0 && ours->dims[ranks[1] - 1] == 1)
        ranks[1]--;
    return ranks[0] == ranks[1] && theirs->count == ours->count &&
           memcmp(theirs->dims, ours->dims, ranks[0] * sizeof *ours->dims) == 0;
}

static cnn_status fail_leaf(const struct assignment *a, const struct cnn_unit *theirs,
                            const struct cnn_unit *ours, enum cnn_leaf leaf)
{
    bool left = ours->tensors[leaf] == SIZE_MAX;
    cnn_status status =
        left
            ? cnn_fail(a->diag, CNN_INVALID, NULL, "%s: '%s.%s' is left over: layer '%s' has none",
                       a->weights->path, theirs->shown, cnn_leaf_names[leaf], ours->name)
            : cnn_fail(a->diag, CNN_INVALID, NULL, "%s: '%s.%s' is missing, which layer '%s' wants",
                       a->weights->path, theirs->shown, cnn_leaf_names[leaf], ours->name);
    if (leaf == CNN_LEAF_BIAS && ours->rank > 1)
        cnn_hint(a->diag, "bias: %s in that layer", left ? "true" : "false");
    return status;
}

/* That two units have the same tensors, of the same shapes and of types that are read. */
static cnn_status check_pair(const struct assignment *a, const struct cnn_unit *theirs,
                             const struct cnn_unit *ours)
{
    cnn_status status = CNN_OK;
    for (int leaf = 0; leaf < CNN_LEAVES; leaf++) {
        size_t t = theirs->tensors[leaf], o = ours->tensors[leaf];
        if (t == SIZE_MAX && o == SIZE_MAX)
            continue;
        if (t == SIZE_MAX || o == SIZE_MAX) {
            status = fail_leaf(a, theirs, ours, (enum cnn_leaf)leaf);
            continue;
        }
        const struct cnn_weight *weight = &a->weights->items[t];
        char shape[160];
        if (weight->type == CNN_WEIGHT_OTHER)
            status = cnn_fail(a->diag, CNN_INVALID, NULL,
                              "%s: tensor '%s' is of a type that is not read", a->weights->path,
                              weight->name);
        else if (!same_shape(weight, a->model->tensors[o].tensor))
            status = cnn_fail(a->diag, CNN_INVALID, NULL,
                              "%s: tensor '%s' is %s, which does not fit '%s'", a->weights->path,
                              weight->name, cnn_weight_shape(weight, shape, sizeof shape),
                              a->model->tensors[o].name);
    }
    return status;
}

static cnn_status take_tensor(struct assignment *a, const struct cnn_weight *weight,
                              const struct cnn_tensor_place *place)
{
    float *values = a->model->parameters + place->tensor->offset;
    const size_t large = cnn_weight_read(weight, values);
    if (large != SIZE_MAX)
        return cnn_fail(a->diag, CNN_FAILED, NULL,
                        "%s: tensor '%s': number %zu of %zu is too large for float32",
                        a->weights->path, weight->name, large + 1, weight->count);
    a->out->tensors++;
    const char *wrong = place->tensor->check ? place->tensor->check(place->tensor, values) : NULL;
    return wrong ? cnn_fail(a->diag, CNN_FAILED, NULL, "%s: tensor '%s': %s", a->weights->path,
                            weight->name, wrong)
                 : CNN_OK;
}

static cnn_status add_row(struct assignment *a, const struct cnn_unit *theirs,
                          const struct cnn_unit *ours)
{
    static const char *const hows[] = {
        [CNN_HOW_RENAMED] = "renamed", [CNN_HOW_NAME] = "name", [CNN_HOW_ORDER] = "order"};
    struct cnn_arena *arena = a->model->arena;
    char shape[160];
    int first = 0;
    while (theirs->tensors[first] == SIZE_MAX)
        first++;
    cnn_import_row *row = &a->out->rows[a->out->row_count++];
    row->from = cnn_arena_strdup(arena, theirs->shown);
    row->to = ours->name;
    row->shape = cnn_arena_strdup(
        arena, cnn_weight_shape(&a->weights->items[theirs->tensors[first]], shape, sizeof shape));
    row->type = a->model->graph.nodes[ours->node].type->variant.name;
    row->how = hows[ours->how];
    return row->from && row->shape ? CNN_OK : cnn_fail_memory(a->diag, 0, a->weights->path);
}

static cnn_status take_pairs(struct assignment *a)
{
    cnn_status status = CNN_OK;
    for (size_t i = 0; i < a->theirs.count; i++)
        if (a->theirs.items[i].how != CNN_HOW_NOT &&
            check_pair(a, &a->theirs.items[i], &a->ours.items[a->theirs.items[i].peer]) != CNN_OK)
            status = CNN_INVALID;
    if (status == CNN_OK)
        status = cnn_model_allocate(a->model, a->diag);
    a->out->rows = cnn_arena_array(a->model->arena, a->ours.count + 1, sizeof *a->out->rows);
    if (status == CNN_OK && !a->out->rows)
        status = cnn_fail_memory(a->diag, a->ours.count * sizeof *a->out->rows, "a table");
    for (size_t i = 0; i < a->theirs.count && status == CNN_OK; i++) {
        const struct cnn_unit *theirs = &a->theirs.items[i];
        if (theirs->how == CNN_HOW_NOT)
            continue;
        const struct cnn_unit *ours = &a->ours.items[theirs->peer];
        for (int leaf = 0; leaf < CNN_LEAVES && status == CNN_OK; leaf++)
            if (ours->tensors[leaf] != SIZE_MAX)
                status = take_tensor(a, &a->weights->items[theirs->tensors[leaf]],
                                     &a->model->tensors[ours->tensors[leaf]]);
        if (status == CNN_OK)
            status = add_row(a, theirs, ours);
    }
    return status;
}

static cnn_status list_sides(struct assignment *a)
{
    cnn_status status = CNN_OK;
    if (a->options->rename)
        status = cnn_renaming_read(a->arena, a->options->rename, &a->renaming, a->diag);
    if (status == CNN_OK)
        status = cnn_units_of_model(a->model, a->arena, &a->ours, a->diag);
    if (status == CNN_OK)
        status = cnn_units_of_weights(a->weights, a->renaming, a->arena, &a->theirs, a->diag);
    if (status == CNN_OK && a->renaming)
        status = cnn_renaming_check(a->renaming, a->weights->path, a->diag);
    return status == CNN_OK ? cnn_units_label(&a->ours, &a->theirs, a->diag) : status;
}

static cnn_status assign(struct assignment *a)
{
    cnn_status status = list_sides(a);
    if (status == CNN_OK)
        status = match_names(a);
    if (status == CNN_OK && !all_named(a))
        status = match_order(a);
    return status == CNN_OK ? take_pairs(a) : status;
}

cnn_status cnn_assign(cnn_model *model, const struct cnn_weights *weights,
                      const struct cnn_assign_options *options, struct cnn_assignment *out,
                      cnn_diag *diag)
{
    struct assignment a = {.model = model,
                           .weights = weights,
                           .options = options,
                           .arena = cnn_arena_new(),
                           .out = out,
                           .diag = diag};
    *out = (struct cnn_assignment){0};
    cnn_status status = a.arena ? assign(&a) : cnn_fail_memory(diag, 0, weights->path);
    cnn_arena_free(a.arena);
    if (status != CNN_OK)
        cnn_assignment_free(out);
    return status;
}

void cnn_assignment_free(struct cnn_assignment *assignment)
{
    cnn_text_free(&assignment->guesses);
    cnn_text_free(&assignment->left);
    cnn_text_free(&assignment->missing);
}
