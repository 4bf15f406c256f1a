/* Sockets by steps: each is a line of words, the first the verb, the second mostly the number of a socket of this guest's; the answer
 * is "ok", a value, or the name of an error. So a test says what happens, here and at its own end, in the order that it wants.
 *
 *   tcp4 N, tcp6 N, udp4 N, udp6 N          makes socket N
 *   bind N ADDRESS PORT                     start- and finish-bind; start-bind, finish-bind: one of them
 *   listen N; start-listen N, finish-listen N
 *   connect N ADDRESS PORT                  start, wait, finish; start-connect, finish-connect
 *   accept N M                              waits for a connection, which is socket M; try-accept does not wait
 *   local N, remote N, listening N, family N, shutdown N receive|send|both
 *   set N OPTION VALUE, get N OPTION        backlog, keep-alive, idle, interval, count, hops, receive-buffer, send-buffer
 *   write N TEXT                            blocking-write-and-flush; put N TEXT: check-write and write; fill N BYTES: as much as is permitted
 *   say N TEXT                              writes it, and reads what comes back; invalid-state if it has no streams
 *   blast N BYTES                           so many, waiting for permits; check-write N, overwrite N, flush N, blocking-flush N
 *   read N SIZE                             blocking-read; try-read N SIZE; drain N: until the end, how many bytes and how it ended
 *   wait N in|out|socket MS                 polls beside a timer: "ready" or "timeout"
 *   drop N, drop-input N, drop-output N, forget N (the socket, before its streams)
 *   stream N [ADDRESS PORT]                 check-send N; send N TEXT [ADDRESS PORT]; flood N COUNT; receive N MAX, try-receive N MAX
 *   resolve NAME, race NAME MS              all addresses; polls the lookup beside a timer, and says which was ready
 *   nap MS                                  sleeps
 *   crowd KIND COUNT                        makes sockets until there are so many, or none more can be had; disperse
 *
 * An address has four or eight numbers: 127.0.0.1, 0:0:0:0:0:0:0:1.
 */
#include "guest.h"

#define IO "wasi:io/"
#define SOCKETS "wasi:sockets/"
#define V "@0.2.12"

enum { SLOTS = 64, CROWD = 70000 };

/* --- the interfaces, as the canonical ABI has them --- */

struct address {
    uint8_t v6;
    union {
        struct {
            uint16_t port;
            uint8_t bytes[4];
        } v4;
        struct {
            uint16_t port;
            uint32_t flow_info;
            uint16_t words[8];
            uint32_t scope_id;
        } v6;
    } is;
};

struct ip {
    uint8_t v6;
    union {
        uint8_t bytes[4];
        uint16_t words[8];
    } is;
};

struct code_result { uint8_t failed, code; };
struct bool_result { uint8_t failed; union { uint8_t ok, code; } is; };
struct u32_result { uint8_t failed; union { uint32_t ok; uint8_t code; } is; };
struct u64_result { uint8_t failed; union { uint64_t ok; uint8_t code; } is; };
struct handles_result { uint8_t failed; union { uint32_t ok[3]; uint8_t code; } is; };
struct address_result { uint8_t failed; union { struct address ok; uint8_t code; } is; };
struct ip_result { uint8_t failed; union { struct { uint8_t some; struct ip ip; } ok; uint8_t code; } is; };
struct stream_error { uint8_t closed; uint32_t error; };
struct stream_result { uint8_t failed; struct stream_error error; };
struct stream_u64_result { uint8_t failed; union { uint64_t ok; struct stream_error error; } is; };
struct stream_bytes_result { uint8_t failed; union { struct guest_bytes ok; struct stream_error error; } is; };
struct incoming { struct guest_bytes data; struct address from; };
struct outgoing { struct guest_bytes data; struct { uint8_t some; struct address is; } to; };
struct incoming_result { uint8_t failed; union { struct { struct incoming *items; size_t count; } ok; uint8_t code; } is; };
struct option_code { uint8_t some, code; };

#define FLAT uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t
#define METHOD(interface, resource, name) GUEST_IMPORT(interface V, "[method]" resource "." name)
#define DROP(interface, resource) GUEST_IMPORT(interface V, "[resource-drop]" resource)
#define TCP(name) METHOD(SOCKETS "tcp", "tcp-socket", name)
#define UDP(name) METHOD(SOCKETS "udp", "udp-socket", name)
#define INPUT(name) METHOD(IO "streams", "input-stream", name)
#define OUTPUT(name) METHOD(IO "streams", "output-stream", name)

METHOD(IO "error", "error", "to-debug-string") void error_text(uint32_t, struct guest_string *);
DROP(IO "error", "error") void error_drop(uint32_t);
GUEST_IMPORT(SOCKETS "network" V, "network-error-code") void error_code(uint32_t, struct option_code *);
METHOD(IO "poll", "pollable", "block") void pollable_block(uint32_t);
DROP(IO "poll", "pollable") void pollable_drop(uint32_t);
struct indexes { uint32_t *items; size_t count; };
GUEST_IMPORT(IO "poll" V, "poll") void poll_list(const uint32_t *, size_t, struct indexes *);
GUEST_IMPORT("wasi:clocks/monotonic-clock" V, "subscribe-duration") uint32_t clock_subscribe(uint64_t);

