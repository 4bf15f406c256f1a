#define _GNU_SOURCE

#include "io_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ga_buf.h"

int io_tree_open_quietly(int directory_fd, const char *name, int flags)
{
    int fd = openat(directory_fd, name, flags | O_NOATIME | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == EPERM) /* not our own */
        fd = openat(directory_fd, name, flags | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int open_directory(int parent_fd, const char *name)
{
    return io_tree_open_quietly(parent_fd, name, O_RDONLY | O_DIRECTORY);
}

/* --- a directory's names --- */

static int by_name(const void *a, const void *b, void *text)
{
    const char *names = text;
    return strcmp(names + *(const uint32_t *)a, names + *(const uint32_t *)b);
}

static int collect(DIR *directory, struct ga_buf *text, struct ga_buf *names)
{
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(directory);
        if (entry == NULL)
            return -errno;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (text->size > UINT32_MAX / 2)
            return -ENOMEM;
        ga_buf_append(names, &(uint32_t){(uint32_t)text->size}, sizeof(uint32_t));
        ga_buf_append(text, entry->d_name, strlen(entry->d_name) + 1);
    }
}

static int read_level(int directory_fd, struct io_tree_level *level)
{
    struct ga_buf text = {0}, names = {0};
    int fd = dup(directory_fd);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    if (directory == NULL) {
        int error = errno;
        if (fd >= 0)
            close(fd);
        return -error;
    }
    int status = collect(directory, &text, &names);
    closedir(directory);
    if (names.size > 0)
        qsort_r(names.data, names.size / sizeof(uint32_t), sizeof(uint32_t), by_name, text.data);
    *level = (struct io_tree_level){(char *)text.data, (uint32_t *)(void *)names.data,
                                    (uint32_t)(names.size / sizeof(uint32_t)), 0};
    return status;
}

static void free_level(struct io_tree_level *level)
{
    free(level->text);
    free(level->names);
}

/* --- the walk --- */

/* fd becomes the tree's. */
static int push(struct io_tree *tree, int fd)
{
    if (tree->depth == tree->capacity) {
        uint32_t capacity = tree->capacity ? 2 * tree->capacity : 16;
        struct io_tree_level *levels = realloc(tree->levels, capacity * sizeof *levels);
        if (levels == NULL) {
            close(fd);
            return -ENOMEM;
        }
        tree->levels = levels;
        tree->capacity = capacity;
    }
    if (tree->fd >= 0)
        close(tree->fd);
    tree->fd = fd;
    tree->levels[tree->depth] = (struct io_tree_level){0};
    return read_level(fd, &tree->levels[tree->depth++]);
}

int io_tree_start(struct io_tree *tree, int directory_fd)
{
    *tree = (struct io_tree){.fd = -1};
    int fd = open_directory(directory_fd, ".");
    return fd < 0 ? fd : push(tree, fd);
}

void io_tree_end(struct io_tree *tree)
{
    while (tree->depth > 0)
        free_level(&tree->levels[--tree->depth]);
    free(tree->levels);
    if (tree->fd >= 0)
        close(tree->fd);
    *tree = (struct io_tree){.fd = -1};
}

int io_tree_next(struct io_tree *tree, struct io_tree_entry *entry_out)
{
    struct io_tree_level *level = &tree->levels[tree->depth - 1];
    if (level->next == level->count)
        return 0;
    entry_out->name = level->text + level->names[level->next++];
    return fstatat(tree->fd, entry_out->name, &entry_out->stat, AT_SYMLINK_NOFOLLOW) == 0 ? 1 : -errno;
}

static const char *last_name(const struct io_tree *tree)
{
    const struct io_tree_level *level = &tree->levels[tree->depth - 1];
    return level->text + level->names[level->next - 1];
}

int io_tree_enter(struct io_tree *tree)
{
    int fd = open_directory(tree->fd, last_name(tree));
    return fd < 0 ? fd : push(tree, fd);
}

int io_tree_leave(struct io_tree *tree, const char **name_out)
{
    int fd = open_directory(tree->fd, "..");
    if (fd < 0)
        return fd;
    close(tree->fd);
    tree->fd = fd;
    free_level(&tree->levels[--tree->depth]);
    if (name_out != NULL)
        *name_out = last_name(tree);
    return 0;
}

/* --- removing --- */

static int remove_entry(struct io_tree *tree, const struct io_tree_entry *entry)
{
    if (S_ISDIR(entry->stat.st_mode))
        return io_tree_enter(tree);
    return unlinkat(tree->fd, entry->name, 0) == 0 ? 0 : -errno;
}

static int leave_and_remove(struct io_tree *tree)
{
    const char *name;
    int status = io_tree_leave(tree, &name);
    return status != 0 || unlinkat(tree->fd, name, AT_REMOVEDIR) == 0 ? status : -errno;
}

static int remove_contents(struct io_tree *tree)
{
    for (;;) {
        struct io_tree_entry entry;
        int got = io_tree_next(tree, &entry);
        if (got == 0 && tree->depth == 1)
            return 0;
        int status = got < 0 ? got : got == 1 ? remove_entry(tree, &entry) : leave_and_remove(tree);
        if (status != 0)
            return status;
    }
}

int io_tree_remove(int directory_fd, const char *name)
{
    struct io_tree tree;
    int fd = open_directory(directory_fd, name);
    if (fd == -ENOENT)
        return 0;
    if (fd == -ENOTDIR || fd == -ELOOP)
        return unlinkat(directory_fd, name, 0) == 0 ? 0 : -errno;
    if (fd < 0)
        return fd;
    int status = io_tree_start(&tree, fd);
    close(fd);
    if (status == 0)
        status = remove_contents(&tree);
    io_tree_end(&tree);
    return status != 0 || unlinkat(directory_fd, name, AT_REMOVEDIR) == 0 ? status : -errno;
}
