#define _GNU_SOURCE
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "region.h"

/*
 * Criterion shares an arena with the processes of its tests, at a random address from 2^45 on, where the region
 * lies: about one run in ten could not create the region. This function stands before the C library's for
 * libcriterion and moves such an arena behind the region; what the library gets back is what it works with. Linked
 * into every unit test.
 */
void *mmap64(void *address, size_t size, int protection, int flags, int fd, off_t offset);

void *mmap64(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
    uintptr_t at = (uintptr_t)address;
    if (flags == (MAP_SHARED | MAP_FIXED) && fd >= 0 && at >= RT_REGION_BASE && at < REGION_END)
        address = (void *)(at + (REGION_END - RT_REGION_BASE));
    return (void *)syscall(SYS_mmap, address, size, protection, flags, fd, offset);
}
