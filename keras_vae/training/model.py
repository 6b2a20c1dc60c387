"""What `compile`, `fit` and `evaluate` do with a model of p(x) that has an objective."""

import functools
import types
import warnings

import keras
import tensorflow as tf
from keras import ops

from keras_vae import random
from keras_vae.callbacks import as_list, complete, first_place
from keras_vae.checks import message
from keras_vae.data.checked import Checker
from keras_vae.data.pipeline import Places, Share
from keras_vae.shapes import check_event
from keras_vae.training import compiled_loop, execution, replicas
from keras_vae.training.step_parts import (
    Gate,
    arrange,
    first_row,
    place_in_global_batch,
    weigh,
)
from keras_vae.workers import Workers


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
    def metrics(self):
        return list(self._trackers)

    def add_trackers(self, names):
        """Log more terms, under their own names."""
        self._trackers = [*self._trackers, *(keras.metrics.Mean(name=name) for name in names)]

    @tf.function(reduce_retracing=True, autograph=False)
    def seeded_terms(self, x, seeds, samples):
        """Return the `Terms` of x for row seeds `(B,)` and indices of draws `(K,)`, compiled."""
        return self.terms(x, random.normals(seeds, self.latent_dim, samples))

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

    def compile(
        self,
        optimizer="adam",
        loss=None,
        *,
        jit_compile="auto",
        steps_per_execution="auto",
        **kwargs,
    ):
        """Configure training as `keras.Model.compile` does, but for losses and metrics.

        Args:
            optimizer: str or `keras.optimizers.Optimizer`.
            loss: must be None, as `metrics` and their weights: likelihood, prior and objective
                are the loss.
            jit_compile: bool or "auto", which means XLA where it was measured to be faster: on
                accelerators, and in long trainings of dense networks.
            steps_per_execution: int >= 1 or "auto": as many as take a quarter of a second, and one
                where a callback wants to hear of every batch.
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
        self._asked = {"jit_compile": jit_compile, "steps_per_execution": steps_per_execution}
        known = {name: value for name, value in self._asked.items() if value != "auto"}
        super().compile(optimizer=optimizer, **{"jit_compile": False, **known}, **kwargs)

    def get_compile_config(self):
        # What was asked for: what "auto" came to depends on the machine.
        config = super().get_compile_config()
        return config and {**config, **self._asked}

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    def fit(
        self, x=None, y=None, batch_size=None, epochs=1, verbose="auto", callbacks=None, **kwargs
    ):
        """Train as `keras.Model.fit` does; training that turns NaN stops, see `StopOnNaN`.

        Raises:
            ValueError: if values of x, of any batch, lie outside the likelihood's support.
        """
        x, y, kwargs["sample_weight"] = arrange(x, y, kwargs.get("sample_weight"))
        checker = Checker(self.likelihood.check_values)
        x = self._prepare_for(x, checker)
        if self.built and not self.optimizer.built:
            with self.distribute_strategy.scope():
                self.optimizer.build(self.trainable_variables)
        if kwargs.get("validation_data") is not None:
            # Before the first epoch rather than after it.
            kwargs["validation_data"] = self._prepare_for(kwargs["validation_data"], checker)
        if isinstance(x, (tf.data.Dataset, types.GeneratorType)):
            # Such data bring their own order, and Keras warns of its own default.
            kwargs.setdefault("shuffle", False)
        if replicas.are_several(self):
            replicas.check_scope(self)
            replicas.check_batch(self, x, batch_size)
            self._distribute_validation(kwargs)
        first = first_place(self, callbacks, x, kwargs.pop("initial_epoch", 0))
        first = first._replace(epoch=min(first.epoch, epochs))
        execution.choose(self, self._asked, x, batch_size, epochs, as_list(callbacks))
        callbacks = complete(callbacks, x, first)
        x = self._step_data.prepare(self, x, first)
        with self.workers.answering(), checker.raising(), warnings.catch_warnings():
            if first.batch:
                warnings.filterwarnings("ignore", "Your input ran out of data")
            return super().fit(
                x,
                y,
                batch_size,
                epochs,
                verbose,
                callbacks,
                initial_epoch=first.epoch,
                **kwargs,
            )

    def evaluate(self, x=None, y=None, batch_size=None, verbose="auto", **kwargs):
        """Return the objective and the parts of -ELBO as `keras.Model.evaluate` does."""
        x, y, kwargs["sample_weight"] = arrange(x, y, kwargs.get("sample_weight"))
        checker = Checker(self.likelihood.check_values)
        if not kwargs.get("_use_cached_eval_dataset"):
            # What `fit` validates with, it looks at itself.
            x = self._prepare_for(x, checker)
            if replicas.are_several(self):
                x = replicas.distribute(self, x)
        with self.workers.answering(), checker.raising():
            return super().evaluate(x, y, batch_size=batch_size, verbose=verbose, **kwargs)

    def train_step(self, data):
        # Where the data have run out, what does not need them would be done nevertheless.
        with tf.control_dependencies(keras.tree.flatten(data)[:1]):
            if isinstance(data, Places):
                data = self._step_data.fetch(data)
            if isinstance(data, Share):
                place = tf.cast(data.first, "int32"), tf.cast(data.total, "int32")
                return self.train_on(data.batch, place=place)
            return self.train_on(data)

    def training_noise(self, step, rows):
        """Return the standard normal draws `(rows, K, D)` of a step: of (seed, step, row) alone."""
        shape = (rows, self.objective.num_samples, self.latent_dim)
        return tf.random.stateless_normal(shape, seed=self._seed_at(step), alg="philox")

    def _seed_at(self, step):
        return tf.stack([tf.constant(self._noise_seed, tf.int64), step])

    def train_on(self, data, noise=None, place=None):
        """Take a training step, and return what it logs.

        Args:
            data: a batch.
            noise: tensor of `training_noise`, by default that of this step.
            place: the number of the batch's first row in the global batch, and the rows of that.
        """
        x, sample_weight = self._unpack(data)
        rows = ops.shape(x)[0]
        first, total = place or place_in_global_batch(rows)
        with tf.GradientTape() as tape:
            terms = self._training_terms(x, first, rows, total, noise)
            report = self.objective.report()
            loss, extra = self.objective.with_extra(terms, training=True)
            per_example = weigh(loss, sample_weight, self.losses)
            # Replicas add up their gradients, and may hold different numbers of rows.
            loss = ops.sum(per_example) / ops.cast(total, "float32")
            loss = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(loss, self.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
        self.step.assign_add(1)
        return {**self._update_trackers(per_example, terms, extra), **report}

    def test_step(self, data):
        if isinstance(data, Share):
            first, data = tf.cast(data.start, "int32"), data.batch
        else:
            first = None
        x, sample_weight = self._unpack(data)
        # The rows seen so far number the draws, so that the batch size changes none of them.
        first = first_row(ops.shape(x)[0], self._trackers[0].count) if first is None else first
        rows = first + ops.arange(ops.shape(x)[0], dtype="int32")
        seeds = random.row_seeds_at(self._noise_seed, rows)
        samples = ops.arange(self.objective.num_samples, dtype="int32")
        terms = self.terms(x, random.normals(seeds, self.latent_dim, samples))
        loss, extra = self.objective.with_extra(self._with_prior_draws(terms, seeds))
        return self._update_trackers(weigh(loss, sample_weight, self.losses), terms, extra)

    def make_train_function(self, force=False):
        if self.train_function is not None and not force:
            return
        if self._step_data.block_steps:
            self.train_function = compiled_loop.train_function(self, self._step_data.fetch)
            return
        super().make_train_function(force)
        if replicas.are_several(self):
            self.train_function = replicas.step_function(self, self.train_step, self.train_function)

    def make_test_function(self, force=False):
        if self.test_function is not None and not force:
            return
        super().make_test_function(force)
        if replicas.are_several(self):
            self.test_function = replicas.step_function(self, self.test_step, self.test_function)

    def _get_metrics_result_or_logs(self, logs):
        if not logs or not replicas.are_several(self):
            return super()._get_metrics_result_or_logs(logs)
        # A step of several replicas logs the means of one of them.
        return {**logs, **self.get_metrics_result()}

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        # Keras averages the rows of several replicas for it, which may be of different numbers.
        if not self.built:
            super()._maybe_symbolic_build(iterator, data_batch)

    def _distribute_validation(self, options):
        validation = options.get("validation_data")
        if validation is not None:
            options["validation_data"] = replicas.distribute(self, validation)

    def training_logs(self):
        """Return what a step logs: means of the epoch so far, and the values of schedules."""
        return {**self._means(), **self.objective.report()}

    def _prepare_for(self, x, checker):
        """Build for the data, check them, and return them."""
        first = keras.tree.flatten(getattr(x, "element_spec", x))[0]
        shape = tf.TensorShape(getattr(first, "shape", None))
        with self.distribute_strategy.scope():
            if not self.built and shape[1:].is_fully_defined():
                self.build((None, *shape[1:]))
        if self.built and shape.rank is not None:
            check_event(shape, self.event_shape)
        return checker.wrap(x)

    def _unpack(self, data):
        x, _, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        if not self.built:
            self.build((None, *x.shape[1:]))
        # Keras would add a missing channel axis for the encoder, but not for the likelihood.
        check_event(x.shape, self.event_shape)
        return ops.cast(x, "float32"), sample_weight

    def _training_terms(self, x, first, rows, total, noise=None):
        """Return the terms of a step: all draws depend on (seed, step, row of the batch) alone."""
        if noise is None:
            noise = self.training_noise(self.step.value, total)
        noise = tf.transpose(noise[first : first + rows], (1, 0, 2))
        if self.objective.weighs_latent_gradient:
            gate = Gate()
            terms = self.terms(x, noise, training=True, gate=gate)
            gate.weight = self.objective.latent_gradient_weight(terms)
        else:
            terms = self.terms(x, noise, training=True)
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
            tracker.update_state(value)
        return self._means()

    def _means(self):
        return {tracker.name: tracker.result() for tracker in self._trackers}
