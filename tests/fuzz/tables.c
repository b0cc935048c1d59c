/* What a run leaves: config.yaml, epochs.csv, steps.csv and health.csv, one after another, and what
 * is left is film.safetensors; a page is made of any, or they are refused. */
#include "cnn.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"config.yaml", "epochs.csv", "steps.csv", "health.csv"};
    struct fuzz_input input = {data, size};
    const char *folder = fuzz_folder();
    cnn_diag *diag = cnn_diag_new();

    for (size_t i = 0; i < 4; i++) {
        struct fuzz_input part = fuzz_until(&input, FUZZ_SEPARATOR);
        const char *path = fuzz_file(names[i], part.data, part.size);
        if (part.size == 0) /* a file that is missing is something else than an empty one */
            unlink(path);
    }
    const char *film = fuzz_file("film.safetensors", input.data, input.size);
    if (input.size == 0)
        unlink(film);
    cnn_report(&folder, 1, fuzz_file("report.html", NULL, 0), diag);
    for (size_t i = 0; i < cnn_diag_count(diag); i++)
        cnn_free(cnn_message_format(cnn_diag_get(diag, i), "cnn"));
    cnn_diag_free(diag);
    return 0;
}