INPUT("read") void input_read(uint32_t, uint64_t, struct stream_bytes_result *);
INPUT("blocking-read") void input_blocking_read(uint32_t, uint64_t, struct stream_bytes_result *);
INPUT("subscribe") uint32_t input_subscribe(uint32_t);
DROP(IO "streams", "input-stream") void input_drop(uint32_t);
OUTPUT("check-write") void output_check_write(uint32_t, struct stream_u64_result *);
OUTPUT("write") void output_write(uint32_t, const void *, size_t, struct stream_result *);
OUTPUT("blocking-write-and-flush") void output_blocking_write(uint32_t, const void *, size_t, struct stream_result *);
OUTPUT("flush") void output_flush(uint32_t, struct stream_result *);
OUTPUT("blocking-flush") void output_blocking_flush(uint32_t, struct stream_result *);
OUTPUT("subscribe") uint32_t output_subscribe(uint32_t);
DROP(IO "streams", "output-stream") void output_drop(uint32_t);

GUEST_IMPORT(SOCKETS "instance-network" V, "instance-network") uint32_t instance_network(void);
GUEST_IMPORT(SOCKETS "tcp-create-socket" V, "create-tcp-socket") void tcp_create(uint32_t, struct u32_result *);
GUEST_IMPORT(SOCKETS "udp-create-socket" V, "create-udp-socket") void udp_create(uint32_t, struct u32_result *);
TCP("start-bind") void tcp_start_bind(uint32_t, uint32_t, FLAT, struct code_result *);
TCP("finish-bind") void tcp_finish_bind(uint32_t, struct code_result *);
TCP("start-connect") void tcp_start_connect(uint32_t, uint32_t, FLAT, struct code_result *);
TCP("finish-connect") void tcp_finish_connect(uint32_t, struct handles_result *);
TCP("start-listen") void tcp_start_listen(uint32_t, struct code_result *);
TCP("finish-listen") void tcp_finish_listen(uint32_t, struct code_result *);
TCP("accept") void tcp_accept(uint32_t, struct handles_result *);
TCP("local-address") void tcp_local(uint32_t, struct address_result *);
TCP("remote-address") void tcp_remote(uint32_t, struct address_result *);
TCP("is-listening") uint32_t tcp_is_listening(uint32_t);
TCP("address-family") uint32_t tcp_family(uint32_t);
TCP("set-listen-backlog-size") void tcp_set_backlog(uint32_t, uint64_t, struct code_result *);
TCP("keep-alive-enabled") void tcp_keep_alive(uint32_t, struct bool_result *);
TCP("set-keep-alive-enabled") void tcp_set_keep_alive(uint32_t, uint32_t, struct code_result *);
TCP("keep-alive-idle-time") void tcp_idle(uint32_t, struct u64_result *);
TCP("set-keep-alive-idle-time") void tcp_set_idle(uint32_t, uint64_t, struct code_result *);
TCP("keep-alive-interval") void tcp_interval(uint32_t, struct u64_result *);
TCP("set-keep-alive-interval") void tcp_set_interval(uint32_t, uint64_t, struct code_result *);
TCP("keep-alive-count") void tcp_count(uint32_t, struct u32_result *);
TCP("set-keep-alive-count") void tcp_set_count(uint32_t, uint32_t, struct code_result *);
TCP("hop-limit") void tcp_hops(uint32_t, struct bool_result *);
TCP("set-hop-limit") void tcp_set_hops(uint32_t, uint32_t, struct code_result *);
TCP("receive-buffer-size") void tcp_receive_buffer(uint32_t, struct u64_result *);
TCP("set-receive-buffer-size") void tcp_set_receive_buffer(uint32_t, uint64_t, struct code_result *);
TCP("send-buffer-size") void tcp_send_buffer(uint32_t, struct u64_result *);
TCP("set-send-buffer-size") void tcp_set_send_buffer(uint32_t, uint64_t, struct code_result *);
TCP("subscribe") uint32_t tcp_subscribe(uint32_t);
TCP("shutdown") void tcp_shutdown(uint32_t, uint32_t, struct code_result *);
DROP(SOCKETS "tcp", "tcp-socket") void tcp_drop(uint32_t);

