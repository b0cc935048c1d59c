/* The rate stays as it is. */
#include "recipe/schedule_type.h"

struct settings {
    struct cnn_schedule_base base;
};

#define FIELD(member) offsetof(struct settings, member)
static const struct cnn_key keys[] = {
    {.kind = CNN_KEY_TABLE, .at = FIELD(base), .table = cnn_warmup_keys},
    CNN_KEY_END,
};

const struct cnn_schedule_type cnn_schedule_constant = {
    .variant = {.name = "constant",
                .help = "the same rate throughout",
                .keys = keys,
                .settings_size = sizeof(struct settings)},
};
