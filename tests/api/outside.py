#!/usr/bin/python3
"""Programs of somebody else's at a running world: they know docs/ and proto/, and share no code with it.

    outside.py vos SPAAKSIM FOLDER [NODE_MODULES]   takes the place of the TBE and asks the VOS for a link (proto/init.proto),
                                                    with Python's protobuf, and with protobufjs when its folder is named
    outside.py app SPAAKSIM FOLDER                  an owner's app and an operator, at the TBE's two hosts (docs/api.json)

FOLDER is an empty one for what a run leaves. The exit code is 0 when all was as it should be, 3 when something is not installed.
"""
import glob
import http.client
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading

SERIAL = "SPAAK00000001"
LIMIT_S = 30


def expect(is_so, what):
    if not is_so:
        raise AssertionError(what)


class World:
    """A play in the process world, driven by lines."""

    def __init__(self, spaaksim, folder, scenario, *more, **popen):
        os.environ["XDG_RUNTIME_DIR"] = folder
        self.said, self.news = [], threading.Condition()
        self.process = subprocess.Popen(
            [spaaksim, "play", scenario, "--world", "process", "--verbose", "--out", os.path.join(folder, "out"), *more],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **popen)
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.process.stdout:
            with self.news:
                self.said.append(line)
                self.news.notify()

    def do(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def wait(self, pattern):
        with self.news:
            found = self.news.wait_for(lambda: any(re.search(pattern, line) for line in self.said), LIMIT_S)
        expect(found, f"nothing like {pattern} in:\n{''.join(self.said)}")

    def end(self):
        self.do("quit")
        expect(self.process.wait(LIMIT_S) == 0, "".join(self.said))


# ---- at the VOS, in the place of the TBE ----

class ByPython:
    """Messages by Debian's python3-protobuf, from what protoc makes."""

    def __init__(self, folder):
        from google.protobuf import json_format
        self.json_format = json_format
        files = sorted(glob.glob("proto/*.proto"))
        subprocess.run(["protoc", "--python_out", folder, *files], check=True)
        sys.path.insert(0, folder)
        self.modules = [__import__(f[:-len(".proto")].replace("/", ".") + "_pb2", fromlist=["x"]) for f in files]

    def type(self, name):
        from google.protobuf import symbol_database
        return symbol_database.Default().GetSymbol(name)

    def encode(self, name, fields):
        return self.json_format.ParseDict(fields, self.type(name)()).SerializeToString()

    def decode(self, name, data):
        return self.json_format.MessageToDict(self.type(name).FromString(data), preserving_proto_field_name=True)

    def shape(self):
        kinds = {1: "double", 3: "int64", 4: "uint64", 5: "int32", 8: "bool", 9: "string", 12: "bytes", 13: "uint32"}

        def of(message):
            for f in message.fields:
                inner = f.message_type or f.enum_type
                yield [message.full_name, f.name, f.number, f.label == f.LABEL_REPEATED, inner.full_name if inner else kinds[f.type]]
            for nested in message.nested_types:
                yield from of(nested)
        return sorted(row for m in self.modules for t in m.DESCRIPTOR.message_types_by_name.values() for row in of(t))


class ByNode:
    """Messages by protobufjs, which reads the files itself."""

    def __init__(self, modules):
        self.process = subprocess.Popen(["node", "tests/api/codec.js", os.path.abspath(modules)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def encode(self, name, fields):
        return bytes.fromhex(self.ask(f"encode {name} {json.dumps(fields)}"))

    def decode(self, name, data):
        return json.loads(self.ask(f"decode {name} {data.hex()}"))

    def shape(self):
        return sorted(json.loads(self.ask("shape")))

    def end(self):
        self.process.stdin.close()
        self.process.wait(LIMIT_S)


class Vos:
    """The other end of the call: one packet a request, one its answer."""

    def __init__(self, path, greeting):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(LIMIT_S)
        self.socket.connect(path)
        self.socket.send(greeting)
        self.welcomed = self.socket.recv(4096) == b"\x01"
        self.number = 0

    def ask(self, codec, **what):
        self.number += 1
        self.socket.send(codec.encode("init.v1.OpInitRequest", {
            "protocol_version": 1, "message_type": "OP_INIT_REQUEST", "request_id": str(self.number), **what}))
        answer = codec.decode("init.v1.OpInitResponse", self.socket.recv(4096))
        expect(answer["request_id"] == str(self.number) and answer["message_type"] == "OP_INIT_RESPONSE", answer)
        return answer


def numbers(spaaksim):
    """The number of a reason, as `spaaksim explain` says it."""
    def number(name):
        said = subprocess.run([spaaksim, "explain", name], check=True, capture_output=True, text=True).stdout
        return int(re.search(r"\b(\d{3})\b", said)[1])
    return number


def link(client, key, vehicle=SERIAL, user="zoe"):
    return {"link": {"vehicle": vehicle, "user": user, "client": client, "idempotency_key": key, "way": "WAY_APP"}}


def exchange(world, vos, codec, number):
    """The VOS is asked all that it may be asked."""
    expect(vos.ask(codec, **link("app-1", "key-1", "SPAAK00000009")).get("error") == number("ECU_UNKNOWN"), "no such vehicle")
    expect(vos.ask(codec, **link("app-1", "key-1", SERIAL, "yves")).get("error") == number("NOT_OWNER"), "not the owner")
    world.do(f"vos register-owner vehicle={SERIAL} user=zoe")
    world.wait(r"vos\s+call\s+register-owner")
    answer = vos.ask(codec, **link("app-1", "key-1"))
    expect("error" not in answer and re.fullmatch(SERIAL + "-[0-9a-f]{32}", answer["link_id"]), answer)
    form = r"https://pair\.example/pair#vehicle=" + SERIAL + "&id=" + answer["link_id"] + r"&password=\d{8}"
    expect(re.fullmatch(form, answer["deep_link"]), "the link's form")
    again = vos.ask(codec, **link("app-1", "key-1"))
    expect((again["link_id"], again["deep_link"]) == (answer["link_id"], answer["deep_link"]), "the same link again")
    expect(vos.ask(codec, **link("app-2", "key-1")).get("error") == number("PASSWORD_PENDING"), "another app")
    taken = {"acknowledge": {"link_id": answer["link_id"], "user": "zoe", "client": "app-1"}}
    expect("error" not in vos.ask(codec, **taken) and "error" not in vos.ask(codec, **taken), "acknowledged twice")
    expect(vos.ask(codec, **link("app-1", "key-1")).get("error") == number("PASSWORD_DELIVERED"), "once only")
    return answer["deep_link"]


def at_the_vos(spaaksim, folder, codec):
    mine, theirs = os.pipe()
    world = World(spaaksim, folder, "tests/api/outside.yaml", "--call", f"tbe={theirs}", pass_fds=[theirs])
    os.close(theirs)
    server, port, path, greeting = os.fdopen(mine).readline().split()
    expect((server, port) == ("vos", "init"), (server, port))
    wrong = bytearray.fromhex(greeting)
    wrong[0] ^= 1
    world.wait(r"vos\s+link\s+init up")
    expect(not Vos(path, bytes(wrong)).welcomed, "with another token nobody is let in")
    vos = Vos(path, bytes.fromhex(greeting))
    expect(vos.welcomed, "the greeting")
    deep_link = exchange(world, vos, codec, numbers(spaaksim))
    world.wait("OP-01a/10")
    world.end()
    with open(os.path.join(folder, "out", "trace.jsonl"), encoding="utf-8") as f:
        trace = f.read()
    expect(deep_link[-8:] not in trace, "no record has the password")
    expect(trace.count('"step":"OP-01a/7"') == 2, "the link was made twice: for the app, and for the app again")


def vos_main(spaaksim, folder, modules=None):
    python = ByPython(folder)
    codecs = [python]
    if modules:
        codecs.append(ByNode(modules))
        expect(codecs[1].shape() == python.shape(), "both read the same from proto/")
        expect(len(python.shape()) > 150, "all of it")
    for n, codec in enumerate(codecs):
        place = os.path.join(folder, str(n))
        os.mkdir(place)
        at_the_vos(spaaksim, place, codec)
        print(f"a link by {type(codec).__name__}")
    if modules:
        codecs[1].end()


# ---- an app and an operator ----

class Door(http.client.HTTPConnection):
    """HTTPS by the run's socket: the host is the one that the certificate names."""

    def __init__(self, folder, host):
        super().__init__(host, timeout=LIMIT_S)
        self.folder = folder

    def connect(self):
        context = ssl.create_default_context(cafile=os.path.join(self.folder, "tls-ca.crt"))
        plain = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        plain.settimeout(LIMIT_S)
        plain.connect(os.path.join(self.folder, "https.sock"))
        self.sock = context.wrap_socket(plain, server_hostname=self.host)


class Api:
    """Calls by operationId, as the file has them; each answer is held against it."""

    def __init__(self, folder):
        with open("docs/api.json", encoding="utf-8") as f:
            self.file = json.load(f)
        self.folder = folder
        self.operations = {o["operationId"]: (path, method, item, o) for path, item in self.file["paths"].items()
                           for method, o in item.items() if method in ("get", "post")}
        try:
            import jsonschema
            self.validator = jsonschema.Draft202012Validator
        except ImportError:
            print("SKIPPED: python3-jsonschema is not installed: answers are not held against their schemas")
            self.validator = None

    def follow(self, thing):
        while "$ref" in thing:
            name = thing["$ref"].removeprefix("#/").split("/")
            thing = self.file
            for part in name:
                thing = thing[part]
        return thing

    def fits(self, value, schema):
        if self.validator:
            self.validator({**schema, "components": self.file["components"]}).validate(value)

    def check(self, operation, status, headers, body):
        response = self.follow(operation["responses"][str(status)])
        if "content" not in response:
            expect(body == b"", body)
            return None
        (kind, media_type), = response["content"].items()
        expect(headers["Content-Type"] == kind, headers["Content-Type"])
        value = json.loads(body)
        self.fits(value, media_type["schema"])
        for name, header in response.get("headers", {}).items():
            expect(name in headers or not self.follow(header)["required"], name)
        return value

    def call(self, name, host, token=None, key=None, body=None, **variables):
        path, method, item, operation = self.operations[name]
        hosts = [s["url"].removeprefix("https://").removesuffix(":{port}") for s in item["servers"]]
        host, = [h for h in hosts if h.startswith(host)]
        headers = {"Content-Type": "application/json"} if body is not None else {}
        headers |= {"Authorization": f"Bearer {token}"} if token else {}
        headers |= {"Idempotency-Key": key} if key else {}
        door = Door(self.folder, host)
        door.request(method.upper(), path.format(**variables), json.dumps(body) if body is not None else None, headers)
        answer = door.getresponse()
        value = self.check(operation, answer.status, answer.headers, answer.read())
        door.close()
        return answer.status, value

    def refused(self, status, reason, *args, **more):
        got, value = self.call(*args, **more)
        expect((got, value.get("reason")) == (status, reason), (got, value, status, reason))


def as_app(world, api):
    """OP-01a from the app's side; the VOS is asked by the TBE."""
    who = {"user": "anna", "secret": "lake-and-lantern", "client": "outside-of-it-0001"}
    status, got = api.call("signIn", "app", body=who)
    expect(status == 200, got)
    token = got["access_token"]
    ask = {"token": token, "key": "drawn-at-random-1", "body": {"vehicle": SERIAL}}
    api.refused(401, "SIGN_IN", "signIn", "app", body={**who, "secret": "lake-and-lantern?"})
    api.refused(401, "TOKEN_MISSING", "askPairingLink", "app", **{**ask, "token": None})
    api.refused(400, "HTTP_KEY", "askPairingLink", "app", **{**ask, "key": None})
    api.refused(404, "ECU_UNKNOWN", "askPairingLink", "app", **{**ask, "body": {"vehicle": "SPAAK00000009"}})
    api.refused(403, "NOT_OWNER", "askPairingLink", "app", **ask)
    world.do(f"vos register-owner vehicle={SERIAL} user=anna")
    world.wait(r"vos\s+call\s+register-owner")
    status, link_ = api.call("askPairingLink", "app", **ask)
    expect(status == 201 and api.call("askPairingLink", "app", **ask) == (201, link_), "the link, twice the same")
    api.refused(409, "PASSWORD_PENDING", "askPairingLink", "app", **{**ask, "key": "drawn-at-random-2"})
    for _ in range(2):
        expect(api.call("acknowledgePairingLink", "app", token=token, id=link_["id"]) == (204, None), "acknowledged")
    api.refused(409, "PASSWORD_DELIVERED", "askPairingLink", "app", **ask)
    return link_["deep_link"]


def as_operator(api):
    status, got = api.call("signIn", "operator", body={"user": "olga", "secret": "harbour-and-hinge", "client": "outside-of-it-0002"})
    expect(status == 200, got)
    for _ in range(2):
        done = api.call("renewIdentity", "operator", token=got["access_token"], key="drawn-at-random-3", serial=SERIAL)
        expect(done == (204, None), done)


LONG = b"a" * 9000
HOST = b"Host: app.tbe.example\r\n"
SAYINGS = [  # to the door, which answers by itself
    (400, b"POST /v1/tokens HTTP/1.1\r\n" + HOST + b"A b: c\r\n\r\n"),
    (405, b"FOO /v1/tokens HTTP/1.1\r\n" + HOST + b"\r\n"),
    (413, b"POST /v1/tokens HTTP/1.1\r\n" + HOST + b"Content-Length: 20000\r\n\r\n"),
    (414, b"POST /" + LONG + b" HTTP/1.1\r\n" + HOST + b"\r\n"),
    (421, b"POST /v1/tokens HTTP/1.1\r\nHost: other.example\r\n\r\n"),
    (501, b"POST /v1/tokens HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip\r\n\r\n"),
    (505, b"POST /v1/tokens HTTP/3.0\r\n" + HOST + b"\r\n"),
]


def at_the_door(api):
    operation = api.operations["signIn"][3]
    for status, words in SAYINGS:
        door = Door(api.folder, "app.tbe.example")
        door.connect()
        door.sock.sendall(words)
        answer = http.client.HTTPResponse(door.sock)
        answer.begin()
        expect(answer.status == status, (status, answer.status))
        value = api.check(operation, status, answer.headers, answer.read())
        by = api.follow(operation["responses"][str(status)])["x-by"]
        expect(value["reason"] in by["door"], (status, value))
        door.close()


def app_main(spaaksim, folder):
    world = World(spaaksim, folder, "tests/api/outside-app.yaml")
    world.wait(r"tbe\s+link\s+init up")
    run_folder, = glob.glob(os.path.join(folder, "spaaksim.*"))
    api = Api(run_folder)
    at_the_door(api)
    deep_link = as_app(world, api)
    as_operator(api)
    world.do("kill tbe")
    world.wait(r"tbe\s+life\s+killed")
    api.refused(504, "MSG_NO_ANSWER", "signIn", "app", body={"user": "a", "secret": "b", "client": "outside-of-it-0001"})
    world.do("start tbe; run 100 ms")
    world.end()
    with open(os.path.join(folder, "out", "trace.jsonl"), encoding="utf-8") as f:
        expect(deep_link[-8:] not in f.read(), "no record has the password")
    print("a link by HTTPS")


if __name__ == "__main__":
    try:
        {"vos": vos_main, "app": app_main}[sys.argv[1]](*sys.argv[2:])
    except (ImportError, FileNotFoundError) as e:
        print(f"SKIPPED: {e}")
        sys.exit(3)
