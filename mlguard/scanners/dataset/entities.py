"""Finds persons, places and groups in free text with language models that are installed. Never the only ground of a breach.

A model is code and weights of this installation, or of a folder that the person who runs mlguard names in an environment variable.
Nothing in the scanned tree can name one to load: its configuration may only choose among those that are installed.
"""

from __future__ import annotations

import json
import logging
import os
import re
import site
import sysconfig
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from mlguard import lazy
from mlguard.scanners.dataset import languages, terms
from mlguard.values import dataclass, replace

FOLDERS = "MLGUARD_NER_MODELS"
"""Environment variable with folders of models: ``de=/opt/models/de_core_news_lg-3.8.0``, several parted as in PATH."""

MAX_TEXTS = 100
"""Distinct texts of a column that a language model reads."""

MAX_TEXT = 2_000
"""Characters of a text that it reads."""

BATCH = 64
"""Texts that go through a model together; one by one takes 3.6 times as long."""

WANTED = ("PERSON", "LOCATION", "NRP", "ORGANIZATION", "AGE")
"""Presidio's names of what models find. Dates are none of them: alone they are nobody's data."""

_KEPT = frozenset(
    ["tok2vec", "transformer", "ner", "entity_ruler", "span_ruler", "senter", "curated_transformer", "beam_ner"]
)
"""Parts of a spaCy pipeline that finding names needs; the others cost time and are not loaded."""

_NAME = lazy.pattern(r"^([a-z]{2,3})_[a-z]+_[a-z]+_(sm|md|lg|trf)(?:_[a-z0-9]+)*$")
_SIZES = {"lg": 0, "md": 1, "sm": 2, "trf": 3}  # the last needs libraries that most installations lack


@dataclass(frozen=True, slots=True)
class Model:
    """A model for one language. ``name`` is fit to be shown; ``folder`` holds its configuration and weights."""

    language: str
    name: str
    folder: Path


@dataclass(frozen=True, slots=True)
class Mention:
    """Something that a model sees in a text, from ``start`` to before ``end``; ``score`` is of 1."""

    entity: str
    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True)
class Choice:
    """What the configuration asks for under ``dataset``: whether to look, with which engine, and which model for a language."""

    use: str = "auto"
    engine: str = "spacy"
    models: tuple[tuple[str, str], ...] = ()  # (language, name of an installed model)


def choice(settings: Mapping[str, Any]) -> Choice:
    """Return the choice in a scanner's settings. True and False stand for auto and off."""
    use = {True: "auto", False: "off"}.get(settings.get("ner", "auto"), settings.get("ner", "auto"))
    return Choice(
        str(use), str(settings.get("engine", "spacy")), tuple(sorted(dict(settings.get("models") or {}).items()))
    )


# --- Which models there are


@cache
def _homes() -> tuple[Path, ...]:
    """Return the folders in which this interpreter's own packages lie; not the current folder, which may be the scanned tree."""
    places = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *site.getsitepackages()]
    if site.ENABLE_USER_SITE:
        places.append(site.getusersitepackages())
    return tuple(dict.fromkeys(Path(place) for place in places if place and Path(place).is_dir()))


@cache
def installed() -> tuple[Model, ...]:
    """Return the spaCy models that are installed as packages: by language, the larger first."""
    found: dict[str, Model] = {}
    for home in _homes():
        for name in sorted(os.listdir(home)):
            match = _NAME.match(name)
            folder = _of_package(home / name) if match else None
            if match and folder is not None:
                found.setdefault(name, Model(match[1], name, folder))
    return tuple(sorted(found.values(), key=lambda m: (m.language, _SIZES[_NAME.match(m.name)[2]], m.name)))  # type: ignore[index]  # every name matched above


def _of_package(package: Path) -> Path | None:
    """Return the folder with the weights inside a model's package. The package's own code is never run."""
    try:
        told = json.loads((package / "meta.json").read_bytes())
        folder = package / f"{package.name}-{told['version']}"
        return folder if (folder / "config.cfg").is_file() else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _named_folders() -> list[tuple[str, Path]]:
    """Return (language, folder) as the environment names them."""
    found = []
    for part in os.environ.get(FOLDERS, "").split(os.pathsep):
        language, _, folder = part.partition("=")
        if re.fullmatch(r"[a-z]{2,3}", language.strip()) and folder.strip():
            found.append((language.strip(), Path(folder.strip())))
    return found


