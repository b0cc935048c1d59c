/* Checks of the description alone: settings that can be read and run and are hardly meant. What
 * follows from the number of images is left out where that is not known. */
#include <math.h>
#include <stdio.h>

#include "layers/weighted.h"
#include "recipe/loss_type.h"
#include "recipe/schedule_type.h"
#include "train/check.h"

#define LISTED    5  /* layers, in a list of them */
#define LOG_EVERY 50 /* the default */

static struct cnn_run_length length_of(const struct cnn_check *check, const cnn_model *model)
{
    const struct cnn_training *t = check->t;
    if (t)
        return (struct cnn_run_length){t->steps, t->progress.steps_per_epoch, t->epochs};
    return (struct cnn_run_length){.steps = model->recipe.steps, .epochs = model->recipe.epochs};
}

static void check_warmup(struct cnn_check *check, const cnn_model *model,
                         const struct cnn_run_length *l)
{
    const struct cnn_schedule_settings *s = &model->recipe.schedule;
    double warmup = s->own->warmup_epochs, lr = model->recipe.optimizer.lr,
           epochs = cnn_run_epochs(l);
    int end = warmup > 0 ? cnn_run_compare(l, warmup) : -1;
    if (end > 0)
        cnn_check_add(check, "schedule", CNN_CHECK_WARNING,
                      "a smaller train.schedule.warmup_epochs",
                      "warmup_epochs: %g is longer than the run, %.3g epoch%s: the learning rate "
                      "only reaches %.3g, never lr, %g",
                      warmup, epochs, epochs == 1 ? "" : "s", lr * epochs / warmup, lr);
    else if (end == 0 && s->type->factor)
        cnn_check_add(check, "schedule", CNN_CHECK_WARNING,
                      "a smaller train.schedule.warmup_epochs",
                      "warmup_epochs: %g takes the whole run: the %s schedule never begins", warmup,
                      s->type->variant.name);
}

static void check_schedule(struct cnn_check *check, const cnn_model *model,
                           const struct cnn_run_length *l)
{
    const struct cnn_schedule_settings *s = &model->recipe.schedule;
    const char *remedy = NULL;
    struct cnn_text what = {0};
    if (s->type->check)
        s->type->check(s->own, l, &remedy, &what);
    if (what.failed)
        check->want = CNN_WANT_MEMORY;
    else if (what.size > 0)
        cnn_check_add(check, "schedule", CNN_CHECK_WARNING, remedy, "%s", what.data);
    cnn_text_free(&what);
}

static void check_stopping(struct cnn_check *check, const cnn_model *model,
                           const struct cnn_run_length *l)
{
    size_t patience = model->recipe.early_stopping.patience;
    if (patience > 0 && l->epochs > 0 && l->epochs <= patience + 1)
        cnn_check_add(check, "stopping", CNN_CHECK_WARNING,
                      "a smaller train.early_stopping.patience",
                      "with patience: %zu early stopping ends a run after epoch %zu at the "
                      "earliest, and this one has %zu: it never does",
                      patience, patience + 1, l->epochs);
}

static void check_steps(struct cnn_check *check, const cnn_model *model,
                        const struct cnn_run_length *l)
{
    const struct cnn_recipe *recipe = &model->recipe;
    if (l->steps > 0 && recipe->ema.every > l->steps)
        cnn_check_add(check, "ema", CNN_CHECK_WARNING, "a smaller train.ema.every",
                      "every: %zu is more than the run's %zu step%s: the mean stays at the first, "
                      "untrained weights, and these are validated and kept",
                      recipe->ema.every, l->steps, l->steps == 1 ? "" : "s");
    /* not where it is the default, which suits long runs */
    if (l->steps > 0 && recipe->log_every > l->steps && recipe->log_every > LOG_EVERY)
        cnn_check_add(check, "log", CNN_CHECK_REMARK, "a smaller train.log_every",
                      "log_every: %zu is more than the run's %zu step%s: steps.csv gets one row",
                      recipe->log_every, l->steps, l->steps == 1 ? "" : "s");
}

static void check_batch(struct cnn_check *check, const cnn_model *model)
{
    size_t batch = model->recipe.batch_size,
           images = check->t ? cnn_dataset_count(check->t->train) : batch;
    if (batch > images)
        cnn_check_add(check, "batch", CNN_CHECK_WARNING, "a smaller train.batch_size",
                      "batch_size: %zu is more than the %zu training image%s: every step takes all "
                      "of them, and an epoch is one step",
                      batch, images, images == 1 ? "" : "s");
}

/* The layers that the numbers pass whose softmax the loss takes, from the last one down, as far as
 * they change nothing, or only which numbers there are. */
struct ending {
    const struct cnn_node *dropout;   /* NULL: none */
    const struct cnn_node *activated; /* has an activation; NULL: none */
    bool pooled;                      /* behind it */
};

static struct ending find_ending(const struct cnn_graph *graph)
{
    struct ending ending = {0};
    size_t value = graph->logits;
    while (value > 0) {
        const struct cnn_node *node = &graph->nodes[value - 1];
        bool drops = node->effect.kind == CNN_EFFECT_NONE,
             pools = node->effect.kind == CNN_EFFECT_POOL,
             flattens =
                 node->in[0].rank == 3 && node->out.rank == 1 && cnn_node_parameters(node) == 0;
        if (node->activation.kind != CNN_ACT_NONE)
            ending.activated = node;
        if (ending.activated || !(drops || pools || flattens))
            break;
        if (drops && !ending.dropout)
            ending.dropout = node;
        ending.pooled = ending.pooled || pools;
        value = node->inputs[0];
    }
    return ending;
}

