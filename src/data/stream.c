/* Decoding files ahead of time or again and again: one byte of state for each image says whether
 * its pixels are kept, and one thread alone puts them there. Which images have room is settled when
 * the stream is opened. */
#include "data/stream.h"

#include <stdatomic.h>
#include <string.h>

#include "data/image.h"
#include "util/allocate.h"
#include "util/arena.h"
#include "util/diag.h"
#include "util/text.h"

#define NO_ROOM SIZE_MAX
#define LISTED  10 /* damaged files named one by one */

enum state { UNREAD, BEING_KEPT, KEPT, DAMAGED, REPORTED };

struct cnn_image_stream {
    const struct cnn_images *images;
    cnn_shape shape;
    bool whole;
    uint8_t *kept;
    size_t room;    /* bytes of kept */
    size_t *places; /* [images]: where in kept, or NO_ROOM */
    _Atomic(unsigned char) *states;
    atomic_size_t damaged; /* files */
    size_t reported;       /* of them */
    size_t listed;         /* of those, by name */
    atomic_int want;       /* enum cnn_want: why images were not read that may be whole */
};

/* The first images that fit get room. Memory is touched, and so taken from the machine, as images
 * come in. */
static void find_places(struct cnn_image_stream *s, size_t budget)
{
    const struct cnn_images *images = s->images;
    size_t used = 0;
    for (size_t i = 0; i < images->count; i++) {
        const struct cnn_image_file *file = &images->files[i];
        size_t bytes = s->whole ? (size_t)file->width * file->height * images->channels
                                : cnn_images_bytes(images);
        s->places[i] = bytes <= budget - used ? used : NO_ROOM;
        used += bytes <= budget - used ? bytes : 0;
    }
    s->kept = used > 0 ? cnn_malloc(used) : NULL;
    s->room = s->kept ? used : 0;
    for (size_t i = 0; !s->kept && i < images->count; i++) /* decoding again does without */
        s->places[i] = NO_ROOM;
}

cnn_status cnn_image_stream_new(const struct cnn_images *images, bool whole, size_t budget,
                                struct cnn_image_stream **out, cnn_diag *diag)
{
    struct cnn_image_stream *s = cnn_calloc(1, sizeof *s);
    if (!s)
        return cnn_fail_memory(diag, sizeof *s, "a stream of images");
    *s = (struct cnn_image_stream){.images = images,
                                   .shape = {3, images->channels, images->height, images->width},
                                   .whole = whole};
    s->places = cnn_calloc(images->count, sizeof *s->places);
    s->states = cnn_calloc(images->count, sizeof *s->states);
    if (!s->places || !s->states) {
        cnn_image_stream_free(s);
        return cnn_fail_memory(diag, images->count * sizeof *s->places, "a stream of images");
    }
    find_places(s, budget);
    *out = s;
    return CNN_OK;
}

void cnn_image_stream_free(struct cnn_image_stream *stream)
{
    if (!stream)
        return;
    cnn_free(stream->kept);
    cnn_free(stream->places);
    cnn_free(stream->states);
    cnn_free(stream);
}

size_t cnn_image_stream_room(const struct cnn_image_stream *stream)
{
    return stream->room;
}

static void keep(struct cnn_image_stream *s, size_t image, const uint8_t *pixels, size_t bytes)
{
    unsigned char unread = UNREAD;
    if (s->places[image] == NO_ROOM ||
        !atomic_compare_exchange_strong(&s->states[image], &unread, BEING_KEPT))
        return;
    memcpy(s->kept + s->places[image], pixels, bytes);
    atomic_store_explicit(&s->states[image], KEPT, memory_order_release);
}

static const uint8_t *find_kept(const struct cnn_image_stream *s, size_t image)
{
    return atomic_load_explicit(&s->states[image], memory_order_acquire) == KEPT
               ? s->kept + s->places[image]
               : NULL;
}

/* Of all threads that find a file damaged, one counts it. What another one is just putting away was
 * whole. */
