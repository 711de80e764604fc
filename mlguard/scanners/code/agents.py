"""Checks on language models, agents and chats: what they may run, how long, with whose words, and what people are told."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from mlguard import lazy
from mlguard.scanners.code import taint
from mlguard.scanners.code.names import Unknown
from mlguard.scanners.code.seeing import Call, Place, Sight, leading_text, on_call, on_node
from mlguard.scanners.code.tree import Scope

INJECTION = "code/command-or-code-injection"
PROMPT = "code/untrusted-text-in-system-prompt"
UNBOUNDED = "code/unbounded-generation"
CHAT = "code/undisclosed-ai-chat"

_TOOLS = frozenset(
    {
        "PythonREPLTool", "PythonAstREPLTool", "PythonREPL", "ShellTool", "BashProcess", "BashTool", "create_python_agent", "TerminalTool",
        "create_pandas_dataframe_agent", "create_csv_agent", "create_spark_dataframe_agent", "create_xorbits_agent", "PALChain", "LLMMathChain",
        "LLMBashChain", "CPALChain", "RequestsToolkit", "RequestsGetTool", "RequestsPostTool", "RequestsPutTool", "RequestsDeleteTool",
        "RequestsPatchTool", "PandasQueryEngine", "PandasInstructionParser", "CodeInterpreterToolSpec", "PolarsQueryEngine", "EvaporateExtractor",
        "LocalCommandLineCodeExecutor", "LocalCodeExecutor", "LocalPythonExecutor", "JupyterCodeExecutor", "PythonCodeExecutionTool",
        "CodeInterpreterTool", "BearlyInterpreterTool", "AzureCodeInterpreter", "PythonTool", "PythonTools", "ShellTools", "CommandLineTool",
        "PythonInterpreterTool", "UnsafeLocalCodeExecutor", "PythonInterpreter", "FileManagementToolkit", "CodeAgent", "GPTEngineer",
    }
)  # fmt: skip
_FRAMEWORKS = ("langchain", "langchain_experimental", "langchain_community", "llama_index", "autogen", "autogen_ext", "autogen_core", "autogen_agentchat",
               "crewai", "crewai_tools", "smolagents", "phi", "agno", "haystack", "semantic_kernel", "google.adk", "dspy", "pyautogen", "ag2", "camel",
               "langgraph", "transformers.agents", "strands_tools", "letta", "metagpt", "pandasai")  # fmt: skip
_FRAMEWORK_ROOTS = frozenset(name.split(".")[0] for name in _FRAMEWORKS)
_DANGEROUS = ("allow_dangerous_code", "allow_dangerous_requests", "allow_dangerous_tools", "allow_code_execution", "unsafe_mode",
              "allow_unsafe_code", "skip_shell_confirmation", "bypass_permissions")  # fmt: skip
_SAFE_EXECUTORS = frozenset({"docker", "e2b", "modal", "blaxel", "wasm"})


@on_call(
    *_TOOLS,
    "from_llm",
    "from_math_prompt",
    "from_colored_object_prompt",
    "from_bash_question",
    imports=_FRAMEWORK_ROOTS,
)
def tools(call: Call) -> Iterator[Sight]:
    """Tools with which a language model runs code, commands or requests."""
    path = call.path
    last = path.rpartition(".")[2]
    if last.startswith("from_"):
        last = path.split(".")[-2] if path.count(".") else ""
    if last not in _TOOLS or not path.startswith(tuple(f"{name}." for name in _FRAMEWORKS)):
        return
    if last == "CodeAgent" and (not path.startswith("smolagents") or call.value("executor_type") in _SAFE_EXECUTORS):
        return
    if last == "CodeAgent" and "executor" in call.keywords:
        return
    if last in ("PythonTool",) and not path.startswith("llama_index"):
        return
    if last == "FileManagementToolkit" and ("root_dir" in call.keywords or call.node.args):
        return
    if last == "CodeInterpreterTool" and call.value("unsafe_mode") is not True and not path.startswith("crewai"):
        return
    yield call.sees(INJECTION, "code-execution-tool")


@on_call(keywords=[*_DANGEROUS, "code_execution_config", "code_execution_mode", "additional_authorized_imports"])
def dangers(call: Call) -> Iterator[Sight]:
    """Switches that let a language model run what it writes."""
    if any(call.value(name) is True for name in _DANGEROUS) or call.value("code_execution_mode") == "unsafe":
        yield call.sees(INJECTION, "code-execution-tool")
        return
    imports = call.keywords.get("additional_authorized_imports")
    if isinstance(imports, ast.List | ast.Tuple) and any(
        call.constant(item) in ("*", "os", "subprocess", "sys", "posix", "shutil") for item in imports.elts
    ):
        yield call.sees(INJECTION, "code-execution-tool")
        return
    config = call.keywords.get("code_execution_config")
    if config is not None and not {"autogen", "pyautogen", "ag2"}.isdisjoint(call.source.tree.roots):
        entries = call.names.entries(config, call.scope)
        if entries and call.constant(entries.get("use_docker")) is False:
            yield call.sees(INJECTION, "code-execution-tool")


@on_call("load_tools", imports=["langchain", "langchain_community"])
def named_tools(call: Call) -> Iterator[Sight]:
    """Tools of LangChain that are chosen by their names."""
    names = call.argument(0, "tool_names")
    if call.path.startswith("langchain") and isinstance(names, ast.List | ast.Tuple):
        chosen = {call.constant(item) for item in names.elts}
        if not chosen.isdisjoint(
            {"python_repl", "terminal", "requests_all", "requests_post", "llm-math", "pal-math", "pal-colored-objects"}
        ):
            yield call.sees(INJECTION, "code-execution-tool")


# ---- whose words a model takes for those of its operator

_SYSTEM = frozenset({"system", "developer"})
_TEXT_KEYS = frozenset({"content", "text"})


@on_call("dict", words=["role"])
def message_calls(call: Call) -> Iterator[Sight]:
    """Messages of the operator, written as calls of ``dict``, that hold what somebody else wrote."""
    text = call.keywords.get("content")
    if text is None or isinstance(text, ast.Constant) or call.path != "dict" or call.value("role") not in _SYSTEM:
        return
    if _holds_foreign_text(text, call.scope, Place(call.scope, call.source, call.names)):
        yield call.sees(PROMPT, "concatenated-prompt")


@on_node(ast.Dict, words=["role"])
def messages(node: ast.Dict, place: Place) -> Iterator[Sight]:
    """Messages of the operator, written as dictionaries, that hold what somebody else wrote."""
    role = text = None
    for key, value in zip(node.keys, node.values, strict=True):
        if isinstance(key, ast.Constant):
            if key.value == "role":
                role = value
            elif key.value in _TEXT_KEYS:
                text = value
    if (
        role is None
        or text is None
        or isinstance(text, ast.Constant)
        or place.names.constant(role, place.scope) not in _SYSTEM
    ):
        return
    if _holds_foreign_text(text, place.scope, place):
        yield Sight(PROMPT, "concatenated-prompt", node, {"call": "The system message"})


@on_call("SystemMessage", "SystemMessagePromptTemplate", "from_template", "ChatSystemMessage", "SystemChatMessage", "SystemPromptPart", "from_system",
         keywords=["system", "system_prompt", "system_message", "system_instruction", "instructions", "preamble"],
         imports=["openai", "anthropic", "langchain", "langchain_core", "langchain_openai", "llama_index", "litellm", "google", "cohere", "mistralai",
                  "ollama", "vertexai", "autogen", "agents", "pydantic_ai", "boto3", "groq", "together", "langgraph", "crewai", "smolagents", "haystack"])  # fmt: skip
def system_prompts(call: Call) -> Iterator[Sight]:
    """Arguments that are the operator's words and hold what somebody else wrote."""
    given = [call.keywords[name] for name in ("system", "system_prompt", "system_message", "system_instruction", "instructions", "preamble")
             if name in call.keywords]  # fmt: skip
    if call.last in (
        "SystemMessage",
        "SystemMessagePromptTemplate",
        "ChatSystemMessage",
        "SystemChatMessage",
        "SystemPromptPart",
        "from_system",
    ):
        first = call.argument(0, "content", "text")
        given += [first] if first is not None else []
    elif call.last == "from_template":
        first = call.argument(0, "template")
        given += [first] if first is not None and "SystemMessage" in call.path else []
    place = Place(call.scope, call.source, call.names)
    if any(_holds_foreign_text(text, call.scope, place) for text in given if not isinstance(text, ast.Constant)):
        yield call.sees(PROMPT, "concatenated-prompt")


