/* A folder per class: ROOT/<class>/image files, or ROOT/train/<class>/..., and likewise ROOT/val
 * and ROOT/test (data/splits.h). The classes are the class folders' names in natural order, and
 * nothing else decides a label. */
#ifndef CNN_DATA_FOLDER_H
#define CNN_DATA_FOLDER_H

#include "data/dataset.h"
#include "data/images.h"

/* Which splits root has; one without train/, val/ and test/ is all training images. Errors are
 * CNN_FAILED: what cannot be read, no class folders, two folders of the same split. */
cnn_status cnn_folder_splits(const char *root, bool has[3], cnn_diag *diag);

/* Lists the image files of one split that root has, which are to be brought to the network's input.
 * At most limit are listed (0: all), taken in turn from each class, so that a limit keeps all
 * classes. Images in folders inside a class folder are the class's, too. The classes are the
 * folders of the training images that hold some; other splits need not have images of all, but of
 * no further ones. Every file is read and its structure looked at, but nothing is decoded: what
 * cannot be read is left out, which is an error where it is too much (but for any_damage). Warnings
 * say what is left out or passed over: files that are not read, folders without images, classes
 * that the split lacks. *out is written only on success; free it with cnn_images_free. */
cnn_status cnn_folder_read(const char *root, enum cnn_split split, size_t limit, cnn_shape input,
                           bool any_damage, struct cnn_images *out, cnn_diag *diag);

#endif
