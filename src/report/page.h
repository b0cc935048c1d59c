/* The parts of a report's page. Each adds its heading and what stands below it; memory that runs
 * out is left in page->failed. */
#ifndef CNN_REPORT_PAGE_H
#define CNN_REPORT_PAGE_H

#include "report/history.h"
#include "report/samples.h"

void cnn_page_count(struct cnn_text *page, uint64_t count);    /* 61,706 */
void cnn_page_duration(struct cnn_text *page, double seconds); /* 3 min 05 s */
void cnn_page_percent(struct cnn_text *page, double share);    /* 93.10 % */
/* 0.1234; 1.235e+12, 5.432e-07 where that says more */
void cnn_page_loss(struct cnn_text *page, double loss);
/* images per second, whole; nothing where it is not known */
void cnn_page_speed(struct cnn_text *page, double speed);
/* begins a labelled number in <div class="facts"> */
void cnn_page_fact(struct cnn_text *page, const char *name);
/* note: small, behind the number; "": none */
void cnn_page_fact_end(struct cnn_text *page, const char *note);

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

#endif
