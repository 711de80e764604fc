"""Says which names of packages are probably not the ones that were meant.

Nothing is asked of an index: a name is compared with tables of names that are asked for most. A name that was made up and is close
to none of them cannot be told from a rare one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Literal

from mlguard import tables
from mlguard.values import dataclass, field

MAX_NAME = 100
"""Characters of a name that is compared; longer ones are no slips of the hand."""

Check = Literal["typo", "near", "look-alike", "separators", "word-order", "affix", "import-name", "standard-library"]


_STANDARD = sys.stdlib_module_names | {
    "aifc", "asynchat", "asyncore", "audioop", "cgi", "cgitb", "chunk", "crypt", "distutils", "imghdr", "imp", "lib2to3", "mailcap", "msilib",
    "nis", "nntplib", "ossaudiodev", "pipes", "smtpd", "sndhdr", "spwd", "sunau", "telnetlib", "uu", "xdrlib",
}  # fmt: skip
"""Modules of Python, also those that releases since 3.12 have no more."""


@dataclass(frozen=True, slots=True)
class Suspicion:
    """What is odd about a name: the check of the rule's page, and the package that was probably meant, or ""."""

    check: Check
    meant: str


@lru_cache(maxsize=10_000)
def judge(name: str) -> Suspicion | None:
    """Return what is odd about a canonical name (PEP 503), or None."""
    if not _squeezed(name) or len(name) > MAX_NAME:
        return None
    if (meant := tables.table("import-names")["wrong"].get(name)) is not None:
        return Suspicion("import-name", str(meant))
    if name in _packages().known:
        return None
    return next(_doubts(name), None)


def _doubts(name: str) -> Iterator[Suspicion]:
    """Yield suspicions, the surest first."""
    packages = _packages()
    if (meant := packages.squeezed.get(_squeezed(name))) is not None:
        yield Suspicion("separators", meant)
    if (meant := packages.shapes.get(_shape(_squeezed(name)))) is not None and not _only_digits_differ(name, meant):
        yield Suspicion("look-alike", meant)
    if (meant := packages.words.get(_words(name))) is not None and "-" in name:
        yield Suspicion("word-order", meant)
    if meant := _slip(name):
        yield Suspicion("near" if packages.meant[meant] else "typo", meant)
    if meant := _bare(name):
        yield Suspicion("affix", meant)
    if name.replace("-", "_") in _STANDARD:
        yield Suspicion("standard-library", "")


# ---- the tables


@dataclass(slots=True)
class _Packages:
    """The names that can have been meant, by what a slip leaves of them, and all names that are known."""

    known: frozenset[str]
    meant: dict[str, int]  # 0 for the stack, 1 for others
    squeezed: dict[str, str] = field(default_factory=dict)
    shapes: dict[str, str] = field(default_factory=dict)
    words: dict[tuple[str, ...], str] = field(default_factory=dict)
    heads: dict[tuple[str, int], list[str]] = field(default_factory=dict)  # by first letter and length
    tails: dict[str, list[str]] = field(default_factory=dict)  # by all but the first letter

    def __post_init__(self) -> None:
        names = list(self.meant)
        # All names at once, a line each: no replacement reaches over the end of one.
        plain = _squeezed("\n".join(names)).split("\n")
        shapes = _shape("\n".join(plain)).split("\n")
        # Of names that leave the same the first one counts, which is put in last.
        self.squeezed = dict(zip(reversed(plain), reversed(names), strict=True))
        self.shapes = {
            shape: name
            for shape, bare, name in zip(reversed(shapes), reversed(plain), reversed(names), strict=True)
            if len(bare) >= MIN_LENGTH
        }
        self.words = {_words(name): name for name in reversed(names) if "-" in name}
        heads, tails = self.heads, self.tails
        for name, bare in zip(names, plain, strict=True):
            head, tail = (bare[0], len(bare)), bare[1:]
            if head in heads:
                heads[head].append(name)
            else:
                heads[head] = [name]
            if tail in tails:
                tails[tail].append(name)
            else:
                tails[tail] = [name]


@cache
def _packages() -> _Packages:
    table = tables.table("ml-packages")
    stack, popular = table["stack"].split(), table["popular"].split()
    return _Packages(
        frozenset((*stack, *popular, *table["known"].split())), {**dict.fromkeys(popular, 1), **dict.fromkeys(stack, 0)}
    )


def known(name: str) -> bool:
    """Say whether the tables know a canonical name."""
    return name in _packages().known


def _squeezed(name: str) -> str:
    return name.replace("-", "")


def _words(name: str) -> tuple[str, ...]:
    return tuple(sorted(name.split("-")))


_LOOK_ALIKE = str.maketrans({"0": "o", "1": "l", "i": "l", "5": "s", "3": "e", "4": "a", "8": "b", "6": "b", "9": "g"})


