/* The rules of cnn-init(1), and the description that follows from them: 3x3 convolutions with
 * batch_norm in blocks, the filters doubled where the picture is halved (Simonyan and Zisserman,
 * 2014), and global average pooling before one dense layer (Lin, Chen and Yan, "Network In
 * Network", 2013). */
#include "model/propose.h"

#include "config/yaml.h"
#include "util/arena.h"

enum {
    MEDIUM_IMAGES = 2000, /* training images from which on the tier is reached */
    LARGE_IMAGES = 20000,
    SEEN_IMAGES = 300000, /* that training is to show the network */
    MIN_EPOCHS = 15,
    MAX_EPOCHS = 100,
    TUNED_IMAGES = 20000, /* as the two above, where a backbone is tuned */
    MIN_TUNED = 6,
    MAX_TUNED = 40,
    LAST_SIDE = 16,       /* blocks follow as long as the picture has so many rows */
    SMALL_SIDE = 48,      /* inputs up to this are shifted rather than cut */
    MAX_MACS = 200000000, /* for one image, before its size is halved at once */
    /* times as many images as the rarest class the most frequent one may have */
    IMBALANCE = 3
};

/* The largest of these that the images are not smaller than. */
static size_t choose_side(size_t side)
{
    static const size_t sides[] = {128, 96, 64, 48};
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
        if (side >= sides[i])
            return sides[i];
    }
    return 32;
}

static size_t count_blocks(size_t side)
{
    size_t blocks = 1;
    for (; side >= LAST_SIDE; side /= 2)
        blocks++;
    return blocks;
}

/* Multiply-adds of the convolutions for one image. */
static size_t count_macs(const struct cnn_proposal *p)
{
    size_t side = p->side / p->stride, in = p->channels, out = p->filters, macs = 0;
    for (size_t block = 0; block < p->blocks; block++) {
        for (size_t i = 0; i < (block > 0 ? p->convolutions : 1); i++) {
            macs += side * side * 9 * in * out;
            in = out;
        }
        out *= 2;
        side /= 2;
    }
    return macs;
}

void cnn_propose(const struct cnn_glance *glance, struct cnn_proposal *out)
{
    static const struct cnn_proposal tiers[] = {
        [CNN_TIER_SMALL] =
            {.tier = CNN_TIER_SMALL, .filters = 16, .convolutions = 1, .dropout = 0.4, .batch = 16},
        [CNN_TIER_MEDIUM] = {.tier = CNN_TIER_MEDIUM,
                             .filters = 32,
                             .convolutions = 2,
                             .dropout = 0.3,
                             .batch = 32},
        [CNN_TIER_LARGE] =
            {.tier = CNN_TIER_LARGE, .filters = 48, .convolutions = 2, .dropout = 0.2, .batch = 64},
    };
    size_t images = glance->images[CNN_SPLIT_TRAIN], least = glance->class_images[0], most = least;
    struct cnn_proposal p = tiers[images < MEDIUM_IMAGES  ? CNN_TIER_SMALL
                                  : images < LARGE_IMAGES ? CNN_TIER_MEDIUM
                                                          : CNN_TIER_LARGE];
    for (size_t i = 1; i < glance->classes; i++) {
        least = glance->class_images[i] < least ? glance->class_images[i] : least;
        most = glance->class_images[i] > most ? glance->class_images[i] : most;
    }
    p.channels = glance->grey ? 1 : 3;
    p.side = choose_side(glance->side);
    p.stride = 1;
    p.blocks = count_blocks(p.side);
    if (count_macs(&p) > MAX_MACS)
        p.stride = 2;
    p.val_split = glance->images[CNN_SPLIT_VAL] > 0 ? 0 : images < MEDIUM_IMAGES ? 0.2 : 0.1;
    /* a class without images has no balanced weight */
    p.balanced = least > 0 && most > IMBALANCE * least;
    p.epochs = SEEN_IMAGES / images;
    p.epochs = p.epochs < MIN_EPOCHS ? MIN_EPOCHS : p.epochs > MAX_EPOCHS ? MAX_EPOCHS : p.epochs;
    *out = p;
}