/* From the lowest to the highest number that the layer's activation gives; 0: without bounds. */
static double span_of(const struct cnn_node *node)
{
    static const double spans[] = {[CNN_ACT_RELU6] = 6,
                                   [CNN_ACT_SIGMOID] = 1,
                                   [CNN_ACT_TANH] = 2,
                                   [CNN_ACT_HARD_SIGMOID] = 1,
                                   [CNN_ACT_SOFTMAX] = 1};
    size_t kind = (size_t)node->activation.kind;
    if (node->activation.kind == CNN_ACT_CLIP)
        return (double)node->activation.max - (double)node->activation.min;
    return kind < sizeof spans / sizeof *spans ? spans[kind] : 0;
}

/* Of a loss that takes the softmax itself. */
struct loss_words {
    const char *name;
    size_t classes;
    char one_softmax[96], no_activation[96]; /* hints */
};

static struct loss_words words_of(const struct cnn_loss *loss, size_t classes)
{
    struct loss_words words = {.name = loss->type->variant.name, .classes = classes};
    snprintf(words.one_softmax, sizeof words.one_softmax,
             "one softmax at the very end, or none: %s takes the softmax itself", words.name);
    snprintf(words.no_activation, sizeof words.no_activation,
             "no activation behind the last layer: %s takes the softmax itself", words.name);
    return words;
}

/* Answers within [lowest, highest] are surest where the right class has the highest and all others
 * the lowest: the loss is then ln(1 + (classes - 1) * exp(lowest - highest)). */
static void check_bounded(struct cnn_check *check, const struct cnn_node *node,
                          const struct loss_words *loss, double span)
{
    const char *name = cnn_activation_name(node->activation);
    double least = log1p((double)(loss->classes - 1) * exp(-span));
    if (node->activation.kind == CNN_ACT_SOFTMAX)
        cnn_check_add(check, "layers", CNN_CHECK_WARNING, loss->one_softmax,
                      "the softmax of %s is followed by a second one, that of %s: the loss cannot "
                      "fall below %.3g with %zu classes",
                      node->name, loss->name, least, loss->classes);
    else
        cnn_check_add(check, "layers", CNN_CHECK_WARNING, loss->no_activation,
                      "the %s of %s keeps the answers within %g: the loss cannot fall below %.3g "
                      "with %zu classes",
                      name, node->name, span, least, loss->classes);
}

static void check_activation(struct cnn_check *check, const struct ending *ending,
                             const struct loss_words *loss)
{
    const struct cnn_node *node = ending->activated;
    const char *name = cnn_activation_name(node->activation);
    double span = span_of(node);
    if (span > 0)
        check_bounded(check, node, loss, span);
    else if (ending->pooled) /* over a map something of each class is left */
        return;
    else if (cnn_activation_rectifies(node->activation))
        cnn_check_add(check, "layers", CNN_CHECK_WARNING, loss->no_activation,
                      "the %s of %s makes all answers below 0 equal: a class whose answer lies "
                      "there learns nothing from the image",
                      name, node->name);
    else
        cnn_check_add(check, "layers", CNN_CHECK_REMARK, loss->no_activation,
                      "the %s of %s bends the answers, of which %s takes the softmax", name,
                      node->name, loss->name);
}

/* A description that neither says what is learned nor how may end as it likes. */
static void check_last_layer(struct cnn_check *check, const cnn_model *model)
{
    const struct cnn_graph *graph = &model->graph;
    const cnn_shape out = cnn_graph_shape(graph, graph->logits);
    if (out.h * out.w != 1 || out.c < 2 ||
        !(model->has_data || model->has_train || model->has_loss))
        return;
    struct ending ending = find_ending(graph);
    if (ending.dropout)
        cnn_check_add(check, "layers", CNN_CHECK_WARNING,
                      "dropout before the last layer with weights, not behind it",
                      "%s behind the last layer makes answers 0 at random in training",
                      ending.dropout->name);
    const struct loss_words loss = words_of(&model->loss, out.c);
    if (ending.activated && model->loss.type->logits)
        check_activation(check, &ending, &loss);
}

/* One line for all layers: networks that leave pixels out often do so many times. */
static void check_unseen(struct cnn_check *check, const struct cnn_graph *graph)
{
    const struct cnn_node *first = NULL;
    struct cnn_text others = {0};
    size_t count = 0;
    for (size_t i = 0; i < graph->count; i++) {
        const struct cnn_node *node = &graph->nodes[i];
        if (!node->warning)
            continue;
        first = first ? first : node;
        if (count > 0 && count <= LISTED)
            cnn_text_printf(&others, "%s%s", count > 1 ? ", " : "; likewise in ", node->name);
        count++;
    }
    if (count > LISTED + 1)
        cnn_text_printf(&others, " and %zu more", count - LISTED - 1);
    if (others.failed)
        check->want = CNN_WANT_MEMORY;
    else if (first)
        cnn_check_add(check, "pixels", CNN_CHECK_REMARK, NULL, "%s: %s%s", first->name,
                      first->warning, others.data ? others.data : "");
    cnn_text_free(&others);
}

void cnn_check_settings(struct cnn_check *check, const cnn_model *model)
{
    struct cnn_run_length length = length_of(check, model);
    check_last_layer(check, model);
    check_unseen(check, &model->graph);
    check_warmup(check, model, &length);
    check_schedule(check, model, &length);
    check_stopping(check, model, &length);
    check_steps(check, model, &length);
    check_batch(check, model);
}
