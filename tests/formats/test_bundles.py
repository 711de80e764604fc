"""Archives, bundles and configurations: what hides in them is told, honest ones stay quiet, and any bytes end in records."""

from __future__ import annotations

import io
import json
import time
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlguard.errors import Unreadable
from mlguard.facts import ModelFile
from mlguard.findings import Detection, Gap
from mlguard.scanners.model import codecs, sources, zips
from tests import builders
from tests.corpus import attacks_bundles, honest_bundles
from tests.corpus.attacks_bundles import CLEAN, PAYLOAD, REVIEWED, SOURCES, UNREAD, attacks
from tests.corpus.bundle_parts import Entry, Item, seven_of, zip_of
from tests.models import checks_of, gaps_of, records_of, rules_of
from tests.scanning import scan

DANGEROUS, UNKNOWN = "model/dangerous-import", "model/unknown-callable"
MALFORMED, CODE = "model/malformed-model-archive", "model/bundled-executable-code"

ATTACKS = dict(attacks())


@pytest.mark.parametrize("name", ATTACKS)
def test_a_hostile_file_fails_the_gate_and_a_doubtful_one_is_never_silent(name: str, tmp_path: Path) -> None:
    found = records_of(ATTACKS[name], tmp_path, name)

    rules = {record.rule for record in found if isinstance(record, Detection)}
    gaps = [record for record in found if isinstance(record, Gap)]
    assert not [gap for gap in gaps if gap.kind in ("crash", "missing")]
    if name in REVIEWED:
        assert UNKNOWN in rules
    elif name in UNREAD:
        assert gaps
    else:
        assert rules & {DANGEROUS, MALFORMED, CODE}


HIDDEN = [
    name for name in ATTACKS if name.startswith(("zips/", "tars/", "sevens/", "codecs/")) and PAYLOAD in ATTACKS[name]
]


@pytest.mark.parametrize("name", HIDDEN)
def test_what_no_header_can_hide_is_looked_at(name: str, tmp_path: Path) -> None:
    if name != "zips/end-with-other-offset.pt":  # its offsets lead both readers outside
        assert DANGEROUS in rules_of(ATTACKS[name], tmp_path, name)


# -- zip


@pytest.mark.parametrize(
    ("check", "name"),
    [
        ("end-records", "end-in-comment.pt"), ("end-records", "zip64-disagrees.pt"), ("end-records", "zip64-locator-elsewhere.pt"),
        ("header-mismatch", "local-size.pt"), ("header-mismatch", "local-method.pt"), ("header-mismatch", "listed-method.pt"),
        ("name-mismatch", "local-name.pt"), ("name-mismatch", "unicode-path.pt"), ("duplicate-member", "duplicate-first.pt"),
        ("overlap", "overlap.pt"), ("hidden-member", "unlisted-behind-junk.pt"), ("hidden-member", "behind-directory.pt"), ("prefix", "prefix.pt"),
        ("trailing-data", "trailing.pt"), ("out-of-bounds", "header-outside.pt"), ("traversal", "unicode-path-leaves.pt"), ("flags", "flag-20.pt"),
        ("checksum", "wrong-crc-packed.pt"), ("link", "symlink.pt"),
    ],
)  # fmt: skip
def test_what_does_not_fit_in_a_zip_archive_is_told(check: str, name: str, tmp_path: Path) -> None:
    assert check in checks_of(ATTACKS[f"zips/{name}"], tmp_path, name)


def test_an_honest_archive_of_any_writer_fits(tmp_path: Path) -> None:
    members = [Entry("archive/data.pkl", CLEAN, 8, descriptor=True), Entry("archive/version", b"3\n")]
    plain = [Entry("archive/data.pkl", CLEAN), Entry("archive/version", b"3\n")]
    inner = zip_of(plain)
    for content in (
        zip_of(members), zip_of(plain, comment=b"PK a comment"), zip_of([*plain, Entry("archive/extra/x.zip", inner)]), zip_of(plain) + bytes(64),
    ):  # fmt: skip
        assert checks_of(content, tmp_path, "m.pt") == set()


def test_an_encrypted_member_is_a_gap(tmp_path: Path) -> None:
    content = zip_of([Entry("model.pkl", bytes(range(60)), flags=1, listed={"crc": 5}, local={"crc": 5})])

    assert "encrypted" in gaps_of(content, tmp_path, "m.zip")[0].reason


def test_a_method_that_is_not_read_is_a_gap_with_its_name(tmp_path: Path) -> None:
    content = zip_of([Entry("model.pkl", b"xxxx", local={"method": 9}, listed={"method": 9})])

    assert "Deflate64" in gaps_of(content, tmp_path, "m.zip")[0].reason


