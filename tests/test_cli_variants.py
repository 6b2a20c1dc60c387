"""The parts, recipes and measures that the command line offers."""

import json

import pytest

import keras_vae as kv
from keras_vae import runs

pytestmark = pytest.mark.slow

QUICK = ("--epochs", 1, "--network", "mlp", "--latent-dim", 3, "--quiet")


def train(command_line, path, *options):
    return command_line("train", "digits", "--out", path, *QUICK, *options)


def test_the_recipes_differ_in_what_is_not_given_alone(command_line, tmp_path):
    for recipe, prior, schedule, warmup in (
        ("best", "real_nvp", "cosine", 0.2),
        ("textbook", "standard_normal", "constant", 0.0),
    ):
        path = tmp_path / recipe
        options = ("--recipe", recipe, "--epochs", 2, "--learning-rate", 5e-4)
        assert train(command_line, path, *options).status == 0
        config = runs.load(path).config
        assert (config["model"]["recipe"], config["model"]["prior"]) == (recipe, prior)
        assert config["model"]["latent_dim"] == 3
        assert config["training"]["learning_rate"] == 5e-4
        assert config["training"]["learning_rate_schedule"] == schedule
        assert config["training"]["warmup_epochs"] == pytest.approx(warmup)
        assert runs.load(path).vae.prior.is_factorized == (recipe == "textbook")


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (
            ("--prior", "vamp", "--objective", "iwae", "--num-samples", 3),
            {"prior": kv.priors.VampPrior, "objective": kv.objectives.IWAE},
        ),
        (
            (
                *("--posterior", "inverse_autoregressive", "--likelihood", "continuous_bernoulli"),
                *("--objective", "iwae", "--num-samples", 3, "--recipe", "textbook"),
            ),
            {
                "posterior": kv.posteriors.FlowPosterior,
                "objective": kv.objectives.IWAE,
                "likelihood": kv.likelihoods.ContinuousBernoulli,
            },
        ),
        (
            ("--recipe", "textbook", "--objective", "beta_tc", "--scale", "optimal"),
            {"objective": kv.objectives.BetaTC, "prior": kv.priors.StandardNormal},
        ),
    ],
)
def test_each_part_is_an_option_and_trains(options, parts, command_line, tmp_path):
    outcome = train(command_line, tmp_path / "run", *options)
    assert outcome.status == 0, outcome.err
    vae = runs.load(tmp_path / "run").vae
    for name, kind in parts.items():
        assert type(getattr(vae, name)) is kind
    if "iwae" in options:
        assert vae.objective.num_samples == 3
        assert vae.objective.doubly_reparameterized == vae.posterior.is_gaussian
        # The record names no option that meant nothing.
        config = runs.load(tmp_path / "run").config
        assert not {"warmup_epochs", "beta"} & {*config["training"], *config["model"]}
    if "beta_tc" in options:
        assert vae.objective.dataset_size == kv.data.load("digits").num_train


def test_a_training_is_finished_with_importance_weights(command_line, tmp_path):
    options = ("--recipe", "textbook", "--epochs", 2, "--warmup-epochs", 1, "--finish-epochs", 1)
    outcome = train(command_line, tmp_path / "run", *options)
    assert outcome.status == 0, outcome.err
    run = runs.load(tmp_path / "run")
    assert type(run.vae.objective) is kv.objectives.IWAE
    assert (run.vae.objective.num_samples, run.vae.objective.doubly_reparameterized) == (5, True)
    # The ELBO alone has a warm-up; the networks go on from where it left them.
    assert (len(run.history["beta"]), len(run.history["loss"])) == (2, 3)
    assert run.history["val_loss"][2] < run.history["val_loss"][0]
    training = run.config["training"]
    assert (training["epochs"], training["finish_epochs"], training["epochs_done"]) == (2, 1, 3)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--objective", "beta_tc"), "needs a prior whose units are independent"),
        (("--likelihood", "discretized_logistic"), "multiples of 1/255"),
        (("--posterior", "coupling", "--latent-dim", 1), "latent_dim"),
        (("--prior", "vamp", "--posterior", "coupling"), "VampPrior"),
        (("--prior", "real_nvq"), "real_nvp"),
        (("--posterior", "flow"), "inverse_autoregressive"),
        (("--objective", "iwae", "--beta", 4), "`beta` is an option of objective elbo or beta_tc"),
        (("--objective", "info_vae", "--warmup-epochs", 3), "`warmup_epochs` is an option of"),
        (("--objective", "info_vae", "--free-bits", 3), "`free_bits` is an option of"),
        (("--num-samples", 50), "--objective iwae"),
        (("--finish-epochs", 2, "--objective", "iwae"), "`finish_epochs` is an option of"),
        (("--finish-epochs", 2, "--beta", 4), "Leave out --finish-epochs"),
        (("--likelihood", "bernoulli", "--scale", "optimal"), "--likelihood gaussian"),
        (("--num-components", 5), "--likelihood discretized_logistic"),
    ],
)
def test_parts_that_do_not_fit_are_refused_with_the_fix(options, words, command_line, tmp_path):
    outcome = train(command_line, tmp_path / "run", *options)
    assert outcome.status == 2 and words in outcome.err
    assert "Traceback" not in outcome.err and not (tmp_path / "run").exists()


def test_evaluate_anneals_and_compares_samples_on_demand(command_line, trained_run):
    annealed = ("--annealed", 4, "--annealing-steps", 20)
    options = ("--num-samples", 20, *annealed, "--samples", 40, "--quiet")
    outcome = command_line("evaluate", trained_run, *options)
    assert outcome.status == 0, outcome.err
    metrics = json.loads((trained_run / runs.METRICS).read_text())
    # Both are right in the mean, and noisy of four images.
    assert metrics["simulated_nll_below"] <= metrics["simulated_nll_above"] + 0.1
    assert (metrics["annealed_n"], metrics["annealed_steps"]) == (4, 20)
    assert metrics["frechet_images"] == 40
    for text in ("annealed NLL", "Frechet distance", "not FID", "q(z) lies"):
        assert text in outcome.out
    command_line("evaluate", trained_run, "--num-samples", 10, "--quiet")
    plain = json.loads((trained_run / runs.METRICS).read_text())
    assert (plain["num_samples"], plain.keys()) == (10, metrics.keys())
    assert plain["annealed_nll"] == metrics["annealed_nll"]


def test_diagnose_says_what_is_wrong_with_a_run(command_line, trained_run):
    outcome = command_line("diagnose", trained_run)
    assert outcome.status == 0, outcome.err
    found = runs.load(trained_run).vae.diagnose(runs.load(trained_run).load_data())
    assert ("Nothing is wrong" in outcome.out) == (not found.findings)
    for finding in found.findings:
        assert finding.problem in outcome.out
