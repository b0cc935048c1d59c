/* From the `input`, `blocks` and `layers` of a description to the graph: blocks expanded, and each
 * layer given to the builder. */
#include "config/blocks.h"
#include "graph/builder.h"

#include <string.h>

/* Gives the builder each layer of a list, in which lists are spliced in place. */
static cnn_status add_layers(struct cnn_graph_builder *builder, struct cnn_yaml *layers)
{
    cnn_status status = CNN_OK;
    for (size_t i = 0; i < layers->count; i++) {
        struct cnn_yaml *entry = layers->items[i];
        cnn_status one = entry->kind == CNN_YAML_SEQUENCE ? add_layers(builder, entry)
                                                          : cnn_graph_add_yaml(builder, entry);
        status = one != CNN_OK ? one : status;
    }
    return status;
}

/* A block that is called as a layer type would hide it. */
static cnn_status check_block_names(const struct cnn_graph_source *source,
                                    const struct cnn_blocks *blocks, cnn_diag *diag)
{
    cnn_status status = CNN_OK;
    for (size_t i = 0; i < blocks->count; i++)
        for (size_t k = 0; k < source->type_count; k++)
            if (strcmp(blocks->definitions[i].name, source->types[k]->variant.name) == 0) {
                blocks->definitions[i].wrong = true;
                status = cnn_fail(diag, CNN_INVALID, &blocks->definitions[i].where,
                                  "a block cannot be called '%s': that is a layer type",
                                  blocks->definitions[i].name);
            }
    return status;
}

/* The layers without blocks, in *out as far as they are right. */
static cnn_status expand(struct cnn_arena *arena, const struct cnn_graph_source *source,
                         struct cnn_graph_setup *setup, struct cnn_yaml **out, cnn_diag *diag)
{
    struct cnn_blocks blocks;
    const char **names;
    cnn_status read = cnn_blocks_read(arena, source->blocks, &blocks, diag),
               named = check_block_names(source, &blocks, diag),
               expanded = cnn_blocks_expand(arena, &blocks, source->layers, out, diag);
    if (!(names = cnn_arena_array(arena, blocks.count + 1, sizeof *names)))
        return cnn_fail_memory(diag, 0, "the graph");
    for (size_t i = 0; i < blocks.count; i++)
        names[i] = blocks.definitions[i].name;
    setup->blocks = names;
    return read != CNN_OK ? read : named != CNN_OK ? named : expanded;
}

static const struct cnn_key input_keys[] = {{.name = "channels",
                                             .kind = CNN_KEY_SIZE,
                                             .at = offsetof(cnn_shape, c),
                                             .min = 1,
                                             .max = 65535,
                                             .help = "channels of the input: 1 grey, 3 colour"},
                                            {.name = "height",
                                             .kind = CNN_KEY_SIZE,
                                             .at = offsetof(cnn_shape, h),
                                             .min = 1,
                                             .max = 65535,
                                             .help = "rows"},
                                            {.name = "width",
                                             .kind = CNN_KEY_SIZE,
                                             .at = offsetof(cnn_shape, w),
                                             .min = 1,
                                             .max = 65535,
                                             .help = "columns"},
                                            CNN_KEY_END};

static cnn_status read_input_shape(const struct cnn_yaml *input, struct cnn_arena *arena,
                                   cnn_shape *out, cnn_diag *diag)
{
    cnn_shape shape = {3, 0, 0, 0};
    cnn_status status = CNN_OK;
    if (input->kind == CNN_YAML_SEQUENCE) {
        struct cnn_yaml *named =
            input->count == 3 ? cnn_yaml_new_mapping(arena, &input->where) : NULL;
        for (size_t i = 0; named && i < 3; i++)
            if (!cnn_yaml_put(arena, named, input_keys[i].name, input->items[i]))
                return cnn_fail_memory(diag, sizeof *named, "the input");
        status =
            named ? cnn_keys_read(arena, &(struct cnn_keys){.table = input_keys, .what = "input"},
                                  named, &input->where, &shape, diag)
                  : cnn_fail(diag, CNN_INVALID, &input->where,
                             "`input` wants [channels, height, width]; found a list of %zu",
                             input->count);
    } else if (input->kind == CNN_YAML_MAPPING) {
        status = cnn_keys_read(arena, &(struct cnn_keys){.table = input_keys, .what = "input"},
                               input, &input->where, &shape, diag);
    } else {
        char found[64];
        status = cnn_fail(diag, CNN_INVALID, &input->where,
                          "`input` wants [channels, height, width]; found %s",
                          cnn_yaml_describe(input, found, sizeof found));
        cnn_hint(diag, "for example: input: [3, 32, 32]");
    }
    if (status == CNN_OK && shape.c * shape.h * shape.w > CNN_MAX_VALUE)
        status = cnn_fail(diag, CNN_INVALID, &input->where,
                          "an input of %zu x %zu x %zu is more than 2^31 numbers", shape.c, shape.h,
                          shape.w);
    *out = shape;
    return status;
}

cnn_status cnn_graph_read(struct cnn_arena *arena, const struct cnn_graph_source *source,
                          struct cnn_graph *out, cnn_diag *diag)
{
    struct cnn_graph_setup setup = {.precision = source->precision,
                                    .direct = source->direct,
                                    .types = source->types,
                                    .type_count = source->type_count};
    struct cnn_graph_builder *builder = NULL;
    struct cnn_yaml *layers = NULL;
    cnn_status input = read_input_shape(source->input, arena, &setup.input, diag);
    if (input == CNN_OK)
        out->input = setup.input;
    cnn_status expanded = expand(arena, source, &setup, &layers, diag);
    cnn_status status = cnn_graph_begin(arena, &setup, &builder, diag);
    if (status != CNN_OK)
        return status;
    if (layers)
        status = add_layers(builder, layers);
    if (input != CNN_OK || expanded != CNN_OK || status != CNN_OK)
        return input != CNN_OK ? input : expanded != CNN_OK ? expanded : status;
    return cnn_graph_finish(builder, out);
}

size_t cnn_graph_owner(const struct cnn_graph *graph, size_t at)
{
    for (size_t i = 0; i < graph->count; i++)
        for (size_t slot = 0; cnn_slot_find(&graph->nodes[i], &slot); slot++) {
            const struct cnn_tensor *t = &graph->nodes[i].tensors[slot];
            if (cnn_role_stored(t->role) && at >= t->offset && at < t->offset + t->count)
                return i;
        }
    return graph->count;
}
