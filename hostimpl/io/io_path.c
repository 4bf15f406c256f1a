#define _GNU_SOURCE

#include "io_path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * Theory. Everything comes down to one primitive: open a path beneath a directory. Linux 5.6 and newer do it in one
 * call (openat2 with RESOLVE_BENEATH); for older kernels, and sandboxes that forbid the call, walk_open does it name by
 * name: each name is opened with O_PATH|O_NOFOLLOW relative to a directory that is already held, links are read from
 * the fd that was opened and spliced into what is left of the path, and `..` goes back to the fd of the directory that was
 * passed through on the way here. So no step depends on what a name means at another time.
 *
 * Calls that act on a name (unlink, rename, ...) open the parent that way and give the kernel the last name alone, for
 * which these calls never follow a link. Calls that act on an object (stat, times, readlink) open it with O_PATH.
 */
enum { WALK_DEPTH = 128, WALK_LINKS = 40, BENEATH_TRIES = 16 };

bool io_path_use_openat2 = true;

static int check_path(struct io_path path)
{
    if (path.size == 0)
        return -ENOENT;
    if (path.size >= PATH_MAX)
        return -ENAMETOOLONG;
    if (memchr(path.data, '\0', path.size) != NULL)
        return -EINVAL;
    return path.data[0] == '/' ? -EPERM : 0;
}

/* --- the walk --- */

struct walk {
    int root;
    int fds[WALK_DEPTH]; /* directories below root that lead to where we are */
    unsigned depth, links;
    char rest[2 * PATH_MAX]; /* what is left of the path; rest_at is the place in it */
    char *at;
    int flags;
    mode_t mode;
};

static int walk_here(const struct walk *walk)
{
    return walk->depth > 0 ? walk->fds[walk->depth - 1] : walk->root;
}

static int walk_up(struct walk *walk)
{
    if (walk->depth == 0)
        return -EPERM;
    close(walk->fds[--walk->depth]);
    return 0;
}

/* Puts a link's target before the rest of the path. */
static int walk_splice(struct walk *walk, int link_fd)
{
    char target[PATH_MAX];
    ssize_t size = readlinkat(link_fd, "", target, sizeof target);
    if (size < 0)
        return -errno;
    if (++walk->links > WALK_LINKS)
        return -ELOOP;
    if (size == 0 || target[0] == '/')
        return size == 0 ? -ENOENT : -EPERM;
    char old[sizeof walk->rest];
    size_t old_size = strlen(walk->at);
    if ((size_t)size + old_size + 1 > sizeof walk->rest || size == sizeof target)
        return -ENAMETOOLONG;
    memcpy(old, walk->at, old_size + 1);
    memcpy(walk->rest, target, (size_t)size);
    memcpy(walk->rest + size, old, old_size + 1); /* begins with a slash, or is empty */
    walk->at = walk->rest;
    return 0;
}

/* Takes the next name; the rest then begins with a slash or is empty. */
static int walk_take(struct walk *walk, char name[NAME_MAX + 1])
{
    size_t size = strcspn(walk->at, "/");
    if (size > NAME_MAX)
        return -ENAMETOOLONG;
    memcpy(name, walk->at, size);
    name[size] = '\0';
    walk->at += size;
    return 0;
}

static bool walk_only_slashes_left(const struct walk *walk)
{
    return walk->at[strspn(walk->at, "/")] == '\0';
}

