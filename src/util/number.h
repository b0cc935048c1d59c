/* Numbers as explanations write them. */
#ifndef CNN_UTIL_NUMBER_H
#define CNN_UTIL_NUMBER_H

struct cnn_number {
    char text[40];
};

/* 8, -1, 0.333333, 1.5e-07, nan: integers as integers, others with six digits. _factor: negative
 * ones in parentheses. */
struct cnn_number cnn_explain_number(double value);
struct cnn_number cnn_explain_factor(double value);

#endif
