/* Sorts n thousand records by a key through a comparison function, as C's qsort is used: the calls go through a
 * pointer. */
#include "kernels.h"

struct record {
    uint32_t key;
    uint32_t number;
};

typedef int compare_fn(const void *a, const void *b);

static int by_key(const void *a, const void *b)
{
    const struct record *left = a;
    const struct record *right = b;

    if (left->key != right->key)
        return left->key < right->key ? -1 : 1;
    return left->number < right->number ? -1 : left->number > right->number;
}

static int by_number(const void *a, const void *b)
{
    const struct record *left = a;
    const struct record *right = b;

    return left->number < right->number ? -1 : left->number > right->number;
}

static void swap(struct record *a, struct record *b)
{
    struct record t = *a;

    *a = *b;
    *b = t;
}

static void insertion_sort(struct record *records, size_t count, compare_fn *compare)
{
    for (size_t i = 1; i < count; i++)
        for (size_t j = i; j > 0 && compare(&records[j - 1], &records[j]) > 0; j--)
            swap(&records[j - 1], &records[j]);
}

static void quick_sort(struct record *records, size_t count, compare_fn *compare)
{
    while (count > 12) {
        struct record *middle = &records[count / 2];
        struct record *end = &records[count - 1];
        if (compare(records, middle) > 0)
            swap(records, middle);
        if (compare(middle, end) > 0)
            swap(middle, end);
        if (compare(records, middle) > 0)
            swap(records, middle);

        struct record pivot = *middle;
        size_t low = 0;
        size_t high = count - 1;
        for (;;) {
            while (compare(&records[low], &pivot) < 0)
                low++;
            while (compare(&records[high], &pivot) > 0)
                high--;
            if (low >= high)
                break;
            swap(&records[low++], &records[high--]);
        }
        size_t left = high + 1;
        quick_sort(records, left, compare);
        records += left;
        count -= left;
    }
    insertion_sort(records, count, compare);
}

uint64_t kernel_qsort(uint32_t n)
{
    static compare_fn *const orders[] = {by_key, by_number};
    size_t count = (size_t)n * 1000;
    struct record *records = kernel_alloc((count + 1) * sizeof *records);
    uint64_t state = n;
    uint64_t digest = 0;

    for (size_t i = 0; i < count; i++)
        records[i] = (struct record){kernel_random(&state) % 1000000, (uint32_t)i};
    for (size_t order = 0; order < 2; order++) {
        quick_sort(records, count, orders[order]);
        for (size_t i = 0; i < count; i += 97)
            digest = kernel_mix(digest, (uint64_t)records[i].key << 32 | records[i].number);
    }
    free(records);
    return digest;
}
