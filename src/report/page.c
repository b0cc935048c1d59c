/* What all parts of a report's page write alike: numbers with their units, and rows of facts. */
#include "report/page.h"

#include <math.h>

#include "report/page.html.h"
#include "util/words.h"

#define LARGEST_SPEED 1e15 /* that is shown */

struct cnn_html_value cnn_page_count(const char *name, uint64_t count)
{
    struct cnn_html_value value = {.name = name};
    cnn_count_format(count, value.number);
    return value;
}

struct cnn_html_value cnn_page_duration(const char *name, double seconds)
{
    if (!(seconds < 1e12))
        return cnn_html_string(name, "?");
    if (seconds < 60)
        return cnn_html_number(name, cnn_say("%.1f s"), seconds);
    if (seconds < 3600)
        return cnn_html_number(name, cnn_say("%.0f min %02.0f s"), floor(seconds / 60),
                               floor(fmod(seconds, 60)));
    return cnn_html_number(name, cnn_say("%.0f h %02.0f min"), floor(seconds / 3600),
                           floor(fmod(seconds, 3600) / 60));
}

struct cnn_html_value cnn_page_percent(const char *name, double share)
{
    return cnn_html_number(name, "%.2f %%", 100 * share);
}

struct cnn_html_value cnn_page_loss(const char *name, double loss)
{
    double size = fabs(loss);
    bool plain = size == 0 || (size >= 1e-3 && size < 1e6);
    return cnn_html_number(name, plain ? "%.4f" : "%.4g", loss);
}

struct cnn_html_value cnn_page_speed(const char *name, double speed)
{
    bool known = speed > 0 && speed < LARGEST_SPEED;
    return known ? cnn_page_count(name, (uint64_t)speed) : cnn_html_string(name, "");
}

void cnn_page_fact(struct cnn_text *page, const char *name, struct cnn_html_value value,
                   const char *note)
{
    value.name = "value";
    const struct cnn_html_value values[] = {
        cnn_html_string("name", name), value, cnn_html_string("note", note), {0}};
    cnn_html_fill(page, fact, values);
}
