"""Scores, thresholds, maps and the detector, against closed forms and independent numbers."""

import io
import pickle
import weakref

import hypothesis
import numpy as np
import pytest
from conftest import IMAGE_SHAPE
from hypothesis import strategies as st
from linear_gaussian import LinearGaussian
from PIL import Image
from scipy import stats
from scipy.spatial.distance import cdist
from sklearn.exceptions import NotFittedError
from sklearn.metrics import roc_auc_score
from sklearn.utils.estimator_checks import check_estimator, parametrize_with_checks

import keras_vae as kv
from keras_vae import anomaly, estimators
from keras_vae.anomaly.view import View

SCORES = st.lists(st.integers(-20, 20).map(float), min_size=3, max_size=40)
QUICK = {"epochs": 5, "random_state": 0}


def exact():
    """A linear-Gaussian model, a VAE with its exact posterior, and draws of it."""
    model = LinearGaussian([[1.0, 0.0, 1.0, 0.0], [0.0, 2.0, 0.0, -1.0]])
    return model, model.vae(), model.draw(400)


@hypothesis.given(SCORES, st.floats(0.02, 0.9))
def test_a_p_value_is_at_most_the_rate_just_where_the_threshold_says_so(calibration, rate):
    scores = np.linspace(-21, 21, 85)
    if np.floor(rate * (len(calibration) + 1) * (1 + 1e-12)) < 1:
        with pytest.raises(
            ValueError, match=f"needs at least .* examples. Received: {len(calibration)}"
        ):
            anomaly.thresholds.conformal(calibration, rate)
        return
    flagged = scores < anomaly.thresholds.conformal(calibration, rate)
    np.testing.assert_array_equal(
        flagged, anomaly.thresholds.p_values(scores, calibration) <= rate * (1 + 1e-12)
    )


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.1, 0.3])
def test_the_rate_of_false_alarms_is_kept_over_calibrations(rate):
    rng = np.random.default_rng(0)
    rates = []
    for _ in range(400):
        calibration, new = np.split(rng.standard_t(2, size=199 + 300), [199])
        rates.append(np.mean(new < anomaly.thresholds.conformal(calibration, rate)))
    mean, error = np.mean(rates), np.std(rates) / np.sqrt(len(rates))
    expected = np.floor(rate * 200 * (1 + 1e-12)) / 200
    assert abs(mean - expected) < 4 * error and mean < rate + 4 * error


@hypothesis.given(SCORES)
def test_p_values_of_exchangeable_scores_are_no_smaller_than_uniform_ones(scores):
    others = [
        anomaly.thresholds.p_values([score], scores[:index] + scores[index + 1 :])[0]
        for index, score in enumerate(scores)
    ]
    for level in np.linspace(0.05, 0.95, 10):
        assert np.mean(np.array(others) <= level) <= level + 1e-9


def test_the_likelihood_scores_are_those_of_an_exact_model():
    model, vae, x = exact()
    view = View(vae, x)
    score = anomaly.scores.get("importance_weighted")
    # Of an exact posterior every draw has the weight p(x).
    truth = -model.log_prob(x)
    np.testing.assert_allclose(score.score(score.measure(view)), truth, rtol=1e-3, atol=2e-3)
    # All examples have the same 16 draws; the KL is in closed form.
    mean, covariance = model.posterior(x)
    seeds, samples = kv.random.row_seeds(0, 1), np.arange(16, dtype=np.int32)
    noise = np.asarray(kv.random.normals(seeds, 2, samples), "float64")
    z = mean + np.sqrt(np.diag(covariance)) * noise
    noise_scale = stats.norm(0, model.scale)
    error = -noise_scale.logpdf(x - model.bias - z @ model.weights).sum(axis=-1).mean(axis=0)
    variance = np.diag(covariance)
    kl = 0.5 * (variance + mean**2 - 1 - np.log(variance)).sum(axis=-1)
    for name, expected in (("reconstruction_error", error), ("negative_elbo", error + kl)):
        score = anomaly.scores.get(name)
        found = score.score(score.measure(view))
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)


def test_typicality_is_the_distance_from_the_usual_on_both_sides():
    model, vae, x = exact()
    score = anomaly.scores.get("typicality")
    measured = score.measure(View(vae, x))
    score.fit(measured)
    elbo = measured[:, 0]
    expected = np.abs(elbo - elbo.mean())
    np.testing.assert_allclose(score.score(measured), expected, rtol=1e-6)
    centre = score.score(score.measure(View(vae, model.bias.astype("float32")[None])))
    assert centre[0] > np.median(expected)


