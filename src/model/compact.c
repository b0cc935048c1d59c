/* The description of a network as people write it: without defaults, and with blocks where layers
 * repeat under names that blocks give (find_blocks.c). What is written is read again, and must come
 * to the same network. */
#include "model/compact.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "config/blocks.h"
#include "layers/types.h"
#include "model/model.h"
#include "util/allocate.h"

struct parameter { /* of a block that is being written */
    const char *name;
    const struct cnn_key *key;
    size_t layer;          /* of the block, from 0: where it stands first */
    const char *otherwise; /* its default, or NULL */
};

struct block {
    char name[48];
    struct parameter parameters[CNN_BLOCK_MAX_PARAMETERS];
    size_t count;
    const struct cnn_found_use *first; /* of its uses */
};

struct writer {
    struct cnn_arena *arena;
    const struct cnn_graph *graph;
    struct cnn_found_use *uses;
    size_t use_count;
    struct block *blocks;
    size_t block_count;
    bool failed;    /* out of memory */
    bool too_large; /* more parameters than a block may have */
};

/* ---- Trees ---- */

static struct cnn_yaml *word(struct writer *w, const char *text)
{
    struct cnn_yaml *node = text ? cnn_yaml_new_scalar(w->arena, text, false, NULL) : NULL;
    w->failed = w->failed || !node;
    return node;
}

static struct cnn_yaml *list(struct writer *w)
{
    struct cnn_yaml *node = cnn_yaml_new_sequence(w->arena, NULL);
    w->failed = w->failed || !node;
    return node;
}

static struct cnn_yaml *mapping(struct writer *w)
{
    struct cnn_yaml *node = cnn_yaml_new_mapping(w->arena, NULL);
    w->failed = w->failed || !node;
    return node;
}

static void put(struct writer *w, struct cnn_yaml *in, const char *key, struct cnn_yaml *value)
{
    w->failed = w->failed || !in || !value || !cnn_yaml_put(w->arena, in, key, value);
}

static void append(struct writer *w, struct cnn_yaml *to, struct cnn_yaml *item)
{
    w->failed = w->failed || !to || !item || !cnn_yaml_append(w->arena, to, item);
}

/* The text of a value, to be compared. "" where it has none. */
static const char *text_of(struct writer *w, const struct cnn_yaml *node)
{
    struct cnn_text text = {0};
    const char *kept = "";
    if (node && node->kind == CNN_YAML_SCALAR)
        return node->text;
    if (node)
        cnn_yaml_write(node, &text);
    if (text.failed || (text.data && !(kept = cnn_arena_strdup(w->arena, text.data))))
        w->failed = true;
    cnn_text_free(&text);
    return kept ? kept : "";
}

/* ---- Values ---- */

static struct cnn_yaml *value_of(const struct writer *w, size_t node, const struct cnn_key *key)
{
    return cnn_yaml_get(w->graph->resolved_layers->items[node], key->name);
}

static bool is_default(struct writer *w, const struct cnn_yaml *value, const struct cnn_key *key)
{
    return key->otherwise && *key->otherwise && strcmp(text_of(w, value), key->otherwise) == 0;
}

/* Whether a key of layer k of block has the same value in all uses. */
static bool is_constant(struct writer *w, const struct block *block, size_t k,
                        const struct cnn_key *key)
{
    const char *first = text_of(w, value_of(w, block->first->first + k, key));
    for (size_t i = 0; i < w->use_count; i++)
        if (w->uses[i].block == block->first->block &&
            strcmp(first, text_of(w, value_of(w, w->uses[i].first + k, key))) != 0)
            return false;
    return true;
}

/* The parameter whose value is the key's in all uses; NULL: there is none yet. */
static const struct parameter *find_parameter(struct writer *w, const struct block *block, size_t k,
                                              const struct cnn_key *key)
{
    for (size_t p = 0; p < block->count; p++) {
        const struct parameter *parameter = &block->parameters[p];
        bool same = true;
        for (size_t i = 0; same && i < w->use_count; i++) {
            size_t first = w->uses[i].first;
            if (w->uses[i].block == block->first->block)
                same =
                    strcmp(text_of(w, value_of(w, first + k, key)),
                           text_of(w, value_of(w, first + parameter->layer, parameter->key))) == 0;
        }
        if (same)
            return parameter;
    }
    return NULL;
}

static const struct parameter *add_parameter(struct writer *w, struct block *block, size_t k,
                                             const struct cnn_key *key)
{
    size_t number = 1;
    if (block->count == CNN_BLOCK_MAX_PARAMETERS) {
        w->too_large = true;
        return &block->parameters[0];
    }
    for (size_t p = 0; p < block->count; p++)
        number += strcmp(block->parameters[p].key->name, key->name) == 0;
    struct parameter *parameter = &block->parameters[block->count++];
    *parameter = (struct parameter){
        .name = number == 1 ? key->name : cnn_arena_printf(w->arena, "%s%zu", key->name, number),
        .key = key,
        .layer = k,
        .otherwise = key->otherwise && *key->otherwise ? key->otherwise : NULL};
    w->failed = w->failed || !parameter->name;
    return parameter;
}

