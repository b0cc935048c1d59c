/* Which table of a pickle holds the weights: the state dict, which may be an entry of another table
 * beside what else training has saved. */
#include <string.h>

#include "formats/torch_internal.h"

#define LEVELS 2 /* tables around a state dict, at most */

#define STORAGE(name)                                                                              \
    {"torch." name, false},                                                                        \
    {                                                                                              \
        "torch.cuda." name, false                                                                  \
    }
const struct cnn_pickle_global cnn_torch_globals[] = {
    [TORCH_ORDERED_DICT] = {"collections.OrderedDict", true},
    [TORCH_REBUILD] = {"torch._utils._rebuild_tensor", false},
    [TORCH_REBUILD_V2] = {"torch._utils._rebuild_tensor_v2", false},
    [TORCH_REBUILD_PARAMETER] = {"torch._utils._rebuild_parameter", false},
    [TORCH_PARAMETER] = {"torch.nn.parameter.Parameter", false},
    [TORCH_SIZE] = {"torch.Size", false},
    /* in the order of enum cnn_weight_type */
    STORAGE("FloatStorage"),
    STORAGE("DoubleStorage"),
    STORAGE("HalfStorage"),
    STORAGE("BFloat16Storage"),
    STORAGE("LongStorage"),
    STORAGE("IntStorage"),
    STORAGE("ShortStorage"),
    STORAGE("CharStorage"),
    STORAGE("ByteStorage"),
    STORAGE("BoolStorage"),
    {NULL, false}};

const struct cnn_pickle *cnn_torch_tensor_call(const struct cnn_pickle *value)
{
    for (int level = 0; level < 3 && value->kind == CNN_PICKLE_CALL; level++) {
        int64_t callee = value->items[0]->integer;
        if (callee == TORCH_REBUILD || callee == TORCH_REBUILD_V2)
            return value;
        if ((callee != TORCH_REBUILD_PARAMETER && callee != TORCH_PARAMETER) ||
            value->items[1]->count == 0)
            return NULL;
        value = value->items[1]->items[0];
    }
    return NULL;
}

size_t cnn_torch_count(const struct cnn_pickle *table)
{
    size_t count = 0;
    for (size_t i = 0; table->kind == CNN_PICKLE_DICT && i < table->count; i += 2)
        count +=
            table->items[i]->kind == CNN_PICKLE_TEXT && cnn_torch_tensor_call(table->items[i + 1]);
    return count;
}

/* What entries that hold the weights are called, the likeliest first; averaged ones come last, for
 * they are there besides. */
static const char *const entry_names[] = {"state_dict",     "model_state_dict", "model",  "net",
                                          "network",        "weights",          "params", "module",
                                          "state_dict_ema", "model_ema",        "ema"};

/* The entry to take of a table whose entries are state dicts, among others that are not. */
static const char *choose_entry(const struct cnn_pickle *table)
{
    const char *found = NULL;
    for (size_t i = 0; i < sizeof entry_names / sizeof *entry_names && !found; i++) {
        const struct cnn_pickle *value = cnn_pickle_get(table, entry_names[i]);
        if (value && cnn_torch_count(value) > 0)
            found = entry_names[i];
    }
    for (size_t i = 0; i < table->count && !found; i += 2)
        if (table->items[i]->kind == CNN_PICKLE_TEXT && cnn_torch_count(table->items[i + 1]) > 0)
            found = table->items[i]->text;
    return found;
}

static void list_others(struct cnn_weights *w, const struct cnn_pickle *table, const char *chosen)
{
    struct cnn_text *others = &w->others;
    for (size_t i = 0; i < table->count; i += 2)
        if (table->items[i]->kind == CNN_PICKLE_TEXT && cnn_torch_count(table->items[i + 1]) > 0 &&
            (!chosen || strcmp(table->items[i]->text, chosen) != 0))
            cnn_text_printf(others, "%s%s", others->size > 0 ? ", " : "", table->items[i]->text);
}

static cnn_status fail_entry(struct cnn_weights *w, const struct cnn_pickle *table,
                             const char *entry, cnn_diag *diag)
{
    if (table->kind == CNN_PICKLE_DICT)
        list_others(w, table, NULL);
    cnn_status status =
        entry ? cnn_fail(diag, CNN_INVALID, NULL, "%s has no entry '%s' that holds tensors",
                         w->path, entry)
              : cnn_fail(diag, CNN_FAILED, NULL,
                         "%s holds no table of tensors by name, as model.state_dict() gives it",
                         w->path);
    if (w->others.size > 0 && !w->others.failed)
        cnn_hint(diag, "those that do: %s", w->others.data);
    return status;
}

cnn_status cnn_torch_find_table(struct cnn_weights *w, const struct cnn_pickle *root,
                                const char *entry, const struct cnn_pickle **out, cnn_diag *diag)
{
    const struct cnn_pickle *value = root;
    if (entry) {
        *out = cnn_pickle_get(root, entry);
        w->entry = entry;
        return *out && cnn_torch_count(*out) > 0 ? CNN_OK : fail_entry(w, root, entry, diag);
    }
    for (int level = 0; level <= LEVELS; level++) {
        if (cnn_torch_count(value) > 0) {
            *out = value;
            return CNN_OK;
        }
        const char *chosen = value->kind == CNN_PICKLE_DICT ? choose_entry(value) : NULL;
        const struct cnn_pickle *inside = chosen ? cnn_pickle_get(value, chosen) : NULL;
        for (size_t i = 0; !inside && i < sizeof entry_names / sizeof *entry_names; i++)
            inside = cnn_pickle_get(value, entry_names[i]);
        if (!inside)
            break;
        if (chosen) {
            w->entry = chosen;
            list_others(w, value, chosen);
        }
        value = inside;
    }
    return fail_entry(w, root, NULL, diag);
}
