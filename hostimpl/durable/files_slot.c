#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "ga_assert.h"
#include "ga_buf.h"
#include "ga_hash.h"
#include "ga_limits.h"
#include "io_content.h"
#include "io_tree.h"

/*
 * A worker's files beside a checkpoint's slot N: the directory files-N has
 *
 *   1, 2, ...   the contents of a regular file each, by its id; none of a file without any
 *   list        all the rest. Numbers are LEB128, texts a size and bytes:
 *               "GOLEMFIL", version (1 byte), next id, object count, total bytes,
 *               open count, and for each open file or directory: rep, access mode, ordinal; ascending by ordinal
 *               records, each a byte and what belongs to it, in the order of the walk, from the root on:
 *                 DIRECTORY  name, mode, ordinal; then what is in it; then
 *                 UP         times (of access and modification; seconds signed, nanoseconds)
 *                 FILE       name, mode, ordinal, several, times, size, id, stamp (seconds signed, nanoseconds)
 *                 LINK       name, mode, ordinal, several, times, target
 *                 AGAIN      name, ordinal: another name of that file or link
 *               after the root's UP, without a name each: what is open and has no name any more; then
 *                 END
 *               ordinals count those that are open or have several names, from 1; all others have 0
 *
 * It is valid if and only if the slot beside it is, and
 *   F1  the slot's companion sum is the XXH3-64 of the list, seed 0;
 *   F2  each contents' size and modification time (the stamp) are those in the list.
 * Contents are not read to find out whether they are right: they were synced before the slot became valid, and a slot is
 * made invalid, synced, before its files are changed (ckpt_companion), so only somebody else can have changed them. A
 * stamp survives copying the data directory with its times.
 *
 * Writing costs one look at each name, 60 bytes of list for each, and the bytes written since the slot was last written;
 * restoring costs a new file for each name, and the contents, or only a reference to them where the file system shares
 * blocks. The same in one process writing again: contents are patched in place, which is why they may not be shared
 * between the slots; a worker's files are thus on the disk three times at most. (Contents that never change, each version a
 * new file in both slots, would need one copy less, and a whole copy of a large file for each byte that changes.)
 */
#define MAGIC "GOLEMFIL"
enum { MAGIC_BYTES = 8, VERSION = 1, ID_BYTES = 24, SYNC_EACH = 32 };
enum record { RECORD_DIRECTORY = 1, RECORD_UP, RECORD_FILE, RECORD_LINK, RECORD_AGAIN, RECORD_END };

static void slot_name(char out[16], unsigned slot)
{
    snprintf(out, 16, "files-%u", slot);
}

static void id_name(char out[ID_BYTES], uint64_t id)
{
    snprintf(out, ID_BYTES, "%" PRIu64, id);
}

/* --- what is open, by inode, with the ordinals that the walk gives --- */

struct opened {
    uint64_t inode;
    uint32_t rep, ordinal;
};

static int by_inode(const void *a, const void *b)
{
    const struct opened *x = a, *y = b;
    return x->inode != y->inode ? (x->inode < y->inode ? -1 : 1) : (x->rep > y->rep) - (x->rep < y->rep);
}

static int by_ordinal(const void *a, const void *b)
{
    const struct opened *x = a, *y = b;
    return x->ordinal != y->ordinal ? (x->ordinal < y->ordinal ? -1 : 1) : (x->rep > y->rep) - (x->rep < y->rep);
}

/* In the order of inodes; the caller frees it. */
static struct opened *list_opened(const struct files *files)
{
    struct opened *list = calloc(files->open_count + 1, sizeof *list);
    uint32_t count = 0;
    struct stat stat;
    if (!list)
        ga_out_of_memory("a worker's files");
    for (uint32_t rep = 0; rep < files->open_capacity; rep++)
        if (files->open[rep].fd >= 0) {
            GA_ASSERT(fstat(files->open[rep].fd, &stat) == 0);
            list[count++] = (struct opened){.inode = stat.st_ino, .rep = rep};
        }
    qsort(list, count, sizeof *list, by_inode);
    return list;
}

/* --- the walk, for writing and for the digest --- */

struct scan {
    struct files *files;
    struct opened *opened; /* files->open_count of them */
    uint32_t ordinals;     /* given so far */
    uint64_t objects, bytes;
};

