#ifndef STORE_SCHEMA_H
#define STORE_SCHEMA_H

#include "ga_report.h"

/* What a database of ours is told by: PRAGMA application_id and user_version. */
enum {
    STORE_APPLICATION_ID = 0x476f6c6d, /* "Golm" */
    STORE_SCHEMA_VERSION = 3           /* 1 had larger oplog entries, 2 no places */
};

/*
 * Makes golem.db if it is missing or empty: with its tables, in WAL mode, durable with its name when this returns. The caller holds
 * the data directory's lock. directory: its name, for messages.
 */
enum ga_status store_schema_create(const char *directory, int directory_fd, struct ga_report *report) GA_MUST_USE;

#endif
