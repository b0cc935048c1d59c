#include "data/readable.h"

#include <stdatomic.h>
#include <zlib.h>

#include "data/image.h"
#include "util/allocate.h"
#include "util/arena.h"
#include "util/parallel.h"

#define LISTED 10 /* unreadable images named one by one */

struct check {
    struct cnn_images *images;
    bool *readable;  /* [images] */
    atomic_int want; /* enum cnn_want: why images were not read that may be whole */
    bool any_damage;
};

static cnn_shape shape_of(const struct cnn_images *images)
{
    return (cnn_shape){3, images->channels, images->height, images->width};
}

/* Whether a file's header and its parts are in order, which finds files that are cut short, too;
 * takes the picture's size from it. */
static cnn_status look_at(const struct cnn_images *images, size_t i, cnn_diag *diag)
{
    struct cnn_image_file *file = &images->files[i];
    struct cnn_image image;
    cnn_status status = cnn_image_open(file->path, &image, diag);
    if (status != CNN_OK)
        return status;
    status = cnn_image_resizable(&image, shape_of(images), diag);
    file->width = (uint32_t)image.width;
    file->height = (uint32_t)image.height;
    file->checksum = (uint32_t)crc32_z(0, (const Bytef *)image.bytes, image.size);
    cnn_image_close(&image);
    return status;
}

static void look_at_one(void *context, size_t i, size_t thread)
{
    (void)thread;
    struct check *c = context;
    cnn_diag *why = cnn_diag_new();
    c->readable[i] = why && look_at(c->images, i, why) == CNN_OK;
    enum cnn_want want = cnn_diag_want(why);
    if (want != CNN_WANT_NOTHING)
        atomic_store(&c->want, want);
    cnn_diag_free(why);
}

/* The reason why an image cannot be read: it is looked at again, for the threads share no
 * cnn_diag. */
static cnn_status warn_unreadable(const struct cnn_images *images, size_t i, cnn_diag *diag)
{
    const char *path = images->files[i].path;
    cnn_diag *one = cnn_diag_new();
    if (one)
        look_at(images, i, one);
    enum cnn_want want = cnn_diag_want(one);
    const cnn_message *message = cnn_diag_get(one, 0);
    if (want == CNN_WANT_NOTHING)
        cnn_warn(diag, NULL, "%s", message ? message->text : path);
    cnn_diag_free(one);
    return want == CNN_WANT_NOTHING ? CNN_OK : cnn_fail_want(diag, want, 0, path);
}

/* Keeps the paths of the files that cannot be read apart. */
static cnn_status list_unreadable(struct cnn_images *images, const bool *readable, size_t bad,
                                  cnn_diag *diag)
{
    images->left_out = cnn_arena_array(images->paths, bad, sizeof *images->left_out);
    if (!images->left_out)
        return cnn_fail_memory(diag, bad * sizeof *images->left_out, "the list of images");
    for (size_t i = 0; i < images->count; i++)
        if (!readable[i])
            images->left_out[images->left_out_count++] = images->files[i].path;
    return CNN_OK;
}

/* Leaves out and tells of the images that were found not to be readable. */
static cnn_status drop(struct check *c, const char *folder, cnn_diag *diag)
{
    const size_t listed = c->images->count;
    const enum cnn_want want = (enum cnn_want)atomic_load(&c->want);
    size_t bad = 0;
    cnn_status status =
        want == CNN_WANT_NOTHING ? CNN_OK : cnn_fail_want(diag, want, 0, "the images");
    for (size_t i = 0; i < listed && status == CNN_OK; i++)
        if (!c->readable[i] && bad++ < LISTED)
            status = warn_unreadable(c->images, i, diag);
    if (status == CNN_OK)
        status = list_unreadable(c->images, c->readable, bad, diag);
    if (status != CNN_OK)
        return status;
    cnn_images_keep(c->images, c->readable);
    if (bad == listed || (cnn_images_too_damaged(bad, listed) && !c->any_damage)) {
        cnn_fail(diag, CNN_FAILED, NULL,
                 "%zu of %zu images in %s cannot be read, too many to leave out", bad, listed,
                 folder);
        cnn_hint(diag, "mend or remove them; 'cnn data' with a description lists all");
        return CNN_FAILED;
    }
    if (bad > 0)
        cnn_warn(diag, NULL, "%zu of %zu images in %s cannot be read and are left out", bad, listed,
                 folder);
    return CNN_OK;
}

cnn_status cnn_images_drop_unreadable(struct cnn_images *images, const char *folder,
                                      bool any_damage, cnn_diag *diag)
{
    struct check c = {.images = images,
                      .readable = cnn_calloc(images->count, sizeof *c.readable),
                      .any_damage = any_damage};
    if (!c.readable)
        return cnn_fail_memory(diag, images->count, "the list of images");
    cnn_parallel_for(images->count, look_at_one, &c);
    cnn_status status = drop(&c, folder, diag);
    cnn_free(c.readable);
    return status;
}
