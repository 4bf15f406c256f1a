#define _GNU_SOURCE
#include "files_slot.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ga_assert.h"
#include "ga_hash.h"
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
enum { SYNC_EACH = 32 };

void files_slot_name(char out[16], unsigned slot)
{
    snprintf(out, 16, "files-%u", slot);
}

void files_id_name(char out[FILES_ID_BYTES], uint64_t id)
{
    snprintf(out, FILES_ID_BYTES, "%" PRIu64, id);
}

void files_put_text(struct ga_buf *out, const char *text, size_t size)
{
    ga_buf_leb_u(out, size);
    ga_buf_append(out, text, size);
}

int files_slot_open(const struct files *files, unsigned slot)
{
    char name[16];
    files_slot_name(name, slot);
    int fd = openat(files->home_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* --- writing --- */

struct writing {
    struct files_scan scan;
    unsigned slot;
    int slot_fd;
    struct ga_buf records;
    int syncs[SYNC_EACH]; /* fds of what was written, to sync one by one ... */
    uint32_t sync_count;
    bool sync_all; /* ... or there are too many */
};

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

static void put_head(struct ga_buf *out, enum files_record record, const char *name, const struct stat *stat,
                     uint32_t ordinal)
{
    ga_buf_u8(out, (uint8_t)record);
    files_put_text(out, name, strlen(name));
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
    char name[FILES_ID_BYTES];
    struct stat stat;
    files_id_name(name, node->id);
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
            files_restore_times(fd, stat);
        else if (from >= 0)
            close(from);
    }
    struct timespec stamp = node->stored[writing->slot] ? node->stamp[writing->slot] : (struct timespec){0};
    put_head(out, FILES_RECORD_FILE, name, stat, node->ordinal);
    ga_buf_u8(out, stat->st_nlink > 1);
    put_times(out, stat);
    ga_buf_leb_u(out, size);
    ga_buf_leb_u(out, node->stored[writing->slot] ? node->id : 0);
    put_time(out, stamp);
    writing->scan.bytes += (uint64_t)stat->st_blocks * 512;
    return status;
}

static int write_link(struct writing *writing, int directory_fd, const char *name, const struct stat *stat,
                      const struct files_node *node)
{
    char target[FILES_TARGET_BYTES];
    int size = files_read_link(directory_fd, name, stat, target);
    if (size < 0)
        return size;
    put_head(&writing->records, FILES_RECORD_LINK, name, stat, node ? node->ordinal : 0);
    ga_buf_u8(&writing->records, stat->st_nlink > 1);
    put_times(&writing->records, stat);
    files_put_text(&writing->records, target, (size_t)size);
    return 0;
}

static int write_entry(struct writing *writing, struct io_tree *tree, const struct io_tree_entry *entry)
{
    struct files_node *node;
    const struct stat *stat = &entry->stat;
    writing->scan.objects++;
    if (S_ISDIR(stat->st_mode)) {
        put_head(&writing->records, FILES_RECORD_DIRECTORY, entry->name, stat, files_scan_ordinal(&writing->scan, stat));
        return io_tree_enter(tree);
    }
    if (!files_scan_meet(&writing->scan, stat, &node)) {
        ga_buf_u8(&writing->records, FILES_RECORD_AGAIN);
        files_put_text(&writing->records, entry->name, strlen(entry->name));
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
    ga_buf_u8(&writing->records, FILES_RECORD_UP);
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
        struct files_opened *opened = &writing->scan.opened[i];
        struct files_node *node;
        struct stat stat;
        int fd = writing->scan.files->open[opened->rep].fd, status;
        if (opened->ordinal)
            continue;
        if (fstat(fd, &stat) != 0)
            return -errno;
        if (S_ISDIR(stat.st_mode)) {
            put_head(&writing->records, FILES_RECORD_DIRECTORY, "", &stat, files_scan_ordinal(&writing->scan, &stat));
            status = write_up(writing, fd);
        } else {
            (void)files_scan_meet(&writing->scan, &stat, &node);
            status = write_file(writing, -1, "", fd, &stat, node);
        }
        if (status != 0)
            return status;
    }
    ga_buf_u8(&writing->records, FILES_RECORD_END);
    return 0;
}

static int write_tree(struct writing *writing)
{
    struct io_tree tree;
    struct stat stat;
    if (fstat(writing->scan.files->root_fd, &stat) != 0)
        return -errno;
    put_head(&writing->records, FILES_RECORD_DIRECTORY, "", &stat, files_scan_ordinal(&writing->scan, &stat));
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
    int status = 0;
    for (uint32_t i = 0; i < files->node_count; i++) {
        struct files_node *node = files->nodes[i];
        char name[FILES_ID_BYTES];
        if (node->seen == files->scans)
            continue;
        node->inode = 0;
        if (!node->stored[writing->slot])
            continue;
        files_id_name(name, node->id);
        if (unlinkat(writing->slot_fd, name, 0) != 0)
            status = -errno;
        node->stored[writing->slot] = false;
    }
    files_sweep(files); /* also after an error: another file may get an inode that is forgotten */
    return status;
}

static int put_list(struct writing *writing, struct ga_buf *list)
{
    struct files *files = writing->scan.files;
    ga_buf_text(list, FILES_MAGIC);
    ga_buf_u8(list, FILES_VERSION);
    ga_buf_leb_u(list, files->next_id);
    ga_buf_leb_u(list, writing->scan.objects);
    ga_buf_leb_u(list, writing->scan.bytes);
    ga_buf_leb_u(list, files->open_count);
    qsort(writing->scan.opened, files->open_count, sizeof *writing->scan.opened, files_by_ordinal);
    for (uint32_t i = 0; i < files->open_count; i++) {
        const struct files_opened *opened = &writing->scan.opened[i];
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
    files_slot_name(name, slot);
    int status = io_tree_remove(files->home_fd, name);
    files->slots[slot] = (struct files_slot){.touched = true};
    for (uint32_t i = 0; i < files->node_count; i++) {
        files->nodes[i]->stored[slot] = false;
        files_lack_nothing(files->nodes[i], slot);
    }
    return status != 0 || mkdirat(files->home_fd, name, 0700) == 0 ? status : -errno;
}

static int write_slot(struct files *files, unsigned slot, uint64_t *sum_out)
{
    int status = files->slots[slot].known ? 0 : clear_slot(files, slot);
    if (status != 0)
        return status;
    struct writing writing = {.scan = files_scan_begin(files), .slot = slot, .slot_fd = files_slot_open(files, slot)};
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
