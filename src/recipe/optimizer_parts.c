/* What several optimisers share: the key `groups`, and weight decay. */
#include "recipe/optimizer_type.h"
#include "util/number.h"

const struct cnn_key cnn_groups_keys[] = {
    {.name = "groups",
     .kind = CNN_KEY_NODE,
     .at = offsetof(struct cnn_optimizer_base, groups),
     .otherwise = "",
     .help = "list of tensors with their own settings"},
    CNN_KEY_END,
};

void cnn_update_shrink(const struct cnn_update *update)
{
    float factor = (float)(1 - update->lr * update->weight_decay);
    if (factor != 1)
        update->kernels->combine(update->tensor->count, 0, NULL, factor, update->w);
}

double cnn_explain_shrink(const struct cnn_update *update, size_t i, struct cnn_text *out)
{
    double w = (double)update->w[i], shrunk = w * (1 - update->lr * update->weight_decay);
    if (update->weight_decay > 0)
        cnn_text_printf(out, "  weight * (1 - lr * weight_decay) = %s * (1 - %s * %s) = %s\n",
                        cnn_explain_factor(w).text, cnn_explain_number(update->lr).text,
                        cnn_explain_number(update->weight_decay).text,
                        cnn_explain_number(shrunk).text);
    return shrunk;
}

double cnn_explain_decay(const struct cnn_update *update, double weight_decay, size_t i,
                         struct cnn_text *out)
{
    double g = (double)update->grad[i], w = (double)update->w[i], sum = g + weight_decay * w;
    if (weight_decay > 0)
        cnn_text_printf(out, "  gradient + weight_decay * weight = %s + %s * %s = %s\n",
                        cnn_explain_number(g).text, cnn_explain_number(weight_decay).text,
                        cnn_explain_factor(w).text, cnn_explain_number(sum).text);
    return sum;
}

double cnn_explain_step(const struct cnn_update *update, const char *formula, double old,
                        double step, struct cnn_text *out)
{
    double updated = old - update->lr * step;
    cnn_text_printf(out, "  %s = %s - %s * %s = %s\n", formula, cnn_explain_number(old).text,
                    cnn_explain_number(update->lr).text, cnn_explain_factor(step).text,
                    cnn_explain_number(updated).text);
    return updated;
}
