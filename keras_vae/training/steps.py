"""The training and the test step of a model of p(x) that has an objective."""

import functools
import math

import keras
import tensorflow as tf
from keras import ops

from keras_vae import random
from keras_vae.data.forms import Share
from keras_vae.shapes import check_event
from keras_vae.training import execution
from keras_vae.training.step_parts import Gate, first_row, place_in_global_batch, weigh
from keras_vae.workers import Workers


class _MeanOfSome(keras.metrics.Mean):
    """A mean that may be of no example, and is NaN then, where Keras has 0."""

    def result(self):
        return ops.where(self.count > 0, super().result(), math.nan)


class SteppingModel(keras.Model):
    """The steps of a VAE: noise, loss, gradient and trackers.

    A subclass has an `objective`, a `latent_dim` once built, and `terms(x, noise, training)`,
    which takes what `_given` makes of y by name too.

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
        self._step_data = execution.StepData()
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

    @functools.cached_property
    def workers(self):
        """The `Workers` that train the model together; this process alone without a strategy."""
        return Workers(self.distribute_strategy)

    @property
    def has_own_train_step(self):
        """Whether a step is the one defined here, and no subclass's."""
        return type(self).train_step is SteppingModel.train_step

    @property
    def metrics(self):
        return list(self._trackers)

    @property
    def training_noise_dim(self):
        """How many standard normal numbers a step draws for each example and draw of z."""
        return self.latent_dim

    def add_trackers(self, names):
        """Log more terms, under their own names."""
        self._trackers = [*self._trackers, *(_MeanOfSome(name=name) for name in names)]

    @tf.function(reduce_retracing=True, autograph=False)
    def seeded_terms(self, x, seeds, samples):
        """Return the `Terms` of x for row seeds `(B,)` and indices of draws `(K,)`, compiled."""
        return self.terms(x, random.normals(seeds, self.latent_dim, samples))

    # A function of its own: TensorFlow cannot widen one that was traced without a label.
    @tf.function(reduce_retracing=True, autograph=False)
    def labelled_terms(self, x, seeds, samples, label):
        """Return the `Terms` of x given labels `(B, ...)`, as `seeded_terms` does."""
        return self.terms(x, random.normals(seeds, self.latent_dim, samples), label=label)

    @tf.function(reduce_retracing=True, autograph=False)
    def log_weights_and_slope(self, x, noise):
        """Return log p(x, z) - log q(z|x) for noise `(K, B, D)`, and its gradient by the noise.

        Output shape:
            `(K, B)` and `(K, B, D)`.
        """
        with tf.GradientTape() as tape:
            tape.watch(noise)
            log_weights = self.terms(x, noise).log_weights
        return log_weights, tape.gradient(log_weights, noise)

    def train_step(self, data):
        # Where the data have run out, what does not need them would be done nevertheless.
        with tf.control_dependencies(keras.tree.flatten(data)[:1]):
            if isinstance(data, Share):
                place = tf.cast(data.first, "int32"), tf.cast(data.total, "int32")
                return self.train_on(data.batch, place=place)
            return self.train_on(data)

    def train_on(self, data, noise=None, place=None):
        """Take a training step, and return what it logs.

        Args:
            data: a batch.
            noise: tensor of `training_noise`, by default that of this step.
            place: the number of the batch's first row in the global batch, and the rows of that.
        """
        x, given, sample_weight = self._unpack(data)
        rows = ops.shape(x)[0]
        first, total = place or place_in_global_batch(rows)
        with tf.GradientTape() as tape:
            terms = self._training_terms(x, given, (first, rows, total), noise)
            report = self.objective.report()
            loss, extra = self._loss_of(terms, training=True)
            per_example = weigh(loss, sample_weight, self.losses)
            # Replicas add up their gradients, and may hold different numbers of rows.
            loss = ops.sum(per_example) / ops.cast(total, "float32")
            loss = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(loss, self.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
        self.step.assign_add(1)
        return {**self._update_trackers(per_example, terms, extra), **report}

    def training_noise(self, step, rows):
        """Return the standard normal draws `(rows, K, D)` of a step: of (seed, step, row) alone."""
        shape = (rows, self.objective.num_samples, self.training_noise_dim)
        return tf.random.stateless_normal(shape, seed=self._seed_at(step), alg="philox")

    def test_step(self, data):
        if isinstance(data, Share):
            first, data = tf.cast(data.start, "int32"), data.batch
        else:
            first = None
        x, given, sample_weight = self._unpack(data)
        # The rows seen so far number the draws, so that the batch size changes none of them.
        first = first_row(ops.shape(x)[0], self._trackers[0].count) if first is None else first
        rows = first + ops.arange(ops.shape(x)[0], dtype="int32")
        seeds = random.row_seeds_at(self._noise_seed, rows)
        samples = ops.arange(self.objective.num_samples, dtype="int32")
        noise = random.normals(seeds, self.latent_dim, samples)
        terms = self.terms(x, noise, **given)
        loss, extra = self._loss_of(self._with_prior_draws(terms, seeds))
        return self._update_trackers(weigh(loss, sample_weight, self.losses), terms, extra)

    def training_logs(self):
        """Return what a step logs: means of the epoch so far, and the values of schedules."""
        return {**self._means(), **self.objective.report()}

    def _seed_at(self, step):
        return tf.stack([tf.constant(self._noise_seed, tf.int64), step])

    def _unpack(self, data):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        if not self.built:
            self.build((None, *x.shape[1:]))
        # Keras would add a missing channel axis for the encoder, but not for the likelihood.
        check_event(x.shape, self.event_shape)
        return ops.cast(x, "float32"), self._given(x, y), sample_weight

    def blank(self, rows):
        """Return something for what `terms` is given beside x, where its time alone counts."""
        return {}

    def _given(self, x, y):
        """Return what `terms` is given beside x, a dict of tensors; y says nothing to a VAE."""
        return {}

    def _loss_of(self, terms, training=None):
        """Return the loss `(B,)` and a dict of the further terms that are logged, `(B,)` each."""
        return self.objective.with_extra(terms, training=training)

    def _training_terms(self, x, given, place, noise=None):
        """Return the terms of a step: all draws depend on (seed, step, row of the batch) alone.

        Args:
            x: tensor `(B, *event)`.
            given: dict, what `_given` gave.
            place: the number of the first row in the global batch, B, and the rows of that.
            noise: tensor of `training_noise`, or None.
        """
        first, rows, total = place
        if noise is None:
            noise = self.training_noise(self.step.value, total)
        noise = tf.transpose(noise[first : first + rows], (1, 0, 2))
        if self.objective.weighs_latent_gradient:
            gate = Gate()
            terms = self.terms(x, noise, training=True, gate=gate, **given)
            gate.weight = self.objective.latent_gradient_weight(terms)
        else:
            terms = self.terms(x, noise, training=True, **given)
        if self.objective.wants_prior_draws:
            seed = self._seed_at(self.step.value)
            seeds = tf.random.stateless_uniform(
                (total,), seed=seed, minval=None, maxval=None, dtype=tf.int32, alg="philox"
            )
            terms = self._with_prior_draws(terms, seeds[first : first + rows])
        return terms

    def _with_prior_draws(self, terms, seeds):
        if not self.objective.wants_prior_draws:
            return terms
        draws = self.prior.sample_rows(seeds, ops.ones_like(seeds, "float32"))
        return terms._replace(z_prior=draws)

    def _update_trackers(self, per_example, terms, extra):
        values = (per_example, terms.reconstruction_loss, terms.kl_estimate, *extra.values())
        for tracker, value in zip(self._trackers, values, strict=True):
            tracker.update_state(value, self._counted(tracker.name, terms))
        return self._means()

    def _counted(self, name, terms):
        """Return the weights `(B,)` of the examples in the mean that is logged by a name, or None.

        None stands for all alike.
        """

    def _means(self):
        return {tracker.name: tracker.result() for tracker in self._trackers}
