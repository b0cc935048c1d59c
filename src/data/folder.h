/* A folder per class: ROOT/<class>/image files, or ROOT/train/<class>/..., and likewise ROOT/val
 * and ROOT/test. The classes are the class folders' names in natural order, and nothing else
 * decides a label. */
#ifndef CNN_DATA_FOLDER_H
#define CNN_DATA_FOLDER_H

#include "data/dataset.h"
#include "data/images.h"

/* Which splits root has; one without train/, val/ and test/ is all training images. Errors are
 * CNN_FAILED: no folder, or no class folders in it. */
cnn_status cnn_folder_splits(const char *root, bool has[3], cnn_diag *diag);

/* Lists the image files of one split that root has, which are to be brought to the network's input.
 * At most limit are listed (0: all), taken in turn from each class, so that a limit keeps all
 * classes. Hidden files and names that are no images' are passed over. Every file is read and its
 * structure looked at, but nothing is decoded: what cannot be read is left out with warnings; more
 * than 1 % of it is an error (but for any_damage), as are an empty class folder and classes that
 * differ from those of the training images. *out is written only on success; free it with
 * cnn_images_free. */
cnn_status cnn_folder_read(const char *root, enum cnn_split split, size_t limit, cnn_shape input,
                           bool any_damage, struct cnn_images *out, cnn_diag *diag);

#endif
