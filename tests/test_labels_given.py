"""Labels that data have are given to a model that takes them, wherever data are looked at."""

import re

import keras
import numpy as np
import pytest

import keras_vae as kv
from keras_vae import evaluation, latent, random, runs, uses
from keras_vae.anomaly import AnomalyDetector
from keras_vae.data.examples import PartExamples
from keras_vae.model_card import model_card

SHAPE = (8, 8, 1)
# Where the means lie of examples whose label is given; those of others are 0.
FAR = 5.0


@pytest.fixture(scope="module")
def data():
    return kv.data.load("digits", batch_size=64, labels=True, progress=False)


@pytest.fixture(scope="module")
def run(command_line, tmp_path_factory):
    """A run that was trained with labels; its classes are the digits."""
    path = tmp_path_factory.mktemp("labels_given") / "run"
    options = ("--conditional", "--network", "mlp", "--latent-dim", 4, "--recipe", "textbook")
    options += ("--epochs", 15, "--learning-rate", 3e-3, "--scale", "optimal", "--quiet")
    outcome = command_line("train", "digits", "--out", path, *options)
    assert outcome.status == 0, outcome.err
    return runs.load(path)


def part_of(run, name):
    """All x and labels of a part of a run's data."""
    loaded = run.load_data(progress=False)
    part = PartExamples([loaded.parts[name]], has_labels=True)
    return part.read(0, len(part))[::2]


def conditional(encoder=None, num_classes=10, size=10):
    sizes = {"latent_dim": 2, "condition_dim": size, "units": (8,)}
    return kv.ConditionalVAE(
        encoder or kv.networks.conditional_encoder(kv.networks.mlp_encoder, SHAPE, seed=0, **sizes),
        kv.networks.conditional_decoder(kv.networks.mlp_decoder, SHAPE, seed=1, **sizes),
        num_classes=num_classes,
        likelihood="continuous_bernoulli",
        seed=2,
    )


def semi_supervised():
    sizes = {"latent_dim": 2, "condition_dim": 10, "units": (8,)}
    return kv.SemiSupervisedVAE(
        kv.networks.conditional_encoder(kv.networks.mlp_encoder, SHAPE, seed=0, **sizes),
        kv.networks.conditional_decoder(kv.networks.mlp_decoder, SHAPE, seed=1, **sizes),
        kv.networks.mlp_classifier(SHAPE, 10, units=(8,), seed=3),
        likelihood="continuous_bernoulli",
        seed=2,
    )


def encoder_that_moves():
    """An encoder whose means tell whether a label is given, and nothing else."""
    x, condition = keras.Input(SHAPE), keras.Input((11,))
    mean, log_var = (keras.layers.Dense(2, use_bias=False) for _ in range(2))
    encoder = keras.Model([x, condition], [mean(condition), log_var(condition)])
    kernel = np.zeros((11, 2))
    log_var.set_weights([kernel])
    kernel[-1] = FAR
    mean.set_weights([kernel])
    return encoder


def fit_a_prior(vae, data):
    """The mean of z where the prior started, and of its draws in the end."""
    started = []

    class Started(kv.priors.GaussianMixture):
        def start_at(self, z):
            started.append(np.mean(z))
            super().start_at(z)

    options = {"epochs": 15, "learning_rate": 0.1, "verbose": 2}
    new = vae.fit_prior(Started(3, seed=0), data, **options)
    return new, started[0], np.mean(new.prior.sample(500, seed=1))


@pytest.mark.slow
def test_a_prior_is_fitted_to_the_posteriors_given_the_labels_of_the_data(data, capsys):
    vae = conditional(encoder_that_moves())
    new, first, last = fit_a_prior(vae, data)
    assert first == pytest.approx(FAR, abs=0.3) and last == pytest.approx(FAR, abs=0.3)
    said = re.search(r"ELBO: (-?[\d.]+) nats before, (-?[\d.]+)", capsys.readouterr().out)
    x, y = (np.concatenate(part) for part in zip(*data.validation))
    for each, text in zip((vae, new), said.groups(), strict=True):
        expected = each.elbo(x, 10, seed=0, label=y).mean()
        assert float(text) == pytest.approx(expected, abs=0.006)


@pytest.mark.slow
def test_a_prior_is_fitted_without_labels_where_the_data_have_none():
    vae = conditional(encoder_that_moves())
    data = kv.data.load("digits", batch_size=64, progress=False)
    _, first, last = fit_a_prior(vae, data)
    assert first == pytest.approx(0, abs=0.3) and last == pytest.approx(0, abs=0.3)


@pytest.mark.slow
def test_a_prior_is_fitted_to_a_model_that_knows_few_labels(data):
    fitted = semi_supervised().fit_prior("gaussian_mixture", data, epochs=1, verbose=0)
    assert fitted.generate(2, seed=0, label=1).shape == (2, *SHAPE)


