/* Vectors as hex text. SPAKE2+: published for CCC (App. D), and RFC 9383 appendix C. The rest was computed
 * once from the protocol's definition, independently of this library. */
#ifndef tests_ccc_vectors_h
#define tests_ccc_vectors_h

#define V1_W0 "e433ab43428320b24fab82f915d1db114acd72f8a4bf4fbf3c712b94bcc2f013"
#define V1_W1 "44363d157f471221b1e75e596ff4714a712b9578301665d84ec17004952523a8"
#define V1_L                                                                                               \
    "04ff69eb6086938b3cce2c9e64dcacea1a925918e75e8c17948d316322d370123f69132aed7398919e6e6614f7627b0a5406" \
    "0c5a8c0d93d2754166ab10fea6a8ff"
#define V1_XS "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define V1_YS "f1e1d1c1b1a191817161514131211101f0e0d0c0b0a090807060504030201000"
#define V1_X                                                                                               \
    "04f44555207a617fd90900dba5c8e6f81eddbd87590873a63b9057dda9f138dbc16f453195f6452ce71d399052435952b89a" \
    "10b927435574f5e3707eae031c40e0"
#define V1_Y                                                                                               \
    "04b6fdaf3f6949869d68f667108b75e4ce74847e8953d1e3c6aae21699e8027211c2d9b2b2a906cc7ea7020715dec44e9565" \
    "9e3fc8994f635b95e7c9ea5c362cbe"
#define V1_Z                                                                                               \
    "0489af176e8122e67c00dbcea089bc49935634132b1b226030d2b14f16b3e73351c2254b1b62477fdc976379f5ae7c57c6ac" \
    "2b31ef9a032c33e4677c5c3acbb1d3"
#define V1_V                                                                                               \
    "042f229f13e1ebfb6442a67eebdafb23b2f6e656597384035a8a1e50ad95d24211339e90a669dd8a56fb2524fb6e6c784b89" \
    "019c1130c2def98143fb46dcc507d2"
#define V1_K     "381fc44894aedc0fd37257fdca763ee49f695017ba5e1df74a1b8bbf27fe1e0d"
#define V1_M1    "110d49f8c5a896e11d4dde4c3b9704d2"
#define V1_M2    "23d1a618ad3acbfd7a9bd19fd1737107"
#define V1_KENC  "161886cb9ae7403d8dbccfe36b8a0426"
#define V1_KMAC  "6387ba65479cb7eb9df97bd48ac33159"
#define V1_KRMAC "41677fb6398459199f1e569760df91c1"
#define V1_LONG  "5c4e19da553524e386fa1eca91e8ad0e"
#define V1_INTRO "47ae79072b47d98bd28169d2d803a07f"
#define V1_OOB   "3c009d26e5e2d9697999a918dc2f8f08"
#define V1_REQUEST                                                                                         \
    "80300000315b0201015c04010101007f5020c01079656c6c6f777375626d6172696e6573c10400008000c2020008c3020001" \
    "d602000100"
#define V1_VERIFY                                                                                          \
    "8032000055524104b6fdaf3f6949869d68f667108b75e4ce74847e8953d1e3c6aae21699e8027211c2d9b2b2a906cc7ea702" \
    "0715dec44e95659e3fc8994f635b95e7c9ea5c362cbe5710110d49f8c5a896e11d4dde4c3b9704d200"
#define V1_SELECT "00a404000da000000809434343444b46763100"

#define V2_W0 "9aad90c603cf16cec4ee40d81acd7a865130b28cc6d0664ae2e0f406aa47ed61"
#define V2_W1 "872be859cec1e78d191882bd9c2f032af018a25016813788fe8954bfffc58c8e"
#define V2_L                                                                                               \
    "04d79a53698c5dd79e14b426e73b4a7f1b42469815fe24e8f53ce01579e902eb198d59f05bc451c41826b88e3db5476a69e1" \
    "97fdf474c75b387f6d40361c3fda35"
#define V2_XS "9d39a3511a007a7d3fe6af5555cf60301bcda503f2bf6634b2caf9e4fd0743a1"
#define V2_X                                                                                               \
    "04788218027ba4b17f7279ef0aef47a8733cf88b5bf65d6127ecadc78b8a0f65b9001f7e54719fb63c072ddd1e1a4adfb376" \
    "dde37ba1aa2082362b6c2ca14a8e53"
