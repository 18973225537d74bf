/* Sizes and offsets in the last BOUND bytes of an area, where its end is near; any length. */
#include "lib/ccc/mailbox.h"

#include "tests/prove/prove.h"

static struct mailboxes mailboxes;

static void prove_at(enum mailbox_kind kind, size_t max)
{
    size_t size = prove_any(max - BOUND, max), offset = prove_any(max - BOUND, SIZE_MAX);
    size_t len = prove_any(0, SIZE_MAX);
    bool inside = false;
    mailboxes.private_size = (uint16_t)size;
    mailboxes.confidential_size = (uint16_t)size;
    /*@ split size; */
    if (offset <= max) {
        /*@ split offset; */
        inside = true;
    }
    (void)inside;
    uint8_t *p = mailbox_at(&mailboxes, kind, offset, len);
    if (p && len) {
        p[0] = 1;
        p[len - 1] = 1;
    }
}

static void prove_reach_of_parties(void)
{
    uint8_t *p;
    enum mailbox_party party = (enum mailbox_party)prove_any(0, MAILBOX_PARTIES - 1);
    enum mailbox_kind kind = (enum mailbox_kind)prove_any(0, MAILBOX_KINDS - 1);
    mailbox_reach(&mailboxes, party, kind, prove_any(0, SIZE_MAX), prove_any(0, SIZE_MAX), &p);
}

int main(void)
{
    switch (prove_any(0, 2)) {
    case 0:
        prove_at(MAILBOX_PRIVATE, MAILBOX_PRIVATE_MAX);
        break;
    case 1:
        prove_at(MAILBOX_CONFIDENTIAL, MAILBOX_CONFIDENTIAL_MAX);
        break;
    default:
        prove_reach_of_parties();
    }
    return 0;
}
