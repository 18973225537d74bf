// Messages of proto/*.proto by protobufjs. Words on standard input, a line each, answered by a line each:
//   encode TYPE JSON   -> hex        decode TYPE HEX  -> JSON        shape  -> every field of every message
"use strict";
const fs = require("fs");
const path = require("path");
const readline = require("readline");
const protobuf = require(path.join(process.argv[2], "protobufjs"));

const root = new protobuf.Root();
root.resolvePath = (origin, target) => target;
root.loadSync(fs.readdirSync("proto").filter((f) => f.endsWith(".proto")).map((f) => "proto/" + f), { keepCase: true });
root.resolveAll();

function shape(thing, out) {
    if (thing instanceof protobuf.Type)
        for (const f of thing.fieldsArray)
            out.push([thing.fullName.slice(1), f.name, f.id, f.repeated, f.resolvedType ? f.resolvedType.fullName.slice(1) : f.type]);
    for (const inner of thing.nestedArray || [])
        shape(inner, out);
    return out;
}

function answer(line) {
    const [word, type, rest] = [...line.split(" ", 2), line.split(" ").slice(2).join(" ")];
    if (word === "shape")
        return JSON.stringify(shape(root, []));
    const t = root.lookupType(type);
    if (word === "encode")
        return Buffer.from(t.encode(t.fromObject(JSON.parse(rest))).finish()).toString("hex");
    return JSON.stringify(t.toObject(t.decode(Buffer.from(rest, "hex")), { longs: String, enums: String }));
}

readline.createInterface({ input: process.stdin }).on("line", (line) => console.log(answer(line)));
