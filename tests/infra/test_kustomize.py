"""Kustomizations, compared with what kubectl builds of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mlguard.artifacts import Artifact
from mlguard.scanners import Context
from mlguard.scanners.infra import kustomize
from mlguard.scanners.infra.rendered import Rendered
from mlguard.scanners.infra.yamltree import Tree
from tests.functional.command import write
from tests.infra.oracles import run
from tests.infra.overlays import BASE, DEPLOYMENT, OVERLAYS
from tests.scanning import found, scan


def rendered(root: Path) -> list[Rendered]:
    paths = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    return list(kustomize.read([Artifact(path, "yaml", 0) for path in paths], Context(root)))


def build(root: Path) -> Rendered:
    return next(one for one in rendered(root) if one.root == "top")


_HASH = re.compile(r"-[a-z0-9]{10}$")


def _plain(value: Any, generated: set[str]) -> Any:
    """Return a value without the hashes in generated names, and without empty mappings that kubectl adds."""
    if isinstance(value, dict):
        return {key: _plain(item, generated) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, generated) for item in value]
    return _HASH.sub("", value) if isinstance(value, str) and _HASH.sub("", value) in generated else value


def _keyed(documents: list[Any], generated: set[str]) -> dict[tuple[str, ...], Any]:
    plain = [_plain(one, generated) for one in documents if one]
    return {(d["kind"], d["metadata"].get("namespace", ""), d["metadata"]["name"]): d for d in plain}


@pytest.mark.parametrize("name", OVERLAYS)
def test_what_is_built_is_what_kubectl_builds(name: str, tmp_path: Path) -> None:
    write(tmp_path, dict(OVERLAYS[name]))

    ours = build(tmp_path)
    theirs = list(yaml.load_all(run("kubectl", "kustomize", str(tmp_path / "top")), Loader=yaml.CSafeLoader))

    values = [tree.value for _, tree in ours.documents]
    generated = {doc["metadata"]["name"] for doc in values if doc["kind"] in ("ConfigMap", "Secret")}
    assert _keyed(values, generated) == _keyed(theirs, generated)
    assert ours.gaps == ()


def _scalars(tree: Tree) -> list[Tree]:
    children = tree.children.values() if isinstance(tree.children, dict) else tree.children
    return [leaf for child in children for leaf in _scalars(child)] if tree.children else [tree]


@pytest.mark.parametrize("name", OVERLAYS)
def test_every_value_that_was_written_stands_where_it_is_said_to_be(name: str, tmp_path: Path) -> None:
    """A name with a prefix and a generated value are made; everything else is on the line that is given."""
    write(tmp_path, dict(OVERLAYS[name]))
    made = re.compile(r"name|image|serviceAccount|secretName|claimName|Opaque|ConfigMap|Secret|^v1$", re.I)

    for _, tree in build(tmp_path).documents:
        for leaf in _scalars(tree):
            text = str(leaf.value)
            assert leaf.at.path, "the file is said"
            line = (tmp_path / leaf.at.path).read_text().split("\n")[leaf.at.line - 1]
            if isinstance(leaf.value, str) and len(text) > 3 and "\n" not in text and not made.search(line):
                assert text in line or "=" in line or "resources:" in line, (leaf.at, text, line)


def test_a_patch_that_opens_something_is_found_at_the_line_of_the_patch(tmp_path: Path) -> None:
    patch = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: serve}\nspec:\n  template:\n    spec:\n      hostNetwork: true\n"
    write(
        tmp_path,
        {
            **BASE,
            "top/kustomization.yaml": "resources: [../base]\npatches: [{path: open.yaml}]\n",
            "top/open.yaml": patch,
        },
    )

    report = scan(tmp_path, ["infra"])

    assert found(report, "k8s/privileged-container") == [("top/open.yaml", 7, "k8s/privileged-container")]


def test_what_a_patch_mends_is_not_found_in_the_base(tmp_path: Path) -> None:
    base = DEPLOYMENT.replace("      serviceAccountName: loader\n", "      hostNetwork: true\n")
    files = {"base/kustomization.yaml": "resources: [d.yaml]\n", "base/d.yaml": base}
    mend = "patches:\n  - target: {kind: Deployment}\n    patch: |-\n      - {op: remove, path: /spec/template/spec/hostNetwork}\n"
    write(tmp_path, {**files, "top/kustomization.yaml": "resources: [../base]\n" + mend})

    assert found(scan(tmp_path, ["infra"]), "k8s/privileged-container") == []


def test_a_fault_of_the_base_is_told_once_for_two_overlays(tmp_path: Path) -> None:
    base = DEPLOYMENT.replace("      serviceAccountName: loader\n", "      hostNetwork: true\n")
    overlays = {
        f"{name}/kustomization.yaml": f"resources: [../base]\nnamePrefix: {name}-\n" for name in ("dev", "prod")
    }
    write(tmp_path, {"base/kustomization.yaml": "resources: [d.yaml]\n", "base/d.yaml": base, **overlays})

    report = scan(tmp_path, ["infra"])

    assert [one[:2] for one in found(report, "k8s/privileged-container")] == [("base/d.yaml", 14)]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("resources: [https://example.org/a.yaml]", "not fetched"),
        ("resources: ['github.com/example/repo//deploy?ref=v1']", "not fetched"),
        ("resources: [../../outside]", "leads out of the scanned tree"),
        ("resources: [/etc/passwd]", "leads out of the scanned tree"),
        ("resources: [missing.yaml]", "cannot be read"),
        ("resources: [.]", "name each other"),
        ("helmCharts: [{name: x}]", "helmCharts of a kustomization are not evaluated"),
        ("patches: [{path: none.yaml}]", "cannot be read"),
        ("patches: [{target: {kind: Nothing}, patch: '[{op: remove, path: /a}]'}]", "finds no object"),
        ("resources: [", "not valid YAML"),
        ("- a", "is a mapping"),
    ],
)
def test_what_cannot_be_built_is_a_gap_and_the_rest_goes_on(body: str, told: str, tmp_path: Path) -> None:
    write(tmp_path, {"top/kustomization.yaml": body + "\n"})

    (one,) = rendered(tmp_path)

    assert any(told in gap.reason for gap in one.gaps), one.gaps


def test_kustomizations_in_a_ring_end(tmp_path: Path) -> None:
    write(tmp_path, {"a/kustomization.yaml": "resources: [../b]\n", "b/kustomization.yaml": "resources: [../a]\n"})

    assert all(any("name each other" in gap.reason for gap in one.gaps) for one in rendered(tmp_path))


def test_a_link_out_of_the_tree_is_not_followed(tmp_path: Path) -> None:
    write(tmp_path / "tree", {"top/kustomization.yaml": "resources: [secret.yaml]\n"})
    (tmp_path / "outside.yaml").write_text(DEPLOYMENT)
    (tmp_path / "tree/top/secret.yaml").symlink_to(tmp_path / "outside.yaml")

    (one,) = rendered(tmp_path / "tree")

    assert one.documents == ()
    assert any("leads out of the scanned tree" in gap.reason for gap in one.gaps)


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(sorted(OVERLAYS)),
    start=st.integers(0, 5_000),
    length=st.integers(0, 40),
    put=st.sampled_from(["", "{", "- ", "\t", "$patch: delete\n", ": "]),
)
def test_cut_and_broken_files_never_stop_it(
    name: str, start: int, length: int, put: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("k")
    files = dict(OVERLAYS[name])
    target = sorted(files)[start % len(files)]
    at = start % (len(files[target]) + 1)
    files[target] = files[target][:at] + put + files[target][at + length :]
    write(root, dict(files))

    for one in rendered(root):
        assert all(gap.reason for gap in one.gaps)
