/* Comparing two models. Images on which both are right, or both wrong, say nothing of which is
 * better; of the n others, each model would have half if they were equally good. The probability of
 * b and c = n - b as unequal as they are, or more so, is that of McNemar, "Note on the sampling
 * error of the difference between correlated proportions or percentages", 1947: from the binomial
 * distribution for n < 25, else of chi-squared = (|b - c| - 1)^2 / n with one degree of freedom.
 * The interval of the difference is that of Agresti and Min, "Simple improved confidence intervals
 * for comparing matched proportions", 2005: half an image is added to each of the four counts. */
#include "train/compare.h"

#include <math.h>
#include <stdlib.h>

#include "tasks/metrics.h"
#include "train/evaluate.h"

enum { EXACT_BELOW = 25 };

/* Twice the sum over k = 0 .. fewer of (n over k) / 2^n. The terms are whole numbers below 2^24. */
static double binomial_p(size_t fewer, size_t n)
{
    double term = 1, sum = 0;
    for (size_t k = 0; k <= fewer; k++) {
        sum += term;
        term = term * (double)(n - k) / (double)(k + 1);
    }
    return fmin(1, ldexp(2 * sum, -(int)n));
}

static double chi_squared_p(size_t fewer, size_t n)
{
    double distance = fmax(0, (double)(n - 2 * fewer) - 1);
    return erfc(distance / sqrt(2 * (double)n));
}

static void set_difference(cnn_comparison *c)
{
    const double z = 1.96;
    double n = (double)c->images + 2, b = (double)c->only_b + 0.5, a = (double)c->only_a + 0.5;
    double centre = (b - a) / n, half = z * sqrt(a + b - (b - a) * (b - a) / n) / n;
    c->difference = c->accuracy[1] - c->accuracy[0];
    c->difference_low = fmax(-1, centre - half);
    c->difference_high = fmin(1, centre + half);
}

void cnn_comparison_finish(cnn_comparison *c)
{
    const size_t right[2] = {c->both_right + c->only_a, c->both_right + c->only_b};
    size_t n = c->only_a + c->only_b, fewer = c->only_a < c->only_b ? c->only_a : c->only_b;
    for (size_t i = 0; i < 2; i++) {
        c->accuracy[i] = (double)right[i] / (double)c->images;
        cnn_interval(right[i], c->images, &c->accuracy_low[i], &c->accuracy_high[i]);
    }
    set_difference(c);
    c->exact = n < EXACT_BELOW;
    c->p = c->exact ? binomial_p(fewer, n) : chi_squared_p(fewer, n);
}

static void count_answers(const struct cnn_answers answers[2], cnn_comparison *c)
{
    for (size_t i = 0; i < c->images; i++) {
        bool a = answers[0].predicted[i] == answers[0].labels[i],
             b = answers[1].predicted[i] == answers[1].labels[i];
        c->both_right += a && b;
        c->only_a += a && !b;
        c->only_b += b && !a;
        c->both_wrong += !a && !b;
    }
}

/* Whether the images are the same ones, as far as their number and labels say. */
static cnn_status check_images(const cnn_model *const models[2], const cnn_evaluation e[2],
                               const struct cnn_answers answers[2], cnn_diag *diag)
{
    if (e[0].images != e[1].images)
        return cnn_fail(diag, CNN_FAILED, NULL,
                        "%s sees %zu images and %s %zu: they cannot be compared", models[0]->source,
                        e[0].images, models[1]->source, e[1].images);
    for (size_t i = 0; i < e[0].images; i++)
        if (answers[0].labels[i] != answers[1].labels[i])
            return cnn_fail(
                diag, CNN_FAILED, NULL,
                "image %zu is of class %zu for %s and of class %zu for %s: they cannot be compared",
                i, answers[0].labels[i], models[0]->source, answers[1].labels[i],
                models[1]->source);
    return CNN_OK;
}

/* Progress over both passes. */
struct passes {
    const cnn_evaluate_options *options;
    size_t done; /* passes */
};

static int report_progress(void *context, size_t images, size_t total)
{
    const struct passes *passes = context;
    return passes->options->progress(passes->options->context, passes->done * total + images,
                                     2 * total);
}

cnn_status cnn_compare(cnn_model *a, cnn_model *b, const cnn_evaluate_options *options,
                       cnn_comparison *out, cnn_diag *diag)
{
    if (!a || !b || !out)
        return cnn_fail_missing(diag, "cnn_compare", "a, b or out");
    if (options && options->version > CNN_EVALUATE_OPTIONS_VERSION)
        return cnn_fail_version(diag, "cnn_evaluate_options", options->version,
                                CNN_EVALUATE_OPTIONS_VERSION);
    if (out->version > CNN_COMPARISON_VERSION)
        return cnn_fail_version(diag, "cnn_comparison", out->version, CNN_COMPARISON_VERSION);
    static const cnn_evaluate_options defaults = {0};
    struct passes passes = {.options = options ? options : &defaults};
    cnn_evaluate_options o = *passes.options;
    cnn_model *const models[2] = {a, b};
    cnn_evaluation e[2] = {0};
    struct cnn_answers answers[2] = {0};
    cnn_status status = CNN_OK;
    if (cnn_model_outputs(a) != cnn_model_outputs(b))
        return cnn_fail(diag, CNN_FAILED, NULL,
                        "%s has %zu classes and %s %zu: they cannot be compared", a->source,
                        cnn_model_outputs(a), b->source, cnn_model_outputs(b));
    o.report = o.gallery = NULL;
    o.progress = o.progress ? report_progress : NULL;
    o.context = &passes;
    for (; status == CNN_OK && passes.done < 2; passes.done++)
        status = cnn_evaluate_on(a, models[passes.done], &o, &e[passes.done], &answers[passes.done],
                                 diag);
    if (status == CNN_OK)
        status = check_images((const cnn_model *const[2]){a, b}, e, answers, diag);
    if (status == CNN_OK) {
        cnn_comparison c = {.version = out->version,
                            .images = e[0].images,
                            .split = e[0].split,
                            .tta = o.tta,
                            .loss = {e[0].loss, e[1].loss}};
        count_answers(answers, &c);
        cnn_comparison_finish(&c);
        *out = c;
    }
    for (size_t i = 0; i < 2; i++) {
        cnn_metrics_free(&e[i]);
        cnn_answers_free(&answers[i]);
    }
    return status;
}
