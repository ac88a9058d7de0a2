"""LitServe with the model, as its documentation does it: `python -m … MODEL PORT`.

It gathers requests in batches as it can, and one process computes beside the one that answers.
"""

import sys
from typing import Any

import litserve
import torch

from gru4rec import GRU4Rec


class Recommender(litserve.LitAPI):
    """The next 20 items of a session that is given as a whole."""

    def setup(self, device: str) -> None:
        """Loads the model."""
        torch.set_num_threads(1)
        self.gru = GRU4Rec.load(sys.argv[1], device=device)

    def decode_request(self, request: dict[str, Any]) -> list[Any]:
        """Takes the session."""
        return list(request["items"])

    def batch(self, inputs: list[list[Any]]) -> list[list[Any]]:
        """Sessions go together as they are."""
        return inputs

    def predict(self, x: list[list[Any]]) -> list[list[dict[str, Any]]]:
        """Recommends to all sessions of a batch at once."""
        best = self.gru.recommend(x, k=20)
        columns = (best[name].tolist() for name in ("session", "item", "score"))
        rows: list[list[dict[str, Any]]] = [[] for _ in x]
        for session, item, score in zip(*columns, strict=True):
            rows[session].append({"item": item, "score": score})
        return rows

    def unbatch(self, output: list[list[dict[str, Any]]]) -> list[list[dict[str, Any]]]:
        """A list for each session."""
        return output

    def encode_response(self, output: list[dict[str, Any]]) -> dict[str, Any]:
        """Gives the items."""
        return {"items": output}


if __name__ == "__main__":
    api = Recommender(max_batch_size=64, batch_timeout=0.001)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1)
    port = int(sys.argv[2])
    server.run(host="127.0.0.1", port=port, generate_client_file=False, log_level="warning")
