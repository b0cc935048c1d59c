/* Networks for tests, from descriptions as text. A mistake in one fails the test with its
 * message. */
#ifndef CNN_TESTS_NETWORKS_H
#define CNN_TESTS_NETWORKS_H

#include "model/model.h"

/* The parameters are initialised from the description's seed, and from its literal weights. */
cnn_model *network_open(const char *text);

/* The same for the lines of `layers` alone. */
cnn_model *network_open_layers(const char *input, const char *layers);

/* Gives every parameter but weights another value than its first one, as after training: biases,
 * and batch_norm's scales, negative ones among them, and statistics. What is forgotten shows then.
 */
void network_stir(cnn_model *model);

/* A plan for the network's own parameters. */
struct cnn_plan *network_plan(cnn_model *model, size_t batch, enum cnn_plan_mode mode,
                              bool input_gradient);

/* The index of the layer or tensor with this name. */
size_t network_layer(const cnn_model *model, const char *name);
size_t network_tensor(const cnn_model *model, const char *name);

/* Runs this program once for every instruction set of this machine, which it finds in CNN_CPU,
 * without and with Winograd's algorithm: kernels are chosen once in a process. Returns how many
 * failed. */
int network_run_each(char **argv);

/* Fails for a layer type that is a word of none of types[0..count). what: the kind of cases, for
 * the message. */
void network_expect_types(const char *const *types, size_t count, const char *what);

#endif
