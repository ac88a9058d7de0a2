"""What tests of training steps compare."""

import torch
from hypothesis import strategies as st

from gru4rec.config import ModelConfig
from gru4rec.model.build import architecture_of, make_optimizer, new_generator
from gru4rec.model.losses import LOSSES
from gru4rec.model.network import Dropout, new_network, seeded_draw

# what a configuration has beside its layers
OPTIONS = {
    "loss": st.sampled_from([*LOSSES]),
    "batch_size": st.integers(2, 7),
    "dropout_p_embed": st.sampled_from([0.0, 0.4]),
    "dropout_p_hidden": st.sampled_from([0.0, 0.3]),
    "learning_rate": st.sampled_from([0.01, 0.1]),
    "momentum": st.sampled_from([0.0, 0.5]),
    "sample_alpha": st.sampled_from([0.0, 0.7]),
    "n_sample": st.sampled_from([0, 1, 20]),
    "embedding": st.sampled_from([0, 5]),
    "constrained_embedding": st.booleans(),
    "bpreg": st.sampled_from([0.0, 1.0]),
    "elu_param": st.sampled_from([0.0, 0.5]),
    "logq": st.sampled_from([0.0, 1.0, 40.0]),
}


def run(
    kind: type, config: ModelConfig, n_items: int, seed: int, dtype: torch.dtype = torch.float32
) -> list[torch.Tensor]:
    """Trains a few steps with a batch that shrinks; returns all that training changes."""
    cpu = torch.device("cpu")
    network = new_network(architecture_of(config), n_items, seeded_draw(new_generator(seed, cpu)))
    for named in (network.tables, network.dense):
        named.update({name: tensor.to(dtype) for name, tensor in named.items()})
    adagrad = make_optimizer(network, config)
    dropout = Dropout(config.dropout_p_embed, config.dropout_p_hidden, new_generator(seed, cpu))
    log_counts = torch.log(torch.arange(1, n_items + 1).to(dtype))
    step = kind(network, adagrad, config, dropout, log_counts)
    draws = torch.Generator().manual_seed(seed)
    hidden = network.zero_state(config.batch_size)
    losses = []
    for n in (config.batch_size, config.batch_size, 2):
        hidden = [h[:n] for h in hidden]
        inputs, targets, negatives = (
            torch.randint(0, n_items, (size,), generator=draws) for size in (n, n, config.n_sample)
        )
        loss, hidden = step(inputs, targets, negatives, hidden)
        losses.append(loss)
    tensors = (network.tables, network.dense, adagrad.accumulators, adagrad.velocities)
    return [torch.stack(losses), *hidden, *(t for named in tensors for t in named.values())]
