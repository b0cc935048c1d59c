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
