#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files_slot.h"
#include "ga_assert.h"
#include "ga_hash.h"
#include "io_content.h"
#include "io_tree.h"

/* Walking over a worker's files: which objects are the same, which are open; and their digest. */

static int by_inode(const void *a, const void *b)
{
    const struct files_opened *x = a, *y = b;
    return x->inode != y->inode ? (x->inode < y->inode ? -1 : 1) : (x->rep > y->rep) - (x->rep < y->rep);
}

int files_by_ordinal(const void *a, const void *b)
{
    const struct files_opened *x = a, *y = b;
    return x->ordinal != y->ordinal ? (x->ordinal < y->ordinal ? -1 : 1) : (x->rep > y->rep) - (x->rep < y->rep);
}

/* In the order of inodes; the caller frees it. */
static struct files_opened *list_opened(const struct files *files)
{
    struct files_opened *list = calloc(files->open_count + 1, sizeof *list);
    uint32_t count = 0;
    struct stat stat;
    if (!list)
        ga_out_of_memory("a worker's files");
    for (uint32_t rep = 0; rep < files->open_capacity; rep++)
        if (files->open[rep].fd >= 0) {
            GA_ASSERT(fstat(files->open[rep].fd, &stat) == 0);
            list[count++] = (struct files_opened){.inode = stat.st_ino, .rep = rep};
        }
    qsort(list, count, sizeof *list, by_inode);
    return list;
}

struct files_opened *files_scan_opened(const struct files_scan *scan, uint64_t inode)
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

uint32_t files_scan_ordinal(struct files_scan *scan, const struct stat *stat)
{
    struct files_opened *opened = files_scan_opened(scan, stat->st_ino), *end = scan->opened + scan->files->open_count;
    if (!opened && (S_ISDIR(stat->st_mode) || stat->st_nlink <= 1))
        return 0;
    scan->ordinals++;
    for (; opened && opened < end && opened->inode == stat->st_ino; opened++)
        opened->ordinal = scan->ordinals;
    return scan->ordinals;
}

bool files_scan_meet(struct files_scan *scan, const struct stat *stat, struct files_node **node_out)
{
    *node_out = NULL;
    if (!S_ISREG(stat->st_mode) && stat->st_nlink <= 1)
        return true;
    struct files_node *node = *node_out = files_node(scan->files, stat->st_ino);
    if (node->seen == scan->files->scans)
        return false;
    node->seen = scan->files->scans;
    node->ordinal = files_scan_ordinal(scan, stat);
    return true;
}

struct files_scan files_scan_begin(struct files *files)
{
    files->scans++;
    return (struct files_scan){.files = files, .opened = list_opened(files)};
}

void files_restore_times(int fd, const struct stat *stat)
{
    (void)futimens(fd, (struct timespec[]){stat->st_atim, stat->st_mtim});
}

int files_read_link(int directory_fd, const char *name, const struct stat *stat, char target[FILES_TARGET_BYTES])
{
    ssize_t size = readlinkat(directory_fd, name, target, FILES_TARGET_BYTES);
    if (size < 0)
        return -errno;
    (void)utimensat(directory_fd, name, (struct timespec[]){stat->st_atim, stat->st_mtim}, AT_SYMLINK_NOFOLLOW);
    return (int)size;
}

/* --- the digest --- */

struct digesting {
    struct files_scan scan;
    struct ga_buf text; /* what is to be hashed */
    uint64_t digest;
};

static void put_opened(struct digesting *digesting, uint64_t inode)
{
    struct files_opened *opened = files_scan_opened(&digesting->scan, inode);
    struct files_opened *end = digesting->scan.opened + digesting->scan.files->open_count;
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
        files_restore_times(fd, stat);
    else if (from >= 0)
        close(from);
    ga_buf_leb_u(&digesting->text, (uint64_t)stat->st_size);
    ga_buf_leb_u(&digesting->text, sum);
    return status;
}

static int digest_link(struct digesting *digesting, int directory_fd, const char *name, const struct stat *stat)
{
    char target[FILES_TARGET_BYTES];
    int size = files_read_link(directory_fd, name, stat, target);
    files_put_text(&digesting->text, target, size > 0 ? (size_t)size : 0);
    return size < 0 ? size : 0;
}

static int digest_entry(struct digesting *digesting, struct io_tree *tree, const struct io_tree_entry *entry)
{
    struct files_node *node = NULL;
    const struct stat *stat = &entry->stat;
    int status = 0;
    files_put_text(&digesting->text, entry->name, strlen(entry->name));
    ga_buf_leb_u(&digesting->text, stat->st_mode & (S_IFMT | 0222));
    bool first = S_ISDIR(stat->st_mode) ? (files_scan_ordinal(&digesting->scan, stat), true)
                                        : files_scan_meet(&digesting->scan, stat, &node);
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
    qsort(digesting->scan.opened, digesting->scan.files->open_count, sizeof *digesting->scan.opened, files_by_ordinal);
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
    struct digesting digesting = {.scan = files_scan_begin(files)};
    int status = fstat(files->root_fd, &root) == 0 ? 0 : -errno;
    if (status == 0) {
        (void)files_scan_ordinal(&digesting.scan, &root);
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
