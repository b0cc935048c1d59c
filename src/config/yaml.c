/* Reading YAML: libyaml's events become a tree. Everything a hostile file could grow is counted as
 * it is read: depth and nodes with aliases expanded (each anchor remembers the size of its subtree,
 * so counting takes no longer than reading), keys and anchors. */
#include "config/yaml.h"

#include "config/yaml_syntax.h"
#include "util/file.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct anchor {
    const char *name;
    struct cnn_yaml *node;
    size_t nodes, height; /* of the subtree, aliases expanded */
    bool open;            /* still being read: an alias now would contain itself */
    struct anchor *next;  /* the one defined before; a name defined again hides it */
};

struct reader {
    struct cnn_arena *arena;
    const struct cnn_source *source;
    size_t column; /* where in the first line of source the parsed part starts, from 0 */
    yaml_parser_t parser;
    struct anchor *anchors;
    size_t anchor_count, nodes;
    bool mistaken; /* a mistake was reported that did not stop the reading */
    cnn_diag *diag;
};

static cnn_status node_read(struct reader *reader, const yaml_event_t *event, size_t depth,
                            struct cnn_yaml **out, size_t *height);

static struct cnn_where event_where(const struct reader *reader, const yaml_event_t *event)
{
    return cnn_yaml_where(reader->source, reader->column, &event->start_mark);
}

static cnn_status no_memory(const struct reader *reader)
{
    return cnn_fail_memory(reader->diag, reader->source->size, "a YAML tree");
}

static cnn_status event_next(struct reader *reader, yaml_event_t *event)
{
    if (yaml_parser_parse(&reader->parser, event))
        return CNN_OK;
    return cnn_yaml_fail_syntax(&reader->parser, reader->source, reader->column, reader->diag);
}

static cnn_status limits_check(const struct reader *reader, const yaml_event_t *event, size_t depth)
{
    struct cnn_where where = event_where(reader, event);
    if (depth > CNN_YAML_MAX_DEPTH)
        return cnn_fail(reader->diag, CNN_INVALID, &where,
                        "lists and mappings are nested deeper than %d levels here",
                        CNN_YAML_MAX_DEPTH);
    if (reader->nodes > CNN_YAML_MAX_NODES)
        return cnn_fail(reader->diag, CNN_INVALID, &where,
                        "the description has more than %d values up to here, with aliases counted "
                        "as often as they stand",
                        CNN_YAML_MAX_NODES);
    return CNN_OK;
}

static struct anchor *anchor_find(const struct reader *reader, const char *name)
{
    struct anchor *anchor = reader->anchors;
    while (anchor && strcmp(anchor->name, name) != 0)
        anchor = anchor->next;
    return anchor;
}

static cnn_status alias_read(struct reader *reader, const yaml_event_t *event, size_t depth,
                             struct cnn_yaml **out, size_t *height)
{
    char name[64];
    struct cnn_where where = event_where(reader, event);
    const char *wanted = (const char *)event->data.alias.anchor;
    const struct anchor *anchor = anchor_find(reader, wanted);
    if (!anchor) {
        cnn_fail(reader->diag, CNN_INVALID, &where, "the alias '*%s' has no anchor above it",
                 cnn_word_cut(wanted, name, sizeof(name)));
        cnn_hint(
            reader->diag,
            "'&%s' in front of a value makes the anchor; a text that begins with '*' wants quotes",
            name);
        return CNN_INVALID;
    }
    if (anchor->open)
        return cnn_fail(reader->diag, CNN_INVALID, &where,
                        "the alias '*%s' stands inside its own anchor",
                        cnn_word_cut(wanted, name, sizeof(name)));
    reader->nodes += anchor->nodes;
    *out = anchor->node;
    *height = anchor->height;
    return limits_check(reader, event, depth + anchor->height - 1);
}

static cnn_status scalar_read(struct reader *reader, const yaml_event_t *event,
                              struct cnn_yaml **out)
{
    struct cnn_where where = event_where(reader, event);
    const char *text = (const char *)event->data.scalar.value;
    if (strlen(text) != event->data.scalar.length)
        return cnn_fail(reader->diag, CNN_INVALID, &where, "this text has a NUL character in it");
    *out = cnn_yaml_new_scalar(reader->arena, text,
                               event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE, &where);
    return *out ? CNN_OK : no_memory(reader);
}

