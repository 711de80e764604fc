"""Compose files as containers: what each service runs, with which rights, and which ports it opens."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

from mlguard.artifacts import Artifact
from mlguard.errors import Unreadable
from mlguard.findings import Gap
from mlguard.scanners import Context, lazy, read_text
from mlguard.scanners.infra import shell
from mlguard.scanners.infra.compose.project import NAME, Files, Project, projects, put_in
from mlguard.scanners.infra.containers import Started, seen
from mlguard.scanners.infra.operators import image_parts
from mlguard.scanners.infra.resources import REFERENCE, Path, Position, Resource
from mlguard.scanners.infra.treeedits import entries, is_mapping, items, plain
from mlguard.scanners.infra.yamltree import MAX_BYTES, Tree

_STORES = lazy.pattern(
    r"(?i)(?:^|/)(?:postgres(?:ql)?|pgvector|postgis|timescaledb|mysql|mariadb|mongo(?:db)?|redis(?:-stack(?:-server)?)?|valkey|memcached|elasticsearch|opensearch|minio|mlflow"
    r"|jupyter\w*|[\w-]*-notebook|rabbitmq|kafka|qdrant|weaviate|milvus|chroma|clickhouse(?:-server)?|neo4j|cassandra|influxdb|couchdb|etcd|zookeeper|ray|label-studio|mssql[\w-]*|server-mssql|feast[\w-]*|tensorboard"
    r"|cockroach|arangodb|scylla|surrealdb|dragonfly|keydb|percona[\w-]*|mongo-express|phpmyadmin|pgadmin4?|adminer|kibana|marimo|vault|consul|nats|solr|typesense|meilisearch|lancedb|vespa|zeppelin|mssql/server)$"
)
"""Images of databases, caches, queues, notebooks and trackers, which are not meant for everybody on the network."""

_STORE_WORDS = frozenset(
    {
        "postgres", "postgresql", "pg", "pgvector", "postgis", "timescaledb", "mysql", "mariadb", "mongo", "mongodb", "redis", "valkey",
        "memcached", "elasticsearch", "opensearch", "minio", "mlflow", "jupyter", "jupyterlab", "jupyterhub", "notebook", "notebooks",
        "rabbitmq", "kafka", "qdrant", "weaviate", "milvus", "chroma", "chromadb", "clickhouse", "neo4j", "cassandra", "influxdb",
        "tensorboard", "mssql", "oracle", "db", "database", "cache", "vectordb",
    }
)  # fmt: skip
"""Words in the name of a service or of an image of one's own that say the same."""

_NO_STORE_WORDS = frozenset(
    {"exporter", "operator", "client", "backup", "proxy", "init", "migrate", "migrations", "ui", "worker", "api", "app", "web", "service", "controller", "frontend", "backend"}
)  # fmt: skip
_STORE_PORTS = frozenset(
    {
        "5432", "3306", "27017", "6379", "9200", "9300", "6333", "6334", "19530", "9042", "7687", "7474", "11211", "8265", "1433",
        "1521", "2379", "5984", "26257", "9092", "2181", "5672",
    }
)  # fmt: skip
"""Ports of databases, caches and queues that hardly anything else takes."""
_STORE_COMMAND = lazy.pattern(
    r"\bmlflow\s+(?:server|ui)\b|\bjupyter[\s-](?:lab|notebook|server|hub)\b|\btensorboard\b|\bray\s+start\b|\bredis-server\b|\bmongod\b|\bpostgres\b"
)
_HERE = lazy.pattern(
    r"^(?:(?:127|10)\.\d+\.\d+\.\d+|192\.168\.\d+\.\d+|172\.(?:1[6-9]|2\d|3[01])\.\d+\.\d+|\[?(?:::1|f[cd][0-9a-f]{2}:[0-9a-f:]*)\]?|localhost)$"
)
"""Addresses of the machine itself, or of one network that was chosen."""

_SOCKETS = lazy.pattern(
    r"(?:docker|containerd|crio|podman)(?:/[\w-]+)?\.sock$|^/(?:$|(?:etc|root|boot|proc|sys|dev|usr|lib|var|var/lib|var/run|run)$"
    r"|(?:etc/(?:kubernetes|passwd|shadow|sudoers|ssh|pam\.d|docker)|root/\.(?:ssh|aws|kube|docker|gnupg)|var/lib/(?:kubelet|docker|containerd|etcd|rancher))(?:/|$))"
)


def read(artifacts: Sequence[Artifact], context: Context) -> Iterator[Resource | Gap]:
    """Yield a container for each service of the Compose files. One that cannot be read is a gap."""
    paths = [a.path for a in artifacts if a.kind == "yaml" and NAME.match(PurePosixPath(a.path).name)]
    if not paths:
        return
    files = Files(_reader(context))
    for project in projects(paths, files):
        for name, tree in project.services.items():
            yield _service(project, name, tree, files)
        yield from project.gaps
    yield from files.gaps