@pytest.mark.parametrize("form", ["data/{}", "x{}.txt", "x{}.pkl"])
def test_seventy_thousand_members_cost_a_moment(form: str, tmp_path: Path) -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as file:
        for number in range(70_000):
            file.writestr(zipfile.ZipInfo(f"a/{form.format(number)}"), b"x")
        file.writestr("a/data.pkl", PAYLOAD)

    started = time.process_time()
    found = rules_of(target.getvalue(), tmp_path, "a.pt")

    assert DANGEROUS in found
    assert time.process_time() - started < 10


# -- bundles that are honest


def test_harmless_members_of_a_model_are_no_gap_and_those_of_another_archive_are(tmp_path: Path) -> None:
    members = {
        "README.md": b"# x\n",
        "config.json": b'{"a": 1}',
        "picture.png": b"\x89PNG\r\n\x1a\n" + bytes(9),
        "LICENSE": b"x\n",
        "a.yaml": b"a: 1\n",
    }

    assert gaps_of(builders.archive({"m.npy": builders.npy(bytes(8), "<f4", (2,)), **members}), tmp_path, "m.zip") == []
    assert gaps_of(builders.archive(members), tmp_path, "d.zip") == []  # the scanner of datasets looks at them
    other = {**members, "run.sh": b"true\n", "x": b"\0\1\2"}
    assert [gap.kind for gap in gaps_of(builders.archive(other), tmp_path, "d.zip")] == ["skipped"]


def test_packages_of_code_are_not_read_as_handlers(tmp_path: Path) -> None:
    content = builders.archive({"a/x.py": SOURCES["system"].encode(), "a/m.pkl": CLEAN, "a-1.dist-info/WHEEL": b"x"})

    assert rules_of(content, tmp_path, "a-1-py3-none-any.whl") == set()
    assert [gap.kind for gap in gaps_of(content, tmp_path, "a-1-py3-none-any.whl")] == ["skipped"]


@pytest.mark.parametrize("name", honest_bundles.FIXTURES)
def test_a_file_of_the_real_library_is_quiet(name: str, tmp_path: Path) -> None:
    content = (Path(__file__).parents[1] / "fixtures/models/bundles" / name).read_bytes()

    found = records_of(content, tmp_path, name)

    assert not [record for record in found if isinstance(record, Detection | Gap)]
    assert [record.verdict for record in found if isinstance(record, ModelFile)] in (["clean"], [])


HONEST_SCRIPT = """\
class Linear(Module):
  training : bool
  _packed_params : __torch__.torch.classes.quantized.LinearPackedParamsBase
  def forward(self: __torch__.Linear, x: Tensor) -> Tensor:
    _0 = "Could not load custom ops. See torch.save"
    if bool(torch.gt(torch.sum(x), 0)):
      y = ops.quantized.linear_dynamic(x, self._packed_params)  # ops.aten.save
    else:
      ops.prim.RaiseException(_0, "builtins.RuntimeError")
    return torch.to(torch.relu(x), ops.prim.dtype(x))
"""


def test_ordinary_torchscript_is_quiet(tmp_path: Path) -> None:
    assert rules_of(attacks_bundles._script(HONEST_SCRIPT), tmp_path, "m.pt") == set()


# -- sources


@pytest.mark.parametrize("name", SOURCES)
def test_source_that_no_model_needs_is_seen(name: str) -> None:
    assert sources.python_notes(SOURCES[name].encode())


QUIET = [
    "import torch\nfrom ts.torch_handler.base_handler import BaseHandler\nclass H(BaseHandler):\n  def initialize(self, c):\n"
    "    self.model = torch.load('model.pt')\n    self.model.eval()\n  def preprocess(self, data):\n    return torch.tensor(data)\n",
    "import re\np = re.compile('x')\nmodel.eval()\nm = torch.compile(model)\n",
    "import os, json\njson.load(open(os.path.join(os.environ.get('MODEL_DIR', ''), 'x.json')))\n",
    "import importlib\nm = importlib.import_module(model_file.split('.')[0])\n",
    "import logging\nlogger = logging.getLogger(__name__)\nclass A:\n  __slots__ = ()\n  def f(self):\n    return type(self).__name__\n",
]


@pytest.mark.parametrize("text", QUIET)
def test_ordinary_handler_code_is_only_reviewed(text: str, tmp_path: Path) -> None:
    assert sources.python_notes(text.encode()) == []
    assert rules_of(attacks_bundles._mar({"handler.py": text.encode()}), tmp_path, "m.mar") == {UNKNOWN}