/* Goes through a name that is not the last, or whose link has to be followed. 1: it was a link, and is spliced. */
static int walk_enter(struct walk *walk, const char *name)
{
    struct stat stat;
    int fd = openat(walk_here(walk), name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int status = fstat(fd, &stat) != 0 ? -errno : 0;
    if (status == 0 && S_ISLNK(stat.st_mode)) {
        status = walk_splice(walk, fd);
        close(fd);
        return status == 0 ? 1 : status;
    }
    if (status == 0 && !S_ISDIR(stat.st_mode))
        status = -ENOTDIR;
    if (status == 0 && walk->depth == WALK_DEPTH)
        status = -ENAMETOOLONG;
    if (status != 0)
        close(fd);
    else
        walk->fds[walk->depth++] = fd;
    return status;
}

static bool is_link(int directory, const char *name)
{
    struct stat stat;
    return fstatat(directory, name, &stat, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(stat.st_mode);
}

/* The last name. Returns the fd; or -EAGAIN: it was a link, walk on. */
static int walk_last(struct walk *walk, const char *name)
{
    bool must_be_directory = *walk->at == '/';
    bool creates_new = (walk->flags & O_CREAT) != 0 && (walk->flags & O_EXCL) != 0;
    bool follow = ((walk->flags & O_NOFOLLOW) == 0 && !creates_new) || must_be_directory;
    if (must_be_directory && (walk->flags & O_CREAT) != 0)
        return -EISDIR;
    if (follow && is_link(walk_here(walk), name)) {
        int status = walk_enter(walk, name);
        if (status == 1)
            return -EAGAIN;
        if (status < 0 && status != -ENOTDIR)
            return status;
        if (status == 0) { /* replaced by a directory meanwhile */
            int here = openat(walk_here(walk), ".", walk->flags & ~O_NOFOLLOW, walk->mode);
            return here >= 0 ? here : -errno;
        }
    }
    int fd = openat(walk_here(walk), name, walk->flags | O_NOFOLLOW | (must_be_directory ? O_DIRECTORY : 0), walk->mode);
    return fd >= 0 ? fd : -errno;
}

static int walk_step(struct walk *walk, int *fd_out)
{
    char name[NAME_MAX + 1];
    walk->at += strspn(walk->at, "/");
    int status = walk_take(walk, name);
    if (status != 0)
        return status;
    bool last = walk_only_slashes_left(walk);
    if (strcmp(name, "..") == 0 && (status = walk_up(walk)) != 0)
        return status;
    if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        if (!last)
            return 0;
        *fd_out = openat(walk_here(walk), ".", walk->flags & ~O_NOFOLLOW, walk->mode);
        return *fd_out >= 0 ? 0 : -errno;
    }
    if (!last) {
        status = walk_enter(walk, name);
        return status == 1 ? 0 : status;
    }
    int fd = walk_last(walk, name);
    if (fd == -EAGAIN)
        return 0;
    *fd_out = fd;
    return fd >= 0 ? 0 : fd;
}

static int walk_open(int root, const char *path, int flags, mode_t mode)
{
    struct walk walk = {.root = root, .flags = flags, .mode = mode};
    walk.at = strcpy(walk.rest, path);
    int fd = -1, status = 0;
    while (status == 0 && fd < 0)
        status = walk_step(&walk, &fd);
    while (walk.depth > 0)
        close(walk.fds[--walk.depth]);
    return status == 0 ? fd : status;
}

/* --- open --- */

/* -ENOSYS: the kernel, or a sandbox, does not offer the call. -EAGAIN: anywhere on the machine something was renamed or
 * mounted while the kernel went over a "..", each time it tried. */
static int beneath_open(int root, const char *path, int flags, mode_t mode)
{
    struct open_how how = {
        .flags = (uint64_t)flags,
        .mode = (flags & O_CREAT) != 0 ? mode : 0,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    long fd = -1;
    for (int i = 0; i < BENEATH_TRIES; i++) {
        fd = syscall(SYS_openat2, root, path, &how, sizeof how);
        if (fd >= 0 || errno != EAGAIN)
            break;
    }
    if (fd < 0)
        return errno == EXDEV ? -EPERM : -errno;
    return (int)fd;
}

/* Sandboxes answer a call they do not know with EPERM, which is also what an escape gives: a probe tells them apart. */
static bool has_openat2(int root)
{
    static int known; /* 0: not yet, 1: no, 2: yes */
    if (known == 0) {
        int fd = beneath_open(root, ".", O_PATH | O_CLOEXEC, 0);
        known = fd < 0 ? 1 : 2;
        if (fd >= 0)
            close(fd);
    }
    return known == 2 && io_path_use_openat2;
}

int io_path_open(int root, struct io_path path, int flags, mode_t mode)
{
    char text[PATH_MAX];
    int status = check_path(path);
    if (status != 0)
        return status;
    memcpy(text, path.data, path.size);
    text[path.size] = '\0';
    flags |= O_CLOEXEC | ((flags & O_PATH) != 0 ? 0 : O_NOCTTY | O_NONBLOCK);
    int fd = has_openat2(root) ? beneath_open(root, text, flags, mode) : -EAGAIN;
    return fd == -EAGAIN ? walk_open(root, text, flags, mode) : fd;
}

/* --- by parent and name --- */

struct parent {
    int fd; /* root itself, if the path is a name alone */
    bool opened;
    char name[NAME_MAX + 2]; /* with a slash at the end if the path has any */
};

static void parent_close(struct parent *parent)
{
    if (parent->opened)
        close(parent->fd);
}

/* 0 if the path names a directory beneath root. */
static int check_directory(int root, struct io_path path)
{
    int fd = io_path_open(root, path, O_PATH | O_DIRECTORY, 0);
    if (fd < 0)
        return fd;
    close(fd);
    return 0;
}

static int parent_open(int root, struct io_path path, struct parent *out)
{
    int status = check_path(path);
    if (status != 0)
        return status;
    size_t end = path.size;
    while (end > 0 && path.data[end - 1] == '/')
        end--;
    size_t start = end;
    while (start > 0 && path.data[start - 1] != '/')
        start--;
    if (end - start > NAME_MAX)
        return -ENAMETOOLONG;
    snprintf(out->name, sizeof out->name, "%.*s%s", (int)(end - start), path.data + start, end < path.size ? "/" : "");
    if (end - start == 2 && memcmp(path.data + start, "..", 2) == 0 && (status = check_directory(root, path)) != 0)
        return status;
    out->opened = start > 0;
    out->fd = start > 0 ? io_path_open(root, (struct io_path){path.data, start}, O_PATH | O_DIRECTORY, 0) : root;
    return out->fd < 0 ? out->fd : 0;
}

static int status_of(int result)
{
    return result < 0 ? -errno : 0;
}

int io_path_make_directory(int root, struct io_path path)
{
    struct parent parent;
    int status = parent_open(root, path, &parent);
    if (status != 0)
        return status;
    status = status_of(mkdirat(parent.fd, parent.name, 0777));
    parent_close(&parent);
    return status;
}

static int remove_name(int root, struct io_path path, int flags)
{
    struct parent parent;
    int status = parent_open(root, path, &parent);
    if (status != 0)
        return status;
    status = status_of(unlinkat(parent.fd, parent.name, flags));
    parent_close(&parent);
    return status;
}

int io_path_remove_directory(int root, struct io_path path)
{
    return remove_name(root, path, AT_REMOVEDIR);
}

int io_path_unlink(int root, struct io_path path)
{
    return remove_name(root, path, 0);
}

/* Both parents, then act(old, new). */
static int with_parents(int old_root, struct io_path old_path, int new_root, struct io_path new_path,
                        int (*act)(const struct parent *from, const struct parent *to))
{
    struct parent from, to;
    int status = parent_open(old_root, old_path, &from);
    if (status != 0)
        return status;
    status = parent_open(new_root, new_path, &to);
    if (status == 0) {
        status = status_of(act(&from, &to));
        parent_close(&to);
    }
    parent_close(&from);
    return status;
}

static int act_rename(const struct parent *from, const struct parent *to)
{
    return renameat(from->fd, from->name, to->fd, to->name);
}

int io_path_rename(int old_root, struct io_path old_path, int new_root, struct io_path new_path)
{
    return with_parents(old_root, old_path, new_root, new_path, act_rename);
}

static int act_link(const struct parent *from, const struct parent *to)
{
    return linkat(from->fd, from->name, to->fd, to->name, 0);
}

int io_path_link(int old_root, struct io_path old_path, int new_root, struct io_path new_path)
{
    int status = check_path(old_path);
    if (status != 0)
        return status;
    if (old_path.data[old_path.size - 1] == '/') { /* linkat would follow a link here; and directories have no links */
        status = check_directory(old_root, old_path);
        return status != 0 ? status : -EPERM;
    }
    return with_parents(old_root, old_path, new_root, new_path, act_link);
}

int io_path_symlink(struct io_path target, int root, struct io_path path)
{
    char text[PATH_MAX];
    struct parent parent;
    int status = check_path(target);
    if (status == 0)
        status = parent_open(root, path, &parent);
    if (status != 0)
        return status;
    memcpy(text, target.data, target.size);
    text[target.size] = '\0';
    status = status_of(symlinkat(text, parent.fd, parent.name));
    parent_close(&parent);
    return status;
}

/* --- by object --- */

static int object_open(int root, struct io_path path, bool follow)
{
    return io_path_open(root, path, O_PATH | (follow ? 0 : O_NOFOLLOW), 0);
}

/* A name alone, which leads nowhere else unless it is a link that is followed. */
static bool stat_name(int root, struct io_path path, bool follow, struct stat *out)
{
    char name[NAME_MAX + 1];
    if (path.size > NAME_MAX || check_path(path) != 0 || memchr(path.data, '/', path.size) != NULL ||
        (path.size == 2 && memcmp(path.data, "..", 2) == 0))
        return false;
    memcpy(name, path.data, path.size);
    name[path.size] = '\0';
    return fstatat(root, name, out, AT_SYMLINK_NOFOLLOW) == 0 && !(follow && S_ISLNK(out->st_mode));
}

int io_path_stat(int root, struct io_path path, bool follow, struct stat *out)
{
    if (stat_name(root, path, follow, out))
        return 0;
    int fd = object_open(root, path, follow);
    if (fd < 0)
        return fd;
    int status = status_of(fstat(fd, out));
    close(fd);
    return status;
}

int io_path_set_fd_times(int fd, const struct timespec times[2])
{
    if (utimensat(fd, "", times, AT_EMPTY_PATH) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOENT && errno != ENOSYS)
        return -errno;
    /* before Linux 5.8; of a link the times stay as they are */
    char magic[40];
    snprintf(magic, sizeof magic, "/proc/self/fd/%d", fd);
    return status_of(utimensat(AT_FDCWD, magic, times, 0));
}

int io_path_set_times(int root, struct io_path path, bool follow, const struct timespec times[2])
{
    int fd = object_open(root, path, follow);
    if (fd < 0)
        return fd;
    int status = io_path_set_fd_times(fd, times);
    close(fd);
    return status;
}

/* A link whose target is absolute leads out: EPERM, as when it is followed. */
ssize_t io_path_readlink(int root, struct io_path path, char *buffer, size_t size)
{
    struct stat stat;
    int fd = object_open(root, path, false);
    if (fd < 0)
        return fd;
    ssize_t result = fstat(fd, &stat) != 0 ? -errno : S_ISLNK(stat.st_mode) ? 0 : -EINVAL;
    if (result == 0 && (result = readlinkat(fd, "", buffer, size)) < 0)
        result = -errno;
    if (result > 0 && buffer[0] == '/')
        result = -EPERM;
    close(fd);
    return result;
}