static cnn_status sequence_read(struct reader *reader, size_t depth, struct cnn_yaml *sequence,
                                size_t *height)
{
    for (;;) {
        yaml_event_t event;
        struct cnn_yaml *item = NULL;
        size_t item_height = 0;
        cnn_status status = event_next(reader, &event);
        if (status)
            return status;
        if (event.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(&event);
            return CNN_OK;
        }
        status = node_read(reader, &event, depth + 1, &item, &item_height);
        yaml_event_delete(&event);
        if (status)
            return status;
        if (!cnn_yaml_append(reader->arena, sequence, item))
            return no_memory(reader);
        if (item_height >= *height)
            *height = item_height + 1;
    }
}

/* Reports what makes key no new key of mapping. */
static bool key_check(struct reader *reader, const struct cnn_yaml *mapping,
                      const struct cnn_yaml *key)
{
    char word[64];
    if (key->kind != CNN_YAML_SCALAR || cnn_yaml_is_null(key)) {
        cnn_fail(reader->diag, CNN_INVALID, &key->where, "a key must be a word; found %s",
                 cnn_yaml_describe(key, word, sizeof(word)));
        return false;
    }
    if (!key->quoted && strcmp(key->text, "<<") == 0) {
        cnn_fail(reader->diag, CNN_INVALID, &key->where,
                 "merge keys '<<' are not part of YAML 1.2");
        cnn_hint(reader->diag, "write the keys out; to use layers again, give a list of them an "
                               "anchor and its alias as an item of 'layers'");
        return false;
    }
    for (size_t i = 0; i < mapping->count; i++) {
        const struct cnn_yaml *first = mapping->pairs[i].key;
        if (strcmp(first->text, key->text) != 0)
            continue;
        cnn_fail(reader->diag, CNN_INVALID, &key->where,
                 "key '%s' stands here for the second time; the first is in line %zu",
                 cnn_word_cut(key->text, word, sizeof(word)), first->where.line);
        return false;
    }
    return true;
}

static cnn_status pair_add(struct reader *reader, struct cnn_yaml *mapping, struct cnn_yaml *key,
                           struct cnn_yaml *value)
{
    if (mapping->count == CNN_YAML_MAX_KEYS)
        return cnn_fail(reader->diag, CNN_INVALID, &key->where, "a mapping has at most %d keys",
                        CNN_YAML_MAX_KEYS);
    if (!key_check(reader, mapping, key))
        reader->mistaken = true;
    else if (!cnn_yaml_add(reader->arena, mapping, key, value))
        return no_memory(reader);
    return CNN_OK;
}

static cnn_status mapping_read(struct reader *reader, size_t depth, struct cnn_yaml *mapping,
                               size_t *height)
{
    struct cnn_yaml *key = NULL; /* read, its value not yet */
    for (;;) {
        yaml_event_t event;
        struct cnn_yaml *node = NULL;
        size_t node_height = 0;
        cnn_status status = event_next(reader, &event);
        if (status)
            return status;
        if (event.type == YAML_MAPPING_END_EVENT) {
            yaml_event_delete(&event);
            return CNN_OK;
        }
        status = node_read(reader, &event, depth + 1, &node, &node_height);
        yaml_event_delete(&event);
        if (!status && key)
            status = pair_add(reader, mapping, key, node);
        if (status)
            return status;
        key = key ? NULL : node;
        if (node_height >= *height)
            *height = node_height + 1;
    }
}

/* The event's anchor and tag, which three kinds of events have in fields of their own. */
static void properties_get(const yaml_event_t *event, const char **anchor, const char **tag)
{
    const yaml_char_t *name = NULL, *type = NULL;
    if (event->type == YAML_SCALAR_EVENT) {
        name = event->data.scalar.anchor;
        type = event->data.scalar.tag;
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        name = event->data.sequence_start.anchor;
        type = event->data.sequence_start.tag;
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        name = event->data.mapping_start.anchor;
        type = event->data.mapping_start.tag;
    }
    *anchor = (const char *)name;
    *tag = (const char *)type;
}

