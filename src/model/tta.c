/* Test-time augmentation: the views of an image, and the mean of what the network gives for them.
 * `flip` is the image and its mirror image; `shift` is half of that and half of the same for the
 * image moved by one pixel along its diagonal, either way, with what comes in at the border
 * reflected. The views, their weights and the mean before softmax are those of Keller Jordan, "94%
 * on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024. */
#include "model/tta.h"

#include <string.h>

#include "util/parallel.h"

static const char *const names[] = {"none", "flip", "shift"};

enum { KINDS = sizeof names / sizeof *names };

/* Weights are powers of two: views that agree have a mean that is exactly theirs. */
static const struct view {
    ptrdiff_t shift; /* pixel (y, x) is the image's (y + shift, x + shift) */
    bool mirrored;
    float weights[KINDS]; /* of each kind; 0: the kind goes without it */
} views[] = {
    {0, false, {1, 0.5f, 0.25f}}, {0, true, {0, 0.5f, 0.25f}}, {-1, false, {0, 0, 0.125f}},
    {-1, true, {0, 0, 0.125f}},   {1, false, {0, 0, 0.125f}},  {1, true, {0, 0, 0.125f}},
};

const char *cnn_tta_name(cnn_tta tta)
{
    if ((unsigned)tta >= KINDS)
        return NULL;
    return names[tta];
}

cnn_status cnn_tta_find(const char *name, cnn_tta *out, cnn_diag *diag)
{
    if (!out)
        return cnn_fail_missing(diag, "cnn_tta_find", "out");
    for (size_t i = 0; i < KINDS; i++)
        if (!name || strcmp(name, names[i]) == 0) {
            *out = (cnn_tta)i;
            return CNN_OK;
        }
    cnn_fail(diag, CNN_INVALID, NULL, "there is no test-time augmentation '%s'", name);
    cnn_hint(diag, "none, flip or shift");
    return CNN_INVALID;
}

cnn_status cnn_tta_check(const cnn_model *model, cnn_tta tta, cnn_diag *diag)
{
    if (!model)
        return cnn_fail_missing(diag, "cnn_tta_check", "model");
    if ((unsigned)tta >= KINDS)
        return cnn_fail_index(diag, "test-time augmentation", (size_t)tta, KINDS);
    cnn_shape shape = cnn_graph_shape(&model->graph, cnn_graph_output(&model->graph));
    if (tta == CNN_TTA_NONE || shape.h * shape.w == 1)
        return CNN_OK;
    return cnn_fail(diag, CNN_INVALID, NULL,
                    "the last layer of %s gives %zu x %zu x %zu numbers; test-time augmentation "
                    "needs one number per class",
                    model->source, shape.c, shape.h, shape.w);
}

/* Index i of a line of `size` pixels that goes on at its ends as if reflected there; |i| reaches
 * one pixel beyond. */
static size_t reflect(ptrdiff_t i, size_t size)
{
    if (size == 1)
        return 0;
    if (i < 0)
        return (size_t)-i;
    return (size_t)i < size ? (size_t)i : 2 * size - 2 - (size_t)i;
}

static void copy_view(const struct view *view, cnn_shape shape, const float *image, float *out)
{
    if (view->shift == 0 && !view->mirrored) {
        memcpy(out, image, cnn_shape_count(shape) * sizeof *out);
        return;
    }
    for (size_t y = 0; y < shape.h; y++) {
        const float *row = image + reflect((ptrdiff_t)y + view->shift, shape.h) * shape.w * shape.c;
        for (size_t x = 0; x < shape.w; x++, out += shape.c) {
            size_t column = view->mirrored ? shape.w - 1 - x : x;
            memcpy(out, row + reflect((ptrdiff_t)column + view->shift, shape.w) * shape.c,
                   shape.c * sizeof *out);
        }
    }
}

struct copying {
    const struct view *view;
    cnn_shape shape;
    const float *images;
    float *out;
};

static void copy_task(void *context, size_t i, size_t thread)
{
    (void)thread;
    const struct copying *c = context;
    size_t place = i * cnn_shape_count(c->shape);
    copy_view(c->view, c->shape, c->images + place, c->out + place);
}

void cnn_tta_forward(const cnn_model *model, struct cnn_plan *plan, cnn_tta tta,
                     const struct cnn_tta_batch *batch)
{
    const struct cnn_graph *graph = &model->graph;
    float *logits = batch->logits, *output = batch->output;
    const bool there = batch->images == cnn_plan_input(plan);
    const size_t n = batch->n, count = n * cnn_shape_count(cnn_graph_shape(graph, graph->logits)),
                 outputs = cnn_model_outputs(model);
    for (size_t v = 0; v < sizeof views / sizeof *views; v++) {
        float weight = views[v].weights[tta];
        if (weight == 0)
            continue;
        struct copying copying = {&views[v], graph->input, batch->images, cnn_plan_input(plan)};
        if (!there)
            cnn_parallel_for(n, copy_task, &copying);
        cnn_plan_forward(plan, n, false, 0);
        const float *y = cnn_plan_value(plan, graph->logits);
        for (size_t i = 0; i < count; i++)
            logits[i] = v == 0 ? weight * y[i] : logits[i] + weight * y[i];
    }
    if (tta == CNN_TTA_NONE)
        memcpy(output, cnn_plan_value(plan, cnn_graph_output(graph)), n * outputs * sizeof *output);
    else if (graph->logits == cnn_graph_output(graph))
        memcpy(output, logits, n * outputs * sizeof *output);
    else
        cnn_softmax(logits, n, outputs, output);
}
