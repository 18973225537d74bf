/* Vehicle and phone pair in memory, with and without faults on the link. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>

#include "tests/pairing_rig.h"
#include "tests/support.h"

static struct rig *open_rig(void)
{
    struct rig *r = malloc(sizeof *r);
    cr_assert(r && rig_open(r, test_crypto()));
    return r;
}

static void close_rig(struct rig *r)
{
    rig_close(r);
    free(r);
}

static size_t phone_keys(const struct rig *r)
{
    size_t n = 0;
    for (size_t i = 0; i < APPLET_KEYS; i++)
        n += r->applet.keys[i].state != APPLET_KEY_NONE;
    return n;
}

#define EXPECT_ERR(got, want) cr_expect(eq(str, (char *)err_name(got), (char *)err_name(want)))
#define ASSERT_OK(got)        cr_assert(eq(str, (char *)err_name(got), "OK"))

Test(pairing, from_select_to_receipt_then_unlock)
{
    struct rig *r = open_rig();
    bool fast = true;
    rig_enter_password(r, false); /* scrypt and all */
    ASSERT_OK(rig_pair(r));
    cr_assert(eq(int, r->device.state, DK_PAIRED));
    cr_assert(eq(sz, phone_keys(r), 1));
    ASSERT_OK(rig_unlock(r, false, true, &fast));
    cr_assert(not(fast));
    ASSERT_OK(rig_unlock(r, true, true, &fast));
    cr_assert(fast);
    close_rig(r);
}
