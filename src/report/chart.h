/* Line charts as SVG within a page: the values of several series over one axis, with a legend
 * below. */
#ifndef CNN_REPORT_CHART_H
#define CNN_REPORT_CHART_H

#include "util/text.h"

struct cnn_series {
    const char *name;
    const double *x, *y; /* a value that is not finite is a gap in the line */
    size_t count;
    bool faint; /* a pale line without points: what a smoothed series is drawn over */
};

struct cnn_chart {
    const char *title;  /* above: what the values are */
    const char *x_name; /* below the axis */
    const struct cnn_series *series;
    size_t count;
    bool percent; /* y are shares from 0 to 1, shown as per cent */
    /* a logarithmic y axis where the values are positive and span more than two decades */
    bool logarithm;
    bool from_zero;   /* the x axis begins at 0 */
    bool y_from_zero; /* the y axis does */
    bool whole;       /* x are whole numbers, e.g. epochs: ticks are, too */
};

/* Where a chart of CNN_CHART_WIDTH x CNN_CHART_HEIGHT is drawn on: x grows from left to right, y
 * from bottom to top. */
enum {
    CNN_CHART_WIDTH = 600,
    CNN_CHART_HEIGHT = 300,
    CNN_CHART_LEFT = 60,
    CNN_CHART_RIGHT = 580,
    CNN_CHART_TOP = 30,
    CNN_CHART_BOTTOM = 250
};

/* Adds a <figure>; nothing where no series has a finite value. */
void cnn_chart_draw(struct cnn_text *page, const struct cnn_chart *chart);

#endif