@pytest.mark.parametrize(
    ("name", "metric", "count"),
    [("latent_neighbors", "cosine", 5), ("row_neighbors", "cityblock", 10)],
)
def test_neighbours_are_the_nearest_of_the_references(name, metric, count):
    _, vae, x = exact()
    score = anomaly.scores.get(name)
    measured = score.measure(View(vae, x))
    score.fit(measured[:300])
    distances = np.sort(cdist(measured[300:], measured[:300], metric), axis=1)
    # One that lies where another does, against the next, is taken for the same.
    same = distances[:, 0] <= 1e-3 * distances[:, 1]
    expected = np.where(
        same, distances[:, 1:][:, :count].mean(axis=1), distances[:, :count].mean(axis=1)
    )
    assert same.mean() < 0.1
    np.testing.assert_allclose(score.score(measured[300:]), expected, rtol=1e-3, atol=1e-6)
    # What it was fitted to is judged without itself.
    own = np.sort(cdist(measured[:300], measured[:300], metric), axis=1)[:, 1 : count + 1].mean(
        axis=1
    )
    np.testing.assert_allclose(score.score(measured[:300]), own, rtol=1e-3, atol=1e-6)


def test_the_code_length_is_that_of_a_png_file_of_what_the_model_sees(trained_vae, images):
    view = View(trained_vae, images[:3])
    for image, nats in zip(images[:3], view.code_length, strict=True):
        buffer = io.BytesIO()
        Image.fromarray(image[..., 0] > 0.5).save(buffer, "PNG", optimize=True)
        assert Image.open(buffer).mode == "1"
        assert nats == pytest.approx(len(buffer.getvalue()) * 8 * np.log(2))
    score = anomaly.scores.get("complexity")
    elbo = anomaly.scores.get("negative_elbo")
    expected = elbo.measure(view)[:, 0] - view.code_length
    np.testing.assert_allclose(score.score(score.measure(view)), expected)


def test_the_combined_score_is_the_weighted_sum_of_its_standardised_parts(trained_vae, images):
    view = View(trained_vae, images)
    combined = anomaly.scores.get("combined")
    measured = combined.measure(view)
    combined.fit(measured)
    total = np.zeros(len(images))
    for name, weight in (("complexity", 1.0), ("latent_neighbors", 2.0)):
        part = anomaly.scores.get(name)
        own = part.measure(view)
        part.fit(own)
        usual = part.score(own)
        spread = np.quantile(usual, 0.8413) - np.median(usual)
        total += weight * (part.score(own) - np.median(usual)) / spread
    np.testing.assert_allclose(combined.score(measured), total, rtol=1e-6, atol=1e-9)


def test_what_lies_beside_an_example_changes_nothing(trained_vae, images):
    detector = anomaly.AnomalyDetector(trained_vae).fit(images)
    together = detector.score_samples(images)
    alone = np.concatenate([detector.score_samples(image[None]) for image in images[:5]])
    np.testing.assert_allclose(together[:5], alone, rtol=1e-5)
    flat = detector.score_samples(images.reshape(len(images), -1))
    np.testing.assert_array_equal(together, flat)
    batches = detector.score_samples(iter([images[:7], images[7:]]))
    np.testing.assert_allclose(together, batches, rtol=1e-5)


def test_the_threshold_is_where_it_was_asked_for(trained_vae, images):
    detector = anomaly.AnomalyDetector(trained_vae, contamination=0.2).fit(images)
    assert (detector.predict(images) == -1).sum() == 8
    detector.calibrate(images, false_alarm_rate=0.1)
    # The fourth of forty: 0.1 * 41 = 4.1.
    assert detector.threshold_ == detector.offset_ == np.sort(detector.score_samples(images))[3]
    np.testing.assert_array_equal(detector.p_values(images) <= 0.1, detector.predict(images) == -1)
    detector.set_false_alarm_rate(0.5)
    assert (detector.predict(images) == -1).sum() == 19


