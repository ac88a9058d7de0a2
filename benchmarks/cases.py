"""What is measured: each function prints rows of a table, in a process of its own."""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.parquet as pq
import torch
from torch import Tensor

from benchmarks.measure import interleaved, memory_of, peak_memory
from benchmarks.plain import PlainTrainer
from gru4rec import GRU4Rec, ModelConfig
from gru4rec.compute import Compact
from gru4rec.data.schedule import make_schedule
from gru4rec.data.vocabulary import Vocabulary
from gru4rec.evaluation import prepare_evaluation, rank_prepared
from gru4rec.learning.trainer import Trainer, TrainingState
from gru4rec.model.build import architecture_of, make_optimizer
from gru4rec.model.negatives import PopularitySampler
from gru4rec.model.network import Network, new_network, seeded_draw
from gru4rec.storage.model_file import Checkpoint, save_checkpoint

N_ITEMS, N_SAMPLE = 37_000, 2048
CASES = {
    "a": {
        "layers": [100],
        "batch_size": 32,
        "logq": 1.0,
        "dropout_p_embed": 0.1,
        "learning_rate": 0.1,
        "sample_alpha": 0.75,
    },
    "b": {
        "layers": [480],
        "batch_size": 48,
        "logq": 1.0,
        "dropout_p_hidden": 0.2,
        "learning_rate": 0.07,
        "sample_alpha": 0.2,
    },
    "c": {
        "layers": [224],
        "loss": "bpr-max",
        "batch_size": 80,
        "dropout_p_embed": 0.5,
        "dropout_p_hidden": 0.05,
        "learning_rate": 0.05,
        "momentum": 0.4,
        "sample_alpha": 0.4,
        "bpreg": 1.95,
        "elu_param": 0.5,
    },
    "d": {
        "layers": [512],
        "batch_size": 240,
        "logq": 1.0,
        "dropout_p_embed": 0.45,
        "learning_rate": 0.065,
        "sample_alpha": 0.5,
    },
}
Row = dict[str, object]
Ints = npt.NDArray[np.int64]


def config_of(case: str, device: str = "cpu") -> ModelConfig:
    """Options of a case."""
    return ModelConfig(n_sample=N_SAMPLE, device=device, **CASES[case])


def popularity(n_items: int) -> Tensor:
    """Events of each item: Zipf's law with exponent 0.8, at least 5; shape (n_items,)."""
    shuffled = torch.randperm(n_items, generator=torch.Generator().manual_seed(1))
    return (1e6 / (shuffled + 1.0) ** 0.8).long().clamp(min=5)


def draw_sessions(n_items: int, n_sessions: int, length: int) -> tuple[Ints, Ints]:
    """Items of sessions of equal length, by popularity: items and offsets."""
    generator = torch.Generator().manual_seed(2)
    weights = popularity(n_items).double()
    cumulative = weights.cumsum(0) / weights.sum()
    uniform = torch.rand(n_sessions * length, dtype=torch.float64, generator=generator)
    items = torch.searchsorted(cumulative, uniform).clamp(max=n_items - 1)
    return items.numpy(), np.arange(n_sessions + 1) * length


