"""Looks at texts that a model file carries beside its numbers: metadata, vocabularies, class names.

The detectors of the scanners for secrets and datasets decide. They are heavy, so a text without the shape of anything that they
find costs a regular expression and no more. No text is ever shown, nor a key that is not a plain name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from mlguard.scanners import lazy
from mlguard.scanners.model.source import View
from mlguard.scanners.model.state import State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlguard.findings import Record

MAX_CHARS = 32 * 2**20
"""Characters of all texts that one call looks at."""

MAX_ONE = 2**20
"""Characters of one text."""

MANY = 4
"""From so many values on, the texts under one key are a column and not a remark."""

PERSONAL, DEVELOPER = "model/personal-data-in-model", "model/leaked-developer-metadata"
CODE = "model/bundled-executable-code"

_KEY = lazy.pattern(r"[A-Za-z_][A-Za-z0-9_.-]{0,79}\Z")
_SECRET_KEY = lazy.pattern(
    r"(?i)pass(?:word|wd|phrase)?|pwd|secret|token(?!iz)|credential|api.?key|access.?key|private.?key|auth"
)
_RUN = lazy.pattern(r"[A-Za-z0-9_+/=.~:%-]{16,}|-----BEGIN")
_EMAIL = lazy.pattern(r"[\w.+%-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,4}\.[A-Za-z]{2,24}")
_CONTACT = lazy.pattern(r"\s*[^\n@<>]{0,80}<?[\w.+%-]{1,64}@[\w.-]{3,200}>?\s*\Z")
"""An address that stands alone, or behind a name: an author, and not the build of a library."""

_NUMBER = lazy.pattern(r"(?<![\w.])(?:\+|\(|[A-Z]{2})?\d(?:[ ()/.-]?[\dA-Z]){6,33}(?![\w.])")
_PERSON = lazy.pattern(r"[^\W\d_]+(?:[-'’][^\W\d_]+)?,?(?: [^\W\d_]\.?)? [^\W\d_]+(?:[-'’][^\W\d_]+)?\Z")
_HOST = lazy.pattern(r"\b(?:https?|ftp|s3|gs)://([A-Za-z0-9.-]{1,253})")
_HOME = lazy.pattern(r"(?:/home/|/Users/|\b[A-Za-z]:\\+Users\\+|/mnt/[^\s/]{1,40}/home/)([\w.-]{2,40})(?=[/\\]|\Z)")
_NOBODY = frozenset(
    {
        "user", "users", "username", "you", "me", "name", "ubuntu", "debian", "ec2-user", "centos", "runner", "jovyan", "app", "root",
        "admin", "work", "public", "shared", "default", "vscode", "codespace", "sagemaker-user", "circleci", "travis", "jenkins", "build",
        "conda", "mambauser", "docker", "airflow", "nobody", "test", "dev", "linuxbrew", "project", "azureuser", "gradle", "bert",
    }
)  # fmt: skip
"""Accounts of images and services, which point to nobody."""

_USER_KEY = lazy.pattern(r"(?i)(?:^|[._-])(?:user_?name|host_?name|login|computer_?name|machine_?name)$")

_PROGRAM = (  # pattern, what it is, and texts one of which every match holds
    (
        lazy.pattern(
            r"__import__\s*\(|\bos\.(?:system|popen|exec[lv]p?e?|spawn\w+)\s*\(|\bsubprocess\.\w+\s*\(|\bimportlib\.import_module\s*\("
            r"|\b(?:exec|eval)\s*\(\s*(?:compile|__import__|base64|bytes|open|requests|urllib|codecs|zlib|marshal|getattr)\b"
            r"|\bpickle\.loads?\s*\(|\bmarshal\.loads\s*\(|\bsocket\.socket\s*\("
        ),
        "Python text that starts programs or loads code",
        ("(",),
    ),
    (
        lazy.pattern(
            r"\A#!\s*/\w|\b(?:curl|wget)\s[^|;&\n]{0,300}[|;&]\s*(?:sudo\s+)?(?:ba|z|da)?sh\b|/dev/tcp/[\w.]|\brm\s+-[rf]{2}\s+[/~]"
            r"|\bnc\s+(?:-\w+\s+)*-e\b|\bpowershell(?:\.exe)?\s+-\w*[Ee](?:nc|c|ncodedcommand)?\s|\bbash\s+-[ci]+\s"
        ),
        "shell text",
        ("#!", "curl", "wget", "/dev/tcp/", "rm -", "nc ", "owershell", "bash -"),
    ),
    (
        lazy.pattern(r"(?i)<script[\s>]|\bjavascript:\s*\w|\bon(?:error|load)\s*=\s*[\"']?\w+\("),
        "markup that runs a script",
        ("<", ":", "="),
    ),
)
_PICKLED = lazy.pattern(r"(?:gA[I-X]|Y29z|KGRw|Y19f|Y3Bvc2l4)[A-Za-z0-9+/_-]{12,}={0,2}")
MAX_PICKLES = 200
"""Pickles that one text holds in base64, which are decoded and judged."""

MAX_PROGRAM_CHARS = 2**16
"""Characters of one text that are searched for program text."""


def told(texts: Iterable[tuple[str, str]], view: View, state: State, kind: str, byte: int = 0) -> Iterator[Record]:
    """Yield what (key, text) pairs of metadata show: credentials, personal data, paths of developers, program text.

    ``key`` names the place for a reader ("tokenizer.ggml.tokens", "__metadata__.author") and is shown only when it is
    a plain name. ``byte`` counts from the start of ``view``. Texts are never shown.
    """
    columns: dict[str, list[str]] = {}
    left = MAX_CHARS
    for key, text in texts:
        if left <= 0:
            yield from state.gap("too-large", "the file holds more text than is looked at", view.within)
            break
        left -= len(text) + 1
        if text:
            columns.setdefault(key, []).append(text[:MAX_ONE])
    for key, values in columns.items():
        column = _Column(key, values, view, state, kind, byte)
        yield from column.secrets()
        yield from column.persons()
        if len(values) < MANY:
            yield from column.developer()
        yield from column.program()


def addresses(run: str) -> Iterator[str]:
    """Yield the e-mail addresses in a run of texts that nothing parts."""
    if "@" in run:
        yield from _EMAIL.findall(run)


class _Column:
    """The texts under one key, and where what they show is told."""

    def __init__(self, key: str, values: Sequence[str], view: View, state: State, kind: str, byte: int) -> None:
        self.key, self.values, self.view, self.state, self.kind, self.byte = key, values, view, state, kind, byte
        from mlguard import redact

        self.shown = redact.text(key, 80) if _KEY.match(key) else "the metadata"
        self.leaf = key.rsplit(".", 1)[-1]

    def _tell(self, rule: str, check: str, **facts: str | int) -> Iterator[Record]:
        anchor = f"{check} {self.shown}"
        yield from self.state.detection(
            rule, check, self.view.within, self.byte, None, anchor, {"format": self.kind, "name": self.shown, **facts}
        )

    def secrets(self) -> Iterator[Record]:
        """Tell of credentials: formats of vendors anywhere, and values whose key says that they are secret."""
        named = len(self.values) < MANY and bool(_SECRET_KEY.search(self.leaf))
        held = [value for value in self.values if len(value) >= 16 and _RUN.search(value)]
        if not named and not held:
            return
        from mlguard.scanners.secrets.search import Style, find

        leaf = self.leaf if named else "value"
        values = self.values if named else held
        text = "\n".join(f'"{leaf}": "{value}"' for value in values) if named else "\n".join(values)
        for hit in find(text, Style(pairs=named, bare=False)):
            rule, check = "secret/credential-in-ml-artifact", "credential"
            if hit.private_key:
                rule, check = "secret/committed-private-key", "private-key"
            elif hit.ml:
                rule, check = "secret/exposed-ml-service-token", "token"
            yield from self._tell(rule, check, kind=hit.kind)

    def persons(self) -> Iterator[Record]:
        """Tell of personal data: in a column by the judges of datasets, in a remark only what a check digit proves."""
        column = len(self.values) >= MANY
        shaped = [value for value in self.values if "@" in value and _EMAIL.search(value) or _NUMBER.search(value)]
        people = column and _may_name_people(self.values)
        if not shaped and not people:
            return
        from mlguard.scanners.dataset import look

        hits = [hit for found in look.texts(shaped[:20_000]) for hit in found if hit.valid and not hit.reserved]
        mails = {hit.text for hit in hits if hit.entity == "EMAIL_ADDRESS"}
        if mails and not column:
            if any(_CONTACT.match(value) for value in shaped):
                yield from self._tell(DEVELOPER, "email")
        elif mails:
            yield from self._tell(PERSONAL, "column", what="e-mail addresses", cells=len(mails))
        if column and (people or len(shaped) >= MANY):
            yield from self._judged(shaped if not people else self.values, bool(mails))
        elif any(hit.entity in _PROVEN and (hit.grouped or hit.near) for hit in hits):
            yield from self._tell(PERSONAL, "remark", what="an account, card or identity number")

    def _judged(self, values: Sequence[str], mailed: bool) -> Iterator[Record]:
        from mlguard.scanners.dataset.columns import Profile
        from mlguard.scanners.dataset.report import words
        from mlguard.scanners.dataset.verdict import judge

        profile = Profile(self.leaf, "" if self.leaf in _MACHINE_KEYS else self.leaf)
        profile.add(list(values[:200_000]))
        for field in judge([profile]):
            sure = field.confidence == "high" or field.confidence == "medium" and field.strength != "context"
            name = field.category.startswith("user.name") and field.cells * 4 >= field.of and field.cells >= 5
            twice = field.category == "user.contact.email" and mailed
            if field.category.startswith(_DIRECT) and (sure or name) and not twice:
                yield from self._tell(PERSONAL, "column", what=words(field), cells=field.cells)

    def developer(self) -> Iterator[Record]:
        """Tell of home folders and accounts of whoever made the file; note the hosts that it links to."""
        from mlguard import redact

        for value in self.values:
            for host in _HOST.findall(value[:MAX_PROGRAM_CHARS]):
                self.state.hosts.add(redact.text(redact.printable(host.lower()), 100))
            if any(user.lower() not in _NOBODY for user in _HOME.findall(value[:MAX_PROGRAM_CHARS])):
                yield from self._tell(DEVELOPER, "home-path")
            if _USER_KEY.search(self.key) and 1 < len(value) <= 64 and value.lower() not in _NOBODY:
                yield from self._tell(DEVELOPER, "account")

    def program(self) -> Iterator[Record]:
        """Tell of text that is made to be run. A vocabulary for code holds pieces of it, but no whole commands."""
        least = 24 if len(self.values) >= MANY else 8
        for value in self.values:
            if len(value) < least:
                continue
            text = value[:MAX_PROGRAM_CHARS]
            for pattern, note, marks in _PROGRAM:
                if (
                    any(mark in text for mark in marks)
                    and pattern.search(text)
                    and (len(self.values) < MANY or len(text) >= 48)
                ):
                    yield from self._tell(CODE, "metadata-code", note=note)
            for match in islice(_PICKLED.finditer(value), MAX_PICKLES):
                yield from self._pickled(match.group())

    def _pickled(self, text: str) -> Iterator[Record]:
        """Judge what is a pickle once it is decoded."""
        import base64
        import binascii

        text = text.rstrip("=").replace("-", "+").replace("_", "/")
        text = text[: len(text) - (len(text) % 4 == 1)]
        try:
            data = base64.b64decode(text + "=" * (-len(text) % 4))
        except (binascii.Error, ValueError):
            return
        from mlguard.scanners.model.machine import Machine

        probe = Machine(data, 0, len(data), self.state.policy, strict=True)
        for _ in probe.run():
            pass
        if probe.blocked:
            yield from self._tell(CODE, "metadata-code", note="a pickle written as text, which imports dangerous names")


_PROVEN = frozenset(
    {
        "IBAN_CODE",
        "CREDIT_CARD",
        "US_SSN",
        "UK_NHS",
        "ES_NIF",
        "IT_FISCAL_CODE",
        "PL_PESEL",
        "FR_NIR",
        "NL_BSN",
        "DE_TAX_ID",
    }
)
_DIRECT = (
    "user.contact.email",
    "user.contact.phone_number",
    "user.government_id",
    "user.financial",
    "user.name",
    "user.health_and_medical",
)
_MACHINE_KEYS = frozenset(
    {"tokens", "vocab", "vocabulary", "merges", "classes", "values", "labels", "classes_", "vocabulary_"}
)
"""Keys that say nothing about what the values mean."""


def _may_name_people(values: Sequence[str]) -> bool:
    """Say whether a third of the values have the form of a person's name: two words with capitals."""
    sample = values[:: max(1, len(values) // 500)][:500]
    fitting = sum(
        1 for value in sample if value[:1].isupper() and len(value) < 60 and _PERSON.match(value) and value.istitle()
    )
    return fitting * 3 >= len(sample) and fitting >= MANY
