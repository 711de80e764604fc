"""Checks on what a caller can reach through a service: pages, files, addresses, other origins, and parsers of documents."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from mlguard import lazy
from mlguard.scanners.code import taint
from mlguard.scanners.code.names import Unknown
from mlguard.scanners.code.running import INJECTION
from mlguard.scanners.code.seeing import Call, Place, Sight, leading_text, on_call, on_node

CORS = "code/permissive-cors"
XML = "code/unsafe-xml-parsing"
TRAVERSAL = "code/path-traversal"
FORGERY = "code/server-side-request-forgery"


def _labels(node: ast.AST | None, call: Call) -> taint.Labels:
    return taint.of(node, call.scope, call.names)


# ---- pages

_MARKUP = frozenset(
    {"mark_safe", "Markup", "SafeString", "SafeText", "HTMLResponse", "HTML", "html", "write_html", "Html", "components.html", "set_html",
     "DangerouslySetInnerHTML", "display_html", "HttpResponse", "make_response"}
)  # fmt: skip
_PAGES = lazy.pattern(
    r"^(?:django\.utils\.(?:safestring|html)\.\w+|markupsafe\.Markup|flask\.Markup|jinja2\.Markup|(?:fastapi|starlette)\.responses\.HTMLResponse|IPython\.(?:core\.)?display\.(?:HTML|display_html)"
    r"|streamlit\.(?:components\.v1\.)?html|streamlit\.write_html|gradio\.HTML|panel\.pane\.HTML|nicegui\.ui\.html|dash_dangerously_set_inner_html\.\w+|aiohttp\.web\.Response|ipywidgets\.HTML"
    r"|flask\.make_response|django\.http\.HttpResponse|litestar\.response\.Html|solara\.HTML|reflex\.html)$"
)


@on_call("markdown", "write", "html", "caption", "title", "header", "subheader", "text", "info", "success", "warning", "error",
         keywords=["unsafe_allow_html"])  # fmt: skip
def streamlit_html(call: Call) -> Iterator[Sight]:
    """Text that Streamlit shows as it is."""
    if "unsafe_allow_html" not in call.keywords or call.value("unsafe_allow_html") is not True:
        return
    if not (call.path.startswith("streamlit.") or (not call.path and "streamlit" in call.source.tree.roots)):
        return
    body = call.argument(0, "body", "label")
    if body is None or call.is_constant(body) or _only_numbers(body) or _is_escaped(body, call):
        return
    yield call.sees(INJECTION, "llm-output-as-html" if "model" in _labels(body, call) else "streamlit-unsafe-html")


_ESCAPES = lazy.pattern(r"(?:^|\.|_)(?:escape|quote|sanitize\w*|clean|clean_html|linkify|int|float|len|round)$")


def _is_escaped(node: ast.expr, call: Call, depth: int = 4) -> bool:
    """Say whether every value that is put into a text is escaped or a number."""
    if call.is_constant(node):
        return True
    if isinstance(node, ast.Call):
        if _ESCAPES.search(call.names.written(node.func)):
            return True
        return (
            isinstance(node.func, ast.Attribute)
            and node.func.attr == "format"
            and call.is_constant(node.func.value)
            and all(
                _is_escaped(value, call, depth - 1)
                for value in [*node.args, *(keyword.value for keyword in node.keywords)]
            )
        )
    if isinstance(node, ast.JoinedStr):
        before = [str(getattr(part, "value", "")) for part in [ast.Constant(""), *node.values]]
        return all(
            before[index].endswith("base64,") or _is_escaped(part.value, call, depth - 1)
            for index, part in enumerate(node.values)
            if isinstance(part, ast.FormattedValue)
        )
    if isinstance(node, ast.BinOp):
        return _is_escaped(node.left, call, depth - 1) and _is_escaped(node.right, call, depth - 1)
    single = call.names.single(node.id, call.scope) if isinstance(node, ast.Name) and depth > 0 else None
    return single is not None and isinstance(single[0], ast.expr) and _is_escaped(single[0], call, depth - 1)


def _only_numbers(node: ast.expr) -> bool:
    """Say whether every value in a formatted string has a number's format."""
    if not isinstance(node, ast.JoinedStr):
        return False
    values = [part for part in node.values if isinstance(part, ast.FormattedValue)]
    return all(
        value.format_spec is not None and re.search(r"[dfge%]'", ast.dump(value.format_spec)) for value in values
    )


