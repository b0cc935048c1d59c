/* Images that are files: decoded when they are wanted, and a bounded part of them kept, so that a
 * data set may be larger than memory. What is read does not depend on what is kept. */
#ifndef CNN_DATA_STREAM_H
#define CNN_DATA_STREAM_H

#include "data/augment.h"
#include "data/images.h"

struct cnn_image_stream;

/* images outlive the stream and are no longer changed. At most `budget` bytes of decoded images are
 * kept: the first ones that fit. whole: they are kept in the size of their files, for
 * cnn_image_stream_read_window; else in the size that they are brought to. */
cnn_status cnn_image_stream_new(const struct cnn_images *images, bool whole, size_t budget,
                                struct cnn_image_stream **out, cnn_diag *diag);
void cnn_image_stream_free(struct cnn_image_stream *stream); /* NULL is legal */

/* Bytes of memory for decoded images, which are taken from the machine as they are read. */
size_t cnn_image_stream_room(const struct cnn_image_stream *stream);

/* An image's bytes: in the stream's memory, or in buffer. Where a file turns out to be damaged, the
 * next one of its class (after the last: from the first) stands in for it; a black image does where
 * a class has none that is whole. Any number of threads may read. */
const uint8_t *cnn_image_stream_read(struct cnn_image_stream *stream, size_t image,
                                     uint8_t *buffer);

/* The window that the first step of augmentation, a resized_crop, draws in the file's picture,
 * brought to the images' size: into buffer. Only where the stream is `whole`. */
void cnn_image_stream_read_window(struct cnn_image_stream *stream, size_t image,
                                  const struct cnn_augmentation *augmentation,
                                  struct cnn_draw *draw, uint8_t *buffer);

/* CNN_FAILED where memory ran out as images were read: what was given in place of one of them must
 * not be used. */
cnn_status cnn_image_stream_memory(const struct cnn_image_stream *stream, cnn_diag *diag);

/* Which images are known to be damaged, in their order, the first `most` of them into images; none
 * where the last report has told of all. Returns how many these are. */
size_t cnn_image_stream_damaged(const struct cnn_image_stream *stream, size_t most,
                                uint32_t *images);

/* From here on an image's file is damaged: another process has found it so. */
void cnn_image_stream_mark_damaged(struct cnn_image_stream *stream, size_t image);

/* Speaks of the files that turned out to be damaged since the last call, in their order: through
 * tell, or as warnings in diag where tell is NULL. CNN_FAILED where they are too many, and as
 * above. Not while another thread reports. */
cnn_status cnn_image_stream_report(struct cnn_image_stream *stream,
                                   void (*tell)(void *context, const char *text), void *context,
                                   cnn_diag *diag);

#endif
