/* What several optimisers share: the key `groups`, weight decay, and loops over elements. */
#include "recipe/optimizer_type.h"
#include "util/parallel.h"

#define BLOCK ((size_t)16384) /* elements of one task */

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
    for (size_t i = 0; factor != 1 && i < update->tensor->count; i++)
        update->w[i] *= factor;
}

struct blocks {
    const struct cnn_update *update;
    void (*block)(const struct cnn_update *update, size_t begin, size_t count);
};

static void run_block(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct blocks *blocks = context;
    size_t begin = task * BLOCK, rest = blocks->update->tensor->count - begin;
    blocks->block(blocks->update, begin, rest < BLOCK ? rest : BLOCK);
}

void cnn_update_blocks(const struct cnn_update *update,
                       void (*block)(const struct cnn_update *update, size_t begin, size_t count))
{
    struct blocks blocks = {update, block};
    size_t count = update->tensor->count;
    cnn_parallel_for(count / BLOCK + (count % BLOCK != 0), run_block, &blocks);
}
