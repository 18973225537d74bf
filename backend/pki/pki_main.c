#include "backend/pki/pki.h"
#include "lib/env/process.h"

int main(int argc, char **argv)
{
    static const struct link_driver *const drivers[] = {&link_driver_serve, NULL};
    return process_main(&pki_class, drivers, argc, argv);
}
