"""Runs a reader in a process of its own, because the library behind it may crash or write to standard error on damaged input.

The tables come back through a pipe, batch by batch. Each message is a letter, eight bytes of length and what it says.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from mlguard.errors import Unreadable
from mlguard.scanners.dataset.formats import rows
from mlguard.scanners.dataset.formats.sound import sound
from mlguard.scanners.dataset.source import Source
from mlguard.scanners.dataset.table import Table

MAX_MEMORY = 4 * 2**30
"""Bytes of address space of the process; libraries reserve much more than they use."""

MAX_MESSAGE = 512 * 2**20
"""Bytes of one message: a batch, or the texts beside a table."""

READERS = frozenset({"orc", "hdf5", "spreadsheet"})
"""Modules that have ``inside(source)``, which is what runs in the process."""

_FAILED = "the library that reads this format failed on it; what came before was read"


def tables(reader: str, source: Source) -> Iterator[Table]:
    """Yield the tables that a reader of READERS yields. Raises Unreadable."""
    child = _started(reader)
    try:
        _told(child, source)
        yield from _received(cast(BinaryIO, child.stdout))
    finally:
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    continue


def _started(reader: str) -> subprocess.Popen[bytes]:
    path = os.pathsep.join(place for place in sys.path if os.path.isabs(place))
    return subprocess.Popen(
        [sys.executable, "-P", "-m", __name__, reader], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path}, cwd=os.path.dirname(sys.executable) or "/",
    )  # fmt: skip


def _told(child: subprocess.Popen[bytes], source: Source) -> None:
    """Tell the process what to read: where a file lies, or its bytes."""
    local = source.local is not None and not source.within
    head = {
        "name": source.name,
        "within": source.within,
        "size": source.size,
        "local": str(source.local) if local else "",
    }
    data = b"" if local else rows.whole(source)
    pipe = cast(BinaryIO, child.stdin)
    try:
        pipe.write(json.dumps(head).encode() + b"\n")
        pipe.write(data)
        pipe.close()
    except OSError:
        raise Unreadable(_FAILED) from None


def _received(pipe: BinaryIO) -> Iterator[Table]:
    while True:
        kind, data = _message(pipe)
        if kind == b"Z":
            return
        if kind == b"U":
            raise Unreadable(data.decode("utf-8", "replace"))
        if kind != b"T":
            raise Unreadable(_FAILED)
        table = Table(**json.loads(data), batches=iter(()))
        ended = [False]
        table.batches = _batches(pipe, table, ended)
        yield table
        for _ in table.batches:  # the next table begins behind this one
            pass
        if not ended[0]:
            raise Unreadable(_FAILED)


def _batches(pipe: BinaryIO, table: Table, ended: list[bool]) -> Iterator[Any]:
    import pyarrow as pa

    while True:
        kind, data = _message(pipe)
        if kind == b"B":
            yield from map(sound, pa.ipc.open_stream(pa.py_buffer(data)))
            continue
        if kind != b"E":
            raise Unreadable(_FAILED)
        end = json.loads(data)
        table.texts += [(name, lines) for name, lines in end["texts"]]
        table.missed += [(reason[0], reason[1]) for reason in end["missed"]]
        table.rows = end["rows"]
        ended[0] = True
        if end["trouble"]:
            raise Unreadable(end["trouble"])
        return


def _message(pipe: BinaryIO) -> tuple[bytes, bytes]:
    try:
        head = rows.read_up_to(pipe, 9)
        size = int.from_bytes(head[1:], "little")
        data = rows.read_up_to(pipe, size) if len(head) == 9 and size <= MAX_MESSAGE else b""
    except OSError:
        raise Unreadable(_FAILED) from None
    if len(head) < 9 or len(data) < size:
        raise Unreadable(_FAILED)
    return head[:1], data


# -- in the process


def main(reader: str) -> None:
    """Read the source that standard input tells of, and write its tables to standard output."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what a library prints is no message
    _limit()
    source = _asked(sys.stdin.buffer)
    try:
        for table in _module(reader).inside(source):
            _send(out, b"T", {"format": table.format, "name": table.name, "prose": table.prose, "rows": table.rows})
            trouble = ""
            try:
                for batch in table.batches:
                    _send_batch(out, batch)
            except Unreadable as error:
                trouble = str(error)
            end = {"texts": table.texts, "missed": table.missed, "rows": table.rows, "trouble": trouble}
            _send(out, b"E", end)
    except Unreadable as error:
        _write(out, b"U", str(error).encode())
        return
    _write(out, b"Z", b"")


def _module(reader: str) -> Any:
    if reader not in READERS:
        raise SystemExit(2)
    from mlguard.scanners.dataset.formats import hdf5, orc, spreadsheet

    return {"orc": orc, "hdf5": hdf5, "spreadsheet": spreadsheet}[reader]


def _asked(pipe: BinaryIO) -> Source:
    head = json.loads(pipe.readline())
    if head["local"]:
        path = Path(head["local"])
        return Source(head["name"], head["size"], lambda: open(path, "rb"), path)
    data = pipe.read()
    return Source(head["name"], len(data), lambda: cast(BinaryIO, io.BytesIO(data)), None, True, head["within"])


def _limit() -> None:
    try:
        import resource
    except ImportError:  # no such limits on this system
        return
    try:
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY if hard < 0 else min(MAX_MEMORY, hard), hard))
    except (OSError, ValueError):
        return


def _send(out: BinaryIO, kind: bytes, said: Any) -> None:
    _write(out, kind, json.dumps(said).encode("utf-8", "replace"))


def _send_batch(out: BinaryIO, batch: Any) -> None:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    data = sink.getvalue()
    out.write(b"B" + data.size.to_bytes(8, "little"))
    out.write(data)
    out.flush()


def _write(out: BinaryIO, kind: bytes, data: bytes) -> None:
    out.write(kind + len(data).to_bytes(8, "little") + data)
    out.flush()


if __name__ == "__main__":
    main(sys.argv[1])
