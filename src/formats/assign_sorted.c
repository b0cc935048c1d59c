/* Peers in a file that is sorted by name, whose order says nothing of the network's. Of the layers
 * of one kind and shape, those go in the order of the numbers in their names that differ in nothing
 * else: layer1.0.conv2, layer1.1.conv1, layer1.1.conv2. Otherwise nothing says which is which. */
#include <ctype.h>

#include "formats/assign_internal.h"

static bool is_open(const struct cnn_unit *unit, size_t label)
{
    return unit->how == CNN_HOW_NOT && unit->label == label;
}

/* The first open unit of the label from `from` on; the list's count: none. */
static size_t next_open(const struct cnn_units *units, size_t from, size_t label)
{
    while (from < units->count && !is_open(&units->items[from], label))
        from++;
    return from;
}

static bool alike_but_numbers(const char *a, const char *b)
{
    for (;; a++, b++) {
        bool numbers = isdigit((unsigned char)*a) && isdigit((unsigned char)*b);
        while (numbers && isdigit((unsigned char)a[1]))
            a++;
        while (numbers && isdigit((unsigned char)b[1]))
            b++;
        if (!numbers && *a != *b)
            return false;
        if (!*a)
            return true;
    }
}

static void say_choices(const struct cnn_order_request *request, size_t label)
{
    const struct cnn_units *ours = request->ours, *theirs = request->theirs;
    char shape[160];
    for (size_t i = 0; (i = next_open(theirs, i, label)) < theirs->count; i++) {
        const struct cnn_unit *unit = &theirs->items[i];
        size_t first = next_open(ours, 0, label);
        cnn_text_printf(request->ambiguous, "'%s' (%s) may be '%s'", unit->shown,
                        cnn_unit_shape(unit, shape, sizeof shape), ours->items[first].name);
        for (size_t k = first + 1; (k = next_open(ours, k, label)) < ours->count; k++)
            cnn_text_printf(request->ambiguous, " or '%s'", ours->items[k].name);
        cnn_text_printf(request->ambiguous, "\n");
        if (request->example->size == 0)
            cnn_text_printf(request->example, "%s %s", unit->shown, ours->items[first].name);
    }
}

static void pair(const struct cnn_order_request *request, size_t label)
{
    struct cnn_units *ours = request->ours, *theirs = request->theirs;
    size_t i = next_open(theirs, 0, label), k = next_open(ours, 0, label);
    while (i < theirs->count && k < ours->count) {
        theirs->items[i].peer = k;
        ours->items[k].peer = i;
        theirs->items[i].how = ours->items[k].how = CNN_HOW_ORDER;
        i = next_open(theirs, i + 1, label);
        k = next_open(ours, k + 1, label);
    }
}

void cnn_assign_sorted(const struct cnn_order_request *request)
{
    const struct cnn_units *theirs = request->theirs;
    for (size_t i = 0; i < theirs->count; i++) {
        const struct cnn_unit *first = &theirs->items[i];
        bool alike = true;
        if (first->label == SIZE_MAX || next_open(theirs, 0, first->label) != i)
            continue;
        for (size_t k = i + 1; (k = next_open(theirs, k, first->label)) < theirs->count; k++)
            alike = alike && alike_but_numbers(first->name, theirs->items[k].name);
        if (alike)
            pair(request, first->label);
        else
            say_choices(request, first->label);
    }
}
