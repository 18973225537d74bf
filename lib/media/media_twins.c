#include "lib/host/twin.h"
#include "lib/media/media.h"

const struct twin *const media_twins[] = {
#define X(m) &twin_##m,
    MEDIA_LIST(X)
#undef X
        NULL};
