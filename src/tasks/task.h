/* Tasks: what a network is trained to answer, one file and one line in tasks.def each. A task says
 * which end a network needs, what comes of a pass over images, which of two results is the better
 * one, and what tables and pages call it. Models carry theirs; training, evaluation and reports ask
 * it and know no task by name. */
#ifndef CNN_TASKS_TASK_H
#define CNN_TASKS_TASK_H

#include "data/dataset.h"
#include "graph/graph.h"
#include "recipe/loss.h"

/* What a network made of a batch. */
struct cnn_task_batch {
    size_t n;
    const struct cnn_targets *targets; /* what is true of each image */
    const float *scores;               /* the value that the loss reads */
    const float *probabilities;        /* what the outputs stand for */
};

/* What decides which epoch of a run is the best. */
struct cnn_score {
    double measure, loss; /* of the validation images */
};

/* A number of a report. */
struct cnn_task_fact {
    const char *name;
    bool share; /* is written in per cent; else as a loss is */
    double value;
    char note[64];
};
#define CNN_TASK_FACTS 8 /* at most */

struct cnn_task {
    const char *name;
    const char *loss; /* of a description that names none */
    /* What epochs are measured by, from 0 to 1: the columns train_<measure> and val_<measure> of
     * epochs.csv, and curves; title begins with a capital letter. */
    const char *measure, *title;

    /* The value of the graph that the loss reads. CNN_INVALID where the network has not the end
     * that the task needs, or the loss does not fit it. */
    cnn_status (*find_target)(const struct cnn_graph *graph, const struct cnn_loss *loss,
                              size_t *value, cnn_diag *diag);

    /* CNN_INVALID where the network's answers are not those that the data set asks for. */
    cnn_status (*match)(const struct cnn_graph *graph, const struct cnn_dataset *dataset,
                        cnn_diag *diag);

    /* A pass over images: memory for its numbers (freed by cnn_metrics_free), begun anew, each
     * batch, and the end, when the sum of all batches' losses is known. answers of add receives
     * what was answered for each image; NULL: not wanted. */
    cnn_status (*open)(size_t images, size_t outputs, cnn_evaluation *out, cnn_diag *diag);
    void (*clear)(cnn_evaluation *evaluation);
    void (*add)(cnn_evaluation *evaluation, const struct cnn_task_batch *batch, size_t *answers);
    void (*finish)(cnn_evaluation *evaluation, const struct cnn_loss_result *sum);

    struct cnn_score (*score)(const cnn_evaluation *evaluation); /* of one that is finished */
    bool (*better)(struct cnn_score score, struct cnn_score than);

    /* What a report says first of an evaluation; how many facts there are. */
    size_t (*facts)(const cnn_evaluation *evaluation, struct cnn_task_fact facts[CNN_TASK_FACTS]);
};

extern const struct cnn_task *const cnn_tasks[];
extern const size_t cnn_task_count;

#endif
