"""Writes ordinary machine-learning code in which nothing is about a person: what checks on personal data must stay silent on.

Everything is made from our own building blocks, with a fixed seed: loops, loaders, models, tools, tables of things. Words that also name
personal data stand in it with their other meanings: the name of a file, the address of memory, the gender of a noun, a race of threads.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

_THINGS = [
    "house",
    "turbine",
    "molecule",
    "galaxy",
    "engine",
    "sensor",
    "wine",
    "crop",
    "bridge",
    "battery",
    "soil",
    "river",
    "cell",
    "pump",
    "chip",
    "alloy",
    "ship",
    "road",
    "glacier",
    "reef",
]
_NUMBERS = [
    "area",
    "height",
    "depth",
    "voltage",
    "mass",
    "speed",
    "torque",
    "pressure",
    "humidity",
    "salinity",
    "radius",
    "latency",
    "price",
    "load",
    "density",
    "charge",
    "age_of_rock",
    "width",
]
_VERBS = ["train", "evaluate", "export", "resume", "profile", "quantize", "prune", "distill", "convert", "benchmark"]
_MODELS = ["resnet50", "bert-base", "vit-small", "unet", "tcn", "mixer", "swin", "convnext", "gpt2", "t5-small"]
_FORMATS = ["parquet", "csv", "npz", "arrow", "hdf5", "jsonl", "zarr"]
_LEVELS = ["debug", "info", "warning", "error"]
_LOGGERS = ["logger", "log", "logging", "_LOG", "self.logger", "LOGGER"]

Block = Callable[[random.Random, int], str]


def _loop(r: random.Random, n: int) -> str:
    model, thing = r.choice(_MODELS), r.choice(_THINGS)
    return f'''
def train_{thing}_{n}(model, loader, optimizer, scheduler=None, epochs={r.randint(2, 90)}, device="cuda:{r.randint(0, 7)}"):
    """Train {model} on the {thing} set."""
    model_name = "{model}"
    best, history = float("inf"), []
    for epoch in range(epochs):
        model.train()
        for step, (inputs, labels) in enumerate(loader):
            inputs, labels = inputs.to(device), labels.to(device)
            optimizer.zero_grad()
            loss = model(inputs, labels=labels).loss
            loss.backward()
            optimizer.step()
            if step % {r.randint(5, 500)} == 0:
                {r.choice(_LOGGERS[:3])}.{r.choice(_LEVELS)}("%s epoch %d step %d loss %.4f", model_name, epoch, step, loss.item())
        history.append({{"epoch": epoch, "loss": float(loss), "name": model_name, "device": device}})
        if loss < best:
            best = loss
            checkpoint_path = f"checkpoints/{{model_name}}-{{epoch:03d}}.pt"
            torch.save(model.state_dict(), checkpoint_path)
            print(f"saved {{checkpoint_path}} ({{best:.4f}})")
    return history
'''


def _dataset(r: random.Random, n: int) -> str:
    thing, form = r.choice(_THINGS), r.choice(_FORMATS)
    return f'''
class {thing.title()}Dataset{n}(Dataset):
    def __init__(self, root, split="{r.choice(["train", "val", "test"])}", transform=None, file_name="index.{form}"):
        self.root = Path(root)
        self.file_name = file_name
        self.name = "{thing}-{n}"
        self.entries = sorted((self.root / split).glob("*.{form}"))
        if not self.entries:
            raise FileNotFoundError(f"no {form} files for dataset {{self.name}} in {{self.root / split}}")
        self.transform = transform

    def __len__(self):
        return len(self.entries)

    def __getitem__(self, index):
        entry = self.entries[index]
        sample = np.load(entry)
        {r.choice(_LOGGERS[:2])}.debug(f"{{self.name}}: {{entry.name}} has shape {{sample.shape}}")
        return self.transform(sample) if self.transform else sample
'''


def _table(r: random.Random, n: int) -> str:
    thing = r.choice(_THINGS)
    columns = r.sample(_NUMBERS, 5)
    y = columns.pop()
    algorithm = r.choice(["RandomForestRegressor", "GradientBoostingRegressor", "Ridge", "SVR"])
    return f'''
def fit_{thing}_{n}(path="data/{thing}.csv"):
    frame = pd.read_csv(path)
    frame["{columns[0]}_log"] = np.log1p(frame["{columns[0]}"])
    features = {columns!r} + ["{columns[0]}_log"]
    X, y = frame[features], frame["{y}"]
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.{r.randint(1, 4)}, random_state={n})
    model = make_pipeline(StandardScaler(), {algorithm}())
    model.fit(X_train, y_train)
    print(frame[features].describe())
    print(frame[["{columns[1]}", "{columns[2]}"]].head({r.randint(2, 9)}))
    print(f"{{model.__class__.__name__}}: r2 = {{model.score(X_test, y_test):.3f}}")
    frame[features + ["{y}"]].to_parquet("build/{thing}_{n}.parquet")
    mlflow.log_params({{"model": "{algorithm}", "dataset_name": "{thing}", "columns": len(features)}})
    return model
'''


def _grammar(r: random.Random, n: int) -> str:
    gender = r.choice(["Masc", "Fem", "Neut"])
    return f'''
def agreement_{n}(doc, nlp, language="{r.choice(["de", "fr", "es", "pl"])}"):
    """Count nouns by grammatical gender, number and case."""
    counts = Counter()
    for sentence in doc.sents:
        for token in sentence:
            gender = token.morph.get("Gender")
            if token.pos_ == "NOUN" and gender == ["{gender}"]:
                counts[token.lemma_] += 1
                print(token.text, token.lemma_, gender, token.head.text)
            entity_type, ent_name = token.ent_type_, token.ent_iob_
            logger.debug("%s %s %s", token.i, entity_type, ent_name)
    tokenizer_name = nlp.meta["name"]
    print(f"{{tokenizer_name}}: {{sum(counts.values())}} nouns with gender {gender} in {{language}}")
    race = [token for token in doc if token.lemma_ in ("race", "marathon", "regatta")]
    print("mentions of races:", len(race), race[:3])
    return counts
'''


def _cli(r: random.Random, n: int) -> str:
    verb = r.choice(_VERBS)
    return f'''
def {verb}_{n}(argv=None):
    parser = argparse.ArgumentParser(prog="{verb}", description="{verb.title()} a model.")
    parser.add_argument("--model-name", default="{r.choice(_MODELS)}")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default={r.randint(2000, 9999)})
    parser.add_argument("--file-name", required=True)
    parser.add_argument("--job-name", default="{verb}-{n}")
    parser.add_argument("--run-name")
    args = parser.parse_args(argv)
    print(f"{verb} {{args.model_name}} from {{args.file_name}} on {{args.host}}:{{args.port}} as {{args.run_name or args.job_name}}")
    {r.choice(_LOGGERS[:3])}.info("host %s port %s user agent %s", args.host, args.port, "{verb}/1.{n}")
    if not os.path.exists(args.file_name):
        raise SystemExit(f"{{args.file_name}}: no such file")
    return args
'''


def _address(r: random.Random, n: int) -> str:
    return f"""
