// From a folder of pictures to a network, in C++: train PICTURES DIRECTORY looks at PICTURES (a
// folder per class), trains in a thread of its own, which the main thread may stop, and measures.
#include "owned.h"

#include <atomic>
#include <cstdlib>
#include <iostream>
#include <new>
#include <string>
#include <thread>
#include <vector>

namespace
{

// The library's memory from C++'s.
std::atomic<size_t> blocks(0);

void *take(void *, size_t bytes)
{
    void *memory = std::malloc(bytes);
    blocks += memory != nullptr;
    return memory;
}

void *take_again(void *, void *memory, size_t bytes)
{
    return std::realloc(memory, bytes);
}

void give(void *, void *memory)
{
    blocks--;
    std::free(memory);
}

// A run in its own thread. stop() may be called from any thread.
class Run
{
  public:
    Run(const std::string &config, const std::string &directory)
        : config_(config), directory_(directory), diag_(cnn_diag_new()), status_(CNN_OK)
    {
        options_.config = config_.c_str();
        options_.directory = directory_.c_str();
        options_.overrides = settings_;
        options_.override_count = 1;
        options_.event = on_event;
        options_.context = this;
        options_.stop = &stop_;
        options_.save = &save_;
    }

    // What is to be said before it begins.
    void look()
    {
        cnn_findings *found = nullptr;
        check(cnn_check_training(&options_, &found, diag_.get()), diag_.get());
        const Findings findings(found);
        for (size_t i = 0; i < findings->count; i++)
            if (findings->items[i].level > CNN_CHECK_REMARK)
                std::cout << findings->items[i].about << ": " << findings->items[i].text << "\n";
    }

    void start()
    {
        thread_ = std::thread([this] { status_ = cnn_train(&options_, diag_.get()); });
    }

    void save()
    {
        cnn_flag_raise(&save_);
    }
    void stop()
    {
        cnn_flag_raise(&stop_);
    }

    void wait()
    {
        thread_.join();
        if (status_ != CNN_INTERRUPTED) {
            check(status_, diag_.get());
            return;
        }
        std::cout << (cnn_flag_raised(&stop_) ? "stopped from outside\n"
                                              : "on_event had seen enough\n")
                  << take_messages(diag_.get());
        cnn_flag_lower(&stop_);
    }

  private:
    static int on_event(void *context, const cnn_event *event)
    {
        Run *run = static_cast<Run *>(context);
        if (event->kind == CNN_EVENT_SAVE)
            std::cout << "saved after step " << event->step << "\n";
        if (event->kind != CNN_EVENT_EPOCH)
            return 0;
        std::cout << "epoch " << event->epoch << ": accuracy " << event->val_accuracy << "\n";
        return event->val_accuracy >= 1 && run->enough_++ > 1; // not 0: stop
    }

