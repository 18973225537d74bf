#include "lib/env/cast.h"

#include <string.h>

const struct component_class *cast_find(const char *name)
{
    for (size_t i = 0; i < cast.count; i++)
        if (strcmp(cast.classes[i]->name, name) == 0)
            return cast.classes[i];
    return NULL;
}