void cnn_propose_tuning(const struct cnn_glance *glance, const struct cnn_backbone *backbone,
                        struct cnn_proposal *out)
{
    cnn_propose(glance, out);
    out->backbone = backbone;
    out->channels = backbone->channels;
    out->side = backbone->side;
    out->batch = 32;
    out->epochs = TUNED_IMAGES / glance->images[CNN_SPLIT_TRAIN];
    out->epochs = out->epochs < MIN_TUNED   ? MIN_TUNED
                  : out->epochs > MAX_TUNED ? MAX_TUNED
                                            : out->epochs;
    out->freeze_epochs = out->epochs / 3;
}

/* KEY: 'TEXT' on a line of its own, quoted and escaped as YAML wants it. */
static cnn_status write_text(struct cnn_arena *arena, const char *key, const char *text,
                             struct cnn_text *out, cnn_diag *diag)
{
    struct cnn_yaml *mapping = cnn_yaml_new_mapping(arena, NULL),
                    *scalar = cnn_yaml_new_scalar(arena, text, true, NULL);
    if (!mapping || !scalar || !cnn_yaml_put(arena, mapping, key, scalar))
        return cnn_fail_memory(diag, 0, "the description");
    cnn_yaml_write(mapping, out);
    return CNN_OK;
}

static void write_head(const struct cnn_glance *glance, struct cnn_text *out)
{
    cnn_text_printf(out,
                    "# Made by `cnn init` for %zu %s training images of %zu classes, %zu x %zu "
                    "pixels in the median. It trains as it stands.\n"
                    "# Every value is a proposal: change what you know better. `cnn help conv`, "
                    "`cnn help data` and so on explain the keys.\n",
                    glance->images[CNN_SPLIT_TRAIN], glance->grey ? "grey" : "colour",
                    glance->classes, glance->width, glance->height);
}

static void write_layers(const struct cnn_proposal *p, const struct cnn_glance *glance,
                         struct cnn_text *out)
{
    size_t side = p->side / p->stride, filters = p->filters;
    cnn_text_printf(out,
                    "input: [%zu, %3zu, %3zu]             # channels, height, width: images are "
                    "brought to this size; larger shows more and takes longer\n"
                    "layers:\n"
                    "  # Blocks of 3x3 convolutions, which find patterns of patterns; pooling "
                    "halves the picture between them.\n",
                    p->channels, p->side, p->side);
    for (size_t block = 0; block < p->blocks; block++) {
        const char *stride =
            block == 0 && p->stride == 2 ? "stride: 2, padding: 1" : "padding: same";
        for (size_t i = 0; i < (block > 0 ? p->convolutions : 1); i++)
            cnn_text_printf(
                out, "  - {type: conv, filters: %zu, kernel_size: 3, %s, bias: false}\n  - %s\n",
                filters, stride,
                block == 0 ? "&norm {type: batch_norm, activation: relu}" : "*norm");
        if (block + 1 == p->blocks)
            break;
        cnn_text_printf(out, "  - %-60s # %zu x %zu -> %zu x %zu\n",
                        block == 0 ? "&pool {type: pool, pool_type: max, kernel_size: 2}" : "*pool",
                        side, side, side / 2, side / 2);
        side /= 2;
        filters *= 2;
    }
    cnn_text_printf(out,
                    "  - {type: global_pool, pool_type: avg}                          # how much "
                    "of each pattern there is, wherever it is\n"
                    "  - {type: flatten}\n"
                    "  - {type: dropout, rate: %g}\n"
                    "  - {type: dense, units: %zu%-38s # a number for each class\n",
                    p->dropout, glance->classes, "}");
}

static void write_augmentation(const struct cnn_proposal *p, struct cnn_text *out)
{
    static const double least_area[] = {
        [CNN_TIER_SMALL] = 0.3, [CNN_TIER_MEDIUM] = 0.4, [CNN_TIER_LARGE] = 0.5};
    cnn_text_printf(out, "  augment:                         # what stays the same thing when it "
                         "is changed so: more pictures from few\n");
    if (p->side > SMALL_SIDE)
        cnn_text_printf(out, "    - {type: resized_crop, scale: [%g, 1]}\n", least_area[p->tier]);
    else
        cnn_text_printf(out, "    - {type: crop, padding: %zu, padding_mode: reflect}\n",
                        p->side / 8);
    if (p->channels == 3)
        cnn_text_printf(out, "    - {type: flip}                 # not where left and right "
                             "matter: writing, arrows\n");
    else
        cnn_text_printf(out, "    # - {type: flip}               # if left and right do not "
                             "matter; grey pictures are often writing\n");
    if (p->tier != CNN_TIER_LARGE)
        cnn_text_printf(out, "    - {type: rotation, degrees: 10}\n");
    if (p->tier == CNN_TIER_SMALL)
        cnn_text_printf(
            out, "    - {type: jitter, brightness: 0.3, contrast: 0.3%s\n",
            p->channels == 3 ? ", saturation: 0.3} # not where the colour says what it is" : "}");
}