static cnn_status anchor_open(struct reader *reader, const yaml_event_t *event, const char *name,
                              struct anchor **out)
{
    if (reader->anchor_count == CNN_YAML_MAX_ANCHORS) {
        struct cnn_where where = event_where(reader, event);
        return cnn_fail(reader->diag, CNN_INVALID, &where, "a description has at most %d anchors",
                        CNN_YAML_MAX_ANCHORS);
    }
    struct anchor *anchor = cnn_arena_alloc(reader->arena, sizeof(*anchor));
    if (!anchor || !(anchor->name = cnn_arena_strdup(reader->arena, name)))
        return no_memory(reader);
    anchor->open = true;
    anchor->next = reader->anchors;
    reader->anchors = anchor;
    reader->anchor_count++;
    *out = anchor;
    return CNN_OK;
}

static cnn_status content_read(struct reader *reader, const yaml_event_t *event, size_t depth,
                               struct cnn_yaml **out, size_t *height)
{
    struct cnn_where where = event_where(reader, event);
    *height = 1;
    if (event->type == YAML_SCALAR_EVENT)
        return scalar_read(reader, event, out);
    bool sequence = event->type == YAML_SEQUENCE_START_EVENT;
    *out = sequence ? cnn_yaml_new_sequence(reader->arena, &where)
                    : cnn_yaml_new_mapping(reader->arena, &where);
    if (!*out)
        return no_memory(reader);
    return sequence ? sequence_read(reader, depth, *out, height)
                    : mapping_read(reader, depth, *out, height);
}

static cnn_status node_read(struct reader *reader, const yaml_event_t *event, size_t depth,
                            struct cnn_yaml **out, size_t *height)
{
    const char *name, *tag;
    struct anchor *anchor = NULL;
    if (event->type == YAML_ALIAS_EVENT)
        return alias_read(reader, event, depth, out, height);
    size_t before = reader->nodes++;
    cnn_status status = limits_check(reader, event, depth);
    if (status)
        return status;
    properties_get(event, &name, &tag);
    if (tag) {
        struct cnn_where where = event_where(reader, event);
        cnn_fail(reader->diag, CNN_INVALID, &where,
                 "a description has no tags: words that begin with '!'");
        cnn_hint(reader->diag, "leave it away; a text that begins with '!' wants quotes");
        reader->mistaken = true;
    }
    if (name && (status = anchor_open(reader, event, name, &anchor)))
        return status;
    status = content_read(reader, event, depth, out, height);
    if (status || !anchor)
        return status;
    *anchor =
        (struct anchor){anchor->name, *out, reader->nodes - before, *height, false, anchor->next};
    return CNN_OK;
}

static cnn_status fail_empty(const struct reader *reader)
{
    struct cnn_where where = {.source = reader->source};
    return cnn_fail(reader->diag, CNN_INVALID, &where,
                    "there is no description in it: it is empty or has only comments");
}

/* Skips the events before the document's first node and gives that one. */
static cnn_status root_event(struct reader *reader, yaml_event_t *event)
{
    for (;;) {
        cnn_status status = event_next(reader, event);
        if (status)
            return status;
        if (event->type == YAML_STREAM_END_EVENT)
            return fail_empty(reader);
        if (event->type != YAML_STREAM_START_EVENT && event->type != YAML_DOCUMENT_START_EVENT)
            return CNN_OK;
        yaml_event_delete(event);
    }
}

/* After the root: the document's end, then the stream's. */
static cnn_status end_check(struct reader *reader)
{
    yaml_event_t event;
    cnn_status status = event_next(reader, &event);
    if (status)
        return status;
    yaml_event_delete(&event);
    status = event_next(reader, &event);
    if (status)
        return status;
    if (event.type != YAML_STREAM_END_EVENT) {
        struct cnn_where where = event_where(reader, &event);
        status = cnn_fail(reader->diag, CNN_INVALID, &where,
                          "a second YAML document begins here; a description is one");
    }
    yaml_event_delete(&event);
    return status;
}

