#ifndef AOT_BUILD_FILES_H
#define AOT_BUILD_FILES_H

#include <sys/stat.h>

#include "ga_arena.h"
#include "ga_buf.h"
#include "ga_report.h"

/* A whole regular file of at most limit bytes. */
enum ga_status build_file_read(const char *path, uint64_t limit, struct ga_buf *out,
                               struct ga_report *report) GA_MUST_USE;

/* The same; errors speak of `name` ("the file", where the caller's message names it). */
enum ga_status build_file_read_as(const char *path, const char *name, uint64_t limit, struct ga_buf *out,
                                  struct ga_report *report) GA_MUST_USE;

enum ga_status build_file_write(const char *path, const void *data, size_t size, struct ga_report *report) GA_MUST_USE;

/* Copies all of a file behind what is in out_fd; reflinks where the file system can. */
enum ga_status build_file_append(int out_fd, const char *from, struct ga_report *report) GA_MUST_USE;

/* mkdir -p */
enum ga_status build_directory_make(const char *path, struct ga_report *report) GA_MUST_USE;

/* All regular files of a folder (links are followed), into another that exists. */
enum ga_status build_directory_copy(const char *from, const char *to, struct ga_report *report) GA_MUST_USE;

/* rm -rf; what cannot be removed stays. */
void build_tree_remove(const char *path);

double build_now_ms(void); /* monotonic */

#endif
