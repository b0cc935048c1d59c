/* The numbers of an evaluation. Calibration is that of Guo et al., "On Calibration of Modern Neural
 * Networks", 2017: images are sorted into bins of equal width by the probability of the predicted
 * class (the confidence), bin m of M being ((m - 1) / M, m / M], and ECE = sum over bins of images
 * / all * |accuracy - mean confidence|. */
#include "tasks/metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "util/allocate.h"
#include "util/diag.h"

cnn_status cnn_metrics_new(size_t images, size_t classes, cnn_evaluation *out, cnn_diag *diag)
{
    cnn_evaluation e = {.images = images, .classes = classes};
    e.confusion = cnn_calloc(images + 1, sizeof *e.confusion);
    e.per_class = cnn_calloc(classes, sizeof *e.per_class);
    e.ranks = cnn_calloc(classes, sizeof *e.ranks);
    e.calibration = cnn_calloc(CNN_CALIBRATION_BINS, sizeof *e.calibration);
    e.calibration_bins = CNN_CALIBRATION_BINS;
    if (!e.confusion || !e.per_class || !e.ranks || !e.calibration) {
        cnn_metrics_free(&e);
        return cnn_fail_memory(
            diag, images * sizeof *e.confusion + classes * (sizeof *e.per_class + sizeof *e.ranks),
            "the numbers of an evaluation");
    }
    *out = e;
    return CNN_OK;
}

void cnn_metrics_free(cnn_evaluation *e)
{
    cnn_free(e->confusion);
    cnn_free(e->per_class);
    cnn_free(e->ranks);
    cnn_free(e->calibration);
    *e = (cnn_evaluation){0};
}

void cnn_metrics_clear(cnn_evaluation *e)
{
    e->confusion_cells = 0;
    memset(e->ranks, 0, e->classes * sizeof *e->ranks);
    memset(e->calibration, 0, e->calibration_bins * sizeof *e->calibration);
}

static int cells_compare(const void *a, const void *b)
{
    const cnn_confusion_cell *x = a, *y = b;
    if (x->truth != y->truth)
        return x->truth < y->truth ? -1 : 1;
    return x->answer < y->answer ? -1 : x->answer > y->answer;
}

/* Until here every image has a cell of its own. */
static void gather_cells(cnn_evaluation *e)
{
    size_t count = 0;
    qsort(e->confusion, e->confusion_cells, sizeof *e->confusion, cells_compare);
    for (size_t i = 0; i < e->confusion_cells; i++) {
        const cnn_confusion_cell cell = e->confusion[i];
        if (count > 0 && cells_compare(&e->confusion[count - 1], &cell) == 0)
            e->confusion[count - 1].images += cell.images;
        else
            e->confusion[count++] = cell;
    }
    e->confusion_cells = count;
}

size_t cnn_evaluation_confusion(const cnn_evaluation *e, size_t truth, size_t answer)
{
    if (!e || truth >= e->classes || answer >= e->classes)
        return 0;
    const cnn_confusion_cell wanted = {.truth = (uint32_t)truth, .answer = (uint32_t)answer};
    const cnn_confusion_cell *found =
        e->confusion_cells == 0
            ? NULL
            : bsearch(&wanted, e->confusion, e->confusion_cells, sizeof wanted, cells_compare);
    return found ? found->images : 0;
}

/* The bin of a confidence, which is above 0 and at most 1, but for what is no number. */
static size_t bin_of(double confidence)
{
    double bin = ceil(confidence * CNN_CALIBRATION_BINS) - 1;
    return bin > 0 ? (size_t)fmin(bin, CNN_CALIBRATION_BINS - 1) : 0;
}

void cnn_metrics_add(cnn_evaluation *e, size_t n, const size_t *labels, const float *scores,
                     const float *probabilities, size_t *answers)
{
    for (size_t i = 0; i < n; i++, scores += e->classes, probabilities += e->classes) {
        size_t best = 0, rank = cnn_label_rank(e->classes, scores, labels[i]);
        for (size_t j = 1; j < e->classes; j++)
            best = scores[j] > scores[best] ? j : best;
        cnn_calibration_bin *bin = &e->calibration[bin_of((double)probabilities[best])];
        e->confusion[e->confusion_cells++] = (cnn_confusion_cell){
            .truth = (uint32_t)labels[i], .answer = (uint32_t)best, .images = 1};
        if (rank < e->classes)
            e->ranks[rank]++;
        bin->images++;
        bin->confidence += (double)probabilities[best]; /* sums, for now */
        bin->accuracy += best == labels[i];
        if (answers)
            answers[i] = best;
    }
}

static double share(size_t part, size_t whole)
{
    return whole ? (double)part / (double)whole : 0;
}

/* Counts first stand where the scores of the class will: of the images of the class, those taken
 * for it, those of both. */
static void count_classes(cnn_evaluation *e)
{
    memset(e->per_class, 0, e->classes * sizeof *e->per_class);
    for (size_t i = 0; i < e->confusion_cells; i++) {
        const cnn_confusion_cell *cell = &e->confusion[i];
        e->per_class[cell->truth].images += cell->images;
        e->per_class[cell->answer].precision += (double)cell->images;
        if (cell->truth == cell->answer)
            e->per_class[cell->truth].recall += (double)cell->images;
    }
}

static void score_classes(cnn_evaluation *e)
{
    size_t present = 0;
    e->precision = e->recall = e->f1 = 0;
    count_classes(e);
    for (size_t c = 0; c < e->classes; c++) {
        size_t images = e->per_class[c].images, predicted = (size_t)e->per_class[c].precision,
               right = (size_t)e->per_class[c].recall;
        e->per_class[c] = (cnn_class_score){.precision = share(right, predicted),
                                            .recall = share(right, images),
                                            .f1 = share(2 * right, predicted + images),
                                            .images = images};
        if (images == 0)
            continue;
        present++;
        e->precision += e->per_class[c].precision;
        e->recall += e->per_class[c].recall;
        e->f1 += e->per_class[c].f1;
    }
    if (present == 0)
        return;
    e->precision /= (double)present;
    e->recall /= (double)present;
    e->f1 /= (double)present;
}

static void calibrate(cnn_evaluation *e)
{
    e->confidence = e->ece = 0;
    for (size_t b = 0; b < e->calibration_bins; b++) {
        cnn_calibration_bin *bin = &e->calibration[b];
        if (bin->images == 0)
            continue;
        e->confidence += bin->confidence / (double)e->images;
        e->ece += fabs(bin->accuracy - bin->confidence) / (double)e->images;
        bin->confidence /= (double)bin->images;
        bin->accuracy /= (double)bin->images;
    }
}

void cnn_interval(size_t right, size_t all, double *low, double *high)
{
    const double z = 1.96;
    double n = (double)all, p = share(right, all), scale = 1 + z * z / n;
    double centre = (p + z * z / (2 * n)) / scale,
           half = z / scale * sqrt(p * (1 - p) / n + z * z / (4 * n * n));
    *low = fmax(0, centre - half);
    *high = fmin(1, centre + half);
}

void cnn_metrics_finish(cnn_evaluation *e, const struct cnn_loss_result *sum)
{
    e->loss = sum->loss / sum->weight;
    e->accuracy = share(sum->correct, e->images);
    e->top5 = share(sum->top5, e->images);
    cnn_interval(sum->correct, e->images, &e->accuracy_low, &e->accuracy_high);
    gather_cells(e);
    score_classes(e);
    calibrate(e);
}
