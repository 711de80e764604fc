"""mlguard model: explains files, walks folders, keeps and compares the inventory, and says what went wrong."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import builders
from tests.builders import assemble
from tests.functional.command import mlguard, write

CLEAN = assemble("PROTO 4\nGLOBAL collections OrderedDict\nEMPTY_TUPLE\nREDUCE\nSTOP")
OWN = assemble("PROTO 4\nGLOBAL example.nets Net\nEMPTY_TUPLE\nNEWOBJ\nSTOP")
HOSTILE = assemble("PROTO 4\nGLOBAL posix system\nSHORT_BINUNICODE 'true'\nTUPLE1\nREDUCE\nSTOP")


@pytest.mark.parametrize(
    ("content", "code", "verdict"),
    [(CLEAN, 0, "clean"), (OWN, 0, "for review"), (HOSTILE, 1, "blocked"), (HOSTILE[:-1], 1, "blocked"), (CLEAN[:-1], 3, "not wholly read")],
)  # fmt: skip
def test_verdict_and_exit_code_of_one_file(content: bytes, code: int, verdict: str, tmp_path: Path) -> None:
    write(tmp_path, {"model.pkl": content})

    done = mlguard("model", "model.pkl", cwd=tmp_path)

    assert (done.returncode, done.stderr) == (code, "")
    assert f"verdict    {verdict}: " in done.stdout


def test_explanation_names_format_inventory_and_conversion(tmp_path: Path) -> None:
    write(tmp_path, {"model.pt": builders.torch_zip(CLEAN, [bytes(8)])})

    done = mlguard("model", "model.pt", cwd=tmp_path)

    assert "format     torch" in done.stdout and "1 tensor or array" in done.stdout
    assert re.search(r"may call +collections.OrderedDict +\(known, harmless\)", done.stdout)
    assert "convert    safetensors.torch.save_file" in done.stdout


def test_folder_tells_only_what_is_not_clean_and_counts(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"a.pkl": CLEAN, "sub/b.pkl": HOSTILE, "README.md": "# Text\n", "logo.png": b"\x89PNG\r\n\x1a\n" + bytes(40)},
    )

    done = mlguard("model", ".", cwd=tmp_path)

    assert done.returncode == 1
    assert "sub/b.pkl" in done.stdout and "a.pkl" not in done.stdout
    assert "2 model files: 1 blocked, 1 clean" in done.stdout


def test_json_holds_verdict_inventory_and_findings(tmp_path: Path) -> None:
    write(tmp_path, {"b.pkl": HOSTILE})

    done = mlguard("model", "--json", "b.pkl", cwd=tmp_path)

    (told,) = json.loads(done.stdout)["models"]
    assert (told["path"], told["verdict"], told["imports"]) == ("b.pkl", "blocked", {"posix.system": "block"})
    assert told["findings"][0]["rule"] == "model/dangerous-import"


def test_inventory_is_accepted_and_compared(tmp_path: Path) -> None:
    write(tmp_path, {"m.pkl": CLEAN})
    assert mlguard("model", "--accept", "models.json", "m.pkl", cwd=tmp_path).returncode == 0
    assert mlguard("model", "--against", "models.json", "m.pkl", cwd=tmp_path).returncode == 0
    write(tmp_path, {"m.pkl": OWN})

    done = mlguard("model", "--against=models.json", "m.pkl", cwd=tmp_path)

    assert done.returncode == 1
    assert "new        example.nets.Net is not in the accepted inventory" in done.stdout


def test_model_that_the_inventory_does_not_list_has_only_new_names(tmp_path: Path) -> None:
    write(tmp_path, {"m.pkl": CLEAN, "models.json": '{"version": 1, "models": {}}'})

    assert mlguard("model", "--against", "models.json", "m.pkl", cwd=tmp_path).returncode == 1


def test_name_that_the_configuration_allows_is_set_aside(tmp_path: Path) -> None:
    entry = "{name: example.nets.Net, reason: reviewed by the team, owner: ml-team, until: 2999-01-01}"
    write(tmp_path, {"m.pkl": OWN, "mlguard.yaml": f"version: 1\nmodel:\n  allow:\n  - {entry}\n"})

    done = mlguard("model", "m.pkl", cwd=tmp_path)

    assert done.returncode == 0
    assert "verdict    clean" in done.stdout and "set aside: reviewed by the team (ml-team" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "takes one or more files"),
        (("nowhere.pkl",), "nowhere.pkl: there is no such file"),
        (("--jsn", "m.pkl"), "no option --jsn"),
        (("--against",), "--against takes a file name"),
        (("--against", "absent.json", "m.pkl"), "absent.json: cannot be read"),
        (("--against", "m.pkl", "m.pkl"), "is no inventory of models"),
        (("--accept", "no/such/folder.json", "m.pkl"), "cannot be written"),
    ],
)
def test_wrong_use_ends_with_2_and_says_what_to_do(arguments: tuple[str, ...], told: str, tmp_path: Path) -> None:
    write(tmp_path, {"m.pkl": CLEAN})

    done = mlguard("model", *arguments, cwd=tmp_path)

    assert done.returncode == 2
    assert told in done.stderr


def test_named_file_that_is_no_model_is_told(tmp_path: Path) -> None:
    write(tmp_path, {"notes.md": "# Notes\n"})

    done = mlguard("model", "notes.md", cwd=tmp_path)

    assert done.returncode == 3
    assert "in no format that is read" in done.stdout


def test_empty_file_is_no_pass(tmp_path: Path) -> None:
    write(tmp_path, {"model.pkl": b""})

    done = mlguard("model", "model.pkl", cwd=tmp_path)

    assert done.returncode == 3
    assert "this is empty" in done.stdout


@pytest.mark.parametrize("name", ["m.yaml", "m.json", "m.xml", "m.txt", "m"])
def test_pickle_of_protocol_0_is_blocked_under_the_name_of_a_text(name: str, tmp_path: Path) -> None:
    write(tmp_path, {name: assemble("GLOBAL os system\nMARK\nUNICODE 'true'\nTUPLE\nREDUCE\nSTOP")})

    assert mlguard("model", name, cwd=tmp_path).returncode == 1
    assert mlguard("scan", "-s", "model", cwd=tmp_path).returncode == 1


def test_folder_without_models_is_no_pass(tmp_path: Path) -> None:
    write(tmp_path, {"notes.md": "# Notes\n"})

    assert mlguard("model", ".", cwd=tmp_path).returncode == 3


SIGNED = Path(__file__).parent.parent / "fixtures" / "signing"


def signed(root: Path) -> Path:
    shutil.copytree(SIGNED / "model", root / "model")
    shutil.copy(SIGNED / "key.sig", root / "model" / "model.sig")
    shutil.copy(SIGNED / "key.pub", root / "release.pub")
    write(root, {"mlguard.yaml": "version: 1\nmodel: {trusted_keys: [release.pub]}\n"})
    return root


def test_digest_and_signature_of_a_model_are_shown(tmp_path: Path) -> None:
    done = mlguard("model", "--digest", "model/model.safetensors", cwd=signed(tmp_path))

    assert done.returncode == 0
    assert re.search(r"sha256 +[0-9a-f]{64}\n", done.stdout)
    assert "was checked, and fits" in done.stdout


def test_model_that_was_changed_after_signing_ends_with_5(tmp_path: Path) -> None:
    with open(signed(tmp_path) / "model" / "model.safetensors", "r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x01")

    done = mlguard("model", "--digest", "model/model.safetensors", cwd=tmp_path)

    assert done.returncode == 5
    assert "model/failed-integrity-check" in done.stdout


def signed_folder(root: Path) -> Path:
    """Sign with a list of digests a folder whose only model lies one folder below the list."""
    write(root, {"models/net/a.pkl": CLEAN, "models/b.pkl": CLEAN})
    listed = [f"{hashlib.sha256(CLEAN).hexdigest()}  {name}\n" for name in ("b.pkl", "net/a.pkl")]
    write(root, {"models/SHA256SUMS": "".join(listed)})
    return root


def test_list_in_a_folder_above_vouches_for_a_file_named_alone(tmp_path: Path) -> None:
    signed_folder(tmp_path)
    assert "was checked, and fits" in mlguard("model", "--digest", "models/net/a.pkl", cwd=tmp_path).stdout

    write(tmp_path, {"models/net/a.pkl": CLEAN + b" "})
    done = mlguard("model", "--digest", "models/net/a.pkl", cwd=tmp_path)

    assert done.returncode == 5
    assert "verdict    altered: " in done.stdout
    assert "models/net/a.pkl does not have the digest that models/SHA256SUMS records" in done.stdout


def test_signed_folder_whose_own_models_were_removed_or_joined_by_others_ends_with_5(tmp_path: Path) -> None:
    model = signed(tmp_path) / "model"
    for path in ("model/extra.pkl", "model/sub/extra.pkl"):
        write(tmp_path, {path: CLEAN})
        done = mlguard("model", "--digest", path, cwd=tmp_path)
        assert done.returncode == 5
        assert f"{path} lies in the folder that model/model.sig signs" in done.stdout
    (model / "model.safetensors").unlink()

    assert "lists a file that is not there" in mlguard("model", "--digest", "model", cwd=tmp_path).stdout


def test_json_tells_what_signatures_and_lists_showed(tmp_path: Path) -> None:
    signed_folder(tmp_path)
    write(tmp_path, {"models/b.pkl": OWN})

    done = mlguard("model", "--digest", "--json", "models", cwd=tmp_path)

    body = json.loads(done.stdout)
    assert done.returncode == 5
    assert [(entry["path"], entry["check"]) for entry in body["integrity"]] == [("models/b.pkl", "wrong-digest")]
    assert {model["path"]: (model["verdict"], model["vouched"]) for model in body["models"]} == {
        "models/b.pkl": ("altered", False),
        "models/net/a.pkl": ("clean", True),
    }


@pytest.mark.parametrize("content", ["{}", "no signature\n"])
def test_signature_that_is_none_is_told(content: str, tmp_path: Path) -> None:
    write(tmp_path, {"m/a.pkl": CLEAN, "m/model.sig": content})

    done = mlguard("model", "--digest", "m", cwd=tmp_path)

    assert "The signature m/model.sig holds nothing that can be read as a signature." in done.stdout


# --- Files with strange names and of strange kinds


def test_pipe_and_link_that_leads_nowhere_are_told_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pkl")
    (tmp_path / "link.pkl").symlink_to("nowhere")

    for arguments in (["pipe.pkl", "link.pkl"], ["."], ["--digest", "."]):
        done = mlguard("model", *arguments, cwd=tmp_path)
        assert done.returncode == 3
        assert "no regular file" in done.stdout and "a link that leads nowhere" in done.stdout


def test_links_of_a_folder_are_looked_at_when_they_lead_outside(tmp_path: Path) -> None:
    write(tmp_path, {"blobs/1": HOSTILE, "snapshot/a.pkl": CLEAN})
    (tmp_path / "snapshot" / "model.pkl").symlink_to("../blobs/1")
    (tmp_path / "snapshot" / "again.pkl").symlink_to("a.pkl")

    done = mlguard("model", "snapshot", cwd=tmp_path)

    assert done.returncode == 1
    assert "2 model files: 1 blocked, 1 clean" in done.stdout


def test_link_to_a_folder_outside_is_no_pass(tmp_path: Path) -> None:
    write(tmp_path, {"other/a.pkl": HOSTILE, "models/b.pkl": CLEAN})
    (tmp_path / "models" / "more").symlink_to("../other")

    done = mlguard("model", "models", cwd=tmp_path)

    assert done.returncode == 3
    assert "a link to a folder outside, which is not followed" in done.stdout


def test_name_of_a_file_cannot_forge_lines(tmp_path: Path) -> None:
    write(tmp_path, {"a\n  verdict    clean: \u202e\x1b[31m.pkl": HOSTILE})

    done = mlguard("model", ".", cwd=tmp_path)

    assert "a\\n  verdict    clean: \\u202e\\u001b[31m.pkl\n" in done.stdout


@pytest.mark.parametrize("encoding", ["utf-8:strict", "ascii", "latin-1"])
def test_name_that_the_terminal_cannot_show_is_escaped(
    encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / os.fsdecode("模型".encode() + b"\xff.pkl")).write_bytes(HOSTILE)
    monkeypatch.setenv("PYTHONIOENCODING", encoding)

    done = mlguard("model", ".", cwd=tmp_path)

    assert (done.returncode, done.stderr) == (1, "")


def test_standard_output_that_is_full_is_no_bug(tmp_path: Path) -> None:
    write(tmp_path, {"a.pkl": CLEAN})

    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-m", "mlguard", "model", "a.pkl"], cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True
        )  # fmt: skip

    assert done.returncode == 2
    assert "standard output cannot be written" in done.stderr


def test_folder_of_one_clean_model_says_so_and_a_file_is_looked_at_once(tmp_path: Path) -> None:
    write(tmp_path, {"m/a.pkl": CLEAN})

    assert mlguard("model", "m", cwd=tmp_path).stdout == "1 model file: 1 clean\n"
    assert mlguard("model", "m", "./m/a.pkl", cwd=tmp_path).stdout == "1 model file: 1 clean\n"


def test_inventory_counts_paths_from_the_working_folder(tmp_path: Path) -> None:
    write(tmp_path, {"m/a.pkl": OWN})
    mlguard("model", "--accept", "models.json", str(tmp_path / "m" / "a.pkl"), cwd=tmp_path)

    assert list(json.loads((tmp_path / "models.json").read_text())["models"]) == ["m/a.pkl"]
    assert mlguard("model", "--against", "models.json", "m/../m/a.pkl", cwd=tmp_path).returncode == 0


HEAVY = {
    "click",
    "dataclasses",
    "inspect",
    "yaml",
    "tarfile",
    "typing",
    "datetime",
    "pathlib",
    "mlguard.findings",
    "mlguard.rules",
}


def test_look_at_a_clean_model_loads_nothing_that_it_does_not_need(tmp_path: Path) -> None:
    write(tmp_path, {"model.pt": builders.torch_zip(CLEAN, [bytes(8)])})
    program = (
        "import sys; from mlguard.cli import main\n"
        "try: main(['model', 'model.pt'])\n"
        "except SystemExit: print(*sys.modules, sep='\\n')"
    )

    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)

    assert HEAVY & set(done.stdout.split()) == set()
