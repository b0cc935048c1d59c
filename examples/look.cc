// A look into a network, in C++: look MODEL IMAGE DIRECTORY.
#include "owned.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

namespace
{

size_t count(const cnn_shape &shape)
{
    return shape.c * shape.h * shape.w;
}

// A model, and messages about it.
class Network
{
  public:
    explicit Network(const std::string &path) : diag_(cnn_diag_new())
    {
        const bool onnx = path.size() > 5 && path.compare(path.size() - 5, 5, ".onnx") == 0;
        const char *file = path.c_str();
        cnn_model *model = nullptr;
        check(onnx ? cnn_import(&file, 1, nullptr, &model, nullptr, diag_.get())
                   : cnn_model_open(file, nullptr, &model, diag_.get()),
              diag_.get());
        model_.reset(model);
    }

    // From text or bytes that a program has.
    Network(const std::string &bytes, const std::string &name) : diag_(cnn_diag_new())
    {
        cnn_model *model = nullptr;
        check(cnn_model_open_memory(bytes.data(), bytes.size(), name.c_str(), nullptr, &model,
                                    diag_.get()),
              diag_.get());
        model_.reset(model);
    }

    void describe() const;
    std::vector<float> load(const std::string &path) const;
    std::vector<float> run(const std::vector<float> &image, cnn_tta tta) const;
    std::vector<float> read(const std::string &path) const;
    void answer(const std::string &path, const std::vector<float> &image) const;
    void explain(const std::string &layer, const std::vector<float> &image) const;
    void draw(const std::string &input, const std::string &directory) const;
    void keep(const std::vector<float> &image, const std::string &path) const;
    void compare(const std::string &path, const std::vector<float> &image) const;
    void weigh() const;

    std::string first_layer() const
    {
        cnn_layer_info layer = {};
        check(cnn_model_layer(model_.get(), 0, &layer, diag_.get()), diag_.get());
        return layer.name;
    }

  private:
    Diag diag_;
    Model model_;
};

void Network::describe() const
{
    const cnn_model *model = model_.get();
    cnn_memory memory;
    check(cnn_model_memory(model, 1, &memory, diag_.get()), diag_.get());
    std::cout << cnn_model_name(model) << " of " << cnn_model_source(model) << ", "
              << (cnn_model_trained(model) ? "trained: " : "untrained: ")
              << (cnn_model_pixels_guessed(model) ? "pixels from 0 to 1, by guess: " : "")
              << count(cnn_model_input(model)) << " numbers to " << count(cnn_model_output(model))
              << " through " << cnn_model_layers(model) << " layers, in " << memory.inference
              << " bytes\n"
              << std::string(cnn_model_resolved(model)).substr(0, 60) << "...\n";
    if (char *compact = cnn_model_compact(model)) {
        std::cout << "in short: " << std::string(compact).substr(0, 60) << "...\n";
        cnn_free(compact);
    }
}

// By each way that there is: they come to the same.
std::vector<float> Network::load(const std::string &path) const
{
    std::vector<float> image(count(cnn_model_input(model_.get()))), decoded(image.size());
    std::ifstream file(path, std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)),
                            std::istreambuf_iterator<char>());
    cnn_diag *diag = diag_.get();
    check(cnn_model_decode_image(model_.get(), bytes.data(), bytes.size(), path.c_str(),
                                 decoded.data(), diag),
          diag);
    check(cnn_model_load_image(model_.get(), path.c_str(), image.data(), diag), diag);
    if (image != decoded)
        throw std::runtime_error("the file and its bytes differ\n");
    const uint8_t grey[] = {0, 90, 180, 255};
    const cnn_pixels pixels = {grey, 2, 2, 0, CNN_PIXELS_GREY};
    check(cnn_model_load_pixels(model_.get(), &pixels, decoded.data(), diag), diag);
    if (cnn_data_image_named("shapes:test:0")) {
        cnn_data_image *made = nullptr;
        check(cnn_data_image_open("shapes:test:0", &made, diag), diag);
        const DataImage stored(made);
        check(cnn_model_load_pixels(model_.get(), &stored->pixels, decoded.data(), diag), diag);
        std::cout << "of a data set: a " << stored->class_name << "\n";
    }
    check(cnn_model_load_input(model_.get(), path.c_str(), image.data(), diag), diag);
    return image;
}

