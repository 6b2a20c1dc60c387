"""Classes learnt from few labels: the bound with the label summed out, and what comes of it."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from scipy.special import log_softmax, logsumexp
from sklearn.linear_model import LogisticRegression

import keras_vae as kv
from keras_vae.data.examples import PartExamples

SHAPE = (8, 8, 1)


def semi_supervised(classes=10, **options):
    sizes = {"latent_dim": 4, "condition_dim": classes, "units": (128,)}
    return kv.SemiSupervisedVAE(
        kv.networks.conditional_encoder(kv.networks.mlp_encoder, SHAPE, seed=0, **sizes),
        kv.networks.conditional_decoder(kv.networks.mlp_decoder, SHAPE, seed=1, **sizes),
        kv.networks.mlp_classifier(SHAPE, classes, units=(64,), seed=3),
        seed=2,
        **options,
    )


@pytest.fixture(scope="module")
def digits():
    return kv.data.load("digits", batch_size=64, labels=True)


@pytest.fixture(scope="module")
def some(digits):
    x, y = next(iter(digits.test))
    return np.asarray(x)[:12], np.asarray(y)[:12]


def test_an_unknown_label_is_summed_over_and_a_known_one_is_given(some):
    x, y = some
    vae = semi_supervised(likelihood="continuous_bernoulli")
    given = kv.ConditionalVAE(
        vae.encoder, vae.decoder, 10, likelihood="continuous_bernoulli", label_drop=0.0
    )
    noise = np.random.default_rng(0).normal(size=(3, 12, 4)).astype("float32")
    each = [given.terms(x, noise, label=np.full(12, label)) for label in range(10)]
    log_px = np.stack([np.asarray(terms.log_px, "float64") for terms in each])
    kl = np.stack([np.asarray(terms.kl, "float64") for terms in each])
    log_weights = np.stack([np.asarray(terms.log_weights, "float64") for terms in each])
    log_qy = log_softmax(np.asarray(vae.classifier(x), "float64"), axis=-1)
    q = np.exp(log_qy)

    unknown = np.arange(12) % 2 == 0
    terms = vae.terms(x, noise, label=np.where(unknown, -1, y))
    rows = np.arange(12)
    summed = np.einsum("nc,ckn->kn", q, log_px)
    np.testing.assert_allclose(
        terms.log_px, np.where(unknown, summed, log_px[y, :, rows].T), rtol=1e-5
    )
    centers = np.stack([np.asarray(one.z_mean) for one in each])
    likely = np.where(unknown, q.argmax(axis=1), y)
    np.testing.assert_allclose(terms.z_mean, centers[likely, rows], rtol=1e-5)
    of_label = (q * (log_qy + np.log(10))).sum(axis=1)
    expected = np.where(unknown, np.einsum("nc,cn->n", q, kl) + of_label, kl[y, rows])
    np.testing.assert_allclose(terms.kl, expected, rtol=1e-4, atol=1e-4)
    marginal = logsumexp(log_weights, axis=0) - np.log(10)
    np.testing.assert_allclose(
        terms.log_weights, np.where(unknown, marginal, log_weights[y, :, rows].T), rtol=1e-5
    )


def test_what_the_classifier_leaves_out_it_leaves_out_in_training_alone(some):
    x, _ = some
    vae = semi_supervised()
    classifier = kv.networks.mlp_classifier(SHAPE, 10, dropout=0.5, seed=3)
    vae = kv.SemiSupervisedVAE(vae.encoder, vae.decoder, classifier)
    noise = np.zeros((1, 12, 4), "float32")
    asked = [np.asarray(vae.terms(x, noise, training).log_qy) for training in (True, False)]
    np.testing.assert_allclose(np.exp(asked[1]), vae.classify(x), rtol=1e-5)
    assert np.abs(asked[0] - asked[1]).max() > 0.1


class _Counted(keras.layers.Layer):
    def build(self, shape):
        self.calls = 0

    def call(self, x):
        self.calls += 1
        return x


def test_the_classifier_is_asked_once_for_the_label_that_lacks(some):
    x, _ = some
    counted = _Counted()
    inner = kv.networks.mlp_classifier(SHAPE, 10, units=(64,), seed=3)
    inputs = keras.Input(SHAPE)
    sizes = {"latent_dim": 4, "condition_dim": 10}
    vae = kv.SemiSupervisedVAE(
        kv.networks.conditional_encoder(kv.networks.mlp_encoder, SHAPE, **sizes),
        kv.networks.conditional_decoder(kv.networks.mlp_decoder, SHAPE, **sizes),
        keras.Model(inputs, inner(counted(inputs))),
    )
    for ask in (vae.reconstruct, vae.embed, vae):
        counted.calls = 0
        ask(x)
        assert counted.calls == 1
    label = np.arange(12) % 4 - 1
    given = np.where(label < 0, np.asarray(inner(x)).argmax(axis=1), label)
    plain = kv.ConditionalVAE(vae.encoder, vae.decoder, 10, label_drop=0.0)
    np.testing.assert_allclose(vae.reconstruct(x, label), plain.reconstruct(x, given), atol=1e-6)


def test_log_prob_without_a_label_is_that_of_the_mixture_of_all_labels(some):
    x, _ = some
    vae = semi_supervised()
    each = [vae.log_prob(x > 0.5, 7, seed=1, label=label) for label in range(10)]
    expected = logsumexp(each, axis=0) - np.log(10)
    np.testing.assert_allclose(vae.log_prob(x > 0.5, 7, seed=1), expected, rtol=1e-5)
    # q(y|x) is not the posterior: its bound is the lower one.
    assert (vae.elbo(x > 0.5, 7, seed=1) < expected).all()


def test_the_loss_weighs_the_classification_of_labelled_examples_alone(some):
    x, y = some
    label = np.where(np.arange(12) < 3, y, -1)
    vae = semi_supervised(classification_weight=7.0, likelihood="continuous_bernoulli")
    vae.compile(keras.optimizers.SGD(0.0))
    found = vae.evaluate(x, label, batch_size=5, verbose=0, return_dict=True)
    log_qy = log_softmax(np.asarray(vae.classifier(x), "float64"), axis=-1)
    classification = -log_qy[np.arange(3), y[:3]]
    assert found["classification_loss"] == pytest.approx(classification.mean(), rel=1e-4)
    assert found["accuracy"] == pytest.approx((log_qy[:3].argmax(axis=1) == y[:3]).mean())
    bound = found["reconstruction_loss"] + found["kl_loss"]
    assert found["loss"] == pytest.approx(bound + 7.0 * classification.sum() / 12, rel=1e-4)


@pytest.mark.slow
def test_few_labels_are_learnt_better_with_the_images_that_have_none(digits, tmp_path):
    likelihood = kv.likelihoods.Gaussian(0.2)
    beta = kv.schedules.LinearWarmup(share=0.7, initial=3.0)
    vae = semi_supervised(likelihood=likelihood, objective=kv.objectives.ELBO(beta))
    batches = kv.data.few_labels(digits, 50, labelled_rows=20)
    vae.compile(keras.optimizers.Adam(3e-3))
    history = vae.fit(batches, validation_data=digits.validation, epochs=40, verbose=0).history
    assert history["val_accuracy"][-1] > history["val_accuracy"][0]

    # Of those that were seen without their label, of which there are more than of others.
    seen = PartExamples([digits.parts["train"]], has_labels=True)
    x, y = seen.read(0, len(seen))[::2]
    right = vae.classify(x).argmax(axis=1) == y
    few, few_y = batches.labelled
    alone = LogisticRegression(max_iter=2000).fit(few.reshape(50, -1), few_y)
    assert right.mean() > alone.score(x.reshape(len(x), -1), y) + 0.02

    # Without labels examples are reconstructed by the most likely one.
    likely = vae.classify(x).argmax(axis=1)
    np.testing.assert_allclose(vae.reconstruct(x), vae.reconstruct(x, likely), atol=1e-6)
    np.testing.assert_allclose(vae.predict(x, verbose=0), vae.reconstruct(x), atol=1e-5)
    label = np.where(np.arange(len(x)) % 2, likely, -1)
    np.testing.assert_allclose(
        vae.predict({"x": x, "label": label}, verbose=0), vae.reconstruct(x), atol=1e-5
    )

    vae.save(tmp_path / "vae.keras")
    np.save(tmp_path / "x.npy", x)
    code = (
        "import keras, numpy as np, keras_vae, sys\n"
        "vae = keras.models.load_model(sys.argv[1] + '/vae.keras')\n"
        "np.save(sys.argv[1] + '/y.npy', vae.classify(np.load(sys.argv[1] + '/x.npy')))\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), vae.classify(x), atol=1e-5)


def test_labels_that_are_not_asked_for_are_drawn_evenly_and_by_the_seed():
    vae = semi_supervised()
    images = np.asarray(vae.generate(600, seed=3))
    each = np.stack([vae.generate(600, seed=3, label=label) for label in range(10)])
    drawn = np.abs(each - images).max(axis=(2, 3, 4)).argmin(axis=0)
    assert np.abs(each[drawn, np.arange(600)] - images).max() < 1e-6
    assert (np.bincount(drawn, minlength=10) > 35).all()
    np.testing.assert_allclose(vae.generate(3, seed=3), images[:3], atol=1e-6)
    np.testing.assert_allclose(vae.generate(2, seed=3, label=[-1, 4])[0], images[0], atol=1e-6)


def test_few_labels_are_as_many_of_each_class_and_depend_on_the_seed_alone(digits):
    def epochs(seed):
        data = kv.data.load("digits", batch_size=64, labels=True, binarize="dynamic")
        batches = kv.data.few_labels(data, 30, labelled_rows=8, seed=seed)
        return batches.labelled, [[(x.numpy(), y.numpy()) for x, y in batches] for _ in range(2)]

    (x, y), (first, second) = epochs(0)
    assert np.bincount(y).tolist() == [3] * 10
    assert len(first) == len(digits.train)
    shown = np.concatenate([rows[1] for rows in first])
    assert (shown >= 0).sum() == 8 * len(first)
    assert all((rows[1][:-8] == -1).all() and (rows[1][-8:] >= 0).all() for rows in first)
    # What is shown with its label is one of the few, binarised anew each time.
    near = [np.abs(x - image).mean(axis=(1, 2, 3)).argmin() for image in first[0][0][-8:]]
    assert np.mean(y[near] == first[0][1][-8:]) > 0.8
    assert not np.array_equal(first[0][1][-8:], second[0][1][-8:])
    again = epochs(0)[1]
    for one, other in zip([*first, *second], [*again[0], *again[1]], strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])
    assert not np.array_equal(epochs(1)[0][0], x)


def test_labelled_arrays_stand_beside_data_without_labels(some):
    x, y = some
    data = kv.data.load("digits", batch_size=64, shuffle_seed=4)
    batches = kv.data.few_labels(data, (x, y), labelled_rows=12)
    np.testing.assert_array_equal(batches.labelled[1], y)
    found = [(x.numpy(), y) for x, y in batches.take(2)]
    data.set_epoch(0)
    for (both, label), alone in zip(found, data.train.take(2), strict=True):
        assert (label.numpy()[:64] == -1).all()
        np.testing.assert_array_equal(both[:64], alone)
        places = [np.abs(x - one).max(axis=(1, 2, 3)).argmin() for one in both[64:]]
        np.testing.assert_array_equal(y[places], label[64:])
        assert sorted(places) == list(range(12))
    other = kv.data.few_labels(data, (x, y), labelled_rows=12, seed=1)
    data.set_epoch(0)
    assert not np.array_equal(next(iter(other))[1], found[0][1])
    loaded = kv.data.load((x, y), labels=True, validation_fraction=0, test_fraction=0)
    again = next(iter(kv.data.few_labels(data, loaded, labelled_rows=12)))
    assert sorted(again[1].numpy()[64:]) == sorted(y)


def test_draws_of_another_vae_stand_in_place_of_the_images():
    networks = kv.networks.mlp_encoder(SHAPE, 3, seed=0), kv.networks.mlp_decoder(SHAPE, 3)
    vae = kv.VAE(*networks)
    data = kv.data.load("digits", batch_size=64, labels=True)
    z = np.concatenate([x for x, _ in kv.data.few_labels(data, 20, 5, through=vae)])
    q = vae.encode(PartExamples([data.parts["train"]]).read(0, data.num_train).x)
    expected = np.asarray(q.z_mean).var(0) + np.exp(np.asarray(q.z_log_var)).mean(0)
    np.testing.assert_allclose(z.var(0), expected, rtol=0.1)


def test_draws_of_binarised_images_are_of_pixels_above_a_half_and_new_in_each_epoch():
    networks = kv.networks.mlp_encoder(SHAPE, 3, seed=0), kv.networks.mlp_decoder(SHAPE, 3)
    vae = kv.VAE(*networks)
    grey = np.full((3000, 8, 8), 0.51)
    options = {"validation_fraction": 0, "test_fraction": 0, "binarize": "dynamic"}
    data = kv.data.load(grey, batch_size=500, **options)
    batches = kv.data.few_labels(data, (grey[:2], [0, 1]), 2, through=vae)
    first, second = (np.concatenate([z for z, _ in batches]) for _ in range(2))
    centers = [np.asarray(vae.embed(np.full((1, *SHAPE), value)))[0] for value in (0.51, 1)]
    assert np.abs(centers[0] - centers[1]).max() > 0.2
    np.testing.assert_allclose(first.mean(0), centers[1], atol=0.1)
    # The images are all alike: what differs is the noise.
    assert (np.abs(first - second).max(axis=1) > 0).all()


@pytest.mark.slow
def test_the_label_of_an_image_stays_beside_its_z(digits):
    vae = kv.VAE(
        kv.networks.mlp_encoder(SHAPE, 8, units=(128,), seed=0),
        kv.networks.mlp_decoder(SHAPE, 8, units=(128,), seed=1),
        likelihood=kv.likelihoods.Gaussian(0.2),
        seed=2,
    )
    vae.compile(keras.optimizers.Adam(3e-3))
    vae.fit(digits.train, epochs=30, verbose=0)
    batches = kv.data.few_labels(digits, 100, labelled_rows=50, through=vae)
    x, y = batches.labelled
    scale = np.exp(0.5 * np.asarray(vae.encode(x).z_log_var))
    centers = np.asarray(vae.embed(x))
    for z, label in batches.take(2):
        # In units of its own noise a draw is nearest to the image that it is a draw of.
        z, label = z.numpy()[-50:], label.numpy()[-50:]
        distance = np.square((z[:, None] - centers) / scale).sum(-1) + 2 * np.log(scale).sum(-1)
        assert np.mean(y[distance.argmin(axis=1)] == label) > 0.9
    sizes = {"latent_dim": 4, "condition_dim": 10, "units": (64,)}
    likelihood = kv.likelihoods.Gaussian("per_element")
    taught = kv.SemiSupervisedVAE(
        kv.networks.conditional_encoder(kv.networks.mlp_encoder, (8,), seed=0, **sizes),
        kv.networks.conditional_decoder(
            kv.networks.mlp_decoder, (8,), params_per_channel=2, seed=1, **sizes
        ),
        kv.networks.mlp_classifier((8,), 10, units=(64,), seed=3),
        likelihood=likelihood,
        seed=2,
    )
    taught.compile(keras.optimizers.Adam(3e-3))
    taught.fit(batches, epochs=30, verbose=0)
    found = kv.latent.embed(vae, digits.test)
    assert np.mean(taught.classify(found.z).argmax(axis=1) == found.labels) > 0.85


def test_what_does_not_fit_is_refused(digits):
    with pytest.raises(ValueError, match=r"logits \(B, C\) of at least 2 classes"):
        sizes = {"latent_dim": 4, "condition_dim": 10}
        networks = (
            kv.networks.conditional_encoder(kv.networks.mlp_encoder, SHAPE, **sizes),
            kv.networks.conditional_decoder(kv.networks.mlp_decoder, SHAPE, **sizes),
        )
        kv.SemiSupervisedVAE(*networks, keras.Sequential([keras.Input(SHAPE)]))
    with pytest.raises(ValueError, match="conditions of 4 numbers"):
        kv.SemiSupervisedVAE(*networks, kv.networks.mlp_classifier(SHAPE, 3))
    with pytest.raises(ValueError, match="must be learned by gradients"):
        semi_supervised(likelihood=kv.likelihoods.Gaussian("optimal"))
    with pytest.raises(ValueError, match="`objective` must be an ELBO"):
        semi_supervised(objective="iwae")
    with pytest.raises(ValueError, match="`classification_weight` must be >= 0"):
        semi_supervised(classification_weight=-1)
    vae, x = semi_supervised(), np.zeros((4, *SHAPE), "float32")
    vae.compile("adam")
    with pytest.raises(ValueError, match="learns from x and labels, -1 where there is none"):
        vae.fit(x, verbose=0)
    with pytest.raises(ValueError, match="classes 0 to 9"):
        vae.fit(x, np.array([0, -1, 2, 10]), verbose=0)
    with pytest.raises(ValueError, match="A label is needed to decode"):
        vae.decode(np.zeros((1, 4)))
    with pytest.raises(ValueError, match=r"`data` must be what kv\.data\.load gives"):
        kv.data.few_labels(digits.train, 10)
    with pytest.raises(ValueError, match="`through` must be a trained VAE"):
        kv.data.few_labels(digits, 10, through="vae")
    with pytest.raises(ValueError, match="`data` must have labels"):
        kv.data.few_labels(kv.data.load("digits"), 10)
    with pytest.raises(ValueError, match="`labelled` must have labels"):
        kv.data.few_labels(digits, kv.data.load("digits"))
    with pytest.raises(ValueError, match=r"shape of the other examples, \(8, 8, 1\)"):
        kv.data.few_labels(digits, (np.zeros((4, 9, 9)), [0, 1, 0, 1]))
    table = kv.data.load({"a": np.arange(40.0), "b": ["x", "y", "z", "w"] * 10})
    rows = {"a": np.arange(4.0), "b": ["z", "w", "z", "w"]}
    x, _ = kv.data.few_labels(table, (rows, [0, 1, 0, 1])).labelled
    categories = np.array(table.columns[1].categories)
    assert categories[x[:, 1].astype(int)].tolist() == rows["b"]
    other = {"a": np.arange(40.0), "b": ["z", "w"] * 20}, np.arange(40) % 2
    other = kv.data.load(other, labels=True)
    with pytest.raises(ValueError, match="columns and categories of the other rows"):
        kv.data.few_labels(table, other)
    with pytest.raises(ValueError, match="a multiple of the number of classes, 10"):
        kv.data.few_labels(digits, 25)
    with pytest.raises(ValueError, match="`labelled` must be"):
        kv.data.few_labels(digits, 5)
    with pytest.raises(ValueError, match="Each class must have 500 training examples"):
        kv.data.few_labels(digits, 5000)
