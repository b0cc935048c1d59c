/* Reading mappings by key tables: values are checked and stored in a settings struct, and every
 * mistake is reported at its place. */
#include "config/keys.h"

#include "config/keys_words.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct reader {
    struct cnn_arena *arena;
    const struct cnn_key *table;
    const struct cnn_key *also; /* NULL: none */
    const char *tag;            /* one more legal key; NULL: none */
    const char *what;
    cnn_status status; /* of the last mistake */
    /* keys that unknown ones seem to stand for: they are not missing too */
    const char *meant[CNN_KEY_WORDS];
    size_t meant_count;
    cnn_diag *diag;
};

struct cnn_key_walk cnn_key_walk(const struct cnn_key *table)
{
    return (struct cnn_key_walk){.outer = table};
}

bool cnn_key_next(struct cnn_key_walk *walk)
{
    if (walk->inner && !walk->inner->name)
        walk->inner = NULL;
    if (!walk->inner && walk->outer && walk->outer->kind == CNN_KEY_TABLE) {
        walk->inner = walk->outer->table;
        walk->base = walk->outer++->at;
    }
    const struct cnn_key **next = walk->inner ? &walk->inner : &walk->outer;
    if (!*next || !(*next)->name)
        return false;
    walk->key = (*next)++;
    walk->at = walk->key->at + (walk->inner ? walk->base : 0);
    return true;
}

static bool fail_wants(struct reader *reader, const struct cnn_key *key,
                       const struct cnn_yaml *node, const char *found)
{
    char wants[512];
    cnn_key_wants(key, wants, sizeof(wants));
    reader->status =
        cnn_fail(reader->diag, CNN_INVALID, &node->where, "key '%s' of %s wants %s; found %s",
                 key->name, reader->what, wants, found);
    return false;
}

static bool fail_value(struct reader *reader, const struct cnn_key *key,
                       const struct cnn_yaml *node)
{
    char found[80];
    return fail_wants(reader, key, node, cnn_yaml_describe(node, found, sizeof(found)));
}

static bool range_holds(const struct cnn_key *key, double value)
{
    struct cnn_key_range range = cnn_key_range(key);
    if (range.open_least ? value <= range.least : value < range.least)
        return false;
    return range.open_most ? value < range.most : value <= range.most;
}

/* The number that a scalar would be without its quotes. */
static bool quoted_number(const struct cnn_yaml *node, double *out)
{
    struct cnn_yaml plain = *node;
    plain.quoted = false;
    return node->quoted && cnn_yaml_as_number(&plain, out);
}

