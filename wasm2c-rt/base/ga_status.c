#include "ga_status.h"

const char *ga_status_name(enum ga_status status)
{
    static const char *const names[] = {
#define X(name, text) #name,
        GA_STATUS_MAP(X)
#undef X
    };
    return names[status];
}

const char *ga_status_text(enum ga_status status)
{
    static const char *const texts[] = {
#define X(name, text) text,
        GA_STATUS_MAP(X)
#undef X
    };
    return texts[status];
}
