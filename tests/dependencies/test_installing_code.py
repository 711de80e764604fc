"""What Python code, notebooks, scripts of other shells and any YAML file install is read on its line, or said to be open."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest

from mlguard.errors import Unreadable
from mlguard.scanners.dependencies.manifests import Manifest
from mlguard.scanners.dependencies.readers import cells, code, format_of, others, steps
from tests.dependencies.reading import loader, pins, reasons
from tests.dependencies.test_commands import notebook
from tests.scanning import scan


def of_code(text: str) -> Manifest:
    return code.read("a.py", text, loader({"req.txt": "x==1\n"})) or Manifest("a.py")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('os.system("pip install foo==1.0")', [("foo", "1.0", 1)]),
        ("subprocess.run(['pip', 'install', '-q', 'foo==1.0'], check=True)", [("foo", "1.0", 1)]),
        ('subprocess.check_call(\n    [sys.executable, "-m", "pip", "install",\n     "foo==1.0",\n     "bar>=2"]\n)', [("foo", "1.0", 3), ("bar", ">=2", 4)]),
        ('subprocess.Popen("pip3 install foo==1.0 && echo", shell=True)', [("foo", "1.0", 1)]),
        ('CMD = "python -m pip install foo==1.0"\nos.popen(CMD)', [("foo", "1.0", 1)]),
        ('subprocess.call(shlex.split("pip install foo==1.0"))', [("foo", "1.0", 1)]),
        ('subprocess.call("pip install foo==1.0".split())', [("foo", "1.0", 1)]),
        ('import pip\npip.main(["install", "foo==1.0"])', [("foo", "1.0", 2)]),
        ('from pip._internal import main\nmain(["install", "foo==1.0"])', [("foo", "1.0", 2)]),
        ('from pip._internal.cli.main import main as pipmain\npipmain(["install", "foo==1.0"])', [("foo", "1.0", 2)]),
        ('get_ipython().system("pip install foo==1.0")', [("foo", "1.0", 1)]),
        ('get_ipython().run_line_magic("pip", "install foo==1.0")', [("foo", "1.0", 1)]),
        ('PKGS = ["foo==1.0", "bar"]\nsubprocess.run([sys.executable, "-m", "pip", "install", *PKGS])', [("foo", "1.0", 1), ("bar", "", 1)]),
        ('PKGS = ["foo==1.0"]\nsubprocess.run(["pip", "install"] + PKGS)', [("foo", "1.0", 1)]),
        ('for one in ["foo==1.0", "bar==2"]:\n    subprocess.run(["pip", "install", one])', [("foo", "1.0", 1), ("bar", "2", 1)]),
        ('def need(p):\n    subprocess.run(["pip", "install", p])\nneed("foo==1.0")\nneed(p="bar==2")', [("foo", "1.0", 3), ("bar", "2", 4)]),
        ('V = "1.0"\nos.system(f"pip install foo=={V}")', [("foo", "1.0", 2)]),
        ("@component(packages_to_install=['foo==1.0', 'bar'])\ndef f(): ...", [("foo", "1.0", 1), ("bar", "", 1)]),
        ("mlflow.sklearn.log_model(m, 'm', pip_requirements=['foo==1.0'])", [("foo", "1.0", 1)]),
        ("image = modal.Image.debian_slim().pip_install('foo==1.0', 'bar')", [("foo", "1.0", 1), ("bar", "", 1)]),
        ('ray.init(runtime_env={"pip": ["foo==1.0"]})', [("foo", "1.0", 1)]),
        ('ray.init(runtime_env={"pip": {"packages": ["foo==1.0"]}})', [("foo", "1.0", 1)]),
        ('PythonVirtualenvOperator(task_id="t", requirements=["foo==1.0"])', [("foo", "1.0", 1)]),
        ('raise ImportError("run pip install foo==1.0")', []),
        ('print("pip install foo==1.0")', []),
        ('"""Install with pip install foo==1.0."""', []),
    ],
)  # fmt: skip
def test_code_that_installs_is_read(body: str, expected: list[tuple[str, str, int]]) -> None:
    assert pins(of_code(body)) == expected


@pytest.mark.parametrize(
    "body",
    [
        'os.system("pip install " + name)',
        'os.system("pip install foo==%s" % version)',
        'os.system("pip install {}".format(name))',
        'subprocess.run(["pip", "install", name])',
        'subprocess.run(["pip", "install", *names])',
        'os.system(f"pip install {name}")',
        'def need(p):\n    subprocess.run(["pip", "install", p])',
    ],
)
def test_what_only_the_run_knows_is_said(body: str) -> None:
    assert any("depends on a variable" in reason for reason in reasons(of_code(body)))


def test_a_module_that_installs_and_cannot_be_parsed_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text('import os\nos.system("pip install foo==1.0"\n')

    report = scan(tmp_path, ("dependencies",))

    assert [gap.path for gap in report.gaps if "not valid Python" in gap.reason] == ["a.py"]


def test_code_without_words_of_installers_is_not_parsed() -> None:
    assert not code.worth_reading(b"from transformers import pipeline\nraise ImportError('install it')\n")
    assert code.worth_reading(b'subprocess.run([\n    "pip",\n    "install",\n])')


def test_a_script_with_metadata_and_an_install_says_both(tmp_path: Path) -> None:
    text = '# /// script\n# dependencies = ["foo==1.0"]\n# ///\nimport os\nos.system("pip install bar==2.0")\n'
    (tmp_path / "a.py").write_text(text)

    report = scan(tmp_path, ("dependencies",))

    assert sorted((fact.name, fact.line) for fact in report.facts if hasattr(fact, "purl")) == [("bar", 5), ("foo", 2)]


# ---- notebooks


def test_python_and_written_files_of_a_notebook_are_read_on_their_lines() -> None:
    text = notebook(
        ["import subprocess\n", "subprocess.run(['pip', 'install', 'foo==1.0'])\n", "!ls\n"],
        ["%%writefile requirements.txt\n", "bar==2.0\n", "baz>=1\n"],
        ["%%writefile Dockerfile\n", "FROM x\n", "RUN pip install qux==3.0\n"],
        ["%%writefile -a app/train.py\n", "import os\n", "os.system('pip install tool==4.0')\n"],
        ["%%html\n", "<b>pip install nothing==1</b>\n"],
    )

    manifest = cells.read_notebook("a.ipynb", text, loader({}))

    assert manifest is not None
    rows = text.split("\n")
    assert {part.name for part in manifest.components} == {"foo", "bar", "baz", "qux", "tool"}
    assert all(part.name in rows[part.place.line - 1] and part.place.path == "a.ipynb" for part in manifest.components)


def test_a_notebook_that_cannot_be_read_is_a_gap_when_it_names_an_installer(tmp_path: Path) -> None:
    (tmp_path / "a.ipynb").write_text("!pip install foo==1.0")

    report = scan(tmp_path, ("dependencies",))

    assert [gap.kind for gap in report.gaps if gap.path == "a.ipynb" and gap.scanner == "dependencies"] == [
        "unreadable"
    ]


# ---- other shells


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("a.ps1", "# pip install no==1\n& pip install foo==1.0 `\n    bar==2.0\nif ($x) { pip install baz==3 }\n", [("foo", "1.0", 1), ("bar", "2.0", 2), ("baz", "3", 3)]),
        ("a.bat", "rem pip install no==1\n@pip install foo==1.0 ^\n  bar==2.0\ncall python -m pip install baz==3\n", [("foo", "1.0", 1), ("bar", "2.0", 2), ("baz", "3", 3)]),
        ("a.cmd", ":: pip install no==1\n%PY%\\Scripts\\pip.exe install foo==1.0\n", [("foo", "1.0", 1)]),
        ("Jenkinsfile", "steps {\n  sh 'pip install foo==1.0'\n  sh '''\n    pip install bar==2.0\n  '''\n  bat(script: \"pip install baz==3\")\n}\n", [("foo", "1.0", 1), ("bar", "2.0", 3), ("baz", "3", 5)]),
        (".devcontainer/devcontainer.json", '{\n  // a comment\n  "postCreateCommand": "pip install foo==1.0",\n  "onCreateCommand": ["pip", "install", "bar==2.0"],\n  "postStartCommand": {"x": "pip install baz==3"},\n}\n', [("foo", "1.0", 2), ("bar", "2.0", 3), ("baz", "3", 4)]),
    ],
)  # fmt: skip
def test_scripts_of_other_shells_are_read(path: str, text: str, expected: list[tuple[str, str, int]]) -> None:
    manifest = others.READERS[format_of(path)](path, text, loader({}))

    assert manifest is not None
    assert [(name, version, line - 1) for name, version, line in pins(manifest)] == expected


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("k8s/job.yaml", "spec:\n  command: [sh, -c, 'pip install foo==1.0 && x']\n", [("foo", "1.0", 2)]),
        ("k8s/job.yaml", "spec:\n  args:\n  - python\n  - -m\n  - pip\n  - install\n  - foo==1.0\n", [("foo", "1.0", 7)]),
        ("compose.yaml", "services:\n  a:\n    command: bash -c \"pip install foo==1.0\"\n", [("foo", "1.0", 3)]),
        ("ray.yaml", "setup_commands:\n  - pip install foo==1.0\nruntime_env:\n  pip:\n    - bar==2\n", [("foo", "1.0", 2), ("bar", "2", 5)]),
        ("serve.yml", "runtime_env: {pip: {packages: [foo==1.0]}}\n", [("foo", "1.0", 1)]),
        ("cog.yaml", "build:\n  python_packages:\n    - foo==1.0\n  run:\n    - pip install bar==2\n", [("foo", "1.0", 3), ("bar", "2", 5)]),
        ("bentofile.yaml", "python:\n  packages: [foo==1.0]\n", [("foo", "1.0", 2)]),
        ("python_env.yaml", "python: 3.8.10\nbuild_dependencies:\n- pip==21.0\ndependencies:\n- foo==1.0\n", [("pip", "21.0", 3), ("foo", "1.0", 5)]),
        ("anaconda-project.yml", "packages:\n  - numpy\n  - pip:\n    - foo==1.0\n", [("foo", "1.0", 4)]),
        ("databricks.yml", "libraries:\n  - pypi: {package: foo==1.0}\n", [("foo", "1.0", 2)]),
        ("MLproject", "entry_points:\n  main:\n    command: \"pip install foo==1.0 && python x.py\"\n", [("foo", "1.0", 3)]),
        ("api.yaml", "info:\n  description: |\n    pip install foo==1.0\n", []),
    ],
)  # fmt: skip
def test_any_file_in_yaml_is_read(path: str, text: str, expected: list[tuple[str, str, int]]) -> None:
    assert format_of(path, "yaml") == "yaml" and others.worth_reading(text.encode())

    manifest = others.read_yaml(path, text, loader({}))

    assert (pins(manifest) if manifest else []) == expected


def test_broken_yaml_with_the_words_of_an_installer_is_unreadable() -> None:
    with pytest.raises(Unreadable, match="what it installs was not read"):
        others.read_yaml("a.yaml", "a: [\n  pip install foo==1.0\n", loader({}))


def test_a_line_of_powershell_in_a_pipeline_goes_on_after_a_backtick() -> None:
    text = "jobs:\n  a:\n    steps:\n    - shell: pwsh\n      run: |\n        pip install `\n          foo==1.0\n"

    manifest = steps.read_pipeline(".github/workflows/a.yml", text, loader({}))

    assert manifest is not None and pins(manifest) == [("foo", "1.0", 7)]


def test_the_folder_of_an_action_is_a_path_of_the_tree_and_other_expressions_stay_open() -> None:
    step = 'steps:\n- env: {S: "${{ github.action_path }}", E: "${{ inputs.e }}", V: "${{ inputs.v }}"}\n  run: pip install "$S${E:+[$E]}" "foo==$V"\n'

    manifest = steps.read_pipeline(
        "action.yml", "runs:\n  using: composite\n  " + step.replace("\n", "\n  "), loader({})
    )

    assert manifest is not None
    assert [(part.name, part.origin) for part in manifest.components] == [("", "path"), ("foo", "index")]
    assert reasons(manifest) == ["line 5 installs what depends on a variable"]


# ---- commands as people write them


@pytest.mark.parametrize(
    "command",
    [
        "python -mpip install foo==1.0",
        "python -X dev -m pip install foo==1.0",
        "pip install -Ur req.list",
        "pip install -qr req.list",
        "pip install -qUr req.list",
        "pip install -Uqq foo==1.0",
        "PY=python3; $PY -m pip install foo==1.0",
        "${PYTHON:-python} -m pip install foo==1.0",
        "$(which python) -m pip install foo==1.0",
        "`which pip` install foo==1.0",
        "case x in a) pip install foo==1.0 ;; esac",
        "f() { pip install foo==1.0; }; f",
        "$SUDO pip install foo==1.0",
        "retry_it 5 pip install foo==1.0",
        "bash <<< 'pip install foo==1.0'",
        "easy_install foo==1.0",
        "python -c 'import os; os.system(\"pip install foo==1.0\")'",
    ],
)
def test_a_command_that_installs_is_known_in_whatever_form(command: str) -> None:
    for path, text in (("a.sh", f"{command}\n"), ("Dockerfile", f"FROM x\nRUN {command}\n")):
        read = steps.READERS["shell" if path == "a.sh" else "dockerfile"]

        manifest = read(path, text, loader({"req.list": "foo==1.0\n"}))

        assert manifest is not None and [(one.name, one.version) for one in manifest.components] == [("foo", "1.0")], (
            path
        )


@pytest.mark.parametrize("command", ["xargs pip install < req.list", "cat req.list | xargs -n1 pip install"])
def test_what_another_command_hands_on_is_said(command: str) -> None:
    manifest = steps.read_shell("a.sh", command, loader({}))

    assert manifest is not None and reasons(manifest) == ["line 1 installs what another command hands on"]


@pytest.mark.parametrize(
    "command",
    ["echo pip install foo==1.0", 'git commit -m "pip install foo==1.0"', "apt-get install -y python3-pip pip"],
)
def test_words_about_an_installer_install_nothing(command: str) -> None:
    assert steps.read_shell("a.sh", command, loader({})) is None


# ---- bounds


@pytest.mark.parametrize(
    "text",
    [
        'os.system("pip install x")\n' * 20_000,
        'import os\nos.system("pip install ' + "x " * 400_000 + '")',
        "P = P + P\n" * 2000 + 'os.system("pip install " + P)',
        "def f(a): f(a)\n" * 3000 + 'os.system("pip install " + a)',
        "pip = [" * 5000 + 'os.system("pip install x")',
        "os.system(" * 2000 + '"pip install x"' + ")" * 2000,
    ],
    ids=["calls", "words", "sums", "functions", "lists", "nested"],
)
def test_code_made_to_take_long_ends(text: str) -> None:
    import time

    start = time.process_time()
    with contextlib.suppress(Unreadable):
        of_code(text[: 2**20])

    assert time.process_time() - start < 8


def test_json_of_a_container_with_a_deep_value_is_unreadable_or_read() -> None:
    text = json.dumps({"postCreateCommand": "pip install a==1"})[:-1] + ', "x": ' + "[" * 3000

    with pytest.raises(Unreadable):
        others.read_devcontainer("devcontainer.json", text, loader({}))