@on_node(ast.Tuple, words=["system"], imports=["langchain", "langchain_core"])
def pairs(node: ast.Tuple, place: Place) -> Iterator[Sight]:
    """Messages of the operator, written as pairs, that hold what somebody else wrote."""
    if len(node.elts) != 2 or isinstance(node.elts[1], ast.Constant):
        return
    of_system = isinstance(node.elts[0], ast.Constant) and node.elts[0].value == "system"
    if of_system and _holds_foreign_text(node.elts[1], place.scope, place):
        yield Sight(PROMPT, "concatenated-prompt", node, {"call": "The system message"})


_OWN_WORDS = lazy.pattern(
    r"(?i)(?:^|_)(?:system|prompts?|instructions?|template|persona|preamble|developer|role|rules|guidelines|policy|tools?|schema|format|language|lang|locale|"
    r"name|model|date|today|now|settings|config|cfg|self|cls|examples?|spec|definition|style|tone|task|objective|description|role_?play|"
    r"header|footer|suffix|prefix|msg|message)s?(?:_?(?:prompt|text|str|content))?$"
)
_FOREIGN = lazy.pattern(
    r"(?i)(?:^|_)(?:user(?:_?(?:input|message|text|query|prompt|question|content|request))?|question|query|q|input|inp|user_?msg|utterance|request|req|"
    r"body|payload|text|comment|review|email|document|docs?|page|html|context|retrieved|chunks?|passages?|snippets?|search_results?|"
    r"web_?page|article|transcript|feedback|ticket|form|data|topic|content|bio|profile|username|prompt_?input|chat_?history|history|message)$"
)


