/* Checks of data and memory, and the two ways to look at a run: thoroughly without training, and
 * quickly at its start. */
#include "train/check.h"

#include <stdio.h>
#include <string.h>

#include "cluster/cluster.h"
#include "recipe/loss_type.h"
#include "train/agree.h"
#include "train/room.h"
#include "util/allocate.h"

#define DOMINATES 0.9 /* share of the training images that one class may have */
#define UNEVEN    3.0 /* times the images of the smallest class that the largest may have */
#define NAMED     3   /* classes, in a list of them */

/* The first class whose name differs; SIZE_MAX where none does. */
static size_t differing_class(const struct cnn_dataset *a, const struct cnn_dataset *b)
{
    for (size_t i = 0; i < cnn_dataset_classes(a); i++)
        if (strcmp(cnn_dataset_class(a, i), cnn_dataset_class(b, i)) != 0)
            return i;
    return SIZE_MAX;
}

static void compare_classes(struct cnn_check *check, const struct cnn_dataset *other,
                            const char *split)
{
    const struct cnn_dataset *train = check->t->train;
    size_t ours = cnn_dataset_classes(train), theirs = cnn_dataset_classes(other);
    if (ours != theirs) {
        cnn_check_add(check, "classes", CNN_CHECK_WRONG, NULL,
                      "the training images have %zu classes, those of %s %zu", ours, split, theirs);
        return;
    }
    size_t i = differing_class(train, other);
    if (i == SIZE_MAX)
        cnn_check_add(check, "classes", CNN_CHECK_FINE, NULL, "%zu, the same in train and %s", ours,
                      split);
    else
        cnn_check_add(check, "classes", CNN_CHECK_WRONG, NULL,
                      "class %zu is '%s' in train and '%s' in %s", i, cnn_dataset_class(train, i),
                      cnn_dataset_class(other, i), split);
}

/* The test images, which training itself may never open. */
static void check_test_split(struct cnn_check *check, const char *path, cnn_diag *diag)
{
    const cnn_model *model = check->t->model;
    struct cnn_dataset *test = NULL;
    enum cnn_split used;
    cnn_diag *own = cnn_diag_new();
    cnn_status status =
        own ? cnn_dataset_open(&model->data,
                               &(struct cnn_data_choice){.input = model->graph.input,
                                                         .path = path,
                                                         .split = CNN_SPLIT_TEST,
                                                         .seed = model->recipe.seed},
                               &test, &used, own)
            : CNN_FAILED;
    const char *error = NULL;
    for (size_t i = 0; i < cnn_diag_count(own); i++) {
        const cnn_message *message = cnn_diag_get(own, i);
        if (!message->warning) {
            error = message->text;
            continue;
        }
        cnn_warn(diag, NULL, "%s", message->text);
        if (message->hint)
            cnn_hint(diag, "%s", message->hint);
    }
    enum cnn_want want = status != CNN_OK ? cnn_diag_want(own) : CNN_WANT_NOTHING;
    if (want != CNN_WANT_NOTHING)
        check->want = want;
    else if (status != CNN_OK)
        cnn_check_add(check, "classes", CNN_CHECK_REMARK, NULL,
                      "the test images cannot be opened%s%s", error ? ": " : "",
                      error ? error : "");
    else if (used == CNN_SPLIT_TEST)
        compare_classes(check, test, "test");
    cnn_dataset_free(test);
    cnn_diag_free(own);
}

/* Names of classes without training images, the first few. */
static size_t list_missing(const struct cnn_dataset *train, const size_t *counts,
                           struct cnn_text *names)
{
    size_t missing = 0;
    for (size_t i = 0; i < cnn_dataset_classes(train); i++) {
        if (counts[i] > 0)
            continue;
        if (missing++ < NAMED)
            cnn_text_printf(names, "%s'%s'", missing > 1 ? ", " : "", cnn_dataset_class(train, i));
    }
    if (missing > NAMED)
        cnn_text_printf(names, " and others");
    return missing;
}