UDP("start-bind") void udp_start_bind(uint32_t, uint32_t, FLAT, struct code_result *);
UDP("finish-bind") void udp_finish_bind(uint32_t, struct code_result *);
UDP("stream") void udp_stream(uint32_t, uint32_t, FLAT, struct handles_result *);
UDP("local-address") void udp_local(uint32_t, struct address_result *);
UDP("remote-address") void udp_remote(uint32_t, struct address_result *);
UDP("address-family") uint32_t udp_family(uint32_t);
UDP("unicast-hop-limit") void udp_hops(uint32_t, struct bool_result *);
UDP("set-unicast-hop-limit") void udp_set_hops(uint32_t, uint32_t, struct code_result *);
UDP("receive-buffer-size") void udp_receive_buffer(uint32_t, struct u64_result *);
UDP("set-receive-buffer-size") void udp_set_receive_buffer(uint32_t, uint64_t, struct code_result *);
UDP("send-buffer-size") void udp_send_buffer(uint32_t, struct u64_result *);
UDP("set-send-buffer-size") void udp_set_send_buffer(uint32_t, uint64_t, struct code_result *);
UDP("subscribe") uint32_t udp_subscribe(uint32_t);
DROP(SOCKETS "udp", "udp-socket") void udp_drop(uint32_t);
METHOD(SOCKETS "udp", "incoming-datagram-stream", "receive") void incoming_receive(uint32_t, uint64_t, struct incoming_result *);
METHOD(SOCKETS "udp", "incoming-datagram-stream", "subscribe") uint32_t incoming_subscribe(uint32_t);
DROP(SOCKETS "udp", "incoming-datagram-stream") void incoming_drop(uint32_t);
METHOD(SOCKETS "udp", "outgoing-datagram-stream", "check-send") void outgoing_check_send(uint32_t, struct u64_result *);
METHOD(SOCKETS "udp", "outgoing-datagram-stream", "send")
void outgoing_send(uint32_t, const struct outgoing *, size_t, struct u64_result *);
METHOD(SOCKETS "udp", "outgoing-datagram-stream", "subscribe") uint32_t outgoing_subscribe(uint32_t);
DROP(SOCKETS "udp", "outgoing-datagram-stream") void outgoing_drop(uint32_t);

GUEST_IMPORT(SOCKETS "ip-name-lookup" V, "resolve-addresses")
void resolve_addresses(uint32_t, const char *, size_t, struct u32_result *);
METHOD(SOCKETS "ip-name-lookup", "resolve-address-stream", "resolve-next-address") void resolve_next(uint32_t, struct ip_result *);
METHOD(SOCKETS "ip-name-lookup", "resolve-address-stream", "subscribe") uint32_t resolve_subscribe(uint32_t);
DROP(SOCKETS "ip-name-lookup", "resolve-address-stream") void resolve_drop(uint32_t);

/* --- the guest's sockets --- */

static struct slot {
    bool tcp;
    uint32_t socket, input, output; /* handles; 0: none */
} slots[SLOTS];

static uint32_t crowd[CROWD];
static uint32_t crowd_count;
static bool crowd_tcp;

static uint32_t network(void)
{
    static uint32_t handle;
    if (handle == 0)
        handle = instance_network();
    return handle;
}

/* --- texts --- */

enum { ANSWER = 1 << 17, WORDS = 8 };
static char answer[ANSWER];

static const char *say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(answer, sizeof answer, format, args);
    va_end(args);
    return answer;
}

static const char *name_of(uint8_t code)
{
    static const char *const names[] = {"unknown", "access-denied", "not-supported", "invalid-argument", "out-of-memory",
        "timeout", "concurrency-conflict", "not-in-progress", "would-block", "invalid-state", "new-socket-limit",
        "address-not-bindable", "address-in-use", "remote-unreachable", "connection-refused", "connection-reset",
        "connection-aborted", "datagram-too-large", "name-unresolvable", "temporary-resolver-failure",
        "permanent-resolver-failure"};
    return code < sizeof names / sizeof *names ? names[code] : "no such code";
}

static const char *say_code(struct code_result result)
{
    return result.failed ? name_of(result.code) : "ok";
}

static const char *say_u64(struct u64_result result)
{
    return result.failed ? name_of(result.is.code) : say("%llu", (unsigned long long)result.is.ok);
}

static const char *say_address(const struct address *address)
{
    const uint8_t *b = address->is.v4.bytes;
    const uint16_t *w = address->is.v6.words;
    if (!address->v6)
        return say("%u.%u.%u.%u %u", b[0], b[1], b[2], b[3], address->is.v4.port);
    return say("%x:%x:%x:%x:%x:%x:%x:%x %u", w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7], address->is.v6.port);
}

static const char *say_stream_error(struct stream_error error)
{
    struct option_code code;
    if (error.closed)
        return "closed";
    error_code(error.error, &code);
    error_drop(error.error);
    return say("failed: %s", code.some ? name_of(code.code) : "no network error");
}