static bool mark_damaged(struct cnn_image_stream *s, size_t image)
{
    unsigned char unread = UNREAD, kept = KEPT;
    if (atomic_compare_exchange_strong(&s->states[image], &unread, DAMAGED) ||
        atomic_compare_exchange_strong(&s->states[image], &kept, DAMAGED))
        atomic_fetch_add(&s->damaged, 1);
    return false;
}

static bool is_damaged(const struct cnn_image_stream *s, size_t image)
{
    return atomic_load(&s->states[image]) >= DAMAGED;
}

/* A file was not read: it is damaged, unless it is memory or an open file that was wanting. */
static bool fail_read(struct cnn_image_stream *s, size_t image, const cnn_diag *why)
{
    enum cnn_want want = cnn_diag_want(why);
    if (want == CNN_WANT_NOTHING)
        return mark_damaged(s, image);
    atomic_store(&s->want, want);
    return false;
}

/* The file's whole picture, as it was when its folder was read. */
static bool decode_file(struct cnn_image_stream *s, size_t image, struct cnn_image *file)
{
    const struct cnn_image_file *at = &s->images->files[image];
    cnn_diag *why = cnn_diag_new();
    bool read = why && cnn_image_open(at->path, file, why) == CNN_OK && file->width == at->width &&
                file->height == at->height && cnn_image_decode(file, s->shape.c, why) == CNN_OK;
    if (!read) {
        cnn_image_close(file);
        fail_read(s, image, why);
    }
    cnn_diag_free(why);
    return read;
}

/* From the file's whole picture, all of it or the window that augmentation draws. */
static bool read_part(struct cnn_image_stream *s, size_t image,
                      const struct cnn_augmentation *augmentation, struct cnn_draw *draw,
                      uint8_t *buffer)
{
    const struct cnn_image_file *at = &s->images->files[image];
    const size_t row = at->width * s->shape.c;
    struct cnn_image file = {0};
    const uint8_t *pixels = find_kept(s, image);
    if (!pixels) {
        if (!decode_file(s, image, &file))
            return false;
        pixels = file.pixels;
        keep(s, image, pixels, row * at->height);
    }
    struct cnn_crop_window window = {.height = at->height, .width = at->width};
    if (augmentation)
        cnn_augment_window(augmentation, at->height, at->width, &draw->rng, &window);
    bool done = cnn_image_resize(pixels + window.top * row + window.left * s->shape.c,
                                 window.height, window.width, row, s->shape, buffer);
    cnn_image_close(&file);
    return done || fail_read(s, image, NULL);
}

static bool read_image(struct cnn_image_stream *s, size_t image, uint8_t *buffer)
{
    cnn_diag *why = cnn_diag_new();
    bool read =
        why && cnn_image_read(s->images->files[image].path, s->shape, buffer, why) == CNN_OK;
    if (read)
        keep(s, image, buffer, cnn_images_bytes(s->images));
    else
        fail_read(s, image, why);
    cnn_diag_free(why);
    return read;
}

/* The image that is to be read for this one: itself, or, from `after` places behind it on, the next
 * that is not known to be damaged. false: none is, or something was wanted, when none is looked
 * for. */
static bool find_whole(const struct cnn_image_stream *s, size_t image, size_t *after, size_t *out)
{
    const struct cnn_images *images = s->images;
    for (; *after < images->count && !atomic_load(&s->want); ++*after) {
        size_t candidate = (image + *after) % images->count;
        if (images->labels[candidate] != images->labels[image] || is_damaged(s, candidate))
            continue;
        *out = candidate;
        return true;
    }
    return false;
}

const uint8_t *cnn_image_stream_read(struct cnn_image_stream *stream, size_t image, uint8_t *buffer)
{
    for (size_t after = 0, at; find_whole(stream, image, &after, &at); after++) {
        const uint8_t *kept = stream->whole ? NULL : find_kept(stream, at);
        if (kept)
            return kept;
        if (stream->whole ? read_part(stream, at, NULL, NULL, buffer)
                          : read_image(stream, at, buffer))
            return buffer;
    }
    return memset(buffer, 0, cnn_images_bytes(stream->images));
}

