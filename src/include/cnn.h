/* libcnn: convolutional networks described in YAML, trained and run on the CPU.
 *
 * Conventions. A function that can fail returns cnn_status and takes a cnn_diag last. On failure
 * the cnn_diag says what went wrong and where; diag may be NULL. An output is written only on
 * success. X_new and X_open make an object; X_free frees it, and X_free(NULL) is legal. Strings and
 * arrays that a function returns belong to the object that they came from, unless its comment says
 * otherwise. Images at this interface are float32 in channel, row, column order (NCHW).
 *
 * Arguments. The library never prints, exits or aborts, whatever its arguments are. If a required
 * argument is NULL, or an index, a count or an enumerator is not valid, a function that returns
 * cnn_status returns CNN_INVALID with a message. Any other function returns NULL, 0, false or a
 * struct of zeros, or does nothing. An array that is passed without a count must be as long as the
 * comment says: the library cannot check this.
 *
 * Options. A struct of options begins with its version. Zero is the default of every member, so
 * options NULL, `cnn_open_options options = {0};` and `cnn_open_options options =
 * CNN_OPEN_OPTIONS_INIT;` are the same today. A later version of the library may add members at the
 * end, and then has a higher CNN_OPEN_OPTIONS_VERSION. It reads only the members that the version
 * of a struct has, so programs that were built before continue to work. Version 0 means 1, the
 * first. A version that the library does not know is CNN_INVALID.
 *
 * Results. The library makes structs that have memory of their own, `cnn_X **out`. The caller only
 * reads them, and gives them back to cnn_X_free as a whole. The library fills structs that have no
 * memory of their own, `cnn_X *out`. If such a struct begins with a version, the caller sets it
 * before the call, as in a struct of options: `cnn_layer_info info = CNN_LAYER_INFO_INIT;` or
 * `{0}`. The library writes only the members that this version has.
 *
 * Threads. Objects that share nothing are independent: two threads may use two models, each with
 * its own cnn_diag. Many threads may call functions that take the same object as const, as long as
 * no thread calls a function that takes it as not const. So several threads can run one model
 * through runners, one for each thread: a runner only reads its model. The process has one pool of
 * threads, which serves one call at a time. If two threads compute at once, one uses the pool, and
 * the other computes alone. A runner may have its own pool. The results are the same bits. Settings
 * of the process (cnn_set_threads, cnn_set_program, cnn_set_language) must be made before other
 * threads call the library.
 *
 * Stability. Before 1.0 any version may change functions and structs, and the soname stays
 * libcnn.so.0, so a program must be rebuilt for each version. It can compare cnn_version() with the
 * CNN_VERSION with which it was built. Version 1.0 waits for answers that are not classes: today
 * cnn_evaluation, cnn_comparison, cnn_event and cnn_prediction are about classes and accuracy
 * alone.
 *
 * From 1.0 on, as long as the soname stays the same: a function stays and keeps its meaning.
 * Structs with a version, and structs that the library makes (results, cnn_message, cnn_event), get
 * new members only at their end; all others stay as they are. Enumerators keep their values. New
 * ones may be added, so a program must handle values that it does not know. The soname changes
 * whenever programs must be rebuilt.
 */
#ifndef CNN_H
#define CNN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#ifdef __GNUC__
#pragma GCC visibility push(default)
#endif

#define CNN_VERSION "0.1.0"
const char *cnn_version(void); /* CNN_VERSION of the library that runs */

/* The result of a function. These values are not exit statuses of programs. Later versions may have
 * more values, all below 0. */
typedef enum cnn_status {
    CNN_OK = 0,
    CNN_FAILED = -1,     /* a file, the data, the disk, memory */
    CNN_INVALID = -2,    /* the description or an argument is wrong */
    CNN_INTERRUPTED = -3 /* stopped on request; what is done is saved */
} cnn_status;

/* ---- Memory ---- */

/* Where the library gets its memory from. Several threads may call each function at once; the
 * library's own threads do so. */
typedef struct cnn_allocator {
    /* bytes is above 0. The memory must fit any object, like that of malloc. NULL: there is no
     * memory */
    void *(*allocate)(void *context, size_t bytes);
    void *(*reallocate)(void *context, void *memory, size_t bytes); /* memory is not NULL */
    void (*release)(void *context, void *memory);                   /* likewise */
    void *context;
} cnn_allocator;

/* After this call all memory of the library comes from these functions, including memory that it
 * returns. NULL: memory comes from malloc, which is the default. Call it before any other function
 * of the library, or when no object of the library exists and no other thread calls the library.
 * Returns false and changes nothing if a function is missing. Other libraries allocate for
 * themselves: the C library (files, directories, threads), libyaml, zlib, and those that decode
 * pictures. */
bool cnn_set_allocator(const cnn_allocator *allocator);

/* Frees the result of a function whose comment says so. NULL is legal. */
void cnn_free(void *memory);

/* ---- Calls that take long ---- */

/* A request from a signal handler or another thread to a running call. A flag of zeros is lowered:
 * `static cnn_flag stop;`. It is lock-free. Use it only with the functions below; any thread and
 * any signal handler may call them. */
typedef struct cnn_flag {
    int raised;
} cnn_flag;
void cnn_flag_raise(cnn_flag *flag);        /* does nothing if flag is NULL */
bool cnn_flag_lower(cnn_flag *flag);        /* whether it was raised; false for NULL */
bool cnn_flag_raised(const cnn_flag *flag); /* likewise */

/* Callback functions in options are called in the thread that called the library, one at a time,
 * with the options' context. Each may be NULL. Their arguments are valid until they return. They
 * return 0 to continue. Any other value asks the call to end: it ends soon with CNN_INTERRUPTED, as
 * if `stop` of the same options had been raised. A run that is complete, and pictures of which the
 * last is written, are not interrupted. A callback may call any function that only reads the
 * objects in use. */

/* images (of total) are done. */
typedef int cnn_progress_function(void *context, size_t images, size_t total);

/* ---- Diagnostics: errors and warnings with their places ---- */

typedef struct cnn_diag cnn_diag;

typedef struct cnn_message {
    bool warning;        /* else an error */
    const char *file;    /* NULL if the message has no place */
    size_t line, column; /* from 1; 0 where unknown */
    /* the line of the file at that place, without its newline; NULL if unknown */
    const char *source_line;
    const char *text;
    const char *hint; /* what would be right; NULL if there is no hint */
    /* Another place that the message is about, with its own text: for a mistake in a block, the
     * place where the block is used. NULL if there is none. A note may have a note, too. */
    const struct cnn_message *note;
} cnn_message;

cnn_diag *cnn_diag_new(void); /* NULL when out of memory */
void cnn_diag_free(cnn_diag *diag);
size_t cnn_diag_count(const cnn_diag *diag);
/* NULL if i is not below cnn_diag_count */
const cnn_message *cnn_diag_get(const cnn_diag *diag, size_t i);
size_t cnn_diag_dropped(const cnn_diag *diag); /* number of errors after the twenty that are kept */
void cnn_diag_clear(cnn_diag *diag);
/* Whether one of the messages is that memory ran out. Then other messages may be wrong. A function
 * that collects mistakes returns the status of the last one. */
bool cnn_diag_out_of_memory(const cnn_diag *diag);
/* One message as text, as the program prints it. It has several lines, each with a newline: place
 * and text, source line, caret, hint, then the same for each note. If the message has no file, the
 * text begins with program; NULL: "cnn". cnn_free() the result; NULL when out of memory. */
char *cnn_message_format(const cnn_message *message, const char *program);

/* The number of bytes of the first UTF-8 character of text; its code point goes to *code. 0 if it
 * is not well-formed. text ends with a NUL and is not empty. */
size_t cnn_character(const char *text, uint32_t *code);

/* Whether a terminal shows the character and does nothing else. True for all characters except
 * control characters (C0, DEL, C1) and those that change the direction of text (U+202A to U+202E,
 * U+2066 to U+2069). Names come from files, and files can come from anywhere. */
bool cnn_character_shown(uint32_t code);

/* ---- Models ---- */

typedef struct cnn_model cnn_model;

/* rank 3: c x h x w; rank 1: c numbers (h = w = 1). */
typedef struct cnn_shape {
    int rank;
    size_t c, h, w;
} cnn_shape;

typedef struct cnn_open_options {
    unsigned version;
    const char *weights;          /* a .safetensors file with every parameter; NULL: none */
    const char *const *overrides; /* KEY=VALUE changes to a description; NULL: none */
    size_t override_count;
    /* A description without weights is accepted (summary, bench): parameters are drawn from its
     * seed. Otherwise a description without weights must contain all parameters literally. */
    bool untrained;
    /* The parameters are not needed (summary, data): no memory is allocated for them, whatever
     * their number. A checkpoint is still read and checked. Functions that run the network or read
     * its weights refuse such a model. */
    bool shapes;
    /* The network will only be run: by cnn_model_run and its like, and by runners. The weights of a
     * checkpoint then stay in its file, which is kept open. Each runner reads them into the order
     * in which it needs them, so memory holds them once. It fails where the file has been written
     * to meanwhile; a new file of the same name does no harm. Functions that look at parameters
     * refuse such a model. A model that is quantized or comes from another file is read as
     * usual. */
    bool run_only;
} cnn_open_options;

