"""Writes honest pickles with the real libraries: what people keep of models, data and settings.

Run it as ``python tests/corpus/honest_pickles.py FOLDER`` in an environment that has the libraries; what is missing is
named and skipped. Files that carry code of their own, such as functions by dill, stand below ``review/``.
A library that fails costs only its own files, so that nearly every ``except`` here catches all.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import pickle
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("OMP_NUM_THREADS", "1")


class Keeper:
    """Writes values below a folder, and says what could not be written."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.written, self.skipped = folder, 0, 0

    def path(self, name: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def tell(self, name: str, trouble: BaseException) -> None:
        self.skipped += 1
        print(f"skipped {name}: {type(trouble).__name__}: {str(trouble)[:150]}".replace("\n", " "))

    def attempt(self, name: str, write: Callable[[Path], Any]) -> None:
        """Let ``write`` make the file ``name``."""
        path = self.path(name)
        try:
            write(path)
            self.written += 1
        except Exception as trouble:  # noqa: BLE001
            path.unlink(missing_ok=True)
            self.tell(name, trouble)

    def pickle(self, name: str, value: Any, protocol: int | None = None) -> None:
        def write(path: Path) -> None:
            path.write_bytes(pickle.dumps(value() if _is_maker(value) else value, protocol))

        self.attempt(name, write)

    def joblib(self, name: str, value: Any, compress: Any = 0) -> None:
        import joblib

        self.attempt(name, lambda path: joblib.dump(value() if _is_maker(value) else value, path, compress=compress))

    def torch(self, name: str, value: Any, legacy: bool = False) -> None:
        import torch

        def write(path: Path) -> None:
            made = value() if _is_maker(value) else value
            torch.save(made, path, _use_new_zipfile_serialization=not legacy)

        self.attempt(name, write)


def _is_maker(value: Any) -> bool:
    return type(value).__name__ == "function" and value.__name__ == "<lambda>"


Part = Callable[[Keeper], None]
PARTS: list[Part] = []


def part(function: Part) -> Part:
    PARTS.append(function)
    return function


def toy() -> tuple[Any, Any, Any]:
    """Return features, classes and a target of numbers."""
    import numpy as np

    random = np.random.default_rng(0)
    features = random.normal(size=(60, 4))
    classes = (features[:, 0] + features[:, 1] > 0).astype(int)
    return features, classes, features @ np.arange(4) + 1.0


# -- the standard library


@part
def standard(keep: Keeper) -> None:
    import array
    import collections
    import datetime
    import decimal
    import enum
    import fractions
    import functools
    import http
    import ipaddress
    import itertools
    import operator
    import pathlib
    import random
    import re
    import statistics
    import string
    import time
    import types
    import uuid
    import zoneinfo

    named = time.gmtime(0)
    berlin = zoneinfo.ZoneInfo("Europe/Berlin")
    values: dict[str, Any] = {
        "none": None, "numbers": [1, 2**31, 2**200, 1.5, True, 3 + 4j, -7], "texts": ["a", "ä", "x" * 300, ""],
        "bytes": [b"", b"abc", bytes(300), bytearray(b"xyz")], "sets": {1, 2, 3}, "frozen": frozenset("abc"),
        "nested": {"a": [1, (2, {"b": {3}})], "c": None}, "tuples": [(), (1,), (1, 2), (1, 2, 3), tuple(range(9))],
        "dates": [datetime.datetime(2020, 1, 2, 3, 4, 5, 6, datetime.UTC), datetime.date(2020, 1, 1), datetime.time(1, 2)],
        "delta": [datetime.timedelta(1, 2, 3), datetime.timezone(datetime.timedelta(hours=2), "X")],
        "zone": datetime.datetime(2020, 6, 1, tzinfo=berlin), "zones": [berlin, zoneinfo.ZoneInfo("UTC")],
        "decimal": [decimal.Decimal("1.10"), decimal.Context(prec=7)], "fraction": fractions.Fraction(1, 3),
        "uuid": [uuid.UUID(int=5), uuid.UUID(int=7)], "path": [pathlib.Path("a/b"), pathlib.PureWindowsPath("c/d")],
        "deque": collections.deque([1, 2], 5), "ordered": collections.OrderedDict(a=1, b=2),
        "default": collections.defaultdict(list, {"a": [1]}), "default-int": collections.defaultdict(int, a=1),
        "counter": collections.Counter("abca"), "chain": collections.ChainMap({"a": 1}, {"b": 2}),
        "user": [collections.UserDict(a=1), collections.UserList([1]), collections.UserString("x")],
        "namespace": types.SimpleNamespace(a=1), "regex": [re.compile("a+", re.I), re.compile(rb"b")],
        "flags": re.I | re.M, "status": http.HTTPStatus.OK, "ip": [ipaddress.ip_address("192.0.2.1"), ipaddress.ip_network("2001:db8::/32")],
        "complex": 1j, "range": range(5), "slice": slice(1, 2), "ellipsis": ..., "notimplemented": NotImplemented,
        "types": [int, str, list, dict, type(None), object, float], "functions": [len, sum, abs, max, sorted, print],
        "partial": functools.partial(int, base=2), "getter": operator.itemgetter(1, "a"), "operators": [operator.add, operator.neg],
        "counting": itertools.count(3), "chaining": itertools.chain([1], [2]), "array": array.array("d", [1, 2]),
        "random": random.Random(3), "state": random.Random(3).getstate(), "normal": statistics.NormalDist(0, 1),
        "errors": [ValueError("x"), KeyError("k"), OSError(2, "no file"), StopIteration(1), UnicodeDecodeError("utf-8", b"x", 0, 1, "r")],
        "time": named, "buffer": io.BytesIO(b"abc"), "letters": string.ascii_letters, "template": string.Template("$a"),
        "views": [{"a": 1}.keys() and ["a"], [(1, 2)]], "iterators": [iter([1, 2]), iter((1,)), reversed([1])],
        "methods": ["abc".upper, [3].index, {"a": 1}.get], "enum": enum.Enum, "math": [__import__("math").log, __import__("math").sqrt],
        "stat": os.stat("/"), "argparse": __import__("argparse").Namespace(lr=0.1, layers=[1, 2]),
        "stream": io.StringIO("text"), "unions": [list[int], int | None], "typing": [__import__("typing").Optional[int], dict[str, __import__("typing").Any]],
        "calendar": __import__("calendar").TextCalendar(), "textwrap": __import__("textwrap").TextWrapper(),
        "logger": __import__("logging").getLogger("training"), "parameter": __import__("inspect").signature(lambda a, b=1: None),
        "difflib": __import__("difflib").Match(1, 2, 3), "urlparts": __import__("urllib.parse").parse.urlsplit("https://example.com/x"),
        "version": __import__("sys").version_info[:], "config": __import__("configparser").ConfigParser(), "csv": __import__("csv").excel,
        "heap": [(1, "a"), (2, "b")], "cookies": __import__("http.cookies").cookies.SimpleCookie("a=1"),
        "email": __import__("email.message").message.EmailMessage(), "date-info": datetime.date(2020, 1, 1).isocalendar(),
        "weakset": [1], "queue": [1], "ast": __import__("ast").parse("a + 1"), "struct": __import__("struct").Struct("<I").format,
    }  # fmt: skip
    for name, value in values.items():
        keep.pickle(f"stdlib/{name}.pkl", value)
    for protocol in range(6):
        keep.pickle(f"stdlib/protocol{protocol}.pkl", {k: values[k] for k in ("numbers", "texts", "bytes", "dates", "ordered", "counter", "uuid", "sets", "deque", "regex", "path", "decimal")}, protocol)  # fmt: skip
        keep.pickle(f"stdlib/types{protocol}.pickle", [values[k] for k in ("types", "partial", "getter", "default", "namespace", "errors", "complex", "range", "slice", "ellipsis")], protocol)  # fmt: skip
    data = pickle.dumps(values["nested"])
    keep.attempt("stdlib/packed.pkl.gz", lambda path: path.write_bytes(gzip.compress(data)))
    keep.attempt("stdlib/packed.pkl.bz2", lambda path: path.write_bytes(bz2.compress(data)))
    keep.attempt("stdlib/packed.pkl.xz", lambda path: path.write_bytes(lzma.compress(data)))
    keep.attempt("stdlib/several.pkl", lambda path: path.write_bytes(b"".join(pickle.dumps(n) for n in range(5))))
    out_of_band: list[Any] = []
    keep.attempt("stdlib/shared.pkl", lambda path: path.write_bytes(pickle.dumps([values["texts"]] * 3)))
    keep.attempt("stdlib/buffers.pkl", lambda path: path.write_bytes(pickle.dumps(pickle.PickleBuffer(b"abc"), 5, buffer_callback=lambda b: out_of_band.append(b) or True)))  # fmt: skip
    keep.attempt("stdlib/pure.pkl", lambda path: path.write_bytes(pickle._dumps(values["nested"], 4)))
    keep.attempt("stdlib/optimised.pkl", lambda path: path.write_bytes(__import__("pickletools").optimize(pickle.dumps(values["dates"]))))  # fmt: skip


# -- numpy and scipy


@part
def numpy_(keep: Keeper) -> None:
    import numpy as np

    kinds = [
        "bool",
        "int8",
        "int16",
        "int32",
        "int64",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
        "float16",
        "float32",
        "float64",
        "longdouble",
        "complex64",
        "complex128",
        "clongdouble",
    ]
    arrays: dict[str, Any] = {kind: np.arange(6).astype(kind) for kind in kinds}
    arrays |= {
        "big-endian": np.arange(4, dtype=">i4"), "text": np.array(["a", "bcd"]), "bytes": np.array([b"a", b"bc"]),
        "dates": np.array(["2020-01-01", "NaT"], "datetime64[D]"), "stamps": np.array([1, 2], "datetime64[ns]"), "deltas": np.array([1, 2], "timedelta64[s]"),
        "objects": np.array([1, "a", None, [1]], dtype=object), "structured": np.array([(1, 2.0, b"x")], dtype=[("a", "i4"), ("b", "f8"), ("c", "S3")]),
        "nested-structure": np.zeros(2, dtype=[("p", [("x", "f4"), ("y", "f4")]), ("n", "i2", (2, 2))]), "records": np.rec.array([(1, "a")], names="n,t"),
        "object-field": np.array([(1, [2])], dtype=[("a", "i4"), ("o", "O")]), "matrix": np.matrix([[1, 2], [3, 4]]), "masked": np.ma.array([1, 2, 3], mask=[0, 1, 0]),
        "masked-constant": np.ma.masked, "masked-records": np.ma.array([(1, 2.0)], dtype=[("a", int), ("b", float)], mask=[(0, 1)]), "void": np.zeros(2, "V5"), "fortran": np.asfortranarray(np.ones((3, 4))),
        "empty": np.zeros((0, 3)), "scalar-array": np.array(5), "many": np.arange(2000.0).reshape(20, 100), "char": np.char.array(["a", "b"]), "view": np.arange(10)[::2], "readonly": np.broadcast_to(1.0, (3, 3)),
        "subarray": np.zeros(3, dtype=(np.float32, (2,))), "titles": np.zeros(1, dtype=[(("long title", "a"), "i4")]), "aligned": np.zeros(1, dtype=np.dtype([("a", "i1"), ("b", "f8")], align=True)), "metadata": np.zeros(1, dtype=np.dtype("i4", metadata={"unit": "m"})),
    }  # fmt: skip
    if hasattr(np.dtypes, "StringDType"):
        arrays["strings"] = np.array(["a", "longer text here than sixteen"], dtype=np.dtypes.StringDType())
        arrays["strings-na"] = np.array(["a", None], dtype=np.dtypes.StringDType(na_object=None))
    for name, value in arrays.items():
        keep.pickle(f"numpy/{name}.pkl", value)
        keep.attempt(f"numpy/{name}.npy", lambda path, value=value: np.save(path, value, allow_pickle=True))
    for protocol in range(6):
        keep.pickle(f"numpy/arrays{protocol}.pkl", [arrays[k] for k in ("int32", "float64", "text", "dates", "objects", "structured", "masked")], protocol)  # fmt: skip
        keep.pickle(f"numpy/scalars{protocol}.pkl", [np.float32(1), np.int64(2), np.bool_(True), np.str_("a"), np.bytes_(b"b"), np.datetime64("2020"), np.complex64(1j), np.longdouble(2)], protocol)  # fmt: skip
    keep.pickle(
        "numpy/types.pkl",
        [
            np.float32,
            np.int64,
            np.dtype("f4"),
            np.dtype([("a", "i4")]),
            np.dtype("M8[ns]"),
            np.ndarray,
            np.generic,
            np.integer,
        ],
    )
    keep.pickle(
        "numpy/ufuncs.pkl",
        [
            np.log1p,
            np.exp,
            np.sqrt,
            np.add,
            np.mean,
            np.median,
            np.sum,
            np.abs,
            np.linalg.norm,
            np.sign,
            np.logical_not,
        ],
    )
    keep.pickle(
        "numpy/functions.pkl",
        [
            np.argmax,
            np.nanmean,
            np.zeros,
            np.ones,
            np.linspace,
            np.concatenate,
            np.stack,
            np.isnan,
            np.interp,
            np.var,
            np.histogram,
            np.full,
            np.arange,
        ],
    )
    keep.pickle("numpy/random.pkl", [np.random.RandomState(0), np.random.default_rng(0), np.random.SeedSequence(3)])
    for kind in ("PCG64", "MT19937", "Philox", "SFC64", "PCG64DXSM"):
        keep.pickle(f"numpy/generator-{kind}.pkl", np.random.Generator(getattr(np.random, kind)(1)))
        keep.pickle(f"numpy/bits-{kind}.pkl", getattr(np.random, kind)(1), 2)
    keep.pickle("numpy/random-state.pkl", np.random.get_state())
    keep.pickle(
        "numpy/polynomials.pkl",
        [
            np.poly1d([1, 2]),
            np.polynomial.Polynomial([1, 2]),
            np.polynomial.Chebyshev([1, 2]),
            np.polynomial.Legendre([1]),
        ],
    )
    keep.pickle("numpy/vectorized.pkl", np.vectorize(len))
    keep.pickle("numpy/iinfo.pkl", [np.finfo("f4").eps, np.iinfo("i4").max, np.finfo(np.float64)])
    keep.pickle("numpy/errors.pkl", [np.linalg.LinAlgError("x"), np.exceptions.AxisError("x")])
    keep.attempt(
        "numpy/several.npz", lambda path: np.savez(path, a=arrays["int32"], o=arrays["objects"], s=arrays["structured"])
    )
    keep.attempt("numpy/packed.npz", lambda path: np.savez_compressed(path, a=arrays["float64"], o=arrays["objects"]))

    def mapped(path: Path) -> None:
        array = np.memmap(Path(tempfile.mkdtemp()) / "array.raw", dtype="f4", mode="w+", shape=(3,))
        path.write_bytes(pickle.dumps(array))

    keep.attempt("numpy/mapped.pkl", mapped)

    def stacked(path: Path) -> None:
        with path.open("wb") as file:
            for value in ("int32", "objects", "text"):
                np.save(file, arrays[value])

    keep.attempt("numpy/stacked.npy", stacked)


@part
def scipy_(keep: Keeper) -> None:
    import numpy as np
    import scipy.interpolate
    import scipy.optimize
    import scipy.signal
    import scipy.sparse
    import scipy.spatial
    import scipy.stats
    from scipy.spatial.transform import Rotation, Slerp

    base = scipy.sparse.random(5, 5, 0.4, random_state=0)
    for kind in ("csr", "csc", "coo", "bsr", "dia", "dok", "lil"):
        keep.pickle(f"scipy/matrix-{kind}.pkl", lambda kind=kind: base.asformat(kind))
        keep.pickle(f"scipy/array-{kind}.pkl", lambda kind=kind: getattr(scipy.sparse, f"{kind}_array")(base.toarray()))
    keep.attempt("scipy/matrix.npz", lambda path: scipy.sparse.save_npz(path, base.tocsr()))
    x = np.linspace(0, 1, 8)
    y = np.sin(x)
    for kind in ("linear", "nearest", "previous", "next", "cubic", "quadratic", "zero", "slinear"):
        keep.pickle(f"scipy/interp1d-{kind}.pkl", lambda kind=kind: scipy.interpolate.interp1d(x, y, kind))
    makers: dict[str, Callable[[], Any]] = {
        "cubic": lambda: scipy.interpolate.CubicSpline(x, y), "pchip": lambda: scipy.interpolate.PchipInterpolator(x, y),
        "akima": lambda: scipy.interpolate.Akima1DInterpolator(x, y), "univariate": lambda: scipy.interpolate.UnivariateSpline(x, y),
        "bspline": lambda: scipy.interpolate.make_interp_spline(x, y), "rbf": lambda: scipy.interpolate.RBFInterpolator(x[:, None], y),
        "rbf-old": lambda: scipy.interpolate.Rbf(x, y), "grid": lambda: scipy.interpolate.RegularGridInterpolator((x, x), np.outer(x, y)),
        "bivariate": lambda: scipy.interpolate.RectBivariateSpline(x, x, np.outer(x, y)), "nearest-nd": lambda: scipy.interpolate.NearestNDInterpolator(np.c_[x, y], y),
        "linear-nd": lambda: scipy.interpolate.LinearNDInterpolator(np.random.default_rng(0).normal(size=(9, 2)), np.arange(9.0)), "krogh": lambda: scipy.interpolate.KroghInterpolator(x, y), "bary": lambda: scipy.interpolate.BarycentricInterpolator(x, y),
        "kdtree": lambda: scipy.spatial.KDTree(np.c_[x, y]), "ckdtree": lambda: scipy.spatial.cKDTree(np.c_[x, y]), "rotation": lambda: Rotation.from_euler("z", 30, degrees=True),
        "slerp": lambda: Slerp([0, 1], Rotation.from_euler("z", [0, 30])), "hull": lambda: scipy.spatial.ConvexHull(np.random.default_rng(0).normal(size=(9, 2))).points,
        "optimum": lambda: scipy.optimize.minimize(lambda v: (v**2).sum(), [1.0, 2.0]), "root": lambda: scipy.optimize.root(lambda v: v - 1, [0.5]), "linprog": lambda: scipy.optimize.linprog([1, 2], bounds=(0, 1)), "bounds": lambda: scipy.optimize.Bounds([0], [1]),
        "lsq": lambda: scipy.optimize.least_squares(lambda v: v - 1, [0.0]), "minimum-scalar": lambda: scipy.optimize.minimize_scalar(lambda v: (v - 1) ** 2), "evolution": lambda: scipy.optimize.differential_evolution(lambda v: (v**2).sum(), [(-1, 1)], maxiter=2, seed=0),
        "lti": lambda: scipy.signal.lti([1.0], [1.0, 1.0]), "dlti": lambda: scipy.signal.dlti([1.0], [1.0, 0.5]), "butter": lambda: scipy.signal.butter(2, 0.1), "delaunay": lambda: scipy.spatial.Delaunay(np.random.default_rng(0).normal(size=(9, 2))),
        "ttest": lambda: scipy.stats.ttest_ind(x, y), "pearson": lambda: scipy.stats.pearsonr(x, y), "linregress": lambda: scipy.stats.linregress(x, y), "kde": lambda: scipy.stats.gaussian_kde(x), "ks": lambda: scipy.stats.ks_2samp(x, y), "spearman": lambda: scipy.stats.spearmanr(x, y),
        "anova": lambda: scipy.stats.f_oneway(x, y), "describe": lambda: scipy.stats.describe(x), "normaltest": lambda: scipy.stats.shapiro(x), "mannwhitney": lambda: scipy.stats.mannwhitneyu(x, y), "multivariate": lambda: scipy.stats.multivariate_normal([0, 0]), "histogram": lambda: scipy.stats.rv_histogram(np.histogram(x)),
        "discrete": lambda: scipy.stats.rv_discrete(values=([1, 2], [0.5, 0.5])), "sobol": lambda: scipy.stats.qmc.Sobol(2, seed=0), "tukey": lambda: scipy.stats.tukey_hsd(x, y), "ecdf": lambda: scipy.stats.ecdf(x), "ode": lambda: __import__("scipy.integrate").integrate.solve_ivp(lambda t, v: -v, (0, 1), [1.0]), "linkage": lambda: __import__("scipy.cluster.hierarchy").cluster.hierarchy.to_tree(__import__("scipy.cluster.hierarchy").cluster.hierarchy.linkage(np.c_[x, y])),
        "operator": lambda: __import__("scipy.sparse.linalg").sparse.linalg.aslinearoperator(np.eye(3)), "special": lambda: [__import__("scipy.special").special.expit, __import__("scipy.special").special.gammaln, __import__("scipy.special").special.boxcox],
        "functions": lambda: [scipy.stats.pearsonr, scipy.spatial.distance.euclidean, scipy.spatial.distance.cosine, scipy.stats.mode, scipy.stats.zscore],
    }  # fmt: skip
    for name, make in makers.items():
        keep.attempt(f"scipy/{name}.pkl", lambda path, make=make: path.write_bytes(pickle.dumps(make())))
    for name in [
        "norm",
        "uniform",
        "expon",
        "gamma",
        "beta",
        "lognorm",
        "t",
        "chi2",
        "f",
        "weibull_min",
        "pareto",
        "loguniform",
        "randint",
        "poisson",
        "binom",
        "geom",
        "nbinom",
        "bernoulli",
        "dirichlet",
        "wishart",
        "truncnorm",
        "genextreme",
        "cauchy",
        "laplace",
        "logistic",
        "triang",
        "vonmises",
        "skewnorm",
        "exponnorm",
    ]:
        keep.pickle(f"scipy/dist-{name}.pkl", getattr(scipy.stats, name))
        keep.pickle(f"scipy/frozen-{name}.pkl", lambda name=name: getattr(scipy.stats, name)(*{"gamma": (1,), "beta": (1, 2), "lognorm": (1,), "t": (3,), "chi2": (2,), "f": (1, 2), "weibull_min": (1,), "pareto": (1,), "loguniform": (0.1, 1), "randint": (1, 5), "poisson": (2,), "binom": (3, 0.5), "geom": (0.5,), "nbinom": (2, 0.5), "bernoulli": (0.5,), "dirichlet": ([1, 2],), "wishart": (3, [[1]]), "truncnorm": (0, 1), "genextreme": (0.1,), "triang": (0.5,), "vonmises": (1,), "skewnorm": (1,), "exponnorm": (1,)}.get(name, ())))  # fmt: skip


# -- pandas and other tables


@part
def pandas_(keep: Keeper) -> None:
    import numpy as np
    import pandas as pd

    frame = pd.DataFrame({"a": [1, 2, 3], "b": [1.5, None, 2.5], "c": ["x", "y", None]})
    makers: dict[str, Callable[[], Any]] = {
        "frame": lambda: frame, "series": lambda: frame["b"], "index": lambda: frame.index, "multi": lambda: frame.set_index(["a", "c"]), "multiindex": lambda: pd.MultiIndex.from_product([[1, 2], ["a", "b"]], names=["n", "t"]),
        "categorical": lambda: pd.Series(["a", "b", "a"], dtype="category"), "ordered": lambda: pd.Categorical(["lo", "hi"], ["lo", "hi"], ordered=True), "interval": lambda: pd.interval_range(0, 3), "cut": lambda: pd.cut([1, 2, 3], 2),
        "period": lambda: pd.period_range("2020-01", periods=3, freq="M"), "period-one": lambda: pd.Period("2020-01"), "timestamp": lambda: [pd.Timestamp("2020-01-01"), pd.Timestamp("2020-01-01", tz="Europe/Berlin"), pd.NaT, pd.Timedelta(days=1)], "tz-index": lambda: pd.date_range("2020-01-01", periods=3, tz="UTC"),
        "dates": lambda: pd.date_range("2020-01-01", periods=5, freq="B"), "deltas": lambda: pd.to_timedelta([1, 2], unit="h"), "nullable": lambda: pd.DataFrame({"i": pd.array([1, None], "Int64"), "b": pd.array([True, None], "boolean"), "f": pd.array([1.5, None], "Float32"), "s": pd.array(["a", None], "string")}),
        "arrow": lambda: pd.DataFrame({"s": pd.array(["a", None], "string[pyarrow]"), "i": pd.array([1, None], "int64[pyarrow]")}), "arrow-list": lambda: pd.Series([[1], [2, 3]], dtype=pd.ArrowDtype(__import__("pyarrow").list_(__import__("pyarrow").int64()))), "sparse": lambda: pd.Series(pd.arrays.SparseArray([0, 0, 1])), "objects": lambda: pd.Series([1, "a", [2], {"k": 1}]),
        "na": lambda: [pd.NA, pd.NaT], "dtypes": lambda: [pd.Int64Dtype(), pd.CategoricalDtype(["a"]), pd.StringDtype(), pd.DatetimeTZDtype(tz="UTC"), pd.IntervalDtype("int64"), pd.PeriodDtype("D"), pd.SparseDtype(float)], "offsets": lambda: [pd.offsets.Day(2), pd.offsets.BMonthEnd(), pd.offsets.Hour(), pd.offsets.Week(weekday=2), pd.DateOffset(months=1), pd.offsets.CustomBusinessDay()],
        "range-index": lambda: pd.RangeIndex(5), "empty": lambda: pd.DataFrame(), "wide": lambda: pd.DataFrame(np.zeros((3, 30))), "mixed": lambda: pd.DataFrame({"d": pd.date_range("2020", periods=3), "c": pd.Categorical(list("aba")), "o": [[1], 2, "x"], "t": pd.to_timedelta([1, 2, 3])}), "resampled": lambda: pd.Series(range(4), pd.date_range("2020", periods=4, freq="D")).resample("2D").mean(),
        "dict-of-frames": lambda: {"train": frame, "test": frame.head(1), "params": {"n": 3}}, "grouped": lambda: frame.groupby("a").mean(numeric_only=True), "describe": lambda: frame.describe(), "attrs": lambda: frame.assign(z=1).set_flags(allows_duplicate_labels=False), "interval-one": lambda: pd.Interval(0, 1), "grouper": lambda: pd.Grouper(freq="D"), "index-slice": lambda: pd.Index(["a", "b"], dtype="string"), "float-index": lambda: pd.Index([1.5, 2.5]), "fixed": lambda: pd.Timestamp("2020-01-01T00:00+02:00"), "masked-array": lambda: pd.array([1, None]),
        "python-strings": lambda: pd.Series(["a"], dtype=pd.StringDtype("python")), "errors": lambda: pd.errors.ParserError("x"), "callables": lambda: [pd.to_numeric, pd.isna, pd.DataFrame, pd.Series], "business": lambda: pd.bdate_range("2020", periods=3, freq="C"),
    }  # fmt: skip
    for name, make in makers.items():
        keep.attempt(f"pandas/{name}.pkl", lambda path, make=make: path.write_bytes(pickle.dumps(make())))
    for ending in ("", ".gz", ".bz2", ".xz", ".zip", ".zst", ".tar"):
        keep.attempt(f"pandas/saved.pkl{ending}", lambda path: frame.to_pickle(path))
    for protocol in range(6):
        keep.pickle(f"pandas/frame{protocol}.pkl", [frame, frame["a"], frame.set_index("a"), pd.Timestamp("2020-01-01", tz="UTC"), pd.date_range("2020", periods=2)], protocol)  # fmt: skip


@part
def tables(keep: Keeper) -> None:
    import numpy as np

    def polars_() -> dict[str, Any]:
        import polars as pl

        frame = pl.DataFrame({"a": [1, 2], "b": ["x", None], "c": [[1], [2, 3]]})
        return {
            "frame": frame,
            "series": frame["a"],
            "lazy": frame.lazy(),
            "expression": pl.col("a") * 2,
            "types": [pl.Int64, pl.Utf8, pl.List(pl.Int8)],
            "schema": frame.schema,
            "categorical": pl.Series(["a"], dtype=pl.Categorical),
        }

    def pyarrow_() -> dict[str, Any]:
        import pyarrow as pa

        table = pa.table({"a": [1, 2], "b": ["x", None], "c": [[1], [2]]})
        return {
            "table": table,
            "array": pa.array([1, None]),
            "batch": table.to_batches()[0],
            "chunked": table["a"],
            "schema": table.schema,
            "types": [
                pa.int64(),
                pa.string(),
                pa.list_(pa.int8()),
                pa.struct([("x", pa.int8())]),
                pa.dictionary(pa.int8(), pa.string()),
                pa.timestamp("ns", "UTC"),
                pa.decimal128(5, 2),
            ],
            "scalar": pa.scalar(1),
            "dictionary": pa.array(["a", "a"]).dictionary_encode(),
            "buffer": pa.py_buffer(b"abc"),
            "field": pa.field("a", pa.int8()),
            "expression": __import__("pyarrow.compute").compute.field("a") > 1,
            "table-dates": pa.table({"d": pa.array([0], pa.timestamp("ms"))}),
        }

    def xarray_() -> dict[str, Any]:
        import xarray as xr

        array = xr.DataArray(np.zeros((2, 2)), dims=("x", "y"), coords={"x": [1, 2]})
        return {
            "array": array,
            "dataset": xr.Dataset({"v": array}),
            "variable": array.variable,
            "dates": xr.DataArray([1], coords={"t": np.array(["2020"], "M8[ns]")}, dims="t"),
            "tree": xr.DataTree(xr.Dataset({"v": array})),
        }

    def dask_() -> dict[str, Any]:
        import dask.array
        import dask.dataframe
        import pandas as pd

        return {
            "array": dask.array.ones((4, 4), chunks=2),
            "frame": dask.dataframe.from_pandas(pd.DataFrame({"a": [1, 2]}), npartitions=1),
            "sum": dask.array.ones(4, chunks=2).sum(),
        }

    def shapely_() -> dict[str, Any]:
        import geopandas as gpd
        import shapely

        points = [
            shapely.Point(0, 1),
            shapely.LineString([(0, 0), (1, 1)]),
            shapely.box(0, 0, 1, 1),
            shapely.MultiPoint([(0, 0)]),
            shapely.Polygon(),
        ]
        return {
            "shapes": points,
            "frame": gpd.GeoDataFrame({"a": [1]}, geometry=points[:1], crs="EPSG:4326"),
            "series": gpd.GeoSeries(points[:2]),
            "tree": shapely.STRtree(points),
            "prepared": gpd.GeoSeries(points[:1]).values,
            "crs": __import__("pyproj").CRS("EPSG:4326"),
        }

    def networkx_() -> dict[str, Any]:
        import networkx as nx

        return {
            "graph": nx.path_graph(3),
            "directed": nx.DiGraph([(1, 2)]),
            "multi": nx.MultiGraph([(1, 2)]),
            "multidi": nx.MultiDiGraph([(1, 2)]),
            "view": nx.path_graph(3).edges(data=True),
            "named": nx.karate_club_graph(),
            "subgraph": nx.path_graph(4).subgraph([1, 2]),
            "nodes": nx.path_graph(3).nodes,
            "tree": nx.balanced_tree(2, 2),
            "degree": nx.path_graph(3).degree,
        }

    def pillow() -> dict[str, Any]:
        import PIL.Image
        import PIL.ImageFilter

        image = PIL.Image.new("RGB", (3, 3))
        return {
            "image": image,
            "palette": PIL.Image.new("P", (2, 2)),
            "filter": PIL.ImageFilter.GaussianBlur(2),
            "modes": [PIL.Image.Resampling.BILINEAR, PIL.Image.BICUBIC],
        }

    def sympy_() -> dict[str, Any]:
        import sympy

        x = sympy.Symbol("x")
        return {
            "expression": sympy.sin(x) ** 2 + 1,
            "matrix": sympy.Matrix([[1, x]]),
            "numbers": [sympy.Integer(1), sympy.Rational(1, 2), sympy.pi, sympy.oo],
        }

    def small() -> dict[str, Any]:
        import datetime

        import attr
        import box
        import dateutil.relativedelta
        import dateutil.tz
        import easydict
        import ml_collections
        import munch
        import omegaconf
        import pytz
        import sortedcontainers
        import yacs.config

        utc = datetime.datetime(2020, 1, 1, tzinfo=dateutil.tz.UTC)
        return {
            "omegaconf": omegaconf.OmegaConf.create({"a": {"b": [1, 2]}, "c": "${a}", "d": None}), "omegaconf-list": omegaconf.OmegaConf.create([1, "a"]), "box": box.Box(a={"b": 1}), "easydict": easydict.EasyDict(a={"b": 1}), "munch": munch.munchify({"a": {"b": 1}}), "yacs": yacs.config.CfgNode({"A": 1, "B": {"C": "x"}}),
            "config-dict": ml_collections.ConfigDict({"a": {"b": 1}}), "config-frozen": ml_collections.FrozenConfigDict({"a": 1}), "sorted": [sortedcontainers.SortedDict(a=1), sortedcontainers.SortedList([2, 1]), sortedcontainers.SortedSet([1])], "pytz": [pytz.utc, pytz.timezone("Europe/Berlin"), pytz.timezone("US/Eastern").localize(datetime.datetime(2020, 1, 1)), pytz.FixedOffset(60)],
            "dateutil": [utc, dateutil.relativedelta.relativedelta(months=1), dateutil.tz.gettz("Europe/Berlin"), dateutil.tz.tzlocal(), dateutil.relativedelta.MO(1)], "attr": attr.Factory(list), "rrule": list(__import__("dateutil.rrule").rrule.rrule(3, count=2)), "tqdm-none": None, "multidict": __import__("multidict").CIMultiDict(a="1"), "regex": __import__("regex").compile("a+"), "yarl": __import__("yarl").URL("https://example.com/"), "packaging": [__import__("packaging.version").version.Version("1.2"), __import__("packaging.specifiers").specifiers.SpecifierSet(">=1")], "pydantic": __import__("pydantic").SecretStr("x"), "toolz": __import__("toolz").curry(__import__("operator").add), "mpmath": __import__("mpmath").mpf(1), "bs4": None,
        }  # fmt: skip

    for library, make in {
        "polars": polars_,
        "pyarrow": pyarrow_,
        "xarray": xarray_,
        "dask": dask_,
        "shapely": shapely_,
        "networkx": networkx_,
        "pillow": pillow,
        "sympy": sympy_,
        "small": small,
    }.items():
        try:
            values = make()
        except Exception as trouble:  # noqa: BLE001
            keep.tell(library, trouble)
            continue
        for name, value in values.items():
            keep.pickle(f"{library}/{name}.pkl", value)


# -- scikit-learn and what follows its interface


@part
def sklearn_all(keep: Keeper) -> None:
    import numpy as np
    from sklearn.utils import all_estimators
    from sklearn.utils._testing import set_random_state

    features, classes, numbers = toy()
    texts = ["the cat sat", "a dog ran away", "cats and dogs", "no animal here"] * 15
    positive = np.abs(features)
    for name, kind in all_estimators():
        try:
            model = _constructed(kind)
            set_random_state(model)
        except Exception as trouble:  # noqa: BLE001
            keep.tell(name, trouble)
            continue
        tries: list[Any] = [(features, classes), (features, numbers), (positive, classes), (np.abs(numbers),), (texts,), ([{"a": 1}] * 5,), (classes,), (features, np.c_[numbers, numbers]), (features, np.c_[classes, 1 - classes]), (features @ features.T, classes), ([[1, 2], [3]],), (numbers, numbers), (positive,), (features[:, :1], numbers)]  # fmt: skip
        for arguments in tries:
            try:
                model.fit(*arguments)
                break
            except Exception:  # noqa: BLE001
                continue
        keep.joblib(f"sklearn/all/{name}.joblib", model)
        keep.pickle(f"sklearn/all/{name}.pkl", model)


def _constructed(kind: Any) -> Any:
    from sklearn.linear_model import LinearRegression, LogisticRegression

    for arguments in ({}, {"estimator": LogisticRegression()}, {"estimator": LinearRegression()}, {"estimators": [("a", LogisticRegression()), ("b", LogisticRegression(C=2))]}, {"steps": [("a", LogisticRegression())]}, {"transformers": [("a", "passthrough", [0])]}, {"transformer_list": [("a", "passthrough")]}, {"estimator": LogisticRegression(), "param_grid": {"C": [1]}}, {"estimator": LogisticRegression(), "param_distributions": {"C": [1, 2]}, "n_iter": 1}, {"base_estimator": LogisticRegression()}, {"components": np_eye()}):  # fmt: skip
        try:
            return kind(**arguments)
        except TypeError:
            continue
    return kind()


def np_eye() -> Any:
    import numpy as np

    return np.eye(4)


@part
def sklearn_(keep: Keeper) -> None:
    import re

    import joblib
    import numpy as np
    import pandas as pd
    import sklearn
    from sklearn import (
        datasets,
        ensemble,
        feature_selection,
        gaussian_process,
        linear_model,
        metrics,
        model_selection,
        neighbors,
        neural_network,
        pipeline,
        preprocessing,
        svm,
        tree,
    )
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_selector
    from sklearn.decomposition import PCA
    from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
    from sklearn.impute import SimpleImputer

    features, classes, numbers = toy()
    frame = pd.DataFrame(features, columns=list("abcd")).assign(e=["x", "y", "z"] * 20)
    positive = frame.assign(a=frame["a"].abs())
    texts = ["the cat sat", "a dog ran away", "cats and dogs", "no animal here"] * 15
    columns = ColumnTransformer(
        [
            ("log", preprocessing.FunctionTransformer(np.log1p, inverse_func=np.expm1), ["a"]),
            ("abs", preprocessing.FunctionTransformer(np.abs), ["b"]),
            ("scale", preprocessing.StandardScaler(), make_column_selector(dtype_include=float)),
            ("hot", preprocessing.OneHotEncoder(handle_unknown="ignore", dtype=np.float32), ["e"]),
        ],
        remainder="passthrough",
    )
    makers: dict[str, Callable[[], Any]] = {
        "column-pipeline": lambda: pipeline.make_pipeline(columns, linear_model.LogisticRegression()).fit(positive, classes), "pandas-output": lambda: pipeline.make_pipeline(preprocessing.StandardScaler()).set_output(transform="pandas").fit(frame[list("abcd")]),
        "grid": lambda: model_selection.GridSearchCV(svm.SVC(), {"C": [1, 10], "kernel": ["rbf"]}, cv=3, scoring="f1").fit(features, classes), "random-search": lambda: model_selection.RandomizedSearchCV(ensemble.RandomForestClassifier(5), {"max_depth": __import__("scipy.stats").stats.randint(1, 5), "ccp_alpha": __import__("scipy.stats").stats.uniform(0, 0.1)}, n_iter=2, cv=model_selection.StratifiedKFold(2)).fit(features, classes),
        "grid-multi": lambda: model_selection.GridSearchCV(linear_model.Ridge(), {"alpha": np.logspace(-1, 1, 3)}, scoring={"r2": "r2", "mae": metrics.make_scorer(metrics.mean_absolute_error, greater_is_better=False)}, refit="r2", cv=2).fit(features, numbers), "halving": lambda: __import__("sklearn.experimental.enable_halving_search_cv") and model_selection.HalvingGridSearchCV(linear_model.Ridge(), {"alpha": [1, 2]}).fit(features, numbers),
        "tfidf-findall": lambda: TfidfVectorizer(tokenizer=re.compile(r"\w+").findall).fit(texts), "tfidf": lambda: TfidfVectorizer(ngram_range=(1, 2), stop_words="english").fit(texts), "count-char": lambda: CountVectorizer(analyzer="char_wb", dtype=np.int32).fit(texts), "hashing": lambda: HashingVectorizer(n_features=64), "tfidf-lower": lambda: TfidfVectorizer(preprocessor=str.lower, tokenizer=str.split).fit(texts),
        "text-pipeline": lambda: pipeline.Pipeline([("v", TfidfVectorizer()), ("c", linear_model.SGDClassifier())]).fit(texts, classes), "knn": lambda: neighbors.KNeighborsClassifier(algorithm="kd_tree").fit(features, classes), "knn-ball": lambda: neighbors.KNeighborsRegressor(algorithm="ball_tree", metric="haversine").fit(features[:, :2], numbers), "kdtree": lambda: neighbors.KDTree(features), "balltree": lambda: neighbors.BallTree(features, metric="manhattan"), "kde": lambda: neighbors.KernelDensity().fit(features), "knn-callable": lambda: neighbors.KNeighborsClassifier(metric=__import__("scipy.spatial.distance").spatial.distance.cosine).fit(features, classes),
        "calibrated": lambda: CalibratedClassifierCV(svm.LinearSVC(), cv=2).fit(features, classes), "isotonic": lambda: CalibratedClassifierCV(tree.DecisionTreeClassifier(), method="isotonic", cv=2).fit(features, classes), "stacking": lambda: ensemble.StackingClassifier([("a", linear_model.LogisticRegression()), ("b", tree.DecisionTreeClassifier())], cv=2).fit(features, classes), "voting": lambda: ensemble.VotingRegressor([("a", linear_model.Ridge()), ("b", tree.DecisionTreeRegressor(max_depth=2))]).fit(features, numbers),
        "target": lambda: TransformedTargetRegressor(linear_model.LinearRegression(), func=np.log1p, inverse_func=np.expm1).fit(features, np.abs(numbers)), "gp": lambda: gaussian_process.GaussianProcessRegressor(gaussian_process.kernels.RBF() + gaussian_process.kernels.WhiteKernel() * 2).fit(features, numbers), "gp-kernels": lambda: [gaussian_process.kernels.Matern(), gaussian_process.kernels.ExpSineSquared(), gaussian_process.kernels.DotProduct(), gaussian_process.kernels.RationalQuadratic()],
        "mlp": lambda: neural_network.MLPClassifier((4,), max_iter=5).fit(features, classes), "hist": lambda: ensemble.HistGradientBoostingClassifier(max_iter=3).fit(features, classes), "hist-poisson": lambda: ensemble.HistGradientBoostingRegressor(loss="poisson", max_iter=3).fit(features, np.abs(numbers)), "gbr-huber": lambda: ensemble.GradientBoostingRegressor(n_estimators=3, loss="huber").fit(features, numbers), "gbr-quantile": lambda: ensemble.GradientBoostingRegressor(n_estimators=3, loss="quantile").fit(features, numbers), "isolation": lambda: ensemble.IsolationForest(n_estimators=3).fit(features), "ada": lambda: ensemble.AdaBoostClassifier(n_estimators=3).fit(features, classes),
        "scorers": lambda: [metrics.get_scorer(name) for name in ("accuracy", "f1_macro", "roc_auc", "neg_mean_squared_error", "average_precision", "neg_log_loss", "r2", "neg_max_error", "explained_variance", "rand_score", "jaccard", "top_k_accuracy", "neg_brier_score", "matthews_corrcoef", "d2_absolute_error_score", "v_measure_score", "mutual_info_score", "completeness_score")], "metrics": lambda: [metrics.accuracy_score, metrics.f1_score, metrics.roc_curve, metrics.pairwise.cosine_similarity, metrics.pairwise.rbf_kernel, metrics.pairwise.euclidean_distances, metrics.classification_report, metrics.confusion_matrix, metrics.auc, metrics.r2_score, metrics.pairwise_distances, metrics.cohen_kappa_score, metrics.matthews_corrcoef, metrics.silhouette_score],
        "bunch": lambda: datasets.load_iris(), "bunch-frame": lambda: datasets.load_iris(as_frame=True), "digits": lambda: {key: datasets.load_digits()[key][:2] for key in ("data", "target")}, "splitters": lambda: [model_selection.KFold(3), model_selection.TimeSeriesSplit(), model_selection.GroupKFold(), model_selection.LeaveOneOut(), model_selection.RepeatedStratifiedKFold(), model_selection.PredefinedSplit([0, 1]), model_selection.ParameterGrid({"a": [1]}), model_selection.ShuffleSplit()],
        "selector": lambda: feature_selection.SelectKBest(feature_selection.mutual_info_classif, k=2).fit(features, classes), "selector-model": lambda: feature_selection.SelectFromModel(linear_model.Lasso()).fit(features, numbers), "rfe": lambda: feature_selection.RFECV(linear_model.Ridge()).fit(features, numbers), "chi2": lambda: feature_selection.SelectPercentile(feature_selection.chi2).fit(np.abs(features), classes), "poly": lambda: pipeline.make_pipeline(preprocessing.PolynomialFeatures(2), PCA(2), linear_model.LinearRegression()).fit(features, numbers), "union": lambda: pipeline.make_union(PCA(1), preprocessing.MinMaxScaler()).fit(features), "imputer": lambda: pipeline.make_pipeline(SimpleImputer(strategy="median", missing_values=pd.NA if False else np.nan), preprocessing.RobustScaler()).fit(features), "iterative": lambda: __import__("sklearn.experimental.enable_iterative_imputer") and __import__("sklearn.impute").impute.IterativeImputer().fit(features),
        "sgd": lambda: [linear_model.SGDClassifier(loss=loss).fit(features, classes) for loss in ("hinge", "log_loss", "modified_huber", "squared_hinge", "perceptron")], "sgd-regression": lambda: [linear_model.SGDRegressor(loss=loss).fit(features, numbers) for loss in ("squared_error", "huber", "epsilon_insensitive")], "glm": lambda: [linear_model.PoissonRegressor().fit(features, np.abs(numbers)), linear_model.TweedieRegressor(power=1.5).fit(features, np.abs(numbers) + 1), linear_model.GammaRegressor().fit(features, np.abs(numbers) + 1)], "label": lambda: [preprocessing.LabelEncoder().fit(list("abc")), preprocessing.LabelBinarizer().fit(list("abc")), preprocessing.MultiLabelBinarizer().fit([["a"], ["b", "c"]])],
        "unfitted": lambda: [linear_model.LogisticRegression(), svm.SVR(), tree.ExtraTreeClassifier()], "tree": lambda: tree.DecisionTreeClassifier().fit(features, classes).tree_, "display": lambda: metrics.ConfusionMatrixDisplay(np.eye(2)), "cross": lambda: model_selection.cross_validate(linear_model.Ridge(), features, numbers, cv=2, return_estimator=True), "config": lambda: sklearn.get_config(), "artifact": lambda: {"model": linear_model.Ridge().fit(features, numbers), "columns": list("abcd"), "metrics": {"r2": np.float64(0.9)}, "trained": pd.Timestamp("2020-01-01"), "version": "1.0"}, "sparse": lambda: linear_model.LogisticRegression().fit(__import__("scipy.sparse").sparse.csr_matrix(features), classes), "svc-precomputed": lambda: svm.SVC(kernel=metrics.pairwise.rbf_kernel).fit(features, classes), "learning-curve": lambda: model_selection.learning_curve(linear_model.Ridge(), features, numbers, cv=2), "permutation": lambda: __import__("sklearn.inspection").inspection.permutation_importance(linear_model.Ridge().fit(features, numbers), features, numbers, n_repeats=2), "partial": lambda: __import__("sklearn.inspection").inspection.partial_dependence(linear_model.Ridge().fit(features, numbers), features, [0]), "isotonic-regression": lambda: __import__("sklearn.isotonic").isotonic.IsotonicRegression().fit(features[:, 0], numbers), "dates": lambda: preprocessing.FunctionTransformer(pd.to_numeric), "tagged": lambda: sklearn.utils.get_tags(linear_model.Ridge()), "generator": lambda: linear_model.SGDClassifier(random_state=np.random.RandomState(0)).fit(features, classes), "quantile": lambda: preprocessing.QuantileTransformer(n_quantiles=10).fit(features), "target-encoder": lambda: preprocessing.TargetEncoder().fit(frame[["e"]], classes), "dbscan": lambda: __import__("sklearn.cluster").cluster.DBSCAN().fit(features), "birch": lambda: __import__("sklearn.cluster").cluster.Birch().fit(features), "multi-output": lambda: __import__("sklearn.multioutput").multioutput.MultiOutputRegressor(linear_model.Ridge()).fit(features, np.c_[numbers, numbers]),
    }  # fmt: skip
    kept = {}
    for name, make in makers.items():
        try:
            kept[name] = make()
        except Exception as trouble:  # noqa: BLE001
            keep.tell(f"sklearn/{name}", trouble)
            continue
        keep.pickle(f"sklearn/{name}.pkl", kept[name])
    for name in sorted(kept.keys() & {"column-pipeline", "grid", "mlp", "bunch", "knn", "stacking", "hist"}):
        for compress in (0, 3, ("zlib", 3), ("gzip", 3), ("bz2", 3), ("lzma", 3), ("xz", 3), ("lz4", 3)):
            method = compress[0] if isinstance(compress, tuple) else compress
            keep.joblib(f"sklearn/joblib/{name}-{method}.joblib", lambda name=name: kept[name], compress)
        for protocol in range(6):
            keep.pickle(f"sklearn/protocols/{name}{protocol}.pkl", lambda name=name: kept[name], protocol)
            keep.attempt(f"sklearn/protocols/{name}{protocol}.joblib", lambda path, name=name, protocol=protocol: joblib.dump(kept[name], path, protocol=protocol))  # fmt: skip


@part
def joblib_(keep: Keeper) -> None:
    import joblib
    import numpy as np
    import pandas as pd

    values: dict[str, Any] = {
        "array": np.arange(100.0).reshape(10, 10), "fortran": np.asfortranarray(np.ones((5, 6))), "nested": {"a": [np.zeros(3), {"b": np.ones((2, 2), "f4")}], "c": "text"}, "objects": np.array([1, "a", None], dtype=object), "structured": np.zeros(3, dtype=[("a", "i4"), ("b", "f8")]), "object-field": np.array([(1, [2])], dtype=[("a", "i4"), ("o", "O")]), "empty": np.zeros((0, 4)), "scalar": np.array(3.0), "dates": np.array(["2020-01-01"], "M8[D]"), "texts": np.array(["ab", "c"]), "bytes": np.array([b"ab"]), "matrix": np.matrix([[1.0]]), "masked": np.ma.array([1, 2], mask=[0, 1]), "big-endian": np.arange(3, dtype=">f8"), "bool": np.array([True]), "complex": np.array([1j]), "list": [np.arange(n) for n in range(5)], "objects-nested": {"o": np.array([np.zeros(3), np.ones(2), None], dtype=object), "after": np.arange(4)}, "frame": pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]}), "mixed": [np.arange(3), pd.Series([1, 2]), {"k": np.float32(2)}], "strided": np.arange(20)[::3], "subclass": np.rec.array([(1, 2.0)], names="a,b"), "void": np.zeros(2, "V4"), "half": np.ones(5, "f2"), "longdouble": np.ones(2, np.longdouble), "plain": {"a": 1, "b": [1, 2]}, "random": np.random.RandomState(0), "sparse": __import__("scipy.sparse").sparse.eye(4).tocsr(), "subarray-dtype": np.zeros(2, dtype=[("a", "f4", (2, 2))]), "memory": np.zeros(5000),
    }  # fmt: skip
    for name, value in values.items():
        keep.joblib(f"joblib/{name}.joblib", value)
        keep.joblib(f"joblib/{name}-zlib.pkl", value, 3)
    for ending in ("z", "gz", "bz2", "xz", "lzma", "lz4"):
        keep.attempt(f"joblib/by-name.joblib.{ending}", lambda path: joblib.dump(values["nested"], path))

    def mapped(path: Path) -> None:
        source = Path(tempfile.mkdtemp()) / "source.joblib"
        joblib.dump(values["array"], source)
        joblib.dump({"m": joblib.load(source, mmap_mode="r")}, path)

    keep.attempt("joblib/mapped.joblib", mapped)

    def to_file(path: Path) -> None:
        with path.open("wb") as file:
            joblib.dump(values["nested"], file)
            joblib.dump(values["array"], file)

    keep.attempt("joblib/two.joblib", to_file)


