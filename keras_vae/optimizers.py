"""Optimisers that suit the layers around z."""

import re

import keras

from keras_vae.checks import integer, message


def muon(vae, learning_rate=3e-3, max_side=128, **options):
    """Return Muon for the small matrices of a VAE, with Adam for its other weights.

    Muon replaces the momentum of a matrix by the nearest orthogonal one, which takes time with
    the cube of its shorter side (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon).
    The matrices before and after z and those of flows are small, and gain most.

    Args:
        vae: `keras_vae.VAE`, built.
        learning_rate: float > 0 or a schedule of `keras.optimizers.schedules`, of both.
        max_side: int >= 1, the largest shorter side of a matrix that Muon updates.
        **options: further arguments of `keras.optimizers.Muon`.

    Returns:
        `keras.optimizers.Muon`, without weight decay unless `options` say otherwise.

    Raises:
        ValueError: if the VAE has no weights yet, or `max_side` is out of range.

    Example:

    >>> import keras_vae as kv
    >>> vae = kv.VAE(
    ...     encoder=kv.networks.mlp_encoder((8, 8, 1), 2, units=(300,)),
    ...     decoder=kv.networks.mlp_decoder((8, 8, 1), 2, units=(300,)),
    ... )
    >>> vae.compile(muon(vae, learning_rate=1e-3))
    """
    integer("max_side", max_side, 1)
    if not vae.trainable_weights:
        raise ValueError(
            message(
                "`vae` must have weights", "a VAE that is not built", "Call it on a batch first."
            )
        )
    large = [
        f"^{re.escape(weight.path)}$"
        for weight in vae.trainable_weights
        if len(weight.shape) == 2 and min(weight.shape) > max_side
    ]
    excluded = {"exclude_layers": [*options.pop("exclude_layers", []), *large]}
    without_decay = {"weight_decay": None, "adam_weight_decay": None}
    return keras.optimizers.Muon(learning_rate, **{**without_decay, **options, **excluded})
