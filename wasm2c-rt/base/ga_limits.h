#ifndef GA_LIMITS_H
#define GA_LIMITS_H

/* Every limit of the project, by name; messages name them: "too many types (limit is 100000)". */
#define GA_LIMIT_MAP(X)                                                                                      \
    X(COMPONENT_BYTES, 1u << 30, "bytes of a component")                                                     \
    X(COMPONENT_DEPTH, 100, "nesting of components")                                                         \
    X(COMPONENT_ITEMS, 1000000, "entries of one section")                                                    \
    X(COMPONENT_TYPES, 1000000, "types of a component")                                                      \
    X(TYPE_DEPTH, 100, "nesting of a type")                                                                  \
    X(TYPE_SIZE, 1000000, "size of a type, all parts counted")                                               \
    X(TYPE_WORK, 20000000, "steps of resolving and comparing types")                                        \
    X(NAME_BYTES, 100000, "bytes of a name")                                                                 \
    X(CORE_INSTANCES, 4096, "core instances after linking")                                                  \
    X(COMPONENT_INSTANCES, 4096, "component instances after linking")                                        \
    X(LINK_STEPS, 20000000, "definitions evaluated while linking")                                           \
    X(FUNC_PARAMS, 1000, "parameters of a function")                                                         \
    X(FLAT_PARAMS, 16, "flat parameters (MAX_FLAT_PARAMS)")                                                  \
    X(FLAT_RESULTS, 1, "flat results (MAX_FLAT_RESULTS)")                                                    \
    X(VALUE_BYTES, (1u << 28) - 1, "bytes of a string or list (MAX_STRING_BYTE_LENGTH)")                     \
    X(CALL_BYTES, 1u << 28, "bytes of the native values of one call; two encoded ones fit a row of the store") \
    X(HANDLES, (1u << 28) - 1, "handles of one instance")                                                    \
    X(MEMORIES, 1024, "linear memories of a worker")                                                         \
    X(GATE_DEPTH, 200, "nesting of guest calls made by host functions")                                      \
    X(TABLE_ELEMENTS, 10000000, "elements of a table")                                                       \
    X(IDEMPOTENCY_KEY_BYTES, 1024, "bytes of an idempotency key")                                            \
    X(WORKER_NAME_BYTES, 512, "bytes of a worker name")                                                      \
    X(HOST_RESOURCES, 1000000, "host resources of a worker")                                                 \
    X(OPEN_FILES, 8192, "files and directories that a worker has open")                                      \
    X(LISTING_BYTES, 1u << 24, "bytes of the names of one directory that is listed")                         \
    X(SOCKETS, 8192, "open sockets of a worker")                                                             \
    X(RANDOM_BYTES, 1u << 24, "random bytes of one call")                                                    \
    X(HTTP_FIELDS_BYTES, 1u << 17, "bytes of HTTP fields, 32 for each included")                             \
    X(HTTP_TARGET_BYTES, 1u << 16, "bytes of a method, scheme, authority, or path with query")               \
    X(HTTP_UNSENT_BYTES, 1u << 24, "bytes of an HTTP body before its message is sent")

enum ga_limit {
#define X(name, value, text) GA_MAX_##name = (value),
    GA_LIMIT_MAP(X)
#undef X
};

#endif
