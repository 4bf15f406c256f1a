#include "golem_uuid.h"
#include "host_functions.h"

void golem_rpc_types_parse_uuid(struct worker *worker, struct cabi_string uuid,
                                struct result_golem_rpc_types_uuid_string *result_out)
{
    struct golem_uuid value;
    if (golem_uuid_parse(uuid.data, uuid.size, &value)) {
        result_out->value.ok = (struct golem_rpc_types_uuid){value.high_bits, value.low_bits};
        return;
    }
    result_out->tag = 1;
    result_out->value.err = worker_string(worker, "not a UUID");
}

void golem_rpc_types_uuid_to_string(struct worker *worker, const struct golem_rpc_types_uuid *uuid,
                                    struct cabi_string *result_out)
{
    char text[GOLEM_UUID_TEXT_SIZE];
    golem_uuid_print((struct golem_uuid){uuid->high_bits, uuid->low_bits}, text);
    *result_out = worker_string(worker, text);
}