std::vector<float> Network::run(const std::vector<float> &image, cnn_tta tta) const
{
    std::vector<float> output(cnn_model_outputs(model_.get()));
    cnn_runner_options options = CNN_RUNNER_OPTIONS_INIT;
    cnn_runner *made = nullptr;
    options.tta = tta;
    options.threads = 2;
    check(cnn_runner_new(model_.get(), &options, &made, diag_.get()), diag_.get());
    const Runner runner(made);
    check(cnn_runner_run(runner.get(), image.data(), 1, output.data(), diag_.get()), diag_.get());

    std::vector<float> again(output.size()); // the model itself gives the same
    check(tta == CNN_TTA_NONE
              ? cnn_model_run(model_.get(), image.data(), 1, again.data(), diag_.get())
              : cnn_model_run_tta(model_.get(), tta, image.data(), 1, again.data(), diag_.get()),
          diag_.get());
    if (again != output)
        throw std::runtime_error("the runner and the model differ\n");
    return output;
}

// From the file straight into the runner, and beside it a frame.
std::vector<float> Network::read(const std::string &path) const
{
    const uint8_t grey[] = {0, 90, 180, 255};
    const cnn_pixels frame = {grey, 2, 2, 0, CNN_PIXELS_GREY};
    const char *const picture = path.c_str();
    cnn_diag *const diag = diag_.get();
    std::vector<float> output(2 * cnn_model_outputs(model_.get()));
    cnn_runner_options options = CNN_RUNNER_OPTIONS_INIT;
    cnn_status status = CNN_OK;
    cnn_runner *made = nullptr;
    options.batch = 2;
    check(cnn_runner_new(model_.get(), &options, &made, diag), diag);
    const Runner runner(made);
    check(cnn_runner_read(runner.get(), &picture, 1, &status, &diag, diag), diag);
    check(status, diag);
    check(cnn_runner_put(runner.get(), 1, &frame, diag), diag);
    check(cnn_runner_answer(runner.get(), 2, output.data(), diag), diag);
    output.resize(output.size() / 2);
    return output;
}

void Network::answer(const std::string &path, const std::vector<float> &image) const
{
    cnn_tta tta = CNN_TTA_NONE;
    check(cnn_tta_find("shift", &tta, diag_.get()), diag_.get());
    if (cnn_tta_check(model_.get(), tta, nullptr) != CNN_OK)
        tta = CNN_TTA_NONE;
    std::vector<float> p = run(image, tta);
    if (read(path) != run(image, CNN_TTA_NONE))
        throw std::runtime_error("the two ways of a picture differ\n");
    check(cnn_model_check_answer(model_.get(), path.c_str(), image.data(), p.data(), diag_.get()),
          diag_.get());
    cnn_model_probabilities(model_.get(), p.data(), 1, p.data());
    std::vector<cnn_prediction> top(3);
    size_t written = 0;
    cnn_model_top(model_.get(), p.data(), top.size(), top.data(), &written);
    for (size_t i = 0; i < written; i++)
        std::cout << cnn_model_class(model_.get(), top[i].index) << " " << top[i].probability
                  << "\n";
    check(cnn_model_predict(model_.get(), path.c_str(), 1, top.data(), &written, diag_.get()),
          diag_.get());
    std::cout << "without views: " << top[0].name << "\n";
}

void Network::explain(const std::string &layer, const std::vector<float> &image) const
{
    cnn_explain_options options = CNN_EXPLAIN_OPTIONS_INIT;
    cnn_explanation *made = nullptr;
    cnn_layer_info info = {};
    cnn_diag *diag = diag_.get();
    check(cnn_model_find_layer(model_.get(), layer.c_str(), &options.layer, diag), diag);
    check(cnn_explain(model_.get(), image.data(), &options, &made, diag), diag);
    const Explanation explanation(made);
    check(cnn_model_layer(model_.get(), options.layer, &info, diag), diag);
    std::vector<float> map(count(info.output));
    check(cnn_model_activation(model_.get(), image.data(), options.layer, map.data(), diag), diag);
    std::cout << explanation->text << "and the network has " << map[0] << "\n";
    std::vector<float *> wanted(cnn_model_layers(model_.get()));
    wanted[options.layer] = map.data();
    check(cnn_model_activations(model_.get(), image.data(), wanted.data(), diag), diag);

    // an inspector answers for one image after another, with memory that it keeps
    cnn_inspector *looking = nullptr;
    check(cnn_inspector_new(model_.get(), &looking, diag), diag);
    const Inspector inspector(looking);
    check(cnn_inspector_run(looking, image.data(), diag), diag);
    check(cnn_inspector_get(looking, options.layer, map.data(), diag), diag);
    check(cnn_inspector_explain(looking, &options, &made, diag), diag);
    const Explanation again(made);
    std::cout << "asked again: " << again->value << ", " << map[0] << "\n";

    // and one step of training, as if the image were of class 0
    cnn_gradient_options step = CNN_GRADIENT_OPTIONS_INIT;
    cnn_gradient_explanation *gradients = nullptr;
    step.label = "0";
    check(cnn_explain_gradient(model_.get(), image.data(), &step, &gradients, diag), diag);
    const GradientExplanation owned(gradients);
    std::cout << owned->text << "loss " << owned->loss << ", then " << owned->next_loss << "\n";
}