#define V2_YS "9c3219841626325c68d89c22fb6c55611e3136442daa8b9b784db7242afff3ed"
#define V2_Y                                                                                               \
    "04c05953ea9d1cd6248b8c61becd7d55e46237526d8b1e23495ea7566b7f6bc24b3da1cfb2e88a975fcfb5dc4e72b5cbea50" \
    "9b1cfdd1ef8f8195fa8bf2bd5ca1e5"
#define V2_Z                                                                                               \
    "049444a17ad5909548a084fa182275a89a496ec6669bd08892aa9c64a512d40212147e6005bf1d510e3bbcfee8efc38243ac" \
    "af4c5f2decffa009341b1e330b0442"
#define V2_V                                                                                               \
    "0457a8919af393e2da1de209a01fdda275eab0a682d8931b0e6ee1b933979463a25ccbcda1956a6a555706f0b062aa880617" \
    "bd219d09391ad8576d3a73e9233f57"
#define V2_TT                                                                                              \
    "39000000000000005350414b45322b2d503235362d5348413235362d484b44462d5348413235362d434d41432d4145532d31" \
    "3238205465737420566563746f72730600000000000000636c69656e74060000000000000073657276657241000000000000" \
    "0004886e2f97ace46e55ba9dd7242579f2993b64e16ef3dcab95afd497333d8fa12f5ff355163e43ce224e0b0e65ff02ac8e" \
    "5c7be09419c785e0ca547d55a12e2d20410000000000000004d8bbd6c639c62937b04d997f38c3770719c629d7014d49a24b" \
    "4f98baa1292b4907d60aa6bfade45008a636337f5168c64d9bd36034808cd564490b1e656edbe74100000000000000047882" \
    "18027ba4b17f7279ef0aef47a8733cf88b5bf65d6127ecadc78b8a0f65b9001f7e54719fb63c072ddd1e1a4adfb376dde37b" \
    "a1aa2082362b6c2ca14a8e53410000000000000004c05953ea9d1cd6248b8c61becd7d55e46237526d8b1e23495ea7566b7f" \
    "6bc24b3da1cfb2e88a975fcfb5dc4e72b5cbea509b1cfdd1ef8f8195fa8bf2bd5ca1e54100000000000000049444a17ad590" \
    "9548a084fa182275a89a496ec6669bd08892aa9c64a512d40212147e6005bf1d510e3bbcfee8efc38243acaf4c5f2decffa0" \
    "09341b1e330b044241000000000000000457a8919af393e2da1de209a01fdda275eab0a682d8931b0e6ee1b933979463a25c" \
    "cbcda1956a6a555706f0b062aa880617bd219d09391ad8576d3a73e9233f5720000000000000009aad90c603cf16cec4ee40" \
    "d81acd7a865130b28cc6d0664ae2e0f406aa47ed61"
#define V2_KMAIN   "6002da6b2740056f2836ac0316ae9e02e2b24c5c109883136e90ed868b2fcf62"
#define V2_KCP     "857d0db7f5e06385853bf4b8abd43b5a"
#define V2_KCV     "268c75933332157118063550c6bfe846"
#define V2_CP      "d340bc94a03feafd14491e316514ca5f"
#define V2_CV      "2b42d0fe76bcf9ccc208d06d60082f96"
#define V2_KSHARED "e832094adfc028bf288e49ab902fc208b7eeff084f259da7613c0479869d4fc9"

#define V3_C1 "84d48000184fac89109242b8f800cd7407680d37fa34237fba336e416300"
#define V3_C2 "84ca000018ded1d7e536bb17e338ba770a21fa1348ad77c0b91745e7fb00"
#define V3_R1 "4826dc4d5d25d4d59000"
#define V3_R2                                                                                              \
    "0a014f78af6a3efbbb3f083ddd910295b259067d4f3ea144e1824cdacea30dbc0c7c85b2195394094b0d6d2a354d24f16cf1" \
    "26929e476751121fbfa69831499d4e6bab0db1a7e81f2800f5674ad9602e8dbdbaf9634b88f6286bed605105c42ac9490ba0" \
    "691ddc59d7af1ef09498ee32677bcf3c173d9915bc278fae3676779b52cae70d27899a5d79b464aeb806f7b5e08e928a7b63" \
    "39eb53aa8e4bffb3f8fe71ff6a2b1fe290577cb4b783bce3aec82e484d09cf63160a04db1ec9bea2ecb02c41dd2b3c0cecd7" \
    "1806b50f8dbb28c4966765a7042900e14917ab8e487ec2fcb559f34e4fed0ddebd7524633f5090a845a5771503bcf7f1613d"
