#ifndef DURABLE_GUEST_RESOURCE_H
#define DURABLE_GUEST_RESOURCE_H

#include "worker.h"

/*
 * Resources of the guest that the outside owns: what exported functions have returned, and indexed ones. Outside they
 * are named by ids, in texts "urn:worker:COMPONENT/NAME/ID" (reference: Golem, worker lifecycle); native values in
 * requests and responses hold the id where the guest's value holds the representation.
 *
 * Ids count from 0 and are never used again. The table follows from the invocations alone, so replay builds the same.
 */

/* The hooks that read and print handles; context: the worker. A text is refused unless it names a resource of that
 * type that is there. */
extern const struct cabi_wave_hooks guest_resource_hooks;

/* One handle is given away twice, or lent and given away, in one call: GA_INVALID. type may be NULL. */
enum ga_status guest_resource_check(const struct cabi_type *type, const void *native, struct ga_arena *arena,
                                    struct ga_report *report) GA_MUST_USE;

/* Puts representations in the place of ids; what is given away leaves the table. GA_DIVERGED if one is not there. */
enum ga_status guest_resource_lower(struct worker *worker, const struct cabi_type *type, void *native,
                                    struct ga_report *report) GA_MUST_USE;

/* Puts ids in the place of representations: what is given to us enters the table. False if the guest has left no room
 * for that in the region: it has trapped then (trap_text). */
bool guest_resource_lift(struct worker *worker, const struct cabi_type *type, void *native) GA_MUST_USE;

/* Indexed resources. find: false if there is none. add: of one that was just constructed; false as in lift. */
bool guest_resource_find(const struct cabi_resource *type, const char *key, size_t key_size, uint32_t *id_out);
bool guest_resource_add_indexed(struct worker *worker, const struct cabi_resource *type, uint32_t rep, const char *key,
                                size_t key_size) GA_MUST_USE;
uint32_t guest_resource_rep(uint32_t id);

/* Takes it out of the table. */
void guest_resource_remove(struct worker *worker, uint32_t id);

#endif