/* Missing words are empty. */
static struct address address_of(const char *text, const char *port)
{
    struct address address = {.v6 = strchr(text, ':') != NULL};
    unsigned n[8] = {0};
    if (address.v6) {
        sscanf(text, "%x:%x:%x:%x:%x:%x:%x:%x", &n[0], &n[1], &n[2], &n[3], &n[4], &n[5], &n[6], &n[7]);
        for (int i = 0; i < 8; i++)
            address.is.v6.words[i] = (uint16_t)n[i];
        address.is.v6.port = (uint16_t)atoi(port);
    } else {
        sscanf(text, "%u.%u.%u.%u", &n[0], &n[1], &n[2], &n[3]);
        for (int i = 0; i < 4; i++)
            address.is.v4.bytes[i] = (uint8_t)n[i];
        address.is.v4.port = (uint16_t)atoi(port);
    }
    return address;
}

/* The twelve core values of an address. */
#define FLATTEN(a) (a).v6, (a).v6 ? (a).is.v6.port : (a).is.v4.port, (a).v6 ? (a).is.v6.flow_info : (a).is.v4.bytes[0], \
    (a).v6 ? (a).is.v6.words[0] : (a).is.v4.bytes[1], (a).v6 ? (a).is.v6.words[1] : (a).is.v4.bytes[2],                  \
    (a).v6 ? (a).is.v6.words[2] : (a).is.v4.bytes[3], (a).is.v6.words[3], (a).is.v6.words[4], (a).is.v6.words[5],        \
    (a).is.v6.words[6], (a).is.v6.words[7], (a).is.v6.scope_id

/* --- waiting --- */

/* Takes the pollable. False: the time was over first. */
static bool wait_beside_timer(uint32_t pollable, unsigned milliseconds)
{
    uint32_t both[2] = {pollable, clock_subscribe(milliseconds * 1000000ull)};
    struct indexes ready;
    poll_list(both, 2, &ready);
    bool first = ready.items[0] == 0;
    free(ready.items);
    pollable_drop(both[0]);
    pollable_drop(both[1]);
    return first;
}

static void wait_for(uint32_t pollable)
{
    pollable_block(pollable);
    pollable_drop(pollable);
}

/* --- steps --- */

struct words {
    const char *at[WORDS];
};

static struct slot *slot_of(const struct words *words)
{
    unsigned n = (unsigned)atoi(words->at[1]);
    if (n >= SLOTS)
        abort();
    return &slots[n];
}

static const char *create(const struct words *words)
{
    struct slot *slot = slot_of(words);
    struct u32_result made;
    bool tcp = words->at[0][0] == 't';
    uint32_t family = words->at[0][3] == '6';
    if (tcp)
        tcp_create(family, &made);
    else
        udp_create(family, &made);
    if (made.failed)
        return name_of(made.is.code);
    *slot = (struct slot){.tcp = tcp, .socket = made.is.ok};
    return "ok";
}

static const char *start_bind(const struct words *words)
{
    struct slot *slot = slot_of(words);
    struct address a = address_of(words->at[2], words->at[3]);
    struct code_result result;
    if (slot->tcp)
        tcp_start_bind(slot->socket, network(), FLATTEN(a), &result);
    else
        udp_start_bind(slot->socket, network(), FLATTEN(a), &result);
    return say_code(result);
}

static const char *finish_bind(const struct words *words)
{
    struct slot *slot = slot_of(words);
    struct code_result result;
    if (slot->tcp)
        tcp_finish_bind(slot->socket, &result);
    else
        udp_finish_bind(slot->socket, &result);
    return say_code(result);
}

static bool is_ok(const char *text)
{
    return strcmp(text, "ok") == 0;
}

static const char *bind_both(const struct words *words)
{
    const char *started = start_bind(words);
    return is_ok(started) ? finish_bind(words) : started;
}

static const char *start_listen(const struct words *words)
{
    struct code_result result;
    tcp_start_listen(slot_of(words)->socket, &result);
    return say_code(result);
}

static const char *finish_listen(const struct words *words)
{
    struct code_result result;
    tcp_finish_listen(slot_of(words)->socket, &result);
    return say_code(result);
}

static const char *listen_both(const struct words *words)
{
    const char *started = start_listen(words);
    return is_ok(started) ? finish_listen(words) : started;
}

static const char *start_connect(const struct words *words)
{
    struct address a = address_of(words->at[2], words->at[3]);
    struct code_result result;
    tcp_start_connect(slot_of(words)->socket, network(), FLATTEN(a), &result);
    return say_code(result);
}

static const char *finish_connect(const struct words *words)
{
    struct slot *slot = slot_of(words);
    struct handles_result result;
    tcp_finish_connect(slot->socket, &result);
    if (result.failed)
        return name_of(result.is.code);
    slot->input = result.is.ok[0];
    slot->output = result.is.ok[1];
    return "ok";
}

static const char *connect_both(const struct words *words)
{
    const char *done = start_connect(words);
    if (!is_ok(done))
        return done;
    while (strcmp(done = finish_connect(words), "would-block") == 0)
        wait_for(tcp_subscribe(slot_of(words)->socket));
    return done;
}

