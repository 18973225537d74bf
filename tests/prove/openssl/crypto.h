/* As much of OpenSSL's header as ours name: the analysis has no OpenSSL. */
#include <stddef.h>

void OPENSSL_cleanse(void *p, size_t len);
