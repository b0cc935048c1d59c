/* Hints are followed: what a message proposes works. */
#include "scratch.h"

#include <stdio.h>
#include <string.h>

#include "model/model.h"

struct
try {
    size_t kernel, dilation, in, before, after;
    const char *mode;
};

/* Builds a network of one convolution; on failure the hint goes to hint. */
static bool builds(struct scratch *s, const struct try *t, char hint[256])
{
    char text[512];
    int size =
        snprintf(text, sizeof text,
                 "input: [1, 64, %zu]\nlayers:\n  - {type: conv, filters: 1, kernel_size: [1, "
                 "%zu], dilation: %zu, padding: [0, 0, %zu, %zu], padding_mode: %s}\n",
                 t->in, t->kernel, t->dilation, t->before, t->after, t->mode);
    cnn_model *model = NULL;
    cnn_status status = cnn_model_from_text("a.yaml", text, (size_t)size, NULL, &model, s->diag);
    const cnn_message *message = cnn_diag_get(s->diag, 0);
    snprintf(hint, 256, "%s", message && message->hint ? message->hint : "");
    cnn_diag_clear(s->diag);
    cnn_model_free(model);
    return status == CNN_OK;
}

static void follow(struct scratch *s, struct try t, size_t *kernels, size_t *paddings)
{
    char hint[256], again[256];
    size_t kernel, padding;
    if (builds(s, &t, hint))
        return;
    struct try smaller = t, wider = t;
    const char *place = strstr(hint, "padding of at least ");
    if (sscanf(hint, "kernel_size of at most %zu", &kernel) == 1) {
        smaller.kernel = kernel;
        if (!builds(s, &smaller, again))
            fail_msg("kernel_size %zu does not fit %zu pixels: %s", kernel, t.in, again);
        smaller.kernel++;
        assert_false(builds(s, &smaller, again));
        ++*kernels;
    }
    if (place && sscanf(place, "padding of at least %zu", &padding) == 1) {
        wider.before = wider.after = padding;
        if (!builds(s, &wider, again))
            fail_msg("padding %zu on %zu pixels, kernel %zu: %s", padding, t.in, t.kernel, again);
        ++*paddings;
    }
}

static void test_sizes_that_are_proposed_fit(void **state)
{
    static const char *const modes[] = {"zeros", "replicate", "reflect"};
    size_t kernels = 0, paddings = 0;
    for (size_t m = 0; m < 3; m++)
        for (size_t in = 1; in < 7; in++)
            for (size_t kernel = 1; kernel < 14; kernel += 2)
                for (size_t more = 0; more < 8; more++) {
                    struct try t = {kernel, 1 + more % 2, in, more / 2 % 2, more / 4 * 2, modes[m]};
                    /* reflection refuses it, whatever the kernel */
                    bool refused = m == 2 && (t.after >= in || t.before >= in);
                    if (!refused)
                        follow(*state, t, &kernels, &paddings);
                }
    assert_true(kernels > 100 && paddings > 100);
}

static void test_padding_is_not_proposed_where_reflection_refuses_it(void **state)
{
    char hint[256];
    struct try t = {9, 1, 3, 0, 0, "reflect"};
    assert_false(builds(*state, &t, hint));
    assert_string_equal(hint, "kernel_size of at most 3");
    t.mode = "zeros";
    assert_false(builds(*state, &t, hint));
    assert_string_equal(hint, "kernel_size of at most 3, or padding of at least 3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sizes_that_are_proposed_fit, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(test_padding_is_not_proposed_where_reflection_refuses_it,
                                        scratch_setup, scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
