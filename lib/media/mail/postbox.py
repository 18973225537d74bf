# The postbox of a run: takes mail at a socket that it is handed, from processes of its run, and keeps each as
# 0001.eml and on in a maildir that it is handed, too. mail.h says what it refuses.
import asyncio, os, re, socket, struct
from aiosmtpd.smtp import SMTP

LISTEN_FD, FOLDER = 3, "/proc/self/fd/4/"
RUNNER = os.getppid()


def is_of_this_run(peer):
    pid, user, _ = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    try:
        while user == os.getuid() and pid > 1 and pid != RUNNER:
            with open(f"/proc/{pid}/stat") as about:
                pid = int(about.read().rpartition(")")[2].split()[1])
    except OSError:
        return False  # it has ended meanwhile
    return user == os.getuid() and pid == RUNNER


def kept():
    names = os.listdir(FOLDER + "new") + os.listdir(FOLDER + "cur")
    return max((int(n[:4]) for n in names if re.match(r"\d{4}\.eml", n)), default=0)


class Keeper:
    count = kept()

    async def handle_RCPT(self, server, session, envelope, address, options):
        code = re.fullmatch(r"([45]\d\d)@refused\.example", address)
        if code:
            return code[1] + " as the address asks"
        envelope.rcpt_tos.append(address)
        return "250 it may come"

    async def handle_DATA(self, server, session, envelope):
        Keeper.count += 1
        name = f"{Keeper.count:04}.eml"
        fd = os.open(FOLDER + "tmp/" + name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with open(fd, "wb") as f:
            f.write(envelope.content)
        os.rename(FOLDER + "tmp/" + name, FOLDER + "new/" + name)
        return "250 taken"


# The runner listens, and stays who does by the word of the kernel: nothing here calls listen.
async def serve():
    loop = asyncio.get_running_loop()
    listener = socket.socket(fileno=LISTEN_FD)
    listener.setblocking(False)
    while True:
        peer, _ = await loop.sock_accept(listener)
        if is_of_this_run(peer):
            await loop.connect_accepted_socket(
                lambda: SMTP(Keeper(), hostname="postbox", ident="of a run", data_size_limit=65536, loop=loop), peer)
        else:
            peer.close()


asyncio.run(serve())
