/* As much of OpenSSL's header as ours name: the analysis has no OpenSSL. */
typedef struct ossl_lib_ctx_st OSSL_LIB_CTX;
typedef struct ec_key_st EC_KEY;
