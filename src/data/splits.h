/* How a folder data set is divided: which folders of its root are the training, the validation and
 * the test images. */
#ifndef CNN_DATA_SPLITS_H
#define CNN_DATA_SPLITS_H

#include "data/directory.h"
#include "data/passed.h"

/* Names for a list in a message: the first few, and how many there are. */
struct cnn_name_list {
    const char *names[5];
    size_t count;
};
void cnn_name_list_add(struct cnn_name_list *list, const char *name);
/* "a, b and 3 more", in the arena; NULL when out of memory */
const char *cnn_name_list_text(struct cnn_arena *arena, const struct cnn_name_list *list);

struct cnn_splits {
    /* of enum cnn_split; root itself where it is not divided; NULL: there is none */
    const char *folders[3];
    bool divided;
    /* of a divided root: what else lies in it */
    struct cnn_name_list unused; /* folders that are no splits */
    struct cnn_name_list bare;   /* those named like a split that hold no folder */
    struct cnn_passed passed;    /* pictures */
};

/* Looks through root. A split is a folder train or training; val, valid or validation; test or
 * testing, in any case, that holds folders: one named train with images in it is the class of
 * trains. A root that has no folder of training images but other folders is not divided. CNN_FAILED
 * for what cannot be read, for two folders of the same split, and for a root that holds no class
 * folders. All that *out points to is in the arena. */
cnn_status cnn_splits_find(struct cnn_arena *arena, const char *root, struct cnn_splits *out,
                           cnn_diag *diag);

/* Warnings of what lies beside the splits of root. */
void cnn_splits_tell(struct cnn_arena *arena, const struct cnn_splits *splits, const char *root,
                     cnn_diag *diag);

#endif
