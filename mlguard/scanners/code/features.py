"""Checks on the columns that a model is trained on."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

from mlguard import lazy
from mlguard.scanners.code import frames, lexicon
from mlguard.scanners.code.seeing import Call, Place, Sight, on_call, on_node

SENSITIVE = "code/sensitive-attribute-as-feature"
IDENTIFIER = "code/identifier-as-feature"
PROXY = "code/protected-attribute-proxy"

_FITS = frozenset({"fit", "fit_predict", "partial_fit", "fit_transform", "fit_resample", "fit_generator", "fine_tune"})
_TABLES = frozenset(
    {"lightgbm.Dataset", "xgboost.DMatrix", "xgboost.QuantileDMatrix", "catboost.Pool", "torch.tensor", "torch.from_numpy", "torch.as_tensor", "torch.FloatTensor", "torch.Tensor",
     "torch.utils.data.TensorDataset", "tensorflow.data.Dataset.from_tensor_slices", "tensorflow.convert_to_tensor", "tensorflow.constant", "jax.numpy.array", "jax.numpy.asarray"}
)  # fmt: skip
_FIRST = frozenset({"sklearn.model_selection.train_test_split", "sklearn.model_selection.cross_validate", "statsmodels.api.OLS", "statsmodels.api.Logit", "xgboost.train", "lightgbm.train",
                    "sklearn.model_selection.cross_val_score", "sklearn.model_selection.cross_val_predict", "statsmodels.api.GLM", "sklearn.model_selection.learning_curve", "catboost.cv", "lightgbm.cv"})  # fmt: skip
_TRANSFORMERS = frozenset(
    {"sklearn.compose.ColumnTransformer", "sklearn.compose.make_column_transformer", "sklearn_pandas.DataFrameMapper"}
)
_LISTS = {"VectorAssembler": ("inputCols",), "setup": ("numeric_features", "categorical_features"), "train": ("x",), "from_df": ("cat_names", "cont_names"), "Pool": ("cat_features",),
          "ColumnConfig": ("columns",), "TabularPandas": ("cat_names", "cont_names"), "TabularDataLoaders": ("cat_names", "cont_names"), "TimeSeriesDataSet": ("static_categoricals", "static_reals", "time_varying_known_reals"),
          "FeatureView": ("schema",), "RFormula": ("formula",), "setInputCols": ()}  # fmt: skip
_COLUMNS = frozenset(
    {
        "numeric_column",
        "categorical_column_with_vocabulary_list",
        "categorical_column_with_hash_bucket",
        "categorical_column_with_identity",
    }
)
_FORMULAS = lazy.pattern(r"^(?:statsmodels\.formula\.api|patsy|formulaic|linearmodels|lifelines|pyfixest|bambi)\b")
_AFTER_FIT = lazy.pattern(r"(?:Encoder|Imputer|Anonymizer|Hasher|Masker|Engine|Tokenizer|Vectorizer)")


@on_call(*_FITS, *(path.rpartition(".")[2] for path in _TABLES | _TRANSFORMERS | _FIRST), *_LISTS, personal=True)
def features(call: Call) -> Iterator[Sight]:
    """Columns that a model must not be trained on."""
    last = call.last
    if last in _FITS and call.receiver is not None:
        yield from _frame(call, call.argument(0, "X", "x", "data", "df", "training_frame", "dataset"))
    elif call.path in _TABLES:
        yield from _frame(call, call.argument(0, "data", "value", "tensors"))
    elif call.path in _FIRST:
        position = (
            1 if call.path.startswith("statsmodels") or last.startswith("cross") or last == "learning_curve" else 0
        )
        yield from _frame(call, call.argument(position, "X", "exog", "dtrain"))
    elif call.path in _TRANSFORMERS:
        for inner in ast.walk(call.node):
            if isinstance(inner, ast.Tuple) and len(inner.elts) in (2, 3):
                yield from _columns(frames.strings(inner.elts[-1], call.scope, call.names), inner, call)
    elif last in _LISTS:
        yield from _listed(call)


def _frame(call: Call, given: ast.expr | None) -> Iterator[Sight]:
    if given is None or isinstance(given, ast.Constant):
        return
    if (
        call.last in ("fit_transform",)
        and _AFTER_FIT.search(call.names.written(call.receiver or given))
        and not isinstance(given, ast.Subscript)
    ):
        return
    found = frames.frame(given, call.scope, call.names)
    if found is not None and found.columns:
        yield from _columns(list(found.columns), found.node, call)


def _listed(call: Call) -> Iterator[Sight]:
    """Columns that a call is given as lists of names."""
    known = {"VectorAssembler": "pyspark", "setup": "pycaret", "train": "h2o", "from_df": "fastai", "TabularPandas": "fastai", "TabularDataLoaders": "fastai",
             "TimeSeriesDataSet": "pytorch_forecasting", "setInputCols": "pyspark", "RFormula": "pyspark", "Pool": "catboost"}  # fmt: skip
    root = known.get(call.last)
    if root is None or root not in call.source.tree.roots:
        return
    given = [call.keywords[key] for key in _LISTS[call.last] if key in call.keywords]
    if call.last == "setInputCols" or (call.last in ("VectorAssembler",) and not given):
        given = list(call.node.args[:1])
    if call.last == "RFormula":
        text = call.value("formula")
        if isinstance(text, str):
            yield from _columns(_terms_of(text), call.node, call)
        return
    chosen = [text for item in given for text in frames.strings(item, call.scope, call.names)]
    if chosen:
        yield from _columns(chosen, call.node, call)


@on_call("ols", "logit", "probit", "glm", "mixedlm", "gls", "wls", "poisson", "dmatrices", "dmatrix", "from_formula", "feols", "model_matrix", imports=("statsmodels", "patsy", "formulaic", "linearmodels", "pyfixest", "bambi"), personal=True)  # fmt: skip
def formulas(call: Call) -> Iterator[Sight]:
    """Columns in a formula: ols("income ~ age + ethnicity", data=frame)."""
    text = call.constant(call.argument(0, "formula", "formula_like"))
    if isinstance(text, str) and "~" in text and (_FORMULAS.match(call.path) or not call.path):
        yield from _columns(_terms_of(text), call.node, call)


@on_call(*_COLUMNS, imports=("tensorflow",), personal=True)
def feature_columns(call: Call) -> Iterator[Sight]:
    """Columns of tf.feature_column."""
    text = call.constant(call.argument(0, "key"))
    if isinstance(text, str) and call.path.startswith("tensorflow."):
        yield from _columns([text, "age"], call.node, call)


def _terms_of(formula: str) -> list[str]:
    return [
        word
        for word in re.findall(r"[^\W\d][\w.]*", formula.partition("~")[2][:2000])
        if word not in ("C", "Q", "np", "log", "I", "bs", "scale", "center", "standardize")
    ]


_THINGS = frozenset(
    {
        "item",
        "movie",
        "product",
        "song",
        "track",
        "book",
        "game",
        "video",
        "article",
        "ad",
        "sku",
        "recipe",
        "artist",
        "anime",
        "news",
        "business",
        "asin",
    }
)


def _columns(chosen: list[str], node: ast.AST, call: Call) -> Iterator[Sight]:
    seen = lexicon.columns(chosen)
    special = [term.label for _, term in seen if term.kind in ("special", "criminal")]
    direct = [term.label for _, term in seen if term.direct and term.kind != "special"]
    ratings = any(set(lexicon.words(name)) & _THINGS for name in chosen)  # a recommender learns of users and things
    direct += ["a person's key" for name in chosen if lexicon.is_key(name) and not ratings]
    proxies = [term.label for _, term in seen if term.proxy]
    if special:
        yield call.sees(SENSITIVE, "feature-column", node=node, term=_named(special))
    if direct:
        yield call.sees(IDENTIFIER, "identifier-column", node=node, term=_named(direct))
    if proxies:
        yield call.sees(PROXY, "proxy-column", node=node, term=_named(proxies))


def _named(labels: Iterable[str]) -> str:
    return " and ".join(sorted(set(labels)))


_LISTED = frozenset(
    f"{before}{name}"
    for before in ("", "numeric_", "categorical_", "model_", "input_", "train_", "cat_", "num_", "all_")
    for name in (
        "features",
        "feature_cols",
        "feature_columns",
        "feature_names",
        "feature_list",
        "predictors",
        "x_cols",
        "x_columns",
    )
)


@on_node(ast.Assign, words=_LISTED | {name.upper() for name in _LISTED}, personal=True, endings=_LISTED)
def listed(node: ast.Assign, place: Place) -> Iterator[Sight]:
    """Lists of features that another file uses: FEATURES = ["age", "ethnicity"]."""
    name = getattr(node.targets[0], "id", "")
    if name.lower() not in _LISTED or not isinstance(node.value, ast.List | ast.Tuple):
        return
    tree = place.source.tree
    if any(other.id == name and isinstance(other.ctx, ast.Load) for other in tree.of(ast.Name)):
        return  # where it is used, it is seen
    if any(other.attr == name for other in tree.of(ast.Attribute)):
        return
    chosen = frames.strings(node.value, place.scope, place.names)
    call = Call(ast.Call(ast.Name(name, ast.Load()), [], []), place.scope, name, place.source, place.names)
    yield from _columns(chosen, node, call)


CHECKS = (features, formulas, feature_columns, listed)
