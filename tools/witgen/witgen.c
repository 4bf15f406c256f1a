#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gen.h"

/*
 * witgen WIT-DIR OUT-DIR: reads every *.wit of the directory, in order of names, and durability.txt; writes host_functions.h,
 * host_catalog.c, and the files of gen_functions (OUT-DIR/host must be there). Same input, same bytes out. Exit codes: 0 done,
 * 1 bad input, 2 wrong usage.
 */
struct run {
    struct ga_arena arena;
    struct ga_report report;
    struct wit_document document;
    struct wit_table table;
    const char *directory, *out_directory;
};

static enum ga_status read_text(struct run *run, const char *path, char **text_out, size_t *size_out)
{
    struct ga_buf buf = {0};
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return ga_report_errno(&run->report, errno, "cannot open %s", path);
    while (!feof(file) && !ferror(file)) {
        ga_buf_reserve(&buf, 65536);
        buf.size += fread(buf.data + buf.size, 1, 65536, file);
    }
    if (ferror(file))
        (void)ga_report_set(&run->report, GA_IO, "cannot read %s", path);
    fclose(file);
    *text_out = ga_arena_strndup(&run->arena, (const char *)buf.data, buf.size);
    *size_out = buf.size;
    ga_buf_free(&buf);
    return run->report.status;
}

static int is_wit(const struct dirent *entry)
{
    size_t size = strlen(entry->d_name);
    return size > 4 && strcmp(entry->d_name + size - 4, ".wit") == 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static enum ga_status parse_file(struct run *run, const char *name)
{
    char *path = ga_arena_printf(&run->arena, "%s/%s", run->directory, name), *text = NULL;
    size_t size = 0;
    if (read_text(run, path, &text, &size) != GA_OK)
        return run->report.status;
    return wit_parse(&run->document, path, text, size);
}

static enum ga_status parse_directory(struct run *run)
{
    struct dirent **entries;
    int count = scandir(run->directory, &entries, is_wit, by_bytes);
    if (count < 0)
        return ga_report_errno(&run->report, errno, "cannot read %s", run->directory);
    enum ga_status status = GA_OK;
    for (int i = 0; i < count; i++) {
        if (status == GA_OK)
            status = parse_file(run, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return status == GA_OK ? wit_resolve(&run->document) : status;
}

static enum ga_status parse_table(struct run *run)
{
    char *path = ga_arena_printf(&run->arena, "%s/durability.txt", run->directory), *text = NULL;
    size_t size = 0;
    if (read_text(run, path, &text, &size) != GA_OK)
        return run->report.status;
    return wit_table_parse(&run->document, path, text, size, &run->table);
}

static enum ga_status write_file(void *context, const char *name, const struct ga_buf *buf)
{
    struct run *run = context;
    char *path = ga_arena_printf(&run->arena, "%s/%s", run->out_directory, name);
    FILE *file = fopen(path, "wb");
    if (file == NULL)
        return ga_report_errno(&run->report, errno, "cannot write %s", path);
    bool written = fwrite(buf->data, 1, buf->size, file) == buf->size;
    if (fclose(file) != 0 || !written)
        return ga_report_errno(&run->report, errno, "cannot write %s", path);
    return GA_OK;
}

static enum ga_status generate(struct run *run)
{
    struct ga_buf header = {0}, catalog = {0};
    struct gen gen = {.document = &run->document, .table = &run->table, .arena = &run->arena};
    enum ga_status status = gen_functions(&gen, write_file, run);
    gen.out = &header;
    gen_header(&gen);
    gen.out = &catalog;
    gen_catalog(&gen);
    if (status == GA_OK)
        status = write_file(run, "host_functions.h", &header);
    if (status == GA_OK)
        status = write_file(run, "host_catalog.c", &catalog);
    ga_buf_free(&header);
    ga_buf_free(&catalog);
    return status;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: witgen WIT-DIR OUT-DIR\n");
        return 2;
    }
    struct run run = {.directory = argv[1], .out_directory = argv[2]};
    run.document.arena = &run.arena;
    run.document.report = &run.report;
    enum ga_status status = parse_directory(&run);
    if (status == GA_OK)
        status = parse_table(&run);
    if (status == GA_OK)
        status = generate(&run);
    if (status != GA_OK)
        fprintf(stderr, "witgen: %s\n", run.report.text);
    ga_arena_free(&run.arena);
    return status == GA_OK ? 0 : 1;
}