def test_source_that_is_no_python_is_a_gap_and_searched_by_its_words(tmp_path: Path) -> None:
    content = ATTACKS["sources/python-2.mar"]

    assert CODE in rules_of(content, tmp_path, "m.mar")
    assert gaps_of(content, tmp_path, "m.mar")


# -- codecs and 7z


def test_frames_of_user_data_are_passed_over() -> None:
    for name in ("lz4-two.pkl.lz4", "zstd-two.pkl.zst", "lz4-legacy.pkl.lz4"):
        content = ATTACKS[f"codecs/{name}"]
        assert b"".join(codecs.pieces(content, 0, len(content), codecs.codec_of(content[:512]))).endswith(PAYLOAD)


def test_a_dictionary_or_a_huge_window_is_refused() -> None:
    with_dictionary = b"\x28\xb5\x2f\xfd\x21\x07\x01" + b"\x09\0\0x"
    wide_window = b"\x28\xb5\x2f\xfd\x00\xff" + b"\x09\0\0x"
    for content in (with_dictionary, wide_window):
        with pytest.raises(Unreadable):
            b"".join(codecs.pieces(content, 0, len(content), "zstd"))


@pytest.mark.parametrize("filters", [(), ("LZMA",), ("COPY",), ("X86", "LZMA2"), ("X86", "LZMA"), ("ARM", "LZMA2"), ("DELTA", "LZMA"), ("BZIP2",), ("DEFLATE",),
                                     ("ZSTD",), ("X86", "ZSTD"), ("X86", "COPY")])  # fmt: skip
@pytest.mark.parametrize("packed_header", [True, False])
def test_archives_of_another_writer_are_read(filters: tuple[str, ...], packed_header: bool, tmp_path: Path) -> None:
    py7zr = pytest.importorskip("py7zr")
    target = io.BytesIO()
    chain = [{"id": getattr(py7zr, f"FILTER_{name}")} for name in filters] or None
    with py7zr.SevenZipFile(target, "w", filters=chain) as file:
        file.set_encoded_header_mode(packed_header)
        file.writestr(b"\xe8\1\2\3\0" * 3000, "model/x.txt")
        file.writestr(PAYLOAD, "model/m.pkl")
        file.writestr(builders.torch_zip(PAYLOAD), "model/m.pt")

    found = records_of(target.getvalue(), tmp_path, "m.7z")

    assert {r.location.within for r in found if isinstance(r, Detection) and r.rule == DANGEROUS} == {
        "model/m.pkl",
        "model/m.pt/archive/data.pkl",
    }
    assert MALFORMED not in {r.rule for r in found if isinstance(r, Detection)}


@pytest.mark.parametrize("options", [{"password": "x"}, {"password": "x", "header_encryption": True}])
def test_an_encrypted_7z_archive_is_a_gap(options: dict[str, object], tmp_path: Path) -> None:
    py7zr = pytest.importorskip("py7zr")
    target = io.BytesIO()
    with py7zr.SevenZipFile(target, "w", **options) as file:
        file.writestr(PAYLOAD, "m.pkl")

    assert "encrypted" in gaps_of(target.getvalue(), tmp_path, "m.7z")[0].reason


def test_cutting_a_member_of_a_7z_archive_keeps_what_came_before(tmp_path: Path) -> None:
    content = seven_of([Item("a.pkl", PAYLOAD + bytes(3000))], sizes=[len(PAYLOAD) + 9000])

    assert DANGEROUS in rules_of(content, tmp_path, "m.7z")


# -- pointers


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        (
            "model.safetensors",
            "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
            "LFS pointer: the model",
        ),
        ("model.pkl.dvc", "outs:\n- md5: 00\n  path: model.pkl\n", "DVC pointer: the model"),
    ],
)
def test_a_pointer_says_that_the_model_is_elsewhere(name: str, text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)

    gaps = scan(tmp_path, ["model"]).gaps

    assert [(gap.scanner, words in gap.reason) for gap in gaps if gap.path == name] == [("model", True)]


# -- any bytes