#define CNN_OPEN_OPTIONS_VERSION 1
#define CNN_OPEN_OPTIONS_INIT                                                                      \
    {                                                                                              \
        CNN_OPEN_OPTIONS_VERSION, NULL, NULL, 0, false, false, false                               \
    }

/* Opens a YAML description, a checkpoint, a run directory (its best.safetensors), or an ONNX file,
 * which is imported as by cnn_import. options may be NULL. */
cnn_status cnn_model_open(const char *path, const cnn_open_options *options, cnn_model **out,
                          cnn_diag *diag);
/* The same from memory: the bytes of a checkpoint, or the text of a description. They are copied.
 * No file is read, but for options->weights. name: what messages call it, and a network that has no
 * name of its own; NULL: "memory". */
cnn_status cnn_model_open_memory(const void *bytes, size_t size, const char *name,
                                 const cnn_open_options *options, cnn_model **out, cnn_diag *diag);
void cnn_model_free(cnn_model *model);

/* The path of the model that ships with the program, in the build tree or the installation; NULL if
 * there is none. The string is valid until the next call in the same thread. */
const char *cnn_default_model(void);

const char *cnn_model_name(const cnn_model *model);
const char *cnn_model_source(const cnn_model *model); /* the file it was read from */
bool cnn_model_trained(const cnn_model *model);       /* whether its parameters came from a file */
/* Whether it was imported from a file that does not say what pixels go through, and nobody else has
 * said it: they go in as numbers from 0 to 1, which may be wrong. */
bool cnn_model_pixels_guessed(const cnn_model *model);
cnn_shape cnn_model_input(const cnn_model *model);
cnn_shape cnn_model_output(const cnn_model *model); /* of the last layer */
/* how many numbers per image the last layer gives */
size_t cnn_model_outputs(const cnn_model *model);
/* name of class i; a decimal number if the model has no names; NULL if i is not below
 * cnn_model_outputs */
const char *cnn_model_class(const cnn_model *model, size_t i);
const char *cnn_model_resolved(const cnn_model *model); /* the resolved description, YAML */
/* The same description in short: without defaults, and with repeated layers as blocks if blocks
 * give them the same names. cnn_free() it; NULL when out of memory. */
char *cnn_model_compact(const cnn_model *model);

typedef struct cnn_layer_info {
    unsigned version;
    const char *name, *type;
    const char *const *inputs; /* names of the layers it reads ("input": the network's input) */
    size_t input_count;
    cnn_shape output;
    uint64_t params, trainable_params; /* neither includes batch_norm's running statistics */
    uint64_t macs;                     /* multiply-adds of conv and dense, one image */
    size_t receptive_field[2];         /* rows, columns of the input that one output value sees */
    uint64_t activation_bytes;         /* of the output, one image */
    const char *explanation;           /* the arithmetic, as lines of text */
    const char *warning; /* for example pixels that are never seen; NULL if there is none */
} cnn_layer_info;

#define CNN_LAYER_INFO_VERSION 1
#define CNN_LAYER_INFO_INIT                                                                        \
    {                                                                                              \
        CNN_LAYER_INFO_VERSION, NULL, NULL, NULL, 0, {0, 0, 0, 0}, 0, 0, 0, {0, 0}, 0, NULL, NULL  \
    }

size_t cnn_model_layers(const cnn_model *model);
/* i: from 0 */
cnn_status cnn_model_layer(const cnn_model *model, size_t i, cnn_layer_info *out, cnn_diag *diag);

/* Memory that a plan for this model needs, in bytes. */
typedef struct cnn_memory {
    uint64_t parameters; /* weights and statistics */
    uint64_t inference;  /* activations and scratch memory for one batch, after sharing */
    /* what training needs in addition: activations, gradients and scratch memory for one batch;
     * optimiser state; averaged weights; a copy of the weights to measure health; batches that are
     * read ahead; and the activations of validation, which runs 128 images at once if they need at
     * most 512 MiB */
    uint64_t training;
} cnn_memory;
/* batch: at least 1 */
cnn_status cnn_model_memory(const cnn_model *model, size_t batch, cnn_memory *out, cnn_diag *diag);

/* One tensor that a checkpoint would contain. Values are copied in and out in the file's layout
 * (conv OIHW, dense [units, inputs]). */
typedef struct cnn_tensor_info {
    const char *name;   /* conv1.weight */
    size_t rank, count; /* of dimensions, of numbers */
    const size_t *dims; /* [rank] */
    /* false: a running statistic, or a parameter that the description keeps as it is */
    bool trainable;
} cnn_tensor_info;
size_t cnn_model_tensors(const cnn_model *model);
/* zeros if i is not below cnn_model_tensors */
cnn_tensor_info cnn_model_tensor(const cnn_model *model, size_t i);
/* values: as many as the tensor's count. CNN_INVALID if the model was opened with options->shapes
 * or run_only. */
cnn_status cnn_model_tensor_get(const cnn_model *model, size_t i, float *values, cnn_diag *diag);
cnn_status cnn_model_tensor_set(cnn_model *model, size_t i, const float *values, cnn_diag *diag);

/* Writes the model as a checkpoint. A model with `precision: int8` does not replace a file of
 * another precision. */
cnn_status cnn_model_write(const cnn_model *model, const char *path, cnn_diag *diag);

typedef struct cnn_checkpoint_info {
    uint64_t bytes; /* of the file */
    size_t tensors;
    uint64_t values; /* in all tensors */
    bool checksum;   /* the file has a checksum */
    /* the file has a description, so it is a complete model; otherwise it has only tensors, for
     * --weights */
    bool description;
    const char *network; /* its name; NULL if there is no description */
    bool state;          /* a run can be resumed from it */
    size_t step;         /* updates so far; 0 if unknown */
} cnn_checkpoint_info;

/* Checks everything in a .safetensors file that can be wrong: header, offsets, checksum, and
 * numbers that are not finite. If the file has a description, it must be valid, and all its tensors
 * must be there in their shapes. A training state, if there is one, must be complete. */
cnn_status cnn_checkpoint_verify(const char *path, cnn_checkpoint_info **out, cnn_diag *diag);
void cnn_checkpoint_info_free(cnn_checkpoint_info *info);

/* ---- Models of other programs ---- */

/* The order of the channels that a network of Caffe or Darknet reads. */
typedef enum cnn_channel_order {
    CNN_CHANNELS_DEFAULT, /* the usual order of the format: blue first for Caffe */
    CNN_CHANNELS_RGB,
    CNN_CHANNELS_BGR
} cnn_channel_order;

/* The divisor in Darknet's batch_norm. */
typedef enum cnn_darknet {
    CNN_DARKNET_ALEXEYAB, /* sqrt(variance + 1e-5) */
    CNN_DARKNET_PJREDDIE  /* sqrt(variance) + 1e-6, as in the original */
} cnn_darknet;

typedef struct cnn_import_options {
    unsigned version;
    cnn_shape input;  /* of an image; c 0: as in the file */
    const char *name; /* of the network; NULL: the first file's, without its ending */
    /* Numbers to subtract from a pixel's channels after scaling to [0, 1], and then to divide by:
     * mean_count of each, as many as the network has channels. Without normalize: as in the file,
     * or 0 and 1. mean and std NULL: 0 and 1 */
    bool normalize;
    const double *mean, *std;
    size_t mean_count;
    const char *const *classes; /* names, one for each output; none: numbers */
    size_t class_count;
    const char *image;  /* compare on this input, too (as by cnn_model_load_input); NULL: none */
    double tolerance;   /* of the comparison, as a fraction; 0: 1e-4 */
    const char *as;     /* the description for a file that has only weights; NULL: none */
    const char *rename; /* a file that assigns weights to tensors; NULL: none */
    cnn_channel_order channels;
    cnn_darknet darknet;
    const char *classes_file; /* what messages call the list of names; NULL: "classes" */
} cnn_import_options;

#define CNN_IMPORT_OPTIONS_VERSION 1
#define CNN_IMPORT_OPTIONS_INIT                                                                    \
    {                                                                                              \
        CNN_IMPORT_OPTIONS_VERSION, {0, 0, 0, 0}, NULL, false, NULL, NULL, 0, NULL, 0, NULL, 0,    \
            NULL, NULL, CNN_CHANNELS_DEFAULT, CNN_DARKNET_ALEXEYAB, NULL                           \
    }

