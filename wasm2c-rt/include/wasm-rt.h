#ifndef WASM_RT_H
#define WASM_RT_H

/*
 * What the output of wasm2c (1.0.36 to 1.0.42) expects of its runtime: names, types and macros are its; what is behind
 * them is golem-aot's. The differences to wasm2c's own runtime:
 *
 * - All state lies in the region (core/region.h): linear memories in slots of 8 GiB and a guard, tables in the arena,
 *   the active exception and the unwind target in the region's header. So it is all in every checkpoint.
 * - A trap abandons the guest stack (core/trap.h); no setjmp is involved. Exceptions use a setjmp of our own that
 *   neither mangles pointers nor touches the signal mask, so that a saved context survives a restore.
 * - Guest stack exhaustion is found by the guard below the region's stack: no depth counting.
 *
 * Compile guest objects with: -fno-pie -fno-strict-aliasing -frounding-math -fsignaling-nans -ffp-contract=off
 * -fno-optimize-sibling-calls -fno-stack-protector (the canary differs from process to process; frames do not).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* --- configuration: one is supported; whoever asks for another is told here --- */

#if !defined(__linux__) || !defined(__LP64__) || !defined(__x86_64__)
#    error "golem-aot's runtime is for 64-bit Linux on x86-64"
#endif
#if defined(__PIE__) || defined(__PIC__)
#    error "compile with -fno-pie: code addresses are guest state and must be the same in every process"
#endif
#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#    error "-ffast-math breaks WebAssembly's floating point"
#endif

/* Memory accesses rely on guard pages unless explicit checks are asked for (for valgrind, or to compare). */
#if !defined(WASM_RT_MEMCHECK_GUARD_PAGES) && !defined(WASM_RT_MEMCHECK_BOUNDS_CHECK)
#    define WASM_RT_MEMCHECK_GUARD_PAGES 1
#endif
#ifndef WASM_RT_MEMCHECK_GUARD_PAGES
#    define WASM_RT_MEMCHECK_GUARD_PAGES 0
#endif
#ifndef WASM_RT_MEMCHECK_BOUNDS_CHECK
#    define WASM_RT_MEMCHECK_BOUNDS_CHECK 0
#endif
#if WASM_RT_MEMCHECK_GUARD_PAGES && WASM_RT_MEMCHECK_BOUNDS_CHECK
#    error "WASM_RT_MEMCHECK_GUARD_PAGES and WASM_RT_MEMCHECK_BOUNDS_CHECK exclude each other"
#elif !WASM_RT_MEMCHECK_GUARD_PAGES && !WASM_RT_MEMCHECK_BOUNDS_CHECK
#    error "one of WASM_RT_MEMCHECK_GUARD_PAGES and WASM_RT_MEMCHECK_BOUNDS_CHECK is needed"
#endif

/* Reads that the compiler finds unused must still trap (core spec, "Execution of load instructions"). */
#ifndef WASM_RT_NONCONFORMING_ALLOW_OOB_READ_ELIMINATION
#    define WASM_RT_NONCONFORMING_ALLOW_OOB_READ_ELIMINATION 0
#endif
#if WASM_RT_NONCONFORMING_ALLOW_OOB_READ_ELIMINATION
#    error "WASM_RT_NONCONFORMING_ALLOW_OOB_READ_ELIMINATION is not conforming"
#endif

/* Memories never move: generated code may keep a memory's base in a local. */
#ifndef WASM_RT_USE_MMAP
#    define WASM_RT_USE_MMAP 1
#endif
#if !WASM_RT_USE_MMAP
#    error "memories lie in region slots: WASM_RT_USE_MMAP must be 1"
#endif

#ifndef WASM_RT_STACK_EXHAUSTION_HANDLER
#    define WASM_RT_STACK_EXHAUSTION_HANDLER 1
#endif
#ifndef WASM_RT_STACK_DEPTH_COUNT
#    define WASM_RT_STACK_DEPTH_COUNT 0
#endif
#if !WASM_RT_STACK_EXHAUSTION_HANDLER || WASM_RT_STACK_DEPTH_COUNT
#    error "the guest stack has a guard: WASM_RT_STACK_DEPTH_COUNT is not offered"
#endif
#if defined(WASM_RT_NONCONFORMING_UNCHECKED_STACK_EXHAUSTION) && WASM_RT_NONCONFORMING_UNCHECKED_STACK_EXHAUSTION
#    error "WASM_RT_NONCONFORMING_UNCHECKED_STACK_EXHAUSTION is not conforming"
#endif

