/* Checks by computing: one batch of training images as they are, forward and back, and for the time
 * of an epoch some whole steps. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "recipe/loss_type.h"
#include "train/check.h"
#include "util/allocate.h"
#include "util/arena.h"
#include "util/clock.h"

#define FEW  8   /* images are looked at, at least */
#define MANY 256 /* and at most */
/* of the training images, one in so many is looked at when there is no time */
#define SHARE 100
/* times the loss of a network that knows nothing: its first answers say too much. Ordinary first
 * weights (he_normal) come to about 1.5, behind max pooling to 1.8. */
#define SURE          2.0
#define FAR_OFF       5.0 /* times that loss: something is wrong */
#define OFF_CENTRE    2.0 /* mean of a channel, in the units that the network sees */
#define STRETCHED     5.0 /* its deviation, at most and at least */
#define FLAT          0.05
#define NEAR_CENTRE   0.5 /* what normalized images come to, nearly */
#define NEAR_STRETCH  2.0
#define NAMED         5 /* layers, in a list of them */
#define TIMED_STEPS   50
#define TIMED_SECONDS 1.5

struct sample { /* the images that are looked at */
    size_t n;
    size_t *labels;
    float *images;   /* as the network sees them, in the plan's input */
    uint8_t *buffer; /* of one image */
};

/* Images from all over the data set, for some are sorted by class. */
static bool take_sample(const struct cnn_check *check, struct sample *out)
{
    const struct cnn_training *t = check->t;
    const cnn_shape shape = t->model->graph.input;
    size_t count = cnn_dataset_count(t->train), batch = t->model->recipe.batch_size,
           few = count / SHARE < FEW ? FEW : count / SHARE;
    size_t limit = check->thorough ? MANY : few < MANY ? few : MANY;
    out->n = limit < batch ? limit : batch;
    out->n = out->n < count ? out->n : count;
    out->labels = cnn_calloc(out->n, sizeof *out->labels);
    out->buffer = cnn_malloc(cnn_shape_count(shape));
    out->images = cnn_plan_input(t->step.plan);
    for (size_t i = 0; out->labels && out->buffer && i < out->n; i++) {
        size_t image = i * (count / out->n);
        out->labels[i] = cnn_dataset_label(t->train, image);
        cnn_normalize(&t->model->normalization, cnn_dataset_read(t->train, image, out->buffer),
                      shape.h * shape.w, out->images + i * cnn_shape_count(shape));
    }
    return out->labels && out->buffer;
}

static void measure_channel(const struct sample *sample, cnn_shape shape, size_t c, double *mean,
                            double *std)
{
    size_t count = sample->n * shape.h * shape.w;
    double sum = 0, squares = 0;
    for (size_t i = 0; i < count; i++)
        sum += sample->images[i * shape.c + c];
    *mean = sum / (double)count;
    for (size_t i = 0; i < count; i++) {
        double distance = sample->images[i * shape.c + c] - *mean;
        squares += distance * distance;
    }
    *std = sqrt(squares / (double)count);
}

/* Of several channels the first that is wrong is named. */
static void check_inputs(struct cnn_check *check, const struct sample *sample)
{
    const cnn_model *model = check->t->model;
    const cnn_shape shape = model->graph.input;
    const char *hint =
        model->data.normalize_auto
            ? NULL
            : "data.normalize: auto takes mean and deviation from the training images";
    struct cnn_text list = {0};
    bool near = true;
    for (size_t c = 0; c < shape.c; c++) {
        double mean, std;
        measure_channel(sample, shape, c, &mean, &std);
        cnn_text_printf(&list, "%s%.2f (%.2f)", c > 0 ? ", " : "", mean, std);
        near = near && fabs(mean) < NEAR_CENTRE && std < NEAR_STRETCH && std > 1 / NEAR_STRETCH;
        if (std == 0)
            cnn_check_add(
                check, "inputs", CNN_CHECK_WARNING, NULL,
                "channel %zu is %g in every pixel of the %zu images looked at: it says nothing", c,
                mean, sample->n);
        else if (fabs(mean) > OFF_CENTRE || std > STRETCHED || std < FLAT)
            cnn_check_add(
                check, "inputs", CNN_CHECK_WARNING, hint,
                "the network sees channel %zu with mean %.3g and deviation %.3g, far from 0 and 1",
                c, mean, std);
        else
            continue;
        cnn_text_free(&list);
        return;
    }
    if (list.failed)
        check->want = CNN_WANT_MEMORY;
    else
        cnn_check_add(check, "inputs", near ? CNN_CHECK_FINE : CNN_CHECK_REMARK, near ? NULL : hint,
                      "mean (deviation) of the channels: %s%s", list.data,
                      near ? "" : "; 0 (1) is learned from best");
    cnn_text_free(&list);
}

