#include "lib/host/setup.h"
#include "lib/media/media.h"

const struct setup *const media_setups[] = {
#define X(m) &setup_##m,
    MEDIA_LIST(X)
#undef X
        NULL};
