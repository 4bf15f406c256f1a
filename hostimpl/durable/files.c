#define _GNU_SOURCE
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ga_assert.h"
#include "io_tree.h"

/*
 * Theory. The guest works on a private directory, which no other process and no later one uses: a start removes what an
 * earlier process left and makes it anew, empty (replay then does all again) or from a checkpoint's slot. So a crash may
 * leave it in any state.
 *
 * All changes come from host calls of one thread, so nothing has to be found out by looking: every write notes its bytes
 * in the node of its file (an inode), once for each slot, because the two slots lack different things. Names, times and
 * links are not noted one by one: a slot keeps them in one list, which is made by a scan of the directory (2 us a file)
 * when anything at all was done since. Contents, which may be a million times larger, are copied by what was written.
 *
 * An inode number that comes back for a new file is no trap: a new file is noted as such when it is opened (fresh), so
 * that the node's copies count for nothing.
 *
 *   files/        live_fd; removed and made anew by each process
 *     root/       root_fd, the guest's "/"
 *     side/       during a restore: files that have several names, or none and are open
 *   files-0/ -1/  one for each slot of the checkpoints: files_slot.c
 */
void files_init(struct files *files, int home_fd)
{
    *files = (struct files){.home_fd = home_fd, .live_fd = -1, .root_fd = -1, .next_id = 1};
    files->by_inode.arena = &files->arena;
}

