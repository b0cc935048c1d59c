/* The memory that a run will take, held against what it may have, before it takes any. */
#ifndef CNN_TRAIN_ROOM_H
#define CNN_TRAIN_ROOM_H

#include "train/setup.h"

/* Fills training->room; its data sets are open. Where no limit lets the run have so much it is
 * refused: CNN_FAILED, with the batch size that would do as a hint. (A look before a run tells it
 * as a finding: then there is no message.) */
cnn_status cnn_room_check(struct cnn_training *training, cnn_diag *diag);

/* Which batch size would take no more than limit bytes, in words; size: of text. */
void cnn_room_advise(const struct cnn_training *training, double limit, char *text, size_t size);

#endif
