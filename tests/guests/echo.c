/* Gives back what it gets, for every type of value. Parameters are flattened by hand here, as the canonical ABI says,
 * and results are structs which have its layout; the pointers that came in go out again.
 *
 * Whatever a call was given is released after its result was read: a chain of all blocks, in GUEST_POST of the
 * functions that return memory. */
#define GUEST_OWN_REALLOC
#include "guest.h"

#define API "demo:echo/api@1.0.0"

struct block {
    struct block *next;
    size_t unused;
    char bytes[];
};

static struct block *blocks;

GUEST_EXPORT("cabi_realloc") void *cabi_realloc(void *old, size_t old_size, size_t align, size_t new_size)
{
    if (new_size == 0)
        return (void *)align;
    struct block *block = malloc(sizeof *block + new_size);
    if (block == NULL)
        abort();
    block->next = blocks;
    blocks = block;
    if (old_size > 0)
        memcpy(block->bytes, old, old_size < new_size ? old_size : new_size);
    return block->bytes;
}

static void release_all(void)
{
    while (blocks != NULL) {
        struct block *next = blocks->next;
        free(blocks);
        blocks = next;
    }
}

/* A function `name` with its own post-return. */
#define POST(id, name)                                    \
    GUEST_POST(API "#" name) void post_##id(void *result) \
    {                                                     \
        (void)result;                                     \
        release_all();                                    \
    }

/* One core value in, the same out. */
#define ECHO_SCALAR(id, name, type)                   \
    GUEST_EXPORT(API "#" name) type echo_##id(type v) \
    {                                                 \
        return v;                                     \
    }

ECHO_SCALAR(bool, "echo-bool", uint32_t)
ECHO_SCALAR(u8, "echo-u8", uint32_t)
ECHO_SCALAR(u16, "echo-u16", uint32_t)
ECHO_SCALAR(u32, "echo-u32", uint32_t)
ECHO_SCALAR(u64, "echo-u64", uint64_t)
ECHO_SCALAR(s8, "echo-s8", int32_t)
ECHO_SCALAR(s16, "echo-s16", int32_t)
ECHO_SCALAR(s32, "echo-s32", int32_t)
ECHO_SCALAR(s64, "echo-s64", int64_t)
ECHO_SCALAR(f32, "echo-f32", float)
ECHO_SCALAR(f64, "echo-f64", double)
ECHO_SCALAR(char, "echo-char", uint32_t)
ECHO_SCALAR(colour, "echo-colour", uint32_t)
ECHO_SCALAR(rights, "echo-rights", uint32_t)
ECHO_SCALAR(twelve, "echo-twelve", uint32_t)
ECHO_SCALAR(thirty_two, "echo-thirty-two", uint32_t)
ECHO_SCALAR(result_none, "echo-result-none", uint32_t)

/* Pointer and length in, the same out: strings, and lists of whatever element. */
#define ECHO_LIST(id, name)                                                            \
    GUEST_EXPORT(API "#" name) struct guest_bytes *echo_##id(uint8_t *ptr, size_t len) \
    {                                                                                  \
        static struct guest_bytes out;                                                 \
        out = (struct guest_bytes){ptr, len};                                          \
        return &out;                                                                   \
    }                                                                                  \
    POST(id, name)

ECHO_LIST(string, "echo-string")
ECHO_LIST(bytes, "echo-bytes")
ECHO_LIST(strings, "echo-strings")
ECHO_LIST(u64s, "echo-u64s")
ECHO_LIST(f32s, "echo-f32s")
ECHO_LIST(chars, "echo-chars")
ECHO_LIST(bools, "echo-bools")
ECHO_LIST(matrix, "echo-matrix")
ECHO_LIST(points, "echo-points")
ECHO_LIST(shapes, "echo-shapes")
ECHO_LIST(colours, "echo-colours")
ECHO_LIST(rights_list, "echo-rights-list")
ECHO_LIST(options, "echo-options")
ECHO_LIST(pairs, "echo-pairs")
ECHO_LIST(teams, "echo-teams")

struct point {
    double x;
    double y;
};

GUEST_EXPORT(API "#echo-point") struct point *echo_point(double x, double y)
{
    static struct point out;

    out = (struct point){x, y};
    return &out;
}

struct option_string {
    uint8_t some;
    struct guest_string value;
};

struct person {
    struct guest_string name;
    uint8_t age;
    struct option_string nick;
    struct guest_bytes tags;
};

GUEST_EXPORT(API "#echo-person")
struct person *echo_person(char *name, size_t name_len, uint32_t age, uint32_t nick_some, char *nick, size_t nick_len,
                           uint8_t *tags, size_t tags_len)
{
    static struct person out;

    out = (struct person){
        .name = {name, name_len},
        .age = (uint8_t)age,
        .nick = {(uint8_t)nick_some, {nick, nick_len}},
        .tags = {tags, tags_len},
    };
    return &out;
}
POST(person, "echo-person")

struct team {
    struct guest_string name;
    struct guest_bytes people;
    struct point home;
};

