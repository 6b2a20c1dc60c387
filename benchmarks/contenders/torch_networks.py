"""The networks of the contenders in PyTorch."""

import itertools

import torch
from torch import nn


def build(shape, image_shape):
    """Return an encoder to `2 * latent_dim` numbers and a decoder to logits, channels first."""
    height, width, channels = image_shape
    pixels = height * width * channels
    if shape.kind == "mlp":
        sizes = (pixels, *shape.units)
        encoder = [nn.Flatten()]
        for one, other in itertools.pairwise(sizes):
            encoder += [nn.Linear(one, other), nn.ReLU()]
        sizes = (shape.latent_dim, *shape.units[::-1])
        decoder = []
        for one, other in itertools.pairwise(sizes):
            decoder += [nn.Linear(one, other), nn.ReLU()]
        decoder += [
            nn.Linear(shape.units[0], pixels),
            nn.Unflatten(1, (channels, height, width)),
        ]
        last = shape.units[-1]
    else:
        first, second = shape.units
        small = (second, height // 4, width // 4)
        flat = small[0] * small[1] * small[2]
        encoder = [
            nn.Conv2d(channels, first, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(first, second, 3, 2, 1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(flat, shape.dense),
            nn.ReLU(),
        ]
        decoder = [
            nn.Linear(shape.latent_dim, flat),
            nn.ReLU(),
            nn.Unflatten(1, small),
            nn.ConvTranspose2d(second, second, 3, 2, 1, 1),
            nn.ReLU(),
            nn.ConvTranspose2d(second, first, 3, 2, 1, 1),
            nn.ReLU(),
            nn.ConvTranspose2d(first, channels, 3, 1, 1),
        ]
        last = shape.dense
    for layer in encoder + decoder:
        if hasattr(layer, "weight"):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
    head = nn.Linear(last, 2 * shape.latent_dim)
    nn.init.xavier_uniform_(head.weight)
    nn.init.zeros_(head.bias)
    torch.manual_seed(0)
    return nn.Sequential(*encoder, head), nn.Sequential(*decoder)
