/* Losses: the list of them, from losses.def, class weights, and the sums over a batch. Where images
 * are mixed (Zhang et al., "mixup", 2018), the target is the mixture of two. The mean over images
 * is weighted by the weight of each one's class, as PyTorch's for class indices (its mean for
 * probabilities ignores the weights); a mixed image has the mixture of two. Sums are in double and
 * in the order of the images. */
#include "recipe/loss.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "recipe/loss_type.h"

#define LOSS(name) extern const struct cnn_loss_type cnn_loss_##name;
#include "recipe/losses.def"
#undef LOSS

#define LOSS(name) &cnn_loss_##name.variant,
static const struct cnn_variant *const variants[] = {
#include "recipe/losses.def"
};
#undef LOSS

const struct cnn_kind cnn_losses = {
    .what = "loss", .variants = variants, .count = sizeof variants / sizeof *variants};

static cnn_status fail_weights(const struct cnn_yaml *node, cnn_diag *diag)
{
    static const char *const words[] = {"none", "balanced"};
    char found[80];
    cnn_fail(diag, CNN_INVALID, &node->where,
             "class_weights: none, balanced or a list of numbers above 0 is wanted, not %s",
             cnn_yaml_describe(node, found, sizeof found));
    const char *near =
        node->kind == CNN_YAML_SCALAR ? cnn_nearest_word(node->text, words, 2) : NULL;
    if (near)
        cnn_hint(diag, "did you mean '%s'?", near);
    return CNN_INVALID;
}

static cnn_status read_weights(struct cnn_arena *arena, struct cnn_loss *loss, cnn_diag *diag)
{
    const struct cnn_yaml *node = loss->own->class_weights;
    if (!node || cnn_yaml_is_null(node) ||
        (node->kind == CNN_YAML_SCALAR && strcmp(node->text, "none") == 0))
        return CNN_OK;
    loss->balanced = node->kind == CNN_YAML_SCALAR && strcmp(node->text, "balanced") == 0;
    if (loss->balanced)
        return CNN_OK;
    if (node->kind != CNN_YAML_SEQUENCE || node->count == 0)
        return fail_weights(node, diag);
    double *values = cnn_arena_array(arena, node->count, sizeof *values);
    if (!values)
        return cnn_fail_memory(diag, node->count * sizeof *values, "class weights");
    for (size_t i = 0; i < node->count; i++)
        if (!cnn_yaml_as_number(node->items[i], &values[i]) ||
            !(values[i] > 0 && isfinite(values[i])))
            return fail_weights(node->items[i], diag);
    loss->class_weights = (struct cnn_numbers){values, node->count};
    return CNN_OK;
}

cnn_status cnn_loss_balance(struct cnn_arena *arena, const size_t *counts, size_t classes,
                            struct cnn_loss *loss, cnn_diag *diag)
{
    double images = 0, *values = cnn_arena_array(arena, classes, sizeof *values);
    if (!values)
        return cnn_fail_memory(diag, classes * sizeof *values, "class weights");
    for (size_t i = 0; i < classes; i++)
        images += (double)counts[i];
    for (size_t i = 0; i < classes; i++)
        values[i] = images / ((double)classes * (double)counts[i]);
    loss->class_weights = (struct cnn_numbers){values, classes};
    return CNN_OK;
}

cnn_status cnn_loss_read(struct cnn_arena *arena, const struct cnn_yaml *node, struct cnn_loss *out,
                         cnn_diag *diag)
{
    const struct cnn_variant *chosen;
    void *settings;
    cnn_status status = cnn_kind_read(arena, &cnn_losses, node, &chosen, &settings, diag);
    if (status != CNN_OK)
        return status;
    *out = (struct cnn_loss){.type = (const struct cnn_loss_type *)chosen, .own = settings};
    return read_weights(arena, out, diag);
}

static struct cnn_loss_row row_of(const struct cnn_loss *loss, const struct cnn_targets *targets,
                                  size_t i)
{
    struct cnn_loss_row row = {.label = targets->labels[i],
                               .other = targets->labels[i],
                               .share = 1,
                               .weights = loss->class_weights.count > 0 ? loss->class_weights.values
                                                                        : NULL};
    if (targets->others) {
        row.other = targets->others[i];
        row.share = (double)targets->shares[i];
    }
    return row;
}

static double image_weight(const struct cnn_loss_row *row)
{
    return row->share * cnn_class_weight(row, row->label) +
           (1 - row->share) * cnn_class_weight(row, row->other);
}

