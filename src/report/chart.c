/* Line charts as SVG. Axes have three to ten ticks at 1, 2 or 5 times a power of ten. Colours are
 * those of Okabe and Ito, "Color Universal Design", 2008, without the yellow, which cannot be seen
 * on white: colour-blind readers can tell them apart; after seven series they come again with
 * dashes. */
#include "report/chart.h"

#include <math.h>
#include <string.h>

#include "report/chart.svg.h"
#include "viz/html.h"

#define LARGEST 1e300 /* beyond it, differences may not be finite */

enum {
    MANY_POINTS = 40, /* more are not drawn as dots, but still have titles; */
    MOST_TITLES = 500 /* and of still more, which lie about a pixel from each other, some have */
};

struct axis {
    double low, high, step; /* of a logarithmic axis in decades */
    bool logarithm;
};

static const char *const colours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                      "#e69f00", "#56b4e9", "#000000"};
static const char *const dashes[] = {"", "6 3", "2 3"};

static const char *series_colour(size_t i)
{
    return colours[i % (sizeof colours / sizeof *colours)];
}

static const char *series_dash(size_t i)
{
    return dashes[i / (sizeof colours / sizeof *colours) % (sizeof dashes / sizeof *dashes)];
}

static double y_value(const struct cnn_chart *chart, double y)
{
    return chart->percent ? 100 * y : y;
}

static bool is_point(double x, double y)
{
    return fabs(x) <= LARGEST && fabs(y) <= LARGEST;
}

/* The smallest and largest x and y of all points; false where there are none. */
static bool find_bounds(const struct cnn_chart *chart, struct axis *x, struct axis *y)
{
    *x = *y = (struct axis){.low = HUGE_VAL, .high = -HUGE_VAL};
    for (size_t i = 0; i < chart->count; i++) {
        const struct cnn_series *series = &chart->series[i];
        for (size_t k = 0; k < series->count; k++) {
            double value = y_value(chart, series->y[k]);
            if (!is_point(series->x[k], value))
                continue;
            x->low = fmin(x->low, series->x[k]);
            x->high = fmax(x->high, series->x[k]);
            y->low = fmin(y->low, value);
            y->high = fmax(y->high, value);
        }
    }
    return x->low <= x->high;
}

/* An axis of one value gets room on both sides; so does one whose values differ in their last
 * digits only, which is rounding. */
static void widen(struct axis *axis, bool whole)
{
    double size = fmax(fabs(axis->low), fabs(axis->high));
    if (axis->high - axis->low > 1e-5 * size)
        return;
    double room = whole ? 0.5 : size > 0 ? 0.1 * size : 1;
    axis->low -= room;
    axis->high += room;
}

static double round_step(double range)
{
    double raw = range / 5, power = pow(10, floor(log10(raw))), digit = raw / power;
    return power * (digit < 1.5 ? 1 : digit < 3 ? 2 : digit < 7 ? 5 : 10);
}

static void set_x_axis(const struct cnn_chart *chart, struct axis *axis)
{
    if (chart->from_zero)
        axis->low = fmin(0, axis->low);
    widen(axis, chart->whole);
    axis->step = round_step(axis->high - axis->low);
    if (chart->whole)
        axis->step = fmax(1, axis->step);
}

static void set_y_axis(const struct cnn_chart *chart, struct axis *axis)
{
    if (chart->logarithm && axis->low > 0 && axis->high / axis->low > 100) {
        axis->logarithm = true;
        axis->low = floor(log10(axis->low));
        axis->high = ceil(log10(axis->high));
        axis->step = ceil((axis->high - axis->low) / 8);
        return;
    }
    if (chart->y_from_zero)
        axis->low = fmin(0, axis->low);
    widen(axis, false);
    axis->step = round_step(axis->high - axis->low);
    axis->low = axis->step * floor(axis->low / axis->step + 1e-9);
    axis->high = axis->step * ceil(axis->high / axis->step - 1e-9);
    if (chart->percent) {
        axis->low = fmax(0, axis->low);
        axis->high = fmin(100, axis->high);
    }
}

/* From a value to a share of the axis. */
static double place(const struct axis *axis, double value)
{
    return ((axis->logarithm ? log10(value) : value) - axis->low) / (axis->high - axis->low);
}

