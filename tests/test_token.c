/* Tokens and the rings in which they travel. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/host/token.h"
#include "tests/check.h"

static struct token token_of(uint8_t first)
{
    return (struct token){{first, 2, 3}};
}

Test(token, a_ring_knows_by_place_name_and_token)
{
    struct token_ring r = {NULL, 0, 0};
    struct token one = token_of(1), two = token_of(2);
    cr_assert(token_ring_add(&r, "desk", "a", &one));
    cr_assert(token_ring_add(&r, "desk", "b", &two));
    cr_expect(token_ring_admits(&r, "desk", "a", &one));
    cr_expect(token_ring_admits(&r, "desk", "b", &two));
    cr_expect(not(token_ring_admits(&r, "desk", "b", &one)), "another's token");
    cr_expect(not(token_ring_admits(&r, "plate", "a", &one)), "elsewhere");
    cr_expect(not(token_ring_admits(&r, "desk", "c", &one)), "nobody");
    one.bytes[TOKEN_SIZE - 1] ^= 0x80;
    cr_expect(not(token_ring_admits(&r, "desk", "a", &one)), "in its last bit");
    cr_expect(not(token_ring_admits(NULL, "desk", "a", &one)), "no ring");
    token_ring_clear(&r);
    cr_expect(eq(sz, r.count, 0));
}

Test(token, a_ring_travels_sealed_and_may_be_read_twice)
{
    struct token_ring r = {NULL, 0, 0}, got = {NULL, 0, 0};
    char name[ENV_NAME_MAX];
    for (unsigned i = 0; i < 100; i++) {
        struct token t = token_of((uint8_t)i);
        snprintf(name, sizeof name, "node%u", i);
        cr_assert(token_ring_add(&r, "body", name, &t));
    }
    int fd = token_ring_seal(&r);
    cr_assert(ge(int, fd, 0));
    for (int turn = 0; turn < 2; turn++) {
        cr_assert(token_ring_read(&got, fd));
        cr_assert(eq(sz, got.count, 100));
        struct token last = token_of(99);
        cr_expect(token_ring_admits(&got, "body", "node99", &last));
        token_ring_clear(&got);
    }
    cr_expect(eq(int, (int)write(fd, "x", 1), -1), "nobody changes it");
    cr_expect(eq(int, errno, EPERM));
    close(fd);
    token_ring_clear(&r);
}

Test(token, what_is_no_ring_is_refused)
{
    struct token_ring got = {NULL, 0, 0};
    int fd = memfd_create("torn", MFD_CLOEXEC);
    cr_expect(not(token_ring_read(&got, -1)));
    cr_assert(eq(int, (int)write(fd, "torn", 4), 4));
    cr_expect(not(token_ring_read(&got, fd)));
    close(fd);
    struct token_ring empty = {NULL, 0, 0};
    fd = token_ring_seal(&empty);
    cr_expect(token_ring_read(&got, fd), "one that holds nothing is one");
    cr_expect(eq(sz, got.count, 0));
    close(fd);
}

Test(token, the_book_draws_each_once)
{
    struct token_ring book = {NULL, 0, 0};
    struct token a, b, again;
    cr_assert(token_draw(&book, "desk", "a", &a));
    cr_assert(token_draw(&book, "desk", "b", &b));
    cr_assert(token_draw(&book, "desk", "a", &again));
    cr_expect(memcmp(&a, &again, sizeof a) == 0);
    cr_expect(memcmp(&a, &b, sizeof a) != 0);
    cr_expect(eq(sz, book.count, 2));
    token_ring_clear(&book);
}
