/* Evaluation: a data set's images through a model, and the files that show what came of it. */
#include "train/evaluate.h"

#include <math.h>
#include <string.h>

#include "cluster/cluster.h"
#include "model/record.h"
#include "model/tta.h"
#include "report/report.h"
#include "tasks/metrics.h"
#include "train/agree.h"
#include "train/damage.h"
#include "train/frozen.h"
#include "train/step.h"
#include "util/allocate.h"
#include "util/file.h"
#include "util/parts.h"
#include "viz/html.h"

cnn_status cnn_evaluator_open(cnn_model *model, struct cnn_dataset *dataset, cnn_cluster *cluster,
                              struct cnn_evaluator *out, cnn_diag *diag)
{
    struct cnn_evaluator evaluator = {.model = model, .dataset = dataset, .cluster = cluster};
    size_t batch, bytes;
    cnn_status status =
        model->task->find_target(&model->graph, &model->loss, &evaluator.target, diag);
    if (status == CNN_OK)
        status = cnn_evaluation_batch(model, cnn_dataset_count(dataset), &batch, &bytes, diag);
    if (status == CNN_OK)
        status = cnn_model_plan(model, batch, &evaluator.plan, diag);
    if (status != CNN_OK)
        return status;
    evaluator.batch = batch;
    evaluator.classes = cnn_graph_shape(&model->graph, evaluator.target).c;
    evaluator.logits = cnn_calloc(evaluator.classes, batch * sizeof(float));
    evaluator.output = cnn_calloc(evaluator.classes, batch * sizeof(float));
    evaluator.probabilities = cnn_calloc(evaluator.classes, batch * sizeof(float));
    evaluator.offsets = cnn_calloc(cnn_cluster_ranks(cluster) + 1, sizeof *evaluator.offsets);
    if (!evaluator.logits || !evaluator.output || !evaluator.probabilities || !evaluator.offsets) {
        cnn_evaluator_close(&evaluator);
        return cnn_fail_memory(diag, evaluator.classes * batch * sizeof(float), "probabilities");
    }
    struct cnn_loader_options options = {.dataset = dataset,
                                         .normalization = model->normalization,
                                         .shape = model->graph.input,
                                         .batch = batch,
                                         .rank = cnn_cluster_rank(cluster),
                                         .ranks = cnn_cluster_ranks(cluster)};
    status = cnn_loader_new(&options, &evaluator.loader, diag);
    if (status == CNN_OK)
        *out = evaluator;
    else
        cnn_evaluator_close(&evaluator);
    return status;
}

void cnn_evaluator_close(struct cnn_evaluator *evaluator)
{
    cnn_loader_free(evaluator->loader);
    cnn_free(evaluator->logits);
    cnn_free(evaluator->output);
    cnn_free(evaluator->probabilities);
    cnn_free(evaluator->offsets);
}

cnn_status cnn_evaluation_new(const struct cnn_evaluator *evaluator, cnn_evaluation *out,
                              cnn_diag *diag)
{
    return evaluator->model->task->open(cnn_dataset_count(evaluator->dataset), evaluator->classes,
                                        out, diag);
}

/* Every process gets what the others have made of their images of a batch: as many numbers for
 * each. */
static bool share(const struct cnn_evaluator *evaluator, size_t n, float *values, size_t numbers)
{
    size_t ranks = cnn_cluster_ranks(evaluator->cluster);
    for (size_t rank = 0; rank <= ranks; rank++) {
        const struct cnn_parts run = cnn_parts_of(n, rank, ranks);
        evaluator->offsets[rank] = cnn_parts_image(&run, run.first) * numbers * sizeof *values;
    }
    return cnn_cluster_gather(evaluator->cluster, values, evaluator->offsets);
}

/* Runs a batch of images, of which this process has its own. */
static bool forward(const struct cnn_evaluator *evaluator, cnn_tta tta,
                    const struct cnn_batch *batch)
{
    const cnn_model *model = evaluator->model;
    struct cnn_batch own = *batch;
    float *logits = evaluator->logits + batch->first * evaluator->classes,
          *output = evaluator->output + batch->first * evaluator->classes;
    own.n = batch->own;
    own.index += batch->first;
    if (own.n > 0 && evaluator->frozen)
        cnn_frozen_validate(evaluator->frozen, &own, logits, output);
    else if (own.n > 0)
        cnn_tta_forward(model, evaluator->plan, tta,
                        &(struct cnn_tta_batch){
                            .n = own.n, .images = own.images, .logits = logits, .output = output});
    return !evaluator->cluster ||
           (share(evaluator, batch->n, evaluator->logits, evaluator->classes) &&
            share(evaluator, batch->n, evaluator->output, evaluator->classes));
}

