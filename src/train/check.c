/* Checks of data and memory, and the two ways to look at a run: thoroughly without training, and
 * quickly at its start. */
#include "train/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DOMINATES 0.9 /* share of the training images that one class may have */
#define UNEVEN    3.0 /* times the images of the smallest class that the largest may have */
#define NAMED     3   /* classes, in a list of them */

void cnn_check_add(struct cnn_check *check, const char *about, cnn_check_level level,
                   const char *hint, const char *format, ...)
{
    cnn_findings *findings = check->findings;
    struct cnn_text text = {0};
    va_list arguments;
    va_start(arguments, format);
    cnn_text_vprintf(&text, format, arguments);
    va_end(arguments);
    cnn_finding finding = {.about = about, .level = level};
    finding.text = text.failed ? NULL : cnn_arena_strdup(findings->memory, text.data);
    finding.hint = hint ? cnn_arena_strdup(findings->memory, hint) : NULL;
    cnn_text_free(&text);
    if (!finding.text || (hint && !finding.hint) ||
        findings->count == sizeof findings->items / sizeof *findings->items)
        check->failed = true;
    else
        findings->items[findings->count++] = finding;
}

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
static void check_test_split(struct cnn_check *check, const char *path)
{
    const cnn_model *model = check->t->model;
    struct cnn_dataset *test = NULL;
    enum cnn_split used;
    cnn_diag *diag = cnn_diag_new();
    if (!diag || cnn_dataset_open(&model->data, model->graph.input, path, CNN_SPLIT_TEST,
                                  model->recipe.seed, &test, &used, diag) != CNN_OK) {
        const cnn_message *message = diag && cnn_diag_count(diag) ? cnn_diag_get(diag, 0) : NULL;
        cnn_check_add(check, "classes", CNN_CHECK_REMARK, NULL,
                      "the test images cannot be opened%s%s", message ? ": " : "",
                      message ? message->text : "");
    } else if (used == CNN_SPLIT_TEST)
        compare_classes(check, test, "test");
    cnn_dataset_free(test);
    cnn_diag_free(diag);
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
    const char *hint = weighted || loss->kind != CNN_LOSS_CROSS_ENTROPY
                           ? NULL
                           : "loss: {type: cross_entropy, class_weights: balanced}";
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
    size_t classes = cnn_dataset_classes(train), *counts = calloc(classes, sizeof *counts);
    for (size_t i = 0; counts && i < cnn_dataset_count(train); i++)
        counts[cnn_dataset_label(train, i)]++;
    size_t missing = counts ? list_missing(train, counts, &names) : 0;
    if (!counts || names.failed)
        check->failed = true;
    else if (missing > 0)
        cnn_check_add(check, "labels", CNN_CHECK_WARNING, NULL,
                      "%zu of %zu classes ha%s no training image: %s", missing, classes,
                      missing == 1 ? "s" : "ve", names.data);
    if (counts)
        check_balance(check, counts);
    cnn_text_free(&names);
    free(counts);
}

/* Memory that programs can still get, as Linux sees it; what is present elsewhere. */
static double memory_available(double present)
{
    char line[128];
    double kibibytes, available = present;
    FILE *file = fopen("/proc/meminfo", "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "MemAvailable: %lf kB", &kibibytes) == 1)
            available = kibibytes * 1024;
    if (file)
        fclose(file);
    return available;
}

/* What the run will write to from here on: data sets in memory are there already. */
static double memory_wanted(const struct cnn_check *check)
{
    const struct cnn_training *t = check->t;
    const cnn_shape shape = t->model->graph.input;
    const size_t batch = t->model->recipe.batch_size, image = shape.c * shape.h * shape.w;
    cnn_memory memory = {0};
    cnn_model_memory(t->model, batch, &memory, NULL);
    const double slabs = 2; /* parameters, and the copy that health takes; memory has the others */
    double batches = (double)(batch + t->evaluator.batch) * CNN_LOADER_RING;
    return (double)memory.training + slabs * (double)memory.parameters +
           (double)cnn_plan_bytes(t->evaluator.plan) + batches * (double)image * sizeof(float) +
           (double)cnn_dataset_room(t->train) + (double)cnn_dataset_room(t->val);
}

static void check_memory(struct cnn_check *check)
{
    const double gigabyte = 1e9;
    double present = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE),
           available = memory_available(present);
    double wanted = memory_wanted(check);
    cnn_check_level level = wanted > present     ? CNN_CHECK_WRONG
                            : wanted > available ? CNN_CHECK_WARNING
                                                 : CNN_CHECK_FINE;
    cnn_check_add(check, "memory", level,
                  level == CNN_CHECK_FINE ? NULL
                                          : "a smaller train.batch_size or data.cache needs less",
                  "%.2f GB wanted, %.2f GB of %.2f GB available", wanted / gigabyte,
                  available / gigabyte, present / gigabyte);
}

static cnn_status look(struct cnn_check *check, const char *path, cnn_diag *diag)
{
    check->findings->memory = cnn_arena_new();
    if (!check->findings->memory)
        return cnn_fail_memory(diag, 0, "findings");
    if (check->thorough && check->t->notice)
        cnn_check_add(check, "weights", CNN_CHECK_REMARK, NULL, "%s", check->t->notice);
    compare_classes(check, check->t->val, cnn_split_names[check->t->val_split]);
    if (check->thorough && check->t->val_split != CNN_SPLIT_TEST)
        check_test_split(check, path);
    check_labels(check);
    check_memory(check);
    cnn_check_step(check);
    if (check->thorough)
        cnn_check_time(check);
    return check->failed ? cnn_fail_memory(diag, 0, "findings") : CNN_OK;
}

void cnn_check_quickly(struct cnn_training *t, void (*tell)(void *context, const char *text),
                       void *context)
{
    cnn_findings findings = {0};
    struct cnn_check check = {.t = t, .findings = &findings};
    cnn_status status = look(&check, NULL, NULL);
    for (size_t i = 0; i < findings.count && status == CNN_OK; i++) {
        const cnn_finding *finding = &findings.items[i];
        struct cnn_text text = {0};
        cnn_text_printf(&text, "%s: %s%s%s", finding->about, finding->text,
                        finding->hint ? "; " : "", finding->hint ? finding->hint : "");
        if (finding->level >= CNN_CHECK_WARNING && !text.failed)
            tell(context, text.data);
        cnn_text_free(&text);
    }
    cnn_findings_free(&findings);
}

cnn_status cnn_check_training(const cnn_train_options *options, cnn_findings *out, cnn_diag *diag)
{
    struct cnn_training t = {0};
    cnn_findings findings = {0};
    struct cnn_check check = {.t = &t, .thorough = true, .findings = &findings};
    cnn_status status = cnn_training_prepare(&t, options, diag);
    if (status == CNN_OK)
        status = look(&check, options->data_path, diag);
    cnn_training_close(&t);
    if (status == CNN_OK)
        *out = findings;
    else
        cnn_findings_free(&findings);
    return status;
}

void cnn_findings_free(cnn_findings *findings)
{
    cnn_arena_free(findings->memory);
    *findings = (cnn_findings){0};
}