static void check_balance(struct cnn_check *check, const size_t *counts)
{
    const struct cnn_dataset *train = check->t->train;
    const struct cnn_loss *loss = &check->t->model->loss;
    size_t classes = cnn_dataset_classes(train), count = cnn_dataset_count(train), most = 0,
           least = 0;
    bool weighted = loss->balanced || loss->class_weights.count > 0;
    char balanced[80];
    const char *hint = weighted || !loss->own->class_weights ? NULL : balanced;
    snprintf(balanced, sizeof balanced, "loss: {type: %s, class_weights: balanced}",
             loss->type->variant.name);
    for (size_t i = 1; i < classes; i++) {
        most = counts[i] > counts[most] ? i : most;
        least = counts[i] < counts[least] ? i : least;
    }
    size_t large = counts[most], small = counts[least];
    if (large == count)
        cnn_check_add(
            check, "labels", CNN_CHECK_WRONG, NULL,
            "all %zu training images are of one class, '%s': there is nothing to tell apart", count,
            cnn_dataset_class(train, most));
    else if ((double)large > DOMINATES * (double)count)
        cnn_check_add(check, "labels", CNN_CHECK_WARNING, hint,
                      "%.1f %% of the training images are of one class, '%s': who always says so "
                      "is right as often",
                      100 * (double)large / (double)count, cnn_dataset_class(train, most));
    else if (small > 0 && (double)large > UNEVEN * (double)small)
        cnn_check_add(check, "labels", weighted ? CNN_CHECK_FINE : CNN_CHECK_REMARK, hint,
                      "%zu images of '%s' against %zu of '%s'%s", large,
                      cnn_dataset_class(train, most), small, cnn_dataset_class(train, least),
                      weighted ? ", which class_weights make up for" : "");
    else if (small == large)
        cnn_check_add(check, "labels", CNN_CHECK_FINE, NULL, "%zu training images in each class",
                      small);
    else
        cnn_check_add(check, "labels", CNN_CHECK_FINE, NULL,
                      "%zu to %zu training images in a class", small, large);
}

static void check_labels(struct cnn_check *check)
{
    const struct cnn_dataset *train = check->t->train;
    struct cnn_text names = {0};
    size_t classes = cnn_dataset_classes(train), *counts = cnn_calloc(classes, sizeof *counts);
    for (size_t i = 0; counts && i < cnn_dataset_count(train); i++)
        counts[cnn_dataset_label(train, i)]++;
    size_t missing = counts ? list_missing(train, counts, &names) : 0;
    if (!counts || names.failed)
        check->want = CNN_WANT_MEMORY;
    else if (missing > 0)
        cnn_check_add(check, "labels", CNN_CHECK_WARNING, NULL,
                      "%zu of %zu classes ha%s no training image: %s", missing, classes,
                      missing == 1 ? "s" : "ve", names.data);
    if (counts)
        check_balance(check, counts);
    cnn_text_free(&names);
    cnn_free(counts);
}

/* What was free before the run took its memory. Images that are kept come on top. */
static void check_memory(struct cnn_check *check)
{
    const double gigabyte = 1e9;
    const struct cnn_training *t = check->t;
    const struct cnn_memory_room *have = &t->room.have;
    double images = (double)cnn_dataset_room(t->train) + (double)cnn_dataset_room(t->val),
           wanted = t->room.wanted + images;
    cnn_check_level level = wanted > have->total       ? CNN_CHECK_WRONG
                            : wanted > have->available ? CNN_CHECK_WARNING
                                                       : CNN_CHECK_FINE;
    char advice[160] = "a smaller data.cache takes less";
    if (t->room.wanted > have->available)
        cnn_room_advise(t, have->available, advice, sizeof advice);
    bool machine = strcmp(have->limit, "the machine") == 0;
    cnn_check_add(check, "memory", level, level == CNN_CHECK_FINE ? NULL : advice,
                  "%.2f GB needed; %s %s %.2f GB, of which %.2f GB are left", wanted / gigabyte,
                  have->limit, machine ? "has" : "allows", have->total / gigabyte,
                  have->available / gigabyte);
}