@part
def boosters(keep: Keeper) -> None:
    import numpy as np

    features, classes, numbers = toy()

    def xgboost_() -> dict[str, Any]:
        import xgboost as xgb

        data = xgb.DMatrix(features, classes)
        return {
            "classifier": xgb.XGBClassifier(n_estimators=2).fit(features, classes), "regressor": xgb.XGBRegressor(n_estimators=2, early_stopping_rounds=1).fit(features, numbers, eval_set=[(features, numbers)], verbose=False), "ranker": xgb.XGBRanker(n_estimators=2).fit(features, classes, group=[60]), "forest": xgb.XGBRFClassifier(n_estimators=2).fit(features, classes), "booster": xgb.train({"max_depth": 2}, data, 2), "linear": xgb.XGBRegressor(booster="gblinear", n_estimators=2).fit(features, numbers), "dart": xgb.train({"booster": "dart"}, data, 2), "callback": xgb.XGBClassifier(n_estimators=2, callbacks=[xgb.callback.EarlyStopping(2, save_best=True)]).fit(features, classes, eval_set=[(features, classes)], verbose=False), "metric": xgb.XGBRegressor(eval_metric=__import__("sklearn.metrics").metrics.mean_absolute_error), "unfitted": xgb.XGBClassifier(), "search": __import__("sklearn.model_selection").model_selection.GridSearchCV(xgb.XGBClassifier(n_estimators=2), {"max_depth": [1, 2]}, cv=2).fit(features, classes),
        }  # fmt: skip

    def lightgbm_() -> dict[str, Any]:
        import lightgbm as lgb

        data = lgb.Dataset(features, classes)
        return {
            "classifier": lgb.LGBMClassifier(n_estimators=2, verbose=-1).fit(features, classes),
            "regressor": lgb.LGBMRegressor(n_estimators=2, verbose=-1, objective="quantile").fit(features, numbers),
            "ranker": lgb.LGBMRanker(n_estimators=2, verbose=-1).fit(features, classes, group=[60]),
            "booster": lgb.train({"verbose": -1}, data, 2),
            "callbacks": [lgb.early_stopping(2), lgb.log_evaluation(1)],
            "cv": lgb.cv(
                {"verbose": -1, "objective": "binary"},
                lgb.Dataset(features, classes),
                2,
                nfold=2,
                return_cvbooster=True,
            ),
            "unfitted": lgb.LGBMModel(),
        }

    def catboost_() -> dict[str, Any]:
        import catboost

        options = {"iterations": 2, "verbose": 0, "allow_writing_files": False}
        return {
            "classifier": catboost.CatBoostClassifier(**options).fit(features, classes),
            "regressor": catboost.CatBoostRegressor(**options).fit(features, numbers),
            "ranker": catboost.CatBoostRanker(**options),
            "model": catboost.CatBoost({"iterations": 2, "verbose": 0, "allow_writing_files": False}).fit(
                features, numbers
            ),
            "frozen": {
                "model": catboost.CatBoostClassifier(**options).fit(features, classes),
                "names": np.array(["a"]),
            },
        }

    _libraries(keep, {"xgboost": xgboost_, "lightgbm": lightgbm_, "catboost": catboost_})


