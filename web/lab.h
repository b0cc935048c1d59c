/* What the page of `cnn lab` calls: functions over the public header, compiled to WebAssembly. One
 * model is open at a time. A function returns a cnn_status. What it has to say it prints to
 * standard output, as JSON or as text; the page collects it. Messages about what went wrong are
 * JSON, too: [{"warning", "line", "column", "text"}], where text is what the program prints. Files
 * are in memory. */
#ifndef CNN_LAB_H
#define CNN_LAB_H

#include "cnn.h"

#define EXPORT(name)         __attribute__((export_name(#name)))
#define IMPORT(module, name) __attribute__((import_module(module), import_name(name)))

EXPORT(lab_allocate) void *lab_allocate(size_t bytes);

EXPORT(lab_release) void lab_release(void *memory);

/* A checkpoint or a description. A description without weights gets parameters from its seed. */
EXPORT(lab_open) cnn_status lab_open(const void *bytes, size_t size, const char *name);

/* Whether a text describes a network: the mistakes, or the layers with their arithmetic. */
EXPORT(lab_check) cnn_status lab_check(const void *text, size_t size, const char *name);

/* The network as JSON: layers, tensors, classes. */
EXPORT(lab_summary) cnn_status lab_summary(void);

/* The description of the open model, as YAML. */
EXPORT(lab_describe) cnn_status lab_describe(void);

EXPORT(lab_tensor_get) cnn_status lab_tensor_get(size_t i, float *values);

EXPORT(lab_tensor_set) cnn_status lab_tensor_set(size_t i, const float *values);

/* Writes a checkpoint as a file. */
EXPORT(lab_write) cnn_status lab_write(const char *path);

/* Pixels of the page (RGBA) as the network's input. */
EXPORT(lab_pixels)
cnn_status lab_pixels(const uint8_t *data, size_t width, size_t height, float *out);

/* The probabilities of the classes. */
EXPORT(lab_run) cnn_status lab_run(const float *image, float *probabilities);

/* values[i]: where the output of layer i of all count layers goes, in channel, row, column order.
 */
EXPORT(lab_activations)
cnn_status lab_activations(const float *image, float *const *values, size_t count);

/* The text of `cnn explain`. input: the input channel to show; below 0: none in particular. */
EXPORT(lab_explain)
cnn_status lab_explain(const float *image, size_t layer, const size_t *place, int input);

/* The text of `cnn explain --gradient` for an image of a class. numbers: the loss, that after one
 * update, then for each of count places the number, its gradient, and the number after the update.
 */
EXPORT(lab_gradient)
cnn_status lab_gradient(const float *image, const char *label, const char *const *places,
                        size_t count, float *numbers);

/* One picture of `cnn visualize`, of an input that is a file. The page finds it in directory.
 * class_name NULL: the predicted class. */
EXPORT(lab_visualize)
cnn_status lab_visualize(const char *input, const char *directory, int kind,
                         const char *class_name);

/* Numbers of a cnn_event for the page, which returns something other than 0 to end the run. */
IMPORT("lab", "event") int lab_event(int kind, const char *text, const double *numbers);

/* Sets up a run. config NULL: the run in directory goes on. weights: a checkpoint to start from, or
 * NULL. overrides: count changes to the description. All that is passed must stay until the next
 * run begins. Data sets are files in memory, too. */
EXPORT(lab_train_begin)
cnn_status lab_train_begin(const char *config, const char *directory, const char *weights,
                           const char *const *overrides, size_t count);

/* Trains until the run ends, or until the page says stop: CNN_INTERRUPTED. */
EXPORT(lab_train) cnn_status lab_train(void);

/* The network of a run, bytes of its checkpoint, as JSON: its input, its layers, and what it
 * answers to the first images of the data set that the description `data` has (validation, else
 * training). They are read once, until lab_forget. */
EXPORT(lab_watch) cnn_status lab_watch(const void *bytes, size_t size, const char *data);

/* Of the network that is watched: the output of a layer for the first of these images, and the
 * images. */
EXPORT(lab_watched_values) cnn_status lab_watched_values(size_t layer, float *values);
EXPORT(lab_watched_image) cnn_status lab_watched_image(size_t sample, float *values);

EXPORT(lab_forget) void lab_forget(void);

#endif
