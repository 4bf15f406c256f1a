/* A shopping cart: state in memory across calls, records, lists, floats and strings both ways, and a checkout that
 * asks the world for the time and a random number. */
#include "guest.h"

#define API "demo:cart/api@1.0.0"

struct product_item {
    struct guest_string product_id;
    struct guest_string name;
    float price;
    uint32_t quantity;
};

struct item_list {
    struct product_item *ptr;
    size_t len;
};

struct checkout_result {
    uint8_t tag; /* 0 error, 1 success */
    union {
        struct guest_string error;
        struct {
            struct guest_string order_id;
            double total;
            uint32_t item_count;
        } success;
    };
};

struct datetime {
    uint64_t seconds;
    uint32_t nanoseconds;
};

GUEST_IMPORT("wasi:random/random@0.2.0", "get-random-u64") uint64_t random_get_u64(void);
GUEST_IMPORT("wasi:clocks/wall-clock@0.2.0", "now") void wall_clock_now(struct datetime *now_out);

static struct {
    struct guest_string user_id;
    struct product_item *items;
    size_t count;
    size_t capacity;
    uint32_t order_count;
} cart;

static __attribute__((format(printf, 1, 2))) void say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    fflush(stdout);
}

static void item_free(struct product_item *item)
{
    guest_string_free(item->product_id);
    guest_string_free(item->name);
}

static void cart_clear(void)
{
    for (size_t i = 0; i < cart.count; i++)
        item_free(&cart.items[i]);
    cart.count = 0;
}

static struct product_item *cart_find(struct guest_string product_id)
{
    for (size_t i = 0; i < cart.count; i++)
        if (guest_string_eq(cart.items[i].product_id, product_id))
            return &cart.items[i];
    return NULL;
}

GUEST_EXPORT(API "#initialize-cart") void initialize_cart(char *user_id, size_t user_id_len)
{
    guest_string_free(cart.user_id);
    cart.user_id = guest_string(user_id, user_id_len);
    cart_clear();
    say("cart of %.*s\n", (int)user_id_len, user_id);
}

GUEST_EXPORT(API "#add-item")
void add_item(char *product_id, size_t product_id_len, char *name, size_t name_len, float price, uint32_t quantity)
{
    struct product_item item = {guest_string(product_id, product_id_len), guest_string(name, name_len), price, quantity};
    struct product_item *present = cart_find(item.product_id);

    say("add %u x %.*s at %.2f\n", (unsigned)quantity, (int)name_len, name, (double)price);
    if (present != NULL) {
        item.quantity += present->quantity;
        item_free(present);
        *present = item;
        return;
    }
    if (cart.count == cart.capacity) {
        cart.capacity = cart.capacity == 0 ? 4 : cart.capacity * 2;
        cart.items = realloc(cart.items, cart.capacity * sizeof cart.items[0]);
        if (cart.items == NULL)
            abort();
    }
    cart.items[cart.count++] = item;
}

GUEST_EXPORT(API "#remove-item") void remove_item(char *product_id, size_t product_id_len)
{
    struct guest_string id = guest_string(product_id, product_id_len);
    struct product_item *item = cart_find(id);

    if (item != NULL) {
        size_t index = (size_t)(item - cart.items);
        item_free(item);
        memmove(item, item + 1, (cart.count - index - 1) * sizeof *item);
        cart.count--;
    }
    guest_string_free(id);
}

GUEST_EXPORT(API "#update-item-quantity")
void update_item_quantity(char *product_id, size_t product_id_len, uint32_t quantity)
{
    struct guest_string id = guest_string(product_id, product_id_len);
    struct product_item *item = cart_find(id);

    if (item != NULL)
        item->quantity = quantity;
    guest_string_free(id);
}

GUEST_EXPORT(API "#checkout") struct checkout_result *checkout(void)
{
    static struct checkout_result result;
    struct datetime now;
    double total = 0;

    memset(&result, 0, sizeof result);
    if (cart.user_id.len == 0 || cart.count == 0) {
        result.error = guest_format("%s", cart.user_id.len == 0 ? "the cart has no owner" : "the cart is empty");
        return &result;
    }
    for (size_t i = 0; i < cart.count; i++)
        total += (double)cart.items[i].price * cart.items[i].quantity;

    uint64_t random = random_get_u64();
    wall_clock_now(&now);
    result.tag = 1;
    result.success.order_id =
        guest_format("order-%u-%016llx-%llu.%09u", (unsigned)++cart.order_count, (unsigned long long)random,
                     (unsigned long long)now.seconds, (unsigned)now.nanoseconds);
    result.success.total = total;
    result.success.item_count = (uint32_t)cart.count;
    say("%s: %.2f for %.*s\n", result.success.order_id.ptr, total, (int)cart.user_id.len, cart.user_id.ptr);
    cart_clear();
    return &result;
}

GUEST_POST(API "#checkout") void checkout_post(struct checkout_result *result)
{
    guest_string_free(result->tag == 0 ? result->error : result->success.order_id);
}

GUEST_EXPORT(API "#get-cart-contents") struct item_list *get_cart_contents(void)
{
    static struct item_list list;

    list = (struct item_list){cart.items, cart.count};
    return &list;
}
