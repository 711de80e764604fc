"""Whatever a chart holds, it ends in documents and gaps, and soon."""

from __future__ import annotations

import gzip
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlguard.scanners.infra import helm, re2
from mlguard.scanners.infra.helm import nodes, syntax
from mlguard.scanners.infra.helm.printing import Failed
from tests.infra.charts import CHARTS, pack, write
from tests.infra.test_helm_charts import MAP, chart_at, rendered

SECONDS = 4
"""The longest that one hostile chart may take, on a busy machine."""

BOMBS = {
    "includes itself": '{{ define "a" }}{{ include "a" . }}{{ end }}{{ include "a" . }}',
    "templates each other": '{{ define "a" }}{{ template "b" . }}{{ end }}{{ define "b" }}{{ template "a" . }}{{ end }}{{ template "a" . }}',
    "branches": "".join(
        f'{{{{ define "a{i}" }}}}{{{{ include "a{i + 1}" . }}}}{{{{ include "a{i + 1}" . }}}}{{{{ end }}}}' for i in range(30)
    )
    + '{{ define "a30" }}x{{ end }}{{ include "a0" . }}',
    "expands itself": '{{ tpl .Values.bomb . }}',
    "repeats": '{{ $x := "aaaaaaaaaaaaaaaa" }}{{ range until 40 }}{{ $x = print $x $x }}{{ end }}{{ $x }}',
    "counts": "{{ range until 100000000 }}x{{ end }}",
    "counts in turn": "{{ range until 9000 }}{{ range until 9000 }}{{ range until 9000 }}{{ end }}{{ end }}{{ end }}",
    "ranges over a number": "{{ range 2000000000 }}x{{ end }}",
    "pads": '{{ printf "%999999999d" 1 }}',
    "pads by a star": '{{ printf "%*d" 999999999 1 }}',
    "indents": '{{ indent 100000000 "a\\nb" }}',
    "repeats a text": '{{ repeat 1000000000 "abc" }}',
    "a pattern": '{{ regexMatch "^(a|a)*(a|a)*(a|a)*b$" (repeat 100000 "a") }}',
    "a long pattern": '{{ regexMatch "((a{1,100}){1,100}){1,100}" "a" }}',
    "patterns in turn": '{{ range until 40000 }}{{ regexReplaceAll "(x+x+)+y" "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" "z" }}{{ end }}',
    "a value in itself": '{{ $d := dict }}{{ $_ := set $d "d" $d }}{{ toYaml $d }}',
    "prints a value in itself": '{{ $d := dict }}{{ $_ := set $d "d" $d }}{{ $d }}',
    "copies a value in itself": '{{ $d := dict }}{{ $_ := set $d "d" $d }}{{ $e := deepCopy $d }}{{ toJson $e }}',
    "compares values in themselves": '{{ $d := dict }}{{ $_ := set $d "d" $d }}{{ $e := dict }}{{ $_ := set $e "d" $e }}{{ deepEqual $d $e }}',
    "doubles a value": "{{ $l := list 1 }}{{ range until 60 }}{{ $l = list $l $l }}{{ end }}{{ toJson $l }}",
    "doubles a list": "{{ $l := list 1 }}{{ range until 60 }}{{ $l = concat $l $l }}{{ end }}{{ len $l }}",
    "merges in turn": '{{ range until 5000 }}{{ $x := merge (dict "a" .) $.Values (deepCopy $.Values) }}{{ end }}',
    "writes in turn": "{{ range until 20000 }}{{ $x := toYaml $.Values }}{{ $x | sha256sum }}{{ end }}",
    "nested parentheses": "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "nested blocks": "{{ if 1 }}" * 5000 + "{{ end }}" * 5000,
    "nested lists": "{{ fromJson `" + "[" * 50000 + "]" * 50000 + "` }}",
    "many actions": "{{ 1 }}" * 150000,
    "an action without end": "{{ " + "a " * 300000,
    "a text without end": '{{ "' + "a" * 900000,
    "a long number": "{{ " + "9" * 100000 + " }}",
    "adds up": "{{ $x := 1 }}{{ range until 40000 }}{{ $x = mul $x 9223372036854775807 }}{{ end }}{{ $x }}",
    "a large decimal": "{{ mulf 1e300 1e300 }}{{ divf 1 0 }}{{ float64 \"1e999\" | toJson }}",
    "sorts in turn": "{{ range until 2000 }}{{ $x := sortAlpha (toStrings (until 20000)) }}{{ end }}",
    "splits in turn": '{{ $t := repeat 200000 "a," }}{{ range until 5000 }}{{ $x := splitList "," $t }}{{ end }}',
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(BOMBS))
def test_a_bomb_ends_in_a_gap_or_a_document_soon(name: str, tmp_path: Path) -> None:
    bomb = "{{ tpl .Values.bomb . }}{{ tpl .Values.bomb . }}"
    values = f"bomb: '{bomb}'\nmany:\n" + "".join(f"  k{index}: {{a: [1, 2, 3], b: text}}\n" for index in range(500))
    chart_at(tmp_path, **{"values.yaml": values, "templates/bomb.yaml": MAP + "  a: |\n    " + BOMBS[name] + "\n"})

    start = time.process_time()
    (ours,) = rendered(tmp_path)

    assert time.process_time() - start < SECONDS
    assert ours.gaps or ours.documents
    assert all(len(gap.reason) < 300 for gap in ours.gaps)


