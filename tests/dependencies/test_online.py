"""Asking a service is asked for in so many words; what it does not answer is a gap."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlguard.findings import Detection, Gap, Proof
from mlguard.scanners.dependencies import online
from tests.dependencies.records import fixed, record
from tests.dependencies.test_auditing import HASH, make, of, scan, told


class Service:
    """A server that answers as OSV does, and keeps what it was asked. A name tells how it answers."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.answers: dict[str, object] = {}
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None: ...

            def do_POST(self) -> None:
                question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.asked.append((question["package"]["name"], question["version"]))
                answer = outer.answers.get(question["package"]["name"], {})
                self.send_response(answer if isinstance(answer, int) else 200)
                self.end_headers()
                self.wfile.write(answer if isinstance(answer, bytes) else json.dumps(answer).encode())

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1/query"


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(autouse=True)
def _no_database_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


def test_service_answers_in_place_of_a_database(service: Service, tmp_path: Path) -> None:
    service.answers["foo"] = {
        "vulns": [record("GHSA-1", events=fixed("2.0"), aliases=["CVE-1"]), record("PYSEC-1", aliases=["CVE-1"])]
    }

    found = scan(tmp_path, f"foo==1.0 {HASH}\nbar==2.0 {HASH}\n", online="osv", osv_url=service.url)

    assert told(found) == [("dep/known-vulnerability", "advisory", "PYSEC-1")]
    assert [proof.subject for proof in of(Proof, found)] == ["pkg:pypi/bar@2.0"]
    assert of(Gap, found) == []
    assert service.asked == [("bar", "2.0"), ("foo", "1.0")]


def test_service_adds_to_a_database_and_nothing_is_told_twice(service: Service, tmp_path: Path) -> None:
    service.answers["foo"] = {"vulns": [record("GHSA-1", aliases=["CVE-1"]), record("GHSA-2", events=fixed("2.0"))]}
    source = make(tmp_path, record("PYSEC-1", aliases=["CVE-1"], database_specific={"severity": "LOW"}))

    found = scan(tmp_path, database=source, online="osv", osv_url=service.url)

    assert told(found) == [
        ("dep/known-minor-vulnerability", "advisory", "PYSEC-1"),
        ("dep/known-vulnerability", "advisory", "GHSA-2"),
    ]


@pytest.mark.parametrize(
    "answer",
    [
        500,
        404,
        b"",
        b"{",
        b"[]",
        b'{"vulns": 5}',
        b'{"vulns": [{"id": 5}]}',
        b'{"vulns": [5]}',
        b'{"wrong": 1}',
        b"[" * 100_000,
    ],
)
def test_answer_that_is_none_is_a_gap_and_proves_nothing(answer: object, service: Service, tmp_path: Path) -> None:
    service.answers["foo"] = answer

    found = scan(tmp_path, f"foo==1.0 {HASH}\nbar==2.0 {HASH}\n", online="osv", osv_url=service.url)

    assert [gap.kind for gap in of(Gap, found)] == ["missing"]
    assert "foo" in of(Gap, found)[0].reason
    assert [proof.subject for proof in of(Proof, found)] == ["pkg:pypi/bar@2.0"]


def test_service_that_cannot_be_reached_is_given_up_soon(tmp_path: Path) -> None:
    lines = "".join(f"package-{n}==1.0 {HASH}\n" for n in range(500))

    found = scan(tmp_path, lines, online="osv", osv_url="http://127.0.0.1:9/v1/query")

    assert {gap.kind for gap in of(Gap, found)} == {"missing"}
    assert of(Proof, found) == [] == of(Detection, found)


def test_package_that_the_index_does_not_know_is_a_gap() -> None:
    from mlguard.scanners.dependencies.audit import _prepare

    _prepare()
    from pip_audit._service.interface import SkippedDependency, VulnerabilityService

    class Index(VulnerabilityService):  # type: ignore[misc]  # pip-audit's types are not read
        def query(self, spec: Any) -> Any:
            return SkippedDependency(
                name=spec.name, skip_reason="Dependency not found on PyPI and could not be audited"
            ), []

    answers = list(online.answers([(f"ours-{n}", "1.0") for n in range(9)], Index()))

    assert {answer.trouble for answer in answers} == {"the advisory service does not know it: it may be private"}


@pytest.mark.parametrize(
    "line",
    [
        "foo===build_7",
        "foo @ git+https://host.example/foo.git@" + "ab" * 20,
        "foo @ https://host.example/foo-1.0.zip",
        "-e .",
    ],
)
def test_only_names_and_versions_of_the_index_leave_the_machine(line: str, service: Service, tmp_path: Path) -> None:
    scan(tmp_path, f"{line}\n", online="osv", osv_url=service.url)

    assert service.asked == []


def test_nothing_is_asked_unless_the_settings_say_so(service: Service, tmp_path: Path) -> None:
    scan(tmp_path, osv_url=service.url)
    scan(tmp_path, osv_url=service.url, online="off")

    assert service.asked == []


def test_index_is_asked_through_pip_audit_and_each_answer_is_told_apart(tmp_path: Path) -> None:
    import requests
    from requests.adapters import BaseAdapter

    flaw = {"id": "PYSEC-1", "aliases": ["CVE-1"], "fixed_in": ["2.0"], "details": "A flaw", "withdrawn": None}
    bodies = {
        "flawed": (200, json.dumps({"info": {}, "vulnerabilities": [flaw]}).encode()),
        "sound": (200, b'{"vulnerabilities": []}'),
        "private": (404, b"{}"),
        "down": (503, b""),
        "portal": (200, b"<html>Please log in</html>"),
        "strange": (200, b'{"vulnerabilities": [{"id": "PYSEC-2"}]}'),
        "listed": (200, b"[]"),
    }

    class Canned(BaseAdapter):
        def send(self, request: Any, **_: Any) -> requests.Response:
            name = request.url.split("/")[4]
            answer = requests.Response()
            answer.status_code, content = bodies[name]
            answer._content, answer.url, answer.request = content, request.url, request
            return requests.hooks.dispatch_hook("response", {}, answer)  # type: ignore[no-any-return]  # as a session does

        def close(self) -> None: ...

    made = online.service("pypi", tmp_path / "cache")
    made.session.mount("https://", Canned())

    answers = {answer.name: answer for answer in online.answers([(name, "1.0") for name in bodies], made)}

    assert answers["flawed"].flaws == (online.Told(("PYSEC-1", "CVE-1"), "A flaw", ("2.0",)),)
    assert (answers["sound"].flaws, answers["sound"].trouble) == ((), "")
    assert "may be private" in answers["private"].trouble
    assert "cannot be reached" in answers["down"].trouble
    for name in ("portal", "strange", "listed"):
        assert "cannot be understood" in answers[name].trouble