static void check_loss(struct cnn_check *check, double loss, bool finite)
{
    const cnn_model *model = check->t->model;
    const size_t classes = check->t->step.classes;
    const struct cnn_loss_type *type = model->loss.type;
    char formula[48] = "";
    const double blank = type->blank ? type->blank(classes, formula, sizeof formula) : 0,
                 ratio = loss / blank;
    if (!finite)
        cnn_check_add(
            check, "loss", CNN_CHECK_WRONG,
            "smaller first weights, a batch_norm after each conv, or data.normalize: auto",
            "the first loss is not a finite number");
    else if (!type->blank || classes < 2)
        cnn_check_add(check, "loss", CNN_CHECK_FINE, NULL, "%.3g at first", loss);
    else if (ratio > FAR_OFF)
        cnn_check_add(check, "loss", CNN_CHECK_WARNING,
                      "look at normalize, at the labels, and at the last layer's init",
                      "%.4g at first, far from %s = %.4g of a network that knows nothing", loss,
                      formula, blank);
    else if (ratio > SURE)
        cnn_check_add(
            check, "loss", CNN_CHECK_REMARK,
            "`init: lecun_normal` or `init: zeros` lets the last layer begin with smaller answers",
            "%.4g at first, above %s = %.4g of a network that knows nothing: its first "
            "answers are too sure",
            loss, formula, blank);
    else
        cnn_check_add(check, "loss", CNN_CHECK_FINE, NULL,
                      "%.4g at first; a network that knows nothing has %s = %.4g", loss, formula,
                      blank);
}

enum gradient { GRADIENT_ZERO, GRADIENT_ALIVE, GRADIENT_LOST };

struct layer_gradients {
    const struct cnn_graph *graph;
    enum gradient *states; /* by layer */
};

/* Gradients of a layer, all or some of them. */
static void look_at_gradients(void *context, struct cnn_stretch what, const float *gradients)
{
    const struct layer_gradients *layers = context;
    enum gradient *state = &layers->states[cnn_graph_owner(layers->graph, what.begin)];
    for (size_t i = 0; i < what.end - what.begin && *state != GRADIENT_LOST; i++)
        if (!isfinite(gradients[i]))
            *state = GRADIENT_LOST;
        else if (gradients[i] != 0)
            *state = GRADIENT_ALIVE;
}

/* Whether a layer begins with weights that are all zero: then nothing goes back through it in the
 * first step, and that is as it should be. */
static bool has_blank_layer(const struct cnn_graph *graph, const float *parameters)
{
    for (size_t i = 0; i < graph->count; i++)
        for (size_t slot = 0; cnn_slot_find(&graph->nodes[i], &slot); slot++) {
            const struct cnn_tensor *tensor = &graph->nodes[i].tensors[slot];
            size_t k = 0;
            while (tensor->role == CNN_ROLE_WEIGHT && k < tensor->count &&
                   parameters[tensor->offset + k] == 0)
                k++;
            if (tensor->role == CNN_ROLE_WEIGHT && k == tensor->count)
                return true;
        }
    return false;
}

/* Counts the layers whose gradient is `wanted`, and names the first few. */
static size_t list_layers(const struct layer_gradients *layers, enum gradient wanted,
                          struct cnn_text *names)
{
    const struct cnn_graph *graph = layers->graph;
    size_t count = 0;
    for (size_t i = 0; i < graph->count; i++) {
        const struct cnn_node *node = &graph->nodes[i];
        if (cnn_node_trained(node) == 0 || layers->states[i] != wanted)
            continue;
        if (count++ < NAMED)
            cnn_text_printf(names, "%s%s", count > 1 ? ", " : "", node->name);
    }
    if (count > NAMED)
        cnn_text_printf(names, ", ...");
    return count;
}

