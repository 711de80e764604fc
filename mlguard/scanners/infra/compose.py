"""Compose files as containers with the ports that they publish."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from mlguard.artifacts import Artifact
from mlguard.errors import Unreadable
from mlguard.findings import Gap
from mlguard.scanners import Context, read_text
from mlguard.scanners.infra import shell
from mlguard.scanners.infra.docker import expand
from mlguard.scanners.infra.operators import image_parts
from mlguard.scanners.infra.resources import Position, Resource
from mlguard.scanners.infra.services import open_services
from mlguard.scanners.infra.yamltree import MAX_BYTES, Tree, parse

_NAME = re.compile(r"(?i)^(?:docker-)?compose(?:[._-][\w.-]*)?\.ya?ml$")
_STORES = re.compile(
    r"(?i)(?:^|/)(?:postgres(?:ql)?|pgvector|postgis|timescaledb|mysql|mariadb|mongo(?:db)?|redis(?:-stack(?:-server)?)?|valkey|memcached|elasticsearch|opensearch|minio|mlflow"
    r"|jupyter\w*|[\w-]*-notebook|rabbitmq|kafka|qdrant|weaviate|milvus|chroma|clickhouse(?:-server)?|neo4j|cassandra|influxdb|couchdb|etcd|zookeeper|ray|label-studio|mssql[\w-]*|server-mssql|feast[\w-]*|tensorboard)$"
)
_STORE_PORTS = frozenset(
    {
        "5432",
        "3306",
        "27017",
        "6379",
        "9200",
        "9000",
        "5000",
        "8888",
        "6333",
        "6334",
        "19530",
        "9042",
        "7687",
        "11211",
        "8265",
        "1433",
        "2379",
        "6006",
        "8123",
    }
)
_STORE_COMMAND = re.compile(
    r"\bmlflow\s+(?:server|ui)\b|\bjupyter[\s-](?:lab|notebook|server)\b|\btensorboard\b|\bray\s+start\b"
)
_HERE = re.compile(r"^(?:127\.\d+\.\d+\.\d+|\[?::1\]?|localhost)$")


def read(artifacts: Sequence[Artifact], context: Context) -> Iterator[Resource | Gap]:
    """Yield a container for each service of the Compose files. One that cannot be read is a gap."""
    for artifact in sorted(artifacts, key=lambda one: one.path):
        if artifact.kind != "yaml" or not _NAME.match(PurePosixPath(artifact.path).name):
            continue
        try:
            yield from _read(artifact.path, read_text(context, artifact.path, MAX_BYTES))
        except Unreadable as error:
            yield Gap("infra", artifact.path, "unreadable", str(error))


def _read(path: str, text: str) -> Iterator[Resource | Gap]:
    documents = parse(text)
    for line in documents.duplicates[:20]:
        yield Gap(
            "infra", path, "unresolved", f"line {line}: a key stands twice in one mapping, and Compose rejects the file"
        )
    if documents.broken:
        yield Gap("infra", path, "unreadable", documents.broken)
    services = documents.trees[0].get("services") if documents.trees else None
    for name, service in services.items() if services is not None else ():
        if isinstance(service.value, dict):
            yield _service(path, str(name), service)


def _text(value: Any) -> str:
    return "" if value is None or isinstance(value, (dict, list)) else str(value)


def _service(path: str, name: str, tree: Tree) -> Resource:
    positions = tree.positions()
    argv, places = _argv(tree)
    environment, environment_at = _environment(tree)
    image = expand(_text(tree.value.get("image")), {})
    published = [(port, at) for port, at in _ports(tree) if port]
    store = bool(_STORES.search(image_parts(image)[0])) or bool(_STORE_COMMAND.search(" ".join(argv)))
    exposed = [] if tree.value.get("profiles") == ["test"] else published
    found = list(open_services(image, argv, environment, bool(exposed)))
    for index, service in enumerate(found):
        at = environment_at[service.variable] if service.variable else tree.at
        at = places[service.argument] if 0 <= service.argument < len(places) else at
        positions |= {("open_services", index, *rest): at for rest in ((), ("service",), ("why",))}
    shown = [(port, at) for port, at in exposed if store or (not image and port in _STORE_PORTS)]
    positions |= {("published", index): at for index, (_, at) in enumerate(shown)}
    attributes: dict[str, Any] = {
        "image": image,
        "argv": argv,
        "published": [port for port, _ in shown],
        "open_services": [{"service": one.service, "why": one.why} for one in found],
        "format": "compose",
    }
    return Resource("compose.service", name, f"{path}:{name}", path, attributes, positions, ("container",))


def _argv(tree: Tree) -> tuple[list[str], list[Position]]:
    words: list[str] = []
    places: list[Position] = []
    for key in ("entrypoint", "command"):
        node = tree.get(key)
        if node is None:
            continue
        if isinstance(node.value, str):
            found = [word for command in shell.commands(node.value) for word in (*command.assignments, *command.words)]
            words += found
            places += [node.at] * len(found)
        for _, item in node.items():
            words.append(_text(item.value))
            places.append(item.at)
    return words, places


def _environment(tree: Tree) -> tuple[dict[str, str], dict[str, Position]]:
    values: dict[str, str] = {}
    places: dict[str, Position] = {}
    node = tree.get("environment")
    for key, item in node.items() if node is not None else ():
        name, given, value = _text(item.value).partition("=") if isinstance(key, int) else (key, "=", item.value)
        if not given:
            continue  # taken from whoever starts it
        values[name] = ("true" if value else "false") if isinstance(value, bool) else _text(value)
        places[name] = item.at
    return values, places


def _ports(tree: Tree) -> Iterator[tuple[str, Position]]:
    """Yield the container's side of each port that is published on every interface, and its place."""
    node = tree.get("ports")
    for _, item in node.items() if node is not None else ():
        if isinstance(item.value, Mapping):
            host = expand(_text(item.value.get("host_ip")), {})
            if not _HERE.match(host) and "\ue000" not in host:
                yield _text(item.value.get("target")), item.at
            continue
        text = expand(_text(item.value), {}).partition("/")[0]
        match = re.fullmatch(r"(?:(?P<host>\[[^\]]*\]|[^:]*):)??(?:(?P<published>[^:]*):)?(?P<target>[^:]+)", text)
        host = (match["host"] or "") if match else ""
        if match and not _HERE.match(host) and "\ue000" not in host:
            yield match["target"], item.at