def _holds_foreign_text(node: ast.expr, scope: Scope, place: Place, depth: int = 4) -> bool:
    """Say whether a text joins constant words and those of a caller or a document.

    A parameter counts by its name where it stands beside constant text: what a function gets as ``system_prompt`` is its operator's.
    """
    names = place.names
    labels = taint.of(node, scope, names)
    if "request" in labels and not isinstance(names.constant(node, scope), str):
        return True
    if depth == 0 or "parameter" not in labels and not (labels & {"model"}):
        return False
    if isinstance(node, ast.Name):
        single = names.single(node.id, scope)
        return single is not None and not names.is_parameter(node.id, scope) and isinstance(single[0], ast.JoinedStr | ast.BinOp | ast.Call) \
            and _holds_foreign_text(single[0], single[1], place, depth - 1)  # fmt: skip
    if isinstance(node, ast.List | ast.Tuple):
        return any(_holds_foreign_text(item, scope, place, depth - 1) for item in node.elts)
    return any(_is_foreign(part, scope, place) for part in _joined(node, scope, place))


def _joined(node: ast.expr, scope: Scope, place: Place) -> Iterator[ast.expr]:
    """Yield the parts of a text that is put together here."""
    if isinstance(node, ast.JoinedStr):
        yield from (part.value for part in node.values if isinstance(part, ast.FormattedValue))
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        for side in (node.left, node.right):
            yield from (
                _joined(side, scope, place) if isinstance(side, ast.BinOp | ast.JoinedStr | ast.Call) else (side,)
            )
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        yield from node.right.elts if isinstance(node.right, ast.Tuple) else (node.right,)
    elif (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("format", "join", "replace")
    ):
        yield from node.args
        yield from (keyword.value for keyword in node.keywords)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "str" and node.args:
        yield node.args[0]


def _is_foreign(node: ast.expr, scope: Scope, place: Place) -> bool:
    if "parameter" not in taint.of(node, scope, place.names):
        return False
    inner = node
    while isinstance(inner, ast.Call | ast.Subscript | ast.Attribute) and not isinstance(inner, ast.Attribute):
        inner = inner.func if isinstance(inner, ast.Call) else inner.value
        if isinstance(inner, ast.Attribute) and isinstance(node, ast.Call):
            inner = inner.value
    written = place.names.written(inner).rpartition(".")[2]
    return bool(_FOREIGN.search(written)) or not _OWN_WORDS.search(written) and len(written) == 1


