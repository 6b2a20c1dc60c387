"""The VAE of Keras tutorials: NumPy arrays, `compile(optimizer)`, a custom `train_step`."""

import math

import keras
import numpy as np
import tensorflow as tf
from in_keras import AskedFor, FirstStep
from keras import layers, ops
from protocol import Rounds


class Sampling(layers.Layer):
    """z = mean + exp(log-variance / 2) * epsilon."""

    def __init__(self):
        super().__init__()
        self.seed_generator = keras.random.SeedGenerator(0)

    def call(self, inputs):
        z_mean, z_log_var = inputs
        noise = keras.random.normal(ops.shape(z_mean), seed=self.seed_generator)
        return z_mean + ops.exp(0.5 * z_log_var) * noise


class VAE(keras.Model):
    """Encoder, decoder and their loss, of pixels that are drawn anew where `binarize` says so."""

    def __init__(self, encoder, decoder, binarize):
        super().__init__()
        self.encoder, self.decoder, self.binarize = encoder, decoder, binarize
        names = ("loss", "reconstruction_loss", "kl_loss")
        self.trackers = [keras.metrics.Mean(name=name) for name in names]

    @property
    def metrics(self):
        return self.trackers

    def losses_of(self, data):
        z_mean, z_log_var, z = self.encoder(data)
        # Keras takes the mean over the last axis, the channels.
        entropy = keras.losses.binary_crossentropy(data, self.decoder(z)) * data.shape[-1]
        reconstruction = ops.mean(ops.sum(entropy, axis=(1, 2)))
        kl = -0.5 * (1 + z_log_var - ops.square(z_mean) - ops.exp(z_log_var))
        kl = ops.mean(ops.sum(kl, axis=1))
        return reconstruction + kl, reconstruction, kl

    def train_step(self, data):
        if self.binarize:
            data = ops.cast(keras.random.uniform(ops.shape(data)) < data, "float32")
        with tf.GradientTape() as tape:
            loss, reconstruction, kl = self.losses_of(data)
        gradients = tape.gradient(loss, self.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights))
        for tracker, value in zip(self.trackers, (loss, reconstruction, kl)):
            tracker.update_state(value)
        return {tracker.name: tracker.result() for tracker in self.trackers}

    def test_step(self, data):
        loss, *_ = self.losses_of(data)
        self.trackers[0].update_state(loss)
        return {"loss": self.trackers[0].result()}


def residual(x, activation="relu"):
    hidden = layers.Activation(activation)(x)
    hidden = layers.Conv2D(x.shape[-1], 3, padding="same")(hidden)
    hidden = layers.Activation(activation)(hidden)
    hidden = layers.Conv2D(x.shape[-1], 3, padding="same", kernel_initializer="zeros")(hidden)
    return layers.Add()([x, hidden])


def mlp(image, latent, shape):
    x, y = layers.Flatten()(image), latent
    for units in shape.units:
        x = layers.Dense(units, "relu")(x)
    for units in shape.decoder_units:
        y = layers.Dense(units, "relu")(y)
    pixels = math.prod(shape.image_shape)
    y = layers.Reshape(shape.image_shape)(layers.Dense(pixels)(y))
    # Last, where Keras sees that its cross-entropy can be that of logits.
    return x, layers.Activation("sigmoid")(y)


def conv(image, latent, shape):
    x = image
    for filters in shape.units:
        x = layers.Conv2D(filters, 3, 2, "same", activation="relu")(x)
    small = x.shape[1:]
    x = layers.Dense(shape.dense, "relu")(layers.Flatten()(x))
    y = layers.Dense(math.prod(small), "relu")(latent)
    y = layers.Reshape(small)(y)
    for filters in shape.decoder_units:
        y = layers.Conv2DTranspose(filters, 3, 2, "same", activation="relu")(y)
    channels = shape.channels
    return x, layers.Conv2DTranspose(channels, 3, 1, "same", activation="sigmoid")(y)


def resnet(image, latent, shape):
    x = image
    for filters in shape.units:
        x = layers.Conv2D(filters, 3, 2, "same")(x)
        x = layers.Activation("relu")(residual(x) if filters == shape.units[-1] else x)
    small = x.shape[1:-1]
    x = layers.Dense(shape.dense, "relu")(layers.Flatten()(x))
    first, second = shape.decoder_units
    y = layers.Reshape((*small, first))(layers.Dense(math.prod(small) * first)(latent))
    y = layers.Activation("relu")(residual(y))
    y = layers.Activation("relu")(layers.Conv2DTranspose(second, 3, 2, "same")(y))
    return x, layers.Conv2DTranspose(shape.channels, 4, 2, "same", activation="sigmoid")(y)


def build(shape, binarize):
    image, latent = keras.Input(shape.image_shape), keras.Input((shape.latent_dim,))
    x, y = {"mlp": mlp, "conv": conv, "resnet": resnet}[shape.kind](image, latent, shape)
    z_mean, z_log_var = layers.Dense(shape.latent_dim)(x), layers.Dense(shape.latent_dim)(x)
    encoder = keras.Model(image, [z_mean, z_log_var, Sampling()([z_mean, z_log_var])])
    return VAE(encoder, keras.Model(latent, y), binarize)


def main():
    rounds = Rounds()
    keras.config.set_dtype_policy(rounds.policy)
    rounds.begin()
    keras.utils.set_random_seed(rounds.seed)
    x = rounds.images().astype("float32") / 255
    validation = rounds.validation()
    vae = build(rounds.shape, binarize=validation is not None)
    vae.compile(optimizer=keras.optimizers.Adam(1e-3))

    rounds.parameters = sum(np.prod(weight.shape) for weight in vae.trainable_weights)

    def validate():
        return vae.evaluate(np.float32(validation / 255.0), verbose=0, return_dict=True)["loss"]

    vae.fit(
        x,
        epochs=rounds.epochs,
        batch_size=rounds.shape.batch_size,
        verbose=0,
        callbacks=[AskedFor(rounds, validate), FirstStep(rounds)],
    )


if __name__ == "__main__":
    main()
