/* Terminal output: colours only where a terminal shows them and NO_COLOR (no-color.org) is unset,
 * UTF-8 drawing characters only where the locale has them, and one line of progress that messages
 * never mix with. */
#include "terminal.h"

#include <langinfo.h>
#include <locale.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum {
    DEFAULT_COLUMNS = 80,
    BAR_MIN = 5,
    BAR_MAX = 30,
    CHARACTER_MAX = 17,   /* bytes of one that is shown: four times \xHH */
    LINE_MAX_BYTES = 8192 /* of a message */
};

static struct {
    bool out_terminal, err_terminal;
    bool colours;
    bool utf8;
    bool progress_shown;
    bool told_memory;
    double progress_next;
    /* settings that options stand for, and those options' names */
    const char *settings[16], *options[16];
    size_t named;
} state;

void cnn_terminal_init(void)
{
    const char *term = getenv("TERM");
    const char *no_color = getenv("NO_COLOR");
    bool dumb = !term || strcmp(term, "dumb") == 0;

    /* A line of progress goes out in one piece. */
    setvbuf(stderr, NULL, _IOLBF, BUFSIZ);
    /* Only the character set: numbers keep their decimal point. */
    setlocale(LC_CTYPE, "");
    state.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    state.out_terminal = isatty(STDOUT_FILENO) && !dumb;
    state.err_terminal = isatty(STDERR_FILENO) && !dumb;
    state.colours = !no_color || no_color[0] == '\0';
}

static bool is_terminal(FILE *stream)
{
    return stream == stderr ? state.err_terminal : state.out_terminal;
}

bool cnn_terminal_live(void)
{
    return state.err_terminal;
}

bool cnn_terminal_utf8(FILE *stream)
{
    return state.utf8 && is_terminal(stream);
}

size_t cnn_terminal_columns(void)
{
    struct winsize size;

    if ((ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 ||
         ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) &&
        size.ws_col > 0)
        return size.ws_col;
    return DEFAULT_COLUMNS;
}

double cnn_terminal_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

const char *cnn_style(FILE *stream, enum cnn_style style)
{
    static const char *const codes[] = {"\033[0m",    "\033[1m",    "\033[2m",
                                        "\033[1;31m", "\033[1;33m", "\033[32m"};

    return state.colours && is_terminal(stream) ? codes[style] : "";
}

/* Writes the character that text begins with to shown, as a terminal may show it; returns its
 * bytes. */
static size_t show_character(const char *text, char shown[CHARACTER_MAX])
{
    uint32_t code;
    size_t length = cnn_character(text, &code);

    if (length > 0 && cnn_character_shown(code)) {
        memcpy(shown, text, length);
        shown[length] = '\0';
        return length;
    }
    length = length > 0 ? length : 1;
    for (size_t i = 0; i < length; i++)
        snprintf(shown + 4 * i, 5, "\\x%02X", (unsigned char)text[i]);
    return length;
}

/* Appends characters of text to out until one more would not fit into size bytes; returns where it
 * stopped. */
static const char *show_characters(const char *text, char *out, size_t size)
{
    char shown[CHARACTER_MAX];

    for (size_t used = 0; *text != '\0';) {
        size_t length = show_character(text, shown), bytes = strlen(shown);

        if (used + bytes >= size)
            break;
        memcpy(out + used, shown, bytes + 1);
        used += bytes;
        text += length;
    }
    return text;
}

struct cnn_shown_text cnn_show_text(const char *text)
{
    enum { END = 256 };
    struct cnn_shown_text shown = {""};
    const char *rest = show_characters(text, shown.text, sizeof shown.text);
    size_t length;

    if (*rest == '\0')
        return shown;
    shown = (struct cnn_shown_text){""};
    rest = show_characters(text, shown.text, sizeof shown.text - END - 3);
    length = strlen(rest);
    rest += length > END / 4 ? length - END / 4 : 0;
    while (((unsigned char)*rest & 0xC0) == 0x80) /* within a character */
        rest++;
    strcat(shown.text, "...");
    length = strlen(shown.text);
    show_characters(rest, shown.text + length, sizeof shown.text - length);
    return shown;
}

size_t cnn_terminal_measure(const char *text)
{
    return cnn_text_columns(cnn_show_text(text).text);
}

void cnn_print_text(FILE *stream, const char *text, size_t width, bool right)
{
    size_t columns = cnn_terminal_measure(text);
    int padding = columns < width ? (int)(width - columns) : 0;

    if (right)
        fprintf(stream, "%*s", padding, "");
    fputs(cnn_show_text(text).text, stream);
    if (!right)
        fprintf(stream, "%*s", padding, "");
}

/* label: "" for none. */
static void print_labelled(enum cnn_style style, const char *label, const char *format,
                           va_list arguments)
{
    char text[LINE_MAX_BYTES];
    int length = vsnprintf(text, sizeof text, format, arguments);

    if (length >= (int)sizeof text)
        strcpy(text + sizeof text - 4, "...");
    cnn_terminal_progress_clear();
    fprintf(stderr, "cnn: ");
    if (label[0] != '\0')
        fprintf(stderr, "%s%s%s ", cnn_style(stderr, style), label,
                cnn_style(stderr, CNN_STYLE_PLAIN));
    fprintf(stderr, "%s\n", cnn_show_text(text).text);
}