@dataclass(frozen=True, slots=True)
class Models:
    """The models of one run, by language, and why others that were asked for are not among them."""

    by_language: Mapping[str, Model]
    troubles: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.by_language)


def models(wanted: Choice, root: Path | None = None) -> Models:
    """Return the models to use. ``root`` is the scanned tree, in which no folder of a model may lie."""
    chosen: dict[str, Model] = {}
    troubles: list[str] = []
    if wanted.use == "off":
        return Models(chosen)
    if wanted.engine == "spacy":
        for model in installed():
            chosen.setdefault(model.language, model)
        by_name = {model.name: model for model in installed()}
        for language, name in wanted.models:
            if name in by_name:
                chosen[language] = by_name[name]
            else:
                chosen.pop(language, None)
                troubles.append(f"the model {name} for {language} is not installed")
    for language, folder in _named_folders():
        trouble = _refused(folder, wanted.engine, root)
        if trouble:
            chosen.pop(language, None)
            troubles.append(f"the folder of {FOLDERS} for {language} {trouble}")
        else:
            chosen[language] = Model(language, folder.name, folder)
    return Models({language: chosen[language] for language in sorted(chosen)}, tuple(troubles))


def _refused(folder: Path, engine: str, root: Path | None) -> str:
    """Return why a folder is not taken for a model, or "". Weights that are pickles are not: loading them runs code."""
    real = folder.resolve()
    if not folder.is_absolute() or not real.is_dir():
        return "is no absolute path of a folder"
    if root is not None and (real == root.resolve() or root.resolve() in real.parents):
        return "lies in the scanned tree"
    if engine == "spacy":
        return "" if (real / "config.cfg").is_file() else "holds no model of spaCy"
    if not any(real.glob("*.safetensors")) and not any(real.glob("*.onnx")):
        return "holds no weights as safetensors"
    return ""


# --- The engines


class Silence(logging.Handler):
    """Takes what Presidio logs, which may quote the text, and only counts what was skipped."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.skipped = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Count a record that says that a part of the work was left out."""
        told = str(record.msg)
        self.skipped += "timed out" in told or "timeout" in told.lower() or "skipping document" in told