    const char *settings_[1] = {"train.epochs=2"};
    std::string config_, directory_;
    cnn_flag stop_ = {}, save_ = {};
    cnn_train_options options_ = CNN_TRAIN_OPTIONS_INIT;
    Diag diag_;
    cnn_status status_;
    int enough_ = 0;
    std::thread thread_;
};

/* A run that stops after every step and goes on. */
void go_on(const std::string &run, cnn_diag *diag)
{
    static const char *const settings[] = {"train.epochs=3"};
    cnn_train_options options = CNN_TRAIN_OPTIONS_INIT;
    options.resume = run.c_str();
    options.overrides = settings;
    options.override_count = 1;
    options.event = [](void *, const cnn_event *event) {
        return static_cast<int>(event->kind == CNN_EVENT_STEP);
    };
    cnn_trainer *made = nullptr;
    check(cnn_trainer_new(&options, &made, diag), diag);
    const std::unique_ptr<cnn_trainer, void (*)(cnn_trainer *)> trainer(made, cnn_trainer_free);
    int stops = 0;
    cnn_status status;
    while ((status = cnn_trainer_run(made, diag)) == CNN_INTERRUPTED) {
        cnn_diag_clear(diag);
        stops++;
    }
    check(status, diag);
    std::cout << "went on " << stops << " times\n";
}

void look_at_data(const std::string &pictures, const std::string &directory, cnn_diag *diag)
{
    const std::string config = directory + "/config.yaml", sheet = directory + "/data.png";
    cnn_init_options init = CNN_INIT_OPTIONS_INIT;
    cnn_open_options open = CNN_OPEN_OPTIONS_INIT;
    cnn_survey_options survey = CNN_SURVEY_OPTIONS_INIT;
    cnn_init_result proposed = {};
    init.directory = directory.c_str();
    init.data_path = pictures.c_str();
    open.untrained = open.shapes = true;
    survey.sheet = sheet.c_str();
    check(cnn_init(&init, &proposed, diag), diag);
    cnn_model *opened = nullptr;
    check(cnn_model_open(config.c_str(), &open, &opened, diag), diag);
    const Model model(opened);
    check(cnn_output_check(sheet.c_str(), CNN_OUTPUT_PICTURE, nullptr, diag), diag);
    cnn_survey *found = nullptr;
    check(cnn_survey_data(model.get(), &survey, &found, diag), diag);
    const Survey data(found);
    for (size_t c = 0; c < data->classes; c++)
        std::cout << data->class_names[c] << ": " << data->splits[0].class_images[c] << " images\n";
    cnn_findings *remarks = nullptr;
    check(cnn_model_check(model.get(), &remarks, diag), diag);
    std::cout << Findings(remarks)->count << " remarks about " << proposed.epochs << " epochs\n";
}

// The network for every other program that there is a format for.
void hand_on(cnn_model *model, const std::string &directory, cnn_diag *diag)
{
    const cnn_export_format *first = nullptr;
    check(cnn_export_find(nullptr, &first, diag), diag);
    std::cout << "first of the formats: " << first->name << "\n";
    for (size_t i = 0; i < cnn_export_formats(); i++) {
        const cnn_export_format *format = cnn_export_format_at(i);
        cnn_export_options options = CNN_EXPORT_OPTIONS_INIT;
        options.format = format->name;
        check(cnn_export(model, (directory + "/" + format->name + format->ending).c_str(), &options,
                         nullptr, diag),
              diag);
    }
}

void measure(const std::string &directory, cnn_diag *diag)
{
    const std::string run = directory + "/run", small = directory + "/small.safetensors",
                      page = directory + "/report.html";
    cnn_evaluate_options validation = CNN_EVALUATE_OPTIONS_INIT;
    validation.split = "val";
    cnn_model *opened = nullptr, *made = nullptr;
    check(cnn_model_open(run.c_str(), nullptr, &opened, diag), diag);
    const Model model(opened);
    check(cnn_quantize(model.get(), nullptr, &made, diag), diag);
    const Model quantized(made);
    check(cnn_model_write(quantized.get(), small.c_str(), diag), diag);
    hand_on(model.get(), directory, diag);

    cnn_checkpoint_info *file = nullptr;
    check(cnn_checkpoint_verify(small.c_str(), &file, diag), diag);
    std::cout << CheckpointInfo(file)->bytes << " bytes as integers\n";
    cnn_comparison both = {};
    check(cnn_compare(model.get(), quantized.get(), &validation, &both, diag), diag);
    std::cout << "alike on " << both.both_right + both.both_wrong << " of " << both.images << "\n";
    cnn_evaluation *result = nullptr;
    check(cnn_evaluate(model.get(), &validation, &result, diag), diag);
    const Evaluation evaluation(result);
    std::cout << "right in class 0: " << cnn_evaluation_confusion(evaluation.get(), 0, 0) << "\n";

    const cnn_shape in = cnn_model_input(model.get()); // images that never were files
    std::vector<uint8_t> pixels(2 * in.c * in.h * in.w, 128);
    const size_t labels[] = {0, 1};
    const char *const names[] = {cnn_model_class(model.get(), 0), cnn_model_class(model.get(), 1)};
    cnn_memory_data data = {};
    data.test.pixels = pixels.data();
    data.test.labels = labels;
    data.test.count = 2;
    data.classes = names;
    data.class_count = 2;
    check(cnn_model_set_data(quantized.get(), &data, diag), diag);
    cnn_evaluation *grey = nullptr;
    check(cnn_evaluate(quantized.get(), nullptr, &grey, diag), diag);
    std::cout << "of two grey images right: " << Evaluation(grey)->accuracy << "\n";

    cnn_bench_options often = CNN_BENCH_OPTIONS_INIT;
    often.seconds = 0.05;
    cnn_bench_result *times = nullptr;
    check(cnn_bench(model.get(), &often, &times, diag), diag);
    std::cout << "a training step takes " << BenchResult(times)->ms << " ms\n";
    const char *const runs[] = {run.c_str()};
    check(cnn_report(runs, 1, page.c_str(), diag), diag);
}

} // namespace

int main(int argc, char **argv)
{
    const cnn_allocator allocator = {take, take_again, give, nullptr};
    if (argc != 3 || !cnn_set_allocator(&allocator)) {
        std::cerr << "usage: train PICTURES DIRECTORY\n";
        return EXIT_FAILURE;
    }
    try {
        const std::string directory = argv[2];
        const Diag diag(cnn_diag_new());
        look_at_data(argv[1], directory, diag.get());
        Run run(directory + "/config.yaml", directory + "/run");
        run.look();
        run.start();
        run.save();
        run.wait();
        go_on(directory + "/run", diag.get());
        measure(directory, diag.get());
    } catch (const std::exception &e) {
        std::cerr << e.what();
        return EXIT_FAILURE;
    }
    std::cout << blocks << " blocks of memory are left\n";
    return EXIT_SUCCESS;
}
