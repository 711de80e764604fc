"""What a command installs without a version, and where it stops checking certificates."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlguard.scanners.infra import installs, shell


def marks(text: str) -> list[dict[str, str]]:
    return [found for command in shell.commands(text) if (found := installs.marks(command))]


@pytest.mark.parametrize(
    ("text", "package"),
    [
        ("pip install torch", "torch"), ("pip3 install 'torch>=2'", "torch"), ("python -m pip install torch==2.*", "torch"), ("pip install a==1 b", "b"),
        ("sudo -H pip install torch", "torch"), ("pip --no-cache-dir install torch", "torch"), ("uv pip install --system torch", "torch"),
        ("pip install torch[gpu]~=2.0", "torch"), ("poetry run pip install torch", "torch"), ("conda run -n a pip install torch", "torch"),
        ("pip install git+https://x/y", "a repository without a commit"), ("pip install 'y @ git+https://x/y@v1'", "a repository without a commit"),
        ("pip install --extra-index-url=https://x a==1", "--extra-index-url"), ("uv tool install ruff", "ruff"),
        ("pip install a; python_version", "a"),
    ],
)  # fmt: skip
def test_a_package_without_a_version_is_named(text: str, package: str) -> None:
    assert [found.get("unpinned") for found in marks(text)] == [package]


@pytest.mark.parametrize(
    "text",
    [
        "pip install a==1", "pip install 'a[b]==1.0 ; python_version > \"3\"'", "pip install -r r.txt", "pip install --requirement=r.txt", "pip install .", "pip install -e .[dev]",
        "pip install ./x", "pip install dist/*.whl", "pip install -U pip setuptools wheel", "pip install $X", "pip install \"$(cat x)\"", "pip download a", "pip list",
        "pip install -c c.txt a", "pip install --require-hashes -r r.txt", "pip install --target out a==1", "npm install a", "echo pip install a",
        "pip install git+https://x/y@" + "a" * 40, "python -m build", "uv sync", "uv add a", "pip install -i https://x a===1",
    ],
)  # fmt: skip
def test_what_is_fixed_or_no_package_is_not_named(text: str) -> None:
    assert marks(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "curl -k https://x", "curl -sSLk https://x", "curl --insecure https://x", "sudo curl -fk https://x", "wget --no-check-certificate https://x",
        "pip install --trusted-host=x a==1", "python -m pip install --trusted-host x a==1", "PYTHONHTTPSVERIFY=0 make", "export GIT_SSL_NO_VERIFY=1",
        "git config --global http.sslVerify false", "git -c http.sslverify=0 pull", "git config --global http.https://x.sslVerify false", "npm config set strict-ssl false",
        "npm set strict-ssl=false", "yarn config set strict-ssl false", "conda config --set ssl_verify false", "aws s3 ls --no-verify-ssl",
        "helm repo add a https://x --insecure-skip-tls-verify", "docker pull x --tls-verify=false", "env NODE_TLS_REJECT_UNAUTHORIZED=0 npm ci", "dnf install a --nogpgcheck",
    ],
)  # fmt: skip
def test_a_check_of_certificates_that_is_off_is_told(text: str) -> None:
    assert [bool(found.get("tls_off")) for found in marks(text)] == [True]


@pytest.mark.parametrize(
    "text",
    [
        "curl -fsSL https://x -o k", "curl -H 'k: -k' https://x", "curl -k https://localhost:1", "curl -k https://127.0.0.1/x", "kubectl apply -k x", "wget https://x",
        "git config http.sslVerify true", "npm config set strict-ssl true", "PYTHONHTTPSVERIFY=1 make", "grep -k x", "sort -k 2 a", "pip config set global.timeout 5",
    ],
)  # fmt: skip
def test_other_options_are_not_taken_for_it(text: str) -> None:
    assert marks(text) == []


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "pip",
                "install",
                "-r",
                "-e",
                "--extra-index-url",
                "curl",
                "-k",
                "-o",
                "git",
                "=",
                "@",
                "a==1",
                "uv",
                "run",
                "-m",
                "python",
                "",
                "x;y",
            ]
        )
        | st.text(max_size=8),
        max_size=12,
    )
)
def test_any_words_end_in_an_answer(words: list[str]) -> None:
    installs.marks(shell.Command(tuple(words), 0, 0, 0, "", ("A=b",)))
