/* Parameters from a checkpoint of another network: those that fit are taken. */
#include "model/model.h"

#include <string.h>

#define LISTED 8 /* layers that a message names */

/* The names of layers, in words. Tensors of one layer follow each other. */
struct layer_list {
    struct cnn_text text;
    const char *newest;
    size_t length, count; /* of the newest name; of layers */
};

static void add_layer(struct layer_list *list, const char *tensor)
{
    const char *end = strrchr(tensor, '.');
    size_t length = end ? (size_t)(end - tensor) : strlen(tensor);
    if (list->count > 0 && length == list->length && memcmp(list->newest, tensor, length) == 0)
        return;
    list->newest = tensor;
    list->length = length;
    if (list->count++ < LISTED)
        cnn_text_printf(&list->text, "%s%.*s", list->count > 1 ? ", " : "", (int)length, tensor);
}

static const char *finish_list(struct layer_list *list)
{
    if (list->count > LISTED)
        cnn_text_printf(&list->text, " and %zu more", list->count - LISTED);
    return list->text.data ? list->text.data : "none";
}

/* Whether --from takes the i-th tensor. Without its weights a layer's bias means nothing, even
 * if its length happens to fit: it is taken only where the layer's first tensor is. */
static bool transfers(const cnn_model *model, const struct cnn_safetensors *file, size_t i)
{
    const struct cnn_tensor_place *place = &model->tensors[i];
    bool first = i == 0 || model->tensors[i - 1].node != place->node;
    return cnn_model_fits(place, file) && (first || transfers(model, file, i - 1));
}

/* Layers of the model that file does not give whole. */
static void list_new(const cnn_model *model, const struct cnn_safetensors *file,
                     struct layer_list *list)
{
    for (size_t i = 0; i < model->tensor_count; i++)
        if (!transfers(model, file, i))
            add_layer(list, model->tensors[i].name);
}

/* Layers of file that the model does not take whole. */
static void list_unused(const cnn_model *model, const struct cnn_safetensors *file,
                        struct layer_list *list)
{
    for (size_t i = 0; i < file->tensor_count; i++) {
        const struct cnn_stored_tensor *stored = &file->tensors[i];
        bool used = stored->name[0] == CNN_RESERVED[0];
        for (size_t k = 0; k < model->tensor_count && !used; k++)
            used = strcmp(model->tensors[k].name, stored->name) == 0 && transfers(model, file, k);
        if (!used)
            add_layer(list, stored->name);
    }
}

cnn_status cnn_model_transfer(cnn_model *model, const struct cnn_safetensors *file,
                              const char **warning, cnn_diag *diag)
{
    size_t taken = 0;
    cnn_status status = CNN_OK;
    for (size_t i = 0; status == CNN_OK && i < model->tensor_count; i++) {
        if (!transfers(model, file, i))
            continue;
        status = cnn_model_load_tensor(model, file, &model->tensors[i], diag);
        taken++;
    }
    if (status != CNN_OK)
        return status;
    struct layer_list new = {0}, unused = {0};
    list_new(model, file, &new);
    list_unused(model, file, &unused);
    if (taken == 0) {
        status = cnn_fail(diag, CNN_FAILED, NULL,
                          "nothing in %s fits: no layer's weights have name and shape of those of "
                          "the description",
                          file->path);
        cnn_hint(diag, "the description's layers: %s; those of the file: %s", finish_list(&new),
                 finish_list(&unused));
    } else if (new.count + unused.count > 0) {
        *warning = cnn_arena_printf(
            model->arena,
            "%s%zu of %zu tensors are from %s; new layers: %s; left over in the file: %s",
            2 * taken < model->tensor_count ? "only " : "", taken, model->tensor_count, file->path,
            finish_list(&new), finish_list(&unused));
        status = *warning ? CNN_OK : cnn_fail_memory(diag, new.text.size, "a message");
    }
    cnn_text_free(&new.text);
    cnn_text_free(&unused.text);
    return status;
}
