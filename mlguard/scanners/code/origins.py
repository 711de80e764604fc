"""Names and patterns of what a text may come from, what carries it on, and what cuts it: the data of the analysis in ``taint``."""

from __future__ import annotations

import re

from mlguard import lazy

# ---- sources

REQUEST_PATH = lazy.pattern(
    r"^(?:flask\.(?:globals\.)?request|quart\.request|bottle\.request|sanic\.request|cherrypy\.request|werkzeug\.wrappers\.Request\(\)"
    r"|(?:fastapi|starlette\.requests|fastapi\.requests|aiohttp\.web|django\.http|rest_framework\.request|sanic)\.(?:Request|HttpRequest)\(\)"
    r"|(?:fastapi|starlette\.websockets)\.WebSocket\(\)|streamlit\.(?:query_params|experimental_get_query_params\(\)))(?:\.|$)"
)
REQUEST_PARTS = frozenset(
    {"args", "form", "values", "json", "data", "get_json", "get_data", "files", "cookies", "headers", "query_params", "path_params",
     "view_args", "query_string", "GET", "POST", "FILES", "COOKIES", "META", "body", "stream", "query", "post", "match_info", "text",
     "read", "params", "url", "receive_text", "receive_json", "receive_bytes", "receive", "iter_text", "iter_json", "get", "getlist",
     "forms", "content", "raw_body", "query_args", "match_dict"}
)  # fmt: skip
REQUEST_CALLS = frozenset(
    {"streamlit.text_input", "streamlit.text_area", "streamlit.chat_input", "streamlit.file_uploader",
     "streamlit.sidebar.text_input", "streamlit.sidebar.text_area", "streamlit.sidebar.file_uploader",
     "streamlit.experimental_get_query_params", "chainlit.AskUserMessage().send", "dash.dcc.Input", "nicegui.ui.input",
     "websockets.recv"}
)  # fmt: skip
TERMINAL_CALLS = frozenset({"input", "raw_input", "builtins.input", "sys.stdin.read", "sys.stdin.readline"})
REQUEST_METHODS = frozenset(
    {"get_argument", "get_body_argument", "get_query_argument", "receive_text", "receive_json", "receive_bytes"}
)
LANGUAGE_MODEL = lazy.pattern(
    r"(?:chat\.completions\.(?:create|parse|stream)|(?:^|\.)completions\.create|(?:^|\.)responses\.(?:create|parse|stream)"
    r"|(?:^|\.)messages\.(?:create|stream)|(?:^|\.)generate_content(?:_async)?|(?:^|\.)models\.generate_content|chat\.complete(?:_async)?"
    r"|ChatCompletion\.a?create|(?:^|\.)Completion\.a?create|(?:^|\.)threads\.runs\.create_and_poll"
    r"|^litellm\.(?:a?completion|a?text_completion)|^ollama\.(?:chat|generate)|^ollama\.(?:Async)?Client\(\)\.(?:chat|generate)"
    r"|^cohere\.\w+\(\)\.(?:chat|generate|chat_stream)|^replicate\.(?:run|stream)|^vllm\.LLM\(\)\.(?:generate|chat)"
    r"|^(?:huggingface_hub\.)?(?:Async)?InferenceClient\(\)\.(?:text_generation|chat_completion|conversational)"
    r"|(?:^|\.)(?:invoke_model|converse|invoke_endpoint)(?:_with_response_stream)?|^dspy\.\w+\(\)$|^outlines\.generate\.\w+\(\)$"
    r"|^langchain\w*\.[\w.]*\(\)\.(?:a?invoke|a?predict|a?run|a?call|a?generate|batch|stream|predict_messages|apply)"
    r"|^langchain\w*\.[\w.]*(?:LLM|OpenAI|Chat\w+|Ollama|Chain|Agent\w*)(?:\.from_\w+)?\(\)$"
    r"|^llama_index\.[\w.]*\(\)\.(?:a?complete|a?chat|a?query|stream_chat|predict)|^(?:autogen|crewai|smolagents)\.[\w.]*\(\)\.(?:kickoff|run|initiate_chat|generate_reply)"
    r"|^transformers\.(?:pipelines\.)?pipeline\(\)$|^(?:ctransformers|gpt4all|llama_cpp)\.[\w.]*\(\)(?:\.(?:generate|create_completion|create_chat_completion))?$"
    r"|^instructor\.[\w.]*\(\)\.chat\.completions\.create|^guidance\.[\w.]*\(\)$|^semantic_kernel\.[\w.]*\(\)\.invoke)$"
)
LANGUAGE_MODEL_WRITTEN = lazy.pattern(
    r"(?:^|\.|_)(?:llm|chat_?model|chat_llm|language_model|llm_chain|qa_chain|chain|agent|agent_executor|gpt|openai_client|claude)"
    r"\.(?:a?invoke|a?predict|a?run|a?generate|a?complete|a?chat|call|query|ask|prompt|stream)$|(?:^|\.)(?:llm|chat_model|ask_llm|call_llm|query_llm|ask_gpt|call_gpt|call_openai|chat_completion|get_completion|generate_completion)$"
    r"|(?:^|\.|_)(?:tokenizer|processor|tok)\.(?:batch_)?decode$"
)
PREDICTS = frozenset(
    {"predict", "predict_proba", "predict_log_proba", "decision_function", "score_samples", "predict_on_batch"}
)
SECRET_NAME = lazy.pattern(
    r"(?:^|_)(?:api_?key|secret(?:_?key)?|client_?secret|access_?key|private_?key|encryption_?key|passw(?:or)?d|passphrase|pwd|"
    r"(?:access|auth|refresh|bearer|api|session|hf|github|openai|wandb|slack|bot|id)_?token|credentials?|connection_?string|auth_?header)$",
    re.I,
)
"""Names of credentials. "token" alone is a word of a text far more often."""

