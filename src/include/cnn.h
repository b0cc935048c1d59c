/* libcnn: convolutional networks described in YAML, trained and run on the CPU.
 *
 * Conventions. A function that can fail returns cnn_status and takes a cnn_diag last, which then holds what went wrong and where; diag may be
 * NULL. An output is written only on success. X_new and X_open make what X_free frees; X_free(NULL) is legal. Strings and arrays that a
 * function returns belong to the object they came from, unless it says otherwise. Images at this interface are float32 in channel, row, column
 * order (NCHW). The library never prints, exits or aborts. One model is used by one thread at a time. */
#ifndef CNN_H
#define CNN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CNN_VERSION "0.1.0"

/* What a function came to; the values are the program's exit statuses. */
typedef enum cnn_status {
    CNN_OK = 0,
    CNN_FAILED = 1,       /* a file, the data, the disk, memory */
    CNN_INVALID = 2,      /* the description or an argument is wrong */
    CNN_INTERRUPTED = 130 /* stopped on request, state saved */
} cnn_status;

/* ---- Diagnostics: errors and warnings with their places ---- */

typedef struct cnn_diag cnn_diag;

typedef struct cnn_message {
    bool warning;            /* else an error */
    const char *file;        /* NULL where the message has no place */
    size_t line, column;     /* from 1; 0 where unknown */
    const char *source_line; /* the line of the file that holds the place, without its end; NULL where unknown */
    const char *text;
    const char *hint; /* what would be right; NULL where there is none */
} cnn_message;

cnn_diag *cnn_diag_new(void); /* NULL when out of memory */
void cnn_diag_free(cnn_diag *diag);
size_t cnn_diag_count(const cnn_diag *diag);
const cnn_message *cnn_diag_get(const cnn_diag *diag, size_t i);
size_t cnn_diag_dropped(const cnn_diag *diag); /* errors beyond the twenty that are kept */
void cnn_diag_clear(cnn_diag *diag);
/* One message as text, as the program prints it (several lines: place and text, source line, caret, hint; each ends with a newline). program stands where
 * the message has no file. Free it with free(); NULL when out of memory. */
char *cnn_message_format(const cnn_message *message, const char *program);

/* ---- Models ---- */

typedef struct cnn_model cnn_model;

/* rank 3: c x h x w; rank 1: c numbers (h = w = 1). */
typedef struct cnn_shape {
    int rank;
    size_t c, h, w;
} cnn_shape;

typedef struct cnn_open_options {
    const char *weights;          /* a .safetensors file to load every parameter from; NULL: none */
    const char *const *overrides; /* KEY=VALUE changes to a description; NULL: none */
    size_t override_count;
    /* A description without weights is enough (summary, bench): parameters are drawn from its seed. Else it must give them all literally. */
    bool untrained;
} cnn_open_options;

/* Opens a YAML description, a checkpoint, or a run directory (its best.safetensors). options may be NULL. */
cnn_status cnn_model_open(const char *path, const cnn_open_options *options, cnn_model **out, cnn_diag *diag);
void cnn_model_free(cnn_model *model);

/* The path of the model that ships with the program: from the build tree or where it was installed; NULL where there is none. */
const char *cnn_default_model(void);

const char *cnn_model_name(const cnn_model *model);
const char *cnn_model_source(const cnn_model *model); /* the file it was read from */
bool cnn_model_trained(const cnn_model *model);       /* whether its parameters came from a file */
cnn_shape cnn_model_input(const cnn_model *model);
cnn_shape cnn_model_output(const cnn_model *model);            /* of the last layer */
size_t cnn_model_outputs(const cnn_model *model);              /* numbers per image that the last layer gives */
const char *cnn_model_class(const cnn_model *model, size_t i); /* name of class i; a decimal number where the model has no names */
const char *cnn_model_resolved(const cnn_model *model);        /* the resolved description, YAML */

typedef struct cnn_layer_info {
    const char *name, *type;
    const char *const *inputs; /* names of the layers it reads ("input": the network's input) */
    size_t input_count;
    cnn_shape output;
    uint64_t params, trainable_params; /* batch_norm's running statistics count in neither */
    uint64_t macs;                     /* multiply-adds of conv and dense, one image */
    size_t receptive_field[2];         /* rows, columns of the input that one output value sees */
    uint64_t activation_bytes;         /* of the output, one image */
    const char *explanation;           /* the arithmetic, lines of text */
    const char *warning;               /* e.g. pixels never seen; NULL where there is none */
} cnn_layer_info;

size_t cnn_model_layers(const cnn_model *model);
cnn_status cnn_model_layer(const cnn_model *model, size_t i, cnn_layer_info *out, cnn_diag *diag);