/* ---- Layers ---- */

/* `from` of a node in a use: names of its layers, or `input`; none where it reads the one above. */
static void write_from(struct writer *w, const struct cnn_found_use *use, size_t node,
                       struct cnn_yaml *out)
{
    const struct cnn_node *n = &w->graph->nodes[node];
    size_t above = node == use->first ? use->input : node;
    if (n->input_count == 1 && n->inputs[0] == above)
        return;
    struct cnn_yaml *names = list(w), *one = NULL;
    for (size_t k = 0; names && k < n->input_count; k++) {
        size_t value = n->inputs[k];
        one = word(w, value > use->first ? cnn_found_name(w->graph, use, value - 1) : "input");
        append(w, names, one);
    }
    put(w, out, "from", n->input_count == 1 ? one : names);
}

static struct cnn_yaml *write_block_layer(struct writer *w, struct block *block, size_t k)
{
    const struct cnn_found_use *use = block->first;
    const struct cnn_node *node = &w->graph->nodes[use->first + k];
    struct cnn_yaml *out = mapping(w);
    put(w, out, "type", word(w, node->type->variant.name));
    if (use->first + k != use->last)
        put(w, out, "name", word(w, cnn_found_name(w->graph, use, use->first + k)));
    write_from(w, use, use->first + k, out);
    struct cnn_yaml *trainable =
        cnn_yaml_get(w->graph->resolved_layers->items[use->first + k], "trainable");
    if (trainable)
        put(w, out, "trainable", trainable);
    for (struct cnn_key_walk walk = cnn_key_walk(node->type->variant.keys); cnn_key_next(&walk);) {
        struct cnn_yaml *value = value_of(w, use->first + k, walk.key);
        if (is_constant(w, block, k, walk.key)) {
            if (value && !is_default(w, value, walk.key))
                put(w, out, walk.key->name, value);
            continue;
        }
        const struct parameter *parameter = find_parameter(w, block, k, walk.key);
        if (!parameter)
            parameter = add_parameter(w, block, k, walk.key);
        put(w, out, walk.key->name, word(w, cnn_arena_printf(w->arena, "$%s", parameter->name)));
    }
    return out;
}

static struct cnn_yaml *write_block(struct writer *w, struct block *block)
{
    struct cnn_yaml *out = mapping(w), *layers = list(w), *parameters = mapping(w);
    for (size_t k = 0; k <= block->first->last - block->first->first; k++)
        append(w, layers, write_block_layer(w, block, k));
    for (size_t p = 0; p < block->count; p++)
        put(w, parameters, block->parameters[p].name,
            word(w, block->parameters[p].otherwise ? block->parameters[p].otherwise : "~"));
    if (block->count > 0)
        put(w, out, "parameters", parameters);
    put(w, out, "layers", layers);
    return out;
}

/* A use; name: NULL leaves it out. */
static struct cnn_yaml *write_use(struct writer *w, const struct cnn_found_use *use,
                                  const char *name)
{
    const struct block *block = &w->blocks[use->block];
    struct cnn_yaml *out = mapping(w);
    put(w, out, "type", word(w, block->name));
    if (name)
        put(w, out, "name", word(w, name));
    if (use->input != use->first)
        put(w, out, "from", word(w, use->input ? w->graph->nodes[use->input - 1].name : "input"));
    for (size_t p = 0; p < block->count; p++) {
        const struct parameter *parameter = &block->parameters[p];
        struct cnn_yaml *value = value_of(w, use->first + parameter->layer, parameter->key);
        if (!parameter->otherwise || strcmp(text_of(w, value), parameter->otherwise) != 0)
            put(w, out, parameter->name, value);
    }
    return out;
}

static struct cnn_yaml *write_layer(struct writer *w, size_t node)
{
    const struct cnn_yaml *layer = w->graph->resolved_layers->items[node];
    struct cnn_yaml *out = mapping(w);
    for (size_t i = 0; i < layer->count; i++) {
        const char *name = layer->pairs[i].key->text;
        bool left_out = false;
        for (struct cnn_key_walk walk = cnn_key_walk(w->graph->nodes[node].type->variant.keys);
             cnn_key_next(&walk);)
            left_out = left_out || (strcmp(walk.key->name, name) == 0 &&
                                    is_default(w, layer->pairs[i].value, walk.key));
        if (!left_out)
            put(w, out, name, layer->pairs[i].value);
    }
    return out;
}

/* How many uses from number i on are one that is repeated: alike, and called name_1, name_2 and so
 * on. *length: of the name; shortened where there are several. */
static size_t count_repeated(struct writer *w, size_t i, size_t *length)
{
    const char *name = w->graph->nodes[w->uses[i].last].name, *underscore = strrchr(name, '_');
    if (!underscore || strcmp(underscore, "_1") != 0)
        return 1;
    size_t base = (size_t)(underscore - name);
    const char *first = text_of(w, write_use(w, &w->uses[i], NULL));
    size_t count = 1;
    for (; i + count < w->use_count; count++) {
        const struct cnn_found_use *use = &w->uses[i + count];
        char number[24];
        snprintf(number, sizeof number, "_%zu", count + 1);
        const char *other = w->graph->nodes[use->last].name;
        if (use->first != w->uses[i + count - 1].last + 1 || use->input != use->first ||
            strncmp(other, name, base) != 0 || strcmp(other + base, number) != 0 ||
            strcmp(first, text_of(w, write_use(w, use, NULL))) != 0)
            break;
    }
    *length = count > 1 ? base : *length;
    return count;
}

