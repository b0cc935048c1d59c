/* JSON: what is read is what another reader, jansson, makes of the same bytes; both refuse the same
 * (but for numbers that are too long for one of them, NUL bytes and deep nesting). */
#include "util/json.h"

#include <jansson.h>
#include <math.h>
#include <stddef.h>

#include "fuzz.h"

static void expect(bool right, const char *what)
{
    if (right)
        return;
    fprintf(stderr, "another %s than jansson's\n", what);
    abort();
}

static void compare_members(const struct cnn_json *ours, const json_t *theirs);

static void compare(const struct cnn_json *ours, const json_t *theirs)
{
    switch (ours->kind) {
    case CNN_JSON_NULL:
        expect(json_is_null(theirs), "kind: null");
        break;
    case CNN_JSON_BOOL:
        expect(json_is_boolean(theirs) && json_is_true(theirs) == (ours->number > 0), "bool");
        break;
    case CNN_JSON_NUMBER:
        expect(json_is_number(theirs) &&
                   fabs(json_number_value(theirs) - ours->number) <= 1e-15 * fabs(ours->number),
               "number");
        break;
    case CNN_JSON_TEXT:
        expect(json_is_string(theirs) && strcmp(json_string_value(theirs), ours->text) == 0,
               "text");
        break;
    default:
        compare_members(ours, theirs);
    }
}

static void compare_members(const struct cnn_json *ours, const json_t *theirs)
{
    bool list = ours->kind == CNN_JSON_LIST;
    size_t count = 0;

    expect(list ? json_is_array(theirs) : json_is_object(theirs), "kind");
    for (const struct cnn_json *item = ours->first; item; item = item->next, count++) {
        const json_t *other =
            list ? json_array_get(theirs, count) : json_object_get(theirs, item->key);
        expect(other != NULL, "member");
        compare(item, other);
    }
    expect(count == ours->size &&
               count == (list ? json_array_size(theirs) : json_object_size(theirs)),
           "number of members");
}

/* What the two need not agree on. */
static bool is_excused(const json_error_t *error)
{
    enum json_error_code code = json_error_code(error);
    return code == json_error_numeric_overflow || code == json_error_null_byte_in_key ||
           code == json_error_null_character || code == json_error_stack_overflow;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cnn_arena *arena = cnn_arena_new();
    struct cnn_json_error error = {0};
    json_error_t their_error;
    const struct cnn_json *ours = cnn_json_read(arena, (const char *)data, size, &error);
    json_t *theirs = json_loadb((const char *)data, size, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES,
                                &their_error);

    if (!ours)
        expect(error.text && error.position <= size, "error: none, or beyond the end");
    if (ours && theirs)
        compare(ours, theirs);
    else if (ours && !is_excused(&their_error))
        expect(false, "verdict: it reads");
    else if (theirs && !memchr(data, '\0', size) && !strstr(error.text, "deeper than 64") &&
             !strstr(error.text, "more than 63"))
        expect(false, "verdict: it refuses");
    json_decref(theirs);
    cnn_arena_free(arena);
    return 0;
}
