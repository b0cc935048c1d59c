/* Which of the training images validate. */
#include "data/divide.h"

#include "util/allocate.h"
#include "util/random.h"

/* of one class: images that are not decided on yet, and how many of them go to validation */
struct holding {
    size_t left, held;
};

/* Every class gives its share, to within one image, and all together theirs: for small sets, where
 * chance would leave a class out. But each keeps an image to train with, so that those of one image
 * give none; and where no class would give any, the largest does. Returns how many are held. */
static size_t share_out(double share, const struct cnn_images *images, struct holding *classes)
{
    size_t total = 0, before = 0, held = 0, largest = 0;
    for (size_t i = 0; i < images->count; i++)
        classes[images->labels[i]].left++;
    for (size_t c = 0; c < images->class_count; c++) {
        total += classes[c].left;
        size_t until = (size_t)(share * (double)total + 0.5), most = classes[c].left;
        classes[c].held = until - before < most ? until - before : most - (most > 0);
        before = until;
        held += classes[c].held;
        largest = classes[c].left > classes[largest].left ? c : largest;
    }
    if (held == 0 && before > 0 && classes[largest].left > 1)
        held = classes[largest].held = 1;
    return held;
}

cnn_status cnn_images_divide(const struct cnn_data_settings *settings, bool want_held,
                             uint64_t seed, struct cnn_images *images, cnn_diag *diag)
{
    size_t count = images->count, held = 0;
    bool *marked = cnn_calloc(count, sizeof *marked);
    struct holding *classes = cnn_calloc(images->class_count, sizeof *classes);
    struct cnn_rng rng = cnn_rng_at(seed, CNN_STREAM_SPLIT, 0);
    if (marked && classes)
        held = share_out(settings->val_split, images, classes);
    for (size_t i = 0; marked && classes && i < count; i++) {
        struct holding *class = &classes[images->labels[i]];
        bool hold = cnn_rng_below(&rng, (uint32_t) class->left--) < class->held;
        class->held -= hold;
        marked[i] = hold == want_held;
    }
    cnn_status status =
        marked && classes ? CNN_OK : cnn_fail_memory(diag, count, "a choice of images");
    if (status == CNN_OK && held == 0)
        status = cnn_fail(diag, CNN_INVALID, &settings->where,
                          "val_split %g of %zu images leaves none for validation",
                          settings->val_split, count);
    if (status == CNN_OK)
        cnn_images_keep(images, marked);
    cnn_free(marked);
    cnn_free(classes);
    return status;
}
