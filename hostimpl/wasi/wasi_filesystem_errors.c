#include <errno.h>

#include "wasi_filesystem.h"

/* errno to wasi:filesystem's error-code; where several are one number on Linux, the first row counts. */
#define ERROR_MAP(X)                    \
    X(EACCES, ACCESS)                   \
    X(EAGAIN, WOULD_BLOCK)              \
    X(EALREADY, ALREADY)                \
    X(EBADF, BAD_DESCRIPTOR)            \
    X(EBUSY, BUSY)                      \
    X(EDEADLK, DEADLOCK)                \
    X(EDQUOT, QUOTA)                    \
    X(EEXIST, EXIST)                    \
    X(EFBIG, FILE_TOO_LARGE)            \
    X(EILSEQ, ILLEGAL_BYTE_SEQUENCE)    \
    X(EINPROGRESS, IN_PROGRESS)         \
    X(EINTR, INTERRUPTED)               \
    X(EINVAL, INVALID)                  \
    X(EIO, IO)                          \
    X(EISDIR, IS_DIRECTORY)             \
    X(ELOOP, LOOP)                      \
    X(EMLINK, TOO_MANY_LINKS)           \
    X(EMSGSIZE, MESSAGE_SIZE)           \
    X(ENAMETOOLONG, NAME_TOO_LONG)      \
    X(ENODEV, NO_DEVICE)                \
    X(ENOENT, NO_ENTRY)                 \
    X(ENOLCK, NO_LOCK)                  \
    X(ENOMEM, INSUFFICIENT_MEMORY)      \
    X(EMFILE, INSUFFICIENT_MEMORY)      \
    X(ENFILE, INSUFFICIENT_MEMORY)      \
    X(ENOSPC, INSUFFICIENT_SPACE)       \
    X(ENOTDIR, NOT_DIRECTORY)           \
    X(ENOTEMPTY, NOT_EMPTY)             \
    X(ENOTRECOVERABLE, NOT_RECOVERABLE) \
    X(ENOTSUP, UNSUPPORTED)             \
    X(ENOSYS, UNSUPPORTED)              \
    X(ENOTTY, NO_TTY)                   \
    X(ENXIO, NO_SUCH_DEVICE)            \
    X(EOVERFLOW, OVERFLOW)              \
    X(EPERM, NOT_PERMITTED)             \
    X(EPIPE, PIPE)                      \
    X(EROFS, READ_ONLY)                 \
    X(ESPIPE, INVALID_SEEK)             \
    X(ETXTBSY, TEXT_FILE_BUSY)          \
    X(EXDEV, CROSS_DEVICE)

static const struct {
    int error;
    uint32_t code;
} codes[] = {
#define X(error, code) {error, WASI_FILESYSTEM_TYPES_ERROR_CODE_##code},
    ERROR_MAP(X)
#undef X
};

uint32_t wasi_error_code(int error)
{
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (codes[i].error == error)
            return codes[i].code;
    return WASI_FILESYSTEM_TYPES_ERROR_CODE_IO;
}

ssize_t wasi_file_status(struct worker *worker, ssize_t status)
{
    static const int FAULTS[] = {EIO, ENOSPC, EDQUOT, ENOMEM, ENFILE};
    if (status >= 0 || worker_is_ephemeral(worker))
        return status;
    for (size_t i = 0; i < sizeof FAULTS / sizeof *FAULTS; i++)
        if (-status == FAULTS[i])
            worker_fail(worker, FAULTS[i], "its files");
    return status;
}
