"""Fit a prior to the aggregate posterior of a trained VAE."""

import contextlib
import math
import warnings

import keras
import numpy as np
from keras import ops

from keras_vae import bounds, evaluation, priors, random
from keras_vae.checks import choice, integer, message, number
from keras_vae.data.pipeline import shuffled_batches

FITTED = ("gaussian_mixture", "real_nvp")
# Of an array, every tenth example validates.
_VALIDATED = 10
_MOST_VALIDATED = 2000
# The prior starts where so many draws of z lie.
_DRAWN = 1000
_FEWEST_EPOCHS, _FEWEST_STEPS = 20, 2000


def fit_prior(
    vae, prior, data, epochs=None, learning_rate=1e-3, seed=0, verbose="auto", batch_size=128
):
    """Return a new VAE with the same networks whose prior is fitted to the aggregate posterior.

    The prior takes the likelihood of fresh draws z ~ q(z|x) of each epoch to its maximum, which
    takes the ELBO to its maximum where encoder and decoder stay as they are (Hoffman & Johnson
    2016, http://approximateinference.org/accepted/HoffmanJohnson2016.pdf). Prints the ELBO of
    validation data before and after.

    Args:
        vae: `VAE`, trained. It is left as it is.
        prior: "gaussian_mixture", "real_nvp", or a `Prior` that is not built yet.
        data: what `keras_vae.data.load` gives; or an array, of which a tenth validates. To a
            `ConditionalVAE` the labels of data with labels are given.
        epochs: int >= 1, passes over the training data; None for as many as make 2000 steps, and
            no fewer than 20.
        learning_rate: float > 0, at first; it falls to zero along a cosine.
        seed: int, of the draws and of the validation.
        verbose: as for `fit`; 0 prints nothing.
        batch_size: int >= 1, examples in a step, for an array.

    Returns:
        A `VAE` that is not compiled and shares encoder, decoder, likelihood and posterior; its
        objective is "elbo".

    Raises:
        ValueError: if an argument is out of its range, or the prior needs an encoder of its own.
    """
    if epochs is not None:
        integer("epochs", epochs, 1)
    number("learning_rate", learning_rate, above=0)
    seed = random.check_seed(seed)
    prior = _new_prior(prior, seed)
    integer("batch_size", batch_size, 1)
    train, held_out = _parts(vae, data)
    part = "Test" if getattr(data, "validation", data) is None else "Validation"
    fitted = vae.with_prior(prior)
    if isinstance(train, np.ndarray):
        train = shuffled_batches(train, batch_size, seed)
    steps = _number_of_steps(train)
    epochs = _enough_epochs(steps) if epochs is None else epochs
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, epochs * steps)
    model = _PriorModel(vae, prior, seed)
    model.compile(optimizer=keras.optimizers.Adam(rate), jit_compile=False)
    with getattr(data, "at_first_epoch", contextlib.nullcontext)():
        drawn = _draws(vae, train, seed)
        prior.start_at(drawn)
        model.fit(train, epochs=epochs, verbose=verbose, shuffle=False)
    if not np.isfinite(ops.convert_to_numpy(prior.log_prob(drawn))).all():
        raise ValueError(
            message(
                "The density of a fitted prior must be finite",
                f"NaN or infinity after {epochs} epochs with learning_rate={learning_rate:g}",
                "Lower the learning rate, and see that the data and the VAE's weights are finite.",
            )
        )
    _compare(vae, fitted, *held_out, seed, part if verbose else None)
    return fitted


def _compare(vae, fitted, x, label, seed, part):
    """Warn where the ELBO of held-out x fell, and print it if their part is named."""
    before, after = (bounds.elbo(each, x, 10, seed, label=label).mean() for each in (vae, fitted))
    if after < before:
        warnings.warn(
            f"The fitted prior is worse than the earlier one: the ELBO of held-out data fell from "
            f"{before:.2f} to {after:.2f} nats. Give it more epochs, fewer components or layers.",
            stacklevel=4,
        )
    if part:
        print(f"{part} ELBO: {before:.2f} nats before, {after:.2f} after.")


def _number_of_steps(train):
    try:
        steps = len(train)
    except TypeError as error:
        fix = "Write train.take(n) of an endless data set, or give an array."
        raise ValueError(
            message("`data.train` must have a length that is known", str(error), fix)
        ) from error
    if not steps:
        raise ValueError(message("`data.train` must hold batches", "none"))
    return steps


def _enough_epochs(steps):
    """Return the epochs of so many steps after which a prior is fitted."""
    return max(_FEWEST_EPOCHS, math.ceil(_FEWEST_STEPS / steps))


class _PriorModel(keras.Model):
    """-log p(z) for fresh draws z ~ q(z|x); its only weights are the prior's."""

    def __init__(self, vae, prior, seed):
        super().__init__(name="prior_model")
        self.prior = prior
        self._seeds = keras.random.SeedGenerator(seed)
        # A function, so that Keras does not take the VAE for a part of this.
        self._draw = lambda x, label, noise: vae.posterior.sample(
            vae.encode(x, label=label), noise
        )[0]
        self._split = lambda batch: evaluation.x_and_label(vae, batch)
        self._latent_dim = vae.latent_dim

    def train_step(self, data):
        # Whole, since Keras keeps the second of a pair from `call`, as what is to be predicted.
        return super().train_step((data,))

    def call(self, batch):
        x, label = self._split(batch)
        shape = (1, ops.shape(x)[0], self._latent_dim)
        z = self._draw(x, label, keras.random.normal(shape, dtype="float32", seed=self._seeds))
        log_prob = self.prior.log_prob(ops.stop_gradient(z))
        self.add_loss(-ops.mean(log_prob))
        return log_prob


def _new_prior(prior, seed):
    if isinstance(prior, str):
        prior = priors.NAMES[choice("prior", prior, FITTED)](seed=seed)
    kinds = tuple(priors.NAMES[name] for name in FITTED)
    if not isinstance(prior, kinds) or prior.built:
        raise ValueError(
            message(
                f"`prior` must be {' or '.join(map(repr, FITTED))}, or a new instance of either",
                f"prior={prior!r}" + (", which is built" if getattr(prior, "built", 0) else ""),
                "The standard normal has nothing to fit, and a VampPrior trains with its encoder.",
            )
        )
    return prior


def _parts(vae, data):
    """Return what to train on, batches or an array, and x and labels to validate with."""
    if hasattr(data, "train"):
        x, label = evaluation.first_labelled(vae, evaluation.held_out(data), _MOST_VALIDATED)
        return data.train, (bounds.check_batch(vae, x), label)
    x = bounds.check_batch(vae, data)
    if len(x) < _VALIDATED:
        raise ValueError(
            message(f"`data` must hold at least {_VALIDATED} examples", f"{len(x)} examples")
        )
    # Spread, since the order of an array may mean something.
    validated = np.arange(len(x)) % _VALIDATED == 0
    return x[~validated], (x[validated][:_MOST_VALIDATED], None)


def _draws(vae, train, seed):
    """Return draws of z for the first thousand examples, an array `(N, D)`."""
    x, label = evaluation.first_labelled(vae, train, _DRAWN)
    x = bounds.check_batch(vae, x)
    seeds = random.row_seeds(seed, len(x))
    noise = random.normals(seeds, vae.latent_dim)[None]
    return ops.convert_to_numpy(vae.posterior.sample(vae.encode(x, label=label), noise)[0][0])
