"""What `compile`, `fit` and `evaluate` do with a model of p(x) that has an objective."""

import types
import warnings

import keras
import tensorflow as tf

from keras_vae.checks import message
from keras_vae.data.checked import Checker
from keras_vae.shapes import check_event
from keras_vae.training import execution, loops, replicas
from keras_vae.training.added import as_list, complete, first_place
from keras_vae.training.step_parts import arrange
from keras_vae.training.steps import SteppingModel
from keras_vae.training.waiting import Waiting


class TrainableModel(SteppingModel):
    """The training half of a VAE: its steps, and what surrounds them.

    A subclass has an `objective`, a `latent_dim` once built, and `terms(x, noise, training)`.
    """

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
        checker = Checker(self.check_batch)
        x = self._prepare_for(x, checker)
        if self.built and not self.optimizer.built:
            with self.distribute_strategy.scope():
                self.optimizer.build(self.trainable_variables)
        if replicas.are_several(self):
            replicas.check_scope(self)
            replicas.check_options(self)
            replicas.check_batch(self, x, batch_size)
        if kwargs.get("validation_data") is not None:
            # Before the first epoch rather than after it.
            validation = self._prepare_for(kwargs["validation_data"], checker)
            kwargs["validation_data"] = replicas.distribute(self, validation)
        if isinstance(x, (tf.data.Dataset, types.GeneratorType)):
            # Such data bring their own order, and Keras warns of its own default.
            kwargs.setdefault("shuffle", False)
        given = kwargs.get("steps_per_epoch")
        first = first_place(self, callbacks, x, kwargs.pop("initial_epoch", 0), given)
        first = first._replace(epoch=min(first.epoch, epochs))
        execution.choose(self, self._asked, x, batch_size, epochs, as_list(callbacks), given)
        callbacks = complete(callbacks, x, first)
        x, kwargs = self._step_data.prepare(self, x, first, kwargs)
        if isinstance(callbacks, list) and self._may_wait_for(x):
            callbacks.append(Waiting())
            x = callbacks[-1].wrap(x)
        options = {"initial_epoch": first.epoch, **kwargs}
        with self.workers.answering(), checker.raising(), warnings.catch_warnings():
            if first.batch:
                warnings.filterwarnings("ignore", "Your input ran out of data")
            return super().fit(x, y, batch_size, epochs, verbose, callbacks, **options)

    def evaluate(self, x=None, y=None, batch_size=None, verbose="auto", **kwargs):
        """Return the objective and the parts of -ELBO as `keras.Model.evaluate` does."""
        x, y, kwargs["sample_weight"] = arrange(x, y, kwargs.get("sample_weight"))
        checker = Checker(self.check_batch)
        if not kwargs.get("_use_cached_eval_dataset"):
            # What `fit` validates with, it looks at itself.
            x = replicas.distribute(self, self._prepare_for(x, checker))
        with self.workers.answering(), checker.raising():
            return super().evaluate(x, y, batch_size=batch_size, verbose=verbose, **kwargs)

    def check_batch(self, x, y=None):
        """Raise `ValueError` if arrays x, or what comes beside them, do not fit the model."""
        self.likelihood.check_values(x)

    def make_train_function(self, force=False):
        if self.train_function is not None and not force:
            return
        super().make_train_function(force)
        if self._step_data.make_loop:
            self.train_function = loops.beside(self._step_data.make_loop(self), self.train_function)
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

    def _may_wait_for(self, x):
        """Return whether steps may wait for data that other threads make."""
        is_streamed = isinstance(x, tf.data.Dataset) and not self._step_data.make_loop
        return is_streamed and not replicas.are_several(self)