/* `1GB`, `16px`: where a unit stands behind the number, the key's help says what it counts. */
static void hint_unit(struct reader *reader, const struct cnn_key *key, const struct cnn_yaml *node)
{
    const char *text = node->kind == CNN_YAML_SCALAR ? node->text : "";
    const char *unit = text + strspn(text, "0123456789. ");
    if (unit > text && *unit &&
        !unit[strspn(unit, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")])
        cnn_hint(reader->diag, "the number alone: %s", key->help);
}

static bool integer_read(struct reader *reader, const struct cnn_key *key,
                         const struct cnn_yaml *node, size_t *out)
{
    long long integer;
    double number, limit = cnn_key_range(key).most;
    if (cnn_yaml_as_integer(node, &integer) && integer >= 0 && range_holds(key, (double)integer)) {
        *out = (size_t)integer;
        return true;
    }
    fail_value(reader, key, node);
    bool readable = cnn_yaml_as_number(node, &number) || quoted_number(node, &number);
    if (readable && number > limit && !(key->max > 0))
        cnn_hint(reader->diag, "the most is %.0f", limit);
    else if (readable && range_holds(key, number) && number <= floor(number))
        cnn_hint(reader->diag, node->quoted ? "write %.0f, without quotes" : "write %.0f", number);
    else if (!readable)
        hint_unit(reader, key, node);
    return false;
}

/* `20%` is text to YAML. */
static bool percent_read(const struct cnn_yaml *node, double *out)
{
    char percent, more;
    bool is = node->kind == CNN_YAML_SCALAR &&
              sscanf(node->text, "%lf %c%c", out, &percent, &more) == 2 && percent == '%';
    if (is)
        *out /= 100;
    return is;
}

static bool number_read(struct reader *reader, const struct cnn_key *key,
                        const struct cnn_yaml *node, double *out)
{
    double number;
    if (cnn_yaml_as_number(node, &number) && isfinite(number) && range_holds(key, number)) {
        *out = number;
        return true;
    }
    fail_value(reader, key, node);
    if (quoted_number(node, &number) && range_holds(key, number))
        cnn_hint(reader->diag, "write %s, without quotes", node->text);
    else if (percent_read(node, &number) && range_holds(key, number))
        cnn_hint(reader->diag, "write %g", number);
    else if (node->kind == CNN_YAML_SCALAR)
        cnn_key_hint_brackets(node->text, reader->diag);
    return false;
}

static bool bool_read(struct reader *reader, const struct cnn_key *key, const struct cnn_yaml *node,
                      bool *out)
{
    static const char *const words[][2] = {
        {"yes", "no"}, {"on", "off"}, {"y", "n"}, {"1", "0"}, {"true", "false"}};
    if (cnn_yaml_as_bool(node, out))
        return true;
    fail_value(reader, key, node);
    for (size_t i = 0; node->kind == CNN_YAML_SCALAR && i < sizeof(words) / sizeof(*words); i++)
        for (int no = 0; no < 2; no++)
            if (strcasecmp(node->text, words[i][no]) == 0)
                cnn_hint(reader->diag, node->quoted ? "write %s, without quotes" : "write %s",
                         no ? "false" : "true");
    return false;
}

static bool text_read(struct reader *reader, const struct cnn_key *key, const struct cnn_yaml *node,
                      const char **out)
{
    if (node->kind != CNN_YAML_SCALAR || !*node->text || cnn_yaml_is_null(node))
        return fail_value(reader, key, node);
    *out = node->text;
    return true;
}

static size_t words_count(const char *const *words)
{
    size_t count = 0;
    while (words && words[count])
        count++;
    return count;
}

static bool choice_read(struct reader *reader, const struct cnn_key *key,
                        const struct cnn_yaml *node, int *out)
{
    size_t count = words_count(key->choices);
    for (size_t i = 0; node->kind == CNN_YAML_SCALAR && i < count; i++)
        if (strcmp(node->text, key->choices[i]) == 0) {
            *out = (int)i;
            return true;
        }
    fail_value(reader, key, node);
    if (node->kind == CNN_YAML_SCALAR)
        cnn_key_hint_word(node->text, key->choices, count, false, reader->diag);
    return false;
}

static bool integers_read(struct reader *reader, const struct cnn_key *key,
                          const struct cnn_yaml *node, size_t *out)
{
    bool ok = true;
    for (size_t i = 0; i < node->count; i++)
        ok = integer_read(reader, key, node->items[i], &out[i]) && ok;
    return ok;
}

static bool fail_length(struct reader *reader, const struct cnn_key *key,
                        const struct cnn_yaml *node)
{
    char found[48];
    snprintf(found, sizeof(found), "a list of %zu", node->count);
    return fail_wants(reader, key, node, found);
}

static bool pair_read(struct reader *reader, const struct cnn_key *key, const struct cnn_yaml *node,
                      size_t out[2])
{
    if (node->kind == CNN_YAML_SEQUENCE)
        return node->count == 2 ? integers_read(reader, key, node, out)
                                : fail_length(reader, key, node);
    if (!integer_read(reader, key, node, &out[0])) {
        if (node->kind == CNN_YAML_SCALAR)
            cnn_key_hint_brackets(node->text, reader->diag);
        return false;
    }
    out[1] = out[0];
    return true;
}

static bool padding_read(struct reader *reader, const struct cnn_key *key,
                         const struct cnn_yaml *node, struct cnn_padding *out)
{
    static const char *const words[] = {"same", "valid"};
    size_t sides[4] = {0};
    bool word = node->kind == CNN_YAML_SCALAR;
    if (word && (strcmp(node->text, "same") == 0 || strcmp(node->text, "valid") == 0)) {
        *out = (struct cnn_padding){.same = *node->text == 's'};
        return true;
    }
    if (node->kind == CNN_YAML_SEQUENCE) {
        if (node->count != 2 && node->count != 4)
            return fail_length(reader, key, node);
        if (!integers_read(reader, key, node, sides))
            return false;
    } else if (!integer_read(reader, key, node, &sides[0])) {
        if (word && !cnn_key_hint_brackets(node->text, reader->diag))
            cnn_key_hint_word(node->text, words, 2, false, reader->diag);
        return false;
    } else {
        sides[1] = sides[0];
    }
    *out = node->count == 4 ? (struct cnn_padding){false, sides[0], sides[1], sides[2], sides[3]}
                            : (struct cnn_padding){false, sides[0], sides[0], sides[1], sides[1]};
    return true;
}

static bool numbers_read(struct reader *reader, const struct cnn_key *key,
                         const struct cnn_yaml *node, struct cnn_numbers *out)
{
    bool ok = true, list = node->kind == CNN_YAML_SEQUENCE;
    size_t count = list ? node->count : 1;
    double *values = cnn_arena_array(reader->arena, count ? count : 1, sizeof(*values));
    if (!values) {
        reader->status = cnn_fail_memory(reader->diag, count * sizeof(*values), key->name);
        return false;
    }
    for (size_t i = 0; i < count; i++)
        ok = number_read(reader, key, list ? node->items[i] : node, &values[i]) && ok;
    if (ok)
        *out = (struct cnn_numbers){values, count};
    return ok;
}

static bool value_read(struct reader *reader, const struct cnn_key *key,
                       const struct cnn_yaml *node, void *value)
{
    switch (key->kind) {
    case CNN_KEY_SIZE:
        return integer_read(reader, key, node, value);
    case CNN_KEY_NUMBER:
        return number_read(reader, key, node, value);
    case CNN_KEY_BOOL:
        return bool_read(reader, key, node, value);
    case CNN_KEY_TEXT:
        return text_read(reader, key, node, value);
    case CNN_KEY_CHOICE:
        return choice_read(reader, key, node, value);
    case CNN_KEY_PAIR:
        return pair_read(reader, key, node, value);
    case CNN_KEY_NUMBERS:
        return numbers_read(reader, key, node, value);
    case CNN_KEY_PADDING:
        return padding_read(reader, key, node, value);
    case CNN_KEY_NODE:
        *(const struct cnn_yaml **)value = node;
        return true;
    case CNN_KEY_TABLE: /* a walk goes through it */
        break;
    }
    return false;
}

/* All names that are legal here, for hints. */
static size_t names_collect(const struct reader *reader, const char *names[CNN_KEY_WORDS])
{
    size_t count = 0;
    if (reader->tag)
        names[count++] = reader->tag;
    const struct cnn_key *const tables[] = {reader->also, reader->table};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        for (struct cnn_key_walk walk = cnn_key_walk(tables[i]);
             count < CNN_KEY_WORDS && cnn_key_next(&walk);)
            names[count++] = walk.key->name;
    return count;
}

static void unknown_keys_report(struct reader *reader, const struct cnn_yaml *mapping)
{
    char word[80];
    const char *names[CNN_KEY_WORDS];
    size_t count = names_collect(reader, names);
    for (size_t i = 0; i < mapping->count; i++) {
        const struct cnn_yaml *key = mapping->pairs[i].key;
        bool known = false;
        for (size_t j = 0; j < count && !known; j++)
            known = strcmp(names[j], key->text) == 0;
        if (known)
            continue;
        reader->status = cnn_fail(reader->diag, CNN_INVALID, &key->where, "%s has no key '%s'",
                                  reader->what, cnn_word_cut(key->text, word, sizeof(word)));
        const char *meant = cnn_key_hint_name(key->text, names, count, reader->diag);
        if (meant && reader->meant_count < CNN_KEY_WORDS)
            reader->meant[reader->meant_count++] = meant;
    }
}

static bool is_meant(const struct reader *reader, const char *name)
{
    for (size_t i = 0; i < reader->meant_count; i++)
        if (strcmp(reader->meant[i], name) == 0)
            return true;
    return false;
}

/* The value that an absent key has; NULL where it has none, or it is missing, which is reported. */
static struct cnn_yaml *default_get(struct reader *reader, const struct cnn_key *key,
                                    const struct cnn_where *where)
{
    char type[512];
    struct cnn_yaml *node = NULL;
    if (!key->otherwise) {
        if (is_meant(reader, key->name))
            return NULL;
        reader->status = cnn_fail(reader->diag, CNN_INVALID, where, "%s lacks the key '%s'",
                                  reader->what, key->name);
        bool any = key->kind == CNN_KEY_NODE && !key->choices;
        cnn_hint(reader->diag, "%s: %s", key->name,
                 any ? key->help : cnn_key_wants(key, type, sizeof(type)));
    } else if (*key->otherwise) {
        cnn_status status = cnn_yaml_parse(reader->arena, key->name, key->otherwise,
                                           strlen(key->otherwise), &node, reader->diag);
        if (status)
            reader->status = status;
    }
    return node;
}

static cnn_status mapping_read(struct reader *reader, const struct cnn_yaml *mapping,
                               const struct cnn_where *where, void *settings)
{
    if (mapping && (!where || mapping->where.source))
        where = &mapping->where;
    if (cnn_yaml_is_null(mapping))
        mapping = NULL;
    if (mapping && mapping->kind != CNN_YAML_MAPPING) {
        char found[80];
        cnn_fail(reader->diag, CNN_INVALID, where, "%s wants a mapping, 'key: value'; found %s",
                 reader->what, cnn_yaml_describe(mapping, found, sizeof(found)));
        return CNN_INVALID;
    }
    if (mapping)
        unknown_keys_report(reader, mapping);
    for (struct cnn_key_walk walk = cnn_key_walk(reader->table); cnn_key_next(&walk);) {
        const struct cnn_key *key = walk.key;
        const struct cnn_yaml *node = cnn_yaml_get(mapping, key->name);
        if (node && key->otherwise && !*key->otherwise && cnn_yaml_is_null(node))
            continue;
        if (!node)
            node = default_get(reader, key, where);
        if (node)
            value_read(reader, key, node, (char *)settings + walk.at);
    }
    return reader->status;
}

cnn_status cnn_keys_read(struct cnn_arena *arena, const struct cnn_keys *keys,
                         const struct cnn_yaml *mapping, const struct cnn_where *where,
                         void *settings, cnn_diag *diag)
{
    struct reader reader = {
        .arena = arena, .table = keys->table, .also = keys->also, .what = keys->what, .diag = diag};
    return mapping_read(&reader, mapping, where, settings);
}

static cnn_status fail_untyped(const struct cnn_kind *kind, const struct cnn_yaml *node,
                               cnn_diag *diag)
{
    char found[80];
    if (node->kind != CNN_YAML_MAPPING) {
        cnn_fail(diag, CNN_INVALID, &node->where, "%s wants {type: ...} or a word; found %s",
                 kind->what, cnn_yaml_describe(node, found, sizeof(found)));
        return CNN_INVALID;
    }
    cnn_fail(diag, CNN_INVALID, &node->where, "%s lacks the key 'type'", kind->what);
    for (size_t i = 0; i < kind->count; i++)
        if (cnn_yaml_get(node, kind->variants[i]->name)) {
            cnn_hint(diag, "write {type: %s, ...}", kind->variants[i]->name);
            return CNN_INVALID;
        }
    for (size_t i = 0; i < node->count; i++) {
        const char *own = cnn_foreign_word(node->pairs[i].key->text);
        for (size_t j = 0; own && j < kind->count; j++)
            if (strcmp(kind->variants[j]->name, own) == 0) {
                cnn_hint(diag, "write {type: %s, ...}", own);
                return CNN_INVALID;
            }
    }
    for (size_t i = 0; i < node->count; i++)
        if (strncmp(node->pairs[i].key->text, "type:", 5) == 0) {
            cnn_hint(diag, "YAML wants a space behind the colon: 'type: ...'");
            return CNN_INVALID;
        }
    cnn_hint(diag, "for example {type: %s}", kind->variants[0]->name);
    return CNN_INVALID;
}

static cnn_status fail_unknown(const struct cnn_kind *kind, const struct cnn_yaml *word,
                               cnn_diag *diag)
{
    char found[80];
    const char *names[CNN_KEY_WORDS];
    size_t count = 0;
    for (size_t i = 0; i < kind->count && count < CNN_KEY_WORDS; i++)
        names[count++] = kind->variants[i]->name;
    for (size_t i = 0; kind->words && kind->words[i] && count < CNN_KEY_WORDS; i++)
        names[count++] = kind->words[i];
    cnn_fail(diag, CNN_INVALID, &word->where, "unknown %s type '%s'", kind->what,
             cnn_word_cut(word->text, found, sizeof(found)));
    cnn_key_hint_word(word->text, names, count, true, diag);
    return CNN_INVALID;
}

/* The variant of this word; NULL where there is none. */
static const struct cnn_variant *variant_find(const struct cnn_kind *kind, const char *word)
{
    for (size_t i = 0; i < kind->count; i++)
        if (strcmp(kind->variants[i]->name, word) == 0)
            return kind->variants[i];
    return NULL;
}

cnn_status cnn_kind_read(struct cnn_arena *arena, const struct cnn_kind *kind,
                         const struct cnn_yaml *node, const struct cnn_variant **chosen,
                         void **settings, cnn_diag *diag)
{
    bool mapping = node && node->kind == CNN_YAML_MAPPING;
    const struct cnn_yaml *word = mapping ? cnn_yaml_get(node, "type") : node;
    bool first = !node || (!word && node->made);
    if (!first && (!word || word->kind != CNN_YAML_SCALAR || cnn_yaml_is_null(word)))
        return fail_untyped(kind, word ? word : node, diag);
    const struct cnn_variant *variant = first ? kind->variants[0] : variant_find(kind, word->text);
    if (!variant)
        return fail_unknown(kind, word, diag);
    size_t size = variant->settings_size;
    void *made = cnn_arena_alloc(arena, size ? size : 1);
    char *name = cnn_arena_printf(arena, "%s '%s'", kind->what, variant->name);
    if (!made || !name)
        return cnn_fail_memory(diag, size, kind->what);
    struct reader reader = {.arena = arena,
                            .table = variant->keys,
                            .also = kind->also,
                            .tag = "type",
                            .what = name,
                            .diag = diag};
    cnn_status status =
        mapping_read(&reader, mapping ? node : NULL, node ? &node->where : NULL, made);
    if (status)
        return status;
    *chosen = variant;
    *settings = made;
    return CNN_OK;
}