void cnn_image_stream_read_window(struct cnn_image_stream *stream, size_t image,
                                  const struct cnn_augmentation *augmentation,
                                  struct cnn_draw *draw, uint8_t *buffer)
{
    for (size_t after = 0, at; find_whole(stream, image, &after, &at); after++)
        if (read_part(stream, at, augmentation, draw, buffer))
            return;
    memset(buffer, 0, cnn_images_bytes(stream->images));
}

size_t cnn_image_stream_damaged(const struct cnn_image_stream *stream, size_t most,
                                uint32_t *images)
{
    size_t found = 0;
    if (atomic_load(&stream->damaged) == stream->reported)
        return 0;
    for (size_t i = 0; i < stream->images->count && found < most; i++)
        if (atomic_load(&stream->states[i]) == DAMAGED)
            images[found++] = (uint32_t)i;
    return found;
}

void cnn_image_stream_mark_damaged(struct cnn_image_stream *stream, size_t image)
{
    mark_damaged(stream, image);
}

static void say(void (*tell)(void *context, const char *text), void *context, cnn_diag *diag,
                const char *text)
{
    if (tell)
        tell(context, text);
    else
        cnn_warn(diag, NULL, "%s", text);
}

/* Why a file cannot be read: it is read again, for its reader had no place to say so. */
static cnn_status say_reason(struct cnn_image_stream *s, size_t image,
                             void (*tell)(void *context, const char *text), void *context,
                             cnn_diag *diag)
{
    const char *path = s->images->files[image].path;
    uint8_t *buffer = cnn_malloc(cnn_images_bytes(s->images));
    cnn_diag *one = cnn_diag_new();
    if (buffer && one)
        cnn_image_read(path, s->shape, buffer, one);
    enum cnn_want want = buffer ? cnn_diag_want(one) : CNN_WANT_MEMORY;
    const cnn_message *message = cnn_diag_get(one, 0);
    if (want == CNN_WANT_NOTHING)
        say(tell, context, diag, message ? message->text : path);
    cnn_diag_free(one);
    cnn_free(buffer);
    return want == CNN_WANT_NOTHING ? CNN_OK
                                    : cnn_fail_want(diag, want, cnn_images_bytes(s->images), path);
}

cnn_status cnn_image_stream_memory(const struct cnn_image_stream *stream, cnn_diag *diag)
{
    enum cnn_want want = (enum cnn_want)atomic_load(&stream->want);
    return want == CNN_WANT_NOTHING
               ? CNN_OK
               : cnn_fail_want(diag, want, cnn_images_bytes(stream->images), "the images");
}

cnn_status cnn_image_stream_report(struct cnn_image_stream *stream,
                                   void (*tell)(void *context, const char *text), void *context,
                                   cnn_diag *diag)
{
    const size_t count = stream->images->count, before = stream->reported;
    cnn_status status = cnn_image_stream_memory(stream, diag);
    if (status != CNN_OK || atomic_load(&stream->damaged) == before)
        return status;
    for (size_t i = 0; i < count && status == CNN_OK; i++) {
        if (atomic_load(&stream->states[i]) != DAMAGED)
            continue;
        atomic_store(&stream->states[i], REPORTED);
        stream->reported++;
        if (stream->listed++ < LISTED)
            status = say_reason(stream, i, tell, context, diag);
    }
    if (status != CNN_OK)
        return status;
    struct cnn_text text = {0};
    cnn_text_printf(&text,
                    "%zu of %zu images are damaged, which shows only when they are decoded; for "
                    "each, the next of its class stands in",
                    stream->reported, count);
    say(tell, context, diag, text.failed ? "images are damaged" : text.data);
    cnn_text_free(&text);
    if (cnn_images_too_damaged(stream->reported, count))
        return cnn_fail(diag, CNN_FAILED, NULL,
                        "%zu of %zu images are damaged, too many to go on with", stream->reported,
                        count);
    return CNN_OK;
}
