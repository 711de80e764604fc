"""A child process that alone talks to a store, and the line to it.

A driver may hang, abort, or write what it knows to standard error. So it runs in a process of its own, whose output is nothing
but the frames below; how that process ends says nothing. Each wait is bounded: a store that is silent for too long costs the
process, and the reader of the line gets ``Trouble``.
"""

from __future__ import annotations

import json
import os
import select
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

from mlguard.errors import Unreadable
from mlguard.scanners.dataset.table import MissedKind

SILENCE_SECONDS = 60.0
"""How long a store may say nothing. Less than a worker may, so that the rest of the store goes on."""

MAX_FRAME_BYTES = 2 * 2**30
"""Bytes of one frame. A batch is far smaller; one row may not be."""

_HEADER = struct.Struct(">cQ")
_CHILD = "import sys; sys.path.append({!r}); from mlguard.stores.line import serve; serve()"


class Trouble(Unreadable):
    """A store, or a part of it, that cannot be read. ``kind`` is the kind of the gap; the text quotes nothing of the store."""

    def __init__(self, reason: str, kind: MissedKind = "unreadable") -> None:
        super().__init__(reason)
        self.kind: MissedKind = kind


class Far(Protocol):
    """What talks to a store in the child: each method yields JSON values, bytes or Arrow record batches."""

    def close(self) -> None: ...


class Line:
    """The near end. ``request`` is what the far end is opened with; it may hold a password and goes over a pipe."""

    def __init__(self, request: Mapping[str, Any], silence: float = SILENCE_SECONDS) -> None:
        self._request = dict(request)
        self._silence = silence
        self._process: subprocess.Popen[bytes] | None = None
        self._open: object | None = None  # the call whose answer has not been read to its end

    def call(self, method: str, *arguments: object) -> Iterator[Any]:
        """Yield what a method of the far end yields. Raises Trouble. A call that is not read to its end costs the process."""
        if self._open is not None:  # what is left of its answer would pass for this one's
            self.close()
        done, own = False, object()
        self._open = own
        try:
            self._send({"call": method, "arguments": arguments})
            while True:
                kind, payload = self._frame()
                if kind == b"E":
                    done = True
                    return
                if kind == b"X":
                    done = True
                    told = json.loads(payload)
                    raise Trouble(told["reason"], told["kind"])
                yield _value(kind, payload)
        finally:
            if self._open is own:
                self._open = None
                if not done:
                    self.close()

    def one(self, method: str, *arguments: object) -> Any:
        """Return the one value that a method yields. Raises Trouble."""
        found = list(self.call(method, *arguments))
        return found[0] if found else None

    def close(self) -> None:
        """End the child. A later call starts another."""
        process, self._process, self._open = self._process, None, None
        if process is None:
            return
        process.kill()  # its interpreter must not end by itself: the threads of a cloud's library may abort it
        for stream in (process.stdin, process.stdout):
            try:
                cast(BinaryIO, stream).close()
            except OSError:
                pass
        process.wait()

    def _send(self, value: Mapping[str, Any]) -> None:
        if self._process is None:
            self._process = _started()
            self._send(self._request)
        try:
            sink = cast(BinaryIO, self._process.stdin)
            sink.write(json.dumps(value).encode("ascii") + b"\n")
            sink.flush()
        except OSError:
            raise Trouble("the process that reads the store ended; run again") from None

    def _frame(self) -> tuple[bytes, bytearray]:
        kind, size = _HEADER.unpack(self._bytes(_HEADER.size))
        if size > MAX_FRAME_BYTES:
            raise Trouble("one row is larger than can be taken", "too-large")
        return kind, self._bytes(size)

    def _bytes(self, size: int) -> bytearray:
        assert self._process is not None
        source = cast(BinaryIO, self._process.stdout).fileno()
        data = bytearray()
        deadline = time.monotonic() + self._silence
        while len(data) < size:
            ready, _, _ = select.select([source], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise Trouble(f"the store has said nothing for {self._silence:g} seconds", "timeout")
            part = os.read(source, min(size - len(data), 2**20))
            if not part:
                raise Trouble("the process that reads the store ended without an answer; run again, or report it")
            data += part
            deadline = time.monotonic() + self._silence
        return data


def _started() -> subprocess.Popen[bytes]:
    # -P keeps the working directory off the path: it may be the scanned tree, from which nothing is imported.
    command = [sys.executable, "-P", "-c", _CHILD.format(str(Path(__file__).resolve().parent.parent.parent))]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=os.sep, bufsize=0
    )


def _value(kind: bytes, payload: bytearray) -> Any:
    if kind == b"J":
        return json.loads(payload)
    if kind == b"B":
        return bytes(payload)
    import pyarrow as pa

    return pa.ipc.open_stream(pa.py_buffer(payload)).read_next_batch()


# --- The far end


def serve() -> None:
    """Be the child: open what the first line asks for, then answer calls until standard input ends."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _end_with_parent()
    answers = os.fdopen(os.dup(1), "wb", buffering=2**20)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    request = json.loads(sys.stdin.buffer.readline())
    far: Far | None = None
    for line in sys.stdin.buffer:
        call = json.loads(line)
        try:
            far = far or _opened(request)
            for value in getattr(far, call["call"])(*call["arguments"]):
                _write(answers, value)
            _put(answers, b"E", b"")
        except Trouble as trouble:
            _tell(answers, trouble)
        except MemoryError:
            _tell(answers, Trouble("more memory is needed than the limit allows", "too-large"))
        except ImportError as error:
            _tell(answers, Trouble(f"{error.name or 'a module'} is not installed: pip install 'mlguard[stores]'", "missing"))  # fmt: skip
        except Exception as error:  # noqa: BLE001 - its text may quote rows and addresses, so the type is all that is told
            _tell(answers, Trouble(f"its reader failed ({type(error).__name__}); please report it"))
        answers.flush()
    os._exit(0)


def _opened(request: Mapping[str, Any]) -> Far:
    if request["kind"] == "postgresql":
        from mlguard.stores.postgres_session import Session

        return Session(request["url"], request["settings"])
    from mlguard.stores.object_session import Objects

    return Objects(request["kind"], request["settings"])


def _write(answers: BinaryIO, value: Any) -> None:
    if isinstance(value, (bytes, memoryview)):
        _put(answers, b"B", value)
    elif isinstance(value, (dict, list, str, int)) or value is None:
        _put(answers, b"J", json.dumps(value).encode("ascii"))
    else:
        import pyarrow as pa

        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, value.schema) as writer:
            writer.write_batch(value)
        _put(answers, b"A", memoryview(sink.getvalue()))
    answers.flush()


def _put(answers: BinaryIO, kind: bytes, payload: bytes | memoryview) -> None:
    answers.write(_HEADER.pack(kind, len(payload)))
    answers.write(payload)


def _tell(answers: BinaryIO, trouble: Trouble) -> None:
    _put(answers, b"X", json.dumps({"kind": trouble.kind, "reason": str(trouble)}).encode("ascii"))


def _end_with_parent() -> None:
    """Ask Linux to kill this process when its parent dies, and to write no memory to disk when it aborts."""
    if sys.platform == "linux":
        import ctypes
        import resource
        import signal

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG, prctl(2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