@pytest.mark.slow
def test_the_diagnosis_is_of_the_model_that_is_given_the_labels(run, data):
    labelled = run.vae.diagnose(data, max_examples=150, num_samples=4, seed=3).numbers
    with data.at_first_epoch():
        parts = [
            evaluation.first_labelled(run.vae, part, 150) for part in (data.validation, data.train)
        ]
    for name, (x, y) in zip(("elbo", "train_elbo"), parts, strict=True):
        seeds = random.row_seeds(3, len(x))
        own, none = (run.vae.elbo(x, 4, seeds, label=label).mean() for label in (y, None))
        assert own > none + 1
        assert labelled[name] == pytest.approx(own, abs=1e-3)
    variance = np.asarray(run.vae.encode(parts[0][0], label=parts[0][1]).z_log_var)
    mean = np.asarray(run.vae.encode(parts[0][0], label=parts[0][1]).z_mean)
    information = np.log(mean.var(axis=0) + np.exp(variance).mean(axis=0)) - variance.mean(axis=0)
    np.testing.assert_allclose(labelled["unit_information"], information / 2, atol=1e-4)
    x = parts[0][0]
    alone = run.vae.diagnose(x, max_examples=150, num_samples=4, seed=3).numbers
    expected = run.vae.elbo(x, 4, random.row_seeds(3, len(x))).mean()
    assert alone["elbo"] == pytest.approx(expected, abs=1e-3)


@pytest.mark.slow
def test_the_command_diagnoses_with_labels(run, command_line, monkeypatch, trained_run):
    asked, diagnose = [], kv.VAE.diagnose

    def recorded(self, data, **options):
        asked.append(data.labels)
        return diagnose(self, data, **options)

    monkeypatch.setattr(kv.VAE, "diagnose", recorded)
    for path in (run.path, trained_run):
        assert command_line("diagnose", path).status == 0
    assert asked == [True, False]


def test_an_embedding_is_given_the_labels_unless_the_model_is_bound(run, data):
    x, y = (np.concatenate(part) for part in zip(*data.test))
    found = latent.embed(run.vae, data.test)
    np.testing.assert_allclose(found.z, run.vae.embed(x, y), atol=1e-5)
    np.testing.assert_array_equal(found.labels, y)
    bound = latent.embed(run.vae.at(), data.test)
    np.testing.assert_allclose(bound.z, run.vae.embed(x), atol=1e-5)
    assert np.abs(bound.z - found.z).max() > 0.1
    some = np.where(np.arange(len(y)) % 2, y, -1)
    mixed = latent.embed(run.vae, [(x, some)]).z
    expected = np.where(np.arange(len(y))[:, None] % 2, found.z, bound.z)
    np.testing.assert_allclose(mixed, expected, atol=1e-5)


def test_an_attribute_is_of_the_class_that_z_carries_without_a_label(run, command_line, tmp_path):
    out = tmp_path / "attribute.npy"
    words = ("attribute", run.path, "--from", 0, "--to", 1, "--images", 4, "--out", out)
    assert command_line(*words).status == 0
    x, y = part_of(run, "test")
    z = np.asarray(run.vae.embed(x))
    mine, to = (z[y == label] for label in (0, 1))
    first, last = mine[:4], mine[:4] + to.mean(axis=0) - mine.mean(axis=0)
    images = np.load(out)
    np.testing.assert_allclose(images[:, 0], run.vae.decode(first), atol=1e-4)
    np.testing.assert_allclose(images[:, -1], run.vae.decode(last), atol=1e-4)
    out = tmp_path / "scatter.npy"
    assert command_line("scatter", run.path, "--method", "pca", "--out", out).status == 0
    given = latent.project(np.asarray(run.vae.embed(x, y)), "pca")
    np.testing.assert_allclose(np.load(out), given, atol=1e-3)


def test_the_false_alarms_of_a_label_are_those_of_its_own_examples(run):
    bound = uses.at(run, "1")
    assert (bound.label, uses.at(run).label, run.label) == (1, None, None)
    found = uses.detecting.detector(bound, "negative_elbo", false_alarm_rate=0.1)
    own = {}
    for name in ("train", "validation"):
        x, y = part_of(run, name)
        own[name] = x[y == 1]
    expected = AnomalyDetector(run.vae.at(1), "typicality").fit(own["train"])
    scores = np.sort(uses.detecting.detector(bound, "typicality").score_samples(own["validation"]))
    np.testing.assert_allclose(scores, np.sort(expected.score_samples(own["validation"])))
    scores = np.sort(found.score_samples(own["validation"]))
    np.testing.assert_allclose(found.calibration_scores_, scores)
    assert np.mean(scores < found.threshold_) < 0.1
    # It is kept, and not by the name of one that was calibrated with all examples.
    names = {path.name for path in (run.path / uses.detecting.DETECTORS).glob("negative_elbo*")}
    assert names == {f"negative_elbo-label1-{bound.checksum:08x}.npz"}
    again = uses.detecting.detector(uses.at(run, "1"), "negative_elbo")
    np.testing.assert_array_equal(again.calibration_scores_, found.calibration_scores_)


