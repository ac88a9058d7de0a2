"""One step of the network as an ONNX file, to serve it without torch."""

import contextlib
import json
import logging
import warnings
from collections.abc import Iterator

import torch
import torch.nn.functional as F  # noqa: N812  (the name that everybody knows)
from torch import Tensor, nn

from gru4rec.addresses import Location, locate, show
from gru4rec.data.vocabulary import UNKNOWN, Vocabulary
from gru4rec.errors import MissingExtraError, ModelFileError
from gru4rec.files import written_whole
from gru4rec.model.network import Network

_LARGEST = 2**31 - 2**20  # bytes; protobuf ends at 2 GiB, and the ids need some of it


def export_onnx(
    network: Network, vocabulary: Vocabulary, path: str | Location, k: int | None = None
) -> None:
    """Does what `GRU4Rec.export_onnx` does."""
    try:
        import onnxscript  # noqa: F401, PLC0415  (optional)
    except ImportError as error:
        raise MissingExtraError.of("onnx", "writing ONNX", error) from None
    path, item_ids = locate(path, ModelFileError), json.dumps(vocabulary.ids.tolist())
    step = _Step(network.to(torch.device("cpu")), None if k is None else min(k, len(vocabulary)))
    size = sum(weight.nbytes for weight in step.buffers()) + len(item_ids)
    if size > _LARGEST:
        raise ModelFileError(
            f"the model has {size / 2**30:.1f} GiB, but an ONNX file holds at most 2 GiB; train "
            "with fewer items or smaller layers, or serve it with GRU4Rec.live_session"
        )
    content = _trace(step, item_ids)
    try:
        with written_whole(path) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        raise ModelFileError(f"cannot write the model to {show(path)}: {error}") from None


class _Step(nn.Module):
    """The step as a module, which is what torch exports."""

    def __init__(self, network: Network, k: int | None) -> None:
        super().__init__()
        self._architecture = network.architecture
        self.k = k
        self._tables, self._dense = list(network.tables), list(network.dense)
        for name, weight in {**network.tables, **network.dense}.items():
            self.register_buffer(_buffer_name(name), weight)

    @property
    def network(self) -> Network:
        tables = {name: self.get_buffer(_buffer_name(name)) for name in self._tables}
        dense = {name: self.get_buffer(_buffer_name(name)) for name in self._dense}
        return Network(self._architecture, tables, dense)

    def forward(self, item: Tensor, *hidden: Tensor) -> tuple[Tensor, ...]:
        network = self.network
        # ONNX counts negative indices from the end: an unknown item reads any row, which is not
        # used then, and what is below is put beyond the end, where ONNX Runtime refuses it
        is_known = (item != UNKNOWN)[:, None]
        item = torch.where(item == UNKNOWN, 0, torch.where(item < 0, network.n_items, item))
        # these two become one operator each, where indexing and addmm become several
        x = F.embedding(item, network.tables[network.input_name])
        advanced = network.advance(x, list(hidden))
        states = [
            torch.where(is_known, new, old) for new, old in zip(advanced, hidden, strict=True)
        ]
        scores = F.linear(states[-1], network.tables["output"], network.tables["bias"])
        if self.k is None:
            return scores, *states
        best = torch.topk(scores, self.k)  # ONNX takes equal ones by index
        return best.indices, best.values, *states


def _buffer_name(weight: str) -> str:
    return weight.replace(".", "_")  # torch allows no dots


def _trace(step: _Step, item_ids: str) -> bytes:
    # two sessions stand for any number: torch takes one for a constant
    item, hidden = torch.zeros(2, dtype=torch.int64), step.network.zero_state(2)
    n_layers = len(hidden)
    answers = ["scores"] if step.k is None else ["items", "scores"]
    batch = {0: torch.export.Dim("batch")}
    with _quiet():
        program = torch.onnx.export(
            step.eval(),
            (item, *hidden),
            dynamo=True,
            verbose=False,
            input_names=["item", *(f"hidden{layer}" for layer in range(n_layers))],
            output_names=[*answers, *(f"next_hidden{layer}" for layer in range(n_layers))],
            dynamic_shapes=(batch, (batch,) * n_layers),
        )
    assert program is not None  # noqa: S101  (of the signature of other exporters)
    program.model.metadata_props["item_ids"] = item_ids
    return bytes(program.model_proto.SerializeToString())


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps what torch says of its own insides, and of torchvision, to itself."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