def map_buffer_{n}(buffer, page_size={2 ** r.randint(9, 14)}):
    address = ctypes.addressof(buffer)
    base_address, address_space = address & ~(page_size - 1), "generic"
    offset = address - base_address
    logger.debug("buffer at address %#x, base address %#x, offset %d in %s space", address, base_address, offset, address_space)
    peer = sock.getpeername()
    bind_address, server_address = ("0.0.0.0", {r.randint(1024, 60000)}), peer
    print(f"listening on {{bind_address}}, server address {{server_address}}, device name {{torch.cuda.get_device_name(0)}}")
    user_agent = f"loader/{n} (python {{platform.python_version()}})"
    request = urllib.request.Request("https://data.example.org/{n}.bin", headers={{"User-Agent": user_agent}})
    print("requesting", request.full_url, "as", user_agent)
    if offset % 64:
        raise ValueError(f"address {{address:#x}} is not aligned to 64 bytes")
    return base_address
"""


def _tokens(r: random.Random, n: int) -> str:
    return f"""
def encode_{n}(texts, tokenizer, max_length={2 ** r.randint(5, 12)}):
    batch = tokenizer(texts, padding=True, truncation=True, max_length=max_length, return_tensors="pt")
    input_ids, attention_mask = batch["input_ids"], batch["attention_mask"]
    pad_token, unk_token = tokenizer.pad_token, tokenizer.unk_token
    print(f"{{tokenizer.name_or_path}}: {{input_ids.shape[1]}} tokens, pad {{pad_token!r}}, unknown {{unk_token!r}}")
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            print(name, tuple(parameter.shape), parameter.dtype)
    names = [name for name, _ in model.named_modules() if name.endswith(("query", "value"))]
    logger.info("adapters on %s (%d modules)", names[:3], len(names))
    class_name = model.__class__.__name__
    if class_name not in SUPPORTED:
        raise NotImplementedError(f"{{class_name}} is not supported, only {{sorted(SUPPORTED)}}")
    return input_ids, attention_mask
