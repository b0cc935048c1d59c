#include "util/words.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "util/diag.h"

struct words {
    const char *english, *said;
};

static const struct words korean[] = {
#define WORDS(english, said) {english, said},
#include "util/korean.def"
#undef WORDS
};

static const struct language {
    const char *name;
    const struct words *words;
    size_t count;
} languages[] = {{"en", NULL, 0}, {"ko", korean, sizeof korean / sizeof *korean}};
enum { LANGUAGES = sizeof languages / sizeof *languages };

static atomic_size_t chosen;
static _Thread_local bool plain;

/* LANGUAGES where there is none of this name. */
static size_t find_language(const char *name)
{
    size_t i = 0;
    while (i < LANGUAGES && name && strcmp(name, languages[i].name) != 0)
        i++;
    return i;
}

cnn_status cnn_language_check(const char *language, cnn_diag *diag)
{
    if (find_language(language) < LANGUAGES)
        return CNN_OK;
    cnn_fail(diag, CNN_INVALID, NULL, "pages have no language '%s'", language);
    cnn_hint(diag, "they have en (English) and ko (Korean)");
    return CNN_INVALID;
}

cnn_status cnn_set_language(const char *language, cnn_diag *diag)
{
    cnn_status status = cnn_language_check(language, diag);
    if (status == CNN_OK)
        chosen = find_language(language);
    return status;
}

const char *cnn_language(void)
{
    return languages[chosen].name;
}

const char *cnn_say_part(const char *text, size_t size)
{
    const struct language *language = &languages[plain ? 0 : chosen];
    for (size_t i = 0; i < language->count; i++) {
        const char *english = language->words[i].english;
        if (strncmp(english, text, size) == 0 && english[size] == '\0')
            return language->words[i].said;
    }
    return NULL;
}

const char *cnn_say(const char *text)
{
    const char *said = cnn_say_part(text, strlen(text));
    return said ? said : text;
}

void cnn_say_plainly(bool plainly)
{
    plain = plainly;
}

const char *cnn_caption_said(const char *caption)
{
    const char *mark = strchr(caption, CNN_SAID);
    return mark ? mark + 1 : caption;
}

void cnn_caption_list(char *caption, size_t size, const char *format, va_list arguments)
{
    const char *said = cnn_say(format);
    va_list again;
    va_copy(again, arguments);
    int used = vsnprintf(caption, size, format, arguments);
    if (said != format && used >= 0 && (size_t)used + 2 < size) {
        caption[used++] = CNN_SAID;
        vsnprintf(caption + used, size - (size_t)used, said, again);
    }
    va_end(again);
}

void cnn_caption(char *caption, size_t size, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    cnn_caption_list(caption, size, format, arguments);
    va_end(arguments);
}
