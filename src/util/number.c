#include "util/number.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>

struct cnn_number cnn_explain_number(double value)
{
    struct cnn_number number;
    if (isnan(value)) /* printf may give it a sign */
        return (struct cnn_number){"nan"};
    if (value == 0) /* no -0 */
        return (struct cnn_number){"0"};
    bool integer = fabs(value) < 1e15 && value == trunc(value);
    snprintf(number.text, sizeof number.text, integer ? "%.0f" : "%.6g", value);
    return number;
}

struct cnn_number cnn_explain_factor(double value)
{
    struct cnn_number number = cnn_explain_number(value), wrapped;
    if (number.text[0] != '-')
        return number;
    snprintf(wrapped.text, sizeof wrapped.text, "(%.36s)", number.text);
    return wrapped;
}
