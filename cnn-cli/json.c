/* JSON on standard output. */
#include "json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

/* Fifteen significant digits are what a double holds of any decimal number: 0.1 stays 0.1. */
#define JSON_FORMAT (JSON_REAL_PRECISION(15) | JSON_ENCODE_ANY)

json_t *cnn_json_real(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *cnn_json_text(const char *text)
{
    static const char replacement[] = "\xEF\xBF\xBD";
    json_t *value = json_string(text);
    size_t length = strlen(text);
    char *clean;
    size_t used = 0;

    if (value != NULL || length > SIZE_MAX / 3 - 1)
        return value;
    clean = malloc(3 * length + 1);
    if (clean == NULL)
        return NULL;
    while (*text != '\0') {
        size_t bytes = 1;

        /* A character is at most four bytes; jansson itself knows which are well-formed. */
        for (value = NULL; bytes <= 4 && strnlen(text, bytes) == bytes; bytes++) {
            value = json_stringn(text, bytes);
            if (value != NULL)
                break;
        }
        if (value == NULL) {
            memcpy(clean + used, replacement, 3);
            used += 3;
            text++;
            continue;
        }
        json_decref(value);
        memcpy(clean + used, text, bytes);
        used += bytes;
        text += bytes;
    }
    value = json_stringn(clean, used);
    free(clean);
    return value;
}

json_t *cnn_json_count(uint64_t value)
{
    return json_integer((json_int_t)value);
}

json_t *cnn_json_shape(cnn_shape shape)
{
    if (shape.rank == 3)
        return json_pack("[o, o, o]", cnn_json_count(shape.c), cnn_json_count(shape.h),
                         cnn_json_count(shape.w));
    return json_pack("[o]", cnn_json_count(shape.c));
}

json_t *cnn_json_append(json_t *array, json_t *value)
{
    if (array == NULL) {
        json_decref(value);
        return NULL;
    }
    if (json_array_append_new(array, value) == 0)
        return array;
    json_decref(array);
    return NULL;
}

cnn_status cnn_json_print(json_t *value)
{
    int result;

    if (value == NULL)
        return cnn_command_out_of_memory();
    result = json_dumpf(value, stdout, JSON_FORMAT);
    json_decref(value);
    putchar('\n');
    /* A broken stdout is reported once, at exit. */
    return result == 0 ? CNN_OK : CNN_FAILED;
}
