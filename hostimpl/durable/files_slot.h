#ifndef DURABLE_FILES_SLOT_H
#define DURABLE_FILES_SLOT_H

#include <sys/stat.h>

#include "files.h"
#include "ga_buf.h"

/* What writing, restoring and the digest of a worker's files share. files_slot.c has the format, files_scan.c the walk. */
#define FILES_MAGIC "GOLEMFIL"
enum { FILES_MAGIC_BYTES = 8, FILES_VERSION = 1, FILES_ID_BYTES = 24, FILES_TARGET_BYTES = 4096 /* of a link, at most */ };
enum files_record {
    FILES_RECORD_DIRECTORY = 1,
    FILES_RECORD_UP,
    FILES_RECORD_FILE,
    FILES_RECORD_LINK,
    FILES_RECORD_AGAIN,
    FILES_RECORD_END
};

void files_slot_name(char out[16], unsigned slot);
void files_id_name(char out[FILES_ID_BYTES], uint64_t id);
int files_slot_open(const struct files *files, unsigned slot); /* its directory's fd, or a negative errno */
void files_put_text(struct ga_buf *out, const char *text, size_t size);

/* --- the walk --- */

/* What is open, with the ordinals that the walk gives. */
struct files_opened {
    uint64_t inode;
    uint32_t rep, ordinal;
};

struct files_scan {
    struct files *files;
    struct files_opened *opened; /* files->open_count of them, by inode; free it */
    uint32_t ordinals;           /* given so far */
    uint64_t objects, bytes;
};

struct files_scan files_scan_begin(struct files *files);

/* The first of those that are open with this inode; NULL if there is none. */
struct files_opened *files_scan_opened(const struct files_scan *scan, uint64_t inode);
/* For qsort: by ordinal, then by rep. */
int files_by_ordinal(const void *a, const void *b);

/* The ordinal of an object that comes for the first time. */
uint32_t files_scan_ordinal(struct files_scan *scan, const struct stat *stat);

/* Of a file, or of a link with several names: false if the walk has met it before. *node_out: NULL if it needs none. */
bool files_scan_meet(struct files_scan *scan, const struct stat *stat, struct files_node **node_out);

/* Reading is not to be noticed: access times are the guest's. */
void files_restore_times(int fd, const struct stat *stat);
/* The target of a link, not ended by NUL. Returns its size, or a negative errno. */
int files_read_link(int directory_fd, const char *name, const struct stat *stat, char target[FILES_TARGET_BYTES]);

#endif