/* The first of those that are open with this inode; NULL if there is none. */
static struct opened *find_opened(const struct scan *scan, uint64_t inode)
{
    uint32_t low = 0, high = scan->files->open_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (scan->opened[middle].inode < inode)
            low = middle + 1;
        else
            high = middle;
    }
    return low < scan->files->open_count && scan->opened[low].inode == inode ? &scan->opened[low] : NULL;
}

/* The ordinal of an object that comes for the first time. */
static uint32_t give_ordinal(struct scan *scan, const struct stat *stat)
{
    struct opened *opened = find_opened(scan, stat->st_ino), *end = scan->opened + scan->files->open_count;
    if (!opened && (S_ISDIR(stat->st_mode) || stat->st_nlink <= 1))
        return 0;
    scan->ordinals++;
    for (; opened && opened < end && opened->inode == stat->st_ino; opened++)
        opened->ordinal = scan->ordinals;
    return scan->ordinals;
}

/* Of a file, or of a link with several names: false if the walk has met it before. */
static bool meet(struct scan *scan, const struct stat *stat, struct files_node **node_out)
{
    *node_out = NULL;
    if (!S_ISREG(stat->st_mode) && stat->st_nlink <= 1)
        return true;
    struct files_node *node = *node_out = files_node(scan->files, stat->st_ino);
    if (node->seen == scan->files->scans)
        return false;
    node->seen = scan->files->scans;
    node->ordinal = give_ordinal(scan, stat);
    return true;
}

static struct scan scan_begin(struct files *files)
{
    files->scans++;
    return (struct scan){.files = files, .opened = list_opened(files)};
}

/* --- writing --- */

struct writing {
    struct scan scan;
    unsigned slot;
    int slot_fd;
    struct ga_buf records;
    int syncs[SYNC_EACH]; /* fds of what was written, to sync one by one ... */
    uint32_t sync_count;
    bool sync_all; /* ... or there are too many */
};

static void put_text(struct ga_buf *out, const char *text, size_t size)
{
    ga_buf_leb_u(out, size);
    ga_buf_append(out, text, size);
}

static void put_time(struct ga_buf *out, struct timespec time)
{
    ga_buf_leb_s(out, time.tv_sec);
    ga_buf_leb_u(out, (uint64_t)time.tv_nsec);
}

static void put_times(struct ga_buf *out, const struct stat *stat)
{
    put_time(out, stat->st_atim);
    put_time(out, stat->st_mtim);
}

static void put_head(struct ga_buf *out, enum record record, const char *name, const struct stat *stat,
                     uint32_t ordinal)
{
    ga_buf_u8(out, (uint8_t)record);
    put_text(out, name, strlen(name));
    ga_buf_leb_u(out, stat->st_mode & 07777);
    ga_buf_leb_u(out, ordinal);
}

/* fd becomes the writing's. */
static void sync_later(struct writing *writing, int fd)
{
    if (writing->sync_count < SYNC_EACH) {
        writing->syncs[writing->sync_count++] = fd;
        return;
    }
    writing->sync_all = true;
    close(fd);
}

/* Of a file without contents, nothing is stored. */
static bool is_up_to_date(const struct files_node *node, unsigned slot, uint64_t size)
{
    const struct files_lack *lack = &node->lacks[slot];
    return node->stored[slot] ? lack->cut == UINT64_MAX && lack->count == 0 : size == 0;
}

static int patch(const struct files_node *node, unsigned slot, int from, int to, uint64_t size)
{
    const struct files_lack *lack = &node->lacks[slot];
    bool afresh = !node->stored[slot] || lack->cut == 0;
    uint64_t kept = lack->cut < size ? lack->cut : size;
    if (ftruncate(to, (off_t)kept) != 0) /* what lay behind the cut is not to come back */
        return -errno;
    if (afresh)
        return io_content_clone(from, to, size);
    if (ftruncate(to, (off_t)size) != 0)
        return -errno;
    for (uint32_t i = 0; i < lack->count; i++) {
        struct files_range range = lack->ranges[i];
        int status = io_content_copy(from, to, range.begin, range.end < size ? range.end : size);
        if (status != 0)
            return status;
    }
    return 0;
}

