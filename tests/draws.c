/* See draws.h. */
#include "draws.h"

#include "near.h"

struct cnn_draw draw_at(size_t epoch, size_t image)
{
    const struct cnn_normalization none = {3, {0, 0, 0, 0}, {1, 1, 1, 1}};
    return cnn_draw_new(&none, 1, epoch, 100000, image);
}

void see(struct seen *seen, double value)
{
    seen->least = seen->count == 0 || value < seen->least ? value : seen->least;
    seen->most = seen->count == 0 || value > seen->most ? value : seen->most;
    seen->mean = (seen->mean * (double)seen->count + value) / (double)(seen->count + 1);
    seen->count++;
}

void expect_uniform(const struct seen *seen, double least, double most, double slack)
{
    slack *= most - least;
    assert_near(seen->least, least, slack);
    assert_near(seen->most, most, slack);
    assert_near(seen->mean, (least + most) / 2, slack);
}

void faint_image(size_t count, uint8_t *pixels)
{
    for (size_t i = 0; i < count; i++)
        pixels[i] = (uint8_t)(40 + (i * i * 7 + i * 13 + i / 9) % 141);
}
