/* The gradient of the data of few channels (conv_scatter.h). Each task has some images, whose
 * padded gradients it collects in a buffer:
 *
 *   padded[line * stride_h + i * dilation_h][pixel * stride_w + j][channel] += sum over filters of
 * dy[line][pixel][filter] * w[filter][channel][i][j]
 *
 * as one product for each kernel row i and each pixel of a line. Its rows are the lines of the
 * images, which reach different rows of the buffer; its columns are (j, channel), which lie there
 * in one piece. */
#include "kernels/vector/conv_scatter.h"

#include <string.h>

#include "kernels/vector/conv_internal.h"
#include "util/parallel.h"

#define BUFFER_MAX ((size_t)1 << 18) /* floats of one image's buffer */
/* lines of a task's images, if there are as many: rows of each product */
#define ROWS_MIN ((size_t)64)

struct scatter {
    struct cnn_conv c;
    size_t n, height, width; /* images; of the padded image, as far as windows reach */
    size_t images, tasks;    /* images of a task */
    size_t columns, image_floats, thread_floats;
    const float *dy, *packed;
    float *dx, *scratch;
};

static struct scatter plan(const struct cnn_conv *c, size_t n)
{
    struct cnn_windows w = CNN_BF16_NAME(cnn_windows)(c, n);
    struct scatter k = {.c = *c, .n = n, .columns = c->kernel_w * c->in_c};
    k.height = CNN_BF16_NAME(cnn_windows_rows)(&w, w.lines) * w.step_h;
    k.width = CNN_BF16_NAME(cnn_windows_columns)(&w);
    k.image_floats = cnn_size_times(cnn_size_times(k.height, k.width), c->in_c);
    k.images =
        cnn_size_min(cnn_size_divide_up(ROWS_MIN, c->out_h), cnn_size_divide_up(n, CNN_TASKS));
    k.tasks = cnn_size_divide_up(n, k.images);
    k.thread_floats = cnn_size_plus(cnn_size_times(k.images, k.image_floats), 15) / 16 * 16;
    return k;
}

bool CNN_ISA_NAME(cnn_scatter_fits)(const struct cnn_conv *c)
{
    return c->groups == 1 && c->in_c < VLEN && c->kernel_w > 1 && c->dilation_w == 1 &&
           c->padding_mode == CNN_PAD_ZEROS && plan(c, 1).image_floats <= BUFFER_MAX;
}

size_t CNN_ISA_NAME(cnn_scatter_packed_floats)(const struct cnn_conv *c)
{
    return cnn_size_times(cnn_size_times(c->kernel_h, c->out_c),
                          cnn_packed_columns(c->kernel_w * c->in_c));
}

size_t CNN_ISA_NAME(cnn_scatter_scratch_floats)(const struct cnn_conv *c, size_t n)
{
    return cnn_size_times(plan(c, n).thread_floats, (size_t)cnn_parallel_threads());
}

/* For each kernel row [panel][filter][column]. */
void CNN_ISA_NAME(cnn_scatter_pack)(const struct cnn_conv *c, const float *w, float *packed)
{
    size_t columns = c->kernel_w * c->in_c, taps = c->kernel_h * c->kernel_w,
           row_floats = c->out_c * cnn_packed_columns(columns);
    memset(packed, 0, c->kernel_h * row_floats * sizeof *packed);
    for (size_t i = 0; i < c->kernel_h; i++, packed += row_floats)
        for (size_t column = 0; column < columns; column++) {
            size_t j = column / c->in_c, channel = column % c->in_c,
                   panel = column / CNN_PANEL * CNN_PANEL;
            float *to = packed + panel * c->out_c + column - panel;
            for (size_t filter = 0; filter < c->out_c; filter++)
                to[filter * cnn_panel_width(columns, panel)] =
                    w[(filter * c->in_c + channel) * taps + i * c->kernel_w + j];
        }
}

/* The image itself out of its padding; 0 where no window reaches. */
static void unpad(const struct scatter *k, const float *padded, float *dx)
{
    const struct cnn_conv *c = &k->c;
    size_t row_floats = c->in_w * c->in_c,
           reached =
               k->width > c->pad_left ? cnn_size_min(k->width - c->pad_left, c->in_w) * c->in_c : 0;
    for (size_t row = 0; row < c->in_h; row++, dx += row_floats) {
        size_t used = row + c->pad_top < k->height ? reached : 0;
        if (used > 0)
            memcpy(dx, padded + ((row + c->pad_top) * k->width + c->pad_left) * c->in_c,
                   used * sizeof *dx);
        memset(dx + used, 0, (row_floats - used) * sizeof *dx);
    }
}

/* Task: some images. */
static void scatter_images(void *context, size_t task, size_t thread)
{
    const struct scatter *k = context;
    const struct cnn_conv *c = &k->c;
    size_t first = task * k->images, images = cnn_size_min(k->images, k->n - first),
           line = c->out_w * c->out_c, row = k->width * c->in_c;
    float *padded = k->scratch + thread * k->thread_floats;
    memset(padded, 0, images * k->image_floats * sizeof *padded);
    struct cnn_gemm g = {
        .rows = {{c->out_h, images, 1}, {(ptrdiff_t)line, (ptrdiff_t)(c->out_h * line), 0}},
        .depth = {{c->out_c, 1, 1}, {1, 0, 0}},
        .columns = k->columns,
        .c_stride = {(ptrdiff_t)(c->stride_h * row), (ptrdiff_t)k->image_floats, 0},
        .accumulate = true};
    for (size_t i = 0; i < c->kernel_h; i++)
        for (size_t p = 0; p < c->out_w; p++) {
            g.a = k->dy + (first * c->out_h * c->out_w + p) * c->out_c;
            g.b = k->packed + i * c->out_c * cnn_packed_columns(k->columns);
            g.c = padded + i * c->dilation_h * row + p * c->stride_w * c->in_c;
            CNN_ISA_NAME(cnn_gemm)(&g);
        }
    for (size_t i = 0; i < images; i++)
        unpad(k, padded + i * k->image_floats, k->dx + (first + i) * c->in_h * c->in_w * c->in_c);
}

void CNN_ISA_NAME(cnn_scatter)(const struct cnn_conv *c, const struct cnn_conv_backward_data *pass)
{
    struct scatter k = plan(c, pass->n);
    k.dy = pass->dy;
    k.packed = pass->packed;
    k.dx = pass->dx;
    k.scratch = pass->scratch;
    cnn_parallel_for(k.tasks, scatter_images, &k);
}
