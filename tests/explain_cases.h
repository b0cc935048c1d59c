/* Networks in which every type of layer stands, for tests of what layers say of themselves. */
#ifndef TESTS_EXPLAIN_CASES_H
#define TESTS_EXPLAIN_CASES_H

#include "model/model.h"

struct explain_case {
    const char *types; /* layer types that this is the case of */
    const char *input, *layers;
};

#define MOST_EXPLAIN_CASES 200 /* room in arrays that have an element for each */
extern const struct explain_case explain_cases[];
extern const size_t explain_case_count;

/* Statistics and learned scales that are not those of the beginning, which would hide mistakes. */
void explain_move_parameters(cnn_model *model);

#endif