def _libraries(keep: Keeper, makers: dict[str, Callable[[], dict[str, Any]]]) -> None:
    """Keep the values of each library twice: pickled and by joblib."""
    for library, make in makers.items():
        try:
            values = make()
        except Exception as trouble:  # noqa: BLE001
            keep.tell(library, trouble)
            continue
        for name, value in values.items():
            keep.pickle(f"{library}/{name}.pkl", value)
            keep.joblib(f"{library}/{name}.joblib", value)


def _made(keep: Keeper, library: str, makers: dict[str, Callable[[], Any]]) -> None:
    """Keep one value after the other; one that cannot be made costs itself only."""
    for name, make in makers.items():
        try:
            value = make()
        except Exception as trouble:  # noqa: BLE001
            keep.tell(f"{library}/{name}", trouble)
            continue
        keep.pickle(f"{library}/{name}.pkl", value)
        keep.joblib(f"{library}/{name}.joblib", value)


@part
def maps(keep: Keeper) -> None:
    """Only the part of umap without tensorflow, which does not bear torch beside it."""
    sys.modules["tensorflow"] = None  # type: ignore[assignment]  # so that its import fails
    import pynndescent
    import umap

    features, _, _ = toy()
    _made(
        keep,
        "umap",
        {
            "umap": lambda: umap.UMAP(n_epochs=5, n_neighbors=5).fit(features),
            "aligned": lambda: umap.AlignedUMAP(),
            "nndescent": lambda: pynndescent.NNDescent(features, n_neighbors=5),
            "transformer": lambda: pynndescent.PyNNDescentTransformer(n_neighbors=5).fit(features),
        },
    )