@pytest.mark.parametrize(
    "values",
    [
        "a: &a [x, x]\n" + "".join(f"b{i}: &b{i} [*{'a' if not i else f'b{i - 1}'}, *{'a' if not i else f'b{i - 1}'}]\n" for i in range(40)),
        "a: " + "[" * 30000,
        "a: " + "{a: " * 500 + "}" * 500,
        "a: &a\n  b: *a\n",
        "- 1\n- 2\n",
        "a: b: c\n",
        "\x00\x01",
        "a: .inf\n",
        "",
        "? [a]\n: b\n",
    ],
)  # fmt: skip
def test_hostile_values_end_in_a_gap(values: str, tmp_path: Path) -> None:
    chart_at(tmp_path, **{"values.yaml": values, "templates/all.yaml": MAP + "  a: {{ toJson .Values | quote }}\n"})

    start = time.process_time()
    (ours,) = rendered(tmp_path)

    assert time.process_time() - start < SECONDS
    assert bool(ours.gaps) == (values != "")


def test_charts_that_depend_on_each_other_end(tmp_path: Path) -> None:
    for one, other in (("a", "b"), ("b", "a")):
        head = f"apiVersion: v2\nname: {one}\nversion: 1.0.0\ndependencies:\n- {{name: {other}, version: '*', repository: 'file://../{other}'}}\n"
        chart_at(tmp_path / one, **{"Chart.yaml": head, "templates/all.yaml": MAP + "  a: b\n"})

    found = rendered(tmp_path)

    assert all(one.gaps for one in found)
    assert sum(len(one.documents) for one in found) < 100


@pytest.mark.parametrize(
    "data",
    [b"", b"\x1f\x8b", gzip.compress(b"x" * 10_000, mtime=0), gzip.compress(b"\0" * 2**27, mtime=0)],
    ids=["empty", "head", "letters", "bomb"],
)
def test_an_archive_that_is_none_ends_in_a_gap(data: bytes, tmp_path: Path) -> None:
    chart_at(tmp_path, **{"templates/all.yaml": MAP + "  a: b\n"})
    (tmp_path / "charts").mkdir()
    (tmp_path / "charts/x.tgz").write_bytes(data)

    start = time.process_time()
    (ours,) = rendered(tmp_path)

    assert time.process_time() - start < SECONDS
    assert [gap.path for gap in ours.gaps] == ["charts/x.tgz"]
    assert len(ours.documents) == 1


PIECES = st.sampled_from(
    ["{{", "}}", "{{-", "-}}", "{{ ", " }}", "{{ end }}", "{{ if ", "{{ range $i, $v := ", "{{ with ", "{{ else }}", "{{ define ", "{{/*", "*/}}",
     ".Values", ".Release.Name", ".a", "$", "$x", " := ", " = ", "|", "(", ")", '"x"', "`y`", "'c'", " 1 ", "1.5", "nil", "true", "include ", "toYaml ",
     "printf ", "index ", "tpl ", "dict ", "list ", "quote", "nindent 2", "\n", "a: ", "- ", "<no value>", "\r\n", "é", "\t", ",", ".", "break", "continue",
     "eq ", "and ", "or ", "default ", "merge ", "regexReplaceAll ", "trunc ", "fromYaml ", "---\n", "#", "|-\n"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=40).map("".join))
