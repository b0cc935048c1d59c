/* Which part of an input an answer rests on, as numbers. All work on one image (NHWC, as the
 * network takes it) in evaluation mode. What is explained is a number: element `class` of the
 * network's logits (the input of a final softmax), unless said otherwise. Maps belong to the
 * caller; all functions allocate plans of their own and leave the model as it was. */
#ifndef CNN_VIZ_ATTRIBUTION_H
#define CNN_VIZ_ATTRIBUTION_H

#include "model/model.h"

/* The value (graph index) that Grad-CAM looks at by default: the last convolution, with the
 * batch_norm and activation that follow it where nothing else reads in between. CNN_INVALID where
 * the network has no map at all. */
cnn_status cnn_gradcam_value(const cnn_model *model, size_t *value, cnn_diag *diag);

/* Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
 * Localization", 2017: relu(sum over channels k of a_k * A_k), a_k the mean of the gradient of the
 * class's logit over map k of `value`. map: [h][w] of that value's shape. */
cnn_status cnn_gradcam(cnn_model *model, const float *x, size_t class, size_t value, float *map,
                       cnn_diag *diag);

/* Simonyan et al., "Deep Inside Convolutional Networks", 2014: gradient of the class's logit at the
 * input, NHWC as x. */
cnn_status cnn_saliency(cnn_model *model, const float *x, size_t class, float *gradient,
                        cnn_diag *diag);

/* Smilkov et al., "SmoothGrad", 2017: the mean of that gradient over `samples` copies of x with
 * normal noise of deviation noise * (max x - min x). Noise of element i (NHWC order) of sample s:
 * the i-th cnn_rng_normal of the generator (seed, CNN_STREAM_SMOOTHGRAD, s). CNN_INTERRUPTED once
 * stop (NULL: none; here and below) is raised. */
struct cnn_smoothgrad {
    size_t samples;
    float noise;
    uint64_t seed;
    const cnn_flag *stop;
};
cnn_status cnn_smoothgrad(cnn_model *model, const float *x, size_t class,
                          const struct cnn_smoothgrad *settings, float *gradient, cnn_diag *diag);

/* From a gradient NHWC to one map [h][w]: the largest magnitude over the channels. */
void cnn_saliency_map(const float *gradient, size_t pixels, size_t channels, float *map);

/* Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", 2014: a patch of size
 * x size filled with `fill` slides over the picture in steps of `step`; it is cut off at the
 * borders: patch (i, j) covers rows [i * step, i * step + size) and columns likewise. drop[i][j]:
 * the class's probability without the patch minus that with it. Of the positions there are rows =
 * (h - 1) / step + 1 (integer division) and columns alike. */
struct cnn_occlusion {
    size_t size, step, rows, columns;
    const float *fill; /* [c] */
    const cnn_flag *stop;
};
/* a patch of about a quarter of the picture, a step of about a sixteenth; fill and stop are NULL */
struct cnn_occlusion cnn_occlusion_geometry(cnn_shape input);
cnn_status cnn_occlusion(cnn_model *model, const float *x, size_t class,
                         const struct cnn_occlusion *settings, float *drop, cnn_diag *diag);

/* Erhan et al., "Visualizing Higher-Layer Features of a Deep Network", 2009, regularised as in
 * Yosinski et al. 2015 and by the jitter of Mordvintsev et al. 2015: from noise, ascend the
 * gradient of the mean of a unit: one channel of a value (a flat value: one element). See excite.c
 * for the exact steps. image: NHWC. strength: the mean at the start and at the end. */
struct cnn_excite {
    /* jitter: largest shift in pixels; 0: none. blur_every: steps between blurs; 0: never */
    size_t steps, jitter, blur_every;
    /* step in units of the gradient's root mean square; deviation of the Gaussian blur in pixels */
    float rate, blur;
    uint64_t seed;
    const cnn_flag *stop;
};
struct cnn_unit {
    size_t value, channel;
};
struct cnn_excite cnn_excite_defaults(cnn_shape input);
cnn_status cnn_excite(cnn_model *model, struct cnn_unit unit, const struct cnn_excite *settings,
                      float *image, float strength[2], cnn_diag *diag);

#endif
