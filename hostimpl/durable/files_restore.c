#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files_slot.h"
#include "ga_assert.h"
#include "ga_hash.h"
#include "ga_limits.h"
#include "io_content.h"
#include "io_tree.h"

/* Making a worker's files anew from a slot: files_slot.c has the format. */

struct restoring {
    struct files *files;
    unsigned slot;
    int slot_fd, fd, side_fd; /* fd: the directory where the walk is */
    struct ga_reader reader;
    struct {
        uint32_t rep, ordinal;
        int flags;
    } *opens; /* by ordinal */
    uint64_t open_count, next_open;
    uint32_t depth;
    const char *fault; /* why what is read cannot be right */
};

/* A record's beginning. */
struct head {
    char name[256]; /* "" if it has none */
    uint32_t ordinal;
    mode_t mode;
};

static int wrong(struct restoring *restoring, const char *fault)
{
    restoring->fault = fault;
    return -EBADMSG;
}

static bool get_text(struct restoring *restoring, char *out, size_t room)
{
    uint64_t size = ga_read_leb_u(&restoring->reader, 32);
    const uint8_t *text = size < room ? ga_read_bytes(&restoring->reader, size) : NULL;
    restoring->reader.failed |= text == NULL;
    if (text)
        memcpy(out, text, size);
    out[text ? size : 0] = '\0';
    return text && memchr(text, '\0', size) == NULL;
}

/* A name that leads nowhere else. */
static bool get_name(struct restoring *restoring, char name[256])
{
    return get_text(restoring, name, 256) && strchr(name, '/') == NULL && strcmp(name, ".") != 0 &&
           strcmp(name, "..") != 0;
}

static bool get_head(struct restoring *restoring, struct head *head)
{
    bool right = get_name(restoring, head->name);
    head->mode = (mode_t)ga_read_leb_u(&restoring->reader, 32) & 07777;
    head->ordinal = (uint32_t)ga_read_leb_u(&restoring->reader, 32);
    return right && !restoring->reader.failed && (*head->name || head->ordinal || restoring->depth == 0);
}

static struct timespec get_time(struct restoring *restoring)
{
    struct timespec time;
    time.tv_sec = ga_read_leb_s(&restoring->reader, 64);
    time.tv_nsec = (long)(ga_read_leb_u(&restoring->reader, 32) % 1000000000);
    return time;
}

static void get_times(struct restoring *restoring, struct timespec times[2])
{
    times[0] = get_time(restoring);
    times[1] = get_time(restoring);
}

/* Where an object is made: what has several names or none gets one in side/ first. */
static int place_of(const struct restoring *restoring, const struct head *head, bool several, char name_out[256])
{
    bool aside = several || !*head->name;
    if (aside)
        snprintf(name_out, 256, "%" PRIu32, head->ordinal);
    else
        memcpy(name_out, head->name, 256);
    return aside ? restoring->side_fd : restoring->fd;
}

static int give_name(const struct restoring *restoring, const char *name, uint32_t ordinal)
{
    char side_name[16];
    snprintf(side_name, sizeof side_name, "%" PRIu32, ordinal);
    return linkat(restoring->side_fd, side_name, restoring->fd, name, 0) == 0 ? 0 : -errno;
}

/* Opens what has this ordinal for all that had it open. Opening changes no times. */
static int open_again(struct restoring *restoring, uint32_t ordinal, int directory_fd, const char *name)
{
    while (ordinal && restoring->next_open < restoring->open_count &&
           restoring->opens[restoring->next_open].ordinal == ordinal) {
        int flags = restoring->opens[restoring->next_open].flags;
        uint32_t rep = restoring->opens[restoring->next_open++].rep;
        if (files_fd(restoring->files, rep) >= 0)
            return wrong(restoring, "its list is malformed");
        int fd = openat(directory_fd, name, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd < 0)
            return -errno;
        files_put(restoring->files, rep, fd, flags, false);
    }
    return 0;
}

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* The stored contents of a file, checked (F2). Returns the fd. */
static int open_copy(struct restoring *restoring, uint64_t id, uint64_t size, struct timespec stamp)
{
    char name[FILES_ID_BYTES];
    struct stat stat;
    files_id_name(name, id);
    int fd = io_tree_open_quietly(restoring->slot_fd, name, O_RDONLY);
    if (fd == -ENOENT)
        return wrong(restoring, "contents are missing");
    if (fd < 0)
        return fd;
    if (fstat(fd, &stat) != 0 || !S_ISREG(stat.st_mode) || (uint64_t)stat.st_size != size ||
        !same_time(stat.st_mtim, stamp)) {
        close(fd);
        return wrong(restoring, "contents were changed");
    }
    return fd;
}

