// Two cameras, one network: a thread for each, a runner for each, and frames that never were files.
//
// camera CHECKPOINT: reads the file into memory, as a program would that has the model built in.
#include <cnn.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace
{

using Diag = std::unique_ptr<cnn_diag, decltype(&cnn_diag_free)>;
using Model = std::unique_ptr<cnn_model, decltype(&cnn_model_free)>;
using Runner = std::unique_ptr<cnn_runner, decltype(&cnn_runner_free)>;

void complain(const cnn_diag *diag)
{
    for (size_t i = 0; i < cnn_diag_count(diag); i++)
        std::fprintf(stderr, "%s\n", cnn_diag_get(diag, i)->text);
}

// What a camera's driver hands over: blue, green, red, and rows that begin at multiples of 64
// bytes.
struct Frame {
    static constexpr size_t width = 320, height = 240, stride = (width * 3 + 63) / 64 * 64;
    std::vector<uint8_t> bytes = std::vector<uint8_t>(stride * height);

    void shoot(size_t camera, size_t number)
    {
        for (size_t y = 0; y < height; y++)
            for (size_t x = 0; x < width; x++) {
                uint8_t *bgr = &bytes[y * stride + 3 * x];
                bgr[0] = static_cast<uint8_t>(x + 8 * number);
                bgr[1] = static_cast<uint8_t>(y);
                bgr[2] = static_cast<uint8_t>(camera * 128);
            }
    }
};

// Fills seen[0..n) with the most probable classes of n frames.
cnn_status watch(const cnn_model *model, size_t camera, std::vector<cnn_prediction> &seen,
                 cnn_diag *diag)
{
    std::vector<float> output(cnn_model_outputs(model));
    cnn_runner *made = nullptr;
    cnn_status status = cnn_runner_new(model, nullptr, &made, diag);
    Runner runner(made, cnn_runner_free);
    Frame frame;
    for (size_t i = 0; status == CNN_OK && i < seen.size(); i++) {
        frame.shoot(camera, i);
        const cnn_pixels pixels = {frame.bytes.data(), Frame::width, Frame::height, Frame::stride,
                                   CNN_PIXELS_BGR};
        size_t written = 0;
        status = cnn_runner_put(runner.get(), 0, &pixels, diag);
        if (status == CNN_OK)
            status = cnn_runner_answer(runner.get(), 1, output.data(), diag);
        if (status != CNN_OK)
            break;
        cnn_model_probabilities(model, output.data(), 1, output.data());
        cnn_model_top(model, output.data(), 1, &seen[i], &written);
    }
    return status;
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 2) {
        std::fprintf(stderr, "usage: camera CHECKPOINT\n");
        return EXIT_FAILURE;
    }
    std::ifstream file(argv[1], std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)),
                            std::istreambuf_iterator<char>());
    Diag diag(cnn_diag_new(), cnn_diag_free);
    cnn_model *opened = nullptr;
    cnn_status status =
        cnn_model_open_memory(bytes.data(), bytes.size(), argv[1], nullptr, &opened, diag.get());
    Model model(opened, cnn_model_free);
    if (status != CNN_OK) {
        complain(diag.get());
        return EXIT_FAILURE;
    }

    std::vector<std::vector<cnn_prediction>> seen(2, std::vector<cnn_prediction>(4));
    cnn_status states[2] = {CNN_OK, CNN_OK};
    Diag diags[2] = {Diag(cnn_diag_new(), cnn_diag_free), Diag(cnn_diag_new(), cnn_diag_free)};
    std::vector<std::thread> cameras;
    for (size_t c = 0; c < 2; c++)
        cameras.emplace_back(
            [&, c] { states[c] = watch(model.get(), c, seen[c], diags[c].get()); });
    for (std::thread &camera : cameras)
        camera.join();

    for (size_t c = 0; c < 2; c++) {
        complain(diags[c].get());
        if (states[c] != CNN_OK)
            return EXIT_FAILURE;
        for (size_t i = 0; i < seen[c].size(); i++)
            std::printf("camera %zu, frame %zu: %s %.1f %%\n", c, i, seen[c][i].name,
                        100 * static_cast<double>(seen[c][i].probability));
    }
    return EXIT_SUCCESS;
}