#if defined(WASM_RT_SKIP_SIGNAL_RECOVERY) && WASM_RT_SKIP_SIGNAL_RECOVERY
#    error "faults of the guest become traps in a signal handler: WASM_RT_SKIP_SIGNAL_RECOVERY is not offered"
#endif

/* A gate would have to save the segment register; nothing is gained on top of a base kept in a local. */
#if (defined(WASM_RT_ALLOW_SEGUE) && WASM_RT_ALLOW_SEGUE) || (defined(WASM_RT_USE_SEGUE) && WASM_RT_USE_SEGUE)
#    error "segment registers are not saved at gates: WASM_RT_ALLOW_SEGUE is not offered"
#endif
#undef WASM_RT_USE_SEGUE
#define WASM_RT_USE_SEGUE 0

#ifndef WASM_RT_SANITY_CHECKS
#    define WASM_RT_SANITY_CHECKS 0
#endif

/* 1 tells undefined element, uninitialized element and type mismatch apart in call_indirect, where the output
 * allows. */
#ifndef WASM_RT_CALL_INDIRECT_DETAIL
#    define WASM_RT_CALL_INDIRECT_DETAIL 1
#endif

/* --- the compiler --- */

#define WASM_RT_C11_AVAILABLE
#define WASM_RT_THREAD_LOCAL /* guest code runs on one thread; its state is the region's */
#define WASM_RT_NO_RETURN __attribute__((noreturn))

#ifndef __has_builtin
#    define __has_builtin(name) 0
#endif
#define LIKELY(condition) __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#define wasm_rt_memcpy __builtin_memcpy
#define wasm_rt_unreachable __builtin_unreachable

/* --- traps --- */

/* Reasons and their texts, which are those of the core spec's test suite. wasm2c's output uses the first eleven. */
#define WASM_RT_TRAP_MAP(X)                                \
    X(NONE, "no trap")                                     \
    X(OOB, "out of bounds memory access")                  \
    X(INT_OVERFLOW, "integer overflow")                    \
    X(DIV_BY_ZERO, "integer divide by zero")               \
    X(INVALID_CONVERSION, "invalid conversion to integer") \
    X(UNREACHABLE, "unreachable")                          \
    X(CALL_INDIRECT, "indirect call type mismatch")        \
    X(NULL_REF, "null reference")                          \
    X(UNCAUGHT_EXCEPTION, "uncaught exception")            \
    X(UNALIGNED, "unaligned atomic")                       \
    X(EXHAUSTION, "call stack exhausted")                  \
    X(OOB_TABLE, "out of bounds table access")             \
    X(UNDEFINED_ELEMENT, "undefined element")              \
    X(UNINITIALIZED_ELEMENT, "uninitialized element")

typedef enum {
#define X(name, text) WASM_RT_TRAP_##name,
    WASM_RT_TRAP_MAP(X)
#undef X
} wasm_rt_trap_t;

/* Ends the guest's call: control returns to the outermost gate_enter (core/gate.h). */
WASM_RT_NO_RETURN void wasm_rt_trap(wasm_rt_trap_t reason);

/* The reason's text, from WASM_RT_TRAP_MAP; "unknown trap" for a number that is none. */
const char *wasm_rt_strerror(wasm_rt_trap_t reason);

/* wasm2c has one reason for accesses beyond memories and tables; the function that traps tells which it was. */
WASM_RT_NO_RETURN void wasm_rt_trap_out_of_bounds(const char *function);
#define wasm_rt_trap(reason) \
    ((reason) == WASM_RT_TRAP_OOB ? wasm_rt_trap_out_of_bounds(__func__) : (wasm_rt_trap)(reason))

/* --- functions and references --- */