# ---- how long and how much

_AGENTS = lazy.pattern(
    r"^langchain\w*\.(?:[\w.]*\.)?(?:AgentExecutor(?:\.from_agent_and_tools)?|initialize_agent|create_\w*agent(?:_executor)?)$"
    r"|^(?:llama_index|smolagents|crewai|autogen|autogen_agentchat|agno|phi|agents)\.[\w.]+$"
)
_LIMITS = (
    "max_iterations",
    "max_steps",
    "max_turns",
    "max_iter",
    "max_consecutive_auto_reply",
    "recursion_limit",
    "max_round",
    "max_function_calls",
)


@on_call(keywords=[*_LIMITS, "max_execution_time"], imports=["langchain", "langchain_community", "langchain_experimental", "llama_index", "smolagents", "crewai",
                                                             "autogen", "autogen_agentchat", "agents", "langgraph", "agno", "phi"])  # fmt: skip
def loops(call: Call) -> Iterator[Sight]:
    """Agents that may go on for ever."""
    for name in _LIMITS:
        if name in call.keywords:
            value = call.constant(call.keywords[name])
            infinite = isinstance(call.keywords[name], ast.Call | ast.Attribute) and _is_infinite(
                call.keywords[name], call
            )
            if (
                value is None
                or infinite
                or (isinstance(value, int | float) and not isinstance(value, bool) and (value < 0 or value >= 1000))
            ):
                if (
                    value is None
                    and call.value("max_execution_time") not in (None,)
                    and "max_execution_time" in call.keywords
                ):
                    return
                yield call.sees(UNBOUNDED, "unlimited-loop")
                return


@on_call(
    "invoke",
    "ainvoke",
    "stream",
    "astream",
    "with_config",
    words=["recursion_limit"],
    imports=["langgraph", "langchain_core", "langchain"],
)
def graphs(call: Call) -> Iterator[Sight]:
    """Graphs whose limit of steps is set so high that it is none."""
    config = call.argument(0 if call.last == "with_config" else 1, "config")
    limit = call.names.entries(config, call.scope).get("recursion_limit") if config is not None else None
    value = call.constant(limit)
    if (isinstance(value, int) and value >= 1000) or (limit is not None and _is_infinite(limit, call)):
        yield call.sees(UNBOUNDED, "unlimited-loop")


def _is_infinite(node: ast.expr, call: Call) -> bool:
    if isinstance(node, ast.Call):
        return (
            call.names.path(node.func, call.scope) == "float"
            and bool(node.args)
            and call.constant(node.args[0]) in ("inf", "infinity")
        )
    return call.names.path(node, call.scope) in ("math.inf", "numpy.inf", "sys.maxsize")


_PAID = lazy.pattern(
    r"^(?:openai|anthropic|groq|together|mistralai|cohere)\.\w+(?:\.with_options)?\(\)\.(?:chat\.completions|completions|responses|messages|chat)\.(?:create|complete)$"
)


@on_node(ast.While, words=["create", "invoke", "run", "generate_content", "complete", "completion", "chat"],
         imports=["openai", "anthropic", "langchain", "langchain_openai", "litellm", "groq", "mistralai", "cohere", "google", "together", "ollama",
                  "llama_index", "langgraph"])  # fmt: skip
def endless(node: ast.While, place: Place) -> Iterator[Sight]:
    """Loops without an end that ask a language model again and again."""
    if not (isinstance(node.test, ast.Constant) and node.test.value):
        return
    asked: ast.Call | None = None
    for inner in ast.walk(node):
        if isinstance(inner, ast.Break | ast.Return | ast.Raise | ast.Yield):
            return
        if isinstance(inner, ast.Call):
            written = place.names.written(inner.func)
            if re.search(
                r"(?:^|\.)(?:input|get|recv|receive\w*|readline|listen|sleep|poll|next|wait|consume)$", written
            ):
                return  # waits for somebody
            if asked is None and "model" in taint.of(inner, place.scope, place.names):
                asked = inner
    if asked is not None:
        yield Sight(UNBOUNDED, "unlimited-loop", node, {"call": "The loop"})


