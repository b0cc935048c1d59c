/* Whether the network is as often right as it is sure: the reliability diagram of Guo et al., "On
 * Calibration of Modern Neural Networks", 2017. */
#include "report/calibration.html.h"
#include "report/chart.h"
#include "report/page.h"
#include "tasks/metrics.h"
#include "util/words.h"

void cnn_page_calibration(struct cnn_text *page, const cnn_evaluation *e)
{
    static const double diagonal_x[] = {0, 100}, diagonal_y[] = {0, 1};
    double confidence[CNN_CALIBRATION_BINS], accuracy[CNN_CALIBRATION_BINS];
    size_t count = 0;
    for (size_t m = 0; m < e->calibration_bins; m++) {
        if (e->calibration[m].images == 0)
            continue;
        confidence[count] = 100 * e->calibration[m].confidence;
        accuracy[count++] = e->calibration[m].accuracy;
    }
    if (count == 0)
        return;
    const struct cnn_series series[] = {
        {.name = cnn_say("as often right as sure"),
         .x = diagonal_x,
         .y = diagonal_y,
         .count = 2,
         .faint = true},
        {.name = cnn_say("accuracy"), .x = confidence, .y = accuracy, .count = count},
    };
    const struct cnn_chart chart = {.title = cnn_say("Accuracy (%)"),
                                    .x_name = cnn_say("confidence (%)"),
                                    .series = series,
                                    .count = 2,
                                    .percent = true,
                                    .from_zero = true};
    const struct cnn_html_value values[] = {cnn_html_number("bins", "%d", CNN_CALIBRATION_BINS),
                                            cnn_page_percent("error", e->ece),
                                            cnn_page_percent("confidence", e->confidence),
                                            {0}};
    cnn_html_fill(page, calibration_begin, values);
    cnn_chart_draw(page, &chart);
    cnn_html_fill(page, calibration_end, NULL);
}