GUEST_EXPORT(API "#echo-team")
struct team *echo_team(char *name, size_t name_len, uint8_t *people, size_t people_len, double x, double y)
{
    static struct team out;

    out = (struct team){.name = {name, name_len}, .people = {people, people_len}, .home = {x, y}};
    return &out;
}
POST(team, "echo-team")

struct gaps {
    uint8_t a;
    uint64_t b;
    bool c;
    uint16_t d;
    float e;
    int8_t f;
    double g;
    uint32_t h;
    int16_t i;
};

_Static_assert(sizeof(struct gaps) == 48, "9 fields, padded as the canonical ABI pads");

GUEST_EXPORT(API "#echo-gaps")
struct gaps *echo_gaps(uint32_t a, uint64_t b, uint32_t c, uint32_t d, float e, int32_t f, double g, uint32_t h,
                       int32_t i)
{
    static struct gaps out;

    out = (struct gaps){(uint8_t)a, b, c != 0, (uint16_t)d, e, (int8_t)f, g, h, (int16_t)i};
    return &out;
}

struct mixed_tuple {
    uint8_t f0;
    struct guest_string f1;
    float f2;
    int64_t f3;
};

GUEST_EXPORT(API "#echo-tuple")
struct mixed_tuple *echo_tuple(uint32_t f0, char *f1, size_t f1_len, float f2, int64_t f3)
{
    static struct mixed_tuple out;

    out = (struct mixed_tuple){(uint8_t)f0, {f1, f1_len}, f2, f3};
    return &out;
}
POST(tuple, "echo-tuple")

enum shape_case {
    SHAPE_NOTHING,
    SHAPE_NUMBER,
    SHAPE_BIG,
    SHAPE_RATIO,
    SHAPE_PRECISE,
    SHAPE_TEXT,
    SHAPE_AT,
    SHAPE_PAIR
};

struct shape {
    uint8_t tag;
    union {
        int32_t number;
        uint64_t big;
        float ratio;
        double precise;
        struct guest_string text;
        struct point at;
        struct {
            uint32_t f0;
            uint64_t f1;
        } pair;
    };
};

