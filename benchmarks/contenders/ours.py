"""This package with its defaults: what a user writes who has read the README."""

import keras
from in_keras import AskedFor
from protocol import Rounds

import keras_vae as kv


def build(shape, data):
    """Return the VAE of a `protocol.Shape`."""
    image, size = data.image_shape, shape.latent_dim
    if shape.kind == "mlp":
        encoder = kv.networks.mlp_encoder(image, size, units=shape.units, seed=0)
        decoder = kv.networks.mlp_decoder(image, size, units=shape.units[::-1], seed=1)
    else:
        encoder = kv.networks.conv_encoder(image, size, shape.units, units=shape.dense, seed=0)
        decoder = kv.networks.conv_decoder(image, size, shape.units[::-1], seed=1)
    return kv.VAE(encoder, decoder, seed=2)


def main():
    rounds = Rounds()
    keras.config.set_dtype_policy(rounds.policy)
    data = kv.data.load(
        rounds.images(), rounds.shape.batch_size, validation_fraction=0, test_fraction=0
    )
    vae = build(rounds.shape, data)
    vae.compile(keras.optimizers.Adam(1e-3))
    vae.fit(data.train, epochs=rounds.epochs + 1, verbose=0, callbacks=[AskedFor(rounds)])


if __name__ == "__main__":
    main()
