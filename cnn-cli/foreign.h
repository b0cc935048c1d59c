/* What options of other programs are called here. */
#ifndef CNN_CLI_FOREIGN_H
#define CNN_CLI_FOREIGN_H

#include "command.h"

/* name: of an option, without its dashes. The option of the command that does the same; NULL where
 * there is none. */
const char *cnn_foreign_option(const struct cnn_command *command, const char *name);

/* Whether name is known as what another program or a description calls something: then it is no
 * slip. */
bool cnn_foreign_known(const char *name);

/* Prints a hint where what the option means is a key of the description, which the command can
 * change, or where the help has a word for it. */
void cnn_foreign_hint(const struct cnn_command *command, const char *name);

#endif
