/* Views: dimensions of a value as strides over what a layer gives. */
#include "formats/onnx_view.h"

#include <string.h>

static void add_atom(struct cnn_view *view, size_t size, size_t stride)
{
    if (size > 1)
        view->atoms[view->atom_count++] = (struct cnn_view_atom){size, stride};
}

struct cnn_view cnn_view_of(size_t layer, cnn_shape shape)
{
    struct cnn_view view = {.known = true, .layer = layer, .shape = shape};
    view.rank = shape.rank == 3 ? 3 : 1;
    view.dims[0] = shape.c;
    view.dims[1] = shape.h;
    view.dims[2] = shape.w;
    add_atom(&view, shape.c, shape.h * shape.w);
    add_atom(&view, shape.h, shape.w);
    add_atom(&view, shape.w, 1);
    return view;
}

/* Joins atoms that follow one another without a gap. */
static void merge(struct cnn_view *view)
{
    size_t count = 0;
    for (size_t i = 0; i < view->atom_count; i++) {
        struct cnn_view_atom *last = count > 0 ? &view->atoms[count - 1] : NULL;
        if (last && last->stride == view->atoms[i].size * view->atoms[i].stride) {
            last->size *= view->atoms[i].size;
            last->stride = view->atoms[i].stride;
        } else {
            view->atoms[count++] = view->atoms[i];
        }
    }
    view->atom_count = count;
}

/* Takes atoms of `size` numbers off the front of list (from *next on), splitting one if need be. */
static bool take(struct cnn_view_atom *list, size_t count, size_t *next, size_t size,
                 struct cnn_view *to)
{
    while (size > 1) {
        if (*next == count || to->atom_count >= CNN_VIEW_ATOMS)
            return false;
        struct cnn_view_atom *atom = &list[*next];
        if (size % atom->size == 0) {
            size /= atom->size;
            to->atoms[to->atom_count++] = *atom;
            ++*next;
        } else if (atom->size % size == 0) {
            atom->size /= size;
            to->atoms[to->atom_count++] = (struct cnn_view_atom){size, atom->stride * atom->size};
            size = 1;
        } else {
            return false;
        }
    }
    return true;
}

bool cnn_view_reshape(struct cnn_view *view, size_t rank, const size_t *dims)
{
    struct cnn_view from = *view, to = *view;
    size_t next = 0;
    merge(&from);
    to.rank = rank;
    to.atom_count = 0;
    memset(to.dims, 0, sizeof to.dims);
    for (size_t i = 0; i < rank; i++) {
        to.dims[i] = dims[i];
        if (!take(from.atoms, from.atom_count, &next, dims[i], &to))
            return false;
    }
    if (next != from.atom_count)
        return false;
    *view = to;
    return true;
}

/* The atoms of each dimension: first[axis] to first[axis + 1]. */
static void divide(const struct cnn_view *view, size_t *first)
{
    size_t at = 0;
    for (size_t axis = 0; axis < view->rank; axis++) {
        first[axis] = at;
        for (size_t left = view->dims[axis]; left > 1 && at < view->atom_count; at++)
            left /= view->atoms[at].size;
    }
    first[view->rank] = at;
}

bool cnn_view_transpose(struct cnn_view *view, const size_t *order)
{
    struct cnn_view to = *view;
    size_t first[CNN_ONNX_MAX_RANK + 1];
    divide(view, first);
    to.atom_count = 0;
    for (size_t i = 0; i < view->rank; i++) {
        to.dims[i] = view->dims[order[i]];
        for (size_t k = first[order[i]]; k < first[order[i] + 1]; k++)
            to.atoms[to.atom_count++] = view->atoms[k];
    }
    *view = to;
    return true;
}

void cnn_view_drop(struct cnn_view *view, size_t axis)
{
    view->rank--;
    for (size_t i = axis; i < view->rank; i++)
        view->dims[i] = view->dims[i + 1];
}

/* One dimension, merged, as a view of its own. */
static struct cnn_view dimension(const struct cnn_view *view, size_t axis)
{
    struct cnn_view one = *view;
    size_t first[CNN_ONNX_MAX_RANK + 1];
    divide(view, first);
    one.atom_count = first[axis + 1] - first[axis];
    memmove(one.atoms, view->atoms + first[axis], one.atom_count * sizeof *one.atoms);
    merge(&one);
    return one;
}

bool cnn_view_is_channels(const struct cnn_view *view, size_t axis)
{
    const cnn_shape s = view->shape;
    struct cnn_view one = dimension(view, axis);
    if (view->dims[axis] != s.c)
        return false;
    return s.c == 1 || (one.atom_count == 1 && one.atoms[0].stride == s.h * s.w);
}