_SERVED = frozenset(
    {
        "flask",
        "fastapi",
        "quart",
        "starlette",
        "django",
        "gradio",
        "streamlit",
        "aiohttp",
        "sanic",
        "litestar",
        "chainlit",
    }
)
_CAPS = (
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "max_tokens_to_sample",
    "timeout",
    "max_new_tokens",
    "generation_config",
    "config",
)


@on_call("create", "complete", imports=["openai", "groq", "together", "mistralai", "cohere", "litellm"])
def caps(call: Call) -> Iterator[Sight]:
    """Calls of a paid service in a loop over data, with no limit on the tokens."""
    if not _PAID.match(call.path) or call.names.open_ended(call.node, call.scope):
        return
    if any(
        name in call.keywords and call.value(name) is None
        for name in ("max_tokens", "max_completion_tokens", "max_output_tokens")
    ):
        yield call.sees(UNBOUNDED, "unlimited-loop")
        return
    if call.keywords.keys() & set(_CAPS):
        return
    if call.source.tree.roots.isdisjoint(_SERVED):
        return
    if "request" in taint.of(call.keywords.get("messages") or call.keywords.get("input"), call.scope, call.names):
        yield call.sees(UNBOUNDED, "no-token-limit")


# ---- what people are told

_CHATS = frozenset({"ChatInterface", "Chatbot", "chat_input", "chat_message"})
_DISCLOSES = lazy.pattern(
    r"(?i)\bA\.?I\b|\bK\.?I\b|\bIA\b|artificial|künstlich|machine|automated|automatisch|bot\b|chatbot|assistant|assistent|language model|"
    r"sprachmodell|\bLLM\b|GPT|Llama|Mistral|Claude|Gemini|virtual|virtuell|generated|robot|model\b|copilot|intelligen|\bRAG\b"
)


@on_call("ChatInterface", imports=["gradio"])
def chat_interface(call: Call) -> Iterator[Sight]:
    """Chats that do not say that a machine answers."""
    if not call.path.startswith("gradio."):
        return
    shown = [call.constant(node) for node in [*call.node.args[1:], *call.keywords.values()]]
    texts = [text for text in shown if isinstance(text, str)]
    if any(_DISCLOSES.search(text) for text in texts):
        return
    unknown = [
        name
        for name in ("title", "description", "article")
        if isinstance(call.constant(call.keywords.get(name)), Unknown) and name in call.keywords
    ]
    if not unknown and not _disclosed_elsewhere(call):
        yield call.sees(CHAT, "chat-interface")


def _disclosed_elsewhere(call: Call) -> bool:
    """Say whether some other text that the file shows says it: a heading, a banner."""
    tree = call.source.tree
    for name in (
        "Markdown",
        "HTML",
        "markdown",
        "title",
        "header",
        "caption",
        "info",
        "write",
        "Label",
        "set_page_config",
        "subheader",
    ):
        for other in tree.calls_by_name.get(name, ())[:100]:
            texts = [*other.args, *(keyword.value for keyword in other.keywords)]
            if any(_DISCLOSES.search(leading_text(text, call)) for text in texts):
                return True
    return False


@on_call("chat_input", imports=["streamlit"])
def chat_input(call: Call) -> Iterator[Sight]:
    """Chats of Streamlit that do not say that a machine answers."""
    if call.path != "streamlit.chat_input":
        return
    tree = call.source.tree
    if call.node is not next(iter(tree.calls_by_name.get("chat_input", ())), None) or not _asks_model(call):
        return
    first = leading_text(call.argument(0, "placeholder"), call)
    if not _DISCLOSES.search(first) and not _disclosed_elsewhere(call):
        yield call.sees(CHAT, "chat-interface")


def _asks_model(call: Call) -> bool:
    roots = call.source.tree.roots
    return not roots.isdisjoint(
        {
            "openai",
            "anthropic",
            "langchain",
            "langchain_openai",
            "litellm",
            "ollama",
            "transformers",
            "groq",
            "cohere",
            "mistralai",
        }
    )


CHECKS = (
    tools,
    dangers,
    named_tools,
    messages,
    message_calls,
    system_prompts,
    pairs,
    loops,
    graphs,
    endless,
    caps,
    chat_interface,
    chat_input,
)
