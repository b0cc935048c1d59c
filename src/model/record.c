/* The images that a model was trained on: remembering them, and comparing others with them. */
#include "model/record.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "data/format.h"
#include "util/text.h"

#define SEPARATOR "; "

size_t cnn_record_seed(const cnn_model *model)
{
    return model->record ? model->record->seed : model->recipe.seed;
}

cnn_status cnn_record_open(const cnn_model *data, const struct cnn_data_choice *choice,
                           struct cnn_dataset **out, enum cnn_split *used, cnn_diag *diag)
{
    struct cnn_data_choice seeded = *choice;
    seeded.seed = cnn_record_seed(data);
    cnn_status status = cnn_dataset_open(&data->data, &seeded, out, used, diag);
    const char *own = choice->path ? NULL : data->data.path;
    if (status == CNN_OK || !data->trained || !own || *own == '/' || access(own, F_OK) == 0)
        return status;
    if (!data->record)
        cnn_hint(diag,
                 "%s has no images of its own, as models that were imported; --data FOLDER names "
                 "some, in one folder per class",
                 data->source);
    else
        cnn_hint(diag,
                 "data.path of %s is '%s', which begins in the directory that it was trained in; "
                 "--data can name the folder",
                 data->source, own);
    return status;
}

cnn_status cnn_record_open_named(const cnn_model *model, const struct cnn_named_split *named,
                                 struct cnn_dataset **out, enum cnn_split *used, cnn_diag *diag)
{
    struct cnn_data_settings settings = model->data;
    struct cnn_data_choice choice = {.input = model->graph.input,
                                     .path = named->path,
                                     .split = CNN_SPLIT_TRAIN,
                                     .seed = cnn_record_seed(model)};
    if (!model->has_data)
        return cnn_model_fail_no_data(model, named->what, diag);
    while (choice.split <= CNN_SPLIT_TEST &&
           strcmp(named->word, cnn_split_names[choice.split]) != 0)
        choice.split++;
    if (choice.split > CNN_SPLIT_TEST)
        return cnn_fail(diag, CNN_INVALID, NULL, "there is no split '%s': train, val or test",
                        named->word);
    settings.classes = model->classes;
    settings.class_count = model->class_count;
    return cnn_dataset_open(&settings, &choice, out, used, diag);
}

static cnn_status take_part(const struct cnn_dataset *dataset, enum cnn_split from,
                            struct cnn_arena *arena, struct cnn_record_part *out, cnn_diag *diag)
{
    size_t classes = cnn_dataset_classes(dataset),
           *images = cnn_arena_array(arena, classes, sizeof *images);
    if (!images)
        return cnn_fail_memory(diag, classes * sizeof *images, "counts of images");
    for (size_t i = 0; i < cnn_dataset_count(dataset); i++)
        images[cnn_dataset_label(dataset, i)]++;
    *out = (struct cnn_record_part){.known = true,
                                    .from = from,
                                    .images = images,
                                    .classes = classes,
                                    .fingerprint = cnn_dataset_fingerprint(dataset)};
    return CNN_OK;
}

/* Of a record, what the description says. */
static struct cnn_record take_settings(const cnn_model *data)
{
    return (struct cnn_record){.dataset = data->data.dataset,
                               .seed = cnn_record_seed(data),
                               .limit = data->data.limit,
                               .val_split = data->data.val_split};
}

/* "; train.seed is 2, and was 1" for each setting that differs. */
static void list_settings(const struct cnn_record *old, const struct cnn_record *now,
                          struct cnn_text *out)
{
    if (now->dataset != old->dataset)
        cnn_text_printf(out, "; data.dataset is %s, and was %s", cnn_dataset_names[now->dataset],
                        cnn_dataset_names[old->dataset]);
    if (now->seed != old->seed)
        cnn_text_printf(out, "; train.seed is %zu, and was %zu", now->seed, old->seed);
    if (now->limit != old->limit)
        cnn_text_printf(out, "; data.limit is %zu, and was %zu", now->limit, old->limit);
    if (now->val_split < old->val_split || now->val_split > old->val_split)
        cnn_text_printf(out, "; data.val_split is %g, and was %g", now->val_split, old->val_split);
}

