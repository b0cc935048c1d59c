/* Words that people look for in the help and that are no command, section or key: what answers
 * them. Beneath them stand the options of the commands. */
#include "topics.h"

#include <ctype.h>
#include <string.h>

#include "command.h"

struct topic {
    const char *words; /* with blanks between */
    const char *text;  /* lines */
};

static const struct topic topics[] = {
    {"freeze frozen unfreeze fine_tune finetune fine_tuning finetuning transfer transfer_learning "
     "pretrained",
     "To start from a network that was trained on other data:\n"
     "  --from MODEL            of train: loads the layers that fit, the others start anew;\n"
     "                          of init: writes a description that starts with them\n"
     "  train.freeze: NAME      keeps that layer and all above it as they are\n"
     "  train.freeze_epochs: N  only for N epochs, and then trains them, too\n"
     "  train.layer_decay: 0.8  each layer has this share of the next one's learning rate\n"
     "  trainable: false        keeps one layer as it is\n"
     "  'cnn summary MODEL --yaml'   writes the description in a checkpoint\n"},
    {"checkpoint checkpoints save saving load safetensors pth ckpt",
     "A trained network is a .safetensors file; a run's directory has best.safetensors and\n"
     "last.safetensors. 'cnn verify FILE' checks whether one is intact, 'cnn summary FILE --yaml'\n"
     "writes its description, --weights of most commands loads one. Manual: cnn-checkpoint(5).\n"},
    {"weights initialization initialisation kaiming xavier he glorot",
     "--weights FILE loads every parameter from a checkpoint, --from of train only those that "
     "fit;\n"
     "`init` of a layer chooses how its initial weights are drawn, `weights` gives them "
     "literally.\n"},
    {"resume continue interrupt restart crash",
     "'cnn train --resume RUN' continues a run that was stopped, with the same bits as a result;\n"
     "with --epochs N it extends a run that is complete.\n"},
    {"gpu cuda device cpu speed fast slow threads parallel",
     "Networks are computed on the CPU, with as many threads as there are cores (--threads N).\n"
     "'cnn bench MODEL' measures the speed, `precision: bf16` may be faster, 'cnn quantize' makes "
     "8-bit\n"
     "networks. CNN_CPU chooses the instruction set: cnn(1).\n"},
    {"overfit overfitting regularization regularisation generalization",
     "If training is far better than validation: more images, stronger data.augment, dropout\n"
     "layers, weight_decay of the optimizer, label_smoothing of the loss, train.early_stopping,\n"
     "train.ema.\n"},
    {"underfit underfitting accuracy nan diverge loss_is_nan",
     "'cnn train CONFIG --check' checks the beginning of a run. If the loss grows or is not a\n"
     "number: a smaller lr, schedule.warmup_epochs, train.clip_norm, batch_norm. If it does "
     "not\n"
     "fall: a larger lr, more filters, more epochs.\n"},
    {"memory out_of_memory oom ram",
     "The memory of training grows with train.batch_size (--batch-size N) and data.cache;\n"
     "'cnn summary MODEL' and 'cnn train CONFIG --check' say how much it is.\n"},
    {"dataset datasets image_folder imagefolder images pictures photos my_data fashion_mnist",
     "'cnn init DIR FOLDER' writes a description for a folder of pictures, 'cnn data CONFIG'\n"
     "inspects a data set. The key dataset of data names it:\n"
     "mnist, cifar10, cifar100, folder or shapes.\n"},
    {"confusion confusion_matrix precision_recall f1 test metrics evaluate",
     "'cnn eval MODEL' gives accuracy, precision, recall, F1 and the confusion matrix;\n"
     "--report FILE writes them as a page, --gallery DIR writes a page of mistakes.\n"},
    {"plot curves tensorboard history log",
     "Each run has report.html with its curves, steps.csv and epochs.csv;\n"
     "'cnn report RUN...' compares runs.\n"},
    {"feature_maps featuremaps activations gradcam grad_cam saliency heatmap filters kernels",
     "'cnn visualize MODEL PICTURE' draws what a network sees; 'cnn help visualize' lists the\n"
     "kinds. 'cnn explain' shows the arithmetic behind one number.\n"},
    {"block repeat",
     "'blocks' of a description are groups of layers that are written once and used with\n"
     "different numbers; 'cnn help blocks' has their keys, cnn-model(5) an example.\n"},
    {"onnx pytorch keras tensorflow caffe darknet import convert",
     "'cnn import FILE' makes a model of an ONNX, Caffe or Darknet file, 'cnn export' writes one\n"
     "for another program. The keys of a description are those of PyTorch and Keras; for a word\n"
     "of another program the message names the one here. Tensors have PyTorch's layouts.\n"},
    {"learning_rate lr", "lr is a key of the optimizer, --lr X of train sets it; schedule changes "
                         "it during training.\n"},
    {"batch batch_size minibatch", "--batch-size N of train, --batch N of bench.\n"},
    {"epoch epochs steps iterations", "--epochs N of train; train.steps counts updates instead.\n"},
    {"seed random reproducible deterministic",
     "--seed N of train; the same description gives the same bits, on any number of threads.\n"},
    {"quantization quantisation int8 quantized", "'cnn quantize MODEL' makes 8-bit networks.\n"},
    {"yaml config description network model architecture",
     "'cnn help layers' lists the layers, 'cnn help data' and 'cnn help train' the keys of these\n"
     "sections. Manual: cnn-model(5).\n"},
};

void cnn_topic_fold(const char *word, char *out, size_t size)
{
    size_t used = 0;

    for (; *word != '\0' && used + 1 < size; word++)
        out[used++] = *word == '-' || *word == ' ' ? '_' : (char)tolower((unsigned char)*word);
    out[used] = '\0';
}

static bool has_word(const char *words, const char *word)
{
    size_t length = strlen(word);

    for (; length > 0 && (words = strstr(words, word)); words += length) {
        if ((words[length] == ' ' || words[length] == '\0') && words[-1] == ' ')
            return true;
    }
    return false;
}

bool cnn_topic_text(const char *word, FILE *stream)
{
    size_t length = strlen(word);

    for (size_t i = 0; i < sizeof topics / sizeof *topics; i++) {
        const char *words = topics[i].words;
        bool first = strncmp(words, word, length) == 0 && (words[length] == ' ' || !words[length]);

        if (length > 0 && (first || has_word(words + 1, word))) {
            if (stream)
                cnn_options_print(topics[i].text, stream);
            return true;
        }
    }
    return false;
}

bool cnn_topic_options(const char *word, FILE *stream)
{
    size_t printed = 0;
    char name[64];

    for (size_t i = 0; cnn_commands[i]; i++) {
        for (const struct cnn_option *o = cnn_commands[i]->options; o->name; o++) {
            cnn_topic_fold(o->name, name, sizeof name);
            if (!o->help || strcmp(name, word) != 0)
                continue;
            if (stream)
                fprintf(stream, "--%s%s%s of %s: %s\n", o->name, o->argument ? " " : "",
                        o->argument ? o->argument : "", cnn_commands[i]->name, o->help);
            printed++;
        }
    }
    return printed > 0;
}

size_t cnn_topic_words(const char **words, size_t room)
{
    static char pool[4096];
    size_t used = 0, count = 0;

    for (size_t i = 0; i < sizeof topics / sizeof *topics; i++) {
        size_t length = strlen(topics[i].words) + 1;

        if (used + length > sizeof pool)
            break;
        memcpy(pool + used, topics[i].words, length);
        for (char *word = strtok(pool + used, " "); word && count < room; word = strtok(NULL, " "))
            words[count++] = word;
        used += length;
    }
    return count;
}