/* All but the root of it. Returns its fd. */
static int make_live(struct files *files)
{
    int status = io_tree_remove(files->home_fd, "files");
    if (status != 0)
        return status;
    if (mkdirat(files->home_fd, "files", 0700) != 0)
        return -errno;
    int fd = openat(files->home_fd, "files", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int make_temporary(struct files *files)
{
    const char *parent = getenv("TMPDIR");
    snprintf(files->temporary, sizeof files->temporary, "%.40s/golem-XXXXXX", parent && *parent ? parent : "/tmp");
    if (!mkdtemp(files->temporary)) {
        *files->temporary = 0;
        return -errno;
    }
    int fd = open(files->temporary, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int files_make(struct files *files, bool temporary)
{
    GA_ASSERT(files->live_fd < 0);
    umask(umask(0) & ~(mode_t)S_IRWXU); /* what the guest makes is not read-only */
    int fd = temporary || files->home_fd < 0 ? make_temporary(files) : make_live(files);
    if (fd < 0)
        return fd;
    files->live_fd = fd;
    if (mkdirat(fd, "root", 0700) != 0)
        return -errno;
    files->root_fd = openat(fd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return files->root_fd < 0 ? -errno : 0;
}

static void free_node(struct files_node *node)
{
    for (unsigned slot = 0; slot < FILES_SLOTS; slot++)
        free(node->lacks[slot].ranges);
    free(node);
}

static void close_live(struct files *files)
{
    if (files->root_fd >= 0)
        close(files->root_fd);
    if (files->live_fd >= 0)
        close(files->live_fd);
    if (*files->temporary)
        (void)io_tree_remove(AT_FDCWD, files->temporary);
}

void files_end(struct files *files)
{
    for (uint32_t rep = 0; rep < files->open_capacity; rep++)
        if (files->open[rep].fd >= 0)
            close(files->open[rep].fd);
    free(files->open);
    for (uint32_t i = 0; i < files->node_count; i++)
        free_node(files->nodes[i]);
    free(files->nodes);
    ga_arena_free(&files->arena);
    close_live(files);
    files_init(files, files->home_fd);
}

/* --- nodes --- */

static void add_to_map(struct files *files, struct files_node *node)
{
    ga_map_set(&files->by_inode, (const char *)&node->inode, sizeof node->inode, node);
}

struct files_node *files_node(struct files *files, uint64_t inode)
{
    struct files_node *node = ga_map_get(&files->by_inode, (const char *)&inode, sizeof inode);
    if (node)
        return node;
    node = calloc(1, sizeof *node);
    if (!node)
        ga_out_of_memory("a worker's files");
    node->inode = inode;
    node->id = files->next_id++;
    for (unsigned slot = 0; slot < FILES_SLOTS; slot++)
        node->lacks[slot].cut = UINT64_MAX;
    if (files->node_count == files->node_capacity) {
        files->node_capacity = files->node_capacity ? 2 * files->node_capacity : 64;
        files->nodes = realloc(files->nodes, files->node_capacity * sizeof *files->nodes);
        if (!files->nodes)
            ga_out_of_memory("a worker's files");
    }
    files->nodes[files->node_count++] = node;
    add_to_map(files, node);
    return node;
}

void files_sweep(struct files *files)
{
    uint32_t kept = 0;
    files->by_inode = (struct ga_map){.arena = &files->arena};
    ga_arena_reset(&files->arena);
    for (uint32_t i = 0; i < files->node_count; i++) {
        struct files_node *node = files->nodes[i];
        if (node->inode)
            add_to_map(files, node);
        if (node->inode || node->stored[0] || node->stored[1])
            files->nodes[kept++] = node;
        else
            free_node(node);
    }
    files->node_count = kept;
}

/* --- what slots lack --- */

void files_lack_nothing(struct files_node *node, unsigned slot)
{
    struct files_lack *lack = &node->lacks[slot];
    free(lack->ranges);
    *lack = (struct files_lack){.cut = UINT64_MAX};
}

static uint64_t lacking_bytes(const struct files_lack *lack)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < lack->count; i++)
        bytes += lack->ranges[i].end - lack->ranges[i].begin;
    return bytes;
}

/* Makes one range of the two with the smallest gap between. */
static void join_nearest(struct files_lack *lack)
{
    uint32_t nearest = 0;
    for (uint32_t i = 1; i + 1 < lack->count; i++)
        if (lack->ranges[i + 1].begin - lack->ranges[i].end <
            lack->ranges[nearest + 1].begin - lack->ranges[nearest].end)
            nearest = i;
    lack->ranges[nearest].end = lack->ranges[nearest + 1].end;
    lack->count--;
    memmove(lack->ranges + nearest + 1, lack->ranges + nearest + 2,
            (lack->count - nearest - 1) * sizeof *lack->ranges);
}

static void add_range(struct files_lack *lack, struct files_range range)
{
    uint32_t first = 0, behind;
    if (!lack->ranges) {
        lack->ranges = malloc((FILES_RANGES + 1) * sizeof *lack->ranges);
        if (!lack->ranges)
            ga_out_of_memory("a worker's files");
    }
    while (first < lack->count && lack->ranges[first].end < range.begin)
        first++;
    for (behind = first; behind < lack->count && lack->ranges[behind].begin <= range.end; behind++) {
        range.begin = range.begin < lack->ranges[behind].begin ? range.begin : lack->ranges[behind].begin;
        range.end = range.end > lack->ranges[behind].end ? range.end : lack->ranges[behind].end;
    }
    memmove(lack->ranges + first + 1, lack->ranges + behind, (lack->count - behind) * sizeof *lack->ranges);
    lack->ranges[first] = range;
    lack->count = lack->count - (behind - first) + 1;
    if (lack->count > FILES_RANGES)
        join_nearest(lack);
}

static bool has_range(const struct files_lack *lack, uint64_t begin, uint64_t end)
{
    for (uint32_t i = 0; i < lack->count; i++)
        if (lack->ranges[i].begin <= begin && end <= lack->ranges[i].end)
            return true;
    return false;
}

/* --- open files --- */

static struct files_open *room_for(struct files *files, uint32_t rep)
{
    if (rep >= files->open_capacity) {
        uint32_t capacity = files->open_capacity ? files->open_capacity : 64;
        while (capacity <= rep)
            capacity *= 2;
        files->open = realloc(files->open, capacity * sizeof *files->open);
        if (!files->open)
            ga_out_of_memory("a worker's files");
        for (uint32_t i = files->open_capacity; i < capacity; i++)
            files->open[i] = (struct files_open){.fd = -1};
        files->open_capacity = capacity;
    }
    return &files->open[rep];
}

static void set_size(struct files_node *node, uint64_t size)
{
    for (unsigned slot = 0; slot < FILES_SLOTS; slot++)
        if (size < node->lacks[slot].cut)
            node->lacks[slot].cut = size;
}

static struct files_node *node_to_note_in(struct files *files, int fd, int flags, bool fresh)
{
    struct stat stat;
    bool changes = fresh || (flags & O_ACCMODE) != O_RDONLY;
    if (files->home_fd < 0 || !changes || fstat(fd, &stat) != 0 || !S_ISREG(stat.st_mode))
        return NULL;
    struct files_node *node = files_node(files, stat.st_ino);
    if (fresh && stat.st_size == 0)
        set_size(node, 0);
    return node;
}

void files_put(struct files *files, uint32_t rep, int fd, int flags, bool fresh)
{
    struct files_open *open = room_for(files, rep);
    GA_ASSERT(open->fd < 0);
    *open = (struct files_open){fd, flags & O_ACCMODE, node_to_note_in(files, fd, flags, fresh)};
    files->open_count++;
    files_touch(files);
}

int files_fd(struct files *files, uint32_t rep)
{
    return rep < files->open_capacity ? files->open[rep].fd : -1;
}

void files_drop(struct files *files, uint32_t rep)
{
    struct files_open *open = rep < files->open_capacity ? &files->open[rep] : NULL;
    if (!open || open->fd < 0)
        return;
    close(open->fd);
    *open = (struct files_open){.fd = -1};
    files->open_count--;
    files_touch(files);
}

void files_touch(struct files *files)
{
    for (unsigned slot = 0; slot < FILES_SLOTS; slot++)
        files->slots[slot].touched = true;
}

void files_note_write(struct files *files, uint32_t rep, uint64_t begin, uint64_t end)
{
    struct files_node *node = files->open[rep].node;
    for (unsigned slot = 0; node && begin < end && slot < FILES_SLOTS; slot++) {
        struct files_lack *lack = &node->lacks[slot];
        if (has_range(lack, begin, end))
            continue;
        uint64_t before = lacking_bytes(lack);
        add_range(lack, (struct files_range){begin, end});
        files->slots[slot].lacking_bytes += lacking_bytes(lack) - before;
    }
}

void files_note_size(struct files *files, uint32_t rep, uint64_t size)
{
    if (files->open[rep].node)
        set_size(files->open[rep].node, size);
}

/* --- when a checkpoint is worth it --- */

enum { OBJECT_NS = 3000, BYTE_NS = 2 };

bool files_is_pending(const struct files *files, unsigned slot)
{
    return files->root_fd >= 0 && (!files->slots[slot].known || files->slots[slot].touched);
}

uint64_t files_cost_ns(const struct files *files, unsigned slot)
{
    if (!files_is_pending(files, slot))
        return 0;
    uint64_t bytes = files->slots[slot].lacking_bytes + (files->slots[slot].known ? 0 : files->total_bytes);
    return files->object_count * OBJECT_NS + bytes * BYTE_NS;
}
