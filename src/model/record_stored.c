/* What a checkpoint remembers of the images it was trained on: settings, counts and fingerprints,
 * no names of files. */
#include "model/record.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "util/json.h"
#include "util/text.h"

#define KEY "data"

static const char *const part_names[2] = {"train", "val"};

static void write_part(const struct cnn_record_part *part, const char *name, struct cnn_text *out)
{
    cnn_text_printf(out, ", \"%s\": {\"from\": \"%s\", \"fingerprint\": \"%016" PRIx64 "\"", name,
                    cnn_split_names[part->from], part->fingerprint);
    for (size_t i = 0; i < part->classes; i++)
        cnn_text_printf(out, "%s%zu", i ? ", " : ", \"images\": [", part->images[i]);
    cnn_text_printf(out, "]}");
}

void cnn_record_write(const struct cnn_record *record, struct cnn_text *out)
{
    cnn_text_printf(out, "{\"dataset\": \"%s\", \"seed\": %zu, \"limit\": %zu, \"val_split\": ",
                    cnn_dataset_names[record->dataset], record->seed, record->limit);
    cnn_text_json_number(out, record->val_split, 17);
    for (size_t p = 0; p < 2; p++)
        write_part(&record->parts[p], part_names[p], out);
    cnn_text_printf(out, "}");
}

/* The place of a text in a list; SIZE_MAX where it is none, or stands elsewhere. */
static size_t find_word(const struct cnn_json *value, const char *const *words, size_t count)
{
    for (size_t i = 0; value && value->kind == CNN_JSON_TEXT && i < count; i++)
        if (strcmp(value->text, words[i]) == 0)
            return i;
    return SIZE_MAX;
}

static bool read_size(const struct cnn_json *value, size_t *out)
{
    if (!value || value->kind != CNN_JSON_NUMBER || !value->whole)
        return false;
    *out = (size_t)value->size;
    return true;
}

static bool read_part(const struct cnn_json *value, struct cnn_arena *arena,
                      struct cnn_record_part *out)
{
    const struct cnn_json *images = cnn_json_get(value, "images"),
                          *print = cnn_json_get(value, "fingerprint");
    size_t from = find_word(cnn_json_get(value, "from"), cnn_split_names, 3), i = 0;
    if (!images || images->kind != CNN_JSON_LIST || !print || print->kind != CNN_JSON_TEXT ||
        strspn(print->text, "0123456789abcdef") != 16 || print->text[16] || from == SIZE_MAX)
        return false;
    size_t *counts = cnn_arena_array(arena, (size_t)images->size + 1, sizeof *counts);
    for (const struct cnn_json *count = images->first; count; count = count->next)
        if (!counts || !read_size(count, &counts[i++]))
            return false;
    *out = (struct cnn_record_part){.known = true,
                                    .from = (enum cnn_split)from,
                                    .images = counts,
                                    .classes = i,
                                    .fingerprint = strtoull(print->text, NULL, 16)};
    return counts != NULL;
}

static bool read_record(const struct cnn_json *root, struct cnn_arena *arena,
                        struct cnn_record *out)
{
    size_t kinds = 0;
    while (cnn_dataset_names[kinds])
        kinds++;
    size_t dataset = find_word(cnn_json_get(root, "dataset"), cnn_dataset_names, kinds);
    const struct cnn_json *val_split = cnn_json_get(root, "val_split");
    if (dataset == SIZE_MAX || !val_split || val_split->kind != CNN_JSON_NUMBER)
        return false;
    out->dataset = (int)dataset;
    out->val_split = val_split->number;
    return read_size(cnn_json_get(root, "seed"), &out->seed) &&
           read_size(cnn_json_get(root, "limit"), &out->limit) &&
           read_part(cnn_json_get(root, part_names[0]), arena, &out->parts[0]) &&
           read_part(cnn_json_get(root, part_names[1]), arena, &out->parts[1]);
}

bool cnn_record_own(const struct cnn_safetensors *file)
{
    const char *format = cnn_safetensors_metadata(file, "format");
    return format && strcmp(format, "cnn") == 0;
}

cnn_status cnn_record_read(const struct cnn_safetensors *file, struct cnn_arena *arena,
                           const struct cnn_record **out, cnn_diag *diag)
{
    const char *text = cnn_record_own(file) ? cnn_safetensors_metadata(file, KEY) : NULL;
    struct cnn_json_error error = {.text = ""};
    if (!text)
        return CNN_OK;
    struct cnn_record *record = cnn_arena_alloc(arena, sizeof *record);
    const struct cnn_json *root = record ? cnn_json_read(arena, text, strlen(text), &error) : NULL;
    if (!record || (!root && !error.text))
        return cnn_fail_memory(diag, strlen(text), "metadata");
    if (!root || !read_record(root, arena, record))
        return cnn_fail(diag, CNN_FAILED, NULL,
                        "%s: its metadata '" KEY "' is no record of the images that it was "
                        "trained on",
                        file->path);
    *out = record;
    return CNN_OK;
}

const struct cnn_record *cnn_record_copy(const struct cnn_record *record, struct cnn_arena *arena)
{
    struct cnn_record *copy = cnn_arena_alloc(arena, sizeof *copy);
    if (!copy)
        return NULL;
    *copy = *record;
    for (size_t p = 0; p < 2; p++) {
        size_t classes = record->parts[p].classes,
               *images = cnn_arena_array(arena, classes + 1, sizeof *images);
        if (!images)
            return NULL;
        memcpy(images, record->parts[p].images, classes * sizeof *images);
        copy->parts[p].images = images;
    }
    return copy;
}
