/* A larger batch, and the rate, warm-up and steps that go with it. */
#include "train/scale.h"

#include <math.h>
#include <stdarg.h>

#include "recipe/optimizer_type.h"
#include "util/allocate.h"
#include "util/text.h"

#define WARMUP_EPOCHS 5.0
#define WARMUP_SHARE  0.1 /* of the run, at most */

/* Takes over the text's memory; NULL where it could not be had. */
static char *take(struct cnn_text *text)
{
    if (!text->failed)
        return text->data;
    cnn_text_free(text);
    return NULL;
}

__attribute__((format(printf, 2, 3))) static void set(struct cnn_scaling *scaling,
                                                      const char *format, ...)
{
    struct cnn_text text = {0};
    va_list arguments;
    va_start(arguments, format);
    cnn_text_vprintf(&text, format, arguments);
    va_end(arguments);
    char *setting = take(&text);
    if (setting)
        scaling->settings[scaling->count++] = setting;
    else
        scaling->failed = true;
}

static void scale_rate(const struct cnn_optimizer_settings *optimizer, const char *key,
                       size_t factor, struct cnn_scaling *scaling, struct cnn_text *text)
{
    bool linear = optimizer->type->proportional;
    double rate = optimizer->lr * (linear ? (double)factor : sqrt((double)factor));
    set(scaling, "train.%s.lr=%.9g", key, rate);
    cnn_text_printf(text, ", %s.lr %g -> %g (%s)", key, optimizer->lr, rate,
                    linear ? "as the batch" : "as the square root of the batch");
}

/* How many epochs a run by steps has depends on the number of images, which is not known yet. */
static void scale_length(const struct cnn_recipe *recipe, size_t factor,
                         struct cnn_scaling *scaling, struct cnn_text *text)
{
    double before = recipe->schedule.own->warmup_epochs,
           warmup = fmin(WARMUP_EPOCHS, WARMUP_SHARE * (double)recipe->epochs);
    if (recipe->steps > 0) {
        size_t steps = (recipe->steps + factor - 1) / factor;
        set(scaling, "train.steps=%zu", steps);
        cnn_text_printf(text, ", steps %zu -> %zu; schedule.warmup_epochs stays %g", recipe->steps,
                        steps, before);
    } else if (before < warmup) {
        set(scaling, "train.schedule.warmup_epochs=%.9g", warmup);
        cnn_text_printf(text, ", schedule.warmup_epochs %g -> %g", before, warmup);
    } else {
        cnn_text_printf(text, "; schedule.warmup_epochs stays %g", before);
    }
}

static cnn_status check_groups(const struct cnn_optimizer_settings *optimizer, cnn_diag *diag)
{
    for (size_t i = 0; i < optimizer->group_count; i++)
        if (optimizer->groups[i].has_lr) {
            cnn_fail(diag, CNN_INVALID, &optimizer->groups[i].where,
                     "--scale-batch cannot change the lr of a group");
            cnn_hint(diag, "write the larger batch and its rates into the description");
            return CNN_INVALID;
        }
    return CNN_OK;
}

cnn_status cnn_scale_batch(const cnn_model *model, size_t factor, struct cnn_scaling *out,
                           cnn_diag *diag)
{
    const struct cnn_recipe *recipe = &model->recipe;
    const struct cnn_optimizer_settings *others = recipe->optimizer.others;
    struct cnn_text text = {0};
    size_t batch;
    cnn_status status = check_groups(&recipe->optimizer, diag);
    if (status == CNN_OK && others)
        status = check_groups(others, diag);
    if (status != CNN_OK)
        return status;
    if (!cnn_size_mul(recipe->batch_size, factor, &batch))
        return cnn_fail(diag, CNN_INVALID, NULL, "a batch cannot be so large");
    set(out, "train.batch_size=%zu", batch);
    cnn_text_printf(&text, "batch_size %zu -> %zu", recipe->batch_size, batch);
    scale_rate(&recipe->optimizer, "optimizer", factor, out, &text);
    if (others) { /* with the default of another type: else its name would be lost */
        set(out, "train.optimizer.others.type=%s", others->type->variant.name);
        scale_rate(others, "optimizer.others", factor, out, &text);
    }
    scale_length(recipe, factor, out, &text);
    out->text = take(&text);
    return !out->failed && out->text ? CNN_OK : cnn_fail_memory(diag, 0, "settings");
}

void cnn_scaling_free(struct cnn_scaling *scaling)
{
    for (size_t i = 0; i < scaling->count; i++)
        cnn_free(scaling->settings[i]);
    cnn_free(scaling->text);
}
