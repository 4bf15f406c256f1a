#define _GNU_SOURCE

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "durable.h"
#include "ga_hash.h"
#include "ga_limits.h"
#include "ga_utf8.h"
#include "wasi_file.h"
#include "wasi_filesystem.h"

/*
 * wasi:filesystem/types. Nothing is recorded but the times that stat shows: in replay all operations are executed
 * again on a fresh private directory, where they have the same results, and the recorded times are given to the file.
 * Each function's work is done by a static one which returns a negative errno, or 0 and up.
 */
enum {
    FLAG_READ = WASI_FILESYSTEM_TYPES_DESCRIPTOR_FLAGS_READ,
    FLAG_WRITE = WASI_FILESYSTEM_TYPES_DESCRIPTOR_FLAGS_WRITE,
    MAX_READ_BYTES = 1 << 20, /* of one call */
    TOO_MUCH = -EMFILE, /* a limit of ours, the same in every process, unlike ENOMEM; for the guest both are insufficient-memory */
};

typedef struct result_void_wasi_filesystem_types_error_code void_result;
typedef struct result_handle_wasi_filesystem_types_error_code handle_result;
typedef struct result_u64_wasi_filesystem_types_error_code u64_result;
typedef struct result_string_wasi_filesystem_types_error_code string_result;
typedef struct result_tuple_list_bool_wasi_filesystem_types_error_code read_result;
typedef struct result_wasi_filesystem_types_descriptor_flags_wasi_filesystem_types_error_code flags_result;
typedef struct result_wasi_filesystem_types_descriptor_type_wasi_filesystem_types_error_code type_result;
typedef struct result_wasi_filesystem_types_descriptor_stat_wasi_filesystem_types_error_code stat_result;
typedef struct result_wasi_filesystem_types_metadata_hash_value_wasi_filesystem_types_error_code hash_result;
typedef struct result_option_wasi_filesystem_types_directory_entry_wasi_filesystem_types_error_code entry_result;
typedef struct wasi_filesystem_types_new_timestamp new_timestamp;
typedef struct option_wasi_clocks_wall_clock_datetime maybe_datetime;
typedef struct golem_aot_recorded_values_file_times file_times;

/* Sets result_out to the error if there is one; true if there is none. */
#define SUCCEEDED(result_out, status)           \
    (wasi_file_status(worker, (status)) >= 0 || \
     ((result_out)->tag = 1, (result_out)->value.err = wasi_error_code((int)-(status)), false))

static void drop_descriptor(struct worker *worker, uint32_t rep, void *record, void *live)
{
    (void)rep;
    (void)live;
    wasi_file_release(worker, ((struct wasi_descriptor *)record)->file);
}

const struct host_resource_type wasi_filesystem_types_descriptor_type = {
    .name = "wasi:filesystem/types.descriptor",
    .record_size = sizeof(struct wasi_descriptor),
    .drop = drop_descriptor,
};

uint32_t wasi_descriptor_new(struct worker *worker, uint32_t file)
{
    uint32_t rep;
    struct wasi_descriptor *descriptor = host_resource_new(worker, &wasi_filesystem_types_descriptor_type, &rep);
    descriptor->file = file;
    return rep;
}

/* The rep of the descriptor's file. */
static uint32_t file_of(struct worker *worker, uint32_t self)
{
    return ((struct wasi_descriptor *)host_resource_get(worker, &wasi_filesystem_types_descriptor_type, self))->file;
}

static int any_fd(struct worker *worker, uint32_t self)
{
    return wasi_file_fd(worker, file_of(worker, self));
}

static int directory_fd(struct worker *worker, uint32_t self)
{
    return wasi_file_directory_fd(worker, file_of(worker, self));
}

static int data_fd(struct worker *worker, uint32_t self)
{
    return wasi_file_data_fd(worker, file_of(worker, self));
}

static struct io_path path_of(struct cabi_string text)
{
    return (struct io_path){text.data, text.size};
}

static bool follows(uint32_t path_flags)
{
    return (path_flags & WASI_FILESYSTEM_TYPES_PATH_FLAGS_SYMLINK_FOLLOW) != 0;
}

static int status_of(int result)
{
    return result < 0 ? -errno : 0;
}

/* Before something is done to a name, or to what it stands for: -EPERM if that is a worker's read-only file. Whether there is
 * such a thing at all, the change itself says best. */