/* Adds up what came of a batch; answers: of its first image. */
static void add_batch(const struct cnn_evaluator *evaluator, const struct cnn_batch *batch,
                      size_t *answers, cnn_evaluation *e, struct cnn_loss_result *sum)
{
    const cnn_model *model = evaluator->model;
    const float *y =
        evaluator->target == model->graph.logits ? evaluator->logits : evaluator->output;
    const struct cnn_targets targets = {.labels = batch->labels};
    struct cnn_loss_result result =
        cnn_loss_compute(&model->loss, batch->n, evaluator->classes, y, &targets, NULL);
    sum->loss += result.loss;
    sum->weight += result.weight;
    sum->correct += result.correct;
    sum->top5 += result.top5;
    sum->finite = sum->finite && result.finite;
    cnn_model_probabilities(model, evaluator->output, batch->n, evaluator->probabilities);
    model->task->add(e,
                     &(struct cnn_task_batch){.n = batch->n,
                                              .targets = &targets,
                                              .scores = y,
                                              .probabilities = evaluator->probabilities},
                     answers);
}

cnn_status cnn_evaluator_run(struct cnn_evaluator *evaluator, const cnn_evaluate_options *options,
                             cnn_evaluation *e, struct cnn_samples *samples,
                             struct cnn_loss_result *out)
{
    const struct cnn_task *task = evaluator->model->task;
    struct cnn_loss_result sum = {.finite = true};
    const struct cnn_batch *batch;
    size_t images = 0;
    bool stops = false;
    task->clear(e);
    if (samples)
        cnn_samples_clear(samples);
    if (evaluator->frozen)
        cnn_frozen_changed(evaluator->frozen);
    else
        cnn_plan_parameters_changed(evaluator->plan);
    cnn_loader_bare(evaluator->loader,
                    evaluator->frozen && cnn_kept_whole(&evaluator->frozen->val));
    cnn_loader_start(evaluator->loader, 0, 0);
    while ((batch = cnn_loader_next(evaluator->loader))) {
        stops = cnn_cluster_any(evaluator->cluster, stops || cnn_flag_raised(options->stop)) != 0;
        if (stops)
            return CNN_INTERRUPTED;
        if (!forward(evaluator, options->tta, batch))
            return CNN_FAILED;
        add_batch(evaluator, batch, evaluator->answers ? evaluator->answers + images : NULL, e,
                  &sum);
        for (size_t i = 0; samples && i < batch->n; i++)
            cnn_samples_add(samples, images + i, evaluator->probabilities + i * evaluator->classes,
                            evaluator->classes);
        images += batch->n;
        stops = options->progress && options->progress(options->context, images, e->images) != 0;
    }
    if (cnn_cluster_any(evaluator->cluster, stops) != 0)
        return CNN_INTERRUPTED;
    task->finish(e, &sum);
    *out = sum;
    return CNN_OK;
}

static cnn_status find_split(const char *name, enum cnn_split *out, cnn_diag *diag)
{
    const size_t count = sizeof cnn_split_names / sizeof *cnn_split_names;
    *out = CNN_SPLIT_TEST;
    for (size_t i = 0; name && i < count; i++)
        if (strcmp(name, cnn_split_names[i]) == 0) {
            *out = (enum cnn_split)i;
            return CNN_OK;
        }
    if (!name)
        return CNN_OK;
    cnn_fail(diag, CNN_INVALID, NULL, "there is no split '%s'", name);
    cnn_hint(diag, "train, val or test");
    return CNN_INVALID;
}

/* A model that has learned other classes would get a meaningless accuracy. A description with
 * weights from elsewhere has neither class names nor what `normalize: auto` and
 * `class_weights: balanced` stand for: they are taken from the data as in training. */
