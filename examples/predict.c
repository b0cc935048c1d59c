/* What a trained network sees in an image: predict CHECKPOINT IMAGE. All it takes of libcnn. */
#include <cnn.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    cnn_diag *diag = cnn_diag_new();
    cnn_model *model = NULL;
    cnn_prediction top[3];
    size_t count = 0;
    cnn_status status = CNN_INVALID;

    if (argc == 3)
        status = cnn_model_open(argv[1], &(cnn_open_options){.run_only = true}, &model, diag);
    if (status == CNN_OK)
        status = cnn_model_predict(model, argv[2], 3, top, &count, diag);
    for (size_t i = 0; i < count; i++)
        printf("%-12s %5.1f %%\n", top[i].name, 100 * (double)top[i].probability);
    for (size_t i = 0; i < cnn_diag_count(diag); i++)
        fprintf(stderr, "%s\n", cnn_diag_get(diag, i)->text);
    cnn_model_free(model);
    cnn_diag_free(diag);
    return status == CNN_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
