/* best.safetensors of a run that goes on: its tensors must be the network's, whatever its metadata
 * say. More of it: tests/cli/run-best.test. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint/safetensors.h"
#include "runs.h"

/* Writes the run's best model again, with its metadata: without its first tensor, or with that one
 * in another shape. */
static void spoil_best(struct scratch *s, bool without)
{
    struct cnn_safetensors *file;
    struct cnn_stored_tensor tensors[16];
    struct cnn_stored_pair pairs[64];
    char path[256];
    snprintf(path, sizeof path, "%s", scratch_path(s, "run/best.safetensors"));
    assert_int_equal(cnn_safetensors_open(path, &file, s->diag), CNN_OK);
    assert_true(file->tensor_count > 1 && file->tensor_count <= 16 && file->metadata_count <= 64);
    memcpy(tensors, file->tensors, file->tensor_count * sizeof *tensors);
    memcpy(pairs, file->metadata, file->metadata_count * sizeof *pairs);
    tensors[0].rank = 1;
    tensors[0].dims[0] = tensors[0].count;
    assert_int_equal(cnn_safetensors_write(path, tensors + without, file->tensor_count - without,
                                           pairs, file->metadata_count, s->diag),
                     CNN_OK);
    cnn_safetensors_close(file);
}

static void test_tensors_of_the_best_model_are_looked_at(void **state)
{
    struct scratch *s = runs_prepare(state);
    char epochs[32];
    assert_int_equal(runs_train(s, "run", false, NULL, "train.epochs=1"), CNN_OK);
    for (int without = 0; without < 2; without++) {
        struct watcher watcher = {.kind = CNN_EVENT_EPOCH};
        cnn_checkpoint_info *info = NULL;
        spoil_best(s, without);
        snprintf(epochs, sizeof epochs, "train.epochs=%d", without + 2);
        assert_int_equal(runs_train(s, "run", true, &watcher, epochs), CNN_OK);
        assert_int_equal(watcher.warnings, 1);
        assert_int_equal(
            cnn_checkpoint_verify(scratch_path(s, "run/best.safetensors"), &info, s->diag), CNN_OK);
        assert_int_equal(info->step, 5 * (without + 2));
        cnn_checkpoint_info_free(info);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_tensors_of_the_best_model_are_looked_at, scratch_setup,
                                        scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