static cnn_status complete_model(cnn_model *model, const cnn_model *data, const char *path,
                                 const struct cnn_dataset *dataset, cnn_diag *diag)
{
    bool weighted = !model->loss.balanced || model->loss.class_weights.count > 0;
    if (model->normalization.channels != 0 && model->classes && weighted)
        return cnn_model_match_classes(model, dataset, diag);
    if (!model->data.normalize_auto && weighted)
        return cnn_model_adopt_data(model, dataset, diag);
    struct cnn_dataset *train;
    enum cnn_split used;
    cnn_status status =
        cnn_record_open(data,
                        &(struct cnn_data_choice){
                            .input = model->graph.input, .path = path, .split = CNN_SPLIT_TRAIN},
                        &train, &used, diag);
    if (status != CNN_OK)
        return status;
    status = cnn_model_adopt_data(model, train, diag);
    cnn_dataset_free(train);
    return status == CNN_OK ? cnn_model_match_classes(model, dataset, diag) : status;
}

/* That what options ask for can be written, as far as that is known before it is; the gallery's
 * directory is made. */
static cnn_status prepare_outputs(const cnn_evaluate_options *options, cnn_diag *diag)
{
    struct cnn_text page = {0};
    if (cnn_cluster_rank(options->cluster) > 0)
        return CNN_OK;
    cnn_status status =
        options->report ? cnn_output_check(options->report, CNN_OUTPUT_PAGE, NULL, diag) : CNN_OK;
    if (status != CNN_OK || !options->gallery)
        return status;
    cnn_text_printf(&page, "%s/index.html", options->gallery);
    status = cnn_make_directories(options->gallery, diag);
    if (status == CNN_OK)
        status = page.failed ? cnn_fail_memory(diag, strlen(options->gallery), "a path")
                             : cnn_output_check(page.data, CNN_OUTPUT_PAGE, "--gallery", diag);
    cnn_text_free(&page);
    return status;
}

/* What the files of options show is collected in the same pass. */
static cnn_status evaluate(struct cnn_evaluator *evaluator, const cnn_evaluate_options *options,
                           struct cnn_samples *samples, cnn_evaluation *e, cnn_diag *diag)
{
    struct cnn_loss_result sum;
    cnn_status status = cnn_evaluation_new(evaluator, e, diag);
    if (status == CNN_OK)
        status = prepare_outputs(options, diag);
    if (status == CNN_OK && (options->report || options->gallery))
        status = cnn_samples_new(evaluator->dataset,
                                 options->gallery ? CNN_GALLERY_SAMPLES : CNN_REPORT_SAMPLES,
                                 samples, diag);
    if (status != CNN_OK)
        return status;
    status = cnn_evaluator_run(evaluator, options, e, samples->dataset ? samples : NULL, &sum);
    if (status == CNN_FAILED)
        return cnn_cluster_check(evaluator->cluster, diag);
    if (status != CNN_OK)
        return cnn_fail(diag, CNN_INTERRUPTED, NULL, "the evaluation was interrupted");
    if (!sum.finite)
        return cnn_fail(diag, CNN_FAILED, NULL, "the outputs of %s are not finite numbers",
                        evaluator->model->source);
    status = cnn_damage_report(evaluator->cluster, evaluator->dataset, NULL, NULL, diag);
    if (status != CNN_OK)
        return status;
    cnn_cluster_any(evaluator->cluster, 0); /* another process may lack memory */
    return cnn_cluster_check(evaluator->cluster, diag);
}

static cnn_status write_report(const char *path, const cnn_model *model, const cnn_evaluation *e,
                               const struct cnn_samples *samples, cnn_diag *diag)
{
    /* the first of each list are those that a shorter list would hold */
    struct cnn_samples shown = *samples;
    shown.wrong_count =
        shown.wrong_count < CNN_REPORT_SAMPLES ? shown.wrong_count : CNN_REPORT_SAMPLES;
    shown.right_count =
        shown.right_count < CNN_REPORT_SAMPLES ? shown.right_count : CNN_REPORT_SAMPLES;
    return cnn_report_write(
        path,
        &(struct cnn_report){
            .title = model->name, .model = model, .evaluation = e, .samples = &shown},
        diag);
}

static cnn_status record_answers(struct cnn_evaluator *evaluator, struct cnn_answers *answers,
                                 cnn_diag *diag)
{
    size_t images = cnn_dataset_count(evaluator->dataset);
    answers->labels = cnn_calloc(images, sizeof *answers->labels);
    answers->predicted = cnn_calloc(images, sizeof *answers->predicted);
    if (!answers->labels || !answers->predicted)
        return cnn_fail_memory(diag, images * 2 * sizeof *answers->labels, "answers");
    for (size_t i = 0; i < images; i++)
        answers->labels[i] = cnn_dataset_label(evaluator->dataset, i);
    evaluator->answers = answers->predicted;
    return CNN_OK;
}