static float float_of_bits(uint64_t slot)
{
    uint32_t bits = (uint32_t)slot;
    float value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

static double double_of_bits(uint64_t slot)
{
    double value;

    memcpy(&value, &slot, sizeof value);
    return value;
}

/* From its flat form: discriminant and two joined slots of i64. */
static struct shape shape_lift(uint32_t tag, uint64_t slot0, uint64_t slot1)
{
    struct shape v = {.tag = (uint8_t)tag};

    switch ((enum shape_case)tag) {
    case SHAPE_NOTHING: break;
    case SHAPE_NUMBER: v.number = (int32_t)slot0; break;
    case SHAPE_BIG: v.big = slot0; break;
    case SHAPE_RATIO: v.ratio = float_of_bits(slot0); break;
    case SHAPE_PRECISE: v.precise = double_of_bits(slot0); break;
    case SHAPE_TEXT: v.text = guest_string((char *)(uintptr_t)slot0, (size_t)slot1); break;
    case SHAPE_AT: v.at = (struct point){double_of_bits(slot0), double_of_bits(slot1)}; break;
    case SHAPE_PAIR:
        v.pair.f0 = (uint32_t)slot0;
        v.pair.f1 = slot1;
        break;
    }
    return v;
}

GUEST_EXPORT(API "#echo-shape") struct shape *echo_shape(uint32_t tag, uint64_t slot0, uint64_t slot1)
{
    static struct shape out;

    out = shape_lift(tag, slot0, slot1);
    return &out;
}
POST(shape, "echo-shape")

struct small {
    uint8_t tag;
    uint32_t bits; /* of the s32 or the f32 */
};

GUEST_EXPORT(API "#echo-small") struct small *echo_small(uint32_t tag, uint32_t slot)
{
    static struct small out;

    out = (struct small){(uint8_t)tag, slot};
    return &out;
}

struct option_u64 {
    uint8_t some;
    uint64_t value;
};

GUEST_EXPORT(API "#echo-option") struct option_u64 *echo_option(uint32_t some, uint64_t value)
{
    static struct option_u64 out;

    out = (struct option_u64){(uint8_t)some, value};
    return &out;
}

GUEST_EXPORT(API "#echo-option-string")
struct option_string *echo_option_string(uint32_t some, char *value, size_t value_len)
{
    static struct option_string out;

    out = (struct option_string){(uint8_t)some, {value, value_len}};
    return &out;
}
POST(option_string, "echo-option-string")

struct option_option {
    uint8_t some;
    uint8_t inner_some;
    uint8_t value;
};

GUEST_EXPORT(API "#echo-option-option")
struct option_option *echo_option_option(uint32_t some, uint32_t inner_some, uint32_t value)
{
    static struct option_option out;

    out = (struct option_option){(uint8_t)some, (uint8_t)inner_some, (uint8_t)value};
    return &out;
}

struct result_u32_string {
    uint8_t is_err;
    union {
        uint32_t ok;
        struct guest_string err;
    };
};

GUEST_EXPORT(API "#echo-result")
struct result_u32_string *echo_result(uint32_t is_err, uint32_t slot0, size_t slot1)
{
    static struct result_u32_string out;

    out.is_err = (uint8_t)is_err;
    if (is_err)
        out.err = guest_string((char *)slot0, slot1);
    else
        out.ok = slot0;
    return &out;
}
POST(result, "echo-result")

struct result_u64 {
    uint8_t is_err;
    uint64_t ok;
};

GUEST_EXPORT(API "#echo-result-ok") struct result_u64 *echo_result_ok(uint32_t is_err, uint64_t ok)
{
    static struct result_u64 out;

    out = (struct result_u64){(uint8_t)is_err, ok};
    return &out;
}

struct result_f32 {
    uint8_t is_err;
    float err;
};

GUEST_EXPORT(API "#echo-result-err") struct result_f32 *echo_result_err(uint32_t is_err, float err)
{
    static struct result_f32 out;

    out = (struct result_f32){(uint8_t)is_err, err};
    return &out;
}

struct result_shape_colour {
    uint8_t is_err;
    union {
        struct shape ok;
        uint8_t err;
    };
};

/* The first slot is the discriminant of the shape or the colour. */
GUEST_EXPORT(API "#echo-result-shape")
struct result_shape_colour *echo_result_shape(uint32_t is_err, uint32_t slot0, uint64_t slot1, uint64_t slot2)
{
    static struct result_shape_colour out;

    out.is_err = (uint8_t)is_err;
    if (is_err)
        out.err = (uint8_t)slot0;
    else
        out.ok = shape_lift(slot0, slot1, slot2);
    return &out;
}
POST(result_shape, "echo-result-shape")

GUEST_EXPORT(API "#sum-sixteen")
double sum_sixteen(uint32_t a, uint32_t b, uint32_t c, uint64_t d, int32_t e, int32_t f, int32_t g, int64_t h, float i,
                   double j, uint32_t k, uint32_t l, uint32_t m, uint32_t n, uint32_t o, uint32_t p)
{
    return (double)a + b + c + (double)d + e + f + g + (double)h + (double)i + j + k + l + m + n + o + p;
}

struct twenty {
    uint8_t a;
    uint16_t b;
    uint32_t c;
    uint64_t d;
    int8_t e;
    int16_t f;
    int32_t g;
    int64_t h;
    float i;
    double j;
    bool k;
    uint32_t l;
    struct guest_string m;
    struct {
        uint32_t *ptr;
        size_t len;
    } n;
    struct {
        uint8_t some;
        uint16_t value;
    } o;
    struct shape p;
    uint32_t q;
};

struct sum_and_text {
    double sum;
    struct guest_string text;
};

static double shape_weight(const struct shape *v)
{
    switch ((enum shape_case)v->tag) {
    case SHAPE_NOTHING: return 0;
    case SHAPE_NUMBER: return v->number;
    case SHAPE_BIG: return (double)v->big;
    case SHAPE_RATIO: return (double)v->ratio;
    case SHAPE_PRECISE: return v->precise;
    case SHAPE_TEXT: return (double)v->text.len;
    case SHAPE_AT: return v->at.x + v->at.y;
    case SHAPE_PAIR: return (double)v->pair.f0 + (double)v->pair.f1;
    }
    abort();
}

GUEST_EXPORT(API "#sum-twenty") struct sum_and_text *sum_twenty(const struct twenty *in)
{
    static struct sum_and_text out;

    out.sum = (double)in->a + in->b + in->c + (double)in->d + in->e + in->f + in->g + (double)in->h + (double)in->i +
              in->j + in->k + in->l + (double)in->m.len;
    for (size_t index = 0; index < in->n.len; index++)
        out.sum += in->n.ptr[index];
    out.sum += (in->o.some ? in->o.value : 0) + shape_weight(&in->p) + in->q;
    out.text = in->m;
    return &out;
}
POST(sum_twenty, "sum-twenty")

struct several {
    uint8_t f0;
    int64_t f1;
    struct guest_string f2;
    struct {
        uint16_t *ptr;
        size_t len;
    } f3;
};

GUEST_EXPORT(API "#several") struct several *several(void)
{
    static uint16_t numbers[] = {1, 2, 65535};
    static struct several out;

    out = (struct several){255, INT64_MIN, {"several", 7}, {numbers, 3}};
    return &out;
}

GUEST_EXPORT(API "#nothing") void nothing(void) {}

static struct guest_string remembered;

GUEST_EXPORT(API "#remember") void remember(char *text, size_t len)
{
    free(remembered.ptr);
    remembered.ptr = malloc(len + 1);
    if (remembered.ptr == NULL)
        abort();
    memcpy(remembered.ptr, text, len);
    remembered.len = len;
    release_all();
}

GUEST_EXPORT(API "#recall") struct guest_string *recall(void)
{
    return &remembered;
}