static int check_name(struct worker *worker, int root, struct cabi_string path, bool follow)
{
    struct stat stat;
    if (!worker_has_read_only_files(worker) || io_path_stat(root, path_of(path), follow, &stat) != 0)
        return 0;
    return wasi_file_check_writable(worker, &stat);
}

/* The same for a name that is to stand elsewhere: neither may what leads to a read-only file. */
static int check_moving(struct worker *worker, int root, struct cabi_string path)
{
    struct stat stat;
    if (!worker_has_read_only_files(worker) || io_path_stat(root, path_of(path), false, &stat) != 0)
        return 0;
    if (S_ISDIR(stat.st_mode) && worker_directory_is_pinned(worker, stat.st_ino))
        return -EPERM;
    return wasi_file_check_writable(worker, &stat);
}

/* --- streams and data --- */

/* The descriptor's file if it is no directory and was opened with the flag. */
static int stream_file(struct worker *worker, uint32_t self, uint32_t flag, uint32_t *file_out)
{
    *file_out = file_of(worker, self);
    int fd = wasi_file_data_fd_for(worker, *file_out, flag);
    return fd < 0 ? fd : 0;
}

void wasi_filesystem_types_descriptor_read_via_stream(struct worker *worker, uint32_t self, uint64_t offset,
                                                      handle_result *result_out)
{
    uint32_t file;
    int status = stream_file(worker, self, FLAG_READ, &file);
    if (SUCCEEDED(result_out, status))
        result_out->value.ok = wasi_file_input_stream(worker, file, offset);
}

void wasi_filesystem_types_descriptor_write_via_stream(struct worker *worker, uint32_t self, uint64_t offset,
                                                       handle_result *result_out)
{
    uint32_t file;
    int status = stream_file(worker, self, FLAG_WRITE, &file);
    if (SUCCEEDED(result_out, status))
        result_out->value.ok = wasi_file_output_stream(worker, file, offset);
}

void wasi_filesystem_types_descriptor_append_via_stream(struct worker *worker, uint32_t self, handle_result *result_out)
{
    uint32_t file;
    int status = stream_file(worker, self, FLAG_WRITE, &file);
    if (SUCCEEDED(result_out, status))
        result_out->value.ok = wasi_file_append_stream(worker, file);
}

void wasi_filesystem_types_descriptor_read(struct worker *worker, uint32_t self, uint64_t length, uint64_t offset,
                                           read_result *result_out)
{
    size_t size = length < MAX_READ_BYTES ? (size_t)length : MAX_READ_BYTES;
    void *buffer = ga_arena_alloc_raw(worker_scratch(worker), size);
    ssize_t got = wasi_file_read_at(worker, file_of(worker, self), buffer, size, offset);
    if (SUCCEEDED(result_out, got)) {
        result_out->value.ok.f0 = (struct cabi_list){buffer, (size_t)got};
        result_out->value.ok.f1 = got == 0;
    }
}

void wasi_filesystem_types_descriptor_write(struct worker *worker, uint32_t self, struct cabi_list buffer,
                                            uint64_t offset, u64_result *result_out)
{
    ssize_t got = wasi_file_write_at(worker, file_of(worker, self), buffer.items, buffer.count, offset);
    if (SUCCEEDED(result_out, got))
        result_out->value.ok = (uint64_t)got;
}

static const int advices[] = {
    [WASI_FILESYSTEM_TYPES_ADVICE_NORMAL] = POSIX_FADV_NORMAL,
    [WASI_FILESYSTEM_TYPES_ADVICE_SEQUENTIAL] = POSIX_FADV_SEQUENTIAL,
    [WASI_FILESYSTEM_TYPES_ADVICE_RANDOM] = POSIX_FADV_RANDOM,
    [WASI_FILESYSTEM_TYPES_ADVICE_WILL_NEED] = POSIX_FADV_WILLNEED,
    [WASI_FILESYSTEM_TYPES_ADVICE_DONT_NEED] = POSIX_FADV_DONTNEED,
    [WASI_FILESYSTEM_TYPES_ADVICE_NO_REUSE] = POSIX_FADV_NOREUSE,
};

static int advise(struct worker *worker, uint32_t self, uint64_t offset, uint64_t length, uint32_t advice)
{
    int fd = data_fd(worker, self);
    if (fd < 0)
        return fd;
    if (offset > INT64_MAX || length > INT64_MAX)
        return -EINVAL;
    return -posix_fadvise(fd, (off_t)offset, (off_t)length, advices[advice]);
}