static cnn_status document_read(struct reader *reader, struct cnn_yaml **out)
{
    yaml_event_t event;
    struct cnn_yaml *root = NULL;
    size_t height;
    cnn_status status = root_event(reader, &event);
    if (status)
        return status;
    status = node_read(reader, &event, 1, &root, &height);
    yaml_event_delete(&event);
    if (!status)
        status = end_check(reader);
    if (!status && root->kind == CNN_YAML_SCALAR && !root->quoted && !*root->text)
        status = fail_empty(reader);
    if (status)
        return status;
    *out = root;
    return reader->mistaken ? CNN_INVALID : CNN_OK;
}

static cnn_status fail_large(const struct cnn_source *source, unsigned long long size,
                             cnn_diag *diag)
{
    struct cnn_where where = {.source = source};
    return cnn_fail(diag, CNN_INVALID, &where, "it has %llu bytes; a description has at most %u",
                    size, CNN_YAML_MAX_BYTES);
}

cnn_status cnn_yaml_parse_part(struct cnn_arena *arena, const struct cnn_source *source,
                               size_t start, struct cnn_yaml **out, cnn_diag *diag)
{
    struct reader reader = {.arena = arena, .source = source, .diag = diag};
    if (source->size > CNN_YAML_MAX_BYTES)
        return fail_large(source, source->size, diag);
    cnn_status status = cnn_yaml_check_characters(source, start, diag);
    if (status)
        return status;
    for (size_t at = 0; at < start; at++)
        reader.column += ((unsigned char)source->text[at] & 0xC0) != 0x80;
    if (!yaml_parser_initialize(&reader.parser))
        return no_memory(&reader);
    yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)source->text + start,
                                 source->size - start);
    status = document_read(&reader, out);
    yaml_parser_delete(&reader.parser);
    return status;
}

cnn_status cnn_yaml_parse(struct cnn_arena *arena, const char *name, const char *text, size_t size,
                          struct cnn_yaml **out, cnn_diag *diag)
{
    static const char byte_order_mark[] = "\xEF\xBB\xBF";
    if (size >= 3 && memcmp(text, byte_order_mark, 3) == 0) {
        text += 3;
        size -= 3;
    }
    if (size > CNN_YAML_MAX_BYTES)
        return fail_large(&(struct cnn_source){name, NULL, 0}, size, diag);
    struct cnn_source *source = cnn_arena_alloc(arena, sizeof(*source));
    char *copy = cnn_arena_alloc(arena, size + 1);
    if (!source || !copy || !(source->name = cnn_arena_strdup(arena, name)))
        return cnn_fail_memory(diag, size, name);
    memcpy(copy, text, size);
    source->text = copy;
    source->size = size;
    return cnn_yaml_parse_part(arena, source, 0, out, diag);
}

bool cnn_yaml_is_checkpoint(const char *bytes, size_t size)
{
    return size >= 9 && memcmp(bytes + 4, "\0\0\0", 4) == 0 && bytes[8] == '{';
}

static bool is_checkpoint(const char *path)
{
    char head[9];
    FILE *file = fopen(path, "rb");
    bool found = file && cnn_yaml_is_checkpoint(head, fread(head, 1, sizeof head, file));
    if (file)
        fclose(file);
    return found;
}

cnn_status cnn_yaml_read_text(const char *path, char **text, size_t *size, cnn_diag *diag)
{
    struct stat info;
    if (stat(path, &info) == 0 && S_ISREG(info.st_mode) && is_checkpoint(path)) {
        cnn_fail(diag, CNN_INVALID, NULL, "%s is a checkpoint by what it holds, and no description",
                 path);
        cnn_hint(diag, "let its name end in .safetensors, so that it is opened as a checkpoint");
        return CNN_INVALID;
    }
    if (stat(path, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > CNN_YAML_MAX_BYTES)
        return fail_large(&(struct cnn_source){path, NULL, 0}, (unsigned long long)info.st_size,
                          diag);
    return cnn_file_read_any(path, CNN_YAML_MAX_BYTES, text, size, diag);
}
