"""Optimisers that suit the layers around z."""

import math
import re

import keras

from keras_vae.checks import integer, message


def muon(vae, learning_rate=3e-3, max_cost=4_000_000, **options):
    """Return Muon for the small matrices of a VAE, with Adam for its other weights.

    Muon replaces the momentum of a matrix by about the nearest orthogonal one, by iterations that
    cost its longer side times the square of its shorter one, whatever the batch (Jordan et al.
    2024, https://kellerjordan.github.io/posts/muon). Those before and after z cost little.

    Args:
        vae: `keras_vae.VAE`, built.
        learning_rate: float > 0 or a schedule of `keras.optimizers.schedules`, of both.
        max_cost: int >= 1, the largest longer side times squared shorter side of a matrix that
            Muon updates: by default it takes one of 128 x 128, and none of 784 x 400.
        **options: further arguments of `keras.optimizers.Muon`.

    Returns:
        `keras.optimizers.Muon`, without weight decay unless `options` say otherwise.

    Raises:
        ValueError: if the VAE is not built, or `max_cost` is out of range.

    Example:

    >>> import keras_vae as kv
    >>> vae = kv.VAE(
    ...     encoder=kv.networks.mlp_encoder((8, 8, 1), 2, units=(300,)),
    ...     decoder=kv.networks.mlp_decoder((8, 8, 1), 2, units=(300,)),
    ... )
    >>> vae.compile(muon(vae, learning_rate=1e-3))
    """
    integer("max_cost", max_cost, 1)
    if not vae.built:
        raise ValueError(
            message(
                "`vae` must have its weights",
                "a VAE that is not built",
                "Call it on a batch first.",
            )
        )
    others = [
        # Of a model that is read from a file, paths begin without its name.
        rf"^({re.escape(vae.name)}/)?{re.escape(weight.path.removeprefix(f'{vae.name}/'))}$"
        for weight in vae.trainable_weights
        if len(weight.shape) == 2 and not _is_small_kernel(weight, max_cost)
    ]
    given = options.pop("exclude_layers", None) or []
    excluded = {"exclude_layers": [*([given] if isinstance(given, str) else given), *others]}
    without_decay = {"weight_decay": None, "adam_weight_decay": None}
    return keras.optimizers.Muon(learning_rate, **{**without_decay, **options, **excluded})


def _is_small_kernel(weight, max_cost):
    """Return whether a matrix is that of a layer, not a table of means, and cheap enough."""
    cost = math.prod(weight.shape) * min(weight.shape)
    return "kernel" in weight.path.rpartition("/")[2] and cost <= max_cost