void wasi_filesystem_types_descriptor_advise(struct worker *worker, uint32_t self, uint64_t offset, uint64_t length,
                                             uint32_t advice, void_result *result_out)
{
    int status = advise(worker, self, offset, length, advice);
    (void)SUCCEEDED(result_out, status);
}

/* EINVAL: what the fd refers to cannot be synced (a pipe), so there is nothing to do. */
static int synced(int result)
{
    int status = status_of(result);
    return status == -EINVAL || status == -EROFS ? 0 : status;
}

/* A worker's own files are made anew from the oplog or a checkpoint: there is nothing to sync. */
static int sync_with(struct worker *worker, uint32_t self, int (*sync)(int fd))
{
    int fd = any_fd(worker, self);
    return fd < 0 || !worker_is_command(worker) ? fd : synced(sync(fd));
}

void wasi_filesystem_types_descriptor_sync_data(struct worker *worker, uint32_t self, void_result *result_out)
{
    int status = sync_with(worker, self, fdatasync);
    (void)SUCCEEDED(result_out, status);
}

void wasi_filesystem_types_descriptor_sync(struct worker *worker, uint32_t self, void_result *result_out)
{
    int status = sync_with(worker, self, fsync);
    (void)SUCCEEDED(result_out, status);
}

void wasi_filesystem_types_descriptor_set_size(struct worker *worker, uint32_t self, uint64_t size,
                                               void_result *result_out)
{
    int status = wasi_file_set_size(worker, file_of(worker, self), size);
    (void)SUCCEEDED(result_out, status);
}

/* --- what a descriptor is --- */