def _reader(context: Context) -> Any:
    top = os.path.realpath(context.root)

    def read_inside(path: str) -> str:
        real = os.path.realpath(os.path.join(top, path))
        if not real.startswith(top.rstrip(os.sep) + os.sep):
            raise Unreadable("it leads out of the scanned tree")
        return read_text(context, path, MAX_BYTES)

    return read_inside


def _service(project: Project, name: str, tree: Tree, files: Files) -> Resource:
    positions = tree.positions()
    argv, places = _argv(tree, project)
    environment, environment_at = _environment(tree, project, files)
    image = put_in(plain(tree.get("image")), project.variables)
    published = list(_ports(tree, project))
    store = _is_store(name, image, argv)
    exposed = [] if [plain(one) for one in items(tree.get("profiles"))] == ["test"] else published
    shown = [(port, at) for port, at in exposed if store or port in _STORE_PORTS]
    positions |= {("published", index): at for index, (_, at) in enumerate(shown)}
    node = tree.get("image")
    words = tree.get("command") or tree.get("entrypoint")
    started = Started(
        image, argv, places, environment, environment_at, bool(exposed), words.at if words is not None else None
    )
    attributes, at = seen(started, tree.at, node.at if node is not None else tree.at)
    positions |= at
    if tree.get("build") is not None:
        attributes |= {"external": False, "floating": False, "ended": ""}
    attributes |= {
        "name": name,
        "format": "compose",
        "ports": [port for port, _ in published],
        "published": [port for port, _ in shown],
        "exposure": [f"the published port {port}" for port, _ in exposed],
        "build": tree.get("build") is not None,
        "user": put_in(plain(tree.get("user")), project.variables),
        "healthcheck": _healthcheck(tree, positions),
        "goes_on": bool(published) or _goes_on(tree),
    }
    _rights(tree, project, attributes, positions)
    data_class = next((plain(n) for key, n in _labels(tree) if re.search(r"(?i)data-?class", key)), "")
    return Resource(
        "compose.service", name, f"{project.path}:{name}", tree.at.path or project.path, attributes, positions,
        ("container", "image") if image else ("container",), format="compose", data_class=data_class,
    )  # fmt: skip


def _rights(tree: Tree, project: Project, attributes: dict[str, Any], positions: dict[Path, Position]) -> None:
    """Add what the service may do on its host, in the words that containers of Kubernetes use."""
    effective: dict[str, Any] = {}
    for theirs, ours in (("privileged", "privileged"), ("read_only", "readOnlyRootFilesystem")):
        node = tree.get(theirs)
        if node is not None:
            text = put_in(plain(node), project.variables).lower()
            effective[ours] = {"true": True, "false": False}.get(text, node.value if text == plain(node) else text)
            positions[("effective", ours)] = node.at
    for node in items(tree.get("security_opt")):
        key, _, value = put_in(plain(node), project.variables).replace("=", ":").partition(":")
        if key == "no-new-privileges":
            effective["allowPrivilegeEscalation"] = value == "false"
            positions[("effective", "allowPrivilegeEscalation")] = node.at
        elif value == "unconfined":
            effective[f"{key}Profile"] = "unconfined"
            positions[("effective", f"{key}Profile")] = node.at
    given = [(put_in(plain(node), project.variables), node.at) for node in items(tree.get("cap_add"))]
    added = [(name.upper().removeprefix("CAP_"), at) for name, at in given if not REFERENCE.search(name)]
    attributes["capabilities_added"] = [name for name, _ in added]
    positions |= {("capabilities_added", index): at for index, (_, at) in enumerate(added)}
    spaces = [(key, node) for key in ("network_mode", "pid", "ipc", "userns_mode", "uts") if (node := tree.get(key)) is not None and put_in(plain(node), project.variables) == "host"]  # fmt: skip
    attributes["host_namespaces"] = [key for key, _ in spaces]
    positions |= {("host_namespaces", index): node.at for index, (_, node) in enumerate(spaces)}
    mounts = [(path, at) for path, at in _mounts(tree, project) if _SOCKETS.search(path.rstrip("/") or "/")]
    attributes["host_paths"] = [{"path": path} for path, _ in mounts]
    for index, (_, at) in enumerate(mounts):
        positions[("host_paths", index)] = positions[("host_paths", index, "path")] = at
    attributes["effective"] = effective
    limits = tree.get("deploy", "resources", "limits")
    lacking = limits or tree.get("deploy", "resources")
    positions[("memory_limit",)] = lacking.at if lacking is not None else tree.at
    attributes["memory_limit"] = plain(tree.get("mem_limit")) or plain(limits.get("memory") if limits else None)