static void note_restored(struct restoring *restoring, uint64_t inode, uint64_t id, struct timespec stamp)
{
    struct files_node *node = files_node(restoring->files, inode);
    node->id = id;
    node->stored[restoring->slot] = true;
    node->stamp[restoring->slot] = stamp;
}

static int fill_file(struct restoring *restoring, int to, uint64_t id, uint64_t size, struct timespec stamp)
{
    struct stat stat;
    if (id == 0)
        return size == 0 ? 0 : wrong(restoring, "contents are missing");
    int from = open_copy(restoring, id, size, stamp);
    if (from < 0)
        return from;
    int status = io_content_clone(from, to, size);
    close(from);
    if (status == 0 && fstat(to, &stat) != 0)
        status = -errno;
    if (status == 0)
        note_restored(restoring, stat.st_ino, id, stamp);
    return status;
}

static int restore_file(struct restoring *restoring)
{
    struct head head;
    struct timespec times[2];
    char name[256];
    bool right = get_head(restoring, &head), several = ga_read_u8(&restoring->reader) != 0;
    get_times(restoring, times);
    uint64_t size = ga_read_leb_u(&restoring->reader, 63), id = ga_read_leb_u(&restoring->reader, 64);
    struct timespec stamp = get_time(restoring);
    if (!right || restoring->reader.failed)
        return wrong(restoring, "its list is malformed");
    int directory_fd = place_of(restoring, &head, several, name);
    int fd = openat(directory_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int status = fill_file(restoring, fd, id, size, stamp);
    if (status == 0)
        status = open_again(restoring, head.ordinal, directory_fd, name);
    if (status == 0 && (fchmod(fd, head.mode) != 0 || futimens(fd, times) != 0))
        status = -errno;
    close(fd);
    return status == 0 && several && *head.name ? give_name(restoring, head.name, head.ordinal) : status;
}

static int restore_link(struct restoring *restoring)
{
    struct head head;
    struct timespec times[2];
    char name[256], target[FILES_TARGET_BYTES];
    bool right = get_head(restoring, &head), several = ga_read_u8(&restoring->reader) != 0;
    get_times(restoring, times);
    right &= get_text(restoring, target, sizeof target);
    if (!right || restoring->reader.failed || !*head.name)
        return wrong(restoring, "its list is malformed");
    int directory_fd = place_of(restoring, &head, several, name);
    if (symlinkat(target, directory_fd, name) != 0 ||
        utimensat(directory_fd, name, times, AT_SYMLINK_NOFOLLOW) != 0)
        return -errno;
    return several ? give_name(restoring, head.name, head.ordinal) : 0;
}

static int restore_again(struct restoring *restoring)
{
    char name[256];
    bool right = get_name(restoring, name);
    uint32_t ordinal = (uint32_t)ga_read_leb_u(&restoring->reader, 32);
    if (!right || restoring->reader.failed || restoring->depth == 0)
        return wrong(restoring, "its list is malformed");
    return give_name(restoring, name, ordinal);
}

/* Goes into it. The first is the root, which there is already. */
static int restore_directory(struct restoring *restoring)
{
    struct head head;
    char name[256];
    if (!get_head(restoring, &head))
        return wrong(restoring, "its list is malformed");
    bool is_root = restoring->fd < 0;
    int directory_fd = is_root ? restoring->files->root_fd : place_of(restoring, &head, false, name);
    if (is_root)
        strcpy(name, ".");
    else if (mkdirat(directory_fd, name, 0700) != 0)
        return -errno;
    int fd = openat(directory_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (!is_root)
        close(restoring->fd);
    restoring->fd = fd;
    restoring->depth++;
    if (fchmod(fd, head.mode) != 0)
        return -errno;
    return open_again(restoring, head.ordinal, fd, ".");
}

static int restore_up(struct restoring *restoring)
{
    struct timespec times[2];
    get_times(restoring, times);
    if (restoring->reader.failed || restoring->depth == 0)
        return wrong(restoring, "its list is malformed");
    if (futimens(restoring->fd, times) != 0)
        return -errno;
    int fd = openat(restoring->fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    close(restoring->fd);
    restoring->fd = fd; /* behind the root: the live directory */
    restoring->depth--;
    return 0;
}

/* 1: that was the last. */
static int restore_record(struct restoring *restoring)
{
    enum files_record record = ga_read_u8(&restoring->reader);
    if (restoring->fd < 0 && record != FILES_RECORD_DIRECTORY)
        return wrong(restoring, "its list is malformed");
    switch (record) {
    case FILES_RECORD_DIRECTORY: return restore_directory(restoring);
    case FILES_RECORD_UP: return restore_up(restoring);
    case FILES_RECORD_FILE: return restore_file(restoring);
    case FILES_RECORD_LINK: return restore_link(restoring);
    case FILES_RECORD_AGAIN: return restore_again(restoring);
    case FILES_RECORD_END: break;
    default: return wrong(restoring, "its list is malformed");
    }
    return restoring->depth == 0 && restoring->next_open == restoring->open_count
               ? 1
               : wrong(restoring, "its list is malformed");
}

static int read_opens(struct restoring *restoring)
{
    struct ga_reader *reader = &restoring->reader;
    restoring->open_count = ga_read_leb_u(reader, 32);
    if (reader->failed || restoring->open_count > (uint64_t)(reader->end - reader->at))
        return wrong(restoring, "its list is malformed");
    restoring->opens = calloc(restoring->open_count + 1, sizeof *restoring->opens);
    if (!restoring->opens)
        ga_out_of_memory("a worker's files");
    for (uint64_t i = 0; i < restoring->open_count; i++) {
        restoring->opens[i].rep = (uint32_t)ga_read_leb_u(reader, 32);
        restoring->opens[i].flags = (int)ga_read_leb_u(reader, 32) & O_ACCMODE;
        restoring->opens[i].ordinal = (uint32_t)ga_read_leb_u(reader, 32);
        if (restoring->opens[i].rep > GA_MAX_HOST_RESOURCES)
            return wrong(restoring, "its list is malformed");
    }
    return 0;
}

static int restore_list(struct restoring *restoring, const struct ga_buf *list)
{
    struct files *files = restoring->files;
    restoring->reader = (struct ga_reader){list->data, list->data, list->data + list->size, false};
    const uint8_t *magic = ga_read_bytes(&restoring->reader, FILES_MAGIC_BYTES);
    if (!magic || memcmp(magic, FILES_MAGIC, FILES_MAGIC_BYTES) != 0 || ga_read_u8(&restoring->reader) != FILES_VERSION)
        return wrong(restoring, "its list has another format");
    files->next_id = ga_read_leb_u(&restoring->reader, 64);
    files->object_count = ga_read_leb_u(&restoring->reader, 64);
    files->total_bytes = ga_read_leb_u(&restoring->reader, 64);
    int status = read_opens(restoring);
    while (status == 0)
        status = restore_record(restoring);
    return status < 0 ? status : 0;
}

static int read_list(struct restoring *restoring, uint64_t sum, struct ga_buf *list)
{
    struct stat stat;
    int fd = openat(restoring->slot_fd, "list", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? wrong(restoring, "its list is missing") : -errno;
    int status = fstat(fd, &stat) == 0 ? 0 : -errno;
    if (status == 0)
        ga_buf_reserve(list, (size_t)stat.st_size + 1);
    while (status == 0) {
        ssize_t got = read(fd, list->data + list->size, list->capacity - list->size);
        if (got == 0 || list->size == list->capacity)
            break;
        status = got < 0 && errno != EINTR ? -errno : 0;
        list->size += got > 0 ? (size_t)got : 0;
    }
    close(fd);
    if (status == 0 && (ga_hash64(list->data, list->size, 0) | 1) != sum)
        return wrong(restoring, "its list is damaged");
    return status;
}

static int restore_slot(struct restoring *restoring, uint64_t sum, bool temporary)
{
    struct files *files = restoring->files;
    struct ga_buf list = {0};
    int status = files_make(files, temporary);
    if (status == 0 && mkdirat(files->live_fd, "side", 0700) != 0)
        status = -errno;
    restoring->side_fd = status == 0 ? openat(files->live_fd, "side", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (status == 0 && restoring->side_fd < 0)
        status = -errno;
    if (status == 0)
        status = restoring->slot_fd < 0 ? wrong(restoring, "it is missing") : read_list(restoring, sum, &list);
    if (status == 0)
        status = restore_list(restoring, &list);
    ga_buf_free(&list);
    return status == 0 ? io_tree_remove(files->live_fd, "side") : status;
}

enum ga_status files_restore(struct files *files, unsigned slot, uint64_t sum, bool temporary, struct ga_report *report)
{
    struct restoring restoring = {
        .files = files, .slot = slot, .slot_fd = files_slot_open(files, slot), .fd = -1, .side_fd = -1};
    int status = restore_slot(&restoring, sum, temporary);
    const int fds[] = {restoring.slot_fd, restoring.fd, restoring.side_fd};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    free(restoring.opens);
    if (status == 0) {
        files->slots[slot] = (struct files_slot){.known = !temporary, .sum = sum};
        return GA_OK;
    }
    files_end(files);
    if (restoring.fault)
        return ga_report_set(report, GA_CORRUPT, "files-%u: not used: %s", slot, restoring.fault);
    return ga_report_errno(report, -status, "files-%u: cannot restore", slot);
}