static cnn_status look(struct cnn_check *check, const char *path, cnn_diag *diag)
{
    cnn_status status = cnn_findings_begin(check, diag);
    if (status != CNN_OK)
        return status;
    for (size_t i = 0; check->thorough && i < check->t->notice_count; i++)
        cnn_check_add(check, "weights", CNN_CHECK_REMARK, NULL, "%s", check->t->notices[i]);
    if (check->thorough && check->t->scaling.text)
        cnn_check_add(check, "batch", CNN_CHECK_FINE, NULL, "--scale-batch: %s",
                      check->t->scaling.text);
    cnn_check_settings(check, check->t->model);
    compare_classes(check, check->t->val, cnn_split_names[check->t->val_split]);
    if (check->thorough && check->t->val_split != CNN_SPLIT_TEST)
        check_test_split(check, path, diag);
    check_labels(check);
    check_memory(check);
    cnn_check_step(check);
    if (check->thorough)
        cnn_check_time(check);
    if (check->cluster)
        cnn_check_ranks(check);
    return CNN_OK;
}

/* Rank 0 looks; the others are there for the link alone. */
static cnn_status look_together(struct cnn_check *check, const cnn_train_options *options,
                                cnn_diag *diag)
{
    check->t->cluster = check->cluster = options->cluster; /* each has prepared all of the run */
    cnn_status status = cnn_training_agree(check->t, diag);
    if (status == CNN_OK && cnn_training_leads(check->t))
        status = look(check, options->data_path, diag);
    else if (status == CNN_OK)
        status = cnn_findings_begin(check, diag);
    if (status == CNN_OK && !cnn_training_leads(check->t))
        cnn_check_ranks(check);
    return status == CNN_OK ? cnn_cluster_check(check->cluster, diag) : status;
}

/* All that can be looked at where the run may not have its memory. */
static cnn_status look_at_memory(struct cnn_check *check, cnn_diag *diag)
{
    cnn_status status = cnn_findings_begin(check, diag);
    if (status == CNN_OK)
        check_memory(check);
    return status;
}

void cnn_check_quickly(struct cnn_training *t, void (*tell)(void *context, const char *text),
                       void *context)
{
    cnn_findings *findings = NULL;
    struct cnn_check check = {.t = t};
    cnn_status status = cnn_findings_end(&check, look(&check, NULL, NULL), &findings, NULL);
    for (size_t i = 0; status == CNN_OK && i < findings->count; i++) {
        const cnn_finding *finding = &findings->items[i];
        struct cnn_text text = {0};
        cnn_text_printf(&text, "%s: %s%s%s", finding->about, finding->text,
                        finding->hint ? "; " : "", finding->hint ? finding->hint : "");
        if (finding->level >= CNN_CHECK_WARNING && !text.failed)
            tell(context, text.data);
        cnn_text_free(&text);
    }
    cnn_findings_free(findings);
}

cnn_status cnn_check_training(const cnn_train_options *options, cnn_findings **out, cnn_diag *diag)
{
    if (!options || !options->config || !out ||
        !cnn_words_given(options->overrides, options->override_count))
        return cnn_fail_missing(diag, "cnn_check_training",
                                "options with a config, out, or an override");
    if (options->version > CNN_TRAIN_OPTIONS_VERSION)
        return cnn_fail_version(diag, "cnn_train_options", options->version,
                                CNN_TRAIN_OPTIONS_VERSION);
    struct cnn_training t = {.checked = true};
    struct cnn_check check = {.t = &t, .thorough = true};
    cnn_status status = cnn_training_prepare(&t, options, diag);
    if (t.room.refused)
        status = look_at_memory(&check, diag);
    else if (status == CNN_OK)
        status = look_together(&check, options, diag);
    if (status != CNN_OK)
        cnn_cluster_fail(options->cluster, status, diag);
    cnn_training_close(&t);
    return cnn_findings_end(&check, status, out, diag);
}

cnn_status cnn_model_check(const cnn_model *model, cnn_findings **out, cnn_diag *diag)
{
    if (!model || !out)
        return cnn_fail_missing(diag, "cnn_model_check", "model or out");
    struct cnn_check check = {0};
    cnn_status status = cnn_findings_begin(&check, diag);
    if (status == CNN_OK)
        cnn_check_settings(&check, model);
    return cnn_findings_end(&check, status, out, diag);
}