static double x_pixel(const struct axis *axis, double value)
{
    return CNN_CHART_LEFT + (CNN_CHART_RIGHT - CNN_CHART_LEFT) * place(axis, value);
}

static double y_pixel(const struct axis *axis, double value)
{
    return CNN_CHART_BOTTOM - (CNN_CHART_BOTTOM - CNN_CHART_TOP) * place(axis, value);
}

/* As short as the step allows: 0.25, 300, 20k, 5e-6. */
static struct cnn_html_value tell_number(const struct axis *axis, double value)
{
    double step = axis->logarithm ? value : axis->step,
           largest = fmax(fabs(axis->low), fabs(axis->high));
    if (axis->logarithm)
        largest = value;
    if (value == 0)
        return cnn_html_string("number", "0");
    if (largest >= 1e9 || (step < 1e-4 && (largest < 0.01 || step < 1e-6)))
        return cnn_html_number("number", "%.0fe%.0f", value / pow(10, floor(log10(step) + 1e-9)),
                               floor(log10(step) + 1e-9));
    if (largest >= 1e6 && step >= 1e4)
        return cnn_html_number("number", "%gM", value / 1e6);
    if (largest >= 1e4 && step >= 100)
        return cnn_html_number("number", "%gk", value / 1e3);
    return cnn_html_number("number", "%.*f", step < 1 ? (int)ceil(-log10(step) - 1e-9) : 0, value);
}

static struct cnn_html_value place_at(const char *name, double pixel)
{
    return cnn_html_number(name, "%.2f", pixel);
}

static void draw_y_axis(struct cnn_text *page, const struct axis *axis)
{
    double first = ceil(axis->low / axis->step - 1e-6),
           last = floor(axis->high / axis->step + 1e-6);
    cnn_html_fill(page, grid_begin, NULL);
    for (double k = first; k <= last; k++) {
        double value = axis->logarithm ? pow(10, k * axis->step) : k * axis->step;
        const struct cnn_html_value values[] = {cnn_html_number("left", "%d", CNN_CHART_LEFT),
                                                cnn_html_number("right", "%d", CNN_CHART_RIGHT),
                                                place_at("y", y_pixel(axis, value)),
                                                {0}};
        cnn_html_fill(page, grid_line, values);
    }
    cnn_html_fill(page, grid_end, NULL);
    for (double k = first; k <= last; k++) {
        double value = axis->logarithm ? pow(10, k * axis->step) : k * axis->step;
        const struct cnn_html_value values[] = {cnn_html_number("x", "%d", CNN_CHART_LEFT - 8),
                                                place_at("y", y_pixel(axis, value) + 4),
                                                tell_number(axis, value),
                                                {0}};
        cnn_html_fill(page, grid_number, values);
    }
    cnn_html_fill(page, group_end, NULL);
}

static void draw_x_axis(struct cnn_text *page, const struct cnn_chart *chart,
                        const struct axis *axis)
{
    double first = ceil(axis->low / axis->step - 1e-6),
           last = floor(axis->high / axis->step + 1e-6);
    cnn_html_fill(page, ticks_begin, NULL);
    for (double k = first; k <= last; k++) {
        double value = k * axis->step;
        const struct cnn_html_value values[] = {
            place_at("x", x_pixel(axis, value)),
            cnn_html_number("top", "%d", CNN_CHART_BOTTOM),
            cnn_html_number("bottom", "%d", CNN_CHART_BOTTOM + 5),
            cnn_html_number("below", "%d", CNN_CHART_BOTTOM + 20),
            tell_number(axis, value),
            {0}};
        cnn_html_fill(page, tick, values);
    }
    const struct cnn_html_value values[] = {
        cnn_html_number("middle", "%d", (CNN_CHART_LEFT + CNN_CHART_RIGHT) / 2),
        cnn_html_number("below", "%d", CNN_CHART_BOTTOM + 40),
        cnn_html_string("name", chart->x_name),
        cnn_html_number("left", "%d", CNN_CHART_LEFT),
        cnn_html_number("right", "%d", CNN_CHART_RIGHT),
        cnn_html_number("y", "%d", CNN_CHART_BOTTOM),
        {0}};
    cnn_html_fill(page, ticks_end, values);
}

/* Whether point k can be drawn: finite, and positive on a logarithmic axis (which there is only
 * where all are). */
