/* Completion of command lines by the shell. */
#ifndef CNN_CLI_COMPLETION_H
#define CNN_CLI_COMPLETION_H

#include "cnn.h"

/* Prints what bash, zsh or fish reads to complete command lines. */
cnn_status cnn_print_completion(const char *shell);

#endif