/* Value types, in wasm2c's numbering. */
typedef enum {
    WASM_RT_I32,
    WASM_RT_I64,
    WASM_RT_F32,
    WASM_RT_F64,
    WASM_RT_V128,
    WASM_RT_FUNCREF,
    WASM_RT_EXTERNREF,
    WASM_RT_EXNREF
} wasm_rt_type_t;

/* Any function; cast to its real type before it is called. */
typedef void (*wasm_rt_function_ptr_t)(void);

/* A function as called by tail-call trampolines; may name the next one. */
typedef struct wasm_rt_tailcallee_t {
    void (*fn)(void **instance_ptr, void *tail_call_stack, struct wasm_rt_tailcallee_t *next);
} wasm_rt_tailcallee_t;

/* A function type: 32 bytes, equal for equal types, whose address usually is too. */
typedef const char *wasm_rt_func_type_t;

/* A function with the module instance it closes over. */
typedef struct {
    wasm_rt_func_type_t func_type;
    wasm_rt_function_ptr_t func; /* NULL: the null reference */
    wasm_rt_tailcallee_t func_tailcallee;
    void *module_instance;
} wasm_rt_funcref_t;

#define wasm_rt_funcref_null_value ((wasm_rt_funcref_t){NULL, NULL, {NULL}, NULL})

/* Opaque to the guest; for the region's sake a number or an address in the region. */
typedef void *wasm_rt_externref_t;

#define wasm_rt_externref_null_value ((wasm_rt_externref_t){NULL})

/* --- linear memories --- */

#define WASM_DEFAULT_PAGE_SIZE 65536

/* A linear memory: lies in the struct of the module instance that defines it, and its bytes in a slot of the region.
 * All memories are limited to 4 GiB, those with 64-bit addresses too. */
typedef struct {
    uint8_t *data;      /* the slot's start: never changes */
    uint8_t *data_end;  /* the end of the slot's 8 GiB */
    uint32_t page_size; /* bytes; WASM_DEFAULT_PAGE_SIZE unless the module says otherwise */
    uint64_t pages, max_pages;
    uint64_t size; /* bytes */
    bool is64;     /* addresses are i64; generated code checks bounds then */
} wasm_rt_memory_t;

/* The same, as the output for shared memories sees it. Workers have one thread, so there is nothing to lock. */
typedef struct {
    _Atomic volatile uint8_t *data;
    _Atomic volatile uint8_t *data_end;
    uint32_t page_size;
    uint64_t pages, max_pages;
    uint64_t size;
    bool is64;
} wasm_rt_shared_memory_t;

/* Gives memory the next free slot, zeroed. Traps if there is no slot or the size cannot be had. Output of 1.0.36
 * omits page_size. */
void wasm_rt_allocate_memory(wasm_rt_memory_t *memory, uint64_t initial_pages, uint64_t max_pages, bool is64,
                             uint32_t page_size);
void wasm_rt_allocate_memory_shared(wasm_rt_shared_memory_t *memory, uint64_t initial_pages, uint64_t max_pages,
                                    bool is64, uint32_t page_size);
#define wasm_rt_allocate_memory(memory, initial_pages, max_pages, ...) \
    WASM_RT_ALLOCATE_MEMORY(memory, initial_pages, max_pages, __VA_ARGS__, WASM_DEFAULT_PAGE_SIZE, 0)
#define WASM_RT_ALLOCATE_MEMORY(memory, initial_pages, max_pages, is64, page_size, ...) \
    (wasm_rt_allocate_memory)(memory, initial_pages, max_pages, is64, page_size)

/* Adds delta pages, zeroed; the previous number of pages, or UINT64_MAX if max_pages or 4 GiB would be exceeded or
 * the system refuses. */
uint64_t wasm_rt_grow_memory(wasm_rt_memory_t *memory, uint64_t delta);
uint64_t wasm_rt_grow_memory_shared(wasm_rt_shared_memory_t *memory, uint64_t delta);

/* Gives the pages back. The slot stays taken: slots are numbered in the order of allocation. */
void wasm_rt_free_memory(wasm_rt_memory_t *memory);
void wasm_rt_free_memory_shared(wasm_rt_shared_memory_t *memory);