"""


def _plot(r: random.Random, n: int) -> str:
    a, b = r.sample(_NUMBERS, 2)
    return f'''
def plot_{a}_{n}(frame, axes=None, title="{a} by {b}", color_map="{r.choice(["viridis", "magma", "plasma"])}"):
    figure, axes = plt.subplots(figsize=({r.randint(4, 12)}, {r.randint(3, 9)})) if axes is None else (axes.figure, axes)
    axes.scatter(frame["{a}"], frame["{b}"], c=frame["{b}"], cmap=color_map, label="{a}")
    axes.set_xlabel("{a}")
    axes.set_ylabel("{b}")
    axes.set_title(title)
    axes.legend(title="legend name")
    file_name = f"figures/{a}_{n}.png"
    figure.savefig(file_name, dpi={r.randint(72, 300)})
    print("wrote", file_name, "with", len(frame), "points and columns", list(frame.columns))
    return axes
'''


def _geometry(r: random.Random, n: int) -> str:
    return f"""
class Polygon{n}:
    def __init__(self, vertices, name="polygon{n}"):
        self.vertices = [(float(x), float(y)) for x, y in vertices]
        self.name = name

    def __repr__(self):
        return f"Polygon(name={{self.name!r}}, vertices={{len(self.vertices)}})"

    def area(self):
        total = 0.0
        for (x1, y1), (x2, y2) in zip(self.vertices, self.vertices[1:] + self.vertices[:1]):
            total += x1 * y2 - x2 * y1
        return abs(total) / 2

    def check(self, tolerance=1e-{r.randint(6, 12)}):
        if self.area() < tolerance:
            raise ValueError(f"{{self.name}} has no area: {{self.vertices}}")
        print(self.name, "at", self.vertices[0], "has an area of", self.area())
