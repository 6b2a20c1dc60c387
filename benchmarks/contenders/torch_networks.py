"""The networks of the contenders in PyTorch."""

import itertools
import math

import torch
from torch import nn


class Residual(nn.Module):
    """x and two convolutions of it, the second of which begins as zero."""

    def __init__(self, channels):
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, 1, 1)
        self.second = nn.Conv2d(channels, channels, 3, 1, 1)

    def forward(self, x):
        return x + self.second(torch.relu(self.first(torch.relu(x))))


def _mlp(shape):
    def layers(sizes):
        pairs = itertools.pairwise(sizes)
        return [layer for pair in pairs for layer in (nn.Linear(*pair), nn.ReLU())]

    pixels = math.prod(shape.image_shape)
    return [nn.Flatten(), *layers((pixels, *shape.units))], [
        *layers((shape.latent_dim, *shape.decoder_units)),
        nn.Linear(shape.decoder_units[-1], pixels),
        nn.Unflatten(1, (shape.channels, shape.image_size, shape.image_size)),
    ]


def _conv(shape):
    first, second = shape.units
    small = (second, shape.image_size // 4, shape.image_size // 4)
    encoder = [
        nn.Conv2d(shape.channels, first, 3, 2, 1),
        nn.ReLU(),
        nn.Conv2d(first, second, 3, 2, 1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(math.prod(small), shape.dense),
        nn.ReLU(),
    ]
    third, fourth = shape.decoder_units
    return encoder, [
        nn.Linear(shape.latent_dim, math.prod(small)),
        nn.ReLU(),
        nn.Unflatten(1, small),
        nn.ConvTranspose2d(second, third, 3, 2, 1, 1),
        nn.ReLU(),
        nn.ConvTranspose2d(third, fourth, 3, 2, 1, 1),
        nn.ReLU(),
        nn.ConvTranspose2d(fourth, shape.channels, 3, 1, 1),
    ]


def _resnet(shape):
    first, second = shape.units
    side = shape.image_size // 4
    encoder = [
        nn.Conv2d(shape.channels, first, 3, 2, 1),
        nn.ReLU(),
        nn.Conv2d(first, second, 3, 2, 1),
        Residual(second),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(second * side * side, shape.dense),
        nn.ReLU(),
    ]
    third, fourth = shape.decoder_units
    return encoder, [
        nn.Linear(shape.latent_dim, third * side * side),
        nn.Unflatten(1, (third, side, side)),
        Residual(third),
        nn.ReLU(),
        nn.ConvTranspose2d(third, fourth, 3, 2, 1, 1),
        nn.ReLU(),
        nn.ConvTranspose2d(fourth, shape.channels, 4, 2, 1),
    ]


def build(shape, seed):
    """Return an encoder to `2 * latent_dim` numbers and a decoder to logits, channels first."""
    encoder, decoder = {"mlp": _mlp, "conv": _conv, "resnet": _resnet}[shape.kind](shape)
    head = nn.Linear(shape.units[-1] if shape.kind == "mlp" else shape.dense, 2 * shape.latent_dim)
    networks = nn.Sequential(*encoder, head), nn.Sequential(*decoder)
    torch.manual_seed(seed)
    # As Keras has them.
    for module in itertools.chain(*(network.modules() for network in networks)):
        if hasattr(module, "weight"):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)
    for module in itertools.chain(*(network.modules() for network in networks)):
        if isinstance(module, Residual):
            nn.init.zeros_(module.second.weight)
    return networks
