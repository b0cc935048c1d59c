/* Networks in which every type of layer stands, for tests of what layers say of themselves. */
#ifndef TESTS_EXPLAIN_CASES_H
#define TESTS_EXPLAIN_CASES_H

#include "model/model.h"

struct explain_case {
    const char *types; /* layer types that this is the case of */
    const char *input, *layers;
};

#define EXPLAIN_CASES 110
extern const struct explain_case explain_cases[EXPLAIN_CASES];

/* Statistics and learned scales that are not those of the beginning, which would hide mistakes. */
void explain_move_parameters(cnn_model *model);

#endif
