/* The list of kinds of pictures, from kinds.def. */
#include "viz/kind.h"

#define KIND(name) extern const struct cnn_view_kind cnn_kind_##name;
#include "viz/kinds.def"
#undef KIND

#define KIND(name) &cnn_kind_##name,
const struct cnn_view_kind *const cnn_view_kinds[CNN_PICTURE_KINDS] = {
#include "viz/kinds.def"
};
#undef KIND

#define KIND(name) +1
enum {
    LINES = 0
#include "viz/kinds.def"
};
#undef KIND
_Static_assert(LINES == (int)CNN_PICTURE_KINDS,
               "a kind lacks its line in kinds.def, or its number in cnn.h");

static const struct cnn_view_kind *find_kind(cnn_picture_kind number)
{
    for (size_t i = 0; i < CNN_PICTURE_KINDS; i++)
        if (cnn_view_kinds[i]->number == number)
            return cnn_view_kinds[i];
    return NULL;
}

const char *cnn_picture_kind_name(cnn_picture_kind kind)
{
    const struct cnn_view_kind *found = find_kind(kind);
    return found ? found->name : NULL;
}

const char *cnn_picture_kind_help(cnn_picture_kind kind)
{
    const struct cnn_view_kind *found = find_kind(kind);
    return found ? found->help : NULL;
}