@part
def learning(keep: Keeper) -> None:
    """Libraries with estimators of scikit-learn's kind."""
    import importlib

    import numpy as np
    import pandas as pd

    features, classes, numbers = toy()
    frame = pd.DataFrame(features, columns=list("abcd")).assign(e=["x", "y", "z"] * 20)
    many = pd.DataFrame({"T": np.abs(numbers) + 0.1, "E": classes, "a": features[:, 0]})

    def get(dotted: str) -> Any:
        module, _, name = dotted.rpartition(".")
        return getattr(importlib.import_module(module), name)  # noqa: TID251

    def fitted(dotted: str, *data: Any, **options: Any) -> Callable[[], Any]:
        def make() -> Any:
            model = get(dotted)(**options)
            model.fit(*data)
            return model

        return make

    both, regression = (features, classes), (features, numbers)
    rare = np.r_[np.zeros(48, int), np.ones(12, int)]
    _made(keep, "imblearn", {name.rpartition(".")[2]: fitted(f"imblearn.{name}", features, rare) for name in ("over_sampling.SMOTE", "over_sampling.ADASYN", "over_sampling.RandomOverSampler", "over_sampling.BorderlineSMOTE", "under_sampling.RandomUnderSampler", "under_sampling.TomekLinks", "under_sampling.NearMiss", "under_sampling.EditedNearestNeighbours", "combine.SMOTEENN", "ensemble.BalancedRandomForestClassifier", "ensemble.EasyEnsembleClassifier", "ensemble.RUSBoostClassifier", "ensemble.BalancedBaggingClassifier")} | {"pipeline": lambda: get("imblearn.pipeline.make_pipeline")(get("imblearn.over_sampling.SMOTE")(), get("sklearn.linear_model.LogisticRegression")()).fit(features, rare)})  # fmt: skip
    _made(keep, "category_encoders", {name: fitted(f"category_encoders.{name}", frame[["e"]], classes) for name in ("TargetEncoder", "OneHotEncoder", "OrdinalEncoder", "BinaryEncoder", "HashingEncoder", "CatBoostEncoder", "WOEEncoder", "LeaveOneOutEncoder", "JamesSteinEncoder", "CountEncoder", "HelmertEncoder", "GLMMEncoder", "QuantileEncoder")})  # fmt: skip
    _made(keep, "feature_engine", {
        "mean-imputer": fitted("feature_engine.imputation.MeanMedianImputer", frame), "onehot": fitted("feature_engine.encoding.OneHotEncoder", frame), "rare": fitted("feature_engine.encoding.RareLabelEncoder", frame), "mean": fitted("feature_engine.encoding.MeanEncoder", frame, pd.Series(classes)), "winsor": fitted("feature_engine.outliers.Winsorizer", frame), "discretiser": fitted("feature_engine.discretisation.EqualFrequencyDiscretiser", frame), "tree": fitted("feature_engine.discretisation.DecisionTreeDiscretiser", frame[list("abcd")], pd.Series(numbers), regression=True), "drop": fitted("feature_engine.selection.DropConstantFeatures", frame), "yeo": fitted("feature_engine.transformation.YeoJohnsonTransformer", frame[list("abcd")]), "wrapper": fitted("feature_engine.wrappers.SklearnTransformerWrapper", frame[list("abcd")], transformer=get("sklearn.preprocessing.StandardScaler")()), "cyclic": fitted("feature_engine.creation.CyclicalFeatures", frame[["a"]].abs()), "lag": fitted("feature_engine.timeseries.forecasting.LagFeatures", frame[["a"]]),
    })  # fmt: skip
    _made(keep, "mlxtend", {"stacking": fitted("mlxtend.classifier.StackingClassifier", *both, classifiers=[get("sklearn.linear_model.LogisticRegression")()], meta_classifier=get("sklearn.linear_model.LogisticRegression")()), "sfs": fitted("mlxtend.feature_selection.SequentialFeatureSelector", *both, estimator=get("sklearn.linear_model.LogisticRegression")(), k_features=2), "efs": fitted("mlxtend.feature_selection.ExhaustiveFeatureSelector", *both, estimator=get("sklearn.linear_model.LogisticRegression")(), max_features=1, print_progress=False), "vote": fitted("mlxtend.classifier.EnsembleVoteClassifier", *both, clfs=[get("sklearn.linear_model.LogisticRegression")()]), "softmax": fitted("mlxtend.classifier.SoftmaxRegression", *both), "encoder": fitted("mlxtend.preprocessing.TransactionEncoder", [["a", "b"], ["b"]]), "selector": lambda: get("mlxtend.feature_selection.ColumnSelector")(cols=[0]), "kmeans": fitted("mlxtend.cluster.Kmeans", features, k=2)})  # fmt: skip
    _made(
        keep,
        "hdbscan",
        {
            "hdbscan": fitted("hdbscan.HDBSCAN", features, prediction_data=True),
            "robust": fitted("hdbscan.RobustSingleLinkage", features),
            "plain": fitted("hdbscan.HDBSCAN", features, gen_min_span_tree=True),
        },
    )
    _made(keep, "lifelines", {"cox": fitted("lifelines.CoxPHFitter", many, "T", "E"), "km": fitted("lifelines.KaplanMeierFitter", many["T"], many["E"]), "weibull": fitted("lifelines.WeibullAFTFitter", many, "T", "E"), "na": fitted("lifelines.NelsonAalenFitter", many["T"], many["E"]), "aalen": fitted("lifelines.AalenAdditiveFitter", many, "T", "E"), "weibull-uni": fitted("lifelines.WeibullFitter", many["T"], many["E"]), "lognormal": fitted("lifelines.LogNormalAFTFitter", many, "T", "E"), "exponential": fitted("lifelines.ExponentialFitter", many["T"], many["E"]), "test": lambda: get("lifelines.statistics.logrank_test")(many["T"], many["T"])})  # fmt: skip
    target = np.array(list(zip(many["E"].astype(bool), many["T"], strict=True)), dtype=[("e", bool), ("t", float)])
    _made(keep, "sksurv", {"cox": fitted("sksurv.linear_model.CoxPHSurvivalAnalysis", features, target), "forest": fitted("sksurv.ensemble.RandomSurvivalForest", features, target, n_estimators=3), "boost": fitted("sksurv.ensemble.GradientBoostingSurvivalAnalysis", features, target, n_estimators=3), "svm": fitted("sksurv.svm.FastSurvivalSVM", features, target), "net": fitted("sksurv.linear_model.CoxnetSurvivalAnalysis", features, target), "tree": fitted("sksurv.tree.SurvivalTree", features, target), "function": lambda: fitted("sksurv.linear_model.CoxPHSurvivalAnalysis", features, target)().predict_survival_function(features[:1])})  # fmt: skip
    _made(keep, "pyod", {name.rpartition(".")[2]: fitted(f"pyod.models.{name}", features) for name in ("iforest.IForest", "knn.KNN", "lof.LOF", "hbos.HBOS", "ocsvm.OCSVM", "pca.PCA", "ecod.ECOD", "copod.COPOD", "abod.ABOD", "cblof.CBLOF", "mcd.MCD", "loda.LODA", "inne.INNE", "gmm.GMM", "kde.KDE", "sos.SOS", "lmdd.LMDD", "cof.COF", "auto_encoder.AutoEncoder", "vae.VAE")})  # fmt: skip
    _made(
        keep,
        "ngboost",
        {
            "regressor": fitted("ngboost.NGBRegressor", *regression, n_estimators=3, verbose=False),
            "classifier": fitted("ngboost.NGBClassifier", *both, n_estimators=3, verbose=False),
            "survival": lambda: get("ngboost.NGBSurvival")(n_estimators=2, verbose=False).fit(
                features, np.abs(numbers) + 0.1, classes
            ),
        },
    )
    _made(
        keep,
        "interpret",
        {
            "ebm": fitted("interpret.glassbox.ExplainableBoostingClassifier", *both, max_rounds=5),
            "ebm-regressor": fitted("interpret.glassbox.ExplainableBoostingRegressor", *regression, max_rounds=5),
            "linear": fitted("interpret.glassbox.LogisticRegression", *both),
            "explanation": lambda: fitted(
                "interpret.glassbox.ExplainableBoostingClassifier", *both, max_rounds=2
            )().explain_global(),
        },
    )
    _made(
        keep,
        "kmodes",
        {
            "kmodes": fitted("kmodes.kmodes.KModes", frame[["e"]].to_numpy(), n_clusters=2),
            "kprototypes": lambda: get("kmodes.kprototypes.KPrototypes")(n_clusters=2).fit(
                frame.to_numpy(), categorical=[4]
            ),
        },
    )
    _made(
        keep,
        "hmmlearn",
        {
            "gaussian": fitted("hmmlearn.hmm.GaussianHMM", features),
            "gmm": fitted("hmmlearn.hmm.GMMHMM", features),
            "categorical": fitted("hmmlearn.hmm.CategoricalHMM", classes[:, None]),
            "poisson": fitted("hmmlearn.hmm.PoissonHMM", classes[:, None]),
        },
    )
    series = pd.Series(
        np.sin(np.arange(48)) + np.arange(48) / 10, index=pd.period_range("2020-01", periods=48, freq="M")
    )
    _made(keep, "sktime", {"naive": fitted("sktime.forecasting.naive.NaiveForecaster", series, strategy="mean"), "theta": fitted("sktime.forecasting.theta.ThetaForecaster", series), "ets": fitted("sktime.forecasting.exp_smoothing.ExponentialSmoothing", series), "trend": fitted("sktime.forecasting.trend.PolynomialTrendForecaster", series), "minirocket": fitted("sktime.transformations.panel.rocket.Rocket", np.random.default_rng(0).normal(size=(4, 1, 20)), num_kernels=10), "dummy": fitted("sktime.classification.dummy.DummyClassifier", np.random.default_rng(0).normal(size=(4, 1, 20)), np.array([0, 1, 0, 1])), "forest": fitted("sktime.classification.interval_based.TimeSeriesForestClassifier", np.random.default_rng(0).normal(size=(4, 1, 20)), np.array([0, 1, 0, 1]), n_estimators=3), "knn": fitted("sktime.classification.distance_based.KNeighborsTimeSeriesClassifier", np.random.default_rng(0).normal(size=(4, 1, 20)), np.array([0, 1, 0, 1])), "pipeline": lambda: (get("sktime.transformations.series.detrend.Deseasonalizer")(sp=12) * get("sktime.forecasting.naive.NaiveForecaster")()).fit(series, fh=[1]), "horizon": lambda: get("sktime.forecasting.base.ForecastingHorizon")([1, 2])})  # fmt: skip
    _made(keep, "tslearn", {"kmeans": fitted("tslearn.clustering.TimeSeriesKMeans", features[:, :, None], n_clusters=2), "knn": fitted("tslearn.neighbors.KNeighborsTimeSeriesClassifier", features[:, :, None], classes), "svc": fitted("tslearn.svm.TimeSeriesSVC", features[:, :, None], classes), "scaler": fitted("tslearn.preprocessing.TimeSeriesScalerMeanVariance", features[:, :, None]), "sax": fitted("tslearn.piecewise.SymbolicAggregateApproximation", features[:, :, None])})  # fmt: skip
    _made(keep, "pmdarima", {"arima": lambda: get("pmdarima.ARIMA")(order=(1, 1, 1)).fit(series.to_numpy()), "auto": lambda: get("pmdarima.auto_arima")(series.to_numpy(), start_p=0, start_q=0, max_p=1, max_q=1, seasonal=False), "pipeline": lambda: get("pmdarima.pipeline.Pipeline")([("b", get("pmdarima.preprocessing.BoxCoxEndogTransformer")(lmbda2=1e-6)), ("a", get("pmdarima.ARIMA")(order=(1, 0, 0)))]).fit(np.abs(series.to_numpy()) + 1)})  # fmt: skip

    def river_() -> Any:
        model = get("river.preprocessing.StandardScaler")() | get("river.linear_model.LogisticRegression")()
        for row, label in zip(features, classes, strict=True):
            model.learn_one({"a": row[0], "b": row[1]}, bool(label))
        return model

    def river_tree() -> Any:
        model = get("river.tree.HoeffdingTreeClassifier")()
        for row, label in zip(features, classes, strict=True):
            model.learn_one({"a": row[0]}, bool(label))
        return model

    _made(keep, "river", {"pipeline": river_, "tree": river_tree, "forest": lambda: get("river.forest.ARFClassifier")(n_models=2), "adwin": lambda: get("river.drift.ADWIN")(), "metrics": lambda: get("river.metrics.Accuracy")() + get("river.metrics.F1")(), "optim": lambda: [get("river.optim.Adam")(), get("river.optim.losses.Log")()], "knn": lambda: get("river.neighbors.KNNClassifier")(), "half-space": lambda: get("river.anomaly.HalfSpaceTrees")(), "stats": lambda: [get("river.stats.Mean")(), get("river.stats.Quantile")()], "bandit": lambda: get("river.bandit.EpsilonGreedy")(0.1), "bag": lambda: get("river.feature_extraction.BagOfWords")()})  # fmt: skip

    def surprise_() -> dict[str, Any]:
        import surprise

        data = surprise.Dataset.load_from_df(
            pd.DataFrame({"u": [1, 2, 1, 2], "i": [1, 1, 2, 3], "r": [5, 3, 4, 1]}), surprise.Reader()
        )
        train = data.build_full_trainset()
        return {
            name: getattr(surprise, name)().fit(train)
            for name in (
                "SVD",
                "KNNBasic",
                "BaselineOnly",
                "NMF",
                "SlopeOne",
                "CoClustering",
                "NormalPredictor",
                "SVDpp",
                "KNNWithMeans",
            )
        } | {"trainset": train}

    def statsmodels_() -> dict[str, Any]:
        import statsmodels.api as sm
        import statsmodels.formula.api as smf
        import statsmodels.tsa.api as tsa

        designed = sm.add_constant(features)
        y = series.to_numpy()
        return {
            "ols": sm.OLS(numbers, designed).fit(), "formula": smf.ols("T ~ a + C(E)", many).fit(), "logit": sm.Logit(classes, features[:, 2:]).fit(disp=0), "glm": sm.GLM(np.abs(numbers), designed, family=sm.families.Poisson()).fit(), "glm-gamma": sm.GLM(np.abs(numbers) + 1, designed, family=sm.families.Gamma(sm.families.links.Log())).fit(), "wls": sm.WLS(numbers, designed).fit(), "rlm": sm.RLM(numbers, designed).fit(), "quantreg": sm.QuantReg(numbers, designed).fit(), "arima": tsa.ARIMA(y, order=(1, 0, 0)).fit(), "sarimax": tsa.SARIMAX(y, order=(1, 0, 0)).fit(disp=0), "ets": tsa.ExponentialSmoothing(y, trend="add").fit(), "holt": tsa.Holt(y, initialization_method="estimated").fit(), "var": tsa.VAR(np.c_[y, np.cos(y)]).fit(1), "ar": tsa.AutoReg(y, 1).fit(), "mixed": smf.mixedlm("T ~ a", many, groups=many["E"]).fit(), "gee": smf.gee("T ~ a", "E", many).fit(), "seasonal": tsa.seasonal_decompose(y, period=12), "uc": tsa.UnobservedComponents(y, "local level").fit(disp=0), "mnlogit": sm.MNLogit(np.arange(60) % 3, designed).fit(disp=0), "poisson": sm.Poisson(classes, designed).fit(disp=0), "kde": sm.nonparametric.KDEUnivariate(features[:, 0]), "phreg": sm.PHReg(np.abs(numbers), features, classes).fit(), "stl": tsa.STL(pd.Series(y), period=12).fit(), "anova": sm.stats.anova_lm(smf.ols("T ~ a", many).fit()), "gam": None, "lowess": sm.nonparametric.lowess(numbers, features[:, 0]), "pca": sm.multivariate.PCA(features), "summary": sm.OLS(numbers, designed).fit().summary(), "markov": tsa.MarkovRegression(y, 2),
        }  # fmt: skip

    _libraries(keep, {"surprise": surprise_, "statsmodels": statsmodels_})

    def prophet_() -> dict[str, Any]:
        import prophet

        data = pd.DataFrame({"ds": pd.date_range("2020", periods=40), "y": np.arange(40.0)})
        fresh = prophet.Prophet(weekly_seasonality=False)
        try:
            return {"fitted": prophet.Prophet().fit(data), "fresh": fresh}
        except Exception as trouble:  # noqa: BLE001
            keep.tell("prophet fit", trouble)
            return {"fresh": fresh}

    def shap_() -> dict[str, Any]:
        import shap
        from sklearn.ensemble import RandomForestClassifier
        from sklearn.linear_model import LinearRegression

        forest = RandomForestClassifier(3).fit(*both)
        linear = LinearRegression().fit(*regression)
        return {
            "tree": shap.TreeExplainer(forest),
            "values": shap.TreeExplainer(forest)(features[:2]),
            "linear": shap.LinearExplainer(linear, features),
            "kernel": shap.KernelExplainer(linear.predict, features[:5]),
            "masker": shap.maskers.Independent(features),
            "explainer": shap.Explainer(linear, features),
        }

    def skorch_() -> dict[str, Any]:
        import skorch
        import torch

        net = skorch.NeuralNetClassifier(torch.nn.Sequential, module__args=None)
        linear = skorch.NeuralNetRegressor(
            torch.nn.Linear, module__in_features=4, module__out_features=1, max_epochs=1, verbose=0
        )
        linear.fit(features.astype("f4"), numbers.astype("f4")[:, None])
        return {"unfitted": net, "fitted": linear}

    def optuna_() -> dict[str, Any]:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0), pruner=optuna.pruners.MedianPruner())
        study.optimize(
            lambda trial: (
                trial.suggest_float("x", -1, 1) ** 2
                + trial.suggest_int("n", 1, 3)
                + len(trial.suggest_categorical("c", ["a", "b"]))
            ),
            3,
        )
        return {
            "study": study,
            "trials": study.trials,
            "sampler": study.sampler,
            "best": study.best_trial,
            "distributions": study.best_trial.distributions,
            "samplers": [
                optuna.samplers.RandomSampler(),
                optuna.samplers.CmaEsSampler(),
                optuna.samplers.NSGAIISampler(),
                optuna.samplers.GridSampler({"x": [1]}),
            ],
            "pruners": [optuna.pruners.HyperbandPruner(), optuna.pruners.SuccessiveHalvingPruner()],
        }

    def hyperopt_() -> dict[str, Any]:
        import hyperopt

        trials = hyperopt.Trials()
        space = hyperopt.hp.uniform("x", -1, 1)
        hyperopt.fmin(lambda x: x**2, space, hyperopt.tpe.suggest, 3, trials=trials, verbose=False)
        return {"trials": trials, "space": space}

    def arviz_() -> dict[str, Any]:
        import arviz

        return {"data": arviz.from_dict({"posterior": {"mu": np.zeros((2, 10))}})}

    def pymc_() -> dict[str, Any]:
        import pymc

        with pymc.Model() as model:
            mu = pymc.Normal("mu", 0, 1)
            pymc.Normal("y", mu, 1, observed=numbers[:5])
        return {"model": model}

    _libraries(
        keep,
        {
            "prophet": prophet_,
            "shap": shap_,
            "skorch": skorch_,
            "optuna": optuna_,
            "hyperopt": hyperopt_,
            "arviz": arviz_,
            "pymc": pymc_,
        },
    )