static const char *try_accept(const struct words *words)
{
    struct handles_result result;
    unsigned to = (unsigned)atoi(words->at[2]);
    tcp_accept(slot_of(words)->socket, &result);
    if (result.failed)
        return name_of(result.is.code);
    if (to >= SLOTS)
        abort();
    slots[to] = (struct slot){true, result.is.ok[0], result.is.ok[1], result.is.ok[2]};
    return "ok";
}

static const char *accept_one(const struct words *words)
{
    const char *done;
    while (strcmp(done = try_accept(words), "would-block") == 0)
        wait_for(tcp_subscribe(slot_of(words)->socket));
    return done;
}

static const char *local(const struct words *words)
{
    struct slot *slot = slot_of(words);
    struct address_result result;
    if (slot->tcp)
        tcp_local(slot->socket, &result);
    else
        udp_local(slot->socket, &result);
    return result.failed ? name_of(result.is.code) : say_address(&result.is.ok);
}

static const char *remote(const struct words *words)
{
    struct slot *slot = slot_of(words);
    struct address_result result;
    if (slot->tcp)
        tcp_remote(slot->socket, &result);
    else
        udp_remote(slot->socket, &result);
    return result.failed ? name_of(result.is.code) : say_address(&result.is.ok);
}

static const char *listening(const struct words *words)
{
    return tcp_is_listening(slot_of(words)->socket) ? "true" : "false";
}

static const char *family(const struct words *words)
{
    struct slot *slot = slot_of(words);
    return (slot->tcp ? tcp_family(slot->socket) : udp_family(slot->socket)) ? "ipv6" : "ipv4";
}

static const char *shut_down(const struct words *words)
{
    struct code_result result;
    char how = words->at[2][0];
    tcp_shutdown(slot_of(words)->socket, how == 'r' ? 0 : how == 's' ? 1 : 2, &result);
    return say_code(result);
}

/* --- options --- */

static const char *set(const struct words *words)
{
    struct slot *slot = slot_of(words);
    const char *option = words->at[2];
    uint64_t value = strtoull(words->at[3], NULL, 10);
    uint32_t socket = slot->socket;
    struct code_result result = {1, 0};
    if (strcmp(option, "backlog") == 0)
        tcp_set_backlog(socket, value, &result);
    else if (strcmp(option, "keep-alive") == 0)
        tcp_set_keep_alive(socket, value != 0, &result);
    else if (strcmp(option, "idle") == 0)
        tcp_set_idle(socket, value, &result);
    else if (strcmp(option, "interval") == 0)
        tcp_set_interval(socket, value, &result);
    else if (strcmp(option, "count") == 0)
        tcp_set_count(socket, (uint32_t)value, &result);
    else if (strcmp(option, "hops") == 0)
        (slot->tcp ? tcp_set_hops : udp_set_hops)(socket, (uint8_t)value, &result);
    else if (strcmp(option, "receive-buffer") == 0)
        (slot->tcp ? tcp_set_receive_buffer : udp_set_receive_buffer)(socket, value, &result);
    else if (strcmp(option, "send-buffer") == 0)
        (slot->tcp ? tcp_set_send_buffer : udp_set_send_buffer)(socket, value, &result);
    return say_code(result);
}

static const char *get(const struct words *words)
{
    struct slot *slot = slot_of(words);
    const char *option = words->at[2];
    uint32_t socket = slot->socket;
    struct bool_result small = {1, {0}};
    struct u32_result medium;
    struct u64_result large = {1, {0}};
    if (strcmp(option, "keep-alive") == 0)
        tcp_keep_alive(socket, &small);
    else if (strcmp(option, "hops") == 0)
        (slot->tcp ? tcp_hops : udp_hops)(socket, &small);
    if (strcmp(option, "keep-alive") == 0 || strcmp(option, "hops") == 0)
        return small.failed ? name_of(small.is.code) : say("%u", small.is.ok);
    if (strcmp(option, "count") == 0) {
        tcp_count(socket, &medium);
        return medium.failed ? name_of(medium.is.code) : say("%u", (unsigned)medium.is.ok);
    }
    if (strcmp(option, "idle") == 0)
        tcp_idle(socket, &large);
    else if (strcmp(option, "interval") == 0)
        tcp_interval(socket, &large);
    else if (strcmp(option, "receive-buffer") == 0)
        (slot->tcp ? tcp_receive_buffer : udp_receive_buffer)(socket, &large);
    else if (strcmp(option, "send-buffer") == 0)
        (slot->tcp ? tcp_send_buffer : udp_send_buffer)(socket, &large);
    return say_u64(large);
}

/* --- streams --- */

static const char *say_stream(struct stream_result result)
{
    return result.failed ? say_stream_error(result.error) : "ok";
}

static const char *write_text(const struct words *words)
{
    struct stream_result result;
    output_blocking_write(slot_of(words)->output, words->at[2], strlen(words->at[2]), &result);
    return say_stream(result);
}

static const char *check_write(const struct words *words)
{
    struct stream_u64_result permit;
    output_check_write(slot_of(words)->output, &permit);
    return permit.failed ? say_stream_error(permit.is.error) : say("%llu", (unsigned long long)permit.is.ok);
}