/* from: where the file can be read. */
static int store_from(struct writing *writing, struct files_node *node, int from, uint64_t size)
{
    char name[ID_BYTES];
    struct stat stat;
    id_name(name, node->id);
    int to = openat(writing->slot_fd, name, O_RDWR | O_CREAT | O_CLOEXEC | (node->stored[writing->slot] ? 0 : O_TRUNC),
                    0600);
    if (to < 0)
        return -errno;
    int status = patch(node, writing->slot, from, to, size);
    if (status == 0 && fstat(to, &stat) != 0)
        status = -errno;
    if (status != 0) {
        close(to);
        return status;
    }
    node->stored[writing->slot] = true;
    node->stamp[writing->slot] = stat.st_mtim;
    files_lack_nothing(node, writing->slot);
    sync_later(writing, to);
    return 0;
}

/* Reading is not to be noticed: access times are the guest's. */
static void restore_times(int fd, const struct stat *stat)
{
    (void)futimens(fd, (struct timespec[]){stat->st_atim, stat->st_mtim});
}

/* fd: the file itself, if it is at hand; else it has that name in that directory. */
static int write_file(struct writing *writing, int directory_fd, const char *name, int fd, const struct stat *stat,
                      struct files_node *node)
{
    struct ga_buf *out = &writing->records;
    uint64_t size = (uint64_t)stat->st_size;
    int status = 0;
    if (!is_up_to_date(node, writing->slot, size)) {
        int from = fd >= 0 ? fd : io_tree_open_quietly(directory_fd, name, O_RDONLY);
        status = from < 0 ? from : store_from(writing, node, from, size);
        if (fd >= 0)
            restore_times(fd, stat);
        else if (from >= 0)
            close(from);
    }
    struct timespec stamp = node->stored[writing->slot] ? node->stamp[writing->slot] : (struct timespec){0};
    put_head(out, RECORD_FILE, name, stat, node->ordinal);
    ga_buf_u8(out, stat->st_nlink > 1);
    put_times(out, stat);
    ga_buf_leb_u(out, size);
    ga_buf_leb_u(out, node->stored[writing->slot] ? node->id : 0);
    put_time(out, stamp);
    writing->scan.bytes += (uint64_t)stat->st_blocks * 512;
    return status;
}

enum { TARGET_BYTES = 4096 }; /* of a link, at most */

/* The target, not ended by NUL. Returns its size. */
static int read_link(int directory_fd, const char *name, const struct stat *stat, char target[TARGET_BYTES])
{
    ssize_t size = readlinkat(directory_fd, name, target, TARGET_BYTES);
    if (size < 0)
        return -errno;
    (void)utimensat(directory_fd, name, (struct timespec[]){stat->st_atim, stat->st_mtim}, AT_SYMLINK_NOFOLLOW);
    return (int)size;
}

static int write_link(struct writing *writing, int directory_fd, const char *name, const struct stat *stat,
                      const struct files_node *node)
{
    char target[TARGET_BYTES];
    int size = read_link(directory_fd, name, stat, target);
    if (size < 0)
        return size;
    put_head(&writing->records, RECORD_LINK, name, stat, node ? node->ordinal : 0);
    ga_buf_u8(&writing->records, stat->st_nlink > 1);
    put_times(&writing->records, stat);
    put_text(&writing->records, target, (size_t)size);
    return 0;
}

static int write_entry(struct writing *writing, struct io_tree *tree, const struct io_tree_entry *entry)
{
    struct files_node *node;
    const struct stat *stat = &entry->stat;
    writing->scan.objects++;
    if (S_ISDIR(stat->st_mode)) {
        put_head(&writing->records, RECORD_DIRECTORY, entry->name, stat, give_ordinal(&writing->scan, stat));
        return io_tree_enter(tree);
    }
    if (!meet(&writing->scan, stat, &node)) {
        ga_buf_u8(&writing->records, RECORD_AGAIN);
        put_text(&writing->records, entry->name, strlen(entry->name));
        ga_buf_leb_u(&writing->records, node->ordinal);
        return 0;
    }
    return S_ISLNK(stat->st_mode) ? write_link(writing, tree->fd, entry->name, stat, node)
                                  : write_file(writing, tree->fd, entry->name, -1, stat, node);
}

static int write_up(struct writing *writing, int directory_fd)
{
    struct stat stat;
    if (fstat(directory_fd, &stat) != 0)
        return -errno;
    ga_buf_u8(&writing->records, RECORD_UP);
    put_times(&writing->records, &stat);
    return 0;
}