int on_written(void *context, const char *path)
{
    static_cast<std::vector<std::string> *>(context)->push_back(path);
    return 0;
}

int on_answer(void *, const float *probabilities, size_t classes)
{
    if (probabilities)
        std::cout << "at most " << *std::max_element(probabilities, probabilities + classes)
                  << "\n";
    return 0;
}

void Network::draw(const std::string &input, const std::string &directory) const
{
    std::vector<std::string> files;
    cnn_visualize_options options = CNN_VISUALIZE_OPTIONS_INIT;
    options.directory = directory.c_str();
    options.kinds = 1u << CNN_PICTURE_FILTERS | 1u << CNN_PICTURE_GRADCAM;
    options.written = on_written;
    options.answer = on_answer;
    options.context = &files;
    check(cnn_visualize(model_.get(), input.c_str(), &options, diag_.get()), diag_.get());
    std::cout << files.size() << " files, the last is " << files.back() << "\n";
    const std::string page = directory + "/lab.html";
    if (cnn_lab(model_.get(), page.c_str(), "ko", nullptr) == CNN_OK)
        std::cout << page << " is in Korean\n";
}

void Network::keep(const std::vector<float> &image, const std::string &path) const
{
    const cnn_shape in = cnn_model_input(model_.get());
    const size_t dims[] = {1, in.c, in.h, in.w};
    float *read = nullptr;
    size_t images = 0;
    check(cnn_npy_write(path.c_str(), image.data(), dims, 4, diag_.get()), diag_.get());
    check(cnn_model_read_npy(model_.get(), path.c_str(), &read, &images, diag_.get()), diag_.get());
    const Floats again(read);
    if (images != 1 || !std::equal(image.begin(), image.end(), again.get()))
        throw std::runtime_error("numbers come back changed\n");
}

// Which of some pictures (here it is one) looks most like the image to the network.
void Network::compare(const std::string &path, const std::vector<float> &image) const
{
    cnn_similar_options options = CNN_SIMILAR_OPTIONS_INIT;
    cnn_similar *made = nullptr;
    const char *const picture = path.c_str();
    options.paths = &picture;
    options.path_count = 1;
    check(cnn_find_similar(model_.get(), image.data(), &options, &made, diag_.get()), diag_.get());
    const Similar similar(made);
    std::cout << similar->images[0].name << ": " << similar->images[0].similarity << "\n";
}

// Numbers of tensors, which are copied out and in.
void Network::weigh() const
{
    for (size_t i = 0; i < cnn_model_tensors(model_.get()); i++) {
        const cnn_tensor_info tensor = cnn_model_tensor(model_.get(), i);
        std::vector<float> values(tensor.count);
        check(cnn_model_tensor_get(model_.get(), i, values.data(), diag_.get()), diag_.get());
        check(cnn_model_tensor_set(model_.get(), i, values.data(), diag_.get()), diag_.get());
        const auto ends = std::minmax_element(values.begin(), values.end());
        std::cout << tensor.name << ": " << *ends.first << " to " << *ends.second << "\n";
    }
}

// A network that is written here sees pixels that are drawn here.
void add_up()
{
    const Network sum("{input: [1, 2, 2], layers: [{type: flatten}, {type: dense, units: 1, "
                      "weights: {kernel: [[1, 2, 3, 4]], bias: 0}}]}",
                      "sum");
    std::cout << "1 + 2 + 3 + 4 = " << sum.run({1, 1, 1, 1}, CNN_TTA_NONE)[0] << "\n";
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 4) {
        std::cerr << "usage: look MODEL IMAGE DIRECTORY\n";
        return EXIT_FAILURE;
    }
    try {
        const Network network(argv[1]);
        const std::string directory = argv[3];
        network.describe();
        network.weigh();
        const std::vector<float> image = network.load(argv[2]);
        network.answer(argv[2], image);
        network.explain(network.first_layer(), image);
        network.compare(argv[2], image);
        network.draw(argv[2], directory);
        network.keep(image, directory + "/image.npy");
        add_up();
    } catch (const std::exception &e) {
        std::cerr << e.what();
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
