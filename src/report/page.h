/* The parts of a report's page. Each adds its heading and what stands below it; memory that runs
 * out is left in page->failed. */
#ifndef CNN_REPORT_PAGE_H
#define CNN_REPORT_PAGE_H

#include "report/film.h"
#include "report/history.h"
#include "report/samples.h"
#include "viz/html.h"

/* Values of a fragment, under the name that it has for them. */
struct cnn_html_value cnn_page_count(const char *name, uint64_t count);    /* 61,706 */
struct cnn_html_value cnn_page_duration(const char *name, double seconds); /* 3 min 05 s */
struct cnn_html_value cnn_page_percent(const char *name, double share);    /* 93.10 % */
/* 0.1234; 1.235e+12, 5.432e-07 where that says more */
struct cnn_html_value cnn_page_loss(const char *name, double loss);
/* images per second, whole; nothing where it is not known */
struct cnn_html_value cnn_page_speed(const char *name, double speed);

/* A labelled value in <div class="facts">. note: small, behind it; "": none. */
void cnn_page_fact(struct cnn_text *page, const char *name, struct cnn_html_value value,
                   const char *note);

/* Curves of loss, accuracy and learning rate, and the table of epochs. */
void cnn_page_curves(struct cnn_text *page, const struct cnn_history *history);

/* Hints, the last epoch's numbers of every layer, and how they moved; nothing where there are no
 * rows. */
void cnn_page_health(struct cnn_text *page, const struct cnn_history *history,
                     const cnn_model *model);

/* The confusion matrix, or with more than 30 classes the pairs that are most often confused, and
 * the scores of the classes. model gives the names of the classes; NULL: their numbers. */
void cnn_page_classes(struct cnn_text *page, const cnn_model *model,
                      const cnn_evaluation *evaluation);

/* How confidence and accuracy go together; nothing where no image was counted. */
void cnn_page_calibration(struct cnn_text *page, const cnn_evaluation *evaluation);

/* Pictures with the network's answers, wrong ones first. */
cnn_status cnn_page_samples(struct cnn_text *page, const cnn_model *model,
                            const struct cnn_samples *samples, cnn_diag *diag);

/* The table of layers, and the first convolution's kernels. */
cnn_status cnn_page_network(struct cnn_text *page, const cnn_model *model, cnn_diag *diag);

/* How the first layer came about, a row for each frame; nothing where there is no film. */
cnn_status cnn_page_film(struct cnn_text *page, const struct cnn_film *film, cnn_diag *diag);

#endif
