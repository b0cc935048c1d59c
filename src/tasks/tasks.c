/* The list of tasks, from tasks.def. */
#include "tasks/task.h"

#define TASK(name) extern const struct cnn_task cnn_task_##name;
#include "tasks/tasks.def"
#undef TASK

#define TASK(name) &cnn_task_##name,
const struct cnn_task *const cnn_tasks[] = {
#include "tasks/tasks.def"
};
#undef TASK

const size_t cnn_task_count = sizeof cnn_tasks / sizeof *cnn_tasks;