/* --- tables --- */

/* Tables: elements lie in the region's arena. max_size is UINT32_MAX if the module gives none. */
typedef struct {
    wasm_rt_funcref_t *data;
    uint32_t max_size, size; /* elements */
} wasm_rt_funcref_table_t;

typedef struct {
    wasm_rt_externref_t *data;
    uint32_t max_size, size; /* elements */
} wasm_rt_externref_table_t;

/* size null elements. Traps if that is more than GA_MAX_TABLE_ELEMENTS or than the arena holds. */
void wasm_rt_allocate_funcref_table(wasm_rt_funcref_table_t *table, uint32_t size, uint32_t max_size);
void wasm_rt_allocate_externref_table(wasm_rt_externref_table_t *table, uint32_t size, uint32_t max_size);

/* Adds delta elements of value init; the previous number of elements, or UINT32_MAX if max_size, the limit or the arena
 * would be exceeded. */
uint32_t wasm_rt_grow_funcref_table(wasm_rt_funcref_table_t *table, uint32_t delta, wasm_rt_funcref_t init);
uint32_t wasm_rt_grow_externref_table(wasm_rt_externref_table_t *table, uint32_t delta, wasm_rt_externref_t init);

void wasm_rt_free_funcref_table(wasm_rt_funcref_table_t *table);
void wasm_rt_free_externref_table(wasm_rt_externref_table_t *table);

#if WASM_RT_CALL_INDIRECT_DETAIL
/*
 * In the output of wasm2c 1.0.42 and newer, one function finds that a call_indirect fails; its parameters are `table`
 * and `index`, and with it comes a macro W2C_COLD_FUNC, an attribute. So WASM_RT_TRAP_CALL_INDIRECT becomes a look at
 * that table where the macro exists, and stays the plain number where it does not.
 */
static inline wasm_rt_trap_t wasm_rt_call_indirect_reason(const wasm_rt_funcref_table_t *table, uint32_t index)
{
    if (index >= table->size)
        return WASM_RT_TRAP_UNDEFINED_ELEMENT;
    return table->data[index].func ? WASM_RT_TRAP_CALL_INDIRECT : WASM_RT_TRAP_UNINITIALIZED_ELEMENT;
}
enum { WASM_RT_TRAP_CALL_INDIRECT_PLAIN = WASM_RT_TRAP_CALL_INDIRECT };
#    define WASM_RT_TRAP_CALL_INDIRECT WASM_RT_IF_COLD(W2C_COLD_FUNC)
#    define WASM_RT_IF_COLD(attribute) WASM_RT_IF_COLD_PASTE(attribute)
#    define WASM_RT_IF_COLD_PASTE(attribute) \
        WASM_RT_IF_COLD_PICK(WASM_RT_COLD_##attribute, WASM_RT_TRAP_CALL_INDIRECT_PLAIN, )
#    define WASM_RT_COLD___attribute__(arguments) , wasm_rt_call_indirect_reason(table, index)
#    define WASM_RT_IF_COLD_PICK(...) WASM_RT_SECOND(__VA_ARGS__)
#    define WASM_RT_SECOND(first, second, ...) second
#endif

/* --- life --- */

/* True once the region exists and fault handlers are installed (region_create, trap_install_handlers). */
bool wasm_rt_is_initialized(void);

/* --- saved contexts, for exceptions --- */

/* What a function needs to be returned to a second time. Callee-saved registers, stack pointer, and the address to
 * go on at, as plain values: a context saved on the guest stack is valid in a restored process. */
typedef struct {
    uint64_t rbx, rbp, r12, r13, r14, r15, rsp, rip;
} wasm_rt_jmp_buf;

/* As setjmp and longjmp: 0 at first, value (not 0) when the context is resumed. */
__attribute__((returns_twice)) int wasm_rt_context_save(wasm_rt_jmp_buf *context);
WASM_RT_NO_RETURN void wasm_rt_context_resume(const wasm_rt_jmp_buf *context, int value);

#define wasm_rt_try(target) wasm_rt_context_save(&(target))

#endif