@cache
def silence() -> Silence:
    """Put the one handler in place of all others on Presidio's logger, and return it."""
    handler = Silence()
    for name in ("presidio-analyzer", "presidio_analyzer"):
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.propagate = False
        logger.setLevel(logging.WARNING)
    for name in ("spacy", "transformers", "gliner", "huggingface_hub", "torch"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    return handler


class Reader:
    """Reads texts with the models of a run. Each is loaded when the first text in its language comes."""

    def __init__(self, wanted: Choice, chosen: Models) -> None:
        self.wanted, self.chosen = wanted, chosen
        self._engines: dict[str, Any] = {}

    @property
    def languages(self) -> frozenset[str]:
        """The languages that have a model."""
        return frozenset(self.chosen.by_language)

    def read(self, texts: Sequence[str], language: str) -> Iterator[list[Mention]]:
        """Yield what the model of the language sees in each text, in the order of the texts, false alarms left out."""
        cut = [_cased(text[:MAX_TEXT]) for text in texts]
        for text, found in zip(cut, self._look(cut, language), strict=True):
            told = (_person(text, mention) for mention in found)
            yield [mention for mention in told if mention.entity in WANTED and _plausible(text, mention)]

    @property
    def skipped(self) -> int:
        """How many texts were left out by a failure or a timeout inside the libraries, in this process so far."""
        return silence().skipped

    def _look(self, texts: Sequence[str], language: str) -> Iterator[list[Mention]]:
        if language not in self._engines:
            self._engines[language] = _loaded(self.wanted.engine, self.chosen.by_language[language])
        engine = self._engines[language]
        if self.wanted.engine == "gliner":
            for text in texts:
                results = engine.analyze(text, list(WANTED))
                yield sorted((Mention(r.entity_type, r.start, r.end, r.score) for r in results), key=lambda m: m.start)
            return
        for _, artifacts in engine.process_batch(list(texts), language, batch_size=BATCH):
            yield [
                Mention(entity.label_, entity.start_char, entity.end_char, float(score))
                for entity, score in zip(artifacts.entities, artifacts.scores, strict=True)
            ]


@lru_cache(maxsize=4)
def _loaded(engine: str, model: Model) -> Any:
    """Return Presidio's engine for one model. Nothing is fetched: the folder is there, and the libraries are told to stay offline."""
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"):
        os.environ[name] = "1"
    silence()
    if engine == "gliner":
        return _gliner(model)
    return _transformers(model) if engine == "transformers" else _spacy(model)


def _labels() -> Any:
    """Return Presidio's mapping of labels: what no one asks for is left out, models' own spellings are known."""
    from presidio_analyzer.nlp_engine import NerModelConfiguration

    mapping = dict(NerModelConfiguration().model_to_presidio_entity_mapping or {})
    mapping.update({"persName": "PERSON", "P": "PERSON", "placeName": "LOCATION", "geogName": "LOCATION", "G": "LOCATION", "FAC": "LOCATION"})  # fmt: skip
    ignored = ["MISC", "CARDINAL", "EVENT", "LANGUAGE", "LAW", "MONEY", "ORDINAL", "PERCENT", "PRODUCT", "QUANTITY", "WORK_OF_ART", "DATE", "TIME", "DATE_TIME", "O"]  # fmt: skip
    return NerModelConfiguration(model_to_presidio_entity_mapping=mapping, labels_to_ignore=ignored)


def _spacy(model: Model) -> Any:
    import spacy
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    class Engine(SpacyNlpEngine):
        nlp: Any

        def load(self) -> None:
            """Load from the folder, so that neither a package's code is run nor a download started."""
            told = json.loads((model.folder / "meta.json").read_bytes())
            left_out = [part for part in told.get("pipeline", []) if part not in _KEPT]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a model of an older release reads names as well
                self.nlp = {model.language: spacy.load(model.folder, exclude=left_out)}

    engine = Engine([{"lang_code": model.language, "model_name": model.name}], _labels())
    engine.load()
    return engine


def _transformers(model: Model) -> Any:
    import spacy
    from presidio_analyzer.nlp_engine import TransformersNlpEngine
    from presidio_analyzer.nlp_engine.huggingface_token_pipe import FACTORY_NAME

    class Engine(TransformersNlpEngine):
        nlp: Any

        def load(self) -> None:
            """Put the folder's model behind an empty pipeline of the language, which only parts words."""
            pipeline = spacy.blank(model.language)
            settings = self.ner_model_configuration
            pipeline.add_pipe(
                FACTORY_NAME,
                config={
                    "model": str(model.folder),
                    "stride": settings.stride,
                    "alignment_mode": settings.alignment_mode,
                    "aggregation_strategy": settings.aggregation_strategy,
                    "spans_key": self.entity_key,
                    "pipeline_kwargs": {
                        "trust_remote_code": False,
                        "model_kwargs": {"use_safetensors": True, "local_files_only": True},
                    },
                },
            )
            self.nlp = {model.language: pipeline}

    engine = Engine([{"lang_code": model.language, "model_name": {"spacy": "blank", "transformers": model.name}}], _labels())  # fmt: skip
    engine.load()
    return engine


def _gliner(model: Model) -> Any:
    from presidio_analyzer.predefined_recognizers import GLiNERRecognizer

    onnx = not any(model.folder.glob("*.safetensors"))
    return GLiNERRecognizer(
        entity_mapping={"person": "PERSON", "location": "LOCATION", "organization": "ORGANIZATION", "nationality or religion": "NRP", "age": "AGE"},
        supported_language=model.language,
        model_name=str(model.folder),
        threshold=0.5,
        map_location="cpu",
        load_onnx_model=onnx,
        local_files_only=True,
    )  # fmt: skip


# --- What is no name


_LOUD = lazy.pattern(r"\b[^\W\d_a-zß-öø-ÿ]{2,}(?:[ \-'’,]{1,2}[^\W\d_a-zß-öø-ÿ]{2,})+\b")


def _cased(text: str) -> str:
    """Return the text with names in capitals (JANE DOE) written as names are, at the same positions."""

    def softened(match: re.Match[str]) -> str:
        words = match.group()
        told = {terms.folded(word) for word in re.findall(r"[^\W\d_]+", words)}
        quiet = words.title()
        return quiet if told & terms.given_names() and len(quiet) == len(words) else words

    return _LOUD.sub(softened, text)


_CODE = lazy.pattern(
    r"[\d_/\\@#$%^*=<>{}\[\]()|~`;:\"!?]|(?<!\bMc)(?<!\bMac)(?<!\bDe)(?<!\bLa)(?<!\bLe)(?<!\bDi)(?<=[a-z])[A-Z]|\.(?=\w\w)|\bv\d"
)
_PARTICLES = frozenset(["de", "del", "della", "di", "da", "das", "do", "dos", "du", "van", "von", "der", "den", "het", "la", "le", "el", "al", "bin", "ibn", "ben", "abu", "y", "e", "zu", "ten", "ter", "te", "af", "av", "mac", "mc", "st", "san"])  # fmt: skip
_TITLE_WORD = lazy.pattern(
    r"mrs?|ms|miss|dr|prof|sir|herrn?|frau|mme|mlle|monsieur|madame|sra?|senora?|signora?|mevrouw|meneer|pan[i]?|senhora?|don|dona"
)
_TITLED = lazy.pattern(r"(?i)\b(?:mr|mrs|ms|miss|dr|prof|sir|herrn?|frau|mme|mlle|monsieur|madame|sr|sra|señora?|signora?|mevrouw|meneer|pan[ią]?|senhora?)\.? $")  # fmt: skip


def _plausible(text: str, mention: Mention) -> bool:
    """Say whether a mention may be what the model says. Persons need two words, or one that is a given name or follows a title."""
    found = text[mention.start : mention.end].strip(" .,;:!?'’\"")
    if not found or len(found) > 80 or _CODE.search(found):
        return False
    words = re.findall(r"[^\W\d_]+", found)
    if mention.entity != "PERSON":
        return any(word[0].isupper() for word in words) and not any(terms.folded(word) in not_names() for word in words)
    if not words or any(terms.folded(word) in not_names() for word in words):
        return False
    first = terms.folded(words[0])
    if languages.is_word(words[0].lower()) and first not in terms.given_names() and not _TITLE_WORD.fullmatch(first):
        return False  # "Der Akku": a text of another language
    if any(word.isupper() and len(word) > 2 for word in words) or _is_code(text, mention):
        return False
    capital = sum(word[0].isupper() for word in words)
    if capital + sum(word.lower() in _PARTICLES for word in words) < len(words):
        return False
    if len(words) > 1 and capital > 1:
        return True
    known = terms.folded(words[0]) in terms.given_names() and terms.folded(words[0]) not in ordinary_words()
    return bool(known or _TITLED.search(text, max(0, mention.start - 12), mention.start))


def _person(text: str, mention: Mention) -> Mention:
    """Return the mention as a person's when a small model calls a given name and another one a firm or a place."""
    if mention.entity not in ("ORGANIZATION", "LOCATION"):
        return mention
    words = re.findall(r"[^\W\d_]+", text[mention.start : mention.end])
    named = (
        len(words) > 1
        and terms.folded(words[0]) in terms.given_names()
        and terms.folded(words[0]) not in ordinary_words()
    )
    return (
        replace(mention, entity="PERSON")
        if named and len(words) < 5 and all(word[0].isupper() for word in words)
        else mention
    )


def _is_code(text: str, mention: Mention) -> bool:
    """Say whether the mention stands in code, a path, an address or a mark of a template."""
    before, after = text[max(0, mention.start - 2) : mention.start], text[mention.end : mention.end + 2]
    return bool(re.search(r"[`_/\\@#={<\[.\-]$", before) or re.match(r"[`_/\\@(={>\]]|\.\w|-\w", after))


@cache
def not_names() -> frozenset[str]:
    """Return words, without accents and in lower case, in whose company nothing is a person: products, frameworks, months, institutions."""
    from mlguard import tables

    return frozenset(str(tables.table("prose-terms")["not-names"]).split())


@cache
def ordinary_words() -> frozenset[str]:
    """Return given names that are also words or names of products, so that alone they are nobody's."""
    from mlguard import tables

    return frozenset(str(tables.table("prose-terms")["ordinary"]).split())


def distinct(mentions: Iterable[tuple[str, Mention]]) -> set[str]:
    """Return the distinct names among (text, mention), folded for comparing. For counting inside the scanner only."""
    return {" ".join(terms.tokens(text[mention.start : mention.end])) for text, mention in mentions}
