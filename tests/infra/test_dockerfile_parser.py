"""Our reading of Dockerfiles beside that of BuildKit's own parser."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mlguard.errors import Unreadable
from mlguard.scanners.infra import dockerfile

buildkit = pytest.importorskip("dockerfile")

CASES = {
    "plain": "FROM a\nRUN b\n",
    "no line end": "FROM a\nCMD [\"b\"]",
    "continued": "FROM a\nRUN b && \\\n  c \\\n\n  # note\n  && d\nUSER 1\n",
    "comment inside": "FROM a\nRUN b \\\n# c \\\n d\n",
    "escape": "# escape=`\nFROM a\nRUN b `\n c\nRUN d\\\n",
    "directives": "# syntax=docker/dockerfile:1\n# escape=`\n\nFROM a\nRUN x `\n y\n",
    "late directive": "FROM a\n# escape=`\nRUN b \\\n c\n",
    "lower case": "from a as b\nrun c\ncopy --from=b d e\n",
    "heredoc": "FROM a\nRUN <<EOF\nb\nUSER x\nEOF\nUSER 1\n",
    "heredoc with tabs": "FROM a\nRUN <<-EOF\n\tb\n\tEOF\nUSER 1\n",
    "two heredocs": "FROM a\nCOPY <<A <<\"B\" /x/\none\nA\ntwo $x\nB\nUSER 1\n",
    "heredoc into a program": "FROM a\nRUN python3 <<EOF > /out\nprint(1)\nEOF\nCMD c\n",
    "no heredoc in quotes": "FROM a\nRUN echo '<<EOF' && cat\nUSER 1\n",
    "flags": "FROM --platform=linux/amd64 a\nRUN --mount=type=cache,target=/x --network=none b\nCOPY --chown=1:1 --link c d\n",
    "json over lines": "FROM a\nENTRYPOINT [\"b\", \\\n  \"c\"]\n",
    "onbuild": "FROM a\nONBUILD RUN b\n",
    "windows": "FROM a\r\nRUN b \\\r\n  c\r\nUSER 1\r\n",
    "env": "FROM a\nENV A=1 B=\"2 3\" \\\n  C=4\nENV D e f\n",
    "indented": "  FROM a\n\tRUN b\n",
    "empty continuation": "FROM a\nRUN b \\\n\nUSER 1\n",
}  # fmt: skip


def _ours(text: str) -> list[tuple[str, int, int]] | None:
    try:
        found = dockerfile.parse(text)
    except Unreadable:
        return None
    return [("ONBUILD" if one.onbuild else one.keyword, one.at.line, one.at.end_line) for one in found]


def _theirs(text: str) -> list[tuple[str, int, int]] | None:
    try:
        found = buildkit.parse_string(text)
    except (buildkit.GoParseError, UnicodeEncodeError):
        return None
    return [(one.cmd.upper(), one.start_line, one.end_line) for one in found]


@pytest.mark.parametrize("name", CASES)
def test_instructions_and_their_lines_are_those_of_buildkit(name: str) -> None:
    theirs = _theirs(CASES[name])

    assert theirs is not None
    assert _ours(CASES[name]) == theirs


_PIECE = st.sampled_from(
    ["RUN a", "RUN a && \\", "  b", "# note", "", "USER 1", "ENV A=1", "COPY a b", "CMD [\"a\"]", "RUN <<EOF", "EOF", "x \\", "ARG A=b", "  # c \\", "LABEL a=\"b c\""]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(_PIECE, max_size=10))
def test_any_order_of_lines_is_cut_into_instructions_as_buildkit_cuts_it(lines: list[str]) -> None:
    text = "\n".join(["FROM a", *lines, "USER 9", ""])
    theirs = _theirs(text)
    assume(theirs is not None)
    known = {"FROM", "RUN", "USER", "ENV", "COPY", "CMD", "ARG", "LABEL"}
    assume(theirs is not None and {one[0] for one in theirs} <= known)  # we leave out words that are no instruction

    assert _ours(text) == theirs