/* Bytes that tell their place: the reader can see that none is missing. */
static void pattern(uint8_t *bytes, size_t size, uint64_t from)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)((from + i) % 251);
}

/* Writes what is permitted; *sent grows by it. NULL, or an answer. */
static const char *write_permitted(uint32_t output, uint64_t wanted, uint64_t *sent)
{
    static uint8_t bytes[1 << 16];
    struct stream_u64_result permit;
    struct stream_result result;
    output_check_write(output, &permit);
    if (permit.failed)
        return say_stream_error(permit.is.error);
    uint64_t size = permit.is.ok < wanted - *sent ? permit.is.ok : wanted - *sent;
    size = size < sizeof bytes ? size : sizeof bytes;
    if (size == 0)
        return NULL;
    pattern(bytes, size, *sent);
    output_write(output, bytes, size, &result);
    *sent += size;
    return result.failed ? say_stream_error(result.error) : NULL;
}

static const char *put(const struct words *words)
{
    struct stream_u64_result permit;
    struct stream_result result;
    uint32_t output = slot_of(words)->output;
    output_check_write(output, &permit);
    if (permit.failed)
        return say_stream_error(permit.is.error);
    output_write(output, words->at[2], strlen(words->at[2]), &result);
    return say_stream(result);
}

static const char *overwrite(const struct words *words)
{
    struct stream_u64_result permit;
    struct stream_result result;
    uint32_t output = slot_of(words)->output;
    output_check_write(output, &permit);
    if (permit.failed)
        return say_stream_error(permit.is.error);
    output_write(output, calloc(permit.is.ok + 1, 1), permit.is.ok + 1, &result);
    return say_stream(result);
}

/* Until nothing is permitted. */
static const char *fill(const struct words *words)
{
    uint64_t sent = 0, wanted = strtoull(words->at[2], NULL, 10);
    for (;;) {
        uint64_t before = sent;
        const char *problem = write_permitted(slot_of(words)->output, wanted, &sent);
        if (problem != NULL)
            return problem;
        if (sent == before)
            return say("%llu", (unsigned long long)sent);
    }
}

static const char *blast(const struct words *words)
{
    uint32_t output = slot_of(words)->output;
    uint64_t sent = 0, wanted = strtoull(words->at[2], NULL, 10), waits = 0;
    while (sent < wanted) {
        uint64_t before = sent;
        const char *problem = write_permitted(output, wanted, &sent);
        if (problem != NULL)
            return problem;
        if (sent == before) {
            waits++;
            wait_for(output_subscribe(output));
        }
    }
    return waits > 0 ? "ok, with waiting" : "ok";
}

static const char *flush(const struct words *words)
{
    struct stream_result result;
    output_flush(slot_of(words)->output, &result);
    return say_stream(result);
}

static const char *blocking_flush(const struct words *words)
{
    struct stream_result result;
    output_blocking_flush(slot_of(words)->output, &result);
    return say_stream(result);
}

static const char *say_bytes(struct stream_bytes_result result)
{
    if (result.failed)
        return say_stream_error(result.is.error);
    const char *text = say("\"%.*s\"", (int)result.is.ok.len, (const char *)result.is.ok.ptr);
    if (result.is.ok.len > 0)
        free(result.is.ok.ptr);
    return text;
}

static const char *read_text(const struct words *words)
{
    struct stream_bytes_result result;
    input_blocking_read(slot_of(words)->input, strtoull(words->at[2], NULL, 10), &result);
    return say_bytes(result);
}

static const char *say_text(const struct words *words)
{
    struct slot *slot = slot_of(words);
    struct stream_bytes_result heard;
    if (slot->output == 0)
        return "invalid-state";
    const char *written = write_text(words);
    if (!is_ok(written))
        return written;
    input_blocking_read(slot->input, 1 << 16, &heard);
    return say_bytes(heard);
}

static const char *try_read(const struct words *words)
{
    struct stream_bytes_result result;
    input_read(slot_of(words)->input, strtoull(words->at[2], NULL, 10), &result);
    return say_bytes(result);
}

static const char *drain(const struct words *words)
{
    uint64_t count = 0;
    uint32_t wrong = 0;
    for (;;) {
        struct stream_bytes_result result;
        input_blocking_read(slot_of(words)->input, 1 << 20, &result);
        if (result.failed) {
            char end[64];
            snprintf(end, sizeof end, "%s", say_stream_error(result.is.error));
            return say("%llu bytes%s, %s", (unsigned long long)count, wrong ? ", not as sent" : "", end);
        }
        for (size_t i = 0; i < result.is.ok.len; i++)
            wrong |= result.is.ok.ptr[i] != (count + i) % 251;
        count += result.is.ok.len;
        free(result.is.ok.ptr);
    }
}

