#ifndef SERVE_VIRTUAL_H
#define SERVE_VIRTUAL_H

#include "ga_report.h"
#include "host.h"

/* The functions of struct rt_http_handler (http_handler.h). */
const struct rt_export *serve_virtual_export(void);
enum ga_status serve_virtual_check(const void *request, struct ga_report *report) GA_MUST_USE;
void serve_virtual_make(struct worker *worker, const void *request, uint32_t params[2], uint32_t *response_out);
bool serve_virtual_take(struct worker *worker, uint32_t response, struct ga_arena *arena, void *value);

#endif
