#include "lib/uds/uds_serial.h"

#include <assert.h>
#include <string.h>

static size_t digits_at_end(const char *text)
{
    size_t len = strlen(text), n = 0;
    while (n < len && text[len - 1 - n] >= '0' && text[len - 1 - n] <= '9')
        n++;
    return n;
}

void uds_serial_of(const char *letters, const char *serial, size_t len, char *out)
{
    size_t head = strlen(letters), digits = digits_at_end(serial);
    assert(head <= len && len <= UDS_VIN_LEN);
    if (digits > len - head)
        digits = len - head;
    memset(out, '0', len);
    memcpy(out, letters, head);
    memcpy(out + len - digits, serial + strlen(serial) - digits, digits);
    out[len] = '\0';
}
