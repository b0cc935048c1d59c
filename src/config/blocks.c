/* Definitions of blocks: the `blocks` of a description. */
#include "config/blocks.h"

#include "config/keys.h"
#include "config/parameters.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

struct settings {
    const struct cnn_yaml *parameters, *layers;
};

#define FIELD(member) offsetof(struct settings, member)
const struct cnn_key cnn_block_keys[] = {
    {.name = "parameters",
     .kind = CNN_KEY_NODE,
     .at = FIELD(parameters),
     .otherwise = "",
     .help = "parameters with their defaults: {width, stride: 1}; each use must give those without "
             "a default, such as width here"},
    {.name = "layers",
     .kind = CNN_KEY_NODE,
     .at = FIELD(layers),
     .help = "the layers of the block; `$width` is replaced by the value of width"},
    CNN_KEY_END};

/* Keys that a use of a block has besides. */
static const char *const reserved[] = {"type", "name",     "from",   "repeat",
                                       "if",   "branches", "layers", "trainable"};

struct reader { /* of one definition */
    struct cnn_arena *arena;
    cnn_diag *diag;
    struct cnn_definition *block;
};

static bool is_word(const char *text, const char *more)
{
    for (const char *c = text; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr(more, *c))
            return false;
    return *text && strlen(text) <= 60;
}

/* What a parameter may be: a word or a number, or a list of such. */
static bool is_value(const struct cnn_yaml *node)
{
    for (size_t i = 0; node->kind == CNN_YAML_SEQUENCE && i < node->count; i++)
        if (node->items[i]->kind != CNN_YAML_SCALAR)
            return false;
    return node->kind != CNN_YAML_MAPPING;
}

cnn_status cnn_block_check_value(const struct cnn_definition *block, const char *name,
                                 const struct cnn_yaml *node, cnn_diag *diag)
{
    char found[80];
    if (is_value(node))
        return CNN_OK;
    return cnn_fail(diag, CNN_INVALID, &node->where,
                    "parameter '%s' of block '%s' wants a word, a number or a list of them; "
                    "found %s",
                    name, block->name,
                    node->kind == CNN_YAML_SEQUENCE ? "a list of lists"
                                                    : cnn_yaml_describe(node, found, sizeof found));
}

static cnn_status parameter_read(struct reader *r, const struct cnn_yaml_pair *pair)
{
    const char *name = pair->key->text;
    char word[80];
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (strcmp(name, reserved[i]) == 0)
            return cnn_fail(r->diag, CNN_INVALID, &pair->key->where,
                            "a parameter cannot be called '%s': that is a key of every layer",
                            name);
    if (!is_word(name, "_") || r->block->count == CNN_BLOCK_MAX_PARAMETERS)
        return cnn_fail(r->diag, CNN_INVALID, &pair->key->where,
                        "a block has at most %d parameters, named by letters, digits and _; "
                        "found '%s'",
                        CNN_BLOCK_MAX_PARAMETERS, cnn_word_cut(name, word, sizeof word));
    r->block->parameters[r->block->count++] =
        (struct cnn_parameter){.name = name,
                               .otherwise = cnn_yaml_is_null(pair->value) ? NULL : pair->value,
                               .where = pair->key->where};
    return cnn_block_check_value(r->block, name, pair->value, r->diag);
}

static cnn_status parameters_read(struct reader *r, const struct cnn_yaml *node)
{
    char found[80];
    cnn_status status = CNN_OK;
    if (!node)
        return CNN_OK;
    if (node->kind != CNN_YAML_MAPPING) {
        cnn_fail(r->diag, CNN_INVALID, &node->where,
                 "`parameters` wants names with their defaults; found %s",
                 cnn_yaml_describe(node, found, sizeof found));
        cnn_hint(r->diag, "for example {width, stride: 1}: width must be given, stride is 1 "
                          "otherwise");
        return CNN_INVALID;
    }
    size_t most = node->count < CNN_BLOCK_MAX_PARAMETERS ? node->count : CNN_BLOCK_MAX_PARAMETERS;
    r->block->parameters = cnn_arena_array(r->arena, most, sizeof *r->block->parameters);
    if (most && !r->block->parameters)
        return cnn_fail_memory(r->diag, 0, "the blocks");
    for (size_t i = 0; i < node->count; i++) {
        cnn_status one = parameter_read(r, &node->pairs[i]);
        status = one != CNN_OK ? one : status;
    }
    return status;
}