static bool has_point(const struct cnn_chart *chart, const struct cnn_series *series, size_t k)
{
    return k < series->count && is_point(series->x[k], y_value(chart, series->y[k]));
}

static void draw_line(struct cnn_text *page, const struct cnn_chart *chart, size_t i,
                      const struct axis *x, const struct axis *y)
{
    const struct cnn_series *series = &chart->series[i];
    bool drawing = false;
    const struct cnn_html_value values[] = {cnn_html_string("colour", series_colour(i)),
                                            cnn_html_flag("faint", series->faint),
                                            cnn_html_string("dash", series_dash(i)),
                                            {0}};
    cnn_html_fill(page, line_begin, values);
    for (size_t k = 0; k < series->count; k++) {
        bool point = has_point(chart, series, k);
        if (point)
            cnn_text_printf(page, "%c%.2f %.2f", drawing ? 'L' : 'M', x_pixel(x, series->x[k]),
                            y_pixel(y, y_value(chart, series->y[k])));
        drawing = point;
    }
    cnn_html_fill(page, line_end, NULL);
}

/* A dot for each point with a title that gives its numbers; where there are many, only those that
 * no line reaches can be seen. */
static void draw_points(struct cnn_text *page, const struct cnn_chart *chart, size_t i,
                        const struct axis *x, const struct axis *y)
{
    const struct cnn_series *series = &chart->series[i];
    cnn_html_fill(
        page, dots_begin,
        (const struct cnn_html_value[]){cnn_html_string("colour", series_colour(i)), {0}});
    for (size_t k = 0; k < series->count; k++) {
        if (!has_point(chart, series, k))
            continue;
        bool alone =
            (k == 0 || !has_point(chart, series, k - 1)) && !has_point(chart, series, k + 1);
        if (!alone && series->count > MOST_TITLES && k % (series->count / MOST_TITLES + 1) != 0)
            continue;
        double value = y_value(chart, series->y[k]);
        const struct cnn_html_value values[] = {
            place_at("x", x_pixel(x, series->x[k])),
            place_at("y", y_pixel(y, value)),
            cnn_html_flag("seen", alone || series->count <= MANY_POINTS),
            cnn_html_string("series", series->name),
            cnn_html_string("x_name", chart->x_name),
            cnn_html_number("x_value", "%.6g", series->x[k]),
            cnn_html_number("y_value", chart->percent ? "%.2f %%" : "%.5g", value),
            {0}};
        cnn_html_fill(page, dot, values);
    }
    cnn_html_fill(page, group_end, NULL);
}

static void draw_legend(struct cnn_text *page, const struct cnn_chart *chart)
{
    cnn_html_fill(page, legend_begin, NULL);
    for (size_t i = 0; i < chart->count; i++) {
        const struct cnn_html_value values[] = {cnn_html_string("colour", series_colour(i)),
                                                cnn_html_flag("faint", chart->series[i].faint),
                                                cnn_html_string("dash", series_dash(i)),
                                                cnn_html_string("series", chart->series[i].name),
                                                {0}};
        cnn_html_fill(page, legend_series, values);
    }
    cnn_html_fill(page, legend_end, NULL);
}

void cnn_chart_draw(struct cnn_text *page, const struct cnn_chart *chart)
{
    struct axis x, y;
    if (!find_bounds(chart, &x, &y))
        return;
    set_x_axis(chart, &x);
    set_y_axis(chart, &y);
    const struct cnn_html_value values[] = {cnn_html_number("width", "%d", CNN_CHART_WIDTH),
                                            cnn_html_number("height", "%d", CNN_CHART_HEIGHT),
                                            cnn_html_number("left", "%d", CNN_CHART_LEFT),
                                            cnn_html_string("title", chart->title),
                                            cnn_html_flag("logarithm", y.logarithm),
                                            {0}};
    cnn_html_fill(page, chart_begin, values);
    draw_y_axis(page, &y);
    draw_x_axis(page, chart, &x);
    for (size_t i = 0; i < chart->count; i++)
        draw_line(page, chart, i, &x, &y);
    for (size_t i = 0; i < chart->count; i++)
        if (!chart->series[i].faint)
            draw_points(page, chart, i, &x, &y);
    draw_legend(page, chart);
}
