"""Dockerfiles as stages, instructions and a container."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlguard.artifacts import Artifact
from mlguard.errors import Unreadable
from mlguard.findings import Gap
from mlguard.scanners import Context
from mlguard.scanners.infra import buildcontext, docker, dockerfile, images, shell
from mlguard.scanners.infra.resources import Resource, Unknown
from tests.scanning import scan


def read(root: Path, text: str, path: str = "Dockerfile") -> list[Resource | Gap]:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    return list(docker.read([Artifact(path, "dockerfile", len(text))], Context(root)))


def resources(root: Path, text: str, kind: str = "docker.stage") -> list[Resource]:
    return [one for one in read(root, text) if isinstance(one, Resource) and one.kind == kind]


def last(root: Path, text: str) -> Resource:
    return resources(root, text)[-1]


def run_commands(root: Path, text: str) -> list[tuple[str, int, int]]:
    found = []
    for one in resources(root, text, "docker.instruction"):
        for index, command in enumerate(one.attributes.get("commands", ())):
            at = one.positions["commands", index]
            found.append((command["program"], at.line, at.column))
    return found


@pytest.mark.parametrize(
    ("text", "user", "line"),
    [
        ("FROM a\nUSER app\n", "app", 2),
        ("FROM a\nUSER 10001:10001", "10001", 2),
        ("FROM a\nUSER app\nUSER root\n", "root", 3),
        ("FROM a\n", "root", 1),
        ("FROM a AS b\nUSER app\nFROM b\n", "app", 2),
        ("FROM a AS b\nUSER app\nFROM a\n", "root", 3),
        ("FROM a AS B\nUSER app\nFROM b AS c\nFROM C\n", "app", 2),
        ("FROM a\nARG UID=7\nUSER $UID\n", "7", 3),
        ("FROM a\nENV U=app\nARG U=root\nUSER ${U}\n", "app", 4),
        ("FROM a\nUSER ${UID:-12}\n", "12", 2),
        ("FROM a\nONBUILD USER app\n", "root", 1),
        ("FROM a\r\nUSER app\r\n", "app", 2),
        ("FROM gcr.io/distroless/python3-debian12:nonroot", "nonroot", 1),
        ("FROM a\nuser app\n", "app", 2),
    ],
)
def test_the_user_of_the_last_stage_is_followed_through_stages_and_variables(
    tmp_path: Path, text: str, user: str, line: int
) -> None:
    stage = last(tmp_path, text)

    assert stage.attributes["last"] is True
    assert stage.attributes["user"] == user
    assert stage.positions.get(("user",), stage.positions[()]).line == line


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("ARG V=3.12\nFROM python:${V}-slim\n", "python:3.12-slim"),
        ("ARG I=a\nARG V=$I:1\nFROM $V\n", "a:1"),
        ("FROM --platform=linux/amd64 host:5000/a AS x\n", "host:5000/a"),
        ("# escape=`\nFROM a:1`\n  AS b\n", "a:1"),
        ("# syntax=docker/dockerfile:1\n\n#c\nFROM a:1", "a:1"),
        ("ARG V\nFROM a:${V:-7}\n", "a:7"),
        ("FROM a:${V:-x}\n", "a:x"),
        ("\ufeffFROM a:1\n", "a:1"),
    ],
)
def test_the_base_image_is_expanded(tmp_path: Path, text: str, base: str) -> None:
    assert resources(tmp_path, text)[0].attributes["base"] == base


def test_a_build_argument_without_a_default_is_unknown(tmp_path: Path) -> None:
    stage = last(tmp_path, "ARG TAG\nFROM a:${TAG}\n")

    assert stage.attributes["floating"] == Unknown("build argument TAG")


def test_an_argument_after_from_shadows_the_one_before(tmp_path: Path) -> None:
    stage = last(tmp_path, "ARG U=outer\nFROM a\nARG U=inner\nUSER $U\n")

    assert stage.attributes["user"] == "inner"


def test_an_argument_before_from_is_not_seen_inside_until_it_is_named(tmp_path: Path) -> None:
    named = last(tmp_path, "ARG U=outer\nFROM a\nARG U\nUSER $U\n")
    unnamed = last(tmp_path, "ARG U=outer\nFROM a\nUSER $U\n")

    assert named.attributes["user"] == "outer"
    assert "outer" not in unnamed.attributes["user"]


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("a", True), ("a:latest", True), ("a:main", True), ("host:5000/a", True), ("a:latest-gpu", True), ("a:nightly", True),
        ("a:1", False), ("a:v1.2", False), ("a:3.12-slim", False), ("host:5000/a:1", False), ("a@sha256:" + "0" * 64, False),
        ("a:latest@sha256:" + "0" * 64, False), ("a:nightly-20241001", False), ("a:bookworm", False), ("scratch", False),
        ("a:24.10-py3", False), ("a:stable", True), ("a:main-3f2a9c1", False),
        ("nvidia/cuda:12.4.1-devel-ubuntu22.04", False), ("a:latest-rust-1.85", True),
    ],
)  # fmt: skip
def test_a_tag_that_moves_by_design_is_told_from_a_version(image: str, expected: bool) -> None:
    assert images.floating(image) is expected


@pytest.mark.parametrize(
    ("image", "ended"),
    [
        ("ubuntu:18.04", True), ("ubuntu:24.04", False), ("docker.io/library/python:3.7-slim", True), ("python:3.12", False),
        ("python:3.10-slim-buster", True), ("debian:12", False), ("alpine:3.9", True), ("alpine:3.20", False),
        ("nvidia/cuda:11.0.3-base-ubuntu18.04", True), ("nvidia/cuda:12.4.1-base-ubuntu22.04", False), ("centos:7", True),
        ("example/ubuntu:18.04", False),
    ],
)  # fmt: skip
def test_a_release_out_of_support_is_known(image: str, ended: bool) -> None:
    assert bool(images.ended(image)) is ended


def test_the_end_of_a_release_is_shown_and_not_masked_like_a_day_of_birth(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM ubuntu:18.04\nUSER 1000\n")

    (found,) = (
        finding
        for finding in scan(tmp_path, ("infra",)).findings
        if finding.rule == "docker/unpinned-or-outdated-base" and "security updates" in finding.message
    )

    assert re.search(r"since [A-Z][a-z]+ 20\d\d\.$", found.message)


def test_commands_have_their_own_lines_and_columns(tmp_path: Path) -> None:
    text = "FROM a\nRUN apt-get update \\\n # note\n\n && pip install x; \\\n    echo 'a && b' | tee f\n"

    assert run_commands(tmp_path, text) == [("apt-get", 2, 5), ("pip", 5, 5), ("echo", 6, 5), ("tee", 6, 21)]


def test_heredocs_are_scripts_and_end_where_they_say(tmp_path: Path) -> None:
    text = "FROM a\nRUN <<-EOF bash\n\tmake one\n\tEOF\nRUN <<A cat && <<'B' sh\nhello\nA\nmake two\nB\nUSER app\n"

    assert ("make", 3, 1) in run_commands(tmp_path, text)
    assert last(tmp_path, text).attributes["user"] == "app"


def test_an_instruction_inside_a_heredoc_is_no_instruction(tmp_path: Path) -> None:
    stage = last(tmp_path, "FROM a\nCOPY <<EOF /x\nUSER app\nFROM b\nEOF\n")

    assert stage.attributes["user"] == "root"
    assert stage.attributes["base"] == "a"


def test_a_heredoc_that_is_never_closed_hides_nothing(tmp_path: Path) -> None:
    stage = last(tmp_path, "FROM a\nRUN cat <<EOF\nUSER app\n")

    assert stage.attributes["user"] == "app"


def test_shell_and_exec_forms_give_the_same_arguments(tmp_path: Path) -> None:
    plain = resources(tmp_path, "FROM a\nENTRYPOINT python -m serve --port 80\n", "docker.container")[0]
    listed = resources(
        tmp_path, 'FROM a\nENTRYPOINT ["python", "-m"]\nCMD ["serve", "--port", "80"]\n', "docker.container"
    )[0]

    assert plain.attributes["argv"] == listed.attributes["argv"] == ["python", "-m", "serve", "--port", "80"]


def test_sources_of_a_copy_leave_out_the_destination_and_the_flags(tmp_path: Path) -> None:
    copy = resources(tmp_path, 'FROM a\nCOPY --chown=1:1 --link ["a b.csv", "c", "/d/"]\n', "docker.instruction")[0]

    assert [source["path"] for source in copy.attributes["sources"]] == ["a b.csv", "c"]
    assert copy.attributes["destination"] == "/d/"


@pytest.mark.parametrize(
    ("patterns", "name", "out"),
    [
        ([".git"], ".git", True), (["*"], ".env", True), (["*", "!.env"], ".env", False), (["**/.env"], ".env", True),
        (["data/**"], "data", True), (["/data/"], "data", True), (["src"], "data", False), ([".e*"], ".env", True),
    ],
)  # fmt: skip
def test_ignore_patterns_are_read_in_order(patterns: list[str], name: str, out: bool) -> None:
    assert buildcontext.ignored(name, patterns) is out


def test_text_without_from_is_unreadable(tmp_path: Path) -> None:
    gap = read(tmp_path, "RUN make\n")[0]

    assert isinstance(gap, Gap)
    assert gap.kind == "unreadable"
    assert "FROM" in gap.reason


def test_one_broken_file_does_not_stop_the_next(tmp_path: Path) -> None:
    (tmp_path / "a.dockerfile").write_text("nothing here\n")
    (tmp_path / "Dockerfile").write_text("FROM a\n")
    artifacts = [Artifact("a.dockerfile", "dockerfile", 1), Artifact("Dockerfile", "dockerfile", 1)]

    found = list(docker.read(artifacts, Context(tmp_path)))

    assert isinstance(found[0], Gap)
    assert any(isinstance(one, Resource) and one.kind == "docker.stage" for one in found)


@pytest.mark.parametrize(
    ("script", "how"),
    [
        ("curl -fsSL https://x/y.sh | sh", ["pipe"]),
        ("curl x | sudo -E bash -", ["pipe"]),
        ("wget -qO- x |\n  bash -s -- -y", ["pipe"]),
        ("curl x | tee f | sh", ["pipe"]),
        ("curl x | gunzip | python3 -", ["pipe"]),
        ("bash <(curl -s x)", ["pipe"]),
        ("source <(curl -s x)", ["pipe"]),
        ('sh -c "$(curl -fsSL x)"', ["pipe"]),
        ("eval `curl x`", ["pipe"]),
        ("bash -c 'curl x | sh'", ["pipe"]),
        ("curl -o i.sh https://a/i.sh && chmod +x i.sh && ./i.sh", ["file"]),
        ("wget https://a/i.sh\nsh i.sh", ["file"]),
        ("curl https://a/i.sh > /tmp/i.sh; bash /tmp/i.sh", ["file"]),
        ("curl -o i.sh https://a/i.sh && sha256sum -c s && sh i.sh", []),
        ("curl x | python3 -m json.tool", []),
        ("curl x | python -c 'import sys'", []),
        ("curl x | tar xz -C /opt", []),
        ("curl x | jq . | tee out", []),
        ("echo 'curl x | sh'", []),
        ("# curl x | sh", []),
        ("V=$(curl -s x) && echo $V | sh script.sh", []),
        ("cat install.sh | sh", []),
        ("curl -O https://a/b.tar.gz && tar xf b.tar.gz", []),
    ],
)
def test_what_is_downloaded_and_run_is_found(script: str, how: list[str]) -> None:
    assert [item["how"] for item in shell.remote_execution(script)] == how


_PARTS = st.sampled_from(
    ["FROM a", "FROM a AS b", "RUN ", "<<EOF", "\nEOF\n", "\\\n", "ENV ", "A=1", "$A", "${A:-", "}", '"', "'", "[", "]", "COPY ",
     ". /x", "USER ", "ARG ", "#", "escape=`", "`", "$(", ")", "|", "&&", "sh", "curl", "\r\n", "\n", " ", "\t", "é", "\x00", "ONBUILD "]
)  # fmt: skip


@settings(max_examples=150, deadline=2000)
@given(st.one_of(st.text(max_size=300), st.lists(_PARTS, max_size=60).map("".join)))
def test_any_text_ends_in_instructions_or_unreadable(text: str) -> None:
    try:
        found = dockerfile.parse(text)
    except Unreadable:
        return
    lines = text.replace("\r\n", "\n").split("\n")
    for instruction in found:
        at = instruction.position(0, len(instruction.text))
        assert 1 <= at.line <= at.end_line <= len(lines)
    docker._stages(found)


@settings(max_examples=150, deadline=2000)
@given(st.one_of(st.text(max_size=300), st.lists(_PARTS, max_size=60).map("".join)))
def test_any_script_is_split_inside_its_bounds(text: str) -> None:
    for command in shell.commands(text):
        assert 0 <= command.start <= command.end <= len(text)
    list(shell.remote_execution(text))


@pytest.mark.parametrize(
    "text",
    ["FROM a\nRUN " + "<<EOF " * 50_000, "FROM a\nENV A=" + "${A:-" * 50_000, "FROM a\nRUN " + '"$(' * 50_000,
     "FROM a\nRUN " + "a \\\n" * 100_000, "FROM a\nRUN " + "`" * 99_999, "FROM a\nENV " + "A=$A$A " * 5_000,
     "FROM a\nRUN " + "curl x | sh; " * 10_000],
)  # fmt: skip
def test_hostile_files_end_soon(tmp_path: Path, text: str) -> None:
    begin = time.process_time()

    read(tmp_path, text)

    assert time.process_time() - begin < 4