def _shape(plain: str) -> str:
    """Return a name as it looks at a glance."""
    return plain.replace("rn", "m").replace("vv", "w").replace("cl", "d").replace("nn", "m").translate(_LOOK_ALIKE)


def _only_digits_differ(name: str, other: str) -> bool:
    """Say whether two names differ in a version only, as numba-cuda12 and numba-cuda13."""
    return _letters(name) == _letters(other)


def _letters(name: str) -> str:
    return "".join(sign for sign in name if not sign.isdigit() and sign != "-")


_LETTERS = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0445\u0443\u0456\u0458\u0455\u0501\u043a\u043c\u0442\u043d\u0432\u0433\u03bf\u03b1\u03bd\u03c1\u03b9\u03ba\u03c4\u0131\u0261\u0570\u057d\u0578",
    "aeopcxyijsdkmthbroavpiktighun",
)
"""Letters of Cyrillic, Greek and Armenian, and of phonetic writing, that look like those of ASCII (Unicode, confusables.txt)."""


def disguised(text: str) -> str:
    """Return the known package that a name with letters outside ASCII looks like, or ""."""
    import unicodedata

    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text.casefold()).translate(_LETTERS))
    plain = "".join(sign for sign in plain if not unicodedata.combining(sign) and sign.isprintable())
    from mlguard.scanners.dependencies.normal import canonical as canonicalize_name

    name = str(canonicalize_name(plain))
    return name if not text.isascii() and len(text) <= MAX_NAME and known(name) else ""


# ---- slips of the hand

MIN_LENGTH = 5
"""Characters of a name of which a slip can be told: between shorter words every one is near another."""

SURE_LENGTH = 7
"""Characters from which on any single slip counts; in shorter names those that hands and eyes make often."""

TWICE_LENGTH = 10
"""Characters from which on two slips count."""

_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


@cache
def _neighbours() -> frozenset[tuple[str, str]]:
    """Return pairs of letters that lie side by side on a keyboard, in one row or in the row below, or that sound or look alike."""
    pairs = set()
    for row, keys in enumerate(_KEYS):
        for column, key in enumerate(keys):
            near = [keys[column + 1 : column + 2]]
            if row + 1 < len(_KEYS):
                near += [_KEYS[row + 1][column : column + 1], _KEYS[row + 1][max(column - 1, 0) : column]]
            pairs |= {(key, other) for other in near if other}
    pairs |= {
        ("i", "y"),
        ("c", "k"),
        ("c", "s"),
        ("s", "z"),
        ("a", "e"),
        ("e", "i"),
        ("o", "u"),
        ("a", "o"),
        ("f", "p"),
        ("m", "n"),
    }
    return frozenset(pairs | {(other, key) for key, other in pairs})


def _slip(name: str) -> str:
    """Return the name that one slip makes this one of, two in long names, or ""."""
    plain, packages = _squeezed(name), _packages()
    signs = _signs(plain)
    found: list[tuple[int, int, str]] = []
    for other in dict.fromkeys(_near(plain, packages, signs)):
        cost = _distance_of_names(name, other)
        if cost:
            found.append((cost, packages.meant[other], other))
    return min(found)[2] if found else ""


@lru_cache(maxsize=16_384)
def _signs(name: str) -> int:
    """Return which signs a name is made of, without those between its words, a bit for each."""
    found = 0
    for sign in _squeezed(name):
        found |= 1 << (ord(sign) & 127)
    return found


def _alike(head: tuple[str, int], signs: int) -> list[str]:
    """Return names of this first letter and length that two slips can make of these signs: each changes two at most."""
    return [name for found, name in _marked(head) if (signs ^ found).bit_count() <= 4]


@lru_cache(maxsize=4_096)
def _marked(head: tuple[str, int]) -> list[tuple[int, str]]:
    return [(_signs(name), name) for name in _packages().heads.get(head, ())]


def _near(plain: str, packages: _Packages, signs: int) -> Iterator[str]:
    """Yield names that can be near: of the same first letter and nearly the length, or the same but for the first letters."""
    reach = 2 if len(plain) >= TWICE_LENGTH else 1
    for length in range(len(plain) - reach, len(plain) + reach + 1):
        yield from _alike((plain[0], length), signs)
    yield from packages.tails.get(plain[1:], ())  # another first letter
    yield from packages.tails.get(plain, ())  # the first one left out
    if len(plain) > 2:
        yield from _alike((plain[1], len(plain) - 1), signs)  # one too many before it
        yield from _alike((plain[1], len(plain)), signs)  # the first two in the other order


