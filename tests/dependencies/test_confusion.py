"""Settings that let another server answer for a package's name are told, wherever they stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scanning import found, scan

RULE = "dep/dependency-confusion"
HASH = "--hash=sha256:" + "ab" * 32
URL = "https://packages.internal/simple"
JOB = "on: push\njobs:\n  a:\n    steps:\n"
POETRY = (
    '[tool.poetry]\nname = "a"\n[tool.poetry.dependencies]\nfrob = {dependency}\n[[tool.poetry.source]]\nname = "own"\nurl = "'
    + URL
    + '"\n{priority}'
)

BAD: dict[str, tuple[str, str, list[int]]] = {
    "extra index": ("requirements.txt", f"frob==1\n--extra-index-url {URL}\n", [2]),
    "extra index with =": ("requirements.txt", f"--extra-index-url={URL}\nfrob\n", [1]),
    "http index": ("requirements.txt", "-i http://packages.internal/simple\nfrob\n", [1]),
    "http find-links": ("requirements.txt", "--find-links http://packages.internal/files\nfrob\n", [1]),
    "trusted host": ("requirements.txt", "--trusted-host packages.internal\nfrob\n", [1]),
    "one hash is missing": ("requirements.txt", f"--extra-index-url {URL}\nfrob==1 {HASH}\nbob==2\n", [1]),
    "included": ("requirements/base.txt", f"--extra-index-url {URL}\nfrob==1\n", [1]),
    "pip.conf": ("pip.conf", f"[global]\nextra-index-url = {URL}\n", [2]),
    "pip.conf over lines": ("pip.conf", f"[global]\nextra-index-url =\n    {URL}\ntrusted-host = packages.internal\n", [2, 4]),
    "pip.ini": ("deploy/pip.ini", "[install]\nindex-url: http://packages.internal/simple\n", [2]),
    "ENV": ("Dockerfile", f"FROM x\nENV PIP_EXTRA_INDEX_URL={URL}\n", [2]),
    "ENV quoted": ("Dockerfile", f'FROM x\nENV A="b" PIP_EXTRA_INDEX_URL="{URL}"\n', [2]),
    "old ENV": ("Dockerfile", f"FROM x\nENV PIP_EXTRA_INDEX_URL {URL}\n", [2]),
    "ARG": ("Dockerfile", f"FROM x\nARG UV_EXTRA_INDEX_URL={URL}\n", [2]),
    "continued ENV": ("Dockerfile", "FROM x\nENV A=1 \\\n    PIP_TRUSTED_HOST=packages.internal \\\n    B=2\n", [3]),
    "prefix of a command": ("Dockerfile", f"FROM x\nRUN PIP_EXTRA_INDEX_URL={URL} pip install frob==1\n", [2]),
    "option in a build": ("Dockerfile", f"FROM x\nRUN pip install --extra-index-url {URL} frob==1\n", [2]),
    "option on a later line": ("Dockerfile", f"FROM x\nRUN pip install \\\n    --extra-index-url={URL} \\\n    frob==1\n", [3]),
    "pip config": ("Dockerfile", f"FROM x\nRUN pip config set global.extra-index-url {URL}\n", [2]),
    "pip config of the user": ("Dockerfile", "FROM x\nRUN pip3 config --user set install.trusted-host packages.internal\n", [2]),
    "http variable": ("Dockerfile", "FROM x\nENV PIP_INDEX_URL=http://packages.internal/simple\n", [2]),
    "workflow variable": (".github/workflows/a.yml", f"on: push\nenv:\n  PIP_EXTRA_INDEX_URL: {URL}\njobs: {{}}\n", [3]),
    "workflow secret": (".github/workflows/a.yml", "on: push\nenv:\n  PIP_EXTRA_INDEX_URL: ${{ secrets.INDEX }}\njobs: {}\n", [3]),
    "workflow step": (".github/workflows/a.yml", f"{JOB}      - run: pip install --extra-index-url {URL} frob==1\n", [5]),
    "strategy": (".github/workflows/a.yml", f"{JOB}      - run: uv sync\n        env: {{UV_INDEX_STRATEGY: unsafe-best-match}}\n", [6]),
    "gitlab": (".gitlab-ci.yml", f"variables:\n  PIP_EXTRA_INDEX_URL: {URL}\n", [2]),
    "compose": ("compose.yaml", f"services:\n  a:\n    build:\n      args:\n        PIP_EXTRA_INDEX_URL: {URL}\n", [5]),
    "compose list": ("docker-compose.yml", f"services:\n  a:\n    environment:\n      - UV_EXTRA_INDEX_URL={URL}\n", [4]),
    "variables": (".env", f"PIP_EXTRA_INDEX_URL={URL}\n", [1]),
    "uv strategy": ("pyproject.toml", '[tool.uv]\nindex-strategy = "unsafe-first-match"\n', [2]),
    "uv.toml": ("uv.toml", 'index-strategy = "unsafe-best-match"\n', [1]),
    "uv http": ("pyproject.toml", '[[tool.uv.index]]\nname = "own"\nurl = "http://packages.internal/simple"\n', [3]),
    "poetry supplemental": ("pyproject.toml", POETRY.format(dependency='"1"', priority='priority = "supplemental"\n'), [7]),
    "poetry secondary": ("pyproject.toml", POETRY.format(dependency='"1"', priority='priority = "secondary"\n'), [7]),
    "Pipfile": ("Pipfile", f'[[source]]\nurl = "https://pypi.org/simple"\nname = "pypi"\n[[source]]\nurl = "{URL}"\nname = "own"\n[packages]\nfrob = "*"\n', [5]),
    "Pipfile without verification": ("Pipfile", f'[[source]]\nurl = "{URL}"\nverify_ssl = false\nname = "own"\n[packages]\nfrob = "*"\n', [3]),
    "channels": ("environment.yml", "channels:\n  - defaults\n  - pytorch\ndependencies: [numpy]\n", [2]),
    "http channel": ("environment.yml", "channels:\n  - http://packages.internal/conda\ndependencies: [numpy]\n", [2]),
    ".condarc": (".condarc", "channels:\n  - conda-forge\n  - defaults\nssl_verify: false\n", [2, 4]),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_setting_is_told_on_its_line(tmp_path: Path, name: str) -> None:
    path, text, lines = BAD[name]
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text(text)

    assert found(scan(tmp_path, ["dependencies"]), RULE) == [(path, line, RULE) for line in lines]


GOOD = {
    "one index": ("requirements.txt", f"--index-url {URL}\nfrob==1\n"),
    "find-links over https": ("requirements.txt", "-f https://packages.internal/files\nfrob==1\n"),
    "comment": ("requirements.txt", f"# --extra-index-url {URL}\nfrob==1\n"),
    "pip.conf": ("pip.conf", f"[global]\nindex-url = {URL}\n# extra-index-url = {URL}\ntimeout = 60\n"),
    "argument without a value": ("Dockerfile", "FROM x\nARG PIP_EXTRA_INDEX_URL\nENV PIP_EXTRA_INDEX_URL=${PIP_EXTRA_INDEX_URL}\n"),
    "empty": ("Dockerfile", "FROM x\nENV PIP_EXTRA_INDEX_URL=\n"),
    "other variables": ("Dockerfile", "FROM x\nENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 UV_LINK_MODE=copy\n"),
    "hashes are asked for": ("Dockerfile", f"FROM x\nRUN pip install --require-hashes --extra-index-url {URL} -r requirements.txt\n"),
    "hashes are asked for on another line": (
        "Dockerfile",
        f"FROM x\nRUN pip install \\\n  --extra-index-url {URL} \\\n  --require-hashes -r r.txt\n",
    ),
    "https variable": ("Dockerfile", f"FROM x\nENV PIP_INDEX_URL={URL}\n"),
    "explicit index of uv": ("pyproject.toml", f'[[tool.uv.index]]\nname = "own"\nurl = "{URL}"\nexplicit = true\n[project]\nname = "a"\nversion = "1"\n'),
    "safe strategy": ("pyproject.toml", '[tool.uv]\nindex-strategy = "first-index"\n'),
    "poetry explicit": ("pyproject.toml", POETRY.format(dependency='{version = "1", source = "own"}', priority='priority = "explicit"\n')),
    "poetry tied": ("pyproject.toml", POETRY.format(dependency='{version = "1", source = "own"}', priority='priority = "supplemental"\n')),
    "poetry primary": ("pyproject.toml", POETRY.format(dependency='"1"', priority='priority = "primary"\n')),
    "Pipfile tied": ("Pipfile", f'[[source]]\nurl = "https://pypi.org/simple"\nname = "pypi"\n[[source]]\nurl = "{URL}"\nname = "own"\n[packages]\nfrob = {{version = "*", index = "own"}}\n'),
    "one channel": ("environment.yml", "channels: [conda-forge, nodefaults]\ndependencies: [numpy]\n"),
    "channels without Anaconda": ("environment.yml", "channels: [pytorch, nvidia, conda-forge]\ndependencies: [numpy]\n"),
    "strict": (".condarc", "channels:\n  - conda-forge\n  - defaults\nchannel_priority: strict\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_safe_setting_is_not_told(tmp_path: Path, name: str) -> None:
    path, text = GOOD[name]
    (tmp_path / path).write_text(text)

    assert found(scan(tmp_path, ["dependencies"]), RULE) == []


def test_password_in_an_address_is_in_no_output(tmp_path: Path) -> None:
    secret = "hunter" + "2-" * 6 + "zq"
    url = f"https://robot:{secret}@packages.internal/simple"
    (tmp_path / "requirements.txt").write_text(f"--extra-index-url {url}\nfrob==1\n")
    (tmp_path / "Dockerfile").write_text(
        f"FROM x\nENV PIP_EXTRA_INDEX_URL={url}\nRUN pip config set global.extra-index-url {url}\n"
    )
    (tmp_path / "pip.conf").write_text(f"[global]\nextra-index-url = {url}\n")

    report = scan(tmp_path)

    assert len(found(report, RULE)) == 4
    assert secret not in repr(report)


def test_early_releases_are_told(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text(f"--pre\nfrob==1 {HASH}\n")

    assert ("requirements.txt", 1, "dep/unpinned-dependency") in found(scan(tmp_path, ["dependencies"]))


def test_hashes_need_not_be_asked_for(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("frob==1\n")

    asked = scan(tmp_path, ["dependencies"])
    unasked = scan(tmp_path, ["dependencies"], settings={"dependencies": {"require_hashes": False}})

    assert len(found(asked, "dep/unpinned-dependency")) == 1
    assert found(unasked, "dep/unpinned-dependency") == []
