#ifndef IO_TREE_H
#define IO_TREE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

/*
 * Walking over a directory and all that is beneath it, however deep: one fd, and the names of the directories that lead to
 * where the walk is. For directories that nobody else changes meanwhile. Entries come sorted by name (bytes), their
 * access times stay as they are. All functions return 0 (or what is said) or a negative errno.
 */
struct io_tree_level {
    char *text;         /* names, each with its NUL */
    uint32_t *names;    /* places in text */
    uint32_t count, next;
};

struct io_tree {
    int fd; /* of the directory that the walk is in */
    struct io_tree_level *levels;
    uint32_t depth, capacity; /* depth: 1 at the top */
};

struct io_tree_entry {
    const char *name; /* good until the directory is left */
    struct stat stat; /* of itself, if it is a link */
};

/* io_tree_end also after a failure. The fd stays the caller's. */
int io_tree_start(struct io_tree *tree, int directory_fd);
void io_tree_end(struct io_tree *tree);

/* 1: the next entry of this directory; 0: there is none. */
int io_tree_next(struct io_tree *tree, struct io_tree_entry *entry_out);

/* Goes into the entry that was last, a directory. */
int io_tree_enter(struct io_tree *tree);

/* Goes up again, not from the top. *name_out (may be NULL): the directory that was left, good until its parent is. */
int io_tree_leave(struct io_tree *tree, const char **name_out);

/* Removes what has that name, and all beneath it; nothing having it is no error. */
int io_tree_remove(int directory_fd, const char *name);

/* openat for a file that nobody shall notice being read: O_NOATIME where that is allowed, O_CLOEXEC, O_NOFOLLOW. */
int io_tree_open_quietly(int directory_fd, const char *name, int flags);

#endif
