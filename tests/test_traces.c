/* Whole training runs against PyTorch's (golden/traces). Run without arguments it tests its own
 * comparisons; tests/traces.sh trains with the program and then calls it with `LOSSES.json
 * STEPS.csv FINAL.safetensors LAST.safetensors`: exit status 0 where both agree, else 1 and what
 * does not. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scratch.h"

#include "checkpoint/safetensors.h"
#include "util/text.h"

#define BOUND       1e-3 /* of each loss; of the largest magnitude of each tensor */
#define EARLY_BOUND 1e-5 /* of the first losses, which rounding alone tells apart */
#define EARLY       3    /* losses */

/* Losses of steps.csv (column 3) against the list; what differs is added to report. */
static void compare_losses(const char *json_path, const char *csv_path, struct cnn_text *report)
{
    char line[256];
    json_t *root = json_load_file(json_path, 0, NULL), *wanted = json_object_get(root, "loss");
    FILE *csv = fopen(csv_path, "r");
    size_t step = 0;
    if (!json_is_array(wanted) || !csv || !fgets(line, sizeof line, csv))
        cnn_text_printf(report, "cannot read %s or %s\n", json_path, csv_path);
    else
        for (; fgets(line, sizeof line, csv); step++) {
            double loss = NAN, want = json_number_value(json_array_get(wanted, step)),
                   bound = step < EARLY ? EARLY_BOUND : BOUND;
            if (sscanf(line, "%*[^,],%*[^,],%lf", &loss) != 1 ||
                !(fabs(loss - want) <= bound * fabs(want)))
                cnn_text_printf(report, "loss of step %zu: %.9g, PyTorch %.9g (%.2g of it apart)\n",
                                step + 1, loss, want, fabs(loss - want) / want);
        }
    if (wanted && step != json_array_size(wanted))
        cnn_text_printf(report, "%s has %zu steps, PyTorch's run %zu\n", csv_path, step,
                        json_array_size(wanted));
    if (csv)
        fclose(csv);
    json_decref(root);
}

static float value_at(const struct cnn_stored_tensor *tensor, size_t i)
{
    float value;
    memcpy(&value, (const char *)tensor->data + i * sizeof value, sizeof value);
    return value;
}

static void compare_tensor(const struct cnn_stored_tensor *wanted,
                           const struct cnn_stored_tensor *found, struct cnn_text *report)
{
    double largest = 0, worst = 0;
    if (!found || found->count != wanted->count) {
        cnn_text_printf(report, "tensor %s is missing or has another size\n", wanted->name);
        return;
    }
    for (size_t i = 0; i < wanted->count; i++) {
        double want = (double)value_at(wanted, i), error = fabs((double)value_at(found, i) - want);
        largest = fmax(largest, fabs(want));
        worst = isnan(error) ? INFINITY : fmax(worst, error);
    }
    if (!(worst <= BOUND * largest))
        cnn_text_printf(report, "tensor %s: up to %.2g of its largest magnitude apart\n",
                        wanted->name, worst / largest);
}

static void compare_weights(const char *wanted_path, const char *found_path,
                            struct cnn_text *report)
{
    struct cnn_safetensors *wanted = NULL, *found = NULL;
    if (cnn_safetensors_open(wanted_path, &wanted, NULL) != CNN_OK ||
        cnn_safetensors_open(found_path, &found, NULL) != CNN_OK)
        cnn_text_printf(report, "cannot read %s or %s\n", wanted_path, found_path);
    else
        for (size_t i = 0; i < wanted->tensor_count; i++)
            compare_tensor(&wanted->tensors[i],
                           cnn_safetensors_find(found, wanted->tensors[i].name), report);
    cnn_safetensors_close(wanted);
    cnn_safetensors_close(found);
}

static int compare_run(char **paths)
{
    struct cnn_text report = {0};
    compare_losses(paths[0], paths[1], &report);
    compare_weights(paths[2], paths[3], &report);
    bool good = report.size == 0 && !report.failed;
    if (report.data)
        fputs(report.data, stdout);
    cnn_text_free(&report);
    return good ? 0 : 1;
}

static void check_losses(struct scratch *s, const char *csv, const char *expected)
{
    struct cnn_text report = {0};
    char json_path[256];
    static const char json[] = "{\"loss\": [2.0, 1.0, 1.0, 4.0]}";
    strcpy(json_path, scratch_write(s, "loss.json", json, sizeof json - 1));
    compare_losses(json_path, scratch_write(s, "steps.csv", csv, strlen(csv)), &report);
    if (expected)
        assert_non_null(strstr(report.data ? report.data : "", expected));
    else
        assert_int_equal(report.size, 0);
    cnn_text_free(&report);
}

static void test_losses_are_told_apart_by_what_is_more_than_rounding(void **state)
{
    check_losses(*state, "step,epoch,loss\n1,1,2.000019\n2,1,0.999991\n3,1,1\n4,1,4.0039\n", NULL);
    check_losses(*state, "step,epoch,loss\n1,1,2.000021\n2,1,1\n3,1,1\n4,1,4\n",
                 "step 1: 2.000021");
    check_losses(*state, "step,epoch,loss\n1,1,2\n2,1,nan\n3,1,1\n4,1,4\n", "step 2: nan");
    check_losses(*state, "step,epoch,loss\n1,1,2\n2,1,1\n3,1,1.000011\n4,1,4\n",
                 "step 3: 1.000011");
    check_losses(*state, "step,epoch,loss\n1,1,2\n2,1,1\n3,1,1\n4,1,4.0041\n", "step 4: 4.0041");
    check_losses(*state, "step,epoch,loss\n1,1,2\n", "has 1 steps");
    check_losses(*state, "step,epoch,loss\n1,1,2\n2,1\n3,1,1\n4,1,4\n", "loss of step 2");
}

static void check_tensors(const float *values, const char *expected)
{
    struct cnn_text report = {0};
    const float wanted[3] = {1, 0, -2};
    const struct cnn_stored_tensor a = {.name = "w", .count = 3, .data = wanted},
                                   b = {.name = "w", .count = 3, .data = values};
    compare_tensor(&a, values ? &b : NULL, &report);
    if (expected)
        assert_non_null(strstr(report.data ? report.data : "", expected));
    else
        assert_int_equal(report.size, 0);
    cnn_text_free(&report);
}

static void test_tensors_are_told_apart_by_more_than_a_thousandth_of_the_largest(void **state)
{
    (void)state;
    check_tensors((const float[]){1.0019f, 0.0019f, -2}, NULL);
    check_tensors((const float[]){1, 0.0021f, -2}, "tensor w: up to");
    check_tensors((const float[]){1, NAN, -2}, "tensor w: up to");
    check_tensors(NULL, "missing");
}

int main(int argc, char **argv)
{
    if (argc == 5)
        return compare_run(argv + 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_losses_are_told_apart_by_what_is_more_than_rounding,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test(test_tensors_are_told_apart_by_more_than_a_thousandth_of_the_largest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
