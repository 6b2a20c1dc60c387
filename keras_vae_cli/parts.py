"""The parts of a VAE that the options of `keras-vae train` describe. Imported when it runs."""

import contextlib
import functools
import inspect
import math

import keras
import numpy as np

import keras_vae as kv
from keras_vae import uses
from keras_vae_cli.recipes import RECIPES

# Those of images.
LIKELIHOODS = ("bernoulli", "continuous_bernoulli", "gaussian", "discretized_logistic")
# That of tables, which the data choose.
TABULAR = "tabular"
_WARMUPS = {
    "linear": kv.schedules.LinearWarmup,
    "sigmoid": kv.schedules.SigmoidWarmup,
    "cyclical": kv.schedules.CyclicalWarmup,
}
# Options that mean something beside some values of another option alone.
_BELONG_TO = {
    "beta": ("objective", ("elbo", "beta_tc")),
    "initial_beta": ("objective", ("elbo", "beta_tc")),
    "free_bits": ("objective", ("elbo",)),
    "warmup": ("objective", ("elbo", "beta_tc")),
    "warmup_epochs": ("objective", ("elbo", "beta_tc")),
    "num_samples": ("objective", ("iwae",)),
    "finish_epochs": ("objective", ("elbo",)),
    "scale": ("likelihood", ("gaussian", "auto")),
    "num_components": ("likelihood", ("discretized_logistic",)),
    "noise_strength": ("noise", kv.restore.KINDS),
    "label_drop": ("conditional", (True,)),
}
# What each part adds to --seed, so that no two draw the same numbers.
_SEEDS = {
    "encoder": 0,
    "decoder": 1,
    "model": 2,
    "prior": 3,
    "posterior": 4,
    "noise": 5,
    "classifier": 6,
}
_RISE_SHARE, _MOST_RISE = 0.05, 500
# Of the learning rate, in the epochs that finish a training.
_FINISH_RATE = 0.8
_CONTEXT_DIM = 32
_PSEUDO_INPUTS, _COUPLINGS = 500, 8
# Of images whose classes are told by convolutions: they halve the image twice.
_LEAST_SIDE = 4


def complete(options):
    """Return the options with the recipe's in the place of those that are not given."""
    recipe = RECIPES[options["recipe"]]
    given = {name: value for name, value in options.items() if value is not None}
    return {**dict.fromkeys(options), **recipe, **given}


def takes(name, options):
    """Return whether an option means something beside the others."""
    owner, values = _BELONG_TO.get(name, (None, (None,)))
    return options.get(owner) in values


def check_given(names, options):
    """Raise `ValueError` if one of the options that were given would be ignored."""
    for name in names:
        if not takes(name, options):
            owner, values = _BELONG_TO[name]
            is_flag = values == (True,)
            chosen = f"--{owner}" if is_flag else f"--{owner} {values[0]}"
            of = chosen if is_flag else f"{owner} {' or '.join(values)}"
            raise ValueError(
                kv.checks.message(
                    f"`{name}` is an option of {of} alone",
                    f"no {chosen}" if is_flag else f"{owner}={options[owner]!r}",
                    f"Leave it out, or choose {chosen}.",
                )
            )