def make_epoch(
    n_items: int, config: ModelConfig, steps: int, network: Network | None = None
) -> Callable[[], object]:
    """An epoch of so many full steps on sessions of five events, schedule included.

    It ends with a look at all weights, which should not weigh more than in a long epoch.
    """
    device, generator = torch.device(config.device), torch.Generator().manual_seed(3)
    if network is None:
        network = new_network(architecture_of(config), n_items, seeded_draw(generator)).to(device)
    counts, generator = popularity(n_items), torch.Generator(device).manual_seed(3)
    state = TrainingState(network, make_optimizer(network, config), counts, generator)
    alpha, n = config.sample_alpha, config.n_sample
    sampler = PopularitySampler(counts, alpha, n, generator, 10_000_000, device)
    trainer = Trainer(state, config, sampler)
    items, offsets = draw_sessions(n_items, config.batch_size * steps // 4, 5)
    order = np.arange(len(offsets) - 1)

    def run() -> None:
        schedule = make_schedule(offsets, order, config.batch_size)
        trainer.run_epoch(items, schedule)

    return run


def make_plain_epoch(n_items: int, config: ModelConfig, steps: int) -> Callable[[], object]:
    """The same with the yardstick."""
    trainer = PlainTrainer(n_items, config, popularity(n_items), config.device)
    items, _ = draw_sessions(n_items, config.batch_size * steps // 4, 5)
    events = torch.from_numpy(items).view(steps // 4, config.batch_size, 5).to(config.device)
    first = torch.ones(2, config.batch_size, dtype=torch.bool, device=config.device)
    first[1] = False

    def run() -> None:
        hidden = torch.zeros(config.batch_size, config.layers[0], device=config.device)
        for sessions in events:
            for place in range(4):
                starts = first[int(place > 0)]
                inputs, targets = sessions[:, place], sessions[:, place + 1]
                hidden = trainer.step(inputs, targets, starts, hidden)
        hidden.sum().item()  # a GPU has done all of it now

    return run


def make_products(config: ModelConfig, steps: int) -> Callable[[], object]:
    """The eight products that a step cannot avoid."""
    n, units = config.batch_size, config.layers[0]
    candidates, state = torch.randn(n + config.n_sample, units), torch.randn(n, units)
    scores, gates = torch.randn(n, n + config.n_sample), torch.randn(n, 3 * units)
    weight = torch.randn(3 * units, units)
    results = [
        (state, candidates.T),
        (scores.T, state),
        (scores, candidates),
        (state, weight.T),
        (state, weight.T),
        (gates.T, state),
        (gates.T, state),
        (gates, weight),
    ]
    products = [(one, other, torch.mm(one, other)) for one, other in results]

    def run() -> None:
        for _ in range(steps):
            for one, other, out in products:
                torch.mm(one, other, out=out)

    return run


def training(case: str) -> list[Row]:
    """One step of a case, everything included."""
    config, steps = config_of(case), 80
    functions = {
        "ours": make_epoch(N_ITEMS, config, steps),
        "products": make_products(config, steps),
        "plain": make_plain_epoch(N_ITEMS, config, steps),
    }
    seconds = interleaved(functions, repeats=9)
    return [row(f"training step, case {case}", seconds, per=steps)]


def row(
    name: str,
    seconds: dict[str, float],
    per: int = 1,
    note: str = "",
    peak: float | None = None,
) -> Row:
    """A row of the table; times are for one of `per` units, no `peak` is that so far."""
    ours = seconds["ours"]
    return {
        "what": name,
        "seconds": ours / per,
        "to products": ours / seconds["products"] if "products" in seconds else None,
        "to plain": seconds["plain"] / ours if "plain" in seconds else None,
        "peak": peak_memory() if peak is None else peak,
        "note": note,
    }


def catalogue() -> list[Row]:
    """The step of case a on catalogues of 10⁴ to 10⁶ items."""
    config, steps = config_of("a"), 2400
    sizes = [10_000, 100_000, 1_000_000]
    functions = {str(n): make_epoch(n, config, steps) for n in sizes}
    seconds = interleaved(functions, repeats=7)
    return [
        row(
            f"training step, case a, {n:,} items",
            {"ours": seconds[str(n)]},
            per=steps,
            note=f"{seconds[str(n)] / seconds[str(sizes[0])]:.2f} × that with 10,000",
        )
        for n in sizes
    ]


def large() -> list[Row]:
    """Training on 5 million items, 100 units: memory of the whole process."""
    config, steps = config_of("a"), 80
    epoch = make_epoch(5_000_000, config, steps)
    seconds = interleaved({"ours": epoch}, repeats=5)
    return [row("training step, case a, 5,000,000 items", seconds, per=steps)]


def make_model(n_items: int, units: int, folder: str) -> GRU4Rec:
    """A model with random weights, read from a file as users get it."""
    config = ModelConfig(layers=[units], device="cpu")
    generator = torch.Generator().manual_seed(4)
    network = new_network(architecture_of(config), n_items, seeded_draw(generator))
    network.tables["bias"].normal_(std=0.1, generator=generator)
    state = TrainingState(network, make_optimizer(network, config), popularity(n_items), generator)
    path = Path(folder) / "model.pth"
    vocabulary = Vocabulary.from_items(np.arange(n_items))
    save_checkpoint(Checkpoint(config, vocabulary, state, [], {}), path, with_optimizer=False)
    return GRU4Rec.load(path, device="cpu")


def scoring(n_items: int, units: int) -> list[Row]:
    """Evaluation and recommendation, recurrent part and data frames included."""
    with tempfile.TemporaryDirectory() as folder:
        gru = make_model(n_items, units, folder)
    n_rows = 8192 if n_items < 100_000 else 2048
    items, offsets = draw_sessions(n_items, n_rows // 4, 5)
    sessions = np.repeat(np.arange(len(offsets) - 1), 5)
    frame = pd.DataFrame({"SessionId": sessions, "ItemId": items, "Time": np.arange(len(items))})
    data = prepare_evaluation(gru.vocabulary, frame, "ItemId", "SessionId", "Time")
    output, bias = gru.network.tables["output"], gru.network.tables["bias"]
    states = torch.randn(n_rows, units)
    wide = min(n_items, 1 << 16)
    room = torch.empty(512 * wide)

    def products() -> None:
        for rows in states.split(512):
            for part in output.split(wide):
                torch.mm(rows, part.T, out=room[: len(rows) * len(part)].view(len(rows), -1))

    targets = torch.from_numpy(items[:n_rows])
    few = max(1, min(512, (1 << 28) // n_items))

    def plain_evaluation() -> None:
        for rows, wanted in zip(states.split(few), targets.split(few), strict=True):
            scores = rows @ output.T + bias
            (scores >= scores.gather(1, wanted[:, None])).sum(dim=1)

    def plain_recommendation() -> None:
        for rows in states.split(few):
            (rows @ output.T + bias).topk(20)

    lists = items[:n_rows, None].tolist()
    rows: list[Row] = []
    size = f"{n_items:,} × {units}"
    work = {
        "evaluation": (
            lambda: rank_prepared(gru, data, 512, "conservative"),
            plain_evaluation,
        ),
        "recommendation, k = 20": (lambda: gru.recommend(lists, k=20), plain_recommendation),
    }
    for name, (ours, plain) in work.items():
        memory = memory_of(ours)
        functions = {"ours": ours, "products": products, "plain": plain}
        seconds = interleaved(functions, repeats=5)
        rate = seconds["products"] / seconds["ours"]
        note = f"{rate:.0%} of the products' rate, {memory / 1e6:.0f} MB beside the model"
        rows.append(row(f"{name}, {size}", seconds, per=n_rows, note=note))
    return rows


def live(n_items: int) -> list[Row]:
    """One item in, top 20 out, as a data frame, without and with a compact copy.

    Beside them the output table is read once, on one thread too.
    """
    with tempfile.TemporaryDirectory() as folder:
        gru = make_model(n_items, 100, folder)
    table = gru.network.tables["output"]
    table.normal_(std=0.3, generator=torch.Generator().manual_seed(7))  # as after a training
    compact = gru.add_compact_copy().network.compact
    session, item, before = gru.live_session(), 0, torch.get_num_threads()

    def answer(copy: Compact | None) -> None:
        nonlocal item
        gru.network.compact = copy
        item += 1
        session.add(item % n_items)
        session.recommend(k=20)

    functions = {
        "live session": lambda: answer(None),
        "live session, compact copy": lambda: answer(compact),
        "read": table.sum,
    }
    torch.set_num_threads(1)
    repeats = max(50, 15_000_000 // n_items)
    wall = interleaved(functions, repeats)
    cpu = interleaved(functions, repeats, time.process_time)
    torch.set_num_threads(before)
    rows = []
    for name in [*functions][:2]:
        beside = {"read": "reading the table once"}
        if name != "live session":
            beside["live session"] = "without"
        note = "; ".join(
            f"{wall[name] / wall[key]:.2f} × {what} (processor: {cpu[name] / cpu[key]:.2f})"
            for key, what in beside.items()
        )
        rows.append(row(f"{name}, {n_items:,} × 100, 1 thread", {"ours": wall[name]}, note=note))
    return rows


def indices() -> list[Row]:
    """Ten million draws, and an epoch's schedule for eight million sessions."""
    counts, cpu = popularity(N_ITEMS), torch.device("cpu")
    generator = torch.Generator().manual_seed(5)

    def draw() -> None:
        sampler = PopularitySampler(counts, 0.75, 2000, generator, 10_000_000, cpu)
        for _ in range(5000):
            sampler.sample()

    lengths = np.random.default_rng(6).geometric(1 / 3, 8_000_000) + 1
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    order = np.arange(len(lengths))
    seconds = interleaved({"draw": draw, "plan": lambda: make_schedule(offsets, order, 32)}, 5)
    return [
        row("10,000,000 negative draws", {"ours": seconds["draw"]}),
        row("schedule of 8,000,000 sessions", {"ours": seconds["plan"]}),
    ]


def start() -> list[Row]:
    """Imports, and the first steps of a process whose compiled loops are on disk."""

    def run(code: str) -> Callable[[], object]:
        return lambda: subprocess.run([sys.executable, "-c", code], check=True)

    train = (
        "import gru4rec, pandas; gru4rec.GRU4Rec(layers=[8], n_sample=4, batch_size=2).fit("
        "pandas.DataFrame({'SessionId': [1, 1, 2, 2], 'ItemId': [1, 2, 1, 2], 'Time': range(4)}))"
    )
    # in one process: what two of them take differs by more than this
    load = "from gru4rec import GRU4Rec"
    alone = f"import time, torch, pandas; begun = time.perf_counter(); {load}; "
    command = [sys.executable, "-c", alone + "print(time.perf_counter() - begun)"]
    more = statistics.median(float(subprocess.check_output(command)) for _ in range(9))
    seconds = interleaved({"ours": run(load), "train": run(train)}, repeats=7)
    first = seconds["train"] - seconds["ours"]
    return [
        row(
            load,
            {"ours": seconds["ours"]},
            note=f"{more:+.2f} s on torch and pandas",
            peak=0.0,
        ),
        row(
            "import and fit on four events",
            {"ours": seconds["train"]},
            note=f"{first:+.2f} s on the import",
            peak=0.0,
        ),
    ]


def data() -> list[Row]:
    """The pipeline data_engineering on 33 million simulated events, Kedro's start included."""
    project = Path(__file__).parent.parent
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log = folder / "log.parquet"
        simulate = [sys.executable, "-m", "gru4rec_kedro.simulate", "--items", "50000"]
        simulate += ["--sessions", "5500000", "--seed", "1", "--output", str(log)]
        subprocess.run(simulate, check=True)
        shutil.copytree(project / "conf", folder / "conf")
        (folder / "conf" / "bench").mkdir()
        (folder / "conf" / "bench" / "globals.yml").write_text(f"outputs: {folder}\n")
        command = [sys.executable, "-m", "kedro", "run", "--pipelines", "data_engineering"]
        command += ["--conf-source", str(folder / "conf"), "--env", "bench"]
        begun = time.perf_counter()
        process = subprocess.Popen([*command, "--params", f"events={log}"], cwd=project)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begun
        if status:
            raise RuntimeError(f"data engineering ended with status {status}")
        n_events = pq.read_metadata(log).num_rows
    name, peak = f"data engineering, {n_events:,} events", usage.ru_maxrss * 1024
    return [row(name, {"ours": seconds}, peak=peak)]


SECTIONS: dict[str, Callable[[], list[Row]]] = {
    **{f"training-{case}": lambda case=case: training(case) for case in CASES},
    "catalogue": catalogue,
    "large": large,
    "scoring-37000x100": lambda: scoring(37_000, 100),
    "scoring-37000x512": lambda: scoring(37_000, 512),
    "scoring-500000x100": lambda: scoring(500_000, 100),
    "live": lambda: live(N_ITEMS),
    "live-500000": lambda: live(500_000),
    "indices": indices,
    "start": start,
    "data": data,
}
STARTS_PROCESSES = {"start", "data"}
