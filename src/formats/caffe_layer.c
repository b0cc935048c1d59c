/* What the rules for layers of Caffe use: messages, settings, blobs. */
#include <stdarg.h>
#include <string.h>

#include "formats/caffe.h"

/* ---- Messages and settings ---- */

void cnn_caffe_refuse(struct cnn_caffe *c, const struct cnn_caffe_layer *layer, const char *format,
                      ...)
{
    struct cnn_text text = {0};
    va_list arguments;
    va_start(arguments, format);
    cnn_text_vprintf(&text, format, arguments);
    va_end(arguments);
    c->wrong = true;
    if (text.failed)
        cnn_fail_memory(c->diag, 100, layer->name);
    else
        cnn_fail(c->diag, CNN_INVALID, &layer->field->where, "layer '%s' (%s): %s", layer->name,
                 layer->type, text.data);
    cnn_text_free(&text);
}

static bool done(struct cnn_caffe *c, cnn_status status)
{
    c->wrong = c->wrong || status != CNN_OK;
    c->damaged = c->damaged || status == CNN_FAILED;
    return status == CNN_OK;
}

bool cnn_caffe_integer(struct cnn_caffe *c, const struct cnn_prototxt_field *message,
                       const char *name, int64_t least, int64_t *value)
{
    const struct cnn_prototxt_field *field = cnn_prototxt_find(message, name);
    return !field || done(c, cnn_prototxt_integer(field, least, 1 << 24, value, c->diag));
}

bool cnn_caffe_real(struct cnn_caffe *c, const struct cnn_prototxt_field *message, const char *name,
                    double *value)
{
    const struct cnn_prototxt_field *field = cnn_prototxt_find(message, name);
    return !field || done(c, cnn_prototxt_real(field, value, c->diag));
}

bool cnn_caffe_flag(struct cnn_caffe *c, const struct cnn_prototxt_field *message, const char *name,
                    bool *value)
{
    const struct cnn_prototxt_field *field = cnn_prototxt_find(message, name);
    return !field || done(c, cnn_prototxt_bool(field, value, c->diag));
}

bool cnn_caffe_choice(struct cnn_caffe *c, const struct cnn_prototxt_field *message,
                      const char *name, const char *const *words, size_t *value)
{
    const struct cnn_prototxt_field *field = cnn_prototxt_find(message, name);
    if (!field)
        return true;
    for (size_t i = 0; words[i]; i++)
        if (field->text && (strcmp(field->text, words[i]) == 0 ||
                            (field->text[0] == (char)('0' + i) && field->text[1] == '\0'))) {
            *value = i;
            return true;
        }
    c->wrong = true;
    cnn_fail(c->diag, CNN_INVALID, &field->where, "'%s' cannot be '%s'; it can be '%s'", name,
             field->text ? field->text : "{", words[0]);
    return false;
}

bool cnn_caffe_integers(struct cnn_caffe *c, const struct cnn_prototxt_field *message,
                        const char *name, struct cnn_caffe_list *list)
{
    const struct cnn_prototxt_field *field = cnn_prototxt_find(message, name);
    for (size_t i = 0; field; field = cnn_prototxt_next(field), i++) {
        if (i == list->room) {
            c->wrong = true;
            cnn_fail(c->diag, CNN_INVALID, &field->where, "'%s' stands here more than %zu times",
                     name, list->room);
            return false;
        }
        if (!done(c, cnn_prototxt_integer(field, list->least, 1 << 24, &list->values[i], c->diag)))
            return false;
        list->count = i + 1;
    }
    return true;
}

/* ---- Blobs ---- */

struct cnn_caffe_value *cnn_caffe_value(struct cnn_caffe *c, const char *blob)
{
    for (size_t i = c->value_count; i-- > 0;)
        if (strcmp(c->values[i].blob, blob) == 0)
            return &c->values[i];
    return NULL;
}

struct cnn_caffe_value *cnn_caffe_bottom(struct cnn_caffe *c, const struct cnn_caffe_layer *layer,
                                         size_t i)
{
    return cnn_caffe_value(c, layer->bottoms[i]);
}

void cnn_caffe_give(struct cnn_caffe *c, const struct cnn_caffe_layer *layer, size_t i,
                    const char *value, size_t rank)
{
    if (i >= layer->top_count)
        return;
    struct cnn_caffe_value *v = cnn_caffe_value(c, layer->tops[i]);
    if (!v)
        v = &c->values[c->value_count++];
    *v = (struct cnn_caffe_value){.blob = layer->tops[i], .value = value, .rank = rank};
}

/* ---- Nodes ---- */

void cnn_caffe_give_unary(struct cnn_caffe *c, const struct cnn_caffe_layer *layer,
                          const char *op_type)
{
    const struct cnn_caffe_value x = *cnn_caffe_bottom(c, layer, 0);
    cnn_caffe_give(c, layer, 0, cnn_onnx_draft_unary(&c->draft, op_type, layer->name, x.value),
                   x.rank);
}

const char *cnn_caffe_constant(struct cnn_caffe *c, const struct cnn_caffe_layer *layer,
                               const char *suffix, double value)
{
    const float number = (float)value;
    return cnn_onnx_draft_floats(&c->draft, layer->name, suffix, (struct cnn_onnx_dims){1, {1}},
                                 &number);
}