@on_call(*_MARKUP, "Response")
def markup(call: Call) -> Iterator[Sight]:
    """What a language model wrote or a caller sent, shown as a page."""
    if not _PAGES.match(call.path) and not (
        call.last == "html" and call.path == "" and "streamlit" in call.source.tree.roots
    ):
        return
    body = call.argument(0, "content", "body", "data", "value", "text", "s", "html")
    if body is None or call.is_constant(body):
        return
    if call.last in ("HttpResponse", "make_response", "Response") and not _is_page(call):
        return
    labels = _labels(body, call)
    if "model" in labels:
        yield call.sees(INJECTION, "llm-output-as-html")
    elif "request" in labels and call.last != "HTML":
        yield call.sees(INJECTION, "request-as-html")


def _is_page(call: Call) -> bool:
    """Say whether an answer is HTML: a web framework's plain answer without another type."""
    kind = next(
        (call.value(name) for name in ("content_type", "mimetype", "media_type") if name in call.keywords), None
    )
    if call.path == "aiohttp.web.Response":
        return kind == "text/html"
    return kind is None or kind == "text/html"


@on_node(ast.Return, imports=["flask", "fastapi", "bottle", "quart"], words=["route", "get", "post"])
def returned_pages(node: ast.Return, place: Place) -> Iterator[Sight]:
    """Routes that answer with a page in which text of others stands as it is."""
    if not isinstance(node.value, ast.JoinedStr | ast.BinOp) or "<" not in _first_text(node.value):
        return
    function = place.scope.node
    if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) or not function.decorator_list:
        return
    if not any(
        place.names.written(getattr(d, "func", d)).rpartition(".")[2] in ("route", "get", "post")
        for d in function.decorator_list
    ):
        return
    if {"fastapi"} & place.source.tree.roots and "HTMLResponse" not in place.source.tree.identifiers:
        return
    labels = taint.of(node.value, place.scope, place.names)
    if labels & {"model", "request"}:
        yield Sight(
            INJECTION,
            "llm-output-as-html" if "model" in labels else "request-as-html",
            node,
            {"call": "The answer of a route"},
        )


def _first_text(node: ast.AST) -> str:
    while isinstance(node, ast.BinOp):
        node = node.left
    if isinstance(node, ast.JoinedStr) and node.values:
        node = node.values[0]
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


_OFF_SETTINGS = {
    "server.enableXsrfProtection": False,
    "server.enableCORS": False,
    "global.disableWatchdogWarning": None,
}


@on_call("set_option", imports=["streamlit"])
def streamlit_options(call: Call) -> Iterator[Sight]:
    """Protections of Streamlit that are switched off."""
    off = call.constant(call.argument(0)) == "server.enableXsrfProtection" and call.constant(call.argument(1)) is False
    if off and call.path.startswith("streamlit."):
        yield call.sees(INJECTION, "streamlit-unsafe-html")


# ---- other origins

_CORS_CALLS = frozenset(
    {"add_middleware", "CORSMiddleware", "CORS", "cross_origin", "Middleware", "setup", "ResourceOptions", "init_app"}
)


@on_call(
    *_CORS_CALLS,
    imports=[
        "fastapi",
        "starlette",
        "flask_cors",
        "aiohttp_cors",
        "flask",
        "sanic_cors",
        "sanic_ext",
        "quart_cors",
        "litestar",
    ],
)
def cors(call: Call) -> Iterator[Sight]:
    """Answers that every origin may read with the credentials of the visitor."""
    path, last = call.path, call.last
    if last in ("add_middleware", "Middleware"):
        first = call.argument(0, "middleware_class", "cls")
        if first is None or "CORSMiddleware" not in (call.names.path(first, call.scope) or call.names.written(first)):
            return
    elif last == "CORSMiddleware":
        pass
    elif not path.startswith(("flask_cors.", "aiohttp_cors.", "quart_cors.", "sanic_cors.")):
        return
    credentials = any(call.value(name) is True for name in ("allow_credentials", "supports_credentials"))
    if credentials and _every_origin(call):
        yield call.sees(CORS, "wildcard-with-credentials")


def _every_origin(call: Call) -> bool:
    given = call.argument(-1, "allow_origins", "origins", "allow_origin", "resources")
    if given is None and call.constant(call.argument(-1, "allow_origin_regex")) in (
        ".*",
        "^.*$",
        "https?://.*",
        r"https?:\/\/.*",
        "http.*",
    ):
        return True
    if given is None:  # what Flask-CORS does when it is not told otherwise
        return call.path.startswith(("flask_cors.", "sanic_cors.")) and not call.names.open_ended(call.node, call.scope)
    return _has_star(given, call)


