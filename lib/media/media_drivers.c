#include "lib/host/link.h"
#include "lib/media/media.h"

const struct link_driver *const media_drivers[] = {
#define X(m) &link_driver_##m,
    MEDIA_LIST(X)
#undef X
        NULL};
