"""The VAE of Keras tutorials: NumPy arrays, `compile(optimizer)`, a custom `train_step`."""

import keras
import tensorflow as tf
from in_keras import AskedFor
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
    """Encoder, decoder and their loss."""

    def __init__(self, encoder, decoder):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        names = ("loss", "reconstruction_loss", "kl_loss")
        self.trackers = [keras.metrics.Mean(name=name) for name in names]

    @property
    def metrics(self):
        return self.trackers

    def train_step(self, data):
        with tf.GradientTape() as tape:
            z_mean, z_log_var, z = self.encoder(data)
            found = self.decoder(z)
            entropy = keras.losses.binary_crossentropy(data, found)
            reconstruction = ops.mean(ops.sum(entropy, axis=(1, 2)))
            kl = -0.5 * (1 + z_log_var - ops.square(z_mean) - ops.exp(z_log_var))
            kl = ops.mean(ops.sum(kl, axis=1))
            loss = reconstruction + kl
        gradients = tape.gradient(loss, self.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights))
        for tracker, value in zip(self.trackers, (loss, reconstruction, kl)):
            tracker.update_state(value)
        return {tracker.name: tracker.result() for tracker in self.trackers}


def build(shape, image_shape):
    inputs = keras.Input(image_shape)
    latent = keras.Input((shape.latent_dim,))
    if shape.kind == "mlp":
        x, y = layers.Flatten()(inputs), latent
        for units in shape.units:
            x = layers.Dense(units, "relu")(x)
        for units in shape.units[::-1]:
            y = layers.Dense(units, "relu")(y)
        pixels = image_shape[0] * image_shape[1] * image_shape[2]
        y = layers.Reshape(image_shape)(layers.Dense(pixels, "sigmoid")(y))
    else:
        x = inputs
        for filters in shape.units:
            x = layers.Conv2D(filters, 3, 2, "same", activation="relu")(x)
        small = x.shape[1:]
        x = layers.Dense(shape.dense, "relu")(layers.Flatten()(x))
        y = layers.Dense(small[0] * small[1] * small[2], "relu")(latent)
        y = layers.Reshape(small)(y)
        for filters in shape.units[::-1]:
            y = layers.Conv2DTranspose(filters, 3, 2, "same", activation="relu")(y)
        y = layers.Conv2DTranspose(image_shape[-1], 3, 1, "same", activation="sigmoid")(y)
    z_mean, z_log_var = layers.Dense(shape.latent_dim)(x), layers.Dense(shape.latent_dim)(x)
    encoder = keras.Model(inputs, [z_mean, z_log_var, Sampling()([z_mean, z_log_var])])
    return VAE(encoder, keras.Model(latent, y))


def main():
    rounds = Rounds()
    keras.config.set_dtype_policy(rounds.policy)
    x = rounds.images().astype("float32") / 255
    vae = build(rounds.shape, x.shape[1:])
    vae.compile(optimizer=keras.optimizers.Adam(1e-3))
    vae.fit(
        x,
        epochs=rounds.epochs + 1,
        batch_size=rounds.shape.batch_size,
        verbose=0,
        callbacks=[AskedFor(rounds)],
    )


if __name__ == "__main__":
    main()
