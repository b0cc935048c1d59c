/* Small ONNX files for tests. */
#include "onnx_write.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

void wire_varint(struct cnn_text *out, uint64_t value)
{
    char byte;

    for (; value > 127; value >>= 7) {
        byte = (char)(value | 128);
        cnn_text_append(out, &byte, 1);
    }
    byte = (char)value;
    cnn_text_append(out, &byte, 1);
}

void wire_int(struct cnn_text *out, unsigned field, int64_t value)
{
    wire_varint(out, field << 3);
    wire_varint(out, (uint64_t)value);
}

void wire_float(struct cnn_text *out, unsigned field, float value)
{
    wire_varint(out, field << 3 | 5);
    cnn_text_append(out, (const char *)&value, sizeof value);
}

void wire_bytes(struct cnn_text *out, unsigned field, const void *bytes, size_t size)
{
    wire_varint(out, field << 3 | 2);
    wire_varint(out, size);
    cnn_text_append(out, bytes, size);
}

void wire_text(struct cnn_text *out, unsigned field, const char *text)
{
    wire_bytes(out, field, text, strlen(text));
}

void wire_message(struct cnn_text *out, unsigned field, struct cnn_text *message)
{
    wire_bytes(out, field, message->data ? message->data : "", message->size);
    cnn_text_free(message);
}

/* Calls add for each word of words. */
static void for_words(const char *words, void (*add)(struct cnn_text *, const char *),
                      struct cnn_text *out)
{
    char word[200];

    while (*words) {
        size_t length = strcspn(words, " ");
        memcpy(word, words, length);
        word[length] = '\0';
        add(out, word);
        words += length;
        words += strspn(words, " ");
    }
}

static void add_input(struct cnn_text *node, const char *name)
{
    wire_text(node, 1, strcmp(name, "-") == 0 ? "" : name);
}

static void add_output(struct cnn_text *node, const char *name)
{
    wire_text(node, 2, strcmp(name, "-") == 0 ? "" : name);
}

static bool is_float(const char *number)
{
    size_t length = strspn(number, "+-0123456789.e");
    return memchr(number, '.', length) || memchr(number, 'e', length);
}

/* What stands behind `name=`. */
static void add_value(struct cnn_text *attribute, const char *value)
{
    if (*value == '\'') {
        wire_bytes(attribute, 4, value + 1, strlen(value) - 2);
        wire_int(attribute, 20, 3);
    } else if (*value == '[') {
        const bool floats = is_float(value + 1);
        while (*value != ']' && value[1] != ']') {
            char *end;
            if (floats)
                wire_float(attribute, 7, strtof(value + 1, &end));
            else
                wire_int(attribute, 8, strtoll(value + 1, &end, 10));
            value = end;
        }
        wire_int(attribute, 20, floats ? 6 : 7);
    } else if (is_float(value)) {
        wire_float(attribute, 2, strtof(value, NULL));
        wire_int(attribute, 20, 1);
    } else {
        wire_int(attribute, 3, strtoll(value, NULL, 10));
        wire_int(attribute, 20, 2);
    }
}

static void add_attribute(struct cnn_text *node, const char *word)
{
    struct cnn_text attribute = {0};
    size_t length = strcspn(word, "=");

    wire_bytes(&attribute, 1, word, length);
    add_value(&attribute, word + length + 1);
    wire_message(node, 5, &attribute);
}

void onnx_named(struct onnx_model *model, const char *name, const char *op_type, const char *inputs,
                const char *outputs, const char *attributes)
{
    struct cnn_text node = {0};

    for_words(inputs, add_input, &node);
    for_words(outputs, add_output, &node);
    wire_text(&node, 3, name);
    wire_text(&node, 4, op_type);
    for_words(attributes, add_attribute, &node);
    wire_message(&model->graph, 1, &node);
}

void onnx_node(struct onnx_model *model, const char *op_type, const char *inputs,
               const char *outputs, const char *attributes)
{
    char name[200] = "";

    strncat(name, outputs, strcspn(outputs, " "));
    onnx_named(model, name, op_type, inputs, outputs, attributes);
}

static void add_size(struct cnn_text *tensor, const char *word)
{
    wire_int(tensor, 1, strtoll(word, NULL, 10));
}

static size_t product(const char *sizes)
{
    size_t count = 1;

    while (*sizes) {
        char *end;
        count *= strtoul(sizes, &end, 10);
        sizes = end + strspn(end, " ");
    }
    return count;
}

void onnx_tensor(struct onnx_model *model, const char *name, struct cnn_text *fields)
{
    wire_text(fields, 8, name);
    wire_message(&model->graph, 5, fields);
}

void onnx_floats(struct onnx_model *model, const char *name, const char *sizes, const float *values)
{
    struct cnn_text tensor = {0};

    for_words(sizes, add_size, &tensor);
    wire_int(&tensor, 2, 1);
    wire_bytes(&tensor, 9, values, product(sizes) * sizeof *values);
    onnx_tensor(model, name, &tensor);
}

void onnx_ints(struct onnx_model *model, const char *name, const char *sizes, const int64_t *values)
{
    struct cnn_text tensor = {0};

    for_words(sizes, add_size, &tensor);
    wire_int(&tensor, 2, 7);
    wire_bytes(&tensor, 9, values, product(sizes) * sizeof *values);
    onnx_tensor(model, name, &tensor);
}

void onnx_random(struct onnx_model *model, const char *name, const char *sizes, unsigned seed,
                 float scale, float offset)
{
    size_t count = product(sizes);
    float *values = calloc(count + 1, sizeof *values);
    uint32_t state = seed * 2654435761u + 12345;

    for (size_t i = 0; values && i < count; i++) {
        state = state * 1664525u + 1013904223u;
        values[i] = ((float)(state >> 8) / 8388608.0f - 1.0f) * scale + offset;
    }
    if (values)
        onnx_floats(model, name, sizes, values);
    free(values);
}

static void add_dimension(struct cnn_text *shape, const char *word)
{
    struct cnn_text dimension = {0};

    if (isdigit((unsigned char)*word))
        wire_int(&dimension, 1, strtoll(word, NULL, 10));
    else
        wire_text(&dimension, 2, word);
    wire_message(shape, 1, &dimension);
}

void onnx_input(struct onnx_model *model, const char *name, const char *sizes)
{
    struct cnn_text shape = {0}, tensor = {0}, type = {0}, value = {0};

    for_words(sizes, add_dimension, &shape);
    wire_int(&tensor, 1, 1);
    wire_message(&tensor, 2, &shape);
    wire_message(&type, 1, &tensor);
    wire_text(&value, 1, name);
    wire_message(&value, 2, &type);
    wire_message(&model->graph, 11, &value);
}

void onnx_output(struct onnx_model *model, const char *name)
{
    struct cnn_text tensor = {0}, type = {0}, value = {0};

    wire_int(&tensor, 1, 1);
    wire_message(&type, 1, &tensor);
    wire_text(&value, 1, name);
    wire_message(&value, 2, &type);
    wire_message(&model->graph, 12, &value);
}

struct cnn_text onnx_finish(struct onnx_model *model)
{
    struct cnn_text file = {0}, opset = {0};

    wire_int(&file, 1, model->ir > 0 ? model->ir : 8);
    wire_text(&file, 2, "tests");
    wire_text(&model->graph, 2, "tested");
    wire_message(&file, 7, &model->graph);
    wire_int(&opset, 2, model->opset > 0 ? model->opset : 17);
    wire_message(&file, 8, &opset);
    return file;
}