typedef struct cnn_import_row { /* one layer of a file of weights */
    const char *from;           /* its name there */
    const char *to, *type;      /* the layer of the description */
    const char *shape;          /* of its weight: "64 x 3 x 7 x 7" */
    const char *how;            /* how it was assigned: "name", "renamed", "order" */
} cnn_import_row;

typedef struct cnn_import_info { /* texts belong to the model */
    unsigned version;
    const char *producer; /* the program that wrote the file; "" */
    int64_t opset;        /* version of its operators; 0: it has none */
    size_t nodes, layers; /* of the file, of the model */
    size_t compared;      /* layers that were compared with the file */
    double error;         /* the largest difference, as a share of the layer's largest number */
    const char *worst;    /* in this layer; "" */
    const char *notes;    /* lines: what was dropped, folded, left out or guessed; "" */
    const cnn_import_row *rows; /* only weights: the assignment; belongs to the model */
    size_t row_count;
} cnn_import_info;

#define CNN_IMPORT_INFO_VERSION 1
#define CNN_IMPORT_INFO_INIT                                                                       \
    {                                                                                              \
        CNN_IMPORT_INFO_VERSION, NULL, 0, 0, 0, 0, 0, NULL, NULL, NULL, 0                          \
    }

/* Makes a model from count files of another program, in any order; their names or first bytes
 * distinguish them. The result is proved: the graph of the file is computed operator by operator,
 * in double and with other code than the model's, on random numbers (and on options->image), and
 * the layers must give the same numbers. CNN_FAILED if a layer differs; the message names the first
 * one. CNN_INVALID if something is not supported; the message names all of it. options and info may
 * be NULL. */
cnn_status cnn_import(const char *const *paths, size_t count, const cnn_import_options *options,
                      cnn_model **out, cnn_import_info *info, cnn_diag *diag);

/* ---- Prediction ---- */

/* Runs the network in evaluation mode on count images [count][c][h][w], without normalising them.
 * output [count][outputs] receives the raw values of the last layer. */
cnn_status cnn_model_run(cnn_model *model, const float *images, size_t count, float *output,
                         cnn_diag *diag);

/* Test-time augmentation: the network runs on several views of an image, made after normalisation.
 * The answer is the softmax of the mean of its outputs before softmax. */
typedef enum cnn_tta {
    CNN_TTA_NONE,
    CNN_TTA_FLIP, /* the image and its mirror image */
    /* six views: half the weight is FLIP's; the other half is the mean over the image shifted by
       one pixel in both directions of the diagonal, and the mirror images of both */
    CNN_TTA_SHIFT
} cnn_tta;
const char *cnn_tta_name(cnn_tta tta); /* "flip"; NULL if tta is not valid */
/* finds one by its name; name NULL: CNN_TTA_NONE */
cnn_status cnn_tta_find(const char *name, cnn_tta *out, cnn_diag *diag);

/* CNN_INVALID if tta needs one number per class and the network does not end in that. */
cnn_status cnn_tta_check(const cnn_model *model, cnn_tta tta, cnn_diag *diag);

/* cnn_model_run with views: output receives the last layer's result for the mean over the views. */
cnn_status cnn_model_run_tta(cnn_model *model, cnn_tta tta, const float *images, size_t count,
                             float *output, cnn_diag *diag);

typedef enum cnn_pixel_order { /* of the bytes of a pixel */
                               CNN_PIXELS_RGB,
                               CNN_PIXELS_BGR,
                               CNN_PIXELS_RGBA,
                               CNN_PIXELS_BGRA,
                               CNN_PIXELS_GREY
} cnn_pixel_order;

/* An image in memory, as from a camera: rows of pixels from the top, one byte per channel. */
typedef struct cnn_pixels {
    const uint8_t *data;
    size_t width, height;
    size_t stride; /* bytes from the start of a row to the start of the next; 0: no gaps */
    cnn_pixel_order order;
} cnn_pixels;

/* A runner holds all that changes while a model runs. One thread at a time may use it. It only
 * reads the model, which must exist and must not change as long as the runner exists. */
typedef struct cnn_runner cnn_runner;

typedef struct cnn_runner_options {
    unsigned version;
    size_t batch; /* the largest number of images computed at a time; 0: 1 */
    cnn_tta tta;
    /* 0: the threads of the process (cnn_set_threads), which serve one call at a time. n: its own
     * pool of n threads, at most 256, including the calling one; they end in cnn_runner_free. So 1
     * means only the calling thread, for callers that have enough threads. */
    size_t threads;
    /* The processes that share the images of every call of run, read and answer (see
     * cnn_cluster_join); NULL: this one is alone. All ranks make the same calls, and all get all
     * outputs. put is not possible then */
    struct cnn_cluster *cluster;
} cnn_runner_options;

#define CNN_RUNNER_OPTIONS_VERSION 1
#define CNN_RUNNER_OPTIONS_INIT                                                                    \
    {                                                                                              \
        CNN_RUNNER_OPTIONS_VERSION, 0, CNN_TTA_NONE, 0, NULL                                       \
    }

/* options may be NULL. Memory for a batch is allocated here; later calls allocate none. */
cnn_status cnn_runner_new(const cnn_model *model, const cnn_runner_options *options,
                          cnn_runner **out, cnn_diag *diag);
/* As cnn_model_run_tta, with the same numbers. */
cnn_status cnn_runner_run(cnn_runner *runner, const float *images, size_t count, float *output,
                          cnn_diag *diag);

/* Pictures go straight into the places of the runner's batch, from 0 on, prepared as by
 * cnn_model_load_image. cnn_runner_answer then runs the first count places, at most `batch`; the
 * output is that of cnn_runner_run. A place is run once. */

/* Reads files into the first count places, in parallel in the runner's threads. statuses[i] is the
 * result for paths[i]; if it is not CNN_OK, the place holds zeros. diags[i] gets the messages about
 * paths[i]. diags and each diags[i] may be NULL; no two may be the same. */
cnn_status cnn_runner_read(cnn_runner *runner, const char *const *paths, size_t count,
                           cnn_status *statuses, cnn_diag *const *diags, cnn_diag *diag);
/* The same for pixels in memory. */
cnn_status cnn_runner_put(cnn_runner *runner, size_t place, const cnn_pixels *pixels,
                          cnn_diag *diag);
cnn_status cnn_runner_answer(cnn_runner *runner, size_t count, float *output, cnn_diag *diag);

void cnn_runner_free(cnn_runner *runner);

/* The model's probabilities for raw outputs: their softmax, unless the network itself ends in
 * softmax. output and probabilities may be the same array. */
void cnn_model_probabilities(const cnn_model *model, const float *output, size_t count,
                             float *probabilities);

/* CNN_FAILED if there is no answer, because numbers of the image or of the output of cnn_model_run
 * are not finite. name: of the image, for the message. image: NULL for a picture, whose numbers
 * always are. */
cnn_status cnn_model_check_answer(const cnn_model *model, const char *name, const float *image,
                                  const float *output, cnn_diag *diag);

/* Picture files are known by the endings of their names, in capitals or small letters. Which kinds
 * can be read depends on the libraries with which this one was built. */
bool cnn_image_readable(const char *path);
const char *cnn_image_endings(void); /* those that can be read, as text: ".png, .jpg or .bmp" */
const char *cnn_image_kinds(void);   /* the same, named: "PNG, JPEG or BMP" */
/* How to convert a picture of a kind that cannot be read into one that can; NULL if the ending is
 * not that of a picture. */
const char *cnn_image_conversion(const char *path);

/* Reads an image file (cnn_image_kinds; "-": standard input), resizes it to the network's input,
 * converts its channels and normalises it as in training. pixels: c * h * w floats. */
cnn_status cnn_model_load_image(const cnn_model *model, const char *path, float *pixels,
                                cnn_diag *diag);

/* The same for the bytes of an image file. name: what messages call it; NULL: "memory". */
cnn_status cnn_model_decode_image(const cnn_model *model, const void *bytes, size_t size,
                                  const char *name, float *pixels, cnn_diag *diag);

/* The same for pixels in memory. The result equals that of a PNG or BMP file with these pixels.
 * out: c * h * w floats. */
cnn_status cnn_model_load_pixels(const cnn_model *model, const cnn_pixels *pixels, float *out,
                                 cnn_diag *diag);

/* One input of any kind, by the path's ending: .npy (one image) and .txt or .csv (rows of numbers,
 * a blank line between channels) are used unchanged; any other file is an image file. pixels: c * h
 * * w floats. */
cnn_status cnn_model_load_input(const cnn_model *model, const char *path, float *pixels,
                                cnn_diag *diag);

