#include "ga_report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static bool take(struct ga_report *report, enum ga_status status, const char *format, va_list arguments)
{
    if (report->status != GA_OK)
        return false;
    report->status = status;
    vsnprintf(report->text, sizeof report->text, format, arguments);
    return true;
}

enum ga_status ga_report_set(struct ga_report *report, enum ga_status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    take(report, status, format, arguments);
    va_end(arguments);
    return report->status;
}

enum ga_status ga_report_at(struct ga_report *report, enum ga_status status, uint64_t offset, const char *format,
                            ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (take(report, status, format, arguments)) {
        report->has_offset = true;
        report->offset = offset;
    }
    va_end(arguments);
    return report->status;
}

static enum ga_status status_of_errno(int error)
{
    switch (error) {
    case ENOSPC:
    case EDQUOT: return GA_NO_SPACE;
    case ENOENT: return GA_NOT_FOUND;
    case ENOMEM: return GA_NO_MEMORY;
    default: return GA_IO;
    }
}

enum ga_status ga_report_errno(struct ga_report *report, int error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (take(report, status_of_errno(error), format, arguments)) {
        size_t size = strlen(report->text);
        snprintf(report->text + size, sizeof report->text - size, ": %s", strerror(error));
    }
    va_end(arguments);
    return report->status;
}

void ga_report_print(const struct ga_report *report, const char *file)
{
    if (file)
        fprintf(stderr, "%s:", file);
    if (report->has_offset)
        fprintf(stderr, "0x%llx:", (unsigned long long)report->offset);
    fprintf(stderr, "%s%s\n", file || report->has_offset ? " " : "", report->text);
}