def test_a_rate_that_the_examples_of_a_label_are_too_few_for_is_refused(run):
    with pytest.raises(ValueError, match=r"needs at least 49 calibration examples. Received: \d\d"):
        uses.detecting.detector(uses.at(run, "1"), "negative_elbo", false_alarm_rate=0.02)
    everything = uses.detecting.detector(uses.at(run), "negative_elbo", false_alarm_rate=0.02)
    assert len(everything.calibration_scores_) == len(part_of(run, "validation")[0])


def test_a_score_with_a_label_is_compared_with_training_examples_of_it(run, tmp_path):
    bound = uses.at(run, "1")
    uses.score(bound, "test", tmp_path / "scores.npz", num_samples=3)
    found = np.load(tmp_path / "scores.npz")
    x, y = part_of(run, "train")
    usual = np.sort(bound.vae.log_prob(x[y == 1], 3, seed=0))
    expected = np.searchsorted(usual, found["log_prob"]) / len(usual)
    np.testing.assert_allclose(found["share_less_likely"], expected, atol=2 / len(usual))


def test_a_label_without_examples_is_refused(run, monkeypatch):
    monkeypatch.setattr(PartExamples, "of_class", lambda *_: iter(()))
    with pytest.raises(ValueError, match="validation part must have examples of the label"):
        uses.detecting.detector(uses.at(run, "2"), "reconstruction_error")


class Stream:
    """A part that is read in order alone."""

    def __init__(self, rows):
        self.rows, self.levels = rows, rows.levels

    def __len__(self):
        return len(self.rows)

    def batches(self, *args):
        return self.rows.batches(*args)


def test_examples_of_a_class_are_chosen_of_rows_and_of_streams(data):
    rows = data.parts["train"]
    x, _, y = PartExamples([rows], has_labels=True).read(0, len(rows))
    for part in (rows, Stream(rows)):
        examples = PartExamples([part])
        np.testing.assert_array_equal(np.concatenate(list(examples.of_class(3, 9999))), x[y == 3])
        some = np.concatenate(list(examples.of_class(3, 20)))
        assert (
            len(some) == 20 and (some[:, None] == x[y == 3]).all(axis=(2, 3, 4)).any(axis=1).all()
        )
        assert not list(examples.of_class(11, 20))


def test_the_note_says_that_labels_were_given_where_each_example_had_one(data):
    x, y = (np.asarray(part) for part in next(iter(data.test)))
    vae = conditional()

    def note(vae, *batches):
        return evaluation.LABEL_NOTE in kv.evaluation.evaluate(vae, batches, 2).get("note", "")

    some = np.where(np.arange(len(y)) % 2, y, -1)
    assert note(vae, (x, y), (x, y))
    assert not note(vae, (x, y), (x, some))
    assert not note(vae, (x, np.full_like(y, -1)))
    assert not note(vae, x) and not note(vae, (x, y), x)
    # Of a vector a negative number is as good as any.
    assert note(conditional(None, num_classes=None, size=2), (x, -np.ones((len(x), 2))))


def test_the_accuracy_of_a_classifier_is_measured_on_labelled_examples(data):
    vae = semi_supervised()
    (x, y), (more_x, more_y) = (map(np.asarray, batch) for batch in data.test.take(2))
    some = np.where(np.arange(len(y)) % 3, y, -1)
    some[1] = np.argmax(vae.classify(x[1:2]))
    metrics = kv.evaluation.evaluate(vae, [(x, some), (more_x, more_y)], num_samples=2)
    right = np.concatenate([vae.classify(x), vae.classify(more_x)]).argmax(axis=1)
    label = np.concatenate([some, more_y])
    known = label >= 0
    assert metrics["accuracy"] == pytest.approx(np.mean(right[known] == label[known]), abs=1e-9)
    assert 0 < metrics["accuracy"] < 1
    assert "accuracy" not in kv.evaluation.evaluate(vae, x, num_samples=2)
    assert "accuracy" not in kv.evaluation.evaluate(conditional(), [(x, y)], num_samples=2)
    config = {"data": {"source": "digits"}, "model": {}, "training": {}}
    card = model_card("run", config, metrics)
    assert f"| {metrics['accuracy']:.2f} | of the labelled examples |" in card
