/* Writes a JSON text of some 20 KiB, then n times: parses it into a tree, walks the tree, lets it go. */
#include "kernels.h"

enum kind { KIND_NULL, KIND_FALSE, KIND_TRUE, KIND_NUMBER, KIND_STRING, KIND_LIST, KIND_OBJECT };

struct node {
    enum kind kind;
    struct node *next;
    struct node *child;
    const char *name;
    size_t name_len;
    const char *text;
    size_t text_len;
    double number;
};

struct parser {
    const char *at;
    const char *end;
    char *pool;
    size_t pool_used;
    size_t pool_size;
};

static void *pool_alloc(struct parser *p, size_t size)
{
    void *block = p->pool + p->pool_used;

    p->pool_used += (size + 15) & ~(size_t)15;
    if (p->pool_used > p->pool_size)
        abort();
    return block;
}

static void skip_space(struct parser *p)
{
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\n' || *p->at == '\t' || *p->at == '\r'))
        p->at++;
}

static char unescape(char c)
{
    switch (c) {
    case 'n': return '\n';
    case 't': return '\t';
    case 'r': return '\r';
    case 'b': return '\b';
    case 'f': return '\f';
    default: return c;
    }
}

static void parse_string(struct parser *p, const char **text_out, size_t *len_out)
{
    const char *start = ++p->at;
    size_t escapes = 0;

    while (*p->at != '"') {
        if (*p->at == '\\') {
            escapes++;
            p->at++;
        }
        p->at++;
    }
    size_t len = (size_t)(p->at++ - start);
    *text_out = start;
    *len_out = len - escapes;
    if (escapes > 0) {
        char *copy = pool_alloc(p, len);
        size_t used = 0;
        for (size_t i = 0; i < len; i++)
            copy[used++] = start[i] == '\\' ? unescape(start[++i]) : start[i];
        *text_out = copy;
    }
}

static double parse_number(struct parser *p)
{
    double value = 0;
    double scale = 1;
    int negative = *p->at == '-';

    p->at += negative;
    while (*p->at >= '0' && *p->at <= '9')
        value = value * 10 + (*p->at++ - '0');
    if (*p->at == '.')
        for (p->at++; *p->at >= '0' && *p->at <= '9'; p->at++) {
            scale *= 10;
            value = value * 10 + (*p->at - '0');
        }
    value /= scale;
    return negative ? -value : value;
}

static struct node *parse_value(struct parser *p);

static void parse_members(struct parser *p, struct node *parent, char close)
{
    struct node **last = &parent->child;

    for (p->at++, skip_space(p); *p->at != close; skip_space(p)) {
        const char *name = NULL;
        size_t name_len = 0;
        if (parent->kind == KIND_OBJECT) {
            parse_string(p, &name, &name_len);
            skip_space(p);
            p->at++;
        }
        struct node *child = parse_value(p);
        child->name = name;
        child->name_len = name_len;
        *last = child;
        last = &child->next;
        skip_space(p);
        if (*p->at == ',')
            p->at++;
    }
    p->at++;
}

static struct node *parse_value(struct parser *p)
{
    struct node *node = pool_alloc(p, sizeof *node);

    memset(node, 0, sizeof *node);
    skip_space(p);
    switch (*p->at) {
    case '{':
        node->kind = KIND_OBJECT;
        parse_members(p, node, '}');
        break;
    case '[':
        node->kind = KIND_LIST;
        parse_members(p, node, ']');
        break;
    case '"':
        node->kind = KIND_STRING;
        parse_string(p, &node->text, &node->text_len);
        break;
    case 't':
        node->kind = KIND_TRUE;
        p->at += 4;
        break;
    case 'f':
        node->kind = KIND_FALSE;
        p->at += 5;
        break;
    case 'n':
        node->kind = KIND_NULL;
        p->at += 4;
        break;
    default:
        node->kind = KIND_NUMBER;
        node->number = parse_number(p);
        break;
    }
    return node;
}

static uint64_t walk(uint64_t digest, const struct node *node)
{
    for (; node != NULL; node = node->next) {
        digest = kernel_mix(digest, (uint64_t)node->kind);
        for (size_t i = 0; i < node->name_len; i++)
            digest = digest * 31 + (uint8_t)node->name[i];
        for (size_t i = 0; i < node->text_len; i++)
            digest = digest * 31 + (uint8_t)node->text[i];
        if (node->kind == KIND_NUMBER)
            digest = kernel_mix_double(digest, node->number);
        digest = walk(digest, node->child);
    }
    return digest;
}

struct writer {
    char *text;
    size_t used;
    uint64_t state;
};

static void write_text(struct writer *w, const char *text)
{
    size_t len = strlen(text);

    memcpy(w->text + w->used, text, len);
    w->used += len;
}

static void write_number(struct writer *w, uint32_t number)
{
    char digits[10];
    size_t count = 0;

    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    while (count > 0)
        w->text[w->used++] = digits[--count];
}

static void write_record(struct writer *w)
{
    static const char *const names[] = {"Ada \\\"L\\\"", "Grace", "Edsger\\n", "Barbara", "Donald", "Tony"};

    write_text(w, "{\"id\": ");
    write_number(w, kernel_random(&w->state));
    write_text(w, ", \"name\": \"");
    write_text(w, names[kernel_random(&w->state) % 6]);
    write_text(w, "\", \"active\": ");
    write_text(w, kernel_random(&w->state) % 2 ? "true" : "false");
    write_text(w, ", \"parent\": null, \"scores\": [");
    for (int i = 0; i < 8; i++) {
        write_text(w, i > 0 ? ", -" : "");
        write_number(w, kernel_random(&w->state) % 1000);
        write_text(w, ".");
        write_number(w, kernel_random(&w->state) % 1000);
    }
    write_text(w, "], \"where\": {\"x\": ");
    write_number(w, kernel_random(&w->state) % 100000);
    write_text(w, ", \"y\": ");
    write_number(w, kernel_random(&w->state) % 100000);
    write_text(w, "}}");
}

uint64_t kernel_json(uint32_t n)
{
    struct writer w = {kernel_alloc(1 << 16), 0, 11};
    struct parser p = {.pool_size = 1 << 20};
    uint64_t digest = 0;

    write_text(&w, "[");
    for (int i = 0; i < 100; i++) {
        write_text(&w, i > 0 ? ",\n " : "");
        write_record(&w);
    }
    write_text(&w, "]");
    p.pool = kernel_alloc(p.pool_size);
    for (uint32_t i = 0; i < n; i++) {
        p.at = w.text;
        p.end = w.text + w.used;
        p.pool_used = 0;
        digest = walk(digest, parse_value(&p));
    }
    free(p.pool);
    free(w.text);
    return digest;
}