def _has_star(node: ast.AST, call: Call, depth: int = 3) -> bool:
    if isinstance(node, ast.Name) and depth:
        single = call.names.single(node.id, call.scope)
        return single is not None and _has_star(single[0], call, depth - 1)
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        return any(call.constant(item) == "*" for item in node.elts)
    if isinstance(node, ast.Dict) and depth:
        return any(_has_star(value, call, depth - 1) for value in node.values)
    return call.constant(node) in ("*", ".*")


# ---- documents

_XML_READERS = frozenset({"pandas.read_html", "pandas.read_xml", "pandas.io.html.read_html", "pandas.io.xml.read_xml"})


@on_call("read_html", "read_xml", "XMLParser", "parse", "fromstring", "iterparse", "XML", "from_xml", "ETCompatXMLParser", "XSLT",
         imports=["pandas", "lxml"])  # fmt: skip
def documents(call: Call) -> Iterator[Sight]:
    """Documents that are parsed with lxml, which follows their entities."""
    path = call.path
    if path in _XML_READERS:
        yield from _tables(call)
    elif path in ("lxml.etree.XMLParser", "lxml.etree.ETCompatXMLParser", "lxml.etree.iterparse"):
        if (
            call.value("resolve_entities") is True
            or call.value("no_network") is False
            or call.value("load_dtd") is True
            or call.value("huge_tree") is True
        ):
            yield call.sees(XML, "lxml-entities")
    elif path in ("lxml.etree.parse", "lxml.etree.fromstring", "lxml.etree.XML") and call.argument(1, "parser") is None:
        first = call.argument(0, "source", "text")
        if _labels(first, call) & {"request", "model"}:
            yield call.sees(XML, "lxml-entities")


def _tables(call: Call) -> Iterator[Sight]:
    first = call.argument(0, "io", "path_or_buffer")
    if first is None or call.names.open_ended(call.node, call.scope):
        return
    text = call.constant(first)
    if isinstance(text, str) and not text.lower().startswith(("http:", "https:", "ftp:", "s3:")):
        return  # a file of the repository, or a literal
    if call.last == "read_html":
        flavor = call.keywords.get("flavor")
        kinds = flavor.elts if isinstance(flavor, ast.List | ast.Tuple) else [flavor] if flavor is not None else []
        if kinds and all(
            call.constant(kind) in ("bs4", "html5lib") or isinstance(call.constant(kind), Unknown) for kind in kinds
        ):
            return
    elif call.value("parser") == "etree":
        return
    yield call.sees(XML, "pandas-read-html")


# ---- files

_OPENERS = frozenset(
    {"open", "io.open", "builtins.open", "codecs.open", "gzip.open", "aiofiles.open", "os.open", "os.remove", "os.unlink", "os.rmdir",
     "os.listdir", "os.scandir", "os.makedirs", "os.mkdir", "os.rename", "os.replace", "shutil.rmtree", "shutil.copy", "shutil.copyfile",
     "shutil.move", "shutil.copy2", "shutil.copytree", "flask.send_file", "quart.send_file", "fastapi.responses.FileResponse",
     "starlette.responses.FileResponse", "django.http.FileResponse", "aiohttp.web.FileResponse", "joblib.load", "pickle.load", "torch.load",
     "torch.jit.load", "numpy.load", "pandas.read_csv", "pandas.read_parquet", "pandas.read_json", "pandas.read_pickle", "pandas.read_excel",
     "keras.models.load_model", "tensorflow.keras.models.load_model", "onnxruntime.InferenceSession", "onnx.load", "PIL.Image.open",
     "cv2.imread", "safetensors.torch.load_file", "fitz.open", "zipfile.ZipFile", "tarfile.open", "sqlite3.connect", "os.path.exists",
     "json.load", "tensorflow.io.read_file", "tensorflow.io.gfile.GFile", "soundfile.read", "librosa.load", "whisper.load_audio",
     "xgboost.Booster().load_model", "mlflow.pyfunc.load_model", "transformers.AutoModel.from_pretrained"}
) - {"os.path.exists", "json.load", "pickle.load", "sqlite3.connect"}  # fmt: skip
_PATH_METHODS = frozenset({"open", "read_text", "read_bytes", "write_text", "write_bytes", "unlink", "mkdir", "rename", "replace", "iterdir", "rmdir",
                           "touch", "save"})  # fmt: skip
