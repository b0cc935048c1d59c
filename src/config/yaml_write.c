/* Writing a tree as YAML with libyaml's emitter: the same tree gives the same bytes, and parses
 * back to itself. */
#include "config/yaml.h"

#include <limits.h>
#include <string.h>
#include <yaml.h>

static int text_write(void *context, unsigned char *bytes, size_t size)
{
    struct cnn_text *out = context;
    cnn_text_append(out, (const char *)bytes, size);
    return !out->failed;
}

/* The emitter takes the event over, also where it fails. */
static bool event_emit(yaml_emitter_t *emitter, yaml_event_t *event, int made)
{
    return made && yaml_emitter_emit(emitter, event);
}

/* Whether something must be escaped: control characters, and what cannot stand in a description. */
static bool wants_escapes(const char *text)
{
    uint32_t code;
    for (size_t left = strlen(text), length; left > 0; text += length, left -= length) {
        length = cnn_utf8_decode(text, left, &code);
        if (length == 0 || code < 0x20 || !cnn_yaml_character_allowed(code))
            return true;
    }
    return false;
}

static bool scalar_write(yaml_emitter_t *emitter, const struct cnn_yaml *node)
{
    yaml_event_t event;
    const char *text = *node->text || node->quoted ? node->text : "null";
    yaml_scalar_style_t style =
        node->quoted ? YAML_SINGLE_QUOTED_SCALAR_STYLE : YAML_PLAIN_SCALAR_STYLE;
    if (wants_escapes(text))
        style = YAML_DOUBLE_QUOTED_SCALAR_STYLE;
    size_t size = strlen(text);
    if (size > INT_MAX)
        return false;
    return event_emit(emitter, &event,
                      yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text,
                                                   (int)size, 1, 1, style));
}

static bool has_collections(const struct cnn_yaml *sequence)
{
    for (size_t i = 0; i < sequence->count; i++)
        if (sequence->items[i]->kind != CNN_YAML_SCALAR)
            return true;
    return false;
}

static bool node_write(yaml_emitter_t *emitter, const struct cnn_yaml *node, int depth)
{
    yaml_event_t event;
    if (node->kind == CNN_YAML_SCALAR)
        return scalar_write(emitter, node);
    if (node->kind == CNN_YAML_SEQUENCE) {
        bool block = depth == 0 || (depth == 1 && has_collections(node));
        yaml_sequence_style_t style = block ? YAML_BLOCK_SEQUENCE_STYLE : YAML_FLOW_SEQUENCE_STYLE;
        if (!event_emit(emitter, &event,
                        yaml_sequence_start_event_initialize(&event, NULL, NULL, 1, style)))
            return false;
        for (size_t i = 0; i < node->count; i++)
            if (!node_write(emitter, node->items[i], depth + 1))
                return false;
        return event_emit(emitter, &event, yaml_sequence_end_event_initialize(&event));
    }
    yaml_mapping_style_t style = depth < 2 ? YAML_BLOCK_MAPPING_STYLE : YAML_FLOW_MAPPING_STYLE;
    if (!event_emit(emitter, &event,
                    yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, style)))
        return false;
    for (size_t i = 0; i < node->count; i++) {
        bool blocks = depth == 0 && strcmp(node->pairs[i].key->text, "blocks") == 0;
        if (!node_write(emitter, node->pairs[i].key, depth + 1) ||
            !node_write(emitter, node->pairs[i].value, blocks ? -1 : depth + 1))
            return false;
    }
    return event_emit(emitter, &event, yaml_mapping_end_event_initialize(&event));
}

static bool document_write(yaml_emitter_t *emitter, const struct cnn_yaml *root)
{
    yaml_event_t event;
    return event_emit(emitter, &event,
                      yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING)) &&
           event_emit(emitter, &event,
                      yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1)) &&
           node_write(emitter, root, 0) &&
           event_emit(emitter, &event, yaml_document_end_event_initialize(&event, 1)) &&
           event_emit(emitter, &event, yaml_stream_end_event_initialize(&event));
}

void cnn_yaml_write(const struct cnn_yaml *root, struct cnn_text *out)
{
    yaml_emitter_t emitter;
    if (!yaml_emitter_initialize(&emitter)) {
        out->failed = true;
        return;
    }
    yaml_emitter_set_output(&emitter, text_write, out);
    yaml_emitter_set_encoding(&emitter, YAML_UTF8_ENCODING);
    yaml_emitter_set_unicode(&emitter, 1);
    yaml_emitter_set_width(&emitter, -1);
    if (!document_write(&emitter, root))
        out->failed = true;
    yaml_emitter_delete(&emitter);
}
