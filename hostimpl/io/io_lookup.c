#define _GNU_SOURCE

#include "io_lookup.h"

#include <errno.h>
#include <locale.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "io_socket_parts.h"

enum { NAME_BYTES = 1023 }; /* more than any name has (RFC 1035: 253), IDNA's expansion included */

/* Owned by two, the caller and the thread, as long as there is one. What the thread finds is written before `over`. */
struct io_lookup {
    atomic_int owners;
    atomic_bool over;
    int fd, status;
    uint32_t count;
    struct io_lookup_address addresses[IO_LOOKUP_ADDRESSES];
    char name[NAME_BYTES + 1];
};

static atomic_int threads;

static void release(struct io_lookup *lookup)
{
    if (--lookup->owners > 0)
        return;
    close(lookup->fd);
    free(lookup);
}

static void add(struct io_lookup *lookup, const struct sockaddr *found)
{
    struct io_lookup_address address = {.ipv6 = found->sa_family == AF_INET6};
    if (lookup->count == IO_LOOKUP_ADDRESSES || (!address.ipv6 && found->sa_family != AF_INET))
        return;
    const struct in6_addr *v6 = &((const struct sockaddr_in6 *)(const void *)found)->sin6_addr;
    if (!address.ipv6)
        memcpy(address.bytes, &((const struct sockaddr_in *)(const void *)found)->sin_addr, 4);
    else if (IN6_IS_ADDR_V4MAPPED(v6))
        memcpy(address.bytes, v6->s6_addr + 12, 4);
    else
        memcpy(address.bytes, v6->s6_addr, 16);
    address.ipv6 = address.ipv6 && !IN6_IS_ADDR_V4MAPPED(v6);
    lookup->addresses[lookup->count++] = address;
}

static int resolve(struct io_lookup *lookup, int flags)
{
    struct addrinfo hints = {.ai_flags = flags, .ai_socktype = SOCK_STREAM}, *found;
    int status = getaddrinfo(lookup->name, NULL, &hints, &found);
    if (status != 0)
        return status;
    for (const struct addrinfo *at = found; at != NULL; at = at->ai_next)
        add(lookup, at->ai_addr);
    freeaddrinfo(found);
    return 0;
}

static void end(struct io_lookup *lookup, int status)
{
    lookup->status = status;
    lookup->over = true;
    (void)eventfd_write(lookup->fd, 1);
}

static void *run(void *context)
{
    struct io_lookup *lookup = context;
    locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0); /* AI_IDN reads the name in the thread's locale */
    if (utf8 != (locale_t)0)
        (void)uselocale(utf8);
    end(lookup, resolve(lookup, AI_IDN));
    (void)uselocale(LC_GLOBAL_LOCALE);
    if (utf8 != (locale_t)0)
        freelocale(utf8);
    threads--;
    release(lookup);
    return NULL;
}

static void begin(struct io_lookup *lookup)
{
    pthread_t thread;
    sigset_t all, before;
    if (threads >= IO_LOOKUP_THREADS) {
        end(lookup, EAI_AGAIN);
        return;
    }
    threads++;
    lookup->owners++;
    sigfillset(&all); /* signals are the guest's thread's business */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&thread, NULL, run, lookup) == 0) {
        pthread_detach(thread);
    } else {
        threads--;
        lookup->owners--;
        end(lookup, EAI_AGAIN);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* What the URL standard forbids in a host ("forbidden domain code point"). */
static bool is_domain(const char *name, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)name[i] <= ' ' || name[i] == 0x7f || strchr("#%/:<>?@[\\]^|", name[i]) != NULL)
            return false;
    return size > 0;
}

int io_lookup_start(const char *name, size_t name_size, struct io_lookup **lookup_out)
{
    bool bracketed = name_size >= 2 && name[0] == '[' && name[name_size - 1] == ']';
    size_t size = bracketed ? name_size - 2 : name_size;
    if (size == 0 || size > NAME_BYTES || memchr(name, '\0', name_size) != NULL)
        return -EINVAL;
    struct io_lookup *lookup = calloc(1, sizeof *lookup);
    if (lookup == NULL)
        return -ENOMEM;
    lookup->owners = 1;
    lookup->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    memcpy(lookup->name, name + bracketed, size);
    int status = lookup->fd < 0 ? -errno : io_socket_fd_is_reserved(lookup->fd) ? -EMFILE : 0;
    if (status == 0 && resolve(lookup, AI_NUMERICHOST) == 0 && (!bracketed || lookup->addresses[0].ipv6))
        end(lookup, 0);
    else if (status == 0 && is_domain(name, name_size))
        begin(lookup);
    else if (status == 0)
        status = -EINVAL;
    if (status == 0)
        *lookup_out = lookup;
    else
        release(lookup);
    return status;
}

int io_lookup_fd(const struct io_lookup *lookup)
{
    return lookup->fd;
}

bool io_lookup_is_over(const struct io_lookup *lookup)
{
    return lookup->over;
}

int io_lookup_result(const struct io_lookup *lookup, const struct io_lookup_address **addresses_out, uint32_t *count_out)
{
    *addresses_out = lookup->addresses;
    *count_out = lookup->count;
    return lookup->status;
}

void io_lookup_free(struct io_lookup *lookup)
{
    release(lookup);
}