/* One image of a data set. */
typedef struct cnn_data_image {
    cnn_pixels pixels; /* in the size of the network's input, or of the data set */
    size_t label;      /* its class */
    const char *class_name;
    size_t count; /* images of the split */
} cnn_data_image;

/* Whether name has the form of cnn_data_image_open, and is not the path of a file. */
bool cnn_data_image_named(const char *name);

/* Reads the image that name stands for: SET:SPLIT:NUMBER, for example mnist:test:5. SET is a data
 * set that has one place (mnist, fashion_mnist, cifar10, cifar100), or shapes, or the path of a
 * description or a model with a data section. SPLIT is train, val or test, as training and
 * evaluation divide the images. NUMBER counts from 0, in the order of evaluation. CNN_INVALID if
 * there is no such set or number. */
cnn_status cnn_data_image_open(const char *name, cnn_data_image **out, cnn_diag *diag);
void cnn_data_image_free(cnn_data_image *image);

typedef struct cnn_prediction {
    size_t index;
    const char *name;
    float probability;
} cnn_prediction;

/* The top classes of one image file, best first. *written says how many are written: at most the
 * number of classes. CNN_INVALID if the last layer gives maps, which are no classes. CNN_FAILED if
 * the outputs are not finite numbers. */
cnn_status cnn_model_predict(cnn_model *model, const char *path, size_t top,
                             cnn_prediction *predictions, size_t *written, cnn_diag *diag);

/* The highest of one image's probabilities, best first; of equal ones the lower index comes first.
 * *written says how many are written: at most top, and 0 if an argument is missing. */
void cnn_model_top(const cnn_model *model, const float *probabilities, size_t top,
                   cnn_prediction *predictions, size_t *written);

/* Arrays of numbers in .npy files: float32, C order. The first function reads [N,C,H,W] or [C,H,W]
 * (then count is 1), which must fit the network's input; cnn_free() *images. */
cnn_status cnn_model_read_npy(const cnn_model *model, const char *path, float **images,
                              size_t *count, cnn_diag *diag);
cnn_status cnn_npy_write(const char *path, const float *values, const size_t *dims, size_t rank,
                         cnn_diag *diag);

/* ---- Results in files ---- */

typedef enum cnn_output {
    CNN_OUTPUT_PICTURE,    /* .png */
    CNN_OUTPUT_PAGE,       /* .html */
    CNN_OUTPUT_ARRAY,      /* .npy */
    CNN_OUTPUT_CHECKPOINT, /* .safetensors */
    CNN_OUTPUT_INT8,       /* the same of a model that cnn_quantize made */
    CNN_OUTPUT_ONNX,       /* .onnx */
    CNN_OUTPUT_SCRIPT      /* .py, as cnn_export writes it */
} cnn_output;

/* Whether a result can be written to path, as far as this is known in advance. An existing file is
 * replaced only by a result of its kind, and a name that has an ending (a dot, a letter, then
 * letters or digits) must have that of the kind; all functions that write results obey this.
 * option: NULL if the user named the path. If the path is a default, option is the option that
 * names another one ("-o"), and an existing file must also be one that this library wrote.
 * CNN_INVALID if the file must not be replaced, or must not have this name. */
cnn_status cnn_output_check(const char *path, cnn_output kind, const char *option, cnn_diag *diag);

/* ---- Models for other programs ---- */

typedef struct cnn_export_format {
    const char *name;   /* "onnx" */
    const char *help;   /* a line */
    const char *ending; /* of its files: ".onnx", "_keras.py" */
    cnn_output output;  /* the kind of such a file, for cnn_output_check; a directory needs none */
    /* the file contains the weights; otherwise only the layers, and the model need not be trained
     */
    bool weights;
    bool directory; /* it is a directory of several files */
} cnn_export_format;

size_t cnn_export_formats(void);
/* NULL if i is not below cnn_export_formats */
const cnn_export_format *cnn_export_format_at(size_t i);
/* Finds a format by its name; name NULL: the first. */
cnn_status cnn_export_find(const char *name, const cnn_export_format **out, cnn_diag *diag);

typedef struct cnn_export_options {
    unsigned version;
    const char *format; /* one of cnn_export_formats; NULL: the first, onnx */
    /* name of the network in the file, an identifier; NULL: the model's name, with _ for other
     * characters */
    const char *name;
    /* The inputs of the file are pixels from 0 to 1, and the file normalises them as in training.
     * Otherwise its inputs are those of cnn_model_run. */
    bool normalize;
    /* What follows is for format c. */
    size_t max_ram, max_flash; /* bytes; 0: any number. More is CNN_INVALID, with what takes them */
    const char *data;          /* where the test images are; NULL: where the description says */
    size_t images;             /* to measure the accuracy on, at most; 0: all */
    bool unmeasured;           /* the accuracy is not measured */
    bool arduino;              /* folders as the Arduino IDE wants them */
} cnn_export_options;

#define CNN_EXPORT_OPTIONS_VERSION 1
#define CNN_EXPORT_OPTIONS_INIT                                                                    \
    {                                                                                              \
        CNN_EXPORT_OPTIONS_VERSION, NULL, NULL, false, 0, 0, NULL, 0, false, false                 \
    }

typedef struct cnn_export_info { /* texts belong to the model */
    unsigned version;
    uint64_t bytes;  /* of the file */
    size_t compared; /* layers that were compared with the file; 0: the file cannot be executed here
                      */
    double error;    /* the largest difference, as a share of the layer's largest number */
    const char *worst; /* in this layer; "" */
    /* format c: bytes of the arena and of constants, multiply-adds of a run; the images that the
     * accuracy was measured on, 0 if it was not, and how many of them were right */
    uint64_t arena, constants, macs;
    size_t images, right;
    const char *unmeasured; /* why it was not; "" if it was, or if the options say so */
} cnn_export_info;

#define CNN_EXPORT_INFO_VERSION 1
#define CNN_EXPORT_INFO_INIT                                                                       \
    {                                                                                              \
        CNN_EXPORT_INFO_VERSION, 0, 0, 0, NULL, 0, 0, 0, 0, 0, NULL                                \
    }

/* Writes the model for another program. Weights keep their names and shapes. The input of an ONNX
 * file is any number of images. Such a file is proved before it is written: it is read again and
 * computed operator by operator, in double and with other code than the model's, on random numbers,
 * and each layer must give the same numbers. If a layer differs, no file is written. CNN_INVALID if
 * there is no such format, if the format cannot represent the model, or if path is the file that
 * the model was read from. options and info may be NULL. */
cnn_status cnn_export(cnn_model *model, const char *path, const cnn_export_options *options,
                      cnn_export_info *info, cnn_diag *diag);

/* ---- Looking inside ---- */

/* The index of the layer of that name; CNN_INVALID, with the nearest name as a hint, if there is
 * none. */
cnn_status cnn_model_find_layer(const cnn_model *model, const char *name, size_t *layer,
                                cnn_diag *diag);

/* The output of a layer for one image, in evaluation mode, as an NCHW array of the layer's shape.
 * */
cnn_status cnn_model_activation(const cnn_model *model, const float *image, size_t layer,
                                float *values, cnn_diag *diag);
/* The outputs of all layers for one image, which is computed once. values[i]: where that of layer i
 * goes, as from cnn_model_activation; NULL: it is not wanted. values has as many elements as the
 * model has layers. */
cnn_status cnn_model_activations(const cnn_model *model, const float *image, float *const *values,
                                 cnn_diag *diag);

/* Selects the number of a layer's output to explain. */
typedef struct cnn_explain_options {
    unsigned version;
    size_t layer, channel, row, column;
    /* conv: the input channel to show the products of. Without it all channels are shown if they
     * are few, else the one that contributes most */
    bool has_input_channel;
    size_t input_channel;
} cnn_explain_options;

#define CNN_EXPLAIN_OPTIONS_VERSION 1
#define CNN_EXPLAIN_OPTIONS_INIT                                                                   \
    {                                                                                              \
        CNN_EXPLAIN_OPTIONS_VERSION, 0, 0, 0, 0, false, 0                                          \
    }

/* The arithmetic behind a number. */
typedef struct cnn_explanation {
    const char *text; /* the terms and their result, as lines */
    double value;     /* the result, in double */
    float activation; /* the number that the network computed */
} cnn_explanation;

/* options may be NULL. */
cnn_status cnn_explain(const cnn_model *model, const float *image,
                       const cnn_explain_options *options, cnn_explanation **out, cnn_diag *diag);
void cnn_explanation_free(cnn_explanation *explanation);

/* What was asked above of one image, asked again and again: an inspector keeps the memory in which
 * the network runs and the order that its kernels read weights in, so the next image costs the
 * network's arithmetic alone. One thread at a time may use it. It only reads the model, which must
 * exist and must not change as long as the inspector exists. */
typedef struct cnn_inspector cnn_inspector;