/* Images of one class, or of all, in the parts that both records know. */
static size_t count_images(const struct cnn_record *record, const struct cnn_record *other,
                           size_t class)
{
    size_t count = 0;
    for (size_t p = 0; p < 2; p++) {
        const struct cnn_record_part *part = &record->parts[p];
        if (part->known && other->parts[p].known && class < part->classes)
            count += part->images[class];
    }
    return count;
}

static void list_counts(const struct cnn_record *old, const struct cnn_record *now,
                        const struct cnn_dataset *dataset, struct cnn_text *out)
{
    size_t differing = 0;
    char name[80];
    for (size_t c = 0; c < cnn_dataset_classes(dataset); c++) {
        size_t before = count_images(old, now, c), after = count_images(now, old, c);
        if (before == after || differing++ > 0)
            continue;
        cnn_text_printf(out, "; class '%s' has %zu image%s, and had %zu",
                        cnn_word_cut(cnn_dataset_class(dataset, c), name, sizeof name), after,
                        after == 1 ? "" : "s", before);
    }
    if (differing > 1)
        cnn_text_printf(out, " (and %zu other class%s another number, too)", differing - 1,
                        differing == 2 ? " has" : "es have");
}

static bool same_part(const struct cnn_record_part *a, const struct cnn_record_part *b)
{
    return !a->known || !b->known || (a->fingerprint == b->fingerprint && a->from == b->from);
}

static bool same_images(const struct cnn_record *a, const struct cnn_record *b)
{
    return same_part(&a->parts[0], &b->parts[0]) && same_part(&a->parts[1], &b->parts[1]);
}

/* Whether both know all their images, and these are the same ones, however they are divided. */
static bool same_in_all(const struct cnn_record *a, const struct cnn_record *b)
{
    return a->parts[0].known && a->parts[1].known && b->parts[0].known && b->parts[1].known &&
           a->parts[0].fingerprint + a->parts[1].fingerprint ==
               b->parts[0].fingerprint + b->parts[1].fingerprint;
}

/* How images differ that do. Begins with SEPARATOR, as each of its parts. */
static void describe(const struct cnn_record *old, const struct cnn_record *now,
                     const struct cnn_dataset *dataset, struct cnn_text *out)
{
    list_settings(old, now, out);
    if (out->size == 0 && now->parts[1].known && old->parts[1].from != now->parts[1].from)
        cnn_text_printf(out, "; validation is by the %s images, and was by the %s images",
                        cnn_split_names[now->parts[1].from], cnn_split_names[old->parts[1].from]);
    if (out->size == 0)
        list_counts(old, now, dataset, out);
    if (out->size == 0 && same_in_all(old, now))
        cnn_text_printf(out, "; the same images are divided in another way, for their names come "
                             "in another order");
    if (out->size == 0)
        cnn_text_printf(out, "; there are as many, but not the same ones");
}

static cnn_status fail_changed(const cnn_model *model, const struct cnn_record *now,
                               const struct cnn_dataset *train, cnn_diag *diag)
{
    struct cnn_text settings = {0}, all = {0};
    list_settings(model->record, now, &settings);
    describe(model->record, now, train, &all);
    cnn_status status = settings.size > 0 ? CNN_INVALID : CNN_FAILED;
    cnn_fail(diag, status, NULL, "%s was trained on other images than these: %s", model->source,
             all.failed ? "" : all.data + strlen(SEPARATOR));
    cnn_text_free(&settings);
    cnn_text_free(&all);
    return status;
}

cnn_status cnn_record_settle(cnn_model *model, const struct cnn_dataset *train,
                             const struct cnn_dataset *val, enum cnn_split val_from, cnn_diag *diag)
{
    struct cnn_record *record = cnn_arena_alloc(model->arena, sizeof *record);
    if (!record)
        return cnn_fail_memory(diag, sizeof *record, "the record of the data");
    *record = take_settings(model);
    cnn_status status =
        take_part(train, CNN_SPLIT_TRAIN, model->arena, &record->parts[CNN_SPLIT_TRAIN], diag);
    if (status == CNN_OK)
        status = take_part(val, val_from, model->arena, &record->parts[CNN_SPLIT_VAL], diag);
    if (status == CNN_OK && model->record && !same_images(model->record, record))
        status = fail_changed(model, record, train, diag);
    if (status == CNN_OK)
        model->record = record;
    return status;
}

