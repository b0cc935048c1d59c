/* What several losses share: the key of class weights. */
#include "recipe/loss_type.h"

const struct cnn_key cnn_class_weights_keys[] = {
    {.name = "class_weights",
     .kind = CNN_KEY_NODE,
     .at = offsetof(struct cnn_loss_base, class_weights),
     .otherwise = "none",
     .help = "how much the images of each class count: none (all the same), balanced (classes with "
             "fewer training images count more, so that each counts the same as a whole) or a list "
             "of numbers above 0, one per class"},
    CNN_KEY_END,
};

#define LISTED 20 /* outputs that are all written out */
#define TOP    5  /* of more */

bool cnn_loss_listed(const struct cnn_loss_row *row, size_t output)
{
    return row->classes <= LISTED || output == row->label ||
           cnn_kernels()->rank(row->classes, row->y, output) < TOP;
}

void cnn_loss_write_others(const struct cnn_loss_row *row, struct cnn_text *out)
{
    size_t others = 0;
    for (size_t j = 0; j < row->classes; j++)
        others += !cnn_loss_listed(row, j);
    if (others > 0)
        cnn_text_printf(out, "  and %zu others\n", others);
}