#define V3_R3                                                                                              \
    "267427880ddb79c38ce4e114d8fd6619362bd58a290700b7ced2ba70e2f208775973fecfb008df38b5d4d552fdff025d986e" \
    "dc9d89d236d6034556c775445800861343f56da19f789000"

#define V4_VSK "24135756a25f792d91216a4974dda059efa63fac4dcde8f600c7fc8db000b130"
#define V4_VPK                                                                                             \
    "04fadf7f78ecada6d63dfd8a06c1f24af2ccfe18dff943667b6e2392c66d2b14df13089e12d604724fa7d08f103375968007" \
    "fe45f71b4ef148cfbb864aa419d615"
#define V4_VESK "8f5f6f9f34c94ce9208cbd6efbb1efc9d4a5770fa8434b3007f70268e24f07ab"
#define V4_VEPK                                                                                            \
    "04ac84283f9a6fef4a5c618cbfcd0836542cda8338f8b2da4c5102cd8976b78f60bac4ac9cba2e6a25c4b8a8e804c7ec19f9" \
    "13faf14dc7cc76768dda7b4c9eacb8"
#define V4_DSK "1d47c9252f7e528817c4fd479b55d476f4410fdb6993d127acab11839e84294c"
#define V4_DPK                                                                                             \
    "046fab00597f8332d31651f6be5433c8769f5c07eb03d351e203a5df15f9472eb1696ffefcffddd972baba2491f8262a72cd" \
    "6dfd20ed78f3ad260c171fa0570fbc"
#define V4_EESK "88c374388f8ecfa4d0fbf950dd19f56f555fa7b6be69c98f8fd375cf6b3e4ee7"
#define V4_EEPK                                                                                            \
    "047b8234d6a4c048035ef15caaf010b913a2806f529bb7ff707749be510b1cd5fbb698fe4cde2ce53cc6650141f68d7917e3" \
    "3f6c9135fc246009286c11b1cb9f5e"
#define V4_TID "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"
#define V4_AUTH0                                                                                           \
    "80800407635c020100874104ac84283f9a6fef4a5c618cbfcd0836542cda8338f8b2da4c5102cd8976b78f60bac4ac9cba2e" \
    "6a25c4b8a8e804c7ec19f913faf14dc7cc76768dda7b4c9eacb84c10a0a1a2a3a4a5a6a7a8a9aaabacadaeaf4d0800010123" \
    "456789ab00"
#define V4_VIN                                                                                             \
    "4d0800010123456789ab86207b8234d6a4c048035ef15caaf010b913a2806f529bb7ff707749be510b1cd5fb8720ac84283f" \
    "9a6fef4a5c618cbfcd0836542cda8338f8b2da4c5102cd8976b78f604c10a0a1a2a3a4a5a6a7a8a9aaabacadaeaf9304415d" \
    "9569"
#define V4_VSIG                                                                                            \
    "aad2c43006c9a96a16fe09cd278e7cb60914ada92354aab0c359f1cfb6a58fe4a0b31749b627ff73eff04047b5629b372e2e" \
    "3d132857d12a8f7b1f874de53986"
#define V4_EIN                                                                                             \
    "4d0800010123456789ab86207b8234d6a4c048035ef15caaf010b913a2806f529bb7ff707749be510b1cd5fb8720ac84283f" \
    "9a6fef4a5c618cbfcd0836542cda8338f8b2da4c5102cd8976b78f604c10a0a1a2a3a4a5a6a7a8a9aaabacadaeaf93044e88" \
    "7b4c"
#define V4_ESIG                                                                                            \
    "bf1af0b84dd26bcfd03f5fa801a03cc883300bd87fe3297c86e751d7384cf0df75ad0df47a300db62e5db17e6722304675ea" \
    "2f46a8356edcb8d47a740814ad11"
