"""Names that are one slip away from a known package are told, and names of real packages are not."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.utils import canonicalize_name

from mlguard import tables
from mlguard.scanners.dependencies import names
from tests.scanning import scan

RULE = "dep/suspicious-package-name"

REAL = """
numpy scipy pandas polars pyarrow dask vaex modin cudf cuml cupy numba jax jaxlib flax optax dm-haiku equinox chex orbax orbax-checkpoint optuna
hyperopt ray scikit-optimize bayesian-optimization ax-platform botorch gpytorch nevergrad torch torchvision torchaudio torchtext torchdata
torchmetrics torchserve torch-model-archiver torchrec torchao torchtune torchtyping torchinfo torchsummary torch-geometric torch-scatter torch-sparse
torch-cluster torch-spline-conv torch-optimizer torch-ema torch-fidelity torchdiffeq torchcde torchsde torchvision-extra pytorch-lightning lightning
lightning-utilities lightning-fabric pytorch-metric-learning pytorch-forecasting pytorch-ignite pytorch-tabnet pytorch-msssim pytorch-warmup
pytorch-crf pytorch-pretrained-bert pytorch-transformers fairscale deepspeed accelerate bitsandbytes xformers flash-attn triton megatron-core
colossalai composer mosaicml mosaicml-streaming tensorflow tensorflow-cpu tensorflow-gpu tensorflow-io tensorflow-hub tensorflow-text
tensorflow-datasets tensorflow-probability tensorflow-addons tensorflow-serving-api tensorflow-estimator tensorflow-metadata tensorflow-transform
tensorflow-data-validation tensorflow-model-analysis tensorflow-model-optimization tensorflow-federated tensorflow-privacy tensorflow-recommenders
tensorflow-ranking tensorflow-graphics tensorflow-gan tensorflow-decision-forests tensorflow-macos tensorflow-metal tensorflow-intel
tensorflow-lattice tensorflow-similarity tf-keras tf-nightly tf-slim tf2onnx tfx tflite-runtime tflite-support ai-edge-litert keras keras-core
keras-cv keras-nlp keras-hub keras-tuner keras-preprocessing keras-applications autokeras tensorboard tensorboardx tensorboard-data-server
tensorboard-plugin-wit tensorboard-plugin-profile scikit-learn scikit-image scikit-learn-extra scikit-learn-intelex scikit-plot scikit-surprise
scikit-multilearn scikit-lego scikit-survival scikit-bio scikit-fuzzy scikit-posthocs scikit-base scikit-rf scikit-build sklearn-pandas
sklearn-crfsuite sklearn-genetic skorch skops sktime tslearn imbalanced-learn imbalanced-ensemble category-encoders feature-engine featuretools boruta
mlxtend yellowbrick xgboost lightgbm catboost ngboost tabpfn autogluon autogluon-tabular auto-sklearn flaml tpot pycaret h2o mljar-supervised
statsmodels pmdarima prophet fbprophet neuralprophet darts u8darts gluonts statsforecast mlforecast neuralforecast hierarchicalforecast tsfresh tsai
ruptures stumpy pyod adtk kats orbit-ml lifelines pymc pymc3 arviz pystan cmdstanpy numpyro pyro-ppl edward2 bambi emcee causalml dowhy econml
causalnex transformers tokenizers datasets evaluate huggingface-hub safetensors peft trl optimum optimum-intel diffusers sentence-transformers setfit
sentencepiece adapters adapter-transformers timm timm-vis open-clip-torch clip-anytorch openai-clip ftfy regex fairseq espnet nemo-toolkit
nemoguardrails speechbrain openai-whisper faster-whisper whisperx ctranslate2 pyannote-audio pyannote.core librosa soundfile audioread resampy
torchcrepe asteroid audiomentations torch-audiomentations coqui-tts tts bark pydub praat-parselmouth spacy spacy-legacy spacy-loggers
spacy-transformers spacy-lookups-data nltk gensim textblob flair stanza allennlp stanfordnlp polyglot pattern langdetect langid fasttext
fasttext-wheel pycld2 pycld3 gcld3 lingua-language-detector rake-nltk yake keybert bertopic top2vec sumy textstat contractions emoji symspellpy
pyspellchecker jellyfish rapidfuzz fuzzywuzzy thefuzz python-levenshtein levenshtein editdistance textdistance rouge-score sacrebleu bert-score
seqeval jiwer nlpaug textattack snorkel doccano label-studio label-studio-sdk argilla opencv-python opencv-python-headless opencv-contrib-python
opencv-contrib-python-headless pillow pillow-simd imageio imageio-ffmpeg albumentations albucore imgaug kornia torchio monai medpy simpleitk nibabel
pydicom pyradiomics ultralytics yolov5 mmcv mmcv-full mmdet mmengine mmsegmentation mmpose mmaction2 mmcls mmpretrain supervision roboflow inference
segment-anything segmentation-models-pytorch segmentation-models efficientnet efficientnet-pytorch pretrainedmodels vit-pytorch lpips face-recognition
face-recognition-models deepface insightface retina-face mtcnn facenet-pytorch dlib mediapipe easyocr pytesseract paddleocr keras-ocr python-doctr
layoutparser pdf2image pdfplumber pymupdf pypdf pypdf2 camelot-py tabula-py unstructured docling open3d pytorch3d trimesh pyvista vtk pyrender
imagehash scikit-video moviepy av decord paddlepaddle paddlepaddle-gpu paddlenlp paddlex mxnet mxnet-cu112 gluoncv gluonnlp mindspore oneflow tinygrad
theano theano-pymc lasagne chainer cntk caffe2 onnx onnxruntime onnxruntime-gpu onnxruntime-tools onnxruntime-genai onnxconverter-common onnxmltools
skl2onnx onnx-simplifier onnxsim onnx2torch onnx-graphsurgeon onnxscript openvino openvino-dev nncf neural-compressor tensorrt tensorrt-llm
tensorrt-cu12 polygraphy coremltools tvm apache-tvm hummingbird-ml treelite gguf llama-cpp-python ctransformers auto-gptq autoawq gptqmodel exllamav2
mlx mlx-lm vllm sglang lmdeploy text-generation outlines guidance lm-format-enforcer xgrammar instructor lmql marvin dspy dspy-ai litellm ollama
openai anthropic cohere mistralai groq together replicate google-generativeai google-genai google-cloud-aiplatform vertexai fireworks-ai ai21
aleph-alpha-client voyageai zhipuai dashscope qianfan tiktoken langchain langchain-core langchain-community langchain-openai langchain-anthropic
langchain-text-splitters langchain-experimental langchain-huggingface langchain-google-genai langchain-google-vertexai langchain-aws langchain-ollama
langchain-chroma langchain-pinecone langchain-mistralai langchain-cohere langchain-groq langgraph langgraph-checkpoint langgraph-sdk langserve
langsmith langfuse langflow llama-index llama-index-core llama-index-llms-openai llama-index-embeddings-openai llama-parse llama-cloud llama-hub
haystack-ai farm-haystack crewai crewai-tools autogen pyautogen autogen-agentchat ag2 semantic-kernel promptflow promptflow-core promptlayer
guardrails-ai deepeval ragas trulens trulens-eval phoenix arize-phoenix giskard promptfoo garak llm-guard rebuff chainlit gradio gradio-client
streamlit streamlit-option-menu dash panel voila solara nicegui mesop shiny taipy chromadb pinecone pinecone-client qdrant-client weaviate-client
pymilvus milvus faiss-cpu faiss-gpu annoy hnswlib nmslib usearch scann lancedb pgvector vespa pyvespa marqo redisvl elasticsearch opensearch-py mlflow
mlflow-skinny wandb comet-ml neptune neptune-client clearml aim sacred dvc dvc-s3 dvclive cml guildai polyaxon determined kedro kedro-datasets
metaflow prefect dagster dagster-webserver apache-airflow luigi flyte flytekit kfp kfp-pipeline-spec kubeflow kubeflow-training kserve seldon-core
bentoml bentoml-unsloth cog truss modal skypilot sagemaker sagemaker-training sagemaker-inference azureml azureml-core azure-ai-ml azureml-mlflow
databricks-sdk databricks-cli databricks-connect feast hopsworks tecton featureform great-expectations evidently deepchecks whylogs nannyml alibi
alibi-detect pandera soda-core ydata-profiling pandas-profiling sweetviz dtale lux-api missingno pandas-gbq pandas-ta pandas-stubs pandas-datareader
pandasai swifter pandarallel ibis-framework duckdb connectorx delta-spark deltalake pyspark pyspark-pandas koalas databricks-feature-store petastorm
webdataset datasketch shap lime eli5 captum interpret interpret-core dice-ml fairlearn aif360 aequitas responsibleai raiwidgets
adversarial-robustness-toolbox foolbox cleverhans opacus diffprivlib pysyft syft flwr tenseal concrete-ml crypten presidio-analyzer
presidio-anonymizer presidio-image-redactor faker sdv sdmetrics ctgan gretel-client smartnoise-synth smartnoise-sql anonymizedf scrubadub matplotlib
seaborn plotly bokeh altair holoviews hvplot datashader plotnine pygal pyecharts folium geopandas shapely rasterio fiona pyproj cartopy rioxarray
xarray zarr netcdf4 h5py tables h5netcdf fsspec s3fs gcsfs adlfs networkx igraph python-igraph dgl stellargraph karateclub node2vec ogb rdkit
rdkit-pypi deepchem openmm biopython mdanalysis pymatgen ase gym gymnasium stable-baselines3 stable-baselines sb3-contrib ale-py atari-py pettingzoo
supersuit mujoco mujoco-py dm-control dm-env rlax acme tensorforce tianshou cleanrl procgen minigrid d4rl pybullet jupyter jupyterlab notebook ipython
ipykernel ipywidgets nbconvert nbformat nbclient papermill jupytext jupyter-client jupyter-core jupyter-server jupyterhub nbdime nbstripout nbqa black
isort flake8 pylint ruff mypy pytest pytest-cov hypothesis tox nox pre-commit bandit safety pip-audit pip-tools poetry pipenv uv hatch flit pdm
setuptools wheel build twine virtualenv mamba requests urllib3 httpx aiohttp fastapi uvicorn gunicorn starlette flask django djangorestframework
tornado sanic bottle falcon pydantic pydantic-settings pydantic-core sqlalchemy alembic psycopg2 psycopg2-binary psycopg pymysql mysqlclient pymongo
motor redis celery kombu dramatiq rq boto3 botocore s3transfer awscli google-cloud-storage google-cloud-bigquery google-api-python-client
azure-storage-blob azure-identity paramiko cryptography pycryptodome pycryptodomex pyopenssl pyjwt python-jose passlib bcrypt pyyaml ruamel.yaml toml
tomli jinja2 markupsafe click typer rich tqdm loguru structlog python-dotenv python-dateutil pytz arrow pendulum beautifulsoup4 lxml html5lib scrapy
selenium playwright openpyxl xlrd xlsxwriter docx2txt python-docx python-pptx python-multipart sentry-sdk posthog mixpanel analytics-python
segment-analytics-python ddtrace datadog newrelic opentelemetry-api opentelemetry-sdk prometheus-client joblib dill cloudpickle cython pybind11 psutil
pynvml nvidia-ml-py gputil py-cpuinfo gpustat nvitop omegaconf hydra-core fire absl-py ml-collections gin-config yacs einops einops-exts jaxtyping
beartype typeguard more-itertools toolz cytoolz sortedcontainers attrs msgpack orjson ujson protobuf grpcio grpcio-tools flatbuffers tenacity filelock
packaging typing-extensions six unsloth axolotl llmcompressor lm-eval lighteval alpaca-eval fschat human-eval mteb sacremoses easynmt argostranslate
deep-translator googletrans textgrad smolagents transformers-stream-generator fastai fastcore fastbook fastprogress nbdev ludwig ktrain
simpletransformers happytransformer spacy-stanza thinc blis srsly catalogue wasabi cymem preshed murmurhash
""".split()
"""Packages of machine learning that exist under these names."""

SQUATS = """
nunpy numppy nympy numpi mumpy nmupy pandsa pnadas pandass pands panadas pandaas pytoch-lightning tourch torhc torchvison torchvisoin tochvision
torchaudo torchadio tensorfow tensroflow tenserflow tensoflow tensorflwo tensorflow2 tensorlfow tesorflow tensofrlow kreas kears kerass scikit-leran
scikit-lear skikit-learn scickit-learn sickit-learn scikit-laern scikitlearn scikit-lern sciikt-learn scikit-imgae scikit-imge matplotlip matplolib
mathplotlib matploltib matplotib matplotlibb matlplotlib reqeusts requesst requsts reqests request-s requestss rquests requets requests2 requessts
beautifulsup4 beautifulsoop4 djano djnago dajngo diango djangoo fask falsk flaskk colourama colorma coloramma python-dateutils python-dateutl
jellyfishh jeilyfish transformes transfomers tranformers transfromers trasnformers transformerss hugingface-hub hugginface-hub huggingface-hbu
langchian langchan lanchain langchin langchainn langgrpah openia opnai opeani openaii anthropc antropic antrhopic anthropicc cohre xgbost xgboots
xgbooost lightbgm lighgbm lightgmb catbost catboots pilow pilllow opencv-pyhton opencv-pyton opencv-phyton opencv-python-headles opencv-pythn mlfow
mlfolw ml-flow streamlt streamlitt steamlit gardio gradioo graddio fastapii fastpi fasatpi pydnatic pydantc pydanticc sqlalchmey sqlachemy sqlalcemy
urlib3 urllib33 botto3 cryptograpy crytography cryptographyy setuptool setup-tools python-numpy numpy2 py-pandas libtorch torch-official
transformers-py python3-torch seabron seabornn plotlly sentence-transfomers sentence-transformer sentance-transformers spacyy gensimm nltkk accelarate
accelerat diffuserss difusers datsets bitandbytes bitsandbyte deepspped onnxruntme onnxrutnime pyarow pyarroww polarss jupytr jupyterlabb ipytohn
wandbb optunaa chromadbb choromadb faiss-cpuu pyspakr pysparkk networx netwrokx statsmodel-s statmodels statsmodelss albumentation gymnasum gymnasiumm
safetensor safetensorss tokenizer-s tiktokenn llama-indx llamaindex llama-idnex vlllm peftt
""".split()
"""Names as attackers register them: slips of the hand and of the ear, other separators, additions."""


def judged(name: str) -> names.Suspicion | None:
    return names.judge(canonicalize_name(name))


def test_real_packages_of_machine_learning_are_never_told() -> None:
    assert len(REAL) > 900
    assert [name for name in REAL if judged(name)] == []


def test_names_of_the_most_downloaded_packages_are_told_only_where_they_are_no_package_that_is_meant() -> None:
    wrong = set(tables.table("import-names")["wrong"])
    table = tables.table("ml-packages")

    told = {name for group in ("stack", "popular", "known") for name in table[group].split() if judged(name)}

    assert told <= wrong and len(told) < 30


def test_names_of_squatters_are_told() -> None:
    assert len(SQUATS) > 190
    assert [name for name in SQUATS if not judged(name)] == []


def _slipped(name: str, chance: random.Random) -> str:
    """Return a name with one slip that hands make often."""
    at = chance.randrange(1, len(name) - 1)
    kind = chance.choice(["left out", "doubled", "swapped"])
    if kind == "left out":
        return name[:at] + name[at + 1 :]
    if kind == "doubled":
        return name[:at] + name[at] + name[at:]
    return name[:at] + name[at + 1] + name[at] + name[at + 2 :]


def test_nine_of_ten_random_slips_in_names_of_the_stack_are_told() -> None:
    chance = random.Random(20261128)
    stack = [name for name in tables.table("ml-packages")["stack"].split() if len(name) >= 6]
    known = {name for group in ("stack", "popular", "known") for name in tables.table("ml-packages")[group].split()}

    slipped = {canonicalize_name(_slipped(name, chance)).strip("-") for name in chance.sample(stack, 600)} - known
    found = [name for name in slipped if judged(name)]

    assert len(found) >= 0.9 * len(slipped)


PREFIXES = ("acme", "nordlicht", "churn", "fraud", "internal", "team", "corp")
SUFFIXES = (
    "features",
    "models",
    "utils",
    "pipeline",
    "serving",
    "training",
    "data",
    "core",
    "client",
    "schemas",
    "eval",
    "common",
)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_names_of_own_packages_are_not_told(prefix: str) -> None:
    assert [f"{prefix}-{suffix}" for suffix in SUFFIXES if judged(f"{prefix}-{suffix}")] == []


@pytest.mark.parametrize(
    "name",
    [
        "tree-sitter-zig", "google-cloud-tpu", "langchain-acme", "llama-index-readers-acme", "nvidia-cublas-cu13", "pytest-acme", "types-acme",
        "numba-cuda14", "opentelemetry-instrumentation-acme", "torch-acme", "sklearn-acme", "pandas-acme", "mypy-boto3-acme", "jax-acme",
    ],
)  # fmt: skip
def test_additions_to_a_family_of_packages_are_not_told(name: str) -> None:
    assert judged(name) is None


@pytest.mark.parametrize(
    ("name", "check", "meant"),
    [
        ("nunpy", "typo", "numpy"), ("p1llow", "look-alike", "pillow"), ("tensor-flow-hub", "separators", "tensorflow-hub"),
        ("learn-scikit", "word-order", "scikit-learn"), ("python-pandas", "affix", "pandas"), ("cv2", "import-name", "opencv-python"),
        ("urllib", "typo", "urllib3"), ("asyncore", "standard-library", ""), ("PIL", "import-name", "pillow"),
        ("scikit.Learn", None, ""), ("Scikit_Learn", None, ""), ("sqlachemy", "typo", "sqlalchemy"),
    ],
)  # fmt: skip
def test_finding_says_what_is_odd_and_what_was_meant(name: str, check: str | None, meant: str) -> None:
    found = judged(name)

    assert (found.check if found else None, found.meant if found else "") == (check, meant)


def test_known_names_of_imports_do_not_name_themselves() -> None:
    wrong = tables.table("import-names")["wrong"]

    assert [name for name, meant in wrong.items() if name == meant or name != canonicalize_name(name)] == []


def test_what_is_meant_by_a_wrong_name_is_a_known_package() -> None:
    wrong = tables.table("import-names")["wrong"]

    assert [meant for meant in wrong.values() if " " not in meant and not names.known(meant)] == []


def test_package_from_a_repository_or_a_path_is_not_told(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text(
        f"detectron2 @ git+https://github.com/example/detectron2@{'ab' * 20}\nnunpy @ file:///vendor/nunpy-1.0-py3-none-any.whl\n"
    )

    assert [finding for finding in scan(tmp_path, ["dependencies"]).findings if finding.rule == RULE] == []


def test_names_are_told_on_commit_too_and_in_every_manifest(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("nunpy==1.0\n")
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "a"\nversion = "1"\ndependencies = ["nunpy==1.0"]\n')

    report = scan(tmp_path, ["dependencies"], hook=True)

    assert {finding.location.path for finding in report.findings if finding.rule == RULE} == {
        "requirements.txt",
        "pyproject.toml",
    }


def test_ten_thousand_unknown_names_are_compared_in_seconds() -> None:
    chance = random.Random(1)
    many = [
        "".join(chance.choice("abcdefghijklmnopqrstuvwxyz-") for _ in range(chance.randrange(3, 40)))
        for _ in range(3_000)
    ]
    names.judge("warm-up-of-tables")

    before = time.process_time()
    for name in many:
        names.judge(name)

    assert time.process_time() - before < 10


@given(st.text(max_size=120))
@settings(max_examples=300, deadline=None)
def test_any_text_is_judged_without_an_error(text: str) -> None:
    found = names.judge(canonicalize_name(text))

    assert found is None or isinstance(found, names.Suspicion)


@given(st.text("abcdef", max_size=8), st.text("abcdef", max_size=8))
@settings(max_examples=200, deadline=None)
def test_distance_is_symmetric_and_at_most_the_longer_name(one: str, two: str) -> None:
    distance = names.damerau_levenshtein(one, two, 99)

    assert distance == names.damerau_levenshtein(two, one, 99) <= max(len(one), len(two))
    assert (distance == 0) == (one == two)
    assert names.damerau_levenshtein(one, two, 2) == min(distance, 3)
