/* Traps before any of its functions can be called. */
#include "guest.h"

__attribute__((constructor)) static void start(void)
{
    __builtin_trap();
}

GUEST_EXPORT("never") uint32_t never(void)
{
    return 1;
}
