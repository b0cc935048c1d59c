/* Reports: a run's or an evaluation's numbers as one HTML file that needs nothing else. What a run
 * has written (csv files, config.yaml) is read back from its directory, so a report of a run that
 * was resumed, or is long over, is made in the same way. */
#ifndef CNN_REPORT_REPORT_H
#define CNN_REPORT_REPORT_H

#include "report/health.h"
#include "report/samples.h"

/* the part of a page that is about one model; what is NULL or empty is left out */
struct cnn_report {
    const char *title;
    /* of a run: config.yaml, epochs.csv, steps.csv, health.csv and film.safetensors are read from
     * it */
    const char *directory;
    bool running; /* the page reads itself again every few seconds */
    /* updates done, where that is known: not each is in steps.csv */
    size_t step;
    const char *end;                   /* why a run is over that is not complete */
    const cnn_model *model;            /* its summary, first-layer filters, class names */
    const cnn_evaluation *evaluation;  /* confusion matrix, per-class scores */
    const struct cnn_samples *samples; /* right and wrong answers */
};

/* Writes path as cnn_file_write: an open page never sees half a file. */
cnn_status cnn_report_write(const char *path, const struct cnn_report *report, cnn_diag *diag);

#endif