static struct cnn_yaml *write_layers(struct writer *w)
{
    struct cnn_yaml *out = list(w);
    for (size_t node = 0, use = 0; node < w->graph->count;) {
        if (use == w->use_count || w->uses[use].first != node) {
            append(w, out, write_layer(w, node++));
            continue;
        }
        const char *name = w->graph->nodes[w->uses[use].last].name;
        size_t length = strlen(name), count = count_repeated(w, use, &length);
        struct cnn_yaml *item =
            write_use(w, &w->uses[use], cnn_arena_strndup(w->arena, name, length));
        if (count > 1)
            put(w, item, "repeat", word(w, cnn_arena_printf(w->arena, "%zu", count)));
        append(w, out, item);
        use += count;
        node = w->uses[use - 1].last + 1;
    }
    return out;
}

/* ---- The whole ---- */

/* Blocks are called after the layer that they end with: "add_block", "concat_block2". */
static struct cnn_yaml *write_blocks(struct writer *w)
{
    struct cnn_yaml *out = mapping(w);
    for (size_t i = 0; i < w->use_count; i++)
        w->block_count += w->uses[i].block >= w->block_count;
    w->blocks = cnn_arena_array(w->arena, w->block_count + 1, sizeof *w->blocks);
    w->failed = w->failed || !w->blocks;
    for (size_t i = 0, next = 0; !w->failed && i < w->use_count; i++) {
        if (w->uses[i].block != next)
            continue;
        struct block *block = &w->blocks[next++];
        const char *type = w->graph->nodes[w->uses[i].last].type->variant.name;
        size_t number = 1;
        block->first = &w->uses[i];
        for (const struct block *other = w->blocks; other < block; other++)
            number += strncmp(other->name, type, strlen(type)) == 0 &&
                      strncmp(other->name + strlen(type), "_block", 6) == 0;
        snprintf(block->name, sizeof block->name, number == 1 ? "%.30s_block" : "%.30s_block%zu",
                 type, number);
        put(w, out, block->name, write_block(w, block));
    }
    return out;
}

/* The tree of the description with blocks; NULL where memory or room for parameters was wanting. */
static struct cnn_yaml *write_root(struct writer *w, const struct cnn_yaml *plain)
{
    struct cnn_yaml *root = mapping(w), *blocks = write_blocks(w),
                    *layers = w->failed ? NULL : write_layers(w);
    for (size_t i = 0; !w->failed && i < plain->count; i++) {
        bool is_layers = strcmp(plain->pairs[i].key->text, "layers") == 0;
        if (is_layers && w->block_count > 0)
            put(w, root, "blocks", blocks);
        put(w, root, plain->pairs[i].key->text, is_layers ? layers : plain->pairs[i].value);
    }
    return w->failed || w->too_large ? NULL : root;
}

/* Whether text is a description of the same network, by its resolved description. */
static bool is_same(struct writer *w, const cnn_model *model, const char *text)
{
    cnn_model *other = NULL;
    cnn_diag *diag = cnn_diag_new();
    cnn_status status = cnn_model_from_text(model->source, text, strlen(text), NULL, &other, diag);
    bool same = status == CNN_OK && strcmp(other->resolved, model->resolved) == 0;
    w->failed = w->failed || !diag || cnn_diag_out_of_memory(diag);
    cnn_model_free(other);
    cnn_diag_free(diag);
    return same;
}

/* The text with blocks, or where that would not be the same network, the resolved description. */
static void write_text(struct writer *w, const cnn_model *model, struct cnn_text *out)
{
    struct cnn_yaml *plain = NULL;
    w->failed = cnn_yaml_parse(w->arena, model->source, model->resolved, strlen(model->resolved),
                               &plain, NULL) != CNN_OK ||
                !cnn_find_blocks(w->arena, &model->graph, &w->uses, &w->use_count);
    struct cnn_yaml *root = w->failed ? NULL : write_root(w, plain);
    if (root)
        cnn_yaml_write(root, out);
    if (w->failed || out->failed || (root && is_same(w, model, out->data)))
        return;
    cnn_text_free(out);
    cnn_text_printf(out, "%s", model->resolved);
}

char *cnn_model_compact(const cnn_model *model)
{
    if (!model)
        return NULL;
    struct cnn_text text = {0};
    struct writer w = {.arena = cnn_arena_new(), .graph = &model->graph};
    if (w.arena)
        write_text(&w, model, &text);
    bool failed = !w.arena || w.failed || text.failed;
    cnn_arena_free(w.arena);
    if (!failed)
        return text.data;
    cnn_text_free(&text);
    return NULL;
}
