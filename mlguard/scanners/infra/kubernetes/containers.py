"""One container with what its pod passes down to it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from mlguard.scanners import lazy
from mlguard.scanners.infra.containers import image as image_facts
from mlguard.scanners.infra.containers import line_of, written_lines
from mlguard.scanners.infra.kubernetes.literals import USER_IN_URL, secret_literal
from mlguard.scanners.infra.kubernetes.objects import Object, listed, mapping, plain, unknown
from mlguard.scanners.infra.kubernetes.places import Places
from mlguard.scanners.infra.kubernetes.pods import LONG_RUNNING, Pod, argv_of, ray_command, ray_dashboard
from mlguard.scanners.infra.operators import image_parts
from mlguard.scanners.infra.resources import Open, Path, Position, Unknown, reference
from mlguard.scanners.infra.services import WORDS, open_services
from mlguard.scanners.infra.workloads import described, wants_accelerator
from mlguard.scanners.infra.yamltree import Tree
from mlguard.values import dataclass

OPEN_TEXT = lazy.pattern(r"\{\{.*?\}\}|\$\{[^}]*\}|\$\([A-Za-z_]\w*\)|<[A-Za-z_ -]+>")
ACCELERATOR = lazy.pattern(
    r"(?:/|\.)(?:gpu|tpu|neuron(?:core|device)?|gaudi|mig-[\w.]+|i915|xe|Ascend\w*|vgpu\w*|gpu\.shared|npu|gpumem|dcu)(?:[.-]\w+)*$"
)
_BASELINE = frozenset(
    {"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"}
)  # fmt: skip
"""Capabilities that the baseline of the Pod Security Standards lets a container add."""

_SELINUX_TYPES = frozenset({"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"})
_POD_ONLY = frozenset(
    {
        "fsGroup",
        "supplementalGroups",
        "supplementalGroupsPolicy",
        "sysctls",
        "fsGroupChangePolicy",
        "seLinuxChangePolicy",
    }
)
_CONTAINER_ONLY = frozenset(
    {"allowPrivilegeEscalation", "capabilities", "privileged", "procMount", "readOnlyRootFilesystem"}
)
"""Fields that a pod's security context does not have: written there, they do nothing."""
_APPARMOR = "container.apparmor.security.beta.kubernetes.io/"
_SECCOMP = ("seccomp.security.alpha.kubernetes.io/pod", "container.seccomp.security.alpha.kubernetes.io/")
_VARIABLE = lazy.pattern(r"(?<!\$)\$\(([A-Za-z_][\w.-]*)\)")
MAX_WORD = 2_000
"""Characters of a word into which variables are put, and of what is put in."""

MAX_VARIABLES = 5_000
"""Variables of one container."""


@dataclass(frozen=True, slots=True)
class Around:
    """What other objects say about the pod of a container."""

    exposure: list[str]
    serving: bool
    reached: bool
    limit_range: frozenset[str]  # what a limit range fills in: memory, requests
    configuration: Mapping[str, Object]  # the config maps by name that stand in the pod's namespace


