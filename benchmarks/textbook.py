"""The VAE that the texts train: what this package is compared with, built from Keras alone."""

import keras
import tensorflow as tf
from keras import layers, ops


def conv_networks(latent_dim=2):
    """Return the encoder and the decoder of the texts for 28x28 grey images."""
    image = keras.Input((28, 28, 1))
    x = image
    for filters in (32, 64):
        x = layers.Conv2D(filters, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.Dense(16, activation="relu")(layers.Flatten()(x))
    encoder = keras.Model(image, [layers.Dense(latent_dim)(x), layers.Dense(latent_dim)(x)])
    z = keras.Input((latent_dim,))
    x = layers.Reshape((7, 7, 64))(layers.Dense(7 * 7 * 64, activation="relu")(z))
    for filters in (64, 32):
        x = layers.Conv2DTranspose(filters, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.Conv2DTranspose(1, 3, padding="same", activation="sigmoid")(x)
    return encoder, keras.Model(z, x)


class TextbookVAE(keras.Model):
    """Cross-entropy of grey pixels plus KL, with a custom `train_step`."""

    def __init__(self, encoder, decoder, seed):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.noise = keras.random.SeedGenerator(seed)
        self.trackers = [keras.metrics.Mean(name=name) for name in ("loss", "kl_loss")]

    @property
    def metrics(self):
        return self.trackers

    def train_step(self, x):
        with tf.GradientTape() as tape:
            z_mean, z_log_var = self.encoder(x)
            noise = keras.random.normal(ops.shape(z_mean), seed=self.noise)
            reconstruction = self.decoder(z_mean + ops.exp(0.5 * z_log_var) * noise)
            cross_entropy = keras.losses.binary_crossentropy(x, reconstruction)
            kl = -0.5 * (1.0 + z_log_var - ops.square(z_mean) - ops.exp(z_log_var))
            kl_loss = ops.mean(ops.sum(kl, axis=1))
            loss = ops.mean(ops.sum(cross_entropy, axis=(1, 2))) + kl_loss
        gradients = tape.gradient(loss, self.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
        for tracker, value in zip(self.trackers, (loss, kl_loss), strict=True):
            tracker.update_state(value)
        return {tracker.name: tracker.result() for tracker in self.trackers}


def networks_of(seed):
    """Return the networks with the initial weights of a seed of Keras."""
    keras.utils.set_random_seed(seed)
    return conv_networks()


def loss_after(x, epochs, seed):
    """Return the training loss of the last epoch on images x `(N, 28, 28, 1)`."""
    vae = TextbookVAE(*networks_of(seed), seed)
    vae.compile(optimizer="adam", jit_compile=False)
    return vae.fit(x, epochs=epochs, batch_size=128, verbose=0).history["loss"][-1]
