/* What the files of the reader of PyTorch's weights share: what a pickle of tensors may name, and
 * where in it the tensors are. */
#ifndef CNN_FORMATS_TORCH_INTERNAL_H
#define CNN_FORMATS_TORCH_INTERNAL_H

#include "formats/pickle.h"
#include "formats/torch.h"

/* Numbers of cnn_torch_globals. From TORCH_STORAGES on there are two for each enum cnn_weight_type.
 */
enum {
    TORCH_ORDERED_DICT,
    TORCH_REBUILD,
    TORCH_REBUILD_V2,
    TORCH_REBUILD_PARAMETER,
    TORCH_PARAMETER,
    TORCH_SIZE,
    TORCH_STORAGES
};
extern const struct cnn_pickle_global cnn_torch_globals[];

/* The call that makes a tensor, within those that make a parameter of it; NULL: it is none. */
const struct cnn_pickle *cnn_torch_tensor_call(const struct cnn_pickle *value);

/* Tensors that are entries of a table; 0 if it is none. */
size_t cnn_torch_count(const struct cnn_pickle *table);

/* The state dict: root, or within up to two tables, {'epoch': 3, 'state_dict': {..}}. entry: the
 * name of the entry of root that it must be; NULL: the likeliest. Sets entry and others of w. */
cnn_status cnn_torch_find_table(struct cnn_weights *w, const struct cnn_pickle *root,
                                const char *entry, const struct cnn_pickle **out, cnn_diag *diag);

#endif