class Container:
    """One container with what its pod passes down to it."""

    def __init__(
        self, one: Object, pod: Pod, spec: Tree, role: str, tree: Tree, images: Mapping[str, str], around: Around
    ) -> None:
        self.one, self.tree, self.spec, self.role, self.around = one, tree, spec, role, around
        self.positions = Places(tree)
        written, self.argv_at = argv_of(tree)
        self.started = ray_command(one, pod) if role == "container" else []
        self.environment, self.environment_at = self._environment()
        self.argv = [self._put_in(word) for word in written]
        image = self._image(images)
        raw = {key: value for key, value in tree.value.items() if key not in ("env", "command", "args")}
        self.attributes: dict[str, Any] = {
            **(raw if tree is not spec else {"name": plain(tree.value.get("name")) or role}),
            **image_facts(image),
            "role": role,
            "workload_kind": one.kind,
            "fragment": one.fragment,
            "managed": pod.managed,
            "format": one.format,
            "argv": self.argv or self.started,
            "environment": self.environment,
        }
        for index, at in enumerate(self.argv_at):
            self.positions["argv", index] = at
        lines = list(written_lines(self.argv, self.argv_at))
        self.attributes["argv_lines"] = [line for line, _ in lines]
        for index, (_, at) in enumerate(lines):
            self.positions["argv_lines", index] = at
        for variable, at in self.environment_at.items():
            self.positions["environment", variable] = at
        for key in ("image_name", "tag", "digest", "registry", "floating", "ended", "external"):
            if ("image",) in self.positions:
                self.positions[(key,)] = self.positions[("image",)]
        self._security(pod)
        self._literal_secrets()
        self._finish()

    # What it runs

    def _image(self, images: Mapping[str, str]) -> str:
        image = plain(self.tree.value.get("image")).strip()
        if self.role == "model" and not image and self.one.kind == "SparkApplication":
            image = plain(self.one.at("spec", "image")).strip()
        name = image_parts(image)[0]
        if name in images:
            replaced = images[name]
            image = replaced if image_parts(replaced)[1] or image_parts(replaced)[2] else replaced + image[len(name) :]
        if image and re.fullmatch(r"[A-Z][A-Z0-9_]+", image):
            return reference("the image's name")
        return OPEN_TEXT.sub(lambda match: reference("the image's name"), image)

    def _environment(self) -> tuple[dict[str, Any], dict[str, Position]]:
        """Return the variables by name; one that is taken from elsewhere is a mapping, never a value.

        What comes from a config map that stands in the same files is known; anything else of ``envFrom`` leaves the mapping open.
        """
        values: dict[str, Any] = {}
        places: dict[str, Position] = {}
        doubt = ""
        source = self.tree.get("envFrom")
        for _, item in source.items() if source is not None else ():
            entry = mapping(item.value)
            held = self.around.configuration.get(plain(mapping(entry.get("configMapRef")).get("name")))
            data = held.tree.get("data") if held is not None else None
            if data is None:
                doubt = "variables that come from elsewhere (envFrom)"
                continue
            for key, node in list(data.items())[:MAX_VARIABLES]:
                name = f"{plain(entry.get('prefix'))}{key}"
                values[name], places[name] = plain(node.value), _elsewhere(node.at, held, self.one)
        env = self.tree.get("env")
        for _, item in list(env.items())[:MAX_VARIABLES] if env is not None else ():
            entry = mapping(item.value)
            name = plain(entry.get("name"))
            if name:
                values[name], places[name] = self._variable(entry, item)
        return (Open(values, doubt) if doubt else values), places

    def _variable(self, entry: Mapping[str, Any], item: Tree) -> tuple[Any, Position]:
        node = item.get("value") or item.get("valueFrom") or item
        if "valueFrom" not in entry:
            return plain(entry.get("value")), node.at
        chosen = mapping(mapping(entry["valueFrom"]).get("configMapKeyRef"))
        held = self.around.configuration.get(plain(chosen.get("name"))) if chosen else None
        data = held.tree.get("data", plain(chosen.get("key"))) if held is not None else None
        if data is not None and held is not None and isinstance(data.value, str) and "\n" not in data.value:
            return data.value, _elsewhere(data.at, held, self.one)
        return mapping(entry["valueFrom"]), node.at

    def _put_in(self, word: str) -> str:
        """Return a word with the variables in it that are known, as the kubelet puts them in."""
        if "$(" not in word or len(word) > MAX_WORD:
            return word

        def value(match: re.Match[str]) -> str:
            held = self.environment.get(match.group(1))
            return held if isinstance(held, str) and len(held) <= MAX_WORD else match.group(0)

        return _VARIABLE.sub(value, word)

    def _literal_secrets(self) -> None:
        """List the variables that hold a credential in plain text; never what they hold."""
        found: list[dict[str, str]] = []
        own = self.tree.get("env")
        for _, item in list(own.items())[:MAX_VARIABLES] if own is not None else ():
            entry = mapping(item.value)
            name, value = plain(entry.get("name")), entry.get("value")
            if value is None or "valueFrom" in entry:
                continue
            if secret_literal(name, value) or USER_IN_URL.search(plain(value)):
                self.positions[("written_out", len(found))] = self.environment_at[name]
                found.append({"name": name})
        self.attributes["written_out"] = found

    # What it may do on its node

    def _security(self, pod: Pod) -> None:
        own = self.tree.get("securityContext")
        above = self.spec.get("podSecurityContext") or self.spec.get("securityContext")
        effective: dict[str, Any] = {}
        for source in (above, own):
            for key, node in source.items() if source is not None else ():
                if source is above and source is not own and (key in _POD_ONLY or key in _CONTAINER_ONLY):
                    continue
                effective[str(key)] = node.value
                for path, at in node.positions().items():
                    self.positions[("effective", str(key), *path)] = at
        if own is not None:
            self.positions[("effective",)] = own.at
        windows = (
            mapping(self.spec.value.get("nodeSelector")).get("kubernetes.io/os") == "windows"
            or mapping(self.spec.value.get("os")).get("name") == "windows"
        )
        privileged = effective.get("privileged") is True
        told = not any(node is not None and unknown(node.value) for node in (above, own))
        complete = told and self.role not in ("ephemeral", "model")
        self.attributes |= {
            "effective": effective,
            "windows": windows,
            "hardened": complete and not windows,
            "confined": complete and not windows and not privileged,
            "root": self._root(effective, complete),
        }
        self._capabilities(mapping(effective.get("capabilities")))
        self._profiles(effective, pod)

    def _root(self, effective: Mapping[str, Any], complete: bool) -> str:
        """Return why the container runs as root or may do so, or ""."""
        user, non_root = effective.get("runAsUser"), effective.get("runAsNonRoot")
        windows_user = plain(mapping(effective.get("windowsOptions")).get("runAsUserName")).lower()
        if windows_user == "containeradministrator":
            self.positions[("root",)] = self.positions[("effective", "windowsOptions", "runAsUserName")]
            return "is told to run as administrator"
        numeric = isinstance(user, int) and not isinstance(user, bool)
        if numeric and user == 0:
            self.positions[("root",)] = self.positions[("effective", "runAsUser")]
            return "is told to run as root"
        if numeric or non_root is True or windows_user:
            return ""
        if non_root is False:
            self.positions[("root",)] = self.positions[("effective", "runAsNonRoot")]
            return "may run as root"
        if not complete or user is not None or unknown(non_root):
            return ""
        self.positions[("root",)] = self.positions.get(("effective",), self.tree.at)
        return "runs as the user of its image, which may be root"

    def _capabilities(self, capabilities: Mapping[str, Any]) -> None:
        given = capabilities.get("drop")
        doubt = any(map(unknown, (given, *listed(given))))
        dropped = {plain(item).upper() for item in listed(capabilities.get("drop"))}
        drops = not dropped.isdisjoint({"ALL", "CAP_ALL"})
        self.attributes["drops_all"] = Unknown("the dropped capabilities") if doubt and not drops else drops
        ways: tuple[Path, ...] = (("capabilities", "drop"), ("capabilities",), ())
        place = next((self.positions[p] for way in ways if (p := ("effective", *way)) in self.positions), self.tree.at)
        self.positions[("drops_all",)] = place
        added = [plain(item).upper().removeprefix("CAP_") for item in listed(capabilities.get("add"))]
        vague = [unknown(item) or OPEN_TEXT.search(plain(item)) is not None for item in listed(capabilities.get("add"))]
        self.attributes["capabilities_added"] = [
            one for one, open_ in zip(added, vague, strict=True) if one not in _BASELINE and not open_
        ]
        count = 0
        for index, capability in enumerate(added):
            if capability not in _BASELINE and not vague[index]:
                self.positions[("capabilities_added", count)] = self.positions[
                    ("effective", "capabilities", "add", index)
                ]
                count += 1

    def _profiles(self, effective: Mapping[str, Any], pod: Pod) -> None:
        """Find what switches off the filters of system calls and files, and whether one is chosen at all."""
        found: list[tuple[str, Position]] = []
        for key, what in (("seccompProfile", "system calls"), ("appArmorProfile", "files (AppArmor)")):
            if mapping(effective.get(key)).get("type") == "Unconfined":
                found.append((what, self.positions[("effective", key, "type")]))
        name = plain(self.tree.value.get("name"))
        noted = False
        for note, node in pod.notes.items() if pod.notes is not None else ():
            own = str(note) in (_SECCOMP[0], f"{_SECCOMP[1]}{name}", f"{_APPARMOR}{name}")
            noted = noted or (own and "seccomp" in str(note))
            if own and plain(node.value) == "unconfined":
                found.append(("files (AppArmor)" if "apparmor" in str(note) else "system calls", node.at))
        if effective.get("procMount") == "Unmasked":
            found.append(("/proc", self.positions[("effective", "procMount")]))
        linux = mapping(effective.get("seLinuxOptions"))
        for key in ("user", "role", "type"):
            value = plain(linux.get(key))
            if value and (key != "type" or value not in _SELINUX_TYPES):
                found.append(("labels (SELinux)", self.positions[("effective", "seLinuxOptions", key)]))
        for index, (_, at) in enumerate(found):
            self.positions[("unconfined", index)] = self.positions[("unconfined", index, "what")] = at
        self.attributes["unconfined"] = [{"what": what} for what, _ in found]
        self.attributes["filtered"] = "seccompProfile" in effective or noted
        self.positions[("filtered",)] = self.positions.get(("effective",), self.tree.at)

    # What depends on the whole pod

    def _finish(self) -> None:
        value, around = self.tree.value, self.around
        missing = [key for key in ("readinessProbe", "livenessProbe") if not value.get(key)]
        served = self.role == "container" and self.one.kind in LONG_RUNNING
        asked = served and not self.attributes["managed"] and (bool(value.get("ports")) or around.serving)
        self._services()
        fallback = next((node.at for key in ("args", "command") if (node := self.tree.get(key)) is not None), None)
        place = fallback or self.tree.at
        told, places = described(
            self.attributes["image"],
            self.argv or self.started,
            self.environment,
            self.argv_at,
            self.environment_at,
            place,
        )
        self.positions.update(places)
        self.attributes |= told
        self.attributes |= {
            "exposure": around.exposure,
            "serving": around.serving,
            "probes_missing": missing if asked else [],
        }
        self._resources()

    def _services(self) -> None:
        argv = [*self.argv, *self.started]
        image = plain(self.tree.value.get("image"))
        services = list(open_services(image, argv, self.environment, bool(self.around.exposure)))
        for index, service in enumerate(services):
            at = self._service_position(service.argument, service.variable)
            if 0 <= service.argument < len(self.argv_at):
                at = line_of(argv[service.argument], service.part, at)
            for rest in ((), ("service",), ("why",)):
                self.positions[("open_services", index, *rest)] = at
        self.attributes["open_services"] = [{"service": one.service, "why": one.why} for one in services]

    def _service_position(self, argument: int, variable: str) -> Position:
        if variable:
            return self.environment_at[variable]
        if 0 <= argument < len(self.argv_at):
            return self.argv_at[argument]
        if argument >= len(self.argv_at) and (told := ray_dashboard(self.one)) is not None:
            return told
        words = (
            node.at for key in ("args", "command") if argument == WORDS and (node := self.tree.get(key)) is not None
        )
        return next(words, self.tree.at)

    def _resources(self) -> None:
        """Find what of memory, requests and accelerators is not said, with the place: the innermost block that lacks it."""
        resources = mapping(self.tree.value.get("resources"))
        limits, requests = mapping(resources.get("limits")), mapping(resources.get("requests"))
        whole = self.tree.value.get("resources")
        told = not any(map(unknown, (whole, resources.get("limits"), resources.get("requests"))))
        asked = told and self.role == "container" and not self.one.fragment
        filled = self.around.limit_range
        wanted = [key for key in ("cpu", "memory") if key not in requests and key not in limits]
        memory = asked and "memory" not in limits and "memory" not in filled
        self.attributes["memory_unlimited"] = memory
        self.attributes["requests_missing"] = wanted if asked and "requests" not in filled else []
        for name, key in (("memory_unlimited", "limits"), ("requests_missing", "requests")):
            ways: tuple[Path, ...] = (("resources", key), ("resources",), ())
            self.positions[(name,)] = next(self.positions[way] for way in ways if way in self.positions)
        problems = list(self._accelerator(resources, limits, requests))
        for index, (_, path) in enumerate(problems):
            at = next(self.positions[path[:end]] for end in range(len(path), -1, -1) if path[:end] in self.positions)
            self.positions[("accelerator", index)] = self.positions[("accelerator", index, "what")] = at
        self.attributes["accelerator"] = [{"what": what} for what, _ in problems]

    def _accelerator(
        self, resources: Mapping[str, Any], limits: Mapping[str, Any], requests: Mapping[str, Any]
    ) -> Iterator[tuple[str, Path]]:
        doubt = any(
            map(unknown, (self.tree.value.get("resources"), resources.get("limits"), resources.get("requests")))
        )
        if self.role != "container" or self.one.fragment or doubt:
            return
        held = [key for key in (*limits, *requests) if ACCELERATOR.search(str(key))]
        for key in dict.fromkeys(held):
            asked, limit = requests.get(key), limits.get(key)
            if key not in limits:
                yield f"{key} is requested and not limited", ("resources", "limits")
            elif (
                asked is not None
                and plain(asked) != plain(limit)
                and not any(unknown(each) or OPEN_TEXT.search(plain(each)) for each in (asked, limit))
            ):
                yield f"{key} is requested and limited by different numbers", ("resources", "requests", str(key))
            elif (
                re.fullmatch(r"\d*\.\d+|\d+m", plain(limit))
                and plain(limit).rstrip("0") != plain(limit).split(".")[0] + "."
            ):
                yield f"{key} takes whole numbers", ("resources", "limits", str(key))
        ray = self.one.kind in ("RayCluster", "RayService", "RayJob")
        if held or resources.get("claims") or ray or _is_pattern(self.one.kind):
            return
        if wants_accelerator(self.attributes["image"], self.argv, self.environment):
            yield "it works on an accelerator and none is limited", ("resources", "limits")


def _is_pattern(kind: str) -> bool:
    """Say whether objects of a kind are patterns that others fill in, or run on every node."""
    return kind.endswith(("Runtime", "Template", "Config")) or kind in ("SparkApplication", "DaemonSet")


def _elsewhere(at: Position, held: Object | None, one: Object) -> Position:
    """Return a place that may lie in another file than the container's."""
    if held is None or held.path == one.path or at.path:
        return at
    return Position(at.line, at.column, at.end_line, at.end_column, held.path)
