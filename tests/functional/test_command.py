"""What the command prints, writes and ends with."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.functional.command import MLGUARD, git, mlguard, write

UNSAFE = "import torch\n\n\ndef load(path):\n    return torch.load(path, weights_only=False)\n"
SAFE = "def double(x: int) -> int:\n    return 2 * x\n"


@pytest.fixture
def unsafe(tmp_path: Path) -> Path:
    return write(tmp_path, {"src/train.py": UNSAFE, "src/safe.py": SAFE})


def test_finding_at_the_threshold_ends_with_1(unsafe: Path) -> None:
    done = mlguard("scan", cwd=unsafe)

    assert done.returncode == 1
    assert "code/unsafe-deserialization" in done.stdout
    assert "src/train.py:5" in done.stdout
    assert done.stderr == ""


def test_nothing_found_ends_with_0_and_says_what_was_read(tmp_path: Path) -> None:
    write(tmp_path, {"src/safe.py": SAFE})

    done = mlguard("scan", cwd=tmp_path)

    assert done.returncode == 0
    assert "1 file" in done.stdout


def test_empty_folder_ends_with_3(tmp_path: Path) -> None:
    done = mlguard("scan", cwd=tmp_path)

    assert done.returncode == 3
    assert "nothing was scanned" in done.stdout


def test_file_that_cannot_be_parsed_ends_with_3(tmp_path: Path) -> None:
    write(tmp_path, {"src/broken.py": "def f(:\n"})

    assert mlguard("scan", cwd=tmp_path).returncode == 3


def test_finding_beside_a_file_that_cannot_be_parsed_ends_with_1_and_both_are_told(unsafe: Path) -> None:
    write(unsafe, {"src/broken.py": "def f(:\n"})

    done = mlguard("scan", cwd=unsafe)

    assert done.returncode == 1
    assert "src/broken.py" in done.stdout
    assert "src/train.py:5" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["scan", "nowhere.py"], "nowhere.py"),
        (["scan", "-o", "pdf"], "there is no format 'pdf'"),
        (["scan", "-o", "json=missing/x.json"], "there is no folder missing"),
        (["scan", "-o", "json", "-o", "sarif"], "standard output"),
        (["scan", "-s", "cod"], "there is no scanner"),
        (["scan", "--config", "none.yaml"], "none.yaml"),
        (["scan", "--fail-on", "severe"], "severe"),
        (["scna"], "Did you mean 'scan'?"),
        (["explain", "code/unsafe-deserialisation"], "code/unsafe-deserialization"),
        (["explain", "GDPR-32.1.b-44"], "GDPR-32.1.b-4"),
        (["gate", "nowhere.json"], "nowhere.json"),
        (["hook", "--fast"], "--fast"),
    ],
)
def test_usage_error_ends_with_2_and_names_the_value(unsafe: Path, arguments: list[str], told: str) -> None:
    done = mlguard(*arguments, cwd=unsafe)

    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_configuration_error_ends_with_2_and_names_the_line(unsafe: Path) -> None:
    write(unsafe, {"mlguard.yaml": "version: 1\ngate:\n  fail-on: low\n"})

    done = mlguard("scan", cwd=unsafe)

    assert done.returncode == 2
    assert "line 3: unknown key 'fail-on'; did you mean 'fail_on'?" in done.stderr


def test_several_outputs_in_one_run(unsafe: Path) -> None:
    done = mlguard("scan", "-o", "sarif=out.sarif", "-o", "json=out.json", "-o", "markdown=out.md", cwd=unsafe)

    assert done.returncode == 1
    assert json.loads((unsafe / "out.sarif").read_text())["version"] == "2.1.0"
    assert json.loads((unsafe / "out.json").read_text())["verdict"]["outcome"] == "fail"
    assert "code/unsafe-deserialization" in (unsafe / "out.md").read_text()
    assert "code/unsafe-deserialization" in done.stdout


def test_output_is_the_same_for_any_number_of_processes_and_any_hash_seed(unsafe: Path) -> None:
    write(
        unsafe, {f"src/m{n}.py": UNSAFE for n in range(6)} | {"Dockerfile": "FROM python:latest\n", "x.txt": "hello\n"}
    )
    outputs = set()
    for jobs, seed in (("0", "0"), ("1", "1"), ("3", "2"), ("2", "random")):
        done = mlguard("scan", "-j", jobs, "-o", "json", cwd=unsafe, env={"PYTHONHASHSEED": seed})
        outputs.add(done.stdout)

    assert len(outputs) == 1


def test_same_findings_and_names_from_any_folder(unsafe: Path) -> None:
    git(unsafe, "init")
    reports = [
        json.loads(mlguard("scan", *arguments, "-o", "json", cwd=cwd).stdout)["findings"]
        for cwd, arguments in (
            (unsafe, []),
            (unsafe, [str(unsafe)]),
            (unsafe / "src", []),
            (unsafe / "src", ["train.py"]),
        )
    ]

    assert reports[0]
    assert reports[0] == reports[1] == reports[2] == reports[3]


def test_paths_from_standard_input(unsafe: Path) -> None:
    done = mlguard("scan", "--files-from", "-", "--null", "-o", "json", cwd=unsafe, input="src/train.py\0src/safe.py\0")

    assert json.loads(done.stdout)["files"] == 2


def test_empty_list_of_paths_scans_nothing(unsafe: Path) -> None:
    assert mlguard("scan", "--files-from", "-", cwd=unsafe, input="").returncode == 3


def test_saved_report_is_judged_again(unsafe: Path) -> None:
    mlguard("scan", "-o", "json=out.json", cwd=unsafe)

    assert mlguard("gate", "out.json", cwd=unsafe).returncode == 1
    assert mlguard("gate", "out.json", "--fail-on", "never", cwd=unsafe).returncode == 0


def test_saved_report_is_rendered(unsafe: Path) -> None:
    direct = mlguard("scan", "-o", "json=out.json", cwd=unsafe)

    rendered = mlguard("report", "out.json", cwd=unsafe)

    assert rendered.returncode == 0
    assert rendered.stdout == direct.stdout


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"schema": "mlguard-report/9"}', "\x00\xff", '{"runs": []}', "[" * 100_000]
)
def test_file_that_is_no_report_ends_with_2(unsafe: Path, text: str) -> None:
    write(unsafe, {"out.json": text})

    done = mlguard("gate", "out.json", cwd=unsafe)

    assert done.returncode == 2
    assert "out.json" in done.stderr


def test_truncated_report_ends_with_2(unsafe: Path) -> None:
    mlguard("scan", "-o", "json=out.json", cwd=unsafe)
    whole = (unsafe / "out.json").read_bytes()

    for length in range(0, len(whole) - 2, len(whole) // 7):
        (unsafe / "out.json").write_bytes(whole[:length])
        assert mlguard("gate", "out.json", cwd=unsafe).returncode == 2


def test_reader_that_stops_early_changes_no_exit_code(unsafe: Path) -> None:
    write(unsafe, {f"src/m{n}.py": UNSAFE for n in range(50)})

    done = subprocess.run(
        ["bash", "-c", f'set -o pipefail; {MLGUARD} scan -v | head -n 1; exit "${{PIPESTATUS[0]}}"'],
        cwd=unsafe,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr == ""


def test_closed_standard_output_changes_no_exit_code(unsafe: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", f"{MLGUARD} scan -o json=out.json >&-"], cwd=unsafe, capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert json.loads((unsafe / "out.json").read_text())["findings"]


def test_ascii_locale_gets_ascii(unsafe: Path) -> None:
    write(unsafe, {"src/ünï.py": UNSAFE})

    done = mlguard("scan", cwd=unsafe, env={"PYTHONIOENCODING": "ascii", "LC_ALL": "C"})

    assert done.returncode == 1
    assert done.stdout.isascii()


def test_output_that_cannot_be_written_ends_with_2_and_leaves_no_piece(unsafe: Path) -> None:
    done = mlguard("scan", "-o", "json=/proc/x.json", cwd=unsafe)

    assert done.returncode == 2
    assert "/proc" in done.stderr


def test_interrupt_leaves_no_half_written_file_and_no_child(unsafe: Path) -> None:
    write(unsafe, {f"src/m{n}.py": UNSAFE * 500 for n in range(40)})
    process = subprocess.Popen(
        [MLGUARD, "scan", "-o", "json=out.json"], cwd=unsafe, start_new_session=True, stderr=subprocess.PIPE
    )
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    end = time.monotonic() + 20
    while not (found := children.read_text().split()) and time.monotonic() < end:
        time.sleep(0.02)
    assert found

    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)

    assert process.returncode == 130
    # A child that had only just begun ends when it finds its parent gone.
    end = time.monotonic() + 10
    while any(Path(f"/proc/{child}").exists() for child in found) and time.monotonic() < end:
        time.sleep(0.02)
    assert not any(Path(f"/proc/{child}").exists() for child in found)
    assert [path.name for path in unsafe.iterdir()] == ["src"]


def test_names_of_files_inject_nothing(unsafe: Path) -> None:
    names = [
        "src/a\n::error::owned.py",
        "src/\x1b]0;owned\x07.py",
        "src/\u202egnp.py",
        "src/`|<img src=x>.py",
        "src/%0A[x](http://y).py",
    ]
    write(unsafe, dict.fromkeys(names, UNSAFE))

    done = mlguard("scan", "-o", "sarif=out.sarif", "-o", "markdown=out.md", cwd=unsafe)

    assert done.returncode == 1
    assert "\x1b" not in done.stdout + done.stderr
    assert "\u202e" not in done.stdout
    for text in (done.stdout, (unsafe / "out.md").read_text()):
        assert not any(line.startswith("::") for line in text.splitlines())
    assert "<img" not in (unsafe / "out.md").read_text()
    uris = {
        result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        for run in json.loads((unsafe / "out.sarif").read_text())["runs"] for result in run["results"]
    }  # fmt: skip
    assert len(uris) == len(names) + 1
    assert all(uri.isascii() and not set(uri) & set("\n\x1b `|<>[]") for uri in uris)


def test_modules_of_the_scanned_tree_are_never_imported(unsafe: Path) -> None:
    trap = f"from pathlib import Path\nPath({str(unsafe / 'it-ran')!r}).touch()\n"
    write(
        unsafe,
        {f"{name}.py": trap for name in ("json", "yaml", "bandit", "click", "ast", "mlguard", "sitecustomize", "re")},
    )

    for arguments in (["scan"], ["hook", "json.py"], ["--version"], ["doctor"]):
        mlguard(*arguments, cwd=unsafe)
    subprocess.run(
        [MLGUARD.replace("bin/mlguard", "bin/python"), "-m", "mlguard", "--version"], cwd=unsafe / "src", check=False
    )

    assert not (unsafe / "it-ran").exists()


def test_plugin_is_off_until_it_is_configured(unsafe: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    site = write(tmp_path_factory.mktemp("site"), {
        "acme_scan.py": "from mlguard.findings import Detection, Location\n"
        "class Acme:\n    name = 'acme'\n"
        "    def plan(self, artifacts, settings):\n        return [(a,) for a in artifacts if a.path.endswith('safe.py')]\n"
        "    def scan(self, group, context):\n"
        "        yield Detection('docker/root-user', 'last-stage', Location(group[0].path, 2), {'user': context.settings['user']})\n",
        "acme_scan-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: acme-scan\nVersion: 1.0\n",
        "acme_scan-1.0.dist-info/entry_points.txt": "[mlguard.scanners]\nacme = acme_scan:Acme\n",
    })  # fmt: skip
    environment = {"PYTHONPATH": str(site)}

    off = mlguard("scan", "-o", "json", cwd=unsafe, env=environment)
    write(unsafe, {"mlguard.yaml": "version: 1\nplugins: [acme]\nsettings: {acme: {user: nobody}}\n"})
    on = mlguard("scan", "-o", "json", cwd=unsafe, env=environment)

    assert "acme" not in off.stdout
    findings = json.loads(on.stdout)["findings"]
    assert [(f["location"]["path"], f["message"]) for f in findings if f["scanner"] == "acme"] == [
        ("src/safe.py", "The image's last stage runs as nobody.")
    ]


def test_plugin_that_is_not_installed_is_a_configuration_error(unsafe: Path) -> None:
    write(unsafe, {"mlguard.yaml": "version: 1\nplugins: [acme]\n"})

    done = mlguard("scan", cwd=unsafe)

    assert done.returncode == 2
    assert "acme" in done.stderr


def test_crash_inside_mlguard_never_ends_with_1(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    site = write(tmp_path_factory.mktemp("site"), {
        "bad_scan.py": "class Bad:\n    name = 'bad'\n    def plan(self, artifacts, settings):\n        raise RuntimeError('canary-value')\n",
        "bad_scan-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: bad-scan\nVersion: 1.0\n",
        "bad_scan-1.0.dist-info/entry_points.txt": "[mlguard.scanners]\nbad = bad_scan:Bad\n",
    })  # fmt: skip
    write(tmp_path, {"mlguard.yaml": "version: 1\nplugins: [bad]\n", "ok.py": "x = 1\n"})

    done = mlguard("scan", cwd=tmp_path, env={"PYTHONPATH": str(site)})

    assert done.returncode in (3, 4)
    assert "canary-value" not in done.stdout + done.stderr


@pytest.mark.parametrize("path", ["empty.py", "logo.png"])
def test_commit_of_nothing_to_read_passes(unsafe: Path, path: str) -> None:
    write(unsafe, {path: b"\x89PNG\r\n\x1a\n" if path.endswith("png") else b""})

    done = mlguard("hook", path, cwd=unsafe)

    assert (done.returncode, done.stdout) == (0, "")


def test_commit_is_judged_by_the_configuration_at_the_top(unsafe: Path) -> None:
    git(unsafe, "init")
    write(unsafe, {"src/mlguard.yaml": "version: 1\nexclude: ['*.py']\ngate: {fail_on: never}\n"})

    assert mlguard("hook", "src/train.py", "src/mlguard.yaml", cwd=unsafe).returncode == 1


def test_commit_prints_only_what_stops_it(unsafe: Path) -> None:
    write(unsafe, {"src/low.py": "import subprocess\n"})

    passed, failed = (
        mlguard("hook", "src/low.py", cwd=unsafe),
        mlguard("hook", "src/low.py", "src/train.py", cwd=unsafe),
    )

    assert (passed.returncode, passed.stdout) == (0, "")
    assert failed.returncode == 1
    assert "src/low.py" not in failed.stdout


def test_saved_report_lacks_a_scanner_that_is_required_today(unsafe: Path) -> None:
    write(unsafe, {"src/train.py": SAFE})
    mlguard("scan", "-s", "code", "-o", "json=../out.json", cwd=unsafe)
    write(unsafe, {"mlguard.yaml": "version: 1\nscanners: {required: [code, model]}\n"})

    done = mlguard("gate", "../out.json", cwd=unsafe)

    assert done.returncode == 3
    assert "model did not run" in done.stdout


def test_what_is_left_out_is_counted(unsafe: Path) -> None:
    write(unsafe, {".mlguardignore": "src/train.py\n"})

    done = mlguard("scan", cwd=unsafe)

    assert done.returncode == 0
    assert "1 file left out" in done.stdout


def test_output_to_a_pipe_or_link_replaces_neither(unsafe: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    target = tmp_path_factory.mktemp("out") / "real.json"
    target.write_text("")
    link = target.with_name("link.json")
    link.symlink_to(target)

    mlguard("scan", "-o", f"json={link}", cwd=unsafe)
    done = mlguard("scan", "-o", "json=/dev/full", cwd=unsafe)

    assert link.is_symlink()
    assert json.loads(target.read_text())["findings"]
    assert done.returncode == 2
    assert Path("/dev/full").is_char_device()


def test_report_inside_the_tree_is_not_scanned_by_the_run_that_writes_it(unsafe: Path) -> None:
    outputs = []
    for _ in range(2):
        mlguard("scan", "-o", "json=mlguard.json", cwd=unsafe)
        outputs.append((unsafe / "mlguard.json").read_text())

    assert outputs[0] == outputs[1]


def test_same_file_for_two_formats_is_an_error(unsafe: Path) -> None:
    assert mlguard("scan", "-o", "json=x", "-o", "sarif=x", cwd=unsafe).returncode == 2


@pytest.mark.parametrize("name", ["dangerous-import", "MODEL/dangerous-import", "model/dangerous-import"])
def test_rule_is_explained_by_any_of_its_names(tmp_path: Path, name: str) -> None:
    assert mlguard("explain", name, cwd=tmp_path).stdout.startswith("model/dangerous-import:")


@pytest.mark.parametrize("option", ["--area", "--tag", "--scanner", "--control"])
def test_filter_that_nothing_has_is_an_error(tmp_path: Path, option: str) -> None:
    assert mlguard("rules", option, "modle", cwd=tmp_path).returncode == 2


def test_hook_takes_files_that_begin_with_a_hyphen(tmp_path: Path) -> None:
    write(tmp_path, {"-x.pkl": b"cposix\nsystem\n(S'true'\ntR."})

    for arguments in (["-x.pkl"], ["--", "-x.pkl"]):
        done = mlguard("hook", *arguments, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (1, "")
        assert "model/dangerous-import" in done.stdout


def test_allowed_name_that_cannot_be_allowed_is_told_as_such(tmp_path: Path) -> None:
    entry = "{name: posix.system, reason: it is always used, owner: ml, until: 2099-01-01}"
    write(
        tmp_path,
        {"x.pkl": b"cposix\nsystem\n(S'true'\ntR.", "mlguard.yaml": f"version: 1\nmodel: {{allow: [{entry}]}}\n"},
    )

    done = mlguard("scan", "-o", "markdown", cwd=tmp_path)

    assert done.returncode == 1
    assert "has no effect" in done.stdout and "cannot be allowed" in done.stdout
