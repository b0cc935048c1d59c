/* What must be the same on all ranks, as lines of text: rank 0 sends its own, and every other rank
 * looks for the first line that differs. So a message can show both. */
#include "train/agree.h"

#include <string.h>
#include <zlib.h>

#include "cluster/cluster.h"
#include "model/record.h"
#include "util/allocate.h"
#include "util/file.h"
#include "util/parts.h"

#define PROGRAM_LIMIT ((size_t)1 << 30) /* bytes of the program's file */
#define SHOWN         120               /* characters of a line that differs */

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

static void describe_images(struct cnn_text *out, const char *what, const struct cnn_dataset *data,
                            const struct cnn_record_part *part)
{
    cnn_text_printf(out, "%s images: %zu, fingerprint %016llx\n", what, cnn_dataset_count(data),
                    (unsigned long long)part->fingerprint);
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

static void describe(const struct cnn_training *t, struct cnn_text *out)
{
    const cnn_model *model = t->model;
    size_t bytes = model->graph.parameter_floats * sizeof *model->parameters;
    cnn_text_printf(out, "program: %s, checksum %08lx\n", CNN_VERSION, program_checksum());
    cnn_text_printf(out, "kernels (CNN_CPU): %s\n", t->step.kernels->name);
    cnn_text_printf(out, "Winograd's convolutions (CNN_WINOGRAD): %s\n",
                    cnn_winograd_wanted() ? "yes" : "no");
    describe_images(out, "training", t->train, &model->record->parts[CNN_SPLIT_TRAIN]);
    describe_images(out, "validation", t->val, &model->record->parts[CNN_SPLIT_VAL]);
    cnn_text_printf(out, "steps done: %zu\n", t->progress.step);
    describe_model(out, cnn_model_resolved(model));
    cnn_text_printf(out, "\nparameters: checksum %08lx\n",
                    crc32_z(crc32(0, NULL, 0), (const unsigned char *)model->parameters, bytes));
}

/* Rank 0's text, for cnn_free; NULL and a message on failure. */
static char *receive_text(struct cnn_training *t, const struct cnn_text *own, cnn_diag *diag)
{
    bool first = cnn_cluster_rank(t->cluster) == 0;
    uint64_t size = own->size;
    if (!cnn_cluster_broadcast(t->cluster, &size, sizeof size))
        return NULL;
    char *text = cnn_calloc(1, (size_t)size + 1);
    if (!text) {
        cnn_fail_memory(diag, (size_t)size, "the description of rank 0");
        return NULL;
    }
    if (first)
        memcpy(text, own->data, own->size);
    if (cnn_cluster_broadcast(t->cluster, text, (size_t)size))
        return text;
    cnn_free(text);
    return NULL;
}

static cnn_status fail_difference(const char *own, const char *other, cnn_diag *diag)
{
    int mine = (int)strcspn(own, "\n"), theirs = (int)strcspn(other, "\n");
    return cnn_fail(diag, CNN_FAILED, NULL,
                    "it does not have what rank 0 has: '%.*s', but rank 0 has '%.*s'",
                    mine < SHOWN ? mine : SHOWN, own, theirs < SHOWN ? theirs : SHOWN, other);
}

static cnn_status compare(const char *own, const char *other, cnn_diag *diag)
{
    while (*own || *other) {
        size_t mine = strcspn(own, "\n"), theirs = strcspn(other, "\n");
        if (mine != theirs || memcmp(own, other, mine) != 0)
            return fail_difference(own, other, diag);
        own += mine + (own[mine] == '\n');
        other += theirs + (other[theirs] == '\n');
    }
    return CNN_OK;
}

static cnn_status check_ranks(const struct cnn_training *t, cnn_diag *diag)
{
    size_t batch = t->model->recipe.batch_size, most = cnn_parts_count(batch),
           ranks = cnn_cluster_ranks(t->cluster);
    if (ranks <= most)
        return CNN_OK;
    cnn_fail(diag, CNN_INVALID, NULL,
             "%zu processes cannot share a batch of %zu images, which is computed in %zu parts",
             ranks, batch, most);
    cnn_hint(diag, "at most %zu processes; or a larger train.batch_size", most);
    return CNN_INVALID;
}

cnn_status cnn_training_agree(struct cnn_training *t, cnn_diag *diag)
{
    struct cnn_text own = {0};
    if (!t->cluster)
        return CNN_OK;
    cnn_status status = check_ranks(t, diag);
    if (status != CNN_OK)
        return status;
    describe(t, &own);
    if (own.failed)
        status = cnn_fail_memory(diag, 0, "the description of the run");
    char *other = status == CNN_OK ? receive_text(t, &own, diag) : NULL;
    if (other)
        status = compare(own.data, other, diag);
    cnn_text_free(&own);
    cnn_free(other);
    /* Also a barrier: from here on rank 0 may change the files that the others have read. */
    if (status == CNN_OK)
        cnn_cluster_any(t->cluster, 0);
    return status == CNN_OK ? cnn_cluster_check(t->cluster, diag) : status;
}
