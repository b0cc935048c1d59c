/* Where the arrays of an exported network lie in its arena (c_export.h). Arrays are placed one
 * after the other, each as low as those before it allow. Which order is good is searched for: the
 * first goes by size, and then the arrays that reach highest move forward, as long as that helps.
 */
#include <string.h>

#include "formats/c_export.h"
#include "util/allocate.h"

#define ROUNDS 400
#define WORK   ((size_t)1 << 26) /* comparisons at most */

static bool meet(const struct cnn_c_array *a, const struct cnn_c_array *b)
{
    return a->first <= b->last && b->first <= a->last && a->bytes > 0 && b->bytes > 0;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Offsets of arrays[a] that arrays[b], which has its place, forbids: those x with low < x + bytes
 * of a, and x < high. */
static void forbidden(const struct cnn_c_array *arrays, size_t a, size_t b, size_t *low,
                      size_t *high)
{
    const struct cnn_c_array *new = &arrays[a], *old = &arrays[b];
    *low = old->offset;
    *high = old->offset + old->bytes;
    if (new->over == b) /* it may begin before */
        *low = old->offset + new->bytes - least(new->ahead, new->bytes);
    if (old->over == a) /* it may begin behind */
        *high = old->offset + least(old->ahead, old->bytes);
}

bool cnn_c_collide(const struct cnn_c_array *arrays, size_t a, size_t b)
{
    size_t low, high;
    if (!meet(&arrays[a], &arrays[b]))
        return false;
    forbidden(arrays, a, b, &low, &high);
    return arrays[a].offset + arrays[a].bytes > low && arrays[a].offset < high;
}

/* The lowest place that those before it in the order allow. */
static void place(struct cnn_c_array *arrays, const size_t *order, size_t at)
{
    struct cnn_c_array *new = &arrays[order[at]];
    new->offset = 0;
    for (size_t i = 0; i < at; i++) {
        size_t low, high;
        if (!meet(new, &arrays[order[i]]))
            continue;
        forbidden(arrays, order[at], order[i], &low, &high);
        if (new->offset + new->bytes > low &&new->offset < high) {
            new->offset = high;
            i = SIZE_MAX; /* from the beginning again */
        }
    }
}

/* Places all; the array that reaches highest, as its place in the order. */
static size_t place_all(struct cnn_c_array *arrays, const size_t *order, size_t count,
                        size_t *bytes)
{
    size_t highest = 0;
    *bytes = 0;
    for (size_t i = 0; i < count; i++) {
        place(arrays, order, i);
        const size_t end = arrays[order[i]].offset + arrays[order[i]].bytes;
        if (end > *bytes) {
            *bytes = end;
            highest = i;
        }
    }
    return highest;
}

size_t cnn_c_alive(const struct cnn_c_array *arrays, size_t count, size_t step)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        const struct cnn_c_array *a = &arrays[i];
        if (a->first > step || a->last < step)
            continue;
        bytes += a->bytes;
        if (a->over == CNN_C_NONE || a->first != step)
            continue;
        /* together they take what the longer one takes */
        const size_t under = arrays[a->over].bytes,
                     both = a->bytes > a->ahead + under ? a->bytes : a->ahead + under;
        bytes -= a->bytes + under - least(both, a->bytes + under);
    }
    return bytes;
}

/* The largest first; of equals the later one. */
static void sort(const struct cnn_c_array *arrays, size_t count, size_t *order)
{
    for (size_t i = 0; i < count; i++) {
        size_t at = i;
        for (; at > 0 && arrays[order[at - 1]].bytes <= arrays[i].bytes; at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
}

static void move(size_t *order, size_t from, size_t to)
{
    const size_t moved = order[from];
    memmove(order + to + 1, order + to, (from - to) * sizeof *order);
    order[to] = moved;
}

/* Moves arrays forward in the order as long as the arena does not grow: the highest one, or any.
 * The numbers are those of a small generator, so that each export finds the same. */
static void improve(struct cnn_c_array *arrays, size_t count, size_t *order, size_t *trial)
{
    size_t best, bytes, bound = 0, highest = place_all(arrays, order, count, &best);
    uint32_t random = 1;
    for (size_t i = 0; i < count; i++)
        if (cnn_c_alive(arrays, count, arrays[i].first) > bound)
            bound = cnn_c_alive(arrays, count, arrays[i].first);
    for (size_t round = 0; round < ROUNDS && best > bound && round * count * count < WORK;
         round++) {
        random = random * 1664525 + 1013904223;
        size_t from = round % 2 == 0 && highest > 0 ? highest : (random >> 8) % count,
               to = from > 0 ? (random >> 20) % from : 0;
        memcpy(trial, order, count * sizeof *order);
        move(trial, from, to);
        size_t reaches = place_all(arrays, trial, count, &bytes);
        if (bytes > best)
            continue;
        best = bytes;
        highest = reaches;
        memcpy(order, trial, count * sizeof *order);
    }
}

bool cnn_c_place(struct cnn_c_array *arrays, size_t count, size_t *bytes)
{
    size_t *order = cnn_malloc((count + 1) * sizeof *order),
           *trial = cnn_malloc((count + 1) * sizeof *trial);
    const bool found = order && trial;
    *bytes = 0;
    if (found && count > 0) {
        sort(arrays, count, order);
        improve(arrays, count, order, trial);
        place_all(arrays, order, count, bytes);
    }
    cnn_free(order);
    cnn_free(trial);
    return found;
}