/* CNN_INVALID if the model was opened with options->shapes or run_only. */
cnn_status cnn_inspector_new(const cnn_model *model, cnn_inspector **out, cnn_diag *diag);
/* Runs an image in evaluation mode. What follows is about the last one; CNN_INVALID before. */
cnn_status cnn_inspector_run(cnn_inspector *inspector, const float *image, cnn_diag *diag);
/* As cnn_model_activation. */
cnn_status cnn_inspector_get(const cnn_inspector *inspector, size_t layer, float *values,
                             cnn_diag *diag);
/* As cnn_explain. */
cnn_status cnn_inspector_explain(const cnn_inspector *inspector, const cnn_explain_options *options,
                                 cnn_explanation **out, cnn_diag *diag);
void cnn_inspector_free(cnn_inspector *inspector);

/* Training from inside: one step on one image. */
typedef struct cnn_gradient_options {
    unsigned version;
    const char *label; /* the true class, by name or number; must be given */
    /* The numbers whose gradients are to be explained: "conv1:0,3,4" (layer: channel, row, column),
     * "dense1:2", "input:0,3,4", or a parameter, "conv1.weight:0,0,1,1". */
    const char *const *places;
    size_t place_count;
} cnn_gradient_options;

#define CNN_GRADIENT_OPTIONS_VERSION 1
#define CNN_GRADIENT_OPTIONS_INIT                                                                  \
    {                                                                                              \
        CNN_GRADIENT_OPTIONS_VERSION, NULL, NULL, 0                                                \
    }

typedef struct cnn_gradient_explanation {
    /* lines: the loss, its gradient at each output; for each place the gradient as a sum of
     * products, the chain from there to the loss, and for a parameter the optimiser's update */
    const char *text;
    double loss, next_loss; /* now, and after one update of all trained parameters */
    size_t count;           /* of places */
    double *terms;          /* [count]: the gradients, as the sums that are written come to */
    float *gradients;       /* [count]: as the network computed them */
    /* [count] of a parameter, its value and the next one; else the number in the network, twice */
    float *before, *after;
} cnn_gradient_explanation;

/* The loss of one image, its gradients by backpropagation, and the first update of the
 * description's optimiser. The network is in evaluation mode: batch_norm uses its running
 * statistics, and nothing is dropped. The model does not change. CNN_INVALID for a network of int8.
 */
cnn_status cnn_explain_gradient(const cnn_model *model, const float *image,
                                const cnn_gradient_options *options, cnn_gradient_explanation **out,
                                cnn_diag *diag);
void cnn_gradient_explanation_free(cnn_gradient_explanation *explanation);

typedef enum cnn_picture_kind {
    CNN_PICTURE_FEATMAPS, /* all maps of a layer on one sheet */
    CNN_PICTURE_FILTERS,  /* a layer's kernels */
    CNN_PICTURE_HEATMAP,  /* the sum of a layer's maps over the picture */
    CNN_PICTURE_GRADCAM,  /* evidence for a class: Selvaraju et al., "Grad-CAM", 2017 */
    /* gradient of a class score at the input, and SmoothGrad, Smilkov et al. 2017 */
    CNN_PICTURE_SALIENCY,
    /* how a class's probability drops when a patch is hidden: Zeiler and Fergus 2014 */
    CNN_PICTURE_OCCLUSION,
    CNN_PICTURE_ARGMAX,    /* at each position the strongest channel */
    CNN_PICTURE_RECEPTIVE, /* the receptive field of one output position */
    CNN_PICTURE_EXCITE,    /* the input that most excites a channel or class: Erhan et al. 2009 */
    /* the parts of a data set's images that excite each channel most: Zeiler and Fergus 2014 */
    CNN_PICTURE_PATCHES,
    CNN_PICTURE_KINDS
} cnn_picture_kind;

/* "featmaps", and a line of help; NULL if kind is not below CNN_PICTURE_KINDS */
const char *cnn_picture_kind_name(cnn_picture_kind kind);
const char *cnn_picture_kind_help(cnn_picture_kind kind);

typedef enum cnn_palette {
    CNN_PALETTE_HEAT,  /* dark blue to yellow, lightness rising evenly */
    CNN_PALETTE_GREY,  /* large values are bright */
    CNN_PALETTE_DARK,  /* large values are dark */
    CNN_PALETTE_SIGNED /* blue below zero, white at zero, red above */
} cnn_palette;

typedef struct cnn_visualize_options {
    unsigned version;
    const char *directory;     /* made if it is missing; NULL: the current one */
    unsigned kinds;            /* bits 1 << kind; 0: a useful selection */
    const char *const *layers; /* names; none: the layers that fit the kind */
    size_t layer_count;
    const char *label; /* the true class, by name or number; NULL: unknown */
    /* gradcam, saliency, occlusion, excite: the class, by name or number; NULL: the predicted
     * one */
    const char *class_name;
    /* excite: a channel of the layer. Without it the class is excited, or, with layers, channel 0
     * */
    bool has_channel;
    size_t channel;
    /* receptive: the position in the layer's map. Without it the middle */
    bool has_position;
    size_t row, column;
    cnn_palette palette; /* of maps; maps drawn over the picture always use HEAT */
    bool one_scale; /* all feature maps of a layer share one scale; otherwise each has its own */
    bool each;      /* also one PNG per map */
    bool npy;       /* also the numbers */
    uint64_t seed;  /* of SmoothGrad's noise and of excite's start */
    int (*written)(void *context, const char *path); /* called after each file */
    /* Called once before the files are written, if the outputs are classes, with their
     * probabilities, or with NULL if one of them is not finite. */
    int (*answer)(void *context, const float *probabilities, size_t classes);
    void *context;
    const cnn_flag *stop; /* raised: write no more files, CNN_INTERRUPTED; may be NULL */
    /* the picture, if it is in memory; input is then only its name. NULL: read input */
    const cnn_pixels *pixels;
    /* patches: the folder of the data set (NULL: as the description says), and the split (train,
     * val, test; NULL: test) */
    const char *data_path, *split;
    /* patches: only so many channels, strongest first; 0: all, in their order. excite with layers
     * and without a channel: so many channels on one sheet, those that are strongest for the input;
     * 0: one channel */
    size_t top;
} cnn_visualize_options;

#define CNN_VISUALIZE_OPTIONS_VERSION 1
#define CNN_VISUALIZE_OPTIONS_INIT                                                                 \
    {                                                                                              \
        CNN_VISUALIZE_OPTIONS_VERSION, NULL, 0, NULL, 0, NULL, NULL, false, 0, false, 0, 0,        \
            CNN_PALETTE_HEAT, false, false, false, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0  \
    }

/* Writes pictures of the network's values for one input (read as by cnn_model_load_input), and
 * index.html, a page that shows them in order. Files of the same names are replaced as
 * cnn_output_check allows; other files are left alone. */
cnn_status cnn_visualize(cnn_model *model, const char *input, const cnn_visualize_options *options,
                         cnn_diag *diag);

/* ---- Data sets in memory ---- */

/* One split: count images of height x width x channels bytes, as the network's input has them, rows
 * from the top and the channels of a pixel together; and their classes, counted from 0. */
typedef struct cnn_memory_split {
    const uint8_t *pixels;
    const size_t *labels;
    size_t count; /* 0: there is none */
} cnn_memory_split;

/* The images of `dataset: memory`. They are copied where they are used, and must stay as long as
 * the model or the run that they were given to. Without val, training images validate as
 * data.val_split says. */
typedef struct cnn_memory_data {
    cnn_memory_split train, val, test;
    const char *const *classes; /* names; NULL: numbers */
    size_t class_count;         /* 1 to 65535 */
} cnn_memory_data;

/* Gives a model these images instead of those of its description, for all that is then done with
 * it: evaluation, comparison, calibration, a survey. */
cnn_status cnn_model_set_data(cnn_model *model, const cnn_memory_data *data, cnn_diag *diag);

/* ---- Evaluation ---- */

typedef struct cnn_evaluate_options {
    unsigned version;
    const char *data_path; /* NULL: as the description says */
    const char *split;     /* train, val, test; NULL: test */
    cnn_tta tta;           /* views of each image */
    const char *report;    /* also write this HTML file; NULL: none */
    /* also write pictures of the most confident mistakes into this directory; NULL: none */
    const char *gallery;
    cnn_progress_function *progress;
    void *context;
    const cnn_flag *stop; /* raised: stop soon, CNN_INTERRUPTED; may be NULL */
    /* The processes that share the images (see cnn_cluster_join); NULL: this one is alone. All make
     * the same call and get the same result. Only rank 0 writes files */
    struct cnn_cluster *cluster;
} cnn_evaluate_options;