def test_texts_of_a_file_never_reach_a_record(tmp_path: Path) -> None:
    canary = "Zq7canary" * 3
    files = {
        "m.mar": attacks_bundles._mar({"handler.py": f"import os\nos.system('{canary}')\nx = '/etc/passwd {canary}'\n".encode()}, {"handler": f"{canary}!:x"}),
        "MLmodel": attacks_bundles._mlmodel(loader_module=f"'{canary} x'", data=f"'http://{canary}'"),
        "model_config.yaml": f"x:\n  _target_: '{canary} x'\n  y: ${{oc.env:SECRET_{canary}}}\nz: !!python/object:{canary}-x 1\n".encode(),
        "m.pmml": f'<!DOCTYPE PMML [<!ENTITY x{canary} SYSTEM "{canary}">]><PMML version="4"/>'.encode(),
        "m.xml": f'<net name="{canary}" version="11"><layers><layer type="{canary} x" version="{canary} y"/></layers></net>'.encode(),
        "m.skops": builders.archive({"schema.json": json.dumps({"__loader__": "FunctionNode", "__module__": f"{canary}!", "__class__": "x"}).encode()}),
    }  # fmt: skip
    for name, content in files.items():
        found = records_of(content, tmp_path, name)
        assert [record for record in found if isinstance(record, Detection)], name
        assert canary not in repr([record for record in found if not isinstance(record, ModelFile)]), name


SEEDS = [
    "zips/descriptor.pt", "zips/zip64-disagrees.pt", "zips/method-14.pt", "tars/torch.nemo", "sevens/lzma-header.7z", "sevens/copy-single.7z",
    "sevens/anti.7z", "codecs/lz4-two.pkl.lz4", "codecs/zstd-skipped.pkl.zst", "packages/system.pt", "scripts/save.pt", "exports/hub.pt2", "sources/thread.mar",
    "mlflows/anchor/MLmodel", "hydras/tag.nemo", "hydras/alone/model_config.yaml", "xmls/entity.pmml", "xmls/extension.xml", "skops/deep.skops", "posers/batch.bin",
]  # fmt: skip


@given(st.data())
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_change_to_a_bundle_ends_in_records(tmp_path: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(SEEDS))
    content = bytearray(ATTACKS[name])
    for _ in range(data.draw(st.integers(0, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))

    for changed in (bytes(content), bytes(content[:cut])):
        found = records_of(changed, tmp_path, name)
        assert not [record for record in found if isinstance(record, Gap) and record.kind in ("crash", "missing")]


@given(st.binary(max_size=300), st.sampled_from(["m.7z", "m.pt", "m.mar", "MLmodel", "model_config.yaml", "m.pmml", "m.xml", "m.skops", "m.model", "m.bin"]),
       st.sampled_from([b"", b"7z\xbc\xaf\x27\x1c\0\4", b"PK\3\4", b"PK\5\6", b"<net version='1'>", b"<PMML>", b"a: ", b"\n\x0e\n\5", b"\x02\x21\x4c\x18", b"\x50\x2a\x4d\x18"]))  # fmt: skip
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_behind_any_beginning_end_in_records(tmp_path: Path, content: bytes, name: str, head: bytes) -> None:
    found = records_of(head + content, tmp_path, name)

    assert not [record for record in found if isinstance(record, Gap) and record.kind in ("crash", "missing")]


@given(st.binary(max_size=2000))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_a_directory_or_unreadable(content: bytes) -> None:
    for data in (content, content + b"PK\5\6" + bytes(18), b"PK\3\4" + content):
        try:
            zips.read(data, 0, len(data))
        except Unreadable:
            continue


SLOW = {
    "comments.bin": b"<!-- x -->" * 400,
    "comments.xml": b"<!-- x -->" * 6000,
    "words.mar": attacks_bundles._mar({"setup.sh": b"curl-" * 50_000, "x.ps1": b"powershell " * 30_000, "requirements.txt": b"\n" * 200_000}),
    "spaces.pt": attacks_bundles._script("torch" + " " * 2_000_000 + "torch #" * 100_000),
    "source.mar": attacks_bundles._mar({"handler.py": b"x = " + b"(" * 100_000 + b")" * 100_000}),
    "deep/model_config.yaml": b"{a: [" + b"[x]," * 100_000 + b"[" * 5000,
    "aliases/model_config.yaml": b"a: &a [x,x,x,x]\n" + b"".join(b"%c: &%c [*%c,*%c,*%c]\n" % ((98 + i,) * 2 + (97 + i,) * 3) for i in range(20)),
    "deep.pmml": b"<PMML>" + b"<a>" * 500_000,
    "ends.pt": b"PK\5\6" * 100_000,
    "locals.pt": b"PK\3\4" * 500_000,
}  # fmt: skip


@pytest.mark.parametrize("name", SLOW)
def test_texts_made_to_be_slow_are_not(name: str, tmp_path: Path) -> None:
    started = time.process_time()
    records_of(SLOW[name], tmp_path, name)

    assert time.process_time() - started < 5