@part
def others(keep: Keeper) -> None:
    """Libraries that are met less often: no name of theirs is listed one by one in the policy."""
    import importlib

    import numpy as np
    import pandas as pd

    features, classes, numbers = toy()
    frame = pd.DataFrame(features, columns=list("abcd")).assign(e=["x", "y", "z"] * 20)

    def get(dotted: str) -> Any:
        module, _, name = dotted.rpartition(".")
        return getattr(importlib.import_module(module), name)  # noqa: TID251

    def fitted(dotted: str, *data: Any, **options: Any) -> Callable[[], Any]:
        def make() -> Any:
            model = get(dotted)(**options)
            model.fit(*data)
            return model

        return make

    both, regression = (features, classes), (features, numbers)
    narrow = (features.astype("f4"), classes)
    dated = pd.DataFrame(
        {"unique_id": "a", "ds": pd.date_range("2020", periods=48, freq="MS"), "y": np.sin(np.arange(48.0))}
    )

    def network() -> Any:
        import pandas as pd
        from pgmpy.models import DiscreteBayesianNetwork

        model = DiscreteBayesianNetwork([("a", "b")])
        return model.fit(pd.DataFrame({"a": [0, 1, 0, 1], "b": [0, 1, 1, 0]})) or model

    def forecast() -> Any:
        from statsforecast import StatsForecast
        from statsforecast.models import AutoETS, Naive

        return StatsForecast([Naive(), AutoETS(season_length=12)], "MS").fit(dated)

    def evolved() -> Any:
        import random

        from deap import gp, tools

        random.seed(0)
        primitives = gp.PrimitiveSet("main", 1)
        primitives.addPrimitive(__import__("operator").add, 2)
        return [gp.PrimitiveTree(gp.genFull(primitives, 1, 2)), tools.Logbook()]

    makers: dict[str, dict[str, Callable[[], Any]]] = {
        "pgmpy": {"network": network}, "statsforecast": {"models": forecast}, "deap": {"tree": evolved},
        "pygam": {"linear": fitted("pygam.LinearGAM", *regression), "logistic": fitted("pygam.LogisticGAM", *both)},
        "imodels": {"figs": fitted("imodels.FIGSClassifier", *both), "rulefit": fitted("imodels.RuleFitClassifier", *both), "skope": fitted("imodels.HSTreeClassifierCV", *both)},
        "rank_bm25": {"okapi": lambda: get("rank_bm25.BM25Okapi")([["a", "b"], ["b", "c"]])},
        "sklego": {"thresholder": fitted("sklego.meta.Thresholder", *both, model=get("sklearn.linear_model.LogisticRegression")(), threshold=0.4), "columns": lambda: get("sklego.preprocessing.ColumnSelector")(["a"]), "lowess": fitted("sklego.linear_model.LowessRegression", features[:, :1], numbers)},
        "skrub": {"table": fitted("skrub.TableVectorizer", frame), "gap": fitted("skrub.GapEncoder", frame["e"], n_components=2), "minhash": fitted("skrub.MinHashEncoder", frame["e"])},
        "quantile_forest": {"forest": fitted("quantile_forest.RandomForestQuantileRegressor", *regression, n_estimators=3)},
        "pyts": {"boss": fitted("pyts.classification.BOSSVS", np.random.default_rng(0).normal(size=(60, 40)), classes, window_size=10), "rocket": fitted("pyts.transformation.ROCKET", np.random.default_rng(0).normal(size=(4, 20)), n_kernels=10)},
        "ruptures": {"pelt": fitted("ruptures.Pelt", numbers), "binseg": fitted("ruptures.Binseg", numbers)},
        "pytorch_tabnet": {"model": lambda: _quiet(lambda: fitted("pytorch_tabnet.tab_model.TabNetClassifier", *narrow, verbose=0)())},
        "botorch": {"gp": lambda: get("botorch.models.SingleTaskGP")(__import__("torch").tensor(features), __import__("torch").tensor(numbers)[:, None])},
        "implicit": {"als": lambda: _implicit(get)}, "bayes_opt": {"space": lambda: get("bayes_opt.BayesianOptimization")(None, {"x": (0, 1)}, verbose=0)._space.keys},
        "econml": {"dml": lambda: get("econml.dml.LinearDML")().fit(numbers, features[:, 0], X=features[:, 1:], inference=None), "learner": lambda: get("econml.metalearners.SLearner")(overall_model=get("sklearn.linear_model.Ridge")()).fit(numbers, classes, X=features)},
        "uncertainties": {"value": lambda: get("uncertainties.ufloat")(1.0, 0.1), "product": lambda: get("uncertainties.ufloat")(1.0, 0.1) * 2}, "pint": {"quantity": lambda: get("pint.UnitRegistry")().Quantity(3, "metre")},
        "pendulum": {"moment": lambda: get("pendulum.datetime")(2020, 1, 1, tz="Europe/Berlin"), "span": lambda: get("pendulum.duration")(days=1), "date": lambda: get("pendulum.date")(2020, 1, 1), "zone": lambda: get("pendulum.timezone")("UTC")},
        "gplearn": {"regressor": fitted("gplearn.genetic.SymbolicRegressor", *regression, population_size=20, generations=2), "transformer": fitted("gplearn.genetic.SymbolicTransformer", *regression, population_size=20, generations=2, hall_of_fame=5, n_components=2)},
        "skopt": {"space": lambda: [get("skopt.space.Real")(0, 1), get("skopt.space.Categorical")(["a", "b"])], "result": lambda: get("skopt.gp_minimize")(abs, [(-1.0, 1.0)], n_calls=5, n_initial_points=3).x_iters, "forest": fitted("skopt.learning.RandomForestRegressor", *regression, n_estimators=3)},
        "fairlearn": {"threshold": lambda: get("fairlearn.postprocessing.ThresholdOptimizer")(estimator=get("sklearn.linear_model.LogisticRegression")(), predict_method="predict").fit(features, classes, sensitive_features=frame["e"]), "frame": lambda: get("fairlearn.metrics.MetricFrame")(metrics=get("sklearn.metrics.accuracy_score"), y_true=classes, y_pred=classes, sensitive_features=frame["e"])},
        "arch": {"garch": lambda: get("arch.arch_model")(numbers).fit(disp="off"), "unfitted": lambda: get("arch.arch_model")(numbers)}, "tsfresh": {"selector": lambda: get("tsfresh.transformers.FeatureSelector")(), "settings": lambda: get("tsfresh.feature_extraction.MinimalFCParameters")()},
        "kornia": {"augment": lambda: get("kornia.augmentation.RandomHorizontalFlip")(p=0.5), "filter": lambda: get("kornia.filters.GaussianBlur2d")((3, 3), (1.0, 1.0))}, "einops": {"rearrange": lambda: get("einops.layers.torch.Rearrange")("b c -> c b")},
        "segmentation_models_pytorch": {"unet": lambda: get("segmentation_models_pytorch.Unet")("mobilenet_v2", encoder_weights=None)},
    }  # fmt: skip
    for library, made in makers.items():
        _made(keep, library, made)


