/* What wasi-libc's fcntl.h lacks: locks of files, which are refused as on a file system without
 * them. */
#ifndef CNN_WASI_FCNTL_H
#define CNN_WASI_FCNTL_H

#include_next <fcntl.h>

#define F_GETLK 1005
#define F_SETLK 1006
#define F_WRLCK 1
#define F_UNLCK 2

#endif