/* Memory that a plan for this model takes, in bytes. */
typedef struct cnn_memory {
    uint64_t parameters; /* weights and statistics */
    uint64_t inference;  /* activations and scratch for one batch, lifetimes overlapped */
    uint64_t training;   /* activations, gradients, optimiser state and scratch for one batch */
} cnn_memory;
cnn_status cnn_model_memory(cnn_model *model, size_t batch, cnn_memory *out, cnn_diag *diag);

/* One tensor that a checkpoint would hold. Values are copied in and out in the file's layout (conv OIHW, dense [units, inputs]). */
typedef struct cnn_tensor_info {
    const char *name; /* conv1.weight */
    size_t rank, dims[4], count;
    bool trainable; /* false: a running statistic */
} cnn_tensor_info;
size_t cnn_model_tensors(const cnn_model *model);
cnn_tensor_info cnn_model_tensor(const cnn_model *model, size_t i);
void cnn_model_tensor_get(const cnn_model *model, size_t i, float *values);
void cnn_model_tensor_set(cnn_model *model, size_t i, const float *values);

/* Writes the model as a checkpoint. */
cnn_status cnn_model_write(const cnn_model *model, const char *path, cnn_diag *diag);

/* ---- Prediction ---- */

/* Runs the network in evaluation mode on count images [count][c][h][w], as they are (no normalisation); output [count][outputs] receives the last layer's
 * raw values. */
cnn_status cnn_model_run(cnn_model *model, const float *images, size_t count, float *output, cnn_diag *diag);

/* The model's probabilities for those raw outputs: softmax unless the network ends in one. In place is legal. */
void cnn_model_probabilities(const cnn_model *model, const float *output, size_t count, float *probabilities);

/* Reads an image file (PNG, JPEG, BMP; "-": standard input), resizes it to the network's input, converts its channels and normalises it as in training.
 * pixels: c * h * w floats. */
cnn_status cnn_model_load_image(const cnn_model *model, const char *path, float *pixels, cnn_diag *diag);

/* One input of whatever kind, by the path's ending: .npy (one image) and .txt or .csv (rows of numbers, a blank line between channels) go in as they are, all
 * else is an image file. pixels: c * h * w floats. */
cnn_status cnn_model_load_input(const cnn_model *model, const char *path, float *pixels, cnn_diag *diag);

typedef struct cnn_prediction {
    size_t index;
    const char *name;
    float probability;
} cnn_prediction;

/* The top classes of one image file, best first; at most the number of classes are written, *written says how many. */
cnn_status cnn_model_predict(cnn_model *model, const char *path, size_t top, cnn_prediction *predictions, size_t *written, cnn_diag *diag);

/* The top of one image's probabilities, best first, ties to the lower index; at most top entries are written, *written says how many. */
void cnn_model_top(const cnn_model *model, const float *probabilities, size_t top, cnn_prediction *predictions, size_t *written);

/* Arrays of numbers in .npy files: float32, C order. read: [N,C,H,W] or [C,H,W] (then count is 1) that must fit the network's input; *images is malloc'ed. */
cnn_status cnn_model_read_npy(const cnn_model *model, const char *path, float **images, size_t *count, cnn_diag *diag);
cnn_status cnn_npy_write(const char *path, const float *values, const size_t *dims, size_t rank, cnn_diag *diag);

/* ---- Looking inside ---- */

/* The index of the layer of that name; CNN_INVALID, with the nearest name as hint, where there is none. */
cnn_status cnn_model_find_layer(const cnn_model *model, const char *name, size_t *layer, cnn_diag *diag);

/* The output of a layer for one image (NCHW, in evaluation mode): the numbers of its shape. */
cnn_status cnn_model_activation(cnn_model *model, const float *image, size_t layer, float *values, cnn_diag *diag);

#define CNN_NO_INDEX SIZE_MAX

/* The arithmetic behind one number that a layer gives for one image. input_channel: the one whose products are shown; CNN_NO_INDEX: all where they are
 * few, else the one that counts most. */
typedef struct cnn_explanation {
    char *text;       /* the terms and what they come to, lines; free() it */
    double value;     /* what they come to, in double */
    float activation; /* the number that the network computed */
} cnn_explanation;
cnn_status cnn_explain(cnn_model *model, const float *image, size_t layer, size_t channel, size_t row, size_t column, size_t input_channel,
                       cnn_explanation *out, cnn_diag *diag);