static const char *wait_one(const struct words *words)
{
    struct slot *slot = slot_of(words);
    char what = words->at[2][0];
    uint32_t pollable = what == 's' ? (slot->tcp ? tcp_subscribe : udp_subscribe)(slot->socket)
                        : what == 'i' ? (slot->tcp ? input_subscribe : incoming_subscribe)(slot->input)
                                      : (slot->tcp ? output_subscribe : outgoing_subscribe)(slot->output);
    return wait_beside_timer(pollable, (unsigned)atoi(words->at[3])) ? "ready" : "timeout";
}

/* --- ends --- */

static const char *drop_input(const struct words *words)
{
    struct slot *slot = slot_of(words);
    if (slot->input != 0)
        (slot->tcp ? input_drop : incoming_drop)(slot->input);
    slot->input = 0;
    return "ok";
}

static const char *drop_output(const struct words *words)
{
    struct slot *slot = slot_of(words);
    if (slot->output != 0)
        (slot->tcp ? output_drop : outgoing_drop)(slot->output);
    slot->output = 0;
    return "ok";
}

static const char *forget(const struct words *words)
{
    struct slot *slot = slot_of(words);
    (slot->tcp ? tcp_drop : udp_drop)(slot->socket);
    *slot = (struct slot){0};
    return "ok";
}

static const char *drop_all(const struct words *words)
{
    drop_input(words);
    drop_output(words);
    return forget(words);
}

/* --- datagrams --- */

static const char *stream(const struct words *words)
{
    struct slot *slot = slot_of(words);
    struct address a = address_of(words->at[2], words->at[3]);
    struct handles_result result;
    udp_stream(slot->socket, words->at[2][0] != '\0', FLATTEN(a), &result);
    if (result.failed)
        return name_of(result.is.code);
    slot->input = result.is.ok[0];
    slot->output = result.is.ok[1];
    return "ok";
}

static const char *check_send(const struct words *words)
{
    struct u64_result permit;
    outgoing_check_send(slot_of(words)->output, &permit);
    return say_u64(permit);
}

static const char *send_text(const struct words *words)
{
    uint32_t output = slot_of(words)->output;
    struct u64_result permit, sent;
    struct outgoing datagram = {.data = {(uint8_t *)words->at[2], strlen(words->at[2])}};
    datagram.to.some = words->at[3][0] != '\0';
    datagram.to.is = address_of(words->at[3], words->at[4]);
    outgoing_check_send(output, &permit);
    if (permit.failed)
        return name_of(permit.is.code);
    outgoing_send(output, &datagram, 1, &sent);
    return say_u64(sent);
}

/* Without asking for a permit; the last is of so many bytes as the third word says. */
static const char *flood(const struct words *words)
{
    size_t count = strtoul(words->at[2], NULL, 10), size = strtoul(words->at[3], NULL, 10);
    struct outgoing *datagrams = calloc(count, sizeof *datagrams);
    struct u64_result sent;
    if (size > 0)
        datagrams[count - 1].data = (struct guest_bytes){calloc(size, 1), size};
    outgoing_send(slot_of(words)->output, datagrams, count, &sent);
    free(datagrams[count - 1].data.ptr);
    free(datagrams);
    return say_u64(sent);
}

static const char *try_receive(const struct words *words)
{
    struct incoming_result result;
    char text[1024] = "";
    incoming_receive(slot_of(words)->input, strtoull(words->at[2], NULL, 10), &result);
    if (result.failed)
        return name_of(result.is.code);
    for (size_t i = 0; i < result.is.ok.count; i++) {
        const struct incoming *datagram = &result.is.ok.items[i];
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "%s%.*s from %s", used ? ", " : "", (int)datagram->data.len,
                 (const char *)datagram->data.ptr, say_address(&datagram->from));
        if (datagram->data.len > 0)
            free(datagram->data.ptr);
    }
    if (result.is.ok.count > 0)
        free(result.is.ok.items);
    return say("[%s]", text);
}

static const char *receive(const struct words *words)
{
    wait_for(incoming_subscribe(slot_of(words)->input));
    return try_receive(words);
}

/* --- names --- */

static const char *say_ips(uint32_t lookup)
{
    char text[4096] = "";
    struct ip_result next;
    for (;;) {
        resolve_next(lookup, &next);
        if (next.failed && next.is.code == 8) {
            wait_for(resolve_subscribe(lookup));
            continue;
        }
        if (next.failed)
            return name_of(next.is.code);
        if (!next.is.ok.some)
            return say("[%s]", text);
        const uint8_t *b = next.is.ok.ip.is.bytes;
        const uint16_t *w = next.is.ok.ip.is.words;
        size_t used = strlen(text);
        if (next.is.ok.ip.v6)
            snprintf(text + used, sizeof text - used, "%s%x:%x:%x:%x:%x:%x:%x:%x", used ? " " : "", w[0], w[1], w[2], w[3],
                     w[4], w[5], w[6], w[7]);
        else
            snprintf(text + used, sizeof text - used, "%s%u.%u.%u.%u", used ? " " : "", b[0], b[1], b[2], b[3]);
    }
}