/* The keys that a use of the block has. */
static cnn_status keys_make(struct reader *r)
{
    struct cnn_key *keys = cnn_arena_array(r->arena, r->block->count + 1, sizeof *keys);
    if (!keys)
        return cnn_fail_memory(r->diag, 0, "the blocks");
    for (size_t i = 0; i < r->block->count; i++)
        keys[i] = (struct cnn_key){.name = r->block->parameters[i].name,
                                   .kind = CNN_KEY_NODE,
                                   .at = i * sizeof(const struct cnn_yaml *),
                                   .otherwise = r->block->parameters[i].otherwise ? "" : NULL,
                                   .help = "a parameter of the block that has no default"};
    r->block->keys = keys;
    return CNN_OK;
}

/* A parameter that the layers do not use is surely a mistake. */
static void warn_unused(const struct reader *r)
{
    for (size_t i = 0; i < r->block->count; i++)
        if (!r->block->parameters[i].used)
            cnn_warn(r->diag, &r->block->parameters[i].where,
                     "no layer of block '%s' uses its parameter '%s'", r->block->name,
                     r->block->parameters[i].name);
}

static cnn_status definition_read(struct reader *r, const struct cnn_yaml *node)
{
    struct settings settings = {0};
    char word[80], what[96];
    if (!is_word(r->block->name, "_-"))
        return cnn_fail(r->diag, CNN_INVALID, &r->block->where,
                        "a block's name is made of letters, digits, _ and -, at most 60; "
                        "found '%s'",
                        cnn_word_cut(r->block->name, word, sizeof word));
    snprintf(what, sizeof what, "block '%s'", r->block->name);
    cnn_status keys =
        cnn_keys_read(r->arena, &(struct cnn_keys){.table = cnn_block_keys, .what = what}, node,
                      &node->where, &settings, r->diag);
    cnn_status status = parameters_read(r, settings.parameters);
    if (keys != CNN_OK || status != CNN_OK)
        return keys != CNN_OK ? keys : status;
    r->block->layers = settings.layers;
    if ((status = keys_make(r)) != CNN_OK)
        return status;
    status = cnn_parameters_check(r->block, settings.layers, r->diag);
    if (status == CNN_OK)
        warn_unused(r);
    return status;
}

cnn_status cnn_blocks_read(struct cnn_arena *arena, const struct cnn_yaml *node,
                           struct cnn_blocks *out, cnn_diag *diag)
{
    char found[80];
    cnn_status status = CNN_OK;
    *out = (struct cnn_blocks){0};
    if (!node)
        return CNN_OK;
    if (node->kind != CNN_YAML_MAPPING) {
        cnn_fail(diag, CNN_INVALID, &node->where, "`blocks` wants blocks by their names; found %s",
                 cnn_yaml_describe(node, found, sizeof found));
        cnn_hint(diag, "a block is 'name: {parameters: {...}, layers: [...]}'");
        return CNN_INVALID;
    }
    out->definitions = cnn_arena_array(arena, node->count, sizeof *out->definitions);
    if (node->count && !out->definitions)
        return cnn_fail_memory(diag, 0, "the blocks");
    for (size_t i = 0; i < node->count; i++) {
        struct cnn_definition *block = &out->definitions[out->count++];
        *block = (struct cnn_definition){.name = node->pairs[i].key->text,
                                         .where = node->pairs[i].key->where};
        struct reader r = {.arena = arena, .diag = diag, .block = block};
        cnn_status one = definition_read(&r, node->pairs[i].value);
        block->wrong = one != CNN_OK;
        status = one != CNN_OK ? one : status;
    }
    return status;
}