def _mounts(tree: Tree, project: Project) -> Iterator[tuple[str, Position]]:
    """Yield the folders and files of the host that a service gets to see."""
    for node in items(tree.get("volumes")):
        if is_mapping(node):
            place = node.get("source") or node.get("src") or node
            source = plain(place) if plain(node.get("type")) in ("bind", "") and place is not node else ""
        else:
            place = node
            source = put_in(plain(node), project.variables).partition(":")[0]
        source = put_in(source, project.variables)
        if source.startswith("/"):
            yield source, place.at


def _healthcheck(tree: Tree, positions: dict[Path, Position]) -> str:
    """Return ``set``, ``off`` or "" (whatever the image has), and enter what decided."""
    node = tree.get("healthcheck")
    if node is None:
        return ""
    disable, test = node.get("disable"), node.get("test")
    words = [plain(one) for one in items(test)] or [plain(test)]
    off = disable if plain(disable) == "true" else test if words[:1] == ["NONE"] else None
    positions[("healthcheck",)] = (off or node).at
    return "set" if off is None else "off"


def _goes_on(tree: Tree) -> bool:
    """Say whether a service is there to go on running: it serves a port, or is started again whenever it ends."""
    restart = plain(tree.get("restart")) or plain(tree.get("deploy", "restart_policy", "condition"))
    return tree.get("expose") is not None or restart in ("always", "unless-stopped", "any")


def _is_store(name: str, image: str, argv: Sequence[str]) -> bool:
    """Say whether a service is a database, cache, queue, notebook or tracker, by its image, its command or its name."""
    base, tag, _ = image_parts(image)
    if _STORES.search(base) or "jupyter" in tag or _STORE_COMMAND.search(" ".join(argv)):
        return True
    words = set(re.split(r"[-_.]", (base.rpartition("/")[2] or name).lower()))
    return bool(words & _STORE_WORDS) and not words & _NO_STORE_WORDS


def _labels(tree: Tree) -> Iterator[tuple[str, Tree]]:
    labels = tree.get("labels")
    yield from sorted(entries(labels).items())


def _argv(tree: Tree, project: Project) -> tuple[list[str], list[Position]]:
    words: list[str] = []
    places: list[Position] = []
    for key in ("entrypoint", "command"):
        node = tree.get(key)
        if node is None:
            continue
        if isinstance(node.value, str):
            text = put_in(node.value, project.variables)
            found = [word for command in shell.commands(text) for word in (*command.assignments, *command.words)]
            words += found
            places += [node.at] * len(found)
        for item in items(node):
            words.append(put_in(plain(item), project.variables))
            places.append(item.at)
    return words, places


def _environment(tree: Tree, project: Project, files: Files) -> tuple[dict[str, str], dict[str, Position]]:
    """Return the variables that the container gets, from env files and, over these, from the service itself."""
    values: dict[str, str] = {}
    places: dict[str, Position] = {}
    named = tree.get("env_file")
    for node in items(named) or ([named] if named is not None and plain(named) else []):
        name = plain(node) or plain(node.get("path"))
        path = os.path.normpath(os.path.join(os.path.dirname(node.at.path), name)).replace(os.sep, "/")
        if not path.startswith(("..", "/")):
            for key, (value, line) in files.variables(path).items():
                values[key], places[key] = value, Position(line, path=path)
    given = tree.get("environment")
    pairs = [(name, "=", plain(item), item) for name, item in entries(given).items() if item.value is not None]
    pairs += [(*plain(item).partition("="), item) for item in items(given)]
    for name, sign, value, item in pairs:
        if sign:  # without it, it is taken from whoever starts it
            values[name], places[name] = put_in(value, project.variables), item.at
    return values, places


def _ports(tree: Tree, project: Project) -> Iterator[tuple[str, Position]]:
    """Yield the container's side of each port that is published on every interface, and its place."""
    for item in items(tree.get("ports")):
        if is_mapping(item):
            host = put_in(plain(item.get("host_ip")), project.variables)
            if not _HERE.match(host) and "\ue000" not in host:
                yield plain(item.get("target")), item.at
            continue
        text = put_in(plain(item), project.variables).partition("/")[0]
        match = re.fullmatch(r"(?:(?P<host>\[[^\]]*\]|[^:]*):)??(?:(?P<published>[^:]*):)?(?P<target>[^:]+)", text)
        host = (match["host"] or "") if match else ""
        if match and not _HERE.match(host) and "\ue000" not in host:
            yield match["target"], item.at