@example('{{ define "x" }}{{ end }}{{ template "x" }}')
@settings(max_examples=300, deadline=None)
def test_any_pieces_of_a_template_end_in_documents_or_gaps(body: str) -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder)
        chart_at(root, **{"values.yaml": "a: {b: [1, x]}\n"})
        (root / "templates").mkdir()
        (root / "templates/all.yaml").write_bytes(("kind: X\n" + body).encode())

        (ours,) = rendered(root)

        assert ours.root == ""


@given(
    st.binary(max_size=300),
    st.sampled_from(["Chart.yaml", "values.yaml", "templates/a.yaml", "charts/a.tgz", ".helmignore", "values-x.yaml"]),
)
@settings(max_examples=200, deadline=None)
def test_any_bytes_in_any_file_end_in_documents_or_gaps(data: bytes, name: str) -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder)
        chart_at(root, **{"templates/all.yaml": MAP + "  a: {{ .Values.a | quote }}\n"})
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(data)

        found = rendered(root)

        assert found


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_chart_that_is_cut_or_flipped_ends_in_documents_or_gaps(data: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        chart = write(Path(folder), data.draw(st.sampled_from(sorted(CHARTS))))
        if data.draw(st.booleans()):
            pack(chart, chart / "charts/again-1.tgz")
        files = sorted(path for path in chart.rglob("*") if path.is_file())
        victim = data.draw(st.sampled_from(files))
        content = bytearray(victim.read_bytes() or b"x")
        at = data.draw(st.integers(0, len(content) - 1))
        if data.draw(st.booleans()):
            del content[at:]
        else:
            content[at] ^= data.draw(st.integers(1, 255))
        victim.write_bytes(bytes(content))

        assert isinstance(rendered(Path(folder)), list)


@given(st.text(alphabet="ab(|)*+?[]^$.{}0123,\\dwsb-", max_size=14), st.text(alphabet="ab01 \n-", max_size=12))
@settings(max_examples=400, deadline=None)
def test_any_pattern_is_matched_as_python_would_or_refused(pattern: str, text: str) -> None:
    try:
        compiled = re2.Pattern(pattern)
    except (re2.Invalid, re2.TooLong):
        return
    found = compiled.search(text)
    wanted = _by_python(pattern, text)

    assert wanted == "" or (found and found[:2]) == wanted


def _by_python(pattern: str, text: str) -> tuple[int, int] | str | None:
    """Return where Python finds the pattern; "" where it reads it in another way than RE2 does."""
    import re
    import warnings

    if any(
        sign in pattern
        for sign in ("\\s", "\\w", "\\d", "\\b", "$", "\\0", "\\1", "\\2", "\\3", "{,", "(?", "*+", "++", "?+", "}+")
    ):
        return ""
    if re.search(r"\)[*+?{]|\[[^\]]*\[|\\[a-z]", pattern):
        return ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            match = re.compile(pattern).search(text)
        except (re.error, RecursionError, OverflowError):
            return ""
    return match.span() if match else None


@given(st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_text_is_a_template_or_is_refused(text: str) -> None:
    try:
        parsed = syntax.parse(text)
    except Failed:
        return

    assert "{{" in text or "".join(node.text for node in parsed.body if isinstance(node, nodes.Text)) == text


def test_more_sets_of_values_than_are_looked_at_are_a_gap(tmp_path: Path) -> None:
    many = {f"values-{index}.yaml": f"a: {index}\n" for index in range(20)}
    chart_at(tmp_path, **{"templates/all.yaml": MAP + "  a: {{ .Values.a | quote }}\n"}, **many)

    found = rendered(tmp_path)

    assert sum(bool(one.documents) for one in found) == helm.MAX_VARIANTS
    assert [gap.kind for one in found for gap in one.gaps] == ["sampled"]