static int write_entries(struct writing *writing, struct io_tree *tree)
{
    for (;;) {
        struct io_tree_entry entry;
        int got = io_tree_next(tree, &entry);
        int status = got < 0 ? got : got == 1 ? write_entry(writing, tree, &entry) : write_up(writing, tree->fd);
        if (status == 0 && got == 0) {
            if (tree->depth == 1)
                return 0;
            status = io_tree_leave(tree, NULL);
        }
        if (status != 0)
            return status;
    }
}

/* What is open and was not met. */
static int write_nameless(struct writing *writing)
{
    for (uint32_t i = 0; i < writing->scan.files->open_count; i++) {
        struct opened *opened = &writing->scan.opened[i];
        struct files_node *node;
        struct stat stat;
        int fd = writing->scan.files->open[opened->rep].fd, status;
        if (opened->ordinal)
            continue;
        if (fstat(fd, &stat) != 0)
            return -errno;
        if (S_ISDIR(stat.st_mode)) {
            put_head(&writing->records, RECORD_DIRECTORY, "", &stat, give_ordinal(&writing->scan, &stat));
            status = write_up(writing, fd);
        } else {
            (void)meet(&writing->scan, &stat, &node);
            status = write_file(writing, -1, "", fd, &stat, node);
        }
        if (status != 0)
            return status;
    }
    ga_buf_u8(&writing->records, RECORD_END);
    return 0;
}

static int write_tree(struct writing *writing)
{
    struct io_tree tree;
    struct stat stat;
    if (fstat(writing->scan.files->root_fd, &stat) != 0)
        return -errno;
    put_head(&writing->records, RECORD_DIRECTORY, "", &stat, give_ordinal(&writing->scan, &stat));
    int status = io_tree_start(&tree, writing->scan.files->root_fd);
    if (status == 0)
        status = write_entries(writing, &tree);
    io_tree_end(&tree);
    return status == 0 ? write_nameless(writing) : status;
}

/* Copies of files that are gone go too. */
static int drop_copies(struct writing *writing)
{
    struct files *files = writing->scan.files;
    for (uint32_t i = 0; i < files->node_count; i++) {
        struct files_node *node = files->nodes[i];
        char name[ID_BYTES];
        if (node->seen == files->scans)
            continue;
        node->inode = 0;
        if (!node->stored[writing->slot])
            continue;
        id_name(name, node->id);
        if (unlinkat(writing->slot_fd, name, 0) != 0)
            return -errno;
        node->stored[writing->slot] = false;
    }
    files_sweep(files);
    return 0;
}