static size_t count_trained(const struct cnn_graph *graph)
{
    size_t count = 0;
    for (size_t i = 0; i < graph->count; i++)
        count += cnn_node_trained(&graph->nodes[i]) > 0;
    return count;
}

static void check_gradients(struct cnn_check *check, const struct layer_gradients *layers)
{
    const struct cnn_graph *graph = layers->graph;
    struct cnn_text lost = {0}, zero = {0};
    size_t trained = count_trained(graph);
    size_t lost_count = list_layers(layers, GRADIENT_LOST, &lost),
           zero_count = list_layers(layers, GRADIENT_ZERO, &zero);
    bool blank = has_blank_layer(graph, check->t->step.parameters);
    if (lost.failed || zero.failed)
        check->want = CNN_WANT_MEMORY;
    else if (lost_count > 0)
        cnn_check_add(
            check, "gradients", CNN_CHECK_WRONG,
            "smaller first weights, a batch_norm after each conv, or data.normalize: auto",
            "not finite in %zu of %zu layers: %s", lost_count, trained, lost.data);
    else if (zero_count > 0 && blank)
        cnn_check_add(check, "gradients", CNN_CHECK_REMARK, NULL,
                      "zero in %zu of %zu layers, %s, in the first step: none comes back through "
                      "weights that begin as zeros",
                      zero_count, trained, zero.data);
    else if (zero_count == trained)
        cnn_check_add(check, "gradients", CNN_CHECK_WRONG, NULL,
                      "zero in every layer: nothing would be learned");
    else if (zero_count > 0)
        cnn_check_add(check, "gradients", CNN_CHECK_WARNING,
                      "a smaller rate cannot mend it: other first weights (train.seed, init), or a "
                      "batch_norm before it",
                      "zero in %zu of %zu layers, which learn nothing from the start: %s",
                      zero_count, trained, zero.data);
    else
        cnn_check_add(check, "gradients", CNN_CHECK_FINE, NULL,
                      "finite and not zero in all %zu layers that are trained", trained);
    cnn_text_free(&lost);
    cnn_text_free(&zero);
}

static void go_back(struct cnn_check *check, size_t n)
{
    const struct cnn_step *step = &check->t->step;
    struct layer_gradients layers = {.graph = &check->t->model->graph};
    if (!(layers.states = cnn_calloc(layers.graph->count, sizeof *layers.states))) {
        check->want = CNN_WANT_MEMORY;
        return;
    }
    cnn_plan_take(step->plan, (struct cnn_taker){look_at_gradients, &layers});
    cnn_plan_backward(step->plan, n, step->target);
    cnn_plan_take(step->plan, (struct cnn_taker){0});
    check_gradients(check, &layers);
    cnn_free(layers.states);
}

/* Copies running statistics out of the parameters, or back into them; kept may be NULL. Returns how
 * many floats they are. */
static size_t exchange_statistics(const struct cnn_graph *graph, float *parameters, float *kept,
                                  bool back)
{
    size_t floats = 0;
    for (size_t i = 0; i < graph->count; i++)
        for (size_t slot = 0; cnn_slot_find(&graph->nodes[i], &slot); slot++) {
            const struct cnn_tensor *t = &graph->nodes[i].tensors[slot];
            if (t->role != CNN_ROLE_STATISTIC)
                continue;
            float *own = parameters + t->offset;
            if (kept)
                memcpy(back ? own : kept + floats, back ? kept + floats : own,
                       t->count * sizeof *own);
            floats += t->count;
        }
    return floats;
}

/* Forward and back in training mode, which changes running statistics: they are put back. Nothing
 * else that a step reads is written. */
static void run_sample(struct cnn_check *check, const struct sample *sample)
{
    struct cnn_training *t = check->t;
    const struct cnn_step *step = &t->step;
    const struct cnn_targets targets = {.labels = sample->labels};
    float *statistics =
        cnn_floats_new(exchange_statistics(&t->model->graph, step->parameters, NULL, false));
    if (!statistics) {
        check->want = CNN_WANT_MEMORY;
        return;
    }
    exchange_statistics(&t->model->graph, step->parameters, statistics, false);
    cnn_plan_forward(step->plan, sample->n, true, t->model->recipe.seed);
    struct cnn_loss_result result = cnn_loss_compute(
        step->loss, sample->n, step->classes, cnn_plan_value(step->plan, step->target), &targets,
        cnn_plan_gradient(step->plan, step->target));
    check_loss(check, result.loss / result.weight, result.finite);
    if (result.finite)
        go_back(check, sample->n);
    exchange_statistics(&t->model->graph, step->parameters, statistics, true);
    cnn_floats_free(statistics);
    cnn_plan_parameters_changed(step->plan);
}

