#include "lib/media/media.h"

const struct medium *const media[] = {
#define X(m) &medium_##m,
    MEDIA_LIST(X)
#undef X
        NULL};
