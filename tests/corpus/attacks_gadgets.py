"""Names whose call runs code or reaches files, programs, modules or the network: each as a pickle of one call.

The names are facts from the documentation of their libraries, from published advisories on scanners of pickles and from
papers on gadgets ("The Art of Hide and Seek", arXiv 2508.19774; PickleBall, arXiv 2508.15987). Arguments are inert.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from tests.builders import archive, called, group, named, raw, stream, word

TRUE = "true"
CODE = "print('example')"
FILE = "example.pkl"
URL = "https://example.com/x"

# One line for each module: its name, the names in it, and what kind of argument they take.
GADGETS = """
os system popen execl execle execlp execv execve execvp execvpe spawnl spawnle spawnlp spawnv spawnve spawnvp posix_spawn startfile fork forkpty kill remove unlink rename rmdir mkdir makedirs removedirs chmod chown symlink link open putenv unsetenv listdir walk environ _exit abort chdir truncate
posix system execv execve posix_spawn posix_spawnp fork forkpty open unlink remove rename kill putenv _exit
nt system execv spawnv startfile open unlink
os.path expanduser expandvars exists
posixpath expanduser expandvars
ntpath expanduser expandvars
subprocess Popen run call check_call check_output getoutput getstatusoutput list2cmdline _args_from_interpreter_flags
_posixsubprocess fork_exec
commands getoutput getstatusoutput
popen2 popen2 popen3 Popen3
__builtin__ eval execfile apply input raw_input compile open file __import__ reload getattr setattr delattr globals map filter reduce vars exec breakpoint
builtins eval exec compile open __import__ getattr setattr delattr globals locals vars map filter input breakpoint help exit quit memoryview.cast print dir
importlib import_module reload __import__
importlib._bootstrap _load_unlocked _gcd_import _find_and_load
importlib.machinery SourceFileLoader ExtensionFileLoader SourcelessFileLoader
importlib.util spec_from_file_location module_from_spec spec_from_loader
_frozen_importlib_external SourceFileLoader
imp load_module load_source load_compiled load_dynamic find_module load_package
pkgutil resolve_name get_loader find_loader walk_packages get_data iter_modules
zipimport zipimporter
runpy run_module run_path _run_code _run_module_code _run_module_as_main
code InteractiveInterpreter InteractiveConsole interact InteractiveInterpreter.runcode
codeop compile_command CommandCompiler Compile
pdb run runeval runcall Pdb set_trace post_mortem pm
bdb Bdb Bdb.run Bdb.runeval set_trace
cProfile run runctx Profile.run Profile.runctx Profile.runcall
profile run runctx Profile.run
trace Trace Trace.run Trace.runctx Trace.runfunc
timeit timeit repeat Timer main
doctest debug_script debug_src debug testfile run_docstring_examples testsource DocTestRunner.run
pydoc locate pipepager tempfilepager pager safeimport importfile browse render_doc writedoc apropos
pty spawn fork
shutil rmtree move copy copyfile copytree make_archive unpack_archive chown which _unpack_zipfile
tempfile mktemp mkstemp mkdtemp NamedTemporaryFile TemporaryFile
glob glob iglob
fileinput input FileInput
linecache getline getlines updatecache
filecmp cmp
io open open_code FileIO
_io open FileIO open_code TextIOWrapper
codecs open EncodedFile lookup
gzip open GzipFile
bz2 open BZ2File
lzma open LZMAFile
zipfile ZipFile PyZipFile main
tarfile open TarFile TarFile.open
socket create_connection create_server socket gethostbyname getaddrinfo fromfd
ssl get_server_certificate wrap_socket create_default_context
asyncio run create_subprocess_shell create_subprocess_exec open_connection
asyncio.subprocess create_subprocess_shell create_subprocess_exec
asyncio.unix_events _UnixSubprocessTransport._start
multiprocessing Process Pool Manager
multiprocessing.util spawnv_passfds
multiprocessing.pool ThreadPool Pool
multiprocessing.connection Client Listener
multiprocessing.managers BaseManager
concurrent.futures ThreadPoolExecutor ProcessPoolExecutor
concurrent.futures.thread ThreadPoolExecutor
threading Thread Timer
_thread start_new_thread
sched scheduler.run
signal signal alarm pthread_kill
atexit register
ctypes CDLL PyDLL WinDLL LibraryLoader CFUNCTYPE string_at memmove pythonapi.PyRun_SimpleString
ctypes.util find_library _findLib_gcc
_ctypes dlopen call_function CFuncPtr
cffi FFI
sys exit setprofile settrace modules path _getframe setrecursionlimit meta_path
sysconfig get_config_vars _main
site addsitedir execsitecustomize main addpackage
urllib.request urlopen urlretrieve Request build_opener URLopener
urllib urlopen urlretrieve
urllib2 urlopen Request
http.client HTTPConnection HTTPSConnection
http.server HTTPServer test
httplib HTTPConnection HTTPSConnection
ftplib FTP
smtplib SMTP SMTP_SSL
imaplib IMAP4 IMAP4_stream
poplib POP3
nntplib NNTP
telnetlib Telnet
xmlrpc.client ServerProxy
xmlrpclib ServerProxy
xmlrpc.server SimpleXMLRPCServer resolve_dotted_attribute
socketserver TCPServer
webbrowser open open_new open_new_tab get GenericBrowser BackgroundBrowser
antigravity fly geohash
this s
idlelib.run Executive.runcode
idlelib.pyshell ModifiedInterpreter.runcode ModifiedInterpreter.runcommand
idlelib.autocomplete AutoComplete.get_entity AutoComplete.fetch_completions
idlelib.calltip Calltip.fetch_tip get_entity
idlelib.debugobj ObjectTreeItem.SetText
idlelib.rpc pickle_code unpickle_code RPCServer
lib2to3.pgen2.grammar Grammar.loads Grammar.load
lib2to3.pgen2.pgen ParserGenerator.make_label
lib2to3.main main
test.support run_in_subinterp run_unittest
test.support.script_helper assert_python_ok spawn_python
test.support.import_helper import_module
test.test_support run_unittest
unittest main
unittest.mock patch _importer _dot_lookup
unittest.loader TestLoader.loadTestsFromName
distutils.spawn spawn find_executable
distutils.file_util write_file copy_file move_file
distutils.dir_util remove_tree mkpath
distutils.core run_setup setup
distutils.util execute byte_compile
distutils.cmd Command.spawn
ensurepip bootstrap _run_pip version
venv create main EnvBuilder.create
zipapp create_archive main
compileall compile_file compile_dir
py_compile compile main
_osx_support _read_output _find_build_tool _get_system_version
_aix_support _read_cmd_output aix_platform
_bootsubprocess Popen check_output
_pyrepl.pager pipe_pager tempfile_pager
_pyrepl.main interactive_console
_sitebuiltins Quitter _Helper
_pyio open FileIO
_winapi CreateProcess
msvcrt open_osfhandle
winreg ConnectRegistry
uuid _get_command_stdout _ifconfig_getter _popen _find_mac getnode
platform popen _syscmd_file uname _syscmd_ver
pipes Template quote
getpass getpass unix_getpass getuser
nturl2path url2pathname
mailcap findmatch test
mailbox Maildir mbox
netrc netrc
cgitb enable
cgi FieldStorage test
aifc open
wave open
sunau open
sndhdr what
imghdr what
shelve open Shelf DbfilenameShelf
dbm open whichdb
dbm.dumb open
anydbm open
sqlite3 connect Connection
_sqlite3 connect enable_callback_tracebacks
marshal load loads dumps
pickle load loads Unpickler _loads _Unpickler find_class
_pickle load loads Unpickler
cPickle load loads Unpickler
copyreg add_extension pickle __reduce_ex__ constructor
copy deepcopy copy
types FunctionType CodeType MethodType ModuleType LambdaType DynamicClassAttribute
functools reduce partialmethod singledispatch cached_property cmp_to_key wraps update_wrapper
_functools reduce cmp_to_key
itertools starmap accumulate takewhile dropwhile filterfalse groupby
operator call setitem delitem iadd
_operator call
inspect getsource getmodule getfile stack currentframe getattr_static
gc get_objects get_referrers
ast literal_eval parse
symtable symtable
tokenize open
weakref finalize ref
contextlib ExitStack redirect_stdout
logging FileHandler basicConfig
logging.config fileConfig dictConfig listen BaseConfigurator.resolve
logging.handlers SocketHandler SMTPHandler HTTPHandler
logging.handlers RotatingFileHandler
typing get_type_hints ForwardRef._evaluate _eval_type
dataclasses make_dataclass _create_fn _process_class
collections namedtuple
enum _make_class_unpicklable
string Formatter.get_field
configparser ConfigParser.read
xml.etree.ElementTree parse
xml.dom.minidom parse
xml.sax make_parser parse
plistlib load loads
json load
csv reader
readline read_init_file
rlcompleter Completer.complete
mmap mmap
select select
resource setrlimit
fcntl ioctl
syslog syslog
turtle Screen
tkinter Tk
curses initscr
ensurepip._uninstall _main
pip main
pip._internal main
pip._internal.cli.main main
pip._internal.utils.subprocess call_subprocess runner_with_spinner_message
pip._vendor.distlib.scripts ScriptMaker
pip._vendor.pkg_resources load_entry_point
setuptools setup
setuptools._distutils.spawn spawn
setuptools.sandbox run_setup execsetup _execfile
setuptools.build_meta _BuildMetaBackend.run_setup
setuptools.command.easy_install main
pkg_resources run_script load_entry_point EntryPoint.resolve resource_string
easy_install main
wheel.cli main
_distutils_hack do_override
conda.cli main
numpy load loadtxt genfromtxt fromfile fromregex memmap save savez savetxt DataSource f2py.compile test source info frompyfunc fromfunction apply_along_axis apply_over_axes piecewise set_string_function
numpy.testing._private.utils runstring rundocs run_threaded jiffies memusage measure _assert_valid_refcount temppath
numpy.testing.utils runstring
numpy.testing runstring measure rundocs
numpy.testing._private.extbuild build_and_import_extension compile_extension_module _c_compile
numpy.f2py compile run_main get_include main
numpy.f2py.crackfortran getlincoef _eval_length myeval param_eval _eval_scalar crackfortran markinnerspaces
numpy.f2py.capi_maps load_f2cmap_file getinit
numpy.f2py.auxfuncs getuseblocks
numpy.f2py.diagnose run run_command
numpy.f2py._backends._meson MesonBackend.run_meson
numpy.f2py.f2py2e run_compile main run_main callcrackfortran
numpy.distutils.exec_command exec_command _exec_command
numpy.distutils.ccompiler CCompiler_spawn new_compiler
numpy.distutils.misc_util get_cmd Configuration exec_mod_from_location
numpy.distutils.system_info get_info system_info
numpy.distutils.npy_pkg_config read_config
numpy.distutils.cpuinfo getoutput command_info command_by_line
numpy.distutils.unixccompiler UnixCCompiler_create_static_lib
numpy.distutils.lib2def getnm
numpy.distutils.core setup
numpy.ctypeslib load_library ndpointer as_ctypes
numpy.ctypeslib._ctypeslib load_library
numpy.compat.py3k npy_load_module contextlib_nullcontext
numpy.lib.npyio load DataSource loadtxt NpzFile fromregex
numpy.lib._npyio_impl load loadtxt NpzFile fromregex
numpy.lib._datasource open DataSource Repository
numpy.lib.format read_array open_memmap
numpy.lib._format_impl read_array open_memmap
numpy.lib.utils source info lookfor safe_eval
numpy.lib._utils_impl info source safe_eval
numpy.core._internal _ctypes
numpy.core.memmap memmap
numpy._pytesttester PytestTester
numpy.conftest pytest_configure
numpy.random.__builtins__ eval
numpy __builtins__
numpy.core.multiarray __builtins__
numpy._core.records os.system
numpy.core.numeric __loader__
numpy.lib.introspect opt_func_info
scipy.io loadmat readsav
scipy.io.matlab loadmat
scipy.io._fast_matrix_market mmread
scipy.misc face electrocardiogram
scipy.datasets face download_all
scipy.weave inline
scipy test
scipy._lib._testutils PytestTester _run_concurrent_barrier
scipy._lib._ccallback LowLevelCallable
scipy._lib.uarray set_state
scipy.special._precompute.utils mp_assert_allclose
pandas read_pickle read_csv read_json read_html read_excel read_parquet read_sql read_hdf read_xml read_feather read_table read_stata read_sas read_clipboard eval HDFStore ExcelFile ExcelWriter to_pickle test
pandas.io.pickle read_pickle to_pickle
pandas.io.parsers read_csv
pandas.io.parsers.readers read_csv TextFileReader
pandas.io.common get_handle urlopen
pandas.io.sql read_sql
pandas.io.pytables HDFStore read_hdf
pandas.io.clipboard copy init_osx_pbcopy_clipboard
pandas.io.excel._base ExcelFile
pandas.core.computation.eval eval
pandas.core.computation.expr Expr
pandas.core.computation.expressions evaluate
pandas.core.computation.ops Term
pandas.core.computation.scope Scope
pandas.core.frame DataFrame.eval DataFrame.query DataFrame.to_csv DataFrame.to_pickle
pandas.compat.pickle_compat load loads Unpickler
pandas.compat._optional import_optional_dependency
pandas.util._tester test
pandas.util._print_versions show_versions
pandas.util._decorators deprecate
pandas.core.common pipe apply_if_callable
pandas.core.config_init use_numba_cb
pandas._config.config set_option
pandas._testing round_trip_pickle
pandas.testing assert_frame_equal
pandas._version run_command
sklearn.datasets fetch_openml load_files load_svmlight_file fetch_20newsgroups get_data_home clear_data_home
sklearn.datasets._base load_files _fetch_remote
sklearn.datasets._openml _open_openml_url fetch_openml
sklearn.utils._testing assert_run_python_script SkipTest
sklearn.utils.estimator_checks check_estimator
sklearn.utils.fixes delayed _open_text
sklearn.utils.parallel Parallel delayed
sklearn.externals._arff load loads
sklearn.externals.joblib load
sklearn.externals.joblib.numpy_pickle load
sklearn._build_utils cythonize_extensions
sklearn._build_utils.openmp_helpers check_openmp_support
sklearn.utils._show_versions show_versions
sklearn.tree._export os.system
sklearn.utils import_module
joblib load Parallel Memory
joblib.numpy_pickle load NumpyUnpickler _unpickle load_temporary_memmap
joblib.numpy_pickle_compat load_compatibility ZipNumpyUnpickler
joblib.parallel Parallel BatchedCalls
joblib.memory Memory
joblib.externals.loky get_reusable_executor ProcessPoolExecutor
joblib.externals.loky.backend.fork_exec fork_exec
joblib.externals.loky.backend.popen_loky_posix Popen
joblib.externals.loky.backend.spawn prepare
joblib.externals.loky.cloudpickle_wrapper CloudpickledObjectWrapper
joblib.externals.cloudpickle loads
joblib.externals.cloudpickle.cloudpickle loads load
joblib.func_inspect get_func_code
joblib._parallel_backends MultiprocessingBackend
joblib.pool MemmappingPool
dill load loads load_module load_session dump_session
dill._dill load loads _eval_repr Unpickler _import_module_attr
dill.session load_session load_module
dill.source importable getsource _importable
dill.temp load_source loadIO
cloudpickle load loads
cloudpickle.cloudpickle load loads
torch load save compile hub.load
torch.hub load load_state_dict_from_url download_url_to_file _load_local list help
torch.serialization load _load _legacy_load _open_file save
torch.jit load script trace CompilationUnit
torch.jit._script script
torch.jit._serialization load jit_module_from_flatbuffer
torch.jit.unsupported_tensor_ops execWrapper
torch.jit.frontend get_jit_def
torch.jit._recursive compile_unbound_method
torch.package PackageImporter PackageExporter
torch.package.package_importer PackageImporter
torch._dynamo optimize
torch._dynamo.guards GuardBuilder.get
torch._dynamo.config load_config
torch._dynamo.debug_utils run_fwd_maybe_bwd NNModuleToString.convert
torch._dynamo.repro.after_dynamo run_repro
torch._dynamo.utils import_submodule
torch._inductor.codecache compile_file PyCodeCache.load_by_key_path CppCodeCache.load DLLWrapper
torch._inductor.runtime.compile_tasks _reload_python_module
torch._inductor.cpp_builder run_compile_cmd
torch._inductor.utils do_bench
torch.fx symbolic_trace Interpreter
torch.fx.graph_module reduce_graph_module _deserialize_graph_module _exec_with_source reduce_package_graph_module
torch.fx.experimental.symbolic_shapes ShapeEnv.evaluate_guards_expression
torch.fx._symbolic_trace Tracer.trace
torch.utils.cpp_extension load load_inline _run_ninja_build _jit_compile
torch.utils._config_module ConfigModule.load_config ConfigModule install_config_module
torch.utils.collect_env run run_and_read_all run_and_return_first_line get_pip_packages
torch.utils.bottleneck.__main__ run_cprofile run_autograd_prof
torch.utils.data.datapipes.utils.decoder basichandlers
torch.utils.data.datapipes.datapipe _IterDataPipeSerializationWrapper
torch.utils.model_zoo load_url
torch.utils._freeze Freezer
torch.utils.benchmark Timer
torch.utils.benchmark.utils.timer Timer
torch.utils.benchmark.utils.cpp_jit compile_timeit_template
torch.utils.dlpack from_dlpack
torch.utils.tensorboard SummaryWriter
torch.utils.data.dataset os.system
torch.utils.show_pickle main
torch.utils.weak os
torch.distributed init_process_group
torch.distributed.rpc.internal _run_function _internal_rpc_pickler.deserialize
torch.distributed.rpc rpc_sync remote RRef
torch.distributed.rpc.api _invoke_rpc
torch.distributed.elastic.multiprocessing start_processes
torch.distributed.elastic.multiprocessing.api start_processes
torch.distributed.launcher.api launch_agent
torch.distributed.run main run
torch.distributed.nn.jit.instantiator instantiate_scriptable_remote_module_template _do_instantiate_remote_module_template
torch.distributed.checkpoint.filesystem FileSystemReader
torch.multiprocessing spawn
torch.multiprocessing.spawn spawn start_processes
torch.multiprocessing.reductions rebuild_cuda_tensor rebuild_storage_fd rebuild_storage_filename
torch.onnx export
torch.onnx.utils export
torch.ops load_library
torch._ops _Ops.load_library
torch.classes load_library
torch._classes _Classes.load_library
torch._C import_ir_module _jit_run PyTorchFileReader _load_jit_decompositions
torch.from_file from_file
torch.storage UntypedStorage.from_file _share_filename_cpu
torch.testing._internal.common_utils run_tests shell
torch.testing._internal.inductor_utils copy_tests
torch.testing._utils wrapper_set_seed
torch._appdirs user_cache_dir
torch._export.serde.serialize deserialize
torch.export load
torch._functorch.aot_autograd aot_function
torch._lobpcg os
torch.cuda._memory_viz segment_plot
torch.cuda.jiterator _create_jit_fn
torch.profiler.profiler ExecutionTraceObserver
torch.autograd.profiler profile
torch._weights_only_unpickler load
torch._utils_internal get_file_path
torch.backends.xeon.run_cpu main
torch.contrib._tensorboard_vis visualize
torch.overrides get_overridable_functions
torch._sources get_source_lines_and_file
torch.nn.modules.module os.system
torch._numpy.testing.utils runstring
torch.ao.pruning.scheduler.base_scheduler os.system
torchvision.datasets.utils download_url download_and_extract_archive extract_archive
torchvision.io read_file write_file read_image
torchvision.extension _load_library
torchaudio.utils download_asset
transformers pipeline AutoModel AutoTokenizer
transformers.pipelines pipeline
transformers.dynamic_module_utils get_class_from_dynamic_module get_class_in_module init_hf_modules
transformers.utils.hub cached_file get_file_from_repo
transformers.utils.import_utils _LazyModule direct_transformers_import
transformers.file_utils cached_path
transformers.agents.python_interpreter evaluate_python_code
transformers.tools.python_interpreter evaluate
transformers.models.auto.auto_factory get_values
transformers.testing_utils execute_subprocess_async run_command
transformers.commands.add_new_model AddNewModelCommand
transformers.integrations.integration_utils NeptuneCallback
transformers.modeling_utils load_state_dict
transformers.convert_pytorch_checkpoint_to_tf2 convert_pt_checkpoint_to_tf
diffusers.utils load_image
huggingface_hub hf_hub_download snapshot_download
huggingface_hub.utils._subprocess run_subprocess
datasets load_dataset
datasets.load load_dataset dataset_module_factory import_main_class
datasets.utils.py_utils map_nested
datasets.builder DatasetBuilder
sentence_transformers.util import_from_string http_get load_file_path
accelerate.utils.launch prepare_simple_launcher_cmd_env
accelerate.commands.launch simple_launcher
accelerate.utils.other load save
peft.utils.save_and_load load_peft_weights
pytorch_lightning.core.saving load_hparams_from_yaml load_hparams_from_tags_csv
pytorch_lightning.cli LightningCLI
lightning.app.utilities.load_app load_app_from_file
lightning.fabric.utilities.cloud_io _load
keras.utils get_file
keras.saving load_model deserialize_keras_object
keras.models load_model
keras.src.saving.saving_lib load_model
keras.src.saving.serialization_lib deserialize_keras_object
keras.src.utils.python_utils func_load
keras.src.utils.file_utils get_file
keras.utils.generic_utils func_load
tensorflow load_library load_op_library py_function numpy_function
tensorflow.io read_file write_file
tensorflow.io.gfile GFile remove
tensorflow.python.framework.load_library load_op_library load_file_system_library
tensorflow.python.platform.gfile GFile
tensorflow.python.lib.io.file_io FileIO read_file_to_string delete_recursively
tensorflow.python.ops.script_ops eager_py_func
tensorflow.python.keras.utils.generic_utils func_load
tensorflow.python.util.lazy_loader LazyLoader
tensorflow.saved_model load
tensorflow.keras.utils get_file
tf_keras.saving load_model
tf_keras.utils get_file
jax.experimental.compilation_cache compilation_cache.set_cache_dir
jax._src.pickle_util loads
jax.export deserialize
flax.serialization from_bytes
flax.training.checkpoints restore_checkpoint
nltk download
nltk.downloader download Downloader
nltk.data load find retrieve show_cfg
nltk.app nemo
nltk.app.concordance_app app
nltk.internals java config_java find_binary read_str
nltk.parse.malt MaltParser
nltk.tag.hunpos HunposTagger
nltk.classify.weka WekaClassifier config_weka
nltk.corpus.util LazyCorpusLoader
nltk.lazyimport LazyModule
nltk.sem.util evaluate_sents
nltk.inference.prover9 Prover9Command
gensim.utils unpickle check_output pickle open
gensim.downloader load
gensim.models.wrappers.ldamallet LdaMallet
spacy load
spacy.util load_model import_file run_command load_model_from_path
spacy.cli.download download
srsly pickle_loads
srsly.cloudpickle loads
thinc.util import_module
catalogue.config os
fastai.data.external untar_data
fastai.torch_core get_model
fastcore.xtras run load_pickle open_file Path.load
fastcore.basics exec_new eval_type
stable_baselines3.common.save_util load_from_zip_file load_from_pkl json_to_data
stable_baselines3.common.vec_env.base_vec_env CloudpickleWrapper
stable_baselines3.common.vec_env.subproc_vec_env SubprocVecEnv
gymnasium.utils.save_video save_video
gymnasium.vector.utils.misc CloudpickleWrapper
gym.envs.registration load
optuna.storages.journal._file JournalFileBackend
optuna.integration TFKerasPruningCallback
ray.cloudpickle loads
ray remote init
dask.distributed Client
dask.delayed delayed
distributed.protocol.pickle loads
polars.io.csv.functions read_csv
pyarrow.fs FileSystem.from_uri
pyarrow.plasma connect
pyarrow memory_map OSFile
pyarrow.lib memory_map OSFile input_stream
pyarrow.parquet read_table
h5py File
tables open_file
xarray.backends.api open_dataset
xarray open_dataset
networkx.readwrite.gpickle read_gpickle
networkx.utils.misc open_file
matplotlib.cbook open_file_cm get_sample_data
matplotlib.texmanager TexManager
matplotlib.dviread PsfontsMap
matplotlib.animation FFMpegWriter
matplotlib.pyplot switch_backend
PIL.ImageShow register show IPythonViewer
PIL.ImageGrab grab
PIL.ImageMath eval unsafe_eval
PIL.Image open
cv2 imread
imageio imread
sympy sympify lambdify
sympy.core.sympify sympify parse_expr
sympy.parsing.sympy_parser parse_expr eval_expr
sympy.utilities.lambdify lambdify
sympy.utilities._compilation.compilation compile_run_strings
numexpr evaluate re_evaluate
numexpr.necompiler evaluate stringToExpression
numba.core.codegen JITCodeLibrary
numba.pycc.cc CC
numba.cuda.cudadrv.nvvm NVVM
llvmlite.binding load_library_permanently
jinja2 Template Environment
jinja2.environment Template.from_code
jinja2.utils import_string
jinja2.compiler generate
mako.template Template
asteval Interpreter
yaml load unsafe_load full_load load_all unsafe_load_all
yaml.constructor UnsafeConstructor.find_python_name UnsafeConstructor.make_python_instance
ruamel.yaml YAML
jsonpickle decode
jsonpickle.unpickler loadclass
hydra.utils instantiate call get_class get_method
hydra._internal.utils _locate
omegaconf.omegaconf OmegaConf.load
pyximport install
Cython.Build.Inline cython_inline
cython inline
IPython embed start_ipython
IPython.core.interactiveshell InteractiveShell.run_cell
IPython.utils.process system getoutput
IPython.utils.py3compat execfile
IPython.utils._process_posix ProcessHandler.system
jedi.api.interpreter Interpreter
pytest main
_pytest.pathlib import_path
nose run
py std
requests get post Session
requests.api get request
requests.sessions Session
httpx get Client
urllib3 PoolManager
aiohttp ClientSession request
paramiko SSHClient
fabric Connection
invoke run
pexpect run spawn
plumbum local
sh Command
psutil Popen
docker from_env
kubernetes client
boto3 client resource
smart_open open
fsspec open
fsspec.core open_files
fsspec.implementations.local LocalFileOpener
fsspec.config set_conf_files
mlflow.pyfunc load_model _load_pyfunc
mlflow.utils.process _exec_cmd
mlflow.models.cli serve
mlflow.projects run
onnxruntime InferenceSession
openvino.package_utils LazyLoader
paddle load
paddle.utils.cpp_extension load
paddle.hub load
mxnet.library load
mxnet.rtc CudaModule
theano.compile.function function
pytensor.link.c.cmodule dlimport
pytensor.gradient os
hyperopt.mongoexp MongoTrials
hyperopt.main main_search
skops.io load loads
skops.card.model_card Card
bentoml load
wandb init
deepspeed init_inference
apex.amp initialize
comet_ml Experiment
ultralytics.utils.downloads safe_download
ultralytics.utils.checks check_requirements
detectron2.utils.env setup_custom_environment
mmcv.utils.config Config.fromfile
mmengine.config Config.fromfile
mmengine.fileio load
fairseq.utils import_user_module
torch_geometric.io torch_load
torch_geometric.template module_from_template
torch_geometric.lazy_loader LazyLoader
torch_geometric.datasets.hydro_net os.system
streamlit.runtime run
gradio load
flask.cli run_command
werkzeug.utils import_string
django.utils.module_loading import_string
celery Celery
twisted.internet.utils getProcessOutput
zope.configuration.name resolve
setuptools._vendor.jaraco.context pushd
code2flow.engine main
ptpython.repl embed
bpython.cli main
win32com.client Dispatch
win32api WinExec
pywintypes CreateGuid
somelib.tools system
somelib.tools exec_command
somelib.shell Popen
somelib.loader import_module
somelib.loader unsafe_load
"""


def names() -> list[tuple[str, str]]:
    """Return (module, name) of every gadget, each once, in the order of the list."""
    found: dict[tuple[str, str], None] = {}
    for line in GADGETS.strip().splitlines():
        module, *leaves = line.split()
        for leaf in leaves:
            found[module, leaf] = None
    return list(found)


def _text(value: str) -> bytes:
    raw = value.encode()
    return b"\x8c" + bytes([len(raw)]) + raw


def _long_text(value: str) -> bytes:
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def _line(module: str, name: str) -> bytes:
    return f"{module}\n{name}\n".encode()


def stack_global(module: str, name: str, argument: str) -> bytes:
    return b"\x80\x04" + _text(module) + _text(name) + b"\x93" + _text(argument) + b"\x85R."


def framed(module: str, name: str, argument: str) -> bytes:
    body = _text(module) + b"\x94" + _text(name) + b"\x94\x93\x94" + _text(argument) + b"\x94\x85\x94R\x94."
    return b"\x80\x04\x95" + struct.pack("<Q", len(body)) + body


def protocol_0(module: str, name: str, argument: str) -> bytes:
    return b"c" + _line(module, name) + b"(V" + argument.encode() + b"\ntR."


def protocol_2(module: str, name: str, argument: str) -> bytes:
    return b"\x80\x02c" + _line(module, name) + b"q\x00" + _long_text(argument) + b"q\x01\x85q\x02Rq\x03."


def inst(module: str, name: str, argument: str) -> bytes:
    return b"(V" + argument.encode() + b"\ni" + _line(module, name) + b"."


def obj(module: str, name: str, argument: str) -> bytes:
    return b"\x80\x02(c" + _line(module, name) + _long_text(argument) + b"o."


def new_object(module: str, name: str, argument: str) -> bytes:
    return b"\x80\x02c" + _line(module, name) + _long_text(argument) + b"\x85\x81."


def new_object_ex(module: str, name: str, argument: str) -> bytes:
    return b"\x80\x04c" + _line(module, name) + _text(argument) + b"\x85}\x92."


def built(module: str, name: str, argument: str) -> bytes:
    return b"\x80\x04" + _text(module) + _text(name) + b"\x93)R}" + _text("x") + _text(argument) + b"sb."


def in_memo(module: str, name: str, argument: str) -> bytes:
    """The parts of the name come from the memo, where harmless ones stood before."""
    head = (
        _text("collections")
        + b"q\x00"
        + _text("OrderedDict")
        + b"q\x01"
        + _text(module)
        + b"q\x00"
        + _text(name)
        + b"q\x01000"
    )
    return b"\x80\x04" + head + b"0h\x00h\x01\x93" + _text(argument) + b"\x85R."


def among_honest(module: str, name: str, argument: str) -> bytes:
    """The call stands in the state of an object of an honest library."""
    call = b"c" + _line(module, name) + _text(argument) + b"\x85R"
    return b"\x80\x04csklearn.linear_model._base\nLinearRegression\n)\x81}(" + _text("coef_") + call + b"ub."


def partial(module: str, name: str, argument: str) -> bytes:
    return b"\x80\x04cfunctools\npartial\nc" + _line(module, name) + _text(argument) + b"\x86R."


def reconstructed(module: str, name: str, argument: str) -> bytes:
    """copyreg._reconstructor calls the ``__init__`` of the base that it gets."""
    name_of = b"c" + _line(module, name)
    return b"\x80\x02ccopy_reg\n_reconstructor\n" + name_of + name_of + _long_text(argument) + b"\x87R."


def popped(module: str, name: str, argument: str) -> bytes:
    return b"\x80\x04c" + _line(module, name) + _text(argument) + b"\x85R0N."


ENCODINGS: tuple[Callable[[str, str, str], bytes], ...] = (
    stack_global, framed, protocol_0, protocol_2, inst, obj, new_object, new_object_ex, built, in_memo, among_honest, partial,
    reconstructed, popped,
)  # fmt: skip

ARGUMENTS = (TRUE, CODE, FILE, URL)


UNLISTED = "dask.array.core.from_npy_stack"
"""A function of a known library that reads a pickle of a folder; a value of that name alone tells nothing."""

HOSTILE = stream(called("os.system", word(TRUE)))


def composites() -> Iterator[tuple[str, bytes]]:
    """Yield calls of names that are harmless by themselves, which call or resolve what they get."""
    held = called("functools.partial", named(UNLISTED), word("folder"))
    mapping = b"}" + word("filename") + word("file") + b"s"
    yield (
        "called-by-environment",
        called("stable_baselines3.common.vec_env.dummy_vec_env.DummyVecEnv", b"]" + held + b"a"),
    )
    yield "called-directly", called(UNLISTED, word("folder"))
    yield "called-through-partial", called(held)
    yield "called-by-generator", called("numpy.random._pickle.__generator_ctor", word("folder"), named(UNLISTED))
    yield "called-by-variable", called("tensorflow.python.ops.resource_variable_ops.ResourceVariable", held)
    yield "called-by-array", called("dill._dill._create_array", named(UNLISTED), group(word("folder")), b"N", b"N")
    yield "called-by-type", called("dill._dill._create_ftype", named(UNLISTED), word("folder"), group(), b"}")
    yield (
        "called-by-numba",
        called("numba.core.types.abstract._type_reconstructor", named(UNLISTED), group(word("folder")), b"}"),
    )
    yield (
        "called-by-itself",
        called(
            "numba.core.types.abstract._type_reconstructor",
            named("numba.core.types.abstract._type_reconstructor"),
            group(named(UNLISTED), group(word("folder")), b"}"),
            b"}",
        ),
    )
    yield (
        "called-by-rebuilder",
        called("torch._tensor._rebuild_from_type_v2", named(UNLISTED), b"N", group(word("folder")), b"N"),
    )
    yield "called-by-file-system", called("fsspec.spec.make_instance", named("builtins.print"), group(word("x")), b"}")
    yield "folded", called("functools.reduce", named("numpy.add"), b"]")
    yield "item-of-object", called("operator.getitem", called("collections.defaultdict", held), word("key"))
    yield "item-of-module", called("operator.getitem", named("sys.modules"), word("os"))
    for name, module, leaf in (
        ("system", "os", "system"),
        ("unlisted", "dask.array.core", "load_stack"),
        ("builtin", "builtins", "eval"),
    ):
        yield f"resolved-ufunc-{name}", called("numpy.core._ufunc_reconstruct", word(module), word(leaf))
        yield (
            f"resolved-curry-{name}",
            called(
                "toolz.functoolz._restore_curry",
                named("toolz.functoolz.curry"),
                word(f"{module}:{leaf}"),
                group(),
                b"}",
                b"}",
                b"\x88",
            ),
        )
    for maker in ("copyreg.__newobj__", "copy_reg.__newobj__"):
        yield f"made-{maker.partition('.')[0]}", called(maker, named("numpy.memmap"), word("file"))
    yield "made-with-names", called("copyreg.__newobj_ex__", named("numpy.memmap"), group(word("file")), b"}")
    yield "made-by-pandas", called("pandas.core.indexes.base._new_Index", named("numpy.memmap"), mapping)
    yield (
        "made-by-base",
        called("copyreg._reconstructor", named("joblib.memory.Memory"), named("joblib.memory.Memory"), word("folder")),
    )
    yield "made-by-opcode", named("numpy.memmap") + group(word("file")) + b"\x81"
    bytes_of = {"pickle": HOSTILE, "zip": archive({"archive/data.pkl": HOSTILE, "archive/version": b"3\n"})}
    for kind, content in bytes_of.items():
        state = b"}" + word("__cuda_dependent_attributes__") + raw(content) + b"sb"
        yield f"state-of-skorch-{kind}", named("skorch.classifier.NeuralNetClassifier") + b")\x81" + state
    yield "bytes-of-numba", called("numba.core.serialize._unpickle__CustomPickled", raw(HOSTILE))
    yield "bytes-of-spacy", called("spacy.vocab.unpickle_vocab", b"N", b"N", b"N", b"N", raw(HOSTILE), b"N", b"N")
    yield (
        "bytes-of-method",
        called(called("builtins.getattr", named("pendulum.tz.timezone.Timezone"), word("_unpickle")), raw(HOSTILE)),
    )
    yield "bytes-of-rebuilder", called("polars.series.series._restore", raw(HOSTILE))
    yield (
        "method-of-model",
        called(
            called("builtins.getattr", named("transformers.BertModel"), word("from_pretrained")), word("example/model")
        ),
    )
    yield "method-by-name", called("transformers:BertModel.from_pretrained", word("example/model"))
    yield (
        "method-of-pattern",
        called(
            called("builtins.getattr", called("re._compile", word("x"), b"K\x00"), word("sub")),
            named("os.system"),
            word("x"),
        ),
    )
    yield "module-through-library", called("operator.getitem", named("sklearn.utils.os"), word("system"))
    yield "module-gets-state", named("sklearn.utils.os") + b"}" + word("environ") + b"}sb"
    yield (
        "wrapper-of-cloudpickle",
        named("stable_baselines3.common.vec_env.base_vec_env.CloudpickleWrapper") + b")\x81" + raw(HOSTILE) + b"b",
    )
    yield (
        "destructor",
        named("transformers.integrations.integration_utils.NeptuneCallback")
        + b")\x81}"
        + word("_volatile_checkpoints_dir")
        + word("folder")
        + b"sb",
    )
    yield "lazy-module", called("optuna._imports._LazyImport", word("antigravity"))
    yield "model-by-name", called("sentence_transformers.SentenceTransformer", word("example/model"))
    yield "constant-of-module", named("os:torch.contiguous_format")


def attacks() -> Iterator[tuple[str, bytes]]:
    """Yield (file name, content): every gadget in two encodings, the most used ones in all; then calls that are composed."""
    for name, parts in composites():
        yield f"composites/{name}.pkl", stream(parts)
    everywhere = {("os", "system"), ("builtins", "eval"), ("subprocess", "Popen"), ("numpy", "load"), ("torch.hub", "load"), ("pandas", "read_pickle"), ("pydoc", "locate"), ("joblib", "load"), ("transformers", "pipeline"), ("sklearn.datasets", "load_files"), ("numpy", "memmap"), ("joblib", "Memory")}  # fmt: skip
    for number, (module, name) in enumerate(names()):
        argument = ARGUMENTS[number % len(ARGUMENTS)]
        chosen = (
            ENCODINGS if (module, name) in everywhere else (stack_global, ENCODINGS[1 + number % (len(ENCODINGS) - 1)])
        )
        for encode in chosen:
            if encode in (built, new_object, new_object_ex, reconstructed, partial) and name in HELD:
                continue
            yield f"gadgets/{module}-{name}-{encode.__name__}.pkl", encode(module, name, argument)


HELD = frozenset({"print", "memmap", "Memory"})
"""Honest files hold these as values, and make empty objects of them; only a call of them is an attack."""
