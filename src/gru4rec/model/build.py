"""What the options of a model ask for: sizes, an optimiser, a source of randomness."""

import torch

from gru4rec.config import ModelConfig
from gru4rec.model.network import Architecture, Network
from gru4rec.model.optimizer import Adagrad


def architecture_of(config: ModelConfig) -> Architecture:
    """Returns the sizes that the options ask for."""
    embedding = config.layers[0] if config.embedding == "layersize" else config.embedding
    return Architecture(tuple(config.layers), embedding, config.constrained_embedding)


def make_optimizer(network: Network, config: ModelConfig) -> Adagrad:
    """Returns an optimiser without history for all tensors of the network."""
    parameters = {**network.tables, **network.dense}
    return Adagrad(parameters, config.learning_rate, config.momentum)


def new_generator(seed: int, device: torch.device) -> torch.Generator:
    """Returns the source of randomness of a training on a device."""
    return torch.Generator(device).manual_seed(seed)