static cnn_status write_data(struct cnn_arena *arena, const struct cnn_proposal *p,
                             const char *path, struct cnn_text *out, cnn_diag *diag)
{
    cnn_text_printf(out, "data:\n  dataset: folder                  # a folder per class\n  ");
    cnn_status status = write_text(arena, "path", path, out, diag);
    if (p->backbone)
        cnn_text_printf(out, "  normalize: %s # %s\n", p->backbone->normalize,
                        p->backbone->stated ? "what the backbone was trained with"
                                            : "a guess: the backbone's file does not say");
    else
        cnn_text_printf(out, "  normalize: auto                  # mean 0 and deviation 1 in each "
                             "channel, measured on the training images\n");
    if (p->val_split > 0)
        cnn_text_printf(out,
                        "  val_split: %g                   # the share of the training images is "
                        "held back, to see after each epoch what was learned\n",
                        p->val_split);
    write_augmentation(p, out);
    return status;
}

static void write_train(const struct cnn_proposal *p, struct cnn_text *out)
{
    cnn_text_printf(out,
                    "train:\n"
                    "  epochs: %zu\n"
                    "  batch_size: %zu\n"
                    "  optimizer: {type: adamw, lr: 0.002, weight_decay: 0.05}\n"
                    "  schedule: {type: cosine, warmup_epochs: %zu}\n"
                    "  seed: 1\n",
                    p->epochs, p->batch, p->epochs / MIN_EPOCHS);
}

/* The new last layer learns alone at first; then all do, the first layers least: what they have
 * learned is the most general (Howard and Ruder, 2018). */
static cnn_status write_tuning(struct cnn_arena *arena, const struct cnn_proposal *p,
                               struct cnn_text *out, cnn_diag *diag)
{
    const struct cnn_backbone *b = p->backbone;
    cnn_text_printf(out, "train:\n  ");
    cnn_status status = write_text(arena, "from", b->path, out, diag);
    cnn_text_printf(out, "  epochs: %zu\n  batch_size: %zu\n  ", p->epochs, p->batch);
    if (status == CNN_OK)
        status = write_text(arena, "freeze", b->freeze, out, diag);
    cnn_text_printf(
        out,
        "  freeze_epochs: %-17zu # then the backbone is trained, too,\n"
        "  layer_decay: %-19g # each of its layers at this share of the next one's rate\n"
        "  optimizer: {type: adamw, lr: %g, weight_decay: 0.05, groups: [{layers: "
        "%s, lr: 0.005}]}\n"
        "  schedule: {type: cosine, warmup_epochs: 1}\n"
        "  seed: 1\n",
        p->freeze_epochs, b->decay, b->rate, b->head);
    return status;
}

cnn_status cnn_proposal_write(const struct cnn_proposal *p, const struct cnn_glance *glance,
                              const char *name, const char *path, struct cnn_text *out,
                              cnn_diag *diag)
{
    struct cnn_arena *arena = cnn_arena_new();
    if (!arena)
        return cnn_fail_memory(diag, 0, "the description");
    write_head(glance, out);
    cnn_status status = write_text(arena, "name", name, out, diag);
    if (p->backbone)
        cnn_text_printf(out, "%s", p->backbone->layers);
    else
        write_layers(p, glance, out);
    cnn_text_printf(
        out, "loss: {type: cross_entropy, label_smoothing: 0.1%s\n",
        p->balanced ? ", class_weights: balanced}    # rare classes count as much as frequent ones"
                    : "}");
    if (status == CNN_OK)
        status = write_data(arena, p, path, out, diag);
    if (!p->backbone)
        write_train(p, out);
    else if (status == CNN_OK)
        status = write_tuning(arena, p, out, diag);
    cnn_arena_free(arena);
    return status == CNN_OK && out->failed ? cnn_fail_memory(diag, out->size, "the description")
                                           : status;
}