"""


def _chess(r: random.Random, n: int) -> str:
    return f'''
def play_{n}(board, engine, depth={r.randint(2, 20)}, opening_name="{r.choice(["Ruy Lopez", "Caro-Kann", "Gruenfeld", "Benoni"])}"):
    moves, score = [], 0
    piece_names = {{"k": "king", "q": "queen", "r": "rook", "b": "bishop", "n": "knight", "p": "pawn"}}
    while not board.is_game_over() and len(moves) < {r.randint(40, 200)}:
        move, score = engine.search(board, depth=depth)
        if move not in board.legal_moves:
            raise ValueError(f"illegal move {{move}} in position {{board.fen()}}")
        moves.append(board.san(move))
        board.push(move)
        captured = piece_names.get(board.captured_symbol, "nothing")
        logger.info("%d. %s takes %s, score %+.2f", len(moves), moves[-1], captured, score / 100)
    print(opening_name, " ".join(moves), board.result())
    white, black = engine.name, "baseline"
    print(f"{{white}} against {{black}}: {{score}}")
    return moves
'''


def _music(r: random.Random, n: int) -> str:
    return f'''
def render_{n}(score, instrument_name="{r.choice(["piano", "cello", "oboe", "marimba"])}", tempo={r.randint(50, 190)}):
    """Write a melody as MIDI, with accents on the first beat."""
    track = MidiTrack(name=instrument_name)
    for bar in score:
        for beat, note in enumerate(bar):
            velocity = {r.randint(80, 120)} if beat == 0 else {r.randint(40, 79)}
            accent = velocity > 90
            track.append(Message("note_on", note=note.pitch, velocity=velocity, time=int(note.duration * 480)))
            print(f"{{note.name}}{{note.octave}} accent={{accent}} velocity={{velocity}}")
    song = MidiFile(tracks=[track])
    artist_name, track_title = "generator {n}", f"{{instrument_name}} study"
    logger.info("%s by %s at %d beats per minute", track_title, artist_name, tempo)
    song.save(f"out/{{instrument_name}}_{n}.mid")
    return song
'''


def _chemistry(r: random.Random, n: int) -> str:
    return f'''
def screen_{n}(library, target_name="{r.choice(["kinase", "protease", "receptor"])}-{n}", cutoff=-{r.randint(5, 9)}.{r.randint(0, 9)}):
    """Dock compounds and keep the strongest binders."""
    hits = []
    for compound in library:
        mol = Chem.MolFromSmiles(compound.smiles)
        if mol is None:
            raise ValueError(f"{{compound.name}}: cannot parse {{compound.smiles}}")
        fingerprint = AllChem.GetMorganFingerprintAsBitVect(mol, {r.randint(2, 4)}, nBits={2 ** r.randint(9, 12)})
        affinity = docking.score(mol, target_name)
        if affinity < cutoff:
            hits.append((affinity, compound.name, fingerprint))
            print(f"{{compound.name}} binds {{target_name}} with {{affinity:.1f}} kcal/mol, {{fingerprint.GetNumOnBits()}} bits")
    frame = pd.DataFrame({{"compound_name": [h[1] for h in hits], "affinity": [h[0] for h in hits]}})
    frame.to_csv(f"hits_{{target_name}}.csv", index=False)
    return frame.sort_values("affinity")
'''


def _finance(r: random.Random, n: int) -> str:
    return f'''
def backtest_{n}(prices, window={r.randint(5, 250)}, symbol="{r.choice(["AAA", "BBB", "CCC"])}", index_name="index{n}"):
    returns = prices[symbol].pct_change().dropna()
    signal = np.sign(returns.rolling(window).mean()).shift(1).fillna(0)
    income = signal * returns
    drawdown = (income.cumsum().cummax() - income.cumsum()).max()
    sharpe = income.mean() / income.std() * np.sqrt(252)
    print(f"{{symbol}} in {{index_name}}: sharpe {{sharpe:.2f}}, drawdown {{drawdown:.1%}}, income {{income.sum():.1%}}")
    model = GradientBoostingClassifier()
    model.fit(prices[["open", "high", "low", "volume"]], (returns > 0).astype(int))
    prediction = model.predict(prices[["open", "high", "low", "volume"]].tail(1))
    if prediction[0] == 1:
        orders.append(("buy", symbol))
    else:
        orders.append(("hold", symbol))
    wandb.log({{"sharpe": sharpe, "symbol": symbol, "name": index_name}})
    return sharpe
'''


def _config(r: random.Random, n: int) -> str:
    return f'''
@dataclass
class Settings{n}:
    project_name: str = "{r.choice(_THINGS)}-{n}"
    model_name: str = "{r.choice(_MODELS)}"
    bucket_name: str = "models-{n}"
    hostname: str = "localhost"
    address: str = "tcp://127.0.0.1:{r.randint(2000, 9000)}"
    email_backend: str = "console"
    smtp_host: str = "mail.example.org"
    username_field: str = "login"
    column_name: str = "{r.choice(_NUMBERS)}"
    learning_rate: float = {r.randint(1, 9)}e-{r.randint(2, 6)}


def show_{n}(settings: Settings{n}):
    print(settings)
    logger.info("%s uses %s on %s (%s)", settings.project_name, settings.model_name, settings.hostname, settings.email_backend)
    for field in dataclasses.fields(settings):
        print(field.name, field.type, getattr(settings, field.name))
    template_path = Path("templates") / "email_template_{n}.html"
    if not template_path.exists():
        raise FileNotFoundError(f"email template {{template_path}} is missing")
    os.makedirs(f"runs/{{settings.project_name}}", exist_ok=True)
'''


def _cache(r: random.Random, n: int) -> str:
    return f'''
def cached_features_{n}(file_name, cache, version={r.randint(1, 9)}):
    digest = hashlib.sha256(Path(file_name).read_bytes()).hexdigest()
    key = f"features:{{version}}:{{digest}}"
    found = cache.get(key)
    if found is None:
        found = extract(file_name)
        cache.set(key, found)
        redis_client.set(f"model:{{version}}:name", "{r.choice(_MODELS)}")
        logger.debug("cache miss for %s (%s)", file_name, key)
    response = requests.get(f"https://features.example.org/{{version}}/{{digest}}", params={{"name": file_name}}, timeout=9)
    response.raise_for_status()
    client = OpenAI()
    answer = client.chat.completions.create(model="m", messages=[{{"role": "user", "content": f"Describe the file {{file_name}}"}}])
    return found, answer.usage.total_tokens
'''


def _vision(r: random.Random, n: int) -> str:
    return f'''
def augment_{n}(image, boxes, class_names={r.sample(_THINGS, 4)!r}, probability=0.{r.randint(1, 9)}):
    """Flip and crop, and keep the boxes in place."""
    height, width = image.shape[:2]
    if random.random() < probability:
        image = image[:, ::-1]
        boxes = [(width - x2, y1, width - x1, y2, label) for x1, y1, x2, y2, label in boxes]
    for x1, y1, x2, y2, label in boxes:
        name = class_names[label]
        cv2.rectangle(image, (int(x1), int(y1)), (int(x2), int(y2)), (0, 255, {r.randint(0, 255)}), 2)
        cv2.putText(image, name, (int(x1), int(y1) - 4), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255))
        print(f"{{name}}: {{x2 - x1:.0f}} x {{y2 - y1:.0f}} at {{x1:.0f}}, {{y1:.0f}}")
    assert len(boxes) <= {r.randint(50, 500)}, f"{{len(boxes)}} boxes of {{class_names}}"
    writer.add_image("augmented/{n}", image)
    return image, boxes
'''


def _threads(r: random.Random, n: int) -> str:
    return f'''
def run_{n}(jobs, workers={r.randint(2, 32)}):
    """Run jobs side by side; a race between two of them is a bug."""
    results, failures = {{}}, []
    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="worker-{n}") as pool:
        futures = {{pool.submit(job.run): job.name for job in jobs}}
        for future in as_completed(futures):
            name = futures[future]
            try:
                results[name] = future.result(timeout={r.randint(5, 500)})
            except TimeoutError as error:
                failures.append(name)
                {r.choice(_LOGGERS[:3])}.warning("job %s failed: %s", name, error)
    health_status = "ok" if not failures else "degraded"
    print(f"health status: {{health_status}}; {{len(results)}} done, race condition seen: {{detect_race(results)}}")
    sentry_sdk.set_tag("job_group", "group-{n}")
    return results
'''


def _sequence(r: random.Random, n: int) -> str:
    return f'''
def align_{n}(reads, reference, gap={r.randint(1, 9)}, gene_name="gene{n}"):
    """Align reads of a bacterium to a reference."""
    sequences = {{record.id: str(record.seq) for record in SeqIO.parse(reads, "fasta")}}
    strain, species_name = reference.strain, reference.organism
    for read_id, sequence in sequences.items():
        score = aligner.score(sequence, reference.seq) - gap * sequence.count("-")
        print(f"{{read_id}} on {{gene_name}} of {{species_name}} ({{strain}}): {{score}}")
    X = np.array([kmer_counts(sequence) for sequence in sequences.values()])
    labels = KMeans(n_clusters={r.randint(2, 12)}).fit_predict(X)
    clusters = pd.DataFrame({{"gene": list(sequences), "cluster": labels, "strain": strain}})
    clusters.to_csv(f"clusters_{{gene_name}}.csv")
    print(clusters.head())
    return clusters
'''


BLOCKS: tuple[Block, ...] = (
    _loop, _dataset, _table, _grammar, _cli, _address, _tokens, _plot, _geometry, _chess, _music, _chemistry, _finance, _config, _cache, _vision, _threads, _sequence,
)  # fmt: skip

HEADER = """\
import argparse, ctypes, dataclasses, hashlib, logging, os, platform, random, urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import cv2, mlflow, requests, sentry_sdk, torch, wandb
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from openai import OpenAI
from sklearn.cluster import KMeans
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR
from torch.utils.data import Dataset

logger = log = logging.getLogger(__name__)
"""


def files(count: int = 60, seed: int = 7) -> Iterator[tuple[str, str]]:
    """Yield ``count`` files as (name, code), each of eight blocks, the same for the same seed."""
    r = random.Random(seed)
    number = 0
    for index in range(count):
        parts = [HEADER]
        for block in r.sample(BLOCKS, 8):
            number += 1
            parts.append(block(r, number))
        yield f"src/module_{index:03d}.py", "\n".join(parts)
