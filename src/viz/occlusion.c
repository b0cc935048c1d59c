/* Explanation by hiding: how the probability of a class drops when a patch of the picture is
 * covered. See attribution.h. */
#include <math.h>
#include <string.h>

#include "util/allocate.h"
#include "viz/attribution.h"
#include "viz/gradient.h"

#define OCCLUSION_BATCH 32 /* covered pictures at a time */

static size_t at_least_one(double size)
{
    return size < 1 ? 1 : (size_t)lround(size);
}

/* Of the side of the square that has as many pixels, so that there are about 256 patches whatever
 * the shape. */
struct cnn_occlusion cnn_occlusion_geometry(cnn_shape input)
{
    double side = sqrt((double)(input.h * input.w));
    size_t step = at_least_one(side / 16);
    return (struct cnn_occlusion){.size = at_least_one(side / 4),
                                  .step = step,
                                  .rows = (input.h - 1) / step + 1,
                                  .columns = (input.w - 1) / step + 1};
}

/* x with patch `index` (row by row) filled. */
static void cover(cnn_shape shape, const struct cnn_occlusion *settings, size_t index,
                  const float *x, float *covered)
{
    size_t top = index / settings->columns * settings->step,
           left = index % settings->columns * settings->step;
    memcpy(covered, x, cnn_shape_count(shape) * sizeof *x);
    for (size_t row = top; row < shape.h && row < top + settings->size; row++)
        for (size_t column = left; column < shape.w && column < left + settings->size; column++)
            memcpy(covered + (row * shape.w + column) * shape.c, settings->fill,
                   shape.c * sizeof *x);
}

/* The class's probability for each of the n pictures in the plan. scratch: n times the number of
 * classes. */
static void run_pictures(const cnn_model *model, struct cnn_plan *plan, size_t n, size_t class,
                         float *scratch, float *probability)
{
    size_t classes = cnn_model_outputs(model);
    cnn_plan_forward(plan, n, false, 0);
    cnn_model_probabilities(model, cnn_plan_value(plan, cnn_graph_output(&model->graph)), n,
                            scratch);
    for (size_t i = 0; i < n; i++)
        probability[i] = scratch[i * classes + class];
}

cnn_status cnn_occlusion(cnn_model *model, const float *x, size_t class,
                         const struct cnn_occlusion *settings, float *drop, cnn_diag *diag)
{
    cnn_shape shape = model->graph.input;
    size_t logits, size = cnn_shape_count(shape), patches = settings->rows * settings->columns;
    size_t batch = patches < OCCLUSION_BATCH ? patches : OCCLUSION_BATCH;
    struct cnn_plan *plan = NULL;
    float *scratch = cnn_calloc(batch, cnn_model_outputs(model) * sizeof *scratch), whole;
    cnn_status status = scratch ? cnn_class_value(model, class, &logits, diag)
                                : cnn_fail_memory(diag, batch * sizeof *scratch, "probabilities");
    if (status == CNN_OK)
        status = cnn_plan_new(&model->graph, model->parameters,
                              &(struct cnn_plan_options){.batch = batch, .mode = CNN_PLAN_INFER},
                              &plan, diag);
    if (status == CNN_OK) {
        memcpy(cnn_plan_input(plan), x, size * sizeof *x);
        run_pictures(model, plan, 1, class, scratch, &whole);
    }
    for (size_t done = 0; status == CNN_OK && done < patches; done += batch) {
        size_t n = patches - done < batch ? patches - done : batch;
        if (cnn_flag_raised(settings->stop)) {
            status = CNN_INTERRUPTED;
            break;
        }
        for (size_t i = 0; i < n; i++)
            cover(shape, settings, done + i, x, cnn_plan_input(plan) + i * size);
        run_pictures(model, plan, n, class, scratch, drop + done);
        for (size_t i = 0; i < n; i++)
            drop[done + i] = whole - drop[done + i];
    }
    cnn_plan_free(plan);
    cnn_free(scratch);
    return status;
}
