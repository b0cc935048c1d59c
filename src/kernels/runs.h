/* How what is added up over the rows or lines of images is cut into chunks that do not cross the
 * borders of parts (util/parts.h): a part's chunks depend on the part alone. */
#ifndef CNN_KERNELS_RUNS_H
#define CNN_KERNELS_RUNS_H

#include "kernels/internal.h"

struct cnn_runs {
    struct cnn_parts parts;
    size_t image;  /* rows (or lines) of an image */
    size_t length; /* of a chunk, at most */
};

/* Rows [begin, end), from the first of the run's images on. */
struct cnn_run {
    size_t begin, end;
};

static inline struct cnn_run cnn_runs_part(const struct cnn_runs *r, size_t part)
{
    size_t from = cnn_parts_image(&r->parts, r->parts.first);
    return (struct cnn_run){(cnn_parts_image(&r->parts, part) - from) * r->image,
                            (cnn_parts_image(&r->parts, part + 1) - from) * r->image};
}

/* Chunks of the parts before `part`. */
static inline size_t cnn_runs_before(const struct cnn_runs *r, size_t part)
{
    size_t chunks = 0;
    for (size_t i = r->parts.first; i < part; i++) {
        struct cnn_run run = cnn_runs_part(r, i);
        chunks += cnn_size_divide_up(run.end - run.begin, r->length);
    }
    return chunks;
}

static inline size_t cnn_runs_count(const struct cnn_runs *r)
{
    return cnn_runs_before(r, r->parts.end);
}

static inline struct cnn_run cnn_runs_chunk(const struct cnn_runs *r, size_t chunk)
{
    for (size_t part = r->parts.first;; part++) {
        struct cnn_run run = cnn_runs_part(r, part);
        size_t chunks = cnn_size_divide_up(run.end - run.begin, r->length);
        if (chunk < chunks) {
            run.begin += chunk * r->length;
            run.end = cnn_size_min(run.end, run.begin + r->length);
            return run;
        }
        chunk -= chunks;
    }
}

#endif