_WEB = frozenset({"flask", "fastapi", "starlette", "quart", "aiohttp", "django", "sanic", "bottle", "tornado", "litestar", "falcon", "gradio",
                  "streamlit", "mcp", "fastmcp", "rest_framework", "websockets", "bentoml", "litserve", "cherrypy", "langchain", "langchain_core",
                  "openai", "anthropic", "robyn", "blacksheep", "werkzeug"})  # fmt: skip


@on_call(*{path.rpartition(".")[2] for path in _OPENERS} - {"load"}, *_PATH_METHODS, "load", imports=_WEB)
def paths(call: Call) -> Iterator[Sight]:
    """Files whose name a caller or a language model chooses."""
    if call.path in _OPENERS:
        name = call.argument(
            0,
            "file",
            "path",
            "path_or_file",
            "filename",
            "f",
            "filepath",
            "fp",
            "path_or_bytes",
            "filepath_or_buffer",
            "io",
            "src",
        )
    elif call.last == "save" and call.names.written(call.node.func).count(".") and call.node.args:
        name = call.argument(0, "dst")  # an upload of Flask
        if not (isinstance(call.receiver, ast.expr) and "request" in _labels(call.receiver, call)):
            return
    elif call.last in _PATH_METHODS and call.receiver is not None and _is_path(call.receiver, call):
        name = call.receiver
    else:
        return
    if name is None or call.is_constant(name):
        return
    labels = _labels(name, call)
    if _chosen_outside(labels) and not _is_number_or_stream(name, call):
        yield call.sees(TRAVERSAL, "request-path")


def _chosen_outside(labels: taint.Labels) -> bool:
    """Say whether a name or address comes from somebody else: not from the person who runs the program on a terminal."""
    return "model" in labels or "request" in labels and "terminal" not in labels