@pytest.mark.parametrize("name", anomaly.SCORES)
def test_a_saved_detector_decides_as_before(name, trained_vae, images, tmp_path):
    detector = anomaly.AnomalyDetector(trained_vae, name).fit(images, calibration=images)
    detector.set_false_alarm_rate(0.2)
    detector.save(tmp_path / "detector.npz")
    again = anomaly.load(tmp_path / "detector.npz", trained_vae)
    others = 1.0 - images
    for method in ("decision_function", "p_values", "explain", "predict"):
        np.testing.assert_array_equal(
            getattr(again, method)(others), getattr(detector, method)(others)
        )
    content = (tmp_path / "detector.npz").read_bytes()
    (tmp_path / "detector.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"detector\.npz must be a detector that was saved"):
        anomaly.load(tmp_path / "detector.npz", trained_vae)


def test_the_map_shows_the_pixels_that_were_changed(trained_vae, images):
    detector = anomaly.AnomalyDetector(trained_vae).fit(images)
    changed = images[:10].copy()
    changed[:, 1, 2] = 1.0 - changed[:, 1, 2]
    nats = detector.explain(changed)
    assert nats.shape == changed.shape and nats.min() >= 0
    more = (nats - detector.explain(images[:10])).mean(axis=0)[..., 0]
    assert np.unravel_index(more.argmax(), more.shape) == (1, 2)
    expected = anomaly.maps.surprise(trained_vae, images).mean(axis=0)
    np.testing.assert_allclose(detector.usual_, expected, rtol=1e-5, atol=1e-6)


def test_elements_add_up_to_the_log_probability(trained_vae, images):
    centre = trained_vae.embed(images)
    params = trained_vae.decoder(centre)
    whole = np.asarray(trained_vae.likelihood.log_prob(images, params))
    parts = -anomaly.maps.surprise(trained_vae, images).reshape(len(images), -1).sum(axis=1)
    np.testing.assert_allclose(parts, whole, rtol=1e-5)


def test_a_likelihood_that_tells_only_the_sum_says_so(make_vae, images):
    class Summed(kv.likelihoods.Bernoulli):
        element_log_prob = kv.likelihoods.Likelihood.element_log_prob

        def log_prob(self, x, params, training=False):
            return kv.likelihoods.Bernoulli().log_prob(x, params, training)

    with pytest.raises(ValueError, match="Summed, which gives their sum alone"):
        Summed().element_log_prob(images, images)
    detector = anomaly.AnomalyDetector(make_vae(likelihood=Summed())).fit(images)
    assert np.isfinite(detector.score_samples(images)).all()
    with pytest.raises(ValueError, match="Summed, which gives their sum alone"):
        detector.explain(images)


def test_the_usual_surprise_is_that_of_the_values_that_are_there():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 2))
    x[::2, 1] = np.nan
    detector = anomaly.AnomalyDetector(**QUICK).fit(x)
    nats = anomaly.maps.surprise(detector.vae_, x.astype("float32"))
    np.testing.assert_allclose(detector.usual_[1], nats[1::2, 1].mean(), rtol=1e-4)


def test_a_view_goes_with_its_batch(trained_vae, images):
    view = View(trained_vae, images)
    view.bounds(4)
    gone = weakref.ref(view)
    del view
    assert gone() is None


def test_heat_is_red_where_the_nats_are():
    images, nats = np.ones((1, 2, 2, 1)), np.zeros((1, 2, 2, 1))
    nats[0, 0, 1] = 5.0
    heat = anomaly.maps.heat(images, nats, limit=5.0)
    np.testing.assert_allclose(heat[0, 0, 1], [1.0, 0.1, 0.0])
    assert np.ptp(heat[0, 0, 0]) == 0


@pytest.mark.slow
def test_a_detector_trains_a_model_of_its_own_and_finds_what_does_not_fit():
    rng = np.random.default_rng(0)
    normal = rng.normal(size=(600, 1)) * [1.0, 1.0, -2.0] + rng.normal(size=(600, 3)) / 10
    odd = rng.normal(size=(100, 3))
    normal[::9, 0] = np.nan
    detector = anomaly.AnomalyDetector(false_alarm_rate=0.1, random_state=3).fit(normal[:400])
    scores = np.r_[detector.score_samples(normal[400:]), detector.score_samples(odd)]
    assert roc_auc_score(np.repeat([1, 0], [200, 100]), scores) > 0.9
    assert len(detector.calibration_scores_) == 100
    again = anomaly.AnomalyDetector(false_alarm_rate=0.1, random_state=3).fit(normal[:400])
    np.testing.assert_allclose(again.score_samples(odd), detector.score_samples(odd), rtol=1e-4)
    # What is left out has no surprise; the third column does not fit the second.
    nats = detector.explain([[np.nan, 2.0, 4.0]])[0]
    assert nats[0] == 0 and nats[1:].max() > 5


