"""Every kind of network and likelihood goes through every format and comes out the same."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_vae as kv
from export import export, formats, load
from export.endpoints import functions
from export.plan import Plan

pytestmark = pytest.mark.slow

TOLERANCE = 1e-5


@keras.saving.register_keras_serializable("test_export")
class OwnEncoder(keras.Model):
    """A subclassed encoder."""

    def __init__(self, latent_dim, **kwargs):
        super().__init__(**kwargs)
        self.latent_dim = latent_dim
        self.flatten = layers.Flatten()
        self.hidden = layers.Dense(8, activation="gelu")
        self.norm = layers.BatchNormalization()
        self.heads = [layers.Dense(latent_dim), layers.Dense(latent_dim)]

    def call(self, inputs, training=None):
        hidden = self.norm(self.hidden(self.flatten(inputs)), training=training)
        return [head(hidden) for head in self.heads]

    def get_config(self):
        return {**super().get_config(), "latent_dim": self.latent_dim}


@keras.saving.register_keras_serializable("test_export")
class OwnDecoder(keras.Model):
    """A subclassed decoder with dropout."""

    def __init__(self, shape, **kwargs):
        super().__init__(**kwargs)
        self.shape_of_image = tuple(shape)
        self.hidden = layers.Dense(8, activation="tanh")
        self.dropout = layers.Dropout(0.5)
        self.out = layers.Dense(int(np.prod(shape)))
        self.reshape = layers.Reshape(self.shape_of_image)

    def call(self, z, training=None):
        return self.reshape(self.out(self.dropout(self.hidden(z), training=training)))

    def get_config(self):
        return {**super().get_config(), "shape": self.shape_of_image}


def functional_encoder(shape):
    image = keras.Input(shape)
    x = layers.Conv2D(4, 3, strides=2, padding="same")(image)
    x = layers.LayerNormalization()(layers.Activation("silu")(x))
    skip = layers.GlobalAveragePooling2D()(x)
    x = layers.Concatenate()([layers.Flatten()(x), skip])
    return keras.Model(image, [layers.Dense(3)(x), layers.Dense(3)(x), layers.Dense(5)(x)])


def sequential_decoder(shape):
    height, width, channels = shape
    return keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(height // 2 * (width // 2) * 4),
            layers.LeakyReLU(),
            layers.Reshape((height // 2, width // 2, 4)),
            layers.UpSampling2D(),
            layers.Conv2D(channels, 3, padding="same"),
        ]
    )


def convolutional(shape, likelihood="bernoulli", params_per_channel=1):
    return kv.VAE(
        kv.networks.conv_encoder(shape, 3, filters=(4, 8), units=16, seed=0),
        kv.networks.conv_decoder(
            shape, 3, filters=(8, 4), params_per_channel=params_per_channel, seed=1
        ),
        likelihood=likelihood,
    )


def subclassed(shape):
    vae = kv.VAE(OwnEncoder(3), OwnDecoder(shape))
    vae(np.zeros((1, *shape), "float32"))
    return vae


def composed(shape, likelihood="bernoulli", gated=False, context_dim=0, **parts):
    """Small dense networks with other parts."""
    likelihood = kv.likelihoods.get(likelihood)
    params_shape = likelihood.params_shape(shape)
    return kv.VAE(
        kv.networks.mlp_encoder(shape, 3, units=(8,), gated=gated, context_dim=context_dim, seed=0),
        kv.networks.mlp_decoder(params_shape, 3, units=(8,), gated=gated, seed=1),
        likelihood=likelihood,
        **parts,
    )


def residual(shape):
    return kv.VAE(
        kv.networks.resnet_encoder(shape, 3, filters=(4, 8), units=16, seed=0),
        kv.networks.resnet_decoder(shape, 3, filters=(8, 4), seed=1),
        likelihood=kv.likelihoods.Gaussian("optimal"),
    )


def columns():
    return kv.likelihoods.Product(
        ["gaussian", kv.likelihoods.Categorical(4), "bernoulli"], sizes=[3, 1, 2]
    )


VARIANTS = {
    "resnet, optimal scale": lambda: residual((16, 18, 1)),
    "gated, mixture prior, mixture of logistics": lambda: composed(
        (4, 4, 3),
        kv.likelihoods.DiscretizedLogistic(num_components=3),
        gated=True,
        prior=kv.priors.GaussianMixture(5, seed=0),
    ),
    "vamp prior, continuous bernoulli": lambda: composed(
        (4, 4, 1), "continuous_bernoulli", prior=kv.priors.VampPrior(6, seed=0)
    ),
    "flow prior, coupling posterior, columns of several kinds": lambda: composed(
        (6,), columns(), posterior="coupling", prior=kv.priors.RealNVP(3, (8,), seed=0)
    ),
    "inverse autoregressive posterior, levels": lambda: composed(
        (4, 4, 1),
        kv.likelihoods.Categorical(8, ordinal=True),
        context_dim=4,
        posterior="inverse_autoregressive",
    ),
    "logistic": lambda: composed((4, 4, 3), "discretized_logistic"),
    "odd grey, conv": lambda: convolutional((33, 17, 1)),
    "colour, conv, learned scale": lambda: convolutional(
        (32, 32, 3), kv.likelihoods.Gaussian("learned")
    ),
    "colour, conv, scale per element": lambda: convolutional(
        (16, 16, 3), kv.likelihoods.Gaussian("per_element"), 2
    ),
    "functional and sequential": lambda: kv.VAE(
        functional_encoder((8, 6, 1)), sequential_decoder((8, 6, 1))
    ),
    "subclassed": lambda: subclassed((5, 4, 1)),
    "vectors, mlp": lambda: composed((7,), "gaussian"),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_network_gives_in_every_format_what_it_gives_in_keras(variant, tmp_path):
    vae = VARIANTS[variant]()
    rng = np.random.default_rng(3)
    # Away from the initial values, where a swapped or lost weight might not show.
    vae.set_weights(
        [w + rng.normal(0, 0.1, w.shape).astype(w.dtype) ** 2 for w in vae.get_weights()]
    )
    x, z = vae.simulate(2, seed=4)[0], rng.standard_normal((2, 3), np.float32)
    posterior = vae.encode(x)
    endpoints = (*formats.DEFAULT_ENDPOINTS, "score")
    plan = Plan(("saved_model",), ("score",), num_samples=4)
    scored = functions(vae, plan)["score"](x)["negative_elbo"]
    for result in export(vae, tmp_path, tuple(formats.FORMATS), endpoints=endpoints, num_samples=4):
        exported = load(result.path)
        z_mean, z_log_var = exported.encode(x)
        draws = exported.generate(2, seed=5)
        pairs = {
            "score": (exported.score(x).negative_elbo, scored),
            "decode": (exported.decode(z), vae.decode(z)),
            "z_mean": (z_mean, posterior.z_mean),
            "z_log_var": (z_log_var, posterior.z_log_var),
            "reconstruct": (exported.reconstruct(x), vae.reconstruct(x)),
            "generate": (draws.image, vae.generate(2, seed=5)),
            "z": (draws.z, vae.prior.sample(2, 5)),
        }
        for name, (found, expected) in pairs.items():
            expected = np.asarray(expected)
            scale = max(1.0, np.abs(expected).max())
            np.testing.assert_allclose(
                found, expected, rtol=0, atol=TOLERANCE * scale, err_msg=f"{result.format} {name}"
            )


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_network_goes_into_integers(variant, tmp_path):
    vae = VARIANTS[variant]()
    x, _ = vae.simulate(50, seed=4)
    # Untrained networks are noise, of which the bounds for trained ones say nothing.
    (result,) = export(vae, tmp_path, "tflite", "int8", data=x, check=False)
    file = load(result.path)
    assert file.endpoints == ("decode", "encode", "reconstruct", "generate")
    draws, expected = file.generate(8, seed=5), np.asarray(vae.generate(8, seed=5))
    np.testing.assert_allclose(draws.z, vae.prior.sample(8, 5), rtol=0, atol=1e-6)
    spread = np.ptp(expected)
    # A sigmoid's integers are 1/256 apart.
    assert np.abs(draws.image - expected).max() < max(0.05 * spread, 1 / 256)
    np.testing.assert_allclose(draws.image, file.decode(draws.z), rtol=0, atol=1e-6)
    mean = np.asarray(vae.encode(x[:8]).z_mean)
    # In the mean: eight bits of untrained networks are coarse, and coarser through a normalisation.
    assert np.abs(file.encode(x[:8]).z_mean - mean).mean() < 0.08 * np.ptp(mean)
