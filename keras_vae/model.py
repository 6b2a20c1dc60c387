"""The variational autoencoder: a `keras.Model` composed of an encoder, a decoder and parts."""

import keras
from keras import ops

from keras_vae import (
    bounds,
    diagnosis,
    fitting,
    generation,
    likelihoods,
    objectives,
    posteriors,
    priors,
)
from keras_vae.checks import message
from keras_vae.objectives import Terms
from keras_vae.registry import register
from keras_vae.shapes import (
    as_network,
    check_event,
    check_networks,
    context_dim_of,
    event_shape_of,
)
from keras_vae.training import TrainableModel


@register
class VAE(TrainableModel):
    """Variational autoencoder (Kingma & Welling 2014, https://arxiv.org/abs/1312.6114).

    Training minimises -ELBO = -E_q[log p(x|z)] + KL(q(z|x) || p(z)) over encoder and decoder
    together, in nats per example.

    Args:
        encoder: `keras.Model`, x to `(z_mean, z_log_var)`, each `(B, D)`.
        decoder: `keras.Model`, z `(B, D)` to the likelihood's parameters (logits).
        likelihood: str or `Likelihood`, p(x|z), such as "bernoulli" or "gaussian".
        prior: str or `Prior`, p(z), such as "standard_normal" or "real_nvp".
        objective: str or `Objective`, such as "elbo" or "iwae".
        posterior: str or `DiagonalGaussian`, the family of q(z|x), such as "diagonal_gaussian"
            or "inverse_autoregressive".
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
    ['kl_loss', 'learning_rate', 'loss', 'reconstruction_loss']
    """

    # What a subclass logs besides the objective's terms.
    _own_terms = ()
    # Whether a prior that uses the encoder is given this one's.
    _binds_prior = True

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
        # What a subclass is made of besides: Keras tracks what is there before the build.
        parts = kwargs.pop("parts", {})
        super().__init__(seed, **kwargs)
        for name, part in parts.items():
            setattr(self, name, part)
        self.encoder = as_network("encoder", encoder)
        self.decoder = as_network("decoder", decoder)
        self.likelihood = likelihoods.get(likelihood)
        self.prior = priors.get(prior)
        self.objective = objectives.get(objective)
        self.posterior = posteriors.get(posterior)
        self.objective.check(self.prior, self.posterior)
        if self.prior.needs_gaussian_posterior and not self.posterior.is_gaussian:
            raise ValueError(
                message(
                    f"`prior` {type(self.prior).__name__} needs a normal q(z|x), of which it is "
                    "a mixture",
                    f"posterior={type(self.posterior).__name__}",
                    'Use posterior="diagonal_gaussian", or the prior "real_nvp".',
                )
            )
        self.add_trackers((*self.objective.extra_names, *self._own_terms))
        event_shape = event_shape_of(self.encoder)
        if event_shape is not None:
            self.build((None, *event_shape))

    def build(self, input_shape):
        self.event_shape = tuple(input_shape[1:])
        encoder, decoder = self.networks()
        self.latent_dim = check_networks(encoder, decoder, self.event_shape, self.likelihood)
        if self._binds_prior:
            self.prior.bind(
                self.encoder,
                lambda x: self.posterior.parameters(encoder(x, training=False)),
                self.event_shape,
            )
        z_shape = (None, self.latent_dim)
        for part in (self.likelihood, self.prior, self.objective):
            if not part.built:
                part.build(z_shape)
        sizes = (self.latent_dim, context_dim_of(encoder, self.event_shape))
        if not self.posterior.built:
            self.posterior.build(z_shape, sizes[1])
        built_for = getattr(self.posterior, "sizes", sizes)
        if built_for != sizes:
            raise ValueError(
                message(
                    f"`posterior` must be of the networks' latent and context sizes, {sizes}",
                    f"a posterior that was built for {built_for}",
                    "Give each VAE a posterior of its own.",
                )
            )
        if self.prior.latent_dim != self.latent_dim:
            raise ValueError(
                message(
                    f"`prior` must be of the networks' latent size, {self.latent_dim}",
                    f"a prior that was built for {self.prior.latent_dim}",
                    "Give each VAE a prior of its own.",
                )
            )
        self.built = True

    def networks(self):
        """Return encoder and decoder, of x and of z alone."""
        return self.encoder, self.decoder

    def call(self, inputs, training=None):
        x, label = self._split(inputs)
        posterior = self.encode(x, training=training, label=label)
        if not training:
            return self.decode(self.posterior.embed(posterior), label)
        shape = (1, *ops.shape(posterior.z_mean))
        noise = keras.random.normal(shape, dtype="float32", seed=self._call_noise)
        z, _ = self.posterior.sample(posterior, noise)
        return self.likelihood.mean(self._params(z, training=True, label=label))[0]

    def encode(self, x, training=False, label=None):
        """Return q(z|x): `Posterior(z_mean, z_log_var)`, each `(B, D)` float32.

        Of a posterior with a flow they are those of its base, and `context` comes with them. A
        `label` is for a `ConditionalVAE` alone, here and elsewhere.

        Args:
            x: float array `(B, *event)`.
            training: bool, whether the encoder is in training.
            label: None, or the labels of a `ConditionalVAE`: one for all, or B of them.
        """
        x = ops.convert_to_tensor(x, "float32")
        if self.built:
            check_event(x.shape, self.event_shape)
        return self.posterior.parameters(self.encoder(self._beside(x, label), training=training))

    def decode(self, z, label=None):
        """Return the mean of p(x|z), `(B, *event)`, for z `(B, D)`.

        Args:
            z: float tensor `(B, D)`.
            label: None, or the labels of a `ConditionalVAE`: one for all, or B of them.
        """
        return self.likelihood.mean(self.params(z, label))

    def params(self, z, label=None):
        """Return the parameters of p(x|z), the decoder's output in float32, for z `(B, D)`.

        Args:
            z: float tensor `(B, D)`.
            label: None, or the labels of a `ConditionalVAE`: one for all, or B of them.
        """
        z = self._beside(ops.convert_to_tensor(z, "float32"), label)
        return ops.cast(self.decoder(z, training=False), "float32")

    def embed(self, x, label=None):
        """Return the centre of q(z|x), `(B, D)`.

        Args:
            x: float array `(B, *event)`.
            label: None, or the labels of a `ConditionalVAE`: one for all, or B of them.
        """
        return self.posterior.embed(self.encode(x, label=label))

    def reconstruct(self, x, label=None):
        """Return the decoded centre of q(z|x), `(B, *event)`: no random number is drawn.

        Args:
            x: float array `(B, *event)`.
            label: None, or the labels of a `ConditionalVAE`: one for all, or B of them.
        """
        return self.likelihood.mean(self.reconstruction_params(x, label))

    def reconstruction_params(self, x, label=None):
        """Return the parameters of p(x|z) for the centre z of q(z|x): `(B, *params_shape)`.

        Args:
            x: float array `(B, *event)`.
            label: None, or the labels of a `ConditionalVAE`: one for all, or B of them.
        """
        return self.params(self.embed(x, label), label)

    def generate(self, n=None, temperature=1.0, seed=None, label=None):
        """Return means of p(x|z) for draws of z from the prior; see `generation.generate`."""
        return generation.generate(self, n, temperature, seed, label)

    def simulate(self, n, seed=None, label=None):
        """Draw examples: z from the prior, x from p(x|z); see `generation.simulate`."""
        return generation.simulate(self, n, seed, label)

    def elbo(self, x, num_samples=1, seed=None, chunk_size=None, label=None):
        """Return the evidence lower bound of each example; see `bounds.elbo`."""
        return bounds.elbo(self, x, num_samples, seed, chunk_size, label)

    def log_prob(self, x, num_samples=500, seed=None, chunk_size=None, label=None):
        """Return the importance-weighted bound on log p(x); see `bounds.log_prob`."""
        return bounds.log_prob(self, x, num_samples, seed, chunk_size, label)

    def with_prior(self, prior):
        """Return a new VAE with another prior that shares all else but the objective, "elbo".

        It is not compiled.

        Args:
            prior: str or `Prior`, one that no VAE has yet.
        """
        return self._with(prior)

    def with_objective(self, objective):
        """Return a new VAE with another objective that shares all else, to go on training with.

        It is not compiled.

        Args:
            objective: str or `Objective`, such as `IWAE` where the ELBO no longer improves.

        Raises:
            ValueError: if the objective is unknown, or needs what the prior lacks.

        Example:

        >>> from keras_vae import networks
        >>> vae = VAE(networks.mlp_encoder((4,), 2), networks.mlp_decoder((4,), 2))
        >>> tighter = vae.with_objective("iwae")
        >>> tighter.encoder is vae.encoder
        True
        """
        return self._with(self.prior, objective)

    def _with(self, prior, objective="elbo"):
        new = type(self)(
            self.encoder,
            self.decoder,
            likelihood=self.likelihood,
            prior=prior,
            objective=objective,
            posterior=self.posterior,
            seed=self.seed,
            dtype=self.dtype_policy,
            **self._own_options(),
        )
        # Of an encoder that does not tell its input shape, only this VAE knows it.
        if self.built and not new.built:
            new.build((None, *self.event_shape))
        return new

    def labels(self, label, rows):
        """Return labels for so many rows, an array, or None without one.

        Args:
            label: what a user gives as the label.
            rows: int, how many there must be.

        Raises:
            ValueError: if there are labels, and the model knows none.
        """
        if label is not None:
            raise ValueError(
                message(
                    "`label` is for a model that was trained with labels",
                    f"a label, and a {type(self).__name__} without",
                    "Train a keras_vae.ConditionalVAE, or leave the label out.",
                )
            )

    def drawn_labels(self, label, seeds):
        """Return labels for row seeds `(B,)`: those given; a subclass may draw what is missing.

        Args:
            label: None, or labels `(B,)` or `(B, C)`.
            seeds: int32 array `(B,)`, row seeds.
        """
        return label

    def _split(self, inputs):
        """Return x and the labels, or None, of what `call` is given."""
        return inputs if isinstance(inputs, tuple) else (inputs, None)

    def _own_options(self):
        """Return the arguments that a subclass has beside these."""
        return {}

    def fit_prior(self, prior, data, **options):
        """Return a VAE with a prior fitted to the aggregate posterior; see `fitting.fit_prior`."""
        return fitting.fit_prior(self, prior, data, **options)

    def diagnose(self, data, **options):
        """Return what is wrong with the trained VAE, and the cure; see `diagnosis.diagnose`."""
        return diagnosis.diagnose(self, data, **options)

    def terms(self, x, noise, training=False, gate=None, label=None):
        """Return the `Terms` of the bound.

        Args:
            x: float tensor `(B, *event)`.
            noise: standard normal tensor `(K, B, D)`.
            training: bool, whether networks and likelihood are in training.
            gate: None, or a function that gives z back and changes its gradient. Then log q(z|x)
                has a gradient with respect to z alone.
            label: None, or the labels `(B, ...)`.
        """
        posterior = self.encode(x, training=training, label=label)
        z, log_qz = self.posterior.sample(posterior, noise)
        if gate is not None:
            z = gate(z)
            fixed = type(posterior)(*(ops.stop_gradient(value) for value in posterior))
            log_qz = self.posterior.log_prob(fixed, z)
        return Terms(
            log_px=self.likelihood.log_prob(x, self._params(z, training, label), training),
            log_pz=self.prior.log_prob(z),
            log_qz=log_qz,
            kl=self.prior.kl(*posterior) if self.posterior.is_gaussian else None,
            z=z,
            z_mean=posterior.z_mean,
            z_log_var=posterior.z_log_var,
        )

    def get_config(self):
        parts = ("encoder", "decoder", "likelihood", "prior", "objective", "posterior")
        own = {**{name: getattr(self, name) for name in parts}, **self._own_options()}
        config = {name: keras.saving.serialize_keras_object(value) for name, value in own.items()}
        return {**super().get_config(), **config, "seed": self.seed}

    def _beside(self, value, label, samples=1):
        """Return what a network takes: x or z, and the label, for each of so many samples."""
        self.labels(label, None)
        return value

    def _params(self, z, training, label=None):
        """Return the decoder's output for z `(K, B, D)`: `(K, B, *params_shape)` in float32."""
        samples, rows, latent_dim = ops.shape(z)
        flat = self._beside(ops.reshape(z, (-1, latent_dim)), label, samples)
        flat = self.decoder(flat, training=training)
        return ops.cast(ops.reshape(flat, (samples, rows, *flat.shape[1:])), "float32")
