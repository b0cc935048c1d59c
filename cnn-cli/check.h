/* What `cnn train --check` prints. */
#ifndef CNN_CLI_CHECK_H
#define CNN_CLI_CHECK_H

#include "cnn.h"

/* Looks at the run that options describe and prints what is found to standard output. CNN_FAILED
 * where training would be pointless. */
cnn_status cnn_check_and_print(const cnn_train_options *options, cnn_diag *diag);

#endif