cnn_status cnn_record_compare(const cnn_model *model, const cnn_model *data,
                              const struct cnn_dataset *dataset, enum cnn_split split,
                              cnn_diag *diag)
{
    if (!model->record || split == CNN_SPLIT_TEST)
        return CNN_OK;
    struct cnn_record now = take_settings(data);
    struct cnn_arena *arena = cnn_arena_new();
    struct cnn_record_part *part = &now.parts[split];
    cnn_status status =
        arena ? take_part(dataset, model->record->parts[split].from, arena, part, diag)
              : cnn_fail_memory(diag, 0, "counts of images");
    if (status == CNN_OK && !same_images(model->record, &now)) {
        struct cnn_text text = {0};
        describe(model->record, &now, dataset, &text);
        cnn_warn(diag, NULL, "these are not the %s images of %s: %s%s",
                 split == CNN_SPLIT_VAL ? "validation" : "training", model->source,
                 text.failed ? "" : text.data + strlen(SEPARATOR),
                 split == CNN_SPLIT_VAL
                     ? "; where it was trained on some of them, its accuracy is flattered"
                     : "");
        cnn_text_free(&text);
    }
    cnn_arena_free(arena);
    return status;
}

/* Whether the parameters of the last layer are those of file. */
static bool takes_last_layer(const cnn_model *model, const struct cnn_safetensors *file)
{
    return model->tensor_count > 0 &&
           cnn_model_fits(&model->tensors[model->tensor_count - 1], file);
}

static cnn_status doubt_classes(const cnn_model *model, const struct cnn_safetensors *file,
                                const char **out, cnn_diag *diag)
{
    const char **names;
    size_t count;
    cnn_status status = cnn_model_stored_classes(file, model->arena, &names, &count, diag);
    if (status != CNN_OK || count != model->class_count || !takes_last_layer(model, file))
        return status;
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], model->classes[i]) != 0) {
            *out = cnn_arena_printf(model->arena,
                                    "class %zu of the data is '%s'; the last layer of %s has "
                                    "learned '%s' in its place",
                                    i, model->classes[i], file->path, names[i]);
            return *out ? CNN_OK : cnn_fail_memory(diag, 0, "a message");
        }
    return CNN_OK;
}

/* Whether images that validate may be among those that file was trained on. A folder may be quite
 * another one; the others are what they are called. */
static bool may_leak(const struct cnn_record *of_file, const struct cnn_record *now)
{
    bool divided = now->val_split > 0 && now->parts[CNN_SPLIT_VAL].from == CNN_SPLIT_VAL;
    bool known = of_file->dataset == now->dataset && !cnn_dataset_formats[now->dataset]->varies;
    return divided && !same_part(&of_file->parts[CNN_SPLIT_VAL], &now->parts[CNN_SPLIT_VAL]) &&
           (known || same_in_all(of_file, now));
}

cnn_status cnn_record_doubt(const cnn_model *model, const struct cnn_safetensors *file,
                            const char **classes, const char **images, cnn_diag *diag)
{
    const struct cnn_record *of_file = NULL;
    struct cnn_text text = {0};
    *classes = *images = NULL;
    if (!cnn_record_own(file))
        return CNN_OK;
    cnn_status status = doubt_classes(model, file, classes, diag);
    if (status == CNN_OK)
        status = cnn_record_read(file, model->arena, &of_file, diag);
    if (status != CNN_OK || !of_file || !may_leak(of_file, model->record))
        return status;
    list_settings(of_file, model->record, &text);
    *images = cnn_arena_printf(
        model->arena,
        "some of the images that validate here %s has been trained on, so its accuracy is "
        "flattered%s",
        file->path, text.data ? text.data : "");
    cnn_text_free(&text);
    return *images ? CNN_OK : cnn_fail_memory(diag, 0, "a message");
}
