/* See agree.h. */
#include "model/agree.h"

#include <string.h>
#include <zlib.h>

#include "util/allocate.h"
#include "util/file.h"

#define PROGRAM_LIMIT ((size_t)1 << 30) /* bytes of the program's file */
#define PIECE         ((size_t)4096)    /* numbers of parameters read at a time */

/* Two builds of one version may compute other bits. */
static unsigned long program_checksum(void)
{
    char *bytes = NULL;
    size_t size;
    if (cnn_file_read("/proc/self/exe", PROGRAM_LIMIT, &bytes, &size, NULL) != CNN_OK)
        return 0;
    unsigned long sum = crc32_z(crc32(0, NULL, 0), (const unsigned char *)bytes, size);
    cnn_free(bytes);
    return sum;
}

/* The resolved description but for data.path: where images are found may differ, by name or from
 * machine to machine; their fingerprints may not. */
static void describe_model(struct cnn_text *out, const char *line)
{
    static const char path[] = "  path: ";
    for (size_t length; *line; line += length) {
        length = strcspn(line, "\n");
        length += line[length] == '\n';
        if (strncmp(line, path, sizeof path - 1) != 0)
            cnn_text_printf(out, "%.*s", (int)length, line);
    }
}

static void describe_program(struct cnn_text *out)
{
    cnn_text_printf(out, "program: %s, checksum %08lx\n", CNN_VERSION, program_checksum());
    cnn_text_printf(out, "kernels (CNN_CPU): %s\n", cnn_kernels()->name);
    cnn_text_printf(out, "Winograd's convolutions (CNN_WINOGRAD): %s\n",
                    cnn_winograd_wanted() ? "yes" : "no");
}

/* Of all tensors, in memory or in their file. 0: they cannot be read. */
static unsigned long parameters_checksum(const cnn_model *model)
{
    unsigned long sum = crc32_z(0, NULL, 0);
    float piece[PIECE];
    for (size_t i = 0; i < model->tensor_count; i++) {
        const struct cnn_tensor *t = model->tensors[i].tensor;
        for (size_t at = 0, count; at < t->count; at += count) {
            const float *values = model->parameters ? model->parameters + t->offset + at : piece;
            count = t->count - at < PIECE ? t->count - at : PIECE;
            if (!model->parameters &&
                cnn_model_read_stored(model, t->offset + at, count, piece, NULL) != CNN_OK)
                return 0;
            sum = crc32_z(sum, (const unsigned char *)values, count * sizeof *values);
        }
    }
    return sum;
}

void cnn_model_agree(const cnn_model *model, struct cnn_text *out)
{
    describe_program(out);
    describe_model(out, cnn_model_resolved(model));
    cnn_text_printf(out, "\nparameters: checksum %08lx\n", parameters_checksum(model));
}
