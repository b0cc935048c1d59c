/* Words of exported C (c_export.h): numbers, names, comments, literals. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/c_export.h"

struct cnn_c_word cnn_c_count(uint64_t n)
{
    struct cnn_c_word out;
    cnn_count_format(n, out.text);
    return out;
}

struct cnn_c_word cnn_c_shape(cnn_shape shape)
{
    struct cnn_c_word out;
    cnn_shape_format(shape, out.text, sizeof out.text);
    return out;
}

/* Nine digits are always the float again; most settings are with fewer. */
struct cnn_c_word cnn_c_number(float value)
{
    struct cnn_c_word out;
    float again;
    snprintf(out.text, sizeof out.text, "%.6g", (double)value);
    again = strtof(out.text, NULL);
    if (again < value || again > value)
        snprintf(out.text, sizeof out.text, "%.9g", (double)value);
    strcat(out.text, strpbrk(out.text, ".e") ? "f" : ".0f");
    return out;
}

/* As kernels/bytes.h says. */
int cnn_c_code(struct cnn_codes codes, float x)
{
    const float code = nearbyintf(x / codes.scale) + (float)codes.zero;
    return code >= 255 ? 255 : code > 0 ? (int)code : 0;
}

/* Without what would end the comment, a line or a reader's trust in the direction of text. */
void cnn_c_comment(struct cnn_text *out, const char *text)
{
    const size_t size = strlen(text);
    char before = '\0';
    for (size_t i = 0, bytes; i < size; i += bytes) {
        uint32_t code = 0;
        bytes = cnn_utf8_decode(text + i, size - i, &code);
        const bool turns = (code >= 0x200e && code <= 0x200f) ||
                           (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
        const bool wrong = bytes == 0 || code < 32 || (code >= 127 && code < 160) || turns ||
                           code == '\\' || (code == '/' && (before == '*' || before == '?')) ||
                           (code == '*' && before == '/');
        before = wrong ? '_' : text[i];
        cnn_text_append(out, wrong ? "_" : text + i, wrong ? 1 : bytes);
        bytes = bytes == 0 ? 1 : bytes;
    }
}

/* Whatever is no plain letter is written in octal, three digits. A ? behind another would begin a
 * trigraph. */
void cnn_c_string(struct cnn_text *out, const char *text)
{
    cnn_text_append(out, "\"", 1);
    for (const char *c = text; *c; c++) {
        const unsigned char byte = (unsigned char)*c;
        if (byte < 32 || byte > 126)
            cnn_text_printf(out, "\\%03o", byte);
        else
            cnn_text_printf(out, "%s%c", strchr("\\\"?", byte) ? "\\" : "", byte);
    }
    cnn_text_append(out, "\"", 1);
}

/* ---- Constants ---- */

const char *cnn_c_text(struct cnn_c_net *net, const char *format, ...)
{
    struct cnn_text text = {0};
    va_list arguments;
    va_start(arguments, format);
    cnn_text_vprintf(&text, format, arguments);
    va_end(arguments);
    const char *copy = text.failed ? NULL : cnn_arena_strdup(net->e->arena, text.data);
    net->failed = net->failed || !copy;
    cnn_text_free(&text);
    return copy ? copy : "";
}

static const char *begin_array(struct cnn_c_net *net, const struct cnn_c_step *step,
                               const char *suffix, const char *type, size_t count)
{
    const char *name = cnn_c_text(net, "%s_layer%zu_%s", net->e->name, step->y, suffix);
    cnn_text_printf(&net->declarations, "extern const %s %s[%zu];\n", type, name, count);
    cnn_text_printf(&net->weights, "\n/* ");
    cnn_c_comment(&net->weights, step->lead->name);
    cnn_text_printf(&net->weights, " */\nextern const %s %s[%zu];\nconst %s %s[%zu] = {", type,
                    name, count, type, name, count);
    return name;
}

const char *cnn_c_wholes(struct cnn_c_net *net, const struct cnn_c_step *step, const char *suffix,
                         const char *type, const int32_t *values, size_t count)
{
    const char *name = begin_array(net, step, suffix, type, count);
    for (size_t i = 0; i < count; i++)
        cnn_text_printf(&net->weights, "%s%ld,", i % 16 == 0 ? "\n    " : " ", (long)values[i]);
    cnn_text_printf(&net->weights, "\n};\n");
    net->flash_bytes += count * (strcmp(type, "int32_t") == 0 ? sizeof(int32_t) : 1);
    return name;
}

const char *cnn_c_floats(struct cnn_c_net *net, const struct cnn_c_step *step, const char *suffix,
                         const float *values, size_t count)
{
    const char *name = begin_array(net, step, suffix, "float", count);
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(values[i]))
            net->infinite = step->lead;
        cnn_text_printf(&net->weights, "%s%s,", i % 8 == 0 ? "\n    " : " ",
                        isfinite(values[i]) ? cnn_c_number(values[i]).text : "0");
    }
    cnn_text_printf(&net->weights, "\n};\n");
    net->flash_bytes += count * sizeof(float);
    return name;
}