#define CNN_EVALUATE_OPTIONS_VERSION 1
#define CNN_EVALUATE_OPTIONS_INIT                                                                  \
    {                                                                                              \
        CNN_EVALUATE_OPTIONS_VERSION, NULL, NULL, CNN_TTA_NONE, NULL, NULL, NULL, NULL, NULL, NULL \
    }

typedef struct cnn_class_score {
    double precision, recall, f1; /* 0 if the divisor would be 0 */
    size_t images;
} cnn_class_score;

/* images with a probability of the predicted class in bin m of n: above m / n, at most (m + 1) / n
 * */
typedef struct cnn_calibration_bin {
    size_t images;
    /* the mean probability, and the share of right answers; 0 if there are no images */
    double confidence, accuracy;
} cnn_calibration_bin;

/* A cell of the confusion matrix: images of class `truth` that were predicted as class `answer`. */
typedef struct cnn_confusion_cell {
    uint32_t truth, answer;
    size_t images;
} cnn_confusion_cell;

typedef struct cnn_evaluation {
    size_t images, classes;
    double loss, accuracy, top5;        /* fractions, not percent */
    double accuracy_low, accuracy_high; /* 95 % interval (Wilson, 1927) */
    /* The cells of the confusion matrix that are not 0, row by row (one row per true class). There
     * are at most as many as images, whatever the number of classes. */
    cnn_confusion_cell *confusion;
    size_t confusion_cells;
    cnn_class_score *per_class;
    double precision, recall, f1; /* means over the classes that have images */
    /* [classes]: ranks[r] is the number of images with exactly r classes more probable than their
     * own; top-k accuracy is the share of the first k entries */
    size_t *ranks;
    double confidence; /* mean probability of the predicted class */
    /* expected calibration error: mean difference of confidence and accuracy over the bins (Guo et
     * al., 2017) */
    double ece;
    cnn_calibration_bin *calibration;
    size_t calibration_bins; /* 15 */
    const char *split;       /* the one that was used */
    cnn_tta tta;             /* likewise */
} cnn_evaluation;

/* options may be NULL. */
cnn_status cnn_evaluate(cnn_model *model, const cnn_evaluate_options *options, cnn_evaluation **out,
                        cnn_diag *diag);
void cnn_evaluation_free(cnn_evaluation *evaluation);

/* The number of images of class truth that were predicted as class answer; 0 if one of them is not
 * a class. */
size_t cnn_evaluation_confusion(const cnn_evaluation *evaluation, size_t truth, size_t answer);

/* Two models, a and b, on the same images. */
typedef struct cnn_comparison {
    unsigned version;
    size_t images;
    size_t both_right, only_a, only_b, both_wrong; /* only_a: a is right and b wrong */
    double loss[2], accuracy[2];                   /* of a, of b */
    double accuracy_low[2], accuracy_high[2];      /* 95 % intervals, as in cnn_evaluation */
    /* accuracy of b minus that of a, with its 95 % interval (Agresti and Min, 2005) */
    double difference, difference_low, difference_high;
    /* McNemar's test, two-sided: the probability of counts that differ at least this much if both
     * are equally good */
    double p;
    /* p is from the binomial distribution; otherwise, if 25 or more images distinguish the models,
     * from chi-squared */
    bool exact;
    const char *split;
    cnn_tta tta;
} cnn_comparison;

#define CNN_COMPARISON_VERSION 1
#define CNN_COMPARISON_INIT                                                                        \
    {                                                                                              \
        CNN_COMPARISON_VERSION, 0, 0, 0, 0, 0, {0, 0}, {0, 0}, {0, 0}, {0, 0}, 0, 0, 0, 0, false,  \
            NULL, CNN_TTA_NONE                                                                     \
    }

/* The images are those of a's description (or of options->data_path); b gets them in its own size
 * and normalisation. Both must have the data set's classes. options may be NULL; its report and
 * gallery are not used. */
cnn_status cnn_compare(cnn_model *a, cnn_model *b, const cnn_evaluate_options *options,
                       cnn_comparison *out, cnn_diag *diag);

/* ---- Similar pictures ---- */

typedef struct cnn_similar_options {
    unsigned version;
    /* whose numbers are compared; maps give the mean of each. NULL: what the last layer with
     * weights reads */
    const char *layer;
    const char *const *paths; /* the picture files to search; none: the data set */
    size_t path_count;
    const char *data_path; /* of the data set; NULL: as the description says */
    const char *split;     /* train, val, test; NULL: train */
    size_t top;            /* how many are wanted; 0: 9 */
    const char *page;      /* also write this HTML file; NULL: none */
    cnn_progress_function *progress;
    void *context;
    const cnn_flag *stop; /* as in cnn_evaluate_options */
} cnn_similar_options;

#define CNN_SIMILAR_OPTIONS_VERSION 1
#define CNN_SIMILAR_OPTIONS_INIT                                                                   \
    {                                                                                              \
        CNN_SIMILAR_OPTIONS_VERSION, NULL, NULL, 0, NULL, NULL, 0, NULL, NULL, NULL, NULL          \
    }

typedef struct cnn_similar_image {
    const char *name;       /* its file, or "train:17" */
    const char *class_name; /* NULL: unknown */
    size_t image;           /* its number, among the files or in the split */
    double similarity; /* the cosine of the angle between the numbers: 1 is the same direction */
} cnn_similar_image;

typedef struct cnn_similar {
    size_t count;
    cnn_similar_image *images; /* the most similar first; of equal ones the earlier first */
    size_t searched, features; /* pictures, and numbers that are compared */
    const char *layer;
} cnn_similar;

/* The pictures that are most like one, by what the network sees in them. image: NCHW, as of
 * cnn_model_load_input. options may be NULL. CNN_FAILED if a file cannot be read. */
cnn_status cnn_find_similar(const cnn_model *model, const float *image,
                            const cnn_similar_options *options, cnn_similar **out, cnn_diag *diag);
void cnn_similar_free(cnn_similar *similar);

/* ---- A look at the data, before training ---- */

typedef struct cnn_survey_image { /* one image of a split */
    const char *split;
    size_t image; /* its number there, from 0 */
    size_t label;
    const char *path; /* NULL if the image is not a single file */
} cnn_survey_image;

typedef struct cnn_survey_pair { /* two images with the same pixels; first is the earlier one */
    cnn_survey_image first, second;
} cnn_survey_pair;

/* sizes of image files, before they are resized to the network's input; [0]: width, [1]: height */
typedef struct cnn_survey_sizes {
    size_t files; /* 0: the images are not single files */
    size_t smallest[2], largest[2], most_common[2];
    size_t most_common_files;
    double aspect[2]; /* the lowest and the highest width / height */
    size_t resized;   /* files with a size other than that of the network's input */
} cnn_survey_sizes;

typedef struct cnn_survey_split {
    const char *name; /* train, val, test */
    size_t images;
    size_t *class_images; /* by class */
    double *mean, *std;   /* by channel, for pixels from 0 to 1 */
    double *divisor;      /* what `normalize: auto` uses for std: 1 if std is 0 */
    /* accuracy of always answering the most frequent class of the training images */
    double majority;
    /* images that equal an earlier one of this split, pixel for pixel */
    size_t repeated;
    size_t known;            /* images that equal one of an earlier split */
    cnn_survey_sizes sizes;  /* of the readable files */
    const char **unreadable; /* files with names of images that cannot be read */
    size_t unreadable_count;
    bool too_damaged; /* there are so many that training refuses the split */
} cnn_survey_split;

#define CNN_SURVEY_PAIRS 5 /* of each kind, named at most */

typedef struct cnn_survey {
    cnn_shape shape; /* of the images as the network sees them */
    size_t classes;
    const char **class_names;
    size_t most_frequent; /* class of the training images */
    bool weighted;        /* the loss compensates for uneven classes */
    size_t split_count;
    cnn_survey_split *splits; /* the training images come first */
    size_t contradictions;    /* images that equal an earlier one of another class */
    /* The first few pairs, in the order of the images: in two classes; in one class and two splits;
     * in one class and one split. */
    cnn_survey_pair *contradicting, *shared, *repeated;
    size_t contradicting_count, shared_count, repeated_count;
} cnn_survey;

typedef struct cnn_survey_options {
    unsigned version;
    const char *data_path; /* NULL: as the description says */
    /* also write this PNG: images of each class as training sees them; NULL: none */
    const char *sheet;
    cnn_progress_function *progress;
    void *context;
    const cnn_flag *stop; /* as in cnn_evaluate_options */
} cnn_survey_options;

#define CNN_SURVEY_OPTIONS_VERSION 1
#define CNN_SURVEY_OPTIONS_INIT                                                                    \
    {                                                                                              \
        CNN_SURVEY_OPTIONS_VERSION, NULL, NULL, NULL, NULL, NULL                                   \
    }

/* Reads every image of the splits in the model's data section: the training images, and those for
 * validation and testing if they can be opened (if not, a warning says why). Only a few images are
 * in memory at a time, except those that the data set itself keeps there. options may be NULL. */
