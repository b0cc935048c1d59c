/* Blocks in a list of layers: several runs of layers that do the same under names with the same
 * ends. A use of a block names its last layer as itself, and the others after it; so do exporters
 * that name layers after modules: layer1_0_conv1, layer1_0_conv2, layer1_0. */
#include "model/compact.h"

#include <string.h>

/* Whether the run of layers that ends with node can be a use: it reads one value from outside, and
 * of its values the last one alone is read there. */
static bool is_closed(const struct cnn_graph *graph, struct cnn_found_use *use)
{
    bool known = false;
    for (size_t i = use->first; i <= use->last; i++)
        for (size_t k = 0; k < graph->nodes[i].input_count; k++) {
            size_t value = graph->nodes[i].inputs[k];
            if (value > use->first)
                continue;
            if (known && value != use->input)
                return false;
            use->input = value;
            known = true;
        }
    for (size_t i = use->last + 1; i < graph->count; i++)
        for (size_t k = 0; k < graph->nodes[i].input_count; k++)
            if (graph->nodes[i].inputs[k] > use->first && graph->nodes[i].inputs[k] <= use->last)
                return false;
    return known;
}

const char *cnn_found_name(const struct cnn_graph *graph, const struct cnn_found_use *use,
                           size_t node)
{
    size_t length = strlen(graph->nodes[use->last].name);
    return node == use->last ? "" : graph->nodes[node].name + length + 1;
}

/* The run of layers that ends with node last. False: there is none. */
static bool find_run(const struct cnn_graph *graph, size_t last, struct cnn_found_use *use)
{
    const char *name = graph->nodes[last].name;
    size_t length = strlen(name);
    *use = (struct cnn_found_use){.first = last, .last = last};
    while (use->first > 0) {
        const char *other = graph->nodes[use->first - 1].name;
        if (strncmp(other, name, length) != 0 || other[length] != '_' || !other[length + 1] ||
            strcmp(other + length + 1, "input") == 0)
            break;
        use->first--;
    }
    return use->first < last && is_closed(graph, use);
}

static bool is_value(const struct cnn_yaml *node)
{
    for (size_t i = 0; node->kind == CNN_YAML_SEQUENCE && i < node->count; i++)
        if (node->items[i]->kind != CNN_YAML_SCALAR)
            return false;
    return node->kind != CNN_YAML_MAPPING;
}

bool cnn_found_alike(const struct cnn_yaml *a, const struct cnn_yaml *b)
{
    if (!a || !b)
        return !a && !b;
    return is_value(a) && is_value(b);
}

static bool same_layer(const struct cnn_graph *graph, const struct cnn_found_use *a,
                       const struct cnn_found_use *b, size_t k)
{
    size_t i = a->first + k, j = b->first + k;
    const struct cnn_node *x = &graph->nodes[i], *y = &graph->nodes[j];
    bool same = x->type == y->type && x->trainable == y->trainable &&
                x->input_count == y->input_count &&
                strcmp(cnn_found_name(graph, a, i), cnn_found_name(graph, b, j)) == 0;
    for (size_t n = 0; same && n < x->input_count; n++)
        same = x->inputs[n] > a->first ? x->inputs[n] - a->first == y->inputs[n] - b->first
                                       : y->inputs[n] <= b->first;
    const struct cnn_yaml *own = graph->resolved_layers->items[i],
                          *other = graph->resolved_layers->items[j];
    for (struct cnn_key_walk walk = cnn_key_walk(x->type->variant.keys);
         same && cnn_key_next(&walk);)
        same =
            cnn_found_alike(cnn_yaml_get(own, walk.key->name), cnn_yaml_get(other, walk.key->name));
    return same;
}

static bool same_block(const struct cnn_graph *graph, const struct cnn_found_use *a,
                       const struct cnn_found_use *b)
{
    bool same = a->last - a->first == b->last - b->first;
    for (size_t k = 0; same && k <= a->last - a->first; k++)
        same = same_layer(graph, a, b, k);
    return same;
}

/* Numbers the blocks, and leaves out uses that are the only one of theirs. */
static size_t number_blocks(const struct cnn_graph *graph, struct cnn_found_use *uses, size_t count)
{
    size_t blocks = 0, kept = 0;
    for (size_t i = 0; i < count; i++) {
        size_t of_block = 0;
        for (size_t j = 0; j < count; j++)
            of_block += same_block(graph, &uses[i], &uses[j]);
        uses[i].block = of_block > 1 ? 0 : CNN_NO_INDEX;
    }
    for (size_t i = 0; i < count; i++) {
        size_t earlier = 0;
        if (uses[i].block == CNN_NO_INDEX)
            continue;
        while (earlier < kept && !same_block(graph, &uses[earlier], &uses[i]))
            earlier++;
        uses[kept] = uses[i];
        uses[kept].block = earlier < kept ? uses[earlier].block : blocks++;
        kept++;
    }
    return kept;
}

bool cnn_find_blocks(struct cnn_arena *arena, const struct cnn_graph *graph,
                     struct cnn_found_use **out, size_t *count)
{
    struct cnn_found_use *uses = cnn_arena_array(arena, graph->count, sizeof *uses), use;
    size_t found = 0;
    if (!uses)
        return false;
    for (size_t end = graph->count; end > 0; end--)
        if (find_run(graph, end - 1, &use)) {
            uses[found++] = use;
            end = use.first + 1;
        }
    for (size_t i = 0; i < found / 2; i++) {
        use = uses[i];
        uses[i] = uses[found - 1 - i];
        uses[found - 1 - i] = use;
    }
    *out = uses;
    *count = number_blocks(graph, uses, found);
    return true;
}
