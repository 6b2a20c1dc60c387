"""What `compile`, `fit` and `evaluate` do with a model of p(x) that has an objective."""

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_vae import random
from keras_vae.callbacks import complete
from keras_vae.checks import message
from keras_vae.shapes import check_event


class TrainableModel(keras.Model):
    """The training half of a VAE: noise, steps, trackers and what surrounds them.

    A subclass has an `objective`, a `latent_dim` once built, and `terms(x, noise, training)`.

    Args:
        seed: int of up to 64 bits or None, the seed of the noise in training and evaluation.
        **kwargs: `keras.Model`'s.

    Attributes:
        step: int64 variable, training steps so far; with the seed it determines the noise.
    """

    def __init__(self, seed=None, **kwargs):
        # Inputs stay float32 under a mixed policy: the likelihood reads them.
        super().__init__(autocast=False, **kwargs)
        self.seed = None if seed is None else random.check_seed(seed)
        noise_seed = random.fresh_seed() if seed is None else self.seed
        # As a signed word, which TensorFlow's constants are.
        self._noise_seed = (noise_seed + 2**63) % 2**64 - 2**63
        self._call_noise = keras.random.SeedGenerator(self._noise_seed % 2**31)
        # Not the optimiser's count, which stands still while gradients accumulate.
        self.step = self.add_weight(
            name="step",
            shape=(),
            dtype="int64",
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
        )
        self._trackers = [
            keras.metrics.Mean(name=name) for name in ("loss", "reconstruction_loss", "kl_loss")
        ]

    @property
    def metrics(self):
        return list(self._trackers)

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
        self._jit_compile_argument = jit_compile
        if jit_compile == "auto" and not tf.config.list_physical_devices("GPU"):
            jit_compile = False
        super().compile(optimizer=optimizer, jit_compile=jit_compile, **kwargs)

    def get_compile_config(self):
        # What was asked for: what "auto" came to depends on the machine.
        config = super().get_compile_config()
        return config and {**config, "jit_compile": self._jit_compile_argument}

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    def fit(
        self, x=None, y=None, batch_size=None, epochs=1, verbose="auto", callbacks=None, **kwargs
    ):
        """Train as `keras.Model.fit` does; training that turns NaN stops, see `StopOnNaN`."""
        x, y, kwargs["sample_weight"] = _arrange(x, y, kwargs.get("sample_weight"))
        self._prepare_for(x)
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

    def evaluate(self, x=None, y=None, batch_size=None, verbose="auto", **kwargs):
        """Return the objective and the parts of -ELBO as `keras.Model.evaluate` does."""
        x, y, kwargs["sample_weight"] = _arrange(x, y, kwargs.get("sample_weight"))
        self._prepare_for(x)
        return super().evaluate(x, y, batch_size=batch_size, verbose=verbose, **kwargs)

    def train_step(self, data):
        x, sample_weight = self._unpack(data)
        rows = ops.shape(x)[0]
        first, total = _place_in_global_batch(rows)
        with tf.GradientTape() as tape:
            terms = self.terms(x, self._training_noise(first, rows, total), training=True)
            report = self.objective.report()
            per_example = self._weigh(self.objective(terms, training=True), sample_weight)
            # Replicas add up their gradients, and may hold different numbers of rows.
            loss = ops.sum(per_example) / ops.cast(total, "float32")
            loss = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(loss, self.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
        self.step.assign_add(1)
        return {**self._update_trackers(per_example, terms), **report}

    def test_step(self, data):
        x, sample_weight = self._unpack(data)
        # The rows seen so far number the draws, so that the batch size changes none of them.
        seen = ops.convert_to_tensor(self._trackers[0].count)
        context = tf.distribute.get_replica_context()
        if context is not None and context.num_replicas_in_sync > 1:
            seen = context.all_reduce(tf.distribute.ReduceOp.SUM, seen)
        first, _ = _place_in_global_batch(ops.shape(x)[0])
        first += ops.cast(seen, "int32")
        rows = first + ops.arange(ops.shape(x)[0], dtype="int32")
        noise = random.normals(
            random.row_seeds_at(self._noise_seed, rows),
            self.latent_dim,
            ops.arange(self.objective.num_samples, dtype="int32"),
        )
        terms = self.terms(x, noise)
        return self._update_trackers(self._weigh(self.objective(terms), sample_weight), terms)

    def _prepare_for(self, x):
        """Build for an array or data set, and check what can be checked before the first step."""
        first = keras.tree.flatten(getattr(x, "element_spec", x))[0]
        shape = tf.TensorShape(getattr(first, "shape", None))
        if not self.built and shape[1:].is_fully_defined():
            self.build((None, *shape[1:]))
        if self.built and shape.rank is not None:
            check_event(shape, self.event_shape)
        if isinstance(first, np.ndarray) and first.size:
            self.likelihood.check(first)

    def _unpack(self, data):
        x, _, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        if not self.built:
            self.build((None, *x.shape[1:]))
        # Keras would add a missing channel axis for the encoder, but not for the likelihood.
        check_event(x.shape, self.event_shape)
        return ops.cast(x, "float32"), sample_weight

    def _weigh(self, per_example, sample_weight):
        """Return the loss of each example: weighted, with what regularises the networks."""
        if sample_weight is not None:
            weight = ops.cast(ops.reshape(sample_weight, (-1,)), per_example.dtype)
            per_example = per_example * weight
        return per_example + sum(ops.sum(ops.cast(loss, "float32")) for loss in self.losses)

    def _training_noise(self, first, rows, total):
        """Return noise `(K, B, D)`: a function of (seed, step, row of the global batch)."""
        noise = tf.random.stateless_normal(
            (total, self.objective.num_samples, self.latent_dim),
            seed=tf.stack([tf.constant(self._noise_seed, tf.int64), self.step.value]),
            alg="philox",
        )
        return tf.transpose(noise[first : first + rows], (1, 0, 2))

    def _update_trackers(self, per_example, terms):
        values = (per_example, terms.reconstruction_loss, terms.kl_estimate)
        for tracker, value in zip(self._trackers, values, strict=True):
            tracker.update_state(value)
        return {tracker.name: tracker.result() for tracker in self._trackers}


def _place_in_global_batch(rows):
    """Return where a replica's rows begin in the global batch, and how many rows that has."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return 0, rows
    sizes = context.all_gather(tf.reshape(rows, (1,)), axis=0)
    return tf.reduce_sum(sizes[: context.replica_id_in_sync_group]), tf.reduce_sum(sizes)


def _arrange(x, y, sample_weight):
    """Return x, y and weights from what `fit` takes, so that Keras drops none of them."""
    if isinstance(x, tuple) and y is None:
        x, y, weight = keras.utils.unpack_x_y_sample_weight(x)
        sample_weight = weight if sample_weight is None else sample_weight
    if y is None:
        # Keras forgets the weights of data without y, which is ignored here.
        y = sample_weight
    return x, y, sample_weight