cnn_status cnn_survey_data(const cnn_model *model, const cnn_survey_options *options,
                           cnn_survey **out, cnn_diag *diag);
void cnn_survey_free(cnn_survey *survey);

/* ---- Commands to type ---- */

/* Quotes a word (a path, for example) so that a POSIX shell reads it as one word: unchanged, or in
 * single quotes if necessary. A word that begins with a dash gets ./ before it, because it would be
 * an option. cnn_free() the result; NULL when out of memory. */
char *cnn_shell_word(const char *word);

/* The number of columns of text (UTF-8) on a terminal. Hangul, Chinese characters and emoji have
 * two columns, combining marks none. It does not depend on the locale. */
size_t cnn_text_columns(const char *text);

/* The name of the program in the commands that messages suggest: a word of the shell, which belongs
 * to the caller and must stay valid. NULL: cnn, which is the default. */
void cnn_set_program(const char *word);
const char *cnn_program(void);

/* The language of the pages that are written from here on: "en" (the default, also by NULL) or
 * "ko". Messages and files for programs stay English. CNN_INVALID: there is no such language. */
cnn_status cnn_set_language(const char *language, cnn_diag *diag);

/* The path that was probably meant by a path that does not exist: the most similar path that
 * exists, or a run of that name in runs/. cnn_free() it; NULL if there is none. */
char *cnn_nearest_path(const char *path);

/* ---- Starting with your own images ---- */

typedef struct cnn_init_options {
    unsigned version;
    const char *directory; /* made if it is missing */
    const char *data_path; /* the images, in one folder per class */
    const char *name;      /* of the network; NULL: the directory's */
    const char *from;      /* a model to start from (see cnn_train_options); NULL: none */
    const char *as;        /* its description, if `from` has only weights; NULL: none */
} cnn_init_options;

#define CNN_INIT_OPTIONS_VERSION 1
#define CNN_INIT_OPTIONS_INIT                                                                      \
    {                                                                                              \
        CNN_INIT_OPTIONS_VERSION, NULL, NULL, NULL, NULL, NULL                                     \
    }

typedef struct cnn_init_result {
    unsigned version;
    size_t classes;
    /* images of each split; 0: the folder does not have this split */
    size_t train_images, val_images, test_images;
    size_t fewest, most;  /* training images of a class */
    size_t width, height; /* medians of a sample */
    bool grey;            /* the sample has no colours */
    size_t epochs, batch; /* proposed, like the next two */
    double val_split;     /* 0: the folder has images for validation */
    bool balanced;        /* rare classes get more weight */
} cnn_init_result;

#define CNN_INIT_RESULT_VERSION 1
#define CNN_INIT_RESULT_INIT                                                                       \
    {                                                                                              \
        CNN_INIT_RESULT_VERSION, 0, 0, 0, 0, 0, 0, 0, 0, false, 0, 0, 0, false                     \
    }

/* Inspects the images. Writes DIRECTORY/config.yaml, a description that suits them, and
 * DIRECTORY/README.md, which says what to do next. With options->from it also writes
 * DIRECTORY/backbone.safetensors. CNN_INVALID if one of these files exists already. */
cnn_status cnn_init(const cnn_init_options *options, cnn_init_result *out, cnn_diag *diag);

/* ---- Several processes ---- */

/* Processes that work on one run together, on one machine or many. mpirun or srun starts them; each
 * is a rank, from 0 on. MPI is opened as a plugin only when the environment says that there are
 * several. The results are the same bits for any number of ranks. */
typedef struct cnn_cluster cnn_cluster;

/* Becomes a rank of the processes that were started together. *out is NULL if the process was
 * started alone; then it is not an error. Call it once, before the program starts threads of its
 * own, and give the result to all options that have a member for it. All ranks must make the same
 * calls. If they cannot join, only rank 0 gets a message. If one of them fails, ends, or does not
 * answer for CNN_RANK_TIMEOUT seconds (an environment variable; 30), the calls of the others fail
 * with a message that names it. */
cnn_status cnn_cluster_join(cnn_cluster **out, cnn_diag *diag);
/* What has started this process as one of several, "mpirun of Open MPI"; NULL: it was started
 * alone. rank and ranks (NULL is legal): its number and how many there are; 0 and 1 if alone. Reads
 * the environment only, so it may be called without joining. */
const char *cnn_cluster_launcher(size_t *rank, size_t *ranks);
size_t cnn_cluster_rank(const cnn_cluster *cluster);  /* NULL: 0 */
size_t cnn_cluster_ranks(const cnn_cluster *cluster); /* NULL: 1 */
/* Whether this rank is the one that should print: rank 0, or rank 1 once rank 0 no longer can. */
bool cnn_cluster_speaks(cnn_cluster *cluster);
/* CNN_OK if every rank has the text of rank 0: lines of what must be the same. Otherwise the
 * message has the first line that differs. All ranks call it. cluster NULL: CNN_OK. */
cnn_status cnn_cluster_agree(cnn_cluster *cluster, const char *text, cnn_diag *diag);
/* Threads with which the ranks of this machine use its cores together. NULL: cnn_threads(). */
size_t cnn_cluster_threads(const cnn_cluster *cluster);
/* At the end of the program, after the last message. status: the program's result. If it is an
 * error, ranks that do not speak wait some seconds, since a launcher ends all processes as soon as
 * one fails. NULL is legal. */
void cnn_cluster_leave(cnn_cluster *cluster, cnn_status status);
/* The same for a result that all ranks have come to together. Where it is an error, no rank tells
 * it to the others. */
void cnn_cluster_leave_together(cnn_cluster *cluster, cnn_status status);

/* ---- Training ---- */

typedef enum cnn_event_kind {
    CNN_EVENT_START,    /* the run is set up; directory, parameters and totals are known */
    CNN_EVENT_STEP,     /* after each step */
    CNN_EVENT_VALIDATE, /* during validation: images of images_total */
    CNN_EVENT_EPOCH,    /* after each epoch's validation (and at the end of a run by steps) */
    CNN_EVENT_SAVE,     /* last.safetensors was written because options.save asked for it */
    CNN_EVENT_WARNING,  /* text */
    CNN_EVENT_HOLD,     /* from now on held_layers layers are frozen; 0: no longer any */
    CNN_EVENT_END
} cnn_event_kind;

typedef struct cnn_event {
    cnn_event_kind kind;
    const char *directory; /* of the run */
    /* WARNING: the message; START: what scale_batch has changed, else NULL; END: why the run ended
     * before its last step, else NULL */
    const char *text;
    uint64_t params; /* trainable */
    size_t train_images, val_images;
    size_t step, steps;   /* done, in all */
    size_t epoch, epochs; /* counts from 1 */
    size_t step_in_epoch, steps_in_epoch;
    size_t images, images_total; /* VALIDATE */
    double loss, accuracy;       /* STEP: running means of this epoch; EPOCH: of the epoch */
    double val_loss, val_accuracy;
    double best_accuracy; /* on the validation images, of best.safetensors; below 0: there is none
                           */
    /* EPOCH: this epoch is the best so far and was stored as best.safetensors; false with
     * train.keep: last */
    bool best;
    double lr, images_per_s, seconds_left, seconds; /* seconds: EPOCH, END */
    size_t held_layers;                             /* HOLD */
    /* HOLD: number of images for which the output of these layers is computed once and kept, and
     * its size */
    size_t kept_images, kept_bytes;
    /* EPOCH, with a cluster: bytes that this rank has sent for each step, and seconds of the epoch
     * in which it has waited for others */
    double sent, waited;
} cnn_event;

typedef struct cnn_train_options {
    unsigned version;
    const char *config;    /* the description */
    const char *directory; /* NULL: runs/<name>-<n> with the first free n */
    const char *weights;   /* start from these; NULL: initialise from the seed */
    /* start with the layers of another model that fit: a checkpoint, a run directory, an ONNX file,
     * weights of PyTorch. The other layers are initialised, and a warning names them */
    const char *from;
    /* a run directory to resume; config, directory, weights and from must then be NULL */
    const char *resume;
    /* the data set's folder; becomes data.path of the run's description. NULL: data.path is not
     * changed */
    const char *data_path;
    const char *const *overrides;
    size_t override_count;
    int (*event)(void *context, const cnn_event *event);
    void *context;
    /* raised: finish the step, save, return CNN_INTERRUPTED; may be NULL */
    const cnn_flag *stop;
    /* raised: finish the step, lower the flag, save, continue; may be NULL */
    cnn_flag *save;
    const cnn_memory_data *memory; /* the images of `dataset: memory`; NULL: none */
    /* the ranks that share the run. Only rank 0 writes files and calls event. NULL: none */
    cnn_cluster *cluster;
    /* Multiplies the batch, and changes rate, warm-up and steps to suit. 0 and 1: they stay. Not
     * for a run that is resumed */
    size_t scale_batch;
} cnn_train_options;

