"""q(z|x) through a flow, and what a file keeps of each prior and posterior."""

import keras
import numpy as np
import pytest
from scipy import stats

import keras_vae as kv
from keras_vae import flows
from keras_vae.posteriors import DiagonalGaussian, FlowPosterior, Posterior
from keras_vae.priors import GaussianMixture, RealNVP, VampPrior

SHAPE = (3, 2, 1)
FLOWS = {
    "inverse_autoregressive": lambda: flows.InverseAutoregressiveFlow(2, (8,), seed=0),
    "coupling": lambda: flows.CouplingFlow(2, (8,), seed=0),
}
PRIORS = {
    "standard_normal": lambda: "standard_normal",
    "gaussian_mixture": lambda: GaussianMixture(3, seed=0),
    "vamp": lambda: VampPrior(3, seed=0),
    "real_nvp": lambda: RealNVP(2, (6,), seed=0),
}
with_flow = pytest.mark.parametrize("name", FLOWS)


def make_vae(prior="standard_normal", flow=None, context_dim=0, latent_dim=2, **options):
    """A VAE whose weights have all left their initial values."""
    posterior = "diagonal_gaussian" if flow is None else FlowPosterior(FLOWS[flow]())
    vae = kv.VAE(
        kv.networks.mlp_encoder(SHAPE, latent_dim, units=(5,), context_dim=context_dim, seed=0),
        kv.networks.mlp_decoder(SHAPE, latent_dim, units=(5,), seed=1),
        prior=prior,
        posterior=posterior,
        seed=2,
        **options,
    )
    rng = np.random.default_rng(0)
    for weight in vae.trainable_weights:
        weight.assign_add(0.3 * rng.normal(size=weight.shape))
    return vae


def binary(rows, seed=0):
    return np.random.default_rng(seed).integers(0, 2, (rows, *SHAPE)).astype("float32")


@with_flow
@pytest.mark.parametrize("context_dim", [0, 3])
def test_the_density_of_the_draws_is_that_of_z_and_integrates_to_one(name, context_dim):
    vae, x = make_vae(flow=name, context_dim=context_dim), binary(2)
    posterior = vae.encode(x)
    noise = np.random.default_rng(1).normal(size=(400, 2, 2)).astype("float32")
    z, log_qz = vae.posterior.sample(posterior, noise)
    z_0 = np.asarray(posterior.z_mean) + np.exp(0.5 * np.asarray(posterior.z_log_var)) * noise
    log_base = stats.norm.logpdf(noise.astype(np.float64)).sum(axis=-1)
    log_base -= 0.5 * np.asarray(posterior.z_log_var).sum(axis=-1)
    moved, log_det = vae.posterior.flow.forward(z_0, posterior.context)
    np.testing.assert_allclose(z, moved, atol=1e-5)
    np.testing.assert_allclose(log_qz, log_base - np.asarray(log_det), atol=1e-4)
    found = vae.posterior.log_prob(posterior, np.asarray(z, "float64"))
    np.testing.assert_allclose(found, log_qz, atol=1e-3)

    # By the inverse on a grid, and E_q[r(z) / q(z)] = 1 for a normal density r.
    z = np.asarray(z, np.float64)
    centre, scale = z.mean(axis=0), 0.6 * z.std(axis=0)
    log_r = stats.norm.logpdf(z, centre, scale).sum(axis=-1)
    ratios = np.exp(log_r - np.asarray(log_qz))
    assert (np.abs(ratios.mean(axis=0) - 1) < 4.5 * ratios.std(axis=0) / np.sqrt(400)).all()
    reach = [np.linspace(c - 9 * s, c + 9 * s, 161) for c, s in zip(centre[0], scale[0])]
    grid = np.stack(np.meshgrid(*reach, indexing="ij"), axis=-1).reshape(-1, 1, 2)
    base, log_det = vae.posterior.flow.inverse(
        grid.astype("float32"),
        None if posterior.context is None else posterior.context[:1],
    )
    own = posterior.z_mean[:1], np.exp(0.5 * np.asarray(posterior.z_log_var[:1], np.float64))
    log_density = stats.norm.logpdf(np.asarray(base, np.float64), *own).sum(axis=-1)
    density = np.exp(log_density + np.asarray(log_det)).reshape(161, 161)
    total = np.trapezoid(np.trapezoid(density, reach[1], axis=1), reach[0])
    assert total == pytest.approx(1, abs=1e-2)


