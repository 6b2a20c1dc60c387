"""The rows of the published table: what is built, and how it is trained."""

from typing import NamedTuple

import keras
import numpy as np

import keras_vae as kv


class Finish(NamedTuple):
    """A second part of a training, which goes on with the same networks.

    It counts its epochs from 0, and sees the binarisations of the first ones again.

    Attributes:
        objective: function of nothing that gives the objective.
        epochs, learning_rate: as of a row, whose other numbers hold.
    """

    objective: object
    epochs: int
    learning_rate: float


class Row(NamedTuple):
    """One row of the table.

    Attributes:
        build: function of (data, seed) that gives the VAE.
        epochs: int.
        published: str, the figure and where it stands.
        target: float or None, the largest NLL that counts as reached.
        minutes: float or None, how long the training may take on 2 cores.
        batch_size, learning_rate: of Adam, whose rate falls to zero along a cosine unless
            `constant_rate`, after a rise over the first `rise` steps.
        clip: float or None, the largest norm of a gradient.
        muon: int, the largest cost of a matrix that Muon updates in the place of Adam.
        source, binarize: the data.
        num_samples: int or None, importance samples if not 5000.
        jit_compile, steps_per_execution: as `compile` takes them.
        finish: Finish or None.
        extra: None, or a function of (vae, images) that gives more numbers.
    """

    build: object
    epochs: int
    published: str
    target: float | None = None
    minutes: float | None = None
    batch_size: int = 100
    learning_rate: float = 1e-3
    constant_rate: bool = False
    rise: int = 0
    clip: float | None = None
    muon: int = 0
    source: str = "mnist"
    binarize: str = "dynamic"
    num_samples: int | None = None
    jit_compile: bool = True
    steps_per_execution: int = 20
    finish: Finish | None = None
    extra: object = None

    def optimizer(self, vae, steps):
        """Return the optimiser of a VAE with the row's schedule for so many steps."""
        rate = self.learning_rate
        if self.rise:
            rate = keras.optimizers.schedules.CosineDecay(
                0.0, steps - self.rise, warmup_target=rate, warmup_steps=self.rise
            )
        elif not self.constant_rate:
            rate = keras.optimizers.schedules.CosineDecay(rate, steps)
        if not self.muon:
            return keras.optimizers.Adam(rate, global_clipnorm=self.clip)
        return kv.optimizers.muon(vae, rate, self.muon, global_clipnorm=self.clip)

    def more(self, vae, images):
        """Return what else a row reports."""
        return self.extra(vae, images) if self.extra else {}


def iwae_net(objective, latent_dim=50):
    """The network of Burda et al. 2016: two layers of 200 tanh units on each side."""
    layers = {"units": (200, 200), "activation": "tanh"}
    return image_net("mlp", standard_normal, objective, latent_dim, encoder=layers, decoder=layers)


def gated_net(prior, objective=kv.objectives.ELBO, latent_dim=40):
    """The network of Tomczak & Welling 2018: two gated layers of 300 units on each side."""
    layers = {"units": (300, 300), "gated": True}
    return image_net("mlp", prior, objective, latent_dim, encoder=layers, decoder=layers)


def image_net(kind, prior, objective=kv.objectives.ELBO, latent_dim=32, policy=None, **options):
    """Networks of one kind on both sides.

    Args:
        kind: "mlp", "conv" or "resnet".
        prior, objective: functions, of a seed and of nothing.
        policy: str or None, the precision.
        **options: `encoder`, `decoder` (dicts for the factories) and `posterior`.
    """
    posterior = options.pop("posterior", "diagonal_gaussian")

    def build(data, seed):
        likelihood = kv.likelihoods.Bernoulli()
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(policy or before)
        encoder = getattr(kv.networks, f"{kind}_encoder")(
            data.image_shape, latent_dim, seed=seed, **options.get("encoder", {})
        )
        decoder = getattr(kv.networks, f"{kind}_decoder")(
            data.image_shape,
            latent_dim,
            output_bias=likelihood.bias(data.mean),
            seed=seed + 1,
            **options.get("decoder", {}),
        )
        vae = kv.VAE(
            encoder,
            decoder,
            likelihood=likelihood,
            prior=prior(seed + 3),
            objective=objective(),
            posterior=posterior if isinstance(posterior, str) else posterior(seed + 4),
            seed=seed + 2,
        )
        keras.config.set_dtype_policy(before)
        return vae

    return build


def textbook_net(data, seed):
    """The network of Kingma & Welling 2014 as tutorials have it: 400 ReLU units, D=20."""
    return kv.VAE(
        kv.networks.mlp_encoder(data.image_shape, 20, seed=seed),
        kv.networks.mlp_decoder(data.image_shape, 20, seed=seed + 1),
        seed=seed + 2,
    )