def _is_path(node: ast.expr, call: Call) -> bool:
    """Say whether an expression is a path of pathlib."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        return True
    if isinstance(node, ast.Call):
        return call.names.path(node.func, call.scope) in ("pathlib.Path", "pathlib.PosixPath", "anyio.Path") or (
            isinstance(node.func, ast.Attribute)
            and node.func.attr in ("joinpath", "with_suffix", "resolve")
            and _is_path(node.func.value, call)
        )
    if isinstance(node, ast.Name):
        single = call.names.single(node.id, call.scope)
        return single is not None and isinstance(single[0], ast.BinOp | ast.Call) and _is_path(single[0], call)
    return False


_STREAMS = lazy.pattern(
    r"(?:^|\.)(?:io\.)?(?:BytesIO|StringIO|file|stream|body|read|content|data|getvalue|files|json|loads|get_json)$"
)


def _is_number_or_stream(node: ast.expr, call: Call, depth: int = 4) -> bool:
    """Say whether what is opened is the content that was sent, not a name of a file."""
    if isinstance(node, ast.Call):
        return bool(_STREAMS.search(call.names.written(node.func)))
    if isinstance(node, ast.Attribute):
        return node.attr in ("file", "stream", "body", "data", "content")
    if isinstance(node, ast.Subscript):
        return bool(re.search(r"(?:^|\.)files$", call.names.written(node.value)))
    if isinstance(node, ast.Name) and depth:
        single = call.names.single(node.id, call.scope)
        if single is not None and isinstance(single[0], ast.expr):
            return _is_number_or_stream(single[0], call, depth - 1)
        holder = call.names.holder(node.id, call.scope)
        if holder is not None and node.id in holder.parameters:
            annotation = holder.parameters[node.id][0].annotation
            written = "" if annotation is None else ast.dump(annotation)
            return "UploadFile" in written or "'bytes'" in written or "BytesIO" in written
    return isinstance(node, ast.Await) and _is_number_or_stream(node.value, call, depth)


# ---- addresses

_FETCHES = lazy.pattern(
    r"^(?:(?:requests|httpx|niquests|curl_cffi\.requests)\.(?:get|post|put|patch|delete|head|options|request|stream)"
    r"|(?:requests\.[Ss]ession|httpx\.(?:Async)?Client|aiohttp\.ClientSession|niquests\.Session|urllib3\.PoolManager|urllib3\.ProxyManager|tornado\.httpclient\.\w+)\(\)\.(?:get|post|put|patch|delete|head|options|request|stream|fetch|urlopen)"
    r"|urllib\.request\.(?:urlopen|urlretrieve|Request)|wget\.download|gdown\.download|aiohttp\.request|pooch\.retrieve|torch\.hub\.(?:download_url_to_file|load_state_dict_from_url)"
    r"|(?:langchain\w*|llama_index)\.[\w.]*(?:WebBaseLoader|UnstructuredURLLoader|SeleniumURLLoader|PlaywrightURLLoader|RecursiveUrlLoader|AsyncHtmlLoader|OnlinePDFLoader|SitemapLoader|BSHTMLLoader|PyPDFLoader)"
    r"|llama_index\.[\w.]*(?:SimpleWebPageReader|BeautifulSoupWebReader|TrafilaturaWebReader)\(\)\.load_data|(?:pandas|polars)\.read_(?:csv|json|parquet|html|xml|excel)"
    r"|trafilatura\.fetch_url|newspaper\.Article|imageio(?:\.v[23])?\.(?:imread|mimread)|skimage\.io\.imread|diffusers\.utils\.load_image|transformers\.image_utils\.load_image"
    r"|fsspec\.open|smart_open\.open|ffmpeg\.input|cv2\.VideoCapture|feedparser\.parse)$"
)


@on_call("get", "post", "put", "patch", "delete", "head", "options", "request", "stream", "fetch", "urlopen", "urlretrieve", "Request", "download", "retrieve",
         "WebBaseLoader", "UnstructuredURLLoader", "SeleniumURLLoader", "PlaywrightURLLoader", "RecursiveUrlLoader", "AsyncHtmlLoader",
         "OnlinePDFLoader", "PyPDFLoader", "load_data", "read_*", "fetch_url", "Article", "imread", "load_image", "open", "input", "VideoCapture", "parse",
         "download_url_to_file", "load_state_dict_from_url", "goto", imports=_WEB)  # fmt: skip
def addresses(call: Call) -> Iterator[Sight]:
    """Addresses that a caller or a language model chooses."""
    if not _FETCHES.match(call.path):
        return
    named = call.last in ("request", "stream") and not call.path.startswith("requests.stream")
    address = call.argument(1 if named else 0, "url", "web_path", "web_paths", "urls", "uri", "filepath_or_buffer", "file_path", "source", "io",
                            "path_or_buffer", "image", "filename", "fullurl")  # fmt: skip
    if address is None or call.is_constant(address):
        return
    if isinstance(address, ast.List | ast.Tuple) and address.elts:
        address = next((item for item in address.elts if _labels(item, call) & {"request", "model"}), address.elts[0])
    if (
        _fixed_host(address, call)
        or _is_joined(address, call)
        or not _chosen_outside(_labels(address, call))
        or _is_number_or_stream(address, call)
    ):
        return
    yield call.sees(FORGERY, "request-url")


def _is_joined(node: ast.AST, call: Call) -> bool:
    """Say whether what is opened is a path of a folder and a name: that is never an address."""
    if isinstance(node, ast.Name):
        single = call.names.single(node.id, call.scope)
        node = single[0] if single else node
    if isinstance(node, ast.Call):
        return call.names.path(node.func, call.scope) in ("os.path.join", "pathlib.Path", "str") and (
            len(node.args) > 1 or bool(node.args) and _is_joined(node.args[0], call)
        )
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)


def _fixed_host(node: ast.expr, call: Call) -> bool:
    """Say whether an address begins with a constant scheme, host and slash, so that others choose the path only."""
    text = leading_text(node, call)
    if re.match(r"^[a-z][a-z0-9+.-]*://[^/?#]+[/?#]", text, re.I):
        return True
    first: ast.AST = node
    if isinstance(node, ast.Name):
        single = call.names.single(node.id, call.scope)
        first = single[0] if single else node
    if isinstance(first, ast.JoinedStr) and first.values and isinstance(first.values[0], ast.FormattedValue):
        head = first.values[0].value
        return len(first.values) > 1 and not _labels(head, call) & {"request", "model"}
    if isinstance(first, ast.BinOp) and isinstance(first.op, ast.Add):
        left = first.left
        while isinstance(left, ast.BinOp):
            left = left.left
        return isinstance(call.constant(left), Unknown) and not _labels(left, call) & {"request", "model"}
    return False


CHECKS = (streamlit_html, markup, returned_pages, streamlit_options, cors, documents, paths, addresses)
