"""The terms of the bound, and what every objective is."""

import warnings
from typing import NamedTuple

from keras import ops

from keras_vae import checks, schedules
from keras_vae.registry import Part


class Terms(NamedTuple):
    """The terms of the bound for a batch of B examples and K draws of z, in nats.

    Attributes:
        log_px: `(K, B)`, log p(x|z).
        log_pz: `(K, B)`, log p(z).
        log_qz: `(K, B)`, log q(z|x).
        kl: `(B,)`, KL(q(z|x) || p(z)) in closed form, or None.
        z: `(K, B, D)`.
        z_mean: `(B, D)`.
        z_log_var: `(B, D)`.
        z_prior: `(B, D)`, draws from the prior, for an objective that wants them.
        log_qy: `(B, C)`, log q(y|x) of a model that tells classes apart, or None.
        label: `(B,)`, the classes of its examples, -1 for those without, or None.
    """

    log_px: object
    log_pz: object
    log_qz: object
    kl: object
    z: object
    z_mean: object
    z_log_var: object
    z_prior: object = None
    log_qy: object = None
    label: object = None

    @property
    def kl_estimate(self):
        """The KL `(B,)`: closed form where there is one, else the mean over the draws."""
        return self.kl if self.kl is not None else ops.mean(self.log_qz - self.log_pz, axis=0)

    @property
    def reconstruction_loss(self):
        """-E_q[log p(x|z)], `(B,)`: the mean over the draws."""
        return -ops.mean(self.log_px, axis=0)

    @property
    def log_weights(self):
        """log p(x, z) - log q(z|x), `(K, B)`."""
        return self.log_px + self.log_pz - self.log_qz


class Objective(Part):
    """Base class of what training minimises: `objective(terms)` gives `(B,)`.

    A layer, since it may hold variables. With `training=True` a schedule takes its value at the
    current step, and counts it; otherwise the final one.

    Args:
        **scheduled: the arguments that may be schedules, numbers or schedules.

    Attributes:
        num_samples: int, how many draws of z it wants for each example.
        extra_names: tuple of str, the terms that it logs besides the parts of -ELBO.
        needs_gaussian_posterior: bool, whether it takes q(z|x) for a normal distribution.
        needs_factorized_prior: bool, whether it takes the prior's units for independent.
        wants_prior_draws: bool, whether `Terms.z_prior` must be filled.
        scheduled: dict from name to `Schedule`, the arguments that are schedules.
        weighs_latent_gradient: bool, whether it has a `latent_gradient_weight`.
    """

    num_samples = 1
    extra_names = ()
    needs_gaussian_posterior = False
    needs_factorized_prior = False
    wants_prior_draws = False
    weighs_latent_gradient = False

    def __init__(self, scheduled=None, **kwargs):
        super().__init__(**kwargs)
        self.scheduled = {}
        for name, value in (scheduled or {}).items():
            fix = "Use 0 for a plain autoencoder, 1 for the ELBO, or a schedule."
            value = schedules.get(name, value, fix if name == "beta" else "")
            setattr(self, name, value)
            if isinstance(value, schedules.Schedule):
                self.scheduled[name] = value
        self.step = self.total_steps = None
        if self.scheduled:
            self.step, self.total_steps = (
                self.add_weight(
                    name=name, shape=(), dtype="int32", initializer="zeros", trainable=False
                )
                for name in ("step", "total_steps")
            )

    def __call__(self, terms, training=None):
        # Keras's own looks for the shape of each term, and the KL may be none.
        return self.with_extra(terms, training=training)[0]

    def with_extra(self, terms, training=None):
        """Return the loss `(B,)` and a dict of the extra terms, `(B,)` each.

        Args:
            terms: `Terms` of B examples.
            training: bool or None, whether schedules take their value of now, and count the step.
        """
        extra = self.extra(terms)
        loss = self.call(terms, extra, training)
        if training and self.step is not None:
            self.step.assign_add(1)
        return loss, extra

    def extra(self, terms):
        """Return the terms of `extra_names`.

        Args:
            terms: `Terms` of B examples.

        Returns:
            dict from name to tensor `(B,)`.
        """
        return {}

    def call(self, terms, extra, training=None):
        """Return the loss `(B,)` of the terms and the extra ones."""
        raise NotImplementedError

    def report(self):
        """Return what training logs besides the loss: a dict from name to a scalar tensor."""
        return {name: self.value(name, training=True) for name in self.scheduled}

    def value(self, name, training=None):
        """Return an argument that may be a schedule: its value now, or at its end.

        Args:
            name: str, the argument.
            training: bool or None, whether its value of now is wanted.
        """
        schedule = self.scheduled.get(name)
        if schedule is None:
            return getattr(self, name)
        return schedule(self.step, self.total_steps) if training else schedule.final

    def plan(self, steps):
        """Tell the schedules how many more steps there will be, and warn of those too long.

        Args:
            steps: int, or None if it is not known.

        Raises:
            ValueError: if it is not known and a schedule is a share of it.
        """
        for name, schedule in self.scheduled.items():
            if steps is None and schedule.share is not None:
                raise ValueError(
                    checks.message(
                        f"`{name}` needs the length of the training, of which it takes a share",
                        "data of unknown length",
                        "Give steps_per_epoch to fit, or steps in place of share to the schedule.",
                    )
                )
        if not self.scheduled or steps is None:
            return
        total = int(self.step.numpy()) + steps
        self.total_steps.assign(total)
        for name, schedule in self.scheduled.items():
            if schedule.length(total) > total:
                warnings.warn(
                    f"The schedule of `{name}` takes {schedule.length(total)} steps, and the "
                    f"training ends after {total}: it never reaches {schedule.final:g}. Train "
                    "longer, or make it shorter: by share=0.2 it takes a fifth of the training.",
                    stacklevel=2,
                )

    def check(self, prior, posterior):
        """Raise `ValueError` if the objective needs what the prior or the posterior lacks.

        Args:
            prior: `Prior`.
            posterior: `DiagonalGaussian`, the family of q(z|x).
        """
        name = type(self).__name__
        if self.needs_factorized_prior and not prior.is_factorized:
            raise ValueError(
                checks.message(
                    f"{name} needs a prior whose units are independent, such as standard_normal",
                    f"prior={type(prior).__name__}",
                    'Use prior="standard_normal", or the objective "elbo".',
                )
            )
        if self.needs_gaussian_posterior and not posterior.is_gaussian:
            raise ValueError(
                checks.message(
                    f"{name} needs a normal q(z|x), as that of diagonal_gaussian",
                    f"posterior={type(posterior).__name__}",
                    'Use posterior="diagonal_gaussian", or the objective "elbo", or "iwae" without '
                    "doubly_reparameterized.",
                )
            )

    def get_config(self):
        scheduled = {name: schedules.to_config(value) for name, value in self.scheduled.items()}
        return {**super().get_config(), **scheduled}