@with_flow
@pytest.mark.parametrize("context_dim", [0, 3])
def test_the_embedding_is_the_flow_of_the_mean_and_noise_is_found_again(name, context_dim):
    vae, x = make_vae(flow=name, context_dim=context_dim), binary(4)
    posterior = vae.encode(x)
    assert (posterior.context is None) == (context_dim == 0)
    embedded = vae.posterior.flow.forward(posterior.z_mean, posterior.context)[0]
    np.testing.assert_allclose(vae.embed(x), embedded, rtol=1e-6)
    np.testing.assert_allclose(vae.reconstruct(x), vae.decode(embedded), rtol=1e-5)
    assert np.abs(np.asarray(embedded) - np.asarray(posterior.z_mean)).max() > 0.1
    noise = np.random.default_rng(2).normal(size=(1, 4, 2)).astype("float32")
    z, _ = vae.posterior.sample(posterior, noise)
    np.testing.assert_allclose(vae.posterior.noise_of(posterior, z[0]), noise[0], atol=1e-4)


def test_the_diagonal_gaussian_equals_scipy_and_its_noise_is_found_again():
    rng = np.random.default_rng(3)
    z_mean, z_log_var = (rng.normal(size=(4, 3)).astype("float32") for _ in range(2))
    posterior, noise = Posterior(z_mean, z_log_var), rng.normal(size=(5, 4, 3)).astype("float32")
    q = DiagonalGaussian()
    z, log_qz = q.sample(posterior, noise)
    scale = np.exp(0.5 * z_log_var.astype(np.float64))
    np.testing.assert_allclose(z, z_mean + scale * noise, atol=1e-5)
    expected = stats.norm.logpdf(z_mean + scale * noise, z_mean, scale).sum(axis=-1)
    np.testing.assert_allclose(log_qz, expected, rtol=1e-5)
    np.testing.assert_allclose(q.log_prob(posterior, z), expected, rtol=1e-4)
    np.testing.assert_allclose(q.noise_of(posterior, z[0]), noise[0], atol=1e-5)


@pytest.mark.parametrize(
    ("prior", "flow", "context_dim"),
    [(prior, None, 0) for prior in PRIORS]
    + [("standard_normal", "coupling", 2), ("gaussian_mixture", "inverse_autoregressive", 0)],
)
def test_a_file_keeps_the_elbo_of_each_prior_and_posterior(prior, flow, context_dim, tmp_path):
    vae, x = make_vae(PRIORS[prior](), flow, context_dim), binary(6)
    elbo = vae.elbo(x, num_samples=2, seed=1)
    assert np.isfinite(elbo).all()
    vae.save(tmp_path / "vae.keras")
    loaded = keras.models.load_model(tmp_path / "vae.keras")
    np.testing.assert_allclose(loaded.elbo(x, num_samples=2, seed=1), elbo, rtol=1e-6)
    np.testing.assert_allclose(loaded.generate(5, seed=3), vae.generate(5, seed=3), rtol=1e-5)


@with_flow
def test_one_unit_is_refused_by_the_vae(name):
    with pytest.raises(ValueError, match="A flow needs `latent_dim` >= 2"):
        make_vae(flow=name, latent_dim=1)


def test_an_unknown_flow_is_refused_with_the_close_name():
    with pytest.raises(ValueError, match=r"`flow` must be one of .*Did you mean 'coupling'"):
        FlowPosterior("couplng")


def test_a_context_that_is_no_vector_is_refused():
    x = keras.Input(SHAPE)
    flat = keras.layers.Flatten()(x)
    outputs = [keras.layers.Dense(2)(flat), keras.layers.Dense(2)(flat), x]
    with pytest.raises(ValueError, match=r"third output of `encoder`.*\(None, context_dim\)"):
        kv.VAE(
            keras.Model(x, outputs),
            kv.networks.mlp_decoder(SHAPE, 2, units=(4,)),
            posterior="coupling",
        )


@pytest.mark.parametrize(("latent_dim", "context_dim"), [(4, 2), (3, 0)])
def test_a_flow_of_other_networks_is_refused(latent_dim, context_dim):
    posterior = kv.posteriors.get("coupling")

    def build(size, context):
        return kv.VAE(
            kv.networks.mlp_encoder((4,), size, units=(4,), context_dim=context),
            kv.networks.mlp_decoder((4,), size, units=(4,)),
            posterior=posterior,
        )

    build(3, 2)
    with pytest.raises(ValueError, match=r"built for \(3, 2\)\. Give each VAE a posterior"):
        build(latent_dim, context_dim)