static int put_list(struct writing *writing, struct ga_buf *list)
{
    struct files *files = writing->scan.files;
    ga_buf_text(list, MAGIC);
    ga_buf_u8(list, VERSION);
    ga_buf_leb_u(list, files->next_id);
    ga_buf_leb_u(list, writing->scan.objects);
    ga_buf_leb_u(list, writing->scan.bytes);
    ga_buf_leb_u(list, files->open_count);
    qsort(writing->scan.opened, files->open_count, sizeof *writing->scan.opened, by_ordinal);
    for (uint32_t i = 0; i < files->open_count; i++) {
        const struct opened *opened = &writing->scan.opened[i];
        ga_buf_leb_u(list, opened->rep);
        ga_buf_leb_u(list, (uint64_t)files->open[opened->rep].flags);
        ga_buf_leb_u(list, opened->ordinal);
    }
    ga_buf_append(list, writing->records.data, writing->records.size);
    int fd = openat(writing->slot_fd, "list", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    sync_later(writing, fd);
    for (size_t done = 0; done < list->size;) {
        ssize_t put = pwrite(fd, list->data + done, list->size - done, (off_t)done);
        if (put < 0 && errno != EINTR)
            return -errno;
        done += put > 0 ? (size_t)put : 0;
    }
    return 0;
}

static int sync_written(struct writing *writing)
{
    int status = 0;
    if (writing->sync_all && syncfs(writing->slot_fd) != 0)
        status = -errno;
    for (uint32_t i = 0; i < writing->sync_count; i++) {
        if (status == 0 && !writing->sync_all && fsync(writing->syncs[i]) != 0)
            status = -errno;
        close(writing->syncs[i]);
    }
    writing->sync_count = 0;
    if (status == 0 && (fsync(writing->slot_fd) != 0 || fsync(writing->scan.files->home_fd) != 0))
        status = -errno;
    return status;
}

static int write_all(struct writing *writing, uint64_t *sum_out)
{
    struct ga_buf list = {0};
    int status = write_tree(writing);
    if (status == 0)
        status = drop_copies(writing);
    if (status == 0)
        status = put_list(writing, &list);
    int synced = sync_written(writing);
    if (status == 0)
        status = synced;
    *sum_out = ga_hash64(list.data, list.size, 0) | 1; /* 0 means that there are no files */
    ga_buf_free(&list);
    return status;
}

/* Empties the slot's directory, or makes it. */
static int clear_slot(struct files *files, unsigned slot)
{
    char name[16];
    slot_name(name, slot);
    int status = io_tree_remove(files->home_fd, name);
    files->slots[slot] = (struct files_slot){.touched = true};
    for (uint32_t i = 0; i < files->node_count; i++) {
        files->nodes[i]->stored[slot] = false;
        files_lack_nothing(files->nodes[i], slot);
    }
    return status != 0 || mkdirat(files->home_fd, name, 0700) == 0 ? status : -errno;
}

static int open_slot(const struct files *files, unsigned slot)
{
    char name[16];
    slot_name(name, slot);
    int fd = openat(files->home_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int write_slot(struct files *files, unsigned slot, uint64_t *sum_out)
{
    int status = files->slots[slot].known ? 0 : clear_slot(files, slot);
    if (status != 0)
        return status;
    struct writing writing = {.scan = scan_begin(files), .slot = slot, .slot_fd = open_slot(files, slot)};
    status = writing.slot_fd < 0 ? writing.slot_fd : write_all(&writing, sum_out);
    if (writing.slot_fd >= 0)
        close(writing.slot_fd);
    files->object_count = writing.scan.objects;
    files->total_bytes = writing.scan.bytes;
    ga_buf_free(&writing.records);
    free(writing.scan.opened);
    return status;
}

enum ga_status files_write(struct files *files, unsigned slot, uint64_t *sum_out, struct ga_report *report)
{
    *sum_out = 0;
    if (files->root_fd < 0)
        return GA_OK;
    if (files_is_pending(files, slot)) {
        int status = write_slot(files, slot, sum_out);
        if (status != 0) {
            (void)clear_slot(files, slot);
            return ga_report_errno(report, -status, "files-%u: cannot write", slot);
        }
        files->slots[slot] = (struct files_slot){.known = true, .sum = *sum_out};
    }
    *sum_out = files->slots[slot].sum;
    return GA_OK;
}

/* --- restoring --- */

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
    char name[ID_BYTES];
    struct stat stat;
    id_name(name, id);
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
    char name[256], target[TARGET_BYTES];
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
    enum record record = ga_read_u8(&restoring->reader);
    if (restoring->fd < 0 && record != RECORD_DIRECTORY)
        return wrong(restoring, "its list is malformed");
    switch (record) {
    case RECORD_DIRECTORY: return restore_directory(restoring);
    case RECORD_UP: return restore_up(restoring);
    case RECORD_FILE: return restore_file(restoring);
    case RECORD_LINK: return restore_link(restoring);
    case RECORD_AGAIN: return restore_again(restoring);
    case RECORD_END: break;
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
        if (restoring->opens[i].rep > GA_MAX_HOST_RESOURCES || files_fd(restoring->files, restoring->opens[i].rep) >= 0)
            return wrong(restoring, "its list is malformed");
    }
    return 0;
}

static int restore_list(struct restoring *restoring, const struct ga_buf *list)
{
    struct files *files = restoring->files;
    restoring->reader = (struct ga_reader){list->data, list->data, list->data + list->size, false};
    const uint8_t *magic = ga_read_bytes(&restoring->reader, MAGIC_BYTES);
    if (!magic || memcmp(magic, MAGIC, MAGIC_BYTES) != 0 || ga_read_u8(&restoring->reader) != VERSION)
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
        .files = files, .slot = slot, .slot_fd = open_slot(files, slot), .fd = -1, .side_fd = -1};
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

/* --- the digest --- */

struct digesting {
    struct scan scan;
    struct ga_buf text; /* what is to be hashed */
    uint64_t digest;
};

static void put_opened(struct digesting *digesting, uint64_t inode)
{
    struct opened *opened = find_opened(&digesting->scan, inode);
    struct opened *end = digesting->scan.opened + digesting->scan.files->open_count;
    for (; opened && opened < end && opened->inode == inode; opened++)
        ga_buf_leb_u(&digesting->text, opened->rep);
}

static void add_text(struct digesting *digesting)
{
    digesting->digest = ga_hash64(digesting->text.data, digesting->text.size, digesting->digest);
    digesting->text.size = 0;
}

static int digest_content(struct digesting *digesting, int directory_fd, const char *name, int fd,
                          const struct stat *stat)
{
    uint64_t sum = 0;
    int from = fd >= 0 ? fd : io_tree_open_quietly(directory_fd, name, O_RDONLY);
    int status = from < 0 ? from : io_content_sum(from, &sum);
    if (fd >= 0)
        restore_times(fd, stat);
    else if (from >= 0)
        close(from);
    ga_buf_leb_u(&digesting->text, (uint64_t)stat->st_size);
    ga_buf_leb_u(&digesting->text, sum);
    return status;
}

static int digest_link(struct digesting *digesting, int directory_fd, const char *name, const struct stat *stat)
{
    char target[TARGET_BYTES];
    int size = read_link(directory_fd, name, stat, target);
    put_text(&digesting->text, target, size > 0 ? (size_t)size : 0);
    return size < 0 ? size : 0;
}

static int digest_entry(struct digesting *digesting, struct io_tree *tree, const struct io_tree_entry *entry)
{
    struct files_node *node = NULL;
    const struct stat *stat = &entry->stat;
    int status = 0;
    put_text(&digesting->text, entry->name, strlen(entry->name));
    ga_buf_leb_u(&digesting->text, stat->st_mode & (S_IFMT | 0222));
    bool first = S_ISDIR(stat->st_mode) ? (give_ordinal(&digesting->scan, stat), true)
                                        : meet(&digesting->scan, stat, &node);
    ga_buf_leb_u(&digesting->text, node ? node->ordinal : 0);
    if (first) {
        put_opened(digesting, stat->st_ino);
        status = S_ISDIR(stat->st_mode)   ? io_tree_enter(tree)
                 : S_ISLNK(stat->st_mode) ? digest_link(digesting, tree->fd, entry->name, stat)
                                          : digest_content(digesting, tree->fd, entry->name, -1, stat);
    }
    add_text(digesting);
    return status;
}

static int digest_entries(struct digesting *digesting, struct io_tree *tree)
{
    for (;;) {
        struct io_tree_entry entry;
        int got = io_tree_next(tree, &entry);
        if (got == 0 && tree->depth == 1)
            return 0;
        int status = got < 0 ? got : got == 1 ? digest_entry(digesting, tree, &entry) : io_tree_leave(tree, NULL);
        ga_buf_u8(&digesting->text, (uint8_t)got);
        if (status != 0)
            return status;
    }
}

static int digest_nameless(struct digesting *digesting)
{
    qsort(digesting->scan.opened, digesting->scan.files->open_count, sizeof *digesting->scan.opened, by_ordinal);
    for (uint32_t i = 0; i < digesting->scan.files->open_count && !digesting->scan.opened[i].ordinal; i++) {
        uint32_t rep = digesting->scan.opened[i].rep;
        int fd = digesting->scan.files->open[rep].fd;
        struct stat stat;
        int status = fstat(fd, &stat) == 0 ? 0 : -errno;
        ga_buf_leb_u(&digesting->text, rep);
        if (status == 0 && S_ISREG(stat.st_mode))
            status = digest_content(digesting, -1, "", fd, &stat);
        if (status != 0)
            return status;
    }
    add_text(digesting);
    return 0;
}

uint64_t files_digest(struct files *files)
{
    struct io_tree tree;
    struct stat root;
    if (files->root_fd < 0)
        return 0;
    struct digesting digesting = {.scan = scan_begin(files)};
    int status = fstat(files->root_fd, &root) == 0 ? 0 : -errno;
    if (status == 0) {
        (void)give_ordinal(&digesting.scan, &root);
        put_opened(&digesting, root.st_ino);
        status = io_tree_start(&tree, files->root_fd);
        if (status == 0)
            status = digest_entries(&digesting, &tree);
        io_tree_end(&tree);
    }
    if (status == 0)
        status = digest_nameless(&digesting);
    free(digesting.scan.opened);
    ga_buf_free(&digesting.text);
    return digesting.digest ^ (uint64_t)(int64_t)status;
}