void cnn_print_error(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    print_labelled(CNN_STYLE_RED, "error:", format, arguments);
    va_end(arguments);
}

void cnn_print_warning(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    print_labelled(CNN_STYLE_YELLOW, "warning:", format, arguments);
    va_end(arguments);
}

void cnn_print_note(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    print_labelled(CNN_STYLE_PLAIN, "", format, arguments);
    va_end(arguments);
}

void cnn_print_hint(const char *format, ...)
{
    char text[LINE_MAX_BYTES];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fprintf(stderr, "  hint: %s\n", cnn_show_text(text).text);
}

void cnn_terminal_name_setting(const char *setting, const char *option)
{
    if (state.named < sizeof state.settings / sizeof *state.settings) {
        state.settings[state.named] = setting;
        state.options[state.named++] = option;
    }
}

/* The option that was given where the message is about a setting; NULL: it is not. */
static const char *option_of(const cnn_message *message)
{
    if (!message->file || strcmp(message->file, "--set") != 0 || !message->source_line)
        return NULL;
    for (size_t i = 0; i < state.named; i++) {
        if (strcmp(state.settings[i], message->source_line) == 0)
            return state.options[i];
    }
    return NULL;
}

static void print_message(const cnn_message *original)
{
    cnn_message changed = *original;
    const cnn_message *message = &changed;
    const char *label = message->warning ? "warning:" : "error:";
    const char *option = option_of(message);
    char file[64];
    char *text;
    char *place;
    size_t length;

    if (option) {
        snprintf(file, sizeof file, "--%s", option);
        changed.file = file;
        changed.line = changed.column = 0;
        changed.source_line = NULL;
    }
    text = cnn_message_format(message, "cnn");
    if (!text) {
        if (message->warning)
            cnn_print_warning("%s", message->text);
        else
            cnn_print_error("%s", message->text);
        return;
    }
    length = strlen(text);
    place = strstr(text, label);
    if (place) {
        fwrite(text, 1, (size_t)(place - text), stderr);
        fprintf(stderr, "%s%s%s",
                cnn_style(stderr, message->warning ? CNN_STYLE_YELLOW : CNN_STYLE_RED), label,
                cnn_style(stderr, CNN_STYLE_PLAIN));
        fputs(place + strlen(label), stderr);
    } else {
        fputs(text, stderr);
    }
    if (length == 0 || text[length - 1] != '\n')
        putc('\n', stderr);
    cnn_free(text);
}

bool cnn_terminal_told_memory(void)
{
    return state.told_memory;
}

void cnn_terminal_tell_memory(void)
{
    state.told_memory = true;
    cnn_print_error("out of memory");
}

void cnn_print_messages(cnn_diag *diag)
{
    size_t count = cnn_diag_count(diag);
    size_t dropped = cnn_diag_dropped(diag);

    cnn_terminal_progress_clear();
    state.told_memory = state.told_memory || cnn_diag_out_of_memory(diag);
    for (size_t i = 0; i < count; i++)
        print_message(cnn_diag_get(diag, i));
    if (dropped > 0)
        cnn_print_note("%zu more error%s", dropped, dropped == 1 ? "" : "s");
    cnn_diag_clear(diag);
}

static void draw_bar(double share, size_t columns)
{
    size_t halves = (size_t)(share * (double)(2 * columns));
    bool utf8 = cnn_terminal_utf8(stderr);

    putc(' ', stderr);
    fputs(cnn_style(stderr, CNN_STYLE_GREEN), stderr);
    for (size_t i = 0; i < columns; i++) {
        if (2 * i + 2 <= halves)
            fputs(utf8 ? "\u2501" : "=", stderr);
        else if (2 * i + 1 == halves)
            fputs(utf8 ? "\u2578" : ">", stderr);
        else
            putc(' ', stderr);
    }
    fputs(cnn_style(stderr, CNN_STYLE_PLAIN), stderr);
}

void cnn_terminal_progress(double share, const char *before, const char *after)
{
    static const size_t percent = sizeof " 100%" - 1;
    double now = cnn_terminal_clock();
    size_t room, used;

    if (!state.err_terminal || now < state.progress_next)
        return;
    state.progress_next = now + 0.1;
    state.progress_shown = true;
    share = share > 0 ? (share < 1 ? share : 1) : 0;

    /* The last column stays free: some terminals wrap as soon as it is written. */
    room = cnn_terminal_columns() - 1;
    used = strlen(before) + percent + 1 + strlen(after);
    fprintf(stderr, "\r%.*s", (int)room, before);
    if (used + 1 + BAR_MIN <= room)
        draw_bar(share, room - used - 1 < BAR_MAX ? room - used - 1 : BAR_MAX);
    if (strlen(before) + percent + 1 < room)
        fprintf(stderr, " %3.0f%% %.*s", 100 * share, (int)(room - strlen(before) - percent - 1),
                after);
    fputs("\033[K", stderr);
    fflush(stderr);
}

void cnn_terminal_progress_clear(void)
{
    if (!state.progress_shown)
        return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    state.progress_shown = false;
    state.progress_next = 0;
}