void cnn_answers_free(struct cnn_answers *answers)
{
    cnn_free(answers->labels);
    cnn_free(answers->predicted);
}

/* The data of a description as images of the classes that the model knows. */
static cnn_status open_split(const cnn_model *data, const cnn_model *model, const char *path,
                             enum cnn_split *split, struct cnn_dataset **out, cnn_diag *diag)
{
    cnn_model known = *data;
    known.data.classes = model->classes;
    known.data.class_count = model->class_count;
    return cnn_record_open(
        &known,
        &(struct cnn_data_choice){.input = model->graph.input, .path = path, .split = *split}, out,
        split, diag);
}

cnn_status cnn_evaluate_on(const cnn_model *data, cnn_model *model, const cnn_evaluate_options *o,
                           cnn_evaluation *out, struct cnn_answers *answers, cnn_diag *diag)
{
    struct cnn_dataset *dataset = NULL;
    struct cnn_evaluator evaluator = {0};
    struct cnn_samples samples = {0};
    cnn_evaluation e = {0};
    enum cnn_split split;
    bool leads;
    cnn_status status = find_split(o->split, &split, diag);
    if (status == CNN_OK)
        status = cnn_tta_check(model, o->tta, diag);
    if (status != CNN_OK)
        return status;
    if (!data->has_data)
        return cnn_model_fail_no_data(data, "evaluate on", diag);
    status = open_split(data, model, o->data_path, &split, &dataset, diag);
    if (status != CNN_OK)
        return status;
    if ((status = complete_model(model, data, o->data_path, dataset, diag)) != CNN_OK)
        goto out;
    if ((status = cnn_evaluation_agree(o->cluster, model, dataset, diag)) != CNN_OK)
        goto out;
    if ((status = cnn_record_compare(model, data, dataset, split, diag)) != CNN_OK)
        goto out;
    if ((status = cnn_evaluator_open(model, dataset, o->cluster, &evaluator, diag)) != CNN_OK)
        goto out;
    if (answers && (status = record_answers(&evaluator, answers, diag)) != CNN_OK)
        goto out;
    status = evaluate(&evaluator, o, &samples, &e, diag);
    e.split = cnn_split_names[split];
    e.tta = o->tta;
    leads = cnn_cluster_rank(o->cluster) == 0;
    if (status == CNN_OK && o->report && leads)
        status = write_report(o->report, model, &e, &samples, diag);
    if (status == CNN_OK && o->gallery && leads)
        status = cnn_gallery_write(o->gallery, model, &samples, diag);
out:
    cnn_samples_free(&samples);
    cnn_evaluator_close(&evaluator);
    cnn_dataset_free(dataset);
    if (status == CNN_OK)
        *out = e;
    else
        cnn_metrics_free(&e);
    return status;
}

void cnn_evaluation_free(cnn_evaluation *evaluation)
{
    if (evaluation)
        cnn_metrics_free(evaluation);
    cnn_free(evaluation);
}

cnn_status cnn_evaluate(cnn_model *model, const cnn_evaluate_options *options, cnn_evaluation **out,
                        cnn_diag *diag)
{
    if (!model || !out)
        return cnn_fail_missing(diag, "cnn_evaluate", "model or out");
    if (options && options->version > CNN_EVALUATE_OPTIONS_VERSION)
        return cnn_fail_version(diag, "cnn_evaluate_options", options->version,
                                CNN_EVALUATE_OPTIONS_VERSION);
    static const cnn_evaluate_options defaults = {0};
    cnn_evaluation *e = cnn_calloc(1, sizeof *e);
    if (!e)
        return cnn_fail_memory(diag, sizeof *e, "an evaluation");
    cnn_status status = cnn_evaluate_on(model, model, options ? options : &defaults, e, NULL, diag);
    if (status == CNN_OK)
        *out = e;
    else
        cnn_evaluation_free(e);
    if (status != CNN_OK && status != CNN_INTERRUPTED && options)
        cnn_cluster_fail(options->cluster, status, diag);
    return status;
}