bool cnn_view_has_pads(const struct cnn_view *view)
{
    return view->pads[0] + view->pads[1] + view->pads[2] + view->pads[3] > 0;
}

bool cnn_view_is_natural(const struct cnn_view *view)
{
    struct cnn_view own = cnn_view_of(view->layer, view->shape);
    if (view->rank != own.rank || cnn_view_has_pads(view) ||
        memcmp(view->dims, own.dims, own.rank * sizeof *own.dims) != 0)
        return false;
    return cnn_view_in_order(view);
}

bool cnn_view_channels_first(struct cnn_view *view)
{
    struct cnn_view to = *view, bare;
    if (view->rank != 3 || view->shape.rank != 3)
        return false;
    cnn_view_transpose(&to, (const size_t[]){2, 0, 1});
    bare = to;
    memset(bare.pads, 0, sizeof bare.pads);
    if (!cnn_view_is_natural(&bare))
        return false;
    *view = to;
    return true;
}

void cnn_view_channels_last(struct cnn_view *view)
{
    cnn_view_transpose(view, (const size_t[]){1, 2, 0});
}

bool cnn_view_take_last(struct cnn_view *view)
{
    return !cnn_view_is_natural(view) && cnn_view_channels_first(view);
}

void cnn_view_give_last(struct cnn_view *view, bool last)
{
    if (last)
        cnn_view_channels_last(view);
}

bool cnn_view_in_order(const struct cnn_view *view)
{
    struct cnn_view one = *view;
    merge(&one);
    return !cnn_view_has_pads(view) &&
           (one.atom_count == 0 || (one.atom_count == 1 && one.atoms[0].stride == 1));
}

bool cnn_view_same(const struct cnn_view *a, const struct cnn_view *b)
{
    struct cnn_view x = *a, y = *b;
    const cnn_shape s = a->shape, t = b->shape;
    merge(&x);
    merge(&y);
    return s.rank == t.rank && s.c == t.c && s.h == t.h && s.w == t.w && a->rank == b->rank &&
           memcmp(a->dims, b->dims, a->rank * sizeof *a->dims) == 0 &&
           x.atom_count == y.atom_count &&
           memcmp(x.atoms, y.atoms, x.atom_count * sizeof *x.atoms) == 0 && !cnn_view_has_pads(a) &&
           !cnn_view_has_pads(b);
}

bool cnn_view_is_shuffle(const struct cnn_view *view, size_t *groups)
{
    const cnn_shape s = view->shape;
    const size_t map = s.h * s.w;
    if (view->rank != 3 || s.rank != 3 || view->dims[0] != s.c || view->dims[1] != s.h ||
        view->dims[2] != s.w || cnn_view_has_pads(view))
        return false;
    struct cnn_view channels = dimension(view, 0), rest = *view;
    if (channels.atom_count != 2 || channels.atoms[0].stride != map ||
        channels.atoms[1].stride != map * channels.atoms[0].size)
        return false;
    *groups = channels.atoms[1].size;
    size_t first[CNN_ONNX_MAX_RANK + 1];
    divide(view, first);
    rest.atom_count = view->atom_count - first[1];
    memmove(rest.atoms, view->atoms + first[1], rest.atom_count * sizeof *rest.atoms);
    return cnn_view_in_order(&rest);
}

size_t cnn_view_place(const struct cnn_view *view, size_t i)
{
    size_t place = 0;
    for (size_t k = view->atom_count; k-- > 0;) {
        place += i % view->atoms[k].size * view->atoms[k].stride;
        i /= view->atoms[k].size;
    }
    return place;
}

size_t cnn_view_count(const struct cnn_view *view)
{
    size_t count = 1;
    for (size_t i = 0; i < view->rank; i++)
        count *= view->dims[i];
    return count;
}

struct cnn_view cnn_view_with_channels(const struct cnn_view *view, size_t axis, size_t layer,
                                       cnn_shape shape)
{
    struct cnn_view to = *view;
    size_t first[CNN_ONNX_MAX_RANK + 1];
    divide(view, first);
    to.layer = layer;
    to.shape = shape;
    to.dims[axis] = shape.c;
    to.atom_count = 0;
    for (size_t i = 0; i < view->rank; i++) {
        if (i == axis)
            add_atom(&to, shape.c, shape.h * shape.w);
        for (size_t k = first[i]; i != axis && k < first[i + 1]; k++)
            to.atoms[to.atom_count++] = view->atoms[k];
    }
    return to;
}