typedef enum cnn_picture_kind {
    CNN_PICTURE_FEATMAPS,  /* all maps of a layer on one sheet */
    CNN_PICTURE_FILTERS,   /* a layer's kernels */
    CNN_PICTURE_HEATMAP,   /* the sum of a layer's maps over the picture */
    CNN_PICTURE_GRADCAM,   /* where a class is seen: Selvaraju et al., "Grad-CAM", 2017 */
    CNN_PICTURE_SALIENCY,  /* gradient of a class to the input; and SmoothGrad, Smilkov et al. 2017 */
    CNN_PICTURE_OCCLUSION, /* how a class's probability drops when a patch is hidden: Zeiler and Fergus 2014 */
    CNN_PICTURE_ARGMAX,    /* at each position the strongest channel */
    CNN_PICTURE_RECEPTIVE, /* what one output position sees */
    CNN_PICTURE_EXCITE,    /* the input that most excites a channel or class: Erhan et al. 2009 */
    CNN_PICTURE_KINDS
} cnn_picture_kind;

const char *cnn_picture_kind_name(cnn_picture_kind kind); /* "featmaps" */
const char *cnn_picture_kind_help(cnn_picture_kind kind); /* one line */

typedef enum cnn_palette {
    CNN_PALETTE_HEAT,  /* dark blue to yellow, lightness rising evenly */
    CNN_PALETTE_GREY,  /* bright is strong */
    CNN_PALETTE_DARK,  /* dark is strong */
    CNN_PALETTE_SIGNED /* blue below zero, white at zero, red above */
} cnn_palette;

typedef struct cnn_visualize_options {
    const char *directory;     /* made where it is missing */
    unsigned kinds;            /* bits 1 << kind; 0: what one would look at first */
    const char *const *layers; /* names; none: those that fit the kind */
    size_t layer_count;
    const char *label;      /* the true class, by name or number; NULL: unknown */
    const char *class_name; /* gradcam, saliency, occlusion, excite: the class, by name or number; NULL: the predicted one */
    size_t channel;         /* excite: of the layer; CNN_NO_INDEX: the class is excited, or with layers: channel 0 */
    size_t row, column;     /* receptive: the position in the layer's map; CNN_NO_INDEX: its middle */
    cnn_palette palette;    /* of maps; what lies over the picture is HEAT always */
    bool one_scale;         /* feature maps of a layer share one scale; else each has its own */
    bool each;              /* also one PNG per map */
    bool npy;               /* also the numbers */
    uint64_t seed;          /* of SmoothGrad's noise and of excite's start */
    void (*written)(void *context, const char *path); /* called after each file; may be NULL */
    /* Called once, before the files, where the outputs are classes: their probabilities, or NULL where one is no number. May be NULL. */
    void (*answer)(void *context, const float *probabilities, size_t classes);
    void *context;
    const volatile int *stop; /* as in cnn_evaluate_options */
} cnn_visualize_options;

/* Writes pictures of what the network does with one input (read as by cnn_model_load_input), and index.html that tells the story. Files of the same names
 * are replaced, others left alone. */
cnn_status cnn_visualize(cnn_model *model, const char *input, const cnn_visualize_options *options, cnn_diag *diag);

/* ---- Evaluation ---- */

typedef struct cnn_evaluate_options {
    const char *data_path; /* NULL: as the description says */
    const char *split;     /* train, val, test; NULL: test */
    const char *report;    /* also write this HTML file; NULL: none */
    const char *gallery;   /* also write pictures of the most confident mistakes into this directory; NULL: none */
    void (*progress)(void *context, size_t images, size_t total);
    void *context;
    const volatile int *stop; /* set by a signal handler: stop soon, CNN_INTERRUPTED; may be NULL */
} cnn_evaluate_options;

typedef struct cnn_class_score {
    double precision, recall, f1; /* 0 where there is nothing to divide by */
    size_t images;
} cnn_class_score;

typedef struct cnn_evaluation {
    size_t images, classes;
    double loss, accuracy, top5;        /* shares, not per cent */
    double accuracy_low, accuracy_high; /* 95 % interval (Wilson, 1927) */
    size_t *confusion;                  /* [true class][predicted class] */
    cnn_class_score *per_class;
    const char *split; /* the one that was used */
} cnn_evaluation;

cnn_status cnn_evaluate(cnn_model *model, const cnn_evaluate_options *options, cnn_evaluation *out, cnn_diag *diag);
void cnn_evaluation_free(cnn_evaluation *evaluation); /* its arrays */

/* ---- Training ---- */

typedef enum cnn_event_kind {
    CNN_EVENT_START,    /* the run is set up; directory, parameters and totals are known */
    CNN_EVENT_STEP,     /* after each step */
    CNN_EVENT_VALIDATE, /* during validation: images of images_total */
    CNN_EVENT_EPOCH,    /* after each epoch's validation (and at the end of a run by steps) */
    CNN_EVENT_WARNING,  /* text */
    CNN_EVENT_END
} cnn_event_kind;

