/* What all parts of a report's page write alike: numbers with their units, and rows of facts. */
#include "report/page.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "viz/html.h"

#define LARGEST_SPEED 1e15 /* that is shown */

void cnn_page_count(struct cnn_text *page, uint64_t count)
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%llu", (unsigned long long)count);
    for (int i = 0; i < length; i++)
        cnn_text_printf(page, "%s%c", i > 0 && (length - i) % 3 == 0 ? "," : "", digits[i]);
}

void cnn_page_duration(struct cnn_text *page, double seconds)
{
    if (!(seconds < 1e12))
        cnn_text_printf(page, "?");
    else if (seconds < 60)
        cnn_text_printf(page, "%.1f s", seconds);
    else if (seconds < 3600)
        cnn_text_printf(page, "%.0f min %02.0f s", floor(seconds / 60), floor(fmod(seconds, 60)));
    else
        cnn_text_printf(page, "%.0f h %02.0f min", floor(seconds / 3600),
                        floor(fmod(seconds, 3600) / 60));
}

void cnn_page_percent(struct cnn_text *page, double share)
{
    cnn_text_printf(page, "%.2f %%", 100 * share);
}

void cnn_page_loss(struct cnn_text *page, double loss)
{
    double size = fabs(loss);
    bool plain = size == 0 || (size >= 1e-3 && size < 1e6);
    cnn_text_printf(page, plain ? "%.4f" : "%.4g", loss);
}

void cnn_page_speed(struct cnn_text *page, double speed)
{
    if (speed > 0 && speed < LARGEST_SPEED)
        cnn_page_count(page, (uint64_t)speed);
}

void cnn_page_fact(struct cnn_text *page, const char *name)
{
    cnn_text_printf(page, "<div><span>");
    cnn_html_text(page, name);
    cnn_text_printf(page, "</span><b>");
}

void cnn_page_fact_end(struct cnn_text *page, const char *note)
{
    cnn_text_printf(page, "</b>");
    if (*note) {
        cnn_text_printf(page, " <small>");
        cnn_html_text(page, note);
        cnn_text_printf(page, "</small>");
    }
    cnn_text_printf(page, "</div>\n");
}
