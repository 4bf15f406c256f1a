/* A machine of bytecodes with a stack, which runs a sieve over 1,000 numbers n times, from the beginning each time. */
#include "kernels.h"

enum op {
    OP_PUSH,
    OP_LOAD,
    OP_STORE,
    OP_ADD,
    OP_MUL,
    OP_LESS,
    OP_JUMP,
    OP_JUMP_IF_NOT,
    OP_GET,
    OP_SET,
    OP_MIX,
    OP_HALT
};

struct machine {
    const int32_t *code;
    int64_t stack[32];
    int64_t locals[8];
    int64_t cells[1000];
    uint64_t digest;
};

static void machine_run(struct machine *m)
{
    const int32_t *pc = m->code;
    int64_t *top = m->stack;

    for (;;) {
        switch (*pc++) {
        case OP_PUSH: *top++ = *pc++; break;
        case OP_LOAD: *top++ = m->locals[*pc++]; break;
        case OP_STORE: m->locals[*pc++] = *--top; break;
        case OP_ADD:
            top--;
            top[-1] += top[0];
            break;
        case OP_MUL:
            top--;
            top[-1] *= top[0];
            break;
        case OP_LESS:
            top--;
            top[-1] = top[-1] < top[0];
            break;
        case OP_JUMP: pc = m->code + *pc; break;
        case OP_JUMP_IF_NOT: pc = *--top ? pc + 1 : m->code + *pc; break;
        case OP_GET: top[-1] = m->cells[top[-1]]; break;
        case OP_SET:
            top -= 2;
            m->cells[top[0]] = top[1];
            break;
        case OP_MIX: m->digest = kernel_mix(m->digest, (uint64_t)*--top); break;
        case OP_HALT: return;
        }
    }
}

/* for (i = 2; i < 1000; i++) if (!cells[i]) { mix(i); for (j = i * i; j < 1000; j += i) cells[j] = 1; } */
/* clang-format off */
static const int32_t sieve[] = {
    OP_PUSH, 2, OP_STORE, 0,                                      /*  0: i = 2 */
    OP_LOAD, 0, OP_PUSH, 1000, OP_LESS, OP_JUMP_IF_NOT, 57,       /*  4: while i < 1000 */
    OP_LOAD, 0, OP_GET, OP_PUSH, 1, OP_LESS, OP_JUMP_IF_NOT, 48,  /* 11: if cells[i] < 1 */
    OP_LOAD, 0, OP_MIX,                                           /* 19: mix(i) */
    OP_LOAD, 0, OP_LOAD, 0, OP_MUL, OP_STORE, 1,                  /* 22: j = i * i */
    OP_LOAD, 1, OP_PUSH, 1000, OP_LESS, OP_JUMP_IF_NOT, 48,       /* 29: while j < 1000 */
    OP_LOAD, 1, OP_PUSH, 1, OP_SET,                               /* 36: cells[j] = 1 */
    OP_LOAD, 1, OP_LOAD, 0, OP_ADD, OP_JUMP, 58,                  /* 41: j += i */
    OP_LOAD, 0, OP_PUSH, 1, OP_ADD, OP_STORE, 0, OP_JUMP, 4,      /* 48: i += 1 */
    OP_HALT,                                                      /* 57 */
    OP_STORE, 1, OP_JUMP, 29,                                     /* 58: (the end of j += i) */
};
/* clang-format on */

uint64_t kernel_vm(uint32_t n)
{
    struct machine m = {.code = sieve};

    for (uint32_t i = 0; i < n; i++) {
        memset(m.cells, 0, sizeof m.cells);
        machine_run(&m);
    }
    return m.digest;
}