#define V4_KENC        "15349aab08bc6fa4579213c56f6260ba"
#define V4_KMAC        "196505d6e4b3d991fa54d797d61de432"
#define V4_KRMAC       "b890cb806de48b0d82a34847edf706f0"
#define V4_KPERSISTENT "95a58577bbea1d58bb04ee977f8a874459b2e329619a0b92b477464b25064b7a"
#define V4_AUTH1R                                                                                          \
    "7c21a5bd77f140907e7688c0b0f5b016d09f1ade3e0df218f1462b633b3c51aa6d92410ae1d04fdada5ab8242f6d3cb7a3ef" \
    "063186cb1e1cd1d84634a80861e23ec446d5141c193475043fd6861d4a67a2bf18e68ddd84429000"
#define V4_XC "84c90000181cc26b216642b49b8526b6d1f1f1f3f942be4aeba25f052300"
#define V4_XR "c80e62bcb17174b2f4e8a208c8c6ed706651e3e4241ee6389000"

#define V4_AUTH1P                                                                                          \
    "4e0800000000000000019e40bf1af0b84dd26bcfd03f5fa801a03cc883300bd87fe3297c86e751d7384cf0df75ad0df47a30" \
    "0db62e5db17e6722304675ea2f46a8356edcb8d47a740814ad114b0100"

#define V5_VEPK                                                                                            \
    "04e3aa56ffe7a00a46e350f68b9f5f6891297552ae6e56738cbb95e9fd086fa50cde2943b0f714c0a5f2bc4d96d44d5b5a9a" \
    "d19b99706fcc6d0cbee0b0f6833dbb"
#define V5_EEPK                                                                                            \
    "0478cb40b83448c5e4315cd66b0ca0ef35e33f323644ababe57280ac421ed13a608534c2bbe6c06266ee76b3b322fdeaff7b" \
    "27cf5f8483f0d63e9322f41f059bfc"
#define V5_TID        "c0c1c2c3c4c5c6c7c8c9cacbcccdcecf"
#define V5_CRYPTOGRAM "5367659a3fccb85693f21329c9b31e2c"
#define V5_KENC       "81321a8b924f8d559bc106b5ac315bd8"
#define V5_KMAC       "07a5b90b086f590e7281a3b55c3eec4a"
#define V5_KRMAC      "ebc75ef1185457164f6737e1dafe48a8"

#define V6_RSK "f3078adff4804b2cf0294e28f196279d605fdaf941eb16b51384e4f77d6587ea"
#define V6_RPK                                                                                             \
    "0489a55d8f58f8af5ad7e4f1e1bc44fe2e3edb8b9ffcc4c8cc5e4cdd48682f458e30c6f07355ff0174daa73c2dadf508717a" \
    "6c798a9aca83602c423d990a89900e"
#define V6_ESK "19298b78031533a00e2e98298ecc6e5c6919088cd0e663c4157db04afbb4f15c"
#define V6_EPK                                                                                             \
    "044c8cc58555d3f0d87bc0a3e842ca9ca16b584966e37ac02645ddf4180f34c5a3a8c1ecc4a685546dfa99419df626ba535d" \
    "0876f8eac2a6e61839ba3e3c1f3a0b"
#define V6_PLAIN "6b657920747261636b696e672072656365697074"
#define V6_DATA  "d97dc5d936f2ac3deecff7fdb5d26950da3908ef5a3c2239db19499e5cc1cbc43017d87d"

#define V7_OOB "7aa286d592108b165b88169ebdb76c41"
#define V7_RQP "c0ffee123456303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f"
#define V7_RQ                                                                                                \
    "05020046069b6b9ea4abc90e1011121314151617d2596df5c9279d8fd762a6948bd25e743e70f228467ed865bbc66caffa8d77" \
    "b6ea8c823de8062edf1bd32021222324252627b4869320"
#define V7_RSP "0a1b2c3d4e5f606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f"
#define V7_RS                                                                                                \
    "05030032291af36cf36d5bf4452d1f99cbeb279bccfca2aa5dd19fdd7969a76fee7551ef4a44c4105c8f5051525354555657f8" \
    "0f87d5"

#endif
