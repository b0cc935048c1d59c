/* Which image files can be read. */
#ifndef CNN_DATA_READABLE_H
#define CNN_DATA_READABLE_H

#include "data/images.h"

/* Looks at each file of the images of a folder, in parallel, without decoding it: its header, its
 * parts, the size of its picture. What cannot be read is left out (left_out of images) with
 * warnings. An error where that is too much, but for any_damage, or all. */
cnn_status cnn_images_drop_unreadable(struct cnn_images *images, const char *folder,
                                      bool any_damage, cnn_diag *diag);

#endif