def _quiet(make: Callable[[], Any]) -> Any:
    import contextlib

    with contextlib.redirect_stdout(io.StringIO()):
        return make()


def _implicit(get: Callable[[str], Any]) -> Any:
    import scipy.sparse

    model = get("implicit.als.AlternatingLeastSquares")(factors=2, iterations=1)
    model.fit(scipy.sparse.random(6, 5, 0.5, "csr", random_state=0), show_progress=False)
    return model


# -- words and games


@part
def words(keep: Keeper) -> None:
    sentences = [
        ["human", "interface", "computer"],
        ["survey", "user", "computer", "system"],
        ["graph", "trees", "user"],
    ] * 4

    def gensim_() -> dict[str, Any]:
        from gensim import corpora, models, similarities

        dictionary = corpora.Dictionary(sentences)
        corpus = [dictionary.doc2bow(text) for text in sentences]
        w2v = models.Word2Vec(sentences, vector_size=8, min_count=1, epochs=1)
        values: dict[str, Any] = {"dictionary": dictionary, "word2vec": w2v, "vectors": w2v.wv, "tfidf": models.TfidfModel(corpus), "lsi": models.LsiModel(corpus, 2, dictionary), "lda": models.LdaModel(corpus, 2, dictionary), "doc2vec": models.Doc2Vec([models.doc2vec.TaggedDocument(text, [n]) for n, text in enumerate(sentences)], vector_size=8, min_count=1, epochs=1), "fasttext": models.FastText(sentences, vector_size=8, min_count=1, epochs=1, bucket=100), "phrases": models.Phrases(sentences, min_count=1), "phraser": models.phrases.Phraser(models.Phrases(sentences, min_count=1)), "index": similarities.MatrixSimilarity(corpus, num_features=len(dictionary)), "hdp": models.HdpModel(corpus, dictionary), "bm25": models.OkapiBM25Model(corpus), "nmf": models.Nmf(corpus, 2, dictionary), "coherence": models.CoherenceModel(topics=[["user", "computer"]], texts=sentences, dictionary=dictionary, coherence="u_mass", corpus=corpus)}  # fmt: skip
        for name in ("dictionary", "word2vec", "lda", "tfidf", "doc2vec", "fasttext", "phrases", "vectors"):
            keep.attempt(f"gensim/saved/{name}.model", lambda path, name=name: values[name].save(str(path)))
        return values

    def nltk_() -> dict[str, Any]:
        import nltk

        train = [
            ({"last": name[-1]}, kind) for name, kind in (("anna", "f"), ("peter", "m"), ("lisa", "f"), ("mark", "m"))
        ]
        tagged = [[("the", "DT"), ("dog", "NN")], [("a", "DT"), ("cat", "NN")]]
        default = nltk.DefaultTagger("NN")
        return {
            "bayes": nltk.NaiveBayesClassifier.train(train),
            "tree": nltk.DecisionTreeClassifier.train(train, entropy_cutoff=0, support_cutoff=0),
            "unigram": nltk.UnigramTagger(tagged, backoff=default),
            "bigram": nltk.BigramTagger(tagged, backoff=nltk.UnigramTagger(tagged)),
            "regexp": nltk.RegexpTagger([(r".*ing$", "VBG")]),
            "freq": nltk.FreqDist("abca"),
            "cond": nltk.ConditionalFreqDist([("a", 1)]),
            "punkt": nltk.tokenize.punkt.PunktSentenceTokenizer("A text. Another one."),
            "parsed": nltk.Tree.fromstring("(S (NP a))"),
            "stemmer": nltk.PorterStemmer(),
            "snowball": nltk.SnowballStemmer("english"),
            "tokenizer": nltk.RegexpTokenizer(r"\w+"),
            "tweet": nltk.TweetTokenizer(),
            "lm": _language_model(nltk),
            "hmm": nltk.HiddenMarkovModelTagger.train(tagged),
            "perceptron": nltk.PerceptronTagger(load=False),
            "maxent": nltk.MaxentClassifier.train(train, trace=0, max_iter=2),
            "sklearn": nltk.classify.SklearnClassifier(
                __import__("sklearn.linear_model").linear_model.LogisticRegression()
            ).train(train),
            "grammar": nltk.CFG.fromstring("S -> 'a'"),
            "text": nltk.Text(["a", "b"]),
        }

    def spacy_() -> dict[str, Any]:
        import spacy

        language = spacy.blank("en")
        doc = language("This is a text. And one more.")
        other = spacy.blank("de")
        other.add_pipe("sentencizer")
        text = spacy.blank("en")
        text.add_pipe("textcat").add_label("A")
        text.get_pipe("textcat").add_label("B")
        text.initialize()
        return {
            "doc": doc,
            "docs": [doc, language("b")],
            "vocab": language.vocab,
            "docbin": spacy.tokens.DocBin(docs=[doc]).to_bytes(),
            "tokenizer": language.tokenizer,
            "language": language,
            "sentencizer": other,
            "textcat": text,
            "strings": language.vocab.strings,
            "vectors": language.vocab.vectors,
            "matcher": spacy.matcher.Matcher(language.vocab),
            "phrases": spacy.matcher.PhraseMatcher(language.vocab),
            "lookups": language.vocab.lookups,
        }

    def games() -> dict[str, Any]:
        import numpy as np
        from gymnasium import spaces

        box = spaces.Box(0, 1, (3,), np.float32)
        return {
            "box": box,
            "discrete": spaces.Discrete(3),
            "dict": spaces.Dict(a=box, b=spaces.Discrete(2)),
            "tuple": spaces.Tuple([box]),
            "binary": spaces.MultiBinary(4),
            "multi": spaces.MultiDiscrete([2, 3]),
            "text": spaces.Text(5),
            "sequence": spaces.Sequence(box),
            "graph": spaces.Graph(box, None),
            "union": spaces.OneOf([box]),
        }

    _libraries(keep, {"gensim": gensim_, "nltk": nltk_, "spacy": spacy_, "gymnasium": games})
    _baselines(keep)


def _language_model(nltk: Any) -> Any:
    from nltk.lm import MLE
    from nltk.lm.preprocessing import padded_everygram_pipeline

    train, vocabulary = padded_everygram_pipeline(2, [["a", "b"], ["b", "c"]])
    model = MLE(2)
    model.fit(train, vocabulary)
    return model


def _baselines(keep: Keeper) -> None:
    try:
        import gymnasium
        import stable_baselines3 as sb
        from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize
    except ImportError as trouble:
        keep.tell("stable_baselines3", trouble)
        return
    for name in ("PPO", "A2C", "DQN"):
        keep.attempt(
            f"stable_baselines3/{name}.zip",
            lambda path, name=name: getattr(sb, name)("MlpPolicy", "CartPole-v1", device="cpu").save(path),
        )
    for name in ("SAC", "TD3", "DDPG"):
        keep.attempt(
            f"stable_baselines3/{name}.zip",
            lambda path, name=name: getattr(sb, name)(
                "MlpPolicy", "Pendulum-v1", device="cpu", buffer_size=100, policy_kwargs={"net_arch": [4]}
            ).save(path),
        )

    def normalized(path: Path) -> None:
        VecNormalize(DummyVecEnv([lambda: gymnasium.make("CartPole-v1")])).save(str(path))

    keep.attempt("stable_baselines3/vecnormalize.pkl", normalized)
    keep.attempt(
        "stable_baselines3/buffer.pkl",
        lambda path: sb.SAC("MlpPolicy", "Pendulum-v1", device="cpu", buffer_size=20).save_replay_buffer(path),
    )
    keep.attempt(
        "stable_baselines3/policy.pth", lambda path: sb.PPO("MlpPolicy", "CartPole-v1", device="cpu").policy.save(path)
    )


# -- torch and its family