static const char *resolve(const struct words *words)
{
    struct u32_result lookup;
    resolve_addresses(network(), words->at[1], strlen(words->at[1]), &lookup);
    if (lookup.failed)
        return say("at once: %s", name_of(lookup.is.code));
    const char *text = say_ips(lookup.is.ok);
    resolve_drop(lookup.is.ok);
    return text;
}

static const char *race(const struct words *words)
{
    struct u32_result lookup;
    resolve_addresses(network(), words->at[1], strlen(words->at[1]), &lookup);
    if (lookup.failed)
        return say("at once: %s", name_of(lookup.is.code));
    bool first = wait_beside_timer(resolve_subscribe(lookup.is.ok), (unsigned)atoi(words->at[2]));
    resolve_drop(lookup.is.ok);
    return first ? "the lookup" : "the timer";
}

static const char *nap(const struct words *words)
{
    wait_for(clock_subscribe(strtoull(words->at[1], NULL, 10) * 1000000));
    return "ok";
}

/* --- crowds --- */

static const char *gather(const struct words *words)
{
    uint32_t wanted = (uint32_t)strtoul(words->at[2], NULL, 10);
    crowd_tcp = words->at[1][0] == 't';
    while (crowd_count < wanted && crowd_count < CROWD) {
        struct u32_result made;
        if (crowd_tcp)
            tcp_create(0, &made);
        else
            udp_create(0, &made);
        if (made.failed)
            return say("%s", name_of(made.is.code));
        crowd[crowd_count++] = made.is.ok;
    }
    return "all";
}

static const char *disperse(const struct words *words)
{
    (void)words;
    uint32_t count = crowd_count;
    while (crowd_count > 0)
        (crowd_tcp ? tcp_drop : udp_drop)(crowd[--crowd_count]);
    return say("%u", (unsigned)count);
}

/* --- the interface --- */

static const struct {
    const char *verb;
    const char *(*run)(const struct words *words);
} verbs[] = {
    {"tcp4", create}, {"tcp6", create}, {"udp4", create}, {"udp6", create},
    {"bind", bind_both}, {"start-bind", start_bind}, {"finish-bind", finish_bind},
    {"listen", listen_both}, {"start-listen", start_listen}, {"finish-listen", finish_listen},
    {"connect", connect_both}, {"start-connect", start_connect}, {"finish-connect", finish_connect},
    {"accept", accept_one}, {"try-accept", try_accept}, {"local", local}, {"remote", remote},
    {"listening", listening}, {"family", family}, {"shutdown", shut_down}, {"set", set}, {"get", get},
    {"write", write_text}, {"check-write", check_write}, {"put", put}, {"overwrite", overwrite}, {"fill", fill},
    {"say", say_text}, {"blast", blast}, {"flush", flush}, {"blocking-flush", blocking_flush}, {"read", read_text},
    {"try-read", try_read}, {"drain", drain}, {"wait", wait_one}, {"drop", drop_all}, {"drop-input", drop_input},
    {"drop-output", drop_output}, {"forget", forget}, {"stream", stream}, {"check-send", check_send},
    {"send", send_text}, {"flood", flood}, {"receive", receive}, {"try-receive", try_receive},
    {"resolve", resolve}, {"race", race}, {"nap", nap}, {"crowd", gather}, {"disperse", disperse},
};

static const char *run(struct guest_string line)
{
    char *text = strndup(line.ptr, line.len);
    struct words words;
    char *rest = text;
    for (int i = 0; i < WORDS; i++)
        words.at[i] = (words.at[i] = strsep(&rest, " ")) != NULL ? words.at[i] : "";
    const char *said = "no such step";
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(verbs[i].verb, words.at[0]) == 0)
            said = verbs[i].run(&words);
    said = said == answer ? said : say("%s", said);
    free(text);
    guest_string_free(line);
    return said;
}

GUEST_EXPORT("demo:sockets/api@1.0.0#step") struct guest_string *step(char *line, size_t size)
{
    static struct guest_string result;
    run(guest_string(line, size));
    result = guest_string(answer, strlen(answer));
    return &result;
}

GUEST_EXPORT("demo:sockets/api@1.0.0#steps") void *steps(struct guest_string *lines, size_t count)
{
    static struct { struct guest_string *items; size_t count; } result;
    result.items = calloc(count + 1, sizeof *result.items);
    result.count = count;
    for (size_t i = 0; i < count; i++) {
        run(lines[i]);
        result.items[i] = guest_format("%s", answer);
    }
    if (count > 0)
        free(lines);
    return &result;
}

GUEST_POST("demo:sockets/api@1.0.0#steps") void post_steps(void *area)
{
    struct { struct guest_string *items; size_t count; } *result = area;
    for (size_t i = 0; i < result->count; i++)
        guest_string_free(result->items[i]);
    free(result->items);
}