double cnn_loss_explain(const struct cnn_loss *loss, size_t classes, const float *y, size_t label,
                        const char *const *names, struct cnn_text *out)
{
    const struct cnn_targets targets = {.labels = &label};
    struct cnn_loss_row row = row_of(loss, &targets, 0);
    row.classes = classes;
    row.y = y;
    row.total = image_weight(&row);
    return loss->type->explain(loss->own, &row, names, out);
}

size_t cnn_label_rank(size_t classes, const float *y, size_t label)
{
    return cnn_kernels()->rank(classes, y, label);
}

static double total_weight(const struct cnn_loss *loss, size_t n, const struct cnn_targets *targets)
{
    double weight = 0;
    for (size_t i = 0; i < n; i++) {
        const struct cnn_loss_row row = row_of(loss, targets, i);
        weight += image_weight(&row);
    }
    return weight;
}

/* Adds image i, whose y and dy are given. */
static void add_image(const struct cnn_loss *loss, const struct cnn_targets *targets, size_t i,
                      struct cnn_loss_row at, struct cnn_loss_result *result)
{
    const struct cnn_kernels *kernels = cnn_kernels();
    struct cnn_loss_row row = row_of(loss, targets, i);
    assert(row.label < at.classes && row.other < at.classes);
    row.classes = at.classes;
    row.y = at.y;
    row.dy = at.dy;
    row.total = at.total;
    result->loss += loss->type->row(kernels, loss->own, &row);
    size_t rank = kernels->rank(row.classes, row.y, row.share >= 0.5 ? row.label : row.other);
    result->correct += rank == 0;
    result->top5 += rank < 5 && rank < row.classes;
}

struct cnn_loss_result cnn_loss_compute(const struct cnn_loss *loss, size_t n, size_t classes,
                                        const float *y, const struct cnn_targets *targets,
                                        float *dy)
{
    struct cnn_loss_result result = {.weight = total_weight(loss, n, targets)};
    assert(loss->class_weights.count == 0 || loss->class_weights.count == classes);
    for (size_t i = 0; i < n; i++)
        add_image(loss, targets, i,
                  (struct cnn_loss_row){.classes = classes,
                                        .y = y + i * classes,
                                        .dy = dy ? dy + i * classes : NULL,
                                        .total = result.weight},
                  &result);
    result.finite = isfinite(result.loss);
    return result;
}

/* What is added up over a part, as processes send it. */
struct part_loss {
    double loss, correct, top5;
};

static double sum_halves(const struct part_loss *parts, size_t count)
{
    return count == 1 ? parts->loss
                      : sum_halves(parts, count / 2) + sum_halves(parts + count / 2, count / 2);
}

/* The parts of the other processes. */
static void exchange(const struct cnn_ranks *ranks, size_t images, struct part_loss *parts)
{
    size_t offsets[CNN_PARTS_MOST + 1] = {0};
    for (size_t rank = 0; rank < ranks->count; rank++)
        offsets[rank + 1] = cnn_parts_of(images, rank, ranks->count).end * sizeof *parts;
    ranks->gather(ranks->context, parts, offsets);
}

struct cnn_loss_result cnn_loss_share(const struct cnn_loss *loss,
                                      const struct cnn_loss_share *share)
{
    const struct cnn_parts *run = &share->run;
    struct part_loss parts[CNN_PARTS_MOST] = {{0}};
    struct cnn_loss_result result = {.weight = total_weight(loss, run->images, share->targets)};
    size_t at = 0;
    for (size_t part = run->first; part < run->end; part++) {
        struct cnn_loss_result sum = {0};
        for (size_t i = cnn_parts_image(run, part); i < cnn_parts_image(run, part + 1); i++) {
            const struct cnn_loss_row row = {.classes = share->classes,
                                             .y = share->y + at,
                                             .dy = share->dy + at,
                                             .total = result.weight};
            add_image(loss, share->targets, i, row, &sum);
            at += share->classes;
        }
        parts[part] = (struct part_loss){sum.loss, (double)sum.correct, (double)sum.top5};
    }
    if (share->ranks)
        exchange(share->ranks, run->images, parts);
    result.loss = sum_halves(parts, run->count);
    for (size_t part = 0; part < run->count; part++) {
        result.correct += (size_t)parts[part].correct;
        result.top5 += (size_t)parts[part].top5;
    }
    result.finite = isfinite(result.loss);
    return result;
}
