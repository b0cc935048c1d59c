/* From the `input` and `layers` of a description to the graph: the list spliced, and each of its
 * layers given to the builder. */
#include "graph/builder.h"

struct list { /* the layers, spliced */
    struct cnn_arena *arena;
    cnn_diag *diag;
    struct cnn_yaml **layers;
    size_t count;
};

struct repeat_settings {
    size_t repeat;
    const struct cnn_yaml *layers;
};

#define FIELD(member) offsetof(struct repeat_settings, member)
static const struct cnn_key repeat_keys[] = {
    {.name = "repeat",
     .kind = CNN_KEY_SIZE,
     .at = FIELD(repeat),
     .min = 1,
     .max = CNN_MAX_LAYERS,
     .help = "how many times"},
    {.name = "layers", .kind = CNN_KEY_NODE, .at = FIELD(layers), .help = "the layers to repeat"},
    CNN_KEY_END};

static cnn_status splice(struct list *list, const struct cnn_yaml *layers);

static cnn_status splice_repeat(struct list *list, const struct cnn_yaml *block)
{
    struct repeat_settings repeat = {0};
    cnn_status status = cnn_keys_read(
        list->arena, &(struct cnn_keys){.table = repeat_keys, .what = "a repeated block"}, block,
        &block->where, &repeat, list->diag);
    for (size_t i = 0; status == CNN_OK && i < repeat.repeat; i++) {
        size_t before = list->count;
        status = splice(list, repeat.layers);
        /* nested blocks without a layer would go round for ever */
        if (status == CNN_OK && list->count == before)
            status = cnn_fail(list->diag, CNN_INVALID, &repeat.layers->where,
                              "a repeated block has no layers to repeat");
    }
    return status;
}

/* Appends layers, nested lists and repeated blocks spliced in place. */
static cnn_status splice(struct list *list, const struct cnn_yaml *layers)
{
    if (layers->kind != CNN_YAML_SEQUENCE) {
        char found[64];
        cnn_fail(list->diag, CNN_INVALID, &layers->where,
                 "`layers` wants a list of layers; found %s",
                 cnn_yaml_describe(layers, found, sizeof found));
        cnn_hint(list->diag, "each layer is an item: '- {type: conv, ...}'");
        return CNN_INVALID;
    }
    cnn_status status = CNN_OK;
    for (size_t i = 0; i < layers->count; i++) {
        struct cnn_yaml *entry = layers->items[i];
        cnn_status one = CNN_OK;
        if (entry->kind == CNN_YAML_SEQUENCE)
            one = splice(list, entry);
        else if (cnn_yaml_get(entry, "repeat"))
            one = splice_repeat(list, entry);
        else if (list->count == CNN_MAX_LAYERS)
            return cnn_fail(list->diag, CNN_INVALID, &entry->where, "more than %d layers",
                            CNN_MAX_LAYERS);
        else
            list->layers[list->count++] = entry;
        if (one != CNN_OK)
            status = one;
        if (list->count == CNN_MAX_LAYERS && status != CNN_OK)
            return status;
    }
    return status;
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
    struct list list = {.arena = arena,
                        .diag = diag,
                        .layers = cnn_arena_array(arena, CNN_MAX_LAYERS, sizeof *list.layers)};
    struct cnn_graph_setup setup = {
        .precision = source->precision, .types = source->types, .type_count = source->type_count};
    struct cnn_graph_builder *builder = NULL;
    if (!list.layers)
        return cnn_fail_memory(diag, CNN_MAX_LAYERS * sizeof *list.layers, "the graph");
    cnn_status input = read_input_shape(source->input, arena, &setup.input, diag);
    cnn_status status = cnn_graph_begin(arena, &setup, &builder, diag);
    if (status != CNN_OK)
        return status;
    if (input == CNN_OK)
        out->input = setup.input;
    status = splice(&list, source->layers);
    if (status == CNN_OK && list.count == 0)
        status = cnn_fail(diag, CNN_INVALID, &source->layers->where,
                          "`layers` is empty: a network has at least one layer");
    for (size_t i = 0; i < list.count; i++) {
        cnn_status one = cnn_graph_add_yaml(builder, list.layers[i]);
        status = one != CNN_OK ? one : status;
    }
    if (input != CNN_OK || status != CNN_OK)
        return input != CNN_OK ? input : status;
    return cnn_graph_finish(builder, out);
}