#define CNN_TRAIN_OPTIONS_VERSION 1
#define CNN_TRAIN_OPTIONS_INIT                                                                     \
    {                                                                                              \
        CNN_TRAIN_OPTIONS_VERSION, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, NULL,  \
            NULL, NULL, NULL, 0                                                                    \
    }

/* Either a config or a run to resume must be given. */
cnn_status cnn_train(const cnn_train_options *options, cnn_diag *diag);

/* A run that can stop and go on within one process, as a program with windows needs it. */
typedef struct cnn_trainer cnn_trainer;

/* Sets the run up. What options point to must exist as long as the trainer. */
cnn_status cnn_trainer_new(const cnn_train_options *options, cnn_trainer **out, cnn_diag *diag);
/* Trains until the run is complete: CNN_OK. CNN_INTERRUPTED: it was stopped on request, and its
 * state is saved; a later call goes on from there, with the same bits as without the stop. After
 * any other status the trainer can only be freed. */
cnn_status cnn_trainer_run(cnn_trainer *trainer, cnn_diag *diag);
void cnn_trainer_free(cnn_trainer *trainer);

/* The checks of a run, without training. */
typedef enum cnn_check_level {
    CNN_CHECK_FINE,
    CNN_CHECK_REMARK,  /* it will train, but this could be better */
    CNN_CHECK_WARNING, /* clearly a problem: cnn_train warns about it, too */
    CNN_CHECK_WRONG    /* training would be pointless; cnn_train warns */
} cnn_check_level;

typedef struct cnn_finding {
    /* weights, layers, pixels, schedule, stopping, ema, log, batch, classes, labels, memory,
     * inputs, loss, gradients, time, link, ranks */
    const char *about;
    cnn_check_level level;
    const char *text;
    const char *hint; /* what would be right; NULL: none */
} cnn_finding;

typedef struct cnn_findings {
    size_t count;
    const cnn_finding *items;
} cnn_findings;

/* Sets up the run of options, except for its directory, takes a few steps in memory, and returns
 * what it finds. Of options, only config, weights, from, data_path, scale_batch, cluster and the
 * overrides are used. With a cluster rank 0 finds what all would, the link between the processes,
 * and what it will cost; the others find nothing. If the run cannot be set up, this is an error. */
cnn_status cnn_check_training(const cnn_train_options *options, cnn_findings **out, cnn_diag *diag);

/* The problems that the description alone shows: a last layer that spoils the loss, pixels that are
 * never seen, settings for which the run is too short. cnn_check_training finds these and more,
 * because it knows the images. The result is empty if there are none. */
cnn_status cnn_model_check(const cnn_model *model, cnn_findings **out, cnn_diag *diag);
void cnn_findings_free(cnn_findings *findings);

/* Writes one HTML page from the files in the directories of runs. For one run it shows curves,
 * health, the best model and the description. For several runs it shows curves and results side by
 * side, and the settings that differ. Nothing is evaluated. */
cnn_status cnn_report(const char *const *directories, size_t count, const char *path,
                      cnn_diag *diag);

/* Writes one HTML page that holds the network and the program: values, arithmetic and training in a
 * browser, without a network. The model must be one that was read from a file, which goes into the
 * page as it is. language: "en" or "ko"; NULL: that of cnn_set_language. CNN_FAILED if the library
 * was built without the page. */
cnn_status cnn_lab(const cnn_model *model, const char *path, const char *language, cnn_diag *diag);

/* ---- Quantization ---- */

typedef struct cnn_quantize_options {
    unsigned version;
    const char *data_path;           /* NULL: as the description says */
    size_t images;                   /* number of training images to find ranges with; 0: 512 */
    cnn_progress_function *progress; /* each image counts twice */
    void *context;
    const cnn_flag *stop; /* as in cnn_evaluate_options */
} cnn_quantize_options;

#define CNN_QUANTIZE_OPTIONS_VERSION 1
#define CNN_QUANTIZE_OPTIONS_INIT                                                                  \
    {                                                                                              \
        CNN_QUANTIZE_OPTIONS_VERSION, NULL, 0, NULL, NULL, NULL                                    \
    }

/* Makes a network that computes its conv and dense layers with 8-bit integers in inference
 * (`precision: int8` in its description). model does not change; options may be NULL. *out can be
 * used like any model, but not for training. */
cnn_status cnn_quantize(const cnn_model *model, const cnn_quantize_options *options,
                        cnn_model **out, cnn_diag *diag);

/* ---- Benchmark ---- */

typedef struct cnn_bench_options {
    unsigned version;
    bool infer;     /* else the training step: forward, loss, backward, optimiser */
    size_t batch;   /* 0: the description's (infer: 1) */
    double seconds; /* how long to measure; 0: 3 */
} cnn_bench_options;

#define CNN_BENCH_OPTIONS_VERSION 1
#define CNN_BENCH_OPTIONS_INIT                                                                     \
    {                                                                                              \
        CNN_BENCH_OPTIONS_VERSION, false, 0, 0                                                     \
    }

typedef struct cnn_bench_layer {
    const char *name;
    /* the layer with which it is fused; the times of that layer are those of both. Else NULL */
    const char *joined;
    double forward_ms, backward_ms, gflops;
    double peak_share; /* gflops / peak_gflops */
    /* The least time for what it multiplies, at the peak of such products, or for the bytes that it
     * moves, at the bandwidth of the cache that can hold them: whichever is longer, of forward and
     * of backward. 0: it does nothing, or is fused, or the kernels are ref. */
    double bound_ms, bound_share; /* bound_ms / its time */
    /* what sets most of bound_ms: "compute", "L1", "L2", "L3" or "memory"; NULL: there is none */
    const char *bound_by;
} cnn_bench_layer;

typedef struct cnn_bench_result {
    size_t batch, runs, layers;
    int threads;
    const char *kernels;             /* instruction set in use */
    double ms, images_per_s, gflops; /* median of the runs */
    double quartile_ms[2];           /* the middle half of the runs took between these two times */
    /* measured with float32 multiply-adds on all threads and the kernels' instruction set; 0 for
     * ref */
    double peak_gflops, peak_share;
    cnn_bench_layer *layer;       /* medians of separate runs that time each layer */
    size_t layer_runs;            /* the number of these runs */
    size_t peak_bytes;            /* of the plan: parameters, gradients, activations, scratch */
    double bound_ms, bound_share; /* the sum of the layers', and its part of ms; 0 for ref */
    /* peaks of products of bfloat16 and of bytes; 0: the network makes none that are faster */
    double peak_bf16_gflops, peak_int8_gflops;
    /* what all threads read per second, in 10^9 bytes, from caches of level 1 to 3 and from
     * memory; 0: there is no such level, or the kernels are ref */
    double bandwidth_gb[4];
    size_t process_bytes; /* most that the process had before bandwidths were measured; 0: unknown
                           */
} cnn_bench_result;

/* options may be NULL. */
cnn_status cnn_bench(cnn_model *model, const cnn_bench_options *options, cnn_bench_result **out,
                     cnn_diag *diag);
void cnn_bench_result_free(cnn_bench_result *result);

/* ---- Settings of the process ---- */

/* 0: the number of cores. Results do not depend on it. Do not call it while any other function
 * runs, in any thread. */
void cnn_set_threads(int threads);
int cnn_threads(void);
/* of the kernels in use: ref, sse2, avx2, avxvnni, avx512, avx512vnni, avx512bf16, vec128 */
const char *cnn_instruction_set(void);
/* CNN_INVALID if CNN_CPU names kernels that this machine does not have. */
cnn_status cnn_check_environment(cnn_diag *diag);

/* ---- Reference: every key of the description, for help and manuals ---- */

typedef struct cnn_key_info {
    /* default_text: NULL: the key must be given; "": it may be absent */
    const char *name, *type, *default_text, *help;
} cnn_key_info;

typedef struct cnn_section_info {
    /* "top level", "layer", "loss", "data", "augmentation", "train", "optimizer", "schedule" */
    const char *group;
    const char *name; /* "conv", "sgd"; equal to group if the group has only one section */
    const char *help;
    size_t keys;
} cnn_section_info;

/* Indices count from 0. After the last section, and after the last key of a section, the result is
 * zeros. */
size_t cnn_reference_sections(void);
cnn_section_info cnn_reference_section(size_t section);
/* The string in type is valid until the next call in the same thread. */
cnn_key_info cnn_reference_key(size_t section, size_t key);
/* The name here of a word of other programs (learning_rate, maxpool); NULL if it is not known. */
const char *cnn_reference_word(const char *word);

#ifdef __GNUC__
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif

#endif