def check(options):
    """Raise `ValueError` for options of the model that are out of range, before data is read."""
    kv.checks.choice("likelihood", options["likelihood"], ("auto", *LIKELIHOODS))
    likelihood(options)
    kv.checks.integer("latent_dim", options["latent_dim"], 1)
    kv.checks.number("learning_rate", options["learning_rate"], above=0)
    kv.checks.choice("prior", options["prior"], kv.priors.NAMES)
    chosen = kv.posteriors.get(options["posterior"])
    if options["noise"] != "none":
        kv.restore.Noise(options["noise"], options["noise_strength"])
    kv.checks.number("label_drop", options["label_drop"], minimum=0, below=1)
    if options["labelled"] is not None:
        _check_labelled(options)
    if options["warmup_epochs"] is not None:
        kv.checks.number("warmup_epochs", options["warmup_epochs"], minimum=0)
    if options["finish_epochs"] and (options["beta"], options["free_bits"]) != (1.0, 0.0):
        raise ValueError(
            kv.checks.message(
                "`finish_epochs` goes on from the ELBO itself, which has beta=1 and free_bits=0",
                f"beta={options['beta']} and free_bits={options['free_bits']}",
                "Leave out --finish-epochs, or --beta and --free-bits.",
            )
        )
    aim = objective({**options, "warmup_epochs": 0}, num_train=2, steps_per_epoch=1)
    aim.check(kv.priors.get(options["prior"]), chosen)


def _check_labelled(options):
    """Refuse what a model that learns from few labels cannot have."""
    labelled = options["labelled"]
    if uses.labels.is_count(labelled):
        kv.checks.integer("labelled", int(labelled), 2)
    elif not labelled.strip() or _is_number(labelled):
        raise ValueError(
            kv.checks.message(
                "`labelled` must be an integer >= 2, or a source with labels", repr(labelled)
            )
        )
    for name, legal in (
        ("conditional", False),
        ("objective", "elbo"),
        ("finish_epochs", 0),
        ("prior", ("standard_normal", "gaussian_mixture", "real_nvp")),
    ):
        value = options[name]
        if value != legal and (not isinstance(legal, tuple) or value not in legal):
            wanted = " or ".join(legal) if isinstance(legal, tuple) else legal
            raise ValueError(
                kv.checks.message(
                    f"`{name}` must be {wanted} with --labelled", value, "Leave it out."
                )
            )


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def likelihood(options):
    """Return the likelihood, "auto" for a Gaussian."""
    name = options["likelihood"]
    if name == "discretized_logistic":
        return kv.likelihoods.DiscretizedLogistic(options["num_components"])
    if name not in ("auto", "gaussian"):
        return kv.likelihoods.get(name)
    scale = options["scale"]
    with contextlib.suppress(ValueError):
        scale = float(scale)
    return kv.likelihoods.Gaussian(scale)


def _seed(options, part):
    return options["seed"] + _SEEDS[part]


def _has_flow(options):
    return options["posterior"] != "diagonal_gaussian"


def objective(options, num_train, steps_per_epoch):
    """Return what training minimises, its warm-up counted in steps."""
    name, beta = options["objective"], options["beta"]
    if options["warmup_epochs"]:
        steps = math.ceil(options["warmup_epochs"] * steps_per_epoch)
        warmup = _WARMUPS[options["warmup"]]
        beta = warmup(steps=steps, initial=options["initial_beta"], final=beta)
    if name == "iwae":
        return _iwae(options)
    if name == "beta_tc":
        return kv.objectives.BetaTC(num_train, beta=beta)
    if name != "elbo":
        return kv.objectives.get(name)
    return kv.objectives.ELBO(beta=beta, free_bits=options["free_bits"])


def _iwae(options):
    return kv.objectives.IWAE(options["num_samples"], doubly_reparameterized=not _has_flow(options))


def prior(options, data):
    """Return the prior; a VampPrior begins with training images."""
    seed = _seed(options, "prior")
    if options["prior"] == "vamp":
        with data.at_first_epoch():
            images = kv.evaluation.first_examples(data.train, _PSEUDO_INPUTS)
        return kv.priors.VampPrior(len(images), pseudo_inputs=np.clip(images, 0, 1), seed=seed)
    if options["prior"] == "real_nvp":
        return kv.priors.RealNVP(_COUPLINGS, seed=seed)
    family = kv.priors.NAMES[options["prior"]]
    return family(seed=seed) if "seed" in inspect.signature(family).parameters else family()