def small_net(data, seed):
    """A network that trains in seconds."""
    likelihood = kv.likelihoods.Bernoulli()
    return kv.VAE(
        kv.networks.mlp_encoder(data.image_shape, 8, units=(128,), seed=seed),
        kv.networks.mlp_decoder(
            data.image_shape,
            8,
            units=(128,),
            output_bias=likelihood.bias(data.mean),
            seed=seed + 1,
        ),
        likelihood=likelihood,
        seed=seed + 2,
    )


def from_the_mean(vae, images):
    """The loss as some texts report it: decoded from the mean of q(z|x), which is no bound."""
    posterior = vae.encode(images)
    params = vae.decoder.predict(posterior.z_mean, verbose=0)
    log_px = vae.likelihood.log_prob(images, params)
    return {"decoded_from_the_mean": float(np.mean(vae.prior.kl(*posterior) - log_px))}


def standard_normal(seed):
    """N(0, I), which has nothing to seed."""
    return kv.priors.StandardNormal()


def vamp(seed):
    """A VampPrior of 500 pseudo-inputs."""
    return kv.priors.VampPrior(500, seed=seed)


def dreg():
    """Five importance samples with doubly reparameterised gradients."""
    return kv.objectives.IWAE(5, doubly_reparameterized=True)


def warmed_up(share):
    """The ELBO with a linear warm-up over a share of the training."""
    return lambda: kv.objectives.ELBO(beta=kv.schedules.LinearWarmup(share=share))


def real_nvp(num_layers):
    """A RealNVP prior of so many couplings, as a function of a seed."""
    return lambda seed: kv.priors.RealNVP(num_layers, seed=seed)


BURDA = "Burda et al. 2016, table 1"
TOMCZAK = "Tomczak & Welling 2018, table 1"

IWAE_K5 = Row(
    iwae_net(lambda: kv.objectives.IWAE(5)),
    720,
    f"85.54 ({BURDA})",
    85.69,
    120,
    batch_size=200,
    learning_rate=4e-3,
    rise=500,
    muon=10_000_000,
    jit_compile=False,
)
CONV_REAL_NVP = Row(
    image_net("resnet", real_nvp(8), warmed_up(0.1), policy="mixed_bfloat16"),
    52,
    "none",
    81.3,
    10,
    batch_size=200,
    learning_rate=5e-3,
    rise=500,
    muon=4_000_000,
    jit_compile=False,
)
# For `time_to_quality.py`, which is no row of the table.
QUICK = Row(
    gated_net(standard_normal),
    16,
    "none",
    batch_size=200,
    learning_rate=4e-3,
    muon=4_000_000,
    jit_compile="auto",
)

ROWS = {
    "textbook": Row(
        textbook_net,
        10,
        "about 104 sampled, 97.0 to 97.7 decoded from the mean (grey cross-entropy of tutorials); "
        "asked for: both within 1.5",
        constant_rate=True,
        binarize="none",
        num_samples=1,
        extra=from_the_mean,
    ),
    "digits": Row(
        small_net, 100, "none", source="digits", binarize="threshold", constant_rate=True
    ),
    "static_threshold": Row(
        small_net, 10, "none", binarize="threshold", constant_rate=True, num_samples=100
    ),
    "iwae_k1": Row(
        iwae_net(kv.objectives.ELBO), 1200, f"86.76 ({BURDA})", 86.91, 60, learning_rate=3e-3
    ),
    "iwae_k5": IWAE_K5,
    "iwae_k5_dreg": IWAE_K5._replace(
        build=iwae_net(dreg),
        published="better than the row above",
        target=None,
    ),
    "gated_standard_normal": Row(
        gated_net(standard_normal, warmed_up(0.1)),
        480,
        f"84.45 ({TOMCZAK})",
        84.60,
        60,
        learning_rate=2e-3,
        rise=500,
        clip=50.0,
    ),
    "gated_real_nvp": Row(
        gated_net(real_nvp(6), warmed_up(0.1)),
        148,
        "none",
        82.2,
        10,
        batch_size=200,
        learning_rate=4e-3,
        rise=500,
        clip=50.0,
        muon=4_000_000,
    ),
    "gated_vamp": Row(
        gated_net(vamp, warmed_up(0.1)),
        400,
        f"82.43 ({TOMCZAK})",
        82.58,
        90,
        batch_size=250,
        learning_rate=3e-3,
        rise=500,
        clip=50.0,
        muon=4_000_000,
        jit_compile=False,
    ),
    "conv_real_nvp": CONV_REAL_NVP,
    "best": CONV_REAL_NVP._replace(
        finish=Finish(dreg, 26, 4e-3),
        published=f"79.67 of a ConvHVAE with a VampPrior, on GPUs ({TOMCZAK})",
        target=80.0,
        minutes=30,
    ),
}
