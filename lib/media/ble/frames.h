/* Frames of the air between a central and a peripheral: type(1) length(2, big-endian) payload, in order, none
 * lost. docs/air-ble.md has them to the byte. What both ends have of one, they have as octets: the air of the
 * virtual world is the same as that of sockets. */
#ifndef lib_media_ble_frames_h
#define lib_media_ble_frames_h

#define BLE_HEADER    3
#define BLE_FRAME_MAX 300 /* payload; a longer one ends the air */

enum ble_frame {
    BLE_GREETING,      /* central, first: token and name; not at a socket that --ble has put elsewhere */
    BLE_LISTEN,        /* central: 1 it scans, 0 no longer */
    BLE_ADVERTISEMENT, /* peripheral: signal(1) address type(1) address(6) AD */
    BLE_CONNECT,       /* central: link(1), own type and address, whose advertisement it answers */
    BLE_CONNECTED,     /* peripheral: link(1) */
    BLE_TERMINATE,     /* either: link(1) reason(1) */
    BLE_CONTROL,       /* either: link(1), a PDU of the link layer */
    BLE_DATA,          /* either: link(1), a PDU of L2CAP */
    BLE_FRAMES
};

/* Of the link layer (volume 6 part B, 2.4.2). */
enum {
    LL_ENC_REQ = 0x03,
    LL_ENC_RSP = 0x04,
    LL_START_ENC_REQ = 0x05,
    LL_START_ENC_RSP = 0x06,
    LL_REJECT_IND = 0x0D
};

/* Reasons (volume 1 part F). */
enum {
    HCI_AUTH_FAILURE = 0x05,
    HCI_KEY_MISSING = 0x06,
    HCI_TIMEOUT = 0x08,
    HCI_USER_ENDED = 0x13,
    HCI_LOCAL_ENDED = 0x16,
    HCI_MIC_FAILURE = 0x3D,
    HCI_NOT_ESTABLISHED = 0x3E
};

/* Channels of L2CAP (volume 3 part A, 2.1). */
enum { CID_ATT = 0x0004, CID_SIGNALLING = 0x0005, CID_SMP = 0x0006, CID_OPEN = 0x0040 };

#endif
