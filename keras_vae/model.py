"""The variational autoencoder: a `keras.Model` composed of an encoder, a decoder and parts."""

import keras
import tensorflow as tf
from keras import ops

from keras_vae import bounds, likelihoods, objectives, posteriors, priors, random
from keras_vae.callbacks import complete
from keras_vae.checks import integer, message, number
from keras_vae.objectives import Terms
from keras_vae.registry import register
from keras_vae.shapes import as_network, check_networks, event_shape_of

_GENERATE_CHUNK = 512


@register
class VAE(keras.Model):
    """Variational autoencoder (Kingma & Welling 2014, https://arxiv.org/abs/1312.6114).

    Training minimises -ELBO = -E_q[log p(x|z)] + KL(q(z|x) || p(z)) over encoder and decoder
    together, in nats per example.

    Args:
        encoder: `keras.Model`, x to `(z_mean, z_log_var)`, each `(B, D)`.
        decoder: `keras.Model`, z `(B, D)` to the likelihood's parameters (logits).
        likelihood: str or `Likelihood`, p(x|z): "bernoulli" or "gaussian".
        prior: str or `Prior`, p(z): "standard_normal".
        objective: str or `Objective`: "elbo".
        posterior: str or `DiagonalGaussian`, the family of q(z|x).
        seed: int or None, the seed of the noise in training and evaluation.

    Input shape:
        `(B, *event)`, float32.

    Output shape:
        `(B, *event)`: the reconstruction. It draws z only with `training=True`.

    Raises:
        ValueError: if a part is unknown or the networks' shapes do not fit together.

    Example:

    >>> import numpy as np
    >>> from keras_vae import networks
    >>> shape = (8, 8, 1)
    >>> vae = VAE(networks.mlp_encoder(shape, 2), networks.mlp_decoder(shape, 2), seed=0)
    >>> vae.compile(optimizer="adam")
    >>> history = vae.fit(np.zeros((32, *shape), "float32"), epochs=1, verbose=0)
    >>> sorted(history.history)
    ['kl_loss', 'loss', 'reconstruction_loss']
    """

    def __init__(
        self,
        encoder,
        decoder,
        likelihood="bernoulli",
        prior="standard_normal",
        objective="elbo",
        posterior="diagonal_gaussian",
        seed=None,
        **kwargs,
    ):
        # Inputs stay float32 under a mixed policy: the likelihood reads them.
        super().__init__(autocast=False, **kwargs)
        self.encoder = as_network("encoder", encoder)
        self.decoder = as_network("decoder", decoder)
        self.likelihood = likelihoods.get(likelihood)
        self.prior = priors.get(prior)
        self.objective = objectives.get(objective)
        self.posterior = posteriors.get(posterior)
        self.seed = None if seed is None else integer("seed", seed, -(2**63))
        self._noise_seed = random.fresh_seed() if seed is None else self.seed
        self._call_noise = keras.random.SeedGenerator(self._noise_seed % 2**31)
        self._trackers = [
            keras.metrics.Mean(name=name) for name in ("loss", "reconstruction_loss", "kl_loss")
        ]
        event_shape = event_shape_of(self.encoder)
        if event_shape is not None:
            self.build((None, *event_shape))

    def build(self, input_shape):
        self.event_shape = tuple(input_shape[1:])
        self.latent_dim = check_networks(
            self.encoder, self.decoder, self.event_shape, self.likelihood
        )
        for part in (self.likelihood, self.prior, self.objective, self.posterior):
            if not part.built:
                part.build((None, self.latent_dim))
        self.built = True

    def call(self, inputs, training=None):
        posterior = self.encode(inputs, training=training)
        if not training:
            return self.decode(self.posterior.embed(posterior))
        shape = (1, *ops.shape(posterior.z_mean))
        noise = keras.random.normal(shape, dtype="float32", seed=self._call_noise)
        z, _ = self.posterior.sample(posterior, noise)
        return self.likelihood.mean(self._params(z, training=True))[0]

    def encode(self, x, training=False):
        """Return q(z|x): `Posterior(z_mean, z_log_var)`, each `(B, D)` float32."""
        x = ops.convert_to_tensor(x, "float32")
        return self.posterior.parameters(self.encoder(x, training=training))

    def decode(self, z):
        """Return the mean of p(x|z), `(B, *event)`, for z `(B, D)`."""
        params = self.decoder(ops.convert_to_tensor(z, "float32"), training=False)
        return self.likelihood.mean(ops.cast(params, "float32"))

    def embed(self, x):
        """Return the centre of q(z|x), `(B, D)`."""
        return self.posterior.embed(self.encode(x))

    def reconstruct(self, x):
        """Return the decoded centre of q(z|x), `(B, *event)`: no random number is drawn."""
        return self.decode(self.embed(x))

    def generate(self, n=1, temperature=1.0, seed=None):
        """Generate images: means of p(x|z) for draws of z from the prior.

        Args:
            n: int >= 1, how many.
            temperature: float >= 0, which scales the spread of the prior; 0 gives its centre.
            seed: None, int, or n row seeds (int32). One seed gives the same images here and
                in every exported file.

        Output shape:
            `(n, *event)`.

        Raises:
            ValueError: if an argument is out of its range.
        """
        integer("n", n, 1)
        temperature = number("temperature", temperature, minimum=0)
        seeds = random.as_row_seeds(seed, n)
        chunks = [seeds[start : start + _GENERATE_CHUNK] for start in range(0, n, _GENERATE_CHUNK)]
        images = [
            self.decode(self.prior.sample(len(chunk), chunk, temperature)) for chunk in chunks
        ]
        return ops.concatenate(images) if len(images) > 1 else images[0]

    def elbo(self, x, num_samples=1, seed=None, chunk_size=None):
        """Return the evidence lower bound of each example; see `keras_vae.bounds.elbo`."""
        return bounds.elbo(self, x, num_samples, seed, chunk_size)

    def log_prob(self, x, num_samples=500, seed=None, chunk_size=None):
        """Return the importance-weighted bound on log p(x); see `keras_vae.bounds.log_prob`."""
        return bounds.log_prob(self, x, num_samples, seed, chunk_size)

    def terms(self, x, noise, training=False):
        """Return the `Terms` of the bound for x `(B, *event)` and noise `(K, B, D)`."""
        posterior = self.encode(x, training=training)
        z, log_qz = self.posterior.sample(posterior, noise)
        return Terms(
            log_px=self.likelihood.log_prob(x, self._params(z, training)),
            log_pz=self.prior.log_prob(z),
            log_qz=log_qz,
            kl=self.prior.kl(*posterior),
            z=z,
            z_mean=posterior.z_mean,
            z_log_var=posterior.z_log_var,
        )

    @tf.function(reduce_retracing=True)
    def seeded_terms(self, x, seeds, samples):
        """Return the `Terms` of x for row seeds `(B,)` and indices of draws `(K,)`, compiled."""
        return self.terms(x, random.normals(seeds, self.latent_dim, samples))

    def compile(self, optimizer="adam", loss=None, *, jit_compile="auto", **kwargs):
        """Configure training as `keras.Model.compile` does, but for losses and metrics.

        Args:
            optimizer: str or `keras.optimizers.Optimizer`.
            loss: must be None, as `metrics` and their weights: likelihood, prior and objective
                are the loss.
            jit_compile: bool or "auto", which means XLA on accelerators only: on a CPU it was
                measured to be slower for convolutions.
            **kwargs: Keras's own.

        Raises:
            ValueError: if a loss or metrics are given.
        """
        for name in ("loss", "loss_weights", "metrics", "weighted_metrics"):
            value = loss if name == "loss" else kwargs.get(name)
            if value is not None:
                raise ValueError(
                    message(
                        f"`compile({name}=...)` does not apply to a VAE, whose loss is the "
                        "negative ELBO of its likelihood, prior and objective",
                        f"{name}={value!r}",
                        'Choose them in the constructor, such as VAE(..., likelihood="gaussian").',
                    )
                )
        if jit_compile == "auto" and not tf.config.list_physical_devices("GPU"):
            jit_compile = False
        super().compile(optimizer=optimizer, jit_compile=jit_compile, **kwargs)

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    def fit(
        self, x=None, y=None, batch_size=None, epochs=1, verbose="auto", callbacks=None, **kwargs
    ):
        """Train as `keras.Model.fit` does; training that turns NaN stops, see `StopOnNaN`."""
        if isinstance(x, tf.data.Dataset):
            # A data set brings its own order, and Keras warns of its own default.
            kwargs.setdefault("shuffle", False)
        return super().fit(
            x,
            y,
            batch_size=batch_size,
            epochs=epochs,
            verbose=verbose,
            callbacks=complete(callbacks, x),
            **kwargs,
        )

    @property
    def metrics(self):
        return list(self._trackers)

    def train_step(self, data):
        x, _, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        with tf.GradientTape() as tape:
            noise = self._training_noise(ops.shape(x)[0], self.optimizer.iterations)
            terms = self.terms(x, noise, training=True)
            report = self.objective.report()
            per_example = _weigh(self.objective(terms, training=True), sample_weight)
            loss = ops.mean(per_example) + sum(self.losses)
            scaled_loss = self.optimizer.scale_loss(loss / replicas)
        gradients = tape.gradient(scaled_loss, self.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
        return {**self._update_trackers(per_example, terms), **report}

    def test_step(self, data):
        x, _, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        # The rows seen so far number the draws, so that the batch size changes none of them.
        first_row = ops.cast(self._trackers[0].count, "int32")
        rows = first_row + ops.arange(ops.shape(x)[0], dtype="int32")
        noise = random.normals(
            random.row_seeds_at(self._noise_seed, rows),
            self.latent_dim,
            ops.arange(self.objective.num_samples, dtype="int32"),
        )
        terms = self.terms(x, noise)
        return self._update_trackers(_weigh(self.objective(terms), sample_weight), terms)

    def get_config(self):
        parts = ("encoder", "decoder", "likelihood", "prior", "objective", "posterior")
        config = {name: keras.saving.serialize_keras_object(getattr(self, name)) for name in parts}
        return {**super().get_config(), **config, "seed": self.seed}

    def _params(self, z, training):
        """Return the decoder's output for z `(K, B, D)`: `(K, B, *params_shape)` in float32."""
        samples, rows, latent_dim = ops.shape(z)
        flat = self.decoder(ops.reshape(z, (-1, latent_dim)), training=training)
        return ops.cast(ops.reshape(flat, (samples, rows, *flat.shape[1:])), "float32")

    def _training_noise(self, num_rows, step):
        """Return noise `(K, B, D)`: a function of (seed, step, row of the global batch)."""
        context = tf.distribute.get_replica_context()
        replica, replicas = 0, 1
        if context is not None:
            replica, replicas = context.replica_id_in_sync_group, context.num_replicas_in_sync
        noise = tf.random.stateless_normal(
            (num_rows * replicas, self.objective.num_samples, self.latent_dim),
            seed=tf.stack([tf.constant(self._noise_seed, tf.int64), tf.cast(step, tf.int64)]),
            alg="philox",
        )
        if replicas > 1:
            noise = tf.slice(noise, [replica * num_rows, 0, 0], [num_rows, -1, -1])
        return tf.transpose(noise, (1, 0, 2))

    def _update_trackers(self, per_example, terms):
        values = (per_example, terms.reconstruction_loss, terms.kl_estimate)
        for tracker, value in zip(self._trackers, values, strict=True):
            tracker.update_state(value)
        return {tracker.name: tracker.result() for tracker in self._trackers}


def _weigh(per_example, sample_weight):
    if sample_weight is None:
        return per_example
    weight = ops.cast(ops.reshape(sample_weight, (-1,)), per_example.dtype)
    return per_example * weight
