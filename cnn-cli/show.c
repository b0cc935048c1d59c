/* Numbers as people read them. */
#include "show.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

struct cnn_shown cnn_show_integer(uint64_t value)
{
    struct cnn_shown shown = {""};
    char digits[24];
    size_t length = (size_t)snprintf(digits, sizeof digits, "%" PRIu64, value);
    size_t used = 0;

    for (size_t i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            shown.text[used++] = ',';
        shown.text[used++] = digits[i];
    }
    return shown;
}

static struct cnn_shown show_scaled(double value, double base, const char *const *units)
{
    struct cnn_shown shown;
    size_t unit = 0;
    int decimals;

    /* 999.5 would be rounded to 1000: the next unit then. */
    while (value >= 999.5 && units[unit + 1]) {
        value /= base;
        unit++;
    }
    decimals = unit == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
    snprintf(shown.text, sizeof shown.text, "%.*f%s%s", decimals, value,
             units[unit][0] == '\0' ? "" : " ", units[unit]);
    return shown;
}

struct cnn_shown cnn_show_count(uint64_t value)
{
    static const char *const units[] = {"", "k", "M", "G", "T", "P", NULL};

    return show_scaled((double)value, 1000, units);
}

struct cnn_shown cnn_show_bytes(uint64_t value)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", NULL};

    return show_scaled((double)value, 1024, units);
}

struct cnn_shown cnn_show_duration(double seconds)
{
    struct cnn_shown shown;
    double minutes = floor(round(seconds) / 60);

    if (!isfinite(seconds) || seconds < 0)
        snprintf(shown.text, sizeof shown.text, "?");
    else if (seconds < 9.95)
        snprintf(shown.text, sizeof shown.text, "%.1fs", seconds);
    else if (minutes < 1)
        snprintf(shown.text, sizeof shown.text, "%.0fs", seconds);
    else if (minutes < 60)
        snprintf(shown.text, sizeof shown.text, "%.0fm%02.0fs", minutes,
                 round(seconds) - 60 * minutes);
    else
        snprintf(shown.text, sizeof shown.text, "%.0fh%02.0fm", floor(minutes / 60),
                 fmod(minutes, 60));
    return shown;
}

struct cnn_shown cnn_show_percent(double share)
{
    struct cnn_shown shown;

    if (isfinite(share))
        snprintf(shown.text, sizeof shown.text, "%.1f%%", 100 * share);
    else
        snprintf(shown.text, sizeof shown.text, "n/a");
    return shown;
}

struct cnn_shown cnn_show_shape(cnn_shape shape, const char *times)
{
    struct cnn_shown shown;

    if (shape.rank == 3)
        snprintf(shown.text, sizeof shown.text, "%zu%s%zu%s%zu", shape.c, times, shape.h, times,
                 shape.w);
    else
        snprintf(shown.text, sizeof shown.text, "%zu", shape.c);
    return shown;
}
