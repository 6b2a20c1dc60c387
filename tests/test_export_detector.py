"""An exported score that decides by itself, in every format."""

import numpy as np
import pytest

import keras_vae as kv
from export import export, load
from keras_vae import anomaly

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def fitted(trained_vae, images):
    """A function that gives a calibrated detector by its criterion."""

    def fit(criterion):
        detector = anomaly.AnomalyDetector(trained_vae, criterion)
        return detector.fit(images[:20], calibration=images[20:]).set_false_alarm_rate(0.2)

    return fit


@pytest.mark.parametrize("criterion", ["negative_elbo", "reconstruction_error", "typicality"])
def test_each_format_decides_as_the_detector(criterion, fitted, trained_vae, images, tmp_path):
    detector = fitted(criterion)
    results = export(
        trained_vae,
        tmp_path,
        formats=("saved_model", "tflite", "onnx"),
        precisions=("float32", "float16", "dynamic"),
        endpoints=("score", "decode"),
        detector=detector,
    )
    x = np.concatenate([images, 1 - images])
    expected, anomalies = -detector.score_samples(x), detector.predict(x) < 0
    assert 0 < anomalies.sum() < len(x)
    for result in results:
        if result.precision != "float32":
            assert "the threshold was calibrated for" in result.left_out["score"]
            continue
        file = load(result.path)
        assert file.metadata["detector"]["criterion"] == criterion
        found = file.run("score", image=x)
        np.testing.assert_allclose(found["anomaly_score"], expected, rtol=1e-4, atol=1e-4)
        np.testing.assert_array_equal(file.score(x).is_anomaly, found["is_anomaly"])
        np.testing.assert_allclose(found["threshold"], -detector.threshold_, rtol=1e-6)
        # But where the score is the threshold itself, which rounding may turn.
        clear = np.abs(expected + detector.threshold_) > 1e-3
        np.testing.assert_array_equal(found["is_anomaly"][clear], anomalies[clear])


def test_a_file_without_a_detector_has_no_decision(trained_vae, images, tmp_path):
    (result,) = export(trained_vae, tmp_path, formats="tflite", endpoints=("score",))
    found = load(result.path).run("score", image=images[:2])
    assert sorted(found) == ["kl_loss", "negative_elbo", "reconstruction_loss"]
    assert load(result.path).metadata["detector"] is None


@pytest.mark.parametrize("criterion", ["combined", "importance_weighted", "latent_neighbors"])
def test_a_score_that_the_graph_cannot_compute_is_refused(criterion, fitted, trained_vae, tmp_path):
    with pytest.raises(ValueError, match="'negative_elbo' or 'reconstruction_error' or 'typical"):
        export(trained_vae, tmp_path / "out", endpoints=("score",), detector=fitted(criterion))
    assert not (tmp_path / "out").exists()


def test_detectors_that_do_not_belong_to_the_file_are_refused(
    fitted, trained_vae, make_vae, images, tmp_path
):
    detector = fitted("negative_elbo")
    cases = [
        ({"detector": "negative_elbo"}, "must be a keras_vae.anomaly.AnomalyDetector"),
        ({"detector": anomaly.AnomalyDetector(trained_vae)}, "must be fitted first"),
        ({"detector": detector, "endpoints": ("decode",)}, "Add 'score' to the endpoints"),
        ({"detector": detector, "num_samples": 4}, "`num_samples` must be 16"),
    ]
    for options, words in cases:
        with pytest.raises(ValueError, match=words):
            export(trained_vae, tmp_path / "out", **{"endpoints": ("score",), **options})
    with pytest.raises(ValueError, match="one of another VAE"):
        export(make_vae(), tmp_path / "out", endpoints=("score",), detector=detector)
    assert not (tmp_path / "out").exists()


def test_a_table_is_exported_with_what_is_missing(tmp_path):
    rng = np.random.default_rng(0)
    kinds = rng.choice(["a", "b"], 80).tolist()
    data = kv.data.load({"x": rng.normal(5, 2, 80), "kind": kinds, "y": rng.normal(size=80)})
    vae = kv.VAE(
        kv.networks.table_encoder(data.columns, 2, seed=0),
        kv.networks.table_decoder(data.columns, 2, seed=1),
        kv.likelihoods.Tabular(data.columns),
        seed=2,
    )
    formats = ("saved_model", "tflite", "onnx")
    rows = np.float32([[5, 0, 1], [np.nan, 2, 0], [1, np.nan, np.nan]])
    expected = np.asarray(vae.reconstruct(rows))
    elbo = anomaly.scores.get("negative_elbo")
    score = elbo.score(elbo.measure(anomaly.view.View(vae, rows)))
    for result in export(vae, tmp_path, formats=formats, endpoints=("reconstruct", "score")):
        file = load(result.path)
        assert [one["name"] for one in file.metadata["columns"]] == ["x", "kind", "y"]
        found = file.run("reconstruct", image=rows)["image"]
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
        found = file.run("score", image=rows)["negative_elbo"]
        np.testing.assert_allclose(found, score, rtol=1e-4, atol=1e-4)