def _distance_of_names(name: str, other: str) -> int:
    """Return how many slips lie between a name and a known one, 0 when it is no slip.

    Of names with as many parts only the one part that differs is looked at: google-cloud-tasks is no slip of google-cloud-talent.
    """
    parts, others = name.split("-"), other.split("-")
    if len(parts) == len(others):
        differing = [(one, two) for one, two in zip(parts, others, strict=True) if one != two]
        if len(differing) > 2:
            return 0
        if len(differing) == 1 and len(parts) > 1:
            return _slips(*differing[0], whole=len(_squeezed(other)))
    elif name.startswith(f"{other}-") or other.startswith(f"{name}-"):
        return 0  # an addition to it, by its name
    slips = _slips(_squeezed(name), _squeezed(other))
    return slips if len(parts) == len(others) or slips == 1 else 0


def _slips(one: str, two: str, whole: int = 0) -> int:
    """Return 1 or 2 for so many slips, 0 for none or more, and for a difference that is a name of its own.

    ``whole`` is the length of the name that the two are a part of, 0 when they are all of it.
    """
    shorter, longer = sorted((len(one), len(two)))
    if longer < 2 or _letters(one) == _letters(two):
        return 0
    if shorter < MIN_LENGTH - 1 or longer < MIN_LENGTH:
        return int(whole >= SURE_LENGTH + 1 and (_is_swap(one, two) or one in (f"{two}s", f"{two}{two[-1:]}")))
    if longer >= MIN_LENGTH + 1 and _is_scrambled(one, two):
        return 1
    most = 2 if shorter >= TWICE_LENGTH else 1
    distance = damerau_levenshtein(one, two, most)
    if not 0 < distance <= most:
        return 0
    sure = longer >= SURE_LENGTH or whole >= TWICE_LENGTH
    return distance if distance == 2 or sure or _is_common(one, two) else 0


def _is_swap(one: str, two: str) -> bool:
    """Say whether two neighbours stand in the other order, and no more."""
    return len(one) == len(two) and sorted(one) == sorted(two) and damerau_levenshtein(one, two, 1) == 1


def _is_scrambled(one: str, two: str) -> bool:
    """Say whether the same letters stand in another order between the first and the last one."""
    return one[0] == two[0] and one[-1] == two[-1] and one != two and sorted(one) == sorted(two)


def _is_common(one: str, two: str) -> bool:
    """Say whether a single difference is one that hands make: doubled, swapped, left out inside, or the key beside."""
    if len(one) == len(two):
        at = [index for index, pair in enumerate(zip(one, two, strict=True)) if pair[0] != pair[1]]
        if len(at) == 2:
            return True  # two neighbours in the other order
        return (one[at[0]], two[at[0]]) in _neighbours()
    longer, shorter = (one, two) if len(one) > len(two) else (two, one)
    at_sign = next((i for i, sign in enumerate(shorter) if longer[i] != sign), len(shorter))
    extra = longer[at_sign]
    beside = longer[max(at_sign - 1, 0) : at_sign] + longer[at_sign + 1 : at_sign + 2]
    if longer == two:
        return 0 < at_sign < len(shorter)  # left out inside the known name
    if extra in beside:
        return True
    return at_sign < len(shorter) and any((extra, other) in _neighbours() for other in beside)


def damerau_levenshtein(one: str, two: str, most: int) -> int:
    """Return the least number of insertions, deletions, replacements and swaps of neighbours, or ``most`` + 1 when it is more."""
    if abs(len(one) - len(two)) > most:
        return most + 1
    before: list[int] = []
    row = list(range(len(two) + 1))
    for i, sign in enumerate(one, 1):
        before, last, row = row, before, [i]
        for j, other in enumerate(two, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (sign != other))
            if i > 1 and j > 1 and sign == two[j - 2] and one[i - 2] == other:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
    return min(row[-1], most + 1)


# ---- words around a known name

_BEFORE = ("python-", "python3-", "py-", "py3-", "python", "py", "lib", "the-", "real-", "official-", "pip-")
_AFTER = (
    "-python", "-python3", "-py", "-py3", "-lib", "-library", "-official", "-latest", "-stable", "-new", "-fixed", "-secure", "-pro",
    "-free", "-package", "-module", "-install", "-pip", "python", "lib", "py", "2", "3", "-2", "-3", "js", "-js",
)  # fmt: skip


def _bare(name: str) -> str:
    """Return the package of the stack that a name wears words around that add nothing, or ""."""
    stack = _packages().meant
    for before in _BEFORE:
        rest = name.removeprefix(before)
        if rest != name and len(rest) >= MIN_LENGTH - 1 and stack.get(rest) == 0:
            return rest
    for after in _AFTER:
        rest = name.removesuffix(after)
        if rest != name and len(rest) >= MIN_LENGTH - 1 and stack.get(rest) == 0:
            return rest
    return ""