def test_a_detector_survives_pickling():
    x = np.random.default_rng(0).normal(size=(60, 3))
    detector = anomaly.AnomalyDetector(**QUICK).fit(x)
    again = pickle.loads(pickle.dumps(detector))
    np.testing.assert_allclose(again.decision_function(x), detector.decision_function(x), rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"criterion": "combine"}, "Did you mean 'combined'"),
        ({"contamination": 0.0}, "`contamination` must be > 0"),
        ({"contamination": 0.7}, "<= 0.5"),
        ({"false_alarm_rate": 0.01, "vae": None}, "at least 99 calibration examples. Received: 10"),
        ({"false_alarm_rate": 1.5, "vae": None}, "`false_alarm_rate` must be"),
        ({"false_alarm_rate": 0.1}, "fit\\(train, calibration=validation\\)"),
        ({"criterion": "complexity", "vae": None}, "one of images"),
        ({"epochs": 0, "vae": None}, "`epochs` must be"),
    ],
    ids=["name", "none", "most", "few", "rate", "learnt", "rows", "epochs"],
)
def test_detectors_that_cannot_be_are_refused(options, words, trained_vae, images):
    options = {"vae": trained_vae, **QUICK, **options}
    x = images if options["vae"] is not None else images.reshape(40, -1)
    with pytest.raises(ValueError, match=words):
        anomaly.AnomalyDetector(**options).fit(x)


def test_a_threshold_before_the_fit_is_refused(trained_vae, images):
    detector = anomaly.AnomalyDetector(trained_vae)
    for ask in (
        lambda: detector.threshold_,
        lambda: detector.predict(images),
        lambda: detector.explain(images),
        lambda: detector.save("nowhere.npz"),
    ):
        with pytest.raises(NotFittedError, match="Call fit"):
            ask()
    with pytest.raises(ValueError, match="Call calibrate"):
        detector.fit(images).p_values(images)
    with pytest.raises(ValueError, match="fit\\(train, calibration=validation\\)"):
        anomaly.AnomalyDetector(trained_vae, false_alarm_rate=0.1).fit(iter([images]))
    with pytest.raises(ValueError, match=r"examples of shape \(4, 4, 1\)"):
        detector.fit(np.zeros((5, *IMAGE_SHAPE[:2], 3)))


def test_a_transformer_embeds_with_the_model_it_is_given(trained_vae, images):
    flat = images.reshape(40, -1)
    transformer = estimators.VAETransformer(trained_vae).fit(flat)
    z = transformer.transform(flat)
    np.testing.assert_allclose(z, np.asarray(trained_vae.embed(images)), atol=1e-5)
    decoded = np.asarray(trained_vae.decode(z)).reshape(40, -1)
    np.testing.assert_allclose(transformer.inverse_transform(z), decoded, atol=1e-5)
    elbo = trained_vae.elbo(images, num_samples=16, seed=0).mean()
    assert transformer.score(flat) == pytest.approx(elbo, rel=1e-5)
    assert list(transformer.get_feature_names_out()) == ["vaetransformer0", "vaetransformer1"]
    with pytest.raises(ValueError, match="the 16 columns of the VAE's examples"):
        estimators.VAETransformer(trained_vae).fit(flat[:, :9])
    with pytest.raises(ValueError, match="must have 2 columns, those of z"):
        transformer.inverse_transform(flat)


@pytest.mark.slow
@parametrize_with_checks(
    [anomaly.AnomalyDetector(**QUICK), estimators.VAETransformer(**QUICK)], legacy=True
)
def test_the_conventions_of_scikit_learn_hold(estimator, check):
    check(estimator)


@pytest.mark.slow
@pytest.mark.parametrize("criterion", ["negative_elbo", "row_neighbors", "typicality"])
def test_the_conventions_hold_for_other_scores(criterion):
    check_estimator(anomaly.AnomalyDetector(criterion=criterion, **QUICK))
