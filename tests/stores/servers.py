"""Real servers on loopback for the tests of stores, and broken ones."""

from __future__ import annotations

import glob
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

PASSWORD = "kanarie-Wachtwoord-7731"
"""The password that no output may show."""


def postgres_binaries() -> Path | None:
    """Return the folder with initdb and pg_ctl, or None."""
    places = [*sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)]
    if found := shutil.which("initdb"):
        places.append(str(Path(found).parent))
    return next((Path(place) for place in places if (Path(place) / "initdb").exists()), None)


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def unprivileged() -> int | None:
    """Return the user that runs the server when the tests run as root, which PostgreSQL refuses."""
    return 65534 if os.getuid() == 0 else None


@contextmanager
def postgres() -> Iterator[int]:
    """Run a fresh cluster whose superuser is admin, with passwords checked for everyone, and yield its port."""
    binaries, user, port = postgres_binaries(), unprivileged(), free_port()
    assert binaries is not None
    folder = Path(tempfile.mkdtemp(prefix="mlguard-pg-"))
    secret = folder / "password"
    secret.write_text(PASSWORD)
    if user is not None:
        for path in (folder, secret):
            os.chown(path, user, user)

    def run(command: str, *arguments: str) -> None:
        # The server keeps what it is given as standard output, so a pipe would never end.
        subprocess.run(
            [str(binaries / command), *arguments], check=True, user=user, cwd="/", timeout=60,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
        )  # fmt: skip

    data = str(folder / "data")
    try:
        run(
            "initdb",
            "-D",
            data,
            "-U",
            "admin",
            "-A",
            "scram-sha-256",
            f"--pwfile={secret}",
            "--no-sync",
            "-E",
            "UTF8",
            "--locale=C",
        )
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off -c max_connections=40 -c track_functions=all"
        run("pg_ctl", "-D", data, "-w", "-t", "50", "-l", str(folder / "log"), "-o", options, "start")
        try:
            yield port
        finally:
            run("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Accept connections on a loopback port and give each to ``serve`` in a thread of its own."""
    server = socket.create_server(("127.0.0.1", 0))
    kept: list[socket.socket] = []

    def accept() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            kept.append(connection)
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield int(server.getsockname()[1])
    finally:
        for connection in [server, *kept]:
            connection.close()


def silent(connection: socket.socket) -> None:
    """Take what comes and never answer."""
    try:
        while connection.recv(4096):
            pass
    except OSError:
        pass


def stalling(port: int, after: int) -> Callable[[socket.socket], None]:
    """Return a server that passes everything on to a port of loopback, until ``after`` bytes have come back."""

    def serve(near: socket.socket) -> None:
        far = socket.create_connection(("127.0.0.1", port))

        def forward() -> None:
            try:
                while data := near.recv(65536):
                    far.sendall(data)
            except OSError:
                pass
            far.close()

        threading.Thread(target=forward, daemon=True).start()
        passed = 0
        try:
            while passed < after and (data := far.recv(8192)):
                near.sendall(data)
                passed += len(data)
        except OSError:
            pass

    return serve


def emptied(host: str, port: int) -> None:
    """Empty a server of moto: servers in one process share what they hold."""
    request = urllib.request.Request(f"http://{host}:{port}/moto-api/reset", method="POST")
    with urllib.request.urlopen(request, timeout=30):
        pass
