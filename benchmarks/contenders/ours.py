"""This package with its defaults: what a user writes who has read the README."""

import pathlib
import sys

import keras
import numpy as np
from in_keras import AskedFor, FirstStep
from protocol import Rounds

import keras_vae as kv


def build(shape, seed=0):
    """Return the VAE of a `protocol.Shape`."""
    encoder, decoder = {"units": shape.units}, {"units": shape.decoder_units}
    if shape.kind != "mlp":
        encoder = {"filters": shape.units, "units": shape.dense}
        decoder = {"filters": shape.decoder_units}
    sides = (("encoder", encoder), ("decoder", decoder))
    networks = (
        getattr(kv.networks, f"{shape.kind}_{side}")(
            shape.image_shape, shape.latent_dim, seed=3 * seed + number, **options
        )
        for number, (side, options) in enumerate(sides)
    )
    return kv.VAE(*networks, seed=3 * seed + 2)


def main():
    rounds = Rounds()
    row = None
    if rounds.recipe == "own":
        sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
        from rows import QUICK

        row = QUICK._replace(epochs=rounds.epochs)
    keras.config.set_dtype_policy(rounds.policy)
    rounds.begin()
    validation = rounds.validation()
    data = kv.data.load(
        rounds.images(),
        row.batch_size if row else rounds.shape.batch_size,
        binarize="none" if validation is None else "dynamic",
        validation_fraction=0,
        test_fraction=0,
        shuffle_seed=rounds.seed,
    )
    if row:
        vae = row.build(data, seed=5 * rounds.seed)
        vae.compile(row.optimizer(vae, row.epochs * len(data.train)), jit_compile=row.jit_compile)
    else:
        vae = build(rounds.shape, rounds.seed)
        vae.compile(keras.optimizers.Adam(1e-3))

    rounds.parameters = sum(np.prod(weight.shape) for weight in vae.trainable_weights)

    def validate():
        return -np.mean(vae.elbo(np.float32(validation / 255.0), seed=0))

    callbacks = [AskedFor(rounds, validate), FirstStep(rounds)]
    vae.fit(data.train, epochs=rounds.epochs, verbose=0, callbacks=callbacks)


if __name__ == "__main__":
    main()
