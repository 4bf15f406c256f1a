/* Steps on files, each a line of words; what guests of files do. The answer is text, "error: ..." if a call fails. */
#ifndef FILE_STEPS_H
#define FILE_STEPS_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char answer[65536];

static __attribute__((format(printf, 1, 2))) void say(const char *format, ...)
{
    size_t used = strlen(answer);
    va_list args;
    va_start(args, format);
    vsnprintf(answer + used, sizeof answer - used, format, args);
    va_end(args);
}

static void say_status(int result)
{
    if (result < 0)
        say("error: %s", strerror(errno));
    else
        say("done");
}

static void step_write(const char *path, const char *text, int flags)
{
    int fd = open(path, O_CREAT | O_WRONLY | flags, 0644);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text)) {
        say_status(-1);
        return;
    }
    say_status(close(fd));
}

static void step_read(const char *path, const char *unused)
{
    FILE *file = fopen(path, "r");
    (void)unused;
    if (file == NULL) {
        say_status(-1);
        return;
    }
    answer[fread(answer, 1, sizeof answer - 1, file)] = '\0';
    fclose(file);
}

static void step_list(const char *path, const char *unused)
{
    DIR *directory = opendir(path);
    (void)unused;
    if (directory == NULL) {
        say_status(-1);
        return;
    }
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory))
        if (entry->d_name[0] != '.')
            say("%s%s ", entry->d_name, entry->d_type == DT_DIR ? "/" : entry->d_type == DT_LNK ? "@" : "");
    closedir(directory);
}

static void step_stat(const char *path, const char *unused)
{
    struct stat stat;
    (void)unused;
    if (lstat(path, &stat) != 0)
        say_status(-1);
    else
        say("size %lld modified %lld.%09ld", (long long)stat.st_size, (long long)stat.st_mtim.tv_sec, stat.st_mtim.tv_nsec);
}

static void step_replace(const char *path, const char *text)
{
    step_write(path, text, O_TRUNC);
}

static void step_append(const char *path, const char *text)
{
    step_write(path, text, O_APPEND);
}

static void step_make(const char *path, const char *unused)
{
    (void)unused;
    say_status(mkdir(path, 0755));
}

static void step_remove(const char *path, const char *unused)
{
    (void)unused;
    say_status(remove(path));
}

static void step_move(const char *path, const char *to)
{
    say_status(rename(path, to));
}

static void step_hard_link(const char *path, const char *to)
{
    say_status(link(path, to));
}

static void step_touch(const char *path, const char *seconds)
{
    const struct timespec times[2] = {{atol(seconds), 5}, {atol(seconds), 7}};
    say_status(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW));
}

static void step_resize(const char *path, const char *size)
{
    say_status(truncate(path, atol(size)));
}

/* Files that stay open from step to step, by a letter. */
static int held[26];

static void step_hold(const char *letter, const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT, 0644);
    held[*letter - 'a'] = fd + 1;
    say_status(fd);
}

static void step_add(const char *letter, const char *text)
{
    say_status((int)write(held[*letter - 'a'] - 1, text, strlen(text)));
}

static void step_show(const char *letter, const char *unused)
{
    (void)unused;
    ssize_t got = pread(held[*letter - 'a'] - 1, answer, sizeof answer - 1, 0);
    answer[got > 0 ? got : 0] = '\0';
    if (got < 0)
        say_status(-1);
}

static void step_drop(const char *letter, const char *unused)
{
    (void)unused;
    say_status(close(held[*letter - 'a'] - 1));
}

static void step_sleep(const char *milliseconds, const char *unused)
{
    (void)unused;
    say_status(usleep(1000 * (useconds_t)atol(milliseconds)));
}

/* "fill /f 1000000": so many bytes. */
static void step_fill(const char *path, const char *size)
{
    static char block[65536];
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0644);
    long left = atol(size);
    memset(block, 'x', sizeof block);
    while (fd >= 0 && left > 0) {
        ssize_t put = write(fd, block, left < (long)sizeof block ? (size_t)left : sizeof block);
        if (put < 0) {
            say("error: %s behind %ld bytes", strerror(errno), atol(size) - left);
            close(fd);
            return;
        }
        left -= put;
    }
    say_status(fd < 0 ? fd : close(fd));
}

static void step_link(const char *path, const char *to)
{
    say_status(symlink(to, path));
}

static const struct {
    const char *name;
    void (*run)(const char *path, const char *rest);
} steps[] = {
    {"write", step_replace}, {"append", step_append}, {"read", step_read}, {"list", step_list}, {"stat", step_stat},
    {"mkdir", step_make},    {"remove", step_remove}, {"move", step_move}, {"link", step_link}, {"fill", step_fill},
    {"twin", step_hard_link}, {"touch", step_touch},  {"resize", step_resize}, {"hold", step_hold}, {"add", step_add},
    {"show", step_show},     {"drop", step_drop},       {"sleep", step_sleep},
};

/* "append /log some text"; the line is taken apart in place. */
static const char *file_step(char *line)
{
    char *path = strchr(line, ' ');
    answer[0] = '\0';
    if (path == NULL)
        return "which path?";
    *path++ = '\0';
    char *rest = strchr(path, ' ');
    if (rest != NULL)
        *rest++ = '\0';
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        if (strcmp(steps[i].name, line) == 0) {
            steps[i].run(path, rest != NULL ? rest : "");
            return answer;
        }
    return "which step?";
}

#endif