static uint32_t type_of_mode(mode_t mode)
{
    static const struct {
        mode_t mode;
        uint32_t type;
    } types[] = {
        {S_IFBLK, WASI_FILESYSTEM_TYPES_DESCRIPTOR_TYPE_BLOCK_DEVICE},
        {S_IFCHR, WASI_FILESYSTEM_TYPES_DESCRIPTOR_TYPE_CHARACTER_DEVICE},
        {S_IFDIR, WASI_FILESYSTEM_TYPES_DESCRIPTOR_TYPE_DIRECTORY},
        {S_IFIFO, WASI_FILESYSTEM_TYPES_DESCRIPTOR_TYPE_FIFO},
        {S_IFLNK, WASI_FILESYSTEM_TYPES_DESCRIPTOR_TYPE_SYMBOLIC_LINK},
        {S_IFREG, WASI_FILESYSTEM_TYPES_DESCRIPTOR_TYPE_REGULAR_FILE},
        {S_IFSOCK, WASI_FILESYSTEM_TYPES_DESCRIPTOR_TYPE_SOCKET},
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if ((mode & S_IFMT) == types[i].mode)
            return types[i].type;
    return WASI_FILESYSTEM_TYPES_DESCRIPTOR_TYPE_UNKNOWN;
}

void wasi_filesystem_types_descriptor_get_flags(struct worker *worker, uint32_t self, flags_result *result_out)
{
    result_out->value.ok = wasi_file_get(worker, file_of(worker, self))->flags;
}

static int stat_descriptor(struct worker *worker, uint32_t self, struct stat *out)
{
    int fd = any_fd(worker, self);
    return fd < 0 ? fd : status_of(fstat(fd, out));
}

void wasi_filesystem_types_descriptor_get_type(struct worker *worker, uint32_t self, type_result *result_out)
{
    result_out->value.ok = type_of_mode(wasi_file_get(worker, file_of(worker, self))->mode);
}

bool wasi_filesystem_types_descriptor_is_same_object(struct worker *worker, uint32_t self, uint32_t other)
{
    struct stat a, b;
    return stat_descriptor(worker, self, &a) == 0 && stat_descriptor(worker, other, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

/* --- times --- */

static maybe_datetime datetime_of(struct timespec time)
{
    maybe_datetime datetime = {.tag = time.tv_sec >= 0 ? 1 : 0};
    if (datetime.tag == 1)
        datetime.value.some = (struct wasi_clocks_wall_clock_datetime){(uint64_t)time.tv_sec, (uint32_t)time.tv_nsec};
    return datetime;
}

/* nothing: left as it is */
static struct timespec timespec_of(const maybe_datetime *datetime)
{
    if (datetime->tag == 0)
        return (struct timespec){.tv_nsec = UTIME_OMIT};
    return (struct timespec){(time_t)datetime->value.some.seconds, (long)datetime->value.some.nanoseconds};
}

static int timespec_of_new(const new_timestamp *wanted, struct timespec *out)
{
    const struct wasi_clocks_wall_clock_datetime *timestamp = &wanted->value.timestamp;
    *out = (struct timespec){.tv_nsec = wanted->tag == WASI_FILESYSTEM_TYPES_NEW_TIMESTAMP_NOW ? UTIME_NOW : UTIME_OMIT};
    if (wanted->tag != WASI_FILESYSTEM_TYPES_NEW_TIMESTAMP_TIMESTAMP)
        return 0;
    if (timestamp->nanoseconds >= 1000000000u)
        return -EINVAL;
    if (timestamp->seconds > INT64_MAX)
        return -EOVERFLOW;
    *out = (struct timespec){(time_t)timestamp->seconds, (long)timestamp->nanoseconds};
    return 0;
}

static int timespecs_of_new(const new_timestamp *access, const new_timestamp *modification, struct timespec out[2])
{
    int status = timespec_of_new(access, &out[0]);
    return status != 0 ? status : timespec_of_new(modification, &out[1]);
}

static int set_times(struct worker *worker, uint32_t self, const new_timestamp *access,
                     const new_timestamp *modification)
{
    struct timespec times[2];
    int fd = any_fd(worker, self);
    int status = fd < 0 ? fd : timespecs_of_new(access, modification, times);
    if (status == 0 && wasi_file_get(worker, file_of(worker, self))->read_only)
        status = -EPERM;
    return status != 0 ? status : status_of(futimens(fd, times));
}

void wasi_filesystem_types_descriptor_set_times(struct worker *worker, uint32_t self,
                                                const new_timestamp *data_access_timestamp,
                                                const new_timestamp *data_modification_timestamp,
                                                void_result *result_out)
{
    int status = set_times(worker, self, data_access_timestamp, data_modification_timestamp);
    (void)SUCCEEDED(result_out, status);
}

static int set_times_at(struct worker *worker, uint32_t self, uint32_t path_flags, struct cabi_string path,
                        const new_timestamp *access, const new_timestamp *modification)
{
    struct timespec times[2];
    int fd = directory_fd(worker, self);
    int status = fd < 0 ? fd : timespecs_of_new(access, modification, times);
    if (status == 0)
        status = check_name(worker, fd, path, follows(path_flags));
    return status != 0 ? status : io_path_set_times(fd, path_of(path), follows(path_flags), times);
}

void wasi_filesystem_types_descriptor_set_times_at(struct worker *worker, uint32_t self, uint32_t path_flags,
                                                   struct cabi_string path, const new_timestamp *data_access_timestamp,
                                                   const new_timestamp *data_modification_timestamp,
                                                   void_result *result_out)
{
    int status = set_times_at(worker, self, path_flags, path, data_access_timestamp, data_modification_timestamp);
    (void)SUCCEEDED(result_out, status);
}

/* --- stat --- */

/* The object of a stat, and what is known of it. fd: O_PATH will do. */
struct seen {
    int fd;
    struct stat stat;
    file_times times;
};

static void make_times(void *context, void *result)
{
    const struct seen *seen = context;
    *(file_times *)result = (file_times){datetime_of(seen->stat.st_atim), datetime_of(seen->stat.st_mtim)};
}

/* How large a directory is, and how many links it has, is the file system's affair: it is not the same when the worker's files
 * are made again, and nobody records it. */
static void hide_directory(struct stat *stat)
{
    if (!S_ISDIR(stat->st_mode))
        return;
    stat->st_size = 0;
    stat->st_nlink = 1;
}

/*
 * The times of a file differ from run to run, so a worker records what it saw; in replay the file gets those times, as
 * set-times and later stats may build on them. A failing stat is not recorded: it fails again in replay.
 */
static void record_times(struct worker *worker, const char *record_name, struct cabi_string path, struct seen *seen)
{
    if (worker_is_command(worker)) {
        make_times(seen, &seen->times);
        return;
    }
    hide_directory(&seen->stat);
    bool replaying = worker_replaying(worker);
    durable_value(worker, record_name, DURABLE_READ_LOCAL, host_type_golem_aot_recorded_values_path, &path,
                  host_type_golem_aot_recorded_values_file_times, &seen->times, make_times, seen);
    const struct timespec times[2] = {timespec_of(&seen->times.data_access_timestamp),
                                      timespec_of(&seen->times.data_modification_timestamp)};
    if (replaying)
        (void)io_path_set_fd_times(seen->fd, times); /* what it shows is in seen->times in any case */
}

/* seen_out->fd belongs to the descriptor. */
static int see(struct worker *worker, uint32_t self, struct seen *seen_out)
{
    const struct wasi_file *file = wasi_file_get(worker, file_of(worker, self));
    seen_out->fd = any_fd(worker, self);
    int status = seen_out->fd < 0 ? seen_out->fd : status_of(fstat(seen_out->fd, &seen_out->stat));
    if (status == 0)
        record_times(worker, host_wasi_filesystem_types_descriptor_stat.record_name,
                     (struct cabi_string){file->path, file->path_size}, seen_out);
    return status;
}

/* In replay the object gets the times that were recorded, so it is opened. */
static int see_again_at(struct worker *worker, int root, bool follow, struct cabi_string path, struct seen *seen_out)
{
    seen_out->fd = io_path_open(root, path_of(path), O_PATH | (follow ? 0 : O_NOFOLLOW), 0);
    if (seen_out->fd < 0)
        return seen_out->fd;
    int status = status_of(fstat(seen_out->fd, &seen_out->stat));
    if (status == 0)
        record_times(worker, host_wasi_filesystem_types_descriptor_stat_at.record_name, path, seen_out);
    close(seen_out->fd);
    return status;
}

static int see_at(struct worker *worker, uint32_t self, uint32_t path_flags, struct cabi_string path,
                  struct seen *seen_out)
{
    int root = directory_fd(worker, self);
    if (root < 0)
        return root;
    if (worker_replaying(worker))
        return see_again_at(worker, root, follows(path_flags), path, seen_out);
    int status = io_path_stat(root, path_of(path), follows(path_flags), &seen_out->stat);
    if (status == 0)
        record_times(worker, host_wasi_filesystem_types_descriptor_stat_at.record_name, path, seen_out);
    return status;
}

/* Golem shows no time of the last status change: it cannot be set again in replay. */
static void put_stat(struct worker *worker, const struct seen *seen, struct wasi_filesystem_types_descriptor_stat *out)
{
    out->type = type_of_mode(seen->stat.st_mode);
    out->link_count = seen->stat.st_nlink;
    out->size = (uint64_t)seen->stat.st_size;
    out->data_access_timestamp = seen->times.data_access_timestamp;
    out->data_modification_timestamp = seen->times.data_modification_timestamp;
    if (worker_is_command(worker))
        out->status_change_timestamp = datetime_of(seen->stat.st_ctim);
}

void wasi_filesystem_types_descriptor_stat(struct worker *worker, uint32_t self, stat_result *result_out)
{
    struct seen seen = {0};
    int status = see(worker, self, &seen);
    if (SUCCEEDED(result_out, status))
        put_stat(worker, &seen, &result_out->value.ok);
}

void wasi_filesystem_types_descriptor_stat_at(struct worker *worker, uint32_t self, uint32_t path_flags,
                                              struct cabi_string path, stat_result *result_out)
{
    struct seen seen = {0};
    int status = see_at(worker, self, path_flags, path, &seen);
    if (SUCCEEDED(result_out, status))
        put_stat(worker, &seen, &result_out->value.ok);
}

/* A command's files keep their inodes; a worker's are made anew in replay, so there it is modification time and size (as
 * in Golem), which are the same again. */
static struct wasi_filesystem_types_metadata_hash_value hash_of(struct worker *worker, const struct seen *seen)
{
    const struct wasi_clocks_wall_clock_datetime *modified = &seen->times.data_modification_timestamp.value.some;
    uint64_t identity[3] = {seen->stat.st_dev, seen->stat.st_ino, 0};
    uint64_t content[3] = {modified->seconds, modified->nanoseconds, (uint64_t)seen->stat.st_size};
    const void *hashed = worker_is_command(worker) ? identity : content;
    return (struct wasi_filesystem_types_metadata_hash_value){ga_hash64(hashed, sizeof identity, 0),
                                                              ga_hash64(hashed, sizeof identity, 1)};
}

void wasi_filesystem_types_descriptor_metadata_hash(struct worker *worker, uint32_t self, hash_result *result_out)
{
    struct seen seen = {0};
    int status = see(worker, self, &seen);
    if (SUCCEEDED(result_out, status))
        result_out->value.ok = hash_of(worker, &seen);
}

void wasi_filesystem_types_descriptor_metadata_hash_at(struct worker *worker, uint32_t self, uint32_t path_flags,
                                                       struct cabi_string path, hash_result *result_out)
{
    struct seen seen = {0};
    int status = see_at(worker, self, path_flags, path, &seen);
    if (SUCCEEDED(result_out, status))
        result_out->value.ok = hash_of(worker, &seen);
}

/* --- opening --- */

/* A set of WASI flags and open(2)'s for them. */
static const struct {
    uint32_t flag;
    int open_flag;
} open_flag_table[] =
    {
        {WASI_FILESYSTEM_TYPES_OPEN_FLAGS_CREATE, O_CREAT},
        {WASI_FILESYSTEM_TYPES_OPEN_FLAGS_DIRECTORY, O_DIRECTORY},
        {WASI_FILESYSTEM_TYPES_OPEN_FLAGS_EXCLUSIVE, O_EXCL},
        {WASI_FILESYSTEM_TYPES_OPEN_FLAGS_TRUNCATE, O_TRUNC},
},
  descriptor_flag_table[] = {
      {WASI_FILESYSTEM_TYPES_DESCRIPTOR_FLAGS_FILE_INTEGRITY_SYNC, O_SYNC},
      {WASI_FILESYSTEM_TYPES_DESCRIPTOR_FLAGS_DATA_INTEGRITY_SYNC, O_DSYNC},
      {WASI_FILESYSTEM_TYPES_DESCRIPTOR_FLAGS_REQUESTED_WRITE_SYNC, O_RSYNC},
};

static int posix_open_flags(uint32_t path_flags, uint32_t open_flags, uint32_t flags)
{
    int result = (flags & FLAG_WRITE) == 0 ? O_RDONLY : (flags & FLAG_READ) != 0 ? O_RDWR : O_WRONLY;
    for (size_t i = 0; i < sizeof open_flag_table / sizeof *open_flag_table; i++)
        if ((open_flags & open_flag_table[i].flag) != 0)
            result |= open_flag_table[i].open_flag;
    for (size_t i = 0; i < sizeof descriptor_flag_table / sizeof *descriptor_flag_table; i++)
        if ((flags & descriptor_flag_table[i].flag) != 0)
            result |= descriptor_flag_table[i].open_flag;
    return result | (follows(path_flags) ? 0 : O_NOFOLLOW);
}

static int open_at(struct worker *worker, uint32_t self, uint32_t path_flags, struct cabi_string path,
                   uint32_t open_flags, uint32_t flags, uint32_t *file_out)
{
    int posix_flags = posix_open_flags(path_flags, open_flags, flags);
    if ((posix_flags & O_DIRECTORY) != 0 && (posix_flags & (O_CREAT | O_EXCL | O_TRUNC)) != 0)
        return -EINVAL;
    if ((posix_flags & O_CREAT) == 0) /* alone it means nothing, and open(2) leaves it undefined */
        posix_flags &= ~O_EXCL;
    if ((flags & FLAG_WRITE) == 0) /* open(2) knows no file that is neither */
        flags |= FLAG_READ;
    return wasi_file_open_at(worker, file_of(worker, self), path_of(path), posix_flags, flags, file_out);
}

void wasi_filesystem_types_descriptor_open_at(struct worker *worker, uint32_t self, uint32_t path_flags,
                                              struct cabi_string path, uint32_t open_flags, uint32_t flags,
                                              handle_result *result_out)
{
    uint32_t file;
    int status = open_at(worker, self, path_flags, path, open_flags, flags, &file);
    if (SUCCEEDED(result_out, status))
        result_out->value.ok = wasi_descriptor_new(worker, file);
}

/* --- directories --- */

static int change_name(struct worker *worker, uint32_t self, struct cabi_string path,
                       int (*change)(int root, struct io_path path))
{
    int fd = directory_fd(worker, self);
    if (fd < 0)
        return fd;
    return change(fd, path_of(path));
}

void wasi_filesystem_types_descriptor_create_directory_at(struct worker *worker, uint32_t self, struct cabi_string path,
                                                          void_result *result_out)
{
    int status = change_name(worker, self, path, io_path_make_directory);
    (void)SUCCEEDED(result_out, status);
}

void wasi_filesystem_types_descriptor_remove_directory_at(struct worker *worker, uint32_t self, struct cabi_string path,
                                                          void_result *result_out)
{
    int status = change_name(worker, self, path, io_path_remove_directory);
    (void)SUCCEEDED(result_out, status);
}

void wasi_filesystem_types_descriptor_unlink_file_at(struct worker *worker, uint32_t self, struct cabi_string path,
                                                     void_result *result_out)
{
    int fd = directory_fd(worker, self), status = fd < 0 ? fd : check_name(worker, fd, path, false);
    if (status == 0)
        status = io_path_unlink(fd, path_of(path));
    (void)SUCCEEDED(result_out, status);
}

static int rename_at(struct worker *worker, uint32_t self, struct cabi_string old_path, uint32_t other,
                     struct cabi_string new_path)
{
    int from = directory_fd(worker, self), to = directory_fd(worker, other);
    if (from < 0 || to < 0)
        return from < 0 ? from : to;
    int status = check_moving(worker, from, old_path);
    if (status == 0)
        status = check_name(worker, to, new_path, false);
    return status != 0 ? status : io_path_rename(from, path_of(old_path), to, path_of(new_path));
}

void wasi_filesystem_types_descriptor_rename_at(struct worker *worker, uint32_t self, struct cabi_string old_path,
                                                uint32_t new_descriptor, struct cabi_string new_path,
                                                void_result *result_out)
{
    int status = rename_at(worker, self, old_path, new_descriptor, new_path);
    (void)SUCCEEDED(result_out, status);
}

static int link_at(struct worker *worker, uint32_t self, struct cabi_string old_path, uint32_t other,
                   struct cabi_string new_path)
{
    int from = directory_fd(worker, self), to = directory_fd(worker, other);
    if (from < 0 || to < 0)
        return from < 0 ? from : to;
    return io_path_link(from, path_of(old_path), to, path_of(new_path));
}

void wasi_filesystem_types_descriptor_link_at(struct worker *worker, uint32_t self, uint32_t old_path_flags,
                                              struct cabi_string old_path, uint32_t new_descriptor,
                                              struct cabi_string new_path, void_result *result_out)
{
    int status = follows(old_path_flags) ? -EINVAL : link_at(worker, self, old_path, new_descriptor, new_path);
    (void)SUCCEEDED(result_out, status);
}

void wasi_filesystem_types_descriptor_symlink_at(struct worker *worker, uint32_t self, struct cabi_string old_path,
                                                 struct cabi_string new_path, void_result *result_out)
{
    int fd = directory_fd(worker, self);
    int status = fd < 0 ? fd : io_path_symlink(path_of(old_path), fd, path_of(new_path));
    (void)SUCCEEDED(result_out, status);
}

void wasi_filesystem_types_descriptor_readlink_at(struct worker *worker, uint32_t self, struct cabi_string path,
                                                  string_result *result_out)
{
    char *buffer = worker_alloc(worker, PATH_MAX);
    int fd = directory_fd(worker, self);
    ssize_t status = fd < 0 ? fd : io_path_readlink(fd, path_of(path), buffer, PATH_MAX);
    if (status >= 0 && !ga_utf8_valid((const uint8_t *)buffer, (size_t)status))
        status = -EILSEQ;
    if (SUCCEEDED(result_out, status))
        result_out->value.ok = (struct cabi_string){buffer, (size_t)status};
}

/* --- listings --- */

/* The record: the directory as it was when the listing was begun, sorted by name, for replay. */
struct entry_stream {
    char *entries; /* host_memory: for each a byte for its type, and its name with a NUL */
    uint32_t size, position;
};

static void drop_entry_stream(struct worker *worker, uint32_t rep, void *record, void *live)
{
    const struct entry_stream *stream = record;
    (void)rep;
    (void)live;
    if (stream->entries != NULL)
        host_memory_free(worker, stream->entries, stream->size);
}

const struct host_resource_type wasi_filesystem_types_directory_entry_stream_type = {
    .name = "wasi:filesystem/types.directory-entry-stream",
    .record_size = sizeof(struct entry_stream),
    .drop = drop_entry_stream,
};

/* Entries as readdir gives them, and where each begins. */
struct listing {
    struct ga_buf entries, places;
};

static int listing_add(struct listing *listing, int directory_fd, const struct dirent *entry)
{
    struct stat stat = {.st_mode = DTTOIF(entry->d_type)};
    size_t size = strlen(entry->d_name) + 1;
    if (entry->d_type == DT_UNKNOWN && fstatat(directory_fd, entry->d_name, &stat, AT_SYMLINK_NOFOLLOW) != 0)
        stat.st_mode = 0;
    if (listing->entries.size + 1 + size > GA_MAX_LISTING_BYTES)
        return TOO_MUCH;
    ga_buf_append(&listing->places, &(uint32_t){(uint32_t)listing->entries.size}, sizeof(uint32_t));
    ga_buf_u8(&listing->entries, (uint8_t)type_of_mode(stat.st_mode));
    ga_buf_append(&listing->entries, entry->d_name, size);
    return 0;
}

static int listing_fill(struct listing *listing, DIR *directory, int directory_fd)
{
    int status = 0;
    while (status == 0) {
        errno = 0;
        const struct dirent *entry = readdir(directory);
        if (entry == NULL)
            return -errno;
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            status = listing_add(listing, directory_fd, entry);
    }
    return status;
}

static int by_name(const void *a, const void *b, void *entries)
{
    return strcmp((const char *)entries + *(const uint32_t *)a + 1, (const char *)entries + *(const uint32_t *)b + 1);
}

static int listing_read(struct listing *listing, int directory_fd)
{
    int fd = openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    if (directory == NULL) {
        int error = errno;
        if (fd >= 0)
            close(fd);
        return -error;
    }
    int status = listing_fill(listing, directory, directory_fd);
    closedir(directory);
    if (status == 0 && listing->places.size > 0)
        qsort_r(listing->places.data, listing->places.size / sizeof(uint32_t), sizeof(uint32_t), by_name,
                listing->entries.data);
    return status;
}

/* Puts the entries in their order. */
static int stream_fill(struct worker *worker, struct entry_stream *stream, const struct listing *listing)
{
    size_t size = listing->entries.size, at = 0;
    char *entries = size == 0 ? NULL : host_memory_new(worker, size);
    if (size > 0 && entries == NULL)
        return TOO_MUCH;
    for (size_t i = 0; i < listing->places.size / sizeof(uint32_t); i++) {
        const char *entry = (const char *)listing->entries.data + ((const uint32_t *)(void *)listing->places.data)[i];
        size_t entry_size = 1 + strlen(entry + 1) + 1;
        memcpy(entries + at, entry, entry_size);
        at += entry_size;
    }
    *stream = (struct entry_stream){.entries = entries, .size = (uint32_t)size};
    return 0;
}

static int read_directory(struct worker *worker, uint32_t self, struct entry_stream *stream)
{
    struct listing listing = {0};
    int fd = directory_fd(worker, self), status = fd < 0 ? fd : listing_read(&listing, fd);
    if (status == 0)
        status = stream_fill(worker, stream, &listing);
    ga_buf_free(&listing.entries);
    ga_buf_free(&listing.places);
    return status;
}

void wasi_filesystem_types_descriptor_read_directory(struct worker *worker, uint32_t self, handle_result *result_out)
{
    struct entry_stream stream;
    int status = read_directory(worker, self, &stream);
    if (SUCCEEDED(result_out, status))
        *(struct entry_stream *)host_resource_new(worker, &wasi_filesystem_types_directory_entry_stream_type,
                                                  &result_out->value.ok) = stream;
}

/* 1: there is one; 0: the end. */
static int next_entry(struct worker *worker, uint32_t self, struct wasi_filesystem_types_directory_entry *out)
{
    struct entry_stream *stream = host_resource_get(worker, &wasi_filesystem_types_directory_entry_stream_type, self);
    if (stream->position == stream->size)
        return 0;
    const char *entry = stream->entries + stream->position;
    size_t size = strlen(entry + 1);
    stream->position += (uint32_t)(1 + size + 1);
    if (!ga_utf8_valid((const uint8_t *)entry + 1, size))
        return -EILSEQ;
    out->type = (uint8_t)*entry;
    out->name = worker_string(worker, entry + 1);
    return 1;
}

void wasi_filesystem_types_directory_entry_stream_read_directory_entry(struct worker *worker, uint32_t self,
                                                                       entry_result *result_out)
{
    struct wasi_filesystem_types_directory_entry entry;
    int status = next_entry(worker, self, &entry);
    if (!SUCCEEDED(result_out, status))
        return;
    result_out->value.ok.tag = (uint32_t)status;
    if (status == 1)
        result_out->value.ok.value.some = entry;
}

/* --- errors of streams --- */

void wasi_filesystem_types_filesystem_error_code(struct worker *worker, uint32_t err,
                                                 struct option_wasi_filesystem_types_error_code *result_out)
{
    const struct wasi_error *error = host_resource_get(worker, &wasi_io_error_error_type, err);
    if (error->kind != &wasi_error_errno)
        return;
    result_out->tag = 1;
    result_out->value.some = wasi_error_code(error->code);
}
