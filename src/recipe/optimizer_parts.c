/* What several optimisers share: the key `groups`, and weight decay. */
#include "recipe/optimizer_type.h"

const struct cnn_key cnn_groups_keys[] = {
    {.name = "groups",
     .kind = CNN_KEY_NODE,
     .at = offsetof(struct cnn_optimizer_base, groups),
     .otherwise = "",
     .help = "list of tensors with their own settings"},
    CNN_KEY_END,
};

void cnn_update_shrink(const struct cnn_update *update)
{
    float factor = (float)(1 - update->lr * update->weight_decay);
    if (factor != 1)
        update->kernels->combine(update->tensor->count, 0, NULL, factor, update->w);
}
