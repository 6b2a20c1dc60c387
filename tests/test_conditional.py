"""A VAE of x given a label: what the label does, where it is left out, and what is refused."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.linear_model import LogisticRegression

import keras_vae as kv
from keras_vae.data.examples import PartExamples

SHAPE = (8, 8, 1)


def conditional(num_classes=10, size=10, **options):
    sizes = {"latent_dim": 4, "condition_dim": size, "units": (128,)}
    return kv.ConditionalVAE(
        kv.networks.conditional_encoder(kv.networks.mlp_encoder, SHAPE, seed=0, **sizes),
        kv.networks.conditional_decoder(kv.networks.mlp_decoder, SHAPE, seed=1, **sizes),
        num_classes=num_classes,
        seed=2,
        **options,
    )


@pytest.fixture(scope="module")
def digits():
    """A trained model, training images and labels, test images and labels."""
    data = kv.data.load("digits", batch_size=64, labels=True)
    vae = conditional(likelihood=kv.likelihoods.Gaussian("optimal"))
    vae.compile(keras.optimizers.Adam(3e-3))
    vae.fit(data.train, validation_data=data.validation, epochs=40, verbose=0)
    parts = [PartExamples([data.parts[name]], has_labels=True) for name in ("train", "test")]
    return vae, *(part.read(0, len(part))[::2] for part in parts)


def test_a_label_makes_its_images_likely_and_another_one_does_not(digits):
    vae, _, (x, y) = digits
    own, none, other = (
        vae.elbo(x, num_samples=4, seed=0, label=label).mean() for label in (y, None, (y + 1) % 10)
    )
    assert own > none + 5 > other + 10


@pytest.mark.slow
def test_a_classifier_reads_the_label_that_was_asked_for_and_the_one_it_was_changed_to(digits):
    vae, (x, y), (test_x, test_y) = digits
    reader = LogisticRegression(max_iter=2000).fit(x.reshape(len(x), -1), y)
    labels = np.arange(500) % 10
    images = np.asarray(vae.generate(500, seed=0, label=labels)).reshape(500, -1)
    assert np.mean(reader.predict(images) == labels) > 0.97
    changed = np.asarray(vae.restyle(test_x, test_y, 5)).reshape(len(test_x), -1)
    assert np.mean(reader.predict(changed) == 5) > 0.95
    # The style is what is left of an image: it differs about as among fives.
    fives = test_x[test_y == 5].reshape(-1, 64)
    assert changed.std(axis=0).mean() > 0.5 * fives.std(axis=0).mean()
    free = np.asarray(vae.generate(500, seed=0)).reshape(500, -1)
    assert len(np.unique(reader.predict(free))) == 10


def test_what_is_bound_to_a_label_is_the_same_model(digits):
    vae, _, (x, _) = digits
    noise = np.random.default_rng(0).normal(size=(2, 5, 4)).astype("float32")
    for label in (3, None):
        bound = vae.at(label)
        terms = bound.terms(x[:5], noise)
        rows = None if label is None else np.full(5, label)
        for ours, theirs in zip(vae.terms(x[:5], noise, label=rows), terms, strict=True):
            if ours is not None:
                np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(
            bound.generate(3, seed=1), vae.generate(3, seed=1, label=label), atol=1e-6
        )
    np.testing.assert_array_equal(
        vae.generate(2, seed=1, label=[-1, 4])[0], vae.generate(2, seed=1)[0]
    )


@pytest.mark.slow
def test_it_is_saved_with_its_labels_and_predicts_in_another_process(digits, tmp_path):
    vae, _, (x, y) = digits
    vae.save(tmp_path / "vae.keras")
    np.savez(tmp_path / "in.npz", x=x[:20], y=y[:20])
    code = (
        "import keras, numpy as np, keras_vae, sys\n"
        "vae = keras.models.load_model(sys.argv[1] + '/vae.keras')\n"
        "given = np.load(sys.argv[1] + '/in.npz')\n"
        "found = vae.predict({'x': given['x'], 'label': given['y']}, verbose=0)\n"
        "np.save(sys.argv[1] + '/out.npy', found)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    expected = vae.reconstruct(x[:20], y[:20])
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), expected, atol=1e-5)
    assert np.abs(np.asarray(vae.reconstruct(x[:20])) - expected).max() > 0.05


def test_labels_may_be_a_column_and_one_may_stand_for_all():
    vae, x = conditional(), np.random.default_rng(0).random((4, *SHAPE)).astype("float32")
    vae.compile(keras.optimizers.SGD(0.0))
    y = np.array([1, 2, 3, -1])
    found = [vae.evaluate(x, label, verbose=0) for label in (y, y[:, None])]
    assert found[0] == found[1]
    expected = vae.predict({"x": x, "label": y}, verbose=0)
    np.testing.assert_array_equal(vae.predict({"x": x, "label": y[:, None]}, verbose=0), expected)
    np.testing.assert_allclose(vae.predict({"x": x, "label": 3}, verbose=0)[2], expected[2])


def test_bounds_with_and_without_labels_come_in_any_order():
    vae, x = conditional(), np.random.default_rng(0).random((6, *SHAPE)) > 0.5
    noise = kv.random.normals(kv.random.row_seeds(0, 6), 4, np.arange(3, dtype="int32"))
    without = vae.terms(x.astype("float32"), noise)
    expected = np.asarray(without.log_px).mean(0) - np.asarray(without.kl)
    for _ in range(2):
        np.testing.assert_allclose(vae.elbo(x, 3, seed=0), expected, rtol=1e-5)
        for label in (3, np.arange(6)):
            given = vae.elbo(x, 3, seed=0, label=label)
            rows = vae.elbo(x[:4], 3, seed=0, label=np.broadcast_to(label, 6)[:4])
            np.testing.assert_allclose(rows, given[:4], rtol=1e-5)
            assert np.abs(given - expected).max() > 0.01


def test_a_model_that_always_saw_labels_needs_one_everywhere():
    vae, x = conditional(label_drop=0.0), np.zeros((2, *SHAPE), "float32")
    for use in (
        lambda: vae.generate(2),
        lambda: vae.generate(2, label=[-1, 3]),
        lambda: vae.elbo(x),
        lambda: vae.predict(x, verbose=0),
        lambda: vae.at(),
    ):
        with pytest.raises(ValueError, match="A label is needed, since training left none out"):
            use()
    assert vae.generate(2, label=3).shape == (2, *SHAPE)


def test_a_prior_that_uses_the_encoder_is_shared_by_what_is_bound():
    x = np.random.default_rng(0).random((3, *SHAPE)).astype("float32")
    vae = conditional(prior=kv.priors.VampPrior(4, seed=0), likelihood="continuous_bernoulli")
    other = vae.with_objective("iwae")
    z = np.ones((1, 3, 4), "float32")
    for bound in (vae.at(3), vae.at(), other):
        np.testing.assert_allclose(bound.prior.log_prob(z), vae.prior.log_prob(z))
    np.testing.assert_allclose(vae.at(3).elbo(x, seed=0), vae.elbo(x, seed=0, label=3), rtol=1e-5)


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_a_share_of_the_labels_is_left_out_in_training(share):
    vae = conditional(label_drop=share)
    noise = np.asarray(vae.training_noise(np.int64(0), 2000))
    assert noise.shape == (2000, 1, 5)
    x = np.zeros((2000, *SHAPE), "float32")
    noise = noise.transpose(1, 0, 2)
    same = noise.copy()
    same[..., :4] = 0.0
    with_label = vae.terms(x, same, training=True, label=np.full(2000, 3))
    without = vae.terms(x[:1], np.zeros((1, 1, 4), "float32"))
    dropped = np.isclose(with_label.log_px[0], without.log_px[0, 0], atol=1e-4)
    assert dropped.mean() == pytest.approx(share, abs=0.04)


@pytest.mark.slow
def test_a_vector_can_be_the_condition():
    rng = np.random.default_rng(0)
    grey = rng.random((300, 1)).astype("float32")
    x = np.broadcast_to(grey[:, None, None], (300, *SHAPE)).copy()
    vae = conditional(None, 1, likelihood=kv.likelihoods.Gaussian("optimal"), label_drop=0.0)
    vae.compile(keras.optimizers.Adam(3e-3))
    vae.fit(x, grey, epochs=200, batch_size=50, shuffle=False, verbose=0)
    means = [float(np.mean(vae.generate(50, seed=0, label=[value]))) for value in (0.2, 0.5, 0.8)]
    assert means[1] - means[0] > 0.1 and means[2] - means[1] > 0.1


@pytest.mark.parametrize(
    ("label", "words"),
    [
        (10, "classes 0 to 9"),
        (-2, "classes 0 to 9"),
        (1.5, "classes 0 to 9"),
        ("3", "classes 0 to 9"),
        ([1, 2, 3], r"of shape \(\), for all, or \(2,\)"),
        ([], "classes 0 to 9"),
    ],
)
def test_a_label_that_was_not_trained_is_refused(label, words):
    with pytest.raises(ValueError, match=words):
        conditional().generate(2, label=label)


def test_labels_where_there_are_none_are_refused():
    plain = kv.VAE(kv.networks.mlp_encoder(SHAPE, 2), kv.networks.mlp_decoder(SHAPE, 2))
    x = np.zeros((2, *SHAPE), "float32")
    for use in (
        lambda: plain.generate(2, label=3),
        lambda: plain.reconstruct(x, label=3),
        lambda: plain.log_prob(x, label=[1, 2]),
    ):
        with pytest.raises(ValueError, match="model that was trained with labels"):
            use()


def test_a_training_without_labels_or_with_others_is_refused():
    vae, x = conditional(), np.zeros((4, *SHAPE), "float32")
    vae.compile("adam")
    with pytest.raises(ValueError, match="learns from x and labels"):
        vae.fit(x, verbose=0)
    with pytest.raises(ValueError, match="classes 0 to 9"):
        vae.fit(x, np.array([0, 1, 2, 10]), verbose=0)
    labels = tf.data.Dataset.from_tensor_slices((x, [1, 2, 3, 10])).batch(2)
    wrong = np.array([0, 1, 2, 10])
    for use in (
        lambda: vae.fit(labels, verbose=0),
        lambda: vae.fit(x, wrong % 10, validation_data=(x, wrong), verbose=0),
        lambda: vae.evaluate(x, wrong, verbose=0),
        lambda: vae.evaluate(labels, verbose=0),
        lambda: vae.predict({"x": x, "label": wrong}, verbose=0),
        lambda: vae.predict({"x": x, "label": wrong * 0.5}, verbose=0),
        lambda: vae.decode(np.zeros((4, 4)), tf.constant(wrong)),
        lambda: vae.fit(x, wrong * 0.5, verbose=0),
    ):
        with pytest.raises(ValueError, match="classes 0 to 9 that were trained, or -1 for none"):
            use()
    with pytest.raises(ValueError, match=r"numpy\.argmax"):
        vae.fit(x, np.eye(10)[wrong % 10], verbose=0)
    with pytest.raises(ValueError, match="a dict of `x` and `label`"):
        vae.predict({"x": x, "labels": wrong}, verbose=0)
    for use in (
        lambda: vae.fit(x, sample_weight=np.ones(4), verbose=0),
        lambda: vae.evaluate(x, sample_weight=np.ones(4), verbose=0),
        lambda: vae.evaluate(x, verbose=0),
    ):
        with pytest.raises(ValueError, match="learns from x and labels"):
            use()
    with pytest.raises(ValueError, match=r"or \(4, 2\)"):
        conditional(None, 2).fit(x, np.zeros((4, 3)), verbose=0)


def test_networks_that_take_no_condition_are_refused():
    plain = kv.networks.mlp_encoder(SHAPE, 2), kv.networks.mlp_decoder(SHAPE, 2)
    with pytest.raises(ValueError, match="two inputs, x and a condition"):
        kv.ConditionalVAE(*plain)
    with pytest.raises(ValueError, match="conditions of 8 numbers"):
        conditional(num_classes=7)
    for share in (-0.1, 1.0):
        with pytest.raises(ValueError, match="`label_drop` must be >= 0 and < 1"):
            conditional(label_drop=share)
