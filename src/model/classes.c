/* The classes of a model, and what it takes over from the data set that it is trained on. */
#include "model/model.h"
#include "util/allocate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

cnn_status cnn_model_set_classes(cnn_model *model, size_t count, const char *const *names,
                                 cnn_diag *diag)
{
    const char **copy = cnn_arena_array(model->arena, count, sizeof *copy);
    bool ok = copy || count == 0;
    for (size_t i = 0; ok && i < count; i++)
        ok = (copy[i] = cnn_arena_strdup(model->arena, names[i])) != NULL;
    if (!ok)
        return cnn_fail_memory(diag, count * sizeof *copy, "class names");
    model->classes = count > 0 ? copy : NULL; /* unknown, like those of a description */
    model->class_count = count;
    return CNN_OK;
}

static cnn_status balance_classes(cnn_model *model, const struct cnn_dataset *train, cnn_diag *diag)
{
    size_t classes = cnn_dataset_classes(train),
           *counts = cnn_arena_array(model->arena, classes, sizeof *counts);
    if (!counts)
        return cnn_fail_memory(diag, classes * sizeof *counts, "class weights");
    for (size_t i = 0; i < classes; i++)
        if ((counts[i] = cnn_dataset_class_count(train, i)) == 0) {
            cnn_fail(diag, CNN_INVALID, &model->loss.own->class_weights->where,
                     "class '%s' has no training images, so there is no balanced weight for it",
                     cnn_dataset_class(train, i));
            cnn_hint(diag, "give class_weights as a list of numbers, one per class");
            return CNN_INVALID;
        }
    return cnn_loss_balance(model->arena, counts, classes, &model->loss, diag);
}

cnn_status cnn_model_match_classes(const cnn_model *model, const struct cnn_dataset *dataset,
                                   cnn_diag *diag)
{
    size_t count = cnn_dataset_classes(dataset);
    if (count != model->class_count)
        return cnn_fail(diag, CNN_INVALID, NULL, "the data has %zu classes; %s was trained on %zu",
                        count, model->source, model->class_count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(cnn_dataset_class(dataset, i), model->classes[i]) != 0)
            return cnn_fail(diag, CNN_INVALID, NULL,
                            "class %zu of the data is '%s'; that of %s is '%s'", i,
                            cnn_dataset_class(dataset, i), model->source, model->classes[i]);
    return CNN_OK;
}

cnn_status cnn_model_adopt_data(cnn_model *model, const struct cnn_dataset *train, cnn_diag *diag)
{
    if (model->classes) {
        cnn_status status = cnn_model_match_classes(model, train, diag);
        if (status != CNN_OK)
            return status;
    }
    cnn_status matched = model->task->match(&model->graph, train, diag);
    if (matched != CNN_OK)
        return matched;
    size_t classes = cnn_dataset_classes(train);
    const char **names = cnn_calloc(classes, sizeof *names);
    if (!names)
        return cnn_fail_memory(diag, classes * sizeof *names, "class names");
    for (size_t i = 0; i < classes; i++)
        names[i] = cnn_dataset_class(train, i);
    cnn_status status = cnn_model_set_classes(model, classes, names, diag);
    cnn_free(names);
    if (status == CNN_OK && model->data.normalize_auto)
        status = cnn_dataset_statistics(train, &model->normalization, diag);
    return status == CNN_OK && model->loss.balanced ? balance_classes(model, train, diag) : status;
}

cnn_status cnn_model_find_class(const cnn_model *model, size_t count, const char *word,
                                size_t *class, cnn_diag *diag)
{
    char *end;
    for (size_t i = 0; i < model->class_count && i < count; i++)
        if (strcmp(model->classes[i], word) == 0) {
            *class = i;
            return CNN_OK;
        }
    errno = 0;
    unsigned long long number = strtoull(word, &end, 10);
    if (word[0] >= '0' && word[0] <= '9' && *end == '\0' && errno == 0 && number < count) {
        *class = (size_t)number;
        return CNN_OK;
    }
    const char *nearest = cnn_nearest_word(word, model->classes, model->class_count);
    cnn_fail(diag, CNN_INVALID, NULL, "%s has no class '%s'", model->source, word);
    if (nearest)
        cnn_hint(diag, "did you mean '%s'?", nearest);
    else
        cnn_hint(diag, "its classes are 0 to %zu%s", count - 1,
                 model->class_count > 0 ? ", or their names" : "");
    return CNN_INVALID;
}