NOT_SECRET = lazy.pattern(
    r"(?i)(?:_?(?:name|id|path|file|url|len|length|count|type|env|var|field|hash|digest)s?|^(?:has|is|use|no)_.*)$"
)

ROUTES = frozenset(
    {
        "get",
        "post",
        "put",
        "patch",
        "delete",
        "head",
        "options",
        "route",
        "api_route",
        "websocket",
        "websocket_route",
        "view",
    }
)
ROUTERS = lazy.pattern(r"^(?:fastapi|flask|quart|starlette|sanic|bottle|falcon|litestar|robyn|aiohttp|blacksheep)\b")
ROUTER_WRITTEN = lazy.pattern(
    r"(?:^|\.)(?:app|api|router|bp|blueprint|routes|server|web|\w+_(?:router|bp|blueprint|app|api))\.\w+$", re.I
)
TOOL_WRITTEN = lazy.pattern(
    r"(?:^|\.)(?:tool|function_tool|kernel_function|register_for_llm|register_for_execution|ai_function|llm_tool)$"
)
PLAIN_TYPES = frozenset({"int", "float", "bool", "complex", "UUID", "date", "datetime", "Decimal"})
GIVEN = frozenset({"Depends", "Security", "BackgroundTasks"})
EVENTS = frozenset(
    {
        "click",
        "submit",
        "change",
        "upload",
        "Interface",
        "ChatInterface",
        "TabbedInterface",
        "then",
        "chat",
        "on",
        "load",
    }
)

# ---- what carries a text on, and what cuts it

CARRIERS = frozenset(
    {"str", "repr", "bytes", "bytearray", "compile", "builtins.compile", "ast.parse", "list", "tuple", "set", "dict", "sorted", "reversed", "next", "iter", "enumerate", "zip", "map",
     "filter", "format", "min", "max", "ascii", "vars", "getattr", "open", "json.loads", "json.load", "json.dumps", "orjson.loads",
     "orjson.dumps", "ujson.loads", "yaml.safe_load", "yaml.load", "yaml.dump", "os.path.join", "posixpath.join", "os.path.expanduser",
     "os.path.abspath", "os.path.normpath", "os.path.realpath", "os.fspath", "pathlib.Path", "pathlib.PurePath", "pathlib.PosixPath",
     "textwrap.dedent", "textwrap.indent", "textwrap.fill", "base64.b64decode", "base64.b64encode", "urllib.parse.unquote",
     "urllib.parse.unquote_plus", "urllib.parse.urljoin", "urllib.parse.urlunparse", "urllib.parse.urlparse", "urllib.parse.urlsplit",
     "html.unescape", "copy.copy", "copy.deepcopy", "io.StringIO", "io.BytesIO", "string.Template", "itertools.chain", "functools.reduce",
     "operator.itemgetter", "typing.cast", "asyncio.run", "asyncio.wait_for", "asyncio.gather", "asyncio.to_thread", "numpy.array",
     "numpy.asarray", "numpy.argmax", "numpy.round", "torch.tensor", "pandas.DataFrame", "pandas.Series", "round", "print",
     "unicodedata.normalize", "markdown.markdown", "mistune.html", "markdown2.markdown"}
)  # fmt: skip
CUTS = lazy.pattern(
    r"(?:^|_|\.)(?:escape|quote|sanitize\w*|sanitise\w*|clean|cleaned|clean_\w+|(?:safe|secure)_(?:file_?)?(?:name|path)|validate\w*|validated|is_valid\w*|allowed\w*|allow_?list\w*|white_?list\w*|redact\w*"
    r"|anonymi[sz]e\w*|pseudonymi[sz]e\w*|mask\w*|hash\w*|hexdigest|digest|hmac\w*|encrypt\w*|verify\w*|secure_filename|basename|strip_tags"
    r"|literal_eval|safe_join|abort_if\w*|moderat\w*|guard\w*|filter_pii|scrub\w*|check_\w+|int|float|bool|len|isinstance|count|exists|isdigit|isalnum"
    r"|startswith|endswith|is_file|is_dir|compare_digest|uuid\w*|model_validate)$",
    re.I,
)
KEEPS_IN_ARGUMENTS = frozenset(
    {
        "format",
        "join",
        "replace",
        "format_map",
        "substitute",
        "safe_substitute",
        "joinpath",
        "from_template",
        "append",
        "fromkeys",
        "union",
        "loads",
        "sub",
        "format_messages",
        "format_prompt",
    }
)
"""Methods whose result holds the text of their arguments."""
WEB = frozenset(
    {
        "fastapi",
        "flask",
        "quart",
        "starlette",
        "sanic",
        "bottle",
        "falcon",
        "litestar",
        "robyn",
        "aiohttp",
        "blacksheep",
    }
)

# ---- what looks at a value before it is used

CHECKING_METHODS = frozenset(
    {"startswith", "is_relative_to", "match", "fullmatch", "isalnum", "isidentifier", "isdigit", "isdecimal", "isnumeric", "issubset",
     "endswith", "search"}
)  # fmt: skip
PARSERS = frozenset({"urlparse", "urlsplit", "URL", "parse_url"})