typedef struct cnn_event {
    cnn_event_kind kind;
    const char *directory; /* of the run */
    const char *text;      /* WARNING */
    uint64_t params;       /* trainable */
    size_t train_images, val_images;
    size_t step, steps;   /* done, in all */
    size_t epoch, epochs; /* counts from 1 */
    size_t step_in_epoch, steps_in_epoch;
    size_t images, images_total; /* VALIDATE */
    double loss, accuracy;       /* STEP: running means of this epoch; EPOCH: of the epoch */
    double val_loss, val_accuracy, best_accuracy;
    bool best;                                      /* EPOCH: the best so far, best.safetensors was written */
    double lr, images_per_s, seconds_left, seconds; /* seconds: EPOCH, END */
} cnn_event;

typedef struct cnn_train_options {
    const char *config;    /* the description */
    const char *directory; /* NULL: runs/<name>-<n>, the first n that is free */
    const char *weights;   /* start from these; NULL: initialise from the seed */
    const char *resume;    /* a run directory to go on with; config, directory and weights are then NULL */
    const char *data_path;
    const char *const *overrides;
    size_t override_count;
    void (*event)(void *context, const cnn_event *event); /* may be NULL */
    void *context;
    const volatile int *stop; /* non-zero: finish the step, save, return CNN_INTERRUPTED; may be NULL */
} cnn_train_options;

cnn_status cnn_train(const cnn_train_options *options, cnn_diag *diag);

/* Writes one HTML page from what runs left in their directories. Of one run: curves, health, the best model, the description; of several: curves and results
 * side by side, and the settings that differ. Nothing is evaluated. */
cnn_status cnn_report(const char *const *directories, size_t count, const char *path, cnn_diag *diag);

/* ---- Quantization ---- */

typedef struct cnn_quantize_options {
    const char *data_path; /* NULL: as the description says */
    size_t images;         /* of the training split, to find ranges with; 0: 512 */
    void (*progress)(void *context, size_t done, size_t total);
    void *context;
    const volatile int *stop; /* as in cnn_evaluate_options */
} cnn_quantize_options;

/* The trained network as one that computes its conv and dense layers with 8-bit integers in inference: description key `precision: int8`. model stays as it
 * is; options may be NULL. Everything that takes a model takes *out, but it cannot be trained. */
cnn_status cnn_quantize(const cnn_model *model, const cnn_quantize_options *options, cnn_model **out, cnn_diag *diag);

/* ---- Benchmark ---- */

typedef struct cnn_bench_options {
    bool infer;     /* else the training step: forward, loss, backward, optimiser */
    size_t batch;   /* 0: the description's (infer: 1) */
    double seconds; /* to measure for; 0: 3 */
} cnn_bench_options;

typedef struct cnn_bench_layer {
    const char *name;
    const char *joined; /* the layer with which it is computed as one, and whose times are those of both; else NULL */
    double forward_ms, backward_ms, gflops;
    double peak_share; /* gflops / peak_gflops */
} cnn_bench_layer;

typedef struct cnn_bench_result {
    size_t batch, runs, layers;
    int threads;
    const char *kernels;             /* instruction set in use */
    double ms, images_per_s, gflops; /* median of the runs */
    double quartile_ms[2];           /* half of the runs took from the first to the second */
    double peak_gflops, peak_share;  /* measured: float32 multiply-adds on all threads, with these kernels' instruction set; 0 for ref */
    cnn_bench_layer *layer;          /* medians from separate, per-layer timed runs */
    size_t layer_runs;               /* how many */
    size_t peak_bytes;               /* of the plan: parameters, gradients, activations, scratch */
} cnn_bench_result;

cnn_status cnn_bench(cnn_model *model, const cnn_bench_options *options, cnn_bench_result *out, cnn_diag *diag);
void cnn_bench_result_free(cnn_bench_result *result);

/* ---- Settings of the process ---- */

/* 0: the cores present. Results do not depend on it. Not to be called while cnn_train, cnn_evaluate or cnn_bench runs. */
void cnn_set_threads(int threads);
int cnn_threads(void);
const char *cnn_instruction_set(void);            /* of the kernels in use: ref, sse2, avx2, avx512, avx512bf16, vec128 */
cnn_status cnn_check_environment(cnn_diag *diag); /* CNN_CPU names kernels that this machine has */

/* ---- Reference: every key of the description, for help and manuals ---- */

typedef struct cnn_key_info {
    const char *name, *type, *default_text, *help; /* default_text: NULL: must be given; "": may be absent */
} cnn_key_info;

typedef struct cnn_section_info {
    const char *group; /* "top level", "layer", "loss", "data", "augmentation", "train", "optimizer", "schedule" */
    const char *name;  /* "conv", "sgd"; equal to group where the group has one section */
    const char *help;
    size_t keys;
} cnn_section_info;

size_t cnn_reference_sections(void);
cnn_section_info cnn_reference_section(size_t section);
/* The type text lives in a buffer that the next call overwrites. */
cnn_key_info cnn_reference_key(size_t section, size_t key);

#ifdef __cplusplus
}
#endif

#endif
