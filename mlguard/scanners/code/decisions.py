"""Checks on decisions about people that a prediction takes alone."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from weakref import WeakKeyDictionary

from mlguard import lazy
from mlguard.scanners.code import lexicon, taint
from mlguard.scanners.code.hiding import called
from mlguard.scanners.code.names import Names
from mlguard.scanners.code.seeing import Call, Place, Sight, on_call, on_node
from mlguard.scanners.code.tree import FUNCTIONS, Function, inside, walk

DECISIONS = "code/decision-without-human-review"

_PREDICTS = frozenset(
    {
        "predict",
        "predict_proba",
        "decision_function",
        "predict_log_proba",
        "predict_on_batch",
        "predict_one",
        "predict_proba_one",
        "predict_classes",
        "score_samples",
    }
)
_VERBS = lazy.pattern(
    r"(?:^|_)(?:reject\w*|den(?:y|ied|ies)|declin\w*|refus\w*|terminat\w*|dismiss\w*|fire|fired|evict\w*|foreclos\w*|suspend\w*|ban|banned|block\w*|blacklist\w*|expel\w*|disqualif\w*"
    r"|revoke\w*|deport\w*|lay_?off|auto_?reject\w*|auto_?deny|ablehn\w*|kundig\w*|sperr\w*|refuser|rejeter|licencier|rechazar|denegar|despedir|rifiuta\w*|licenzia\w*|afwijzen|ontslaan|weiger\w*"
    r"|rejeitar|recusar|demitir|odrzuc\w*|zwoln\w*)(?:_|$)"
)
_HARSH = lazy.pattern(
    r"(?:(?:auto|send|issue|notify|email|mail|mark|set|apply|process|do|make)_)*(?:reject(?:ion|ed)?|deny|denial|denied|decline|declined|refuse|refusal|dismiss|dismissal|terminate|evict|ablehnen|absage|kundigen|rechazar|rechazo"
    r"|denegar|despedir|rifiutare|rifiuta|licenziare|refuser|refus|licencier|afwijzen|afwijzing|ontslaan|rejeitar|recusar|despedir|demitir|odrzuc|odmow|zwolnij)(?:_(?:letter|mail|email|notice|notification))?$"
)
"""Names of what is only done to people, whatever it is called with."""
_OUTCOMES = lazy.pattern(
    r"^(?:auto[_ -]?)?(?:rejected|denied|declined|refused|terminated|reject|deny|decline|suspended|banned|dismissed|ineligible|not[_ ]hired|not[_ ]approved|abgelehnt|refuse|rechazad[oa]|rifiutat[oa]|afgewezen|recusad[oa]|odrzucon[oy])$",
    re.I,
)
_SUBJECTS = lazy.pattern(
    r"(?:^|_)(?:application\w*|applicant\w*|loan\w*|credit\w*|mortgage\w*|claim\w*|candidate\w*|customer\w*|user\w*|account\w*|employee\w*|worker\w*|student\w*|tenant\w*|patient\w*|borrower\w*|person|client\w*|member\w*"
    r"|insur\w*|polic(?:y|ies)|benefit\w*|visa|asylum|contract\w*|offer|hiring|job|admission\w*|request\w*|case|order\w*|payment\w*|transaction\w*|status|decision|outcome|verdict|card|resume|cv|subscriber\w*|driver\w*|passenger\w*|seller\w*"
    r"|antrag\w*|bewerb\w*|kunde\w*|kredit\w*|demande\w*|candidat\w*|solicitud\w*|prestamo\w*|domanda\w*|prestito\w*|aanvraag\w*|lening\w*|pedido\w*|emprestimo\w*|wniosek\w*|kredyt\w*)(?:_|$)"
)
_HUMAN = lazy.pattern(
    r"human|review|manual|escalat|caseworker|case_worker|officer|analyst|moderator|underwriter|supervisor|second_opinion|appeal|four_eyes|referral|refer_to|queue|sachbearbeiter|prufung|pruef|examen_humain|revision|"
    r"revisor|beoordel|weryfik|adjudicat|approval_by|assign_to|hitl|oversight|escalade|recommend|suggest|flag_for|draft|pending",
    re.I,
)


@on_node(ast.If, words=_PREDICTS, called=_PREDICTS)
def decided(node: ast.If, place: Place) -> Iterator[Sight]:
    """A branch on a prediction that rejects, denies or terminates."""
    if not any(map(_decision, (*inside(node.body), *inside(node.orelse)))) or not _is_prediction(node.test, place):
        return
    function = place.scope.node
    if _is_reviewed(function, place) if isinstance(function, FUNCTIONS) else _asks_somebody([node]):
        return
    for branch in (node.body, node.orelse):
        for statement in inside(branch):
            found = _decision(statement)
            if found is not None and (found[1].endswith("()") or _on_people(place, node)):
                yield Sight(DECISIONS, "predict-to-decision", found[0], {"call": found[1]})
                return


@on_node(ast.Match, words=_PREDICTS, called=_PREDICTS)
def matched(node: ast.Match, place: Place) -> Iterator[Sight]:
    """A match on a prediction that rejects, denies or terminates in a case."""
    function = place.scope.node
    if not _is_prediction(node.subject, place) or (
        _is_reviewed(function, place) if isinstance(function, FUNCTIONS) else _asks_somebody([node])
    ):
        return
    for case in node.cases:
        for statement in inside(case.body):
            found = _decision(statement)
            if found is not None and (found[1].endswith("()") or _on_people(place, node)):
                yield Sight(DECISIONS, "predict-to-decision", found[0], {"call": found[1]})
                return


@on_node(ast.IfExp, words=_PREDICTS, called=_PREDICTS)
def chosen(node: ast.IfExp, place: Place) -> Iterator[Sight]:
    """An outcome that is chosen by a prediction: "rejected" if model.predict(x)[0] else "approved"."""
    outcome = next((name for side in (node.body, node.orelse) if (name := _outcome(side) or _verb(side))), "")
    if outcome and (_is_prediction(node.test, place) or _over_predictions(node, place)):
        function = place.scope.node
        if not (isinstance(function, FUNCTIONS) and _is_reviewed(function, place)) and _on_people(place, node):
            yield Sight(DECISIONS, "predict-to-decision", node, {"call": outcome})


_APPLIED_FOR = lazy.pattern(
    r"applicant|application_|application|loan|credit|mortgage|claim|candidate|customer|employee|student|tenant|patient|borrower|insur|benefit|visa|hiring|hire|admission|user|person|account|antrag|bewerb|kunde|kredit|client|pret|prestamo|prestito|lening|emprestimo|wniosek|kredyt|solicit|demande|member|citizen|subscriber|driver|resume|policyholder",
    re.I,
)
_GRANTED = lazy.pattern(
    r"^(?:auto[_ ]?)?(?:approve[sd]?|accept(?:ed)?|grant(?:ed)?|hired?|admit(?:ted)?|eligible|genehmigt|accepte|aprobad[oa]|approvat[oa]|goedgekeurd|aprovad[oa]|przyznan[oy])$",
    re.I,
)


def _on_people(place: Place, node: ast.AST) -> bool:
    """Say whether an outcome is about somebody who applies for something, rather than about a part on a belt."""
    function = place.scope.node
    whole: ast.AST = function if isinstance(function, FUNCTIONS) else node
    for inner in islice(ast.walk(whole), 2000):
        name = (
            inner.id
            if isinstance(inner, ast.Name)
            else inner.arg
            if isinstance(inner, ast.arg)
            else inner.attr
            if isinstance(inner, ast.Attribute)
            else ""
        )
        if name and _APPLIED_FOR.search(name):
            return True
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str) and _GRANTED.match(inner.value):
            return True
    return isinstance(function, FUNCTIONS) and bool(_APPLIED_FOR.search(function.name))


def _over_predictions(node: ast.IfExp, place: Place) -> bool:
    """Say whether an expression is that of a lambda that is applied to a column of predictions."""
    tree = place.source.tree
    function = tree.parent(node)
    user = tree.parent(function) if isinstance(function, ast.Lambda) else None
    if not (isinstance(user, ast.Call) and isinstance(user.func, ast.Attribute) and user.func.attr in ("apply", "map")):
        return False
    column, scope = user.func.value, tree.scope(user)
    if _is_prediction(column, Place(scope, place.source, place.names, user)):
        return True
    if isinstance(column, ast.Subscript) and isinstance(column.value, ast.Name):
        key = place.names.constant(column.slice, scope)
        holder = place.names.holder(column.value.id, scope) or tree.root
        value = (
            holder.entries.get(column.value.id, {}).get(key) if holder is not None and isinstance(key, str) else None
        )
        return value is not None and any(
            isinstance(part, ast.Call) and called(part) in _PREDICTS for part in islice(ast.walk(value), 200)
        )
    return False


@on_call("where", "select", words=_PREDICTS)
def mapped(call: Call) -> Iterator[Sight]:
    """Outcomes that are chosen for each row: numpy.where(model.predict_proba(X)[:, 1] > 0.5, "reject", "accept")."""
    if len(call.node.args) < 3:
        return
    test, *sides = call.node.args[:3]
    outcome = next((name for side in sides if (name := _outcome(side))), "")
    place = Place(call.scope, call.source, call.names, call.node)
    if outcome and _is_prediction(test, place) and _on_people(place, call.node):
        function = call.scope.node
        if not (isinstance(function, FUNCTIONS) and _is_reviewed(function, place)):
            yield call.sees(DECISIONS, "predict-to-decision", call=outcome)


def _is_prediction(test: ast.expr, place: Place) -> bool:
    if "prediction" in taint.of(test, place.scope, place.names):
        return True
    for inner in walk(test):
        if isinstance(inner, ast.Call) and called(inner) in _PREDICTS:
            return True
        if isinstance(inner, ast.Name) and (holder := place.names.holder(inner.id, place.scope)) is not None:
            values = holder.values.get(inner.id, ())[:6]
            if any(
                isinstance(part, ast.Call) and called(part) in _PREDICTS
                for value in values
                if isinstance(value, ast.expr)
                for part in walk(value)
            ):
                return True
            sources = holder.parts.get(inner.id, ())[:3]
            looked = [sub for part in sources for sub in walk(part) if isinstance(sub, ast.Name)]
            if any(_is_predicted(name, place) for name in looked[:6]):
                return True
    return False


def _is_predicted(name: ast.Name, place: Place) -> bool:
    """Say whether a name holds what a model predicted."""
    single = place.names.single(name.id, place.scope)
    return single is not None and any(
        isinstance(part, ast.Call) and called(part) in _PREDICTS for part in walk(single[0])
    )


def _decision(statement: ast.AST) -> tuple[ast.AST, str] | None:
    """Return what a statement decides against somebody, with a name for it."""
    if isinstance(statement, ast.Expr | ast.Return | ast.Assign | ast.AnnAssign):
        value = statement.value
        inner = value.value if isinstance(value, ast.Await) else value
        if isinstance(inner, ast.Call) and (name := _verb(inner)):
            return inner, f"{name}()"
        if isinstance(inner, ast.Call) and _HARSH.match("_".join(lexicon.words(called(inner)))):
            return inner, called(inner)  # to whom it is done must be told from elsewhere
        if isinstance(statement, ast.Return) and (name := _outcome(value)):
            return statement, name
        if (
            isinstance(statement, ast.Assign)
            and (name := _outcome(value))
            and isinstance(statement.targets[0], ast.Attribute | ast.Subscript | ast.Name)
        ):
            return statement, name
    return None


def _verb(node: ast.AST | None) -> str:
    if not isinstance(node, ast.Call):
        return ""
    name = "_".join(lexicon.words(called(node)))
    if not _VERBS.search(name):
        return ""
    owner = node.func.value if isinstance(node.func, ast.Attribute) else None
    given = [arg for arg in node.args[:2] if isinstance(arg, ast.Name | ast.Attribute | ast.Subscript)]
    about = "_".join([name, *(word for part in (owner, *given) for word in _words(part))])
    return called(node) if _SUBJECTS.search(about) else ""


def _words(node: ast.AST | None) -> Iterator[str]:
    """Yield the words of the names in an expression."""
    for inner in islice(ast.walk(node), 40) if node is not None else ():
        name = inner.id if isinstance(inner, ast.Name) else inner.attr if isinstance(inner, ast.Attribute) else ""
        yield from lexicon.words(name)


def _outcome(node: ast.AST | None) -> str:
    if isinstance(node, ast.Constant):
        return node.value.lower() if isinstance(node.value, str) and _OUTCOMES.match(node.value) else ""
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and key.value in (
                "decision",
                "status",
                "outcome",
                "result",
                "verdict",
                "action",
                "approved",
                "entscheidung",
                "decision_code",
            ):
                if found := _outcome(value):
                    return found
                if key.value == "approved" and isinstance(value, ast.Constant) and value.value is False:
                    return "not approved"
    return ""


_known: WeakKeyDictionary[Names, dict[int, bool]] = WeakKeyDictionary()


def _is_reviewed(function: Function, place: Place) -> bool:
    """Say whether a person has a part in a function, which is looked through once."""
    known = _known.setdefault(place.names, {})
    if id(function) not in known:
        known[id(function)] = _asks_somebody(function.body)
    return known[id(function)]


def _asks_somebody(body: Sequence[ast.AST]) -> bool:
    """Say whether a person has a part in it: a queue for review, an officer, an appeal."""
    for statement in body:
        for inner in walk(statement):
            name = inner.id if isinstance(inner, ast.Name) else inner.attr if isinstance(inner, ast.Attribute) else ""
            if name and _HUMAN.search(name):
                return True
            if isinstance(inner, ast.keyword) and inner.arg and _HUMAN.search(inner.arg):
                return True
            if (
                isinstance(inner, ast.Constant)
                and isinstance(inner.value, str)
                and len(inner.value) < 60
                and _HUMAN.search(inner.value)
            ):
                return True
    return False


CHECKS = (decided, matched, chosen, mapped)