void cnn_check_step(struct cnn_check *check)
{
    struct sample sample = {0};
    if (take_sample(check, &sample) && cnn_dataset_memory(check->t->train, NULL) == CNN_OK) {
        check_inputs(check, &sample);
        run_sample(check, &sample);
    } else
        check->want = CNN_WANT_MEMORY;
    cnn_free(sample.labels);
    cnn_free(sample.buffer);
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Seconds of a step, batch included: the median. The first one counts only where it alone takes
 * long enough, or is the epoch. */
static double time_steps(struct cnn_training *t)
{
    double times[TIMED_STEPS], begun = cnn_now();
    size_t count = 0, values = cnn_shape_count(t->model->graph.input);
    cnn_loader_start(t->loader, 0, 0);
    for (size_t step = 0; step <= TIMED_STEPS && (count == 0 || cnn_now() < begun + TIMED_SECONDS);
         step++) {
        double start = cnn_now();
        const struct cnn_batch *batch = cnn_loader_next(t->loader);
        if (!batch)
            break;
        memcpy(cnn_plan_input(t->step.plan), batch->images, batch->n * values * sizeof(float));
        const struct cnn_targets targets = {batch->labels, batch->others, batch->shares};
        /* a rate of 0: whatever the weights, the time is the same */
        cnn_step_run(&t->step, batch->n, &targets, 0);
        times[count] = cnn_now() - start;
        count += step > 0 || times[0] > TIMED_SECONDS || t->progress.steps_per_epoch == 1;
    }
    qsort(times, count, sizeof *times, compare_doubles);
    return count > 0 ? times[count / 2] : 0;
}

/* Seconds that the validation images take in the network. */
static double time_validation(struct cnn_training *t)
{
    const struct cnn_evaluator *evaluator = &t->evaluator;
    size_t images = cnn_dataset_count(t->val),
           n = images < evaluator->batch ? images : evaluator->batch;
    double begun = 0;
    memset(cnn_plan_input(evaluator->plan), 0,
           n * cnn_shape_count(t->model->graph.input) * sizeof(float));
    for (int run = 0; run < 2; run++) {
        begun = cnn_now();
        cnn_plan_forward(evaluator->plan, n, false, 0);
    }
    return (cnn_now() - begun) * (double)images / (double)n;
}

/* 8.3 ms, 0.41 s, 42 s, 12 min, 2.1 h */
static void print_seconds(struct cnn_text *text, double seconds)
{
    const double minute = 60, hour = 3600;
    if (seconds < 0.1)
        cnn_text_printf(text, "%.2g ms", 1000 * seconds);
    else if (seconds < 2 * minute)
        cnn_text_printf(text, "%.*f s", seconds < 1 ? 2 : seconds < 10, seconds);
    else if (seconds < 2 * hour)
        cnn_text_printf(text, "%.0f min", seconds / minute);
    else
        cnn_text_printf(text, "%.1f h", seconds / hour);
}

void cnn_check_time(struct cnn_check *check)
{
    struct cnn_training *t = check->t;
    const size_t per_epoch = t->progress.steps_per_epoch;
    double step = time_steps(t), validation = time_validation(t);
    struct cnn_text text = {0};
    check->step = step;
    cnn_text_printf(&text, "about ");
    print_seconds(&text, step * (double)per_epoch + validation);
    cnn_text_printf(&text, " an epoch: %zu step%s of ", per_epoch, per_epoch == 1 ? "" : "s");
    print_seconds(&text, step);
    cnn_text_printf(&text, ", validation ");
    print_seconds(&text, validation);
    cnn_text_printf(&text, "; the run's %zu steps about ", t->steps);
    print_seconds(&text, step * (double)t->steps + validation * (double)t->epochs);
    if (text.failed)
        check->want = CNN_WANT_MEMORY;
    else
        cnn_check_add(check, "time", CNN_CHECK_FINE, NULL, "%s", text.data);
    cnn_text_free(&text);
}