def posterior(options):
    """Return the family of q(z|x)."""
    if not _has_flow(options):
        return kv.posteriors.get(options["posterior"])
    return kv.posteriors.FlowPosterior(options["posterior"], seed=_seed(options, "posterior"))


def build(data, options, steps_per_epoch):
    """Return the compiled VAE that the options describe, for the data."""
    size = options["latent_dim"]
    seeds = {side: _seed(options, side) for side in ("encoder", "decoder")}
    context_dim = _CONTEXT_DIM if _has_flow(options) else 0
    if options["likelihood"] == TABULAR:
        chosen = kv.likelihoods.Tabular(data.columns)
        encoder = kv.networks.table_encoder(
            data.columns, size, context_dim=context_dim, seed=seeds["encoder"]
        )
        decoder = kv.networks.table_decoder(data.columns, size, seed=seeds["decoder"])
    else:
        chosen = likelihood(options)
        make_encoder, make_decoder = (_maker(options, side) for side in ("encoder", "decoder"))
        encoder = make_encoder(
            data.image_shape, size, context_dim=context_dim, seed=seeds["encoder"]
        )
        decoder = make_decoder(
            data.image_shape,
            size,
            params_per_channel=chosen.params_per_channel,
            output_bias=chosen.bias(data.mean),
            seed=seeds["decoder"],
        )
    if options["noise"] != "none":
        noise = options["noise"], options["noise_strength"], _seed(options, "noise")
        encoder = kv.restore.noisy_encoder(encoder, *noise)
    vae = _model_class(data, options)(
        encoder=encoder,
        decoder=decoder,
        likelihood=chosen,
        prior=prior(options, data),
        objective=objective(options, data.num_train, steps_per_epoch),
        posterior=posterior(options),
        seed=_seed(options, "model"),
    )
    _compile(vae, options, options["learning_rate"], options["epochs"] * steps_per_epoch)
    return vae


def _maker(options, side):
    """Return the function that makes an encoder or a decoder of images."""
    make = getattr(kv.networks, f"{options['network']}_{side}")
    classes = options.get("classes")
    if not classes:
        return make
    conditional = getattr(kv.networks, f"conditional_{side}")
    return functools.partial(conditional, make, condition_dim=len(classes))


def _model_class(data, options):
    """Return what makes the VAE of its parts, by what it learns of labels."""
    if options["labelled"]:
        size = (data.image_shape, len(options["classes"]))
        small = min(data.image_shape[:2]) < _LEAST_SIDE
        make = kv.networks.mlp_classifier if small else kv.networks.conv_classifier
        classifier = make(*size, seed=_seed(options, "classifier"))
        return functools.partial(kv.SemiSupervisedVAE, classifier=classifier)
    if options["conditional"]:
        return functools.partial(
            kv.ConditionalVAE,
            num_classes=len(options["classes"]),
            label_drop=options["label_drop"],
        )
    return kv.VAE


def build_finish(vae, options, steps_per_epoch):
    """Return a compiled VAE of the same networks that goes on with importance weights."""
    vae = vae.with_objective(_iwae(options))
    rate = _FINISH_RATE * options["learning_rate"]
    _compile(vae, options, rate, options["finish_epochs"] * steps_per_epoch)
    return vae


def _compile(vae, options, rate, steps):
    rate = learning_rate(options, rate, steps)
    is_muon = options["optimizer"] == "muon"
    vae.compile(kv.optimizers.muon(vae, rate) if is_muon else keras.optimizers.Adam(rate))


def learning_rate(options, rate, steps):
    """Return what the optimiser takes: the rate, or a schedule of so many steps."""
    if options["learning_rate_schedule"] == "constant":
        return rate
    # Full steps from the first on can leave a network that no longer learns.
    rise = min(_MOST_RISE, math.ceil(_RISE_SHARE * steps))
    return keras.optimizers.schedules.CosineDecay(
        0.0, max(1, steps - rise), warmup_target=rate, warmup_steps=rise
    )