@part
def torch_(keep: Keeper) -> None:
    import torch
    from torch import nn

    torch.manual_seed(0)
    layers: dict[str, Callable[[], Any]] = {
        "linear": lambda: nn.Linear(2, 3), "conv": lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.1)), "conv1d": lambda: nn.Conv1d(1, 2, 3, padding="same"), "conv3d": lambda: nn.ConvTranspose3d(1, 1, 2), "lstm": lambda: nn.LSTM(2, 3, 2, bidirectional=True), "gru": lambda: nn.GRU(2, 3), "rnn": lambda: nn.RNNCell(2, 2), "embedding": lambda: nn.Embedding(5, 3, padding_idx=0), "bag": lambda: nn.EmbeddingBag(5, 3), "attention": lambda: nn.MultiheadAttention(4, 2), "transformer": lambda: nn.Transformer(4, 2, 1, 1, 8), "encoder": lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8), 1), "norms": lambda: nn.ModuleList([nn.LayerNorm(3), nn.GroupNorm(1, 2), nn.InstanceNorm2d(2), nn.RMSNorm(3), nn.LocalResponseNorm(2)]), "acts": lambda: nn.ModuleDict({"a": nn.GELU(), "b": nn.SiLU(), "c": nn.PReLU(), "d": nn.Softmax(-1), "e": nn.LeakyReLU(), "f": nn.Hardswish(), "g": nn.Mish(), "h": nn.ELU(), "i": nn.Sigmoid(), "j": nn.Tanh(), "k": nn.Softplus(), "l": nn.GLU()}), "losses": lambda: [nn.CrossEntropyLoss(torch.ones(2)), nn.MSELoss(), nn.BCEWithLogitsLoss(), nn.SmoothL1Loss(), nn.KLDivLoss(), nn.NLLLoss(), nn.CTCLoss(), nn.TripletMarginLoss(), nn.HuberLoss(), nn.CosineEmbeddingLoss()], "pools": lambda: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.AvgPool1d(2), nn.Upsample(scale_factor=2), nn.PixelShuffle(2), nn.ZeroPad2d(1), nn.Unfold(2), nn.Identity()), "parameters": lambda: nn.ParameterList([nn.Parameter(torch.ones(2))]), "parameter-dict": lambda: nn.ParameterDict({"a": nn.Parameter(torch.ones(2))}), "weight-norm": lambda: nn.utils.parametrizations.weight_norm(nn.Linear(2, 2)), "weight-norm-old": lambda: nn.utils.weight_norm(nn.Linear(2, 2)), "spectral": lambda: nn.utils.spectral_norm(nn.Linear(2, 2)), "pruned": lambda: __import__("torch.nn.utils.prune").nn.utils.prune.l1_unstructured(nn.Linear(4, 4), "weight", 0.5), "bilinear": lambda: nn.Bilinear(2, 2, 2), "data-parallel": lambda: nn.DataParallel(nn.Linear(2, 2)), "lazy": lambda: nn.LazyLinear(3), "double": lambda: nn.Linear(2, 2).double().half().bfloat16(), "quantized-dynamic": lambda: torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(4, 4)), {nn.Linear}, torch.qint8), "averaged": lambda: torch.optim.swa_utils.AveragedModel(nn.Linear(2, 2)), "decoder-layer": lambda: nn.TransformerDecoderLayer(4, 2, 8, activation=nn.functional.gelu),
    }  # fmt: skip
    for name, make in layers.items():
        keep.torch(f"torch/module-{name}.pt", lambda make=make: make())
    for name in ("linear", "conv", "lstm", "transformer", "acts", "quantized-dynamic"):
        keep.torch(f"torch/legacy-{name}.pth", lambda name=name: layers[name](), legacy=True)
        keep.torch(f"torch/state-{name}.bin", lambda name=name: layers[name]().state_dict())
        keep.torch(f"torch/state-legacy-{name}.pt", lambda name=name: layers[name]().state_dict(), legacy=True)
        keep.pickle(f"torch/pickled-{name}.pkl", lambda name=name: layers[name]())
        keep.joblib(f"torch/joblib-{name}.joblib", lambda name=name: layers[name]())
    kinds = [
        "float32",
        "float64",
        "float16",
        "bfloat16",
        "int8",
        "int16",
        "int32",
        "int64",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
        "bool",
        "complex64",
        "complex128",
        "complex32",
        "float8_e4m3fn",
        "float8_e5m2",
        "float8_e4m3fnuz",
        "float8_e5m2fnuz",
        "float8_e8m0fnu",
    ]
    for kind in kinds:
        keep.torch(f"torch/tensor-{kind}.pt", lambda kind=kind: torch.zeros(3, dtype=getattr(torch, kind)))
    eye = torch.eye(3)
    values: dict[str, Callable[[], Any]] = {
        "sparse": lambda: eye.to_sparse(), "csr": lambda: eye.to_sparse_csr(), "csc": lambda: eye.to_sparse_csc(), "bsr": lambda: torch.eye(4).to_sparse_bsr((2, 2)), "nested": lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]), "jagged": lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)], layout=torch.jagged), "quantized": lambda: torch.quantize_per_tensor(eye, 0.1, 0, torch.qint8), "quantized-channel": lambda: torch.quantize_per_channel(eye, torch.ones(3), torch.zeros(3), 0, torch.quint8), "parameter": lambda: nn.Parameter(eye), "buffer": lambda: nn.Buffer(eye), "with-grad": lambda: eye.clone().requires_grad_(), "view": lambda: [eye[0], eye.t(), eye[:, 1:]], "shared": lambda: {"a": eye, "b": eye}, "conjugate": lambda: torch.ones(2, dtype=torch.complex64).conj(), "size": lambda: [torch.Size([1, 2]), torch.float32, torch.device("cpu"), torch.strided, torch.float8_e5m2, torch.qint8], "storage": lambda: eye.storage(), "storage-untyped": lambda: eye.clone().untyped_storage(), "generator": lambda: torch.Generator(), "rng": lambda: torch.get_rng_state(), "meta": lambda: torch.empty(2, device="meta"), "zero-dim": lambda: torch.tensor(1.5), "empty": lambda: torch.empty(0), "finfo": lambda: [torch.finfo(torch.float32).eps], "hooks": lambda: nn.Parameter(eye, requires_grad=False), "masked": lambda: torch.masked.masked_tensor(eye, eye.bool()), "numpy-mixed": lambda: {"t": eye, "n": eye.numpy(), "l": [1, 2]}, "attribute": _tensor_with_attribute,
        "dataset": lambda: torch.utils.data.TensorDataset(eye, eye), "subset": lambda: torch.utils.data.Subset(torch.utils.data.TensorDataset(eye), [0, 1]), "concat": lambda: torch.utils.data.ConcatDataset([torch.utils.data.TensorDataset(eye)]), "loader": lambda: torch.utils.data.DataLoader(torch.utils.data.TensorDataset(eye), batch_size=2, shuffle=True), "sampler": lambda: torch.utils.data.WeightedRandomSampler([0.5, 0.5], 2), "split": lambda: torch.utils.data.random_split(torch.utils.data.TensorDataset(eye), [2, 1]), "stack": lambda: torch.utils.data.StackDataset(eye, eye), "distribution": lambda: [torch.distributions.Normal(0.0, 1.0), torch.distributions.Categorical(torch.ones(3)), torch.distributions.MultivariateNormal(torch.zeros(2), torch.eye(2)), torch.distributions.Beta(1.0, 2.0)], "functions": lambda: [torch.relu, torch.tanh, nn.functional.gelu, torch.sigmoid, nn.functional.cross_entropy, nn.init.xavier_uniform_, torch.nn.functional.mse_loss, torch.softmax, torch.nn.functional.silu], "finite": lambda: torch.optim.lr_scheduler.LambdaLR, "named-tuple": lambda: torch.max(eye, 0), "sort": lambda: torch.sort(torch.ones(3)), "packed": lambda: nn.utils.rnn.pack_sequence([torch.ones(2), torch.ones(1)]), "svd": lambda: torch.linalg.svd(eye), "nn-types": lambda: [nn.Linear, nn.Module, nn.ReLU, torch.Tensor, torch.optim.Adam], "amp": lambda: torch.amp.GradScaler("cpu"), "profiler-none": lambda: None,
    }  # fmt: skip
    for name, make in values.items():
        keep.torch(f"torch/{name}.pt", lambda make=make: make())
        keep.torch(f"torch/{name}-legacy.pt", lambda make=make: make(), legacy=True)
        keep.attempt(f"torch/{name}.pkl", lambda path, make=make: path.write_bytes(pickle.dumps(make())))
    for kind in [
        "Adam",
        "AdamW",
        "SGD",
        "RMSprop",
        "Adagrad",
        "Adadelta",
        "NAdam",
        "RAdam",
        "ASGD",
        "Adamax",
        "LBFGS",
        "Rprop",
        "Adafactor",
        "SparseAdam",
        "Muon",
    ]:

        def make(kind: str = kind) -> dict[str, Any]:
            model = nn.Linear(3, 2, bias=False)
            optimizer = getattr(torch.optim, kind)(model.parameters(), lr=0.1)
            if kind not in ("LBFGS", "SparseAdam"):
                model(torch.ones(1, 3)).sum().backward()
                optimizer.step()
            return {
                "model": model.state_dict(),
                "optimizer": optimizer.state_dict(),
                "whole": optimizer,
                "epoch": 3,
                "loss": torch.tensor(0.5),
                "args": __import__("argparse").Namespace(lr=0.1),
                "best": float("inf"),
            }

        keep.torch(f"torch/optim-{kind}.ckpt", lambda make=make: make())
        keep.torch(f"torch/optim-{kind}.pth.tar", lambda make=make: make(), legacy=True)
    schedulers = {
        "StepLR": {"step_size": 1},
        "CosineAnnealingLR": {"T_max": 3},
        "OneCycleLR": {"max_lr": 0.1, "total_steps": 5},
        "ReduceLROnPlateau": {},
        "ExponentialLR": {"gamma": 0.9},
        "MultiStepLR": {"milestones": [1, 2]},
        "CyclicLR": {"base_lr": 0.1, "max_lr": 0.2},
        "LinearLR": {},
        "ConstantLR": {},
        "PolynomialLR": {},
        "CosineAnnealingWarmRestarts": {"T_0": 2},
    }
    for kind, options in schedulers.items():

        def scheduled(kind: str = kind, options: Any = options) -> dict[str, Any]:
            scheduler = getattr(torch.optim.lr_scheduler, kind)(
                torch.optim.SGD(nn.Linear(2, 2).parameters(), lr=0.1, momentum=0.9), **options
            )
            return {"state": scheduler.state_dict(), "whole": scheduler}

        keep.torch(f"torch/scheduler-{kind}.pt", lambda scheduled=scheduled: scheduled())
    keep.torch("torch/sequential-lr.pt", lambda: _sequential(torch).state_dict())
    for protocol in (2, 3, 4, 5):
        keep.attempt(
            f"torch/protocol{protocol}.pt",
            lambda path, protocol=protocol: torch.save(
                {"m": layers["conv"](), "t": eye}, path, pickle_protocol=protocol
            ),
        )
        keep.attempt(
            f"torch/protocol{protocol}-legacy.pt",
            lambda path, protocol=protocol: torch.save(
                {"m": layers["conv"](), "t": eye}, path, pickle_protocol=protocol, _use_new_zipfile_serialization=False
            ),
        )
    keep.torch(
        "torch/rng_state.pth",
        lambda: {
            "python": __import__("random").getstate(),
            "numpy": __import__("numpy").random.get_state(),
            "cpu": torch.random.get_rng_state(),
        },
    )

    def static_quantized() -> Any:
        model = torch.ao.quantization.QuantWrapper(nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU()))
        model.qconfig = torch.ao.quantization.get_default_qconfig("fbgemm")
        prepared = torch.ao.quantization.prepare(model)
        prepared(torch.ones(1, 1, 2, 2))
        return torch.ao.quantization.convert(prepared)

    keep.torch("torch/quantized-static.pt", lambda: static_quantized())
    keep.torch("torch/quantized-static-state.pt", lambda: static_quantized().state_dict())


def _tensor_with_attribute() -> Any:
    import torch

    value = torch.ones(2)
    value.note = "kept"
    return value


def _sequential(torch: Any) -> Any:
    optimizer = torch.optim.SGD(torch.nn.Linear(2, 2).parameters(), lr=0.1)
    kinds = torch.optim.lr_scheduler
    return kinds.SequentialLR(optimizer, [kinds.ConstantLR(optimizer), kinds.ExponentialLR(optimizer, 0.9)], [2])


@part
def vision(keep: Keeper) -> None:
    import torch

    def torchvision_() -> dict[str, Callable[[], Any]]:
        from torchvision import models, ops, transforms, tv_tensors
        from torchvision.transforms import v2

        small = {
            name: (lambda name=name: getattr(models, name)(num_classes=2))
            for name in (
                "squeezenet1_1",
                "mobilenet_v3_small",
                "shufflenet_v2_x0_5",
                "mnasnet0_5",
                "resnet18",
                "efficientnet_b0",
                "googlenet",
            )
        }
        return small | {
            "detection": lambda: models.detection.ssdlite320_mobilenet_v3_large(
                weights=None, weights_backbone=None, num_classes=2
            ),
            "segmentation": lambda: models.segmentation.lraspp_mobilenet_v3_large(
                weights=None, weights_backbone=None, num_classes=2
            ),
            "transforms": lambda: transforms.Compose(
                [
                    transforms.Resize(3),
                    transforms.ToTensor(),
                    transforms.Normalize([0.5], [0.5]),
                    transforms.RandomHorizontalFlip(),
                    transforms.ColorJitter(0.1),
                    transforms.RandomRotation(3),
                ]
            ),
            "v2": lambda: v2.Compose(
                [v2.Resize(3), v2.ToDtype(torch.float32, scale=True), v2.RandomErasing(), v2.CenterCrop(3)]
            ),
            "boxes": lambda: tv_tensors.BoundingBoxes([[0, 0, 1, 1]], format="XYXY", canvas_size=(2, 2)),
            "image": lambda: tv_tensors.Image(torch.zeros(3, 2, 2)),
            "fpn": lambda: ops.FeaturePyramidNetwork([2], 2),
            "weights": lambda: models.ResNet18_Weights.DEFAULT,
            "pretrained-transform": lambda: models.ResNet18_Weights.DEFAULT.transforms(),
            "vit": lambda: models.VisionTransformer(8, 4, 1, 1, 4, 4, num_classes=2),
            "swin": lambda: models.SwinTransformer([2, 2], 4, [2], [2], [2, 2], num_classes=2),
            "faster": lambda: models.detection.anchor_utils.AnchorGenerator(),
        }

    def timm_() -> dict[str, Callable[[], Any]]:
        import timm

        return {name: (lambda name=name, options=options: timm.create_model(name, num_classes=2, **options)) for name, options in {"resnet10t": {}, "vit_tiny_patch16_224": {"depth": 1}, "mobilenetv3_small_050": {}, "efficientnet_lite0": {}, "convnext_atto": {}, "regnetx_002": {}, "mixer_s32_224": {}, "edgenext_xx_small": {}, "ghostnet_050": {}, "levit_128s": {}}.items()}  # fmt: skip

    def metrics() -> dict[str, Callable[[], Any]]:
        import torchmetrics

        return {
            "accuracy": lambda: torchmetrics.Accuracy("multiclass", num_classes=3),
            "collection": lambda: torchmetrics.MetricCollection(
                {"f1": torchmetrics.F1Score("binary"), "auc": torchmetrics.AUROC("binary")}
            ),
            "mean": lambda: torchmetrics.MeanMetric(),
            "mse": lambda: torchmetrics.MeanSquaredError(),
            "confusion": lambda: torchmetrics.ConfusionMatrix("binary"),
        }

    def gpytorch_() -> dict[str, Callable[[], Any]]:
        import gpytorch

        return {
            "kernel": lambda: gpytorch.kernels.ScaleKernel(gpytorch.kernels.RBFKernel()),
            "likelihood": lambda: gpytorch.likelihoods.GaussianLikelihood(),
            "mean": lambda: gpytorch.means.ConstantMean(),
            "likelihood-state": lambda: gpytorch.likelihoods.GaussianLikelihood().state_dict(),
        }

    def geometric() -> dict[str, Callable[[], Any]]:
        import torch_geometric as pyg
        import torch_geometric.nn as gnn

        data = pyg.data.Data(x=torch.ones(3, 2), edge_index=torch.tensor([[0, 1], [1, 2]]))
        return {
            "data": lambda: data,
            "batch": lambda: pyg.data.Batch.from_data_list([data, data]),
            "hetero": lambda: pyg.data.HeteroData({"a": {"x": torch.ones(2, 2)}}),
            "gcn": lambda: gnn.GCNConv(2, 2),
            "gat": lambda: gnn.GATConv(2, 2),
            "sage": lambda: gnn.GraphSAGE(2, 4, 2),
            "transforms": lambda: pyg.transforms.Compose([pyg.transforms.ToUndirected()]),
            "gin": lambda: gnn.GINConv(torch.nn.Linear(2, 2)),
            "collated": lambda: pyg.data.InMemoryDataset.collate([data, data]),
        }

    def peft_() -> dict[str, Callable[[], Any]]:
        import peft

        model = torch.nn.Sequential(torch.nn.Linear(4, 4))
        return {
            "config": lambda: peft.LoraConfig(r=2, target_modules=["0"]),
            "model": lambda: peft.get_peft_model(model, peft.LoraConfig(r=2, target_modules=["0"])),
            "state": lambda: peft.get_peft_model_state_dict(
                peft.get_peft_model(
                    torch.nn.Sequential(torch.nn.Linear(4, 4)), peft.LoraConfig(r=2, target_modules=["0"])
                )
            ),
        }

    for library, make in {
        "torchvision": torchvision_,
        "timm": timm_,
        "torchmetrics": metrics,
        "gpytorch": gpytorch_,
        "torch_geometric": geometric,
        "peft": peft_,
    }.items():
        try:
            makers = make()
        except Exception as trouble:  # noqa: BLE001
            keep.tell(library, trouble)
            continue
        for name, maker in makers.items():
            keep.torch(f"{library}/{name}.pt", lambda maker=maker: maker())
            keep.attempt(f"{library}/{name}.pkl", lambda path, maker=maker: path.write_bytes(pickle.dumps(maker())))


@part
def lightning_(keep: Keeper) -> None:
    import logging

    import pytorch_lightning as pl
    import torch

    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)

    class Regression(pl.LightningModule):
        def __init__(self, lr: float = 0.1, config: Any = None, sizes: Any = (1, 2)) -> None:
            super().__init__()
            self.save_hyperparameters()
            self.layer = torch.nn.Linear(4, 1)

        def training_step(self, batch: Any, index: int) -> Any:
            loss = (self.layer(batch[0]) ** 2).mean()
            self.log("loss", loss)
            return loss

        def configure_optimizers(self) -> Any:
            optimizer = torch.optim.Adam(self.parameters(), lr=0.1)
            return {"optimizer": optimizer, "lr_scheduler": torch.optim.lr_scheduler.StepLR(optimizer, 1)}

    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.ones(8, 4)), batch_size=4)

    def trained(path: Path, *callbacks: Any, **options: Any) -> None:
        trainer = pl.Trainer(
            max_epochs=1,
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            accelerator="cpu",
            default_root_dir=tempfile.mkdtemp(),
            callbacks=list(callbacks),
            enable_checkpointing=any(type(callback).__name__ == "ModelCheckpoint" for callback in callbacks),
        )
        trainer.fit(Regression(**options), loader)
        trainer.save_checkpoint(path)

    omegaconf = __import__("omegaconf").OmegaConf.create({"lr": 0.1, "layers": [1, 2]})
    keep.attempt("lightning/plain.ckpt", lambda path: trained(path))
    keep.attempt("lightning/hyper.ckpt", lambda path: trained(path, lr=0.2, config={"a": [1, 2], "b": {"c": None}}))
    keep.attempt("lightning/namespace.ckpt", lambda path: trained(path, config=__import__("argparse").Namespace(a=1)))
    keep.attempt("lightning/omegaconf.ckpt", lambda path: trained(path, config=omegaconf))
    keep.attempt(
        "lightning/callbacks.ckpt",
        lambda path: trained(
            path,
            pl.callbacks.EarlyStopping("loss"),
            pl.callbacks.LearningRateMonitor() if False else pl.callbacks.Timer(),
            pl.callbacks.ModelCheckpoint(dirpath=tempfile.mkdtemp(), monitor="loss"),
            pl.callbacks.StochasticWeightAveraging(0.1),
        ),
    )
    keep.attempt(
        "lightning/weights-only.ckpt",
        lambda path: torch.save(
            {"state_dict": Regression().state_dict(), "hyper_parameters": dict(Regression().hparams)}, path
        ),
    )
    keep.torch("lightning/parsing.pt", lambda: Regression().hparams)
    for callback in (
        pl.callbacks.EarlyStopping("loss"),
        pl.callbacks.ModelCheckpoint(),
        pl.callbacks.RichProgressBar(),
        pl.callbacks.GradientAccumulationScheduler({0: 1}),
    ):
        keep.pickle(f"lightning/callback-{type(callback).__name__}.pkl", callback)
    keep.attempt(
        "lightning/accelerate-scheduler.bin",
        lambda path: torch.save(
            torch.optim.lr_scheduler.StepLR(torch.optim.SGD(Regression().parameters(), lr=0.1), 1).state_dict(), path
        ),
    )


@part
def transformers_(keep: Keeper) -> None:
    import torch
    import transformers

    tiny = {
        "hidden_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 8,
        "vocab_size": 20,
    }

    def tokenizer() -> Any:
        import tokenizers

        made = tokenizers.Tokenizer(
            tokenizers.models.WordLevel({"[UNK]": 0, "[PAD]": 1, "a": 2, "b": 3}, unk_token="[UNK]")
        )
        made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
        return made

    def fast() -> Any:
        return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer(), unk_token="[UNK]", pad_token="[PAD]")

    makers: dict[str, Callable[[], Any]] = {
        "training_args": lambda: transformers.TrainingArguments(output_dir="out", report_to=[], use_cpu=True), "training_args-eval": lambda: transformers.TrainingArguments(output_dir="out", eval_strategy="steps", save_strategy="epoch", lr_scheduler_type="cosine", optim="adamw_torch", report_to=[], bf16=False, use_cpu=True, label_names=["labels"]), "training_args-seq2seq": lambda: transformers.Seq2SeqTrainingArguments(output_dir="out", predict_with_generate=True, report_to=[], use_cpu=True, generation_config=transformers.GenerationConfig()),
        "bert": lambda: transformers.BertModel(transformers.BertConfig(**tiny)), "bert-class": lambda: transformers.BertForSequenceClassification(transformers.BertConfig(**tiny)), "gpt2": lambda: transformers.GPT2LMHeadModel(transformers.GPT2Config(n_embd=8, n_layer=1, n_head=2, vocab_size=20)), "llama": lambda: transformers.LlamaForCausalLM(transformers.LlamaConfig(**tiny)), "t5": lambda: transformers.T5ForConditionalGeneration(transformers.T5Config(d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2, vocab_size=20)), "vit": lambda: transformers.ViTForImageClassification(transformers.ViTConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, image_size=8, patch_size=4)), "roberta": lambda: transformers.RobertaModel(transformers.RobertaConfig(**tiny)), "distilbert": lambda: transformers.DistilBertModel(transformers.DistilBertConfig(dim=8, n_layers=1, n_heads=2, hidden_dim=8, vocab_size=20)), "wav2vec": lambda: transformers.Wav2Vec2Config(), "clip": lambda: transformers.CLIPConfig(), "mistral": lambda: transformers.MistralForCausalLM(transformers.MistralConfig(**tiny, num_key_value_heads=1)),
        "config": lambda: transformers.BertConfig(**tiny), "tokenizers": tokenizer, "fast": fast, "batch": lambda: fast()(["a b", "b"], padding=True, return_tensors="pt"), "batch-plain": lambda: fast()(["a b", "b"]), "generation": lambda: transformers.GenerationConfig(max_length=5), "bpe": lambda: __import__("tokenizers").Tokenizer(__import__("tokenizers").models.BPE()), "added": lambda: transformers.AddedToken("x"), "collator": lambda: transformers.DataCollatorWithPadding(fast()), "arguments-out": lambda: transformers.EvalPrediction([1], [2]), "output": lambda: transformers.modeling_outputs.BaseModelOutput(torch.ones(1, 2)), "state": lambda: transformers.TrainerState(), "control": lambda: transformers.TrainerControl(), "early": lambda: transformers.EarlyStoppingCallback(), "image-processor": lambda: transformers.ViTImageProcessor(), "cache": lambda: transformers.DynamicCache(), "quant": lambda: transformers.BitsAndBytesConfig(load_in_4bit=True) if torch.cuda.is_available() else transformers.GPTQConfig, "scheduler": lambda: transformers.get_linear_schedule_with_warmup(torch.optim.SGD(torch.nn.Linear(1, 1).parameters(), lr=0.1), 1, 2).state_dict(), "scheduler-whole": lambda: transformers.get_cosine_schedule_with_warmup(torch.optim.SGD(torch.nn.Linear(1, 1).parameters(), lr=0.1), 1, 2), "lora": lambda: __import__("peft").get_peft_model(transformers.GPT2LMHeadModel(transformers.GPT2Config(n_embd=8, n_layer=1, n_head=2, vocab_size=20)), __import__("peft").LoraConfig(r=1, target_modules=["c_attn"], fan_in_fan_out=True)), "bert-tokenizer": lambda: transformers.BertTokenizer(vocab={"[UNK]": 0, "[PAD]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4, "a": 5}),
    }  # fmt: skip
    for name, make in makers.items():
        keep.torch(f"transformers/{name}.bin", lambda make=make: make())
        keep.attempt(f"transformers/{name}.pkl", lambda path, make=make: path.write_bytes(pickle.dumps(make())))

    def trainer(path: Path) -> None:
        run = Path(tempfile.mkdtemp())
        model = transformers.BertForSequenceClassification(transformers.BertConfig(**tiny))
        data = [{"input_ids": torch.tensor([1, 2, 3]), "labels": torch.tensor(0)}] * 4
        arguments = transformers.TrainingArguments(
            output_dir=str(run), max_steps=1, save_steps=1, report_to=[], use_cpu=True, disable_tqdm=True
        )
        transformers.Trainer(model=model, args=arguments, train_dataset=data).train()
        path.write_bytes((run / "checkpoint-1/training_args.bin").read_bytes())

    keep.attempt("transformers/trainer/training_args.bin", trainer)

    def sentences() -> dict[str, Any]:
        import sentence_transformers as st
        from sentence_transformers.models import Normalize, Pooling, StaticEmbedding

        static = StaticEmbedding(tokenizer(), embedding_dim=4)
        return {
            "static": st.SentenceTransformer(modules=[static, Normalize()], device="cpu"),
            "pooling": Pooling(4),
            "example": st.InputExample(texts=["a"], label=1.0),
        }

    def setfit_() -> dict[str, Any]:
        import setfit

        return {"head": setfit.SetFitHead(4, 2), "arguments": setfit.TrainingArguments()}

    def datasets_() -> dict[str, Any]:
        import datasets

        made = datasets.Dataset.from_dict({"a": [1, 2], "t": ["x", "y"]})
        return {
            "dataset": made,
            "dict": datasets.DatasetDict(train=made),
            "features": made.features,
            "labels": datasets.ClassLabel(names=["a", "b"]),
        }

    def accelerate_() -> dict[str, Any]:
        import accelerate

        return {
            "project": accelerate.utils.ProjectConfiguration("x"),
            "kwargs": accelerate.utils.GradScalerKwargs(),
            "loader": accelerate.DataLoaderConfiguration(),
        }

    for library, make_all in {
        "sentence_transformers": sentences,
        "setfit": setfit_,
        "datasets": datasets_,
        "accelerate": accelerate_,
    }.items():
        try:
            values = make_all()
        except Exception as trouble:  # noqa: BLE001
            keep.tell(library, trouble)
            continue
        for name, value in values.items():
            keep.pickle(f"{library}/{name}.pkl", value)
            keep.torch(f"{library}/{name}.pt", value)


@part
def fastai_(keep: Keeper) -> None:
    import numpy as np
    import pandas as pd
    from fastai.tabular.all import (
        Categorify,
        CategoryBlock,
        FillMissing,
        Normalize,
        TabularDataLoaders,
        accuracy,
        tabular_learner,
    )

    frame = pd.DataFrame({"a": np.arange(40.0), "c": ["x", "y"] * 20, "y": [0, 1] * 20})

    def learner() -> Any:
        loaders = TabularDataLoaders.from_df(
            frame,
            y_names="y",
            cat_names=["c"],
            cont_names=["a"],
            procs=[Categorify, FillMissing, Normalize],
            y_block=CategoryBlock(),
            bs=8,
        )
        return tabular_learner(loaders, layers=[4], metrics=accuracy, emb_szs={"c": 3})

    keep.attempt("fastai/export.pkl", lambda path: learner().export(path))
    keep.torch("fastai/model.pth", lambda: learner().model)
    keep.torch("fastai/state.pth", lambda: {"model": learner().model.state_dict(), "opt": learner().create_opt() or {}})
    keep.pickle("fastai/loaders.pkl", lambda: learner().dls)
    keep.pickle("fastcore/list.pkl", lambda: __import__("fastcore.foundation").foundation.L(1, 2))


# -- keras, jax and others


@part
def tensorflow_(keep: Keeper) -> None:
    _tensors(keep, "tensorflow")


@part
def keras_(keep: Keeper) -> None:
    _tensors(keep, "keras")


@part
def jax_(keep: Keeper) -> None:
    _tensors(keep, "jax")


@part
def paddle_(keep: Keeper) -> None:
    _tensors(keep, "paddle")


def _tensors(keep: Keeper, wanted: str) -> None:
    import numpy as np

    def tensorflow__() -> dict[str, Callable[[], Any]]:
        import tensorflow as tf

        return {
            "tensor": lambda: tf.constant([1.0, 2.0]),
            "variable": lambda: tf.Variable([1.0]),
            "shape": lambda: tf.TensorShape([1, None]),
            "dtype": lambda: [tf.float32, tf.int64],
            "spec": lambda: tf.TensorSpec([1], tf.float32),
            "ragged": lambda: tf.ragged.constant([[1], [2, 3]]),
            "numpy": lambda: tf.constant([1.0]).numpy(),
            "string": lambda: tf.constant("a"),
        }

    def keras__() -> dict[str, Callable[[], Any]]:
        import keras

        def model() -> Any:
            made = keras.Sequential(
                [
                    keras.layers.Input((4,)),
                    keras.layers.Dense(3, activation="relu"),
                    keras.layers.Dropout(0.1),
                    keras.layers.Dense(1),
                ]
            )
            made.compile("adam", "mse")
            return made

        return {
            "sequential": model,
            "weights": lambda: model().get_weights(),
            "history": lambda: model().fit(np.zeros((8, 4)), np.zeros(8), verbose=0).history,
            "config": lambda: model().get_config(),
            "layer": lambda: keras.layers.Dense(3),
            "optimizer": lambda: keras.optimizers.Adam(),
            "functional": lambda: keras.Model(*(lambda i: (i, keras.layers.Dense(1)(i)))(keras.layers.Input((2,)))),
            "callback": lambda: keras.callbacks.EarlyStopping(),
            "loss": lambda: keras.losses.MeanSquaredError(),
            "search": lambda: {
                "model": model(),
                "scaler": __import__("sklearn.preprocessing").preprocessing.StandardScaler(),
            },
        }

    def jax__() -> dict[str, Callable[[], Any]]:
        import flax
        import jax
        import jax.numpy as jnp
        import optax

        params = {"dense": {"kernel": jnp.ones((2, 2)), "bias": jnp.zeros(2)}}

        def train_state() -> Any:
            return optax.adam(0.1).init(params)

        return {
            "array": lambda: jnp.ones(3),
            "params": lambda: params,
            "key": lambda: jax.random.PRNGKey(0),
            "frozen": lambda: flax.core.freeze(params),
            "numpy": lambda: jax.tree.map(np.asarray, params),
            "bfloat16": lambda: jnp.ones(2, jnp.bfloat16),
            "ml-dtypes": lambda: np.ones(2, dtype=__import__("ml_dtypes").bfloat16),
            "optimizer": train_state,
            "sgd": lambda: optax.sgd(0.1, momentum=0.9).init(params),
            "chain": lambda: optax.chain(optax.clip(1.0), optax.adamw(0.1)).init(params),
            "treedef": lambda: jax.tree.structure(params),
            "shape": lambda: jax.ShapeDtypeStruct((1,), jnp.float32),
            "functions": lambda: [jnp.tanh, jax.nn.relu],
        }

    def paddle__() -> dict[str, Callable[[], Any]]:
        import paddle

        def saved(path: Path) -> None:
            paddle.save(paddle.nn.Linear(2, 2).state_dict(), str(path))

        keep.attempt("paddle/model.pdparams", saved)
        return {"numpy-state": lambda: {k: v.numpy() for k, v in paddle.nn.Linear(2, 2).state_dict().items()}}

    for library, make in {"tensorflow": tensorflow__, "keras": keras__, "jax": jax__, "paddle": paddle__}.items():
        if library != wanted:
            continue
        try:
            makers = make()
        except Exception as trouble:  # noqa: BLE001
            keep.tell(library, trouble)
            continue
        for name, maker in makers.items():
            keep.attempt(f"{library}/{name}.pkl", lambda path, maker=maker: path.write_bytes(pickle.dumps(maker())))
            keep.attempt(f"{library}/{name}.joblib", lambda path, maker=maker: __import__("joblib").dump(maker(), path))


# -- files that carry code: a person has to look


@part
def code(keep: Keeper) -> None:
    import cloudpickle
    import dill
    import numpy as np

    class Scaler:
        def __init__(self, factor: float) -> None:
            self.factor = factor

        def scale(self, value: float) -> float:
            return value * self.factor

    def doubled(value: float, times: int = 2) -> float:
        return value * times

    closure = 3
    values: dict[str, Any] = {
        "function": doubled,
        "lambda": lambda v: v + closure,
        "class": Scaler,
        "instance": Scaler(2.0),
        "nested": {"f": doubled, "a": np.arange(3)},
    }
    for name, value in values.items():
        keep.attempt(
            f"review/dill-{name}.pkl", lambda path, value=value: path.write_bytes(dill.dumps(value, recurse=True))
        )
        keep.attempt(
            f"review/cloudpickle-{name}.pkl", lambda path, value=value: path.write_bytes(cloudpickle.dumps(value))
        )
    keep.attempt("review/session.pkl", lambda path: dill.dump_module(str(path), module=__import__("colorsys")))
    for name, value in {
        "array": np.arange(3),
        "dict": {"a": [1, 2]},
        "types": [int, dict],
        "model": _ridge(),
        "frame": __import__("pandas").DataFrame({"a": [1]}),
    }.items():
        keep.attempt(f"dill/{name}.pkl", lambda path, value=value: path.write_bytes(dill.dumps(value)))
        keep.attempt(
            f"dill/recursive-{name}.dill", lambda path, value=value: path.write_bytes(dill.dumps(value, recurse=True))
        )
        keep.attempt(f"cloudpickle/{name}.pkl", lambda path, value=value: path.write_bytes(cloudpickle.dumps(value)))


def _ridge() -> Any:
    from sklearn.linear_model import Ridge

    features, _, numbers = toy()
    return Ridge().fit(features, numbers)


def files(folder: Path) -> None:
    """Write every file below ``folder``; each part in a process of its own, since not all libraries bear each other."""
    for write in PARTS:
        subprocess.run([sys.executable, str(Path(__file__).resolve()), str(folder), write.__name__], check=False)


def write_parts(folder: Path, names: set[str]) -> None:
    warnings.simplefilter("ignore")
    for write in PARTS:
        if write.__name__ not in names:
            continue
        keep = Keeper(folder)
        try:
            write(keep)
        except Exception as trouble:  # noqa: BLE001
            keep.tell(write.__name__, trouble)
        print(f"{write.__name__}: {keep.written} files, {keep.skipped} skipped", flush=True)


if __name__ == "__main__":
    if sys.argv[2:]:
        write_parts(Path(sys.argv[1]), set(sys.argv[2:]))
    else:
        files(Path(sys.argv[1]))
